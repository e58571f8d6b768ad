"""One call for all who wait, what an answer is good for and how long, and what a source that fails is spared."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from callerid.asking import Answers, AskError, AskPolicy, SourceAnswer
from callerid.asking._health import FAILURES_IN_A_ROW, MOST_CALLS
from callerid.errors import Reason, Unavailable

from .made import Clock, Somebody, ask, at_once, eventually, find, must_wait, source


def unavailable(answers: Answers, of: Any, somebody: Any, key: str = "k") -> int:
    """The seconds after which to come back."""
    with pytest.raises(Unavailable) as refusal:
        ask(answers, of, somebody, key)
    assert refusal.value.reason is Reason.VERIFICATION_UNAVAILABLE
    return refusal.value.retry_after


def failing(key: Any) -> SourceAnswer[Any]:
    raise ValueError(f"the secret {key}")


def down(_: Any) -> SourceAnswer[Any]:
    raise AskError("HTTP status 500", is_source=True)


# --- one call ---


def test_a_hundred_threads_make_one_call(answers: Answers) -> None:
    somebody, of = Somebody(), source(AskPolicy(fetch_seconds=30, waiting_threads=200))
    somebody.gate.clear()
    with ThreadPoolExecutor(100) as pool:
        asked = [pool.submit(ask, answers, of, somebody) for _ in range(100)]
        eventually(lambda: len(answers._waiting[0]) == 100)
        somebody.gate.set()
        assert {future.result() for future in asked} == {"answer to k"}
    assert somebody.asked == ["k"]


def test_each_key_and_each_source_has_its_own_answer(answers: Answers) -> None:
    one, other, somebody = source(), source(), Somebody()
    assert [ask(answers, one, somebody, key) for key in "aba"] == ["answer to a", "answer to b", "answer to a"]
    assert ask(answers, other, Somebody(lambda _: SourceAnswer("another", 60)), "a") == "another"
    assert somebody.asked == ["a", "b"]


def test_nothing_is_asked_before_somebody_waits(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(), source()
    must_wait(answers, of, somebody)
    clock.advance(100)
    assert somebody.asked == []
    assert ask(answers, of, somebody) == "answer to k"  # and it has its whole time
    assert somebody.asked == ["k"]


def test_a_wait_that_nobody_waits_for_leaves_nothing_of_the_question(answers: Answers) -> None:
    somebody, of = Somebody(), source()
    answers.find(of, "k", lambda secret="not in memory": somebody(secret))
    gc.collect()
    assert "not in memory" not in [
        value for each in gc.get_objects() if type(each) is tuple for value in each if type(value) is str
    ]


def test_so_many_calls_run_at_a_time_and_the_rest_follow(answers: Answers) -> None:
    somebody, of = Somebody(), source(AskPolicy(fetch_seconds=30, waiting_threads=200))
    somebody.gate.clear()
    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(ask, answers, of, somebody, number) for number in range(40)]
        eventually(lambda: len(answers._waiting[0]) == 40)
        eventually(lambda: len(somebody.asked) == MOST_CALLS)
        running = [thread for thread in threading.enumerate() if thread.name == "callerid-asking"]
        assert len(running) == MOST_CALLS
        somebody.gate.set()
        assert [future.result() for future in asked] == [f"answer to {number}" for number in range(40)]


def test_a_flood_of_questions_is_refused_once_the_queue_is_long(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("callerid.asking._running.LONGEST_QUEUE", 2)
    somebody, of = Somebody(), source(AskPolicy(fetch_seconds=30, waiting_threads=200))
    somebody.gate.clear()
    with ThreadPoolExecutor(MOST_CALLS + 2) as pool:
        asked = [pool.submit(ask, answers, of, somebody, number) for number in range(MOST_CALLS + 2)]
        eventually(lambda: len(answers._waiting[0]) == MOST_CALLS + 2)
        eventually(lambda: len(somebody.asked) == MOST_CALLS)
        assert unavailable(answers, of, somebody, "one more") == 1
        somebody.gate.set()
        assert all(future.result() for future in asked)
    assert "too many questions wait for a thread" in caplog.text


def test_no_more_threads_is_a_failure_and_no_hang(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    somebody, of = Somebody(), source()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuses)
        assert unavailable(answers, of, somebody) == 1
    answers.clear()
    assert ask(answers, of, somebody) == "answer to k"


# --- freshness ---


def test_a_fresh_answer_is_used_without_a_call(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(), source()
    ask(answers, of, somebody)
    clock.advance(53)
    assert at_once(answers, of, somebody) == "answer to k"
    assert len(somebody.asked) == 1


def test_it_is_asked_for_again_behind_requests_in_the_last_part_of_its_lifetime(answers: Answers, clock: Clock) -> None:
    texts = iter(["old", "new"])
    somebody, of = Somebody(lambda _: SourceAnswer(next(texts), 60)), source()
    ask(answers, of, somebody)
    clock.advance(55)
    somebody.gate.clear()
    assert [at_once(answers, of, somebody) for _ in range(5)] == ["old"] * 5
    somebody.gate.set()
    eventually(lambda: at_once(answers, of, somebody) == "new")
    assert len(somebody.asked) == 2


def test_an_expired_answer_is_not_used(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(), source()
    ask(answers, of, somebody)
    clock.advance(60)
    must_wait(answers, of, somebody)
    somebody.answer = failing
    assert unavailable(answers, of, somebody) == 1


def test_a_stale_answer_is_used_while_the_source_fails_if_the_policy_says_so(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(), source(AskPolicy(stale_seconds=600))
    ask(answers, of, somebody)
    somebody.answer = failing
    clock.advance(61)
    assert ask(answers, of, somebody) == "answer to k"
    assert at_once(answers, of, somebody) == "answer to k"
    assert len(somebody.asked) == 2
    clock.advance(600)
    assert unavailable(answers, of, somebody) >= 1


def test_an_entry_serves_its_answer_until_a_call_is_due(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(), source()
    ask(answers, of, somebody)
    found = find(answers, of, somebody)
    assert found.entry.serves(found.answer)
    assert not found.entry.serves(SourceAnswer("another", 60))
    clock.advance(54)
    assert not found.entry.serves(found.answer)


# --- failures ---


def test_what_fails_is_503_at_once_until_its_back_off_ends(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(failing), source()
    retry_after = []
    for failures in range(1, 7):
        retry_after.append(unavailable(answers, of, somebody))
        for _ in range(20):
            with pytest.raises(Unavailable):
                find(answers, of, somebody)
        assert len(somebody.asked) == failures
        clock.advance(retry_after[-1])
    assert retry_after == [1, 2, 4, 8, 16, 30]


def test_a_failure_is_logged_by_type_and_place_without_what_was_asked(
    answers: Answers, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="callerid")
    somebody, of = Somebody(failing), source(remedy="look into it")
    with pytest.raises(Unavailable) as refusal:
        ask(answers, of, somebody, "xyzzy")
    somebody.answer = lambda _: SourceAnswer(1, 1)
    clock.advance(1)
    ask(answers, of, somebody, "xyzzy")
    (record,) = caplog.records
    message = record.getMessage()
    assert message.startswith("The source of the tests cannot be asked (ValueError at ")
    assert message.endswith(", in failing); next try in 1 s.")
    assert "xyzzy" not in caplog.text + repr(refusal.value) + refusal.value.detail
    assert refusal.value.__cause__ is refusal.value.__context__ is None
    assert refusal.value.remedy == "look into it"


def test_a_source_may_ask_to_be_left_alone(answers: Answers, clock: Clock) -> None:
    def busy(_: Any) -> SourceAnswer[Any]:
        raise AskError("HTTP status 429", retry_after=20, is_source=True)

    somebody, of = Somebody(busy), source()
    assert unavailable(answers, of, somebody, "a") == 20
    assert unavailable(answers, of, somebody, "b") == 20
    assert somebody.asked == ["a"]


def test_one_question_that_fails_does_not_stop_others(answers: Answers) -> None:
    somebody, of = Somebody(lambda key: failing(key) if key == "bad" else SourceAnswer(key, 60)), source()
    for _ in range(5):
        unavailable(answers, of, somebody, "bad")
    assert ask(answers, of, somebody, "good") == "good"


def test_a_source_that_fails_whatever_it_is_asked_is_left_alone(
    answers: Answers, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "callerid")
    somebody, of = Somebody(down), source()
    for number in range(50):
        unavailable(answers, of, somebody, str(number))
    assert len(somebody.asked) == FAILURES_IN_A_ROW
    with pytest.raises(Unavailable, match="HTTP status 500"):
        find(answers, of, somebody, "another")
    somebody.answer = lambda key: SourceAnswer(key, 60)
    clock.advance(4)
    assert ask(answers, of, somebody, "new") == "new"
    assert ask(answers, of, somebody, "newer") == "newer"
    assert caplog.messages[-1] == "The source of the tests answers again, after 3 failures."


def refuses_it(_: Any) -> SourceAnswer[Any]:
    raise AskError("HTTP status 400", retry_after=30)


@pytest.mark.parametrize("stumbles", [failing, refuses_it])
def test_strangers_cannot_make_a_source_be_left_alone_by_what_it_stumbles_at(
    answers: Answers, stumbles: Callable[[Any], SourceAnswer[Any]]
) -> None:
    somebody, of = Somebody(lambda key: stumbles(key) if key != "new" else SourceAnswer(key, 60)), source()
    for number in range(10):
        unavailable(answers, of, somebody, str(number))
    assert len(somebody.asked) == 10
    assert ask(answers, of, somebody, "new") == "new"


def test_what_it_stumbles_at_does_not_end_the_time_for_which_a_source_asked_to_be_left_alone(
    answers: Answers, clock: Clock
) -> None:
    """The question was under way when the source said so."""

    def busy(_: Any) -> SourceAnswer[Any]:
        raise AskError("HTTP status 429", retry_after=20, is_source=True)

    slow, quick, of = Somebody(failing), Somebody(busy), source()
    slow.gate.clear()
    wait = must_wait(answers, of, slow, "slow")
    with ThreadPoolExecutor(1) as pool:
        blocked = pool.submit(wait.block)
        eventually(lambda: slow.asked == ["slow"])
        unavailable(answers, of, quick, "quick")
        slow.gate.set()
        blocked.result()
    assert unavailable(answers, of, quick, "other") == 20
    assert quick.asked == ["quick"]


def test_who_was_known_is_asked_about_though_strangers_make_the_source_fail(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(lambda key: down(key) if key != "good" else SourceAnswer(key, 60)), source()
    ask(answers, of, somebody, "good")
    clock.advance(60)
    for number in range(50):
        unavailable(answers, of, somebody, str(number))
    assert ask(answers, of, somebody, "good") == "good"


def test_a_source_that_hangs_holds_up_one_caller_at_a_time(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(down), source(AskPolicy(fetch_seconds=30, stale_seconds=0))
    for number in range(FAILURES_IN_A_ROW):
        unavailable(answers, of, somebody, str(number))
    clock.advance(4)
    somebody.gate.clear()
    first = must_wait(answers, of, somebody, "first")
    first._begin(False)  # type: ignore[misc]
    assert unavailable(answers, of, somebody, "second") == 1
    clock.advance(30)  # nobody waited for it to the end, and its thread hangs
    must_wait(answers, of, somebody, "third")
    somebody.gate.set()
    first.block()


def test_so_many_who_were_known_may_wait_for_a_source_that_hangs(answers: Answers, clock: Clock) -> None:
    somebody, of = Somebody(), source(AskPolicy(fetch_seconds=30, stale_seconds=0))
    for number in range(FAILURES_IN_A_ROW + 1):
        ask(answers, of, somebody, number)
    clock.advance(60)
    somebody.answer = down
    for number in range(FAILURES_IN_A_ROW):
        unavailable(answers, of, somebody, f"stranger {number}")
    somebody.gate.clear()
    waits = [must_wait(answers, of, somebody, number) for number in range(FAILURES_IN_A_ROW)]
    for wait in waits:
        wait._begin(False)  # type: ignore[misc]
    assert unavailable(answers, of, somebody, FAILURES_IN_A_ROW) >= 1  # type: ignore[arg-type]
    somebody.gate.set()
    for wait in waits:
        wait.block()


def test_what_takes_too_long_is_503_and_its_late_answer_is_not_used(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    answers, somebody, of = Answers(timer=clock), Somebody(), source(AskPolicy(fetch_seconds=0.05))
    somebody.gate.clear()
    wait = must_wait(answers, of, somebody)
    wait.block()
    clock.advance(0.06)
    with pytest.raises(Unavailable):
        find(answers, of, somebody, "k", wait)
    assert "cannot be asked (not done within 0.05 s)" in caplog.text
    somebody.gate.set()
    eventually(lambda: not any(thread.name == "callerid-asking" for thread in threading.enumerate()))
    with pytest.raises(Unavailable):
        find(answers, of, somebody)
    assert len(caplog.records) == 1


def test_a_late_failure_is_not_counted_twice(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    answers, somebody, of = Answers(timer=clock), Somebody(failing), source(AskPolicy(fetch_seconds=0.05))
    somebody.gate.clear()
    wait = must_wait(answers, of, somebody)
    wait.block()
    clock.advance(0.06)
    with pytest.raises(Unavailable):
        find(answers, of, somebody, "k", wait)
    somebody.gate.set()
    eventually(lambda: not any(thread.name == "callerid-asking" for thread in threading.enumerate()))
    assert len(caplog.records) == 1


def test_a_question_whose_time_is_up_before_its_turn_is_not_asked(clock: Clock) -> None:
    answers, somebody = Answers(timer=clock), Somebody()
    of = source(AskPolicy(fetch_seconds=0.05, waiting_threads=200))
    somebody.gate.clear()
    waits = [must_wait(answers, of, somebody, number) for number in range(MOST_CALLS + 1)]
    for wait in waits:
        wait._begin(False)  # type: ignore[misc]
    eventually(lambda: len(somebody.asked) == MOST_CALLS)
    clock.advance(0.06)
    with pytest.raises(Unavailable):
        find(answers, of, somebody, MOST_CALLS, waits[-1])
    somebody.gate.set()
    eventually(lambda: not any(thread.name == "callerid-asking" for thread in threading.enumerate()))
    assert MOST_CALLS not in somebody.asked


def test_a_caller_who_may_not_wait_any_longer_is_told_so(answers: Answers) -> None:
    somebody, of = Somebody(), source(AskPolicy(fetch_seconds=30, waiting_threads=1, brief_wait=0))
    somebody.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, answers, of, somebody)
        eventually(lambda: len(answers._waiting[0]) == 1)
        with pytest.raises(Unavailable, match="enough callers wait for the answer"):
            ask(answers, of, somebody)
        somebody.gate.set()
        assert first.result() == "answer to k"


def test_an_exit_in_a_thread_is_a_failure(answers: Answers, caplog: pytest.LogCaptureFixture) -> None:
    def leaves(_: Any) -> SourceAnswer[Any]:
        raise SystemExit(3)

    unavailable(answers, source(), Somebody(leaves))
    assert "SystemExit" in caplog.text


# --- bounds, and fork ---


def test_strangers_displace_each_other_and_nobody_who_is_known(clock: Clock) -> None:
    answers, of = Answers(20, timer=clock), source()
    somebody = Somebody(lambda key: SourceAnswer(key, 60, is_known=key == "good"))
    ask(answers, of, somebody, "good")
    for number in range(100):
        ask(answers, of, somebody, str(number))
    assert (len(answers._known), len(answers._others)) == (1, 20)
    assert at_once(answers, of, somebody, "good") == "good"


def test_who_is_known_no_more_becomes_a_stranger(answers: Answers, clock: Clock) -> None:
    known = iter([True, False, True])
    somebody, of = Somebody(lambda key: SourceAnswer(key, 60, is_known=next(known))), source()
    for sizes in ((1, 0), (0, 1), (1, 0)):
        ask(answers, of, somebody)
        assert (len(answers._known), len(answers._others)) == sizes
        clock.advance(60)


def test_an_answer_reaches_who_waits_although_its_entry_was_displaced(clock: Clock) -> None:
    answers, somebody, of = Answers(16, timer=clock), Somebody(), source()
    wait = must_wait(answers, of, somebody)
    for number in range(100):
        must_wait(answers, of, somebody, str(number))
    wait.block()
    assert find(answers, of, somebody, "k", wait).answer.value == "answer to k"
    assert at_once(answers, of, somebody) == "answer to k"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_begins_with_nothing_and_asks_for_itself(answers: Answers) -> None:
    somebody, of = Somebody(), source(AskPolicy(fetch_seconds=30))
    ask(answers, of, somebody, "before")
    somebody.gate.clear()
    waiting = must_wait(answers, of, somebody)
    waiting._begin(False)  # type: ignore[misc]
    eventually(lambda: len(somebody.asked) == 2)
    child = os.fork()
    if child == 0:
        try:
            fresh = Somebody()
            ok = len(answers._known) == 0 and ask(answers, of, fresh) == "answer to k" and fresh.asked == ["k"]
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    somebody.gate.set()
    assert os.waitstatus_to_exitcode(status) == 0
    waiting.block()
    answers.renew_after_fork()
    assert len(answers._known) == 0


def test_an_answer_that_another_one_has_replaced_is_not_expired(answers: Answers) -> None:
    somebody, of = Somebody(), source()
    ask(answers, of, somebody)
    old = find(answers, of, somebody)
    answers.forget(lambda key: key == "k")
    ask(answers, of, somebody)
    answers.expire(old)
    assert at_once(answers, of, somebody) == "answer to k"
    assert somebody.asked == ["k", "k"]

"""Async sources: asked on the loop of the task that waits first, or on a loop of their own; never in its way."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from callerid.asking import Answers, AskPolicy, SourceAnswer, Wait
from callerid.asking._health import MOST_CALLS
from callerid.asking._running import _OWN, Tasks, is_in_task
from callerid.errors import Unavailable
from tests import held_time

from .made import Clock, Somebody, ask, ask_async, at_once, eventually, find, must_wait, source

LONG = AskPolicy(fetch_seconds=30, stale_seconds=0, waiting_threads=200)


class Slow:
    """Answers after so many seconds of its loop's time."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.asked, self.at_a_time, self.most = seconds, 0, 0, 0

    async def __call__(self, key: Any) -> SourceAnswer[Any]:
        self.asked += 1
        self.at_a_time += 1
        self.most = max(self.most, self.at_a_time)
        try:
            await anyio.sleep(self.seconds)
        finally:
            self.at_a_time -= 1
        return SourceAnswer(f"answer to {key}", 60)


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(40):
        while not condition():  # noqa: ASYNC110 - it is no event of this loop
            await anyio.sleep(0.001)


def test_a_hundred_tasks_make_one_call_on_their_own_loop(backend: str) -> None:
    answers, of, slow = Answers(), source(LONG, is_async=True), Slow(5)
    before = threading.active_count()
    found: list[Any] = []

    async def one() -> None:
        found.append(await ask_async(answers, of, slow))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(100):
                group.start_soon(one)
        assert threading.active_count() <= before + 1

    held_time.run(main, backend)
    assert found == ["answer to k"] * 100
    assert slow.asked == 1


def test_a_function_that_blocks_does_not_block_the_loop(backend: str) -> None:
    answers, of, somebody = Answers(), source(LONG), Somebody()
    somebody.gate.clear()
    ticks = 0

    async def main() -> str:
        nonlocal ticks
        found: list[str] = []

        async def one() -> None:
            found.append(await ask_async(answers, of, somebody))

        async with anyio.create_task_group() as group:
            group.start_soon(one)
            await until(lambda: len(somebody.asked) == 1)
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
                ticks += 1
            somebody.gate.set()
        return found[0]

    assert anyio.run(main, backend=backend) == "answer to k"
    assert ticks == 10


def test_what_takes_too_long_is_cancelled(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    answers, of, slow = Answers(), source(is_async=True), Slow(60)

    async def main() -> None:
        with pytest.raises(Unavailable):
            await ask_async(answers, of, slow)
        await anyio.lowlevel.checkpoint()

    held_time.run(main, backend)
    assert slow.at_a_time == 0
    assert "cannot be asked (not done within 2 s)" in caplog.text
    assert len(caplog.records) == 1


def test_so_many_tasks_ask_at_a_time(backend: str) -> None:
    answers, of, slow = Answers(), source(LONG, is_async=True), Slow(1)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(3 * MOST_CALLS):
                group.start_soon(ask_async, answers, of, slow, number)

    held_time.run(main, backend)
    assert (slow.asked, slow.most) == (3 * MOST_CALLS, MOST_CALLS)


def test_a_waiter_that_is_cancelled_does_not_stop_the_call(backend: str) -> None:
    answers, of, slow = Answers(), source(LONG, is_async=True), Slow(5)

    async def main() -> Any:
        with anyio.move_on_after(1):
            await ask_async(answers, of, slow)
        return await ask_async(answers, of, slow)

    assert held_time.run(main, backend) == "answer to k"
    assert slow.asked == 1


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_what_raises_is_unavailable(backend: str, error: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    async def raises(key: Any) -> SourceAnswer[Any]:
        raise error("the secret")

    async def main() -> None:
        with pytest.raises(Unavailable):
            await ask_async(Answers(), source(is_async=True), raises)

    anyio.run(main, backend=backend)
    assert error.__name__ in caplog.text
    assert "the secret" not in caplog.text


def test_a_cancellation_inside_the_function_is_its_own_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def waits_for_what_is_cancelled(key: Any) -> SourceAnswer[Any]:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future
        raise AssertionError

    async def main() -> None:
        with pytest.raises(Unavailable):
            await ask_async(Answers(), source(is_async=True), waits_for_what_is_cancelled)

    asyncio.run(main())
    assert "CancelledError" in caplog.text


def test_the_function_sees_nothing_of_the_request(backend: str) -> None:
    tenant: ContextVar[str] = ContextVar("tenant", default="none")

    async def sees(key: Any) -> SourceAnswer[Any]:
        return SourceAnswer(tenant.get(), 60)

    async def main() -> Any:
        tenant.set("acme")
        return await ask_async(Answers(), source(is_async=True), sees)

    assert anyio.run(main, backend=backend) == "none"


def test_a_refresh_runs_on_the_loop_behind_the_request(backend: str, clock: Clock) -> None:
    answers, of = Answers(timer=clock), source(is_async=True)
    texts = iter(["old", "new"])
    somebody = Somebody(lambda _: SourceAnswer(next(texts), 60))

    async def main() -> list[Any]:
        found = [await ask_async(answers, of, somebody.awaited)]
        clock.advance(55)
        found.append(at_once(answers, of, somebody.awaited))
        await until(lambda: at_once(answers, of, somebody.awaited) == "new")
        return found

    assert anyio.run(main, backend=backend) == ["old", "old"]


def test_a_loop_that_ends_takes_its_call_along_and_who_waits_elsewhere_asks_again(backend: str) -> None:
    answers, of = Answers(), source(LONG, is_async=True)
    began = threading.Event()
    calls: list[str] = []

    async def hangs_first(key: Any) -> SourceAnswer[Any]:
        calls.append(threading.current_thread().name)
        if len(calls) == 1:
            began.set()
            await anyio.sleep_forever()
        return SourceAnswer("second", 60)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(ask_async, answers, of, hangs_first)
            await until(lambda: len(answers._waiting[0]) == 1)
            group.cancel_scope.cancel()

    with ThreadPoolExecutor(1) as pool:
        loop = threading.Thread(target=lambda: anyio.run(main, backend=backend))
        loop.start()
        began.wait()
        other = pool.submit(ask, answers, of, hangs_first)
        loop.join()
        assert other.result() == "second"
    assert calls[1] == "callerid-asking-loop"


def test_nobody_asks_without_end_where_loops_keep_ending() -> None:
    answers, of = Answers(), source(LONG, is_async=True)
    waited: tuple[Wait, ...] = ()
    for _ in range(4):
        wait = find(answers, of, Slow(1), "k", *waited)
        assert isinstance(wait, Wait)
        wait.in_flight.begin()  # type: ignore[attr-defined]
        answers.abandon(wait.keys, wait.in_flight)  # type: ignore[arg-type]
        waited = (*waited, wait)
    answers.abandon(waited[0].keys, waited[0].in_flight)  # type: ignore[arg-type] # once more does nothing
    with pytest.raises(Unavailable):
        find(answers, of, Slow(1), "k", *waited)


def test_without_a_loop_an_async_function_runs_on_one_that_stays() -> None:
    answers, of = Answers(), source(LONG, is_async=True)
    loops: set[asyncio.AbstractEventLoop] = set()

    async def notes(key: Any) -> SourceAnswer[Any]:
        loops.add(asyncio.get_running_loop())
        return SourceAnswer(key, 60)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda key: ask(answers, of, notes, key), range(20))) == list(range(20))
    assert len(loops) == 1
    _OWN.end()
    _OWN.end()
    assert all(loop.is_closed() for loop in loops)
    assert ask(answers, of, notes, "again") == "again"


def test_one_who_blocks_a_loop_does_not_wait_for_it() -> None:
    answers, of, slow = Answers(), source(LONG, is_async=True), Slow(0)

    async def main() -> Any:
        return ask(answers, of, slow)  # as guard.verify(...) does, where averify(...) is meant

    assert asyncio.run(main()) == "answer to k"


def test_no_thread_for_a_loop_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    _OWN.end()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuses)
        with pytest.raises(Unavailable):
            ask(Answers(), source(is_async=True), Slow(0))


ENDING = """
import asyncio
from callerid.asking import Answers
from tests.asking.made import must_wait, source

async def hangs(key):
    try:
        await asyncio.sleep(3600)
    finally:
        print("cancelled", flush=True)

wait = must_wait(Answers(), source(is_async=True), hangs)
wait.seconds = 0.2
wait.block()
"""


@pytest.mark.slow
def test_a_process_ends_although_a_call_hangs() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", ENDING],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("cancelled\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    answers, of = Answers(), source(LONG, is_async=True)
    assert ask(answers, of, Slow(0)) == "answer to k"
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if ask(answers, of, Slow(0)) == "answer to k" else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_wait_is_not_over_before_its_call(clock: Clock) -> None:
    answers, of = Answers(timer=clock), source(LONG, is_async=True)
    wait = must_wait(answers, of, Slow(0))
    assert wait.seconds == pytest.approx(30.02)
    wait.block()
    eventually(lambda: at_once(answers, of, Slow(0)) == "answer to k")


def test_a_loop_that_is_dropped_takes_its_call_along() -> None:
    abandoned: list[bool] = []

    class Told:
        def abandon(self) -> None:
            abandoned.append(True)

    async def main() -> None:
        running = Tasks(1, 60)._in_asyncio(asyncio.Semaphore(1), lambda: Slow(60)("k"), Told())  # type: ignore[arg-type]
        running.send(None)
        running.close()

    asyncio.run(main())
    assert abandoned == [True]


def test_where_asyncio_was_never_imported_no_loop_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "asyncio")
    assert not is_in_task()

"""A fleet by itself and as a guard has it, with a stand-in for Redis that can fail in each way."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from callerid import ConfigurationError, Guard, Reason, Unauthenticated
from callerid.authentication import Denial
from callerid.authentication import _revocations as revocations
from callerid.authentication._revocations import Account
from callerid.fleet import RedisFleet
from callerid.fleet import _redis_denials as redis_denials
from callerid.fleet import _redis_fleet as redis_fleet
from callerid.fleet._messages import read, written
from callerid.testing import google_person
from tests.fixtures import AT_HAND, token
from tests.fleet.stand_in import NAME, StandIn, stand_in

ADA = Account.of(google_person("ada@example.com", domain="example.com")).digest
NOW = time.time()
DENIAL = Denial(NOW, NOW + 3600)

Make = Callable[..., RedisFleet]


@pytest.fixture
def redis() -> Iterator[StandIn]:
    with stand_in() as made:
        yield made


@pytest.fixture
def make(redis: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Makes fleets that do all soon, and are closed after the test."""
    monkeypatch.setattr(redis_fleet, "DELAYS", (0.01,))
    monkeypatch.setattr(redis_fleet, "TURN_SECONDS", 0.02)
    monkeypatch.setattr(redis_fleet, "LISTEN_SECONDS", 0.3)
    made: list[RedisFleet] = []

    def making(url: str = "", **options: Any) -> RedisFleet:
        made.append(RedisFleet(url or redis.url, **options))
        return made[-1]

    yield making
    for each in made:
        each.close()


def until(happens: Callable[[], object]) -> None:
    """Wait for what another thread does."""
    ends_at = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < ends_at
        threading.Event().wait(0.005)


def listening(fleet: RedisFleet) -> RedisFleet:
    fleet.catching_up()
    until(lambda: fleet.status.connected)
    return fleet


def told(guard: Guard) -> tuple[bool, int, int, str | None]:
    status = guard.fleet_status()
    assert status is not None
    return status[:4]


def is_admitted(guard: Guard, who: str = "staff") -> bool:
    try:
        guard.verify(token(who))
    except Unauthenticated as refusal:
        return refusal.reason is not Reason.REVOKED
    return True


def test_what_one_guard_revokes_others_refuse(make: Make, redis: StandIn) -> None:
    here, there = Guard(*AT_HAND, fleet=make()), Guard(*AT_HAND, fleet=make())
    assert is_admitted(there)
    until(lambda: told(there) == (True, 0, 0, None))
    here.revoke(here.verify(token("staff")))
    until(lambda: not is_admitted(there))
    assert is_admitted(there, "outsider")
    [message] = redis.scores
    assert message.split()[0] == b"callerid1"
    assert b"ada" not in message


def test_who_was_away_learns_of_it_before_the_first_request_is_let_in(
    make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (revocations, redis_fleet):  # a busy machine may need longer than a request would wait
        monkeypatch.setattr(module, "CATCH_UP_SECONDS", 60.0)
    guard = Guard(*AT_HAND, fleet=make())
    guard.revoke(guard.verify(token("staff")))
    assert not is_admitted(Guard(*AT_HAND, fleet=make()))
    with pytest.raises(Unauthenticated, match="revoked"):
        asyncio.run(Guard(*AT_HAND, fleet=make()).averify(token("staff")))


def test_a_new_connection_is_made_where_one_breaks_and_nothing_is_missed(make: Make, redis: StandIn) -> None:
    fleet = listening(make())
    subscribed = redis.calls.count(b"SUBSCRIBE")
    redis.scores[written(ADA, DENIAL)] = DENIAL.until * 1000
    redis.drop()
    until(lambda: redis.calls.count(b"SUBSCRIBE") > subscribed and fleet.find(ADA))
    until(lambda: fleet.status.connected)
    assert fleet.status.error is None


def test_a_redis_that_begins_empty_is_told_again(make: Make, redis: StandIn) -> None:
    fleet = listening(make())
    fleet.tell(ADA, DENIAL, at_once=True)
    redis.flush()
    redis.drop()
    until(lambda: redis.scores)


def test_a_redis_that_is_flushed_is_told_again_by_those_who_heard_of_it(
    make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_fleet, "PING_SECONDS", 0.02)
    here, there = make(), listening(make())
    here.tell(ADA, DENIAL, at_once=True)
    until(lambda: there.find(ADA))
    here.close()
    [told] = redis.scores
    for _ in range(3):
        redis.flush()
        until(lambda: redis.scores)
    assert list(redis.scores) == [told]
    assert redis.calls.count(b"SUBSCRIBE") <= 2
    until(lambda: there.status[:4] == (True, 1, 0, None))


def test_the_status_says_since_when_it_is_so_and_which_generation_is_heard(
    make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_fleet, "PING_SECONDS", 0.02)
    clock = [NOW]
    here, there = (make(clock=lambda: clock[0]) for _ in range(2))
    assert here.status[4:] == (NOW, None)
    clock[0] += 10
    listening(here)
    listening(there).tell(ADA, DENIAL, at_once=True)
    until(lambda: here.status.generation and here.status.generation == there.status.generation)
    assert here.status.since == NOW + 10
    clock[0] += 10
    before = redis.generation
    redis.refuses.add(b"SUBSCRIBE")
    redis.flush()
    redis.drop()
    until(lambda: here.status.error == "ResponseError")
    assert here.status[4:] == (NOW + 20, before)
    clock[0] += 10
    redis.refuses.clear()
    until(lambda: here.status.generation not in (None, before))
    assert here.status.since == NOW + 30
    assert Guard(*AT_HAND, fleet=here).status().fleet == here.status


def test_what_stands_in_redis_is_not_told_again(make: Make, redis: StandIn) -> None:
    redis.scores = {written(ADA, DENIAL): DENIAL.until * 1000, b"x": 9e99}
    redis.generation = 2**52
    fleet = listening(make())
    longer = Denial(NOW, NOW + 7200)
    fleet.tell(ADA, longer, at_once=True)
    redis.drop()
    until(lambda: not fleet.status.connected)
    listening(fleet)
    until(lambda: fleet.status[:4] == (True, 1, 0, None))
    assert redis.calls.count(b"EVAL") == 1
    assert fleet.find(ADA) == read(written(ADA, longer), NOW)[1]  # type: ignore[index]  # it is one


def test_a_write_that_hangs_or_fails_leaves_the_subscription_as_it_is(
    make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_fleet, "PING_SECONDS", 0.02)
    monkeypatch.setattr(redis_fleet, "RETRY_SECONDS", 0.1)
    fleet = listening(make())
    for trouble in (redis.is_mute, redis.refuses):
        trouble.add(b"EVAL")
        fleet.tell(ADA, DENIAL, at_once=False)
        until(lambda: fleet.status.error)
        for number in range(3):
            other = f"{number:064x}"
            redis.scores[written(other, DENIAL)] = DENIAL.until * 1000
            redis.publish(written(other, DENIAL))
            until(partial(fleet.find, other))
        assert fleet.status.connected
        assert fleet.status.unsent == 1
        trouble.clear()
        until(lambda: fleet.status[2:4] == (0, None))
    assert redis.calls.count(b"SUBSCRIBE") == 1


def test_a_look_that_hangs_or_fails_leaves_the_subscription_as_it_is_and_is_made_again(
    make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_fleet, "PING_SECONDS", 0.02)
    monkeypatch.setattr(redis_fleet, "RETRY_SECONDS", 0.1)
    fleet = listening(make())
    fleet.tell(ADA, DENIAL, at_once=True)
    for command, trouble in ((b"ZSCORE", redis.is_mute), (b"ZREVRANGEBYSCORE", redis.refuses)):
        trouble.add(command)
        redis.flush()
        until(lambda: fleet.status.error)
        redis.publish(written("0" * 64, DENIAL))
        until(lambda: fleet.find("0" * 64))
        trouble.clear()
        until(lambda: redis.scores and fleet.status[2:4] == (0, None))
    assert redis.calls.count(b"SUBSCRIBE") == 1


def test_a_thread_that_got_no_processor_for_long_gives_no_connection_up(
    make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_fleet, "SILENT_SECONDS", 5.0)
    timer = [0.0]
    fleet = listening(make(timer=lambda: timer[0]))

    def pinged(before: int) -> bool:
        return redis.calls.count(b"PING") > before

    for _ in range(5):
        pings = redis.calls.count(b"PING")
        timer[0] += 1000
        until(partial(pinged, pings))
    assert fleet.status.error is None
    assert redis.calls.count(b"SUBSCRIBE") == 1


def test_where_redis_py_has_connected_anew_by_itself_what_was_missed_is_read(make: Make, redis: StandIn) -> None:
    fleet = listening(make())
    redis.scores[written(ADA, DENIAL)] = DENIAL.until * 1000
    redis.connect_again()
    until(lambda: fleet.find(ADA))
    until(lambda: fleet.status.connected)


def test_more_than_a_page_is_told_again_in_pages(make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (redis_fleet, redis_denials):
        monkeypatch.setattr(module, "PAGE", 2)
    fleet = listening(make())
    for number in range(5):
        fleet.tell(f"{number:064x}", DENIAL, at_once=False)
    until(lambda: fleet.status[2:4] == (0, None))
    sent = redis.calls.count(b"EVAL")
    redis.flush()
    redis.drop()
    until(lambda: len(redis.scores) == 5)
    assert redis.calls.count(b"EVAL") == sent + 3


def test_a_connection_that_is_silent_is_given_up(make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_fleet, "PING_SECONDS", 0.02)
    monkeypatch.setattr(redis_fleet, "SILENT_SECONDS", 0.2)
    fleet = listening(make())
    until(lambda: redis.calls.count(b"PING") > 3)
    assert fleet.status.error is None
    redis.is_mute.update({b"PING", b"SUBSCRIBE"})
    until(lambda: fleet.status.error == "TimeoutError")
    redis.is_mute.clear()
    until(lambda: fleet.status.connected and fleet.status.error is None)


@pytest.mark.parametrize("command", [b"SUBSCRIBE", b"ZREVRANGEBYSCORE"])
def test_requests_go_on_while_redis_refuses_and_it_is_logged_once(
    make: Make, redis: StandIn, caplog: pytest.LogCaptureFixture, command: bytes
) -> None:
    redis.refuses.add(command)
    guard = Guard(*AT_HAND, fleet=make())
    for _ in range(20):
        assert is_admitted(guard)
    until(lambda: told(guard) == (False, 0, 0, "ResponseError"))
    guard.revoke(guard.verify(token("staff")))
    assert not is_admitted(guard)
    assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 1
    assert told(guard) == (False, 0, 1, "ResponseError")
    redis.refuses.clear()
    until(lambda: redis.scores)
    until(lambda: told(guard) == (True, 1, 0, None))


def test_a_write_that_fails_is_made_later(make: Make, redis: StandIn) -> None:
    fleet = listening(make())
    redis.is_mute.add(b"EVAL")
    fleet.tell(ADA, DENIAL, at_once=True)
    assert fleet.status.error == "TimeoutError"
    assert fleet.status.unsent == 1
    redis.is_mute.clear()
    until(lambda: redis.scores and fleet.status[2:4] == (0, None))


def test_what_is_revoked_for_longer_during_a_write_is_told_too(make: Make, redis: StandIn) -> None:
    fleet = listening(make())
    longer = Denial(NOW, NOW + 7200)
    redis.before[b"EVAL"] = lambda: fleet.tell(ADA, longer, at_once=False)
    fleet.tell(ADA, DENIAL, at_once=False)
    until(lambda: written(ADA, longer) in redis.scores)
    until(lambda: fleet.status[:4] == (True, 1, 0, None))


def test_a_task_leaves_telling_to_the_thread_or_waits_for_it(make: Make, redis: StandIn) -> None:
    guard = Guard(*AT_HAND, fleet=make())

    async def revoke() -> None:
        guard.revoke(google_person(subject="1"))
        await guard.arevoke(google_person(subject="2"))
        assert any(Account.of(google_person(subject="2")).digest.encode() in each for each in redis.scores)

    asyncio.run(revoke())
    until(lambda: len(redis.scores) == 2)


def test_requests_wait_a_moment_for_what_was_revoked_before_and_no_longer(make: Make, redis: StandIn) -> None:
    redis.is_mute.add(b"SUBSCRIBE")
    timer = [0.0]
    fleet = make(timer=lambda: timer[0])
    waited = fleet.catching_up()
    assert waited is not None
    assert fleet.catching_up() is waited
    timer[0] += 1
    assert fleet.catching_up() is None
    until(lambda: waited.is_done)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"callerid2 " + written(ADA, DENIAL)[10:],
        written(ADA, DENIAL) + b" ",
        written(ADA, DENIAL).upper(),
        written(ADA, Denial(NOW, NOW - 1)),
        written(ADA, DENIAL).decode(),
        b"x" * 100_000,
        7,
    ],
)
def test_what_is_no_denial_is_ignored(message: object) -> None:
    assert read(message, NOW) is None


def test_a_denial_is_read_as_it_was_written_and_reaches_no_further_than_ours(make: Make, redis: StandIn) -> None:
    assert read(written(ADA, Denial(1.0001, 2.5)), 1) == (ADA, Denial(1.001, 2.5))
    assert read(written(ADA, Denial(9e9, 9e9)), NOW) == (ADA, Denial(NOW + 60, NOW + 90 * 86_400))
    fleet = listening(make())
    redis.publish(b"nonsense")
    redis.publish(written(ADA, DENIAL))
    until(lambda: fleet.find(ADA))
    assert fleet.status.heard == 1


def test_more_than_can_be_kept_is_not_taken(
    make: Make, redis: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(redis_fleet, "MOST", 3)
    monkeypatch.setattr(redis_fleet, "PAGE", 2)
    monkeypatch.setattr(redis_denials, "PAGE", 2)
    for each in range(6):
        redis.scores[written(f"{each:064x}", DENIAL)] = DENIAL.until * 1000
    fleet = listening(make())
    assert fleet.status.heard == 3
    assert "TooManyRevocations" in caplog.text
    for each in range(11, 15):
        fleet.tell(f"{each:064x}", DENIAL, at_once=False)
    until(lambda: fleet.status.unsent == 0)
    assert [written(f"{each:064x}", DENIAL) in redis.scores for each in range(11, 15)] == [True, True, True, False]


def test_without_another_thread_it_is_as_if_there_were_no_redis(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    fleet = make()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert fleet.catching_up() is None
    assert fleet.status.error == "RuntimeError"
    listening(fleet)


def test_a_closed_fleet_hears_nothing_and_starts_no_thread(make: Make) -> None:
    fleet = make()
    fleet.close()
    assert fleet.catching_up() is None
    used = listening(make())
    used.close()
    assert not used.status.connected


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_connects_by_itself(make: Make, redis: StandIn) -> None:
    fleet = listening(make())
    fleet.tell(ADA, DENIAL, at_once=True)
    child = os.fork()
    if child == 0:  # pragma: no cover - it ends without a word
        try:
            assert fleet.find(ADA) or not fleet.status.connected
            assert not fleet.status.connected
            listening(fleet).tell("0" * 64, DENIAL, at_once=True)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    until(lambda: fleet.find("0" * 64))


def test_what_a_fork_leaves_behind_is_made_anew(make: Make, redis: StandIn) -> None:
    fleet = listening(make())
    fleet.tell(ADA, DENIAL, at_once=True)
    fleet.close()
    fleet.renew_after_fork()
    assert fleet.status[0] is False
    assert listening(fleet).find(ADA)


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("http://:secret@localhost", {}, "takes a URL"),
        ("redis://:secret@localhost?socket_timeout=5", {}, "takes a URL"),
        ("redis://:secret@localhost?protocol=3", {}, "takes a URL"),
        ("redis://:secret@localhost?decode_responses=true", {}, "takes a URL"),
        ("redis+other://:secret@localhost", {}, "takes a URL"),
        ("redis+cluster://:secret@localhost/1", {}, "takes a URL"),
        ("redis+cluster://:secret@localhost,,other", {}, "takes a URL"),
        ("redis+cluster://:secret@", {}, "takes a URL"),
        ("redis+cluster://:secret@localhost:port", {}, "takes a URL"),
        ("redis+cluster://:secret@localhost?protocol=3", {}, "takes a URL"),
        ("redis+sentinel://:secret@localhost", {}, "takes a URL"),
        ("redis+sentinel://:secret@localhost//0", {}, "takes a URL"),
        ("redis+sentinel://:secret@localhost/shop/zero", {}, "takes a URL"),
        ("redis+sentinel://:secret@localhost/shop?socket_timeout=5", {}, "takes a URL"),
        (7, {}, "takes a URL"),
        ("redis://localhost", {"prefix": ""}, "prefix="),
        ("redis://localhost", {"prefix": 7}, "prefix="),
    ],
)
def test_a_url_that_cannot_be_used_is_an_error_that_names_no_password(
    url: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message) as raised:
        RedisFleet(url, **options)
    assert "secret" not in str(raised.value)


def test_a_fleet_may_be_reached_by_tls_and_by_a_socket_of_unix(make: Make) -> None:
    make("rediss://user:secret@localhost:6380/1")
    fleet = make("unix:///nowhere.sock")
    fleet.tell(ADA, DENIAL, at_once=True)
    assert fleet.status[0] is False
    assert fleet.status.error == "ConnectionError"
    assert "secret" not in repr(fleet)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("redis+cluster://user:secret@127.0.0.1:1,127.0.0.1:1", "RedisClusterException"),
        ("rediss+cluster://:secret@127.0.0.1:1/0", "RedisClusterException"),
        ("redis+sentinel://user:secret@127.0.0.1:1,[::1]:1/shop/3", "MasterNotFoundError"),
        ("rediss+sentinel://:secret@127.0.0.1:1/shop?sentinel_password=secret", "MasterNotFoundError"),
    ],
)
def test_a_cluster_or_sentinel_that_cannot_be_reached_is_as_if_there_were_none(
    make: Make, caplog: pytest.LogCaptureFixture, url: str, error: str
) -> None:
    fleet = make(url)
    fleet.tell(ADA, DENIAL, at_once=True)
    assert fleet.status[:4] == (False, 0, 1, error)
    assert "secret" not in caplog.text + repr(fleet)


def test_sentinel_is_asked_with_its_own_password_for_the_server_of_the_service(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    class Sentinel:
        def __init__(self, hosts: Any, sentinel_kwargs: dict[str, Any]) -> None:
            asked.append((hosts, {name: sentinel_kwargs.get(name) for name in ("username", "password", "ssl")}))

        def master_for(self, service: str, **options: Any) -> Any:
            asked.append((service, {name: options.get(name) for name in ("username", "password", "db", "ssl")}))
            raise OSError

    monkeypatch.setattr("redis.sentinel.Sentinel", Sentinel)
    sentinel = "sentinel_username=watch&sentinel_password=se%2Fen"
    make(f"rediss+sentinel://user:pass%2Fword@a.example,b.example:7/my%20shop/3?{sentinel}").tell(
        ADA, DENIAL, at_once=True
    )
    assert asked[:2] == [
        ([("a.example", 26379), ("b.example", 7)], {"username": "watch", "password": "se/en", "ssl": True}),
        ("my shop", {"username": "user", "password": "pass/word", "db": 3, "ssl": True}),
    ]


def test_without_redis_py_the_error_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError, match=r"callerid\[redis\]"):
        RedisFleet("redis://localhost")


def test_the_name_of_the_key_is_that_of_the_prefix() -> None:
    assert RedisFleet("redis://localhost", prefix="callerid")._name.encode() == NAME

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from callerid.errors import Reason, Unauthenticated, Unavailable
from callerid.keys import KeySource, KeyStore

from .asking import ask, at_once, eventually, must_wait, status, warmed
from .made import document, ec_jwk, jwk_set, pem, pem_map, rsa_jwk, rsa_key

if TYPE_CHECKING:
    from .conftest import Clock
    from .servers import KeyServer

HOUR, DAY = 3_600, 86_400


@pytest.fixture
def store(clock: Clock) -> KeyStore:
    return KeyStore(timer=clock)


@pytest.fixture
def source(server: KeyServer) -> KeySource:
    server.body = document("a")
    return KeySource(server.url, fetch_seconds=30, stale_wait=30)  # each fetch is waited for, however slow the machine


@pytest.fixture
def warm(store: KeyStore, source: KeySource) -> KeySource:
    """The source, with its keys fetched at the beginning of the clock."""
    assert warmed(store, source).fresh
    return source


def landed(store: KeyStore, fetches: int) -> None:
    """Waits until that many fetches have been made and none is under way."""
    eventually(lambda: status(store).fetches == fetches)
    eventually(lambda: all(entry.in_flight is None for entry in store._entries.values()))


def unknown(store: KeyStore, source: KeySource, kid: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refusal:
        ask(store, source, kid)
    assert refusal.value.reason is Reason.UNKNOWN_KEY
    return refusal.value


def unavailable(store: KeyStore, source: KeySource, kid: str = "a") -> int:
    """The seconds after which to come back."""
    with pytest.raises(Unavailable) as refusal:
        ask(store, source, kid)
    assert refusal.value.reason is Reason.KEYS_UNAVAILABLE
    assert refusal.value.remedy
    return refusal.value.retry_after


# Lifetime and refresh


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=20000", "Age": "500"}, 19_500),
        ({}, 60),
        ({"Cache-Control": "no-store"}, 60),
        ({"Cache-Control": "max-age=0"}, 60),
        ({"Cache-Control": "max-age=junk"}, 60),
        ({"Cache-Control": "max-age=999999999999999999999"}, DAY),
        ({"Cache-Control": "max-age=600", "Age": "601"}, 60),
    ],
)
def test_the_lifetime_is_that_of_the_headers_clamped(
    server: KeyServer, store: KeyStore, source: KeySource, headers: dict[str, str], seconds: float
) -> None:
    server.headers = headers
    assert warmed(store, source).expires_in == seconds


def test_the_age_counts_from_the_beginning_of_the_fetch(
    server: KeyServer, store: KeyStore, source: KeySource, clock: Clock
) -> None:
    server.close_gate()
    wait = must_wait(store, source)
    server.asked.acquire()
    clock.advance(2)
    server.gate.set()
    wait.block()
    assert (status(store).age, status(store).expires_in) == (2, HOUR - 2)


def test_fresh_keys_cost_no_fetch(server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock) -> None:
    clock.advance(0.9 * HOUR - 1)
    for _ in range(100):
        assert at_once(store, warm).kid == "a"
    assert store.warm(warm, "RS256") is None
    assert len(server.requests) == 1


def test_the_refresh_goes_on_behind_requests(server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock) -> None:
    old = at_once(store, warm)
    server.close_gate()
    clock.advance(0.95 * HOUR)
    for _ in range(100):
        assert at_once(store, warm) is old
    server.body = document("a", "b")
    server.gate.set()
    landed(store, 2)
    assert status(store).kids == ("a", "b")
    assert at_once(store, warm) is old
    assert len(server.requests) == 2


def test_a_key_that_left_the_set_is_gone(server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock) -> None:
    server.body = document("b")
    clock.advance(HOUR)
    assert ask(store, warm, "b").kid == "b"
    unknown(store, warm, "a")


def test_a_new_key_under_an_old_kid_is_a_new_object(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock
) -> None:
    old = at_once(store, warm)
    server.body = pem_map({"a": pem(rsa_key("quite another"))})
    clock.advance(HOUR)
    assert ask(store, warm) is not old


def test_once_expired_a_caller_waits_a_little_and_is_judged_by_the_old_keys(
    server: KeyServer, store: KeyStore, source: KeySource, clock: Clock
) -> None:
    warm = replace(source, stale_wait=0.1)
    warmed(store, warm)
    old = at_once(store, warm)
    server.close_gate()
    clock.advance(HOUR)
    wait = must_wait(store, warm)
    assert (wait.seconds, repr(wait)) == (0.1, "Wait(seconds=0.1)")
    wait.block()
    assert store.find(warm, "RS256", "a", wait) is old
    clock.advance(0.1)
    assert at_once(store, warm) is old  # the fetch has had its time: nobody else waits for it
    server.gate.set()
    landed(store, 2)


def test_a_clock_that_jumps_ahead_costs_one_fetch(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock
) -> None:
    clock.advance(365 * DAY)
    assert ask(store, warm).kid == "a"
    assert at_once(store, warm).kid == "a"
    clock.advance(-400 * DAY)
    assert at_once(store, warm).kid == "a"
    assert len(server.requests) == 2


def test_what_another_thread_changed_meanwhile_counts(store: KeyStore, warm: KeySource, clock: Clock) -> None:
    times = iter([clock.now + HOUR, clock.now])
    store._timer = lambda: next(times)
    assert at_once(store, warm).kid == "a"


# Outages


def test_a_cold_start_without_keys_answers_at_once_after_the_first_failure(
    server: KeyServer, store: KeyStore, source: KeySource, clock: Clock
) -> None:
    server.status = 500
    retry_after = []
    for failures in range(1, 8):
        retry_after.append(unavailable(store, source))
        for _ in range(20):
            with pytest.raises(Unavailable):
                store.find(source, "RS256", "a")
        assert store.warm(source, "RS256") is None
        assert (status(store).failures, len(server.requests)) == (failures, failures)
        clock.advance(retry_after[-1])
    assert retry_after == [1, 2, 4, 8, 16, 30, 30]


def test_retry_after_is_what_remains_of_the_back_off(
    server: KeyServer, store: KeyStore, source: KeySource, clock: Clock
) -> None:
    server.status, server.headers = 503, {"Retry-After": "20"}
    assert unavailable(store, source) == 20
    clock.advance(12.5)
    assert unavailable(store, source) == 8
    clock.advance(7.4)
    assert unavailable(store, source) == 1


@pytest.mark.parametrize(("asked", "backoff"), [("0", 1), ("7", 7), ("3600", 30), ("tomorrow", 1)])
def test_a_server_may_ask_to_be_left_alone(
    server: KeyServer, store: KeyStore, source: KeySource, asked: str, backoff: int
) -> None:
    server.status, server.headers = 429, {"Retry-After": asked}
    assert unavailable(store, source) == backoff


def test_old_keys_serve_for_a_day_past_expiry_while_fetching_fails(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock
) -> None:
    old = at_once(store, warm)
    server.status = 500
    clock.advance(HOUR)
    assert ask(store, warm) is old
    for _ in range(100):
        assert at_once(store, warm) is old  # within back-off: no wait, no fetch
    assert len(server.requests) == 2
    clock.advance(DAY - 1)
    assert ask(store, warm) is old
    assert (status(store).fresh, status(store).usable, status(store).expires_in) == (False, True, 1 - DAY)
    clock.advance(1)
    assert unavailable(store, warm) == 1
    assert (status(store).fresh, status(store).usable) == (False, False)
    server.status = 200
    clock.advance(1)
    assert ask(store, warm) is old


@pytest.mark.parametrize("body", [b"{}", b'{"keys": []}', b"<html>", jwk_set(ec_jwk("a"))])
def test_a_bad_document_never_replaces_good_keys(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock, body: bytes
) -> None:
    old = at_once(store, warm)
    server.body = body
    clock.advance(HOUR)
    assert ask(store, warm) is old
    assert status(store).failures == 1


def test_a_failed_refresh_before_expiry_is_noticed_by_nobody(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock
) -> None:
    server.status = 500
    clock.advance(0.95 * HOUR)
    at_once(store, warm)
    landed(store, 2)
    at_once(store, warm)
    clock.advance(1)
    at_once(store, warm)
    landed(store, 3)
    assert (status(store).fresh, status(store).failures, status(store).last_error) == (True, 2, "HTTP status 500")


def test_each_failure_is_a_warning_and_recovery_is_told(
    server: KeyServer, store: KeyStore, source: KeySource, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="callerid")
    server.body = b"<html>never in a log</html>"
    asked = KeySource(source.url + "?key=secret")
    for _ in range(2):
        unavailable(store, asked)
        unavailable(store, asked)
        clock.advance(30)
    server.body = document("a")
    ask(store, asked)
    clock.advance(HOUR)
    ask(store, asked)
    eventually(lambda: len(caplog.records) == 3)
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("callerid", "WARNING", f"The keys of {source.url} cannot be fetched (not JSON); next try in 1 s."),
        ("callerid", "WARNING", f"The keys of {source.url} cannot be fetched (not JSON); next try in 2 s."),
        ("callerid", "INFO", f"The keys of {source.url} are fetched again, after 2 failures."),
    ]


# Unknown key ids


def test_a_rotation_straight_after_warm_up_is_picked_up_at_once(
    server: KeyServer, store: KeyStore, warm: KeySource
) -> None:
    server.body = document("a", "b")
    assert ask(store, warm, "b").kid == "b"
    assert len(server.requests) == 2


def test_a_rotation_straight_after_a_cold_fetch_is_picked_up_at_once(
    server: KeyServer, store: KeyStore, source: KeySource
) -> None:
    ask(store, source, "a")
    server.body = document("a", "b")
    assert ask(store, source, "b").kid == "b"


def test_a_cold_fetch_without_the_wanted_kid_starts_the_cool_down(
    server: KeyServer, store: KeyStore, source: KeySource, clock: Clock
) -> None:
    unknown(store, source, "b")
    server.body = document("a", "b")
    unknown(store, source, "b")
    assert len(server.requests) == 1
    clock.advance(30)
    assert ask(store, source, "b").kid == "b"


def test_a_refresh_waited_for_in_vain_starts_the_cool_down(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock
) -> None:
    server.close_gate()
    clock.advance(0.95 * HOUR)
    at_once(store, warm)
    wait = must_wait(store, warm, "b")
    server.gate.set()
    wait.block()
    with pytest.raises(Unauthenticated):
        store.find(warm, "RS256", "b", wait)
    unknown(store, warm, "c")
    assert len(server.requests) == 2


def test_ten_thousand_unknown_kids_cost_one_fetch_and_no_memory(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock
) -> None:
    for number in range(10_000):
        refusal = unknown(store, warm, f"kid-{number}")
    assert "publishes no RS256 key 'kid-9999'" in refusal.detail
    assert len(server.requests) == 2
    assert status(store).kids == ("a",)
    assert len(store._entries) == 1
    clock.advance(29.9)
    unknown(store, warm, "b")
    assert len(server.requests) == 2
    clock.advance(0.1)
    unknown(store, warm, "b")
    assert len(server.requests) == 3
    assert at_once(store, warm).kid == "a"


def test_an_unknown_kid_of_any_length_makes_no_long_message(store: KeyStore, warm: KeySource) -> None:
    assert len(unknown(store, warm, "x" * 5_000).detail) < 300


def test_all_who_want_the_same_new_kid_wait_for_its_one_fetch(
    server: KeyServer, store: KeyStore, warm: KeySource
) -> None:
    server.close_gate()
    server.body = document("b")
    waits = [must_wait(store, warm, "b") for _ in range(10)]
    server.gate.set()
    for wait in waits:
        wait.block()
        assert store.find(warm, "RS256", "b", wait) is at_once(store, warm, "b")
    assert len(server.requests) == 2


def test_an_unknown_kid_is_503_while_fetching_fails_and_known_ones_go_on(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock
) -> None:
    server.status = 500
    assert unavailable(store, warm, "b") == 30
    clock.advance(5)
    assert unavailable(store, warm, "b") == 25
    assert at_once(store, warm).kid == "a"
    assert len(server.requests) == 2
    server.status, server.body = 200, document("a", "b")
    clock.advance(25)
    assert ask(store, warm, "b").kid == "b"


def test_an_unknown_kid_is_503_while_keys_are_only_stale(
    server: KeyServer, store: KeyStore, warm: KeySource, clock: Clock
) -> None:
    server.status = 500
    clock.advance(HOUR + 1)
    assert unavailable(store, warm, "b") == 1
    assert at_once(store, warm).kid == "a"


# Sources and algorithms


def test_each_source_and_algorithm_has_its_own_keys(server: KeyServer, store: KeyStore) -> None:
    server.body = jwk_set(rsa_jwk("a"), ec_jwk("b"))
    source, other = KeySource(server.url), KeySource(server.url + "/other")
    assert ask(store, source, "a").algorithm == "RS256"
    assert ask(store, source, "b", "ES256").algorithm == "ES256"
    unknown(store, source, "b")
    unknown(store, other, "b")
    told = [(each.source, each.algorithm, each.kids) for each in store.status()]
    assert told == [
        (server.url, "RS256", ("a",)),
        (server.url, "ES256", ("b",)),
        (server.url + "/other", "RS256", ("a",)),
    ]


def test_status_tells_what_a_probe_needs(server: KeyServer, store: KeyStore, source: KeySource, clock: Clock) -> None:
    assert store.status() == []
    server.status = 500
    unavailable(store, source)
    cold = status(store)
    assert (cold.kids, cold.fresh, cold.usable, cold.age, cold.expires_in) == ((), False, False, None, None)
    assert (cold.failures, cold.last_error, cold.fetches) == (1, "HTTP status 500", 1)
    server.status = 200
    clock.advance(1)
    warmed(store, source)
    clock.advance(10)
    good = status(store)
    assert (good.kids, good.fresh, good.usable, good.age, good.expires_in) == (("a",), True, True, 10, HOUR - 10)
    assert (good.failures, good.last_error, good.fetches) == (0, "", 2)


def test_warming_joins_the_fetch_under_way(server: KeyServer, store: KeyStore, source: KeySource) -> None:
    server.close_gate()
    waits = [store.warm(source, "RS256"), store.warm(source, "RS256"), must_wait(store, source)]
    assert len({wait.in_flight for wait in waits if wait is not None}) == 1
    server.gate.set()
    landed(store, 1)

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from callerid.keys import KeyPolicy
from callerid.keys._freshness import BEFORE_ALL, Origin
from callerid.keys._key import Key
from callerid.keys._plan import (
    GRACE,
    Decision,
    Fetch,
    KeySet,
    Reject,
    RetryLater,
    Use,
    begun,
    failed,
    kept,
    missed,
    plan,
    seconds_outdated,
    succeeded,
    wants_warming,
)

POLICY = KeyPolicy()
HOUR, DAY = 3_600.0, 86_400.0
WHOLE_FETCH = POLICY.fetch_seconds + GRACE


class _Never:
    def verify(self, message: bytes, signature: bytes) -> bool:
        return False


def key(kid: str, material: bytes = b"") -> Key:
    return Key(kid, "RS256", 256, material, _Never())


A = key("a")
HELD = Origin(timer=0.0, clock=1_000_000.0)
FRESH = KeySet(keys={"a": A}, fetched_at=0.0, lifetime=HOUR, origin=HELD)
NONE = KeySet()


def later(seconds: float) -> Origin:
    """The origin of a document that was generated so many seconds after the one held."""
    return Origin(HELD.timer + seconds, HELD.clock + seconds)


def brought(state: KeySet, keys: dict[str, Key], origin: Origin = BEFORE_ALL, begun_at: float = 0.0) -> KeySet:
    return succeeded(POLICY, state, keys, 60, begun_at=begun_at, origin=origin)


def decide(kid: str, now: float, state: KeySet = FRESH, *, waited: bool = False, **changes: Any) -> Decision:
    return plan(POLICY, replace(state, **changes), kid, now, waited=waited)


@pytest.mark.parametrize("now", [0.0, 1.0, 0.9 * HOUR - 1])
def test_a_known_key_is_used(now: float) -> None:
    assert decide("a", now) == Use(A)


def test_in_the_last_tenth_the_old_keys_serve_and_a_refresh_begins_behind() -> None:
    assert decide("a", 0.9 * HOUR) == Fetch(0, A)
    assert decide("a", HOUR - 1) == Fetch(0, A)
    assert decide("a", HOUR - 1, begun_at=HOUR - 2) == Use(A)
    assert decide("a", HOUR - 1, retry_at=HOUR, failures=1) == Use(A)


def test_once_expired_a_caller_waits_for_at_most_a_second() -> None:
    assert decide("a", HOUR) == Fetch(1, A)
    assert decide("a", HOUR + DAY - 1) == Fetch(1, A)
    assert decide("a", HOUR + 10.25, begun_at=HOUR + 10) == Fetch(0.75, A)
    assert decide("a", HOUR + 12, begun_at=HOUR + 10) == Use(A)
    assert decide("a", HOUR, waited=True) == Use(A)
    assert decide("a", HOUR, begun_at=HOUR, waited=True) == Use(A)


def test_within_back_off_the_old_keys_are_used_with_no_wait() -> None:
    assert decide("a", HOUR + 5, retry_at=HOUR + 6, failures=3) == Use(A)


def test_after_a_day_past_expiry_old_keys_serve_no_longer() -> None:
    now = HOUR + DAY
    assert decide("a", now) == Fetch(WHOLE_FETCH)
    assert decide("a", now, retry_at=now + 20, failures=9) == RetryLater(20)
    assert decide("a", now, failures=1, waited=True) == RetryLater(1)


def test_without_keys_a_caller_waits_for_the_whole_fetch() -> None:
    assert decide("a", 10, NONE) == Fetch(WHOLE_FETCH)
    assert decide("a", 12, NONE, begun_at=10.0) == Fetch(3 + GRACE)
    assert decide("a", 99, NONE, begun_at=10.0) == RetryLater(1)
    assert decide("a", 15, NONE, begun_at=10.0, waited=True) == RetryLater(1)


def test_without_keys_back_off_answers_at_once() -> None:
    assert decide("a", 10, NONE, failures=1, retry_at=14.0) == RetryLater(4)
    assert decide("a", 10, NONE, failures=1, retry_at=10.2) == RetryLater(1)
    assert decide("a", 10, NONE, failures=1, retry_at=14.0, waited=True) == RetryLater(4)


def test_after_a_failure_nobody_waits_longer_than_for_stale_keys() -> None:
    assert decide("a", 10, NONE, failures=1) == Fetch(1)
    assert decide("a", 10.25, NONE, failures=1, begun_at=10.0) == Fetch(0.75)
    assert decide("a", 11, NONE, failures=1, begun_at=10.0) == RetryLater(1)
    assert decide("b", 10, failures=1) == Fetch(1, because_unknown=True)
    assert decide("b", 11, failures=1, begun_at=10.0) == RetryLater(1)


def test_an_unknown_kid_is_worth_one_fetch_per_cool_down() -> None:
    assert decide("b", 10) == Fetch(WHOLE_FETCH, because_unknown=True)
    assert decide("b", 10, waited=True) == Reject()
    assert decide("b", 10, unknown_until=30.0) == Reject()
    assert decide("b", 30, unknown_until=30.0) == Fetch(WHOLE_FETCH, because_unknown=True)


def test_an_unknown_kid_joins_the_fetch_under_way_even_in_the_cool_down() -> None:
    assert decide("b", 10, unknown_until=30.0, begun_at=9.0) == Fetch(4 + GRACE)


def test_an_unknown_kid_is_no_verdict_while_fetching_fails() -> None:
    assert decide("b", 10, failures=1, retry_at=12.0) == RetryLater(2)
    assert decide("b", 10, failures=1, retry_at=12.0, unknown_until=38.0) == RetryLater(28)
    assert decide("b", 13, failures=1, retry_at=12.0, unknown_until=38.0) == RetryLater(25)
    assert decide("b", 13, failures=1, waited=True) == RetryLater(1)
    assert decide("b", 13, begun_at=9.0, waited=True) == RetryLater(1)


def test_an_unknown_kid_while_keys_are_only_stale_is_no_verdict_either() -> None:
    now = HOUR + 100
    assert decide("b", now, failures=4, retry_at=now + 8) == RetryLater(8)
    assert decide("b", now, failures=4, retry_at=now + 8, unknown_until=now + 20) == RetryLater(8)
    assert decide("b", now, unknown_until=now + 20) == Fetch(WHOLE_FETCH, because_unknown=True)


def test_keys_that_never_expire_are_never_fetched_again() -> None:
    assert decide("a", 1e12, lifetime=math.inf) == Use(A)
    assert decide("b", 1e12, lifetime=math.inf) == Reject()


def test_a_caller_who_has_waited_never_waits_again() -> None:
    states = [NONE, FRESH, replace(FRESH, failures=1), replace(FRESH, begun_at=5.0), replace(NONE, begun_at=5.0)]
    for state in states:
        for kid in ("a", "b"):
            for now in (6.0, HOUR, HOUR + DAY):
                assert not isinstance(plan(POLICY, state, kid, now, waited=True), Fetch)


def test_a_clock_that_jumps_back_leaves_the_keys_in_use() -> None:
    assert decide("a", -DAY) == Use(A)


def test_warming_wants_fresh_keys_and_respects_the_back_off() -> None:
    assert wants_warming(NONE, 0)
    assert wants_warming(FRESH, HOUR)
    assert wants_warming(replace(NONE, begun_at=0.0, retry_at=9.0), 1)
    assert not wants_warming(replace(NONE, retry_at=9.0), 1)
    assert not wants_warming(FRESH, HOUR - 1)


def test_a_beginning_counts_and_starts_the_cool_down_only_for_an_unknown_kid() -> None:
    state = begun(POLICY, FRESH, 10, because_unknown=False)
    assert (state.begun_at, state.fetches, state.unknown_until) == (10, 1, -math.inf)
    assert begun(POLICY, FRESH, 10, because_unknown=True).unknown_until == 40


def test_a_success_ends_the_failures_and_counts_from_the_beginning() -> None:
    before = replace(NONE, begun_at=7.0, failures=3, retry_at=99.0, last_error="x", no_refresh_before=50.0)
    state = brought(before, {"a": A}, HELD, begun_at=7)
    assert state == KeySet(keys={"a": A}, fetched_at=7, lifetime=60, origin=HELD)


def test_a_success_replaces_the_set_but_keeps_the_object_of_the_same_key() -> None:
    same, other = key("a"), key("a", b"other")
    assert brought(FRESH, {"a": same, "b": key("b")}).keys["a"] is A
    assert brought(FRESH, {"a": other}).keys["a"] is other
    assert "a" not in brought(FRESH, {"b": key("b")}).keys


def outdated(state: KeySet, keys: dict[str, Key], origin: Origin, now: float = 60.0) -> float:
    return seconds_outdated(POLICY, state, keys, origin, now)


@pytest.mark.parametrize("kids", ["b", "ab", ""])
def test_a_document_older_than_the_one_held_is_outdated(kids: str) -> None:
    keys = {kid: key(kid) for kid in kids}
    assert [outdated(FRESH, keys, later(seconds)) for seconds in (-300, -1, 0, 1)] == [300, 1, 0, 0]


def test_another_key_under_the_same_kid_makes_another_document() -> None:
    assert outdated(FRESH, {"a": key("a", b"other")}, later(-1)) == 1


def test_nothing_is_outdated_where_no_key_may_serve() -> None:
    assert outdated(NONE, {"b": key("b")}, later(-1e9)) == 0
    assert outdated(FRESH, {"b": key("b")}, later(-300), now=HOUR + DAY - 1) == 300
    assert outdated(FRESH, {"b": key("b")}, later(-300), now=HOUR + DAY) == 0


def test_a_document_is_older_only_where_both_clocks_say_so() -> None:
    new = {"b": key("b")}
    assert outdated(FRESH, new, Origin(HELD.timer - 300, HELD.clock + 10)) == 0
    assert outdated(FRESH, new, Origin(HELD.timer + 10, HELD.clock - 300)) == 0
    assert outdated(FRESH, new, Origin(HELD.timer - 300, HELD.clock - 200)) == 200


def test_a_document_read_again_is_the_same_one_within_the_time_of_a_fetch() -> None:
    again = {"a": key("a")}
    assert [outdated(FRESH, again, later(-seconds)) for seconds in (0, 1, WHOLE_FETCH, WHOLE_FETCH + 1)] == [0, 0, 0, 7]
    assert brought(FRESH, again, later(-2)).origin == HELD
    assert brought(FRESH, again, later(2)).origin == later(2)
    # Where the keys served no longer, the old document is a beginning: its origin counts from then on.
    assert brought(FRESH, {"b": key("b")}, later(-300)).origin == later(-300)


def test_an_older_document_leaves_the_keys_as_they_are_and_ends_the_failures() -> None:
    before = replace(FRESH, begun_at=5.0, failures=2, retry_at=8.0, last_error="down", unknown_until=35.0)
    state = kept(POLICY, before, 10)
    assert state == replace(FRESH, no_refresh_before=40.0, unknown_until=35.0)


def test_after_an_older_document_no_refresh_is_made_for_the_longest_back_off_or_until_expiry() -> None:
    late = 0.95 * HOUR
    state = kept(POLICY, FRESH, late)
    assert plan(POLICY, state, "a", late + 29) == Use(A)
    assert plan(POLICY, state, "a", late + 30) == Fetch(0, A)
    assert (state.use_until(POLICY), kept(POLICY, FRESH, HOUR - 1).use_until(POLICY)) == (late + 30, HOUR)
    assert plan(POLICY, kept(POLICY, FRESH, HOUR - 1), "a", HOUR) == Fetch(1, A)
    assert kept(POLICY, FRESH, 10).use_until(POLICY) == 0.9 * HOUR


def test_a_failure_keeps_the_keys_and_doubles_the_back_off() -> None:
    state, backoffs = replace(FRESH, begun_at=1.0), []
    for _ in range(8):
        state = failed(POLICY, state, 0, "down")
        backoffs.append(state.retry_at)
    assert backoffs == [1, 2, 4, 8, 16, 30, 30, 30]
    assert (state.keys, state.begun_at, state.failures, state.last_error) == (FRESH.keys, None, 8, "down")
    assert failed(POLICY, replace(NONE, failures=10**6), 0, "").retry_at == 30


def test_a_server_may_lengthen_the_back_off_up_to_its_longest() -> None:
    assert [failed(POLICY, NONE, 0, "", asked).retry_at for asked in (0.5, 7.0, 1e9)] == [1, 7, 30]


def test_a_fetch_waited_for_in_vain_starts_the_cool_down_where_it_ended() -> None:
    assert missed(POLICY, FRESH, "a", 5) is FRESH
    assert missed(POLICY, FRESH, "b", 5).unknown_until == 35
    assert missed(POLICY, replace(FRESH, unknown_until=50.0), "b", 5).unknown_until == 50

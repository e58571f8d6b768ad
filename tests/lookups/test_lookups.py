"""Look-ups by themselves: their settings, one call for all who wait, time limits, and callers in hand."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from callerid import (
    AnyApp,
    Caller,
    ConfigurationError,
    FirebaseUser,
    Guard,
    Lookup,
    Nobody,
    PathParam,
    Public,
    Reason,
    Refusal,
    Role,
    SecondFactor,
    Unavailable,
    Via,
)
from callerid.keys import Wait
from callerid.lookups import Lookups
from callerid.testing import firebase_user, google_person
from tests.asking.made import Clock, eventually
from tests.fixtures import AT_HAND, STAFF, issuer, token

ADA = google_person("ada@example.com", domain="example.com")


def nothing(_: Caller) -> set[str]:
    return set()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": ""}, "has a name"),
        ({"name": 7}, "has a name"),
        ({"name": "a\nb"}, "has a name"),
        ({"load": "roles"}, "takes a function"),
        ({"max_age": 0}, "max_age"),
        ({"max_age": True}, "max_age"),
        ({"timeout": float("inf")}, "timeout"),
        ({"stale": -1}, "stale_seconds"),
        ({"size": 0}, "size"),
        ({"on_error": "ignore"}, "'refuse' or 'allow'"),
        ({"on_error": "allow"}, "names a horizon"),
        ({"horizon": 60}, "names a horizon"),
        ({"on_error": "allow", "horizon": 0}, "horizon"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_an_error(settings: dict[str, Any], message: str) -> None:
    made: dict[str, Any] = {"name": "roles", "load": nothing, **settings}
    with pytest.raises(ConfigurationError, match=message):
        Lookup(**made)


def test_what_was_bound_to_a_function_is_not_printed() -> None:
    def load(address: str, caller: Caller) -> set[str]:
        return set()

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", partial(load, "postgres://orders:xyzzy@db"))])
    assert "xyzzy" not in repr(guard.lookups.members)


def test_two_look_ups_of_one_name_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="two look-ups are named 'roles'"):
        Guard(*AT_HAND, lookups=[Lookup("roles", nothing), Lookup("roles", nothing)])


def test_what_is_no_look_up_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="takes look-ups"):
        Guard(*AT_HAND, lookups=[nothing])  # type: ignore[list-item]


def test_a_look_up_that_is_not_there_cannot_be_asked() -> None:
    with pytest.raises(ConfigurationError, match="needs the look-up 'roles', and the guard has none"):
        Lookups().find("roles", ADA, "editor")


def test_the_service_that_carried_a_call_is_never_looked_up() -> None:
    with pytest.raises(ConfigurationError, match="speaks of the one service"):
        Via(Role("editor"))


@pytest.mark.parametrize("make", ["expired", "forged", "wrong_audience", "tampered"])
def test_nobody_is_looked_up_by_a_token_that_is_not_believed(make: str) -> None:
    asked: list[Caller] = []

    def load(caller: Caller) -> set[str]:
        asked.append(caller)
        return {"editor"}

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load)])
    with pytest.raises(Refusal):
        guard.verify(getattr(issuer, make)(token("staff")), Role("editor"))
    assert asked == []
    assert guard.verify(token("staff"), Role("editor"))
    assert len(asked) == 1


def test_a_hundred_threads_make_one_call_for_a_caller() -> None:
    gate, asked = threading.Event(), list[Caller]()

    def load(caller: Caller) -> set[str]:
        asked.append(caller)
        gate.wait(30)
        return {"editor"}

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load, timeout=30)])
    with ThreadPoolExecutor(100) as pool:
        futures = [pool.submit(guard.verify, token("staff"), Role("editor")) for _ in range(100)]
        eventually(lambda: bool(asked))
        gate.set()
        results = [future.exception() or future.result() for future in futures]
    # A few may wait, and the others for a moment only: nobody is refused otherwise.
    assert {type(each) for each in results} <= {Caller, Unavailable}
    assert Caller in {type(each) for each in results}
    assert len(asked) == 1


def test_a_function_that_hangs_is_given_up_after_its_time() -> None:
    ends, timer = threading.Event(), Clock()

    def load(_: Caller) -> set[str]:
        ends.wait(30)
        return set()

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load, timeout=0.05)], timer=timer)
    attempt = guard.lookups.find("roles", ADA, "editor")
    assert isinstance(attempt, Wait)
    attempt.block()
    timer.advance(0.1)
    with pytest.raises(Unavailable, match="lookup_unavailable") as refusal:
        guard.lookups.find("roles", ADA, "editor", (attempt,))
    assert "not done within 0.05 s" in refusal.value.detail
    ends.set()


def test_an_async_function_that_is_not_awaited_is_an_error_of_its_own() -> None:
    async def load(_: Caller) -> set[str]:
        return {"editor"}

    def not_awaited(caller: Caller) -> Any:
        return load(caller)

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", not_awaited)])
    with pytest.raises(Unavailable) as refusal:
        guard.verify(token("staff"), Role("editor"))
    assert "it returned a coroutine: give the async function itself" in refusal.value.detail


def test_a_fact_asked_one_by_one_is_so_or_not() -> None:
    lookup = Lookup("roles", lambda caller, fact: "yes", one_by_one=True)
    with pytest.raises(Unavailable) as refusal:
        Guard(*AT_HAND, lookups=[lookup]).verify(token("staff"), Role("editor"))
    assert "it returned a str, not True or False" in refusal.value.detail


def test_who_is_let_in_unasked_is_told_of_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    def load(_: Caller) -> set[str]:
        raise OSError("down")

    timer = Clock()
    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load, on_error="allow", horizon=3600)], timer=timer)
    for seconds in (0, 1, 1, 61):
        timer.advance(seconds)
        guard.verify(token("staff"), Role("editor"))
    assert caplog.text.count("whoever needs it is let in") == 2


def test_an_answer_of_before_does_not_lengthen_the_time_in_which_others_are_let_in_unasked() -> None:
    is_down, timer = list[str](), Clock()

    def load(_: Caller) -> set[str]:
        if is_down:
            raise OSError("down")
        return {"editor"}

    lookup = Lookup("roles", load, stale=100_000, on_error="allow", horizon=3600)
    guard = Guard(*AT_HAND, lookups=[lookup], timer=timer)
    guard.verify(token("grace@example.com"), Role("editor"))
    is_down.append("from now on")
    guard.verify(token("staff"), Role("editor"))
    timer.advance(3590)
    guard.verify(token("grace@example.com"), Role("editor"))  # by her old answer
    guard.verify(token("staff"), Role("editor"))
    timer.advance(20)
    with pytest.raises(Unavailable):
        guard.verify(token("staff"), Role("editor"))


def test_callers_are_told_apart_by_tenant() -> None:
    asked: list[Caller] = []

    def load(caller: Caller) -> set[str]:
        asked.append(caller)
        return {"editor"}

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load)])
    for tenant in (None, "acme-x1", "acme-x2", None):
        caller = firebase_user("u1", project="shop-prod", tenant=tenant)
        found = guard.lookups.find("roles", caller, "editor")
        if isinstance(found, Wait):
            found.block()
    assert len(asked) == 3


def test_a_call_under_way_is_made_anew_where_its_caller_is_forgotten() -> None:
    gate, asked = threading.Event(), list[str]()

    def load(_: Caller) -> set[str]:
        asked.append("asked")
        if len(asked) == 1:
            gate.wait(30)
            return {"editor"}
        return set()

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load, timeout=30)])
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(guard.allows, ADA_IN_HAND, Role("editor"))
        eventually(lambda: bool(asked))
        asyncio.run(guard.forget(ADA_IN_HAND))
        assert waiting.result(30) is False  # by the second answer
        gate.set()
    assert guard.allows(ADA_IN_HAND, Role("editor")) is False


ADA_IN_HAND = Guard(*AT_HAND).verify(token("staff"))


def test_a_caller_in_hand_is_looked_up() -> None:
    guard = Guard(*AT_HAND, lookups=[Lookup("roles", lambda _: ["editor", "red"])])
    assert guard.allows(ADA_IN_HAND, STAFF & Role("editor")) is True
    assert guard.allows(ADA_IN_HAND, Role("owner")) is False
    assert guard.allows(ADA_IN_HAND, Role(PathParam("team")), {"team": "red"}) is True
    assert guard.allows(None, Role("editor")) is False


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_caller_in_hand_is_looked_up_without_blocking_the_event_loop(backend: str) -> None:
    async def load(_: Caller) -> set[str]:
        await anyio.lowlevel.checkpoint()
        return {"editor"}

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load)])

    async def ask() -> list[bool]:
        return [await guard.aallows(ADA_IN_HAND, rule) for rule in (Role("editor"), Role("owner"), STAFF)]

    assert anyio.run(ask, backend=backend) == [True, False, True]


def test_a_task_is_told_to_await_the_look_up() -> None:
    guard = Guard(*AT_HAND, lookups=[Lookup("roles", nothing)])

    async def ask() -> None:
        assert guard.allows(ADA_IN_HAND, STAFF) is True
        guard.allows(ADA_IN_HAND, Role("editor"))

    with pytest.raises(ConfigurationError, match=r"await guard\.aallows"):
        asyncio.run(ask())


def test_a_caller_in_hand_of_whom_nothing_can_be_known_is_no_refusal() -> None:
    def load(_: Caller) -> set[str]:
        raise OSError("down")

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load)])
    with pytest.raises(Unavailable):
        guard.allows(ADA_IN_HAND, Role("editor"))


def test_guards_that_are_alike_share_what_was_looked_up() -> None:
    asked: list[Caller] = []

    def load(caller: Caller) -> set[str]:
        asked.append(caller)
        return {"editor"}

    guard = Guard(*AT_HAND, lookups=[Lookup("roles", load)])
    for each in (guard, Guard.like(guard), Guard.like(guard, realm="other")):
        each.verify(token("staff"), Role("editor"))
    assert len(asked) == 1
    assert not Guard.like(guard, lookups=()).lookups.members


def test_who_has_the_role_is_asked_for_what_else_is_missing() -> None:
    """And whoever has it not is not asked for it in vain."""
    guard = Guard(
        issuer.firebase("shop-prod"),
        issuer.app_check(),
        lookups=[Lookup("roles", lambda caller: {"admin"} if caller.subject == "ada" else set())],
    )
    for rule, reason in (
        (Role("admin") & SecondFactor(), Reason.STEP_UP),
        (Nobody() | (SecondFactor() & Role("admin")), Reason.STEP_UP),
        (Role("admin") & AnyApp(), Reason.NO_APP_CHECK),
    ):
        for uid, expected in (("ada", reason), ("ben", Reason.NOT_ALLOWED)):
            with pytest.raises(Refusal) as refusal:
                guard.verify(issuer.firebase_user(uid), rule)
            assert refusal.value.reason is expected, (rule, uid)


def test_nobody_is_looked_up_where_nothing_would_be_asked_of_them() -> None:
    asked: list[Caller] = []

    def load(caller: Caller) -> set[str]:
        asked.append(caller)
        return {"admin"}

    guard = Guard(issuer.firebase("shop-prod"), lookups=[Lookup("roles", load)])
    ada = guard.verify(issuer.firebase_user("ada"))
    assert guard.allows(ada, Public() | (Role("admin") & SecondFactor()))
    assert not guard.allows(ada, Role("admin") & FirebaseUser("ben"))
    assert asked == []


def test_a_value_may_mean_something_else_for_each_token() -> None:
    lookup = Lookup("roles", lambda _: 7, facts=lambda value, caller: {f"level {value}", caller.name})
    guard = Guard(*AT_HAND, lookups=[lookup])
    assert guard.allows(ADA_IN_HAND, Role("level 7") & Role("ada@example.com")) is True
    assert guard.allows(ADA_IN_HAND, Role("level 8")) is False


def test_a_value_that_may_change_is_no_answer() -> None:
    guard = Guard(*AT_HAND, lookups=[Lookup("roles", lambda _: {"a": 1}, facts=lambda value, _: value)])
    with pytest.raises(Unavailable) as refusal:
        guard.allows(ADA_IN_HAND, Role("a"))
    assert "TypeError" in refusal.value.detail


@pytest.mark.parametrize("facts", [lambda value, _: 1 / 0, lambda value, _: "editor"])
def test_facts_that_cannot_be_told_are_an_outage(facts: Any) -> None:
    guard = Guard(*AT_HAND, lookups=[Lookup("roles", lambda _: 7, facts=facts)])
    with pytest.raises(Unavailable) as refusal:
        guard.allows(ADA_IN_HAND, Role("editor"))
    assert (refusal.value.reason, refusal.value.detail.partition(" (")[0]) == (
        "lookup_unavailable",
        "the look-up 'roles' cannot be read",
    )


def test_facts_go_with_a_function_of_the_caller_alone() -> None:
    with pytest.raises(ConfigurationError, match="not with one_by_one="):
        Lookup("roles", nothing, one_by_one=True, facts=lambda value, _: value)

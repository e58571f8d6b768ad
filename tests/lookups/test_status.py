"""What `guard.status()` says of look-ups."""

from __future__ import annotations

from typing import Any

import pytest

from callerid import Caller, Guard, Lookup, Refusal, Role
from callerid.asking import SourceStatus
from tests.asking.made import Clock
from tests.fixtures import AT_HAND, token


def test_it_says_how_each_look_up_fares_and_how_many_answers_it_has() -> None:
    timer, trouble = Clock(), list[Exception]()

    def load(_: Caller) -> set[str]:
        timer.advance(0.25)
        if trouble:
            raise trouble[0]
        return {"editor"}

    lookups = [Lookup("roles", load, max_age=60, stale=600), Lookup("teams", load)]
    guard = Guard(*AT_HAND, lookups=lookups, timer=timer)

    def roles() -> SourceStatus:
        return guard.status().lookups["roles"]

    def ask(who: str) -> None:
        guard.verify(token(who), Role("editor"))

    unused = SourceStatus(entries=0, stale=0, latency=None, failures=0, last_error="")
    assert guard.status().lookups == {"roles": unused, "teams": unused}
    ask("staff")
    ask("outsider")
    assert roles() == SourceStatus(entries=2, stale=0, latency=0.25, failures=0, last_error="")
    assert guard.status().lookups["teams"] == unused
    timer.advance(90)
    trouble.append(OSError("secret"))
    ask("staff")
    with pytest.raises(Refusal, match="lookup_unavailable"):
        ask("robot")
    said: Any = roles()
    assert (said.entries, said.stale, said.latency) == (2, 2, 0.25)
    assert said.failures == 2
    assert said.last_error.startswith("OSError at ")
    assert "secret" not in said.last_error
    trouble.clear()
    timer.advance(60)
    ask("staff")
    assert roles() == SourceStatus(entries=2, stale=1, latency=0.25, failures=0, last_error="")
    timer.advance(600)
    assert roles().entries == 1


def test_it_stays_a_list_of_key_sources_and_there_is_no_fleet_without_one() -> None:
    status = Guard(*AT_HAND).status()
    assert [each.source for each in status]
    assert not all(each.usable for each in status)  # nobody asked for a key yet
    assert status.lookups == {}
    assert status.fleet is None

"""Answers that were read lately are read without a lock: none outlives what replaced it, or was forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from callerid import Lookup
from callerid.asking import Wait
from callerid.lookups import Lookups
from callerid.testing import google_person

if TYPE_CHECKING:
    from collections.abc import Container

    from callerid import Caller

ADA = google_person("ada@example.com", subject="1")
SIZE = 16


class Roles:
    """A look-up of which version of somebody's roles was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 0.0
        lookup = Lookup("roles", self.load, max_age=60, size=SIZE)
        self.lookups = Lookups([lookup], timer=lambda: self.now)

    def load(self, caller: Caller) -> set[str]:
        self.asked += 1
        return {f"version {self.asked}"}

    def ask(self, caller: Caller) -> Container[str]:
        """Ask, as a request does that waits."""
        found = self.lookups.find("roles", caller, "")
        if isinstance(found, Wait):
            found.block()
            found = self.lookups.find("roles", caller, "", [found])
        assert found is not None
        assert not isinstance(found, Wait)
        return found

    def at_hand(self, caller: Caller) -> Container[str] | Wait | None:
        return self.lookups.find("roles", caller, "", None)


def others(count: int) -> list[Caller]:
    return [replace(ADA, subject=f"other {number}") for number in range(count)]


def test_an_answer_that_was_read_lately_is_forgotten_even_where_others_took_its_place() -> None:
    roles = Roles()
    roles.ask(ADA)
    assert roles.at_hand(ADA) == {"version 1"}
    for other in others(SIZE):
        roles.ask(other)
    roles.lookups.forget(ADA)
    assert roles.at_hand(ADA) is None
    assert roles.ask(ADA) == {f"version {SIZE + 2}"}
    assert roles.at_hand(ADA) == {f"version {SIZE + 2}"}


def test_a_newer_answer_is_read_even_where_the_older_was_read_lately() -> None:
    roles = Roles()
    roles.ask(ADA)
    assert roles.at_hand(ADA) == {"version 1"}
    for other in others(SIZE):
        roles.ask(other)
    roles.now += 1000
    assert roles.at_hand(ADA) is None
    roles.ask(ADA)
    assert roles.at_hand(ADA) == {f"version {SIZE + 2}"}


def test_an_answer_that_is_read_again_and_again_is_not_asked_for_again_however_many_come_once() -> None:
    roles = Roles()
    roles.ask(ADA)
    for number, other in enumerate(others(10 * SIZE), 1):
        assert roles.at_hand(ADA) == {"version 1"}
        roles.ask(other)
        assert roles.at_hand(other) == {f"version {number + 1}"}
    assert roles.ask(ADA) == {"version 1"}

"""The fingerprint of code: the same for the same code, another for any other, nothing where that is not known."""

from __future__ import annotations

import enum
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from callerid import Caller, Domain, PathParam, Rule, Where
from callerid.algebra import Foreign, Sealed, fingerprint, implies, is_foreign
from callerid.rules import Facts

from .worlds import robot

A, B = Domain("a.com"), Domain("b.com")
ADMINS = {"ada@a.com", "eve@a.com", "kim@a.com"}
LIMITS: dict[str, Any] = {"a": 1, "b": [2.5, None, (True, b"x")]}


def told(holds: Callable[..., Any]) -> str | None:
    return fingerprint(Where("x", holds))


def is_admin(caller: Caller) -> bool:
    return caller.email in ADMINS


def made(allowed: object) -> Callable[[Caller], bool]:
    return lambda caller: caller.email == allowed


def with_default(caller: Caller, wanted: str = "ada@a.com", *, strict: bool = True) -> bool:
    return strict and caller.email == wanted


def with_other_default(caller: Caller, wanted: str = "eve@a.com", *, strict: bool = True) -> bool:
    return strict and caller.email == wanted


def calls_another(caller: Caller) -> bool:
    return is_admin(caller) and json.loads("true") and isinstance(LIMITS, dict)


def calls_itself(caller: Caller | None) -> bool:
    return caller is None or calls_itself(None)


def handles(caller: Caller) -> bool:
    try:
        return any(each == caller.email for each in ("a", "b"))
    except ValueError:
        return False


class Judge:
    def __call__(self, caller: Caller) -> bool:
        return True

    def judge(self, caller: Caller) -> bool:
        return True


DIFFERENT: list[Callable[..., Any]] = [
    is_admin,
    made("a"),
    made("b"),
    made(1),
    made(True),
    made(None),
    made(("a",)),
    made(["a"]),
    made({"a"}),
    made({"a": 1}),
    made(Caller),
    made(json),
    made(is_admin),
    with_default,
    with_other_default,
    calls_another,
    calls_itself,
    handles,
    functools.partial(with_default, wanted="x"),
    functools.partial(with_default, wanted="y"),
    lambda caller: caller.email == "a",
    lambda caller: caller.domain == "a",
    lambda caller: caller.email != "a",
    lambda caller: caller.email in LIMITS,
]


def test_other_code_has_another_fingerprint() -> None:
    prints = [told(holds) for holds in DIFFERENT]
    assert None not in prints
    assert len(set(prints)) == len(prints)


def test_the_same_code_has_the_same_whatever_it_is_called() -> None:
    assert fingerprint(Where("one", made("a"))) == fingerprint(Where("another", made("a")))
    assert told(lambda caller: caller.email == "a") == told(lambda caller: caller.email == "a")


def test_a_constant_that_code_reaches_by_name_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = told(is_admin), told(calls_another)
    monkeypatch.setitem(globals(), "ADMINS", ADMINS | {"mallory@a.com"})
    assert told(is_admin) != before[0]
    assert told(calls_another) != before[1]


@pytest.mark.parametrize("holds", [Judge(), Judge().judge, str.isdigit, functools.partial(Judge()), made(Judge())])
def test_code_that_cannot_be_looked_into_has_none(holds: Callable[..., Any]) -> None:
    assert told(holds) is None


def test_it_is_the_same_in_every_process() -> None:
    code = "from tests.algebra import test_opaque as t; print(*(t.told(each) for each in t.DIFFERENT))"
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            check=True,
            capture_output=True,
            text=True,
            cwd=root,
            env={"PYTHONPATH": os.pathsep.join([path for path in sys.path if path] + [root]), "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {" ".join(map(str, map(told, DIFFERENT))) + "\n"}


def test_a_sealed_rule_says_its_words_and_admits_nobody() -> None:
    sealed = Sealed("robots", "0123")
    assert fingerprint(sealed) == "0123"
    assert str(sealed) == "where robots"
    assert eval(repr(sealed)) == sealed
    assert not sealed.admits(Facts(robot("9")))


def test_a_rule_of_which_only_the_words_are_known_admits_nobody() -> None:
    foreign = Foreign("app:Tall", "the tall")
    assert not foreign.admits(Facts())
    assert str(foreign) == "the tall"
    assert is_foreign(foreign)


# --- rules of the application's own ---


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


def of_colour(colour: Colour = Colour.RED, pattern: str = "a.*", inner: Rule = A, limit: int = 3) -> Rule:
    """A class of its own at each call, and its values."""

    @dataclass(frozen=True, slots=True)
    class OfColour(Rule):
        colour: Colour
        pattern: re.Pattern[str]
        inner: Rule
        who: PathParam

        def admits(self, facts: Facts) -> bool:
            return self._fits(facts) and self.is_red and self.small(limit)

        def _fits(self, facts: Facts) -> bool:
            return self.inner.admits(facts)

        @property
        def is_red(self) -> bool:
            return self.colour is Colour.RED

        @staticmethod
        def small(number: int) -> bool:
            return number < limit

    return OfColour(colour, re.compile(pattern), inner, PathParam("who"))


class Plain(Rule):
    """Without a dataclass, and with what it has worked out."""

    def __init__(self, *names: str) -> None:
        self.names = names

    @functools.cached_property
    def first(self) -> str:
        return self.names[0]

    def admits(self, facts: Facts) -> bool:
        return self.first == "x"


class Strict(Plain):
    def admits(self, facts: Facts) -> bool:
        return not super().admits(facts)


class Untold(Rule):
    """It has what nobody can look into."""

    def __init__(self) -> None:
        self.what = object()

    def admits(self, facts: Facts) -> bool:
        return True


class Knot(Rule):
    def __init__(self) -> None:
        self.itself = self

    def admits(self, facts: Facts) -> bool:
        return True


def test_of_a_rule_of_ones_own_class_values_and_code_count() -> None:
    rules = [
        of_colour(),
        of_colour(Colour.BLUE),
        of_colour(pattern="b"),
        of_colour(inner=B),
        of_colour(inner=A | Where("x", is_admin)),
        of_colour(inner=A | Where("x", calls_another)),
        of_colour(limit=4),
        Plain("a"),
        Plain("b"),
        Strict("a"),
    ]
    prints = [fingerprint(rule) for rule in rules]
    assert None not in prints
    assert len(set(prints)) == len(prints)
    assert fingerprint(of_colour()) == prints[0]
    assert fingerprint(Plain("a")) == prints[7]


def test_what_it_calls_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(of_colour(inner=Where("x", is_admin)))
    monkeypatch.setitem(globals(), "ADMINS", ADMINS | {"mallory@a.com"})
    assert fingerprint(of_colour(inner=Where("x", is_admin))) != before
    monkeypatch.setattr(Plain, "admits", lambda self, facts: True)
    assert fingerprint(Plain("a")) != fingerprint(Strict("a"))


@pytest.mark.parametrize("rule", [Untold(), Knot()])
def test_a_rule_of_which_not_all_can_be_seen_has_none(rule: Rule) -> None:
    assert fingerprint(rule) is None


def test_a_value_that_holds_itself_and_a_cell_that_holds_nothing_cannot_be_told() -> None:
    knot: list[Any] = []
    knot.append(knot)
    assert told(made(knot)) is None

    def early() -> str | None:
        said = told(lambda caller: later == caller)
        later: object = 1
        return said if later else None

    assert early() is None


def test_a_foreign_rule_has_the_fingerprint_that_a_lock_had() -> None:
    assert fingerprint(Foreign("app:Tall", "the tall", "0123")) == "0123"
    assert fingerprint(Foreign("app:Tall", "the tall")) is None


def test_without_a_fingerprint_a_rule_is_like_its_equals_alone() -> None:
    one, other = Untold(), Untold()
    assert implies(one, one)
    assert not implies(one, other)
    assert implies(Plain("a"), Plain("a"))
    assert not implies(Plain("a"), Plain("b"))

"""The fingerprint of code, and of the objects it reaches: the same for the same, another for any other."""

from __future__ import annotations

import decimal
import enum
import functools
import json
import os
import re
import subprocess
import sys
import sysconfig
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from callerid import Caller, Domain, PathParam, Rule, Where
from callerid.audit.algebra import Foreign, Sealed, fingerprint, implies, is_foreign
from callerid.rules import Facts

from . import worlds
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


class Names:
    """It has what a library made, and what it works out."""

    def __init__(self, *names: str, pool: object = None) -> None:
        self.names, self.pool, self.lock = set(names), pool, threading.Lock()

    @functools.cached_property
    def first(self) -> str:
        return min(self.names)

    def __call__(self, caller: Caller) -> bool:
        return caller.email == self.first

    def known(self, caller: Caller) -> bool:
        return caller.email in self.names

    @classmethod
    def usual(cls, caller: Caller) -> bool:
        return caller.email == "a"


class Numbered(dict[str, int]):
    def __contains__(self, key: object) -> bool:
        return key != "a"


class Slotted:
    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, caller: Caller) -> bool:
        return len(caller.subject) < self.limit


class Wordless:
    def __repr__(self) -> str:
        raise NotImplementedError


Wordless.__module__ = "json"


def early() -> Callable[..., Any]:
    """A function whose closure holds nothing yet."""

    def holds(caller: Caller) -> bool:
        return later == caller

    if holds.__closure__ is None:
        later: object = 1
    return holds


OBJECTS: dict[str, Callable[[], Callable[..., Any]]] = {
    "a callable object": lambda: Names("a"),
    "another value": lambda: Names("b"),
    "a bound method": lambda: Names("a").known,
    "a bound method of another value": lambda: Names("b").known,
    "a class method": lambda: Names.usual,
    "a closure": lambda: made(Names("a")),
    "a closure over another value": lambda: made(Names("b")),
    "a closure over a method": lambda: made(Names("a").known),
    "a partial": lambda: functools.partial(Names("a")),
    "a class": lambda: Names,
    "slots": lambda: Slotted(1),
    "other slots": lambda: Slotted(2),
    "a built-in method": lambda: {"a"}.__contains__,
    "a built-in method of another value": lambda: {"b"}.__contains__,
    "a built-in method of one's own object": lambda: Numbered(a=1).get,
    "a list's": lambda: ["a"].__contains__,
    "a method of the language": lambda: str.isdigit,
    "another method of the language": lambda: str.isalpha,
    "a value of a library": lambda: made(decimal.Decimal("1.5")),
    "another value of a library": lambda: made(decimal.Decimal("2.5")),
    "an object of a library": lambda: made(threading.Lock()),
    "one with code of the application's own": lambda: made(types.SimpleNamespace(allowed=Names("a"))),
    "other code in it": lambda: made(types.SimpleNamespace(allowed=Names("b").known)),
    "a thing without words": lambda: made(Wordless()),
    "a mapping of its own kind": lambda: made(Numbered(a=1)),
    "another mapping of its own kind": lambda: made(Numbered(a=2)),
    "the attribute of a module": lambda: lambda caller: caller.subject == worlds.SHOP,
    "another attribute of a module": lambda: lambda caller: caller.subject == worlds.BANK,
    "nothing yet": early,
}


def test_of_an_object_code_and_values_count() -> None:
    prints = {name: told(make()) for name, make in OBJECTS.items()}
    assert None not in prints.values()
    assert len(set(prints.values())) == len(prints)
    assert {name: told(make()) for name, make in OBJECTS.items()} == prints


def test_what_an_object_has_worked_out_does_not_count() -> None:
    names = Names("a")
    before = told(names)
    assert names.first == "a"
    assert told(names) == before
    names.names.add("b")
    assert told(names) != before


def test_what_is_reached_from_very_much_is_read_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["callerid.audit.algebra._code"], "MOST_LINES", 10)
    many = [[number] for number in range(100)]
    assert told(made(many)) == told(made([*many, [100]]))
    assert told(made([*many])) != told(made([[1], *many]))


def test_an_installed_package_is_a_library_unless_the_rule_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = types.ModuleType("installed_for_a_test")
    installed.__file__ = f"{sysconfig.get_paths()['purelib']}/installed_for_a_test.py"
    monkeypatch.setitem(sys.modules, installed.__name__, installed)
    monkeypatch.setattr(Names, "__module__", installed.__name__)
    assert told(made(Names("a"))) == told(made(Names("b")))
    assert told(Names("a")) != told(Names("b"))


@pytest.mark.slow
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


def test_what_nobody_can_look_into_is_told_by_its_class() -> None:
    assert fingerprint(Untold()) == fingerprint(Untold())
    assert fingerprint(Knot()) == fingerprint(Knot())
    knot: list[Any] = []
    knot.append(knot)
    assert told(made(knot)) != told(made([[]]))


def test_a_foreign_rule_has_the_fingerprint_that_a_lock_had() -> None:
    assert fingerprint(Foreign("app:Tall", "the tall", "0123")) == "0123"
    assert fingerprint(Foreign("app:Tall", "the tall")) is None


def test_rules_of_one_fingerprint_are_taken_for_the_same() -> None:
    assert implies(Untold(), Untold())
    assert implies(Plain("a"), Plain("a"))
    assert not implies(Plain("a"), Plain("b"))
    one, other = Foreign("app:Tall", "the tall"), Foreign("app:Tall", "the tall one")
    assert implies(one, one)
    assert not implies(one, other)

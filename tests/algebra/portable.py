"""Rules of every shape, whose fingerprints are the same in every release of Python: `test_source` has them.

Editing one of these, but for its comments and layout, changes its fingerprint.
"""

from __future__ import annotations

import abc
import dataclasses
import enum
import functools
import json
import math
import operator
import re
from collections import namedtuple
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, NamedTuple, Protocol, TypedDict, TypeVar

ADMINS = {"ada@a.com", "eve@a.com"}
LIMITS: dict[str, Any] = {"a": 1, "b": [2.5, None, (True, b"x")], "c": 10**40}
T = TypeVar("T")


class Colour(enum.Enum):
    RED = 1
    BLUE = "b"

    @property
    def shout(self) -> str:
        return self.name.upper()


class Word(enum.StrEnum):
    YES = "yes"

    @classmethod
    def _missing_(cls, value: object) -> Word:
        return cls.YES


class Bits(enum.Flag):
    ONE = 1
    TWO = 2


class Pair(NamedTuple):
    left: str
    right: int = 2

    def holds(self, caller: Any) -> bool:
        return bool(caller.email == self.left)


Old = namedtuple("Old", "x y")  # noqa: PYI024 - the old way has members of its own


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Frozen:
    limit: int = 3
    names: tuple[str, ...] = dataclasses.field(default=("a",), compare=False)

    def __call__(self, caller: Any) -> bool:
        return len(caller.subject) < self.limit


@dataclasses.dataclass
class Loose:
    names: list[str] = dataclasses.field(default_factory=list)

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, caller: Any) -> bool:
        return caller.email in self.names


class Known(TypedDict):
    name: str


class Asks(Protocol):
    def ask(self, caller: Any) -> bool: ...


class Base(abc.ABC, Generic[T]):
    @abc.abstractmethod
    def ask(self, caller: Any) -> bool: ...


class Asker(Base[int]):
    __secret = "s"

    def ask(self, caller: Any) -> bool:
        return bool(caller.email == self.__secret and super().__init__ is not None)

    @staticmethod
    def static(caller: Any) -> bool:
        return caller is not None

    @functools.cached_property
    def first(self) -> int:
        return 1


def plain(caller: Any) -> bool:
    """Words."""
    return caller.email in ADMINS and bool(json.loads("true")) and f"{caller.email!r:>{LIMITS['a']}}" != "x"


def comprehending(caller: Any) -> bool:
    limit = 1
    names = [name for name in ADMINS if len(name) > limit]
    table = {name: [each for each in LIMITS if each != name] for name in names}
    return any(caller.email == each for each in names) or bool({*table} - {"z"})


def deep(caller: Any) -> bool:
    class Inner:
        """Words."""

        def inner(self) -> bool:
            return caller is not None

    def helper(value: int = 1, *rest: int, key: str = "k", **more: Any) -> int:
        return value

    match caller.email:
        case "a" | "b":
            return Inner().inner()
        case {"c": _, **rest}:
            return bool(rest)
        case None:
            return False
    try:
        with suppress(TypeError) as nothing:
            assert nothing, "message"
    except* (ValueError, OSError) as group:
        raise group from None
    finally:
        sorted([0x1F, 1_000, 1e3], key=lambda value: -value)
    return not helper() if (n := helper()) else -1 < n < 2j.imag and caller is not ...


def closed(*allowed: object) -> Callable[[Any], bool]:
    zero, also = 0, len(allowed)
    return lambda caller: caller.email in allowed and zero < also


@functools.lru_cache
def cached(caller: Any) -> bool:
    return bool(caller)


def wrapped(function: Callable[[Any], bool]) -> Callable[[Any], bool]:
    @functools.wraps(function)
    def inner(caller: Any) -> bool:
        return function(caller)

    return inner


RULES: dict[str, Callable[[Any], Any]] = {
    "plain": plain,
    "comprehending": comprehending,
    "deep": deep,
    "a closure": closed("a", 1, True, None, 2.5, frozenset({"x"})),
    "an enumeration": closed(Colour.RED, Colour, Word.YES, Bits.ONE | Bits.TWO),
    "tuples": closed(Pair("a"), Pair, Old(1, 2), Old),
    "a frozen dataclass": Frozen(),
    "a loose dataclass": Loose(["a"]),
    "types": closed(Known, Asks, Base, T),
    "a method": Asker().ask,
    "a static method": Asker.static,
    "a cached function": cached,
    "a wrapped function": wrapped(plain),
    "a partial": functools.partial(plain),
    "built-in": operator.truth,
    "math": closed(math.sqrt, str.isdigit, {"a"}.__contains__, operator.itemgetter(1), re.compile("a", re.IGNORECASE)),
    "lambdas on one line": closed(lambda c: c.x, lambda c: c.y, lambda c: lambda d: c == d),
}

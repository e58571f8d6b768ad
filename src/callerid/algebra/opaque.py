"""Rules that only code can judge: what can be said about them without running it."""

from __future__ import annotations

import functools
import hashlib
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from callerid.rules import Facts, Rule, Where

__all__ = ["Foreign", "Sealed", "fingerprint"]

_PLAIN = (str, bytes, int, float, complex, bool, type(None), type(...))


@dataclass(frozen=True, slots=True, repr=False)
class Sealed(Rule):
    """A `Where` of which only the `fingerprint` is known, as a lock file has it. By itself it admits nobody."""

    description: str
    fingerprint: str

    def admits(self, facts: Facts) -> bool:
        return False

    def __str__(self) -> str:
        return f"where {self.description}"


@dataclass(frozen=True, slots=True, repr=False)
class Foreign(Rule):
    """A rule of the application's own of which only the name and the words are known. By itself it admits nobody."""

    kind: str
    words: str

    def admits(self, facts: Facts) -> bool:
        return False

    def __str__(self) -> str:
        return self.words


def fingerprint(where: Where | Sealed) -> str | None:
    """A hash of the code of a `Where`: the same for code that is the same, in whatever process of one Python.

    It covers the code, the functions it calls by name, and the constants it reaches as defaults, in its closure or in
    its module. ``None`` where the code cannot be looked into (an object that can be called, C code): such a function is
    like nothing but itself. Two equal fingerprints are *assumed* to mean the same: what code reaches by other ways (an
    attribute, a file, the clock) is not seen.
    """
    if isinstance(where, Sealed):
        return where.fingerprint
    try:
        said = "\n".join(_function(where.holds, frozenset()))
    except _Unreadable:
        return None
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


class _Unreadable(Exception):
    """Something whose meaning does not follow from its code."""


def _function(function: Any, seen: frozenset[int]) -> Iterator[str]:
    if isinstance(function, functools.partial):
        yield f"partial {_value(function.args, seen)} {_value(function.keywords, seen)}"
        yield from _function(function.func, seen)
        return
    if not isinstance(function, types.FunctionType):
        raise _Unreadable
    if id(function) in seen:
        yield "itself"
        return
    inside = seen | {id(function)}
    yield f"defaults {_value(function.__defaults__, inside)} {_value(function.__kwdefaults__, inside)}"
    for cell in function.__closure__ or ():
        yield f"cell {_value(cell.cell_contents, inside)}"
    yield from _code(function.__code__, function.__globals__, inside)


def _code(code: types.CodeType, names: dict[str, Any], seen: frozenset[int]) -> Iterator[str]:
    yield f"code {code.co_code.hex()} {code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount}"
    yield f"flags {code.co_flags} exceptions {code.co_exceptiontable.hex()} names {code.co_names}"
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _code(constant, names, seen)
        else:
            yield _value(constant, seen)
    for name in code.co_names:
        if name in names:
            yield f"global {name} {_value(names[name], seen)}"


def _value(value: Any, seen: frozenset[int]) -> str:
    """The value in words that do not change from process to process."""
    contents = value
    if isinstance(value, _PLAIN):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, dict):
        return f"dict [{', '.join(_value(item, seen) for item in contents.items())}]"
    if isinstance(value, tuple | list):
        return f"{type(contents).__name__} [{', '.join(_value(item, seen) for item in contents)}]"
    if isinstance(value, set | frozenset):
        # Their order differs from process to process.
        return f"set [{', '.join(sorted(_value(item, seen) for item in contents))}]"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return f"class {value.__module__}.{value.__qualname__}"
    return " ".join(_function(value, seen))

"""Rules that only code can judge: what can be said about them without running it."""

from __future__ import annotations

import enum
import functools
import hashlib
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from callerid.rules import Facts, PathParam, Rule, Where

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
    """A rule of the application's own, as a lock file has it. By itself it admits nobody.

    Its name and its words are known, and its `fingerprint` (empty, where it has none).
    """

    kind: str
    words: str
    fingerprint: str = ""

    def admits(self, facts: Facts) -> bool:
        return False

    def __str__(self) -> str:
        return self.words


def fingerprint(rule: Rule) -> str | None:
    """A hash of the code of a `Where`, or of a rule of the application's own.

    It is the same for code that is the same, in whatever process of one Python, and covers the code, the functions it
    calls by name, and the constants it reaches as defaults, in its closure or in its module; of a rule of the
    application's own its class, those it is derived from, and its values. ``None`` where the code cannot be looked into
    (an object that can be called, C code): such a rule is like nothing but itself. Two equal fingerprints are *assumed*
    to mean the same: what code reaches by other ways (an attribute, a file, the clock) is not seen.
    """
    if isinstance(rule, Sealed | Foreign):
        return rule.fingerprint or None
    try:
        said = "\n".join(_function(rule.holds, frozenset()) if type(rule) is Where else _rule(rule, frozenset()))
    except (_Unreadable, RecursionError):
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
        try:
            contents = cell.cell_contents
        except ValueError:  # nothing is in it yet
            raise _Unreadable from None
        yield f"cell {_value(contents, inside)}"
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
    return _object(value, seen)


def _object(value: Any, seen: frozenset[int]) -> str:
    contents = value
    if isinstance(value, Rule):
        return " ".join(_rule(value, seen))
    if isinstance(value, PathParam):
        return repr(value)
    if isinstance(value, enum.Enum):
        return f"member {value.name} of {_value(type(value), seen)}"
    if isinstance(value, re.Pattern):
        return f"pattern {contents.flags} {_value(contents.pattern, seen)}"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return f"class {value.__module__}.{value.__qualname__}"
    return " ".join(_function(value, seen))


# --- rules of the application's own ---

_OURS = "callerid"
_NOT_CODE = frozenset(
    {
        *("__abstractmethods__", "__annotate__", "__annotate_func__", "__annotations__", "__annotations_cache__"),
        *("__dataclass_fields__", "__dataclass_params__", "__dict__", "__doc__", "__firstlineno__", "__match_args__"),
        *("__module__", "__qualname__", "__slots__", "__static_attributes__", "__weakref__", "_abc_impl"),
    }
)
_GENERATED = frozenset(
    {
        *("__delattr__", "__eq__", "__getstate__", "__hash__", "__init__", "__replace__", "__repr__", "__setattr__"),
        *("__setstate__",),
    }
)
"""What a dataclass is given: of that, only the values say something about a rule."""


def _rule(rule: Rule, seen: frozenset[int]) -> Iterator[str]:
    if id(rule) in seen:
        raise _Unreadable
    inside = seen | {id(rule)}
    values: dict[str, Any] = dict(getattr(rule, "__dict__", {}))
    for kind in type(rule).__mro__:
        yield _value(kind, inside)
        if kind.__module__.partition(".")[0] == _OURS:
            values.update((name, getattr(rule, name, None)) for name in vars(kind).get("__slots__", ()))
            continue
        known = _NOT_CODE | _GENERATED if "__dataclass_params__" in vars(kind) else _NOT_CODE
        for name, member in sorted(vars(kind).items()) if kind is not object else ():
            if isinstance(member, types.MemberDescriptorType):
                values[name] = getattr(rule, name, None)
            elif name not in known:
                yield from (f"{name}: {said}" for said in _member(member, inside))
    yield from (f"{name} = {_value(value, inside)}" for name, value in sorted(values.items()))


def _member(member: Any, seen: frozenset[int]) -> Iterator[str]:
    if isinstance(member, property):
        yield from (_value(each, seen) for each in (member.fget, member.fset, member.fdel))
    elif isinstance(member, staticmethod | classmethod):
        inside: Any = member.__func__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - of any kind
        yield f"{'static' if isinstance(member, staticmethod) else 'class'} {_value(inside, seen)}"
    elif isinstance(member, functools.cached_property):
        yield _value(member.func, seen)
    else:
        yield _value(member, seen)

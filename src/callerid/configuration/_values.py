"""One setting: its name, its type, and how a value is read from an environment variable or from TOML.

The readers raise `ValueError` with what is expected; no value is repeated there, since it may be a password that was
written into the wrong place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

__all__ = ["FLAG", "NUMBER", "TEXT", "TEXTS", "WHOLE", "Setting", "ValueType"]


@dataclass(frozen=True, slots=True)
class ValueType:
    """A type of value: its name in the documentation, and its readers."""

    name: str
    from_text: Callable[[str], Any]
    """Reads an environment variable. Raises `ValueError`."""
    from_toml: Callable[[Any], Any]
    """Checks a value of a TOML file. Raises `ValueError`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``required``: its section means nothing without it. ``in_environment``: a variable may set it."""

    name: str
    type: ValueType
    required: bool = False
    in_environment: bool = True


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a text")  # noqa: TRY004 - readers raise one kind of error
    if not value.strip():
        raise ValueError("it is empty: give it a value, or leave it out")
    if value != value.strip() or not value.isprintable():
        raise ValueError("it begins or ends with a space, or has control characters: write the value alone")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError("expected a list of texts, such as ['https://orders.example.com']")  # noqa: TRY004 - as above
    given = cast("list[object]", value)
    if not given:
        raise ValueError("it is empty: name at least one, or leave it out")
    return tuple(_text(each) for each in given)


def _texts_of(text: str) -> tuple[str, ...]:
    return _texts([each.strip() for each in _text(text).split(",")])


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError("expected a number")
    return cast("float", value)


_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def _number_of(text: str) -> float:
    if not _NUMBER.fullmatch(_text(text)):
        raise ValueError("expected a number, such as 30")
    return float(text) if "." in text else int(text)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError("expected a whole number")
    return value


def _whole_of(text: str) -> int:
    return _whole(_number_of(text))


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise ValueError("expected true or false")
    return value


def _flag_of(text: str) -> bool:
    return _flag({"true": True, "false": False}.get(_text(text)))


TEXT: Final = ValueType("text", _text, _text)
TEXTS: Final = ValueType("list of texts", _texts_of, _texts)
NUMBER: Final = ValueType("number", _number_of, _number)
WHOLE: Final = ValueType("whole number", _whole_of, _whole)
FLAG: Final = ValueType("true or false", _flag_of, _flag)

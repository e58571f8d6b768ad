"""Paths made up for a route, so that it can be called where a test names none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, product

__all__ = ["paths_for", "values_for"]

MOST_PATHS = 100

_PARAMETER = re.compile(r"\{\w+(?::(?P<kind>\w+))?\}|<(?:(?P<converter>\w+)(?:\((?P<arguments>.*?)\))?:)?[A-Za-z_]\w*>")
_UUID = "00000000-0000-4000-8000-000000000000"
_VALUES = {"int": ("1",), "float": ("1.5",), "uuid": (_UUID,), "path": ("x/y",)}
_ANY = ("x", "1", _UUID, "2026-01-31")


def paths_for(template: str, *, below: bool = False) -> Iterator[str]:
    """Paths that a template may be for, parameters with their converters as FastAPI, Starlette and Flask write them.

    ``below``: what is mounted there. Which of them it takes, only the application can say: a converter may be its own.
    """
    text = f"{template.rstrip('/')}/x" if below else template
    parameters = list(_PARAMETER.finditer(text))
    for values in islice(product(*map(_values_of, parameters)), MOST_PATHS):
        rest = iter(values)
        path = _PARAMETER.sub(lambda _, rest=rest: next(rest), text)  # type: ignore[misc]
        yield f"{path[:-1]}x" if path.endswith("/*") else path


def _values_of(parameter: re.Match[str]) -> list[str]:
    return values_for(parameter["kind"] or parameter["converter"] or "", parameter["arguments"] or "")


def values_for(converter: str, arguments: str = "") -> list[str]:
    """Values that a path parameter may have, by its converter (empty: none) and the arguments of that; never empty."""
    words = re.findall(r"\w+", arguments)
    return [*(value for word in words for value in _values_by(word)), *_VALUES.get(converter, _ANY)]


def _values_by(word: str) -> tuple[str, ...]:
    """What an argument of a converter may ask for: itself, or so many letters or digits."""
    if not word.isdecimal():
        return (word,)
    return word, "x" * min(int(word), 100), "1".zfill(min(int(word), 100))

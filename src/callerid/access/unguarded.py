"""Marks that nobody enforces, since what serves does not show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from callerid.guard import GuardCore
from callerid.marks import Mark, marks_meant_for, marks_on, unwrapped

__all__ = ["endpoint_name", "left_behind", "name_of"]


def left_behind(
    endpoints: Iterable[Any], shown: frozenset[Mark] = frozenset(), guards: Iterable[GuardCore] = ()
) -> Iterator[str]:
    """What is wrong with endpoints that were marked after they had become a route's.

    ``shown`` are the marks that the application's routes have: a function may be served with its mark at one place and
    without it at another. ``guards`` are those that protect the application; where there are some, a mark of another
    one counts only if the function's name stands for what is marked, since it may be another application's.
    """
    own = frozenset(guards)
    for endpoint in endpoints:
        served = {*shown, *marks_on(endpoint)}
        for mark in marks_meant_for(endpoint):
            if mark not in served and (not own or mark.guard in own or mark in _by_name(endpoint)):
                yield (
                    f"{name_of(endpoint)}: guard.allow({mark.requirement.rule!r}) stands above the route's decorator, "
                    "which serves the bare function: nobody enforces it; put it below the route's own"
                )


def _by_name(endpoint: Any) -> tuple[Mark, ...]:
    inner = unwrapped(endpoint)
    return marks_on(getattr(inner, "__globals__", {}).get(getattr(inner, "__name__", "")))


def name_of(endpoint: Any) -> str:
    """An endpoint by its module and name."""
    inner = unwrapped(endpoint)
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{getattr(inner, '__module__', None) or '?'}.{name}"


def endpoint_name(endpoint: Any) -> str:
    """An endpoint as servers name applications, ``MODULE:NAME``; an object by its class, nothing for none."""
    if endpoint is None:
        return ""
    inner = unwrapped(endpoint)
    module = getattr(inner, "__module__", None) or "?"
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    if module.partition(".")[0] in _FRAMEWORKS:
        # Where a framework keeps its own is nobody else's concern, and changes.
        return f"{module.partition('.')[0]}:{name.rpartition('.')[2]}"
    return f"{module}:{name}"


_FRAMEWORKS = frozenset({"fastapi", "flask", "starlette"})

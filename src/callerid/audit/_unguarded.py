"""Marks that nobody enforces, since what serves does not show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from callerid._marks import marks_above, unwrapped

__all__ = ["endpoint_name", "left_behind", "name_of"]


def left_behind(endpoints: Iterable[Any]) -> Iterator[str]:
    """What is wrong with endpoints of an unprotected application that were marked after they became a route's."""
    for endpoint in endpoints:
        for mark in marks_above(endpoint):
            yield (
                f"{name_of(endpoint)}: guard.allow({mark.requirement.rule!r}) stands above the route's decorator, "
                "which serves the bare function: nobody enforces it; put it below the route's own"
            )


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


_FRAMEWORKS = frozenset({"django", "fastapi", "flask", "rest_framework", "starlette"})

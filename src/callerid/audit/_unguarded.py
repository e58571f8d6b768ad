"""Marks that nobody enforces, since what serves does not show them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from callerid._marks import marks_above, marks_on, unwrapped

__all__ = ["PROTECT", "endpoint_name", "unguarded"]

PROTECT: Final = "call guard.protect(app, default=...)"
"""The remedy for an application of Starlette, FastAPI or Flask that no guard protects."""


def unguarded(endpoints: Sequence[Any], remedy: str) -> Iterator[str]:
    """What is wrong with marked endpoints of an unprotected application."""
    for endpoint in endpoints:
        for mark in marks_on(endpoint):
            yield (
                f"{_name_of(endpoint)} is marked with {mark.requirement.rule!r}, and its guard protects nothing here: "
                f"{remedy}"
            )
    for endpoint in endpoints:
        for mark in marks_above(endpoint):
            yield (
                f"{_name_of(endpoint)}: guard.allow({mark.requirement.rule!r}) stands above the route's decorator, "
                "which serves the bare function: nobody enforces it; put it below the route's own"
            )


def _name_of(endpoint: Any) -> str:
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

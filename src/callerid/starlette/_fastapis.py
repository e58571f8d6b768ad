"""Detects rules of `callerid.fastapi` in an application that the guard of `callerid.starlette` would not enforce."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from callerid._marks import Mark, marks_on

__all__ = ["NOT_READ", "is_fastapis", "rules_for_fastapi"]

NOT_READ: Final = (
    "rules stand here in parameters, dependencies or an included router of a FastAPI application, which this guard "
    "does not read: protect that application itself with the Guard of callerid.fastapi, such as Guard.like(guard)"
)


def is_fastapis(target: Any) -> bool:
    """Whether the class of an object is FastAPI's, or derived from one of FastAPI's."""
    return any(kind.__module__.startswith("fastapi.") for kind in type(target).__mro__)


def rules_for_fastapi(target: Any) -> Iterator[Any]:
    """The rules on a route or router of FastAPI's, besides the marks of its own endpoint."""
    dependant, included = getattr(target, "dependant", None), getattr(target, "original_router", None)
    declared = [*getattr(target, "dependencies", ()), *getattr(dependant, "dependencies", ())]
    calls = [getattr(each, "dependency", None) or getattr(each, "call", None) for each in declared]
    yield from (call for call in calls if isinstance(getattr(call, "mark", None), Mark))
    for inner in getattr(dependant, "dependencies", ()):
        yield from rules_for_fastapi(inner)
    if included is not None:
        yield from rules_for_fastapi(included)
        yield from rules_for_fastapi(target.include_context)
        for route in included.routes:
            yield from marks_on(getattr(route, "endpoint", None))
            yield from rules_for_fastapi(route)

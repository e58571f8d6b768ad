"""What is wrong with a Starlette or FastAPI application that no guard protects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from starlette.applications import Starlette

from callerid._marks import unwrapped
from callerid.audit._unguarded import PROTECT, unguarded
from callerid.starlette._dispatch import GuardedDispatch
from callerid.starlette._guard import PROTECTED
from callerid.starlette._protection import Protection
from callerid.starlette._routes import RouteReader

__all__ = ["protection_in", "unprotected"]


def protection_in(router: Any) -> Protection | None:
    """What protects a router by its routes, if something does."""
    holder: Any = router.middleware_stack
    while holder is not None and not isinstance(holder, GuardedDispatch):
        holder = getattr(holder, "app", None)
    return None if holder is None else holder.protection


def unprotected(app: Starlette, kind: str) -> Iterator[str]:
    """The problems; the last one is that no guard protects the application."""
    routes = tuple(_routes(app.router, set()))
    yield from unguarded(tuple(getattr(route, "endpoint", None) for route in routes), PROTECT)
    yield from _taken_over(routes)
    yield f"no guard protects this {kind} application, so anybody may call it: {PROTECT}"


def _taken_over(routes: Iterable[Any]) -> Iterator[str]:
    """Routes of an application that is protected, which are served here past its guard."""
    protected = {
        key
        for router in tuple(PROTECTED.values())
        for route in _routes(router, set(), within=True)
        for key in _keys(route)
    }
    taken = [route for route in routes if not protected.isdisjoint(_keys(route))]
    if taken:
        names = sorted({getattr(route, "path", None) or type(route).__name__ for route in taken})
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        yield (
            f"{', '.join(names[:_MOST])}{more}: a guard protects another application that has these routes, and here "
            "they are served without it: call guard.protect on the application that you serve, once it has its routes"
        )


_MOST = 5


def _keys(route: Any) -> Iterator[int]:
    """By what a route is known wherever it is: as an object, by what it serves, and by what is mounted there."""
    served = (getattr(route, name, None) for name in ("original_route", "endpoint", "_base_app"))
    yield id(route)
    yield from (id(unwrapped(each)) for each in served if each is not None)


def _routes(router: Any, seen: set[int], *, within: bool = False) -> Iterator[Any]:
    """All routes of a router and of what is mounted or included there, but for what is protected there by itself.

    ``within`` a protected router its own are meant.
    """
    if id(router) in seen:
        return
    seen.add(id(router))
    reader = RouteReader()
    for route in tuple(getattr(router, "routes", None) or ()):
        yield route
        behind = reader.behind(route)
        if behind is None:
            # An included router's own guard is passed by.
            yield from _routes(getattr(route, "original_router", route), seen, within=within)
        elif within or protection_in(behind) is None:
            yield from _routes(behind, seen, within=within)

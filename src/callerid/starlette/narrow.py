"""A router that can serve one route only: the framework's own dispatch over a table of what was judged.

A route answers ``matches()`` with the match and child scope already judged, never with a second match: a path rewritten
while keys were fetched would else be judged for one user and served for another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette.routing import BaseRoute, Match, Router
from starlette.types import Receive, Scope, Send

__all__ = ["deaf", "narrowed", "pinned", "shallow_copy"]


class _Pinned(BaseRoute):
    """Stands in for a route of a kind that cannot be copied."""

    def __init__(self, route: BaseRoute, match: Match, child_scope: Scope) -> None:
        self.route = route
        self.answer = (match, child_scope)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return self.answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("route") is self:
            scope["route"] = self.route
        await self.route.handle(scope, receive, send)


def shallow_copy(original: Any) -> Any:
    """The same class and members, without running any constructor; ``None`` where that cannot be done."""
    try:
        copy = object.__new__(type(original))
        copy.__dict__.update(original.__dict__)
    except (AttributeError, TypeError):
        return None
    return copy


def pinned(route: BaseRoute, match: Match, child_scope: Scope) -> BaseRoute:
    """The route, answering only with this match; it stays of its own class, since frameworks ask."""
    copy = shallow_copy(route)
    if copy is None:
        return _Pinned(route, match, child_scope)

    def matches(scope: Scope) -> tuple[Match, Scope]:  # noqa: ARG001
        return match, child_scope

    def handle(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope.get("route") is copy:
            scope["route"] = route
        return route.handle(scope, receive, send)

    copy.__dict__.update(matches=matches, handle=handle)
    # A class that computes either name by a data descriptor would not look into the instance.
    return copy if copy.matches is matches and copy.handle is handle else _Pinned(route, match, child_scope)


class _Deaf:
    """A snapshot of a table whose routes may say that they match (for slash redirects) but serve nothing."""

    def __init__(self, routes: tuple[BaseRoute, ...], not_found: Callable[..., Awaitable[None]]) -> None:
        self._routes = routes
        self._not_found = not_found

    def __iter__(self) -> Iterator[BaseRoute]:
        return (_Mute(route, self._not_found) for route in self._routes)

    def __len__(self) -> int:
        return len(self._routes)


class _Mute(BaseRoute):
    def __init__(self, route: BaseRoute, not_found: Callable[..., Awaitable[None]]) -> None:
        self.matches = route.matches  # type: ignore[method-assign]
        self.handle = not_found  # type: ignore[method-assign, assignment]


def narrowed(router: Router, route: BaseRoute) -> Router:
    """The router with a table of this one route; what disagrees with it ends in 404, never in another endpoint."""
    return _copied(router, [route], redirect_slashes=False, default=router.not_found)


def deaf(router: Router, routes: tuple[BaseRoute, ...]) -> Router:
    """The router with nothing left to serve: its own redirects and its own default answer."""
    return _copied(router, _Deaf(routes, router.not_found))


def _copied(router: Router, routes: Any, **members: Any) -> Router:
    copy: Router = object.__new__(type(router))
    copy.__dict__.update(router.__dict__)
    # FastAPI's frontends are a second table.
    copy.__dict__.update(routes=routes, _low_priority_routes=[], **members)
    return copy

"""A router that can serve one route only: the framework's own dispatch over a table of what was judged.

A route answers ``matches()`` with the match and child scope already judged, never with a second match: a path rewritten
while keys were fetched would else be judged for one user and served for another.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, Final, cast

from starlette.routing import BaseRoute, Match, Router
from starlette.types import Receive, Scope, Send

__all__ = ["KEY", "Narrowing", "deaf", "is_narrowable", "pinned", "serves", "shallow_copy", "still_serves"]


KEY: Final = "callerid"
"""Where a request's passage rides in its scope: by reference, since scopes are copied on the way."""


class _Pinned(BaseRoute):
    """Stands in for a route of a kind that cannot be copied."""


def shallow_copy(original: Any) -> Any:
    """The same class and members, without running any constructor; ``None`` where that cannot be done."""
    kind: type[Any] = original.__class__
    try:
        copy: Any = object.__new__(kind)
        copy.__dict__.update(original.__dict__)
    except (AttributeError, TypeError):
        return None
    return copy


def serves(route: Any) -> tuple[Any, Any]:
    """What a route hands over to."""
    return getattr(route, "endpoint", None), getattr(route, "app", None)


def still_serves(route: Any, then: tuple[Any, Any]) -> bool:
    """Whether a route hands over to the very same as before; what looks equal may be marked otherwise."""
    return getattr(route, "endpoint", None) is then[0] and getattr(route, "app", None) is then[1]


def pinned(route: BaseRoute) -> BaseRoute:
    """The route, answering only with the match that a request's passage holds, which is the one it was judged by.

    It stays of its own class, since frameworks ask. Where it serves something else by then, nothing is found. The pin
    may be kept as long as one likes: it does not keep the route.
    """
    judged, reference = serves(route), _reference(route)

    def matches(scope: Scope) -> tuple[Match, Scope]:
        found: tuple[Match, Scope] = scope[KEY].step.judged
        return found

    def handle(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        real = reference()
        if scope.get("route") is pin:
            scope["route"] = real
        serve = scope["router"].not_found if real is None or not still_serves(real, judged) else real.handle
        return serve(scope, receive, send)

    pin: Any = shallow_copy(route) or _Pinned()
    pin.__dict__.update(matches=matches, handle=handle)
    if pin.matches is not matches or pin.handle is not handle:
        # Its class computes either name by a data descriptor, which does not look into the instance.
        pin = _Pinned()
        pin.__dict__.update(matches=matches, handle=handle)
    return cast("BaseRoute", pin)


def _reference(route: BaseRoute) -> Callable[[], BaseRoute | None]:
    try:
        return weakref.ref(route)
    except TypeError:  # its class has slots, and none for this
        return lambda: route


class _Deaf:
    """A snapshot of a table whose routes may say that they match (for slash redirects) but serve nothing."""

    def __init__(self, routes: tuple[BaseRoute, ...], not_found: Callable[..., Awaitable[None]]) -> None:
        self._routes = routes
        self._not_found = not_found

    def __iter__(self) -> Iterator[BaseRoute]:
        return (_Mute(route, self._not_found) for route in self._routes)


class _Mute(BaseRoute):
    def __init__(self, route: BaseRoute, not_found: Callable[..., Awaitable[None]]) -> None:
        self.matches = route.matches  # type: ignore[method-assign]
        self.handle = not_found  # type: ignore[method-assign, assignment]


class Narrowing:
    """One router's copies with a table of one route each, for its dispatch ``serve``.

    They are made once for every pin, and anew once the router changes; for every request where the dispatch is not the
    framework's own, since that may leave something behind on what it is called with.
    """

    def __init__(self, router: Router, serve: Any) -> None:
        self.router = router
        self._is_plain = getattr(serve, "__module__", "") in ("starlette.routing", "fastapi.routing")
        self._as_it_was: dict[str, Any] = {}
        # By identity, as routes are known; each ends with its pin's route.
        self._copies: dict[int, tuple[BaseRoute, Router, Any]] = {}

    def to(self, pin: BaseRoute, route: Any) -> Router:
        """The router with a table of this one pin; what disagrees with it ends in 404, never in another endpoint."""
        if not self._is_plain:
            return self.once(pin)
        try:
            has_changed = self._as_it_was != self.router.__dict__
        except Exception:  # noqa: BLE001 - it may hold anything, such as an array, which is neither equal nor not
            has_changed = True
        if has_changed:
            self._copies, self._as_it_was = {}, dict(self.router.__dict__)
        found = self._copies.get(id(pin))
        if found is not None and found[0] is pin:
            return found[1]
        copy = self.once(pin)
        copies, key = self._copies, id(pin)
        with suppress(TypeError):  # its class has slots, and none for this: it cannot be seen to end
            copies[key] = (pin, copy, weakref.ref(route, lambda _: copies.pop(key, None)))
        return copy

    def once(self, pin: BaseRoute) -> Router:
        """As `to`, for a pin that serves one request."""
        router = self.router
        return _copied(router, [pin], redirect_slashes=False, default=router.not_found)


def deaf(router: Router, routes: tuple[BaseRoute, ...], **members: Any) -> Router:
    """The router with nothing left to serve: its own redirects and its own default answer, or the ``default`` given."""
    return _copied(router, _Deaf(routes, router.not_found), **members)


def is_narrowable(router: Router) -> bool:
    """Whether a copy of the router keeps to the table it is given; a class may compute its routes."""
    table: list[BaseRoute] = []
    return _copied(router, table).routes is table


def _copied(router: Router, routes: Any, **members: Any) -> Router:
    copy: Router = object.__new__(type(router))
    copy.__dict__.update(router.__dict__)
    # FastAPI's frontends are a second table.
    copy.__dict__.update(routes=routes, _low_priority_routes=[], **members)
    return copy

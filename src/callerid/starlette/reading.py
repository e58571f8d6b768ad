"""What stands at a route: its marks, its path parameters, and whether a router stands behind it."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.routing import BaseRoute, Host, Match, Mount, Router, WebSocketRoute
from starlette.types import Scope

from callerid.marks import Mark, marks_on, unwrapped
from callerid.starlette.marking import MarkedApp
from callerid.starlette.narrow import narrowed, pinned

__all__ = ["Place", "Receiver", "RouteReader", "Step", "end_of_chain", "router_of"]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A parameter that is given the caller: under which mark, and whether it may be given ``None``."""

    mark: Mark
    name: str
    takes_none: bool


@dataclass(frozen=True, eq=False, slots=True)
class Place:
    """One route as it stands in its table: what is the same for every request that comes to it.

    ``parameters`` are the path parameters that it adds, each with the name of its converter; ``integers`` those which
    the framework hands to the endpoint as whole numbers although the path holds them as text. ``problem`` is why the
    endpoint cannot be served at all, ``unseen`` why there may be rules that were not seen: no open default may stand in.
    """

    template: str
    marks: tuple[Mark, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    receivers: tuple[Receiver, ...] = ()
    integers: frozenset[str] = frozenset()
    problem: str = ""
    unseen: str = ""
    rulings: dict[Any, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """Where one router's table leads this request: through ``places`` to a route, pinned to what was judged.

    ``behind`` is the router that surely stands behind it and will judge for itself, ``endpoint`` whether one is meant
    (a wrong method, 405, means none). ``path`` are the path parameters that an endpoint will get.
    """

    places: tuple[Place, ...]
    pinned: BaseRoute
    path: Mapping[str, Any]
    endpoint: bool
    behind: Router | None = None

    def table(self, router: Router) -> Router:
        """The router with nothing but this route to serve."""
        return narrowed(router, self.pinned)


class RouteReader:
    """Reads Starlette's routes. Each route is read once, and again only if it serves another endpoint since."""

    def __init__(self) -> None:
        # Routes compare by value and cannot be hashed: they are known by identity, while they live.
        self._places: dict[tuple[int, str], tuple[weakref.ref[Any], Any, Place]] = {}

    def resolve(self, routes: Iterable[BaseRoute], scope: Scope) -> Step | None:
        """The route that serves: the first that matches in full, else the first whose path alone matches."""
        partial: tuple[BaseRoute, Scope] | None = None
        for route in routes:
            match, child_scope = route.matches(scope)
            if match is Match.FULL:
                return self.settle(route, match, child_scope, scope)
            if match is Match.PARTIAL and partial is None:
                partial = (route, child_scope)
        return None if partial is None else self.settle(partial[0], Match.PARTIAL, partial[1], scope)

    def settle(self, route: BaseRoute, match: Match, child_scope: Scope, scope: Scope) -> Step:
        """The step that a matching route is."""
        return Step(
            places=(self.place(route, scope["method"] if scope["type"] == "http" else ""),),
            pinned=pinned(route, match, child_scope),
            path=child_scope.get("path_params") or scope.get("path_params") or {},
            endpoint=match is Match.FULL,
            behind=self.behind(route) if match is Match.FULL else None,
        )

    def last_resort(self, router: Router, scope: Scope) -> Step | None:
        """What a router serves where no route matches, if its framework has more than a default answer."""
        return None

    def around(self, router: Router) -> tuple[Place, ...]:
        """What a router asks of everything in it."""
        return ()

    def check(self, place: Place, ruling: Any) -> None:
        """Raise `ConfigurationError` where an endpoint cannot be given what its parameters say."""

    def place(self, route: Any, method: str) -> Place:
        """What is known of a route, read once."""
        key = (id(route), method)
        known = self._places.get(key)
        serves = getattr(route, "endpoint", None), getattr(route, "app", None)
        if known is not None and known[0]() is route and known[1] == serves:
            return known[2]
        place = self.read(route, method)
        self._places[key] = (weakref.ref(route, lambda _: self._places.pop(key, None)), serves, place)
        return place

    def read(self, route: Any, method: str) -> Place:
        """Read a route."""
        target = self.target(route)
        return Place(
            template=getattr(route, "path_format", None) or getattr(route, "path", None) or f"({type(route).__name__})",
            marks=tuple(dict.fromkeys((*marks_on(target), *_method_marks(target, method)))),
            parameters=_parameters(route),
        )

    def target(self, route: Any) -> Any:
        """What serves the route, as far as marks go."""
        if isinstance(route, Mount | Host):
            return route.app
        return getattr(route, "endpoint", None)

    def behind(self, route: BaseRoute) -> Router | None:
        """The router that surely stands behind a mount or host; whatever else stands there is opaque."""
        if isinstance(route, Mount) and type(route).handle is Mount.handle and _reaches_base(route):
            return router_of(getattr(route, "_base_app", None))
        if isinstance(route, Host) and type(route).handle is Host.handle:
            return router_of(route.app)
        return None

    def table(self, router: Router) -> Iterator[tuple[tuple[Place, ...], BaseRoute]]:
        """All routes of a router, each with what stands on the way to it."""
        return (((), route) for route in tuple(router.routes))

    def methods(self, route: Any) -> tuple[str, ...]:
        """The methods that a route serves, as far as it says."""
        if isinstance(route, WebSocketRoute):
            return ("",)
        return tuple(sorted(getattr(route, "methods", None) or _CLASS_METHODS))


_CLASS_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def router_of(app: Any) -> Router | None:
    """The router to which this application surely hands every request that its own middleware lets through."""
    if isinstance(app, MarkedApp):
        return router_of(app.app)
    if isinstance(app, Starlette) and _is_the_frameworks(type(app).__call__):
        router = end_of_chain(app.middleware_stack) if app.middleware_stack is not None else app.router
        return router_of(router if isinstance(router, Router) else app.router)
    if isinstance(app, Router) and _is_the_frameworks(type(app).__call__):
        return app
    return None


def _is_the_frameworks(function: Any) -> bool:
    return getattr(function, "__module__", "").partition(".")[0] in ("starlette", "fastapi")


def end_of_chain(app: Any) -> Any:
    """What stands at the end of a chain of middleware; ``None`` for a chain without end."""
    for _ in range(100):
        inner = getattr(app, "app", None)
        if inner is None or isinstance(app, Router):
            return app
        app = inner
    return None


def _reaches_base(mount: Mount) -> bool:
    base, app = getattr(mount, "_base_app", None), mount.app
    # Only what Mount(middleware=[...]) itself wrapped round its application forwards to it.
    for _ in range(100):
        if app is base or app is None:
            return app is base
        if isinstance(app, MarkedApp):
            return False
        app = getattr(app, "app", None)  # type: ignore[assignment]
    return False


def _parameters(route: Any) -> tuple[tuple[str, str], ...]:
    convertors = getattr(route, "param_convertors", None) or {}
    kinds = {name: type(convertor).__name__ for name, convertor in convertors.items()}
    if isinstance(route, Mount):
        kinds.pop("path", None)
    if isinstance(route, Host):
        kinds = dict.fromkeys(kinds, "host")
    return tuple(kinds.items())


def _method_marks(endpoint: Any, method: str) -> tuple[Mark, ...]:
    """Marks on the methods of an endpoint class which would serve this request."""
    endpoint = unwrapped(endpoint)
    if not isinstance(endpoint, type):
        return ()
    if issubclass(endpoint, HTTPEndpoint):
        name = "get" if method == "HEAD" and not hasattr(endpoint, "head") else method.lower()
        return marks_on(getattr(endpoint, name, None))
    if issubclass(endpoint, WebSocketEndpoint):
        names = ("dispatch", "on_connect", "on_receive", "on_disconnect")
        return tuple(mark for name in names for mark in marks_on(getattr(endpoint, name, None)))
    return ()

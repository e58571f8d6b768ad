"""What a route declares: its marks, its path parameters, and whether it mounts a router."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from starlette.endpoints import HTTPEndpoint
from starlette.routing import BaseRoute, Host, Match, Mount, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send

from callerid._marks import Mark, marks_lost, marks_on, note_served
from callerid.authorization import Policy
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore
from callerid.starlette._endpoints import ANY_METHODS, class_of, handled_by, methods_of
from callerid.starlette._fastapis import NOT_READ, rules_for_fastapi
from callerid.starlette._handover import Prepare, serves, still_serves
from callerid.starlette._mounted import reaches_base, router_of
from callerid.starlette._route_middleware import compare_at_endpoint
from callerid.starlette._templates import parameters_of, path_of, rest_prefix, template_of

__all__ = [
    "FULL",
    "NONE",
    "PARTIAL",
    "Receiver",
    "RoutePlace",
    "RouteReader",
    "Step",
]


# Bound once: enum look-up is slow, and this is done for every route that does not match.
NONE: Final = Match.NONE
PARTIAL: Final = Match.PARTIAL
FULL: Final = Match.FULL


NOT_SERVED: Final = (
    "guard.allow({!r}) stands above this route's decorator, so that the route serves the function without it: put "
    "guard.allow(...) below every route decorator of the function; and where the function is to be served without this "
    "rule, mark it with another for there, as in app.get(path)(guard.allow(rule)(function))"
)
"""What is wrong with a mark on a function that a route serves without it."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """An endpoint's parameter that receives the caller: for which mark, and whether it may receive ``None``."""

    mark: Mark
    name: str
    takes_none: bool


@dataclass(frozen=True, eq=False, slots=True)
class RoutePlace:
    """One route of a router: all that is the same for every request to it.

    ``parameters`` are the path parameters that it adds, each with the name of its converter; ``integers`` those that
    the framework converts to whole numbers for the endpoint although the path has them as text; ``elsewhere`` names
    that the endpoint does not read from the path, each with where it reads them. ``problem`` is why the endpoint cannot
    be served at all; ``serving`` the endpoint and the methods of its class that serve; ``unseen`` why there may be
    rules that could not be read, so that an open default must not replace them. ``origin`` is where the marks are
    written, for the access map, if that is not the route itself; ``condition`` the class of an included router that may
    match by more than paths and methods (empty: it does not). ``path`` is the template by which path tables name it
    (empty for a route without a path of its own), ``prefix`` the path that a key with ``/*`` may name it by, and
    ``is_mount`` whether the application mounted here may read the rest of the path by itself. ``methods`` are those
    that the route declares.
    """

    template: str
    marks: tuple[Mark, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    receivers: tuple[Receiver, ...] = ()
    integers: frozenset[str] = frozenset()
    elsewhere: Mapping[str, str] = field(default_factory=dict[str, str])
    problem: str = ""
    serving: tuple[Any, ...] = ()
    unseen: str = ""
    origin: str = ""
    condition: str = ""
    path: str = ""
    prefix: str | None = None
    is_mount: bool = False
    methods: tuple[str, ...] = ()
    chains: dict[Any, Any] = field(default_factory=dict[Any, Any])


class Dispatch(Protocol):
    """The part of a guarded dispatch that a `Step` needs."""

    router: Router
    serve: Any
    prepare: Prepare


class Step:
    """The result of matching a request in one router: the route, and the ``places`` on the way to it.

    ``judged`` is what the match adds to the scope, ``path`` the path parameters that the endpoint will get, and
    ``endpoint`` whether an endpoint is meant (a wrong method, 405, means none). ``behind`` is the router that the route
    is known to mount, which judges the request itself; ``serves`` the endpoint and app that the route had when it was
    read.
    """

    __slots__ = ("behind", "endpoint", "judged", "path", "places", "route", "serves")

    # Without a constructor: one is made for every request, and its maker sets these, which takes half the time.
    places: tuple[RoutePlace, ...]
    route: Any
    serves: tuple[Any, Any]
    judged: Scope
    path: Mapping[str, Any]
    endpoint: bool
    behind: Router | None

    @property
    def found(self) -> Scope:
        """What the framework adds to the scope for this route."""
        return {"route": self.route, **self.judged}

    def publish(self, outer: Scope) -> None:
        """Set in an outer scope what middleware expects there."""
        judged = self.judged
        outer["route"] = self.route
        if "endpoint" in judged:
            outer["endpoint"] = judged["endpoint"]
        if "path_params" in judged:
            outer["path_params"] = judged["path_params"]

    def hand_over(self, dispatch: Dispatch, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Call the route that was judged with the match that was judged; 404 if its endpoint changed since."""
        route = self.route
        if not still_serves(route, self.serves):
            return dispatch.router.not_found(scope, receive, send)
        dispatch.prepare(dispatch.router, route, scope, self.judged)
        handled: Awaitable[None] = route.handle(scope, receive, send)
        return handled


class RouteReader:
    """Reads Starlette's routes. Each route is read once, and again if its endpoint has changed."""

    def __init__(self) -> None:
        # By id(): routes compare by value and have no hash. Weak references remove entries when a route is freed.
        self._known: dict[int, _Known] = {}

    def resolve(self, routes: Iterable[BaseRoute], scope: Scope) -> Step | None:
        """The route that serves: the first that matches in full, else the first whose path alone matches."""
        partial: tuple[BaseRoute, Scope] | None = None
        for route in routes:
            match, child_scope = route.matches(scope)
            if match is NONE:
                continue
            if match is FULL:
                return self.settle(route, FULL, child_scope, scope)
            if match is PARTIAL and partial is None:
                partial = (route, child_scope)
        return None if partial is None else self.settle(partial[0], PARTIAL, partial[1], scope)

    def settle(self, route: BaseRoute, match: Match, child_scope: Scope, scope: Scope) -> Step:
        """The step for a matching route. The scope is the guard's own copy."""
        known = self._knowledge(route)
        if "method" in child_scope:
            # A route's own matches() may override the method: judge the request by the method it is served with.
            scope["method"] = child_scope["method"]
        handler = known.handler(scope["method"]) if known.is_class and scope["type"] == "http" else ""
        step = Step()
        step.places = known.places.get(handler) or self._read_once(known, handler)
        step.route, step.serves, step.judged = route, known.serves, child_scope
        step.path = child_scope.get("path_params") or scope.get("path_params") or {}
        step.endpoint = is_endpoint = match is FULL
        step.behind = self.behind(route) if is_endpoint and known.is_mounted else None
        return step

    def last_resort(self, router: Router, scope: Scope) -> Step | None:
        """What the framework serves where no route matches, if it has more than a default response."""
        return None

    def around(self, router: Router) -> tuple[RoutePlace, ...]:
        """The rules of a router as a whole. Raises `ConfigurationError` for rules that only FastAPI reads."""
        if type(router) is not Router and any(rules_for_fastapi(router)):
            raise ConfigurationError(NOT_READ, code="mark-not-served")
        return ()

    def check(self, place: RoutePlace, policy: Policy, where: str) -> None:
        """Raise `ConfigurationError` where an endpoint cannot be served under its rules.

        ``where`` is its whole template, for messages.
        """
        if place.problem:
            raise ConfigurationError(f"{where}: {place.problem}", code="rule-not-seen")
        for each in place.serving:
            for mark in marks_lost(each)[0]:
                raise ConfigurationError(f"{where}: {NOT_SERVED.format(mark.requirement.rule)}", code="mark-not-served")

    def check_lost_marks(self, place: RoutePlace, where: str, guards: Collection[GuardCore]) -> None:
        """Raise `ConfigurationError` for a mark of one of these guards on the endpoint that no route serves.

        Call it when all routes have been read: a later route may serve the marked wrapper of this endpoint.
        """
        for each in place.serving:
            for mark in marks_lost(each)[1]:
                if mark.guard in guards:
                    raise ConfigurationError(
                        f"{where}: {NOT_SERVED.format(mark.requirement.rule)}", code="mark-not-served"
                    )

    def place(self, route: Any, method: str) -> RoutePlace:
        """The place of a route for this method, read once."""
        known = self._knowledge(route)
        return self._read_once(known, known.handler(method))[0]

    def _read_once(self, known: _Known, handler: str) -> tuple[RoutePlace]:
        places = known.places.get(handler)
        if places is None:
            place = self.read(known.route(), handler)
            if known.problem and not place.problem:
                place = replace(place, problem=known.problem)
            places = known.places[handler] = (place,)
        return places

    def _knowledge(self, route: Any) -> _Known:
        key = id(route)
        known = self._known.get(key)
        if known is not None and known.route() is route and still_serves(route, known.serves):
            return known
        reference = _reference(route, lambda _: self._known.pop(key, None))
        problem = compare_at_endpoint(route)
        known = _Known(
            reference or (lambda: route),
            serves(route),
            class_of(self.target(route)),
            isinstance(route, Mount | Host),
            problem,
        )
        if reference is not None:
            self._known[key] = known
        return known

    def read(self, route: Any, handler: str) -> RoutePlace:
        """Read a route; ``handler`` names the method of an endpoint class that serves."""
        target, path = self.target(route), path_of(route)
        serving = (target, *methods_of(target, handler))
        for each in serving:
            note_served(each)
        is_mount = isinstance(route, Mount | Host) or getattr(route, "path_regex", None) is None
        return RoutePlace(
            template=template_of(route),
            marks=tuple(dict.fromkeys(mark for each in serving for mark in marks_on(each))),
            serving=serving,
            parameters=parameters_of(route),
            path=path,
            prefix=path if is_mount else rest_prefix(route),
            is_mount=is_mount,
            methods=tuple(sorted(getattr(route, "methods", None) or ())),
            problem=self.problem_with(route),
        )

    def problem_with(self, route: Any) -> str:
        """Why a route's rules cannot be enforced; empty where they can."""
        return NOT_READ if any(rules_for_fastapi(route)) else ""

    def target(self, route: Any) -> Any:
        """The endpoint or application of a route, whose marks hold."""
        if isinstance(route, Mount) and reaches_base(route):
            return getattr(route, "_base_app", None)
        return route.app if isinstance(route, Mount | Host) else getattr(route, "endpoint", None)

    def source(self, route: Any, place: RoutePlace, mark: Mark) -> str:
        """Where a mark of this place is written, in one word, for the access map."""
        return "mount" if isinstance(route, Mount | Host) else "decorator"

    def behind(self, route: BaseRoute) -> Router | None:
        """The router that a mount or host is known to call; any other application there is opaque."""
        if isinstance(route, Mount) and type(route).handle is Mount.handle and reaches_base(route):
            return router_of(getattr(route, "_base_app", None))
        if isinstance(route, Host) and type(route).handle is Host.handle:
            return router_of(route.app)
        return None

    def table(self, router: Router) -> Iterator[tuple[tuple[RoutePlace, ...], BaseRoute]]:
        """All routes of a router, each with the places on the way to it."""
        return (((), route) for route in tuple(router.routes))

    def methods(self, route: Any) -> tuple[str, ...]:
        """The methods that a route declares or handles; ``*`` for a mount."""
        if isinstance(route, WebSocketRoute):
            return ("",)
        if isinstance(route, Mount | Host):
            return ("*",)
        declared = getattr(route, "methods", None)
        handled = () if declared else handled_by(self.target(route))
        return tuple(sorted(declared or handled or ANY_METHODS))

    def refuses_others(self, route: Any) -> bool:
        """Whether a route accepts all methods, and its endpoint class answers 405 to those without a handler."""
        is_plain = not isinstance(route, WebSocketRoute | Mount | Host) and not getattr(route, "methods", None)
        return is_plain and bool(handled_by(self.target(route)))


class _Known:
    """A route that was read: its endpoint and app at that time, and one place, or one per method of a class."""

    __slots__ = ("copy", "is_class", "is_mounted", "kind", "places", "problem", "route", "serves")

    def __init__(
        self,
        route: Callable[[], Any],
        serves: tuple[Any, Any],
        kind: type[Any],
        is_mounted: bool,
        problem: str,
    ) -> None:
        self.route, self.serves, self.kind, self.is_mounted = route, serves, kind, is_mounted
        self.problem = problem
        self.is_class = issubclass(kind, HTTPEndpoint)
        self.copy: Any = None
        """A copy of the route from when it was read, where it was needed."""
        self.places: dict[str, tuple[RoutePlace]] = {}

    def handler(self, method: str) -> str:
        """The handler of an endpoint class for this method; empty for a method that it does not handle."""
        if not self.is_class:
            return ""
        name = "get" if method == "HEAD" and not hasattr(self.kind, "head") else method.lower()
        return name if hasattr(self.kind, name) else ""


def _reference(route: Any, forget: Callable[[Any], Any]) -> Callable[[], Any] | None:
    try:
        return weakref.ref(route, forget)
    except TypeError:
        return None

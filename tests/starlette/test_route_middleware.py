"""Middleware of one route runs after the decision: what it changes is compared again before the endpoint."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Mount, Route, WebSocketRoute

from callerid import ConfigurationError, Public, UnguardedEndpointError
from callerid.starlette import Guard
from callerid.starlette._route_middleware import compare_at_endpoint
from tests.fixtures import OWNER, STAFF

from .world import Diary, ask, closed, dial, statuses

OVERRIDE = {"x-http-method-override": "DELETE"}


class Override:
    """A method override, as pure ASGI middleware."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        method = dict(scope["headers"]).get(b"x-http-method-override")
        await self.app({**scope, "method": method.decode()} if method else scope, receive, send)


class Lower:
    """Path parameters in lower case."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        lowered = {name: value.lower() for name, value in scope["path_params"].items()}
        await self.app({**scope, "path_params": lowered}, receive, send)


class InPlace(BaseHTTPMiddleware):
    async def dispatch(self, request: Any, call_next: Any) -> Any:
        request.scope["path_params"] = {name: value.lower() for name, value in request.path_params.items()}
        return await call_next(request)


def enclosing(app: Any) -> Any:
    async def lower(scope: Any, receive: Any, send: Any) -> None:
        await Lower(app)(scope, receive, send)

    return lower


class Hidden:
    """Keeps the application where nobody finds it."""

    __slots__ = ("inner",)

    def __init__(self, app: Any) -> None:
        self.inner = [app]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.inner[0](scope, receive, send)


def items(ran: Diary, guard: Guard) -> type[HTTPEndpoint]:
    class Items(HTTPEndpoint):
        @guard.allow(Public())
        async def get(self, request: Any) -> PlainTextResponse:
            ran.append("get")
            return PlainTextResponse("")

        async def delete(self, request: Any) -> PlainTextResponse:
            ran.append("delete")
            return PlainTextResponse("")

    return Items


def test_another_method_than_was_judged_is_not_served(ran: Diary, guard: Guard) -> None:
    app = closed(Route("/items", items(ran, guard), middleware=[Middleware(Override)]), guard=guard)
    assert statuses(app, "/items", None) == [200]
    assert statuses(app, "/items", None, method="DELETE") == [401]
    assert isinstance(ask(app, "/items", headers=OVERRIDE).error, UnguardedEndpointError)
    assert isinstance(ask(app, "/items", headers=OVERRIDE).error, UnguardedEndpointError)
    assert ran == ["get"]


@pytest.mark.parametrize("middleware", [Lower, InPlace, enclosing])
@pytest.mark.parametrize("marked", [True, False])
def test_other_path_parameters_than_were_judged_are_not_served(
    middleware: Any, marked: bool, ran: Diary, guard: Guard
) -> None:
    async def orders(request: Any) -> PlainTextResponse:
        ran.append(request.path_params["user"])
        return PlainTextResponse("")

    endpoint = guard.allow(OWNER)(orders) if marked else orders
    route = Route("/orders/{user}", endpoint, middleware=[Middleware(Override), Middleware(middleware)])
    app = closed(route, guard=guard, routes={} if marked else {"/orders/{user}": OWNER})
    assert statuses(app, "/orders/ada", "ada", "ben") == [200, 403]
    assert isinstance(ask(app, "/orders/ADA", "ADA").error, UnguardedEndpointError)
    assert ran == ["ada"]


def test_sockets_are_compared_as_well(ran: Diary, guard: Guard) -> None:
    async def live(websocket: Any) -> None:
        ran.append(websocket.path_params["user"])
        await websocket.accept()

    route = WebSocketRoute("/live/{user}", guard.allow(OWNER)(live), middleware=[Middleware(Lower)])
    app = closed(route, guard=guard)
    assert dial(app, "/live/ada", "ada").status == 0
    assert isinstance(dial(app, "/live/ADA", "ADA").error, UnguardedEndpointError)
    assert ran == ["ada"]


def test_middleware_that_hides_what_it_wraps_is_an_error_at_start(ran: Diary, guard: Guard) -> None:
    app = closed(Route("/x", ran.route("/x").endpoint, middleware=[Middleware(Hidden)]), guard=guard)
    error = ask(app, "/x", "staff").error
    assert isinstance(error, ConfigurationError)
    assert str(error).startswith("/x: middleware of this route hides the application that it wraps")
    assert ran == []


def test_a_mounts_middleware_may_not_change_the_path_that_an_entry_was_looked_up_by(ran: Diary) -> None:
    class Rewrites(Lower):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app({**scope, "path": scope["path"].replace("-", "/")}, receive, send)

    app = closed(
        Mount("/m", ran.asgi("m"), middleware=[Middleware(Rewrites)]),
        Mount("/n", ran.asgi("n"), middleware=[Middleware(Rewrites)]),
        default=Public(),
        routes={"/m/secret/*": STAFF},
    )
    assert statuses(app, "/m/secret/x", None, "staff") == [401, 200]
    assert statuses(app, "/m/open", None) == [200]
    assert isinstance(ask(app, "/m/secret-x").error, UnguardedEndpointError)
    assert statuses(app, "/n/secret-x", None) == [200]  # no entry is below it
    assert ran == ["m", "m", "n"]


def test_without_a_guard_the_route_serves_as_before(ran: Diary, guard: Guard) -> None:
    route = Route("/x", ran.route("/x").endpoint, middleware=[Middleware(Lower)])
    assert statuses(closed(route, guard=guard), "/x", None, "staff") == [401, 200]
    assert statuses(Starlette(routes=[route]), "/x", None) == [200]


class InPlaceDeeply:
    """Path parameters in lower case, in the very dictionary that was judged."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope["path_params"].update({name: value.lower() for name, value in scope["path_params"].items()})
        await self.app(scope, receive, send)


class HandlingRoute(Route):
    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        method = dict(scope["headers"]).get(b"x-http-method-override", scope["method"].encode()).decode()
        params = {name: value.lower() for name, value in scope["path_params"].items()}
        await super().handle({**scope, "method": method, "path_params": params}, receive, send)


class MatchingRoute(Route):
    def matches(self, scope: Any) -> Any:
        match, found = super().matches(scope)
        method = dict(scope.get("headers", ())).get(b"x-http-method-override")
        return match, {**found, "method": method.decode()} if method and match is not Match.NONE else found


@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("kind", ["middleware", "handle"])
def test_path_parameters_changed_in_place_or_in_a_routes_own_handle_are_not_served(
    kind: str, marked: bool, ran: Diary, guard: Guard
) -> None:
    async def orders(request: Any) -> PlainTextResponse:
        ran.append(request.path_params["user"])
        return PlainTextResponse("")

    endpoint = guard.allow(OWNER)(orders) if marked else orders
    if kind == "handle":
        route: Route = HandlingRoute("/orders/{user}", endpoint)
    else:
        route = Route("/orders/{user}", endpoint, middleware=[Middleware(InPlaceDeeply)])
    app = closed(route, guard=guard, routes={} if marked else {"/orders/{user}": OWNER})
    assert statuses(app, "/orders/ada", "ada", "ben") == [200, 403]
    assert isinstance(ask(app, "/orders/ADA", "ADA").error, UnguardedEndpointError)
    assert ran == ["ada"]


@pytest.mark.parametrize("late", [True, False])
def test_a_routes_own_handle_serves_the_method_that_was_judged_alone(late: bool, ran: Diary, guard: Guard) -> None:
    route = HandlingRoute("/items", items(ran, guard))
    app = closed(*([] if late else [route]), guard=guard)
    assert statuses(app, "/unknown", None) == [401]
    app.router.routes[:] = [route]
    assert statuses(app, "/items", None) == [200]
    assert isinstance(ask(app, "/items", headers=OVERRIDE).error, UnguardedEndpointError)
    assert ran == ["get"]


def test_a_routes_own_matching_is_judged_by_the_method_that_it_gives(ran: Diary, guard: Guard) -> None:
    app = closed(MatchingRoute("/items", items(ran, guard)), guard=guard)
    assert statuses(app, "/items", None) == [200]
    assert [ask(app, "/items", who, headers=OVERRIDE).status for who in (None, "outsider", "staff")] == [401, 403, 200]
    assert ran == ["get", "delete"]


def test_a_route_is_compared_once_and_what_encloses_nothing_yet_is_passed_over() -> None:
    def enclosing(app: Any) -> Any:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            await (_later or app)(scope, receive, send)

        if app is None:
            _later = None
        return wrapped

    route = Route("/x", Diary().route("/x").endpoint, middleware=[Middleware(enclosing)])
    assert compare_at_endpoint(route) == ""
    first = route.app
    assert (compare_at_endpoint(route), route.app) == ("", first)

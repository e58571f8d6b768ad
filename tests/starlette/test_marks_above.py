"""A rule above the route's decorator marks a function that no route serves: an error that names the route."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from callerid import ConfigurationError, Public
from callerid.starlette import Guard
from tests.fixtures import OTHERS, STAFF

from .test_startup import start
from .world import Diary, ask, closed, dial, new_guard, statuses

ABOVE = r"/x: guard\.allow\(.*\) stands above this route's decorator"
F = TypeVar("F", bound=Callable[..., Any])
CALLERS = (None, "staff", "outsider")


def of_a_route(ran: Diary, guard: Guard) -> Any:
    endpoint = ran.endpoint()
    route = Route("/x", endpoint)
    guard.allow(OTHERS)(endpoint)
    return route


def with_route(routes: list[Any], path: str = "/x") -> Callable[[F], F]:
    """A route decorator, such as applications write for themselves."""

    def decorator(endpoint: F) -> F:
        routes.append(Route(path, endpoint))
        return endpoint

    return decorator


def of_a_definition(ran: Diary, guard: Guard) -> Any:
    routes: list[Any] = []

    @guard.allow(
        OTHERS,
    )
    @with_route(routes)
    async def endpoint(request: Request) -> Response:
        ran.append("endpoint")
        return PlainTextResponse("")

    return routes[0]


def of_a_definition_by_a_decorator_of_ones_own(ran: Diary, guard: Guard) -> Any:
    routes: list[Any] = []

    def others_only(function: F) -> F:
        return guard.allow(OTHERS)(function)

    @others_only
    @with_route(routes)
    async def endpoint(request: Request) -> Response:
        ran.append("endpoint")
        return PlainTextResponse("")

    return routes[0]


def of_a_decorated_function(ran: Diary, guard: Guard) -> Any:
    """A decorator of the user's own below the route's, and the mark on what is in it."""
    plain = ran.endpoint()

    @functools.wraps(plain)
    async def wrapper(request: Request) -> Any:
        return await plain(request)

    guard.allow(OTHERS)(plain)
    return Route("/x", wrapper)


def of_a_partial(ran: Diary, guard: Guard) -> Any:
    endpoint = functools.partial(ran.endpoint())
    route = Route("/x", endpoint)
    guard.allow(OTHERS)(endpoint)
    return route


def of_the_second_of_two_marks(ran: Diary, guard: Guard) -> Any:
    endpoint = guard.allow(Public())(ran.endpoint())
    route = Route("/x", endpoint)
    guard.allow(OTHERS)(endpoint)
    return route


def of_a_method_of_a_class(ran: Diary, guard: Guard) -> Any:
    async def get(self: Any, request: Request) -> Response:
        ran.append("get")
        return PlainTextResponse("")

    guard.allow(OTHERS)(get)
    return Route("/x", type("Endpoint", (HTTPEndpoint,), {"get": get}))


def of_a_mounted_route(ran: Diary, guard: Guard) -> Any:
    return Mount("", routes=[of_a_route(ran, guard)])


def of_a_route_behind_a_host(ran: Diary, guard: Guard) -> Any:
    return Host("orders.example.com", Router(routes=[of_a_route(ran, guard)]))


EVERY = [
    of_a_definition,
    of_a_definition_by_a_decorator_of_ones_own,
    of_a_route,
    of_a_decorated_function,
    of_a_partial,
    of_the_second_of_two_marks,
    of_a_method_of_a_class,
    of_a_mounted_route,
    of_a_route_behind_a_host,
]


@pytest.mark.parametrize("default", [Public(), STAFF])
@pytest.mark.parametrize("make", EVERY)
def test_a_mark_above_is_a_start_up_error_and_nothing_is_served(
    make: Any, default: Any, ran: Diary, guard: Guard
) -> None:
    app = closed(make(ran, guard), guard=guard, default=default)
    with pytest.raises(ConfigurationError, match=ABOVE):
        start(app)
    assert statuses(app, "/x", *CALLERS) == [500, 500, 500]
    assert ran == []


@pytest.mark.parametrize("make", EVERY)
def test_a_mark_above_of_a_route_that_is_added_later_is_an_error_at_its_requests(
    make: Any, ran: Diary, guard: Guard
) -> None:
    app = closed(ran.route("/other"), guard=guard, default=Public())
    start(app)
    app.router.routes.append(make(ran, guard))
    assert statuses(app, "/x", *CALLERS) == [500, 500, 500]
    assert "stands above" in str(ask(app, "/x", "staff").error)
    assert statuses(app, "/other", None) == [200]
    assert ran == ["/other"]


def test_a_mark_above_of_a_socket_is_an_error(ran: Diary, guard: Guard) -> None:
    class Endpoint(WebSocketEndpoint):
        pass

    async def connect(self: Any, websocket: WebSocket) -> None: ...

    endpoint = ran.socket()
    Endpoint.on_connect = connect  # type: ignore[method-assign]
    for route, marked in ((WebSocketRoute("/x", endpoint), endpoint), (WebSocketRoute("/x", Endpoint), connect)):
        app = closed(route, guard=guard, default=Public())
        guard.allow(OTHERS)(marked)
        with pytest.raises(ConfigurationError, match=ABOVE):
            start(app)
        assert isinstance(dial(app, "/x", "outsider").error, ConfigurationError)
    assert ran == []


@pytest.mark.parametrize("default", [Public(), STAFF])
def test_a_mark_between_two_route_decorators_is_an_error_for_the_route_below_it(default: Any, guard: Guard) -> None:
    routes: list[Any] = []

    @with_route(routes, "/above")
    @guard.allow(OTHERS)
    @with_route(routes, "/x")
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("")

    app = closed(*routes, guard=guard, default=default)
    with pytest.raises(ConfigurationError, match=ABOVE) as caught:
        start(app)
    assert "/above:" not in str(caught.value)
    assert "mark it with another for there" in str(caught.value)


def test_a_function_with_a_rule_of_its_own_at_each_route_is_what_the_error_asks_for(guard: Guard) -> None:
    routes: list[Any] = []

    @with_route(routes, "/above")
    @guard.allow(OTHERS)
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("")

    bare = endpoint.__wrapped__  # type: ignore[attr-defined]
    app = closed(*routes, Route("/x", guard.allow(STAFF)(bare)), guard=guard, default=Public())
    start(app)
    assert statuses(app, "/above", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]


def test_a_mark_above_in_an_application_with_its_own_guard_is_an_error(ran: Diary) -> None:
    inner_guard, outer_guard = new_guard(), new_guard()
    for marking in (inner_guard, outer_guard):
        inner = closed(of_a_route(ran, marking), guard=inner_guard, default=Public())
        app = closed(Mount("/sub", inner), guard=outer_guard, default=Public())
        with pytest.raises(ConfigurationError, match="stands above"):
            start(app)


def test_a_mark_on_the_definition_is_an_error_whoever_guards_the_application(ran: Diary, guard: Guard) -> None:
    app = closed(of_a_definition(ran, new_guard()), guard=guard, default=Public())
    with pytest.raises(ConfigurationError, match=ABOVE):
        start(app)


@pytest.mark.parametrize("by", ["another guard", "the same guard"])
def test_a_function_that_is_marked_for_another_application_may_be_served_without_that_mark(
    by: str, ran: Diary, guard: Guard
) -> None:
    endpoint, other = ran.endpoint(), new_guard() if by == "another guard" else guard
    first = closed(Route("/x", other.allow(OTHERS)(endpoint)), guard=other, default=Public())
    second = closed(Route("/x", endpoint), guard=guard)
    assert statuses(first, "/x", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(second, "/x", None, "outsider", "staff") == [401, 403, 200]


def test_where_no_guard_is_installed_a_mark_above_changes_nothing(ran: Diary, guard: Guard) -> None:
    assert ask(Starlette(routes=[of_a_route(ran, guard)]), "/x").status == 200

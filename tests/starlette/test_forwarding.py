"""A request that is dispatched again, from wherever, is judged anew: what was decided before says nothing about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from callerid import Domain, Nobody, Public
from callerid.starlette import Guard
from tests.fixtures import OTHERS, STAFF

from .world import Diary, ask, closed, dial, new_guard, status, statuses

STANDARD = ("type", "method", "path", "root_path", "headers", "query_string", "scheme", "server")


def copied(scope: Scope, path: str) -> Scope:
    return {**scope, "path": path}


def in_place(scope: Scope, path: str) -> Scope:
    scope["path"] = path
    return scope


def made_anew(scope: Scope, path: str) -> Scope:
    return {**{name: scope[name] for name in STANDARD if name in scope}, "path": path}


every_scope = pytest.mark.parametrize("scope_of", [copied, in_place, made_anew])


class Forward(Response):
    """Answers with whatever another application answers for another path."""

    def __init__(self, target: Callable[[], ASGIApp], path: str, scope_of: Any = copied) -> None:
        super().__init__()
        self.target, self.path, self.scope_of = target, path, scope_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.target()(self.scope_of(scope, self.path), receive, send)


def at_the_root(scope: Scope, path: str) -> Scope:
    return {**scope, "root_path": "", "path": path}


def forwarding(target: Callable[[], ASGIApp], path: str, scope_of: Any = copied) -> Any:
    async def forward(request: Request) -> Response:
        return Forward(target, path, scope_of)

    return forward


def sub_application(kind: str, *routes: BaseRoute, **options: Any) -> tuple[Any, Router]:
    """What is mounted, and the router in it."""
    if kind == "router":
        router = Router(routes=list(routes))
        return router, router
    app = Starlette(routes=list(routes), **options)
    return app, app.router


@every_scope
@pytest.mark.parametrize("kind", ["router", "application"])
@pytest.mark.parametrize("depth", [1, 2])
def test_an_endpoints_forward_within_its_mount_is_judged_anew(
    kind: str, depth: int, scope_of: Any, ran: Diary, guard: Guard
) -> None:
    prefix = "/sub" * depth
    old = guard.allow(Public())(forwarding(lambda: router, f"{prefix}/secret", scope_of))
    mounted, router = sub_application(kind, Route("/old", old), ran.route("/secret"))
    for _ in range(depth - 1):
        mounted = Router(routes=[Mount("/sub", mounted)])
    app = closed(Mount("/sub", mounted), guard=guard)
    for path in (f"{prefix}/secret", f"{prefix}/old"):
        assert statuses(app, path, None, "outsider", "staff") == [401, 403, 200]
    assert ran == ["/secret", "/secret"]


def test_an_endpoint_class_that_forwards_within_its_mount_is_judged_anew(ran: Diary, guard: Guard) -> None:
    class Old(HTTPEndpoint):
        @guard.allow(Public())
        async def get(self, request: Request) -> Response:
            return Forward(lambda: sub.router, "/sub/secret")

    sub = Starlette(routes=[Route("/old", Old), ran.route("/secret")])
    app = closed(Mount("/sub", sub), guard=guard)
    assert statuses(app, "/sub/old", None, "staff") == [401, 200]


def test_a_sockets_forward_within_its_mount_is_judged_anew(ran: Diary, guard: Guard) -> None:
    @guard.allow(Public())
    async def old(websocket: WebSocket) -> None:
        await router({**websocket.scope, "path": "/sub/secret"}, websocket._receive, websocket._send)

    router = Router(routes=[WebSocketRoute("/old", old), ran.socket_route("/secret")])
    app = closed(Mount("/sub", router), guard=guard)
    assert dial(app, "/sub/old").status == 401
    assert ran == []
    assert dial(app, "/sub/old", "staff").types[0] == "websocket.accept"


def test_an_exception_handler_that_dispatches_again_is_judged_anew(ran: Diary, guard: Guard) -> None:
    class Gone(Exception):
        pass

    async def handler(request: Request, error: Exception) -> Response:
        return Forward(lambda: sub.router, "/sub/secret")

    @guard.allow(Public())
    async def old(request: Request) -> Response:
        raise Gone

    sub = Starlette(routes=[Route("/old", old), ran.route("/secret")], exception_handlers={Gone: handler})
    app = closed(Mount("/sub", sub), guard=guard)
    assert statuses(app, "/sub/old", None, "staff") == [401, 200]
    assert ran == ["/secret"]


class Twice:
    """Asks for a public path first, with its scope as it is or with a copy, and then for the path that came."""

    def __init__(self, app: ASGIApp, scope_of: Any) -> None:
        self.app, self.scope_of = app, scope_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def swallow(message: Any) -> None:
            pass

        path = scope["path"]
        await self.app(self.scope_of(scope, "/sub/open"), receive, swallow)
        await self.app(self.scope_of(scope, path), receive, send)


async def twice(request: Request, call_next: Any) -> Response:
    """The same by Starlette's own class, in which the first request still runs when the second begins."""
    path = request.scope["path"]
    request.scope["path"] = "/sub/open"
    first = await call_next(request)
    async for _ in first.body_iterator:
        pass
    request.scope["path"] = path
    response: Response = await call_next(request)
    return response


def mounting(ran: Diary, middleware: Middleware, mark: Any = None) -> Mount:
    inside = [ran.route("/open", mark=mark), ran.route("/secret")]
    return Mount("/sub", routes=inside, middleware=[middleware])


middlewares = [Middleware(Twice, scope_of=scope_of) for scope_of in (copied, in_place, made_anew)]
by_starlette = Middleware(BaseHTTPMiddleware, dispatch=twice)
# Some releases of Starlette give no second response.
if status(Starlette(routes=[mounting(Diary(), by_starlette)]), "/sub/secret") == 200:
    middlewares.append(by_starlette)


@pytest.mark.parametrize("middleware", middlewares)
def test_middleware_that_asks_twice_is_judged_both_times(middleware: Any, ran: Diary, guard: Guard) -> None:
    app = closed(mounting(ran, middleware, guard.allow(Public())), guard=guard)
    assert statuses(app, "/sub/secret", None, "outsider", "staff") == [401, 403, 200]
    assert ran == ["/open", "/open", "/open", "/secret"]


def test_a_forward_within_an_application_with_its_own_guard_keeps_the_outer_rules(ran: Diary) -> None:
    inner_guard, outer_guard = new_guard(), new_guard()
    old = inner_guard.allow(Public())(forwarding(lambda: inner.router, "/sub/secret"))
    inner = closed(Route("/old", old), ran.route("/secret"), guard=inner_guard, default=Domain("example.com"))
    marked = closed(Mount("/sub", outer_guard.allow(OTHERS | STAFF)(inner)), guard=outer_guard, default=Nobody())
    floored = closed(Mount("/sub", inner), guard=outer_guard, default=Nobody(), floor=STAFF)
    for app in (marked, floored):
        assert statuses(app, "/sub/old", None, "outsider", "staff") == [401, 403, 200]


def test_a_forward_past_the_mounts_that_lead_to_a_router_is_an_error(ran: Diary, guard: Guard) -> None:
    """The rules of the mount, and those of a path table for it, would not hold."""
    other = Router(routes=[ran.route("/secret"), ran.route("/marked", mark=guard.allow(Public()))])
    routes = [
        Route(path, guard.allow(Public())(forwarding(lambda: other, path, at_the_root)))
        for path in ("/secret", "/marked")
    ]
    app = closed(Mount("/first", routes=routes), Mount("/other", guard.allow(STAFF)(other)), guard=guard)
    assert statuses(app, "/other/secret", None, "staff") == [401, 200]
    for path in ("/first/secret", "/first/marked"):
        assert statuses(app, path, None, "staff") == [500, 500]
    assert "past the mounts and rules" in str(ask(app, "/first/secret").error)
    assert ran == ["/secret"]


def test_what_is_behind_an_opaque_application_has_its_rules(ran: Diary, guard: Guard) -> None:
    class ByHand:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await other(scope, receive, send)

    other = Router(routes=[ran.route("/x")])
    app = closed(Mount("/other", other), Mount("/opaque", guard.allow(Public())(ByHand())), guard=guard)
    assert statuses(app, "/other/x", None, "staff") == [401, 200]
    assert statuses(app, "/opaque/x", None) == [200]


def test_a_router_that_an_opaque_application_hands_back_to_is_judged_anew(ran: Diary, guard: Guard) -> None:
    class Back:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await router({**scope, "root_path": "", "path": "/secret"}, receive, send)

    router = Router(routes=[ran.route("/secret"), Mount("/opaque", guard.allow(Public())(Back()))])
    app = closed(Mount("/sub", router), guard=guard)
    assert statuses(app, "/sub/opaque/x", None, "outsider", "staff") == [401, 403, 200]


def test_a_request_of_a_handlers_own_to_an_application_that_nobody_guards_is_its_own(ran: Diary, guard: Guard) -> None:
    other = Router(routes=[ran.route("/x")])
    own = forwarding(lambda: other, "/x", made_anew)
    app = closed(Mount("/other", other), Route("/own", guard.allow(Public())(own)), guard=guard)
    assert statuses(app, "/other/x", None, "staff") == [401, 200]
    assert ask(app, "/own").text == "/x"

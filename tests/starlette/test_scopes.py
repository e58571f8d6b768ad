"""The caller belongs to its own request alone, whoever else uses the same scope or state."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from callerid import AnyGoogleAccount, Public
from callerid.starlette import Guard
from callerid.starlette._scope import RequestState
from callerid.testing import LocalIssuer
from tests.fixtures import OWNER, STAFF

from .world import Diary, Reply, ask, asked, closed, new_guard, raw, scope_of


async def whoami(request: Request) -> Response:
    await anyio.lowlevel.checkpoint()
    return JSONResponse([str(request.state.caller), request.user.display_name])


async def swallow(message: Any) -> None:
    """Lose a message."""


def asking_again(app_of: Any) -> Any:
    async def handler(request: Request) -> Response:
        before = str(request.state.caller)
        await app_of()({**request.scope, "path": "/open"}, request.receive, swallow)
        return JSONResponse([before, str(request.state.caller), request.user.display_name])

    return handler


@pytest.mark.parametrize("at", ["application", "router"])
def test_a_request_within_a_request_leaves_the_callers_apart(at: str, guard: Guard) -> None:
    async def opened(request: Request) -> Response:
        assert (request.state.caller, request.user.display_name) == (None, "")
        seen.append("opened")
        return PlainTextResponse("")

    seen: list[Any] = []
    app: Starlette = closed(
        Route("/outer", asking_again(lambda: app if at == "application" else app.router)),
        Route("/open", guard.allow(Public())(opened)),
        guard=guard,
    )
    assert ask(app, "/outer", "staff").json == ["user:ada@example.com", "user:ada@example.com", "ada@example.com"]
    assert seen == ["opened"]


def test_a_handler_that_reuses_its_own_scope_keeps_its_caller(guard: Guard) -> None:
    async def outer(request: Request) -> Response:
        request.scope["path"] = "/open"
        await app(request.scope, request.receive, swallow)
        return await whoami(request)

    app = closed(Route("/outer", outer), Route("/open", guard.allow(Public())(whoami)), guard=guard)
    assert ask(app, "/outer", "staff").json == ["user:ada@example.com", "ada@example.com"]


def test_a_server_that_gives_all_requests_one_state_mixes_no_callers(guard: Guard, backend: str) -> None:
    seen: dict[str, Any] = {}

    async def outer(request: Request, call_next: Any) -> Response:
        assert not hasattr(request.state, "caller")
        response: Response = await call_next(request)
        await anyio.lowlevel.checkpoint()
        seen[request.headers["x-who"]] = str(request.state.caller)
        return response

    app = Starlette(routes=[Route("/", whoami)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=outer)])
    guard.protect(app, default=AnyGoogleAccount())
    shared: dict[str, Any] = {"pool": 1}
    got: dict[str, Any] = {}

    async def call(who: str) -> None:
        reply = await asked(app, "/", who, headers={"x-who": who}, state=shared)
        got[who] = reply.json[0]

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for who in ("ada@example.com", "bob@example.com", "eve@other.com"):
                tasks.start_soon(call, who)

    anyio.run(run, backend=backend)
    assert got == seen == {who: f"user:{who}" for who in got}
    assert len(got) == 3
    assert shared == {"pool": 1}


def test_two_dispatches_of_one_scope_at_once_serve_whom_they_judged(served: LocalIssuer, backend: str) -> None:
    """The first waits for its key while the second, of somebody else, goes through with the same scope."""
    guard = new_guard(served)

    async def orders(request: Request) -> Response:
        return JSONResponse([str(request.state.caller), request.user.identity, request.path_params["user"]])

    app = closed(
        Route("/{user}", guard.allow(OWNER)(orders)), Route("/x/open", guard.allow(Public())(whoami)), guard=guard
    )
    replies: list[Reply] = []

    async def run() -> None:
        scope = scope_of("GET", "/alice", raw("alice"), state={})
        reply = Reply()

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            reply.messages.append(dict(message))

        async with anyio.create_task_group() as tasks:
            with served.hold():
                before = served.fetches["firebase"]
                tasks.start_soon(app, scope, receive, send)
                await anyio.to_thread.run_sync(served.wait_for_fetches, "firebase", before + 1)
                scope["path"] = "/x/open"
                await app(scope, receive, swallow)
                scope["path_params"] = {"user": "bob"}
        replies.append(reply)

    anyio.run(run, backend=backend)
    assert replies[0].json == ["firebase:shop-prod/alice", "firebase:shop-prod/alice", "alice"]


def test_middleware_outside_sees_what_the_router_found(ran: Diary, guard: Guard) -> None:
    seen: list[Any] = []

    class Outside:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)
            if scope["type"] == "http":
                known = {name: scope[name] for name in ("endpoint", "path_params", "route", "router")}
                seen.append((known, scope["user"].display_name, scope["state"]["caller"].email))

    endpoint = ran.endpoint()
    route = Route("/x/{name}", endpoint)
    inner = Starlette(routes=[route], middleware=[Middleware(Outside)])
    app = Starlette(routes=[Mount("/sub", inner), route], middleware=[Middleware(Outside)])
    guard.protect(app, default=STAFF)
    for path, times in (("/x/1", 1), ("/sub/x/1", 2)):
        seen.clear()
        assert ask(app, path, "staff").status == 200
        known = {"endpoint": endpoint, "path_params": {"name": "1"}, "route": route, "router": app.router}
        assert seen == [(known, "ada@example.com", "ada@example.com")] * times


def test_a_user_whom_outer_middleware_has_set_stays_and_gets_no_credentials_of_the_guard(guard: Guard) -> None:
    seen: list[Any] = []

    class Outside:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            scope["user"] = "theirs"
            await self.app(scope, receive, send)
            seen.append((scope["user"], "auth" in scope, str(scope["state"]["caller"])))

    async def handler(request: Request) -> Response:
        return JSONResponse([request.user, "auth" in request.scope, str(request.state.caller)])

    app = Starlette(routes=[Route("/", handler)], middleware=[Middleware(Outside)])
    guard.protect(app, default=STAFF)
    assert ask(app, "/", "staff").json == ["theirs", False, "user:ada@example.com"]
    assert seen == [("theirs", False, "user:ada@example.com")]


def test_middleware_outside_of_the_application_shares_its_state_with_handlers(guard: Guard) -> None:
    async def handler(request: Request) -> Response:
        request.state.after = request.state.before + 1
        del request.state.before
        return PlainTextResponse("")

    app = closed(Route("/", handler), guard=guard)
    state: dict[str, Any] = {"before": 1}
    assert ask(app, "/", "staff", state=state).status == 200
    assert state == {"after": 2}


def test_a_caller_that_an_outer_guard_put_in_the_state_is_seen_until_the_inner_one_decides(guard: Guard) -> None:
    seen: list[Any] = []

    async def outer(request: Request, call_next: Any) -> Response:
        seen.append(request.state.caller)
        response: Response = await call_next(request)
        seen.append(str(request.state.caller))
        return response

    app = Starlette(routes=[Route("/", whoami)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=outer)])
    guard.protect(app, default=STAFF)
    state = {"caller": "another"}
    assert ask(app, "/", "staff", state=state).status == 200
    assert (seen, state) == (["another", "user:ada@example.com"], {"caller": "another"})


def test_a_state_behaves_as_the_dictionary_that_it_stands_for() -> None:
    shared: dict[str, Any] = {"pool": 1, "caller": "theirs"}
    state = RequestState(shared)
    assert dict(state) == {"pool": 1, "caller": "theirs"}
    state["caller"] = "ours"
    state["new"] = 2
    assert state.copy() == {**state} == {"pool": 1, "caller": "ours", "new": 2}
    assert (len(state), repr(state)) == (3, repr(dict(state)))
    assert RequestState(state)["caller"] == "theirs"
    del state["caller"], state["new"]
    assert shared == dict(state) == {"pool": 1, "caller": "theirs"}
    with pytest.raises(KeyError):
        state["unknown"]

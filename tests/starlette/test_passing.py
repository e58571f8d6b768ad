"""Legal set-ups go on working: streams, middleware, CORS, background tasks, many callers at once."""

from __future__ import annotations

import functools
import itertools
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser, requires
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, Router
from starlette.types import Receive, Scope, Send

from callerid import AnyGoogleAccount, Public
from callerid.starlette import Guard
from callerid.testing import LocalIssuer
from tests.fixtures import OTHERS, OWNER, STAFF, issuer

from .world import Diary, Reply, ask, asked, closed, dialled, new_guard, status, statuses


async def whoami(request: Request) -> Response:
    caller = request.state.caller
    return JSONResponse(
        {
            "caller": None if caller is None else str(caller),
            "user": request.user.display_name,
            "known": request.user.is_authenticated,
            "auth": request.auth.scopes,
        }
    )


# --- who is calling, for the handler ---


def test_a_handler_finds_its_caller_in_state_user_and_auth(guard: Guard, backend: str) -> None:
    app = closed(Route("/", whoami), guard=guard)
    assert ask(app, "/", "staff", backend=backend).json == {
        "caller": "user:ada@example.com",
        "user": "ada@example.com",
        "known": True,
        "auth": ["authenticated"],
    }


def test_where_no_caller_is_asked_for_there_is_none(guard: Guard) -> None:
    app = closed(
        Route("/public", guard.allow(Public())(whoami)),
        Route("/optional", guard.allow(Public() | STAFF)(whoami)),
        guard=guard,
    )
    nobody: dict[str, Any] = {"caller": None, "user": "", "known": False, "auth": []}
    assert ask(app, "/public", "staff").json == nobody
    assert ask(app, "/optional").json == nobody
    assert ask(app, "/optional", "outsider").json == nobody
    assert ask(app, "/optional", "staff").json["caller"] == "user:ada@example.com"
    assert status(app, "/optional", headers={"authorization": "Bearer junk"}) == 401
    assert status(app, "/public", headers={"authorization": "Bearer junk"}) == 200


def test_starlettes_own_requires_works_with_the_guard(guard: Guard) -> None:
    @requires("authenticated")
    async def handler(request: Request) -> Response:
        return PlainTextResponse(request.user.identity)

    app = closed(Route("/", guard.allow(Public() | STAFF)(handler)), guard=guard)
    assert ask(app, "/", "staff").text == "user:ada@example.com"
    assert status(app, "/", "outsider") == 403


class Backend(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        return AuthCredentials(["theirs"]), SimpleUser("theirs")


def test_what_an_outer_authentication_filled_in_stays(guard: Guard) -> None:
    app = Starlette(
        routes=[Route("/", whoami), Mount("/m", routes=[Route("/", whoami)])],
        middleware=[Middleware(AuthenticationMiddleware, backend=Backend())],
    )
    guard.protect(app, default=STAFF)
    for path in ("/", "/m/"):
        assert ask(app, path, "staff").json == {
            "caller": "user:ada@example.com",
            "user": "theirs",
            "known": True,
            "auth": ["theirs"],
        }
    assert status(app, "/") == 401


def test_the_innermost_guard_says_who_is_calling() -> None:
    inner_guard, outer_guard = new_guard(), new_guard()
    inner = closed(Route("/", whoami), guard=inner_guard, default=Public())
    app = closed(Mount("/m", outer_guard.allow(STAFF)(inner)), guard=outer_guard)
    assert ask(app, "/m/", "staff").json["caller"] is None
    inner = closed(Route("/", whoami), guard=inner_guard, default=AnyGoogleAccount())
    app = closed(Mount("/m", inner), guard=outer_guard, floor=STAFF)
    assert ask(app, "/m/", "staff").json["caller"] == "user:ada@example.com"


def test_a_second_pass_of_one_scope_tells_of_the_caller_of_the_second(guard: Guard) -> None:
    app = closed(Route("/open", guard.allow(Public())(whoami)), Route("/own", whoami), guard=guard)

    async def first_open_then_own(scope: Scope, receive: Receive, send: Send) -> None:
        async def lost(message: Any) -> None:
            pass

        await app({**scope, "path": "/open"}, receive, lost)
        scope["path"] = "/open"
        await app(scope, receive, lost)
        scope["path"] = "/own"
        await app(scope, receive, send)

    assert ask(first_open_then_own, "/", "staff").json["user"] == "ada@example.com"


def test_what_outer_middleware_keeps_in_the_state_is_kept_and_sees_the_caller(guard: Guard) -> None:
    seen: list[Any] = []

    async def outer(request: Request, call_next: Any) -> Response:
        request.state.before = "before"
        response: Response = await call_next(request)
        seen.append((str(request.state.caller), request.state.after))
        return response

    async def handler(request: Request) -> Response:
        request.state.after = "after"
        return PlainTextResponse(request.state.before)

    app = Starlette(routes=[Route("/", handler)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=outer)])
    guard.protect(app, default=STAFF)
    assert ask(app, "/", "staff", state={"pool": 1}).text == "before"
    assert seen == [("user:ada@example.com", "after")]


# --- the framework's conveniences ---


def test_url_for_works_from_any_depth(guard: Guard) -> None:
    async def links(request: Request) -> Response:
        names: Any = (("top", {}), ("sub:leaf", {"user": "alice"}), ("marked:inner", {}))
        return JSONResponse([request.url_for(name, **params).path for name, params in names])

    def routes() -> list[Any]:
        async def inner(request: Request) -> Response:
            return PlainTextResponse("")

        marked = Router(routes=[Route("/i", inner, name="inner")])
        return [
            Route("/t", links, name="top"),
            Mount("/{user}", routes=[Route("/l", links, name="leaf")], name="sub"),
            Mount("/k", guard.allow(OTHERS)(marked), name="marked"),
        ]

    app, bare = closed(*routes(), guard=guard), Starlette(routes=routes())
    for path in ("/t", "/alice/l"):
        expected = ["/t", "/alice/l", "/k/i"]
        assert ask(app, path, "staff").json == ask(bare, path).json == expected


def test_background_tasks_run_after_the_answer_and_not_after_a_refusal(ran: Diary, guard: Guard, backend: str) -> None:
    @guard.allow(OTHERS)
    async def task() -> None:
        ran.append("task")

    async def handler(request: Request) -> Response:
        return PlainTextResponse("", background=BackgroundTask(task))

    app = closed(Route("/", functools.wraps(task)(handler)), guard=guard)
    assert statuses(app, "/", None, "staff", backend=backend) == [401, 403]
    assert ran == []
    reply = ask(app, "/", "outsider", backend=backend)
    assert (reply.status, reply.error, ran) == (200, None, ["task"])


def test_exception_handlers_of_the_application_see_404_and_405(ran: Diary, guard: Guard) -> None:
    async def handler(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"own {getattr(error, 'status_code', 0)}")

    app = Starlette(routes=[ran.route("/x")], exception_handlers={404: handler, 405: handler})
    guard.protect(app, default=STAFF)
    assert ask(app, "/unknown", "staff").text == "own 404"
    assert ask(app, "/x", "staff", method="POST").text == "own 405"
    assert status(app, "/unknown") == 401


async def passing(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    response.headers["x-passed"] = "1"
    return response


# Starlette 0.40 itself leaves it to the garbage collector under trio.
@pytest.mark.filterwarnings("ignore:Async generator 'starlette.requests.Request.stream':ResourceWarning")
def test_base_http_middleware_works_outside_and_inside(ran: Diary, guard: Guard, backend: str) -> None:
    async def stream() -> AsyncIterator[str]:
        for letter in "abc":
            yield letter

    async def streaming(request: Request) -> Response:
        return StreamingResponse(stream())

    inner = Starlette(
        routes=[ran.route("/x", mark=guard.allow(OTHERS)), Route("/s", streaming)],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=passing)],
    )
    route = Route(
        "/r", guard.allow(OTHERS)(ran.endpoint("r")), middleware=[Middleware(BaseHTTPMiddleware, dispatch=passing)]
    )
    app = Starlette(routes=[Mount("/m", inner), route], middleware=[Middleware(BaseHTTPMiddleware, dispatch=passing)])
    guard.protect(app, default=STAFF)
    for path in ("/m/x", "/r"):
        for who, expected in ((None, 401), ("staff", 403), ("outsider", 200)):
            reply = ask(app, path, who, backend=backend)
            assert (reply.status, reply.headers["x-passed"]) == (expected, "1")
    assert ask(app, "/m/s", "staff", backend=backend).text == "abc"
    assert statuses(app, "/m/s", None, "outsider", backend=backend) == [401, 403]
    assert ran == ["/m/x".removeprefix("/m"), "r"]


# --- CORS ---

SHOP = "https://shop.example"
PREFLIGHT = {"origin": SHOP, "access-control-request-method": "GET", "access-control-request-headers": "authorization"}


@pytest.mark.parametrize("protect_first", [True, False])
def test_refusals_carry_cors_headers_and_preflights_pass_in_either_order(protect_first: bool, ran: Diary) -> None:
    guard, app = new_guard(), Starlette(routes=[ran.route("/x")])
    if protect_first:
        guard.protect(app, default=STAFF)
    app.add_middleware(CORSMiddleware, allow_origins=[SHOP], allow_headers=["authorization"])
    if not protect_first:
        guard.protect(app, default=STAFF)
    for who, expected in ((None, 401), ("outsider", 403), ("staff", 200)):
        reply = ask(app, "/x", who, headers={"origin": SHOP})
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (expected, SHOP)
    ran.clear()
    preflight = ask(app, "/x", method="OPTIONS", headers=PREFLIGHT)
    assert (preflight.status, preflight.headers["access-control-allow-origin"], ran) == (200, SHOP, [])
    assert status(app, "/x", method="OPTIONS") == 401


# --- second tries and copied scopes ---


class Twice:
    """Tries again, with the same scope, if the first try fails."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self.app(scope, receive, send)
        except ZeroDivisionError:
            await self.app(scope, receive, send)


class Copying(Twice):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(dict(scope), receive, send)


@pytest.mark.parametrize("middleware", [Twice, Copying])
@pytest.mark.parametrize("where", ["application", "mount", "sub-application", "router", "route"])
def test_second_tries_and_copied_scopes_are_judged_and_served(
    middleware: Any, where: str, ran: Diary, guard: Guard, backend: str
) -> None:
    fails = itertools.cycle([True, False] if middleware is Twice else [False])

    async def flaky(request: Request) -> Response:
        ran.append(request.path_params["user"])
        if next(fails):
            raise ZeroDivisionError
        return PlainTextResponse("done")

    leaf = Route("/{user}", guard.allow(OWNER)(flaky))
    own = [Middleware(middleware)]
    # No mount lies between the middleware and the leaf: Starlette itself cannot route one scope through it twice.
    app = {
        "application": Starlette(routes=[leaf], middleware=own),
        "mount": Starlette(routes=[Mount("", routes=[leaf], middleware=own)]),
        "sub-application": Starlette(routes=[Mount("", Starlette(routes=[leaf], middleware=own))]),
        "router": Starlette(routes=[Mount("", Router(routes=[leaf], middleware=own))]),
        "route": Starlette(routes=[Route("/{user}", guard.allow(OWNER)(flaky), middleware=own)]),
    }[where]
    guard.protect(app, default=STAFF)
    assert statuses(app, "/alice", None, "bob", backend=backend) == [401, 403]
    assert ran == []
    reply = ask(app, "/alice", "alice", backend=backend)
    assert (reply.text, reply.error) == ("done", None)


def test_handlers_may_ask_the_application_again_within_a_request(ran: Diary, guard: Guard) -> None:
    """As a batch endpoint does, with a copy of its own scope: every part is judged by itself."""
    app = closed(ran.route("/a", mark=guard.allow(STAFF)), ran.route("/b", mark=guard.allow(OTHERS)), guard=guard)

    async def batch(request: Request) -> Response:
        found = []
        for path in ("/a", "/b", "/unknown"):
            sent: list[Any] = []

            async def collect(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            await app({**request.scope, "path": path}, request.receive, collect)
            found.append(sent[0]["status"])
        return JSONResponse(found)

    app.routes.append(Route("/batch", batch))
    assert ask(app, "/batch", "staff").json == [200, 403, 404]
    assert status(app, "/batch", "outsider") == 403


def test_one_request_fanned_out_by_middleware_is_judged_for_each_branch(ran: Diary, guard: Guard, backend: str) -> None:
    class Fan:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            codes: dict[str, int] = {}

            async def branch(path: str) -> None:
                async def collect(message: Any) -> None:
                    codes.setdefault(path, message.get("status", 0))

                await self.app({**scope, "path": path}, receive, collect)

            async with anyio.create_task_group() as tasks:
                for path in ("/m/a", "/m/b", "/m/c", "/m/unknown"):
                    tasks.start_soon(branch, path)
            await JSONResponse(codes)(scope, receive, send)

    routes = [
        ran.route("/a", mark=guard.allow(STAFF)),
        ran.route("/b", mark=guard.allow(OTHERS)),
        ran.route("/c", mark=guard.allow(Public())),
    ]
    app = closed(Mount("/m", routes=routes, middleware=[Middleware(Fan)]), guard=guard)
    reply = ask(app, "/m/x", "outsider", backend=backend)
    assert reply.json == {"/m/a": 403, "/m/b": 200, "/m/c": 200, "/m/unknown": 403}
    assert sorted(ran) == ["/b", "/c"]


# --- cancelled requests ---


def test_a_request_cancelled_while_its_key_is_fetched_runs_nothing_and_harms_nobody(
    ran: Diary, served: LocalIssuer, backend: str
) -> None:
    app = closed(ran.route("/x"), guard=new_guard(served))
    replies: list[Reply] = []

    async def run() -> None:
        before = served.fetches["google"]
        async with anyio.create_task_group() as tasks:
            with served.hold():
                with anyio.CancelScope() as cancelled:
                    async with anyio.create_task_group() as doomed:
                        doomed.start_soon(asked, app, "/x", "staff")
                        await anyio.to_thread.run_sync(served.wait_for_fetches, "google", before + 1)
                        cancelled.cancel()
                assert ran == []

                async def again() -> None:
                    replies.append(await asked(app, "/x", "staff"))

                tasks.start_soon(again)
                await anyio.lowlevel.checkpoint()

    anyio.run(run, backend=backend)
    assert ([reply.status for reply in replies], ran) == ([200], ["/x"])


def test_a_stream_that_is_cancelled_ends_and_leaves_nothing_decided(guard: Guard, backend: str) -> None:
    ended: list[str] = []
    scopes: list[anyio.CancelScope] = []

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
                scopes[0].cancel()
                await anyio.lowlevel.checkpoint()
        finally:
            ended.append("ended")

    async def handler(request: Request) -> Response:
        return StreamingResponse(endless())

    app = closed(Route("/", guard.allow(STAFF)(handler)), guard=guard)

    async def run() -> None:
        from callerid._marks import DECIDED

        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await asked(app, "/", "staff")
        assert scope.cancelled_caught
        assert DECIDED.get() is None

    anyio.run(run, backend=backend)
    assert ended == ["ended"]


# --- many callers at once ---


@pytest.mark.slow
def test_thousands_of_interleaved_requests_of_different_callers_are_never_mixed_up(guard: Guard, backend: str) -> None:
    people = [f"person{number}" for number in range(12)]
    tokens = {uid: issuer.firebase_user(uid) for uid in people}

    async def handler(request: Request) -> Response:
        before = str(request.state.caller), request.path_params["user"]
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        after = str(request.state.caller), request.path_params["user"]
        assert before == after
        return JSONResponse(before)

    app = closed(Mount("/m", routes=[Route("/{user}", guard.allow(OWNER)(handler))]), guard=guard)
    wrong: list[Any] = []
    count = 0

    async def call(caller: str, named: str) -> None:
        nonlocal count
        reply = await asked(app, f"/m/{named}", headers={"authorization": f"Bearer {tokens[caller]}"})
        count += 1
        expected = (200, [f"firebase:shop-prod/{caller}", named]) if caller == named else (403, None)
        if (reply.status, reply.json if reply.status == 200 else None) != expected:
            wrong.append((caller, named, reply.status))

    async def run() -> None:
        for _ in range(7):
            async with anyio.create_task_group() as tasks:
                for caller, named in itertools.product(people, people):
                    tasks.start_soon(call, caller, named)

    anyio.run(run, backend=backend)
    assert (wrong, count) == ([], 1008)


def test_websockets_and_requests_of_different_callers_share_nothing(ran: Diary, guard: Guard, backend: str) -> None:
    app = closed(ran.socket_route("/ws", mark=guard.allow(OTHERS)), ran.route("/x"), guard=guard)
    replies: dict[str, Reply] = {}

    async def run() -> None:
        async def http(who: str | None) -> None:
            replies[f"http {who}"] = await asked(app, "/x", who)

        async def ws(who: str | None) -> None:
            replies[f"ws {who}"] = await dialled(app, "/ws", who)

        async with anyio.create_task_group() as tasks:
            for who in (None, "staff", "outsider"):
                tasks.start_soon(http, who)
                tasks.start_soon(ws, who)

    anyio.run(run, backend=backend)
    assert {name: reply.status for name, reply in replies.items()} == {
        "http None": 401,
        "http staff": 200,
        "http outsider": 403,
        "ws None": 401,
        "ws staff": 403,
        "ws outsider": 0,
    }
    assert sorted(ran) == ["/ws", "/x"]


# --- what is done once is not done for every request ---


def test_routes_are_read_once_and_rules_checked_once(ran: Diary, guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    app = closed(Mount("/m", routes=[ran.route("/x", mark=guard.allow(STAFF))]), guard=guard)
    assert status(app, "/m/x", "staff") == 200
    calls: list[str] = []
    original = Guard.check_possible

    def counted(*args: Any) -> None:
        calls.append("checked")
        original(*args)

    monkeypatch.setattr(Guard, "check_possible", counted)
    for _ in range(20):
        assert statuses(app, "/m/x", None, "staff") == [401, 200]
        assert statuses(app, "/m/unknown", None, "staff") == [401, 404]
    assert calls == []

"""Requests of every shape against a protected application: refusals change for nothing and nobody."""

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
import pytest
from fastapi import BackgroundTasks, FastAPI, File, Form, HTTPException, Request, UploadFile, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from callerid import Caller, Public, Refusal
from tests.fixtures import ROBOT, STAFF

from .world import Seen, ask, bearer, closed, dial, new_guard, scope_of, start, status, statuses

STRANGERS = (None, "outsider", "robot")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_callers_arrive_on_asyncio_and_trio(backend: str) -> None:
    app, guard = closed()

    @app.get("/async")
    async def in_a_task(caller: Annotated[Caller, guard.allow(STAFF)], request: Request) -> list[str]:
        return [str(caller), str(request.state.caller), request.user.display_name]

    @app.get("/sync")
    @guard.allow(STAFF)
    def in_a_thread(caller: Annotated[Caller, guard.allow(STAFF)], request: Request) -> list[str]:
        return [str(caller), str(request.state.caller), request.user.display_name]

    for path in ("/async", "/sync"):
        assert statuses(app, path, *STRANGERS, backend=backend) == [401, 403, 403]
        member, state, name = ask(app, path, "staff", backend=backend).json
        assert member == state == "user:ada@example.com"
        assert "ada@example.com" in name


def test_a_hundred_callers_at_once_are_each_themselves() -> None:
    app, guard = closed(Public())

    @app.get("/x")
    async def endpoint(caller: Annotated[Caller | None, guard.allow(Public() | STAFF)]) -> str:
        await anyio.lowlevel.checkpoint()
        return str(caller)

    answers: list[tuple[str | None, bytes]] = []

    async def one(who: str | None) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                answers.append((who, message["body"]))

        await app(scope_of("GET", "/x", bearer(who)), receive, send)

    async def run() -> None:
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(one, ("staff", None, "outsider")[number % 3])

    anyio.run(run)
    assert len(answers) == 100
    assert all(body == (b'"user:ada@example.com"' if who == "staff" else b'"None"') for who, body in answers)


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ncontent\r\n--b--\r\n'
)


def test_an_uploads_body_is_unread_on_a_refusal() -> None:
    app, guard = closed()
    seen = Seen()

    @app.post("/upload")
    async def upload(
        note: Annotated[str, Form()], file: Annotated[UploadFile, File()], caller: Annotated[Caller, guard.allow(STAFF)]
    ) -> str:
        seen.append(note)
        return (await file.read()).decode()

    headers = {"content-type": "multipart/form-data; boundary=b"}
    for who in STRANGERS:
        reply = ask(app, "/upload", who, method="POST", headers=headers, body=MULTIPART)
        assert (reply.status in (401, 403), reply.reads, seen) == (True, 0, [])
    reply = ask(app, "/upload", "staff", method="POST", headers=headers, body=MULTIPART)
    assert (reply.status, reply.json, seen) == (200, "content", ["hello"])


def test_streams_and_background_tasks_run_for_those_alone_who_may() -> None:
    app, guard = closed()
    seen = Seen()

    @app.get("/stream")
    def stream(tasks: BackgroundTasks, caller: Annotated[Caller, guard.allow(STAFF)]) -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            for part in ("a", "b", str(caller)):
                seen.append("chunk")
                yield part

        tasks.add_task(seen.append, "task")
        return StreamingResponse(chunks(), background=tasks)

    assert (statuses(app, "/stream", *STRANGERS), seen) == ([401, 403, 403], [])
    assert ask(app, "/stream", "staff").body == b"abuser:ada@example.com"
    assert seen == ["chunk"] * 3 + ["task"]


def test_the_lifespan_runs_untouched_and_checks_the_routes_first() -> None:
    seen = Seen()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, int]]:
        seen.append("up")
        yield {"number": 1}
        seen.append("down")

    guard = new_guard()
    app = FastAPI(lifespan=lifespan)
    guard.protect(app, default=STAFF)
    start(app)
    assert seen == ["up", "down"]
    app.add_api_route("/x", lambda: None, dependencies=[guard.allow(f"serviceAccount:{ROBOT}"), guard.allow(STAFF)])
    other = FastAPI(lifespan=lifespan)
    guard.protect(other, default=STAFF)
    other.add_api_route("/x", lambda: None, dependencies=[guard.allow(f"serviceAccount:{ROBOT}"), guard.allow(STAFF)])
    with pytest.raises(ValueError, match="exclude each other"):
        start(other)
    assert seen == ["up", "down"]


HANDLERS: dict[Any, Any] = {
    kind: lambda request, error: JSONResponse({"handled": True}, 200)
    for kind in (
        401,
        403,
        404,
        405,
        500,
        HTTPException,
        StarletteHTTPException,
        RequestValidationError,
        Refusal,
        Exception,
    )
}


@pytest.mark.parametrize("kind", HANDLERS, ids=str)
def test_exception_handlers_of_the_application_do_not_change_a_refusal(kind: Any) -> None:
    app, guard = closed()
    app.add_exception_handler(kind, HANDLERS[kind])
    app.add_api_route("/x", lambda: None, dependencies=[guard.allow(STAFF)])
    for path in ("/x", "/nowhere", "/docs"):
        for who, expected in ((None, 401), ("outsider", 403)):
            reply = ask(app, path, who)
            assert reply.status == expected
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.json["status"] == expected


def test_exception_handlers_do_not_serve_what_was_not_decided() -> None:
    app = FastAPI()
    seen = Seen()
    app.add_exception_handler(Exception, lambda request, error: PlainTextResponse("sorry", 500))
    app.add_api_route("/x", new_guard().allow(STAFF)(lambda: seen.append("ran")))
    assert (status(app, "/x", "staff"), seen) == (500, [])


@pytest.mark.parametrize("first", ["protect", "middleware"])
def test_cors_in_the_ordinary_set_up_stands_outside(first: str) -> None:
    app, guard = FastAPI(), new_guard()
    steps = {
        "protect": lambda: guard.protect(app, default=STAFF),
        "middleware": lambda: app.add_middleware(
            CORSMiddleware,
            allow_origins=["https://ui.example.com"],
            allow_headers=["authorization"],
            allow_methods=["PUT"],
        ),
    }
    for name in sorted(steps, key=lambda name: name != first):
        steps[name]()
    app.add_api_route("/x", lambda: "x", methods=["PUT"])
    origin = {"origin": "https://ui.example.com"}
    for who, expected in ((None, 401), ("outsider", 403), ("staff", 200)):
        reply = ask(app, "/x", who, method="PUT", headers=origin)
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (expected, "https://ui.example.com")
    preflight = ask(app, "/x", method="OPTIONS", headers={**origin, "access-control-request-method": "PUT"})
    assert preflight.status == 200
    assert status(app, "/x", method="OPTIONS") == 401


def test_on_refusal_re_dresses_and_never_lets_in() -> None:
    seen = Seen()

    def redirect(connection: Any, refusal: Refusal) -> Any:
        return RedirectResponse("/login", 303) if refusal.status == 401 else PlainTextResponse("welcome", 200)

    app, _guard = closed(on_refusal=redirect)
    app.add_api_route("/x", lambda: seen.append("ran"))
    reply = ask(app, "/x")
    assert (reply.status, reply.headers["location"], reply.headers["cache-control"]) == (303, "/login", "no-store")
    assert "www-authenticate" not in reply.headers
    assert ask(app, "/x", "outsider").body == b"welcome"
    assert seen == []


@pytest.mark.parametrize("answer", [None, "no response", ValueError("broken")])
def test_a_broken_on_refusal_leaves_the_usual_answer(answer: Any) -> None:
    async def hook(connection: Any, refusal: Refusal) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    app, _ = closed(on_refusal=hook)
    assert statuses(app, "/docs", None, "outsider") == [401, 403]


def test_on_refusal_must_be_callable() -> None:
    with pytest.raises(ValueError, match="on_refusal"):
        closed(on_refusal="/login")


def test_a_cancelled_request_leaves_nothing_behind() -> None:
    app, guard = closed()
    seen = Seen()

    @app.get("/x")
    async def endpoint(caller: Annotated[Caller, guard.allow(STAFF)]) -> None:
        seen.append(str(caller))
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("ended")

    async def run() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            seen.append("sent")

        async with anyio.create_task_group() as group:
            group.start_soon(functools.partial(app, scope_of("GET", "/x", bearer("staff")), receive, send))
            while not seen:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    anyio.run(run)
    assert seen == ["user:ada@example.com", "ended"]
    assert statuses(app, "/x", None, "outsider") == [401, 403]


def test_a_websocket_gives_its_caller_and_an_optional_one() -> None:
    app, guard = closed(Public())

    @app.websocket("/ws/{name}")
    async def endpoint(
        websocket: WebSocket, name: str, caller: Annotated[Caller | None, guard.allow(Public() | STAFF)]
    ) -> None:
        await websocket.accept()
        await websocket.send_text(f"{name} {caller}")
        await websocket.close()

    assert dial(app, "/ws/a", "staff")[1]["text"] == "a user:ada@example.com"
    assert dial(app, "/ws/a")[1]["text"] == "a None"
    start(app)


def test_an_unknown_websocket_path_gets_the_default() -> None:
    app, _ = closed()
    assert dial(app, "/nowhere")[0]["status"] == 401
    assert dial(app, "/nowhere", "staff")[0]["type"] == "websocket.close"


def test_odd_paths_and_headers_are_no_500() -> None:
    app, guard = closed()
    app.add_api_route("/x/{name}", lambda name: name, dependencies=[guard.allow(STAFF)])
    for path in (
        "",
        "//",
        "/x/",
        "/x//",
        "/x/a\x00",
        "/x/%2e%2e",
        "/x/\udcff".encode("utf-8", "replace").decode(),
        "*",
    ):
        assert status(app, path) == 401, path
    for value in ("Bearer", "Bearer  x", "bearer a b", "Bearer " + "x" * 10_000, "Bearer \t"):
        assert status(app, "/x/a", headers={"authorization": value}) in (400, 401), value


def test_the_routes_of_requests_have_their_urls() -> None:
    app, _guard = closed()

    @app.get("/x/{number}", name="x")
    def endpoint(number: int, request: Request) -> str:
        return str(request.url_for("x", number=number + 1).path)

    assert ask(app, "/x/1", "staff").json == "/x/2"

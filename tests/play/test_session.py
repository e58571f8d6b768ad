"""Applications of every kind are played with, and left as they were."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from flask import Flask
from starlette.responses import RedirectResponse, Response, StreamingResponse

import callerid.flask
from callerid import Domain, FirebaseUser, Guard, Nobody, Public, asgi, firebase, google, wsgi
from callerid.audit._suite import SuitePersona
from callerid.errors import ConfigurationError
from callerid.fastapi import Guard as FastGuard
from callerid.play._hearing import HeardCall, Stopped
from callerid.play._outcomes import PlayOutcome
from callerid.play._session import Playground
from tests.servers import no_thread_stays

from .made import CLIENT, page_of, shop, suite

LOG = logging.getLogger("callerid")
SAM = '[personas.sam]\nworkspace_person = "sam@example.com"\nmay_not = "everything else"\n'


def outcomes(app: Any, **options: Any) -> dict[tuple[str, str], PlayOutcome]:
    with Playground(app, "app", **{"suite": suite(SAM), **options}) as ground:
        rows = ground.cells(ground.with_samples({}), 60)
        return {(cell.who.name, cell.route.key): cell.outcome for row in rows for cell in row}


def told(found: dict[tuple[str, str], PlayOutcome]) -> dict[tuple[str, str], str]:
    return {place: f"{each.state} {each.status or ''} {each.word}" for place, each in found.items()}


def guarded() -> tuple[FastAPI, FastGuard]:
    app, guard = FastAPI(openapi_url=None), FastGuard(google("https://orders.example.com", CLIENT))
    guard.protect(app, default=Domain("example.com"))
    return app, guard


def test_guard_and_log_are_as_before() -> None:
    app, guard = guarded()
    app.get("/a")(lambda: None)
    before = dict(vars(guard))
    LOG.addHandler(handler := logging.NullHandler())
    try:
        with no_thread_stays():
            assert outcomes(app)["sam", "GET /a"].status == 200
        assert LOG.handlers == [handler]
    finally:
        LOG.removeHandler(handler)
    assert vars(guard) == before
    assert (LOG.level, LOG.propagate, LOG.disabled) == (logging.NOTSET, True, False)


def test_the_start_up_runs_first_and_may_add_routes_and_state() -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        app.get("/late")(late)
        yield {"pool": "ready"}
        seen.append("ended")

    async def late() -> str:
        return "late"

    app, guard = FastAPI(openapi_url=None, lifespan=lifespan), FastGuard(google("https://orders.example.com", CLIENT))
    guard.protect(app, default=Domain("example.com"))
    assert outcomes(app)["sam", "GET /late"].answer.text == '"late"'
    assert seen == ["ended"]
    assert outcomes(app, lifespan=False)
    assert seen == ["ended"]


def test_a_start_up_that_fails_is_said() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        raise OSError("no database")
        yield

    app, guard = FastAPI(openapi_url=None, lifespan=lifespan), FastGuard(google("https://orders.example.com", CLIENT))
    guard.protect(app, default=Domain("example.com"))
    with pytest.raises(ConfigurationError, match="no database"), Playground(app, "app"):
        raise AssertionError
    assert not LOG.handlers


def test_a_map_with_problems_is_not_played_with() -> None:
    app, guard = guarded()
    app.get("/a", dependencies=[guard.allow(FirebaseUser())])(lambda: None)
    with pytest.raises(ConfigurationError), Playground(app, "app"):
        raise AssertionError


@pytest.mark.slow
def test_handlers_that_take_too_long_never_end_or_redirect() -> None:
    app, _ = guarded()
    ended = threading.Event()

    async def slow() -> None:
        await asyncio.sleep(600)

    def blocking() -> None:
        ended.wait(60)

    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1000

        return StreamingResponse(parts(), media_type="text/plain")

    app.get("/slow")(slow)
    app.get("/blocking")(blocking)
    app.get("/endless")(endless)
    app.get("/elsewhere")(lambda: RedirectResponse("https://shop.example.com"))
    try:
        found = outcomes(app, patience=0.5)
    finally:
        ended.set()
    assert found["sam", "GET /slow"].state == found["sam", "GET /blocking"].state == "late"
    assert found["sam", "GET /endless"].answer.is_cut
    assert found["sam", "GET /elsewhere"].word == "redirect"
    assert found["sam", "GET /elsewhere"].answer.location == "https://shop.example.com"


def test_websockets_are_decided_and_opened_when_asked() -> None:
    app, _ = guarded()
    opened: list[str] = []

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        opened.append("live")
        await socket.close()

    with page_of(app, suite=suite(SAM)) as (ground, _):
        stranger, sam = ground.people
        route = ground.route("WS /live")
        assert route is not None
        assert ground.known_cell(sam, route, {}).outcome.state == "may"
        assert ground.known_cell(stranger, route, {}).outcome.status == 401
        assert opened == []
        assert ground.call(sam, route, {}).outcome.status == 101
        assert opened == ["live"]


def test_what_middleware_wraps_in_task_groups_is_decided_only_and_what_is_left_running_is_ended() -> None:
    app, _ = guarded()
    ended: list[str] = []
    left: list[asyncio.Task[None]] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("forever")

    async def leaves() -> None:
        left.append(asyncio.create_task(forever()))

    async def wrapping(request: Any, following: Any) -> Any:
        return await following(request)

    app.middleware("http")(wrapping)
    app.get("/leaves")(leaves)
    app.post("/a")(lambda: ended.append("ran"))
    found = told(outcomes(app))
    assert found["sam", "GET /leaves"] == "in 200 let in"
    assert found["sam", "POST /a"] == "may  may"
    assert ended == ["forever"]


def test_a_socket_may_talk_until_its_caller_has_gone() -> None:
    app, _ = guarded()
    heard: list[str] = []

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        heard.append((await socket.receive())["type"])
        await socket.close()

    with page_of(app, suite=suite(SAM)) as (ground, _):
        route = ground.route("WS /live")
        assert route is not None
        assert ground.call(ground.people[1], route, {}).outcome.status == 101
    assert heard == ["websocket.disconnect"]


def test_a_handler_that_waits_for_its_caller_to_go_is_told_so() -> None:
    heard: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await Response("fine")(scope, receive, send)
        heard.append((await receive())["type"])

    guard = Guard(google("https://orders.example.com", CLIENT))
    app = asgi.CallerMiddleware(inner, guard=guard, default=Nobody(), routes={"GET /a": Public()})
    assert told(outcomes(app))["stranger", "GET /a"] == "in 200 let in"
    assert set(heard) == {"http.disconnect"}


def test_a_mounted_application_is_called_below_its_path() -> None:
    app, _ = guarded()
    app.mount("/files", Response("a file"))
    (named,) = {place[1] for place in outcomes(app) if "/files" in place[1]}
    found = outcomes(app)["sam", named]
    assert (found.path, found.answer.text) == ("/files/no-such-path", "a file")


def test_flask_is_called_in_threads() -> None:
    app, guard = Flask("shop"), callerid.flask.Guard(google("https://orders.example.com", CLIENT))
    ran: list[str] = []
    ended = threading.Event()

    @app.get("/orders/<int:number>")
    def order(number: int) -> dict[str, int]:
        return {"number": number}

    @app.post("/orders")
    def place() -> str:
        from flask import request

        ran.append(str(request.get_json()))
        return "placed"

    @app.get("/slow")
    def slow() -> str:
        ended.wait(60)
        return "slow"

    @app.get("/broken")
    def broken() -> str:
        raise ValueError("no")

    guard.protect(app, default=Domain("example.com"))
    try:
        with Playground(app, "app", suite=suite(SAM), patience=0.5) as ground:
            rows = ground.cells(ground.samples, 60)
            found = {(cell.who.name, cell.route.key): cell.outcome for row in rows for cell in row}
            assert found["sam", "GET /orders/<int:number>"].answer.text.split() == ['{"number":1}']
            assert found["sam", "POST /orders"].state == "may"
            assert found["sam", "GET /slow"].state == "late"
            assert found["sam", "GET /broken"].state == "error"
            assert found["stranger", "GET /slow"].status == 401
            assert ran == []
            route = ground.route("POST /orders")
            assert route is not None
            called = ground.call(ground.people[1], route, {}, b'{"a": 1}', "application/json").outcome
            assert (called.status, called.answer.text, ran) == (200, "placed", ["{'a': 1}"])
    finally:
        ended.set()


def test_any_application_behind_a_path_table() -> None:
    ran: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        ran.append(scope["method"])
        await Response("fine")(scope, receive, send)

    table = {"GET /files/*": Public(), "POST /tasks": Domain("example.com")}
    guard = Guard(google("https://orders.example.com", CLIENT))
    found = told(outcomes(asgi.CallerMiddleware(inner, guard=guard, default=Nobody(), routes=table)))
    assert found["stranger", "GET /files/*"] == "in 200 let in"
    assert found["sam", "POST /tasks"].startswith("may")
    assert set(ran) == {"GET"}

    def plain(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * 100_000]

    found_wsgi = outcomes(wsgi.CallerMiddleware(plain, guard=guard, default=Nobody(), routes=table))
    assert found_wsgi["stranger", "GET /files/*"].answer.is_cut

    def raising(environ: Any, start_response: Any) -> list[bytes]:
        raise OSError("gone")

    found_wsgi = outcomes(wsgi.CallerMiddleware(raising, guard=guard, default=Nobody(), routes=table))
    assert told(found_wsgi)["stranger", "GET /files/*"] == "error 500 OSError"


def test_what_a_middleware_in_front_answers_was_not_decided() -> None:
    app, _ = guarded()
    app.get("/a")(lambda: None)

    class Front:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await Response("mine")(scope, receive, send)

    assert told(outcomes(Front(app), lifespan=False))["stranger", "GET /a"] == "undecided 200 not decided"


def test_rules_that_are_not_enforced_let_through_and_say_so() -> None:
    app, guard = FastAPI(openapi_url=None), FastGuard(google("https://orders.example.com", CLIENT))
    guard.protect(app, default=Domain("example.com"), enforce=False, until="2999-01-01")
    ran: list[str] = []
    app.get("/a")(lambda: None)
    app.post("/b")(lambda: ran.append("b"))
    with page_of(app, suite=suite(SAM)) as (ground, page):
        text = page.get("/").text
        assert "Not enforced everywhere until 2999-01-01" in text
        assert 'aria-label="200 in, unenforced: stranger, GET /a"' in text
        assert 'aria-label="may, unenforced: stranger, POST /b"' in text
        assert ran == []
        key = ground.people[0].key
        assert "Not enforced yet" in page.get(f"/cell?who={key}&route=GET%20/a").text


def test_look_ups_say_what_the_file_says() -> None:
    with page_of(shop(), suite=suite()) as (ground, _):
        route = ground.route("DELETE /reports")
        assert route is not None
        sam = next(each for each in ground.people if each.name == "sam")
        assert ground.known_cell(sam, route, {}).outcome.state == "may"
        ground.people.append(type(sam)("x", "x", "", SuitePersona("x", "workspace_person", "sam@example.com")))
        assert ground.known_cell(ground.people[-1], route, {}).outcome.status == 403


def test_a_credential_that_an_answer_repeats_is_not_shown() -> None:
    app, _ = guarded()

    async def echo(request: Any) -> Response:
        text = request.headers["authorization"]
        return Response(text, headers={"Location": text}, media_type="text/plain")

    app.router.add_route("/echo", echo)
    found = outcomes(app)["sam", "GET /echo"].answer
    assert found.text == found.location == "[the credential]"


def test_a_persona_of_whom_no_token_is_minted_says_why() -> None:
    text = '[personas.robot]\nservice_account = "robot@example.com"\nmay_not = "everything else"\n'
    app, _ = guarded()
    app.get("/a")(lambda: None)
    found = outcomes(app, suite=suite(text))["robot", "GET /a"]
    assert found.state == "unknown"
    assert "gserviceaccount.com" in found.word


def test_a_call_that_is_to_be_decided_only_ends_there() -> None:
    from callerid.authentication import NOBODY
    from callerid.play._hearing import HeardDecision

    allowed = HeardDecision("GET /a", None, NOBODY, None, "")
    with pytest.raises(Stopped):
        HeardCall().hear(allowed)
    two = HeardCall(layers=2)
    two.hear(allowed)
    with pytest.raises(Stopped):
        two.hear(allowed)
    HeardCall(runs_handler=True).hear(allowed)


def test_credentials_are_minted_anew_before_they_expire() -> None:
    now = time.time()
    app, guard = FastAPI(openapi_url=None), FastGuard(firebase("shop-prod"), clock=lambda: now)
    guard.protect(app, default=FirebaseUser())
    app.get("/a")(lambda: None)
    with page_of(app) as (ground, _):
        ada = next(each for each in ground.people if each.name == "ada")
        first = ground.headers_of(ada)
        assert ground.headers_of(ada) == first
        now += 300
        assert ground.headers_of(ada) != first

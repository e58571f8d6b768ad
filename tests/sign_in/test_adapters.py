"""``guard.sign_in_with_google(request)`` in FastAPI, Starlette and Flask, and what a refusal that is raised answers."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import flask
import pytest
from fastapi import FastAPI, Form
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from callerid import Domain, Nobody, Public, Refusal, Unavailable
from callerid.fastapi import Guard as FastAPIGuard
from callerid.flask import Guard as FlaskGuard
from callerid.starlette import Guard as StarletteGuard
from callerid.testing import LocalIssuer
from tests.fixtures import AT_HAND, CLIENT, issuer
from tests.flask.world import ask as ask_flask
from tests.starlette.world import ask, dial

CSRF = "f00dfeed"
TYPE = "application/x-www-form-urlencoded"
TOKEN = issuer.workspace_person("ada@example.com", claims={"nonce": "n-1"})


def starlette(**protect: Any) -> Any:
    guard = StarletteGuard(*AT_HAND)

    async def sign_in(request: Request) -> Response:
        caller = await guard.sign_in_with_google(request, rule=Domain("example.com"), nonce="n-1")
        return PlainTextResponse(f"{caller} {request.user.is_authenticated}")

    app = Starlette(routes=[Route("/sign-in", guard.allow(Public())(sign_in), methods=["GET", "POST", "PUT"])])
    guard.protect(app, default=Nobody(), **protect)
    return app


def fastapi(**protect: Any) -> Any:
    guard = FastAPIGuard(*AT_HAND)
    app = FastAPI()
    guard.protect(app, default=Nobody(), **protect)

    @app.api_route("/sign-in", methods=["GET", "POST", "PUT"])
    @guard.allow(Public())
    async def sign_in(request: Request) -> PlainTextResponse:
        caller = await guard.sign_in_with_google(request, rule=Domain("example.com"), nonce="n-1")
        return PlainTextResponse(f"{caller} {request.user.is_authenticated}")

    return app


def in_flask(**protect: Any) -> Any:
    guard = FlaskGuard(*AT_HAND)
    app = Flask(__name__)
    guard.protect(app, default=Nobody(), **protect)

    @app.route("/sign-in", methods=["GET", "POST", "PUT"])
    @guard.allow(Public())
    def sign_in() -> str:
        caller = guard.sign_in_with_google(flask.request, rule=Domain("example.com"), nonce="n-1")
        return f"{caller} {'REMOTE_USER' in flask.request.environ}"

    return app


Posted = tuple[int, dict[str, str], str]


def post(app: Any, fields: Any = None, *, method: str = "POST", headers: dict[str, str] | None = None) -> Posted:
    """Status, headers and body of what answers a form with these fields."""
    fields = {"credential": TOKEN, "g_csrf_token": CSRF} if fields is None else fields
    body = fields if isinstance(fields, bytes) else urlencode(fields, doseq=True).encode()
    usual = {"content-type": TYPE, "content-length": str(len(body)), "cookie": f"g_csrf_token={CSRF}"}
    sent = {name: value for name, value in {**usual, **(headers or {})}.items() if value}
    if isinstance(app, Flask):
        return run(app, io.BytesIO(body), method, sent)
    reply = ask(app, "/sign-in", method=method, body=body, headers=sent)
    return reply.status, reply.headers, reply.text


def run(app: Flask, body: Any, method: str, headers: dict[str, str]) -> Posted:
    """As a server would, which says of the body what the client said."""
    environ = EnvironBuilder(path="/sign-in", method=method, headers=Headers(list(headers.items()))).get_environ()
    environ["wsgi.input"] = body
    environ["CONTENT_TYPE"] = headers.get("content-type", "")
    environ["CONTENT_LENGTH"] = headers.get("content-length", "")
    parts, status, found = run_wsgi_app(app, environ, buffered=True)
    return int(status[:3]), {name.lower(): value for name, value in found.items()}, b"".join(parts).decode()


apps = pytest.mark.parametrize("make", [starlette, fastapi, in_flask])


@apps
def test_the_buttons_form_names_its_caller_and_is_no_credential_of_the_request(make: Callable[..., Any]) -> None:
    assert post(make())[::2] == (200, "user:ada@example.com False")


@apps
@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"headers": {"cookie": ""}}, 403, "wrong_csrf_token"),
        ({"headers": {"cookie": "g_csrf_token=other"}}, 403, "wrong_csrf_token"),
        ({"headers": {"cookie": f"g_csrf_token={CSRF}; g_csrf_token={CSRF}"}}, 400, "several_credentials"),
        ({"fields": {"credential": TOKEN}}, 403, "wrong_csrf_token"),
        ({"fields": {"credential": [TOKEN, TOKEN], "g_csrf_token": CSRF}}, 400, "several_credentials"),
        ({"fields": {"credential": TOKEN, "g_csrf_token": [CSRF, CSRF]}}, 400, "several_credentials"),
        ({"fields": {"g_csrf_token": CSRF}}, 401, "no_credential"),
        ({"fields": {"credential": issuer.workspace_person(), "g_csrf_token": CSRF}}, 401, "bad_claims"),
        ({"fields": {"credential": issuer.tampered(TOKEN), "g_csrf_token": CSRF}}, 401, "bad_signature"),
        (
            {"fields": {"credential": issuer.person(claims={"nonce": "n-1"}), "g_csrf_token": CSRF}},
            403,
            "not_allowed",
        ),
        ({"method": "GET"}, 400, "malformed_form"),
        ({"method": "PUT"}, 400, "malformed_form"),
        ({"headers": {"content-type": "text/plain"}}, 400, "malformed_form"),
        ({"headers": {"content-type": "application/json"}, "fields": b'{"credential": ""}'}, 400, "malformed_form"),
        ({"headers": {"content-length": "1" * 11}}, 400, "malformed_form"),
        ({"headers": {"transfer-encoding": "chunked"}}, 400, "malformed_form"),
        ({"fields": {"credential": TOKEN, "g_csrf_token": CSRF, "x": "y" * 20_000}}, 400, "malformed_form"),
    ],
)
def test_a_refused_sign_in_is_answered_as_the_librarys_refusals_are(
    make: Callable[..., Any],
    change: dict[str, Any],
    status: int,
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "callerid"):
        found, headers, body = post(make(), **change)
    document = flask.json.loads(body)
    assert (found, document["status"], document["reason"]) == (status, status, reason)
    assert headers["content-type"] == "application/problem+json"
    assert headers["cache-control"] == "no-store"
    assert ("www-authenticate" in headers) == (reason != "wrong_csrf_token")
    (record,) = (record for record in caplog.records if record.getMessage().startswith("refused"))
    assert f"refused (sign-in): {status} {reason}" in record.getMessage()
    assert f"[{document['instance']}]" in record.getMessage()


@pytest.mark.parametrize("make", [starlette, fastapi])
def test_a_form_that_is_refused_is_not_read(make: Callable[..., Any]) -> None:
    app = make()
    for change in ({"content-length": "1000000"}, {"transfer-encoding": "chunked"}):
        headers = {"content-type": TYPE, "content-length": "1", "cookie": f"g_csrf_token={CSRF}", **change}
        reply = ask(app, "/sign-in", method="POST", body=b"x", headers=headers)
        assert (reply.status, reply.reads) == (400, 0)


def test_flask_does_not_read_what_it_refuses() -> None:
    class Unread:
        def read(self, *_: Any) -> bytes:
            raise AssertionError

        readline = read

    for change in ({"content-length": "1000000"}, {"content-type": "text/plain"}):
        assert run(in_flask(), Unread(), "POST", {"content-length": "10", "content-type": TYPE, **change})[0] == 400


@apps
def test_without_a_length_a_form_is_refused(make: Callable[..., Any]) -> None:
    assert post(make(), headers={"content-length": "", "transfer-encoding": "chunked"})[0] == 400


@apps
def test_on_refusal_dresses_the_answer(make: Callable[..., Any]) -> None:
    def login(_: Any, refusal: Refusal) -> Any:
        return (
            (f"sign in again: {refusal.reason}", 403)
            if make is in_flask
            else PlainTextResponse(f"sign in again: {refusal.reason}", 403)
        )

    status, headers, body = post(make(on_refusal=login), headers={"cookie": ""})
    assert (status, body) == (403, "sign in again: wrong_csrf_token")
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_keys_are_fetched_while_a_sign_in_waits(backend: str) -> None:
    with LocalIssuer() as remote:
        guard = StarletteGuard(remote.google(CLIENT))

        async def sign_in(request: Request) -> Response:
            return PlainTextResponse(str(await guard.sign_in_with_google(request)))

        app = Starlette(routes=[Route("/sign-in", sign_in, methods=["POST"])])
        guard.protect(app, default=Public())
        body = urlencode({"credential": remote.workspace_person("ada@example.com"), "g_csrf_token": CSRF}).encode()
        headers = {"content-type": TYPE, "content-length": str(len(body)), "cookie": f"g_csrf_token={CSRF}"}
        reply = ask(app, "/sign-in", method="POST", body=body, headers=headers, backend=backend)
        assert (reply.status, reply.text) == (200, "user:ada@example.com")
        assert remote.fetches["google"] == 1


def test_a_form_that_fastapi_has_read_before_is_read_again() -> None:
    guard, app = FastAPIGuard(*AT_HAND), FastAPI()
    guard.protect(app, default=Nobody())

    @app.post("/sign-in")
    @guard.allow(Public())
    async def sign_in(request: Request, state: Annotated[str, Form()]) -> str:
        return f"{await guard.sign_in_with_google(request)} {state} {(await request.form())['state']}"

    fields = {"credential": TOKEN, "g_csrf_token": CSRF, "state": "s"}
    assert post(app, fields)[::2] == (200, '"user:ada@example.com s s"')
    assert post(app, {**fields, "g_csrf_token": [CSRF, CSRF]})[0] == 400


def test_the_form_may_be_read_afterwards() -> None:
    async def sign_in(request: Request) -> Response:
        caller = await guard.sign_in_with_google(request)
        return PlainTextResponse(f"{caller} {(await request.form())['state']}")

    guard = StarletteGuard(*AT_HAND)
    app = Starlette(routes=[Route("/sign-in", guard.allow(Public())(sign_in), methods=["POST"])])
    guard.protect(app, default=Nobody())
    fields = {"credential": TOKEN, "g_csrf_token": CSRF, "state": "s"}
    assert post(app, fields)[::2] == (200, "user:ada@example.com s")


# --- refusals that a handler raises ---


def test_a_refusal_that_a_handler_raises_is_answered_in_mounted_applications_too() -> None:
    guard = StarletteGuard(*AT_HAND)

    def verify(request: Request) -> Response:
        return PlainTextResponse(str(guard.verify(request.query_params["token"])))

    inner = Starlette(routes=[Route("/token", verify)])
    app = Starlette(routes=[Mount("/inner", inner), Route("/token", verify)])
    guard.protect(app, default=Public())
    for path in ("/token", "/inner/token"):
        assert ask(app, f"{path}?token={TOKEN}").text == "user:ada@example.com"
        reply = ask(app, f"{path}?token=x")
        assert (reply.status, reply.json["reason"]) == (401, "malformed_token")


def test_an_outage_that_a_handler_meets_is_a_503(caplog: pytest.LogCaptureFixture) -> None:
    source = LocalIssuer()
    with source as remote:
        google = remote.google(CLIENT)
    token = source.person()
    for guard, make in ((StarletteGuard(google), Starlette), (FlaskGuard(google), Flask)):
        answered: Any
        if make is Flask:
            app: Any = Flask(__name__)
            guard.protect(app, default=Public())
            app.add_url_rule("/", view_func=lambda guard=guard: str(guard.verify(token)))
            answered = ask_flask(app, "/")
            found = answered.status_code, answered.json["reason"], "Retry-After" in answered.headers
        else:
            app = Starlette(routes=[Route("/", lambda _, guard=guard: PlainTextResponse(str(guard.verify(token))))])
            guard.protect(app, default=Public())
            answered = ask(app, "/")
            found = answered.status, answered.json["reason"], "retry-after" in answered.headers
        assert found == (503, "keys_unavailable", True)
    assert "refused (token): 503 keys_unavailable" in caplog.text


def test_an_applications_own_handler_of_refusals_goes_before_ours() -> None:
    guard = StarletteGuard(*AT_HAND)
    app = Starlette(
        routes=[Route("/", lambda _: PlainTextResponse(str(guard.verify("x"))))],
        exception_handlers={Refusal: lambda _, error: PlainTextResponse(f"own {error.reason}", 418)},
    )
    guard.protect(app, default=Public())
    assert ask(app, "/").text == "own malformed_token"
    for early in (True, False):
        in_flasks, flasks = FlaskGuard(*AT_HAND), Flask(__name__)
        if not early:
            in_flasks.protect(flasks, default=Public())
        flasks.register_error_handler(Refusal, lambda error: (f"own {error.reason}", 418))
        if early:
            in_flasks.protect(flasks, default=Public())
        flasks.add_url_rule("/", view_func=lambda guard=in_flasks: str(guard.verify("x")))
        assert ask_flask(flasks, "/").text == "own malformed_token"


def test_a_socket_whose_handler_raises_a_refusal_fails_as_with_any_error() -> None:
    guard = StarletteGuard(*AT_HAND)

    async def talk(websocket: WebSocket) -> None:
        await websocket.accept()
        await guard.averify(await websocket.receive_text())

    app = Starlette(routes=[WebSocketRoute("/", talk)])
    guard.protect(app, default=Public())
    reply = dial(app, "/")
    assert isinstance(reply.error, Refusal)
    assert reply.types == ["websocket.accept"]


def test_a_refusal_in_the_midst_of_an_answer_ends_it() -> None:
    guard = StarletteGuard(*AT_HAND)

    async def stream(_: Request) -> Response:
        async def parts() -> Any:
            yield b"one"
            raise Unavailable("of something else")

        return StreamingResponse(parts())

    app = Starlette(routes=[Route("/", stream)])
    guard.protect(app, default=Public())
    reply = ask(app, "/")
    assert reply.body.startswith(b"one")
    assert reply.error is not None

"""One shop in three frameworks, signed in to by a session cookie.

``EVENTS`` names the file that gets a line of JSON for every request as it came, before the guard, and for every
decision of the guard.
"""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from fastapi import FastAPI, WebSocket
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

import callerid.fastapi
import callerid.flask
import callerid.starlette
from callerid import FirebaseUser, Public, firebase, firebase_session, google

__all__ = ["in_fastapi", "in_flask", "in_starlette"]

PROJECT, CLIENT = "shop-prod", "1234-abc.apps.googleusercontent.com"
PAGE = "<!doctype html><title>shop</title><link rel=icon href=data:,><p>The shop."
RULE = FirebaseUser("ada")
TOLD = ("outcome", "reason", "caller", "detail")
WATCHED = ("cookie", "sec-fetch-site", "origin")


def _guard(kind: Any) -> Any:
    return kind(
        google(CLIENT, keys=os.environ["GOOGLE_KEYS"]),
        firebase(PROJECT, keys=os.environ["FIREBASE_KEYS"]),
        firebase_session(PROJECT, keys=os.environ["SESSION_KEYS"]),
        trusted_origins=tuple(os.environ["TRUSTED"].split()),
    )


def _note(**fields: Any) -> None:
    with open(os.environ["EVENTS"], "a", encoding="utf-8") as file:  # noqa: PTH123 - appended in one write
        file.write(json.dumps(fields) + "\n")


def _ran(method: str, path: str, caller: object = "anybody") -> None:
    _note(kind="ran", method=method, path=path, caller=str(caller))


class _Decisions(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if "callerid" in record.__dict__:
            said = record.__dict__["callerid"]
            path = said["route"].rpartition(" ")[2].replace("(sign-in)", "/sign-in")
            _note(kind="decision", path=path, **{name: said[name] for name in TOLD})


logging.getLogger("callerid").addHandler(_Decisions())
logging.getLogger("callerid").setLevel(logging.DEBUG)


class _WatchedASGI:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            sent = {name.decode(): value.decode() for name, value in scope["headers"]}
            _note(
                kind="request",
                method=scope.get("method", "WEBSOCKET"),
                path=scope["path"],
                version=scope["http_version"],
                **{name: sent.get(name) for name in WATCHED},
            )
        await self.app(scope, receive, send)


class _WatchedWSGI:
    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Any, start_response: Any) -> Any:
        sent = {name: environ.get("HTTP_" + name.upper().replace("-", "_")) for name in WATCHED}
        _note(kind="request", method=environ["REQUEST_METHOD"], path=environ["PATH_INFO"], **sent)
        return self.app(environ, start_response)


async def _page(request: Request) -> Response:
    return HTMLResponse(PAGE)


async def _orders(request: Request) -> Response:
    _ran(request.method, request.url.path, request.state.caller)
    return PlainTextResponse(f"{request.method} of {request.state.caller}")


async def _open(request: Request) -> Response:
    _ran(request.method, request.url.path)
    return PlainTextResponse("open")


async def _away(request: Request) -> Response:
    return RedirectResponse(request.query_params["to"], 307)


async def _live(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"live for {websocket.state.caller}")
    await websocket.close()


ANY = ["GET", "POST", "PUT", "DELETE"]


def _signing_in(guard: Any) -> Any:
    async def sign_in(request: Request) -> Response:
        _ran(request.method, request.url.path, await guard.sign_in_with_google(request))
        return HTMLResponse(PAGE)

    return sign_in


def in_fastapi() -> Any:
    guard, app = _guard(callerid.fastapi.Guard), FastAPI()
    guard.protect(app, default=RULE)
    app.get("/")(guard.allow(Public())(_page))
    app.api_route("/orders", methods=ANY)(guard.allow(RULE)(_orders))
    app.api_route("/open", methods=ANY)(guard.allow(Public())(_open))
    app.api_route("/away", methods=ANY)(guard.allow(Public())(_away))
    app.post("/sign-in")(guard.allow(Public())(_signing_in(guard)))
    app.websocket("/live")(guard.allow(RULE)(_live))
    return _WatchedASGI(app)


def in_starlette() -> Any:
    guard = _guard(callerid.starlette.Guard)
    routes = [
        Route("/", guard.allow(Public())(_page)),
        Route("/orders", guard.allow(RULE)(_orders), methods=ANY),
        Route("/open", guard.allow(Public())(_open), methods=ANY),
        Route("/away", guard.allow(Public())(_away), methods=ANY),
        Route("/sign-in", guard.allow(Public())(_signing_in(guard)), methods=["POST"]),
        WebSocketRoute("/live", guard.allow(RULE)(_live)),
    ]
    app = Starlette(routes=routes)
    guard.protect(app, default=RULE)
    return _WatchedASGI(app)


def in_flask() -> Any:
    import flask

    from callerid.flask import caller

    guard, app = _guard(callerid.flask.Guard), Flask(__name__)
    guard.protect(app, default=RULE)

    def orders() -> str:
        _ran(flask.request.method, flask.request.path, caller)
        return f"{flask.request.method} of {caller}"

    def sign_in() -> str:
        _ran(flask.request.method, flask.request.path, guard.sign_in_with_google(flask.request))
        return PAGE

    def unguarded() -> str:
        _ran(flask.request.method, flask.request.path)
        return "open"

    app.route("/")(guard.allow(Public())(lambda: PAGE))
    app.route("/orders", methods=ANY)(guard.allow(RULE)(orders))
    app.route("/sign-in", methods=["POST"])(guard.allow(Public())(sign_in))
    app.route("/open", methods=ANY)(guard.allow(Public())(unguarded))
    app.route("/away", methods=ANY, endpoint="away")(
        guard.allow(Public())(lambda: flask.redirect(flask.request.args["to"], 307))
    )
    return _WatchedWSGI(app)

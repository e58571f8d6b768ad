"""One guarded route and one public one, in every adapter, asked as whoever is signed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from werkzeug.test import Client

import callerid.asgi
import callerid.fastapi
import callerid.flask
import callerid.starlette
import callerid.wsgi
from callerid import Guard, Nobody, Public, Rule
from tests.fixtures import AT_HAND, token

ADAPTERS = ("fastapi", "starlette", "flask", "asgi", "wsgi")

Ask = Callable[..., tuple[int, Mapping[str, Any], Mapping[str, str]]]
"""Takes who is asking and a path; returns status, JSON body (empty for other bodies) and headers."""


def asking(adapter: str, rule: Rule, **options: Any) -> tuple[Any, Ask]:
    """The guard, and what asks the application behind it. ``options`` are the guard's."""
    guard, client = _MADE[adapter](rule, options)

    def ask(who: str | None, path: str = "/team/red") -> tuple[int, Mapping[str, Any], Mapping[str, str]]:
        headers = {} if who is None else {"Authorization": f"Bearer {token(who)}"}
        answer = client.get(path, headers=headers)
        body: Any = answer.get_json(silent=True) if isinstance(client, Client) else _json(answer)
        return answer.status_code, body if isinstance(body, dict) else {}, answer.headers

    return guard, ask


def _json(answer: Any) -> Any:
    return answer.json() if "json" in answer.headers.get("content-type", "") else None


def _fastapi(rule: Rule, options: Any) -> tuple[Any, Any]:
    guard, app = callerid.fastapi.Guard(*AT_HAND, **options), FastAPI()
    guard.protect(app, default=Nobody())
    app.get("/team/{team}")(guard.allow(rule)(lambda team: "served"))
    app.get("/open")(guard.allow(Public())(lambda: "served"))
    return guard, TestClient(app)


async def _served(_: Request) -> PlainTextResponse:
    return PlainTextResponse("served")


def _starlette(rule: Rule, options: Any) -> tuple[Any, Any]:
    guard = callerid.starlette.Guard(*AT_HAND, **options)
    routes = [Route("/team/{team}", guard.allow(rule)(_served)), Route("/open", guard.allow(Public())(_served))]
    app = Starlette(routes=routes)
    guard.protect(app, default=Nobody())
    return guard, TestClient(app)


def _flask(rule: Rule, options: Any) -> tuple[Any, Any]:
    guard, app = callerid.flask.Guard(*AT_HAND, **options), Flask(__name__)
    guard.protect(app, default=Nobody())
    app.add_url_rule("/team/<team>", "team", guard.allow(rule)(lambda team: "served"))
    app.add_url_rule("/open", "open", guard.allow(Public())(lambda: "served"))
    return guard, app.test_client()


def _asgi(rule: Rule, options: Any) -> tuple[Any, Any]:
    guard = Guard(*AT_HAND, **options)
    routes = {"/team/{team}": rule, "/open": Public()}
    app = callerid.asgi.CallerMiddleware(PlainTextResponse("served"), guard=guard, default=Nobody(), routes=routes)
    return guard, TestClient(app)


def _wsgi(rule: Rule, options: Any) -> tuple[Any, Any]:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"served"]

    guard = Guard(*AT_HAND, **options)
    routes = {"/team/{team}": rule, "/open": Public()}
    return guard, Client(callerid.wsgi.CallerMiddleware(app, guard=guard, default=Nobody(), routes=routes))


_MADE: Mapping[str, Callable[[Rule, Any], tuple[Any, Any]]] = {
    "fastapi": _fastapi,
    "starlette": _starlette,
    "flask": _flask,
    "asgi": _asgi,
    "wsgi": _wsgi,
}

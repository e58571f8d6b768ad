"""One guarded route and one public one, in every adapter, asked as whoever is signed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpResponse
from django.urls import path as django_path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from werkzeug.test import Client

import callerid.asgi
import callerid.django
import callerid.fastapi
import callerid.flask
import callerid.starlette
import callerid.wsgi
from callerid import Guard, Nobody, Public, Rule
from tests.djangos import Project, wsgi_of
from tests.fixtures import AT_HAND, token

ADAPTERS = ("fastapi", "starlette", "flask", "asgi", "wsgi")
WITH_DJANGO = (*ADAPTERS, "django", "django-asgi")
ON_EVENT_LOOPS = ("fastapi", "starlette", "asgi", "django-asgi")

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


def on_one_loop(adapter: str, rule: Rule, **options: Any) -> Callable[[str | None, str], Awaitable[int]]:
    """What asks the application from tasks of one event loop, for the status."""
    app = _MADE[adapter](rule, options)[1].app

    async def ask(who: str | None, path: str) -> int:
        headers = [(b"host", b"testserver")]
        headers += [] if who is None else [(b"authorization", f"Bearer {token(who)}".encode())]
        whole: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "headers": headers,
        }
        whole |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "asgi": {"version": "3.0"}}
        messages: list[Any] = [{"type": "http.request", "body": b""}]
        sent: list[Any] = []

        async def receive() -> Any:
            return messages.pop() if messages else await anyio.sleep_forever()

        async def send(message: Any) -> None:
            sent.append(message)

        await app(whole, receive, send)
        return int(sent[0]["status"])

    return ask


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


def _project(rule: Rule, options: Any) -> Project:
    guard = callerid.django.Guard(*AT_HAND, **options)
    guard.protect(default=Nobody())
    team = guard.allow(rule)(lambda request, team: HttpResponse("served"))
    public = guard.allow(Public())(lambda request: HttpResponse("served"))
    return Project([django_path("team/<str:team>", team), django_path("open", public)], guard)


def _django(rule: Rule, options: Any) -> tuple[Any, Any]:
    project = _project(rule, options)
    return project.module.guard, Client(wsgi_of(project))


def _django_by_asgi(rule: Rule, options: Any) -> tuple[Any, Any]:
    project = _project(rule, options)
    with project.settings():
        handler: Any = ASGIHandler()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with project.settings():
            await handler(scope, receive, send)

    return project.module.guard, TestClient(app)


_MADE: Mapping[str, Callable[[Rule, Any], tuple[Any, Any]]] = {
    "fastapi": _fastapi,
    "starlette": _starlette,
    "flask": _flask,
    "asgi": _asgi,
    "wsgi": _wsgi,
    "django": _django,
    "django-asgi": _django_by_asgi,
}

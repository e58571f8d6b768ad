"""Starlette applications of a line each, to be changed, and what the change lets in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import WebSocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router, WebSocketRoute

import callerid.flask
import callerid.starlette
from callerid import (
    Rule,
    User,
    firebase,
    google,
)
from callerid.access import access_map, locked, newcomers
from tests.access.made import STAFF

GRACE = User("grace@example.com") & STAFF
URL = "https://orders.example.com"


def found(old: Any, new: Any) -> list[str]:
    return list(map(str, newcomers(locked(access_map(old)), access_map(new))))


def answer(_: Any) -> PlainTextResponse:
    raise AssertionError


async def socket(_: WebSocket) -> None:
    raise AssertionError


def starlette(*routes: Callable[[callerid.starlette.Guard], Any], default: Rule = STAFF, **options: Any) -> Starlette:
    guard = callerid.starlette.Guard(google(URL), firebase("shop-prod"))
    app = Starlette(routes=[each(guard) for each in routes])
    guard.protect(app, default=default, **options)
    return app


def route(path: str, rule: Rule | None, *methods: str, endpoint: Any = answer) -> Callable[[Any], Any]:
    def made(guard: Any) -> Any:
        def own(request: Any) -> Any:
            return endpoint(request)

        return Route(path, own if rule is None else guard.allow(rule)(own), methods=[*methods] or ["GET"])

    return made


def live(path: str, rule: Rule) -> Callable[[Any], Any]:
    async def own(websocket: WebSocket) -> None:
        await socket(websocket)

    return lambda guard: WebSocketRoute(path, guard.allow(rule)(own))


def mount(path: str, *routes: Callable[[Any], Any], rule: Rule | None = None) -> Callable[[Any], Any]:
    def made(guard: Any) -> Any:
        inner = Router(routes=[each(guard) for each in routes])
        return Mount(path, inner if rule is None else guard.allow(rule)(inner))

    return made


def host(name: str, *routes: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda guard: Host(name, Router(routes=[each(guard) for each in routes]))

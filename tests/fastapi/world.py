"""A guard, callers of every kind, and an ASGI driver that shows what ran and what was read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
import fastapi.routing
from fastapi import FastAPI

from callerid import Rule
from callerid.fastapi import Guard
from tests.fixtures import AT_HAND, STAFF, token

KEEPS_INCLUDES = hasattr(fastapi.routing, "_IncludedRouter")
"""FastAPI 0.137 and newer: an included router stays one; before, its routes were copied, plain ones without rules."""

HAS_FRONTENDS = hasattr(fastapi.APIRouter, "frontend")
"""FastAPI 0.139 and newer."""


def new_guard(**options: Any) -> Guard:
    return Guard(*AT_HAND, **options)


def closed(default: Rule = STAFF, *, app: FastAPI | None = None, **options: Any) -> tuple[FastAPI, Guard]:
    """A protected application and its guard."""
    guard = new_guard()
    app = FastAPI() if app is None else app
    guard.protect(app, default=default, **options)
    return app, guard


@dataclass
class Reply:
    """What came back: and how often the body was asked for."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reads: int = 0
    error: BaseException | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def bearer(who: str | None) -> dict[str, str]:
    return {} if who is None else {"authorization": f"Bearer {token(who)}"}


def scope_of(method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("orders.example.com", 80),
        "state": {},
    }


def ask(
    app: Any,
    path: str,
    who: str | None = None,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    backend: str = "asyncio",
) -> Reply:
    """One HTTP request, without a lifespan."""
    reply = Reply()

    async def receive() -> dict[str, Any]:
        reply.reads += 1
        if reply.reads > 1:
            await anyio.sleep_forever()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            reply.status = message["status"]
            reply.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            reply.body += message.get("body", b"")

    async def run() -> None:
        try:
            with anyio.fail_after(40):
                kind = {"content-type": "application/json"} if body else {}
                await app(scope_of(method, path, {**kind, **bearer(who), **(headers or {})}), receive, send)
        except Exception as error:  # noqa: BLE001 - servers turn them into 500, and tests look at them
            reply.error = error

    anyio.run(run, backend=backend)
    return reply


def status(app: Any, path: str, who: str | None = None, **options: Any) -> int:
    return ask(app, path, who, **options).status


def statuses(app: Any, path: str, *callers: str | None, **options: Any) -> list[int]:
    return [status(app, path, who, **options) for who in callers]


def dial(app: Any, path: str, who: str | None = None, *, denial: bool = True, says: str = "") -> list[dict[str, Any]]:
    """One WebSocket handshake and one message; what the application sent."""
    sent: list[dict[str, Any]] = []
    inbox: list[dict[str, Any]] = [
        {"type": "websocket.connect"},
        {"type": "websocket.receive", "text": says},
        {"type": "websocket.disconnect", "code": 1000},
    ]

    async def receive() -> dict[str, Any]:
        return inbox.pop(0)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def run() -> None:
        scope = scope_of("GET", path, bearer(who)) | {"type": "websocket", "scheme": "ws", "subprotocols": []}
        del scope["method"]
        if denial:
            scope["extensions"] = {"websocket.http.response": {}}
        with anyio.fail_after(40):
            await app(scope, receive, send)

    anyio.run(run)
    return sent


def start(app: Any) -> None:
    """The application's lifespan, begun and ended; raises what made it fail."""
    inbox = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return inbox.pop(0)

    async def send(message: Any) -> None:
        pass

    async def run() -> None:
        with anyio.fail_after(40):
            await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)

    anyio.run(run)


class Seen(list[str]):
    """What ran, in order."""

    def dependency(self, name: str) -> Any:
        async def dependency() -> str:
            self.append(name)
            return name

        return dependency

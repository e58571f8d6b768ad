"""A guard, callers of every kind, endpoints that write down that they ran, and a driver that shows what was read."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from callerid import Rule
from callerid.starlette import Guard
from callerid.testing import LocalIssuer
from tests.fixtures import AT_HAND, STAFF, issuers_of, token


def new_guard(remote: LocalIssuer | None = None, **options: Any) -> Guard:
    """Its keys are at hand, or those of a serving issuer, which have to be fetched."""
    return Guard(*(AT_HAND if remote is None else issuers_of(remote)), **options)


def closed(*routes: BaseRoute, default: Rule | str = STAFF, guard: Guard | None = None, **options: Any) -> Starlette:
    """A protected application."""
    app = Starlette(routes=list(routes))
    (guard or new_guard()).protect(app, default=default, **options)
    return app


class Diary(list[str]):
    """What ran."""

    def endpoint(self, name: str = "handler") -> Callable[[Request], Any]:
        async def handler(request: Request) -> PlainTextResponse:
            self.append(name)
            return PlainTextResponse(name)

        handler.__name__ = name
        return handler

    def socket(self, name: str = "socket") -> Callable[[WebSocket], Any]:
        async def handler(websocket: WebSocket) -> None:
            self.append(name)
            await websocket.accept()
            await websocket.send_text(name)
            await websocket.close()

        handler.__name__ = name
        return handler

    def asgi(self, name: str = "asgi") -> Any:
        """An application that is neither function nor router: opaque."""
        return Opaque(self, name)

    def route(self, path: str, name: str | None = None, mark: Any = None, **options: Any) -> Route:
        endpoint = self.endpoint(name or path)
        return Route(path, endpoint if mark is None else mark(endpoint), **options)

    def socket_route(self, path: str, name: str | None = None, mark: Any = None) -> WebSocketRoute:
        endpoint = self.socket(name or path)
        return WebSocketRoute(path, endpoint if mark is None else mark(endpoint))


class Opaque:
    def __init__(self, diary: Diary, name: str) -> None:
        self.diary, self.name = diary, name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.diary.append(self.name)
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
        else:
            await PlainTextResponse(self.name)(scope, receive, send)


@dataclass
class Reply:
    """What came back, and how often the body was asked for."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    reads: int = 0
    error: Exception | None = None
    scope: dict[str, Any] = field(default_factory=dict)

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    @property
    def status(self) -> int:
        starts = [m["status"] for m in self.messages if m["type"].endswith("http.response.start")]
        return int(starts[0]) if starts else 0

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        return next(m["headers"] for m in self.messages if m["type"].endswith("http.response.start"))

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.raw_headers}

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Headers = dict[str, str] | Iterable[tuple[bytes, bytes]]


def raw(who: str | None, headers: Headers = ()) -> list[tuple[bytes, bytes]]:
    given = [(n.encode(), v.encode()) for n, v in headers.items()] if isinstance(headers, dict) else list(headers)
    own = [] if who is None else [(b"authorization", f"Bearer {token(who)}".encode())]
    return [*own, *given]


def scope_of(method: str, path: str, headers: list[tuple[bytes, bytes]], **more: Any) -> dict[str, Any]:
    path, _, query = path.partition("?")
    if not any(name.lower() == b"host" for name, _ in headers):
        headers = [(b"host", b"orders.example.com"), *headers]
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
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("orders.example.com", 80),
        **more,
    }


async def asked(
    app: Any,
    path: str,
    who: str | None = None,
    *,
    method: str = "GET",
    headers: Headers = (),
    body: bytes = b"",
    **more: Any,
) -> Reply:
    """One HTTP request, without a lifespan."""
    reply = Reply()
    reply.scope = scope_of(method, path, raw(who, headers), **more)
    gone = anyio.Event()

    async def receive() -> dict[str, Any]:
        reply.reads += 1
        if reply.reads > 1:
            await gone.wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        reply.messages.append(dict(message))
        if message["type"] == "http.response.body" and not message.get("more_body"):
            gone.set()

    try:
        with anyio.fail_after(40):
            await app(reply.scope, receive, send)
    except Exception as error:  # noqa: BLE001 - servers answer 500 and log it; tests look at it
        reply.error = error
    return reply


async def dialled(app: Any, path: str, who: str | None = None, *, denial: bool = True, **more: Any) -> Reply:
    """One WebSocket handshake, one message and a goodbye."""
    reply = Reply()
    extensions: dict[str, Any] = {"websocket.http.response": {}} if denial else {}
    scope = scope_of("GET", path, raw(who), type="websocket", scheme="ws", subprotocols=[], extensions=extensions)
    del scope["method"]
    reply.scope = scope | more
    inbox: list[dict[str, Any]] = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    answered = anyio.Event()

    async def receive() -> dict[str, Any]:
        reply.reads += 1
        if reply.reads > 1:
            await answered.wait()
        return inbox.pop(0) if inbox else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        reply.messages.append(dict(message))
        answered.set()

    try:
        with anyio.fail_after(40):
            await app(reply.scope, receive, send)
    except Exception as error:  # noqa: BLE001 - as above
        reply.error = error
    return reply


def ask(app: Any, path: str, who: str | None = None, *, backend: str = "asyncio", **options: Any) -> Reply:
    return anyio.run(functools.partial(asked, app, path, who, **options), backend=backend)


def dial(app: Any, path: str, who: str | None = None, *, backend: str = "asyncio", **options: Any) -> Reply:
    return anyio.run(functools.partial(dialled, app, path, who, **options), backend=backend)


def status(app: Any, path: str, who: str | None = None, **options: Any) -> int:
    return ask(app, path, who, **options).status


def statuses(app: Any, path: str, *callers: str | None, **options: Any) -> list[int]:
    return [status(app, path, who, **options) for who in callers]


def during_fetch(
    source: LocalIssuer,
    call: Callable[[], Any],
    change: Callable[[], Any],
    *,
    backend: str,
    which: str = "google",
) -> Reply:
    """The reply to a request for which ``change`` happens while its key is being fetched."""
    replies: list[Reply] = []

    async def request() -> None:
        replies.append(await call())

    async def run() -> None:
        before = source.fetches[which]
        async with anyio.create_task_group() as tasks:
            with source.hold():
                tasks.start_soon(request)
                await anyio.to_thread.run_sync(source.wait_for_fetches, which, before + 1)
                change()

    anyio.run(run, backend=backend)
    return replies[0]

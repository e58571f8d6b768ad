"""A plain WSGI application that writes down what reached it, and a driver without a server."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any
from wsgiref.validate import validator

from callerid import Guard
from callerid.wsgi import CallerMiddleware
from tests.fixtures import AT_HAND, STAFF, token

__all__ = ["GUARD", "Plain", "Reply", "ask", "guarded", "status", "statuses"]

GUARD = Guard(*AT_HAND)


class Plain:
    """Answers everything with 200 and the body."""

    def __init__(self) -> None:
        self.environs: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.environs.append(dict(environ))
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body]

    @property
    def ran(self) -> int:
        return len(self.environs)


def guarded(app: Any, **options: Any) -> CallerMiddleware:
    return CallerMiddleware(app, **{"guard": GUARD, "default": STAFF, **options})


@dataclass
class Reply:
    """What came back, and whether the body was read."""

    line: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    read: bool = False

    @property
    def status(self) -> int:
        return int(self.line.partition(" ")[0])

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Input(io.BytesIO):
    touched = False

    def read(self, size: int | None = -1, /) -> bytes:
        self.touched = True
        return super().read(size)


def ask(app: Any, path: str, who: str | None = None, *, method: str = "GET", body: bytes = b"", **more: Any) -> Reply:
    reply = Reply()
    sent = Input(body)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path.encode().decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": "orders.example.com",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "orders.example.com",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": sent,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    if who is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token(who)}"
    environ.update(more)

    def start_response(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        reply.line, reply.headers = line, headers

    reply.body = b"".join(app(environ, start_response))
    reply.read = sent.touched
    return reply


def conforming(app: Any, path: str, who: str | None = None, method: str = "GET") -> Reply:
    """The same under wsgiref's validator: raises where PEP 3333 is not kept."""
    reply = Reply()
    environ: dict[str, Any] = {}

    def capture(given: dict[str, Any], start_response: Any) -> list[bytes]:
        environ.update(given)
        start_response("200 OK", [])
        return []

    ask(capture, path, who, method=method)
    if not path:
        environ["SCRIPT_NAME"] = "/mounted"

    def start_response(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        reply.line, reply.headers = line, headers
        return lambda data: None

    answered = validator(app)(environ, start_response)
    try:
        reply.body = b"".join(answered)
    finally:
        answered.close()  # type: ignore[attr-defined]
    return reply


def status(app: Any, path: str, who: str | None = None, **options: Any) -> int:
    return ask(app, path, who, **options).status


def statuses(app: Any, path: str, *callers: str | None, **options: Any) -> list[int]:
    return [status(app, path, who, **options) for who in callers]

"""One call of an application, without a server."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio

from callerid.audit._suite import Case

__all__ = ["asgi_scope", "call_asgi", "call_wsgi", "wsgi_environ"]


def asgi_scope(case: Case, headers: Mapping[str, str], host: str) -> dict[str, Any]:
    """The scope of a case's request, or of its WebSocket's opening handshake, as a server named ``host`` makes it."""
    is_socket = case.method == "WS"
    scope: dict[str, Any] = {
        "type": "websocket" if is_socket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "wss" if is_socket else "https",
        "path": case.path,
        "raw_path": case.path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", host.encode()), *((k.lower().encode(), v.encode()) for k, v in headers.items())],
        "client": ("127.0.0.1", 0),
        "server": (host, 443),
        "state": {},
        "extensions": {"websocket.http.response": {}} if is_socket else {},
    }
    if is_socket:
        scope["subprotocols"] = []
    else:
        scope["method"] = case.method
    return scope


def wsgi_environ(case: Case, headers: Mapping[str, str], host: str, body: bytes = b"") -> dict[str, Any]:
    """The environment of a case's request, as a server named ``host`` makes it."""
    return {
        "REQUEST_METHOD": case.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": case.path.encode().decode("latin-1"),
        "QUERY_STRING": "",
        "SERVER_NAME": host,
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": host,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()},
    }


def call_asgi(app: Any, case: Case, headers: Mapping[str, str], host: str) -> None:
    """Call an ASGI application by this host's name. What it answers does not matter: the decision is heard."""
    scope = asgi_scope(case, headers, host)
    is_socket = case.method == "WS"
    is_read = False

    async def receive() -> dict[str, Any]:
        """Whoever reads before the guard decides finds an empty body, or an opening handshake."""
        nonlocal is_read
        if is_socket:
            return {"type": "websocket.connect"}
        if is_read:  # Django waits for the client to be gone, until it has answered
            await anyio.sleep_forever()
        is_read = True
        return {"type": "http.request", "body": b""}

    async def send(_: Any) -> None:
        """What is answered does not matter: the decision was heard."""

    anyio.run(partial(app, scope, receive, send))


def call_wsgi(app: Any, case: Case, headers: Mapping[str, str], host: str) -> None:
    """Call a WSGI application, as `call_asgi`."""
    environ = wsgi_environ(case, headers, host)

    def start_response(*_: Any) -> None:
        """What is answered does not matter: the decision was heard."""

    answer: Any = app(environ, start_response)
    if hasattr(answer, "close"):
        answer.close()

"""How the demo reaches an example: calls within this process, or a server of its own for ``--serve``."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from callerid.cli._places import example_application, need
from callerid.cli._scenes import DemoRoute, Outcome
from callerid.cli._trouble import CommandError

__all__ = ["SERVERS", "call", "fastapi_example", "flask_example", "need_server", "serve"]

SERVERS: dict[str, tuple[str, ...]] = {"fastapi": ("uvicorn",), "flask": ("gunicorn", "waitress")}
"""The servers of each example, the usual one first."""

_COMMANDS: dict[str, str] = {
    "uvicorn": f"--port {{port}} --ws wsproto --log-level warning --factory {__name__}:fastapi_example",
    "gunicorn": f"--bind 127.0.0.1:{{port}} --threads 4 --log-level warning --no-control-socket "
    f"{__name__}:flask_example()",
    "waitress": f"--listen=127.0.0.1:{{port}} --call {__name__}:flask_example",
}


def call(application: Any, route: DemoRoute, token: str | None) -> Outcome:
    """Call an ASGI application, or a Flask one, with one request. What it raises is an outcome with status 500."""
    headers = {"Content-Type": route.content_type} if route.body else {}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    try:
        if hasattr(application, "test_client"):
            answer = application.test_client().open(route.path, method=route.method, headers=headers, data=route.body)
            return _outcome(answer.status_code, answer.content_type, answer.data)
        return asyncio.run(_call_asgi(application, route, headers))
    except Exception as error:  # noqa: BLE001 - a server would answer 500
        return Outcome(500, type(error).__name__)


async def _call_asgi(application: Any, route: DemoRoute, headers: Mapping[str, str]) -> Outcome:
    kind = "websocket" if route.method == "WS" else "http"
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": route.method,
        "scheme": "ws" if kind == "websocket" else "http",
        "path": route.path,
        "raw_path": route.path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}},  # a refused handshake has a body
    }
    first = {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": route.body}
    received = iter([first])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(received, {"type": f"{kind}.disconnect", "code": 1005})

    async def send(message: Any) -> None:
        sent.append(message)

    await application(scope, receive, send)
    start, *rest = sent
    if start["type"] == "websocket.accept":
        return Outcome(101)
    content_type = dict(start["headers"]).get(b"content-type", b"").decode()
    return _outcome(start["status"], content_type, b"".join(message.get("body", b"") for message in rest))


def _outcome(status: int, content_type: str, body: bytes) -> Outcome:
    return Outcome(status, json.loads(body)["reason"] if content_type == "application/problem+json" else "")


def need_server(server: str) -> None:
    """Raise `CommandError` where a server, or what the example needs beside it, is not installed."""
    need(server, *(["wsproto"] if server == "uvicorn" else []))


@contextmanager
def serve(app: str, server: str, environment: Mapping[str, str]) -> Generator[str]:
    """Serve an example in a process of its own, on a free port of the loopback interface; gives its address.

    ``server`` is one of `SERVERS`, and `need_server` knows that it is installed. What it logs goes to standard error.
    Raises `CommandError` if it does not start. At the end the process is gone.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("GUNICORN_", "UVICORN_"))}
    with subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", server, *_COMMANDS[server].format(port=port).split()],
        cwd=Path(__file__).parent,  # gunicorn reads its settings from where it is started
        env={**settings, **environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches this process only, which then ends that one
    ) as process:
        try:
            while not _is_up(port):
                if process.poll() is not None:
                    raise CommandError(f"{server} did not start {app}: what it said is above")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _is_up(port: int) -> bool:
    """Whether the example answers. That gunicorn listens says nothing: it does so before it loads the application."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def fastapi_example() -> Any:
    """The FastAPI example, as uvicorn serves it."""
    return _logging_refusals(example_application({}, "fastapi"))


def flask_example() -> Any:
    """The Flask example, as gunicorn and waitress serve it."""
    logging.getLogger("waitress").setLevel(logging.WARNING)  # it has no option for that
    return _logging_refusals(example_application({}, "flask"))


def _logging_refusals(application: Any) -> Any:
    """Let refusals and warnings go to standard error, but not the remarks that a guard makes at start-up."""
    log, handler = logging.getLogger("callerid"), logging.StreamHandler()
    handler.addFilter(lambda record: record.levelno > logging.INFO or hasattr(record, "callerid"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    return application

"""How the demo reaches an example: calls within this process, or a server of its own for ``--serve``."""

from __future__ import annotations

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

from callerid.audit._suite import Case, SuitePersona
from callerid.cli._places import example_application, need
from callerid.cli._scenes import DemoRoute, Outcome
from callerid.cli._trouble import CommandError
from callerid.play._hearing import HeardCall
from callerid.play._runner import running

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
    case = Case(SuitePersona("caller"), route.method, route.path, may=True)
    with running(application, site="localhost", lifespan=False) as runner:
        answer = runner.call(HeardCall(runs_handler=True), case, headers, route.body)
    if answer.error or answer.status is None:
        return Outcome(500, answer.error.partition(":")[0])
    is_refusal = answer.content_type == "application/problem+json"
    return Outcome(answer.status, json.loads(answer.body)["reason"] if is_refusal else "")


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

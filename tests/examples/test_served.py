"""Both examples behind the servers that people run them with: the same answers, each in a process of its own."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import pytest

from callerid.testing import LocalIssuer

pytestmark = pytest.mark.server

EXAMPLES = Path(__file__).parents[2] / "examples"
WAITRESS = (
    "import socket, sys; from waitress.server import create_server; from app import app; "
    "create_server(app, sockets=[socket.socket(fileno=int(sys.argv[1]))]).run()"
)
GUNICORN = ("-m", "gunicorn", "--no-control-socket", "--log-level", "warning", "--threads", "4")

SERVERS: dict[str, tuple[str, Callable[[int], tuple[str, ...]]]] = {
    "uvicorn": ("fastapi_app", lambda fd: ("-m", "uvicorn", "--fd", str(fd), "--log-level", "warning", "app:app")),
    "hypercorn": ("fastapi_app", lambda fd: ("-m", "hypercorn", "--bind", f"fd://{fd}", "app:app")),
    "gunicorn": ("flask_app", lambda fd: (*GUNICORN, "--bind", f"fd://{fd}", "app:app")),
    "gunicorn-preload": (
        "flask_app",
        lambda fd: (*GUNICORN, "--preload", "--workers", "2", "--bind", f"fd://{fd}", "app:app"),
    ),
    "waitress": ("flask_app", lambda fd: ("-c", WAITRESS, str(fd))),
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as serving:
        yield serving


@contextmanager
def served(name: str, issuer: LocalIssuer, *, stderr: IO[str] | None = None) -> Iterator[int]:
    folder, command = SERVERS[name]
    keys = {"GOOGLE_KEYS_URL": issuer.pem_url("google"), "FIREBASE_KEYS_URL": issuer.pem_url("firebase")}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        # Who connects before the server is ready waits in the listening socket's queue.
        process = subprocess.Popen(
            [sys.executable, *command(listening.fileno())],
            cwd=EXAMPLES / folder,
            env={**os.environ, **keys},
            pass_fds=[listening.fileno()],
            stderr=stderr,
        )
        try:
            yield port
        finally:
            process.terminate()
            process.wait(20)


def status(port: int, method: str, path: str, token: str | None = None) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = (
            {"Connection": "close"} if token is None else {"Connection": "close", "Authorization": f"Bearer {token}"}
        )
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("name", [name for name in SERVERS if find_spec(name.partition("-")[0])])
def test_the_example_answers_alike_behind_every_server(name: str, issuer: LocalIssuer) -> None:
    staff = issuer.workspace_person("sam@example.com")
    outsider = issuer.workspace_person("eve@example.org")
    ada = issuer.firebase_user("ada")
    scheduler = "scheduler@shop-prod.iam.gserviceaccount.com"
    task = issuer.service_account(scheduler, audience="https://orders.example.com/tasks")
    with served(name, issuer) as port:
        assert status(port, "GET", "/health") == 200
        assert status(port, "GET", "/reports/daily") == 401
        assert status(port, "GET", "/reports/daily", staff) == 200
        assert status(port, "GET", "/reports/daily", outsider) == 403
        assert status(port, "GET", "/reports/daily", issuer.forged(staff)) == 401
        assert status(port, "GET", "/users/ada/orders", ada) == 200
        assert status(port, "GET", "/users/ben/orders", ada) == 403
        assert status(port, "POST", "/tasks/reindex", task) == 204
        assert status(port, "POST", "/tasks/reindex", staff) == 401
        assert status(port, "GET", "/nowhere") == 401

"""A key endpoint that hangs while a threaded server is cold: the rest of its threads go on serving."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from callerid import KeySource
from callerid.testing import LocalIssuer

from . import served
from .servers import HOST, KeyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
THREADS = 8
COLD_CALLERS = 2 * THREADS
MAY_WAIT = KeySource("https://host.example/").waiting_threads


def answer(port: int, path: str, token: str | None = None) -> tuple[int, str | None, bytes]:
    """Status, Retry-After and body."""
    connection = HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request("GET", path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.headers["Retry-After"], response.read()
    finally:
        connection.close()


@contextmanager
def gunicorn(listener: socket.socket) -> Iterator[None]:
    fd = listener.fileno()
    command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{fd}", "--no-control-socket", "--threads"]
    process = subprocess.Popen(
        [*command, str(THREADS), "tests.keys.served:application()"],
        cwd=ROOT,
        pass_fds=[fd],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
    )
    try:
        yield
    finally:
        process.terminate()
        _, said = process.communicate(timeout=40)
        assert "Traceback" not in said, said


@contextmanager
def waitress(listener: socket.socket) -> Iterator[None]:
    import waitress.server

    server = waitress.server.create_server(served.application(), sockets=[listener], threads=THREADS)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield
    finally:
        server.trigger.pull_trigger(server.close)  # in its own thread
        thread.join(40)
        server.task_dispatcher.shutdown()


SERVERS: list[Callable[[socket.socket], AbstractContextManager[None]]] = [
    server for server in (gunicorn, waitress) if find_spec(server.__name__)
]


@pytest.mark.parametrize("serve", SERVERS, ids=lambda serve: serve.__name__)
def test_while_cold_callers_wait_the_others_get_503_at_once_and_the_public_route_is_served(
    serve: Callable[[socket.socket], AbstractContextManager[None]], server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVED_KEYS", server.url)
    server.close_gate()
    with LocalIssuer() as issuer, socket.create_server((HOST, 0)) as listener, serve(listener):
        port = listener.getsockname()[1]
        server.body = issuer.pem_document().encode()
        token = issuer.service_account("queue@shop-prod.iam.gserviceaccount.com", audience=served.URL)
        assert answer(port, "/public")[0] == 200
        with ThreadPoolExecutor(COLD_CALLERS) as pool:
            asked = {pool.submit(answer, port, "/orders", token) for _ in range(COLD_CALLERS)}
            # As long as the gate is closed the fetch hangs: whatever is answered now waited for nothing.
            refused = first_done(asked, COLD_CALLERS - MAY_WAIT)
            assert server.asked.acquire(timeout=40)
            assert {future.result()[:2] for future in refused} == {(503, "1")}
            for _ in range(THREADS):
                assert answer(port, "/public") == (200, None, b"nobody")
                assert answer(port, "/orders", token)[:2] == (503, "1")
            assert len(server.requests) == 1
            waiting = asked - refused
            assert not any(future.done() for future in waiting)
            server.gate.set()
            user = b"serviceAccount:queue@shop-prod.iam.gserviceaccount.com"
            assert [future.result() for future in waiting] == [(200, None, user)] * MAY_WAIT
        assert answer(port, "/orders", token)[0] == 200
        assert len(server.requests) == 1


def first_done(
    futures: set[Future[tuple[int, str | None, bytes]]], count: int
) -> set[Future[tuple[int, str | None, bytes]]]:
    done: set[Future[tuple[int, str | None, bytes]]] = set()
    while len(done) < count:
        done |= wait(futures - done, timeout=40, return_when=FIRST_COMPLETED).done
    return done

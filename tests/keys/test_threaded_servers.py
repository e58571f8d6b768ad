"""A key endpoint that hangs while a threaded server is cold: the rest of its threads go on serving."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from http.client import HTTPConnection
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

from callerid import KeySource
from callerid.testing import LocalIssuer
from tests.servers import Address, gunicorn, waitress

from . import served
from .servers import HOST, KeyServer

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.server

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


SERVERS: dict[str, Callable[[], AbstractContextManager[Address]]] = {
    "gunicorn": lambda: gunicorn("tests.keys.served:application()", "--threads", str(THREADS)),
    "waitress": lambda: waitress(served.application(), threads=THREADS),
}


@pytest.mark.parametrize("name", [name for name in SERVERS if find_spec(name)])
def test_while_cold_callers_wait_the_others_get_503_at_once_and_the_public_route_is_served(
    name: str, server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVED_KEYS", server.url)
    server.close_gate()
    with LocalIssuer() as issuer, SERVERS[name]() as (_, port):
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

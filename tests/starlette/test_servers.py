"""Behind real uvicorn: raw sockets, real WebSockets, real start-up."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any, Self

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from callerid import Public
from callerid.starlette import Guard
from tests.fixtures import OTHERS, OWNER, token

from .world import Diary, closed, new_guard

pytestmark = pytest.mark.server


class Running:
    """A uvicorn server in a thread, on a free loopback port."""

    def __init__(self, app: Any, **options: Any) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        config = uvicorn.Config(app, http="h11", log_config=None, timeout_graceful_shutdown=1, **options)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]})
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.thread.start()
        # A listening socket queues: the first answer comes once the application runs.
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as first:
            first.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            first.recv(1)
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self.thread.join(40)
        self.listening.close()
        assert not self.thread.is_alive()

    def raw(self, data: bytes, *, until: bytes = b"") -> bytes:
        """Send bytes as they are, and read until the server closes (or says this)."""
        received = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                received += chunk
                if until and until in received:
                    break
        return received

    def get(self, path: str, who: str | None = None, method: str = "GET", **options: Any) -> httpx.Response:
        headers = {} if who is None else {"authorization": f"Bearer {token(who)}"}
        with httpx.Client(trust_env=False) as client:
            return client.request(method, self.url + path, headers=headers, **options)


diary = Diary()
guard = new_guard()


async def upload(request: Request) -> Response:
    diary.append("upload")
    return PlainTextResponse(str(len(await request.body())))


async def stream(request: Request) -> Response:
    async def numbers() -> Any:
        for number in range(5):
            yield f"{number},"

    return StreamingResponse(numbers())


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    app = closed(
        Route("/upload", upload, methods=["POST"]),
        Route("/stream", stream),
        diary.route("/open", mark=guard.allow(Public())),
        diary.route("/users/{user}", mark=guard.allow(OWNER)),
        diary.socket_route("/ws", mark=guard.allow(OTHERS)),
        Mount("/sub", Starlette(routes=[diary.route("/x", mark=guard.allow(OTHERS)), diary.socket_route("/ws")])),
        guard=guard,
    )
    with Running(app) as server:
        yield server


@pytest.fixture(autouse=True)
def clean() -> None:
    diary.clear()


def test_every_kind_of_route_is_guarded_over_http(running: Running) -> None:
    def answers(path: str, *callers: str | None, method: str = "GET") -> list[int]:
        return [running.get(path, who, method).status_code for who in callers]

    assert answers("/open", None) == [200]
    assert answers("/upload", None, "outsider", "staff", method="POST") == [401, 403, 200]
    assert answers("/users/alice", None, "bob", "alice") == [401, 403, 200]
    assert answers("/sub/x", None, "staff", "outsider") == [401, 403, 200]
    assert answers("/unknown", None, "outsider", "staff") == [401, 403, 404]
    assert answers("/upload", None, "outsider", "staff") == [401, 403, 405]
    assert answers("/stream/", None, "staff") == [401, 307]
    assert running.get("/stream", "staff").text == "0,1,2,3,4,"


def test_a_refusal_over_http_is_whole(running: Running) -> None:
    response = running.get("/upload", method="POST", content=b"x" * 100_000)
    assert (response.status_code, response.json()["reason"]) == (401, "no_credential")
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["www-authenticate"] == 'Bearer realm="callerid"'
    head = running.get("/upload", method="HEAD")
    assert (head.status_code, head.content) == (401, b"")
    assert diary == []


def test_an_upload_that_waits_for_100_continue_gets_its_401_and_no_100(running: Running) -> None:
    received = running.raw(
        b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n",
        until=b"instance",
    )
    assert received.startswith(b"HTTP/1.1 401 ")
    assert b"100 Continue" not in received
    assert diary == []


def test_an_endless_upload_is_refused_without_being_read(running: Running) -> None:
    received = running.raw(
        b"POST /upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", until=b"instance"
    )
    assert received.startswith(b"HTTP/1.1 401 ")
    assert diary == []


STAFF_HEADER = f"Authorization: Bearer {token('staff')}\r\n".encode()

ODD = {
    "two credentials": (b"GET /users/a HTTP/1.1\r\nHost: x\r\n" + STAFF_HEADER * 2, 400),
    "two credentials in two spellings": (
        b"GET /users/a HTTP/1.1\r\nHost: x\r\n" + STAFF_HEADER + STAFF_HEADER.replace(b"Auth", b"aUTH"),
        400,
    ),
    "upper case": (
        b"GET /stream HTTP/1.1\r\nHOST: x\r\n" + STAFF_HEADER.replace(b"Authorization", b"AUTHORIZATION"),
        200,
    ),
    "no host": (b"GET /users/a HTTP/1.0\r\n", 401),
    "absolute form": (b"GET http://open/open HTTP/1.1\r\nHost: x\r\n", 401),
    "double slash": (b"GET //open HTTP/1.1\r\nHost: x\r\n", 401),
    "dots": (b"GET /open/../upload HTTP/1.1\r\nHost: x\r\n", 401),
    "encoded slash": (b"GET /users%2fa HTTP/1.1\r\nHost: x\r\n", 401),
    "encoded letters": (b"GET /%6Fpen HTTP/1.1\r\nHost: x\r\n", 200),
    "encoded nul": (b"GET /users/%00 HTTP/1.1\r\nHost: x\r\n", 401),
    "encoded bytes that are no text": (b"GET /users/%ff%fe HTTP/1.1\r\nHost: x\r\n", 401),
    "bytes in a header": (b"GET /users/a HTTP/1.1\r\nHost: x\r\nX-Odd: \xff\xfe\r\n", 401),
    "an empty credential": (b"GET /users/a HTTP/1.1\r\nHost: x\r\nAuthorization:\r\n", 401),
    "a credential with a tab": (b"GET /users/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer\tx\r\n", 400),
    "asterisk form": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n", 401),
}


@pytest.mark.parametrize("name", list(ODD))
def test_odd_requests_are_refused_in_order(name: str, running: Running) -> None:
    request, expected = ODD[name]
    received = running.raw(request + b"Connection: close\r\n\r\n")
    assert int(received.split(b" ", 2)[1]) == expected
    assert diary == (["/open"] if name == "encoded letters" else [])


def test_pipelined_requests_of_different_callers_are_judged_one_by_one(running: Running) -> None:
    callers = ["alice", None, "bob", "alice", None, "staff"] * 5

    def request(who: str | None) -> bytes:
        credential = b"" if who is None else f"Authorization: Bearer {token(who)}\r\n".encode()
        return b"GET /users/alice HTTP/1.1\r\nHost: x\r\n" + credential

    data = b"\r\n".join(request(who) for who in callers) + b"Connection: close\r\n\r\n"
    received = running.raw(data)
    found = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    assert found == [{"alice": 200, None: 401}.get(who, 403) for who in callers]


@pytest.mark.parametrize("path", ["/ws", "/sub/ws"])
def test_a_refused_websocket_is_a_real_401_with_a_challenge(path: str, running: Running) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{running.port}{path}", proxy=None)
    response = refused.value.response
    assert (response.status_code, response.headers["www-authenticate"]) == (401, 'Bearer realm="callerid"')
    assert json.loads(response.body or b"{}")["reason"] == "no_credential"
    assert diary == []


def test_an_admitted_websocket_talks(running: Running) -> None:
    credential = {"Authorization": f"Bearer {token('outsider')}"}
    with connect(f"ws://127.0.0.1:{running.port}/ws", additional_headers=credential, proxy=None) as websocket:
        assert websocket.recv(timeout=30) == "/ws"
    with pytest.raises(InvalidStatus) as refused:
        connect(f"ws://127.0.0.1:{running.port}/sub/ws", additional_headers=credential, proxy=None)
    assert refused.value.response.status_code == 403
    assert diary == ["/ws"]


@pytest.mark.parametrize("lifespan", ["auto", "on"])
def test_a_server_does_not_start_an_application_whose_rules_cannot_hold(
    lifespan: Any, caplog: pytest.LogCaptureFixture
) -> None:
    own = Guard.like(guard)
    app = closed(diary.route("/{other}", mark=own.allow(OWNER)), guard=own)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan=lifespan, port=0))
    with contextlib.suppress(SystemExit):
        server.run()
    assert not server.started
    assert "PathParam('user') needs exactly one path parameter of that name" in caplog.text

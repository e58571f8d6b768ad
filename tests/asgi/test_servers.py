"""Behind real servers: odd requests as bytes, real WebSockets, expiry included; and frameworks of other makes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, Request, get
from quart import Quart
from quart import request as quart_request
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from callerid import Guard, Nobody, Public
from callerid.asgi import CallerMiddleware, WebSockets
from callerid.authentication._jws import parse
from tests.fixtures import AT_HAND, STAFF, issuer, token
from tests.servers import Address, raw, request, status
from tests.starlette.world import ask, statuses

from .servers import ASGI_SERVERS, serving
from .world import GUARD, Plain, guarded

pytestmark = pytest.mark.server

BEARER = f"Authorization: Bearer {token('staff')}"


@pytest.fixture(scope="module", params=ASGI_SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def app() -> Plain:
    return Plain()


@pytest.fixture(scope="module")
def address(server: str, app: Plain) -> Iterator[Address]:
    routes = {"/public": Public(), "/public/*": Public(), "POST /tasks": Nobody(), "/tasks": Public()}
    with serving(server, guarded(app, routes=routes)) as found:
        yield found


@pytest.fixture(autouse=True)
def empty(app: Plain) -> None:
    app.scopes[:] = [scope for scope in app.scopes if scope["type"] == "lifespan"]


def requests_served(app: Plain) -> list[str]:
    return [scope["path"] for scope in app.scopes if scope["type"] != "lifespan"]


def test_ordinary_requests_are_served(address: Address, app: Plain) -> None:
    assert status(address, "/public") == 200
    assert status(address, "/public/a%20b/%C3%A9?x=//%2f") == 200
    assert status(address, "/x") == 401
    assert status(address, "/x", BEARER) == 200
    assert requests_served(app) == ["/public", "/public/a b/é", "/x"]


ODD = [
    *("//public", "/public//x", "/public/../x", "/public/./x", "/x/..", "/public/.", "/public\\x", "/public;/x"),
    *("/public%2fx", "/public%2Fx", "/public/%2e%2e/x", "/public/%2E/x", "/public%5cx", "/public%00", "/public%3bx"),
    *(
        "/public%23",
        "/public%25",
        "/public/%252e%252e/x",
        "/public%3F",
        "/public%0d%0aX: y",
        "/public%ff",
        "/public%c0%af",
    ),
    *("/public%", "/public%zz", "/public#/x", "*", "public", "/public/%u002e", "/public/\x7f"),
]


@pytest.mark.parametrize("target", ODD)
def test_what_two_parsers_could_read_differently_reaches_nothing(target: str, address: Address, app: Plain) -> None:
    assert status(address, target) in (0, 400, 401)
    assert status(address, target, BEARER) in (0, 400)
    assert requests_served(app) == []


@pytest.mark.parametrize(
    ("target", "method"),
    [
        ("http://orders.example.com/x", "GET"),
        ("http://evil.example/public/../x", "GET"),
        ("//evil.example/public", "GET"),
        ("/tasks", "POST"),
        ("/tasks", "post"),
        ("/x", "WEBSOCKET"),
        ("/x", "OPTIONS"),
        ("*", "OPTIONS"),
        ("orders.example.com:443", "CONNECT"),
    ],
)
def test_odd_targets_and_methods_open_nothing(target: str, method: str, address: Address, app: Plain) -> None:
    assert status(address, target, method=method) in (0, 400, 401, 404, 405)
    assert requests_served(app) == []


def test_a_hostile_host_and_duplicate_credentials_open_nothing(address: Address, app: Plain) -> None:
    for host in ("evil/public", "x/public?", "[::1]/public"):
        assert raw(address, f"GET /x HTTP/1.0\r\nHost: {host}\r\n\r\n".encode()).split(b" ")[1] in (b"400", b"401")
    assert status(address, "/x", BEARER, BEARER) == 400
    assert status(address, "/x", f"{BEARER}, {BEARER[15:]}") == 400
    assert status(address, "/x", "Authorization: Basic eDp5", BEARER) == 400
    assert status(address, "/x", f"X_Serverless_Authorization: {BEARER[15:]}", f"Remote-User: {BEARER[15:]}") == 401
    assert requests_served(app) == []


def test_a_refused_head_request_has_no_body(address: Address, app: Plain) -> None:
    head, _, body = raw(address, request("/x", method="HEAD")).partition(b"\r\n\r\n")
    assert (head.split(b" ")[1], body, requests_served(app)) == (b"401", b"", [])
    assert b"www-authenticate: Bearer" in head


def test_a_body_is_not_waited_for(address: Address, app: Plain) -> None:
    # It is never sent: an answer that waited for it would not come.
    answer = raw(address, request("/x", "Content-Length: 1000000", "Expect: 100-continue", method="PUT"))
    assert b"HTTP/1.1 401" in answer  # hypercorn says 100 by itself
    assert requests_served(app) == []


def test_under_a_root_path_the_same_place_has_the_same_rule(server: str) -> None:
    app = Plain()
    routes = {"/public": Public(), "/admin": Nobody()}
    with serving(server, guarded(app, routes=routes), root_path="/api") as found:
        inside = "" if server == "uvicorn" else "/api"  # uvicorn puts root_path in front of the path
        assert status(found, f"{inside}/public") == 200
        assert status(found, f"{inside}/admin", BEARER) == 403
        assert status(found, "/public/api/admin") in (400, 401)
        assert requests_served(app) == ["/api/public"]


# --- WebSockets ---


class Echo:
    """Accepts the protocol ``v1`` where it is offered, echoes, and writes down how the socket ended."""

    def __init__(self) -> None:
        self.callers: list[str] = []
        self.ends: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        self.callers.append(str(scope["state"]["caller"]))
        chosen = "v1" if "v1" in scope["subprotocols"] else None
        await send({"type": "websocket.accept", "subprotocol": chosen})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        self.ends.append(message)


WS_SERVERS = [("uvicorn", "wsproto"), ("uvicorn", "websockets-sansio"), ("hypercorn", "")]


@pytest.fixture(params=WS_SERVERS, ids=lambda each: "-".join(filter(None, each)))
def socket_server(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    server, implementation = request.param
    return server, {"ws": implementation} if implementation else {}


def test_a_browsers_token_stands_among_the_protocols(socket_server: tuple[str, dict[str, str]]) -> None:
    server, options = socket_server
    echo = Echo()
    shut = guarded(echo, websockets=WebSockets(protocol="callerid.bearer"))
    with serving(server, shut, **options) as (host, port):
        url = f"ws://{host}:{port}/live"
        for offered, chosen in (
            (["callerid.bearer", token("staff")], "callerid.bearer"),
            (["callerid.bearer", token("staff"), "v1"], "v1"),
        ):
            with connect(url, subprotocols=offered, proxy=None) as client:  # type: ignore[arg-type]
                assert client.subprotocol == chosen
                client.send("hello")
                assert client.recv(timeout=30) == "hello"
        for offered, expected in ((["callerid.bearer", token("outsider")], 403), (["callerid.bearer"], 400), ([], 401)):
            with pytest.raises(InvalidStatus) as refused, connect(url, subprotocols=offered or None, proxy=None):  # type: ignore[arg-type]
                pass
            assert refused.value.response.status_code == expected
    assert echo.callers == ["user:ada@example.com"] * 2


def test_a_socket_ends_with_its_token(socket_server: tuple[str, dict[str, str]]) -> None:
    server, options = socket_server
    echo = Echo()
    fresh = issuer.workspace_person("ada@example.com")
    left = [0.1]  # by the guard's clock, which stands still: looked at ten times a second, until the test moves it
    guard = Guard(*AT_HAND, leeway=0, clock=lambda: parse(fresh).claims["exp"] - left[0])
    with serving(server, guarded(echo, guard=guard), **options) as (host, port):
        bearer = {"Authorization": f"Bearer {fresh}"}
        with connect(f"ws://{host}:{port}/live", additional_headers=bearer, proxy=None) as client:
            client.send("hello")
            assert client.recv(timeout=30) == "hello"
            left[0] = 0
            with pytest.raises(ConnectionClosed) as closed:
                client.recv(timeout=30)
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "token expired")
    assert echo.ends == [{"type": "websocket.disconnect", "code": 4401, "reason": "token expired"}]


# --- frameworks of other makes ---


@get("/who")
async def litestar_who(request: Request[Any, Any, Any]) -> str:
    return f"{request.scope['state']['caller']} {request.scope['user']}"


@get("/admin")
async def litestar_admin() -> str:
    raise AssertionError("served")


def quart_app() -> Quart:
    app = Quart("orders")

    @app.get("/who")
    async def who() -> str:
        scope: Any = quart_request.scope
        return f"{scope['state']['caller']} {scope['user']}"

    @app.get("/admin")
    async def admin() -> str:
        raise AssertionError("served")

    return app


@pytest.mark.parametrize(
    "make", [lambda: Litestar([litestar_who, litestar_admin]), quart_app], ids=["litestar", "quart"]
)
def test_litestar_and_quart_are_guarded(make: Any) -> None:
    shut = CallerMiddleware(make(), guard=GUARD, default=Nobody(), routes={"/who": STAFF, "/open/*": Public()})
    assert statuses(shut, "/who", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(shut, "/admin", None, "outsider", "staff") == [401, 403, 403]
    assert ask(shut, "/who", "staff").text == "user:ada@example.com user:ada@example.com"
    # Both cut at the first root_path, wherever it stands.
    assert statuses(shut, "/open/api/admin", None, "staff", root_path="/api") == [400, 400]
    assert statuses(shut, "/api/who", None, "outsider", "staff", root_path="/api") == [401, 403, 200]

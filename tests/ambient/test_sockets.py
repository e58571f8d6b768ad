"""WebSocket handshakes: a browser sends its cookies with one that any site's page begins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

import callerid.asgi
import callerid.fastapi
import callerid.starlette
from callerid import FirebaseUser, Guard
from callerid.testing import LocalIssuer

URL = "https://orders.example.com"
ISSUER = LocalIssuer()
ISSUERS = (ISSUER.firebase("shop-prod"), ISSUER.firebase_session("shop-prod"))
TOKEN = ISSUER.firebase_user("ada")
COOKIE = ISSUER.cookie(ISSUER.session_cookie(TOKEN))
RULE = FirebaseUser("ada")


async def endpoint(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("live")
    await websocket.close()


def by_path(**options: Any) -> Any:
    app = Starlette(routes=[WebSocketRoute("/live", endpoint)])
    return callerid.asgi.CallerMiddleware(app, guard=Guard(*ISSUERS, **options), default=RULE)


def by_route(**options: Any) -> Any:
    guard = callerid.starlette.Guard(*ISSUERS, **options)
    app = Starlette(routes=[WebSocketRoute("/live", guard.allow(RULE)(endpoint))])
    guard.protect(app, default=RULE)
    return app


def in_fastapi(**options: Any) -> Any:
    guard, app = callerid.fastapi.Guard(*ISSUERS, **options), FastAPI()
    guard.protect(app, default=RULE)
    app.websocket("/live")(guard.allow(RULE)(endpoint))
    return app


EVERY = pytest.mark.parametrize("make", [by_path, by_route, in_fastapi])


def connect(app: Any, **headers: str) -> str:
    """What a socket says first, or why its handshake was refused."""
    client = TestClient(app)
    try:
        with client.websocket_connect("/live", headers=headers) as socket:
            return socket.receive_text()
    except WebSocketDenialResponse as refused:
        return str(json.loads(refused.content)["reason"])


@EVERY
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": URL},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://www.example.com"},
    ],
    ids=str,
)
def test_a_socket_of_the_own_pages_opens(make: Any, headers: dict[str, str]) -> None:
    assert connect(make(trusted_origins=(URL,)), **COOKIE, **headers) == "live"


@EVERY
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://testserver"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_socket_of_another_sites_page_is_refused(make: Any, headers: dict[str, str]) -> None:
    app = make(trusted_origins=(URL,))
    assert connect(app, **COOKIE, **headers) == "cross_site"
    # No site's page can add a token.
    assert connect(app, **ISSUER.bearer(TOKEN), **headers) == "live"

"""Sockets of a protected application: a browser's token among the subprotocols, and no life beyond the token's."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from fastapi import WebSocket as FastAPISocket
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from callerid import ConfigurationError, Public
from callerid.asgi import WebSockets
from callerid.fastapi import Guard as FastAPIGuard
from callerid.starlette import Guard
from tests.asgi.world import LEFT, Conversation, converse
from tests.fixtures import AT_HAND, STAFF, token

from .world import Diary, Reply, ask, closed, dial, raw

NAME = "callerid.bearer"
TOLD = WebSockets(protocol=NAME)
CLOSED = {"type": "websocket.close", "code": 4401, "reason": "token expired"}


async def chat(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol=next(iter(websocket.scope["subprotocols"]), None))
    seen = websocket.headers.get("sec-websocket-protocol")
    await websocket.send_text(f"{websocket.user} {websocket.state.caller} {seen}")
    await websocket.close()


def offering(app: Any, path: str, *protocols: str) -> Reply:
    headers = raw(None, {"host": "orders.example.com", "sec-websocket-protocol": ", ".join(protocols)})
    return dial(app, path, headers=headers, subprotocols=list(protocols))


@pytest.mark.parametrize("path", ["/chat", "/m/chat"])
def test_a_token_after_the_name_is_the_callers_and_the_application_does_not_see_it(path: str) -> None:
    routes = [WebSocketRoute("/chat", chat)]
    app = closed(*routes, Mount("/m", routes=routes), websockets=TOLD)
    reply = offering(app, path, NAME, token("staff"), "v1")
    assert reply.messages[0]["subprotocol"] == "v1"
    assert reply.messages[1]["text"] == "user:ada@example.com user:ada@example.com v1"
    assert offering(app, path, NAME, token("staff")).messages[0]["subprotocol"] == NAME
    assert [offering(app, path, NAME, each).status for each in (token("outsider"), "junk")] == [403, 401]
    assert offering(app, path, NAME).status == 400
    assert offering(closed(*routes), path, NAME, token("staff")).status == 401


def test_an_ordinary_request_offers_no_protocols(ran: Diary) -> None:
    app = closed(ran.route("/x"), websockets=TOLD)
    assert ask(app, "/x", headers={"sec-websocket-protocol": f"{NAME}, {token('staff')}"}).status == 401


@pytest.mark.parametrize("value", [None, NAME, True])
def test_how_sockets_are_treated_is_a_value_of_its_own_kind(guard: Guard, value: Any) -> None:
    with pytest.raises(ConfigurationError, match="websockets="):
        guard.protect(Starlette(), default=STAFF, websockets=value)


ends: list[int] = []


async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    with anyio.move_on_after(2 * LEFT):
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect as gone:
            ends.append(gone.code)


def starlette_app(**options: Any) -> tuple[Any, Guard]:
    guard = Guard(*AT_HAND)
    app = closed(WebSocketRoute("/live", listen), guard=guard, **options)
    return app, guard


def mounted_app(**options: Any) -> tuple[Any, Guard]:
    """Two guards on the way, and the outer one's leeway is longer."""
    inner, guard = starlette_app(**options)
    outer = Guard(*AT_HAND, leeway=60, clock=lambda: guard.clock())  # noqa: PLW0108 - set later
    return closed(Mount("/", inner), guard=outer, default=Public(), floor=STAFF), guard


def fastapi_app(**options: Any) -> tuple[Any, Guard]:
    guard = FastAPIGuard(*AT_HAND)
    app = FastAPI()
    guard.protect(app, default=Public(), **options)

    @app.websocket("/live")
    @guard.allow(STAFF)
    async def live(websocket: FastAPISocket) -> None:
        await listen(websocket)

    return app, guard


@pytest.mark.parametrize("make", [starlette_app, mounted_app, fastapi_app])
def test_a_socket_ends_with_its_token_unless_it_is_written_out_that_it_does_not(make: Any, backend: str) -> None:
    ends.clear()
    for options in ({}, {"websockets": WebSockets(expiry_code=3000)}, {"websockets": WebSockets(outlive_tokens=True)}):
        conversation = Conversation()
        app, guard = make(**options)
        converse(app, guard, conversation, backend)
        assert conversation.sent[0]["type"] == "websocket.accept"
        ends.append(conversation.sent[-1].get("code", 0))
    assert ends == [4401, 4401, 3000, 3000, 0]


def test_a_socket_that_no_token_speaks_for_stays_open(backend: str) -> None:
    ends.clear()
    conversation = Conversation()
    app, guard = starlette_app(default=Public())
    converse(app, guard, conversation, backend)
    assert (conversation.types, ends) == (["websocket.accept"], [])

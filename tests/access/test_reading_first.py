"""What reads from a WebSocket before the guard decides, in access tests."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, WebSocket

from callerid.audit._suite import Case, SuitePersona
from callerid.fastapi import Guard
from callerid.testing.access import rehearsing
from tests.fixtures import AT_HAND, STAFF


class ReadsFirst:
    """Takes the opening handshake, and passes it on."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        first = [await receive()] if scope["type"] == "websocket" else []

        async def again() -> Any:
            return first.pop() if first else await receive()

        await self.app(scope, again, send)


def test_middleware_that_takes_the_handshake_finds_one() -> None:
    guard, app = Guard(*AT_HAND), FastAPI(openapi_url=None)
    app.add_middleware(ReadsFirst)
    guard.protect(app, default=STAFF)

    @app.websocket("/live")
    @guard.allow(STAFF)
    async def live(socket: WebSocket) -> None:
        raise AssertionError("no handler runs in access tests")

    ada = SuitePersona("ada", "workspace_person", "ada@example.com")
    with rehearsing(app) as rehearsal:
        judged = [
            rehearsal.judge(Case(persona, "WS", "/live", may))
            for persona, may in ((ada, True), (SuitePersona("x"), False))
        ]
    assert [each.is_right for each in judged] == [True, True]

"""A plain ASGI application that writes down what reached it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import anyio

from callerid import Caller, Guard
from callerid.asgi import CallerMiddleware
from callerid.authentication._jws import parse
from callerid.guard import GuardCore
from tests import held_time
from tests.fixtures import AT_HAND, STAFF, issuer
from tests.starlette.world import scope_of

__all__ = ["GUARD", "LEFT", "Conversation", "Plain", "converse", "guarded"]

GUARD = Guard(*AT_HAND)
LEFT = 100.0
"""How long a token is good for in `converse`, in seconds."""


class Plain:
    """Answers everything with 200, reads the body, and accepts every socket."""

    def __init__(self) -> None:
        self.scopes: list[MutableMapping[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close", "code": 1000})
        elif scope["type"] == "http":
            body = (await receive())["body"]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

    @property
    def ran(self) -> int:
        return len(self.scopes)

    @property
    def caller(self) -> Caller | None:
        """As the last request's application saw it."""
        caller: Caller | None = self.scopes[-1]["state"]["caller"]
        assert self.scopes[-1].get("user") is caller
        return caller


def guarded(app: Any, **options: Any) -> CallerMiddleware:
    return CallerMiddleware(app, **{"guard": GUARD, "default": STAFF, **options})


class Conversation:
    """A server whose client says nothing."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.greeted = self.blocked = False
        self.gone = anyio.Event()

    async def receive(self) -> Any:
        if not self.greeted:
            self.greeted = True
            return {"type": "websocket.connect"}
        await self.gone.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(self, message: Any) -> None:
        if self.blocked and message["type"] == "websocket.send":
            await anyio.sleep_forever()
        self.sent.append(dict(message))

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


def converse(app: Any, guard: GuardCore, conversation: Conversation, backend: str, path: str = "/live") -> None:
    """A socket whose token, the leeway added, expires after `LEFT` seconds of held time."""
    fresh = issuer.workspace_person("ada@example.com")
    begins = parse(fresh).claims["exp"] + guard.leeway - LEFT
    guard.authenticator.clock = lambda: begins + anyio.current_time()
    bearer = [(b"authorization", f"Bearer {fresh}".encode())]
    scope = scope_of("GET", path, bearer, type="websocket", scheme="ws", subprotocols=[])
    del scope["method"]

    async def run() -> None:
        with anyio.fail_after(10 * LEFT):
            await app(scope, conversation.receive, conversation.send)

    held_time.run(run, backend)

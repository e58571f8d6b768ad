"""A plain ASGI application that writes down what reached it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from callerid import Caller, Guard
from callerid.asgi import CallerMiddleware
from tests.starlette.world import AT_HAND, STAFF

__all__ = ["GUARD", "Plain", "guarded"]

GUARD = Guard(*AT_HAND)


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

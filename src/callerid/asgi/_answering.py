"""How a refusal is sent: over HTTP, or as the answer to a WebSocket handshake that is not accepted."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from callerid._answers import Answer
from callerid.asgi._exchange import App, Exchange, Message, Receive, Scope, Send
from callerid.guard import log

__all__ = ["deliver", "redressed", "response_of"]

T = TypeVar("T")


async def redressed(hook: Callable[[], Any], kind: type[T]) -> T | None:
    """What ``on_refusal`` has to say instead of the usual answer, if it says something of the right kind."""
    try:
        answer = hook()
        if inspect.isawaitable(answer):
            answer = await answer
    except Exception:  # noqa: BLE001 - a failing hook must not change who is let in
        log.exception("on_refusal failed; the usual answer is sent")
        return None
    return answer if isinstance(answer, kind) else None


def response_of(answer: Answer) -> App:
    """The answer as an application that gives it."""

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - as it is called
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    return respond


async def deliver(response: App, exchange: Exchange) -> None:
    """Send a response in the application's stead; it is HTTP's even where a WebSocket was asked for.

    A handshake is answered by the WebSocket Denial Response extension where the server offers it, else closed with 1008
    (RFC 6455 section 7.4.1), which servers answer with a bare 403.
    """
    scope, receive, send = exchange
    if scope["type"] == "http":
        await response(scope, receive, _without_body(send) if scope["method"] == "HEAD" else send)
    elif "websocket.http.response" in (scope.get("extensions") or {}):
        await response({**scope, "type": "http", "method": "GET"}, receive, _as_denial(send))
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": ""})


def _as_denial(send: Send) -> Send:
    async def deny(message: Message) -> None:
        await send({**message, "type": f"websocket.{message['type']}"})

    return deny


def _without_body(send: Send) -> Send:
    async def send_headers(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return send_headers

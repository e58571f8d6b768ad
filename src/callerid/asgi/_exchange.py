"""What an ASGI application is called with, and the headers in it. Source: the ASGI specification, version 3.0."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple, TypeAlias

__all__ = ["App", "Exchange", "Message", "Receive", "Scope", "Send", "values_of"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


_PATH: Final = b":path"
_METHOD: Final = b":method"


class Exchange(NamedTuple):
    """What an ASGI application is called with."""

    scope: Scope
    receive: Receive
    send: Send


def values_of(scope: Scope, headers: Mapping[bytes, str]) -> dict[str, list[str]]:
    """All values sent in these headers (their names in lower case, as sent and as text), in order.

    Path and method are among them where they are asked for, both or neither.
    """
    sent: dict[str, list[str]] = {}
    for raw_name, raw_value in scope["headers"]:
        if (name := headers.get(raw_name.lower())) is not None:
            sent.setdefault(name, []).append(raw_value.decode("latin-1"))
    if _PATH in headers:
        # Whatever a server let through under that name, which no header can have.
        sent[headers[_PATH]] = [scope["path"]]
        sent[headers[_METHOD]] = [scope["method"] if scope["type"] == "http" else "WEBSOCKET"]
    return sent

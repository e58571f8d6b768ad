"""What an ASGI application is called with, and the headers in it. Source: the ASGI specification, version 3.0."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple, TypeAlias

__all__ = ["App", "Exchange", "Message", "Receive", "Scope", "Send", "values_of"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Exchange(NamedTuple):
    """What an ASGI application is called with."""

    scope: Scope
    receive: Receive
    send: Send


def values_of(scope: Scope, headers: Iterable[str]) -> dict[str, list[str]]:
    """All values sent in these headers (names in lower case), in order."""
    wanted = {name.encode(): name for name in headers}
    sent: dict[str, list[str]] = {}
    for raw_name, raw_value in scope["headers"]:
        name = wanted.get(raw_name.lower())
        if name is not None:
            sent.setdefault(name, []).append(raw_value.decode("latin-1"))
    return sent

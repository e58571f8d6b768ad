"""Endpoints that are classes: which of their methods serve."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint

from callerid._marks import unwrapped

__all__ = ["ANY_METHODS", "class_of", "handled_by", "methods_of"]

ANY_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")


def handled_by(endpoint: Any) -> frozenset[str]:
    """The methods for which an endpoint class has a handler; none where it may answer other methods, too."""
    kind = class_of(endpoint)
    if not issubclass(kind, HTTPEndpoint):
        return frozenset()
    if kind.dispatch is not HTTPEndpoint.dispatch or kind.method_not_allowed is not HTTPEndpoint.method_not_allowed:
        return frozenset()
    handled = {method for method in (*ANY_METHODS, "QUERY") if hasattr(kind, method.lower())}
    return frozenset(handled | ({"HEAD"} if "GET" in handled else set()))


def methods_of(endpoint: Any, handler: str) -> Iterator[Any]:
    """The functions of an endpoint class that would serve this request."""
    kind = class_of(endpoint)
    names: tuple[str, ...] = ()
    if issubclass(kind, HTTPEndpoint):
        names = ("dispatch", handler)
    if issubclass(kind, WebSocketEndpoint):
        names = ("dispatch", "on_connect", "on_receive", "on_disconnect")
    return (getattr(kind, name, None) for name in names)


def class_of(endpoint: Any) -> type[Any]:
    endpoint = unwrapped(endpoint)
    return cast("type[Any]", endpoint) if isinstance(endpoint, type) else type(None)

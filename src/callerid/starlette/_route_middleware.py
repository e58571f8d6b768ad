"""Middleware of one route runs between the decision and the endpoint: check there that it changed nothing.

``Route(middleware=[...])`` wraps the route's application, so that such middleware may change the method or the path
parameters by which the request was judged. Middleware of a mounted application that reads the path by itself may change
the path by which an entry of a path table was looked up. So the innermost application is wrapped in a comparison.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from starlette.routing import Mount, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send

from callerid._marks import DECIDED
from callerid.errors import UnguardedEndpointError
from callerid.guard import log

__all__ = ["OPAQUE_MIDDLEWARE", "changed", "compare_at_endpoint", "is_as_judged", "is_handled_by_the_framework"]

OPAQUE_MIDDLEWARE: Final = (
    "middleware of this route hides the application that it wraps, so that it cannot be seen whether it changes the "
    "method or the path parameters after the decision: keep the wrapped application in an attribute (self.app = app), "
    "or put the middleware on the application or a mount"
)

_DEEPEST: Final = 20
_FRAMEWORK: Final = ("starlette.routing", "fastapi.routing")


def is_as_judged(decided: Any, scope: Scope) -> bool:
    """Whether a scope still has the method and the path parameters by which its request was judged, if it was."""
    return decided.judged_request in (None, (scope.get("method"), dict(scope.get("path_params") or {})))


def changed(name: str) -> UnguardedEndpointError:
    """The error for a route whose request is not the one that was judged: logged, answered with 500."""
    error = UnguardedEndpointError(
        f"{name}: what runs between the decision and the endpoint, such as middleware of the route, changed the method "
        "or the path by which the request was judged: change them outside of the guard, or in the endpoint"
    )
    log.warning("%s", error, extra={"callerid": {"outcome": "unguarded"}})
    return error


class _Held(NamedTuple):
    """A reference to an application: the application, and a function that replaces it there."""

    value: Any
    replace: Callable[[Any], None]


class _Compared:
    """The innermost application of a route: it serves only the method and the path parameters that were judged."""

    def __init__(self, app: Any, name: str) -> None:
        self.app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        decided: Any = DECIDED.get()
        if decided is not None and not self._is_as_judged(decided, scope):
            raise changed(self._name)
        await self.app(scope, receive, send)

    def _is_as_judged(self, decided: Any, scope: Scope) -> bool:
        return is_as_judged(decided, scope)


class _ComparedPath(_Compared):
    """A mounted application behind middleware: it serves only the path by which an entry was looked up, if one was."""

    def _is_as_judged(self, decided: Any, scope: Scope) -> bool:
        return decided.judged_path in (None, (scope.get("method"), scope["path"], scope.get("root_path", "")))


def compare_at_endpoint(route: Any) -> str:
    """Wrap the endpoint of a route with middleware in a comparison. Returns why that is impossible, else ``""``."""
    if not isinstance(route, Route | WebSocketRoute | Mount):
        return ""
    if _is_endpoint(route.app, route) and is_handled_by_the_framework(route):
        return ""
    held = _innermost(_Held(route.app, partial(setattr, route, "app")), route, _DEEPEST)
    if held is None:
        # The mount is then opaque and judged as a whole.
        return "" if isinstance(route, Mount) else OPAQUE_MIDDLEWARE
    if not isinstance(held.value, _Compared):
        kind = _ComparedPath if isinstance(route, Mount) else _Compared
        held.replace(kind(held.value, route.path))
    return ""


def is_handled_by_the_framework(route: Any) -> bool:
    """Whether a route's ``handle`` is the framework's own."""
    # By the class that defines it, not the function's module: instrumentation patches the framework's classes.
    owner = next(kind for kind in type(route).__mro__ if "handle" in vars(kind))
    return "handle" not in vars(route) and owner.__module__.partition(".")[0] in ("starlette", "fastapi")


def _innermost(held: _Held, route: Any, depth: int) -> _Held | None:
    if isinstance(held.value, _Compared) or _is_endpoint(held.value, route):
        return held
    if depth:
        for inner in _inside(held.value):
            found = _innermost(inner, route, depth - 1)
            if found is not None:
                return found
    return None


def _is_endpoint(app: Any, route: Any) -> bool:
    if isinstance(route, Mount):
        return app is getattr(route, "_base_app", app)
    if app is route.endpoint:
        return True
    return isinstance(app, types.FunctionType) and app.__module__ in _FRAMEWORK and "<locals>" in app.__qualname__


def _inside(app: Any) -> Iterator[_Held]:
    """The applications that a middleware may wrap: in its attributes, or in what its function encloses."""
    if isinstance(app, types.FunctionType | types.MethodType):
        for cell in getattr(app, "__closure__", None) or ():
            yield _Held(_contents(cell), partial(setattr, cell, "cell_contents"))
        return
    members: dict[str, Any] = {} if isinstance(app, type) else getattr(app, "__dict__", {})
    for name, value in members.items():
        if callable(value):
            yield _Held(value, partial(setattr, app, name))


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # the cell is still empty
        return None

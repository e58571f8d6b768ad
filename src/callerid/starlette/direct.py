"""Handing a request to its route as the framework's own dispatch does, where that dispatch is known.

Starlette's `Router.app` and FastAPI's `APIRouter.app` do little between the match and ``route.handle``. Where the
dispatch of a router is exactly one of these, the guard does that little itself, with the match that it has judged: no
second match exists that could disagree. Anywhere else the framework's dispatch runs over a table of the one route (see
``narrow``).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from starlette.routing import BaseRoute, Route, Router, WebSocketRoute
from starlette.types import Scope

__all__ = ["Prepare", "is_plain", "preparation_of"]


def is_plain(route: object) -> bool:
    """Whether a route is exactly of one of the framework's own classes that serve an endpoint."""
    kind = type(route)
    return kind in (Route, WebSocketRoute) or (
        kind.__module__ == "fastapi.routing" and kind.__name__ in ("APIRoute", "APIWebSocketRoute")
    )


Prepare: TypeAlias = Callable[[Router, BaseRoute, Scope, Scope], None]
"""Writes into a scope what the dispatch would: for a router, its route, the scope and what the match adds to it."""

_STARLETTES: Final = Router.app
_SETS_ROUTE: Final = "route" in _STARLETTES.__code__.co_consts
"""Whether this release of Starlette names the route in the scope."""


def preparation_of(serve: Any) -> Prepare | None:
    """What this dispatch does between match and ``route.handle``; ``None`` where it is not known."""
    if serve is _STARLETTES:
        return _starlette
    fastapis: Any = sys.modules.get("fastapi.routing")
    return _fastapi(fastapis) if fastapis is not None and serve is getattr(fastapis.APIRouter, "app", None) else None


def _starlette(_: Router, route: BaseRoute, scope: Scope, found: Scope) -> None:
    if _SETS_ROUTE:  # pragma: no branch - older releases do not
        scope["route"] = route
    scope.update(found)


def _fastapi(module: Any) -> Prepare | None:
    """As ``fastapi.routing.APIRouter.app`` does in the newest releases, by its own functions, which are private."""
    names = module.APIRouter.app.__code__.co_names
    if not all(name in names and hasattr(module, name) for name in _FASTAPIS):
        return None  # pragma: no cover - older releases
    limit, update, select = (getattr(module, name) for name in _FASTAPIS)

    def prepare(router: Any, route: Any, scope: Scope, found: Scope) -> None:
        limit(scope, router.form_limits)
        update(scope, found)
        select(scope=scope, path=getattr(route, "path_format", None), mount=False)

    return prepare


_FASTAPIS: Final = ("_apply_router_form_limits", "_update_scope", "_route_selected")

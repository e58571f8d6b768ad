"""Calling a route as the framework's own dispatch does, with the match that was judged.

Starlette's `Router.app` and FastAPI's `APIRouter.app` do little between the match and ``route.handle``. The guard does
the same itself, so that there is no second match with another result. A router with a dispatch of its own cannot be
guarded from inside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from starlette.datastructures import URL
from starlette.responses import RedirectResponse
from starlette.routing import Mount, Router
from starlette.types import Receive, Scope, Send

__all__ = ["Prepare", "preparation_of", "redirect", "separate", "serves", "still_serves"]


def serves(route: Any) -> tuple[Any, Any]:
    """The endpoint and the ASGI application of a route."""
    return getattr(route, "endpoint", None), getattr(route, "app", None)


def still_serves(route: Any, then: tuple[Any, Any]) -> bool:
    """Whether a route still has the same objects: those that compare equal may have other marks."""
    return getattr(route, "endpoint", None) is then[0] and getattr(route, "app", None) is then[1]


Prepare: TypeAlias = Callable[[Router, Any, Scope, Scope], None]
"""Sets in a scope what the dispatch sets there. Arguments: router, route, scope, and what the match adds to it."""


def preparation_of(router: Router, serve: Any) -> Prepare | None:
    """What a router's dispatch does between match and ``route.handle``; ``None`` where it is not the framework's."""
    owner = next((kind for kind in type(router).__mro__ if vars(kind).get("app") is serve), None)
    # Where its code is from: functools.wraps gives a wrapper the name of the module that it wraps a function of.
    module = getattr(serve, "__globals__", {}).get("__name__")
    if owner is Router and module == "starlette.routing":
        return _starlette_with_route if "route" in serve.__code__.co_consts else _starlette
    if owner is not None and owner.__module__ == module == "fastapi.routing":
        return _fastapi(serve)
    return None


def _starlette(_: Router, _route: Any, scope: Scope, found: Scope) -> None:
    scope.update(found)  # pragma: no cover - older releases of Starlette


def _starlette_with_route(_: Router, route: Any, scope: Scope, found: Scope) -> None:
    scope["route"] = route
    scope.update(found)


def _fastapi(serve: Any) -> Prepare:
    """As ``fastapi.routing.APIRouter.app`` does, by its own functions, which are private and differ with releases."""
    limit, update, select = (
        serve.__globals__.get(name, other) if name in serve.__code__.co_names else other
        for name, other in _FASTAPIS.items()
    )

    def prepare(router: Any, route: Any, scope: Scope, found: Scope) -> None:
        separate(scope)
        limit(scope, getattr(router, "form_limits", None))
        update(scope, found)
        select(scope=scope, path=getattr(route, "path_format", None), mount=isinstance(route, Mount))

    return prepare


def separate(scope: Scope) -> None:
    """Give a scope a dictionary of FastAPI's own: copies of a scope share one, and what serves is read from it."""
    shared = scope.get("fastapi")
    if isinstance(shared, dict):
        scope["fastapi"] = {**shared}


def _nothing(*_: Any, **__: Any) -> None:
    """Stands in for a function that this release of FastAPI does not have."""


_FASTAPIS: Final[dict[str, Any]] = {
    "_apply_router_form_limits": _nothing,
    "_update_scope": dict[str, Any].update,
    "_route_selected": _nothing,
}


async def redirect(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a redirect to the path of this scope, as ``Router.app`` does. Source: starlette/routing.py."""
    await RedirectResponse(url=str(URL(scope=scope)))(scope, receive, send)

"""Slash redirects: a router without a route for a path redirects to the same path with or without a final slash."""

from __future__ import annotations

from starlette.routing import Router
from starlette.types import Scope

__all__ = ["redirected"]


def redirected(router: Router, scope: Scope) -> Scope | None:
    """The scope of the path that the router would redirect to, if a route matches there; ``None`` if it would not.

    The same conditions as in ``Router.app``. Source: starlette/routing.py.
    """
    if scope["type"] != "http" or not router.redirect_slashes:
        return None
    path: str = scope["path"]
    route_path = _route_path(path, scope.get("root_path", ""))
    if route_path == "/":
        return None
    return {**scope, "path": path.rstrip("/") if route_path.endswith("/") else path + "/"}


def _route_path(path: str, root_path: str) -> str:
    """The path below ``root_path``, by which routes match; one that is not below it as a whole.

    Source: ``get_route_path`` in starlette/_utils.py.
    """
    rest = path.removeprefix(root_path)
    return rest if not rest or rest.startswith("/") else path

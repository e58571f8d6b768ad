"""Slash redirects: a router without a route for a path redirects to the same path with or without a final slash."""

from __future__ import annotations

from starlette.routing import Router
from starlette.types import Scope

__all__ = ["redirected"]


def redirected(router: Router, scope: Scope) -> Scope | None:
    """The scope of the path that the router would redirect to, if a route matches there; ``None`` if it would not.

    The same conditions as in ``Router.app``. Source: starlette/routing.py.
    """
    path: str = scope["path"]
    if scope["type"] != "http" or not router.redirect_slashes or path.removeprefix(scope.get("root_path", "")) == "/":
        return None
    return {**scope, "path": path.rstrip("/") if path.endswith("/") else path + "/"}

"""Where a router redirects what it has no route for: to the same path with or without a slash at the end."""

from __future__ import annotations

from starlette.routing import Router
from starlette.types import Scope

__all__ = ["redirected"]


def redirected(router: Router, scope: Scope) -> Scope | None:
    """The scope of the path to which the router would redirect if a route matches there; ``None`` if it never would.

    As ``Router.app`` has it, which answers in the end. Source: starlette/routing.py.
    """
    path: str = scope["path"]
    if scope["type"] != "http" or not router.redirect_slashes or path.removeprefix(scope.get("root_path", "")) == "/":
        return None
    return {**scope, "path": path.rstrip("/") if path.endswith("/") else path + "/"}

"""Which router an application that is mounted, or protected, is known to call."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount, Router

from callerid.starlette._decorator import MarkedApp

__all__ = ["LONGEST_CHAIN", "end_of_chain", "reaches_base", "router_of"]


def router_of(app: Any) -> Router | None:
    """The router that this application is known to call for every request that its own middleware forwards."""
    if isinstance(app, MarkedApp):
        return router_of(app.app)
    if isinstance(app, Starlette) and _is_called_as_the_framework_calls(app):
        router = end_of_chain(app.middleware_stack) if app.middleware_stack is not None else app.router
        return router_of(router if isinstance(router, Router) else app.router)
    if isinstance(app, Router) and _is_called_as_the_framework_calls(app):
        return app
    return None


def _is_called_as_the_framework_calls(app: Any) -> bool:
    # By the class that defines it, not the function's module: instrumentation patches the framework's classes.
    kinds = iter(type(app).__mro__)
    owner = next(kinds)
    while "__call__" not in owner.__dict__:
        owner = next(kinds)
    return owner.__module__.startswith(("starlette.", "fastapi."))


LONGEST_CHAIN = 100
"""Longer chains of middleware are assumed to be endless."""


def end_of_chain(app: Any) -> Any:
    """The application at the end of a chain of middleware; ``None`` for an endless chain."""
    for _ in range(LONGEST_CHAIN):
        inner = getattr(app, "app", None)
        if inner is None or isinstance(app, Router):
            return app
        app = inner
    return None


def reaches_base(mount: Mount) -> bool:
    """Whether a mount is known to call the application that it was given, through its own middleware."""
    base: Any = getattr(mount, "_base_app", None)
    app: Any = mount.app
    # Only the middleware of Mount(middleware=[...]) is known to forward to the mounted application.
    for _ in range(LONGEST_CHAIN):
        if app is base or app is None or isinstance(app, MarkedApp):
            return app is base
        app = getattr(app, "app", None)
    return False

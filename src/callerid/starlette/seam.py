"""Where a guard sits: in place of ``Router.app``, between a router's middleware and its own dispatch.

Resolve once, decide, let the framework serve from a table of one.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from callerid.errors import ConfigurationError
from callerid.marks import DECIDED
from callerid.starlette.narrow import deaf
from callerid.starlette.passage import KEY, Exchange, Passage
from callerid.starlette.protection import HeldSend, Protection
from callerid.starlette.reading import end_of_chain, router_of

__all__ = ["Seam", "install", "install_in_app"]

_installing = threading.Lock()


class Seam:
    """One router's seam. Without a protection of its own it judges only requests that come from a protected router."""

    def __init__(self, router: Router, serve: Any) -> None:
        self.router = router
        self.serve = serve
        self.protection: Protection | None = None
        self.start: Callable[[], None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, if it may."""
        if scope["type"] not in ("http", "websocket"):
            if scope["type"] == "lifespan" and self.start is not None:
                self.start()
            await self.serve(self.router, scope, receive, send)
            return
        passage = self._passage(scope)
        if passage is None:
            await self.serve(self.router, scope, receive, send)
            return
        if self.start is not None:
            self.start()
        await self._pass(passage, Exchange(scope, receive, send))

    def _passage(self, scope: Scope) -> Passage | None:
        passage = scope.get(KEY)
        if self.protection is None:
            if isinstance(passage, Passage):
                passage.undecide()
                return passage
            return None
        # What was decided before is another pass of the same request (a retry) or was judged whole (an opaque mount).
        if not isinstance(passage, Passage) or not passage.pending:
            passage = scope[KEY] = Passage()
        passage.enter(self.protection)
        return passage

    async def _pass(self, passage: Passage, exchange: Exchange) -> None:
        scope = exchange.scope
        protection, reader = passage.protection, passage.protection.reader
        routes = tuple(self.router.routes)
        passage.note(reader.around(self.router))
        here = scope.get("path_params") or {}
        try:
            step = reader.resolve(routes, scope) or reader.last_resort(self.router, scope)
        except Exception:
            # What a route's own matching raises is shown to those alone whom the default admits.
            if await protection.admit(passage, None, here, exchange):
                raise
            return
        if step is None:
            if await protection.admit(passage, None, here, exchange):
                await self._dispatch(passage, deaf(self.router, routes), exchange)
            return
        passage.note(step.places)
        if step.behind is not None:
            install(step.behind)
            held = HeldSend(passage, exchange)
            await self._dispatch(passage, step.table(self.router), exchange._replace(send=held))
            return
        place = step.places[-1] if step.endpoint else None
        if await protection.admit(passage, place, step.path, exchange):
            await self._dispatch(passage, step.table(self.router), exchange)

    async def _dispatch(self, passage: Passage, router: Router, exchange: Exchange) -> None:
        exchange.scope.setdefault("router", self.router)
        token = DECIDED.set(passage)
        try:
            await self.serve(router, *exchange)
        finally:
            DECIDED.reset(token)


def install(router: Router) -> Seam:
    """Put a seam where the router's own dispatch runs; the one that is there already stays.

    Raises `ConfigurationError` where the dispatch cannot be found.
    """
    with _installing:
        holder: Any = router
        name = "middleware_stack"
        for _ in range(100):
            current = getattr(holder, name, None)
            if isinstance(current, Seam):
                return current
            if inspect.ismethod(current) and current.__self__ is router:
                seam = Seam(router, current.__func__)
                setattr(holder, name, seam)
                return seam
            holder, name = current, "app"
    raise ConfigurationError(
        f"the routes of {router!r} cannot be bound to rules: its dispatch is not reached through its middleware. "
        "Use Starlette's or FastAPI's own router, or guard the application by path with CallerMiddleware"
    )


def install_in_app(app: Starlette, protection: Protection, start: Callable[[], None]) -> None:
    """Protect an application's router: the one it has, and any other it may be given before it starts."""

    def protect(router: Any) -> None:
        if not isinstance(router, Router) or router_of(router) is not router:
            raise ConfigurationError(
                f"the routes of {router!r} cannot be bound to rules: it is no router of Starlette's or FastAPI's that "
                "dispatches by itself; guard the application by path with CallerMiddleware"
            )
        seam = install(router)
        if seam.protection not in (None, protection):
            raise ConfigurationError("this application is protected already: call protect once, with all its rules")
        seam.protection = protection
        seam.start = start

    build = app.build_middleware_stack

    def build_protected_stack() -> ASGIApp:
        protect(app.router)
        return build()

    protect(app.router)
    app.build_middleware_stack = build_protected_stack  # type: ignore[method-assign]
    if app.middleware_stack is not None:
        protect(end_of_chain(app.middleware_stack))

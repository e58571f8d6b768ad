"""Where a guard sits: in place of ``Router.app``, between a router's middleware and its own dispatch.

Resolve once, decide, let the framework serve from a table of one.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from callerid.asgi.exchange import Exchange
from callerid.errors import ConfigurationError
from callerid.marks import DECIDED
from callerid.starlette.narrow import Narrowing, deaf, is_narrowable
from callerid.starlette.passage import KEY, Passage
from callerid.starlette.protection import HeldSend, Protection
from callerid.starlette.reading import LONGEST_CHAIN, Step, end_of_chain, router_of

__all__ = ["Seam", "install", "install_in_app"]

_installing = threading.Lock()


class Seam:
    """One router's seam. Without a protection of its own it judges only requests that come from a protected router."""

    def __init__(self, router: Router, serve: Any) -> None:
        self.router = router
        self.serve = serve
        self.protection: Protection | None = None
        self.start: Callable[[], None] | None = None
        self._narrowing = Narrowing(router, serve)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, if it may."""
        if scope["type"] == "lifespan":
            await self._live(Exchange(scope, receive, send))
            return
        above = scope.get(KEY)
        if above is None or not isinstance(above, Passage):
            above = DECIDED.get()
            # Middleware of a mount may have made a scope of its own.
            if above is not None and (not isinstance(above, Passage) or above.leads_to is not self.router):
                above = None
        passage = self._passage(above, scope)
        if passage is None:
            await self.serve(self.router, scope, receive, send)
            return
        if self.start is not None:
            self._start()
        scope[KEY] = passage
        try:
            exchange = Exchange(scope, receive, send)
            decided = self._decided(passage, exchange)
            router = decided if isinstance(decided, Router) else await decided
            if router is not None:
                scope.setdefault("router", self.router)
                token = DECIDED.set(passage)
                try:
                    await self._dispatch(passage, router, exchange)
                finally:
                    DECIDED.reset(token)
        finally:
            # Whatever uses this scope again starts from where it stood.
            scope[KEY] = above

    async def _live(self, exchange: Exchange) -> None:
        try:
            self._start()
        except Exception as error:
            await exchange.receive()
            await exchange.send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        await self.serve(self.router, *exchange)

    def _start(self) -> None:
        if self.start is not None:
            self.start()
            self.start = None

    def _passage(self, above: Passage | None, scope: Scope) -> Passage | None:
        protection = self.protection
        if protection is None:
            return None if above is None else above.onwards()
        # What leads to no router was judged whole: this is a request of its own.
        passage = Passage() if above is None or above.leads_to is None else above.onwards()
        passage.way = protection.ways.get(passage.way) or passage.way.under(protection)
        return passage

    def _decided(self, passage: Passage, exchange: Exchange) -> Router | Awaitable[Router | None]:
        """The router with what may be served; ``None`` where the request was refused, and answered.

        At once for most requests; the others have to be awaited.
        """
        scope, router = exchange.scope, self.router
        protection = passage.way.areas[-1][0]
        reader = protection.reader
        around = reader.around(router)
        if around:
            passage.note(around)
        try:
            step = reader.resolve(router.routes, scope) or reader.last_resort(router, scope)
        except Exception as error:  # noqa: BLE001 - raised again
            return self._unresolved(error, passage, exchange)
        if step is None:
            return self._nowhere(tuple(router.routes), passage, exchange)
        passage.note(step.places)
        passage.step = step
        if step.behind is not None and install(step.behind) is not None:
            passage.leads_to = step.behind
            return step.table(self._narrowing)
        place = step.places[-1] if step.endpoint else None
        waiting = protection.decide(passage, place, step.path, exchange)
        return step.table(self._narrowing) if waiting is None else self._waited_for(waiting, step)

    async def _waited_for(self, waiting: Awaitable[bool], step: Step) -> Router | None:
        return step.table(self._narrowing) if await waiting else None

    async def _nowhere(self, routes: tuple[BaseRoute, ...], passage: Passage, exchange: Exchange) -> Router | None:
        admitted = await passage.protection.admit(passage, None, exchange.scope.get("path_params") or {}, exchange)
        return deaf(self.router, routes) if admitted else None

    async def _unresolved(self, error: Exception, passage: Passage, exchange: Exchange) -> None:
        """What a route's own matching raises is shown to those alone whom the default admits."""
        if await passage.protection.admit(passage, None, exchange.scope.get("path_params") or {}, exchange):
            raise error

    def _dispatch(self, passage: Passage, router: Router, exchange: Exchange) -> Awaitable[None]:
        scope, receive, send = exchange
        if passage.leads_to is not None:
            send = HeldSend(passage, exchange)
        elif scope["type"] == "websocket":
            serve = functools.partial(self.serve, router)
            return passage.protection.websockets.serve(serve, exchange, passage.ends, passage.lapses)
        served: Awaitable[None] = self.serve(router, scope, receive, send)
        return served


def install(router: Router) -> Seam | None:
    """Put a seam where the router's own dispatch runs; the one that is there already stays.

    ``None`` where the dispatch cannot be found, or would not keep to the table it is given.
    """
    if isinstance(router.middleware_stack, Seam):
        return router.middleware_stack
    with _installing:
        holder: Any = router
        name = "middleware_stack"
        for _ in range(LONGEST_CHAIN):
            current = getattr(holder, name, None)
            if isinstance(current, Seam):
                return current
            if inspect.ismethod(current) and current.__self__ is router and is_narrowable(router):
                seam = Seam(router, current.__func__)
                setattr(holder, name, seam)
                return seam
            holder, name = current, "app"
    return None


def install_in_app(app: Starlette, protection: Protection, start: Callable[[], None]) -> None:
    """Protect an application's router: the one it has, and any other it may be given before it starts."""

    def protect(router: Any) -> None:
        seam = install(router) if isinstance(router, Router) and router_of(router) is router else None
        if seam is None:
            raise ConfigurationError(
                f"the routes of {router!r} cannot be bound to rules: it is no router of Starlette's or FastAPI's that "
                "dispatches by itself; guard the application by path with CallerMiddleware"
            )
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

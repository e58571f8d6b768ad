"""The guard is the dispatch: it replaces ``Router.app``, behind a router's own middleware.

It matches the request against the router's routes once, authorizes it by the policy of the route that matched, and
calls that route with that match. No code of the application runs between the decision and the route, and there is no
second match that could have another result.
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from callerid._marks import DECIDED
from callerid.asgi._exchange import Exchange
from callerid.errors import ConfigurationError, Refusal
from callerid.paths import ambiguous
from callerid.starlette._deciding import GatedSend, admit, answer_raised, decide
from callerid.starlette._handover import Prepare, preparation_of, redirect
from callerid.starlette._mounted import LONGEST_CHAIN, end_of_chain, router_of
from callerid.starlette._protection import Protection
from callerid.starlette._redirects import redirected
from callerid.starlette._route_chain import BEGINNING
from callerid.starlette._route_context import KEY, RouteContext
from callerid.starlette._routes import NONE, Step
from callerid.starlette._scope import INTRODUCED, RequestState, StateMiddleware, publish

__all__ = ["GuardedDispatch", "install", "install_in_app"]

_installing = threading.Lock()


class GuardedDispatch:
    """One router's dispatch. Without a protection of its own it judges only what a protected router forwards."""

    def __init__(self, router: Router, serve: Any, prepare: Prepare) -> None:
        self.router = router
        self.serve = serve
        self.prepare = prepare
        self.protection: Protection | None = None
        self.beginning = BEGINNING
        """The chain of a request that no outer router forwarded."""
        self.start: Callable[[], None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, if it may."""
        if scope["type"] == "lifespan":
            await self._live(Exchange(scope, receive, send))
            return
        context = self._context_of(scope)
        if context is None:
            await self.serve(self.router, scope, receive, send)
            return
        if self.start is not None:
            self._start()
        # A copy of the scope: nobody who holds the original can change it between check and dispatch.
        own = dict(scope)
        own[KEY] = context
        waiting = self._decide(context, own, receive, send)
        if waiting is not None and not await waiting:
            return
        if "router" not in own:
            own["router"] = self.router
        for outer in context.outer_scopes:
            publish(own, context.step, outer)
        handlers = scope.get("starlette.exception_handlers")  # those of the innermost application
        if handlers is not None and Refusal not in handlers[0]:
            handlers[0][Refusal] = functools.partial(answer_raised, context.chain.protection)
        token = DECIDED.set(context)
        try:
            await self._dispatch(context, own, receive, send)
        finally:
            DECIDED.reset(token)

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

    def _context_of(self, scope: Scope) -> RouteContext | None:
        """The request's context in this router; ``None`` where no guard protects the router."""
        protection = self.protection
        # The scope's context; or the context variable's, where middleware has made a new scope.
        nearest: Any = scope.get(KEY)
        if type(nearest) is not RouteContext:
            nearest = DECIDED.get()
        above = nearest.leading_to(self.router) if type(nearest) is RouteContext else None
        if above is not None:
            context = above.onwards()
            if protection is not None:
                context.enter(protection)
        elif protection is not None:
            # No outer router forwarded it: it is new, or the outer app was opaque. Treat it as a new request.
            context = RouteContext(self.beginning)
        elif type(scope.get(KEY)) is not RouteContext:
            return None
        else:
            context = nearest.past_the_routes()
        state = scope.get("state")
        if type(state) is not RequestState or not state.is_served:
            context.outer_scopes = (scope,) if above is None or not above.pending else (scope, *above.outer_scopes)
        return context

    def _decide(self, context: RouteContext, scope: Scope, receive: Receive, send: Send) -> Awaitable[bool] | None:
        """Find the route and decide: ``None`` for a request that is admitted at once, else an awaitable.

        The awaitable gives ``False`` for a request that was refused and answered.
        """
        router, reader = self.router, context.chain.protection.reader
        around = reader.around(router)
        if around:
            context.note(around)
        try:
            step = reader.resolve(router.routes, scope) or reader.last_resort(router, scope)
        except Exception as error:  # noqa: BLE001 - raised again
            return self._unresolved(error, context, Exchange(scope, receive, send))
        if step is None:
            return self._nowhere(tuple(router.routes), context, Exchange(scope, receive, send))
        context.note(step.places)
        context.step = step
        if step.behind is not None and install(step.behind) is not None:
            context.leads_to = step.behind
            return None
        context.place, context.path = step.places[-1] if step.endpoint else None, step.path
        return decide(context, scope, receive, send)

    async def _nowhere(self, routes: tuple[BaseRoute, ...], context: RouteContext, exchange: Exchange) -> bool:
        """Decide where no route matches: by the default, or for a slash redirect by the policy of its target."""
        scope = exchange.scope
        target = redirected(self.router, scope)
        # For a path that could be read in two ways no route's rule counts, only the default.
        is_ambiguous = ambiguous(scope["path"], scope.get("raw_path"), method=scope.get("method", "GET")) is not None
        try:
            step = None if target is None or is_ambiguous else self._follow(routes, context, target)
            if target is not None and step is None and not (is_ambiguous and _leads(routes, target)):
                target = None
        except Exception as error:  # noqa: BLE001 - raised again
            return await self._unresolved(error, context, exchange)
        # Answer what was judged: a route that is added in the meantime must not serve this request.
        context.answer = self.router.default if target is None else functools.partial(_redirected, target)
        if target is None or step is None:
            return await admit(context, None, scope.get("path_params") or {}, exchange)
        place = step.places[-1] if step.endpoint and context.step is step else None
        context.uses_up = False  # the target does
        admitted = await admit(context, place, step.path, exchange._replace(scope=target))
        scope.update({name: target[name] for name in INTRODUCED if name in target})
        context.step = None
        return admitted

    def _follow(self, routes: Iterable[BaseRoute], context: RouteContext, target: Scope) -> Step | None:
        """The route that a redirect leads to, through any number of mounted routers; ``None`` if there is none.

        The context collects the rules on the way. Its step is that of the route, unless a mount on the way has no route
        for the rest of the path.
        """
        router, scope, found = self.router, target, None
        while True:
            reader = context.protection.reader
            step = reader.resolve(routes, scope) or (None if found is None else reader.last_resort(router, scope))
            context.step = step
            if step is None:
                return found
            context.note(step.places)
            inner = None if step.behind is None else install(step.behind)
            if inner is None:
                return step
            router, routes, scope, found = inner.router, inner.router.routes, {**scope, **step.judged}, step
            if inner.protection is not None:
                context.enter(inner.protection)
            context.note(context.protection.reader.around(router))

    async def _unresolved(self, error: Exception, context: RouteContext, exchange: Exchange) -> bool:
        """An exception of a route's own matching is raised only for callers whom the default admits."""
        if await admit(context, None, exchange.scope.get("path_params") or {}, exchange):
            raise error
        return False

    def _dispatch(self, context: RouteContext, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        step, protection = context.step, context.chain.protection
        if context.leads_to is not None:
            send = GatedSend(context, Exchange(scope, receive, send))
        elif scope["type"] == "websocket":
            exchange = Exchange(scope, receive, send)
            return protection.websockets.serve(self._served(context), exchange, context.ends, context.lapses)
        elif protection.mcp_sessions.concerns(scope):
            exchange, enforced = Exchange(scope, receive, send), not context.is_report_only(protection.guard)
            return protection.mcp_sessions.serve(self._served(context), exchange, context.caller, enforced=enforced)
        if step is not None:
            return step.hand_over(self, scope, receive, send)
        answered: Awaitable[None] = context.answer(scope, receive, send)
        return answered

    def _served(self, context: RouteContext) -> Any:
        """The application that serves an admitted request."""
        return context.answer if context.step is None else functools.partial(context.step.hand_over, self)


def _leads(routes: Iterable[BaseRoute], target: Scope) -> bool:
    return any(route.matches(target)[0] is not NONE for route in routes)


async def _redirected(target: Scope, _: Scope, receive: Receive, send: Send) -> None:
    await redirect(target, receive, send)


def install(router: Router) -> GuardedDispatch | None:
    """Put a guarded dispatch in the place of the router's own; one that is installed already stays.

    ``None`` where the router's dispatch cannot be found, or is not the framework's own.
    """
    if isinstance(router.middleware_stack, GuardedDispatch):
        return router.middleware_stack
    with _installing:
        holder: Any = router
        name = "middleware_stack"
        for _ in range(LONGEST_CHAIN):
            current = getattr(holder, name, None)
            if isinstance(current, GuardedDispatch):
                return current
            if inspect.ismethod(current) and current.__self__ is router:
                prepare = preparation_of(router, current.__func__)
                if prepare is None:
                    return None
                dispatch = GuardedDispatch(router, current.__func__, prepare)
                setattr(holder, name, dispatch)
                return dispatch
            holder, name = current, "app"
    return None


def install_in_app(app: Starlette, protection: Protection, start: Callable[[], None]) -> None:
    """Protect an application's router: the one it has, and any other it may be given before it starts."""

    def protect(router: Any) -> None:
        dispatch = install(router) if isinstance(router, Router) and router_of(router) is router else None
        if dispatch is None:
            raise ConfigurationError(
                f"the routes of {router!r} cannot be bound to rules, since it does not dispatch as Starlette's and "
                "FastAPI's own routers do: put what its app does by itself into middleware, or guard the application "
                "by path with CallerMiddleware",
                code="router-not-bound",
            )
        if dispatch.protection not in (None, protection):
            raise ConfigurationError(
                "this application is protected already: call protect once, with all its rules", code="protected-twice"
            )
        dispatch.protection, dispatch.beginning = protection, BEGINNING.under(protection)
        dispatch.start = start

    build = app.build_middleware_stack

    def build_protected_stack() -> ASGIApp:
        protect(app.router)
        return StateMiddleware(build(), app.router, protect)

    protect(app.router)
    app.build_middleware_stack = build_protected_stack  # type: ignore[method-assign]
    if app.middleware_stack is not None:
        router = end_of_chain(app.middleware_stack)
        protect(router)
        app.middleware_stack = StateMiddleware(app.middleware_stack, router, protect)

"""``CallerMiddleware``: an ASGI application of any framework, guarded by path.

It has no routes to ask, so that it must read the path as the application will. Whatever rewrites a path or a method
stands outside of it; CORS middleware, too, so that refusals carry its headers; nothing that answers from a cache does.
It reads no marks: an endpoint marked with ``guard.allow`` behind it alone answers 500.

A request is judged before the application is called and before its body is read. A response that streams for longer
than the token lives is sent to its end: who may ask was decided when they asked. A WebSocket is not, see `WebSockets`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

from callerid._answers import Answer, dressed
from callerid._applications import OUTSIDE_OF_CORS, cors_inside
from callerid.asgi._answering import deliver, redressed, response_of
from callerid.asgi._exchange import App, Exchange, Receive, Scope, Send
from callerid.asgi._mcp import McpSessions
from callerid.asgi._prefixes import Prefixes
from callerid.asgi._websockets import WebSockets, postponed
from callerid.authentication import resolve_async
from callerid.authorization import named
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Refusal
from callerid.guard import GuardCore, Requirement, log
from callerid.paths import WEBSOCKET, Admitted, Gate, Refused, checked_root
from callerid.rules import Rule

__all__ = ["CallerMiddleware", "OnRefusal"]

OnRefusal: TypeAlias = Callable[[Scope, Refusal], Awaitable[Answer | None] | Answer | None]
"""Re-dresses a refusal: the answer to send instead, or ``None`` for the usual one. It can never let a request in."""


class CallerMiddleware:
    """An ASGI application in which every request is judged by its path, HTTP and WebSocket alike.

    What all adapters share is described in `callerid.guard.GuardCore`. Here:

    - ``default``: holds for every path that ``routes`` has no entry for.
    - ``routes``: patterns over the path, see `callerid.paths.PathTable`.
    - ``floor``: holds everywhere, whatever an entry says.
    - ``on_refusal(scope, refusal)``: may give another answer to a refused request.
    - ``root_path``: the prefix that the application cuts off paths by itself.
    - ``websockets``: how sockets are treated (see `WebSockets`).
    - ``mcp_sessions``: how a session of an MCP server is bound to who began it (see `McpSessions`).
    - ``enforce=False, until="2027-01-31"``: lets everybody in to the end of that day, callers known or not.
    - ``shadow``: a table to take the place of ``routes``, compared with it and never an answer.
    - ``audit``: patterns of the paths whose allowed requests are logged, too.

    Paths are relative to where the application is mounted: the scope's ``root_path``, or ``root_path=`` where the
    server does not say it and the application cuts that prefix off paths by itself. The path as it is written may have
    entries as well; all that are met must admit. FastAPI's own ``root_path`` and Django's ``FORCE_SCRIPT_NAME`` are
    recognised: unless ``root_path=`` names the same prefix, the path with it and the path without it must both be
    admitted, each by its entry or the default. A path that the application may read in another way is refused with 400
    (see `ambiguous` and `PathLookup` in `callerid.paths`).

    The caller is in ``scope["state"]["caller"]``, ``None`` for nobody, and in ``scope["user"]``, which is absent for
    nobody; a user whom an outer middleware has put there stays. Raises `ConfigurationError`.
    """

    def __init__(  # noqa: PLR0913 - plain settings, each with a name
        self,
        app: App,
        *,
        guard: GuardCore,
        default: Rule | str | Requirement,
        routes: Mapping[str, Rule | str | Requirement] = MappingProxyType({}),
        floor: Rule | str | Requirement | None = None,
        on_refusal: OnRefusal | None = None,
        websockets: WebSockets = WebSockets(),  # noqa: B008 - frozen
        enforce: bool = True,
        until: str | date | None = None,
        shadow: Mapping[str, Rule | str | Requirement] | None = None,
        audit: Iterable[str] = (),
        root_path: str | None = None,
        mcp_sessions: McpSessions | None = None,
    ) -> None:
        if on_refusal is not None and not callable(on_refusal):
            raise ConfigurationError(
                "on_refusal is a function of the scope and the refusal", code="on-refusal-not-a-function"
            )
        if not isinstance(websockets, WebSockets):
            raise ConfigurationError(
                f"websockets= takes WebSockets(...), not {websockets!r}", code="websocket-settings"
            )
        if not isinstance(mcp_sessions, McpSessions | None):
            raise ConfigurationError(f"mcp_sessions= takes McpSessions(...), not {mcp_sessions!r}", code="mcp-sessions")
        self.app = app
        self.gate = Gate(
            guard,
            default=default,
            routes=routes,
            floor=floor,
            enforce=enforce,
            until=until,
            shadow=shadow,
            audit=audit,
            name=f"the ASGI application {named(app)}",
        )
        self._on_refusal = on_refusal
        self._websockets = websockets
        self._sessions = mcp_sessions or McpSessions()
        self.root_path = checked_root(root_path)
        self._prefixes = Prefixes(app, root_path)
        self._is_started = self._is_warned = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, if it may."""
        if scope["type"] == "lifespan":
            await self._live(Exchange(scope, receive, send))
            return
        if scope["type"] not in ("http", "websocket"):
            raise RuntimeError(f"callerid knows no connections of type {scope['type']!r}, and lets none in")
        if not self._is_started:
            self._start()
        # A copy: what is judged is what is served, whatever others do to theirs while a key is fetched.
        exchange = Exchange({**scope}, receive, send)
        verdict = await self._decide(exchange.scope)
        if isinstance(verdict, Refused):
            await self._refuse(verdict, exchange)
        else:
            await self._admit(verdict, exchange)

    async def _live(self, exchange: Exchange) -> None:
        try:
            self._start()
        except ConfigurationError as error:
            await exchange.receive()
            await exchange.send({"type": "lifespan.startup.failed", "message": str(error)})
            raise
        self._is_started = False  # what runs now may still build the application: look again before the first request
        await self.app(*exchange)

    def _start(self) -> None:
        self._prefixes.look()
        if not self._is_warned and (found := cors_inside(self.app)):
            self._is_warned = True
            log.warning("%s: %s %s", self.gate.name, found, OUTSIDE_OF_CORS)
        self._is_started = True

    async def _decide(self, scope: Scope) -> Admitted | Refused:
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        sent = partial(self._websockets.values_of, scope, self.gate.guard)
        readings = self._prefixes.readings(scope)
        return await resolve_async(lambda waited: self.gate.decide(method, readings, sent, waited))

    async def _refuse(self, verdict: Refused, exchange: Exchange) -> None:
        hook, answer = self._on_refusal, verdict.answer
        if hook is not None:
            instead = await redressed(lambda: hook(exchange.scope, verdict.refusal), Answer)
            answer = answer if instead is None else dressed(instead, answer)
        await deliver(response_of(answer), exchange)

    async def _admit(self, verdict: Admitted, exchange: Exchange) -> None:
        exchange = exchange._replace(scope=_introducing(verdict.caller, exchange.scope))
        guard, rollout = self.gate.guard, self.gate.rollout
        if exchange.scope["type"] == "http":
            if self._sessions.concerns(exchange.scope):
                enforced = rollout is None or not rollout.is_report_only(guard.clock())
                await self._sessions.serve(self.app, exchange, verdict.caller, enforced=enforced)
            else:
                await self.app(*exchange)
            return
        ends = () if verdict.expires_at is None else ((guard, postponed(verdict.expires_at, guard, rollout)),)
        lapses = () if verdict.lapses_at is None else ((guard, verdict.lapses_at),)
        await self._websockets.serve(self.app, exchange, ends, lapses)


def _introducing(caller: Caller | None, scope: Scope) -> Scope:
    # Copies: whatever is outside of us, and every other request, keeps what it has.
    state: dict[str, Any] = {**(scope.get("state") or {}), "caller": caller}
    introduced: Scope = {**scope, "state": state}
    if isinstance(scope.get("user"), Caller | None):
        introduced.pop("user", None)
        if caller is not None:
            introduced["user"] = caller
    return introduced

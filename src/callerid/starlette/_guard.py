"""The guard of Starlette applications."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, Final
from weakref import WeakValueDictionary

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Router

from callerid._marks import Mark
from callerid.asgi import McpSessions, WebSockets
from callerid.authentication import UNCHECKED, ExpectedNonce
from callerid.authorization import named, rollout_of
from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, Requirement
from callerid.paths import BoundTable, audited_routes
from callerid.rules import Rule, described
from callerid.starlette._decorator import Allow
from callerid.starlette._dispatch import install_in_app
from callerid.starlette._fastapis import is_fastapis
from callerid.starlette._protection import OnRefusal, Protection
from callerid.starlette._routes import RouteReader
from callerid.starlette._sign_in import sign_in_form
from callerid.starlette._startup_checks import check

__all__ = ["PROTECTED", "Guard"]

PROTECTED: Final[WeakValueDictionary[int, Router]] = WeakValueDictionary()
"""The routers of protected applications, by id() since they have no hash.

The access map looks for their routes in applications without a guard.
"""


class Guard(GuardCore):
    """The guard of a Starlette application: rules tied to the routes that serve."""

    def allow(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Allow:
        """Mark an endpoint, an endpoint class or a mounted application with a rule.

        Takes one rule, or IAM member strings any of which suffices. ``audience`` names what a Google ID token in
        ``Authorization`` must be minted for here. All marks on the way to an endpoint must hold. Put the decorator
        below the route's own. Raises `ConfigurationError`.
        """
        return Allow(Mark(self, self.requirement(*rules, audience=audience)))

    def protect(  # noqa: PLR0913 - plain settings, each with a name
        self,
        app: Starlette,
        *,
        default: Rule | str | Requirement,
        floor: Rule | str | Requirement | None = None,
        routes: Mapping[str, Rule | str | Requirement | Allow] = MappingProxyType({}),
        on_refusal: OnRefusal | None = None,
        websockets: WebSockets = WebSockets(),  # noqa: B008 - frozen
        mcp_sessions: McpSessions | None = None,
        enforce: bool = True,
        until: str | date | None = None,
        shadow: Mapping[str, Rule | str | Requirement | Allow] | None = None,
        audit: Iterable[str] = (),
    ) -> None:
        """Close an application around its rules: from now on every request is judged before anything of it runs.

        What all adapters share is described in `callerid.guard.GuardCore`. Here:

        - ``default``: holds for every path without a mark or an entry in ``routes``: unknown ones, wrong methods, too.
          A slash redirect is judged by the rule of the place that it leads to.
        - ``routes``: a path table (`callerid.paths.BoundTable`) for what carries no mark, held beside those on the way.
        - ``floor``: holds everywhere, whatever a route says.
        - ``on_refusal(connection, refusal)``: may give another answer to a refused request.
        - ``websockets``: how sockets are treated (see `callerid.asgi.WebSockets`).
        - ``mcp_sessions``: how sessions of MCP servers are bound to their callers (see `callerid.asgi.McpSessions`).
        - ``enforce=False, until="2027-01-31"``: lets everybody in to the end of that day; write ``Caller | None``.
        - ``shadow``: a table to take the place of ``routes``, compared with it and never an answer.
        - ``audit``: keys as of ``routes``, of the routes whose allowed requests are logged, too.

        The routes are checked when the application starts, before its first request. Raises `ConfigurationError`.
        """
        if is_fastapis(app):
            raise ConfigurationError(
                "this is a FastAPI application, whose rules in parameters and included routers this guard would not "
                "see: protect it with the Guard of callerid.fastapi",
                code="wrong-framework",
            )
        self._protect(
            app,
            RouteReader(),
            default=default,
            floor=floor,
            routes=routes,
            on_refusal=on_refusal,
            websockets=websockets,
            mcp_sessions=mcp_sessions,
            enforce=enforce,
            until=until,
            shadow=shadow,
            audit=audit,
        )

    async def sign_in_with_google(
        self, request: Request, *, rule: Rule | str | None = None, nonce: ExpectedNonce = UNCHECKED
    ) -> Caller:
        """The person whom Google's button signed in, in the request in which it posted its form to ``login_uri``.

        For an endpoint that anybody may call. A `Refusal` that it raises is answered as the guard's own.
        `callerid.guard.GuardCore.verify_sign_in` describes what is checked.
        """
        return await self.averify_sign_in(await sign_in_form(request, self.authenticator.longest_token), rule, nonce)

    def _protect(  # noqa: PLR0913 - what protect was given
        self,
        app: Any,
        reader: RouteReader,
        *,
        default: Rule | str | Requirement,
        floor: Rule | str | Requirement | None,
        routes: Mapping[str, Any],
        on_refusal: OnRefusal | None,
        websockets: WebSockets,
        mcp_sessions: McpSessions | None,
        enforce: bool,
        until: str | date | None,
        shadow: Mapping[str, Any] | None,
        audit: Iterable[str],
    ) -> Protection:
        self.check_ready()
        if not isinstance(app, Starlette):
            raise ConfigurationError(f"protect takes a Starlette application, not {app!r}", code="wrong-framework")
        if on_refusal is not None and not callable(on_refusal):
            raise ConfigurationError(
                "on_refusal is a function of the connection and the refusal", code="on-refusal-not-a-function"
            )
        if not isinstance(websockets, WebSockets):
            raise ConfigurationError(
                f"websockets= takes WebSockets(...), not {websockets!r}", code="websocket-settings"
            )
        if not isinstance(mcp_sessions, McpSessions | None):
            raise ConfigurationError(f"mcp_sessions= takes McpSessions(...), not {mcp_sessions!r}", code="mcp-sessions")
        table = self._table(routes, "routes")
        protection = Protection(
            self,
            default=self._asked(default, "default"),
            floor=None if floor is None else self._asked(floor, "floor"),
            table=table if table.requirements else None,
            reader=reader,
            on_refusal=on_refusal,
            websockets=websockets,
            mcp_sessions=mcp_sessions or McpSessions(),
            shadow=None if shadow is None else self._table(shadow, "shadow"),
            audited=audited_routes(audit, self),
            rollout=rollout_of(enforce, until, self.clock(), f"the application {named(app)}"),
        )
        install_in_app(app, protection, _once(app, protection))
        PROTECTED[id(app.router)] = app.router
        return protection

    def _asked(self, asked: Rule | str | Requirement, name: str) -> Requirement:
        if isinstance(asked, Allow):
            raise ConfigurationError(f"{name}= takes the rule itself, without guard.allow(...)", code="not-a-rule")
        if not isinstance(asked, Rule | str | Requirement):
            raise ConfigurationError(
                f"{name}= takes a rule, such as Nobody() or Domain('example.com'), not {described(asked)}",
                code="not-a-rule",
            )
        requirement = asked if isinstance(asked, Requirement) else self.requirement(asked)
        self.check_possible(requirement, f"{name}=")
        return requirement

    def _table(self, routes: Mapping[str, Any], name: str) -> BoundTable:
        if not isinstance(routes, Mapping):
            raise ConfigurationError(
                f"{name}= maps paths to rules, such as {{'/health': Public()}}, not {routes!r}",
                code="path-table",
            )
        return BoundTable({path: self._unmarked(rule) for path, rule in routes.items()}, self, name)

    def _unmarked(self, rule: Any) -> Any:
        """The requirement of an entry of the path table that is written as ``guard.allow(...)``."""
        return rule.mark.requirement if isinstance(rule, Allow) else rule


def _once(app: Starlette, protection: Protection) -> Any:
    """The start-up check: run once, at the lifespan's start or before the first request; a failed one is repeated."""
    lock, done = threading.Lock(), False

    def start() -> None:
        nonlocal done
        with lock:
            if not done:
                check(app.router, protection)
                done = True

    return start

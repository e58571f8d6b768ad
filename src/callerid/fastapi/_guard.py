"""The guard of FastAPI applications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette

from callerid._marks import Mark
from callerid.asgi import McpSessions, WebSockets
from callerid.errors import ConfigurationError
from callerid.fastapi._decorator import Allow, mark_of
from callerid.fastapi._openapi import describe_rules
from callerid.fastapi._routes import FastAPIReader
from callerid.guard import Requirement
from callerid.rules import Rule
from callerid.starlette import Guard as StarletteGuard
from callerid.starlette._protection import OnRefusal

__all__ = ["Guard"]


class Guard(StarletteGuard):
    """The guard of a FastAPI application: the rule is the parameter's type, and the app is closed around it."""

    def allow(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Allow:  # type: ignore[override]
        """A rule for a place.

        It is written ``Annotated[Caller, guard.allow(rule)]``, ``dependencies=[guard.allow(rule)]``, as a decorator
        below the route's own, or round a mounted application. Takes one rule, or IAM member strings any of which
        suffices. ``audience`` names what a Google ID token in ``Authorization`` must be minted for here. All rules on
        the way to an endpoint must hold. Raises `ConfigurationError`.
        """
        return Allow(Mark(self, self.requirement(*rules, audience=audience)))

    def protect(  # type: ignore[override]  # noqa: PLR0913 - plain settings, each with a name
        self,
        app: Starlette,
        *,
        default: Rule | str | Requirement,
        floor: Rule | str | Requirement | None = None,
        routes: Mapping[str, Rule | str | Requirement | Allow] = MappingProxyType({}),
        docs: Rule | str | None = None,
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

        - ``default``: holds for every path without a rule of its own, unknown ones and wrong methods, too. A slash
          redirect is judged by the rule of the place that it leads to.
        - ``routes``: a path table (`callerid.paths.BoundTable`) for what carries no rule, held beside those on the way.
        - ``floor``: holds everywhere, whatever a route says.
        - ``docs``: the rule of the documentation, which has the default else.
        - ``on_refusal(connection, refusal)``: may give another answer to a refused request.
        - ``websockets``: how sockets are treated (see `callerid.asgi.WebSockets`).
        - ``mcp_sessions``: how sessions of MCP servers are bound to their callers (see `callerid.asgi.McpSessions`).
        - ``enforce=False, until="2027-01-31"``: lets everybody in to the end of that day; write ``Caller | None``.
        - ``shadow``: a table to take the place of ``routes``, compared with it and never an answer.
        - ``audit``: keys as of ``routes``, of the routes whose allowed requests are logged, too.

        The routes are checked when the application starts, before its first request. Raises `ConfigurationError`.
        """
        if not isinstance(app, FastAPI):
            raise ConfigurationError(
                f"protect takes a FastAPI application, not {app!r}: callerid.starlette has a Guard, too",
                code="wrong-framework",
            )
        mark = None if docs is None else Mark(self, self._asked(docs, "docs"))
        reader = FastAPIReader(app, mark)
        protection = self._protect(
            app,
            reader,
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
        describe_rules(app, protection)

    def _asked(self, asked: Rule | str | Requirement, name: str) -> Requirement:
        if isinstance(asked, Allow):
            raise ConfigurationError(f"{name}= takes the rule itself, without guard.allow(...)", code="not-a-rule")
        return super()._asked(asked, name)

    def _unmarked(self, rule: Any) -> Any:
        return mark_of(rule).requirement if isinstance(rule, Allow) else super()._unmarked(rule)

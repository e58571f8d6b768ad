"""A guard installed in an application: its settings there, and the route chains that begin under it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response

from callerid.asgi._mcp import McpSessions
from callerid.asgi._websockets import WebSockets
from callerid.authorization import Rollout
from callerid.errors import Refusal
from callerid.guard import GuardCore, Requirement
from callerid.paths import AuditedRoutes, BoundTable
from callerid.starlette._routes import RouteReader

__all__ = ["OnRefusal", "Protection"]

OnRefusal = Callable[[HTTPConnection, Refusal], Awaitable[Response | None] | Response | None]
"""Replaces the response to a refusal; ``None`` for the usual one. It can never admit a request."""


class Protection:
    """One ``guard.protect(app, ...)``: the guard, and the rules that hold where no route says more."""

    def __init__(  # noqa: PLR0913 - what protect was given
        self,
        guard: GuardCore,
        *,
        default: Requirement,
        floor: Requirement | None,
        table: BoundTable | None,
        reader: RouteReader,
        on_refusal: OnRefusal | None,
        websockets: WebSockets,
        mcp_sessions: McpSessions,
        rollout: Rollout | None = None,
        shadow: BoundTable | None = None,
        audited: AuditedRoutes | None = None,
    ) -> None:
        self.guard = guard
        self.default = default
        self.floor = floor
        self.table = table
        self.reader = reader
        self.on_refusal = on_refusal
        self.websockets = websockets
        self.mcp_sessions = mcp_sessions
        self.rollout = rollout
        self.shadow = shadow
        self.audited = audited
        self.has_tables = table is not None or shadow is not None
        self.chains: dict[Any, Any] = {}
        """The route chains (`RouteChain`) that begin under this protection, by the chain that leads to it."""

    def is_report_only(self) -> bool:
        """Whether refusals are only logged at present."""
        return self.rollout is not None and self.rollout.is_report_only(self.guard.clock())

"""A guard installed in an application: the decision at each route, and what a refused client gets."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Message

from callerid.answers import Answer, is_needed
from callerid.asgi.answering import deliver, redressed, response_of
from callerid.asgi.exchange import Exchange
from callerid.asgi.mcp import McpSessions
from callerid.asgi.websockets import WebSockets
from callerid.authentication import Waited, resolve_async
from callerid.authorization import Check, Decision, Policy, Request, Rollout, Shadow, authorize, conclude, evaluate
from callerid.errors import BadRequest, Reason, Refusal
from callerid.guard import GuardCore, Requirement, log
from callerid.keys import Wait
from callerid.paths import BoundTable, first_expiry
from callerid.starlette.passage import NO_ENTRIES, Passage, TableMatch, Way
from callerid.starlette.reading import Place, RouteReader
from callerid.starlette.scope import introduce

__all__ = ["HeldSend", "OnRefusal", "Protection"]

OnRefusal = Callable[[HTTPConnection, Refusal], Awaitable[Response | None] | Response | None]
"""Re-dresses a refusal: the response to send instead, or ``None`` for the usual one. It can never let a request in."""


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
        self.has_tables = table is not None or shadow is not None
        self.ways: dict[Way, Way] = {}
        """The ways beneath it, by those that lead to it."""

    def lets_through(self) -> bool:
        """Whether what is refused here is let through all the same, at present."""
        return self.rollout is not None and self.rollout.lets_through(self.guard.clock())

    def decide(
        self, passage: Passage, place: Place | None, path: Mapping[str, Any], exchange: Exchange
    ) -> Awaitable[bool] | None:
        """As `admit`: ``None`` for a request that is let in at once, else what has to be awaited."""
        passage.place, passage.path, passage.exchange = place, path, exchange
        decision = self._decision(passage)
        if isinstance(decision, Wait):
            return self._decide_later(passage)
        if decision.refusal is not None:
            return self._turn_away(decision.refusal, decision, passage)
        self._let_in(decision, passage)
        return None

    async def admit(self, passage: Passage, place: Place | None, path: Mapping[str, Any], exchange: Exchange) -> bool:
        """Decide about a request, before anything else runs; a refusal is answered here.

        ``place`` is the endpoint's, or ``None`` where no endpoint is meant; ``path`` the path parameters it would get.
        """
        passage.place, passage.path, passage.exchange = place, path, exchange
        return await self._decide_later(passage)

    async def _decide_later(self, passage: Passage) -> bool:
        decision = await resolve_async(partial(self._decision, passage))
        if decision.refusal is not None:
            return await self._turn_away(decision.refusal, decision, passage)
        self._let_in(decision, passage)
        return True

    def _decision(self, passage: Passage, waited: Waited = ()) -> Decision | Wait:
        way = passage.way
        if way.has_tables or way.is_tried or log.isEnabledFor(logging.DEBUG):
            return self._authorized(passage, waited)
        policy = passage.judged_by = _policy(passage)
        if policy.public is not None:
            return policy.public
        checks = _checks(passage, policy)
        decision = evaluate(checks, passage.credentials, waited)
        if not isinstance(decision, Wait) and decision.refusal is not None:
            conclude(self._request(passage, checks, None), decision)
        return decision

    def _authorized(self, passage: Passage, waited: Waited) -> Decision | Wait:
        """The decision where there is more to it than what stands on the way: path tables, or what is not enforced."""
        match, trouble = NO_ENTRIES, None
        if passage.way.has_tables:
            try:
                match = passage.match_tables(passage.exchange.scope, endpoint=passage.place is not None)
            except BadRequest as error:
                trouble = error
        policy = passage.judged_by = _policy(passage, match)
        return authorize(self._request(passage, _checks(passage, policy, match), trouble), waited)

    def _request(self, passage: Passage, checks: list[Check], trouble: Refusal | None) -> Request:
        return Request(
            self.guard,
            passage.route(passage.exchange.scope),
            tuple(checks),
            passage.credentials,
            self.default,
            trouble,
            passage.is_let_through if passage.way.is_tried else None,
            Shadow(passage.shadowing, partial(_shadow_checks, passage)) if passage.has_shadow else None,
        )

    def _let_in(self, decision: Decision, passage: Passage) -> None:
        scope = passage.exchange.scope
        passage.settle(decision.callers, scope.get("method"))
        if scope["type"] == "websocket":
            refusing = {check.guard for _, check in decision.waived}
            if any(refusal.reason is Reason.AMBIGUOUS_PATH for refusal, _ in decision.waived):
                refusing |= passage.tabling
            passage.lapses = passage.when_enforced(refusing) if refusing else ()
            expiries = (
                (guard, first_expiry(decision.callers.get(guard), identity.via))
                for guard, identity in decision.identities.items()
            )
            passage.ends = tuple((guard, passage.end_of(guard, at)) for guard, at in expiries if at is not None)
        introduce(passage.caller, scope)

    async def _turn_away(self, refusal: Refusal, decision: Decision, passage: Passage) -> Literal[False]:
        guard = self.guard if decision.check is None else decision.check.guard
        passage.answered()
        await self._refuse(refusal, guard.answer(refusal, decision.instance), passage.exchange)
        return False

    async def _refuse(self, refusal: Refusal, answer: Answer, exchange: Exchange) -> None:
        hook, response = self.on_refusal, None
        if hook is not None:
            response = await redressed(lambda: hook(HTTPConnection(exchange.scope), refusal), Response)
        if response is None:
            await deliver(response_of(answer), exchange)
            return
        for name, value in answer.headers:
            if is_needed(name, response.status_code):
                response.headers.setdefault(name, value)
        await deliver(response, exchange)


def _policy(passage: Passage, match: TableMatch = NO_ENTRIES) -> Policy:
    """What must hold where a request is decided, with these entries of the path tables."""
    place = passage.place
    policy = passage.policy(endpoint=place is not None, match=match)
    if place is not None:
        _check(passage, place, policy)
    return policy


def _check(passage: Passage, place: Place, policy: Policy) -> None:
    if not policy.is_checked:
        reader, where = passage.protection.reader, "".join(passage.templates)
        reader.check(place, policy, where)
        reader.check_lost_marks(place, where, passage.guards)
        policy.is_checked = True


def _checks(passage: Passage, policy: Policy, match: TableMatch = NO_ENTRIES) -> list[Check]:
    parameters = _as_judged(passage.path, passage.place)
    return policy.checks({**parameters, **match.parameters} if match.entries else parameters)


def _shadow_checks(passage: Passage) -> list[Check]:
    """What would have to hold by the shadow tables. Raises `BadRequest`."""
    match = passage.match_tables(passage.exchange.scope, endpoint=passage.place is not None, shadow=True)
    return _checks(passage, _policy(passage, match), match)


def _as_judged(path: Mapping[str, Any], place: Place | None) -> Mapping[str, Any]:
    """The path as the endpoint will understand it: text that it takes for a number is judged as that number."""
    if place is None or not place.integers:
        return path
    return {name: _canonical(value) if name in place.integers else value for name, value in path.items()}


_DECIMAL = re.compile("0|-?[1-9][0-9]*")


def _canonical(value: Any) -> Any:
    return value if not isinstance(value, str) or _DECIMAL.fullmatch(value) else None


class HeldSend:
    """Holds back whatever a sub-application's own middleware answers before its router was asked, and judges it first.

    CORS preflights pass, with their CORS headers and nothing else.
    """

    def __init__(self, passage: Passage, exchange: Exchange) -> None:
        self._passage, self._exchange = passage, exchange
        self._swallow = False

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send, once decided."""
        if self._passage.pending or self._swallow:
            return self._hold(message)
        return self._exchange.send(message)

    async def _hold(self, message: Message) -> None:
        send = self._exchange.send
        if self._swallow:
            return
        if not self._passage.pending or message["type"] == "websocket.close":
            await send(message)
        elif self._is_preflight() and message["type"] == "http.response.start":
            self._swallow = True
            await send({**message, "headers": _cors_headers(message)})
            await send({"type": "http.response.body", "body": b""})
        elif message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            passage, path = self._passage, self._exchange.scope.get("path_params", {})
            if await passage.protection.admit(passage, None, path, self._exchange):
                await send(message)
            else:
                self._swallow = True

    def _is_preflight(self) -> bool:
        scope = self._exchange.scope
        if scope["type"] != "http" or scope["method"] != "OPTIONS":
            return False
        names = {name.lower() for name, _ in scope["headers"]}
        return {b"origin", b"access-control-request-method"} <= names


def _cors_headers(message: Message) -> list[tuple[bytes, bytes]]:
    kept = [
        (name, value)
        for name, value in message.get("headers", [])
        if name.lower() == b"vary" or name.lower().startswith(b"access-control-")
    ]
    return [*kept, (b"content-length", b"0")]

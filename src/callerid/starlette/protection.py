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
from callerid.asgi.exchange import Exchange, values_of
from callerid.asgi.mcp import McpSessions
from callerid.asgi.websockets import WebSockets
from callerid.authentication import Waited, resolve_async
from callerid.authorization import Check, Decision, Request, Rollout, Shadow, authorize, conclude, evaluate
from callerid.errors import BadRequest, Reason, Refusal
from callerid.guard import GuardCore, Requirement, log
from callerid.keys import Wait
from callerid.paths import BoundTable, first_expiry
from callerid.starlette.passage import NO_ENTRIES, Passage, Ruling, TableMatch, Way
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
        call = _Call(passage, place, path, exchange)
        decision = self._decision(call)
        if isinstance(decision, Wait):
            return self._decide_later(call)
        if decision.refusal is not None:
            return self._turn_away(decision.refusal, decision, call)
        self._let_in(decision, call)
        return None

    async def admit(self, passage: Passage, place: Place | None, path: Mapping[str, Any], exchange: Exchange) -> bool:
        """Decide about a request, before anything else runs; a refusal is answered here.

        ``place`` is the endpoint's, or ``None`` where no endpoint is meant; ``path`` the path parameters it would get.
        """
        return await self._decide_later(_Call(passage, place, path, exchange))

    async def _decide_later(self, call: _Call) -> bool:
        decision = await resolve_async(partial(self._decision, call))
        if decision.refusal is not None:
            return await self._turn_away(decision.refusal, decision, call)
        self._let_in(decision, call)
        return True

    def _decision(self, call: _Call, waited: Waited = ()) -> Decision | Wait:
        passage, scope, way = call.passage, call.exchange.scope, call.passage.way
        match, trouble = NO_ENTRIES, None
        if way.has_tables:
            try:
                match = passage.match_tables(scope, endpoint=call.place is not None)
            except BadRequest as error:
                trouble = error
        checks = call.checks(match)
        if trouble is None and not way.is_tried and not log.isEnabledFor(logging.DEBUG):
            decision = evaluate(checks, call.credentials, waited)
            if not isinstance(decision, Wait) and decision.refusal is not None:
                conclude(self._request(call, checks, None), decision)
            return decision
        return authorize(self._request(call, checks, trouble), waited)

    def _request(self, call: _Call, checks: list[Check], trouble: Refusal | None) -> Request:
        passage = call.passage
        return Request(
            self.guard,
            passage.route(call.exchange.scope),
            tuple(checks),
            call.credentials,
            self.default,
            trouble,
            passage.is_let_through if passage.way.is_tried else None,
            Shadow(passage.shadowing, call.shadow_checks) if passage.has_shadow else None,
        )

    def _let_in(self, decision: Decision, call: _Call) -> None:
        passage, scope = call.passage, call.exchange.scope
        ruling = call.ruling or _ruling(passage, call.place)
        passage.settle(ruling, decision.callers, call.path, scope.get("method"))
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
        introduce(decision.caller, scope)

    async def _turn_away(self, refusal: Refusal, decision: Decision, call: _Call) -> Literal[False]:
        guard = self.guard if decision.check is None else decision.check.guard
        call.passage.answered()
        await self._refuse(refusal, guard.answer(refusal, decision.instance), call.exchange)
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


class _Call:
    """A request where it is decided: what stands on the way, the endpoint's place and its path parameters."""

    __slots__ = ("exchange", "passage", "path", "place", "ruling")

    def __init__(self, passage: Passage, place: Place | None, path: Mapping[str, Any], exchange: Exchange) -> None:
        self.passage, self.place, self.path, self.exchange = passage, place, path, exchange
        self.ruling: Ruling | None = None
        """By what it was judged."""

    def checks(self, match: TableMatch) -> list[Check]:
        """What must hold, with these entries of the path tables."""
        ruling = self.ruling = _ruling(self.passage, self.place, match)
        return self._checks(ruling, match)

    def _checks(self, ruling: Ruling, match: TableMatch) -> list[Check]:
        parameters = _as_judged(self.path, self.place)
        if match.entries:
            parameters = {**parameters, **match.parameters}
        return [Check(guard, requirement, parameters) for guard, requirement in ruling.parts]

    def shadow_checks(self) -> list[Check]:
        """What would have to hold by the shadow tables. Raises `BadRequest`."""
        match = self.passage.match_tables(self.exchange.scope, endpoint=self.place is not None, shadow=True)
        return self._checks(_ruling(self.passage, self.place, match), match)

    def credentials(self, guard: GuardCore) -> Mapping[str, list[str]]:
        """What was sent in the headers that a guard reads."""
        scope = self.exchange.scope
        if scope["type"] == "http":
            return values_of(scope, guard.headers)
        return self.passage.protection.websockets.values_of(scope, guard)


def _ruling(passage: Passage, place: Place | None, match: TableMatch = NO_ENTRIES) -> Ruling:
    key: Any = place is not None
    if match.entries:
        key = (key, match.is_shadow, match.texts)
    ruling = passage.way.rulings.get(key)
    if ruling is None:
        ruling = passage.ruling(endpoint=place is not None, match=match)
        if place is not None:
            reader, where = passage.protection.reader, "".join(passage.templates)
            reader.check(place, ruling, where)
            reader.check_lost_marks(place, where, passage.guards)
        passage.way.rulings[key] = ruling
    return ruling


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

"""A guard installed in an application: the decision at each route, and what a refused client gets."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple, TypeAlias

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Message

from callerid.answers import Answer, is_needed
from callerid.asgi.answering import deliver, redressed, response_of
from callerid.asgi.exchange import Exchange, values_of
from callerid.asgi.mcp import McpSessions
from callerid.asgi.websockets import WebSockets
from callerid.callers import Caller
from callerid.errors import Reason, Refusal
from callerid.guard import GuardCore, Identity, Requirement, arun, log
from callerid.paths import BoundTable, first_expiry
from callerid.rehearsal import Asked, Live, compare, known, let_through, refusals
from callerid.rollout import Rollout
from callerid.starlette.passage import NO_ENTRIES, Passage, Ruling, TableMatch, Way
from callerid.starlette.reading import Place, RouteReader
from callerid.starlette.scope import introduce

__all__ = ["HeldSend", "OnRefusal", "Protection"]

OnRefusal = Callable[[HTTPConnection, Refusal], Awaitable[Response | None] | Response | None]
"""Re-dresses a refusal: the response to send instead, or ``None`` for the usual one. It can never let a request in."""


_Part: TypeAlias = tuple[GuardCore, Requirement]


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
        self,
        passage: Passage,
        place: Place | None,
        path: Mapping[str, Any],
        exchange: Exchange,
    ) -> Awaitable[bool] | None:
        """As `admit`: ``None`` for a request that was let in at once, else what has to be awaited.

        At once, where one requirement is asked and its key is at hand: the same as `admit` does, in few steps.
        """
        scope = exchange.scope
        if passage.way.has_tables or scope["type"] != "http" or log.isEnabledFor(logging.DEBUG):
            return self.admit(passage, place, path, exchange)
        ruling = _ruling(passage, place)
        if len(ruling.parts) != 1:
            return self.admit(passage, place, path, exchange)
        part = ruling.parts[0]
        guard, requirement = part
        caller = identity = None
        if not requirement.public:
            try:
                identity = guard.recognise(values_of(scope, guard.headers))
                if identity is None:
                    return self.admit(passage, place, path, exchange)
                caller = guard.judge(requirement, identity, _as_judged(path, place))
            except Refusal as refusal:
                identities = {} if identity is None else {guard: identity}
                return self._not_admitted(refusal, part, identities, _Call(passage, place, path, exchange))
        passage.settle(ruling, {guard: caller}, path)
        introduce(caller, scope)
        return None

    async def admit(
        self,
        passage: Passage,
        place: Place | None,
        path: Mapping[str, Any],
        exchange: Exchange,
    ) -> bool:
        """Decide about a request, before anything else runs; a refusal is answered here.

        ``place`` is the endpoint's, or ``None`` where no endpoint is meant; ``path`` the path parameters it would get.
        """
        call = _Call(passage, place, path, exchange)
        identities: dict[GuardCore, Identity] = {}
        callers: dict[GuardCore, Caller | None] = {}
        part: tuple[GuardCore, Requirement] = (self.guard, self.default)
        try:
            match = passage.match_tables(exchange.scope, endpoint=place is not None)
            ruling, parameters = _ruling(passage, place, match), call.parameters(match)
            for part in ruling.parts:
                guard, requirement = part
                if requirement.public:
                    callers.setdefault(guard, None)
                    continue
                if guard not in identities:
                    sent = self.websockets.values_of(exchange.scope, guard)
                    identity = guard.recognise(sent)
                    identities[guard] = await arun(guard.identify(sent)) if identity is None else identity
                judged = guard.judge(requirement, identities[guard], parameters)
                callers[guard] = judged or callers.get(guard)
        except Refusal as refusal:
            return await self._not_admitted(refusal, part, identities, call)
        if log.isEnabledFor(logging.DEBUG):
            for guard, requirement in dict(ruling.parts).items():
                guard.record(passage.route(exchange.scope), requirement, identities.get(guard))
        passage.settle(ruling, callers, path)
        if exchange.scope["type"] == "websocket":
            expiries = ((guard, first_expiry(callers[guard], each.via)) for guard, each in identities.items())
            passage.ends = tuple((guard, passage.end_of(guard, at)) for guard, at in expiries if at is not None)
        if passage.has_shadow:
            self._rehearse(Live(passage.route(exchange.scope), None, identities), call)
        introduce(passage.caller, exchange.scope)
        return True

    async def _not_admitted(
        self, refusal: Refusal, part: _Part, identities: dict[GuardCore, Identity], call: _Call
    ) -> bool:
        passage = call.passage
        guard, requirement = part
        is_of_path = refusal.reason is Reason.AMBIGUOUS_PATH
        if refusal.judged is not None and log.isEnabledFor(logging.INFO):
            refusal.also = tuple(self._others(part, identities, call))
        if passage.has_shadow:
            live = Live.of(passage.route(call.exchange.scope), guard, identities.get(guard), refusal)
            self._rehearse(replace(live, identities=identities), call)
        if not passage.is_let_through(None if is_of_path else guard):
            return await self._turn_away(refusal, part, identities.get(guard), passage, call.exchange)
        asked = Asked(guard, requirement, call.path)
        let_through(asked, passage.route(call.exchange.scope), identities.get(guard), refusal)
        if not is_of_path:
            identities.setdefault(guard, Identity())
        return await self._admit_regardless(refusal, part, identities, call)

    async def _admit_regardless(
        self, first: Refusal, at: _Part, identities: dict[GuardCore, Identity], call: _Call
    ) -> bool:
        """Let a request through in spite of this refusal, if those agree whose refusals are enforced."""
        passage, place, path, exchange = call
        is_of_path = first.reason is Reason.AMBIGUOUS_PATH
        refusing, refused = passage.tabling if is_of_path else {at[0]}, [(first, at)]
        match = NO_ENTRIES if is_of_path else passage.match_tables(exchange.scope, endpoint=place is not None)
        ruling, parameters = _ruling(passage, place, match), call.parameters(match)
        asked: dict[GuardCore, list[Asked]] = {guard: [] for guard, _ in ruling.parts}
        for part in ruling.parts:
            guard, requirement = part
            if requirement.public:
                continue
            asked[guard].append(Asked(guard, requirement, parameters))
            try:
                if guard not in identities:
                    identities[guard] = await arun(guard.identify(self.websockets.values_of(exchange.scope, guard)))
                guard.judge(requirement, identities[guard], parameters)
            except Refusal as refusal:
                if not passage.is_let_through(guard):
                    return await self._turn_away(refusal, part, identities.get(guard), passage, exchange)
                identities.setdefault(guard, Identity())
                refusing.add(guard)
                refused.append((refusal, part))
        for each, part in refused:
            # A day may have passed while a key was fetched.
            if not passage.is_let_through(None if each.reason is Reason.AMBIGUOUS_PATH else part[0]):
                return await self._turn_away(each, part, identities.get(part[0]), passage, exchange)
        callers = {guard: _known(known(parts, identities[guard])) if parts else None for guard, parts in asked.items()}
        passage.settle(ruling, callers, path)
        if exchange.scope["type"] == "websocket":
            passage.lapses = passage.when_enforced(refusing)
            expiries = ((guard, first_expiry(callers[guard], each.via)) for guard, each in identities.items())
            passage.ends = tuple((guard, passage.end_of(guard, at)) for guard, at in expiries if at is not None)
        introduce(passage.caller, exchange.scope)
        return True

    def _others(self, part: _Part, identities: Mapping[GuardCore, Identity], call: _Call) -> Iterator[Refusal]:
        """What else refuses this request, by the guards further in."""
        passage, scope = call.passage, call.exchange.scope
        match = passage.match_tables(scope, endpoint=call.place is not None)
        parts, parameters = _ruling(passage, call.place, match).parts, call.parameters(match)
        asked = (Asked(*each, parameters) for each in parts[parts.index(part) + 1 :])
        return refusals(asked, identities, lambda guard: self.websockets.values_of(scope, guard))

    def _rehearse(self, live: Live, call: _Call) -> None:
        passage, scope = call.passage, call.exchange.scope

        def asked() -> Iterator[Asked]:
            match = passage.match_tables(scope, endpoint=call.place is not None, shadow=True)
            parameters = call.parameters(match)
            for guard, requirement in _ruling(passage, call.place, match).parts:
                yield Asked(guard, requirement, parameters)

        compare(passage.shadowing, live, asked, lambda guard: self.websockets.values_of(scope, guard))

    async def _turn_away(
        self, refusal: Refusal, part: _Part, identity: Identity | None, passage: Passage, exchange: Exchange
    ) -> Literal[False]:
        guard, requirement = part
        instance = guard.record(passage.route(exchange.scope), requirement, identity, refusal)
        passage.answered()
        await self._refuse(refusal, guard.answer(refusal, instance), exchange)
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


class _Call(NamedTuple):
    """A request where it is decided: what stands on the way, the endpoint's place and its path parameters."""

    passage: Passage
    place: Place | None
    path: Mapping[str, Any]
    exchange: Exchange

    def parameters(self, match: TableMatch) -> Mapping[str, Any]:
        """The path parameters by which the request is judged."""
        own, named = _as_judged(self.path, self.place), match.parameters
        return {**own, **named} if named else own


def _known(callers: list[Caller | None]) -> Caller | None:
    """Who is calling, as `Protection.admit` has it."""
    return next((caller for caller in callers if caller is not None), None)


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

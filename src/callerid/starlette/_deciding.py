"""The decision about one request at its route, and what a refused client gets."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any, Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Message

from callerid._answers import Answer, is_needed
from callerid.asgi._answering import deliver, redressed, response_of
from callerid.asgi._exchange import Exchange, Receive, Scope, Send
from callerid.authentication import Waited, resolve_async
from callerid.authorization import (
    Check,
    Decision,
    Policy,
    Request,
    Shadow,
    authorize,
    conclude,
    evaluate,
    instance_of,
)
from callerid.errors import BadRequest, Reason, Refusal
from callerid.guard import log
from callerid.keys import Wait
from callerid.paths import first_expiry
from callerid.starlette._protection import Protection
from callerid.starlette._route_chain import NO_ENTRIES, TableMatch
from callerid.starlette._route_context import RouteContext
from callerid.starlette._routes import RoutePlace
from callerid.starlette._scope import introduce

__all__ = ["GatedSend", "admit", "answer_raised", "decide"]


def decide(context: RouteContext, scope: Scope, receive: Receive, send: Send) -> Awaitable[bool] | None:
    """As `admit`, but ``None`` for a request that is admitted at once, else an awaitable.

    The context has the place and the path parameters.
    """
    decision = _decision(context, scope)
    if isinstance(decision, Wait):
        return _decide_later(context, Exchange(scope, receive, send))
    if decision.refusal is not None:
        return _turn_away(decision.refusal, decision, context, Exchange(scope, receive, send))
    _let_in(decision, context, scope)
    return None


async def admit(context: RouteContext, place: RoutePlace | None, path: Mapping[str, Any], exchange: Exchange) -> bool:
    """Decide about a request, before anything else runs; a refusal is answered here.

    ``place`` is the endpoint's, or ``None`` where no endpoint is meant; ``path`` the path parameters it would get.
    """
    context.place, context.path = place, path
    return await _decide_later(context, exchange)


async def _decide_later(context: RouteContext, exchange: Exchange) -> bool:
    decision = await resolve_async(partial(_decision, context, exchange.scope))
    if decision.refusal is not None:
        return await _turn_away(decision.refusal, decision, context, exchange)
    _let_in(decision, context, exchange.scope)
    return True


def _decision(context: RouteContext, scope: Scope, waited: Waited = ()) -> Decision | Wait:
    chain = context.chain
    if not chain.is_plain or chain.protection.guard.observer is not None or log.isEnabledFor(logging.DEBUG):
        return _authorized(context, scope, waited)
    policy = chain.policies.get(context.place is not None)
    if policy is None or not policy.is_checked:
        policy = _policy(context)
    context.judged_by = policy
    if policy.public is not None:
        return policy.public
    checks = policy.fixed or _checks(context, policy)
    decision = evaluate(checks, lambda guard: context.credentials(scope, guard), waited, uses_up=context.uses_up)
    if not isinstance(decision, Wait) and decision.refusal is not None:
        conclude(_request(context, scope, checks, None), decision)
    return decision


def _authorized(context: RouteContext, scope: Scope, waited: Waited) -> Decision | Wait:
    """The decision with path tables, a rollout or a shadow policy, or where every decision is logged."""
    match, trouble = NO_ENTRIES, None
    if context.chain.has_tables:
        try:
            match = context.match_tables(scope, endpoint=context.place is not None)
        except BadRequest as error:
            trouble = error
    policy = context.judged_by = _policy(context, match)
    return authorize(_request(context, scope, _checks(context, policy, match), trouble), waited)


def _request(context: RouteContext, scope: Scope, checks: tuple[Check, ...], trouble: Refusal | None) -> Request:
    return Request(
        context.chain.protection.guard,
        context.route(scope),
        checks,
        partial(context.credentials, scope),
        context.chain.protection.default,
        trouble,
        context.is_report_only if context.chain.has_rollout_or_shadow else None,
        Shadow(context.shadowing, partial(_shadow_checks, context, scope)) if context.has_shadow else None,
        context.uses_up,
        context.chain.may_be_audited and context.is_audited(scope),
    )


def _let_in(decision: Decision, context: RouteContext, scope: Scope) -> None:
    context.settle(decision.callers, scope.get("method"))
    if scope["type"] == "websocket":
        refusing = {check.guard for _, check in decision.waived}
        if any(refusal.reason is Reason.AMBIGUOUS_PATH for refusal, _ in decision.waived):
            refusing |= context.tabling
        context.lapses = context.when_enforced(refusing) if refusing else ()
        expiries = (
            (guard, first_expiry(decision.callers.get(guard), identity.via))
            for guard, identity in decision.identities.items()
        )
        context.ends = tuple((guard, context.end_of(guard, at)) for guard, at in expiries if at is not None)
    introduce(decision.caller, scope)


async def _turn_away(refusal: Refusal, decision: Decision, context: RouteContext, exchange: Exchange) -> Literal[False]:
    guard = context.chain.protection.guard if decision.check is None else decision.check.guard
    context.answered()
    await _refuse(context.chain.protection, refusal, guard.answer(refusal, decision.instance), exchange)
    return False


async def answer_raised(protection: Protection, connection: HTTPConnection, refusal: Refusal) -> Response:
    """The response to a refusal that an endpoint did not catch, of `verify` or of a sign-in.

    An exception handler of the application, unless it has one of its own for refusals.
    """
    if connection.scope["type"] != "http":
        raise refusal
    refusal.__traceback__ = None  # its frames hold the token
    answer = protection.guard.answer(refusal, instance_of(protection.guard, refusal))
    response = await _redressed(protection, refusal, answer, connection.scope)
    return response or Response(answer.body, answer.status, dict(answer.headers))


async def _refuse(protection: Protection, refusal: Refusal, answer: Answer, exchange: Exchange) -> None:
    await deliver(await _redressed(protection, refusal, answer, exchange.scope) or response_of(answer), exchange)


async def _redressed(protection: Protection, refusal: Refusal, answer: Answer, scope: Scope) -> Response | None:
    hook = protection.on_refusal
    if hook is None:
        return None
    response = await redressed(lambda: hook(HTTPConnection(scope), refusal), Response)
    if response is not None:
        for name, value in answer.headers:
            if is_needed(name, response.status_code):
                response.headers.setdefault(name, value)
    return response


def _policy(context: RouteContext, match: TableMatch = NO_ENTRIES) -> Policy:
    """The policy at the context's place, with these entries of the path tables."""
    place = context.place
    policy = context.policy(endpoint=place is not None, match=match)
    if place is not None:
        _check(context, place, policy)
    return policy


def _check(context: RouteContext, place: RoutePlace, policy: Policy) -> None:
    if not policy.is_checked:
        reader, where = context.protection.reader, context.template
        reader.check(place, policy, where)
        reader.check_lost_marks(place, where, context.guards)
        policy.is_checked = True


def _checks(context: RouteContext, policy: Policy, match: TableMatch = NO_ENTRIES) -> tuple[Check, ...]:
    parameters = _as_judged(context.path, context.place)
    return policy.checks({**parameters, **match.parameters} if match.entries else parameters)


def _shadow_checks(context: RouteContext, scope: Scope) -> tuple[Check, ...]:
    """The checks of the shadow policy. Raises `BadRequest`."""
    match = context.match_tables(scope, endpoint=context.place is not None, shadow=True)
    return _checks(context, _policy(context, match), match)


def _as_judged(path: Mapping[str, Any], place: RoutePlace | None) -> Mapping[str, Any]:
    """The path parameters as the endpoint will convert them: only canonical decimal text is judged as an integer."""
    if place is None or not place.integers:
        return path
    return {name: _canonical(value) if name in place.integers else value for name, value in path.items()}


_DECIMAL = re.compile("0|-?[1-9][0-9]*")


def _canonical(value: Any) -> Any:
    return value if not isinstance(value, str) or _DECIMAL.fullmatch(value) else None


class GatedSend:
    """A ``send`` that holds a response of a sub-application's own middleware until the request is decided.

    Such middleware may respond before the sub-application's router is called. The responses to CORS preflights pass
    undecided, with their CORS headers alone.
    """

    def __init__(self, context: RouteContext, exchange: Exchange) -> None:
        self._context, self._exchange = context, exchange
        self._swallow = False

    def __call__(self, message: Message) -> Awaitable[None]:
        """Send the message, once the request is decided."""
        if self._context.pending or self._swallow:
            return self._hold(message)
        return self._exchange.send(message)

    async def _hold(self, message: Message) -> None:
        send = self._exchange.send
        if self._swallow:
            return
        if not self._context.pending or message["type"] == "websocket.close":
            await send(message)
        elif self._is_preflight() and message["type"] == "http.response.start":
            self._swallow = True
            await send({**message, "headers": _cors_headers(message)})
            await send({"type": "http.response.body", "body": b""})
        elif message["type"] in ("http.response.start", "websocket.accept", "websocket.http.response.start"):
            context, path = self._context, self._exchange.scope.get("path_params", {})
            if await admit(context, None, path, self._exchange):
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

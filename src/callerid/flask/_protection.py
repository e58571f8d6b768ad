"""A guard that protects an application: the decision about each request, and the response to a refusal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self
from weakref import ref

from flask import Flask, Request, Response
from werkzeug.datastructures import EnvironHeaders
from werkzeug.routing import RequestRedirect

from callerid._answers import Answer, is_needed
from callerid._marks import Mark
from callerid.authentication import METHOD, Waited, resolve
from callerid.authorization import Check, Policy, Rollout, Shadow, authorize, conclude, evaluate, instance_of
from callerid.authorization import Decision as Authorized
from callerid.authorization import Request as AuthorizationRequest
from callerid.callers import Caller
from callerid.errors import Reason, Refusal
from callerid.flask._cors import is_preflight
from callerid.flask._current import ATTRIBUTE, Admission, Serving, let_in, request_now
from callerid.flask._policies import Rules, entry_at
from callerid.flask._routes import Known, Reader, ViewPlace
from callerid.flask._routing import destination_of
from callerid.guard import GuardCore, log
from callerid.keys import Wait
from callerid.paths import AuditedRoutes, BoundTable
from callerid.wsgi import introduce, sent

__all__ = ["OnRefusal", "Protection"]

OnRefusal = Callable[[Request, Refusal], Any]
"""Replaces the response to a refusal: whatever a view may return; ``None`` for the usual one. It never admits."""


class Protection:
    """One ``guard.protect(app, ...)``: the application, its rules, and how they are read.

    ``rollout`` is until when refusals are not enforced, if they are not; ``shadow`` the path table that is judged
    beside the live one, if there is one; ``audited`` says at which rules of the URL map who is let in is logged.
    """

    def __init__(  # noqa: PLR0913 - what protect was given
        self,
        app: Flask,
        rules: Rules,
        reader: Reader,
        on_refusal: OnRefusal | None,
        *,
        rollout: Rollout | None = None,
        shadow: BoundTable | None = None,
        audited: AuditedRoutes | None = None,
    ) -> None:
        self.app = app
        self.rules = rules
        self.reader = reader
        self.rollout = rollout
        self.shadow = shadow
        self.audited = audited
        self._on_refusal = on_refusal
        self._lock = threading.Lock()
        self._settled: dict[tuple[int, str], _Settled] = {}
        self._is_checked = False

    def check_once(self, check: Callable[[Protection], None]) -> None:
        """Check all routes before the first request; a failed check is made again."""
        if not self._is_checked:
            with self._lock:
                if not self._is_checked:
                    check(self)
                    self._is_checked = True

    def admit(self, asked: Request) -> Response | None:
        """Decide about a request before anything else of the application runs; the answer, if it is not let in."""
        _begin(asked)
        # Reading the place takes 4 µs, checking that it has not changed a quarter of one.
        settled = self._settled.get((id(asked.url_rule), asked.method))
        if settled is None or not settled.holds(self.app, asked):
            return self._settle(asked)
        is_told = self.rules.guard.observer is not None or log.isEnabledFor(logging.DEBUG)
        if settled.decision is None or settled.audited or self.shadow is not None or is_told:
            return self._judge(asked, settled, asked.view_args or _NOTHING, None)
        let_in(asked, settled.decision)
        return None

    def _settle(self, asked: Request) -> Response | None:
        """Find the policy for a request, cache it, and decide."""
        serving = Serving.of(self.app, asked)
        target = self._target(serving, asked)
        preflight = self._preflight(target.known, serving, asked)
        if preflight is not None:
            return preflight
        policy = self.rules.policy(target.place, serving.method, endpoint=target.endpoint)
        settled = _Settled.of(
            serving, target, policy, audited=target.endpoint and self.is_audited(target.place, serving.method)
        )
        if target.endpoint and _is_usual(serving):
            self._settled[id(serving.rule), serving.method] = settled
        return self._judge(asked, settled, target.arguments, target)

    def is_audited(self, place: ViewPlace, method: str) -> bool:
        """Whether ``audit=`` names a rule of the URL map for a method."""
        if self.audited is None or place.named is None:
            return False
        return entry_at(self.audited, method, place.named) is not None

    def _target(self, serving: Serving, asked: Request) -> _Target:
        """The place whose policy a request is judged by: the one that serves it, or the target of a redirect."""
        destination = destination_of(self.app, asked, serving)
        known = self.reader.known(destination.serving)
        place = self.reader.nowhere if known is None else known.place
        endpoint = known is not None and not _is_automatic(destination.serving)
        return _Target(None if destination.is_redirected else known, place, endpoint, destination.arguments)

    def _judge(
        self, asked: Request, settled: _Settled, arguments: Mapping[str, Any], target: _Target | None
    ) -> Response | None:
        """Decide by the cached policy; ``arguments`` are the path parameters."""
        decision = resolve(partial(self._decision, asked, settled, arguments, target))
        if decision.refusal is not None:
            return self._turn_away(asked, decision.refusal, decision.instance)
        caller = decision.caller
        let_in(asked, settled.decided(arguments, caller))
        if caller is not None:
            introduce(caller, asked.environ)
        return None

    def _decision(
        self,
        asked: Request,
        settled: _Settled,
        arguments: Mapping[str, Any],
        target: _Target | None,
        waited: Waited,
    ) -> Authorized | Wait:
        guard, policy, shadow, checks = self.rules.guard, settled.policy, self.shadow, settled.policy.checks(arguments)

        # For a redirect no view runs: the target uses the token up.
        uses_up = not isinstance(asked.routing_exception, RequestRedirect)

        def credentials(guard: GuardCore) -> Mapping[str, list[str]]:
            found = sent(asked.environ, guard.headers.values())
            if METHOD in found:
                found[METHOD] = [settled.serving.method]  # what Flask serves by, which may be another than was sent
            return found

        is_told = guard.observer is not None or log.isEnabledFor(logging.DEBUG)
        if self.rollout is None and shadow is None and not settled.audited and not is_told:
            decision = evaluate(checks, credentials, waited, uses_up=uses_up)
            if isinstance(decision, Wait) or decision.refusal is None:
                return decision
            conclude(AuthorizationRequest(guard, settled.route, checks, credentials, policy.whole), decision)
            return decision
        request = AuthorizationRequest(
            guard,
            settled.route,
            checks,
            credentials,
            policy.whole,
            waives=None if self.rollout is None else self._waives,
            shadow=None if shadow is None else Shadow(guard, partial(self._shadow_checks, shadow, asked, target)),
            uses_up=uses_up,
            audited=settled.audited,
        )
        return authorize(request, waited)

    def _waives(self, _: Any) -> bool:
        return self.rollout is not None and self.rollout.is_report_only(self.rules.guard.clock())

    def _shadow_checks(self, shadow: BoundTable, asked: Request, target: _Target | None) -> tuple[Check, ...]:
        serving = Serving.of(self.app, asked)
        target = target or self._target(serving, asked)
        policy = self.rules.policy(target.place, serving.method, endpoint=target.endpoint, table=shadow)
        return policy.checks(target.arguments)

    def _preflight(self, known: Known | None, serving: Serving, asked: Request) -> Response | None:
        """The answer to a browser's preflight for which no view is needed."""
        if known is None or not is_preflight(asked):
            return None
        if known.cross_origin is not None and known.cross_origin.answers_options(self.app):
            return self._with_cors(self.app.make_default_options_response(), known)
        return self.app.make_default_options_response() if _is_automatic(serving) else None

    def _with_cors(self, response: Response, known: Known | None) -> Response:
        origin = None if known is None else known.cross_origin
        return response if origin is None else origin.add_to(response, self.app)

    def _turn_away(self, asked: Request, refusal: Refusal, instance: str) -> Response:
        guard, known = self.rules.guard, self.reader.known(Serving.of(self.app, asked))
        if known is not None and is_preflight(asked) and refusal.reason is Reason.NO_CREDENTIAL:
            # The view handles OPTIONS itself and may do anything: do not run it without a caller.
            return self._with_cors(self.app.make_default_options_response(), known)
        return self._with_cors(self._refused(refusal, guard.answer(refusal, instance), asked), known)

    def answer_raised(self, refusal: Refusal) -> Response:
        """Answer a refusal that a view did not catch: of `verify`, or of a sign-in."""
        refusal.__traceback__ = None  # its frames hold the token
        return self._turn_away(request_now(), refusal, instance_of(self.rules.guard, refusal))

    def _refused(self, refusal: Refusal, answer: Answer, asked: Request) -> Response:
        response = self._redressed(refusal, asked)
        if response is None:
            return Response(answer.body, answer.status, list(answer.headers))
        for name, value in answer.headers:
            if is_needed(name, response.status_code):
                response.headers.setdefault(name, value)
        return response

    def _redressed(self, refusal: Refusal, asked: Request) -> Response | None:
        if self._on_refusal is None:
            return None
        try:
            instead = self.app.ensure_sync(self._on_refusal)(asked, refusal)
            return None if instead is None else self.app.make_response(instead)
        except Exception:  # noqa: BLE001 - a failing hook must not change who is let in
            log.exception("on_refusal failed; the usual answer is sent")
            return None


_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_OWNER: Final = "callerid.request"
"""The key of an ``environ`` with the request that the caller in it belongs to."""


def _begin(asked: Request) -> None:
    """Start without a caller. A request whose ``environ`` belongs to another request gets a copy of it."""
    vars(asked)[ATTRIBUTE] = None
    owner = asked.environ.get(_OWNER)
    if owner is None:
        asked.environ[_OWNER] = ref(asked)
    elif owner() is not asked:
        asked.environ = {**asked.environ, _OWNER: ref(asked)}
        asked.headers = EnvironHeaders(asked.environ)
    introduce(None, asked.environ)


class _Target(NamedTuple):
    """The place that a request is judged by, what was read there if it serves the request, and the path parameters."""

    known: Known | None
    place: ViewPlace
    endpoint: bool
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class _Settled:
    """The policy for a place, cached with all it depends on: what is served, and what was read there (``known``).

    ``decision`` is the one for all requests, where the place is public. ``audited`` is whether ``audit=`` names it.
    """

    serving: Serving
    template: str
    policy: Policy
    known: Known | None
    decision: Admission | None
    audited: bool

    @classmethod
    def of(cls, serving: Serving, target: _Target, policy: Policy, *, audited: bool) -> Self:
        settled = cls(serving, target.place.template, policy, target.known, None, audited)
        if not policy.whole.public:
            return settled
        return replace(settled, decision=settled.decided(_NOTHING, None))

    @property
    def route(self) -> str:
        return f"{self.serving.method} {self.template}"

    def decided(self, arguments: Mapping[str, Any], caller: Caller | None) -> Admission:
        """The decision to admit a request here. For a redirect no view runs, so there are no marks to check."""
        policy = self.policy
        names = arguments if policy.reads_path else policy.names
        judged = tuple((name, arguments[name]) for name in names if name in arguments) if names else ()
        marks = policy.marks if self.known is not None else frozenset[Mark]()
        return Admission(self.serving, judged, marks, self.template, policy.whole.public, caller)

    def holds(self, app: Flask, asked: Request) -> bool:
        """Whether the cached policy is still valid: the same view is served, and no mark was added since."""
        known, (rule, exception, view, method) = self.known, self.serving
        return (
            known is not None
            and asked.url_rule is rule
            and asked.routing_exception is exception
            and app.view_functions.get(known.rule.endpoint) is view
            and known.is_still_so(method)
        )


def _is_usual(serving: Serving) -> bool:
    """Whether the rule declares this method: only those are cached, so that clients cannot make the cache grow.

    How Flask answers ``OPTIONS`` depends on the request and may change, so it is not cached.
    """
    return serving.method != "OPTIONS" and serving.method in (getattr(serving.rule, "methods", None) or ())


def _is_automatic(serving: Serving) -> bool:
    """Whether Flask answers ``OPTIONS`` automatically, without calling the view."""
    return serving.method == "OPTIONS" and getattr(serving.rule, "provide_automatic_options", False)

"""A guard that protects a Django project: the decision about each request, and the response to a refusal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias, cast

from asgiref.sync import async_to_sync, sync_to_async
from django import urls
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import SimpleTemplateResponse

from callerid._answers import Answer, is_needed
from callerid._marks import Mark
from callerid.asgi._exchange import values_of
from callerid.authentication import METHOD, Waited, resolve, resolve_async
from callerid.authorization import Check, Decision, Policy, Rollout, Shadow, authorize, conclude, evaluate, instance_of
from callerid.authorization import Request as AuthorizationRequest
from callerid.django._current import ATTRIBUTE, ViewAdmission, held, is_async, let_in
from callerid.django._policies import ProjectRules, is_named
from callerid.django._redirects import destination_of
from callerid.django._routes import UrlconfReader, ViewAtRoutes
from callerid.errors import Refusal
from callerid.guard import GuardCore, log
from callerid.keys import Wait
from callerid.paths import AuditedRoutes, BoundTable
from callerid.wsgi import introduce, sent

__all__ = ["OnRefusal", "Protection"]

OnRefusal: TypeAlias = Callable[[HttpRequest, Refusal], Any]
"""Replaces the response to a refusal: an ``HttpResponse``, or ``None`` for the usual one. It never admits.

It may be a coroutine function.
"""

_resolver_of: Callable[[Any], Any] = cast("Any", urls).get_resolver
_NOWHERE: Final = "(no route)"
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Protection:
    """One ``guard.protect(...)``: its rules, and the URLconfs that were read.

    ``rollout`` is until when refusals are not enforced, if they are not; ``shadow`` the path table that is judged
    beside the live one, if there is one; ``audited`` says at which routes who is let in is logged.
    """

    def __init__(
        self,
        rules: ProjectRules,
        on_refusal: OnRefusal | None,
        *,
        rollout: Rollout | None = None,
        shadow: BoundTable | None,
        audited: AuditedRoutes | None = None,
    ) -> None:
        self.rules = rules
        self.rollout = rollout
        self.shadow = shadow
        self.audited = audited
        self._on_refusal = on_refusal
        self._lock = threading.RLock()
        self._routings: dict[Any, UrlconfReader] = {}
        self._nowhere = ViewAtRoutes(_NOWHERE)

    def routing(self, urlconf: Any, check: Callable[[Protection, UrlconfReader], None]) -> UrlconfReader:
        """A URLconf (``None``: ``ROOT_URLCONF``), read and checked once; a failed check is made again."""
        resolver = _resolver_of(urlconf)
        routing = self._routings.get(urlconf)
        if routing is None or routing.resolver is not resolver:
            with self._lock:
                routing = UrlconfReader(resolver)
                check(self, routing)
                self._routings[urlconf] = routing
        return routing

    def admit(self, request: Any, target: _JudgedTarget) -> HttpResponse | None:
        """Decide about a request; the answer, if it is not let in."""
        decision = resolve(partial(self._decision, request, target))
        if decision.refusal is None:
            self._let_in(request, target, decision)
            return None
        return self._refused(request, decision, self._redressed(request, decision.refusal))

    async def admit_async(self, request: Any, target: _JudgedTarget) -> HttpResponse | None:
        """The same in a task."""
        decision = await resolve_async(partial(self._decision, request, target))
        if decision.refusal is None:
            self._let_in(request, target, decision)
            return None
        redressed = None
        if self._on_refusal is not None:
            redressed = await sync_to_async(self._redressed, thread_sensitive=True)(request, decision.refusal)
        return self._refused(request, decision, redressed)

    def target(self, request: Any, routing: UrlconfReader, resolved: Callable[[Any], Any]) -> _JudgedTarget:
        """What Django is about to serve, and the place whose policy holds; ``resolved`` asks its resolver."""
        held(request)[ATTRIBUTE] = None
        request.caller = None
        introduce(None, request.META)
        held(request).pop("headers", None)  # Django keeps them: they are read again without REMOTE_USER
        error: Exception | None = None
        match = served = None
        try:
            match = served = resolved(request)
        except Exception as raised:  # noqa: BLE001 - of a converter, too: whoever is let in gets it
            error = raised.with_traceback(None)
            if isinstance(raised, Http404):
                served = destination_of(request.path_info, routing.resolver, getattr(request, "urlconf", None))
        place = self._nowhere if served is None else routing.place(served, request.method)
        policy = self.rules.policy(place, request.method)
        if policy.public is None:
            # Django's cache of whole pages is outside of the guard: it must not keep what not everybody may see.
            request._cache_update_cache = False  # noqa: SLF001 - the only way to say so
        return _JudgedTarget(match, error, place, policy, _NOTHING if served is None else served.kwargs)

    def _decision(self, request: Any, target: _JudgedTarget, waited: Waited) -> Decision | Wait:
        guard, policy, shadow = self.rules.guard, target.policy, self.shadow
        checks = policy.checks(target.arguments)
        credentials = partial(_credentials, request)
        is_told = guard.observer is not None or log.isEnabledFor(logging.DEBUG)
        audited = self.is_audited(target.place, request.method)
        is_plain = not audited and self.rollout is None and shadow is None and not is_told
        asked = AuthorizationRequest(
            guard,
            _route(request, target),
            tuple(checks),
            credentials,
            policy.whole,
            waives=None if self.rollout is None else self._waives,
            shadow=None if shadow is None else Shadow(guard, partial(self._shadow_checks, shadow, request, target)),
            uses_up=not target.is_redirect,
            audited=audited,
        )
        if not is_plain:
            return authorize(asked, waited)
        decision = evaluate(checks, credentials, waited, uses_up=asked.uses_up)
        if not isinstance(decision, Wait) and decision.refusal is not None:
            conclude(asked, decision)
        return decision

    def is_audited(self, place: ViewAtRoutes, method: str) -> bool:
        """Whether ``audit=`` names a view's route for a method."""
        return self.audited is not None and is_named(self.audited, method, place)

    def _waives(self, _: Any) -> bool:
        return self.rollout is not None and self.rollout.is_report_only(self.rules.guard.clock())

    def _shadow_checks(self, shadow: BoundTable, request: Any, target: _JudgedTarget) -> tuple[Check, ...]:
        policy = self.rules.policy(target.place, request.method, table=shadow)
        return tuple(policy.checks(target.arguments))

    def _let_in(self, request: Any, target: _JudgedTarget, decision: Decision) -> None:
        policy, caller = target.policy, decision.caller
        names = target.arguments if policy.reads_path else policy.names
        judged = tuple((name, target.arguments[name]) for name in names if name in target.arguments)
        # For a redirect no view runs, so there are no marks to claim.
        marks = frozenset[Mark]() if target.match is None else policy.marks
        admission = ViewAdmission(
            target.match, target.error, request.method, judged, marks, _route(request, target), caller
        )
        request.caller = caller
        introduce(caller, request.META)
        let_in(request, admission)

    def _refused(self, request: Any, decision: Decision, redressed: Any) -> HttpResponse:
        usual = self.rules.guard.answer(cast("Refusal", decision.refusal), decision.instance)
        return self._answered(request, usual, redressed)

    def _answered(self, request: Any, usual: Answer, redressed: Any) -> HttpResponse:
        if redressed is None:
            body = b"" if request.method == "HEAD" else usual.body
            return HttpResponse(body, status=usual.status, headers=dict(usual.headers))
        for name, value in usual.headers:
            if is_needed(name, redressed.status_code):
                redressed.headers.setdefault(name, value)
        if request.method == "HEAD" and not redressed.streaming:
            redressed.headers.setdefault("content-length", str(len(redressed.content)))
            redressed.content = b""
        return cast("HttpResponse", redressed)

    def answer_raised(self, request: Any, refusal: Refusal) -> HttpResponse:
        """Answer a refusal that a view did not catch: of `verify`, or of a sign-in."""
        refusal.__traceback__ = None  # its frames hold the token
        usual = self.rules.guard.answer(refusal, instance_of(self.rules.guard, refusal))
        return self._answered(request, usual, self._redressed(request, refusal))

    def _redressed(self, request: Any, refusal: Refusal) -> Any:
        hook: Any = self._on_refusal
        if hook is None:
            return None
        try:
            response: Any = (async_to_sync(hook) if is_async(hook) else hook)(request, refusal)
            if isinstance(response, SimpleTemplateResponse):
                return cast("Any", response).render()
            return response if response is None or isinstance(response, HttpResponseBase) else _no_response(response)
        except Exception:  # noqa: BLE001 - a failing hook must not change who is let in
            log.exception("on_refusal failed; the usual answer is sent")
            return None


def _no_response(given: object) -> NoReturn:
    raise TypeError(f"on_refusal returns an HttpResponse or None, not {given!r}")


class _JudgedTarget(NamedTuple):
    """What Django is about to serve (a match, or what its resolver raised), and the policy that holds.

    ``place`` is where a redirect leads to, where there is one; ``arguments`` are its path parameters.
    """

    match: Any
    error: Exception | None
    place: ViewAtRoutes
    policy: Policy
    arguments: Mapping[str, Any]

    @property
    def is_redirect(self) -> bool:
        """Whether Django's own middleware answers, by a redirect to the place."""
        return self.match is None and self.place.template != _NOWHERE


def _route(request: Any, target: _JudgedTarget) -> str:
    """The name of the place in the log."""
    return f"{request.method} {target.place.template}"


def _credentials(request: Any, guard: GuardCore) -> Mapping[str, list[str]]:
    scope = getattr(request, "scope", None)
    found = sent(request.META, guard.headers.values()) if scope is None else values_of(scope, guard.headers)
    if METHOD in found:
        found[METHOD] = [request.method]  # what is served by, which may be another than was sent
    return found

"""From a request to a logged decision: what every adapter calls."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from callerid.authentication import NOBODY, Waited
from callerid.authorization._auditing import audit_fields
from callerid.authorization._decision_log import log
from callerid.authorization._engine import Check, Credentials, Decision, evaluate
from callerid.authorization._report_only import WOULD_REFUSE
from callerid.authorization._requirement import Requirement
from callerid.authorization._shadow import compare
from callerid.errors import Refusal, Unavailable
from callerid.keys import Wait
from callerid.observing import ObservedDecision, SafeObserver

__all__ = ["Request", "Shadow", "authorize", "conclude"]


class Shadow(NamedTuple):
    """A shadow policy: its checks, and the guard that counts how its decisions compare with the live ones.

    ``route`` is its place for the log, if that is not the request's own place.
    """

    guard: Any
    checks: Callable[[], Iterable[Check]]
    route: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One request to be decided.

    ``route`` is the place for the log: never the path itself, which may contain secrets. ``checks`` are those of its
    policy (`Policy.checks`), ``credentials`` returns the headers that a guard reads. ``trouble`` is a refusal before
    any check (of an ambiguous path), which is logged with ``default`` as its requirement; without one, ``default`` is
    not used. ``waives`` says whether a guard's refusals are only logged at present (``None``: that of the path).
    ``uses_up`` is False where a redirect to another path is the answer: then no token is used up.
    ``audited`` is whether the route is one that ``audit=`` names: who is let in is logged, too.
    """

    guard: Any
    route: str
    checks: tuple[Check, ...]
    credentials: Credentials
    default: Requirement
    trouble: Refusal | None = None
    waives: Callable[[Any], bool] | None = None
    shadow: Shadow | None = None
    uses_up: bool = True
    audited: bool = False


def authorize(request: Request, waited: Waited = ()) -> Decision | Wait:
    """Decide about a request, log the decision and compare the shadow policy; a `Wait` as `evaluate` has it."""
    decision = _decided(request, waited)
    if not isinstance(decision, Wait):
        conclude(request, decision)
    return decision


def conclude(request: Request, decision: Decision) -> None:
    """Log a decision, and compare the shadow policy."""
    first = decision.first_refusal
    if first is not None and first.judged is not None and log.isEnabledFor(logging.INFO):
        first.also = tuple(_others(request, decision))
    if request.shadow is not None:
        guard, checks, route = request.shadow
        compare(guard, route or request.route, decision, checks, request.credentials)
    _log(request, decision)
    observer: SafeObserver | None = request.guard.observer
    if observer is not None:
        observer.decided(_observed(request, decision))


def _others(request: Request, decision: Decision) -> Iterator[Refusal]:
    """The refusals of inner guards, for the log, as far as their keys are cached."""
    at = decision.waived[0][1] if decision.waived else decision.check
    later = request.checks[request.checks.index(at) + 1 :] if at in request.checks else ()
    for check in later:
        if at is not None and check.guard is not at.guard:
            other = evaluate((check,), request.credentials, known=decision.known, uses_up=False)
            refusal = None if isinstance(other, Wait) else other.refusal
            if refusal is not None and not isinstance(refusal, Unavailable):
                yield refusal


def _decided(request: Request, waited: Waited) -> Decision | Wait:
    trouble, waives = request.trouble, request.waives
    if trouble is None:
        return evaluate(request.checks, request.credentials, waited, waives=waives, uses_up=request.uses_up)
    at = Check(request.guard, request.default, {})
    if waives is None or not waives(None):
        return _refused(trouble, at)
    decision = evaluate(request.checks, request.credentials, waited, waives=waives, uses_up=request.uses_up)
    if isinstance(decision, Wait):
        return decision
    if not waives(None):  # report-only mode may have ended meanwhile
        return _refused(trouble, at)
    decision.waived = ((trouble, at), *decision.waived)
    return decision


def _refused(trouble: Refusal, at: Check) -> Decision:
    decision = Decision()
    decision.refusal, decision.check = trouble, at
    return decision


def _observed(request: Request, decision: Decision) -> ObservedDecision:
    """A decision as an observer is told of it."""
    refusal, check = decision.refusal, decision.check
    outcome = "allowed" if refusal is None else "refused"
    if refusal is None and decision.waived:
        (refusal, check), outcome = decision.waived[0], WOULD_REFUSE["outcome"]
    identity = decision.identities.get(request.guard if check is None else check.guard, NOBODY)
    return ObservedDecision(
        outcome,
        None if refusal is None else str(refusal.reason),
        None if refusal is None else refusal.status,
        (check.place if check is not None else "") or request.route,
        identity.caller,
        identity.via,
        identity.app,
        decision.instance,
    )


def _log(request: Request, decision: Decision) -> None:
    if decision.waived:
        refusal, check = decision.waived[0]
        _record(request, decision, check, refusal, WOULD_REFUSE)
    if decision.refusal is not None and decision.check is not None:
        decision.instance = _record(request, decision, decision.check, decision.refusal)
    elif not decision.waived and (request.audited or log.isEnabledFor(logging.DEBUG)):
        for check in {check.guard: check for check in request.checks}.values():
            _record(request, decision, check, None)


def _record(
    request: Request,
    decision: Decision,
    check: Check,
    refusal: Refusal | None,
    said: Mapping[str, str] | None = None,
) -> str:
    guard, requirement, parameters, place = check
    identity = decision.identities.get(guard)
    route = place or request.route
    if not request.audited or not log.isEnabledFor(logging.INFO):
        # Without what is said the guard's own record method gets as many arguments as before there was any.
        more = () if said is None else (said,)
        return str(guard.record(route, requirement, identity, refusal, *more))
    fields = audit_fields(guard, requirement, identity, parameters, allowed=refusal is None)
    return str(guard.record(route, requirement, identity, refusal, {**fields, **(said or {})}))

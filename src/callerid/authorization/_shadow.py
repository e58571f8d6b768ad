"""Shadow policies: judged beside the live ones, counted, logged where they differ, and never enforced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from callerid.asking import is_in_task
from callerid.authorization._decision_log import log
from callerid.authorization._engine import Check, Credentials, Decision, evaluate
from callerid.authorization._requirement import Requirement
from callerid.errors import Reason, Refusal
from callerid.keys import Wait
from callerid.rules import all_of

__all__ = ["compare"]

_OF_USE: Final = (Reason.ALREADY_USED, Reason.SINGLE_USE_UNAVAILABLE)


def compare(
    guard: Any, route: str, live: Decision, shadow: Callable[[], Iterable[Check]], credentials: Credentials
) -> None:
    """Judge a request by the shadow policy, too. Raises nothing.

    ``guard`` counts how the decisions compare. ``shadow`` returns the checks, or raises a `Refusal` of the path.
    Credentials that the live decision read are not read again; others are read without waiting for a key. Whatever has
    to be asked for is asked for, and told of the requests after. No token is used up: it counts as not used before.
    """
    try:
        _compare(guard, route, live, shadow, credentials)
    except Exception:  # noqa: BLE001 - rules that are not in force must not disturb a request
        guard.tally.count("failed")
        fields = {"outcome": "shadow failed", "route": route}
        log.warning("the shadow rules cannot be judged at %s", route, exc_info=True, extra={"callerid": fields})


def _compare(
    guard: Any, route: str, live: Decision, shadow: Callable[[], Iterable[Check]], credentials: Credentials
) -> None:
    checks: tuple[Check, ...] = ()
    try:
        checks = tuple(shadow())
        decision = evaluate(checks, credentials, known=live.known, uses_up=False)
    except Refusal as refusal:  # the path is ambiguous
        decision = Decision()
        decision.refusal = refusal
    if isinstance(decision, Wait):
        decision.begin(in_task=is_in_task())  # so that it can be told of later requests
        guard.tally.count("unknown")
        return
    enforced = live.first_refusal
    if decision.refusal is None and decision.supposes_first_use and enforced is not None and enforced.reason in _OF_USE:
        decision.refusal = enforced
    if guard.tally.compare(enforced, decision.refusal):
        return
    identities = {**live.identities, **decision.identities}
    was = "allowed" if enforced is None else f"{enforced.status} {enforced.reason}"
    if decision.refusal is not None:
        judge, requirement, *_ = decision.check or (guard, None)
        said = {"outcome": "shadow would refuse", "live": was}
        judge.record(route, requirement, identities.get(judge), decision.refusal, said)
    else:
        whole = Requirement(all_of(tuple(each.requirement.rule for each in checks)))
        said = {"outcome": "shadow would admit", "live": was}
        guard.record(route, whole, identities.get(guard), None, said)

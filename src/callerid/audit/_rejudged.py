"""What the rules of an application say now about a decision of the past, as far as its record tells. Pure.

No handler runs, and no code of the application's own rules: whatever depends on that cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from callerid.audit._decision import LoggedDecision
from callerid.audit._rebuilt import UntoldFactError, facts_of
from callerid.audit._rows import ANYWHERE_ELSE, AccessMap, GuardRequirement, Row
from callerid.authorization import Requirement
from callerid.callers import Caller, Kind
from callerid.errors import Unauthenticated
from callerid.guard import GuardCore
from callerid.issuers import Issuer
from callerid.rules import AllOf, AnyOf, Facts, Rule, SingleUse, Via, Where, admitted
from callerid.rules._judging import is_ours

__all__ = ["RejudgedRoutes", "Verdict", "was_let_in"]

Verdict: TypeAlias = bool | str
"""Whether somebody is let in; or why that cannot be told."""

_OF_THE_RULE: Final = frozenset({"not_allowed", "no_credential", "no_app_check", "step_up"})
"""The reasons of refusals that a rule decided."""

_OF_THE_CREDENTIAL: Final = frozenset(
    {"several_credentials", "malformed_header", "malformed_token", "signature_removed", "unsigned", "bad_signature"}
    | {"bad_claims", "expired", "not_yet_valid", "already_consumed", "revoked"}
)
"""The reasons of refusals that no rule changes, unless it is one that reads no credential."""

_OF_THE_REQUEST: Final = frozenset({"ambiguous_path", "malformed_form", "wrong_csrf_token", "front_door_open"})
"""The reasons of refusals that are none of a caller's."""

_OUTCOMES: Final = {"allowed": True, "refused": False, "would refuse": False}


def was_let_in(decision: LoggedDecision) -> bool | None:
    """What the rules said then; ``None`` for a record that is none of theirs (of a shadow policy, or an outage)."""
    outcome = _OUTCOMES.get(decision.fields.get("outcome", ""))
    return None if decision.fields.get("status", "").startswith("5") else outcome


class RejudgedRoutes:
    """The routes of an application, by the names that records have for them."""

    def __init__(self, found: AccessMap) -> None:
        self._routes: dict[tuple[str, str], list[_RouteNow]] = {}
        for row in found.rows:
            template = row.template.partition(_IN_MIDDLEWARE)[0]
            for method in row.methods:
                self._routes.setdefault((method, template), []).append(_RouteNow(row))

    def rule_at(self, route: str) -> str:
        """What is asked at a route now, in words; empty where there is none of this name."""
        return " and ".join(each.row.words() for each in self._at(route))

    def verdict(self, decision: LoggedDecision) -> Verdict:
        """Whether the caller would be let in now."""
        found = self._at(decision.fields["route"])
        if not found:
            return "there is no such route now"
        verdicts = list(dict.fromkeys(each.verdict(decision) for each in found))
        return verdicts[0] if len(verdicts) == 1 else "several places have this name, and do not agree"

    def _at(self, route: str) -> Sequence[_RouteNow]:
        method, _, template = route.partition(" ")
        if template in _NO_ROUTE:
            return self._routes.get(("*", ANYWHERE_ELSE), _NONE)
        methods = (method, "GET", "*") if method == "HEAD" else (method, "*")
        return next(filter(None, (self._routes.get((each, template)) for each in methods)), _NONE)


_IN_MIDDLEWARE: Final = " (middleware "
_NONE: Final[tuple[_RouteNow, ...]] = ()
_NO_ROUTE: Final = ("(no route)", "(no entry)")


@dataclass(frozen=True, slots=True)
class _RouteNow:
    """A route, as it is asked now."""

    row: Row

    def verdict(self, decision: LoggedDecision) -> Verdict:
        reason = decision.fields.get("reason")
        asked = [each for each in self.row.asked if not each.requirement.public]
        was_refused = was_let_in(decision) is False
        if was_refused and reason in _OF_THE_REQUEST:
            return _unasked(reason)
        if not asked:
            return True
        if was_refused and reason not in _OF_THE_RULE:
            is_read = not any(each.requirement.optional for each in asked)
            return False if is_read and reason in _OF_THE_CREDENTIAL else _unasked(reason)
        try:
            facts = facts_of(decision)
        except UntoldFactError as untold:
            if reason != "no_credential" or decision.fields.get("via"):
                return _untold(untold)
            facts = Facts(app=decision.fields.get("app"))  # nobody called: no more has to be known
        return _all(_asked(each, facts) for each in asked)


def _unasked(reason: str | None) -> str:
    return f"it was refused before any rule was asked ({reason})"


def _asked(asked: GuardRequirement, facts: Facts) -> Verdict:
    requirement, caller = asked.requirement, facts.caller
    believed = True if caller is None else _believed(asked.guard, caller, requirement)
    carried = facts.via is None or bool(_issuers_of(asked.guard, facts.via)) or _NOT_CARRIED
    return _all((believed, carried, _held(requirement.rule, facts)))


_NOT_CARRIED: Final = "the guard trusts no issuer of the service that carried the call"


def _believed(guard: GuardCore, caller: Caller, requirement: Requirement) -> Verdict:
    """Whether a token of this caller's would be believed: by its issuer, its tenant and its audience."""
    known = _issuers_of(guard, caller)
    if not known:
        return False
    user = caller.firebase if caller.kind is Kind.FIREBASE else None
    if user is not None and user.tenant is not None and all(user.tenant not in (each.tenants or ()) for each in known):
        return False
    try:
        guard.authenticator.check_audience(caller, requirement.audiences)
    except Unauthenticated:
        return False
    return True


def _issuers_of(guard: GuardCore, caller: Caller) -> list[Issuer]:
    """The issuers from which a guard would take such a caller."""
    return [issuer for issuer in guard.issuers if issuer.name == caller.issuer and issuer.kind is caller.kind]


def _held(rule: Rule, facts: Facts) -> Verdict:
    """Whether a rule holds, by each of its parts of which that can be told."""
    if type(rule) is AllOf:
        inside = rule.within(facts)
        return _all(_held(part, inside) for part in rule.rules)
    if type(rule) is AnyOf:
        return _any(_held(part, facts) for part in rule.rules)
    if type(rule) is Via and facts.via is not None:
        return _held(rule.rule, facts._replace(caller=facts.via, via=None))
    if facts.caller is None and rule.needs_caller:
        return False
    if type(rule) is Where or not is_ours(rule):
        return f"{rule} is decided by code of the application"
    if type(rule) is SingleUse:
        return "the record does not tell whether the token was used before"
    try:
        return admitted(rule, facts)
    except UntoldFactError as untold:
        return _untold(untold)


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    every = list(verdicts)
    return False if False in every else next((each for each in every if isinstance(each, str)), True)


def _any(verdicts: Iterable[Verdict]) -> Verdict:
    every = list(verdicts)
    return True if True in every else next((each for each in every if isinstance(each, str)), False)


def _untold(untold: UntoldFactError) -> str:
    return f"the record does not tell {untold}"

"""What the rules of an application say now about a decision of the past, as far as its record tells. Pure.

No handler runs, and no code of the application's own rules: whatever depends on that cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from callerid.audit.decision import LoggedDecision
from callerid.audit.rebuilt import UntoldFactError, facts_of
from callerid.audit.rows import ANYWHERE_ELSE, AccessMap, GuardRequirement, Row
from callerid.authorization import Requirement
from callerid.callers import Caller, Kind
from callerid.errors import Unauthenticated
from callerid.guard import GuardCore
from callerid.rules import AllOf, AnyOf, Facts, Rule, Via, Where, admitted
from callerid.rules.base import is_ours

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

    def _at(self, route: str) -> list[_RouteNow]:
        method, _, template = route.partition(" ")
        if template in _NO_ROUTE:
            return self._routes.get(("*", ANYWHERE_ELSE), [])
        methods = (method, "GET", "*") if method == "HEAD" else (method, "*")
        return next((self._routes[each, template] for each in methods if (each, template) in self._routes), [])


_IN_MIDDLEWARE: Final = " (middleware "
_NO_ROUTE: Final = ("(no route)", "(no entry)")


@dataclass(frozen=True, slots=True)
class _RouteNow:
    row: Row

    def verdict(self, decision: LoggedDecision) -> Verdict:
        asked = self.row.asked
        if all(each.requirement.public for each in asked):
            return True
        reason = decision.fields.get("reason")
        if was_let_in(decision) is False and reason not in _OF_THE_RULE:
            return False if reason in _OF_THE_CREDENTIAL else f"it was refused before any rule was asked ({reason})"
        try:
            facts = facts_of(decision)
        except UntoldFactError as untold:
            return _untold(untold)
        return _all(_asked(each, facts) for each in asked)


def _asked(asked: GuardRequirement, facts: Facts) -> Verdict:
    requirement: Requirement = asked.requirement
    if requirement.public:
        return True
    caller = facts.caller
    believed = True if caller is None else _believed(asked.guard, caller, requirement)
    return _all((believed, _held(requirement.rule, facts)))


def _believed(guard: GuardCore, caller: Caller, requirement: Requirement) -> Verdict:
    """Whether a token of this caller's would be believed: by its issuer, its tenant and its audience."""
    known = [issuer for issuer in guard.issuers if issuer.name == caller.issuer and issuer.kind is caller.kind]
    if not known:
        return False
    user = caller.firebase if caller.kind is Kind.FIREBASE else None
    if user is not None and user.tenant is not None and all(user.tenant not in (each.tenants or ()) for each in known):
        return False
    try:
        guard.authenticator.check_audience(caller, requirement.audiences)
    except Unauthenticated:
        return False
    except UntoldFactError as untold:
        return _untold(untold)
    return True


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

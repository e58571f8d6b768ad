"""Audit mode: what the log says of a decision at a route that ``audit=`` names, beside what it always says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from callerid.authentication import NOBODY, Identity
from callerid.authorization._recorded_facts import facts_text
from callerid.authorization._requirement import Requirement
from callerid.errors import one_line
from callerid.lookups import KnownFacts
from callerid.rules import Facts, Rule, admitted, path_parameters
from callerid.rules._alternatives import holding_alternatives

__all__ = ["audit_fields"]


def audit_fields(
    guard: Any, requirement: Requirement, identity: Identity | None, parameters: Mapping[str, Any], *, allowed: bool
) -> dict[str, str]:
    """The fields that an audited decision has more than others, each text; empty where there is nothing to say.

    ``by``: the alternatives of the rule that let the caller in, a line each. ``credential``: the kind of what was sent.
    ``facts``: what the rule judged (see `callerid.authorization._recorded_facts`): personal data. ``time``: when, by
    the guard's clock (RFC 3339, UTC). Without an ``identity`` no credential was read, or none believed: nothing is
    known.
    """
    now: float = guard.authenticator.clock()
    who = identity or NOBODY
    facts = Facts(who.caller, who.via, parameters, now, app=who.app)
    by = _admitting(guard, requirement, facts) if allowed else ()
    return {
        "by": "\n".join(dict.fromkeys(one_line(str(each)) for each in by)),
        "credential": _credential(guard, who),
        "facts": "" if identity is None else facts_text(facts, path_parameters(requirement.rule)),
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _admitting(guard: Any, requirement: Requirement, facts: Facts) -> tuple[Rule, ...]:
    """The alternatives that let the caller in; the whole rule where it has none, or none can be told any more.

    Nothing is asked anew: of what look-ups said, what is still at hand counts. A token is used up only where the rule
    holds by nothing else.
    """
    if facts.caller is not None and requirement.lookups:
        facts = facts._replace(looked_up=KnownFacts(guard, facts.caller))
    if requirement.single_use and not admitted(requirement.rule, facts):
        facts = facts._replace(first_use=True)
    return holding_alternatives(requirement.rule, facts) or (requirement.rule,)


def _credential(guard: Any, identity: Identity) -> str:
    """The kind of the caller's credential: all kinds of that issuer, where the guard takes several."""
    caller = identity.caller
    if caller is None:
        return ""
    known = [issuer for issuer in guard.issuers if issuer.name == caller.issuer and issuer.kind is caller.kind]
    kinds = dict.fromkeys(issuer.credential or f"token of {issuer.name}" for issuer in known)
    return one_line(" or ".join(kinds))

"""Audit mode: what the log says of a decision at a route that ``audit=`` names, beside what it always says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from callerid.authentication import NOBODY, Identity
from callerid.authorization.recorded_facts import facts_text
from callerid.authorization.requirement import Requirement
from callerid.callers import Caller
from callerid.errors import Refusal, one_line
from callerid.keys import Wait
from callerid.lookups import looked_up
from callerid.rules import AllOf, AnyOf, Facts, Rule, admitted, path_parameters

__all__ = ["alternatives", "audit_fields"]


def audit_fields(
    guard: Any, requirement: Requirement, identity: Identity | None, parameters: Mapping[str, Any], *, allowed: bool
) -> dict[str, str]:
    """The fields that an audited decision has more than others, each text; empty where there is nothing to say.

    ``by``: the alternatives of the rule that let the caller in, a line each. ``credential``: the kind of what was sent.
    ``facts``: what the rule judged (see `callerid.authorization.recorded_facts`): personal data. ``time``: when, by the
    guard's clock (RFC 3339, UTC). Without an ``identity`` no credential was read, or none believed: nothing is known.
    """
    now: float = guard.authenticator.clock()
    who = identity or NOBODY
    facts = Facts(who.caller, who.via, parameters, now, app=who.app)
    by = _holding(requirement.rule, _with_look_ups(guard, requirement, facts)) if allowed else ()
    return {
        "by": "\n".join(dict.fromkeys(one_line(str(each)) for each in by)),
        "credential": _credential(guard, who),
        "facts": "" if identity is None else facts_text(facts, path_parameters(requirement.rule)),
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def alternatives(rule: Rule) -> Iterator[Rule]:
    """Each part of a rule that may let somebody in beside others; the whole rule where there is no choice in it."""
    found = tuple(_members(rule))
    yield from found or (rule,)


def _members(rule: Rule) -> Iterator[Rule]:
    if type(rule) is AllOf:
        for part in rule.rules:
            yield from _members(part)
    if type(rule) is AnyOf:
        for part in rule.rules:
            yield part
            yield from _members(part)


def _holding(rule: Rule, facts: Facts) -> Iterator[Rule]:
    """The alternatives that hold; of those inside an alternative that does not, none."""
    if tuple(alternatives(rule)) == (rule,):
        yield rule
        return
    yield from _holding_in(rule, facts)


def _holding_in(rule: Rule, facts: Facts) -> Iterator[Rule]:
    if type(rule) is AllOf:
        inside = rule.within(facts)
        for part in rule.rules:
            yield from _holding_in(part, inside)
    if type(rule) is AnyOf:
        for part in rule.rules:
            if admitted(part, facts):
                yield part
                yield from _holding_in(part, facts)


def _with_look_ups(guard: Any, requirement: Requirement, facts: Facts) -> Facts:
    """The facts with what look-ups answered when the request was judged; nothing is asked anew."""
    caller: Caller | None = facts.caller
    if not requirement.lookups or caller is None:
        return facts
    may = partial(admitted, requirement.identifying_rule)
    try:
        found = looked_up(requirement.identifying_rule, facts, caller, guard, (), may=may)
    except Refusal:
        return facts
    return facts if isinstance(found, Wait) else found


def _credential(guard: Any, identity: Identity) -> str:
    """The kind of the caller's credential: all kinds of that issuer, where the guard takes several."""
    caller = identity.caller
    if caller is None:
        return ""
    known = [issuer for issuer in guard.issuers if issuer.name == caller.issuer and issuer.kind is caller.kind]
    kinds = dict.fromkeys(issuer.credential or f"token of {issuer.name}" for issuer in known)
    return one_line(" or ".join(kinds))

"""Why a rule refused a caller, and what would have let them in, for the log. Pure.

A remedy is tried before it is written: the changed rule, or the changed path, is judged by the same facts and must
admit. The narrowest comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import islice, product
from typing import Any, cast

from callerid.callers import CUSTOM, FIREBASE, GOOGLE, OIDC, Caller, FirebaseFacts, Kind, unknown_kind
from callerid.errors import ConfigurationError, Refusal, StepUpRequired
from callerid.rules import (
    AllOf,
    AnyApp,
    AnyOf,
    App,
    Explanation,
    Facts,
    FirebaseUser,
    IssuedBy,
    Rule,
    ServiceAccount,
    Subject,
    Tenant,
    User,
    Via,
    admitted,
    all_of,
    compared_with_path,
    leaves,
)
from callerid.rules._base import grouped
from callerid.rules._claims import ValueRule
from callerid.rules._judging import is_ours, the_caller

__all__ = ["Judged", "account_rule", "nearest", "remedies", "what_came"]

LONGEST = 200
"""A rule's words are cut to this length where a remedy names it."""


class Judged:
    """A rule that refused a request, and the facts by which it did. ``rule`` is one of those that must all admit.

    ``names_issuer`` is whether a rule has to say of which Firebase project, or of which issuer, the caller is.
    """

    def __init__(self, rule: Rule, facts: Facts, *, names_issuer: bool = False) -> None:
        self.rule, self.facts, self.names_issuer = rule, facts, names_issuer

    @cached_property
    def explanation(self) -> Explanation:
        """Why the rule said no."""
        return self.rule.explain(self.facts)

    @cached_property
    def closest(self) -> tuple[Explanation, ...]:
        """All leaves of the alternative that lacked the least; one for this kind of caller goes first."""
        caller = self.facts.caller
        return _closest(self.explanation, None if caller is None else caller.kind)

    @property
    def lacking(self) -> tuple[Explanation, ...]:
        """Those of them that did not hold."""
        return tuple(leaf for leaf in self.closest if not leaf.holds)

    @property
    def failing(self) -> list[Rule]:
        """The parts, all of which must admit, that do not."""
        return [part.rule for part in self._parts if not part.holds]

    @property
    def _parts(self) -> tuple[Explanation, ...]:
        return self.explanation.parts if type(self.rule) is AllOf else (self.explanation,)

    def admits_with(self, alternative: Rule) -> bool:
        """Whether the rule would admit, if the alternative stood beside each part that does not."""
        # A part with an alternative names a tenant, on which the other parts may rely, only where both do (see AnyOf).
        names_tenant = any(part.rule.names_tenant and (part.holds or alternative.names_tenant) for part in self._parts)
        inside = self.facts._replace(tenant_named=True) if names_tenant else self.facts
        holding = (part.rule for part in self._parts if part.holds)
        return admitted(alternative, self.facts) and all(admitted(rule, inside) for rule in holding)


def _closest(found: Explanation, kind: Kind | None) -> tuple[Explanation, ...]:
    if type(found.rule) is AnyOf:
        return min((_closest(part, kind) for part in found.parts), key=lambda leaves: _distance(leaves, kind))
    if type(found.rule) is AllOf:
        return tuple(leaf for part in found.parts for leaf in _closest(part, kind))
    return (found,)


def _distance(closest: tuple[Explanation, ...], kind: Kind | None) -> tuple[int, int]:
    lacking = [leaf for leaf in closest if not leaf.holds]
    return sum(leaf.rule.kinds is not None and kind not in leaf.rule.kinds for leaf in lacking), len(lacking)


def nearest(refusals: Sequence[Refusal]) -> str:
    """Which alternative of the rules lacked the least, and what it lacked; empty where nobody called."""
    judged = [each.judged for each in refusals if isinstance(each.judged, Judged)]
    if not judged or judged[0].facts.caller is None:
        return ""
    whole = _words(leaf for each in judged for leaf in each.closest)
    missing = _words(leaf for each in judged for leaf in each.lacking)
    return f"only {missing} did not hold" if whole == missing else f"{whole}, where only {missing} did not hold"


def _words(found: Iterator[Explanation]) -> str:
    return " and ".join(dict.fromkeys(str(leaf.rule) for leaf in found))


def what_came(judged: Judged) -> str:
    """Who called instead of those whom a rule admits, and what they lack: what decided."""
    caller, lacking = judged.facts.caller, judged.lacking
    start = the_caller(judged.facts)
    notes = dict.fromkeys(each.note.removeprefix(start).removeprefix(f"{caller} ") for each in lacking)
    who = "nobody" if caller is None else str(caller)
    if caller is not None and who in (str(each.rule) for each in lacking):
        # The rule names this very address, and takes no account for it that only says it has it.
        who = f"an account with the address {caller.email}"
    return who + "".join(note if note.startswith((",", " (", ";")) else f", {note}" for note in notes if note)


def remedies(refusals: Sequence[Refusal]) -> Iterator[str]:
    """What would have let this caller in past all of these, a sentence each; nothing where no such change would."""
    judged = [each.judged for each in refusals if isinstance(each.judged, Judged)]
    if not judged or len(judged) < len(refusals):
        return
    if all(isinstance(each, StepUpRequired) for each in refusals):
        yield "sign in again, as the rule asks: no rule needs to change"
        return
    facts = judged[0].facts
    yield from _own_path(judged)
    rule = _app_rule(judged)
    if rule is None:
        rule = account_rule(facts, names_issuer=any(each.names_issuer for each in judged))
    if rule is not None and all(each.admits_with(rule) for each in judged):
        yield f"write | {rule!r} {_beside(judged)}: {_whom(rule, facts)}{_wherever(judged)}"


def _app_rule(judged: Sequence[Judged]) -> Rule | None:
    """The app that sent the request, where rules about apps alone did not hold."""
    app = judged[0].facts.app
    lacking = {type(leaf.rule) for each in judged for leaf in each.lacking}
    with suppress(ConfigurationError):  # no rule can name such an id
        return App(app) if app is not None and lacking <= {App, AnyApp} else None
    return None


def account_rule(facts: Facts, *, names_issuer: bool = False) -> Rule | None:
    """The narrowest rule that admits the account that called, or, where none did, the one that carried the call."""
    caller = facts.caller
    with suppress(ConfigurationError):  # no rule can name such an id
        if caller is None:
            return None if facts.via is None else Via(_google_account(facts.via))
        if caller.kind is GOOGLE:
            return _google_account(caller)
        if caller.kind is FIREBASE and caller.firebase is not None:
            return _firebase_user(caller, caller.firebase, names_issuer=names_issuer)
        if caller.kind in (OIDC, CUSTOM):
            return Subject(caller.subject, of=caller.issuer if names_issuer else None)
        raise unknown_kind(caller.kind)
    return None


def _google_account(caller: Caller) -> Rule:
    kind = ServiceAccount if caller.is_service_account else User
    by_address = None if caller.email is None else kind(caller.email)
    # Google may be no authority for the address: then only the id names the account.
    return by_address if by_address is not None and admitted(by_address, Facts(caller)) else kind(caller.subject)


def _firebase_user(caller: Caller, user: FirebaseFacts, *, names_issuer: bool) -> Rule:
    project = (user.project or None) if names_issuer else None
    parts: list[Rule] = [FirebaseUser(user.uid, anonymous=user.anonymous, project=project)]
    if user.tenant is not None:
        parts.append(Tenant(user.tenant))
    if names_issuer and project is None:
        parts.append(IssuedBy(caller.issuer))
    return all_of(tuple(parts))


def _own_path(judged: Sequence[Judged]) -> Iterator[str]:
    """Where the path names something else than the caller's own: their own place."""
    facts = judged[0].facts
    own = _own_values(judged)
    if facts.caller is None or not own or not all(own.values()):
        return
    for values in islice(product(*own.values()), MOST_PLACES):
        path = dict(zip(own, values, strict=True))
        if all(admitted(each.rule, each.facts._replace(path={**each.facts.path, **path})) for each in judged):
            places = " and ".join(f"{{{name}}} is {value!r}" for name, value in path.items())
            yield f"call it where {places}: no rule needs to change"
            return


MOST_PLACES = 16
"""So many places of the caller's own are tried."""


def _own_values(judged: Sequence[Judged]) -> dict[str, list[str]]:
    """For each path parameter that a rule compares with, what it would have to be for this caller."""
    found: dict[str, dict[str, None]] = {}
    for each in judged:
        for leaf, name in _parameters(each.rule):
            if name in each.facts.path:
                value = each.facts.path[name]
                theirs = (text for text in _own(leaf, each.facts) if _may_stand_for(value, text))
                found.setdefault(name, {}).update(dict.fromkeys(theirs))
    return {name: list(values) for name, values in found.items()}


def _own(leaf: Rule, facts: Facts) -> Iterator[str]:
    """What the path would have to name for this leaf to hold of this caller."""
    caller = facts.caller
    if isinstance(leaf, FirebaseUser | User | ServiceAccount | Subject) and caller is not None:
        yield caller.subject
    else:
        found: Any = None if facts.firebase is None else facts.firebase.tenant
        if isinstance(leaf, ValueRule):
            found = leaf.found(facts)
        items = cast("Iterable[Any]", found) if isinstance(found, tuple) else (found,)
        yield from (item for item in items if isinstance(item, str))


def _may_stand_for(value: Any, text: str) -> bool:
    """Whether a path that has this value may have the text in its place."""
    return text != "" and "/" not in text and (type(value) is str or text.isdecimal())


def _parameters(rule: Rule) -> Iterator[tuple[Rule, str]]:
    """The leaves that compare with the path, and the names of the parameters."""
    for leaf in leaves(rule):
        compared = compared_with_path(leaf) if is_ours(leaf) else None
        if compared is not None:
            yield leaf, compared[1].name


def _beside(judged: Sequence[Judged]) -> str:
    every = [each.rule for each in judged]
    failing = [rule for each in judged for rule in each.failing]
    if failing == every and len(every) == 1:
        return "beside the rule"
    return " and ".join(f"beside {_cut(grouped(rule))}" for rule in failing)


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}..."


def _whom(rule: Rule, facts: Facts) -> str:
    """Whom the rule would admit."""
    if isinstance(rule, App):
        return "admits what this app sends"
    if isinstance(rule, Via):
        return f"admits every call that {facts.via} carries, whoever is behind it"
    return f"admits {facts.caller} and nobody else"


def _wherever(judged: Sequence[Judged]) -> str:
    """Where the path names an account: that it would be opened for all of them."""
    names = dict.fromkeys(name for each in judged for _, name in _parameters(each.rule))
    return f", at every {' and '.join(f'{{{name}}}' for name in names)}" if names else ""

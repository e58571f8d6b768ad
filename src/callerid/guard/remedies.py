"""What would have let a refused caller in, for the log. Pure.

A remedy is tried before it is written: the changed rule, or the changed path, is judged by the same facts and must
admit. The narrowest comes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from callerid.callers import Caller
from callerid.errors import ConfigurationError, Refusal, StepUpRequired
from callerid.rules import (
    AllOf,
    AnyOf,
    Explanation,
    Facts,
    FirebaseUser,
    PathParam,
    Rule,
    ServiceAccount,
    User,
    Via,
    admitted,
    leaves,
)
from callerid.rules.base import grouped

__all__ = ["Judged", "account_rule", "nearest", "remedies"]

LONGEST = 200
"""A rule's words are cut to this length where a remedy names it."""


class Judged:
    """A rule that refused a request, and the facts by which it did. ``rule`` is one of those that must all admit."""

    def __init__(self, rule: Rule, facts: Facts) -> None:
        self.rule, self.facts = rule, facts

    @cached_property
    def explanation(self) -> Explanation:
        """Why the rule said no."""
        return self.rule.explain(self.facts)

    @property
    def failing(self) -> list[Rule]:
        """The parts, all of which must admit, that do not."""
        return [part.rule for part in self._parts if not part.holds]

    @property
    def _parts(self) -> tuple[Explanation, ...]:
        return self.explanation.parts if type(self.rule) is AllOf else (self.explanation,)

    def admits_with(self, alternative: Rule) -> bool:
        """Whether the rule would admit, if the alternative stood beside each part that does not.

        A part that has an alternative no longer says of which tenant everybody is, on whom the other parts may rely.
        """
        holding = [part.rule for part in self._parts if part.holds]
        inside = AllOf(*holding).within(self.facts) if holding else self.facts
        return admitted(alternative, self.facts) and all(admitted(rule, inside) for rule in holding)


def nearest(refusals: Sequence[Refusal]) -> str:
    """Which alternative of the rules lacked the least, and what it lacked; empty where nobody called."""
    judged = [each.judged for each in refusals if isinstance(each.judged, Judged)]
    if not judged or judged[0].facts.caller is None:
        return ""
    every = [each.explanation for each in judged]
    whole, missing = (_words(rule for each in every for rule in found(each)) for found in (_asked, _lacking))
    return f"only {missing} did not hold" if whole == missing else f"{whole}, where only {missing} did not hold"


def _words(rules: Iterator[Rule]) -> str:
    return " and ".join(map(str, dict.fromkeys(rules)))


def _lacking(found: Explanation) -> tuple[Rule, ...]:
    """The leaves that did not hold, of the alternative with the fewest of them."""
    if found.holds:
        return ()
    if type(found.rule) is AnyOf:
        return min(map(_lacking, found.parts), key=len)
    return (
        tuple(leaf for part in found.parts for leaf in _lacking(part)) if type(found.rule) is AllOf else (found.rule,)
    )


def _asked(found: Explanation) -> tuple[Rule, ...]:
    """All leaves of that alternative."""
    if type(found.rule) is AnyOf:
        return _asked(min(found.parts, key=lambda part: len(_lacking(part))))
    return tuple(leaf for part in found.parts for leaf in _asked(part)) if type(found.rule) is AllOf else (found.rule,)


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
    rule = account_rule(facts)
    if rule is not None and all(each.admits_with(rule) for each in judged):
        yield f"write | {rule!r} {_beside(judged)}: {_whom(rule, facts)}{_wherever(judged)}"


def account_rule(facts: Facts) -> Rule | None:
    """The narrowest rule that admits the account that called, or, where none did, the one that carried the call."""
    caller = facts.caller
    with suppress(ConfigurationError):  # no rule can name such an id
        if caller is not None:
            return _naming(caller, facts)
        if facts.via is not None:
            return Via(_naming(facts.via, Facts(facts.via)))
    return None


def _naming(caller: Caller, facts: Facts) -> Rule:
    user = caller.firebase
    if user is not None:
        return FirebaseUser(user.uid, anonymous=user.anonymous)
    kind = ServiceAccount if caller.is_service_account else User
    by_address = None if caller.email is None else kind(caller.email)
    # Google may be no authority for the address: then only the id names the account.
    return by_address if by_address is not None and admitted(by_address, facts) else kind(caller.subject)


def _own_path(judged: Sequence[Judged]) -> Iterator[str]:
    """Where the path names another account than the caller's: their own place."""
    caller = judged[0].facts.caller
    path = {name: value for each in judged for name, value in each.facts.path.items() if name in _parameters(each.rule)}
    if caller is None or not path or not all(_may_stand_for(value, caller.subject) for value in path.values()):
        return
    own = dict.fromkeys(path, caller.subject)
    if all(admitted(each.rule, each.facts._replace(path={**each.facts.path, **own})) for each in judged):
        places = " and ".join(f"{{{name}}} is {caller.subject!r}" for name in own)
        yield f"call it where {places}: no rule needs to change"


def _may_stand_for(value: Any, subject: str) -> bool:
    """Whether a path that has this value may have the subject in its place."""
    return "/" not in subject and (type(value) is str or subject.isdecimal())


def _parameters(rule: Rule) -> Iterator[str]:
    """The names of the path parameters that the rule compares with the caller."""
    for leaf in leaves(rule):
        if type(leaf) is FirebaseUser and isinstance(leaf.uid, PathParam):
            yield leaf.uid.name
        elif (type(leaf) is User or type(leaf) is ServiceAccount) and isinstance(leaf.account, PathParam):
            yield leaf.account.name


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
    if isinstance(rule, Via):
        return f"admits every call that {facts.via} carries, whoever is behind it"
    return f"admits {facts.caller} and nobody else"


def _wherever(judged: Sequence[Judged]) -> str:
    """Where the path names an account: that it would be opened for all of them."""
    names: Mapping[str, None] = dict.fromkeys(name for each in judged for name in _parameters(each.rule))
    return f", at every {' and '.join(f'{{{name}}}' for name in names)}" if names else ""

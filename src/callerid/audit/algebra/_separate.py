"""Rules that all must hold, each judged by itself: by guards, or layers of an application, one behind the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from callerid.rules import Facts, Rule, admitted, all_of, is_public, needs_no_caller
from callerid.rules._base import Joined, grouped
from callerid.rules._judging import is_ours

__all__ = ["Separate", "separate"]


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Separate(Joined):
    """Whoever every one of these rules admits, none of which knows of the others.

    `AllOf` differs in one thing: there a `Tenant` that stands anywhere lets `FirebaseUser`, `EmailDomain` and
    `SignInAttribute` hold of its users. No guard judges by this rule; it says what several of them do together.
    """

    rules: tuple[Rule, ...]

    joint: ClassVar[str] = "all of"
    sign: ClassVar[str] = "and"

    def __init__(self, *rules: Rule) -> None:
        self._take(rules)

    @property
    def needs_caller(self) -> bool:
        return not all(map(needs_no_caller, self.rules))

    def admits(self, facts: Facts) -> bool:
        inside = self.within(facts)
        return all(admitted(rule, inside) for rule in self.rules)

    def within(self, facts: Facts) -> Facts:
        return facts._replace(tenant_named=False)

    def __str__(self) -> str:
        return f" {self.sign} ".join(map(grouped, self.rules))


def separate(rules: Iterable[Rule]) -> Rule:
    """The rules as several judges ask them, one behind the other; joined to one where that says the same.

    Raises `ConfigurationError` for no rules, as `all_of` does.
    """
    parts = tuple(rules)
    asking = tuple(rule for rule in parts if not is_public(rule))
    naming = [rule for rule in asking if rule.names_tenant]
    told_apart = any(_knows_of_tenants(rule) and {*naming} - {rule} for rule in asking)
    return Separate(*asking) if told_apart else all_of(parts)


def _knows_of_tenants(rule: Rule) -> bool:
    """Whether the rule may say otherwise where a tenant is named beside it."""
    if isinstance(rule, Joined):
        return any(map(_knows_of_tenants, rule.rules)) or not is_ours(rule)
    return rule.needs_tenant_named or not is_ours(rule)

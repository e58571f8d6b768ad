"""The alternatives in a rule as it is written, and those of them that let somebody in."""

from __future__ import annotations

from collections.abc import Iterator

from callerid.rules._base import AllOf, AnyOf, Rule
from callerid.rules._facts import Facts
from callerid.rules._judging import admitted

__all__ = ["holding_alternatives", "written_alternatives"]


def written_alternatives(rule: Rule) -> tuple[Rule, ...]:
    """Each part of a rule that may let somebody in beside others; the whole rule where there is no choice in it."""
    return tuple(_within(rule)) or (rule,)


def holding_alternatives(rule: Rule, facts: Facts) -> tuple[Rule, ...]:
    """The written alternatives that hold of facts that the rule admits; inside one that does not hold, none does."""
    return tuple(_holding(rule, facts)) if tuple(_within(rule)) else (rule,)


def _within(rule: Rule) -> Iterator[Rule]:
    if type(rule) is AllOf or type(rule) is AnyOf:
        for part in rule.rules:
            if type(rule) is AnyOf:
                yield part
            yield from _within(part)


def _holding(rule: Rule, facts: Facts) -> Iterator[Rule]:
    if type(rule) is AllOf:
        inside = rule.within(facts)
        for part in rule.rules:
            yield from _holding(part, inside)
    elif type(rule) is AnyOf:
        for part in rule.rules:
            if admitted(part, facts):
                yield part
                yield from _holding(part, facts)

"""What is checked of a guard's rules before the first request, and logged: see `callerid.guard.GuardCore`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

from callerid.authorization._decision_log import log
from callerid.authorization._requirement import Requirement, check_whose
from callerid.errors import ConfigurationError
from callerid.lookups import missing
from callerid.rules import AnyOf, Rule, is_joined, is_public, look_up_rules, without_public

__all__ = ["announce", "check_lookups", "check_requirement", "check_requirements"]

MOST_LOOKED_AT: Final = 1_000
"""Alternatives of a longer rule are not looked into."""


def check_requirement(guard: Any, requirement: Requirement, where: str) -> None:
    """See `callerid.guard.GuardCore.check_possible`."""
    from callerid.audit.algebra import check_possible  # noqa: PLC0415 - asked at start-up, and not for every import

    check_lookups(guard, requirement, where)
    check_whose(requirement, guard.authenticator.trusted, where)
    check_possible(requirement.rule, guard.issuers, where)
    if requirement.audiences is not None and all(each.ignores_named_audience for each in guard.issuers):
        raise ConfigurationError(
            f"{where}: audience= names audiences of Google ID tokens, and this guard reads none of them: leave "
            "audience= out (the other issuers' audiences are those that they were given)",
            code="audience-of-a-rule",
        )


def check_lookups(guard: Any, requirement: Requirement, where: str) -> None:
    """Raise `ConfigurationError` for a rule whose look-up the guard does not have."""
    known = guard.lookups.members
    for leaf in look_up_rules(requirement.rule):
        if leaf.of not in known:
            raise ConfigurationError(f"{where}: {leaf!r}: {missing(leaf.of, known)}", code="lookup-missing")


def check_requirements(parts: Iterable[tuple[Any, Requirement]], where: str) -> None:
    """See `callerid.guard.GuardCore.check_together`."""
    from callerid.audit.algebra import check_possible, separate  # noqa: PLC0415 - as above

    parts = tuple(parts)
    issuers = tuple(dict.fromkeys(issuer for guard, _ in parts for issuer in guard.issuers))
    check_possible(separate(requirement.rule for _, requirement in parts), issuers, where)


def announce(guard: Any, places: Iterable[tuple[str, Rule]], default: Rule) -> None:
    """See `callerid.guard.GuardCore.announce`."""
    from callerid.audit.algebra import is_weaker, redundant_alternatives  # noqa: PLC0415 - as above

    guard.authenticator.check_emulated()

    @cache
    def weaker(rule: Rule) -> bool:
        return rule != default and is_weaker(rule, default, guard.issuers)

    seen: set[Rule] = set()
    told: dict[str, Rule] = {}
    for place, rule in places:
        told[place] = rule
        if place.startswith("HEAD ") and told.get(f"GET {place[5:]}") == rule:
            continue  # HEAD goes with GET
        # Who is let in as anybody, and who is known: both are meant where a rule has Public() beside others.
        for joined in _any_ofs(without_public(rule)):
            if joined not in seen:
                seen.add(joined)
                for each in redundant_alternatives(joined, guard.issuers):
                    log.info(
                        "redundant alternative: %s: %s: the others admit all of them",
                        place,
                        each,
                    )
        if is_public(rule):
            log.info("open to everybody: %s", place)
        elif weaker(rule):
            log.info("weaker than the default: %s: %s", place, rule)


def _any_ofs(rule: Rule) -> Iterator[AnyOf]:
    """All alternatives in a rule of a size that can be looked into."""
    if type(rule) is AnyOf and len(rule.rules) <= MOST_LOOKED_AT:
        yield rule
    for part in rule.rules if is_joined(rule) else ():
        yield from _any_ofs(part)

"""What else follows from the same algebra: rules that admit nobody, alternatives that add nobody, weaker rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, islice

from callerid.audit.algebra._access import No, admits_anybody, compare, too_long
from callerid.audit.algebra._formula import Choice, Clause, Rest, clauses, formula
from callerid.audit.algebra._possible import alternatives, every_leaf, why_nobody
from callerid.audit.algebra._search import CallerKind, TooManySteps, distinct, kinds, presented
from callerid.audit.algebra._separate import Separate
from callerid.audit.algebra._sides import Side, TrustPaths, open_trust_paths, trust_paths_of
from callerid.audit.algebra._statements import Conjunction
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer
from callerid.rules import AllOf, AnyOf, Nobody, Rule
from callerid.rules._judging import check_hashable

__all__ = ["admits_nobody", "check_possible", "is_weaker", "redundant_alternatives"]

FEW = 16
"""So many alternatives are tried one by one, before all of them are looked into."""


def check_possible(rule: Rule, issuers: tuple[Issuer, ...], where: str) -> None:
    """Raise `ConfigurationError` for a rule that can admit nobody whom these issuers can vouch for.

    `Nobody` is no mistake: it says what it means. ``where`` says whose rule it is, for the message. A rule with more
    alternatives than can be looked into is taken to admit somebody. A rule that cannot be hashed is an error, too.
    """
    for leaf in every_leaf(rule):
        check_hashable(leaf)
    kinds = {type(leaf) for leaf in every_leaf(rule)}
    if Nobody in kinds:
        return
    if _admits_by_one_of_the_first(rule, issuers, kinds) or not admits_nobody(rule, issuers):
        return
    why = why_nobody(rule, issuers) or f"what {rule!r} asks for does not go together, and all of it must hold"
    if type(rule) is Separate and not admits_nobody(AllOf(*rule.rules), issuers):
        why += (
            ", each part of it judged by itself: FirebaseUser, EmailDomain and SignInAttribute refuse every tenant's "
            "users unless a Tenant stands in the same rule, so join the two with & in one place"
        )
    raise ConfigurationError(f"{where}: this rule can admit nobody: {why}", code="rule-admits-nobody")


def _admits_by_one_of_the_first(rule: Rule, issuers: tuple[Issuer, ...], kinds: set[type[Rule]]) -> bool:
    """Whether one of its first alternatives admits somebody, as in nearly every rule, however long."""
    # Whether an address may be a tenant's follows from the whole rule; all else is known of each alternative.
    is_told_by_tenant = any(kind.needs_tenant_named for kind in kinds)
    first = () if is_told_by_tenant else islice(alternatives(rule), FEW)
    return any(not admits_nobody(AllOf(*conjunction), issuers) for conjunction in first)


def admits_nobody(rule: Rule, issuers: tuple[Issuer, ...], audiences: frozenset[str] | None = None) -> bool:
    """Whether no caller whom these issuers can vouch for satisfies the rule, however they call.

    ``audiences`` are those that are named beside the rule. A `Where` and a rule of the application's own are taken to
    admit somebody, and so is a rule with more alternatives than can be looked into.
    """
    if too_long(rule):
        return False
    return not admits_anybody(formula(rule), trust_paths_of(issuers, audiences))


def redundant_alternatives(rule: Rule, issuers: tuple[Issuer, ...] = ()) -> tuple[Rule, ...]:
    """The members of an `AnyOf` that admit nobody whom the others do not admit: all of them can be left out at once.

    Those that ask for most are tried first, and of two that ask for as much the later one. ``issuers`` are the guard's,
    if they are known.
    """
    if type(rule) is not AnyOf or too_long(rule):
        return ()
    members = [formula(part) for part in rule.rules]
    whole = Choice(tuple(option for member in members for option in member.options))
    every = list(kinds(whole, distinct(_trust_paths((whole.asked,), issuers), [whole.asked])))
    ends = list(accumulate((len(member.options) for member in members), initial=0))
    left_out: set[int] = set()
    redundant: set[int] = set()
    for number in sorted(range(len(members)), key=lambda each: (_asked(members[each]), each), reverse=True):
        member, own = members[number], range(ends[number], ends[number + 1])
        left_out.update(own)
        others = Rest(whole, left_out)
        is_long = any(option.choices for option in member.options)
        parts = clauses(others.as_choice()) if is_long else [others]
        if _any_presented(member, every, parts):
            left_out.difference_update(own)
        else:
            redundant.add(number)
    return tuple(part for number, part in enumerate(rule.rules) if number in redundant)


def _any_presented(member: Choice, every: list[CallerKind], parts: Sequence[Clause | Rest]) -> bool:
    """Whether the member admits anybody else; so it is taken where the search is given up."""
    try:
        return any(True for _ in presented(member, every, parts))
    except TooManySteps:
        return True


def _asked(found: Choice) -> int:
    """Of how many traits the longest alternative is made."""
    sizes = (sum(map(len, term)) + sum(map(_asked, choices)) for term, choices, _ in found.options)
    return max(sizes, default=0)


def is_weaker(rule: Rule, default: Rule, issuers: tuple[Issuer, ...] = ()) -> bool:
    """Whether the rule admits anybody whom the default does not; true, too, where that cannot be told.

    ``issuers`` are the guard's, if they are known.
    """
    if rule == default:
        return False
    if too_long(rule) or too_long(default):
        return True
    trust_paths = _trust_paths(() if issuers else (formula(rule).asked, formula(default).asked), issuers)
    return not isinstance(compare(Side(default), Side(rule), trust_paths), No)


def _trust_paths(asked: Iterable[Conjunction], issuers: tuple[Issuer, ...]) -> TrustPaths:
    if issuers:
        return trust_paths_of(issuers)
    named: dict[object, set[str]] = {"issuer": set(), "project": set(), "app project": set()}
    for trait in (trait for term in asked for part in term for trait in part if trait.of in named):
        named[trait.of].add(str(trait.value))
    return open_trust_paths(*(frozenset(named[each]) for each in ("issuer", "project", "app project")))

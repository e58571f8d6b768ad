"""What else follows from the same algebra: rules that admit nobody, alternatives that add nobody, weaker rules."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import product

from callerid.algebra.access import MOST_TERMS, No, compare, presented
from callerid.algebra.covering import Covering
from callerid.algebra.laws import MOST_ALTERNATIVES
from callerid.algebra.possible import alternatives, every_leaf, why_nobody
from callerid.algebra.separate import Separate
from callerid.algebra.sides import Doors, Side, doors_between, open_doors
from callerid.algebra.traits import Term, Trait, contradictory, count, terms
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer
from callerid.rules import AllOf, AnyOf, EmailDomain, Nobody, Rule

__all__ = ["admits_nobody", "check_possible", "is_weaker", "redundant_alternatives"]


def check_possible(rule: Rule, issuers: tuple[Issuer, ...], where: str) -> None:
    """Raise `ConfigurationError` for a rule that can admit nobody whom these issuers can vouch for.

    `Nobody` is no mistake: it says what it means. ``where`` says whose rule it is, for the message. A rule of more than
    `MOST_ALTERNATIVES` impossible ones is taken to admit somebody.
    """
    kinds = {type(leaf) for leaf in every_leaf(rule)}
    if Nobody in kinds:
        return
    # Whether an address may be a tenant's follows from the whole rule; all else is known of each alternative.
    is_whole = EmailDomain in kinds
    if not _is_impossible(rule, issuers) if is_whole else _admits_by_one(rule, issuers):
        return
    why = why_nobody(rule, issuers) or f"what {rule!r} asks for does not go together, and all of it must hold"
    if type(rule) is Separate and not admits_nobody(AllOf(*rule.rules), issuers):
        why += (
            ", each part of it judged by itself: EmailDomain refuses every tenant's users unless a Tenant stands in "
            "its own rule, so join the two with & in one place"
        )
    raise ConfigurationError(f"{where}: this rule can admit nobody: {why}")


def _is_impossible(rule: Rule, issuers: tuple[Issuer, ...]) -> bool:
    return count(rule) <= MOST_ALTERNATIVES and admits_nobody(rule, issuers)


def _admits_by_one(rule: Rule, issuers: tuple[Issuer, ...]) -> bool:
    """Whether one of its alternatives admits somebody. Most rules are done with the first."""
    side = Side(rule, issuers=issuers)
    doors = doors_between(side, side)
    known = cache(terms)
    for number, conjunction in enumerate(alternatives(rule)):
        found = (_joined(choice) for choice in product(*map(known, conjunction)))
        possible = (term for term in found if not (contradictory(term.caller) or contradictory(term.carrier)))
        if number >= MOST_ALTERNATIVES or any(True for _ in presented(possible, doors)):
            return True
    return False


def _joined(found: tuple[Term, ...]) -> Term:
    callers, carriers = ([getattr(term, part) for term in found] for part in ("caller", "carrier"))
    return Term(frozenset[Trait]().union(*callers), frozenset[Trait]().union(*carriers))


def admits_nobody(rule: Rule, issuers: tuple[Issuer, ...]) -> bool:
    """Whether no caller whom these issuers can vouch for satisfies the rule, however they call.

    A `Where` and a rule of the application's own are taken to admit somebody, and so is a rule with more alternatives
    than can be looked into.
    """
    if count(rule) > MOST_TERMS:
        return False
    side = Side(rule, issuers=issuers)
    return not any(True for _ in presented(terms(rule), doors_between(side, side)))


def redundant_alternatives(rule: Rule, issuers: tuple[Issuer, ...] = ()) -> tuple[Rule, ...]:
    """The members of an `AnyOf` that admit nobody whom the others do not admit: all of them can be left out at once.

    Those that ask for most are tried first, and of two that ask for as much the later one. ``issuers`` are the guard's,
    if they are known.
    """
    if type(rule) is not AnyOf or count(rule) > MOST_TERMS:
        return ()
    ways = [terms(part) for part in rule.rules]
    owned = [(term, owner) for owner, found in enumerate(ways) for term in found]
    covering = Covering((term for term, _ in owned), (owner for _, owner in owned))
    doors = _doors(rule, (term for term, _ in owned), issuers)
    left = set(range(len(ways)))
    for owner in sorted(left, key=lambda each: (_asked(ways[each]), each), reverse=True):
        others = left - {owner}
        shown = presented(ways[owner], doors)
        if all(any(each in others for each in covering.owners(one.traits)) for one in shown):
            left = others
    return tuple(part for owner, part in enumerate(rule.rules) if owner not in left)


def _asked(found: list[Term]) -> int:
    return max((len(term.caller) + len(term.carrier) for term in found), default=0)


def is_weaker(rule: Rule, default: Rule, issuers: tuple[Issuer, ...] = ()) -> bool:
    """Whether the rule admits anybody whom the default does not; true, too, where that cannot be told.

    ``issuers`` are the guard's, if they are known.
    """
    if rule == default:
        return False
    if max(count(rule), count(default)) > MOST_TERMS:
        return True
    doors = _doors(rule, terms(rule | default), issuers)
    return not isinstance(compare(Side(default), Side(rule), doors), No)


def _doors(rule: Rule, found: Iterable[Term], issuers: tuple[Issuer, ...]) -> Doors:
    if issuers:
        side = Side(rule, issuers=issuers)
        return doors_between(side, side)
    named: dict[object, set[str]] = {"issuer": set(), "project": set()}
    for trait in (trait for term in found for part in term for trait in part if trait.of in named):
        named[trait.of].add(str(trait.value))
    return open_doors(frozenset(named["issuer"]), frozenset(named["project"]))

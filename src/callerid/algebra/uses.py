"""What else follows from the same algebra: rules that admit nobody, alternatives that add nobody, weaker rules."""

from __future__ import annotations

from collections.abc import Iterable

from callerid.algebra.access import MOST_TERMS, Covering, No, compare, presented
from callerid.algebra.sides import Doors, Side, doors_between, open_doors
from callerid.algebra.traits import Term, ages_in, count, terms
from callerid.issuers import Issuer
from callerid.rules import AnyOf, Rule

__all__ = ["admits_nobody", "is_weaker", "redundant_alternatives"]


def admits_nobody(rule: Rule, issuers: tuple[Issuer, ...]) -> bool:
    """Whether no caller whom these issuers can vouch for satisfies the rule, however they call.

    A `Where` and a rule of the application's own are taken to admit somebody, and so is a rule with more alternatives
    than can be looked into.
    """
    if count(rule) > MOST_TERMS:
        return False
    side = Side(rule, issuers=issuers)
    return not any(True for _ in presented(terms(rule), doors_between(side, side), ()))


def redundant_alternatives(rule: Rule, issuers: tuple[Issuer, ...] = ()) -> tuple[Rule, ...]:
    """The members of an `AnyOf` that admit nobody whom the others do not admit: all of them can be left out at once.

    Those that ask for most are tried first, and of two that ask for as much the later one. ``issuers`` are the guard's,
    if they are known.
    """
    if not isinstance(rule, AnyOf) or count(rule) > MOST_TERMS:
        return ()
    ways = [terms(part) for part in rule.rules]
    owned = [(term, owner) for owner, found in enumerate(ways) for term in found]
    covering = Covering((term for term, _ in owned), (owner for _, owner in owned))
    doors = _doors(rule, (term for term, _ in owned), issuers)
    ages = sorted({age for term, _ in owned for age in ages_in(term.caller)})
    left = set(range(len(ways)))
    for owner in sorted(left, key=lambda each: (_asked(ways[each]), each), reverse=True):
        others = left - {owner}
        shown = presented(ways[owner], doors, ages)
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
    return open_doors(
        frozenset(str(trait.value) for term in found for part in term for trait in part if trait.of == "issuer")
    )

"""Which of many conjunctions a caller satisfies, found without asking each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from math import inf

from callerid.algebra.traits import Term, Trait, Traits, ages_in

__all__ = ["Covering"]

FEW = 12
"""So many different conjunctions are asked one by one."""


class _Row:
    """Conjunctions that differ in nothing but the age of a sign-in, each with its number, longest age first."""

    __slots__ = ("caller", "carrier", "numbered")

    def __init__(self, caller: Traits, carrier: Traits, numbered: list[tuple[float, int]]) -> None:
        self.caller, self.carrier = caller, carrier
        self.numbered = sorted(numbered, reverse=True) if len(numbered) > 1 else numbered


class Covering:
    """Numbered conjunctions by what they ask for: each is found by that trait of it which the fewest others ask for.

    Who signed in within ``a`` did so within ``b`` for ``a <= b``, so an age is compared and not looked up.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        grouped: dict[tuple[Traits, Traits], list[tuple[float, int]]] = {}
        for number, term in enumerate(terms):
            ages = ages_in(term.caller)
            asked = frozenset(trait for trait in term.caller if trait.of != "age") if ages else term.caller
            grouped.setdefault((asked, term.carrier), []).append((min(ages, default=inf), number))
        self._rows = [_Row(*asked, numbered) for asked, numbered in grouped.items()]
        self._by_caller: dict[Trait, list[_Row]] = {}
        self._by_carrier: dict[Trait, list[_Row]] = {}
        self._asking_nothing = [row for row in self._rows if not (row.caller or row.carrier)]
        if len(self._rows) > FEW:
            self._look_up()

    def _look_up(self) -> None:
        often = Counter(chain.from_iterable(row.caller for row in self._rows))
        often_carried = Counter(chain.from_iterable(row.carrier for row in self._rows))
        for row in self._rows:
            if row.caller:
                self._by_caller.setdefault(_rarest(row.caller, often), []).append(row)
            elif row.carrier:
                self._by_carrier.setdefault(_rarest(row.carrier, often_carried), []).append(row)

    def met_by(self, known: Term) -> Iterator[int]:
        """The numbers of the conjunctions that ask for nothing more."""
        caller, carrier = known
        shortest = -1.0
        for row in self._candidates(known):
            if row.caller <= caller and row.carrier <= carrier:
                for age, number in row.numbered:
                    if age != inf:
                        shortest = min(ages_in(caller), default=inf) if shortest < 0 else shortest
                        if shortest > age:
                            break
                    yield number

    def _candidates(self, known: Term) -> Iterable[_Row]:
        if len(self._rows) <= FEW:
            return self._rows
        by_caller, by_carrier = self._by_caller, self._by_carrier
        found = [by_caller[trait] for trait in known.caller if trait in by_caller]
        found += [by_carrier[trait] for trait in known.carrier if trait in by_carrier]
        return chain(self._asking_nothing, *found)


def _rarest(traits: Traits, often: Mapping[Trait, int]) -> Trait:
    for trait in traits:
        if often[trait] == 1:
            return trait
    return min(traits, key=often.__getitem__)

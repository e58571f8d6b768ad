"""Which of many conjunctions a caller satisfies, found without asking each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from math import inf

from callerid.audit.algebra._statements import Conjunction, Trait, Traits, ages_in

__all__ = ["SetTrie"]

FEW = 12
"""So many different conjunctions are asked one by one."""

FEW_TRAITS = 64
"""Where conjunctions are made of no more traits than this, those that ask for one are the bits of an integer."""


class _Row:
    """Conjunctions that differ in nothing but the age of a sign-in, each with its number, longest age first."""

    __slots__ = ("asked", "numbered")

    def __init__(self, asked: Traits, numbered: list[tuple[float, int]]) -> None:
        self.asked = asked
        self.numbered = sorted(numbered, reverse=True) if len(numbered) > 1 else numbered


class SetTrie:
    """Numbered conjunctions by what they ask for.

    Who signed in within ``a`` did so within ``b`` for ``a <= b``, so an age is compared and not looked up.
    """

    def __init__(self, terms: Iterable[Conjunction]) -> None:
        grouped: dict[Traits, list[tuple[float, int]]] = {}
        for number, term in enumerate(terms):
            ages = ages_in(term.caller)
            asked = frozenset(trait for trait in term.caller if trait.of != "age") if ages else term.caller
            grouped.setdefault(_as_one(asked, term), []).append((min(ages, default=inf), number))
        self._rows = _Rows([_Row(asked, numbered) for asked, numbered in grouped.items()], frozenset())

    def met_by(self, known: Conjunction) -> Iterator[int]:
        """The numbers of the conjunctions that ask for nothing more."""
        shortest = -1.0
        for row in self._rows.within(_as_one(known.caller, known)):
            for age, number in row.numbered:
                if age != inf:
                    shortest = min(ages_in(known.caller), default=inf) if shortest < 0 else shortest
                    if shortest > age:
                        break
                yield number


def _as_one(caller: Traits, term: Conjunction) -> Traits:
    _, carrier, app = term
    if not (carrier or app):
        return caller
    return caller.union((Trait("carrier", trait) for trait in carrier), (Trait("of the app", trait) for trait in app))


class _Rows:
    """Rows of all of which some traits are known to be met.

    Few are looked at one by one; those made of few traits as bits; the others by that trait of each which the fewest
    others ask for, and those that share it in the same way by the rest.
    """

    def __init__(self, rows: list[_Row], met: Traits) -> None:
        self._rows, self._met = rows, met
        self._by_trait: dict[Trait, list[_Row]] = {}
        self._inside: dict[Trait, _Rows] = {}
        self._bits: dict[Trait, int] = {}
        self._asking_nothing: list[_Row] = []
        if len(rows) > FEW:
            often = Counter(chain.from_iterable(row.asked - met for row in rows))
            if len(often) <= FEW_TRAITS:
                self._bits = {trait: self._bits_of(trait) for trait in often}
            else:
                self._look_up(often)

    def _bits_of(self, trait: Trait) -> int:
        return int("".join("1" if trait in row.asked else "0" for row in reversed(self._rows)), 2)

    def _look_up(self, often: Counter[Trait]) -> None:
        for row in self._rows:
            rest = row.asked - self._met
            if rest:
                self._by_trait.setdefault(_rarest(rest, often), []).append(row)
            else:
                self._asking_nothing.append(row)

    def within(self, known: Traits) -> Iterator[_Row]:
        """The rows that ask for nothing that is not known."""
        if len(self._rows) <= FEW:
            yield from (row for row in self._rows if row.asked <= known)
        elif self._bits:
            yield from self._by_bits(known)
        else:
            yield from self._asking_nothing
            for trait in known & self._by_trait.keys():
                if trait not in self._inside:
                    self._inside[trait] = _Rows(self._by_trait[trait], self._met | {trait})
                yield from self._inside[trait].within(known)

    def _by_bits(self, known: Traits) -> Iterator[_Row]:
        lacking = 0
        for trait, asking in self._bits.items():
            if trait not in known:
                lacking |= asking
        left = ~lacking & (1 << len(self._rows)) - 1
        while left:
            lowest = left & -left
            yield self._rows[lowest.bit_length() - 1]
            left ^= lowest


def _rarest(traits: Traits, often: Counter[Trait]) -> Trait:
    for trait in traits:
        if often[trait] == 1:
            return trait
    return min(traits, key=often.__getitem__)

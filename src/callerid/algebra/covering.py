"""Whether a caller has all that some alternative asks for, found without asking each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import inf

from callerid.algebra.traits import Term, Trait, ages_in

__all__ = ["Covering"]

_Key = tuple[int, Trait]
"""A trait, and whose it is: the caller's (0), or the carrier's."""


class Covering:
    """Terms by what they ask for, so that those which a caller meets are found without asking each.

    A tree: from its root each term is a way along the things it asks for, the commonest first, and a caller follows the
    ways along what they have. Who signed in within ``a`` did so within ``b`` for ``a <= b``, so ages come last: all
    longer ones are followed. ``owners`` tells whose the terms are.
    """

    def __init__(self, found: Iterable[Term], owners: Iterable[int] | None = None) -> None:
        whole = [_flat(term) for term in found]
        often = Counter(trait for term in whole for trait in term)
        rank = {key: (key[1].of == "age", place) for place, (key, _) in enumerate(often.most_common())}
        self._root = _Fork()
        for term, owner in zip(whole, owners or [0] * len(whole), strict=True):
            fork = self._root
            for trait in sorted(term, key=rank.__getitem__):
                fork = fork.towards(trait)
            fork.owners.append(owner)

    def covers(self, traits: Term) -> bool:
        """Whether one of the terms asks for nothing more."""
        return next(self.owners(traits), None) is not None

    def owners(self, traits: Term) -> Iterator[int]:
        """Whose terms ask for nothing more."""
        known = _flat(traits)
        forks = [self._root]
        while forks:
            fork = forks.pop()
            yield from fork.owners
            forks += [fork.ways[trait] for trait in known if trait in fork.ways]
            if fork.ages:
                shortest = [min(ages_in(part), default=inf) for part in traits]
                forks += [way for (part, age), way in fork.ages.items() if shortest[part] <= age]


@dataclass(slots=True)
class _Fork:
    ways: dict[_Key, _Fork] = field(default_factory=dict["_Key", "_Fork"])
    ages: dict[tuple[int, int], _Fork] = field(default_factory=dict[tuple[int, int], "_Fork"])
    owners: list[int] = field(default_factory=list[int])

    def towards(self, key: _Key) -> _Fork:
        """The next fork of a term that asks for this, too."""
        part, trait = key
        if trait.of == "age" and isinstance(trait.value, int):
            return self.ages.setdefault((part, trait.value), _Fork())
        return self.ways.setdefault(key, _Fork())


def _flat(term: Term) -> list[_Key]:
    return [*((0, trait) for trait in term.caller), *((1, trait) for trait in term.carrier)]

"""A rule as nested alternatives, so that their combinations need not be written out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from math import prod
from typing import NamedTuple, TypeAlias

from callerid.audit.algebra._separate import Separate
from callerid.audit.algebra._set_trie import SetTrie
from callerid.audit.algebra._statements import Conjunction, Place, by_name, together
from callerid.audit.algebra._traits import is_code, is_unknown, leaf_term
from callerid.rules import AllOf, AnyOf, App, Nobody, Rule, Via

__all__ = ["Choice", "Clause", "Option", "ReadLeaves", "Rest", "clauses", "formula"]

MOST_CLAUSES = 4_096
"""Into so many parts a rule is split, each of which must hold."""


ReadLeaves: TypeAlias = "dict[tuple[Rule, bool], tuple[Option, ...]]"
"""Each leaf, and whether a tenant is named beside it, with what it is read into."""


class Option(NamedTuple):
    """One of several alternatives: what must be true, and further choices of which each must be met."""

    term: Conjunction = Conjunction()
    choices: tuple[Choice, ...] = ()
    asks_code: bool = False
    """Whether only code can say if somebody has all that must be true of the caller."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Alternatives, any of which suffices; where there is none, nothing does."""

    options: tuple[Option, ...]

    def met_by(self, known: Conjunction, but: AbstractSet[int] = frozenset()) -> bool:
        """Whether somebody of whom all this is known satisfies an alternative, other than some by their number."""
        options = self.options
        for number in self._covering.met_by(known):
            if number not in but and all(choice.met_by(known) for choice in options[number].choices):
                return True
        return False

    @cached_property
    def _covering(self) -> SetTrie:
        return SetTrie(option.term for option in self.options)

    @cached_property
    def asked(self) -> Conjunction:
        """All that is asked for anywhere in it."""
        return together(self.terms())

    def terms(self) -> Iterator[Conjunction]:
        """What must be true, in each alternative and choice by itself."""
        for option in self.options:
            yield option.term
            for choice in option.choices:
                yield from choice.terms()

    def written_out(self) -> Iterator[Conjunction]:
        """All combinations, any of which suffices: as many as `callerid.audit.algebra._traits.count` says."""
        for option in self.options:
            for chosen in product(*(tuple(choice.written_out()) for choice in option.choices)):
                yield together((option.term, *chosen))


def formula(rule: Rule, place: Place = by_name, read: ReadLeaves | None = None) -> Choice:
    """The rule, taken apart. `Via` distributes over its alternatives, because one service carries a call.

    ``read`` are leaves that were read already, with the same ``place``; those of this rule are added.
    """
    return Choice(_Reader(place, {} if read is None else read).options(rule, tenant_named=False))


class _Reader:
    """Takes a rule apart; of the leaves that are equal one is read."""

    def __init__(self, place: Place, read: ReadLeaves) -> None:
        self._place, self._read = place, read

    def options(self, rule: Rule, *, tenant_named: bool) -> tuple[Option, ...]:
        """The alternatives of a rule; ``tenant_named`` is passed down as `AllOf` passes it, and `Separate` does not."""
        if type(rule) is AnyOf:
            parts = (self.options(part, tenant_named=tenant_named) for part in rule.rules)
            return tuple(dict.fromkeys(chain.from_iterable(parts)))
        if type(rule) is AllOf or type(rule) is Separate:
            named = type(rule) is AllOf and (tenant_named or rule.names_tenant)
            return _joined([self.options(part, tenant_named=named) for part in rule.rules])
        if type(rule) is Via:
            return _carried(self.options(rule.rule, tenant_named=False))
        if type(rule) is Nobody:
            return ()
        if type(rule) is App:
            return tuple(option for each in rule.singly for option in self._of_leaf(each, tenant_named=False))
        return self._of_leaf(rule, tenant_named=tenant_named)

    def _of_leaf(self, leaf: Rule, *, tenant_named: bool) -> tuple[Option, ...]:
        if is_unknown(leaf) or is_code(leaf):
            # Code need not be the same where it says that it is equal.
            return (Option(leaf_term(leaf, self._place, tenant_named=tenant_named), (), asks_code=True),)
        key = leaf, tenant_named
        if key not in self._read:
            self._read[key] = (Option(leaf_term(leaf, self._place, tenant_named=tenant_named)),)
        return self._read[key]


def _joined(parts: list[tuple[Option, ...]]) -> tuple[Option, ...]:
    if not all(parts):
        return ()
    single = [part[0] for part in parts if len(part) == 1]
    term = together(option.term for option in single)
    choices = [choice for option in single for choice in option.choices]
    choices += (Choice(part) for part in parts if len(part) > 1)
    return (Option(term, tuple(choices), any(option.asks_code for option in single)),)


def _carried(options: tuple[Option, ...]) -> tuple[Option, ...]:
    return tuple(
        Option(Conjunction(carrier=term.caller), tuple(Choice(_carried(choice.options)) for choice in choices))
        for term, choices, _ in options
    )


class Clause(NamedTuple):
    """A part of a rule: to satisfy one of these choices satisfies it.

    Of a rule that could not be split ``ways`` are alternatives of it, split: to satisfy all parts of one satisfies it.
    """

    choices: tuple[Choice, ...]
    ways: tuple[tuple[Clause, ...], ...] = ()

    def met_by(self, known: Conjunction) -> bool:
        """Whether somebody of whom all this is known satisfies it."""
        return any(choice.met_by(known) for choice in self.choices)

    def concerns(self, choice: Choice, known: Conjunction) -> bool:
        """Whether what is chosen there may satisfy it, where all this is known."""
        return any(_share(each.asked, choice.asked, known) for each in self.choices)


def _share(one: Conjunction, other: Conjunction, known: Conjunction) -> bool:
    """Whether both ask for something that is not known."""
    return any((first & second) - third for first, second, third in zip(one, other, known, strict=True))


class Rest(NamedTuple):
    """A choice without some of its alternatives, given by their numbers: to satisfy another one satisfies it."""

    whole: Choice
    but: AbstractSet[int]

    def met_by(self, known: Conjunction) -> bool:
        """As `Clause` has it."""
        return self.whole.met_by(known, self.but)

    def as_choice(self) -> Choice:
        """The alternatives that are left."""
        return Choice(tuple(option for number, option in enumerate(self.whole.options) if number not in self.but))


def clauses(rule: Choice) -> Sequence[Clause]:
    """Parts that all must be satisfied: who satisfies the rule satisfies each, and the other way round.

    Alternatives that are conjunctions of choices are split by the distributive law: ``a & b | c`` is ``a | c`` and
    ``b | c``. Where that gives too many parts, the rule is one part.
    """
    plain = Choice(tuple(option for option in rule.options if not option.choices))
    split = [_clauses_of(option) for option in rule.options if option.choices]
    if not split:
        return [Clause((rule,))]
    if prod(map(len, split)) > MOST_CLAUSES:
        return [Clause((rule,), tuple(map(tuple, split)))]
    always = (plain,) if plain.options else ()
    return [
        Clause((*always, *(choice for clause in chosen for choice in clause.choices))) for chosen in product(*split)
    ]


def _clauses_of(option: Option) -> list[Clause]:
    own = [Clause((Choice((Option(option.term),)),))] if any(option.term) else []
    return [*own, *(clause for choice in option.choices for clause in clauses(choice))]

"""All kinds of callers who satisfy a rule, or those of them who do not satisfy another.

A rule has as many conjunctions as its alternatives have combinations. They are searched one choice after another, and
no further where nobody has what was chosen so far, or where all who have it satisfy the other rule already. The other
rule is split into parts that all must be satisfied, and for each part those choices come first that concern it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple

from callerid.audit.algebra.formula import Choice, Clause, Option, Rest
from callerid.audit.algebra.named import linked
from callerid.audit.algebra.sides import Before, Door, Doors
from callerid.audit.algebra.traits import SEVERAL, SOMEBODY, Term, Traits, is_opaque, with_consequences

__all__ = ["MOST_STEPS", "CallerKind", "Presented", "TooManySteps", "distinct", "kinds", "presented", "taken"]


MOST_STEPS = 500_000
"""So many choices are tried in one search; then it is given up."""


class TooManySteps(Exception):
    """The search was given up before its end: what it did not reach is not known."""


class Presented(NamedTuple):
    """Callers of one kind, the least of those who satisfy a conjunction: their traits, and how they come in."""

    traits: Term
    caller: Door | None
    carrier: Door | None


_Said = dict[Hashable, Hashable]
"""Of that which a caller has only once, what is said of it."""


class CallerKind(NamedTuple):
    """A kind of caller: by which doors caller and carrier come in, and what is true of all who do."""

    caller: Door | None
    carrier: Door | None
    traits: Term
    said: tuple[_Said, _Said]
    """What is said of that which caller and carrier have only one of."""


def kinds(rule: Choice, doors: Doors) -> Iterator[CallerKind]:
    """The kinds of callers to whom the rule may speak."""
    may_be_carried = bool(rule.asked.carrier) or any(map(is_opaque, rule.asked.caller))
    callers, carriers = _through(doors.callers), _through(doors.carriers if may_be_carried else ())
    for (caller, traits), (carrier, carried) in product(callers, carriers):
        yield CallerKind(caller, carrier, Term(traits, carried), (_said(traits), _said(carried)))


def _through(doors: tuple[Door, ...]) -> list[tuple[Door | None, Traits]]:
    return [(None, frozenset()), *((door, traits) for door in doors for traits in door.kinds())]


def distinct(doors: Doors, asked: Iterable[Term]) -> Doors:
    """The doors that conjunctions like these can tell apart: of issuers whom none names, one of each kind."""
    traits = {trait for term in asked for part in term for trait in part}
    if any(map(is_opaque, traits)):
        return doors  # code may look at the issuer
    named = {trait.value for trait in traits if trait.of in ("issuer", "project")}

    def first(these: tuple[Door, ...]) -> tuple[Door, ...]:
        found: dict[tuple[object, ...], Door] = {}
        for door in these:
            names = (name if name in named else None for name in (door.issuer, door.project))
            found.setdefault((*names, door.kind, door.before, door.known), door)
        return tuple(found.values())

    return Doors(first(doors.callers), first(doors.carriers))


def presented(
    rule: Choice, every: Iterable[CallerKind], but: Sequence[Clause | Rest] | None = None
) -> Iterator[Presented]:
    """For each conjunction of the rule the least that meets it, in every kind, with all that follows.

    Whoever sends more is admitted by what they also could have sent alone, so nothing is added that is not asked for.
    Only code may look at more: beside a `Where`, a call may be carried or not. With ``but``, those are left out who
    satisfy all of its clauses, as far as their tokens were taken. Raises `TooManySteps`.
    """
    steps = iter(range(MOST_STEPS))
    for kind in every:
        seen: set[Term] = set()
        for clause in (None,) if but is None else but:
            for found in _Search(kind, clause, steps).through(rule):
                if found.traits not in seen:
                    seen.add(found.traits)
                    yield found


def taken(found: Presented, before: frozenset[Before]) -> Term:
    """What the old side knew of these callers, had they sent all of it that it took."""
    return _taken(found.traits, found.caller, found.carrier, before)


def _taken(traits: Term, caller: Door | None, carrier: Door | None, before: frozenset[Before]) -> Term:
    is_caller_taken, is_carrier_taken = (door is None or door.before in before for door in (caller, carrier))
    if is_caller_taken and is_carrier_taken:
        return traits
    # What code says of a caller, it may not say where it sees less.
    return Term(
        _plain(traits.caller) if is_caller_taken else frozenset(),
        _plain(traits.carrier) if is_carrier_taken else frozenset(),
    )


def _plain(traits: Traits) -> Traits:
    return frozenset(trait for trait in traits if not is_opaque(trait))


TAKEN = frozenset({Before.TAKEN})


class _Chosen:
    """What was chosen so far, on the way to a conjunction.

    ``known`` is all that is true of such callers, ``said`` what they have only one of; the rest is what they need.
    """

    __slots__ = ("asks_code", "carries", "known", "needs_caller", "said")

    def __init__(self, known: Term, said: tuple[_Said, _Said], *needs: bool) -> None:
        self.known, self.said = known, said
        self.needs_caller, self.asks_code, self.carries = needs

    def adding(self, option: Option) -> _Chosen | None:
        """With what an alternative asks for; nothing, where nobody has all of it."""
        term, known = option.term, self.known
        caller = _adding(self.said[0], term.caller)
        carrier = None if caller is None else _adding(self.said[1], term.carrier)
        if caller is None or carrier is None:
            return None
        with_all = Term(known.caller | with_consequences(term.caller), known.carrier | with_consequences(term.carrier))
        both = linked(with_all)
        if both is None:
            return None
        needs_caller = self.needs_caller or SOMEBODY in term.caller
        asks_code, carries = self.asks_code or option.asks_code, self.carries or bool(term.carrier)
        return _Chosen(both, (caller, carrier), needs_caller, asks_code, carries)


def _said(traits: Traits) -> _Said:
    return {trait.of: trait.value for trait in traits if trait.of not in SEVERAL}


def _adding(said: _Said, traits: Traits) -> _Said | None:
    """With what these say; ``None`` where they say otherwise of something."""
    found = said
    for of, value in traits:
        if of not in SEVERAL:
            known = found.get(of, _UNSAID)
            if known is _UNSAID:
                found = dict(said) if found is said else found
                found[of] = value
            elif known != value:
                return None
    return found


_UNSAID = object()


class _Search:
    def __init__(self, kind: CallerKind, clause: Clause | Rest | None, steps: Iterator[int]) -> None:
        self._kind, self._clause, self._steps = kind, clause, steps
        self._concerns: dict[int, bool] = {}

    def through(self, rule: Choice) -> Iterator[Presented]:
        start = _Chosen(self._kind.traits, self._kind.said, *[False] * 3)
        for option in rule.options:
            yield from self._with(start, option, [])

    def _with(self, before: _Chosen, option: Option, waiting: list[Choice]) -> Iterator[Presented]:
        kind, term = self._kind, option.term
        if (kind.caller is None and SOMEBODY in term.caller) or (kind.carrier is None and term.carrier):
            return
        if next(self._steps, None) is None:
            raise TooManySteps
        chosen = before.adding(option)
        if chosen is not None:
            waiting = [*waiting, *option.choices]
            if not (option.choices and self._is_met_by_one_way(chosen, waiting)):
                yield from self.onward(chosen, waiting)

    def _is_met_by_one_way(self, chosen: _Chosen, waiting: list[Choice]) -> bool:
        """Whether all who have this and meet these choices satisfy a clause that could not be split in one way."""
        ways = self._clause.ways if isinstance(self._clause, Clause) else ()
        return any(
            all(next(_Search(self._kind, part, self._steps).onward(chosen, waiting), None) is None for part in way)
            for way in ways
        )

    def onward(self, chosen: _Chosen, waiting: list[Choice]) -> Iterator[Presented]:
        """Those of whom this was chosen, and who meet the choices that are waiting."""
        if self._is_covered(chosen):
            return
        if not waiting:
            if self._is_complete(chosen):
                yield Presented(chosen.known, self._kind.caller, self._kind.carrier)
            return
        following = min(waiting, key=self._order) if len(waiting) > 1 else waiting[0]
        left = [choice for choice in waiting if choice is not following]
        for each in following.options:
            yield from self._with(chosen, each, left)

    def _order(self, choice: Choice) -> tuple[bool, int]:
        """What concerns the clause comes first, then what leaves the fewest ways open."""
        if id(choice) not in self._concerns:
            concerns = isinstance(self._clause, Clause) and self._clause.concerns(choice, self._kind.traits)
            self._concerns[id(choice)] = concerns
        return not self._concerns[id(choice)], len(choice.options)

    def _is_covered(self, chosen: _Chosen) -> bool:
        if self._clause is None:
            return False
        return self._clause.met_by(_taken(chosen.known, self._kind.caller, self._kind.carrier, TAKEN))

    def _is_complete(self, chosen: _Chosen) -> bool:
        """Whether each door is one that the conjunction asks for, or that code beside it may look at."""
        has_caller = self._kind.caller is None or chosen.needs_caller or chosen.asks_code
        return has_caller and (self._kind.carrier is None or chosen.carries or chosen.asks_code)

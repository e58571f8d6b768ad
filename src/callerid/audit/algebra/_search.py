"""All kinds of callers who satisfy a rule, or those of them who do not satisfy another.

A rule has as many conjunctions as its alternatives have combinations. They are searched one choice after another, and
no further where nobody has what was chosen so far, or where all who have it satisfy the other rule already. The other
rule is split into parts that all must be satisfied, and for each part those choices come first that concern it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import product
from typing import NamedTuple, TypeAlias

from callerid.audit.algebra._formula import Choice, Clause, Option, Rest
from callerid.audit.algebra._named import linked
from callerid.audit.algebra._sides import Before, TrustPath, TrustPaths
from callerid.audit.algebra._statements import SEVERAL, SOMEBODY, Conjunction, Traits, is_opaque, with_consequences

__all__ = ["MOST_STEPS", "CallerKind", "Presented", "TooManySteps", "distinct", "kinds", "presented", "taken"]


MOST_STEPS = 500_000
"""So many choices are tried in one search; then it is given up."""


class TooManySteps(Exception):
    """The search was given up before its end: what it did not reach is not known."""


class Presented(NamedTuple):
    """Callers of one kind, the least of those who satisfy a conjunction: their traits, and how they come in."""

    traits: Conjunction
    caller: TrustPath | None
    carrier: TrustPath | None
    app: TrustPath | None = None

    @property
    def trust_paths(self) -> Ways:
        """By which trust paths caller, carrier and app come in."""
        return self.caller, self.carrier, self.app


Ways: TypeAlias = tuple[TrustPath | None, TrustPath | None, TrustPath | None]
"""By which trust paths caller, carrier and app come in: ``None`` where there is none."""


_Said = dict[Hashable, Hashable]
"""Of that which a caller has only once, what is said of it."""


class CallerKind(NamedTuple):
    """A kind of caller: by which trust paths caller, carrier and app come in, and what is true of all who do."""

    trust_paths: Ways
    traits: Conjunction
    said: tuple[_Said, _Said, _Said]
    """What is said of that which caller, carrier and app have only one of."""


def kinds(rule: Choice, trust_paths: TrustPaths) -> Iterator[CallerKind]:
    """The kinds of callers to whom the rule may speak."""
    asked = rule.asked
    asks_code = any(map(is_opaque, asked.caller))
    carriers = (
        trust_paths.carriers
        if asked.carrier or asks_code
        else tuple(each for each in trust_paths.carriers if each.behind)
    )
    apps = trust_paths.apps if asked.app or asks_code else ()
    for (caller, known), (carrier, carried), (app, attested) in product(
        *map(_through, (trust_paths.callers, carriers, apps))
    ):
        if not _go_together(caller, carrier):
            continue
        said = _said(known), _said(carried), _said(attested)
        yield CallerKind((caller, carrier, app), Conjunction(known, carried, attested), said)


def _go_together(caller: TrustPath | None, carrier: TrustPath | None) -> bool:
    """Whether a request can have both: a gateway's token stands in place of one that comes directly."""
    if caller is None:
        return True
    if caller.behind:
        return carrier is not None and carrier.behind == caller.behind
    return carrier is None or not carrier.behind or carrier.header != caller.header


def _through(trust_paths: tuple[TrustPath, ...]) -> list[tuple[TrustPath | None, Traits]]:
    return [(None, frozenset()), *((trust_path, traits) for trust_path in trust_paths for traits in trust_path.kinds())]


def distinct(trust_paths: TrustPaths, asked: Iterable[Conjunction]) -> TrustPaths:
    """The trust paths that conjunctions like these can tell apart: of issuers whom none names, one of each kind."""
    traits = {trait for term in asked for part in term for trait in part}
    if any(map(is_opaque, traits)):
        return trust_paths  # code may look at the issuer
    named = {trait.value for trait in traits if trait.of in ("issuer", "project")}
    has_gateways = any(trust_path.behind for trust_path in trust_paths.carriers)

    def first(these: tuple[TrustPath, ...]) -> tuple[TrustPath, ...]:
        found: dict[tuple[object, ...], TrustPath] = {}
        for trust_path in these:
            names = (name if name in named else None for name in (trust_path.issuer, trust_path.project))
            place = (trust_path.header, trust_path.behind, trust_path.was_direct) if has_gateways else ()
            found.setdefault((*names, trust_path.kind, trust_path.before, trust_path.known, place), trust_path)
        return tuple(found.values())

    return TrustPaths(first(trust_paths.callers), first(trust_paths.carriers), first(trust_paths.apps))


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
        seen: set[Conjunction] = set()
        for clause in (None,) if but is None else but:
            for found in _Search(kind, clause, steps).through(rule):
                if found.traits not in seen:
                    seen.add(found.traits)
                    yield found


def taken(found: Presented, before: frozenset[Before]) -> Conjunction:
    """What the old side knew of these callers, had they sent all of it that it took."""
    return _taken(found.traits, found.trust_paths, before)


def _taken(traits: Conjunction, trust_paths: Ways, before: frozenset[Before]) -> Conjunction:
    was_taken = [trust_path is None or trust_path.before in before for trust_path in trust_paths]
    if (
        trust_paths[0] is not None
        and trust_paths[0].was_direct
        and trust_paths[1] is not None
        and trust_paths[1].behind
    ):
        was_taken[1] = False  # either came, and not both
    if all(was_taken):
        return traits
    # What code says of a caller, it may not say where it sees less.
    return Conjunction(*(_plain(part) if was else frozenset() for part, was in zip(traits, was_taken, strict=True)))


def _plain(traits: Traits) -> Traits:
    return frozenset(trait for trait in traits if not is_opaque(trait))


TAKEN = frozenset({Before.TAKEN})


class _Chosen:
    """What was chosen so far, on the way to a conjunction.

    ``known`` is all that is true of such callers, ``said`` what they have only one of; the rest is what they need.
    """

    __slots__ = ("asks_code", "known", "needs", "said")

    def __init__(
        self, known: Conjunction, said: tuple[_Said, _Said, _Said], needs: tuple[bool, bool, bool], *, asks_code: bool
    ) -> None:
        self.known, self.said = known, said
        self.needs, self.asks_code = needs, asks_code

    def adding(self, option: Option) -> _Chosen | None:
        """With what an alternative asks for; nothing, where nobody has all of it."""
        term, known = option.term, self.known
        caller = _adding(self.said[0], term.caller)
        carrier = None if caller is None else _adding(self.said[1], term.carrier)
        app = None if carrier is None else _adding(self.said[2], term.app)
        if caller is None or carrier is None or app is None:
            return None
        with_all = Conjunction(
            known.caller | with_consequences(term.caller),
            known.carrier | with_consequences(term.carrier),
            known.app | term.app,
        )
        both = linked(with_all)
        if both is None:
            return None
        asked = SOMEBODY in term.caller, bool(term.carrier), bool(term.app)
        needs = (self.needs[0] or asked[0], self.needs[1] or asked[1], self.needs[2] or asked[2])
        return _Chosen(both, (caller, carrier, app), needs, asks_code=self.asks_code or option.asks_code)


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
        caller, _, _ = self._kind.trust_paths
        needs = (False, caller is not None and caller.behind != "", False)
        start = _Chosen(self._kind.traits, self._kind.said, needs, asks_code=False)
        for option in rule.options:
            yield from self._with(start, option, [])

    def _with(self, before: _Chosen, option: Option, waiting: list[Choice]) -> Iterator[Presented]:
        term = option.term
        asked = (SOMEBODY in term.caller, term.carrier, term.app)
        if any(trust_path is None and each for trust_path, each in zip(self._kind.trust_paths, asked, strict=True)):
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
                yield Presented(chosen.known, *self._kind.trust_paths)
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
        return self._clause.met_by(_taken(chosen.known, self._kind.trust_paths, TAKEN))

    def _is_complete(self, chosen: _Chosen) -> bool:
        """Whether each trust path is one that the conjunction asks for, or that code beside it may look at."""
        ways = zip(self._kind.trust_paths, chosen.needs, strict=True)
        return chosen.asks_code or all(trust_path is None or is_needed for trust_path, is_needed in ways)

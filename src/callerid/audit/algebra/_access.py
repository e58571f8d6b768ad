"""No new access, proved: whether anybody may come in after a change who could not before, in any way of theirs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, product
from typing import NoReturn

from callerid.audit.algebra._accounts import OtherNames
from callerid.audit.algebra._formula import Choice, ReadLeaves, clauses, formula
from callerid.audit.algebra._opaque import UNREADABLE, Sealed
from callerid.audit.algebra._personas import Persona
from callerid.audit.algebra._possible import alternatives, every_leaf
from callerid.audit.algebra._search import MOST_STEPS, Presented, TooManySteps, distinct, kinds, presented, taken
from callerid.audit.algebra._separate import Separate
from callerid.audit.algebra._sides import Before, Side, TrustPaths, trust_paths_between, trust_paths_of
from callerid.audit.algebra._statements import Conjunction, is_opaque
from callerid.audit.algebra._traits import count, is_code, is_unknown
from callerid.audit.algebra._witness import Vocabulary, least
from callerid.rules import AllOf, AnyOf, Facts, Nobody, Rule, Via, admitted

__all__ = [
    "MOST_TERMS",
    "CannotTell",
    "No",
    "Verdict",
    "Yes",
    "admits_anybody",
    "compare",
    "holds",
    "new_access",
    "too_long",
]

MOST_TERMS = 100_000
"""A rule with more conjunctions than this is not looked into."""

MOST_LEAVES = 100_000
"""A rule joined of more rules than this is not looked into: to read them alone takes seconds."""

MOST_JUDGED = 10_000
"""So many kinds of callers whom the old rule does not admit for sure are asked for a witness; then it is given up."""

MOST_REASONS = 3
MOST_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class Verdict:
    """`No`, `Yes` or `CannotTell`: to be matched by class, since none of them is true or false."""

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is one of three: ask isinstance(verdict, No)")


@dataclass(frozen=True, slots=True)
class No(Verdict):
    """Nobody may come in who could not before."""

    def __str__(self) -> str:
        return "nobody new"


@dataclass(frozen=True, slots=True)
class Yes(Verdict):
    """Somebody may: this persona, refused before and admitted now.

    ``lacking`` are the leaves of the old rule that come closest to admitting them, and do not.
    """

    witness: Persona
    lacking: tuple[Rule, ...] = ()

    def __str__(self) -> str:
        lacking = " and ".join(map(str, self.lacking)) if len(self.lacking) <= 2 else ""
        return f"{self.witness}, not {lacking}" if lacking else str(self.witness)


@dataclass(frozen=True, slots=True)
class CannotTell(Verdict):
    """It cannot be told, and this is why."""

    reason: str

    def __str__(self) -> str:
        return f"cannot tell: {self.reason}"


def new_access(old: Side, new: Side) -> Verdict:
    """Whether the new side admits anybody whom the old one would have refused, whatever they had sent.

    Each alternative of the new rule is asked in every kind of caller who can meet it: issuer and audience, person or
    service account, anonymous or not, carried or not. The least caller of the kind decides: if an alternative of the
    old rule asks for nothing more than they have, it admits everybody of the kind; if none does, they are the witness,
    and both rules are asked again, in earnest, before they are shown.

    Persons are taken to hold tokens for any audience, although Google gives them none for a URL; a Firebase user's
    e-mail, provider and second factor are taken to go together in any way. Both can only find more, never less.
    """
    if old == new:
        return No()
    for side, which in ((new, "new"), (old, "old")):
        if which == "new" and count(side.rule) == 0:
            return No()
        if found := too_long(side.rule):
            return CannotTell(f"the {which} rule has {found}")
    verdict = compare(old, new, trust_paths_between(old, new))
    changed = _changed_settings(old, new)
    if isinstance(verdict, No) and changed and _admits_anybody(new):
        return CannotTell(f"settings of the guard changed: {', '.join(changed)}")
    return verdict


def too_long(rule: Rule) -> str:
    """What a rule has too many of to be looked into, in words; empty if it has not."""
    if (number := count(rule)) > MOST_TERMS:
        return f"{number:,} alternatives, more than {MOST_TERMS:,}"
    is_long = next(islice(every_leaf(rule), MOST_LEAVES, None), None) is not None
    return f"more than {MOST_LEAVES:,} parts" if is_long else ""


def _changed_settings(old: Side, new: Side) -> list[str]:
    """The names of the settings whose change may admit somebody new."""
    changed = {name for name, _ in set(old.settings) ^ set(new.settings)}
    changed |= {name for name, value in new.settings if UNREADABLE in str(value)}
    if "leeway" in changed and _has_no_longer_leeway(old, new):
        changed.remove("leeway")
    if not _values(new, _ORIGIN) - _values(old, _ORIGIN):
        changed.discard(_ORIGIN)
    if not _values(old, _FLEET):
        changed.discard(_FLEET)  # a fleet refuses, and admits nobody
    return sorted(changed)


_ORIGIN = "trusted-origin"
_FLEET = "fleet"


def _values(side: Side, setting: str) -> set[Hashable]:
    return {value for name, value in side.settings if name == setting}


def _has_no_longer_leeway(old: Side, new: Side) -> bool:
    try:
        was, now = ([float(str(value)) for name, value in side.settings if name == "leeway"] for side in (old, new))
    except ValueError:  # a lock that somebody has edited
        return False
    return bool(was and now) and all(one <= other for one in now for other in was)


def _admits_anybody(side: Side) -> bool:
    return admits_anybody(formula(side.rule, side.place), trust_paths_of(side.issuers, side.audiences))


def admits_anybody(rule: Choice, trust_paths: TrustPaths) -> bool:
    """Whether anybody who comes in by these trust paths satisfies a rule.

    Code is taken to admit somebody, and so is a rule that cannot be searched to the end.
    """
    try:
        return any(True for _ in presented(rule, kinds(rule, trust_paths)))
    except TooManySteps:
        return True


def compare(old: Side, new: Side, trust_paths: TrustPaths) -> Verdict:
    """As `new_access`, by these trust paths."""
    try:
        return _compared(old, new, trust_paths)
    except TooManySteps:
        return CannotTell(f"to compare the two rules takes more than {MOST_STEPS:,} steps")


def _compared(old: Side, new: Side, trust_paths: TrustPaths) -> Verdict:
    read: ReadLeaves = {}
    before = formula(old.rule, old.place, read)
    after = formula(new.rule, new.place, read if old.parameters == new.parameters else None)
    asked = (before.asked, after.asked)
    comparison = _Comparison(old, new, before, Vocabulary.of(asked))
    doubts: dict[str, None] = {}
    some = presented(after, kinds(after, distinct(trust_paths, asked)), clauses(before))
    for shown in islice(some, MOST_JUDGED):
        if comparison.admitted_without_caller(shown):
            continue
        found = comparison.judge(shown)
        if isinstance(found, Yes):
            return found
        if len(doubts) < MOST_REASONS:
            doubts[found] = None
    return CannotTell("; ".join(doubts)) if doubts else No()


class _Comparison:
    """The old side, ready to be asked about one kind of caller after another."""

    def __init__(self, old: Side, new: Side, before: Choice, words: Vocabulary) -> None:
        self.old, self.new, self.words = old, new, words
        self._before, self._other_names = before, OtherNames(before)

    @cached_property
    def _old_code(self) -> str:
        return _whom_code_admits(self.old.rule)

    @cached_property
    def _new_code(self) -> str:
        return _whom_code_admits(self.new.rule)

    def admitted_without_caller(self, shown: Presented) -> bool:
        """Whether the gateway alone was let in, where the caller whom it forwards now came without it before."""
        caller, carrier = shown.caller, shown.carrier
        if caller is None or not caller.was_direct or carrier is None or carrier.before is not Before.TAKEN:
            return False
        return self._before.met_by(Conjunction(frozenset(), shown.traits.carrier))

    def judge(self, shown: Presented) -> Yes | str:
        """A witness among callers whom the old rule does not admit for sure; or why it is not known if there is one."""
        hopeful = taken(shown, frozenset({Before.TAKEN, Before.OTHER_KEYS}))
        if self._before.met_by(hopeful):
            return f"the keys or settings of {_other_keys(shown)} changed"
        doubt = self._other_names.may_name(hopeful)
        if doubt:
            return doubt
        if any(trait.of == "unknown" for part in shown.traits for trait in part):
            return self._new_code
        persona = least(shown, self.words, self.new.parameters)
        if self._is_witness(persona, shown):
            return Yes(persona, self._lacking(persona))
        asked = any(is_opaque(trait) for part in shown.traits for trait in part)
        return self._new_code if asked else self._old_code

    def _is_witness(self, persona: Persona, shown: Presented) -> bool:
        if not holds(self.new.rule, persona.facts(), unknown=False):
            return False
        path = dict(self._path_before(persona))
        return not any(holds(self.old.rule, each.facts(path=path), unknown=True) for each in _sent(persona, shown))

    def _path_before(self, persona: Persona) -> Iterator[tuple[str, str]]:
        """The path's parameters by the names they had on the old side."""
        for name, value in persona.path:
            if name not in self.new.parameters:
                yield name, value
            elif (place := self.new.parameters.index(name)) < len(self.old.parameters):
                yield self.old.parameters[place], value

    def _lacking(self, persona: Persona) -> tuple[Rule, ...]:
        facts = persona.facts(path=dict(self._path_before(persona)))
        looked_at = islice(alternatives(self.old.rule), MOST_LOOKED_AT)
        lacking = min((tuple(leaf for leaf in each if not admitted(leaf, facts)) for each in looked_at), key=len)
        return tuple(leaf for leaf in lacking if leaf != Nobody())


def _sent(persona: Persona, shown: Presented) -> Iterator[Persona]:
    """All that they could have sent to the old side: what they have, or less."""
    was_taken = [trust_path is not None and trust_path.before is not Before.REFUSED for trust_path in shown.trust_paths]
    callers = (persona, Persona(path=persona.path)) if was_taken[0] else (Persona(path=persona.path),)
    vias = (persona.via, None) if was_taken[1] else (None,)
    apps = (persona.app, None) if was_taken[2] else (None,)
    is_either = shown.caller is not None and shown.caller.was_direct and persona.is_forwarded
    for each, via, app in product(callers, vias, apps):
        if not (is_either and each is persona and via is not None):
            yield replace(each, via=via, app=app)


def _other_keys(shown: Presented) -> str:
    trust_paths = (trust_path for trust_path in shown.trust_paths if trust_path is not None)
    return " and ".join(
        sorted({trust_path.issuer for trust_path in trust_paths if trust_path.before is Before.OTHER_KEYS})
    )


def holds(rule: Rule, facts: Facts, *, unknown: bool) -> bool:
    """As ``rule.admits(facts)``, but that rules nobody can judge here are taken to say ``unknown``."""
    if type(rule) is AllOf or type(rule) is Separate:
        inside = rule.within(facts)
        return all(holds(part, inside, unknown=unknown) for part in rule.rules)
    if type(rule) is AnyOf:
        return any(holds(part, facts, unknown=unknown) for part in rule.rules)
    if type(rule) is Via:
        inside = facts._replace(caller=facts.via, via=None)
        return facts.via is not None and holds(rule.rule, inside, unknown=unknown)
    return unknown if is_unknown(rule) or type(rule) is Sealed else admitted(rule, facts)


def _whom_code_admits(rule: Rule) -> str:
    code = sorted({str(leaf) for leaf in every_leaf(rule) if is_unknown(leaf) or is_code(leaf)})
    more = [f"{len(code) - MOST_REASONS} more"] if len(code) > MOST_REASONS else []
    return f"whom {', '.join([*code[:MOST_REASONS], *more]) or 'each rule'} admits, only its code can say"

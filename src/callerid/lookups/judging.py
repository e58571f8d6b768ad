"""Which look-ups a rule's answer depends on, asked one after the other until it is clear."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Protocol

from callerid.asking import Wait
from callerid.callers import Caller
from callerid.lookups.lookups import Lookups
from callerid.rules import Facts, LookedUp, Rule, admitted

__all__ = ["LooksUp", "looked_up"]


class LooksUp(Protocol):
    """Who asks look-ups: a guard."""

    @property
    def lookups(self) -> Lookups:
        """Its look-ups."""
        ...

    def look_up(self, of: str, caller: Caller, fact: str, waited: Iterable[Wait] = ()) -> Container[str] | Wait:
        """See `Lookups.find`."""
        ...


class _KnownFacts(LookedUp):
    """What is known of a caller so far. What is not is said to be so, or not, by ``otherwise``."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self.answers: dict[tuple[str, str], Container[str]] = {}
        self.otherwise = False
        self.missing: tuple[str, str] | None = None
        """The first that was asked for and is not known."""

    def says(self, of: str, fact: str) -> bool:
        answer = self.answers.get(self._lookups.key(of, fact))
        if answer is None:
            self.missing = self.missing or (of, fact)
            return self.otherwise
        return fact in answer

    def was_asked(self, of: str, fact: str) -> bool:
        return self._lookups.key(of, fact) in self.answers

    def learn(self, of: str, fact: str, answer: Container[str]) -> None:
        """Note what a look-up answered."""
        self.answers[self._lookups.key(of, fact)] = answer


def looked_up(  # noqa: PLR0913 - what is judged, and who asks
    rule: Rule,
    facts: Facts,
    caller: Caller,
    guard: LooksUp,
    waited: Iterable[Wait],
    *,
    may: Callable[[Facts], bool],
) -> Facts | Wait:
    """The facts with what look-ups say, as far as the rule's answer depends on it; or a `Wait`.

    Rules have no negation. So a rule that admits although nothing is known admits whatever a look-up says, and one that
    does not although everything is said to be so refuses whatever it says: neither needs to ask. ``may`` says of facts
    whether the rule admits by them, or would if the caller came with more: then it is the look-up that decides what a
    refusal asks of them. Raises `Unavailable`.
    """
    known = _KnownFacts(guard.lookups)
    facts = facts._replace(looked_up=known)
    while True:
        known.otherwise = False
        if admitted(rule, facts):
            return facts
        known.otherwise, known.missing = True, None
        may_be = may(facts)
        known.otherwise = False
        asked = known.missing
        if not may_be or asked is None:
            return facts
        answer = guard.look_up(asked[0], caller, asked[1], waited)
        if isinstance(answer, Wait):
            return answer
        known.learn(asked[0], asked[1], answer)

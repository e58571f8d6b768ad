"""Which look-ups a rule's answer depends on, asked one after the other until it is clear."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Protocol

from callerid.asking import Wait
from callerid.callers import Caller
from callerid.lookups._lookups import Lookups
from callerid.rules import Facts, LookedUp, Rule, admitted

__all__ = ["KnownFacts", "LooksUp", "look_up_for", "looked_up"]


class LooksUp(Protocol):
    """Who asks look-ups: a guard."""

    @property
    def lookups(self) -> Lookups:
        """Its look-ups."""
        ...

    def look_up(
        self, of: str, caller: Caller, fact: str, waited: Iterable[Wait] | None = ()
    ) -> Container[str] | Wait | None:
        """See `Lookups.find`."""
        ...


class KnownFacts(LookedUp):
    """What is known of a caller: what is at hand, and what was asked for. Of the rest ``otherwise`` is said."""

    otherwise = False
    missing: tuple[str, str] | None = None
    """The first that was asked for and is not known."""

    def __init__(self, guard: LooksUp, caller: Caller) -> None:
        self.guard, self.caller = guard, caller
        self._answers: dict[tuple[str, str], Container[str]] = {}

    def says(self, of: str, fact: str) -> bool:
        key = self.guard.lookups.key(of, fact)
        answer = self._answers.get(key)
        if answer is None:
            held = self.guard.look_up(of, self.caller, fact, None)
            if held is None or isinstance(held, Wait):
                self.missing = self.missing or (of, fact)
                return self.otherwise
            self._answers[key] = answer = held
        return fact in answer

    def was_asked(self, of: str, fact: str) -> bool:
        return self.guard.lookups.key(of, fact) in self._answers

    def learn(self, of: str, fact: str, answer: Container[str]) -> None:
        """Note what a look-up answered: it counts for all of this decision."""
        self._answers[self.guard.lookups.key(of, fact)] = answer


def look_up_for(
    rule: Rule, facts: Facts, known: KnownFacts, waited: Iterable[Wait], may: Callable[[Facts], bool]
) -> Wait | None:
    """Have look-ups say as much as the rule's answer depends on; ``known`` is what they say in ``facts``.

    Rules have no negation. So a rule that admits although nothing is known admits whatever a look-up says, and one that
    does not although everything is said to be so refuses whatever it says: neither needs to ask. ``may`` says of facts
    whether the rule admits by them, or would if the caller came with more: then it is the look-up that decides what a
    refusal asks of them. Returns what has to be waited for. Raises `Unavailable`.
    """
    while not admitted(rule, facts):
        known.otherwise, known.missing = True, None
        may_be = may(facts)
        known.otherwise = False
        asked = known.missing
        if not may_be or asked is None:
            return None
        answer = known.guard.look_up(asked[0], known.caller, asked[1], waited)
        if isinstance(answer, Wait):
            return answer
        assert answer is not None  # noqa: S101 - only what is at hand may be nothing
        known.learn(asked[0], asked[1], answer)
    return None


def looked_up(  # noqa: PLR0913 - what is judged, and who asks
    rule: Rule,
    facts: Facts,
    caller: Caller,
    guard: LooksUp,
    waited: Iterable[Wait],
    *,
    may: Callable[[Facts], bool],
) -> Facts | Wait:
    """The facts with what look-ups say, as far as the rule's answer depends on it, or a `Wait`: see `look_up_for`."""
    known = KnownFacts(guard, caller)
    facts = facts._replace(looked_up=known)
    return look_up_for(rule, facts, known, waited, may) or facts

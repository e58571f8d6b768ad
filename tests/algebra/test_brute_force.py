"""`new_access` against everybody: tens of thousands of pairs of rules, judged for every kind of caller there is."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from callerid.audit.algebra import CannotTell, No, Persona, Side, Verdict, Yes, admits_nobody, new_access
from callerid.audit.algebra._access import holds
from callerid.audit.algebra._formula import MOST_CLAUSES

from .worlds import NOW, WORLDS, World, takes, two_sides

pytestmark = [pytest.mark.slow, pytest.mark.own]

MEASURED, PAIRS = 400, 2_000
"""In each world. Coverage, which makes them three times as slow, is measured of some: the others go the same ways."""

MANY = 120
"""Pairs of long rules in each world."""


def comes_in(side: Side, persona: Persona) -> bool:
    """Whether the rule itself admits the persona, by some way of theirs."""
    return any(takes(side, facts) and side.rule.admits(facts) for facts in persona.sent(NOW))


def assert_right(verdict: Verdict, world: World, old: Side, new: Side) -> None:
    """The verdict is that of asking everybody, and the rules themselves refused its witness and admit it."""
    gained = world.comes_in(new) & ~world.comes_in(old)
    if isinstance(verdict, Yes):
        assert gained, (old, new, verdict)
        assert comes_in(new, verdict.witness), (old, new, verdict)
        assert not comes_in(old, verdict.witness), (old, new, verdict)
    elif isinstance(verdict, No):
        assert not gained, (old, new)
    else:
        assert isinstance(verdict, CannotTell)
        assert not world.tells_all, (old, new, verdict)
        assert gained, (old, new, verdict)
        assert "may be one that the old rule names by" in verdict.reason


@pytest.mark.parametrize("pairs", [MEASURED, pytest.param(PAIRS - MEASURED, marks=pytest.mark.no_cover)])
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_new_access_says_what_asking_everybody_says(world: World, pairs: int) -> None:
    random = Random(f"{world.name} {pairs}")
    said: Counter[type] = Counter()
    for _ in range(pairs):
        old, new = two_sides(random, world)
        verdict = new_access(old, new)
        said[type(verdict)] += 1
        assert_right(verdict, world, old, new)
        number = random.randrange(len(world.everybody))
        facts = world.everybody[number]
        assert (
            bool(world.whom(new.rule) >> number & 1) is new.rule.admits(facts) is holds(new.rule, facts, unknown=True)
        )
        if not world.varying:
            assert admits_nobody(new.rule, new.issuers) is (world.comes_in(new) == 0)
    # Both answers are asked for often enough to mean something.
    assert min(said[Yes], said[No]) > pairs // 30, said


@pytest.mark.parametrize("most_clauses", [MOST_CLAUSES, 1], ids=["split", "in one part"])
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_so_it_is_of_rules_joined_of_many(world: World, most_clauses: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callerid.audit.algebra._formula.MOST_CLAUSES", most_clauses)
    random = Random(f"many {world.name}")
    said: Counter[type] = Counter()
    for _ in range(MANY):
        old, new = two_sides(random, world, least=8, most=20)
        verdict = new_access(old, new)
        said[type(verdict)] += 1
        assert_right(verdict, world, old, new)
    assert min(said[Yes], said[No]) > MANY // 30, said


def test_there_are_enough_of_them() -> None:
    assert PAIRS * len(WORLDS) > 20_000

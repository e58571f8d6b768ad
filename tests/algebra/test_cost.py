"""Long rules: looked into without writing out their conjunctions, and given up in words where that is too much."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import pytest

from callerid import (
    AllOf,
    AnyOf,
    ConfigurationError,
    CustomClaim,
    Rule,
    SecondFactor,
    ServiceAccount,
    Via,
    firebase,
)
from callerid.audit.algebra import CannotTell, No, Side, Yes, admits_nobody, is_weaker, new_access
from callerid.audit.algebra import _access as access
from callerid.audit.algebra import _search as search
from callerid.audit.algebra._set_trie import SetTrie
from callerid.audit.algebra._statements import Conjunction, Trait
from callerid.audit.algebra._traits import is_unknown
from callerid.audit.algebra._uses import check_possible, redundant_alternatives

pytestmark = pytest.mark.own

if TYPE_CHECKING:
    from callerid.rules import Facts

ROBOT = ServiceAccount("robot@shop-prod.iam.gserviceaccount.com")
ISSUERS = (firebase("shop-prod"),)


def holds(number: int, value: int) -> Rule:
    return CustomClaim(f"claim{number}", contains=str(value))


def pairs(count: int) -> Rule:
    return AllOf(*(holds(number, 0) | holds(number, 1) for number in range(count)))


def written_out(count: int) -> Rule:
    """The same as `pairs`, as alternatives of which each is one conjunction."""
    return AnyOf(*(AllOf(*map(holds, range(count), values)) for values in product((0, 1), repeat=count)))


def side(rule: Rule) -> Side:
    return Side(rule, issuers=ISSUERS)


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_STEPS", 10)


def test_65_536_conjunctions_are_compared_within_the_limit_of_steps() -> None:
    assert isinstance(new_access(side(pairs(16)), side(pairs(16) & SecondFactor())), No)
    assert isinstance(new_access(side(pairs(16) & SecondFactor()), side(pairs(16))), Yes)


def test_a_search_that_is_given_up_cannot_tell(few_steps: None) -> None:
    verdict = new_access(side(written_out(4)), side(pairs(4)))
    assert isinstance(verdict, CannotTell)
    assert "steps" in verdict.reason


def test_a_rule_whose_search_is_given_up_is_taken_to_admit_somebody(few_steps: None) -> None:
    impossible = AllOf(pairs(6), *(CustomClaim("x", 2 * one) | CustomClaim("x", 2 * one + 1) for one in range(2)))
    assert not admits_nobody(impossible, ISSUERS)


def test_an_alternative_whose_search_is_given_up_is_not_called_redundant(monkeypatch: pytest.MonkeyPatch) -> None:
    narrower = pairs(4) & SecondFactor()
    rule = AnyOf(narrower, written_out(4))
    assert redundant_alternatives(rule, ISSUERS) == (narrower,)
    monkeypatch.setattr(search, "MOST_STEPS", 10)
    assert redundant_alternatives(rule, ISSUERS) == ()


def test_alternatives_that_are_too_many_to_split_are_compared_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    # Five alternatives of six pairs, split into parts that all must hold, would be 6 ** 5 = 7,776 parts.
    several = [AllOf(*(holds(10 * one + pair, 0) | holds(10 * one + pair, 1) for pair in range(6))) for one in range(6)]
    monkeypatch.setattr(search, "MOST_STEPS", 1000)
    assert isinstance(new_access(side(AnyOf(*several)), side(AnyOf(*several[1:]))), No)
    assert isinstance(new_access(side(AnyOf(*several)), side(AnyOf(*several) & SecondFactor())), No)
    assert isinstance(new_access(side(AnyOf(*several[1:])), side(AnyOf(*several))), Yes)


def test_a_rule_joined_of_too_many_parts_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    rule, one = written_out(4), SecondFactor()
    monkeypatch.setattr(access, "MOST_LEAVES", 4 * 2**4)
    assert isinstance(new_access(side(rule), side(one)), Yes)
    monkeypatch.setattr(access, "MOST_LEAVES", 4 * 2**4 - 1)
    assert new_access(side(rule), side(one)) == CannotTell("the old rule has more than 63 parts")
    assert new_access(side(one), side(rule)) == CannotTell("the new rule has more than 63 parts")
    assert redundant_alternatives(AnyOf(rule, holds(0, 0))) == ()
    assert is_weaker(rule & one, one)
    assert not admits_nobody(rule & CustomClaim("x", 1) & CustomClaim("x", 2), ISSUERS)


def test_claims_that_are_equal_as_numbers_are_two_rules() -> None:
    number, truth = CustomClaim("x", 1), CustomClaim("x", True)
    verdict = new_access(side(number), side(number | truth))
    assert isinstance(verdict, Yes)
    assert verdict.witness.claims == (("x", True),)
    assert isinstance(new_access(side(truth | number), side(number)), No)


@pytest.mark.parametrize(("rows", "names"), [(10, 5), (200, 8), (400, 90), (1500, 90)])
def test_a_covering_finds_what_asking_each_conjunction_finds(rows: int, names: int) -> None:
    random = Random(f"{rows} {names}")
    # Half of them share a pair of traits, so that those which are found by one trait are many.
    traits = [Trait("contains", number) for number in range(names)]

    def some(most: int) -> frozenset[Trait]:
        return frozenset(random.sample(traits, random.randint(0, most)))

    def term() -> Conjunction:
        shared = frozenset(traits[:2]) if random.random() < 0.5 else frozenset[Trait]()
        return Conjunction(some(4) | shared, some(2) if random.random() < 0.3 else frozenset())

    terms = [term() for _ in range(rows)]
    covering = SetTrie(terms)
    for _ in range(100):
        known = Conjunction(some(names) | frozenset(traits[:2]), some(names))
        expected = {
            number for number, one in enumerate(terms) if one.caller <= known.caller and one.carrier <= known.carrier
        }
        found = list(covering.met_by(known))
        assert len(found) == len(set(found))
        assert set(found) == expected


def test_rules_made_of_others_are_not_rules_of_ones_own() -> None:
    assert not any(map(is_unknown, (pairs(2), holds(0, 0) | holds(1, 1), Via(ROBOT))))


@dataclass(frozen=True)
class Listed(Rule):
    names: list[str] = field(default_factory=list[str])

    def admits(self, facts: Facts) -> bool:
        return bool(self.names)


def test_a_rule_of_ones_own_that_cannot_be_hashed_is_an_error_with_the_remedy() -> None:
    remedy = r"a Listed cannot be hashed: .*frozen=True.* tuple"
    with pytest.raises(ConfigurationError, match=remedy):
        check_possible(Listed(["ada"]), ISSUERS, "GET /")
    with pytest.raises(ConfigurationError, match=remedy):
        Listed() & SecondFactor()
    with pytest.raises(ConfigurationError, match=remedy):
        SecondFactor() | Listed()

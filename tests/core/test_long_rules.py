"""Long lists of alternatives are looked up, and say what they would say one by one."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest

from callerid.guard import Identity, Requirement
from callerid.rules import (
    AllOf,
    AnyOf,
    Domain,
    Facts,
    FirebaseUser,
    IssuedBy,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    User,
    Via,
)
from tests.core.made import GUARD, about, person, robot, user
from tests.counting import calls_in

CROWD: tuple[Rule, ...] = tuple(User(f"person{number}@example.net") for number in range(30))
TELLING: tuple[Rule, ...] = (
    Domain("example.com"),
    User("ADA@example.com"),
    User("ada@example.org", hosted=False),
    User("110000000000000000001"),
    User(PathParam("who")),
    ServiceAccount("robot@shop-prod.iam.gserviceaccount.com"),
    ServiceAccount("42"),
    FirebaseUser("u1"),
    FirebaseUser(PathParam("who")),
    FirebaseUser(),
    IssuedBy("https://accounts.google.com"),
    Via(ServiceAccount("robot@shop-prod.iam.gserviceaccount.com")),
    AllOf(Domain("example.com"), User("ada@example.com")),
    AllOf(FirebaseUser("u1"), SecondFactor()),
    AnyOf(Domain("example.org"), FirebaseUser("u2")),
    Public(),
)
CALLERS: tuple[Facts, ...] = (
    about(),
    about(person()),
    about(person("ADA@EXAMPLE.COM", "EXAMPLE.COM")),
    about(person("ada@example.org", None)),
    about(person("person7@example.net", "example.net")),
    about(person(None, None)),
    about(robot()),
    about(robot(None)),
    about(user("u1")),
    about(user("u2")),
    about(user("110000000000000000001")),
    about(user("example.com")),
    about(person(), path={"who": "u1"}),
    about(user("u1"), path={"who": "u1"}),
    about(via=robot()),
    about(user("u3"), via=robot()),
)


@pytest.mark.parametrize(("rule", "facts"), list(product(TELLING, CALLERS)))
def test_among_many_alternatives_each_says_what_it_says_alone(rule: Rule, facts: Facts) -> None:
    alone = rule.admits(facts) or any(each.admits(facts) for each in CROWD)
    assert AnyOf(*CROWD, rule).admits(facts) is alone
    assert AnyOf(rule, *CROWD).admits(facts) is alone


@pytest.mark.parametrize("rule", [rule for rule in TELLING if rule.wants is not None])
def test_whoever_a_rule_admits_has_what_it_wants(rule: Rule) -> None:
    assert all(rule.wants in facts.has for facts in CALLERS if rule.admits(facts))
    assert any(rule.admits(facts) for facts in CALLERS) or isinstance(rule, ServiceAccount | AllOf)


def test_a_long_rule_is_equal_prints_and_reads_as_a_short_one_does() -> None:
    rule = AnyOf(*CROWD)
    assert rule == AnyOf(*CROWD)
    assert hash(rule) == hash(AnyOf(*CROWD))
    assert eval(repr(rule)) == rule


def test_a_thousand_alternatives_are_the_work_of_a_few() -> None:
    def work(count: int) -> int:
        others = tuple(User(f"someone{number}@example.net") for number in range(count - 1))
        requirement = Requirement(AnyOf(*others, Domain("example.com")))
        judge = partial(GUARD.judge, requirement, Identity(person()), {})
        judge()  # what is kept for later requests is made now
        return calls_in(judge)

    assert work(1000) == work(100) < 8 * work(1)

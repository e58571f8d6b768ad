"""Rules that admit nobody, alternatives that add nobody, and weaker rules."""

from __future__ import annotations

from random import Random

import pytest

from callerid import (
    AllOf,
    AnyGoogleAccount,
    AnyOf,
    ConfigurationError,
    CustomClaim,
    Domain,
    EmailDomain,
    FirebaseUser,
    IssuedBy,
    Issuer,
    Nobody,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInProvider,
    Tenant,
    User,
    Via,
    Where,
    firebase,
    google,
)
from callerid.audit.algebra import admits_nobody, check_possible, is_weaker, redundant_alternatives
from callerid.audit.algebra._possible import every_leaf
from tests.counting import calls_in

from .worlds import GOOGLE, SHOP_ISSUERS, WORLDS, World, a_rule

pytestmark = pytest.mark.own

A, B = Domain("a.com"), Domain("b.com")
ADA, ROBOT = User("ada@a.com"), ServiceAccount("robot@shop-prod.iam.gserviceaccount.com")
BOTH = (google("https://orders.example.com"), firebase("shop-prod", ["t"]))
TEN = [AnyOf(*(CustomClaim(f"{row}", column) for column in range(10))) for row in range(6)]

NOBODY: list[tuple[Rule, tuple[Issuer, ...]]] = [
    (Nobody(), BOTH),
    (A & B, BOTH),
    (A & ROBOT | B & FirebaseUser(), BOTH),
    (Tenant("t"), BOTH[:1]),
    (A, BOTH[1:]),
    (A, ()),
    (Via(ROBOT), BOTH[1:]),
    (Via(Nobody()), BOTH),
    (IssuedBy("https://issuer.example.net"), BOTH),
    (IssuedBy(GOOGLE) & FirebaseUser(), BOTH),
    (EmailDomain("a.com") & (Tenant("t") | SecondFactor()) & SignInProvider("anonymous") & FirebaseUser(), BOTH),
]
SOMEBODY: list[tuple[Rule, tuple[Issuer, ...]]] = [
    (Public(), ()),
    (Public() | A, BOTH[1:]),
    (A | B & ROBOT, BOTH),
    (Via(ROBOT), BOTH),
    (Where("x", lambda caller: False), BOTH),
    (AllOf(*TEN) & A & B, BOTH),
]


@pytest.mark.parametrize(("rule", "issuers"), NOBODY, ids=[str(row[0]) for row in NOBODY])
def test_some_rules_admit_nobody(rule: Rule, issuers: tuple[Issuer, ...]) -> None:
    assert admits_nobody(rule, issuers)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.slow
def test_an_error_at_start_up_is_a_rule_that_admits_nobody_and_nothing_else(world: World) -> None:
    random, found = Random(world.name), 0
    for _ in range(400):
        rule = a_rule(random, world.rules, random.randint(4, 5))
        issuers = random.choice((world.issuers, SHOP_ISSUERS, SHOP_ISSUERS[:1], SHOP_ISSUERS[1:]))
        said_aloud = any(isinstance(leaf, Nobody) for leaf in every_leaf(rule))
        try:
            check_possible(rule, issuers, "x")
        except ConfigurationError:
            found += 1
            assert admits_nobody(rule, issuers), rule
            assert not said_aloud, rule
        else:
            assert said_aloud or not admits_nobody(rule, issuers), rule
    assert found


def test_what_does_not_go_together_in_more_ways_than_two_is_told() -> None:
    named = PathParam("x")
    rule = User(named) & Via(ServiceAccount(named)) & User("1") & Via(ServiceAccount("2"))
    assert admits_nobody(rule, BOTH)
    with pytest.raises(ConfigurationError, match=r"GET /: this rule can admit nobody: what AllOf\(.*\) asks for"):
        check_possible(rule, BOTH, "GET /")


@pytest.mark.slow
def test_the_work_to_find_an_impossible_rule_grows_with_its_alternatives_not_with_their_square() -> None:
    def work(count: int) -> int:
        rule = AnyOf(*(A & User(f"u{number}@gmail.com") for number in range(count)))

        def check() -> None:
            with pytest.raises(ConfigurationError, match="exclude each other"):
                check_possible(rule, BOTH, "x")

        return calls_in(check)

    assert work(1000) < 11 * work(100)


@pytest.mark.parametrize(("rule", "issuers"), SOMEBODY, ids=[str(row[0])[:60] for row in SOMEBODY])
def test_others_may_admit_somebody(rule: Rule, issuers: tuple[Issuer, ...]) -> None:
    assert not admits_nobody(rule, issuers)


REDUNDANT: list[tuple[Rule, tuple[Rule, ...]]] = [
    (A, ()),
    (A & B, ()),
    (A | B, ()),
    (A | ADA, ()),
    (A | ADA & A, (ADA & A,)),
    (ADA & A | A, (ADA & A,)),
    (A | ADA | AnyGoogleAccount(), (A, ADA)),
    (A | Nobody(), (Nobody(),)),
    (A | B & ROBOT, (B & ROBOT,)),
    (
        FirebaseUser() | EmailDomain("a.com") | FirebaseUser(anonymous=True),
        (FirebaseUser(), EmailDomain("a.com")),
    ),
    # A tenant's users are no users without a tenant.
    (FirebaseUser(anonymous=True) | FirebaseUser() | SecondFactor(), (FirebaseUser(),)),
    (FirebaseUser(anonymous=True) | FirebaseUser() & Tenant("t1"), ()),
    (Tenant("t1") | FirebaseUser() & Tenant("t1"), (FirebaseUser() & Tenant("t1"),)),
    (SignedInWithin(60) & A | SignedInWithin(300), (SignedInWithin(60) & A,)),
    (SignedInWithin(60) | SignedInWithin(300), (SignedInWithin(60),)),
    # Two that say the same: one goes, the later one if they ask for as much.
    (User("eve@gmail.com") | User("eve@gmail.com", hosted=False), (User("eve@gmail.com"),)),
    (A & Public() | Public() & A & AnyGoogleAccount(), (Public() & A & AnyGoogleAccount(),)),
    (Public() | A, (A,)),
    (Via(AnyGoogleAccount()) | Via(ROBOT), (Via(ROBOT),)),
    (AllOf(*TEN) | A, ()),
]


@pytest.mark.parametrize(("rule", "redundant"), REDUNDANT, ids=lambda each: repr(each)[:60])
def test_an_alternative_that_adds_nobody_is_redundant(rule: Rule, redundant: tuple[Rule, ...]) -> None:
    assert redundant_alternatives(rule) == redundant


def test_what_an_issuer_vouches_for_is_known_with_the_issuers() -> None:
    rule = IssuedBy(GOOGLE) | AnyGoogleAccount()
    assert redundant_alternatives(rule) == ()
    assert redundant_alternatives(rule, BOTH) == (AnyGoogleAccount(),)
    assert is_weaker(AnyGoogleAccount(), IssuedBy(GOOGLE))
    assert not is_weaker(AnyGoogleAccount(), IssuedBy(GOOGLE), BOTH)


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
@pytest.mark.slow
def test_without_the_redundant_ones_the_same_people_come_in(world: World) -> None:
    random = Random(f"redundant {world.name}")
    for _ in range(150):
        rule = AnyOf(*(a_rule(random, world.rules, random.randint(1, 3)) for _ in range(4)))
        redundant = redundant_alternatives(rule)
        left = [part for part in rule.rules if part not in redundant]
        assert world.whom(AnyOf(*left) if left else Nobody()) == world.whom(rule), rule
        for part in left:
            others = AnyOf(Nobody(), *(each for each in left if each != part))
            # Whose users there are is known with the issuers only.
            if not any(word in repr(rule) for word in ("IssuedBy", "project=", "of=")) and world.tells_all:
                assert world.whom(part) & ~world.whom(others), (rule, part)


def test_projects_are_told_apart_without_the_issuers_too() -> None:
    shop, bank = FirebaseUser(project="shop-prod"), FirebaseUser(project="bank-prod")
    assert is_weaker(FirebaseUser(), shop)
    assert is_weaker(FirebaseUser(), shop | bank)
    assert not is_weaker(FirebaseUser(), shop, BOTH)
    assert not is_weaker(shop, FirebaseUser())
    assert redundant_alternatives(shop | FirebaseUser()) == (shop,)
    assert redundant_alternatives(shop | bank) == ()


WEAKER: list[tuple[Rule, Rule]] = [
    (AnyGoogleAccount(), A),
    (Public(), A),
    (Public() | A, A),
    (B, A),
    (A | ROBOT, A),
    (Via(ROBOT), A),
    # Not known to be as strong.
    (Where("x", lambda caller: False), A),
    (User("7"), ADA),
    (ADA, A),
    (AllOf(*TEN), AllOf(*TEN) | A),
]
AS_STRONG: list[tuple[Rule, Rule]] = [
    (A, A),
    (ADA & A, A),
    (A & Via(ROBOT), A),
    (Nobody(), A),
    (A, Public()),
    (A & FirebaseUser(), B),
    (AllOf(*TEN), AllOf(*TEN)),
]


@pytest.mark.parametrize(("rule", "default"), WEAKER, ids=lambda each: repr(each)[:60])
def test_some_rules_are_weaker_than_the_default(rule: Rule, default: Rule) -> None:
    assert is_weaker(rule, default)
    assert is_weaker(rule, default, SHOP_ISSUERS)


@pytest.mark.parametrize(("rule", "default"), AS_STRONG, ids=lambda each: repr(each)[:60])
def test_others_are_not(rule: Rule, default: Rule) -> None:
    assert not is_weaker(rule, default)
    assert not is_weaker(rule, default, SHOP_ISSUERS)


@pytest.mark.slow
def test_the_work_to_find_redundant_alternatives_grows_with_their_number_not_with_its_square() -> None:
    def work(count: int) -> int:
        rule = AnyOf(*(User(f"u{number}@a.com") & A for number in range(count)), A)
        assert len(redundant_alternatives(rule)) == count
        return calls_in(lambda: redundant_alternatives(rule))

    assert work(1000) < 11 * work(100)


def test_start_up_takes_nobody_at_its_word_wherever_it_stands() -> None:
    check_possible(Via(Nobody()) & Via(ROBOT), BOTH, "/x")


def test_guards_that_are_asked_about_by_turns_are_never_taken_for_each_other() -> None:
    guards = [(google(f"https://{number}.example.com"), firebase("shop-prod", ["t"])) for number in range(6)]
    for _ in range(2):
        for issuers in guards:
            assert admits_nobody(A, issuers[1:])
            assert not admits_nobody(A, issuers)
            assert not admits_nobody(Tenant("t"), issuers)
            assert admits_nobody(Tenant("t"), issuers[:1])

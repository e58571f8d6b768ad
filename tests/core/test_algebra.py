"""Which rules can admit nobody, and what the developer is told about them."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import (
    AllOf,
    AnyGoogleAccount,
    AnyOf,
    AuthorizedParty,
    Claim,
    ConfigurationError,
    CustomClaim,
    Domain,
    EmailDomain,
    Fact,
    FirebaseUser,
    IssuedBy,
    Issuer,
    Kind,
    Nobody,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInAttribute,
    SignInProvider,
    Subject,
    Tenant,
    User,
    Via,
    Where,
    firebase,
    google,
)
from callerid.audit.algebra import MOST_ALTERNATIVES, alternatives, check_possible, exclude
from callerid.rules import Facts, leaves
from tests.counting import calls_in

from .made import toy
from .test_rules import FACTS, RULES

TOYS = (
    toy(Kind.OIDC, "https://id.example.com"),
    toy(Kind.CUSTOM, "partner-keys"),
)
A, B, C, D = Domain("a.com"), Domain("b.com"), Domain("c.com"), Domain("d.com")
ROBOT = ServiceAccount("robot@shop-prod.iam.gserviceaccount.com")
OTHER = ServiceAccount("other@shop-prod.iam.gserviceaccount.com")
BOTH = (google("https://orders.example.com"), firebase("shop-prod"))
ROBOTS = Where("robots", lambda caller: caller.is_service_account)


def test_a_rule_is_taken_apart_into_alternatives() -> None:
    assert list(alternatives((A | B) & (C | (D & A)))) == [(A, C), (A, D), (B, C), (B, D, A)]
    assert list(alternatives(A)) == [(A,)]
    assert list(alternatives(A & B)) == [(A, B)]
    assert list(alternatives(A | B)) == [(A,), (B,)]


EXCLUDING: list[tuple[Rule, Rule]] = [
    (A, ROBOT),
    (User("ada@a.com"), ROBOT),
    (User("7"), ServiceAccount("7")),
    (User(PathParam("x")), ROBOT),
    (A, B),
    (A, FirebaseUser()),
    (ROBOT, Tenant("acme")),
    (AnyGoogleAccount(), SecondFactor()),
    (User("ada@a.com"), User("eve@a.com")),
    (User("7"), User("8")),
    (ROBOT, OTHER),
    (User("ada@gmail.com"), A),
    (User("ada@googlemail.com"), A),
    (FirebaseUser("u1"), FirebaseUser("u2")),
    (FirebaseUser("u1", project="a"), FirebaseUser("u1", project="b")),
    (Tenant("acme"), Tenant("beta")),
    (SignInProvider("password"), SignInProvider("phone")),
    (SignInProvider("anonymous"), FirebaseUser()),
    (EmailDomain("a.com"), EmailDomain("b.com")),
    (IssuedBy("x"), IssuedBy("y")),
    (CustomClaim("role", "a"), CustomClaim("role", "b")),
    (CustomClaim("level", 1), CustomClaim("level", True)),
    (CustomClaim("role", "a"), CustomClaim("role", contains="a")),
    (CustomClaim(("roles", "acme"), "a"), CustomClaim(("roles", "acme"), "b")),
    (CustomClaim(("roles", "acme"), "a"), CustomClaim("roles", "acme")),
    (CustomClaim(("roles", "acme"), "a"), CustomClaim("roles", contains="acme")),
    (CustomClaim(("roles", "acme"), "a"), CustomClaim("roles", PathParam("x"))),
    (CustomClaim("org", PathParam("x")), CustomClaim("org", 1)),
    (CustomClaim("org", PathParam("x")), CustomClaim("org", contains="a")),
    (SignInAttribute("dept", "a"), SignInAttribute("dept", "b")),
    (SignInAttribute("dept", "a"), Domain("a.com")),
    (AuthorizedParty("a"), AuthorizedParty("b")),
    (AuthorizedParty("a"), Tenant("acme")),
    (AuthorizedParty("robot@shop-prod.iam.gserviceaccount.com"), A),
    (Subject("a"), Subject("b")),
    (Subject("a", of="x"), Subject("a", of="y")),
    (Subject("a", of="x"), IssuedBy("y")),
    (Subject("7"), User("7")),
    (Subject("7"), ServiceAccount("7")),
    (Subject("u1"), FirebaseUser("u1", anonymous=True)),
    (Subject(PathParam("x")), AnyGoogleAccount()),
    (Claim("role", "a"), Claim("role", "b")),
    (Claim("role", "a"), CustomClaim("role", "a")),
    (Claim("level", 1), Claim("level", True)),
    (Claim("role", "a"), Fact("role", "a")),
    (Claim("email", "a@a.com"), Claim("email_verified", False)),
    (Claim("email", "a@a.com"), Claim("email_verified", "true")),
    (Claim("email", "a@a.com"), EmailDomain("a.com")),
    (Claim("hd", "a.com"), A),
    (Claim(("a", "b"), 1), Claim("a", contains=1)),
    (Fact("plan", "a"), Fact("plan", "b")),
    (Fact("plan", "a"), Fact("plan", contains="a")),
    (Fact("plan", "a"), ROBOT),
    (Via(ROBOT), Via(OTHER)),
    (Via(ROBOT | OTHER), Via(ServiceAccount("x@y.iam.gserviceaccount.com"))),
]

AGREEING: list[tuple[Rule, Rule]] = [
    (A, A),
    (A, AnyGoogleAccount()),
    (A, User("7")),
    (A, User(PathParam("x"))),
    (User("ada@a.com"), A),
    (User("ada@a.com"), B),
    (User("ada@sub.a.com"), A),
    (User("ada@gmail.com", hosted=False), A),
    (User("ada@b.com", hosted=False), A),
    (User("ada@a.com"), User("7")),
    (User("ada@a.com"), User("ada@a.com", hosted=False)),
    (User("7"), User(PathParam("x"))),
    (ROBOT, ServiceAccount("7")),
    (FirebaseUser("u1"), FirebaseUser()),
    (FirebaseUser("u1"), FirebaseUser(PathParam("x"))),
    (FirebaseUser("u1"), FirebaseUser("u1", anonymous=True)),
    (SignInProvider("anonymous"), FirebaseUser(anonymous=True)),
    (SignInProvider("password"), FirebaseUser()),
    (CustomClaim("role", "a"), CustomClaim("rank", "b")),
    (CustomClaim("roles", contains="a"), CustomClaim("roles", contains="b")),
    (Tenant("acme"), EmailDomain("a.com")),
    (Tenant("acme"), SignInAttribute("dept", "a")),
    (Tenant(PathParam("x")), EmailDomain("a.com")),
    (Tenant(PathParam("x")), Tenant("acme")),
    (CustomClaim("org", PathParam("x")), CustomClaim("org", "a")),
    (CustomClaim("org", PathParam("x")), CustomClaim("org", PathParam("y"))),
    (CustomClaim("org", PathParam("x")), CustomClaim(("orgs", "org"), PathParam("x"))),
    (CustomClaim("org", "a"), SignInAttribute("org", "b")),
    (AuthorizedParty("a"), ROBOT),
    (AuthorizedParty("a"), A),
    (Subject("a"), Subject("a", of="x")),
    (Subject("a"), Subject(PathParam("x"))),
    (Subject("a"), Claim("role", "a")),
    (Subject("a"), Fact("plan", "a")),
    (Subject("a"), IssuedBy("x")),
    (Claim("role", "a"), Claim("rank", "b")),
    (Claim("email", "a@a.com"), Claim("email_verified", True)),
    (Claim("groups", contains="a"), Claim("groups", contains="b")),
    (Fact("plan", PathParam("x")), Fact("plan", "a")),
    (SignedInWithin(60), SignedInWithin(300)),
    (Where("a", lambda _: True), Where("b", lambda _: True)),
    (A, Where("a", lambda _: True)),
    (A, Via(ROBOT)),
    (Via(ROBOT), Via(ROBOT | OTHER)),
    (Via(ROBOT), Via(ServiceAccount("7"))),
    (IssuedBy("x"), A),
    (Public(), A),
]


@pytest.mark.parametrize(("one", "other"), EXCLUDING, ids=str)
def test_some_rules_exclude_each_other(one: Rule, other: Rule) -> None:
    assert exclude(one, other)
    assert exclude(other, one)


@pytest.mark.parametrize(("one", "other"), AGREEING, ids=str)
def test_others_go_together(one: Rule, other: Rule) -> None:
    assert not exclude(one, other)
    assert not exclude(other, one)


@given(RULES, FACTS)
@pytest.mark.slow
def test_who_is_admitted_shows_that_somebody_can_be(rule: Rule, facts: Facts) -> None:
    """No rule that admits a caller in one of our tests is ever called impossible."""
    if rule.admits(facts) and not any(isinstance(leaf, IssuedBy | Subject) for leaf in leaves(rule)):
        check_possible(rule, (*BOTH, *TOYS), "/x")


@given(
    st.lists(st.sampled_from([pair for pair in EXCLUDING if not isinstance(pair[0], IssuedBy)]), min_size=1, max_size=3)
)
def test_impossible_alternatives_are_impossible_together(pairs: list[tuple[Rule, Rule]]) -> None:
    with pytest.raises(ConfigurationError, match="can admit nobody"):
        check_possible(AnyOf(*(one & other for one, other in pairs)), BOTH, "/x")


IMPOSSIBLE: list[tuple[Rule, tuple[Issuer, ...], tuple[str, ...]]] = [
    (A & ROBOT, BOTH, ("Domain('a.com')", "ServiceAccount('robot@", "exclude each other", "join alternatives with |")),
    (A & (ROBOT | B), BOTH, ("Domain('a.com')", "ServiceAccount('robot@")),
    (A & B, BOTH, ("Domain('a.com')", "Domain('b.com')")),
    (A & FirebaseUser(), BOTH, ("Domain('a.com')", "FirebaseUser()")),
    (Tenant("acme"), BOTH[:1], ("Tenant('acme')", "needs firebase(...)")),
    (A, BOTH[1:], ("Domain('a.com')", "needs google(...)")),
    (A | ROBOT, BOTH[1:], ("Domain('a.com')", "needs google(...)")),
    (
        IssuedBy("https://issuer.example.net"),
        BOTH,
        ("names none of the guard's issuers", "https://accounts.google.com"),
    ),
    (IssuedBy("https://accounts.google.com") & FirebaseUser(), BOTH, ("vouches for another kind", "leave one")),
    (IssuedBy("https://securetoken.google.com/shop-prod") & A, BOTH, ("vouches for another kind", "leave one")),
    (
        FirebaseUser("u1", project="bank-prod"),
        BOTH,
        ("FirebaseUser('u1', project='bank-prod') names none of the guard's Firebase projects: shop-prod",),
    ),
    (
        FirebaseUser(project="shop-prod") & FirebaseUser(project="bank-prod"),
        (*BOTH, firebase("bank-prod")),
        ("exclude each other",),
    ),
    (Via(ROBOT), BOTH[1:], ("Via(ServiceAccount('robot@", "needs google(...)")),
    (Via(ROBOT & A), BOTH, ("a rule that a service can meet",)),
    (Via(IssuedBy("https://securetoken.google.com/shop-prod")), BOTH, ("a rule that a service can meet",)),
    (Via(ROBOTS), BOTH[1:], ("needs google(...)",)),
    (Claim("role", "x"), BOTH, ("Claim('role', value='x') needs oidc(...) among",)),
    (Fact("plan", "x"), (*BOTH, TOYS[0]), ("needs custom_credential(...) among",)),
    (Subject("ada"), BOTH, ("Subject('ada') needs oidc(...) or custom_credential(...) among",)),
    (Subject("ada", of="x"), TOYS, ("names none of the guard's issuers: https://id.example.com, partner-keys",)),
    (Subject("7", of="https://accounts.google.com"), (*BOTH, *TOYS), ("vouches for another kind", "leave one")),
    (Fact("plan", "x") & IssuedBy("https://id.example.com"), TOYS, ("vouches for another kind",)),
    (Subject("ada") & User("7"), (*BOTH, *TOYS), ("exclude each other",)),
    (A, TOYS, ("Domain('a.com') needs google(...) among",)),
]


@pytest.mark.parametrize(("rule", "issuers", "words"), IMPOSSIBLE, ids=[str(row[0]) for row in IMPOSSIBLE])
def test_a_rule_that_can_admit_nobody_is_an_error_that_names_the_mend(
    rule: Rule, issuers: tuple[Issuer, ...], words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError, match=r"^GET /x: this rule can admit nobody: ") as caught:
        check_possible(rule, issuers, "GET /x")
    for word in words:
        assert word in str(caught.value)


POSSIBLE: list[tuple[Rule, tuple[Issuer, ...]]] = [
    (A, BOTH),
    (A | (B & ROBOT), BOTH),
    (Tenant("acme") | A, BOTH[:1]),
    (Public() | Tenant("acme"), BOTH[:1]),
    (Nobody(), BOTH),
    (Nobody() & A, BOTH[1:]),
    (Via(Nobody()), BOTH),
    (Via(ROBOT | A), BOTH),
    (Via(ROBOT) & FirebaseUser(), BOTH),
    (Via(ROBOTS) & A, BOTH),
    (IssuedBy("https://accounts.google.com") & A, BOTH),
    (IssuedBy("https://accounts.google.com") & Via(ROBOT), BOTH),
    (IssuedBy("https://securetoken.google.com/shop-prod") & FirebaseUser(), BOTH),
    (Where("x", lambda _: True), BOTH[1:]),
]


@pytest.mark.parametrize(("rule", "issuers"), POSSIBLE, ids=[str(row[0]) for row in POSSIBLE])
def test_a_rule_that_can_admit_somebody_is_none(rule: Rule, issuers: tuple[Issuer, ...]) -> None:
    check_possible(rule, issuers, "/x")


@pytest.mark.slow
def test_a_rule_with_more_alternatives_than_are_looked_at_is_no_error_and_little_work() -> None:
    wide = AllOf(*(AnyOf(*(User(f"{row}{column}") for column in range(10))) for row in range(10)))
    deep = AnyOf(wide, wide & A) & (AnyOf(*(CustomClaim("x", number) for number in range(10))) & wide)
    for rule in (wide, deep):
        # It has 10**10 alternatives and more.
        assert calls_in(partial(check_possible, rule, BOTH, "/x")) < 1000 * MOST_ALTERNATIVES
    assert MOST_ALTERNATIVES == 10_000

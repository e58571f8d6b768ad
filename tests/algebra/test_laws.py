"""Every law, one by one: which leaves imply, and which exclude, which others."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import pytest

from callerid import (
    AllOf,
    AnyGoogleAccount,
    AnyOf,
    Claim,
    CustomClaim,
    Domain,
    EmailDomain,
    Fact,
    FirebaseUser,
    IssuedBy,
    Kind,
    Nobody,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInProvider,
    Subject,
    Tenant,
    User,
    Via,
    Where,
)
from callerid.audit.algebra import exclude, implies
from callerid.rules import Facts

from .worlds import WORLDS, World

pytestmark = pytest.mark.own

A, B = Domain("a.com"), Domain("b.com")
ROBOT = ServiceAccount("robot@shop-prod.iam.gserviceaccount.com")
OTHER = ServiceAccount("other@shop-prod.iam.gserviceaccount.com")
ADA, EVE = User("ada@a.com"), User("eve@gmail.com")
X, Y = PathParam("x"), PathParam("y")
ANYBODY = FirebaseUser(anonymous=True)
MANY = AnyOf(*(ServiceAccount(str(number)) for number in range(1, 102)))


@dataclass(frozen=True, repr=False)
class Custom(Rule):
    """A rule of the application's own, about Google accounts."""

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def admits(self, facts: Facts) -> bool:
        return facts.google is not None


def robots(caller: object) -> bool:
    return caller is not None


IMPLYING: list[tuple[Rule, Rule]] = [
    # Signed in within a is signed in within b, for a <= b.
    (SignedInWithin(60), SignedInWithin(300)),
    (SignedInWithin(60), SignedInWithin(60)),
    # One user is a user is an anonymous or other user.
    (FirebaseUser("u1"), FirebaseUser()),
    (FirebaseUser("u1"), FirebaseUser("u1", anonymous=True)),
    (FirebaseUser(), ANYBODY),
    (FirebaseUser("u1"), ANYBODY),
    (FirebaseUser(X), FirebaseUser()),
    (FirebaseUser("u1", anonymous=True), ANYBODY),
    # Every leaf about Firebase users speaks of one, anonymous or not, of a tenant or not.
    (Tenant("t1"), ANYBODY & Tenant("t1")),
    *(
        (leaf & Tenant("t1"), ANYBODY & Tenant("t1"))
        for leaf in (
            SignInProvider("password"),
            SignInProvider("anonymous"),
            SecondFactor(),
            SignedInWithin(60),
            CustomClaim("role", "a"),
            CustomClaim("role", contains="a"),
        )
    ),
    (EmailDomain("a.com"), ANYBODY),
    (FirebaseUser("u1") & Tenant("t1"), Tenant("t1")),
    (FirebaseUser("u1") & Tenant("t1"), FirebaseUser() & (Tenant("t1") | Tenant("t2"))),
    # Who signed in by a provider is not anonymous.
    (SignInProvider("password") & Tenant("t1"), FirebaseUser() & Tenant("t1")),
    # One of another issuer's is known to that issuer, and has what must be beside a value for it to count.
    (Subject("a", of="x"), Subject("a")),
    (Subject("a", of="x"), IssuedBy("x")),
    (Subject("a") & IssuedBy("x"), Subject("a", of="x")),
    (Claim("email", "a@a.com"), Claim("email_verified", True)),
    (Claim("email", contains="a@a.com"), Claim("email_verified", True)),
    (Fact("plan", "x"), Fact("plan", "x")),
    # Whose address Google hosts has that address, and of Gmail it hosts every one.
    (ADA, User("ada@a.com", hosted=False)),
    (EVE, User("eve@gmail.com", hosted=False)),
    (User("eve@gmail.com", hosted=False), EVE),
    (User("eve@googlemail.com", hosted=False), User("eve@googlemail.com")),
    # Every leaf about Google accounts speaks of one.
    (ADA, AnyGoogleAccount()),
    (EVE, AnyGoogleAccount()),
    (User("7"), AnyGoogleAccount()),
    (User(X), AnyGoogleAccount()),
    (ROBOT, AnyGoogleAccount()),
    (A, AnyGoogleAccount()),
    (Custom(), AnyGoogleAccount()),
    # Everything is public, and nobody is everybody.
    (A, Public()),
    (Nobody(), A),
    (Nobody(), Public()),
    (Public(), Public()),
    (Nobody(), Nobody()),
    (Where("a", robots), Public()),
    # What carries the call is asked of one carrier.
    (Via(ROBOT), Via(AnyGoogleAccount())),
    (Via(ROBOT), Via(ROBOT | OTHER)),
    (Via(ROBOT & IssuedBy("x")), Via(ROBOT)),
    (Via(Nobody()), Via(ROBOT)),
    (Via(ADA), Via(User("ada@a.com", hosted=False))),
    # The same is the same.
    (Custom(), Custom()),
    (Where("a", robots), Where("b", robots)),
    (IssuedBy("x"), IssuedBy("x")),
]

NOT_IMPLYING: list[tuple[Rule, Rule]] = [
    (Subject("a"), Subject("a", of="x")),
    (Subject("a"), ANYBODY),
    (Subject("a"), AnyGoogleAccount()),
    (Subject(X), Subject("a")),
    (Claim("email_verified", True), Claim("email", "a@a.com")),
    (Claim("role", "a"), Fact("role", "a")),
    (Claim("role", "a"), CustomClaim("role", "a")),
    (Claim("role", "a"), ANYBODY),
    (Fact("plan", 1), Fact("plan", True)),
    (SignedInWithin(300), SignedInWithin(60)),
    (FirebaseUser(), FirebaseUser("u1")),
    # Without a tenant beside it, a user is one of no tenant.
    (Tenant("t1"), ANYBODY),
    (FirebaseUser("u1") & Tenant("t1"), FirebaseUser("u1")),
    (FirebaseUser("u1"), FirebaseUser("u1") & Tenant("t1")),
    (FirebaseUser("u1") & Tenant("t1"), FirebaseUser("u1") & Tenant("t2")),
    (SecondFactor(), ANYBODY),
    (SignInProvider("password"), FirebaseUser()),
    (FirebaseUser("u1", anonymous=True), FirebaseUser("u1")),
    (FirebaseUser("u1", anonymous=True), FirebaseUser()),
    (FirebaseUser("u1"), FirebaseUser(X)),
    (FirebaseUser(X), FirebaseUser("u1")),
    (FirebaseUser(X), FirebaseUser(Y)),
    (SignInProvider("anonymous"), FirebaseUser()),
    (SecondFactor(), FirebaseUser()),
    (EmailDomain("a.com"), FirebaseUser()),
    (Tenant("t1"), EmailDomain("a.com")),
    (User("ada@a.com", hosted=False), A),
    (User("ada@a.com", hosted=False), ADA),
    (EVE, Domain("gmail.example")),
    (User("7"), ADA),
    # A Workspace has addresses of further domains than the one that names it.
    (ADA, A),
    (EVE, User("eve@googlemail.com")),
    (User("7"), A),
    (User("7"), ServiceAccount("7")),
    (A, ADA),
    (AnyGoogleAccount(), Custom()),
    (AnyGoogleAccount(), A),
    (CustomClaim("level", 1), CustomClaim("level", True)),
    (CustomClaim("roles", "a"), CustomClaim("roles", contains="a")),
    (CustomClaim("roles", contains="a"), CustomClaim("roles", contains="b")),
    (Via(A), A),
    (A, Via(A)),
    (Via(ROBOT | OTHER), Via(ROBOT)),
    (Where("a", robots), Where("a", lambda caller: True)),
    (Where("a", robots), A),
    (Public(), A),
    (A, Nobody()),
    (A, IssuedBy("https://accounts.google.com")),
]


@pytest.mark.parametrize(("one", "other"), IMPLYING, ids=repr)
def test_some_leaves_imply_others(one: Rule, other: Rule) -> None:
    assert implies(one, other)


@pytest.mark.parametrize(("one", "other"), NOT_IMPLYING, ids=repr)
def test_others_do_not(one: Rule, other: Rule) -> None:
    assert not implies(one, other)


EXCLUDING: list[tuple[Rule, Rule]] = [
    # Families.
    *product((A, ADA, EVE, ROBOT, AnyGoogleAccount(), Custom()), (FirebaseUser(), Tenant("t1"), SecondFactor())),
    # Service accounts and persons.
    *product((ROBOT, ServiceAccount("9"), ServiceAccount(X)), (ADA, User("9"), User(X), A)),
    # One value each.
    (A, B),
    (EmailDomain("a.com"), EmailDomain("b.com")),
    (Tenant("t1"), Tenant("t2")),
    (SignInProvider("password"), SignInProvider("phone")),
    (IssuedBy("x"), IssuedBy("y")),
    (FirebaseUser("u1"), FirebaseUser("u2")),
    (FirebaseUser("u1"), FirebaseUser("u2", anonymous=True)),
    (CustomClaim("role", "a"), CustomClaim("role", "b")),
    (CustomClaim("level", 1), CustomClaim("level", True)),
    (CustomClaim("level", 1), CustomClaim("level", 1.0)),
    (CustomClaim("roles", "a"), CustomClaim("roles", contains="a")),
    # An address against another, an id against another.
    (ADA, EVE),
    (User("7"), User("8")),
    (ROBOT, OTHER),
    (ServiceAccount("7"), ServiceAccount("8")),
    # Hosted addresses.
    (User("eve@googlemail.com"), A),
    (EVE, A),
    # Anonymous users.
    (SignInProvider("anonymous"), FirebaseUser()),
    (SignInProvider("anonymous"), FirebaseUser("u1")),
    (SignInProvider("anonymous"), FirebaseUser(X)),
    # One carrier.
    (Via(ROBOT), Via(OTHER)),
    (Via(ROBOT | OTHER), Via(A | ADA)),
    (Via(Nobody()), Via(ROBOT)),
    # Nobody.
    (Nobody(), A),
    (Nobody(), Nobody()),
    (Nobody(), Public()),
]

AGREEING: list[tuple[Rule, Rule]] = [
    (A, ADA),
    (B, ADA),
    (A, User("ada@sub.a.com")),
    (A, User("7")),
    (A, User(X)),
    (A, User("ada@b.com", hosted=False)),
    (ADA, User("7")),
    (User("7"), User(X)),
    (User(X), User(Y)),
    (EVE, User("eve@gmail.com", hosted=False)),
    (FirebaseUser("u1"), FirebaseUser(X)),
    (SignInProvider("anonymous"), FirebaseUser("u1", anonymous=True)),
    (Tenant("t1"), EmailDomain("a.com")),
    (CustomClaim("roles", contains="a"), CustomClaim("roles", contains="b")),
    (CustomClaim("role", "a"), CustomClaim("rank", "b")),
    (SignedInWithin(60), SignedInWithin(300)),
    (Via(ROBOT), ROBOT),
    (Via(ROBOT), FirebaseUser()),
    (Via(ROBOT), Via(ServiceAccount("9"))),
    (Via(MANY), Via(MANY)),
    (Custom(), A),
    (Custom(), Custom()),
    (Public(), Public()),
    (IssuedBy("x"), A),
]


@pytest.mark.parametrize(("one", "other"), EXCLUDING, ids=repr)
def test_some_leaves_exclude_others(one: Rule, other: Rule) -> None:
    assert exclude(one, other)
    assert exclude(other, one)


@pytest.mark.parametrize(("one", "other"), AGREEING, ids=lambda rule: repr(rule)[:80])
def test_others_go_together(one: Rule, other: Rule) -> None:
    assert not exclude(one, other)
    assert not exclude(other, one)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_of_all_leaves_the_laws_say_what_asking_everybody_says(world: World) -> None:
    # Whom an issuer vouches for is known with the issuers only.
    rules = [rule for rule in world.rules if not any(word in repr(rule) for word in ("IssuedBy", "of="))]
    for one, other in product(rules, repeat=2):
        whom, whom_else = world.whom(one), world.whom(other)
        assert exclude(one, other) is (world.whom(AllOf(one, other)) == 0), (one, other)
        assert implies(one, other) is (whom & ~whom_else == 0), (one, other)


def test_too_many_alternatives_are_not_looked_into() -> None:
    assert not exclude(Via(MANY), Via(MANY & A))
    assert not implies(Via(MANY), Via(MANY | A))
    assert implies(Via(ROBOT), Via(MANY | ROBOT))

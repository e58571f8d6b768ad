"""Witnesses in earnest: minted by an issuer, judged by a guard; and what a persona says of itself."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random
from typing import cast

import pytest

from callerid import (
    CustomClaim,
    Domain,
    EmailDomain,
    FirebaseUser,
    Guard,
    Issuer,
    Kind,
    Public,
    Refusal,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInProvider,
    Tenant,
    Unauthenticated,
    User,
    Via,
    firebase,
    google,
)
from callerid.audit.algebra import Persona, Side, Yes, new_access
from callerid.authentication import resolve
from callerid.guard import Requirement
from callerid.keys import KeyDocument
from callerid.rules import Facts, admitted
from callerid.testing import LocalIssuer
from callerid.testing._personas import headers_of

from .test_new_access import SOMEBODY_NEW
from .worlds import (
    ACME,
    BANK,
    BETA,
    CLIENT,
    ELSEWHERE,
    GOOGLE,
    KEYS,
    NOW,
    OTHER_CLIENT,
    SHOP,
    URL,
    WORLDS,
    World,
    two_sides,
)

LOCAL = LocalIssuer(clock=lambda: NOW)
for name in (ACME, BETA, KEYS):
    LOCAL.oidc_keys(name)


def guard_of(side: Side) -> Guard:
    """A guard that trusts what the side trusts, with the local issuer's keys."""
    signed = (replace(issuer, keys=KeyDocument(LOCAL.jwks_document(_signer(issuer)))) for issuer in side.issuers)
    return Guard(*signed, clock=lambda: NOW)


def _signer(issuer: Issuer) -> str:
    if issuer.kind is Kind.APP:
        return issuer.signer
    return issuer.kind.value if issuer.kind in (Kind.GOOGLE, Kind.FIREBASE) else issuer.name


def sent(headers: dict[str, str]) -> dict[str, list[str]]:
    return {name.lower(): [value] for name, value in headers.items()}


def is_let_in(side: Side, headers: dict[str, str], path: dict[str, str]) -> bool:
    guard = guard_of(side)
    requirement = Requirement(side.rule, side.audiences)
    try:
        identity = resolve(partial(guard.identify, {} if requirement.public else sent(headers)))
        if identity.caller is not None:
            guard.authenticator.check_audience(identity.caller, side.audiences)
    except Refusal:
        return False
    # As guard.judge does; that refuses to judge rules that do not say which of two projects' users they mean.
    return admitted(side.rule, Facts(identity.caller, identity.via, path, NOW, app=identity.app))


def assert_new(old: Side, new: Side, witness: Persona) -> None:
    """The persona's real tokens open the new side, and the old one however few of them are sent."""
    # What stands for a credential of the application's own here is a token.
    is_custom = witness.family is Kind.CUSTOM
    headers = headers_of(replace(witness, family=Kind.OIDC) if is_custom else witness, LOCAL)
    assert is_let_in(new, headers, dict(witness.path)), (old, new, witness)
    for without in ((), ("Authorization",), ("X-Serverless-Authorization",), ("X-Firebase-AppCheck",), tuple(headers)):
        fewer = {name: value for name, value in headers.items() if name not in without}
        assert not is_let_in(old, fewer, dict(witness.path)), (old, new, witness)


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_a_witness_is_refused_by_the_old_guard_and_let_in_by_the_new_one(world: World) -> None:
    random = Random(f"minted {world.name}")
    found = 0
    while found < 60:
        old, new = two_sides(random, world)
        verdict = new_access(old, new)
        if isinstance(verdict, Yes):
            assert_new(old, new, verdict.witness)
            found += 1


@pytest.mark.parametrize(("old", "new", "who"), SOMEBODY_NEW, ids=lambda each: repr(each)[:60])
def test_the_witnesses_of_the_cases_are_real(old: Rule, new: Rule, who: str) -> None:
    issuers = (google(URL, CLIENT), firebase(SHOP, ["t", "another-tenant-1"]))
    sides = Side(old, issuers=issuers), Side(new, issuers=issuers)
    verdict = new_access(*sides)
    assert isinstance(verdict, Yes)
    assert_new(*sides, verdict.witness)


PERSONAS: list[tuple[Persona, str]] = [
    (Persona(), "anybody without a credential"),
    (
        Persona(family=Kind.GOOGLE, issuer=GOOGLE, subject="7", audience=CLIENT, email="ada@a.com", domain="b.com"),
        f"the person ada@a.com with the id 7, of b.com, with a token for {CLIENT}",
    ),
    (
        Persona(family=Kind.GOOGLE, issuer=GOOGLE, subject="7", audience=CLIENT, incidental=frozenset({"audience"})),
        "the person with the id 7",
    ),
    (
        Persona(
            family=Kind.GOOGLE,
            issuer=GOOGLE,
            subject="9",
            audience=URL,
            is_service_account=True,
            incidental=frozenset({"audience", "subject"}),
        ),
        "a service account",
    ),
    (
        Persona(
            family=Kind.FIREBASE,
            issuer=f"https://securetoken.google.com/{SHOP}",
            subject="u1",
            audience=SHOP,
            project=SHOP,
            email="ada@a.com",
            provider="saml.acme",
            tenant="t1",
            second_factor="totp",
            signed_in_ago=5,
            claims=(("level", 3), ("roles", ("x", "y"))),
            path=(("user", "u1"), ("order", "8")),
            incidental=frozenset({"audience"}),
        ),
        (
            "the Firebase user 'u1' of the project shop-prod, of the tenant t1, signed in by saml.acme, "
            "with the second factor, with the address ada@a.com, signed in 5 s ago, whose claim level is 3, "
            "whose claim roles is ['x', 'y'], where {user} names them, where {order} names somebody else"
        ),
    ),
]


PERSONAS += [
    (
        Persona(
            family=Kind.FIREBASE,
            issuer=f"https://securetoken.google.com/{SHOP}",
            subject="u1",
            audience=SHOP,
            project=SHOP,
            provider="saml.acme",
            tenant="t1",
            signed_in_ago=0,
            claims=((("roles", "a"), "x"), (("roles", "b"), ("y", "z")), ("org", "acme")),
            attributes=(("dept", "sales"),),
            path=(("a", "t1"), ("b", "x"), ("c", "z"), ("d", "sales"), ("e", "else")),
            incidental=frozenset({"audience", "signed_in_ago", "provider", "project"}),
        ),
        (
            "the Firebase user 'u1' of the tenant t1, whose claim roles.a is 'x', whose claim roles.b is ['y', 'z'], "
            "whose claim org is 'acme', whose attribute dept is 'sales', where {a} names their tenant, "
            "where {b} names their roles.a, where {c} names their roles.b, where {d} names their dept, "
            "where {e} names somebody else"
        ),
    ),
    (
        Persona(
            family=Kind.GOOGLE,
            issuer=GOOGLE,
            subject="9",
            audience=URL,
            email="robot@shop-prod.iam.gserviceaccount.com",
            is_service_account=True,
            authorized_party=CLIENT,
            incidental=frozenset({"audience", "subject"}),
        ),
        f"the service account robot@shop-prod.iam.gserviceaccount.com by the client {CLIENT}",
    ),
    (
        Persona(family=Kind.OIDC, issuer=ACME, subject="ada", audience="orders", claims=((("a", "b"), ("x", 1)),)),
        f"the caller known as 'ada' to {ACME} whose claim a.b is ['x', 1], with a token for orders",
    ),
    (
        Persona(family=Kind.OIDC, issuer=ACME, subject="7", audience="orders", incidental=frozenset({"subject"})),
        f"a caller known to {ACME}, with a token for orders",
    ),
]


@pytest.mark.parametrize(("persona", "words"), PERSONAS, ids=[row[1][:40] for row in PERSONAS])
def test_a_persona_is_told_in_one_line_and_its_tokens_say_the_same(persona: Persona, words: str) -> None:
    assert str(persona) == words
    issuers = (google(URL, CLIENT, OTHER_CLIENT), firebase(SHOP, ["t1"]), firebase(BANK), *ELSEWHERE[2:])
    guard = guard_of(Side(Public(), issuers=issuers))
    identity = resolve(partial(guard.identify, sent(headers_of(persona, LOCAL))))
    assert identity.caller == persona.caller(NOW)
    assert persona.facts(NOW).path == dict(persona.path)


def test_a_persona_with_no_facts_beyond_a_uid() -> None:
    bare = Persona(family=Kind.FIREBASE, issuer="x", subject="u1", audience="")
    caller = bare.caller(NOW)
    assert caller is not None
    assert caller.firebase is not None
    assert caller.firebase.signed_in_at is None
    assert str(bare) == "the Firebase user 'u1'"
    with pytest.raises(Unauthenticated):
        guard_of(Side(Public(), issuers=(firebase(SHOP),))).identify(sent(headers_of(bare, LOCAL)))


def test_callers_of_other_issuers_are_told_by_what_their_credentials_say() -> None:
    partner = Persona(family=Kind.CUSTOM, issuer=KEYS, subject="shop-7", claims=(("plan", "gold"),))
    assert str(partner) == "the caller known as 'shop-7' to partner-keys whose fact plan is 'gold'"
    somebody = replace(partner, issuer="", incidental=frozenset({"subject"}), claims=())
    assert str(somebody) == "a caller known to the application"
    assert str(replace(somebody, family=Kind.OIDC)) == "a caller known to an OpenID Connect provider"
    caller = partner.caller(NOW)
    assert caller is not None
    assert caller.custom is not None
    assert dict(caller.custom.facts) == {"plan": "gold"}
    with pytest.raises(ValueError, match="no credential is minted that the application itself hands out"):
        headers_of(partner, LOCAL)


def test_a_persona_of_an_unknown_kind_is_an_error() -> None:
    stranger = Persona(family=cast("Kind", "saml"), issuer="x", subject="u1")
    for ask in (str, partial(headers_of, issuer=LOCAL)):
        with pytest.raises(TypeError, match="'saml' is no kind of caller: there are google, firebase, oidc, custom"):
            ask(stranger)


MADE_UP: list[tuple[Rule, Rule]] = [
    (
        User("100000000000000000001") | User("someone@gmail.com"),
        User("7") | User("100000000000000000001") | FirebaseUser(),
    ),
    (FirebaseUser("100000000000000000001"), FirebaseUser()),
    (User("someone@gmail.com"), User("someone@gmail.com") | User("someone1@gmail.com")),
    (Domain("a.com") & User("someone@a.com"), Domain("a.com")),
    (SignInProvider("google.com") | SignInProvider("github.com") | SignInProvider("apple.com"), FirebaseUser()),
    (
        EmailDomain("a.com") | EmailDomain("a.com") & Tenant("another-tenant-1"),
        EmailDomain("a.com") | FirebaseUser("u1") | Tenant("t"),
    ),
    (
        SecondFactor() | EmailDomain("a.com"),
        FirebaseUser() & CustomClaim("a", contains=1) & CustomClaim("a", contains=True),
    ),
    (
        ServiceAccount("9"),
        Via(ServiceAccount("9")) & ServiceAccount("someone@some-project.iam.gserviceaccount.com") | SignedInWithin(9),
    ),
]


@pytest.mark.parametrize(("old", "new"), MADE_UP, ids=repr)
def test_what_is_made_up_is_nothing_that_a_rule_names(old: Rule, new: Rule) -> None:
    issuers = (google(URL, CLIENT), firebase(SHOP, ["t", "another-tenant-1"]))
    verdict = new_access(Side(old, issuers=issuers), Side(new, issuers=issuers))
    assert isinstance(verdict, Yes)
    assert_new(Side(old, issuers=issuers), Side(new, issuers=issuers), verdict.witness)

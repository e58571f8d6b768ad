"""Why a caller was refused, in the one line that the log has of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from callerid import (
    CustomClaim,
    Domain,
    EmailDomain,
    FirebaseUser,
    Guard,
    IssuedBy,
    Nobody,
    PathParam,
    Refusal,
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
from callerid.guard import Identity, Requirement
from callerid.rules import Facts

from .made import CLIENT, GUARD, ISSUER, NOW, URL, caller_of, firebase_token, google_token, odd, person, robot, user
from .test_rules import FACTS, RULES

GOOGLE = "https://accounts.google.com"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
UNHOSTED = person("ada@corp.example", None)


def detail(rule: Rule, identity: Identity, **path: Any) -> str:
    with pytest.raises(Refusal) as refused:
        GUARD.judge(Requirement(rule), identity, path)
    return refused.value.detail


REASONS: list[tuple[Rule, Any, str]] = [
    # Google identities.
    (
        User("ada@corp.example"),
        UNHOSTED,
        (
            "an account with the address ada@corp.example (Google does not host this address, so it does not "
            "prove who holds it today: name the account's id, or write hosted=False)"
        ),
    ),
    (User("eve@a.com"), person("ada@a.com", "a.com"), "user:ada@a.com"),
    (User("ada@a.com"), person(None, "a.com", subject="7"), "user:7, with no e-mail in the token"),
    (
        User("ada@a.com"),
        person(None, "a.com", subject="7", has_unverified_email=True),
        "user:7, with an e-mail that is not verified",
    ),
    (User("8"), person(None, "a.com", subject="7"), "user:7"),
    (User("ada@a.com"), robot(), f"serviceAccount:{ROBOT}"),
    (User("ada@a.com"), robot(None, subject="9"), "serviceAccount:9"),
    (Domain("a.com"), person("eve@b.com", "b.com"), "user:eve@b.com, of b.com"),
    (Domain("a.com"), person("eve@gmail.com", None), "user:eve@gmail.com, of no Workspace domain"),
    (
        ServiceAccount(ROBOT),
        robot(None, subject="9"),
        "serviceAccount:9, with no e-mail in the token (mint it with includeEmail, or name the id in the rule)",
    ),
    # Firebase users.
    (FirebaseUser(), user(provider="anonymous"), "firebase:shop-prod/u1, an anonymous user"),
    (FirebaseUser("u1", project="bank-prod"), user(), "firebase:shop-prod/u1, of the project shop-prod"),
    (FirebaseUser("u2"), user(), "firebase:shop-prod/u1"),
    (FirebaseUser("u2"), user(tenant="beta"), "firebase:shop-prod/beta/u1"),
    (
        FirebaseUser("u1"),
        user(tenant="beta"),
        "firebase:shop-prod/beta/u1, of tenant beta (join the rule with & Tenant('beta'))",
    ),
    (Tenant("acme"), user(), "firebase:shop-prod/u1, of tenant none"),
    (Tenant("acme"), user(tenant="beta"), "firebase:shop-prod/beta/u1, of tenant beta"),
    (
        EmailDomain("example.com"),
        user(tenant="beta"),
        "firebase:shop-prod/beta/u1, of tenant beta (join the rule with & Tenant('beta'))",
    ),
    (EmailDomain("a.com"), user(email=None), "firebase:shop-prod/u1, with no e-mail in the token"),
    (
        EmailDomain("a.com"),
        replace(user(email=None), has_unverified_email=True),
        "firebase:shop-prod/u1, with an e-mail that is not verified",
    ),
    (EmailDomain("a.com"), user(), "firebase:shop-prod/u1, with the address ada@example.com"),
    (SignInProvider("phone"), user(), "firebase:shop-prod/u1, signed in by password"),
    (SecondFactor(), user(), "firebase:shop-prod/u1, with no second factor"),
    (SignedInWithin(60), user(signed_in_at=NOW - 61.0), "firebase:shop-prod/u1, signed in 61 s ago"),
    (CustomClaim("role", "x"), user(claims={"role": "y"}), "firebase:shop-prod/u1, whose role is 'y'"),
    # Any caller.
    (IssuedBy("x"), person(), f"user:ada@example.com, issued by {GOOGLE}"),
    (Where("on call", odd(lambda caller: 1 // 0)), person(), "user:ada@example.com; it raised ZeroDivisionError"),
    # Of several rules, what the nearest alternative lacks.
    (
        Tenant("acme") & SecondFactor(),
        user(),
        "firebase:shop-prod/u1, of tenant none, with no second factor",
    ),
    (
        (Tenant("acme") & SecondFactor()) | (FirebaseUser() & SecondFactor()),
        user(),
        "firebase:shop-prod/u1, with no second factor",
    ),
    (Tenant("acme"), person(), "user:ada@example.com"),
    (Domain("a.com"), user(), "firebase:shop-prod/u1"),
]


@pytest.mark.parametrize(("rule", "caller", "came"), REASONS, ids=[row[2][:60] for row in REASONS])
def test_the_detail_says_what_decided(rule: Rule, caller: Any, came: str) -> None:
    assert detail(rule, Identity(caller)) == f"expected {rule}, got {came}"


def test_whom_the_path_names_is_said() -> None:
    mine = FirebaseUser(PathParam("uid"))
    assert detail(mine, Identity(user()), uid="u2").endswith("firebase:shop-prod/u1, the path names 'u2'")


@given(RULES, FACTS)
def test_nobody_is_told_to_be_refused_for_being_whom_the_rule_names(rule: Rule, facts: Facts) -> None:
    said = ""
    try:
        GUARD.judge(Requirement(rule), Identity(facts.caller, facts.via), facts.path)
    except Refusal as refusal:
        said = refusal.detail
    assert said != f"expected {facts.caller}, got {facts.caller}"
    assert "\n" not in said


def test_an_address_that_is_not_verified_is_no_fact_but_is_told_from_none() -> None:
    unverified = [google_token(email_verified=False), firebase_token(email_verified=False)]
    for token in unverified:
        caller = caller_of(token)
        assert caller.email is None
        assert caller.has_unverified_email
        assert "ada@example.com" not in repr(caller)
    assert detail(EmailDomain("example.com"), Identity(caller_of(unverified[1]))).endswith(
        "an e-mail that is not verified"
    )
    for token in (google_token(), firebase_token()):
        assert not caller_of(token).has_unverified_email
    assert not caller_of(ISSUER.person(None, audience=CLIENT, subject="7")).has_unverified_email


def test_the_log_line_itself_has_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")
    requirement = Requirement(User("ada@corp.example"))
    sent = {"authorization": [f"Bearer {ISSUER.person('ada@corp.example', audience=CLIENT)}"]}
    identity = GUARD.identify(sent)
    assert isinstance(identity, Identity)
    with pytest.raises(Refusal) as refused:
        GUARD.judge(requirement, identity, {})
    GUARD.record("GET /x", requirement, identity, refused.value)
    (line,) = caplog.messages
    said = "expected user:ada@corp.example, got an account with the address ada@corp.example ("
    assert line.startswith(f"refused GET /x: 403 not_allowed: {said}")


# --- mistakes that are named as such ---


@pytest.mark.parametrize("audience", ["https://orders.example.com/{order}", "https://*.example.com", "https://x/*"])
def test_audiences_are_literal(audience: str) -> None:
    for make in (lambda: google(URL, audience), lambda: GUARD.allow(Domain("a.com"), audience=audience)):
        with pytest.raises(ValueError, match="audiences are literal"):
            make()


@pytest.mark.parametrize("unset", [None, ""])
def test_what_may_come_from_a_variable_that_is_not_set_is_asked_about(unset: Any) -> None:
    makers: list[Callable[[], object]] = [
        lambda: google(unset),
        lambda: google(URL, unset),
        lambda: firebase(unset),
        lambda: GUARD.allow(Domain("a.com"), audience=[unset]),
    ]
    for make in makers:
        with pytest.raises(ValueError, match="environment variable"):
            make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: GUARD.allow(odd(Domain)),
        lambda: GUARD.allow("domain:a.com", odd(Domain)),
        lambda: Domain("a.com") & odd(Domain),
        lambda: Domain("a.com") | odd(Domain),
        lambda: Via(odd(Domain)),
    ],
)
def test_a_class_where_a_rule_is_due_names_the_brackets(make: Any) -> None:
    with pytest.raises(ValueError, match=r"the class Domain: write Domain\(\.\.\.\), with brackets"):
        make()


def test_classes_joined_where_a_rule_is_due_name_the_brackets() -> None:
    classes = odd(Domain | User)
    with pytest.raises(ValueError, match="write each rule with brackets"):
        GUARD.allow(classes)
    with pytest.raises(ValueError, match="write each rule with brackets"):
        _ = Domain("a.com") | classes


def test_a_guard_of_no_framework_names_those_that_protect() -> None:
    for protect in (GUARD.protect, Guard(google(URL)).init_app):
        with pytest.raises(ValueError, match=r"callerid\.flask or callerid\.django"):
            protect(object(), default=Nobody())

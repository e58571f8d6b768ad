"""Which credentials a route accepts, in the map: in words where it is not plain, and in JSON always."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from callerid import (
    AnyApp,
    AnyGoogleAccount,
    EmailDomain,
    FirebaseUser,
    Guard,
    IssuedBy,
    Nobody,
    Public,
    Rule,
    Subject,
    Tenant,
    User,
    Via,
    Where,
)
from callerid.access import access_map, locked
from callerid.asgi import CallerMiddleware
from callerid.audit._forms import as_json, as_markdown, as_table
from callerid.starlette import Guard as StarletteGuard
from tests.asgi.world import Plain
from tests.core.test_toy_issuer import acme
from tests.fixtures import CLIENT, ROBOT, ROBOTS, STAFF, URL, issuer

BACKEND = "/projects/12/global/backendServices/34"
IAP = issuer.iap(BACKEND)
GOOGLES = issuer.google(URL, CLIENT)
FIREBASE = issuer.firebase("shop-prod", ["acme-x1"])
APPS = issuer.app_check(1234)
GATEWAY = issuer.gateway("gateway@p.iam.gserviceaccount.com", FIREBASE)
FORWARDED = "x-forwarded-authorization behind gateway@p.iam.gserviceaccount.com"
SESSION = issuer.firebase_session("shop-prod")
ROBOTS_OWN = issuer.service_account_issuer(ROBOT, URL)
ADA = User("ada@gmail.com")


def app_of(rule: Any, *issuers: Any, guard: Guard | None = None) -> Any:
    return CallerMiddleware(Plain(), guard=guard or Guard(*issuers), default=Nobody(), routes={"/x": rule})


def who(app: Any) -> str:
    """Who may at ``/x``, as the table has it; Markdown says the same."""
    found = access_map(app)
    (line,) = [line for line in as_table(found, lambda text, _: text, 400) if " /x " in line]
    said = line.split("  ")[1:]
    words = next(part for part in said if part).strip()
    assert f"| {words.replace('|', chr(92) + '|')} |" in as_markdown(found)
    return words


def by(app: Any) -> list[tuple[str, str]]:
    (row,) = [each for each in json.loads(as_json(access_map(app)))["routes"] if each["path"] == "/x"]
    return [(way["credential"], way["in"]) for way in row["by"]]


ASSERTION = "x-goog-iap-jwt-assertion"

WAYS: list[tuple[str, tuple[Any, ...], Rule, str, list[tuple[str, str]]]] = [
    ("one way", (GOOGLES,), STAFF, "domain:example.com", [("Google ID token", "authorization")]),
    (
        "one way for each kind of caller",
        (GOOGLES, FIREBASE),
        STAFF | FirebaseUser(),
        "domain:example.com or firebaseUser",
        [("Google ID token", "authorization"), ("Firebase ID token", "authorization")],
    ),
    (
        "two for people",
        (GOOGLES, IAP),
        ADA,
        "user:ada@gmail.com by Google ID token or IAP",
        [("Google ID token", "authorization"), ("IAP", ASSERTION)],
    ),
    ("people by one of them", (GOOGLES, IAP), ADA & IssuedBy(IAP.name), "by IAP", [("IAP", ASSERTION)]),
    (
        "an account that signs for itself",
        (GOOGLES, ROBOTS_OWN),
        ROBOTS,
        f"serviceAccount:{ROBOT} by Google ID token or self-signed token",
        [("Google ID token", "authorization"), ("self-signed token", "authorization")],
    ),
    (
        "an access token",
        (GOOGLES, issuer.google_access_token(CLIENT)),
        ADA,
        "by Google ID token or Google access token",
        [("Google ID token", "authorization"), ("Google access token", "authorization")],
    ),
    (
        "nobody it can speak for",
        (GOOGLES, ROBOTS_OWN),
        STAFF,
        "by Google ID token",
        [("Google ID token", "authorization")],
    ),
    (
        "a cookie",
        (FIREBASE, SESSION),
        FirebaseUser(),
        "by Firebase ID token or Firebase session cookie",
        [("Firebase ID token", "authorization"), ("Firebase session cookie", "cookie session")],
    ),
    (
        "tenants that one of them names",
        (FIREBASE, SESSION),
        Tenant("acme-x1"),
        "by Firebase ID token",
        [("Firebase ID token", "authorization")],
    ),
    (
        "with a carrier whom another issuer speaks for",
        (GOOGLES, FIREBASE, SESSION),
        FirebaseUser() & Via(ROBOTS),
        "by Firebase ID token or Firebase session cookie",
        [("Firebase ID token", "authorization"), ("Firebase session cookie", "cookie session")],
    ),
    (
        "whoever is known",
        (GOOGLES, IAP),
        Public() | (STAFF & IssuedBy(IAP.name)),
        "by IAP",
        [("IAP", ASSERTION)],
    ),
    (
        "what only code can judge",
        (GOOGLES, IAP),
        Where("a friend", lambda _: True),
        "by Google ID token or IAP",
        [("Google ID token", "authorization"), ("IAP", ASSERTION)],
    ),
    (
        "an app, whoever uses it",
        (GOOGLES, IAP, APPS),
        AnyApp(),
        "anyApp by App Check token",
        [("App Check token", "x-firebase-appcheck")],
    ),
    (
        "through a gateway",
        (GATEWAY,),
        FirebaseUser(),
        "firebaseUser by Firebase ID token through the gateway gateway@p.iam.gserviceaccount.com",
        [("Firebase ID token through the gateway gateway@p.iam.gserviceaccount.com", FORWARDED)],
    ),
    (
        "through a gateway or directly",
        (GATEWAY, GOOGLES),
        FirebaseUser() | STAFF,
        "by Firebase ID token through the gateway gateway@p.iam.gserviceaccount.com or Google ID token",
        [
            ("Firebase ID token through the gateway gateway@p.iam.gserviceaccount.com", FORWARDED),
            ("Google ID token", "authorization"),
        ],
    ),
    (
        "a user in an app",
        (GOOGLES, IAP, APPS),
        STAFF & AnyApp(),
        "domain:example.com and anyApp by Google ID token or IAP",
        [("Google ID token", "authorization"), ("IAP", ASSERTION)],
    ),
    ("everybody", (GOOGLES, IAP), Public(), "everybody", []),
    ("nobody", (GOOGLES, IAP), Nobody(), str(Nobody()), []),
]


@pytest.mark.parametrize(("issuers", "rule", "words", "ways"), [row[1:] for row in WAYS], ids=[row[0] for row in WAYS])
def test_a_route_says_by_which_credentials_its_callers_come(
    issuers: tuple[Any, ...], rule: Rule, words: str, ways: list[tuple[str, str]]
) -> None:
    app = app_of(rule, *issuers)
    said = who(app)
    assert said.endswith(words)
    assert (" by " in said) == (" by " in f" {words}")
    assert by(app) == ways


def test_two_of_one_name_are_told_apart() -> None:
    other = issuer.firebase("shop-test")
    rule = FirebaseUser(project="shop-prod") | EmailDomain("example.com") & IssuedBy(other.name)
    both = "by Firebase ID token (shop-prod) or Firebase ID token (shop-test)"
    assert who(app_of(rule, FIREBASE, other)).endswith(both)
    assert who(app_of(FirebaseUser(project="shop-test"), FIREBASE, other)).endswith("by Firebase ID token (shop-test)")
    second = issuer.service_account_issuer("other@shop-prod.iam.gserviceaccount.com", URL)
    assert who(app_of(ROBOTS, second, ROBOTS_OWN)).endswith(f"by self-signed token ({ROBOT})")


def test_an_audience_beside_the_rule_counts() -> None:
    guard = Guard(GOOGLES, ROBOTS_OWN)
    for audience, ways in (("https://other.example.com", 1), (URL, 2)):
        assert len(by(app_of(guard.allow(ROBOTS, audience=audience), guard=guard))) == ways


def test_of_guards_one_behind_the_other_it_takes_a_credential_that_both_believe() -> None:
    outer, inner = StarletteGuard(GOOGLES, IAP), StarletteGuard(IAP, FIREBASE)
    behind = Starlette(routes=[Mount("/x", Plain())])
    inner.protect(behind, default=AnyGoogleAccount())
    app = Starlette(routes=[Mount("/y", behind)])
    outer.protect(app, default=Nobody(), floor=AnyGoogleAccount())
    rows = json.loads(as_json(access_map(app)))["routes"]
    assert {row["path"]: [way["credential"] for way in row["by"]] for row in rows}["/y/x"] == ["IAP"]


def test_an_issuer_of_the_applications_own_goes_by_its_name() -> None:
    acmes, beta = acme(URL), "https://id.beta.example"
    betas = replace(acmes, name=beta, accepted_iss=frozenset({beta}))
    assert who(app_of(Subject("7", of=beta), acmes, betas)) == f"subject:7 of {beta} by token of {beta}"
    assert who(app_of(Subject("7") | User("7"), acmes, GOOGLES)) == "subject:7 or user:7"


def test_the_words_of_the_lock_are_as_they_were() -> None:
    rules = locked(access_map(app_of(ADA, GOOGLES, IAP))).splitlines()
    assert any("allow User('ada@gmail.com')" in line for line in rules)
    assert not [line for line in rules if "by IAP" in line or "by Google" in line]

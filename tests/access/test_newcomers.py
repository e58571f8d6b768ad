"""No new access: nobody, or somebody whom one can mint, call with and see let in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask

import callerid.flask
from callerid import (
    AnyGoogleAccount,
    AnyOf,
    AuthorizedParty,
    Caller,
    CustomClaim,
    Domain,
    FirebaseUser,
    KeyDocument,
    KeyFile,
    KeySource,
    Kind,
    Nobody,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInAttribute,
    Tenant,
    User,
    Where,
    google,
)
from callerid.access import access_map, assumed, locked, newcomers
from callerid.audit.algebra import CannotTell, Yes
from callerid.errors import ConfigurationError
from callerid.fastapi import Guard
from callerid.rules import Facts
from callerid.testing import LocalIssuer
from callerid.testing._personas import headers_of
from tests.access.made import STAFF, small

URL, CLIENT = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


def app_of(issuer: LocalIssuer, rules: dict[str, Rule], *audiences: str, **options: Any) -> FastAPI:
    guard = Guard(issuer.google(*(audiences or (URL, CLIENT))), issuer.firebase("shop-prod", ["acme"]), **options)
    return small(rules, guard=guard)


def found_between(old: FastAPI, new: FastAPI) -> list[str]:
    return list(map(str, newcomers(locked(access_map(old)), access_map(new))))


SAME: list[tuple[Rule, Rule]] = [
    (STAFF, STAFF),
    (STAFF, STAFF & User("grace@example.com")),
    (STAFF | FirebaseUser(), FirebaseUser("ada")),
    (SignedInWithin(60), SignedInWithin(30)),
    (AnyGoogleAccount(), STAFF),
    (STAFF, STAFF & AuthorizedParty(CLIENT)),
    (CustomClaim("roles", "a"), CustomClaim("roles", "a") & CustomClaim(("other", "b"), "c")),
    (Tenant("acme"), SignInAttribute("dept", "x") & Tenant("acme") & FirebaseUser()),
]
NEW: list[tuple[Rule, Rule, str]] = [
    (STAFF, Public(), "anybody without a credential"),
    (STAFF, STAFF | FirebaseUser() & SecondFactor(), "with the second factor, not domain:example.com"),
    (STAFF, AnyGoogleAccount(), "not domain:example.com"),
    (FirebaseUser(), FirebaseUser(anonymous=True), "an anonymous Firebase user"),
    (FirebaseUser() & CustomClaim("role", "boss"), FirebaseUser(), "a Firebase user"),
    (FirebaseUser(), FirebaseUser() & Tenant("acme"), "of the tenant acme"),
    (FirebaseUser("ada") & Tenant("acme"), FirebaseUser("ada"), "the Firebase user 'ada', not tenant:acme"),
    (FirebaseUser(PathParam("user_id")), FirebaseUser(), "names somebody else"),
    (Tenant(PathParam("user_id")), Tenant("acme"), "of the tenant acme, where {user_id} names somebody else"),
    (CustomClaim("org", "acme"), CustomClaim("org", PathParam("user_id")), "where {user_id} names their org"),
    (CustomClaim("org", PathParam("user_id")), FirebaseUser(PathParam("user_id")), "where {user_id} names them"),
    (CustomClaim("orgs", PathParam("user_id")), CustomClaim("orgs", contains=PathParam("user_id")), "their orgs"),
    (CustomClaim(("roles", "a"), "x"), CustomClaim(("roles", "b"), "x"), "whose claim roles.b is 'x'"),
    (
        SignInAttribute("dept", "x"),
        SignInAttribute("dept", PathParam("user_id")),
        "attribute dept is 'some-dept'",
    ),
    (STAFF & AuthorizedParty(CLIENT), STAFF, "a person of example.com"),
    (STAFF, STAFF | AuthorizedParty("9-z.apps.googleusercontent.com"), "by the client 9-z.apps.googleusercontent.com"),
    (STAFF, AuthorizedParty("a@b.iam.gserviceaccount.com"), "by the client a@b.iam.gserviceaccount.com"),
    (STAFF, STAFF | ServiceAccount("queue@shop-prod.iam.gserviceaccount.com"), "the service account queue@"),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_nobody_new(old: Rule, new: Rule, issuer: LocalIssuer) -> None:
    assert found_between(app_of(issuer, {"GET /a": old}), app_of(issuer, {"GET /a": new})) == []


@pytest.mark.parametrize(("old", "new", "said"), NEW)
def test_somebody_new_is_let_in_by_the_new_app_alone(old: Rule, new: Rule, said: str, issuer: LocalIssuer) -> None:
    place = "POST /users/{user_id}/refunds"
    before, after = (app_of(issuer, {place: rule}) for rule in (old, new))
    (finding,) = newcomers(locked(access_map(before)), access_map(after))
    assert finding.name == place
    assert said in str(finding)
    assert isinstance(finding.verdict, Yes)
    witness = finding.verdict.witness
    path = f"/users/{dict(witness.path).get('user_id', 'anybody')}/refunds"
    headers = headers_of(witness, issuer)
    statuses = [TestClient(app).post(path, headers=headers).status_code for app in (before, after)]
    assert statuses == [403 if headers else 401, 200]


def test_an_added_route_is_compared_with_the_default(issuer: LocalIssuer) -> None:
    old = app_of(issuer, {})
    assert found_between(old, app_of(issuer, {"GET /new": STAFF & User("grace@example.com")})) == []
    assert found_between(old, app_of(issuer, {"GET /new": Public()})) == [
        "GET /new: anybody without a credential, not domain:example.com"
    ]


def test_a_removed_route_and_a_renamed_parameter_are_no_access(issuer: LocalIssuer) -> None:
    rule = FirebaseUser(PathParam("user_id"))
    old = app_of(issuer, {"GET /users/{user_id}": rule, "GET /left": Public()})
    assert found_between(old, app_of(issuer, {"GET /users/{uid}": FirebaseUser(PathParam("uid"))})) == []


def test_code_that_reads_the_path_is_the_same_only_for_the_same_parameters(issuer: LocalIssuer) -> None:
    rule = Where("their own", lambda caller, path: path.get("id") in (None, caller.subject))
    old = app_of(issuer, {"GET /users/{id}": rule})
    assert found_between(old, app_of(issuer, {"GET /users/{id}": rule})) == []
    assert found_between(old, app_of(issuer, {"GET /users/{id}": rule & STAFF})) == []
    (said,) = found_between(old, app_of(issuer, {"GET /users/{uid}": rule}))
    assert "cannot tell: whom where their own admits, only its code can say" in said


def test_a_renamed_parameter_that_names_a_claim_is_no_access(issuer: LocalIssuer) -> None:
    for make in (lambda name: Tenant(PathParam(name)), lambda name: CustomClaim(("a", "b"), PathParam(name))):
        old, new = (app_of(issuer, {f"GET /{{{name}}}": make(name)}) for name in ("x", "y"))
        assert found_between(old, new) == []


def test_what_was_under_a_mount_is_compared_with_it(issuer: LocalIssuer) -> None:
    guard = Guard(issuer.google(URL, CLIENT), issuer.firebase("shop-prod", ["acme"]))

    async def opaque(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    old = small({}, guard=guard)
    old.mount("/shop", guard.allow(FirebaseUser())(opaque))
    # What was mounted may have asked for more.
    (said,) = found_between(old, app_of(issuer, {"GET /shop/orders": FirebaseUser()}))
    assert said.startswith("GET /shop/orders: cannot tell: what was mounted there decided by itself who may")
    assert found_between(old, app_of(issuer, {"GET /shop/orders": FirebaseUser() & Nobody()})) == []
    assert len(found_between(old, app_of(issuer, {"GET /shops": FirebaseUser()}))) == 1


def test_another_audience_lets_others_in(issuer: LocalIssuer) -> None:
    old = app_of(issuer, {"GET /a": AnyGoogleAccount()})
    new = app_of(issuer, {"GET /a": AnyGoogleAccount()}, URL, CLIENT, "https://elsewhere.example.com")
    found = found_between(old, new)
    assert any("https://elsewhere.example.com" in each for each in found)
    assert found_between(new, old) == []


ONE, OTHER = "http://127.0.0.1:1/a", "http://127.0.0.1:1/b"


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (ONE, OTHER),
        (KeyDocument('{"keys": []}'), KeyDocument('{"keys": [], "more": 1}')),
        (KeyFile("/etc/keys.json"), KeyFile("/etc/other.json")),
        (ONE, KeyFile("/etc/keys.json")),
    ],
)
def test_other_keys_cannot_be_told(before: Any, now: Any) -> None:
    old, new = (small({"GET /a": STAFF}, guard=Guard(google(URL, keys=keys))) for keys in (before, now))
    assert found_between(old, old) == []
    findings = newcomers(locked(access_map(old)), access_map(new))
    assert {type(each.verdict) for each in findings} == {CannotTell}
    assert all("the keys or settings of https://accounts.google.com changed" in str(each) for each in findings)


def test_how_keys_are_fetched_and_kept_is_not_who_may_call_what() -> None:
    tuned = KeySource(url=ONE, stale_seconds=1e6, fetch_seconds=2, waiting_threads=9)
    old, new = (small({"GET /a": STAFF}, guard=Guard(google(URL, keys=keys))) for keys in (ONE, tuned))
    assert found_between(old, new) == found_between(new, old) == []
    assert locked(access_map(old)) == locked(access_map(new))


def test_another_leeway_cannot_be_told(issuer: LocalIssuer) -> None:
    found = found_between(app_of(issuer, {}), app_of(issuer, {}, leeway=60))
    assert found == ["* (any other path): cannot tell: settings of the guard changed: leeway"]


def is_tall(caller: Caller) -> bool:
    return len(caller.subject) > 20


def is_short(caller: Caller) -> bool:
    return len(caller.subject) < 20


def test_code_is_taken_for_the_same_if_its_hash_is(issuer: LocalIssuer) -> None:
    old = app_of(issuer, {"GET /a": Where("tall", is_tall)})
    assert found_between(old, app_of(issuer, {"GET /a": Where("tall", is_tall)})) == []
    (said,) = found_between(old, app_of(issuer, {"GET /a": Where("tall", is_short)}))
    assert said.startswith("GET /a: cannot tell")


def test_guards_that_believe_different_issuers_cannot_be_told(issuer: LocalIssuer) -> None:
    app, sub = app_of(issuer, {}), small({"GET /a": STAFF}, guard=Guard(issuer.google(CLIENT)))
    app.mount("/sub", sub)
    assert all("guards that believe different issuers" in each for each in found_between(app, app))


def test_flask_templates(issuer: LocalIssuer) -> None:
    def made(template: str, rule: Rule) -> Any:
        app = Flask(__name__, static_folder=None)
        guard = callerid.flask.Guard(issuer.google(URL, CLIENT), issuer.firebase("shop-prod", ["acme"]))
        guard.protect(app, default=STAFF)
        app.add_url_rule(template, "view", guard.allow(rule)(lambda **_: ""))
        return app

    old = made("/users/<user_id>", FirebaseUser(PathParam("user_id")))
    assert found_between(old, made("/users/<uid>", FirebaseUser(PathParam("uid")))) == []
    assert len(found_between(old, made("/users/<uid>", FirebaseUser()))) == 1


def test_a_lock_without_a_default_compares_with_nobody(issuer: LocalIssuer) -> None:
    app = app_of(issuer, {"GET /a": STAFF})
    found = newcomers("callerid-access-lock 4\n", access_map(app))
    somebody = f"a person of example.com, with a token for {CLIENT}"
    assert list(map(str, found)) == [f"* (any other path): {somebody}", f"GET /a: {somebody}"]


def test_a_lock_that_holds_no_rules_is_told(issuer: LocalIssuer) -> None:
    lock = locked(access_map(app_of(issuer, {"GET /a": STAFF}))).replace("allow Domain", "allow Kingdom")
    with pytest.raises(ConfigurationError, match="Kingdom is not one of callerid's rules"):
        newcomers(lock, access_map(app_of(issuer, {"GET /a": Domain("example.com")})))


# --- rules of the application's own ---


@dataclass(frozen=True)
class Members(Rule):
    """A look-up of the application's own."""

    names: tuple[str, ...]
    family: ClassVar[Kind | None] = Kind.FIREBASE

    def admits(self, facts: Facts) -> bool:
        return facts.caller is not None and facts.caller.subject in self.names

    def __str__(self) -> str:
        return f"members:{len(self.names)}"


class Widened(Members):
    """The same, but for its code."""

    def admits(self, facts: Facts) -> bool:
        return True


Widened.__qualname__ = Members.__qualname__
TWO, OTHERS = ("ada", "ben"), ("ada", "eve")


def test_a_rule_of_ones_own_is_taken_for_the_same_if_class_values_and_code_are(issuer: LocalIssuer) -> None:
    old = app_of(issuer, {"GET /a": Members(TWO), "GET /b": STAFF})
    assert found_between(old, app_of(issuer, {"GET /a": Members(TWO), "GET /b": STAFF})) == []
    assert found_between(old, app_of(issuer, {"GET /a": Members(TWO) & FirebaseUser("ada"), "GET /b": STAFF})) == []
    for other in (Members(OTHERS), Widened(TWO)):
        (said,) = found_between(old, app_of(issuer, {"GET /a": other, "GET /b": STAFF}))
        assert said == "GET /a: cannot tell: whom members:2 admits, only its code can say"


class TwoOf(AnyOf):
    """Members, joined in a way of one's own."""

    def admits(self, facts: Facts) -> bool:
        return sum(rule.admits(facts) for rule in self.rules) >= 2


class Carried(Public):
    """A public rule that is not."""

    def admits(self, facts: Facts) -> bool:
        return facts.via is not None


@pytest.mark.parametrize(
    ("own", "base"),
    [
        (TwoOf(STAFF, AnyGoogleAccount()), STAFF | AnyGoogleAccount()),
        (Carried(), Public()),
        (Carried() | STAFF, Public() | STAFF),
    ],
    ids=str,
)
def test_a_subclass_of_our_rules_is_written_as_a_rule_of_ones_own(issuer: LocalIssuer, own: Rule, base: Rule) -> None:
    old = app_of(issuer, {"GET /a": own})
    assert "Foreign('tests.access.test_newcomers:" in locked(access_map(old))
    assert not any(row.is_open for row in access_map(old).rows)
    assert found_between(old, app_of(issuer, {"GET /a": own})) == []
    (said,) = found_between(old, app_of(issuer, {"GET /a": base}))
    assert said.startswith("GET /a: cannot tell: whom ")


def test_a_rule_of_ones_own_may_look_at_the_path(issuer: LocalIssuer) -> None:
    old = app_of(issuer, {"GET /a/{x}": Members(TWO)})
    assert found_between(old, app_of(issuer, {"GET /a/{x}": Members(TWO)})) == []
    (said,) = found_between(old, app_of(issuer, {"GET /a/{y}": Members(TWO)}))
    assert said.startswith("GET /a/{y}: cannot tell: the path's parameters have changed")
    assert found_between(old, app_of(issuer, {"GET /a/{y}": Members(TWO) & Nobody()})) == []


def test_what_is_assumed_is_said(issuer: LocalIssuer) -> None:
    rules = {"GET /a": Where("tall", is_tall), "GET /b": STAFF | Members(TWO)}
    lock = locked(access_map(app_of(issuer, rules)))
    assert assumed(lock, access_map(app_of(issuer, rules))) == [
        "members:2 (by the hash of its source)",
        "where tall (by the hash of its source)",
    ]
    other = {"GET /a": Where("tall", is_short), "GET /b": Widened(TWO)}
    assert assumed(lock, access_map(app_of(issuer, other))) == []

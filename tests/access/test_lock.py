"""The lock: reviewable, stable, and nothing but data."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callerid import (
    AllOf,
    AnyGoogleAccount,
    AnyOf,
    AuthorizedParty,
    Caller,
    CustomClaim,
    Domain,
    EmailDomain,
    FirebaseUser,
    IssuedBy,
    KeyDocument,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInAttribute,
    Tenant,
    User,
    Via,
    Where,
    firebase,
    google,
)
from callerid.access import access_map, differences, locked, newcomers
from callerid.audit._lock import read_lock, without_source
from callerid.audit._locked_routes import rule_in
from callerid.audit.algebra import CannotTell, Sealed, Separate, fingerprint
from callerid.errors import ConfigurationError
from callerid.fastapi import Guard
from callerid.starlette import Guard as StarletteGuard
from callerid.testing import LocalIssuer
from tests.access.made import STAFF, new_guard, small

LOCK = """\
# Who may call what. Written by `callerid routes --lock`, checked by `callerid routes --check`.
callerid-access-lock 4

application
  kind FastAPI

guard
  leeway 30

issuer https://accounts.google.com
  keys https://www.googleapis.com/oauth2/v1/certs
  audience https://orders.example.com

issuer https://securetoken.google.com/shop-prod
  keys https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com
  audience shop-prod

* (any other path)
  allow Domain('example.com')

GET /a
  serves tests.access.made:small.<locals>.<lambda>
  allow Public()

POST /a
  serves tests.access.made:small.<locals>.<lambda>
  allow Domain('example.com')
  or User('eve@gmail.com')

GET /z
  serves tests.access.made:small.<locals>.<lambda>
  allow FirebaseUser()
  and SecondFactor()
"""
SERVES = "serves tests.access.made:small.<locals>.<lambda>"
RULES: dict[str, Rule] = {
    "GET /z": SecondFactor() & FirebaseUser(),
    "POST /a": User("eve@gmail.com") | STAFF,
    "GET /a": Public(),
}


def test_it_reads_as_it_is_reviewed() -> None:
    assert locked(access_map(small(RULES))) == LOCK


def test_moving_code_about_changes_nothing() -> None:
    assert locked(access_map(small(dict(reversed(RULES.items()))))) == LOCK
    assert differences(LOCK, access_map(small(RULES))) == []


def test_what_changed_is_told() -> None:
    changed = RULES | {"POST /a": STAFF, "PUT /new": Public()}
    del changed["GET /z"]
    assert list(map(str, differences(LOCK, access_map(small(changed))))) == [
        "changed: POST /a\n  - or User('eve@gmail.com')",
        f"removed: GET /z\n  - {SERVES}\n  - allow FirebaseUser()\n  - and SecondFactor()",
        f"added: PUT /new\n  + {SERVES}\n  + allow Public()",
    ]


def test_another_audience_issuer_or_key_is_a_change() -> None:
    guard = Guard(google("https://elsewhere.example.com", keys=KeyDocument(LocalIssuer().jwks_document())))
    names = [each.name for each in differences(LOCK, access_map(small({}, guard=guard)))]
    assert names[:2] == ["issuer https://accounts.google.com", "issuer https://securetoken.google.com/shop-prod"]
    assert "  keys document " in locked(access_map(small({}, guard=guard)))


def is_tall(caller: Caller) -> bool:
    return len(caller.subject) > 20


def is_short(caller: Caller) -> bool:
    return len(caller.subject) < 20


def test_of_code_there_is_a_hash() -> None:
    before = locked(access_map(small({"GET /a": Where("tall", is_tall)})))
    assert differences(before, access_map(small({"GET /a": Where("tall", is_tall)}))) == []
    assert len(differences(before, access_map(small({"GET /a": Where("tall", is_short)})))) == 1


def test_of_code_without_a_source_it_cannot_be_told_whether_it_is_the_same() -> None:
    names: dict[str, Any] = {}
    exec("def is_tall(caller, path):\n    return True\n", names)
    where = Where("tall", names["is_tall"])
    rules: dict[str, Rule] = {"GET /a": STAFF & where, "GET /b": STAFF}
    found = access_map(small(rules))
    assert "  and Where('tall', '', reads_path=True)\n" in locked(found)
    assert without_source(found) == ["GET /a"]
    (difference,) = differences(locked(found), found)
    assert difference.is_unknown
    said = "cannot tell: GET /a, where the source of a rule cannot be read: write it as a function in a module"
    assert str(difference) == said
    assert [(each.name, type(each.verdict)) for each in newcomers(locked(found), found)] == [("GET /a", CannotTell)]


def test_audiences_are_there() -> None:
    guard = new_guard()
    app = small({}, guard=guard)
    app.get("/a")(guard.allow(STAFF, audience=["https://b.example", "https://a.example"])(lambda: None))
    block = read_lock(locked(access_map(app)), "x")["GET /a"]
    assert block[1:] == (
        "audience https://a.example",
        "audience https://b.example",
        "allow Domain('example.com')",
    )
    assert rule_in(block, "x") == (STAFF, frozenset({"https://a.example", "https://b.example"}))


@pytest.mark.parametrize(
    "rule",
    [
        Public(),
        AnyOf(Domain("a.com"), AllOf(FirebaseUser("u"), Tenant("t") | EmailDomain("b.com"))),
        AllOf(IssuedBy("https://accounts.google.com"), User("1234") | ServiceAccount("12")),
        FirebaseUser(anonymous=True),
        FirebaseUser("u", project="shop-prod"),
        Tenant(PathParam("a")) & CustomClaim("org", PathParam("a")),
        CustomClaim(("roles", "acme"), "admin") | CustomClaim("orgs", contains=PathParam("a")),
        SignInAttribute("dept", contains="x") & Tenant("t"),
        AuthorizedParty("1234-abc.apps.googleusercontent.com"),
        Separate(Tenant("t"), EmailDomain("b.com") & Tenant("t")),
        SignedInWithin(60),
        Via(ServiceAccount("a@b.iam.gserviceaccount.com")) & User("a@b.com", hosted=False),
    ],
)
def test_a_rule_comes_back(rule: Rule) -> None:
    issuers = google("https://orders.example.com"), firebase("shop-prod", ["t"])
    found = access_map(small({"GET /{a}": rule}, guard=Guard(*issuers)))
    back, audiences = rule_in(read_lock(locked(found), "x")["GET /{a}"], "x")
    assert audiences is None
    assert locked(access_map(small({"GET /{a}": back}, guard=Guard(*issuers)))) == locked(found)


def test_a_path_parameter_and_code_come_back() -> None:
    rule, _ = rule_in(["allow FirebaseUser(PathParam('user_id'))"], "x")
    assert rule == FirebaseUser(PathParam("user_id"))
    where = Where("tall", is_tall)
    rule, _ = rule_in([f"allow Where('tall', {fingerprint(where)!r})"], "x")
    assert rule == Sealed("tall", str(fingerprint(where)))
    where = Where("own", lambda caller, path: path["a"] == caller.subject)
    block = read_lock(locked(access_map(small({"GET /{a}": where}))), "x")["GET /{a}"]
    rule, _ = rule_in(block, "x")
    assert rule == Sealed("own", str(fingerprint(where)), reads_path=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "x.lock: this is not an access lock"),
        ("{}", "x.lock: this is not an access lock"),
        (
            "callerid-access-lock 3\n",
            "x.lock: the lock has format version '3', and this callerid reads 4: write it again",
        ),
        ("callerid-access-lock 4\n  allow Public()\n", "x.lock, line 2: an indented line belongs to"),
        ("callerid-access-lock 4\nGET /\nGET /\n", "x.lock, line 3: 'GET /' is there twice"),
    ],
)
def test_what_is_no_lock_is_told_in_one_line(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        differences(text, access_map(small({})), "x.lock")
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("audience x",),
        ("permit Public()",),
        ("allow Public()", "or Nobody()", "and Nobody()"),
        ("allow __import__('os').system('true')",),
        ("allow print('x')",),
        ("allow Rule()",),
        ("allow (",),
        ("allow 'text'",),
        ("allow Domain()",),
        ("allow Domain('no domain')",),
        ("allow PathParam('x')",),
    ],
)
def test_nothing_in_it_is_run(lines: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"x\.lock: GET /"):
        rule_in(lines, "x.lock: GET /")


def test_of_routes_for_other_methods_the_order_is_kept_only_where_they_ask_other_things() -> None:
    guard = StarletteGuard(google("https://orders.example.com"))
    a, seven = Domain("a.com"), User("7")
    asked = {
        "GET /0/{x}": a,
        "POST /{x}/1": seven,
        "GET /2/{x}": a,
        "POST /{x}/3": seven,
        "POST /4/{x}": User("8"),
        "POST /{x}/5": AnyGoogleAccount() & a,
    }

    def route(name: str, rule: Rule) -> Route:
        def answer(request: Request) -> Response:
            return Response()

        return Route(name.partition(" ")[2], guard.allow(rule)(answer), methods=[name.partition(" ")[0]])

    app = Starlette(routes=[route(name, rule) for name, rule in asked.items()])
    guard.protect(app, default=Public())
    blocks = read_lock(locked(access_map(app)), "lock")
    after = {name: [line for line in blocks[name] if line.startswith("after ")] for name in asked}
    assert after == {
        "GET /0/{x}": [],
        "POST /{x}/1": [],
        "GET /2/{x}": ["after POST /{x}/1"],
        "POST /{x}/3": [],
        "POST /4/{x}": ["after POST /{x}/1", "after POST /{x}/3"],
        "POST /{x}/5": ["after POST /4/{x}"],
    }

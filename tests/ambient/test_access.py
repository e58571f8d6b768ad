"""The lock, new access and access tests of applications whose guards trust sessions and IAP."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette

import callerid.starlette
from callerid import AnyGoogleAccount, Domain, FirebaseUser, Nobody, Rule, firebase, firebase_session, google, iap
from callerid.access import access_map, locked
from callerid.audit._suite import Case, SuitePersona
from callerid.audit.algebra import No, Side, Yes, new_access
from callerid.testing import LocalIssuer
from callerid.testing._personas import headers_of
from callerid.testing.access import rehearsing
from tests.access.changing import found, live, route

BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"
CLOUD_RUN = "/projects/123456789012/locations/europe-west1/services/orders"
URL = "https://orders.example.com"
ANYBODY = AnyGoogleAccount() | FirebaseUser()


def trusting(*issuers: Any, rule: Rule = ANYBODY, **settings: Any) -> Starlette:
    guard = callerid.starlette.Guard(*issuers, **settings)
    app = Starlette(routes=[route("/a", rule)(guard), live("/live", rule)(guard)])
    guard.protect(app, default=Nobody())
    return app


def test_a_lock_says_where_each_credential_is_and_from_where_it_may_come() -> None:
    issuers = firebase_session("shop-prod", cookie="__session"), iap(BACKEND), iap(CLOUD_RUN, external="shop-prod")
    text = locked(access_map(trusting(*issuers, trusted_origins=(URL,))))
    for line in (
        f"  trusted-origin {URL}",
        "issuer https://session.firebase.google.com/shop-prod",
        "  keys https://www.googleapis.com/identitytoolkit/v3/relyingparty/publicKeys",
        "  reads cookie __session",
        "issuer https://cloud.google.com/iap",
        "issuer https://cloud.google.com/iap (2)",
        "  keys https://www.gstatic.com/iap/verify/public_key",
        "  algorithm ES256",
        f"  audience {BACKEND}",
        "  users of shop-prod",
    ):
        assert line in text.splitlines(), line


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ([google(URL), firebase("a")], [google(URL), firebase("a"), iap(BACKEND)], BACKEND),
        ([iap(BACKEND), firebase("a")], [iap(BACKEND, CLOUD_RUN), firebase("a")], CLOUD_RUN),
        ([google(URL), firebase_session("a")], [google(URL), firebase_session("b")], "the project b"),
        ([iap(BACKEND, external="a"), google(URL)], [iap(BACKEND, external="b"), google(URL)], "the project b"),
        ([iap(BACKEND), firebase("a")], [iap(BACKEND, external="a"), google(URL)], "a"),
    ],
)
def test_another_backend_project_or_family_is_new_access(old: list[Any], new: list[Any], said: str) -> None:
    seen = found(trusting(*old), trusting(*new))
    assert seen
    assert any(said in each for each in seen)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ([google(URL), firebase("a"), iap(BACKEND)], [google(URL), firebase("a")]),
        ([google(URL), firebase_session("a")], [google(URL), firebase_session("a", cookie="__session")]),
        ([iap(BACKEND, CLOUD_RUN), firebase("a")], [iap(BACKEND), firebase("a")]),
        ([iap(BACKEND), iap(CLOUD_RUN, external="a")], [iap(BACKEND), iap(CLOUD_RUN, external="a")]),
    ],
)
def test_less_or_the_same_is_none(old: list[Any], new: list[Any]) -> None:
    assert found(trusting(*old), trusting(*new)) == []


def test_more_origins_are_told_and_fewer_are_not() -> None:
    issuers = iap(BACKEND), firebase("a")
    few, many = (trusting(*issuers, trusted_origins=each) for each in ((URL,), (URL, "https://b.example.com")))
    assert found(many, few) == []
    assert any("trusted-origin" in each for each in found(few, many))


def test_an_audience_that_a_route_names_is_not_one_of_iap() -> None:
    def side(*audiences: str, of: tuple[Any, ...]) -> Side:
        return Side(Domain("example.com"), frozenset(audiences) or None, of)

    both, behind_iap = (google(URL), iap(BACKEND)), (iap(BACKEND),)
    assert new_access(side(URL, of=behind_iap), side(BACKEND, of=behind_iap)) == No()
    assert new_access(side(URL, of=behind_iap), side(of=behind_iap)) == No()
    assert isinstance(new_access(side(URL, of=both), side("https://b.example.com", of=both)), Yes)
    assert isinstance(new_access(side(URL, of=(google(URL),)), side(URL, of=both)), Yes)


LOCAL = LocalIssuer()


@pytest.mark.parametrize(
    ("issuer", "rule", "header"),
    [
        (LOCAL.firebase_session("a"), FirebaseUser("ada"), "Cookie"),
        (LOCAL.iap(BACKEND), Domain("example.com"), "X-Goog-IAP-JWT-Assertion"),
        (LOCAL.iap(BACKEND, external="a"), FirebaseUser("ada"), "X-Goog-IAP-JWT-Assertion"),
    ],
)
def test_a_witness_comes_in_by_what_the_issuer_reads(issuer: Any, rule: Rule, header: str) -> None:
    verdict = new_access(Side(Nobody(), issuers=(issuer,)), Side(rule, issuers=(issuer,)))
    assert isinstance(verdict, Yes)
    headers = headers_of(verdict.witness, LOCAL)
    assert list(headers) == [header]
    guard = callerid.Guard(issuer)
    identity = guard.identify({":method": ["POST"], **{name.lower(): [value] for name, value in headers.items()}})
    assert guard.judge(guard.requirement(rule), identity, {}) is not None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("issuers", "persona"),
    [
        ((firebase_session("a", cookie="__session"),), SuitePersona("ada", "firebase_user", "ada")),
        ((iap(BACKEND, external="a"),), SuitePersona("ada", "firebase_user", "ada")),
        ((firebase("a"), firebase_session("a")), SuitePersona("ada", "firebase_user", "ada")),
        ((iap(BACKEND), firebase("a")), SuitePersona("ada", "workspace_person", "ada@example.com")),
        ((iap(BACKEND), google(URL)), SuitePersona("bot", "service_account", "bot@a.iam.gserviceaccount.com")),
        ((iap(BACKEND),), SuitePersona("bot", "service_account", "bot@a.iam.gserviceaccount.com")),
    ],
    ids=["cookie", "external", "bearer and cookie", "IAP and bearer", "IAP and Google", "IAP"],
)
def test_access_tests_send_what_the_guards_read(issuers: tuple[Any, ...], persona: SuitePersona) -> None:
    rule = FirebaseUser() if persona.kind == "firebase_user" else AnyGoogleAccount()
    with rehearsing(trusting(*issuers, rule=rule)) as rehearsal:
        for method, path in (("GET", "/a"), ("WS", "/live")):
            assert rehearsal.judge(Case(persona, method, path, may=True)).is_right

"""Whether an account is in order, by an Identity Toolkit that speaks the real format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from callerid import ConfigurationError, FirebaseUser, Forbidden, Guard, NotRevoked, Tenant, Unavailable, account_status
from callerid.authentication import resolve
from callerid.keys import KeyResponse, KeySource
from callerid.testing import LocalIssuer
from tests.asking.made import Clock, eventually
from tests.fixtures import AT_HAND, token

ISSUER = LocalIssuer()
PROJECT = "shop-prod"
ISSUED_AT = 1_700_000_000


class Toolkit:
    """Answers as Identity Toolkit does, of one user."""

    def __init__(self, **user: Any) -> None:
        self.user: dict[str, Any] | None = {"localId": "u1", "validSince": "0", **user}
        self.answer: KeyResponse | None = None
        self.asked: list[tuple[str, Any, Mapping[str, str]]] = []

    def send(self, source: KeySource, body: bytes, headers: Mapping[str, str]) -> KeyResponse:
        self.asked.append((source.url, json.loads(body), headers))
        if self.answer is not None:
            return self.answer
        users = {} if self.user is None else {"users": [self.user]}
        return KeyResponse(200, {}, json.dumps({"kind": "identitytoolkit#GetAccountInfoResponse", **users}).encode())


def guard_of(toolkit: Toolkit, *, timer: Clock | None = None, **settings: Any) -> Guard:
    status = account_status(PROJECT, token=lambda: "ya29.of-the-server", send=toolkit.send, **settings)
    issuers = ISSUER.google("https://orders.example.com"), ISSUER.firebase(PROJECT, tenants=["acme"])
    return Guard(*issuers, lookups=[status], clock=lambda: ISSUED_AT + 60, timer=timer or Clock())


def verified(guard: Guard, rule: Any = None, **user: Any) -> bool:
    told = {"issued_at": ISSUED_AT, "signed_in_at": ISSUED_AT - 3000, **user}
    try:
        guard.verify(ISSUER.firebase_user("u1", project=PROJECT, **told), NotRevoked() if rule is None else rule)
    except Forbidden:
        return False
    return True


def test_identity_toolkit_is_asked_once_for_a_user_by_the_servers_own_token() -> None:
    toolkit = Toolkit()
    guard = guard_of(toolkit)
    assert [verified(guard), verified(guard)] == [True, True]
    (url, asked, headers), *more = toolkit.asked
    assert url == "https://identitytoolkit.googleapis.com/v1/projects/shop-prod/accounts:lookup"
    assert asked == {"localId": ["u1"]}
    assert headers["Authorization"] == "Bearer ya29.of-the-server"
    assert more == []


def test_each_user_is_asked_about_once_in_each_max_age_however_many_requests_come() -> None:
    toolkit, timer = Toolkit(), Clock()
    guard = guard_of(toolkit, timer=timer, max_age=60)
    tokens = [ISSUER.firebase_user(f"u{number}", project=PROJECT, issued_at=ISSUED_AT) for number in range(5)]
    calls: list[int] = []
    for _ in range(3):
        for second in range(60):
            toolkit.user = {"localId": f"u{second % 5}", "validSince": "0"}
            guard.verify(tokens[second % 5], NotRevoked())
            timer.advance(1)
        calls.append(len(toolkit.asked))
    assert calls == [5, 10, 15]


def test_a_user_is_asked_about_again_behind_a_request_where_that_is_asked_for() -> None:
    toolkit, timer = Toolkit(), Clock()
    guard = guard_of(toolkit, timer=timer, max_age=60, refresh_ahead=True)
    assert verified(guard)
    timer.advance(53)
    assert verified(guard)
    assert len(toolkit.asked) == 1
    timer.advance(2)
    assert verified(guard)
    eventually(lambda: len(toolkit.asked) == 2)


@pytest.mark.parametrize(
    ("user", "is_active"),
    [
        ({}, True),
        ({"disabled": False}, True),
        ({"disabled": True}, False),
        ({"validSince": str(ISSUED_AT - 1)}, True),
        ({"validSince": str(ISSUED_AT)}, True),  # of the same second
        ({"validSince": str(ISSUED_AT + 1)}, False),
    ],
)
def test_who_is_disabled_or_revoked_is_refused(user: dict[str, Any], is_active: bool) -> None:
    assert verified(guard_of(Toolkit(**user))) is is_active


def test_who_was_deleted_is_refused() -> None:
    toolkit = Toolkit()
    toolkit.user = None
    assert verified(guard_of(toolkit)) is False


def test_one_answer_counts_for_each_token_by_its_own_time() -> None:
    toolkit = Toolkit(validSince=str(ISSUED_AT - 10))
    guard = guard_of(toolkit)
    assert [verified(guard, issued_at=ISSUED_AT - ago) for ago in (0, 20, 10)] == [True, False, True]
    assert len(toolkit.asked) == 1


def test_strictly_it_is_the_sign_in_that_counts() -> None:
    toolkit = Toolkit(validSince=str(ISSUED_AT - 100))
    assert verified(guard_of(toolkit)) is True
    assert verified(guard_of(toolkit, strict=True)) is False
    assert verified(guard_of(toolkit, strict=True), signed_in_at=ISSUED_AT - 100) is True


def test_behind_iap_it_is_the_sign_in_that_counts_since_each_assertion_is_new() -> None:
    backend = "/projects/123456789012/global/backendServices/1234567890123456789"
    issuer = LocalIssuer(clock=lambda: ISSUED_AT + 60)
    for since, is_active in ((ISSUED_AT - 100, True), (ISSUED_AT - 99, False)):
        toolkit = Toolkit(validSince=str(since))
        status = account_status(PROJECT, token=lambda: "x", send=toolkit.send)
        guard = Guard(issuer.iap(backend, external=PROJECT), lookups=[status], clock=issuer.clock)
        user = issuer.firebase_user("u1", project=PROJECT, issued_at=ISSUED_AT, signed_in_at=ISSUED_AT - 100)
        assertion = issuer.iap_assertion(user, audience=backend)
        caller = resolve(partial(guard.identify, {"x-goog-iap-jwt-assertion": [assertion], ":method": ["GET"]})).caller
        assert guard.allows(caller, NotRevoked()) is is_active


def test_a_user_of_a_tenant_is_asked_for_there() -> None:
    toolkit = Toolkit(tenantId="acme")
    rule = FirebaseUser() & Tenant("acme") & NotRevoked()
    assert verified(guard_of(toolkit), rule, tenant="acme") is True
    assert toolkit.asked[0][0].endswith("/v1/projects/shop-prod/tenants/acme/accounts:lookup")


def test_nothing_is_asked_about_callers_of_other_issuers() -> None:
    toolkit = Toolkit()
    guard = Guard(*AT_HAND, lookups=[account_status(PROJECT, token=lambda: "x", send=toolkit.send)])
    with pytest.raises(Forbidden):
        guard.verify(token("robot"), NotRevoked())
    other = Guard(*AT_HAND, lookups=[account_status("another-project", token=lambda: "x", send=toolkit.send)])
    with pytest.raises(Forbidden):
        other.verify(token("some-user"), NotRevoked())
    assert toolkit.asked == []


ANSWERS = [
    (403, {}, "HTTP status 403"),
    (500, {}, "HTTP status 500"),
    (200, b"no JSON", "something that is not JSON"),
    (200, {"users": {}}, "users that are no list"),
    (200, {"users": ["u1"]}, "the one user who was asked about"),
    (200, {"users": [{"localId": "u1"}, {"localId": "u1"}]}, "the one user who was asked about"),
    (200, {"users": [{"localId": "u2"}]}, "somebody else"),
    (200, {"users": [{"localId": "u1", "tenantId": "acme"}]}, "somebody else"),
    (200, {"users": [{"localId": "u1", "disabled": "false"}]}, "state cannot be read"),
    (200, {"users": [{"localId": "u1", "validSince": 5}]}, "state cannot be read"),
    (200, {"users": [{"localId": "u1", "validSince": "-5"}]}, "state cannot be read"),
]


@pytest.mark.parametrize(("status", "body", "said"), ANSWERS)
def test_what_is_no_answer_is_an_outage_and_no_refusal(status: int, body: Any, said: str) -> None:
    toolkit = Toolkit()
    toolkit.answer = KeyResponse(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())
    with pytest.raises(Unavailable) as refusal:
        verified(guard_of(toolkit))
    assert said in refusal.value.detail


@pytest.mark.parametrize(
    ("status", "headers", "asked"), [(400, {}, 6), (403, {}, 3), (429, {"Retry-After": "20"}, 1), (503, {}, 3)]
)
def test_an_outage_is_not_asked_about_by_everybody_who_comes(status: int, headers: dict[str, str], asked: int) -> None:
    """While 400 may be about the one who was asked about."""
    toolkit = Toolkit()
    toolkit.answer = KeyResponse(status, headers, b"")
    guard = guard_of(toolkit)
    for number in range(6):
        with pytest.raises(Unavailable):
            guard.verify(ISSUER.firebase_user(f"u{number}", project=PROJECT, issued_at=ISSUED_AT), NotRevoked())
    assert len(toolkit.asked) == asked


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of older releases of google-auth, about themselves
def test_without_credentials_of_its_own_it_is_an_outage(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    guard = Guard(ISSUER.firebase(PROJECT), lookups=[account_status(PROJECT)])
    with pytest.raises(Unavailable) as refusal:
        guard.verify(ISSUER.firebase_user("u1", project=PROJECT), NotRevoked())
    assert "DefaultCredentialsError" in refusal.value.detail


def test_application_default_credentials_are_refreshed_when_they_have_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    class Credentials:
        def __init__(self) -> None:
            self.token, self.valid, self.refreshed = "", False, 0

        def refresh(self, _: Any) -> None:
            self.refreshed += 1
            self.token, self.valid = f"ya29.{self.refreshed}", True

    own, scopes = Credentials(), list[Any]()
    monkeypatch.setattr("google.auth.default", lambda scopes: (own, scopes_seen(scopes)))

    def scopes_seen(asked: Any) -> str:
        scopes.append(asked)
        return PROJECT

    toolkit, timer = Toolkit(), Clock()
    status = account_status(PROJECT, send=toolkit.send, max_age=10, timeout=30)
    guard = Guard(ISSUER.firebase(PROJECT), lookups=[status], timer=timer)
    for _ in range(3):
        guard.verify(ISSUER.firebase_user("u1", project=PROJECT), NotRevoked())
        timer.advance(1000)
    assert {headers["Authorization"] for *_, headers in toolkit.asked} == {"Bearer ya29.1"}
    own.valid = False
    guard.verify(ISSUER.firebase_user("u1", project=PROJECT), NotRevoked())
    assert toolkit.asked[-1][2]["Authorization"] == "Bearer ya29.2"
    assert scopes == [["https://www.googleapis.com/auth/identitytoolkit"]]


def test_the_emulator_is_asked_as_its_owner_and_on_a_developers_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    toolkit = Toolkit()
    status = account_status(PROJECT, emulator="127.0.0.1:9099", send=toolkit.send)
    guard = Guard(ISSUER.firebase(PROJECT), lookups=[status])
    guard.verify(ISSUER.firebase_user("u1", project=PROJECT), NotRevoked())
    url, _, headers = toolkit.asked[0]
    assert url == "http://127.0.0.1:9099/identitytoolkit.googleapis.com/v1/projects/shop-prod/accounts:lookup"
    assert headers["Authorization"] == "Bearer owner"
    monkeypatch.setenv("K_SERVICE", "orders")
    with pytest.raises(ConfigurationError, match="Cloud Run"):
        account_status(PROJECT, emulator="127.0.0.1:9099")


@pytest.mark.parametrize("project", ["", "a b", "a/b", None])
def test_what_is_no_project_is_an_error(project: Any) -> None:
    with pytest.raises(ConfigurationError):
        account_status(project)


def test_an_endpoint_in_the_clear_is_an_error() -> None:
    with pytest.raises(ConfigurationError):
        account_status(PROJECT, endpoint="http://identitytoolkit.example.com/v1")

"""Tokens of other kinds, sent where one of a caller is due: 401 for the client, one line for the log that says what."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from callerid import AnyGoogleAccount, FirebaseUser, Guard, Rule, Unauthenticated

from .made import CLIENT, ISSUER, NOW, PROJECT, URL

if TYPE_CHECKING:
    from collections.abc import Mapping

CUSTOM_TOKEN_AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
BACKEND, SERVICE = "/projects/1/global/backendServices/2", "/projects/1/locations/europe-west1/services/orders"
USER = ISSUER.firebase_user("u1")
FUNCTION = "https://europe-west1-shop-prod.cloudfunctions.net/beforeSignIn"
EVENTS = {"https://schemas.openid.net/secevent/risc/event-type/sessions-revoked": {"subject": {"sub": "7"}}}

GOOGLE = (ISSUER.google(URL, CLIENT), ISSUER.firebase(PROJECT))

SEEN: list[tuple[str, tuple[Any, ...], Mapping[str, str], str, str]] = [
    (
        "a custom token",
        GOOGLE,
        ISSUER.bearer(ISSUER.self_signed(ROBOT, audience=CUSTOM_TOKEN_AUDIENCE, claims={"uid": "u1"})),
        "unknown_issuer",
        f"got '{ROBOT}': a Firebase custom token; sign in with it first, and send the ID token",
    ),
    (
        "a custom token of an account that is trusted",
        (ISSUER.service_account_issuer(ROBOT, URL),),
        ISSUER.bearer(ISSUER.self_signed(ROBOT, audience=CUSTOM_TOKEN_AUDIENCE, claims={"uid": "u1"})),
        "wrong_audience",
        f"expected {URL}, got '{CUSTOM_TOKEN_AUDIENCE}': a Firebase custom token; sign in with it first, and send the",
    ),
    ("an access token", GOOGLE, ISSUER.bearer("ya29.a0Af"), "malformed_token", "an OAuth access token of Google"),
    (
        "Google's refresh token",
        GOOGLE,
        ISSUER.bearer("1//0gAbc"),
        "malformed_token",
        "an OAuth refresh token of Google",
    ),
    (
        "a refresh token",
        GOOGLE,
        ISSUER.bearer("AMf-vBxyz"),
        "malformed_token",
        "what looks like a refresh token of Fire",
    ),
    (
        "a blocking function's token",
        GOOGLE,
        ISSUER.bearer(ISSUER.altered(USER, aud=FUNCTION, event_type="beforeSignIn", user_record={"uid": "u1"})),
        "wrong_audience",
        f"expected {PROJECT}, got '{FUNCTION}': the token of a call to a Firebase blocking function",
    ),
    (
        "a blocking function's token of another project",
        GOOGLE[:1],
        ISSUER.bearer(ISSUER.altered(USER, aud=FUNCTION, event_type="beforeSignIn")),
        "unknown_issuer",
        "got 'https://securetoken.google.com/shop-prod': the token of a call to a Firebase blocking function",
    ),
    (
        "a security event by the name of its configuration",
        GOOGLE,
        ISSUER.bearer(
            ISSUER.sign(
                {"iss": "https://accounts.google.com/", "aud": CLIENT, "iat": NOW, "jti": "1", "events": EVENTS}
            )
        ),
        "unknown_issuer",
        "got 'https://accounts.google.com/': a security event or logout token (RFC 8417), which names nobody who calls",
    ),
    (
        "a security event by Google's own name",
        GOOGLE,
        ISSUER.bearer(ISSUER.altered(ISSUER.person(audience=CLIENT), events=EVENTS)),
        "bad_claims",
        "expected a token of a caller, got a security event or logout token (RFC 8417), which names nobody who calls",
    ),
    (
        "a session cookie as a bearer token",
        GOOGLE,
        ISSUER.bearer(ISSUER.session_cookie(USER)),
        "unknown_issuer",
        "a Firebase session cookie, which is not an ID token",
    ),
    (
        "an ID token as a session cookie",
        (ISSUER.firebase_session(PROJECT),),
        ISSUER.cookie(USER),
        "unknown_issuer",
        "'https://securetoken.google.com/shop-prod': a Firebase ID token",
    ),
    (
        "an assertion for a load balancer's backend, before Cloud Run",
        (ISSUER.iap(SERVICE),),
        ISSUER.assertion(ISSUER.iap_assertion(ISSUER.person(), audience=BACKEND)),
        "wrong_audience",
        f"expected {SERVICE}, got '{BACKEND}'",
    ),
    (
        "an assertion as a bearer token",
        GOOGLE,
        ISSUER.bearer(ISSUER.iap_assertion(ISSUER.person())),
        "unknown_issuer",
        "an IAP assertion, which is not an ID token",
    ),
    (
        "an App Check token as an identity",
        GOOGLE,
        ISSUER.bearer(ISSUER.app_check_token("1:1234:web:abc")),
        "unknown_issuer",
        "an App Check token, which names an app and nobody who uses it",
    ),
    (
        "another project's user",
        GOOGLE,
        ISSUER.bearer(ISSUER.firebase_user("u1", project="shop-test")),
        "unknown_issuer",
        "got 'https://securetoken.google.com/shop-test': a Firebase ID token",
    ),
    (
        "another tenant's user",
        (ISSUER.firebase(PROJECT, ["acme"]),),
        ISSUER.bearer(ISSUER.firebase_user("u1", tenant="beta")),
        "wrong_tenant",
        "expected a user of shop-prod of no tenant, or of 'acme', got one of the tenant 'beta'",
    ),
]


@pytest.mark.parametrize(
    ("issuers", "headers", "reason", "words"), [row[1:] for row in SEEN], ids=[row[0] for row in SEEN]
)
def test_it_is_refused_and_one_line_of_the_log_says_what_it_was_and_what_was_expected(
    issuers: tuple[Any, ...], headers: Mapping[str, str], reason: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "callerid")
    guard, rule = Guard(*issuers, clock=lambda: NOW), _rule(issuers)
    with pytest.raises(Unauthenticated) as caught:
        guard.identify({name.lower(): [value] for name, value in headers.items()})
    guard.record("GET /x", guard.requirement(rule), None, caught.value)
    (line,) = caplog.messages
    assert (caught.value.status, caught.value.reason) == (401, reason)
    assert words in line
    assert "\n" not in line
    assert not [part for value in headers.values() for part in value.split(".") if len(part) > 20 and part in line]


def _rule(issuers: tuple[Any, ...]) -> Rule:
    return FirebaseUser() if issuers[0].project else AnyGoogleAccount()


def test_a_custom_claim_may_have_any_name() -> None:
    guard = Guard(*GOOGLE, clock=lambda: NOW)
    for claims in ({"events": ["a"]}, {"event_type": "concert"}):
        assert guard.verify(ISSUER.firebase_user("u1", claims=claims), FirebaseUser()) is not None


def test_the_remedy_for_a_load_balancers_assertion_names_it() -> None:
    guard = Guard(ISSUER.iap(SERVICE), clock=lambda: NOW)
    assertion = ISSUER.iap_assertion(ISSUER.person(), audience=BACKEND)
    with pytest.raises(Unauthenticated) as caught:
        guard.identify({"x-goog-iap-jwt-assertion": [assertion]})
    assert "as the backend service of a load balancer does before Cloud Run" in caught.value.remedy

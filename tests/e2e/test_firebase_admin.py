"""Firebase's own server library verifies what the local issuer mints, with the keys that it serves."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import firebase_admin
import jwt
import pytest
from firebase_admin import _token_gen, auth
from firebase_admin import app_check as app_check_of_admin

from callerid import Caller, Guard, Unauthenticated
from callerid.authentication import resolve
from callerid.testing import HOSTILE_VARIANTS, LocalIssuer

from .owner import Owner

pytestmark = pytest.mark.e2e

PROJECT, NUMBER = "shop-prod", 123_456_789_012
# firebase-admin is not annotated.
keys: Any = _token_gen
apps: Any = app_check_of_admin


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as serving:
        yield serving


@pytest.fixture(scope="module")
def admin(issuer: LocalIssuer) -> Iterator[firebase_admin.App]:
    """It has the addresses of Firebase's keys written in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FIREBASE_AUTH_EMULATOR_HOST", raising=False)
        patch.setenv("NO_PROXY", "*")
        patch.setattr(keys, "ID_TOKEN_CERT_URI", issuer.pem_url("firebase"))
        patch.setattr(apps._AppCheckService, "_JWKS_URL", issuer.jwks_url("app_check"))
        patch.setattr(keys, "COOKIE_CERT_URI", issuer.pem_url("firebase_session"))
        made = firebase_admin.initialize_app(Owner(), options={"projectId": PROJECT}, name="local")
        yield made
        firebase_admin.delete_app(made)


def by_cookie(guard: Guard, cookie: str) -> Caller | None:
    return resolve(partial(guard.identify, {"cookie": [f"session={cookie}"], ":method": ["GET"]})).caller


def test_it_says_the_same_of_an_id_token_and_of_a_session_cookie(
    issuer: LocalIssuer, admin: firebase_admin.App
) -> None:
    token = issuer.firebase_user("u1", email="ada@example.com", claims={"role": "editor"}, second_factor="phone")
    cookie = issuer.session_cookie(token)
    guard = Guard(issuer.firebase(PROJECT), issuer.firebase_session(PROJECT))
    ours = {
        token: guard.verify(token),
        cookie: by_cookie(guard, cookie),
    }
    verifiers = {token: auth.verify_id_token, cookie: auth.verify_session_cookie}
    for credential, caller in ours.items():
        theirs = verifiers[credential](credential, app=admin)
        assert caller is not None
        assert caller.firebase is not None
        assert (caller.subject, caller.email, caller.issuer) == (theirs["uid"], theirs["email"], theirs["iss"])
        assert (caller.firebase.claims["role"], caller.firebase.signed_in_at) == ("editor", theirs["auth_time"])
        assert caller.firebase.second_factor == theirs["firebase"]["sign_in_second_factor"]
        assert (caller.issued_at, caller.expires_at) == (theirs["iat"], theirs["exp"])


@pytest.mark.parametrize("variant", HOSTILE_VARIANTS)
def test_what_it_refuses_this_library_refuses_too(issuer: LocalIssuer, admin: firebase_admin.App, variant: str) -> None:
    token = getattr(issuer, variant)(issuer.firebase_user("u1"))
    with pytest.raises((ValueError, auth.InvalidIdTokenError)):
        auth.verify_id_token(token, app=admin)
    with pytest.raises(Unauthenticated):
        Guard(issuer.firebase(PROJECT)).verify(token)
    cookie = getattr(issuer, variant)(issuer.session_cookie(issuer.firebase_user("u1")))
    with pytest.raises((ValueError, auth.InvalidSessionCookieError)):
        auth.verify_session_cookie(cookie, app=admin)
    with pytest.raises(Unauthenticated):
        by_cookie(Guard(issuer.firebase_session(PROJECT)), cookie)


def test_a_session_cookie_is_no_id_token_and_an_id_token_no_session(
    issuer: LocalIssuer, admin: firebase_admin.App
) -> None:
    token = issuer.firebase_user("u1")
    with pytest.raises(auth.InvalidIdTokenError):
        auth.verify_id_token(issuer.session_cookie(token), app=admin)
    with pytest.raises(auth.InvalidSessionCookieError):
        auth.verify_session_cookie(token, app=admin)


def test_it_says_the_same_of_an_app_check_token(issuer: LocalIssuer, admin: firebase_admin.App) -> None:
    app_id = f"1:{NUMBER}:web:abc123"
    token = issuer.app_check_token(app_id)
    assert (
        apps.verify_token(token, app=admin)["app_id"] == app_id == by_app_check(Guard(issuer.app_check(NUMBER)), token)
    )


@pytest.mark.parametrize("variant", HOSTILE_VARIANTS)
def test_an_app_check_token_that_it_refuses_is_refused(
    issuer: LocalIssuer, admin: firebase_admin.App, variant: str
) -> None:
    token = getattr(issuer, variant)(issuer.app_check_token(f"1:{NUMBER}:web:abc123"))
    with pytest.raises(Unauthenticated):
        by_app_check(Guard(issuer.app_check(NUMBER)), token)
    with pytest.raises((ValueError, jwt.PyJWTError)):
        apps.verify_token(token, app=admin)


def by_app_check(guard: Guard, token: str) -> str | None:
    return resolve(partial(guard.identify, {"x-firebase-appcheck": [token], ":method": ["GET"]})).app

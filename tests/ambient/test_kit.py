"""The local issuer makes sessions and assertions as Google would, publishes their keys, and stands in for guards."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.auth import jwt

from callerid import FirebaseUser, Guard, firebase, firebase_session, google, iap
from callerid.authentication import resolve
from callerid.testing import LocalIssuer, as_caller, firebase_user, google_person
from callerid.testing._compact import header_and_claims

ISSUER = LocalIssuer()
BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"


@pytest.mark.parametrize(
    ("mint", "said"),
    [
        (lambda: ISSUER.session_cookie(ISSUER.firebase_user("ada"), lifetime=299), "5 minutes to 14 days"),
        (lambda: ISSUER.session_cookie(ISSUER.firebase_user("ada"), lifetime=1_209_601), "5 minutes to 14 days"),
        (lambda: ISSUER.session_cookie(ISSUER.person()), "is made of a Firebase ID token"),
        (lambda: ISSUER.iap_assertion(ISSUER.person(), lifetime=601), "ten minutes"),
        (lambda: ISSUER.iap_assertion(ISSUER.person(), lifetime=0), "ten minutes"),
        (lambda: ISSUER.iap_assertion(ISSUER.person(None, subject="1" * 21)), "the e-mail of every Google account"),
        (lambda: ISSUER.session_cookie("word"), "Expected a token minted by this issuer"),
    ],
)
def test_what_google_never_makes_is_not_made_unasked(mint: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mint()


def test_an_assertion_says_what_iap_says() -> None:
    _, claims = header_and_claims(ISSUER.iap_assertion(ISSUER.workspace_person("ada@example.com")))
    assert {**claims, "iat": 0, "exp": claims["exp"] - claims["iat"]} == {
        "iss": "https://cloud.google.com/iap",
        "aud": BACKEND,
        "sub": "accounts.google.com:179550736925643251058",
        "email": "ada@example.com",
        "hd": "example.com",
        "identity_source": "GOOGLE",
        "iat": 0,
        "exp": 600,
    }
    user = ISSUER.firebase_user("ada", email="a@b.com", tenant="acme", provider="saml.acme")
    _, external = header_and_claims(ISSUER.iap_assertion(user))
    assert external["sub"] == "securetoken.google.com/shop-prod/acme:ada"
    assert external["email"] == "securetoken.google.com/shop-prod/acme:a@b.com"
    assert external["gcip"]["firebase"]["tenant"] == "acme"
    assert not {"iss", "aud", "iat", "exp"} & set(external["gcip"])


def test_keys_are_published_where_google_has_them_and_its_own_library_verifies_by_them() -> None:
    assertion = ISSUER.iap_assertion(ISSUER.person())
    session = ISSUER.session_cookie(ISSUER.firebase_user("ada"))
    with ISSUER, requests.Session() as http:
        http.trust_env = False
        by_url = {
            path: http.get(ISSUER.url + path, timeout=5).json()
            for path in (
                "/iap/verify/public_key",
                "/iap/verify/public_key-jwk",
                "/identitytoolkit/v3/relyingparty/publicKeys",
                "/v1/sessionCookiePublicKeys",
            )
        }
        guard = Guard(ISSUER.iap(BACKEND), ISSUER.firebase_session("shop-prod"), firebase("shop-prod"))
        sent = {"x-goog-iap-jwt-assertion": [assertion], ":method": ["GET"]}
        assert resolve(partial(guard.identify, sent)).caller is not None
        sent = {"cookie": [f"session={session}"], ":method": ["GET"]}
        assert resolve(partial(guard.identify, sent)).caller is not None
    pem, jwk, certificates, _ = by_url.values()
    assert all(load_pem_public_key(each.encode()) for each in pem.values())
    assert [each["crv"] for each in jwk["keys"]] == ["P-256"]
    assert {each["kid"] for each in jwk["keys"]} == set(pem)
    decode: Any = jwt.decode
    assert decode(assertion, certs=pem, audience=BACKEND)["iss"] == "https://cloud.google.com/iap"
    assert decode(session, certs=certificates, audience="shop-prod")["sub"] == "ada"


def test_keys_of_iap_are_rotated_and_served_as_jwks_and_pem() -> None:
    issuer = LocalIssuer()
    issuer.rotate("iap")
    assert len(json.loads(issuer.jwks_document("iap"))["keys"]) == len(json.loads(issuer.pem_document("iap"))) == 2


def test_an_issuer_stands_in_for_every_kind() -> None:
    guard = Guard(
        google("https://orders.example.com"),
        firebase("shop-prod"),
        firebase_session("shop-prod"),
        iap(BACKEND),
        trusted_origins=("https://orders.example.com",),
    )
    user = ISSUER.firebase_user("ada")
    origin = {":method": ["POST"], "origin": ["https://orders.example.com"]}
    with ISSUER.stands_in_for(guard):
        for sent in (
            {"authorization": [f"Bearer {user}"]},
            {"cookie": [f"session={ISSUER.session_cookie(user)}"]},
            {"x-goog-iap-jwt-assertion": [ISSUER.iap_assertion(ISSUER.person())]},
        ):
            assert resolve(partial(guard.identify, {**sent, **origin})).caller is not None


@pytest.mark.parametrize(
    ("issuers", "name"),
    [
        ((firebase_session("bank-prod"),), "https://session.firebase.google.com/bank-prod"),
        ((iap(BACKEND, external="bank-prod"),), "https://cloud.google.com/iap"),
        ((firebase_session("bank-prod"), firebase("bank-prod")), "https://securetoken.google.com/bank-prod"),
    ],
)
def test_a_user_who_is_acted_as_is_one_of_the_guards(issuers: Any, name: str) -> None:
    guard = Guard(*issuers)
    with as_caller(guard, firebase_user("ada")) as ada:
        assert (ada.issuer, str(ada)) == (name, "firebase:bank-prod/ada")
        identity = resolve(partial(guard.identify, {":method": ["POST"]}))
        assert guard.judge(guard.requirement(FirebaseUser("ada")), identity, {}) == ada


def test_a_user_of_several_projects_of_sessions_says_of_which() -> None:
    with (
        pytest.raises(ValueError, match="trusts several Firebase projects"),
        as_caller(Guard(firebase_session("a"), firebase_session("b")), firebase_user("ada")),
    ):
        raise AssertionError


def test_who_is_of_no_issuer_of_the_guards_cannot_be_acted_as() -> None:
    for guard, caller in ((Guard(iap(BACKEND)), firebase_user("ada")), (Guard(firebase_session("a")), google_person())):
        with pytest.raises(ValueError, match="could reach it"), as_caller(guard, caller):
            raise AssertionError

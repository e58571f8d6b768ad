from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from callerid.testing import HOSTILE_VARIANTS, LocalIssuer

from .conftest import NOW
from .reading import claims, decoded, header, is_signed, pem_key

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def good(issuer: LocalIssuer) -> str:
    return issuer.service_account()


@pytest.mark.slow
def test_every_variant_differs_from_the_good_token_and_from_each_other(issuer: LocalIssuer, good: str) -> None:
    variants = issuer.hostile_variants(good)
    assert tuple(variants) == HOSTILE_VARIANTS
    assert len({good, *variants.values()}) == len(HOSTILE_VARIANTS) + 1


def test_an_expired_token_is_a_good_one_grown_old(issuer: LocalIssuer) -> None:
    said = claims(issuer.expired(issuer.firebase_user("u1", signed_in_at=NOW - 10), ago=60))
    assert (said["iat"], said["exp"], said["auth_time"]) == (NOW - 3660, NOW - 60, NOW - 3670)


def test_a_token_not_yet_valid_is_issued_later(issuer: LocalIssuer, good: str) -> None:
    token = issuer.not_yet_valid(good, ahead=120)
    assert (claims(token)["iat"], claims(token)["exp"]) == (NOW + 120, NOW + 3720)
    assert is_signed(issuer, token)


def test_a_forged_token_differs_in_the_signature_alone(issuer: LocalIssuer, good: str) -> None:
    forged = issuer.forged(good)
    assert forged.rpartition(".")[0] == good.rpartition(".")[0]
    assert not is_signed(issuer, forged)


def test_a_tampered_token_has_other_claims_under_the_old_signature(issuer: LocalIssuer, good: str) -> None:
    tampered = issuer.tampered(good, email="mallory@shop-prod.iam.gserviceaccount.com")
    assert claims(tampered)["email"] == "mallory@shop-prod.iam.gserviceaccount.com"
    assert claims(issuer.tampered(good))["sub"] != claims(good)["sub"]
    assert tampered.split(".")[0::2] == good.split(".")[0::2]
    assert not is_signed(issuer, tampered)


def test_a_wrong_kid_is_published_nowhere_though_the_signature_is_right(issuer: LocalIssuer, good: str) -> None:
    token = issuer.wrong_kid(good)
    assert header(token)["kid"] not in issuer.jwks_document() + issuer.jwks_document("firebase")
    assert is_signed(issuer, token, kid=header(good)["kid"])


def test_a_token_without_kid_is_signed_all_the_same(issuer: LocalIssuer, good: str) -> None:
    token = issuer.without_kid(good)
    assert header(token) == {"alg": "RS256", "typ": "JWT"}
    assert is_signed(issuer, token, kid=header(good)["kid"])


def test_crossed_tokens_are_signed_by_the_other_issuer(issuer: LocalIssuer, good: str) -> None:
    assert is_signed(issuer, issuer.crossed(good), "firebase")
    assert is_signed(issuer, issuer.crossed(issuer.firebase_user("u1")), "google")
    assert claims(issuer.crossed(good)) == claims(good)


def test_an_unsigned_token_looks_like_the_emulators(issuer: LocalIssuer, good: str) -> None:
    token = issuer.unsigned(good)
    assert header(token) == {"alg": "none", "typ": "JWT"}
    assert token.endswith(".")
    assert claims(token) == claims(good)


def test_the_hmac_secret_is_the_published_key(issuer: LocalIssuer, good: str) -> None:
    token = issuer.hmac_signed(good)
    signed, _, signature = token.rpartition(".")
    secret = pem_key(issuer, header(good)["kid"], "google").public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    assert header(token)["alg"] == "HS256"
    assert decoded(signature) == hmac.digest(secret, signed.encode(), hashlib.sha256)


def test_a_stripped_token_ends_as_cloud_runs_do(issuer: LocalIssuer, good: str) -> None:
    assert issuer.stripped(good) == good.rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE"


@pytest.mark.parametrize(
    ("alter", "name", "value"),
    [
        (lambda issuer, token: issuer.wrong_audience(token), "aud", "https://elsewhere.example.net"),
        (lambda issuer, token: issuer.wrong_audience(token, "x"), "aud", "x"),
        (lambda issuer, token: issuer.wrong_issuer(token), "iss", "https://issuer.example.net"),
        (lambda issuer, token: issuer.altered(token, nbf=NOW), "nbf", NOW),
    ],
)
def test_altered_tokens_are_signed_again(
    issuer: LocalIssuer, good: str, alter: Callable[[LocalIssuer, str], str], name: str, value: object
) -> None:
    token = alter(issuer, good)
    assert claims(token) == {**claims(good), name: value}
    assert is_signed(issuer, token)


def test_claims_can_be_left_out(issuer: LocalIssuer) -> None:
    token = issuer.without(issuer.firebase_user("u1"), "exp", "firebase")
    assert claims(token).keys().isdisjoint({"exp", "firebase"})
    assert is_signed(issuer, token, "firebase")


def test_an_old_token_is_signed_again_by_the_key_it_had() -> None:
    issuer = LocalIssuer()
    old = issuer.person()
    issuer.rotate()
    altered = issuer.altered(old, nbf=1)
    assert header(altered)["kid"] == header(old)["kid"] != header(issuer.person())["kid"]
    assert is_signed(issuer, altered)


def test_a_withdrawn_key_signs_nothing_more() -> None:
    issuer = LocalIssuer()
    old = issuer.person()
    issuer.rotate(keep_old=False)
    with pytest.raises(ValueError, match="cannot be signed again"):
        issuer.expired(old)


@pytest.mark.parametrize("text", ["", "abc", "a.b.c", "bnVsbA.bnVsbA.", "é.é.é", "W10.W10."])
def test_text_that_is_no_token_is_refused_and_not_quoted(issuer: LocalIssuer, text: str) -> None:
    with pytest.raises(ValueError, match="got text that is not one") as refused:
        issuer.expired(text)
    assert refused.value.__suppress_context__

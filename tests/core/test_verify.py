"""Strict reading, what a token claims and who signed it: every row is a well-formed token."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from functools import cache, partial
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from hypothesis import given
from hypothesis import strategies as st

from callerid import Caller, ComputeEngine, Guard, Kind, Reason, Unauthenticated
from callerid.issuers._claims import LATEST_DATE
from callerid.testing import COMPUTE_ENGINE, LocalIssuer
from callerid.testing._compact import compact, encode, header_and_claims, segment

from .made import (
    ABSENT,
    CLIENT,
    ISSUER,
    NOW,
    PROJECT,
    URL,
    assert_silent,
    caller_of,
    firebase_claims,
    firebase_token,
    google_claims,
    google_token,
    make_guard,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Row = tuple[str, "Callable[[], str]", Reason]
STRANGER = LocalIssuer(clock=lambda: NOW)
CUSTOM_TOKEN = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"


@cache
def curve_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def our_kid() -> str:
    return ISSUER.key_set("google").current.kid


def our_key() -> rsa.RSAPrivateKey:
    return cast("rsa.RSAPrivateKey", ISSUER.key_set("google").current._private)


def with_algorithm(algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """Google's claims under Google's key id, with this algorithm in the header and a signature made like this."""
    return compact({"alg": algorithm, "kid": our_kid()}, google_claims(), sign)


def hmac_with(secret: bytes, algorithm: str = "HS256") -> str:
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    return with_algorithm(algorithm, lambda text: hmac.digest(secret, text, digest))


def es256(text: bytes) -> bytes:
    r, s = decode_dss_signature(curve_key().sign(text, ec.ECDSA(SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def ps256(text: bytes) -> bytes:
    return our_key().sign(text, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())


def pkcs1(digest: Any) -> Callable[[bytes], bytes]:
    return lambda text: our_key().sign(text, padding.PKCS1v15(), digest)


def good_signature(change: Callable[[bytes], bytes]) -> str:
    return with_algorithm("RS256", lambda text: change(pkcs1(SHA256())(text)))


def strangers(**header: Any) -> str:
    return STRANGER.sign(google_claims(), {"kid": our_kid(), **header})


def stranger_jwk() -> dict[str, str]:
    return STRANGER.key_set("google").current.jwk


def public_pem() -> bytes:
    return ISSUER.key_set("google").current.public_pem


def plus_modulus(signature: bytes) -> bytes:
    """Another number that is the same signature, were it reduced by the modulus first."""
    number = int.from_bytes(signature) + our_key().public_key().public_numbers().n
    return number.to_bytes((number.bit_length() + 7) // 8)


def service_claims(**changes: Any) -> dict[str, Any]:
    address = "robot@shop-prod.iam.gserviceaccount.com"
    usual = {"email": address, "azp": "117000000000000000001", "sub": "117000000000000000001", "hd": ABSENT, "aud": URL}
    return google_claims(**{**usual, **changes})


def service_token(**changes: Any) -> str:
    return ISSUER.sign(service_claims(**changes))


def dated(name: str, value: Any) -> Callable[[], str]:
    return lambda: google_token(**{name: value})


def issued_by(issuer: str) -> Callable[[], str]:
    return lambda: google_token(iss=issuer)


SIGNATURES: list[Row] = [
    ("HS256 with the public key in PEM as its secret", lambda: hmac_with(public_pem()), Reason.WRONG_ALGORITHM),
    ("HS256, PEM without its last line break", lambda: hmac_with(public_pem().strip()), Reason.WRONG_ALGORITHM),
    (
        "HS256 with the certificate as its secret",
        lambda: hmac_with(ISSUER.key_set("google").current.certificate_pem.encode()),
        Reason.WRONG_ALGORITHM,
    ),
    (
        "HS256 with the JWK set as its secret",
        lambda: hmac_with(ISSUER.jwks_document().encode()),
        Reason.WRONG_ALGORITHM,
    ),
    ("HS256 with an empty secret", lambda: hmac_with(b""), Reason.WRONG_ALGORITHM),
    ("HS384", lambda: hmac_with(public_pem(), "HS384"), Reason.WRONG_ALGORITHM),
    ("HS512", lambda: hmac_with(public_pem(), "HS512"), Reason.WRONG_ALGORITHM),
    (
        "an HMAC that says RS256",
        lambda: with_algorithm("RS256", lambda text: hmac.digest(public_pem(), text, "sha256")),
        Reason.BAD_SIGNATURE,
    ),
    ("none with a signature", lambda: with_algorithm("none", pkcs1(SHA256())), Reason.WRONG_ALGORITHM),
    ("None", lambda: with_algorithm("None", pkcs1(SHA256())), Reason.WRONG_ALGORITHM),
    ("nOnE", lambda: with_algorithm("nOnE", lambda _: b"x"), Reason.WRONG_ALGORITHM),
    ("ES256 under an RSA key id", lambda: with_algorithm("ES256", es256), Reason.WRONG_ALGORITHM),
    ("an ES256 signature that says RS256", lambda: with_algorithm("RS256", es256), Reason.BAD_SIGNATURE),
    (
        "EdDSA",
        lambda: with_algorithm("EdDSA", ed25519.Ed25519PrivateKey.generate().sign),
        Reason.WRONG_ALGORITHM,
    ),
    ("PS256 by the right key", lambda: with_algorithm("PS256", ps256), Reason.WRONG_ALGORITHM),
    ("a PS256 signature that says RS256", lambda: with_algorithm("RS256", ps256), Reason.BAD_SIGNATURE),
    ("RS384 by the right key", lambda: with_algorithm("RS384", pkcs1(SHA384())), Reason.WRONG_ALGORITHM),
    ("RS512 by the right key", lambda: with_algorithm("RS512", pkcs1(SHA512())), Reason.WRONG_ALGORITHM),
    ("an RS512 signature that says RS256", lambda: with_algorithm("RS256", pkcs1(SHA512())), Reason.BAD_SIGNATURE),
    ("rs256", lambda: with_algorithm("rs256", pkcs1(SHA256())), Reason.WRONG_ALGORITHM),
    ("RS256 and a blank", lambda: with_algorithm("RS256 ", pkcs1(SHA256())), Reason.WRONG_ALGORITHM),
    ("an unheard-of algorithm", lambda: with_algorithm("X" * 5000, pkcs1(SHA256())), Reason.WRONG_ALGORITHM),
    ("a stranger's key under our key id", lambda: ISSUER.forged(google_token()), Reason.BAD_SIGNATURE),
    ("the stranger's key in jwk", lambda: strangers(jwk=stranger_jwk()), Reason.BAD_SIGNATURE),
    ("the stranger's keys at jku", lambda: strangers(jku="https://evil.example.net/jwks"), Reason.BAD_SIGNATURE),
    ("the stranger's chain at x5u", lambda: strangers(x5u="https://evil.example.net/x"), Reason.BAD_SIGNATURE),
    (
        "the stranger's chain in x5c",
        lambda: strangers(x5c=[STRANGER.key_set("google").current.certificate_pem]),
        Reason.BAD_SIGNATURE,
    ),
    ("other claims under a good signature", lambda: ISSUER.tampered(google_token()), Reason.BAD_SIGNATURE),
    (
        "another header under a good signature",
        lambda: f"{encode({'alg': 'RS256', 'kid': our_kid()})}.{google_token().partition('.')[2]}",
        Reason.BAD_SIGNATURE,
    ),
    ("a signature of noughts", lambda: good_signature(lambda signature: bytes(len(signature))), Reason.BAD_SIGNATURE),
    ("a signature of ones", lambda: good_signature(lambda signature: b"\xff" * len(signature)), Reason.BAD_SIGNATURE),
    ("the signature one", lambda: good_signature(lambda _: (1).to_bytes(256)), Reason.BAD_SIGNATURE),
    ("a signature of one byte", lambda: good_signature(lambda _: b"\0"), Reason.BAD_SIGNATURE),
    ("a signature cut short", lambda: good_signature(lambda signature: signature[:-1]), Reason.BAD_SIGNATURE),
    ("a signature with a nought in front", lambda: good_signature(lambda one: b"\0" + one), Reason.BAD_SIGNATURE),
    ("a signature with a nought behind", lambda: good_signature(lambda one: one + b"\0"), Reason.BAD_SIGNATURE),
    ("a signature twice", lambda: good_signature(lambda signature: signature * 2), Reason.BAD_SIGNATURE),
    ("a signature plus the modulus", lambda: good_signature(plus_modulus), Reason.BAD_SIGNATURE),
    ("a key id nobody publishes", lambda: ISSUER.wrong_kid(google_token()), Reason.UNKNOWN_KEY),
    ("a key id in capitals", lambda: google_token({"kid": our_kid().upper() + "X"}), Reason.UNKNOWN_KEY),
    ("a key id with a blank", lambda: google_token({"kid": our_kid() + " "}), Reason.UNKNOWN_KEY),
    ("half a key id", lambda: google_token({"kid": our_kid()[:20]}), Reason.UNKNOWN_KEY),
    ("a key id that is a path", lambda: google_token({"kid": "../../../../dev/null"}), Reason.UNKNOWN_KEY),
    ("a key id that is a query", lambda: google_token({"kid": "' OR 1=1 --"}), Reason.UNKNOWN_KEY),
    ("Google's claims by Firebase's key", lambda: ISSUER.crossed(google_token()), Reason.UNKNOWN_KEY),
    ("Firebase's claims by Google's key", lambda: ISSUER.crossed(firebase_token()), Reason.UNKNOWN_KEY),
    (
        "Firebase's claims by Google's key under Firebase's key id",
        lambda: ISSUER.sign(firebase_claims(), {"kid": ISSUER.key_set("firebase").current.kid}),
        Reason.BAD_SIGNATURE,
    ),
]

ISSUERS: list[Row] = [
    (f"{issuer!a}", issued_by(issuer), Reason.UNKNOWN_ISSUER)
    for issuer in (
        "https://accounts.google.com/",
        "https://accounts.google.com.",
        "http://accounts.google.com",
        "https://accounts.google.com:443",
        "HTTPS://accounts.google.com",
        "https://Accounts.Google.com",
        "ACCOUNTS.GOOGLE.COM",
        " accounts.google.com",
        "accounts.google.com ",
        "accounts.google.com\n",
        "accounts.google.com\r\nX: y",
        "accounts.google.com.evil.example.net",
        "evil-accounts.google.com",
        "https://accounts.google.com@evil.example.net",
        "https://accounts.google.com/o/oauth2",
        "https://accounts.google.com?x",
        "https://accounts.google.com#x",
        "//accounts.google.com",
        "google.com",
        "https://\uff41ccounts.google.com",
        "https://\u0430ccounts.google.com",
        "https://accounts.goog\u0142e.com",
        "https://securetoken.google.com/other",
        "https://securetoken.google.com/shop-prod/",
        "https://securetoken.google.com/shop-prod2",
        "https://securetoken.google.com/shop-pro",
        "https://securetoken.google.com/SHOP-PROD",
        "https://securetoken.google.com/",
        "https://securetoken.google.com",
        "securetoken.google.com/shop-prod",
        "https://securetoken.google.com//shop-prod",
        "https://securetoken.google.com/x/../shop-prod",
        "https://session.firebase.google.com/shop-prod",
        "https://cloud.google.com/iap",
        "https://firebaseappcheck.googleapis.com/123",
        "https://confidentialcomputing.googleapis.com",
        "chat@system.gserviceaccount.com",
        "robot@shop-prod.iam.gserviceaccount.com",
        "https://issuer.example.net",
    )
]

CLAIMS: list[Row] = [
    ("no subject", lambda: google_token(sub=ABSENT), Reason.BAD_CLAIMS),
    ("a null subject", lambda: google_token(sub=None), Reason.BAD_CLAIMS),
    ("an empty subject", lambda: google_token(sub=""), Reason.BAD_CLAIMS),
    ("a number for a subject", lambda: google_token(sub=110000000000000000001), Reason.BAD_CLAIMS),
    ("true for a subject", lambda: google_token(sub=True), Reason.BAD_CLAIMS),
    ("a list of subjects", lambda: google_token(sub=["1"]), Reason.BAD_CLAIMS),
    ("a subject too long for Google", lambda: google_token(sub="1" * 256), Reason.BAD_CLAIMS),
    ("a subject beyond ASCII", lambda: google_token(sub="\u0661\u0662"), Reason.BAD_CLAIMS),
    ("a subject with a line break", lambda: google_token(sub="1\n2"), Reason.BAD_CLAIMS),
    ("a subject too long for Firebase", lambda: firebase_token(sub="u" * 129), Reason.BAD_CLAIMS),
    ("no sign-in time", lambda: firebase_token(auth_time=ABSENT), Reason.BAD_CLAIMS),
    ("a user of a tenant", lambda: ISSUER.firebase_user("u1", tenant="other"), Reason.WRONG_TENANT),
    ("an empty uid", lambda: firebase_token(sub=""), Reason.BAD_CLAIMS),
    ("no audience", lambda: google_token(aud=ABSENT), Reason.BAD_CLAIMS),
    ("a null audience", lambda: google_token(aud=None), Reason.BAD_CLAIMS),
    ("an empty audience", lambda: google_token(aud=""), Reason.BAD_CLAIMS),
    ("an audience in a list", lambda: google_token(aud=[CLIENT]), Reason.BAD_CLAIMS),
    ("two audiences", lambda: google_token(aud=[CLIENT, "https://elsewhere.example.net"]), Reason.BAD_CLAIMS),
    ("no audience in a list", lambda: google_token(aud=[]), Reason.BAD_CLAIMS),
    ("an object for an audience", lambda: google_token(aud={CLIENT: True}), Reason.BAD_CLAIMS),
    ("a number for an audience", lambda: google_token(aud=1), Reason.BAD_CLAIMS),
    ("true for an audience", lambda: google_token(aud=True), Reason.BAD_CLAIMS),
    ("Firebase's audience in a list", lambda: firebase_token(aud=[PROJECT]), Reason.BAD_CLAIMS),
    ("Firebase's audience in an object", lambda: firebase_token(aud={}), Reason.BAD_CLAIMS),
    ("Firebase's audience missing", lambda: firebase_token(aud=ABSENT), Reason.BAD_CLAIMS),
    ("no exp", dated("exp", ABSENT), Reason.BAD_CLAIMS),
    ("a null exp", dated("exp", None), Reason.BAD_CLAIMS),
    ("exp in a text", dated("exp", str(NOW + 3600)), Reason.BAD_CLAIMS),
    ("exp true", dated("exp", True), Reason.BAD_CLAIMS),
    ("exp in a list", dated("exp", [NOW + 3600]), Reason.BAD_CLAIMS),
    ("exp below nought", dated("exp", -1), Reason.BAD_CLAIMS),
    ("exp past the year 9999", dated("exp", LATEST_DATE + 1), Reason.BAD_CLAIMS),
    ("exp in milliseconds", dated("exp", (NOW + 3600) * 1000), Reason.BAD_CLAIMS),
    ("exp of a hundred digits", dated("exp", 10**100), Reason.BAD_CLAIMS),
    ("exp of four thousand digits", dated("exp", 10**4000), Reason.BAD_CLAIMS),
    ("exp as large as a float", dated("exp", 1.7e308), Reason.BAD_CLAIMS),
    ("no iat", dated("iat", ABSENT), Reason.BAD_CLAIMS),
    ("a null iat", dated("iat", None), Reason.BAD_CLAIMS),
    ("iat in a text", dated("iat", str(NOW)), Reason.BAD_CLAIMS),
    ("iat false", dated("iat", False), Reason.BAD_CLAIMS),
    ("iat below nought", dated("iat", -0.5), Reason.BAD_CLAIMS),
    ("nbf in a text", dated("nbf", "0"), Reason.BAD_CLAIMS),
    ("a null nbf", dated("nbf", None), Reason.BAD_CLAIMS),
    ("nbf false", dated("nbf", False), Reason.BAD_CLAIMS),
    ("nbf below nought", dated("nbf", -1), Reason.BAD_CLAIMS),
    ("auth_time in a text", lambda: firebase_token(auth_time=str(NOW)), Reason.BAD_CLAIMS),
    ("auth_time true", lambda: firebase_token(auth_time=True), Reason.BAD_CLAIMS),
    ("a null auth_time", lambda: firebase_token(auth_time=None), Reason.BAD_CLAIMS),
    (
        "a security event, which has no exp",
        lambda: google_token(exp=ABSENT, events={"https://schemas.openid.net/secevent/risc/event-type/x": {}}),
        Reason.BAD_CLAIMS,
    ),
    ("expired to the leeway's last second", dated("exp", NOW - 30), Reason.EXPIRED),
    ("expired a second before", dated("exp", NOW - 31), Reason.EXPIRED),
    ("expired a fraction before", dated("exp", NOW - 30.001), Reason.EXPIRED),
    ("expired long ago", dated("exp", 0), Reason.EXPIRED),
    ("expired long ago, Firebase", lambda: firebase_token(exp=NOW - 3600), Reason.EXPIRED),
    ("issued past the leeway", dated("iat", NOW + 31), Reason.NOT_YET_VALID),
    ("issued a fraction past the leeway", dated("iat", NOW + 30.001), Reason.NOT_YET_VALID),
    ("not before the leeway's end", dated("nbf", NOW + 31), Reason.NOT_YET_VALID),
    ("not before next year", dated("nbf", LATEST_DATE), Reason.NOT_YET_VALID),
    ("signed in past the leeway", lambda: firebase_token(auth_time=NOW + 31), Reason.NOT_YET_VALID),
    ("a number for an e-mail", lambda: google_token(email=1), Reason.BAD_CLAIMS),
    ("a null e-mail", lambda: google_token(email=None), Reason.BAD_CLAIMS),
    ("a list of e-mails", lambda: google_token(email=["ada@example.com"]), Reason.BAD_CLAIMS),
    ("email_verified in a text", lambda: google_token(email_verified="true"), Reason.BAD_CLAIMS),
    ("email_verified 1", lambda: google_token(email_verified=1), Reason.BAD_CLAIMS),
    ("email_verified in a list", lambda: firebase_token(email_verified=[True]), Reason.BAD_CLAIMS),
    ("a number for hd", lambda: google_token(hd=1), Reason.BAD_CLAIMS),
    ("a list for hd", lambda: google_token(hd=["example.com"]), Reason.BAD_CLAIMS),
    ("a number for azp", lambda: google_token(azp=1), Reason.BAD_CLAIMS),
    ("a text for google", lambda: service_token(google="x"), Reason.BAD_CLAIMS),
    ("a list for compute_engine", lambda: service_token(google={"compute_engine": []}), Reason.BAD_CLAIMS),
    ("a number for a zone", lambda: service_token(google={"compute_engine": {"zone": 1}}), Reason.BAD_CLAIMS),
    ("a text for firebase", lambda: firebase_token(firebase="x"), Reason.BAD_CLAIMS),
    ("a null firebase", lambda: firebase_token(firebase=None), Reason.BAD_CLAIMS),
    ("a number for a tenant", lambda: firebase_token(firebase={"tenant": 1}), Reason.BAD_CLAIMS),
    ("true for a provider", lambda: firebase_token(firebase={"sign_in_provider": True}), Reason.BAD_CLAIMS),
    (
        "a list for a second factor",
        lambda: firebase_token(firebase={"sign_in_second_factor": ["phone"]}),
        Reason.BAD_CLAIMS,
    ),
    ("a number for a phone number", lambda: firebase_token(phone_number=1), Reason.BAD_CLAIMS),
    (
        "a custom token, to be signed in with first",
        lambda: google_token(iss="robot@shop-prod.iam.gserviceaccount.com", aud=CUSTOM_TOKEN),
        Reason.UNKNOWN_ISSUER,
    ),
    ("a custom token's audience, Google", lambda: google_token(aud=CUSTOM_TOKEN), Reason.WRONG_AUDIENCE),
]

GOOGLES_AUDIENCES = (
    "https://elsewhere.example.net",
    f"{URL}/",
    f"{URL}/tasks",
    URL.upper(),
    URL.removeprefix("https://"),
    URL.replace("https", "http"),
    f" {URL}",
    f"{URL},{CLIENT}",
    f"{URL} {CLIENT}",
    "https://orders.example.com.evil.example.net",
    "https://orders.ex\u0430mple.com",
    "*",
    PROJECT,
    "32555940559.apps.googleusercontent.com",
    "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
)
FIREBASES_AUDIENCES = (
    "other",
    URL,
    CLIENT,
    "SHOP-PROD",
    "shop-prod ",
    "projects/shop-prod",
    "https://europe-west1-shop-prod.cloudfunctions.net/beforeCreate",
    CUSTOM_TOKEN,
)
AUDIENCES: list[Row] = [
    *((f"Google, {aud!a}", partial(google_token, aud=aud), Reason.WRONG_AUDIENCE) for aud in GOOGLES_AUDIENCES),
    *((f"Firebase, {aud!a}", partial(firebase_token, aud=aud), Reason.WRONG_AUDIENCE) for aud in FIREBASES_AUDIENCES),
]

HOSTILE = SIGNATURES + ISSUERS + CLAIMS + AUDIENCES


@pytest.mark.parametrize(("make", "reason"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_a_token_that_is_not_meant_so_is_refused(guard: Guard, make: Callable[[], str], reason: Reason) -> None:
    token = make()
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(token)
    assert caught.value.reason is reason
    assert caught.value.detail
    assert_silent(caught.value, token)


ADA = "user:ada@example.com"
U1 = "firebase:shop-prod/u1"
LEGAL: list[tuple[str, Callable[[], str], str]] = [
    ("the other spelling of Google's issuer", lambda: google_token(iss="accounts.google.com"), ADA),
    ("exp a second within the leeway", dated("exp", NOW - 29), ADA),
    ("exp a fraction within the leeway", dated("exp", NOW - 29.999), ADA),
    ("exp at the last second there is", dated("exp", LATEST_DATE), ADA),
    ("exp with a fraction", dated("exp", NOW + 0.25), ADA),
    ("exp with an exponent", lambda: ISSUER.sign(json.dumps(google_claims()).replace(f"{NOW + 3600}", "1.8e9")), ADA),
    ("iat at the leeway's end", dated("iat", NOW + 30), ADA),
    ("iat with a fraction", dated("iat", NOW - 0.5), ADA),
    ("iat nought", dated("iat", 0), ADA),
    ("iat minus nought", dated("iat", -0.0), ADA),
    ("nbf at the leeway's end", dated("nbf", NOW + 30), ADA),
    ("nbf long ago", dated("nbf", 0), ADA),
    ("auth_time at the leeway's end", lambda: firebase_token(auth_time=NOW + 30), U1),
    ("jwk of a stranger beside our signature", lambda: google_token({"jwk": stranger_jwk()}), ADA),
    ("jku and x5u beside our signature", lambda: google_token({"jku": "https://e.example.net", "x5u": "x"}), ADA),
    ("x5c beside our signature", lambda: google_token({"x5c": ["x"], "x5t": "x"}), ADA),
    ("claims nobody knows", lambda: google_token(x={"y": [1, None, True]}, groups=["admin"]), ADA),
    ("the longest subject of Google's", lambda: google_token(sub="1" * 255), ADA),
    ("the longest uid", lambda: firebase_token(sub="u" * 128), f"firebase:shop-prod/{'u' * 128}"),
    ("a uid beyond ASCII", lambda: firebase_token(sub="\u00fc1"), "firebase:shop-prod/\u00fc1"),
    ("no e-mail", lambda: google_token(email=ABSENT, email_verified=ABSENT), "user:110000000000000000001"),
    ("an e-mail that is not verified", lambda: google_token(email_verified=False), "user:110000000000000000001"),
    ("an e-mail nobody speaks for", lambda: google_token(email_verified=ABSENT), "user:110000000000000000001"),
    ("an e-mail verified by null", lambda: google_token(email_verified=None), "user:110000000000000000001"),
    ("an empty e-mail", lambda: google_token(email=""), "user:110000000000000000001"),
    ("the service's audience", lambda: google_token(aud=URL), ADA),
    ("a service account", service_token, "serviceAccount:robot@shop-prod.iam.gserviceaccount.com"),
    ("no firebase claim", lambda: firebase_token(firebase=ABSENT), U1),
]


@pytest.mark.parametrize(("make", "name"), [row[1:] for row in LEGAL], ids=[row[0] for row in LEGAL])
def test_an_odd_but_legal_token_names_its_caller(make: Callable[[], str], name: str) -> None:
    assert str(caller_of(make())) == name


def test_a_googlers_facts() -> None:
    assert caller_of(google_token()) == Caller(
        kind=Kind.GOOGLE,
        issuer="https://accounts.google.com",
        subject="110000000000000000001",
        audience=CLIENT,
        issued_at=float(NOW),
        expires_at=float(NOW + 3600),
        email="ada@example.com",
        domain="example.com",
        authorized_party=CLIENT,
    )


def test_who_asked_for_the_token_is_a_fact_where_it_is_said() -> None:
    robot = "robot@shop-prod.iam.gserviceaccount.com"
    assert caller_of(service_token(azp=robot)).authorized_party == robot
    assert caller_of(google_token(azp="")).authorized_party is None
    assert caller_of(google_token(azp=ABSENT)).authorized_party is None
    assert caller_of(firebase_token(azp=CLIENT)).authorized_party is None


def test_what_a_saml_provider_says_is_a_fact_that_cannot_change() -> None:
    said = {"department": "sales", "groups": ["all", "eng"]}
    facts = caller_of(firebase_token(firebase={"sign_in_provider": "saml.acme", "sign_in_attributes": said})).firebase
    assert facts is not None
    assert dict(facts.sign_in_attributes) == {"department": "sales", "groups": ("all", "eng")}
    bare = caller_of(firebase_token(sign_in_attributes=said)).firebase
    assert bare is not None
    assert dict(bare.sign_in_attributes) == {}


@pytest.mark.parametrize("wrong", ["sales", ["sales"], 7, None])
def test_attributes_that_are_no_object_refuse_the_token(wrong: Any) -> None:
    with pytest.raises(Unauthenticated) as caught:
        caller_of(firebase_token(firebase={"sign_in_attributes": wrong}))
    assert caught.value.reason is Reason.BAD_CLAIMS


def test_the_issuers_name_is_one_for_both_spellings() -> None:
    assert caller_of(google_token(iss="accounts.google.com")).issuer == "https://accounts.google.com"


@pytest.mark.parametrize(
    ("changes", "is_service"),
    [
        ({}, True),
        ({"email": "ROBOT@Shop-Prod.IAM.gserviceaccount.com"}, True),
        ({"email": "123-compute@developer.gserviceaccount.com"}, True),
        ({"email": "shop-prod@appspot.gserviceaccount.com"}, True),
        ({"email": "chat@system.gserviceaccount.com"}, True),
        ({"email": ABSENT, "email_verified": ABSENT}, True),
        ({"azp": "robot@shop-prod.iam.gserviceaccount.com"}, True),
        ({"email": ABSENT, "azp": "robot@shop-prod.iam.gserviceaccount.com"}, True),
        ({"email": ABSENT, "azp": CLIENT}, False),
        ({"email": ABSENT, "azp": ABSENT}, False),
        ({"email_verified": False, "azp": CLIENT}, False),
        ({"email": "ada@example.com", "azp": CLIENT}, False),
        ({"email": "ada@gserviceaccount.com.example.net", "azp": CLIENT}, False),
        ({"email": "ada@notgserviceaccount.com", "azp": CLIENT}, False),
        ({"email": "robot@x.gserviceaccount.\u212aom", "azp": CLIENT}, False),
        ({"email": "gserviceaccount.com", "azp": CLIENT}, False),
        ({"email": "x.gserviceaccount.com", "azp": CLIENT}, False),
    ],
)
def test_who_is_a_service_account(changes: dict[str, Any], is_service: bool) -> None:
    assert caller_of(service_token(**changes)).is_service_account is is_service


def test_an_empty_text_is_no_fact() -> None:
    caller = caller_of(google_token(email="", hd=""))
    assert (caller.email, caller.domain) == (None, None)
    about = {"sign_in_provider": "", "tenant": "", "sign_in_second_factor": ""}
    user = caller_of(firebase_token(email="", phone_number="", firebase=about))
    assert user.email is None
    assert user.firebase is not None
    assert (user.firebase.provider, user.firebase.tenant) == (None, None)
    assert (user.firebase.second_factor, user.firebase.phone) == (None, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exp": ABSENT}, "expected exp to be a date, got none"),
        ({"iat": ABSENT}, "expected iat to be a date, got none"),
        ({"exp": "1"}, "expected exp to be a number of seconds, got a str"),
        ({"exp": -1}, "expected exp to be a date from 1970 to 9999, got another"),
        ({"sub": ABSENT}, "expected sub to be text, got none"),
        ({"sub": None}, "expected sub to be text, got a NoneType"),
        ({"sub": "1" * 256}, "expected sub to be 1 to 255 characters, got 256"),
        ({"exp": NOW - 90}, "expired 90 s ago, leeway 30 s"),
        ({"nbf": NOW + 90}, "nbf is 90 s from now, leeway 30 s"),
        ({"aud": "x"}, f"expected {CLIENT}, {URL}, got 'x'"),
        ({"iss": "x"}, "expected accounts.google.com or https://accounts.google.com or https://securetoken"),
        ({"google": 1, "email": "a@b.gserviceaccount.com"}, "expected google to be an object, got a int"),
    ],
)
def test_the_log_learns_what_was_expected(guard: Guard, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(google_token(**changes))
    assert words in caught.value.detail


def test_a_service_account_belongs_to_no_domain() -> None:
    assert caller_of(service_token(hd="example.com")).domain is None


def test_a_machines_facts_come_with_its_service_account_only() -> None:
    machine = {"compute_engine": dict(COMPUTE_ENGINE)}
    assert caller_of(service_token(google=machine)).compute_engine == ComputeEngine(
        project_id="shop-prod",
        project_number=123_456_789_012,
        zone="europe-west1-b",
        instance_id="1234567890123456789",
        instance_name="worker-1",
    )
    assert caller_of(service_token(google={})).compute_engine is None
    assert (
        caller_of(service_token(google={"compute_engine": {"project_number": True}})).compute_engine == ComputeEngine()
    )
    assert caller_of(google_token(google=machine)).compute_engine is None


def test_a_firebase_users_facts() -> None:
    caller = caller_of(
        ISSUER.firebase_user(
            "u1",
            email="ada@example.com",
            phone="+15550100",
            provider="saml.acme",
            tenant="acme",
            second_factor="totp",
            signed_in_at=NOW - 5,
            claims={"role": "editor", "teams": ["a", {"b": 1}]},
        )
    )
    assert caller.firebase is not None
    assert (caller.kind, caller.subject, caller.audience, caller.email) == (
        Kind.FIREBASE,
        "u1",
        PROJECT,
        "ada@example.com",
    )
    user = caller.firebase
    assert (user.project, user.uid, user.provider, user.tenant) == (PROJECT, "u1", "saml.acme", "acme")
    assert (user.second_factor, user.signed_in_at, user.phone) == ("totp", NOW - 5, "+15550100")
    assert dict(user.claims) == {"role": "editor", "teams": ("a", {"b": 1})}


@pytest.mark.parametrize("claim", ["hd", "is_service_account", "azp", "google"])
def test_what_a_firebase_user_may_write_makes_nobody_a_google_identity(claim: str) -> None:
    caller = caller_of(firebase_token(**{claim: "example.com"}))
    assert caller.domain is None
    assert not caller.is_service_account
    assert caller.compute_engine is None


def test_names_that_firebase_fills_are_no_custom_claims() -> None:
    caller = caller_of(firebase_token(name="Ada", picture="https://example.com/a.png", provider_id="x", role="editor"))
    assert caller.firebase is not None
    assert dict(caller.firebase.claims) == {"role": "editor"}


@pytest.mark.parametrize(
    "claims", [{"firebase": {"sign_in_provider": "anonymous"}}, {"firebase": {}, "provider_id": "anonymous"}]
)
def test_an_anonymous_user_is_seen_as_one(claims: dict[str, Any]) -> None:
    caller = caller_of(firebase_token(email=ABSENT, email_verified=ABSENT, **claims))
    assert caller.firebase is not None
    assert caller.firebase.anonymous


@pytest.mark.parametrize("leeway", [0, 0.5, 60])
def test_the_leeway_is_exact(leeway: float) -> None:
    guard = make_guard(leeway=leeway)
    assert guard.verify(google_token(exp=NOW - leeway + 0.001, iat=NOW + leeway, nbf=NOW + leeway))
    for wrong in ({"exp": NOW - leeway}, {"iat": NOW + leeway + 0.001}, {"nbf": NOW + leeway + 0.001}):
        with pytest.raises(Unauthenticated):
            guard.verify(google_token(**wrong))


def test_what_came_is_told_to_the_log_escaped_and_short(guard: Guard) -> None:
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(google_token(aud="https://x\n" + "y" * 1000))
    assert "\n" not in caught.value.detail
    assert len(caught.value.detail) < 700


def test_gclouds_own_client_is_explained(guard: Guard) -> None:
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(google_token(aud="32555940559.apps.googleusercontent.com"))
    assert "gcloud auth print-identity-token --audiences=" in caught.value.remedy


def test_other_firebase_tokens_are_called_by_their_names(guard: Guard) -> None:
    with pytest.raises(Unauthenticated, match="session cookie"):
        guard.verify(google_token(iss="https://session.firebase.google.com/shop-prod"))
    with pytest.raises(Unauthenticated, match="custom token"):
        guard.verify(google_token(iss="robot@shop-prod.iam.gserviceaccount.com", aud=CUSTOM_TOKEN))


# --- properties ---


ONE_BIT = google_token()


@given(st.data())
def test_a_token_with_one_bit_changed_is_refused(guard: Guard, data: st.DataObject) -> None:
    part = data.draw(st.sampled_from([0, 1, 2]))
    parts = [bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))) for text in ONE_BIT.split(".")]
    bit = data.draw(st.integers(0, len(parts[part]) * 8 - 1))
    parts[part][bit // 8] ^= 1 << bit % 8
    with pytest.raises(Unauthenticated):
        guard.verify(".".join(segment(bytes(each)) for each in parts))


@given(st.integers(0, len(ONE_BIT) - 1), st.integers(0, 6))
def test_a_token_with_one_bit_of_its_text_changed_is_refused(guard: Guard, at: int, bit: int) -> None:
    text = bytearray(ONE_BIT.encode())
    text[at] ^= 1 << bit
    with pytest.raises(Unauthenticated):
        guard.verify(text.decode())


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.text(max_size=3), max_size=2),
    st.sampled_from([NOW, NOW + 30, NOW - 30, NOW + 3600.5, CLIENT, URL, PROJECT, "accounts.google.com"]),
)
CHANGES = st.dictionaries(st.sampled_from(sorted(google_claims())), ODD_VALUES, max_size=3)


def independently(token: str) -> dict[str, Any] | None:
    """The claims, by another reading of the rules for Google's tokens, with cryptography alone; None: refused."""
    public = our_key().public_key()
    signed, _, signature = token.rpartition(".")
    try:
        public.verify(base64.urlsafe_b64decode(signature + "=="), signed.encode(), padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return None
    header, claims = header_and_claims(token)
    fits = (
        header["alg"] == "RS256"
        and claims["iss"] in ("https://accounts.google.com", "accounts.google.com")
        and claims["aud"] in (URL, CLIENT)
        and isinstance(claims["sub"], str)
        and claims["exp"] > NOW - 30
        and claims["iat"] <= NOW + 30
    )
    return claims if fits else None


@pytest.mark.slow
@given(CHANGES)
def test_whatever_is_accepted_an_independent_reading_accepts(guard: Guard, changes: dict[str, Any]) -> None:
    token = google_token(**changes)
    try:
        caller = guard.verify(token)
    except Unauthenticated as refusal:
        assert_silent(refusal, token)
        return
    claims = independently(token)
    assert claims is not None
    assert (caller.subject, caller.audience) == (claims["sub"], claims["aud"])
    assert caller.email in (None, claims.get("email"))


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_no_text_breaks_the_reader(guard: Guard, header: bytes, claims: bytes) -> None:
    with pytest.raises(Unauthenticated):
        guard.verify(ISSUER.sign(claims, header))


@given(st.text(max_size=200))
@pytest.mark.slow
def test_no_word_is_a_token(guard: Guard, text: str) -> None:
    with pytest.raises(Unauthenticated):
        guard.verify(text)


def test_the_digest_of_a_known_token_is_stable() -> None:
    """The independent reading is not vacuous: it accepts a good token and refuses a forged one."""
    assert independently(ONE_BIT) == google_claims()
    assert independently(ISSUER.tampered(ONE_BIT)) is None
    assert hashlib.sha256(ONE_BIT.encode()).digest() == hashlib.sha256(google_token().encode()).digest()

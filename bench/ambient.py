"""Credentials that are no bearer tokens: IAP's assertion and Firebase's session cookie, unseen and seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import firebase_admin
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from firebase_admin import _token_gen, auth
from google.oauth2 import id_token

from bench.apps import no_credential
from bench.measure import Row, ratios, turns
from bench.verifying import SEEN_FLOOR, UNSEEN_FLOOR, decoded, judged_by, token_of_900_bytes
from callerid import Domain, FirebaseUser, KeyDocument
from callerid.testing import LocalIssuer

__all__ = ["rows"]

BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"
PROJECT = "shop-prod"
GET = {":method": ["GET"], ":path": ["/"]}


def rows() -> Iterator[Row]:
    """All rows about these."""
    yield from _iap()
    yield from _session_cookie()


def _iap() -> Iterator[Row]:
    issuer = LocalIssuer()
    assertion = issuer.iap_assertion(token_of_900_bytes(issuer), audience=BACKEND)
    pem = issuer.pem_document("iap").encode()
    (public,) = (load_pem_public_key(each.encode()) for each in json.loads(pem).values())
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise TypeError("IAP's keys are on a curve")
    algorithm, certificates = ec.ECDSA(hashes.SHA256()), _InHand(pem)

    def verify(signature: bytes, signed: bytes) -> None:
        halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        public.verify(encode_dss_signature(*halves), signed, algorithm)

    verify_token: Any = id_token.verify_token
    yield from _beside(
        f"an IAP assertion of {len(assertion)} bytes, ES256",
        [judged_by(issuer.iap(BACKEND), memory, Domain("example.com")) for memory in (0, 4096)],
        {"x-goog-iap-jwt-assertion": [assertion], **GET},
        assertion,
        verify,
        ("google-auth verify_token, certificates in hand", lambda: verify_token(assertion, certificates, BACKEND)),
    )


class _InHand:
    """A transport of google-auth's that has the answer."""

    status = 200

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __call__(self, *_: Any, **__: Any) -> _InHand:
        return self


def _session_cookie() -> Iterator[Row]:
    with LocalIssuer() as issuer:
        _token_gen.COOKIE_CERT_URI = issuer.pem_url("firebase_session")
        app = firebase_admin.initialize_app(no_credential(), {"projectId": PROJECT}, "bench")
        cookie = issuer.session_cookie(issuer.firebase_user("ada", project=PROJECT))
        trusted = issuer.firebase_session(PROJECT).with_keys(KeyDocument(issuer.jwks_document("firebase_session")))
        (key,) = json.loads(issuer.pem_document("firebase_session")).values()
        public = x509.load_pem_x509_certificate(key.encode()).public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            raise TypeError("Firebase's keys are RSA keys")
        scheme, digest = padding.PKCS1v15(), hashes.SHA256()
        yield from _beside(
            f"a session cookie of {len(cookie)} bytes, RS256",
            [judged_by(trusted, memory, FirebaseUser()) for memory in (0, 4096)],
            {"cookie": [f"theme=dark; session={cookie}"], **GET},
            cookie,
            lambda signature, signed: public.verify(signature, signed, scheme, digest),
            ("firebase-admin verify_session_cookie", lambda: auth.verify_session_cookie(cookie, app=app)),
        )
        firebase_admin.delete_app(app)


def _beside(  # noqa: PLR0913, PLR0917 - what one table has
    what: str,
    ours: Sequence[Callable[[Mapping[str, list[str]]], object]],
    sent: Mapping[str, list[str]],
    token: str,
    verify: Callable[[bytes, bytes], None],
    peer: tuple[str, Callable[[], object]],
) -> Iterator[Row]:
    unseen, seen = ours
    reach = 1.25 if "ES256" in what else None

    def unchecked() -> None:
        header, payload, signature = token.split(".")
        verify(decoded(signature), token.rpartition(".")[0].encode())
        json.loads(decoded(header))
        json.loads(decoded(payload))

    known: dict[bytes, str] = {}
    found = turns(
        {
            UNSEEN_FLOOR: unchecked,
            "callerid, unseen": lambda: unseen(sent),
            "callerid, seen": lambda: seen(sent),
            peer[0]: peer[1],
            SEEN_FLOOR: lambda: known.setdefault(hashlib.sha256(token.encode()).digest(), token),
        }
    )
    shown = ratios(found, UNSEEN_FLOOR)
    section = f"verify {what} ({UNSEEN_FLOOR} = 1.0)"
    yield Row(section, "callerid, unseen", shown["callerid, unseen"], "≤", reach)
    yield from (Row(section, name, shown[name]) for name in ("callerid, seen", peer[0]))
    beside = ratios(found, SEEN_FLOOR)["callerid, seen"]
    yield Row(f"{what}, seen before ({SEEN_FLOOR} = 1.0)", "callerid", beside)

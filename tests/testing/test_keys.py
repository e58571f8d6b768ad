from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.x509 import load_pem_x509_certificate

from callerid.testing import LocalIssuer

from .conftest import NOW
from .reading import header, jwk_key, pem_key

if TYPE_CHECKING:
    from callerid.testing._keys import SigningKey


def kids(issuer: LocalIssuer, which: str = "google") -> list[str]:
    return [key["kid"] for key in json.loads(issuer.jwks_document(which))["keys"]]


@pytest.mark.parametrize("which", ["google", "firebase"])
def test_both_documents_publish_the_same_key(issuer: LocalIssuer, which: str) -> None:
    (kid,) = kids(issuer, which)
    assert list(json.loads(issuer.pem_document(which))) == [kid]
    assert pem_key(issuer, kid, which) == jwk_key(issuer, kid, which)
    assert jwk_key(issuer, kid, which).key_size == 2048


def test_a_jwk_has_the_members_google_writes_and_no_private_one(issuer: LocalIssuer) -> None:
    (jwk,) = json.loads(issuer.jwks_document())["keys"]
    assert jwk.keys() == {"kty", "alg", "use", "kid", "n", "e"}
    assert (jwk["kty"], jwk["alg"], jwk["use"], jwk["e"]) == ("RSA", "RS256", "sig", "AQAB")


@pytest.mark.parametrize(
    ("which", "owner"),
    [
        ("google", "federated-signon.system.gserviceaccount.com"),
        ("firebase", "securetoken.system.gserviceaccount.com"),
    ],
)
def test_certificates_are_self_signed_like_googles(issuer: LocalIssuer, which: str, owner: str) -> None:
    (pem,) = json.loads(issuer.pem_document(which)).values()
    certificate = load_pem_x509_certificate(pem.encode())
    certificate.verify_directly_issued_by(certificate)
    assert certificate.subject.rfc4514_string() == f"CN={owner}"
    assert certificate.not_valid_before_utc < datetime.fromtimestamp(NOW, UTC) < certificate.not_valid_after_utc
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 16


def test_rotation_signs_with_a_new_key_and_keeps_the_old_one_published() -> None:
    issuer = LocalIssuer()
    before = header(issuer.person())["kid"]
    issuer.rotate()
    after = header(issuer.person())["kid"]
    assert kids(issuer) == [after, before]
    issuer.rotate(keep_old=False)
    assert kids(issuer) == [header(issuer.person())["kid"]]
    assert {before, after}.isdisjoint(kids(issuer))


def test_rotating_google_leaves_firebase_alone() -> None:
    issuer = LocalIssuer()
    before = kids(issuer, "firebase")
    issuer.rotate("google")
    assert kids(issuer, "firebase") == before


def test_threads_that_come_first_together_find_one_key() -> None:
    issuer = LocalIssuer()
    barrier = threading.Barrier(4)
    found: list[SigningKey] = []

    def look() -> None:
        barrier.wait()
        found.append(issuer.key_set("google").current)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_no_repr_shows_more_than_a_key_id(issuer: LocalIssuer) -> None:
    key = issuer.key_set("google").current
    assert repr(key) == f"<SigningKey {key.kid}>"
    assert repr(issuer) == "<LocalIssuer, not serving>"

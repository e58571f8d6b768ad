"""A document's entries turned into keys of one algorithm. Imports cryptography and google.auth.crypt: on first fetch.

Which entries are usable: RSA of at least 2048 bits for RS256 (RFC 7518 section 3.3), P-256 for ES256 (section 3.4),
and a JWK's ``use``, ``key_ops`` and ``alg`` must allow it (RFC 7517 sections 4.2 to 4.4). A certificate is only the
container of a key: its dates and signature are not checked, since keys are trusted because they are published.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from google.auth.crypt import es256
from google.auth.crypt import rsa as google_rsa

from callerid.keys._documents import DocumentError, Entry, Members, entries
from callerid.keys._key import Algorithm, Key, Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["keys"]

SHORTEST_MODULUS = 2048
P256_BYTES = 32
RSA_VERIFIER: Callable[[rsa.RSAPublicKey], Verifier] = google_rsa.RSAVerifier  # not annotated there
BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def keys(body: bytes, algorithm: Algorithm) -> Mapping[str, Key]:
    """The usable keys of a document by key id; unusable entries are skipped.

    Raises DocumentError if the document is refused whole or holds no usable key: an empty set is never kept.
    """
    found = {kid: key for kid, entry in entries(body).items() if (key := _key(kid, entry, algorithm)) is not None}
    if not found:
        raise DocumentError(f"it holds no usable {algorithm} key")
    return found


def _key(kid: str, entry: Entry, algorithm: Algorithm) -> Key | None:
    try:
        kid.encode()
        public = _from_jwk(entry, algorithm) if isinstance(entry, Members) else _from_pem(entry)
        return _usable(kid, public, algorithm)
    except Exception:  # noqa: BLE001 - an entry that cannot be read does not affect the others
        return None


def _usable(kid: str, public: object, algorithm: Algorithm) -> Key | None:
    if algorithm == "RS256" and isinstance(public, rsa.RSAPublicKey) and public.key_size >= SHORTEST_MODULUS:
        return _made(kid, public, algorithm, (public.key_size + 7) // 8, RSA_VERIFIER(public))
    if (
        algorithm == "ES256"
        and isinstance(public, ec.EllipticCurvePublicKey)
        and isinstance(public.curve, ec.SECP256R1)
    ):
        return _made(kid, public, algorithm, 2 * P256_BYTES, es256.ES256Verifier(public))
    return None


def _made(
    kid: str,
    public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    algorithm: Algorithm,
    signature_bytes: int,
    verifier: Verifier,
) -> Key:
    material = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(kid, algorithm, signature_bytes, material, verifier)


def _from_pem(pem: str) -> object:
    if "-----BEGIN CERTIFICATE-----" in pem:
        return load_pem_x509_certificate(pem.encode()).public_key()
    return load_pem_public_key(pem.encode())


def _from_jwk(jwk: Members, algorithm: Algorithm) -> object:
    if not _may_verify(jwk, algorithm):
        return None
    if jwk["kty"] == "RSA":
        return rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
    if (jwk["kty"], jwk["crv"]) == ("EC", "P-256"):
        return ec.EllipticCurvePublicNumbers(
            _number(jwk["x"], P256_BYTES), _number(jwk["y"], P256_BYTES), ec.SECP256R1()
        ).public_key()
    return None


def _may_verify(jwk: Members, algorithm: Algorithm) -> bool:
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and jwk.get("alg", algorithm) == algorithm
        and isinstance(operations, list)
        and "verify" in operations
    )


def _number(text: str, length: int | None = None) -> int:
    """The number behind a Base64urlUInt; of exactly ``length`` bytes where that is given (RFC 7518 section 6.2.1.2)."""
    if not BASE64URL.fullmatch(text):
        raise ValueError("not base64url")
    octets = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if length is not None and len(octets) != length:
        raise ValueError("a coordinate of another curve")
    return int.from_bytes(octets, "big")

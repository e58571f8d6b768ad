"""What a token says and whether its signature holds, worked out here without the code under test."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import load_pem_x509_certificate

if TYPE_CHECKING:
    from callerid.testing import LocalIssuer


def decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def header(token: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(decoded(token.partition(".")[0]))
    return value


def claims(token: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(decoded(token.split(".")[1]))
    return value


def jwk_key(issuer: LocalIssuer, kid: str, which: str) -> rsa.RSAPublicKey:
    (jwk,) = [key for key in json.loads(issuer.jwks_document(which))["keys"] if key["kid"] == kid]
    return rsa.RSAPublicNumbers(*(int.from_bytes(decoded(jwk[name])) for name in ("e", "n"))).public_key()


def pem_key(issuer: LocalIssuer, kid: str, which: str) -> rsa.RSAPublicKey:
    certificate = load_pem_x509_certificate(json.loads(issuer.pem_document(which))[kid].encode())
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def is_signed(issuer: LocalIssuer, token: str, which: str = "google", *, kid: str | None = None) -> bool:
    signed, _, signature = token.rpartition(".")
    key = jwk_key(issuer, header(token)["kid"] if kid is None else kid, which)
    try:
        key.verify(decoded(signature), signed.encode(), padding.PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True

"""Keys made in the test session and the documents that publish them. No key is ever stored."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Mapping

MESSAGE = b"header.payload"


@functools.cache
def rsa_key(name: str = "first", bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(name: str = "first", curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def pem(key: PrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def private_pem(key: PrivateKey) -> str:
    form, secrecy = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, secrecy).decode()


def certificate(key: PrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


def certificate_pem(key: PrivateKey) -> str:
    return certificate(key).public_bytes(serialization.Encoding.PEM).decode()


def base64url(number: int, length: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(length, "big")).rstrip(b"=").decode()


def rsa_jwk(kid: object, key: rsa.RSAPrivateKey | None = None, **members: object) -> dict[str, Any]:
    numbers = (key or rsa_key()).public_key().public_numbers()
    length = (numbers.n.bit_length() + 7) // 8
    return {"kty": "RSA", "kid": kid, "n": base64url(numbers.n, length), "e": "AQAB", **members}


def ec_jwk(kid: object, key: ec.EllipticCurvePrivateKey | None = None, **members: object) -> dict[str, Any]:
    numbers = (key or ec_key()).public_key().public_numbers()
    length = (numbers.curve.key_size + 7) // 8
    curve = {"secp256r1": "P-256", "secp384r1": "P-384", "secp256k1": "secp256k1"}[numbers.curve.name]
    x, y = base64url(numbers.x, length), base64url(numbers.y, length)
    return {"kty": "EC", "kid": kid, "crv": curve, "x": x, "y": y, **members}


def jwk_set(*jwks: object) -> bytes:
    return json.dumps({"keys": jwks}).encode()


def pem_map(keys: Mapping[str, object]) -> bytes:
    return json.dumps(keys).encode()


@functools.cache
def document(*kids: str) -> bytes:
    """A PEM map with one RSA key for each id."""
    return pem_map({kid: pem(rsa_key(kid)) for kid in kids})


def rs256(key: rsa.RSAPrivateKey, message: bytes = MESSAGE) -> bytes:
    return key.sign(message, padding.PKCS1v15(), hashes.SHA256())


def es256(key: ec.EllipticCurvePrivateKey, message: bytes = MESSAGE) -> bytes:
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")

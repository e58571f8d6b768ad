"""Signing keys made at run time and never stored, in the two document formats Google publishes.

Formats: ``https://www.googleapis.com/oauth2/v1/certs`` is a JSON object from key id to X.509 certificate, and
``https://www.googleapis.com/oauth2/v3/certs`` a JWK set (RFC 7517 section 5). Google's certificates are self-signed,
their common name says whose key it is, and they live for about 16 days.
"""

from __future__ import annotations

import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from callerid.testing._compact import segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["SigningKey", "SigningKeys"]


class SigningKey:
    """One key pair under a key id of 40 hexadecimal digits, as Google's are: RSA-2048, or P-256 for ES256."""

    def __init__(self, owner: str, *, now: float, algorithm: str = "RS256") -> None:
        self.algorithm = algorithm
        self._private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
        if algorithm == "ES256":
            self._private = ec.generate_private_key(ec.SECP256R1())
        else:
            self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = hashlib.sha256(self._public_bytes(Encoding.DER)).hexdigest()[:40]
        self._certificate = _certificate(self._private, owner, now)

    def __repr__(self) -> str:
        return f"<SigningKey {self.kid}>"

    def sign(self, message: bytes) -> bytes:
        """The RS256 or ES256 signature over a message (RFC 7518 sections 3.3 and 3.4)."""
        if isinstance(self._private, rsa.RSAPrivateKey):
            return self._private.sign(message, padding.PKCS1v15(), SHA256())
        r, s = decode_dss_signature(self._private.sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(_P256_BYTES) + s.to_bytes(_P256_BYTES)

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as a JWK with the members Google writes (RFC 7518 sections 6.2.1 and 6.3.1)."""
        named = {"alg": self.algorithm, "use": "sig", "kid": self.kid}
        if isinstance(self._private, rsa.RSAPrivateKey):
            numbers = self._private.public_key().public_numbers()
            return {"kty": "RSA", **named, "n": _unsigned(numbers.n), "e": _unsigned(numbers.e)}
        x, y = (segment(each.to_bytes(_P256_BYTES)) for each in self._point)
        return {"kty": "EC", **named, "crv": "P-256", "x": x, "y": y}

    @property
    def _point(self) -> tuple[int, int]:
        numbers = cast("ec.EllipticCurvePrivateKey", self._private).public_key().public_numbers()
        return numbers.x, numbers.y

    @property
    def published_pem(self) -> str:
        """The public key as Google publishes it: a certificate, or the bare key where it is for ES256."""
        return self.public_pem.decode("ascii") if self.algorithm == "ES256" else self.certificate_pem

    @property
    def certificate_pem(self) -> str:
        """The self-signed X.509 certificate."""
        return self._certificate.public_bytes(Encoding.PEM).decode("ascii")

    @property
    def public_pem(self) -> bytes:
        """The bare public key: what an attacker would use as an HMAC secret."""
        return self._public_bytes(Encoding.PEM)

    def private_pem(self) -> str:
        """The private key, in the form of a service account key file."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")

    def _public_bytes(self, encoding: Encoding) -> bytes:
        return self._private.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)


class SigningKeys:
    """The keys one signer publishes, the current one first. The first key is made when first asked for."""

    def __init__(self, owner: str, clock: Callable[[], float], algorithm: str = "RS256") -> None:
        self._owner = owner
        self.algorithm = algorithm
        self._clock = clock
        self._keys: list[SigningKey] = []
        self._lock = threading.RLock()

    def __iter__(self) -> Iterator[SigningKey]:
        with self._lock:
            if not self._keys:
                self._keys = [self._new()]
            return iter(self._keys)

    @property
    def current(self) -> SigningKey:
        """The key that signs now."""
        return next(iter(self))

    def find(self, kid: object) -> SigningKey | None:
        """The key with this id among those made so far."""
        with self._lock:
            return next((key for key in self._keys if key.kid == kid), None)

    def rotate(self, *, keep_old: bool) -> None:
        """Sign with a new key from now on; the old ones stay published, or are withdrawn."""
        with self._lock:
            old = list(self) if keep_old else []
            self._keys = [self._new(), *old]

    def jwks(self) -> str:
        """The JWK set document."""
        return json.dumps({"keys": [key.jwk for key in self]}, indent=2)

    def pem_map(self) -> str:
        """The document of X.509 certificates by key id; of bare public keys where they are for ES256."""
        return json.dumps({key.kid: key.published_pem for key in self}, indent=2)

    def _new(self) -> SigningKey:
        return SigningKey(self._owner, now=self._clock(), algorithm=self.algorithm)


_P256_BYTES = 32


def _unsigned(number: int) -> str:
    return segment(number.to_bytes((number.bit_length() + 7) // 8))


def _certificate(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, owner: str, now: float) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner)])
    begin = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder(issuer_name=name, subject_name=name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=16))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
        .sign(private, SHA256())
    )

"""One public key, which verifies signatures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

__all__ = ["Algorithm", "Key", "Verifier"]

Algorithm = Literal["RS256", "ES256"]
"""The two signature algorithms Google's issuers use (RFC 7518 section 3.1); the issuer fixes which, never the token."""


class Verifier(Protocol):
    """What ``google.auth.crypt`` calls a verifier."""

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether ``signature`` was made over ``message`` with the private half of this key."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """A public key, its id and the one algorithm it is used with.

    Compared by identity: where a refreshed document publishes the same key again, the object stays the same. So a
    cache can check with ``is`` whether a key is still in use.

    ``signature_bytes`` is the exact length of its signatures in bytes: the modulus length for RS256 (RFC 8017 section
    8.2.2, step 1), 64 for ES256 (RFC 7518 section 3.4). ``material`` is the key as DER SubjectPublicKeyInfo.
    """

    kid: str
    algorithm: Algorithm
    signature_bytes: int
    material: bytes = field(repr=False)
    verifier: Verifier = field(repr=False)

    def verify(self, signing_input: bytes, signature: bytes) -> bool:
        """Whether the signature is valid. An error inside the verifier counts as invalid."""
        if len(signature) != self.signature_bytes:
            return False
        try:
            return self.verifier.verify(signing_input, signature) is True
        except Exception:  # noqa: BLE001 - a signature that cannot be checked is not valid
            return False

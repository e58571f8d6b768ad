"""Everybody who signs tokens, each with keys of our own: Google, Firebase, service accounts and other providers."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from callerid.testing._claims import is_service_account, numeric_id
from callerid.testing._compact import Part, compact
from callerid.testing._keys import SigningKeys

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Signers"]

# The common names in the certificates that Google publishes.
_OWNERS = {
    "google": "federated-signon.system.gserviceaccount.com",
    "firebase": "securetoken.system.gserviceaccount.com",
    "firebase_session": "session.firebase.google.com",
    "iap": "cloud.google.com",
    "app_check": "firebaseappcheck.googleapis.com",
}


class Signers:
    """The keys of all signers.

    Every signer has a name: ``"google"``, ``"firebase"``, ``"firebase_session"``, ``"iap"``, ``"app_check"``, the
    e-mail of an added service account, or the ``iss`` of another OpenID Connect provider.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        """Keys are made at first use. ``clock`` gives the seconds since the epoch that ``iat`` starts from."""
        self.clock = clock
        self._lock = threading.RLock()
        self._key_sets = {
            name: SigningKeys(owner, clock, "ES256" if name == "iap" else "RS256") for name, owner in _OWNERS.items()
        }

    def sign(self, claims: Part, header: Part | None = None, *, key: str = "google") -> str:
        """Any claims, signed with the current key of ``key``: a signer's name.

        Claims and header may also be text or bytes, which are signed exactly as they are. A header given as a mapping
        is laid over ``{"alg": ..., "kid": ..., "typ": "JWT"}``. Nothing is checked.
        """
        signing = self.key_set(key).current
        usual = {"alg": signing.algorithm, "kid": signing.kid, "typ": "JWT"}
        whole = header if isinstance(header, str | bytes) else {**usual, **(header or {})}
        return compact(whole, claims, signing.sign)

    def rotate(self, which: str = "google", *, keep_old: bool = True) -> None:
        """Sign with a new key under a new id from now on; ``keep_old=False`` withdraws the keys published so far."""
        self.key_set(which).rotate(keep_old=keep_old)

    def jwks_document(self, which: str = "google") -> str:
        """The text of the signer's JWK set."""
        return self.key_set(which).jwks()

    def pem_document(self, which: str = "google") -> str:
        """The text of the signer's X.509 certificates by key id."""
        return self.key_set(which).pem_map()

    def key_set(self, which: str) -> SigningKeys:
        """The keys of a signer. Raises `ValueError` for a name that is none."""
        with self._lock:
            try:
                return self._key_sets[which]
            except KeyError:
                raise ValueError(f"No signer is called {which!r}; there are {sorted(self._key_sets)}.") from None

    def account_keys(self, email: str) -> SigningKeys:
        """The keys of a service account, which is a signer from then on.

        Raises `ValueError` for an address outside ``gserviceaccount.com``.
        """
        if not is_service_account(email):
            raise ValueError(f"{email!r} is not a service account's address: those end in gserviceaccount.com.")
        with self._lock:
            # The common name of a service account's certificate is its unique id.
            return self._key_sets.setdefault(email, SigningKeys(numeric_id(email), self.clock))

    def oidc_keys(self, issuer: str, algorithm: str | None = None) -> SigningKeys:
        """The keys of an OpenID Connect provider, which is a signer from then on: RS256 where no algorithm is named."""
        with self._lock:
            known = self._key_sets.get(issuer)
            if known is None or algorithm not in (None, known.algorithm):
                known = self._key_sets[issuer] = SigningKeys(issuer[-64:], self.clock, algorithm or "RS256")
            return known

    @property
    def signers(self) -> tuple[str, ...]:
        """The names of all signers."""
        with self._lock:
            return tuple(self._key_sets)

    def key_sets(self) -> list[SigningKeys]:
        """The keys of every signer."""
        with self._lock:
            return list(self._key_sets.values())

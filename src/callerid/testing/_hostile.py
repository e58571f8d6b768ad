"""Tokens no guard may accept, each made from a good one: what attackers, misconfigurations and accidents send."""

from __future__ import annotations

import hashlib
import hmac
from functools import cached_property
from typing import TYPE_CHECKING, Any

from callerid.testing._compact import compact, encode, header_and_claims
from callerid.testing._keys import SigningKey
from callerid.testing._mint import Mint

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HOSTILE_VARIANTS", "HostileMint"]

HOSTILE_VARIANTS = (
    "expired",
    "not_yet_valid",
    "forged",
    "tampered",
    "wrong_kid",
    "without_kid",
    "crossed",
    "unsigned",
    "hmac_signed",
    "stripped",
    "wrong_audience",
    "wrong_issuer",
)
"""The methods of `HostileMint` that turn a good token into one that every guard must refuse with 401."""

_TIMES = ("iat", "exp", "auth_time")


class HostileMint(Mint):
    """A mint that also makes what must be refused. Every method takes a token of this issuer and returns another."""

    def hostile_variants(self, token: str) -> dict[str, str]:
        """All of `HOSTILE_VARIANTS` of a token, by name."""
        return {name: getattr(self, name)(token) for name in HOSTILE_VARIANTS}

    def expired(self, token: str, *, ago: int = 3600) -> str:
        """The same token, as old as it takes to have expired ``ago`` seconds ago."""
        _, claims = header_and_claims(token)
        return self._shifted(token, int(self.clock()) - ago - claims["exp"])

    def not_yet_valid(self, token: str, *, ahead: int = 3600) -> str:
        """The same token, issued ``ahead`` seconds from now."""
        _, claims = header_and_claims(token)
        return self._shifted(token, int(self.clock()) + ahead - claims["iat"])

    def forged(self, token: str) -> str:
        """The same header and claims, signed by a stranger's key under our key id."""
        header, claims = header_and_claims(token)
        return compact(header, claims, self._stranger(self._key_of(header).algorithm).sign)

    def tampered(self, token: str, **claims: Any) -> str:
        """Other claims (default: another ``sub``) under the signature made for the old ones."""
        header, _, signature = token.split(".")
        _, old = header_and_claims(token)
        return f"{header}.{encode({**old, **(claims or {'sub': '1' * 21})})}.{signature}"

    def wrong_kid(self, token: str) -> str:
        """The right key's signature, under a key id that nobody publishes."""
        header, claims = header_and_claims(token)
        return compact({**header, "kid": self._stranger("RS256").kid}, claims, self._key_of(header).sign)

    def without_kid(self, token: str) -> str:
        """The right key's signature, with no key id."""
        header, claims = header_and_claims(token)
        nameless = {name: value for name, value in header.items() if name != "kid"}
        return compact(nameless, claims, self._key_of(header).sign)

    def crossed(self, token: str) -> str:
        """The same claims, properly signed by another: by Firebase if it is Google's own, else by Google."""
        header, claims = header_and_claims(token)
        by_google = self.key_set("google").find(header.get("kid")) is not None
        return self.sign(claims, key="firebase" if by_google else "google")

    def unsigned(self, token: str) -> str:
        """The same claims with ``alg: none`` and no signature, as the Firebase emulator mints them."""
        _, claims = header_and_claims(token)
        return compact({"alg": "none", "typ": "JWT"}, claims, lambda _: b"")

    def hmac_signed(self, token: str) -> str:
        """The same claims with HS256, our published key being the secret (RFC 8725 section 2.1)."""
        header, claims = header_and_claims(token)
        secret = self._key_of(header).public_pem
        return compact({**header, "alg": "HS256"}, claims, lambda text: hmac.digest(secret, text, hashlib.sha256))

    def stripped(self, token: str) -> str:
        """The same token as Cloud Run's front door passes it on: its signature removed."""
        return f"{token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"

    def wrong_audience(self, token: str, audience: str = "https://elsewhere.example.net") -> str:
        """The same token, minted for somebody else."""
        _, claims = header_and_claims(token)
        is_listed = isinstance(claims.get("aud"), list)
        return self.altered(token, aud=[audience] if is_listed else audience)

    def wrong_issuer(self, token: str, issuer: str = "https://issuer.example.net") -> str:
        """The same token with another ``iss``."""
        return self.altered(token, iss=issuer)

    def altered(self, token: str, **claims: Any) -> str:
        """The same token with some claims changed or added, signed again by its own key."""
        header, old = header_and_claims(token)
        return compact(header, {**old, **claims}, self._key_of(header).sign)

    def without(self, token: str, *names: str) -> str:
        """The same token without some claims, signed again by its own key."""
        header, claims = header_and_claims(token)
        kept = {name: value for name, value in claims.items() if name not in names}
        return compact(header, kept, self._key_of(header).sign)

    def _stranger(self, algorithm: str) -> SigningKey:
        if algorithm not in self._strangers:
            self._strangers[algorithm] = SigningKey("stranger.example.net", now=self.clock(), algorithm=algorithm)
        return self._strangers[algorithm]

    @cached_property
    def _strangers(self) -> dict[str, SigningKey]:
        return {}

    def _shifted(self, token: str, seconds: int) -> str:
        _, claims = header_and_claims(token)
        return self.altered(token, **{name: claims[name] + seconds for name in _TIMES if name in claims})

    def _key_of(self, header: Mapping[str, Any]) -> SigningKey:
        for key_set in self.key_sets():
            if (key := key_set.find(header.get("kid"))) is not None:
                return key
        raise ValueError("No key published here signed this token, so it cannot be signed again.")

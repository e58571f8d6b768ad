"""Verifying one token: from the cache, by asking its issuer, or by its claims and signature."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Final, TypeAlias

from callerid.asking import Answers
from callerid.authentication._choosing import identity_of, issuer_of, unknown_issuer
from callerid.authentication._claims import UNCHECKED, ExpectedNonce, check_audience, check_claims, check_nonce
from callerid.authentication._emulator import check_signed, unsigned_caller
from callerid.authentication._gateways import gateway_of
from callerid.authentication._identity import Identity
from callerid.authentication._jws import is_unsigned, parse, parse_unsigned
from callerid.authentication._observed import family_of, recalled
from callerid.authentication._token_cache import CachedToken, Fingerprint, TokenCache, fingerprint, usual
from callerid.authentication._trust import Trusted
from callerid.authentication._uses import use_id_of
from callerid.callers import GOOGLE, Caller
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import (
    AUTHORIZATION,
    AskedIssuer,
    CredentialLocation,
    Denied,
    Issuer,
    SpeaksFor,
    check_credential,
)
from callerid.issuers._claims import shown
from callerid.keys import CachedKeySet, KeyStore, Wait
from callerid.observing import SafeObserver

__all__ = ["VerifiesTokens", "Waited"]


Waited: TypeAlias = tuple[Wait, ...]
"""The waits that are over, for one request."""

_MOST_LEEWAY: Final = 60
"""Seconds. Cached for so much less, an answer is believed to its end and not a leeway longer: it says when that is by
our own clock."""


class VerifiesTokens:
    """The part of an authenticator that verifies one token. See `callerid.authentication.Authenticator`."""

    trusted: Trusted
    keys: KeyStore
    cache: TokenCache
    answers: Answers
    """What was answered about credentials that carry no signature."""
    clock: Callable[[], float]
    leeway: float
    longest_token: int

    def observe(self, observer: SafeObserver | None) -> None:
        """Tell this observer of verifications. Where there is none, it costs the requests nothing."""
        self._observer = observer
        self._recall: Callable[[Fingerprint], Identity | None]
        self._recall = self._seen if observer is None else partial(recalled, self._seen, observer)

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers that are trusted."""
        return tuple(self.trusted.members)

    def verified(
        self, text: str, location: CredentialLocation, waited: Waited = (), missed: Fingerprint | None = None
    ) -> Identity | Wait:
        """The identity that one token proves in this location; a `Wait` and refusals as for `Authenticator.identify`.

        ``missed`` is its fingerprint if the cache was asked for it already, without success.
        """
        digest = missed
        if digest is None:
            digest = fingerprint(location.name, usual(text))
            seen = self._recall(digest)
            if seen is not None:
                return seen
        asked = self.trusted.asked.get(location)
        if asked is not None:
            reader = next((each for each in asked if each.reads(text)), None)
            if reader is not None:
                return self._by_asking(reader, text, location, digest, waited)
        if self.trusted.emulated and is_unsigned(text):
            token = parse_unsigned(text, self.longest_token)
            issuer = issuer_of(self.trusted, token, location)
            caller = unsigned_caller(token, issuer, self.clock(), self.leeway)
            return identity_of(caller, issuer, location, use_id_of(token.claims, token.signed))  # never cached
        begun_at = 0.0 if self._observer is None else perf_counter()
        token = parse(text, self.longest_token)
        issuer = issuer_of(self.trusted, token, location)
        if self.trusted.emulated:
            check_signed(token, issuer)
        begins_at = check_claims(token, issuer, self.clock(), self.leeway)
        keys = self.keys.key_set(issuer.keys, issuer.algorithm)
        key = keys.at_hand(token.kid) or self.keys.find(
            issuer.keys, issuer.algorithm, token.kid, waited=_for(keys, waited)
        )
        if isinstance(key, Wait):
            return key
        if not key.verify(token.signed, token.signature):
            raise Unauthenticated(Reason.BAD_SIGNATURE, f"not signed by the issuer's key {shown(token.kid)}")
        caller = issuer.caller(token.claims)
        identity = identity_of(caller, issuer, location, use_id_of(token.claims, token.signed))
        self.cache.put(digest, CachedToken(issuer, keys, key, identity, begins_at, caller.expires_at))
        if self._observer is not None:
            self._observer.verified(family_of(identity), perf_counter() - begun_at, from_memory=False)
        return identity

    def _by_asking(
        self, issuer: AskedIssuer, text: str, location: CredentialLocation, digest: Fingerprint, waited: Waited
    ) -> Identity | Wait:
        """Who a credential names that carries no signature; a `Wait` where its issuer has to be asked first.

        Raises `Unauthenticated` where the issuer does not believe it, and `Unavailable` where it cannot be asked.
        """
        check_credential(text, self.longest_token)
        found = self.answers.find(issuer.source, digest, issuer.question(text, self.clock), waited)
        if isinstance(found, Wait):
            return found
        verdict = found.answer.value
        if isinstance(verdict, Denied):
            raise verdict.refusal()
        late = self.clock() - verdict.expires_at
        if late >= 0:
            # The monotonic clock may stand still while a machine sleeps.
            if issuer.is_final or any(wait.keys is found.entry for wait in waited):
                raise Unauthenticated(Reason.EXPIRED, f"expired {late:.0f} s ago")
            self.answers.expire(found)
            return self._by_asking(issuer, text, location, digest, waited)
        identity = identity_of(verdict, issuer, location)
        ends_at = verdict.expires_at - (_MOST_LEEWAY if issuer.is_final else 0)
        self.cache.put(digest, CachedToken(issuer, found.entry, found.answer, identity, -math.inf, ends_at))
        return identity

    def _seen(self, digest: Fingerprint) -> Identity | None:
        """The identity of a cached token that is still valid: its time, its key and its issuer are checked."""
        cached = self.cache.recent.get(digest) or self.cache.get(digest)
        if cached is None or not cached.keys.serves(cached.key):
            return None
        # The cache may be shared with a guard of another leeway and of fewer issuers.
        now, leeway, trusted = self.clock(), self.leeway, self.trusted
        if not (cached.begins_at <= now + leeway and now < cached.expires_at + leeway):
            return None
        if id(cached.issuer) not in trusted.ids:
            return None
        identity = cached.identity
        if trusted.gateways and digest[0] == AUTHORIZATION.name and identity.caller is not None:
            # A guard that knows of no such gateway, or knew of none then, took its account for a caller.
            return identity if gateway_of(trusted.gateways, identity.caller) is None else None
        return identity

    def check_nonce(self, text: str, nonce: ExpectedNonce) -> None:
        """Check the ``nonce`` of a verified token, if one is expected, in constant time. Raises `Unauthenticated`."""
        if nonce is not UNCHECKED:
            check_nonce(parse(text, self.longest_token).claims, nonce)

    def is_carrier(self, via: Caller) -> bool:
        """Whether a service that was verified before may still carry calls, by its issuer and audience."""
        known = (issuer for issuer in self.issuers if SpeaksFor.CARRIER in issuer.roles and issuer.name == via.issuer)
        return any(via.audience in issuer.audiences for issuer in known)

    def check_audience(
        self, caller: Caller, audiences: frozenset[str] | None, accepted: frozenset[str] | None = None
    ) -> None:
        """Check the audience of a Google ID token: one of these, or else the issuer's. Raises `Unauthenticated`.

        ``accepted`` are the issuer's, where they are known; else the guard's, of that name.
        """
        trusted = self.trusted
        if accepted is None:
            accepted = trusted.accepted.get(caller.issuer)
            if accepted is None:
                raise unknown_issuer(trusted.accepted, caller.issuer)
        if caller.kind is GOOGLE:
            if audiences is not None and caller.issuer not in trusted.unnamed:
                accepted = audiences
            if caller.audience not in accepted:
                check_audience(caller.audience, accepted)


def _for(keys: CachedKeySet, waited: Waited) -> Wait | None:
    """The wait that is over for these keys, if there was one."""
    return next((wait for wait in waited if wait.keys is keys), None)

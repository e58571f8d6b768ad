"""Tokens whose signature Cloud Run's front door removed: which are accepted, and how an open front door is detected.

The front door of a private service checks the token in ``X-Serverless-Authorization`` if there is one, else the one in
``Authorization``, and removes its signature. Source: Cloud Run, "Authenticating service-to-service".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from callerid.authentication._bearer import credential
from callerid.authentication._claims import check_audience, check_claims
from callerid.authentication._gateways import gateway_of
from callerid.authentication._identity import Identity
from callerid.authentication._jws import is_stripped, is_unsigned, parse, parse_stripped
from callerid.authentication._uses import use_id_of
from callerid.authentication._verification import VerifiesTokens, Waited
from callerid.callers import Caller
from callerid.errors import BadRequest, FrontDoorOpen, Reason, Refusal, Unauthenticated
from callerid.issuers import (
    ACCESS_TOKEN_PREFIX,
    AUTHORIZATION,
    SERVERLESS_AUTHORIZATION,
    CloudRunIssuer,
    CredentialLocation,
)
from callerid.keys import Wait

__all__ = ["PATH", "SUBPROTOCOL", "CloudRun"]

PATH: Final = ":path"
"""The name of the path among the headers that were sent, as in HTTP/2 (RFC 9113 section 8.3.1)."""

SUBPROTOCOL: Final = ":subprotocol"
"""The name of those values of ``Authorization`` that in fact were sent in ``Sec-WebSocket-Protocol``."""

_LONG_EXPIRED: Final = 600
"""Seconds past ``exp`` after which the front door cannot have let a token in, however slow the way here."""

_NEVER_LET_IN: Final = {
    Reason.MALFORMED_TOKEN: "something that is not a token",
    Reason.UNSIGNED: "an unsigned token",
    Reason.UNKNOWN_ISSUER: "a token that is not Google's",
    Reason.WRONG_ALGORITHM: "a token with another algorithm than Google's",
    Reason.BAD_CLAIMS: "a token that is not a Google ID token",
    Reason.BAD_SIGNATURE: "a forged signature",
}

_DOTS: Final = 2
"""In a compact JWS (RFC 7515 section 3.1)."""

_MOST_WORDS: Final = 4
"""Of more tokens in one value none is read: each may cost the check of a signature."""

_PLAUSIBLE: Final = ""
"""Says that the front door may have let a credential in."""


class CloudRun:
    """What an authenticator with issuers of the kind `cloud_run` does about tokens without a signature."""

    def __init__(self, verifier: VerifiesTokens, issuers: tuple[CloudRunIssuer, ...]) -> None:
        self._verifier = verifier
        self._issuers = issuers
        self._own = frozenset[str]().union(*(issuer.audiences for issuer in issuers))
        self._probes = frozenset[str]().union(*(issuer.probes for issuer in issuers))

    def read(self, text: str, location: CredentialLocation, sent: Mapping[str, Any]) -> Identity:
        """Read a token without a signature, sent in this location of a request. It is never cached.

        Raises `Unauthenticated`, and `FrontDoorOpen` once the front door was seen to stand open.
        """
        if not location.is_intermediary:
            _check_header(sent)
        if any(issuer.front_door.is_open for issuer in self._issuers):
            raise FrontDoorOpen("Cloud Run's front door stands open, so a token without a signature proves nothing")
        token = parse_stripped(text, self._verifier.longest_token)
        audience = token.claims.get("aud")
        named = (issuer for issuer in self._issuers if isinstance(audience, str) and audience in issuer.audiences)
        issuer = next(named, self._issuers[0])
        if token.issuer not in issuer.accepted_iss:
            raise Unauthenticated(Reason.UNKNOWN_ISSUER, f"expected {issuer.name}, got {token.issuer[:200]!a}")
        check_claims(token, issuer, self._verifier.clock(), self._verifier.leeway)
        self._check_audience(token.claims["aud"], location)
        caller = issuer.caller(token.claims)
        if location.is_intermediary:
            return Identity(via=caller)
        gateway = gateway_of(self._verifier.trusted.gateways, caller)
        if gateway is None:
            return Identity(caller, use_id=use_id_of(token.claims, token.signed))
        check_audience(caller.audience, self._own)
        return Identity(via=caller, forwards=gateway.forwarded)

    def _check_audience(self, audience: str, location: CredentialLocation) -> None:
        """Refuse an audience of another issuer, which takes signed tokens. A rule may name one that no issuer has."""
        accepted = self._verifier.trusted.accepted[self._issuers[0].name]
        if location.is_intermediary or audience in accepted:
            check_audience(audience, self._own)

    def watched(
        self,
        identify: Callable[[Mapping[str, list[str]], Waited], Identity | Wait],
        sent: Mapping[str, list[str]],
        waited: Waited,
    ) -> Identity | Wait:
        """Return or raise what ``identify`` does; if no caller was identified, check for an open front door."""
        try:
            identity = identify(sent, waited)
        except Refusal:
            self._watch(sent)
            raise
        if not isinstance(identity, Wait) and identity.via is None:
            caller = identity.caller
            if caller is None or not self._is_googles(caller):
                self._watch(sent)
        return identity

    def _watch(self, sent: Mapping[str, list[str]]) -> None:
        if any(path in self._probes for path in sent.get(PATH, ())):
            return
        checked, own = (self._seen(location, sent) for location in (SERVERLESS_AUTHORIZATION, AUTHORIZATION))
        # Where it is not certain which of the two the front door checked, it would have to refuse both: a caller with a
        # valid token in one of them must not be able to cause 503 for all others.
        seen = own if checked is None else checked
        if _PLAUSIBLE in (checked, own) and seen not in _CERTAIN:
            return
        for issuer in self._issuers:
            issuer.front_door.found_open(f"{seen or 'no credential'}")

    def _seen(self, location: CredentialLocation, sent: Mapping[str, list[str]]) -> str | None:
        """The credential in a location that a closed front door refuses, in words; ``None`` where there is none."""
        values = sent.get(location.header, [])
        if not location.is_intermediary:
            values = values[: len(values) - len(sent.get(SUBPROTOCOL, ()))]
        if not values:
            return None
        try:
            text = credential(location, values)
        except BadRequest as refusal:
            if refusal.reason is Reason.SEVERAL_CREDENTIALS:
                return _PLAUSIBLE
            return self._other_seen("something that is not a bearer token", values, location)
        if text is None:
            return self._other_seen("another scheme than Bearer", values, location)
        return self._token_seen(text, location)

    def _other_seen(self, seen: str, values: list[str], location: CredentialLocation) -> str:
        """What is not a bearer token to us; ``_PLAUSIBLE`` where a laxer reader may find a valid token in it."""
        words = (word for value in values for word in re.split(r"[\s,]+", value))
        tokens = [word for word in words if word.count(".") == _DOTS or word.startswith(ACCESS_TOKEN_PREFIX)]
        is_plausible = any(self._token_seen(each, location) == _PLAUSIBLE for each in tokens[:_MOST_WORDS])
        return _PLAUSIBLE if is_plausible or len(tokens) > _MOST_WORDS else seen

    def _token_seen(self, text: str, location: CredentialLocation) -> str:
        # Our limit is not the front door's. Whether it lets in by access tokens Google does not say, and whoever has a
        # valid one must not be able to cause 503 for all others.
        if len(text) > self._verifier.longest_token or text.startswith(ACCESS_TOKEN_PREFIX):
            return _PLAUSIBLE
        try:
            if is_stripped(text):
                self.read(text, SERVERLESS_AUTHORIZATION, {})
                return _PLAUSIBLE
            found = self._verifier.verified(text, location)
        except Unauthenticated as refusal:
            if refusal.reason is Reason.EXPIRED and not is_unsigned(text):
                return self._expired(text)
            return _NEVER_LET_IN.get(refusal.reason, _PLAUSIBLE)
        except Refusal:  # a key that cannot be had says nothing about the front door
            return _PLAUSIBLE
        if isinstance(found, Wait):
            return _PLAUSIBLE
        named = found.via or found.caller
        return _PLAUSIBLE if named is not None and self._is_googles(named) else "a token that is not Google's"

    def _is_googles(self, caller: Caller) -> bool:
        """Whether the caller's token is one that the front door checks: an account's own are not."""
        return caller.issuer == self._issuers[0].name

    def _expired(self, text: str) -> str:
        longest = self._verifier.longest_token
        token = parse_stripped(text, longest) if is_stripped(text) else parse(text, longest)
        late = self._verifier.clock() - token.claims["exp"]
        return _EXPIRED if late > _LONG_EXPIRED else _PLAUSIBLE


def _check_header(sent: Mapping[str, Any]) -> None:
    """Raise `Unauthenticated` where the front door did not check the token for ``Authorization``."""
    checked = "X-Serverless-Authorization" if SERVERLESS_AUTHORIZATION.header in sent else ""
    if SUBPROTOCOL in sent:
        checked = checked or "Authorization, and not Sec-WebSocket-Protocol"
    if checked:
        raise Unauthenticated(
            Reason.SIGNATURE_REMOVED,
            f"expected a signed token, since Cloud Run's front door checked {checked}, got one without a signature: "
            "anybody can write that",
        )


_EXPIRED: Final = "a token that expired over ten minutes ago"

_CERTAIN: Final = frozenset({_EXPIRED, *_NEVER_LET_IN.values(), "a token that is not Google's"})
"""Credentials that every closed front door recognises as a token and refuses."""

"""Whose a token is: the trusted issuer that reads it, or a refusal that says what it is instead; for whom it speaks."""

from __future__ import annotations

from collections.abc import Iterable

from callerid.authentication._claims import check_audience
from callerid.authentication._gateways import gateway_in
from callerid.authentication._identity import Identity
from callerid.authentication._jws import Token
from callerid.authentication._look_alikes import by_issuer
from callerid.authentication._trust import Trusted
from callerid.callers import APP, Caller
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import AUTHORIZATION, AppCheckIssuer, CredentialLocation, GatewayIssuer, Issuer

__all__ = ["identity_of", "issuer_of", "unknown_issuer"]


def issuer_of(trusted: Trusted, token: Token, location: CredentialLocation) -> Issuer:
    """The issuer that judges a token sent in this location. Raises `Unauthenticated` where there is none."""
    read = trusted.locations.get(location, {})
    candidates = read.get(token.issuer, ())
    if trusted.gateways and location == AUTHORIZATION:
        gateway = gateway_in(trusted.gateways, token, is_only=not candidates)
        if gateway is not None:
            return gateway
    if not candidates:
        gateways = trusted.gateways if location == AUTHORIZATION else ()
        raise _misplaced(trusted, token, location, {*read, *(each.name for each in gateways)})
    if len(candidates) == 1:
        return candidates[0]
    # Nothing is verified yet: the audience may be of any type.
    audience = token.claims.get("aud")
    named = (issuer for issuer in candidates if isinstance(audience, str) and audience in issuer.audiences)
    return next(named, candidates[0])


def identity_of(
    caller: Caller, issuer: Issuer, location: CredentialLocation, use_id: str | bytes | None = None
) -> Identity:
    """For whom or what a verified credential in this location speaks. Raises `Unauthenticated`."""
    if issuer.kind is APP and isinstance(issuer, AppCheckIssuer):  # isinstance() is slow of issuers, which are an ABC
        return Identity(app=caller.subject, consumer=issuer.consumer)
    if isinstance(issuer, GatewayIssuer):
        return Identity(via=caller, forwards=issuer.forwarded)
    if location.behind:
        return Identity(caller, accepted=issuer.audiences, use_id=use_id)
    if not location.is_intermediary:
        return Identity(caller, use_id=use_id)
    check_audience(caller.audience, issuer.audiences)
    return Identity(via=caller)


def _misplaced(trusted: Trusted, token: Token, location: CredentialLocation, here: Iterable[str]) -> Unauthenticated:
    """The refusal of a token whose issuer is not read in this location; it names the right one, if there is one."""
    own = (each for each, known in trusted.locations.items() if token.issuer in known)
    places = " or ".join(each.name for each in own)
    remedy = f"tokens of this issuer are read from {places}, and not from {location.name}" if places else ""
    return unknown_issuer(here, _described(token), remedy)


def unknown_issuer(trusted: Iterable[str], came: str, remedy: str = "") -> Unauthenticated:
    """The refusal of a token of somebody else than these issuers."""
    expected = " or ".join(sorted(trusted)) or "nobody"
    return Unauthenticated(Reason.UNKNOWN_ISSUER, f"expected {expected:.400}, got {came}", remedy=remedy)


def _described(token: Token) -> str:
    issuer, what = ascii(token.issuer[:200]), by_issuer(token.claims)
    return f"{issuer}: {what}" if what else issuer

"""Whose a token is: the trusted issuer that reads it, or a refusal that says what it is instead. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from callerid.authentication.jws import Token
from callerid.authentication.trust import Trusted
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import CredentialLocation, Issuer

__all__ = ["issuer_of", "unknown_issuer"]


def issuer_of(trusted: Trusted, token: Token, location: CredentialLocation) -> Issuer:
    """The issuer that judges a token sent in this location. Raises `Unauthenticated` where there is none."""
    here = trusted.locations.get(location, {})
    candidates = here.get(token.issuer, ())
    if not candidates:
        raise _misplaced(trusted, token, location, here)
    if len(candidates) == 1:
        return candidates[0]
    # Nothing is verified yet: the audience may be of any type.
    audience = token.claims.get("aud")
    named = (issuer for issuer in candidates if isinstance(audience, str) and audience in issuer.audiences)
    return next(named, candidates[0])


def _misplaced(trusted: Trusted, token: Token, location: CredentialLocation, here: Iterable[str]) -> Unauthenticated:
    """The refusal of a token whose issuer is not read in this location; it names the right one, if there is one."""
    own = (each for each, known in trusted.locations.items() if token.issuer in known)
    places = " or ".join(each.name for each in own)
    mend = f"tokens of this issuer are read from {places}, and not from {location.name}" if places else ""
    return unknown_issuer(here, _described(token), mend)


def unknown_issuer(trusted: Iterable[str], came: str, mend: str = "") -> Unauthenticated:
    """The refusal of a token of somebody else than these issuers."""
    expected = " or ".join(sorted(trusted)) or "nobody"
    return Unauthenticated(Reason.UNKNOWN_ISSUER, f"expected {expected:.400}, got {came}", mend=mend)


def _described(token: Token) -> str:
    issuer = ascii(token.issuer[:200])
    for start, what in _KINDS.items():
        if token.issuer.startswith(start):
            return f"{issuer}: {what}"
    if token.claims.get("aud") == _CUSTOM_TOKEN_AUDIENCE:
        return f"{issuer}: a Firebase custom token; sign in with it first, and send the ID token"
    return issuer


_KINDS: Final = {
    "https://session.firebase.google.com/": "a Firebase session cookie, which is not an ID token",
    "https://securetoken.google.com/": "a Firebase ID token",
    "https://cloud.google.com/iap": "an IAP assertion, which is not an ID token",
    "https://firebaseappcheck.googleapis.com/": "an App Check token, which names an app and nobody who uses it",
}
"""Descriptions of well-known tokens, by the beginning of their ``iss``."""

_CUSTOM_TOKEN_AUDIENCE: Final = (
    "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"  # noqa: S105
)

"""What a token is that is no token of a caller, for the log: by few keys, many kinds of JWT are signed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from callerid.callers import FIREBASE
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import Issuer

__all__ = ["by_issuer", "check_kind", "look_alike"]

_FIREBASE_ISSUER: Final = "https://securetoken.google.com/"

_ISSUERS: Final = {
    "https://session.firebase.google.com/": "a Firebase session cookie, which is not an ID token",
    _FIREBASE_ISSUER: "a Firebase ID token",
    "https://cloud.google.com/iap": "an IAP assertion, which is not an ID token",
    "https://firebaseappcheck.googleapis.com/": "an App Check token, which names an app and nobody who uses it",
}
"""Descriptions of well-known tokens, by the beginning of their ``iss``."""

_CUSTOM_TOKEN_AUDIENCE: Final = (
    "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"  # noqa: S105
)
_EVENT: Final = "a security event or logout token (RFC 8417), which names nobody who calls"


def look_alike(claims: Mapping[str, Any]) -> str:
    """What a token is, by its claims, of which nothing is verified; empty where it looks like no other kind.

    Sources: firebase-admin (``_token_gen.py``; firebase-functions, for blocking functions), RFC 8417 section 2.2.
    """
    if claims.get("aud") == _CUSTOM_TOKEN_AUDIENCE:
        return "a Firebase custom token; sign in with it first, and send the ID token"
    issuer = str(claims.get("iss"))
    if issuer.startswith(_FIREBASE_ISSUER):
        return "the token of a call to a Firebase blocking function" if "event_type" in claims else ""
    return _EVENT if "events" in claims else ""


def by_issuer(claims: Mapping[str, Any]) -> str:
    """As `look_alike`, of a token whose issuer is not trusted; then also what that issuer makes."""
    issuer = str(claims.get("iss"))
    made = (what for start, what in _ISSUERS.items() if issuer.startswith(start))
    return look_alike(claims) or next(made, "")


def check_kind(claims: Mapping[str, Any], issuer: Issuer) -> None:
    """Raise `Unauthenticated` for a security event, which an issuer signs by the keys of its other tokens.

    Firebase signs none of its own, and a custom claim may have that name.
    """
    if "events" in claims and issuer.kind is not FIREBASE:
        raise Unauthenticated(Reason.BAD_CLAIMS, f"expected a token of a caller, got {_EVENT}")

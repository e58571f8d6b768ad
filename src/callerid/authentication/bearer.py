"""The bearer token in a header, if there is one; else a description of the value, for the log."""

from __future__ import annotations

import re

from callerid.errors import BadRequest, Reason
from callerid.issuers import CredentialLocation

__all__ = ["credential", "other_than_bearer"]


def credential(location: CredentialLocation, values: list[str]) -> str | None:
    """The one bearer token in a location, if there is one (RFC 9110 section 11.4, RFC 6750 section 2.1)."""
    # Servers may join several headers of one name with commas (RFC 9110 section 5.3): treat both forms alike.
    parts = values
    if len(values) > 1 or "," in values[0]:
        parts = [part for value in values for part in _JOINT.split(value)]
    value = parts[0].strip(" \t")
    is_bearer = value[:6].lower() == "bearer" and value[6:7] not in _SCHEME_LETTERS
    if len(parts) > 1 or (is_bearer and "," in value):
        raise BadRequest(Reason.SEVERAL_CREDENTIALS, f"expected one credential in {_name(location)}, got several")
    if not is_bearer:
        return None
    token = value[7:]
    if value[6:7] != " " or token.split() != [token] or "\0" in token:
        detail = f"expected {_name(location)} to be Bearer, one space and one token, got {_malformed(value[6:])}"
        raise BadRequest(Reason.MALFORMED_HEADER, detail)
    return token


# A comma, then a scheme and a space (or Bearer alone): a second credential. Parameters of one have no space after them.
_JOINT = re.compile(r",[ \t]*+(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+ |bearer[ \t]*+(?:,|\Z))", re.IGNORECASE)

# tchar of RFC 9110 section 5.6.2: after "Bearer", one of these belongs to the name of another scheme.
_SCHEME_LETTERS = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def _name(location: CredentialLocation) -> str:
    """The header's name in its usual case."""
    return location.header.title()


def _malformed(rest: str) -> str:
    """What is wrong after the word Bearer, without quoting any of it."""
    words = rest.split()
    if not words:
        return "Bearer without a token"
    if rest[0] != " ":
        return "another character than a space behind Bearer"
    return "several words behind Bearer" if len(words) > 1 else "a blank or a control character too many"


def other_than_bearer(location: CredentialLocation, values: list[str]) -> str:
    """A description of a header without a bearer token, for the log; empty where there is nothing to say.

    Only the name of a registered scheme is quoted: anything else may be a secret.
    """
    value = values[0].strip(" \t")
    scheme, space, _ = value.partition(" ")
    if not value or (location.is_intermediary and scheme.lower() == "bearer"):
        return ""  # empty, or a token whose signature Google removed
    known = _SCHEMES.get(scheme.lower())
    if known is not None:
        return f"{_name(location)} has the scheme {known}, and only Bearer is read"
    if space:
        return f"{_name(location)} has another scheme than Bearer"
    what = "a JWT" if value.startswith("eyJ") and value.count(".") == 2 else "a value"
    return f"{_name(location)} has {what} without a scheme: send Bearer, one space and the token"


_SCHEMES = {
    name.lower(): name
    for name in (
        *("Basic", "Concealed", "Digest", "DPoP", "GNAP", "HOBA", "Mutual", "Negotiate", "OAuth", "PrivateToken"),
        *("SCRAM-SHA-1", "SCRAM-SHA-256", "vapid"),
        *("ApiKey", "AWS4-HMAC-SHA256", "JWT", "NTLM", "Token"),
    )
}
"""The schemes of IANA's "HTTP Authentication Scheme Registry", then those in wide use beside it."""

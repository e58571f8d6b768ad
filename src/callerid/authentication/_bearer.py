"""The credential of one scheme in a header, such as a bearer token; else a description of the value, for the log."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callerid.errors import BadRequest, Reason
from callerid.issuers import CredentialLocation

__all__ = ["credential", "other_than_bearer"]


def credential(location: CredentialLocation, values: list[str]) -> str | None:
    """The one credential of a location's scheme, if there is one (RFC 9110 section 11.4, RFC 6750 section 2.1)."""
    # Servers may join several headers of one name with commas (RFC 9110 section 5.3): treat both forms alike.
    parts = values
    if len(values) > 1 or "," in values[0]:
        parts = [part for value in values for part in _JOINT.split(value)]
    value = parts[0].strip(" \t")
    scheme, length = location.scheme, len(location.scheme)
    is_own = value[:length].lower() == scheme.lower() and value[length : length + 1] not in _SCHEME_LETTERS
    if len(parts) > 1 or (is_own and "," in value):
        raise BadRequest(Reason.SEVERAL_CREDENTIALS, f"expected one credential in {_name(location)}, got several")
    if not is_own:
        return None
    token = value[length + 1 :]
    if value[length : length + 1] != " " or token.split() != [token] or "\0" in token:
        got = _malformed(scheme, value[length:])
        detail = f"expected {_name(location)} to be {scheme}, one space and one token, got {got}"
        raise BadRequest(Reason.MALFORMED_HEADER, detail)
    return token


# A comma, then a scheme and a space (or Bearer alone): a second credential. Parameters of one have no space after them.
_JOINT = re.compile(r",[ \t]*+(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+ |bearer[ \t]*+(?:,|\Z))", re.IGNORECASE)

# tchar of RFC 9110 section 5.6.2: after "Bearer", one of these belongs to the name of another scheme.
_SCHEME_LETTERS = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def _name(location: CredentialLocation) -> str:
    """The header's name in its usual case."""
    return location.header.title()


def _malformed(scheme: str, rest: str) -> str:
    """What is wrong after the scheme, without quoting any of it."""
    words = rest.split()
    if not words:
        return f"{scheme} without a token"
    if rest[0] != " ":
        return f"another character than a space behind {scheme}"
    return f"several words behind {scheme}" if len(words) > 1 else "a blank or a control character too many"


def other_than_bearer(location: CredentialLocation, values: list[str], read: Sequence[str] = ("Bearer",)) -> str:
    """A description of a header without a credential of a location's scheme, for the log.

    Empty where there is nothing to say: ``read`` are all schemes that are read in this header.

    Only the name of a registered scheme is quoted: anything else may be a secret.
    """
    value = values[0].strip(" \t")
    scheme, space, _ = value.partition(" ")
    if not value or (scheme.lower() in map(str.lower, read) and (space or value == scheme)):
        return ""  # empty, a token whose signature Google removed, or one that is read for another issuer
    known = _SCHEMES.get(scheme.lower())
    if known is not None:
        return f"{_name(location)} has the scheme {known}, and only {' or '.join(read)} is read"
    if space:
        return f"{_name(location)} has another scheme than {' or '.join(read)}"
    what = "a JWT" if value.startswith("eyJ") and value.count(".") == 2 else "a value"
    return f"{_name(location)} has {what} without a scheme: send {' or '.join(read)}, one space and the token"


_SCHEMES = {
    name.lower(): name
    for name in (
        *("Basic", "Concealed", "Digest", "DPoP", "GNAP", "HOBA", "Mutual", "Negotiate", "OAuth", "PrivateToken"),
        *("SCRAM-SHA-1", "SCRAM-SHA-256", "vapid"),
        *("ApiKey", "AWS4-HMAC-SHA256", "JWT", "NTLM", "Token"),
    )
}
"""The schemes of IANA's "HTTP Authentication Scheme Registry", then those in wide use beside it."""

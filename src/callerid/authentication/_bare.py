"""The one token in a header without ``Bearer``, or in a cookie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callerid.errors import BadRequest, Reason
from callerid.issuers import CredentialLocation

__all__ = ["bare_credential"]


def bare_credential(location: CredentialLocation, values: Sequence[str]) -> str | None:
    """The one token in a location, from the values of its header; ``None`` where there is none, or an empty one.

    A comma is in no token: where it is, a server has joined two headers of one name (RFC 9110 section 5.3). Raises
    `BadRequest` for two values.
    """
    cookie = location.cookie
    found = list(_cookies(cookie, values)) if cookie else [value.strip(" \t") for value in values]
    if len(found) > 1 or (found and "," in found[0]):
        raise BadRequest(Reason.SEVERAL_CREDENTIALS, f"expected one credential in {_words(location)}, got several")
    if not found or not found[0]:
        return None
    token = found[0]
    if token.split() != [token] or "\0" in token:
        raise BadRequest(
            Reason.MALFORMED_HEADER, f"expected {_words(location)} to be one token, got white space or NUL in it"
        )
    return token


def _cookies(name: str, headers: Sequence[str]) -> Iterator[str]:
    """The values of all cookies of this name (RFC 6265 sections 4.1.1, 4.2.1 and 5.4), without quotes around them.

    Frameworks put quotes around a value with other characters than letters and digits, such as base64 has. Pairs are
    split at semicolons, and a name from its value at the first equals sign. HTTP/2 may send a header for each pair (RFC
    9113 section 8.2.3). A server that joins headers with commas hides the first pair of the second behind the last
    value of the first: where one of this name may be hidden, that is a value, too, with the comma in it.
    """
    for header in headers:
        for pair in header.split(";"):
            own, _, value = pair.partition("=")
            if own.strip(" \t") == name:
                yield _unquoted(value.strip(" \t"))
            elif any(part.partition("=")[0].strip(" \t") == name for part in value.split(",")[1:]):
                yield ","


def _unquoted(value: str) -> str:
    """What is in quotes, unless there are more quotes in it, or something that they would escape."""
    inner = value[1:-1]
    return inner if value == f'"{inner}"' and not _QUOTING.intersection(inner) else value


_QUOTING = frozenset('"\\')


def _words(location: CredentialLocation) -> str:
    return f"the cookie {location.cookie}" if location.cookie else location.header.title()

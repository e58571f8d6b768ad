"""The one bearer token in a slot, if there is one."""

from __future__ import annotations

import re

from callerid.errors import BadRequest, Reason
from callerid.issuers import Slot
from callerid.tokens import is_stripped

__all__ = ["credential"]


def credential(slot: Slot, values: list[str] | None) -> str | None:
    """The one bearer token in a slot, if there is one (RFC 9110 section 11.4, RFC 6750 section 2.1)."""
    if not values:
        return None
    # Several headers of one name may arrive as one, joined with commas (RFC 9110 section 5.3): it makes no difference.
    parts = values
    if len(values) > 1 or "," in values[0]:
        parts = [part for value in values for part in _JOINT.split(value)]
    value = parts[0].strip(" \t")
    is_bearer = value[:6].lower() == "bearer" and value[6:7] not in _SCHEME_LETTERS
    if len(parts) > 1 or (is_bearer and "," in value):
        raise BadRequest(Reason.SEVERAL_CREDENTIALS, f"expected one credential in {slot.header}")
    if not is_bearer:
        return None
    token = value[7:]
    if value[6:7] != " " or token.split() != [token] or "\0" in token:
        raise BadRequest(Reason.MALFORMED_HEADER, f"expected {slot.header} to be Bearer, one space and one token")
    if slot.carrier and is_stripped(token):
        return None
    return token


# A comma, then a scheme and a space (or Bearer alone): a second credential. Parameters of one have no space after them.
_JOINT = re.compile(r",[ \t]*+(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+ |bearer[ \t]*+(?:,|\Z))", re.IGNORECASE)

# tchar of RFC 9110 section 5.6.2: one of these goes on with the scheme's name. The empty text (no letter) is none.
_SCHEME_LETTERS = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

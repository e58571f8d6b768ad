"""The strict reading of a key document: a PEM map ``{kid: PEM}`` or a JWK set (RFC 7517 section 5).

Pure, and without cryptography: it splits a document into entries, and refuses one that contains a private key. Whether
an entry is a usable key is decided in ``verifiers``.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, cast

__all__ = ["DocumentError", "Entry", "Members", "entries", "json_object"]

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members that only a private or a symmetric JWK has (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1)."""


class DocumentError(ValueError):
    """A document that is refused whole; the message never quotes it."""


class Members(dict[str, Any]):
    """A JSON object that records which member names occurred more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.repeated = frozenset(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)


Entry = str | Members
"""One key as published: PEM text, or a JWK."""


def entries(body: bytes) -> dict[str, Entry]:
    """The entries of a document by key id.

    Entries without a usable key id are left out, and so are all entries of a key id that occurs more than once: which
    of them an issuer meant cannot be known.

    Raises DocumentError if the body is not UTF-8 JSON of one of the two shapes, or holds a private key.
    """
    document = json_object(body, "neither a JWK set nor a map of PEM texts")
    if isinstance(document.get("keys"), list):
        return _key_set(document)
    return _pem_map(document)


def json_object(body: bytes, otherwise: str = "no JSON object") -> Members:
    """The JSON object that a body is, strictly read (RFC 8259).

    Raises DocumentError for anything else; for JSON that is no object it says what it is ``otherwise``.
    """
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_members, parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise DocumentError("not UTF-8") from None
    except DocumentError:
        raise
    except (ValueError, RecursionError):
        raise DocumentError("not JSON") from None
    if not isinstance(document, Members):
        raise DocumentError(otherwise)
    return document


def _members(pairs: list[tuple[str, Any]]) -> Members:
    # Called for every object of the document, with all values of repeated names, of which a dict keeps only one.
    members = Members(pairs)
    if _is_private_jwk(members) or any(_is_private_pem(value) for _, value in pairs):
        raise DocumentError("it contains a private or symmetric key")
    return members


def _is_private_pem(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_is_private_pem, cast("list[object]", value)))
    return isinstance(value, str) and "PRIVATE KEY" in value


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON (RFC 8259 section 6)


def _key_set(document: Members) -> dict[str, Entry]:
    if "keys" in document.repeated:
        raise DocumentError('the member "keys" occurs more than once')
    jwks = [jwk for jwk in document["keys"] if isinstance(jwk, Members)]
    named = [(jwk["kid"], jwk) for jwk in jwks if _is_kid(jwk.get("kid"))]
    counts = Counter(kid for kid, _ in named)
    return {kid: jwk for kid, jwk in named if counts[kid] == 1 and not jwk.repeated}


def _pem_map(document: Members) -> dict[str, Entry]:
    return {
        kid: pem
        for kid, pem in document.items()
        if isinstance(pem, str) and _is_kid(kid) and kid not in document.repeated
    }


def _is_private_jwk(jwk: Members) -> bool:
    return "kty" in jwk and (jwk["kty"] == "oct" or not PRIVATE_MEMBERS.isdisjoint(jwk))


def _is_kid(kid: object) -> bool:
    return isinstance(kid, str) and bool(kid)

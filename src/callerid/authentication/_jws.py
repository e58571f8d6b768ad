"""Strict parsing of a compact JWS (RFC 7515 section 3.1); nothing in it is trusted yet.

Only the canonical form of a token is accepted, so that no two parsers can read it differently.
"""

from __future__ import annotations

import json
import math
import re
from binascii import a2b_base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from callerid.errors import Reason, Unauthenticated

__all__ = [
    "LONGEST_TOKEN",
    "REMOVED_SIGNATURE",
    "Token",
    "is_stripped",
    "is_unsigned",
    "parse",
    "parse_stripped",
    "parse_unsigned",
]

LONGEST_TOKEN = 8192
"""The longest token that is read by default, in bytes. Google's are under 2 kB; custom claims add at most 1 kB."""

DEEPEST_NESTING = 32
"""How deep JSON may nest. It is checked before the JSON parser runs, whose recursion the token would control."""

REMOVED_SIGNATURE = "SIGNATURE_REMOVED_BY_GOOGLE"
"""What Cloud Run's front door puts in place of a signature that it has checked."""

_STRIPPED_ENDING = "." + REMOVED_SIGNATURE

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_BASE64URL = _BASE64.replace(b"+/", b"-_")
_TO_BASE64 = bytes(_BASE64[_BASE64URL.index(byte)] if byte in _BASE64URL else ord("!") for byte in range(256))
"""Translates the base64url alphabet to base64's, and every other byte to one that base64 refuses."""
# By the length modulo 4: the missing padding, and the last letters whose unused bits are zero (RFC 4648 section 3.5). A
# remainder of one letter is invalid.
_PADDING = (b"", b"", b"==", b"=")
_LAST_LETTERS = (frozenset(_BASE64URL), frozenset[int](), frozenset(_BASE64URL[::16]), frozenset(_BASE64URL[::4]))
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# An unterminated string is matched to the end: retrying at each quotation mark would take quadratic time.
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


@dataclass(slots=True, repr=False, eq=False)
class Token:
    """The parts of a token: its claims, and the bytes that its signature is over. Its repr shows none of them."""

    kid: str
    algorithm: str
    issuer: str
    claims: dict[str, Any]
    signed: bytes
    signature: bytes
    type: object = None
    """What stands as ``typ`` in the header, whatever it is."""

    def __repr__(self) -> str:
        return "<Token, not verified>"


def is_stripped(text: str) -> bool:
    """Whether Google's front door removed this token's signature: then it proves nothing by itself."""
    return text.endswith(_STRIPPED_ENDING)


def parse(text: str, longest: int = LONGEST_TOKEN) -> Token:
    """Parse a token.

    Raises `Unauthenticated`: over ``longest`` bytes; not three parts of canonical unpadded base64url; header or claims
    not one JSON object each in UTF-8, without duplicate members (RFC 7515 section 4, RFC 7519 section 4), NaN,
    infinities, NUL, lone surrogates (RFC 7493 section 2.1) or deep nesting; ``crit`` or ``b64`` present (RFC 7515
    section 4.1.11, RFC 7797: we understand no extension); no signature; no ``alg``, ``kid`` or ``iss`` in text form.
    """
    _check_length(text, longest)
    if is_stripped(text):
        raise Unauthenticated(
            Reason.SIGNATURE_REMOVED,
            "expected a signed token, got one whose signature was removed by Google's front door",
            remedy="Cloud Run strips tokens minted by gcloud (and all in X-Serverless-Authorization); call with a "
            "token of a service account minted for this service's audience, or send the user's own token in "
            "Authorization",
        )
    signed, header, payload, signature = _split(text)
    if not signature and _object(_decoded(header), "header"):
        raise Unauthenticated(
            Reason.UNSIGNED,
            "expected a signed token, got one without a signature",
            remedy="the Firebase Auth emulator's tokens are unsigned and prove nothing: in tests sign with "
            "LocalIssuer; on a developer's machine believe them by firebase(..., emulator='127.0.0.1:9099')",
        )
    kid, algorithm, kind = _header(header)
    claims = _object(_decoded(payload), "claims")
    return Token(kid, algorithm, _text(claims, "iss", "claims"), claims, signed, _decoded(signature), kind)


def parse_stripped(text: str, longest: int = LONGEST_TOKEN) -> Token:
    """Parse a token whose signature Cloud Run's front door removed, as strictly as `parse`; its signature is empty.

    It proves nothing by itself: only behind a front door that checks tokens was its signature checked.
    """
    _check_length(text, longest)
    signed, header, payload, _ = _split(text)
    kid, algorithm, kind = _header(header)
    claims = _object(_decoded(payload), "claims")
    return Token(kid, algorithm, _text(claims, "iss", "claims"), claims, signed, b"", kind)


def is_unsigned(text: str) -> bool:
    """Whether a token has no signature, so that anybody can have written it."""
    return text.endswith(".")


def parse_unsigned(text: str, longest: int = LONGEST_TOKEN) -> Token:
    """Parse a token of the Firebase Auth emulator, as strictly as `parse`: it has no ``kid`` and no signature.

    Its header is ``{"alg": "none", "typ": "JWT"}`` and nothing else. It proves nothing: anybody can have written it.
    """
    _check_length(text, longest)
    signed, header, payload, signature = _split(text)
    if signature or _object(_decoded(header), "header") != {"alg": "none", "typ": "JWT"}:
        raise _malformed("a token as the Firebase Auth emulator writes it", "another header, or a signature")
    claims = _object(_decoded(payload), "claims")
    return Token("", "none", _text(claims, "iss", "claims"), claims, signed, b"")


def _check_length(text: str, longest: int) -> None:
    if len(text) > longest:
        raise _malformed(f"a token of at most {longest} bytes", f"{len(text)} characters")


def _split(text: str) -> tuple[bytes, bytes, bytes, bytes]:
    """The signed bytes, the encoded header, the encoded claims and the encoded signature."""
    if not text.isascii():
        raise _malformed("three parts of canonical base64url", _shape(text))
    signed, _, signature = text.encode("ascii").rpartition(b".")
    header, dot, payload = signed.partition(b".")
    if not dot or b"." in payload:
        raise _malformed("three parts of canonical base64url", _shape(text))
    return signed, header, payload, signature


# All tokens of one key have the same header, so it is cached. (Not with cachetools, whose lock could stay held in a
# forked child.)
@lru_cache(maxsize=256)
def _header(part: bytes) -> tuple[str, str, object]:
    header = _object(_decoded(part), "header")
    if "crit" in header or "b64" in header:
        raise _malformed("a header without extensions", "crit or b64")
    return _text(header, "kid", "header"), _text(header, "alg", "header"), header.get("typ")


def _malformed(expected: str, actual: str) -> Unauthenticated:
    return Unauthenticated(Reason.MALFORMED_TOKEN, f"expected {expected}, got {actual}")


def _shape(text: str) -> str:
    for prefix, what in _OPAQUE.items():
        if text.startswith(prefix):
            return what
    dots = text.count(".")
    return f"{dots + 1} part(s)" if dots != 2 else "characters that are not canonical base64url"


_OPAQUE = {
    "ya29.": "what looks like an OAuth access token of Google, which is no ID token: send the ID token, or read access "
    "tokens by google_access_token(CLIENT_ID)",
    "1//": "what looks like an OAuth refresh token of Google, a secret that goes to Google alone: send the ID token, "
    "and have this one revoked",
    "AMf-": "what looks like a refresh token of Firebase, a secret that goes to Firebase alone: send the ID token",
}
"""Opaque tokens of Google, by their beginnings."""


def _decoded(part: bytes) -> bytes:
    """Decode canonical unpadded base64url (RFC 7515 section 2, RFC 4648 sections 3.5 and 5).

    Anything else is malformed: no two texts may encode the same bytes.
    """
    remainder = len(part) % 4
    if not part or part[-1] in _LAST_LETTERS[remainder]:
        try:
            return a2b_base64(part.translate(_TO_BASE64) + _PADDING[remainder], strict_mode=True)
        except ValueError:
            pass
    raise _malformed("three parts of canonical base64url", "characters that are not canonical base64url")


def _object(data: bytes, part: str) -> dict[str, Any]:
    if _too_deep(data):
        raise _malformed(f"a {part} nested at most {DEEPEST_NESTING} deep", "more")
    # The parser's own error holds the whole document, so it must not become the __cause__ or __context__ of ours.
    value, trouble = _json(data)
    if trouble:
        raise _malformed(f"a {part} in strict JSON", trouble)
    if not isinstance(value, dict):
        raise _malformed(f"a {part} that is a JSON object", f"a {type(value).__name__}")
    # The UTF-8 decoder and the parser refuse a NUL or a lone surrogate, unless it is written as an escape.
    if b"\\u" in data and _has_forbidden_text(value):
        raise _malformed(f"a {part} of plain text", "a NUL or a lone surrogate")
    return cast("dict[str, Any]", value)


def _json(data: bytes) -> tuple[Any, str]:
    try:
        text = data.decode("utf-8").strip(_BLANK)
        value, end = _DECODER.raw_decode(text)
        return value, "" if end == len(text) else "more text after it"
    except UnicodeDecodeError:
        return None, "bytes that are not UTF-8"
    except _NotStrict as error:
        return None, str(error)
    except (ValueError, RecursionError):
        return None, "text that is not JSON"


class _NotStrict(ValueError):
    """JSON that Python's parser accepts, but this module does not."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _NotStrict("a duplicate member")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _NotStrict("a number that is not finite")
    return number


def _no_constant(_: str) -> Any:
    raise _NotStrict("NaN or Infinity")


_BLANK = " \t\n\r"
"""White space around a JSON text (RFC 8259 section 2)."""

_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_float=_finite, parse_constant=_no_constant)


def _too_deep(data: bytes) -> bool:
    if data.count(b"{") + data.count(b"[") <= DEEPEST_NESTING:
        return False
    depth = 0
    for bracket in _BRACKETS.finditer(data):
        first = bracket[0][:1]
        if first in b"[{":
            depth += 1
            if depth > DEEPEST_NESTING:
                return True
        elif first in b"]}":
            depth -= 1
    return False


def _has_forbidden_text(value: Any) -> bool:
    return any("\0" in text or _LONE_SURROGATE.search(text) for text in _texts(value))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in _parts(value):
        yield from _texts(part)


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return [*members, *members.values()]
    return cast("Iterable[Any]", value) if isinstance(value, list) else ()


def _text(members: dict[str, Any], name: str, part: str) -> str:
    value = members.get(name)
    if type(value) is not str or not value:
        raise _malformed(f"a {part} whose {name} is text", "none" if value is None else f"a {type(value).__name__}")
    return value

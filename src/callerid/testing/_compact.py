"""Compact JWS text (RFC 7515 section 3.1) put together and taken apart, with no opinion about what is in it.

The library's own reader is strict; a test kit must also be able to write what that reader refuses, so nothing here
is shared with it.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

__all__ = ["Part", "compact", "encode", "header_and_claims", "segment"]

Part: TypeAlias = Mapping[str, Any] | str | bytes
"""A header or claims: a mapping written as JSON, or the text itself (to write what no JSON writer would)."""


def segment(data: bytes) -> str:
    """Unpadded base64url (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def encode(part: Part) -> str:
    """One part of a token: a mapping as compact JSON, text and bytes as they are."""
    if isinstance(part, Mapping):
        part = json.dumps(part, separators=(",", ":"))
    return segment(part.encode() if isinstance(part, str) else part)


def compact(header: Part, claims: Part, sign: Callable[[bytes], bytes]) -> str:
    """The whole token; ``sign`` makes the signature over the first two parts."""
    signed = f"{encode(header)}.{encode(claims)}"
    return f"{signed}.{segment(sign(signed.encode('ascii')))}"


def header_and_claims(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a token says, its signature not looked at. Raises `ValueError`, which does not quote it, for other text."""
    try:
        header, claims, _ = (token + "..").split(".", 2)
        return _object(header), _object(claims)
    except ValueError:
        raise ValueError("Expected a token minted by this issuer, got text that is not one.") from None


def _object(part: str) -> dict[str, Any]:
    value = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for every text that is no token
    return cast("dict[str, Any]", value)

"""A token taken apart without verifying anything, as far as it can be: for `callerid show` alone. Pure."""

from __future__ import annotations

import json
import math
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import Any, Final, cast

from callerid.authentication._jws import is_stripped, is_unsigned, parse, parse_stripped
from callerid.errors import Unauthenticated

__all__ = ["UnverifiedToken", "taken_apart"]

_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]*={0,2}")


@dataclass(frozen=True, slots=True, repr=False)
class UnverifiedToken:
    """What a token says, of which nothing is verified, and what is odd about its form; never its signature.

    ``header`` and ``claims`` are ``None`` where they cannot be decoded to a JSON object.
    """

    header: dict[str, Any] | None
    claims: dict[str, Any] | None
    odd: tuple[str, ...]

    def __repr__(self) -> str:
        return "<UnverifiedToken>"


def taken_apart(text: str) -> UnverifiedToken:
    """Read a token as far as it goes. Raises nothing, whatever the text is."""
    odd: list[str] = []
    parts = text.split(".")
    header = _object(parts[0], "header", odd)
    claims = _object(parts[1], "claims", odd) if len(parts) > 1 else None
    if header is not None:
        odd += _odd_header(header)
    return UnverifiedToken(header, claims, tuple(dict.fromkeys([*odd, *_refused(text)])))


def _refused(text: str) -> list[str]:
    """What a guard's strict reading says of the form."""
    if is_stripped(text):
        said = ["SIGNATURE_REMOVED_BY_GOOGLE: Cloud Run's front door took the signature; only cloud_run(...) reads it"]
        read = parse_stripped
    elif is_unsigned(text):
        return ["it has no signature: anybody can have written it"]
    else:
        said, read = [], parse
    try:
        read(text)
    except Unauthenticated as refusal:
        said.append(f"a guard refuses its form: {refusal.detail}")
    return said


def _object(part: str, name: str, odd: list[str]) -> dict[str, Any] | None:
    if not _BASE64URL.fullmatch(part):
        return None
    bare = part.rstrip("=")
    try:
        data = urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=lambda pairs: _members(pairs, name, odd),
            parse_constant=str,
            parse_float=_number,
        )
        json.dumps(value)  # a nesting that cannot be printed is not shown
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def _members(pairs: list[tuple[str, Any]], name: str, odd: list[str]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        odd.append(f"a member stands twice in the {name}: readers differ in which one they believe")
    return members


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _odd_header(header: dict[str, Any]) -> list[str]:
    algorithm = header.get("alg")
    named = [name for name in ("jku", "jwk", "x5u", "x5c") if name in header]
    return [
        *_odd_algorithm(algorithm),
        *([] if isinstance(header.get("kid"), str) else ["there is no kid: Google's tokens name the key"]),
        *(f"{name}: the token names its own key, which a guard never believes" for name in named),
        *(f"{name}: an extension, which a guard does not understand" for name in ("crit", "b64") if name in header),
    ]


def _odd_algorithm(algorithm: object) -> list[str]:
    if not isinstance(algorithm, str):
        return ["there is no alg in text form"]
    if algorithm.casefold() == "none":
        return ["alg none: it is not signed, and anybody can have written it"]
    if algorithm.upper().startswith("HS"):
        return ["alg HS...: signed with a shared secret, which no issuer of callerid uses"]
    return [] if algorithm in ("RS256", "ES256") else ["alg: issuers of callerid sign by RS256 or ES256"]

"""Typed access to the claims of a token: a claim of the wrong type refuses the token, whatever reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from callerid.callers import NO_PROFILE, Profile
from callerid.errors import Reason, Unauthenticated

__all__ = ["bad_claim", "date_claim", "object_claim", "profile", "shown", "text_claim", "verified_email"]

LATEST_DATE = 253_402_300_799
"""The last second of the year 9999: a date past it is a mistake or a trick, and may not fit other programs' clocks."""


def text_claim(claims: Mapping[str, Any], name: str, *, required: bool = False) -> str | None:
    """A claim that is text; ``None`` where it is absent and not ``required``. Raises `Unauthenticated`."""
    value = claims.get(name)
    if type(value) is str and (value or not required):
        return value
    if required or name in claims:
        raise bad_claim(name, "text", "none" if name not in claims else f"a {type(value).__name__}")
    return None


def object_claim(claims: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A claim that is a JSON object; an empty one where it is absent. Raises `Unauthenticated`."""
    value = claims.get(name, {})
    if not isinstance(value, dict):
        raise bad_claim(name, "an object", f"a {type(value).__name__}")
    return cast("dict[str, Any]", value)


def date_claim(claims: Mapping[str, Any], name: str) -> int | float | None:
    """A NumericDate (RFC 7519 section 2), in seconds since the epoch; ``None`` if absent. Raises `Unauthenticated`."""
    if name not in claims:
        return None
    value = claims[name]
    if type(value) not in (int, float):
        raise bad_claim(name, "a number of seconds", f"a {type(value).__name__}")
    if not 0 <= value <= LATEST_DATE:
        raise bad_claim(name, "a date from 1970 to 9999", "another")
    return value  # type: ignore[no-any-return]


def verified_email(claims: Mapping[str, Any]) -> str | None:
    """The ``email`` claim, if ``email_verified`` is true. Raises `Unauthenticated`."""
    email = text_claim(claims, "email")
    flag = claims.get("email_verified")
    if flag is not None and type(flag) is not bool:
        raise bad_claim("email_verified", "true or false", f"a {type(flag).__name__}")
    return email if email and flag is True else None


def profile(claims: Mapping[str, Any], *names: str) -> Profile:
    """What these claims say for display. A value that is no text is left out: nothing depends on it."""
    said = {name: value for name in names if type(value := claims.get(name)) is str and value}
    return Profile(said.get("name"), said.get("picture"), said.get("locale")) if said else NO_PROFILE


def bad_claim(name: str, expected: str, actual: str) -> Unauthenticated:
    """The refusal of a token for one of its claims."""
    return Unauthenticated(Reason.BAD_CLAIMS, f"expected {name} to be {expected}, got {actual}")


def shown(text: str | None) -> str:
    """What the bearer wrote, fit for a log: escaped and short."""
    return "none" if text is None else ascii(text[:200])

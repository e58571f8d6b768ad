"""What a security event token of Google says. Pure.

Sources: RFC 8417 section 2.2 (the claims), Google Identity, "Protect user accounts with Cross-Account Protection".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, cast

from callerid.authentication._jws import Token
from callerid.callers import Claims
from callerid.errors import Reason, Unauthenticated
from callerid.issuers._claims import bad_claim, date_claim, object_claim, shown, text_claim
from callerid.issuers._google import GOOGLE_ISSUER

__all__ = ["ALGORITHM", "REVOKING", "EventType", "SecurityEvent", "events_of"]

ALGORITHM: Final = "RS256"

GOOGLE_NAMES: Final = frozenset({GOOGLE_ISSUER, f"{GOOGLE_ISSUER}/"})
"""How Google names itself in security events: its metadata for them has the slash, its other tokens have not."""

_TYPES: Final = "https://schemas.openid.net/secevent"


class EventType(StrEnum):
    """What happened. The last part of the event type's URI."""

    SESSIONS_REVOKED = "sessions-revoked"
    ACCOUNT_DISABLED = "account-disabled"
    ACCOUNT_ENABLED = "account-enabled"
    ACCOUNT_PURGED = "account-purged"
    """Deleted for good. It is in OpenID's RISC Profile 1.0 section 2.2, and not among those that Google lists."""
    ACCOUNT_CREDENTIAL_CHANGE_REQUIRED = "account-credential-change-required"
    VERIFICATION = "verification"
    """Nothing happened: the application asked for this event, to try its receiver."""
    TOKEN_REVOKED = "token-revoked"  # noqa: S105 - an event, not a password
    TOKENS_REVOKED = "tokens-revoked"


REVOKING: Final = frozenset(
    {
        EventType.SESSIONS_REVOKED,
        EventType.TOKENS_REVOKED,
        EventType.ACCOUNT_DISABLED,
        EventType.ACCOUNT_PURGED,
        EventType.ACCOUNT_CREDENTIAL_CHANGE_REQUIRED,
    }
)
"""After these, sessions of the account are to be ended: tokens that were issued before are refused.

Google's page asks for it at the first two, and where an account was disabled because of a hijacking. At the others it
asks for caution, and whoever signs in again has a later token. A ``token-revoked`` is about one refresh token, and no
account.
"""

_OAUTH: Final = (EventType.TOKEN_REVOKED, EventType.TOKENS_REVOKED)
_KNOWN: Final = {f"{_TYPES}/{'oauth' if kind in _OAUTH else 'risc'}/event-type/{kind}": kind for kind in EventType}
_NAMES_NO_ACCOUNT: Final = frozenset({EventType.VERIFICATION, EventType.TOKEN_REVOKED})


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """One event, verified: Google's word about an account, or about a token.

    ``issuer`` and ``subject`` name the Google account, as `callerid.Caller` has them (``None`` where the event names
    none, or by ``email`` alone). ``issued_at`` is when Google made it, in seconds since the epoch. ``jti`` is the same
    in each delivery of an event. ``reason`` is why an account was disabled (``hijacking``, ``bulk-account``), ``state``
    what the application gave when it asked for a ``verification``. ``details`` is the whole event as it was sent; a
    ``token-revoked`` says there which refresh token it means. It is neither printed nor compared.
    """

    type: EventType
    issued_at: float
    jti: str
    issuer: str | None = None
    subject: str | None = None
    email: str | None = None
    reason: str | None = None
    state: str | None = None
    details: Claims = field(default_factory=Claims, repr=False, compare=False)


def events_of(token: Token, client_ids: frozenset[str], now: float, leeway: float) -> tuple[SecurityEvent, ...]:
    """The events in a token, at least one, in its order. Checks all that needs no key: the signature is not verified.

    Events of other types are ignored. Raises `Unauthenticated`: another algorithm, issuer or audience; ``iat`` or
    ``jti`` missing, a date in the future, ``exp`` (a security event has none, an ID token has); no event that is known,
    or one that is not written as Google writes it.
    """
    claims = token.claims
    if token.algorithm != ALGORITHM:
        raise Unauthenticated(Reason.WRONG_ALGORITHM, f"expected {ALGORITHM}, got {shown(token.algorithm)}")
    if token.issuer not in GOOGLE_NAMES:
        raise Unauthenticated(Reason.UNKNOWN_ISSUER, f"expected {GOOGLE_ISSUER}, got {shown(token.issuer)}")
    _check_audience(claims, client_ids)
    issued_at = _check_dates(claims, now, leeway)
    jti = text_claim(claims, "jti", required=True) or ""
    events = object_claim(claims, "events")
    found = [(_KNOWN[uri], object_claim(events, uri)) for uri in events if uri in _KNOWN]
    if not found:
        raise bad_claim("events", "events that Google sends", f"{len(events)} others")
    return tuple(_event(kind, event, issued_at, jti) for kind, event in found)


def _check_audience(claims: Mapping[str, Any], client_ids: frozenset[str]) -> None:
    named = claims.get("aud")
    audiences = cast("list[object]", named if type(named) is list else [named])
    if not all(type(each) is str for each in audiences):
        raise bad_claim("aud", "text, or a list of texts", "none" if named is None else "another")
    if client_ids.isdisjoint(cast("list[str]", audiences)):
        came = ", ".join(map(shown, cast("list[str]", audiences[:3])))
        raise Unauthenticated(Reason.WRONG_AUDIENCE, f"expected {', '.join(sorted(client_ids)):.400}, got {came}")


def _check_dates(claims: Mapping[str, Any], now: float, leeway: float) -> float:
    if "exp" in claims:
        raise bad_claim("exp", "absent, as in a security event", "a token of another kind")
    issued_at = date_claim(claims, "iat")
    if issued_at is None:
        raise bad_claim("iat", "a date", "none")
    latest = max(issued_at, date_claim(claims, "nbf") or 0)
    if latest > now + leeway:
        raise Unauthenticated(Reason.NOT_YET_VALID, f"it begins {latest - now:.0f} s from now, leeway {leeway:g} s")
    return float(issued_at)


def _event(kind: EventType, event: Mapping[str, Any], issued_at: float, jti: str) -> SecurityEvent:
    about = object_claim(event, "subject")
    subject, email = text_claim(about, "sub"), text_claim(about, "email")
    if subject is not None and text_claim(about, "iss") not in GOOGLE_NAMES:
        raise bad_claim("subject", "an account of Google", "another's")
    if not (subject or email or kind in _NAMES_NO_ACCOUNT):
        raise bad_claim("subject", "an account", "none")
    return SecurityEvent(
        kind,
        issued_at,
        jti,
        issuer=GOOGLE_ISSUER if subject else None,
        subject=subject or None,
        email=email or None,
        reason=text_claim(event, "reason"),
        state=text_claim(event, "state"),
        details=Claims(event),
    )

"""From a token, its issuer, a key and the time to a verified `Caller`: pure.

What a claim says is a fact only if its issuer vouches for it; the rest is the bearer's own writing and is left behind.
"""

from __future__ import annotations

from typing import Any, cast

from callerid.callers import FIREBASE, FIREBASE_CLAIMS, GOOGLE, Caller, Claims, ComputeEngine, FirebaseFacts
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import Issuer
from callerid.keys import Key
from callerid.tokens import Token

__all__ = ["check_audience", "check_claims", "check_signature", "check_time", "valid_from", "verified"]

_BEGINNINGS = ("iat", "nbf", "auth_time")

LATEST_DATE = 253_402_300_799
"""The last second of the year 9999: a date past it is a mistake or a trick, and may not fit other programs' clocks."""

GCLOUD_CLIENT = "32555940559.apps.googleusercontent.com"


def check_claims(token: Token, issuer: Issuer, now: float, leeway: float) -> None:
    """All that can be judged before the signature, so that hopeless tokens cost neither a key nor a fetch.

    Raises `Unauthenticated`: another algorithm than the issuer's (RFC 8725 section 3.1), claims of the wrong type, out
    of their time (see `check_time`), or an audience that the issuer fixes and the token does not have.
    """
    if token.algorithm != issuer.algorithm:
        raise Unauthenticated(Reason.WRONG_ALGORITHM, f"expected {issuer.algorithm}, got {_shown(token.algorithm)}")
    subject = _text(token.claims, "sub", required=True)
    longest = 128 if issuer.kind is FIREBASE else 255
    if subject is None or len(subject) > longest:
        raise _bad_claim("sub", f"1 to {longest} characters", f"{len(subject or '')}")
    audience = _text(token.claims, "aud", required=True)
    check_time(token.claims, now, leeway)
    if issuer.fixed_audience:
        check_audience(audience, issuer.audiences)


def check_time(claims: dict[str, Any], now: float, leeway: float) -> None:
    """Dates are numbers (RFC 7519 section 2); ``exp`` and ``iat`` are required, ``nbf`` and ``auth_time`` honoured.

    A token holds while ``now < exp + leeway``. Raises `Unauthenticated`.
    """
    expires_at = _date(claims, "exp")
    if expires_at is None or "iat" not in claims:
        raise _bad_claim("exp" if expires_at is None else "iat", "a date", "none")
    if now >= expires_at + leeway:
        raise Unauthenticated(Reason.EXPIRED, f"expired {now - expires_at:.0f} s ago, leeway {leeway:g} s")
    for name in _BEGINNINGS:
        date = _date(claims, name)
        if date is not None and date > now + leeway:
            raise Unauthenticated(
                Reason.NOT_YET_VALID,
                f"{name} is {date - now:.0f} s from now, leeway {leeway:g} s",
                mend="if the caller is honest, one of the two clocks is wrong",
            )


def valid_from(claims: dict[str, Any]) -> float:
    """The latest of the dates before which a token does not hold, in seconds since the epoch, once checked."""
    return max(float(claims[name]) for name in _BEGINNINGS if name in claims)


def check_signature(token: Token, key: Key) -> None:
    """The signature, by the key that the issuer publishes under the token's ``kid``. Raises `Unauthenticated`."""
    if not key.verify(token.signed, token.signature):
        raise Unauthenticated(Reason.BAD_SIGNATURE, f"not signed by the issuer's key {_shown(token.kid)}")


def check_audience(audience: str | None, accepted: frozenset[str]) -> None:
    """Whether the token was minted for us. Raises `Unauthenticated`: another audience's token is not meant for us."""
    if audience in accepted:
        return
    mend = "mint the token for an accepted audience, or name this one where the guard is made"
    if audience == GCLOUD_CLIENT:
        mend = "this is gcloud's own client: with a service account, pass gcloud --audiences=..."
    expected = ", ".join(sorted(accepted))
    raise Unauthenticated(Reason.WRONG_AUDIENCE, f"expected {expected:.400}, got {_shown(audience)}", mend=mend)


def verified(token: Token, issuer: Issuer) -> Caller:
    """The caller that a token names, once `check_claims` and `check_signature` have passed.

    Raises `Unauthenticated` for a claim of the wrong type.
    """
    return (_firebase_caller if issuer.kind is FIREBASE else _google_caller)(token.claims, issuer)


def _google_caller(claims: dict[str, Any], issuer: Issuer) -> Caller:
    subject, authorized_party = claims["sub"], _text(claims, "azp")
    if not (subject.isascii() and subject.isprintable()):
        raise _bad_claim("sub", "printable ASCII (OpenID Connect Core section 2)", "other letters")
    email, domain = _verified_email(claims), _text(claims, "hd")
    # A token minted without includeEmail has no address; then azp, a client id for people, is the account's own id.
    service = _is_service_address(email) or _is_service_address(authorized_party) or authorized_party == subject
    return Caller(
        kind=GOOGLE,
        issuer=issuer.name,
        subject=subject,
        audience=claims["aud"],
        issued_at=float(claims["iat"]),
        expires_at=float(claims["exp"]),
        email=email,
        domain=None if service else domain or None,
        is_service_account=service,
        compute_engine=_compute_engine(claims) if service else None,
    )


def _firebase_caller(claims: dict[str, Any], issuer: Issuer) -> Caller:
    about = _object(claims, "firebase")
    provider = _text(about, "sign_in_provider") or _text(claims, "provider_id") or None
    signed_in_at = _date(claims, "auth_time")
    return Caller(
        kind=FIREBASE,
        issuer=issuer.name,
        subject=claims["sub"],
        audience=claims["aud"],
        issued_at=float(claims["iat"]),
        expires_at=float(claims["exp"]),
        email=_verified_email(claims),
        firebase=FirebaseFacts(
            project=issuer.project or "",
            uid=claims["sub"],
            provider=provider,
            tenant=_text(about, "tenant") or None,
            second_factor=_text(about, "sign_in_second_factor") or None,
            signed_in_at=None if signed_in_at is None else float(signed_in_at),
            phone=_text(claims, "phone_number") or None,
            claims=Claims({name: value for name, value in claims.items() if name not in FIREBASE_CLAIMS}),
        ),
    )


def _verified_email(claims: dict[str, Any]) -> str | None:
    email = _text(claims, "email")
    verified_flag = claims.get("email_verified")
    if verified_flag is not None and type(verified_flag) is not bool:
        raise _bad_claim("email_verified", "true or false", f"a {type(verified_flag).__name__}")
    return email if email and verified_flag is True else None


def _is_service_address(email: str | None) -> bool:
    return email is not None and email.isascii() and "@" in email and email.lower().endswith(".gserviceaccount.com")


def _compute_engine(claims: dict[str, Any]) -> ComputeEngine | None:
    machine = _object(_object(claims, "google"), "compute_engine")
    if not machine:
        return None
    number = machine.get("project_number")
    return ComputeEngine(
        project_id=_text(machine, "project_id"),
        project_number=number if type(number) is int else None,
        zone=_text(machine, "zone"),
        instance_id=_text(machine, "instance_id"),
        instance_name=_text(machine, "instance_name"),
    )


def _text(claims: dict[str, Any], name: str, *, required: bool = False) -> str | None:
    value = claims.get(name)
    if value is None and name not in claims and not required:
        return None
    if type(value) is not str or (required and not value):
        raise _bad_claim(name, "text", "none" if name not in claims else f"a {type(value).__name__}")
    return value


def _object(claims: dict[str, Any], name: str) -> dict[str, Any]:
    value = claims.get(name, {})
    if not isinstance(value, dict):
        raise _bad_claim(name, "an object", f"a {type(value).__name__}")
    return cast("dict[str, Any]", value)


def _date(claims: dict[str, Any], name: str) -> int | float | None:
    if name not in claims:
        return None
    value = claims[name]
    if type(value) not in (int, float):
        raise _bad_claim(name, "a number of seconds", f"a {type(value).__name__}")
    if not 0 <= value <= LATEST_DATE:
        raise _bad_claim(name, "a date before the year 10000", "another")
    return value  # type: ignore[no-any-return]


def _bad_claim(name: str, expected: str, actual: str) -> Unauthenticated:
    return Unauthenticated(Reason.BAD_CLAIMS, f"expected {name} to be {expected}, got {actual}")


def _shown(text: str | None) -> str:
    """What the bearer wrote, fit for a log: escaped and short."""
    return "none" if text is None else ascii(text[:200])

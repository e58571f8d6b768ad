"""Checks that apply to the tokens of every issuer: algorithm, subject, times and audience. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from hmac import compare_digest
from typing import Any, Final, Literal, TypeAlias, cast

from callerid.authentication._jws import Token
from callerid.authentication._look_alikes import check_kind, look_alike
from callerid.errors import ConfigurationError, Reason, Unauthenticated
from callerid.issuers import GCLOUD_CLIENT, Issuer
from callerid.issuers._claims import bad_claim, date_claim, shown, text_claim

__all__ = [
    "UNCHECKED",
    "ExpectedNonce",
    "check_audience",
    "check_claims",
    "check_content",
    "check_nonce",
    "check_time",
]

_BEGINNINGS: Final = ("iat", "nbf", "auth_time")


def check_claims(token: Token, issuer: Issuer, now: float, leeway: float) -> float:
    """All checks that need no key, made before the signature's, so that a bad token causes no key fetch.

    Returns when the token begins to hold: see `check_time`.

    Raises `Unauthenticated`: another algorithm than the issuer's (RFC 8725 section 3.1), and as `check_content`.
    """
    if token.algorithm != issuer.algorithm:
        raise Unauthenticated(Reason.WRONG_ALGORITHM, f"expected {issuer.algorithm}, got {shown(token.algorithm)}")
    if issuer.token_type and token.type != issuer.token_type:
        raise bad_claim("typ", issuer.token_type, "none" if token.type is None else "another")
    return check_content(token.claims, issuer, now, leeway)


def check_content(claims: Mapping[str, Any], issuer: Issuer, now: float, leeway: float) -> float:
    """The same checks of the claims alone, whoever signed them.

    Raises `Unauthenticated`: claims of the wrong type, out of their time (see `check_time`), or an audience that the
    issuer fixes and the token does not have.
    """
    check_kind(claims, issuer)
    subject = text_claim(claims, "sub", required=issuer.requires_subject)
    if subject is not None and len(subject) > issuer.longest_subject:
        raise bad_claim("sub", f"1 to {issuer.longest_subject} characters", f"{len(subject)}")
    audience = _audience(claims, issuer)
    begins_at = check_time(claims, now, leeway)
    if issuer.lifetimes is not None:
        _check_lifetime(claims, issuer.lifetimes, leeway)
    if issuer.fixed_audience:
        check_audience(audience, issuer.audiences, look_alike(claims))
    return begins_at


def _audience(claims: Mapping[str, Any], issuer: Issuer) -> str:
    """The audience that is judged: of several the first that the issuer accepts, if it lists them."""
    is_list = type(claims.get("aud")) is list
    if not issuer.lists_audiences and not (issuer.may_list_audiences and is_list):
        return text_claim(claims, "aud", required=True) or ""
    listed = cast("list[Any]", claims["aud"]) if is_list else []
    if not listed or not all(type(each) is str and each for each in listed):
        raise bad_claim("aud", "a list of texts", f"a {type(claims.get('aud')).__name__}")
    audiences = cast("list[str]", listed)
    return next((each for each in audiences if each in issuer.audiences), audiences[0])


class Nonce(Enum):
    """What stands for a ``nonce`` that nobody asks for; ``None`` is one that nobody remembers, and refuses."""

    UNCHECKED = "unchecked"


UNCHECKED: Final = Nonce.UNCHECKED
ExpectedNonce: TypeAlias = str | Literal[Nonce.UNCHECKED] | None
"""What a caller of `verify` expects: a text, or else what their own look-up of it has come to."""


def check_nonce(claims: Mapping[str, Any], nonce: str | None) -> None:
    """Check the ``nonce`` of a token, in constant time. Raises `Unauthenticated`, for ``None`` in any case."""
    if not isinstance(nonce, str | None):
        raise ConfigurationError(
            f"nonce= is the text that the token must have, not a {type(nonce).__name__}", code="nonce"
        )
    came, expected = claims.get("nonce"), (nonce or "").encode("utf-8", "surrogatepass")
    if type(came) is not str or not expected or not compare_digest(came.encode(), expected):
        raise bad_claim("nonce", "the one that was asked for", "none" if came is None else "another")


def _check_lifetime(claims: Mapping[str, Any], lifetimes: tuple[int, int], leeway: float) -> None:
    shortest, longest = lifetimes
    lifetime = claims["exp"] - claims["iat"]
    if not shortest <= lifetime <= longest + 2 * leeway:
        raise bad_claim("exp", f"{shortest} to {longest} s after iat", f"{lifetime:.0f} s")


def check_time(claims: Mapping[str, Any], now: float, leeway: float) -> float:
    """Dates are numbers (RFC 7519 section 2); ``exp`` and ``iat`` are required, ``nbf`` and ``auth_time`` honoured.

    A token holds while ``now < exp + leeway``, and from the latest of the other dates less the leeway on. Returns that
    latest date, in seconds since the epoch. Raises `Unauthenticated`.
    """
    expires_at = date_claim(claims, "exp")
    if expires_at is None or "iat" not in claims:
        raise bad_claim("exp" if expires_at is None else "iat", "a date", "none")
    if now >= expires_at + leeway:
        raise Unauthenticated(Reason.EXPIRED, f"expired {now - expires_at:.0f} s ago, leeway {leeway:g} s")
    begins_at = -math.inf
    for name in _BEGINNINGS:
        date = date_claim(claims, name)
        if date is not None and date > begins_at:
            if date > now + leeway:
                raise Unauthenticated(
                    Reason.NOT_YET_VALID,
                    f"{name} is {date - now:.0f} s from now, leeway {leeway:g} s",
                    remedy="compare the clock of this machine with the one that dated the token",
                )
            begins_at = float(date)
    return begins_at


def check_audience(audience: str | None, accepted: frozenset[str], what: str = "") -> None:
    """Whether the token was minted for us. Raises `Unauthenticated`: another audience's token is not meant for us.

    ``what`` says what it is, where it looks like a token of another kind.
    """
    if audience in accepted:
        return
    remedy = _MINT_FOR_GCLOUD if audience == GCLOUD_CLIENT else _MINT
    if audience is not None and audience.startswith("/projects/"):
        remedy = _OTHER_BACKEND
    came = f"{shown(audience)}: {what}" if what else shown(audience)
    expected = ", ".join(sorted(accepted))
    raise Unauthenticated(Reason.WRONG_AUDIENCE, f"expected {expected:.400}, got {came}", remedy="" if what else remedy)


_MINT: Final = (
    "mint the token for an accepted audience; accept this one, too, only if it is yours: anybody can have tokens "
    "minted for any audience"
)
_OTHER_BACKEND: Final = (
    "IAP made this for another backend: accept its audience, too, only if that backend leads here, as the backend "
    "service of a load balancer does before Cloud Run"
)
_MINT_FOR_GCLOUD: Final = (
    "this is gcloud's own client id: name the audience with gcloud auth print-identity-token --audiences=AUDIENCE "
    "--impersonate-service-account=ACCOUNT, or accept people's by google(..., gcloud=True) where rules name no audience"
)

"""Self-signed tokens of one service account. Source: Google Cloud, "Service account credentials", `signJwt`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self
from urllib.parse import urlsplit

from callerid.callers import GOOGLE, Caller, Kind
from callerid.errors import ConfigurationError
from callerid.issuers._claims import bad_claim, shown
from callerid.issuers._issuer import Issuer, asking, audience_set
from callerid.keys import AnySource, key_source

__all__ = ["SERVICE_ADDRESS", "ServiceAccountIssuer", "account_caller", "service_account"]

MOST_LIFETIME: Final = 43_200
"""Seconds: `signJwt` of the IAM Service Account Credentials API signs for up to twelve hours."""

_KEYS: Final = "https://www.googleapis.com/robot/v1/metadata/x509/"

SERVICE_ADDRESS: Final = re.compile(r"[a-z0-9][a-z0-9._-]*@([a-z0-9][a-z0-9-]*\.)+gserviceaccount\.com")


@dataclass(frozen=True, slots=True)
class ServiceAccountIssuer(Issuer):
    """One service account, by the tokens that it signs itself."""

    longest_lifetime: int = 3600
    """The longest time from ``iat`` to ``exp``, in seconds."""

    credential: ClassVar[str] = "self-signed token"
    kind: ClassVar[Kind] = GOOGLE

    @property
    def account(self) -> str:
        """The account's e-mail address."""
        return self.name

    @property
    def settings(self) -> Mapping[str, frozenset[str]]:
        """The audiences and the longest lifetime."""
        return {"audience": self.audiences, "lifetime": frozenset({str(self.longest_lifetime)})}

    def with_settings(self, settings: Mapping[str, frozenset[str]]) -> Self:
        """See `Issuer.with_settings`; a lifetime that is not one number believes no token."""
        lifetimes = settings["lifetime"]
        known = int(*lifetimes) if len(lifetimes) == 1 and all(map(str.isdecimal, lifetimes)) else 0
        return replace(self, audiences=settings["audience"], longest_lifetime=known)

    def narrowed(self, other: Issuer) -> Self:
        """See `Issuer.narrowed`: the shorter lifetime counts."""
        lifetimes = (each.longest_lifetime for each in (self, other) if isinstance(each, ServiceAccountIssuer))
        return replace(self, audiences=self.audiences & other.audiences, longest_lifetime=min(lifetimes))

    def covers(self, other: Issuer) -> bool:
        """See `Issuer.covers`: one that believes longer-lived tokens covers one that does not."""
        return isinstance(other, ServiceAccountIssuer) and self.longest_lifetime >= other.longest_lifetime

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """The account itself, whatever else it wrote."""
        if claims["sub"] != self.account:
            raise bad_claim("sub", f"{self.account}, as iss is", shown(claims["sub"]))
        lifetime = claims["exp"] - claims["iat"]
        if lifetime > self.longest_lifetime:
            raise bad_claim(
                "exp",
                f"at most {self.longest_lifetime} s after iat (sign for less, or set longest_lifetime=)",
                f"{lifetime:.0f} s",
            )
        return account_caller(self, self.account, claims)


def service_account(
    email: str, *audiences: str, longest_lifetime: int = 3600, keys: str | AnySource | None = None
) -> ServiceAccountIssuer:
    """Tokens that this service account signed itself, with a key file or by `signJwt`, for one of these audiences.

    RS256, ``iss`` and ``sub`` both the account's address, ``aud`` one of the audiences. The account speaks for itself
    alone: no other claim of such a token is believed. Rules know it as ``ServiceAccount(email)``. ``audience=`` beside
    a rule admits those of these audiences that it names, and no others.

    Whoever holds the key chooses ``exp``, so tokens that live longer than ``longest_lifetime`` seconds (at most 43,200)
    are refused. ``keys`` is a URL or a key source (default: the account's public keys at Google).

    Raises `ConfigurationError` for what is no service account's address, and for an audience of Google's own: a
    Firebase custom token, say, is signed by a service account and handed to its user. Sources: Google Cloud, "Method:
    serviceAccounts.signJwt"; Google Cloud Endpoints, "Authentication between services".
    """
    if not isinstance(email, str) or SERVICE_ADDRESS.fullmatch(email) is None:
        raise ConfigurationError(
            f"service_account(...) takes the address of a service account in lower case, such as "
            f"'robot@shop-prod.iam.gserviceaccount.com', not {email!r}{asking(email)}",
            code="service-account-issuer",
        )
    if type(longest_lifetime) is not int or not 1 <= longest_lifetime <= MOST_LIFETIME:
        raise ConfigurationError(
            f"longest_lifetime is 1 to {MOST_LIFETIME} seconds (twelve hours), not {longest_lifetime!r}",
            code="service-account-issuer",
        )
    named = audience_set(audiences, "service_account(...) accepts tokens signed for your own audiences only")
    for audience in sorted(named):
        if _is_googles(audience):
            raise ConfigurationError(
                f"{audience!r} is an audience of Google's own: name your service's, such as 'https://orders.example.com'",
                code="service-account-issuer",
            )
    return ServiceAccountIssuer(
        name=email,
        accepted_iss=frozenset({email}),
        audiences=named,
        keys=key_source(f"{_KEYS}{email}" if keys is None else keys),
        longest_lifetime=longest_lifetime,
    )


def account_caller(issuer: Issuer, account: str, claims: Mapping[str, Any]) -> Caller:
    """The service account that an issuer speaks for: its address and the times of the token, and no other claim."""
    return Caller(
        kind=GOOGLE,
        issuer=issuer.name,
        subject=account,
        audience=claims["aud"],
        issued_at=float(claims["iat"]),
        expires_at=float(claims["exp"]),
        email=account,
        is_service_account=True,
    )


def _is_googles(audience: str) -> bool:
    host = urlsplit(audience).hostname or ""
    return host == "googleapis.com" or host.endswith(".googleapis.com")

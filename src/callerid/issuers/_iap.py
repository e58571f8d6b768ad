"""Assertions of Identity-Aware Proxy. Source: IAP, "Securing your app with signed headers"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from callerid.callers import FIREBASE, GOOGLE, Caller, Kind
from callerid.errors import ConfigurationError, Reason, Unauthenticated
from callerid.issuers._claims import bad_claim, object_claim, shown, text_claim
from callerid.issuers._firebase import firebase_caller, project_id, tenant_set
from callerid.issuers._google import is_service_address
from callerid.issuers._issuer import IAP_ASSERTION, CredentialLocation, Issuer, audience_set
from callerid.keys import AnySource, key_source

__all__ = ["IAP_ISSUER", "IAP_KEYS", "IapExternalIssuer", "IapIssuer", "iap"]

IAP_KEYS: Final = "https://www.gstatic.com/iap/verify/public_key"

IAP_ISSUER: Final = "https://cloud.google.com/iap"
_GOOGLE_PREFIX: Final = "accounts.google.com:"
_LIFETIMES: Final = (0, 10 * 60)

_AUDIENCE: Final = re.compile(
    "/projects/[0-9]+/(?:apps/[^/]+|global/backendServices/[0-9]+|locations/[^/]+/services/[^/]+)"
)
"""App Engine, a load balancer's backend service, and Cloud Run without one."""


@dataclass(frozen=True, slots=True)
class IapIssuer(Issuer):
    """Identity-Aware Proxy, before people and service accounts with Google accounts."""

    credential: ClassVar[str] = "IAP"
    kind: ClassVar[Kind] = GOOGLE
    ignores_named_audience: ClassVar[bool] = True
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (IAP_ASSERTION,)
    lifetimes: ClassVar[tuple[int, int] | None] = _LIFETIMES
    signer: ClassVar[str] = "iap"

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """A person or a service account. IAP vouches for the e-mail as it stands: there is no ``email_verified``."""
        if claims.get("identity_source") == "GCIP" or "gcip" in claims:
            raise Unauthenticated(
                Reason.BAD_CLAIMS,
                "expected a Google account, got an external identity (identity_source GCIP)",
                remedy="name the Firebase project whose users IAP lets in: iap(..., external='PROJECT')",
            )
        subject, email, domain = claims["sub"], text_claim(claims, "email"), text_claim(claims, "hd")
        account = subject.removeprefix(_GOOGLE_PREFIX)
        if account == subject or not (account.isascii() and account.isprintable() and account):
            raise bad_claim("sub", f"{_GOOGLE_PREFIX} and an account's id", shown(subject))
        is_service = is_service_address(email)
        return Caller(
            kind=GOOGLE,
            issuer=self.name,
            subject=account,
            audience=claims["aud"],
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
            email=email or None,
            domain=None if is_service else domain or None,
            is_service_account=is_service,
        )


@dataclass(frozen=True, slots=True)
class IapExternalIssuer(Issuer):
    """Identity-Aware Proxy, before the users of a Firebase (Identity Platform) project: external identities."""

    external: str = ""

    credential: ClassVar[str] = "IAP"
    kind: ClassVar[Kind] = FIREBASE
    ignores_named_audience: ClassVar[bool] = True
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (IAP_ASSERTION,)
    lifetimes: ClassVar[tuple[int, int] | None] = _LIFETIMES
    signer: ClassVar[str] = "iap"

    @property
    def project(self) -> str:
        """The id of the project whose users are let in."""
        return self.external

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """A Firebase user, by the claims of the ID token with which they signed in, which IAP vouches for."""
        if claims.get("identity_source") != "GCIP":
            raise Unauthenticated(
                Reason.BAD_CLAIMS,
                f"expected an external identity of {self.external} (identity_source GCIP), got another",
                remedy="people with Google accounts are read by iap(...) without external=",
            )
        user = object_claim(claims, "gcip")
        uid = text_claim(user, "sub", required=True) or ""
        if len(uid) > _LONGEST_UID:
            raise bad_claim("gcip.sub", f"1 to {_LONGEST_UID} characters", f"{len(uid)}")
        tenant = text_claim(object_claim(user, "firebase"), "tenant")
        # The whole subject says whose user it is: gcip alone could be of any project.
        path = f"securetoken.google.com/{self.external}" + (f"/{tenant}" if tenant else "")
        if claims["sub"] != f"{path}:{uid}":
            raise bad_claim("sub", f"{path}:{uid}", shown(claims["sub"]))
        return firebase_caller(self, claims, user)


_LONGEST_UID: Final = 128


def iap(
    *audiences: str, external: str | None = None, tenants: Iterable[str] = (), keys: str | AnySource = IAP_KEYS
) -> Issuer:
    """What Identity-Aware Proxy asserts about who is calling, in ``X-Goog-IAP-JWT-Assertion``.

    Each audience is a backend behind IAP: ``/projects/NUMBER/apps/PROJECT_ID`` (App Engine),
    ``/projects/NUMBER/global/backendServices/ID`` (a load balancer's backend service) or
    ``/projects/NUMBER/locations/REGION/services/NAME`` (Cloud Run). Assertions hold for ten minutes. The headers
    ``X-Goog-Authenticated-User-*`` are not signed, and never read.

    Callers are Google accounts. With ``external``, the id of a Firebase (Identity Platform) project, they are that
    project's users, who sign in to IAP by external identities, and no Google account is let in; ``tenants`` are as for
    `firebase`.

    The assertion comes of a cookie that browsers send unasked. So a request that may change something, and the
    handshake of a WebSocket, has to come from the application's own pages (see ``trusted_origins`` of the guard). A
    WebSocket ends with its assertion, unless it may outlive it (`callerid.asgi.WebSockets`).

    If the guard reads ``Authorization``, a token there goes before the assertion, which is not read then: programs that
    sign in to IAP do so in ``Proxy-Authorization``.

    Source: IAP, "Securing your app with signed headers", "External identities". Raises `ConfigurationError`.
    """
    accepted = audience_set(
        audiences, "iap(...) accepts assertions for your own backends only", example="/projects/NUMBER/apps/PROJECT_ID"
    )
    for audience in sorted(accepted):
        if not _AUDIENCE.fullmatch(audience):
            raise ConfigurationError(
                f"{audience!r} is no audience of IAP: write /projects/NUMBER/apps/PROJECT_ID, "
                "/projects/NUMBER/global/backendServices/ID or /projects/NUMBER/locations/REGION/services/NAME",
                code="iap",
            )
    source, accepted_iss = key_source(keys), frozenset({IAP_ISSUER})
    named = tenant_set(tenants)
    if external is None:
        if named:
            raise ConfigurationError(
                "iap(..., tenants=...) are tenants of the project in external=: name that, too", code="iap"
            )
        return IapIssuer(IAP_ISSUER, accepted_iss, accepted, source, "ES256", (IAP_ASSERTION,))
    project = project_id(external, "iap(..., external=...)")
    return IapExternalIssuer(IAP_ISSUER, accepted_iss, accepted, source, "ES256", (IAP_ASSERTION,), named, project)

"""Google ID tokens (OIDC): people and service accounts. Source: Google Identity, "OpenID Connect"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from callerid.callers import GOOGLE, Caller, ComputeEngine, Kind
from callerid.errors import ConfigurationError, Reason, Unauthenticated
from callerid.issuers._claims import bad_claim, object_claim, profile, shown, text_claim, verified_email
from callerid.issuers._issuer import (
    AUTHORIZATION,
    GCLOUD_CLIENT,
    SERVERLESS_AUTHORIZATION,
    CredentialLocation,
    Issuer,
    audience_set,
)
from callerid.keys import AnySource, key_source

__all__ = [
    "GOOGLE_ISS",
    "GOOGLE_ISSUER",
    "GOOGLE_KEYS",
    "GoogleIssuer",
    "google",
    "google_audiences",
    "google_caller",
    "is_service_address",
]

GOOGLE_ISSUER: Final = "https://accounts.google.com"
GOOGLE_ISS: Final = frozenset({GOOGLE_ISSUER, "accounts.google.com"})
"""How Google writes that in its tokens."""
GOOGLE_KEYS: Final = "https://www.googleapis.com/oauth2/v1/certs"


@dataclass(frozen=True, slots=True)
class GoogleIssuer(Issuer):
    """Google Accounts."""

    credential: ClassVar[str] = "Google ID token"
    kind: ClassVar[Kind] = GOOGLE
    signer: ClassVar[str] = "google"
    fixed_audience: ClassVar[bool] = False
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (AUTHORIZATION, SERVERLESS_AUTHORIZATION)

    @property
    def people_only(self) -> frozenset[str]:
        """The client id of gcloud, where it is accepted: by default, any project's service accounts get it, too."""
        return self.audiences & {GCLOUD_CLIENT}

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """A person or a service account; e-mail if verified, ``hd`` as domain for people."""
        return google_caller(self, claims)


def google_caller(issuer: Issuer, claims: Mapping[str, Any]) -> Caller:
    """The Google account that the claims of an ID token name. Raises `Unauthenticated`."""
    subject, authorized_party = claims["sub"], text_claim(claims, "azp")
    if not (subject.isascii() and subject.isprintable()):
        raise bad_claim("sub", "printable ASCII (OpenID Connect Core section 2)", "other characters")
    email, domain = verified_email(claims), text_claim(claims, "hd")
    # A token minted without includeEmail has no address; then azp, a client id for people, is the account's own id.
    is_service = is_service_address(email) or is_service_address(authorized_party) or authorized_party == subject
    if claims["aud"] in issuer.people_only:
        _check_person(email, authorized_party, is_service=is_service)
    return Caller(
        kind=GOOGLE,
        issuer=issuer.name,
        subject=subject,
        audience=claims["aud"],
        issued_at=float(claims["iat"]),
        expires_at=float(claims["exp"]),
        email=email,
        domain=None if is_service else domain or None,
        is_service_account=is_service,
        compute_engine=_compute_engine(claims) if is_service else None,
        has_unverified_email=email is None and bool(claims.get("email")),
        authorized_party=authorized_party or None,
        profile=profile(claims, "name", "picture", "locale"),
    )


def google(*audiences: str, gcloud: bool = False, keys: str | AnySource = GOOGLE_KEYS) -> GoogleIssuer:
    """Google ID tokens (OIDC) of people and service accounts, minted for one of these audiences.

    Services mint tokens for the URL they call; people get them for an OAuth client id, which ends in
    ``.apps.googleusercontent.com``, and cannot get one for a URL. A right audience is no permission: whoever mints the
    token chooses it.

    Reads ``Authorization`` as the caller and ``X-Serverless-Authorization`` as the service that carried the call.
    With ``gcloud=True`` developers' tokens of ``gcloud auth print-identity-token`` are accepted, too, wherever no rule
    names audiences. They all have the audience 32555940559.apps.googleusercontent.com, so whatever server a developer
    sends one to can use it here until it expires: for services that developers call, and not where much is at stake.
    They are believed of people only, whom ``azp`` (that client) and a verified address show: service accounts of any
    project get the same audience by default, and are refused.

    ``keys`` is a URL (https, or http on loopback) or a key source. Source: Google Identity, "OpenID Connect".
    """
    return GoogleIssuer(
        name=GOOGLE_ISSUER,
        accepted_iss=GOOGLE_ISS,
        audiences=google_audiences(audiences, "google(...) accepts tokens minted for your own audiences only", gcloud),
        keys=key_source(keys),
        locations=GoogleIssuer.usual_locations,
    )


def google_audiences(audiences: tuple[object, ...], why: str, gcloud: object) -> frozenset[str]:
    """The audiences as a set, with gcloud's if it is accepted. Raises `ConfigurationError`; see `audience_set`."""
    if type(gcloud) is not bool:
        raise ConfigurationError(f"gcloud is True or False, not {gcloud!r}", code="google-audience")
    named = audience_set(audiences, why)
    return named | {GCLOUD_CLIENT} if gcloud else named


def _check_person(email: str | None, authorized_party: str | None, *, is_service: bool) -> None:
    """Refuse a token for gcloud's audience that gcloud did not mint for a person with a verified address."""
    if is_service:
        got = "one of a service account, whose default it is in any project"
    elif authorized_party != GCLOUD_CLIENT:
        got = f"one for another client, azp {shown(authorized_party)}"
    elif email is None:
        got = "one without a verified e-mail address"
    else:
        return
    raise Unauthenticated(
        Reason.WRONG_AUDIENCE,
        f"expected a person's token of gcloud, got {got}",
        remedy="name the audience: gcloud auth print-identity-token --audiences=AUDIENCE",
    )


def is_service_address(email: str | None) -> bool:
    return email is not None and email.isascii() and "@" in email and email.lower().endswith(".gserviceaccount.com")


def _compute_engine(claims: Mapping[str, Any]) -> ComputeEngine | None:
    machine = object_claim(object_claim(claims, "google"), "compute_engine")
    if not machine:
        return None
    number = machine.get("project_number")
    return ComputeEngine(
        project_id=text_claim(machine, "project_id"),
        project_number=number if type(number) is int else None,
        zone=text_claim(machine, "zone"),
        instance_id=text_claim(machine, "instance_id"),
        instance_name=text_claim(machine, "instance_name"),
    )

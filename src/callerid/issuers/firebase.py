"""ID tokens of Firebase Authentication (Identity Platform). Source: Firebase, "Verify ID Tokens"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from callerid.callers import FIREBASE, FIREBASE_CLAIMS, Caller, Claims, FirebaseFacts, Kind, is_project
from callerid.errors import ConfigurationError
from callerid.issuers.claims import date_claim, object_claim, profile, text_claim, verified_email
from callerid.issuers.issuer import Issuer, asking
from callerid.keys import AnySource, key_source

__all__ = ["FIREBASE_KEYS", "FirebaseIssuer", "firebase", "firebase_caller", "project_id"]

FIREBASE_KEYS: Final = "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"

_ISSUER_PREFIX: Final = "https://securetoken.google.com/"


@dataclass(frozen=True, slots=True)
class FirebaseIssuer(Issuer):
    """One Firebase project."""

    kind: ClassVar[Kind] = FIREBASE
    ignores_named_audience: ClassVar[bool] = True
    longest_subject: ClassVar[int] = 128
    signer: ClassVar[str] = "firebase"

    @property
    def project(self) -> str:
        """The project's id."""
        return self.name.removeprefix(_ISSUER_PREFIX)

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """A Firebase user: never a Google identity, whatever custom claims say."""
        return firebase_caller(self, claims, claims)


def firebase_caller(issuer: Issuer, token: Mapping[str, Any], claims: Mapping[str, Any]) -> Caller:
    """The Firebase user whom the ``claims`` of an ID token name, believed by a ``token`` of this issuer.

    The two are the same but for an IAP assertion, which holds the claims of the ID token as a member. Raises
    `Unauthenticated`.
    """
    about = object_claim(claims, "firebase")
    provider = text_claim(about, "sign_in_provider") or text_claim(claims, "provider_id") or None
    signed_in_at = date_claim(claims, "auth_time")
    email = verified_email(claims)
    uid: str = claims["sub"]
    return Caller(
        kind=FIREBASE,
        issuer=issuer.name,
        subject=uid,
        audience=token["aud"],
        issued_at=float(token["iat"]),
        expires_at=float(token["exp"]),
        email=email,
        has_unverified_email=email is None and bool(claims.get("email")),
        profile=profile(claims, "name", "picture"),
        firebase=FirebaseFacts(
            project=issuer.project or "",
            uid=uid,
            provider=provider,
            tenant=text_claim(about, "tenant") or None,
            second_factor=text_claim(about, "sign_in_second_factor") or None,
            signed_in_at=None if signed_in_at is None else float(signed_in_at),
            phone=text_claim(claims, "phone_number") or None,
            claims=Claims({name: value for name, value in claims.items() if name not in FIREBASE_CLAIMS}),
            sign_in_attributes=Claims(object_claim(about, "sign_in_attributes")),
        ),
    )


def project_id(project: object, factory: str) -> str:
    """The project's id as a Firebase issuer takes it. Raises `ConfigurationError`."""
    if not is_project(project):
        raise ConfigurationError(
            f"{factory} takes a project's id, such as 'shop-prod', not {project!r}{asking(project)}"
        )
    return project


def firebase(project: str, *, keys: str | AnySource = FIREBASE_KEYS) -> FirebaseIssuer:
    """ID tokens of the users of one Firebase (Identity Platform) project.

    Issuer and audience follow from the project's id. Source: Firebase, "Verify ID tokens using a third-party JWT
    library".
    """
    name = f"{_ISSUER_PREFIX}{project_id(project, 'firebase(...)')}"
    return FirebaseIssuer(
        name=name,
        accepted_iss=frozenset({name}),
        audiences=frozenset({project}),
        keys=key_source(keys),
    )

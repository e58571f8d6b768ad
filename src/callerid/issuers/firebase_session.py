"""Session cookies of Firebase Authentication. Source: Firebase, "Manage session cookies"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from callerid.callers import FIREBASE, Caller, Kind
from callerid.issuers.claims import bad_claim
from callerid.issuers.firebase import firebase_caller, project_id, tenant_set
from callerid.issuers.issuer import CredentialLocation, Issuer, cookie_location
from callerid.keys import AnySource, key_source

__all__ = ["FIREBASE_SESSION_KEYS", "FirebaseSessionIssuer", "firebase_session"]

FIREBASE_SESSION_KEYS: Final = "https://www.googleapis.com/identitytoolkit/v3/relyingparty/publicKeys"

_ISSUER_PREFIX: Final = "https://session.firebase.google.com/"


@dataclass(frozen=True, slots=True)
class FirebaseSessionIssuer(Issuer):
    """The sessions of one Firebase project."""

    kind: ClassVar[Kind] = FIREBASE
    ignores_named_audience: ClassVar[bool] = True
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (cookie_location("session"),)
    longest_subject: ClassVar[int] = 128
    lifetimes: ClassVar[tuple[int, int] | None] = (5 * 60, 14 * 86_400)
    signer: ClassVar[str] = "firebase_session"

    @property
    def project(self) -> str:
        """The project's id."""
        return self.name.removeprefix(_ISSUER_PREFIX)

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """A Firebase user, with the facts of the ID token that the session was made from."""
        if "auth_time" not in claims:
            raise bad_claim("auth_time", "a date", "none")
        return firebase_caller(self, claims, claims)


def firebase_session(
    project: str,
    tenants: Iterable[str] = (),
    *,
    cookie: str = "session",
    keys: str | AnySource = FIREBASE_SESSION_KEYS,
) -> FirebaseSessionIssuer:
    """Session cookies of the users of one Firebase (Identity Platform) project, read from the cookie of this name.

    A server of the project makes them of ID tokens (``createSessionCookie``), for 5 minutes to 14 days. They have an
    issuer and keys of their own. Firebase Hosting passes on no cookie but ``__session``: behind it, say
    ``cookie="__session"``. ``tenants`` are as for `firebase`.

    Browsers send cookies unasked. So a request that may change something, and the handshake of a WebSocket, has to come
    from the application's own pages (see ``trusted_origins`` of the guard). A token in ``Authorization`` goes before
    the cookie, which is not read then.

    Source: Firebase, "Manage session cookies"; Firebase Hosting, "Manage cache behavior". Raises `ConfigurationError`.
    """
    name = f"{_ISSUER_PREFIX}{project_id(project, 'firebase_session(...)')}"
    return FirebaseSessionIssuer(
        name=name,
        accepted_iss=frozenset({name}),
        audiences=frozenset({project}),
        keys=key_source(keys),
        locations=(cookie_location(cookie),),
        tenants=tenant_set(tenants),
    )

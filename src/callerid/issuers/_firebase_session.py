"""Session cookies of Firebase Authentication. Source: Firebase, "Manage session cookies"."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

from callerid.issuers._firebase import FirebaseIssuer, firebase_keys, project_id, tenant_set
from callerid.issuers._issuer import CredentialLocation, cookie_location
from callerid.keys import AnySource

__all__ = ["FIREBASE_SESSION_KEYS", "FirebaseSessionIssuer", "firebase_session"]

FIREBASE_SESSION_KEYS: Final = "https://www.googleapis.com/identitytoolkit/v3/relyingparty/publicKeys"


@dataclass(frozen=True, slots=True)
class FirebaseSessionIssuer(FirebaseIssuer):
    """The sessions of one Firebase project: users with the facts of the ID token that a session was made from."""

    credential: ClassVar[str] = "Firebase session cookie"
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (cookie_location("session"),)
    lifetimes: ClassVar[tuple[int, int] | None] = (5 * 60, 14 * 86_400)
    signer: ClassVar[str] = "firebase_session"
    prefix: ClassVar[str] = "https://session.firebase.google.com/"


def firebase_session(
    project: str,
    tenants: Iterable[str] = (),
    *,
    cookie: str = "session",
    keys: str | AnySource | None = None,
    emulator: str | None = None,
) -> FirebaseSessionIssuer:
    """Session cookies of the users of one Firebase (Identity Platform) project, read from the cookie of this name.

    A server of the project makes them of ID tokens (``createSessionCookie``), for 5 minutes to 14 days. They have an
    issuer and keys of their own. Firebase Hosting passes on no cookie but ``__session``: behind it, say
    ``cookie="__session"``. ``tenants`` and ``emulator`` are as for `firebase`.

    Browsers send cookies unasked. So a request that may change something, and the handshake of a WebSocket, has to come
    from the application's own pages (see ``trusted_origins`` of the guard). A token in ``Authorization`` goes before
    the cookie, which is not read then.

    Source: Firebase, "Manage session cookies"; Firebase Hosting, "Manage cache behavior". Raises `ConfigurationError`.
    """
    name = f"{FirebaseSessionIssuer.prefix}{project_id(project, 'firebase_session(...)')}"
    return FirebaseSessionIssuer(
        name=name,
        accepted_iss=frozenset({name}),
        audiences=frozenset({project}),
        keys=firebase_keys(keys, FIREBASE_SESSION_KEYS, emulator),
        locations=(cookie_location(cookie),),
        tenants=tenant_set(tenants),
        emulator=emulator,
    )

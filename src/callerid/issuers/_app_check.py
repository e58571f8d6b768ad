"""Tokens of Firebase App Check. Source: Firebase, "Verify App Check tokens from a custom backend"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from callerid.callers import APP, Caller, Kind
from callerid.errors import ConfigurationError
from callerid.issuers._consuming import Consumer
from callerid.issuers._issuer import APP_CHECK, CredentialLocation, Issuer
from callerid.issuers._issuer import project_number as number_of
from callerid.keys import AnySource, GoogleAccess, KeySource, key_source

__all__ = ["APP_CHECK_KEYS", "AppCheckIssuer", "app_check"]

APP_CHECK_KEYS: Final = "https://firebaseappcheck.googleapis.com/v1/jwks"

_PREFIX: Final = "https://firebaseappcheck.googleapis.com/"
_AUDIENCE: Final = "projects/"
_CONSUMING: Final = f"{_PREFIX}v1beta/projects/{{}}:verifyAppCheckToken"
_SCOPE: Final = "https://www.googleapis.com/auth/firebase"
_LONGEST_CACHED: Final = 6 * 3600
"""Seconds: Firebase asks for keys to be fetched anew at least every six hours."""


@dataclass(frozen=True, slots=True)
class AppCheckIssuer(Issuer):
    """Firebase App Check, for the apps of one project. With a ``consumer`` each token is good for one request."""

    consumer: Consumer | None = None

    kind: ClassVar[Kind] = APP
    ignores_named_audience: ClassVar[bool] = True
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (APP_CHECK,)
    lifetimes: ClassVar[tuple[int, int] | None] = (0, 7 * 86_400)
    lists_audiences: ClassVar[bool] = True
    token_type: ClassVar[str] = "JWT"  # noqa: S105 - no password
    credential: ClassVar[str] = "App Check token"
    signer: ClassVar[str] = "app_check"

    @property
    def project_number(self) -> str:
        """The project's number."""
        return self.name.removeprefix(_PREFIX)

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """The app, which is never the caller of a request: its id is the subject."""
        return Caller(
            kind=APP,
            issuer=self.name,
            subject=claims["sub"],
            audience=f"{_AUDIENCE}{self.project_number}",
            issued_at=float(claims["iat"]),
            expires_at=float(claims["exp"]),
        )


def app_check(
    project_number: int | str, *, consume: bool = False, credentials: Any = None, keys: str | AnySource | None = None
) -> AppCheckIssuer:
    """What Firebase App Check attests of the app that sent a request, in ``X-Firebase-AppCheck``.

    The token names an app and no person: its id is ``caller.app``, beside whoever the
    request's other credential names, and rules about it are ``App("1:1234567890:web:abc123")`` and ``AnyApp()``. It
    never stands for a caller. Where one comes it must be valid, whatever the rule asks for.

    RS256, ``typ`` JWT, ``iss`` exactly that of the project, ``aud`` a list with ``projects/NUMBER``, at most seven days
    from ``iat`` to ``exp``. ``keys`` is a URL or a key source (default: Firebase's, kept for six hours at most).

    With ``consume=True`` each token is good for one request ("replay protection"): Firebase is told by a call for each,
    made with Google's application-default credentials or with ``credentials`` of google-auth, whose account needs the
    role Firebase App Check Token Verifier. A token that was used before is refused (401 ``already_consumed``), by this
    process without asking; where Firebase cannot be asked the answer is 503. Clients send ``getLimitedUseToken()``.
    Every request with a token is asked about, so let a guard of its own have it, for the few places that need it.

    Raises `ConfigurationError`. Source: Firebase, "Verify App Check tokens from a custom backend".
    """
    own = number_of(project_number, "app_check(...)", "a Firebase project")
    name = f"{_PREFIX}{own}"
    if type(consume) is not bool or (credentials is not None and not consume):
        raise ConfigurationError(
            "consume is True or False, and credentials= are those by which tokens are consumed", code="app-check"
        )
    return AppCheckIssuer(
        name=name,
        accepted_iss=frozenset({name}),
        audiences=frozenset({f"{_AUDIENCE}{own}"}),
        keys=KeySource(url=APP_CHECK_KEYS, longest_lifetime=_LONGEST_CACHED) if keys is None else key_source(keys),
        locations=(APP_CHECK,),
        consumer=_consumer(own, credentials) if consume else None,
    )


def _consumer(number: str, credentials: Any) -> Consumer:
    return Consumer(KeySource(url=_CONSUMING.format(number)), GoogleAccess(credentials, scope=_SCOPE))

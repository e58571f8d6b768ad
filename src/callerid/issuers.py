"""Whom we trust, and for what: one frozen value per kind of credential.

Issuer names, keys, algorithm and audience are judged together, per issuer, and never pooled: all Firebase projects
share one key set, and anyone can have Google sign a token whose audience is a project's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callerid.callers import Kind, is_project
from callerid.errors import ConfigurationError
from callerid.keys import Algorithm, AnySource, key_source

__all__ = ["AUTHORIZATION", "SERVERLESS_AUTHORIZATION", "Issuer", "Slot", "firebase", "google"]


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of a request where a bearer token sits: a header (lower case), and for whom it speaks.

    ``carrier`` is true where the token names the service that carried the call and not the caller.
    """

    header: str
    carrier: bool = False


AUTHORIZATION: Final = Slot("authorization")
"""The caller's own credential (RFC 9110 section 11.6.2)."""

SERVERLESS_AUTHORIZATION: Final = Slot("x-serverless-authorization", carrier=True)
"""The calling service's credential beside a user's (Cloud Run, "Authenticating service-to-service")."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer of tokens, and what it can vouch for.

    ``name`` is the canonical ``iss`` and what `Caller.issuer` says; ``spellings`` are all forms of ``iss`` it writes.
    Tokens must be signed with ``algorithm`` by a key of ``keys``. ``audiences`` are those accepted where a rule names
    none; ``fixed_audience`` says that no rule may name another. ``project`` is set for Firebase.
    """

    name: str
    kind: Kind
    spellings: frozenset[str]
    audiences: frozenset[str]
    keys: AnySource
    algorithm: Algorithm = "RS256"
    slots: tuple[Slot, ...] = (AUTHORIZATION,)
    fixed_audience: bool = True
    project: str | None = None


GOOGLE_KEYS: Final = "https://www.googleapis.com/oauth2/v1/certs"
FIREBASE_KEYS: Final = "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"


def google(*audiences: str, keys: str | AnySource = GOOGLE_KEYS) -> Issuer:
    """Google ID tokens (OIDC) of people and service accounts, minted for one of these audiences.

    Services mint tokens for the URL they call; people get them for an OAuth client id, which ends in
    ``.apps.googleusercontent.com``, and cannot get one for a URL. A right audience is no permission: whoever mints the
    token chooses it.

    Reads ``Authorization`` as the caller and ``X-Serverless-Authorization`` as the service that carried the call.
    ``keys`` is a URL (https, or http on loopback) or a key source. Source: Google Identity, "OpenID Connect".
    """
    return Issuer(
        name="https://accounts.google.com",
        kind=Kind.GOOGLE,
        spellings=frozenset({"https://accounts.google.com", "accounts.google.com"}),
        audiences=audience_set(audiences, "google(...) accepts tokens minted for your own audiences only"),
        keys=key_source(keys),
        slots=(AUTHORIZATION, SERVERLESS_AUTHORIZATION),
        fixed_audience=False,
    )


def firebase(project: str, *, keys: str | AnySource = FIREBASE_KEYS) -> Issuer:
    """ID tokens of the users of one Firebase (Identity Platform) project.

    Issuer and audience follow from the project's id. Source: Firebase, "Verify ID tokens using a third-party JWT
    library".
    """
    if not is_project(project):
        raise ConfigurationError(f"firebase(...) takes a project's id, such as 'shop-prod', not {project!r}")
    name = f"https://securetoken.google.com/{project}"
    return Issuer(
        name=name,
        kind=Kind.FIREBASE,
        spellings=frozenset({name}),
        audiences=frozenset({project}),
        keys=key_source(keys),
        project=project,
    )


def audience_set(audiences: tuple[object, ...], why: str) -> frozenset[str]:
    """The audiences as a set; none, a blank one or something that is no text is a `ConfigurationError`."""
    if not audiences:
        raise ConfigurationError(f"{why}: name at least one, such as 'https://orders.example.com'")
    named: set[str] = set()
    for audience in audiences:
        if not isinstance(audience, str) or not audience.strip() or audience != audience.strip():
            raise ConfigurationError(f"{why}: {audience!r} is none; write each as a text of its own")
        named.add(audience)
    return frozenset(named)

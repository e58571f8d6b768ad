"""Whom we trust, and for what: one frozen value per issuer, one class per kind of credential.

Issuer names, keys, algorithm and audience are judged together, per issuer, and never pooled: all Firebase projects
share one key set, and anyone can have Google sign a token whose audience is a project's name.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar, Final, Self

from callerid.callers import Caller, Kind
from callerid.errors import ConfigurationError
from callerid.keys import Algorithm, AnySource

__all__ = [
    "APP_CHECK",
    "AUTHORIZATION",
    "GCLOUD_CLIENT",
    "IAP_ASSERTION",
    "SERVERLESS_AUTHORIZATION",
    "CredentialLocation",
    "Issuer",
    "SpeaksFor",
    "audience_set",
    "cookie_location",
    "project_number",
]

GCLOUD_CLIENT: Final = "32555940559.apps.googleusercontent.com"
"""The OAuth client id of gcloud: the audience of whatever ``gcloud auth print-identity-token`` mints by default."""


class SpeaksFor(Enum):
    """For whom a credential speaks: the caller, the service that carried the call, or the app that sent it."""

    CALLER = "caller"
    CARRIER = "carrier"
    APP = "app"


@dataclass(frozen=True, slots=True)
class CredentialLocation:
    """Where a credential sits in a request: one header (lower case) or one cookie, and for whom it speaks.

    ``is_intermediary`` is true where the credential names the service that carried the call and not the caller.
    ``is_bare`` is true where the value is the token alone, without ``Bearer``. ``cookie`` is the name of the cookie
    where it sits in one; ``header`` is ``cookie`` then. ``is_ambient`` is true where a browser's requests carry the
    credential whichever site's page makes them: such a request has to prove where it comes from. ``is_app`` is true
    where the credential names the app that sent the request, and no caller. ``scheme`` is that of an ``Authorization``
    header (RFC 9110 section 11.4). ``behind`` is the service account of the gateway that alone may fill it: it is
    read beside a verified token of that gateway.
    """

    header: str
    is_intermediary: bool = False
    is_bare: bool = False
    cookie: str = ""
    is_ambient: bool = False
    is_app: bool = False
    scheme: str = "Bearer"
    behind: str = ""

    def __hash__(self) -> int:
        return hash(self.header)  # that of all fields takes long, and look-ups by location are made for every token

    @property
    def name(self) -> str:
        """What tells it from others: ``HEADER``, ``cookie NAME``, ``HEADER SCHEME`` or ``HEADER behind ACCOUNT``."""
        if self.behind:
            return f"{self.header} behind {self.behind}"
        if self.scheme != "Bearer":
            return f"{self.header} {self.scheme}"
        return f"{self.header} {self.cookie}" if self.cookie else self.header

    @property
    def role(self) -> SpeaksFor:
        """For whom the credential speaks."""
        return SpeaksFor.APP if self.is_app else SpeaksFor.CARRIER if self.is_intermediary else SpeaksFor.CALLER


AUTHORIZATION: Final = CredentialLocation("authorization")
"""The caller's own credential (RFC 9110 section 11.6.2)."""

SERVERLESS_AUTHORIZATION: Final = CredentialLocation("x-serverless-authorization", is_intermediary=True)
"""The calling service's credential beside a user's (Cloud Run, "Authenticating service-to-service")."""

IAP_ASSERTION: Final = CredentialLocation("x-goog-iap-jwt-assertion", is_bare=True, is_ambient=True)
"""What Identity-Aware Proxy says about whoever signed in there (IAP, "Securing your app with signed headers")."""


APP_CHECK: Final = CredentialLocation("x-firebase-appcheck", is_bare=True, is_app=True)
"""The token of Firebase App Check (Firebase, "Verify App Check tokens from a custom backend")."""


def cookie_location(name: object) -> CredentialLocation:
    """The location of a token in a cookie. Raises `ConfigurationError` for what is no name (RFC 6265 section 4.1.1)."""
    if not isinstance(name, str) or not _COOKIE_NAME.fullmatch(name):
        raise ConfigurationError(
            f"cookie= is the name of a cookie, such as 'session', not {name!r}{asking(name)}", code="cookie-name"
        )
    return CredentialLocation("cookie", is_bare=True, cookie=name, is_ambient=True)


_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token of RFC 2616 section 2.2, which RFC 6265 refers to."""


@dataclass(frozen=True, slots=True)
class Issuer(ABC):
    """An issuer of tokens, and what it can vouch for. Each kind of credential is a subclass, in a module of its own.

    ``name`` is the canonical ``iss`` and what `Caller.issuer` says; ``accepted_iss`` are all forms of ``iss`` that it
    writes. Tokens must be signed with ``algorithm`` by a key of ``keys``. ``audiences`` are those accepted where a rule
    names none. ``locations`` are the places of a request that are read for its tokens.
    """

    name: str
    accepted_iss: frozenset[str]
    audiences: frozenset[str]
    keys: AnySource
    algorithm: Algorithm = "RS256"
    locations: tuple[CredentialLocation, ...] = (AUTHORIZATION,)
    tenants: frozenset[str] | None = None
    """The Identity Platform tenants whose users are believed, beside those of no tenant; ``None``: it knows of none."""

    kind: ClassVar[Kind]
    """The family of its callers: all rules of that family apply to them, whichever issuer of it vouches for them.

    So `subject`, `email` and `domain` of a caller must mean what they mean for the family's other issuers. Give account
    ids of another system a prefix that no rule of the family can name, or ``User("7")`` admits a stranger's account 7.
    """
    fixed_audience: ClassVar[bool] = True
    """Whether the audience follows from the issuer (a project's id), so that no rule may name another.

    False where it is the application's own choice (a URL): then ``audience=`` beside a rule replaces ``audiences``.
    """
    ignores_named_audience: ClassVar[bool] = False
    """Whether ``audience=`` beside a rule says nothing about its tokens: it speaks of Google's in ``Authorization``."""
    longest_subject: ClassVar[int] = 255
    """The longest ``sub``, in characters."""
    requires_subject: ClassVar[bool] = True
    """Whether its tokens must have a ``sub``."""
    usual_locations: ClassVar[tuple[CredentialLocation, ...]] = (AUTHORIZATION,)
    """The locations that go without saying in the lock."""
    lifetimes: ClassVar[tuple[int, int] | None] = None
    """The shortest and the longest time from ``iat`` to ``exp``, in seconds; ``None`` where ``exp`` alone counts."""
    lists_audiences: ClassVar[bool] = False
    """Whether ``aud`` of its tokens is a list that must hold one of ``audiences``; else it is text."""
    may_list_audiences: ClassVar[bool] = False
    """Whether ``aud`` may be such a list or text, as the issuer likes (RFC 7519 section 4.1.3)."""
    token_type: ClassVar[str] = ""
    """What ``typ`` in the header of its tokens must be; empty where it does not matter (RFC 7515 section 4.1.9)."""
    credential: ClassVar[str] = ""
    """What the access map calls its tokens; ``token of NAME`` where it is empty."""
    signer: ClassVar[str] = ""
    """By which keys `callerid.testing.LocalIssuer` signs in its place; those of its ``kind`` where it is empty."""

    believes_stripped: ClassVar[bool] = False
    """Whether a token whose signature was removed is believed: by Cloud Run's front door, and nowhere else."""

    def with_keys(self, keys: AnySource) -> Self:
        """The same issuer with other keys: for tests."""
        return replace(self, keys=keys)

    @property
    def roles(self) -> frozenset[SpeaksFor]:
        """For whom its tokens speak."""
        return frozenset(location.role for location in self.locations)

    @property
    def project(self) -> str | None:
        """The Firebase project, where it is one's."""
        return None

    @property
    def account(self) -> str | None:
        """The service account that it speaks for, where it speaks for one alone."""
        return None

    @property
    def verifier(self) -> object:
        """What decides about its credentials beside its keys, compared for equality; ``None`` where nothing does."""
        return None

    @property
    def people_only(self) -> frozenset[str]:
        """The audiences for which it believes people with a verified address, and nobody else."""
        return frozenset()

    @property
    def settings(self) -> Mapping[str, frozenset[str]]:
        """What else than keys, algorithm and locations decides which of its tokens are believed, as the lock has it."""
        return {"audience": self.audiences} | ({} if self.tenants is None else {"tenant": self.tenants})

    def with_settings(self, settings: Mapping[str, frozenset[str]]) -> Self:
        """The same issuer with other `settings`, as a lock has them."""
        return replace(self, audiences=settings["audience"], tenants=settings.get("tenant"))

    def narrowed(self, other: Issuer) -> Self:
        """An issuer that believes what this one and the other believe, which differs from it in `settings` at most."""
        tenants = None if self.tenants is None or other.tenants is None else self.tenants & other.tenants
        return replace(self, audiences=self.audiences & other.audiences, tenants=tenants)

    def covers(self, other: Issuer) -> bool:
        """Whether it believes each token that the other, with the same keys, believes for an audience of both."""
        return type(other) is type(self)

    @abstractmethod
    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """The caller whom verified claims name: only what this issuer vouches for.

        Called after the signature, the times and a fixed audience were checked: ``sub`` (if required) and ``aud`` are
        text, ``iat`` and ``exp`` numbers. The caller's ``issuer`` is ``name``, its ``audience`` and times are the
        token's. Read other claims with the functions of `callerid.issuers._claims`, which raise `Unauthenticated` for
        the wrong type.
        """

    @property
    def spellings(self) -> frozenset[str]:
        """Deprecated: see ``accepted_iss``."""
        return self.accepted_iss

    @property
    def slots(self) -> tuple[CredentialLocation, ...]:
        """Deprecated: see ``locations``."""
        return self.locations


def audience_set(
    audiences: tuple[object, ...], why: str, *, example: str = "https://orders.example.com"
) -> frozenset[str]:
    """The audiences as a set; none, a blank one or something that is not a string is a `ConfigurationError`."""
    if not audiences:
        raise ConfigurationError(f"{why}: name at least one, such as {example!r}", code="audience")
    return frozenset(_audience(audience, why) for audience in audiences)


def _audience(audience: object, why: str) -> str:
    if not isinstance(audience, str) or not audience.strip() or audience != audience.strip():
        raise ConfigurationError(
            f"{why}: {audience!r} is not an audience: write each as a string{asking(audience)}", code="audience"
        )
    if audience == GCLOUD_CLIENT:
        raise ConfigurationError(
            f"{why}: {audience!r} is gcloud's own client id, for which everybody's gcloud mints tokens: "
            "google(..., gcloud=True) accepts those of people, where no rule names audiences",
            code="audience",
        )
    if not set("*{}").isdisjoint(audience):
        raise ConfigurationError(
            f"{why}, and audiences are literal: {audience!r} is not a pattern: write out each audience "
            "that tokens have",
            code="audience",
        )
    return audience


def project_number(number: object, factory: str, whose: str) -> str:
    """The number of a Google Cloud project, as text. Raises `ConfigurationError`."""
    text = str(number) if type(number) is int else number
    if not isinstance(text, str) or not (text.isascii() and text.isdecimal()) or text.startswith("0"):
        raise ConfigurationError(
            f"{factory} takes the number of {whose}, such as 123456789012, not {number!r}{asking(number)}",
            code="project-number",
        )
    return text


def asking(setting: object) -> str:
    """For a message about a setting that is not there: where it may have been lost."""
    return " (if it comes from an environment variable: is that set?)" if setting in (None, "") else ""

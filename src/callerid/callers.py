"""The verified identity behind a request.

A `Caller` holds only facts its issuer vouches for, and never the token. It is made by an issuer (or, in tests,
by `callerid.testing`) and by nothing else: whoever holds one may believe it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeGuard, cast
from urllib.parse import quote

__all__ = [
    "APP",
    "CUSTOM",
    "FIREBASE",
    "FIREBASE_CLAIMS",
    "GOOGLE",
    "NO_CLAIMS",
    "NO_PROFILE",
    "OIDC",
    "Caller",
    "Claims",
    "ComputeEngine",
    "CustomFacts",
    "FirebaseFacts",
    "Kind",
    "OidcFacts",
    "Profile",
    "is_project",
    "unknown_kind",
]


FIREBASE_CLAIMS = frozenset(
    {"acr", "amr", "at_hash", "aud", "auth_time", "azp", "cnf", "c_hash", "exp", "firebase", "iat", "iss", "jti", "nbf"}
    | {"nonce", "sub"}
    | {"email", "email_verified", "phone_number", "user_id", "provider_id", "name", "picture"}
)
"""Names in a Firebase token that Firebase fills, or the user (``name``, ``picture``): no custom claims."""


def is_project(text: object) -> TypeGuard[str]:
    """Whether a text may be the id of a Google Cloud project, as it stands in Firebase's ``iss``."""
    return (
        isinstance(text, str) and text.isascii() and text.isprintable() and bool(text) and not set(text) & set(" /?#\\")
    )


class Kind(StrEnum):
    """Which family of identity a caller belongs to. Subjects and facts of one mean nothing in another.

    ``OIDC`` are the callers of any other OpenID Connect provider, ``CUSTOM`` those whom a credential of the
    application's own names.
    ``APP`` is no family of callers: its credentials name the app that sent a request.
    """

    GOOGLE = "google"
    FIREBASE = "firebase"
    OIDC = "oidc"
    CUSTOM = "custom"
    APP = "app"


# By their own names where they are asked for at every request: before Python 3.12 it takes long to look one up.
GOOGLE: Final = Kind.GOOGLE
FIREBASE: Final = Kind.FIREBASE
APP: Final = Kind.APP
OIDC: Final = Kind.OIDC
CUSTOM: Final = Kind.CUSTOM


def unknown_kind(kind: object) -> TypeError:
    """The error where a kind of caller is asked for that is none: nothing stands for another."""
    return TypeError(f"{kind!r} is no kind of caller: there are {', '.join(Kind)}")


class Claims(Mapping[str, Any]):
    """A mapping that cannot change, all the way down: objects become `Claims`, arrays become tuples."""

    __slots__ = ("_members",)

    def __init__(self, members: Mapping[str, Any] | None = None) -> None:
        self._members = {name: _freeze(value) for name, value in (members or {}).items()}

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __hash__(self) -> int:
        return hash(frozenset(self._members))

    def __repr__(self) -> str:
        return f"Claims({self._members!r})"


NO_CLAIMS: Final = Claims()
"""One for all who have none: a remembered caller of most kinds holds several."""


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Claims(cast("Mapping[str, Any]", value))
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in cast("Sequence[Any]", value))
    return value


@dataclass(frozen=True, slots=True)
class ComputeEngine:
    """The machine a service account called from: the ``google.compute_engine`` claim of ``format=full`` tokens."""

    project_id: str | None = None
    project_number: int | None = None
    zone: str | None = None
    instance_id: str | None = None
    instance_name: str | None = None


@dataclass(frozen=True, slots=True)
class FirebaseFacts:
    """What Firebase Authentication (Identity Platform) vouches for.

    ``signed_in_at`` is in seconds since the epoch (the ``auth_time`` claim). ``claims`` holds the custom claims set by
    the project's own server; nothing in it is Google's word. ``sign_in_attributes`` is what the SAML provider said of
    the user when they signed in, and its word alone.
    """

    project: str
    uid: str
    provider: str | None = None
    tenant: str | None = None
    second_factor: str | None = None
    signed_in_at: float | None = None
    phone: str | None = None
    claims: Claims = NO_CLAIMS
    sign_in_attributes: Claims = NO_CLAIMS

    @property
    def anonymous(self) -> bool:
        """Whether the user never signed in with anything: Firebase's anonymous accounts are free to make."""
        return self.provider == "anonymous"


@dataclass(frozen=True, slots=True)
class OidcFacts:
    """What an OpenID Connect provider vouches for: ``claims`` are those of its verified token, all of them.

    They are that provider's word alone: an address in them is no `Caller.email`, a ``hd`` no `Caller.domain`.
    """

    claims: Claims = NO_CLAIMS


@dataclass(frozen=True, slots=True)
class CustomFacts:
    """What the application itself says of whoever has a credential of its own: ``facts``, by name."""

    facts: Claims = NO_CLAIMS


@dataclass(frozen=True, slots=True)
class Profile:
    """What a token says for display: the ``name``, ``picture`` and ``locale`` claims.

    Users write it themselves, so it proves nothing and no rule knows of it. ``picture`` is a URL that nobody has
    checked. Firebase's tokens have no ``locale``. Source: OpenID Connect Core section 5.1.
    """

    name: str | None = None
    picture: str | None = None
    locale: str | None = None


NO_PROFILE: Final = Profile()
"""One for all whose tokens say nothing for display."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: verified, frozen, without the token.

    ``issuer`` is the issuer's name (the canonical ``iss``), ``subject`` the ``sub`` claim, ``audience`` the ``aud`` the
    token was minted for. ``issued_at`` and ``expires_at`` are in seconds since the epoch (NumericDate, RFC 7519 section
    2). ``email`` is there only if the issuer says it is verified (``has_unverified_email`` says, for the log alone,
    that one came that is not), ``domain`` (the ``hd`` claim) only for people of a Google Workspace. ``firebase`` is
    there for Firebase users, ``oidc`` for callers of another OpenID Connect provider, ``custom`` for those with a
    credential of the application's own, and for nobody else. ``via`` is the service that carried the call, ``app`` the
    app that an App Check token names. ``profile`` is for display alone: it is neither printed nor compared.

    ``authorized_party`` is the OAuth client that asked for a Google ID token, or the service account itself (the
    ``azp`` claim). ``scopes`` are those granted to a Google access token; of other credentials there are none.

    ``str()`` is IAM's member string (``user:ada@example.com``), ``firebase:PROJECT/UID`` (of a tenant's user
    ``firebase:PROJECT/TENANT/UID``), ``oidc:ISSUER/SUBJECT`` (without the ``https://`` of its issuer) or
    ``custom:ISSUER/SUBJECT``. The last two subjects are percent-encoded, and of a Firebase user the slashes, percent
    signs and control characters: so no two callers have one name, and none has a line break in it. Raises `TypeError`
    for an unknown kind.
    """

    kind: Kind
    issuer: str
    subject: str
    audience: str
    issued_at: float
    expires_at: float
    email: str | None = None
    domain: str | None = None
    is_service_account: bool = False
    compute_engine: ComputeEngine | None = None
    firebase: FirebaseFacts | None = None
    oidc: OidcFacts | None = None
    custom: CustomFacts | None = None
    via: Caller | None = None
    app: str | None = None
    authorized_party: str | None = None
    scopes: frozenset[str] = frozenset()
    has_unverified_email: bool = field(default=False, repr=False, compare=False)
    profile: Profile = field(default=NO_PROFILE, repr=False, compare=False)

    @property
    def name(self) -> str:
        """The caller's e-mail if it is verified, else the account's id."""
        return self.email or self.subject

    # Starlette's protocol for ``request.user``.

    @property
    def is_authenticated(self) -> bool:
        """Always: where nobody is known there is no caller."""
        return True

    @property
    def display_name(self) -> str:
        """The caller's `name`."""
        return self.name

    @property
    def identity(self) -> str:
        """The issuer-qualified name: ``str()`` of the caller."""
        return str(self)

    def __str__(self) -> str:
        kind = self.kind
        if kind is APP:
            return f"app:{self.subject}"
        if kind is GOOGLE:
            return f"{'serviceAccount' if self.is_service_account else 'user'}:{self.name}"
        if kind is FIREBASE and self.firebase is not None:
            user = self.firebase
            whose = (user.uid,) if user.tenant is None else (user.tenant, user.uid)
            return f"firebase:{user.project}/{'/'.join(map(_one_segment, whose))}"
        if kind is OIDC:
            return f"oidc:{self.issuer.removeprefix('https://')}/{_encoded(self.subject)}"
        if kind is CUSTOM:
            return f"custom:{_encoded(self.issuer)}/{_encoded(self.subject)}"
        raise unknown_kind(kind)

    @classmethod
    def __get_pydantic_core_schema__(cls, *_: Any) -> NoReturn:
        # FastAPI would otherwise read a dataclass parameter from the request's body: a forged caller.
        raise TypeError(
            "a Caller is never read from a request and never a response model. Write the parameter as "
            "Annotated[Caller, guard.allow(rule)], with guard.allow called, and return the fields you mean to show"
        )


def _one_segment(text: str) -> str:
    """The text with nothing in it that ends a segment or a line, so that no two texts are written alike."""
    return _UNSAFE.sub(lambda each: quote(each[0], safe=""), text)


_UNSAFE: Final = re.compile(r"[/%\x00-\x1f\x7f-\x9f\u2028\u2029]")


def _encoded(text: str) -> str:
    """The text as one segment of a path (RFC 3986 section 3.3), so that no two texts are written alike."""
    return quote(text, safe="@:!$&'()*+,;=", errors="surrogatepass")

"""ID tokens of Firebase Authentication (Identity Platform). Source: Firebase, "Verify ID Tokens"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self, TypeGuard, cast

from callerid.callers import FIREBASE, FIREBASE_CLAIMS, NO_CLAIMS, Caller, Claims, FirebaseFacts, Kind, is_project
from callerid.errors import ConfigurationError, Reason, Unauthenticated
from callerid.issuers._claims import bad_claim, date_claim, object_claim, profile, shown, text_claim, verified_email
from callerid.issuers._emulator import NO_KEYS, check_emulator
from callerid.issuers._issuer import Issuer, asking
from callerid.keys import AnySource, key_source

__all__ = [
    "FIREBASE_KEYS",
    "FirebaseIssuer",
    "emulator_warning",
    "firebase",
    "firebase_caller",
    "firebase_keys",
    "is_emulated",
    "project_id",
    "tenant_set",
]

FIREBASE_KEYS: Final = "https://www.googleapis.com/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"


@dataclass(frozen=True, slots=True)
class FirebaseIssuer(Issuer):
    """One Firebase project."""

    emulator: str | None = None
    """The address of the Firebase Auth emulator, whose unsigned tokens are believed then, and no signed one."""

    credential: ClassVar[str] = "Firebase ID token"
    kind: ClassVar[Kind] = FIREBASE
    ignores_named_audience: ClassVar[bool] = True
    longest_subject: ClassVar[int] = 128
    signer: ClassVar[str] = "firebase"
    prefix: ClassVar[str] = "https://securetoken.google.com/"
    """What stands before the project's id in ``iss``."""

    def __post_init__(self) -> None:
        if self.emulator is not None:
            check_emulator(self.emulator)

    def with_keys(self, keys: AnySource) -> Self:
        """The same issuer of signed tokens, with these keys: for tests."""
        return replace(self, keys=keys, emulator=None)

    def covers(self, other: Issuer) -> bool:
        """See `Issuer.covers`."""
        return type(other) is type(self) and is_emulated(other) is is_emulated(self)

    @property
    def project(self) -> str:
        """The project's id."""
        return self.name.removeprefix(self.prefix)

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        """A Firebase user: never a Google identity, whatever custom claims say."""
        if "auth_time" not in claims:
            raise bad_claim("auth_time", "a date", "none")
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
    tenant = text_claim(about, "tenant") or None
    if tenant is not None and tenant not in (issuer.tenants or ()):
        raise _wrong_tenant(issuer, tenant)
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
            tenant=tenant,
            second_factor=text_claim(about, "sign_in_second_factor") or None,
            signed_in_at=None if signed_in_at is None else float(signed_in_at),
            phone=text_claim(claims, "phone_number") or None,
            claims=Claims({name: value for name, value in claims.items() if name not in FIREBASE_CLAIMS}) or NO_CLAIMS,
            sign_in_attributes=Claims(object_claim(about, "sign_in_attributes")) or NO_CLAIMS,
        ),
    )


def _wrong_tenant(issuer: Issuer, tenant: str) -> Unauthenticated:
    named = " or ".join(map(ascii, sorted(issuer.tenants or ())))
    return Unauthenticated(
        Reason.WRONG_TENANT,
        f"expected a user of {issuer.project} of {f'no tenant, or of {named}' if named else 'no tenant'}, "
        f"got one of the tenant {shown(tenant)}",
        remedy="if this tenant's users are meant, too, name it where the issuer is written: "
        f"tenants=({tenant[:200]!a},)",
    )


def tenant_set(tenants: object) -> frozenset[str]:
    """The tenants as a Firebase issuer takes them. Raises `ConfigurationError`."""
    given: tuple[object, ...] = tuple(cast("Iterable[object]", tenants)) if isinstance(tenants, Iterable) else ()
    named = [each for each in given if isinstance(each, str) and each.isprintable() and each.strip() == each != ""]
    if isinstance(tenants, str) or not isinstance(tenants, Iterable) or len(named) != len(given):
        raise ConfigurationError(
            f"tenants= takes the ids of tenants, such as ('acme-x1',), not {tenants!r}", code="firebase-project"
        )
    return frozenset(named)


def project_id(project: object, factory: str) -> str:
    """The project's id as a Firebase issuer takes it. Raises `ConfigurationError`."""
    if not is_project(project):
        raise ConfigurationError(
            f"{factory} takes a project's id, such as 'shop-prod', not {project!r}{asking(project)}",
            code="firebase-project",
        )
    return project


def firebase_keys(keys: str | AnySource | None, usual: str, emulator: str | None) -> AnySource:
    """The keys of a Firebase issuer: those that are given, or the usual; none for an emulator's tokens.

    Raises `ConfigurationError`.
    """
    if emulator is None:
        return key_source(usual if keys is None else keys)
    if keys is not None:
        raise ConfigurationError(
            "keys= is for signed tokens, and the emulator signs none: leave keys= or emulator= out",
            code="emulator",
        )
    return NO_KEYS


def is_emulated(issuer: Issuer) -> TypeGuard[FirebaseIssuer]:
    """Whether an issuer believes the unsigned tokens of the Firebase Auth emulator: no other issuer believes any."""
    return isinstance(issuer, FirebaseIssuer) and issuer.emulator is not None


def emulator_warning(issuers: Iterable[FirebaseIssuer]) -> str:
    """What the log and the access map say of issuers of which `is_emulated` is true."""
    places = ", ".join(sorted({f"{issuer.project} at {issuer.emulator}" for issuer in issuers}))
    return (
        f"believes unsigned tokens of the Firebase Auth emulator ({places}): anybody who reaches this application can "
        "write one; this is for a developer's machine alone"
    )


def firebase(
    project: str,
    tenants: Iterable[str] = (),
    *,
    keys: str | AnySource | None = None,
    emulator: str | None = None,
) -> FirebaseIssuer:
    """ID tokens of the users of one Firebase (Identity Platform) project.

    Issuer and audience follow from the project's id. ``tenants`` are the ids of the tenants whose users are believed,
    beside users of no tenant; those of all others are refused. A uid means somebody within one tenant only: join a rule
    with ``Tenant(...)`` to say whose user it means. ``keys`` is a URL or a key source (default: Firebase's own keys).

    ``emulator="127.0.0.1:9099"`` believes the tokens of the Firebase Auth emulator instead, and no signed one. **They
    are unsigned: whoever reaches the application can write one, and nothing tells it from the emulator's own.** So it
    is for a developer's machine: the address is a loopback one, no environment variable sets it, a guard that has it
    believes no other Firebase issuer, warns at start-up, and raises `ConfigurationError` on Cloud Run, App Engine and
    Kubernetes (``K_SERVICE``, ``GAE_ENV``, ``GAE_INSTANCE`` or ``KUBERNETES_SERVICE_HOST`` is set). All else is read as
    strictly as of signed tokens.

    Sources: Firebase, "Verify ID tokens using a third-party JWT library"; Identity Platform, "Authenticating tenants";
    Firebase, "Connect your app to the Authentication Emulator". Raises `ConfigurationError`.
    """
    name = f"{FirebaseIssuer.prefix}{project_id(project, 'firebase(...)')}"
    return FirebaseIssuer(
        name=name,
        accepted_iss=frozenset({name}),
        audiences=frozenset({project}),
        keys=firebase_keys(keys, FIREBASE_KEYS, emulator),
        tenants=tenant_set(tenants),
        emulator=emulator,
    )

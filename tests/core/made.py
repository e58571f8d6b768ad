"""Tokens to measure the core with: good ones, and ones that are wrong in exactly one way."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from callerid import Caller, CustomFacts, FirebaseFacts, Guard, Issuer, Kind, OidcFacts
from callerid.authentication import resolve
from callerid.callers import Claims
from callerid.keys import key_source
from callerid.rules import Facts
from callerid.testing import LocalIssuer
from callerid.testing._compact import segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from callerid import Refusal, Rule

__all__ = [
    "ABSENT",
    "CLIENT",
    "ISSUER",
    "NOW",
    "PROJECT",
    "URL",
    "about",
    "assert_silent",
    "caller_of",
    "firebase_claims",
    "firebase_token",
    "google_claims",
    "google_token",
    "judged",
    "keyholder",
    "make_guard",
    "odd",
    "person",
    "provided",
    "robot",
    "signed_text",
    "told",
    "toy",
    "user",
]

NOW = 1_800_000_000
URL = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
PROJECT = "shop-prod"
ISSUER = LocalIssuer(clock=lambda: NOW)

ABSENT = object()
"""As a claim's value: the claim is left out."""


def make_guard(**options: Any) -> Guard:
    return Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase(PROJECT, ["acme"]), clock=lambda: NOW, **options)


GUARD = make_guard()


def person(email: str | None = "ada@example.com", domain: str | None = "example.com", **facts: Any) -> Caller:
    usual = {"issuer": "https://accounts.google.com", "subject": "110000000000000000001", "audience": CLIENT}
    times = {"issued_at": NOW, "expires_at": NOW + 3600}
    return Caller(kind=Kind.GOOGLE, **{**usual, **times, "email": email, "domain": domain, **facts})


def robot(email: str | None = "robot@shop-prod.iam.gserviceaccount.com", **facts: Any) -> Caller:
    return person(email, **{"domain": None, "subject": "117000000000000000001", "is_service_account": True, **facts})


def provided(subject: str = "ada", issuer: str = "https://id.example.com", /, **claims: Any) -> Caller:
    """Whom another OpenID Connect provider knows."""
    facts = OidcFacts(Claims(claims))
    return Caller(Kind.OIDC, issuer, subject, "orders", NOW, NOW + 3600, oidc=facts)


def keyholder(subject: str = "shop-7", issuer: str = "partner-keys", /, **facts: Any) -> Caller:
    """Whom a credential of the application's own names."""
    return Caller(Kind.CUSTOM, issuer, subject, issuer, NOW, NOW + 3600, custom=CustomFacts(Claims(facts)))


@dataclass(frozen=True, slots=True)
class OidcToy(Issuer):
    """Whatever provider: its callers are whom its tokens name."""

    kind: ClassVar[Kind] = Kind.OIDC
    ignores_named_audience: ClassVar[bool] = True

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        return provided(claims["sub"], self.name, **claims)


@dataclass(frozen=True, slots=True)
class CustomToy(OidcToy):
    """Whatever credential of the application's own."""

    kind: ClassVar[Kind] = Kind.CUSTOM

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        return keyholder(claims["sub"], self.name, **claims)


def toy(kind: Kind, name: str) -> Issuer:
    """An issuer of callers of this kind, whose tokens for "orders" ``ISSUER.oidc_caller(issuer=name)`` mints."""
    made = {Kind.OIDC: OidcToy, Kind.CUSTOM: CustomToy}[kind]
    ISSUER.oidc_keys(name)
    return made(name, frozenset({name}), frozenset({"orders"}), key_source(ISSUER.keys_of(name)))


def user(uid: str = "u1", email: str | None = "ada@example.com", **facts: Any) -> Caller:
    claims = Claims(facts.pop("claims", {}))
    usual = {"provider": "password", "signed_in_at": float(NOW)}
    return Caller(
        kind=Kind.FIREBASE,
        issuer=f"https://securetoken.google.com/{PROJECT}",
        subject=uid,
        audience=PROJECT,
        issued_at=NOW,
        expires_at=NOW + 3600,
        email=email,
        firebase=FirebaseFacts(**{"project": PROJECT, "uid": uid, "claims": claims, **usual, **facts}),
    )


def about(caller: Caller | None = None, **facts: Any) -> Facts:
    return Facts(**{"caller": caller, "now": float(NOW), **facts})


def odd(value: Any) -> Any:
    """A value that type checkers would refuse in its place, as a program without one may well have it."""
    return value


def google_claims(**changes: Any) -> dict[str, Any]:
    usual = {
        "iss": "https://accounts.google.com",
        "azp": CLIENT,
        "aud": CLIENT,
        "sub": "110000000000000000001",
        "hd": "example.com",
        "email": "ada@example.com",
        "email_verified": True,
        "iat": NOW,
        "exp": NOW + 3600,
    }
    return _changed(usual, changes)


def firebase_claims(**changes: Any) -> dict[str, Any]:
    usual = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "sub": "u1",
        "user_id": "u1",
        "email": "ada@example.com",
        "email_verified": True,
        "auth_time": NOW,
        "iat": NOW,
        "exp": NOW + 3600,
        "firebase": {"identities": {}, "sign_in_provider": "password"},
    }
    return _changed(usual, changes)


def _changed(usual: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**usual, **changes}.items() if value is not ABSENT}


def google_token(header: Mapping[str, Any] | None = None, /, **changes: Any) -> str:
    return ISSUER.sign(google_claims(**changes), header)


def firebase_token(header: Mapping[str, Any] | None = None, /, **changes: Any) -> str:
    return ISSUER.sign(firebase_claims(**changes), header, key="firebase")


def signed_text(header: str, claims: str, *, key: str = "google") -> str:
    """A token whose first two parts are exactly these, with a signature that is good for them."""
    signed = f"{header}.{claims}"
    return f"{signed}.{segment(ISSUER.key_set(key).current.sign(signed.encode()))}"


def caller_of(token: str) -> Caller:
    return GUARD.verify(token)


def judged(rule: Rule | str, token: str | None, *, path: Mapping[str, Any] | None = None, guard: Guard = GUARD) -> Any:
    """The outcome of a request with this token in Authorization, where this rule stands."""
    sent = {} if token is None else {"authorization": [f"Bearer {token}"]}
    return guard.judge(guard.requirement(rule), resolve(partial(guard.identify, sent)), path or {})


def told(error: BaseException) -> Iterator[str]:
    """All that an error says, to whoever looks anywhere in it or in what led to it."""
    yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
    for other in (error.__cause__, error.__context__):
        if other is not None:
            yield from told(other)


def assert_silent(error: Refusal, token: str) -> None:
    """The error shows no part of the token that could be used to make it again."""
    words = "\n".join(told(error))
    for part in token.split("."):
        for start in range(0, max(1, len(part) - 24), 24):
            piece = part[start : start + 24]
            assert len(piece) < 24 or piece not in words

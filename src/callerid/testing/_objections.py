"""What Google and Firebase never write into a token: the local issuer mints it only if it is asked for ``hostile``.

Sources: those of `callerid.testing._claims`.
"""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from callerid.testing._claims import CLIENT_ID, FIREBASE_ISSUER, domain_of, is_client_id, is_service_account

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "RESERVED_CUSTOM_CLAIMS",
    "app_check_objections",
    "firebase_objections",
    "iap_objections",
    "person_objections",
    "service_account_objections",
    "session_objections",
    "settled",
    "unobjectionable",
]

RESERVED_CUSTOM_CLAIMS = frozenset(
    "acr amr at_hash aud auth_time azp c_hash cnf exp firebase iat iss jti nbf nonce sub".split(),  # noqa: SIM905
)
"""Names that Firebase refuses for custom claims (firebase-tools ``FORBIDDEN_CUSTOM_CLAIMS``)."""

_FIREBASE_FACTS = frozenset({"email", "email_verified", "phone_number", "provider_id", "user_id"})
_LARGEST_CUSTOM_CLAIMS = 1000
_LONGEST_LIFETIME = 3600
_LONGEST_ASSERTION = 600
_SHORTEST_SESSION, _LONGEST_SESSION = 300, 14 * 86_400
_LONGEST_APP_CHECK = 7 * 86_400
_CONSUMER_DOMAINS = frozenset({"gmail.com", "googlemail.com"})


def settled(
    standard: Mapping[str, Any],
    extra: Mapping[str, Any] | None,
    objections: Callable[[Mapping[str, Any]], Iterable[str]],
    *,
    hostile: bool,
) -> dict[str, Any]:
    """The claims to mint. Raises `ValueError` for what Google would not mint, unless ``hostile`` asks for it."""
    extra = {} if extra is None else extra
    claims = {**standard, **extra}

    def every(claims: Mapping[str, Any]) -> Iterator[str]:
        return chain(_overwritten(standard, extra), _lifetime(claims), objections(claims))

    return unobjectionable(claims, every, hostile=hostile)


def unobjectionable(
    claims: Mapping[str, Any], objections: Callable[[Mapping[str, Any]], Iterable[str]], *, hostile: bool
) -> dict[str, Any]:
    """The claims to mint. Raises `ValueError` with the first objection, unless ``hostile`` asks for them anyway."""
    if not hostile:
        for objection in objections(claims):
            raise ValueError(f"Google mints no such token: {objection} To test how it is refused, pass hostile=True.")
    return dict(claims)


def person_objections(claims: Mapping[str, Any]) -> Iterator[str]:
    """What stands against these claims in the token of a person."""
    yield from _audience(claims)
    email, domain = claims.get("email"), claims.get("hd")
    if not is_client_id(claims["aud"]):
        yield (
            f"{claims['aud']!r} is not an OAuth client id (NUMBER-NAME{CLIENT_ID}), the only audience a person can "
            "get a token for; a service_account() chooses any."
        )
    if not claims["sub"].isdecimal():
        yield f"the account id {claims['sub']!r} is not a number in digits."
    if email is not None:
        yield from _address(email)
        if is_service_account(email):
            yield f"{email!r} is a service account, not a person; mint it with service_account()."
    if domain is not None:
        yield from _hosted_domain(domain, email)


def service_account_objections(email: str) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    """What stands against the claims of the service account at this address."""

    def objections(claims: Mapping[str, Any]) -> Iterator[str]:
        yield from _audience(claims)
        yield from _address(email)
        if not is_service_account(email):
            yield f"{email!r} is not a service account's address: those end in gserviceaccount.com; mint a person()."
        if claims.get("email", email) != email:
            yield f"the token of {email!r} carries no other address."
        if "hd" in claims:
            yield "a service account belongs to a project, not to a Workspace domain: its tokens carry no hd."
        if "google" in claims and "email" not in claims:
            yield "a token with compute_engine facts (format=full) carries the e-mail too: include_email=True."

    return objections


def firebase_objections(custom: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    """What stands against the claims of a Firebase user with these custom claims."""

    def objections(claims: Mapping[str, Any]) -> Iterator[str]:
        yield from _custom_claims(custom)
        yield from _audience(claims)
        if not 1 <= len(claims["sub"]) <= 128:
            yield f"a Firebase uid has 1 to 128 characters, this one {len(claims['sub'])}."
        if claims["auth_time"] > claims["iat"]:
            yield "auth_time is later than iat: nobody signs in after the token was issued."
        yield from _sign_in(claims, claims["firebase"])

    return objections


def session_objections(user: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Iterator[str]]:
    """What stands against the claims of a session cookie made of this ID token."""

    def objections(claims: Mapping[str, Any]) -> Iterator[str]:
        lifetime = claims["exp"] - claims["iat"]
        if not _SHORTEST_SESSION <= lifetime <= _LONGEST_SESSION:
            yield f"a lifetime of {lifetime} s; a session cookie lives for 5 minutes to 14 days."
        if not str(user.get("iss")).startswith(FIREBASE_ISSUER):
            yield "a session cookie is made of a Firebase ID token: firebase_user(...)."

    return objections


def iap_objections(claims: Mapping[str, Any]) -> Iterator[str]:
    """What stands against the claims of an assertion of IAP."""
    lifetime = claims["exp"] - claims["iat"]
    if not 0 < lifetime <= _LONGEST_ASSERTION:
        yield f"a lifetime of {lifetime} s; an assertion of IAP lives for ten minutes."
    if "email" not in claims and "gcip" not in claims:
        yield "IAP asserts the e-mail of every Google account."


def app_check_objections(claims: Mapping[str, Any]) -> Iterator[str]:
    """What stands against the claims of a token of App Check."""
    lifetime = claims["exp"] - claims["iat"]
    if not 0 < lifetime <= _LONGEST_APP_CHECK:
        yield f"a lifetime of {lifetime} s; a token of App Check lives for at most seven days."
    if not claims["sub"]:
        yield "App Check names an app."


def _overwritten(standard: Mapping[str, Any], extra: Mapping[str, Any]) -> Iterator[str]:
    for name in extra:
        if name in standard:
            yield f"{name!r} is written by Google itself and cannot be chosen."


def _lifetime(claims: Mapping[str, Any]) -> Iterator[str]:
    if not 0 < claims["exp"] - claims["iat"] <= _LONGEST_LIFETIME:
        yield f"a lifetime of {claims['exp'] - claims['iat']} s; its ID tokens live for one hour (or expired(token))."


def _audience(claims: Mapping[str, Any]) -> Iterator[str]:
    if not claims["aud"].strip():
        yield "the audience is empty; every token is minted for somebody."


def _address(email: str) -> Iterator[str]:
    local, at, domain = email.rpartition("@")
    if not (local and at and domain):
        yield f"{email!r} is not an e-mail address."


def _hosted_domain(domain: str, email: str | None) -> Iterator[str]:
    if not domain.strip():
        yield "hd is empty; an account outside Workspace has no hd at all: mint a person()."
    for consumer in {domain.casefold(), domain_of(email or "")} & _CONSUMER_DOMAINS:
        yield f"{consumer} belongs to no Workspace, so its accounts carry no hd: mint a person()."


def _custom_claims(custom: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(custom):
        if name in RESERVED_CUSTOM_CLAIMS:
            yield f"Firebase reserves {name!r}; no custom claim may be called so (FORBIDDEN_CLAIM)."
        if name in _FIREBASE_FACTS:
            yield f"Firebase writes its own {name!r} over a custom claim of that name."
    if len(json.dumps(custom, separators=(",", ":"))) > _LARGEST_CUSTOM_CLAIMS:
        yield f"custom claims are at most {_LARGEST_CUSTOM_CLAIMS} characters of JSON (CLAIMS_TOO_LARGE)."


def _sign_in(claims: Mapping[str, Any], firebase: Mapping[str, Any]) -> Iterator[str]:
    provider = firebase["sign_in_provider"]
    if not provider.strip():
        yield "the sign-in provider is empty."
    if provider == "password" and "email" not in claims:
        yield "who signs in by password has an e-mail address: email=..."
    if provider == "phone" and "phone_number" not in claims:
        yield "who signs in by phone has a number: phone=..."
    if provider == "anonymous" and (firebase["identities"] or "sign_in_second_factor" in firebase):
        yield "an anonymous user has no e-mail address, telephone number or second factor."
    if not firebase.get("tenant", "some").strip():
        yield "the tenant is empty; a user of the project itself has none: tenant=None."

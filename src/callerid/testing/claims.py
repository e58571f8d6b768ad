"""The claims Google and Firebase write into a token, and what they never write.

Pure functions from facts to a dictionary. Sources: Google's discovery document for ``GenerateIdTokenResponse``,
google-auth's ``oauth2/_client.py`` and ``compute_engine/credentials.py``; for Firebase the tokens its own emulator
mints (firebase-tools ``src/emulator/auth/operations.ts``, ``generateJwt``) and firebase-admin's ``_token_gen.py``.
"""

from __future__ import annotations

import hashlib
import json
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_URL, uuid5

from callerid.issuers.google import GOOGLE_ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = [
    "APP_CHECK_ISSUER",
    "COMPUTE_ENGINE",
    "FIREBASE_ISSUER",
    "GOOGLE_ISSUER",
    "IAP_ISSUER",
    "OIDC_ISSUER",
    "RESERVED_CUSTOM_CLAIMS",
    "SESSION_ISSUER",
    "app_check",
    "app_check_objections",
    "firebase_objections",
    "firebase_session",
    "firebase_user",
    "google_account",
    "iap_assertion",
    "iap_objections",
    "is_service_account",
    "numeric_id",
    "person_objections",
    "service_account_objections",
    "session_objections",
    "settled",
    "unobjectionable",
]

FIREBASE_ISSUER = "https://securetoken.google.com/"
"""The issuer name of Firebase's ID tokens, before the project."""

SESSION_ISSUER = "https://session.firebase.google.com/"
"""The issuer name of Firebase's session cookies, before the project."""

IAP_ISSUER = "https://cloud.google.com/iap"
"""The issuer name of IAP's assertions."""

APP_CHECK_ISSUER = "https://firebaseappcheck.googleapis.com/"
"""The issuer name of App Check's tokens, before the project's number."""

OIDC_ISSUER = "https://id.example.com"
"""The OpenID Connect provider of which `Mint.oidc_caller` makes callers when none is named."""

COMPUTE_ENGINE: Mapping[str, Any] = MappingProxyType(
    {
        "instance_creation_timestamp": 1_700_000_000,
        "instance_id": "1234567890123456789",
        "instance_name": "worker-1",
        "project_id": "shop-prod",
        "project_number": 123_456_789_012,
        "zone": "europe-west1-b",
    }
)
"""An invented machine, in the members that ``format=full`` adds to a token of the metadata server."""

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
_CLIENT_ID = ".apps.googleusercontent.com"
_CONSUMER_DOMAINS = frozenset({"gmail.com", "googlemail.com"})


def is_client_id(audience: str) -> bool:
    """Whether an audience is an OAuth client id, the only one a person can get a token for."""
    return audience.endswith(_CLIENT_ID)


def numeric_id(email: str) -> str:
    """The account id of an e-mail address: 21 digits, always the same for one address, as Google's ``sub`` looks."""
    digest = int.from_bytes(hashlib.sha256(email.casefold().encode()).digest())
    return f"1{digest % 10**20:020d}"


def is_service_account(email: str) -> bool:
    """Whether an address is a service account's: all of them lie under ``gserviceaccount.com``."""
    domain = _domain(email)
    return domain == "gserviceaccount.com" or domain.endswith(".gserviceaccount.com")


def google_account(  # noqa: PLR0913 - one parameter a claim
    *,
    audience: str,
    subject: str,
    azp: str,
    email: str | None,
    email_verified: bool,
    domain: str | None = None,
    compute_engine: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The claims of a Google ID token but for its times; those without a value are left out, as Google does."""
    hosted = {} if domain is None else {"hd": domain}
    mailbox = {} if email is None else {"email": email, "email_verified": email_verified}
    machine = {} if compute_engine is None else {"google": {"compute_engine": dict(compute_engine)}}
    return {"iss": GOOGLE_ISSUER, "azp": azp, "aud": audience, "sub": subject, **hosted, **mailbox, **machine}


def firebase_user(  # noqa: PLR0913 - one parameter a claim
    uid: str,
    *,
    project: str,
    provider: str,
    email: str | None,
    email_verified: bool,
    phone: str | None,
    tenant: str | None,
    second_factor: str | None,
    attributes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The claims of a Firebase ID token but for its times and custom claims."""
    anonymous = {"provider_id": "anonymous"} if provider == "anonymous" else {}
    mailbox = {} if email is None else {"email": email, "email_verified": email_verified}
    telephone = {} if phone is None else {"phone_number": phone}
    factor = {} if second_factor is None else _second_factor(uid, second_factor)
    firebase = {"identities": _identities(uid, provider, email, phone), "sign_in_provider": provider, **factor}
    if tenant is not None:
        firebase["tenant"] = tenant
    if attributes:
        firebase["sign_in_attributes"] = dict(attributes)
    return {
        **anonymous,
        "iss": FIREBASE_ISSUER + project,
        "aud": project,
        "user_id": uid,
        "sub": uid,
        **mailbox,
        **telephone,
        "firebase": firebase,
    }


def firebase_session(user: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of the session cookie that is made of an ID token, but for its times."""
    return {**user, "iss": SESSION_ISSUER + str(user.get("aud"))}


def app_check(app_id: str, number: str, project: str) -> dict[str, Any]:
    """What App Check attests of an app, but for its times. Source: Firebase, "Verify App Check tokens"."""
    return {"iss": APP_CHECK_ISSUER + number, "aud": [f"projects/{number}", f"projects/{project}"], "sub": app_id}


def iap_assertion(account: Mapping[str, Any], audience: str) -> dict[str, Any]:
    """What IAP says about the account of an ID token, but for its times. Source: IAP, "External identities"."""
    issuer = str(account.get("iss"))
    standard: dict[str, Any] = {"iss": IAP_ISSUER, "aud": audience}
    if issuer.startswith(FIREBASE_ISSUER):
        tenant = account.get("firebase", {}).get("tenant")
        prefix = issuer.removeprefix("https://") + (f"/{tenant}" if tenant else "") + ":"
        gcip = {name: value for name, value in account.items() if name not in ("iss", "aud", "iat", "exp")}
        mailbox = {"email": prefix + account["email"]} if "email" in account else {}
        return {**standard, "sub": f"{prefix}{account['sub']}", **mailbox, "identity_source": "GCIP", "gcip": gcip}
    known = {name: account[name] for name in ("email", "hd") if name in account}
    return {**standard, "sub": f"accounts.google.com:{account.get('sub')}", **known, "identity_source": "GOOGLE"}


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
            f"{claims['aud']!r} is not an OAuth client id (NUMBER-NAME{_CLIENT_ID}), the only audience a person can "
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


def _domain(email: str) -> str:
    return email.rpartition("@")[2].casefold()


def _identities(uid: str, provider: str, email: str | None, phone: str | None) -> dict[str, list[str]]:
    federated = {} if provider in {"password", "phone", "anonymous", "custom"} else {provider: [numeric_id(uid)]}
    mailbox = {} if email is None else {"email": [email]}
    telephone = {} if phone is None else {"phone": [phone]}
    return {**federated, **mailbox, **telephone}


def _second_factor(uid: str, second_factor: str) -> dict[str, str]:
    identifier = uuid5(NAMESPACE_URL, f"{FIREBASE_ISSUER}{uid}/{second_factor}")
    return {"sign_in_second_factor": second_factor, "second_factor_identifier": str(identifier)}


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
    for consumer in {domain.casefold(), _domain(email or "")} & _CONSUMER_DOMAINS:
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

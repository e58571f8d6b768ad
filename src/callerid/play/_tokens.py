"""The claims of a credential that was sent: which are facts, and which are somebody's word. Pure.

A signature vouches for who wrote a claim, not for its truth. A fact is what the issuer itself knows: whom it signed in,
for which audience, when. Hearsay is what it passes on: an address nobody proved, a name that users choose, a custom
claim that the project's own server wrote. Sources: Google, "Verify the Google ID token"; Firebase, "Verify ID tokens"
and "Control access with custom claims"; OpenID Connect Core 1.0 section 5.7.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast

from callerid.rules._accounts import CONSUMER_DOMAINS
from callerid.rules._text import domain_of
from callerid.testing._claims import (
    APP_CHECK_ISSUER,
    FIREBASE_ISSUER,
    IAP_ISSUER,
    SESSION_ISSUER,
    is_service_account,
)
from callerid.testing._compact import header_and_claims

__all__ = ["ShownClaim", "ShownToken", "tokens_in"]

LONGEST_VALUE: Final = 300

Verdict = tuple[bool, str]
"""Whether a claim is a fact, and who vouches for it, or whose word it is."""


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """One claim: whether it is a fact, and by whom."""

    name: str
    value: str
    is_fact: bool
    says: str


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A credential without its signature: where it was sent, by whom it is signed, and its claims.

    Of one that is no JWT there are no claims: ``note`` says why.
    """

    where: str
    signer: str = ""
    claims: tuple[ShownClaim, ...] = ()
    note: str = ""


def tokens_in(headers: Mapping[str, str], *, believed: bool) -> list[ShownToken]:
    """The credentials of a request. Where they were not believed, nothing that they say is a fact."""
    return [_shown(name, value, believed=believed) for name, value in headers.items() if name != "Sec-Fetch-Site"]


def _shown(name: str, value: str, *, believed: bool) -> ShownToken:
    text = value.rpartition(" ")[2]
    if name.lower() == "cookie":
        name, text = f"cookie {value.partition('=')[0]}", value.partition("=")[2]
    try:
        _, claims = header_and_claims(text)
    except ValueError:
        return ShownToken(name, note="It is opaque: nothing can be read from it. Its issuer is asked about it.")
    issuer = str(claims.get("iss", ""))
    vouching = _nobody if not believed else _judge_for(claims)
    told = tuple(_claims(claims, vouching))
    signer = f"{issuer}, not believed" if not believed else issuer
    return ShownToken(name, signer, told)


_Vouching = Callable[[tuple[str, ...]], Verdict]


def _nobody(_: tuple[str, ...]) -> Verdict:
    return False, "nobody's: the token was not believed"


def _claims(claims: Mapping[str, Any], judge: _Vouching, way: tuple[str, ...] = ()) -> Iterator[ShownClaim]:
    for name, value in claims.items():
        path = (*way, name)
        if isinstance(value, dict) and path in _OPENED:
            yield from _claims(cast("dict[str, Any]", value), judge, path)
        else:
            is_fact, says = judge(path)
            yield ShownClaim(".".join(path), _value(name, value), is_fact, says)


_OPENED: Final = frozenset({("firebase",), ("google",), ("google", "compute_engine"), ("gcip",), ("gcip", "firebase")})
"""The claims that are shown member by member."""

_TIMES: Final = frozenset({"iat", "exp", "nbf", "auth_time"})


def _value(name: str, value: Any) -> str:
    text = _text(value)
    if name in _TIMES and isinstance(value, int | float):
        try:
            return f"{text} ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC)"
        except (OverflowError, OSError, ValueError):
            return text
    return text


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


# --- who vouches for what ---


def _judge_for(claims: Mapping[str, Any]) -> _Vouching:
    issuer = str(claims.get("iss", ""))
    if issuer in ("https://accounts.google.com", "accounts.google.com"):
        return lambda path: _google(path, claims)
    if issuer.startswith((FIREBASE_ISSUER, SESSION_ISSUER)):
        return lambda path: _firebase(path, claims)
    if issuer == IAP_ISSUER:
        return lambda path: _iap(path, claims)
    if issuer.startswith(APP_CHECK_ISSUER):
        return lambda path: (True, _APP_CHECK.get(path[0], "Firebase App Check"))
    if is_service_account(issuer):
        return _self_signed
    return lambda path: _provider(path, claims, issuer)


_STANDARD: Final = {
    "iss": "who signed the token",
    "aud": "for whom it was minted: it opens nothing else",
    "iat": "when it was issued",
    "exp": "until when it holds",
    "nonce": "what the sign-in was asked with",
    "jti": "the id of this token",
}

_GOOGLE: Final = {
    "sub": "Google: the account's id, which never changes",
    "azp": "Google: the client that asked for the token",
    "hd": "Google: the Workspace domain that owns the account",
    "google": "Google: the machine that the token was issued to",
    "at_hash": "Google: the access token it came with",
    "email_verified": "Google: whether the address was ever proved",
}


def _google(path: tuple[str, ...], claims: Mapping[str, Any]) -> Verdict:
    name = path[0]
    if name == "email":
        return _google_mailbox(claims)
    if name in _STANDARD:
        return True, f"Google: {_STANDARD[name]}"
    if name in _GOOGLE:
        return True, _GOOGLE[name]
    return False, "the user's own: shown on their profile, changed at will"


def _google_mailbox(claims: Mapping[str, Any]) -> Verdict:
    email = str(claims.get("email", ""))
    if claims.get("email_verified") is not True:
        return False, "whoever signed up: nobody proved that it is theirs"
    if is_service_account(email):
        return True, "Google: the service account's own name"
    if "hd" in claims or domain_of(email) in CONSUMER_DOMAINS:
        return True, "Google: it hosts this mailbox"
    return False, "proved once, at sign-up: Google does not host this mailbox, and it may have changed hands"


_FIREBASE_FACTS: Final = {
    "sub": "Firebase: the user's uid in this project",
    "user_id": "Firebase: the uid once more",
    "auth_time": "Firebase: when the user signed in",
    "phone_number": "Firebase: proved by a code sent to it",
    "email_verified": "Firebase: whether the address was proved",
    "provider_id": "Firebase: anonymous, signed in with nothing",
    "firebase.sign_in_provider": "Firebase: how the user signed in",
    "firebase.tenant": "Firebase: the tenant that the user is of",
    "firebase.sign_in_second_factor": "Firebase: the second factor that was used",
    "firebase.second_factor_identifier": "Firebase: the id of that factor",
}

_FIREBASE_WORDS: Final = {
    "name": "the user's own: set by any client that is signed in",
    "picture": "the user's own: set by any client that is signed in",
    "firebase.identities": "the sign-in providers: what each calls this user",
    "firebase.sign_in_attributes": "the SAML provider's word at sign-in",
}


def _firebase(path: tuple[str, ...], claims: Mapping[str, Any]) -> Verdict:
    name = ".".join(path)
    if name == "email":
        if claims.get("email_verified") is True:
            return True, "Firebase: proved by the user, or by the provider they signed in with"
        return False, "whoever signed up: nobody proved that it is theirs"
    if name in _STANDARD:
        return True, f"Firebase: {_STANDARD[name]}"
    if name in _FIREBASE_FACTS:
        return True, _FIREBASE_FACTS[name]
    return False, _FIREBASE_WORDS.get(name, "the project's own server: whoever may set custom claims (Admin SDK)")


_IAP: Final = {
    "sub": "IAP: the account's id",
    "email": "IAP: the address of the account that signed in",
    "hd": "IAP: the Workspace domain that owns the account",
    "identity_source": "IAP: Google accounts, or Identity Platform (GCIP)",
    "google": "IAP: the access levels of the request",
}


def _iap(path: tuple[str, ...], claims: Mapping[str, Any]) -> Verdict:
    if path[0] == "gcip":
        return _firebase(path[1:], cast("Mapping[str, Any]", claims["gcip"])) if path[1:] else (True, "IAP")
    if path[0] in _IAP:
        return True, _IAP[path[0]]
    if path[0] in _STANDARD:
        return True, f"IAP: {_STANDARD[path[0]]}"
    return False, "an attribute that the project's settings pass on"


_APP_CHECK: Final = {
    "sub": "App Check: the app's id; it names no user",
    "aud": "App Check: the projects it is for",
}


def _self_signed(path: tuple[str, ...]) -> Verdict:
    if path[0] in ("iss", "sub"):
        return True, "the account: its own key signed this"
    return False, "the account's own word: it writes what it likes"


def _provider(path: tuple[str, ...], claims: Mapping[str, Any], issuer: str) -> Verdict:
    name = path[0]
    if name in _STANDARD or name in ("sub", "azp", "auth_time"):
        return True, f"the provider: {_STANDARD.get(name, 'its own record')}"
    if name in ("name", "preferred_username", "nickname", "picture", "profile", "website"):
        return False, "the user's own: most providers let users write it"
    if name == "email" and claims.get("email_verified") is not True:
        return False, "nobody's: the provider does not say that it was proved"
    return False, f"{issuer.removeprefix('https://') or 'the provider'}'s word: as good as that provider"

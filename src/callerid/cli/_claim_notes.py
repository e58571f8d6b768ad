"""What the claims of a token mean, and of which issuer it seems to be. Pure; nothing is verified."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import urlsplit

from callerid.authentication._look_alikes import look_alike

__all__ = ["LikelyIssuer", "claim_note", "likely_issuer", "odd_claims"]

_MEANINGS: Final = {
    "iss": "who says that they issued it",
    "sub": "the account's id, unique for this issuer",
    "aud": "for whom it was minted: it opens nothing else",
    "azp": "the client or account that asked for it",
    "email": "an address; a fact only where email_verified is true",
    "email_verified": "whether the issuer checked the address",
    "hd": "the Google Workspace domain; a fact only in Google's own tokens",
    "user_id": "the Firebase uid, as in sub",
    "firebase": "how the user signed in; tenant and second factor",
    "google": "of a Google Cloud product: facts about a machine, access levels of IAP",
    "nonce": "the value of the page that asked to sign in",
    "jti": "the id of this token",
    "name": "what the user calls themselves: no identity",
    "picture": "a picture's address: no identity",
    "gcip": "the Identity Platform user that signed in to IAP",
    "phone_number": "the telephone number that Firebase checked",
    "events": "a security event: it names nobody who calls",
}

_TIMES: Final = {"exp": ("expired", "expires"), "iat": ("issued", "issued"), "nbf": ("valid", "valid only")}
_TIMES_OF_SIGN_IN: Final = {"auth_time": ("signed in", "signed in")}

_SESSION: Final = "https://session.firebase.google.com/"
_FIREBASE: Final = "https://securetoken.google.com/"
_APP_CHECK: Final = "https://firebaseappcheck.googleapis.com/"
_CHAT: Final = "chat@system.gserviceaccount.com"
_GOOGLE: Final = ("https://accounts.google.com", "accounts.google.com")
_IAP: Final = "https://cloud.google.com/iap"
_KNOWN: Final = (*_GOOGLE, _IAP, _SESSION, _FIREBASE, _APP_CHECK)
_LONGEST_NAME: Final = 200
_UNKNOWN: Final = "a token of an issuer that callerid does not know"


@dataclass(frozen=True, slots=True)
class LikelyIssuer:
    """Of which family a token seems to be, and the issuer that would verify it; ``call`` is empty where none would."""

    family: str
    call: str = ""


def likely_issuer(claims: Mapping[str, Any]) -> LikelyIssuer:
    """Of which family a token seems to be, by its ``iss`` and ``aud`` alone."""
    issuer, audience = claims.get("iss"), _audience(claims)
    if what := look_alike(claims):
        return LikelyIssuer(what)
    if not isinstance(issuer, str) or len(issuer) > _LONGEST_NAME or not issuer.isprintable():
        return LikelyIssuer(_UNKNOWN)
    if issuer in _GOOGLE:
        kind = "of a service" if _host(audience) else "of a person or a client"
        return LikelyIssuer(f"a Google ID token {kind}", f"google({audience!r})")
    if issuer == _IAP:
        return LikelyIssuer("an assertion of Identity-Aware Proxy", f"iap({audience!r})")
    if issuer == _CHAT:
        return LikelyIssuer("a call of Google Chat", f"google_chat({audience!r})")
    for start, family, function in _BY_PROJECT:
        if issuer.startswith(start) and issuer != start:
            return LikelyIssuer(family, f"{function}({issuer.removeprefix(start)!r})")
    if issuer.endswith(".gserviceaccount.com") and "@" in issuer:
        return LikelyIssuer(
            "a token that a service account signed itself", f"service_account({issuer!r}, {audience!r})"
        )
    if issuer.startswith("https://") and _host(issuer):
        return LikelyIssuer("a token of an OpenID Connect provider", f"oidc({issuer!r}, {audience!r})")
    return LikelyIssuer(_UNKNOWN)


_BY_PROJECT: Final = (
    (_FIREBASE, "a Firebase ID token", "firebase"),
    (_SESSION, "a Firebase session cookie", "firebase_session"),
    (_APP_CHECK, "an App Check token: it names an app and nobody who uses it", "app_check"),
)


def _audience(claims: Mapping[str, Any]) -> str:
    audience = claims.get("aud")
    if isinstance(audience, list):
        audience = next(iter(cast("list[object]", audience)), None)
    if isinstance(audience, str) and audience.isprintable() and len(audience) <= _LONGEST_NAME:
        return audience
    return "AUDIENCE"


def _host(text: str) -> str:
    """The host of a URL; empty for what is none."""
    try:
        return urlsplit(text).hostname or ""
    except ValueError:
        return ""


def claim_note(name: str, value: object, now: float) -> str:
    """What a claim means, in a few words; empty for one that callerid does not know. ``now`` is seconds since 1970."""
    words = {**_TIMES, **_TIMES_OF_SIGN_IN}.get(name)
    if words is None:
        return _MEANINGS.get(name, "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "not a time: a number of seconds is expected"
    try:
        local = datetime.fromtimestamp(value, UTC).astimezone().isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):
        return "not a time that a calendar has"
    past = value <= now
    span = _span(abs(now - value))
    return f"{local}: {words[0] if past else words[1]} {f'{span} ago' if past else f'in {span}'}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds:.0f} s"


def odd_claims(claims: Mapping[str, Any], now: float) -> Iterator[str]:
    """What a guard, or a careful reader, would stumble on."""
    yield from _odd_issuer(claims.get("iss"))
    if isinstance(claims.get("aud"), list):
        yield "aud is a list: whoever is named in it can send the token on to the others"
    if "email" in claims and claims.get("email_verified") is not True and claims.get("iss") != _IAP:
        yield "email is not verified: anybody can have typed it"
    if "hd" in claims and str(claims.get("iss")).startswith((_FIREBASE, _SESSION)):
        yield "hd in a Firebase token is a custom claim: it is no Workspace domain"
    yield from _odd_times(claims, now)


def _odd_issuer(issuer: object) -> Iterator[str]:
    if not isinstance(issuer, str):
        yield "there is no iss in text form"
        return
    if not (issuer.isascii() and issuer.isprintable()):
        yield "iss has letters that are no plain ASCII: it may look like another name"
    if issuer in _GOOGLE or issuer.startswith(_KNOWN[2:]):
        return
    close = difflib.get_close_matches(issuer[:_LONGEST_NAME].casefold(), _KNOWN, n=1, cutoff=0.85)
    inside = [name for name in ("accounts.google.com", "securetoken.google.com") if name in issuer.casefold()]
    for name in [*close, *inside][:1]:
        yield f"iss looks like {name} and is another name"


def _odd_times(claims: Mapping[str, Any], now: float) -> Iterator[str]:
    times = {name: claims[name] for name in ("iat", "exp") if _is_number(claims.get(name))}
    yield from (f"there is no {name} in the form of a number" for name in ("iat", "exp") if name not in times)
    if times.get("iat", now) > now:
        yield "it is issued in the future: a clock is wrong, or the token is"
    if len(times) == 2 and times["exp"] <= times["iat"]:
        yield "it expires before it is issued"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

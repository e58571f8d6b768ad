"""Tokens of every family, and what each change to one means.

They are written out by Google's pages and the RFCs, and signed by cryptography itself: `callerid.testing` could share a
mistake with what is tested.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from random import Random
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from callerid import (
    Guard,
    KeyDocument,
    Unauthenticated,
    app_check,
    firebase,
    firebase_session,
    google,
    google_chat,
    iap,
    oidc,
    service_account,
)
from callerid.authentication import resolve

NOW = 1_900_000_000
URL, CLIENT, PROJECT, NUMBER = "https://orders.example.com", "1-a.apps.googleusercontent.com", "shop-prod", 123456789012
ROBOT, PROVIDER = "scheduler@shop-prod.iam.gserviceaccount.com", "https://id.example.net/realms/shop"
BACKEND = "/projects/123456789012/global/backendServices/999"

GOOGLES, OTHERS, STRANGERS = (rsa.generate_private_key(65537, 2048) for _ in range(3))
IAPS = ec.generate_private_key(ec.SECP256R1())
KEYS: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
    "googles": GOOGLES,
    "others": OTHERS,
    "strangers": STRANGERS,
    "iaps": IAPS,
}


def _published(kid: str) -> KeyDocument:
    pem = KEYS[kid].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return KeyDocument(json.dumps({kid: pem.decode()}))


GUARD = Guard(
    google(URL, CLIENT, keys=_published("googles")),
    firebase(PROJECT, ["acme-x1"], keys=_published("others")),
    firebase_session(PROJECT, ["acme-x1"], keys=_published("others")),
    iap(BACKEND, keys=_published("iaps")),
    service_account(ROBOT, URL, keys=_published("others")),
    google_chat(NUMBER, keys=_published("others")),
    app_check(NUMBER, keys=_published("others")),
    oidc(PROVIDER, "shop", "shop-app", keys=_published("others")),
    clock=lambda: NOW,
)

TIMES = {"iat": NOW - 10, "exp": NOW + 590}
_PERSON = {"iss": "https://accounts.google.com", "aud": CLIENT, "azp": CLIENT, "sub": "1" * 21, **TIMES}
_USER = {"aud": PROJECT, "sub": "u1", "user_id": "u1", "auth_time": NOW - 100, **TIMES}
_SIGN_IN = {"identities": {"email": ["u@x.org"]}, "sign_in_provider": "password"}

FAMILIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "person": ("googles", "Authorization", {**_PERSON, "hd": "example.com", "email": "a@b.c", "email_verified": True}),
    "account": (
        "googles",
        "Authorization",
        {**_PERSON, "aud": URL, "azp": ROBOT, "email": ROBOT, "email_verified": True},
    ),
    "user": (
        "others",
        "Authorization",
        {**_USER, "iss": f"https://securetoken.google.com/{PROJECT}", "firebase": _SIGN_IN, "role": {"a": [1, None]}},
    ),
    "session": (
        "others",
        "Cookie",
        {**_USER, "iss": f"https://session.firebase.google.com/{PROJECT}", "firebase": _SIGN_IN},
    ),
    "iap": (
        "iaps",
        "X-Goog-IAP-JWT-Assertion",
        {
            **TIMES,
            "iss": "https://cloud.google.com/iap",
            "aud": BACKEND,
            "sub": "accounts.google.com:1",
            "email": "a@b.c",
        },
    ),
    "self-signed": ("others", "Authorization", {**TIMES, "iss": ROBOT, "sub": ROBOT, "aud": URL}),
    "chat": ("others", "Authorization", {**TIMES, "iss": "chat@system.gserviceaccount.com", "aud": str(NUMBER)}),
    "app": (
        "others",
        "X-Firebase-AppCheck",
        {
            **TIMES,
            "iss": f"https://firebaseappcheck.googleapis.com/{NUMBER}",
            "aud": [f"projects/{NUMBER}", f"projects/{PROJECT}"],
            "sub": "1:123:web:abc",
        },
    ),
    "provider": ("others", "Authorization", {**TIMES, "iss": PROVIDER, "aud": ["shop"], "sub": "ada", "email": 5}),
}
"""By family: its key, where its tokens are sent, and the claims of one."""

GOOGLE, FIREBASE = frozenset({"person", "account"}), frozenset({"user", "session"})
ALL, NONE = frozenset(FAMILIES), frozenset[str]()


@dataclass
class Written:
    """A token as it is being written. ``raw`` is JSON put behind the claims as it stands."""

    claims: dict[str, Any]
    header: dict[str, Any]
    key: str
    raw: list[str] = field(default_factory=list[str])
    before: bytes = b""
    behind: bytes = b""
    sealed: Callable[[bytes], bytes] = bytes
    sent: Callable[[str], str] = str

    def lived(self, **dates: int) -> None:
        self.claims.update(dates)

    def text(self) -> str:
        members = [json.dumps(self.claims)[1:-1], *self.raw]
        claims = self.before + f"{{{','.join(members)}}}".encode() + self.behind
        signed = f"{_base64(json.dumps(self.header).encode())}.{_base64(claims)}"
        return self.sent(f"{signed}.{_base64(self.sealed(_signature(self.key, signed.encode())))}")


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(key: str, signed: bytes) -> bytes:
    own = KEYS[key]
    if isinstance(own, rsa.RSAPrivateKey):
        return own.sign(signed, padding.PKCS1v15(), SHA256())
    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(own.sign(signed, ec.ECDSA(SHA256()))))


@dataclass(frozen=True)
class Change:
    """One change, and of which families the token is still good. Two changes to one ``part`` undo each other."""

    name: str
    part: str
    make: Callable[[Written], object]
    good: frozenset[str] = NONE


def claim(name: str, value: Any, good: frozenset[str] = NONE) -> Change:
    return Change(f"{name}={str(value)[:40]!r}", name, lambda token: token.claims.update({name: value}), good)


def no_claim(name: str, good: frozenset[str] = NONE) -> Change:
    return Change(f"no {name}", name, lambda token: token.claims.pop(name, None), good)


def header(name: str, value: Any, good: frozenset[str] = NONE) -> Change:
    part = f"header {'alg' if name == 'kid' else name}"
    return Change(f"header {name}={value!r}", part, lambda token: token.header.update({name: value}), good)


def raw(json_text: str, good: frozenset[str] = NONE) -> Change:
    return Change(json_text[:40], "raw", lambda token: token.raw.append(json_text), good)


def bad(make: Callable[[str, Any], Change], name: str, *values: Any) -> Iterator[Change]:
    yield from (make(name, value) for value in values)


def around(before: bytes = b"", behind: bytes = b"", good: frozenset[str] = NONE) -> Change:
    def put(token: Written) -> None:
        token.before, token.behind = before, behind

    return Change(f"{before!r} around {behind!r}", "around", put, good)


def sealed(name: str, make: Callable[[bytes], bytes]) -> Change:
    return Change(f"signature {name}", "signature", lambda token: setattr(token, "sealed", make))


def sent(name: str, make: Callable[[str], str]) -> Change:
    return Change(f"sent {name}", "sent", lambda token: setattr(token, "sent", make))


def key(name: str, kid: str | None = None) -> Change:
    def sign(token: Written) -> None:
        other = name if name != token.key else "googles" if name == "others" else "others"
        token.key, token.header["kid"] = other, other if kid else token.header["kid"]

    return Change(f"signed by {name}, kid {kid}", "header alg", sign)


def _dates() -> Iterator[Change]:
    for end, good in ((NOW - 29, ALL), (NOW - 30, NONE)):
        yield Change(f"exp={end}, iat before", "exp", partial(Written.lived, iat=NOW - 500, exp=end), good)
    yield claim("iat", NOW + 30, ALL)
    yield claim("iat", NOW + 31)
    for name in ("exp", "iat"):
        yield no_claim(name)
        yield from bad(claim, name, "1", True, None, [], {}, -1, 10**18)
    yield claim("iat", NOW - 10.25, ALL)
    yield claim("nbf", NOW + 30, ALL)
    yield from bad(claim, "nbf", NOW + 31, "1", None, False)
    yield claim("auth_time", NOW + 30, ALL)
    yield from bad(claim, "auth_time", NOW + 31, "1")
    yield no_claim("auth_time", ALL - FIREBASE)
    yield Change("exp 1.90000059e9", "exp", partial(_rewritten, "exp", "1.90000059e9"), ALL)
    for text in ("NaN", "Infinity", "1e999", "01"):
        yield Change(f"exp {text}", "exp", partial(_rewritten, "exp", text))


def _rewritten(name: str, json_text: str, token: Written) -> None:
    token.claims.pop(name, None)
    token.raw.append(f'"{name}":{json_text}')


def _names() -> Iterator[Change]:
    any_text = frozenset({*FIREBASE, "chat", "app"})
    yield no_claim("sub", frozenset({"chat"}))
    yield from bad(claim, "sub", 5, None, [], {}, True, "1" * 256)
    yield claim("sub", "a" * 128, ALL - {"iap", "self-signed"})
    yield claim("sub", "a" * 129, ALL - {"iap", "self-signed"} - FIREBASE)
    yield claim("sub", "z\xfcrich \N{GRINNING FACE}", any_text)
    yield no_claim("aud")
    yield from bad(claim, "aud", "", None, [], {}, 5, [5], [""], "other", ["other"], True)
    yield claim("aud", ["elsewhere", "shop"])
    yield no_claim("iss")
    yield from bad(claim, "iss", "", None, 5, ["https://accounts.google.com"])
    yield claim("iss", "accounts.google.com", GOOGLE)
    for other in ("https://accounts.google.com/", "http://accounts.google.com", " https://accounts.google.com"):
        yield claim("iss", other)
    yield claim("iss", "https://securetoken.google.com/other")


def _facts() -> Iterator[Change]:
    yield claim("email_verified", "true", ALL - GOOGLE - FIREBASE)
    yield claim("email", 7, ALL - GOOGLE - FIREBASE - {"iap"})
    yield claim("hd", ["example.com"], ALL - GOOGLE - {"iap"})
    yield claim("azp", 5, ALL - GOOGLE - {"provider"})
    yield claim("name", 5, ALL)
    yield claim("google", {"compute_engine": []}, ALL - {"account"})
    yield claim("firebase", "x", ALL - FIREBASE)
    yield no_claim("firebase", ALL)
    yield claim("firebase", {"tenant": "acme-x1"}, ALL)
    yield claim("firebase", {"tenant": "acme-x2"}, ALL - FIREBASE)
    yield claim("events", {"urn:x": {}}, FIREBASE)
    yield claim("gcip", {"sub": "u"}, ALL - {"iap"})
    yield claim("x-y", [1, {"\xe9": "\xfc"}, None], ALL)
    yield claim("pad", "x" * 8200)


def _forms() -> Iterator[Change]:
    yield raw('"deep":' + "[" * 31 + "]" * 31, ALL)
    yield raw('"deep":' + "[" * 32 + "]" * 32)
    yield raw('"deep":' + "[" * 3000 + "]" * 3000)
    yield raw('"text":"' + "[" * 300 + '\\""', ALL)
    for text in (
        '"a":{"b":1,"b":2}',
        '"a":1,"\\u0061":2',
        '"exp":1',
        '"a":"\\u0000"',
        '"a":"\\ud800"',
        '"a":"\n"',
        "a:1",
    ):
        yield raw(text)
    yield around(b" \n\t\r", b"\n ", ALL)
    for before, behind in ((b"\xef\xbb\xbf", b""), (b"", b"{}"), (b"", b"\xff"), (b"\x0b", b""), (b"[", b"]")):
        yield around(before, behind)
    yield from bad(header, "kid", None, 5, "", [], "nobody's")
    yield from bad(header, "alg", "none", "HS256", "RS384", "PS256", "ES256K", "EdDSA", "rs256", None, 5, [])
    yield Change("ES256 for RS256", "header alg", lambda token: token.header.update(alg=_OTHER[token.header["alg"]]))
    for kind in ("at+jwt", ["JWT"]):
        yield header("typ", kind, ALL - {"app"})
    yield header("crit", ["exp"])
    yield header("b64", value=True)
    yield header("jku", "https://evil.example/keys", ALL)
    yield key("strangers")
    yield key("strangers", "its own")
    yield key("googles", "its own")
    yield sealed("left out", lambda _: b"")
    yield sealed("of zeros", lambda signature: bytes(len(signature)))
    yield sealed("with another bit", lambda signature: signature[:-1] + bytes([signature[-1] ^ 1]))
    yield sealed("cut", lambda signature: signature[:-1])
    yield sealed("with a zero before", lambda signature: b"\0" + signature)
    yield sealed("with a zero behind", lambda signature: signature + b"\0")
    yield sent("stripped", lambda text: text.rpartition(".")[0] + ".SIGNATURE_REMOVED_BY_GOOGLE")
    yield sent("padded", lambda text: f"{text}=")
    yield sent("with four parts", lambda text: f"{text}.e30")
    yield sent("with two parts", lambda text: text.rpartition(".")[0])
    yield sent("with another last letter", lambda text: text[:-1] + _LETTERS[_LETTERS.index(text[-1]) ^ 1])
    yield sent("with another letter", lambda text: f"{text[:50]}\xe9{text[50:]}")


_OTHER = {"RS256": "ES256", "ES256": "RS256"}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

CHANGES = tuple(chain(_dates(), _names(), _facts(), _forms()))


def _is_believed(family: str, *changes: Change) -> bool:
    """Whether the guard believes a family's token with these changes. A refusal is a 401 that does not show it."""
    name, place, claims = FAMILIES[family]
    token = Written({**claims}, {"alg": "ES256" if name == "iaps" else "RS256", "kid": name, "typ": "JWT"}, name)
    for change in changes:
        change.make(token)
    text = token.text()
    value = {"Authorization": f"Bearer {text}", "Cookie": f"a=b; session={text}"}.get(place, text)
    try:
        found = resolve(partial(GUARD.identify, {place.lower(): [value], ":method": ["GET"]}))
        if found.caller is not None:
            GUARD.authenticator.check_audience(found.caller, None)
    except Unauthenticated as refusal:
        if text in f"{refusal!r} {refusal} {refusal.remedy}":
            raise
        return False
    assert (found.app if family == "app" else found.caller) is not None
    return True


@pytest.mark.parametrize("family", FAMILIES)
def test_each_change_to_a_token_means_what_the_specifications_say(family: str) -> None:
    assert _is_believed(family)
    found = {change.name: _is_believed(family, change) for change in CHANGES}
    assert found == {change.name: family in change.good for change in CHANGES}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_token_with_two_changes_is_good_where_both_are(family: str) -> None:
    random = Random(family)
    good = [change for change in CHANGES if family in change.good]
    pairs = [(random.choice(good), random.choice(CHANGES)) for _ in range(100)]
    for one, other in pairs:
        if one.part != other.part and not _lifetimes(one, other):
            assert _is_believed(family, one, other) is (family in other.good), (one.name, other.name)


def _lifetimes(one: Change, other: Change) -> bool:
    """Whether two changes together make a lifetime that is another question than either of them."""
    return {one.part, other.part} == {"iat", "exp"}

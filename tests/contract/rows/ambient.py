"""Credentials that browsers send unasked: session cookies and assertions of IAP, and where requests come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from callerid.testing import HOSTILE_VARIANTS
from tests.contract.answers import Expected, LetIn
from tests.contract.application import PARTNER, URL
from tests.contract.sending import Sent

from .row import (
    ADA,
    CROSS_SITE,
    FORBIDDEN,
    MALFORMED,
    ROBOT,
    SEVERAL,
    STRANGER,
    U1,
    U1_OF_X1,
    VIA,
    Row,
    bearer,
    get,
    invalid,
)

__all__ = ["ROWS"]

IAP = "X-Goog-IAP-JWT-Assertion"
SLOT = "X-Serverless-Authorization"

OWN = LetIn("owner", U1)
STAFF = LetIn("domain", ADA)

Header = tuple[str, str]


def _ask(target: str, *headers: Header, who: str | None = None, setting: str = "ambient", **more: Any) -> Sent:
    return get(target, who, *headers, setting=setting, **more)


def _cookie(value: str) -> Header:
    return "Cookie", value


HOSTILE = {
    "expired": "expired",
    "not_yet_valid": "not_yet_valid",
    "forged": "bad_signature",
    "tampered": "bad_signature",
    "wrong_kid": "unknown_key",
    "without_kid": "malformed_token",
    "crossed": "unknown_key",
    "unsigned": "unsigned",
    "hmac_signed": "wrong_algorithm",
    "stripped": "signature_removed",
    "wrong_audience": "wrong_audience",
    "wrong_issuer": "unknown_issuer",
}

# The values of Cookie, one or several, at the place of the user u1.
COOKIES: dict[tuple[str, ...], Expected] = {
    ("session=<session>",): OWN,
    ("session=<session of a day>",): OWN,
    ("theme=dark; session=<session>; lang=de",): OWN,
    ("theme=a=b;session=<session>",): OWN,
    (" session = <session> ",): OWN,
    ("flag; session=<session>; =x; ;",): OWN,
    ("xsession=<session>",): STRANGER,
    ("Session=<session>",): STRANGER,
    ("__session=<session>",): STRANGER,
    ("theme=session=<session>",): STRANGER,
    ("session=",): STRANGER,
    ("session",): STRANGER,
    ("",): STRANGER,
    ("session=<session of another>",): FORBIDDEN,
    ("session=<session>; session=<session>",): SEVERAL,
    ("session=<session of another>; session=<session>",): SEVERAL,
    ("session=; session=<session>",): SEVERAL,
    ("session; session=<session>",): SEVERAL,
    ("session=<session>,session=<session>",): SEVERAL,
    ("theme=dark,session=<session>; session=<session of another>",): SEVERAL,
    ("session=<session>", "session=<session>"): SEVERAL,
    ("session=<session>; theme=dark", "session=<session of another>"): SEVERAL,
    ('session="<session>"',): OWN,
    ('theme=dark; session= "<session>" ',): OWN,
    ('session=""',): STRANGER,
    ('session="<session>"; session=<session>',): SEVERAL,
    ('session="<session>',): invalid("malformed_token"),
    ('session=<session>"',): invalid("malformed_token"),
    ('session="',): invalid("malformed_token"),
    ('session=""<session>""',): invalid("malformed_token"),
    ('session="<session>\\""',): invalid("malformed_token"),
    ("session='<session>'",): invalid("malformed_token"),
    ("session=Bearer <session>",): MALFORMED,
    ("session=word",): invalid("malformed_token"),
    ("session=<u1>",): invalid("unknown_issuer"),
    ("session=<assertion>",): invalid("unknown_issuer"),
    ("session=<session of another project>",): invalid("unknown_issuer"),
    ("session=<session of under five minutes>",): invalid("bad_claims"),
    ("session=<session of a month>",): invalid("bad_claims"),
    ("session=<session without sign-in>",): invalid("bad_claims"),
}

SPLIT: dict[tuple[str, ...], tuple[Expected, Expected]] = {
    ("theme=dark", "session=<session>"): (OWN, SEVERAL),
    ("session=<session>", "theme=dark"): (OWN, SEVERAL),
}
"""Pairs in headers of their own, as HTTP/2 may have them; and what is seen of them joined with a comma."""

FOLDING = "folding: the gateway interface shows one header, and no cookie has a comma in it"


def _cookies() -> Iterator[Row]:
    for values, expected in COOKIES.items():
        sent = _ask("/users/u1", *map(_cookie, values))
        yield Row(f"Cookie: {' + '.join(values)}", sent, expected, served=len(values) > 1 or "theme" in values[0])
    for values, (apart, together) in SPLIT.items():
        sent = _ask("/users/u1", *map(_cookie, values))
        yield Row(f"Cookie: {' + '.join(values)}", sent, apart, {"folding": together}, FOLDING)
    for variant, reason in HOSTILE.items():
        yield Row(f"a session, {variant}", _ask("/users/u1", _cookie(f"session=<session.{variant}>")), invalid(reason))
        optional = _ask("/optional", _cookie(f"session=<session.{variant}>"))
        yield Row(f"a session, {variant}, at the optional", optional, invalid(reason))
    own = _cookie("session=<session>")
    yield Row("a session as Bearer", _ask("/users/u1", who="session"), invalid("unknown_issuer"), served=True)
    yield Row("a session, not read elsewhere", _ask("/users/u1", own, setting="usual"), STRANGER)
    yield Row("a session at the public", _ask("/open", _cookie("session=word")), LetIn("open"))
    yield Row("a session at the optional", _ask("/optional-customer", own), LetIn("optional customer", U1))
    yield Row("a session, carried", _ask("/carried", own, bearer("carrier", SLOT)), LetIn("carried", U1 + VIA))
    # Authorization goes first, and then nothing of the cookie is read.
    for value in ("session=<session of another>", "session=word", "session=a; session=b"):
        yield Row(f"a token beside Cookie: {value}", _ask("/users/u1", _cookie(value), who="u1"), OWN)
    yield Row("a bad token beside a session", _ask("/users/u1", own, who="u1.expired"), invalid("expired"))
    yield Row("Bearer alone beside a session", _ask("/users/u1", own, ("Authorization", "Bearer")), MALFORMED)
    yield Row("another scheme beside a session", _ask("/users/u1", own, ("Authorization", "Basic YTpi")), OWN)


# The values of IAP's header, one or several, at /domain.
ASSERTIONS: dict[tuple[str, ...], Expected] = {
    ("<assertion>",): STAFF,
    ("\t<assertion> ",): STAFF,
    ("",): STRANGER,
    ("<assertion>", "<assertion>"): SEVERAL,
    ("<assertion>,<assertion>",): SEVERAL,
    ("", "<assertion>"): SEVERAL,
    ("Bearer <assertion>",): MALFORMED,
    ("<assertion> x",): MALFORMED,
    ("word",): invalid("malformed_token"),
    ("<staff>",): invalid("unknown_issuer"),
    ("<session>",): invalid("unknown_issuer"),
    ("<assertion of a robot>",): FORBIDDEN,
    ("<assertion of a user>",): invalid("bad_claims"),
    ("<assertion for an hour>",): invalid("bad_claims"),
    ("<assertion of nobody>",): invalid("bad_claims"),
}

EXTERNAL: dict[str, Expected] = {
    "<assertion of a user>": OWN,
    "<assertion of a tenant>": FORBIDDEN,
    "<assertion>": invalid("bad_claims"),
    "<assertion of a robot>": invalid("bad_claims"),
    "<assertion of another project>": invalid("bad_claims"),
}


def _assertions() -> Iterator[Row]:
    for values, expected in ASSERTIONS.items():
        sent = _ask("/domain", *((IAP, value) for value in values))
        yield Row(f"{IAP}: {' + '.join(values)}", sent, expected, served=len(values) > 1)
    assert set(HOSTILE) == set(HOSTILE_VARIANTS)
    # Google's other keys are for another algorithm.
    for variant, reason in {**HOSTILE, "crossed": "wrong_algorithm"}.items():
        yield Row(f"an assertion, {variant}", _ask("/domain", (IAP, f"<assertion.{variant}>")), invalid(reason))
    own = (IAP, "<assertion>")
    yield Row("a robot behind IAP", _ask("/robot", (IAP, "<assertion of a robot>")), LetIn("robot", ROBOT))
    yield Row("an assertion as Bearer", _ask("/domain", who="assertion"), invalid("unknown_issuer"))
    yield Row("an assertion, not read elsewhere", _ask("/domain", own, setting="usual"), STRANGER)
    yield Row("a token beside an assertion", _ask("/users/u1", own, who="u1"), OWN)
    yield Row("a token beside a bad assertion", _ask("/users/u1", (IAP, "word"), who="u1"), OWN)
    yield Row("an assertion beside a session", _ask("/domain", own, _cookie("session=<session>")), STAFF)
    yield Row("an assertion beside a bad session", _ask("/domain", own, _cookie("session=word")), STAFF)
    yield Row("an assertion, carried", _ask("/domain", own, bearer("carrier", SLOT)), LetIn("domain", ADA + VIA))
    # audience= speaks of the token in Authorization alone.
    robot = _ask("/tasks", (IAP, "<assertion of a robot>"), method="POST")
    yield Row("audience= beside an assertion", robot, LetIn("tasks", ROBOT))
    folded = "Folded:X_Goog_IAP_JWT_Assertion"
    folding = "folding: such a server shows one header where two came"
    yield Row(
        "an assertion whose name is folded",
        _ask("/domain", (folded, "<assertion>")),
        STRANGER,
        {"folding": STAFF},
        folding,
    )
    yield Row(
        "a forged assertion whose name is folded",
        _ask("/domain", (folded, "<assertion.forged>")),
        STRANGER,
        {"folding": invalid("bad_signature")},
        folding,
    )
    yield Row(
        "a second assertion whose name is folded",
        _ask("/domain", own, (folded, "<assertion of a robot>")),
        STAFF,
        {"folding": SEVERAL},
        folding,
    )
    for value, expected in EXTERNAL.items():
        yield Row(
            f"external, {value}", _ask("/users/u1", (IAP, value), setting="external"), expected, served="user" in value
        )
    tenant = _ask("/tenant", (IAP, "<assertion of a tenant>"), setting="external")
    yield Row("an external tenant", tenant, LetIn("tenant", U1_OF_X1))
    # Where no origin was named, Host is none.
    session = _ask("/upload", _cookie("session=<session>"), ("Origin", URL), method="POST", setting="external")
    yield Row("the own origin that nobody named", session, CROSS_SITE)


# Where a POST says it comes from, and whether it may use a cookie.
ORIGINS: dict[tuple[Header, ...], bool] = {
    (): True,
    (("Sec-Fetch-Site", "same-origin"),): True,
    (("Sec-Fetch-Site", "none"),): True,
    (("Sec-Fetch-Site", "same-site"),): False,
    (("Sec-Fetch-Site", "cross-site"),): False,
    (("Sec-Fetch-Site", "Same-Origin"),): False,
    (("Sec-Fetch-Site", ""),): False,
    (("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "same-origin")): False,
    (("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")): True,
    (("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")): False,
    (("Sec-Fetch-Site", "cross-site"), ("Origin", PARTNER)): True,
    (("Origin", URL),): True,
    (("Origin", PARTNER),): True,
    (("Origin", "https://evil.example"),): False,
    (("Origin", "http://orders.example.com"),): False,
    (("Origin", "https://orders.example.com:8443"),): False,
    (("Origin", "https://ORDERS.example.com"),): False,
    (("Origin", "null"),): False,
    (("Origin", ""),): False,
    (("Origin", URL), ("Origin", URL)): False,
    (("Origin", URL), ("Origin", "https://evil.example")): False,
    (("Host", "evil.example"), ("Origin", "https://evil.example")): False,
    (("X-Forwarded-Host", "evil.example"), ("Origin", "https://evil.example")): False,
}

ELSEWHERE = ("Sec-Fetch-Site", "cross-site")


def _origins() -> Iterator[Row]:
    for headers, may in ORIGINS.items():
        said = ", ".join(f"{name}: {value}" for name, value in headers) or "nothing of where it comes from"
        sent = _ask("/upload", (IAP, "<assertion>"), *headers, method="POST")
        yield Row(f"POST of staff with {said}", sent, LetIn("upload", ADA) if may else CROSS_SITE, served=True)
        session = _ask("/upload", _cookie("session=<session>"), *headers, method="POST")
        yield Row(f"POST of a session with {said}", session, FORBIDDEN if may else CROSS_SITE)
        token = _ask("/upload", *headers, who="staff", method="POST")
        yield Row(f"POST of a token with {said}", token, LetIn("upload", ADA))
    own = (IAP, "<assertion>")
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "PURGE"):
        yield Row(f"{method} from elsewhere", _ask("/domain", own, ELSEWHERE, method=method), CROSS_SITE)
    yield Row("GET from elsewhere", _ask("/domain", own, ELSEWHERE), STAFF)
    yield Row("HEAD from elsewhere", _ask("/domain", own, ELSEWHERE, method="HEAD"), STAFF)
    # A gateway server has no other way to begin a WebSocket.
    for upgrade in ("websocket", "WebSocket", "h2c, websocket"):
        handshake = _ask("/domain", own, ELSEWHERE, ("Upgrade", upgrade))
        yield Row(f"GET from elsewhere with Upgrade: {upgrade}", handshake, CROSS_SITE)
    yield Row("GET from elsewhere with Upgrade: h2c", _ask("/domain", own, ELSEWHERE, ("Upgrade", "h2c")), STAFF)
    yield Row(":method is no header", _ask("/upload", own, ELSEWHERE, (":method", "GET"), method="POST"), CROSS_SITE)
    # A bad credential is told first, and without one nothing is asked.
    bad = _ask("/upload", (IAP, "<assertion.expired>"), ELSEWHERE, method="POST")
    yield Row("a bad assertion from elsewhere", bad, invalid("expired"))
    yield Row("a stranger from elsewhere", _ask("/upload", ELSEWHERE, method="POST"), STRANGER)
    both = _ask("/upload", own, ELSEWHERE, who="staff", method="POST")
    yield Row("a token beside an assertion from elsewhere", both, LetIn("upload", ADA))


ROWS = (*_cookies(), *_assertions(), *_origins())

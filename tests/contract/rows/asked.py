"""Credentials whose issuer has to be asked: the application's own keys and sessions, and Google's access tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from tests.contract.answers import Expected, LetIn, Refused

from .row import CROSS_SITE, FORBIDDEN, MALFORMED, SEVERAL, STRANGER, Row, get, invalid

__all__ = ["ROWS"]

ADA, ADA_AS_PARTNER, ADA_AS_BEARER = "custom:keys/ada", "custom:partners/ada", "custom:bearers/ada"
ADA_BY_COOKIE = "custom:sessions/ada"
BY_GOOGLE = "user:ada@gmail.com"
UNKNOWN: Final = invalid("unknown_credential")
UNVERIFIABLE: Final = Refused(503, "verification_unavailable", challenged=False, retry_after=1)


def own(key: str) -> tuple[str, str]:
    return "X-Api-Key", key


def scheme(key: str, name: str = "ShopKey") -> tuple[str, str]:
    return "Authorization", f"{name} {key}"


PLACES: Mapping[str, Mapping[tuple[tuple[str, str], ...], Expected]] = {
    "/key": {
        (own("secret-ada"),): LetIn("key", ADA),
        (own(" secret-ada\t"),): LetIn("key", ADA),
        (own("secret-ben"),): FORBIDDEN,
        (own("secret-eve"),): UNKNOWN,
        (own(""),): STRANGER,
        (own("secret-ada,secret-ben"),): SEVERAL,
        (own("secret-ada"), own("secret-ben")): SEVERAL,
        (own("secret-ada secret"),): MALFORMED,
        (own("secret-" + "a" * 8186),): invalid("malformed_token"),
        (own("<staff>"),): UNKNOWN,
        (scheme("secret-ada"),): FORBIDDEN,
        (("Cookie", "sid=secret-ada"),): STRANGER,
        (("Authorization", "secret-ada"),): STRANGER,
        (own("secret-ada"), ("Authorization", "Basic YTpi")): LetIn("key", ADA),
        (own("secret-ada"), ("Authorization", "Bearer <u1>")): FORBIDDEN,
        (own("secret-ada"), ("Authorization", "Bearer <u1.expired>")): invalid("expired"),
    },
    "/gold": {
        (own("secret-ada"),): LetIn("gold", ADA),
        (own("secret-ben"),): FORBIDDEN,
    },
    "/keys/ada": {
        (own("secret-ada"),): LetIn("own key", ADA),
        (own("secret-ben"),): FORBIDDEN,
    },
    "/keys/a%20b": {(own("secret-odd"),): FORBIDDEN},
    # A key that claims an address or a domain is no Google account.
    "/domain": {(own("secret-ben"),): FORBIDDEN},
    "/anyone": {
        (own("secret-ada"),): FORBIDDEN,
        (scheme("ya29.secret-ours-ada", "Bearer"),): LetIn("anyone", BY_GOOGLE),
    },
    "/any-ada": {
        (scheme("secret-ada"),): LetIn("any ada", ADA_AS_PARTNER),
        (scheme("secret-ada", "shopkey"),): LetIn("any ada", ADA_AS_PARTNER),
        (scheme("secret-ada", "Bearer"),): LetIn("any ada", ADA_AS_BEARER),
        (scheme("secret-eve"),): UNKNOWN,
        (scheme("secret-eve", "Bearer"),): UNKNOWN,
        (("Authorization", "ShopKey"),): MALFORMED,
        (("Authorization", "ShopKey  secret-ada"),): MALFORMED,
        (scheme("secret-ada"), scheme("secret-ada", "Bearer")): SEVERAL,
        (("Authorization", "ShopKey secret-ada, Bearer <staff>"),): SEVERAL,
        (scheme("other-ada", "Bearer"),): invalid("malformed_token"),
    },
    "/drive": {
        (scheme("ya29.secret-ours-ada", "Bearer"),): LetIn("drive", BY_GOOGLE),
        (scheme("ya29.secret-others-ada", "Bearer"),): invalid("wrong_audience"),
        (scheme("ya29.secret-ours-nobody", "Bearer"),): invalid("bad_claims"),
        (scheme("ya29.secret-expired-ada", "Bearer"),): UNKNOWN,
        (scheme("1//secret", "Bearer"),): invalid("malformed_token"),
        (scheme("<person>", "Bearer"),): FORBIDDEN,
        (own("secret-ada"),): FORBIDDEN,
    },
    "/user": {(scheme("ya29.secret-ours-ada", "Bearer"),): LetIn("user", BY_GOOGLE)},
    "/account": {(scheme("ya29.secret-ours-ada", "Bearer"),): LetIn("account", BY_GOOGLE)},
    "/open": {(own("secret-eve"),): LetIn("open"), (scheme("secret-eve"),): LetIn("open")},
}

SAME_SITE, OTHER_SITE = ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")
SESSION = ("Cookie", "sid=secret-ada")


def _rows() -> Iterator[Row]:
    for path, cases in PLACES.items():
        for headers, expected in cases.items():
            words = "; ".join(f"{name}: {value[:40]}" for name, value in headers)
            served = path in ("/any-ada", "/drive") and len(headers) == 1
            yield Row(f"asked {path}: {words}", get(path, None, *headers), expected, served=served)
    for name, headers, method, answer in (
        ("read", (SESSION,), "GET", LetIn("any ada", ADA_BY_COOKIE)),
        ("read from elsewhere", (SESSION, OTHER_SITE), "GET", LetIn("any ada", ADA_BY_COOKIE)),
        ("unknown", (("Cookie", "sid=secret-eve"),), "GET", UNKNOWN),
        ("twice", (("Cookie", "sid=secret-ada; sid=secret-ben"),), "GET", SEVERAL),
        ("after a key", (SESSION, own("secret-ada")), "GET", LetIn("any ada", ADA)),
    ):
        sent = get("/any-ada", None, *headers, method=method, setting="ambient")
        yield Row(f"own session, {name}", sent, answer, served=True)
    for name, headers, expected in (
        ("from elsewhere", (SESSION, OTHER_SITE), CROSS_SITE),
        ("from one's own page", (SESSION, SAME_SITE), FORBIDDEN),
    ):
        sent = get("/upload", None, *headers, method="POST", setting="ambient")
        yield Row(f"own session, upload {name}", sent, expected)
    for path in ("/key", "/any-ada"):
        sent = get(path, None, own("secret-that-fails"), setting="dark")
        yield Row(f"a key of which nobody can tell, {path}", sent, UNVERIFIABLE, served=True)
    yield Row(
        "a key that fails beside what is open",
        get("/open", None, own("secret-that-fails"), setting="dark"),
        LetIn("open"),
    )


ROWS = tuple(_rows())

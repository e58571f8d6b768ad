"""App Check: which app sent a request, beside whoever uses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from callerid.testing import HOSTILE_VARIANTS
from tests.contract.answers import Expected, LetIn, Refused
from tests.contract.application import APP, OTHER_APP

from .row import ADA, FORBIDDEN, MALFORMED, SEVERAL, STRANGER, U1, VIA, Row, bearer, get, invalid

__all__ = ["ROWS"]

HEADER = "X-Firebase-AppCheck"
NO_APP = Refused(401, "no_app_check")
IN_APP, IN_OTHER = f" in {APP}", f" in {OTHER_APP}"

# By place: who calls, in which app, and the answer.
PLACES: Mapping[str, Mapping[tuple[str | None, str | None], Expected]] = {
    "/app": {
        (None, "app"): LetIn("app"),
        (None, "app for a week"): LetIn("app"),
        ("u1", "app"): LetIn("app", U1 + IN_APP),
        ("staff", "app"): LetIn("app", ADA + IN_APP),
        (None, "other app"): FORBIDDEN,
        ("u1", "other app"): FORBIDDEN,
        (None, None): NO_APP,
        ("u1", None): NO_APP,
        ("staff.expired", "app"): invalid("expired"),
    },
    "/any-app": {
        (None, "app"): LetIn("any app"),
        (None, "other app"): LetIn("any app"),
        ("u1", "other app"): LetIn("any app", U1 + IN_OTHER),
        (None, None): NO_APP,
        ("staff", None): NO_APP,
    },
    "/user-in-app": {
        ("u1", "app"): LetIn("user in app", U1 + IN_APP),
        ("u1", "other app"): FORBIDDEN,
        ("staff", "app"): FORBIDDEN,
        ("staff", None): FORBIDDEN,
        ("u1", None): NO_APP,
        (None, "app"): STRANGER,
        (None, "other app"): STRANGER,
        (None, None): STRANGER,
    },
    "/app-or-staff": {
        (None, "app"): LetIn("app or staff"),
        ("staff", None): LetIn("app or staff", ADA),
        ("staff", "other app"): LetIn("app or staff", ADA + IN_OTHER),
        ("u1", "app"): LetIn("app or staff", U1 + IN_APP),
        ("u1", None): NO_APP,
        ("u1", "other app"): FORBIDDEN,
        (None, None): NO_APP,
        (None, "other app"): STRANGER,
    },
    # An app is nobody.
    "/customer": {
        ("u1", "app"): LetIn("customer", U1 + IN_APP),
        (None, "app"): STRANGER,
        ("app", None): invalid("unknown_issuer"),
        ("app", "app"): invalid("unknown_issuer"),
        ("u1", "u1"): invalid("unknown_issuer"),
        ("u1", "staff"): invalid("unknown_issuer"),
    },
    "/anyone": {(None, "app"): STRANGER, ("app", None): invalid("unknown_issuer")},
    "/optional": {
        (None, "app"): LetIn("optional"),
        ("staff", "app"): LetIn("optional", ADA + IN_APP),
        (None, "app.expired"): invalid("expired"),
    },
    "/open": {(None, "app.expired"): LetIn("open"), (None, "app"): LetIn("open")},
}

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

NO_APP_OF_OURS = {
    "app for eight days": "bad_claims",
    "app of another project": "unknown_issuer",
    "app for another project": "wrong_audience",
    "app for text": "bad_claims",
    "app of a prefix": "unknown_issuer",
    "app of another type": "bad_claims",
    "app without a name": "bad_claims",
    "word": "malformed_token",
}

HEADERS: Mapping[tuple[str, ...], Expected] = {
    ("<app>",): LetIn("user in app", U1 + IN_APP),
    (" <app>\t",): LetIn("user in app", U1 + IN_APP),
    ("",): NO_APP,
    ("<app>", "<app>"): SEVERAL,
    ("<app>", "<other app>"): SEVERAL,
    ("<app>,<other app>",): SEVERAL,
    ("Bearer <app>",): MALFORMED,
    ("<app> x",): MALFORMED,
}


def _rows() -> Iterator[Row]:
    assert set(HOSTILE) == set(HOSTILE_VARIANTS)
    for target, answers in PLACES.items():
        for (who, app), expected in answers.items():
            own = () if app is None else ((HEADER, f"<{app}>"),)
            name = f"{who or 'nobody'} in {app or 'no app'} at {target}"
            yield Row(name, get(target, who, *own), expected, served=target in ("/app", "/user-in-app"))
    for variant, reason in HOSTILE.items():
        sent = get("/user-in-app", "u1", (HEADER, f"<app.{variant}>"))
        yield Row(f"an app's token, {variant}", sent, invalid(reason))
        beside = get("/domain", "staff", (HEADER, f"<app.{variant}>"))
        yield Row(f"an app's token, {variant}, where no rule asks for one", beside, invalid(reason))
    for name, reason in NO_APP_OF_OURS.items():
        yield Row(f"no app of ours: {name}", get("/app", None, (HEADER, f"<{name}>")), invalid(reason))
    for values, expected in HEADERS.items():
        sent = get("/user-in-app", "u1", *((HEADER, value) for value in values))
        yield Row(f"apps in the header: {values}", sent, expected, served=expected == SEVERAL)
    carrier = bearer("carrier", "X-Serverless-Authorization")
    carried = get("/carried", "u1", carrier, (HEADER, "<app>"))
    yield Row("a user in an app, carried", carried, LetIn("carried", U1 + VIA + IN_APP))
    alone = get("/carried-alone", None, carrier, (HEADER, "<app>"))
    yield Row("an app, carried, without a user", alone, LetIn("carried alone"))
    as_carrier = get("/carried", "u1", bearer("app", "X-Serverless-Authorization"))
    yield Row("an app's token as the carrier's", as_carrier, invalid("unknown_issuer"))
    session = get("/user-in-app", None, ("Cookie", "session=<session>"), (HEADER, "<app>"), setting="ambient")
    yield Row("a session in an app", session, LetIn("user in app", U1 + IN_APP))
    cookie = get("/customer", None, ("Cookie", "session=<app>"), setting="ambient")
    yield Row("an app's token as a session", cookie, invalid("unknown_issuer"))

    for app, expected in (("new app", LetIn("user in app", U1 + IN_APP)), ("other app", invalid("already_consumed"))):
        sent = get("/user-in-app", "u1", (HEADER, f"<{app}>"), setting="limited")
        yield Row(f"a limited-use token, {app}", sent, expected)
    unread = get("/open", "u1", (HEADER, "<other app>"), setting="limited")
    yield Row("a limited-use token where no credential is read", unread, LetIn("open"))


ROWS = tuple(_rows())

"""Where a rule holds: areas, floors, defaults, unknown paths, methods, redirects, and paths read in two ways."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from tests.contract.answers import Dressed, Expected, LetIn, Refused, Theirs
from tests.contract.application import ACCOUNT_ID

from .row import (
    ADA,
    AMBIGUOUS,
    FORBIDDEN,
    MALFORMED,
    NOT_FOUND,
    REDIRECTED,
    ROBOT,
    STRANGER,
    U1,
    UNAVAILABLE,
    VIA,
    WRONG_METHOD,
    Row,
    bearer,
    get,
    invalid,
)

__all__ = ["ROWS"]

CARRIER = bearer("carrier", "X-Serverless-Authorization")
UNASKED: Expected = Theirs((200, 204, 404, 405))
"""Whatever the framework says to a method that the route does not have."""


def _in_areas() -> dict[str, dict[str | None, Expected | str]]:
    bad = invalid("malformed_token")
    return {
        "plain": {None: STRANGER, "staff": ADA, "robot": ROBOT, "outsider": FORBIDDEN, "u1": FORBIDDEN},
        "staff": {None: STRANGER, "staff": ADA, "robot": FORBIDDEN, "outsider": FORBIDDEN},
        "robot": {None: STRANGER, "staff": FORBIDDEN, "robot": ROBOT, "other robot": FORBIDDEN},
        "open": {None: STRANGER, "staff": ADA, "robot": ROBOT, "outsider": FORBIDDEN, "word": bad},
    }


def _areas() -> Iterator[Row]:
    for area in ("inner", "sub"):
        for place, answers in _in_areas().items():
            for who, answer in answers.items():
                expected: Expected = LetIn(f"{area} {place}", answer) if isinstance(answer, str) else answer
                name = f"{who or 'a stranger'} at /{area}/{place}"
                yield Row(name, get(f"/{area}/{place}", who), expected, served=place == "open")
        for target in (f"/{area}/unknown", f"/{area}/plain/x", f"/{area}x/plain"):
            yield Row(f"a stranger at {target}", get(target), STRANGER)
            yield Row(f"an outsider at {target}", get(target, "outsider"), FORBIDDEN)
            yield Row(f"staff at {target}", get(target, "staff"), NOT_FOUND)


def _prefixes() -> Iterator[Row]:
    for root in ("/api", "/a/b"):
        yield Row(f"under {root}: public", get("/open", root=root), LetIn("open"))
        yield Row(f"under {root}: a stranger", get("/domain", root=root), STRANGER)
        yield Row(f"under {root}: staff", get("/domain", "staff", root=root), LetIn("domain", ADA))
        yield Row(f"under {root}: one's own", get("/users/u1", "u1", root=root), LetIn("owner", U1))
        yield Row(f"under {root}: another's", get("/users/u1", "u2", root=root), FORBIDDEN)
        yield Row(f"under {root}: an area", get("/inner/robot", "robot", root=root), LetIn("inner robot", ROBOT))
        yield Row(f"under {root}: nobody", get("/nobody", "staff", root=root), FORBIDDEN)
        yield Row(f"under {root}: unknown", get("/unknown", root=root), STRANGER)


def _settings() -> Iterator[Row]:
    # A floor holds everywhere, whatever a route says.
    for target, who, inside in (
        ("/open", None, "open: nobody"),
        ("/optional", None, "optional: nobody"),
        ("/optional", "staff", f"optional: {ADA}{VIA}"),
        ("/domain", "staff", f"domain: {ADA}{VIA}"),
        ("/users/u1", "u1", f"owner: {U1}{VIA}"),
        ("/inner/robot", "robot", f"inner robot: {ROBOT}{VIA}"),
        ("/carried", "u1", f"carried: {U1}{VIA}"),
    ):
        place, _, caller = inside.partition(": ")
        name = f"{who or 'a stranger'} at {target} above the floor"
        yield Row(f"{name}, carried", get(target, who, CARRIER, setting="floored"), LetIn(place, caller), served=True)
        yield Row(f"{name}, not carried", get(target, who, setting="floored"), STRANGER if who is None else FORBIDDEN)
    yield Row("above the floor: unknown", get("/unknown", None, setting="floored"), STRANGER)
    yield Row("above the floor: unknown, carried", get("/unknown", None, CARRIER, setting="floored"), STRANGER)
    yield Row("above the floor: unknown, staff", get("/unknown", "staff", setting="floored"), FORBIDDEN)
    yield Row(
        "above the floor: unknown, staff, carried", get("/unknown", "staff", CARRIER, setting="floored"), NOT_FOUND
    )
    yield Row(
        "above the floor: a bad token", get("/open", "word", CARRIER, setting="floored"), invalid("malformed_token")
    )
    # The rest is open, and says so.
    yield Row("in the open: unknown", get("/unknown", setting="open"), NOT_FOUND)
    yield Row("in the open: unknown, with a bad token", get("/unknown", "word", setting="open"), NOT_FOUND)
    yield Row("in the open: a rule of its own", get("/domain", setting="open"), STRANGER)
    yield Row("in the open: staff", get("/domain", "staff", setting="open"), LetIn("domain", ADA))
    yield Row("in the open: an area", get("/inner/plain", setting="open"), STRANGER)
    yield Row("in the open: nobody", get("/nobody", "staff", setting="open"), FORBIDDEN)
    # The rest is shut.
    yield Row("shut: unknown", get("/unknown", setting="shut"), STRANGER)
    yield Row("shut: unknown, staff", get("/unknown", "staff", setting="shut"), FORBIDDEN)
    yield Row("shut: public", get("/open", setting="shut"), LetIn("open"))
    # MCP clients read where to go from the challenge, and answer insufficient_scope by starting over.
    described = {
        "realm": "orders",
        "parameters": ', resource_metadata="https://orders.example.com/.well-known/oauth-protected-resource"',
    }
    for name, who, said in (
        ("a stranger", None, (401, "no_credential", None)),
        ("an outsider", "outsider", (403, "not_allowed", None)),
        ("a bad token", "staff.expired", (401, "expired", "invalid_token")),
    ):
        refused = Refused(*said, **described)  # type: ignore[arg-type]
        yield Row(f"described: {name}", get("/domain", who, setting="described"), refused, served=True)


def _dressed() -> Iterator[Row]:
    redirected = Dressed(303, "no_credential", (("location", "/login"), ("cache-control", "no-store")), "sign in")
    challenge = 'Bearer realm="callerid", error="invalid_token"'
    again = (("www-authenticate", challenge), ("cache-control", "no-store"))
    for name, who, headers, expected in (
        ("a stranger", None, (), redirected),
        ("one whose token has expired", "staff.expired", (), Dressed(401, "expired", again, "sign in again")),
        (
            "two at once",
            "staff",
            (bearer("outsider"),),
            Dressed(200, "several_credentials", (("cache-control", "private"),), "which of you?"),
        ),
        ("one for whom the hook fails", None, (("Authorization", "Bearer"),), MALFORMED),
        ("one for whom the hook has nothing", "outsider", (), FORBIDDEN),
        ("staff", "staff", (), LetIn("domain", ADA)),
    ):
        for method in ("GET", "HEAD"):
            sent = get("/domain", who, *headers, method=method, setting="dressed")
            # A hook that fails is logged with its traceback.
            yield Row(f"dressed: {name}, {method}", sent, expected, served=expected is not MALFORMED)
    yield Row("dressed: a stranger at nobody's", get("/nobody", setting="dressed"), redirected)
    yield Row("dressed: a stranger at an unknown path", get("/unknown", setting="dressed"), redirected)
    yield Row("dressed: public", get("/open", "staff.expired", setting="dressed"), LetIn("open"))


def _in_the_dark() -> Iterator[Row]:
    def dark(name: str, target: str, who: str | None, expected: Expected, method: str = "GET") -> Row:
        return Row(f"in the dark: {name}", get(target, who, setting="dark", method=method), expected, served=True)

    yield dark("staff", "/domain", "staff", UNAVAILABLE)
    yield dark("staff, asking for the headers alone", "/domain", "staff", UNAVAILABLE, "HEAD")
    yield dark("a robot", "/robot", "robot", UNAVAILABLE)
    yield dark("staff at the optional", "/optional", "staff", UNAVAILABLE)
    yield dark("staff at a user's", "/customer", "staff", UNAVAILABLE)
    yield dark("staff at an unknown path", "/unknown", "staff", UNAVAILABLE)
    yield dark("a forged token: it may be a new key", "/domain", "staff.forged", UNAVAILABLE)
    yield dark("public", "/open", None, LetIn("open"))
    yield dark("public, with a token", "/open", "staff", LetIn("open"))
    yield dark("a stranger at the optional", "/optional", None, LetIn("optional"))
    yield dark("a stranger", "/domain", None, STRANGER)
    yield dark("a Firebase user", "/customer", "u1", LetIn("customer", U1))
    yield dark("an expired token needs no key", "/domain", "staff.expired", invalid("expired"))
    yield dark("another issuer's token costs no fetch", "/domain", "staff.wrong_issuer", invalid("unknown_issuer"))
    yield dark("a malformed token", "/domain", "word", invalid("malformed_token"))
    sent = get("/customer", "u1", CARRIER, setting="dark")
    yield Row("in the dark: a user, carried", sent, UNAVAILABLE)


ROUTING_405 = "routing: where the route is known, its own rule holds beside the default"
PREFLIGHT = "preflight: Flask answers it by itself and runs no view; elsewhere CORS middleware stands outside the guard"


def _methods() -> Iterator[Row]:
    # GET covers HEAD.
    for target, who, expected in (
        ("/open", None, LetIn("open")),
        ("/domain", None, STRANGER),
        ("/domain", "outsider", FORBIDDEN),
        ("/domain", "staff.expired", invalid("expired")),
        ("/domain", "staff", LetIn("domain", ADA)),
        ("/users/u1", "u1", LetIn("owner", U1)),
        ("/users/u1", "u2", FORBIDDEN),
        ("/inner/staff", None, STRANGER),
        ("/unknown", None, STRANGER),
    ):
        yield Row(f"HEAD {target} by {who}", get(target, who, method="HEAD"), expected, served=True)
    yield Row(
        "HEAD, doubled",
        get("/domain", "staff", bearer("staff"), method="HEAD"),
        Refused(400, "several_credentials", "invalid_request"),
    )
    # A method that the route does not have.
    for method in ("POST", "PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "CONNECT", "QUERY", "FOO", "M-SEARCH"):
        yield Row(f"{method} where only GET is", get("/domain", None, method=method), STRANGER)
        yield Row(f"{method} where only GET is, by staff", get("/domain", "staff", method=method), WRONG_METHOD)
        yield Row(f"{method} at the public", get("/open", None, method=method), STRANGER)
        yield Row(f"{method} at nobody's, by an outsider", get("/nobody", "outsider", method=method), FORBIDDEN)
    yield Row("GET where only POST is", get("/tasks"), STRANGER, served=True)
    yield Row("HEAD where only POST is", get("/tasks", method="HEAD"), STRANGER)
    yield Row(
        "GET where only POST is, by staff",
        get("/tasks", "staff"),
        WRONG_METHOD,
        {"starlette": invalid("wrong_audience")},
        ROUTING_405,
    )
    yield Row("GET where only POST is, by an outsider", get("/upload", "outsider"), FORBIDDEN)
    yield Row(
        "DELETE at nobody's, by staff",
        get("/nobody", "staff", method="DELETE"),
        WRONG_METHOD,
        {"starlette": FORBIDDEN, "django": FORBIDDEN},
        ROUTING_405,
    )
    for method in ("get", "Get", "post", "gET"):
        name = f"{method} is no method"
        yield Row(name, get("/nobody", None, method=method), STRANGER, {"paths": AMBIGUOUS}, PATHS)
        capital: Expected = LetIn("open") if method.upper() == "GET" else STRANGER
        yield Row(
            f"{name}: the public",
            get("/open", None, method=method),
            STRANGER,
            {"paths": AMBIGUOUS, "flask": capital, "django": capital},
            SMALL,
        )


def _options() -> Iterator[Row]:
    # A preflight has an Origin and a method it asks for.
    preflight = (("Origin", "https://shop.example"), ("Access-Control-Request-Method", "GET"))
    for name, headers in (
        ("OPTIONS", ()),
        ("OPTIONS with an Origin", preflight[:1]),
        ("OPTIONS without an Origin", preflight[1:]),
        ("a preflight", preflight),
    ):
        passes: dict[str, Expected] = {"flask": Theirs((200,), decided=False)} if headers == preflight else {}
        why = PREFLIGHT if passes else ""
        for target, who, expected in (
            ("/domain", None, STRANGER),
            ("/domain", "outsider", FORBIDDEN),
            ("/domain", "staff.forged", invalid("bad_signature")),
            ("/domain", "staff", UNASKED),
            ("/open", None, STRANGER),
            ("/open", "staff", UNASKED),
            ("/inner/robot", None, STRANGER),
        ):
            sent = get(target, who, *headers, method="OPTIONS")
            yield Row(f"{name} to {target} by {who}", sent, expected, passes, why, served=target == "/domain")
        yield Row(f"{name} to the unknown", get("/unknown", None, *headers, method="OPTIONS"), STRANGER)
        yield Row(
            f"{name} to nobody's, by staff",
            get("/nobody", "staff", *headers, method="OPTIONS"),
            UNASKED,
            {"routes": FORBIDDEN, **passes},
            why or ROUTING_405,
        )


def _overrides() -> Iterator[Row]:
    for header in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        override = (header, "GET")
        yield Row(f"{header}", get("/tasks", "staff", override, method="POST"), invalid("wrong_audience"), served=True)
        yield Row(f"{header} to the public's", get("/open", None, override, method="POST"), STRANGER)
        yield Row(f"{header} from the public", get("/upload", None, (header, "OPTIONS"), method="POST"), STRANGER)
        yield Row(f"{header} at GET", get("/domain", None, (header, "HEAD")), STRANGER)
    yield Row("?_method", get("/upload?_method=GET", None, method="POST"), STRANGER)


def _uploads() -> Iterator[Row]:
    json = ("Content-Type", "application/json")
    for name, who, expected in (
        ("a stranger", None, STRANGER),
        ("an outsider", "outsider", FORBIDDEN),
        ("a forger", "staff.forged", invalid("bad_signature")),
        ("staff", "staff", LetIn("upload", ADA)),
    ):
        yield Row(
            f"an upload by {name}", get("/upload", who, json, method="POST", body='{"n": 1}'), expected, served=True
        )
    yield Row("an upload that is no JSON", get("/upload", None, json, method="POST", body="{"), STRANGER)
    yield Row(
        "an upload of another type",
        get("/upload", None, ("Content-Type", "x/y"), method="POST", body="<staff>"),
        STRANGER,
    )
    yield Row("an upload to an unknown path", get("/unknown", "outsider", json, method="POST", body="1"), FORBIDDEN)
    yield Row("an upload to the wrong method", get("/domain", None, json, method="PUT", body="1"), STRANGER)
    yield Row("an upload to tasks", get("/tasks", "robot", json, method="POST", body="1"), invalid("wrong_audience"))


ROUTING_SLASH = (
    "routing: Starlette takes a slash at the end away, by a redirect under the rule of the place that it leads to; a "
    "path table counts both slash forms as one"
)


def _slashes() -> Iterator[Row]:
    yield Row("with its slash, a stranger", get("/slash/"), STRANGER)
    yield Row("with its slash, staff", get("/slash/", "staff"), LetIn("slash", ADA))
    yield Row("without its slash, a stranger", get("/slash"), STRANGER, served=True)
    yield Row("without its slash, an outsider", get("/slash", "outsider"), FORBIDDEN)
    yield Row("without its slash, staff", get("/slash", "staff"), REDIRECTED)
    yield Row("a robot, with its slash", get("/robot-slash/", "robot"), LetIn("robot slash", ROBOT))
    yield Row("a robot, without its slash", get("/robot-slash", "robot"), REDIRECTED)
    yield Row("staff, without the robot's slash", get("/robot-slash", "staff"), FORBIDDEN)
    yield Row("with the slash of what is open, a stranger", get("/open-slash/"), LetIn("open slash"))
    yield Row("without the slash of what is open, a stranger", get("/open-slash"), REDIRECTED, served=True)
    yield Row(
        "a slash after one's own",
        get("/users/u1/", "u1"),
        FORBIDDEN,
        {"paths": NOT_FOUND, "starlette": REDIRECTED},
        ROUTING_SLASH,
    )
    yield Row(
        "a slash after another's",
        get("/users/u1/", "staff"),
        NOWHERE,
        {"paths": FORBIDDEN, "starlette": FORBIDDEN},
        ROUTING_SLASH,
    )
    yield Row("a slash too many, a stranger", get("/domain/"), STRANGER)
    yield Row("a slash too many at nobody's", get("/nobody/", "outsider"), FORBIDDEN)


PATHS = "paths: only path rules protect here, so whatever two parsers could read differently is refused"
FOLDED = "paths: an application that ignores letter case, or dots and blanks at the end, serves it as /open"
SMALL = f"{PATHS}; Flask and Django read methods in capital letters, and its rule holds"

AMBIGUOUS_PATHS = (
    "//nobody",
    "//open",
    "/open//",
    "///",
    "/./nobody",
    "/./open",
    "/open/.",
    "/../nobody",
    "/open/../nobody",
    "/open/..",
    "/users/../open",
    "/%2e/open",
    "/%2e%2e/nobody",
    "/open/%2e%2e/nobody",
    "/open/%2E%2E/nobody",
    "/open/.%2e/nobody",
    "/%2fopen",
    "/open%2f",
    "/open%2F..%2Fnobody",
    "/users/u1%2fopen",
    "/inner%2fopen",
    "/open%5c",
    "/open%5c..%5cnobody",
    "/\\open",
    "/open\\..\\nobody",
    "/open%00",
    "/%00",
    "/open%00/nobody",
    "/open;",
    "/open;x=1",
    "/open;/../nobody",
    "/..;/nobody",
    "/open%3b",
    "/open%23",
    "/open%3f",
    "/open%25",
    "/open%252f",
    "/%252e%252e/nobody",
    "/open%0a",
    "/open%0d%0aX:1",
    "/open%09",
    "/open%7f",
    "/open%c0%af",
    "/%c0%ae%c0%ae/nobody",
    "/open%ff",
    "/open%e0%80%af",
)
"""None of these is a place of the application as it was written: they are for the default, or for nobody."""

SERVED = ("//open", "/open/../nobody", "/open%2F..%2Fnobody", "/open%5c", "/open;x=1", "/..;/nobody", "/inner%2fopen")

ROUTING_PATHS: dict[str, tuple[str, Expected, Expected, str]] = {
    "/inner%2fopen": (
        "routes",
        STRANGER,
        LetIn("inner open", ADA),
        "routing: it is /inner/open to all that have routes",
    ),
    "/open%0a": ("starlette", LetIn("open"), LetIn("open"), "routing: to Starlette a line's end does not count"),
    "//open": ("flask", LetIn("open"), LetIn("open"), "routing: to Flask leading slashes are one"),
    "/%2fopen": ("flask", LetIn("open"), LetIn("open"), "routing: to Flask leading slashes are one"),
    "//nobody": ("flask", STRANGER, FORBIDDEN, "routing: to Flask leading slashes are one"),
}
"""Of these, some frameworks take some for a place; then its own rule holds: for a stranger, for staff."""

NOWHERE = Theirs((404, 301, 307, 308))


NUMBERED = LetIn("own number", "user:grace@gmail.com")


def _paths() -> Iterator[Row]:
    for target in AMBIGUOUS_PATHS:
        kind, strangers, staffs, why = ROUTING_PATHS.get(target, ("paths", AMBIGUOUS, AMBIGUOUS, PATHS))
        for who, usual, special in (("a stranger", STRANGER, strangers), ("staff", NOWHERE, staffs)):
            sent = get(target, "staff" if who == "staff" else None)
            yield Row(
                f"{who} at {target}", sent, usual, {"paths": AMBIGUOUS, kind: special}, why, served=target in SERVED
            )
    for target in ("/./open", "/open/../nobody", "/open%2f", "/open;", "/open%00", "/open\\"):
        yield Row(f"in the open: {target}", get(target, setting="open"), NOWHERE, {"paths": AMBIGUOUS}, PATHS)
    # What is encoded without need is the same path to everybody.
    yield Row("/%6fpen", get("/%6fpen"), LetIn("open"), served=True)
    yield Row("/%64omain", get("/%64omain"), STRANGER)
    yield Row("/no%62ody", get("/no%62ody", "staff"), FORBIDDEN, served=True)
    yield Row("/users/%751", get("/users/%751", "u1"), LetIn("owner", U1), served=True)
    yield Row(
        "/users/z%C3%BCrich",
        get("/users/z%C3%BCrich", "accented uid"),
        LetIn("owner", "firebase:shop-prod/z\xfcrich"),
        served=True,
    )
    yield Row("/users/zu%CC%88rich", get("/users/zu%CC%88rich", "accented uid"), FORBIDDEN)
    yield Row("/users/a%20b:c@d", get("/users/a%20b:c@d", "odd uid"), LetIn("owner", "firebase:shop-prod/a b:c@d"))
    yield Row(
        "zeros before one's own number",
        get(f"/numbers/00{ACCOUNT_ID}", "numbered"),
        FORBIDDEN,
        {"flask": NUMBERED, "django": NUMBERED, "starlette": NUMBERED, "fastapi": FORBIDDEN},
        "routing: a converter has made a number of it before anybody is asked, and it is one's own",
    )
    yield Row(
        "one's own number in other digits",
        get(f"/numbers/{quote(''.join(chr(0xFF10 + int(digit)) for digit in ACCOUNT_ID))}", "numbered"),
        FORBIDDEN,
        {"flask": NUMBERED},
        "routing: Flask's converter reads every digit that Python reads, and it is one's own",
    )
    yield Row("/users/", get("/users/", "u1"), FORBIDDEN)
    yield Row("/users", get("/users", "u1"), FORBIDDEN)
    yield Row("/users/u1/x", get("/users/u1/x", "u1"), FORBIDDEN)
    yield Row("/users/u1.", get("/users/u1.", "u1"), FORBIDDEN)
    yield Row("/users/u1+", get("/users/u1+", "u1"), FORBIDDEN)
    yield Row("/users/...", get("/users/...", "u1"), FORBIDDEN)
    for target in ("/OPEN", "/Open", "/open%20", "/open."):
        yield Row(target, get(target), STRANGER, {"paths": AMBIGUOUS}, FOLDED, served=target == "/OPEN")
    yield Row("/UNKNOWN", get("/UNKNOWN"), STRANGER)
    yield Row("/open.json", get("/open.json"), STRANGER)
    yield Row("/openx", get("/openx"), STRANGER)
    yield Row("/{user}", get("/{user}"), STRANGER)
    yield Row("/*", get("/*"), STRANGER)
    yield Row("/", get("/"), STRANGER)
    yield Row("a query that looks like a path", get("/domain?/open"), STRANGER, served=True)
    yield Row("a query that climbs", get("/domain?/../open"), STRANGER)
    yield Row("a query after the public", get("/open?x=/../nobody"), LetIn("open"))
    yield Row("a query that names another", get("/users/u1?user=u2", "u2"), FORBIDDEN, served=True)


HOSTS = (
    "evil.example",
    "evil.example/open",
    "orders.example.com:80@evil/open",
    "open",
    "[::1]",
    "x" * 300,
    "localhost:99999",
)
NO_HOST = "routing: Flask and Django's CommonMiddleware answer nothing under a host that cannot be one"
ELSEWHERE = (
    ("X-Forwarded-Prefix", "/open"),
    ("X-Forwarded-Path", "/open"),
    ("X-Forwarded-Uri", "/open"),
    ("X-Forwarded-Host", "evil.example/open"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("Forwarded", 'for="127.0.0.1";host=evil.example;proto=https'),
    ("X-Original-URL", "/open"),
    ("X-Rewrite-URL", "/open"),
    ("X-Script-Name", "/nobody"),
    ("Script-Name", "/nobody"),
    ("SCRIPT_NAME", "/nobody"),
    ("Path-Info", "/open"),
    ("PATH_INFO", "/open"),
    ("Request-Uri", "/open"),
    ("Folded:REQUEST_URI", "/open"),
    ("X-Real-IP", "127.0.0.1"),
    ("X-Envoy-Original-Path", "/open"),
    ("Host2", "open"),
)


def _elsewhere() -> Iterator[Row]:
    for host in HOSTS:
        django: dict[str, Expected] = {"django": Theirs((400,), decided=False)} if "/" in host else {}
        yield Row(
            f"Host: {host[:40]}",
            get("/nobody", None, ("Host", host)),
            STRANGER,
            django,
            NO_HOST if django else "",
            served=host == "evil.example/open",
        )
        none: dict[str, Expected] = {"flask": Theirs((400,))} if len(host) > 255 else django
        why = NO_HOST if none else ""
        yield Row(f"staff at Host: {host[:40]}", get("/nobody", "staff", ("Host", host)), FORBIDDEN, none, why)
    for header in ELSEWHERE:
        served = header[0] in ("X-Original-URL", "X-Forwarded-Prefix", "SCRIPT_NAME", "PATH_INFO")
        yield Row(f"{header[0]}: {header[1]}", get("/nobody", None, header), STRANGER, served=served)
        yield Row(f"{header[0]}: {header[1]} in another's", get("/users/u1", "u2", header), FORBIDDEN)
        yield Row(f"{header[0]}: {header[1]} at the public", get("/open", None, header), LetIn("open"))


ROWS = (
    *_areas(),
    *_prefixes(),
    *_settings(),
    *_dressed(),
    *_in_the_dark(),
    *_methods(),
    *_options(),
    *_overrides(),
    *_uploads(),
    *_slashes(),
    *_paths(),
    *_elsewhere(),
)

"""A plain WSGI application behind ``CallerMiddleware``: what reaches it, and what does not."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from callerid import (
    AnyGoogleAccount,
    ConfigurationError,
    FirebaseUser,
    Guard,
    Nobody,
    PathParam,
    Public,
    ServiceAccount,
    Via,
)
from callerid._answers import Answer
from callerid.paths import ambiguous
from callerid.testing import LocalIssuer
from callerid.wsgi import CallerMiddleware, path_of
from tests.asgi.test_middleware import AMBIGUOUS
from tests.fixtures import AT_HAND, CLIENT, OTHERS, ROBOT, STAFF, URL, issuer, token

from .world import GUARD, Plain, ask, conforming, guarded, status, statuses


def bearer(who: str) -> str:
    return f"Bearer {token(who)}"


def test_whom_no_rule_admits_runs_nothing_and_has_no_body_read() -> None:
    app = Plain()
    for who, expected in ((None, 401), ("outsider", 403), ("robot", 403)):
        reply = ask(guarded(app), "/x", who, method="POST", body=b"x" * 1000)
        assert (reply.status, reply.read, app.ran) == (expected, False, 0)


def test_whom_the_rule_admits_is_served_and_the_body_arrives() -> None:
    app = Plain()
    reply = ask(guarded(app), "/x", "staff", method="POST", body=b"hello")
    assert (reply.line, reply.body) == ("200 OK", b"hello")
    assert str(app.environs[0]["callerid.caller"]) == "user:ada@example.com"


def test_a_refusal_is_a_problem_document() -> None:
    reply = ask(guarded(Plain()), "/x")
    assert reply.line == "401 Unauthorized"
    assert reply.json["reason"] == "no_credential"
    assert reply.headers == [
        ("content-type", "application/problem+json"),
        ("content-length", str(len(reply.body))),
        ("cache-control", "no-store"),
        ("www-authenticate", 'Bearer realm="callerid"'),
    ]


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", ["", "/x"])
@pytest.mark.parametrize(("who", "expected"), [(None, 401), ("outsider", 403), ("staff", 200)])
def test_it_keeps_to_pep_3333(method: str, path: str, who: str | None, expected: int) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return []

    reply = conforming(guarded(app), path, who, method)
    assert reply.status == expected
    assert bool(reply.body) is (expected != 200 and method != "HEAD")


ROUTES = {
    "/healthz": Public(),
    "POST /tasks/*": ServiceAccount(ROBOT),
    "/users/{uid}/orders": FirebaseUser(PathParam("uid")),
    "/tasks": GUARD.allow(AnyGoogleAccount(), audience=CLIENT),
    "/maybe": Public() | STAFF,
    "/über/*": OTHERS,
}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        # in this order: nobody, staff, an outsider, a robot, the Firebase user u1
        ("GET", "/healthz", [200, 200, 200, 200, 200]),
        ("PROPFIND", "/healthz/", [200, 200, 200, 200, 200]),
        ("POST", "/tasks/reindex", [401, 403, 403, 200, 403]),
        ("GET", "/tasks/reindex", [401, 200, 403, 403, 403]),
        ("POST", "/tasks", [401, 200, 200, 401, 403]),
        ("GET", "/users/u1/orders", [401, 403, 403, 403, 200]),
        ("GET", "/users/u2/orders", [401, 403, 403, 403, 403]),
        ("GET", "/maybe", [200, 200, 200, 200, 200]),
        ("GET", "/über/x", [401, 403, 200, 403, 403]),
        ("OPTIONS", "/x", [401, 200, 403, 403, 403]),
        ("GET", "", [401, 200, 403, 403, 403]),
    ],
)
def test_the_table_holds_and_else_the_default(method: str, path: str, expected: list[int]) -> None:
    app = Plain()
    callers = (None, "staff", "outsider", "robot", "u1")
    assert statuses(guarded(app, routes=ROUTES), path, *callers, method=method) == expected
    assert app.ran == expected.count(200)


def test_a_floor_holds_everywhere() -> None:
    app = guarded(Plain(), routes={"/healthz": Public()}, floor=OTHERS, default=Public())
    for path in ("/healthz", "/unknown"):
        assert statuses(app, path, None, "staff", "outsider") == [401, 403, 200]


@pytest.mark.parametrize("path", AMBIGUOUS)
@pytest.mark.parametrize("who", [None, "staff"])
def test_a_path_with_two_readings_reaches_nothing_even_where_all_is_public(path: str, who: str | None) -> None:
    app = Plain()
    reply = ask(guarded(app, default=Public()), path, who)
    assert (reply.status, reply.json["reason"], app.ran) == (400, "ambiguous_path", 0)


@pytest.mark.parametrize("path", ["/\xff", "/a\xc0\xafb", "/\xed\xa0\x80"])
def test_a_path_that_is_no_utf_8_reaches_nothing(path: str) -> None:
    app = Plain()
    assert status(guarded(app, default=Public()), "/", PATH_INFO=path) == 400
    assert app.ran == 0


@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
@pytest.mark.parametrize(
    "target", ["/healthz%2f..%2fadmin", "/%2e%2e/x?y", "/healthz%5c", "//healthz", "/x/..;/healthz"]
)
def test_encodings_are_judged_where_the_target_is_shown(name: str, target: str) -> None:
    app = Plain()
    assert status(guarded(app, default=Public()), "/healthz", **{name: target}) == 400
    assert app.ran == 0
    assert status(guarded(app, default=Public()), "/healthz", **{name: "http://h:1/healthz?next=//%2f"}) == 200


def test_a_method_in_small_letters_reaches_nothing() -> None:
    app = Plain()
    routes = {"POST /tasks": Nobody(), "/tasks": Public(), "WEBSOCKET /live": Public()}
    assert status(guarded(app, routes=routes), "/tasks", method="post") == 400
    assert status(guarded(app, routes=routes), "/live", method="WEBSOCKET") == 401
    assert app.ran == 0


def test_paths_are_relative_to_where_the_application_is_mounted() -> None:
    app = Plain()
    shut = guarded(app, routes={"/admin": Nobody()}, default=Public())
    assert status(shut, "/admin", SCRIPT_NAME="/api") == 401
    assert status(shut, "/api/admin", SCRIPT_NAME="/api") == 200
    assert status(shut, "admin", SCRIPT_NAME="/api") == 400
    assert status(shut, "", SCRIPT_NAME="/admin") == 200


def test_only_the_path_says_where_we_are() -> None:
    shut = guarded(Plain(), routes={"/healthz": Public()})
    elsewhere = {
        "HTTP_HOST": "x/healthz",
        "HTTP_X_FORWARDED_PREFIX": "/healthz",
        "HTTP_X_ORIGINAL_URL": "/healthz",
        "HTTP_X_REWRITE_URL": "/healthz",
        "HTTP_SCRIPT_NAME": "/healthz",
        "HTTP_PATH_INFO": "/healthz",
        "REQUEST_URI": "/healthz",
        "QUERY_STRING": "/healthz",
        "HTTP_X_HTTP_METHOD_OVERRIDE": "GET",
    }
    assert status(shut, "/admin", **elsewhere) == 401


def test_a_prefix_that_the_application_cuts_off_by_itself_is_given() -> None:
    app = Plain()
    shut = guarded(app, routes={"/admin": Nobody(), "/open": Public(), "/api/x": Nobody()}, root_path="/api")
    for prefix in ("", "/api"):
        assert status(shut, f"{prefix}/admin") == 401
        assert status(shut, f"{prefix}/open") == 200
    assert app.environs[-1]["PATH_INFO"] == "/api/open"
    assert status(shut, "/api/x", "staff") == 403  # the path as it is written has an entry, too
    assert statuses(shut, "/apiopen", None, "staff") == [400, 400]
    assert statuses(shut, "/API/open", None, "staff") == [400, 400]
    for wrong in ("/", "api", "/api/", 7):
        with pytest.raises(ConfigurationError, match="root_path="):
            guarded(app, root_path=wrong)


@pytest.mark.parametrize("path", ["/ADMIN", "/Admin/x", "/admin.", "/admin ", "/adm\N{LATIN SMALL LETTER DOTLESS I}n"])
def test_a_path_that_an_application_may_take_for_an_entrys_reaches_nothing(path: str) -> None:
    app = Plain()
    shut = guarded(app, routes={"/admin": Nobody(), "/admin/*": Nobody()}, default=Public())
    assert (status(shut, path), app.ran) == (400, 0)
    assert status(shut, "/Other") == 200


# --- identities ---


@pytest.mark.parametrize(
    ("who", "name"),
    [
        ("staff", "user:ada@example.com"),
        ("robot", f"serviceAccount:{ROBOT}"),
        ("admin", "firebase:shop-prod/admin"),  # a uid must not become somebody's admin
    ],
)
def test_remote_user_names_the_caller_with_their_issuer(who: str, name: str) -> None:
    app = Plain()
    planted = {"REMOTE_USER": "admin", "HTTP_REMOTE_USER": "admin", "callerid.caller": "admin"}
    anybody = AnyGoogleAccount() | FirebaseUser()
    assert status(guarded(app, default=anybody), "/x", who, **planted) == 200
    assert app.environs[0]["REMOTE_USER"] == name
    assert str(app.environs[0]["callerid.caller"]) == name
    assert "HTTP_REMOTE_USER" not in app.environs[0]


def test_nobody_is_no_remote_user() -> None:
    app = Plain()
    planted = {"REMOTE_USER": "admin", "HTTP_REMOTE_USER": "admin"}
    for options in ({"default": Public()}, {"default": Public() | OTHERS}):
        assert status(guarded(app, **options), "/x", "staff", **planted) == 200
        assert app.environs[-1]["callerid.caller"] is None
        assert not {"REMOTE_USER", "HTTP_REMOTE_USER"} & set(app.environs[-1])


def test_a_name_beyond_latin_1_is_written_as_pep_3333_has_it() -> None:
    app = Plain()
    assert status(guarded(app, default=FirebaseUser()), "/x", "日本") == 200
    written = app.environs[0]["REMOTE_USER"]
    assert written.encode("latin-1").decode() == "firebase:shop-prod/日本"


def test_remote_user_behind_a_gateway_is_the_forwarded_caller_and_never_the_gateway() -> None:
    app = Plain()
    guard = Guard(issuer.gateway("gateway@p.iam.gserviceaccount.com", AT_HAND[1], audience=URL))
    served = CallerMiddleware(app, guard=guard, default=FirebaseUser() | Via(AnyGoogleAccount()))
    own = issuer.service_account("gateway@p.iam.gserviceaccount.com", audience=URL)
    planted = {"REMOTE_USER": "admin", "HTTP_X_APIGATEWAY_API_USERINFO": "eyJzdWIiOiJhZG1pbiJ9"}
    through = {**planted, "HTTP_AUTHORIZATION": f"Bearer {own}"}
    assert status(served, "/x", **through, HTTP_X_FORWARDED_AUTHORIZATION=bearer("ada")) == 200
    assert app.environs[-1]["REMOTE_USER"] == "firebase:shop-prod/ada"
    assert status(served, "/x", **through) == 200
    assert "REMOTE_USER" not in app.environs[-1]
    assert status(served, "/x", **planted, HTTP_X_FORWARDED_AUTHORIZATION=bearer("ada")) == 401
    assert status(served, "/x", **planted, HTTP_AUTHORIZATION=bearer("ada")) == 401


def test_a_planted_identity_is_no_credential() -> None:
    app = Plain()
    planted = {"REMOTE_USER": "user:ada@example.com", "HTTP_REMOTE_USER": "x", "HTTP_X_AUTHORIZATION": bearer("staff")}
    assert status(guarded(app), "/x", **planted) == 401
    assert app.ran == 0


def test_a_folded_header_is_verified_like_any_other() -> None:
    # X_Serverless_Authorization and X-Serverless-Authorization are one key; it speaks for the carrier only.
    app = Plain()
    assert status(guarded(app), "/x", HTTP_X_SERVERLESS_AUTHORIZATION=bearer("staff")) == 401
    assert status(guarded(app), "/x", "staff", HTTP_X_SERVERLESS_AUTHORIZATION="Bearer junk") == 401
    both = f"{bearer('robot')},{bearer('robot')}"
    reply = ask(guarded(app), "/x", "staff", HTTP_X_SERVERLESS_AUTHORIZATION=both)
    assert (reply.status, reply.json["reason"], app.ran) == (400, "several_credentials", 0)


@pytest.mark.parametrize(
    ("joined", "expected"),
    [
        (f"{bearer('staff')},{bearer('staff')}", 400),
        (f"{bearer('staff')}, {bearer('outsider')}", 400),
        (f"Basic eDp5,{bearer('staff')}", 400),
        (f"{bearer('staff')},Basic eDp5", 400),
        (f"{bearer('staff')},", 400),
        (f",{bearer('staff')}", 400),
        ('Digest username="x", realm="y"', 401),
        ("Basic eDp5", 401),
    ],
)
def test_two_credentials_are_refused(joined: str, expected: int) -> None:
    app = Plain()
    assert status(guarded(app), "/x", HTTP_AUTHORIZATION=joined) == expected
    assert app.ran == 0


def test_who_is_calling_is_told_to_this_application_alone() -> None:
    seen: list[str | None] = []

    def inner(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["inner"] = True
        return app(environ, start_response)

    app = Plain()
    public, staff = guarded(inner, default=Public()), guarded(inner)

    def outer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        staff(environ, start_response)
        public(environ, start_response)  # a request of its own, with what it was called with
        seen.append(environ.get("REMOTE_USER"))
        assert not {"callerid.caller", "inner"} & set(environ)
        return []

    ask(outer, "/x", "staff", REMOTE_USER="by the server")
    assert [environ["callerid.caller"] and str(environ["callerid.caller"]) for environ in app.environs] == [
        "user:ada@example.com",
        None,
    ]
    assert seen == ["by the server"]


def test_one_environ_that_is_served_twice_at_once_mixes_no_callers() -> None:
    both = threading.Barrier(2)
    found: dict[str, str] = {}

    def inner(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        both.wait(40)
        start_response("200 OK", [])
        return [f"{environ['callerid.caller']} {environ.get('REMOTE_USER')}".encode()]

    staff, public = guarded(inner), guarded(inner, default=Public())
    environ: dict[str, Any] = {}

    def capture(given: dict[str, Any], start_response: Any) -> list[bytes]:
        environ.update(given)
        start_response("200 OK", [])
        return []

    ask(capture, "/x", "staff")

    def serve(name: str, app: Any) -> None:
        found[name] = b"".join(app(environ, lambda *_: None)).decode()

    with ThreadPoolExecutor(2) as pool:
        pool.submit(serve, "staff", staff)
        pool.submit(serve, "public", public)
    assert found == {"staff": "user:ada@example.com user:ada@example.com", "public": "None None"}


def test_what_is_judged_is_what_is_served_whatever_others_do_to_the_environ() -> None:
    app = Plain()
    environ: dict[str, Any] = {}

    class Changing(Guard):
        def identify(self, sent: Any, waited: Any = ()) -> Any:
            environ.update(PATH_INFO="/admin", REQUEST_METHOD="DELETE")
            return super().identify(sent, waited)

    shut = guarded(app, guard=Changing(*AT_HAND), routes={"/admin": Nobody()})

    def entry(given: dict[str, Any], start_response: Any) -> Any:
        nonlocal environ
        environ = given
        return shut(given, start_response)

    assert status(entry, "/x", "staff") == 200
    assert (app.environs[0]["PATH_INFO"], app.environs[0]["REQUEST_METHOD"]) == ("/x", "GET")
    assert environ["PATH_INFO"] == "/admin"


# --- refusals, re-dressed ---


def test_a_refusal_may_be_dressed_as_a_redirect() -> None:
    app = Plain()
    seen: list[tuple[str, int]] = []

    def login(environ: Any, refusal: Any) -> Answer:
        seen.append((environ["PATH_INFO"], refusal.status))
        return Answer(303, (("location", "/login"),), b"please")

    reply = ask(guarded(app, on_refusal=login), "/x")
    assert (reply.line, reply.body, app.ran, seen) == ("303 See Other", b"please", 0, [("/x", 401)])
    assert dict(reply.headers) == {"location": "/login", "content-length": "6", "cache-control": "no-store"}


@pytest.mark.parametrize("said", [None, True, 200, b"", (200, (), b"")])
def test_a_hook_that_says_something_else_changes_nothing(said: Any) -> None:
    app = Plain()
    assert status(guarded(app, on_refusal=lambda environ, refusal: said), "/x") == 401
    assert app.ran == 0


def test_a_failing_hook_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    app = Plain()

    def fail(environ: Any, refusal: Any) -> None:
        raise LookupError("template")

    assert status(guarded(app, on_refusal=fail), "/x") == 401
    assert "on_refusal failed" in caplog.text
    assert app.ran == 0


def test_a_status_without_a_name_is_sent_all_the_same() -> None:
    assert ask(guarded(Plain(), on_refusal=lambda *_: Answer(499, (), b"")), "/x").line == "499 Unknown"


# --- threads and keys ---


def test_a_key_is_fetched_once_for_all_threads() -> None:
    with LocalIssuer() as remote:
        app = Plain()
        shut = guarded(app, guard=Guard(remote.google(URL, CLIENT)), default=ServiceAccount(ROBOT))
        authorization = f"Bearer {remote.service_account(ROBOT, audience=URL)}"
        barrier = threading.Barrier(8)

        def call(number: int) -> int:
            barrier.wait()
            return status(shut, f"/{number}", HTTP_AUTHORIZATION=authorization)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(call, range(8))) == [200] * 8
        assert remote.fetches["google"] == 1
        assert {each["REMOTE_USER"] for each in app.environs} == {f"serviceAccount:{ROBOT}"}


def test_threads_do_not_see_each_others_callers() -> None:
    names = [f"u{number}" for number in range(20)]
    authorizations = {name: bearer(name) for name in names}

    def echo(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [str(environ["callerid.caller"]).encode()]

    shut = guarded(echo, default=FirebaseUser())

    def call(name: str) -> set[bytes]:
        return {ask(shut, "/x", HTTP_AUTHORIZATION=authorizations[name]).body for _ in range(10)}

    with ThreadPoolExecutor(8) as pool:
        for name, seen in zip(names, pool.map(call, names), strict=True):
            assert seen == {f"firebase:shop-prod/{name}".encode()}


def test_while_no_key_can_be_had_public_paths_work() -> None:
    with LocalIssuer() as gone:
        down = Guard(gone.google(URL))
    shut = guarded(Plain(), guard=down, default=AnyGoogleAccount(), routes={"/healthz": Public()})
    authorization = f"Bearer {gone.service_account(ROBOT, audience=URL)}"
    assert status(shut, "/healthz", HTTP_AUTHORIZATION=authorization) == 200
    reply = ask(shut, "/x", HTTP_AUTHORIZATION=authorization)
    assert reply.line == "503 Service Unavailable"
    assert int(dict(reply.headers)["retry-after"]) >= 1


@pytest.mark.parametrize(
    "options",
    [{"guard": Guard()}, {"guard": None}, {"default": None}, {"routes": {"x": STAFF}}, {"on_refusal": "/login"}],
)
def test_a_mistake_is_an_error_at_construction(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        guarded(Plain(), **options)
    with pytest.raises(TypeError, match="default"):
        CallerMiddleware(Plain(), guard=GUARD)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "path", ["", "/", "/a/b", "/%41", "/a//b", "/a/../b", "/a;b", "/a?b", "/a#b", "/\\", "/\0", "/é", "//", "x", "/%2f"]
)
@pytest.mark.parametrize("shown", [(), ("RAW_URI",), ("REQUEST_URI",), ("RAW_URI", "REQUEST_URI")])
def test_a_target_written_as_it_is_read_shows_nothing_more(path: str, shown: tuple[str, ...]) -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path.encode().decode("latin-1"), **dict.fromkeys(shown, path)}
    assert path_of(environ) == (path, ambiguous(path) or ambiguous(path, path if shown else None))


def test_what_is_read_in_one_way_is_so_as_it_was_sent() -> None:
    for rest in map("".join, itertools.product("/.%2fF;?#\\\0\x7f\x85é\ufffd:", repeat=3)):
        for path in (f"/{rest}", rest):
            assert ambiguous(path) is not None or ambiguous(path, path) is None, path


def test_each_target_that_a_server_shows_is_read() -> None:
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}
    sent = "the path as it was sent encodes a dot, a slash or another character that parsers differ on"
    for shown in ({"RAW_URI": "/%2e"}, {"REQUEST_URI": "/%2e"}, {"RAW_URI": "/x", "REQUEST_URI": "/%2e"}):
        assert path_of({**environ, **shown}) == ("/x", sent)
    assert path_of({**environ, "RAW_URI": "/x", "REQUEST_URI": "/x"}) == ("/x", None)
    lower = {**environ, "REQUEST_METHOD": "get", "RAW_URI": "/x"}
    assert path_of(lower) == ("/x", "the method is not in capital letters")


# --- CORS middleware inside ---


def test_cors_middleware_inside_is_warned_of_once_even_if_it_comes_late(caplog: pytest.LogCaptureFixture) -> None:
    app = flask.Flask("orders")
    shut = guarded(app, default=Public())
    assert caplog.messages == []

    def cors_after_request(response: Any) -> Any:
        return response

    cors_after_request.__module__ = "flask_cors.extension"
    app.after_request(cors_after_request)
    assert statuses(shut, "/x", None, None) == [404, 404]
    assert statuses(guarded(app, default=Public()), "/x", None) == [404]
    said = [message for message in caplog.messages if "CORS" in message]
    assert len(said) == 2
    assert all("flask-cors stands inside of CallerMiddleware" in message for message in said)


# --- at random, against what Flask serves ---

SEGMENTS = ("api", "admin", "open", "x", "ADMIN", "Admin", "", ".", "..", "admin.", "admin ", "admin\n", "%2f", "a;b")


def folded(app: Any) -> Any:
    return lambda environ, start: app({**environ, "PATH_INFO": environ["PATH_INFO"].lower()}, start)


def dispatched(app: Any) -> Any:
    return DispatcherMiddleware(app, {"/api": app})


def cut(app: Any) -> Any:
    def inner(environ: dict[str, Any], start_response: Any) -> Any:
        path = environ["PATH_INFO"]
        if path.startswith("/api"):
            environ = {**environ, "SCRIPT_NAME": "/api", "PATH_INFO": path.removeprefix("/api")}
        return app(environ, start_response)

    return inner


def proxied(app: Any) -> Any:
    return ProxyFix(app, x_prefix=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrap", "options"),
    [(lambda app: app, {}), (folded, {}), (dispatched, {}), (cut, {"root_path": "/api"}), (proxied, {})],
)
def test_at_random_paths_nothing_is_served_that_an_entry_keeps_from_strangers(wrap: Any, options: Any) -> None:
    app = flask.Flask("orders")
    app.config["APPLICATION_ROOT"] = "/api"
    app.url_map.strict_slashes = False
    for number, rule in enumerate(("/admin", "/admin/<path:rest>", "/open")):
        app.add_url_rule(rule, str(number), lambda rule=rule, **_: rule.split("/")[1])
    inner = wrap(app)
    entries = {f"{prefix}/admin{rest}": STAFF for prefix in ("", "/api") for rest in ("", "/*")}
    weak = guarded(inner, default=Public(), routes=entries, **options)
    strict = guarded(inner, routes={"/open": Public(), "/api/open": Public()}, **options)
    chance, served = random.Random(0), set[bytes]()
    for _ in range(300):
        path = "/" + "/".join(chance.choices(SEGMENTS, k=chance.randint(1, 4)))
        more: Any = {"HTTP_X_FORWARDED_PREFIX": "/api"}
        served.add(ask(inner, path, **more).body)
        assert ask(weak, path, **more).body != b"admin", path
        reply = ask(strict, path, **more)
        assert reply.status != 200 or reply.body == b"open", path
    assert {b"admin", b"open"} <= served

"""A plain ASGI application behind ``CallerMiddleware``: what reaches it, and what does not."""

from __future__ import annotations

import functools
import logging
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from callerid import (
    AnyGoogleAccount,
    ConfigurationError,
    Domain,
    FirebaseUser,
    Guard,
    Nobody,
    PathParam,
    Public,
    ServiceAccount,
    UnguardedEndpointError,
    Via,
)
from callerid._answers import Answer
from callerid.asgi import CallerMiddleware
from callerid.starlette import Guard as StarletteGuard
from callerid.testing import LocalIssuer, as_caller, google_person
from tests.fixtures import AT_HAND, CLIENT, OTHERS, ROBOT, STAFF, URL, token
from tests.starlette.world import ask, asked, closed, dial, during_fetch, status, statuses

from .world import GUARD, Plain, guarded


def test_whom_no_rule_admits_runs_nothing_and_has_no_body_read(backend: str) -> None:
    app = Plain()
    for who, expected in ((None, 401), ("outsider", 403), ("robot", 403)):
        reply = ask(guarded(app), "/x", who, method="POST", body=b"x" * 1000, backend=backend)
        assert (reply.status, reply.reads, app.ran) == (expected, 0, 0)


def test_whom_the_rule_admits_is_served_and_the_body_arrives(backend: str) -> None:
    app = Plain()
    reply = ask(guarded(app), "/x", "staff", method="POST", body=b"hello", backend=backend)
    assert (reply.status, reply.body, str(app.caller)) == (200, b"hello", "user:ada@example.com")


def test_a_refusal_is_a_problem_document() -> None:
    reply = ask(guarded(Plain()), "/x")
    assert reply.json["reason"] == "no_credential"
    assert reply.raw_headers == [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(reply.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"www-authenticate", b'Bearer realm="callerid"'),
    ]


def test_a_refused_head_request_gets_headers_alone() -> None:
    app = Plain()
    reply = ask(guarded(app), "/x", method="HEAD")
    assert (reply.status, reply.body, app.ran) == (401, b"", 0)
    assert reply.headers["content-length"] != "0"


ROUTES = {
    "/healthz": Public(),
    "POST /tasks/*": ServiceAccount(ROBOT),
    "/users/{uid}/orders": FirebaseUser(PathParam("uid")),
    "/tasks": GUARD.allow(AnyGoogleAccount(), audience=CLIENT),
    "WEBSOCKET /live": Public(),
    "/maybe": Public() | STAFF,
}


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        # in this order: nobody, staff, an outsider, a robot, the Firebase user u1
        ("GET", "/healthz", [200, 200, 200, 200, 200]),
        ("PROPFIND", "/healthz/", [200, 200, 200, 200, 200]),
        ("POST", "/tasks/reindex", [401, 403, 403, 200, 403]),
        ("POST", "/tasks/a/b", [401, 403, 403, 200, 403]),
        ("GET", "/tasks/reindex", [401, 200, 403, 403, 403]),
        ("POST", "/tasks", [401, 200, 200, 401, 403]),
        ("GET", "/users/u1/orders", [401, 403, 403, 403, 200]),
        ("GET", "/users/u2/orders", [401, 403, 403, 403, 403]),
        ("GET", "/users/u1", [401, 200, 403, 403, 403]),
        ("GET", "/live", [401, 200, 403, 403, 403]),
        ("WEBSOCKET", "/live", [401, 200, 403, 403, 403]),
        ("GET", "/maybe", [200, 200, 200, 200, 200]),
        ("OPTIONS", "/x", [401, 200, 403, 403, 403]),
        ("GET", "/HEALTHZ", [400, 400, 400, 400, 400]),  # the entry's place, if the application ignores case
        ("GET", "/healthz/x", [401, 200, 403, 403, 403]),
    ],
)
def test_the_table_holds_and_else_the_default(method: str, path: str, expected: list[int]) -> None:
    app = Plain()
    callers = (None, "staff", "outsider", "robot", "u1")
    assert statuses(guarded(app, routes=ROUTES), path, *callers, method=method) == expected
    assert app.ran == expected.count(200)


def test_a_floor_holds_everywhere() -> None:
    app = guarded(Plain(), routes={"/healthz": Public()}, floor=OTHERS, default=Public())
    assert statuses(app, "/healthz", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/unknown", None, "staff", "outsider") == [401, 403, 200]
    carried = guarded(Plain(), default=STAFF, floor=Via(ServiceAccount(ROBOT)))
    by = {"x-serverless-authorization": f"Bearer {token('robot')}"}
    assert status(carried, "/x", "staff") == 403
    assert status(carried, "/x", "staff", headers=by) == 200
    assert status(carried, "/x", headers=by) == 401


def test_a_public_path_reads_no_credential_and_an_optional_one_reads_it() -> None:
    app = Plain()
    junk = {"authorization": "Bearer junk"}
    shut = guarded(app, routes=ROUTES)
    assert status(shut, "/healthz", headers=junk) == 200
    assert status(shut, "/healthz", "staff") == 200
    assert app.caller is None
    assert status(shut, "/maybe", headers=junk) == 401
    assert status(shut, "/maybe", "outsider") == 200
    assert app.caller is None
    assert status(shut, "/maybe", "staff") == 200
    assert app.caller is not None


def test_a_public_path_works_while_no_key_can_be_had() -> None:
    with LocalIssuer() as gone:
        down = Guard(gone.google(URL))
    shut = guarded(Plain(), guard=down, default=AnyGoogleAccount(), routes={"/healthz": Public()})
    bearer = {"authorization": f"Bearer {gone.service_account(ROBOT, audience=URL)}"}
    assert status(shut, "/healthz", headers=bearer) == 200
    assert status(shut, "/x", headers=bearer) == 503


@pytest.mark.parametrize("twice", [b"Authorization", b"AUTHORIZATION"])
def test_two_credentials_are_refused(twice: bytes) -> None:
    app = Plain()
    headers = [(twice, f"Bearer {token('staff')}".encode())]
    reply = ask(guarded(app), "/x", "staff", headers=headers)
    assert (reply.status, reply.json["reason"], app.ran) == (400, "several_credentials", 0)


@pytest.mark.parametrize("name", [b"authorization_", b"x-authorization", b"remote-user", b"x_serverless_authorization"])
def test_no_other_header_is_an_identity(name: bytes) -> None:
    app = Plain()
    assert status(guarded(app), "/x", headers=[(name, f"Bearer {token('staff')}".encode())]) == 401
    assert app.ran == 0


AMBIGUOUS = [
    *("//healthz", "/x//healthz", "/healthz/../x", "/./x", "/x/..", "/healthz/.", "/x\\healthz", "/x;/healthz", "/x\0"),
    *("/healthz%2f..", "/x#/healthz", "*", "healthz", "http://orders.example.com/healthz", "/\ufffdhealthz"),
]


@pytest.mark.parametrize("path", AMBIGUOUS)
@pytest.mark.parametrize("who", [None, "staff"])
def test_a_path_with_two_readings_reaches_nothing_even_where_all_is_public(path: str, who: str | None) -> None:
    app = Plain()
    for options in ({"default": Public()}, {"routes": {"/*": Public()}}):
        reply = ask(guarded(app, **options), path, who, raw_path=None)
        assert (reply.status, reply.json["reason"], app.ran) == (400, "ambiguous_path", 0)
        assert "www-authenticate" not in reply.headers


@pytest.mark.parametrize("target", [b"/healthz%2f..%2fadmin", b"/%2e%2e/healthz", b"/healthz%5c", b"/x/..;/healthz"])
def test_encodings_are_judged_where_the_target_is_shown(target: bytes) -> None:
    app = Plain()
    assert status(guarded(app, default=Public()), "/healthz", raw_path=target) == 400
    assert app.ran == 0


def test_a_method_in_small_letters_reaches_nothing() -> None:
    app = Plain()
    routes = {"POST /tasks": Nobody(), "/tasks": Public()}
    assert status(guarded(app, routes=routes), "/tasks", method="post") == 400
    assert status(guarded(app, routes=routes), "/tasks", method="POST") == 401
    assert app.ran == 0


ROOTED = {"/admin": Nobody(), "/admin/*": Nobody()}


@pytest.mark.parametrize(
    ("root", "path", "expected"),
    [
        ("/api", "/api/admin", 401),  # by the specification
        ("/api", "/api/public", 200),
        ("/api", "/api", 200),
        ("/api", "/api/", 200),
        ("/api", "/admin", 401),  # a server that leaves root_path out
        ("/api", "/public", 200),
        ("/api", "/apiadmin", 400),
        ("/api", "/public/api/admin", 400),  # Litestar and Quart cut at the first root_path, wherever it stands
        ("/api", "/public/apiadmin", 400),
        ("/api", "/api/api/admin", 200),
        ("/api", "/api//admin", 400),
        ("/api", "/api/x/../admin", 400),
        ("/api", "/api/public;/admin", 400),
        ("/", "/admin", 401),
        ("/", "//admin", 400),
        ("/api/", "/api/admin", 400),
        ("/api/", "/api//admin", 400),
        ("api", "/admin", 400),
        ("api", "api/admin", 400),
        ("", "/admin", 401),
        (None, "/admin/x", 401),
        ("/a/b", "/a/b/admin", 401),
        ("/a/b", "/a/admin", 200),
    ],
)
def test_paths_are_relative_to_where_the_application_is_mounted(root: str | None, path: str, expected: int) -> None:
    app = Plain()
    shut = guarded(app, routes=ROOTED, default=Public())
    assert status(shut, path, root_path=root) == expected
    assert app.ran == (expected == 200)


def test_the_host_says_nothing_about_where_we_are() -> None:
    shut = guarded(Plain(), routes={"/healthz": Public()})
    for host in (b"evil.example/healthz", b"healthz", b"orders.example.com/healthz?", b"x\r\ny"):
        assert status(shut, "/admin", headers=[(b"host", host), (b"x-forwarded-prefix", b"/healthz")]) == 401


def test_the_scope_of_whoever_is_outside_stays_as_it_was() -> None:
    app = Plain()
    state = {"pool": 1}
    reply = ask(guarded(app), "/x", "staff", state=state)
    assert state == {"pool": 1}
    assert "user" not in reply.scope
    assert app.scopes[0]["state"]["pool"] == 1


def test_a_state_that_a_server_shares_mixes_no_callers(backend: str) -> None:
    shared: dict[str, Any] = {"pool": 1}
    both, found = anyio.Event(), dict[str, str]()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        caller = scope["state"]["caller"]
        if caller is None:
            both.set()
        await both.wait()
        found[str(caller)] = f"{scope['state']['caller']} {scope.get('user')}"

    app = guarded(slow, default=Public() | STAFF)

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            for who in ("staff", None):
                tasks.start_soon(functools.partial(asked, app, "/x", who, state=shared))

    anyio.run(run, backend=backend)
    assert found == {"user:ada@example.com": "user:ada@example.com user:ada@example.com", "None": "None None"}
    assert shared == {"pool": 1}


def test_one_scope_that_is_dispatched_twice_at_once_mixes_no_callers() -> None:
    found: list[str] = []

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await anyio.lowlevel.checkpoint()
        found.append(f"{scope['state']['caller']} {scope.get('user')}")

    staff, public = guarded(served), guarded(served, default=Public())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async with anyio.create_task_group() as tasks:
            for each in (staff, public, staff, public):
                tasks.start_soon(each, scope, receive, send)

    reply = ask(app, "/x", "staff", state={})
    assert reply.error is None
    assert sorted(found) == ["None None"] * 2 + ["user:ada@example.com user:ada@example.com"] * 2
    assert (reply.scope["state"], reply.scope.get("user")) == ({}, None)


def test_a_request_within_a_request_leaves_the_outer_callers_alone() -> None:
    seen: list[str] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        def told() -> str:
            return f"{scope['path']}: {scope['state']['caller']} {scope.get('user')}"

        seen.append(told())
        if scope["path"] == "/outer":
            for within in ({**scope, "path": "/public"}, {**scope, "path": "/public", "state": scope["state"]}):
                await app(within, receive, send)
            seen.append(told())

    app = guarded(inner, routes={"/public": Public()})
    ask(app, "/outer", "staff", state={"pool": 1})
    ada = "user:ada@example.com user:ada@example.com"
    assert seen == [f"/outer: {ada}", "/public: None None", "/public: None None", f"/outer: {ada}"]


def test_nobody_is_no_user() -> None:
    app = Plain()
    assert status(guarded(app, default=Public()), "/x", "staff", user=None) == 200
    assert app.caller is None
    assert "user" not in app.scopes[0]


def test_a_user_whom_an_outer_middleware_has_put_there_stays() -> None:
    app = Plain()
    assert status(guarded(app), "/x", "staff", user="somebody") == 200
    assert app.scopes[0]["user"] == "somebody"
    assert str(app.scopes[0]["state"]["caller"]) == "user:ada@example.com"


def test_the_innermost_guard_introduces_the_caller() -> None:
    app = Plain()
    assert status(guarded(guarded(app, default=Public())), "/x", "staff") == 200
    assert app.caller is None
    assert statuses(guarded(guarded(app, default=OTHERS)), "/x", None, "staff", "outsider") == [401, 403, 403]


def test_lifespan_passes_through_and_connections_of_unknown_types_do_not(backend: str) -> None:
    app = Plain()
    ask(guarded(app, default=Nobody()), "/x", type="lifespan", backend=backend)
    assert app.ran == 1
    for kind in ("webtransport", "http2", ""):
        reply = ask(guarded(app, default=Public()), "/x", type=kind, backend=backend)
        assert isinstance(reply.error, RuntimeError)
        assert (reply.messages, app.ran) == ([], 1)


def test_a_key_is_fetched_without_blocking_and_what_was_judged_is_served(backend: str) -> None:
    with LocalIssuer() as remote:
        app = Plain()
        guard = Guard(remote.google(URL, CLIENT))
        shut = guarded(app, guard=guard, routes={"/public": AnyGoogleAccount(), "/admin": Nobody()})
        bearer = [(b"authorization", f"Bearer {remote.person('x@gmail.com')}".encode())]
        scope: dict[str, Any] = {}

        async def entry(given: Any, receive: Any, send: Any) -> None:
            nonlocal scope
            scope = given
            await shut(given, receive, send)

        call = functools.partial(asked, entry, "/public", headers=bearer)
        reply = during_fetch(remote, call, lambda: scope.update(path="/admin", method="DELETE"), backend=backend)
        assert (reply.status, app.scopes[0]["path"], app.scopes[0]["method"]) == (200, "/public", "GET")


def test_a_test_may_act_as_somebody() -> None:
    app = Plain()
    with as_caller(GUARD, google_person("grace@example.com", domain="example.com", audience=CLIENT)):
        assert status(guarded(app), "/x") == 200
    assert str(app.caller) == "user:grace@example.com"


# --- refusals, re-dressed ---


def test_a_refusal_may_be_dressed_as_a_redirect(backend: str) -> None:
    app = Plain()

    async def login(scope: Any, refusal: Any) -> Answer:
        return Answer(303, (("location", f"/login?next={scope['path']}"),), b"please")

    reply = ask(guarded(app, on_refusal=login), "/x", backend=backend)
    assert (reply.status, reply.body, app.ran) == (303, b"please", 0)
    assert reply.headers == {"location": "/login?next=/x", "content-length": "6", "cache-control": "no-store"}


def test_a_dressed_401_is_challenged_and_what_it_says_itself_stays() -> None:
    answer = Answer(401, (("Cache-Control", "private"), ("content-length", "2")), b"no")
    reply = ask(guarded(Plain(), on_refusal=lambda scope, refusal: answer), "/x", method="HEAD")
    assert reply.raw_headers == [
        (b"Cache-Control", b"private"),
        (b"content-length", b"2"),
        (b"www-authenticate", b'Bearer realm="callerid"'),
    ]
    assert reply.body == b""


@pytest.mark.parametrize("said", [None, True, 200, b"", {"status": 200}, (200, (), b"")])
def test_a_hook_that_says_something_else_changes_nothing(said: Any) -> None:
    app = Plain()
    assert status(guarded(app, on_refusal=lambda scope, refusal: said), "/x") == 401
    assert app.ran == 0


def test_a_failing_hook_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    app = Plain()

    def fail(scope: Any, refusal: Any) -> None:
        raise LookupError("template")

    assert status(guarded(app, on_refusal=fail), "/x") == 401
    assert app.ran == 0
    assert "on_refusal failed" in caplog.text


def test_a_decision_is_logged_once_by_the_pattern_and_not_by_the_path(caplog: pytest.LogCaptureFixture) -> None:
    shut = guarded(Plain(), routes=ROUTES)
    with caplog.at_level(logging.DEBUG, "callerid"):
        for path, who in (("/users/u1/orders", "u1"), ("/users/secret/orders", "u1"), ("/secret", None)):
            ask(shut, path, who)
        ask(shut, "/users//orders", "u1")
    fields = [record.__dict__["callerid"] for record in caplog.records]
    assert [(each["outcome"], each["route"]) for each in fields] == [
        ("allowed", "GET /users/{uid}/orders"),
        ("refused", "GET /users/{uid}/orders"),
        ("refused", "GET (no entry)"),
        ("refused", "GET (no entry)"),
    ]
    # A parameter stands in the reason of a rule that compares it, the path nowhere.
    assert not any("/secret" in record.getMessage() for record in caplog.records)
    assert "secret" not in caplog.records[2].getMessage()


# --- configuration ---


@pytest.mark.parametrize(
    "options",
    [
        {"guard": Guard()},
        {"guard": Guard(), "default": Public()},
        {"guard": None},
        {"default": None},
        {"default": FirebaseUser(PathParam("uid"))},
        {"default": Domain("a.example") & Domain("b.example")},
        {"floor": FirebaseUser(PathParam("uid"))},
        {"floor": True},
        {"floor": STAFF, "routes": {"/x": ServiceAccount(ROBOT)}},
        {"floor": STAFF, "default": OTHERS},
        {
            "floor": GUARD.allow(STAFF, audience="https://a.example"),
            "default": GUARD.allow(STAFF, audience="https://b.example"),
        },
        {"routes": {"/x": STAFF, "/x/": STAFF}},
        {"routes": {"x": STAFF}},
        {"routes": None},
        {"on_refusal": "/login"},
        {"websockets": None},
        {"websockets": "callerid.bearer"},
    ],
)
def test_a_mistake_is_an_error_at_construction(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        guarded(Plain(), **options)


def test_a_default_must_be_given() -> None:
    with pytest.raises(TypeError, match="default"):
        CallerMiddleware(Plain(), guard=GUARD)  # type: ignore[call-arg]


# --- in Starlette's habit ---


async def who(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.state.caller} {request.url.path}")


def test_it_is_added_as_starlette_adds_middleware() -> None:
    app = Starlette(routes=[Route("/who", who), Mount("/m", Starlette(routes=[Route("/who", who)]))])
    app.add_middleware(CallerMiddleware, guard=GUARD, default=Nobody(), routes={"/who": STAFF, "/m/*": OTHERS})
    assert statuses(app, "/who", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/m/who", None, "outsider", "staff") == [401, 200, 403]
    assert statuses(app, "/nowhere", None, "outsider", "staff") == [401, 403, 403]
    assert ask(app, "/who", "staff").text == "user:ada@example.com /who"


def test_a_mounted_one_judges_what_is_below_its_mount() -> None:
    inner = guarded(Starlette(routes=[Route("/who", who)]), routes={"/who": OTHERS}, default=Nobody())
    app = Starlette(routes=[Mount("/m", inner), Route("/who", who)])
    assert statuses(app, "/m/who", None, "outsider", "staff") == [401, 200, 403]
    assert statuses(app, "/m/m/who", None, "outsider", "staff") == [401, 403, 403]
    assert statuses(app, "/app/m/who", "outsider", root_path="/app") == [200]


def test_a_marked_endpoint_behind_it_alone_answers_500_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    ran: list[str] = []
    marks = StarletteGuard(*AT_HAND)

    @marks.allow(STAFF)
    async def endpoint(request: Request) -> PlainTextResponse:
        ran.append("endpoint")
        return PlainTextResponse("")

    app = guarded(Starlette(routes=[Route("/x", endpoint)]))
    reply = ask(app, "/x", "staff")
    assert isinstance(reply.error, UnguardedEndpointError)
    assert (reply.status, ran) == (500, [])
    assert "guard.protect(app, default=...)" in caplog.text


def test_an_application_with_a_guard_of_its_own_stands_behind_it_as_well() -> None:
    app = guarded(closed(Route("/who", who), default=STAFF), default=AnyGoogleAccount())
    assert statuses(app, "/who", None, "outsider", "staff") == [401, 403, 200]


# --- handshakes ---


def test_a_handshake_is_answered_by_http_where_the_server_can(backend: str) -> None:
    app = Plain()
    for caller, expected in ((None, 401), ("outsider", 403)):
        reply = dial(guarded(app), "/live", caller, backend=backend)
        assert (reply.status, reply.reads, app.ran) == (expected, 0, 0)
        assert reply.types == ["websocket.http.response.start", "websocket.http.response.body"]
        assert reply.headers["www-authenticate"].startswith("Bearer ")
        assert reply.body


def test_a_handshake_is_closed_before_it_is_accepted_where_the_server_cannot(backend: str) -> None:
    app = Plain()
    reply = dial(guarded(app), "/live", denial=False, backend=backend)
    assert reply.messages == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert (reply.reads, app.ran) == (0, 0)


def test_a_handshake_has_rules_of_its_own() -> None:
    app = Plain()
    shut = guarded(app, routes={"WEBSOCKET /live": OTHERS, "GET /live": STAFF, "GET /page": Public()})
    assert dial(shut, "/live", "outsider").types == ["websocket.accept", "websocket.close"]
    assert dial(shut, "/live", "staff").status == 403
    assert dial(shut, "/page").status == 401
    assert statuses(shut, "/live", "outsider", "staff") == [403, 200]
    assert app.ran == 2


def test_an_ambiguous_path_is_no_handshake() -> None:
    app = Plain()
    assert dial(guarded(app, default=Public()), "//live").status == 400
    assert dial(guarded(app, default=Public()), "//live", denial=False).types == ["websocket.close"]
    assert app.ran == 0


def test_a_handshakes_refusal_may_be_dressed() -> None:
    answer = Answer(302, (("location", "/login"),), b"")
    reply = dial(guarded(Plain(), on_refusal=lambda scope, refusal: answer), "/live")
    assert (reply.status, reply.headers["location"]) == (302, "/login")

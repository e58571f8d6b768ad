"""What a refused client gets, and that nothing else happens."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from callerid import ConfigurationError, Nobody, Public, Reason, Refusal, Unauthenticated
from callerid.starlette import Guard
from tests.fixtures import AT_HAND, OTHERS, STAFF, token

from .world import Diary, ask, closed, dial, new_guard, raw, status, statuses


def test_a_stranger_runs_nothing_and_has_no_body_read(ran: Diary, backend: str) -> None:
    app = closed(ran.route("/upload", methods=["POST"]))
    reply = ask(app, "/upload", method="POST", body=b"x" * 1000, backend=backend)
    assert (reply.status, reply.reads, ran) == (401, 0, [])


def test_a_caller_whom_no_rule_admits_runs_nothing_and_has_no_body_read(ran: Diary, backend: str) -> None:
    app = closed(ran.route("/upload", methods=["POST"]))
    reply = ask(app, "/upload", "outsider", method="POST", body=b"x" * 1000, backend=backend)
    assert (reply.status, reply.reads, ran) == (403, 0, [])


def test_a_caller_whom_the_rule_admits_is_served_and_the_body_arrives(backend: str) -> None:
    async def echo(request: Request) -> Response:
        return Response(await request.body())

    app = closed(Route("/upload", echo, methods=["POST"]))
    reply = ask(app, "/upload", "staff", method="POST", body=b"hello", backend=backend)
    assert (reply.status, reply.body) == (200, b"hello")


def test_a_refusal_is_a_problem_document_and_nothing_more(ran: Diary) -> None:
    reply = ask(closed(ran.route("/")), "/")
    instance = reply.json["instance"]
    assert instance.startswith("urn:uuid:")
    assert reply.json == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "reason": "no_credential",
        "instance": instance,
    }
    assert reply.raw_headers == [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(reply.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"www-authenticate", b'Bearer realm="callerid"'),
    ]
    assert reply.types == ["http.response.start", "http.response.body"]


def test_who_is_known_and_may_not_is_told_so(ran: Diary) -> None:
    reply = ask(closed(ran.route("/")), "/", "outsider")
    assert (reply.status, reply.json["reason"]) == (403, "not_allowed")
    assert reply.headers["www-authenticate"] == 'Bearer realm="callerid", error="insufficient_scope"'


def test_the_refused_see_neither_rule_nor_token(ran: Diary, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    reply = ask(closed(ran.route("/")), "/", "outsider")
    said = reply.text + str(reply.raw_headers)
    assert "example.com" not in said
    assert token("outsider") not in said + caplog.text
    assert reply.json["instance"] in caplog.text


def test_a_refused_head_request_gets_the_headers_alone(ran: Diary) -> None:
    app = closed(ran.route("/"))
    get, head = ask(app, "/"), ask(app, "/", method="HEAD")
    assert (head.status, head.body, ran) == (401, b"", [])
    assert int(head.headers["content-length"]) == len(get.body)
    assert head.headers["www-authenticate"] == get.headers["www-authenticate"]


def test_head_is_judged_by_the_rule_of_get(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/", mark=guard.allow(OTHERS)), guard=guard)
    assert statuses(app, "/", None, "staff", "outsider", method="HEAD") == [401, 403, 200]


@pytest.mark.parametrize("path", ["/unknown", "/known/", "/a/b/c", "//", "/known/../x", "/%2e", "/known%2f", ""])
def test_unknown_paths_and_slash_redirects_are_closed(ran: Diary, path: str) -> None:
    app = closed(ran.route("/known"), ran.route("/slashed/"))
    assert statuses(app, path, None, "outsider") == [401, 403]
    assert ran == []


def test_strangers_see_no_difference_between_paths_that_exist_and_those_that_do_not(ran: Diary) -> None:
    app = closed(ran.route("/known"), ran.route("/post", methods=["POST"]), ran.route("/slashed/"))
    seen = set()
    for path in ("/known", "/unknown", "/post", "/slashed"):
        reply = ask(app, path)
        told = {name: value for name, value in reply.json.items() if name != "instance"}
        seen.add((reply.status, json.dumps(told), tuple(reply.raw_headers)))
    assert len(seen) == 1


def test_who_passes_the_default_gets_the_frameworks_own_answers(ran: Diary) -> None:
    app = closed(ran.route("/known"), ran.route("/slashed/"))
    assert status(app, "/unknown", "staff") == 404
    assert status(app, "/known", "staff", method="POST") == 405
    assert status(app, "/known", "staff", method="OPTIONS") == 405
    redirect = ask(app, "/slashed", "staff")
    assert (redirect.status, redirect.headers["location"]) == (307, "http://orders.example.com/slashed/")
    assert ran == []


def test_a_wrong_method_needs_the_routes_own_rule_and_the_default(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x", mark=guard.allow(Public())), guard=guard)
    assert status(app, "/x") == 200
    assert statuses(app, "/x", None, "outsider", "staff", method="DELETE") == [401, 403, 405]
    closer = new_guard()
    app = closed(ran.route("/x", mark=closer.allow(STAFF)), guard=closer, default=Public())
    assert statuses(app, "/x", None, "outsider", "staff", method="DELETE") == [401, 403, 405]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", "G E T", "", "MATCHES", "HANDLE"])
def test_no_method_is_a_way_round(ran: Diary, method: str) -> None:
    app = closed(ran.route("/x"), Mount("/m", ran.asgi()))
    assert statuses(app, "/x", None, "outsider", method=method) == [401, 403]
    assert statuses(app, "/m/y", None, "outsider", method=method) == [401, 403]
    assert ran == []


def test_methods_split_over_two_functions_have_a_rule_each(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/x", "read", guard.allow(Public())),
        ran.route("/x", "write", guard.allow(OTHERS), methods=["POST"]),
        guard=guard,
        default=Nobody(),
    )
    assert ask(app, "/x").text == "read"
    assert statuses(app, "/x", None, "staff", "outsider", method="POST") == [401, 403, 200]
    assert statuses(app, "/x", None, "staff", method="PUT") == [401, 403]


def test_the_first_of_two_routes_at_one_path_is_the_one_judged(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/x", "first", guard.allow(STAFF)),
        ran.route("/x", "second", guard.allow(Public())),
        guard=guard,
    )
    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]
    assert ran == ["first"]


def test_two_credentials_in_one_slot_are_refused_in_any_spelling(ran: Diary) -> None:
    app = closed(ran.route("/"))
    pair = [
        (b"Authorization", f"Bearer {token('staff')}".encode()),
        (b"aUTHORIZATION", f"Bearer {token('staff')}".encode()),
    ]
    assert status(app, "/", headers=pair) == 400
    assert status(app, "/", headers=[*pair[:1], (b"authorization", b"")]) == 400
    assert status(app, "/", headers=pair[:1]) == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [(b"Bearer", 400), (b"Bearer ", 400), (b"Bearer  x", 400), (b"Basic eDp5", 401), (b"", 401), (b"\xff\xfe", 401)],
)
def test_odd_headers_are_refused_and_no_crash(ran: Diary, header: bytes, expected: int) -> None:
    reply = ask(closed(ran.route("/")), "/", headers=[(b"authorization", header), (b"\xff", b"\xff")])
    assert (reply.status, reply.error, ran) == (expected, None, [])


def test_other_headers_and_the_query_are_never_an_identity(ran: Diary) -> None:
    app = closed(ran.route("/"))
    bearer = f"Bearer {token('staff')}"
    for name in (
        "x-authorization",
        "authorization ",
        "proxy-authorization",
        "x-goog-authenticated-user-email",
        "cookie",
    ):
        assert status(app, "/", headers={name: bearer}) == 401
    assert status(app, f"/?access_token={token('staff')}") == 401


# --- WebSockets ---


def test_a_refused_websocket_is_a_real_401_before_accept(ran: Diary, backend: str) -> None:
    app = closed(ran.socket_route("/ws"))
    reply = dial(app, "/ws", backend=backend)
    assert reply.types == ["websocket.http.response.start", "websocket.http.response.body"]
    assert (reply.status, reply.reads, ran) == (401, 0, [])
    assert reply.headers["www-authenticate"] == 'Bearer realm="callerid"'
    assert reply.json["reason"] == "no_credential"
    assert dial(app, "/ws", "outsider", backend=backend).status == 403
    assert dial(app, "/ws", "staff", backend=backend).types[0] == "websocket.accept"


def test_a_refused_websocket_is_closed_where_servers_know_no_denial(ran: Diary) -> None:
    app = closed(ran.socket_route("/ws"))
    reply = dial(app, "/ws", denial=False)
    assert reply.messages == [{"type": "websocket.close", "code": 1008, "reason": ""}]
    assert dial(app, "/ws", extensions=None).types == ["websocket.close"]
    assert ran == []


def test_websockets_to_unknown_paths_and_to_http_routes_are_closed(ran: Diary) -> None:
    app = closed(ran.route("/http"), ran.socket_route("/ws"))
    assert [dial(app, path).status for path in ("/unknown", "/http", "/ws/")] == [401] * 3
    assert dial(app, "/http", "staff").types == ["websocket.close"]
    assert status(app, "/ws") == 401
    assert ran == []


def test_a_websockets_own_rule_holds(ran: Diary, guard: Guard) -> None:
    app = closed(ran.socket_route("/ws", mark=guard.allow(OTHERS)), guard=guard)
    assert [dial(app, "/ws", who).status for who in (None, "staff")] == [401, 403]
    assert dial(app, "/ws", "outsider").types[0] == "websocket.accept"


def test_a_websocket_handler_sees_its_caller(guard: Guard) -> None:
    seen: list[Any] = []

    async def handler(websocket: WebSocket) -> None:
        seen.append((str(websocket.state.caller), websocket.user.display_name))
        await websocket.close()

    dial(closed(WebSocketRoute("/ws", handler), guard=guard), "/ws", "staff")
    assert seen == [("user:ada@example.com", "ada@example.com")]


# --- on_refusal ---


def hooked(hook: Any, ran: Diary, **options: Any) -> Starlette:
    return closed(ran.route("/"), ran.socket_route("/ws"), on_refusal=hook, **options)


def test_a_refusal_may_be_redressed_and_keeps_its_challenge(ran: Diary, backend: str) -> None:
    def plain(connection: HTTPConnection, refusal: Refusal) -> Response:
        return PlainTextResponse(f"{connection.url.path}: {refusal.reason}", refusal.status)

    async def awaited(connection: HTTPConnection, refusal: Refusal) -> Response:
        return plain(connection, refusal)

    for hook in (plain, awaited):
        reply = ask(hooked(hook, ran), "/", backend=backend)
        assert (reply.status, reply.text) == (401, "/: no_credential")
        assert reply.headers["www-authenticate"] == 'Bearer realm="callerid"'
        assert reply.headers["cache-control"] == "no-store"
    assert ran == []


def test_a_refusal_may_become_a_redirect_to_a_login_page(ran: Diary) -> None:
    reply = ask(hooked(lambda _, __: RedirectResponse("/login"), ran), "/")
    assert (reply.status, reply.headers["location"], ran) == (307, "/login", [])
    assert "www-authenticate" not in reply.headers
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("junk", [None, "pass", True, 200, object(), {"status": 200}])
def test_a_hook_that_returns_no_response_changes_nothing(ran: Diary, junk: Any) -> None:
    reply = ask(hooked(lambda _, __: junk, ran), "/")
    assert (reply.status, reply.json["reason"], ran) == (401, "no_credential", [])


def test_a_hook_that_fails_changes_nothing_and_is_logged(ran: Diary, caplog: pytest.LogCaptureFixture) -> None:
    async def late(connection: HTTPConnection, refusal: Refusal) -> None:
        raise RuntimeError("broken")

    for hook in (late, lambda _, __: 1 / 0, lambda: None):
        reply = ask(hooked(hook, ran), "/")
        assert (reply.status, reply.json["reason"], ran) == (401, "no_credential", [])
    assert caplog.text.count("on_refusal failed") == 3


def test_a_hook_that_answers_200_lets_nobody_in(ran: Diary) -> None:
    reply = ask(hooked(lambda _, __: JSONResponse({"ok": True}), ran), "/")
    assert (reply.status, reply.json, ran) == (200, {"ok": True}, [])


def test_a_hook_cannot_read_the_body_nor_change_the_verdict(ran: Diary) -> None:
    def hook(connection: HTTPConnection, refusal: Refusal) -> None:
        connection.scope["headers"][:] = raw("staff")
        connection.scope["path"] = "/"
        connection.scope["callerid"] = None

    reply = ask(hooked(hook, ran), "/", method="POST")
    assert (reply.status, reply.reads, ran) == (401, 0, [])


def test_a_redressed_head_refusal_has_no_body(ran: Diary) -> None:
    reply = ask(hooked(lambda _, __: PlainTextResponse("sorry", 401), ran), "/", method="HEAD")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (401, b"", "5")


def test_a_redressed_websocket_refusal_is_a_denial_or_a_close(ran: Diary) -> None:
    def hook(connection: HTTPConnection, refusal: Refusal) -> Response:
        return StreamingResponse(iter(["no", "pe"]), 403)

    reply = dial(hooked(hook, ran), "/ws")
    assert (reply.status, reply.body) == (403, b"nope")
    assert {kind.rpartition(".")[0] for kind in reply.types} == {"websocket.http.response"}
    assert dial(hooked(hook, ran), "/ws", denial=False).types == ["websocket.close"]
    assert ran == []


def test_a_hook_must_be_a_function() -> None:
    with pytest.raises(ConfigurationError, match="on_refusal"):
        closed(on_refusal="/login")


# --- the floor ---


def test_the_floor_holds_whatever_a_route_says(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/", mark=guard.allow(Public())), ran.route("/x"), guard=guard, floor=STAFF, default=Public()
    )
    for path in ("/", "/x", "/unknown"):
        assert statuses(app, path, None, "outsider") == [401, 403]
    assert ran == []
    assert status(app, "/", "staff") == 200


# --- the decision log ---


def test_each_decision_is_logged_once_with_the_route_and_never_the_path(
    ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "callerid")
    app = closed(Mount("/m", routes=[ran.route("/{user}", mark=guard.allow(OTHERS))]), guard=guard)
    for who in (None, "staff", "outsider"):
        status(app, "/m/sec%0aret", who)
    status(app, "/secret", "staff")
    status(app, "/m/secret", "outsider", method="DELETE")
    app.routes.append(ran.route("/open", mark=guard.allow(Public())))
    status(app, "/open", "staff", method="DELETE")
    dial(app, "/secret")
    start, *records = caplog.records
    assert start.getMessage() == "weaker than the default: GET /m/{user}: domain:other.com"
    fields = [record.__dict__["callerid"] for record in records]
    assert [(each["outcome"], each["status"], each["route"], each["caller"]) for each in fields] == [
        ("refused", "401", "GET /m/{user}", None),
        ("refused", "403", "GET /m/{user}", "user:ada@example.com"),
        ("allowed", None, "GET /m/{user}", "user:eve@other.com"),
        ("allowed", None, "GET (no route)", "user:ada@example.com"),
        ("refused", "403", "DELETE /m/{user}", "user:eve@other.com"),
        ("allowed", None, "DELETE /open", "user:ada@example.com"),
        ("refused", "401", "WS (no route)", None),
    ]
    assert "secret" not in caplog.text
    assert fields[1]["rule"] == "domain:other.com"


def test_a_guard_that_identifies_otherwise_is_asked_at_every_request(ran: Diary) -> None:
    class Revoking(Guard):
        def identify(self, sent: Any, waited: Any = ()) -> Any:
            super().identify(sent, waited)
            raise Unauthenticated(Reason.EXPIRED, "revoked")

    app = closed(ran.route("/x"), guard=Revoking(*AT_HAND))
    assert statuses(app, "/x", "staff", "staff") == [401, 401]
    assert ran == []

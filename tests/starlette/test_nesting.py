"""Mounts, hosts, sub-applications with and without a guard of their own, and what stands between them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from callerid import Nobody, Public, User
from callerid.starlette import Guard
from tests.fixtures import OTHERS, OWNER, STAFF

from .world import Diary, ask, closed, dial, new_guard, status, statuses

Wrap = Callable[[Any], Any]


def as_routes(*routes: Any) -> dict[str, Any]:
    return {"routes": list(routes)}


def as_router(*routes: Any) -> dict[str, Any]:
    return {"app": Router(routes=list(routes))}


def as_app(*routes: Any) -> dict[str, Any]:
    return {"app": Starlette(routes=list(routes))}


def as_router_with_middleware(*routes: Any) -> dict[str, Any]:
    return {"app": Router(routes=list(routes), middleware=[Middleware(Passing)])}


class Passing:
    """Middleware that does nothing, but hands on a copy of the scope."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(dict(scope), receive, send)


every_kind = pytest.mark.parametrize("kind", [as_routes, as_router, as_app, as_router_with_middleware])


@every_kind
def test_a_mounted_route_is_judged_by_its_own_rule_and_the_rest_by_the_default(
    kind: Any, ran: Diary, guard: Guard, backend: str
) -> None:
    app = closed(Mount("/sub", **kind(ran.route("/own", mark=guard.allow(OTHERS)), ran.route("/plain"))), guard=guard)
    assert statuses(app, "/sub/own", None, "staff", "outsider", backend=backend) == [401, 403, 200]
    assert statuses(app, "/sub/plain", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/sub/unknown", None, "outsider", "staff") == [401, 403, 404]
    assert statuses(app, "/sub/own", None, "outsider", "staff", method="POST") == [401, 403, 403]
    assert ran == ["/own", "/plain"]


@every_kind
def test_a_rule_round_a_mounted_application_holds_for_all_of_it(kind: Any, ran: Diary, guard: Guard) -> None:
    inner = kind(ran.route("/open", mark=guard.allow(Public())), ran.route("/plain"), ran.socket_route("/ws"))
    inner = inner.get("app") or Router(**inner)
    app = closed(Mount("/sub", guard.allow(OTHERS)(inner)), guard=guard)
    for path in ("/sub/open", "/sub/plain"):
        assert statuses(app, path, None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/sub/unknown", None, "outsider") == [401, 403]
    assert [dial(app, "/sub/ws", who).status for who in (None, "staff")] == [401, 403]
    assert dial(app, "/sub/ws", "outsider").types[0] == "websocket.accept"


@every_kind
def test_three_levels_deep_all_rules_on_the_way_hold(kind: Any, ran: Diary, guard: Guard) -> None:
    leaf = ran.route("/{user}/c", "leaf", guard.allow(User("ada@example.com")))
    inner = Mount("/b", **kind(leaf, ran.route("/plain")))
    app = closed(Mount("/a", guard.allow(STAFF)(Router(routes=[Mount("/{x}", **kind(inner))]))), guard=guard)
    path = "/a/1/b/2/c"
    assert statuses(app, path, None, "outsider", "bob@example.com", "staff") == [401, 403, 403, 200]
    assert statuses(app, "/a/1/b/plain", None, "outsider", "bob@example.com") == [401, 403, 200]
    assert statuses(app, "/a/1/b/plain/unknown", None, "outsider", "staff") == [401, 403, 404]
    assert ran == ["leaf", "/plain"]


def test_the_path_parameters_of_mounts_reach_rule_and_handler_alike(guard: Guard) -> None:
    seen: list[Any] = []

    async def handler(request: Request) -> PlainTextResponse:
        seen.append(dict(request.path_params))
        return PlainTextResponse("")

    route = Route("/orders/{number:int}", guard.allow(OWNER)(handler))
    app = closed(Mount("/users/{user}", routes=[route]), guard=guard)
    assert statuses(app, "/users/alice/orders/7", None, "staff", "bob", "alice") == [401, 403, 403, 200]
    assert seen == [{"user": "alice", "number": 7}]


def test_a_rule_on_a_mount_may_speak_of_the_mounts_own_parameter(ran: Diary, guard: Guard) -> None:
    app = closed(Mount("/{user}", guard.allow(OWNER)(Router(routes=[ran.route("/x")]))), guard=guard, default=Nobody())
    assert statuses(app, "/alice/x", None, "bob", "alice") == [401, 403, 200]


def test_hosts_are_judged_as_mounts_are(ran: Diary, guard: Guard) -> None:
    own = Router(routes=[ran.route("/x", mark=guard.allow(OTHERS)), ran.route("/y")])
    app = closed(
        Host("api.example.com", own),
        Host("marked.example.com", guard.allow(OTHERS)(Router(routes=[ran.route("/z")]))),
        Host("opaque.example.com", ran.asgi()),
        ran.route("/x", "outer", guard.allow(Public())),
        guard=guard,
    )

    def at(host: str) -> dict[str, str]:
        return {"host": host}

    assert statuses(app, "/x", None, "staff", "outsider", headers=at("api.example.com")) == [401, 403, 200]
    assert statuses(app, "/y", None, "outsider", "staff", headers=at("api.example.com")) == [401, 403, 200]
    assert statuses(app, "/z", None, "staff", "outsider", headers=at("marked.example.com")) == [401, 403, 200]
    assert statuses(app, "/z", None, "outsider", "staff", headers=at("opaque.example.com")) == [401, 403, 200]
    assert ask(app, "/x", headers=at("other.example.com")).text == "outer"


def test_the_same_application_mounted_twice_has_the_rules_of_the_way_taken(ran: Diary, guard: Guard) -> None:
    shared = Starlette(routes=[ran.route("/x"), ran.route("/own", mark=guard.allow(STAFF))])
    app = closed(
        Mount("/staff", guard.allow(STAFF)(shared)),
        Mount("/open", guard.allow(Public())(shared)),
        Mount("/plain", shared),
        guard=guard,
        default=OTHERS,
    )
    for _ in range(2):
        assert statuses(app, "/staff/x", None, "outsider", "staff") == [401, 403, 200]
        assert statuses(app, "/open/x", None) == [200]
        assert statuses(app, "/plain/x", None, "staff", "outsider") == [401, 403, 200]
        for way in ("/staff", "/open", "/plain"):
            assert statuses(app, f"{way}/own", None, "outsider", "staff") == [401, 403, 200]


def test_an_application_that_is_also_used_unprotected_is_untouched_there(ran: Diary, guard: Guard) -> None:
    shared = Starlette(routes=[ran.route("/x"), ran.route("/marked", mark=guard.allow(STAFF))])
    app = closed(Mount("/sub", shared), guard=guard)
    assert statuses(app, "/sub/x", None, "staff") == [401, 200]
    assert status(shared, "/x") == 200
    assert statuses(shared, "/marked", None, "staff") == [500, 500]
    assert statuses(Starlette(routes=[Mount("/other", shared)]), "/other/x", None) == [200]
    assert statuses(app, "/sub/x", None, "staff") == [401, 200]


# --- a guard inside a guard ---


def test_a_sub_application_with_a_guard_has_its_own_default_and_the_outer_marks_and_floor(ran: Diary) -> None:
    inner_guard, outer_guard = new_guard(), new_guard()
    inner = closed(
        ran.route("/x"), ran.route("/own", mark=inner_guard.allow(STAFF)), guard=inner_guard, default=Public()
    )
    app = closed(
        Mount("/free", inner),
        Mount("/marked", outer_guard.allow(STAFF)(inner)),
        guard=outer_guard,
        default=Nobody(),
    )
    assert statuses(app, "/free/x", None) == [200]
    assert statuses(app, "/free/own", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/free/unknown", None) == [404]
    assert statuses(app, "/marked/x", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/marked/unknown", None, "outsider", "staff") == [401, 403, 404]
    assert statuses(app, "/elsewhere", "staff") == [403]

    floored = closed(Mount("/free", inner), guard=outer_guard, default=Nobody(), floor=STAFF)
    assert statuses(floored, "/free/x", None, "outsider", "staff") == [401, 403, 200]


def test_the_same_guard_may_protect_both_and_the_inner_default_counts(ran: Diary, guard: Guard) -> None:
    inner = closed(ran.route("/x"), guard=guard, default=OTHERS)
    app = closed(Mount("/sub", inner), guard=guard, default=STAFF)
    assert statuses(app, "/sub/x", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/sub/unknown", None, "staff", "outsider") == [401, 403, 404]
    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 404]


def test_each_guard_refuses_by_its_own_name(ran: Diary) -> None:
    inner_guard, outer_guard = new_guard(realm="inner"), new_guard(realm="outer")
    inner = closed(ran.route("/x"), guard=inner_guard, default=STAFF)
    app = closed(Mount("/sub", inner), guard=outer_guard, default=Nobody())
    assert ask(app, "/sub/x").headers["www-authenticate"] == 'Bearer realm="inner"'
    assert ask(app, "/x").headers["www-authenticate"] == 'Bearer realm="outer"'


def test_a_mark_of_a_guard_that_is_not_on_the_way_is_an_error_and_nothing_runs(ran: Diary, guard: Guard) -> None:
    foreign = new_guard()
    app = closed(ran.route("/x"), guard=guard)
    app.router.routes.append(ran.route("/foreign", mark=foreign.allow(Public())))
    app.router.routes.append(Mount("/mount", foreign.allow(Public())(ran.asgi())))
    assert status(app, "/x", "staff") in (200, 500)
    assert statuses(app, "/foreign", None, "staff") == [500, 500]
    assert statuses(app, "/mount/x", None, "staff") == [500, 500]
    assert ran.count("/foreign") == ran.count("asgi") == 0


def test_the_outer_rules_hold_for_a_second_try_inside_the_mount(ran: Diary) -> None:
    """Middleware between mount and sub-application that tries again after a refusal."""
    inner_guard, outer_guard = new_guard(), new_guard()
    inner = closed(ran.route("/x"), guard=inner_guard, default=Public())

    class Again:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def lost(message: Any) -> None:
                pass

            await self.app(scope, receive, lost)
            await self.app(scope, receive, send)

    mount = Mount("/sub", outer_guard.allow(STAFF)(inner), middleware=[Middleware(Again)])
    app = closed(mount, guard=outer_guard, default=Nobody())
    assert statuses(app, "/sub/x", None, "outsider") == [401, 403]
    assert ran == []
    assert statuses(app, "/sub/x", "staff") == [200]


# --- opaque: decided at the mount, before anything of it runs ---


class ByHand:
    """A wrapper written by hand, with the name that middleware gives the application inside."""

    def __init__(self, app: Any, ran: Diary) -> None:
        self.app, self.ran = app, ran

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.ran.append("wrapper")
        if scope["path"].endswith("/direct"):
            await PlainTextResponse("direct")(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def test_a_hand_made_wrapper_is_judged_before_it_runs(ran: Diary, guard: Guard) -> None:
    inner = Router(routes=[ran.route("/x")])
    app = closed(
        Mount("/default", ByHand(inner, ran)),
        Mount("/marked", guard.allow(OTHERS)(ByHand(inner, ran))),
        guard=guard,
    )
    assert statuses(app, "/default/x", None, "outsider") == [401, 403]
    assert statuses(app, "/default/direct", None, "outsider") == [401, 403]
    assert statuses(app, "/marked/x", None, "staff") == [401, 403]
    assert ran == []
    assert statuses(app, "/default/direct", "staff") == [200]
    assert statuses(app, "/default/x", "staff") == [200]
    assert statuses(app, "/marked/x", "outsider") == [200]


def test_a_marked_endpoint_behind_a_hand_made_wrapper_never_runs_undecided(ran: Diary, guard: Guard) -> None:
    inner = Router(routes=[ran.route("/x", mark=guard.allow(OTHERS))])
    app = closed(Mount("/w", ByHand(inner, ran)), guard=guard)
    assert statuses(app, "/w/x", None, "outsider") == [401, 403]
    assert status(app, "/w/x", "staff") in (403, 500)
    assert "/x" not in ran


def test_behind_a_wrapper_the_rules_of_the_wrapped_hold_too_once_they_are_known(ran: Diary, guard: Guard) -> None:
    inner = Router(routes=[ran.route("/x", mark=guard.allow(User("ada@example.com")))])
    app = closed(Mount("/direct", inner), Mount("/w", ByHand(inner, ran)), guard=guard)
    assert status(app, "/direct/x", "staff") == 200
    assert statuses(app, "/w/x", None, "outsider", "bob@example.com", "staff") == [401, 403, 403, 200]


def test_an_opaque_application_is_judged_at_its_mount(ran: Diary, guard: Guard) -> None:
    app = closed(Mount("/default", ran.asgi()), Mount("/marked", guard.allow(OTHERS)(ran.asgi())), guard=guard)
    for path in ("/default/x", "/default", "/default/", "/marked/x"):
        assert status(app, path) == 401
        assert dial(app, path).status == 401
    assert ran == []
    assert statuses(app, "/default/x", "outsider", "staff") == [403, 200]
    assert statuses(app, "/marked/x", "staff", "outsider") == [403, 200]


def test_a_plain_asgi_function_can_be_marked_and_mounted(ran: Diary, guard: Guard) -> None:
    async def plain(scope: Any, receive: Any, send: Any) -> None:
        ran.append("plain")
        await PlainTextResponse("plain")(scope, receive, send)

    app = closed(Mount("/f", guard.allow(OTHERS)(plain)), guard=guard)
    assert statuses(app, "/f/x", None, "staff", "outsider") == [401, 403, 200]
    assert ran == ["plain"]


def test_static_files_are_closed_by_the_default_or_by_a_rule_round_them(guard: Guard, tmp_path: Any) -> None:
    (tmp_path / "x.txt").write_text("secret")
    app = closed(
        Mount("/static", StaticFiles(directory=tmp_path)),
        Mount("/marked", guard.allow(OTHERS)(StaticFiles(directory=tmp_path))),
        guard=guard,
    )
    assert statuses(app, "/static/x.txt", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/marked/x.txt", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/static/none.txt", None, "outsider", "staff") == [401, 403, 404]


def test_wsgi_behind_a_bridge_is_closed(ran: Diary, guard: Guard) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bridge = pytest.importorskip("starlette.middleware.wsgi").WSGIMiddleware

    def wsgi(environ: Any, start_response: Any) -> list[bytes]:
        ran.append("wsgi")
        start_response("200 OK", [("Content-Length", "4")])
        return [b"wsgi"]

    app = closed(Mount("/w", bridge(wsgi)), Mount("/marked", guard.allow(OTHERS)(bridge(wsgi))), guard=guard)
    assert statuses(app, "/w/x", None, "outsider") == [401, 403]
    assert statuses(app, "/marked/x", None, "staff") == [401, 403]
    assert ran == []
    assert (ask(app, "/w/x", "staff").text, ask(app, "/marked/x", "outsider").text) == ("wsgi", "wsgi")


class Elsewhere(Router):
    """A router that answers by itself."""

    diary: Diary

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.diary.append("elsewhere")
        await PlainTextResponse("elsewhere")(scope, receive, send)


class OwnCall(Starlette):
    diary: Diary

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.diary.append("own call")
        await super().__call__(scope, receive, send)


@pytest.mark.parametrize("kind", [Elsewhere, OwnCall])
def test_routers_and_applications_with_a_call_of_their_own_are_opaque(kind: Any, ran: Diary, guard: Guard) -> None:
    inner = kind(routes=[ran.route("/x")])
    inner.diary = ran
    app = closed(
        Mount("/sub", inner), Mount("/marked", guard.allow(OTHERS)(inner)), Host("h.example.com", inner), guard=guard
    )
    for path, headers in (("/sub/x", {}), ("/x", {"host": "h.example.com"})):
        assert statuses(app, path, None, "outsider", headers=headers) == [401, 403]
    assert statuses(app, "/marked/x", None, "staff") == [401, 403]
    assert ran == []
    assert statuses(app, "/sub/x", "staff") == [200]


def test_instrumentation_of_the_frameworks_own_classes_makes_nothing_opaque(
    ran: Diary, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Starlette.__call__

    async def instrumented(self: Any, scope: Any, receive: Any, send: Any) -> None:
        await original(self, scope, receive, send)

    monkeypatch.setattr(Starlette, "__call__", instrumented)
    app = closed(Mount("/sub", Starlette(routes=[ran.route("/x", mark=guard.allow(OTHERS))])), guard=guard)
    assert statuses(app, "/sub/x", None, "staff", "outsider") == [401, 403, 200]


def test_a_router_whose_dispatch_cannot_be_found_is_opaque(ran: Diary, guard: Guard) -> None:
    def function_style(app: Any) -> Any:
        async def wrapped(scope: Any, receive: Any, send: Any) -> None:
            ran.append("function")
            await app(scope, receive, send)

        return wrapped

    inner = Router(routes=[ran.route("/x")], middleware=[Middleware(function_style)])
    app = closed(Mount("/sub", inner), Mount("/marked", guard.allow(OTHERS)(inner)), guard=guard)
    assert statuses(app, "/sub/x", None, "outsider") == [401, 403]
    assert statuses(app, "/marked/x", None, "staff") == [401, 403]
    assert ran == []
    assert statuses(app, "/sub/x", "staff") == [200]
    assert statuses(app, "/marked/x", "outsider") == [200]


def test_a_mounted_application_that_was_replaced_is_judged_anew(ran: Diary, guard: Guard) -> None:
    first = guard.allow(Public())(Router(routes=[ran.route("/x", "first")]))
    mount = Mount("/sub", first)
    app = closed(mount, guard=guard)
    assert ask(app, "/sub/x").text == "first"
    mount.app = ran.asgi("second")
    assert statuses(app, "/sub/x", None, "outsider") == [401, 403]
    mount.app = guard.allow(OTHERS)(Router(routes=[ran.route("/x", "third")]))
    assert statuses(app, "/sub/x", None, "staff") == [401, 403]
    assert ran == ["first"]
    assert ask(app, "/sub/x", "outsider").text == "third"


def test_an_equal_looking_replacement_is_read_anew(ran: Diary, guard: Guard) -> None:
    class Chameleon:
        """Equal to everything, as a mock may be."""

        __hash__ = None  # type: ignore[assignment]

        def __init__(self, name: str) -> None:
            self.name = name

        def __eq__(self, other: object) -> bool:
            return True

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            ran.append(self.name)
            await PlainTextResponse(self.name)(scope, receive, send)

    mount = Mount("/sub", guard.allow(Public())(ran.asgi("open")))
    app = closed(mount, guard=guard)
    assert status(app, "/sub/x") == 200
    mount.app = Chameleon("closed")
    assert statuses(app, "/sub/x", None, "outsider") == [401, 403]
    assert ran == ["open"]


# --- path rewriting ---


class Rewriting:
    def __init__(self, app: Any, to: str) -> None:
        self.app, self.to = app, to

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, "path": self.to}
        await self.app(scope, receive, send)


def test_middleware_that_rewrites_the_path_outside_is_judged_by_what_it_wrote(ran: Diary, guard: Guard) -> None:
    routes = [ran.route("/open", mark=guard.allow(Public())), ran.route("/closed", mark=guard.allow(OTHERS))]
    app = Starlette(routes=routes, middleware=[Middleware(Rewriting, to="/closed")])
    guard.protect(app, default=STAFF)
    assert statuses(app, "/open", None, "staff", "outsider") == [401, 403, 200]
    assert ran == ["/closed"]


def test_middleware_that_rewrites_the_path_inside_a_mount_is_judged_by_what_it_wrote(ran: Diary, guard: Guard) -> None:
    routes = [ran.route("/open", mark=guard.allow(Public())), ran.route("/closed", mark=guard.allow(OTHERS))]
    for inner in (
        Mount("/sub", routes=routes, middleware=[Middleware(Rewriting, to="/sub/closed")]),
        Mount("/sub", Starlette(routes=routes, middleware=[Middleware(Rewriting, to="/sub/closed")])),
        Mount("/sub", Router(routes=routes, middleware=[Middleware(Rewriting, to="/sub/closed")])),
    ):
        ran.clear()
        app = closed(inner, guard=guard)
        assert statuses(app, "/sub/open", None, "staff", "outsider") == [401, 403, 200]
        assert ran == ["/closed"]


def test_middleware_inside_a_mount_that_makes_a_new_scope_escapes_nothing(ran: Diary, guard: Guard) -> None:
    class Fresh:
        """Keeps of the scope only what the standard names."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            names = ("type", "method", "path", "root_path", "headers", "query_string", "scheme", "server")
            await self.app({name: scope[name] for name in names if name in scope}, receive, send)

    inner_guard = new_guard()
    routes = [ran.route("/plain"), ran.route("/marked", mark=guard.allow(OTHERS))]
    own = closed(ran.route("/x"), guard=inner_guard, default=Public())
    app = closed(
        Mount("/sub", routes=routes, middleware=[Middleware(Fresh)]),
        Mount(
            "/deep",
            routes=[Mount("/er", routes=routes, middleware=[Middleware(Fresh)])],
            middleware=[Middleware(Fresh)],
        ),
        Mount("/own", guard.allow(STAFF)(own), middleware=[Middleware(Fresh)]),
        guard=guard,
    )
    for path in ("/sub/plain", "/deep/er/plain", "/own/x"):
        assert statuses(app, path, None, "outsider") == [401, 403]
        assert ran == []
    for path in ("/sub/marked", "/deep/er/marked"):
        assert statuses(app, path, None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/sub/plain", "staff") == [200]
    assert statuses(app, "/own/x", "staff") == [200]


# --- middleware of a sub-application that answers by itself, before its router was asked ---


class Answering:
    def __init__(self, app: Any, ran: Diary) -> None:
        self.app, self.ran = app, ran

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": "secret"})
            await send({"type": "websocket.close", "code": 1000})
        elif scope["path"].endswith("/metrics"):
            await PlainTextResponse("secret", headers={"x-secret": "1"})(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def answering(ran: Diary, guard: Guard) -> Starlette:
    inner = Starlette(routes=[ran.route("/x", mark=guard.allow(Public()))], middleware=[Middleware(Answering, ran=ran)])
    return closed(Mount("/sub", inner), Mount("/marked", guard.allow(OTHERS)(inner)), guard=guard)


def test_an_answer_before_the_router_was_asked_is_held_and_judged_by_the_default(ran: Diary, guard: Guard) -> None:
    app = answering(ran, guard)
    for who, expected in ((None, 401), ("outsider", 403)):
        reply = ask(app, "/sub/metrics", who)
        assert (reply.status, b"secret" in reply.body, "x-secret" in reply.headers) == (expected, False, False)
        assert reply.types == ["http.response.start", "http.response.body"]
    assert ask(app, "/sub/metrics", "staff").text == "secret"
    assert status(app, "/sub/x") == 200
    assert statuses(app, "/marked/metrics", None, "staff", "outsider") == [401, 403, 403]


def test_a_websocket_accepted_before_the_router_was_asked_is_held_and_judged(ran: Diary, guard: Guard) -> None:
    app = answering(ran, guard)
    for who, expected in ((None, 401), ("outsider", 403)):
        reply = dial(app, "/sub/x", who)
        assert (reply.status, reply.types) == (
            expected,
            ["websocket.http.response.start", "websocket.http.response.body"],
        )
    assert dial(app, "/sub/x", denial=False).types == ["websocket.close"]
    assert dial(app, "/sub/x", "staff").types == ["websocket.accept", "websocket.send", "websocket.close"]


def test_a_websocket_closed_before_the_router_was_asked_is_closed(ran: Diary, guard: Guard) -> None:
    class Closing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "websocket.close", "code": 1000})

    app = closed(Mount("/sub", routes=[], middleware=[Middleware(Closing)]), guard=guard)
    assert dial(app, "/sub/x").types == ["websocket.close"]


@pytest.mark.parametrize(
    "kind", ["http.response.body", "http.response.push", "http.response.pathsend", "http.response.debug"]
)
def test_no_other_message_gets_out_while_undecided(ran: Diary, guard: Guard, kind: str) -> None:
    class Leaking:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": kind, "body": b"secret", "path": "/secret"})

    app = closed(Mount("/sub", routes=[], middleware=[Middleware(Leaking)]), guard=guard)
    assert ask(app, "/sub/x").messages == []


PREFLIGHT = {"origin": "https://shop.example", "access-control-request-method": "POST"}


class Preflighting:
    """Answers every OPTIONS request by itself, with more than CORS headers."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "OPTIONS":
            await self.app(scope, receive, send)
            return
        headers = {"access-control-allow-origin": "*", "vary": "origin", "x-secret": "1", "set-cookie": "a=b"}
        await PlainTextResponse("secret", headers=headers)(scope, receive, send)


def test_a_preflight_inside_a_mount_passes_with_cors_headers_only_and_no_body(ran: Diary, guard: Guard) -> None:
    app = closed(Mount("/sub", routes=[ran.route("/x")], middleware=[Middleware(Preflighting)]), guard=guard)
    reply = ask(app, "/sub/x", method="OPTIONS", headers=PREFLIGHT)
    assert (reply.status, reply.body) == (200, b"")
    assert sorted(reply.headers) == ["access-control-allow-origin", "content-length", "vary"]
    assert reply.types == ["http.response.start", "http.response.body"]
    assert reply.headers["content-length"] == "0"


@pytest.mark.parametrize("missing", ["origin", "access-control-request-method"])
def test_options_without_the_marks_of_a_preflight_is_none(ran: Diary, guard: Guard, missing: str) -> None:
    app = closed(Mount("/sub", routes=[ran.route("/x")], middleware=[Middleware(Preflighting)]), guard=guard)
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    assert statuses(app, "/sub/x", None, "outsider", "staff", method="OPTIONS", headers=headers) == [401, 403, 200]
    assert statuses(app, "/sub/x", None, method="GET", headers=PREFLIGHT) == [401]


def test_a_preflight_that_reaches_the_router_is_judged_like_any_request(ran: Diary, guard: Guard) -> None:
    app = closed(
        Mount("/sub", routes=[ran.route("/x", methods=["OPTIONS"])]), ran.route("/y", methods=["OPTIONS"]), guard=guard
    )
    for path in ("/sub/x", "/y"):
        assert statuses(app, path, None, "outsider", method="OPTIONS", headers=PREFLIGHT) == [401, 403]
    assert ran == []


def test_cors_of_a_sub_application_works_as_without_a_guard(ran: Diary, guard: Guard) -> None:
    inner = Starlette(
        routes=[ran.route("/x")],
        middleware=[Middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["POST"])],
    )
    app = closed(Mount("/sub", inner), guard=guard)
    reply = ask(app, "/sub/x", method="OPTIONS", headers=PREFLIGHT)
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "https://shop.example")
    refused = ask(app, "/sub/x", headers={"origin": "https://shop.example"})
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "https://shop.example")


# --- where we are ---


def test_a_root_path_of_the_servers_changes_nothing(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/x", mark=guard.allow(OTHERS)),
        Mount("/m", routes=[ran.route("/y", mark=guard.allow(OTHERS))]),
        guard=guard,
    )
    for path in ("/api/x", "/api/m/y"):
        assert statuses(app, path, None, "staff", "outsider", root_path="/api") == [401, 403, 200]
    assert statuses(app, "/x", None, "staff", root_path="/other") == [401, 403]


def test_slash_redirects_inside_a_mount_are_closed(ran: Diary, guard: Guard) -> None:
    app = closed(Mount("/m", routes=[ran.route("/slashed/"), ran.route("/plain")]), guard=guard)
    for path in ("/m/slashed", "/m/plain/"):
        assert statuses(app, path, None, "outsider", "staff") == [401, 403, 307]
    assert ran == []


def test_a_mount_at_the_root_takes_everything(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/first"),
        Mount("", guard.allow(OTHERS)(Router(routes=[ran.route("/x")]))),
        ran.route("/x", "late"),
        guard=guard,
    )
    assert statuses(app, "/x", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/unknown", None, "staff", "outsider") == [401, 403, 403]
    assert ran == ["/x"]


def test_body_limits_stand_where_they_stood(ran: Diary, guard: Guard) -> None:
    try:
        mount = Mount("/m", routes=[ran.route("/x", methods=["POST"])], max_body_size=10)
    except TypeError:
        pytest.skip("this Starlette has no body limits")
    app = closed(mount, guard=guard)
    small, large = {"content-length": "5"}, {"content-length": "5000"}
    assert statuses(app, "/m/x", None, "outsider", "staff", method="POST", headers=small, body=b"hello") == [
        401,
        403,
        200,
    ]
    ran.clear()
    reply = ask(app, "/m/x", method="POST", headers=large, body=b"x" * 5000)
    assert (reply.status, reply.reads, ran) == (413, 0, [])


def test_a_sub_application_whose_router_was_replaced_is_judged_by_the_one_that_serves(ran: Diary, guard: Guard) -> None:
    inner = Starlette(routes=[ran.route("/x", "old", guard.allow(Public()))])
    app = closed(Mount("/m", inner), guard=guard)
    inner.router = Router(routes=[ran.route("/x", "new", guard.allow(OTHERS))])
    assert statuses(app, "/m/x", None, "staff", "outsider") == [401, 403, 200]
    inner.router = Router(routes=[ran.route("/x", "idle", guard.allow(Public()))])
    assert statuses(app, "/m/x", None, "staff", "outsider") == [401, 403, 200]
    assert ran == ["new", "new"]


def test_deep_towers_of_mounts_are_judged_to_the_top(ran: Diary, guard: Guard) -> None:
    tower: Any = ran.route("/x", mark=guard.allow(OTHERS))
    for _ in range(40):
        tower = Mount("/m", routes=[tower])
    app = closed(tower, guard=guard)
    assert statuses(app, "/m" * 40 + "/x", None, "staff", "outsider") == [401, 403, 200]


def test_a_rule_that_a_wrapper_hides_is_never_taken_for_judged(ran: Diary, guard: Guard) -> None:
    app = closed(Mount("/m", ByHand(guard.allow(OTHERS)(ran.asgi()), ran)), guard=guard)
    assert statuses(app, "/m/x", None, "outsider", "staff") == [401, 403, 500]
    assert "asgi" not in ran

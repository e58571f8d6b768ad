"""Slash redirects that the framework answers itself are judged by the rule of the place that they lead to."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from callerid import Nobody, Public
from callerid.starlette import Guard
from callerid.testing import LocalIssuer
from tests.fixtures import OTHERS, OWNER, STAFF

from .world import Diary, ask, asked, closed, during_fetch, new_guard, status, statuses

CALLERS = (None, "staff", "outsider")


def test_a_redirect_is_for_those_whom_the_place_behind_it_admits(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/items/", mark=guard.allow(OTHERS)),
        ran.route("/things", mark=guard.allow(OTHERS)),
        ran.route("/users/{user}/", mark=guard.allow(OWNER)),
        ran.route("/plain/"),
        guard=guard,
    )
    assert statuses(app, "/items", *CALLERS) == [401, 403, 307]
    assert statuses(app, "/things/", *CALLERS) == [401, 403, 307]
    assert statuses(app, "/plain", *CALLERS) == [401, 307, 403]
    assert statuses(app, "/users/alice", None, "bob", "alice") == [401, 403, 307]
    assert ask(app, "/items?a=b", "outsider").headers["location"] == "http://orders.example.com/items/?a=b"
    assert ran == []


def test_public_places_are_redirected_to_for_everybody(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/open/", mark=guard.allow(Public())),
        Mount("/metrics", guard.allow(Public())(ran.asgi())),
        Mount("/closed", ran.asgi()),
        guard=guard,
    )
    assert [ask(app, path).headers.get("location") for path in ("/open", "/metrics")] == [
        "http://orders.example.com/open/",
        "http://orders.example.com/metrics/",
    ]
    assert statuses(app, "/closed", *CALLERS) == [401, 307, 403]
    assert statuses(app, "/unknown", *CALLERS) == [401, 404, 403]
    assert ran == []


def test_a_floor_holds_for_redirects(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/open/", mark=guard.allow(Public())), guard=guard, floor=STAFF)
    assert statuses(app, "/open", *CALLERS) == [401, 307, 403]


def test_the_method_counts(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/items/", "read", guard.allow(Public())),
        ran.route("/items/", "write", guard.allow(OTHERS), methods=["POST"]),
        ran.route("/only/", mark=guard.allow(Public())),
        guard=guard,
    )
    assert statuses(app, "/items", *CALLERS) == [307, 307, 307]
    assert statuses(app, "/items", *CALLERS, method="POST") == [401, 403, 307]
    # No endpoint is meant: the default holds, too.
    assert statuses(app, "/only", *CALLERS, method="POST") == [401, 307, 403]


def test_inside_a_mount_the_redirect_is_judged_by_the_route_there(ran: Diary, guard: Guard) -> None:
    inside = [
        ran.route("/", mark=guard.allow(Public())),
        ran.route("/deeper/", mark=guard.allow(Public())),
        ran.route("/items/", mark=guard.allow(OTHERS)),
    ]
    app = closed(
        Mount("/sub", routes=inside),
        Mount("/app", Starlette(routes=inside)),
        Mount("/ruled", guard.allow(STAFF)(Router(routes=inside[:2]))),
        guard=guard,
        default=Nobody(),
    )
    for path in ("/sub", "/app", "/sub/deeper", "/app/deeper"):
        assert statuses(app, path, *CALLERS) == [307, 307, 307]
    for path in ("/sub/items", "/app/items"):
        assert statuses(app, path, *CALLERS) == [401, 403, 307]
    assert statuses(app, "/ruled", *CALLERS) == [401, 307, 403]
    assert statuses(app, "/ruled/deeper", *CALLERS) == [401, 307, 403]


def test_a_mount_that_has_no_route_at_its_root_is_redirected_to_under_what_holds_there(ran: Diary) -> None:
    outer, inner_guard = new_guard(), new_guard()
    inner = closed(ran.route("/x"), guard=inner_guard, default=OTHERS)
    app = closed(
        Mount("/plain", routes=[ran.route("/x")]),
        Mount("/own", inner),
        Mount("/marked", outer.allow(OTHERS)(Router())),
        guard=outer,
    )
    assert statuses(app, "/plain", *CALLERS) == [401, 307, 403]
    assert statuses(app, "/own", *CALLERS) == [401, 403, 307]
    assert statuses(app, "/marked", None, "staff", "outsider") == [401, 403, 403]  # nobody is of both domains


def test_a_table_that_names_the_place_holds_for_its_redirect(ran: Diary, guard: Guard) -> None:
    app = closed(
        ran.route("/items/"),
        Mount("/files", ran.asgi()),
        guard=guard,
        routes={"/items/": OTHERS, "/files/*": Public()},
        default=Nobody(),
    )
    assert statuses(app, "/items", *CALLERS) == [401, 403, 307]
    assert statuses(app, "/files", *CALLERS) == [307, 307, 307]


def test_a_path_that_could_be_read_in_two_ways_is_for_the_default(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/open", mark=guard.allow(Public())), guard=guard)
    assert statuses(app, "/open/", None) == [307]
    assert statuses(app, "/open//", *CALLERS) == [401, 307, 403]
    assert status(app, "/open/", raw_path=b"/open%2f") == 401


def test_a_router_without_redirects_makes_none(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/open/", mark=guard.allow(Public())), guard=guard)
    app.router.redirect_slashes = False
    assert statuses(app, "/open", *CALLERS) == [401, 404, 403]


@pytest.mark.parametrize("root_path", ["", "/", "/items", "/items/", "/it", "/root", "/root/"])
@pytest.mark.parametrize(
    "path", ["", "/", "//", "/items", "/items/", "/items//", "/root/items", "/root/items/", "/root/"]
)
@pytest.mark.parametrize("templates", [("/items/", "//"), ("/items", "/root/items/")])
def test_a_redirect_leads_where_an_unprotected_application_leads(
    ran: Diary, guard: Guard, templates: tuple[str, str], path: str, root_path: str
) -> None:
    app = Starlette(routes=[ran.route(template) for template in templates])
    bare = ask(app, path, root_path=root_path)
    guard.protect(app, default=Public())
    guarded = ask(app, path, root_path=root_path)
    assert (guarded.status, guarded.headers.get("location")) == (bare.status, bare.headers.get("location"))


def test_a_default_application_does_not_answer_where_a_redirect_was_judged(ran: Diary, guard: Guard) -> None:
    """It is for those whom the default admits, though a route takes its match back: what was judged is answered."""

    class Flipping(Route):
        answers = 1

        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            found = super().matches(scope)
            if found[0] is not Match.NONE:
                self.answers -= 1
            return found if self.answers >= 0 else (Match.NONE, {})

    async def own_default(scope: Scope, receive: Receive, send: Send) -> None:
        ran.append("default")
        await PlainTextResponse("default")(scope, receive, send)

    app = closed(Flipping("/x/", guard.allow(Public())(ran.endpoint())), guard=guard)
    app.router.default = own_default
    assert statuses(app, "/x", None) == [307]
    assert ran == []
    assert statuses(app, "/x", None, "staff") == [401, 200]
    assert ran == ["default"]


def test_what_a_matching_raises_for_the_other_path_is_shown_to_those_alone_whom_the_default_admits(
    ran: Diary, guard: Guard
) -> None:
    class Raising(Route):
        def matches(self, scope: Scope) -> tuple[Match, Scope]:
            if scope["path"].endswith("/"):
                raise LookupError("secret")
            return super().matches(scope)

    app = closed(Raising("/other", ran.endpoint()), guard=guard)
    assert statuses(app, "/x", *CALLERS) == [401, 500, 403]


def test_a_route_that_is_added_while_a_key_is_fetched_is_not_redirected_to(
    ran: Diary, served: LocalIssuer, backend: str
) -> None:
    guard = new_guard(served)
    app = closed(ran.route("/x"), guard=guard)

    def add() -> None:
        app.router.routes.append(ran.route("/late/", mark=guard.allow(Nobody())))

    reply = during_fetch(served, lambda: asked(app, "/late", "staff"), add, backend=backend)
    assert reply.status == 404


def test_middleware_outside_sees_the_caller_of_a_redirect(ran: Diary, guard: Guard) -> None:
    seen: list[Any] = []

    class Outside:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)
            seen.append((str(scope["state"]["caller"]), scope["user"].display_name, "endpoint" in scope))

    app = Starlette(routes=[ran.route("/x/"), ran.route("/open/", mark=guard.allow(Public()))])
    app.add_middleware(Outside)
    guard.protect(app, default=STAFF)
    assert [status(app, "/x", "staff"), status(app, "/open", "staff")] == [307, 307]
    assert seen == [("user:ada@example.com", "ada@example.com", False), ("None", "", False)]

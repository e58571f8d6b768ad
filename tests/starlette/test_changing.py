"""Tables, routes, paths and routers that change while a request is judged, or that never were what they seem."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Match, Mount, Route, Router

from callerid import ConfigurationError, Public
from callerid.starlette import Guard
from callerid.starlette import _route_chain as route_chain
from callerid.starlette import _route_context as route_context
from callerid.testing import LocalIssuer
from tests.fixtures import OTHERS, OWNER, STAFF

from .world import Diary, ask, asked, closed, dial, during_fetch, new_guard, status, statuses

Change = Callable[[Starlette, Diary], Any]


def swap_in_place(app: Starlette, ran: Diary) -> None:
    """The route object stays, and serves something else."""
    route: Any = app.routes[0]
    other = ran.route("/x", "swapped")
    route.endpoint, route.app = other.endpoint, other.app


def rewrite_methods(app: Starlette, ran: Diary) -> None:
    route: Any = app.routes[0]
    route.methods = {"DELETE"}


CHANGES: dict[str, tuple[Change, str]] = {
    # what happens during the fetch, and what may be served after it: the route that was judged, or nothing
    "a route is added": (lambda app, ran: app.routes.append(ran.route("/x", "added")), "judged"),
    "a route is put first": (lambda app, ran: app.routes.insert(0, ran.route("/x", "inserted")), "judged"),
    "the route is replaced": (lambda app, ran: app.routes.__setitem__(0, ran.route("/x", "replaced")), "judged"),
    "the table is replaced": (lambda app, ran: setattr(app.router, "routes", [ran.route("/x", "other")]), "judged"),
    "the table is reversed": (lambda app, ran: app.routes.reverse(), "judged"),
    "the table is emptied": (lambda app, ran: app.routes.clear(), "judged"),
    "the router is replaced": (lambda app, ran: setattr(app, "router", Router([ran.route("/x", "router")])), "judged"),
    "the route serves something else": (swap_in_place, ""),
    "the route takes another method": (rewrite_methods, ""),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_what_changes_during_a_key_fetch_serves_nothing_unjudged(
    name: str, ran: Diary, served: LocalIssuer, backend: str
) -> None:
    change, expected = CHANGES[name]
    app = closed(ran.route("/x", "judged"), ran.route("/{any}", "second"), guard=new_guard(served))
    reply = during_fetch(
        served, functools.partial(asked, app, "/x", "staff"), lambda: change(app, ran), backend=backend
    )
    assert ran == ([expected] if expected else [])
    assert reply.status == (200 if expected else 405 if "method" in name else 404)


def test_a_route_added_during_a_key_fetch_does_not_serve_what_was_judged_as_unknown(
    ran: Diary, served: LocalIssuer, backend: str
) -> None:
    for added in (ran.route("/x"), Mount("/x", ran.asgi()), ran.route("/x/")):
        app = closed(guard=new_guard(served))
        call = functools.partial(asked, app, "/x", "staff")
        reply = during_fetch(served, call, functools.partial(app.routes.append, added), backend=backend)
        assert (reply.status, ran) == (404, [])


def test_an_application_swapped_at_its_mount_during_a_key_fetch_serves_nothing(
    ran: Diary, served: LocalIssuer, backend: str
) -> None:
    mount = Mount("/m", ran.asgi("judged"))
    app = closed(mount, guard=new_guard(served))

    def swap() -> None:
        mount.app = ran.asgi("swapped")

    reply = during_fetch(served, functools.partial(asked, app, "/m/x", "staff"), swap, backend=backend)
    assert (reply.status, ran) == (404, [])
    assert status(app, "/m/x", "staff") == 200
    assert ran == ["swapped"]


def test_a_route_in_a_mounted_router_is_pinned_as_well(ran: Diary, served: LocalIssuer, backend: str) -> None:
    inner = Router(routes=[ran.route("/x", "judged")])
    app = closed(Mount("/m", inner), guard=new_guard(served))
    insert = functools.partial(inner.routes.insert, 0, ran.route("/x", "inserted"))
    during_fetch(served, functools.partial(asked, app, "/m/x", "staff"), insert, backend=backend)
    assert ran == ["judged"]


def test_a_path_rewritten_during_a_key_fetch_serves_for_whom_it_was_judged(served: LocalIssuer, backend: str) -> None:
    seen: list[Any] = []

    async def orders(request: Any) -> PlainTextResponse:
        seen.append(request.path_params["user"])
        return PlainTextResponse("")

    guard = new_guard(served)
    app = closed(Route("/{user}", guard.allow(OWNER)(orders)), guard=guard)
    scopes: list[Any] = []

    async def outside(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await app(scope, receive, send)

    def rewrite() -> None:
        scopes[0]["path"] = "/bob"

    before = served.fetches["firebase"]
    reply = during_fetch(
        served, functools.partial(asked, outside, "/alice", "alice"), rewrite, backend=backend, which="firebase"
    )
    assert served.fetches["firebase"] == before + 1
    assert (reply.status, seen) == (200, ["alice"])


def test_keys_that_cannot_be_had_are_503_and_nothing_runs(ran: Diary, served: LocalIssuer) -> None:
    guard = new_guard(served)
    app = closed(ran.route("/x"), ran.route("/open", mark=guard.allow(Public())), guard=guard)
    served.fail_with(500)
    try:
        reply = ask(app, "/x", "staff")
        assert (reply.status, reply.json["reason"]) == (503, "keys_unavailable")
        assert int(reply.headers["retry-after"]) >= 1
        assert status(app, "/open", "staff") == 200
    finally:
        served.fail_with(None)
    assert ran == ["/open"]


# --- routes that do not do what they say ---


class Flipping(Route):
    """Matches by turns."""

    turns: list[Match]

    def matches(self, scope: Any) -> tuple[Match, Any]:
        match, child = super().matches(scope)
        return (self.turns.pop(0) if self.turns and match is not Match.NONE else match), child


@pytest.mark.parametrize("first", list(Match))
@pytest.mark.parametrize("second", list(Match))
def test_a_match_that_flips_never_serves_another_route_than_the_one_judged(
    first: Match, second: Match, ran: Diary, guard: Guard
) -> None:
    flipping = Flipping("/x", guard.allow(Public())(ran.endpoint("flipping")))
    flipping.turns = [Match.FULL] * 10
    app = closed(flipping, ran.route("/x", "next", guard.allow(OTHERS)), guard=guard)
    assert status(app, "/x") == 200
    for who in (None, "staff"):
        flipping.turns = [first, second]
        ran.clear()
        status(app, "/x", who)
        assert ran == (["flipping"] if first is Match.FULL else [])


class Raising(Route):
    def matches(self, scope: Any) -> tuple[Match, Any]:
        raise RuntimeError("secret of the matching")


def test_what_a_matching_raises_is_shown_to_those_alone_whom_the_default_admits(ran: Diary, guard: Guard) -> None:
    app = closed(Raising("/r", ran.endpoint()), ran.route("/x", mark=guard.allow(Public())), guard=guard)
    assert statuses(app, "/x", None, "outsider") == [401, 403]
    assert isinstance(ask(app, "/x", "staff").error, RuntimeError)
    assert ran == []


class Elsewhere(Route):
    """Its own idea of where it stands and of what a request's path parameters are."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        return Match.FULL, {"endpoint": self.endpoint, "path_params": {"user": "alice"}}


def test_a_route_with_its_own_matching_is_judged_by_it(ran: Diary, guard: Guard) -> None:
    app = closed(Elsewhere("/{user}", guard.allow(OWNER)(ran.endpoint())), guard=guard)
    assert statuses(app, "/bob", None, "bob", "alice") == [401, 403, 200]


# --- routers ---


def test_a_default_application_of_the_router_is_closed_by_the_default_rule(ran: Diary, guard: Guard) -> None:
    app = Starlette(routes=[ran.route("/x")])
    app.router.default = ran.asgi("default")
    guard.protect(app, default=STAFF)
    inner = Router(default=ran.asgi("inner"))
    app.mount("/m", inner)
    for path, name in (("/unknown", "default"), ("/m/unknown", "inner")):
        assert statuses(app, path, None, "outsider") == [401, 403]
        assert dial(app, path).status == 401
        assert ran == []
        assert status(app, path, "staff") == 200
        assert ran.pop() == name


class Counting(Router):
    """A router with a dispatch of its own, which calls the framework's."""

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        await super().app(scope, receive, send)


class Dispatching(Router):
    """A router whose own dispatch walks its table by itself."""

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        for route in self.routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                scope.update(child)
                await route.handle(scope, receive, send)
                return
        await self.default(scope, receive, send)


@pytest.mark.parametrize("kind", [Counting, Dispatching])
def test_a_router_with_a_dispatch_of_its_own_is_refused_at_once(kind: Any, ran: Diary, guard: Guard) -> None:
    app = Starlette()
    app.router = kind(routes=[ran.route("/x")])
    with pytest.raises(ConfigurationError, match="middleware"):
        guard.protect(app, default=STAFF)


@pytest.mark.parametrize("kind", [Counting, Dispatching])
def test_a_mounted_router_with_a_dispatch_of_its_own_is_opaque(kind: Any, ran: Diary, guard: Guard) -> None:
    inner = kind(routes=[ran.route("/x")])
    app = closed(Mount("/m", inner), Mount("/marked", guard.allow(OTHERS)(inner)), guard=guard)
    assert statuses(app, "/m/x", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/marked/x", None, "staff", "outsider") == [401, 403, 200]


@pytest.mark.parametrize("kind", [Counting, Dispatching])
def test_a_rule_in_a_router_with_a_dispatch_of_its_own_is_a_start_up_error(kind: Any, ran: Diary, guard: Guard) -> None:
    inner = kind(routes=[ran.route("/open"), ran.route("/x", mark=guard.allow(OTHERS))])
    app = closed(Mount("/m", inner), guard=guard)
    error = ask(app, "/m/x", "staff").error
    assert isinstance(error, ConfigurationError)
    assert f"/m: the router there ({kind.__name__}) does not dispatch as the framework's own routers do" in str(error)
    assert ran == []


@pytest.mark.parametrize("keeps_its_name", [True, False])
def test_a_dispatch_that_was_replaced_on_the_frameworks_class_is_not_passed_over(
    ran: Diary, guard: Guard, monkeypatch: pytest.MonkeyPatch, keeps_its_name: bool
) -> None:
    original = Router.app

    async def replaced(self: Any, scope: Any, receive: Any, send: Any) -> None:
        ran.append("replaced")
        await original(self, scope, receive, send)

    monkeypatch.setattr(Router, "app", functools.wraps(original)(replaced) if keeps_its_name else replaced)
    with pytest.raises(ConfigurationError, match="middleware"):
        closed(ran.route("/x"), guard=guard)
    inner = Router(routes=[ran.route("/x")])
    monkeypatch.undo()
    app = closed(Mount("/m", inner), guard=guard)
    assert statuses(app, "/m/x", None, "outsider") == [401, 403]
    assert ran == []
    assert status(app, "/m/x", "staff") == 200
    assert ran == ["replaced", "/x"]


class Computed(Router):
    """A router that computes its table."""

    table: list[BaseRoute]

    @property
    def routes(self) -> Any:
        return self.table

    @routes.setter
    def routes(self, value: Any) -> None:
        self.table = value


class OwnCall(Router):
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def test_a_router_that_is_called_in_a_way_of_its_own_is_refused_at_once(ran: Diary, guard: Guard) -> None:
    app = Starlette()
    app.router = OwnCall(routes=[ran.route("/x")])
    with pytest.raises(ConfigurationError, match="CallerMiddleware"):
        guard.protect(app, default=STAFF)


def test_a_router_that_computes_its_table_serves_what_was_judged(ran: Diary, guard: Guard) -> None:
    app = Starlette()
    app.router = Computed(routes=[ran.route("/x", mark=guard.allow(OTHERS)), ran.route("/y")])
    app.mount("/m", Computed(routes=[ran.route("/x")]))
    guard.protect(app, default=STAFF)
    assert statuses(app, "/x", None, "staff", "outsider") == [401, 403, 200]
    for path in ("/y", "/m/x"):
        assert statuses(app, path, None, "outsider", "staff") == [401, 403, 200]


def test_a_router_whose_middleware_hides_its_dispatch_is_refused(ran: Diary, guard: Guard) -> None:
    def hiding(app: Any) -> Any:
        async def hidden(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)

        return hidden

    app = Starlette()
    app.router = Router(routes=[ran.route("/x")], middleware=[Middleware(hiding)])
    with pytest.raises(ConfigurationError, match="CallerMiddleware"):
        guard.protect(app, default=STAFF)


def test_a_chain_without_end_is_refused(ran: Diary, guard: Guard) -> None:
    class Loop:
        app: Any

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("loop")(scope, receive, send)

    loop, app = Loop(), Starlette(routes=[ran.route("/x")])
    loop.app = loop
    app.middleware_stack = loop
    with pytest.raises(ConfigurationError):
        guard.protect(app, default=STAFF)
    mount = Mount("/m", routes=[])
    mount.app = loop
    opaque = closed(mount, guard=new_guard())
    assert statuses(opaque, "/m/x", None, "outsider", "staff") == [401, 403, 200]


def test_a_router_given_before_the_start_is_protected(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/old"), guard=guard)
    app.router = Router(routes=[ran.route("/x", mark=guard.allow(OTHERS)), ran.route("/y")])
    assert statuses(app, "/x", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/y", None, "outsider", "staff") == [401, 403, 200]


def test_a_router_given_before_the_start_that_cannot_be_protected_serves_nothing(ran: Diary, guard: Guard) -> None:
    for junk in (OwnCall(routes=[ran.route("/x")]), ran.asgi()):
        app = closed(guard=new_guard())
        app.router = junk
        reply = ask(app, "/x", "staff")
        assert isinstance(reply.error, ConfigurationError)
        assert (reply.messages, ran) == ([], [])


def test_a_router_given_after_the_start_does_not_serve(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x", "old"), guard=guard)
    assert status(app, "/x", "staff") == 200
    app.router = Router(routes=[ran.route("/x", "new")])
    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]
    assert ran == ["old", "old"]


@pytest.mark.parametrize("runs", [False, True])
def test_middleware_put_round_a_routers_own_dispatch_does_not_take_the_guard_away(
    runs: bool, ran: Diary, guard: Guard
) -> None:
    app = Starlette(routes=[ran.route("/x")])
    if runs:
        assert status(app, "/x") == 200
    guard.protect(app, default=STAFF)
    assert status(app, "/x") == 401
    for stack in (app.router.app, Passing(app.router.app)):
        app.router.middleware_stack = stack
        assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]


def test_an_application_that_runs_already_can_be_protected(ran: Diary, guard: Guard) -> None:
    app = Starlette(routes=[ran.route("/x")], middleware=[Middleware(Passing)])
    assert status(app, "/x") == 200
    guard.protect(app, default=STAFF)
    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]


def test_an_application_that_runs_on_another_router_is_protected_where_it_runs(ran: Diary, guard: Guard) -> None:
    app = Starlette(routes=[ran.route("/x", "runs")])
    assert status(app, "/x") == 200
    app.router = Router(routes=[ran.route("/x", "idle")])
    guard.protect(app, default=STAFF)
    ran.clear()
    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]
    assert ran == ["runs"]


class Passing:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


def test_protecting_twice_is_an_error_and_the_first_holds(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x"), guard=guard)
    for again in (guard, new_guard()):
        with pytest.raises(ConfigurationError, match="once"):
            again.protect(app, default=Public())
    assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]


def test_two_applications_cannot_be_protected_through_one_router(ran: Diary, guard: Guard) -> None:
    app = closed(ran.route("/x"), guard=guard)
    twin = Starlette()
    twin.router = app.router
    with pytest.raises(ConfigurationError, match="once"):
        new_guard().protect(twin, default=Public())


def test_requests_of_an_unknown_type_reach_nothing(ran: Diary) -> None:
    app = closed(ran.route("/x"), Mount("/m", ran.asgi()))
    assert ask(app, "/m/x", type="webtransport").types == ["websocket.close"]
    assert isinstance(ask(app, "/m/x", "staff", type="webtransport").error, HTTPException)
    assert ran == []


def test_what_is_changed_on_a_router_between_requests_counts(ran: Diary, guard: Guard) -> None:
    app = Starlette(routes=[ran.route("/x", "judged", guard.allow(STAFF))])
    guard.protect(app, default=STAFF)
    assert statuses(app, "/x", "staff") == [200]
    app.router.default = ran.asgi("default")
    assert statuses(app, "/x", "staff") == [200]
    assert statuses(app, "/other", None, "staff") == [401, 200]
    assert ran == ["judged", "judged", "default"]


@pytest.mark.slow
def test_routes_that_come_and_go_cost_no_memory(ran: Diary, guard: Guard) -> None:
    import gc

    app = closed(ran.route("/stays"), guard=guard)
    for number in range(50):
        app.routes[:] = [ran.route(f"/gone{number}")]
        assert status(app, f"/gone{number}", "staff") == 200
    app.routes[:] = []
    for _ in range(2):
        gc.collect()
    # By type: lazy objects of other frameworks, which live in this process, too, make themselves when asked.
    assert not [each for each in gc.get_objects() if issubclass(type(each), Route) and each.path.startswith("/gone")]


@pytest.mark.slow
def test_a_request_leaves_nothing_to_the_garbage_collector(ran: Diary, guard: Guard) -> None:
    import gc

    app = closed(
        ran.route("/x"),
        Mount("/m", routes=[ran.route("/x")]),
        ran.route("/open", mark=guard.allow(Public())),
        guard=guard,
    )
    requests = [(path, who) for path in ("/x", "/m/x", "/open") for who in (None, "outsider", "staff")]
    for path, who in requests:
        ask(app, path, who)

    def contexts() -> list[Any]:
        return [each for each in gc.get_objects() if type(each) is route_context.RouteContext]

    gc.collect()
    gc.disable()
    try:
        # Other tests of this process may hold some.
        before = contexts()
        for path, who in requests:
            ask(app, path, who)
        left = [each for each in contexts() if not any(each is other for other in before)]
    finally:
        gc.enable()
    assert [each.templates for each in left] == []


@pytest.mark.slow
def test_applications_that_come_and_go_behind_a_mount_cost_no_memory(
    ran: Diary, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(route_chain, "MOST_CHAINS", 5)
    behind, outermost = Starlette(routes=[ran.route("/x", "judged")]), Starlette()
    new_guard().protect(behind, default=OTHERS)
    mount = Mount("/m", behind)
    outermost.routes.append(mount)
    guard.protect(outermost, default=STAFF, floor=STAFF | OTHERS)
    for _ in range(20):
        mount.app = guard.allow(STAFF | OTHERS)(behind)
        mount._base_app = mount.app  # as Mount's constructor has it
        assert statuses(outermost, "/m/x", None, "staff", "outsider") == [401, 403, 200]
    protection = cast("Any", behind.router.middleware_stack).protection
    assert len(protection.chains) <= 5
    assert all(
        len(each.chains) <= 5 for known in protection.reader._known.values() for (each,) in known.places.values()
    )

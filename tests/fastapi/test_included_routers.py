"""Included routers: plain routes, mounts, hosts and sockets in them, and what is added or changed afterwards."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Host, Match, Mount, Route, Router, WebSocketRoute

from callerid import Caller, ConfigurationError, Nobody, Public
from callerid.access import access_map
from callerid.fastapi import _included as reading
from tests.fixtures import OTHERS, STAFF

from .world import KEEPS_INCLUDES, Seen, ask, closed, dial, start, status, statuses

STRANGERS = (None, "outsider", "robot")


def page(_: Any) -> PlainTextResponse:
    return PlainTextResponse("served")


async def socket(websocket: Any) -> None:
    await websocket.accept()
    await websocket.close()


async def bare(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("served")(scope, receive, send)


if KEEPS_INCLUDES:

    def rules(kind: str, allow: Any) -> tuple[list[Any], list[Any]]:
        """The dependencies of the router and of its inclusion."""

        def through(caller: Annotated[Caller, allow]) -> None: ...

        def deeper(value: Annotated[None, Depends(through)]) -> None: ...

        return {
            "router": ([allow], []),
            "include": ([], [allow]),
            "router, by a dependency": ([Depends(through)], []),
            "include, by a dependency": ([], [Depends(deeper)]),
        }[kind]

    KINDS = ["router", "include", "router, by a dependency", "include, by a dependency"]

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("default", [Public(), OTHERS], ids=str)
    @pytest.mark.parametrize("nested", [False, True])
    def test_plain_routes_mounts_and_hosts_get_the_rules_of_their_router(kind: str, default: Any, nested: bool) -> None:
        app, guard = closed(default)
        of_router, of_include = rules(kind, guard.allow(STAFF))
        router = APIRouter(dependencies=of_router)
        sub = Starlette(routes=[Route("/y", page)])
        router.add_route("/plain", page)
        router.mount("/opaque", bare)
        router.mount("/sub", sub)
        router.routes.append(Mount("/routes", routes=[Route("/y", page)]))
        if nested:
            outer = APIRouter()
            outer.include_router(router, prefix="/in", dependencies=of_include)
            app.include_router(outer)
        else:
            app.include_router(router, prefix="/in", dependencies=of_include)
        start(app)
        for path in ("/in/plain", "/in/opaque/z", "/in/sub/y", "/in/routes/y"):
            assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, 200], path

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_plain_websocket_gets_the_rules_of_its_router(kind: str) -> None:
        app, guard = closed(Public())
        of_router, of_include = rules(kind, guard.allow(STAFF))
        router = APIRouter(dependencies=of_router)
        router.routes.append(WebSocketRoute("/ws", socket))
        app.include_router(router, prefix="/in", dependencies=of_include)
        assert [dial(app, "/in/ws", who)[0].get("status") for who in STRANGERS] == [401, 403, 403]
        assert dial(app, "/in/ws", "staff")[0]["type"] == "websocket.accept"

    @pytest.mark.parametrize("prefix", ["", "/in"])
    def test_a_host_gets_the_rules_of_its_router(prefix: str) -> None:
        app, guard = closed(Public())
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.routes.append(Host("orders.example.com", Starlette(routes=[Route("/y", page)])))
        app.include_router(router, prefix=prefix)
        host = {"host": "orders.example.com"}
        assert statuses(app, f"{prefix}/y", *STRANGERS, "staff", headers=host) == [401, 403, 403, 200]

    def test_a_marked_mount_in_a_marked_router_asks_both() -> None:
        app, guard = closed(Public())
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.mount("/sub", guard.allow("user:ada@example.com")(bare))
        app.include_router(router)
        assert statuses(app, "/sub/z", None, "outsider", "staff") == [401, 403, 200]

    def test_a_route_added_after_the_inclusion_gets_the_rules() -> None:
        app, guard = closed(Public())
        inner, outer = APIRouter(), APIRouter(dependencies=[guard.allow(STAFF)])
        outer.include_router(inner)
        app.include_router(outer)
        start(app)
        assert status(app, "/late") == 404
        inner.add_api_route("/late", lambda: "api")
        inner.add_route("/late-plain", page)
        for path in ("/late", "/late-plain"):
            assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, 200], path

    def test_a_rule_added_to_an_included_router_afterwards_holds() -> None:
        app, guard = closed(Public())
        router = APIRouter()
        router.add_route("/plain", page)
        router.add_api_route("/api", lambda: None)
        app.include_router(router)
        assert statuses(app, "/plain", None) + statuses(app, "/api", None) == [200, 200]
        router.dependencies.append(guard.allow(STAFF))
        assert statuses(app, "/plain", None, "outsider", "staff") == [401, 403, 200]
        assert statuses(app, "/api", None, "outsider", "staff") == [401, 403, 200]

    class Matching(APIRouter):
        """Only for requests with a header, or with any, as a wrong method would be."""

        def matches(self, scope: Any) -> Any:
            headers = dict(scope["headers"])
            if b"x-partial" in headers:
                return Match.PARTIAL, {}
            return super().matches(scope) if b"x-beta" in headers else (Match.NONE, {})

    @pytest.mark.parametrize("depth", [1, 2])
    def test_a_router_with_a_matching_of_its_own_has_the_rules_of_its_routes(depth: int) -> None:
        app, guard = closed(OTHERS)
        seen = Seen()
        router: APIRouter = Matching()
        router.add_api_route("/api", lambda: seen.append("api"))
        router.add_api_route("/marked", guard.allow(STAFF)(lambda: seen.append("marked")))
        router.add_route("/plain", guard.allow(STAFF)(page))
        for _ in range(depth - 1):
            inner, router = router, APIRouter()
            router.include_router(inner)
        app.include_router(router)
        app.add_api_route("/marked", guard.allow("user:ada@gmail.com")(lambda: "the next"))
        start(app)
        beta = {"x-beta": "1"}
        assert statuses(app, "/api", None, "staff", "outsider", headers=beta) == [401, 403, 200]
        for path in ("/marked", "/plain"):
            assert statuses(app, path, None, "outsider", "staff", headers=beta) == [401, 403, 200]
        assert statuses(app, "/marked", None, "staff", "ada@gmail.com") == [401, 403, 200]
        assert statuses(app, "/unknown", None, "staff", "outsider", headers=beta) == [401, 403, 404]
        assert seen == ["api", "marked"]

    def test_the_access_map_tells_that_such_a_router_looks_at_more_than_the_path() -> None:
        app, _ = closed(OTHERS)
        router = Matching()
        router.add_api_route("/x", lambda: None)
        app.include_router(router)
        app.add_api_route("/x", lambda: "the next")
        served = [each.written for row in access_map(app).rows if row.template == "/x" for each in row.serves]
        assert [written.partition(" ")[2].rstrip(")0123456789 ") for written in served] == ["(Matching", ""]

    def test_a_router_that_matches_what_none_of_its_routes_does_answers_404_under_the_default() -> None:
        app, guard = closed(OTHERS)
        router = Matching()
        router.add_api_route("/marked", guard.allow(STAFF)(lambda: None))
        app.include_router(router)
        partial = {"x-partial": "1"}
        assert statuses(app, "/marked", None, "outsider", "staff", headers=partial) == [401, 403, 200]
        assert statuses(app, "/unknown", None, "staff", "outsider", headers=partial) == [401, 403, 404]

    class OpaqueHandle(APIRouter):
        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            await super().handle(scope, receive, send)

    def by_instance(**options: Any) -> APIRouter:
        router = APIRouter(**options)
        own = router.handle
        router.handle = lambda *args: own(*args)  # type: ignore[method-assign] # noqa: PLW0108
        return router

    OPAQUE = [OpaqueHandle, by_instance]

    @pytest.mark.parametrize("make", OPAQUE)
    def test_a_router_that_serves_in_a_way_of_its_own_is_judged_as_one_and_its_rules_hold(make: Any) -> None:
        app, guard = closed(OTHERS)
        seen = Seen()
        router = make(dependencies=[guard.allow(STAFF)])
        router.add_api_route("/api", lambda: seen.append("api"))

        def plain(request: Any) -> PlainTextResponse:
            seen.append("plain")
            return page(request)

        router.add_route("/plain", plain)
        app.include_router(router)
        start(app)
        for path in ("/api", "/plain"):
            assert statuses(app, path, *STRANGERS) == [401, 403, 403], path
            assert seen == []
            assert status(app, path, "staff") == 200
            seen.clear()

    @pytest.mark.parametrize("make", OPAQUE)
    def test_an_open_default_may_not_stand_in_for_the_rules_of_such_a_router(make: Any) -> None:
        app, _ = closed(Public())
        router = make()
        router.add_route("/plain", page)
        app.include_router(router)
        with pytest.raises(ConfigurationError, match=r"APIRouter\(dependencies=\[guard.allow\(rule\)\]\)"):
            start(app)
        assert statuses(app, "/plain", None, "staff") == [500, 500]

    @pytest.mark.parametrize("make", OPAQUE)
    def test_such_a_router_inside_another_is_opaque_too(make: Any) -> None:
        app, guard = closed(Public())
        outer = APIRouter(dependencies=[guard.allow(STAFF)])
        inner = make()
        inner.add_route("/plain", page)
        outer.include_router(inner)
        app.include_router(outer)
        start(app)
        assert statuses(app, "/plain", *STRANGERS, "staff") == [401, 403, 403, 200]

    @pytest.mark.parametrize("make", OPAQUE)
    @pytest.mark.parametrize("kind", ["api", "plain", "mounted", "parameter"])
    def test_rules_of_routes_inside_such_a_router_are_a_start_up_error(kind: str, make: Any) -> None:
        app, guard = closed(OTHERS)
        router = make(dependencies=[guard.allow(OTHERS)])
        marked = guard.allow(STAFF)(page)
        if kind == "api":
            router.add_api_route("/x", guard.allow(STAFF)(lambda: None))
        elif kind == "plain":
            router.add_route("/x", marked)
        elif kind == "mounted":
            router.mount("/x", Router(routes=[Route("/x", marked)]))
        else:
            router.add_api_route("/x", lambda: None, dependencies=[guard.allow(STAFF)])
        app.include_router(router)
        with pytest.raises(ConfigurationError, match="routes or routers in it have rules of their own"):
            start(app)
        assert statuses(app, "/x", None, "outsider", "staff") == [500, 500, 500]

    @pytest.mark.parametrize("make", OPAQUE)
    def test_rules_of_routers_inside_such_a_router_are_a_start_up_error(make: Any) -> None:
        app, guard = closed(OTHERS)
        innermost = APIRouter(dependencies=[guard.allow(STAFF)])
        innermost.add_route("/plain", page)
        between, outer = APIRouter(), make()
        between.include_router(innermost)
        outer.include_router(between)
        app.include_router(outer)
        with pytest.raises(ConfigurationError, match="routes or routers in it have rules of their own"):
            start(app)
        assert statuses(app, "/plain", None, "outsider", "staff") == [500, 500, 500]

    def test_a_nested_router_that_takes_its_match_back_ends_in_404_under_the_default() -> None:
        app, guard = closed(STAFF)
        full: tuple[Match, dict[str, Any]] = (Match.FULL, {})
        none: tuple[Match, dict[str, Any]] = (Match.NONE, {})
        answers = [full, none, full, none]

        class Flipping(APIRoute):
            def matches(self, scope: Any) -> Any:
                return answers.pop(0)

        inner, outer = APIRouter(route_class=Flipping), APIRouter()
        inner.add_api_route("/x", guard.allow(Public())(lambda: "served"))
        outer.include_router(inner)
        app.include_router(outer)
        assert statuses(app, "/x", None, "staff") == [401, 404]

    def test_an_included_route_is_judged_and_served_by_one_match_whatever_it_would_say_next() -> None:
        app, guard = closed(STAFF)
        answers: list[tuple[Match, dict[str, Any]]] = [
            (Match.FULL, {}),
            *[(Match.NONE, {})] * 50,
        ]

        class Flipping(APIRoute):
            def matches(self, scope: Any) -> Any:
                return answers.pop(0)

        router = APIRouter(route_class=Flipping)
        router.add_api_route("/x", guard.allow(Public())(lambda: "served"))
        app.include_router(router)
        assert statuses(app, "/x", None) == [200]
        assert len(answers) == 50
        assert statuses(app, "/x", None, "staff") == [401, 404]

else:

    @pytest.mark.parametrize("default", [Public(), Public() | STAFF], ids=str)
    @pytest.mark.parametrize("kind", ["route", "websocket"])
    def test_an_open_default_is_refused_where_a_plain_route_may_have_lost_its_routers_rules(
        default: Any, kind: str
    ) -> None:
        app, guard = closed(default)
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        if kind == "route":
            router.add_route("/x", page)
        else:
            router.routes.append(WebSocketRoute("/x", socket))
        app.include_router(router)
        with pytest.raises(ConfigurationError, match=r"@guard.allow\(Public\(\)\)"):
            start(app)
        if kind == "route":
            assert statuses(app, "/x", None, "staff") == [500, 500]
        else:
            with pytest.raises(ConfigurationError):
                dial(app, "/x")

    def test_it_is_refused_in_a_mounted_fastapi_application_too() -> None:
        app, guard = closed(Public())
        sub = FastAPI()
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.add_route("/x", page)
        sub.include_router(router)
        app.mount("/sub", guard.allow(Public())(sub))
        with pytest.raises(ConfigurationError, match=r"/x: before FastAPI 0\.137"):
            start(app)
        assert status(app, "/sub/x") == 500

    def test_the_mend_works() -> None:
        app, guard = closed(Public())
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.add_route("/x", guard.allow(STAFF)(page))
        app.include_router(router)
        app.add_route("/open", guard.allow(Public())(page))
        start(app)
        assert statuses(app, "/x", None, "outsider", "staff") == [401, 403, 200]
        assert status(app, "/open") == 200

    def test_a_closed_default_holds_for_plain_routes_of_an_included_router() -> None:
        app, guard = closed(STAFF)
        router = APIRouter(dependencies=[guard.allow(Nobody())])
        router.add_route("/x", page)
        app.include_router(router)
        start(app)
        assert statuses(app, "/x", *STRANGERS) == [401, 403, 403]

    def test_a_floor_that_is_not_open_suffices() -> None:
        app, guard = closed(Public(), floor=STAFF)
        router = APIRouter(dependencies=[guard.allow("user:ada@example.com")])
        router.add_route("/x", page)
        app.include_router(router)
        start(app)
        assert statuses(app, "/x", *STRANGERS) == [401, 403, 403]

    def test_a_plain_route_included_after_the_start_is_a_500_under_an_open_default() -> None:
        app, guard = closed(Public())
        app.add_api_route("/api", lambda: None)
        start(app)
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.add_route("/x", page)
        app.include_router(router)
        assert (status(app, "/x"), status(app, "/api")) == (500, 200)


def test_without_included_routers_what_cannot_be_a_copy_may_stay_open_by_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "INCLUDED", None)
    app, _ = closed(Public())
    app.mount("/files", bare)
    app.mount("/starlette", Starlette(routes=[Route("/y", page)]))
    app.mount("/sub", FastAPI())
    app.add_api_route("/api", lambda: None)
    start(app)
    for path in ("/files/z", "/starlette/y", "/sub/docs", "/api", "/docs", "/openapi.json"):
        assert status(app, path) == 200, path


def test_without_included_routers_a_plain_route_may_be_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "INCLUDED", None)
    app, guard = closed(Public())
    app.add_route("/plain", page)
    app.add_route("/marked", guard.allow(Public())(lambda request: page(request)))  # noqa: PLW0108
    with pytest.raises(ConfigurationError, match=r"^/plain: before FastAPI 0\.137"):
        start(app)
    app.router.routes.pop(-2)
    start(app)
    assert status(app, "/marked") == 200


class Noting:
    """Middleware of one route."""

    def __init__(self, app: Any, seen: list[str]) -> None:
        self.app, self.seen = app, seen

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append("middleware")
        await self.app(scope, receive, send)


@pytest.mark.parametrize("default", [OTHERS, Nobody()], ids=str)
def test_an_included_route_with_middleware_of_its_own_is_judged_by_its_mark_before_either_runs(default: Any) -> None:
    """FastAPI makes such a route anew from its endpoint, and some releases leave the middleware out."""
    app, guard = closed(default)
    seen = Seen()

    def marked(_: Any) -> PlainTextResponse:
        seen.append("endpoint")
        return PlainTextResponse("served")

    router = APIRouter()
    own = [Middleware(Noting, seen=seen)]
    router.routes.append(Route("/x/{name}", guard.allow(STAFF)(marked), middleware=own))
    app.include_router(router, prefix="/in")
    start(app)
    assert (statuses(app, "/in/x/a", *STRANGERS), seen) == ([401, 403, 403], [])
    assert status(app, "/in/x/a", "staff") == 200
    assert seen in (["middleware", "endpoint"], ["endpoint"])


def test_routes_of_included_routers_are_closed_by_default_with_their_404_and_405() -> None:
    app, _ = closed()
    router = APIRouter()
    router.add_api_route("/x", lambda: None)
    app.include_router(router, prefix="/in")
    for path, method, served in (
        ("/in/x", "GET", 200),
        ("/in/x", "POST", 405),
        ("/in/x/", "GET", 307),
        ("/in/y", "GET", 404),
        ("/in/x", "OPTIONS", 405),
        ("/in/x", "HEAD", 405),
    ):
        assert statuses(app, path, *STRANGERS, "staff", method=method) == [401, 403, 403, served], (path, method)


def test_a_wrong_method_asks_the_rule_and_the_default() -> None:
    app, guard = closed(OTHERS)
    router = APIRouter(dependencies=[guard.allow("user:ada@example.com", "user:eve@other.com")])
    router.add_api_route("/x", lambda: None)
    app.include_router(router)
    assert statuses(app, "/x", None, "staff", "outsider", method="DELETE") == [401, 403, 405]


def test_methods_of_one_path_in_two_routers_have_their_own_rules() -> None:
    app, guard = closed(Public())
    reading, writing = APIRouter(dependencies=[guard.allow(STAFF)]), APIRouter(dependencies=[guard.allow(OTHERS)])
    reading.add_api_route("/x", lambda: "read")
    writing.add_api_route("/x", lambda: "written", methods=["POST"])
    app.include_router(reading)
    app.include_router(writing)
    assert statuses(app, "/x", None, "staff", "outsider") == [401, 200, 403]
    assert statuses(app, "/x", None, "staff", "outsider", method="POST") == [401, 403, 200]


def test_the_first_of_two_equal_paths_is_judged_and_served() -> None:
    app, guard = closed(Public())
    for allow, endpoint in ((guard.allow(STAFF), lambda: "first"), (guard.allow(Public()), lambda: "second")):
        router = APIRouter(dependencies=[allow])
        router.add_api_route("/x", endpoint)
        app.include_router(router)
    assert statuses(app, "/x", None, "outsider") == [401, 403]
    assert ask(app, "/x", "staff").json == "first"


def test_a_route_inserted_before_another_is_judged_as_what_it_is() -> None:
    app, guard = closed(Public())
    app.add_api_route("/x", guard.allow(Public())(lambda: "open"))
    start(app)
    assert status(app, "/x") == 200
    app.add_api_route("/x", guard.allow(STAFF)(lambda: "staff"))
    app.router.routes.insert(0, app.router.routes.pop())
    assert statuses(app, "/x", None, "staff") == [401, 200]


class Shouting(APIRoute):
    """A route class with a matching and a handling of its own."""

    def matches(self, scope: Any) -> Any:
        return super().matches({**scope, "path": scope["path"].lower()} if scope["type"] == "http" else scope)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        async def louder(message: Any) -> None:
            await send({**message, "body": message["body"].upper()} if "body" in message else message)

        await super().handle(scope, receive, louder)


@pytest.mark.parametrize("included", [False, True])
def test_a_route_class_with_matches_and_handle_of_its_own_is_judged_by_its_own_matching(included: bool) -> None:
    app, guard = closed(OTHERS)
    router = APIRouter(route_class=Shouting)

    @router.get("/users/{name}")
    def endpoint(name: str, caller: Annotated[Caller, guard.allow(STAFF)]) -> str:
        return f"{name} {caller}"

    if included:
        app.include_router(router)
    else:
        app.router.routes.extend(router.routes)
    assert statuses(app, "/USERS/Ada", *STRANGERS) == [401, 403, 403]
    assert ask(app, "/USERS/Ada", "staff").json == "ADA USER:ADA@EXAMPLE.COM"


def test_a_route_handler_of_ones_own_runs_after_the_guard() -> None:
    app, guard = closed()
    seen = Seen()

    class Reading(APIRoute):
        def get_route_handler(self) -> Any:
            original = super().get_route_handler()

            async def handler(request: Any) -> Any:
                seen.append((await request.body()).decode())
                return await original(request)

            return handler

    router = APIRouter(route_class=Reading, dependencies=[guard.allow(STAFF)])
    router.add_api_route("/x", lambda: None, methods=["POST"])
    app.include_router(router)
    reply = ask(app, "/x", method="POST", body=b"{}")
    assert (reply.status, reply.reads, seen) == (401, 0, [])
    assert (status(app, "/x", "staff", method="POST", body=b"{}"), seen) == (200, ["{}"])


class Wrapping(APIRouter):
    """A router whose app does something before it dispatches."""

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        scope["path"] = "/secret"
        await super().app(scope, receive, send)


def test_a_router_class_with_an_app_of_its_own_is_refused_at_once() -> None:
    guard = closed()[1]
    app = FastAPI()
    app.router = Wrapping()
    with pytest.raises(ConfigurationError, match="does not dispatch as Starlette's and FastAPI's own routers do"):
        guard.protect(app, default=Public())


def test_an_included_router_class_with_an_app_of_its_own_serves_what_was_judged() -> None:
    """FastAPI never calls the app of a router that is included."""
    app, guard = closed()
    router = Wrapping()
    router.add_api_route("/secret", lambda: "secret", dependencies=[guard.allow(STAFF)])
    router.add_api_route("/open", guard.allow(Public())(lambda: "open"))
    app.include_router(router)
    assert ask(app, "/open").json == "open"
    assert statuses(app, "/secret", *STRANGERS, "staff") == [401, 403, 403, 200]

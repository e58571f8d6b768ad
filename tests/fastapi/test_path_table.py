"""The path table of a FastAPI application: documentation, frontends, included routers and rules as parameters."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.staticfiles import StaticFiles
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from callerid import Caller, ConfigurationError, Domain, FirebaseUser, PathParam, Public, Rule, ServiceAccount
from callerid.access import access_map
from callerid.fastapi import Guard
from callerid.starlette import Guard as StarletteGuard
from tests.fixtures import OTHERS, ROBOT, STAFF, URL, issuer

from .world import HAS_FRONTENDS, KEEPS_INCLUDES, ask, closed, dial, new_guard, start, status, statuses

ROBOTS = ServiceAccount(ROBOT)
OWNER = FirebaseUser(PathParam("user_id"))
STRANGERS = (None, "outsider", "robot", "staff")


def tabled(routes: dict[str, Any], *, guard: Guard, default: Rule = STAFF, **options: Any) -> FastAPI:
    app = FastAPI()
    guard.protect(app, default=default, routes=routes, **options)
    return app


@pytest.fixture
def guard() -> Guard:
    return new_guard()


def test_entries_hold_beside_rules_as_parameters(guard: Guard) -> None:
    entries = {"/users/{tenant}/orders/{user_id}": FirebaseUser(PathParam("tenant")), "/both": OTHERS | STAFF}
    app = tabled(entries, guard=guard)
    ran: list[str] = []

    @app.get("/users/{tenant}/orders/{user_id}")
    def orders(user_id: str, caller: Annotated[Caller, guard.allow(OWNER)]) -> str:
        ran.append(user_id)
        return str(caller)

    @app.get("/both")
    async def both(caller: Annotated[Caller, guard.allow(OTHERS | ROBOTS)]) -> str:
        ran.append("both")
        return str(caller)

    start(app)
    assert statuses(app, "/users/ada/orders/ada", None, "ben", "ada") == [401, 403, 200]
    assert statuses(app, "/users/ada/orders/ben", "ben", "ada") == [403, 403]
    assert statuses(app, "/both", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/both", *STRANGERS, method="HEAD") == [401, 403, 403, 403]  # FastAPI serves no HEAD there
    assert ran == ["ada", "both"]


def test_the_caller_that_a_parameter_is_given_may_be_known_by_the_entry_alone(guard: Guard) -> None:
    app = tabled({"/x": STAFF}, guard=guard)
    maybe = guard.allow(Public() | OTHERS)

    @app.get("/x")
    def endpoint(caller: Annotated[Caller, maybe]) -> str:
        return str(caller)

    assert ask(app, "/x", "staff").json == "user:ada@example.com"
    assert statuses(app, "/x", None, "outsider") == [401, 403]


def test_a_parameter_that_nobody_can_be_given_is_an_error_all_the_same(guard: Guard) -> None:
    app = tabled({"/x": Public() | STAFF}, guard=guard)

    @app.get("/x")
    def endpoint(caller: Annotated[Caller, guard.allow(Public() | OTHERS)]) -> str:
        return str(caller)

    with pytest.raises(ConfigurationError, match=r"Caller \| None"):
        start(app)


@pytest.mark.parametrize("docs", [None, OTHERS | STAFF])
def test_entries_hold_for_the_documentation(docs: Rule | None, guard: Guard) -> None:
    app = tabled({"/docs": OTHERS | ROBOTS, "/openapi.json": Public()}, guard=guard, docs=docs)
    start(app)
    expected = [401, 200, 200, 403] if docs is None else [401, 200, 403, 403]
    assert statuses(app, "/docs", *STRANGERS) == expected
    assert statuses(app, "/openapi.json", *STRANGERS) == ([200] * 4 if docs is None else [401, 200, 403, 200])
    assert statuses(app, "/redoc", *STRANGERS) == ([401, 403, 403, 200] if docs is None else [401, 200, 403, 200])


def test_entries_for_documentation_that_is_turned_off_are_an_error(guard: Guard) -> None:
    app = FastAPI(docs_url=None)
    guard.protect(app, default=STAFF, routes={"/docs": Public()})
    with pytest.raises(ConfigurationError, match=r"^routes\['/docs'\]: no route"):
        start(app)


def test_files_and_applications_of_other_makes(tmp_path: Path, guard: Guard) -> None:
    (tmp_path / "page.txt").write_text("a file")
    app = tabled({"/static/*": Public(), "/other/jobs": ROBOTS, "/other/*": OTHERS}, guard=guard)
    ran: list[str] = []

    async def other(scope: Any, receive: Any, send: Any) -> None:
        ran.append(scope["path"])
        await PlainTextResponse("other")(scope, receive, send)

    app.mount("/static", StaticFiles(directory=tmp_path))
    app.mount("/other", other)
    start(app)
    assert statuses(app, "/static/page.txt", *STRANGERS) == [200] * 4
    assert statuses(app, "/static/../page.txt", *STRANGERS) == [400] * 4
    assert statuses(app, "/other/x", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/other/jobs", *STRANGERS, method="POST") == [401, 403, 200, 403]
    assert statuses(app, "/other/./jobs", *STRANGERS) == [400] * 4
    assert ran == ["/other/x", "/other/jobs"]


def test_mounted_applications_with_and_without_a_guard(guard: Guard) -> None:
    ran: list[str] = []

    def sub() -> FastAPI:
        made = FastAPI()
        made.add_api_route("/x", lambda: ran.append("x"))
        made.add_api_route("/y/{user_id}", lambda: ran.append("y"))
        return made

    own = new_guard()
    with_guard = sub()
    own.protect(with_guard, default=Public(), routes={"/y/{user_id}": OWNER})
    app = tabled(
        {"/plain/x": Public(), "/plain/docs": ROBOTS, "/own/x": OTHERS, "/own/y/{user_id}": OWNER}, guard=guard
    )
    app.mount("/plain", sub())
    app.mount("/own", with_guard)
    start(app)
    assert statuses(app, "/plain/x", *STRANGERS) == [200] * 4
    assert statuses(app, "/plain/docs", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/plain/y/ada", *STRANGERS) == [401, 403, 403, 200]
    assert statuses(app, "/own/x", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/own/y/ada", None, "ben", "ada") == [401, 403, 200]
    assert statuses(app, "/own/docs", None) == [200]
    assert ran == ["x"] * 4 + ["y", "x", "y"]


def test_included_routers_and_sockets(guard: Guard) -> None:
    app = tabled(
        {
            "/api/x": OTHERS | STAFF,
            "/api/plain": OTHERS | STAFF,
            "/api/y": ROBOTS,
            "WEBSOCKET /api/live": OTHERS,
            "/api/marked": OTHERS | ROBOTS,
        },
        guard=guard,
    )
    ran: list[str] = []
    inner = APIRouter()
    inner.add_api_route("/x", lambda: ran.append("x"))
    inner.add_api_route("/y", lambda: ran.append("y"))

    @inner.websocket("/live")
    async def live(websocket: WebSocket) -> None:
        ran.append("live")
        await websocket.accept()

    async def plain(request: Any) -> PlainTextResponse:
        ran.append("plain")
        return PlainTextResponse("plain")

    inner.add_route("/plain" if KEEPS_INCLUDES else "/api/plain", plain)  # before, it got no router's own prefix
    marked = APIRouter(dependencies=[guard.allow(OTHERS | STAFF)])
    marked.add_api_route("/marked", lambda: ran.append("marked"))
    outer = APIRouter(prefix="/api")
    outer.include_router(inner)
    outer.include_router(marked)
    app.include_router(outer)
    start(app)
    assert statuses(app, "/api/x", *STRANGERS) == [401, 200, 403, 200]
    assert statuses(app, "/api/y", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/api/plain", *STRANGERS) == [401, 200, 403, 200]
    assert statuses(app, "/api/marked", *STRANGERS) == [401, 200, 403, 403]
    assert [dial(app, "/api/live", who)[0]["type"] for who in ("outsider", "robot", "staff")] == [
        "websocket.accept",
        "websocket.http.response.start",
        "websocket.http.response.start",
    ]
    assert ran == ["x"] * 2 + ["y"] + ["plain"] * 2 + ["marked", "live"]
    # A route's entry is bound to the route: how the path was written does not matter.
    assert statuses(app, "/api/marked;", None, "staff") == [401, 404]


def test_a_rule_of_the_whole_application_is_a_mark_everywhere(guard: Guard) -> None:
    app = FastAPI(dependencies=[guard.allow(STAFF | OTHERS)])
    guard.protect(app, default=STAFF, routes={"/x/{name}": OTHERS})
    app.add_api_route("/x/{name}", lambda name: name)
    assert statuses(app, "/x/a", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/x/a;b", *STRANGERS) == [401, 200, 403, 403]
    assert statuses(app, "/nowhere;", *STRANGERS) == [401, 403, 403, 404]


def test_routes_added_later(guard: Guard) -> None:
    app = tabled({"/later/*": ROBOTS, "POST /x": ROBOTS}, guard=guard)
    sub = FastAPI(openapi_url=None)
    app.mount("/later", sub)
    app.add_api_route("/x", lambda: "x", methods=["POST"])
    start(app)
    sub.add_api_route("/y", lambda: "y")
    app.include_router(APIRouter(prefix="/later"))
    app.add_api_route("/x", lambda: "x", methods=["POST", "PUT"])
    assert statuses(app, "/later/y", *STRANGERS) == [401, 403, 200, 403]
    assert statuses(app, "/x", *STRANGERS, method="POST") == [401, 403, 200, 403]
    assert statuses(app, "/x", *STRANGERS, method="PUT") == [401, 403, 403, 200]


def test_a_path_rewritten_while_the_caller_is_judged_is_not_served(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tabled({"/users/{user_id}": OWNER}, guard=guard)
    ran: list[str] = []

    @app.get("/users/{user_id}")
    def endpoint(user_id: str) -> None:
        ran.append(user_id)

    judge, scopes = guard.judge, list[Any]()

    class Keeping:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await self.app(scope, receive, send)

    def judge_amid_changes(*args: Any) -> Any:
        scopes[-1]["path"] = "/users/ben"
        return judge(*args)

    app.add_middleware(Keeping)
    monkeypatch.setattr(guard, "judge", judge_amid_changes)
    assert statuses(app, "/users/ada", "ada", "ben") == [200, 403]
    assert ran == ["ada"]


def test_what_is_written_as_a_mark(guard: Guard) -> None:
    tasks = f"{URL}/tasks"
    app = tabled(
        {"/tasks": guard.allow(ROBOTS, audience=tasks), "/staff": StarletteGuard.like(guard).allow(STAFF)},
        guard=guard,
        default=Domain("other.com"),
    )
    app.add_api_route("/tasks", lambda: "tasks")
    app.add_api_route("/staff", lambda: "staff")
    answers = [
        status(app, "/tasks", headers={"authorization": f"Bearer {issuer.service_account(ROBOT, audience=each)}"})
        for each in (URL, tasks)
    ]
    assert answers == [401, 200]
    assert statuses(app, "/staff", *STRANGERS) == [401, 403, 403, 200]


def test_an_entry_that_nothing_answers_is_an_error(guard: Guard) -> None:
    app = tabled({"HEAD /x": STAFF}, guard=guard)
    app.add_api_route("/x", lambda: "x")
    with pytest.raises(ConfigurationError, match=r"^routes\['HEAD /x'\]: no route"):
        start(app)


def test_an_entry_and_a_rule_that_exclude_each_other_are_named_both(guard: Guard) -> None:
    app = tabled({"/x": ROBOTS}, guard=guard)
    app.add_api_route("/x", lambda: "x", dependencies=[guard.allow(STAFF)])
    with pytest.raises(ConfigurationError, match=r"^/x and routes\['/x'\]: this rule can admit nobody"):
        start(app)


def test_the_document_tells_of_entries(guard: Guard) -> None:
    app = tabled({"/open": Public(), "/a/x": STAFF, "/maybe": Public() | STAFF}, guard=guard, default=Public())
    for path in ("/open", "/a/x", "/maybe", "/default"):
        app.add_api_route(path, lambda: "x")
    paths = app.openapi()["paths"]
    security = {path: paths[path]["get"].get("security") for path in paths}
    assert security == {
        "/open": None,
        "/a/x": [{"callerid": []}],
        "/maybe": [{}, {"callerid": []}],
        "/default": None,
    }
    rows = {row.template: row.sources for row in access_map(app).rows}
    assert (rows["/a/x"], rows["/default"]) == (("table",), ("default",))


def test_a_starlette_application_beneath(guard: Guard) -> None:
    async def endpoint(request: Any) -> PlainTextResponse:
        return PlainTextResponse(str(request.state.caller))

    app = tabled({"/s/{user_id}": OWNER}, guard=guard)
    app.mount("/s", Starlette(routes=[Route("/{user_id}", endpoint)]))
    assert statuses(app, "/s/ada", None, "ben", "ada") == [401, 403, 200]


if HAS_FRONTENDS:

    def test_frontends(tmp_path: Path, guard: Guard) -> None:
        for name in ("index.html", "secret.html"):
            (tmp_path / name).write_text(name)
        app = tabled({"/ui/*": Public(), "/ui/secret.html": STAFF}, guard=guard, default=OTHERS)
        router = APIRouter()
        router.frontend("/ui", directory=tmp_path)
        app.include_router(router)
        start(app)
        assert statuses(app, "/ui/index.html", *STRANGERS) == [200] * 4
        assert statuses(app, "/ui/secret.html", *STRANGERS) == [401, 403, 403, 200]
        assert statuses(app, "/ui/x//secret.html", *STRANGERS) == [400] * 4
        assert status(app, "/nowhere") == 401

    def test_a_frontend_with_a_rule_is_not_asked_for_another_entry(tmp_path: Path) -> None:
        (tmp_path / "secret.html").write_text("secret")
        app, guard = closed(Public(), routes={"/ui/secret.html": STAFF})
        router = APIRouter(dependencies=[guard.allow(OTHERS | STAFF)])
        router.frontend("/ui", directory=tmp_path)
        app.include_router(router)
        assert statuses(app, "/ui/secret.html", *STRANGERS) == [401, 403, 403, 200]
        assert statuses(app, "/ui/./secret.html", *STRANGERS) == [400] * 4


if KEEPS_INCLUDES:

    def test_an_included_plain_route_is_under_its_includes_rules_and_the_table(guard: Guard) -> None:
        async def plain(request: Any) -> PlainTextResponse:
            return PlainTextResponse("plain")

        app = tabled({"/plain": OTHERS | ROBOTS}, guard=guard)
        router = APIRouter(dependencies=[guard.allow(OTHERS | STAFF)])
        router.add_route("/plain", plain)
        app.include_router(router)
        assert statuses(app, "/plain", *STRANGERS) == [401, 200, 403, 403]

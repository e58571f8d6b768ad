"""FastAPI's private names: one test fails when a release renames one, the others show that this would open nothing."""

from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import fastapi
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.utils import get_dependant
from fastapi.responses import PlainTextResponse
from fastapi.routing import APIRoute

from callerid import Caller, ConfigurationError, Domain, FirebaseUser, PathParam, Public, Rule
from callerid.fastapi import _included as reading
from tests.fixtures import OTHERS, STAFF

from .world import HAS_FRONTENDS, KEEPS_INCLUDES, closed, dial, new_guard, start, status, statuses

VERSION = tuple(int(part) for part in fastapi.__version__.split(".")[:2])
CALLERS = (None, "staff", "outsider", "robot", "ada@gmail.com", "u1")


def test_the_names_that_are_used_are_there() -> None:
    app = FastAPI()
    app.add_api_route("/x", lambda: None)
    (route,) = (route for route in app.routes if isinstance(route, APIRoute))
    for name in ("call", "dependencies", "path_params", "query_params", "header_params", "cookie_params"):
        assert hasattr(route.dependant, name), name
    assert get_dependant(path="", call=test_the_names_that_are_used_are_there).dependencies == []
    assert vars(APIRouter)["matches" if VERSION >= (0, 137) else "include_router"]
    if VERSION < (0, 137):
        assert reading.INCLUDED is None
        return
    assert all(hasattr(reading.INCLUDED, name) for name in reading._NAMES)
    assert "handle" in vars(APIRouter)
    router = APIRouter()
    router.add_api_route("/y", lambda: None)
    router.add_route("/plain", lambda _: PlainTextResponse())
    app.include_router(router)
    included: Any = app.routes[-1]
    assert reading.is_included(included)
    assert included.original_router is router
    assert included.include_context.dependencies == []
    api, plain = included.effective_candidates()
    assert api.original_route is router.routes[0]
    assert api.dependant.dependencies == []
    assert plain.starlette_route.path == "/plain"
    if VERSION < (0, 139):
        return
    assert callable(getattr(router, reading._MATCH_FRONTEND))
    assert router._low_priority_routes == []
    assert included.effective_low_priority_routes() == []


PATHS = (
    "/direct",
    "/in/api",
    "/in/plain",
    "/in/parameter",
    "/in/decorated",
    "/in/public",
    "/in/deeper/api",
    "/in/deeper/plain",
    "/ruled/api",
    "/ruled/plain",
    "/users/u1",
    "/nowhere",
)


def application(default: Rule, *, has_rules_inside: bool) -> FastAPI:
    """Rules inside of included routers are a start-up error where those are not seen."""
    app, guard = closed(default)
    app.add_api_route("/direct", lambda: None)

    def user(user_id: str, caller: Annotated[Caller, guard.allow(FirebaseUser(PathParam("user_id")))]) -> None: ...
    def parameter(caller: Annotated[Caller, guard.allow(OTHERS)]) -> None: ...

    def router(**options: Any) -> APIRouter:
        made = APIRouter(**options)
        made.add_api_route("/api", lambda: None)
        if KEEPS_INCLUDES:
            made.add_route("/plain", lambda _: PlainTextResponse("plain"))
        return made

    plain = router()
    if has_rules_inside:
        plain.add_api_route("/parameter", parameter)
        plain.add_api_route("/decorated", guard.allow(OTHERS)(lambda: None))
        plain.add_api_route("/public", guard.allow(Public())(lambda: None))
        plain.include_router(router(dependencies=[guard.allow("user:ada@gmail.com")]), prefix="/deeper")
        users = APIRouter()
        users.add_api_route("/users/{user_id}", user)
        app.include_router(users)
    app.include_router(plain, prefix="/in")
    app.include_router(router(), prefix="/ruled", dependencies=[guard.allow(OTHERS)])
    return app


def served(app: FastAPI) -> set[tuple[str, str | None]]:
    return {(path, who) for path in PATHS for who in CALLERS if status(app, path, who) in (200, 404)}


HIDDEN: dict[str, Any] = {
    "the class": lambda patch: patch.setattr(reading, "INCLUDED", None),
    "a method": lambda patch: patch.setattr(reading, "_names_of", attrgetter(*reading._NAMES, "renamed")),
    "frontends": lambda patch: patch.setattr(reading, "_MATCH_FRONTEND", "renamed"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("default", [STAFF, OTHERS, Public(), Public() | STAFF], ids=str)
@pytest.mark.parametrize("has_rules_inside", [False, True])
def test_hidden_names_let_nobody_in_whom_the_rules_refuse(
    has_rules_inside: bool, name: str, default: Rule, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = served(application(default, has_rules_inside=has_rules_inside))
    HIDDEN[name](monkeypatch)
    hidden = served(application(default, has_rules_inside=has_rules_inside))
    assert hidden <= expected
    if not has_rules_inside and isinstance(default, Domain):
        assert hidden


if KEEPS_INCLUDES:

    def test_rules_inside_of_routers_are_a_start_up_error_where_names_are_hidden(
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        HIDDEN["a method"](monkeypatch)
        with pytest.raises(ConfigurationError, match="routes or routers in it have rules of their own"):
            start(application(STAFF, has_rules_inside=True))


@pytest.mark.parametrize("name", ["the class", "a method"])
def test_an_open_default_is_refused_where_names_are_hidden(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    HIDDEN[name](monkeypatch)
    app = application(Public(), has_rules_inside=False)
    app.add_route("/copied", lambda _: PlainTextResponse("plain"))
    if KEEPS_INCLUDES or name == "the class":
        with pytest.raises(ConfigurationError, match="open default"):
            start(app)
        assert statuses(app, "/copied", None, "staff") == [500, 500]


@pytest.mark.parametrize("rule", ["parameter", "decorator"])
def test_an_endpoint_whose_parameters_are_not_seen_is_never_served_against_its_rule(rule: str) -> None:
    app, guard = closed(OTHERS)
    allow = guard.allow(FirebaseUser(PathParam("user_id")))
    seen: list[int] = []

    def by_parameter(user_id: int, caller: Annotated[Caller, allow]) -> None:
        seen.append(user_id)

    def by_decorator(user_id: int) -> None:
        seen.append(user_id)

    app.add_api_route("/users/{user_id}", by_parameter if rule == "parameter" else allow(by_decorator))
    (route,) = (route for route in app.routes if isinstance(route, APIRoute))
    del route.dependant
    for who in (None, "u1", "042", "42", "outsider"):
        for path in ("/users/042", "/users/42", "/users/u1"):
            assert status(app, path, who) in (401, 403, 500)
    assert seen == []


def test_an_endpoint_whose_parameters_are_not_seen_is_not_open_by_default() -> None:
    app, _guard = closed(Public())
    app.add_api_route("/x", lambda: None)
    (route,) = (route for route in app.routes if isinstance(route, APIRoute))
    del route.dependant
    with pytest.raises(ConfigurationError, match="open default"):
        start(app)
    assert status(app, "/x") == 500


if HAS_FRONTENDS:

    @pytest.mark.parametrize(
        ("default", "unseen"),
        [(STAFF, [401, 403, 403, 404]), (OTHERS, [401, 404, 403, 403]), (Public(), [404, 404, 404, 404])],
        ids=str,
    )
    def test_a_frontend_under_a_hidden_name_is_not_found_under_the_default(
        default: Rule, unseen: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "index.html").write_text("file")
        app, guard = closed(default)
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.frontend("/", directory=tmp_path)
        app.include_router(router)
        callers = (None, "outsider", "robot", "staff")
        assert statuses(app, "/index.html", *callers) == [401, 403, 403, 200]
        HIDDEN["frontends"](monkeypatch)
        assert statuses(app, "/index.html", *callers) == unseen


def test_a_websocket_route_whose_parameters_are_not_seen_is_not_open_by_default() -> None:
    guard = new_guard()
    app = FastAPI()
    guard.protect(app, default=Public())

    @app.websocket("/ws")
    async def endpoint(websocket: fastapi.WebSocket) -> None:
        await websocket.accept()

    del app.routes[-1].dependant  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="open default"):
        dial(app, "/ws")

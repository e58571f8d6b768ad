"""What changes while a caller is judged (keys may be fetched then): what was judged is what serves, or nothing is."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.routing import Mount

from callerid import Caller, FirebaseUser, PathParam, Public
from callerid.fastapi import Guard
from tests.fixtures import STAFF

from .world import KEEPS_INCLUDES, ask, closed, status

Change = Callable[[dict[str, Any]], None]


def changing(app: FastAPI, guard: Guard, monkeypatch: pytest.MonkeyPatch, change: Change) -> None:
    """Let the change happen once, in the middle of the next decision."""
    scopes: list[dict[str, Any]] = []

    class Keeping:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            scopes.append(scope)
            await self.app(scope, receive, send)

    app.add_middleware(Keeping)
    judge = guard.judge

    def judge_amid_changes(*args: Any) -> Any:
        monkeypatch.setattr(guard, "judge", judge)
        change(scopes[-1])
        return judge(*args)

    monkeypatch.setattr(guard, "judge", judge_amid_changes)


def owned(guard: Guard, **options: Any) -> APIRouter:
    router = APIRouter(**options)

    @router.get("/users/{user_id}")
    def endpoint(user_id: str, caller: Annotated[Caller, guard.allow(FirebaseUser(PathParam("user_id")))]) -> str:
        return user_id

    return router


@pytest.mark.parametrize("depth", range(3))
def test_a_rewritten_path_does_not_serve_another_users_data(depth: int, monkeypatch: pytest.MonkeyPatch) -> None:
    app, guard = closed()
    router = owned(guard)
    for _ in range(depth):
        outer = APIRouter()
        outer.include_router(router)
        router = outer
    app.include_router(router)

    def rewrite(scope: dict[str, Any]) -> None:
        scope["path"] = "/users/u2"

    changing(app, guard, monkeypatch, rewrite)
    assert ask(app, "/users/u1", "u1").json == "u1"
    assert status(app, "/users/u2", "u1") == 403


def test_path_parameters_put_into_the_scope_are_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    app, guard = closed()
    app.include_router(owned(guard))

    def forge(scope: dict[str, Any]) -> None:
        scope["path_params"] = {"user_id": "u2"}

    changing(app, guard, monkeypatch, forge)
    assert ask(app, "/users/u1", "u1").json == "u1"


@pytest.mark.parametrize("included", [False, True])
def test_a_route_added_meanwhile_is_not_served_unjudged(included: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    app, guard = closed()
    router = APIRouter()
    app.include_router(router)

    def add(_: Any) -> None:
        (router if included else app).add_api_route(
            "/late", lambda: "late", dependencies=[guard.allow("user:a@gmail.com")]
        )

    changing(app, guard, monkeypatch, add)
    assert status(app, "/late", "staff") == 404
    assert status(app, "/late", "staff") == 403 if KEEPS_INCLUDES or not included else 404


def test_a_route_put_first_meanwhile_does_not_take_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    app, guard = closed()
    router = APIRouter()
    router.add_api_route("/x", lambda: "judged", dependencies=[guard.allow(STAFF)])
    app.include_router(router)

    def insert(_: Any) -> None:
        app.add_api_route("/x", lambda: "unjudged", dependencies=[guard.allow("user:a@gmail.com")])
        app.router.routes.insert(0, app.router.routes.pop())

    changing(app, guard, monkeypatch, insert)
    assert ask(app, "/x", "staff").json == "judged"
    assert status(app, "/x", "staff") == 403


def test_routes_taken_away_meanwhile_are_served_as_judged_or_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    app, guard = closed()
    router = APIRouter()
    router.add_api_route("/x", lambda: "x", dependencies=[guard.allow(STAFF)])
    app.include_router(router)

    def clear(_: Any) -> None:
        router.routes.clear()
        app.router.routes.clear()
        app.router.routes.append(Mount("/", app=unjudged))

    async def unjudged(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("unjudged")(scope, receive, send)

    changing(app, guard, monkeypatch, clear)
    assert ask(app, "/x", "staff").body != b"unjudged"


def test_another_router_meanwhile_does_not_take_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    app, guard = closed()
    app.add_api_route("/x", lambda: "judged", dependencies=[guard.allow(STAFF)])
    other = APIRouter()
    other.add_api_route("/x", lambda: "unjudged")

    def replace(_: Any) -> None:
        app.router = other

    changing(app, guard, monkeypatch, replace)
    assert ask(app, "/x", "staff").json == "judged"


if KEEPS_INCLUDES:

    @pytest.mark.parametrize("path", ["/api", "/plain"])
    def test_an_included_route_swapped_in_place_meanwhile_is_not_served(
        path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        app, guard = closed()
        router = APIRouter()
        router.add_api_route("/api", lambda: "judged", dependencies=[guard.allow(STAFF)])
        router.add_route("/plain", lambda _: PlainTextResponse("judged"))
        app.include_router(router)

        async def unjudged(scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("unjudged")(scope, receive, send)

        def swap(_: Any) -> None:
            included: Any = app.router.routes[-1]
            for candidate in included.effective_candidates():
                for route in (candidate, candidate.original_route, candidate.starlette_route):
                    if hasattr(route, "app"):
                        route.app = unjudged

        changing(app, guard, monkeypatch, swap)
        assert ask(app, path, "staff").body != b"unjudged"

    def test_an_include_with_a_stricter_rule_meanwhile_does_not_reach_back(monkeypatch: pytest.MonkeyPatch) -> None:
        app, guard = closed(Public())
        router = APIRouter(dependencies=[guard.allow(STAFF)])
        router.add_api_route("/x", lambda: "x")
        app.include_router(router)

        def add(_: Any) -> None:
            router.dependencies.append(guard.allow("user:bob@example.com"))

        changing(app, guard, monkeypatch, add)
        assert status(app, "/x", "staff") == 200
        assert status(app, "/x", "staff") == 403

"""Routes of a protected application that another one serves past its guard are a problem there, and said to be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route, Router

import callerid
import callerid.starlette
from callerid import Public, asgi, google
from callerid.access import access_map
from tests.access.made import STAFF, new_guard
from tests.access.test_fronts import foreign

WHY = "a guard protects another application that has these routes, and here they are served without it"


async def orders() -> str:
    return "orders"


async def answer(_: Any) -> PlainTextResponse:
    return PlainTextResponse("orders")


def fastapi() -> FastAPI:
    app = FastAPI(openapi_url=None)
    new_guard().protect(app, default=STAFF)
    app.add_api_route("/orders", orders)
    return app


def starlette(*routes: BaseRoute) -> Starlette:
    app = Starlette(routes=[*routes] or [Route("/orders", answer)])
    callerid.starlette.Guard(google("https://a.example.com")).protect(app, default=STAFF)
    return app


def versioned(app: FastAPI) -> FastAPI:
    """As packages do it that give an application's routes versions."""
    parent, version = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
    version.router.routes.extend(app.router.routes)
    parent.mount("/v1", version)
    return parent


def same_list(app: FastAPI) -> FastAPI:
    new = FastAPI(openapi_url=None)
    new.router.routes = app.router.routes
    return new


def included(app: FastAPI) -> FastAPI:
    new = FastAPI(openapi_url=None)
    new.include_router(app.router, prefix="/api")
    return new


def added_again(app: FastAPI) -> FastAPI:
    new = FastAPI(openapi_url=None)
    for route in app.router.routes:
        new.add_api_route("/again", getattr(route, "endpoint"))  # noqa: B009 - a BaseRoute has none
    return new


def problems(app: Any) -> list[str]:
    return [each for each in access_map(app).problems if WHY in each]


@pytest.mark.parametrize(
    ("take", "path"),
    [(versioned, "/v1/orders"), (same_list, "/orders"), (included, "/api/orders"), (added_again, "/again")],
)
def test_an_application_that_takes_over_the_routes_of_a_protected_one(take: Callable[[Any], Any], path: str) -> None:
    old = fastapi()
    new = take(old)
    assert TestClient(new).get(path).status_code == 200
    assert TestClient(old).get("/orders").status_code == 401
    (problem,) = problems(new)
    # Before FastAPI 0.137 an included router's routes were copied, with their prefix.
    assert problem.startswith("/again: " if take is added_again else ("/orders: ", "/api/orders: "))
    assert problem.endswith("call guard.protect on the application that you serve, once it has its routes")
    assert not access_map(old).problems
    new_guard().protect(new, default=STAFF)
    assert TestClient(new).get(path).status_code == 401
    assert not access_map(new).problems


def test_starlettes_routes_and_what_is_mounted_there() -> None:
    old = starlette(
        Route("/orders", answer), Mount("/files", foreign), Mount("/in", Router(routes=[Route("/a", answer)]))
    )
    assert problems(Starlette(routes=old.routes)) == [
        f"/a, /files, /in, /orders: {WHY}: call guard.protect on the application that you serve, once it has its routes"
    ]
    assert problems(Starlette(routes=[Mount("/elsewhere", foreign)]))


def test_many_are_counted() -> None:
    old = starlette(*(Route(f"/{number}", answer) for number in range(7)))
    (problem,) = problems(Starlette(routes=old.routes))
    assert problem.startswith("/0, /1, /2, /3, /4 and 2 more: ")


def test_a_protected_application_that_is_mounted_or_whose_router_serves_keeps_its_guard() -> None:
    old = fastapi()
    for new in (FastAPI(openapi_url=None), Starlette()):
        new.mount("/old", old)
        assert TestClient(new).get("/old/orders").status_code == 401
        assert not problems(new)
    sharing = Starlette()
    sharing.router = old.router
    assert TestClient(sharing).get("/orders").status_code == 401
    assert not problems(sharing)


def test_marks_of_a_protected_application_that_is_mounted_are_enforced_there() -> None:
    guard, old = new_guard(), FastAPI(openapi_url=None)
    guard.protect(old, default=STAFF)
    old.add_api_route("/marked", guard.allow(Public())(lambda: "served"))
    new = FastAPI(openapi_url=None)
    new.mount("/old", old)
    assert TestClient(new).get("/old/marked").status_code == 200
    assert len(access_map(new).problems) == 1  # nothing protects what is around it


def test_other_applications_without_a_guard_are_none() -> None:
    kept = fastapi()
    assert not problems(FastAPI(openapi_url=None))
    assert not problems(Starlette(routes=[Route("/orders", lambda _: PlainTextResponse(""))]))
    assert kept


def test_a_marked_endpoint_that_is_taken_over_answers_500_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    guard, old = new_guard(), FastAPI(openapi_url=None)
    guard.protect(old, default=STAFF)
    old.add_api_route("/marked", guard.allow(STAFF)(lambda: "served"))
    new = versioned(old)
    client = TestClient(new, raise_server_exceptions=False)
    assert client.get("/v1/marked").status_code == 500
    assert (
        "an application that wraps a protected one, or takes its routes over, is not protected by that" in caplog.text
    )


@pytest.mark.parametrize("make", [FastAPI, Starlette])
def test_an_application_that_is_mounted_in_itself_and_has_no_guard(make: Any) -> None:
    app = make()
    app.router.routes.append(Route("/orders", answer))
    app.mount("/self", app)
    assert access_map(app).problems
    guard = callerid.Guard(google("https://a.example.com"))
    gate = asgi.CallerMiddleware(app, guard=guard, default=STAFF, routes={"/self/self/orders": Public(), "/x": STAFF})
    assert [each for each in access_map(gate).problems if "/x" in each]
    assert not [each for each in access_map(gate).problems if "/self" in each]


def test_routers_that_include_each_other_end() -> None:
    one, other = APIRouter(), APIRouter()
    one.routes.append(Mount("/other", other))
    other.routes.append(Mount("/one", one))
    app = FastAPI(openapi_url=None)
    app.mount("/one", one)
    assert len(access_map(app).problems) == 1

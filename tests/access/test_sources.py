"""Where each rule stands, told as it is."""

from __future__ import annotations

from typing import Annotated

import fastapi.routing
import pytest
from fastapi import APIRouter, FastAPI
from flask import Blueprint, Flask
from flask.views import MethodView
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

import callerid.flask
import callerid.starlette
from callerid import Caller, Domain, FirebaseUser, Public, User, google
from callerid.access import access_map
from tests.access.made import STAFF, new_guard

KEEPS_INCLUDES = hasattr(fastapi.routing, "_IncludedRouter")


def sources(app: object) -> dict[str, tuple[str, ...]]:
    found = access_map(app)
    assert found.problems == ()
    return {row.name: row.sources for row in found.rows}


def test_fastapi() -> None:
    guard = new_guard()
    grace = User("grace@example.com")
    app = FastAPI(dependencies=[guard.allow(STAFF)], redoc_url=None)
    guard.protect(app, default=Public(), floor=STAFF, docs=grace, routes={"/tabled": grace})
    router = APIRouter(dependencies=[guard.allow(STAFF)])

    def parameter(caller: Annotated[Caller, guard.allow(STAFF)]) -> None: ...

    parameter.__annotations__["caller"] = Annotated[Caller, guard.allow(STAFF)]
    app.get("/parameter")(parameter)
    app.get("/decorator")(guard.allow(STAFF)(lambda: None))
    app.get("/dependency", dependencies=[guard.allow(STAFF)])(lambda: None)
    app.get("/tabled")(lambda: None)
    router.get("/router")(lambda: None)
    app.include_router(router, dependencies=[guard.allow(STAFF)])
    app.mount("/mount", guard.allow(STAFF)(FastAPI(openapi_url=None)))
    found = sources(app)
    assert found["GET /docs"] == ("floor", "app", "docs")
    assert found["GET /parameter"][:2] == ("floor", "app")
    assert "parameter" in found["GET /parameter"]
    assert "decorator" in found["GET /decorator"]
    assert "dependency" in found["GET /dependency"]
    assert found["GET /tabled"][-1] == "table"
    assert found["* (any other path)"] == ("floor", "default")
    if KEEPS_INCLUDES:
        assert found["GET /router"] == ("floor", "app", "include", "router")


def test_the_rule_of_a_mounted_fastapi_application_as_a_whole_stands_where_it_has_no_route_too() -> None:
    guard = new_guard()
    app, inner = FastAPI(openapi_url=None), FastAPI(openapi_url=None, dependencies=[guard.allow(STAFF)])
    inner.get("/orders")(lambda: None)
    app.mount("/shop", inner)
    guard.protect(app, default=User("grace@example.com"))
    found = sources(app)
    assert found["GET /shop/orders"] == ("app",)
    assert found["* /shop/(any other path)"] == ("app", "default")


@pytest.mark.skipif(not KEEPS_INCLUDES, reason="before FastAPI 0.137 an included router is not kept")
def test_routers_within_routers() -> None:
    guard = new_guard()
    app = FastAPI(openapi_url=None)
    guard.protect(app, default=Public())
    inner, outer = APIRouter(), APIRouter(dependencies=[guard.allow(STAFF)])
    inner.get("/a")(lambda: None)
    outer.include_router(inner, prefix="/inner", dependencies=[guard.allow(STAFF)])
    app.include_router(outer, prefix="/outer")
    assert sources(app)["GET /outer/inner/a"] == ("router", "include")


def test_starlette() -> None:
    guard = callerid.starlette.Guard(google("https://orders.example.com"))

    @guard.allow(STAFF)
    class Endpoint(HTTPEndpoint):
        async def get(self, request: object) -> PlainTextResponse:
            raise AssertionError

    inner = Starlette(routes=[Route("/b", Endpoint)])
    app = Starlette(
        routes=[
            Route("/a", Endpoint, methods=["GET"]),
            Mount("/m", guard.allow(STAFF)(inner)),
            Host("h.example.com", guard.allow(STAFF)(Starlette(routes=[Route("/c", Endpoint, methods=["GET"])]))),
        ]
    )
    guard.protect(app, default=Public())
    inner_guard = callerid.starlette.Guard.like(guard)
    nested = Starlette(routes=[Route("/d", lambda _: PlainTextResponse(""), methods=["GET"])])
    inner_guard.protect(nested, default=STAFF, floor=Domain("example.com"))
    app.mount("/n", nested)
    found = sources(app)
    assert found["GET /a"] == ("decorator",)
    assert found["GET h.example.com/c"] == ("mount", "decorator")
    assert found["GET /n/d"] == ("floor", "default")
    assert any(name.endswith("/m/b") and each == ("mount", "decorator") for name, each in found.items())


def test_flask() -> None:
    guard = callerid.flask.Guard(google("https://orders.example.com"))
    app = Flask(__name__, static_folder=None)
    guard.protect(app, default=Public(), floor=STAFF, routes={"/both": STAFF})

    @guard.allow(STAFF)
    class View(MethodView):
        def get(self) -> str:
            raise AssertionError

    outer = guard.allow(STAFF)(Blueprint("outer", __name__))
    outer.add_url_rule("/both", "view", View.as_view("view"))
    app.register_blueprint(outer)
    assert sources(app) == {
        "GET /both": ("floor", "blueprint", "decorator", "table"),
        "* (any other path)": ("floor", "default"),
    }


def test_weaker_than_the_default_of_ones_own() -> None:
    guard = new_guard()
    app = FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF | FirebaseUser())
    app.get("/a")(guard.allow(FirebaseUser())(lambda: None))
    app.get("/b")(guard.allow(FirebaseUser(anonymous=True))(lambda: None))
    app.get("/c")(guard.allow(Public())(lambda: None))
    assert [(row.template, row.weaker, row.is_open) for row in access_map(app).rows][:3] == [
        ("/a", False, False),
        ("/b", True, False),
        ("/c", True, True),
    ]

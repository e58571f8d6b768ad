"""The framework's own routing, asked what serves: it says so, or that nobody can tell."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router
from werkzeug.routing import BaseConverter

import callerid.flask
import callerid.starlette
from callerid import Public, google
from callerid.access import access_map, locked
from callerid.audit._places import EVERYWHERE, Position, literal_at, places_of
from tests.access.made import STAFF, new_guard
from tests.starlette.world import Diary, Opaque

URL = "https://orders.example.com"


async def answer(_: Any) -> PlainTextResponse:
    raise AssertionError


class Failing(Route):
    def matches(self, scope: Any) -> Any:
        raise RuntimeError


def router_of(app: Any, **options: Any) -> Any:
    guard = callerid.starlette.Guard(google(URL))
    guard.protect(app, default=Public(), **options)
    router = access_map(app).router
    assert router is not None
    return router


def test_what_a_route_that_fails_in_its_own_matching_hides_is_not_told() -> None:
    router = router_of(Starlette(routes=[Route("/first", answer), Failing("/x", answer), Route("/last", answer)]))
    assert [router("GET", "", path) for path in ("/first", "/x", "/last")] == ["GET /first", None, None]


def test_what_is_mounted_deeper_than_anybody_looks_is_not_told() -> None:
    inner = Router([Route("/x", answer)])
    inner.routes.append(Mount("/a", app=inner))
    router = router_of(Starlette(routes=[Mount("/a", app=inner)]))
    assert router("GET", "", "/a/a/x") == "GET /a/x"
    assert router("GET", "", "/a" * 40 + "/x") is None


def test_where_a_path_table_divides_what_is_mounted_the_router_is_not_asked() -> None:
    divided, whole = (Mount(path, app=Opaque(Diary(), "files")) for path in ("/files", "/whole"))
    router = router_of(
        Starlette(routes=[divided, whole]), routes={"/files/*": STAFF, "/files/open/*": Public(), "/whole/*": STAFF}
    )
    found = [router("GET", "", path) for path in ("/files/x", "/files/open/x", "/whole/x")]
    assert found == [None, None, "* /whole"]


class Hiding:
    def __init__(self, app: Any) -> None:
        self._hidden = [app]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError


def test_a_router_behind_middleware_that_hides_it_is_not_told() -> None:
    hidden = Router([Route("/x", answer)], middleware=[Middleware(Hiding)])
    routes = [Mount("/own", app=hidden), Mount("/seen", app=Router([Route("/x", answer)]))]
    router = router_of(Starlette(routes=routes))
    assert [router("GET", "", path) for path in ("/own/x", "/seen/x")] == [None, "GET /seen/x"]


class FailingConverter(BaseConverter):
    def to_python(self, value: str) -> str:
        raise RuntimeError(value)


def flask_app() -> Any:
    app, guard = Flask(__name__), callerid.flask.Guard(google(URL))
    app.url_map.converters["failing"] = FailingConverter

    @app.get("/x/<failing:x>")
    def fails(x: str) -> str:
        raise AssertionError(x)

    @app.get("/quiet", provide_automatic_options=False)
    def quiet() -> str:
        raise AssertionError

    guard.protect(app, default=Public())
    return app


def test_flasks_router_serves_no_sockets_and_a_failing_converter_is_not_told() -> None:
    router = access_map(flask_app()).router
    assert router is not None
    assert router("WS", "", "/quiet") == ""
    assert router("GET", "", "/quiet") == "GET /quiet"
    assert router("GET", "", "/x/1") is None


def test_the_lock_says_where_flask_answers_no_options() -> None:
    serves = f"serves {__name__}:flask_app.<locals>"
    lock = locked(access_map(flask_app()))
    assert f"\nGET /quiet\n  {serves}.quiet\n  without OPTIONS\n  allow Public()\n" in lock
    assert f"\nGET /x/<FailingConverter:x>\n  {serves}.fails\n  allow Public()\n" in lock


def test_no_literal_is_where_the_place_ends() -> None:
    (place,) = places_of("/users/ada")
    assert [literal_at(Position(at, "", ""), place) for at in (0, 1, 2)] == ["users", "ada", None]
    assert literal_at(Position(0, "", ""), EVERYWHERE) is None


def test_a_get_of_fastapis_leaves_head_to_a_route_of_its_own() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=Public())

    @app.head("/{name}")
    @guard.allow(STAFF)
    def head(name: str) -> None:
        raise AssertionError(name)

    @app.get("/{other}")
    def get(other: str) -> None:
        raise AssertionError(other)

    router = access_map(app).router
    assert router is not None
    assert [router(method, "", "/x") for method in ("GET", "HEAD")] == ["GET /{other}", "HEAD /{name}"]
    assert "\nHEAD /{name}\n" in locked(access_map(app))


def test_options_of_ones_own_beside_flasks() -> None:
    app, guard = Flask(__name__), callerid.flask.Guard(google(URL))

    @app.route("/o/<uuid:name>", methods=["OPTIONS"])
    @guard.allow(STAFF)
    def options(name: str) -> str:
        raise AssertionError(name)

    @app.get("/o/<name>")
    def get(name: str) -> str:
        raise AssertionError(name)

    guard.protect(app, default=Public())
    router = access_map(app).router
    assert router is not None
    assert router("OPTIONS", "", f"/o/{UUID(int=1)}") == "OPTIONS /o/<uuid:name>"
    assert router("OPTIONS", "", "/o/ada") == "OPTIONS /o/<name> (automatic)"
    assert router("GET", "", f"/o/{UUID(int=1)}") == "GET /o/<name>"


def test_the_lock_says_where_an_endpoint_class_answers_405() -> None:
    class Orders(HTTPEndpoint):
        async def get(self, request: Any) -> PlainTextResponse:
            raise AssertionError

    app = Starlette(routes=[Route("/orders", Orders)])
    callerid.starlette.Guard(google(URL)).protect(app, default=Public())
    lock, serves = locked(access_map(app)), f"serves {__name__}:{Orders.__qualname__}"
    assert f"\nGET /orders\n  {serves}\n  allow Public()\n" in lock
    assert f"\nHTTP /orders\n  {serves}\n  answers 405\n  allow Public()\n" in lock

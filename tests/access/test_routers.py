"""The framework's own routing, asked what serves: it says so, or that nobody can tell."""

from __future__ import annotations

from typing import Any

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
from callerid.access.places import EVERYWHERE, Position, literal_at
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


def test_a_route_that_fails_in_its_own_matching_is_not_told() -> None:
    assert router_of(Starlette(routes=[Failing("/x", answer)]))("GET", "", "/x") is None


def test_what_is_mounted_deeper_than_anybody_looks_is_not_told() -> None:
    inner = Router([Route("/x", answer)])
    inner.routes.append(Mount("/a", app=inner))
    router = router_of(Starlette(routes=[Mount("/a", app=inner)]))
    assert router("GET", "", "/a/a/x")
    assert router("GET", "", "/a" * 40 + "/x") is None


def test_where_a_path_table_divides_what_is_mounted_the_router_is_not_asked() -> None:
    app = Starlette(routes=[Mount("/files", app=Opaque(Diary(), "files"))])
    router = router_of(app, routes={"/files/*": STAFF, "/files/open/*": Public()})
    assert router("GET", "", "/files/open/x") is None


class Hiding:
    def __init__(self, app: Any) -> None:
        self._hidden = [app]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError


def test_a_router_behind_middleware_that_hides_it_is_not_told() -> None:
    hidden = Router([Route("/x", answer)], middleware=[Middleware(Hiding)])
    router = router_of(Starlette(routes=[Mount("/own", app=hidden)]))
    assert router("GET", "", "/own/x") is None


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
    text = str(locked(access_map(flask_app())))
    assert text.count("without OPTIONS") == 1


def test_no_literal_is_where_the_place_ends() -> None:
    assert literal_at(Position(3, "", ""), EVERYWHERE) is None


def test_a_get_without_head_beside_a_head() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=Public())

    @app.head("/{name}")
    @guard.allow(STAFF)
    def head(name: str) -> None:
        raise AssertionError(name)

    @app.get("/{other}")
    def get(other: str) -> None:
        raise AssertionError(other)

    assert "HEAD /{name}" in str(locked(access_map(app)))


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
    assert "OPTIONS /o/<uuid:name>" in str(locked(access_map(app)))


def test_the_lock_says_where_an_endpoint_class_answers_405() -> None:
    class Orders(HTTPEndpoint):
        async def get(self, request: Any) -> PlainTextResponse:
            raise AssertionError

    app = Starlette(routes=[Route("/orders", Orders)])
    callerid.starlette.Guard(google(URL)).protect(app, default=Public())
    assert "answers 405" in str(locked(access_map(app)))

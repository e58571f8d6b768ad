"""What cannot be right is named, with the remedy."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

import callerid.flask
import callerid.starlette
from callerid import Domain, FirebaseUser, PathParam, Public, ServiceAccount, User, asgi, google, wsgi
from callerid.access import access_map
from callerid.errors import ConfigurationError
from tests.access.made import STAFF, new_guard

ABOVE = "stands above the route's decorator, which serves the bare function: nobody enforces it; put it below"


def flask_guard() -> callerid.flask.Guard:
    return callerid.flask.Guard(google("https://orders.example.com"))


@pytest.mark.parametrize("protected", [True, False])
def test_a_mark_above_the_routes_decorator_in_fastapi(protected: bool) -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    if protected:
        guard.protect(app, default=Public())

    @guard.allow(STAFF)
    @app.get("/secret")
    def secret() -> str:
        return "shown to anybody"

    problems = access_map(app).problems
    expected = "GET /secret: guard.allow(Domain('example.com')) stands above this route's decorator"
    assert (expected if protected else ABOVE) in problems[0]
    assert ("/secret" if protected else "test_problems") in problems[0]
    assert len(problems) == (1 if protected else 2)
    assert secret is not None


def at_module_level(app: Any, guard: Any) -> None:
    """As a decorator does it: the name stands for what is marked."""
    app.get("/secret")(_secret)
    globals()["_secret"] = guard.allow(STAFF)(_secret)


def _secret() -> str:
    return "shown to anybody"


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_mark_above_with_no_guard_installed(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def _secret() -> str:
        return "shown to anybody"

    _secret.__globals__  # noqa: B018 - this module's
    monkeypatch.setitem(globals(), "_secret", _secret)
    app: Any = FastAPI(openapi_url=None) if framework == "fastapi" else Flask(__name__, static_folder=None)
    at_module_level(app, new_guard() if framework == "fastapi" else flask_guard())
    problems = access_map(app).problems
    assert ABOVE in problems[0]
    assert "no guard protects this" in problems[1]
    assert len(problems) == 2


@pytest.mark.parametrize("framework", ["fastapi", "flask"])
def test_a_mark_below_with_no_guard_installed(framework: str) -> None:
    app: Any = FastAPI(openapi_url=None) if framework == "fastapi" else Flask(__name__, static_folder=None)
    guard: Any = new_guard() if framework == "fastapi" else flask_guard()

    def secret() -> str:
        return "shown to nobody"

    app.get("/secret")(guard.allow(STAFF)(secret))
    problems = access_map(app).problems
    assert "secret is marked with Domain('example.com'), and its guard protects nothing here" in problems[0]
    assert "call guard.protect(app, default=...)" in problems[0]


def test_no_guard_at_all() -> None:
    app = Starlette(routes=[Mount("/a", routes=[Route("/b", lambda request: PlainTextResponse("b"))])])
    found = access_map(app)
    assert (found.kind, found.rows) == ("Starlette", ())
    assert found.problems == (
        "no guard protects this Starlette application, so anybody may call it: call guard.protect(app, default=...)",
    )


def test_a_function_may_be_served_with_its_mark_and_without_it() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)

    def shared() -> str:
        return "shared"

    app.get("/a")(shared)
    app.get("/b")(guard.allow(Public())(shared))
    assert access_map(app).problems == ()


def test_another_applications_guard_may_have_marked_it() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)

    def shared() -> str:
        return "shared"

    app.get("/a")(shared)
    FastAPI().get("/b")(new_guard().allow(Public())(shared))
    assert access_map(app).problems == ()


def test_a_mark_above_a_flask_view_is_named() -> None:
    guard, app = flask_guard(), Flask(__name__, static_folder=None)
    guard.protect(app, default=Public())

    @guard.allow(STAFF)
    @app.get("/secret")
    def secret() -> str:
        return "staff only"

    found = access_map(app)
    (problem,) = found.problems
    assert problem.startswith("GET /secret: guard.allow(Domain('example.com')) stands above this route's decorator")
    assert [row.words() for row in found.rows] == ["everybody"]
    assert secret is not None


def test_a_rule_that_admits_nobody_is_named_with_the_others_shown() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    robot = guard.allow(ServiceAccount("a@b.iam.gserviceaccount.com"))
    app.get("/never", dependencies=[guard.allow(STAFF)])(robot(lambda: None))
    app.get("/x/{other}")(guard.allow(FirebaseUser(PathParam("user_id")))(lambda other: None))
    app.get("/fine")(lambda: None)
    found = access_map(app)
    never, unknown = found.problems
    assert "GET /never: this rule can admit nobody" in never
    assert "exclude each other" in never
    assert "GET /x/{other}: PathParam('user_id')" in unknown
    assert [row.template for row in found.rows] == ["/fine", "(any other path)"]


def test_an_entry_that_no_route_answers() -> None:
    guard, app = flask_guard(), Flask(__name__, static_folder=None)
    guard.protect(app, default=STAFF, routes={"/healthy": Public()})
    app.get("/healthz")(lambda: "ok")
    (problem,) = access_map(app).problems
    assert problem.startswith("routes['/healthy']: no route of this application has this path template: ")
    assert problem.endswith("the nearest are '/healthz' (more: callerid explain path-table-key-unknown)")


def test_an_impossible_view_is_named() -> None:
    guard, app = flask_guard(), Flask(__name__, static_folder=None)
    guard.protect(app, default=STAFF, floor=STAFF)
    app.get("/never")(guard.allow(ServiceAccount("a@b.iam.gserviceaccount.com"))(lambda: ""))
    found = access_map(app)
    (problem,) = found.problems  # and none for HEAD
    assert "GET /never: this rule can admit nobody" in problem
    assert [row.sources for row in found.rows] == [("floor", "default")]


def test_marks_behind_the_middleware_alone_are_named() -> None:
    guard = new_guard()
    marked = guard.allow(STAFF)(lambda request: PlainTextResponse(""))
    app = Starlette(
        routes=[Route("/a", marked)],
        middleware=[Middleware(asgi.CallerMiddleware, guard=callerid.Guard.like(guard), default=STAFF)],
    )
    found = access_map(app)
    assert [row.template for row in found.rows] == ["(any other path)"]
    assert len(found.problems) == 1
    assert "its guard protects nothing here" in found.problems[0]


def test_middleware_and_routes_are_both_shown() -> None:
    guard = callerid.starlette.Guard(google("https://orders.example.com"))
    app = Starlette(routes=[Route("/a", guard.allow(User("a@gmail.com"))(lambda request: PlainTextResponse("")))])
    guard.protect(app, default=STAFF, floor=Domain("example.com") | User("a@gmail.com"))
    app.add_middleware(asgi.CallerMiddleware, guard=callerid.Guard.like(guard), default=Public())
    found = access_map(app)
    assert [(row.template, row.sources) for row in found.rows] == [
        ("(any other path) (middleware 1)", ("default",)),
        ("/a", ("floor", "decorator")),
        ("(any other path)", ("floor", "default")),
    ]


@pytest.mark.parametrize("thing", [None, "text", dict, object(), lambda scope, receive, send: None])
def test_what_is_no_application_is_told(thing: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be mapped"):
        access_map(thing)


def test_a_chain_that_bites_its_tail_is_no_application() -> None:
    class Snake:
        app: Any

    snake = Snake()
    snake.app = snake
    with pytest.raises(ConfigurationError, match="Snake cannot be mapped"):
        access_map(snake)


def test_wsgi_of_another_make() -> None:
    guarded = wsgi.CallerMiddleware(lambda environ, start: [], guard=callerid.Guard(google("a")), default=Public())
    found = access_map(guarded)
    assert (found.kind, [row.weaker for row in found.rows]) == ("WSGI", [False])


def test_an_application_mounted_with_its_own_protection_that_would_not_start() -> None:
    guard, inner = (callerid.starlette.Guard(google("https://orders.example.com")) for _ in range(2))

    async def orders(request: object) -> PlainTextResponse:
        return PlainTextResponse("orders")

    own = Starlette(routes=[Route("/orders", inner.allow(User(PathParam("user")))(orders))])
    inner.protect(own, default=Public())
    app = Starlette(routes=[Mount("/{user}", app=own)])
    guard.protect(app, default=Public())
    (problem,) = access_map(app).problems
    assert problem.startswith("/{user}: the application there does not start: /orders: PathParam('user') needs")
    with pytest.raises(ConfigurationError, match="the application there does not start"), TestClient(app):
        raise AssertionError

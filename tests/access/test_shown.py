"""Behind a middleware, the row of a route says all that holds there, as the answers do."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask

import callerid
import callerid.fastapi
import callerid.flask
from callerid import (
    AnyGoogleAccount,
    Domain,
    FirebaseUser,
    Nobody,
    PathParam,
    Public,
    Rule,
    ServiceAccount,
    User,
    asgi,
    wsgi,
)
from callerid.access import AccessMap, Row, access_map, differences, locked
from callerid.audit._forms import as_json, as_markdown, as_table, summary
from callerid.audit._shown import shown
from callerid.testing import LocalIssuer
from tests.access.made import STAFF, new_guard
from tests.access.personas import PERSONAS, SERVICE
from tests.access.test_map_and_answers import Call, of_asgi, of_wsgi

pytestmark = pytest.mark.slow

GRACE = User("grace@example.com")
EVERYBODY_WE_KNOW = STAFF | FirebaseUser(anonymous=True) | AnyGoogleAccount()

RULES: dict[str, Rule | None] = {
    "GET /open": Public(),
    "GET /plain": None,
    "GET /reports": GRACE,
    "POST /reports": STAFF,
    "GET /users/{user_id}/orders": FirebaseUser(PathParam("user_id"), anonymous=True),
    "GET /users/{user_id}/basket": FirebaseUser(anonymous=True),
    "POST /tasks/{name}": ServiceAccount("robot@anybody.iam.gserviceaccount.com"),
    "GET /closed": STAFF,
}
OUTSIDE: dict[str, Rule] = {
    "/open": EVERYBODY_WE_KNOW,
    "GET /reports": STAFF,
    "/users/guest/*": FirebaseUser("ada"),
    "/users/{who}/orders": FirebaseUser(PathParam("who")) | STAFF,
    "/users/*": FirebaseUser(anonymous=True),
    "POST /tasks/*": AnyGoogleAccount(),
    "/closed": Nobody(),
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


def believed(issuer: LocalIssuer) -> Any:
    return issuer.google(SERVICE, "1234-abc.apps.googleusercontent.com"), issuer.firebase("shop-prod")


def of_fastapi(issuer: LocalIssuer, default: Rule = Public()) -> tuple[AccessMap, Call]:  # noqa: B008 - a value
    guard, app = callerid.fastapi.Guard(*believed(issuer)), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    for name, rule in RULES.items():
        method, path = name.split()
        endpoint: Any = lambda: None
        app.add_api_route(path, endpoint if rule is None else guard.allow(rule)(endpoint), methods=[method])
    outer = callerid.Guard.like(guard)
    app.add_middleware(asgi.CallerMiddleware, guard=outer, default=default, routes=OUTSIDE)
    return access_map(app), of_asgi(TestClient(app))


def of_flask(issuer: LocalIssuer, default: Rule = Public()) -> tuple[AccessMap, Call]:  # noqa: B008 - a value
    guard, app = callerid.flask.Guard(*believed(issuer)), Flask(__name__, static_folder=None)
    guard.protect(app, default=STAFF)
    for number, (name, rule) in enumerate(RULES.items()):
        method, path = name.replace("{", "<").replace("}", ">").split()
        view: Any = lambda **_: ""
        marked = view if rule is None else guard.allow(rule)(view)
        app.add_url_rule(path, str(number), marked, methods=[method])
    outer = callerid.Guard.like(guard)
    app.wsgi_app = wsgi.CallerMiddleware(app.wsgi_app, guard=outer, default=default, routes=OUTSIDE)  # type: ignore[method-assign]
    return access_map(app), of_wsgi(app)


def first_for(found: AccessMap, method: str, path: str, named: str) -> Row:
    """As a person reads it: the first row of the route that is for the path."""
    rows = [row for row in shown(found) if row.template == path and method in row.methods]
    return next(row for row in rows if ", at " not in row.name or f"/users/{named}/" in row.name or "{who}" in row.name)


@pytest.mark.parametrize("default", [Public(), STAFF | FirebaseUser(anonymous=True)], ids=str)
@pytest.mark.parametrize("make", [of_fastapi, of_flask])
def test_what_a_row_says_is_what_is_answered(make: Any, default: Rule, issuer: LocalIssuer) -> None:
    found, call = make(issuer, default)
    headers = {name: persona.headers(issuer) for name, persona in PERSONAS.items()}
    said: set[bool] = set()
    for name in RULES:
        method, template = name.split()
        template = template.replace("{", "<").replace("}", ">") if make is of_flask else template
        for named in ("ada", "guest"):
            row = first_for(found, method, template, named)
            path = name.split()[1].replace("{user_id}", named).replace("{name}", "x")
            for who, persona in PERSONAS.items():
                status = call(method, path, headers[who])
                expected = persona.may(row, {"user_id": named, "name": "x"}, time.time())
                assert (status not in (401, 403)) is expected, (who, name, named, status, row)
                said.add(expected)
    assert said == {True, False}


@pytest.mark.parametrize("make", [of_fastapi, of_flask])
def test_it_is_said_in_words_and_where_each_rule_stands(make: Any, issuer: LocalIssuer) -> None:
    found, _ = make(issuer)
    lines = [" ".join(line.split()) for line in as_table(found, lambda text, _: text, 400)]
    orders = "/users/{user_id}/orders" if make is of_fastapi else "/users/<user_id>/orders"
    known = "domain:example.com or firebaseUser or anonymous or allAuthenticatedUsers"
    assert f"GET /open {known} table of middleware 1 and decorator weaker" in lines
    assert "GET /reports domain:example.com and user:grace@example.com table of middleware 1 and decorator" in lines
    assert "POST /reports domain:example.com decorator" in lines
    assert "GET /plain domain:example.com default" in lines
    one, rest = (line for line in lines if line.startswith(f"GET {orders}"))
    assert one.startswith(f"GET {orders}, at /users/guest/* firebaseUser:ada and firebaseUser:{{user_id}}")
    assert "(firebaseUser:{user_id} or domain:example.com) and firebaseUser:{user_id} or anonymous" in rest
    assert f"{found.kind}: 8 routes, 0 open to everybody" in summary(found)
    for row in json.loads(as_json(found))["routes"]:
        assert f"| {row['who']} |" in as_markdown(found)


def test_weaker_is_what_lets_in_whom_both_defaults_refuse(issuer: LocalIssuer) -> None:
    found, _ = of_fastapi(issuer, Nobody())
    assert {row.name for row in shown(found) if row.weaker} >= {"GET /open", "GET /reports", "POST /tasks/{name}"}
    assert not any(row.weaker for row in shown(found) if row.name in ("GET /plain", "POST /reports", "GET /closed"))


def test_what_middleware_lets_by_is_not_open_where_a_route_asks_for_more() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    app.get("/a")(lambda: None)
    outer = callerid.Guard.like(guard)
    app.add_middleware(asgi.CallerMiddleware, guard=outer, default=STAFF, routes={"/a": Public()})
    assert "1 route, 0 open to everybody" in summary(access_map(app))


def test_a_lock_is_as_it_was(issuer: LocalIssuer) -> None:
    found, _ = of_fastapi(issuer)
    assert "GET /reports (middleware 1)" in locked(found)
    assert differences(locked(found), found) == []


def test_of_two_middleware_each_is_named(issuer: LocalIssuer) -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    app.add_api_route("/a/{name}", guard.allow(GRACE)(lambda: None), methods=["GET", "HEAD"])
    inner, outer = ({path: EVERYBODY_WE_KNOW} for path in ("/a/*", "HEAD /a/b"))
    for table in (inner, outer):
        app.add_middleware(asgi.CallerMiddleware, guard=callerid.Guard.like(guard), default=STAFF, routes=table)
    found = access_map(app)
    assert [(row.name, row.sources) for row in shown(found) if row.template.startswith("/a/{name}")] == [
        ("GET /a/{name}", ("default of middleware 1", "table of middleware 2", "decorator")),
        ("HEAD /a/{name}, at /a/b", ("table of middleware 1", "table of middleware 2", "decorator")),
    ]


def test_a_mount_and_the_rest_have_what_holds_at_all_of_them(issuer: LocalIssuer) -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    app.mount("/shop", guard.allow(GRACE)(FastAPI(openapi_url=None)))
    guard.protect(app, default=STAFF)
    table = {"/shop/*": STAFF, "/*": Domain("example.com") | GRACE}
    app.add_middleware(asgi.CallerMiddleware, guard=callerid.Guard.like(guard), default=Nobody(), routes=table)
    rests = {
        row.template: row.sources for row in shown(access_map(app)) if row.is_rest and "middle" not in row.template
    }
    assert rests["/shop/(any other path)"][:1] == ("table of middleware 1",)
    assert rests["(any other path)"] == ("default of middleware 1", "default")


def test_a_route_that_nobody_can_call_is_a_problem() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    app.post("/tasks")(guard.allow(ServiceAccount("queue@shop-prod.iam.gserviceaccount.com"))(lambda: None))
    app.get("/closed")(guard.allow(STAFF)(lambda: None))
    outer = callerid.Guard.like(guard)
    app.add_middleware(asgi.CallerMiddleware, guard=outer, default=STAFF, routes={"/closed": Nobody()})
    (problem,) = access_map(app).problems
    assert problem.startswith(
        "POST /tasks (behind a CallerMiddleware, whose rule must hold, too): this rule can admit nobody"
    )
    assert "Domain('example.com') and ServiceAccount('queue@" in problem

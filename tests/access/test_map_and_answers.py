"""What the map says is what is enforced: every route, called as everybody, over the real application."""

from __future__ import annotations

import functools
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fastapi.routing
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient
from flask import Blueprint, Flask
from starlette.testclient import WebSocketDenialResponse

import callerid.fastapi
import callerid.flask
from callerid import Domain, FirebaseUser, PathParam, Public, Rule, SecondFactor, ServiceAccount, User, asgi, wsgi
from callerid.access import AccessMap, Row, access_map, load
from callerid.audit._rows import ANYWHERE_ELSE
from callerid.rules import Facts
from callerid.testing import LocalIssuer
from tests.access.personas import PERSONAS, SERVICE

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMED = ("ada", "guest")

Call = Callable[[str, str, dict[str, str]], int]


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def example(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    monkeypatch.setenv("GOOGLE_KEYS_URL", issuer.jwks_url("google"))
    monkeypatch.setenv("FIREBASE_KEYS_URL", issuer.pem_url("firebase"))
    sys.modules.pop("app", None)
    yield lambda name: load("app:app", EXAMPLES / name)
    sys.modules.pop("app", None)


def of_asgi(client: TestClient) -> Call:
    def call(method: str, path: str, headers: dict[str, str]) -> int:
        if method != "WS":
            return client.request(method, path, headers=headers, follow_redirects=False).status_code
        try:
            with client.websocket_connect(path, headers=headers):
                return 101
        except WebSocketDenialResponse as denied:
            return denied.status_code

    return call


def of_wsgi(app: Flask) -> Call:
    client = app.test_client()
    return lambda method, path, headers: client.open(path, method=method, headers=headers).status_code


def compare(found: AccessMap, call: Call, issuer: LocalIssuer) -> int:
    """Call everything as everybody; returns how many calls there were."""
    assert found.problems == ()
    headers = {name: persona.headers(issuer) for name, persona in PERSONAS.items()}
    calls = 0
    for row in found.rows:
        for method in row.methods:
            for named in NAMED if row.parameters else NAMED[:1]:
                for name, persona in PERSONAS.items():
                    path, parameters = place(row, named)
                    status = call("GET" if method == "*" else method, path, headers[name])
                    expected = persona.may(row, parameters, time.time())
                    assert (status not in (401, 403)) is expected, (name, method, path, status, row)
                    calls += 1
    return calls


def place(row: Row, named: str) -> tuple[str, dict[str, str]]:
    path = "/nowhere/at/all" if row.template == ANYWHERE_ELSE else row.template
    for name in row.parameters:
        for spelt in (f"{{{name}}}", f"<{name}>", f"<path:{name}>"):
            path = path.replace(spelt, named)
    return path.replace("*", "x"), dict.fromkeys(row.parameters, named)


def test_the_fastapi_example(example: Callable[[str], Any], issuer: LocalIssuer) -> None:
    app = example("fastapi_app")
    with TestClient(app) as client:
        found = access_map(app)
        assert found.kind == "FastAPI"
        assert compare(found, of_asgi(client), issuer) > 200


def test_the_flask_example(example: Callable[[str], Any], issuer: LocalIssuer) -> None:
    app = example("flask_app")
    found = access_map(app)
    assert found.kind == "Flask"
    assert compare(found, of_wsgi(app), issuer) > 200


# --- applications of a hundred routes, generated ---

RULES: tuple[Rule, ...] = (
    Public(),
    Public() | FirebaseUser(),
    Domain("example.com"),
    User("grace@example.com"),
    User("grace@example.com") | User("eve@gmail.com"),
    ServiceAccount("robot@anybody.iam.gserviceaccount.com"),
    FirebaseUser("ada"),
    FirebaseUser(anonymous=True),
    FirebaseUser(PathParam("user_id")),
    Domain("example.com")
    | FirebaseUser(PathParam("user_id"))
    | ServiceAccount("scheduler@shop-prod.iam.gserviceaccount.com"),
    FirebaseUser() & SecondFactor(),
)
WIDE = Domain("example.com") | FirebaseUser(anonymous=True) | User("eve@gmail.com")


def routes(chance: random.Random) -> Iterator[tuple[str, Rule | None, str | None]]:
    for number in range(100):
        rule = chance.choice((*RULES, None))
        may_have_audience = rule is not None and any(each in repr(rule) for each in ("User('gr", "Service"))
        yield f"r{number}", rule, SERVICE if may_have_audience and chance.random() < 0.5 else None


def anything(user_id: str = "") -> dict[str, str]:
    return {"hello": user_id}


def test_a_fastapi_application_of_a_hundred_routes(issuer: LocalIssuer) -> None:
    chance = random.Random(12)
    guard = callerid.fastapi.Guard(
        issuer.google(SERVICE, "1234-abc.apps.googleusercontent.com"), issuer.firebase("shop-prod")
    )
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    table: dict[str, Rule] = {}
    wide, inner, sub = (
        APIRouter(dependencies=[guard.allow(WIDE)]),
        APIRouter(prefix="/inner"),
        FastAPI(openapi_url=None),
    )
    for path, rule, audience in routes(chance):
        target = chance.choice((app, app, wide, inner, sub))
        if rule is not None and not any(map(rule.admits, wide_facts())):
            target = app
        tabled = rule is not None and audience is None and target is app and chance.random() < 0.5
        if tabled and rule is not None:
            table[f"/{path}/{{user_id}}"] = rule
        marked = anything if rule is None or tabled else guard.allow(rule, audience=audience)(anything)
        target.add_api_route(f"/{path}/{{user_id}}", marked, methods=[chance.choice(("GET", "POST"))])
    app.include_router(wide, prefix="/wide")
    app.include_router(inner, dependencies=[guard.allow(WIDE)])
    app.mount("/sub", guard.allow(WIDE)(sub))
    guard.protect(app, default=Domain("example.com"), floor=Public() | WIDE, routes=table)
    found = access_map(app)
    assert len(found.rows) >= 100
    # Before FastAPI 0.137 the rules of routers are among the dependencies of their routes.
    of_routers = {"router", "include"} if hasattr(fastapi.routing, "_IncludedRouter") else {"dependency"}
    sources = {source for row in found.rows for source in row.sources}
    assert sources >= {"decorator", "mount", "table", "default"} | of_routers
    with TestClient(app) as client:
        assert compare(found, of_asgi(client), issuer) > 1000


def wide_facts() -> list[Facts]:
    facts = [Facts(persona.caller, None, {"user_id": "ada"}) for persona in PERSONAS.values()]
    return [each for each in facts if WIDE.admits(each)]


def test_a_flask_application_of_a_hundred_views(issuer: LocalIssuer) -> None:
    chance = random.Random(12)
    guard = callerid.flask.Guard(
        issuer.google(SERVICE, "1234-abc.apps.googleusercontent.com"), issuer.firebase("shop-prod")
    )
    app = Flask(__name__, static_folder=None)
    table: dict[str, Rule] = {}
    wide, plain = guard.allow(WIDE)(Blueprint("wide", __name__, url_prefix="/wide")), Blueprint("plain", __name__)
    for path, rule, audience in routes(chance):
        target = chance.choice((app, wide, plain))
        if rule is not None and not any(map(rule.admits, wide_facts())):
            target = plain
        tabled = rule is not None and audience is None and target is plain and chance.random() < 0.5
        if tabled and rule is not None:
            table[f"/{path}/{{user_id}}"] = rule
        view = functools.partial(anything)  # each is another function
        marked = view if rule is None or tabled else guard.allow(rule, audience=audience)(view)
        target.add_url_rule(f"/{path}/<user_id>", path, marked, methods=[chance.choice(("GET", "POST"))])
    guard.protect(app, default=Domain("example.com"), routes=table, floor=Public() | WIDE)
    app.register_blueprint(wide)
    app.register_blueprint(plain)
    found = access_map(app)
    assert len(found.rows) >= 100
    assert {source for row in found.rows for source in row.sources} >= {"decorator", "blueprint", "table", "default"}
    assert compare(found, of_wsgi(app), issuer) > 1000


TABLE: dict[str, Any] = {
    f"{method}/{number}/{{user_id}}": rule for number, rule in enumerate(RULES) for method in ("", "POST ")
} | {"/rest/*": Public(), "WEBSOCKET /live": FirebaseUser(), "PUT /rest/*": User("grace@example.com")}


def test_any_asgi_application_by_its_table(issuer: LocalIssuer) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = callerid.Guard(issuer.google(SERVICE, "1234-abc.apps.googleusercontent.com"), issuer.firebase("shop-prod"))
    guarded = asgi.CallerMiddleware(app, guard=guard, default=Domain("example.com"), routes=TABLE)
    found = access_map(guarded)
    assert (found.kind, len(found.rows)) == ("ASGI", len(TABLE) + 1)
    assert compare(found, of_asgi(TestClient(guarded)), issuer) > 200


def test_any_wsgi_application_by_its_table(issuer: LocalIssuer) -> None:
    guard = callerid.Guard(issuer.google(SERVICE, "1234-abc.apps.googleusercontent.com"), issuer.firebase("shop-prod"))
    table = {path: rule for path, rule in TABLE.items() if not path.startswith("WEB")}
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/<path:path>", "any", lambda path: path, methods=["GET", "POST", "PUT"])
    app.wsgi_app = wsgi.CallerMiddleware(  # type: ignore[method-assign]
        app.wsgi_app, guard=guard, default=Domain("example.com"), routes=table, floor=Public() | WIDE
    )
    found = access_map(app)
    assert found.kind == "Flask"
    assert {source for row in found.rows for source in row.sources} == {"table and floor", "default and floor"}
    assert compare(found, of_wsgi(app), issuer) > 200

"""Changes of routes that let somebody in who could not before: none of them is answered with \"nobody\"."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from werkzeug.routing import BaseConverter

import callerid.flask
import callerid.starlette
from callerid import (
    AnyGoogleAccount,
    Domain,
    FirebaseUser,
    Guard,
    Nobody,
    PathParam,
    Public,
    Rule,
    ServiceAccount,
    User,
    Via,
    asgi,
    firebase,
    google,
)
from callerid.access import access_map, locked, newcomers
from tests.access.changing import GRACE, URL, found, host, live, mount, route, starlette
from tests.access.made import STAFF, new_guard

STRICT, LAX = route("/users/me", GRACE), route("/users/{id}", STAFF)


CHANGES: dict[str, tuple[Any, Any, str]] = {
    "reordered": (
        starlette(STRICT, LAX),
        starlette(LAX, STRICT),
        "GET /users/me (served by GET /users/{id}): a person of example.com, not user:grace@example.com",
    ),
    "strict one removed": (
        starlette(STRICT, LAX),
        starlette(LAX),
        "GET /users/me (served by GET /users/{id}): a person of example.com, not user:grace@example.com",
    ),
    "the same path twice": (
        starlette(route("/a", GRACE), route("/a", STAFF)),
        starlette(route("/a", STAFF), route("/a", GRACE)),
        "GET /a: a person of example.com, not user:grace@example.com",
    ),
    "the same path by another name": (
        starlette(route("/{a}", GRACE), route("/{b}", STAFF)),
        starlette(route("/{b}", STAFF), route("/{a}", GRACE)),
        "GET /{b}: a person of example.com, not user:grace@example.com",
    ),
    "neither among the other": (
        starlette(route("/{a}/x", GRACE), route("/y/{b}", STAFF)),
        starlette(route("/y/{b}", STAFF), route("/{a}/x", GRACE)),
        "GET /y/x (served by GET /y/{b}): a person of example.com, not user:grace@example.com",
    ),
    "a converter": (
        starlette(route("/u/{id:int}", GRACE), route("/u/{id}", STAFF)),
        starlette(route("/u/{id}", STAFF), route("/u/{id:int}", GRACE)),
        "GET /u/{id:int} (served by GET /u/{id})",
    ),
    "a converter dropped": (
        starlette(route("/u/{id:int}", STAFF), default=Nobody()),
        starlette(route("/u/{id}", STAFF), default=Nobody()),
        "GET /u/{id}: a person of example.com",
    ),
    "a method added": (
        starlette(route("/a", GRACE)),
        starlette(route("/a", GRACE), route("/a", STAFF, "POST")),
        "POST /a: a person of example.com, not user:grace@example.com",
    ),
    "HEAD by itself": (
        starlette(route("/a", GRACE)),
        starlette(route("/a", STAFF, "HEAD"), route("/a", GRACE)),
        "HEAD /a: a person of example.com, not user:grace@example.com",
    ),
    "OPTIONS": (
        starlette(route("/a", GRACE)),
        starlette(route("/a", GRACE), route("/a", Public(), "OPTIONS")),
        "OPTIONS /a: anybody without a credential",
    ),
    "a socket": (
        starlette(route("/a", Public())),
        starlette(route("/a", Public()), live("/a", Public())),
        "WS /a: anybody without a credential, not domain:example.com",
    ),
    "a host": (
        starlette(host("api.example.com", route("/a", GRACE)), route("/a", GRACE)),
        starlette(host("api.example.com", route("/a", STAFF)), route("/a", GRACE)),
        "GET api.example.com/a: a person of example.com, not user:grace@example.com",
    ),
    "a host removed": (
        starlette(host("api.example.com", route("/a", GRACE)), route("/a", STAFF)),
        starlette(route("/a", STAFF)),
        "GET api.example.com/a (served by GET /a): a person of example.com, not user:grace@example.com",
    ),
    "a mount after a route": (
        starlette(mount("/m", route("/a", GRACE)), route("/m/a", STAFF)),
        starlette(route("/m/a", STAFF), mount("/m", route("/a", GRACE))),
        "GET /m/a: a person of example.com, not user:grace@example.com",
    ),
    "a route that a mount hid": (
        starlette(mount("/m", rule=GRACE), route("/m/a", STAFF)),
        starlette(route("/m/a", STAFF), mount("/m", rule=GRACE)),
        "GET /m/a: a person of example.com, not user:grace@example.com",
    ),
    "a mount's rule": (
        starlette(mount("/m", route("/a", None), rule=GRACE)),
        starlette(mount("/m", route("/a", None), rule=STAFF)),
        "GET /m/a: a person of example.com, not user:grace@example.com",
    ),
    "the default": (
        starlette(route("/a", GRACE), default=STAFF),
        starlette(route("/a", GRACE), default=AnyGoogleAccount()),
        "* (any other path): a person with a Google account, not domain:example.com",
    ),
    "a route by the default": (
        starlette(route("/a", GRACE)),
        starlette(route("/a", None)),
        "GET /a: a person of example.com, not user:grace@example.com",
    ),
    "the floor": (
        starlette(route("/a", Domain("example.com")), floor=STAFF | FirebaseUser(), default=STAFF),
        starlette(route("/a", Domain("example.com") | Public()), default=STAFF),
        "GET /a: anybody without a credential",
    ),
    "the path table": (
        starlette(route("/a", None), default=Public(), routes={"/a": STAFF}),
        starlette(route("/a", None), default=Public()),
        "GET /a: anybody without a credential",
    ),
    "the path table's reach": (
        starlette(route("/a/{x}", None), default=Public(), routes={"/a/{x}": STAFF}),
        starlette(route("/a/{x}", None), default=Public(), routes={"POST /a/{x}": STAFF}),
        "GET /a/{x}: anybody without a credential",
    ),
    "a path parameter that stands elsewhere": (
        starlette(route("/{a}/{b}", FirebaseUser(PathParam("a")))),
        starlette(route("/{a}/{b}", FirebaseUser(PathParam("b")))),
        "GET /{a}/{b}: a Firebase user",
    ),
    "a path parameter where a text was": (
        starlette(route("/{a}/{b}", FirebaseUser(PathParam("a")))),
        starlette(route("/x/{a}", FirebaseUser(PathParam("a"))), route("/{a}/{b}", FirebaseUser(PathParam("a")))),
        "GET /x/{a}: a Firebase user",
    ),
    "another part of a segment": (
        starlette(route("/{a}", FirebaseUser(PathParam("a")))),
        starlette(route("/u-{a}", FirebaseUser(PathParam("a"))), route("/{a}", FirebaseUser(PathParam("a")))),
        "GET /u-{a}: a Firebase user",
    ),
    "a slash at the end": (
        starlette(route("/a", GRACE)),
        starlette(route("/a", GRACE), route("/a/", AnyGoogleAccount())),
        "GET /a/: a person with a Google account, not domain:example.com",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_lets_somebody_in(name: str) -> None:
    old, new, said = CHANGES[name]
    assert found(old, old) == []
    assert found(new, new) == []
    told = found(old, new)
    assert any(each.startswith(said) for each in told), told
    assert not any("cannot tell" in each for each in told), told


# --- Flask ---


class Odd(BaseConverter):
    regex = "[13579]"


def flask(*rules: tuple[str, Rule | None, dict[str, Any]], default: Rule = STAFF, **options: Any) -> Flask:
    guard = callerid.flask.Guard(google(URL), firebase("shop-prod"))
    converters = options.pop("converters", {})
    app = Flask(__name__, static_folder=None, **options)
    app.url_map.converters.update(converters)
    guard.protect(app, default=default)
    for number, (path, rule, more) in enumerate(rules):

        def view(**_: Any) -> str:
            raise AssertionError

        app.add_url_rule(path, f"view{number}", view if rule is None else guard.allow(rule)(view), **more)
    return app


FLASK: dict[str, tuple[Any, Any, str]] = {
    "strict one removed": (
        flask(("/users/me", GRACE, {}), ("/users/<id>", STAFF, {})),
        flask(("/users/<id>", STAFF, {})),
        "GET /users/me (served by GET /users/<id>): a person of example.com",
    ),
    "a converter": (
        flask(("/u/<int:id>", GRACE, {}), ("/u/<id>", STAFF, {})),
        flask(("/u/<id>", STAFF, {})),
        "GET /u/<int:id> (served by GET /u/<id>): a person of example.com",
    ),
    "a slash at the end": (
        flask(("/a", STAFF, {}), default=GRACE),
        flask(("/a", STAFF, {"strict_slashes": False}), default=GRACE),
        "GET /a: a person of example.com",
    ),
    "a host": (
        flask(
            ("/a", GRACE, {"host": "one.example.com"}), ("/a", STAFF, {"host": "two.example.com"}), host_matching=True
        ),
        flask(
            ("/a", STAFF, {"host": "one.example.com"}), ("/a", STAFF, {"host": "two.example.com"}), host_matching=True
        ),
        "GET one.example.com/a: a person of example.com",
    ),
    "a method": (
        flask(("/a", GRACE, {}), default=Nobody()),
        flask(("/a", GRACE, {"methods": ["GET", "DELETE"]}), default=Nobody()),
        "DELETE /a: the person grace@example.com",
    ),
    "a converter of the application's own": (
        flask(("/u/<int:id>", GRACE, {}), ("/u/<id>", GRACE, {})),
        flask(("/u/<int:id>", STAFF, {}), ("/u/<id>", GRACE, {}), converters={"int": Odd}),
        "GET /u/<Odd:id>: cannot tell: whether a converter",
    ),
    "a longer way": (
        flask(("/f/<path:p>", GRACE, {}), ("/f/<a>/<b>", STAFF, {})),
        flask(("/f/<path:p>", STAFF, {})),
        "GET /f/<path:p>: a person of example.com",
    ),
}


@pytest.mark.parametrize("name", FLASK)
def test_a_change_of_a_flask_application_that_lets_somebody_in(name: str) -> None:
    old, new, said = FLASK[name]
    assert found(old, old) == []
    assert found(new, new) == []
    told = found(old, new)
    assert any(each.startswith(said) for each in told), told


def test_flask_tries_the_narrower_first_however_they_are_written() -> None:
    one = flask(("/users/me", GRACE, {}), ("/users/<id>", STAFF, {}))
    other = flask(("/users/<id>", STAFF, {}), ("/users/me", GRACE, {}))
    assert found(one, other) == found(other, one) == []
    assert "after" not in locked(access_map(one))


def test_from_flask_to_fastapi() -> None:
    guard, app = new_guard(URL), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    app.get("/users/{uid}")(guard.allow(FirebaseUser(PathParam("uid")))(lambda uid: None))
    old = flask(("/users/<user_id>", FirebaseUser(PathParam("user_id")), {}))
    assert found(old, app) == []


# --- changes that are none ---


def test_a_renamed_endpoint_is_no_access() -> None:
    def another(_: Any) -> PlainTextResponse:
        raise AssertionError

    old = starlette(route("/a", STAFF))
    guard = callerid.starlette.Guard(google(URL), firebase("shop-prod"))
    new = Starlette(routes=[Route("/a", guard.allow(STAFF)(another), methods=["GET"])])
    guard.protect(new, default=STAFF)
    assert found(old, new) == []
    assert "serves tests.access.test_attacks:test_a_renamed_endpoint_is_no_access.<locals>.another" in locked(
        access_map(new)
    )


def test_what_is_taken_away_is_no_access() -> None:
    old = starlette(STRICT, route("/b", GRACE, "GET", "POST"), mount("/m", route("/a", GRACE)))
    assert found(old, starlette(route("/b", GRACE))) == []


def test_a_route_removed_where_something_else_answers() -> None:
    old, new = starlette(route("/a", GRACE)), starlette()

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    new.router.default = proxy
    said = "GET /a (the default holds there now): a person of example.com, not user:grace@example.com"
    assert found(old, new) == [said]
    new = starlette()
    new.add_exception_handler(404, lambda request, error: PlainTextResponse(""))
    assert found(old, new) == [said]
    before, after = flask(("/a", GRACE, {})), flask()
    after.register_error_handler(404, lambda error: "")
    assert found(before, after) == [said]


def test_a_route_removed_where_a_path_table_alone_guards() -> None:
    def gated(**routes: Rule) -> Any:
        guard = Guard(google(URL))
        return asgi.CallerMiddleware(
            lambda *_: None,  # type: ignore[arg-type]
            guard=guard,
            default=STAFF,
            routes={f"/{name}": rule for name, rule in routes.items()},
        )

    assert found(gated(a=GRACE), gated()) == [
        "* /a (the default holds there now): a person of example.com, not user:grace@example.com",
        "WS /a (the default holds there now): a person of example.com, not user:grace@example.com",
    ]
    assert found(gated(a=GRACE), gated(a=GRACE)) == []


def test_literal_ids_where_a_path_names_somebody() -> None:
    old = starlette(route("/users/{id}", FirebaseUser(PathParam("id"))))
    rule = route("/users/{id}", FirebaseUser(PathParam("id")))
    assert found(old, starlette(route("/users/me", FirebaseUser("me")), rule)) == []
    assert len(found(old, starlette(route("/users/me", FirebaseUser("you")), rule))) == 1


def test_a_path_names_accounts_by_their_ids() -> None:
    rule = User(PathParam("id"))
    old = starlette(route("/{id}", rule))
    for name in ("ada@example.com", "me"):
        literal, new = route(f"/{name}", User("ada@example.com")), route("/{id}", rule)
        assert len(found(old, starlette(literal, new))) == 1
    assert found(old, starlette(route("/42", User("42")), route("/{id}", rule))) == []


def test_a_carrier_that_the_path_names() -> None:
    old = starlette(route("/{a}", Via(ServiceAccount(PathParam("a")))))
    assert found(old, starlette(route("/{b}", Via(ServiceAccount(PathParam("b")))))) == []
    assert len(found(old, starlette(route("/{b}", Via(AnyGoogleAccount()))))) == 1


def test_a_lock_that_contradicts_itself_is_no_proof() -> None:
    app = starlette(route("/{a}/x", GRACE), route("/y/{b}", GRACE))
    lock = locked(access_map(app)).replace("GET /{a}/x\n", "GET /{a}/x\n  after GET /y/{b}\n")
    told = list(map(str, newcomers(lock, access_map(starlette(route("/{a}/x", STAFF), route("/y/{b}", GRACE))))))
    assert "GET /y/x: cannot tell: the lock does not say which route goes first" in told


def test_too_many_kinds_of_path_are_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [route(f"/{{a}}/x{number}", GRACE) for number in range(3)]
    monkeypatch.setattr(sys.modules["callerid.audit._newcomers"], "MOST_REGIONS", 2)
    told = found(starlette(*many), starlette(*many, route("/{a}/{b}", GRACE)))
    assert "GET /{a}/{b}: cannot tell: more than 2 kinds of path are told apart there" in told


def test_the_documentation_of_fastapi() -> None:
    def made(docs: Rule) -> FastAPI:
        guard, app = new_guard(URL), FastAPI(redoc_url=None)
        guard.protect(app, default=STAFF, docs=docs)
        return app

    told = found(made(GRACE), made(Public()))
    assert [each.partition(":")[0] for each in told] == ["GET /openapi.json", "GET /docs", "GET /docs/oauth2-redirect"]

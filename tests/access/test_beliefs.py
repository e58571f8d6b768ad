"""Changes of what the guards believe, of what is in front of the routes, and what cannot be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles

import callerid.flask
import callerid.starlette
from callerid import (
    AllOf,
    AnyGoogleAccount,
    FirebaseUser,
    Guard,
    Nobody,
    PathParam,
    Public,
    Rule,
    asgi,
    firebase,
    google,
    wsgi,
)
from callerid.access import access_map, assumed, locked
from callerid.fleet import RedisFleet
from tests.access.changing import GRACE, URL, answer, found, live, route, starlette
from tests.access.made import STAFF

# --- whom the guards believe ---


ANYBODY = AnyGoogleAccount() | FirebaseUser()


def trusting(*issuers: Any, rule: Rule = ANYBODY, **settings: Any) -> Starlette:
    guard = callerid.starlette.Guard(*issuers, **settings)
    app = Starlette(routes=[route("/a", rule)(guard)])
    guard.protect(app, default=Nobody())
    return app


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ([google(URL), firebase("a")], [google(URL, "https://b.example.com"), firebase("a")], "https://b.example.com"),
        ([google(URL)], [google(URL), firebase("a")], "a Firebase user of the project a"),
        ([google(URL), firebase("a")], [google(URL), firebase("b")], "a Firebase user of the project b"),
        ([google(URL), firebase("a")], [google(URL), firebase("a"), firebase("b")], "a Firebase user of the project b"),
    ],
)
def test_another_audience_issuer_or_project(old: list[Any], new: list[Any], said: str) -> None:
    rule = ANYBODY if len(old) > 1 else AnyGoogleAccount()
    # Where two projects are trusted, a rule says whose users it means.
    either = AnyGoogleAccount() | FirebaseUser(project="a") | FirebaseUser(project="b")
    after = trusting(*new, rule=either if len(new) > 2 else ANYBODY)
    (told,) = found(trusting(*old, rule=rule), after)
    assert said in told
    if new[-1] != firebase("b"):
        assert found(after, trusting(*old, rule=rule)) == []


def test_two_issuers_of_one_name_are_told_apart() -> None:
    one, other = google(URL), google("https://b.example.com", keys="http://127.0.0.1:1/keys")
    assert found(trusting(one, other), trusting(one, other)) == []
    assert found(trusting(one, other), trusting(one)) == []
    (told,) = found(trusting(one), trusting(one, other))
    assert "https://b.example.com" in told


def nested(outer: Any, inner: Any, rule: Rule = STAFF) -> Starlette:
    """An application under one guard, and in it another under another."""
    app = starlette()
    guard = callerid.starlette.Guard(*outer)
    inner_guard = callerid.starlette.Guard(*inner)
    below = Starlette(routes=[route("/a", rule)(inner_guard)])
    inner_guard.protect(below, default=Nobody())
    app = Starlette(routes=[route("/b", STAFF)(guard), Mount("/sub", below)])
    guard.protect(app, default=Public())
    return app


def test_guards_that_believe_different_issuers() -> None:
    one, other = google(URL), google("https://b.example.com")
    app = nested([one], [other])
    assert found(app, app) == []
    assert "issuer https://accounts.google.com of guard 2" in locked(access_map(app))
    (told,) = found(app, nested([one], [other, firebase("a")], STAFF | FirebaseUser()))
    assert told == "GET /sub/a: a Firebase user of the project a, not domain:example.com"
    (told,) = found(app, nested([one], [google("https://b.example.com", URL)]))
    assert told.startswith("GET /sub/a: a person of example.com, with a token for https://orders.example.com")
    assert found(app, nested([one], [one]))[0].startswith("GET /sub/a: a person of example.com, with a token for")


def test_where_two_guards_ask_a_token_must_be_good_for_both() -> None:
    def made(*inner: Any) -> Starlette:
        guard, inner_guard = callerid.starlette.Guard(google(URL)), callerid.starlette.Guard(*inner)
        below = Starlette(routes=[route("/a", STAFF)(inner_guard)])
        inner_guard.protect(below, default=Nobody())
        app = Starlette(routes=[Mount("/sub", guard.allow(STAFF)(below))])
        guard.protect(app, default=Nobody())
        return app

    other = "https://b.example.com"
    assert found(made(google(URL)), made(google(URL, other))) == []
    assert found(made(google(other)), made(google(URL, other)))[0].startswith("GET /sub/a: a person of example.com")
    assert found(made(firebase("a"), google(other)), made(google(other))) == []


@pytest.mark.parametrize(("settings", "said"), [({"leeway": 60}, "leeway"), ({"clock": lambda: 1.7e9}, "clock")])
def test_other_settings_cannot_be_told(settings: dict[str, Any], said: str) -> None:
    assert found(trusting(google(URL)), trusting(google(URL), **settings)) == [
        f"GET /a: cannot tell: settings of the guard changed: {said}"
    ]


def test_a_fleet_is_in_the_lock_and_who_leaves_it_out_may_let_in_whom_others_have_revoked() -> None:
    one, shared = trusting(google(URL)), trusting(google(URL), fleet=RedisFleet("redis://:secret@127.0.0.1:1/0"))
    assert found(one, shared) == []
    assert found(shared, shared) == []
    assert found(shared, one) == ["GET /a: cannot tell: settings of the guard changed: fleet"]
    lock = locked(access_map(shared))
    assert "\nguard\n  leeway 30\n  fleet RedisFleet\n" in lock
    assert "secret" not in lock
    assert "fleet" not in locked(access_map(one))


def test_open_to_everybody_is_open_by_whatever_settings() -> None:
    assert found(trusting(google(URL), rule=Public()), trusting(google(URL), rule=Public(), leeway=60)) == []


def test_where_sockets_may_show_their_token_counts_for_sockets() -> None:
    sockets = asgi.WebSockets(protocol="callerid.bearer")
    plain = starlette(live("/l", STAFF), route("/a", STAFF))
    told = found(plain, starlette(live("/l", STAFF), route("/a", STAFF), websockets=sockets))
    assert told == ["WS /l: cannot tell: settings of the guard changed: websocket-protocol callerid.bearer"]
    assert found(plain, starlette(live("/l", STAFF), websockets=asgi.WebSockets(outlive_tokens=True))) != []


# --- what cannot be told ---


class Version(Route):
    def matches(self, scope: Any) -> Any:
        raise AssertionError


class Tall(Rule):
    def __init__(self) -> None:
        self.look_up = object()

    def admits(self, facts: Any) -> bool:
        raise AssertionError

    def __str__(self) -> str:
        return "the tall"


def test_a_rule_of_the_applications_own_whose_state_does_not_show_is_assumed_unchanged() -> None:
    app = starlette(route("/a", Tall()))
    assert found(app, app) == []
    assert assumed(locked(access_map(app)), access_map(app)) == ["the tall (by the hash of its source)"]
    assert found(starlette(), app) == ["GET /a: cannot tell: whom the tall admits, only its code can say"]
    assert found(app, starlette(route("/a", Nobody()))) == []


def test_routes_that_look_at_more_than_paths() -> None:
    def made(one: Rule, other: Rule, rest: Rule = GRACE) -> Starlette:
        guard = callerid.starlette.Guard(google(URL))
        endpoints = [guard.allow(rule)(answer) for rule in (one, other, rest)]
        app = Starlette(
            routes=[*(Version("/a", each, methods=["GET"]) for each in endpoints[:2]), Route("/{x}", endpoints[2])]
        )
        guard.protect(app, default=Nobody())
        return app

    app = made(GRACE, STAFF)
    assert found(app, app) == []
    assert found(app, made(GRACE, GRACE)) == []
    assert any("only its code can say" in each for each in found(app, made(GRACE, AnyGoogleAccount())))
    assert any("only its code can say" in each for each in found(app, made(STAFF, STAFF)))


def test_a_mounted_application_that_nobody_can_look_into() -> None:
    async def opaque(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    async def another(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError

    def made(rule: Rule, inner: Any = opaque) -> Starlette:
        return starlette(lambda guard: Mount("/shop", guard.allow(rule)(inner)))

    assert found(made(STAFF), made(STAFF)) == []
    assert assumed(locked(access_map(made(STAFF))), access_map(made(STAFF))) == [
        (
            "what is mounted at * /shop (by its name, tests.access.test_beliefs:"
            "test_a_mounted_application_that_nobody_can_look_into.<locals>.opaque)"
        )
    ]
    assert found(made(STAFF), made(Nobody())) == []
    (told,) = found(made(STAFF), made(STAFF, another))
    assert told == ("* /shop: cannot tell: what was mounted there decided by itself who may, and it is another one now")
    assert found(made(STAFF), made(Nobody(), another)) == []
    assert found(made(GRACE), made(STAFF))[0] == "* /shop: a person of example.com, not user:grace@example.com"
    files = StaticFiles(directory=".", check_dir=False)
    assert found(made(STAFF, files), made(STAFF, files)) == []
    assert any(row.is_opaque for row in access_map(made(STAFF)).rows)


# --- middleware in front of routes ---

OPEN = Public()


def fronted(routes: dict[str, Rule], *own: Callable[[Any], Any], default: Rule = OPEN) -> Starlette:
    app = starlette(*own, default=Public())
    app.add_middleware(asgi.CallerMiddleware, guard=Guard(google(URL)), default=default, routes=routes)
    return app


def test_what_a_middleware_asks_holds_beside_the_routes_rules() -> None:
    app = fronted({"/a": STAFF}, route("/a", GRACE), route("/b", GRACE))
    assert found(app, app) == []
    assert found(app, fronted({"/a": STAFF}, route("/a", STAFF), route("/b", GRACE))) == [
        "GET /a: a person of example.com, not user:grace@example.com"
    ]
    # A route whose rule is wider than what stands in front of it lets in nobody else.
    assert found(app, fronted({"/a": GRACE}, route("/a", STAFF), route("/b", GRACE))) == []
    assert found(fronted({"/a": STAFF}, route("/a", Public())), fronted({}, route("/a", Public()))) == [
        "GET /a: anybody without a credential, not domain:example.com"
    ]
    assert found(fronted({}, route("/a", Public()), default=STAFF), starlette(route("/a", Public())))[-1].startswith(
        "GET /a: anybody without a credential, not domain:example.com"
    )


def test_an_entry_of_a_middleware_that_no_route_answers_is_a_problem() -> None:
    (problem,) = access_map(fronted({"/a": STAFF, "/typo": STAFF}, route("/a", GRACE))).problems
    assert problem.startswith("routes['/typo']: no route of this application answers there")
    (problem,) = access_map(fronted({"POST /a": STAFF, "HEAD /a": STAFF}, route("/a", GRACE))).problems
    assert problem.startswith("routes['POST /a']")
    assert access_map(fronted({"/m/*": STAFF}, lambda guard: Mount("/m", StaticFiles(check_dir=False)))).problems == ()


def test_an_entry_for_what_answers_unknown_paths_is_none() -> None:
    app = fronted({"/spa/*": STAFF}, route("/a", GRACE))
    app.add_exception_handler(404, lambda request, error: PlainTextResponse(""))
    assert access_map(app).problems == ()


def test_an_entry_for_paths_with_a_prefix_that_is_cut_off_is_none() -> None:
    plain, table = Starlette(routes=[Route("/a", lambda _: PlainTextResponse(""))]), {"/api/*": STAFF, "/a": GRACE}
    gate = asgi.CallerMiddleware(plain, guard=Guard(google(URL)), default=STAFF, routes=table, root_path="/api")
    found = access_map(gate)
    assert not found.problems
    said = "the application cuts /api off paths: where one begins with it, the entries for both forms must admit"
    assert found.unseen == (said,)
    table |= {"/api/typo": STAFF}
    gate = asgi.CallerMiddleware(plain, guard=Guard(google(URL)), default=STAFF, routes=table, root_path="/api")
    assert [problem.partition(":")[0] for problem in access_map(gate).problems] == ["routes['/api/typo']"]


def test_entries_in_front_of_an_application_without_a_guard() -> None:
    table: dict[str, Rule] = dict.fromkeys(("/a/*", "/typo", "WEBSOCKET /live", "/m/x", "GET /f/{p}/x"), STAFF)

    async def endpoint(*_: Any) -> None:
        raise AssertionError

    guard = Guard(google(URL))
    routes = [
        Route("/a/{x}", endpoint),
        Mount("/m", Router(routes=[Route("/x", endpoint)])),
        Route("/f/{p:path}", endpoint),
        WebSocketRoute("/live", endpoint),
    ]
    plain = Starlette(routes=routes)
    assert access_map(asgi.CallerMiddleware(plain, guard=guard, default=STAFF, routes=table)).problems == (
        "routes['/typo']: no route of this application answers there: correct the path or the method",
    )
    plain.router.default = endpoint
    assert access_map(asgi.CallerMiddleware(plain, guard=guard, default=STAFF, routes=table)).problems == ()
    api = FastAPI(docs_url=None)
    inner = APIRouter()
    inner.get("/b")(lambda: None)
    api.include_router(inner, prefix="/a")
    table = {"/a/b": STAFF, "/c": STAFF}
    problems = access_map(asgi.CallerMiddleware(api, guard=guard, default=STAFF, routes=table)).problems
    assert len(problems) == 1
    assert problems[0].startswith("routes['/c']")
    app: Any = Flask(__name__, static_folder=None)
    app.get("/a/<x>")(lambda x: None)
    app.wsgi_app = wsgi.CallerMiddleware(app.wsgi_app, guard=guard, default=STAFF, routes=table)
    assert [each[:12] for each in access_map(app).problems] == ["routes['/c']"]
    app.register_error_handler(404, lambda error: "")
    assert access_map(app).problems == ()


def test_an_issuer_that_is_not_as_usual() -> None:
    usual = google(URL)
    for odd in (
        replace(usual, algorithm="ES256"),
        replace(usual, locations=usual.locations[:1]),
        replace(usual, accepted_iss=usual.accepted_iss | {"https://other.example.com"}),
    ):
        assert found(trusting(odd, rule=STAFF), trusting(odd, rule=STAFF)) == []
        assert found(trusting(odd, rule=STAFF), trusting(usual, rule=STAFF)) == [
            "GET /a: cannot tell: the keys or settings of https://accounts.google.com changed"
        ]


def test_who_could_not_come_in_as_a_caller_may_still_carry_a_call() -> None:
    def made(outer: str, rule: Rule) -> Starlette:
        guard, inner_guard = (callerid.starlette.Guard(google(each), firebase("a")) for each in (outer, URL))
        below = Starlette(routes=[route("/a", STAFF | FirebaseUser())(inner_guard)])
        inner_guard.protect(below, default=Nobody())
        app = Starlette(routes=[Mount("/sub", guard.allow(rule)(below))])
        guard.protect(app, default=Nobody())
        return app

    told = found(made("https://b.example.com", STAFF | FirebaseUser()), made(URL, STAFF | FirebaseUser()))
    assert len(told) == 1
    assert told[0].startswith("GET /sub/a: a person of example.com")


def test_too_much_that_cannot_be_told() -> None:
    def made(rule: Rule) -> Starlette:
        guard = callerid.starlette.Guard(google(URL))
        endpoint = guard.allow(rule)(answer)
        app = Starlette(routes=[Version("/a", endpoint, methods=["GET"]) for _ in range(8)])
        guard.protect(app, default=Nobody())
        return app

    app = made(GRACE)
    assert any("only its code can say" in each for each in found(app, made(STAFF)))


class Odd(Convertor[str]):
    regex = "[13579]"

    def convert(self, value: str) -> str:
        raise AssertionError

    def to_string(self, value: str) -> str:
        raise AssertionError


def test_a_converter_of_the_applications_own() -> None:
    register_url_convertor("odd", Odd())
    rule = FirebaseUser(PathParam("id"))
    app = starlette(route("/{n:odd}/{id}", rule), route("/{x}/{id}", GRACE))
    assert "GET /{n:Odd}/{id}\n" in locked(access_map(app))
    assert found(app, app) == []
    told = found(app, starlette(route("/{n:odd}/{id}", rule), route("/{x}/{id}", STAFF)))
    assert [each.partition(", only")[0] for each in told] == [
        "GET /{x}/{id}: cannot tell: whether a converter or a route of the application's own takes a path"
    ]
    assert found(app, starlette(route("/{x}/{id}", GRACE))) != []


class Whatever(BaseRoute):
    def matches(self, scope: Any) -> Any:
        raise AssertionError


def test_a_route_of_the_applications_own() -> None:
    app = starlette(lambda _: Whatever(), route("/a", GRACE))
    assert "GET (Whatever)\n  opaque\n" in locked(access_map(app))
    assert found(app, app) == []
    assert any("cannot tell" in each for each in found(starlette(route("/a", GRACE)), app))


def test_no_token_may_be_for_two_audiences_below_a_mount() -> None:
    guard, own = callerid.starlette.Guard(google(URL)), callerid.starlette.Guard(google(URL))
    below = Starlette(routes=[route("/a", STAFF)(own)])
    own.protect(below, default=Nobody())
    inner = Starlette(routes=[Mount("/n", guard.allow(STAFF, audience="https://a.example.com")(below))])
    app = Starlette(routes=[Mount("/m", guard.allow(STAFF, audience="https://b.example.com")(inner))])
    guard.protect(app, default=Public())
    found_ = access_map(app)
    assert any("no audience is in all of" in problem for problem in found_.problems)
    assert [row.rule for row in found_.rows if row.template == "/m/n/(any other path)"] == [AllOf(Nobody())]

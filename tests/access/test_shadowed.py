"""Routes that never serve, or not at all of their paths, are said to: by the framework's own routing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

import callerid.flask
import callerid.starlette
from callerid import Domain, Public, Rule, User, google
from callerid.access import AccessMap, access_map
from callerid.audit._forms import as_json, as_markdown, as_table, summary
from tests.access.made import STAFF, new_guard, small

GRACE = User("grace@example.com")


def plain(text: str, _: str) -> str:
    return text


def notes(found: AccessMap) -> dict[str, str]:
    """The last column of the table, which has every row once."""
    lines = as_markdown(found).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {name.strip("`"): note for name, _, _, note in cells}


def table_of(found: AccessMap) -> str:
    return " ".join(" ".join(as_table(found, plain)).split())


def test_a_route_that_another_one_covers_is_printed_as_never_served_and_its_rule_is_a_problem() -> None:
    app = small({"GET /{page}": Public(), "GET /admin": GRACE, "POST /admin": GRACE})
    found = access_map(app)
    assert notes(found)["GET /admin"] == "never served: GET /{page} comes first"
    assert notes(found)["POST /admin"] == "weaker"
    (problem,) = found.problems
    assert problem == (
        "GET /admin is never served, so its rule is never asked: GET /{page} comes first; put it before that, or "
        "delete it"
    )
    assert "1 open to everybody, 1 weaker than the default (somebody may whom it refuses), 1 never served" in summary(
        found
    )
    rows = {row["methods"][0] + " " + row["path"]: row for row in json.loads(as_json(found))["routes"]}
    assert (rows["GET /admin"]["never_served"], rows["GET /admin"]["first"]) == (True, ["GET /{page}"])
    assert (rows["POST /admin"]["never_served"], rows["POST /admin"]["first"]) == (False, [])
    assert max(map(len, as_table(found, plain))) <= 120


def test_methods_of_one_route_are_told_apart() -> None:
    guard, app = new_guard(), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    app.add_api_route("/{page}", guard.allow(Public())(lambda page: page), methods=["GET"])
    app.add_api_route("/admin", guard.allow(GRACE)(lambda: "secret"), methods=["GET", "POST"])
    assert notes(access_map(app))["GET /admin"] == "never served: GET /{page} comes first"
    assert notes(access_map(app))["POST /admin"] == "weaker"


@pytest.mark.parametrize(
    ("first", "second"),
    [("/users/me", "/users/{uid}"), ("/a/{n:int}", "/a/{x}"), ("/{x}/b", "/b/{y}"), ("/a", "/b"), ("/a", "/a/")],
)
def test_what_serves_at_some_paths_is_none_of_them(first: str, second: str) -> None:
    found = access_map(small({f"GET {first}": Public(), f"GET {second}": GRACE}))
    assert not found.problems
    assert "never served" not in as_markdown(found)


@pytest.mark.parametrize("rule", [STAFF, Public()])
def test_a_route_without_a_rule_that_differs_is_no_problem(rule: Rule) -> None:
    app = small({"GET /{page}": rule})
    app.add_api_route("/admin", lambda: "", methods=["GET"])
    found = access_map(app)
    assert notes(found)["GET /admin"] == "never served: GET /{page} comes first"
    assert not found.problems


def test_where_two_are_for_one_path_and_neither_is_expected_first_the_later_one_is_partly_served() -> None:
    found = access_map(small({"GET /{x}/b": Public(), "GET /a/{y}": GRACE, "GET /c/{y}": Public()}))
    assert notes(found)["GET /a/{y}"] == "weaker, partly served: GET /{x}/b comes first"
    assert notes(found)["GET /c/{y}"] == "open"  # the same is asked there
    assert "partly served: GET /{x}/b comes first" in table_of(found)
    assert not found.problems
    (row,) = (row for row in json.loads(as_json(found))["routes"] if row["path"] == "/a/{y}")
    assert (row["never_served"], row["first"]) == (False, ["GET /{x}/b"])


def answer(_: Any) -> PlainTextResponse:
    raise AssertionError


async def socket(_: WebSocket) -> None:
    raise AssertionError


async def mounted(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError


class Both(HTTPEndpoint):
    """Answers GET and POST."""

    get = post = lambda self, request: answer(request)


class Picky(Route):
    """Matches by more than paths."""

    def matches(self, scope: Any) -> Any:
        return super().matches(scope)


def starlette(*routes: BaseRoute, table: dict[str, Rule] | None = None) -> AccessMap:
    app = Starlette(routes=[*routes])
    guard = callerid.starlette.Guard(google("https://orders.example.com"))
    guard.protect(app, default=STAFF, routes=table or {})
    return access_map(app)


@pytest.mark.parametrize(
    ("name", "routes"),
    [
        ("GET /m/a", [Mount("/m", Router(routes=[Route("/b", answer)])), Route("/m/a", answer)]),
        ("GET /m/a", [Mount("/m", mounted), Route("/m/a", answer)]),
        ("GET /m/a", [Mount("/m", routes=[Route("/b", answer)]), Mount("/m", routes=[Route("/a", answer)])]),
        ("* /m", [Mount("/m", mounted), Mount("/m", mounted)]),
        ("GET /a", [Route("/{p:path}", answer), Route("/a", answer)]),
        ("WS /a", [WebSocketRoute("/{x}", socket), Route("/a", answer), WebSocketRoute("/a", socket)]),
        ("GET h.example/a", [Host("h.example", Router(routes=[Route("/{x}", answer), Route("/a", answer)]))]),
        ("GET /a, POST /a", [Route("/{x}", Both), Route("/a", Both)]),
        ("GET /b/{x:int}", [Route("/b/{x}", answer), Route("/b/{x:int}", answer)]),
    ],
)
def test_starlettes_own_routing_is_asked(name: str, routes: list[BaseRoute]) -> None:
    shown = notes(starlette(*routes))
    assert [each for each, note in shown.items() if "never served" in note] == name.split(", ")


def test_what_matches_by_code_of_its_own_is_not_said_to_be_never_served() -> None:
    found = starlette(Route("/{x}", answer), Picky("/a", answer))
    assert "never served" not in as_markdown(found)
    found = starlette(Picky("/{x}", answer), Route("/a", answer))
    assert "never served: GET /{x} (Picky 1) comes first" in as_markdown(found)


def test_an_entry_for_a_part_of_a_mount_shadows_as_the_mount_does() -> None:
    found = starlette(Mount("/files", mounted), Route("/files/a", answer), table={"/files/a": GRACE})
    assert notes(found)["GET /files/a"] == "never served: * /files comes first"
    assert notes(found)["* /files/a"] == "weaker, opaque"


def flask(*views: Callable[[Any, Flask], None], **options: Any) -> AccessMap:
    app, guard = Flask("shadows", static_folder=None, **options), callerid.flask.Guard(google("https://a.example.com"))
    guard.protect(app, default=STAFF)
    for each in views:
        each(guard, app)
    return access_map(app)


def view(path: str, rule: Rule | None = None, **options: Any) -> Callable[[Any, Flask], None]:
    def add(guard: Any, app: Flask) -> None:
        def own(**_: Any) -> str:
            raise AssertionError

        name = f"view_{len(app.view_functions)}"
        app.add_url_rule(path, name, own if rule is None else guard.allow(rule)(own), **options)

    return add


def test_werkzeugs_own_routing_is_asked() -> None:
    found = flask(view("/<x>", Public()), view("/<string:y>", GRACE), view("/a", GRACE), view("/<int:n>", GRACE))
    assert {name for name, note in notes(found).items() if "never served" in note} == {"GET /<string:y>"}
    (problem,) = found.problems
    assert problem.startswith(
        "GET /<string:y> is never served, so its rule is never asked: GET /<int:n> and GET /<x> comes"
    )


def test_of_two_views_for_one_path_the_first_serves() -> None:
    found = flask(view("/a", Public()), view("/a", GRACE))
    assert found.problems == (
        "GET /a is never served, so its rule is never asked: GET /a comes first; put it before that, or delete it",
    )
    assert notes(found)["GET /a"] == "never served: GET /a comes first"


def test_a_view_for_options_after_one_that_flask_answers_for_is_never_served() -> None:
    found = flask(view("/a", Public()), view("/a", GRACE, methods=["OPTIONS"]))
    assert notes(found)["OPTIONS /a"] == "never served: OPTIONS /a (automatic) comes first"


def test_several_may_share_the_paths_of_one_that_never_serves() -> None:
    found = flask(view("/<uuid:u>", GRACE), view("/<x>"), view("/<string:y>", Domain("example.org")))
    (problem,) = found.problems
    assert "GET /<uuid:u> and GET /<x> comes first" in problem

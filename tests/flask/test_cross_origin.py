"""flask-cors, the real one: preflights get through, and refusals carry its headers, wherever it stands."""

from __future__ import annotations

import logging
import types
from collections.abc import Callable
from typing import Any

import flask_cors
import pytest
from flask import Blueprint, Flask
from flask.views import MethodView
from flask_cors import CORS, cross_origin

from callerid.flask import Guard
from callerid.flask._cors import cross_origin_of
from tests.fixtures import OTHERS

from .world import Diary, ask, closed, hiding, keeping, status, statuses

ORIGIN = "https://shop.example.com"
ELSEWHERE = "https://evil.example"
PREFLIGHT = {
    "Origin": ORIGIN,
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization",
}
ALLOWED = "Access-Control-Allow-Origin"
OPTIONS: dict[str, Any] = {"origins": [ORIGIN], "max_age": 600}

Setup = Callable[[Flask, Guard, Diary], None]


def decorated_outside(app: Flask, guard: Guard, ran: Diary) -> None:
    app.add_url_rule("/", "x", cross_origin(**OPTIONS)(guard.allow(OTHERS)(ran.view())))


def decorated_inside(app: Flask, guard: Guard, ran: Diary) -> None:
    app.add_url_rule("/", "x", guard.allow(OTHERS)(keeping(cross_origin(**OPTIONS)(ran.view()))))


def decorated_and_tabled(app: Flask, guard: Guard, ran: Diary) -> None:
    made = guard.allow(OTHERS)(Blueprint("made", __name__))
    made.add_url_rule("/", "x", cross_origin(**OPTIONS)(ran.view()))
    app.register_blueprint(made)


def decorated_class(app: Flask, guard: Guard, ran: Diary) -> None:
    class Api(MethodView):
        decorators = (cross_origin(**OPTIONS), guard.allow(OTHERS))  # type: ignore[assignment]

        def get(self) -> str:
            ran.append("view")
            return "view"

    app.add_url_rule("/", view_func=Api.as_view("x"))


def whole_application(app: Flask, guard: Guard, ran: Diary) -> None:
    CORS(app, **OPTIONS)
    app.add_url_rule("/", "x", guard.allow(OTHERS)(ran.view()))


def whole_application_and_methods(app: Flask, guard: Guard, ran: Diary) -> None:
    CORS(app, **OPTIONS)
    app.add_url_rule("/", "x", guard.allow(OTHERS)(ran.view()), methods=["GET", "OPTIONS"])


def whole_blueprint(app: Flask, guard: Guard, ran: Diary) -> None:
    made = guard.allow(OTHERS)(Blueprint("made", __name__))
    CORS(made, **OPTIONS)
    made.add_url_rule("/", "x", ran.view())
    app.register_blueprint(made)


def both(app: Flask, guard: Guard, ran: Diary) -> None:
    CORS(app, origins=[ELSEWHERE])
    decorated_outside(app, guard, ran)


SETUPS = [
    decorated_outside,
    decorated_inside,
    decorated_and_tabled,
    decorated_class,
    whole_application,
    whole_application_and_methods,
    whole_blueprint,
    both,
]


@pytest.fixture(params=SETUPS, ids=lambda setup: setup.__name__)
def app(request: pytest.FixtureRequest, ran: Diary, guard: Guard) -> Flask:
    app = closed(guard)
    request.param(app, guard, ran)
    return app


def test_a_preflight_gets_through_and_runs_no_view(app: Flask, ran: Diary) -> None:
    answer = ask(app, "/", method="OPTIONS", headers=PREFLIGHT)
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers.getlist(ALLOWED) == [ORIGIN]
    assert "GET" in answer.headers["Access-Control-Allow-Methods"]
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
    assert answer.headers["Access-Control-Max-Age"] == "600"
    assert ran == []


def test_from_another_origin_it_gets_no_headers(app: Flask, ran: Diary) -> None:
    answer = ask(app, "/", method="OPTIONS", headers={**PREFLIGHT, "Origin": ELSEWHERE})
    assert answer.headers.getlist(ALLOWED) == []
    assert ran == []


def test_every_answer_carries_the_headers_once(app: Flask, ran: Diary) -> None:
    headers = {"Origin": ORIGIN}
    answers = [ask(app, "/", who, headers=headers) for who in (None, "staff", "outsider")]
    assert [answer.status_code for answer in answers] == [401, 403, 200]
    assert [answer.headers.getlist(ALLOWED) for answer in answers] == [[ORIGIN]] * 3
    assert answers[0].headers["WWW-Authenticate"].startswith("Bearer")
    assert ran == ["view"]


def test_options_that_are_no_preflight_are_judged(app: Flask, ran: Diary) -> None:
    answer = ask(app, "/", method="OPTIONS", headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers.getlist(ALLOWED)) == (401, [ORIGIN])
    assert status(app, "/", method="OPTIONS") == 401
    assert ran == []


def test_a_refusal_in_other_clothes_carries_the_headers(ran: Diary, guard: Guard) -> None:
    app = closed(guard, on_refusal=lambda *_: ("sign in", 401))
    decorated_outside(app, guard, ran)
    answer = ask(app, "/", headers={"Origin": ORIGIN})
    assert (answer.text, answer.headers.getlist(ALLOWED)) == ("sign in", [ORIGIN])


def test_a_decorated_method_of_a_class(ran: Diary, guard: Guard) -> None:
    class Api(MethodView):
        @guard.allow(OTHERS)
        @cross_origin(**OPTIONS)
        def get(self) -> str:
            return "get"

        def post(self) -> str:
            return "post"

    app = closed(guard)
    app.add_url_rule("/", view_func=Api.as_view("x"))
    refused = [ask(app, "/", method=method, headers={"Origin": ORIGIN}) for method in ("GET", "POST")]
    assert [answer.status_code for answer in refused] == [401, 401]
    assert [answer.headers.getlist(ALLOWED) for answer in refused] == [[ORIGIN], []]


@pytest.mark.parametrize("where", ["decorator", "config"])
def test_where_flask_cors_leaves_options_alone_flask_answers(where: str, ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    if where == "config":
        app.config["CORS_AUTOMATIC_OPTIONS"] = False
    options = {**OPTIONS, "automatic_options": False} if where == "decorator" else OPTIONS
    app.add_url_rule("/", "x", cross_origin(**options)(guard.allow(OTHERS)(ran.view())))
    answer = ask(app, "/", method="OPTIONS", headers=PREFLIGHT)
    assert answer.status_code == 200
    assert answer.headers.getlist(ALLOWED) == ([] if where == "decorator" else [ORIGIN])
    assert ran == []


def test_a_view_that_answers_by_itself_inside_does_not_run(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    view = cross_origin(**OPTIONS, automatic_options=False)(ran.view())
    app.add_url_rule("/", "x", view, methods=["GET", "OPTIONS"])
    answer = ask(app, "/", method="OPTIONS", headers=PREFLIGHT)
    assert (answer.status_code, answer.headers.getlist(ALLOWED)) == (200, [ORIGIN])
    assert ran == []


def test_what_cannot_be_read_is_the_views_own_and_told(
    ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app = closed(guard)
    app.add_url_rule("/x", "x", hiding(cross_origin(**OPTIONS)(ran.view())), methods=["GET", "OPTIONS"])
    with caplog.at_level(logging.WARNING, logger="callerid"):
        answer = ask(app, "/x", method="OPTIONS", headers=PREFLIGHT)
    assert (answer.status_code, answer.headers.getlist(ALLOWED)) == (200, [])
    assert caplog.text.count("OPTIONS /x: the view answers OPTIONS by itself") == 1
    assert statuses(app, "/x", None, "staff", headers={"Origin": ORIGIN}) == [401, 200]
    assert ran == ["view"]


def test_a_release_that_hides_what_it_was_given_is_not_read() -> None:
    decorated: Any = cross_origin(**OPTIONS)(lambda: "x")
    assert cross_origin_of(decorated) is not None

    def without_options() -> None: ...

    names = {"__name__": "flask_cors.decorator"}
    assert cross_origin_of(types.FunctionType(without_options.__code__, names)) is None
    without_functions = types.FunctionType(decorated.__code__, names, None, None, decorated.__closure__)
    assert cross_origin_of(without_functions) is None
    assert flask_cors.decorator.__name__ == "flask_cors.decorator"

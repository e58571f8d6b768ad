"""Preflights whose answer is the application's own code: it runs for whom its rule admits, and for nobody else."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, request
from flask.views import MethodView

from callerid import Public
from callerid.flask import Guard
from tests.fixtures import OTHERS, STAFF

from .world import Diary, ask, closed, status, statuses

ORIGIN = "https://shop.example.com"
PREFLIGHT = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
METHODS = ["GET", "OPTIONS"]


def allow_origin(response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = request.headers.get("Origin", "")
    return response


def preflight(app: Flask, path: str = "/", who: str | None = None, **headers: str) -> Any:
    return ask(app, path, who, method="OPTIONS", headers={**PREFLIGHT, **headers})


def test_the_view_does_not_run_and_what_is_answered_in_its_stead_has_the_applications_headers(
    ran: Diary, guard: Guard
) -> None:
    app = closed(guard)
    app.after_request(allow_origin)
    app.add_url_rule("/", "x", guard.allow(OTHERS)(ran.view()), methods=METHODS)
    answer = preflight(app)
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.allow.as_set() == {"get", "head", "options"}
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert ran == []
    refused = ask(app, "/", headers={"Origin": ORIGIN})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)


def test_a_blueprint_may_add_the_headers(ran: Diary, guard: Guard) -> None:
    made = Blueprint("made", __name__, url_prefix="/made")
    made.after_request(allow_origin)
    made.add_url_rule("/own", "own", ran.view(), methods=METHODS)
    made.add_url_rule("/automatic", "automatic", ran.view())
    app = closed(guard)
    app.register_blueprint(guard.allow(OTHERS)(made))
    for path in ("/made/own", "/made/automatic"):
        assert preflight(app, path).headers["Access-Control-Allow-Origin"] == ORIGIN
        refused = ask(app, path, headers={"Origin": ORIGIN})
        assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, ORIGIN)
    assert ran == []


def test_whoever_says_who_they_are_is_judged_by_the_rule(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", guard.allow(OTHERS)(ran.view()), methods=METHODS)
    assert [preflight(app, who=who).status_code for who in ("staff", "outsider")] == [403, 200]
    assert preflight(app, Authorization="Bearer junk").status_code == 401
    assert preflight(app, Authorization="Bearer").status_code == 400
    assert ran == ["view"]


@pytest.mark.parametrize("rule", [Public(), Public() | STAFF])
def test_a_view_that_needs_nobody_runs(rule: Any, ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule(
        "/", "read", guard.allow(STAFF)(ran.view("read")), methods=["GET"], provide_automatic_options=False
    )
    app.add_url_rule("/", "options", guard.allow(rule)(ran.view("options")), methods=["OPTIONS"])
    assert preflight(app).text == "options"
    assert statuses(app, "/", None, "staff") == [401, 200]
    assert ran == ["options", "read"]


def test_a_method_of_a_class(ran: Diary, guard: Guard) -> None:
    class Api(MethodView):
        def get(self) -> str:
            ran.append("get")
            return "get"

        def options(self) -> str:
            ran.append("options")
            return "options"

    app = closed(guard)
    app.add_url_rule("/", view_func=Api.as_view("x"))
    assert preflight(app).status_code == 200
    assert ran == []
    assert preflight(app, who="staff").text == "options"
    Api.options = guard.allow(Public())(Api.options)  # type: ignore[method-assign]
    assert preflight(app).text == "options"


@pytest.mark.parametrize("missing", PREFLIGHT)
def test_without_both_headers_it_is_no_preflight(missing: str, ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", ran.view(), methods=METHODS)
    headers = {name: value for name, value in PREFLIGHT.items() if name != missing}
    assert status(app, "/", method="OPTIONS", headers=headers) == 401
    assert ran == []


def test_a_preflight_is_answered_where_a_route_takes_it(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", ran.view(), provide_automatic_options=False)
    assert preflight(app, "/").status_code == 401
    assert preflight(app, "/unknown").status_code == 401
    assert preflight(app, "/", who="staff").status_code == 405


@pytest.mark.parametrize(
    ("rule", "methods", "told"),
    [
        (STAFF, METHODS, True),
        (Public(), METHODS, False),
        (Public() | STAFF, METHODS, False),
        (STAFF, ["GET"], False),
        (STAFF, ["OPTIONS"], True),
    ],
)
def test_a_view_that_answers_by_itself_is_told_with_the_remedy(
    rule: Any, methods: list[str], told: bool, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app = closed(guard, default=Public())
    app.add_url_rule("/x", "x", guard.allow(rule)(lambda: "x"), methods=methods)
    with caplog.at_level(logging.WARNING, logger="callerid"):
        status(app, "/")
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(":")[0] for line in lines] == (["OPTIONS /x"] if told else [])
    assert all("marked guard.allow(Public())" in line for line in lines)


def test_where_refusals_are_not_enforced_the_view_runs(ran: Diary, guard: Guard) -> None:
    app = closed(guard, enforce=False, until="2999-12-31")
    app.add_url_rule("/", "x", ran.view(), methods=METHODS)
    assert preflight(app).text == "view"

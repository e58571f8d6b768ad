"""What must come of each call is written down for every call."""

from __future__ import annotations

import pytest

from callerid.cli._scenes import CALLERS, INVALID, Outcome, expected, routes_of

APPS = ["fastapi", "flask"]


@pytest.mark.parametrize("app", APPS)
def test_every_call_is_expected(app: str) -> None:
    calls = {(str(route), caller) for route in routes_of(app) for caller in (*CALLERS, *INVALID)}
    assert expected(app).keys() == calls


@pytest.mark.parametrize("app", APPS)
def test_the_rightful_are_expected_to_get_in(app: str) -> None:
    must = expected(app)
    assert not [route for route in routes_of(app) if must[str(route), route.rightful].is_refusal]


@pytest.mark.parametrize("app", APPS)
def test_every_refusal_has_its_reason(app: str) -> None:
    assert all(outcome.is_refusal == (outcome.status in (401, 403)) for outcome in expected(app).values())


def test_the_examples_differ_where_their_frameworks_do() -> None:
    plain, flask = expected(), expected("flask")
    assert {call for call, _ in plain} - {call for call, _ in flask} == {"WS /reports/live", "PUT /products/kite"}
    assert {call for call, _ in flask} - {call for call, _ in plain} == {"GET /reports/live"}
    assert {call for call in plain.keys() & flask.keys() if flask[call] != plain[call]} == {
        ("GET /admin/nowhere", "staff")
    }


def test_an_outcome_is_status_and_reason() -> None:
    assert [str(Outcome(200)), str(Outcome(403, "not_allowed"))] == ["200", "403 not_allowed"]

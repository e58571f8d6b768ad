"""What must come of each call is written down for every call."""

from __future__ import annotations

from callerid.cli.scenes import CALLERS, ROUTES, SPOILT, Outcome, expected


def test_every_call_is_expected() -> None:
    calls = {(str(route), caller) for route in ROUTES for caller in (*CALLERS, *SPOILT)}
    assert expected().keys() == calls


def test_the_rightful_are_expected_to_get_in() -> None:
    must = expected()
    assert not [route for route in ROUTES if must[str(route), route.rightful].is_refusal]


def test_every_refusal_has_its_reason() -> None:
    assert all(outcome.is_refusal == (outcome.status in (401, 403)) for outcome in expected().values())


def test_an_outcome_is_status_and_reason() -> None:
    assert [str(Outcome(200)), str(Outcome(403, "not_allowed"))] == ["200", "403 not_allowed"]

"""``enforce=False, until=``: everybody comes in to the end of that day, and nobody a moment later."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from callerid import ConfigurationError, Nobody
from callerid.authorization._report_only import Rollout, named
from callerid.testing import as_caller, google_person

from .world import (
    CLIENT,
    DAY,
    ISSUER,
    MARKED,
    MIDNIGHT,
    OTHER_CLIENT,
    STAFF,
    UNREACHABLE,
    WORLDS,
    World,
    by_path,
    every_adapter,
    listening,
    logged,
)

Make = Callable[..., World]


@every_adapter
def test_whom_the_rules_refuse_is_let_through_as_whoever_they_are(make: Make) -> None:
    world = make(enforce=False, until=DAY)
    assert world.get("/x", "example.com") == (200, "user:ada@example.com")
    assert world.get("/x", "other.com") == (200, "user:ada@other.com")
    assert world.get("/x") == (200, "None")
    assert world.get(MARKED, "example.com") == (200, "user:ada@example.com")
    assert world.get(MARKED) == (200, "None")
    assert world.get("/open", "example.com") == (200, "None")


@every_adapter
def test_a_credential_that_does_not_verify_is_nobody(make: Make) -> None:
    world = make(enforce=False, until=DAY)
    token = world.token("example.com")
    forged = [f"Bearer {each}" for each in world.issuer.hostile_variants(token).values()]
    stripped = f"Bearer {token.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"
    twice = f"Bearer {token}, Bearer {token}"
    for raw in ("Bearer", "Bearer junk", f"Bearer {'x' * 9000}", f"Basic {token}", twice, stripped, *forged):
        for path in ("/x", MARKED):
            assert world.get(path, raw=raw) == (200, "None"), raw


@every_adapter
def test_a_token_for_another_place_is_nobody_even_if_it_is_genuine(make: Make) -> None:
    world = make(enforce=False, until=DAY)
    elsewhere = world.token("example.com", "5678-xyz.apps.googleusercontent.com")
    assert world.get("/x", raw=f"Bearer {elsewhere}") == (200, "None")
    other = world.token("other.com", OTHER_CLIENT)
    assert world.get("/x", raw=f"Bearer {other}") == (200, "user:ada@other.com")
    assert world.get(MARKED, raw=f"Bearer {other}") == (200, "None")


@every_adapter
def test_the_floor_is_not_enforced_either(make: Make) -> None:
    world = make(enforce=False, until=DAY, floor=Nobody() | STAFF)
    assert world.get("/x", "other.com") == (200, "user:ada@other.com")


@every_adapter
def test_without_keys_nobody_is_known_and_all_are_let_through(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(UNREACHABLE, enforce=False, until=DAY)
    listening(caplog)
    assert world.get("/x", "example.com") == (200, "None")
    said = [each for each in logged(caplog) if each["outcome"] == "would refuse"]
    assert [(each["status"], each["reason"]) for each in said] == [("503", "keys_unavailable")]
    world.clock.now = MIDNIGHT
    assert world.get("/x", "example.com")[0] == 503


@every_adapter
def test_enforcement_begins_with_the_first_moment_after_the_day(make: Make) -> None:
    world = make(enforce=False, until=date(2027, 1, 31))
    for now, refused in ((MIDNIGHT - 0.001, 200), (MIDNIGHT, 401), (MIDNIGHT + 1e9, 401), (MIDNIGHT - 1, 200)):
        world.clock.now = now
        assert (world.get("/x")[0], world.get("/x", "example.com")[0]) == (refused, 200)
    world.clock.now = MIDNIGHT
    assert [world.get(path, "nobody.org")[0] for path in ("/x", MARKED, "/nowhere")] == [403, 403, 403]


@every_adapter
@settings(max_examples=30, suppress_health_check=[HealthCheck.differing_executors])
@given(data=st.data())
def test_no_moment_after_the_day_lets_anybody_through(make: Make, data: st.DataObject) -> None:
    world = _kept(make)
    world.clock.now = now = data.draw(
        st.floats(MIDNIGHT - 1e5, MIDNIGHT + 1e5) | st.floats(min_value=0, max_value=1e12)
    )
    path = data.draw(st.sampled_from(["/x", MARKED, "/nowhere", "/x/"]))
    sent = data.draw(st.sampled_from([None, "Bearer junk", "Bearer", "Basic eA=="]))
    assert (world.send(path, sent)[0] in (400, 401)) is (now >= MIDNIGHT)


@cache
def _kept(make: Make) -> World:
    return make(enforce=False, until=DAY)


@every_adapter
def test_a_clock_that_tells_no_time_enforces(make: Make) -> None:
    world = make(enforce=False, until=DAY)
    world.clock.now = float("nan")
    assert world.get("/x")[0] == 401


@every_adapter
def test_a_day_that_is_past_enforces_and_says_that_the_setting_can_go(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(enforce=False, until="2027-01-30")
    assert world.get("/x")[0] == 401
    (said,) = [record for record in caplog.records if "take enforce=False and until= out" in record.getMessage()]
    assert "2027-01-30 is past, so the rules are enforced" in said.getMessage()


@every_adapter
def test_it_shouts_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(enforce=False, until=DAY)
    for _ in range(3):
        world.get("/x")
    (said,) = [record for record in caplog.records if "NOT ENFORCED" in record.getMessage()]
    assert said.levelno == logging.WARNING
    text = said.getMessage()
    assert text.endswith(f"NOT ENFORCED until {DAY}: every request is let through, and what would be refused is logged")
    assert "application '" in text or text.startswith("the Django project: ")


@every_adapter
def test_what_would_be_refused_is_one_line_that_says_why_and_holds_no_token(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(enforce=False, until=DAY)
    listening(caplog)
    tokens = [world.token("other.com"), world.token("example.com", "5678-xyz.apps.googleusercontent.com")]
    for sent in (None, *(f"Bearer {token}" for token in tokens)):
        assert world.send("/x", sent)[0] == 200
    said = [each for each in logged(caplog) if each["outcome"] == "would refuse"]
    assert [(each["status"], each["reason"], each["caller"]) for each in said] == [
        ("401", "no_credential", None),
        ("403", "not_allowed", "user:ada@other.com"),
        ("401", "wrong_audience", "user:ada@example.com"),
    ]
    assert all(each["instance"].startswith("urn:uuid:") and each["rule"] == str(STAFF) for each in said)
    assert said[1]["why"] == "- domain:example.com: the caller is user:ada@other.com, of other.com"
    lines = [record.getMessage() for record in caplog.records if "would refuse" in record.getMessage()]
    assert len(lines) == 3
    assert lines[1].startswith("would refuse GET ")
    assert not any(
        part in str(vars(record)) for record in caplog.records for each in tokens for part in each.split(".")
    )


@every_adapter
def test_whom_a_rule_admits_is_no_would_be_refusal(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(enforce=False, until=DAY)
    listening(caplog)
    assert world.get("/x", "example.com")[0] == 200
    assert [each for each in logged(caplog) if each["outcome"] != "allowed"] == []


@every_adapter
def test_the_default_of_unknown_paths_is_not_enforced_either(make: Make) -> None:
    world = make(enforce=False, until=DAY)
    assert world.get("/nowhere")[0] in (404, 200)


@by_path
def test_a_path_that_can_be_read_differently_is_let_through_with_its_caller(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(enforce=False, until=DAY, routes={"/x": STAFF})
    listening(caplog)
    for sent, seen in (("example.com", "user:ada@example.com"), ("other.com", "user:ada@other.com"), (None, "None")):
        assert world.get("/x;y", sent) == (200, seen)
    assert world.get("/x;y", raw="Bearer junk")[1] == "None"
    said = [each["reason"] for each in logged(caplog) if each["outcome"] == "would refuse"]
    assert set(said) == {"ambiguous_path"}
    world.clock.now = MIDNIGHT
    assert world.get("/x;y", "example.com")[0] == 400


@every_adapter
def test_acting_as_somebody_goes_on_to_work(make: Make) -> None:
    world = make(enforce=False, until=DAY)
    with as_caller(world.guard, google_person("eve@other.com", domain="other.com", audience=CLIENT)):
        assert world.get("/x") == (200, "user:eve@other.com")


@every_adapter
@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"enforce": False}, "it has an end: write until="),
        ({"until": DAY}, "until= is the last day of enforce=False"),
        ({"enforce": True, "until": DAY}, "until= is the last day of enforce=False"),
        ({"enforce": 0, "until": DAY}, "enforce= is True or False"),
        ({"enforce": None}, "enforce= is True or False"),
        ({"enforce": False, "until": "soon"}, "until= is a day"),
        ({"enforce": False, "until": "2027-02-30"}, "until= is a day"),
        ({"enforce": False, "until": "20270131"}, "until= is a day"),
        ({"enforce": False, "until": "2027-W04-7"}, "until= is a day"),
        ({"enforce": False, "until": " 2027-01-31"}, "until= is a day"),
        ({"enforce": False, "until": "2027-01-31\n"}, "until= is a day"),
        ({"enforce": False, "until": "２０２７-01-31"}, "until= is a day"),  # noqa: RUF001 - digits of another script
        ({"enforce": False, "until": datetime(2027, 1, 31)}, "until= is a day"),  # noqa: DTZ001 - it has no use for one
        ({"enforce": False, "until": 1_800_000_000}, "until= is a day"),
    ],
)
def test_a_hole_without_an_end_is_an_error(make: Make, options: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        make(**options)


@every_adapter
def test_mistakes_in_rules_are_errors_all_the_same(make: Make) -> None:
    with pytest.raises(ConfigurationError):
        make(enforce=False, until=DAY, default=STAFF, floor="nonsense")


@every_adapter
def test_the_last_day_of_the_calendar_has_an_end_too(make: Make) -> None:
    assert make(enforce=False, until=date.max).get("/x")[0] == 200


@every_adapter
def test_whoever_waits_for_a_key_across_midnight_is_refused(make: Make) -> None:
    assert asked_across_midnight(make, "/x", "other.com") == 403


@by_path
def test_an_ambiguous_path_that_waits_for_a_key_across_midnight_is_refused(make: Make) -> None:
    assert asked_across_midnight(make, "/x;y", "example.com") == 400


def asked_across_midnight(make: Make, path: str, who: str) -> int:
    with ISSUER:
        world = make(ISSUER.google(CLIENT), enforce=False, until=DAY, routes={"/x": STAFF})
        with ThreadPoolExecutor(1) as threads, ISSUER.hold():
            before = ISSUER.fetches["google"]
            answer = threads.submit(world.get, path, who)
            ISSUER.wait_for_fetches("google", before + 1)
            world.clock.now = MIDNIGHT
        return answer.result()[0]


@given(st.dates(), st.floats(allow_nan=True))
def test_a_day_ends_at_midnight_by_utc(day: date, now: float) -> None:
    rollout = Rollout(day)
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    assert rollout.ends_at == begins + 86_400
    assert rollout.is_report_only(begins)
    assert rollout.is_report_only(begins + 86_399.9)
    assert not rollout.is_report_only(begins + 86_400)
    assert rollout.is_report_only(now) is (now < begins + 86_400)


def test_an_application_is_called_by_its_own_name_or_its_kinds() -> None:
    def serve() -> None: ...

    assert [named(each) for each in (FastAPI(title="orders"), Flask("tasks"), Starlette(), serve)] == [
        "'orders'",
        "'tasks'",
        "'Starlette'",
        f"{serve.__qualname__!r}",
    ]


def test_a_preflight_in_flask_is_answered_as_ever() -> None:
    asking = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "GET"}
    reply = WORLDS["flask"](enforce=False, until=DAY).app.test_client().options("/x", headers=asking)
    assert (reply.status_code, sorted(reply.allow)) == (200, ["GET", "HEAD", "OPTIONS"])

"""A log replayed against the rules of today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callerid import (
    AllOf,
    App,
    Caller,
    CustomClaim,
    Domain,
    FirebaseUser,
    Lookup,
    Nobody,
    PathParam,
    Public,
    Role,
    Rule,
    ServiceAccount,
    SignedInWithin,
    User,
    Via,
    Where,
)
from callerid.audit.log_entries import LONGEST_ENTRY
from callerid.testing import firebase_user, google_person, google_service_account

from .world import CLIENT, NOW, log_of, mapped, record, replay

ADA = google_person("ada@example.com", domain="example.com", audience=CLIENT)
USER = firebase_user("ada", claims={"plan": "gold"}, signed_in_at=NOW - 100)
STAFF = Domain("example.com")


def verdict(found: Any, caller: Caller | None, then: Rule, *, outcome: str = "allowed", **more: Any) -> str:
    """What comes of one decision: ``same``, ``refused``, ``let in``, or why it cannot be told."""
    result = replay(log_of(record(outcome, caller, then, **more)), found)
    assert result.decisions == 1
    if result.untold:
        return result.untold[0][1]
    return result.differences[0].change if result.changed else "same"


@pytest.mark.parametrize(
    ("caller", "rule", "expected"),
    [
        (ADA, STAFF, "same"),
        (ADA, Domain("other.com"), "refused"),
        (ADA, User("ada@example.com") | Nobody(), "same"),
        (ADA, Public(), "same"),
        (USER, FirebaseUser("ada"), "same"),
        (USER, FirebaseUser("ben"), "refused"),
        (USER, CustomClaim("plan", "gold"), "same"),
        (USER, SignedInWithin(99), "refused"),
        (USER, SignedInWithin(100), "same"),
        (ADA, Where("anything", lambda _: True), "where anything is decided by code of the application"),
        (ADA, STAFF | Where("anything", lambda _: True), "same"),
        (ADA, Domain("other.com") & Where("anything", lambda _: True), "refused"),
        (ADA, Via(ServiceAccount("robot@shop-prod.iam.gserviceaccount.com")), "refused"),
        (ADA, App("1:23:web:45"), "refused"),
    ],
)
def test_whoever_was_let_in_is_judged_by_the_rule_of_today(caller: Caller, rule: Rule, expected: str) -> None:
    assert verdict(mapped(rule), caller, STAFF) == expected


def test_whoever_was_refused_may_be_let_in_now() -> None:
    assert verdict(mapped(STAFF), ADA, Domain("other.com"), outcome="refused") == "let in"
    assert verdict(mapped(Domain("third.com")), ADA, Domain("other.com"), outcome="refused") == "same"


def test_what_a_look_up_would_say_cannot_be_told() -> None:
    found = mapped(AllOf(STAFF, Role("editor")), lookups=[Lookup("roles", lambda _: {"editor"})])
    assert verdict(found, ADA, STAFF) == "the record does not tell what the look-up 'roles' said"


def test_a_path_parameter_that_was_not_compared_is_not_recorded() -> None:
    rule = FirebaseUser(PathParam("user_id"))
    assert verdict(mapped(rule), USER, rule) == "same"
    assert verdict(mapped(rule), USER, FirebaseUser()) == "the record does not tell the path parameter {user_id}"


def test_another_audience_and_another_issuer_are_refused() -> None:
    assert verdict(mapped(STAFF), google_person("ada@example.com", domain="example.com", audience="other"), STAFF) == (
        "refused"
    )
    assert verdict(mapped(FirebaseUser()), firebase_user("ada", project="other-prod"), FirebaseUser()) == "refused"


def test_without_facts_a_record_tells_what_its_name_says() -> None:
    robot = google_service_account("robot@shop-prod.iam.gserviceaccount.com", audience=CLIENT)
    then = {"outcome": "refused", "facts": False}
    assert verdict(mapped(Domain("other.com")), robot, STAFF, **then) == "same"
    assert verdict(mapped(STAFF), ADA, Domain("other.com"), **then).startswith("the record does not tell")
    assert verdict(mapped(FirebaseUser("ada")), USER, FirebaseUser("carol"), **then) == (
        "the record does not tell firebase.provider"
    )


def test_nobody_is_let_in_where_the_route_is_open_now() -> None:
    said = {"facts": False, "status": "401", "reason": "no_credential", "outcome": "refused"}
    assert verdict(mapped(STAFF), None, STAFF, **said) == "same"
    assert verdict(mapped(Public()), None, STAFF, **said) == "let in"
    assert verdict(mapped(Public() | STAFF), None, STAFF, **said) == "let in"


def test_a_bad_token_stays_bad_unless_none_is_read() -> None:
    said = {"facts": False, "status": "401", "reason": "expired", "outcome": "refused"}
    assert verdict(mapped(STAFF), None, STAFF, **said) == "same"
    assert verdict(mapped(Public()), None, STAFF, **said) == "let in"
    said["reason"] = "unknown_issuer"
    assert verdict(mapped(STAFF), None, STAFF, **said) == "it was refused before any rule was asked (unknown_issuer)"


def test_outages_and_shadow_decisions_are_not_judged() -> None:
    outage = record("refused", None, STAFF, facts=False, status="503", reason="keys_unavailable")
    shadow = record("shadow would refuse", ADA, STAFF)
    result = replay(log_of(outage, shadow), mapped(STAFF))
    assert (result.decisions, result.ignored, result.changed, result.is_conclusive) == (2, 2, 0, False)


def test_differences_are_counted_by_route_and_caller() -> None:
    refused = [record("allowed", ADA, STAFF)] * 3
    ben = google_person("ben@example.com", domain="example.com", audience=CLIENT)
    result = replay(log_of(*refused, record("allowed", ben, STAFF)), mapped(User("eve@example.com")))
    assert [(each.caller, each.change, each.count) for each in result.differences] == [
        ("user:ada@example.com", "refused", 3),
        ("user:ben@example.com", "refused", 1),
    ]
    assert result.differences[0].rule == "user:eve@example.com"


def test_a_route_that_is_gone_cannot_be_told() -> None:
    assert verdict(mapped(STAFF), ADA, STAFF, route="GET /gone") == "there is no such route now"


def test_cloud_loggings_export_is_read() -> None:
    entries = [{"jsonPayload": {"callerid": record("allowed", ADA, STAFF)}, "timestamp": "2027-01-15T08:00:00Z"}] * 2
    text = json.dumps(entries, indent=2)
    assert replay(text, mapped(STAFF)).same == 2
    assert replay(text[:-60], mapped(STAFF)).broken == 1


def test_broken_lines_are_counted_and_the_rest_is_read() -> None:
    line = log_of(record("allowed", ADA, STAFF))
    text = f'plain text\n{line}{line[:50]}\n\n{{"other": 1}}\n{line}{"x" * (LONGEST_ENTRY + 5)}\n{line}'
    result = replay(text, mapped(STAFF))
    assert (result.same, result.broken) == (3, 3)

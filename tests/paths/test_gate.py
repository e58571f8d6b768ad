"""One decision by a path that may be taken for several, and what is said of a table at start."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest

from callerid import AnyGoogleAccount, Domain, FirebaseUser, Guard, Nobody, PathParam, Public, Rule
from callerid.authentication import resolve
from callerid.guard import Requirement
from callerid.paths import Admitted, Gate, Readings, Refused
from tests.fixtures import AT_HAND, CLIENT, OTHERS, STAFF, URL, token

GUARD = Guard(*AT_HAND)
Routes = Mapping[str, Rule | Requirement]


def gate(routes: Routes, default: Rule | Requirement = STAFF, **options: Any) -> Gate:
    given: dict[str, Any] = {"guard": GUARD, "floor": None, "name": "orders", **options}
    return Gate(default=default, routes=routes, **given)


def decided(gate: Gate, who: str | None, *paths: str, others: tuple[str, ...] = ()) -> Admitted | Refused:
    asked: list[None] = []

    def sent() -> Mapping[str, list[str]]:
        asked.append(None)
        return {} if who is None else {"authorization": [f"Bearer {token(who)}"]}

    verdict: Any = resolve(lambda waited: gate.decide("GET", Readings(paths, others), sent, waited))
    assert len(asked) <= 1  # credentials are read once, however many readings there are
    assert isinstance(verdict, Admitted | Refused)
    return verdict


def answers(gate: Gate, *paths: str, others: tuple[str, ...] = ()) -> list[str | int | None]:
    """For a stranger, staff, an outsider and a Firebase user: who is let in as whom, or the status."""
    found: list[str | int | None] = []
    for who in (None, "staff", "outsider", "u1"):
        verdict = decided(gate, who, *paths, others=others)
        if isinstance(verdict, Refused):
            found.append(verdict.answer.status)
        else:
            found.append(None if verdict.caller is None else str(verdict.caller))
    return found


ADA, EVE, U1 = "user:ada@example.com", "user:eve@other.com", "firebase:shop-prod/u1"


def test_every_reading_must_admit() -> None:
    both = gate({"/a": AnyGoogleAccount(), "/b": OTHERS, "/open": Public()}, Public())
    assert answers(both, "/a", "/b") == [401, 403, EVE, 403]
    assert answers(both, "/b", "/a") == [401, 403, EVE, 403]
    assert answers(both, "/open", "/a") == [401, ADA, EVE, 403]
    assert answers(both, "/unknown", "/a") == [401, ADA, EVE, 403]
    assert answers(both, "/open", "/unknown") == [None, None, None, None]


def test_the_default_is_for_a_reading_without_an_entry() -> None:
    shut = gate({"/open": Public(), "/b": OTHERS})
    assert answers(shut, "/open", "/unknown") == [401, ADA, 403, 403]
    assert answers(shut, "/unknown", "/open") == [401, ADA, 403, 403]
    assert answers(shut, "/b", "/unknown") == [401, 403, 403, 403]


def test_a_reading_that_is_no_ordinary_one_counts_by_its_entry_alone() -> None:
    shut = gate({"/open": Public(), "/b": OTHERS})
    assert answers(shut, "/open", others=("/unknown",)) == [None, None, None, None]
    assert answers(shut, "/open", others=("/unknown", "/b")) == [401, 403, EVE, 403]
    assert answers(shut, "/unknown", others=("/open",)) == [401, ADA, 403, 403]


def test_each_reading_is_judged_by_the_parameters_of_its_own_entry() -> None:
    owned = gate({"/users/{uid}": FirebaseUser(PathParam("uid")), "/{uid}/x": FirebaseUser(PathParam("uid"))}, Public())
    assert answers(owned, "/users/u1", "/u1/x") == [401, 403, 403, U1]
    assert answers(owned, "/users/u1", "/u2/x") == [401, 403, 403, 403]
    assert answers(owned, "/users/u1", "/users/u2") == [401, 403, 403, 403]


def test_an_optional_identity_is_known_where_a_rule_requires_it_and_where_all_options_know_it() -> None:
    optional = gate({"/a": Public() | STAFF, "/b": Public() | OTHERS, "/c": AnyGoogleAccount(), "/d": Public() | STAFF})
    assert answers(optional, "/a", "/c") == [401, ADA, EVE, 403]
    assert answers(optional, "/a", "/b") == [None, None, None, None]
    assert answers(optional, "/a", "/d") == [None, ADA, None, None]


def test_each_reading_asks_for_its_own_audience() -> None:
    named = gate({"/a": GUARD.allow(STAFF, audience=CLIENT), "/b": GUARD.allow(STAFF, audience=URL)}, Public())
    assert answers(named, "/a")[1] == ADA
    assert answers(named, "/a", "/b")[1] == 401


@pytest.mark.parametrize(
    "readings", [Readings(("/a",), (), (), "why"), Readings(("/a", "//a")), Readings(("/a",), ("/A",))]
)
def test_trouble_with_any_reading_is_a_bad_request(readings: Readings) -> None:
    shut = gate({"/a": Public()}, Public())
    verdict = shut.decide("GET", readings, dict)
    assert isinstance(verdict, Refused)
    assert (verdict.answer.status, verdict.refusal.reason) == (400, "ambiguous_path")


def test_the_log_names_the_reading_that_refused(caplog: pytest.LogCaptureFixture) -> None:
    shut = gate({"/a": AnyGoogleAccount(), "/b": OTHERS})
    with caplog.at_level(logging.DEBUG, "callerid"):
        decided(shut, "staff", "/a", "/b")
        decided(shut, "outsider", "/a", "/b")
        decided(shut, "staff", "/a", "/unknown")
    fields = [record.__dict__["callerid"] for record in caplog.records]
    assert [(each["outcome"], each["route"], each["rule"]) for each in fields] == [
        ("refused", "GET /b", "domain:other.com"),
        ("allowed", "GET /b", "domain:other.com"),
        ("allowed", "GET (no entry)", "domain:example.com"),
    ]


def test_where_rules_are_not_enforced_nobody_is_known_whom_one_reading_does_not_know() -> None:
    tried = gate({"/a": AnyGoogleAccount(), "/b": OTHERS, "/open": Public()}, enforce=False, until="9999-01-01")
    assert answers(tried, "/a", "/b") == [None, ADA, EVE, U1]
    assert answers(tried, "/open", "/b") == [None, ADA, EVE, U1]
    ambiguous = tried.decide("GET", Readings(("//open",)), dict)
    assert isinstance(ambiguous, Admitted)


def test_a_shadow_table_is_read_likewise() -> None:
    guard = Guard(*AT_HAND)
    rehearsed = gate({"/a": STAFF}, Public(), guard=guard, shadow={"/a": STAFF, "/b": OTHERS, "/B/c": STAFF})
    decided(rehearsed, "staff", "/a")
    decided(rehearsed, "staff", "/a", "/b")
    decided(rehearsed, "staff", "/a", others=("/b",))
    decided(rehearsed, "staff", "/a", "/b/c")
    assert (guard.shadow.agreed, guard.shadow.would_refuse) == (1, 3)


# --- entries for what is below a path, without one for the path itself ---


def left(caplog: pytest.LogCaptureFixture, routes: Routes, default: Rule | Requirement, **options: Any) -> list[str]:
    caplog.clear()
    gate(routes, default, **options)
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_path_that_its_entry_leaves_to_a_weaker_default_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    (said,) = left(caplog, {"/admin/*": OTHERS}, AnyGoogleAccount())
    assert said == (
        "orders: routes['/admin/*'] does not cover '/admin' itself, which has the default (allAuthenticatedUsers): "
        "if that admits too many, add an entry '/admin'"
    )


def test_a_path_that_its_entry_leaves_to_a_wider_one_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    (said,) = left(caplog, {"/admin/*": STAFF, "/*": Public()}, STAFF)
    assert said == (
        "orders: routes['/admin/*'] does not cover '/admin' itself, which is under '/*' (allUsers): if that admits too "
        "many, add an entry '/admin'"
    )


@pytest.mark.parametrize(
    ("text", "entry"), [("GET /a/b/*", "'GET /a/b'"), ("/*", "'/'"), ("POST /*", "'POST /'"), ("/{x}/*", "'/{x}'")]
)
def test_the_remedy_is_the_entry_to_add(text: str, entry: str, caplog: pytest.LogCaptureFixture) -> None:
    (said,) = left(caplog, {text: STAFF}, Public())
    assert said.endswith(f"add an entry {entry}")


@pytest.mark.parametrize(
    ("routes", "default", "count"),
    [
        ({"/admin/*": STAFF}, Public(), 1),
        ({"/admin/*": STAFF}, OTHERS, 1),
        ({"/admin/*": STAFF}, STAFF, 0),
        ({"/admin/*": STAFF}, Nobody(), 0),
        ({"/admin/*": AnyGoogleAccount()}, STAFF, 0),
        ({"/admin/*": STAFF, "/admin": OTHERS}, Public(), 0),
        ({"/admin/*": STAFF, "/{any}": STAFF}, Public(), 0),
        ({"/admin/*": STAFF, "/*": STAFF}, Public(), 1),  # "/" itself
        ({"/admin/*": STAFF, "/*": Public()}, STAFF, 1),
        ({"/admin/*": STAFF, "/{any}": Public()}, STAFF, 1),
        ({"/admin/*": STAFF, "/admin": Public()}, STAFF, 0),
        ({"/admin/*": STAFF, "/*": STAFF, "/": STAFF}, Public(), 0),
        ({"/admin/*": STAFF, "GET /admin": STAFF}, Public(), 1),
        ({"GET /admin/*": STAFF, "GET /admin": STAFF}, Public(), 0),
        ({"GET /admin/*": STAFF, "/admin": STAFF}, Public(), 0),
        ({"/users/{uid}/*": FirebaseUser(PathParam("uid"))}, STAFF, 1),
        ({"/users/{uid}/*": FirebaseUser(PathParam("uid")), "/users/{name}": STAFF}, STAFF, 0),
        ({"/a/*": STAFF, "/b/*": STAFF}, Public(), 2),
        ({"/a/*": GUARD.allow(STAFF, audience=URL)}, STAFF, 1),
        ({"/a/*": GUARD.allow(STAFF, audience=URL)}, Nobody(), 0),
        ({"/a/*": GUARD.allow(STAFF, audience=URL)}, GUARD.allow(STAFF, audience=URL), 0),
        ({"/a/*": GUARD.allow(STAFF, audience=URL)}, GUARD.allow(STAFF, audience=CLIENT), 1),
        ({"/a/*": STAFF}, GUARD.allow(STAFF, audience=URL), 0),
        ({"/a": STAFF, "/b/{x}": STAFF}, Public(), 0),
    ],
)
def test_only_a_weaker_default_is_warned_of(
    routes: Routes, default: Rule, count: int, caplog: pytest.LogCaptureFixture
) -> None:
    assert len(left(caplog, routes, default)) == count


def test_a_floor_stands_below_both_and_a_shadow_table_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    assert left(caplog, {"/admin/*": STAFF}, Public(), floor=STAFF) == []
    assert (
        len(left(caplog, {"/admin/*": Domain("example.com") & AnyGoogleAccount()}, Public(), floor=OTHERS | STAFF)) == 1
    )
    assert left(caplog, {}, Public(), shadow={"/admin/*": STAFF}) == []

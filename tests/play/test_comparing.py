"""Before and after, against a lock."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI

from callerid import Domain, FirebaseUser, Public, Rule, User, Where, firebase, google
from callerid.access import access_map
from callerid.audit._lock import locked
from callerid.errors import ConfigurationError
from callerid.fastapi import Guard
from callerid.play._session import Playground
from callerid.testing import LocalIssuer

from .made import CLIENT, page_of, suite

PEOPLE = """
[personas.ada]
firebase_user = "ada"
may_not = "everything else"

[personas.sam]
workspace_person = "sam@example.com"
may_not = "everything else"
"""


def app_of(rules: dict[str, Rule], **options: Any) -> FastAPI:
    app, guard = FastAPI(openapi_url=None), Guard(google("https://orders.example.com", CLIENT), firebase("shop-prod"))
    guard.protect(app, default=Domain("example.com"))
    for path, rule in rules.items():
        app.add_api_route(path, guard.allow(rule, **options)(lambda: None), methods=["GET"])
    return app


def shifts(was: dict[str, Rule], now: dict[str, Rule]) -> dict[tuple[str, str], str]:
    lock = locked(access_map(app_of(was)))
    with Playground(app_of(now), "app", suite=suite(PEOPLE), lock=(lock, "main.lock")) as ground:
        rows = ground.cells({}, 60)
        return {(cell.who.name, cell.route.key): cell.shift.value for row in rows for cell in row if cell.shift}


def test_who_gains_and_who_loses_is_told_by_cell() -> None:
    staff, users = Domain("example.com"), FirebaseUser()
    found = shifts({"/a": staff, "/b": staff, "/c": Public()}, {"/a": users, "/b": staff | users, "/c": staff})
    assert found == {
        ("ada", "GET /a"): "gains",
        ("sam", "GET /a"): "loses",
        ("ada", "GET /b"): "gains",
        ("stranger", "GET /c"): "loses",
        ("ada", "GET /c"): "loses",
    }


def test_what_becomes_public_is_gained_by_all_who_were_refused() -> None:
    assert shifts({"/a": Domain("example.com")}, {"/a": Public()}) == {
        ("stranger", "GET /a"): "gains",
        ("ada", "GET /a"): "gains",
    }


def test_of_what_nobody_believes_it_is_told_too() -> None:
    lock = locked(access_map(app_of({"/a": Domain("example.com")})))
    with Playground(app_of({"/a": Public()}), "app", suite=suite(PEOPLE), lock=(lock, "main.lock")) as ground:
        pasted = ground.paste(LocalIssuer().firebase_user("ada", project="another-project"))
        cells = [cell for row in ground.cells({}, 60) for cell in row if cell.route.key == "GET /a"]
    assert [cell.shift.value for cell in cells if cell.who == pasted] == ["gains"]


def test_a_new_route_is_compared_with_the_default() -> None:
    assert shifts({}, {"/a": FirebaseUser()}) == {("ada", "GET /a"): "gains", ("sam", "GET /a"): "loses"}


def test_what_only_code_can_judge_cannot_be_told() -> None:
    odd = Where("odd", lambda facts: facts.caller is not None)
    found = shifts({"/a": FirebaseUser() & odd}, {"/a": FirebaseUser()})
    assert set(found.values()) == {"cannot tell"}


def test_an_audience_of_its_own_counts() -> None:
    lock = locked(access_map(app_of({"/a": User("sam@example.com")}, audience="https://orders.example.com/other")))
    now = app_of({"/a": User("sam@example.com")})
    with Playground(now, "app", suite=suite(PEOPLE), lock=(lock, "main.lock")) as ground:
        cells = [cell for row in ground.cells({}, 60) for cell in row if cell.route.key == "GET /a"]
    assert [cell.shift.value for cell in cells if cell.who.name == "sam"] == ["gains"]


def test_the_page_marks_what_changed_and_says_how() -> None:
    lock = locked(access_map(app_of({"/a": Domain("example.com"), "/gone": Public()})))
    with page_of(app_of({"/a": FirebaseUser()}), suite=suite(PEOPLE), lock=(lock, "main.lock")) as (ground, page):
        text = page.get("/").text
        assert "1 of 2 routes have changed since main.lock was written." in text
        assert "◆ changed" in text
        assert "▲ gains" in text
        assert "removed: GET /gone" in text
        ada = next(each.key for each in ground.people if each.name == "ada")
        shown = page.get(f"/cell?who={ada}&route=GET%20/a").text
    assert "Before and after, against main.lock" in shown
    assert "<dt>Before</dt><dd>domain:example.com</dd>" in shown
    assert "ada: gains" in shown


def test_nothing_changed_is_said_too() -> None:
    app = app_of({"/a": Domain("example.com")})
    with page_of(app, lock=(locked(access_map(app)), "main.lock")) as (_, page):
        assert "Nothing has changed since main.lock was written." in page.get("/").text


def test_what_is_no_lock_is_an_error_and_the_guards_are_as_before() -> None:
    app = app_of({})
    (guard,) = access_map(app).guards
    before = dict(vars(guard))
    with pytest.raises(ConfigurationError), Playground(app, "app", lock=("nonsense", "main.lock")):
        raise AssertionError
    assert vars(guard) == before

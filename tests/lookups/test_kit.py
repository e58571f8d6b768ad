"""Look-ups in tests, in access.toml, in the lock, and in what `why` says."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from callerid import Caller, ConfigurationError, Group, Lookup, Role
from callerid.access import access_map, locked, newcomers, read_suite
from callerid.fastapi import Guard
from callerid.testing import as_caller, google_person
from callerid.testing.access import rehearsing
from tests.fixtures import AT_HAND, STAFF, token

ADA = google_person("ada@example.com", domain="example.com")
GRACE = google_person("grace@example.com", domain="example.com")


def nobody_has(caller: Caller) -> set[str]:
    return set()


def everybody_has(caller: Caller) -> set[str]:
    return {"editor"}


def application(load: Any = nobody_has, **settings: Any) -> tuple[FastAPI, Guard]:
    lookups = [Lookup("roles", load, **settings), Lookup("groups", nobody_has)]
    guard, app = Guard(*AT_HAND, lookups=lookups), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    app.get("/texts")(guard.allow(STAFF & Role("editor"))(lambda: "texts"))
    app.get("/machines")(guard.allow(STAFF & Group("ops@example.com"))(lambda: "machines"))
    return app, guard


def test_a_caller_of_a_test_may_have_roles() -> None:
    app, guard = application()
    client = TestClient(app)
    with as_caller(guard, ADA, roles=["editor"]):
        assert [client.get(path).status_code for path in ("/texts", "/machines")] == [200, 403]
    with as_caller(guard, ADA, looked_up={"groups": {"ops@example.com"}}):
        assert [client.get(path).status_code for path in ("/texts", "/machines")] == [403, 200]
    with as_caller(guard, ADA):
        assert client.get("/texts").status_code == 403


def test_the_roles_of_a_test_are_those_of_its_caller_alone() -> None:
    app, guard = application()
    client = TestClient(app)
    other = {"Authorization": f"Bearer {token('grace@example.com')}"}
    with as_caller(guard, ADA, roles=["editor"]):
        assert client.get("/texts", headers=other).status_code == 403
        with as_caller(guard, GRACE):
            assert client.get("/texts").status_code == 403
        assert client.get("/texts").status_code == 200


@as_caller(application()[1], ADA, roles={"editor"})
def test_roles_go_with_a_decorator() -> None:
    """It is opened and closed."""


SUITE = """
[personas.editor]
workspace_person = "ada@example.com"
roles = ["editor"]
may = ["GET /texts"]
may_not = "everything else"

[personas.operator]
workspace_person = "grace@example.com"
looked_up = {groups = ["ops@example.com"]}
may = ["GET /machines"]
may_not = "everything else"

[personas.colleague]
workspace_person = "joan@example.com"
may_not = "everything else"
"""


def test_personas_of_a_file_may_have_roles_and_no_look_up_is_asked() -> None:
    def load(caller: Caller) -> set[str]:
        raise AssertionError("a look-up was asked")

    app, _ = application(load)
    suite = read_suite(SUITE, "access.toml")
    with rehearsing(app) as rehearsal:
        judged = [rehearsal.judge(case) for case in suite.cases]
    assert [str(each) for each in judged if not each.is_right] == []
    assert len(judged) >= 5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('roles = "editor"', "what 'roles' says is an array of texts"),
        ("roles = [1]", "what 'roles' says is an array of texts"),
        ("looked_up = []", "looked_up is a table"),
        ("looked_up = {groups = 1}", "what 'groups' says is an array of texts"),
    ],
)
def test_roles_that_are_no_texts_are_an_error(line: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read_suite(SUITE.replace('roles = ["editor"]', line), "access.toml")


def lock_of(app: FastAPI) -> Any:
    return json.loads(json.dumps(locked(access_map(app))))


def test_the_map_says_which_look_up_decides() -> None:
    app, _ = application()
    words = {row.template: str(row.rule) for row in access_map(app).rows}
    assert words["/texts"] == "domain:example.com and role:editor"
    assert words["/machines"] == "domain:example.com and group:ops@example.com"


def test_a_group_of_another_domain_is_the_look_ups_word_beside_the_tokens_and_the_map_says_both() -> None:
    guard, app = Guard(*AT_HAND, lookups=[Lookup("groups", lambda _: {"eng@other.com"})]), FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF)
    app.get("/group")(guard.allow(Group("eng@other.com"))(lambda: "group"))
    app.get("/staff")(guard.allow(STAFF & Group("eng@other.com"))(lambda: "staff"))
    client = TestClient(app)
    answers = {
        who: [client.get(path, headers={"Authorization": f"Bearer {token(who)}"}).status_code for path in PATHS]
        for who in ("staff", "outsider")
    }
    assert answers == {"staff": [200, 200], "outsider": [200, 403]}
    words = {row.template: str(row.rule) for row in access_map(app).rows}
    assert [words[path] for path in PATHS] == ["group:eng@other.com", "domain:example.com and group:eng@other.com"]


PATHS = ("/group", "/staff")


def test_the_same_look_ups_let_nobody_new_in() -> None:
    before, after = application()[0], application()[0]
    assert newcomers(locked(access_map(before)), access_map(after)) == []


@pytest.mark.parametrize(
    "settings",
    [{"load": everybody_has}, {"on_error": "allow", "horizon": 60}],
)
def test_another_look_up_of_that_name_may_let_anybody_in(settings: dict[str, Any]) -> None:
    before, after = application()[0], application(**settings)[0]
    assert newcomers(locked(access_map(before)), access_map(after)) != []


def test_the_log_says_what_was_looked_up_and_what_was_not(caplog: pytest.LogCaptureFixture) -> None:
    app, _ = application()
    client = TestClient(app)
    with caplog.at_level(logging.INFO, "callerid"):
        client.get("/texts", headers={"Authorization": f"Bearer {token('staff')}"})
        client.get("/texts", headers={"Authorization": f"Bearer {token('outsider')}"})
    said = "\n".join(str(vars(record).get("callerid")) + record.getMessage() for record in caplog.records)
    assert "of whom 'roles' does not say so" in said
    assert "'roles' was not asked" in said

"""`pytest --callerid-rules`: alternatives that let nobody in during the tests."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from callerid.testing._rule_coverage import RuleCoverage

pytest_plugins = ["pytester"]

APP = """
from fastapi import FastAPI

from callerid import Domain, FirebaseUser, Lookup, Nobody, Public, Role, ServiceAccount, firebase, google
from callerid.fastapi import Guard

ROBOT = "scheduler@shop-prod.iam.gserviceaccount.com"

def make_app():
    issuers = google("https://orders.example.com", "1234-abc.apps.googleusercontent.com"), firebase("shop-prod")
    guard, app = Guard(*issuers, lookups=[Lookup("roles", lambda _: set())]), FastAPI(openapi_url=None)
    guard.protect(app, default=Nobody())
    app.get("/open")(guard.allow(Public())(lambda: None))
    app.get("/one")(guard.allow(Domain("example.com"))(lambda: None))
    editors = (Domain("example.com") | ServiceAccount(ROBOT)) & (Role("a") | Role("b"))
    app.get("/texts")(guard.allow(editors)(lambda: None))
    app.get("/mine")(guard.allow(FirebaseUser("ada") | FirebaseUser("ben"))(lambda: None))
    return app

app = make_app()
"""

TESTS = """
import app
from callerid.testing import persona

def get(caller_client, path, *personas):
    return [caller_client(app.make_app(), each).get(path).status_code for each in personas]

def test_texts(caller_client):
    staff = persona("workspace_person", roles=["a"])
    assert get(caller_client, "/texts", staff, persona("workspace_person"), persona()) == [200, 403, 401]

def test_mine(caller_client):
    assert get(caller_client, "/mine", persona("firebase_user", "ben"), persona("firebase_user", "eve")) == [200, 403]
"""


def run(pytester: pytest.Pytester, *options: str, tests: str = TESTS, app: str = "app:app") -> list[str]:
    sys.modules.pop("app", None)  # of another test; pytester puts it back
    pytester.makepyfile(app=APP, test_app=tests)
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess(
        "-p", "pytest_callerid", "-p", "no:cacheprovider", "-q", f"--callerid-rules={app}", *options
    )
    assert result.ret == 0
    lines = result.outlines
    begin = next(number for number, line in enumerate(lines) if "alternatives that let nobody in" in line)
    return [line for line in lines[begin + 1 :] if line and " passed" not in line]


def test_it_prints_what_let_nobody_in_by_route(pytester: pytest.Pytester) -> None:
    assert run(pytester) == [
        "GET /one: domain:example.com",
        "GET /texts: serviceAccount:scheduler@shop-prod.iam.gserviceaccount.com, role:b",
        "GET /mine: firebaseUser:ada",
    ]


@pytest.mark.slow
def test_workers_of_xdist_are_counted_together(pytester: pytest.Pytester) -> None:
    assert len(run(pytester, "-n", "2")) == 3


def test_a_worker_hands_over_what_it_has_counted() -> None:
    counted, session = RuleCoverage("app:app", Path()), SimpleNamespace(config=SimpleNamespace(workeroutput={}))
    counted.used.add(("Domain('example.com')", "Domain('example.com')"))
    counted.pytest_sessionfinish(cast("pytest.Session", session))
    taking = RuleCoverage("app:app", Path())
    taking.pytest_testnodedown(session.config)
    assert taking.used == counted.used
    taking.pytest_testnodedown(SimpleNamespace())  # it crashed


def test_where_everything_let_somebody_in_it_says_so(pytester: pytest.Pytester) -> None:
    more = """
def test_rest(caller_client):
    people = [persona("workspace_person", roles=["b"]), persona("service_account", app.ROBOT, roles=["a"])]
    assert get(caller_client, "/texts", *people) == [200, 200]
    assert get(caller_client, "/mine", persona("firebase_user", "ada")) == [200]
    assert get(caller_client, "/one", persona("workspace_person")) == [200]
"""
    assert run(pytester, tests=TESTS + more) == ["none: every alternative of every route has let somebody in"]


def test_an_application_that_is_not_there_is_said(pytester: pytest.Pytester) -> None:
    (said,) = run(pytester, app="nothing:app")
    assert "nothing" in said


def test_without_the_option_nothing_is_counted(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_app="def test_nothing(): pass")
    result = pytester.runpytest_inprocess("-p", "pytest_callerid", "-p", "no:cacheprovider", "-q")
    assert "callerid" not in result.stdout.str()

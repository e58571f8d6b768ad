"""What an observer of a guard is told."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client as DjangoClient
from django.urls import path

import callerid.django
from callerid import Caller, Domain, Guard, Lookup, Nobody, Public, Role, google
from callerid.errors import ConfigurationError, Refusal
from callerid.observing import Observer
from callerid.testing import LocalIssuer
from tests.asking.made import Clock
from tests.djangos import Project
from tests.fixtures import AT_HAND, STAFF, URL, issuer, token
from tests.lookups.apps import ADAPTERS, asking

from .made import Failing, Told

every_adapter = pytest.mark.parametrize("adapter", ADAPTERS)


@every_adapter
def test_every_decision_is_told_with_its_template_and_no_path(adapter: str) -> None:
    told = Told()
    _, ask = asking(adapter, STAFF, observer=told)
    assert [ask(who)[0] for who in ("staff", "outsider", None)] == [200, 403, 401]
    assert [(each.outcome, each.reason, each.status) for each in told.decisions] == [
        ("allowed", None, None),
        ("refused", "not_allowed", 403),
        ("refused", "no_credential", 401),
    ]
    assert len({each.route for each in told.decisions}) == 1
    assert "red" not in told.decisions[0].route
    assert [each.caller and each.caller.email for each in told.decisions] == ["ada@example.com", "eve@other.com", None]
    assert [bool(each.instance) for each in told.decisions] == [False, True, True]


@every_adapter
def test_an_open_route_is_told_too(adapter: str) -> None:
    told = Told()
    _, ask = asking(adapter, STAFF, observer=told)
    assert [ask(None, "/open")[0] for _ in range(2)] == [200, 200]
    assert [(each.outcome, each.route.split(" ")[1]) for each in told.decisions] == [("allowed", "/open")] * 2


@every_adapter
def test_an_observer_that_fails_changes_no_answer(adapter: str, caplog: pytest.LogCaptureFixture) -> None:
    _, ask = asking(
        adapter, STAFF & Role("editor"), observer=Failing(), lookups=[Lookup("roles", lambda _: {"editor"})]
    )
    with caplog.at_level(logging.WARNING, "callerid"):
        assert [ask(who)[0] for who in ("staff", "outsider", None)] == [200, 403, 401]
        assert ask(None, "/open")[0] == 200
    failures = [each.getMessage() for each in caplog.records if "observer" in each.getMessage()]
    assert failures in ([], ["the observer Failing fails (ZeroDivisionError)"])  # told once a minute
    assert "ada@example.com" not in "".join(failures)


def test_a_django_project_tells_its_observer() -> None:
    told = Told()
    guard = callerid.django.Guard(*AT_HAND, observer=told)
    guard.protect(default=Nobody(), routes={"open/": Public()})
    view: Any = guard.allow(STAFF)(lambda request, team: HttpResponse("served"))
    urls = [path("team/<team>", view), path("open/", lambda request: HttpResponse("served"))]
    with Project(urls, guard).settings():
        client = DjangoClient(headers={"Authorization": f"Bearer {token('staff')}"})
        assert [client.get(each).status_code for each in ("/team/red", "/open/", "/nothing")] == [200, 200, 403]
    assert [(each.outcome, each.route) for each in told.decisions] == [
        ("allowed", "GET /team/<team>"),
        ("allowed", "GET /open/"),
        ("refused", "GET (no route)"),
    ]


def test_what_is_not_enforced_yet_is_told_as_such() -> None:
    from fastapi import FastAPI
    from starlette.testclient import TestClient

    import callerid.fastapi

    told = Told()
    app = FastAPI()
    guard = callerid.fastapi.Guard(*AT_HAND, observer=told, clock=lambda: 1_700_000_000.0)
    guard.protect(app, default=STAFF, enforce=False, until="2027-01-31")
    assert TestClient(app).get("/").status_code == 404
    assert [(each.outcome, each.reason, each.status) for each in told.decisions] == [
        ("would refuse", "no_credential", 401)
    ]


def test_a_token_that_came_outside_headers_is_told() -> None:
    told = Told()
    guard = Guard(*AT_HAND, observer=told)
    assert guard.verify(token("staff"), STAFF).email == "ada@example.com"
    with pytest.raises(Refusal):
        guard.verify(token("outsider"), STAFF)
    assert [(each.outcome, each.route) for each in told.decisions] == [("allowed", "(token)"), ("refused", "(token)")]


def test_a_verification_is_told_with_its_family_and_whether_it_was_remembered() -> None:
    told = Told()
    guard = Guard(*AT_HAND, observer=told)
    for who in ("staff", "staff", "u1"):
        guard.identify({"authorization": [f"Bearer {token(who)}"]})
    assert told.verifications == [("google", False), ("google", True), ("firebase", False)]


def test_a_token_that_is_refused_is_no_verification() -> None:
    told = Told()
    guard = Guard(*AT_HAND, observer=told)
    good = token("staff")
    for hostile in (issuer.expired(good), issuer.forged(good), issuer.tampered(good), good[:-1]):
        with pytest.raises(Refusal):
            guard.identify({"authorization": [f"Bearer {hostile}"]})
    assert told.verifications == []


def test_key_fetches_are_told_and_those_that_fail() -> None:
    told = Told()
    with LocalIssuer() as serving:
        guard = Guard(serving.google(URL), observer=told)
        guard.warm()
        assert told.key_fetch.wait(10)
        source = guard.status()[0].source
    assert told.fetches == [(source, "")]
    told.key_fetch.clear()
    refused = Guard(google(URL, keys="http://127.0.0.1:1/keys"), observer=told)
    refused.warm()
    assert told.key_fetch.wait(10)
    assert told.fetches[1][0] == "http://127.0.0.1:1/keys"
    assert told.fetches[1][1]


def test_look_ups_are_told_with_the_age_of_what_they_answered() -> None:
    told, clock, answers = Told(), Clock(), [{"editor"}]

    def load(_: Caller) -> set[str]:
        return answers.pop()  # fails once there are none

    lookup = Lookup("roles", load, max_age=60, stale=600)
    guard = Guard(*AT_HAND, observer=told, lookups=[lookup], timer=clock)
    assert guard.verify(token("staff"), Role("editor"))
    assert told.look_up.wait(10)
    assert (told.lookups, told.answers) == ([("roles", False)], [("roles", 0.0, False)])
    clock.now += 50
    assert guard.verify(token("staff"), Role("editor"))
    assert told.answers[-1] == ("roles", 50.0, False)
    told.look_up.clear()
    clock.now += 20
    assert guard.verify(token("staff"), Role("editor"))
    assert told.look_up.wait(10)
    assert told.lookups[1:] == [("roles", True)]
    assert guard.verify(token("staff"), Role("editor"))
    assert told.answers[-1] == ("roles", 70.0, True)


def test_an_answer_that_is_asked_for_again_behind_a_request_is_told_of() -> None:
    told, clock = Told(), Clock()
    lookup = Lookup("roles", lambda _: {"editor"}, max_age=60)
    guard = Guard(*AT_HAND, observer=told, lookups=[lookup], timer=clock)
    assert guard.verify(token("staff"), Role("editor"))
    assert told.look_up.wait(10)
    told.look_up.clear()
    clock.now += 55
    assert guard.verify(token("staff"), Role("editor"))
    assert [(name, is_stale) for name, _, is_stale in told.answers] == [("roles", False)] * 2
    assert told.look_up.wait(10)


def test_a_guard_made_like_another_tells_the_same_observer() -> None:
    told = Told()
    guard = Guard(*AT_HAND, observer=told)
    other = Guard.like(guard)
    assert other.verify(token("staff"), STAFF)
    assert len(told.decisions) == 1
    assert told.guards == [guard, other]
    own = Told()
    assert Guard.like(guard, observer=own).verify(token("staff"), STAFF)
    assert (len(told.decisions), len(own.decisions)) == (1, 1)
    asking = Guard.like(guard, lookups=[Lookup("roles", lambda _: {"editor"})])
    assert asking.verify(token("staff"), Role("editor"))
    assert [name for name, _, _ in told.answers] == ["roles"]
    told.decisions.clear()
    silent = Guard.like(guard, observer=None)
    assert silent.verify(token("staff"), STAFF)
    assert told.decisions == []


def test_an_observer_may_come_later_and_go() -> None:
    told = Told()
    guard = Guard(*AT_HAND, lookups=[Lookup("roles", lambda _: {"editor"})])
    guard.observe(told)
    assert guard.verify(token("staff"), Role("editor"))
    guard.observe(None)
    assert guard.verify(token("staff"), Role("editor"))
    assert len(told.decisions) == len(told.answers) == 1


def test_what_is_no_observer_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="observer= takes an Observer"):
        Guard(*AT_HAND, observer=print)  # type: ignore[arg-type]


def test_the_base_class_does_nothing() -> None:
    guard = Guard(*AT_HAND, observer=Observer(), lookups=[Lookup("roles", lambda _: {"editor"})])
    assert guard.verify(token("staff"), Domain("example.com") & Role("editor"))
    guard.warm()

"""`SingleUse` in Django: a token opens one request, whatever it is for; see ``tests/fleet/test_single_use.py``."""

from __future__ import annotations

import itertools

import pytest
from django.urls import path

from callerid import AnyGoogleAccount, Lookup, Public, Role, SingleUse
from callerid.authentication import UseRecord
from tests.fixtures import token

from .world import Diary, ask, closed, new_guard, status, statuses

COMMON = "django.middleware.common.CommonMiddleware"
_NUMBERS = itertools.count()


def someone() -> str:
    return f"django-{next(_NUMBERS)}"


class DeadFleet:
    """A fleet that cannot be asked."""

    def find(self, digest: str) -> None:
        return None

    def catching_up(self) -> None:
        return None

    def use(self, use_id: str, request: str, seconds: float) -> UseRecord:
        raise OSError("secret")


def test_a_token_opens_one_request(ran: Diary, by_asgi: bool) -> None:
    guard = new_guard()
    view = guard.allow(SingleUse())(ran.async_view() if by_asgi else ran.view())
    project = closed([path("refund/", view), path("open/", guard.allow(Public())(ran.view("open")))], guard)
    who = someone()
    assert statuses(project, "/refund/", who, who, None, someone(), by_asgi=by_asgi) == [200, 401, 401, 200]
    response = ask(project, "/refund/", who, by_asgi=by_asgi)
    assert response.json()["reason"] == "already_used"
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    assert status(project, "/open/", who, by_asgi=by_asgi) == 200
    assert ran == ["view", "view", "open"]


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_every_method_counts(ran: Diary, method: str) -> None:
    project = closed([path("", ran.view())], default=SingleUse())
    who = someone()
    assert status(project, "/", who, method=method) == 200
    assert status(project, "/", who) == 401


def test_an_unknown_path_counts_and_the_redirect_to_a_slash_does_not(ran: Diary, by_asgi: bool) -> None:
    project = closed([path("refund/", ran.view())], default=SingleUse(), middleware=[COMMON])
    who = someone()
    assert statuses(project, "/unknown/", who, who, by_asgi=by_asgi) == [404, 401]
    other = someone()
    assert status(project, "/refund", other, by_asgi=by_asgi) == 301
    assert statuses(project, "/refund/", other, other, by_asgi=by_asgi) == [200, 401]


def test_who_is_refused_by_another_rule_keeps_the_token(ran: Diary, by_asgi: bool) -> None:
    roles = set[str]()
    guard = new_guard(lookups=[Lookup("roles", lambda _: set(roles), timeout=30)])
    rule = AnyGoogleAccount() & Role("editor") & SingleUse()
    project = closed([path("", guard.allow(rule)(ran.view()))], guard, default=Public())
    who = "staff"
    assert statuses(project, "/", who, who, by_asgi=by_asgi) == [403, 403]
    roles.add("editor")
    guard.lookups.forget(guard.verify(token(who)))
    assert statuses(project, "/", who, who, by_asgi=by_asgi) == [200, 401]


def test_a_fleet_that_fails_is_503(ran: Diary, by_asgi: bool) -> None:
    project = closed([path("", ran.view())], new_guard(fleet=DeadFleet()), default=SingleUse())
    response = ask(project, "/", someone(), by_asgi=by_asgi)
    assert (response.status_code, response.json()["reason"]) == (503, "single_use_unavailable")
    assert response.headers["Retry-After"] == "1"
    assert ran == []

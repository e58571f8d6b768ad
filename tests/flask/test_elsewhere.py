"""What an application without a guard serves of one that has one: marked views refuse, and the rest is told."""

from __future__ import annotations

import logging

import pytest
from flask import Blueprint, Flask

from callerid.flask import Guard
from tests.fixtures import OTHERS

from .world import Diary, closed, status, statuses

SAID = "the application 'other' serves it without one"


def blueprint(ran: Diary, guard: Guard) -> Blueprint:
    made = Blueprint("orders", __name__, url_prefix="/orders")
    made.add_url_rule("/", "index", ran.view())
    made.add_url_rule("/marked", "marked", guard.allow(OTHERS)(ran.view("marked")))
    return made


def other(*blueprints: Blueprint) -> Flask:
    app = Flask("other")
    for each in blueprints:
        app.register_blueprint(each)
    return app


@pytest.mark.parametrize("is_protected_first", [True, False])
def test_a_blueprint_that_another_application_serves_without_a_guard_is_told_once(
    is_protected_first: bool, ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app, made = Flask(__name__), blueprint(ran, guard)
    if is_protected_first:
        closed(guard, app=app)
    app.register_blueprint(made)
    if not is_protected_first:
        closed(guard, app=app)
    bare = other(made)
    with caplog.at_level(logging.WARNING, logger="callerid"):
        assert statuses(bare, "/orders/", None, None) == [200, 200]
        assert statuses(bare, "/orders/marked", "outsider") == [500]
        assert statuses(app, "/orders/", None, "outsider", "staff") == [401, 403, 200]
    assert caplog.text.count(SAID) == 1
    assert "guard.protect(app, default=...)" in caplog.text
    assert ran == ["view", "view", "view"]


def test_one_within_another_is_told_too(ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    inner, outer = blueprint(ran, guard), Blueprint("outer", __name__)
    outer.register_blueprint(inner)
    closed(guard).register_blueprint(outer)
    status(other(inner), "/orders/")
    assert caplog.text.count(SAID) == 1


def test_nothing_is_told_where_a_guard_decides(ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    made = blueprint(ran, guard)
    for _ in range(3):
        app = closed(guard)
        app.register_blueprint(made)
        app.register_blueprint(made, name="again", url_prefix="/again")
        for path in ("/orders/", "/again/"):
            assert statuses(app, path, None, "staff") == [401, 200]
    late = other(made)
    closed(guard, app=late)
    assert statuses(late, "/orders/", None, "staff") == [401, 200]
    assert SAID not in caplog.text


def test_an_application_without_any_guard_of_ours_is_told_nothing(ran: Diary, caplog: pytest.LogCaptureFixture) -> None:
    made = Blueprint("orders", __name__)
    made.add_url_rule("/", "index", ran.view())
    assert status(other(made), "/") == 200
    assert caplog.text == ""

"""Marks on blueprints, nested ones too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask

from callerid import ConfigurationError, FirebaseUser, PathParam, Public, User
from callerid.flask import Guard
from tests.fixtures import OTHERS, STAFF

from .world import Diary, closed, new_guard, only_others, status, statuses


def blueprint(ran: Diary, name: str = "bp", **options: Any) -> Blueprint:
    made = Blueprint(name, __name__, url_prefix=f"/{name}", **options)
    made.before_request(ran.noting("before"))
    made.add_url_rule("/", "index", ran.view())
    return made


def test_its_rule_holds_for_every_view_of_it_before_anything_of_it_runs(
    ran: Diary, guard: Guard, tmp_path: Path
) -> None:
    (tmp_path / "page.txt").write_text("static")
    app = closed(guard)
    app.register_blueprint(guard.allow(OTHERS)(blueprint(ran, static_folder=str(tmp_path))))
    assert statuses(app, "/bp/", None, "staff") == [401, 403]
    assert ran == []
    assert only_others(app, "/bp/")
    assert ran == ["before", "view"]
    assert only_others(app, f"/bp/{tmp_path.name}/page.txt")
    assert statuses(app, "/bp/unknown", None, "outsider", "staff") == [401, 403, 404]  # Flask knows no route there


def test_the_rules_of_every_blueprint_on_the_way_and_of_the_view_hold(ran: Diary, guard: Guard) -> None:
    inner = guard.allow(OTHERS | STAFF)(blueprint(ran, "inner"))
    inner.add_url_rule("/eve", "eve", guard.allow(User("eve@other.com"))(ran.view("eve")))
    outer = blueprint(ran, "outer")
    outer.register_blueprint(inner)
    outermost = guard.allow(OTHERS)(blueprint(ran, "outermost"))
    outermost.register_blueprint(outer)
    app = closed(guard)
    app.register_blueprint(outermost)
    for path in ("/outermost/", "/outermost/outer/", "/outermost/outer/inner/"):
        assert only_others(app, path)
    ran.clear()
    assert statuses(app, "/outermost/outer/inner/eve", None, "staff", "mallory@other.com") == [401, 403, 403]
    assert ran == []
    assert statuses(app, "/outermost/outer/inner/eve", "outsider") == [200]


def test_one_blueprint_under_two_names(ran: Diary, guard: Guard) -> None:
    inner = guard.allow(OTHERS | STAFF)(blueprint(ran, "inner"))
    app = closed(guard, default=Public())
    app.register_blueprint(inner)
    parent = guard.allow(OTHERS)(Blueprint("parent", __name__, url_prefix="/p"))
    parent.register_blueprint(inner, name="again", url_prefix="/again")
    app.register_blueprint(parent)
    assert statuses(app, "/inner/", None, "robot", "staff", "outsider") == [401, 403, 200, 200]
    assert only_others(app, "/p/again/")


def test_it_never_runs_without_its_guard(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__)
    app.register_blueprint(guard.allow(Public())(blueprint(ran)))
    assert statuses(app, "/bp/", None, "staff") == [500, 500]
    parent = Blueprint("parent", __name__, url_prefix="/p")
    parent.register_blueprint(guard.allow(Public())(blueprint(ran, "child")))
    app = closed(new_guard(), default=Public())
    app.register_blueprint(parent)
    assert statuses(app, "/p/child/", None, "staff") == [500, 500]
    assert ran == []


def test_it_is_marked_before_it_is_registered(ran: Diary, guard: Guard) -> None:
    made = blueprint(ran)
    app = closed(guard)
    app.register_blueprint(made)
    with pytest.raises(ConfigurationError, match="registered already: call guard"):
        guard.allow(OTHERS)(made)
    assert status(app, "/bp/", "staff") == 200


def test_an_endpoint_that_is_named_as_if_it_were_in_a_blueprint_is_as_flask_takes_it(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.register_blueprint(guard.allow(OTHERS)(blueprint(ran)))
    app.add_url_rule("/direct", "bp.direct", ran.view())
    app.add_url_rule("/nowhere", "missing.direct", ran.view())
    assert only_others(app, "/direct")
    assert status(app, "/nowhere", "staff") == 200


def test_its_rule_may_name_who_the_path_names(ran: Diary, guard: Guard) -> None:
    made = Blueprint("users", __name__, url_prefix="/users/<user_id>")
    made.add_url_rule("/orders", "orders", ran.view())
    app = closed(guard)
    app.register_blueprint(guard.allow(FirebaseUser(PathParam("user_id")))(made))
    assert statuses(app, "/users/ada/orders", None, "ben", "ada") == [401, 403, 200]

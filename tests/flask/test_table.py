"""The path table beside marks: both hold; and paths that could be read in two ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from callerid import ConfigurationError, FirebaseUser, PathParam, Public, ServiceAccount, User
from callerid.flask import Guard

from .world import OTHERS, ROBOT, ROBOTS, STAFF, URL, Diary, ask, closed, issuer, only_others, status, statuses


@pytest.fixture
def app(ran: Diary, guard: Guard, tmp_path: Path) -> Flask:
    (tmp_path / "page.txt").write_text("static")
    app = Flask(__name__, static_folder=str(tmp_path), static_url_path="/static")
    routes = {
        "/static/*": Public(),
        "/open": Public(),
        "/others/{name}": OTHERS,
        "POST /others/{name}": ROBOTS,
        "/both": OTHERS | STAFF,
        "/users/{uid}/*": FirebaseUser(PathParam("uid")),
        "/numbers/{id}": FirebaseUser(PathParam("id")),
        "/tasks": guard.allow(ServiceAccount(ROBOT), audience=f"{URL}/tasks"),
    }
    closed(guard, app=app, routes=routes)
    app.add_url_rule("/open", "open", ran.view())
    app.add_url_rule("/others/<path:rest>", "others", ran.view(), methods=["GET", "POST"])
    app.add_url_rule("/both", "both", guard.allow(OTHERS)(ran.view()))
    app.add_url_rule("/users/<user>/<thing>", "user", guard.allow(FirebaseUser(PathParam("user")))(ran.view()))
    app.add_url_rule("/numbers/<int:number>", "number", ran.view())
    app.add_url_rule("/tasks", "tasks", ran.view())
    app.add_url_rule("/plain", "plain", ran.view())
    return app


def test_entries_hold_for_what_has_no_mark(app: Flask, ran: Diary) -> None:
    assert statuses(app, "/static/page.txt", None) == [200]
    assert statuses(app, "/static/missing.txt", None) == [404]
    assert statuses(app, "/open", None) == [200]
    assert only_others(app, "/others/a")
    assert only_others(app, "/others/a", method="HEAD")
    assert statuses(app, "/others/a", None, "outsider", "robot", method="POST") == [401, 403, 200]
    assert statuses(app, "/plain", None, "outsider", "staff") == [401, 403, 200]


def test_entries_and_marks_both_hold(app: Flask, ran: Diary) -> None:
    assert only_others(app, "/both")
    assert statuses(app, "/users/ada/x", None, "ben", "ada") == [401, 403, 200]


def test_where_no_view_is_meant_the_default_holds_beside_an_entry(app: Flask, ran: Diary) -> None:
    assert statuses(app, "/open", None, "outsider", "staff", method="DELETE") == [401, 403, 405]
    assert statuses(app, "/open", None, "outsider", "staff", method="OPTIONS") == [401, 403, 200]
    assert statuses(app, "/others/a", None, "outsider", "staff", method="DELETE") == [401, 403, 403]
    assert ran == []


def test_an_entry_judges_the_text_of_the_path(app: Flask, ran: Diary) -> None:
    assert statuses(app, "/numbers/7", None, "8", "7") == [401, 403, 200]
    assert statuses(app, "/numbers/007", "7", "007") == [403, 200]  # the table sees what stands there


def test_an_audience_of_an_entry_holds(app: Flask) -> None:
    answers = [
        status(app, "/tasks", headers={"Authorization": f"Bearer {issuer.service_account(ROBOT, audience=each)}"})
        for each in (URL, f"{URL}/tasks")
    ]
    assert answers == [401, 200]


def test_an_audience_of_an_entry_is_the_marks_too(ran: Diary, guard: Guard) -> None:
    tasks = f"{URL}/tasks"
    app = closed(guard, default=ROBOTS, floor=ROBOTS, routes={"/tasks": guard.allow(ROBOTS, audience=[tasks, URL])})
    app.add_url_rule("/tasks", "tasks", guard.allow(ROBOTS, audience=[tasks])(ran.view()))
    answers = [
        status(app, "/tasks", headers={"Authorization": f"Bearer {issuer.service_account(ROBOT, audience=each)}"})
        for each in (URL, tasks)
    ]
    assert answers == [401, 200]


AMBIGUOUS = ["/others//a", "/others/./a", "/others/../open", "/others/a%2fb", "/others/a;x", "/others/a%5cb", "//open"]


def test_a_path_that_could_be_read_in_two_ways_is_refused_where_only_paths_protect(app: Flask, ran: Diary) -> None:
    for path in AMBIGUOUS:
        shown = {"PATH_INFO": path.replace("%2f", "/").replace("%5c", "\\"), "REQUEST_URI": path}
        for who in (None, "outsider", "staff"):
            answer = ask(app, "/x", who, environ_overrides=shown)
            assert (answer.status_code, answer.json["reason"]) == (400, "ambiguous_path"), path  # type: ignore[index]
    assert status(app, "/plain", "staff", environ_overrides={"REQUEST_METHOD": "get"}) == 400
    assert ran == []


def test_marks_hold_however_a_path_is_written(app: Flask, ran: Diary) -> None:
    shown = {"PATH_INFO": "/users/ada/x", "REQUEST_URI": "/users/%61da/%2e/x"}
    assert [status(app, "/", who, environ_overrides=shown) for who in (None, "ben", "ada")] == [401, 403, 200]
    odd = {"PATH_INFO": "/users/ada/x;y"}
    assert [status(app, "/", who, environ_overrides=odd) for who in (None, "ben", "ada")] == [401, 403, 200]


def test_without_a_table_nothing_is_ambiguous(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/<path:rest>", "x", ran.view())
    assert statuses(app, "/a;b/../c", None, "outsider", "staff") == [401, 403, 200]


@pytest.mark.parametrize(
    "text",
    [
        "/opne",
        "/users/{id}",
        "/users/ada/orders/7/*",
        "DELETE /open",
        "WEBSOCKET /open",
        "/open/*",
        "/parts/a-b/c",
        "/hidden",
    ],
)
def test_an_entry_that_nothing_answers_is_an_error(text: str, ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={text: STAFF})
    app.add_url_rule("/open", "open", ran.view())
    app.add_url_rule("/users/<id>/orders", "orders", ran.view())
    app.add_url_rule("/parts/<a>-<b>", "parts", ran.view())
    app.add_url_rule("/hidden", "hidden", ran.view(), build_only=True)
    app.testing = True
    with pytest.raises(ConfigurationError) as raised:
        status(app, "/open", "staff")
    assert str(raised.value).startswith(f"routes[{text!r}]: no route of this application answers there")


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/open",
        "/open/",
        "GET /open",
        "/{anything}",
        "/*",
        "/users/ada/orders",
        "/users/*",
        "/users/{id}/{what}",
        "/parts/a-b",
        "/files/a/b/c",
        "/files/*",
        "/files/{a}/b",
        "/mixed/a",
        "PATCH /any",
        "OPTIONS /open",
        "/sub/tail",
    ],
)
def test_an_entry_that_something_may_answer_is_none(text: str, ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={text: STAFF}, default=STAFF)
    for number, rule in enumerate(
        ("/", "/open/", "/users/<id>/orders", "/parts/<a>-<b>", "/files/<path:rest>", "/mixed/x<path:rest>", "/any")
    ):
        app.add_url_rule(rule, str(number), ran.view(), methods=["PATCH"] if rule == "/any" else None)
    app.add_url_rule("/sub/<path:rest>/tail", "tail", ran.view())
    assert status(app, "/", "staff") == 200


def test_rules_that_exclude_each_other_are_found_before_the_first_request(ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={"/jobs/{id}": ROBOTS, "/jobs/odd": STAFF})
    app.add_url_rule("/jobs/<id>", "job", guard.allow(STAFF)(ran.view()))
    app.add_url_rule("/jobs/odd", "odd", guard.allow(STAFF)(ran.view()))
    app.testing = True
    with pytest.raises(ConfigurationError, match=r"^/jobs/<id>: this rule can admit nobody"):
        status(app, "/jobs/odd", "staff")


def test_rules_that_exclude_each_other_at_one_path_only_are_a_500_there(ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={"/jobs/odd": ROBOTS})
    app.add_url_rule("/jobs/<id>", "job", guard.allow(STAFF)(ran.view()))
    assert [status(app, "/jobs/even", "staff"), status(app, "/jobs/odd", "staff")] == [200, 500]
    assert ran == ["view"]


def test_a_table_takes_what_the_guard_allows(ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={"/a": "user:eve@other.com", "/b": guard.allow(User("eve@other.com"))})
    for name in "ab":
        app.add_url_rule(f"/{name}", name, ran.view())
    assert [statuses(app, path, None, "staff", "outsider") for path in ("/a", "/b")] == [[401, 403, 200]] * 2


@pytest.mark.parametrize(
    "routes", [None, [("/a", STAFF)], {"/a": 1}, {"a": STAFF}, {"/{x}": FirebaseUser(PathParam("y"))}]
)
def test_a_table_is_read_when_it_is_given(routes: Any, guard: Guard) -> None:
    with pytest.raises(ConfigurationError):
        closed(guard, routes=routes)

"""Mistakes are found when they are made, or before the first request."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import UnicodeConverter

from callerid import ConfigurationError, Domain, FirebaseUser, Nobody, PathParam, Public, Tenant
from callerid.flask import Guard
from callerid.flask._startup_checks import check, checked_rules
from tests.fixtures import OTHERS, OWNER, ROBOTS, STAFF, URL

from .world import Diary, closed, new_guard, status, statuses


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"default": None}, "default= takes a rule"),
        ({"default": 1}, "default= takes a rule"),
        ({"floor": 1}, "floor= takes a rule"),
        ({"default": OWNER}, "default=: PathParam"),
        ({"default": Domain("example.com") & Tenant("t")}, "can admit nobody"),
        ({"on_refusal": "/login"}, "on_refusal is a function"),
    ],
)
def test_protect_says_what_is_wrong(options: Any, message: str, guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match=message):
        closed(guard, **options)


def test_a_default_is_no_decorator(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match="default= takes the rule itself"):
        closed(guard, default=guard.allow(STAFF))
    with pytest.raises(ConfigurationError, match="floor= takes the rule itself"):
        closed(guard, floor=guard.allow(STAFF))


def test_only_applications_are_protected_once_and_by_a_guard_that_trusts_somebody(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match="trusts no issuer"):
        closed(Guard())
    wrong: Any = object()
    with pytest.raises(ConfigurationError, match="takes a Flask application"):
        guard.protect(wrong, default=STAFF)
    app = closed(guard)
    with pytest.raises(ConfigurationError, match="protected already"):
        new_guard().protect(app, default=Public())


def test_init_app_is_protect(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__)
    guard.init_app(app, default=STAFF)
    app.add_url_rule("/", "x", ran.view())
    assert statuses(app, "/", None, "outsider", "staff") == [401, 403, 200]


def test_one_guard_may_protect_several_applications(ran: Diary, guard: Guard) -> None:
    apps = [closed(guard, default=default) for default in (STAFF, OTHERS)]
    for app in apps:
        app.add_url_rule("/", "x", ran.view())
    assert [statuses(app, path, "staff", "outsider") for app in apps for path in ("/", "/none")] == [
        [200, 403],
        [404, 403],
        [403, 200],
        [403, 404],
    ]


def test_an_application_that_serves_already_is_protected_from_then_on(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "x", ran.view())
    assert status(app, "/") == 200
    closed(guard, app=app)
    assert status(app, "/") == 401


class Shouting(UnicodeConverter):
    def to_python(self, value: str) -> str:
        return value.upper()


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        ("/users/<float:user>", {}, "FloatConverter.*write <user> or <int:user>"),
        ("/users/<path:user>", {}, "PathConverter"),
        ("/users/<uuid:user>", {}, "UUIDConverter"),
        ("/users/<any(a,b):user>", {}, "AnyConverter"),
        ("/users/<shouting:user>", {}, "Shouting"),
        ("/users/<name>", {}, "no such parameter"),
        ("/users", {}, "no such parameter"),
        ("/users", {"defaults": {"user": "ada"}}, "no such parameter"),
        ("/users/<user>", {"defaults": {"user": "ada"}}, "defaults= put another value"),
        ("/users", {"subdomain": "<user>"}, "no such parameter"),
        ("/users/<name>", {"subdomain": "<user>"}, "no such parameter"),
    ],
)
def test_a_parameter_that_cannot_be_compared_is_found_before_the_first_request(
    rule: str, options: Any, message: str, ran: Diary, guard: Guard
) -> None:
    app = closed(guard)
    app.url_map.converters["shouting"] = Shouting
    app.add_url_rule("/ok", "ok", ran.view())
    app.add_url_rule(rule, "user", guard.allow(OWNER)(ran.view()), **options)
    app.testing = True
    for _ in range(2):  # a failed check is made again
        with pytest.raises(ConfigurationError, match=message):
            status(app, "/ok", "staff")
    assert ran == []


@pytest.mark.parametrize(
    ("rule", "path", "whose"),
    [
        ("/users/<user>", "/users/ada", "ada"),
        ("/users/<string(length=3):user>", "/users/ada", "ada"),
        ("/users/<default:user>", "/users/A%C3%84%20%2B", "AÄ +"),
        ("/users/<int:user>", "/users/7", "7"),
        ("/users/<int:user>", "/users/007", "7"),
        ("/users/<int(signed=True):user>", "/users/-7", "-7"),
        ("/users/<int:user>", "/users/%D9%A7", "7"),
        ("/<any('a/b',\"c>d\"):kind>/<user>", "/c%3Ed/ada", "ada"),
    ],
)
def test_whoever_the_path_names_and_nobody_else(rule: str, path: str, whose: str, ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule(rule, "user", guard.allow(FirebaseUser(PathParam("user")))(ran.view()))
    assert statuses(app, path, None, "someone", whose) == [401, 403, 200]


def test_where_werkzeug_hides_its_converters_nothing_opens(
    ran: Diary, guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = closed(guard)
    app.add_url_rule("/users/<user>", "user", guard.allow(OWNER)(ran.view()))
    app.testing = True
    (rule,) = (rule for rule in app.url_map.iter_rules() if "user" in rule.arguments)
    monkeypatch.setattr(type(rule), "__getattribute__", _without_converters)
    with pytest.raises(ConfigurationError, match="write <user>"):
        check(app.extensions["callerid"])


def _without_converters(rule: Any, name: str) -> Any:
    if name == "_converters":
        raise AttributeError(name)
    return object.__getattribute__(rule, name)


def test_rules_that_admit_nobody_are_found_before_the_first_request(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/a", "a", guard.allow(STAFF)(guard.allow(ROBOTS)(ran.view())))
    app.add_url_rule("/b", "b", guard.allow(OTHERS)(guard.allow(STAFF)(ran.view())))
    first, second = (guard.allow(ROBOTS, audience=f"{URL}/{name}") for name in "xy")
    app.add_url_rule("/c", "c", first(second(ran.view())))
    app.testing = True
    with pytest.raises(ConfigurationError) as raised:
        status(app, "/", "staff")
    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines[:2]] == ["/a", "/b"]
    assert len(lines) == 3
    assert "no audience is in all of" in lines[2]


def test_a_rule_that_becomes_impossible_later_is_a_500_for_that_view_alone(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/a", "a", ran.view())
    app.add_url_rule("/b", "b", ran.view())
    assert status(app, "/a", "staff") == 200
    app.view_functions["b"] = guard.allow(STAFF)(guard.allow(ROBOTS)(ran.view("b")))
    assert [statuses(app, path, None, "staff") for path in ("/a", "/b")] == [[401, 200], [500, 500]]
    assert "b" not in ran


def test_rules_that_exclude_the_default_refuse_other_methods_to_everybody(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=STAFF)
    app.add_url_rule("/", "x", guard.allow(ROBOTS)(ran.view()))
    assert statuses(app, "/", None, "staff", "robot", method="OPTIONS") == [401, 403, 403]


def test_what_is_open_to_everybody_is_logged_once(ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    app = closed(guard)
    app.add_url_rule("/open", "open", guard.allow(Public())(ran.view()), methods=["GET", "POST"])
    app.add_url_rule("/closed", "closed", guard.allow(Nobody())(ran.view()))
    with caplog.at_level(logging.INFO, logger="callerid"):
        assert statuses(app, "/open", None, None) == [200, 200]
    opened = [record.getMessage() for record in caplog.records if "open to everybody" in record.getMessage()]
    assert opened == [f"open to everybody: {method} /open" for method in ("GET", "POST")]


def test_the_check_is_made_once_by_many_threads(ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", guard.allow(Public())(ran.view()), methods=["POST"])
    with caplog.at_level(logging.INFO, logger="callerid"):
        threads = [threading.Thread(target=status, args=(app, "/"), kwargs={"method": "POST"}) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert caplog.text.count("open to everybody") == 1


def test_a_thread_that_waited_for_the_check_does_not_make_it_again(guard: Guard) -> None:
    protection = closed(guard).extensions["callerid"]

    class Slower:
        """A lock that another thread held until it had checked."""

        def __enter__(self) -> None:
            protection._is_checked = True

        def __exit__(self, *_: object) -> None:
            pass

    made: list[Any] = []
    protection._lock = Slower()
    protection.check_once(made.append)
    assert made == []


def test_the_checked_rules_tell_what_is_enforced(ran: Diary, guard: Guard) -> None:
    app = closed(guard, routes={"/tabled": OTHERS})
    app.add_url_rule("/users/<user>", "user", guard.allow(OWNER)(ran.view()))
    app.add_url_rule("/tabled", "tabled", ran.view(), methods=["POST"])
    app.add_url_rule("/wrong", "wrong", guard.allow(ROBOTS & OTHERS)(ran.view()), methods=["PUT"])
    found = {str(each): each for each in checked_rules(app.extensions["callerid"])}
    static = "/static/<path:filename>"
    assert found.keys() == {
        f"GET {static}",
        f"HEAD {static}",
        "GET /users/<user>",
        "HEAD /users/<user>",
        "POST /tabled",
        "PUT /wrong",
    }
    rules = {name: each.policy.whole.rule for name, each in found.items() if each.policy is not None}
    assert rules["GET /users/<user>"] == OWNER
    assert rules["POST /tabled"] == OTHERS
    assert rules[f"GET {static}"] == STAFF
    assert "can admit nobody" in found["PUT /wrong"].problem


def test_decisions_are_logged_as_everywhere(ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    app = closed(guard)
    app.add_url_rule("/users/<user>", "user", guard.allow(OWNER)(ran.view()))
    with caplog.at_level(logging.DEBUG, logger="callerid"):
        statuses(app, "/users/ada", "ada", "ben", None)
        status(app, "/none\n", "staff")
    records = [record.callerid for record in caplog.records if hasattr(record, "callerid")]
    assert [(each["outcome"], each["route"], each["reason"], each["caller"], each["rule"]) for each in records] == [
        ("allowed", "GET /users/<user>", None, "firebase:shop-prod/ada", "firebaseUser:{user}"),
        ("refused", "GET /users/<user>", "not_allowed", "firebase:shop-prod/ben", "firebaseUser:{user}"),
        ("refused", "GET /users/<user>", "no_credential", None, "firebaseUser:{user}"),
        ("allowed", "GET (no route)", None, "user:ada@example.com", "domain:example.com"),
    ]

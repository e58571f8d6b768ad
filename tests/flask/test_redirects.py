"""A redirect that Werkzeug answers by itself is judged by the rules of the place that it leads to."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.routing import BaseConverter, Map, RequestRedirect, ValidationError

from callerid import Nobody, Public
from callerid.flask import Guard
from callerid.flask._routing import adapter_at, served
from tests.fixtures import OTHERS, OWNER, STAFF

from .world import Diary, ask, closed, keeping, status, statuses

EVERYBODY = (None, "outsider", "staff")


@pytest.fixture
def app(ran: Diary, guard: Guard) -> Flask:
    app = closed(guard, default=Nobody(), routes={"/tabled/": OTHERS})
    app.add_url_rule("/metrics/", "metrics", guard.allow(Public())(ran.view()))
    app.add_url_rule("/items/", "items", guard.allow(STAFF)(ran.view()), methods=["GET", "POST"])
    app.add_url_rule("/tabled/", "tabled", ran.view())
    app.add_url_rule("/hidden/", "hidden", ran.view())
    app.add_url_rule("/users/<user>/", "user", guard.allow(OWNER)(ran.view()))
    app.add_url_rule("/a/b", "merged", guard.allow(OTHERS)(ran.view()))
    pages: Any = guard.allow(STAFF)(ran.view())
    app.add_url_rule("/pages/", "pages", pages, defaults={"page": 1})
    app.add_url_rule("/pages/<int:page>", "pages", pages)
    app.add_url_rule("/old", endpoint="old", redirect_to="/items/")
    app.add_url_rule("/old/<user>", endpoint="old_user", redirect_to="/users/<user>")
    app.add_url_rule("/away", endpoint="away", redirect_to="https://elsewhere.example/metrics/")
    app.add_url_rule("/missing", endpoint="missing", redirect_to="/nothing/here")
    app.add_url_rule("/around", endpoint="around", redirect_to="/around")
    app.add_url_rule("/alias", "metrics", alias=True)
    return app


@pytest.mark.parametrize(
    ("path", "answers"),
    [
        ("/metrics", [308, 308, 308]),
        ("/alias", [308, 308, 308]),
        ("/items", [401, 403, 308]),
        ("/tabled", [401, 308, 403]),
        ("/hidden", [401, 403, 403]),
        ("/a//b", [401, 308, 403]),
        ("/metrics//", [308, 308, 308]),
        ("/pages/1", [401, 403, 308]),
        ("/old", [401, 403, 308]),
        ("/away", [401, 403, 403]),
        ("/missing", [401, 403, 403]),
        ("/around", [401, 403, 403]),
        ("/nothing", [401, 403, 403]),
    ],
)
def test_a_redirect_is_judged_by_where_it_leads(path: str, answers: list[int], app: Flask, ran: Diary) -> None:
    assert statuses(app, path, *EVERYBODY) == answers
    assert statuses(app, f"{path}?next=/metrics/", *EVERYBODY) == answers
    assert ran == []


def test_path_parameters_are_those_of_the_place_that_it_leads_to(app: Flask) -> None:
    assert statuses(app, "/users/ada", None, "ben", "ada") == [401, 403, 308]
    assert statuses(app, "/users/A%C3%84%20%2B%25", "ada", "AÄ +%") == [403, 308]
    assert statuses(app, "/old/ada", None, "ben", "ada") == [401, 403, 308]  # and then to /users/ada/
    assert status(app, "/old", "ada") == 403


def test_the_method_is_the_requests_own(app: Flask) -> None:
    assert statuses(app, "/items", *EVERYBODY, method="POST") == [401, 403, 308]
    assert statuses(app, "/items", *EVERYBODY, method="DELETE") == [401, 403, 403]
    assert statuses(app, "/metrics", *EVERYBODY, method="POST") == [401, 403, 403]
    assert statuses(app, "/metrics", *EVERYBODY, method="HEAD") == [308, 308, 308]


def test_options_are_under_the_rule_of_the_place_and_the_default(app: Flask) -> None:
    headers = {"Origin": "https://shop.example.com", "Access-Control-Request-Method": "GET"}
    for path in ("/metrics", "/items"):
        assert statuses(app, path, *EVERYBODY, method="OPTIONS") == [401, 403, 403]
        assert status(app, path, method="OPTIONS", headers=headers) == 401


def test_whatever_is_redirected_runs_no_marked_function(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Nobody())
    marked = guard.allow(Public())(ran.view())
    app.add_url_rule("/metrics/", "metrics", marked)
    app.before_request(lambda: marked() and None)
    assert status(app, "/metrics") == 500
    assert ran == []


def test_a_rule_that_does_not_redirect_is_judged_as_ever(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Nobody())
    app.add_url_rule("/loose/", "loose", guard.allow(STAFF)(ran.view()), strict_slashes=False)
    assert statuses(app, "/loose", *EVERYBODY) == [401, 403, 200]


def test_where_slashes_are_not_merged_nothing_leads_there(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__, static_folder=None)
    app.url_map = Map(merge_slashes=False)
    closed(guard, app=app, default=Nobody())
    app.add_url_rule("/a/b", "x", guard.allow(Public())(ran.view()))
    assert statuses(app, "/a//b", *EVERYBODY) == [401, 403, 403]


def test_behind_other_applications_it_leads_inside(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Nobody())
    app.add_url_rule("/metrics/", "metrics", guard.allow(Public())(ran.view()))
    app.add_url_rule("/out", endpoint="out", redirect_to="../metrics/")
    outer = Flask("outer")
    outer.wsgi_app = DispatcherMiddleware(outer.wsgi_app, {"/sub": app})  # type: ignore[method-assign]
    assert ask(outer, "/sub/metrics").headers["Location"] == "http://localhost/sub/metrics/"
    assert statuses(outer, "/sub/out", *EVERYBODY) == [401, 403, 403]


def test_another_host_is_another_place(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__, host_matching=True, static_host="static.example.com")
    closed(guard, app=app, default=Nobody())
    for name, rule in (("open", Public()), ("staff", STAFF)):
        view = guard.allow(rule)(ran.view())
        app.add_url_rule("/x/", name, view, host=f"{name}.example.com")
        app.add_url_rule("/to", f"{name}_to", redirect_to="http://open.example.com/x/", host=f"{name}.example.com")

    def at(host: str, path: str) -> list[int]:
        return statuses(app, path, *EVERYBODY, headers={"Host": host})

    assert at("open.example.com", "/x") == [308, 308, 308]
    assert at("staff.example.com", "/x") == [401, 403, 308]
    assert at("open.example.com", "/to") == [308, 308, 308]
    assert at("staff.example.com", "/to") == [401, 403, 403]
    assert at("elsewhere.example.com", "/x") == [401, 403, 403]


def test_another_subdomain_is_another_place(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__, subdomain_matching=True)
    app.config["SERVER_NAME"] = "example.com"
    closed(guard, app=app, default=Nobody())
    app.add_url_rule("/x/", "api", guard.allow(Public())(ran.view()), subdomain="api")
    pages: Any = guard.allow(Public())(ran.view())
    app.add_url_rule("/", "pages", pages, defaults={"page": 1}, subdomain="api")
    app.add_url_rule("/<int:page>", "pages", pages, subdomain="www")

    def at(host: str, path: str) -> list[int]:
        return statuses(app, path, *EVERYBODY, headers={"Host": host})

    assert at("api.example.com", "/x") == [308, 308, 308]
    assert at("www.example.com", "/1") == [401, 403, 403]  # to api.example.com
    assert at("example.com", "/x") == [401, 403, 403]


@pytest.mark.parametrize("host", ["a b", "evil.example", "localhost:80", "localhost:8000", "\xb5", "x@y", ""])
def test_no_host_leads_elsewhere(host: str, app: Flask) -> None:
    assert statuses(app, "/items", None, "outsider", headers={"Host": host}) == [401, 403]
    assert statuses(app, "/metrics", None, headers={"Host": host})[0] in (308, 401)


class Known(BaseConverter):
    def to_python(self, value: str) -> str:
        if value != "ada":
            raise ValidationError(value)
        return value


def test_a_redirect_to_nothing_is_under_the_default(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=STAFF)
    app.url_map.converters["known"] = Known
    app.add_url_rule("/of/<known:user>/", "x", guard.allow(Public())(ran.view()))
    assert statuses(app, "/of/ada", *EVERYBODY) == [308, 308, 308]
    assert statuses(app, "/of/ben", *EVERYBODY) == [401, 403, 308]
    assert statuses(app, "/of/ben/", *EVERYBODY) == [401, 403, 404]


class Renamed(BaseConverter):
    def to_python(self, value: str) -> str:
        raise RequestRedirect({"ada": "http://localhost/metrics/", "ben": "http://[", "eve": "/metrics/"}[value])


def test_a_converter_may_redirect(app: Flask) -> None:
    app.url_map.converters["renamed"] = Renamed
    app.add_url_rule("/was/<renamed:name>", "was", lambda name: name)
    assert statuses(app, "/was/ada", *EVERYBODY) == [308, 308, 308]
    assert statuses(app, "/was/ben", *EVERYBODY) == [401, 403, 403]
    assert statuses(app, "/was/eve", *EVERYBODY) == [401, 403, 403]  # a URL without its host is not looked at


def test_a_redirect_of_the_applications_own_is_under_its_rule(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Nobody())
    app.add_url_rule("/metrics/", "metrics", guard.allow(Public())(ran.view()))

    @app.get("/go")
    @guard.allow(STAFF)
    def go() -> Any:
        raise RequestRedirect("/metrics/")

    assert statuses(app, "/go", *EVERYBODY) == [401, 403, 308]


def test_without_enforcement_it_is_told_as_it_would_be_judged(ran: Diary, guard: Guard) -> None:
    app = closed(guard, default=Nobody(), enforce=False, until="2999-12-31", shadow={"/items/": OTHERS})
    app.add_url_rule("/items/", "items", ran.view())
    assert statuses(app, "/items", None, "outsider") == [308, 308]
    assert guard.shadow.would_admit == 1


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/metrics/", ("/metrics/", {}, False)),
        ("GET", "/metrics", ("/metrics/", {}, True)),
        ("GET", "/users/ada/", ("/users/<user>/", {"user": "ada"}, False)),
        ("GET", "/old/ada", ("/users/<user>/", {"user": "ada"}, True)),
        ("POST", "/metrics/", (None, {}, False)),
        ("GET", "/away", (None, {}, False)),
        ("GET", "/unknown", (None, {}, False)),
    ],
)
def test_what_would_serve_a_path_is_found_without_a_request(
    method: str, path: str, expected: tuple[str | None, dict[str, Any], bool], app: Flask, ran: Diary
) -> None:
    found = served(app, adapter_at(app), method, path)
    rule = found.serving.rule
    assert (rule and rule.rule, dict(found.arguments), found.is_redirected) == expected
    assert ran == []


def test_what_would_serve_a_path_on_another_host(ran: Diary, guard: Guard) -> None:
    app = Flask(__name__, host_matching=True, static_host="static.example.com")
    app.add_url_rule("/x", "x", keeping(ran.view()), host="api.example.com")
    assert served(app, adapter_at(app), "GET", "/x").serving.rule is None
    assert served(app, adapter_at(app, "http://api.example.com"), "GET", "/x").serving.rule is not None

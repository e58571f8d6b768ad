"""A rule above a route's decorator marks a function that the route does not serve: found before the first request."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from flask import Blueprint, Flask
from flask.views import MethodView

from callerid import ConfigurationError, Public
from callerid.flask import Guard
from tests.fixtures import OTHERS, STAFF

from .test_marks import KINDS
from .world import Diary, closed, keeping, new_guard, only_others, status, statuses


def refuses_to_start(app: Flask, route: str, path: str = "/elsewhere") -> bool:
    """Whether no request is served, and the error names the route and the remedy."""
    assert statuses(app, path, None, "staff", "outsider") == [500, 500, 500]
    app.testing = True
    with pytest.raises(ConfigurationError) as raised:
        status(app, path, "staff")
    (line,) = str(raised.value).splitlines()
    return line.startswith(f"{route}: guard.allow(") and "Put guard.allow(...) below every route decorator" in line


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("default", [Public(), STAFF], ids=str)
def test_a_rule_above_a_route_is_an_error_before_the_first_request(
    name: str, default: Any, ran: Diary, guard: Guard
) -> None:
    app, view = closed(guard, default=default), KINDS[name](ran)
    app.add_url_rule("/x", "x", view)
    guard.allow(OTHERS)(view)
    assert refuses_to_start(app, "/x")
    assert ran == []


def test_above_other_decorators_too(guard: Guard) -> None:
    app = closed(guard, default=Public())

    @guard.allow(OTHERS)
    @keeping
    @guard.allow(STAFF)
    @keeping
    @app.get("/x")
    def above() -> str:
        return "above"

    assert refuses_to_start(app, "/x")


def test_between_two_route_decorators(guard: Guard) -> None:
    app = closed(guard, default=Public())

    @app.get("/marked", endpoint="marked")
    @guard.allow(OTHERS)
    @app.get("/bare")
    def between() -> str:
        return "between"

    assert refuses_to_start(app, "/bare", "/marked")


def test_where_the_marked_function_serves_another_route(guard: Guard) -> None:
    app = closed(guard, default=Public())

    @guard.allow(OTHERS)
    @app.get("/bare")
    def above() -> str:
        return "above"

    app.add_url_rule("/marked", "marked", above)
    assert refuses_to_start(app, "/bare", "/marked")


def test_a_function_that_is_served_with_a_rule_and_without(ran: Diary, guard: Guard) -> None:
    app, plain = closed(guard, default=Public()), ran.view()
    app.add_url_rule("/marked", "marked", keeping(guard.allow(OTHERS)(plain)))
    app.add_url_rule("/bare", "bare", plain)
    assert refuses_to_start(app, "/bare", "/marked")


def test_above_one_rule_of_several(guard: Guard) -> None:
    app = closed(guard, default=Public())

    @guard.allow(OTHERS)
    @app.get("/x")
    @guard.allow(Public())
    def marked() -> str:
        return "marked"

    assert refuses_to_start(app, "/x")


def test_in_a_blueprint(ran: Diary, guard: Guard) -> None:
    made = Blueprint("bp", __name__, url_prefix="/bp")

    @guard.allow(OTHERS)
    @made.get("/x")
    def above() -> str:
        return "above"

    app = closed(guard, default=Public())
    app.register_blueprint(made)
    assert refuses_to_start(app, "/bp/x")


def test_on_a_view_that_was_made_of_a_class(guard: Guard) -> None:
    class Api(MethodView):
        def get(self) -> str:
            return "get"

    app = closed(guard, default=Public())
    view = Api.as_view("x")
    app.add_url_rule("/x", view_func=view)
    guard.allow(OTHERS)(view)
    assert refuses_to_start(app, "/x")


def test_by_a_guard_that_protects_another_application(guard: Guard) -> None:
    app = closed(new_guard(), default=Public())

    @guard.allow(OTHERS)
    @app.get("/x")
    def above() -> str:
        return "above"

    assert refuses_to_start(app, "/x")


def test_where_an_extension_has_wrapped_the_view_since(ran: Diary, guard: Guard) -> None:
    app, view = closed(guard, default=Public()), ran.view()
    app.add_url_rule("/x", "x", view)
    guard.allow(OTHERS)(view)
    app.view_functions["x"] = keeping(view)
    assert refuses_to_start(app, "/x")


def test_a_rule_that_comes_after_the_first_request_is_an_error_from_then_on(ran: Diary, guard: Guard) -> None:
    app, view = closed(guard), ran.view()
    app.add_url_rule("/x", "x", view)
    app.add_url_rule("/other", "other", ran.view())
    assert statuses(app, "/x", "staff") == [200]
    guard.allow(OTHERS)(view)
    assert statuses(app, "/x", None, "staff", "outsider") == [500, 500, 500]
    assert statuses(app, "/other", "staff") == [200]


def test_a_function_that_every_application_marks_anew_is_served_by_each(ran: Diary, guard: Guard) -> None:
    """As application factories do it with functions of a module."""
    view = ran.view()
    for rule in (OTHERS, OTHERS, STAFF):
        app = closed(guard)
        app.add_url_rule("/", "x", guard.allow(rule)(view))
        other = closed(new_guard())
        other.add_url_rule("/", "x", keeping(guard.allow(rule)(keeping(view))))
        assert only_others(app) is (rule is OTHERS)


def test_methods_of_two_objects_are_two_functions(ran: Diary, guard: Guard) -> None:
    class Service:
        def view(self) -> str:
            return "view"

        def __call__(self) -> str:
            return "called"

    marked, plain = Service(), Service()
    app = closed(guard)
    app.add_url_rule("/marked", "marked", guard.allow(OTHERS)(marked.view))
    app.add_url_rule("/plain", "plain", plain.view)
    app.add_url_rule("/called", "called", guard.allow(OTHERS)(marked.__call__))
    app.add_url_rule("/object", "object", plain)
    assert only_others(app, "/marked")
    assert only_others(app, "/called")
    assert statuses(app, "/plain", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, "/object", None, "outsider", "staff") == [401, 403, 200]


def test_partials_of_one_function_are_several_functions(ran: Diary, guard: Guard) -> None:
    view = ran.view()
    app = closed(guard)
    app.add_url_rule("/marked", "marked", guard.allow(OTHERS)(functools.partial(view)))
    app.add_url_rule("/partial", "partial", functools.partial(view))
    app.add_url_rule("/bare", "bare", view)
    assert only_others(app, "/marked")
    for path in ("/partial", "/bare"):
        assert statuses(app, path, None, "outsider", "staff") == [401, 403, 200]


def test_a_method_of_one_object_is_one_function(guard: Guard) -> None:
    class Service:
        def view(self) -> str:
            return "view"

    service = Service()
    app = closed(guard, default=Public())
    app.add_url_rule("/marked", "marked", guard.allow(OTHERS)(service.view))
    app.add_url_rule("/bare", "bare", service.view)
    assert refuses_to_start(app, "/bare", "/marked")

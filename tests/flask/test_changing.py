"""What changes between the decision and the dispatch is not served."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, g, request
from flask.views import MethodView
from werkzeug.exceptions import NotFound

from callerid import UnguardedEndpointError
from callerid.flask import Guard, caller
from callerid.testing import LocalIssuer

from .world import OTHERS, OWNER, ROBOTS, STAFF, Diary, ask, closed, new_guard, status, statuses, token

Change = Callable[[Flask], None]


def arguments_replaced(app: Flask) -> None:
    request.view_args = {"user": "ben"}


def arguments_changed(app: Flask) -> None:
    assert request.view_args is not None
    request.view_args["user"] = "ben"


def rule_replaced(app: Flask) -> None:
    request.url_rule = next(rule for rule in app.url_map.iter_rules() if rule.endpoint == "other")
    request.view_args = {}


def view_replaced(app: Flask) -> None:
    app.view_functions["user"] = app.view_functions["other"]


def view_removed(app: Flask) -> None:
    del app.view_functions["user"]


def method_changed(app: Flask) -> None:
    request.method = "DELETE"


def exception_set(app: Flask) -> None:
    request.routing_exception = NotFound()


CHANGES = [
    arguments_replaced,
    arguments_changed,
    rule_replaced,
    view_replaced,
    view_removed,
    method_changed,
    exception_set,
]


def guarded(ran: Diary, guard: Guard, *, marked: bool) -> Flask:
    """With one's own and others' things under a rule, or under the default."""
    app = closed(guard, default="domain:example.com", floor=None)
    view = ran.view("user")
    app.add_url_rule("/users/<user>", "user", guard.allow(OWNER)(view) if marked else view)
    app.add_url_rule("/other", "other", ran.view("other"))
    return app


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("marked", [True, False])
def test_a_later_change_ends_closed(
    change: Change, marked: bool, ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app = guarded(ran, guard, marked=marked)
    app.before_request(lambda: change(app))
    judged = marked or "arguments" not in change.__name__
    assert status(app, "/users/ada", "ada" if marked else "staff") == (500 if judged else 200)
    assert ran == ([] if judged else ["user"])
    assert ("after the guard had decided" in caplog.text) is judged


def test_a_class_does_not_serve_another_method_than_was_judged(ran: Diary, guard: Guard) -> None:
    class Api(MethodView):
        def get(self) -> str:
            ran.append("get")
            return "get"

        def delete(self) -> str:
            ran.append("delete")
            return "delete"

    app = closed(guard)
    app.add_url_rule("/", view_func=Api.as_view("x"))
    app.before_request(lambda: method_changed(app) if request.args else None)
    assert statuses(app, "/", "staff") == [200]
    assert statuses(app, "/?override", "staff") == [500]
    assert ran == ["get"]


def test_functions_that_take_values_out_of_the_path_see_what_was_judged(ran: Diary, guard: Guard) -> None:
    app = guarded(ran, guard, marked=False)

    @app.url_value_preprocessor
    def pull(_: str | None, values: dict[str, Any] | None) -> None:
        g.user = (values or {}).pop("user", None)

    @app.get("/users/<user>/orders")
    @guard.allow(OWNER)
    def orders() -> str:
        return f"{g.user}'s"

    assert statuses(app, "/users/ada/orders", None, "ben") == [401, 403]
    assert ask(app, "/users/ada/orders", "ada").text == "ada's"


def test_a_function_that_puts_another_value_into_the_path_ends_closed(ran: Diary, guard: Guard) -> None:
    app = guarded(ran, guard, marked=True)

    @app.url_value_preprocessor
    def alias(_: str | None, values: dict[str, Any] | None) -> None:
        assert values is not None
        values["user"] = "ben"

    assert statuses(app, "/users/ada", None, "ben", "ada") == [401, 403, 500]
    assert ran == []


@pytest.mark.parametrize("change", ["marked", "unmarked"])
def test_a_view_replaced_while_keys_are_fetched_is_not_served(change: str, ran: Diary, served: LocalIssuer) -> None:
    guard = new_guard(served)
    app = closed(guard)
    app.add_url_rule("/", "x", ran.view())
    before, answers = served.fetches["google"], list[int]()
    asking = threading.Thread(target=lambda: answers.append(status(app, "/", "staff")))
    with served.hold():
        asking.start()
        served.wait_for_fetches("google", before + 1)
        other = ran.view("other")
        app.view_functions["x"] = guard.allow(ROBOTS)(other) if change == "marked" else other
    asking.join()
    assert answers == [500]
    assert ran == []
    assert status(app, "/", "staff") == (403 if change == "marked" else 200)


# --- those who dispatch by themselves ---


def test_an_extension_with_a_dispatch_of_its_own_is_taken_along(ran: Diary, guard: Guard) -> None:
    app = guarded(ran, guard, marked=True)

    def dispatch() -> Any:
        ran.append("extension")
        assert request.url_rule is not None
        return app.view_functions[request.url_rule.endpoint](**(request.view_args or {}))

    app.dispatch_request = dispatch  # type: ignore[method-assign]
    assert statuses(app, "/users/ada", None, "ben", "ada") == [401, 403, 200]
    assert statuses(app, "/other", None, "ada", "staff") == [401, 403, 200]
    assert ran == ["extension", "user", "extension", "other"]


def test_a_dispatch_without_a_decision_is_an_error(ran: Diary, guard: Guard) -> None:
    app = guarded(ran, guard, marked=False)
    with app.test_request_context("/other"), pytest.raises(UnguardedEndpointError, match="preprocess_request"):
        app.dispatch_request()
    with app.test_request_context("/other"):
        refused = app.preprocess_request()
        assert refused is not None
        with pytest.raises(UnguardedEndpointError, match="its answer was not given"):
            app.dispatch_request()
    assert ran == []


def test_who_was_let_in_once_is_judged_again(ran: Diary, guard: Guard) -> None:
    app = guarded(ran, guard, marked=False)
    with app.test_request_context("/other", headers={"Authorization": f"Bearer {token('staff')}"}):
        assert app.preprocess_request() is None
        assert caller.email == "ada@example.com"
        assert app.dispatch_request() == "other"
        del request.environ["HTTP_AUTHORIZATION"]
        assert app.preprocess_request() is not None
        with pytest.raises(UnguardedEndpointError):
            app.dispatch_request()
        assert app.full_dispatch_request().status_code == 401
    assert ran == ["other"]


def test_a_subclass_that_prepares_by_itself_ends_closed(ran: Diary, guard: Guard) -> None:
    class Careless(Flask):
        pass

    app = Careless(__name__)
    closed(guard, app=app, default=STAFF | OTHERS)
    app.add_url_rule("/", "x", ran.view())
    app.preprocess_request = lambda: None  # type: ignore[method-assign]
    assert statuses(app, "/", None, "staff") == [500, 500]
    assert ran == []

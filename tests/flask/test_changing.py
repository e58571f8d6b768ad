"""What changes between the decision and the dispatch is not served."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, Request, g, request
from flask.views import MethodView
from werkzeug.exceptions import NotFound

from callerid import Public, UnguardedEndpointError, Where
from callerid.flask import Guard, caller
from callerid.testing import LocalIssuer
from tests.fixtures import OTHERS, OWNER, ROBOTS, STAFF, token

from .world import Diary, ask, closed, new_guard, status, statuses

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


@pytest.mark.parametrize("change", [arguments_replaced, arguments_changed])
@pytest.mark.parametrize("reads_path", [True, False])
def test_arguments_that_code_may_have_looked_at_do_not_change(
    change: Change, reads_path: bool, ran: Diary, guard: Guard
) -> None:
    own = Where("their own path", lambda caller, path: path["user"] == caller.subject)
    anyone = Where("anyone", lambda caller: caller.subject != "")
    app = closed(guard, default="domain:example.com", floor=None)
    app.add_url_rule("/users/<user>", "user", guard.allow(own if reads_path else anyone)(ran.view("user")))
    app.before_request(lambda: change(app))
    assert status(app, "/users/ada", "ada") == (500 if reads_path else 200)
    assert ran == ([] if reads_path else ["user"])


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


# --- the method ---


class Api(MethodView):
    """Everybody reads, and nobody was named who deletes."""

    def get(self) -> str:
        return "get"

    def delete(self) -> str:
        raise AssertionError("undecided")


def overriding(function: Callable[..., Any]) -> Callable[..., Any]:
    """What takes the method from a header, as some applications do."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        request.method = request.headers.get("X-HTTP-Method-Override", request.method)
        return function(*arguments, **named)

    return wrapper


def decorator_of_the_class(app: Flask, api: Any) -> None:
    api.decorators = [overriding]
    app.add_url_rule("/", view_func=api.as_view("x"))


def decorator_of_the_view(app: Flask, api: Any) -> None:
    app.add_url_rule("/", view_func=overriding(api.as_view("x")))


def dispatch_of_the_class(app: Flask, api: Any) -> None:
    api.dispatch_request = overriding(api.dispatch_request)
    app.add_url_rule("/", view_func=api.as_view("x"))


def making_the_view(app: Flask, api: Any) -> None:
    api.__init__ = overriding(api.__init__)
    app.add_url_rule("/", view_func=api.as_view("x"))


def dispatch_of_the_application(app: Flask, api: Any) -> None:
    app.add_url_rule("/", view_func=api.as_view("x"))
    app.dispatch_request = overriding(app.dispatch_request)  # type: ignore[method-assign]


def before_request(app: Flask, api: Any) -> None:
    app.add_url_rule("/", view_func=api.as_view("x"))
    app.before_request(overriding(lambda: None))


def value_preprocessor(app: Flask, api: Any) -> None:
    app.add_url_rule("/", view_func=api.as_view("x"))
    app.url_value_preprocessor(overriding(lambda *_: None))


@pytest.mark.parametrize(
    "where",
    [
        decorator_of_the_class,
        decorator_of_the_view,
        dispatch_of_the_class,
        making_the_view,
        dispatch_of_the_application,
        before_request,
        value_preprocessor,
    ],
    ids=lambda where: where.__name__,
)
@pytest.mark.parametrize("is_installed_before", [True, False])
def test_a_method_that_is_changed_inside_is_not_served(
    where: Callable[[Flask, Any], None], is_installed_before: bool, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    api: Any = type("Own", (Api,), {"get": guard.allow(Public())(Api.get)})
    app = Flask(__name__)
    if is_installed_before:
        closed(guard, app=app)
    where(app, api)
    if not is_installed_before:
        closed(guard, app=app)
    assert status(app, "/") == 200
    assert status(app, "/", headers={"X-HTTP-Method-Override": "GET"}) == 200
    assert status(app, "/", headers={"X-HTTP-Method-Override": "DELETE"}) == 500
    assert "GET /: request.method was changed after the guard had decided" in caplog.text
    assert statuses(app, "/", None, "outsider", method="DELETE") == [401, 403]


def test_a_method_that_is_changed_outside_is_the_one_that_is_judged(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "read", guard.allow(Public())(ran.view("read")))
    app.add_url_rule("/", "write", ran.view("write"), methods=["DELETE"])
    inner = app.wsgi_app

    def override(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REQUEST_METHOD"] = environ.get("HTTP_X_HTTP_METHOD_OVERRIDE", environ["REQUEST_METHOD"])
        return inner(environ, start_response)

    app.wsgi_app = override  # type: ignore[method-assign]
    headers = {"X-HTTP-Method-Override": "DELETE"}
    assert statuses(app, "/", None, "outsider", "staff", headers=headers) == [401, 403, 200]
    assert ran == ["write"]


def test_a_request_that_was_not_let_in_may_be_changed(guard: Guard) -> None:
    app = closed(guard)

    @app.after_request
    def rewritten(response: Any) -> Any:
        if response.status_code == 401:
            request.method = "POST"
        return response

    app.add_url_rule("/", "x", lambda: "x")
    assert statuses(app, "/", None, "staff") == [401, 200]


def test_what_is_not_judged_may_be_changed(guard: Guard) -> None:
    app = closed(guard)

    @app.before_request
    def note() -> None:
        request.url_rule = request.url_rule
        request.user = "ada"  # type: ignore[attr-defined]

    app.add_url_rule("/", "x", lambda: f"{request.user} {request.__class__.__name__}")  # type: ignore[attr-defined]
    assert ask(app, "/", "staff").text == "ada Request"


def test_another_rule_of_the_same_path_is_another_rule(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "read", guard.allow(Public())(ran.view("read")))
    app.add_url_rule("/", "write", ran.view("write"), methods=["DELETE"])
    first, second = (
        next(rule for rule in app.url_map.iter_rules() if rule.endpoint == name) for name in ("read", "write")
    )
    assert first == second  # as werkzeug compares them

    @app.before_request
    def change() -> None:
        request.url_rule = second

    assert status(app, "/") == 500
    assert ran == []


def test_a_request_class_of_ones_own_stays_what_it_is(guard: Guard) -> None:
    class Own(Request):
        @property
        def who(self) -> str:
            return str(caller)

    app = closed(guard)
    app.request_class = Own
    app.add_url_rule("/", "x", lambda: f"{request.who} {isinstance(request, Own)}")  # type: ignore[attr-defined]
    assert [ask(app, "/", "staff").text for _ in range(2)] == ["user:ada@example.com True"] * 2


# --- the path parameters that a view is called with ---


def with_other_named(function: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(function)(lambda **_: function(user="ben"))


def with_other_in_order(function: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(function)(lambda **_: function("ben"))


def with_an_object_of_it(function: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(function)(lambda user: function(user={"name": user}))


CALLS = [with_other_named, with_other_in_order, with_an_object_of_it]


@pytest.mark.parametrize("decorator", CALLS)
@pytest.mark.parametrize("kind", ["function", "method", "named", "object"])
def test_a_decorator_that_calls_a_view_for_somebody_else_ends_closed(
    decorator: Any, kind: str, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app, allow = closed(guard), guard.allow(OWNER)

    class Orders(MethodView):
        decorators = [decorator] if kind == "method" and decorator is not with_other_in_order else []

        @allow
        def get(self, user: str) -> str:
            raise AssertionError(user)

        @allow
        def __call__(self, user: str) -> str:
            raise AssertionError(user)

    def function(user: str) -> str:
        raise AssertionError(user)

    views: dict[str, Any] = {
        "function": allow(function),
        "method": Orders.as_view("x"),
        "named": allow(lambda user, **rest: function(user)),
        "object": Orders(),
    }
    view = views[kind]
    if kind == "method" and decorator is with_other_in_order:
        Orders.get = decorator_of_a_method(Orders.get)  # type: ignore[method-assign]
    elif kind != "method":
        view = decorator(view)
    app.add_url_rule("/users/<user>", "x", view)
    assert statuses(app, "/users/ada", None, "ben", "ada") == [401, 403, 500]
    assert "the path parameter 'user' was changed after the guard had decided" in caplog.text
    assert "put guard.allow(...) above the decorator that changes it" in caplog.text


def test_a_decorator_that_awaits_a_view_for_somebody_else_ends_closed(guard: Guard) -> None:
    app = closed(guard)

    @guard.allow(OWNER)
    async def view(user: str) -> str:
        raise AssertionError(user)

    async def decorated(user: str) -> str:
        return await view(user="ben")

    app.add_url_rule("/users/<user>", "x", functools.update_wrapper(decorated, view))
    assert statuses(app, "/users/ada", None, "ben", "ada") == [401, 403, 500]


def decorator_of_a_method(function: Callable[..., Any]) -> Callable[..., Any]:
    return functools.wraps(function)(lambda self, **_: function(self, "ben"))


@pytest.mark.parametrize("decorator", CALLS)
def test_above_such_a_decorator_the_rule_sees_what_the_path_names(decorator: Any, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/users/<user>", "x", guard.allow(OWNER)(decorator(lambda user: f"{user}")))
    assert statuses(app, "/users/ada", None, "ben", "ada") == [401, 403, 200]


def test_what_a_decorator_leaves_as_it_is_is_served(guard: Guard) -> None:
    app = closed(guard)
    one: Any = guard.allow(OWNER)(lambda user: user)
    none: Any = guard.allow(OWNER)(lambda: "nobody's")
    other: Any = guard.allow(OWNER)(lambda user: user)
    app.add_url_rule("/a/<user>", "a", functools.wraps(one)(lambda **named: one(*named.values())))
    app.add_url_rule("/b/<user>", "b", functools.wraps(none)(lambda **_: none()))
    app.add_url_rule("/c/<user>", "c", functools.wraps(other)(lambda **_: other("ada", "too", "many")))
    assert [statuses(app, f"/{name}/ada", None, "ben", "ada") for name in "abc"] == [
        [401, 403, 200],
        [401, 403, 200],
        [401, 403, 500],
    ]


def test_a_view_that_calls_itself_for_somebody_else_ends_closed(guard: Guard) -> None:
    app = closed(guard)

    @app.get("/users/<user>")
    @guard.allow(OWNER)
    def orders(user: str) -> Any:
        return [user, orders(request.args.get("of", user))] if user == "ada" and request.args else user

    assert ask(app, "/users/ada", "ada").text == "ada"
    assert status(app, "/users/ada?of=ben", "ada") == 500

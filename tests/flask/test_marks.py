"""Marks on functions of every kind: judged before the view runs, and never run undecided."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from callerid import ConfigurationError, Public, UnguardedEndpointError
from callerid.flask import Guard
from tests.fixtures import OTHERS, OWNER, ROBOTS, STAFF

from .world import Diary, ask, closed, hiding, keeping, new_guard, only_others, status, statuses

Kind = Callable[[Diary], Any]
KINDS: dict[str, Kind] = {}


def kind(make: Kind) -> Kind:
    KINDS[make.__name__.removesuffix("_")] = make
    return make


@kind
def function(ran: Diary) -> Any:
    def view() -> str:
        ran.append("ran")
        return "ran"

    return view


@kind
def coroutine_function(ran: Diary) -> Any:
    async def view() -> str:
        ran.append("ran")
        return "ran"

    return view


@kind
def partial(ran: Diary) -> Any:
    def view(name: str) -> str:
        ran.append(name)
        return name

    return functools.partial(view, "ran")


@kind
def async_partial(ran: Diary) -> Any:
    async def view(name: str) -> str:
        ran.append(name)
        return name

    return functools.partial(view, "ran")


@kind
def bound_method(ran: Diary) -> Any:
    class Service:
        def view(self) -> str:
            ran.append("ran")
            return "ran"

    return Service().view


@kind
def generator(ran: Diary) -> Any:
    def view() -> Iterator[str]:
        ran.append("ran")
        yield "ran"

    return view


@kind
def decorated(ran: Diary) -> Any:
    return keeping(function(ran))


@kind
def hidden(ran: Diary) -> Any:
    return hiding(function(ran))


@kind
def callable_object(ran: Diary) -> Any:
    class Service:
        def __call__(self) -> str:
            ran.append("ran")
            return "ran"

    return Service().__call__


@pytest.mark.parametrize("name", KINDS)
def test_the_mark_is_judged_before_the_view_runs(name: str, ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", guard.allow(OTHERS)(KINDS[name](ran)))
    assert statuses(app, "/", None, "staff", "robot") == [401, 403, 403]
    assert ran == []
    assert ask(app, "/", "outsider").text == "ran"
    assert ran == ["ran"]


@pytest.mark.parametrize("name", KINDS)
def test_without_an_installed_guard_a_marked_view_is_a_500_with_the_remedy(
    name: str, ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask(__name__)
    app.add_url_rule("/", "x", guard.allow(Public())(KINDS[name](ran)))
    with caplog.at_level(logging.WARNING, logger="callerid"):
        assert status(app, "/", "staff") == 500
    assert ran == []
    assert "guard.protect(app" in caplog.text


def test_the_decorators_as_they_are_written(ran: Diary, guard: Guard) -> None:
    app = closed(guard)

    @app.get("/below")
    @guard.allow("domain:other.com", "serviceAccount:x@shop-prod.iam.gserviceaccount.com")
    def below() -> str:
        return "below"

    assert only_others(app, "/below")


def test_one_marked_view_may_serve_two_rules_and_its_marks_all_hold(ran: Diary, guard: Guard) -> None:
    app, view = closed(guard), guard.allow(OTHERS | STAFF)(guard.allow(OTHERS)(ran.view()))
    app.add_url_rule("/a", "a", view)
    app.add_url_rule("/b", "a", view, methods=["POST"])
    assert only_others(app, "/a")
    assert only_others(app, "/b", method="POST")


def test_a_decorator_above_the_rule_that_keeps_the_function_shows_the_rule(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", keeping(guard.allow(OTHERS)(ran.view())))
    assert only_others(app)


def test_a_decorator_above_the_rule_that_hides_it_ends_closed_and_is_explained(
    ran: Diary, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", hiding(guard.allow(OTHERS)(ran.view())))
    assert statuses(app, "/", None, "outsider", "staff") == [401, 403, 500]
    assert ran == []
    assert "functools.wraps" in caplog.text


def test_a_mark_of_another_guard_is_an_error_with_the_remedy(ran: Diary, guard: Guard) -> None:
    app = closed(new_guard())
    app.add_url_rule("/", "x", guard.allow(STAFF)(ran.view()))
    app.testing = True
    with pytest.raises(ConfigurationError, match="its guard is not installed"):
        status(app, "/", "staff")
    assert ran == []


def test_a_mark_of_another_guard_that_comes_later_is_a_500_there(ran: Diary, guard: Guard) -> None:
    app = closed(new_guard())
    app.add_url_rule("/ours", "ours", ran.view())
    app.add_url_rule("/theirs", "theirs", ran.view())
    assert statuses(app, "/ours", "staff") == [200]
    app.view_functions["theirs"] = guard.allow(STAFF)(ran.view())
    assert statuses(app, "/theirs", None, "staff") == [500, 500]
    assert statuses(app, "/ours", "staff") == [200]


def test_a_marked_view_that_other_code_calls_raises(ran: Diary, guard: Guard) -> None:
    app, target = closed(guard), guard.allow(ROBOTS)(ran.view())
    app.add_url_rule("/robots", "robots", target)
    app.add_url_rule("/", "x", lambda: [target()])
    assert status(app, "/", "staff") == 500
    assert ran == []
    with pytest.raises(UnguardedEndpointError):
        target()


def test_a_view_may_call_itself_and_others_of_the_same_mark(ran: Diary, guard: Guard) -> None:
    app, allow = closed(guard), guard.allow(OTHERS)
    target = allow(ran.view())

    @app.get("/")
    @allow
    def view() -> Any:
        return target()

    assert only_others(app)
    assert ran == ["view"]


def test_a_request_made_inside_a_view_is_judged_by_itself(ran: Diary, guard: Guard) -> None:
    app, bare = closed(guard), Flask("bare")
    marked = guard.allow(STAFF)(ran.view())
    for each in (app, bare):
        each.add_url_rule("/inner", "inner", marked)

    @app.get("/outer")
    @guard.allow(STAFF)
    def outer() -> Any:
        return [status(app, "/inner"), status(app, "/inner", "staff"), status(bare, "/inner", "staff"), marked()]

    assert status(app, "/outer", "staff") == 500  # marked() is another mark's
    assert ran == ["view"]


@pytest.mark.parametrize("wrap", [staticmethod, classmethod, functools.partialmethod])
def test_the_rule_above_a_static_or_class_method_is_an_error_with_the_remedy(
    wrap: Any, ran: Diary, guard: Guard
) -> None:
    with pytest.raises(TypeError, match="below"):
        guard.allow(STAFF)(wrap(ran.view()))


class Caller:
    def __call__(self) -> str:
        return ""


@pytest.mark.parametrize("junk", [None, "text", 1, object(), Caller(), Caller])
def test_what_no_rule_can_be_tied_to_is_an_error(junk: Any, guard: Guard) -> None:
    with pytest.raises(TypeError, match=r"marks view functions, view classes.*mark its __call__"):
        guard.allow(STAFF)(junk)


def test_an_application_is_protected_and_not_marked(guard: Guard) -> None:
    with pytest.raises(TypeError, match="but protected"):
        guard.allow(STAFF)(Flask(__name__))


def test_an_allow_shows_its_rule(guard: Guard) -> None:
    assert repr(guard.allow(STAFF)) == "allow(Domain('example.com'))"


# --- objects that can be called ---


class Counting:
    """A view that is an object, with a rule on what a call of it runs."""

    def __init__(self, ran: Diary) -> None:
        self.ran = ran


def counting(ran: Diary, mark: Any, *, is_static: bool = False) -> Any:
    def call(self: Any, **arguments: Any) -> str:
        self.ran.append("called")
        return "called"

    def static(**arguments: Any) -> str:
        ran.append("called")
        return "called"

    members = {"__call__": staticmethod(mark(static)) if is_static else mark(call)}
    return type("Called", (Counting,), members)(ran)


@pytest.mark.parametrize("is_static", [False, True])
@pytest.mark.parametrize("wrap", [lambda view: view, keeping, functools.partial])
def test_a_rule_on_the_call_of_an_object_holds_for_the_object(
    wrap: Any, is_static: bool, ran: Diary, guard: Guard
) -> None:
    app = closed(guard, default=Public())
    app.add_url_rule("/", "x", wrap(counting(ran, guard.allow(OTHERS), is_static=is_static)))
    assert only_others(app)
    assert ran == ["called"]
    bare = Flask(__name__)
    bare.add_url_rule("/", "x", counting(ran, guard.allow(Public())))
    assert status(bare, "/") == 500
    assert ran == ["called"]


def test_a_rule_on_a_call_names_the_path(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/users/<user>", "x", counting(ran, guard.allow(OWNER)))
    assert statuses(app, "/users/ada", None, "ben", "ada") == [401, 403, 200]


def test_an_object_whose_class_says_it_two_times_has_both_rules(ran: Diary, guard: Guard) -> None:
    app = closed(guard)
    app.add_url_rule("/", "x", counting(ran, lambda call: guard.allow(OTHERS | STAFF)(guard.allow(OTHERS)(call))))
    assert only_others(app)

"""Marks on class-based views: the class, its decorators, single methods."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, request
from flask.views import MethodView, View
from werkzeug.routing import Rule

from callerid import Public, User
from callerid.flask import Guard
from tests.fixtures import OTHERS, ROBOTS, STAFF

from .world import Diary, closed, keeping, only_others, status, statuses

DIARY = Diary()


@pytest.fixture(autouse=True)
def clean() -> None:
    DIARY.clear()


class Api(MethodView):
    def get(self) -> str:
        DIARY.append("get")
        return "get"

    async def post(self) -> str:
        DIARY.append("post")
        return "post"


class Page(View):
    methods = ("GET", "POST")

    def dispatch_request(self) -> str:
        DIARY.append("page")
        return "page"


class Kept(Page):
    init_every_request = False


class KeptApi(Api):
    init_every_request = False


CLASSES = [Api, Page, Kept, KeptApi]


def subclass(base: Any, **members: Any) -> Any:
    return type(base.__name__, (base,), members)


@pytest.mark.parametrize("base", CLASSES)
@pytest.mark.parametrize("how", ["class", "decorators", "view"])
def test_a_marked_class_has_its_rule_for_every_method(base: Any, how: str, guard: Guard) -> None:
    app, marked = closed(guard), subclass(base)
    if how == "class":
        marked = guard.allow(OTHERS)(marked)
    if how == "decorators":
        marked = subclass(base, decorators=[keeping, guard.allow(OTHERS), keeping])
    view = marked.as_view("x")
    app.add_url_rule("/", view_func=guard.allow(OTHERS)(view) if how == "view" else view)
    for method in ("GET", "HEAD", "POST"):
        assert only_others(app, method=method)
    assert len(DIARY) == 3
    assert statuses(app, "/", None, "outsider", "staff", method="DELETE") == [401, 403, 405]


@pytest.mark.parametrize("base", CLASSES)
def test_a_marked_class_never_runs_without_its_guard(base: Any, guard: Guard) -> None:
    app = Flask(__name__)
    app.add_url_rule("/", view_func=guard.allow(Public())(subclass(base)).as_view("x"))
    assert statuses(app, "/", None, "staff") == [500, 500]
    assert DIARY == []


def test_a_class_that_is_marked_after_its_view_was_made_has_its_rule(guard: Guard) -> None:
    app, marked = closed(guard), subclass(Api)
    app.add_url_rule("/", view_func=marked.as_view("x"))
    assert status(app, "/", "staff") == 200
    guard.allow(OTHERS)(marked)
    assert only_others(app)


def test_subclasses_inherit_the_rule_and_may_add_to_it(guard: Guard) -> None:
    base: Any = guard.allow(OTHERS)(subclass(Page))
    app = closed(guard)

    class Own(base):  # type: ignore[misc]
        def dispatch_request(self) -> str:
            DIARY.append("own")
            return "own"

    @guard.allow(User("eve@other.com"))
    class Closer(base):  # type: ignore[misc]
        pass

    app.add_url_rule("/own", view_func=Own.as_view("own"))
    app.add_url_rule("/closer", view_func=Closer.as_view("closer"))
    app.add_url_rule("/base", view_func=base.as_view("base"))
    assert only_others(app, "/own")
    assert statuses(app, "/closer", "outsider", "eve@other.com", "mallory@other.com") == [200, 200, 403]
    assert statuses(app, "/base", "mallory@other.com") == [200]
    bare = Flask(__name__)
    bare.add_url_rule("/own", view_func=Own.as_view("own"))
    DIARY.clear()
    assert status(bare, "/own", "outsider") == 500
    assert DIARY == []


def test_single_methods_have_rules_of_their_own(guard: Guard) -> None:
    class Marked(Api):
        @guard.allow(OTHERS)
        def get(self) -> str:
            return super().get()

        @guard.allow(ROBOTS)
        async def delete(self) -> str:
            DIARY.append("delete")
            return "delete"

        def head(self) -> str:
            return ""

    app = closed(guard)
    app.add_url_rule("/", view_func=Marked.as_view("x"))
    assert only_others(app)
    assert statuses(app, "/", "outsider", "robot", method="DELETE") == [403, 200]
    for method in ("HEAD", "POST"):
        assert statuses(app, "/", "outsider", "robot", "staff", method=method) == [403, 403, 200]
    assert DIARY == ["get", "delete", "post"]


def test_head_is_served_by_get_under_its_rule(guard: Guard) -> None:
    app, marked = closed(guard), subclass(Api, get=guard.allow(OTHERS)(Api.get))
    app.add_url_rule("/", view_func=marked.as_view("x"))
    assert only_others(app, method="HEAD")


def test_the_rule_of_a_dispatch_holds(guard: Guard) -> None:
    app, marked = closed(guard), subclass(Page, dispatch_request=guard.allow(OTHERS)(Page.dispatch_request))
    app.add_url_rule("/", view_func=marked.as_view("x"))
    assert only_others(app)


def test_a_method_and_its_class_both_hold(guard: Guard) -> None:
    marked = guard.allow(OTHERS)(subclass(Api, get=guard.allow(User("eve@other.com"))(Api.get)))
    app = closed(guard)
    app.add_url_rule("/", view_func=marked.as_view("x"))
    assert statuses(app, "/", "mallory@other.com", "outsider") == [403, 200]
    assert statuses(app, "/", "mallory@other.com", method="POST") == [200]


def test_a_method_that_is_put_in_a_class_later_has_its_rule(guard: Guard) -> None:
    app, marked = closed(guard), subclass(Api)
    app.add_url_rule("/", view_func=marked.as_view("x"))
    mark = guard.allow(OTHERS)
    replaced = mark(Api.get)
    assert status(app, "/", "staff") == 200
    marked.get = replaced
    assert only_others(app)


def test_a_dispatch_that_runs_another_method_than_the_requests_ends_closed(guard: Guard) -> None:
    class Tunnel(MethodView):
        def dispatch_request(self, **arguments: Any) -> Any:
            return getattr(self, request.args.get("method", "get"))()

        def get(self) -> str:
            DIARY.append("get")
            return "get"

        @guard.allow(ROBOTS)
        def delete(self) -> str:
            DIARY.append("delete")
            return "delete"

    app = closed(guard)
    app.add_url_rule("/", view_func=Tunnel.as_view("x"))
    assert status(app, "/", "staff") == 200
    assert status(app, "/?method=delete", "staff") == 500
    assert DIARY == ["get"]


def test_a_decorator_that_hides_the_rule_of_its_class_ends_closed(guard: Guard) -> None:
    def hiding(view: Any) -> Any:
        def wrapper(**arguments: Any) -> Any:
            return view(**arguments)

        return wrapper

    app = closed(guard)
    marked = subclass(Page, decorators=[guard.allow(OTHERS), hiding])
    app.add_url_rule("/", view_func=marked.as_view("x"))
    assert statuses(app, "/", None, "outsider", "staff") == [401, 403, 500]
    whole = guard.allow(OTHERS)(subclass(Page, decorators=[hiding]))
    other = closed(guard)
    other.add_url_rule("/", view_func=whole.as_view("x"))
    DIARY.clear()
    assert only_others(other)
    assert DIARY == ["page"]


def test_what_is_known_of_a_class_does_not_grow(guard: Guard) -> None:
    class Wide(View):
        methods = ("GET", "POST", "AS_VIEW")

        @classmethod
        @guard.allow(OTHERS)
        def get(cls) -> str:
            return "get"

        @property
        def post(self) -> str:
            return "post"

        def dispatch_request(self) -> str:
            return "wide"

    app = closed(guard, default=STAFF | OTHERS)
    app.add_url_rule("/", view_func=Wide.as_view("x"))
    app.url_map.add(Rule("/any", endpoint="x"))
    known = app.extensions["callerid"].reader._known
    assert only_others(app)
    for number in range(20):
        assert status(app, "/", "outsider", method="POST") == 200
        assert status(app, "/", "outsider", method="AS_VIEW") == 200
        assert status(app, "/any", "outsider", method=f"X{number}") == 200
    assert len(known) <= 8


def test_the_default_holds_for_classes_without_a_rule(guard: Guard) -> None:
    app = closed(guard, default=STAFF)
    app.add_url_rule("/", view_func=Api.as_view("x"))
    assert statuses(app, "/", None, "outsider", "staff") == [401, 403, 200]

"""Middleware and decorators that change what serves, or answer by themselves: nothing of it gets past the rules."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.urls import path, re_path
from django.views import View
from django.views.decorators.cache import cache_page

from callerid import FirebaseUser, Nobody, PathParam, Public, Where
from callerid.django import Guard
from callerid.django import _dispatch as dispatch
from callerid.testing import LocalIssuer
from tests.djangos import Project
from tests.fixtures import OTHERS, OWNER

from .world import Diary, ask, closed, new_guard, only_others, status, statuses

HOOKS: dict[str, Callable[..., Any]] = {}
"""What the middleware below does."""


def _pass(request: Any, get_response: Any) -> Any:
    return get_response(request)


def _pass_view(*_: Any) -> None:
    return None


class Hooked:
    """Middleware that does what a test has put into `HOOKS`."""

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: Any) -> Any:
        around: Any = HOOKS.get("around", _pass)
        return around(request, self._get_response)

    def process_view(self, request: Any, view: Any, args: Any, kwargs: Any) -> Any:
        hook: Any = HOOKS.get("view", _pass_view)
        return hook(request, view, args, kwargs)


MIDDLEWARE = [f"{__name__}.Hooked"]


@pytest.fixture(autouse=True)
def hooks() -> Iterator[dict[str, Callable[..., Any]]]:
    HOOKS.clear()
    yield HOOKS
    HOOKS.clear()


def _changing(**changes: Any) -> Callable[..., Any]:
    def around(request: Any, get_response: Any) -> Any:
        for name, value in changes.items():
            setattr(request, name, value)
        return get_response(request)

    return around


@pytest.fixture
def project(guard: Guard, ran: Diary) -> Project:
    urls = [
        path("open/", guard.allow(Public())(ran.view("open"))),
        path("secret/", guard.allow(OTHERS)(ran.view("secret"))),
        path("own/<str:user>/", guard.allow(OWNER)(ran.view("own"))),
    ]
    return closed(urls, guard, middleware=MIDDLEWARE)


def test_a_path_rewritten_outside_is_the_one_that_is_judged(project: Project, by_asgi: bool) -> None:
    HOOKS["around"] = _changing(path_info="/secret/")
    assert only_others(project, "/open/", by_asgi=by_asgi)


def test_a_urlconf_chosen_outside_is_the_one_that_is_judged(project: Project, guard: Guard, by_asgi: bool) -> None:
    other = ModuleType("another_urlconf")
    other.urlpatterns = [path("open/", guard.allow(OTHERS)(lambda _: HttpResponse("other")))]  # type: ignore[attr-defined]
    HOOKS["around"] = _changing(urlconf=other)
    assert only_others(project, "/open/", by_asgi=by_asgi)
    HOOKS["around"] = _changing(urlconf=None)
    assert statuses(project, "/open/", None, by_asgi=by_asgi) == [200]


def test_a_urlconf_with_a_mistake_answers_500(project: Project, guard: Guard) -> None:
    other = ModuleType("a_wrong_urlconf")
    other.urlpatterns = [path("open/", guard.allow(OWNER)(lambda _: HttpResponse("other")))]  # type: ignore[attr-defined]
    HOOKS["around"] = _changing(urlconf=other)
    assert statuses(project, "/open/", None, None, "staff") == [500, 500, 500]


def test_what_is_changed_after_the_decision_changes_nothing(project: Project, ran: Diary, by_asgi: bool) -> None:
    def view(request: Any, *_: Any) -> None:
        request.path_info, request.path = "/secret/", "/secret/"
        request.urlconf = None
        request.resolver_match = None

    HOOKS["view"] = view
    assert statuses(project, "/open/", None, by_asgi=by_asgi) == [200]
    assert ran == ["open"]


@pytest.mark.parametrize("change", ["kwargs", "method"])
def test_what_was_judged_cannot_be_changed(project: Project, ran: Diary, change: str, by_asgi: bool) -> None:
    def view(request: Any, view: Any, args: Any, kwargs: Any) -> None:
        if change == "method":
            request.method = "DELETE"
        else:
            kwargs["user"] = "ben"

    HOOKS["view"] = view
    assert statuses(project, "/own/ada/", None, "ben", "ada", by_asgi=by_asgi) == [401, 403, 500]
    assert ran == []


def test_the_same_method_may_be_set_again_and_other_attributes_too(project: Project, ran: Diary) -> None:
    def view(request: Any, *_: Any) -> None:
        request.method = request.method + ""
        request.user = "anybody"

    HOOKS["view"] = view
    assert statuses(project, "/own/ada/", "ada") == [200]


def test_an_argument_taken_out_is_no_other_argument(project: Project, ran: Diary) -> None:
    HOOKS["view"] = lambda request, view, args, kwargs: kwargs.pop("user", None) and None
    assert statuses(project, "/own/ada/", None, "ben", "ada") == [401, 403, 200]


def test_a_request_sent_again_is_judged_anew(project: Project, ran: Diary) -> None:
    def around(request: Any, get_response: Any) -> Any:
        get_response(request)
        request.path_info, request.method = "/secret/", "POST"
        return get_response(request)

    HOOKS["around"] = around
    assert only_others(project, "/open/")
    assert ran == ["open"] * 4 + ["secret"]


def test_a_view_called_by_middleware_is_not_decided(project: Project, guard: Guard, ran: Diary) -> None:
    secret = guard.allow(OTHERS)(ran.view("called"))
    HOOKS["view"] = lambda request, *_: secret(request)
    assert statuses(project, "/secret/", None, "outsider") == [401, 500]
    assert ran == []


@pytest.mark.parametrize("above", [True, False])
def test_a_decorator_that_changes_an_argument(guard: Guard, ran: Diary, above: bool) -> None:
    def changing(view: Any) -> Any:
        @functools.wraps(view)
        def changed(request: Any, **_: Any) -> Any:
            return view(request, user="ben")

        return changed

    allow, view = guard.allow(OWNER), ran.view()
    project = closed([path("<str:user>/", changing(allow(view)) if above else allow(changing(view)))], guard)
    assert statuses(project, "/ada/", "ada") == [500 if above else 200]


def test_a_decorator_cannot_change_the_method_that_a_class_dispatches_by(guard: Guard, ran: Diary) -> None:
    class Both(View):
        @guard.allow(Public())
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

        def delete(self, request: HttpRequest) -> HttpResponse:
            ran.append("deleted")
            return HttpResponse("deleted")

    def overriding(view: Any) -> Any:
        @functools.wraps(view)
        def overridden(request: Any) -> Any:
            request.method = "DELETE"
            return view(request)

        return overridden

    project = closed([path("", overriding(Both.as_view()))], guard)
    assert statuses(project, "/", None, "outsider") == [500, 500]
    assert ran == []


def test_code_among_the_rules_sees_all_arguments_and_none_may_change(guard: Guard, ran: Diary) -> None:
    rule = Where("their own", lambda caller, path: path["user"] == caller.subject)
    urls = [path("<str:user>/<int:number>/", guard.allow(FirebaseUser() & rule)(ran.view()))]
    project = closed(urls, guard, middleware=MIDDLEWARE)
    assert statuses(project, "/ada/7/", None, "ben", "ada") == [401, 403, 200]
    HOOKS["view"] = lambda request, view, args, kwargs: kwargs.update(number=8)
    assert statuses(project, "/ada/7/", "ada") == [500]


def test_a_route_added_while_keys_are_fetched_does_not_serve_unjudged(
    served: LocalIssuer, ran: Diary, by_asgi: bool
) -> None:
    guard, urls = new_guard(served), [path("<str:user>/", ran.view("wide"))]
    project = closed(urls, guard)

    def around(request: Any, get_response: Any) -> Any:
        original = guard.identify

        def identify(*arguments: Any) -> Any:
            urls.insert(0, path("ada/", guard.allow(Nobody())(ran.view("added"))))
            return original(*arguments)

        guard.identify = identify  # type: ignore[assignment, method-assign]
        try:
            return get_response(request)
        finally:
            guard.identify = original  # type: ignore[method-assign]

    HOOKS["around"] = around
    project = closed(urls, new_guard(served), middleware=MIDDLEWARE) if by_asgi else project
    assert statuses(project, "/ada/", None, "staff", by_asgi=by_asgi) == [401, 200]
    assert ran == ["wide"]


def test_routes_may_be_added_later(guard: Guard, ran: Diary) -> None:
    urls = [path("a/", ran.view("a"))]
    project = closed(urls, guard, routes={"a/": Public()})
    assert statuses(project, "/a/", None) == [200]
    urls += [path("b/", guard.allow(OTHERS)(ran.view("b"))), path("c/", urls[0].callback)]
    assert only_others(project, "/b/")
    assert statuses(project, "/c/", None, "staff", "outsider") == [401, 200, 403]
    assert statuses(project, "/a/", None) == [200]


def test_a_resolver_of_the_projects_own_is_judged_by_marks_and_default(guard: Guard, ran: Diary) -> None:
    from django.urls.resolvers import ResolverMatch

    marked, unmarked = guard.allow(OTHERS)(ran.view("marked")), ran.view("unmarked")
    own = guard.allow(FirebaseUser(PathParam("user")))(ran.view("own"))

    class Resolver:
        pattern = re_path("^x", unmarked).pattern

        def resolve(self, place: str) -> Any:
            view = {"m/": marked, "u/": unmarked, "o/": own}.get(place)
            return None if view is None else ResolverMatch(view, (), {"user": "ada"}, route="made up", extra_kwargs={})

    project = closed([Resolver()], guard)
    assert statuses(project, "/u/", None, "staff", "outsider") == [401, 200, 403]
    assert statuses(project, "/m/", None, "staff", "outsider") == [401, 403, 403]
    assert statuses(project, "/o/", "ada") == [500]


# --- caches ---


CACHED = ["django.middleware.cache.UpdateCacheMiddleware", "django.middleware.cache.FetchFromCacheMiddleware"]


@pytest.fixture
def cached() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.mark.usefixtures("cached")
def test_djangos_cache_outside_keeps_no_answer_that_not_everybody_may_see(guard: Guard, ran: Diary) -> None:
    urls = [
        path("", guard.allow(OTHERS)(ran.view("secret"))),
        path("open/", guard.allow(Public())(ran.view("open"))),
        path("perhaps/", guard.allow(Public() | OTHERS)(ran.view("perhaps"))),
    ]
    project = closed(urls, guard, middleware=CACHED)
    assert statuses(project, "/", "outsider", None, "staff") == [200, 401, 403]
    assert statuses(project, "/perhaps/", "outsider", None) == [200, 200]
    assert statuses(project, "/open/", None, "outsider") == [200, 200]
    assert ran == ["secret", "perhaps", "perhaps", "open"]


@pytest.mark.usefixtures("cached")
def test_a_page_cached_below_the_guard_is_given_to_those_let_in(guard: Guard, ran: Diary) -> None:
    project = closed([path("", cache_page(60)(guard.allow(OTHERS)(ran.view())))], guard)
    assert statuses(project, "/", "outsider", None, "staff", "outsider") == [200, 401, 403, 200]
    assert ran == ["view"]


# --- Django itself ---


def test_views_run_in_transactions_where_the_settings_say_so(
    guard: Guard, ran: Diary, by_asgi: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def atomic(request: HttpRequest) -> HttpResponse:
        return HttpResponse(str(connections["default"].in_atomic_block))

    urls = [path("", guard.allow(OTHERS)(atomic)), path("async/", guard.allow(OTHERS)(ran.async_view()))]
    project = closed(urls, guard)
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", value=True)
    answer = ask(project, "/", "outsider", by_asgi=by_asgi)
    assert (answer.status_code, answer.content) == (200, b"True")
    assert statuses(project, "/async/", None, "outsider", by_asgi=by_asgi) == [401, 500]  # Django has no such thing


def test_what_the_guard_needs_of_djangos_handler_is_there() -> None:
    from django.core.handlers.base import BaseHandler

    for method in (BaseHandler._get_response, BaseHandler._get_response_async):
        assert {"resolve_request", "make_view_atomic"} <= set(method.__code__.co_names)


def test_a_handler_that_resolves_by_itself_answers_500(
    project: Project, by_asgi: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core.handlers.base import BaseHandler

    def respond(self: Any, request: Any) -> HttpResponse:
        return HttpResponse("served")

    async def respond_async(self: Any, request: Any) -> HttpResponse:
        return HttpResponse("served")

    monkeypatch.setattr(BaseHandler, "_get_response", respond)
    monkeypatch.setattr(BaseHandler, "_get_response_async", respond_async)
    assert status(project, "/open/", by_asgi=by_asgi) == 500


def test_a_handler_serves_nothing_that_was_not_judged(project: Project) -> None:
    from django.test.client import ClientHandler, RequestFactory

    with project.settings():
        handler = ClientHandler()
        handler.load_middleware()
        request = RequestFactory().get("/open/")
        vars(request)["_callerid_admission"] = None
        with pytest.raises(Exception, match="no guard let it in"):
            handler.resolve_request(request)
        handler.load_middleware()
        assert handler.get_response(request).status_code == 200


def test_a_view_that_was_not_resolved_is_not_called(project: Project, ran: Diary) -> None:
    for change in ("match", "method"):
        HOOKS["view"] = lambda request, *_, name=change: setattr(vars(request)["_callerid_admission"], name, None)
        assert status(project, "/open/") == 500
    assert ran == []


def test_a_release_without_what_the_guard_needs_is_an_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_NEEDED", ("a_new_name",))
    with pytest.raises(Exception, match=r"has no BaseHandler\.a_new_name"):
        ask(project, "/open/")

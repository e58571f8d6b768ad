"""What cannot hold is an error where the server starts, and in ``manage.py check``."""

from __future__ import annotations

import functools
import io
import logging
import re
from typing import Any

import pytest
from django.core.asgi import get_asgi_application
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path, register_converter
from django.urls.converters import StringConverter
from django.views import View

from callerid import ConfigurationError, FirebaseUser, PathParam, Public, User
from callerid.django import CallerMiddleware, Guard
from tests.djangos import Project
from tests.fixtures import OTHERS, ROBOTS, STAFF

from .world import Diary, closed, new_guard, statuses


def _own(name: str = "user") -> FirebaseUser:
    return FirebaseUser(PathParam(name))


def starting(project: Project) -> None:
    with project.settings():
        get_wsgi_application()
    with project.settings():
        get_asgi_application()


def checked(project: Project) -> list[str]:
    """What ``manage.py check`` says of callerid."""
    with project.settings():
        return [each.msg for each in run_checks() if (each.id or "").startswith("callerid")]


def refused(project: Project, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message), project.settings():
        get_wsgi_application()
    with pytest.raises(ConfigurationError, match=message), project.settings():
        get_asgi_application()
    (said,) = checked(project)
    assert re.search(message, said)


def test_a_project_without_mistakes_starts(guard: Guard, ran: Diary) -> None:
    project = closed([path("", ran.view())], guard)
    starting(project)
    assert checked(project) == []


def test_manage_py_check_fails_for_a_mistake(guard: Guard, ran: Diary) -> None:
    project = closed([path("", guard.allow(_own())(ran.view()))], guard)
    with project.settings(), pytest.raises(SystemCheckError, match="PathParam"):
        call_command("check", stdout=io.StringIO(), stderr=io.StringIO())


# --- settings ---


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (None, "CALLERID_GUARD names the guard"),
        (7, "it is 7"),
        ("no.such.module", "cannot be imported"),
        ("tests.fixtures.nothing", "cannot be imported"),
        ("tests.fixtures.STAFF", "is not a callerid.django.Guard"),
        ("tests.django.test_startup.UNPROTECTED", r"call guard.protect\(default=...\)"),
    ],
)
def test_the_setting_names_a_guard_that_protects(name: object, message: str) -> None:
    refused(closed([], CALLERID_GUARD=name), message)


UNPROTECTED = new_guard()


def test_the_middleware_stands_last(ran: Diary) -> None:
    project = closed([path("", ran.view())])
    project._options["MIDDLEWARE"].append("django.middleware.common.CommonMiddleware")
    refused(project, "stands last in MIDDLEWARE")


class Own(CallerMiddleware):
    pass


def test_a_subclass_of_the_middleware_is_as_good(ran: Diary) -> None:
    project = closed([path("", ran.view())], MIDDLEWARE=["tests.django.test_startup.Own"])
    starting(project)
    assert checked(project) == []


def passing_on(get_response: Any) -> Any:
    @functools.wraps(get_response)
    def middleware(request: Any) -> Any:
        return get_response(request)

    return middleware


def test_middleware_behind_that_looks_like_djangos_handler_is_found(ran: Diary) -> None:
    project = closed([path("", ran.view())])
    project._options["MIDDLEWARE"].append("tests.django.test_startup.passing_on")
    refused(project, "stands last in MIDDLEWARE")


def test_a_project_without_the_middleware_is_told_by_manage_py_check(ran: Diary) -> None:
    (said,) = checked(closed([path("", ran.view())], MIDDLEWARE=[]))
    assert "has no 'callerid.django.CallerMiddleware'" in said


# --- protect ---


def test_a_guard_protects_once(guard: Guard) -> None:
    closed([], guard)
    with pytest.raises(ConfigurationError, match="protects already"):
        guard.protect(default=STAFF)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"default": 7}, "default= takes a rule"),
        ({"default": STAFF, "floor": 7}, "floor= takes a rule"),
        ({"default": STAFF, "on_refusal": 7}, "on_refusal is a function"),
        ({"default": STAFF, "routes": [1]}, "routes= maps paths to rules"),
        ({"default": STAFF, "routes": {"a/": STAFF, "/a/": OTHERS}}, "has a path twice"),
        ({"default": STAFF, "routes": {"": STAFF}}, "maps paths"),
        ({"default": STAFF, "routes": {7: STAFF}}, "maps paths"),
        ({"default": STAFF, "routes": {"GET  a/": STAFF}}, "has no spaces around it"),
        ({"default": STAFF, "shadow": {" a": STAFF}}, "not an HTTP method|has no spaces"),
        ({"default": STAFF, "enforce": False}, "so it has an end"),
    ],
)
def test_protect_says_what_it_takes(guard: Guard, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        guard.protect(**options)


def test_the_default_is_a_rule_and_no_mark(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match=r"without guard.allow"):
        guard.protect(default=guard.allow(STAFF))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="issuer"):
        Guard().protect(default=STAFF)


# --- rules of views ---


def test_a_rule_that_nobody_can_meet(guard: Guard, ran: Diary) -> None:
    refused(closed([path("", guard.allow(OTHERS & STAFF)(ran.view()))], guard), "/")


def test_marks_that_exclude_each_other(guard: Guard, ran: Diary) -> None:
    urls = [path("a/", guard.allow(OTHERS)(include([path("b/", guard.allow(ROBOTS)(ran.view()))])))]
    refused(closed(urls, guard), "^/a/b/: ")


def test_a_mark_of_another_guard(guard: Guard, ran: Diary) -> None:
    refused(closed([path("", Guard.like(guard).allow(Public())(ran.view()))], guard), "no guard decided")


class Hexadecimal(StringConverter):
    regex = "[0-9a-f]+"


register_converter(Hexadecimal, "hex")


@pytest.mark.parametrize(
    ("route", "trouble"),
    [
        (lambda view: path("", view), "has no such parameter"),
        (lambda view: path("<str:other>/", view), "has no such parameter"),
        (lambda view: path("<slug:user>/", view), "converts it by SlugConverter"),
        (lambda view: path("<uuid:user>/", view), "converts it by UUIDConverter"),
        (lambda view: path("<path:user>/", view), "converts it by PathConverter"),
        (lambda view: path("<hex:user>/", view), "converts it by Hexadecimal"),
        (lambda view: path("<user>/", view, {"user": "ada"}), "put another in its place"),
        (lambda view: path("<user>/", include([path("", view)]), {"user": "ada"}), "put another in its place"),
        (lambda view: path("<user>/", include([path("<user>/", view)])), "exactly one path parameter"),
        (lambda view: re_path(r"^([a-z]+)/$", view), "has no such parameter"),
    ],
)
def test_a_path_parameter_that_cannot_be_compared(guard: Guard, ran: Diary, route: Any, trouble: str) -> None:
    refused(closed([route(guard.allow(_own())(ran.view()))], guard), trouble)


def test_a_pattern_of_an_unknown_class_cannot_be_compared(guard: Guard, ran: Diary) -> None:
    from django.urls.resolvers import RoutePattern, URLPattern

    class Own(RoutePattern):
        pass

    view = guard.allow(_own())(ran.view())
    refused(closed([URLPattern(Own("<str:user>/", is_endpoint=True), view)], guard), "cannot be read")


@pytest.mark.parametrize(
    "route",
    [
        lambda view: path("<user>/", view),
        lambda view: path("<str:user>/", view),
        lambda view: re_path(r"^(?P<user>[a-z]+)/$", view),
        lambda view: path("<str:user>/", include([path("", view)])),
        lambda view: re_path(r"^(?P<user>[a-z]+)/", include([re_path(r"^$", view)])),
    ],
)
def test_a_path_parameter_is_compared(guard: Guard, ran: Diary, route: Any, by_asgi: bool) -> None:
    project = closed([route(guard.allow(_own())(ran.view()))], guard)
    assert statuses(project, "/ada/", None, "ben", "ada", by_asgi=by_asgi) == [401, 403, 200]


def test_whole_numbers_are_compared_as_python_writes_them(guard: Guard, ran: Diary) -> None:
    project = closed([path("<int:account>/", guard.allow(User(PathParam("account")))(ran.view()))], guard)
    starting(project)
    assert statuses(project, "/117/", None, "staff") == [401, 403]


def test_a_mark_that_nobody_serves(guard: Guard, ran: Diary) -> None:
    view = ran.view()
    guard.allow(OTHERS)(view)  # and its result is thrown away
    refused(closed([path("", view)], guard), "marks a function that this route does not serve")


def test_a_view_may_be_served_with_a_mark_and_without(guard: Guard, ran: Diary) -> None:
    view = ran.view()
    project = closed([path("", view), path("m/", guard.allow(OTHERS)(view))], guard)
    assert statuses(project, "/", None, "staff") == [401, 200]
    assert statuses(project, "/m/", None, "staff") == [401, 403]


@pytest.mark.parametrize("name", ["handler400", "handler403", "handler404", "handler500"])
def test_a_mark_on_what_answers_errors(guard: Guard, name: str) -> None:
    project = closed([], guard)
    setattr(project.module, name, guard.allow(STAFF)(lambda request, exception=None: HttpResponse("")))
    refused(project, f"{name} is marked")


def test_all_mistakes_are_told_at_once(guard: Guard, ran: Diary) -> None:
    urls = [path(f"{name}/", guard.allow(_own())(ran.view())) for name in "ab"]
    project = closed(urls, guard, routes={"c/": STAFF})
    assert len(checked(project)) == 3


def test_what_is_open_or_weak_is_logged(guard: Guard, ran: Diary, caplog: pytest.LogCaptureFixture) -> None:
    class Both(View):
        @guard.allow(Public())
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

        @guard.allow(STAFF | OTHERS)
        def post(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("posted")

    caplog.set_level(logging.INFO, "callerid")
    starting(closed([path("a/", Both.as_view())], guard))
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == "open to everybody: GET /a/"
    assert told[1].startswith("weaker than the default: POST /a/")
    assert len(told) == 2

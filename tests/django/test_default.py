"""Where no view is meant: unknown paths, wrong methods, redirects of Django's own middleware, errors, files."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.common import CommonMiddleware
from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter
from django.views.static import serve

from callerid import Public
from callerid.django import Guard
from tests.fixtures import OTHERS, STAFF

from .world import Diary, ask, closed, only_others, statuses

COMMON = "django.middleware.common.CommonMiddleware"
LOCALE = "django.middleware.locale.LocaleMiddleware"


def test_strangers_do_not_learn_which_paths_exist(ran: Diary, by_asgi: bool) -> None:
    project = closed([path("known/", ran.view())])
    for place in ("/", "/known", "/known/more", "/%2e%2e/known/", "//known/"):
        assert statuses(project, place, None, "outsider", "staff", by_asgi=by_asgi) == [401, 403, 404]


def test_an_open_default_answers_404(ran: Diary, by_asgi: bool) -> None:
    project = closed([path("known/", ran.view())], default=Public())
    assert statuses(project, "/unknown/", None, by_asgi=by_asgi) == [404]


def test_the_projects_own_404_runs_for_those_let_in_alone(ran: Diary, by_asgi: bool) -> None:
    def not_found(request: Any, exception: Exception) -> HttpResponse:
        ran.append("404")
        return HttpResponse("not here", status=404)

    project = closed([])
    project.module.handler404 = not_found
    assert statuses(project, "/x/", None, "outsider", by_asgi=by_asgi) == [401, 403]
    assert ran == []
    assert ask(project, "/x/", "staff", by_asgi=by_asgi).content == b"not here"


def test_a_floor_holds_everywhere(guard: Guard, ran: Diary) -> None:
    project = closed([path("", guard.allow(Public())(ran.view()))], guard, default=Public(), floor=STAFF)
    assert statuses(project, "/", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(project, "/unknown", None, "outsider", "staff") == [401, 403, 404]


# --- redirects ---


@pytest.mark.parametrize("middleware", [COMMON, "tests.django.test_default.OwnCommon"])
def test_a_slash_is_appended_by_the_rule_of_where_it_leads_to(
    guard: Guard, ran: Diary, middleware: str, by_asgi: bool
) -> None:
    urls = [path("others/", guard.allow(OTHERS)(ran.view())), path("open/", guard.allow(Public())(ran.view()))]
    project = closed(urls, guard, middleware=[middleware])
    assert statuses(project, "/others", None, "staff", "outsider", by_asgi=by_asgi) == [401, 403, 301]
    assert ask(project, "/open", by_asgi=by_asgi).headers["Location"] == "/open/"
    assert statuses(project, "/unknown", None, "staff", "outsider", by_asgi=by_asgi) == [401, 404, 403]
    assert ran == []


class OwnCommon(CommonMiddleware):
    pass


def function_middleware(get_response: Any) -> Any:
    return lambda request: get_response(request)  # noqa: PLW0108 - as it is usually written


@pytest.mark.parametrize(
    ("middleware", "settings"),
    [([], {}), ([COMMON], {"APPEND_SLASH": False}), (["tests.django.test_default.function_middleware"], {})],
)
def test_where_nothing_appends_a_slash_the_default_holds(
    guard: Guard, ran: Diary, middleware: list[str], settings: Any
) -> None:
    project = closed([path("open/", guard.allow(Public())(ran.view()))], guard, middleware=middleware, **settings)
    assert statuses(project, "/open", None, "staff") == [401, 404]


def test_a_view_that_wants_no_slash_gets_none(guard: Guard, ran: Diary) -> None:
    view = guard.allow(Public())(ran.view())
    view.should_append_slash = False  # type: ignore[attr-defined]
    project = closed([path("open/", view)], guard, middleware=[COMMON])
    assert statuses(project, "/open", None, "staff") == [401, 404]


def test_a_language_is_put_in_front_by_the_rule_of_where_it_leads_to(guard: Guard, ran: Diary, by_asgi: bool) -> None:
    urls = i18n_patterns(
        path("others/", guard.allow(OTHERS)(ran.view())), path("open/", guard.allow(Public())(ran.view()))
    )
    languages = {"LANGUAGES": [("en", "English"), ("de", "German")], "LANGUAGE_CODE": "en"}
    project = closed(urls, guard, middleware=[LOCALE, COMMON], **languages)
    german = {"Accept-Language": "de"}
    assert ask(project, "/open/", headers=german, by_asgi=by_asgi).headers["Location"] == "/de/open/"
    assert ask(project, "/open", headers=german, by_asgi=by_asgi).headers["Location"] == "/de/open/"
    assert statuses(project, "/others/", None, "staff", "outsider", by_asgi=by_asgi) == [401, 403, 302]
    for place in ("/en/others/", "/de/others/"):
        assert only_others(project, place, by_asgi=by_asgi)
    assert statuses(project, "/fr/open/", None, "staff", by_asgi=by_asgi) == [401, 404]
    assert statuses(project, "/de/unknown/", None, "staff", by_asgi=by_asgi) == [401, 404]


# --- what runs before a view, and fails ---


class Failing(StringConverter):
    def to_python(self, value: str) -> str:
        raise {"404": Http404, "403": PermissionDenied, "500": RuntimeError}[value]


register_converter(Failing, "failing")


@pytest.mark.parametrize("which", ["404", "403", "500"])
def test_a_converter_that_fails_is_seen_by_those_let_in_alone(
    guard: Guard, ran: Diary, which: str, by_asgi: bool
) -> None:
    project = closed([path("<failing:word>/", guard.allow(Public())(ran.view()))], guard)
    assert statuses(project, f"/{which}/", None, "outsider", "staff", by_asgi=by_asgi) == [401, 403, int(which)]


# --- files and prefixes ---


def test_files_are_named_in_the_path_table(guard: Guard, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "logo.txt").write_text("logo")
    urls = [
        path("static/<path:path>", serve, {"document_root": tmp_path}),
        re_path(r"^media/(?P<path>.*)$", serve, {"document_root": tmp_path}),
    ]
    project = closed(urls, guard, routes={"static/*": Public(), "media/*": OTHERS})
    with contextlib.closing(ask(project, "/static/a/logo.txt")) as response:
        assert b"".join(response.streaming_content) == b"logo"
    assert only_others(project, "/media/a/logo.txt")


def test_the_prefix_of_the_server_does_not_count(guard: Guard, ran: Diary) -> None:
    project = closed([path("a/", guard.allow(OTHERS)(ran.view()))], guard, FORCE_SCRIPT_NAME="/api")
    assert only_others(project, "/a/")
    assert statuses(project, "/api/a/", None, "staff") == [401, 404]


def test_a_view_that_answers_404_is_no_unknown_path(guard: Guard) -> None:
    @guard.allow(Public())
    def missing(request: HttpRequest) -> HttpResponse:
        raise Http404

    assert statuses(closed([path("a/", missing)], guard, middleware=[COMMON]), "/a/", None, "outsider") == [404, 404]

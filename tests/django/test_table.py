"""Path tables: keys name routes as the URLconf has them, or includes."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path
from django.utils.translation import gettext_lazy
from django.views import View

from callerid import ConfigurationError, FirebaseUser, PathParam, Public
from callerid.django import Guard
from callerid.django._routes import UrlconfReader
from tests.fixtures import OTHERS, STAFF

from .world import Diary, closed, only_others, statuses


@pytest.mark.parametrize("key", ["users/<int:user>/", "/users/<int:user>/", "users/{user}/", "/users/{user}"])
def test_a_key_is_the_route_as_django_has_it(ran: Diary, key: str, by_asgi: bool) -> None:
    project = closed([path("users/<int:user>/", ran.view())], routes={key: OTHERS})
    assert only_others(project, "/users/7/", by_asgi=by_asgi)


def test_a_key_for_the_root(ran: Diary) -> None:
    project = closed([path("", ran.view())], routes={"/": OTHERS})
    assert only_others(project)


@pytest.mark.parametrize(
    ("regex", "key", "place"),
    [
        (r"^articles/(?P<year>[0-9]{4})/$", "articles/<year>/", "/articles/2026/"),
        (r"^articles/([0-9]{4})/$", "articles/<var>/", "/articles/2026/"),
        (r"^a\.b/(?:x/)?c/?$", "a.b/c/", "/a.b/c"),
        (r"^files/(?P<rest>.*)$", "files/*", "/files/a/b"),
    ],
)
def test_a_regular_expression_is_named_as_djangos_documentation_has_it(
    ran: Diary, regex: str, key: str, place: str
) -> None:
    project = closed([re_path(regex, ran.view())], routes={key: OTHERS})
    assert only_others(project, place)


def test_a_method_before_a_key(ran: Diary) -> None:
    project = closed([path("a/", ran.view())], routes={"POST a/": OTHERS, "a/": Public(), "DELETE /a/": STAFF})
    assert only_others(project, "/a/", method="POST")
    assert statuses(project, "/a/", None) == [200]
    assert statuses(project, "/a/", None, "staff", "outsider", method="DELETE") == [401, 200, 403]


def test_a_method_that_a_class_does_not_have(ran: Diary) -> None:
    class Got(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

    with pytest.raises(ConfigurationError, match="answers GET, HEAD"):
        statuses(closed([path("a/", Got.as_view())], routes={"POST a/": OTHERS}), "/a/", None)


def test_an_include_is_named_by_its_prefix(guard: Guard, ran: Diary) -> None:
    inner = [path("x/", ran.view()), path("y/", ran.view()), path("z/", include([path("", ran.view())]))]
    urls = [path("a/<str:user>/", include(inner)), path("b/", ran.view())]
    routes = {"a/<str:user>/*": FirebaseUser(PathParam("user")), "a/<str:user>/y/": OTHERS, "a/{user}/z/*": OTHERS}
    project = closed(urls, guard, routes=routes)
    assert statuses(project, "/a/ada/x/", None, "staff", "ada") == [401, 403, 200]
    assert only_others(project, "/a/ada/y/")
    assert only_others(project, "/a/ada/z/")


def test_entries_hold_beside_marks(guard: Guard, ran: Diary) -> None:
    project = closed([path("a/", guard.allow(OTHERS | STAFF)(ran.view()))], guard, routes={"a/": guard.allow(OTHERS)})
    assert only_others(project, "/a/")


def test_one_view_at_two_routes_has_the_rule_of_each(ran: Diary) -> None:
    view = ran.view()
    project = closed([path("a/", view), path("b/", view)], routes={"a/": Public(), "b/": OTHERS})
    assert statuses(project, "/a/", None) == [200]
    assert only_others(project, "/b/")


def test_routes_that_cannot_be_told_apart_have_the_rules_of_both(ran: Diary) -> None:
    view = ran.view()
    languages: dict[str, Any] = {"LANGUAGES": [("en", "English"), ("de", "German")], "LANGUAGE_CODE": "en"}
    urls = [path(_Lazy("a/"), view), path(_Lazy("b/"), view)]
    project = closed(
        urls,
        routes={"a/": OTHERS | STAFF, "b/": OTHERS},
        middleware=["django.middleware.locale.LocaleMiddleware"],
        **languages,
    )
    assert statuses(project, "/a/", None, "staff", headers={"Accept-Language": "en"}) == [401, 200]
    assert only_others(project, "/c/", headers={"Accept-Language": "de"})


class _Lazy:
    """A translated route: both are written alike in German."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        from django.utils.translation import get_language

        return "c/" if get_language() == "de" else self._text


def test_translated_routes_and_languages_in_front(ran: Diary) -> None:
    urls = i18n_patterns(path(gettext_lazy("users/"), ran.view()))
    project = closed(urls, routes={"{language}/users/": OTHERS}, USE_I18N=True)
    assert only_others(project, "/en-us/users/")


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ("unknown/", "correct the path or the method"),
        ("usr/<int:id>/", "the nearest are '/users/<int:id>/'"),
        ("users/*", "users/<int:id>/"),
        ("inc/", "write '/inc/\\*'"),
        ("/*", "write default="),
        ("a*b/", r"\* stands last only"),
    ],
)
def test_a_key_that_names_no_route_is_an_error(ran: Diary, key: str, remedy: str) -> None:
    urls = [path("users/<int:id>/", ran.view()), path("inc/", include([path("x/", ran.view())]))]
    urls.append(path("", include([path("y/", ran.view())])))
    with pytest.raises(ConfigurationError, match=remedy):
        statuses(closed(urls, routes={key: OTHERS}), "/", None)


def test_a_rule_of_a_shadow_table_has_to_be_possible(guard: Guard, ran: Diary) -> None:
    project = closed([path("a/", guard.allow(OTHERS)(ran.view()))], guard, shadow={"a/": STAFF})
    with pytest.raises(ConfigurationError, match="shadow"):
        statuses(project, "/a/", None)


def test_other_objects_among_the_patterns_are_no_routes() -> None:
    class Resolver:
        url_patterns = (type("Odd", (), {"pattern": "odd"})(),)

    assert UrlconfReader(Resolver()).routes == ()

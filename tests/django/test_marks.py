"""A mark holds wherever it stands on what serves: functions, classes, their methods and mixins, includes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.syndication.views import Feed
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path, reverse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition, require_POST, require_safe
from django.views.generic import RedirectView, TemplateView

from callerid import Nobody, Public
from callerid.django import Guard
from tests.fixtures import OTHERS, STAFF

from .world import Diary, closed, only_others, status, statuses

app_name = "of_this_module"
urlpatterns: list[Any] = []


def test_a_function_and_an_async_function(guard: Guard, ran: Diary, by_asgi: bool) -> None:
    allow = guard.allow(OTHERS)
    project = closed([path("", allow(ran.view())), path("async/", allow(ran.async_view()))], guard)
    assert only_others(project, by_asgi=by_asgi)
    assert only_others(project, "/async/", by_asgi=by_asgi)
    assert ran == ["view", "view"]


def test_a_partial(guard: Guard, ran: Diary) -> None:
    allow = guard.allow(OTHERS)
    inside, outside = functools.partial(allow(ran.view()), word="a"), allow(functools.partial(ran.view(), word="b"))
    project = closed([path("", inside), path("b/", outside)], guard)
    assert only_others(project)
    assert only_others(project, "/b/")


@pytest.mark.parametrize("outside", [csrf_exempt, never_cache, require_POST, login_required, condition()])
def test_decorators_of_django_above_and_below_the_mark(guard: Guard, ran: Diary, outside: Callable[..., Any]) -> None:
    allow = guard.allow(OTHERS)
    project = closed([path("", outside(allow(ran.view()))), path("below/", allow(outside(ran.view())))], guard)
    method = "POST" if outside is require_POST else "GET"
    expected = 500 if outside is login_required else 200  # there is no session here
    for place in ("/", "/below/"):
        assert statuses(project, place, None, "staff", "outsider", method=method) == [401, 403, expected]


def test_a_wrong_method_asks_the_mark_and_the_default(guard: Guard, ran: Diary) -> None:
    class Both(View):
        get = post = staticmethod(ran.view())

    urls = [
        path("open/", require_POST(guard.allow(Public())(ran.view()))),
        path("others/", guard.allow(OTHERS)(require_POST(ran.view()))),
        path("class/", require_safe(require_POST(Both.as_view()))),
        path("post/", require_POST(guard.allow(OTHERS)(Both.as_view()))),
    ]
    project = closed(urls, guard, routes={"post/": OTHERS})
    assert statuses(project, "/open/", None, "outsider", "staff") == [401, 403, 405]
    assert statuses(project, "/open/", None, method="POST") == [200]
    assert statuses(project, "/others/", None, "staff", "outsider") == [401, 403, 403]
    assert statuses(project, "/class/", None, "staff", method="POST") == [401, 405]
    assert only_others(project, "/post/", method="POST")
    assert ran == ["view", "view"]


# --- classes ---


class Plain(View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("got")

    def post(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("posted")


def _made_of(*bases: Any) -> Any:
    return type("Mixed", bases, {})


def test_a_view_of_a_class(guard: Guard) -> None:
    project = closed([path("", guard.allow(OTHERS)(Plain.as_view())), path("plain/", Plain.as_view())], guard)
    assert only_others(project)
    assert statuses(project, "/plain/", None, "staff", "outsider") == [401, 200, 403]


def test_a_class_and_its_subclass(guard: Guard) -> None:
    @guard.allow(OTHERS)
    class Marked(Plain):
        pass

    class Inheriting(Marked):
        pass

    @guard.allow(OTHERS & OTHERS)
    class Both(Marked):
        pass

    urls = [path("", Marked.as_view()), path("sub/", Inheriting.as_view()), path("both/", Both.as_view())]
    project = closed(urls, guard)
    assert all(only_others(project, place) for place in ("/", "/sub/", "/both/"))


@pytest.mark.parametrize("order", ["before", "after"])
def test_a_mixin_holds_before_and_after_the_view_class(guard: Guard, order: str) -> None:
    @guard.allow(OTHERS)
    class ForOthers:
        pass

    bases = (ForOthers, Plain) if order == "before" else (Plain, ForOthers)
    project = closed([path("", _made_of(*bases).as_view())], guard)
    assert only_others(project)
    assert only_others(project, method="POST")


def test_a_mixin_with_an_as_view_of_its_own(guard: Guard) -> None:
    @guard.allow(OTHERS)
    class Named:
        @classmethod
        def as_view(cls, **options: Any) -> Any:
            view: Any = super().as_view(**options)  # type: ignore[misc]
            return csrf_exempt(view)

    project = closed([path("", _made_of(Named, Plain).as_view())], guard)
    assert only_others(project)


def test_a_method_of_a_class_is_its_own(guard: Guard, by_asgi: bool) -> None:
    class Mixed(View):
        @guard.allow(OTHERS)
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

        def post(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("posted")

        @guard.allow(Public())
        def options(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
            return HttpResponse("asked")

    project = closed([path("", Mixed.as_view())], guard)
    assert only_others(project, by_asgi=by_asgi)
    assert only_others(project, method="HEAD", by_asgi=by_asgi)
    assert statuses(project, "/", None, "staff", "outsider", method="POST", by_asgi=by_asgi) == [401, 200, 403]
    assert statuses(project, "/", None, method="OPTIONS", by_asgi=by_asgi) == [200]
    assert statuses(project, "/", None, "staff", "outsider", method="PUT", by_asgi=by_asgi) == [401, 405, 403]


def test_an_async_class(guard: Guard, by_asgi: bool) -> None:
    @guard.allow(OTHERS)
    class Waiting(View):
        async def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

    class Method(View):
        @guard.allow(OTHERS)
        async def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

    project = closed([path("", Waiting.as_view()), path("m/", Method.as_view())], guard)
    assert only_others(project, by_asgi=by_asgi)
    assert only_others(project, "/m/", by_asgi=by_asgi)


def test_automatic_options_asks_the_marks_and_the_default(guard: Guard) -> None:
    project = closed([path("", guard.allow(STAFF)(Plain.as_view()))], guard)
    assert statuses(project, "/", None, "staff", "outsider", method="OPTIONS") == [401, 200, 403]


@pytest.mark.parametrize("name", ["dispatch", "get"])
def test_method_decorator(guard: Guard, name: str) -> None:
    @method_decorator(guard.allow(OTHERS), name=name)
    class Decorated(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

    class Inside(View):
        @method_decorator(guard.allow(OTHERS))
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

    project = closed([path("", Decorated.as_view()), path("in/", Inside.as_view())], guard)
    assert only_others(project)
    assert only_others(project, "/in/")


def test_a_class_that_only_dispatches(guard: Guard) -> None:
    class Dispatching(View):
        def dispatch(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
            return HttpResponse(request.method)

    class Marked(View):
        @guard.allow(OTHERS)
        def dispatch(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
            return HttpResponse(request.method)

    project = closed([path("", Dispatching.as_view()), path("m/", Marked.as_view())], guard)
    for method in ("GET", "DELETE", "ODD"):
        assert statuses(project, "/", None, "staff", "outsider", method=method) == [401, 200, 403]
        assert only_others(project, "/m/", method=method)


def test_generic_views_and_mixins_of_django(guard: Guard) -> None:
    @guard.allow(OTHERS)
    class Page(LoginRequiredMixin, TemplateView):
        template_name = "missing.html"

    redirected = guard.allow(OTHERS)(RedirectView.as_view(url="/elsewhere/"))
    project = closed([path("", Page.as_view()), path("r/", redirected)], guard)
    assert statuses(project, "/", None, "staff", "outsider") == [401, 403, 500]
    assert statuses(project, "/r/", None, "staff", "outsider") == [401, 403, 302]


def test_methods_that_as_view_was_given_are_those_that_serve(guard: Guard) -> None:
    class Both(View):
        @guard.allow(OTHERS)
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("got")

        post = get

    project = closed([path("", Both.as_view(http_method_names=["get"]))], guard)
    assert only_others(project)
    assert statuses(project, "/", "staff", "outsider", method="POST") == [405, 403]


def test_an_object_that_is_a_view(guard: Guard) -> None:
    class News(Feed):
        title = link = description = "news"

        def items(self) -> list[str]:
            return []

        @guard.allow(OTHERS)
        def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            return HttpResponse("fed")

    @guard.allow(OTHERS)
    class Served(Feed):
        def __call__(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            return HttpResponse("fed")

    project = closed([path("", News()), path("c/", Served())], guard)
    assert only_others(project)
    assert only_others(project, "/c/")


# --- parts of a URLconf ---


def test_an_include_marks_all_views_in_it(guard: Guard, ran: Diary, by_asgi: bool) -> None:
    inner = [path("x/", ran.view()), path("more/", include([re_path(r"^y/$", ran.async_view())]))]
    allow = guard.allow(OTHERS)
    urls = [
        path("a/", allow(include((inner, "app"), namespace="one"))),
        path("b/", include(inner)),
        allow(path("c/", ran.view())),
        allow(path("d/", include(inner))),
        *allow([path("e/", ran.view())]),
    ]
    last = allow([path("f/", ran.view())])
    included = allow(include("tests.django.test_marks"))
    assert included[0].app_name == "of_this_module"
    more = last + [path("g/", allow(ran.view())), path("h/", included)]  # noqa: RUF005 - as URLconfs are written
    project = closed(urls + last + more, guard)
    for place in ("/a/x/", "/a/more/y/", "/c/", "/d/x/", "/e/", "/f/", "/g/"):
        assert only_others(project, place, by_asgi=by_asgi)
    assert statuses(project, "/b/x/", None, "staff", "outsider", by_asgi=by_asgi) == [401, 200, 403]
    assert statuses(project, "/a/unknown/", None, "staff", "outsider", by_asgi=by_asgi) == [401, 404, 403]


def test_names_of_views_in_a_marked_include_are_found(guard: Guard, ran: Diary) -> None:
    inner = [path("x/<int:number>/", ran.view(), name="x"), path("more/", include([path("", ran.view(), name="y")]))]
    marked = guard.allow(OTHERS)(include((inner, "shop"), namespace="one"))
    project = closed([path("a/", marked), path("admin/", guard.allow(OTHERS)(admin.site.urls))], guard)
    with project.settings():
        names = [reverse("one:x", args=[7]), reverse("one:y"), reverse("admin:index")]
    assert names == ["/a/x/7/", "/a/more/", "/admin/"]
    assert only_others(project, "/a/x/7/")


def test_marks_of_includes_and_views_hold_together(guard: Guard, ran: Diary) -> None:
    urls = [path("a/", guard.allow(OTHERS | STAFF)(include([path("x/", guard.allow(OTHERS)(ran.view()))])))]
    project = closed(urls, guard)
    assert only_others(project, "/a/x/")


def test_what_is_added_to_a_marked_include_later_is_marked(guard: Guard, ran: Diary) -> None:
    inner = [path("x/", ran.view())]
    marked = guard.allow(OTHERS)(inner)
    both = ran.view("both")
    project = closed([path("a/", (marked, None, None)), path("b/", both)], guard)
    assert only_others(project, "/a/x/")
    assert statuses(project, "/b/", None, "staff") == [401, 200]
    inner.append(path("y/", both))
    assert only_others(project, "/a/y/")
    assert statuses(project, "/b/", None, "staff") == [401, 200]
    assert len(marked) == 2
    assert [each.pattern for each in marked[:1]] == [inner[0].pattern]


def test_the_admin_site_is_marked_as_a_whole(guard: Guard) -> None:
    project = closed([path("admin/", guard.allow(OTHERS)(admin.site.urls))], guard)
    for place in ("/admin/login/", "/admin/jsi18n/", "/admin/auth/user/", "/admin/unknown/"):
        assert statuses(project, place, None, "staff") == [401, 403]


@pytest.mark.parametrize("target", [None, "view", 7, object(), (1, 2), staticmethod(len)])
def test_what_cannot_be_marked_says_so(guard: Guard, target: Any) -> None:
    with pytest.raises(TypeError, match=r"mark"):
        guard.allow(OTHERS)(target)


def test_a_list_of_something_else_says_so(guard: Guard) -> None:
    with pytest.raises(TypeError, match="include"):
        list(guard.allow(OTHERS)([object()]))


def test_marks_have_a_name(guard: Guard) -> None:
    assert repr(guard.allow(OTHERS)) == "allow(Domain('other.com'))"


# --- no guard, and another ---


def test_a_marked_view_without_its_guard_answers_500(guard: Guard, ran: Diary, by_asgi: bool) -> None:
    from tests.djangos import Project

    @guard.allow(Public())
    class Marked(Plain):
        pass

    urls = [
        path("", guard.allow(Public())(ran.view())),
        path("async/", guard.allow(Public())(ran.async_view())),
        path("class/", Marked.as_view()),
        path("in/", guard.allow(Public())(include([path("", ran.view())]))),
    ]
    open_project = Project(urls)
    for place in ("/", "/async/", "/class/", "/in/"):
        assert status(open_project, place, "outsider", by_asgi=by_asgi) == 500
    assert ran == []


def test_a_mark_of_another_guard_is_an_error(guard: Guard, ran: Diary) -> None:
    project = closed([path("", Guard.like(guard).allow(Public())(ran.view()))], guard)
    with pytest.raises(Exception, match="no guard decided"):
        status(project, "/")


def test_a_view_that_calls_a_marked_one_does_not_open_it(guard: Guard, ran: Diary) -> None:
    secret = guard.allow(Nobody())(ran.view("secret"))

    def calls(request: HttpRequest) -> HttpResponse:
        return secret(request)

    project = closed([path("", guard.allow(Public())(calls)), path("secret/", secret)], guard)
    assert status(project, "/") == 500
    assert ran == []


def test_a_decorator_that_hides_the_mark_answers_500(guard: Guard, ran: Diary) -> None:
    marked = guard.allow(OTHERS)(ran.view())
    project = closed([path("", lambda request: marked(request))], guard)  # noqa: PLW0108 - it hides it
    assert statuses(project, "/", None, "staff", "outsider") == [401, 500, 403]
    assert ran == []

"""The access map of Django projects: rows, problems, and what serves a path."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import include, path, re_path, register_converter
from django.urls.converters import StringConverter
from django.views import View
from django.views.decorators.http import require_POST

from callerid import ConfigurationError, FirebaseUser, PathParam, Public
from callerid.access import access_map, locked, newcomers, read_suite
from callerid.django import Guard
from callerid.testing.access import rehearsing
from tests.django.world import ask, closed
from tests.djangos import Project, configure
from tests.fixtures import AT_HAND, OTHERS, STAFF

configure()
OWN = FirebaseUser(PathParam("user"))


def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
    return HttpResponse("served")


class Orders(View):
    def get(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return HttpResponse("got")

    def post(self, request: HttpRequest, **_: Any) -> HttpResponse:
        return HttpResponse("posted")


class Odd(StringConverter):
    def to_python(self, value: str) -> str:
        raise RuntimeError(value)


register_converter(Odd, "odd")


def new_guard() -> Guard:
    return Guard(*AT_HAND)


def mapped(urlpatterns: Any, guard: Guard | None, *, asgi: bool = False, **options: Any) -> Any:
    """The map of a project, and the project."""
    if guard is not None:
        guard.protect(**{"default": STAFF, **options})
    project = Project(urlpatterns, guard)
    with project.settings():
        handler: Any = ASGIHandler() if asgi else WSGIHandler()
        return access_map(handler)


def rows(found: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(each.name, str(each.rule), each.sources) for each in found.rows]


@pytest.mark.parametrize("asgi", [False, True])
def test_every_route_has_its_rule(asgi: bool) -> None:
    guard = new_guard()

    class Mixed(Orders):
        @guard.allow(OTHERS)
        def delete(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse("deleted")

    urls = [
        path("", view),
        path("open/", guard.allow(Public())(view)),
        path("users/<str:user>/", guard.allow(OWN)(view)),
        path("orders/<int:number>/", Orders.as_view()),
        path("mixed/", Mixed.as_view()),
        path("tasks/", require_POST(view)),
        path("in/", guard.allow(STAFF | OTHERS)(include([path("x/", guard.allow(OTHERS)(view))]))),
    ]
    found = mapped(urls, guard, asgi=asgi, routes={"tasks/": OTHERS})
    assert found.kind == "Django"
    assert found.problems == ()
    assert rows(found) == [
        ("* /", "domain:example.com", ("default",)),
        ("* /open/", "allUsers", ("decorator",)),
        ("* /users/<str:user>/", "firebaseUser:{user}", ("decorator",)),
        ("GET,POST /orders/<int:number>/", "domain:example.com", ("default",)),
        ("DELETE /mixed/", "domain:other.com", ("decorator",)),
        ("GET,POST /mixed/", "domain:example.com", ("default",)),
        ("POST /tasks/", "domain:other.com", ("table",)),
        ("* /in/x/", "domain:other.com and (domain:example.com or domain:other.com)", ("decorator",)),
        ("* (any other path)", "domain:example.com", ("default",)),
    ]


def test_what_only_a_regular_expression_says_is_taken_for_all_that_it_may_be() -> None:
    urls = [
        re_path(r"^plain/a\.b/$", view),
        re_path(r"^articles/(?P<year>[0-9]{4})/$", view),
        re_path(r"^articles/(?P<year>[a-z]{4})/$", view),
        re_path(r"^api/", include([re_path(r"^v1/$", view), path("v2/<slug:name>/", view)])),
        re_path(r"anywhere$", view),
        re_path(r"^a/b|c$", view),
        re_path(r"^a/open/?$", view),
        path("odd/<odd:word>/", view),
        *i18n_patterns(path("here/", view)),
    ]
    found = mapped(urls, new_guard())
    assert [each.written("*") for each in found.rows[:-1]] == [
        "/plain/a.b/",
        "/articles/<regex:year>",
        "/articles/<regex:year_2>",
        "/api/v1/",
        "/api/v2/<SlugConverter:name>/",
        "/<regex:anywhere>",
        "/<regex:a_b_c>",
        "/a/<regex:open>",
        "/odd/<Odd:word>/",
        "/<language:prefix>/here/",
    ]
    assert found.router("GET", "", "/articles/2026/") == "* /articles/<regex:year>"
    assert found.router("GET", "", "/articles/abcd/") == "* /articles/<regex:year_2>"
    assert found.router("GET", "", "/unknown/") == ""
    assert found.router("POST", "", "/plain/a.b/") == "* /plain/a.b/"
    assert found.router("GET", "", "/odd/word/") is None


def test_the_router_knows_methods() -> None:
    found = mapped([path("orders/", Orders.as_view())], new_guard())
    asked = [found.router(method, "", "/orders/") for method in ("GET", "HEAD", "POST", "PUT")]
    assert asked == ["GET /orders/", "GET /orders/", "POST /orders/", ""]


def test_a_place_with_the_rules_of_several_routes_is_not_told_apart() -> None:
    found = mapped([path("a/", view), path("a/", view)], new_guard())
    assert found.router("GET", "", "/a/") is None


def test_a_route_that_never_serves_is_noted() -> None:
    guard = new_guard()
    found = mapped([path("<str:any>/", view), path("me/", guard.allow(OTHERS)(view))], guard)
    assert ["/me/ is never served" in each for each in found.problems] == [True]


def test_report_only_and_a_page_of_the_projects_own_are_told() -> None:
    guard = new_guard()
    guard.protect(default=STAFF, floor=STAFF | OTHERS, enforce=False, until="2099-01-31")
    project = Project([], guard)
    project.module.handler404 = view
    with project.settings():
        found = access_map(WSGIHandler())
    assert found.unenforced == ("everywhere until 2099-01-31",)
    assert found.rows[-1].serving("*").answers
    assert found.rows[-1].sources == ("floor", "default")


def test_a_project_without_a_guard_is_a_problem() -> None:
    guard = new_guard()
    lost = lambda request: HttpResponse("served")
    guard.allow(OTHERS)(lost)
    found = mapped([path("", guard.allow(OTHERS)(view)), path("lost/", lost), path("o/", Orders.as_view())], None)
    assert [each.partition(":")[0] for each in found.problems][-1].startswith("no guard protects this Django project")
    assert any("is marked with Domain('other.com')" in each for each in found.problems)
    assert any("stands above" in each for each in found.problems)
    assert found.rows == ()
    assert {method for method, _ in found.behind} == {"*", "GET", "HEAD", "POST"}
    assert "CallerMiddleware" in found.problems[0]


def test_a_path_table_in_front_of_a_project_without_a_guard() -> None:
    import callerid
    import callerid.wsgi

    project = Project([path("known/", view)])
    project.module.handler404 = view
    with project.settings():
        app = callerid.wsgi.CallerMiddleware(WSGIHandler(), guard=callerid.Guard(*AT_HAND), default=STAFF)
        found = access_map(app)
    assert found.by_path
    assert rows(found) == [("* (any other path)", "domain:example.com", ("default",))]


def test_new_access_is_found() -> None:
    def of(rule: Any) -> Any:
        guard = new_guard()
        return mapped([path("a/<str:user>/", guard.allow(rule)(view)), path("b/", view)], guard)

    narrow, wide = of(OTHERS), of(OTHERS | STAFF)
    assert newcomers(locked(wide), narrow) == []
    assert newcomers(locked(narrow), of(OTHERS)) == []
    (found,) = newcomers(locked(narrow), wide)
    assert str(found).endswith("a person of example.com, not domain:other.com")


SUITE = """
[personas.ada]
workspace_person = "ada@example.com"
may = ["GET /orders/7/", "POST /orders/7/"]
may_not = ["GET /users/u1/"]

[personas.u1]
firebase_user = "u1"
may = ["GET /users/u1/"]
may_not = "everything else"
"""


@pytest.mark.parametrize("asgi", [False, True])
def test_access_tests_call_a_project(asgi: bool) -> None:
    guard = new_guard()
    guard.protect(default=STAFF)
    urls = [path("users/<str:user>/", guard.allow(OWN)(view)), path("orders/<int:number>/", Orders.as_view())]
    project = Project(urls, guard)
    suite = read_suite(SUITE, "access.toml")
    with project.settings():
        handler: Any = ASGIHandler() if asgi else WSGIHandler()
        with rehearsing(handler) as rehearsal:
            judged = [rehearsal.judge(case) for case in suite.cases]
            judged += [each for whom in suite.rest for each in rehearsal.judge_rest(whom, suite.cases)]
    assert [str(each) for each in judged if not each.is_right] == []
    assert len(judged) == 6


@pytest.mark.parametrize(
    ("hosts", "debug", "name"),
    [
        ([], True, "localhost"),  # as in a project that was just started
        (["testserver", "shop.example.com"], False, "testserver"),
        (["*"], False, "testserver"),
        ([], False, "testserver"),  # nothing is let through
        ([".shop.example.com", "other.example.com"], False, "shop.example.com"),
    ],
)
def test_calls_of_a_project_name_a_host_that_its_settings_let_through(hosts: list[str], debug: bool, name: str) -> None:
    guard = new_guard()
    guard.protect(default=STAFF)
    heard: list[str] = []

    def front(get_response: Any) -> Any:
        def asked(request: HttpRequest) -> Any:
            heard.append(request.META["HTTP_HOST"])
            return get_response(request)

        return asked

    sys.modules["project_front"] = module = ModuleType("project_front")
    module.front = front  # type: ignore[attr-defined]
    common = ["project_front.front", "django.middleware.common.CommonMiddleware"]
    project = Project([path("orders/", view)], guard, common, ALLOWED_HOSTS=hosts, DEBUG=debug)
    (case,) = read_suite('[personas.stranger]\nmay_not = ["GET /orders/"]', "access.toml").cases
    with project.settings(), rehearsing(WSGIHandler()) as rehearsal:
        judged = rehearsal.judge(case)
    assert heard == [name]
    assert judged.is_right == bool(hosts or debug)


PROJECT = {
    "project/__init__.py": "",
    "project/settings.py": """
ROOT_URLCONF = "project.urls"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "callerid.django.CallerMiddleware"]
CALLERID_GUARD = "project.access.guard"
SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["shop.example.com"]
""",
    "project/access.py": """
from callerid import Domain, Public, google
from callerid.django import Guard
from callerid.testing.access import rehearsing

guard = Guard(google("https://orders.example.com", "1234-abc.apps.googleusercontent.com"))
guard.protect(default=Domain("example.com"), routes={"healthz/": Public()})
""",
    "project/urls.py": """
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("healthz/", lambda request: HttpResponse("ok")), path("orders/<int:number>/", lambda request: None)]
""",
    "project/asgi.py": """
import os
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
application = get_asgi_application()
""",
    "access.toml": """
[personas.stranger]
may = ["GET /healthz/"]
may_not = "everything else"
""",
}


@pytest.mark.slow
def test_the_command_reads_and_calls_a_project(tmp_path: Path) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "callerid", *arguments, "--app-dir", str(tmp_path)]
        environ = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    told = run("routes", "project.asgi:application")
    assert "/healthz/" in told
    assert "/orders/<int:number>/" in told
    lock = str(tmp_path / "access.lock")
    run("routes", "project.asgi:application", "--lock", lock)
    run("routes", "project.asgi:application", "--check", lock)
    run("routes", "project.asgi:application", "--no-new-access", lock)
    assert " as the file says" in run("check", "project.asgi:application", str(tmp_path / "access.toml"))


def test_mistakes_are_errors_where_the_server_starts() -> None:
    guard = new_guard()
    with pytest.raises(ConfigurationError, match="no such parameter"):
        mapped([path("", guard.allow(OWN)(view))], guard)


def test_a_view_that_is_not_for_a_method_keeps_later_views_from_it() -> None:
    def before(guard: Guard) -> list[Any]:
        return [path("a/", guard.allow(STAFF)(require_POST(view))), *after(guard)]

    def after(guard: Guard) -> list[Any]:
        return [path("<str:x>/", guard.allow(Public())(view))]

    (old, was), (new, now) = (_mapped(made) for made in (before, after))
    assert [ask(each, "/a/").status_code for each in (old, new)] == [401, 200]
    found = [str(each) for each in newcomers(locked(was), now)]
    assert "* /a/ (served by * /<str:x>/): anybody without a credential, not domain:example.com" in found
    assert newcomers(locked(was), _mapped(before)[1]) == []


def test_a_class_that_has_no_method_but_options_has_the_rule_of_that_there() -> None:
    def before(guard: Guard) -> list[Any]:
        class Told(View):
            @guard.allow(STAFF)
            def options(self, request: HttpRequest, **_: Any) -> HttpResponse:
                return HttpResponse("told")

        return [path("a/", guard.allow(Public())(Told.as_view())), *after(guard)]

    def after(guard: Guard) -> list[Any]:
        return [path("<str:x>/", guard.allow(Public())(view))]

    (old, was), (new, now) = (_mapped(made) for made in (before, after))
    assert [ask(each, "/a/", method="OPTIONS").status_code for each in (old, new)] == [401, 200]
    assert ("OPTIONS /a/", str(STAFF)) in [(row.name, str(row.rule)) for row in was.rows]
    assert any(str(each).startswith("OPTIONS /a/") for each in newcomers(locked(was), now))


def _mapped(made: Any) -> tuple[Project, Any]:
    guard = new_guard()
    project = closed(made(guard), guard)
    with project.settings():
        return project, access_map(WSGIHandler())

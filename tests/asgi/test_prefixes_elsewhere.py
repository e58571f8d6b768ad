"""The prefixes of frameworks of other makes, and what of a path they read in a way of their own."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import falcon.asgi
import flask
import pytest
from asgiref.wsgi import WsgiToAsgi
from django.core.asgi import get_asgi_application
from django.test import override_settings
from litestar import Litestar, asgi, get
from litestar.config.cors import CORSConfig
from litestar.types import Receive, Scope, Send
from quart import Quart
from starlette.routing import Mount

from callerid import Nobody, Public
from callerid._applications import cors_inside
from callerid.asgi._prefixes import Prefixes
from tests.fixtures import OTHERS, STAFF
from tests.starlette.world import ask, closed, scope_of, statuses

from .djangos import configure
from .test_prefixes import ADMIN, SEGMENTS, fastapi, without_prefix
from .world import guarded

configure()


def asgi_of(app: flask.Flask) -> Any:
    made: Any = WsgiToAsgi
    return made(app)


def mounted(path: str, app: Any) -> Mount:
    return Mount(path, app)


def litestar_app(**options: Any) -> Litestar:
    @get(["/admin", "/admin/{user:str}"], media_type="text/plain", sync_to_thread=False)
    def admin() -> str:
        return "admin"

    @get("/open", media_type="text/plain", sync_to_thread=False)
    def opened() -> str:
        return "open"

    return Litestar([admin, opened], logging_config=None, **options)


def litestar_with_a_mount() -> Litestar:
    inner = asgi_of(flask_app("/<path:rest>"))

    @asgi("/admin", is_mount=True, copy_scope=True)
    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)

    @get("/open", media_type="text/plain", sync_to_thread=False)
    def opened() -> str:
        return "open"

    return Litestar([mounted, opened], logging_config=None)


def quart_app() -> Quart:
    app = Quart("orders")

    async def admin(user: str = "") -> str:
        return "admin"

    async def opened() -> str:
        return "open"

    app.add_url_rule("/admin", view_func=admin)
    app.add_url_rule("/admin/<user>", view_func=admin)
    app.add_url_rule("/open", view_func=opened)
    return app


def flask_app(*rules: str) -> flask.Flask:
    app = flask.Flask("orders")

    def admin(**given: str) -> str:
        return "admin"

    for rule in rules or ("/admin", "/admin/<user>"):
        app.add_url_rule(rule, view_func=admin)
    app.add_url_rule("/open", "open", lambda: "open")
    return app


class Resource:
    def __init__(self, name: str) -> None:
        self.name = name

    async def on_get(self, request: Any, response: Any, **given: str) -> None:
        response.text = self.name


def falcon_app(prefix: str = "") -> Any:
    app: Any = falcon.asgi.App()
    for path in ("/admin", "/admin/{user}", "/open"):
        app.add_route(prefix + path, Resource(path.split("/")[1]))
    return app


@pytest.fixture
def forced() -> Iterator[Any]:
    with override_settings(FORCE_SCRIPT_NAME="/api"):
        yield get_asgi_application()


# --- Django ---


def test_an_entry_holds_where_django_cuts_its_own_prefix(forced: Any) -> None:
    shut = guarded(forced, default=Public(), routes={"/admin": STAFF, "/admin/*": STAFF})
    for path in ("/admin", "/api/admin", "/admin/x", "/api/admin/x"):
        assert ask(forced, path).text == "admin"
        assert statuses(shut, path, None, "outsider", "staff") == [401, 403, 200]
    assert statuses(shut, "/API/admin", None) == [400]
    assert statuses(shut, "/api/open", None) == [200]


def test_where_django_cuts_its_own_prefix_every_reading_must_admit(forced: Any) -> None:
    shut = guarded(forced, default=Nobody(), routes={"/open": Public()})
    assert statuses(shut, "/open", None) == [200]
    assert statuses(shut, "/api/open", None) == [401]
    said = guarded(forced, default=Nobody(), routes={"/open": Public()}, root_path="/api")
    assert statuses(said, "/api/open", None) == [200]


def test_django_is_found_wherever_it_stands_and_its_setting_is_read_when_asked(forced: Any) -> None:
    shut = guarded(Mount("/dj", forced), default=Public(), routes={"/admin": STAFF})
    assert statuses(shut, "/api/admin", None) == [401]
    with override_settings(FORCE_SCRIPT_NAME=None):
        assert statuses(shut, "/api/admin", None) == [404]


@pytest.mark.parametrize("module", ["django.core.handlers.asgi", "django.conf"])
def test_where_django_is_not_loaded_nothing_is_asked_of_it(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prefixes = Prefixes(quart_app())
    scope = scope_of("GET", "/api/admin", [])
    with override_settings(FORCE_SCRIPT_NAME="/api"):
        assert prefixes.readings(scope).paths == ("/api/admin", "/admin")
        monkeypatch.delitem(sys.modules, module)
        assert prefixes.readings(scope).paths == ("/api/admin",)
        monkeypatch.undo()


def test_django_without_the_setting_cuts_what_the_server_says() -> None:
    shut = guarded(get_asgi_application(), default=Public(), routes={"/admin": STAFF})
    assert statuses(shut, "/api/admin", None, root_path="/api") == [401]
    assert statuses(shut, "/api/open", None, root_path="/api") == [200]


def test_djangos_cors_middleware_is_recognised() -> None:
    app = get_asgi_application()
    assert cors_inside(app) is None
    with override_settings(MIDDLEWARE=["corsheaders.middleware.CorsMiddleware"]):
        assert cors_inside(app) == "django-cors-headers"


# --- Litestar, Quart, Falcon ---


def test_litestars_path_is_in_its_routes_and_nothing_is_cut() -> None:
    shut = guarded(litestar_app(path="/api"), default=Public(), routes={"/api/admin": STAFF})
    assert statuses(shut, "/api/admin", None, "staff") == [401, 200]


def test_litestar_takes_what_begins_like_a_mount_for_a_path_below_it() -> None:
    app = litestar_with_a_mount()
    assert ask(app, "/adminx").text == "admin"
    shut = guarded(app, default=Public(), routes={"/admin": STAFF, "/admin/*": STAFF})
    assert statuses(shut, "/adminx", None) == [400]
    assert statuses(shut, "/api/adminx", None, root_path="/api") == [400]
    assert statuses(shut, "/admin/x", None, "staff") == [401, 200]
    assert statuses(shut, "/open", None) == [200]
    assert statuses(shut, "/open/adminx", None) == [404]  # only at its beginning


def test_the_cors_setting_of_litestar_is_recognised() -> None:
    assert cors_inside(litestar_app()) is None
    assert cors_inside(litestar_app(cors_config=CORSConfig())) == "Litestar's cors_config"


def test_quart_is_read_by_the_servers_prefix_alone() -> None:
    app = quart_app()
    app.config["APPLICATION_ROOT"] = "/api"
    assert cors_inside(app) is None
    shut = guarded(app, default=Nobody(), routes={"/open": Public(), "/admin": OTHERS})
    assert statuses(shut, "/open", None) == [200]
    assert statuses(shut, "/api/open", None, root_path="/api") == [200]
    assert statuses(shut, "/api/admin", None, root_path="/api") == [401]


def test_falcon_leaves_the_servers_prefix_in_the_path_and_its_entries_hold() -> None:
    shut = guarded(falcon_app("/api"), default=Public(), routes={"/api/admin": STAFF})
    assert ask(falcon_app("/api"), "/api/admin", root_path="/api").text == "admin"
    assert statuses(shut, "/api/admin", None, "staff", root_path="/api") == [401, 200]


@pytest.mark.parametrize("make", [litestar_app, quart_app, falcon_app, lambda: asgi_of(flask_app())])
def test_the_directory_of_an_application_is_no_prefix(make: Any) -> None:
    # Flask and Quart have an attribute root_path, which is their directory.
    prefixes = Prefixes(make())
    assert prefixes.readings(scope_of("GET", "/a", [])).paths == ("/a",)


# --- below a mount, behind a guard of routes ---

BELOW = {"/sub/admin": STAFF, "/sub/admin/*": STAFF}


def mounted_behind_a_guard(app: Any) -> Any:
    return closed(mounted("/sub", app), default=Public(), routes=BELOW)


@pytest.mark.parametrize("path", ["/sub/admin/x", "/sub/admin"])
def test_an_entry_below_a_mount_holds_for_what_leaves_prefixes_in_the_path(path: str) -> None:
    app = mounted_behind_a_guard(falcon_app("/sub"))
    assert statuses(app, path, None, "staff") == [401, 200]
    assert statuses(app, f"/api{path}", None, root_path="/api") == [401]
    # A server that leaves its prefix out: Falcon would serve it, and Starlette's own mounts would not.
    assert ask(falcon_app("/sub"), path, root_path="/api").text == "admin"
    assert statuses(app, path, None, "staff", root_path="/api") == [400, 400]


def test_what_begins_like_a_mount_of_litestars_below_a_mount_reaches_nothing() -> None:
    app = mounted_behind_a_guard(litestar_with_a_mount())
    assert statuses(app, "/sub/admin/x", None, "staff") == [401, 200]
    assert statuses(app, "/sub/adminx", None, "staff") == [400, 400]
    assert statuses(app, "/sub/open", None) == [200]


def test_a_prefix_of_djangos_that_is_not_its_mount_reaches_nothing(forced: Any) -> None:
    app = mounted_behind_a_guard(forced)
    for setting, path, expected in (
        ("/sub", "/sub/admin", 401),
        ("/sub/x", "/sub/x/admin", 400),
        ("/api/sub", "/sub/open", 404),
    ):
        with override_settings(FORCE_SCRIPT_NAME=setting):
            assert statuses(app, path, None) == [expected]


# --- all of it, at random ---

INNER: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "Litestar": (litestar_app(), "/api", {}),
    "Litestar with a mount": (litestar_with_a_mount(), "", {}),
    "Litestar at the root of FastAPI": (fastapi("/api", mounted("", litestar_app())), "", {}),
    "Quart": (quart_app(), "/api", {}),
    "Quart at the root of FastAPI": (fastapi("/api", mounted("", quart_app())), "", {}),
    "Flask in FastAPI": (fastapi("/api", Mount("/sub", asgi_of(flask_app()))), "", {}),
    "Flask by asgiref": (asgi_of(flask_app()), "/api", {}),
    "Falcon": (falcon_app(), "", {}),
    "Django": (get_asgi_application(), "/api", {}),
    "Django, cutting by itself": (without_prefix(get_asgi_application()), "", {"root_path": "/api"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("script", [None, "/api"])
def test_at_random_paths_nothing_is_served_that_an_entry_keeps_from_strangers(inner: str, script: str | None) -> None:
    app, root, options = INNER[inner]
    weak = guarded(app, default=Public(), routes=ADMIN, **options)
    strict = guarded(app, default=STAFF, routes={"/open": Public()}, **options)
    chance, served = random.Random(inner), set[str]()
    with override_settings(FORCE_SCRIPT_NAME=script):
        for _ in range(150):
            path = "/" + "/".join(chance.choices((*SEGMENTS, "apiadmin", "adminx"), k=chance.randint(1, 3)))
            path = root + path if chance.random() < 0.6 else path
            served.add(ask(app, path, root_path=root).text)
            assert "admin" not in ask(weak, path, root_path=root).text, path
            reply = ask(strict, path, root_path=root)
            assert reply.status != 200 or reply.text == "open", path
    assert {"admin", "open"} <= served

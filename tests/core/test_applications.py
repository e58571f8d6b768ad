"""What stands inside an application is found through whatever holds it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import flask
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from werkzeug.local import LocalProxy

from callerid._applications import cors_inside, is_a, reached


class Wrapper:
    def __init__(self, app: Any) -> None:
        self._inner = app

    def __call__(self, *arguments: Any) -> Any:
        return self._inner(*arguments)

    def method(self, *arguments: Any) -> Any:
        return self._inner(*arguments)


def closure(app: Any) -> Any:
    def call(*arguments: Any) -> Any:
        return app(*arguments)

    return call


def keywords(app: Any) -> Any:
    return functools.partial(print, file=app)


def wrapped(app: Any) -> Any:
    return functools.wraps(app)(lambda: None)


WAYS: list[Callable[[Any], Any]] = [
    Wrapper,
    closure,
    keywords,
    wrapped,
    functools.partial,
    lambda app: functools.partial(print, app),
    lambda app: Wrapper(app).method,
    lambda app: Wrapper(closure(functools.partial(app))),
]


def application() -> None: ...


@pytest.mark.parametrize("way", WAYS)
def test_an_application_is_found_through_what_wraps_it(way: Callable[[Any], Any]) -> None:
    assert application in list(reached(way(application)))


def test_what_goes_round_and_what_is_deep_ends() -> None:
    around = Wrapper(None)
    around._inner = around
    assert list(reached(around)) == [around]
    deep: Any = application
    for _ in range(5000):
        deep = Wrapper(deep)
    assert len(list(reached(deep))) == 1000


def test_what_is_no_application_is_left_alone() -> None:
    cell: Any = None

    def unset() -> Any:
        return later

    if cell:
        later = cell
    holder = Wrapper(application)
    holder.cls, holder.data, holder.unset = Wrapper, SimpleNamespace(app=closure), unset  # type: ignore[attr-defined]
    assert list(reached(holder)) == [holder, application, unset]


def test_a_proxy_that_stands_for_nothing_now_is_passed_over() -> None:
    def gone() -> Any:
        raise LookupError("outside of a request")

    proxy = LocalProxy(gone)
    assert any(each is proxy for each in reached(Wrapper(proxy)))
    assert not is_a(proxy, "flask", "Flask")
    assert cors_inside(Wrapper(proxy)) is None


def test_a_class_is_known_where_its_module_is_loaded() -> None:
    app = Starlette()
    assert is_a(app, "starlette.applications", "Starlette")
    assert not is_a(app, "flask", "Flask")
    assert not is_a(app, "starlette.applications", "Nothing")
    assert not is_a(app, "no_such_module", "Starlette")


# --- CORS middleware ---


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def test_cors_middleware_of_starlette_is_recognised_in_a_chain_and_in_a_list() -> None:
    listed = Starlette(middleware=[Middleware(Wrapper), Middleware(CORSMiddleware)])
    later = Starlette()
    assert cors_inside(later) is None
    later.add_middleware(CORSMiddleware)
    for app in (CORSMiddleware(asgi), Wrapper(CORSMiddleware(asgi)), listed, later, closure(later)):
        assert cors_inside(app) == "Starlette's CORSMiddleware"
    assert cors_inside(Starlette(middleware=[Middleware(Wrapper)])) is None


def test_middleware_that_is_a_function_is_passed_over() -> None:
    assert cors_inside(Starlette(middleware=[Middleware(closure)])) is None


@pytest.mark.parametrize("module", ["flask_cors", "flask_cors.extension"])
def test_flask_cors_is_recognised_by_what_runs_after_a_request(module: str) -> None:
    app = flask.Flask("orders")
    app.after_request(lambda response: response)
    assert cors_inside(app.wsgi_app) is None

    def cors_after_request(response: Any) -> Any:
        return response

    cors_after_request.__module__ = module
    app.after_request(cors_after_request)
    assert cors_inside(app.wsgi_app) == cors_inside(Wrapper(app)) == "flask-cors"

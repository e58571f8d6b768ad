"""What stands in front of an application is found behind whatever holds it, and named as unseen."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

import callerid
import callerid.flask
from callerid import Public, asgi, google, wsgi
from callerid.access import AccessMap, access_map, locked, newcomers
from callerid.audit._forms import as_json, as_markdown
from callerid.errors import ConfigurationError
from callerid.testing.access import rehearsing
from tests.access.made import STAFF, small


def flask() -> Flask:
    app, guard = Flask("fronts", static_folder=None), callerid.flask.Guard(google("https://a.example.com"))
    guard.protect(app, default=STAFF)
    app.add_url_rule("/a", "a", guard.allow(Public())(lambda: "a"))
    return app


def names(found: AccessMap) -> list[str]:
    return [each.name.rpartition(":")[2].rpartition(".")[2] for each in found.fronts]


async def foreign(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("from elsewhere")(scope, receive, send)


class Holding:
    """ASGI middleware that holds its application by a name of its own."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.inner(scope, receive, send)


class Dispatching(Holding):
    """Has others by their paths."""

    def __init__(self, inner: Any) -> None:
        super().__init__([inner])
        self.others = {"/metrics": foreign, 7: foreign, "name": foreign}


def closing_over(app: Any) -> Callable[..., Any]:
    async def closure(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        await never_set(scope, receive, send)

    if app is None:
        never_set = foreign
    return closure


async def by_global(scope: Scope, receive: Receive, send: Send) -> None:
    await GLOBAL(scope, receive, send)


async def forwards(app: Any, scope: Scope, receive: Receive, send: Send) -> None:
    await app(scope, receive, send)


GLOBAL: Any = small({"GET /a": Public()})


@pytest.mark.parametrize(
    ("wrapped", "expected"),
    [
        (lambda app: app, []),
        (Holding, ["Holding"]),
        (lambda app: Holding(Holding(app)), ["Holding", "Holding"]),
        (Dispatching, ["Dispatching"]),
        (closing_over, ["closure"]),
        (lambda _: by_global, ["by_global"]),
        (lambda app: functools.partial(forwards, app), ["partial"]),
        (lambda app: Holding(app).__call__, ["__call__", "Holding"]),
        (lambda app: CORSMiddleware(app, allow_origins=["*"]), ["CORSMiddleware"]),
        (lambda app: asgi.CallerMiddleware(app, guard=guard(), default=STAFF), []),
        (lambda app: Holding(asgi.CallerMiddleware(app, guard=guard(), default=STAFF)), ["Holding"]),
        (lambda _: Holding(asgi.CallerMiddleware(foreign, guard=guard(), default=STAFF)), ["Holding"]),
    ],
)
def test_asgi_middleware_of_any_make_is_looked_through_and_named(wrapped: Any, expected: list[str]) -> None:
    found = access_map(wrapped(small({"GET /a": Public()})))
    assert names(found) == expected
    assert found.rows
    assert len(found.unseen) == len(expected)
    assert all("stands in front: what it serves by itself is not seen" in line for line in found.unseen)


def guard() -> callerid.Guard:
    return callerid.Guard(google("https://a.example.com"))


def test_its_calls_are_made_through_it() -> None:
    with rehearsing(Holding(small({"GET /a": Public()}))) as rehearsal:
        assert rehearsal.untested() == ["GET /a"]


def mounted_inside(app: Flask) -> Flask:
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/other": Flask("other")})  # type: ignore[method-assign]
    return app


def fixed_inside(app: Flask) -> Flask:
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]
    return app


def gated_inside(app: Flask) -> Flask:
    app.wsgi_app = wsgi.CallerMiddleware(app.wsgi_app, guard=guard(), default=Public())  # type: ignore[method-assign]
    return app


@pytest.mark.parametrize(
    ("wrapped", "expected"),
    [
        (lambda app: app, []),
        (lambda app: DispatcherMiddleware(app, {"/other": Flask("other")}), ["DispatcherMiddleware"]),
        (lambda app: DispatcherMiddleware(app.wsgi_app, {}), ["DispatcherMiddleware", "wsgi_app"]),
        (lambda app: ProxyFix(DispatcherMiddleware(app)), ["ProxyFix", "DispatcherMiddleware"]),
        (mounted_inside, ["DispatcherMiddleware"]),
        (fixed_inside, ["ProxyFix"]),
        (gated_inside, []),
    ],
)
def test_wsgi_middleware_is_named_outside_and_inside(wrapped: Any, expected: list[str]) -> None:
    assert names(access_map(wrapped(flask()))) == expected


def test_what_is_mounted_there_is_named_by_its_path() -> None:
    (line,) = access_map(mounted_inside(flask())).unseen
    assert line.endswith("DispatcherMiddleware stands in front: what it serves by itself is not seen (/other)")
    found = access_map(Dispatching(small({"GET /a": Public()})))
    (line,) = found.unseen
    assert line.endswith("is not seen (/metrics)")
    assert json.loads(as_json(found))["unseen"] == [line]
    assert as_markdown(found).endswith(f"\nnot seen: {line}")


@pytest.mark.parametrize("other", [object(), Holding(None), Holding(foreign), foreign, closing_over(7), Flask])
def test_what_holds_no_application_is_an_error(other: Any) -> None:
    with pytest.raises(ConfigurationError, match="cannot be mapped"):
        access_map(other)


def test_something_new_in_front_may_let_in_anybody() -> None:
    plain = locked(access_map(flask()))
    (finding,) = map(str, newcomers(plain, access_map(mounted_inside(flask()))))
    assert finding.startswith(
        "werkzeug.middleware.dispatcher:DispatcherMiddleware /other in front of the application: "
    )
    assert finding.endswith("it was not there, and what it serves by itself is not seen")
    behind = access_map(mounted_inside(flask()))
    assert not newcomers(locked(behind), access_map(mounted_inside(flask())))
    assert not newcomers(locked(behind), access_map(flask()))
    assert not newcomers(plain, access_map(fixed_inside(flask())))

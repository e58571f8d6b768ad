"""One small application in each adapter, a clock that is set by hand, and what its handlers saw."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from fastapi import FastAPI, Request
from flask import Flask, request
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import callerid
import callerid.asgi
import callerid.django
import callerid.fastapi
import callerid.flask
import callerid.starlette
import callerid.wsgi
from callerid import Caller, Domain, Issuer, KeySource, Public, google
from callerid.flask import current_caller
from callerid.guard import GuardCore
from callerid.testing import LocalIssuer
from tests.djangos import Project
from tests.starlette.world import ask as ask_asgi
from tests.wsgi.world import ask as ask_wsgi

DAY = "2027-01-31"
MIDNIGHT = datetime(2027, 2, 1, tzinfo=UTC).timestamp()
"""The first second after the day."""
CLIENT = "1234-abc.apps.googleusercontent.com"
OTHER_CLIENT = "1234-def.apps.googleusercontent.com"
STAFF, OTHERS = Domain("example.com"), Domain("other.com")
MARKED = "/marked"
UNREACHABLE = google(CLIENT, keys=KeySource("http://127.0.0.1:9/keys"))


class Clock:
    now = MIDNIGHT - 600

    def __call__(self) -> float:
        return self.now


# Keys take long to make.
CLOCK = Clock()
ISSUER = LocalIssuer(clock=CLOCK)


class World:
    """A guarded application with ``/x`` under the default, ``/marked`` for others and ``/open`` for everybody.

    ``/marked`` wants tokens for `CLIENT` alone.
    """

    def __init__(self, *issuers: Issuer, **options: Any) -> None:
        self.clock = CLOCK
        self.clock.now = MIDNIGHT - 600
        self.issuer = ISSUER
        self.guard: Any = self.new_guard(*(issuers or (self.issuer.google(CLIENT, OTHER_CLIENT),)), clock=self.clock)
        self.app: Any = None
        self.options = {"default": STAFF, **options}
        self.make()

    def token(self, who: str, audience: str = CLIENT) -> str:
        return self.issuer.workspace_person(f"ada@{who}", audience=audience)

    def get(self, path: str, who: str | None = None, *, raw: str | None = None) -> tuple[int, str]:
        """Status and body: the handlers say who is calling."""
        sent = raw if raw is not None else None if who is None else f"Bearer {self.token(who)}"
        return self.send(path, sent)

    def new_guard(self, *issuers: Issuer, **options: Any) -> GuardCore:
        raise NotImplementedError

    def make(self) -> None:
        raise NotImplementedError

    def send(self, path: str, authorization: str | None) -> tuple[int, str]:
        reply = ask_asgi(self.app, path, headers={} if authorization is None else {"authorization": authorization})
        if reply.error is not None:
            raise reply.error
        return reply.status, reply.text


class Plain(World):
    """By path alone."""

    def new_guard(self, *issuers: Issuer, **options: Any) -> GuardCore:
        return callerid.Guard(*issuers, **options)

    def table(self) -> dict[str, Any]:
        return {MARKED: self.guard.allow(OTHERS, audience=CLIENT), "/open": Public(), **self.options.pop("routes", {})}


class InASGI(Plain):
    def make(self) -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            caller = scope["state"]["caller"]
            assert scope.get("user") is caller
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": str(caller).encode()})

        table = self.table()
        self.app = callerid.asgi.CallerMiddleware(app, guard=self.guard, routes=table, **self.options)


class InWSGI(Plain):
    def make(self) -> None:
        def app(environ: Any, start_response: Any) -> list[bytes]:
            caller = environ["callerid.caller"]
            assert environ.get("REMOTE_USER") == (None if caller is None else str(caller))
            start_response("200 OK", [])
            return [str(caller).encode()]

        table = self.table()
        self.app = callerid.wsgi.CallerMiddleware(app, guard=self.guard, routes=table, **self.options)

    def send(self, path: str, authorization: str | None) -> tuple[int, str]:
        more: dict[str, Any] = {} if authorization is None else {"HTTP_AUTHORIZATION": authorization}
        reply = ask_wsgi(self.app, path, REMOTE_USER="admin", **more)
        return reply.status, reply.body.decode()


def _told(request: StarletteRequest) -> PlainTextResponse:
    caller: Caller | None = request.state.caller
    assert request.user.is_authenticated is (caller is not None)
    return PlainTextResponse(str(caller))


class InStarlette(World):
    def new_guard(self, *issuers: Issuer, **options: Any) -> GuardCore:
        return callerid.starlette.Guard(*issuers, **options)

    def make(self) -> None:
        async def open_to_all(request: StarletteRequest) -> PlainTextResponse:
            return _told(request)

        async def marked(request: StarletteRequest) -> PlainTextResponse:
            return _told(request)

        guard = self.guard
        self.app = Starlette(
            routes=[
                Route("/x", _told, methods=["GET"]),
                Route(MARKED, guard.allow(OTHERS, audience=CLIENT)(marked)),
                Route("/open", guard.allow(Public())(open_to_all)),
            ]
        )
        guard.protect(self.app, **self.options)


class InFastAPI(World):
    def new_guard(self, *issuers: Issuer, **options: Any) -> GuardCore:
        return callerid.fastapi.Guard(*issuers, **options)

    def make(self) -> None:
        self.app = app = FastAPI(title="orders")
        guard = self.guard
        guard.protect(app, **self.options)

        @app.get("/x")
        async def default(request: Request) -> Any:
            return _told(request)

        def marked(caller: Any) -> Any:
            return PlainTextResponse(str(caller))

        marked.__annotations__["caller"] = Annotated[Caller | None, guard.allow(OTHERS, audience=CLIENT)]
        app.get(MARKED)(marked)

        async def open_to_all(request: Request) -> Any:
            return _told(request)

        app.get("/open")(guard.allow(Public())(open_to_all))


class InFlask(World):
    def new_guard(self, *issuers: Issuer, **options: Any) -> GuardCore:
        return callerid.flask.Guard(*issuers, **options)

    def make(self) -> None:
        self.app = app = Flask("orders")
        guard = self.guard
        guard.init_app(app, **self.options)

        def told() -> str:
            caller = current_caller()
            assert request.environ.get("REMOTE_USER") == (None if caller is None else str(caller))
            return str(caller)

        @app.get("/x")
        def default() -> str:
            return told()

        app.get(MARKED, endpoint="marked")(guard.allow(OTHERS, audience=CLIENT)(told))
        app.get("/open", endpoint="open")(guard.allow(Public())(told))

    def send(self, path: str, authorization: str | None) -> tuple[int, str]:
        headers = {} if authorization is None else {"Authorization": authorization}
        self.app.testing = True
        reply = self.app.test_client().get(path, headers=headers, environ_base={"REMOTE_USER": "admin"})
        return reply.status_code, reply.text


class InDjango(World):
    def new_guard(self, *issuers: Issuer, **options: Any) -> GuardCore:
        return callerid.django.Guard(*issuers, **options)

    def make(self) -> None:
        guard = self.guard

        def told(request: Any) -> HttpResponse:
            assert request.META.get("REMOTE_USER") == (None if request.caller is None else str(request.caller))
            return HttpResponse(str(request.caller))

        def default(request: Any) -> HttpResponse:
            return told(request)

        marked = path(MARKED[1:], guard.allow(OTHERS, audience=CLIENT)(told))
        guard.protect(**self.options)
        self.app = Project([path("x", default), marked, path("open", guard.allow(Public())(told))], guard)

    def send(self, path: str, authorization: str | None) -> tuple[int, str]:
        headers = {} if authorization is None else {"Authorization": authorization}
        with self.app.settings():
            reply = Client().get(path, headers=headers, REMOTE_USER="admin")
        return reply.status_code, reply.content.decode()


WORLDS: dict[str, Callable[..., World]] = {
    "asgi": InASGI,
    "wsgi": InWSGI,
    "starlette": InStarlette,
    "fastapi": InFastAPI,
    "flask": InFlask,
    "django": InDjango,
}
every_adapter = pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
by_path = pytest.mark.parametrize("make", [InASGI, InWSGI], ids=["asgi", "wsgi"])
"""Those that have no routes to ask: only there a written path decides."""


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The decisions in the log, as their records carry them."""
    return [vars(record)["callerid"] for record in caplog.records if "callerid" in vars(record)]


def listening(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")

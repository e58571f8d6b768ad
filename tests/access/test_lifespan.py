"""Routes that are added in a lifespan are seen once it has run, and else said not to be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

import callerid
import callerid.starlette
from callerid import Public, asgi, google
from callerid.access import access_map, started
from callerid.errors import ConfigurationError
from tests.access.made import STAFF, new_guard, small
from tests.access.test_fronts import flask

UNSEEN = "the application has a lifespan, which has not run: routes added in it are not seen"


@asynccontextmanager
async def adding(app: Any) -> AsyncGenerator[None]:
    app.router.add_route("/late", lambda _: PlainTextResponse("late"), methods=["GET"])
    yield


@asynccontextmanager
async def failing_at_the_end(_: Any) -> AsyncGenerator[None]:
    yield
    raise ValueError("the end")


def fastapi(**options: Any) -> FastAPI:
    app = FastAPI(openapi_url=None, **options)
    new_guard().protect(app, default=STAFF)
    return app


def starlette(**options: Any) -> Starlette:
    app = Starlette(**options)
    callerid.starlette.Guard(google("https://a.example.com")).protect(app, default=STAFF)
    return app


def including(app: FastAPI, router: APIRouter) -> FastAPI:
    app.include_router(router)
    return app


def beginning(app: FastAPI) -> FastAPI:
    app.router.on_startup.append(lambda: None)
    return app


@pytest.mark.parametrize(
    ("make", "has"),
    [
        (lambda: fastapi(lifespan=adding), True),
        (lambda: starlette(lifespan=adding), True),
        (lambda: including(fastapi(), APIRouter(lifespan=adding)), True),
        (lambda: including(fastapi(), APIRouter()), False),
        (lambda: beginning(fastapi()), True),
        (fastapi, False),
        (starlette, False),
        (flask, False),
    ],
)
def test_an_application_with_a_lifespan_is_told_from_one_without(make: Callable[[], Any], has: bool) -> None:
    app = make()
    assert access_map(app).awaits_start is has
    assert access_map(app).unseen == ((UNSEEN,) if has else ())
    assert access_map(app, started=True).unseen == ()


@pytest.mark.parametrize("make", [fastapi, starlette])
def test_routes_that_are_added_in_the_lifespan_are_seen_once_it_has_begun(make: Any) -> None:
    app = make(lifespan=adding)
    assert "GET /late" not in [row.name for row in access_map(app).rows]
    with started(app):
        assert "GET /late" in [row.name for row in access_map(app, started=True).rows]


def test_behind_a_middleware_too() -> None:
    app = starlette(lifespan=adding)
    guard = callerid.Guard(google("https://a.example.com"))
    gate = asgi.CallerMiddleware(app, guard=guard, default=Public())
    with started(gate):
        assert "GET /late" in [row.name for row in access_map(gate, started=True).routes]


@asynccontextmanager
async def failing(_: Any) -> AsyncGenerator[None]:
    raise ValueError("no database")
    yield


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "not\ntoday"})
    await receive()


async def refusing_without_a_word(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "lifespan.startup.failed"})


def impossible() -> FastAPI:
    app = FastAPI(openapi_url=None, lifespan=adding)
    new_guard().protect(app, default=STAFF, routes={"/nowhere": Public()})
    return app


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: fastapi(lifespan=failing), r"failed: ValueError: no database \(at test_lifespan.py:\d+\) \(more"),
        (lambda: silent, "failed: it ended without a word \\(more"),
        (lambda: refusing, r"failed: not\\ntoday \(more"),
        (lambda: refusing_without_a_word, "failed: it does not say why \\(more"),
        (impossible, "failed: ConfigurationError: .*/nowhere"),
    ],
)
def test_a_start_up_that_fails_says_why(make: Callable[[], Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the start-up in its lifespan {why}"), started(make()):
        pytest.fail("it has begun")


def test_a_shutdown_that_fails_says_so() -> None:
    app = fastapi(lifespan=failing_at_the_end)
    with (
        pytest.raises(ConfigurationError, match="the shutdown in its lifespan failed: ValueError: the end"),
        started(app),
    ):
        assert access_map(app, started=True).rows


def test_one_that_does_nothing_begins_and_ends() -> None:
    with started(small({"GET /a": Public()})):
        pass

"""A rule above the route's decorator, in FastAPI."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket

from callerid import ConfigurationError, Public, User
from callerid.fastapi import Guard
from tests.fixtures import STAFF

from .world import closed, dial, start, status, statuses


def of_an_operation(app: FastAPI, guard: Guard) -> None:
    @guard.allow(User("boss@example.com"))
    @app.get("/x")
    def endpoint() -> str:
        return "served"


def of_an_included_routers(app: FastAPI, guard: Guard) -> None:
    inner, outer = APIRouter(), APIRouter()

    @guard.allow(User("boss@example.com"))
    @inner.get("/x")
    def endpoint() -> str:
        return "served"

    outer.include_router(inner)
    app.include_router(outer)


def of_a_mounted_application(app: FastAPI, guard: Guard) -> None:
    sub = FastAPI()
    of_an_operation(sub, guard)
    app.mount("/sub", sub)


def between_two_decorators(app: FastAPI, guard: Guard) -> None:
    @app.get("/above")
    @guard.allow(User("boss@example.com"))
    @app.get("/x")
    def endpoint() -> str:
        return "served"


EVERY = [of_an_operation, of_an_included_routers, of_a_mounted_application, between_two_decorators]


@pytest.mark.parametrize("default", [Public(), STAFF])
@pytest.mark.parametrize("make", EVERY)
def test_a_mark_above_is_a_start_up_error_that_names_the_route(make: Any, default: Any) -> None:
    app, guard = closed(default)
    make(app, guard)
    with pytest.raises(ConfigurationError, match=r"/x: guard\.allow\(User\('boss@example\.com'\)\) stands above"):
        start(app)
    for path in ("/x", "/sub/x"):
        assert statuses(app, path, None, "staff") == [500, 500]


@pytest.mark.parametrize("make", EVERY)
def test_a_mark_above_of_what_is_added_later_is_an_error_at_its_requests(make: Any) -> None:
    app, guard = closed(Public())
    app.add_api_route("/other", lambda: None)
    start(app)
    make(app, guard)
    path = "/sub/x" if make is of_a_mounted_application else "/x"
    assert statuses(app, path, None, "staff") == [500, 500]
    assert status(app, "/other") == 200


def test_a_mark_above_of_a_socket_is_an_error() -> None:
    app, guard = closed(Public())

    @guard.allow(STAFF)
    @app.websocket("/x")
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

    with pytest.raises(ConfigurationError, match=r"/x: .* stands above this route's decorator"):
        dial(app, "/x")

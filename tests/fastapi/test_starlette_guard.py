"""The guard of `callerid.starlette` reads no rules of FastAPI's: where there are some, it says so at start-up."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from callerid import Caller, ConfigurationError
from callerid.fastapi import Guard
from callerid.starlette import Guard as StarletteGuard
from tests.fixtures import OTHERS, STAFF

from .world import KEEPS_INCLUDES, new_guard, start, statuses


def plain() -> StarletteGuard:
    return StarletteGuard.like(new_guard())


class Derived(FastAPI):
    pass


@pytest.mark.parametrize("make", [FastAPI, Derived])
def test_it_protects_no_fastapi_application(make: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"the Guard of callerid\.fastapi"):
        plain().protect(make(), default=STAFF)


def mounted(sub: Any, guard: StarletteGuard) -> Starlette:
    app = Starlette(routes=[Mount("/sub", sub)])
    guard.protect(app, default=STAFF)
    return app


def with_a_parameter(guard: Guard) -> FastAPI:
    sub = FastAPI()

    @sub.get("/x")
    def endpoint(caller: Annotated[Caller, guard.allow(OTHERS)]) -> None: ...

    return sub


def with_a_sub_dependency(guard: Guard) -> FastAPI:
    sub = FastAPI()

    def dependency(caller: Annotated[Caller, guard.allow(OTHERS)]) -> None: ...

    @sub.get("/x")
    def endpoint(value: Annotated[None, Depends(dependency)]) -> None: ...

    return sub


def with_a_dependency_of_the_application(guard: Guard) -> FastAPI:
    sub = FastAPI(dependencies=[guard.allow(OTHERS)])
    sub.add_route("/x", lambda _: PlainTextResponse())
    return sub


def with_a_rule_in_an_included_router(guard: Guard) -> FastAPI:
    sub, router = FastAPI(), APIRouter(dependencies=[guard.allow(OTHERS)])
    router.add_api_route("/x", lambda: None)
    sub.include_router(router)
    return sub


def with_a_rule_of_an_inclusion(guard: Guard) -> FastAPI:
    sub, router = FastAPI(), APIRouter()
    router.add_api_route("/x", lambda: None)
    sub.include_router(router, dependencies=[guard.allow(OTHERS)])
    return sub


def with_a_marked_route_two_inclusions_deep(guard: Guard) -> FastAPI:
    sub, router, inner = FastAPI(), APIRouter(), APIRouter()
    inner.add_api_route("/x", lambda: None, dependencies=[guard.allow(OTHERS)])
    router.include_router(inner)
    sub.include_router(router)
    return sub


EVERY = [
    with_a_parameter,
    with_a_sub_dependency,
    with_a_dependency_of_the_application,
    with_a_rule_in_an_included_router,
    with_a_rule_of_an_inclusion,
    with_a_marked_route_two_inclusions_deep,
]


@pytest.mark.parametrize("make", EVERY)
def test_rules_that_it_does_not_read_in_a_mounted_application_are_a_start_up_error(make: Any) -> None:
    guard = plain()
    app = mounted(make(Guard.like(guard)), guard)
    with pytest.raises(
        ConfigurationError, match=r"protect that application itself with the Guard of callerid\.fastapi"
    ):
        start(app)
    assert statuses(app, "/sub/x", None, "staff", "outsider") == [500, 500, 500]


@pytest.mark.parametrize("make", EVERY)
def test_the_mend_that_it_names_mends_it(make: Any) -> None:
    guard = plain()
    own = Guard.like(guard)
    sub = make(own)
    own.protect(sub, default=STAFF)
    app = mounted(sub, guard)
    start(app)
    assert statuses(app, "/sub/x", None, "staff", "outsider") == [401, 403, 200]


def test_what_it_reads_in_a_mounted_application_is_judged() -> None:
    guard = plain()
    sub, router = FastAPI(), APIRouter()
    sub.add_api_route("/own", guard.allow(OTHERS)(lambda: None))
    sub.add_api_route("/unmarked", lambda: None)
    router.add_api_route("/included", lambda: None)
    sub.include_router(router)
    app = mounted(sub, guard)
    start(app)
    assert statuses(app, "/sub/own", None, "staff", "outsider") == [401, 403, 200]
    for path in ("/sub/unmarked", "/sub/included", "/sub/docs"):
        assert statuses(app, path, None, "outsider", "staff") == [401, 403, 200]


if KEEPS_INCLUDES:

    def test_marks_in_an_included_router_are_not_read() -> None:
        guard = plain()
        sub, router = FastAPI(), APIRouter()
        router.add_api_route("/x", guard.allow(OTHERS)(lambda: None))
        sub.include_router(router)
        with pytest.raises(ConfigurationError, match="protect that application itself"):
            start(mounted(sub, guard))

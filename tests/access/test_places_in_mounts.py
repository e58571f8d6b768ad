"""What stands below a mount and adds no path of its own: hosts, frontends, routes of another class, mounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.convertors import CONVERTOR_TYPES, Convertor, register_url_convertor
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router

import callerid.asgi
import callerid.starlette
from callerid import Domain, Public, User, google
from callerid.access import AccessMap, access_map, differences, locked, newcomers
from tests.access.made import STAFF, new_guard

GRACE = User("grace@example.com")
Routes = Callable[[callerid.starlette.Guard], list[BaseRoute]]


async def answer(_: Any) -> PlainTextResponse:
    raise AssertionError


def map_of(routes: Routes) -> AccessMap:
    guard = callerid.starlette.Guard(google("https://orders.example.com"))
    app = Starlette(routes=routes(guard))
    guard.protect(app, default=STAFF)
    return access_map(app)


def found(before: AccessMap, now: AccessMap) -> list[str]:
    return list(map(str, newcomers(locked(before), now)))


def in_a_mount(guard: callerid.starlette.Guard, *first: BaseRoute) -> list[BaseRoute]:
    return [Mount("/shop", Router([*first, Route("/x", guard.allow(Public())(answer))]))]


def test_a_host_in_a_mount_is_the_host_of_the_whole_path() -> None:
    def with_a_host(guard: callerid.starlette.Guard) -> list[BaseRoute]:
        return in_a_mount(guard, Host("{shop}.example.com", Router([Route("/{n:int}", answer), Route("/x", answer)])))

    before = map_of(with_a_host)
    names = [row.name for row in before.rows]
    assert {"GET {shop}.example.com/shop/{n:int}", "GET {shop}.example.com/shop/x", "GET /shop/x"} <= {*names}
    assert before.problems == ()
    (told,) = found(before, map_of(in_a_mount))
    assert told.endswith("/shop/x (served by GET /shop/x): anybody without a credential, not domain:example.com")
    assert found(before, map_of(with_a_host)) == []


def test_what_two_hosts_are_asked_for_cannot_be_told() -> None:
    def with_hosts(guard: callerid.starlette.Guard) -> list[BaseRoute]:
        inner = Host("a.example.com", Router([Route("/x", answer)]))
        return in_a_mount(guard, Host("{sub}.example.com", Router([inner])))

    before = map_of(with_hosts)
    assert "GET ({sub}.example.com and a.example.com)/shop/x" in [row.name for row in before.rows]
    told = found(before, map_of(in_a_mount))
    assert told
    assert all("cannot tell" in each for each in told)


class Own(BaseRoute):
    def __init__(self, endpoint: Any) -> None:
        self.endpoint = endpoint

    def matches(self, scope: Any) -> Any:
        return Match.FULL, {"endpoint": self.endpoint}


def test_a_route_of_another_class_may_not_say_how_it_converts_its_path() -> None:
    class WithPath(Own):
        path = "/{any}"

    before = map_of(lambda _: [Mount("/{shop}", Router([WithPath(answer)]))])
    assert before.problems == ()
    assert "GET" in before.rows[0].methods
    assert before.rows[0].written("GET").startswith("/{shop}/{any}")


def test_a_route_without_a_path_may_serve_anything_below_its_mount() -> None:
    def with_another(guard: callerid.starlette.Guard) -> list[BaseRoute]:
        return [Mount("/shop", Router([Route("/y", answer), Own(guard.allow(Public())(answer))]))]

    def without(guard: callerid.starlette.Guard) -> list[BaseRoute]:
        return [Mount("/shop", Router([Own(guard.allow(Public())(answer))]))]

    before = map_of(with_another)
    assert before.problems == ()
    (told,) = found(before, map_of(without))
    assert told.startswith("GET /shop/y (served by")
    assert found(before, map_of(with_another)) == []


@pytest.mark.skipif(not hasattr(APIRouter, "frontend"), reason="this release of FastAPI has no frontends")
def test_a_frontend_may_serve_anything_below_its_mount(tmp_path: Path) -> None:
    def made(*, with_a_route: bool) -> AccessMap:
        guard = new_guard()
        app, inner = FastAPI(openapi_url=None), FastAPI(openapi_url=None, dependencies=[guard.allow(Public())])
        if with_a_route:
            inner.get("/y", dependencies=[guard.allow(STAFF)])(lambda: None)
        inner.frontend("/", directory=tmp_path)
        app.mount("/shop", inner)
        guard.protect(app, default=STAFF)
        return access_map(app)

    before = made(with_a_route=True)
    assert before.problems == ()
    assert "cannot tell" in found(before, made(with_a_route=False))[0]
    assert found(before, made(with_a_route=True)) == []


@pytest.mark.parametrize("rule", [None, GRACE])
def test_a_mount_that_adds_nothing_to_the_path_is_as_its_own_lock_says(rule: Domain | None) -> None:
    def nested(guard: callerid.starlette.Guard) -> list[BaseRoute]:
        inner = Router([Route("/x", answer)])
        return [
            Host("api.example.com", Router([Mount("/", inner if rule is None else guard.allow(rule)(inner))])),
            Mount("/a", Router([Mount("/b", Router([Mount("", Router([Route("/x", answer)]))]))])),
        ]

    lock = locked(map_of(nested))
    assert differences(lock, map_of(nested)) == []
    assert newcomers(lock, map_of(nested)) == []


class Version(Convertor[str]):
    regex = "v[0-9]+"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


@pytest.fixture
def own_converter() -> Iterator[None]:
    register_url_convertor("version", Version())
    yield
    del CONVERTOR_TYPES["version"]


@pytest.mark.usefixtures("own_converter")
def test_where_a_redirect_leads_to_what_only_a_converter_knows_it_is_told_so() -> None:
    own = "/{any:version}/{x}", "/a/{v:version}"

    def before(_: Any) -> list[BaseRoute]:
        return [Route(path, answer) for path in own]

    def now(guard: callerid.starlette.Guard) -> list[BaseRoute]:
        return [Route("/a", guard.allow(Public())(answer)), *before(guard)]

    told = found(map_of(before), map_of(now))
    assert told
    assert all("cannot tell" in each for each in told)


def test_a_path_table_in_front_sees_a_host_in_a_mount() -> None:
    async def own(_: Any) -> PlainTextResponse:
        raise AssertionError

    guard = callerid.Guard(google("https://orders.example.com"))
    inner = Starlette(routes=[Mount("/shop", Router([Host("api.example.com", Router([Route("/x", own)]))]))])
    app = callerid.asgi.CallerMiddleware(inner, guard=guard, default=STAFF, routes={"/shop/x": GRACE})
    assert access_map(app).problems == ()

"""Prefixes that the application cuts off after the path table has read the path: no entry is dodged by one."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from callerid import ConfigurationError, Nobody, Public
from callerid.asgi import CallerMiddleware
from tests.fixtures import OTHERS, STAFF
from tests.servers import Address, status
from tests.starlette.world import ask, dial, statuses

from .servers import serving
from .world import GUARD, Plain, guarded


def route(path: str, name: str) -> Route:
    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse(name)

    return Route(path, endpoint)


def starlette(name: str = "") -> Starlette:
    paths = ("/admin", "/admin/{user}", "/admin/", "/open")
    return Starlette(routes=[route(path, f"{name}{path.split('/')[1]}") for path in paths])


def fastapi(root_path: str, *mounts: Mount, name: str = "") -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.root_path = root_path  # the argument of this name is deprecated, and says so
    app.router.routes.extend([*starlette(name).routes, *mounts])
    return app


def without_prefix(app: Any) -> Any:
    """Cuts /api off, as only its author knows."""

    async def cut(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "path": scope["path"].removeprefix("/api")}, receive, send)

    return cut


def folding(app: Any) -> Any:
    async def fold(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "path": scope["path"].lower()}, receive, send)

    return fold


# --- FastAPI's own setting ---


@pytest.mark.parametrize("path", ["/admin", "/api/admin", "/api/admin/ada", "/admin/ada", "/api/admin/"])
@pytest.mark.parametrize("root_path", ["/api", "/api/"])
def test_an_entry_holds_with_the_applications_own_prefix_and_without(root_path: str, path: str) -> None:
    shut = guarded(fastapi(root_path), routes={"/admin": OTHERS, "/admin/*": OTHERS})
    assert statuses(shut, path, None, "staff") == [401, 403]
    # Where there are two readings each must admit, and the other's is the default.
    assert statuses(shut, path, "outsider") == [403 if path.startswith("/api") else 200]


def test_what_is_asked_of_every_reading_must_hold() -> None:
    shut = guarded(fastapi("/api"), default=Nobody(), routes={"/open": Public()})
    assert statuses(shut, "/open", None) == [200]
    assert statuses(shut, "/api/open", None, "staff") == [401, 403]
    both = guarded(fastapi("/api"), default=Nobody(), routes={"/open": Public(), "/api/open": STAFF})
    assert statuses(both, "/api/open", None, "outsider", "staff") == [401, 403, 200]
    assert ask(both, "/api/open", "staff").text == "open"


def test_where_it_is_mounted_may_be_said_and_then_entries_alone_hold_for_the_written_path() -> None:
    shut = guarded(fastapi("/api"), default=Nobody(), routes={"/open": Public(), "/admin": STAFF}, root_path="/api")
    for prefix in ("", "/api"):
        assert statuses(shut, f"{prefix}/open", None) == [200]
        assert statuses(shut, f"{prefix}/admin", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(shut, "/api/unknown", None, "staff") == [401, 403]
    assert statuses(shut, "/API/open", None) == [400]
    assert statuses(shut, "/apiopen", None) == [400]


def test_an_application_that_cuts_a_prefix_by_itself_says_so_by_root_path() -> None:
    app = without_prefix(starlette())
    shut = guarded(app, default=Public(), routes={"/admin": STAFF}, root_path="/api")
    assert statuses(shut, "/api/admin", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(shut, "/admin", None) == [401]
    assert statuses(shut, "/apiadmin", None) == [400]
    # The server's word goes first, and the other prefix may still be cut.
    for path in ("/gw/admin", "/gw/api/admin", "/api/admin"):
        assert statuses(shut, path, None, root_path="/gw") == [401]


@pytest.mark.parametrize("root_path", ["api", "/api/", "/", "/a//b", 7])
def test_a_prefix_that_is_none_is_an_error_at_construction(root_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="root_path="):
        guarded(Plain(), root_path=root_path)


def test_the_setting_is_found_through_other_middleware_and_when_it_comes_late() -> None:
    app = fastapi("")
    shut = guarded(CORSMiddleware(without_prefix(app)), default=Public(), routes={"/admin": STAFF})
    app.root_path = "/v1"
    assert statuses(shut, "/v1/admin", None) == [401]


def test_an_application_that_is_built_late_is_found_before_the_first_request() -> None:
    class Late:
        app: Any = None

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    late = Late()
    shut = guarded(late, default=Public(), routes={"/admin": STAFF})
    late.app = fastapi("/api")
    assert statuses(shut, "/api/admin", None) == [401]


def test_inside_the_application_its_setting_is_the_servers_word() -> None:
    app = fastapi("/api")
    app.add_middleware(CallerMiddleware, guard=GUARD, default=Nobody(), routes={"/open": Public(), "/admin": STAFF})
    for prefix in ("", "/api"):
        assert statuses(app, f"{prefix}/open", None) == [200]
        assert statuses(app, f"{prefix}/admin", None, "outsider", "staff") == [401, 403, 200]


def test_the_same_prefix_from_the_server_and_in_the_application_is_one() -> None:
    shut = guarded(fastapi("/api"), default=Nobody(), routes={"/open": Public()})
    assert statuses(shut, "/api/open", None, root_path="/api") == [200]
    other = guarded(fastapi("/api"), default=Public(), routes={"/admin": STAFF})
    assert statuses(other, "/gw/admin", None, root_path="/gw") == [401]
    assert statuses(other, "/api/admin", None, root_path="/gw") == [401]


def test_a_handshake_is_read_likewise() -> None:
    shut = guarded(fastapi("/api"), default=Public(), routes={"/live": STAFF})
    assert dial(shut, "/api/live").status == 401
    assert dial(shut, "/API/live").status == 400


# --- where the server's word is kept and where it is not ---


def test_entries_hold_for_an_application_that_leaves_the_servers_prefix_in_the_path() -> None:
    # Falcon and plain applications route by the whole path.
    shut = guarded(Plain(), default=Public(), routes={"/api/admin": STAFF})
    assert statuses(shut, "/api/admin", None, root_path="/api") == [401]
    assert statuses(shut, "/api/api/admin", None, root_path="/api") == [401]
    assert statuses(shut, "/api/open", None, root_path="/api") == [200]


@pytest.mark.parametrize("server_root", ["/api", ""])
def test_a_path_without_its_prefix_is_not_passed_to_a_mount_which_would_read_it_as_a_whole(server_root: str) -> None:
    app = fastapi("" if server_root else "/api", Mount("/{tenant}", starlette("tenant ")))
    shut = guarded(app, default=Public(), routes={"/{tenant}/admin/*": STAFF, "/admin": STAFF, "/admin/*": Public()})
    # Starlette takes "admin" for the tenant, and the mounted application serves its own /admin/{user}.
    del app.router.routes[:-1]
    assert ask(app, "/admin/ada", root_path=server_root).text == "tenant admin"
    assert statuses(shut, "/admin/ada", None, root_path=server_root) == [400]
    assert statuses(shut, "/api/x/admin/ada", None, root_path=server_root) == [401]
    assert statuses(shut, "/api/x/open", None, root_path=server_root) == [200]


def test_a_mount_in_an_included_router_counts_as_well() -> None:
    router = APIRouter()
    router.routes.append(Mount("/m", starlette("mounted ")))
    app = FastAPI(openapi_url=None)
    app.root_path = "/api"
    app.include_router(router, prefix="/r")
    shut = guarded(app, default=Public(), routes={"/r/m/admin": STAFF})
    served = ask(app, "/r/m/open").status != 404 or ask(app, "/api/r/m/open").status != 404
    assert statuses(shut, "/r/m/open", None) == [400 if served else 404]


def test_a_mount_at_the_root_adds_nothing_to_the_prefix() -> None:
    shut = guarded(fastapi("/api", Mount("", starlette())), default=Public(), routes={"/admin": STAFF})
    assert statuses(shut, "/nowhere", None) == [404]
    assert statuses(shut, "/admin", None) == [401]


@pytest.mark.parametrize(
    ("above", "mount", "own"), [("", "/v1", "/v2"), ("/api", "/v1", "/v1"), ("", "/v1", "/api/v1"), ("", "/{x}", "/v1")]
)
def test_a_mounted_application_with_a_prefix_that_is_not_its_place_is_an_error(
    above: str, mount: str, own: str
) -> None:
    app = fastapi(above, Mount("/deep", Starlette(routes=[Mount(mount, fastapi(own))])))
    with pytest.raises(ConfigurationError, match="take root_path= out"):
        guarded(app)
    with pytest.raises(ConfigurationError, match="take root_path= out"):
        guarded(fastapi(above, Mount(mount, fastapi(own))))


def test_the_prefix_of_a_mounted_application_may_be_where_it_is_mounted() -> None:
    app = fastapi("/api", Mount("/v1", fastapi("/api/v1", name="v1 ")), Mount("/v2", fastapi("/api/v2/")))
    shut = guarded(app, default=Public(), routes={"/v1/admin": STAFF})
    assert statuses(shut, "/api/v1/admin", None) == [401]
    assert ask(app, "/api/v1/admin").text == "v1 admin"


def test_an_application_mounted_in_itself_is_read_to_the_end() -> None:
    app = starlette()
    app.router.routes.append(Mount("/again", app))
    shut = guarded(app, default=Public(), routes={"/admin": STAFF, "/again/admin": STAFF})
    assert statuses(shut, "/again/admin", None) == [401]
    assert statuses(shut, "/again/open", None) == [200]


def test_a_mistake_that_comes_late_stops_the_start_and_answers_nobody() -> None:
    app = fastapi("")
    shut = guarded(app, default=Public())
    app.mount("/v1", fastapi("/v2"))
    with pytest.raises(ConfigurationError), TestClient(shut):
        pass
    for _ in range(2):
        reply = ask(shut, "/open")
        assert isinstance(reply.error, ConfigurationError)
        assert reply.messages == []
    reply = ask(shut, "/", type="lifespan")
    assert [message["type"] for message in reply.messages] == ["lifespan.startup.failed"]
    assert "take root_path= out" in reply.messages[0]["message"]


def test_what_is_built_while_the_application_starts_is_looked_at_before_the_first_request() -> None:
    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.mount("/v1", fastapi("/v2"))
        yield

    app = FastAPI(lifespan=lifespan)
    with TestClient(guarded(app, default=Public()), raise_server_exceptions=False) as client:
        assert client.get("/v1/admin").status_code == 500


# --- case ---


@pytest.mark.parametrize("path", ["/ADMIN", "/Admin/ada", "/api/ADMIN"])
def test_an_application_that_ignores_case_serves_no_entry_under_the_default(path: str) -> None:
    inner = folding(fastapi("/api"))
    assert ask(inner, path).text == "admin"
    shut = guarded(inner, default=Public(), routes={"/admin": STAFF, "/admin/*": STAFF})
    assert statuses(shut, path, None, "staff") == [400, 400]
    assert statuses(shut, "/OPEN", None) == [200]


# --- CORS inside ---


def cors(app: Any) -> Any:
    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
    return app


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "CORS" in record.getMessage()]


@pytest.mark.parametrize("make", [lambda: cors(starlette()), lambda: CORSMiddleware(starlette())])
def test_cors_middleware_inside_is_warned_of_once_at_start(
    make: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    shut = guarded(make())
    with TestClient(shut):
        pass
    ask(shut, "/open", "staff")
    (said,) = messages(caplog)
    assert "Starlette's CORSMiddleware stands inside of CallerMiddleware" in said
    assert "put CORS middleware around CallerMiddleware" in said


def test_cors_middleware_that_is_added_inside_of_the_stack_is_seen_and_outside_is_none_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outside = starlette()
    outside.add_middleware(CallerMiddleware, guard=GUARD, default=Public())
    ask(cors(outside), "/open")
    assert messages(caplog) == []
    inside = cors(starlette())
    inside.add_middleware(CallerMiddleware, guard=GUARD, default=Public())
    ask(inside, "/open")
    assert len(messages(caplog)) == 1
    assert all(record.levelno == logging.WARNING for record in caplog.records)


# --- all of it, at random, against what the applications serve ---

SEGMENTS = ("api", "admin", "open", "ada", "gw", "sub", "x", "ADMIN", "Admin", "API", "", ".", "..", "admin.", "admin ")
ADMIN = {"/admin": STAFF, "/admin/*": STAFF, "/sub/admin": STAFF, "/sub/admin/*": STAFF, "/{t}/admin/*": STAFF}
INNER: dict[str, tuple[Any, str, dict[str, Any]]] = {
    "Starlette": (starlette(), "", {}),
    "Starlette, served below a prefix": (starlette(), "/api", {}),
    "FastAPI with a prefix": (fastapi("/api"), "", {}),
    "FastAPI with the server's prefix": (fastapi("/api"), "/api", {}),
    "FastAPI with another prefix": (fastapi("/api"), "/gw", {}),
    "FastAPI with mounts": (fastapi("", Mount("/sub", starlette("sub "))), "/api", {}),
    "FastAPI with a prefix and mounts": (fastapi("/api", Mount("/sub", starlette("sub "))), "", {}),
    "FastAPI with a prefix and a parameter": (fastapi("/api", Mount("/{t}", starlette("sub "))), "", {}),
    "ignoring case": (folding(starlette()), "", {}),
    "ignoring case, with a prefix": (folding(fastapi("/api")), "", {}),
    "cutting by itself": (without_prefix(starlette()), "", {"root_path": "/api"}),
}


@pytest.mark.slow
@pytest.mark.parametrize("inner", INNER)
def test_at_random_paths_nothing_is_served_that_an_entry_keeps_from_strangers(inner: str) -> None:
    app, root, options = INNER[inner]
    weak = guarded(app, default=Public(), routes=ADMIN, **options)
    strict = guarded(app, default=STAFF, routes={"/open": Public()}, **options)
    chance, served = random.Random(inner), set[str]()
    for _ in range(400):
        path = "/" + "/".join(chance.choices(SEGMENTS, k=chance.randint(1, 4)))
        path = root + path if chance.random() < 0.6 else path
        served.add(ask(app, path, root_path=root).text)
        assert "admin" not in ask(weak, path, root_path=root).text, path
        reply = ask(strict, path, root_path=root)
        assert reply.status != 200 or reply.text == "open", path
    assert {"admin", "open"} <= served


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn"])
def address(request: pytest.FixtureRequest) -> Any:
    app = folding(fastapi("/api"))
    shut = guarded(app, default=Public(), routes={"/admin": STAFF, "/admin/*": STAFF})
    with serving(request.param, shut) as found:
        yield found


TARGETS = [
    *("/admin", "/api/admin", "/api/admin/x", "/API/admin", "/api/ADMIN", "/Api/Admin", "/api/api/../admin"),
    *("/api%2fadmin", "/%61pi/admin", "/%61pi/%41dmin", "/api//admin", "/api/./admin", "/api/admin%0a", "/api/admin."),
    *(
        "/api;/admin",
        "/api\\admin",
        "//api/admin",
        "http://x/api/admin",
        "/api/admin?x",
        "/api/admin#x",
        "/api/admin%20",
    ),
]


@pytest.mark.server
@pytest.mark.parametrize("target", TARGETS)
def test_behind_real_servers_no_spelling_of_a_target_dodges_an_entry(address: Address, target: str) -> None:
    assert status(address, target) in (400, 401)


@pytest.mark.server
def test_behind_real_servers_the_rest_is_served(address: Address) -> None:
    for target in ("/open", "/api/open", "/api/OPEN", "/%6fpen", "/api/open?/admin"):
        assert status(address, target) == 200

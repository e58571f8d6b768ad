"""Slash redirects in FastAPI: in included routers, mounts and beside frontends."""

from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI

from callerid import Nobody, Public
from tests.fixtures import OTHERS

from .world import HAS_FRONTENDS, ask, closed, start, status, statuses

CALLERS = (None, "staff", "outsider")


def test_a_redirect_is_judged_by_the_operation_that_it_leads_to() -> None:
    app, guard = closed()
    app.add_api_route("/items/", lambda: None, dependencies=[guard.allow(OTHERS)])
    app.add_api_route("/open", guard.allow(Public())(lambda: None))
    start(app)
    assert statuses(app, "/items", *CALLERS) == [401, 403, 307]
    assert statuses(app, "/open/", *CALLERS) == [307, 307, 307]
    assert statuses(app, "/open/", None, method="POST") == [401]
    assert ask(app, "/open/").headers["location"] == "http://orders.example.com/open"


@pytest.mark.parametrize("depth", [1, 2])
def test_in_included_routers_all_rules_on_the_way_hold(depth: int) -> None:
    app, guard = closed(Nobody())
    router = APIRouter()
    router.add_api_route("/items/", lambda: None)
    router.add_api_route("/open/", guard.allow(Public())(lambda: None))
    for _ in range(depth - 1):
        inner, router = router, APIRouter()
        router.include_router(inner)
    app.include_router(router, prefix="/free")
    app.include_router(router, prefix="/ruled", dependencies=[guard.allow(OTHERS)])
    start(app)
    assert statuses(app, "/free/open", *CALLERS) == [307, 307, 307]
    assert statuses(app, "/free/items", *CALLERS) == [401, 403, 403]
    for path in ("/ruled/open", "/ruled/items"):
        assert statuses(app, path, *CALLERS) == [401, 403, 307]


def test_in_a_mounted_application_the_operation_there_is_asked() -> None:
    app, guard = closed(Nobody())
    sub, router = FastAPI(openapi_url=None), APIRouter()
    sub.add_api_route("/", guard.allow(Public())(lambda: None))
    router.add_api_route("/items/", lambda: None, dependencies=[guard.allow(OTHERS)])
    sub.include_router(router)
    app.mount("/sub", sub)
    start(app)
    assert statuses(app, "/sub", *CALLERS) == [307, 307, 307]
    assert statuses(app, "/sub/items", *CALLERS) == [401, 403, 307]
    assert statuses(app, "/sub/unknown", *CALLERS) == [401, 403, 403]


if HAS_FRONTENDS:

    def test_a_mount_with_a_frontend_is_redirected_to_under_the_frontends_rule(tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text("file")
        app, guard = closed(Nobody())
        sub, router = FastAPI(openapi_url=None), APIRouter(dependencies=[guard.allow(Public())])
        router.frontend("/", directory=tmp_path)
        sub.include_router(router)
        app.mount("/sub", sub)
        assert statuses(app, "/sub", *CALLERS) == [307, 307, 307]
        assert ask(app, "/sub/").body == b"file"

    def test_a_folder_of_a_frontend_is_redirected_to_under_the_frontends_rule(tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "index.html").write_text("file")
        app, guard = closed(Nobody())
        router = APIRouter(dependencies=[guard.allow(OTHERS)])
        router.frontend("/", directory=tmp_path)
        app.include_router(router)
        assert [status(app, "/folder", who) for who in (None, "staff")] == [401, 403]
        assert status(app, "/folder", "outsider") in (200, 307)

"""Mounted applications: with and without a guard, rules and documentation of their own."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware.base import BaseHTTPMiddleware

from callerid import Caller, Public, ServiceAccount
from callerid.fastapi import Guard
from tests.fixtures import OTHERS, ROBOT, STAFF

from .world import KEEPS_INCLUDES, Seen, ask, closed, new_guard, start, status, statuses

STRANGERS = (None, "outsider", "robot")


def test_an_unprotected_application_gets_the_outer_default_with_its_docs_and_404s() -> None:
    app, _ = closed()
    sub = FastAPI()
    sub.add_api_route("/y", lambda: "y")
    app.mount("/sub", sub)
    start(app)
    for path, served in (
        ("/sub/y", 200),
        ("/sub/docs", 200),
        ("/sub/redoc", 200),
        ("/sub/openapi.json", 200),
        ("/sub/docs/oauth2-redirect", 200),
        ("/sub/nowhere", 404),
        ("/sub/y/", 307),
        ("/sub", 307),
    ):
        assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, served], path


def test_marks_in_an_unprotected_application_are_judged_by_the_outer_guard() -> None:
    app, guard = closed(OTHERS)
    sub = FastAPI(dependencies=[guard.allow(STAFF)])
    seen = Seen()

    @sub.get("/y")
    def endpoint(caller: Annotated[Caller, guard.allow("user:ada@example.com")]) -> str:
        seen.append("ran")
        return str(caller)

    sub.add_route("/plain", lambda _: PlainTextResponse("plain"))
    app.mount("/sub", sub)
    start(app)
    for path in ("/sub/y", "/sub/plain", "/sub/docs"):
        assert statuses(app, path, *STRANGERS) == [401, 403, 403], path
        assert seen == []
        assert status(app, path, "staff") == 200
        seen.clear()


def test_a_marked_mount_asks_its_mark_of_everything_in_it() -> None:
    app, guard = closed(OTHERS)
    sub = FastAPI()
    sub.add_api_route("/y", lambda: "y", dependencies=[guard.allow("user:ada@example.com", "user:eve@other.com")])
    app.mount("/sub", guard.allow(STAFF)(sub))
    start(app)
    assert statuses(app, "/sub/y", *STRANGERS, "staff") == [401, 403, 403, 200]
    assert statuses(app, "/sub/docs", *STRANGERS, "staff") == [401, 403, 403, 200]
    # No endpoint: mark and default.
    assert statuses(app, "/sub/nowhere", *STRANGERS, "staff") == [401, 403, 403, 403]


def test_a_marked_application_served_without_its_guard_is_a_500() -> None:
    sub = FastAPI()
    sub.add_api_route("/y", lambda: "y")
    app = FastAPI()
    app.mount("/sub", new_guard().allow(STAFF)(sub))
    assert status(app, "/sub/y", "staff") == 500


@pytest.mark.parametrize("same", [False, True], ids=["another guard", "the same guard"])
def test_an_application_with_its_own_protection_has_its_own_default(same: bool) -> None:
    app, outer = closed(STAFF)
    sub = FastAPI()
    inner = outer if same else new_guard()
    inner.protect(sub, default=OTHERS)
    sub.add_api_route("/y", lambda: "y")
    sub.add_api_route("/open", inner.allow(Public())(lambda: "open"))
    app.mount("/sub", sub)
    start(app)
    assert statuses(app, "/sub/y", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/sub/docs", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/sub/nowhere", None, "staff", "outsider") == [401, 403, 404]
    assert statuses(app, "/sub/open", None) == [200]


def test_the_outer_floor_and_marks_hold_in_an_application_with_its_own_guard() -> None:
    outer, inner = new_guard(), new_guard()
    app, sub = FastAPI(), FastAPI()
    outer.protect(app, default=STAFF, floor=STAFF)
    inner.protect(sub, default=Public())
    sub.add_api_route("/y", lambda: "y")
    app.mount("/sub", sub)
    app.mount("/marked", outer.allow("user:eve@example.com")(sub))
    start(app)
    assert statuses(app, "/sub/y", *STRANGERS, "staff") == [401, 403, 403, 200]
    assert statuses(app, "/marked/y", *STRANGERS, "staff") == [401, 403, 403, 403]


def test_a_handler_gets_its_own_guards_caller() -> None:
    outer, inner = new_guard(), new_guard()
    app, sub = FastAPI(), FastAPI()
    outer.protect(app, default=STAFF, floor=STAFF)
    inner.protect(sub, default=STAFF)

    @sub.get("/y")
    def endpoint(caller: Annotated[Caller, inner.allow("user:ada@example.com")]) -> str:
        return str(caller)

    app.mount("/sub", sub)
    assert ask(app, "/sub/y", "staff").json == "user:ada@example.com"


def test_rules_that_exclude_each_other_across_a_mount_are_a_start_up_error() -> None:
    app, guard = closed()
    sub = FastAPI()
    sub.add_api_route("/y", lambda: "y", dependencies=[guard.allow(ServiceAccount(ROBOT))])
    app.mount("/sub", guard.allow(STAFF)(sub))
    with pytest.raises(ValueError, match="exclude each other"):
        start(app)
    assert statuses(app, "/sub/y", None, "robot", "staff") == [500, 500, 500]


def test_a_sub_applications_own_middleware_cannot_answer_before_the_guard() -> None:
    app, _ = closed()
    sub = FastAPI()

    async def answer(request: Any, call_next: Any) -> Any:
        return PlainTextResponse("from a cache")

    sub.add_middleware(BaseHTTPMiddleware, dispatch=answer)
    app.mount("/sub", sub)
    assert statuses(app, "/sub/y", *STRANGERS, "staff") == [401, 403, 403, 200]
    assert b"cache" not in ask(app, "/sub/y").body


def test_three_levels_of_applications_are_judged_by_the_innermost_rule() -> None:
    app, guard = closed()
    middle, inner = FastAPI(), FastAPI()
    inner.add_api_route("/z", lambda: "z", dependencies=[guard.allow(OTHERS)])
    inner.add_api_route("/default", lambda: "d")
    middle.mount("/inner", inner)
    app.mount("/middle", middle)
    start(app)
    assert statuses(app, "/middle/inner/z", None, "staff", "outsider") == [401, 403, 200]
    assert statuses(app, "/middle/inner/default", None, "outsider", "staff") == [401, 403, 200]


def test_an_included_router_of_a_mounted_application_has_its_rules() -> None:
    app, guard = closed(Public())
    sub = FastAPI()
    router = APIRouter(dependencies=[guard.allow(STAFF)])
    router.add_api_route("/y", lambda: "y")
    if KEEPS_INCLUDES:
        router.add_route("/plain", lambda _: PlainTextResponse("plain"))
    sub.include_router(router, prefix="/in")
    app.mount("/sub", sub)
    start(app)
    for path in ("/sub/in/y", "/sub/in/plain") if KEEPS_INCLUDES else ("/sub/in/y",):
        assert statuses(app, path, *STRANGERS, "staff") == [401, 403, 403, 200], path


def test_a_router_mounted_as_an_application_is_judged_by_its_routes() -> None:
    app, guard = closed()
    router = APIRouter(dependencies=[guard.allow(OTHERS)])
    router.add_api_route("/y", lambda: "y")
    router.add_route("/plain", lambda _: PlainTextResponse("plain"))
    app.mount("/sub", router)
    start(app)
    for path in ("/sub/y", "/sub/plain"):
        assert statuses(app, path, None, "staff", "outsider") == [401, 403, 200], path


def test_one_guard_in_two_applications_keeps_their_defaults_apart() -> None:
    guard = new_guard()
    one, two = FastAPI(), FastAPI()
    guard.protect(one, default=STAFF)
    guard.protect(two, default=OTHERS)
    for app in (one, two):
        app.add_api_route("/x", lambda: "x")
    assert statuses(one, "/x", "staff", "outsider") == [200, 403]
    assert statuses(two, "/x", "staff", "outsider") == [403, 200]


def test_a_guard_like_another_shares_its_issuers() -> None:
    guard = Guard.like(new_guard())
    app = FastAPI()
    guard.protect(app, default=STAFF)
    assert statuses(app, "/docs", None, "staff") == [401, 200]

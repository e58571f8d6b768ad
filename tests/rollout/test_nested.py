"""Applications in applications: each guard's refusals are let through by itself alone."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from callerid import ConfigurationError, Nobody, Public, ShadowCounts, UnguardedEndpointError, User, Where
from callerid.access import access_map
from callerid.starlette import Guard
from tests.starlette.world import ask

from .world import CLIENT, CLOCK, DAY, ISSUER, MIDNIGHT, OTHER_CLIENT, OTHERS, STAFF, listening, logged

EITHER = STAFF | OTHERS
FRIENDS = User("friend@example.com")
LET_THROUGH: dict[str, Any] = {"enforce": False, "until": DAY}


@pytest.fixture(autouse=True)
def before_the_day() -> None:
    CLOCK.now = MIDNIGHT - 600


def new_guard() -> Guard:
    return Guard(ISSUER.google(CLIENT, OTHER_CLIENT), clock=CLOCK)


def told(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.state.caller))


def get(app: Any, path: str, who: str | None = None, audience: str = CLIENT, **options: Any) -> tuple[int, str]:
    headers = {}
    if who is not None:
        headers["authorization"] = f"Bearer {ISSUER.workspace_person(f'ada@{who}', audience=audience)}"
    reply = ask(app, path, headers=headers, **options)
    if reply.error is not None:
        raise reply.error
    return reply.status, reply.text


def nested(
    outer: Guard,
    inner: Guard,
    outer_options: dict[str, Any],
    inner_options: dict[str, Any],
    mark: Any = lambda app: app,
) -> Starlette:
    behind = Starlette(routes=[Route("/x", told)])
    inner.protect(behind, **{"default": STAFF, **inner_options})
    app = Starlette(routes=[Mount("/in", app=mark(behind)), Route("/x", told)])
    outer.protect(app, **{"default": STAFF, **outer_options})
    return app


def test_an_inner_guard_that_enforces_does_so_behind_one_that_does_not() -> None:
    app = nested(new_guard(), new_guard(), LET_THROUGH, {})
    assert get(app, "/x") == (200, "None")
    assert [get(app, "/in/x", who)[0] for who in (None, "other.com", "example.com")] == [401, 403, 200]
    assert get(app, "/in/nowhere")[0] == 401


def test_an_outer_guard_that_enforces_does_so_before_one_that_does_not() -> None:
    outer = new_guard()
    app = nested(outer, new_guard(), {}, {**LET_THROUGH, "default": EITHER & FRIENDS}, outer.allow(EITHER))
    assert get(app, "/x")[0] == 401
    assert [get(app, "/in/x", who)[0] for who in (None, "nobody.org")] == [401, 403]
    # Whom the outer one admits, the inner one would refuse.
    assert get(app, "/in/x", "other.com") == (200, "user:ada@other.com")
    assert get(app, "/in/nowhere", "other.com")[0] == 404


def test_an_outer_floor_and_table_hold_within(caplog: pytest.LogCaptureFixture) -> None:
    listening(caplog)
    outside = {"floor": EITHER, "routes": {"/in/x": STAFF}}
    app = nested(new_guard(), new_guard(), outside, {**LET_THROUGH, "default": FRIENDS})
    assert [get(app, "/in/x", who)[0] for who in (None, "other.com", "example.com")] == [401, 403, 200]
    said = [(each["outcome"], each["caller"], each["rule"]) for each in logged(caplog)]
    assert said[-1] == ("would refuse", "user:ada@example.com", str(FRIENDS))


def test_what_an_outer_guard_would_refuse_is_logged_before_an_inner_one_refuses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    listening(caplog)
    app = nested(new_guard(), new_guard(), {**LET_THROUGH, "floor": STAFF}, {"default": EITHER & FRIENDS})
    assert get(app, "/in/x", "other.com")[0] == 403
    assert [each["outcome"] for each in logged(caplog)] == ["would refuse", "refused"]


def test_both_let_through_and_each_marks_claim_holds() -> None:
    outer, inner = new_guard(), new_guard()
    app = nested(
        outer, inner, {**LET_THROUGH, "floor": STAFF}, {**LET_THROUGH, "default": FRIENDS}, outer.allow(EITHER)
    )
    for who, seen in ((None, "None"), ("nobody.org", "user:ada@nobody.org"), ("example.com", "user:ada@example.com")):
        assert get(app, "/in/x", who) == (200, seen)
    CLOCK.now = MIDNIGHT
    assert get(app, "/in/x")[0] == 401


@pytest.mark.parametrize(("outside", "within"), [(LET_THROUGH, {}), ({}, LET_THROUGH)])
def test_one_guard_for_both_lets_through_where_both_do(outside: dict[str, Any], within: dict[str, Any]) -> None:
    guard = new_guard()
    app = nested(guard, guard, outside, within)
    assert get(app, "/in/x")[0] == 401
    assert get(nested(guard, guard, LET_THROUGH, LET_THROUGH), "/in/x") == (200, "None")


def test_the_later_day_decides_for_one_guard_alone() -> None:
    guard = new_guard()
    app = nested(guard, guard, LET_THROUGH, {"enforce": False, "until": "2027-03-01"})
    CLOCK.now = MIDNIGHT
    assert get(app, "/in/x")[0] == 401
    app = nested(new_guard(), new_guard(), LET_THROUGH, {"enforce": False, "until": "2027-03-01"})
    assert get(app, "/in/x") == (200, "None")


def test_an_ambiguous_path_is_let_through_by_the_tables_alone() -> None:
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("mounted")(scope, receive, send)

    def opaque(outer: Any, inner: Any) -> Any:
        app = nested(new_guard(), new_guard(), outer, inner)
        mount: Any = app.routes[0]
        mount.app.mount("/m", mounted)
        return app

    table = {"routes": {"/in/m/x": STAFF}}
    assert get(opaque(table, LET_THROUGH), "/in/m/x;y", "example.com")[0] == 400
    assert get(opaque(LET_THROUGH, {"routes": {"/m/x": STAFF}}), "/in/m/x;y", "example.com")[0] == 400
    lenient = opaque({**table, **LET_THROUGH}, {})
    # What the inner guard's default asks is asked all the same.
    assert [get(lenient, "/in/m/x;y", who)[0] for who in (None, "other.com", "example.com")] == [401, 403, 200]


def test_several_parts_of_one_guard_agree_on_nobody_for_a_token_meant_for_another_place() -> None:
    guard = new_guard()
    app = Starlette(routes=[Route("/x", guard.allow(STAFF, audience=CLIENT)(told), methods=["GET"])])
    guard.protect(app, default=OTHERS, floor=STAFF | OTHERS, **LET_THROUGH)
    asked: list[Any] = []

    class Asking:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)
            asked.append(scope["state"]["caller"] and str(scope["state"]["caller"]))

    # A method that no endpoint serves: floor, mark and default each judge by themselves.
    assert get(Asking(app), "/x", "example.com", method="DELETE")[0] == 405
    assert get(Asking(app), "/x", "example.com", OTHER_CLIENT, method="DELETE")[0] == 405
    assert get(Asking(app), "/x", method="DELETE")[0] == 405
    assert asked == ["user:ada@example.com", None, None]


def test_an_optional_identity_stays_nobody_where_one_part_knows_none() -> None:
    guard = new_guard()
    app = Starlette(routes=[Route("/x", guard.allow(Public() | STAFF, audience=CLIENT)(told))])
    guard.protect(app, default=Nobody(), routes={"/x": Public() | OTHERS}, **LET_THROUGH)
    assert get(app, "/x", "example.com") == (200, "None")
    assert get(app, "/x", "example.com", OTHER_CLIENT) == (200, "None")
    assert get(app, "/x", "junk.org") == (200, "None")


def test_a_mark_whose_guard_is_not_installed_stays_a_500() -> None:
    app = Starlette(routes=[Route("/x", new_guard().allow(STAFF)(told))])
    new_guard().protect(app, default=STAFF, **LET_THROUGH)
    with pytest.raises((UnguardedEndpointError, ConfigurationError)):
        get(app, "/x")


def test_a_rule_that_nobody_can_meet_stays_an_error() -> None:
    guard = new_guard()
    app = Starlette(routes=[Route("/x", guard.allow(STAFF & OTHERS)(told))])
    guard.protect(app, default=STAFF, **LET_THROUGH)
    with pytest.raises(ConfigurationError, match="nobody"):
        get(app, "/x")


def test_middleware_that_answers_before_its_router_is_let_through_too() -> None:
    class Answering:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("from the middleware")(scope, receive, send)

    guard = new_guard()
    app = Starlette(routes=[Mount("/in", app=Starlette(middleware=[Middleware(Answering)]))])
    guard.protect(app, default=STAFF, **LET_THROUGH)
    assert get(app, "/in/x") == (200, "from the middleware")
    CLOCK.now = MIDNIGHT
    assert get(app, "/in/x")[0] == 401


def test_a_hook_is_not_asked_about_what_is_let_through() -> None:
    def hook(*_: Any) -> None:
        raise AssertionError

    guard = new_guard()
    app = Starlette(routes=[Route("/x", told)])
    guard.protect(app, default=STAFF, on_refusal=hook, **LET_THROUGH)
    assert get(app, "/x") == (200, "None")


def test_a_shadow_table_outside_is_judged_within_and_counted_by_its_guard(caplog: pytest.LogCaptureFixture) -> None:
    outer, inner = new_guard(), new_guard()
    app = nested(outer, inner, {"default": Public(), "shadow": {"/in/x": FRIENDS}}, {"routes": {"/x": STAFF}})
    assert get(app, "/in/x", "example.com") == (200, "user:ada@example.com")
    assert (outer.shadow, inner.shadow) == (ShadowCounts(would_refuse=1), ShadowCounts())
    caplog.clear()


def test_shadow_tables_outside_and_within_are_judged_together() -> None:
    outer, inner = new_guard(), new_guard()
    app = nested(outer, inner, {"default": Public(), "shadow": {"/in/x": STAFF}}, {"shadow": {"/x": STAFF | OTHERS}})
    assert [get(app, "/in/x", who)[0] for who in ("example.com", "other.com")] == [200, 403]
    assert inner.shadow == ShadowCounts(agreed=2)


def test_a_shadow_table_that_makes_a_route_impossible_is_an_error_at_start() -> None:
    guard = new_guard()
    app = Starlette(routes=[Route("/x", guard.allow(STAFF)(told))])
    guard.protect(app, default=STAFF, shadow={"/x": OTHERS})
    with pytest.raises(ConfigurationError, match=r"/x and shadow\['/x'\]: this rule can admit nobody"):
        get(app, "/x", "example.com")
    (problem,) = access_map(app).problems
    assert problem.startswith("GET /x and shadow['/x']: this rule can admit nobody")


def test_a_shadow_table_within_must_go_with_what_holds_outside() -> None:
    app = nested(new_guard(), new_guard(), {"default": Public(), "floor": STAFF}, {"shadow": {"/x": OTHERS}})
    with pytest.raises(ConfigurationError, match=r"/in/x and shadow\['/x'\]: this rule can admit nobody"):
        get(app, "/in/x", "example.com")


def test_shadow_entries_below_an_opaque_mount_must_be_possible_too() -> None:
    guard = new_guard()
    app = Starlette(routes=[Mount("/files", app=guard.allow(STAFF)(StaticFiles(directory="/")))])
    guard.protect(app, default=STAFF, shadow={"/files/a/*": STAFF, "/files/b/*": OTHERS})
    with pytest.raises(ConfigurationError, match=r"/files and shadow\['/files/b/\*'\]: this rule can admit nobody"):
        get(app, "/files/x", "example.com")


def test_frameworks_mix() -> None:
    inner = FastAPI(openapi_url=None)
    inner.get("/x")(lambda: "in")
    app = Starlette(routes=[Mount("/in", app=inner)])
    new_guard().protect(app, default=STAFF, **LET_THROUGH)
    assert get(app, "/in/x") == (200, '"in"')


def test_a_guard_that_asks_nothing_knows_nobody() -> None:
    app = nested(new_guard(), new_guard(), {"default": Public(), "floor": Public()}, LET_THROUGH)
    assert get(app, "/in/x", "other.com") == (200, "user:ada@other.com")
    assert get(app, "/in/x") == (200, "None")


def test_one_credential_of_two_that_cannot_be_believed_leaves_nobody() -> None:
    guard = new_guard()
    app = Starlette(routes=[Route("/x", told)])
    guard.protect(app, default=STAFF, **LET_THROUGH)
    token = ISSUER.workspace_person("ada@example.com", audience=CLIENT)
    for carrying, seen in ((token, "user:ada@example.com"), (ISSUER.forged(token), "None")):
        headers = {"authorization": f"Bearer {token}", "x-serverless-authorization": f"Bearer {carrying}"}
        assert ask(app, "/x", headers=headers).text == seen


def test_whose_day_ends_while_others_are_asked_refuses() -> None:
    def at_midnight(_: Any) -> bool:
        CLOCK.now = MIDNIGHT
        return True

    asked = Where("it takes long", at_midnight)
    behind = nested(new_guard(), new_guard(), {"default": OTHERS, "floor": OTHERS, **LET_THROUGH}, {"default": asked})
    app = Starlette(routes=[Mount("/out", app=behind)])
    new_guard().protect(app, default=OTHERS, floor=OTHERS, enforce=False, until="2027-02-28")
    assert get(app, "/out/in/x", "example.com")[0] == 403

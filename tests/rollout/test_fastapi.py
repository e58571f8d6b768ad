"""What a FastAPI handler is given for a caller while rules are not enforced."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from callerid import Caller
from callerid.fastapi import Guard
from tests.fastapi.world import start
from tests.starlette.world import ask

from .world import CLIENT, CLOCK, DAY, ISSUER, MIDNIGHT, OTHERS, STAFF

guard = Guard(ISSUER.google(CLIENT), clock=CLOCK)
Known = Annotated[Caller, guard.allow(OTHERS)]
Perhaps = Annotated[Caller | None, guard.allow(OTHERS)]


def me(caller: Known) -> Any:
    return caller


@pytest.fixture
def app() -> FastAPI:
    CLOCK.now = MIDNIGHT - 600
    app = FastAPI(openapi_url=None)
    guard.protect(app, default=STAFF, enforce=False, until=DAY)

    @app.get("/known")
    async def known(caller: Known) -> str:
        return str(caller)

    @app.get("/perhaps")
    async def perhaps(caller: Perhaps) -> str:
        return str(caller)

    @app.get("/required", dependencies=[guard.allow(OTHERS)])
    async def required() -> str:
        return "served"

    return app


def get(app: Any, path: str, who: str | None) -> tuple[int, Any]:
    token = None if who is None else ISSUER.workspace_person(f"ada@{who}", audience=CLIENT)
    reply = ask(app, path, headers={} if token is None else {"authorization": f"Bearer {token}"})
    return reply.status, reply.json


@pytest.mark.parametrize("path", ["/known", "/perhaps"])
def test_a_handler_is_given_the_verified_caller_or_nobody(app: FastAPI, path: str) -> None:
    assert get(app, path, "other.com") == (200, "user:ada@other.com")
    assert get(app, path, "example.com") == (200, "user:ada@example.com")
    assert get(app, path, None) == (200, "None")
    assert get(app, "/required", None) == (200, "served")


def test_handlers_that_are_not_made_for_nobody_are_named_at_start(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    start(app)
    said = [record.getMessage() for record in caplog.records if "write Caller | None" in record.getMessage()]
    assert said == ["not enforced, so these may get None for a Caller: write Caller | None: 'caller' of GET /known"]


def test_values_of_dependencies_are_still_no_way_to_become_somebody(app: FastAPI) -> None:
    async def endpoint(who: Annotated[Any, Depends(me)]) -> str:
        return str(who)

    app.get("/through")(endpoint)
    assert get(app, "/through", None) == (200, "None")
    assert ask(app, "/through?who=admin&caller=admin", headers={"remote-user": "admin"}).json == "None"

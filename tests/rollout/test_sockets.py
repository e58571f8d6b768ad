"""Sockets while rules are not enforced: let through, and closed when that ends."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket

import callerid
from callerid.asgi import CallerMiddleware, WebSockets
from callerid.guard import GuardCore
from callerid.starlette import Guard
from tests import held_time
from tests.asgi.world import Conversation
from tests.starlette.world import scope_of

from .world import CLIENT, CLOCK, DAY, ISSUER, MIDNIGHT, OTHERS, STAFF

ENFORCED = {"type": "websocket.close", "code": 4401, "reason": "rules are enforced now"}
EXPIRED = {"type": "websocket.close", "code": 4401, "reason": "token expired"}
ACCEPTED = {"type": "websocket.accept"}


def in_asgi(guard: GuardCore, app: Any, **options: Any) -> Any:
    return CallerMiddleware(app, guard=guard, default=STAFF, **options)


def in_starlette(guard: GuardCore, app: Any, **options: Any) -> Any:
    async def endpoint(websocket: WebSocket) -> None:
        await app(websocket.scope, websocket.receive, websocket.send)

    assert isinstance(guard, Guard)
    made = Starlette(routes=[WebSocketRoute("/live", endpoint), Mount("/m", app=app)])
    guard.protect(made, default=STAFF, **options)
    return made


ADAPTERS = pytest.mark.parametrize("adapt", [in_asgi, in_starlette])
WAYS = pytest.mark.parametrize("path", ["/live", "/m/live"])


def new_guard() -> Guard:
    return Guard(ISSUER.google(CLIENT), clock=CLOCK, leeway=30)


def meet(app: Any, who: str | None, path: str, backend: str = "asyncio") -> Conversation:
    conversation = Conversation()
    headers = [] if who is None else [(b"authorization", f"Bearer {who}".encode())]
    scope = scope_of("GET", path, headers, type="websocket", scheme="ws", subprotocols=[])
    del scope["method"]

    async def run() -> None:
        with anyio.fail_after(1000):
            await app(scope, conversation.receive, conversation.send)

    held_time.run(run, backend)
    return conversation


def waiting(seen: list[Any], moment: float | None) -> Any:
    """Accepts, sets the clock, and waits for what comes; without a moment it hangs up at once."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive())["type"] == "websocket.connect"
        seen.append(scope["state"]["caller"] and str(scope["state"]["caller"]))
        await send({"type": "websocket.accept"})
        if moment is None:
            await send({"type": "websocket.close", "code": 1000})
            return
        CLOCK.now = moment
        await receive()

    return app


def token(domain: str) -> str:
    CLOCK.now = MIDNIGHT - 600
    return ISSUER.workspace_person(f"ada@{domain}", audience=CLIENT)


@ADAPTERS
@WAYS
@pytest.mark.parametrize(("who", "seen"), [(None, None), ("other.com", "user:ada@other.com")])
def test_whom_the_rules_refuse_is_accepted_and_cut_off_when_they_are_enforced(
    adapt: Any, path: str, who: str | None, seen: str | None, backend: str
) -> None:
    callers: list[Any] = []
    sent = None if who is None else token(who)
    CLOCK.now = MIDNIGHT - 600
    app = adapt(new_guard(), waiting(callers, MIDNIGHT), enforce=False, until=DAY)
    assert meet(app, sent, path, backend).sent == [ACCEPTED, ENFORCED]
    assert callers == [seen]


def test_so_is_who_connects_at_an_ambiguous_path() -> None:
    CLOCK.now = MIDNIGHT - 600
    app, callers = Starlette(), list[Any]()
    app.mount("/sub", waiting(callers, MIDNIGHT))
    guard = callerid.starlette.Guard(ISSUER.google(CLIENT), clock=CLOCK)
    guard.protect(app, default=callerid.Public(), routes={"/sub/*": OTHERS}, enforce=False, until=DAY)
    assert meet(app, None, "/sub/a//b").sent == [ACCEPTED, ENFORCED]
    assert callers == [None]


@ADAPTERS
@WAYS
def test_nor_does_a_socket_outlive_that_which_may_outlive_tokens(adapt: Any, path: str) -> None:
    CLOCK.now = MIDNIGHT - 600
    options = {"enforce": False, "until": DAY, "websockets": WebSockets(outlive_tokens=True)}
    app = adapt(new_guard(), waiting([], MIDNIGHT), **options)
    assert meet(app, None, path).sent == [ACCEPTED, ENFORCED]


@ADAPTERS
@WAYS
def test_a_token_may_expire_while_everybody_is_let_through_without_one(adapt: Any, path: str) -> None:
    CLOCK.now = MIDNIGHT - 100_000
    sent = ISSUER.workspace_person("ada@example.com", audience=CLIENT)
    app = adapt(new_guard(), waiting([], MIDNIGHT - 60), enforce=False, until=DAY)
    conversation = Conversation()

    async def run() -> None:
        headers = [(b"authorization", f"Bearer {sent}".encode())]
        scope = scope_of("GET", path, headers, type="websocket", scheme="ws", subprotocols=[])
        del scope["method"]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, scope, conversation.receive, conversation.send)
            await anyio.sleep(1000)
            # Long expired, and still open; but no longer than the day.
            assert conversation.sent == [ACCEPTED]
            CLOCK.now = MIDNIGHT

    held_time.run(run)
    assert conversation.sent == [ACCEPTED, EXPIRED]


@ADAPTERS
@WAYS
def test_a_token_that_is_good_for_longer_is_a_sockets_end(adapt: Any, path: str) -> None:
    sent = token("example.com")
    app = adapt(new_guard(), waiting([], MIDNIGHT + 5_000), enforce=False, until=DAY)
    assert meet(app, sent, path).sent == [ACCEPTED, EXPIRED]


@ADAPTERS
@WAYS
def test_after_the_day_a_handshake_is_refused(adapt: Any, path: str) -> None:
    CLOCK.now = MIDNIGHT - 600
    app = adapt(new_guard(), waiting([], None), enforce=False, until=DAY)
    assert meet(app, None, path).types == ["websocket.accept", "websocket.close"]
    CLOCK.now = MIDNIGHT
    assert meet(app, None, path).sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


@ADAPTERS
def test_a_socket_is_judged_in_shadow_too(adapt: Any) -> None:
    guard = new_guard()
    sent = token("example.com")
    app = adapt(guard, waiting([], None), shadow={"WEBSOCKET /live": OTHERS, "/m/*": OTHERS})
    assert meet(app, sent, "/live").types == ["websocket.accept", "websocket.close"]
    assert guard.shadow == callerid.ShadowCounts(would_refuse=1)


def test_the_token_among_the_subprotocols_is_hidden_as_ever() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.extend([scope["subprotocols"], str(scope["state"]["caller"])])
        await send({"type": "websocket.close", "code": 1000})

    offered = ["callerid.bearer", token("other.com"), "v1"]
    options = {"enforce": False, "until": DAY, "websockets": WebSockets(protocol="callerid.bearer")}
    made = in_asgi(new_guard(), app, **options)
    scope = scope_of("GET", "/live", [], type="websocket", scheme="ws", subprotocols=offered)
    del scope["method"]
    conversation = Conversation()
    anyio.run(lambda: made(scope, conversation.receive, conversation.send))
    assert seen == [["v1"], "user:ada@other.com"]

"""A token among the subprotocols, and sockets that end with their tokens."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from callerid import ConfigurationError, Guard, Public, Rule, Via
from callerid.asgi import WebSockets
from callerid.asgi._exchange import Exchange
from callerid.asgi._websockets import serve_until
from callerid.authentication._jws import parse
from callerid.testing import LocalIssuer
from tests import held_time
from tests.fixtures import AT_HAND, ROBOT, ROBOTS, URL, token
from tests.starlette.world import ask, dial, scope_of

from .world import LEFT, Conversation, Plain, converse, guarded

NAME = "callerid.bearer"
TOLD = WebSockets(protocol=NAME)


class Chat:
    """Accepts a protocol, and says what it saw."""

    def __init__(self, accept: dict[str, Any] | None = None) -> None:
        self.accept = accept or {}
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await receive()
        await send({"type": "websocket.accept", **self.accept})
        await send({"type": "websocket.close", "code": 1000})


def offering(*protocols: str, who: str | None = None, app: Any = None, told: WebSockets = TOLD, **options: Any) -> Any:
    chat = app or Chat()
    header = (b"sec-websocket-protocol", ", ".join(protocols).encode())
    own = [(b"authorization", f"Bearer {token(who)}".encode())] if who else []
    shut = guarded(chat, websockets=told, **options)
    return dial(shut, "/live", subprotocols=list(protocols), headers=[(b"host", b"x"), header, *own]), chat


def test_a_token_after_the_name_is_the_callers(backend: str) -> None:
    reply, chat = offering(NAME, token("staff"))
    assert reply.types == ["websocket.accept", "websocket.close"]
    assert str(chat.scopes[0]["user"]) == "user:ada@example.com"
    assert offering(NAME, token("outsider"))[0].status == 403
    assert offering(NAME, "junk")[0].status == 401


@pytest.mark.parametrize(
    "order", [(NAME, "TOKEN", "v1", "v2"), ("v1", NAME, "TOKEN", "v2"), ("v1", "v2", NAME, "TOKEN")]
)
def test_the_application_sees_its_own_protocols_alone(order: tuple[str, ...]) -> None:
    offered = [token("staff") if each == "TOKEN" else each for each in order]
    reply, chat = offering(*offered, app=Chat({"subprotocol": "v2"}))
    assert reply.messages[0]["subprotocol"] == "v2"
    scope = chat.scopes[0]
    assert scope["subprotocols"] == ["v1", "v2"]
    assert dict(scope["headers"])[b"sec-websocket-protocol"] == b"v1, v2"
    assert token("staff") not in repr((scope, reply.messages))


def test_where_the_application_chooses_none_the_name_is_echoed_and_never_the_token() -> None:
    reply, chat = offering(NAME, token("staff"))
    assert reply.messages[0] == {"type": "websocket.accept", "subprotocol": NAME}
    assert chat.scopes[0]["subprotocols"] == []
    assert b"sec-websocket-protocol" not in dict(chat.scopes[0]["headers"])
    assert token("staff") not in repr((chat.scopes, reply.messages))


def test_a_choice_among_the_headers_is_a_choice() -> None:
    own = {"headers": [(b"Sec-WebSocket-Protocol", b"v1"), (b"x", b"y")]}
    reply, _ = offering(NAME, token("staff"), "v1", app=Chat(own))
    assert reply.messages[0] == {"type": "websocket.accept", **own}


def test_a_public_socket_reads_no_token_and_hides_it_all_the_same() -> None:
    reply, chat = offering(NAME, token("staff"), default=Public())
    assert reply.messages[0]["subprotocol"] == NAME
    assert token("staff") not in repr(chat.scopes)
    assert chat.scopes[0]["state"]["caller"] is None


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        ((NAME,), "malformed_header"),
        (("v1", NAME), "malformed_header"),
        ((NAME, "TOKEN", NAME, "TOKEN"), "several_credentials"),
        ((NAME, NAME, "TOKEN"), "several_credentials"),
    ],
)
def test_what_is_not_one_token_is_refused(offered: tuple[str, ...], reason: str) -> None:
    reply, chat = offering(*(token("staff") if each == "TOKEN" else each for each in offered))
    assert (reply.status, reply.json["reason"], chat.scopes) == (400, reason, [])


def test_one_way_of_sending_is_enough() -> None:
    reply, chat = offering(NAME, token("staff"), who="staff")
    assert (reply.status, reply.json["reason"], chat.scopes) == (400, "several_credentials", [])
    reply, chat = offering("v1", who="staff", app=Chat({"subprotocol": "v1"}))
    assert (reply.types[0], chat.scopes[0]["subprotocols"]) == ("websocket.accept", ["v1"])


@pytest.mark.parametrize("told", [WebSockets(), WebSockets(protocol="other"), WebSockets(protocol=NAME.upper())])
def test_a_token_is_read_only_where_the_guard_was_told_the_name(told: WebSockets) -> None:
    reply, chat = offering(NAME, token("staff"), told=told)
    assert (reply.status, chat.scopes) == (401, [])


def test_a_token_is_read_from_no_query_and_from_no_ordinary_request() -> None:
    app = Plain()
    shut = guarded(app, websockets=TOLD)
    assert dial(shut, f"/live?access_token={token('staff')}").status == 401
    headers = {"sec-websocket-protocol": f"{NAME}, {token('staff')}"}
    assert ask(shut, "/live", headers=headers, subprotocols=[NAME, token("staff")]).status == 401
    assert app.ran == 0


@pytest.mark.parametrize(
    "options",
    [
        *({"protocol": protocol} for protocol in ("", "a b", "a,b", "é", "a\n", 7, b"x", True)),
        *({"expiry_code": code} for code in (0, 999, 1001, 1005, 2999, 5000, 4401.0, True, None, "4401")),
        *({"outlive_tokens": value} for value in (None, 1, "yes")),
    ],
)
def test_a_mistake_is_an_error_at_construction(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        WebSockets(**options)


# --- the end ---


def meet(app: Any, conversation: Conversation, backend: str, **options: Any) -> None:
    """A socket whose token expires after `LEFT` seconds."""
    guard = Guard(*AT_HAND, leeway=5)
    converse(guarded(app, guard=guard, **options), guard, conversation, backend)


CLOSED = {"type": "websocket.close", "code": 4401, "reason": "token expired"}
DISCONNECT = {"type": "websocket.disconnect", "code": 4401, "reason": "token expired"}


async def accepted(receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})


def test_whoever_waits_for_a_message_sees_a_disconnect_once_the_token_has_expired(backend: str) -> None:
    seen: list[Any] = []

    async def listener(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        seen.extend([await receive(), await receive()])
        assert anyio.current_time() == LEFT
        with pytest.raises(OSError, match="expired"):
            await send({"type": "websocket.send", "text": "more"})
        await send({"type": "websocket.close", "code": 1000})

    conversation = Conversation()
    meet(listener, conversation, backend)
    assert seen == [DISCONNECT, DISCONNECT]
    assert conversation.sent == [{"type": "websocket.accept"}, CLOSED]


def test_whoever_only_talks_is_cut_off(backend: str) -> None:
    async def talker(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await anyio.sleep(LEFT / 10 - 0.1)

    conversation = Conversation()
    with pytest.raises(OSError, match="expired"):
        meet(talker, conversation, backend)
    assert conversation.sent[-1] == CLOSED
    assert conversation.types.count("websocket.send") == 11


def test_whoever_does_neither_keeps_no_socket_open(backend: str) -> None:
    conversation = Conversation()

    async def sleeper(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        await anyio.sleep(LEFT - 1)
        assert CLOSED not in conversation.sent
        await anyio.sleep(2)
        assert CLOSED in conversation.sent

    meet(sleeper, conversation, backend)
    assert conversation.sent == [{"type": "websocket.accept"}, CLOSED]


def test_a_client_that_reads_nothing_holds_nobody_up(backend: str) -> None:
    conversation = Conversation()
    ended: list[str] = []

    async def talker(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        conversation.blocked = True
        with pytest.raises(OSError, match="expired"):
            await send({"type": "websocket.send", "text": "into the void"})
        ended.append("cut off")

    meet(talker, conversation, backend)
    assert ended == ["cut off"]
    assert conversation.sent[-1] == CLOSED


def test_a_handshake_that_is_not_answered_in_time_is_closed(backend: str) -> None:
    async def ponderer(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    conversation = Conversation()
    meet(ponderer, conversation, backend)
    assert conversation.sent == [CLOSED]


@pytest.mark.parametrize("ending", ["websocket.close", "websocket.http.response.start"])
def test_what_has_ended_is_not_ended_again(ending: str, backend: str) -> None:
    async def lingering(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": ending})
        await anyio.sleep(2 * LEFT)

    conversation = Conversation()
    meet(lingering, conversation, backend)
    assert conversation.types == [ending]


def test_a_client_that_has_gone_is_not_sent_anything(backend: str) -> None:
    conversation = Conversation()

    async def lingering(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        conversation.gone.set()
        assert (await receive())["code"] == 1006
        await anyio.sleep(2 * LEFT)

    meet(lingering, conversation, backend)
    assert conversation.types == ["websocket.accept"]


def test_a_server_that_cannot_close_any_more_is_no_trouble(backend: str) -> None:
    conversation = Conversation()

    async def listener(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        assert await receive() == DISCONNECT

    async def send(message: Any) -> None:
        if message["type"] == "websocket.close":
            raise RuntimeError("closed already")
        conversation.sent.append(dict(message))

    conversation.send = send  # type: ignore[method-assign]
    meet(listener, conversation, backend)


def test_an_application_that_leaves_at_once_leaves_no_socket_open(backend: str) -> None:
    conversation = Conversation()

    async def listener(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        assert await receive() == DISCONNECT

    async def slowly(message: Any) -> None:
        await anyio.sleep(0.1)
        conversation.sent.append(dict(message))

    conversation.send = slowly  # type: ignore[method-assign]
    meet(listener, conversation, backend)
    assert conversation.sent[-1] == CLOSED


SLOTS = (b"authorization", b"x-serverless-authorization")


@pytest.mark.parametrize(("sent", "rule"), [(SLOTS, ROBOTS), (SLOTS[1:], Via(ROBOTS))])
def test_the_token_that_expires_first_is_the_end(sent: tuple[bytes, ...], rule: Rule, backend: str) -> None:
    clock = [1_800_000_000, 1_800_000_000 - 600]
    ours = LocalIssuer(clock=lambda: clock[0])
    callers = ours.service_account(ROBOT, audience=URL)
    clock.pop(0)
    carriers = ours.service_account(ROBOT, audience=URL)
    tokens = dict(zip(SLOTS, (callers, carriers), strict=True))
    begins = parse(carriers).claims["exp"] + 30 - LEFT
    guard = Guard(ours.google(URL), clock=lambda: begins + anyio.current_time())

    async def listener(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        assert await receive() == DISCONNECT

    async def run() -> None:
        headers = [(slot, f"Bearer {tokens[slot]}".encode()) for slot in sent]
        scope = scope_of("GET", "/live", headers, type="websocket", subprotocols=[])
        with anyio.fail_after(10 * LEFT):
            await guarded(listener, guard=guard, default=rule)(scope, conversation.receive, conversation.send)
        assert anyio.current_time() == LEFT

    conversation = Conversation()
    held_time.run(run, backend)
    assert conversation.sent[-1] == CLOSED


def test_an_error_of_the_application_arrives_as_it_was_raised(backend: str) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        raise LookupError("its own")

    with pytest.raises(LookupError, match="its own"):
        meet(failing, Conversation(), backend)


def test_a_cancelled_server_is_not_held_up(backend: str) -> None:
    async def listener(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        await receive()

    async def run() -> bool:
        conversation = Conversation()
        exchange = Exchange({"type": "websocket"}, conversation.receive, conversation.send)
        with anyio.move_on_after(50) as scope:
            await serve_until(listener, exchange, lambda: 100.0, 4401)
        return scope.cancelled_caught

    assert held_time.run(run, backend)


def test_the_code_may_be_another_and_sockets_may_outlive_their_tokens_where_that_is_written_out(backend: str) -> None:
    async def listener(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        with anyio.move_on_after(2 * LEFT):
            await receive()

    conversation = Conversation()
    meet(listener, conversation, backend, websockets=WebSockets(expiry_code=3000))
    assert conversation.sent[-1]["code"] == 3000
    conversation = Conversation()
    meet(listener, conversation, backend, websockets=WebSockets(outlive_tokens=True))
    assert conversation.types == ["websocket.accept"]


def test_a_socket_that_no_token_speaks_for_stays_open(backend: str) -> None:
    async def listener(scope: Any, receive: Any, send: Any) -> None:
        await accepted(receive, send)
        with anyio.move_on_after(2 * LEFT):
            await receive()

    conversation = Conversation()
    meet(listener, conversation, backend, default=Public())
    assert conversation.types == ["websocket.accept"]

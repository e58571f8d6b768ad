"""An MCP server behind ``CallerMiddleware``, and a real MCP client: its tools know who calls them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import anyio
import httpx2
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError

from callerid import Guard, Nobody
from callerid.asgi import CallerMiddleware
from tests.fixtures import AT_HAND, ROBOTS, STAFF, token
from tests.servers import Address, raw, request

from .servers import serving

pytestmark = pytest.mark.server

METADATA = "https://tools.example.com/.well-known/oauth-protected-resource"

ran: list[str] = []


async def whoami(context: Context[Any, Any]) -> str:
    """Who is calling?"""
    ran.append("whoami")
    asked: Any = context.request_context.request
    return f"{asked.state.caller} {asked.user}"


@pytest.fixture(scope="module")
def address() -> Iterator[Address]:
    tools = MCPServer("tools")
    tools.tool()(whoami)
    guard = Guard(*AT_HAND, resource_metadata=METADATA)
    app = CallerMiddleware(tools.streamable_http_app(), guard=guard, default=Nobody(), routes={"/mcp": STAFF})
    with serving("uvicorn", app, lifespan="on") as found:
        yield found


def bearer(who: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token(who)}"}


def call(address: Address, who: str, *, mode: Any = "auto") -> str:
    async def run() -> str:
        async with httpx2.AsyncClient(headers=bearer(who), trust_env=False) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{address[1]}/mcp", http_client=http)
            async with Client(transport, mode=mode) as client:
                answer: Any = await client.call_tool("whoami", {})
                return str(answer.content[0].text)

    return anyio.run(run)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_tool_knows_who_calls_it(address: Address, mode: str) -> None:
    ran.clear()
    assert call(address, "staff", mode=mode) == "user:ada@example.com user:ada@example.com"
    assert ran == ["whoami"]


def test_whom_no_rule_admits_reaches_no_tool(address: Address) -> None:
    ran.clear()
    with pytest.raises(ExceptionGroup) as raised:
        call(address, "outsider")
    assert raised.value.subgroup(MCPError)
    assert ran == []


def test_a_stranger_is_told_where_to_sign_in_and_others_are_not_sent_round_again(address: Address) -> None:
    stranger = raw(address, request("/mcp", "Content-Length: 2", method="POST"))
    assert stranger.startswith(b"HTTP/1.1 401")
    assert f'resource_metadata="{METADATA}"'.encode() in stranger
    outsider = raw(address, request("/mcp", f"Authorization: Bearer {token('outsider')}", method="POST"))
    assert outsider.startswith(b"HTTP/1.1 403")
    assert b"insufficient_scope" not in outsider


# --- whose a session is ---

OTHER = "bob@example.com"
"""Of the same Workspace: every rule that admits one admits the other."""

EVENTS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


class Hijacker:
    """Has the id of another's session and a token of its own, and sends what the protocol knows."""

    def __init__(self, address: Address, session: str, who: str) -> None:
        self.url = f"http://127.0.0.1:{address[1]}/mcp"
        self.headers = {**bearer(who), **EVENTS, "mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}

    async def statuses(self) -> dict[str, int]:
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
        answer = {"jsonrpc": "2.0", "id": 0, "result": {}}  # to a request of the server's
        found: dict[str, int] = {}
        async with httpx2.AsyncClient(headers=self.headers, trust_env=False, timeout=40) as http:
            for name, method, body in (
                ("call", "POST", message),
                ("answer", "POST", answer),
                ("stream", "GET", None),
                ("replay", "GET", None),
                ("end", "DELETE", None),
            ):
                more = {"last-event-id": "1"} if name == "replay" else {}
                async with http.stream(method, self.url, json=body, headers=more) as response:
                    found[name] = response.status_code
        return found


async def in_session(address: Address, who: str, then: Any) -> Any:
    """What comes of it while somebody has a session, whose next call then succeeds."""
    ids: list[str] = []

    async def remember(response: Any) -> None:
        ids.extend(response.headers.get_list("mcp-session-id"))

    hooks = {"response": [remember]}
    async with httpx2.AsyncClient(headers=bearer(who), trust_env=False, event_hooks=hooks) as http:
        transport = streamable_http_client(f"http://127.0.0.1:{address[1]}/mcp", http_client=http)
        async with Client(transport, mode="legacy") as client:
            await client.call_tool("whoami", {})
            (session,) = set(ids)
            found = await then(session)
            answer: Any = await client.call_tool("whoami", {})
            assert answer.content[0].text == "user:ada@example.com user:ada@example.com"
            return found


NOBODYS = {"call": 404, "answer": 404, "stream": 404, "replay": 404, "end": 404}


def test_a_session_is_not_taken_over_by_another_allowed_caller(address: Address) -> None:
    assert call(address, OTHER) == f"user:{OTHER} user:{OTHER}"  # who is as welcome as any

    async def hijack(session: str) -> dict[str, int]:
        ran.clear()
        found = await Hijacker(address, session, OTHER).statuses()
        bare = await Hijacker(address, session.rpartition(".")[0], OTHER).statuses()
        assert ran == []
        assert found == bare
        return found

    assert anyio.run(in_session, address, "staff", hijack) == NOBODYS


def test_whoever_began_a_session_goes_on_with_it_on_another_connection_and_ends_it(address: Address) -> None:
    async def go_on(session: str) -> int:
        ran.clear()
        headers = Hijacker(address, session, "staff").headers
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            response = await http.post(f"http://127.0.0.1:{address[1]}/mcp", json=message)
        assert "user:ada@example.com" in response.text
        assert response.headers["mcp-session-id"] == session
        assert ran == ["whoami"]
        return int(response.status_code)

    assert anyio.run(in_session, address, "staff", go_on) == 200

    async def end() -> list[int]:
        async with httpx2.AsyncClient(headers={**bearer("staff"), **EVENTS}, trust_env=False) as http:
            url = f"http://127.0.0.1:{address[1]}/mcp"
            begun = await http.post(url, json=INITIALIZE)
            session = {"mcp-session-id": begun.headers["mcp-session-id"]}
            return [(await http.delete(url, headers=session)).status_code for _ in range(2)]

    assert anyio.run(end) == [200, 404]


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture(scope="module")
def events() -> Iterator[Address]:
    tools = MCPServer("tools")
    tools.tool()(whoami)
    app = CallerMiddleware(
        tools.sse_app(), guard=Guard(*AT_HAND), default=Nobody(), routes={"/sse": STAFF, "/messages": STAFF}
    )
    with serving("uvicorn", app) as found:
        yield found


def test_a_session_of_the_older_transport_is_not_taken_over_either(events: Address) -> None:
    ids: list[str] = []

    async def run() -> list[int]:
        transport = sse_client(
            f"http://127.0.0.1:{events[1]}/sse",
            headers=bearer("staff"),
            on_session_created=ids.append,
            httpx_client_factory=lambda headers=None, timeout=None, auth=None: httpx2.AsyncClient(
                headers=headers, timeout=timeout, auth=auth, trust_env=False
            ),
        )
        async with Client(transport, mode="legacy") as client:
            found: list[int] = []
            async with httpx2.AsyncClient(headers={**bearer(OTHER), **EVENTS}, trust_env=False) as http:
                for session in (ids[0], ids[0].upper(), str(UUID(ids[0])), "x"):
                    url = f"http://127.0.0.1:{events[1]}/messages/?session_id={session}"
                    found.append((await http.post(url, json=INITIALIZE)).status_code)
            answer: Any = await client.call_tool("whoami", {})
            assert answer.content[0].text == "user:ada@example.com user:ada@example.com"
            return found

    assert anyio.run(run) == [404, 404, 404, 400]


# --- what a client brings back without a session ---


async def transfer(context: Context[Any, Any]) -> str | types.InputRequiredResult:
    """In two rounds."""
    if context.request_state is None:
        return types.InputRequiredResult(request_state="agreed")
    asked: Any = context.request_context.request
    token = get_access_token()
    assert token is not None
    assert token.token == ""
    return f"{asked.state.caller} goes on with what was {context.request_state}, as {token.client_id}"


def modern(**more: Any) -> dict[str, Any]:
    known = {"protocolVersion": "2026-07-28", "clientCapabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    meta = {f"io.modelcontextprotocol/{name}": value for name, value in known.items()}
    params = {"name": "transfer", "arguments": {}, "_meta": meta, **more}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def test_what_the_sdk_sealed_for_one_caller_no_other_brings_back() -> None:
    tools = MCPServer("tools")
    tools.tool()(transfer)
    guard = Guard(*AT_HAND)
    app = CallerMiddleware(
        tools.streamable_http_app(json_response=True), guard=guard, default=Nobody(), routes={"/mcp": STAFF | ROBOTS}
    )
    method = {"mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "transfer"}

    def post(address: Address, who: str, **more: Any) -> Any:
        with httpx2.Client(headers={**bearer(who), **EVENTS, **method}, trust_env=False) as http:
            return http.post(f"http://127.0.0.1:{address[1]}/mcp", json=modern(**more)).json()

    with serving("uvicorn", app, lifespan="on") as address:
        state = post(address, "staff")["result"]["requestState"]
        assert post(address, OTHER, requestState=state)["error"]["data"] == {"reason": "invalid_request_state"}
        assert post(address, "robot", requestState=state)["error"]["data"] == {"reason": "invalid_request_state"}
        answer = post(address, "staff", requestState=state)["result"]["content"][0]["text"]
    ada = "user:ada@example.com"
    assert answer == f"{ada} goes on with what was agreed, as {ada}"

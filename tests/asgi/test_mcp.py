"""An MCP server behind ``CallerMiddleware``, and a real MCP client: its tools know who calls them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError

from callerid import Guard, Nobody
from callerid.asgi import CallerMiddleware
from tests.starlette.world import AT_HAND, STAFF, token

from .servers import Address, raw, request, serving

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


def call(address: Address, who: str) -> str:
    async def run() -> str:
        headers = {"authorization": f"Bearer {token(who)}"}
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            transport = streamable_http_client(f"http://127.0.0.1:{address[1]}/mcp", http_client=http)
            async with Client(transport) as client:
                answer: Any = await client.call_tool("whoami", {})
                return str(answer.content[0].text)

    return anyio.run(run)


def test_a_tool_knows_who_calls_it(address: Address) -> None:
    assert call(address, "staff") == "user:ada@example.com user:ada@example.com"
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

"""The metadata of a protected resource (RFC 9728): what it says, where it is, and who may read it. Without the SDK."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Route

from callerid import ConfigurationError, Guard, Nobody, Public
from callerid.access import access_map
from callerid.asgi import CallerMiddleware
from callerid.fastapi import Guard as FastAPIGuard
from callerid.mcp import McpSessions, ProtectedResource
from callerid.starlette import Guard as StarletteGuard
from tests.core.made import odd
from tests.fixtures import AT_HAND, STAFF
from tests.starlette.world import Reply, ask, dial

from .world import Plain

GOOGLE = "https://accounts.google.com"
TOOLS = ProtectedResource("https://tools.example.com/mcp", (GOOGLE,), ("openid", "email"), "Tools")
PATH = "/.well-known/oauth-protected-resource/mcp"


@pytest.mark.parametrize(
    ("resource", "metadata"),
    [
        ("https://tools.example.com/mcp", "https://tools.example.com/.well-known/oauth-protected-resource/mcp"),
        ("https://tools.example.com", "https://tools.example.com/.well-known/oauth-protected-resource"),
        ("https://tools.example.com/", "https://tools.example.com/.well-known/oauth-protected-resource"),
        (
            "https://tools.example.com:8443/a/b/",
            "https://tools.example.com:8443/.well-known/oauth-protected-resource/a/b/",
        ),
        ("http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp"),
        ("http://[::1]:8080/mcp", "http://[::1]:8080/.well-known/oauth-protected-resource/mcp"),
    ],
)
def test_the_document_is_at_the_well_known_path_before_the_resources_own(resource: str, metadata: str) -> None:
    found = ProtectedResource(resource)
    assert found.metadata_url == metadata
    assert found.metadata["resource"] == resource
    assert metadata.endswith(found.metadata_path)


def test_the_document_says_what_clients_ask_for() -> None:
    assert TOOLS.metadata == {
        "resource": "https://tools.example.com/mcp",
        "authorization_servers": [GOOGLE],
        "scopes_supported": ["openid", "email"],
        "resource_name": "Tools",
        "bearer_methods_supported": ["header"],
    }
    bare = ProtectedResource("https://tools.example.com", documentation="https://tools.example.com/docs")
    assert bare.metadata == {
        "resource": "https://tools.example.com",
        "resource_documentation": "https://tools.example.com/docs",
        "bearer_methods_supported": ["header"],
    }


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        "tools.example.com/mcp",
        "http://tools.example.com/mcp",
        "https://Tools.example.com/mcp",
        "https://tools.example.com/mcp?x=1",
        "https://tools.example.com/mcp#x",
        "https://ada@tools.example.com/mcp",
        "https://tools.example.com//mcp",
        "https://tools.example.com/../mcp",
        "https://tools.example.com/a/./b",
        "https://tools.example.com/%6dcp",
        "https://tools.example.com/mcp\n",
        "http://127.0.0.1.example.com/mcp",
    ],
)
def test_what_clients_could_not_find_is_an_error(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="is a URL such as"):
        ProtectedResource(wrong)
    with pytest.raises(ConfigurationError, match="is a URL such as"):
        ProtectedResource("https://tools.example.com/mcp", (wrong or "x",))


def test_several_are_written_as_several() -> None:
    with pytest.raises(ConfigurationError, match="authorization_servers= takes several"):
        ProtectedResource("https://tools.example.com/mcp", odd(GOOGLE))
    with pytest.raises(ConfigurationError, match="scopes= takes several"):
        ProtectedResource("https://tools.example.com/mcp", scopes=odd(["openid", ""]))


APPS: dict[str, Callable[[], Any]] = {
    "around a guard": lambda: TOOLS.before(CallerMiddleware(Plain(), guard=Guard(*AT_HAND), default=Nobody())),
    "inside of a guard": lambda: CallerMiddleware(
        TOOLS.before(Plain()), guard=Guard(*AT_HAND), default=Nobody(), routes={TOOLS.metadata_path: Public()}
    ),
    "a route of Starlette's": lambda: routed(StarletteGuard(*AT_HAND), Starlette()),
    "a route of FastAPI's": lambda: routed(FastAPIGuard(*AT_HAND), FastAPI()),
}


def routed(guard: Any, app: Any) -> Any:
    app.router.routes.append(Route(TOOLS.metadata_path, guard.allow(Public())(TOOLS)))
    guard.protect(app, default=Nobody())
    return app


def header(reply: Reply, name: str) -> str | None:
    return reply.headers.get(name)


@pytest.mark.parametrize("make", APPS.values(), ids=APPS.keys())
def test_everybody_may_read_the_document_and_no_more(make: Any) -> None:
    app = make()
    reply = ask(app, PATH)
    assert (reply.status, reply.json) == (200, TOOLS.metadata)
    assert header(reply, "content-type") == "application/json"
    assert header(reply, "access-control-allow-origin") == "*"
    assert header(reply, "cache-control") == "public, max-age=3600"
    head = ask(app, PATH, method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert header(head, "content-length") == str(len(reply.body))
    for other in ("/", "/mcp", f"{PATH}/x", "/.well-known/oauth-protected-resource"):
        assert ask(app, other).status == 401, other


@pytest.mark.parametrize("make", APPS.values(), ids=APPS.keys())
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_the_document_is_read_only(make: Any, method: str) -> None:
    reply = ask(make(), PATH, method=method)
    assert (reply.status, reply.reads, reply.body) == (405, 0, b"")
    assert header(reply, "allow") == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("make", APPS.values(), ids=APPS.keys())
def test_pages_of_any_origin_may_read_it_with_the_headers_of_mcp(make: Any) -> None:
    preflight = {
        "origin": "https://inspector.example",
        "access-control-request-method": "GET",
        "access-control-request-headers": "mcp-protocol-version",
    }
    reply = ask(make(), PATH, method="OPTIONS", headers=preflight)
    assert (reply.status, reply.body) == (204, b"")
    assert header(reply, "access-control-allow-origin") == "*"
    assert header(reply, "access-control-allow-methods") == "GET, HEAD"
    assert header(reply, "access-control-allow-headers") == "*"


def test_a_socket_gets_no_document() -> None:
    around = APPS["around a guard"]()
    assert dial(around, PATH).status == 401  # the application's, which is guarded
    assert isinstance(dial(TOOLS, PATH).error, RuntimeError)


def test_a_401_says_where_the_document_is() -> None:
    guard = Guard(*AT_HAND, resource_metadata=TOOLS.metadata_url)
    app = TOOLS.before(CallerMiddleware(Plain(), guard=guard, default=STAFF))
    challenge = ask(app, "/mcp").headers["www-authenticate"]
    assert f'resource_metadata="{TOOLS.metadata_url}"' in challenge
    refused = ask(app, "/mcp", "outsider")
    assert (refused.status, "error" in refused.headers["www-authenticate"]) == (403, False)


def test_the_access_map_sees_through_it_and_shows_its_route() -> None:
    inside = access_map(APPS["around a guard"]())
    assert [str(row.rule) for row in inside.rows] == [str(Nobody())]
    rows = {row.template: str(row.rule) for row in access_map(APPS["a route of Starlette's"]()).rows}
    assert rows[PATH] == "allUsers"


def test_what_servers_of_mcp_need_is_in_one_place() -> None:
    assert McpSessions().secret is None


@pytest.mark.slow
def test_the_sdk_is_imported_when_it_is_needed() -> None:
    code = "import sys, callerid.mcp as ours; ours.ProtectedResource('https://x.example'); print('mcp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"

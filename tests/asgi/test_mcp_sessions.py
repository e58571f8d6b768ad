"""Whose an MCP session is: ids in headers and streams that name theirs, without a server or client of MCP."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from types import ModuleType
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount, Route

from callerid import AnyGoogleAccount, ConfigurationError, FirebaseUser, Guard, Public, Tenant
from callerid.asgi import McpSessions
from callerid.fastapi import Guard as FastAPIGuard
from callerid.testing import LocalIssuer
from tests.fixtures import AT_HAND, CLIENT
from tests.starlette.world import ask, asked, closed, statuses
from tests.starlette.world import dial as handshake

from .world import Plain, guarded

SECRET = "0123456789abcdef0123456789abcdef"
HEADER = b"mcp-session-id"
ANYBODY = AnyGoogleAccount() | FirebaseUser()


class Server:
    """Gives every session the id ``s1``, and writes down the ids that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append([value for name, value in scope["headers"] if name.lower() == HEADER])
        headers = [(b"content-type", b"application/json"), (HEADER, b"s1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})


def begun(app: Any, who: str | None) -> bytes:
    """The id of a new session, as its client gets it."""
    reply = ask(app, "/mcp", who, method="POST")
    (found,) = [value for name, value in reply.raw_headers if name == HEADER]
    return found


def with_session(
    app: Any, session: bytes, *callers: str | None, method: str = "POST", name: bytes = HEADER
) -> list[int]:
    return statuses(app, "/mcp", *callers, method=method, headers=[(name, session)])


@pytest.fixture(autouse=True)
def _with_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK counts as imported: what is tried here does without it, as the lowest supported versions do."""
    if "mcp" not in sys.modules:
        monkeypatch.setitem(sys.modules, "mcp", ModuleType("mcp"))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def app(server: Server) -> Any:
    return guarded(server, default=ANYBODY)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "HEAD"])
@pytest.mark.parametrize("name", [HEADER, b"Mcp-Session-Id"])
def test_a_session_answers_its_creator_alone(app: Any, server: Server, method: str, name: bytes) -> None:
    session = begun(app, "staff")
    server.asked.clear()
    assert with_session(app, session, "staff", "outsider", "robot", "u1", None, method=method, name=name) == [
        200,
        404,
        404,
        404,
        401,
    ]
    assert server.asked == [[b"s1"]]


def test_the_client_gets_the_same_id_with_every_answer(app: Any) -> None:
    session = begun(app, "staff")
    for method in ("POST", "GET"):
        reply = ask(app, "/mcp", "staff", method=method, headers=[(HEADER, session)])
        assert (HEADER, session) in reply.raw_headers


def test_a_session_that_is_not_known_is_answered_as_the_protocol_has_it(app: Any, server: Server) -> None:
    begun(app, "staff")
    server.asked.clear()
    reply = ask(app, "/mcp", "outsider", method="POST", headers=[(HEADER, b"s1")])
    assert (reply.status, reply.reads, server.asked) == (404, 0, [])
    assert reply.json == {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}
    length = str(len(reply.body))
    assert reply.headers == {"content-type": "application/json", "content-length": length, "cache-control": "no-store"}
    assert ask(app, "/mcp", "outsider", method="HEAD", headers=[(HEADER, b"s1")]).body == b""


def changed(session: bytes) -> list[bytes]:
    raw, _, signature = session.rpartition(b".")
    return [
        *(raw, signature, b"", b".", b"s1.", b"." + signature, session + b"=", session + b".", b" " + session),
        *(b"s2." + signature, session[:-1], session.swapcase(), session + b", " + session, b"\xff." + signature),
        *(session.replace(b".", b"\0."), raw + b".." + signature),
    ]


def test_an_id_that_was_changed_is_nobodys(app: Any, server: Server) -> None:
    session = begun(app, "staff")
    server.asked.clear()
    for each in changed(session):
        assert with_session(app, each, "staff") == [404], each
    twice = [(HEADER, session), (HEADER, session)]
    assert statuses(app, "/mcp", "staff", method="POST", headers=twice) == [404]
    assert server.asked == []


def test_a_session_is_the_account_and_not_its_address(server: Server) -> None:
    issuer = LocalIssuer()
    app = guarded(server, guard=Guard(issuer.google(CLIENT)), default=AnyGoogleAccount())

    def sent(token: str, session: bytes | None = None) -> Any:
        headers = [(b"authorization", f"Bearer {token}".encode()), *([(HEADER, session)] if session else [])]
        return ask(app, "/mcp", method="POST", headers=headers)

    first = issuer.person("ada@gmail.com", subject="1", audience=CLIENT)
    (session,) = [value for name, value in sent(first).raw_headers if name == HEADER]
    assert sent(issuer.person("new@gmail.com", subject="1", audience=CLIENT), session).status == 200
    assert sent(issuer.person("ada@gmail.com", subject="2", audience=CLIENT), session).status == 404


def test_users_of_different_tenants_are_different_owners(server: Server) -> None:
    app = guarded(server, default=FirebaseUser())
    session = begun(app, "u1")
    assert with_session(app, session, "u1", "u2") == [200, 404]
    issuer = LocalIssuer()
    either = FirebaseUser() & (Tenant("a") | Tenant("b"))
    tenants = guarded(server, guard=Guard(issuer.firebase("shop-prod", ["a", "b"])), default=either)
    tokens = [issuer.firebase_user("u1", tenant=tenant) for tenant in ("a", "b")]
    headers = [[(b"authorization", f"Bearer {token}".encode())] for token in tokens]
    reply = ask(tenants, "/mcp", method="POST", headers=headers[0])
    (mine,) = [value for name, value in reply.raw_headers if name == HEADER]
    assert [statuses(tenants, "/mcp", None, method="POST", headers=[*own, (HEADER, mine)]) for own in headers] == [
        [200],
        [404],
    ]


def test_where_no_identity_is_asked_for_a_session_is_everybodys_and_no_callers(server: Server) -> None:
    app = guarded(server, default=Public() | AnyGoogleAccount())
    session = begun(app, None)
    assert with_session(app, session, None, None, "staff") == [200, 200, 404]


def test_a_session_is_known_where_the_secret_is(server: Server) -> None:
    def process(secret: str | bytes | None) -> Any:
        return guarded(server, default=ANYBODY, mcp_sessions=McpSessions(secret))

    session = begun(process(SECRET), "staff")
    assert with_session(process(SECRET), session, "staff", "outsider") == [200, 404]
    assert with_session(process(SECRET.encode()), session, "staff", "outsider") == [200, 404]
    for other in (SECRET.upper(), None):
        assert with_session(process(other), session, "staff") == [404]
    alone = process(None)
    assert with_session(alone, begun(alone, "staff"), "staff") == [200]


@pytest.mark.parametrize("secret", ["", b"", "short", SECRET[1:], SECRET.encode()[1:], 32, ["x"] * 32])
def test_a_secret_that_could_be_guessed_is_an_error(secret: Any) -> None:
    with pytest.raises(ConfigurationError, match="secret="):
        McpSessions(secret)


def test_a_secret_is_not_shown() -> None:
    sessions = McpSessions(SECRET)
    assert SECRET not in repr(sessions)
    assert sessions == replace(sessions)
    assert sessions != McpSessions()


def test_something_else_in_place_of_sessions_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="mcp_sessions="):
        guarded(Plain(), mcp_sessions=SECRET)


def test_what_has_no_session_is_passed_through_as_it_is() -> None:
    app = Plain()
    shut = guarded(app, default=ANYBODY)
    for method in ("GET", "POST", "DELETE"):
        reply = ask(shut, "/x", "staff", method=method, body=b"hello")
        assert (reply.status, reply.body, reply.raw_headers) == (200, b"hello", [])


def test_a_response_without_headers_is_none_of_it(server: Server) -> None:
    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    assert statuses(guarded(bare, default=ANYBODY), "/x", "staff", method="POST") == [204]


def test_refused_callers_are_logged_without_the_id(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    session = begun(app, "staff")
    with caplog.at_level("INFO", "callerid"):
        with_session(app, session, "outsider")
    (said,) = [message for message in caplog.messages if "MCP" in message]
    assert said == "refused 404: the MCP session is not known, or was begun by another caller than user:eve@other.com"
    assert "s1" not in said


def test_while_rules_are_not_enforced_a_session_is_not_either(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    app = guarded(server, default=AnyGoogleAccount(), enforce=False, until="9999-01-01")
    session = begun(app, "staff")
    with caplog.at_level("INFO", "callerid"):
        assert with_session(app, session, "staff", "outsider", None) == [200, 200, 200]
        assert with_session(app, b"s1", None) == [200]
    # What is not theirs is passed on as it was sent.
    assert server.asked[1:] == [[b"s1"], [session], [session], [b"s1"]]
    assert sum("would refuse 404" in message for message in caplog.messages) == 3


# --- behind the guards of frameworks ---


def protected_starlette(server: Server, **options: Any) -> Any:
    return closed(Mount("/mcp", server), Route("/r/mcp", server), default=ANYBODY, **options)


def protected_fastapi(server: Server, **options: Any) -> Any:
    app = FastAPI(openapi_url=None)
    app.mount("/mcp", server)
    app.mount("/r", Starlette(routes=[Route("/mcp", server)]))
    FastAPIGuard(*AT_HAND).protect(app, default=ANYBODY, **options)
    return app


@pytest.mark.parametrize("protected", [protected_starlette, protected_fastapi])
@pytest.mark.parametrize("path", ["/mcp/", "/r/mcp"])
def test_behind_a_guard_of_routes_a_session_answers_its_creator_alone(
    protected: Any, path: str, server: Server
) -> None:
    app = protected(server)
    reply = ask(app, path, "staff", method="POST")
    (session,) = [value for name, value in reply.raw_headers if name == HEADER]
    server.asked.clear()
    for method in ("POST", "GET", "DELETE"):
        headers = [(HEADER, session)]
        assert statuses(app, path, "staff", "outsider", None, method=method, headers=headers) == [200, 404, 401]
    assert server.asked == [[b"s1"]] * 3
    assert statuses(app, path, "staff", method="POST", headers=[(HEADER, b"s1")]) == [404]


@pytest.mark.parametrize("protected", [protected_starlette, protected_fastapi])
def test_a_guard_of_routes_takes_a_secret_and_tries_things_out(protected: Any, server: Server) -> None:
    def begin(app: Any) -> bytes:
        reply = ask(app, "/mcp/", "staff", method="POST")
        return next(value for name, value in reply.raw_headers if name == HEADER)

    session = begin(protected(server, mcp_sessions=McpSessions(SECRET)))
    for app, expected in (
        (protected(server, mcp_sessions=McpSessions(SECRET)), [200, 404]),
        (protected(server), [404, 404]),
        (protected(server, enforce=False, until="9999-01-01"), [200, 200]),
    ):
        assert statuses(app, "/mcp/", "staff", "outsider", method="POST", headers=[(HEADER, session)]) == expected
    with pytest.raises(ConfigurationError, match="mcp_sessions="):
        protected(server, mcp_sessions=SECRET)


def test_a_request_that_is_passed_on_within_the_application_keeps_its_session(server: Server) -> None:
    async def forward(request: Request) -> Any:
        async def inner(scope: Any, receive: Any, send: Any) -> None:
            await app({**request.scope, "path": "/mcp/"}, receive, send)

        return inner

    app = protected_starlette(server)
    app.router.routes.append(Route("/forward", forward, methods=["POST"]))

    reply = ask(app, "/forward", "staff", method="POST")
    (session,) = [value for name, value in reply.raw_headers if name == HEADER]
    assert statuses(app, "/forward", "staff", "outsider", method="POST", headers=[(HEADER, session)]) == [200, 404]


# --- the SDK's own authentication context ---


def fake_sdk(monkeypatch: pytest.MonkeyPatch) -> ContextVar[Any]:
    """Modules of these names, as far as they are used; the real ones are in test_mcp.py."""
    current: ContextVar[Any] = ContextVar("current", default=None)
    context, users = ModuleType("auth_context"), ModuleType("bearer_auth")
    context.auth_context_var = current  # type: ignore[attr-defined]
    users.AccessToken = users.AuthenticatedUser = SimpleUser  # type: ignore[attr-defined]
    for module in (context, users):
        monkeypatch.setitem(sys.modules, f"mcp.server.auth.middleware.{module.__name__}", module)
    return current


class SimpleUser:
    def __init__(self, token: Any = None, **given: Any) -> None:
        self.given: dict[str, Any] = token.given if isinstance(token, SimpleUser) else {**given, "token": token}


@pytest.mark.parametrize(
    ("who", "known"),
    [
        ("staff", {"client_id": "user:ada@example.com", "scopes": [], "token": ""}),
        ("u1", {"client_id": "firebase:shop-prod/u1", "scopes": [], "token": "", "subject": "u1"}),
        (None, None),
    ],
)
def test_the_sdk_is_told_who_calls_while_they_do(who: str | None, known: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    current = fake_sdk(monkeypatch)
    seen: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        user = current.get()
        seen.append(None if user is None else user.given)
        await Server()(scope, receive, send)

    app = guarded(inner, default=ANYBODY | Public())
    version = [(b"MCP-Protocol-Version", b"2026-07-28")]
    assert statuses(app, "/mcp", who, method="POST", headers=version) == [200]
    assert statuses(app, "/mcp", who, method="POST") == [200]  # which is no client of MCP
    assert seen[1] is None
    assert seen[0] is None if known is None else known.items() <= seen[0].items()
    assert current.get() is None


# --- an application by itself, in a guard of another make ---


def test_an_application_is_bound_to_whomever_a_guard_around_it_knows(server: Server) -> None:
    app = guarded(McpSessions(SECRET).bound(server), default=ANYBODY, mcp_sessions=McpSessions(SECRET.upper()))
    session = begun(app, "staff")
    assert session.count(b".") == 2
    assert with_session(app, session, "staff", "outsider") == [200, 404]


@pytest.mark.parametrize("state", [None, {}, {"user": "ada"}])
def test_without_a_guard_it_answers_nobody(server: Server, state: Any) -> None:
    reply = ask(McpSessions().bound(server), "/mcp", method="POST", state=state)
    assert isinstance(reply.error, RuntimeError)
    assert (reply.messages, server.asked) == ([], [])


def test_what_is_no_request_is_passed_on() -> None:
    app = Plain()
    ask(McpSessions().bound(app), "/", type="lifespan")
    assert handshake(McpSessions().bound(app), "/live").types == ["websocket.accept", "websocket.close"]
    assert app.ran == 2


# --- the older transport: a stream that names its session ---

STREAM = "b8a4cd09e1634a5cb3f3a9a3b1c4a9d2"
DASHED = "b8a4cd09-e163-4a5c-b3f3-a9a3b1c4a9d2"
ENDPOINT = f"event: endpoint\r\ndata: /messages/?session_id={STREAM}\r\n\r\n".encode()


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp.server.sse", ModuleType("mcp.server.sse"))


class Streaming:
    """Sends a stream's beginning, waits, and meanwhile takes what is posted."""

    def __init__(self, *chunks: bytes, kind: bytes = b"text/event-stream") -> None:
        self.chunks, self.kind = chunks, kind
        self.open, self.close = anyio.Event(), anyio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Content-Type", self.kind)] if scope["method"] == "GET" else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for chunk in self.chunks if scope["method"] == "GET" else ():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if scope["method"] == "GET":
            self.open.set()
            await self.close.wait()
        await send({"type": "http.response.body", "body": b""})


def posted(make: Callable[[], Streaming], *asking: tuple[str, str | None], method: str = "POST") -> list[int]:
    """The statuses of requests with these queries by these callers, and of an outsider's after staff's stream ended."""
    found: list[int] = []

    async def run() -> None:
        stream = make()
        app = guarded(stream, default=ANYBODY | Public())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(functools.partial(asked, app, "/sse", "staff"))
            await stream.open.wait()
            for query, who in asking:
                found.append((await asked(app, f"/messages/?{query}", who, method=method)).status)
            stream.close.set()
        found.append((await asked(app, f"/messages/?session_id={STREAM}", "outsider", method="POST")).status)
        assert app._sessions._streams == {}

    anyio.run(run)
    return found


SPELLINGS = [
    STREAM,
    STREAM.upper(),
    DASHED,
    f"{{{DASHED}}}",
    f"urn:uuid:{DASHED}",
    f"%62{STREAM[1:]}",
    f"x&session_id={STREAM}",
    f"{STREAM}&session_id=x",
]


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_stream_takes_messages_of_its_creator_alone_however_its_id_is_written(spelling: str) -> None:
    asking = [(f"session_id={spelling}", who) for who in ("staff", "outsider", None)]
    # Once it has ended it is unknown, which the transport says itself.
    assert posted(lambda: Streaming(ENDPOINT), *asking) == [200, 404, 404, 200]


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize("name", ["session%5fid", "%73ession_id", "%73%65%73%73%69%6F%6E%5F%69%64"])
def test_a_stream_takes_messages_of_its_creator_alone_however_its_parameter_is_written(name: str) -> None:
    asking = [(f"{name}={STREAM}", who) for who in ("staff", "outsider", None)]
    assert posted(lambda: Streaming(ENDPOINT), *asking) == [200, 404, 404, 200]


@pytest.mark.usefixtures("older")
def test_a_stream_takes_messages_of_its_creator_alone_however_they_are_sent() -> None:
    # Where messages are posted to is mounted, and releases of the SDK ask for no method.
    asking = [(f"session_id={STREAM}", who) for who in ("staff", "outsider")]
    assert posted(lambda: Streaming(ENDPOINT), *asking, method="PUT") == [200, 404, 200]


@pytest.mark.usefixtures("older")
def test_other_queries_are_nobodys_business() -> None:
    asking = [(query, "outsider") for query in ("", "session_id=", "session_id=x", "session=" + STREAM, f"a={STREAM}")]
    assert posted(lambda: Streaming(ENDPOINT), *asking) == [200] * 6


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize(
    "chunks",
    [
        (ENDPOINT[:20], ENDPOINT[20:60], ENDPOINT[60:]),
        (b": ping\r\n\r\n", ENDPOINT),
        (ENDPOINT.replace(b"\r", b""), b"data: x\n\n"),
        (ENDPOINT.replace(b": ", b":"),),
        (ENDPOINT.replace(STREAM.encode(), DASHED.encode()),),
        (ENDPOINT.replace(b"?", b"?a=b&"),),
    ],
)
def test_a_beginning_is_read_in_whatever_pieces_it_comes(chunks: tuple[bytes, ...]) -> None:
    assert posted(lambda: Streaming(*chunks), (f"session_id={STREAM}", "outsider")) == [404, 200]


@pytest.mark.usefixtures("older")
@pytest.mark.parametrize(
    "make",
    [
        lambda: Streaming(ENDPOINT, kind=b"text/html"),
        lambda: Streaming(b"data: x\n\n" * 2000, ENDPOINT),
        lambda: Streaming(b"event: endpoint\ndata: /m?session_id=no-uuid\n\n"),
        lambda: Streaming(b"data: /messages?session_id=" + STREAM.encode() + b"\n\n"),
    ],
)
def test_what_is_no_beginning_of_a_session_is_none(make: Callable[[], Streaming]) -> None:
    assert posted(make, (f"session_id={STREAM}", "outsider")) == [200, 200]


def test_streams_are_not_looked_at_where_the_transport_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mcp.server.sse", raising=False)
    assert posted(lambda: Streaming(ENDPOINT), (f"session_id={STREAM}", "outsider")) == [200, 200]

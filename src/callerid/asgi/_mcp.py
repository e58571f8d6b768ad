"""Sessions of MCP servers: a session over HTTP answers the caller who began it, and nobody else.

The Model Context Protocol warns of session hijacking and has servers bind session ids to users (specification
2025-11-25, "Security Best Practices"). The Python SDK does so for users of its own ``AuthenticatedUser`` alone. Here a
session id that the server gives out (header ``Mcp-Session-Id``, "Session Management" under "Transports") goes to the
client with a signature over it and its caller, and comes back to the server without: one that was changed, or that
another caller sends, is answered as an unknown one is, with 404. Nothing is remembered.

What a client brings back without a session (``requestState``, since 2026-07-28) the SDK seals for the user of its own
authentication context, so that is set to the caller.

The older transport, HTTP with Server-Sent Events, names its session in the query of the address that its stream begins
with. That session lives as long as its stream, and so does the note of whose it is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import sys
from base64 import urlsafe_b64encode
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qs
from uuid import UUID

from callerid._answers import Answer
from callerid.asgi._answering import deliver, response_of
from callerid.asgi._exchange import App, Exchange, Message, Receive, Scope, Send
from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.guard import log

__all__ = ["McpSessions", "access_token"]

_HEADER: Final = b"mcp-session-id"
_PROTOCOL: Final = b"mcp-protocol-version"
_SDK_CONTEXT: Final = "mcp.server.auth.middleware.auth_context"
_SDK_USERS: Final = "mcp.server.auth.middleware.bearer_auth"
_SHORTEST_SECRET: Final = 32

_OLDER_TRANSPORT: Final = "mcp.server.sse"
# Where the older transport's stream says whereto messages are posted; the id in whatever form uuid.UUID reads.
_ENDPOINT: Final = re.compile(rb"event: ?endpoint\r?\ndata: ?[^\r\n]*?[?&]session_id=([^&\s]+)(?=[&\s])")
_LONGEST_BEGINNING: Final = 8_192


@dataclass(frozen=True, slots=True)
class McpSessions:
    """How sessions of MCP servers are bound to their callers.

    ``secret``, of at least 32 bytes or characters, signs the ids. Without one each object makes its own at random, so
    that a session is known to the process alone in which it began (and to those forked from it): as it is to the SDK,
    which keeps sessions in memory. Servers that share sessions between processes need one secret in all of them.

    An MCP session that nobody in particular began is for everybody who is nobody in particular. Raises
    `ConfigurationError`.
    """

    secret: str | bytes | None = field(default=None, repr=False)
    _key: bytes = field(init=False, repr=False, compare=False)
    _streams: dict[UUID, bytes] = field(init=False, repr=False, compare=False, default_factory=dict[UUID, bytes])

    def __post_init__(self) -> None:
        secret = self.secret
        if secret is not None and not (isinstance(secret, str | bytes) and len(secret) >= _SHORTEST_SECRET):
            raise ConfigurationError(
                f"secret= of McpSessions has at least {_SHORTEST_SECRET} bytes, such as "
                "secrets.token_urlsafe(32) gives",
                code="mcp-sessions",
            )
        given = secret.encode() if isinstance(secret, str) else secret
        object.__setattr__(self, "_key", given or secrets.token_bytes(_SHORTEST_SECRET))

    def bound(self, app: App) -> App:
        """The application with its sessions bound to the callers of a guard that stands around it.

        `callerid.asgi.CallerMiddleware` and the guards of Starlette and FastAPI do this by themselves. Raises
        `RuntimeError` for a request about which no guard has decided.
        """

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            state: Mapping[str, Any] = scope.get("state") or {}
            if "caller" not in state:
                raise RuntimeError("no guard has decided who is calling: put CallerMiddleware around this application")
            await self.serve(app, Exchange(scope, receive, send), state["caller"])

        return serve

    def concerns(self, scope: Scope) -> bool:
        """Whether an HTTP request may have to do with a session: for others `serve` would change nothing."""
        if not (self.secret or "mcp" in sys.modules):
            return False  # neither the SDK nor a server of another make that was told of
        if scope["method"] == "POST" or _OLDER_TRANSPORT in sys.modules:
            return True
        return bool(_sent(scope, _HEADER))

    async def serve(self, app: App, exchange: Exchange, caller: Caller | None, *, enforced: bool = True) -> None:
        """Serve an HTTP request of a caller, if its session is theirs, or if that is not ``enforced`` yet."""
        scope = exchange.scope
        sent = _sent(scope, _HEADER)
        session = self._session(sent, _owner(caller)) if sent else None
        if (sent and session is None) or self._is_anothers(scope, caller):
            log.info(
                "%s 404: the MCP session is not known, or was begun by another caller than %s",
                "refused" if enforced else "would refuse",
                caller or "nobody",
            )
            if enforced:
                await deliver(response_of(_NOT_FOUND), exchange)
                return
        if session is not None:
            headers = [(name, value) for name, value in scope["headers"] if name.lower() != _HEADER]
            scope = {**scope, "headers": [*headers, (_HEADER, session)]}
        watch = _Watch(self, caller, exchange.send, is_stream=scope["method"] == "GET")
        user = _sdk_user(scope, caller)
        try:
            if user is None:
                await app(scope, exchange.receive, watch.send)
            else:
                with _known_to_the_sdk(user):
                    await app(scope, exchange.receive, watch.send)
        finally:
            watch.end()

    # --- ids in headers ---

    def signed(self, session: bytes, owner: bytes) -> bytes:
        """A session id as its owner gets it."""
        return session + b"." + self._signature(session, owner)

    def _signature(self, session: bytes, owner: bytes) -> bytes:
        digest = hmac.digest(self._key, owner + b"\0" + session, hashlib.sha256)
        return urlsafe_b64encode(digest).rstrip(b"=")

    def _session(self, sent: list[bytes], owner: bytes) -> bytes | None:
        """The server's own id, if exactly one was sent and it is this owner's."""
        if len(sent) != 1:
            return None
        session, _, signature = sent[0].rpartition(b".")
        return session if hmac.compare_digest(signature, self._signature(session, owner)) else None

    # --- streams of the older transport ---

    def _is_anothers(self, scope: Scope, caller: Caller | None) -> bool:
        if not self._streams:
            return False
        owner = _owner(caller)
        return any(self._streams.get(each, owner) != owner for each in _named_in(scope["query_string"]))

    def began(self, stream: UUID, owner: bytes) -> None:
        """Note whose a stream is, until it `ended`."""
        self._streams[stream] = owner

    def ended(self, stream: UUID) -> None:
        """Forget a stream."""
        self._streams.pop(stream, None)


class _Watch:
    """What is sent in answer to one request: ids are signed, and a stream that names its session is noted."""

    def __init__(self, sessions: McpSessions, caller: Caller | None, send: Send, *, is_stream: bool) -> None:
        self._sessions, self._caller, self._send = sessions, caller, send
        self._beginning: bytes | None = b"" if is_stream else None
        self._stream: UUID | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers: Iterable[tuple[bytes, bytes]] = message.get("headers") or ()
            if self._beginning is not None and not any(_is_event_stream(*header) for header in headers):
                self._beginning = None
            if _sent(message, _HEADER):
                owner = _owner(self._caller)
                signed = [
                    (name, self._sessions.signed(bytes(value), owner) if name.lower() == _HEADER else value)
                    for name, value in headers
                ]
                message = {**message, "headers": signed}
        elif self._beginning is not None and message["type"] == "http.response.body":
            self._read(message.get("body", b""))
        await self._send(message)

    def _read(self, body: bytes) -> None:
        self._beginning = (self._beginning or b"") + body
        named = _ENDPOINT.search(self._beginning)
        if named is not None:
            for stream in _named_in(b"session_id=" + named[1]):
                self._stream = stream
                self._sessions.began(stream, _owner(self._caller))
        if named is not None or len(self._beginning) > _LONGEST_BEGINNING:
            self._beginning = None

    def end(self) -> None:
        if self._stream is not None:
            self._sessions.ended(self._stream)


def _sent(holder: Mapping[str, Any], header: bytes) -> list[bytes]:
    """All values of a header, in a scope or in the message that starts a response."""
    length = len(header)
    return [
        bytes(value) for name, value in holder.get("headers") or () if len(name) == length and name.lower() == header
    ]


def _sdk_user(scope: Scope, caller: Caller | None) -> Any:
    """The caller as the SDK's authentication has it, where that is loaded and a client of MCP is calling."""
    if caller is None or _SDK_CONTEXT not in sys.modules or not _sent(scope, _PROTOCOL):
        return None
    return sys.modules[_SDK_USERS].AuthenticatedUser(access_token(caller, scopes=[]))


def access_token(caller: Caller, **more: Any) -> Any:
    """The caller as the SDK's ``AccessToken``: its text is empty, and its attribute ``caller`` is the caller.

    What the SDK seals, and the sessions that it binds by itself, belong to client id, issuer and subject together.
    """
    facts: dict[str, Any] = {"iss": caller.issuer, "sub": caller.subject, "aud": caller.audience}
    if caller.email is not None:
        facts |= {"email": caller.email, "email_verified": True}
    if caller.domain is not None:
        facts |= {"hd": caller.domain}
    made = _token_class(import_module(_SDK_USERS).AccessToken)(
        token="", client_id=str(caller), subject=caller.subject, claims=facts, **more
    )
    made._caller = caller  # noqa: SLF001 - our own class
    return made


@cache
def _token_class(base: Any) -> Any:
    class CallersToken(base):  # type: ignore[misc]
        _caller: Any = None  # private to pydantic: it is neither printed nor serialised

        @property
        def caller(self) -> Any:
            return self._caller

    return CallersToken


@contextmanager
def _known_to_the_sdk(user: Any) -> Generator[None, None, None]:
    """Tell the SDK's own authentication context who is calling.

    See ``mcp.server.request_state.authenticated_principal``. Tools find it by ``get_access_token()``, with no token in
    it. Names of the SDK that are gone are an error: what it seals would be for everybody.
    """
    current = sys.modules[_SDK_CONTEXT].auth_context_var
    before = current.set(user)
    try:
        yield
    finally:
        current.reset(before)


def _owner(caller: Caller | None) -> bytes:
    # By what is never given to another: an address may be.
    if caller is None:
        return b""
    return json.dumps([caller.issuer, caller.subject, _tenant(caller)]).encode()


def _tenant(caller: Caller) -> str | None:
    return None if caller.firebase is None else caller.firebase.tenant


def _is_event_stream(name: bytes, value: bytes) -> bool:
    return name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")


def _named_in(query: bytes) -> Iterator[UUID]:
    for text in parse_qs(query.decode("latin-1")).get("session_id", ()):
        try:
            yield UUID(hex=text)
        except ValueError:
            continue  # the transport does not know it either


def _not_found() -> Answer:
    # As the SDK answers for a session that it does not know.
    error: dict[str, Any] = {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}}
    body = json.dumps(error).encode()
    headers = (("content-type", "application/json"), ("content-length", str(len(body))), ("cache-control", "no-store"))
    return Answer(404, headers, body)


_NOT_FOUND: Final = _not_found()

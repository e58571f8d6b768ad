"""MCP servers: a ``TokenVerifier`` judged by a rule, the metadata that says where clients sign in, and sessions.

Two ways to guard a server of the MCP Python SDK: `callerid.asgi.CallerMiddleware` (or a guard of Starlette or FastAPI)
around ``server.streamable_http_app()``, which is the whole library; or the SDK's own authentication with a
`TokenVerifier`. Both bind sessions to their callers, and tools find their caller by `current_caller`.

The SDK (``pip install 'callerid[mcp]'``) is imported when the first token has to be verified.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, cast

from callerid._answers import Challenge, answer
from callerid.asgi._answering import deliver, response_of
from callerid.asgi._exchange import App, Exchange, Message, Receive, Scope, Send
from callerid.asgi._mcp import McpSessions, access_token
from callerid.authorization import check_names_caller
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Refusal, Unavailable
from callerid.guard import GuardCore
from callerid.rules import Rule

if TYPE_CHECKING:
    from mcp.server.auth.provider import AccessToken

__all__ = ["McpSessions", "ProtectedResource", "TokenVerifier", "current_caller"]

_WHERE: Final = "(mcp)"


class _OwnToken:
    """What became of the token of the request that is served: the first that is verified. A tool may verify others."""

    def __init__(self) -> None:
        self.is_verified = False
        self.refusal: Refusal | None = None


_own_token: ContextVar[_OwnToken | None] = ContextVar("callerid.mcp.own_token", default=None)
"""Where refusals are answered by the guard."""


class TokenVerifier:
    """The ``token_verifier`` of an MCP server that the SDK authenticates, judged by a guard and a rule.

    ``resource`` is the server's URL (``AuthSettings.resource_server_url``): what `AccessToken.resource` says of every
    token that the guard accepts, since the guard has checked for whom it was minted. ``scopes`` are those that the rule
    stands for: whoever satisfies it has them, beside those of a Google access token. ``audience`` is as for
    ``guard.allow``. Raises `ConfigurationError`, for a rule that could hold without a caller, too.
    """

    def __init__(
        self,
        guard: GuardCore,
        rule: Rule | str,
        *,
        resource: str | ProtectedResource,
        scopes: Iterable[str] = (),
        audience: str | Iterable[str] | None = None,
    ) -> None:
        guard.check_ready()
        self.guard = guard
        self._requirement = guard.requirement(rule, audience=audience)
        guard.check_possible(self._requirement, "TokenVerifier")
        check_names_caller(self._requirement, {})
        self._resource = resource if isinstance(resource, ProtectedResource) else ProtectedResource(resource)
        self._scopes = list(_texts(scopes, "scopes"))

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token as the SDK knows it, without its text; ``None`` for one that is refused, which the SDK answers 401.

        The decision is logged. Raises `Unavailable` while no keys can be had, which is nobody's 401: the SDK answers
        500, or 503 where `answer_refusals` was called.
        """
        requirement, own = self._requirement, _own_token.get()
        if own is not None and own.is_verified:
            own = None
        if own is not None:
            own.is_verified = True
        try:
            caller = await self.guard.averify(token, requirement.rule, audience=requirement.audiences, where=_WHERE)
        except Refusal as refusal:
            if own is not None:
                own.refusal = refusal.with_traceback(None)  # its frames hold the token
            elif isinstance(refusal, Unavailable):
                raise
            return None
        scopes = [*self._scopes, *sorted(caller.scopes)]
        more = {"scopes": scopes, "expires_at": int(caller.expires_at), "resource": self._resource.resource}
        return cast("AccessToken", access_token(caller, **more))

    def answer_refusals(self, app: Any) -> None:
        """Have an application of the SDK's (``server.streamable_http_app(...)``) answer refusals as the guard does.

        So an outage is a 503 with ``Retry-After``, and a caller whom the rule does not let in gets 403: the SDK alone
        would say 401, and a client start to sign in again. What the SDK serves to everybody it goes on serving. Call it
        before the application serves.
        """
        own = self.guard.challenge
        where = {"resource_metadata": self._resource.metadata_url, **own.parameters}
        app.add_middleware(_Answering, challenge=Challenge(own.realm, MappingProxyType(where)))


class _Answering:
    """Middleware around the SDK's authentication: has the guard's answer to a refused token in place of its 401."""

    def __init__(self, app: App, challenge: Challenge) -> None:
        self.app, self._challenge = app, challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        own, is_answered = _OwnToken(), False

        async def send_or_answer(message: Message) -> None:
            nonlocal is_answered
            if own.refusal is not None and message["type"] == "http.response.start" and _asks_for_a_token(message):
                is_answered = True
                told = answer(own.refusal, self._challenge, own.refusal.instance)
                await deliver(response_of(told), Exchange(scope, receive, send))
            elif not is_answered:
                await send(message)

        token = _own_token.set(own)
        try:
            await self.app(scope, receive, send_or_answer)
        finally:
            _own_token.reset(token)


def _asks_for_a_token(message: Message) -> bool:
    return message["status"] == 401 and any(
        name.lower() == b"www-authenticate" and value[:7].lower() == b"bearer " for name, value in message["headers"]
    )


def current_caller() -> Caller | None:
    """The caller of the tool that runs; ``None`` where nobody is known, or nobody in this task.

    As the SDK's ``get_access_token()``, which both ways of guarding a server fill.
    """
    from mcp.server.auth.middleware.auth_context import get_access_token  # noqa: PLC0415 - only in its servers

    return getattr(get_access_token(), "caller", None)


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """An MCP server (or any other protected resource) for clients that look for where to sign in (RFC 9728).

    ``resource`` is its URL, exactly as clients write it: ``https``, or ``http`` on loopback, without query and
    fragment (RFC 9728 section 1.2). ``authorization_servers`` are the issuers of its tokens: clients of MCP take the
    first. ``scopes``, ``name`` and ``documentation`` are optional.

    It is an ASGI application that serves the document, for a route at `metadata_path`; `before` puts it before another
    application. Give the guard ``resource_metadata=resource.metadata_url``, so that a 401 says where it is. Raises
    `ConfigurationError`.
    """

    resource: str
    authorization_servers: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    name: str | None = None
    documentation: str | None = None
    _parts: tuple[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("authorization_servers", "scopes"):
            object.__setattr__(self, name, _texts(getattr(self, name), name))
        object.__setattr__(self, "_parts", _split(self.resource, "resource"))
        for server in self.authorization_servers:
            _split(server, "authorization_servers")

    @property
    def metadata_path(self) -> str:
        """Where the document is: the well-known path, then the resource's own (RFC 9728 section 3.1)."""
        path = self._parts[1]
        return "/.well-known/oauth-protected-resource" + ("" if path == "/" else path)

    @property
    def metadata_url(self) -> str:
        """The document's whole URL."""
        return self._parts[0] + self.metadata_path

    @property
    def metadata(self) -> dict[str, Any]:
        """The document (RFC 9728 section 2)."""
        optional = {
            "authorization_servers": list(self.authorization_servers),
            "scopes_supported": list(self.scopes),
            "resource_name": self.name,
            "resource_documentation": self.documentation,
        }
        said = {name: value for name, value in optional.items() if value}
        return {"resource": self.resource, **said, "bearer_methods_supported": ["header"]}

    def before(self, app: App) -> App:
        """The application with the document at its path, which everybody may read.

        Around a guard the document needs no rule of its own; inside of one it does: ``{path: Public()}``.
        """
        return _Before(self, app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the document to pages of any origin, too (RFC 9728 section 3.1): GET and HEAD."""
        if scope["type"] != "http":
            raise RuntimeError(f"{self.metadata_path} is read over HTTP, not by {scope['type']}")
        method = scope["method"]
        status, body = (200, json.dumps(self.metadata).encode()) if method in ("GET", "HEAD") else (405, b"")
        headers = [
            (b"access-control-allow-origin", b"*"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status == 200:
            headers += [(b"content-type", b"application/json"), (b"cache-control", b"public, max-age=3600")]
        elif method == "OPTIONS":
            status = 204
            headers = [
                *headers[:1],
                (b"access-control-allow-methods", b"GET, HEAD"),
                (b"access-control-allow-headers", b"*"),
            ]
        else:
            headers.append((b"allow", b"GET, HEAD, OPTIONS"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


class _Before:
    """An application with the metadata of a resource before it."""

    def __init__(self, resource: ProtectedResource, app: App) -> None:
        self.app, self._resource, self._path = app, resource, resource.metadata_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_document = scope["type"] == "http" and scope["path"] == self._path
        await (self._resource if is_document else self.app)(scope, receive, send)


_URL: Final = re.compile(
    r"(https://[a-z0-9.-]+(?::[0-9]+)?|http://(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?)"
    r"((?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?)"
)


def _split(url: object, name: str) -> tuple[str, str]:
    """Origin and path of a URL. Raises `ConfigurationError`."""
    found = _URL.fullmatch(url) if isinstance(url, str) else None
    if found is None or {".", ".."}.intersection(found[2].split("/")):
        raise ConfigurationError(
            f"{name}= is a URL such as 'https://tools.example.com/mcp': https (http on loopback), host in lower case, "
            f"no query, no fragment; not {url!r}",
            code="mcp-resource",
        )
    return found[1], found[2]


def _texts(given: Any, name: str) -> tuple[str, ...]:
    if isinstance(given, str) or not all(isinstance(each, str) and each for each in given):
        raise ConfigurationError(f"{name}= takes several texts: write {name}=({given!r},)", code="mcp-resource")
    return tuple(given)

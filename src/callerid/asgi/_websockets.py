"""A socket's beginning and end: a browser's token among the subprotocols, and no life beyond the token's.

Browsers cannot set headers on a WebSocket handshake; what they can choose is the list of subprotocols. So a page may
offer the name that the guard was told, and right after it the token, which is made of legal token characters::

    new WebSocket("wss://orders.example.com/live", ["callerid.bearer", idToken, "orders.v1"])

The application sees the other protocols alone. The one that it accepts is echoed; where it accepts none, the name is
(browsers fail a handshake for which they offered protocols and none was chosen: WHATWG WebSockets section 2.1), never
the token. A token in the query is not read: it would stand in every access log.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import anyio

from callerid.asgi._exchange import App, Exchange, Message, Scope, Send, values_of
from callerid.authentication import SUBPROTOCOL
from callerid.authorization._report_only import Rollout
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, log
from callerid.issuers import AUTHORIZATION

__all__ = ["Ends", "WebSockets", "postponed", "serve_until"]

T = TypeVar("T")
Ends: TypeAlias = Sequence[tuple[GuardCore, float]]
"""Times in seconds since the epoch, each by the clock of a guard."""

_HEADER: Final = b"sec-websocket-protocol"
_LONGEST_NAP: Final = 30.0
_CLOSING_SECONDS: Final = 10.0
_EXPIRED: Final = "token expired"


@dataclass(frozen=True, slots=True)
class WebSockets:
    """How sockets are treated.

    ``protocol`` is the name after which a client may offer its token as a subprotocol; without it, tokens are read from
    headers only. A socket is closed with ``expiry_code`` once the first of its tokens has expired, the guard's leeway
    added, and its application sees a disconnect; ``outlive_tokens=True`` lets sockets stay open for as long as both
    sides like, whoever has left the company since. Raises `ConfigurationError`.
    """

    protocol: str | None = None
    expiry_code: int = 4401
    outlive_tokens: bool = False

    def __post_init__(self) -> None:
        # RFC 6455 section 11.3.4: a token of RFC 9110 section 5.6.2.
        if self.protocol is not None and not (isinstance(self.protocol, str) and _TOKEN.fullmatch(self.protocol)):
            raise ConfigurationError(
                f"protocol= is a subprotocol's name, such as 'callerid.bearer', not {self.protocol!r}",
                code="websocket-settings",
            )
        code = self.expiry_code
        if type(code) is not int or not (code in (1000, 1008) or 3000 <= code <= 4999):
            raise ConfigurationError(
                f"expiry_code= is 1000, 1008 or 3000 to 4999 (RFC 6455 section 7.4), not {code!r}",
                code="websocket-settings",
            )
        if type(self.outlive_tokens) is not bool:
            raise ConfigurationError(
                f"outlive_tokens= is True or False, not {self.outlive_tokens!r}", code="websocket-settings"
            )

    def values_of(self, scope: Scope, guard: GuardCore) -> Mapping[str, list[str]]:
        """All that was sent in the headers which the guard reads, a token among the subprotocols as if it had been."""
        sent = values_of(scope, guard.headers)
        if scope["type"] == "websocket" and (offered := self.credentials(scope)):
            sent[AUTHORIZATION.header] = [*sent.get(AUTHORIZATION.header, ()), *offered]
            sent[SUBPROTOCOL] = offered
        return sent

    def credentials(self, scope: Scope) -> list[str]:
        """What was offered as a token, as values of ``Authorization``: the name alone is a scheme without a token."""
        offered: list[str] = scope.get("subprotocols") or []
        places = [place for place, each in enumerate(offered) if each == self.protocol]
        return [" ".join(("Bearer", *offered[place + 1 : place + 2])) for place in places]

    def without_credentials(self, exchange: Exchange) -> Exchange:
        """The exchange as the application may see it: without the name and the token, and the name is echoed."""
        scope, receive, send = exchange
        if not self.credentials(scope):
            return exchange
        offered: list[str] = scope["subprotocols"]
        hidden = {place + step for place, each in enumerate(offered) if each == self.protocol for step in (0, 1)}
        rest = [each for place, each in enumerate(offered) if place not in hidden]
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != _HEADER]
        shown = [(_HEADER, ", ".join(rest).encode("latin-1"))] if rest else []
        return Exchange({**scope, "subprotocols": rest, "headers": [*headers, *shown]}, receive, self._echoing(send))

    def _echoing(self, send: Send) -> Send:
        async def echo(message: Message) -> None:
            if message["type"] == "websocket.accept" and not _chooses(message):
                message = {**message, "subprotocol": self.protocol}
            await send(message)

        return echo

    async def serve(self, app: App, exchange: Exchange, ends: Ends, lapses: Ends = ()) -> None:
        """Serve a socket until the first end: when a guard's tokens expire, in seconds since the epoch.

        ``lapses`` are when guards begin to enforce what would have refused it: no socket outlives that.
        """
        exchange = self.without_credentials(exchange)
        until = [(guard, at + guard.leeway) for guard, at in ends if not self.outlive_tokens] + [*lapses]
        if not until:
            await app(*exchange)
            return

        def left() -> float:
            return min(at - guard.clock() for guard, at in until)

        await serve_until(app, exchange, left, self.expiry_code, "rules are enforced now" if lapses else _EXPIRED)


def postponed(expires_at: float, guard: GuardCore, rollout: Rollout | None) -> float:
    """When a token's end is one for its socket: not while a guard lets in everybody who has none."""
    return expires_at if rollout is None else max(expires_at, rollout.ends_at - guard.leeway)


_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def _chooses(message: Message) -> bool:
    headers = message.get("headers") or ()
    return bool(message.get("subprotocol")) or any(bytes(name).lower() == _HEADER for name, _ in headers)


async def serve_until(
    app: App, exchange: Exchange, left: Callable[[], float], code: int, reason: str = _EXPIRED
) -> None:
    """Serve a socket while ``left()`` gives seconds; then close it with ``code``, and the application sees that.

    Whoever waits in ``receive`` gets ``websocket.disconnect``; ``send`` raises `OSError`, as the specification has it
    for a client that is gone. Works on asyncio and trio.
    """
    socket = _Socket(exchange, left, code, reason)
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(socket.watch)
        try:
            await app(exchange.scope, socket.receive, socket.send)
        except Exception as error:  # noqa: BLE001 - raised below, outside the group, which would wrap it
            raised = error
        tasks.cancel_scope.cancel()
    if raised is not None:
        raise raised


class _Socket:
    def __init__(self, exchange: Exchange, left: Callable[[], float], code: int, reason: str) -> None:
        self._exchange, self._left, self._code, self._reason = exchange, left, code, reason
        self._waiting: set[anyio.CancelScope] = set()
        self._expired = self._over = False

    async def watch(self) -> None:
        # In naps: the wall clock of a machine that was asleep is ahead of the timer's.
        while (left := self._left()) > 0:  # noqa: ASYNC110 - time is no event
            await anyio.sleep(min(left, _LONGEST_NAP))
        if self._over:
            return
        self._expired = True
        for scope in self._waiting:
            scope.cancel()
        log.info("a socket is closed with %d: %s", self._code, self._reason)
        # Shielded: the application may return at once, and takes this task along.
        with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
            try:
                await self._exchange.send({"type": "websocket.close", "code": self._code, "reason": self._reason})
            except Exception:  # noqa: BLE001 - the other side was quicker
                log.debug("the socket was closed already", exc_info=True)

    async def receive(self) -> Message:
        message = await self._until_expired(self._exchange.receive)
        if message is None:
            return {"type": "websocket.disconnect", "code": self._code, "reason": self._reason}
        self._over = self._over or message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Message) -> None:
        async def deliver() -> bool:
            await self._exchange.send(message)
            return True

        ends = message["type"] in ("websocket.close", "websocket.http.response.start")
        if not self._expired:
            self._over = self._over or ends
        if await self._until_expired(deliver) is None and not ends:
            raise OSError(f"the socket is closed: {self._reason}")

    async def _until_expired(self, call: Callable[[], Awaitable[T]]) -> T | None:
        if self._expired:
            return None
        with anyio.CancelScope() as scope:
            self._waiting.add(scope)
            try:
                return await call()
            finally:
                self._waiting.discard(scope)
        return None

"""The endpoint that Google posts security events to.

Each delivery is one POST with one token (RFC 8935 section 2): answered with 202 once it is handled, with 400 where the
token is refused, which ends it, and with 503 where it may be sent again.
"""

from __future__ import annotations

import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from hashlib import sha256
from typing import Any, Final, TypeAlias

import anyio
import anyio.to_thread
from cachetools import TTLCache

from callerid._answers import Answer
from callerid._forks import renew_in_child
from callerid.asgi._answering import deliver, response_of
from callerid.asgi._exchange import Exchange, Receive, Scope, Send, values_of
from callerid.asking._entry import cause_of
from callerid.authentication import Account, Attempt, Denial, Waited, denial_by_google, resolve, resolve_async
from callerid.authentication._jws import parse
from callerid.callers import GOOGLE
from callerid.errors import BadRequest, ConfigurationError, Reason, Refusal, Unauthenticated, Unavailable
from callerid.guard import GuardCore, log
from callerid.issuers._claims import shown
from callerid.issuers._issuer import audience_set
from callerid.keys import AnySource, Wait, key_source
from callerid.risc._events import ALGORITHM, REVOKING, SecurityEvent, events_of
from callerid.wsgi import respond

__all__ = ["GOOGLE_EVENT_KEYS", "EventReceiver", "OnEvent"]

GOOGLE_EVENT_KEYS: Final = "https://www.googleapis.com/oauth2/v3/certs"
"""The ``jwks_uri`` of ``https://accounts.google.com/.well-known/risc-configuration``. It is on another host."""

LARGEST_BODY: Final = 65_536
"""A body of more bytes is refused."""

MOST_DELIVERIES: Final = 16_384
REMEMBERED_FOR: Final = 7 * 86_400.0
"""So many events are known to be handled, and for so many seconds."""

MEDIA_TYPE: Final = "application/secevent+jwt"

OnEvent: TypeAlias = Callable[[SecurityEvent], Awaitable[Any] | Any]
"""What the application does about an event. An exception has the event delivered again."""


class EventReceiver:
    """Receives Google's security events for OAuth clients of yours, as an application: ``asgi`` or ``wsgi``.

    A token is accepted if Google signed it, for one of ``client_ids``; see `events_of` for what else is checked.

    1. After an event of `REVOKING` the account's tokens that were issued up to then are refused by ``guard``, and told
       to its fleet, as by ``guard.revoke``. Nothing lifts that: after ``account-enabled`` whoever signs in again has a
       later token.
    2. The event is given to ``on_event``, which runs in a thread, or may be async.
    3. What the look-ups of ``guard`` know of the account is forgotten: they are asked anew for the next request.

    Where ``on_event`` raises, the answer is 503 and Google delivers the event again; after 202 it is not handled a
    second time for a week, by its ``jti``. All but the fleet is so in each process for itself.

    The endpoint has to be open to everybody, and proves by the token's signature who sent it. ``keys`` are Google's
    unless others are given, ``timer`` gives monotonic seconds. Raises `ConfigurationError`.
    """

    def __init__(
        self,
        guard: GuardCore,
        *client_ids: str,
        on_event: OnEvent | None = None,
        keys: str | AnySource = GOOGLE_EVENT_KEYS,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(guard, GuardCore):
            raise ConfigurationError(
                f"EventReceiver takes a guard, then client ids, not {guard!r}", code="security-events"
            )
        if on_event is not None and not callable(on_event):
            raise ConfigurationError("on_event is a function of a SecurityEvent, sync or async", code="security-events")
        self.guard = guard
        self.client_ids = audience_set(
            client_ids,
            "EventReceiver takes events for your own client ids only",
            example="1234-abc.apps.googleusercontent.com",
        )
        self._keys = key_source(keys)
        self._on_event: OnEvent = on_event or _nothing
        self._deliveries = Deliveries(timer)
        self.asgi = AsgiEvents(self)
        """The endpoint as an ASGI application."""
        self.wsgi = WsgiEvents(self)
        """The endpoint as a WSGI application."""

    def receive(self, media_type: str, body: bytes) -> Answer:
        """The answer to a POST, for whatever has neither interface. Waits in this thread."""
        try:
            with self._once(resolve(self._verifying(media_type, body))) as events:
                for denied in self._denied(events):
                    self.guard.authenticator.revocations.deny(*denied)
                for event in events:
                    doing = self._on_event(event)
                    if inspect.isawaitable(doing):
                        anyio.run(_awaited, doing)
        except Refusal as refusal:
            return _refused(refusal)
        return _answer(202)

    async def areceive(self, media_type: str, body: bytes) -> Answer:
        """As `receive`, without blocking the event loop."""
        try:
            with self._once(await resolve_async(self._verifying(media_type, body))) as events:
                for denied in self._denied(events):
                    await self.guard.authenticator.revocations.adeny(*denied)
                for event in events:
                    [doing] = await anyio.to_thread.run_sync(self._begin, event)
                    if inspect.isawaitable(doing):
                        await doing
        except Refusal as refusal:
            return _refused(refusal)
        return _answer(202)

    def _denied(self, events: Iterable[SecurityEvent]) -> Iterable[tuple[Account, Denial, float]]:
        """What these events revoke: tokens of up to when Google issued them, so a late one ends no newer session."""
        for event in events:
            if event.type in REVOKING and event.subject is not None:
                denied = denial_by_google(self.guard.authenticator, event.subject, event.issued_at)
                if denied[1].until > denied[2]:  # else those tokens have expired
                    yield denied

    def _begin(self, event: SecurityEvent) -> list[Any]:
        """What ``on_event`` returns, in a list: from a thread, trio takes no coroutine."""
        return [self._on_event(event)]

    def _verifying(self, media_type: str, body: bytes) -> Attempt[tuple[SecurityEvent, ...]]:
        """What verifies a token, once its keys are at hand; all that needs no key is checked now."""
        if media_type.partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise BadRequest(Reason.MALFORMED_HEADER, f"expected {MEDIA_TYPE}, got {shown(media_type)}")
        if len(body) > LARGEST_BODY:
            raise BadRequest(Reason.MALFORMED_TOKEN, f"expected at most {LARGEST_BODY} bytes, got more")
        authenticator = self.guard.authenticator
        token = parse(body.decode("latin-1"), LARGEST_BODY)
        events = events_of(token, self.client_ids, authenticator.clock(), authenticator.leeway)

        def attempt(waited: Waited) -> tuple[SecurityEvent, ...] | Wait:
            key = authenticator.keys.find(self._keys, ALGORITHM, token.kid, waited[-1] if waited else None)
            if isinstance(key, Wait):
                return key
            if not key.verify(token.signed, token.signature):
                raise Unauthenticated(Reason.BAD_SIGNATURE, f"not signed by Google's key {shown(token.kid)}")
            return events

        return attempt

    @contextmanager
    def _once(self, events: tuple[SecurityEvent, ...]) -> Generator[tuple[SecurityEvent, ...]]:
        """The events that are to be handled in the block: none where they were. Raises `Unavailable` where it fails."""
        jti = events[0].jti
        if not self._deliveries.claim(jti):
            yield ()
            return
        is_handled = False
        try:
            yield events
            is_handled = True
        except Exception as error:  # noqa: BLE001 - whatever it is, the event is not handled
            raise Unavailable(
                f"on_event failed ({cause_of(error)})",
                retry_after=60,
                remedy="see why on_event fails; Google delivers the event again",
                reason=Reason.VERIFICATION_UNAVAILABLE,
            ) from None
        finally:
            self._deliveries.end(jti, is_handled=is_handled)
            for event in events:
                log.info("Google's security event %s about %s", event.type, shown(event.subject))
                if event.subject is not None:
                    self.guard.lookups.forget_account(GOOGLE, event.subject)


class AsgiEvents:
    """The endpoint as an ASGI application."""

    def __init__(self, receiver: EventReceiver) -> None:
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. Raises `ConfigurationError` for a lifespan: there is nothing to start."""
        if scope["type"] not in ("http", "websocket"):
            raise ConfigurationError(
                f"the receiver of security events serves no {scope['type']!r}: it has none", code="security-events"
            )
        answer: Answer | None = _ONLY_POST
        if scope["type"] == "http" and scope["method"] == "POST":
            body = await _body(receive)
            media_types = values_of(scope, _CONTENT_TYPE).get("content-type", [])
            answer = None if body is None else await self._receiver.areceive(", ".join(media_types), body)
        if answer is not None:
            await deliver(response_of(answer), Exchange(scope, receive, send))


class WsgiEvents:
    """The endpoint as a WSGI application."""

    def __init__(self, receiver: EventReceiver) -> None:
        self._receiver = receiver

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        answer = _ONLY_POST
        if environ["REQUEST_METHOD"] == "POST":
            length = environ.get("CONTENT_LENGTH") or ""
            stated = int(length[:9]) if length.isdecimal() else 0
            if not length and environ.get("wsgi.input_terminated"):  # it is chunked, and ends by itself
                stated = LARGEST_BODY + 1
            body = environ["wsgi.input"].read(min(stated, LARGEST_BODY + 1))
            answer = self._receiver.receive(environ.get("CONTENT_TYPE") or "", body)
        return respond(answer, environ, start_response)


class Deliveries:
    """The tokens that were handled, or are being handled, by their ``jti``. A forked child knows what was handled."""

    def __init__(self, timer: Callable[[], float]) -> None:
        self._handled: TTLCache[bytes, bool] = TTLCache(MOST_DELIVERIES, REMEMBERED_FOR, timer)
        self._lock = threading.Lock()
        renew_in_child(self)

    def claim(self, jti: str) -> bool:
        """Whether a token is to be handled now; false if it was. Raises `Unavailable` while another delivery is."""
        digest = sha256(jti.encode()).digest()
        with self._lock:
            handled = self._handled.get(digest)
            if handled is None:
                self._handled[digest] = False
        if handled is False:
            raise Unavailable("another delivery of this event is being handled", retry_after=5)
        return handled is None

    def end(self, jti: str, *, is_handled: bool) -> None:
        """Remember that a token was handled, or let another delivery try."""
        digest = sha256(jti.encode()).digest()
        with self._lock:
            self._handled.pop(digest, None)
            if is_handled:
                self._handled[digest] = True

    def renew_after_fork(self) -> None:
        """Replace the lock, and forget what another process is handling; a forked child calls it by itself."""
        self._lock = threading.Lock()
        for digest in [each for each, handled in self._handled.items() if not handled]:
            self._handled.pop(digest, None)


_CONTENT_TYPE: Final = {b"content-type": "content-type"}

_ERRORS: Final = {
    Reason.UNKNOWN_ISSUER: "invalid_issuer",
    Reason.WRONG_AUDIENCE: "invalid_audience",
    Reason.UNKNOWN_KEY: "invalid_key",
    Reason.WRONG_ALGORITHM: "invalid_key",
    Reason.BAD_SIGNATURE: "authentication_failed",
    Reason.UNSIGNED: "authentication_failed",
    Reason.SIGNATURE_REMOVED: "authentication_failed",
}
"""What a refusal is called (RFC 8935 section 2.4); any other is of what was sent, ``invalid_request``."""

_DESCRIPTIONS: Final = {
    "invalid_issuer": "The token is not of the issuer that is expected here.",
    "invalid_audience": "The token is not for a client that is known here.",
    "invalid_key": "The token is not signed by a key that is accepted here.",
    "authentication_failed": "The token's signature does not prove who sent it.",
    "invalid_request": "The request holds no security event token with an event that is known here.",
}


def _refused(refusal: Refusal) -> Answer:
    if isinstance(refusal, Unavailable):
        log.warning("a security event cannot be handled now: %s", refusal)
        return _answer(503, ("retry-after", str(refusal.retry_after)))
    log.info("a security event is refused: %s", refusal)
    error = _ERRORS.get(refusal.reason, "invalid_request")
    document = json.dumps({"err": error, "description": _DESCRIPTIONS[error]}).encode()
    return _answer(400, ("content-type", "application/json"), ("content-language", "en"), body=document)


def _answer(status: int, *headers: tuple[str, str], body: bytes = b"") -> Answer:
    always = (("content-length", str(len(body))), ("cache-control", "no-store"))
    return Answer(status, (*headers, *always), body)


_ONLY_POST: Final = _answer(405, ("allow", "POST"))


def _nothing(_: SecurityEvent) -> None:
    """What is done about an event where the application says nothing: its account is forgotten, as always."""


async def _awaited(doing: Awaitable[Any]) -> None:
    await doing


async def _body(receive: Receive) -> bytes | None:
    """The body, or as much of it as shows that it is too large; ``None`` where the client is gone."""
    body = bytearray()
    while len(body) <= LARGEST_BODY:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)

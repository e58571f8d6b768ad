"""Tokens that open one request each: of this process, or of all processes of a fleet.

A token is known by its issuer and its ``jti`` (RFC 7519 section 4.1.7), or where it has none by what is signed. The
signature does not count: of one token there can be several that verify (ECDSA).
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final, NamedTuple, TypeAlias

from cachetools import TLRUCache

from callerid._forks import renew_in_child
from callerid.asking import InFlight
from callerid.asking._running import Threads
from callerid.authentication._revocations import Fleet, UseRecord
from callerid.callers import Caller
from callerid.errors import Reason, Unauthenticated, Unavailable
from callerid.keys import Wait

__all__ = ["USE_SECONDS", "UseId", "Uses", "request_of", "use_id_of"]

USE_SECONDS: Final = 0.1
"""A request waits so long for the answer of a fleet, in all."""

MOST_USES: Final = 100_000
"""So many uses are known in a process without a fleet. Where there are more, nothing more is let in until some end."""

LONGEST_USE: Final = 90 * 86_400.0
"""A token that ends later than so many seconds from now is refused: its use could not be known for so long."""

_MARGIN: Final = 180.0
"""Seconds for which a use is known longer than its token lives: the leeway is 60 at most, and clocks differ."""

_MOST_THREADS: Final = 16
_FULL: Final = "too many tokens were used that have not ended yet"


UseId: TypeAlias = str | bytes
"""What tells a token from others of its issuer: its ``jti``, or the SHA-256 of what is signed."""


def use_id_of(claims: Mapping[str, Any], signed: bytes) -> UseId:
    """By what the uses of a verified token are counted, for each issuer. A ``jti`` that is no text counts as none."""
    jti = claims.get("jti")
    return jti if type(jti) is str and jti else sha256(signed).digest()


def _counted_under(issuer: str, use_id: UseId) -> bytes:
    """The digest under which the uses of an issuer's token are counted. Few tokens are, so it is made only then."""
    known = ("jti", use_id) if isinstance(use_id, str) else ("signed", use_id.hex())
    return sha256(json.dumps([issuer, *known]).encode()).digest()


class _Used(NamedTuple):
    """Which request used a token, and until when that is known."""

    request: str
    until: float


class _LocalUses:
    """The uses of tokens in this process. None is forgotten before its token has ended."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.clear()

    def clear(self) -> None:
        """Forget all, and replace the lock."""
        self._lock = threading.Lock()
        self._now = 0.0
        self._known: TLRUCache[bytes, _Used] = TLRUCache(
            self._most, lambda _, used, __: used.until, timer=lambda: self._now
        )

    def use(self, use_id: bytes, used: _Used, now: float) -> bool | None:
        """Whether this request is the one that used the token; ``None`` where there is no more room."""
        with self._lock:
            self._now = max(self._now, now)
            before = self._known.get(use_id)
            if before is not None:
                return before.request == used.request
            self._known.expire()
            if len(self._known) >= self._most:
                return None
            self._known[use_id] = used._replace(until=max(used.until, self._now + 1))
            return True


class _FleetUse:
    """What one request has a fleet told about one token, in a thread; nobody else gets its answer."""

    def __init__(self, uses: Uses, use_id: bytes, request: str) -> None:
        self.uses, self.use_id, self.request = uses, use_id, request
        self.in_flight = InFlight(time.monotonic())
        self.found: UseRecord | None = None
        self.error = "no answer in time"
        self._is_over = False

    def run(self, ask: Callable[[], UseRecord]) -> None:
        """Ask, unless the request has given up."""
        try:
            if not self._is_over:
                self.found = ask()
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is known
            self.error = type(error).__name__
        self.in_flight.finish()

    def taken(self) -> UseRecord | None:
        """The answer, if it came in time; after this it is not asked for any more."""
        self._is_over = True
        return self.found


def request_of(waited: Iterable[Wait]) -> str:
    """The random name of a request, by which it knows its own use of a token: the same while it waits."""
    named = (wait.keys.request for wait in waited if isinstance(wait.keys, _FleetUse))
    return next(named, None) or secrets.token_hex(16)


class Uses:
    """The uses of tokens: of its fleet if it has one, else of this process. A forked child begins anew."""

    def __init__(self, fleet: Fleet | None = None, most: int = MOST_USES) -> None:
        self._fleet = fleet
        self._local = _LocalUses(most)
        self.renew_after_fork()
        renew_in_child(self)

    def renew_after_fork(self) -> None:
        """Forget all, and the threads, which another process has; a forked child calls it by itself."""
        self._local.clear()
        self._threads = Threads(_MOST_THREADS)

    def use_up(  # noqa: PLR0913 - a token, who uses it, and when
        self, use_id: UseId, caller: Caller, request: str, waited: Iterable[Wait], *, now: float, leeway: float
    ) -> Wait | None:
        """Use a token up for a request. Returns a `Wait` until the fleet has answered.

        Raises `Unauthenticated` for a token that another request used, and `Unavailable` where that cannot be known.
        """
        lives = caller.expires_at - now
        if lives > LONGEST_USE:
            raise Unauthenticated(Reason.BAD_CLAIMS, "expected a token that ends within 90 days, to be used once")
        counted = _counted_under(caller.issuer, use_id)
        if self._fleet is None:
            self._use_here(counted, _Used(request, caller.expires_at + _MARGIN), now)
            return None
        own = (wait.keys for wait in waited if isinstance(wait.keys, _FleetUse))
        use = next((each for each in own if each.uses is self and each.use_id == counted), None)
        if use is None:
            use = _FleetUse(self, counted, request)
            ask = partial(self._fleet.use, counted.hex(), request, max(lives, 0.0) + _MARGIN)
            return Wait(use.in_flight, USE_SECONDS, use, begin=partial(self._begin, use, ask))
        _check(use, caller, now, leeway)
        return None

    def _use_here(self, use_id: bytes, used: _Used, now: float) -> None:
        is_own = self._local.use(use_id, used, now)
        if is_own is None:
            raise _unavailable(_FULL)
        if not is_own:
            raise _used()

    def _begin(self, use: _FleetUse, ask: Callable[[], UseRecord], _: bool) -> None:
        if not self._threads.run(partial(use.run, ask)):
            use.error = "too many requests wait for a thread"
            use.in_flight.finish()


def _check(use: _FleetUse, caller: Caller, now: float, leeway: float) -> None:
    """Raise a refusal unless this request was the first to use its token, by all that could be known of it."""
    record = use.taken()
    if record is None:
        raise _unavailable(f"the fleet cannot be asked ({use.error})")
    if record.request != use.request:
        raise _used()
    # Of what was issued before it may be lost that it was used. Two clocks are compared, by way of a third.
    known_from = record.since + 2 * leeway
    if caller.issued_at > known_from:
        return
    if now <= known_from:
        raise _unavailable("it is not known which tokens were used before Redis began anew", known_from - now + 1)
    raise _used(", or may have been: Redis has begun anew since it was issued")


def _used(how: str = "") -> Unauthenticated:
    return Unauthenticated(
        Reason.ALREADY_USED,
        f"expected a token for this request alone, got one that was used before{how}",
        remedy="get a new token for each request",
    )


def _unavailable(why: str, retry_after: float = 1.0) -> Unavailable:
    return Unavailable(
        f"a token is accepted once, and {why}",
        retry_after=retry_after,
        remedy="see whether Redis can be reached (guard.fleet_status()), or how many tokens are used",
        reason=Reason.SINGLE_USE_UNAVAILABLE,
    )

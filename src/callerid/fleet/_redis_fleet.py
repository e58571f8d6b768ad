"""One thread that listens to Redis, and writes with a short time limit.

Each denial is published, and added to a sorted set (by when it ends), for who was away. Who connects subscribes first
and then reads the set, so that nothing is missed between. What fails beside that, a write or a look at the set, is
tried again and leaves the subscription as it is: on a slow machine it would else be away most of the time.
"""

from __future__ import annotations

import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import islice
from typing import Any, Final

from callerid._forks import renew_in_child
from callerid.asking import InFlight
from callerid.authentication import CATCH_UP_SECONDS, Denial, Denials, FleetStatus, UseRecord
from callerid.errors import ConfigurationError
from callerid.fleet._clients import Client, connector
from callerid.fleet._messages import read
from callerid.fleet._redis_denials import PAGE, generation_of, pages_of, send
from callerid.fleet._redis_uses import use

__all__ = ["RedisFleet"]

log = logging.getLogger("callerid")

WRITE_SECONDS: Final = 0.1
"""The longest that one step of a write takes: to connect, and to be answered."""
LISTEN_SECONDS: Final = 1.0
"""The same in the thread, for which nobody waits."""
TURN_SECONDS: Final = 0.2
"""So long the thread listens before it sees whether there is something to send."""
PING_SECONDS: Final = 1.0
SILENT_SECONDS: Final = 3.0
"""A connection that has not answered a ping for so long is given up."""
RETRY_SECONDS: Final = 1.0
"""So long after a write or a look that failed the thread only listens."""
DELAYS: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts to connect; the last goes on."""
TELL_EVERY: Final = 60.0
MOST: Final = 100_000
"""So many denials are taken from others, and so many of ours are sent later."""


class RedisFleet:
    """Shares revocations and uses of tokens between processes: ``Guard(..., fleet=RedisFleet(url))``.

    It takes Redis or Valkey, 6 or newer. ``url`` is as redis-py takes it: ``redis://``, ``rediss://`` (TLS) or
    ``unix://``, with user and password. A cluster is ``redis+cluster://HOST:PORT,HOST:PORT``, and a server that
    Sentinel names is ``redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB``; both with ``rediss`` for TLS.
    Processes with the same ``prefix`` share one fleet. In Redis stand digests of accounts and times, and nothing else.

    While Redis cannot be reached, or is slow, guards go on as if there were no fleet: what they know already counts,
    and what they revoke counts in their own process and is told to the others later. That is logged once a minute. A
    request that needs a `SingleUse` is refused meanwhile (503).

    The connection is made by the first request with a credential, or the first revocation, in each process. Raises
    `ConfigurationError` for a URL that cannot be read, and where the package ``redis`` is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "callerid",
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        if not isinstance(prefix, str) or not (prefix.isascii() and prefix.isprintable() and prefix.strip()):
            raise ConfigurationError(f"prefix= is printable ASCII text, not {prefix!r}", code="redis-fleet")
        self._prefix, self._name = prefix, f"{prefix}:revoked"
        self._clock, self._timer = clock, timer
        self._heard, self._own = Denials(MOST), Denials(MOST)
        self._told_at = -TELL_EVERY * 2
        self._connect = connector(url)
        self._begin()
        renew_in_child(self)

    def _begin(self) -> None:
        """Begin without a connection, as a forked child does: what is known already is kept."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._in_flight = InFlight(-math.inf)
        self._unsent: dict[str, Denial] = {}
        self._is_connected, self._since = False, self._clock()
        self._error: str | None = None
        self._generation: int | None = None
        self._retry_at = -math.inf
        self._writer = Client(self._connect, WRITE_SECONDS)
        self._user = Client(self._connect, WRITE_SECONDS)
        self._listener = Client(self._connect, LISTEN_SECONDS)

    renew_after_fork = _begin

    @property
    def status(self) -> FleetStatus:
        """Whether Redis can be heard, how many denials it told, how many were not sent yet, and the last failure."""
        heard, unsent = len(self._heard), len(self._unsent)
        return FleetStatus(self._is_connected, heard, unsent, self._error, self._since, self._generation)

    def find(self, digest: str) -> Denial | None:
        """What others have told about an account."""
        return self._heard.get(digest)

    def catching_up(self) -> InFlight | None:
        """What to wait for until all is known that was revoked before; ``None`` where that takes too long."""
        if self._thread is None:
            self._start()
        in_flight = self._in_flight
        if in_flight.is_done or self._timer() >= in_flight.begun_at + CATCH_UP_SECONDS:
            return None
        return in_flight

    def tell(self, digest: str, denial: Denial, *, at_once: bool) -> None:
        """Tell the other processes: now, or by the thread where that fails, or where nobody may wait."""
        now = self._clock()
        if not self._own.put(digest, denial, now):
            self._warn("TooManyRevocations")
            return
        if self._thread is None:
            self._start()
        if at_once and self._error is None:
            try:
                send(self._writer.get(), self._name, {digest: denial}, now)
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread tries again
                self._fails(type(error).__name__)
            else:
                return
        self._send_later(digest, denial)

    def use(self, use_id: str, request: str, seconds: float) -> UseRecord:
        """Which request is the first to use a token, kept for so many seconds. Raises whatever redis-py does."""
        return use(self._user.get(), self._prefix, use_id, request, seconds)

    def close(self) -> None:
        """End the thread and the connections, at the end of a process or a test: nothing is heard or told then."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(LISTEN_SECONDS * 4)
        self._writer.close()
        self._user.close()
        self._listener.close()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._stop.is_set():
                return
            self._in_flight = InFlight(self._timer())
            thread = threading.Thread(target=self._run, args=(self._stop,), name="callerid fleet", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # no more threads
                self._in_flight.finish()
                self._fails(type(error).__name__)
                return
            self._thread = thread

    def _run(self, stop: threading.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                with closing(self._listener.get().pubsub()) as pubsub:
                    self._catch_up(pubsub)
                    failures = 0
                    self._listen(pubsub, stop)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt begins anew
                self._fails(type(error).__name__)
            if self._is_connected:
                self._is_connected, self._since = False, self._clock()
            self._in_flight.finish()
            self._listener.close()
            stop.wait(DELAYS[min(failures, len(DELAYS) - 1)] * random.uniform(0.5, 1))  # noqa: S311 - no secret
            failures += 1

    def _catch_up(self, pubsub: Any) -> None:
        pubsub.subscribe(self._name)
        if pubsub.get_message(timeout=LISTEN_SECONDS) is None:
            raise TimeoutError
        if self._in_flight.is_done:
            self._in_flight = InFlight(self._timer())
        self._read(generation_of(self._listener.get(), self._name))
        self._is_connected, self._since, self._retry_at = True, self._clock(), -math.inf
        self._works()
        self._in_flight.finish()

    def _read(self, generation: int | None) -> None:
        """Take what stands in Redis, and have it told what it does not know: it may have been flushed, or be new."""
        now = self._clock()
        there = Denials()
        for page in pages_of(self._listener.get(), self._name, now, MOST):
            for digest, denial in self._hear(page):
                there.put(digest, denial, now)
        known = [*self._heard.in_force(now).items(), *self._own.in_force(now).items()]
        for digest, denial in known:
            if not there.covers(digest, denial):
                self._send_later(digest, denial)
        self._generation = generation

    def _send_later(self, digest: str, denial: Denial) -> None:
        with self._lock:
            self._unsent[digest] = denial.joined(self._unsent.get(digest, denial))

    def _listen(self, pubsub: Any, stop: threading.Event) -> None:
        pinged_at, unanswered_since = self._timer(), math.inf
        while not stop.is_set():
            if self._unsent:
                self._attempt(self._send_rest)
            message = pubsub.get_message(timeout=TURN_SECONDS)
            now = self._timer()
            if message is not None:
                unanswered_since = math.inf
                self._take(message)
            elif now >= unanswered_since + SILENT_SECONDS:
                raise TimeoutError
            if now >= pinged_at + PING_SECONDS:
                pinged_at, unanswered_since = now, min(now, unanswered_since)
                pubsub.ping()
                self._attempt(self._look)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscribe":  # redis-py has connected anew: something may have been missed
            raise ConnectionResetError
        if message["type"] == "message":
            self._hear([message["data"]])

    def _hear(self, messages: Iterable[object]) -> list[tuple[str, Denial]]:
        now = self._clock()
        found = [each for each in (read(message, now) for message in messages) if each is not None]
        for digest, denial in found:
            if not self._heard.put(digest, denial, now):
                self._warn("TooManyRevocations")
        return found

    def _look(self) -> None:
        """See whether Redis still has what it was told; it may have been flushed before its generation was seen."""
        generation = generation_of(self._listener.get(), self._name)
        if generation != self._generation or (generation is None and (self._own or self._heard)):
            self._read(generation)

    def _attempt(self, step: Callable[[], None]) -> None:
        """Do what may fail while the subscription goes on."""
        if self._timer() < self._retry_at:
            return
        try:
            step()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            self._retry_at = self._timer() + RETRY_SECONDS
            self._fails(type(error).__name__)
        else:
            self._works()

    def _works(self) -> None:
        if not self._unsent:
            self._error = None

    def _send_rest(self) -> None:
        while self._unsent:
            with self._lock:
                page = dict(islice(self._unsent.items(), PAGE))
            send(self._listener.get(), self._name, page, self._clock())
            with self._lock:
                for digest, denial in page.items():
                    if self._unsent[digest] == denial:
                        del self._unsent[digest]

    def _fails(self, error: str) -> None:
        self._error = error
        self._warn(error)

    def _warn(self, error: str) -> None:
        now = self._timer()
        if now >= self._told_at + TELL_EVERY:
            self._told_at = now
            log.warning("revocations are not shared with other processes at present: Redis fails (%s)", error)

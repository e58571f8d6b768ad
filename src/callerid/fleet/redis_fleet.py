"""One thread that listens to Redis, and writes with a short time limit.

Each denial is published, and added to a sorted set (by when it ends), for who was away. Who connects subscribes first
and then reads the set, so that nothing is missed between.
"""

from __future__ import annotations

import importlib
import logging
import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any, Final
from weakref import WeakSet

from callerid.asking import InFlight
from callerid.authentication import CATCH_UP_SECONDS, LONGEST_DENIAL, Denial, Denials, FleetStatus, UseRecord
from callerid.errors import ConfigurationError
from callerid.fleet.messages import read, written
from callerid.fleet.redis_uses import use

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
"""A connection that has answered no ping for so long is given up."""
DELAYS: Final = (0.1, 0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts to connect; the last goes on."""
TELL_EVERY: Final = 60.0
MOST: Final = 100_000
"""So many denials are taken from others, and so many of ours are sent later."""
PAGE: Final = 1000


class RedisFleet:
    """Shares revocations and uses of tokens between processes: ``Guard(..., fleet=RedisFleet(url))``.

    It takes Redis or Valkey, 6 or newer. ``url`` is as redis-py takes it: ``redis://``, ``rediss://`` (TLS) or
    ``unix://``, with user and password.
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
            raise ConfigurationError(f"prefix= is printable ASCII text, not {prefix!r}")
        self._prefix, self._name = prefix, f"{prefix}:revoked"
        self._clock, self._timer = clock, timer
        self._heard, self._own = Denials(MOST), Denials(MOST)
        self._told_at = -TELL_EVERY * 2
        self._connect = _connector(url)
        self._begin()
        _ALL.add(self)

    def _begin(self) -> None:
        """Begin without a connection, as a forked child does: what is known already is kept."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._in_flight = InFlight(-math.inf)
        self._unsent: dict[str, Denial] = {}
        self._is_connected = False
        self._error: str | None = None
        self._writer = self._connect(WRITE_SECONDS)
        self._user = self._connect(WRITE_SECONDS)
        self._listener = self._connect(LISTEN_SECONDS)

    begin_anew = _begin

    @property
    def status(self) -> FleetStatus:
        """Whether Redis can be heard, how many denials it told, how many were not sent yet, and the last failure."""
        return FleetStatus(self._is_connected, len(self._heard), len(self._unsent), self._error)

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
                self._send(self._writer, {digest: denial})
            except Exception as error:  # noqa: BLE001 - whatever it is, the thread tries again
                self._fails(type(error).__name__)
            else:
                return
        with self._lock:
            self._unsent[digest] = denial

    def use(self, use_id: str, request: str, seconds: float) -> UseRecord:
        """Which request is the first to use a token, kept for so many seconds. Raises whatever redis-py does."""
        return use(self._user, self._prefix, use_id, request, seconds)

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
                with closing(self._listener.pubsub()) as pubsub:
                    self._catch_up(pubsub)
                    failures = 0
                    self._listen(pubsub, stop)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt begins anew
                self._fails(type(error).__name__)
            self._is_connected = False
            self._in_flight.finish()
            stop.wait(DELAYS[min(failures, len(DELAYS) - 1)] * random.uniform(0.5, 1))  # noqa: S311 - no secret
            failures += 1

    def _catch_up(self, pubsub: Any) -> None:
        pubsub.subscribe(self._name)
        if pubsub.get_message(timeout=LISTEN_SECONDS) is None:
            raise TimeoutError
        if self._in_flight.is_done:
            self._in_flight = InFlight(self._timer())
        now, start = self._clock(), 0
        while start < MOST:
            page = self._listener.zrevrangebyscore(self._name, "+inf", now * 1000, start=start, num=PAGE)
            self._hear(page)
            start += PAGE
            if len(page) < PAGE:
                break
        # A Redis that was flushed, or begins empty, is told again.
        with self._lock:
            self._unsent = {**self._own.in_force(now), **self._unsent}
        self._send_rest()
        self._is_connected, self._error = True, None
        self._in_flight.finish()

    def _listen(self, pubsub: Any, stop: threading.Event) -> None:
        pinged_at = heard_at = self._timer()
        while not stop.is_set():
            self._send_rest()
            message = pubsub.get_message(timeout=TURN_SECONDS)
            now = self._timer()
            if message is not None:
                heard_at = now
                self._hear([message["data"]] if message["type"] == "message" else [])
            elif now >= heard_at + SILENT_SECONDS:
                raise TimeoutError
            if now >= pinged_at + PING_SECONDS:
                pinged_at = now
                pubsub.ping()

    def _hear(self, messages: Iterable[object]) -> None:
        now = self._clock()
        for each in messages:
            found = read(each, now)
            if found is not None and not self._heard.put(*found, now):
                self._warn("TooManyRevocations")

    def _send_rest(self) -> None:
        with self._lock:
            unsent = dict(self._unsent)
        if not unsent:
            return
        self._send(self._listener, unsent)
        self._error = None
        with self._lock:
            self._unsent = {each: denial for each, denial in self._unsent.items() if unsent.get(each) != denial}

    def _send(self, client: Any, denials: dict[str, Denial]) -> None:
        messages = {written(digest, denial): denial.until * 1000 for digest, denial in denials.items()}
        with client.pipeline(transaction=True) as pipeline:
            pipeline.zremrangebyscore(self._name, "-inf", self._clock() * 1000)
            pipeline.zadd(self._name, messages)
            pipeline.expire(self._name, int(LONGEST_DENIAL))
            for message in messages:
                pipeline.publish(self._name, message)
            pipeline.execute()

    def _fails(self, error: str) -> None:
        self._error = error
        self._warn(error)

    def _warn(self, error: str) -> None:
        now = self._timer()
        if now >= self._told_at + TELL_EVERY:
            self._told_at = now
            log.warning("revocations are not shared with other processes at present: Redis fails (%s)", error)


_ALL: WeakSet[RedisFleet] = WeakSet()


def _after_fork_in_child() -> None:
    for each in list(_ALL):
        each.begin_anew()


if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _connector(url: str) -> Callable[[float], Any]:
    """What makes clients with a time limit; they connect when they are first used. Its errors name no password."""
    try:
        redis: Any = importlib.import_module("redis")
    except ImportError:
        raise ConfigurationError("RedisFleet needs redis-py: pip install 'callerid[redis]'") from None
    retry_never = importlib.import_module("redis.retry").Retry(importlib.import_module("redis.backoff").NoBackoff(), 0)

    def connect(seconds: float) -> Any:
        options: dict[str, Any] = {"socket_timeout": seconds, "protocol": 2}
        if not url.startswith("unix:"):
            options["socket_connect_timeout"] = seconds
        return redis.Redis.from_url(url, retry=retry_never, **options)

    try:
        kwargs = connect(WRITE_SECONDS).connection_pool.connection_kwargs
    except Exception:  # noqa: BLE001 - of several kinds
        kwargs = {"decode_responses": True}
    expected = {"socket_timeout": WRITE_SECONDS, "socket_connect_timeout": WRITE_SECONDS, "protocol": 2}
    if kwargs.get("decode_responses") or any(kwargs.get(name, value) != value for name, value in expected.items()):
        raise ConfigurationError(
            "RedisFleet takes a URL such as redis://USER:PASSWORD@HOST:6379/0 (or rediss://, unix://), without options "
            "for time limits, protocol or decoding"
        )
    return connect

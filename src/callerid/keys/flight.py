"""A fetch under way and those who wait for it: threads on an event, tasks on an event of their own loop.

A waiting task costs no thread. The fetch wakes it through the one door each loop keeps open to other threads:
``call_soon_threadsafe`` in asyncio, ``TrioToken.run_sync_soon`` in trio.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from callerid.keys.crowd import Crowd

__all__ = ["Flight", "Wait"]


class Flight:
    """One fetch, from its beginning to its landing. ``begun_at`` is a time of the store's timer."""

    def __init__(self, begun_at: float) -> None:
        self.begun_at = begun_at
        self.succeeded_at: float | None = None
        self._sent_at = -math.inf
        self._sent = threading.Event()
        self._landed = threading.Event()
        self._lock = threading.Lock()
        self._watchers: set[Callable[[], object]] = set()

    @property
    def has_landed(self) -> bool:
        """Whether the fetch is over."""
        return self._landed.is_set()

    def send(self) -> None:
        """All is loaded that a first fetch needs, and the source is asked now."""
        self._sent_at = time.monotonic()
        self._sent.set()

    def land(self) -> None:
        """The fetch is over: wakes everybody who waits."""
        with self._lock:
            self._landed.set()
            self._sent.set()
            watchers, self._watchers = self._watchers, set()
        for wake in watchers:
            with suppress(RuntimeError):  # that loop has closed: nobody waits there any more
                wake()

    def block(self, seconds: float) -> None:
        """Blocks this thread until the landing, for at most ``seconds``."""
        self._landed.wait(seconds)

    def block_briefly(self, seconds: float, brief: float) -> None:
        """As ``block``, and no longer than ``brief`` seconds after the source was asked.

        A source that hangs is known by then. Until then libraries may be loading, which takes longer than most fetches.
        """
        until = time.monotonic() + seconds
        self._sent.wait(seconds)
        self._landed.wait(max(0.0, min(until, self._sent_at + brief) - time.monotonic()))

    def watch(self, wake: Callable[[], object]) -> None:
        """Has ``wake`` called once at the landing, from another thread; at once if that is past."""
        with self._lock:
            if not self.has_landed:
                self._watchers.add(wake)
                return
        wake()

    def unwatch(self, wake: Callable[[], object]) -> None:
        """Takes a watcher back; unknown ones are fine."""
        with self._lock:
            self._watchers.discard(wake)


class Wait:
    """Something a caller has to wait for before a key can be found; then ``find`` is asked again with it.

    ``seconds`` is the most it takes. Where too many wait already (see ``Crowd``) it is over sooner, and ``admitted`` is
    False then. Giving up early (a cancelled task, a closed loop) disturbs nobody else.
    """

    def __init__(self, flight: Flight, seconds: float, keys: object = None, crowd: Crowd | None = None) -> None:
        self.flight = flight
        self.seconds = seconds
        self.keys = keys
        """The key set that is waited for."""
        self.admitted = True
        self._crowd = crowd

    def __repr__(self) -> str:
        return f"Wait(seconds={self.seconds:g})"

    def block(self) -> None:
        """Blocks this thread until the fetch is over, for at most ``seconds``. Raises nothing."""
        if self._crowd is None:
            self.flight.block(self.seconds)
            return
        with self._crowd.thread() as self.admitted:
            if self.admitted:
                self.flight.block(self.seconds)
            else:
                self.flight.block_briefly(self.seconds, self._crowd.source.brief_wait)

    async def pause(self) -> None:
        """Suspends this task, of asyncio or trio, until the fetch is over, for at most ``seconds``."""
        if self._crowd is None:
            await self._pause()
            return
        with self._crowd.task() as self.admitted:
            if self.admitted:
                await self._pause()

    async def _pause(self) -> None:
        trio: Any = sys.modules.get("trio")
        if trio is not None and trio.lowlevel.in_trio_task():
            await self._pause_trio(trio)
        else:
            await self._pause_asyncio()

    async def _pause_asyncio(self) -> None:
        import asyncio  # noqa: PLC0415 - who waits here has loaded it; threads need not

        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        wake = partial(loop.call_soon_threadsafe, event.set)
        enough = loop.call_later(self.seconds, event.set)
        self.flight.watch(wake)
        try:
            await event.wait()
        finally:
            self.flight.unwatch(wake)
            enough.cancel()

    async def _pause_trio(self, trio: Any) -> None:
        event = trio.Event()
        wake = partial(trio.lowlevel.current_trio_token().run_sync_soon, event.set)
        self.flight.watch(wake)
        try:
            with trio.move_on_after(self.seconds):
                await event.wait()
        finally:
            self.flight.unwatch(wake)

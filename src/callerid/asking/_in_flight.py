"""A call in flight and its waiters: threads wait on an event, tasks on an event of their own loop.

A waiting task blocks no thread. The call wakes it by the loop's thread-safe call: ``call_soon_threadsafe`` in asyncio,
``TrioToken.run_sync_soon`` in trio.
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

    from callerid.asking._crowd import Crowd

__all__ = ["InFlight", "Wait"]


class InFlight:
    """One call from start to finish, shared by all who wait for it. ``begun_at`` is a time of the store's timer."""

    def __init__(self, begun_at: float) -> None:
        self.begun_at = begun_at
        self.succeeded_at: float | None = None
        self._sent_at = -math.inf
        self._sent = threading.Event()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._watchers: set[Callable[[], object]] = set()

    @property
    def is_done(self) -> bool:
        """Whether the call is over, with an answer or without."""
        return self._done.is_set()

    def mark_sent(self) -> None:
        """The source is being asked: all libraries that a first call imports are loaded."""
        self._sent_at = time.monotonic()
        self._sent.set()

    def finish(self) -> None:
        """The call is over: wake all waiters."""
        with self._lock:
            self._done.set()
            self._sent.set()
            watchers, self._watchers = self._watchers, set()
        for wake in watchers:
            with suppress(RuntimeError):  # the event loop is closed, so nothing waits on it
                wake()

    def block(self, seconds: float) -> None:
        """Block this thread until the call is over, for at most ``seconds``."""
        self._done.wait(seconds)

    def block_briefly(self, seconds: float, brief: float) -> None:
        """As ``block``, but no longer than ``brief`` seconds after the source was asked.

        Most sources have answered by then. The time before that is not counted: a first fetch imports libraries, which
        takes longer than most requests.
        """
        until = time.monotonic() + seconds
        self._sent.wait(seconds)
        self._done.wait(max(0.0, min(until, self._sent_at + brief) - time.monotonic()))

    def watch(self, wake: Callable[[], object]) -> None:
        """Have ``wake`` called once, by another thread, when the call is over; at once if it is over already."""
        with self._lock:
            if not self.is_done:
                self._watchers.add(wake)
                return
        wake()

    def unwatch(self, wake: Callable[[], object]) -> None:
        """Remove a callback; one that is not registered is ignored."""
        with self._lock:
            self._watchers.discard(wake)


class Wait:
    """A call that somebody has to wait for before there is an answer; then call ``find`` again with it.

    ``seconds`` is the longest it takes. Where too many wait already (see ``Crowd``) it ends sooner, and ``admitted`` is
    False then. Waiters are independent: one that is cancelled, or whose loop closes, does not affect the others.
    """

    def __init__(
        self,
        in_flight: InFlight,
        seconds: float,
        keys: object = None,
        crowd: Crowd | None = None,
        begin: Callable[[bool], None] | None = None,
    ) -> None:
        """``begin`` makes the call, if nobody has; it is told whether a task waits, on whose loop the call may run."""
        self.in_flight = in_flight
        self.seconds = seconds
        self.keys = keys
        """What is waited for: a key set, or another entry of a store."""
        self.admitted = True
        self._crowd = crowd
        self._begin = begin

    def __repr__(self) -> str:
        return f"Wait(seconds={self.seconds:g})"

    def begin(self, *, in_task: bool) -> None:
        """Have the call made without waiting for it, if nobody has: who asks later finds the answer."""
        if self._begin is not None:
            self._begin(in_task)

    def block(self) -> None:
        """Block this thread until the call is over, for at most ``seconds``. It raises nothing."""
        self.begin(in_task=False)
        if self._crowd is None:
            self.in_flight.block(self.seconds)
            return
        with self._crowd.thread() as self.admitted:
            if self.admitted:
                self.in_flight.block(self.seconds)
            else:
                self.in_flight.block_briefly(self.seconds, self._crowd.policy.brief_wait)

    async def pause(self) -> None:
        """Suspend this task, of asyncio or trio, until the call is over, for at most ``seconds``."""
        self.begin(in_task=True)
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
        import asyncio  # noqa: PLC0415 - a task has imported it; threads do not need it

        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        wake = partial(loop.call_soon_threadsafe, event.set)
        enough = loop.call_later(self.seconds, event.set)
        self.in_flight.watch(wake)
        try:
            await event.wait()
        finally:
            self.in_flight.unwatch(wake)
            enough.cancel()

    async def _pause_trio(self, trio: Any) -> None:
        event = trio.Event()
        wake = partial(trio.lowlevel.current_trio_token().run_sync_soon, event.set)
        self.in_flight.watch(wake)
        try:
            with trio.move_on_after(self.seconds):
                await event.wait()
        finally:
            self.in_flight.unwatch(wake)

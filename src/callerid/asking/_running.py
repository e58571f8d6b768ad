"""Functions run for a call: in few threads at a time, or as tasks of an event loop. Nothing of a request is seen there.

An async function runs on the loop of the task that waits for it first, where the application's own connections belong;
where none waits, on a loop in a thread of this module, the same for all.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final, Protocol
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import asyncio

__all__ = ["Overdue", "Reports", "Tasks", "Threads", "is_in_task"]

LONGEST_QUEUE: Final = 1_000
"""So many functions wait for a thread; further ones are not taken."""


class Overdue(Exception):
    """A call that was not done in time."""


class Reports(Protocol):
    """Who is told the outcome of a call."""

    def succeed(self, found: Any) -> None:
        """The function returned this."""

    def fail(self, error: BaseException) -> None:
        """The function raised this."""

    def abandon(self) -> None:
        """Its event loop ended first."""


def is_in_task() -> bool:
    """Whether the code runs in a task of an event loop."""
    return _trio() is not None or _asyncio_loop() is not None


def _trio() -> Any:
    """The module of trio in one of its tasks, else ``None``."""
    trio: Any = sys.modules.get("trio")
    return trio if trio is not None and trio.lowlevel.in_trio_task() else None


def _asyncio_loop() -> asyncio.AbstractEventLoop | None:
    """The running loop of asyncio, if there is one."""
    module: Any = sys.modules.get("asyncio")
    if module is None:
        return None
    try:
        return module.get_running_loop()  # type: ignore[no-any-return]
    except RuntimeError:
        return None


class Threads:
    """Runs functions in at most ``most`` threads at a time; others wait for their turn."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy = 0
        self._lock = threading.Lock()
        self._queue: deque[Callable[[], None]] = deque()

    def run(self, job: Callable[[], None]) -> bool:
        """Run a function that raises nothing, in a thread; False where it is not taken."""
        with self._lock:
            if self._busy >= self._most:
                has_room = len(self._queue) < LONGEST_QUEUE
                if has_room:
                    self._queue.append(job)
                return has_room
            self._busy += 1
        try:
            threading.Thread(target=self._work, args=(job,), name="callerid-asking", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is ending
            with self._lock:
                self._busy -= 1
            return False
        return True

    def _work(self, job: Callable[[], None] | None) -> None:
        while job is not None:
            job()
            job = self._next()

    def _next(self) -> Callable[[], None] | None:
        with self._lock:
            if self._queue:
                return self._queue.popleft()
            self._busy -= 1
            return None


class Tasks:
    """Runs async functions, each for at most ``seconds``, and at most ``most`` at a time on one event loop."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most, self._seconds = most, seconds
        self._turns: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
        """By event loop, a semaphore."""

    def run(self, ask: Callable[[], Awaitable[Any]], told: Reports, *, in_task: bool) -> None:
        """Run a function on the loop of this task, or where this is none on the loop of this module."""
        trio, loop = (_trio(), _asyncio_loop()) if in_task else (None, None)
        if trio is not None:
            token = trio.lowlevel.current_trio_token()
            turns = self._turns.setdefault(token, trio.Semaphore(self._most))
            # Its context is that of the loop's beginning.
            trio.lowlevel.spawn_system_task(self._in_trio, trio, turns, ask, told, name="callerid-asking")
        elif loop is not None:
            self._spawn(loop, ask, told)
        else:
            own = _OWN.loop()
            own.call_soon_threadsafe(self._spawn, own, ask, told)

    def _spawn(self, loop: asyncio.AbstractEventLoop, ask: Callable[[], Awaitable[Any]], told: Reports) -> None:
        import asyncio  # noqa: PLC0415 - a loop of it runs; threads do not need it

        turns = self._turns.setdefault(loop, asyncio.Semaphore(self._most))
        task = loop.create_task(self._in_asyncio(turns, ask, told), name="callerid-asking", context=Context())
        _RUNNING.add(task)  # a loop holds its tasks weakly
        task.add_done_callback(_RUNNING.discard)

    async def _in_asyncio(self, turns: asyncio.Semaphore, ask: Callable[[], Awaitable[Any]], told: Reports) -> None:
        import asyncio  # noqa: PLC0415 - as above

        limit = asyncio.timeout(self._seconds)
        try:
            async with limit, turns:
                found = await ask()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                told.abandon()
                raise
            told.fail(error)  # of something that the function waited for
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever went wrong, it has no answer
            told.fail(Overdue() if limit.expired() else error)
        except BaseException:  # the loop ends
            told.abandon()
            raise
        else:
            told.succeed(found)

    async def _in_trio(self, trio: Any, turns: Any, ask: Callable[[], Awaitable[Any]], told: Reports) -> None:
        found: Any = None
        try:
            with trio.move_on_after(self._seconds) as limit:
                async with turns:
                    found = await ask()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - as above
            told.fail(error)
        except BaseException:  # the loop ends
            told.abandon()
            raise
        else:
            if limit.cancelled_caught:
                told.fail(Overdue())
            else:
                told.succeed(found)


_RUNNING: Final[set[Any]] = set()
"""The tasks of asyncio that run."""


class _OwnLoop:
    """An event loop of asyncio in a thread of its own, started when it is needed first; it ends with the process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: in a forked child, whose parent has the thread."""
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._told_to_end: asyncio.Event

    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop, which runs. Raises RuntimeError where no thread can be started."""
        with self._lock:
            if self._thread is None:
                runs = threading.Event()
                thread = threading.Thread(target=self._run, args=(runs,), name="callerid-asking-loop", daemon=True)
                thread.start()
                runs.wait()
                self._thread = thread
            return self._loop

    def end(self) -> None:
        """Cancel what runs, and end the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._loop.call_soon_threadsafe(self._told_to_end.set)
            thread.join(1)

    def _run(self, runs: threading.Event) -> None:
        import asyncio  # noqa: PLC0415 - only where an async function is called without a loop

        async def until_told() -> None:
            self._loop, self._told_to_end = asyncio.get_running_loop(), asyncio.Event()
            runs.set()
            await self._told_to_end.wait()

        asyncio.run(until_told())


_OWN: Final = _OwnLoop()
atexit.register(_OWN.end)

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(after_in_child=_OWN.forget)

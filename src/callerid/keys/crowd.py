"""How many callers wait for keys at a time, so that a hanging key endpoint does not hold every thread of a server."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable

    from callerid.keys.source import KeyPolicy

__all__ = ["Count", "Crowd"]


class Count:
    """Counts who waits for the keys of one store, by their source. Safe across threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        with self._lock:
            return self._waiting.total()

    @contextmanager
    def place(self, source: Hashable, most: int) -> Generator[bool, None, None]:
        """Counts a caller as long as it waits; False, and not counted, where ``most`` wait already.

        The first who waits for a source is always let in: others that hang cannot keep its keys from being waited for.
        """
        with self._lock:
            admitted = not self._waiting[source] or self._waiting.total() < most
            if admitted:
                self._waiting[source] += 1
        try:
            yield admitted
        finally:
            if admitted:
                self._leave(source)

    def _leave(self, source: Hashable) -> None:
        with self._lock:
            self._waiting[source] -= 1
            if not self._waiting[source]:
                del self._waiting[source]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Who waits for the keys of one store, and how many may by the settings of the source that is waited for.

    A waiting thread is one that serves nobody else, so few may wait. A waiting task costs some memory only.
    """

    threads: Count
    tasks: Count
    source: KeyPolicy

    def thread(self) -> AbstractContextManager[bool]:
        """Counts a thread as long as it waits; False where too many do."""
        return self.threads.place(self.source, self.source.waiting_threads)

    def task(self) -> AbstractContextManager[bool]:
        """Counts a task as long as it waits; False where too many do."""
        return self.tasks.place(self.source, self.source.waiting_tasks)

"""Limits how many callers wait for answers at a time, so that a hanging source does not block every server thread."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Hashable

    from callerid.asking._policy import AskPolicy

__all__ = ["Count", "Crowd"]


class Count:
    """Counts the callers that wait for answers of one store, by source. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Counter[Hashable] = Counter()

    def __len__(self) -> int:
        with self._lock:
            return self._waiting.total()

    @contextmanager
    def place(self, source: Hashable, most: int) -> Generator[bool, None, None]:
        """Count a caller while it waits; yields False, and does not count it, where ``most`` wait already.

        The first caller for a source is always admitted: other sources that hang cannot starve this one.
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
    """The callers that wait for answers of one store, the source that is waited for, and its limits.

    A waiting thread serves no other request, so few may wait. A waiting task costs only memory.
    """

    threads: Count
    tasks: Count
    source: Hashable
    policy: AskPolicy

    def thread(self) -> AbstractContextManager[bool]:
        """Count a thread while it waits; yields False where too many do."""
        return self.threads.place(self.source, self.policy.waiting_threads)

    def task(self) -> AbstractContextManager[bool]:
        """Count a task while it waits; yields False where too many do."""
        return self.tasks.place(self.source, self.policy.waiting_tasks)

"""How one source of answers fares: where its functions run, and its failures in a row, about whatever keys."""

from __future__ import annotations

from typing import Final

from callerid.asking._entry import Call
from callerid.asking._plan import State
from callerid.asking._policy import AskPolicy
from callerid.asking._running import Tasks, Threads

__all__ = ["FAILURES_IN_A_ROW", "MOST_CALLS", "AskedSource"]

MOST_CALLS: Final = 16
"""So many functions of one source run at a time, and so many tasks on one event loop."""

FAILURES_IN_A_ROW: Final = 3
"""After so many of its own, about whatever keys, a source is left alone for a while."""


class AskedSource:
    """What a store has of one source: where its functions run, and its failures in a row, about whatever keys."""

    def __init__(self, policy: AskPolicy) -> None:
        self.threads = Threads(MOST_CALLS)
        self.tasks = Tasks(MOST_CALLS, policy.fetch_seconds)
        self.health = State()
        self.latency: float | None = None
        self.failures, self.last_error = 0, ""
        self._seconds = policy.fetch_seconds
        self._calls: list[Call] = []

    def begin(self, call: Call) -> None:
        """Remember a call that is made."""
        self._calls = [each for each in self._calls if not each.is_done]
        self._calls.append(call)

    def is_spared(self, now: float, *, is_known: bool) -> bool:
        """Whether nothing more is asked now, since whatever is asked fails.

        A source that hangs would otherwise hold up as many threads as may wait, each time its back-off ends. What is
        asked about somebody who was known goes on: strangers' questions may be what it fails at.
        """
        if self.health.failures < FAILURES_IN_A_ROW:
            return now < self.health.retry_at and not is_known
        running = sum(not each.is_done and now < each.begun_at + self._seconds for each in self._calls)
        return running >= FAILURES_IN_A_ROW if is_known else running > 0 or now < self.health.retry_at

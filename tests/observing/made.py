"""An observer that keeps what it is told."""

from __future__ import annotations

import threading
from typing import Any

from callerid.observing import ObservedDecision, Observer


class Told(Observer):
    """Keeps everything; `key_fetch` and `look_up` are set once one was told."""

    def __init__(self) -> None:
        self.guards: list[Any] = []
        self.decisions: list[ObservedDecision] = []
        self.verifications: list[tuple[str, bool]] = []
        self.fetches: list[tuple[str, str]] = []
        self.lookups: list[tuple[str, bool]] = []
        self.answers: list[tuple[str, float, bool]] = []
        self.key_fetch, self.look_up = threading.Event(), threading.Event()

    def attached(self, guard: Any) -> None:
        self.guards.append(guard)

    def decided(self, decision: ObservedDecision) -> None:
        self.decisions.append(decision)

    def verified(self, family: str, seconds: float, *, from_memory: bool) -> None:
        assert seconds >= 0
        self.verifications.append((family, from_memory))

    def fetched_keys(self, source: str, seconds: float, error: str) -> None:
        assert seconds >= 0
        self.fetches.append((source, error))
        self.key_fetch.set()

    def looked_up(self, name: str, seconds: float, *, failed: bool) -> None:
        assert seconds >= 0
        self.lookups.append((name, failed))
        self.look_up.set()

    def used_answer(self, name: str, age: float, *, is_stale: bool) -> None:
        self.answers.append((name, age, is_stale))


class Failing(Observer):
    """Raises whatever it is told."""

    def _fail(self, *_: Any, **__: Any) -> None:
        raise ZeroDivisionError("ada@example.com")

    attached = decided = verified = fetched_keys = looked_up = used_answer = _fail

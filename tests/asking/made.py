"""Sources to ask, whose answers tests hold back, and how a caller asks a store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

from callerid.asking import Answers, AskPolicy, Found, Source, SourceAnswer, Wait

POLICY = AskPolicy(fetch_seconds=2, stale_seconds=0, waiting_threads=50)


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Somebody:
    """Answers by a function of one's own, and counts how often they are asked."""

    def __init__(self, answer: Callable[[Any], SourceAnswer[Any]] | None = None) -> None:
        self.asked: list[Any] = []
        self.gate = threading.Event()
        self.gate.set()
        self.answer = answer or (lambda key: SourceAnswer(f"answer to {key}", 60))

    def __call__(self, key: Any) -> SourceAnswer[Any]:
        self.asked.append(key)
        self.gate.wait(30)
        return self.answer(key)

    async def awaited(self, key: Any) -> SourceAnswer[Any]:
        self.asked.append(key)
        return self.answer(key)


def source(policy: AskPolicy = POLICY, **options: Any) -> Source:
    return Source("The source of the tests", policy, **options)


def find(answers: Answers, of: Source, somebody: Callable[[Any], Any], key: Hashable = "k", *waited: Wait) -> Any:
    return answers.find(of, key, lambda: somebody(key), waited)


def ask(answers: Answers, of: Source, somebody: Callable[[Any], Any], key: Hashable = "k") -> Any:
    """The value of the answer, waited for in this thread."""
    waited: tuple[Wait, ...] = ()
    while isinstance(found := find(answers, of, somebody, key, *waited), Wait):
        found.block()
        waited = (*waited, found)
    return found.answer.value


async def ask_async(answers: Answers, of: Source, somebody: Callable[[Any], Any], key: Hashable = "k") -> Any:
    """The value of the answer, waited for in this task."""
    waited: tuple[Wait, ...] = ()
    while isinstance(found := find(answers, of, somebody, key, *waited), Wait):
        await found.pause()
        waited = (*waited, found)
    return found.answer.value


def at_once(answers: Answers, of: Source, somebody: Callable[[Any], Any], key: Hashable = "k") -> Any:
    """The value of an answer that is not waited for."""
    found = find(answers, of, somebody, key)
    assert isinstance(found, Found)
    return found.answer.value


def must_wait(answers: Answers, of: Source, somebody: Callable[[Any], Any], key: Hashable = "k") -> Wait:
    found = find(answers, of, somebody, key)
    assert isinstance(found, Wait)
    return found


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)

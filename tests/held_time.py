"""Event loops whose time stands still while anything can run and jumps to the next deadline when nothing can.

What waits for hours ends at once, in the order of the deadlines, on a machine however busy. Only for what happens
inside the loop: work in other threads takes no time here.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
import trio
import trio.testing

__all__ = ["run"]

T = TypeVar("T")


def run(main: Callable[[], Awaitable[T]], backend: str = "asyncio") -> T:
    """As `anyio.run`, in held time: ``anyio.current_time()`` begins at 0."""
    if backend == "trio":  # directly: anyio before 4.5 gives trio no options
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return anyio.run(main, backend=backend, backend_options={"loop_factory": _Loop})


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing can run, and nothing is to happen later")
        if not ready and timeout:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._held = _Selector()
        super().__init__(self._held)

    def time(self) -> float:
        return self._held.now

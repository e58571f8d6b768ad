"""A flow yields a `callerid.keys.Wait` wherever it has to wait; these drive it, in threads and in tasks."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from callerid.keys import Wait

__all__ = ["Flow", "arun", "at_once", "run"]

T = TypeVar("T")
Flow = Generator[Wait, None, T]


def run(flow: Flow[T]) -> T:
    """Drive a flow in a thread."""
    try:
        while True:
            next(flow).block()
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def arun(flow: Flow[T]) -> T:
    """Drive a flow in a task, on asyncio or trio."""
    try:
        while True:
            await next(flow).pause()
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def at_once(flow: Flow[T]) -> T | None:
    """What a flow gives without waiting; ``None`` where it would wait. A fetch that it began goes on behind."""
    try:
        next(flow)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    flow.close()
    return None

"""Waiting for keys, in a thread or a task. An attempt that returns a `Wait` is repeated once that is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from callerid.authentication._verification import Waited
from callerid.keys import Wait

__all__ = ["Attempt", "resolve", "resolve_async"]

T = TypeVar("T")
Attempt: TypeAlias = Callable[[Waited], T | Wait]
"""Returns a result or a `Wait`; it is called with all waits that are over, and never returns one of them again."""


def resolve(attempt: Attempt[T]) -> T:
    """The attempt's result, waited for in this thread."""
    waited: Waited = ()
    while isinstance(found := attempt(waited), Wait):
        found.block()
        waited = (*waited, found)
    return found


async def resolve_async(attempt: Attempt[T]) -> T:
    """The attempt's result, waited for in this task, of asyncio or trio."""
    waited: Waited = ()
    while isinstance(found := attempt(waited), Wait):
        await found.pause()
        waited = (*waited, found)
    return found

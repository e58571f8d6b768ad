"""Ratios that mean something on a shared machine: contenders take turns, and each round is compared with itself.

Processor time is counted, not the clock on the wall: what others run meanwhile is no part of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

__all__ = ["Row", "ratios", "turns"]


@dataclass(frozen=True)
class Row:
    """One line of the results: a ratio beside a baseline of 1.0, and what it should reach.

    ``bound`` is "≤" or "≥"; ``reach`` is ``None`` for a peer, which is shown and not judged.
    """

    section: str
    name: str
    ratio: float
    bound: str = ""
    reach: float | None = None
    note: str = ""

    def holds(self, room: float) -> bool:
        """Whether the ratio is where it should be, with some room for noise (0.1: a tenth)."""
        if self.reach is None:
            return True
        return self.ratio <= self.reach * (1 + room) if self.bound == "≤" else self.ratio >= self.reach * (1 - room)


def turns(
    contenders: Mapping[str, Callable[[], object]], *, rounds: int = 15, seconds: float = 0.03
) -> dict[str, list[float]]:
    """Seconds per call of each contender, round by round, all of them in every round."""
    counts = {name: _calls_in(call, seconds) for name, call in contenders.items()}
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            taken[name].append(_timed(call, counts[name]) / counts[name])
    return taken


def ratios(taken: Mapping[str, list[float]], baseline: str) -> dict[str, float]:
    """The median over the rounds of each contender's time beside the baseline's in the same round."""
    base = taken[baseline]
    return {name: median(one / other for one, other in zip(times, base, strict=True)) for name, times in taken.items()}


def _calls_in(call: Callable[[], object], seconds: float) -> int:
    count = 1
    while (taken := _timed(call, count)) < seconds / 4:
        count *= 4
    return max(1, int(count * seconds / taken))


def _timed(call: Callable[[], object], count: int) -> float:
    repeat = range(count)
    begin = time.process_time()
    for _ in repeat:
        call()
    return time.process_time() - begin

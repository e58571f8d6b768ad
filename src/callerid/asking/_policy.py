"""The settings by which something is asked for and its answer is cached: an immutable value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from callerid.errors import ConfigurationError

__all__ = ["AskPolicy", "require_counts", "require_seconds"]


@dataclass(frozen=True, kw_only=True)
class AskPolicy:
    """The settings by which something is asked for and its answer is cached. All times are in seconds.

    Raises ConfigurationError for a number out of range.
    """

    fetch_seconds: float = 5.0
    """One call ends within this in all: of a fetch name look-up, connection, TLS, headers and body together."""
    refresh_fraction: float = 0.1
    """In this last part of a lifetime, a request starts a refresh in the background and uses the cached answer."""
    stale_wait: float = 1.0
    """Once the answer has expired, a caller waits at most this long for the refresh; then the old one is used."""
    stale_seconds: float = 86_400.0
    """An old answer is used this long past its expiry while asking fails."""
    shortest_backoff: float = 1.0
    """After a first failure nobody is asked for this long; each further failure doubles it."""
    longest_backoff: float = 30.0
    """The back-off grows no longer than this."""
    waiting_threads: int = 3
    """While this many threads wait for answers of a guard, whatever their sources, others wait for ``brief_wait`` only;
    then they use the cached answer, or answer 503. One thread may always wait for each source. So the rest of a
    server's threads go on serving while a source hangs; raise it for a server with many threads."""
    brief_wait: float = 0.25
    """Any number of threads wait this long after the source was asked: most calls are done by then."""
    waiting_tasks: int = 1_000
    """This many tasks of event loops may wait at a time; each costs memory and no thread. Further ones do not wait."""

    def __post_init__(self) -> None:
        require_seconds(self, "fetch_seconds", "shortest_backoff", positive=True)
        require_seconds(self, "stale_wait", "stale_seconds", "refresh_fraction", "longest_backoff", "brief_wait")
        if self.refresh_fraction >= 1:
            raise ConfigurationError(
                f"refresh_fraction is {self.refresh_fraction}: give a part of one, such as 0.1.",
                code="number-out-of-range",
            )
        if self.longest_backoff < self.shortest_backoff:
            raise ConfigurationError(
                "longest_backoff is below shortest_backoff: raise it, or lower the other.", code="number-out-of-range"
            )
        require_counts(self, "waiting_threads", "waiting_tasks")


def require_seconds(policy: AskPolicy, *names: str, positive: bool = False) -> None:
    """Raise ConfigurationError unless each of these settings is a finite number, above 0 or at least 0."""
    for name in names:
        value: Any = getattr(policy, name)
        is_number = type(value) in (int, float) and math.isfinite(value)
        if not is_number or value < 0 or (positive and value == 0):
            bound = "above 0" if positive else "of at least 0"
            raise ConfigurationError(f"{name} is {value!r}: give a finite number {bound}.", code="number-out-of-range")


def require_counts(policy: AskPolicy, *names: str) -> None:
    """Raise ConfigurationError unless each of these settings is a whole number above 0."""
    for name in names:
        value: Any = getattr(policy, name)
        if type(value) is not int or value < 1:
            raise ConfigurationError(f"{name} is {value!r}: give a whole number above 0.", code="number-out-of-range")

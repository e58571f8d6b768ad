"""What to do about something that is asked for, and what each event changes. Pure: state in, value out.

Times are in seconds of one monotonic clock; time is an argument.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from callerid.asking._policy import AskPolicy

__all__ = [
    "GRACE",
    "Fetch",
    "RetryLater",
    "State",
    "Use",
    "begun",
    "failed",
    "plan_held",
    "plan_missing",
    "unavailable",
]

GRACE = 1.0
"""Waiters are woken when a call times out; if nobody could be told to wake them, they give up this much later."""


@dataclass(frozen=True, slots=True)
class State:
    """What is known of something that is asked for, beside the answer. Before the first call it is ``State()``."""

    fetched_at: float = -math.inf
    """When the call that brought the answer began: its age counts from there (RFC 9111 section 4.2.3)."""
    lifetime: float = 0.0
    """Seconds the answer is fresh; infinite for one that is never asked for again."""
    begun_at: float | None = None
    """When the call in flight began, if there is one."""
    failures: int = 0
    """Calls that failed since the last one that succeeded."""
    retry_at: float = -math.inf
    """The end of the back-off."""
    last_error: str = ""
    """Why the last call failed; empty when it succeeded."""

    @property
    def has_answer(self) -> bool:
        """Whether a call has brought an answer."""
        return self.fetched_at > -math.inf

    @property
    def expires_at(self) -> float:
        """The end of the lifetime."""
        return self.fetched_at + self.lifetime

    def refresh_at(self, policy: AskPolicy) -> float:
        """When the last part of the lifetime begins, in which a refresh is due."""
        return self.fetched_at + self.lifetime * (1 - policy.refresh_fraction)

    def use_until(self, policy: AskPolicy) -> float:
        """Until when the answer is used without a call: then a refresh or retry is due, or it is not usable."""
        return min(max(self.refresh_at(policy), self.retry_at), self.expires_at + policy.stale_seconds)

    def is_fresh(self, now: float) -> bool:
        """Whether there is an answer, within its lifetime."""
        return self.has_answer and now < self.expires_at

    def is_usable(self, policy: AskPolicy, now: float) -> bool:
        """Whether there is an answer, fresh or not too far past its lifetime."""
        return self.has_answer and now < self.expires_at + policy.stale_seconds

    def ask_again_at(self, now: float) -> float:
        """When one who got no answer may ask again."""
        return self.retry_at


S = TypeVar("S", bound=State)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Use(Generic[T]):
    """Use this answer (of a key set: this key)."""

    held: T


@dataclass(frozen=True, slots=True)
class Fetch(Generic[T]):
    """Start a call, or join the one in flight, and wait for at most ``seconds``.

    0 seconds: it runs in the background, and this request uses what is ``held`` now. ``because_unknown``: the call is
    made because a key id is not in the set, so it starts the cool-down.
    """

    seconds: float
    held: T | None = None
    because_unknown: bool = False


@dataclass(frozen=True, slots=True)
class RetryLater:
    """There is no answer now; ask again after ``retry_after`` seconds."""

    retry_after: float


def plan_held(policy: AskPolicy, state: State, held: T, now: float) -> Use[T] | Fetch[T]:
    """What to do where there is a usable answer."""
    if now < state.refresh_at(policy) or now < state.retry_at:
        return Use(held)
    waited_already = 0.0 if state.begun_at is None else now - state.begun_at
    seconds = 0.0 if state.is_fresh(now) else max(0.0, policy.stale_wait - waited_already)
    if seconds == 0.0 and state.begun_at is not None:
        return Use(held)
    return Fetch(seconds, held)


def plan_missing(policy: AskPolicy, state: State, now: float) -> Fetch[Any] | RetryLater:
    """What to do where there is none.

    A caller waits for the whole call, but only for ``stale_wait`` if the last one failed: otherwise an outage would
    block every thread of a server each time the back-off ends.
    """
    most = policy.stale_wait if state.failures else policy.fetch_seconds + GRACE
    if state.begun_at is not None:
        seconds = state.begun_at + most - now
        return Fetch(seconds) if seconds > 0 else unavailable(state, now)
    return unavailable(state, now) if now < state.retry_at else Fetch(most)


def unavailable(state: State, now: float) -> RetryLater:
    """There is no answer, and when there may be one."""
    return RetryLater(max(1.0, state.ask_again_at(now) - now))


def begun(state: S, now: float) -> S:
    """The state once a call has begun."""
    return replace(state, begun_at=now)


def failed(policy: AskPolicy, state: S, now: float, error: str, retry_after: float = 0.0) -> S:
    """The call under way failed; the answer stays, and the back-off doubles.

    ``retry_after``: seconds the source asked to be left alone; it can lengthen the back-off up to its longest.
    """
    doubled = policy.shortest_backoff * 2.0 ** min(state.failures, 64)
    backoff = min(policy.longest_backoff, max(doubled, retry_after))
    return replace(state, begun_at=None, failures=state.failures + 1, retry_at=now + backoff, last_error=error)

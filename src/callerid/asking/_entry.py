"""Whom a store asks, what they answer, and what is known of one answer: without the store's lock."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from callerid.asking._in_flight import InFlight
from callerid.asking._plan import State
from callerid.asking._policy import AskPolicy
from callerid.asking._running import Overdue
from callerid.errors import Reason, one_line

__all__ = ["AskError", "Call", "Entry", "Found", "Source", "SourceAnswer", "SourceStatus", "cause_of", "is_of_source"]

T = TypeVar("T")


class AskError(Exception):
    """A call that brought no answer; the message is fit for a log, unlike that of any other exception.

    ``retry_after``: seconds the source asked to be left alone, 0 if it did not. ``is_source``: it would fail at other
    questions, too; else this one may be to blame, or how many were asked.
    """

    def __init__(self, message: str, *, retry_after: float = 0.0, is_source: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.is_source = is_source


@dataclass(frozen=True, slots=True, eq=False)
class SourceAnswer(Generic[T]):
    """What a source answered, and for how many seconds it is fresh.

    ``is_known``: the source knows what it was asked about. Such answers are kept apart, so that no flood of questions
    about what nobody knows displaces them, and are asked for again even where other questions fail.
    """

    value: T
    lifetime: float
    is_known: bool = True


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Source:
    """Somebody who is asked. ``name`` names them in logs, ``remedy`` is the remedy where they fail.

    ``is_async``: the functions that ask are async. ``reason`` is that of a request which cannot be judged meanwhile.
    """

    name: str
    policy: AskPolicy
    is_async: bool = False
    reason: Reason = Reason.VERIFICATION_UNAVAILABLE
    remedy: str = ""


class Found(NamedTuple, Generic[T]):
    """An answer that may be used now, and where it is kept."""

    answer: SourceAnswer[T]
    entry: Entry[T]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source fares, and what is known of it, for a probe. Times are in seconds."""

    entries: int
    """Answers that may be used, about whatever they are."""
    stale: int
    """Those of them that are past their lifetime, and used because the source fails or was not asked again yet."""
    latency: float | None
    """How long the last call took that brought an answer; None where none has."""
    failures: int
    """Calls that failed since the last one that succeeded, about whatever they were."""
    last_error: str
    """Why the last call failed; empty when it succeeded."""


class Entry(Generic[T]):
    """What is known of one source's answer about one key."""

    __slots__ = ("_timer", "_until", "answer", "call", "key", "source", "state")

    def __init__(self, source: Source, key: Hashable, timer: Callable[[], float]) -> None:
        self.source, self.key = source, key
        self.call: Call | None = None
        self._timer = timer
        self.hold(State(), None)

    def hold(self, state: State, answer: SourceAnswer[T] | None) -> None:
        """Replace what is known."""
        self.state, self.answer = state, answer
        self._until = (answer, state.use_until(self.source.policy))

    @property
    def at_hand(self) -> SourceAnswer[T] | None:
        """The answer, if no call is due."""
        answer, until = self._until
        return answer if self._timer() < until else None

    def serves(self, answer: object) -> bool:
        """Whether this is the answer still, and no call is due."""
        held, until = self._until
        return held is answer and self._timer() < until


class Call(InFlight):
    """A call about an entry, which begins with the first who waits for it. It never holds what is asked about."""

    def __init__(self, begun_at: float) -> None:
        super().__init__(begun_at)
        self.has_begun = False
        self.was_abandoned = False

    def begin(self) -> bool:
        """Whether the one who asks is the first, and so has to make the call."""
        with self._lock:
            is_first, self.has_begun = not self.has_begun, True
        if is_first:
            self.mark_sent()
        return is_first


def is_of_source(error: BaseException) -> bool:
    """Whether a failed call says of the source that it would fail at other questions, too.

    What other code raises may be due to what was asked about: a stranger's credential, at which a function of the
    application's stumbles. Then nobody else has to wait for it.
    """
    return error.is_source if isinstance(error, AskError) else isinstance(error, Overdue)


def cause_of(error: BaseException) -> str:
    """Why a call failed, safe to log; empty where it took too long.

    Of an exception of other code it names type and place alone: its message, and the values of variables, may hold what
    was asked about.
    """
    if isinstance(error, AskError):
        return one_line(str(error))
    if isinstance(error, Overdue):
        return ""
    frames = traceback.extract_tb(error.__traceback__, limit=-1)
    place = f" at {frames[0].filename}:{frames[0].lineno}, in {frames[0].name}" if frames else ""
    return one_line(f"{type(error).__name__}{place}")

"""A bounded store of answers, each asked for by one call at a time, however many threads and tasks wait for it.

A source is asked about a key: a credential's digest, a caller. The answer is used while it is fresh, asked for again
behind requests in the last part of its lifetime, and used for a while longer where the source fails.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

from cachetools import LRUCache

from callerid._forks import renew_in_child
from callerid.asking import _plan as plan
from callerid.asking._crowd import Count, Crowd
from callerid.asking._entry import (
    AskError,
    Call,
    Entry,
    Found,
    Source,
    SourceAnswer,
    SourceStatus,
    cause_of,
    is_of_source,
)
from callerid.asking._health import FAILURES_IN_A_ROW, MOST_CALLS, AskedSource
from callerid.asking._in_flight import Wait
from callerid.asking._plan import State
from callerid.asking._running import is_in_task
from callerid.errors import Unavailable

__all__ = ["Answers"]

logger = logging.getLogger("callerid")

T = TypeVar("T")

MOST_RECENT: Final = 1024
"""So many answers are read without a lock; then all of them are looked up once more, so that the store knows of it."""

MOST_ABANDONED: Final = 3
"""A caller begins so many further calls, where event loops end before they are done."""


class Answers:
    """The answers of any number of sources. Safe across threads, event loops and ``fork``, after which it is empty.

    ``timer`` gives monotonic seconds. ``size`` is how many answers of those who are known are kept, and how many of
    others. `find` returns at once, with an answer or with a `Wait`: wait on it, then call again with it.
    """

    def __init__(self, size: int = 4096, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._size = max(size, MOST_CALLS)
        self.on_call: Callable[..., object] | None = None
        """Is told of each call: how many seconds it took, and with ``failed=`` whether it failed."""
        self._timer = timer
        self.clear()
        renew_in_child(self)

    def clear(self) -> None:
        """Forget everything and replace the locks; a forked child calls it by itself."""
        self._lock = threading.Lock()
        self._waiting = Count(), Count()
        self._known: LRUCache[Hashable, Entry[Any]] = LRUCache(self._size)
        self._others: LRUCache[Hashable, Entry[Any]] = LRUCache(self._size)
        self._recent: dict[Hashable, Entry[Any]] = {}
        """Known answers that were read lately: read without the lock. Few, so that none is forgotten in ``_known``."""
        self._sources: WeakKeyDictionary[Source, AskedSource] = WeakKeyDictionary()

    renew_after_fork = clear

    def find(
        self,
        source: Source,
        key: Hashable,
        ask: Callable[[], SourceAnswer[T]] | Callable[[], Awaitable[SourceAnswer[T]]],
        waited: Iterable[Wait] = (),
    ) -> Found[T] | Wait:
        """The answer of a source about a key, or a `Wait`. ``waited`` are the waits that are over for this request.

        ``ask`` asks for it, in a thread or (where the source is async) in a task. Raises `callerid.errors.Unavailable`
        where there is no answer now.
        """
        own = [wait for wait in waited if _is_about(wait, source, key)]
        with self._lock:
            entry = cast("Entry[T]", own[-1].keys) if own else self._entry(source, key)
            late, asked = self._overdue(entry), self._asked(source)
            decision = self._plan(entry, own)
            call = self._join(entry) if isinstance(decision, plan.Fetch) else None
        if late is not None:
            self._tell(source, late)
            self._called(source.policy.fetch_seconds, failed=True)
        if isinstance(decision, plan.Use):
            return Found(decision.held, entry)
        if isinstance(decision, plan.RetryLater):
            raise _refusal(entry, decision, own, asked.health.last_error)
        assert call is not None  # noqa: S101 - it is a Fetch
        begin = partial(self._begin, entry, call, ask)
        if decision.held is not None and decision.seconds == 0:
            begin(is_in_task())
            return Found(decision.held, entry)
        return Wait(call, decision.seconds, entry, Crowd(*self._waiting, source, source.policy), begin)

    def status(self, source: Source) -> SourceStatus:
        """How a source fares, and how many of its answers there are."""
        now = self._timer()
        with self._lock:
            entries = [each for store in (self._known, self._others) for each in store.values()]
            states = [each.state for each in entries if each.source is source]
            asked = self._asked(source)
        usable = [state for state in states if state.is_usable(source.policy, now)]
        stale = sum(not state.is_fresh(now) for state in usable)
        return SourceStatus(len(usable), stale, asked.latency, asked.failures, asked.last_error)

    def held(self, source: Source, key: Hashable) -> Entry[Any] | None:
        """What is known of a source's answer about a key, if it has answered. Does no I/O, and asks nobody."""
        found = self._recent.get((source, key))
        if found is None:
            with self._lock:
                found = self._known.get((source, key))
                if found is not None:
                    if len(self._recent) >= min(MOST_RECENT, self._size // 2):
                        self._recent = {}
                    self._recent[source, key] = found
        return found

    def forget(self, concerns: Callable[[Any], bool]) -> None:
        """Forget the answers about these keys. Calls under way are made anew, for those who wait for them."""
        ended: list[Call] = []
        with self._lock:
            self._recent = {}
            for store in (self._known, self._others):
                for each in [each for each in store if concerns(cast("tuple[Source, Any]", each)[1])]:
                    entry = store.pop(each)
                    call, entry.call = entry.call, None
                    entry.hold(State(), None)
                    if call is not None:
                        call.was_abandoned = True
                        ended.append(call)
        for call in ended:
            call.finish()

    def expire(self, found: Found[Any]) -> None:
        """Use an answer no more, unless another one has come meanwhile."""
        with self._lock:
            if found.entry.answer is found.answer:
                found.entry.hold(replace(found.entry.state, lifetime=0.0), found.answer)

    def _entry(self, source: Source, key: Hashable) -> Entry[Any]:
        entry = self._known.get((source, key)) or self._others.get((source, key))
        if entry is None:
            entry = self._others[source, key] = Entry(source, key, self._timer)
        return entry

    def _asked(self, source: Source) -> AskedSource:
        asked = self._sources.get(source)
        if asked is None:
            asked = self._sources[source] = AskedSource(source.policy)
        return asked

    def _plan(
        self, entry: Entry[T], own: list[Wait]
    ) -> plan.Use[SourceAnswer[T]] | plan.Fetch[SourceAnswer[T]] | plan.RetryLater:
        now, state, policy = self._timer(), entry.state, entry.source.policy
        if entry.answer is not None and state.is_usable(policy, now):
            return plan.Use(entry.answer) if own else plan.plan_held(policy, state, entry.answer, now)
        if own and not self._may_begin_again(own):
            return plan.unavailable(state, now)
        asked = self._asked(entry.source)
        is_known = entry.answer is not None and entry.answer.is_known
        if state.begun_at is None and asked.is_spared(now, is_known=is_known):
            return plan.unavailable(asked.health, now)
        decision = plan.plan_missing(policy, state, now)
        if isinstance(decision, plan.Fetch):
            begun_at = now if state.begun_at is None else state.begun_at
            return plan.Fetch(min(decision.seconds, begun_at + policy.fetch_seconds + _MARGIN - now))
        return decision

    @staticmethod
    def _may_begin_again(own: list[Wait]) -> bool:
        last = own[-1].in_flight
        return isinstance(last, Call) and last.was_abandoned and len(own) <= MOST_ABANDONED

    def _join(self, entry: Entry[Any]) -> Call:
        """The call in flight, or a new one. Called with the lock held."""
        if entry.call is None:
            now = self._timer()
            entry.call = Call(now)
            entry.hold(plan.begun(entry.state, now), entry.answer)
        return entry.call

    def _overdue(self, entry: Entry[Any]) -> tuple[str, float] | None:
        """Record the failure of a call whose time is up: whoever waited for it comes by. Called with the lock held."""
        call, now = entry.call, self._timer()
        if call is None:
            return None
        if not call.has_begun:  # whoever was to wait for it did not
            call.begun_at = now
            entry.hold(plan.begun(entry.state, now), entry.answer)
        if now < call.begun_at + entry.source.policy.fetch_seconds:
            return None
        failure = self._record(entry, "")
        call.finish()
        return failure

    def _begin(self, entry: Entry[Any], call: Call, ask: Callable[[], Any], in_task: bool) -> None:
        """Make the call, unless somebody has."""
        if not call.begin():
            return
        told = _Told(self, entry, call)
        with self._lock:
            asked = self._asked(entry.source)
            asked.begin(call)
        if entry.source.is_async:
            try:
                asked.tasks.run(ask, told, in_task=in_task)
            except RuntimeError:  # no more threads, or the interpreter is ending
                told.abandon()
        elif not asked.threads.run(partial(_work, ask, told, call)):
            told.fail(AskError("too many questions wait for a thread"))

    def succeed(self, entry: Entry[T], call: Call, answer: SourceAnswer[T]) -> None:
        """Keep the answer of a call, unless its time was up before."""
        source, key = entry.source, entry.key
        with self._lock:
            if entry.call is not call:
                return
            entry.call = None
            entry.hold(State(fetched_at=call.begun_at, lifetime=answer.lifetime), answer)
            for_it, other = (self._known, self._others) if answer.is_known else (self._others, self._known)
            other.pop((source, key), None)
            self._recent.pop((source, key), None)
            for_it[source, key] = entry
            asked = self._asked(source)
            failures, asked.health = asked.health.failures, State()
            asked.latency = seconds = self._timer() - call.begun_at
            asked.failures, asked.last_error = 0, ""
        if failures:
            logger.info("%s answers again, after %d failures.", source.name, failures)
        call.finish()
        self._called(seconds, failed=False)

    def fail(self, entry: Entry[Any], call: Call, error: BaseException) -> None:
        """Record a call that brought no answer."""
        cause = cause_of(error)
        asked_for = error.retry_after if isinstance(error, AskError) else 0.0
        with self._lock:
            if entry.call is not call:
                return
            failure = self._record(entry, cause, asked_for, is_source=is_of_source(error))
        self._tell(entry.source, failure)
        call.finish()
        self._called(self._timer() - call.begun_at, failed=True)

    def _called(self, seconds: float, *, failed: bool) -> None:
        if self.on_call is not None:
            self.on_call(seconds, failed=failed)

    def abandon(self, entry: Entry[Any], call: Call) -> None:
        """Forget a call whose event loop ended: nothing is known of the source."""
        with self._lock:
            if entry.call is not call:
                return
            entry.call, call.was_abandoned = None, True
            entry.hold(replace(entry.state, begun_at=None), entry.answer)
        call.finish()

    def _record(
        self, entry: Entry[Any], cause: str, retry_after: float = 0.0, *, is_source: bool = True
    ) -> tuple[str, float]:
        """Record a failure; returns its cause and the seconds until the next try. Called with the lock held."""
        source, now = entry.source, self._timer()
        cause = cause or f"not done within {source.policy.fetch_seconds:g} s"
        entry.call = None
        entry.hold(plan.failed(source.policy, entry.state, now, cause, retry_after), entry.answer)
        asked = self._asked(source)
        asked.failures, asked.last_error = asked.failures + 1, cause
        if is_source:
            health = plan.failed(source.policy, asked.health, now, cause, retry_after)
            is_left_alone = health.failures >= FAILURES_IN_A_ROW or retry_after
            asked.health = health if is_left_alone else replace(health, retry_at=asked.health.retry_at)
        return cause, entry.state.retry_at - now

    @staticmethod
    def _tell(source: Source, failure: tuple[str, float]) -> None:
        logger.warning("%s cannot be asked (%s); next try in %.0f s.", source.name, *failure)


_MARGIN: Final = 0.02
"""Seconds by which two clocks that measure the time of a call may differ."""


class _Told:
    """Takes the outcome of one call to its store."""

    def __init__(self, answers: Answers, entry: Entry[Any], call: Call) -> None:
        self._answers, self._entry, self._call = answers, entry, call

    def succeed(self, found: Any) -> None:
        self._answers.succeed(self._entry, self._call, found)

    def fail(self, error: BaseException) -> None:
        self._answers.fail(self._entry, self._call, error)

    def abandon(self) -> None:
        self._answers.abandon(self._entry, self._call)


def _work(ask: Callable[[], SourceAnswer[Any]], told: _Told, call: Call) -> None:
    if call.is_done:
        return  # its time was up before there was a thread
    try:
        found = ask()
    except BaseException as error:  # noqa: BLE001 - whatever went wrong, there is no answer, and the waiters are woken
        told.fail(error)
    else:
        told.succeed(found)


def _is_about(wait: Wait, source: Source, key: Hashable) -> bool:
    entry = wait.keys
    return isinstance(entry, Entry) and entry.source is source and entry.key == key


def _refusal(entry: Entry[Any], decision: plan.RetryLater, own: list[Wait], of_source: str) -> Unavailable:
    source = entry.source
    undone = "enough callers wait for the answer" if own and not own[-1].admitted else "no answer yet"
    cause = entry.state.last_error or of_source or undone
    return Unavailable(
        f"{source.name} cannot be asked ({cause})",
        retry_after=decision.retry_after,
        remedy=source.remedy,
        reason=source.reason,
    )

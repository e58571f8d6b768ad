"""The keys of every issuer: the state of each source, changed by one fetch at a time.

Reading takes no lock: a state is an immutable value that is replaced as a whole. Every change is made under the store's
lock, by one of the pure functions of ``plan``.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from callerid._forks import renew_in_child
from callerid.asking._crowd import Count, Crowd
from callerid.asking._in_flight import InFlight, Wait
from callerid.errors import Reason, Unauthenticated, Unavailable
from callerid.keys import _plan as plan
from callerid.keys._attempt import AbortHandle, FetchError, short_cause, watched
from callerid.keys._fetch import LOADING, Fetched, fetcher
from callerid.keys._freshness import Origin, generated_at
from callerid.keys._key import Key
from callerid.keys._source import AnySource, KeyDocument, KeySource, policy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from callerid.keys._key import Algorithm
    from callerid.observing import SafeObserver

__all__ = ["CachedKeySet", "KeyStatus", "KeyStore"]

logger = logging.getLogger("callerid")


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """The state of one source's keys, for a readiness probe. Times are in seconds."""

    source: str
    """Its address without the query, its path, or a word about a document."""
    algorithm: Algorithm
    kids: tuple[str, ...]
    fresh: bool
    """There are keys, within their lifetime."""
    usable: bool
    """There are keys, fresh or used past their lifetime because fetching fails."""
    age: float | None
    """Since the fetch that brought them began; None without keys."""
    expires_in: float | None
    """Negative once expired, infinite for a document; None without keys."""
    failures: int
    """Fetches that failed since the last success."""
    last_error: str
    """Why the last fetch failed; empty when it succeeded."""
    fetches: int
    """Fetches begun so far."""


class CachedKeySet:
    """One source's keys of one algorithm. There is one for each issuer's key source, never one for a key id."""

    def __init__(self, source: AnySource, algorithm: Algorithm, timer: Callable[[], float]) -> None:
        self.source = source
        self.algorithm: Algorithm = algorithm
        self.policy = policy_of(source)
        self.state = plan.KeySet()  # the setter also sets _at_hand
        self.in_flight: InFlight | None = None
        self._timer = timer

    @property
    def state(self) -> plan.KeySet:
        """All that is known of these keys: an immutable value that is replaced as a whole."""
        return self._state

    @state.setter
    def state(self, state: plan.KeySet) -> None:
        self._state = state
        self._at_hand = (dict(state.keys), state.use_until(self.policy))

    def at_hand(self, kid: str) -> Key | None:
        """The key of this id, if there is one and no fetch is due; otherwise `None`: call `KeyStore.find`."""
        keys, until = self._at_hand
        key = keys.get(kid)
        return key if key is not None and self._timer() < until else None

    def serves(self, key: Key) -> bool:
        """Whether this key object is still in the set, and no fetch is due."""
        keys, until = self._at_hand
        return keys.get(key.kid) is key and self._timer() < until


class KeyStore:
    """The keys of any number of sources. Safe across threads, event loops and ``fork``.

    ``timer`` gives monotonic seconds, by which everything is timed. ``clock`` gives seconds since the epoch, and is
    compared with the ``Date`` of a response only, to find out how old the document is.

    ``find`` returns at once, with a key or with a Wait: wait on it, then call again with it. So the same code serves
    threads and tasks, and nothing here blocks.
    """

    def __init__(self, *, timer: Callable[[], float] = time.monotonic, clock: Callable[[], float] = time.time) -> None:
        self._timer = timer
        self._clock = clock
        self._lock = threading.Lock()
        self._threads, self._tasks = Count(), Count()
        self._entries: dict[tuple[AnySource, Algorithm], CachedKeySet] = {}
        self.observer: SafeObserver | None = None
        """Is told of fetches."""
        renew_in_child(self)

    def find(self, source: AnySource, algorithm: Algorithm, kid: str, waited: Wait | None = None) -> Key | Wait:
        """The key of this id, or a Wait. With ``waited``, the Wait of an earlier call, it never returns another Wait.

        Raises Unauthenticated if the source has no such key. Raises Unavailable, with the seconds after which to retry,
        if that is not known now: there are no usable keys, or the id may be a new one and fetching fails.
        """
        entry = self.key_set(source, algorithm)
        decision = plan.plan(entry.policy, entry.state, kid, self._timer(), waited=waited is not None)
        if isinstance(decision, plan.Use):
            return decision.held
        return self._find_locked(entry, kid, waited)

    def warm(self, source: AnySource, algorithm: Algorithm) -> Wait | None:
        """Start a fetch, or join the one in flight, if there are no fresh keys.

        Returns ``None`` if there is nothing to wait for: the keys are fresh, or the back-off after a failure runs.
        """
        entry = self.key_set(source, algorithm)
        with self._lock:
            if not plan.wants_warming(entry.state, self._timer()):
                return None
            in_flight, is_new = self._join(entry, because_unknown=False)
        if is_new:
            self._start(entry, in_flight)
        return None if in_flight.is_done else Wait(in_flight, entry.policy.fetch_seconds + plan.GRACE, entry)

    def status(self, wanted: Iterable[tuple[AnySource, Algorithm]] | None = None) -> list[KeyStatus]:
        """The status of every source that was asked for so far, or of the ``wanted`` ones, asked for or not."""
        now = self._timer()
        entries = list(self._entries.values()) if wanted is None else [self.key_set(*each) for each in wanted]
        return [_status(entry, now) for entry in entries]

    def key_set(self, source: AnySource, algorithm: Algorithm) -> CachedKeySet:
        """The key set of one source: always the same object, which is updated in place."""
        entry = self._entries.get((source, algorithm))
        return entry or self._entries.setdefault((source, algorithm), CachedKeySet(source, algorithm, self._timer))

    def _find_locked(self, entry: CachedKeySet, kid: str, waited: Wait | None) -> Key | Wait:
        with self._lock:
            if waited is not None and waited.in_flight.succeeded_at is not None:
                entry.state = plan.missed(entry.policy, entry.state, kid, waited.in_flight.succeeded_at)
            decision = plan.plan(entry.policy, entry.state, kid, self._timer(), waited=waited is not None)
            if not isinstance(decision, plan.Fetch):
                return _answer(entry, kid, decision, waited)
            in_flight, is_new = self._join(entry, because_unknown=decision.because_unknown)
        if is_new:
            self._start(entry, in_flight)
        if decision.held is not None and decision.seconds == 0:
            return decision.held
        wait = Wait(in_flight, decision.seconds, entry, Crowd(self._threads, self._tasks, entry.policy, entry.policy))
        return self.find(entry.source, entry.algorithm, kid, wait) if in_flight.is_done else wait

    def _join(self, entry: CachedKeySet, *, because_unknown: bool) -> tuple[InFlight, bool]:
        """The fetch in flight, or a new one that the caller has to start. Called with the lock held."""
        if entry.in_flight is not None:
            return entry.in_flight, False
        now = self._timer()
        entry.state = plan.begun(entry.policy, entry.state, now, because_unknown=because_unknown)
        entry.in_flight = InFlight(now)
        return entry.in_flight, True

    def _start(self, entry: CachedKeySet, in_flight: InFlight) -> None:
        if isinstance(entry.source, KeyDocument):
            self._run(entry, in_flight)  # nothing to wait for
            return
        try:
            threading.Thread(target=self._run, args=(entry, in_flight), name="callerid-keys", daemon=True).start()
        except RuntimeError as error:  # no more threads, or the interpreter is ending
            self._fail(entry, in_flight, error)

    def _run(self, entry: CachedKeySet, in_flight: InFlight) -> None:
        try:
            with LOADING:
                fetch = fetcher(entry.source)
            if _LOADED.is_set():
                in_flight.mark_sent()
            elif isinstance(entry.source, KeySource):
                # Importing cryptography takes about as long as the request: do both at once.
                threading.Thread(target=_load, args=(in_flight,), name="callerid-keys-loading", daemon=True).start()
            asked_at = self._clock()
            fetched = self._fetch_in_time(entry, in_flight, fetch)
            keys = _load(in_flight)
            generated = generated_at(fetched.headers, asked_at)
            origin = Origin(in_flight.begun_at - (asked_at - generated), generated)
            self._succeed(entry, in_flight, keys(fetched.body, entry.algorithm), fetched.lifetime, origin)
        except Exception as error:  # noqa: BLE001 - on any error the old keys stay, and the waiters are woken
            self._fail(entry, in_flight, error)

    def _fetch_in_time(
        self, entry: CachedKeySet, in_flight: InFlight, fetch: Callable[[AbortHandle], Fetched]
    ) -> Fetched:
        source = entry.source
        if isinstance(source, KeyDocument):
            return fetch(AbortHandle())

        def late(handle: AbortHandle) -> None:
            """The time is up: record the failure, and abort the request so that its thread ends."""
            with LOADING:
                from callerid.keys._causes import overdue  # noqa: PLC0415 - the fetch has imported what it needs

            self._fail(entry, in_flight, overdue(source))
            handle.abort()

        with watched(entry.policy.fetch_seconds, late) as handle:
            return fetch(handle)

    def _succeed(
        self, entry: CachedKeySet, in_flight: InFlight, keys: Mapping[str, Key], lifetime: float, origin: Origin
    ) -> None:
        """Replace the keys held by those fetched, unless these are older.

        Raises FetchError for an older document where the keys held are no longer fresh.
        """
        with self._lock:
            if entry.in_flight is not in_flight:
                return  # it timed out and was recorded as failed
            now, state, policy = self._timer(), entry.state, entry.policy
            outdated = plan.seconds_outdated(policy, state, keys, origin, now)
            if not outdated:
                entry.state = plan.succeeded(policy, state, keys, lifetime, begun_at=in_flight.begun_at, origin=origin)
            elif state.is_fresh(now):
                entry.state = plan.kept(policy, state, now)
            else:
                raise FetchError(f"its document is {outdated:.0f} s older than the one held")
            entry.in_flight, in_flight.succeeded_at = None, now
        in_flight.finish()
        self._observe(entry, in_flight, now, "")
        if state.failures:
            logger.info("The keys of %s are fetched again, after %d failures.", entry.source, state.failures)
        if outdated:
            logger.info("%s sent a document %.0f s older than the one held, which stays.", entry.source, outdated)

    def _fail(self, entry: CachedKeySet, in_flight: InFlight, error: Exception) -> None:
        cause = short_cause(error)
        with self._lock:
            if entry.in_flight is not in_flight:
                return
            now = self._timer()
            asked = error.retry_after if isinstance(error, FetchError) else 0.0
            entry.state = state = plan.failed(entry.policy, entry.state, now, cause, asked)
            entry.in_flight = None
        in_flight.finish()
        self._observe(entry, in_flight, now, cause)
        seconds = state.retry_at - now
        logger.warning("The keys of %s cannot be fetched (%s); next try in %.0f s.", entry.source, cause, seconds)

    def _observe(self, entry: CachedKeySet, in_flight: InFlight, now: float, error: str) -> None:
        if self.observer is not None:
            self.observer.fetched_keys(str(entry.source), now - in_flight.begun_at, error)

    def renew_after_fork(self) -> None:
        """Run in a forked child: keep the keys, make new locks, forget the fetch in flight, whose thread is gone."""
        self._lock = threading.Lock()
        self._threads, self._tasks = Count(), Count()
        for entry in self._entries.values():
            entry.in_flight = None
            entry.state = replace(entry.state, begun_at=None)


def _answer(
    entry: CachedKeySet, kid: str, decision: plan.Use[Key] | plan.Reject | plan.RetryLater, waited: Wait | None
) -> Key:
    if isinstance(decision, plan.Use):
        return decision.held
    if isinstance(decision, plan.Reject):
        raise Unauthenticated(Reason.UNKNOWN_KEY, f"{entry.source} publishes no {entry.algorithm} key {kid!r:.100}")
    undone = "the fetch is not done" if waited is None or waited.admitted else "enough callers wait for the fetch"
    raise Unavailable(
        f"the keys of {entry.source} cannot be had ({entry.state.last_error or undone})",
        retry_after=decision.retry_after,
        remedy=f"let this process reach {entry.source}, or give its keys as a KeyFile",
    )


def _status(entry: CachedKeySet, now: float) -> KeyStatus:
    state = entry.state
    return KeyStatus(
        source=str(entry.source),
        algorithm=entry.algorithm,
        kids=tuple(state.keys),
        fresh=state.is_fresh(now),
        usable=state.is_usable(entry.policy, now),
        age=now - state.fetched_at if state.keys else None,
        expires_in=state.expires_at - now if state.keys else None,
        failures=state.failures,
        last_error=state.last_error,
        fetches=state.fetches,
    )


def _load(in_flight: InFlight) -> Callable[[bytes, Algorithm], Mapping[str, Key]]:
    """Import cryptography, mark the request as sent, and return the function that reads the keys of a document."""
    with LOADING:
        from callerid.keys._verifiers import keys  # noqa: PLC0415 - loads cryptography, with the first fetch

        _LOADED.set()
    in_flight.mark_sent()
    return keys


_LOADED = threading.Event()
"""Set once cryptography is loaded."""

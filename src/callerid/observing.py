"""What a guard tells an observer: decisions, verifications, key fetches, look-ups. For metrics and traces.

An observer is told after the fact, and never asked: it cannot change a decision, and an exception of it reaches no
request. `callerid.otel` has one for OpenTelemetry; one for another system is a subclass of `Observer`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from callerid.callers import Caller

__all__ = ["ObservedDecision", "Observer", "SafeObserver"]

log = logging.getLogger("callerid")

_TELL_EVERY: Final = 60.0
"""Seconds between two records about an observer that fails."""


class ObservedDecision(NamedTuple):
    """One decision about a request.

    ``outcome`` is ``allowed``, ``refused`` or ``would refuse`` (where rules are not enforced yet); ``reason`` and
    ``status`` are those of the refusal. ``route`` is the method and the route's template, never the path. ``caller``,
    ``via`` and ``app`` are who came, as far as that was verified: personal data. ``instance`` is by which a refusal is
    found in the log.
    """

    outcome: str
    reason: str | None
    status: int | None
    route: str
    caller: Caller | None
    via: Caller | None
    app: str | None
    instance: str


class Observer:
    """Is told what a guard does: ``Guard(..., observer=...)``. Every method does nothing here; override what is wanted.

    The methods are called in the request's own thread or task, but for `fetched_keys` and `looked_up`, and hold it up:
    they must be quick, do no I/O, and be safe across threads. An exception is logged, once a minute, and goes no
    further.
    """

    def attached(self, guard: Any) -> None:
        """A guard that tells this observer: its ``status()``, ``fleet_status()`` and ``shadow`` are for gauges."""

    def decided(self, decision: ObservedDecision) -> None:
        """A request was decided about."""

    def verified(self, family: str, seconds: float, *, from_memory: bool) -> None:
        """A credential of this family (``google``, ...) was verified, or found among those that were verified before.

        Failures are decisions with their reason.
        """

    def fetched_keys(self, source: str, seconds: float, error: str) -> None:
        """Keys were fetched, or a fetch failed: then ``error`` says why. ``source`` is their address."""

    def looked_up(self, name: str, seconds: float, *, failed: bool) -> None:
        """A look-up was asked, and answered within so many seconds, or failed."""

    def used_answer(self, name: str, age: float, *, is_stale: bool) -> None:
        """A request was judged by a look-up's answer of this age, in seconds; stale: the source fails since."""


class SafeObserver:
    """Tells an observer, and logs its exceptions, without their text: they may hold personal data."""

    def __init__(self, observer: Observer) -> None:
        self.observer = observer
        self._told_at = -_TELL_EVERY * 2

    def attached(self, guard: Any) -> None:
        """See `Observer.attached`; so of the others."""
        self._tell(lambda: self.observer.attached(guard))

    def decided(self, decision: ObservedDecision) -> None:
        self._tell(lambda: self.observer.decided(decision))

    def verified(self, family: str, seconds: float, *, from_memory: bool) -> None:
        self._tell(lambda: self.observer.verified(family, seconds, from_memory=from_memory))

    def fetched_keys(self, source: str, seconds: float, error: str) -> None:
        self._tell(lambda: self.observer.fetched_keys(source, seconds, error))

    def looked_up(self, name: str, seconds: float, *, failed: bool) -> None:
        self._tell(lambda: self.observer.looked_up(name, seconds, failed=failed))

    def used_answer(self, name: str, age: float, *, is_stale: bool) -> None:
        self._tell(lambda: self.observer.used_answer(name, age, is_stale=is_stale))

    def _tell(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception as error:  # noqa: BLE001 - whatever it is, no request may fail by it
            now = time.monotonic()
            if now >= self._told_at + _TELL_EVERY:
                self._told_at = now
                log.warning("the observer %s fails (%s)", type(self.observer).__qualname__, type(error).__name__)

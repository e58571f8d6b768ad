"""Metrics and span attributes of OpenTelemetry, by its API alone: ``Guard(..., observer=OpenTelemetryObserver())``.

The application chooses SDK and exporter; without any, nothing is measured. ``docs/observability.md`` has a table of the
metrics. No metric has a caller, a path or a token among its attributes, so their number is bounded.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet

from callerid.authorization import ShadowCounts
from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.observing import ObservedDecision, Observer

try:
    from opentelemetry import metrics, trace
    from opentelemetry.metrics import CallbackOptions, Histogram, MeterProvider, Observation
except ImportError:
    raise ConfigurationError(
        "callerid.otel needs the API of OpenTelemetry: pip install 'callerid[otel]'", code="observer"
    ) from None

__all__ = ["MOST_ROUTES", "OTHER", "OpenTelemetryObserver"]

MOST_ROUTES: Final = 1000
"""So many routes are told apart by one observer; further ones are `OTHER`."""

OTHER: Final = "_OTHER"
"""Stands for a method that is none of HTTP, as in OpenTelemetry's conventions, and for routes above `MOST_ROUTES`."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "WS"})

_MAY_BE_METHOD: Final = re.compile(r"(\S+) (\S.*)", re.DOTALL)

_VERIFICATION_SECONDS: Final = (5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.05, 0.1)
_CALL_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_AGE_SECONDS: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600)

Reader = Callable[[Any], Iterable[tuple[float, dict[str, str]]]]


class OpenTelemetryObserver(Observer):
    """Reports to OpenTelemetry what a guard does.

    ``name`` is the attribute ``guard`` of all metrics: give each guard of a process one of its own. Decisions are also
    attributes of the current span, if one is recording. Those name no caller, unless ``personal=True``: then
    ``enduser.id`` is the caller as the log has them. ``meter_provider`` is the global one, unless it is given. Raises
    `ConfigurationError`.
    """

    def __init__(
        self, name: str = "default", *, personal: bool = False, meter_provider: MeterProvider | None = None
    ) -> None:
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise ConfigurationError(f"an observer has a name, such as 'orders', not {name!r}", code="observer")
        self.name = name
        """The attribute ``guard`` of its metrics."""
        self.guards: WeakSet[Any] = WeakSet()
        """The guards that it observes, which it does not keep alive."""
        self._personal = personal
        self._routes: set[str] = set()
        self._instruments = _instruments(meter_provider)
        self._instruments.observers.add(self)

    def attached(self, guard: Any) -> None:
        """See `Observer.attached`. The guard is not kept alive."""
        self.guards.add(guard)

    def decided(self, decision: ObservedDecision) -> None:
        """See `Observer.decided`."""
        route = self._bounded(decision.route)
        said = {"guard": self.name, "outcome": decision.outcome, "route": route}
        if decision.reason is not None:
            said["reason"] = decision.reason
        self._instruments.decisions.add(1, said)
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes({f"callerid.{name}": value for name, value in said.items()})
            span.set_attributes(self._about(decision))

    def _about(self, decision: ObservedDecision) -> dict[str, str]:
        """What a span says beside what metrics do."""
        caller: Caller | None = decision.caller
        found = {"callerid.instance": decision.instance} if decision.instance else {}
        if caller is not None:
            found["callerid.family"] = str(caller.kind)
            if self._personal:
                found["enduser.id"] = str(caller)
        return found

    def verified(self, family: str, seconds: float, *, from_memory: bool) -> None:
        """See `Observer.verified`."""
        self._instruments.verification.record(
            seconds, {"guard": self.name, "family": family, "from_memory": from_memory}
        )

    def fetched_keys(self, source: str, seconds: float, error: str) -> None:
        """See `Observer.fetched_keys`; the error itself is in the log."""
        self._instruments.fetches.record(
            seconds, {"guard": self.name, "source": source, "outcome": _outcome(failed=bool(error))}
        )

    def looked_up(self, name: str, seconds: float, *, failed: bool) -> None:
        """See `Observer.looked_up`."""
        self._instruments.lookups.record(
            seconds, {"guard": self.name, "lookup": name, "outcome": _outcome(failed=failed)}
        )

    def used_answer(self, name: str, age: float, *, is_stale: bool) -> None:
        """See `Observer.used_answer`."""
        self._instruments.ages.record(age, {"guard": self.name, "lookup": name, "stale": is_stale})

    def _bounded(self, route: str) -> str:
        """The route, with a method that is one; strangers choose methods, and code may choose routes (``where=``)."""
        found = _MAY_BE_METHOD.fullmatch(route)
        if found is not None and found[1] not in _METHODS:
            route = f"{OTHER} {found[2]}"
        if route not in self._routes:
            if len(self._routes) >= MOST_ROUTES:
                return OTHER
            self._routes.add(route)
        return route


def _outcome(*, failed: bool) -> str:
    return "failed" if failed else "ok"


def _key_age(guard: Any) -> Iterator[tuple[float, dict[str, str]]]:
    for each in guard.status():
        if each.age is not None:
            yield each.age, {"source": each.source}


def _key_usable(guard: Any) -> Iterator[tuple[float, dict[str, str]]]:
    for each in guard.status():
        yield int(each.usable), {"source": each.source}


def _fleet(name: str) -> Reader:
    def read(guard: Any) -> Iterator[tuple[float, dict[str, str]]]:
        status = guard.fleet_status()
        if status is not None:
            yield int(getattr(status, name)), {}

    return read


def _shadow(guard: Any) -> Iterator[tuple[float, dict[str, str]]]:
    counts: ShadowCounts = guard.shadow
    for name, count in asdict(counts).items():
        yield count, {"result": name}


_GAUGES: Final[tuple[tuple[str, str, str, Reader], ...]] = (
    ("callerid.keys.age", "s", "Since the keys of an issuer were fetched.", _key_age),
    ("callerid.keys.usable", "", "Whether there are keys to verify with.", _key_usable),
    ("callerid.fleet.connected", "", "Whether the fleet can be heard.", _fleet("connected")),
    ("callerid.fleet.denials", "{denial}", "Revocations that the fleet told.", _fleet("heard")),
    ("callerid.fleet.unsent", "{denial}", "Revocations that the fleet was not told yet.", _fleet("unsent")),
)


class _Instruments:
    """The instruments of one provider of meters: an SDK takes each name once, and one callback of an observable one."""

    def __init__(self, provider: MeterProvider | None) -> None:
        self.observers: WeakSet[OpenTelemetryObserver] = WeakSet()
        meter = metrics.get_meter("callerid", meter_provider=provider)

        def durations(name: str, about: str, boundaries: Sequence[float]) -> Histogram:
            return meter.create_histogram(name, "s", about, explicit_bucket_boundaries_advisory=boundaries)

        self.decisions = meter.create_counter("callerid.decisions", "{decision}", "Decisions about requests.")
        self.verification = durations(
            "callerid.verification.duration",
            "How long a credential took to verify, without waiting for keys.",
            _VERIFICATION_SECONDS,
        )
        self.fetches = durations("callerid.keys.fetch.duration", "How long fetches of keys took.", _CALL_SECONDS)
        self.lookups = durations("callerid.lookup.duration", "How long look-ups took.", _CALL_SECONDS)
        self.ages = durations(
            "callerid.lookup.answer.age",
            "How old the answers of look-ups were by which requests were judged.",
            _AGE_SECONDS,
        )
        for gauge, unit, about, read in _GAUGES:
            meter.create_observable_gauge(gauge, [self._reading(read)], unit, about)
        meter.create_observable_counter(
            "callerid.shadow.comparisons",
            [self._reading(_shadow)],
            "{comparison}",
            "Decisions of shadow rules, by how they compare with the live ones.",
        )

    def _reading(self, read: Reader) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """A callback that reads all guards; of those that share keys or a fleet each value is told once."""

        def callback(_: CallbackOptions) -> Iterable[Observation]:
            found = {
                tuple(sorted({"guard": observer.name, **said}.items())): value
                for observer in list(self.observers)
                for guard in list(observer.guards)
                for value, said in read(guard)
            }
            return [Observation(value, dict(said)) for said, value in found.items()]

        return callback


_of_provider: WeakKeyDictionary[MeterProvider, _Instruments] = WeakKeyDictionary()

_global: list[_Instruments] = []
"""Those of the global provider, which may be set later."""

_lock = threading.Lock()


def _instruments(provider: MeterProvider | None) -> _Instruments:
    with _lock:
        if provider is None or provider is metrics.get_meter_provider():
            if not _global:
                _global.append(_Instruments(None))
            return _global[0]
        found = _of_provider.get(provider)
        if found is None:
            found = _of_provider[provider] = _Instruments(provider)
        return found

"""The decision about a request by its path alone: by path table, default and floor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from callerid._answers import Answer
from callerid.authentication import Waited
from callerid.authorization import Check, Request, Shadow, authorize, rollout_of
from callerid.callers import Caller
from callerid.errors import BadRequest, ConfigurationError, Reason, Refusal
from callerid.guard import GuardCore, Requirement, combined, log
from callerid.keys import Wait
from callerid.paths._audited import audited_paths
from callerid.paths._lookup import PathLookup
from callerid.paths._pattern import WEBSOCKET
from callerid.paths._readings import Readings
from callerid.paths._table import PathTable, TableEntry, required
from callerid.paths._uncovered import uncovered
from callerid.rules import Rule

__all__ = ["Admitted", "Gate", "Refused", "first_expiry"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that is admitted: its caller, and when the first of its tokens expires (seconds since the epoch).

    Both are ``None`` for a request without a token. ``lapses_at`` is when report-only mode ends, for a request that is
    admitted only because of it.
    """

    caller: Caller | None
    expires_at: float | None
    lapses_at: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is refused, and the response."""

    refusal: Refusal
    answer: Answer


Sent = Callable[[], Mapping[str, list[str]]]


class Gate:
    """The rules of an application whose routes cannot be read, by path.

    ``enforce`` and ``until`` are those of `callerid.authorization._report_only`, for an application of this ``name``;
    ``shadow`` is a table that is judged instead of ``routes`` in decisions that are only counted; ``audit`` are keys of
    the paths whose allowed requests are logged, too. Raises `ConfigurationError`.
    """

    def __init__(  # noqa: PLR0913 - what a middleware was given
        self,
        guard: GuardCore,
        *,
        default: Rule | str | Requirement,
        routes: Mapping[str, Rule | str | Requirement],
        floor: Rule | str | Requirement | None,
        enforce: bool = True,
        until: str | date | None = None,
        shadow: Mapping[str, Rule | str | Requirement] | None = None,
        audit: Iterable[str] = (),
        name: str = "",
    ) -> None:
        if not isinstance(guard, GuardCore):
            raise ConfigurationError(
                f"guard= is a guard, such as Guard(google('https://…')), not {guard!r}", code="not-a-guard"
            )
        guard.check_ready()
        self.guard, self.name = guard, name
        self.default = required(guard, default, "default=")
        self.has_floor = floor is not None
        beneath = None if floor is None else required(guard, floor, "floor=")
        self.table = self._table(routes, beneath, "routes")
        self.shadow = None if shadow is None else self._table(shadow, beneath, "shadow")
        self.audited = audited_paths(audit, guard)
        if beneath is not None:
            self.default = self._on(beneath, self.default, "default=")
        self._lookup = PathLookup(self.table)
        self._shadow_lookup = None if self.shadow is None else PathLookup(self.shadow)
        self._audit_lookup = None if self.audited is None else PathLookup(self.audited)
        self.rollout = rollout_of(enforce, until, guard.clock(), name)
        for each in uncovered(self.table, self.default, "has the default", guard):
            log.warning("%s: %s", name, each)

    def _table(self, routes: Mapping[str, Rule | str | Requirement], floor: Requirement | None, name: str) -> PathTable:
        table = PathTable(routes, self.guard, name)
        if floor is None:
            return table
        asked = table.requirements.items()
        return PathTable({text: self._on(floor, each, f"{name}[{text!r}]") for text, each in asked}, self.guard, name)

    def _on(self, floor: Requirement, requirement: Requirement, where: str) -> Requirement:
        try:
            both = combined((floor, requirement))
        except ConfigurationError as error:
            raise ConfigurationError(f"{where} and floor=: {error.message}", code=error.code) from None
        self.guard.check_possible(both, f"{where} and floor=")
        return both

    def decide(self, method: str, readings: Readings, sent: Sent, waited: Waited = ()) -> Admitted | Refused | Wait:
        """Decide, and log the decision; a `Wait` where a key has to be fetched first.

        ``sent`` returns the headers that the guard reads; it is not called where no credential is needed.
        """
        request = self._request(method, readings, sent)
        decision = authorize(request, waited)
        if isinstance(decision, Wait):
            return decision
        if decision.refusal is not None:
            return Refused(decision.refusal, self.guard.answer(decision.refusal, decision.instance))
        rollout = self.rollout if decision.waived else None
        caller = decision.caller
        if rollout is not None:
            return Admitted(caller, None, rollout.ends_at)
        identity = decision.identities.get(self.guard)
        return Admitted(caller, None if identity is None else first_expiry(caller, identity.via))

    def _request(self, method: str, readings: Readings, sent: Sent) -> Request:
        places, trouble = self._places(self._lookup, method, readings)
        return Request(
            self.guard,
            _route(method, places[0]),
            self._checks(method, places),
            lambda _: sent(),
            places[0].requirement,
            None if trouble is None else BadRequest(Reason.AMBIGUOUS_PATH, trouble),
            self._waives if self.rollout is not None else None,
            None if self._shadow_lookup is None else self._shadow(self._shadow_lookup, method, readings),
            audited=self._audit_lookup is not None and _is_audited(self._audit_lookup, method, readings),
        )

    def _shadow(self, lookup: PathLookup, method: str, readings: Readings) -> Shadow:
        places, trouble = self._places(lookup, method, readings)

        def checks() -> tuple[Check, ...]:
            if trouble is not None:
                raise BadRequest(Reason.AMBIGUOUS_PATH, trouble)
            return self._checks(method, places)

        return Shadow(self.guard, checks, "" if places[0].entry is None else _route(method, places[0]))

    def _waives(self, _: Any) -> bool:
        return self.rollout is not None and self.rollout.is_report_only(self.guard.clock())

    def _checks(self, method: str, places: tuple[_Place, ...]) -> tuple[Check, ...]:
        return tuple(Check(self.guard, each.requirement, each.parameters, _route(method, each)) for each in places)

    def _places(self, lookup: PathLookup, method: str, readings: Readings) -> tuple[tuple[_Place, ...], str | None]:
        """The places for all readings of the path, each once, and why the path is ambiguous, if it is."""
        first, *more = readings.paths
        found = lookup.find(method, first, *readings.targets)
        entries, trouble = [found.entry], readings.trouble or found.trouble
        for path in (*more, *readings.others):
            found = lookup.find(method, path, *readings.targets)
            trouble = trouble or found.trouble
            if found.entry not in entries and (found.entry is not None or path in more):
                entries.append(found.entry)
        return tuple([self._place(each) for each in entries]), trouble

    def _place(self, entry: TableEntry | None) -> _Place:
        return _Place(self.default) if entry is None else _Place(entry.requirement, entry)


class _Place(NamedTuple):
    """The requirement for a path: of an entry, or the default."""

    requirement: Requirement
    entry: TableEntry | None = None

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {} if self.entry is None else self.entry.parameters


def _is_audited(lookup: PathLookup, method: str, readings: Readings) -> bool:
    """Whether a key names the path by any of its readings; where another reader might find one, too."""
    found = (lookup.find(method, path, *readings.targets) for path in (*readings.paths, *readings.others))
    return any(each.entry is not None or each.trouble is not None for each in found)


def _route(method: str, place: _Place) -> str:
    # The path itself may contain secrets, so the log gets the pattern that the developer wrote.
    entry = place.entry
    template = "(no entry)" if entry is None else entry.pattern[entry.pattern.index("/") :]
    return f"{'WS' if method == WEBSOCKET else method} {template}"


def first_expiry(*callers: Caller | None) -> float | None:
    """When the first of these tokens expires, in seconds since the epoch; ``None`` where there are none."""
    return min((caller.expires_at for caller in callers if caller is not None), default=None)

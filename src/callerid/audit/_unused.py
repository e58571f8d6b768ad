"""Which alternatives of rules, and which routes, let nobody in during some time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from callerid.audit._log_entries import LogEntry
from callerid.audit._rows import AccessMap, Row
from callerid.errors import one_line
from callerid.rules._alternatives import written_alternatives

__all__ = ["DAY", "RouteUse", "RuleUse", "used"]

DAY: Final = 86_400.0
"""Seconds."""


@dataclass
class RouteUse:
    """One audited route: how many were let in, and by which alternative of its rule each.

    ``by`` has every alternative, by its words. ``unexplained`` are those of whom the record does not say by which.
    """

    route: str
    by: dict[str, int]
    count: int = 0
    unexplained: int = 0

    @property
    def unused(self) -> list[str]:
        """The alternatives that let nobody in."""
        return [words for words, count in self.by.items() if not count] if not self.unexplained else []

    @property
    def is_unused(self) -> bool:
        """Whether nobody was let in."""
        return not self.count

    @property
    def is_told(self) -> bool:
        """Whether every decision says by which alternative."""
        return not self.unexplained

    def as_data(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {"route": self.route, "let_in": self.count, "by": self.by, "not_said_by_which": self.unexplained}


@dataclass
class RuleUse:
    """What a log says of an application's rules since some time, in seconds since the epoch.

    ``unaudited`` are the routes of which nothing can be told: the log has nobody who was let in there. ``first`` is
    when the log begins, as far as it says. ``undated`` counts those who were let in at
    no known time, which count as later than ``since``.
    """

    since: float
    routes: dict[str, RouteUse]
    unaudited: tuple[str, ...]
    first: float | None = None
    decisions: int = 0
    undated: int = 0

    @property
    def unused(self) -> list[tuple[str, str]]:
        """Each alternative that let nobody in, with its route; with an empty one where nobody was let in at all."""
        found: list[tuple[str, str]] = []
        for use in self.routes.values():
            found += [(use.route, "")] if use.is_unused else [(use.route, words) for words in use.unused]
        return found

    @property
    def untold(self) -> tuple[str, ...]:
        """The routes of whose alternatives it cannot be told which let somebody in."""
        return tuple(use.route for use in self.routes.values() if not use.is_told)

    @property
    def is_covered(self) -> bool:
        """Whether the log goes back that far."""
        return self.first is not None and self.first <= self.since

    def add(self, entry: LogEntry) -> None:
        """Count one decision."""
        self.decisions += 1
        if entry.time is not None:
            self.first = entry.time if self.first is None else min(self.first, entry.time)
        if entry.decision.fields["outcome"] != "allowed" or (entry.time is not None and entry.time < self.since):
            return
        use = self._use_of(entry.decision.fields["route"])
        if use is None:
            return
        self.undated += entry.time is None
        use.count += 1
        by = entry.decision.lines("by")
        use.unexplained += not by
        for words in by:
            if words in use.by:
                use.by[words] += 1

    def _use_of(self, route: str) -> RouteUse | None:
        method, _, template = route.partition(" ")
        own = [f"{each} {template}" for each in ((method, "GET", "*") if method == "HEAD" else (method, "*"))]
        return next((self.routes[each] for each in own if each in self.routes), None)

    def as_data(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {
            "since": _written(self.since),
            "log_begins": None if self.first is None else _written(self.first),
            "covered": self.is_covered,
            "decisions": self.decisions,
            "undated": self.undated,
            "routes": [use.as_data() for use in self.routes.values()],
            "unused": [{"route": route, "alternative": words or None} for route, words in self.unused],
            "cannot_tell": [*self.unaudited, *self.untold],
        }


def used(log: Iterable[LogEntry], found: AccessMap, since: float) -> RuleUse:
    """What the decisions in a log say of an application's rules since then (seconds since the epoch)."""
    rows = [(f"{method} {row.template}", row) for method, row in found.singly() if not row.is_rest]
    routes = {name: RouteUse(name, dict.fromkeys(_words(row), 0)) for name, row in rows if name in found.audited}
    result = RuleUse(since, routes, tuple(dict.fromkeys(name for name, _ in rows if name not in found.audited)))
    for entry in log:
        result.add(entry)
    return result


def _words(row: Row) -> Iterator[str]:
    """The alternatives of a route, as records have them: all of a rule where there is no choice in it."""
    for each in row.asked:
        yield from (one_line(str(part)) for part in written_alternatives(each.requirement.rule))


def _written(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

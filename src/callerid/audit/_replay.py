"""A log replayed against the rules of today: who would be refused now, and who let in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from callerid.audit._decision import LoggedDecision
from callerid.audit._log_entries import LogEntry
from callerid.audit._rejudged import RejudgedRoutes, was_let_in
from callerid.audit._rows import AccessMap

__all__ = ["Replay", "ReplayedChange", "replayed"]

_MOST_GROUPS: Final = 10_000
"""So many differences are told apart by route and caller; more are counted together, so that memory stays bounded."""

_OTHERS: Final = "(others)"


@dataclass(frozen=True, slots=True)
class ReplayedChange:
    """Requests of one caller at one route that would be decided otherwise now.

    ``change`` is ``refused`` or ``let in``: what they would be now. ``caller`` is empty for nobody. ``rule`` is what is
    asked there now, ``before`` what was then, both in words; ``instance`` is one of the decisions.
    """

    route: str
    caller: str
    change: str
    rule: str
    before: str
    instance: str
    count: int

    def as_data(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {
            name: getattr(self, name) for name in ("route", "caller", "change", "rule", "before", "instance", "count")
        }


@dataclass
class Replay:
    """What came of a log. Each decision is counted once.

    ``same`` are those that would be decided as before; ``ignored`` those that no rule decided (of outages, and of a
    ``shadow=`` table).
    """

    decisions: int = 0
    same: int = 0
    ignored: int = 0
    _changed: dict[tuple[str, str, str], list[Any]] = field(default_factory=dict[tuple[str, str, str], "list[Any]"])
    _untold: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])

    @property
    def differences(self) -> list[ReplayedChange]:
        """By route, and the most frequent first."""
        found = [ReplayedChange(*key, *more) for key, more in self._changed.items()]
        return sorted(
            found, key=lambda each: (each.route == _OTHERS, each.route, -each.count, each.caller, each.change)
        )

    @property
    def untold(self) -> list[tuple[str, str, int]]:
        """Route, why it cannot be told, and how many decisions."""
        return sorted((route, why, count) for (route, why), count in self._untold.items())

    @property
    def changed(self) -> int:
        """How many decisions would be others."""
        return sum(more[-1] for more in self._changed.values())

    @property
    def is_conclusive(self) -> bool:
        """Whether anything could be told at all."""
        return self.same > 0 or self.changed > 0

    def add(self, decision: LoggedDecision, routes: RejudgedRoutes) -> None:
        """Judge one decision again."""
        self.decisions += 1
        before = was_let_in(decision)
        if before is None:
            self.ignored += 1
            return
        now = routes.verdict(decision)
        if isinstance(now, str):
            key = (decision.text("route") or "", now)
            key = key if key in self._untold or len(self._untold) < _MOST_GROUPS else (_OTHERS, "several reasons")
            self._untold[key] = self._untold.get(key, 0) + 1
        elif now is before:
            self.same += 1
        else:
            self._change(decision, routes, "let in" if now else "refused")

    def _change(self, decision: LoggedDecision, routes: RejudgedRoutes, change: str) -> None:
        route = decision.text("route") or ""
        key = (route, decision.text("caller") or "", change)
        if key not in self._changed and len(self._changed) >= _MOST_GROUPS:
            key = (_OTHERS, _OTHERS, change)
        is_other = key[0] == _OTHERS
        rule = "" if is_other else routes.rule_at(decision.fields["route"])
        said = [rule, "" if is_other else decision.text("rule") or "", decision.text("instance") or "", 0]
        self._changed.setdefault(key, said)[-1] += 1

    def as_data(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {
            "decisions": self.decisions,
            "same": self.same,
            "changed": self.changed,
            "ignored": self.ignored,
            "differences": [each.as_data() for each in self.differences],
            "cannot_tell": [{"route": route, "why": why, "count": count} for route, why, count in self.untold],
        }


def replayed(log: Iterable[LogEntry], found: AccessMap) -> Replay:
    """What the rules of an application say now about the decisions in a log."""
    result, routes = Replay(), RejudgedRoutes(found)
    for entry in log:
        result.add(entry.decision, routes)
    return result

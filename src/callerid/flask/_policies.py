"""The policy at a place: of its marks, its entry in the path table, the floor, or the default."""

from __future__ import annotations

from collections.abc import Iterator

from callerid._marks import unguarded
from callerid.authorization import DEFAULT, FLOOR, TABLE, Policy, Written, policy_of
from callerid.flask._routes import ViewPlace
from callerid.guard import GuardCore, Requirement
from callerid.paths import BoundTable, NamedPlace, TableEntry

__all__ = ["Rules", "entry_at"]


class Rules:
    """The requirements of one protected application, and the policies made of them.

    An entry of ``table`` is bound to the rule of the URL map that its key names. It holds beside the marks of the view,
    however the path of a request is written.
    """

    def __init__(
        self, guard: GuardCore, *, default: Requirement, floor: Requirement | None, table: BoundTable | None
    ) -> None:
        self.guard = guard
        self.table = table
        self.default = default
        self.floor = floor

    def policy(self, place: ViewPlace, method: str, *, endpoint: bool, table: BoundTable | None = None) -> Policy:
        """The policy at a place; where no ``endpoint`` is meant (404, 405, OPTIONS) the default is part of it, too.

        ``table`` replaces the application's own. Raises `ConfigurationError` for an endpoint that nobody can
        reach, `UnguardedEndpointError` for a mark of a guard that does not protect this application.
        """
        table = table or self.table
        entry = None if table is None or place.named is None else entry_at(table, method, place.named)
        key = None if table is None or entry is None else (table.name, entry.pattern), endpoint
        policy: Policy | None = place.policies.get(key)
        if policy is None:
            where = place.template if table is None or entry is None else f"{place.template} and {table.at(entry)}"
            policy = place.policies[key] = self._policy(place, entry, where, endpoint=endpoint)
        return policy

    def _policy(self, place: ViewPlace, entry: TableEntry | None, where: str, *, endpoint: bool) -> Policy:
        place.check_marks()
        policy = policy_of((self.guard,), self._written(place, entry, endpoint=endpoint), where, endpoint=endpoint)
        for name in policy.names:
            place.check_parameter(name)
        return policy

    def _written(self, place: ViewPlace, entry: TableEntry | None, *, endpoint: bool) -> Iterator[Written]:
        if self.floor is not None:
            yield Written(self.guard, self.floor, FLOOR)
        for mark in place.marks:
            if mark.guard is not self.guard:
                raise unguarded(mark, place.template)
            yield Written(self.guard, mark.requirement, mark)
        if entry is not None:
            yield Written(self.guard, entry.requirement, TABLE)
        if not endpoint or (entry is None and not place.marks):
            yield Written(self.guard, self.default, DEFAULT)


def entry_at(table: BoundTable, method: str, named: NamedPlace) -> TableEntry | None:
    """The entry that holds where a rule of the URL map serves a method (``*`` for one that no key names)."""
    return table.find(method, named.template, () if named.prefix is None else (named.prefix,))

"""The policy at a place: of its marks, its entries in the path table, the floor, or the default."""

from __future__ import annotations

from collections.abc import Iterator

from callerid._marks import unguarded
from callerid.authorization import DEFAULT, FLOOR, TABLE, Policy, Written, policy_of
from callerid.django._routes import UrlRoute, ViewAtRoutes
from callerid.guard import GuardCore, Requirement
from callerid.paths import BoundTable, TableEntry

__all__ = ["ProjectRules", "entry_at", "is_named"]


class ProjectRules:
    """The requirements of one guard, and the policies made of them.

    An entry of ``table`` is bound to the route that its key names. It holds beside the marks of the view.
    """

    def __init__(
        self, guard: GuardCore, *, default: Requirement, floor: Requirement | None, table: BoundTable | None
    ) -> None:
        self.guard = guard
        self.table = table
        self.default = default
        self.floor = floor

    def policy(self, place: ViewAtRoutes, method: str, *, table: BoundTable | None = None) -> Policy:
        """The policy at a place; where no endpoint is meant (404, 405, OPTIONS) the default is part of it, too.

        ``table`` replaces the live one. Raises `ConfigurationError` for a view that nobody can reach,
        `UnguardedEndpointError` for a mark of another guard.
        """
        table = table or self.table
        entries = {} if table is None else _entries(table, method, place)
        key = (None if table is None else table.name, *entries)
        policy: Policy | None = place.policies.get(key)
        if policy is None:
            named = [table.at(entry) for entry in entries.values()] if table is not None else []
            where = " and ".join((place.template, *named))
            policy = place.policies[key] = self._policy(place, tuple(entries.values()), where)
        return policy

    def _policy(self, place: ViewAtRoutes, entries: tuple[TableEntry, ...], where: str) -> Policy:
        place.check_marks(self.guard)
        policy = policy_of((self.guard,), self._written(place, entries), where, endpoint=place.endpoint)
        for name in policy.names:
            place.check_parameter(name)
        return policy

    def _written(self, place: ViewAtRoutes, entries: tuple[TableEntry, ...]) -> Iterator[Written]:
        if self.floor is not None:
            yield Written(self.guard, self.floor, FLOOR)
        for mark in place.marks:
            if mark.guard is not self.guard:
                raise unguarded(mark, place.template)
            yield Written(self.guard, mark.requirement, mark)
        for entry in entries:
            yield Written(self.guard, entry.requirement, TABLE)
        if not place.endpoint or (not entries and not place.marks):
            yield Written(self.guard, self.default, DEFAULT)


def _entries(table: BoundTable, method: str, place: ViewAtRoutes) -> dict[str, TableEntry]:
    # Routes that cannot be told apart are one place: what is asked of any of them is asked there.
    found = (entry_at(table, method, route) for route in place.routes)
    return {entry.pattern: entry for entry in found if entry is not None}


def entry_at(table: BoundTable, method: str, route: UrlRoute) -> TableEntry | None:
    """The entry that holds where a route serves a method (``*`` for one that no key names)."""
    own = route.named().prefix
    return table.find(method, route.template, route.prefixes if own is None else (*route.prefixes, own))


def is_named(table: BoundTable, method: str, place: ViewAtRoutes) -> bool:
    """Whether a key names a view of the application that serves a method."""
    return place.endpoint and bool(_entries(table, method, place))

"""What changes against a lock: the routes whose rule is another one, and who gains or loses by it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from callerid.audit._applications import as_locked
from callerid.audit._lock import Difference, differences, read_lock
from callerid.audit._newcomers import newcomers
from callerid.audit._rows import AccessMap, who_may
from callerid.audit._serving import Application, RouteAccess
from callerid.audit.algebra import every_leaf, is_code, is_foreign
from callerid.play._routes import PlayRoute
from callerid.rules import Facts, admitted, is_public, look_up_rules

__all__ = ["LockComparison", "Shift", "before"]


class Shift(StrEnum):
    """What a change means for one caller."""

    NONE = ""
    GAINS = "gains"
    LOSES = "loses"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True)
class RouteChange:
    """What changed at one route: its rule before, and whom it newly lets in, as far as that can be told."""

    was: str
    lines: tuple[str, ...]
    newcomer: str = ""


class LockComparison:
    """An application as a lock has it, asked what it would have decided."""

    def __init__(self, file: str, was: Application, changes: dict[str, RouteChange], others: tuple[str, ...]) -> None:
        self.file, self.others = file, others
        self._was, self._changes = was, changes

    @property
    def count(self) -> int:
        """How many routes have changed, or are new."""
        return len(self._changes)

    def change(self, route: PlayRoute) -> RouteChange | None:
        """What changed at a route; ``None`` where nothing did."""
        return self._changes.get(route.key)

    def shift(self, route: PlayRoute, facts: Facts, *, admits: bool) -> Shift:
        """What the change means for a caller of whom these are the facts; ``admits`` is whether they may now."""
        was = self._admitted(route, facts)
        if was is None:
            return Shift.UNKNOWN
        if was is admits:
            return Shift.NONE
        return Shift.GAINS if admits else Shift.LOSES

    def _admitted(self, route: PlayRoute, facts: Facts) -> bool | None:
        """Whether the lock's rule would have admitted; ``None`` where only code could say."""
        access = access_of(self._was, route)
        if is_public(access.rule):
            return True
        if any(is_code(leaf) or is_foreign(leaf) for leaf in every_leaf(access.rule)):
            return None
        if any(not facts.looked_up.was_asked(leaf.of, leaf.asked(facts)) for leaf in look_up_rules(access.rule)):
            return None
        return admitted(access.rule, facts) and _is_believed(access, facts)


def _is_believed(access: RouteAccess, facts: Facts) -> bool:
    """Whether the caller's issuer was believed there, for the audience of the token."""
    caller = facts.caller
    if caller is None:
        return True
    theirs = [each for each in access.issuers if each.name == caller.issuer]
    if access.audiences is not None and any(not each.fixed_audience for each in theirs):
        return caller.audience in access.audiences
    return any(caller.audience in each.audiences | each.people_only for each in theirs)


def access_of(was: Application, route: PlayRoute) -> RouteAccess:
    """What held at a route's place: its own rule, or what held where there was no route."""
    return was.named.get(route.key) or was.rests[was.base]


def before(lock: str, found: AccessMap, routes: Iterable[PlayRoute], file: str) -> LockComparison:
    """Compare an application with a lock, the text of ``file``. Raises `ConfigurationError` for what is no lock."""
    was = as_locked(read_lock(lock, file), found, file)
    new = {each.name: str(each.verdict) for each in newcomers(lock, found, file)}
    changed = {each.name: each for each in differences(lock, found, file)}
    known = {route.key: route for route in routes}
    changes = {
        key: RouteChange(_words(was, route), _lines(changed.get(key)), new.get(key, ""))
        for key, route in known.items()
        if key in changed or key in new
    }
    others = [str(each) for name, each in changed.items() if name not in known]
    others += [f"{name}: {verdict}" for name, verdict in new.items() if name not in known]
    return LockComparison(file, was, changes, tuple(others))


def _words(was: Application, route: PlayRoute) -> str:
    access = access_of(was, route)
    new = "" if route.key in was.named or route.row.is_rest else "no such route; "
    return new + who_may(access.rule, access.audiences)


def _lines(change: Difference | None) -> tuple[str, ...]:
    return () if change is None else tuple(line.strip() for line in str(change).splitlines()[1:])

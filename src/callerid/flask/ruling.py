"""What must hold at a place: its marks, the path table, the floor, or the default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from callerid.errors import BadRequest, Reason
from callerid.flask.reading import Place
from callerid.guard import GuardCore, Requirement, combined
from callerid.marks import Mark, path_parameters, unguarded
from callerid.paths import Entry, PathTable
from callerid.rules import all_of
from callerid.wsgi import path_of

__all__ = ["Rules", "Ruling"]


@dataclass(frozen=True, slots=True, eq=False)
class Ruling:
    """What must hold, each part by itself: ``own`` of the place, and ``tabled`` by the path table.

    The two name path parameters of their own. ``whole`` is both as one, for the log.
    """

    own: tuple[Requirement, ...]
    tabled: tuple[Requirement, ...]
    whole: Requirement
    marks: frozenset[Mark]
    names: frozenset[str]
    judged: tuple[tuple[Requirement, bool], ...] = field(init=False)
    """Each part that reads credentials, and whether the path table's parameters are its; none if all are let in."""

    def __post_init__(self) -> None:
        parts = (*((part, False) for part in self.own), *((part, True) for part in self.tabled))
        object.__setattr__(self, "judged", tuple(part for part in parts if not part[0].public))


class Rules:
    """The rules of one protected application: those at the places, and those for the rest."""

    def __init__(
        self, guard: GuardCore, *, default: Requirement, floor: Requirement | None, table: PathTable | None
    ) -> None:
        self.guard = guard
        self.table = table
        self.default = default
        self.floor = () if floor is None else (floor,)

    def ruling(self, place: Place, entry: Entry | None, *, endpoint: bool) -> Ruling:
        """What must hold at a place; where no ``endpoint`` is meant (404, 405, OPTIONS) the default counts, too.

        Raises `ConfigurationError` for an endpoint that nobody can reach, `UnguardedEndpointError` for a mark of a
        guard that does not protect this application.
        """
        key = "" if entry is None else entry.pattern, endpoint
        ruling: Ruling | None = place.rulings.get(key)
        if ruling is None:
            ruling = place.rulings[key] = self._ruling(place, entry, endpoint=endpoint)
        return ruling

    def _ruling(self, place: Place, entry: Entry | None, *, endpoint: bool) -> Ruling:
        for mark in place.marks:
            if mark.guard is not self.guard:
                raise unguarded(mark, place.template)
        own = (*self.floor, *(mark.requirement for mark in place.marks))
        tabled = () if entry is None else (entry.requirement,)
        if not endpoint or not (place.marks or tabled):
            own = (*own, self.default)
        names = frozenset[str]().union(*(path_parameters(part.rule) for part in own))
        for name in names:
            place.check_parameter(name)
        marks = frozenset(place.marks)
        if not endpoint:
            # The rules of a view and the default may exclude each other: then this is refused to everybody.
            return Ruling(own, tabled, Requirement(all_of(tuple(part.rule for part in own + tabled))), marks, names)
        whole = combined((*own, *tabled))
        self.guard.check_possible(whole, place.template)
        # The token's audience must be in every set that any of them names.
        return Ruling(_joined(own, whole), _joined(tabled, whole), whole, marks, names)

    def find(self, place: Place, method: str, environ: Mapping[str, Any]) -> Entry | None:
        """The entry of the path table. Raises `BadRequest` where others could read the path in another way.

        Where marks stand it does not matter how a path is written: they hold by Flask's own reading of it.
        """
        if self.table is None:
            return None
        path, trouble = path_of(environ)
        if trouble is not None and not place.marks:
            raise BadRequest(Reason.AMBIGUOUS_PATH, trouble)
        return self.table.find(method, path)


def _joined(parts: tuple[Requirement, ...], whole: Requirement) -> tuple[Requirement, ...]:
    return (Requirement(all_of(tuple(part.rule for part in parts)), whole.audiences),) if parts else ()

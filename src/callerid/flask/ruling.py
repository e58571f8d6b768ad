"""What must hold at a place: its marks, its entry in the path table, the floor, or the default."""

from __future__ import annotations

from dataclasses import dataclass, field

from callerid.errors import ConfigurationError
from callerid.flask.reading import Place
from callerid.guard import GuardCore, Requirement, combined
from callerid.marks import Mark, path_parameters, unguarded
from callerid.paths import BoundTable, Entry, NamedPlace
from callerid.rules import all_of

__all__ = ["Rules", "Ruling", "entry_at"]


@dataclass(frozen=True, slots=True, eq=False)
class Ruling:
    """What must hold at a place. ``parts`` are judged one after the other; ``whole`` is all of them as one rule.

    ``entry`` is that of the path table, ``names`` are the path parameters that the rules compare with.
    """

    parts: tuple[Requirement, ...]
    whole: Requirement
    marks: frozenset[Mark]
    entry: Entry | None = None
    names: frozenset[str] = field(init=False)
    judged: tuple[Requirement, ...] = field(init=False)
    """The parts that read credentials: none where everybody is let in."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", path_parameters(self.whole.rule))
        object.__setattr__(self, "judged", tuple(part for part in self.parts if not part.public))


class Rules:
    """The rules of one protected application: those at the places, and those for the rest.

    An entry of ``table`` is a mark from outside: it is bound to the rule of the URL map whose path its key names, and
    holds beside the marks of what serves there, however the path of a request is written.
    """

    def __init__(
        self, guard: GuardCore, *, default: Requirement, floor: Requirement | None, table: BoundTable | None
    ) -> None:
        self.guard = guard
        self.table = table
        self.default = default
        self.floor = () if floor is None else (floor,)

    def ruling(self, place: Place, method: str, *, endpoint: bool, table: BoundTable | None = None) -> Ruling:
        """What must hold at a place; where no ``endpoint`` is meant (404, 405, OPTIONS) the default counts, too.

        ``table`` takes the place of the application's own. Raises `ConfigurationError` for an endpoint that nobody can
        reach, `UnguardedEndpointError` for a mark of a guard that does not protect this application.
        """
        table = table or self.table
        entry = None if table is None or place.named is None else entry_at(table, method, place.named)
        key = None if table is None or entry is None else (table.name, entry.pattern), endpoint
        ruling: Ruling | None = place.rulings.get(key)
        if ruling is None:
            where = place.template if table is None or entry is None else f"{place.template} and {table.at(entry)}"
            ruling = place.rulings[key] = self._ruling(place, entry, where, endpoint=endpoint)
        return ruling

    def _ruling(self, place: Place, entry: Entry | None, where: str, *, endpoint: bool) -> Ruling:
        place.check_marks()
        for mark in place.marks:
            if mark.guard is not self.guard:
                raise unguarded(mark, place.template)
        parts = (*self.floor, *(mark.requirement for mark in place.marks))
        if entry is not None:
            parts = (*parts, entry.requirement)
        if not endpoint or (entry is None and not place.marks):
            parts = (*parts, self.default)
        marks = frozenset(place.marks)
        if endpoint:
            # The token's audience must be in every set that any of them names.
            whole = _whole(parts, where)
            self.guard.check_possible(whole, where)
            ruling = Ruling((whole,), whole, marks, entry)
        else:
            # The rules of a view and the default may exclude each other: then this is refused to everybody.
            ruling = Ruling(parts, Requirement(all_of(tuple(part.rule for part in parts))), marks, entry)
        for name in ruling.names:
            place.check_parameter(name)
        return ruling


def _whole(parts: tuple[Requirement, ...], where: str) -> Requirement:
    try:
        return combined(parts)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def entry_at(table: BoundTable, method: str, named: NamedPlace) -> Entry | None:
    """The entry that holds where a rule of the URL map serves a method (``*`` for one that no key names)."""
    return table.find(method, named.template, () if named.prefix is None else (named.prefix,))

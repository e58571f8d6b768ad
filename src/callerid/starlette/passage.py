"""One request on its way through the routers of an application: what was found, and what was decided."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from starlette.routing import Router
from starlette.types import Scope

from callerid.algebra import check_possible
from callerid.asgi.middleware import place as place_of
from callerid.asgi.websockets import Ends, postponed
from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, Requirement, combined
from callerid.marks import Mark, path_parameters, unguarded
from callerid.paths import WEBSOCKET, Entry, PathTable
from callerid.rules import all_of
from callerid.starlette.narrow import KEY
from callerid.starlette.reading import Place, Step

if TYPE_CHECKING:
    from callerid.starlette.protection import Protection

__all__ = ["KEY", "OWN", "Judged", "Passage", "Ruling", "Tabled"]

Parts: TypeAlias = tuple[tuple[GuardCore, Requirement], ...]

OWN: Final = -1
"""The number of what does not stand in a path table."""

MOST_WAYS: Final = 1000
"""More ways than this lead to no place: where there are, most of them lead through places that are gone."""


class Judged(NamedTuple):
    """What is judged by itself: by the route's path parameters, or by those of the path table's entry of an area.

    ``is_lax`` is whether nobody in particular is let in if any of several parts lets them in as nobody.
    """

    guard: GuardCore
    requirement: Requirement
    area: int = OWN
    is_lax: bool = False


@dataclass(frozen=True, slots=True)
class Ruling:
    """What must hold at one place, outermost first: at an endpoint one requirement for each guard on the way.

    ``judged`` is the same, each part by itself: marks and the path tables' entries name parameters of their own.
    """

    parts: Parts
    marks: frozenset[Mark]
    judged: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class Tabled:
    """What the path tables on the way say: the entry of each area that has one, by the area's number.

    ``trouble`` is why others could read the path differently, if they could.
    """

    entries: Mapping[int, Entry]
    trouble: str | None = None

    @property
    def patterns(self) -> tuple[tuple[int, str], ...]:
        """The entries by what they are written as: as many as there are in the tables."""
        return tuple((area, entry.pattern) for area, entry in self.entries.items())


_UNTABLED: Final = Tabled(MappingProxyType({}))


class Way:
    """What stands on the way to a place, outermost first: the same for every request that comes by it.

    ``areas`` are the protections, each with the marks under it. There are as many ways as the application has places:
    no request adds any.
    """

    __slots__ = ("areas", "parameters", "rulings", "templates")

    def __init__(
        self,
        areas: tuple[tuple[Protection, tuple[Mark, ...]], ...] = (),
        parameters: tuple[tuple[str, str], ...] = (),
        templates: tuple[str, ...] = (),
    ) -> None:
        self.areas, self.parameters, self.templates = areas, parameters, templates
        self.rulings: dict[Any, Ruling] = {}
        """What must hold at the end of this way: by whether an endpoint is meant, and the path tables' entries."""

    def under(self, protection: Protection) -> Way:
        """The way on, beneath a protection. It is kept there, to end with it."""
        way = protection.ways.get(self)
        if way is None:
            way = Way((*self.areas, (protection, ())), self.parameters, self.templates)
            _keep(protection.ways, self, way)
        return way

    def through(self, place: Place) -> Way:
        """A way on, past a place. It is kept there, to end with it: ask there first."""
        protection, marks = self.areas[-1]
        way = Way(
            (*self.areas[:-1], (protection, (*marks, *place.marks))),
            (*self.parameters, *place.parameters),
            (*self.templates, place.template),
        )
        _keep(place.ways, self, way)
        return way


def _keep(ways: dict[Way, Way], before: Way, way: Way) -> None:
    if len(ways) >= MOST_WAYS:
        ways.clear()
    ways[before] = way


_BEGINNING: Final = Way()


class Passage:
    """How far one request has come: the way to here, and what was decided here.

    Each router on the way has a passage of its own, so that a second try or a copied scope finds nothing but what is
    above it. Only the task that serves the request touches it.
    """

    # Made for every request, and most of it stays as it begins: so the class holds the beginnings, all immutable.
    way: Way = _BEGINNING
    tabled: Tabled = _UNTABLED
    shadow: Tabled | None = None
    """The same with the shadow tables in the place of those they stand for, where a protection on the way has one."""
    leads_to: Router | None = None
    pending: bool = True
    ends: Ends = ()
    """When the tokens that speak for this request expire, by each guard's clock: what a socket must not outlive."""
    lapses: Ends = ()
    """When refusals are enforced that were not, by each guard's clock: what a socket must not outlive, either."""
    above: Passage | None = None
    step: Step | None = None
    """Where the router's table leads: its pin answers with the match by which it was chosen."""
    _callers: Mapping[GuardCore, Caller | None] = MappingProxyType({})
    _decided: frozenset[Mark] = frozenset()
    _path: Mapping[str, Any] = MappingProxyType({})

    def onwards(self) -> Passage:
        """From here through the next router: what stands on the way holds there, and nothing is decided yet."""
        passage = Passage()
        passage.above = self
        passage.way, passage.tabled, passage.shadow = self.way, self.tabled, self.shadow
        return passage

    def enter(self, protection: Protection) -> None:
        """Come under a protection, beneath those that hold already."""
        self.way = self.way.under(protection)

    def look_up(self, protection: Protection, scope: Scope) -> None:
        """Take along what the path tables of the innermost protection say, by the path as it is now."""
        path, trouble = place_of(scope)
        method = scope["method"] if scope["type"] == "http" else WEBSOCKET
        if protection.shadow is not None:
            self.shadow = self._looked_up(self.shadow or self.tabled, protection.shadow, method, path, trouble)
        elif self.shadow is not None and protection.table is not None:
            self.shadow = self._looked_up(self.shadow, protection.table, method, path, trouble)
        if protection.table is not None:
            entry = protection.table.find(method, path)
            found = {} if entry is None else {len(self.areas) - 1: entry}
            self.tabled = Tabled({**self.tabled.entries, **found}, self.tabled.trouble or trouble)

    def _looked_up(self, above: Tabled, table: PathTable, method: str, path: str, trouble: str | None) -> Tabled:
        if not table.requirements:
            return above
        entry = table.find(method, path)
        if entry is not None and table is self.protection.shadow:
            # Under a name of its own: rulings are known by the entries in them.
            entry = replace(entry, pattern=f"{table.name} {entry.pattern}")
        found = {} if entry is None else {len(self.areas) - 1: entry}
        return Tabled({**above.entries, **found}, above.trouble or trouble)

    def note(self, places: Iterable[Place]) -> None:
        """Take along what stands at these places."""
        for place in places:
            self.way = place.ways.get(self.way) or self.way.through(place)

    @property
    def areas(self) -> tuple[tuple[Protection, tuple[Mark, ...]], ...]:
        """The protections on the way, outermost first, each with the marks under it."""
        return self.way.areas

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The path parameters on the way, each with the name of its converter."""
        return self.way.parameters

    @property
    def templates(self) -> tuple[str, ...]:
        """The parts of the path template."""
        return self.way.templates

    @property
    def protection(self) -> Protection:
        """The innermost protection."""
        return self.way.areas[-1][0]

    def is_let_through(self, guard: GuardCore | None) -> bool:
        """Whether refusals of a guard are not enforced here; or, for ``None``, those of path tables.

        They are enforced, if any of the protections on the way enforces them that may have asked for them.
        """
        every = [protection for protection, _ in self.areas]
        asking = [each for each in every if (each.table is not None if guard is None else each.guard is guard)]
        return bool(asking) and all(each.lets_through() for each in asking)

    def end_of(self, guard: GuardCore, expires_at: float) -> float:
        """When a token's end is one for its socket."""
        rollouts = [protection.rollout for protection, _ in self.areas if protection.guard is guard]
        return min(postponed(expires_at, guard, rollout) for rollout in rollouts)

    def when_enforced(self, guards: Collection[GuardCore]) -> Ends:
        """When the protections on the way begin to enforce what these guards refuse."""
        every = [(protection.guard, protection.rollout) for protection, _ in self.areas]
        return tuple((guard, each.ends_at) for guard, each in every if guard in guards and each is not None)

    @property
    def tabling(self) -> set[GuardCore]:
        """The guards of the protections with a path table."""
        return {protection.guard for protection, _ in self.areas if protection.table is not None}

    @property
    def shadowing(self) -> GuardCore:
        """The guard of the innermost protection with a shadow table."""
        return next(protection.guard for protection, _ in reversed(self.areas) if protection.shadow is not None)

    def in_shadow(self) -> Passage:
        """The same as it would stand if the shadow tables were those that decide."""
        passage = self.onwards()
        passage.tabled = self.shadow or self.tabled
        return passage

    def is_read_by_path(self, place: Place | None) -> bool:
        """Whether path tables alone tell what must hold, or whatever stands there reads the path by itself.

        Where marks stand on the way to an endpoint, they hold by the framework's own reading of it.
        """
        return (place is not None and place.opaque) or not any(marks for _, marks in self.areas)

    def route(self, scope: Scope) -> str:
        """The route for the log: its template, since a path may hold anything."""
        method = scope["method"] if scope["type"] == "http" else "WS"
        return f"{method} {''.join(self.templates) or '(no route)'}"

    def ruling(self, *, endpoint: bool) -> Ruling:
        """What must hold here; where no ``endpoint`` is meant (405, 404) the default counts, too.

        Raises `ConfigurationError` for an endpoint that nobody can reach, `UnguardedEndpointError` for a mark whose
        guard is not installed on the way.
        """
        asked: dict[GuardCore, list[Requirement]] = {protection.guard: [] for protection, _ in self.areas}
        for protection, marks in self.areas:
            if protection.floor is not None:
                asked[protection.guard].append(protection.floor)
            for mark in marks:
                if mark.guard not in asked:
                    raise unguarded(mark, "".join(self.templates))
                asked[mark.guard].append(mark.requirement)
        innermost, marks = self.areas[-1]
        if not (marks or len(self.areas) - 1 in self.tabled.entries) or not endpoint:
            asked[innermost.guard].append(innermost.default)
        every = frozenset(mark for _, found in self.areas for mark in found)
        if not endpoint:
            # A route's rule and the default may exclude each other: then a wrong method is refused to everybody.
            judged = [Judged(guard, each) for guard, requirements in asked.items() for each in requirements]
            judged += [Judged(guard, each, area) for guard in asked for area, each in self._tabled_by(guard)]
            return Ruling(tuple((guard, each) for guard, each, *_ in judged), every, tuple(judged))
        parts, judged = self._parts(asked)
        _check_together(parts, self._where)
        return Ruling(parts, every, tuple(judged))

    def _parts(self, asked: Mapping[GuardCore, list[Requirement]]) -> tuple[Parts, list[Judged]]:
        parts, judged = list[tuple[GuardCore, Requirement]](), list[Judged]()
        for guard, requirements in asked.items():
            tabled = self._tabled_by(guard)
            if requirements or tabled:
                whole = self._whole(guard, (*requirements, *(each for _, each in tabled)))
                parts.append((guard, whole))
                judged += _apart(guard, requirements, tabled, whole)
        for _, requirement, area, _ in judged:
            if area == OWN:
                _check_parameters(requirement, self.parameters, self._where)
        return tuple(parts), judged

    def _tabled_by(self, guard: GuardCore) -> list[tuple[int, Requirement]]:
        entries = self.tabled.entries.items()
        return [(area, entry.requirement) for area, entry in entries if self.areas[area][0].guard is guard]

    def _whole(self, guard: GuardCore, requirements: tuple[Requirement, ...]) -> Requirement:
        try:
            whole = combined(requirements)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._where}: {error}") from None
        guard.check_possible(whole, self._where)
        return whole

    @property
    def _where(self) -> str:
        """The place, for messages."""
        entries = (f"routes[{entry.pattern!r}]" for entry in self.tabled.entries.values())
        return " and ".join(("".join(self.templates), *entries))

    def answered(self) -> None:
        """Remember that a guard has answered, for all who wait for it."""
        self.pending, above = False, self.above
        while above is not None:
            above.pending, above = False, above.above

    def settle(self, ruling: Ruling, callers: dict[GuardCore, Caller | None], path: Mapping[str, Any]) -> None:
        """Remember what was decided, and for which path parameters."""
        if self.above is None:
            self.pending = False
        else:
            self.answered()
        self._decided, self._callers, self._path = ruling.marks, callers, path

    def has_decided(self, mark: Mark) -> bool:
        """Whether this mark was judged, and let in."""
        return mark in self._decided

    def has_noted(self, mark: Mark) -> bool:
        """Whether this mark was judged, or will be by the router that this leads to."""
        return any(mark in marks for _, marks in self.areas)

    def caller_under(self, mark: Mark, path: Mapping[str, Any]) -> Caller | None:
        """The caller as decided under a mark.

        Raises `UnguardedEndpointError` for what was not decided, or not for this path.
        """
        if mark not in self._decided or (path is not self._path and dict(path) != dict(self._path)):
            raise unguarded(mark, "".join(self.templates) or "the endpoint")
        return self._callers[mark.guard]

    @property
    def caller(self) -> Caller | None:
        """The caller as the innermost guard decided."""
        return next(reversed(tuple(self._callers.values())), None)


def _apart(
    guard: GuardCore, own: list[Requirement], tabled: list[tuple[int, Requirement]], whole: Requirement
) -> list[Judged]:
    """Each part that one guard judges at an endpoint, under the audiences that all of them have in common."""
    if not tabled:
        return [Judged(guard, whole)]
    parts = [(OWN, all_of(tuple(each.rule for each in own)))] if own else []
    parts += [(area, each.rule) for area, each in tabled]
    judged = [Judged(guard, Requirement(rule, whole.audiences), area, whole.optional) for area, rule in parts]
    return [each for each in judged if not each.requirement.public] or judged[:1]


def _check_parameters(requirement: Requirement, parameters: tuple[tuple[str, str], ...], where: str) -> None:
    for name in path_parameters(requirement.rule):
        kinds = [kind for parameter, kind in parameters if parameter == name]
        if len(kinds) != 1:
            found = "has no such parameter" if not kinds else "has it more than once"
            raise ConfigurationError(
                f"{where}: PathParam({name!r}) names whoever the path names, and the path {found}: "
                "give the parameter one name of its own in the path"
            )
        if kinds[0] not in ("StringConvertor", "IntegerConvertor"):
            raise ConfigurationError(
                f"{where}: PathParam({name!r}) compares text or whole numbers, and the path converts it by {kinds[0]}: "
                f"write {{{name}}} or {{{name}:int}}"
            )


def _check_together(parts: Parts, where: str) -> None:
    # Two guards may trust different issuers, but their rules must go together all the same.
    if len(parts) > 1:
        issuers = tuple(dict.fromkeys(issuer for guard, _ in parts for issuer in guard.issuers))
        check_possible(all_of(tuple(requirement.rule for _, requirement in parts)), issuers, where)

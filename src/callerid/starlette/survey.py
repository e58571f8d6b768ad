"""All routes of an application with the rules that hold there: what is checked at start-up, by what is enforced."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from starlette.routing import Router

from callerid.errors import CalleridError, ConfigurationError
from callerid.guard import log
from callerid.marks import Mark
from callerid.paths import WEBSOCKET, Entry
from callerid.paths.pattern import Pattern
from callerid.paths.shapes import MANY, inside, is_answered, nothing_answers, standing
from callerid.rules import all_of
from callerid.starlette.passage import Passage, Ruling, Tabled
from callerid.starlette.protection import Protection
from callerid.starlette.reading import Place, Receiver
from callerid.starlette.seam import install

__all__ = ["Found", "check", "survey", "unanswered"]

DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Found:
    """One route: its path template, its method, and its ruling or what is wrong with it.

    The method is empty for a WebSocket, and ``*`` for whatever is mounted. ``areas`` are the protections on the way,
    outermost first, each with the marks under it; ``sources`` says where each mark stands, and ``endpoint`` is what
    serves. ``entries`` are those of the path tables, by the number of their area; where one holds for a part of the
    route's paths only, that is found by itself, under the path of the entry (``is_part``). ``shapes`` are the route's
    paths as the table of each area sees them, and ``answers`` the methods that an entry may name (``None``: any).
    ``mounts`` are the templates at which the areas begin, and ``receivers`` the parameters that are given the caller.
    ``parameters`` are the path's, each with its converter; ``condition`` is the class of a route that may look at more
    than paths and methods (empty: it does not); ``opaque`` is whether something is mounted here that reads the rest of
    the path by itself. What holds below a mount where there is no route is a route, too (``is_rest``).
    """

    template: str
    method: str
    ruling: Ruling | None
    problem: str = ""
    areas: tuple[tuple[Protection, tuple[Mark, ...]], ...] = ()
    sources: Mapping[Mark, str] = field(default_factory=dict[Mark, str])
    endpoint: Any = None
    entries: Mapping[int, Entry] = field(default_factory=dict[int, Entry])
    shapes: tuple[str, ...] = ()
    answers: Collection[str] | None = None
    is_part: bool = False
    mounts: tuple[str, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    condition: str = ""
    opaque: bool = False
    is_rest: bool = False

    @property
    def tabled(self) -> frozenset[tuple[Protection, str]]:
        """The entries, each by its protection and as it is written."""
        return frozenset((self.areas[area][0], entry.pattern) for area, entry in self.entries.items())


def survey(router: Router, protection: Protection, *, rests: bool = False) -> Iterator[Found]:
    """Every route in its order, by the same reading as requests get; opaque mounts count as one route.

    With ``rests`` there is one more for each mount: what holds below it where there is no route.
    """
    passage = Passage()
    passage.enter(protection)
    every = _survey(router, passage, (_Area("", ""),), {}, 0)
    found = tuple(each for each in every if rests or not each.is_rest)
    whole = {(each.template, each.method) for each in found if not (each.is_part or each.is_rest)}
    possible = frozenset[tuple[Protection, str]]().union(*(each.tabled for each in found if each.ruling is not None))
    for each in found:
        # Another route serves there, by its own name or as far as can be told.
        is_elsewhere = (each.template, each.method) in whole or (each.ruling is None and each.tabled <= possible)
        if not (each.is_part and is_elsewhere):
            yield each


class _Area(NamedTuple):
    """Where one protection begins, and the shape of the path from there."""

    template: str
    shape: str


def _survey(
    router: Router, passage: Passage, ways: tuple[_Area, ...], above: Mapping[Mark, str], depth: int
) -> Iterator[Found]:
    reader = passage.protection.reader
    around = reader.around(router)
    passage.note(around)
    above = {**_standing(around, "app"), **above}
    for places, route in reader.table(router):
        behind = reader.behind(route) if depth < DEEPEST else None
        seam = None if behind is None else install(behind)
        for method in reader.methods(route):
            place = reader.place(route, method)
            here = _at(passage, (*places, place))
            own = {mark: reader.source(route, place, mark) for mark in place.marks}
            sources = {**own, **_standing(places, "router"), **above}
            rest = f"{place.shape}/{MANY}" if seam is None and place.opaque else place.shape
            onwards = tuple(_Area(way.template, way.shape + rest) for way in ways)
            if seam is None:
                yield from _found(here, onwards, route, (place, method), sources)
                continue
            if seam.protection is not None:
                here.enter(seam.protection)
                onwards = (*onwards, _Area("".join(here.templates), ""))
            yield from _survey(seam.router, here, onwards, sources, depth + 1)
            yield from _rest(here, sources, reader.target(route))


def _rest(passage: Passage, sources: Mapping[Mark, str], mounted: Any) -> Iterator[Found]:
    template = "".join(passage.templates)
    with suppress(CalleridError):  # a mark without its guard: each route below says so
        ruling = passage.ruling(endpoint=False)
        yield Found(
            template,
            "*",
            ruling,
            areas=passage.areas,
            sources=sources,
            endpoint=mounted,
            parameters=passage.parameters,
            is_rest=True,
        )


def _standing(places: Iterable[Place], otherwise: str) -> dict[Mark, str]:
    # An included router repeats what stands around it: the outermost place is where it was written.
    inwards = tuple(places)[::-1]
    return {mark: place.origin or otherwise for place in inwards for mark in place.marks}


def _at(passage: Passage, places: tuple[Place, ...]) -> Passage:
    here = passage.onwards()
    here.note(places)
    return here


def _found(
    passage: Passage, ways: tuple[_Area, ...], route: Any, serving: tuple[Place, str], sources: Mapping[Mark, str]
) -> Iterator[Found]:
    """What holds at a route, and at those of its paths for which a table has entries of their own."""
    place, method = serving
    reader, template = passage.protection.reader, "".join(passage.templates)
    declared = {WEBSOCKET} if not method else getattr(route, "methods", None)
    whole = Found(
        template,
        method,
        None,
        areas=passage.areas,
        sources=sources,
        endpoint=reader.target(route),
        entries=_everywhere(passage, ways, method),
        shapes=tuple(way.shape for way in ways),
        answers=None if place.opaque else declared or None,
        mounts=tuple(way.template for way in ways),
        receivers=place.receivers,
        parameters=passage.parameters,
        condition=_condition(route),
        opaque=place.opaque,
    )
    yield _judged(passage, place, whole)
    for area, pattern, entry in _somewhere(passage, ways, method):
        at = ways[area].template + pattern.path
        yield _judged(
            passage,
            place,
            replace(
                whole,
                # What is mounted serves at its own path, too, which has a slash at the end there.
                template=f"{at}/" if at == template else at,
                method={"": "*", WEBSOCKET: ""}.get(pattern.method, pattern.method) if method == "*" else method,
                entries={**whole.entries, area: entry},
                is_part=True,
            ),
        )


def _condition(route: Any) -> str:
    """The class of a route which matches in a way of its own."""
    for each in (route, getattr(route, "original_route", None)):
        owners = [base for base in type(each).__mro__ if "matches" in vars(base)]
        if owners and owners[0].__module__.partition(".")[0] not in ("starlette", "fastapi"):
            return str(type(each).__name__)
    return ""


def _everywhere(passage: Passage, ways: tuple[_Area, ...], method: str) -> dict[int, Entry]:
    found: dict[int, Entry] = {}
    for area, (protection, _) in enumerate(passage.areas):
        entry = None if protection.table is None else standing(protection.table, method or WEBSOCKET, ways[area].shape)
        if entry is not None:
            found[area] = entry
    return found


def _somewhere(passage: Passage, ways: tuple[_Area, ...], method: str) -> Iterator[tuple[int, Pattern, Entry]]:
    for area, (protection, _) in enumerate(passage.areas):
        table, (_, shape) = protection.table, ways[area]
        if table is None:
            continue
        asked, everywhere = method or WEBSOCKET, standing(table, method or WEBSOCKET, shape)
        found = dict[str, tuple[Pattern, Entry]]()
        for each in _lengths(shape):
            entry = standing(table, asked, each)
            alone = [] if entry is None else [(Pattern.parse(entry.pattern), entry)]
            found.update((pattern.text, (pattern, entry)) for pattern, entry in (*alone, *inside(table, asked, each)))
        yield from ((area, *each) for text, each in found.items() if everywhere is None or text != everywhere.pattern)


def _lengths(shape: str) -> tuple[str, ...]:
    """The shape, and without what is of any length at its end: it may be nothing."""
    return (shape, shape.removesuffix(f"/{MANY}")) if shape.endswith(f"/{MANY}") else (shape,)


def _judged(passage: Passage, place: Place, found: Found) -> Found:
    passage.tabled = Tabled(found.entries)
    try:
        ruling = passage.ruling(endpoint=True)
        passage.protection.reader.check(place, ruling)
    except CalleridError as error:
        return replace(found, problem=str(error))
    return replace(found, ruling=ruling)


def unanswered(found: Iterable[Found], protection: Protection) -> Iterator[str]:
    """Entries of the path tables that stand for nothing: as good as a typing mistake in a rule."""
    routes: dict[Protection, list[tuple[str, Collection[str] | None]]] = {protection: []}
    for each in found:
        for (area, _), shape in zip(each.areas, each.shapes, strict=True):
            routes.setdefault(area, []).extend((one, each.answers) for one in _lengths(shape))
    for area, own in routes.items():
        for table in filter(None, (area.table, area.shadow)):
            idle = (text for text in table.requirements if not is_answered(table, text, own))
            yield from (nothing_answers(text, table.name) for text in idle)


def check(router: Router, protection: Protection) -> None:
    """Raise `ConfigurationError` for routes that can admit nobody or cannot be judged, and for idle table entries.

    Log, once, which routes are open to everybody, and which let in somebody whom the default refuses; and which are
    not made for nobody, whom they may get while rules are not enforced.
    """
    found = tuple(survey(router, protection))
    problems = [each.problem for each in found if each.problem]
    problems += unanswered(found, protection)
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)))
    judged = ((f"{each.method or 'WS'} {each.template}", each.ruling) for each in found if each.ruling is not None)
    places = ((place, all_of(tuple(requirement.rule for _, requirement in ruling.parts))) for place, ruling in judged)
    protection.guard.announce(places, protection.default.rule)
    unready = tuple(_unready(found))
    if unready:
        log.warning("not enforced, so these may get None for a Caller: write Caller | None: %s", ", ".join(unready))


def _unready(found: Iterable[Found]) -> Iterator[str]:
    for each in found:
        if any(area.lets_through() for area, _ in each.areas):
            names = (receiver.name for receiver in each.receivers if not receiver.takes_none)
            yield from (f"{name!r} of {each.method or 'WS'} {each.template}" for name in names)

"""All routes of an application with the rules that hold there: what is checked at start-up, by what is enforced."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import Router

from callerid.errors import CalleridError, ConfigurationError
from callerid.guard import log
from callerid.marks import Mark
from callerid.starlette.passage import Passage, Ruling
from callerid.starlette.protection import Protection
from callerid.starlette.reading import Place
from callerid.starlette.seam import install

__all__ = ["Found", "check", "survey"]

DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Found:
    """One route: its path template, its method, and its ruling or what is wrong with it.

    The method is empty for a WebSocket, and ``*`` for whatever is mounted. ``areas`` are the protections on the way,
    outermost first, each with the marks under it; ``sources`` says where each mark stands, and ``endpoint`` is what
    serves.
    """

    template: str
    method: str
    ruling: Ruling | None
    problem: str = ""
    areas: tuple[tuple[Protection, tuple[Mark, ...]], ...] = ()
    sources: Mapping[Mark, str] = field(default_factory=dict[Mark, str])
    endpoint: Any = None


def survey(router: Router, protection: Protection) -> Iterator[Found]:
    """Every route, by the same reading as requests get; opaque mounts count as one route."""
    passage = Passage()
    passage.enter(protection)
    yield from _survey(router, passage, {}, 0)


def _survey(router: Router, passage: Passage, above: Mapping[Mark, str], depth: int) -> Iterator[Found]:
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
            if seam is None:
                yield _found(here, place, method, sources, reader.target(route))
                continue
            if seam.protection is not None:
                here.enter(seam.protection)
            yield from _survey(seam.router, here, sources, depth + 1)


def _standing(places: Iterable[Place], otherwise: str) -> dict[Mark, str]:
    return {mark: place.origin or otherwise for place in places for mark in place.marks}


def _at(passage: Passage, places: tuple[Place, ...]) -> Passage:
    here = passage.onwards()
    here.note(places)
    return here


def _found(passage: Passage, place: Place, method: str, sources: Mapping[Mark, str], endpoint: Any) -> Found:
    template, ruling, problem = "".join(passage.templates), None, ""
    try:
        ruling = passage.ruling(endpoint=True)
        passage.protection.reader.check(place, ruling)
    except CalleridError as error:
        ruling, problem = None, str(error)
    return Found(template, method, ruling, problem, passage.areas, sources, endpoint)


def check(router: Router, protection: Protection) -> None:
    """Raise `ConfigurationError` for routes that can admit nobody or cannot be judged; log those open to everybody."""
    found = tuple(survey(router, protection))
    problems = tuple(dict.fromkeys(each.problem for each in found if each.problem))
    if problems:
        raise ConfigurationError("\n".join(problems))
    for each in found:
        if each.ruling is not None and all(requirement.public for _, requirement in each.ruling.parts):
            log.info("open to everybody: %s %s", each.method or "WS", each.template)

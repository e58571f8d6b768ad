"""All routes of an application with the rules that hold there: what is checked at start-up, by what is enforced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from starlette.routing import Router

from callerid.errors import CalleridError, ConfigurationError
from callerid.guard import log
from callerid.starlette.passage import Passage, Ruling
from callerid.starlette.protection import Protection
from callerid.starlette.reading import Place
from callerid.starlette.seam import install

__all__ = ["Found", "check", "survey"]

DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Found:
    """One route: its path template, its method, and its ruling or what is wrong with it.

    The method is empty for a WebSocket, and ``*`` for whatever is mounted.
    """

    template: str
    method: str
    ruling: Ruling | None
    problem: str = ""


def survey(router: Router, protection: Protection) -> Iterator[Found]:
    """Every route, by the same reading as requests get; opaque mounts count as one route."""
    passage = Passage()
    passage.enter(protection)
    yield from _survey(router, passage, 0)


def _survey(router: Router, passage: Passage, depth: int) -> Iterator[Found]:
    reader = passage.protection.reader
    passage.note(reader.around(router))
    for places, route in reader.table(router):
        behind = reader.behind(route) if depth < DEEPEST else None
        seam = None if behind is None else install(behind)
        for method in reader.methods(route):
            place = reader.place(route, method)
            here = _at(passage, (*places, place))
            if seam is None:
                yield _found(here, place, method)
                continue
            if seam.protection is not None:
                here.enter(seam.protection)
            yield from _survey(seam.router, here, depth + 1)


def _at(passage: Passage, places: tuple[Place, ...]) -> Passage:
    here = passage.onwards()
    here.note(places)
    return here


def _found(passage: Passage, place: Place, method: str) -> Found:
    template = "".join(passage.templates)
    try:
        ruling = passage.ruling(endpoint=True)
        passage.protection.reader.check(place, ruling)
    except CalleridError as error:
        return Found(template, method, None, str(error))
    return Found(template, method, ruling)


def check(router: Router, protection: Protection) -> None:
    """Raise `ConfigurationError` for routes that can admit nobody or cannot be judged; log those open to everybody."""
    found = tuple(survey(router, protection))
    problems = tuple(dict.fromkeys(each.problem for each in found if each.problem))
    if problems:
        raise ConfigurationError("\n".join(problems))
    for each in found:
        if each.ruling is not None and all(requirement.public for _, requirement in each.ruling.parts):
            log.info("open to everybody: %s %s", each.method or "WS", each.template)

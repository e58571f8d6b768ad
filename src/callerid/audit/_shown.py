"""The rows as a person has to read them: what a middleware asks stands in the rows of the routes behind it. Pure.

Where one entry of its table holds at all paths of a route, the route's row has its rule, too. Where an entry holds at
some of them, there is a row for these: the first one that is for a request tells who may.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from callerid.audit._places import Place, common, covers, places_of, positions_of
from callerid.audit._row_sets import merged
from callerid.audit._rows import AccessMap, GuardRequirement, Part, Row
from callerid.audit._two_sides import by_position, named_alike
from callerid.audit.algebra import check_possible, separate
from callerid.errors import ConfigurationError
from callerid.guard import Requirement

__all__ = ["impossible", "shown"]

_Here = tuple[Row, tuple[Place, ...]]
"""A row for one method, and the places it is for."""


def shown(found: AccessMap) -> tuple[Row, ...]:
    """The rows, those of the middleware first; each of the others with what holds there beside its own rules."""
    if not found.gates:
        return found.rows
    outside = found.rows[: -len(found.routes)]
    return (*outside, *_routes(found))


def impossible(found: AccessMap) -> Iterator[str]:
    """What is wrong with routes that nobody can call, since a middleware asks what goes with none of their rules."""
    for row in _routes(found) if found.gates else ():
        if not row.is_rest and _AT not in row.name:
            where = f"{row.name} (behind a CallerMiddleware, whose rule must hold, too)"
            try:
                check_possible(row.rule, row.issuers, where)
            except ConfigurationError as error:
                yield str(error)


def _routes(found: AccessMap) -> Iterator[Row]:
    for row in found.routes:
        yield from merged(_behind(row, found.gates))


def _behind(row: Row, gates: tuple[tuple[Row, ...], ...]) -> Iterator[Row]:
    for method in row.methods:
        serves = row.serving(method)
        here: list[_Here] = [(replace(row, methods=(method,), serves=(serves,)), row.places(method))]
        for number, gate in reversed(list(enumerate(gates, 1))):
            here = [part for each in here for part in _in_turn(*each, method, gate, f"middleware {number}")]
        yield from (each for each, _ in here)


_AT = ", at "


def _in_turn(row: Row, places: tuple[Place, ...], method: str, gate: tuple[Row, ...], name: str) -> Iterator[_Here]:
    """The row behind each entry that may be for its requests, the most specific first."""
    (rest,) = (entry for entry in gate if entry.is_rest)
    for entry_method, entry in sorted(_entries(gate), key=lambda each: each[1].serving(each[0]).order):
        if not _may_be_one(entry_method, method):
            continue
        own = places_of(entry.template, either_slash=True)
        meeting = tuple(both for one in own for other in places if (both := common(one, other)) is not None)
        is_whole = entry_method in ("*", method) or (entry_method, method) == ("GET", "HEAD")
        if is_whole and all(any(covers(one, other) for one in own) for other in places):
            yield _joined(row, places, entry, rest, name), places
            return
        if meeting and not row.is_rest:
            at = entry.template if is_whole else f"{entry_method} {entry.template}"
            part = _joined(row, meeting, entry, rest, name)
            serves = replace(part.serving(method), written=f"{row.written(method)}{_AT}{at}")
            yield replace(part, serves=(serves,)), meeting
    yield _joined(row, places, rest, rest, name), places


def _entries(gate: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    return ((method, entry) for entry in gate if not entry.is_rest for method in entry.methods)


def _may_be_one(one: str, other: str) -> bool:
    return one == other or "*" in (one, other) or (one, other) == ("GET", "HEAD")


def _joined(row: Row, places: tuple[Place, ...], entry: Row, rest: Row, name: str) -> Row:
    """The row with what an entry asks, its path parameters by the names of the route's."""
    default = Requirement(separate((rest.default.rule, row.default.rule)))
    (asked,) = entry.asked
    if asked.requirement.public:
        return replace(row, default=default)
    names = named_alike((row.template, entry.template))
    rule = by_position(asked.requirement.rule, positions_of(entry.template), names, places[0])
    requirement = Requirement(rule, asked.requirement.audiences)
    parts = (Part(f"{source} of {name}", requirement) for source in entry.sources)
    return replace(
        row, parts=(*parts, *row.parts), asked=(GuardRequirement(asked.guard, requirement), *row.asked), default=default
    )

"""The map of an application behind `CallerMiddleware`: its path table."""

from __future__ import annotations

from collections.abc import Iterator

from callerid.audit._places import EVERYWHERE, Place, common, places_of
from callerid.audit._row_sets import merged
from callerid.audit._rows import ANYWHERE_ELSE, AccessMap, Part, Row, ServedBy, row
from callerid.guard import Requirement
from callerid.paths import WEBSOCKET, Gate, PathTable
from callerid.paths._pattern import ANY_METHOD, REST, Pattern

__all__ = ["audited_by", "entries_of", "rows_of", "unanswered_by"]


def rows_of(gate: Gate) -> tuple[Row, ...]:
    """A row for each entry, and one for the rest."""
    return merged(_rows(gate))


def entries_of(table: PathTable) -> Iterator[tuple[str, str, Requirement]]:
    """The entries of a table: method, path and what is asked."""
    for text, requirement in table.requirements.items():
        pattern = Pattern.parse(text)
        yield {ANY_METHOD: "*", WEBSOCKET: "WS"}.get(pattern.method, pattern.method), pattern.path, requirement


def _rows(gate: Gate) -> Iterator[Row]:
    ranked = {text: order for order, text in enumerate(sorted(gate.table.requirements, key=_rank))}
    for text, (method, path, requirement) in zip(gate.table.requirements, entries_of(gate.table), strict=True):
        yield _row(gate, (method, path), "table", requirement, ServedBy(either_slash=True, order=((ranked[text], ""),)))
    yield _row(gate, ("*", ANYWHERE_ELSE), "default", gate.default, ServedBy())


def audited_by(gate: Gate) -> Iterator[str]:
    """The entries whose paths are all audited, each as its method and path."""
    for method, path, _ in entries_of(gate.table):
        name = WEBSOCKET if method == "WS" else method
        # A parameter's name stands for any text here, so only a key for all of them takes it.
        if gate.audited is not None and gate.audited.find(name, path) is not None:
            yield f"{method} {path}"


def _rank(text: str) -> tuple[list[int], int]:
    """As `callerid.paths.PathTable` prefers them."""
    pattern = Pattern.parse(text)
    segments = [2 if each == REST else int(each.startswith("{")) for each in pattern.segments]
    return segments, {ANY_METHOD: 2, "GET": 1}.get(pattern.method, 0)


def unanswered_by(gate: Gate, framed: AccessMap) -> Iterator[str]:
    """Entries of a middleware's table for which the application behind it has no route."""
    places = [*framed.behind, *_places(framed)]
    for text, (method, path, _) in zip(gate.table.requirements, entries_of(gate.table), strict=True):
        inside = [path.removeprefix(each) for each in framed.prefixes if path.startswith(f"{each}/")]
        own = [place for each in (path, *inside) for place in places_of(each, either_slash=True)]
        known = (place for answered, place in places if _may_answer(answered, method))
        if not any(common(place, each) is not None for place in known for each in own):
            yield f"routes[{text!r}]: no route of this application answers there: correct the path or the method"


def _may_answer(answered: str, asked: str) -> bool:
    # Who answers HEAD and OPTIONS, frameworks decide for themselves.
    return answered == asked or "*" in (answered, asked) or (asked in ("HEAD", "OPTIONS") and answered != "WS")


def _places(framed: AccessMap) -> Iterator[tuple[str, Place]]:
    for method, each in framed.singly():
        serves = each.serving(method)
        if each.is_rest and serves.answers:
            yield "*", EVERYWHERE
        elif not each.is_rest:
            for place in places_of(each.written(method), below=serves.below, either_slash=True):
                yield method, place


def _row(gate: Gate, place: tuple[str, str], source: str, requirement: Requirement, serves: ServedBy) -> Row:
    # The gate has joined the floor with every entry.
    part = Part(f"{source} and floor" if gate.has_floor else source, requirement)
    return row(place, (part,), [(gate.guard, requirement)], gate.default, serves)

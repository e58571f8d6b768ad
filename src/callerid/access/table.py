"""The map of an application behind `CallerMiddleware`: its path table."""

from __future__ import annotations

from collections.abc import Iterator

from callerid.access.rows import ANYWHERE_ELSE, Part, Row, merged, row
from callerid.guard import Requirement
from callerid.paths import WEBSOCKET, Gate
from callerid.paths.pattern import ANY_METHOD, Pattern

__all__ = ["rows_of"]


def rows_of(gate: Gate) -> tuple[Row, ...]:
    """A row for each entry, and one for the rest."""
    return merged(_rows(gate))


def _rows(gate: Gate) -> Iterator[Row]:
    for text, requirement in gate.table.requirements.items():
        pattern = Pattern.parse(text)
        method = {ANY_METHOD: "*", WEBSOCKET: "WS"}.get(pattern.method, pattern.method)
        yield _row(gate, method, pattern.path, "table", requirement)
    yield _row(gate, "*", ANYWHERE_ELSE, "default", gate.default)


def _row(gate: Gate, method: str, template: str, source: str, requirement: Requirement) -> Row:
    # The gate has joined the floor with every entry.
    part = Part(f"{source} and floor" if gate.has_floor else source, requirement)
    return row((method,), template, (part,), {gate.guard: requirement}, gate.default)

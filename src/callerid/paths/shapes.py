"""Which entries of a path table stand at a route, by the route's *shape*: its path with parameters left open.

A parameter is `ANY` where it stands for one segment, or for a part of one, and `MANY` where it may have slashes in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from callerid.paths.pattern import ANY_METHOD, REST, Pattern, segments_of
from callerid.paths.table import Entry, PathTable

__all__ = ["ANY", "MANY", "inside", "is_answered", "nothing_answers", "standing"]

ANY: Final = "\0"
"""What stands for a parameter: no request that is let through has it in its path."""

MANY: Final = "\0\0"
"""What stands for a parameter that may have slashes in it."""


def standing(table: PathTable, method: str, shape: str) -> Entry | None:
    """The entry that holds at a route whatever its parameters are."""
    found = [table.find(method, path) for path in _filled(segments_of(shape), table)]
    patterns = {None if entry is None else entry.pattern for entry in found}
    return found[0] if len(patterns) == 1 else None


def inside(table: PathTable, method: str, shape: str) -> Iterator[tuple[Pattern, Entry]]:
    """The entries that hold at some of a route's paths, and not at all. A ``*`` for the method is any."""
    everywhere = standing(table, method, shape)
    for pattern in map(Pattern.parse, table.requirements):
        asked = (pattern.method or method) if method == "*" else method
        for path in _meeting(table, shape, pattern):
            entry = table.find(asked, path)
            if entry is not None and entry.pattern == pattern.text:
                if everywhere is None or everywhere.pattern != pattern.text:
                    yield pattern, entry
                break


def is_answered(table: PathTable, text: str, routes: Iterable[tuple[str, Collection[str] | None]]) -> bool:
    """Whether one of these routes, each a shape and its methods (``None``: all), may answer at an entry's path."""
    pattern = Pattern.parse(text)
    return any(
        (methods is None or pattern.method == ANY_METHOD or pattern.method in methods)
        and bool(_meeting(table, shape, pattern))
        for shape, methods in routes
    )


def nothing_answers(text: str, name: str = "routes") -> str:
    """What is wrong with an entry that stands for nothing: as good as a typing mistake in a rule."""
    return f"{name}[{text!r}]: no route of this application answers there: mend the path or the method"


def _meeting(table: PathTable, shape: str, pattern: Pattern) -> tuple[str, ...]:
    """Paths that are both of the route's and of the entry's; none where there are none."""
    own, found = segments_of(shape), list[str]()
    for place, segment in enumerate(pattern.segments):
        rest = own[place:]
        if not rest:
            return ()
        if segment == REST or MANY in rest[0]:
            return _filled((*found, *(rest if segment == REST else pattern.segments[place:])), table)
        if ANY not in rest[0] and not segment.startswith("{") and rest[0] != segment:
            return ()
        found.append(rest[0] if segment.startswith("{") else segment)
    return _filled(found, table) if len(own) == len(pattern.segments) else ()


def _filled(segments: Iterable[str], table: PathTable) -> tuple[str, ...]:
    """The path where what may be of any length is as short as can be, and where it is longer than every entry."""
    deepest = max((len(segments_of(text)) for text in table.requirements), default=0)
    every = tuple(segments)
    return tuple(dict.fromkeys("".join(_path_of(each, many) for each in every) for many in (1, deepest + 1)))


def _path_of(segment: str, many: int) -> str:
    if segment == REST or MANY in segment:
        return f"/{ANY}" * many
    return f"/{ANY}" if ANY in segment or segment.startswith("{") else f"/{segment}"

"""Look-up of a path in a path table, where the application may read the path differently.

`ambiguity` finds request lines that are ambiguous by themselves. This module finds those that are ambiguous because of
the table's entries: an application, or its file system, that ignores letter case or normalizes Unicode serves
``/ADMIN`` as ``/admin``, so the entry ``/admin`` must not be skipped for it.
"""

from __future__ import annotations

import unicodedata
from typing import Final, NamedTuple

from callerid.errors import ConfigurationError
from callerid.guard import Requirement
from callerid.paths._ambiguity import ambiguous
from callerid.paths._pattern import WEBSOCKET, Pattern
from callerid.paths._table import PathTable, TableEntry
from callerid.rules import Public

__all__ = ["PathLookup", "PathMatch"]


class PathMatch(NamedTuple):
    """The entry for a path as it is written, and why another reader could find a different one (``None``: none could).

    A request with ``trouble`` is to be refused with 400 (`BadRequest`, `Reason.AMBIGUOUS_PATH`), whatever the entry.
    """

    entry: TableEntry | None
    trouble: str | None = None


class PathLookup:
    """Finds the entry for a written path, and says where other readers of the path could find another one.

    Raises `ConfigurationError` for entries whose paths differ in letter case alone, or in what else `folded` makes
    equal, and which ask different things: an application that ignores case serves one place for both.
    """

    def __init__(self, table: PathTable) -> None:
        self.table = table
        self._same: dict[str, str] = {}
        """For each entry, the first of those that are the same place when folded."""
        patterns: dict[Pattern, str] = {}
        for pattern in table.patterns:
            text = pattern.text
            rival = self._same[text] = patterns.setdefault(_folded_pattern(pattern), text)
            if table.requirements[rival] != table.requirements[text]:
                raise ConfigurationError(
                    f"{table.name}: {rival!r} and {text!r} are the same place where letter case or Unicode form is "
                    "ignored, and ask different things: give both the same rule, or keep one of them",
                    code="path-table-same-place",
                )
        self._folded = PathTable.below([(text, pattern, _NOTHING) for pattern, text in patterns.items()])
        self._is_folded = all(
            each[0] == "{" or each == folded(each) for pattern in table.patterns for each in pattern.segments
        )

    def find(self, method: str, path: str, *targets: bytes | str | None) -> PathMatch:
        """Look a request up; a handshake's method is `WEBSOCKET`.

        ``path`` is decoded once, ``targets`` are the request targets as they were sent, where the server shows them
        (see `ambiguous`).
        """
        entry = self.table.find(method, path)
        word = "GET" if method == WEBSOCKET else method
        for target in targets or (None,):
            trouble = ambiguous(path, target, method=word)
            if trouble is not None:
                return PathMatch(entry, trouble)
        return PathMatch(entry, None if self._is_found_folded(method, path, entry) else _FOLDS)

    def _is_found_folded(self, method: str, path: str, entry: TableEntry | None) -> bool:
        other = folded(path)
        if self._is_folded and other == path:
            return True
        found = self._folded.find(method, other)
        if entry is None or found is None:
            return entry is None and found is None
        return self._same[entry.pattern] == found.pattern


_NOTHING: Final = Requirement(Public())
"""The requirement of entries in a table that is used for its structure only."""

_FOLDS: Final = "the path is under another entry where letter case, Unicode form or trailing dots are ignored"


def folded(path: str) -> str:
    """The path in a canonical form: the same for all spellings that an application might treat as equal.

    Letter case (some frameworks and file systems), canonical Unicode form (file systems of macOS), blanks around a
    segment and dots at its end (file systems of Windows).
    """
    if path.isascii() and " " not in path and "." not in path:
        return path.lower()
    return "/".join(map(_folded_segment, path.split("/")))


def _folded_segment(segment: str) -> str:
    # Canonical caseless matching (Unicode Standard, definition D145), with upper() before casefold(): casefold() alone
    # keeps the dotless "\u0131" apart from "I".
    for _ in range(2):
        segment = unicodedata.normalize("NFD", segment).upper().casefold()
    plain = unicodedata.normalize("NFC", segment)
    return plain.strip().rstrip(". ") or plain


def _folded_pattern(pattern: Pattern) -> Pattern:
    segments = enumerate(pattern.segments)
    return Pattern(
        "", pattern.method, "", tuple(f"{{p{at}}}" if each[0] == "{" else folded(each) for at, each in segments)
    )

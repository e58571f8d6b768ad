"""The decisions in a log, one after the other, however long it is.

The log has one JSON object in each line; or it is one document, an array of them (in one line or many) or several
objects written over many lines, as ``gcloud logging read --format=json`` prints it (whose ``jsonPayload`` has what was
logged).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TextIO, cast

from callerid.audit._decision import LoggedDecision, objects_in

__all__ = ["EntriesOfLog", "LogEntry"]

_LONGEST: Final = 1024 * 1024
"""An entry of more characters than this is not read: it counts as broken."""


_BYTE_ORDER_MARK: Final = "\ufeff"
"""What some programs write before UTF-8."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One decision, and when it was logged (seconds since the epoch; ``None`` where nothing says)."""

    decision: LoggedDecision
    time: float | None


class EntriesOfLog:
    """Reads a log once, an entry at a time.

    ``broken`` counts what is no JSON, or too long, so far.
    """

    def __init__(self, log: TextIO) -> None:
        self._log = log
        self.broken = 0

    def __iter__(self) -> Iterator[LogEntry]:
        first = self._piece().removeprefix(_BYTE_ORDER_MARK)
        while first and not first.strip():
            first = self._piece()
        is_document = first.lstrip()[:1] == "[" or first.strip() == "{"
        for text in self._in_document(first) if is_document else self._lines(first):
            yield from self._decisions(text)

    def _piece(self) -> str:
        """The next line, or as much of it as an entry may be long; empty at the end."""
        return self._log.readline(_LONGEST)

    def _lines(self, piece: str) -> Iterator[str]:
        """The lines, but for those that are too long."""
        while piece:
            if piece.endswith("\n") or len(piece) < _LONGEST:
                yield piece
            else:
                self.broken += 1
                while piece and not piece.endswith("\n"):
                    piece = self._piece()
            piece = self._piece()

    def _in_document(self, piece: str) -> Iterator[str]:
        """Each outermost object of a document, told by its braces alone; the document may be one line."""
        objects = _Objects()
        while piece:
            yield from objects.ended_by(piece)
            piece = self._piece()
        self.broken += objects.too_long + objects.is_open

    def _decisions(self, text: str) -> Iterator[LogEntry]:
        if not text.strip():
            return
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            self.broken += 1
            return
        for fields in objects_in(given):
            if isinstance(fields.get("outcome"), str) and isinstance(fields.get("route"), str):
                said = {key: value for key, value in fields.items() if isinstance(value, str)}
                yield LogEntry(LoggedDecision(said), _time_of(said, given))
                return


_TOKENS: Final = re.compile(r'\\.|["{}]', re.DOTALL)
"""What is escaped in a text, where a text begins or ends, or a brace."""


class _Objects:
    """The objects of a document, collected piece by piece. ``too_long`` counts those that were dropped."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._depth = self._size = 0
        self._is_text = False
        self._left = ""
        self.too_long = 0

    @property
    def is_open(self) -> bool:
        """Whether an object has begun that has not ended."""
        return self._depth > 0

    def ended_by(self, piece: str) -> Iterator[str]:
        """The objects that end in this piece."""
        piece = self._left + piece
        # What a backslash at the end escapes comes with the next piece.
        self._left = "\\" * ((len(piece) - len(piece.rstrip("\\"))) % 2)
        piece = piece[: len(piece) - len(self._left)]
        begins = 0
        for found in _TOKENS.finditer(piece):
            sign = found[0]
            if sign == '"':
                self._is_text = not self._is_text
            elif sign == "{" and not self._is_text:
                begins = found.start() if self._depth == 0 else begins
                self._depth += 1
            elif sign == "}" and self._depth and not self._is_text:
                self._depth -= 1
                if self._depth == 0:
                    self._keep(piece[begins : found.end()])
                    yield from self._taken()
        if self._depth:
            self._keep(piece[begins:])
        if piece.endswith("\n"):
            self._is_text = False  # no text goes on in the next line, so one that is broken does not take that along

    def _keep(self, part: str) -> None:
        self._size += len(part)
        if self._size <= _LONGEST:
            self._parts.append(part)
        else:
            self._parts.clear()

    def _taken(self) -> Iterator[str]:
        parts, is_whole = self._parts, self._size <= _LONGEST
        self._parts, self._size = [], 0
        if is_whole:
            yield "".join(parts)
        else:
            self.too_long += 1


def _time_of(said: Mapping[str, str], given: Any) -> float | None:
    """When it was decided, as the record says; else what the entry round it says."""
    outer: Mapping[str, Any] = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    for text in (said.get("time"), outer.get("timestamp"), outer.get("time")):
        if isinstance(text, str) and (found := _seconds(text)) is not None:
            return found
    return None


def _seconds(text: str) -> float | None:
    """A time as RFC 3339 writes it, in seconds since the epoch; UTC where it names no zone."""
    try:
        # Cloud Logging writes nanoseconds, of which Python reads six digits.
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None

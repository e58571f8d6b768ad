"""Tables for a terminal: pure, from what was seen to lines of text."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from callerid.cli.scenes import Outcome

__all__ = ["WORDS", "Style", "names", "outcomes"]

WORDS = {
    "no_credential": "who?",
    "not_allowed": "no",
    "wrong_audience": "audience",
    "bad_signature": "signature",
    "unknown_issuer": "issuer",
}
"""Short words for the reasons that have long names."""

_COLOURS = {"in": "32", "out": "33", "never": "31", "wrong": "1;37;41", "head": "1", "dim": "2"}


NARROWEST, WIDEST = 60, 120
"""Tables are made for terminals of so many columns."""


@dataclass(frozen=True, slots=True)
class Style:
    """What this terminal can show. A plain one gets plain text."""

    colours: bool = False
    tick: str = "✓"
    width: int = WIDEST

    @classmethod
    def of(cls, out: TextIO) -> Self:
        """What this output can show: colours on a terminal only, unless it or its user wants none (no-color.org)."""
        try:
            "✓".encode(out.encoding or "ascii")
        except UnicodeEncodeError:
            return cls(tick="ok")
        if not out.isatty():
            return cls()
        columns = shutil.get_terminal_size((WIDEST, 24)).columns
        has_colours = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        return cls(has_colours, width=max(NARROWEST, min(columns, WIDEST)))

    def paint(self, text: str, colour: str) -> str:
        """The text in one of our colours."""
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if self.colours else text


def names(rows: Mapping[str, str], style: Style) -> list[str]:
    """Two columns: a name, and what there is to say about it."""
    width = max(map(len, rows))
    return [f"  {style.paint(name.ljust(width), 'head')}  {said}" for name, said in rows.items()]


def outcomes(
    routes: Sequence[str],
    callers: Sequence[str],
    seen: Mapping[tuple[str, str], Outcome],
    wrong: Iterable[tuple[str, str]],
    style: Style,
) -> list[str]:
    """A row for each route, a column for each caller; what was not expected stands out."""
    unexpected = frozenset(wrong)
    margin = max(map(len, routes))
    widths = [max(len(caller), *(len(_cell(seen[route, caller], style)) for route in routes)) for caller in callers]
    head = "  ".join(caller.ljust(width) for caller, width in zip(callers, widths, strict=True))
    lines = [style.paint(f"  {'':{margin}}  {head}".rstrip(), "head")]
    for route in routes:
        cells = [
            _painted(seen[route, caller], width, style, wrong=(route, caller) in unexpected)
            for caller, width in zip(callers, widths, strict=True)
        ]
        lines.append(f"  {route:{margin}}  {'  '.join(cells)}".rstrip())
    return lines


def _cell(outcome: Outcome, style: Style) -> str:
    if outcome.is_refusal:
        return f"{outcome.status} {WORDS.get(outcome.reason, outcome.reason)}"
    return f"{style.tick} {outcome.status}"


def _painted(outcome: Outcome, width: int, style: Style, *, wrong: bool) -> str:
    colour = "wrong" if wrong else "in" if not outcome.is_refusal else "never" if outcome.status == 403 else "out"
    text = _cell(outcome, style)
    return style.paint(text, colour) + " " * (width - len(text))

"""Tables for a terminal: pure, from what was seen to lines of text."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TextIO

from callerid.audit._forms import wrapped

if TYPE_CHECKING:
    from callerid.cli._scenes import Outcome

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
        has_colours = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return cls(has_colours, width=max(NARROWEST, min(columns, WIDEST)))

    def paint(self, text: str, colour: str) -> str:
        """The text in one of our colours."""
        return f"\033[{_COLOURS[colour]}m{text}\033[0m" if self.colours else text


def names(rows: Mapping[str, str], style: Style) -> list[str]:
    """Two columns: a name, and what there is to say about it."""
    margin = max(map(len, rows))
    lines: list[str] = []
    for name, said in rows.items():
        first, *others = wrapped(said, style.width - margin - 4)
        lines.append(f"  {style.paint(name.ljust(margin), 'head')}  {first}")
        lines += [f"  {'':{margin}}  {other}" for other in others]
    return lines


def outcomes(
    routes: Sequence[str],
    callers: Sequence[str],
    seen: Mapping[tuple[str, str], Outcome],
    wrong: Iterable[tuple[str, str]],
    style: Style,
) -> list[str]:
    """A row for each route, a column for each caller, in several tables where one is too wide.

    What was not expected stands out.
    """
    margin = max(map(len, routes))
    widths = {
        caller: max(len(caller), *(len(_cell(seen[route, caller], style)) for route in routes)) for caller in callers
    }
    unexpected = frozenset(wrong)
    lines: list[str] = []
    for some in _fitting(widths, style.width - margin - 2):
        head = "  ".join(caller.ljust(width) for caller, width in some.items())
        lines += ["", style.paint(f"  {'':{margin}}  {head}".rstrip(), "head")]
        for route in routes:
            cells = [
                _painted(seen[route, caller], width, style, wrong=(route, caller) in unexpected)
                for caller, width in some.items()
            ]
            lines.append(f"  {route:{margin}}  {'  '.join(cells)}".rstrip())
    return lines[1:]


def _fitting(widths: Mapping[str, int], room: int) -> Iterator[dict[str, int]]:
    """The columns, in groups that fit; each has two spaces before it."""
    group: dict[str, int] = {}
    for name, width in widths.items():
        if group and sum(group.values()) + 2 * len(group) + width + 2 > room:
            yield group
            group = {}
        group[name] = width
    yield group


def _cell(outcome: Outcome, style: Style) -> str:
    if outcome.is_refusal:
        return f"{outcome.status} {WORDS.get(outcome.reason, outcome.reason)}"
    return f"{style.tick} {outcome.status}"


def _painted(outcome: Outcome, width: int, style: Style, *, wrong: bool) -> str:
    colour = "wrong" if wrong else "in" if not outcome.is_refusal else "never" if outcome.status == 403 else "out"
    text = _cell(outcome, style)
    return style.paint(text, colour) + " " * (width - len(text))

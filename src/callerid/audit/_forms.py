"""The map as a table for a terminal, as JSON, and as Markdown. Pure."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from callerid.audit._order import partly_served
from callerid.audit._rows import AccessMap, Row
from callerid.audit._shown import shown
from callerid.audit._ways import by_which, ways_of
from callerid.authorization._report_only import UNENFORCED

__all__ = ["WIDTH", "as_json", "as_markdown", "as_table", "summary", "unseen", "warnings", "wrapped"]

WIDTH = 120
"""No line of the table is longer than this, or than it is told."""

Paint = Callable[[str, str], str]
_HEAD = ("ROUTE", "WHO MAY", "STANDS AT", "")
_NAME, _SOURCE, _NOTES = 44 / WIDTH, 18 / WIDTH, 26 / WIDTH
"""How much of the width these columns may take."""


def as_table(found: AccessMap, paint: Paint, width: int = WIDTH) -> list[str]:
    """The map for a terminal; ``paint(text, colour)`` gives a text one of the colours of `callerid.cli._table`."""
    rows = shown(found)
    late = partly_served(found)
    cells = [(row.name, _who(row), " and ".join(row.sources), _notes(row, late)) for row in rows]
    name, source, mark = (max(len(each[column]) for each in (_HEAD, *cells)) for column in (0, 2, 3))
    name, source, mark = (
        min(longest, int(width * share)) for longest, share in ((name, _NAME), (source, _SOURCE), (mark, _NOTES))
    )
    rule = max(len(each[1]) for each in (_HEAD, *cells))
    widths = (name, min(rule, width - name - source - mark - 6), source, mark)
    lines = [paint(line, "never") for line in warnings(found)]
    lines += [paint(line, "head") for line in _laid_out(_HEAD, widths)]
    for row, each in zip(rows, cells, strict=True):
        colour = {"open": "never", "weaker": "out", "never served": "out"}.get(flag(row).partition(",")[0], "")
        laid_out = _laid_out(each, widths)
        lines += [paint(line, colour) if colour else line for line in laid_out]
    return lines


def warnings(found: AccessMap) -> list[str]:
    """Where the rules are not enforced, or what is believed is no proof: a line for each."""
    unsigned = [f"NO PROOF: {each}" for each in found.unsigned]
    return [*unsigned, *(f"NOT ENFORCED {each}: {UNENFORCED}" for each in found.unenforced)]


def unseen(found: AccessMap) -> list[str]:
    """What the map does not show, a line for each."""
    return [f"not seen: {each}" for each in found.unseen]


def flag(row: Row) -> str:
    """Whether the route needs a look.

    It never serves, somebody may here whom the default would refuse, or nobody can see behind it.
    """
    if row.instead:
        return "never served"
    words = [] if not row.weaker else ["open" if row.is_open else "weaker"]
    return ", ".join([*words, "opaque"] if row.is_opaque else words)


def _who(row: Row) -> str:
    """Who may, and by which credential, where that is not one alone."""
    ways = by_which(row)
    return f"{row.words()} by {ways}" if ways else row.words()


def _notes(row: Row, late: Mapping[str, Collection[str]]) -> str:
    """The flag, and which routes come first."""
    first = sorted({name for method in row.methods for name in late.get(row.named(method), ())})
    if row.instead:
        return f"never served: {' and '.join(row.instead)} comes first"
    partly = f"partly served: {' and '.join(first)} comes first" if first else ""
    return ", ".join(filter(None, (flag(row), partly)))


def summary(found: AccessMap) -> str:
    """What the flags mean, and how many there are."""
    routes = [row for row in found.routes if not row.is_rest]
    # What middleware lets by, the routes behind it may not.
    flags = [flag(row).split(", ") for row in shown(found)[len(found.rows) - len(found.routes) :]]
    is_open, weaker, opaque, never = (
        sum(word in each for each in flags) for word in ("open", "weaker", "opaque", "never served")
    )
    more = f", {opaque} opaque (what is mounted there may ask for more)" if opaque else ""
    more += f", {never} never served (others come first)" if never else ""
    return (
        f"{found.kind}: {len(routes)} {'route' if len(routes) == 1 else 'routes'}, {is_open} open to everybody, "
        f"{weaker} weaker than the default (somebody may whom it refuses){more}."
    )


def _laid_out(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    name, *others = zip(cells, widths, strict=True)
    columns = [_wrapped_at_slashes(*name), *(wrapped(cell, width) for cell, width in others)]
    height = max(map(len, columns))
    rows = zip(*(column + [""] * (height - len(column)) for column in columns), strict=True)
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _wrapped_at_slashes(text: str, width: int) -> list[str]:
    return (
        [line.replace(" /", "/") for line in wrapped(text.replace("/", " /"), width)] if len(text) > width else [text]
    )


def wrapped(text: str, width: int) -> list[str]:
    """A text in as many lines as it takes: broken at blanks, and long words at ``@``, dots and colons."""
    if len(text) <= width:
        return [text]
    indent = "  " if width > 10 else ""
    # What is too long for one line is broken before its @, before its dots and behind its colons, as far as that helps.
    words = (_breakable(word, width - len(indent)) for word in text.split(" "))
    lines = textwrap.wrap(" ".join(words), max(width, 1), break_on_hyphens=False, subsequent_indent=indent)
    return [re.sub(rf"(?<=\S) {_BREAK}|{_BREAK}", "", line) for line in lines] or [""]


_BREAK = "\u200b"


def _breakable(word: str, width: int) -> str:
    for mark, broken in _MARKS:
        parts = word.split(_BREAK)
        word = _BREAK.join(each.replace(mark, broken) if len(each) > width else each for each in parts)
    return word


_MARKS = (("@", f" {_BREAK}@"), (".", f" {_BREAK}."), (":", f": {_BREAK}"))


def as_json(found: AccessMap) -> str:
    """The map as JSON. ``rule`` is code that makes the rule again, ``who`` says it in words."""
    late = partly_served(found)
    return json.dumps(
        {
            "version": 1,
            "kind": found.kind,
            "unenforced": list(found.unenforced),
            "unsigned": list(found.unsigned),
            "routes": [_members(row, late) for row in shown(found)],
            "problems": list(found.problems),
            "unseen": list(found.unseen),
        },
        indent=2,
        ensure_ascii=False,
    )


def _members(row: Row, late: Mapping[str, Collection[str]]) -> dict[str, Any]:
    return {
        "methods": list(row.methods),
        "path": row.written(row.methods[0]),
        "who": row.words(),
        "by": [{"credential": way.name, "issuer": way.issuer.name, "in": way.location.name} for way in ways_of(row)],
        "rule": repr(row.rule),
        "audiences": None if row.audiences is None else sorted(row.audiences),
        "open": row.is_open,
        "weaker": row.weaker,
        "opaque": row.is_opaque,
        "never_served": bool(row.instead),
        "first": list(row.instead) or sorted(late.get(row.named(row.methods[0]), ())),
        "parts": [
            {
                "source": part.source,
                "rule": repr(part.requirement.rule),
                "who": str(part.requirement.rule),
                "audiences": None if part.requirement.audiences is None else sorted(part.requirement.audiences),
            }
            for part in row.parts
        ],
    }


def as_markdown(found: AccessMap) -> str:
    """The map as a table in Markdown."""
    return "\n".join(
        [
            *(f"**{line}**\n" for line in warnings(found)),
            *_markdown(shown(found), partly_served(found)),
            *(f"\n{line}" for line in unseen(found)),
        ]
    )


def _markdown(rows: Iterable[Row], late: Mapping[str, Collection[str]]) -> Iterator[str]:
    yield "| route | who may | stands at | notes |"
    yield "| --- | --- | --- | --- |"
    for row in rows:
        cells = (f"`{row.name}`", _who(row), " and ".join(row.sources), _notes(row, late))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

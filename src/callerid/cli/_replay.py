"""``callerid replay``: who would now be refused or let in, by a log of decisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, TextIO

from callerid.audit._replay import Replay, ReplayedChange, replayed
from callerid.audit._rows import AccessMap
from callerid.cli._frame import MISSING, cli_command, json_option, json_text, progress
from callerid.cli._logs import check_read, log_arguments, log_at, unread
from callerid.cli._routes import reading
from callerid.cli._table import Style
from callerid.errors import one_line

__all__ = ["command"]

_MOST_CALLERS: Final = 20
"""So many callers of one route are printed; ``--json`` has all."""


@cli_command(
    "replay",
    codes={
        0: "every decision that can be judged would be as it was",
        1: "somebody would be refused, or let in, who was not",
        2: f"{MISSING}; or no decision in the log can be judged",
    },
)
@log_arguments
@json_option
def command(  # noqa: PLR0913 - what the command was asked
    out: TextIO, log: str, *, against: str, app_dir: Path, lifespan: bool, as_json: bool
) -> int:
    """Show who would now be refused or let in.

    Reads the decisions in a log of JSON lines, or in what 'gcloud logging read --format=json' prints, and asks the
    rules of the application as it is now about each. No handler runs, and nothing is looked up. What a record does not
    tell is never guessed: those of routes that audit= names have the facts that rules judge, and who was let in. LOG is
    the log's file (default: standard input), MODULE:APP the application, or a factory as MODULE:make_app().
    """
    with reading(against, app_dir, lifespan=lifespan) as (_, found), log_at(log) as entries:
        result = replayed(progress(entries, "decisions"), found)
    check_read(log, entries, result.decisions)
    if as_json:
        out.write(json_text({"version": 1, **result.as_data(), "broken": entries.broken}))
    else:
        out.writelines(f"{line}\n" for line in _told(result, entries.broken, found, Style.of(out)))
    return 2 if not result.is_conclusive else 1 if result.changed else 0


def _told(result: Replay, broken: int, found: AccessMap, style: Style) -> Iterator[str]:
    for route, differences in _by_route(result.differences).items():
        yield style.paint(route, "head")
        if differences[0].rule:
            yield f"  asked now: {differences[0].rule}"
        for each in differences[:_MOST_CALLERS]:
            colour = "in" if each.change == "let in" else "never"
            words = f"  now {each.change}: {each.caller or 'nobody'}, {_times(each.count)}"
            yield style.paint(words, colour)
        if len(differences) > _MOST_CALLERS:
            yield f"  and {len(differences) - _MOST_CALLERS} more callers (--json has all)"
    for route, why, count in result.untold:
        yield f"cannot tell {route}: {one_line(why)}, {_times(count)}"
    yield _summary(result, broken)
    if not found.audited:
        yield "no route of this application is audited (audit=): who was let in is not in its log at INFO"


def _by_route(differences: list[ReplayedChange]) -> dict[str, list[ReplayedChange]]:
    found: dict[str, list[ReplayedChange]] = {}
    for each in differences:
        found.setdefault(each.route, []).append(each)
    return found


def _summary(result: Replay, broken: int) -> str:
    untold = sum(count for _, _, count in result.untold)
    parts = [f"{result.same:,} as before", f"{result.changed:,} otherwise", f"{untold:,} that cannot be told"]
    if result.ignored:
        parts.append(f"{result.ignored:,} that no rule decided (outages, shadow=)")
    rest = f"; {unread(broken)}" if broken else ""
    counted = "1 decision" if result.decisions == 1 else f"{result.decisions:,} decisions"
    return f"{counted}: {', '.join(parts)}{rest}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count:,} times"

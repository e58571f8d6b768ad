"""``callerid unused``: which alternatives of rules, and which routes, let nobody in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import click

from callerid.audit._unused import DAY, RuleUse, used
from callerid.cli._frame import MISSING, cli_command, json_option, json_text, progress
from callerid.cli._logs import check_read, log_arguments, log_at, unread
from callerid.cli._routes import reading
from callerid.cli._table import Style
from callerid.cli._trouble import CommandError

__all__ = ["command"]


@cli_command(
    "unused",
    codes={
        0: "every alternative at every audited route let somebody in",
        1: "some let nobody in",
        2: f"{MISSING}; or no route is audited, or the log has no decision",
    },
)
@log_arguments
@click.option("--days", type=click.IntRange(min=1), default=90, show_default=True, help="How far back counts.")
@json_option
def command(  # noqa: PLR0913 - what the command was asked
    out: TextIO, log: str, *, against: str, days: int, lifespan: bool, app_dir: Path, as_json: bool
) -> int:
    """Show which alternatives of rules let nobody in.

    Reads who was let in from a log of JSON lines, or from what 'gcloud logging read --format=json' prints. That can be
    told of audited routes alone (audit=). Where the log does not go back far enough, that is said: what let nobody in
    may have done so before. LOG is the log's file (default: standard input), MODULE:APP the application, or a factory
    as MODULE:make_app().
    """
    since = time.time() - days * DAY
    with reading(against, app_dir, lifespan=lifespan) as (_, found), log_at(log) as entries:
        result = used(progress(entries, "decisions"), found, since)
    if not result.routes:
        raise CommandError(f"{against}: no route is audited: name those that count with audit= of protect")
    check_read(log, entries, result.decisions)
    if as_json:
        out.write(json_text({"version": 1, **result.as_data(), "broken": entries.broken}))
    else:
        out.writelines(f"{line}\n" for line in _told(result, entries.broken, days, Style.of(out)))
    return 1 if result.unused else 0


def _told(result: RuleUse, broken: int, days: int, style: Style) -> Iterator[str]:
    for route, words in result.unused:
        said = f"{route}: nobody was let in" if not words else f"{route}: nobody was let in by {words}"
        yield style.paint(said, "out")
    for route in result.untold:
        yield f"cannot tell {route}: records do not say which alternative let callers in (audit= does)"
    for route in result.unaudited:
        yield f"cannot tell {route}: it is not audited (audit=)"
    yield _summary(result, broken, days)


def _summary(result: RuleUse, broken: int, days: int) -> str:
    let_in = sum(each.count for each in result.routes.values())
    several = "s" if len(result.routes) > 1 else ""
    said = f"{let_in:,} let in at {len(result.routes)} audited route{several} in {days} days"
    if result.undated:
        said += f", {result.undated:,} of them without a time"
    if broken:
        said += f"; {unread(broken)}"
    if not result.is_covered:
        first = "nothing in it has a time" if result.first is None else f"it begins on {_day(result.first)}"
        said += f"; the log does not go back that far ({first})"
    return said


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()

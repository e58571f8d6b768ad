"""``callerid routes``: who may call what, read from the guard that enforces it."""

from __future__ import annotations

import argparse
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from callerid.access import AccessMap, access_map, assumed, differences, load, locked, newcomers
from callerid.access.forms import as_json, as_markdown, as_table, summary
from callerid.algebra import CannotTell
from callerid.cli.table import Style
from callerid.cli.trouble import CommandError
from callerid.errors import ConfigurationError

__all__ = ["ENDING", "Asked", "add_application", "add_routes", "mapped", "read_map", "routes", "text_of"]

ENDING = "exit codes: 0 all is as it should be; 1 something is not, and is named; 2 bad usage, or it cannot be read"


def add_application(parser: argparse.ArgumentParser) -> None:
    """The arguments by which an application is named."""
    parser.add_argument("application", metavar="MODULE:APP", help="the application, or a factory as MODULE:make_app()")
    parser.add_argument(
        "--app-dir", type=Path, default=Path(), metavar="DIR", help="where the module is (default: the current folder)"
    )


def add_routes(commands: Any) -> None:
    """The command's arguments, added to those of ``callerid``."""
    parser = commands.add_parser(
        "routes",
        help="show who may call what in an application",
        description="Prints every route with its rule in words, where the rule stands and whether it is weaker "
        "than the default, as the guard enforces it. Rules that nobody enforces or can meet are named, with the mend.",
        epilog=ENDING,
    )
    add_application(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", dest="form", action="store_const", const="json", help="as JSON")
    form.add_argument("--markdown", dest="form", action="store_const", const="markdown", help="as a table in Markdown")
    form.add_argument("--lock", type=Path, metavar="FILE", help="write the map to a file to be reviewed")
    form.add_argument("--check", type=Path, metavar="FILE", help="say what has changed since, and exit with 1")
    form.add_argument(
        "--no-new-access",
        dest="before",
        type=Path,
        metavar="FILE",
        help="decide whether anybody may call anything now who could not when the lock was written; exit with 1 if so",
    )
    parser.set_defaults(command=_run, form="table")


def _run(asked: argparse.Namespace) -> int:
    return routes(
        sys.stdout,
        Asked(asked.application, asked.app_dir, asked.form or "table", asked.lock, asked.check, asked.before),
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command was asked: of which application, and in which form."""

    application: str
    folder: Path = Path()
    form: str = "table"
    lock: Path | None = None
    check: Path | None = None
    before: Path | None = None


def routes(out: TextIO, asked: Asked) -> int:
    """Show, write or check the map; returns the exit code.

    1 if something in it cannot be right, or is otherwise than the lock says. Raises `CommandError` for an application
    that cannot be read and a lock that is none.
    """
    found = read_map(asked.application, asked.folder)
    style = Style.of(out)
    if asked.check is not None:
        lines, code = _checked(found, asked.check, style)
    elif asked.before is not None:
        lines, code = _compared(found, asked.before, style)
    elif asked.lock is not None:
        lines, code = _written(found, asked.lock), 0
    else:
        lines, code = _shown(found, asked.form, style), 0
    if asked.form != "json":
        lines += [style.paint(f"problem: {problem}", "never") for problem in found.problems]
    out.write("\n".join([*lines, ""]))
    out.flush()
    return 1 if found.problems else code


def read_map(application: str, folder: Path) -> AccessMap:
    """The map of an application by its name. Raises `CommandError`."""
    try:
        app = load(application, folder)
    except ConfigurationError as error:
        raise CommandError(str(error)) from None
    return mapped(app, application)


def mapped(app: Any, name: str) -> AccessMap:
    """The map of an application of this name. Raises `CommandError`."""
    try:
        return access_map(app)
    except ConfigurationError as error:
        raise CommandError(f"{name}: {error}") from None


def text_of(file: Path) -> str:
    """What a file holds. Raises `CommandError`."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"cannot read {file}: no UTF-8 at byte {error.start}") from None


def _shown(found: AccessMap, form: str, style: Style) -> list[str]:
    if form == "json":
        return [as_json(found)]
    if form == "markdown":
        return [as_markdown(found)]
    if not found.rows:
        return []
    return [*as_table(found, style.paint, style.width), "", *textwrap.wrap(summary(found), style.width)]


def _written(found: AccessMap, file: Path) -> list[str]:
    if found.problems:
        return [f"{file} is not written:"]
    try:
        file.write_text(locked(found), encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error.strerror}") from None
    return [f"{file}: {_count(found)}"]


def _checked(found: AccessMap, file: Path, style: Style) -> tuple[list[str], int]:
    try:
        changed = differences(text_of(file), found, str(file))
    except ConfigurationError as error:
        raise CommandError(str(error)) from None
    if not changed:
        return [f"{file}: nothing has changed, {_count(found)}"], 0
    lines = [line for each in changed for line in str(each).splitlines()]
    colours = {"  -": "never", "  +": "in"}
    return [
        f"{file}: who may call what has changed",
        *(style.paint(line, colours.get(line[:3], "head")) for line in lines),
        f"if it is meant, write it anew: callerid routes ... --lock {file}",
    ], 1


def _compared(found: AccessMap, file: Path, style: Style) -> tuple[list[str], int]:
    try:
        lock = text_of(file)
        new, taken = newcomers(lock, found, str(file)), assumed(lock, found, str(file))
    except ConfigurationError as error:
        raise CommandError(str(error)) from None
    notes = [f"  assumed unchanged, since the hash of its code is: {each}" for each in taken]
    if not new:
        return [f"{file}: nobody may now who could not before, {_count(found)} compared", *notes], 0
    is_told = any(not isinstance(each.verdict, CannotTell) for each in new)
    told = "somebody may now who could not before" if is_told else "whether somebody may now who could not before"
    return [
        f"{file}: {told}{'' if is_told else ', it cannot be told'}",
        *(style.paint(f"  {each}", "out" if isinstance(each.verdict, CannotTell) else "never") for each in new),
        *notes,
    ], 1


def _count(found: AccessMap) -> str:
    number = sum(1 for _ in found.singly())
    return f"{number} {'rule' if number == 1 else 'rules'}"

"""``callerid routes``: who may call what, read from the guard that enforces it."""

from __future__ import annotations

import gc
import inspect
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from callerid.access import AccessMap, access_map, assumed, differences, load, locked, newcomers, started
from callerid.audit._forms import as_json, as_markdown, as_table, summary, unseen
from callerid.audit._lock import without_source
from callerid.audit._lock_rules import SOURCE_REMEDY
from callerid.audit._reading import is_wsgi
from callerid.cli import _comparing as comparing
from callerid.cli._comparing import Comparison, NewAccess, counted
from callerid.cli._frame import (
    FILE,
    MISSING,
    application_arguments,
    cli_command,
    json_option,
    lifespan_option,
    text_of,
    waiting,
    write_text,
)
from callerid.cli._table import Style
from callerid.cli._trouble import CommandError
from callerid.errors import ConfigurationError, pointed

__all__ = ["RoutesCommand", "command", "reading", "routes"]


@cli_command(
    "routes",
    codes={
        0: "no problem, no change (--check), no new access (--no-new-access)",
        1: "a problem, a change, new access, or new access that cannot be ruled out",
        2: MISSING,
    },
)
@application_arguments
@lifespan_option
@json_option
@click.option("--markdown", is_flag=True, help="Print a table in Markdown.")
@click.option("--lock", type=FILE, metavar="FILE", help="Write the map to a file to be reviewed.")
@click.option("--check", type=FILE, metavar="FILE", help="Print what has changed since the lock was written.")
@click.option(
    "--no-new-access",
    "before",
    type=FILE,
    metavar="FILE",
    help="Decide whether anybody may call anything now who could not when the lock was written.",
)
def command(out: TextIO, application: str, app_dir: Path, *, as_json: bool, markdown: bool, **given: Any) -> int:
    """Show who may call what in an application.

    Prints every route with its rule in words, where the rule is written and whether it is weaker than the default, as
    the guard enforces it. Rules that nobody enforces or that nobody can meet are problems; each is printed with its
    remedy. What the application itself prints goes to standard error. MODULE:APP is the application, or a factory as
    MODULE:make_app().
    """
    form = "json" if as_json else "markdown" if markdown else "table"
    if as_json and markdown:
        raise CommandError("--json and --markdown are two forms of one output: leave out one of them")
    return routes(out, RoutesCommand(application, app_dir, form, **given))


@dataclass(frozen=True, slots=True)
class RoutesCommand:
    """What the command was asked: of which application, and in which form.

    Raises `CommandError` for two tasks at once, and for a form that the task does not have.
    """

    application: str
    folder: Path = Path()
    form: str = "table"
    lock: Path | None = None
    check: Path | None = None
    before: Path | None = None
    lifespan: bool = False

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.lock, self.check, self.before)) > 1:
            raise CommandError("--lock, --check and --no-new-access are one task each: give one of them")
        if self.lock is not None and self.form != "table":
            raise CommandError(f"--lock writes a file of its own format: leave out --{self.form}")
        if self.form == "markdown" and (self.check or self.before) is not None:
            raise CommandError("--markdown is for the map alone: with --check and --no-new-access there is --json")


def routes(out: TextIO, asked: RoutesCommand) -> int:
    """Show, write or check the map; returns the exit code.

    1 if something in it cannot be right, or is otherwise than the lock says. Raises `CommandError` and
    `ConfigurationError` for an application that cannot be read and a lock that is none.
    """
    with reading(asked.application, asked.folder, lifespan=asked.lifespan) as (_, found):
        return _told(out, asked, found)


def _told(out: TextIO, asked: RoutesCommand, found: AccessMap) -> int:
    style = Style.of(out)
    with waiting(f"the comparison with {asked.check or asked.before}"):
        result = _compared(found, asked)
    if result is not None:
        lines = [comparing.as_json(result, found)] if asked.form == "json" else result.lines(style)
    else:
        lines = _written(found, asked.lock) if asked.lock is not None else _shown(found, asked.form, style)
    if asked.form != "json":
        lines += _wrapped(unseen(found), style.width) if asked.form == "table" else []
        lines += [style.paint(f"problem: {problem}", "never") for problem in found.problems]
    out.write("\n".join([*lines, ""]))
    return 1 if found.problems or (result is not None and result.found) else 0


def _wrapped(lines: list[str], width: int) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, width, break_on_hyphens=False)]


def _compared(found: AccessMap, asked: RoutesCommand) -> Comparison | NewAccess | None:
    file = asked.check or asked.before
    if file is None:
        return None
    lock, name, total = text_of(file), str(file), _total(found)
    if asked.check is not None:
        return Comparison(name, total, differences(lock, found, name))
    return NewAccess(name, total, newcomers(lock, found, name), assumed(lock, found, name))


@contextmanager
def reading(name: str, folder: Path, *, lifespan: bool) -> Generator[tuple[Any, AccessMap]]:
    """An application by its name, and its map; its lifespan has begun meanwhile, if that is asked for.

    Raises `CommandError` and `ConfigurationError`.
    """
    with _kept(), waiting(name):
        app = load(name, folder)
        found = _mapped(app, name)
    if not lifespan:
        yield app, found
        return
    if is_wsgi(app):
        raise CommandError(f"{name}: a WSGI application has no lifespan: leave out --lifespan")
    try:
        with started(app):
            yield app, _mapped(app, name, started=True)
    except ConfigurationError as error:
        raise CommandError(f"{name}: {error}") from None


@contextmanager
def _kept() -> Generator[None]:
    """Nothing is collected meanwhile: a protected application that another one has replaced is still looked at."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _mapped(app: Any, name: str, *, started: bool = False) -> AccessMap:
    try:
        return access_map(app, started=started)
    except ConfigurationError as error:
        hint = f"; if this is a factory, write {name}()" if inspect.isfunction(app) else ""
        raise CommandError(pointed(f"{name}: {error.message}{hint}", error.code)) from None


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
    write_text(file, locked(found))
    return [
        f"{file}: written, {counted(_total(found), 'rule')}",
        *(f"  a rule of {name} has no source to be compared: {SOURCE_REMEDY}" for name in without_source(found)),
    ]


def _total(found: AccessMap) -> int:
    return sum(1 for _ in found.singly())

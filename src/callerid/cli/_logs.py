"""What ``replay`` and ``unused`` share: the log that they read, and the application they read it against."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from callerid.audit._log_entries import EntriesOfLog
from callerid.cli._frame import app_dir_option, lifespan_option
from callerid.cli._trouble import CommandError

__all__ = ["check_read", "log_arguments", "log_at", "text_of", "unread"]


def log_arguments(function: Callable[..., int]) -> Callable[..., int]:
    """Add the arguments ``log``, ``against``, ``app_dir`` and ``lifespan``."""
    for add in (
        lifespan_option,
        app_dir_option,
        click.option("--against", required=True, metavar="MODULE:APP", help="The application whose rules count."),
        click.argument("log", type=click.Path(allow_dash=True), default="-"),
    ):
        function = add(function)
    return function


@contextmanager
def text_of(name: str) -> Generator[TextIO]:
    """The text of a file, or for ``-`` standard input. Raises `CommandError`."""
    if name == "-":
        if sys.stdin is None:
            raise CommandError("no log was given: standard input is closed")
        if sys.stdin.isatty():
            sys.stderr.write("reading the log from standard input; Ctrl-D ends it\n")
        yield sys.stdin
        return
    try:
        file = Path(name).open(encoding="utf-8", errors="replace")  # noqa: SIM115 - closed below
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from None
    with file:
        yield file


@contextmanager
def log_at(name: str) -> Generator[EntriesOfLog]:
    """The entries of a log in a file, or for ``-`` in standard input. Raises `CommandError`."""
    with text_of(name) as text:
        yield EntriesOfLog(text)


def check_read(name: str, entries: EntriesOfLog, decisions: int) -> None:
    """Raise `CommandError` for a log that has no decision."""
    if not decisions:
        broken = f" ({unread(entries.broken)})" if entries.broken else ""
        raise CommandError(f"no decision is in {'standard input' if name == '-' else name}{broken}")


def unread(broken: int) -> str:
    """How many entries could not be read, in words."""
    counted = "1 entry is" if broken == 1 else f"{broken:,} entries are"
    return f"{counted} no JSON, or longer than 1 MiB"

"""What ``replay`` and ``unused`` share: the log that they read, the application they read it against, and progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import click

from callerid.audit.log_entries import EntriesOfLog
from callerid.cli.trouble import CommandError

__all__ = ["against_application", "last_of", "log_at"]

T = TypeVar("T")
_EVERY: Final = 0.2
"""Progress is shown so often at most, in seconds."""


def against_application(function: Callable[..., int]) -> Callable[..., int]:
    """Add the arguments ``log``, ``against``, ``app_dir`` and ``lifespan``."""
    for add in (
        click.option("--lifespan", is_flag=True, help="First run the start-up in its lifespan, which may add routes."),
        click.option(
            "--app-dir",
            type=click.Path(path_type=Path),
            default=Path(),
            metavar="DIR",
            help="Where the module is (default: the current folder).",
        ),
        click.option("--against", required=True, metavar="MODULE:APP", help="The application whose rules count."),
        click.argument("log", type=click.Path(allow_dash=True), default="-"),
    ):
        function = add(function)
    return function


@contextmanager
def log_at(name: str) -> Generator[EntriesOfLog]:
    """The log in a file, or for ``-`` in standard input. Raises `CommandError`."""
    if name == "-":
        if sys.stdin.isatty():
            sys.stderr.write("reading the log from standard input; Ctrl-D ends it\n")
        yield EntriesOfLog(sys.stdin)
        return
    try:
        with Path(name).open(encoding="utf-8", errors="replace") as file:
            yield EntriesOfLog(file)
    except OSError as error:
        raise CommandError(f"cannot read {name}: {error.strerror}") from None


def last_of(results: Iterable[T], count: Callable[[T], int], *, timer: Callable[[], float] = time.monotonic) -> T:
    """The last of the results, of which there is one at least; on a terminal with how many decisions were read."""
    shows, shown_at = sys.stderr.isatty(), timer()
    written = False
    result: T | None = None
    for result in results:
        if shows and timer() >= shown_at + _EVERY:
            shown_at, written = timer(), True
            sys.stderr.write(f"\r{count(result):,} decisions read")
            sys.stderr.flush()
    if written:
        sys.stderr.write("\r\033[K")
        sys.stderr.flush()
    if result is None:
        raise RuntimeError("there is a result at least")
    return result

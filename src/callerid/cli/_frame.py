"""What every command is made of: how it is found, its help with the exit codes, its output.

A command is one module of this package with an object ``command``, made by `cli_command`, and one line in
`callerid.cli._command`. For instance::

    @cli_command("why", codes={0: "the decision was found", 1: "it is not in this log", 2: MISSING})
    @click.argument("log")
    @json_option
    def command(out: TextIO, log: str, *, as_json: bool) -> int:
        \"\"\"What the help says.\"\"\"

It writes to ``out`` (what the application prints goes to standard error), raises `CommandError` or `ConfigurationError`
for what it cannot do, and returns its exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO, TypeVar

import click
from click.shell_completion import CompletionItem

from callerid.cli._output import Output
from callerid.cli._trouble import CommandError

__all__ = [
    "COMPLETE",
    "FILE",
    "MISSING",
    "PORT",
    "PROGRAM",
    "CliCommand",
    "CliSession",
    "CommandEntry",
    "LazyGroup",
    "app_dir_option",
    "application_arguments",
    "cli_command",
    "json_option",
    "json_text",
    "lifespan_option",
    "progress",
    "text_of",
    "waiting",
    "write_text",
]

PROGRAM: Final = "callerid"

COMPLETE: Final = "_CALLERID_COMPLETE"
"""The environment variable by which a shell's completion asks the program."""

MISSING: Final = "wrong usage, or something is missing, cannot be read or fails"
"""What exit code 2 means everywhere."""

PORT: Final = click.IntRange(0, 65_535)
"""The type of an option that is a port; 0 takes a free one."""

FILE: Final = click.Path(path_type=Path)
"""The type of an argument, or an option, that is a file."""

_WIDTH: Final = 78
"""The same as click's: two columns of a terminal of 80 stay free."""

_SETTINGS: Final = {"help_option_names": ["-h", "--help"]}


@dataclass(slots=True)
class CliSession:
    """One run of the program: what is to be undone at its end, and where the command writes once it runs."""

    undo: ExitStack
    out: TextIO | None = None

    def begin(self) -> TextIO:
        """Redirect what is not the command's own output, and return the file to write to."""
        output = Output()
        self.undo.callback(output.give_back)
        self.out = output.file
        return output.file

    def discard(self, stdout: TextIO) -> None:
        """Let what is left in the buffer go nowhere: flushing it at exit would fail again."""
        null = os.open(os.devnull, os.O_WRONLY)
        with suppress(OSError):  # held in memory
            os.dup2(null, (self.out or stdout).fileno())
        os.close(null)


class CliCommand(click.Command):
    """A command whose help ends with its exit codes, and whose function is given its own output."""

    def __init__(self, name: str | None, *, codes: Mapping[int, str], **options: Any) -> None:
        """``codes`` are the meanings of the exit codes."""
        super().__init__(name, context_settings=_SETTINGS, **options)
        self.codes = dict(codes)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function with its output and its parameters; its result is the exit code."""
        function: Any = self.callback
        out = ctx.ensure_object(CliSession).begin()
        code = ctx.invoke(function, out, **ctx.params)
        out.flush()
        return code

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes: the last paragraph of the help."""
        _write_codes(formatter, self.codes)


@dataclass(frozen=True, slots=True)
class CommandEntry:
    """A command as the whole program's help knows it, before its module is imported.

    ``module`` is the name of the module in this package, ``one`` the meaning of exit code 1, empty where the command
    never ends so.
    """

    name: str
    module: str
    help: str
    one: str = ""

    def load(self) -> click.Command:
        """Import the command."""
        command: click.Command = importlib.import_module(f"callerid.cli._{self.module}").command
        return command


class LazyGroup(click.Group):
    """Commands that are imported when they are called, and neither for the help of the whole nor for completion."""

    def __init__(
        self, name: str, entries: Sequence[CommandEntry], *, codes: Mapping[int, str | Sequence[str]], **options: Any
    ) -> None:
        """``codes`` are the meanings of the exit codes of all commands."""
        super().__init__(name, context_settings=_SETTINGS, no_args_is_help=False, **options)
        self.entries = {entry.name: entry for entry in entries}
        self.codes = dict(codes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command with this name, imported now; ``None`` where there is none."""
        entry = self.entries.get(cmd_name)
        return None if entry is None else entry.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command does, without importing it."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in self.entries.values()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes: the last paragraph of the help."""
        _write_codes(formatter, self.codes)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands that begin so, and options, without importing a command."""
        found = [entry for entry in self.entries.values() if entry.name.startswith(incomplete)]
        items = [CompletionItem(entry.name, help=entry.help) for entry in found]
        return items + click.Command.shell_complete(self, ctx, incomplete)


def cli_command(name: str, *, codes: Mapping[int, str]) -> Callable[[Callable[..., int]], CliCommand]:
    """Make a command of a function; its docstring is the help, and its first argument the output to write to."""

    def made(function: Callable[..., int]) -> CliCommand:
        return click.command(name, cls=CliCommand, codes=codes)(function)

    return made


def json_option(function: Callable[..., int]) -> Callable[..., int]:
    """Add ``--json``: the argument ``as_json`` says whether one JSON document is printed in place of text."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(function)


def application_arguments(function: Callable[..., int]) -> Callable[..., int]:
    """Add the arguments by which an application is named: ``application`` and ``app_dir``."""
    return click.argument("application", metavar="MODULE:APP")(app_dir_option(function))


def app_dir_option(function: Callable[..., int]) -> Callable[..., int]:
    """Add ``--app-dir``."""
    told = "Where the module is (default: the current folder)."
    return click.option("--app-dir", type=FILE, default=Path(), metavar="DIR", help=told)(function)


def lifespan_option(function: Callable[..., int]) -> Callable[..., int]:
    """Add ``--lifespan``."""
    told = "First run the start-up in its lifespan, which may add routes."
    return click.option("--lifespan", is_flag=True, help=told)(function)


def json_text(document: object) -> str:
    """A document as one text, with a line break at the end; nothing in it can control a terminal."""
    return json.dumps(document, indent=2) + "\n"


_Each = TypeVar("_Each")


def progress(items: Iterable[_Each], what: str) -> Iterator[_Each]:
    """The items as they come; where they take over a second, a terminal shows on standard error how many came."""
    begun = last = time.monotonic()
    shown = ""
    try:
        for number, item in enumerate(items, 1):
            yield item
            now = time.monotonic()
            if now - begun > _PATIENCE and now - last > _REDRAWN and _on_terminal():
                shown, last = f"{number} {what}", now
                sys.stderr.write(f"\r{shown}")
                sys.stderr.flush()
    finally:
        if shown:
            sys.stderr.write(f"\r{' ' * len(shown)}\r")
            sys.stderr.flush()


def _on_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()  # None where the process was started with it closed


@contextmanager
def waiting(what: str) -> Generator[None]:
    """While something is waited for that takes over a second, a terminal shows on standard error what that is."""
    if not _on_terminal():
        yield
        return
    said, done = f"waiting for {what} ...", threading.Event()
    shown = threading.Thread(target=_show_late, args=(said, done), daemon=True)
    shown.start()
    try:
        yield
    finally:
        done.set()
        shown.join()


def _show_late(said: str, done: threading.Event) -> None:
    if done.wait(_PATIENCE):
        return
    sys.stderr.write(f"\r{said}")
    sys.stderr.flush()
    done.wait()
    sys.stderr.write(f"\r{' ' * len(said)}\r")
    sys.stderr.flush()


_PATIENCE: Final = 1.0
_REDRAWN: Final = 0.1
"""Seconds."""


def text_of(file: Path) -> str:
    """What a file holds. Raises `CommandError`."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CommandError(f"cannot read {file}: it is not UTF-8 (byte {error.start})") from None


def write_text(file: Path, text: str) -> None:
    """Write a file. Raises `CommandError`."""
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error.strerror}") from None


def _write_codes(formatter: click.HelpFormatter, meanings: Mapping[int, str | Sequence[str]]) -> None:
    """Write the exit codes in words; a code may have several meanings."""
    formatter.write("\nexit codes:\n")
    for code, meaning in meanings.items():
        label = f"  {code:<4} "
        for each in (meaning,) if isinstance(meaning, str) else meaning:
            lines = textwrap.wrap(each, _WIDTH, initial_indent=label, subsequent_indent=" " * 7)
            formatter.write("\n".join([*lines, ""]))
            label = " " * 7

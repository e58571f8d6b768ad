"""The command line: which commands there are, and how the program ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from callerid import __version__
from callerid.cli._frame import COMPLETE, MISSING, PROGRAM, CliSession, CommandEntry, LazyGroup
from callerid.cli._trouble import CommandError
from callerid.errors import ConfigurationError, one_line

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["COMMANDS", "main", "program", "run"]

INTERRUPTED, OUTPUT_CLOSED = 130, 141
"""What a shell reports for a program ended by SIGINT and by SIGPIPE: 128 and the signal's number."""

COMMANDS: Final = (
    CommandEntry(
        "demo", "demo", "Call a guarded orders service as every kind of caller.", "an answer was not as expected"
    ),
    CommandEntry("issuer", "issuer", "Run a local issuer to develop against."),
    CommandEntry("token", "mint_token", "Mint a token of anybody, for local work."),
    CommandEntry(
        "routes",
        "routes",
        "Show who may call what in an application.",
        "a problem, a change (--check), or new access (--no-new-access)",
    ),
    CommandEntry(
        "check",
        "check",
        "Run the access tests of an application.",
        "a problem, or a call that is not decided as the file says",
    ),
    CommandEntry("play", "play", "Try out in a browser who may call what."),
    CommandEntry("why", "why", "Explain a refusal.", "the decision is not in the log"),
    CommandEntry(
        "replay",
        "replay",
        "Show who would now be refused or let in, by a log.",
        "somebody would be refused, or let in, who was not",
    ),
    CommandEntry(
        "unused",
        "unused",
        "Show which alternatives of rules let nobody in.",
        "an alternative, or a route, let nobody in",
    ),
    CommandEntry("explain", "explain", "Say more about an error's code, or a refusal's reason."),
    CommandEntry(
        "doctor",
        "doctor",
        "Check what guards rely on, or a Cloud Run front door.",
        "something is to be mended, or the front door stands open",
    ),
    CommandEntry("show", "show", "Show what a token says, unverified.", "it is no JWT that can be decoded"),
    CommandEntry(
        "verify",
        "verify",
        "Verify a token, and ask a rule about its caller.",
        "the token is refused, or the rule does not let its caller in",
    ),
    CommandEntry("completion", "completion", "Print what makes a shell complete commands and options."),
)
"""Every command: name, module, help in one line, and what exit code 1 means."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``arguments`` default to the command line's."""
    with ExitStack() as undo:
        return _run(arguments, undo)


def run() -> NoReturn:
    """The program ``callerid``: as `main`, and then the process ends.

    What an application prints while the process ends goes to standard error, as all that it prints.
    """
    sys.exit(_run(None, _FOR_GOOD))


_FOR_GOOD: Final = ExitStack()
"""Never unwound."""


def program() -> LazyGroup:
    """The whole program as click knows it."""
    group = LazyGroup(
        PROGRAM,
        COMMANDS,
        help="Who is calling a Python web app, and what may they call?",
        codes={
            0: "done, and nothing is wrong",
            1: [f"{entry.name}: {entry.one}" for entry in COMMANDS if entry.one],
            2: f"{MISSING}: the reason is on standard error",
            INTERRUPTED: "interrupted (issuer, play and demo --serve, once they are up, end with 0)",
            OUTPUT_CLOSED: "the reader of the output closed it, as 'head' does",
        },
    )
    return click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")(group)


def _run(arguments: Sequence[str] | None, undo: ExitStack) -> int:
    session = CliSession(undo)
    try:
        with _terminable():
            return _called(sys.argv[1:] if arguments is None else arguments, session)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        return _told(error)
    except (CommandError, ConfigurationError) as error:
        sys.stderr.write(f"{PROGRAM}: {one_line(str(error))}\n")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        session.discard(sys.stdout)
        return OUTPUT_CLOSED
    except Exception:  # noqa: BLE001 - code of the application runs here, and 1 would be a verdict
        traceback.print_exc()
        return 2


def _called(arguments: Sequence[str], session: CliSession) -> int:
    group = program()
    if COMPLETE in os.environ:
        return _completed(group, os.environ[COMPLETE])
    with group.make_context(PROGRAM, list(arguments), obj=session) as context:
        return int(group.invoke(context))


def _completed(group: LazyGroup, instruction: str) -> int:
    """Answer a shell that asks what may come next."""
    from click.shell_completion import shell_complete  # noqa: PLC0415 - only a shell asks

    return shell_complete(group, {}, PROGRAM, COMPLETE, instruction)


def _told(error: click.ClickException) -> int:
    """Say what is wrong with the arguments, in one line."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = PROGRAM if context is None else context.command_path
    message = one_line(" ".join(error.format_message().split()))
    sys.stderr.write(f"{path}: {message} (see {path} --help)\n")
    return 2


@contextmanager
def _terminable() -> Generator[None]:
    """SIGTERM ends the command as Ctrl-C does, so that nothing is left behind."""

    def interrupt(_: int, __: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: Any = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

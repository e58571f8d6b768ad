"""The command line: arguments, subcommands, exit codes."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from callerid import __version__
from callerid.cli.check import add_check
from callerid.cli.demo import demo
from callerid.cli.doctor import add_doctor
from callerid.cli.issuer import Wanted, issuer
from callerid.cli.output import Output
from callerid.cli.parsing import MISSING, Help, codes
from callerid.cli.routes import add_routes
from callerid.cli.stages import SERVERS
from callerid.cli.trouble import CommandError
from callerid.cli.why import add_why

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["main", "run"]

INTERRUPTED, OUTPUT_CLOSED = 130, 141
"""What a shell reports for a program ended by SIGINT and by SIGPIPE: 128 and the signal's number."""

_DESCRIPTION = "Who is calling a Python web app, and what may they call?"
_CODES: Final = {
    0: "done, and nothing is wrong",
    1: (
        "demo: an answer was not as expected",
        "routes: a problem, a change (--check), or new access (--no-new-access)",
        "check: a problem, or a call that is not decided as the file says",
        "why: the decision is not in the log",
        "doctor: the front door of the Cloud Run service stands open",
    ),
    2: f"{MISSING}: the reason is on standard error",
    INTERRUPTED: "interrupted (issuer and demo --serve, once they are up, end with 0)",
    OUTPUT_CLOSED: "the reader of the output closed it, as 'head' does",
}


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


def _run(arguments: Sequence[str] | None, undo: ExitStack) -> int:
    try:
        asked = _parser().parse_args(arguments)
    except SystemExit as done:
        return int(done.code or 0)
    output = Output()
    undo.callback(output.give_back)
    command: Callable[[argparse.Namespace, TextIO], int] = asked.command
    try:
        with _terminable():
            return command(asked, output.file)
    except CommandError as error:
        sys.stderr.write(f"callerid: {error}\n")
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _discard(output.file)
        return OUTPUT_CLOSED
    except Exception:  # noqa: BLE001 - code of the application runs here, and 1 would be a verdict
        traceback.print_exc()
        return 2


def _discard(out: TextIO) -> None:
    """Let what is left in the buffer go nowhere: flushing it at exit would fail again."""
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError):  # held in memory
        os.dup2(null, out.fileno())
    os.close(null)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=Help, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="callerid", description=_DESCRIPTION, epilog=codes(_CODES))
    parser.add_argument("--version", action="version", version=f"callerid {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    showing = commands.add_parser(
        "demo",
        help="call a guarded orders service as every kind of caller, and show who got in",
        description="Loads a guarded orders service and starts a local issuer for it on a free port of the loopback "
        "interface, calls every route as every kind of caller and prints who got in and why not. Its last line is "
        "'demo: N calls, N as expected'.",
        epilog=codes({0: "every call was answered as expected", 1: "some were not: lines NOT AS EXPECTED", 2: MISSING}),
    )
    showing.add_argument("--app", choices=tuple(SERVERS), default="fastapi", help="which one (default: fastapi)")
    servers = ", ".join(f"{app}: {' or '.join(names)}" for app, names in SERVERS.items())
    showing.add_argument("--server", help=f"what runs it with --serve ({servers})")
    showing.add_argument("--serve", action="store_true", help="serve both afterwards, and print curl lines to try")
    showing.set_defaults(command=_demo)

    serving = commands.add_parser(
        "issuer",
        help="run a local issuer to develop against",
        description="Serves keys and tokens in Google's formats on the loopback interface until it is interrupted, and "
        "prints what to set. Its keys are made at start and never stored; no guard that trusts Google believes them.",
        epilog=codes({0: "it was interrupted", 2: MISSING}),
    )
    serving.add_argument("--port", type=_port, default=0, help="the port to listen on (default: a free one)")
    serving.add_argument("--audience", default="https://orders.example.com", help="what your guard takes from services")
    serving.add_argument("--client-id", metavar="ID", help="the OAuth client id your guard accepts from people")
    serving.add_argument("--project", default="shop-prod", help="your guard's Firebase project")
    serving.add_argument("--service-account", metavar="EMAIL", help="whose machine the metadata server is on")
    for option, metavar, of_whom in (
        ("--person", "EMAIL", "a person"),
        ("--workspace-person", "EMAIL", "a person of the address's Google Workspace"),
        ("--firebase-user", "UID", "a Firebase user"),
    ):
        serving.add_argument(option, metavar=metavar, action="append", default=[], help=f"mint a token of {of_whom}")
    serving.set_defaults(command=_issuer)

    add_routes(commands)
    add_check(commands)
    add_why(commands)
    add_doctor(commands)
    return parser


def _demo(asked: argparse.Namespace, out: TextIO) -> int:
    if asked.server not in (None, *SERVERS[asked.app]):
        raise CommandError(f"--server {asked.server}: {asked.app} is run by {' or '.join(SERVERS[asked.app])}")
    return demo(out, app=asked.app, server=asked.server, stay=_until_interrupted if asked.serve else None)


def _issuer(asked: argparse.Namespace, out: TextIO) -> int:
    wanted = Wanted(
        port=asked.port,
        audience=asked.audience,
        client_id=asked.client_id,
        project=asked.project,
        service_account=asked.service_account,
        people=tuple(asked.person),
        workspace_people=tuple(asked.workspace_person),
        firebase_users=tuple(asked.firebase_user),
    )
    return issuer(out, wanted, stay=_until_interrupted)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _until_interrupted() -> None:
    threading.Event().wait()


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

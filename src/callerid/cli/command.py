"""The command line: what was asked for, and the exit code that answers."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from callerid.cli.check import add_check
from callerid.cli.demo import demo
from callerid.cli.issuer import Wanted, issuer
from callerid.cli.routes import add_routes
from callerid.cli.stages import SERVERS
from callerid.cli.trouble import CommandError
from callerid.cli.why import add_why

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["main"]

_ENDING = "exit codes: 0 all went well; 1 the demo saw something unexpected; 2 bad usage, or something is missing"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; ``arguments`` default to the command line's."""
    try:
        asked = _parser().parse_args(arguments)
    except SystemExit as done:
        return int(done.code or 0)
    command: Callable[[argparse.Namespace], int] = asked.command
    try:
        with _terminable():
            return command(asked)
    except CommandError as error:
        sys.stderr.write(f"callerid: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough; nothing is left to flush at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="callerid", description="Who is calling, and may they?", epilog=_ENDING)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    showing = commands.add_parser(
        "demo",
        help="call a guarded orders service as every kind of caller, and show who got in",
        description="Starts a local issuer and a guarded orders service on free ports of the loopback interface, calls "
        "every route as every kind of caller and prints who got in and why not. Its last line is "
        "'demo: N calls, N as expected'.",
        epilog=_ENDING,
    )
    showing.add_argument("--app", choices=tuple(SERVERS), default="fastapi", help="which one (default: fastapi)")
    servers = ", ".join(f"{app}: {' or '.join(names)}" for app, names in SERVERS.items())
    showing.add_argument("--server", help=f"what runs it ({servers})")
    showing.add_argument("--serve", action="store_true", help="keep both up afterwards, and print curl lines to try")
    showing.set_defaults(command=_demo)

    serving = commands.add_parser(
        "issuer",
        help="run a local issuer to develop against",
        description="Serves keys and tokens in Google's formats on the loopback interface until it is interrupted, and "
        "prints what to set. Its keys are made at start and never stored; no guard that trusts Google believes them.",
        epilog=_ENDING,
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
    return parser


def _demo(asked: argparse.Namespace) -> int:
    if asked.server not in (None, *SERVERS[asked.app]):
        raise CommandError(f"--server {asked.server}: {asked.app} is run by {' or '.join(SERVERS[asked.app])}")
    return demo(sys.stdout, app=asked.app, server=asked.server, stay=_until_interrupted if asked.serve else None)


def _issuer(asked: argparse.Namespace) -> int:
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
    return issuer(sys.stdout, wanted, stay=_until_interrupted)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 0 to 65535")
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

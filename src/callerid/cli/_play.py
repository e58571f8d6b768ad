"""``callerid play``: the access page of an application of one's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from callerid.access import Suite, load, read_suite
from callerid.cli._frame import FILE, MISSING, PORT, application_arguments, cli_command, json_option, text_of
from callerid.cli._places import need
from callerid.cli._staying import until_interrupted

__all__ = ["PlayCommand", "command", "need_page", "page_served", "play"]

BESIDE = "access.toml"
"""The personas' file that is found by itself, beside the application."""


@cli_command("play", codes={0: "it was interrupted", 2: MISSING})
@application_arguments
@click.option("--access", type=FILE, metavar="FILE", help="Whose personas call (default: access.toml in that folder).")
@click.option("--lock", type=FILE, metavar="FILE", help="Mark what changed since this lock, and for whom.")
@click.option("--no-lifespan", "lifespan", flag_value=False, default=True, help="Leave the start-up out.")
@click.option("--site", metavar="HOST", help="The host that calls name (default: localhost).")
@click.option("--host", metavar="HOST", default="127.0.0.1", help="A loopback address; any other is refused.")
@click.option("--port", type=PORT, metavar="PORT", default=0, help="The port to listen on (default: a free one).")
@json_option
def command(out: TextIO, application: str, app_dir: Path, **given: Any) -> int:
    """Try out in a browser who may call what.

    Serves a page on the loopback interface, until it is interrupted: callers down the side, routes across the top, in
    each cell what the application answers, and on a click why. A local issuer signs the tokens. GET, HEAD and OPTIONS
    are really called; whatever may change something is only decided until a button is pressed.
    """
    return play(out, PlayCommand(application, app_dir, **given), stay=until_interrupted)


@dataclass(frozen=True, slots=True)
class PlayCommand:
    """What the command was asked: of which application, with which files, and where it serves."""

    application: str
    folder: Path = Path()
    access: Path | None = None
    lock: Path | None = None
    lifespan: bool = True
    site: str | None = None
    host: str = "127.0.0.1"
    port: int = 0
    as_json: bool = False


def play(out: TextIO, asked: PlayCommand, *, stay: Callable[[], None]) -> int:
    """Serve the page until ``stay`` returns or is interrupted; returns the exit code.

    Raises `CommandError` and `ConfigurationError`.
    """
    need_page()
    options = {
        "suite": _suite(asked),
        "lock": None if asked.lock is None else (text_of(asked.lock), str(asked.lock)),
        "lifespan": asked.lifespan,
        "site": asked.site,
    }
    app = load(asked.application, asked.folder)
    page = page_served(app, asked.application, host=asked.host, port=asked.port, **options)
    with page as address, suppress(KeyboardInterrupt):
        if asked.as_json:
            out.write(json.dumps({"version": 1, "application": asked.application, "url": address}) + "\n")
        else:
            out.write(f"Who may call what in {asked.application}. Ctrl-C ends it.\n{address}\n")
        out.flush()
        stay()
    return 0


def need_page() -> None:
    """Raise `CommandError` where what the page needs is not installed."""
    need("starlette", "uvicorn", what="the access page")


@contextmanager
def page_served(app: Any, name: str, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Generator[str]:
    """The page of an application, served in threads of this process; gives its address. Raises `ConfigurationError`.

    ``options`` are those of `callerid.play._session.Playground`.
    """
    from callerid.play._serving import check_host, serving  # noqa: PLC0415 - needs what may not be installed
    from callerid.play._session import Playground  # noqa: PLC0415
    from callerid.play._web import access_page  # noqa: PLC0415

    check_host(host)
    with Playground(app, name, **options) as ground, serving(access_page(ground), host=host, port=port) as address:
        yield address


def _suite(asked: PlayCommand) -> Suite | None:
    """The personas of the file that is named, or that lies beside the application."""
    beside = asked.folder / BESIDE
    file = asked.access or (beside if beside.is_file() else None)
    return None if file is None else read_suite(text_of(file), str(file))

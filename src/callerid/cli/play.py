"""``callerid play``: the access page of an application of one's own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from callerid.access import Suite, load, read_suite
from callerid.cli.places import need
from callerid.cli.routes import text_of
from callerid.cli.trouble import CommandError
from callerid.errors import ConfigurationError

__all__ = ["PlayCommand", "page_served", "play"]

BESIDE = "access.toml"
"""The personas' file that is found by itself, beside the application."""


@dataclass(frozen=True, slots=True)
class PlayCommand:
    """What the command was asked: of which application, with which files, and where it serves."""

    application: str
    folder: Path = Path()
    access: Path | None = None
    lock: Path | None = None
    host: str = "127.0.0.1"
    port: int = 0
    lifespan: bool = True


def play(out: TextIO, asked: PlayCommand, *, stay: Callable[[], None]) -> int:
    """Serve the page until ``stay`` returns or is interrupted; returns the exit code. Raises `CommandError`."""
    need("starlette", "uvicorn", what="the access page")
    try:
        suite = _suite(asked)
        lock = None if asked.lock is None else (text_of(asked.lock), str(asked.lock))
        app = load(asked.application, asked.folder)
        with page_served(
            app,
            asked.application,
            suite=suite,
            lock=lock,
            lifespan=asked.lifespan,
            host=asked.host,
            port=asked.port,
        ) as address:
            out.write(f"Who may call what in {asked.application}. Ctrl-C ends it.\n{address}\n")
            out.flush()
            with suppress(KeyboardInterrupt):
                stay()
    except ConfigurationError as error:
        raise CommandError(str(error)) from None
    return 0


@contextmanager
def page_served(app: Any, name: str, *, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Generator[str]:
    """The page of an application, served in threads of this process; gives its address. Raises `ConfigurationError`.

    ``options`` are those of `callerid.play.session.Playground`.
    """
    from callerid.play.serving import check_host, serving  # noqa: PLC0415 - needs what may not be installed
    from callerid.play.session import Playground  # noqa: PLC0415
    from callerid.play.web import access_page  # noqa: PLC0415

    check_host(host)
    with Playground(app, name, **options) as ground, serving(access_page(ground), host=host, port=port) as address:
        yield address


def _suite(asked: PlayCommand) -> Suite | None:
    """The personas of the file that is named, or that lies beside the application."""
    beside = asked.folder / BESIDE
    file = asked.access or (beside if beside.is_file() else None)
    return None if file is None else read_suite(text_of(file), str(file))

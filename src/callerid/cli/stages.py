"""Where the Flask example plays: under waitress in a thread, or under gunicorn in processes of its own."""

from __future__ import annotations

import json
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callerid.cli.places import example_application, need, serving
from callerid.cli.trouble import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

__all__ = ["SERVERS", "Stage", "behind_gunicorn", "stage"]

LOG_FD = "CALLERID_DEMO_LOG_FD"
"""What tells the application behind gunicorn where its decision log is read."""

_DONE, _ENDED = "done", "ended"


@dataclass(frozen=True, slots=True)
class Stage:
    """A running application: its address, and ``heard``, which waits until all that the last call logged is here."""

    address: str
    heard: Callable[[], None] = lambda: None


@contextmanager
def stage(app: str, server: str, environment: Mapping[str, str]) -> Generator[Stage]:
    """Serve an example on a free port of the loopback interface. Raises `CommandError` where something is missing.

    At the end no thread, no process and no socket is left.
    """
    need(server)
    if server == "gunicorn":
        need("flask")
        with _gunicorn(environment) as found:
            yield found
    else:
        application = example_application(environment, app)
        with (serving if server == "uvicorn" else _waitress)(application) as address:
            yield Stage(address)


SERVERS: dict[str, tuple[str, ...]] = {"fastapi": ("uvicorn",), "flask": ("gunicorn", "waitress")}
"""The servers of each example, the usual one first."""


@contextmanager
def _waitress(application: Any) -> Generator[str]:
    import waitress.server  # noqa: PLC0415 - an extra

    channels: dict[int, Any] = {}  # the server's own, and those of clients that keep their connections

    def close() -> None:
        for channel in tuple(channels.values()):
            channel.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server: Any = waitress.server.create_server(application, map=channels, sockets=[listening])
        thread = threading.Thread(target=server.run, name="callerid-demo", daemon=True)
        thread.start()
        try:
            yield _address(listening)
        finally:
            # In its own thread, which may be awake for another reason, and have closed the trigger before it is pulled.
            with suppress(OSError):
                server.trigger.pull_trigger(close)
            thread.join()
            server.task_dispatcher.shutdown()


@contextmanager
def _gunicorn(environment: Mapping[str, str]) -> Generator[Stage]:
    told, tell = os.pipe()
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        os.fdopen(told, encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603 - our own command
            _command(listening.fileno()),
            pass_fds=[listening.fileno(), tell],
            cwd=Path(__file__).parent,  # gunicorn reads its settings from where it is started
            env=_environment({**environment, LOG_FD: str(tell)}),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us, and we end it
            text=True,
        ) as process,
    ):
        os.close(tell)
        answered: queue.SimpleQueue[str] = queue.SimpleQueue()
        thread = threading.Thread(target=_listen, args=(log, answered), name="callerid-demo", daemon=True)
        thread.start()
        try:
            if answered.get() != _DONE:  # said once as soon as it is loaded
                raise CommandError(f"the application did not start: {_trouble(process.stderr)}")
            yield Stage(_address(listening), lambda: _wait(answered))
        finally:
            process.terminate()
            thread.join()


def _trouble(said: Iterable[str] | None) -> str:
    """The last line of a server's complaint that is neither its own log's nor a traceback's."""
    lines = [line.strip() for line in said or () if line.strip() and line[0] not in "[ "]
    return lines[-1] if lines else "gunicorn did not say why"


def _command(listening: int) -> list[str]:
    options = ["--bind", f"fd://{listening}", "--threads", "4", "--log-level", "warning", "--no-control-socket"]
    return [sys.executable, "-m", "gunicorn", *options, f"{__name__}:behind_gunicorn()"]


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name != "GUNICORN_CMD_ARGS"}
    return {**ours, **more, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _wait(answered: queue.SimpleQueue[str]) -> None:
    with suppress(queue.Empty):
        if answered.get(timeout=30) != _DONE:
            answered.put(_ENDED)  # for whoever asks again


def _listen(lines: Iterable[str], answered: queue.SimpleQueue[str]) -> None:
    """Log here what was logged there, until nobody is left who could write."""
    log = logging.getLogger("callerid")
    for line in lines:
        if line.strip() == _DONE:
            answered.put(_DONE)
        else:
            level, message, decision = json.loads(line)
            log.log(level, "%s", message, extra={"callerid": decision})
    answered.put(_ENDED)


def behind_gunicorn() -> Any:
    """The Flask example as gunicorn serves it; its decision log goes to the one who started gunicorn."""
    fd = int(os.environ[LOG_FD])

    def tell(line: str) -> None:
        os.write(fd, f"{line}\n".encode())

    class Mouth(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            tell(json.dumps([record.levelno, record.getMessage(), getattr(record, "callerid", {})]))

    log = logging.getLogger("callerid")
    log.addHandler(Mouth())
    log.setLevel(logging.DEBUG)
    log.propagate = False
    application = example_application({}, "flask")

    def answer(environ: Any, start_response: Any) -> Any:
        chunks = application(environ, start_response)
        tell(_DONE)
        return chunks

    tell(_DONE)
    return answer


def _address(listening: socket.socket) -> str:
    return f"http://127.0.0.1:{listening.getsockname()[1]}"

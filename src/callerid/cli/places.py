"""Where the demo plays: the example application, loaded from where it lies, under a real server on a free port."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import callerid
from callerid.cli.trouble import CommandError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

__all__ = ["example_application", "need", "serving"]

_NEEDED = {"fastapi": ("fastapi", "multipart|python_multipart", "uvicorn", "wsproto"), "flask": ("flask",)}


def example_application(environment: Mapping[str, str], framework: str = "fastapi") -> Any:
    """The application of ``examples/fastapi_app`` or ``examples/flask_app``, loaded anew under this environment.

    It lies beside this package in a wheel, and in its own folder in a checkout. Raises `CommandError` where it, or what
    it needs, is missing.
    """
    need(*_NEEDED[framework])
    package = Path(callerid.__file__).parent
    for folder in (package / "_examples", package.parents[1] / "examples"):
        if (file := folder / f"{framework}_app" / "app.py").is_file():
            return _loaded(file, environment).app
    raise CommandError("the example application is not part of this installation: install callerid from its wheel")


@contextmanager
def serving(application: Any) -> Generator[str]:
    """Serve an application by uvicorn on a free port of the loopback interface; gives its address.

    Raises `CommandError` if it does not start. At the end no thread and no socket is left.
    """
    need("uvicorn", "wsproto")
    is_up = threading.Event()
    failure: list[BaseException] = []
    server = _server(application, is_up)
    # asyncio turns Nagle's delay off only where a socket says that it is TCP's.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))

        def run() -> None:
            try:
                server.run(sockets=[listening])
            except (Exception, SystemExit) as error:  # noqa: BLE001 - told below, in the thread that asked
                failure.append(error)
            finally:
                is_up.set()

        thread = threading.Thread(target=run, name="callerid-demo", daemon=True)
        thread.start()
        try:
            is_up.wait()
            if not server.started:
                raise CommandError("the application did not start; what it said is above") from next(
                    iter(failure), None
                )
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _server(application: Any, is_up: threading.Event) -> Any:
    from uvicorn import Config, Server  # noqa: PLC0415 - an extra

    class NoticedServer(Server):
        """Says when it is up, so that nobody has to ask again and again."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            is_up.set()

    return NoticedServer(Config(application, ws="wsproto", lifespan="on", log_config=None, access_log=False))


def need(*modules: str) -> None:
    """Raise `CommandError` for a module that is not installed; ``|`` stands between two names of one."""
    for module in modules:
        if not any(importlib.util.find_spec(name) for name in module.split("|")):
            raise CommandError(f"the demo needs {module.rpartition('|')[2]}: pip install 'callerid[cli]'")


def _loaded(file: Path, environment: Mapping[str, str]) -> Any:
    spec = importlib.util.spec_from_file_location("callerid_example", file)
    assert spec is not None  # noqa: S101 - the file is there, and it is Python
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return module

"""The access page on the loopback interface."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from typing import Any

from callerid.errors import ConfigurationError
from callerid.play._security import LOOPBACK, is_loopback

__all__ = ["check_host", "serving"]


def check_host(host: str) -> None:
    """Raise `ConfigurationError` for a host that is not the loopback interface's."""
    if not is_loopback(host):
        raise ConfigurationError(
            f"the access page can call your app as anybody, so it is served on {', '.join(sorted(LOOPBACK))} alone, "
            f"not on {host!r}; from another machine, forward the port: ssh -L PORT:127.0.0.1:PORT",
            code="access-page",
        )


@contextmanager
def serving(app: Any, *, host: str = "127.0.0.1", port: int = 0) -> Generator[str]:
    """Serve the page in a thread; gives its address. Port 0 takes a free one. At the end the server is gone.

    Raises `ConfigurationError` for a host that is not the loopback interface's, and for a port that is taken.
    """
    check_host(host)
    import uvicorn  # noqa: PLC0415 - importing it takes as long as all else

    listening = _listening(host, port)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False)
    server: Any = uvicorn.Server(config)
    server.capture_signals = nullcontext  # signals are for whoever started it
    thread = threading.Thread(target=server.run, args=([listening],), name="callerid play server", daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        name = f"[{host}]" if ":" in host else host
        yield f"http://{name}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)
        listening.close()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host}, port {port}: {error.strerror}", code="access-page"
        ) from None

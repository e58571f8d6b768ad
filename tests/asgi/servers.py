"""ASGI servers in threads, on free loopback ports."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import uvicorn

from tests.servers import Address, listening, raw

__all__ = ["ASGI_SERVERS", "serving", "serving_at"]

ASGI_SERVERS = ("uvicorn", "hypercorn")


@contextlib.contextmanager
def serving(server: str, app: Any, **options: Any) -> Iterator[Address]:
    """The address where the application is served."""
    with listening() as listener, _SERVERS[server](app, listener, **options):
        # A listening socket queues: the first answer comes once the application runs.
        raw(listener.getsockname(), b"GET /__up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        yield listener.getsockname()


@contextlib.contextmanager
def serving_at(make: Callable[[str], Any], **options: Any) -> Iterator[str]:
    """The address ``http://127.0.0.1:PORT`` at which uvicorn serves the application that is made for it."""
    with listening() as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with _uvicorn(make(address), listener, **options):
            yield address


@contextlib.contextmanager
def _uvicorn(app: Any, listener: socket.socket, **options: Any) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, http="h11", log_config=None, timeout_graceful_shutdown=1, **options))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(40)


@contextlib.contextmanager
def _hypercorn(app: Any, listener: socket.socket, **options: Any) -> Iterator[None]:
    config = hypercorn.config.Config()
    config.bind = [f"fd://{socket.dup(listener.fileno())}"]
    config.graceful_timeout = 1
    for name, value in options.items():
        setattr(config, name, value)
    stop = threading.Event()

    async def stopped() -> None:
        while not stop.is_set():  # noqa: ASYNC110 - set by another thread
            await asyncio.sleep(0.02)

    def run() -> None:
        asyncio.run(hypercorn.asyncio.serve(app, config, shutdown_trigger=stopped))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(40)


_SERVERS = {"uvicorn": _uvicorn, "hypercorn": _hypercorn}

"""Servers on free loopback ports, and requests to any server as they are, byte by byte."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = [
    "Address",
    "gunicorn",
    "hypercorn",
    "listening",
    "no_thread_stays",
    "raw",
    "request",
    "status",
    "uvicorn",
    "waitress",
]

Address = tuple[str, int]

ROOT = Path(__file__).parents[1]


@contextlib.contextmanager
def no_thread_stays() -> Iterator[None]:
    """All threads that begin in the block have ended soon after it: AnyIO tells its workers to, and does not wait."""
    before = set(threading.enumerate())
    yield
    for late in set(threading.enumerate()) - before:
        late.join(30)
    assert set(threading.enumerate()) <= before


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextlib.contextmanager
def waitress(application: Any, *, threads: int = 4) -> Iterator[Address]:
    """Waitress in a thread; gives its address."""
    import waitress.server

    with listening() as listener:
        server = waitress.server.create_server(application, sockets=[listener], threads=threads)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            with contextlib.suppress(OSError):  # a request that ends now may have woken it up: it has closed already
                server.trigger.pull_trigger(server.close)  # in its own thread
            thread.join(40)
            server.task_dispatcher.shutdown()


@contextlib.contextmanager
def gunicorn(application: str, *options: str) -> Iterator[Address]:
    """Gunicorn in processes of its own; gives its address. ``application`` is named as on its command line."""
    with listening() as listener:
        bind = ("--bind", f"fd://{listener.fileno()}")
        with _running(listener, "gunicorn", *bind, "--no-control-socket", *options, application):
            yield listener.getsockname()


@contextlib.contextmanager
def uvicorn(application: str, *options: str) -> Iterator[Address]:
    """Uvicorn in a process of its own; gives its address. ``application`` is named as on its command line."""
    with listening() as listener, _running(listener, "uvicorn", "--fd", str(listener.fileno()), *options, application):
        yield listener.getsockname()


@contextlib.contextmanager
def hypercorn(application: str, *options: str) -> Iterator[Address]:
    """Hypercorn in a process of its own; gives its address. With a certificate it speaks HTTP/2.

    It logs errors of its own where a response ends before the request did, as that to a refused upload.
    """
    with listening() as listener:
        bind = ("--bind", f"fd://{listener.fileno()}")
        with _running(listener, "hypercorn", *bind, "--graceful-timeout", "1", *options, application, is_quiet=False):
            yield listener.getsockname()


@contextlib.contextmanager
def _running(listener: socket.socket, *command: str, is_quiet: bool = True) -> Iterator[None]:
    """A server's module as a process. Who connects before it is ready waits in the listening socket's queue."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        pass_fds=[listener.fileno()],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(ROOT)])},
    )
    try:
        yield
    finally:
        process.terminate()
        _, said = process.communicate(timeout=40)
        assert not is_quiet or "Traceback" not in said, said


def raw(address: Address, data: bytes) -> bytes:
    """Send bytes as they are, and read until the server closes or is silent."""
    received = b""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(data)
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while chunk := connection.recv(65536):
                received += chunk
    return received


def request(target: str, *headers: str, method: str = "GET") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: orders.example.com", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def status(address: Address, target: str, *headers: str, method: str = "GET") -> int:
    answer = raw(address, request(target, *headers, method=method))
    return int(answer.split(b" ", 2)[1]) if answer else 0

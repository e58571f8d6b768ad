"""A real redis-server, Debian's, on a free port of this machine."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

__all__ = ["Server", "free_port", "until"]


class Server:
    """A redis-server on a port of its own, which can be started again there; it stores nothing.

    ``settings`` are further ones, and ``file`` is one of a Sentinel's.
    """

    def __init__(self, folder: Path, *settings: str, file: Path | None = None) -> None:
        self.port = free_port()
        self.url = f"redis://:right@127.0.0.1:{self.port}/0"
        self._folder, self._settings = folder, settings
        self._file = [] if file is None else [str(file), "--sentinel"]
        self.start()

    def start(self) -> None:
        program = shutil.which("redis-server")
        assert program, "make e2e installs redis-server"
        settings = ["--port", str(self.port), "--dir", str(self._folder), "--bind", "127.0.0.1", "--save", ""]
        settings += ["--appendonly", "no", "--requirepass", "right", *self._settings]
        self.process = subprocess.Popen([program, *self._file, *settings], stdout=subprocess.DEVNULL)
        self.client: Any = Redis.from_url(self.url)
        until(self.is_up, 30)

    def is_up(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def kill(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(10)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """It hangs: connections stay open and are accepted, and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def pause(self, seconds: float) -> None:
        """Let whoever asks wait for so long."""
        self.client.execute_command("CLIENT", "PAUSE", str(int(seconds * 1000)), "ALL")

    def kill_connections(self, client: Any = None) -> None:
        """Close all connections but this client's."""
        for kind in ("pubsub", "normal"):
            (client or self.client).execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    @contextmanager
    def another_password(self) -> Iterator[None]:
        """Nobody's password is right any more, and all have to connect anew."""
        with closing(Redis.from_url(self.url, single_connection_client=True)) as admin:
            admin.config_set("requirepass", "left")
            self.kill_connections(admin)
            yield
            admin.config_set("requirepass", "right")


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def until(happens: Callable[[], object], seconds: float) -> None:
    """Wait for what another process does; fails after so many seconds."""
    ends_at = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends_at
        threading.Event().wait(0.01)

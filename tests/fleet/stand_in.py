"""As much of Redis as a fleet asks for, in this process: what it answers can be chosen, and that it hangs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO

NAME = b"callerid:revoked"


class StandIn:
    """A server of RESP2 at ``url``. ``scores`` is the sorted set, ``calls`` what it was asked."""

    def __init__(self) -> None:
        self.scores: dict[bytes, float] = {}
        self.calls: list[bytes] = []
        self.refuses: set[bytes] = set()
        self.is_mute: set[bytes] = set()
        self.before: dict[bytes, Callable[[], None]] = {}
        """What is called once, before it answers a command."""
        self.evals: list[bytes] = []
        """What it answers to scripts about uses, in turn."""
        self.generation: int | None = None
        self.subscribers: list[socket.socket] = []
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listening.getsockname()[1]}/0"
        self._accepting = self._start(self._accept)

    def _start(self, run: Any, *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=run, args=arguments)
        thread.start()
        return thread

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self._open.append(connection)
                self._threads.append(self._start(self._serve, connection))

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, ValueError), connection, connection.makefile("rb") as file:
            while True:
                command = self._read(file)
                name = command[0].upper()
                self.calls.append(name)
                self.before.pop(name, lambda: None)()
                if name not in self.is_mute:
                    refused = name in self.refuses
                    connection.sendall(b"-ERR no\r\n" if refused else self._answer(connection, name, command[1:]))

    @staticmethod
    def _read(file: BinaryIO) -> list[bytes]:
        count = int(file.readline()[1:])
        command: list[bytes] = []
        for _ in range(count):
            size = int(file.readline()[1:])
            command.append(file.read(size + 2)[:-2])
        return command

    def _answer(self, connection: socket.socket, name: bytes, arguments: list[bytes]) -> bytes:
        if name == b"SUBSCRIBE":
            self.subscribers.append(connection)
            return resp([b"subscribe", arguments[0], 1])
        if name == b"EVAL":
            return self._sent(arguments) if arguments[1] == b"1" else self.evals.pop(0)
        if name == b"PING":
            return resp([b"pong", b""])
        if name == b"ZSCORE":
            return b"$-1\r\n" if self.generation is None else resp(b"%d" % self.generation)
        if name == b"ZREVRANGEBYSCORE":
            least, start, count = float(arguments[2]), int(arguments[4]), int(arguments[5])
            members = sorted(self.scores, key=lambda each: -self.scores[each])
            found: list[Any] = [each for each in members if self.scores[each] >= least]
            return resp(found[start : start + count])
        return b"+OK\r\n" if name in (b"CLIENT", b"SELECT") else b":1\r\n"

    def _sent(self, arguments: list[bytes]) -> bytes:
        """What the script for denials does."""
        if self.generation is None:
            self.generation = int(arguments[4])
        for member, score in zip(arguments[6::2], arguments[7::2], strict=True):
            self.scores[member] = float(score)
            self.publish(member)
        return b":1\r\n"

    def flush(self) -> None:
        """Forget all, as FLUSHALL does."""
        self.scores.clear()
        self.generation = None

    def connect_again(self) -> None:
        """Confirm a subscription a second time, as where redis-py has connected anew by itself."""
        for each in self.subscribers:
            each.sendall(resp([b"subscribe", NAME, 1]))

    def publish(self, data: bytes) -> None:
        """Send a message to all who listen."""
        for each in self.subscribers:
            with suppress(OSError):
                each.sendall(resp([b"message", NAME, data]))

    def drop(self) -> None:
        """Close all connections, as CLIENT KILL does."""
        self.subscribers = []
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._accepting.join(5)
        self.drop()
        for each in self._threads:
            each.join(5)


def resp(value: Any) -> bytes:
    """A value as RESP2 has it."""
    if isinstance(value, list):
        members: list[Any] = value
        return b"*%d\r\n%s" % (len(members), b"".join(map(resp, members)))
    return b":%d\r\n" % value if isinstance(value, int) else b"$%d\r\n%s\r\n" % (len(value), value)


@contextmanager
def stand_in() -> Iterator[StandIn]:
    made = StandIn()
    try:
        yield made
    finally:
        made.close()

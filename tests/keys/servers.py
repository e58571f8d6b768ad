"""Real servers on loopback that answer well, badly, slowly or not at all."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

HOST = "127.0.0.1"


class KeyServer:
    """Answers every GET with what its attributes say at that moment; ``gate`` closed, it holds the answer back."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: dict[str, str] = {"Cache-Control": "max-age=3600"}
        self.body = b"{}"
        self.requests: list[dict[str, str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Semaphore(0)
        self.url = ""

    def close_gate(self) -> None:
        self.gate.clear()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append({**handler.headers, "path": handler.path})
        self.asked.release()
        self.gate.wait()
        with suppress(OSError):  # whoever asked has gone
            handler.send_response_only(self.status)
            handler.send_header("Server", "KeyServer")
            if "Date" not in self.headers:
                handler.send_header("Date", handler.date_time_string())
            for name, value in self.headers.items():
                handler.send_header(name, value)
            handler.send_header("Content-Length", str(len(self.body)))
            handler.end_headers()
            handler.wfile.write(self.body)


@contextmanager
def key_server(tls: ssl.SSLContext | None = None) -> Iterator[KeyServer]:
    served = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server uses
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # clients that hang up are part of the tests

    with Server((HOST, 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        served.url = f"{'http' if tls is None else 'https'}://localhost:{server.server_port}/keys"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            served.gate.set()
            server.shutdown()
            thread.join()


@contextmanager
def raw_server(talk: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """The port of a server that hands each connection to ``talk``, with an event that says when the test is over."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection, over)

    def accept(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                thread = threading.Thread(target=serve, args=(connection,))
                threads.append(thread)
                thread.start()

    with socket.create_server((HOST, 0)) as listening:
        accepting = threading.Thread(target=accept, args=(listening,))
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port where a connection never comes about: its queue is full and nobody accepts."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        callers = [socket.socket() for _ in range(3)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex((HOST, port))
        try:
            yield port
        finally:
            for caller in callers:
                caller.close()

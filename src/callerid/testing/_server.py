"""The HTTP server of the local issuer: the loopback interface only, quiet, and gone without a trace when closed."""

from __future__ import annotations

import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["LOOPBACK", "ReceivedRequest", "Response", "Server"]

LOOPBACK = "127.0.0.1"
"""The only address the server listens on."""

_LARGEST_BODY = 65_536
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True, repr=False)
class ReceivedRequest:
    """A request as it arrived: the target still encoded, header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, decoded."""
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; of one that is repeated, the last."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The body's parameters, as a form."""
        return dict(parse_qsl(self.body.decode("latin-1"), keep_blank_values=True))


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """What is sent back."""

    status: int
    body: bytes = b""
    content_type: str = "application/text"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Server:
    """Answers requests in threads of its own from construction until `close`."""

    def __init__(self, answer: Callable[[ReceivedRequest], Response], *, port: int = 0) -> None:
        """``port`` 0 takes any free one. Raises `OSError` if the port is taken."""
        self._http = _LoopbackServer(answer, port)
        self._thread = threading.Thread(target=self._run, name="callerid-local-issuer", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return f"http://{LOOPBACK}:{self._http.server_port}"

    def close(self) -> None:
        """Stop, and wait until no thread and no socket is left."""
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _run(self) -> None:
        self._http.serve_forever(_POLL_SECONDS)


class _LoopbackServer(ThreadingHTTPServer):
    def __init__(self, answer: Callable[[ReceivedRequest], Response], port: int) -> None:
        self.answer = answer
        self._connections: list[tuple[socket.socket, threading.Thread]] = []
        super().__init__((LOOPBACK, port), _Handler)

    def server_bind(self) -> None:
        # HTTPServer's own asks the resolver for this host's name, which may take seconds.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        self._connections = [(other, worker) for other, worker in self._connections if worker.is_alive()]
        self._connections.append((request, thread))
        thread.start()

    def server_close(self) -> None:
        super().server_close()
        for connection, thread in self._connections:
            with suppress(OSError):  # it may be closed already
                connection.shutdown(socket.SHUT_RD)  # a client that says nothing; answers under way still go out
            thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away is no news; anything else is a defect of ours and is shown.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server_version = "LocalIssuer"
    sys_version = ""

    def do_GET(self) -> None:
        self._respond(cast("_LoopbackServer", self.server).answer(self._request()))

    do_POST = do_GET  # noqa: N815 - named by the base class

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
        pass

    def _request(self) -> ReceivedRequest:
        stated = self.headers.get("Content-Length", "0")
        length = min(int(stated), _LARGEST_BODY) if stated.isdecimal() else 0
        headers = {name.lower(): value for name, value in self.headers.items()}
        return ReceivedRequest(self.command, self.path, headers, self.rfile.read(length))

    def _respond(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

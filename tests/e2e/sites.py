"""Sites of other people: any host, any page, by https."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Certificate", "elsewhere"]

PAGE = b"<!doctype html><title>elsewhere</title><link rel=icon href=data:,><p>A page of somebody else."


@dataclass(frozen=True)
class Certificate:
    """Where a certificate and its key are."""

    file: Path
    key: Path


class _Page(BaseHTTPRequestHandler):
    """An empty page, to be filled by a test; ``/bounce?to=URL`` sends the request on with method and body."""

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if target.path == "/bounce":
            self._answer(307, b"", Location=parse_qs(target.query)["to"][0])
        else:
            self._answer(200, PAGE)

    do_POST = do_GET  # noqa: N815 - as http.server names it

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        fields = {"Content-Type": "text/html", "Content-Length": str(len(body)), "Connection": "close", **headers}
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Browsers open connections that they then do not use."""


@contextlib.contextmanager
def elsewhere(certificate: Certificate) -> Iterator[int]:
    """The port at which other people's sites are served meanwhile."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file, certificate.key)
    with _Server(("127.0.0.1", 0), _Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()

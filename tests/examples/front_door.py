"""A stand-in for Cloud Run's front door before a private service: it checks a token, removes its signature, forwards.

Source: Cloud Run, "Authenticating service-to-service": of two tokens, only ``X-Serverless-Authorization`` is checked.
"""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from callerid import Guard, Refusal
from callerid.testing import LocalIssuer

__all__ = ["FrontDoor"]

_CHECKED = ("X-Serverless-Authorization", "Authorization")


class FrontDoor:
    """Listens on ``port``; ``is_open`` is what ``allUsers`` as invoker makes of it: nothing is checked."""

    def __init__(self, issuer: LocalIssuer, audiences: tuple[str, ...], behind: int) -> None:
        self.is_open = False
        self._guard = Guard(issuer.google(*audiences, gcloud=True))
        self._issuer, self._behind = issuer, behind
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port

    @contextlib.contextmanager
    def standing(self) -> Iterator[FrontDoor]:
        """Serve meanwhile."""
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def let_in(self, headers: dict[str, str]) -> dict[str, str] | None:
        """The headers as the service gets them, or ``None`` for a request that is not let in."""
        if self.is_open:
            return headers
        checked = next((name for name in _CHECKED if name in headers), None)
        token = headers.get(checked or "", "").removeprefix("Bearer ")
        try:
            self._guard.verify(token)
        except Refusal:
            return None
        return {**headers, str(checked): f"Bearer {self._issuer.stripped(token)}"}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = door.let_in(dict(self.headers.items()))
                status, body = (403, b"Your client does not have permission") if headers is None else self._on(headers)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - as http.server names it; no body is passed on

            def _on(self, headers: dict[str, str]) -> tuple[int, bytes]:
                connection = http.client.HTTPConnection("127.0.0.1", door._behind, timeout=30)
                try:
                    connection.request(self.command, self.path, headers={**headers, "Connection": "close"})
                    answer = connection.getresponse()
                    return answer.status, answer.read()
                finally:
                    connection.close()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Handler

"""The table's essential part behind real servers, byte by byte; and what only bytes can say."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from .adapters.driving import ASGI
from .adapters.every import ADAPTERS
from .answers import Got, trouble
from .application import KEYS, public_keys
from .rows import ROWS
from .sending import Sent, token

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
FRONT = ("-m", "tests.contract.served")
GUNICORN = ("-m", "gunicorn", "--no-control-socket", "--threads", "4", "--log-level", "warning", "--bind")

SERVERS: dict[str, Callable[[int], tuple[str, ...]]] = {
    "uvicorn": lambda fd: (*FRONT, "uvicorn", str(fd)),
    "httptools": lambda fd: (*FRONT, "httptools", str(fd)),  # uvicorn with what makes it fast
    "hypercorn-asyncio": lambda fd: (*FRONT, "hypercorn-asyncio", str(fd)),
    "hypercorn-trio": lambda fd: (*FRONT, "hypercorn-trio", str(fd)),
    "gunicorn": lambda fd: (*GUNICORN, f"fd://{fd}", "tests.contract.served:wsgi"),
    "waitress": lambda fd: (*FRONT, "waitress", str(fd)),
}
GATEWAYS = ("gunicorn", "waitress")


class Running:
    """A server in a process of its own, on a free loopback port; it dies with the ``with`` block."""

    def __init__(self, name: str, port: int, log: Path) -> None:
        self.name, self.port, self._log = name, port, log
        both = [each for each in ADAPTERS.values() if isinstance(each, ASGI) is (name not in GATEWAYS)]
        # Django is made for asyncio.
        self.adapters = [each for each in both if not (name.endswith("trio") and each.name.startswith("django"))]

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(encoding="utf-8")

    def exchange(self, data: bytes) -> bytes:
        """Send bytes as they are; all that comes back until the server closes."""
        received = b""
        # A server may close before it has read everything.
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port), 40) as connection:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                received += chunk
        return received

    def ask(self, sent: Sent, adapter: str) -> Got:
        sent = sent.filled
        body = sent.body.encode()
        fields = [("X-Contract", f"{adapter} {sent.setting}"), ("Connection", "close"), *sent.headers]
        if not any(name == "Host" for name, _ in fields):
            fields.insert(0, ("Host", "orders.example.com"))
        if body:
            fields.append(("Content-Length", str(len(body))))
        lines = [f"{sent.method} {sent.target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields), "", ""]
        return _got(self.exchange("\r\n".join(lines).encode("latin-1") + body), sent.method)


class _Received:
    """What `http.client` reads from in place of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _got(data: bytes, method: str) -> Got:
    response = http.client.HTTPResponse(cast("socket.socket", _Received(data)), method=method)
    response.begin()
    got = Got(response.status, response.getheaders(), response.read())
    got.ran = [(place, who) for place, who in json.loads(got.header("x-ran") or "[]")]
    got.body_was_read = got.header("x-read") == "true"
    return got


@contextlib.contextmanager
def _serving(name: str) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as listener, tempfile.NamedTemporaryFile() as said:
        running = Running(name, listener.getsockname()[1], Path(said.name))
        path = os.pathsep.join([*sys.path, str(ROOT)])
        process = subprocess.Popen(
            [sys.executable, *SERVERS[name](listener.fileno())],
            cwd=ROOT,
            env={**os.environ, KEYS: public_keys(), "PYTHONPATH": path},
            pass_fds=[listener.fileno()],
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        # From here on a dead server refuses connections; one that only begins lets them wait.
        listener.close()
        try:
            yield running
        finally:
            process.terminate()
            try:
                process.wait(40)
            finally:
                process.kill()


SERVED = [row for row in ROWS if row.served]


def _rows(server: Running) -> Iterator[str]:
    for adapter in server.adapters:
        for row in SERVED:
            if (server.name, adapter.name, row.sent.target) == ("waitress", "django", "//open"):
                continue  # waitress makes one slash of two, so that it is another path than was sent
            got = server.ask(row.sent, adapter.name)
            said = trouble(row.expected_of(adapter.name, adapter.kinds), got, row.sent.method, bare=False)
            said = said if got.header("x-ran") else f"the server answered by itself: {got}"
            yield f"{adapter.name}, {row.name}: {said}" if said else ""


# --- what only bytes can say: servers answer differently, but nobody gets through a door by any of it ---

FRONT_LINES = "Host: orders.example.com\r\nConnection: close\r\n"

# Request lines and headers of a stranger; X-Contract is added.
BY_STRANGERS: dict[str, str] = {
    "absolute form": f"GET http://orders.example.com/domain HTTP/1.1\r\n{FRONT_LINES}",
    "absolute form of nobody's": f"GET http://orders.example.com/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "absolute form of another host": f"GET http://evil.example/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "absolute form with the public in its host": f"GET http://open/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "absolute form without a path": f"GET http://orders.example.com HTTP/1.1\r\n{FRONT_LINES}",
    "absolute form of another scheme": f"GET file:///open/../nobody HTTP/1.1\r\n{FRONT_LINES}",
    "absolute form after the public": f"GET /open/http://orders.example.com/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "no slash": f"GET nobody HTTP/1.1\r\n{FRONT_LINES}",
    "no slash, a dot": f"GET ./nobody HTTP/1.1\r\n{FRONT_LINES}",
    "an authority in the path": f"GET //orders.example.com/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "an authority and the public": f"GET //open/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "asterisk": f"OPTIONS * HTTP/1.1\r\n{FRONT_LINES}",
    "asterisk to GET": f"GET * HTTP/1.1\r\n{FRONT_LINES}",
    "connect": f"CONNECT orders.example.com:80 HTTP/1.1\r\n{FRONT_LINES}",
    "connect to a path": f"CONNECT /nobody HTTP/1.1\r\n{FRONT_LINES}",
    "NUL in the path": f"GET /open\0/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "NUL before the path": f"GET \0/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "a tab in the path": f"GET /nobody\t/open HTTP/1.1\r\n{FRONT_LINES}",
    "a space in the path": f"GET /nobody /open HTTP/1.1\r\n{FRONT_LINES}",
    "a line's end in the path": f"GET /open\r/nobody HTTP/1.1\r\n{FRONT_LINES}",
    "a vertical tab in the path": f"GET /open\v HTTP/1.1\r\n{FRONT_LINES}",
    "a backslash": f"GET /open\\..\\nobody HTTP/1.1\r\n{FRONT_LINES}",
    "a fragment": f"GET /nobody#/open HTTP/1.1\r\n{FRONT_LINES}",
    "a fragment of the public": f"GET /open#/../nobody HTTP/1.1\r\n{FRONT_LINES}",
    "raw bytes in the path": f"GET /nobody\xff\xc0\xaf HTTP/1.1\r\n{FRONT_LINES}",
    "raw UTF-8 in the path": f"GET /users/z\xc3\xbcrich HTTP/1.1\r\n{FRONT_LINES}",
    "a broken encoding": f"GET /nobody%zz%2 HTTP/1.1\r\n{FRONT_LINES}",
    "a long path": f"GET /{'a' * 9000} HTTP/1.1\r\n{FRONT_LINES}",
    "a deep path": f"GET {'/a' * 3000} HTTP/1.1\r\n{FRONT_LINES}",
    "a method in small letters": f"get /nobody HTTP/1.1\r\n{FRONT_LINES}",
    "a method with a space": f"WEBSOCKET handshake /nobody HTTP/1.1\r\n{FRONT_LINES}",
    "no method": f" /nobody HTTP/1.1\r\n{FRONT_LINES}",
    "HTTP/1.0": "GET /nobody HTTP/1.0\r\n",
    "HTTP/0.9": "GET /nobody\r\n",
    "HTTP/2.0": f"GET /nobody HTTP/2.0\r\n{FRONT_LINES}",
    "HTTP/1.9": f"GET /nobody HTTP/1.9\r\n{FRONT_LINES}",
    "no host": "GET /nobody HTTP/1.1\r\nConnection: close\r\n",
    "two hosts": f"GET /nobody HTTP/1.1\r\nHost: open\r\n{FRONT_LINES}",
    "an upgrade": f"GET /nobody HTTP/1.1\r\nUpgrade: websocket\r\n{FRONT_LINES}",
    "a large header": f"GET /nobody HTTP/1.1\r\n{FRONT_LINES}X: {'x' * 70000}\r\n",
    "many headers": f"GET /nobody HTTP/1.1\r\n{FRONT_LINES}" + "X: x\r\n" * 300,
}

# What is no header that carries a token, whatever a server makes of it: in each, staff's token stands somewhere.
NOT_SENT_PROPERLY: dict[str, str] = {
    "a space before the colon": "Authorization : Bearer <staff>\r\n",
    "a tab before the colon": "Authorization\t: Bearer <staff>\r\n",
    "no colon": "Authorization Bearer <staff>\r\n",
    "NUL before the scheme": "Authorization: \0Bearer <staff>\r\n",
    "NUL after the token": "Authorization: Bearer <staff>\0\r\n",
    "NUL in the name": "Authoriz\0ation: Bearer <staff>\r\n",
    "a form feed": "Authorization: Bearer\f<staff>\r\n",
    "a no-break space": "Authorization: Bearer\xa0<staff>\r\n",
    "a byte order mark": "Authorization: \xef\xbb\xbfBearer <staff>\r\n",
    "a line's end in the value": "X: x\rAuthorization: Bearer <staff>\r\n",
    "underscores": "AUTHORI_ZATION: Bearer <staff>\r\nHTTP_AUTHORIZATION: Bearer <staff>\r\n",
    "another letter": "\xc1uthorization: Bearer <staff>\r\n",
    "a trailer": "Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer <staff>\r\n\r\n",
    "a folded line": "X: x\r\n Authorization: Bearer <staff>\r\n",
}

# Bodies that a server must not take for requests: staff's own, who would be let in.
INNER = "GET /domain HTTP/1.1\r\nHost: orders.example.com\r\nAuthorization: Bearer <staff>\r\n\r\n"
SMUGGLING: dict[str, str] = {
    "a body that is a request": f"POST /upload HTTP/1.1\r\n{FRONT_LINES}Content-Length: LENGTH\r\n\r\n{INNER}",
    "a kept connection": (
        f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: LENGTH\r\n\r\n"
        f"{INNER}GET /open HTTP/1.1\r\n{FRONT_LINES}\r\n"
    ),
    "a length and chunks": (
        f"POST /upload HTTP/1.1\r\n{FRONT_LINES}Content-Length: LENGTH\r\nTransfer-Encoding: chunked\r\n\r\n"
        f"0\r\n\r\n{INNER}"
    ),
    "two lengths": (
        f"POST /upload HTTP/1.1\r\n{FRONT_LINES}Content-Length: 0\r\nContent-Length: LENGTH\r\n\r\n{INNER}"
    ),
    "a signed length": f"POST /upload HTTP/1.1\r\n{FRONT_LINES}Content-Length: +0\r\n\r\n{INNER}",
    "GET with a body": f"GET /nobody HTTP/1.1\r\n{FRONT_LINES}Content-Length: LENGTH\r\n\r\n{INNER}",
}


def _filled(text: str) -> bytes:
    inner = INNER.replace("<staff>", token("staff"))
    return text.replace("LENGTH", str(len(inner))).replace("<staff>", token("staff")).encode("latin-1")


def _with(adapter: str, text: str) -> bytes:
    """The request with the header that names the adapter, and its end."""
    line, end, rest = text.partition("\r\n")
    whole = f"{line}{end}X-Contract: {adapter} usual\r\n{rest}"
    return _filled(whole if "\r\n\r\n" in whole else f"{whole}\r\n")


RAN = re.compile(rb"^x-ran: (.*)\r$", re.IGNORECASE | re.MULTILINE)


def _nobody_got_in(received: bytes) -> bool:
    """Only what is public may have run, and as nobody."""
    ran = {who for each in RAN.findall(received) for who in map(tuple, json.loads(each))}
    return ran <= {("open", "nobody")} and b"user:" not in received


THE_SERVERS_OWN = {
    # What follows is no request, and hypercorn's way to say so while an answer is sent ends it on trio, guarded or not.
    ("hypercorn-trio", "a length and chunks"),
    # With httptools, uvicorn adds trailers to the headers: nobody behind it can tell. Their sender has the token.
    ("httptools", "a trailer"),
}


def _bytes(server: Running) -> Iterator[str]:
    headers = {name: f"GET /domain HTTP/1.1\r\n{FRONT_LINES}{text}" for name, text in NOT_SENT_PROPERLY.items()}
    for adapter in server.adapters:
        for name, text in {**BY_STRANGERS, **headers, **SMUGGLING}.items():
            if (server.name, name) in THE_SERVERS_OWN:
                continue
            received = server.exchange(_with(adapter.name, text))
            # Some servers cut a smuggler off without a word.
            answered = received.startswith(b"HTTP/1.") or name in SMUGGLING
            yield "" if answered and _nobody_got_in(received) else f"{adapter.name}, {name}: {received!r}"


def _uploads(server: Running) -> Iterator[str]:
    """A refused upload is not waited for."""
    # Waitress has the whole body before it calls anybody.
    for adapter in server.adapters if server.name != "waitress" else ():
        if adapter.has_body_first:
            continue
        for expects in ("", "Expect: 100-continue\r\n"):
            text = f"POST /upload HTTP/1.1\r\n{FRONT_LINES}{expects}Content-Length: 1000000\r\n"
            got = _got(server.exchange(_with(adapter.name, text)), "POST")
            yield "" if (got.status, got.ran, got.body_was_read) == (401, [], False) else f"{adapter.name}: {got}"


# One test for each server, so that each is started once, however many processes share the tests: over a thousand
# requests each, so more time than other tests have.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", SERVERS)
def test_behind_a_server_the_answers_are_the_same_and_no_bytes_open_a_door(name: str) -> None:
    # Hypercorn and httptools come with the extra `dev` only, and not for the lowest versions.
    pytest.importorskip(name.partition("-")[0])
    assert len(SERVED) >= 30
    with _serving(name) as server:
        wrong = [each for each in (*_rows(server), *_uploads(server)) if each]
        assert "Traceback" not in server.log, server.log
        wrong += [each for each in _bytes(server) if each]
        still = server.exchange(_with(server.adapters[0].name, f"GET /open HTTP/1.1\r\n{FRONT_LINES}"))
        assert b"open: nobody" in still, "it still serves"
    assert not wrong, "\n".join(wrong)

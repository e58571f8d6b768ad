"""``callerid doctor --cloud-run``: who answers a request without a credential."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from callerid.cli import main

OURS = json.dumps({"status": 401, "instance": "urn:uuid:5e0d9b6c-7d0f-4a55-8f6e-8b1f5f3f9f00"})


@contextlib.contextmanager
def answering(status: int, body: str = "", **headers: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers.get("Authorization") is None
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def doctor(url: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["doctor", "--cloud-run", url])
    told = capsys.readouterr()
    return code, told.out + told.err


FORBIDDEN = "<title>403 Forbidden</title> Your client does not have permission to get URL / from this server."


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "words"),
    [
        (403, FORBIDDEN, {}, 0, "closed: Google's front door answered 403"),
        (401, "", {}, 0, "closed: Google's front door answered 401"),
        (302, "", {"Location": "https://accounts.google.com/o/oauth2/v2/auth"}, 0, "closed: Identity-Aware Proxy"),
        (302, "", {"Location": "https://accounts.google.com.example.net/"}, 1, "OPEN: the application answered 302"),
        (401, OURS, {}, 1, "OPEN: the application itself refused the request (401)"),
        (503, OURS, {}, 1, "OPEN: the application itself refused the request (503)"),
        (200, "hello", {}, 1, "OPEN: the application answered 200"),
        (200, "[1]", {}, 1, "OPEN: the application answered 200"),
        (503, "", {}, 2, "answers 503, which may be the front door or the application"),
        (404, "", {}, 2, "answers 404, which may be the front door or the application"),
    ],
)
def test_who_answered_without_a_credential_is_told(  # noqa: PLR0917 - one for each part of an answer
    status: int, body: str, headers: dict[str, str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(status, body, **headers) as url:
        found, told = doctor(url, capsys)
    assert (found, words in told) == (code, True), told


@pytest.mark.parametrize("url", ["orders.a.run.app", "ftp://a.example", "https://", "https://ada:secret@a.example"])
def test_what_is_no_address_is_an_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = doctor(url, capsys)
    assert (code, "--cloud-run takes the service's address" in told) == (2, True)


def test_a_service_that_cannot_be_asked_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with answering(200) as url:
        pass
    code, told = doctor(url, capsys)
    assert (code, "127.0.0.1 cannot be asked" in told) == (2, True)


def test_an_address_in_brackets_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor("http://[::1", capsys)[0] == 2


@pytest.mark.parametrize(("status", "code"), [(403, 0), (200, 1)])
def test_json_has_the_verdict(status: int, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(status) as url:
        assert main(["doctor", "--cloud-run", url, "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["version", "url", "closed", "said"]
    assert (found["version"], found["url"], found["closed"]) == (1, url, not code)

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

import callerid.testing
from callerid.testing import LocalIssuer
from callerid.testing._server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from callerid.testing._server import ReceivedRequest, Response


def test_a_with_block_serves_on_loopback_and_ends_without_a_trace(http: requests.Session) -> None:
    before = set(threading.enumerate())
    with LocalIssuer() as issuer:
        url = issuer.url
        assert url.startswith("http://127.0.0.1:")
        assert repr(issuer) == f"<LocalIssuer at {url}>"
        assert http.get(issuer.jwks_url()).ok
    assert set(threading.enumerate()) <= before
    assert not issuer.is_serving
    with pytest.raises(ConnectionError), socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2]))):
        pass


def test_serving_needs_a_server_and_minting_none() -> None:
    issuer = LocalIssuer()
    issuer.close()
    assert issuer.person()
    with pytest.raises(RuntimeError, match="does not serve"):
        _ = issuer.url


def test_an_issuer_serves_on_the_port_it_is_told_again_and_again(http: requests.Session) -> None:
    issuer = LocalIssuer()
    with issuer.serve() as served:
        assert served is issuer
        port = int(issuer.url.rpartition(":")[2])
        with pytest.raises(RuntimeError, match="serves already"):
            issuer.serve()
    with issuer.serve(port):
        assert issuer.url == f"http://127.0.0.1:{port}"
        assert http.get(issuer.jwks_url()).text == issuer.jwks_document()


def test_a_taken_port_is_said_to_be_taken(served: LocalIssuer) -> None:
    with pytest.raises(OSError, match="in use"):
        LocalIssuer().serve(int(served.url.rpartition(":")[2]))


def test_closing_lets_waiting_requests_go(served: LocalIssuer, http: requests.Session) -> None:
    served.delay = 60
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(http.get(served.jwks_url()).status_code))
    with served.hold():
        asking.start()
        served.wait_for_fetches("google")
        served.close()
    asking.join()
    assert answers == [200]


def test_closing_does_not_wait_for_a_client_that_says_nothing(served: LocalIssuer, http: requests.Session) -> None:
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as silent:
        assert http.get(served.url).ok  # the silent one was accepted before
        served.close()
        assert silent.recv(1) == b""


def test_a_client_that_goes_away_is_no_news(capfd: pytest.CaptureFixture[str]) -> None:
    def abort(request: ReceivedRequest) -> Response:
        raise ConnectionResetError

    assert _error_shown_by(abort, capfd) == ""


def test_a_defect_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(request: ReceivedRequest) -> Response:
        raise ZeroDivisionError

    assert "ZeroDivisionError" in _error_shown_by(fail, capfd)


def _error_shown_by(answer: Callable[[ReceivedRequest], Response], capfd: pytest.CaptureFixture[str]) -> str:
    server = Server(answer)
    connection = HTTPConnection(server.url.removeprefix("http://"))
    connection.request("GET", "/")
    with pytest.raises(ConnectionError):
        connection.getresponse()
    connection.close()
    server.close()
    return capfd.readouterr().err


def test_the_server_is_quiet(served: LocalIssuer, http: requests.Session, capfd: pytest.CaptureFixture[str]) -> None:
    assert http.get(served.url + "/nothing").status_code == 404
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("length", ["x", "-1"])
def test_a_length_that_is_no_number_is_no_body(served: LocalIssuer, length: str) -> None:
    connection = HTTPConnection(served.url.removeprefix("http://"))
    connection.request("POST", "/token", headers={"Content-Length": length})
    assert connection.getresponse().status == 400
    connection.close()


def test_its_issuers_have_keys_over_http_or_in_memory(served: LocalIssuer) -> None:
    offline = LocalIssuer()
    for issuer in (served, offline):
        google, firebase = issuer.google("https://orders.example.com"), issuer.firebase("shop-prod")
        assert google.audiences == {"https://orders.example.com"}
        assert firebase.audiences == {"shop-prod"}
        assert google.keys != firebase.keys


def test_everything_named_is_there() -> None:
    assert all(hasattr(callerid.testing, name) for name in callerid.testing.__all__)


@pytest.mark.slow
def test_importing_it_imports_no_test_framework() -> None:
    code = "import sys, callerid.testing; print(sorted({'pytest', '_pytest', 'hypothesis'} & sys.modules.keys()))"
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert shown.stdout.strip() == "[]"

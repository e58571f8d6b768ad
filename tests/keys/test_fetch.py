from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from callerid.asking import AskError
from callerid.errors import Unavailable
from callerid.keys import KeyDocument, KeyFile, KeySource, KeyStore, get
from callerid.keys import _store as store
from callerid.keys._attempt import AbortHandle, FetchError, short_cause
from callerid.keys._fetch import Fetched
from callerid.testing import LocalIssuer

from .asking import ask, at_once, eventually, status, warmed
from .made import certificate, document, ec_jwk, jwk_set, pem, pem_map, private_pem, rsa_jwk, rsa_key
from .servers import HOST, KeyServer, deaf_port, key_server, raw_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Clock

MEGABYTE = 1024 * 1024
GOOD_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"


def refused(source: KeySource | KeyFile | KeyDocument, keys: KeyStore | None = None) -> str:
    """The cause of the failure that asking for a key ends in."""
    keys = keys or KeyStore()
    with pytest.raises(Unavailable):
        ask(keys, source)
    only = status(keys)
    assert not only.kids
    assert only.fetches == 1
    return only.last_error


# Answers that are no key document


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        ({"status": 500}, "HTTP status 500"),
        ({"status": 429}, "HTTP status 429"),
        ({"status": 404, "body": document("a")}, "HTTP status 404"),
        ({"status": 203, "body": document("a")}, "HTTP status 203"),
        ({"status": 204, "body": b""}, "HTTP status 204"),
        ({"body": b"<html>Sign in to the hotel's network</html>"}, "not JSON"),
        ({"body": b""}, "not JSON"),
        ({"body": b'{"keys": []}'}, "it holds no usable RS256 key"),
        ({"body": b'["a"]'}, "neither a JWK set nor a map of PEM texts"),
        ({"body": jwk_set(ec_jwk("a"))}, "it holds no usable RS256 key"),
        ({"body": pem_map({"a": pem(rsa_key("weak", 1024))})}, "it holds no usable RS256 key"),
        ({"body": pem_map({"b": private_pem(rsa_key())})}, "it contains a private or symmetric key"),
        ({"body": jwk_set(rsa_jwk("a"), rsa_jwk("b", d="AQAB"))}, "it contains a private or symmetric key"),
        ({"body": jwk_set(rsa_jwk("a"), rsa_jwk("a", rsa_key("other")))}, "it holds no usable RS256 key"),
        ({"body": document("a") + b" " * 256 * 1024}, "larger than 262144 bytes"),
        ({"headers": {"Content-Encoding": "gzip"}, "body": document("a")}, "error"),
        ({"headers": {"Content-Encoding": "br"}, "body": document("a")}, "a Content-Encoding that was not asked for"),
        ({"headers": {"Content-Encoding": "gzip, gzip"}, "body": b""}, "a Content-Encoding that was not asked for"),
        (
            {"headers": {"Content-Encoding": "gzip"}, "body": gzip.compress(b" " * 20 * MEGABYTE)},
            "larger than 262144 bytes",
        ),
    ],
)
def test_an_answer_that_is_no_key_document_is_a_failure(server: KeyServer, answer: dict[str, Any], cause: str) -> None:
    for name, value in answer.items():
        setattr(server, name, value)
    assert refused(KeySource(server.url)) == cause
    assert len(server.requests) == 1


def test_a_document_of_exactly_the_largest_size_is_read(server: KeyServer) -> None:
    server.body = document("a").ljust(256 * 1024)
    assert ask(KeyStore(), KeySource(server.url)).kid == "a"


def test_a_gzip_bomb_is_not_unpacked(server: KeyServer) -> None:
    import tracemalloc

    server.headers["Content-Encoding"] = "gzip"
    server.body = gzip.compress(bytes(100 * MEGABYTE), 1)
    tracemalloc.start()
    assert refused(KeySource(server.url)) == "larger than 262144 bytes"
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * MEGABYTE


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_not_followed(server: KeyServer, code: int) -> None:
    server.status, server.headers, server.body = code, {"Location": "/elsewhere"}, document("a")
    assert refused(KeySource(server.url)) == f"HTTP status {code}"
    assert [request["path"] for request in server.requests] == ["/keys"]


def test_a_server_that_is_down_is_a_failure() -> None:
    with socket.create_server((HOST, 0)) as listening:
        port = listening.getsockname()[1]
    assert refused(KeySource(f"http://{HOST}:{port}/")) == "ConnectionRefusedError: Connection refused"


@pytest.mark.parametrize(
    ("sent", "cause"),
    [
        (GOOD_HEAD + b'\r\n{"a"', "IncompleteRead"),
        (b"SSH-2.0-OpenSSH_9.6 \x1b[31msecret\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_a_broken_answer_is_a_failure_and_nothing_of_it_is_told(sent: bytes, cause: str) -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)

    with raw_server(talk) as port:
        told = refused(KeySource(f"http://{HOST}:{port}/"))
    assert told.startswith(cause)
    assert "secret" not in told


# Answers that come too late


def _hang(*sent: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        for part in sent:
            connection.sendall(part)
        over.wait()

    return talk


def _drip(before: bytes, drop: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(before)
        while not over.wait(0.02):
            connection.sendall(drop)

    return talk


def _slow_but_sure(connection: socket.socket, over: threading.Event) -> None:
    over.wait(5)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


SLOW = {
    "hang before the status": _hang(),
    "hang in the status": _hang(b"HTTP/1.1 2"),
    "hang in the headers": _hang(GOOD_HEAD),
    "hang in the body": _hang(GOOD_HEAD + b'\r\n{"a":'),
    "drip in the status": _drip(b"HTTP/1.1 200 O", b"K"),
    "drip in the headers": _drip(GOOD_HEAD + b"X: ", b"x"),
    "drip of headers": _drip(GOOD_HEAD, b"X: x\r\n"),
    "drip of interim answers": _drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "drip in the body": _drip(GOOD_HEAD + b"\r\n", b" "),
    "drip of chunks": _drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "slow": _slow_but_sure,
}


IN_TIME = ("not done within 0.2 s", "TimeoutError", "TimeoutError: timed out")


def ends_in_time(url: str, *causes: str, seconds: float = 0.2) -> None:
    """The failure is known, and the thread ends, while the server still hangs: it does until the test is over."""
    assert refused(KeySource(url, fetch_seconds=seconds)) in (causes or IN_TIME)
    eventually(lambda: "callerid-keys" not in {thread.name for thread in threading.enumerate()})


@pytest.mark.parametrize("talk", SLOW.values(), ids=SLOW)
def test_a_fetch_ends_in_time_wherever_it_hangs(talk: Callable[[socket.socket, threading.Event], None]) -> None:
    with raw_server(talk) as port:
        ends_in_time(f"http://{HOST}:{port}/")


@pytest.mark.parametrize("talk", [_hang(), _drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\0")], ids=["hang", "drip"])
def test_a_fetch_ends_in_time_in_the_tls_handshake(talk: Callable[[socket.socket, threading.Event], None]) -> None:
    with raw_server(talk) as port:
        ends_in_time(f"https://{HOST}:{port}/")


def test_a_connection_that_never_comes_about_ends_in_time() -> None:
    with deaf_port() as port:
        ends_in_time(f"http://{HOST}:{port}/")


def test_a_fetch_that_hangs_where_no_socket_can_be_cut_is_failed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def look_up_a_name(handle: AbortHandle) -> Fetched:
        over.wait()
        return Fetched(document("a"), 60)

    monkeypatch.setattr(store, "fetcher", lambda source: look_up_a_name)
    keys, source = KeyStore(), KeySource("https://host.example/", fetch_seconds=0.1)
    assert refused(source, keys) == "not done within 0.1 s"
    over.set()
    eventually(lambda: "callerid-keys" not in {thread.name for thread in threading.enumerate()})
    assert (status(keys).kids, status(keys).failures) == ((), 1)  # what came too late is not used


def test_a_cut_cord_ends_connections_before_and_after() -> None:
    handle = AbortHandle()
    pairs = [socket.socketpair(), socket.socketpair()]
    never_connected = socket.socket()
    assert handle.register(pairs[0][0]) is pairs[0][0]
    handle.register(never_connected)
    handle.abort()
    handle.register(pairs[1][0])
    assert [there.recv(1) for _, there in pairs] == [b"", b""]
    handle.release()
    for each in (*pairs[0], *pairs[1], never_connected):
        each.close()


# What is sent, and to whom


def test_nothing_is_sent_that_tells_who_is_asking(server: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://{HOST}:1")
    monkeypatch.setenv("http_proxy", f"http://{HOST}:1")
    monkeypatch.setenv("NO_PROXY", "")
    server.body, server.headers = document("a"), {"Set-Cookie": "tracked=1; Path=/"}
    for _ in range(2):
        assert ask(KeyStore(), KeySource(server.url + "?a=b"))
    sent = server.requests[1]
    assert set(sent) <= {"path", "Host", "Accept", "Accept-Encoding", "User-Agent", "Connection"}
    assert (sent["path"], sent["Accept"], sent["User-Agent"]) == ("/keys?a=b", "application/json", "callerid")


def test_a_scheme_may_be_written_in_capitals(server: KeyServer) -> None:
    server.body = document("a")
    assert ask(KeyStore(), KeySource(server.url.replace("http:", "HTTP:"))).kid == "a"


def test_content_type_does_not_matter_and_gzip_is_read(server: KeyServer) -> None:
    server.headers = {"Content-Type": "text/html; charset=utf-16", "Content-Encoding": "GZIP"}
    server.body = gzip.compress(document("a"))
    assert ask(KeyStore(), KeySource(server.url)).kid == "a"


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_a_document_that_says_it_is_not_encoded_is_read(server: KeyServer, coding: str) -> None:
    server.headers = {"Content-Encoding": coding}
    server.body = document("a")
    assert ask(KeyStore(), KeySource(server.url)).kid == "a"


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    folder = tmp_path_factory.mktemp("tls")
    (folder / "certificate.pem").write_bytes(certificate(rsa_key("tls")).public_bytes(Encoding.PEM))
    (folder / "key.pem").write_text(private_pem(rsa_key("tls")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    (folder / "key.pem").unlink()
    return context, folder / "certificate.pem"


def test_an_untrusted_certificate_is_a_failure(certified: tuple[ssl.SSLContext, Path]) -> None:
    context, _ = certified
    with key_server(context) as server:
        server.body = document("a")
        assert "certificate verify failed" in refused(KeySource(server.url)).lower().replace("_", " ")
        assert not server.requests


def test_https_heeds_the_bundle_of_the_environment_but_no_netrc(
    certified: tuple[ssl.SSLContext, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    context, bundle = certified
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("NO_PROXY", "localhost")
    with key_server(context) as server:
        server.body = document("a")
        assert ask(KeyStore(), KeySource(server.url)).kid == "a"
        assert "Authorization" not in server.requests[0]


def test_a_proxy_of_the_environment_is_used_for_https_and_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def proxy(connection: socket.socket, over: threading.Event) -> None:
        asked.append(connection.recv(4096).split(b"\r\n")[0])
        _drip(b"HTTP/1.1 407 ", b"x")(connection, over)

    with raw_server(proxy) as port:
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://{HOST}:{port}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        cause = f"not done within 1 s; proxy: {HOST}:{port}, from https_proxy"
        ends_in_time("https://host.example/keys", cause, seconds=1)
    assert [line.rpartition(b" ")[0] for line in asked] == [b"CONNECT host.example:443"]


# Files and documents


def test_keys_come_from_a_file_that_is_read_again(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(document("a"))
    keys, source = KeyStore(timer=clock), KeyFile(path)
    assert ask(keys, source).kid == "a"
    assert status(keys).expires_in == 60
    path.write_bytes(document("b"))
    clock.advance(60)
    assert ask(keys, source, "b").kid == "b"
    path.unlink()
    clock.advance(60)
    assert ask(keys, source, "b").kid == "b"
    assert status(keys).last_error == "FileNotFoundError: No such file or directory"


def test_a_file_too_large_or_none_at_all_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(document("a").ljust(2_001))
    assert refused(KeyFile(path, largest_document=2_000)) == "larger than 2000 bytes"
    assert refused(KeyFile(tmp_path)) == "not a regular file"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert refused(KeyFile(pipe)) == "not a regular file"


def test_a_document_is_there_at_once_and_for_good(clock: Clock) -> None:
    keys, source = KeyStore(timer=clock), KeyDocument(document("a").decode())
    first = at_once(keys, source)
    clock.advance(1e9)
    assert at_once(keys, source) is first
    assert keys.warm(source, "RS256") is None
    assert (status(keys).fetches, status(keys).expires_in) == (1, float("inf"))


def test_a_document_without_a_key_for_the_algorithm_is_a_failure() -> None:
    assert refused(KeyDocument(json.dumps({"keys": [ec_jwk("a")]}))) == "it holds no usable RS256 key"
    keys = KeyStore()
    assert keys.warm(KeyDocument(document("a").decode()), "ES256") is None
    assert status(keys).failures == 1


# Causes


def test_a_cause_is_short_and_names_the_root() -> None:
    assert short_cause(FetchError("plain words")) == "plain words"
    assert short_cause(OSError(2, "No such file", "/secret/path")) == "FileNotFoundError: No such file"
    assert short_cause(ValueError("document content")) == "ValueError"
    outer = RuntimeError("outer words")
    outer.__cause__ = ConnectionResetError(104, "Connection reset by peer")
    assert short_cause(outer) == "ConnectionResetError: Connection reset by peer"


def test_without_threads_a_fetch_is_a_failure_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    keys = KeyStore()
    with pytest.raises(Unavailable):
        keys.find(KeySource("https://host.example/"), "RS256", "a")
    assert status(keys).last_error == "RuntimeError"


def test_without_a_second_thread_a_fetch_is_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(timer: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", start)
    keys = KeyStore()
    assert refused(KeySource("https://host.example/"), keys) == "RuntimeError"


def test_warming_waits_for_the_whole_fetch(server: KeyServer) -> None:
    server.body = document("a")
    assert warmed(KeyStore(), KeySource(server.url)).fresh


def test_an_answer_is_asked_for_by_get_with_headers() -> None:
    with LocalIssuer() as issuer:
        answer = get(KeySource(issuer.jwks_url()), {"Accept-Language": "en"})
    assert (answer.status, "keys" in json.loads(answer.body)) == (200, True)


@pytest.mark.parametrize("talk", [_hang(), _drip(GOOD_HEAD + b"\r\n", b" ")], ids=["hang", "drip"])
def test_an_answer_that_does_not_come_is_given_up_in_time(
    talk: Callable[[socket.socket, threading.Event], None],
) -> None:
    with raw_server(talk) as port, pytest.raises(AskError):
        get(KeySource(f"http://{HOST}:{port}/", fetch_seconds=0.3), {})

"""Why a fetch failed is told once for each back-off step, with the setting that has a part in it and no credential."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from callerid.errors import Unavailable
from callerid.keys import KeyFile, KeySource, KeyStore
from callerid.keys import _environment as environment
from callerid.keys._causes import overdue, with_proxy

from .asking import ask, eventually, status
from .made import certificate, document, jwk_set, private_pem, rsa_jwk, rsa_key
from .servers import HOST, deaf_port, key_server, raw_server

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .conftest import Clock
    from .servers import KeyServer

FAR = "https://keys.example.com/keys"
CERTIFI = "CA bundle: that of certifi (REQUESTS_CA_BUNDLE is not set"
SECRETS = ("someone", "pass", "word")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {
            "REQUESTS_CA_BUNDLE",
            "CURL_CA_BUNDLE",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
        }:
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the certificate of the server, another one and none at all."""
    made = tmp_path_factory.mktemp("tls")
    for name in ("server", "other"):
        (made / f"{name}.pem").write_bytes(certificate(rsa_key(name)).public_bytes(Encoding.PEM))
    (made / "junk.pem").write_text("junk")
    return made


@pytest.fixture(scope="module")
def tls(folder: Path) -> Iterator[str]:
    """The address of a server with a certificate that nobody trusts."""
    (folder / "key.pem").write_text(private_pem(rsa_key("server")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "key.pem")
    (folder / "key.pem").unlink()
    with key_server(context) as server:
        server.body = document("a")
        yield server.url


def cause(url: str, caplog: pytest.LogCaptureFixture) -> str:
    """Why this address cannot be fetched from, as the log and the status have it."""
    caplog.clear()
    store = KeyStore()
    with pytest.raises(Unavailable) as refusal:
        ask(store, KeySource(url, fetch_seconds=2))
    told = status(store).last_error
    eventually(lambda: len(caplog.records) == 1)
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.WARNING,
        f"The keys of {url} cannot be fetched ({told}); next try in 1 s.",
    )
    assert f"({told})" in refusal.value.detail
    assert told.isprintable()
    assert not any(secret in text for secret in SECRETS for text in (told, str(refusal.value), refusal.value.remedy))
    return told


# Certificates


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, f"certificate verify failed: self-signed certificate; {CERTIFI})"),
        (
            {"SSL_CERT_FILE": "server.pem"},
            f"certificate verify failed: self-signed certificate; {CERTIFI}, SSL_CERT_FILE is not read)",
        ),
        (
            {"REQUESTS_CA_BUNDLE": "other.pem", "CURL_CA_BUNDLE": "server.pem", "SSL_CERT_FILE": "server.pem"},
            "certificate verify failed: self-signed certificate; CA bundle: FOLDER/other.pem, from REQUESTS_CA_BUNDLE",
        ),
        (
            {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "other.pem"},
            "certificate verify failed: self-signed certificate; CA bundle: FOLDER/other.pem, from CURL_CA_BUNDLE",
        ),
        ({"REQUESTS_CA_BUNDLE": "none.pem"}, "REQUESTS_CA_BUNDLE names FOLDER/none.pem, which does not exist"),
        ({"CURL_CA_BUNDLE": "none\n.pem"}, r"CURL_CA_BUNDLE names FOLDER/none\n.pem, which does not exist"),
    ],
)
def test_a_certificate_that_is_not_trusted_is_told_with_the_bundle_in_force(
    variables: dict[str, str], told: str, tls: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value and str(folder / value))
        given = cause(tls, caplog).replace("self signed", "self-signed")  # as older versions of OpenSSL write it
    assert given == told.replace("FOLDER", str(folder))


def test_a_bundle_that_is_none_is_named(
    tls: str, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "junk.pem"))
    assert cause(tls, caplog).endswith(f"; CA bundle: {folder}/junk.pem, from REQUESTS_CA_BUNDLE")


def test_a_bundle_that_may_not_be_read_is_named(
    tls: str, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreadable(context: ssl.SSLContext, *locations: object, **named: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "server.pem"))
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", unreadable)
    told = cause(tls, caplog)
    assert told == f"PermissionError: Permission denied; CA bundle: {folder}/server.pem, from REQUESTS_CA_BUNDLE"


def test_a_certificate_of_another_host_is_told(
    tls: str, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "server.pem"))
    told = cause(tls.replace("localhost", HOST), caplog)
    assert told.startswith("certificate verify failed: IP address mismatch, certificate is not valid for '127.0.0.1';")


def test_a_bundle_has_no_part_in_plain_http(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "none.pem")
    monkeypatch.setenv("HTTPS_PROXY", f"http://{HOST}:1")
    server.status = 404
    assert cause(server.url, caplog) == "HTTP status 404"
    assert cause(f"http://{HOST}:1/", caplog) == "ConnectionRefusedError: Connection refused"


# Proxies


def _says(answer: bytes) -> Callable[[socket.socket, threading.Event], None]:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    return talk


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"HTTP/1.1 407 pass the word\r\n\r\n", "the proxy answered with HTTP status 407"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "the proxy answered with HTTP status 403"),
        (b"SSH-2.0 pass the word\r\n\r\n", "BadStatusLine"),
        (b"", "RemoteDisconnected"),
    ],
)
def test_what_a_proxy_answered_is_told_with_its_variable_and_without_credentials(
    name: str, answer: bytes, told: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with raw_server(_says(answer)) as port:
        monkeypatch.setenv(name, f"http://someone:pass%40word@{HOST}:{port}/")
        assert cause(FAR, caplog) == f"{told}; proxy: {HOST}:{port}, from {name}"


def test_a_proxy_that_cannot_be_reached_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://someone:pass:word@{HOST}:1")
    assert cause(FAR, caplog) == f"ConnectionRefusedError: Connection refused; proxy: {HOST}:1, from HTTPS_PROXY"
    with deaf_port() as port:
        monkeypatch.setenv("HTTPS_PROXY", f"{HOST}:{port}")
        assert cause(FAR, caplog).endswith(f"; proxy: {HOST}:{port}, from HTTPS_PROXY")


@pytest.mark.parametrize(
    "address",
    [
        "http://someone:pass/word@proxy.example:3128",
        "http://someone:pass#word@proxy.example:3128",
        "http://someone:pass?word@proxy.example:3128",
        "http://someone:password",
        "someone:password",
        "http://proxy.example:3128/@password",
        "http://proxy.example/password",
        "http://someone:password@",
        "http://[::1/someone:password@",
        "http://someone:password@proxy.example\n",
    ],
)
def test_nothing_of_an_address_in_which_a_password_could_stand_anywhere_is_told(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    assert with_proxy("down", FAR) == "down; proxy: an address that cannot be read, from HTTPS_PROXY"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("proxy.example:3128", "proxy.example:3128"),
        ("HTTPS://proxy.example", "proxy.example"),
        ("socks5h://someone:password@proxy.example:1080/", "proxy.example:1080"),
        ("http://someone@[::1]:3128", "[::1]:3128"),
    ],
)
def test_a_proxy_is_told_by_its_host_and_port(address: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", address)
    assert with_proxy("down", FAR) == f"down; proxy: {told}, from https_proxy"


def test_a_proxy_that_is_not_used_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "example.com")
    assert with_proxy("down", FAR) == "down"
    monkeypatch.delenv("no_proxy")
    assert with_proxy("down", f"http://{HOST}/") == "down"


def test_a_proxy_of_the_system_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "getproxies", lambda: {"https": "http://proxy.example:3128"})
    assert with_proxy("down", FAR) == "down; proxy: proxy.example:3128, from the settings of the system"


def test_a_fetch_that_used_up_its_time_fails_whatever_the_settings_of_a_proxy_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> dict[str, str]:
        raise ValueError("http://someone:password@proxy.example:3128")

    monkeypatch.setenv("https_proxy", "http://someone:password@proxy.example:3128")
    assert str(overdue(KeySource(FAR))) == "not done within 5 s; proxy: proxy.example:3128, from https_proxy"
    assert str(overdue(KeyFile(tmp_path))) == "not done within 5 s"
    monkeypatch.setattr(environment, "getproxies", broken)
    assert str(overdue(KeySource(FAR))) == "not done within 5 s"


# Names, and how often


def test_a_name_that_cannot_be_looked_up_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(*asked: object, **named: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert cause(FAR, caplog) == "a name cannot be looked up: Name or service not known"
    monkeypatch.setenv("HTTPS_PROXY", "http://someone:pass@word@proxy.invalid:3128")
    proxy = "; proxy: proxy.invalid:3128, from HTTPS_PROXY"
    assert cause(FAR, caplog) == f"a name cannot be looked up: Name or service not known{proxy}"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON"),
        (b"{}", "it holds no usable RS256 key"),
        (jwk_set(rsa_jwk("a", d="AQAB")), "it contains a private or symmetric key"),
    ],
)
def test_a_cause_is_told_once_for_each_step_of_the_back_off(
    server: KeyServer, clock: Clock, caplog: pytest.LogCaptureFixture, body: bytes, told: str
) -> None:
    server.body = body
    store, source = KeyStore(timer=clock), KeySource(server.url, fetch_seconds=30, stale_wait=30)
    for steps in range(1, 8):
        for _ in range(20):
            with pytest.raises(Unavailable):
                ask(store, source)
        eventually(lambda: len(caplog.records) >= steps)  # noqa: B023 - asked at once
        assert [record.levelname for record in caplog.records] == ["WARNING"] * steps
        assert f"({told}); next try in {min(2 ** (steps - 1), 30)} s." in caplog.records[-1].getMessage()
        assert status(store).last_error == told
        clock.advance(30)

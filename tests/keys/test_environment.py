"""Proxies and certificates are taken from the variables that curl and requests read, for https alone."""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
from base64 import b64encode
from contextlib import suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from google.auth.exceptions import TransportError

from callerid.errors import Unavailable
from callerid.keys import GoogleAccess, KeySource, KeyStore
from callerid.keys._environment import ca_bundle, proxy_for
from callerid.keys._transport import manager_for

from .asking import ask
from .made import certificate, document, private_pem, rsa_key
from .servers import HOST, key_server, raw_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .servers import KeyServer

KEYS = "https://keys.example.com/keys"
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}:
            monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_proxy_is_taken_from_its_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for(KEYS) is None
    monkeypatch.setenv(name, PROXY)
    assert proxy_for(KEYS) == proxy_for(KEYS.replace("https", "HTTPS")) == PROXY
    assert proxy_for(f"http://{HOST}/keys") is None


def test_lower_case_goes_first_and_https_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://{name}")
        assert proxy_for(KEYS) == f"http://{name}"
    monkeypatch.setenv("https_proxy", "")
    assert proxy_for(KEYS) == "http://all_proxy"


@pytest.mark.parametrize("name", ["no_proxy", "NO_PROXY"])
@pytest.mark.parametrize(
    ("value", "url", "direct"),
    [
        ("keys.example.com", KEYS, True),
        ("elsewhere.example, example.com", KEYS, True),
        (".example.com", KEYS, True),
        ("EXAMPLE.COM", KEYS, True),
        ("*", KEYS, True),
        ("keys.example.com:8443", KEYS, False),
        ("keys.example.com:8443", "https://keys.example.com:8443/", True),
        ("ample.com", KEYS, False),
        ("127.0.0.1", "https://127.0.0.1:8443/", True),
        ("::1", "https://[::1]/", True),
        ("[::1]", "https://[::1]:8443/", True),
        ("", KEYS, False),
    ],
)
def test_what_no_proxy_names_is_asked_directly(
    name: str, value: str, url: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv(name, value)
    assert proxy_for(url) == (None if direct else PROXY)


@pytest.mark.parametrize(
    "host",
    [
        "metadata.google.internal",
        "METADATA.google.internal.",
        "metadata",
        "169.254.169.254",
        "169.254.169.254:443",
        "[fd20:ce::254]",
        "[fe80::1]",
    ],
)
def test_the_metadata_server_is_asked_directly_whatever_the_environment_says(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    for scheme in ("http", "https"):
        assert proxy_for(f"{scheme}://{host}/computeMetadata/v1/") is None
        assert manager_for(f"{scheme}://{host}/").proxy is None
    assert proxy_for("https://metadata.google.internal.example.com/") == PROXY
    assert proxy_for("https://169.253.0.1/") == PROXY


def test_a_bundle_may_be_a_file_or_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ca_bundle() is None
    assert manager_for(KEYS).connection_pool_kw["ca_certs"].endswith("cacert.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path))
    assert ca_bundle() == ("CURL_CA_BUNDLE", str(tmp_path))
    assert manager_for(KEYS).connection_pool_kw == {"ca_cert_dir": str(tmp_path), "cert_reqs": "CERT_REQUIRED"}
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "bundle.pem"))
    assert manager_for(KEYS).connection_pool_kw["ca_certs"] == str(tmp_path / "bundle.pem")
    assert not manager_for(f"http://{HOST}/").connection_pool_kw


# Whole fetches


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KeyServer, str]]:
    """A key server, and a bundle by which its certificate is trusted."""
    folder = tmp_path_factory.mktemp("tls")
    (folder / "server.pem").write_bytes(certificate(rsa_key("server")).public_bytes(Encoding.PEM))
    (folder / "key.pem").write_text(private_pem(rsa_key("server")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "key.pem")
    (folder / "key.pem").unlink()
    with key_server(context) as server:
        server.body = document("a")
        yield server, str(folder / "server.pem")


class Tunnel:
    """A proxy that lets every connection through to the address that it is asked for."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def __call__(self, connection: socket.socket, over: threading.Event) -> None:
        head = connection.recv(65_536)
        self.asked.append(head)
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            relays = [threading.Thread(target=_relay, args=ends) for ends in ((connection, there), (there, connection))]
            for relay in relays:
                relay.start()
            for relay in relays:
                relay.join()


def _relay(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize(
    ("address", "credentials"),
    [
        ("http://{}", None),
        ("{}", None),
        ("HTTP://{}/", None),
        ("http://someone:pass%40word@{}", b"someone:pass@word"),
        ("someone:pass:word@{}", b"someone:pass:word"),
        ("http://someone:@{}", b"someone:"),
        ("http://someone@{}", None),
    ],
)
def test_keys_come_through_a_proxy_which_alone_is_shown_its_credentials(
    tls: tuple[KeyServer, str], address: str, credentials: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, bundle = tls
    server.requests.clear()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    tunnel = Tunnel()
    with raw_server(tunnel) as port:
        monkeypatch.setenv("HTTPS_PROXY", address.format(f"{HOST}:{port}"))
        assert ask(KeyStore(), KeySource(server.url)).kid == "a"
    (head,) = tunnel.asked
    assert head.startswith(f"CONNECT {server.url[8:-5]} HTTP/1.".encode())
    sent = [line.partition(b" ")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"proxy-authorization:")]
    assert sent == ([] if credentials is None else [b"Basic " + b64encode(credentials)])
    assert "Proxy-Authorization" not in server.requests[0]


class Granted:
    """Credentials of google-auth, as it has them, that are granted what the key server answers."""

    def __init__(self, url: str) -> None:
        self.valid, self.token, self._url = False, "", url

    def refresh(self, request: Any) -> None:
        answer = request(url=self._url, method="GET")
        assert answer.status == 200
        self.valid, self.token = True, answer.data.decode()


def test_access_to_googles_apis_is_granted_through_the_proxy_too(
    tls: tuple[KeyServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, bundle = tls
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    tunnel = Tunnel()
    with raw_server(tunnel) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"{HOST}:{port}")
        assert GoogleAccess(Granted(server.url), scope="").token() == server.body.decode()
    assert len(tunnel.asked) == 1


def test_what_is_granted_by_plain_http_goes_through_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://{HOST}:9")
    with key_server() as server:
        assert GoogleAccess(Granted(server.url), scope="").token() == "{}"


def test_access_is_not_asked_for_where_the_certificate_is_not_trusted(tls: tuple[KeyServer, str]) -> None:
    with pytest.raises(TransportError, match="CERTIFICATE_VERIFY_FAILED"):
        GoogleAccess(Granted(tls[0].url), scope="").token()


def test_a_certificate_is_judged_behind_a_proxy_too(
    tls: tuple[KeyServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_server(Tunnel()) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"{HOST}:{port}")
        with pytest.raises(Unavailable, match="certificate verify failed"):
            ask(KeyStore(), KeySource(tls[0].url))


def _pysocks(connect: Callable[..., socket.socket]) -> ModuleType:
    """What urllib3 uses of PySocks."""
    module = ModuleType("socks")
    vars(module).update(PROXY_TYPE_SOCKS4=1, PROXY_TYPE_SOCKS5=2, ProxyError=OSError, create_connection=connect)
    return module


def test_a_socks_proxy_is_used_where_pysocks_is_installed(
    tls: tuple[KeyServer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, bundle = tls
    asked: list[Any] = []

    def connect(address: Any, **settings: Any) -> socket.socket:
        asked.append((address[0], *(settings[f"proxy_{name}"] for name in ("addr", "port", "username", "password"))))
        return socket.create_connection(address)

    monkeypatch.setitem(sys.modules, "socks", _pysocks(connect))
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundle)
    monkeypatch.setenv("ALL_PROXY", "socks5h://someone:pass%40word@proxy.example:1080")
    assert ask(KeyStore(), KeySource(server.url)).kid == "a"
    assert asked == [("localhost", "proxy.example", 1080, "someone", "pass@word")]
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks")


def test_a_socks_proxy_without_pysocks_is_a_failure_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urllib3.contrib.socks", None)
    monkeypatch.setenv("ALL_PROXY", "socks5://someone:password@proxy.example:1080")
    with pytest.raises(Unavailable, match=r"proxy: proxy\.example:1080, from ALL_PROXY") as refusal:
        ask(KeyStore(), KeySource(KEYS))
    assert "password" not in refusal.value.detail

"""Keys that an OpenID Connect provider's metadata names: what it must say, and that it is asked as keys are."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from callerid.errors import ConfigurationError, Unavailable
from callerid.keys import DiscoveredKeys, KeySource, KeyStore

from .asking import ask, status
from .made import document

if TYPE_CHECKING:
    from collections.abc import Iterator

WELL_KNOWN = "/.well-known/openid-configuration"


class Provider:
    """A provider on loopback: each path answers with a status, headers and a body."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {
            "/keys": (200, {"Cache-Control": "max-age=3600"}, document("a")),
        }
        self.says()

    def says(self, **changes: Any) -> None:
        """What the metadata says; a member that is ``None`` is left out."""
        said = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **changes}
        self.sends(json.dumps({name: value for name, value in said.items() if value is not None}).encode())

    def sends(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.answers[WELL_KNOWN] = (status, headers, body)


@contextmanager
def serving() -> Iterator[Provider]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append(self.path)
            served.gate.wait(5)
            code, headers, body = served.answers.get(self.path, (404, {}, b""))
            self.send_response_only(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server uses
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # clients that hang up are part of the tests

    with Server(("127.0.0.1", 0), Handler) as server:
        served = Provider(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield served
        finally:
            served.gate.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    with serving() as found:
        yield found


def test_the_keys_are_where_the_metadata_says_for_as_long_as_their_own_headers_say(provider: Provider) -> None:
    store, source = KeyStore(), DiscoveredKeys(provider.url)
    assert ask(store, source).kid == "a"
    assert ask(store, source).kid == "a"
    assert provider.requests == [WELL_KNOWN, "/keys"]
    only = status(store)
    assert (only.source, only.fetches) == (f"{provider.url}{WELL_KNOWN}", 1)
    assert only.expires_in == pytest.approx(3600, abs=60)


def test_both_are_asked_for_anew_at_each_refresh(provider: Provider) -> None:
    store, source = KeyStore(), DiscoveredKeys(provider.url, unknown_kid_cooldown=0.001)
    ask(store, source)
    provider.answers["/new"] = (200, {}, document("b"))
    provider.says(jwks_uri=f"{provider.url}/new")
    assert ask(store, source, "b").kid == "b"
    assert provider.requests == [WELL_KNOWN, "/keys", WELL_KNOWN, "/new"]


def test_a_slash_at_the_end_is_not_doubled_and_the_issuer_must_still_be_the_same(provider: Provider) -> None:
    with pytest.raises(Unavailable, match="its metadata is not that of this issuer"):
        ask(KeyStore(), DiscoveredKeys(f"{provider.url}/"))
    assert provider.requests == [WELL_KNOWN]
    provider.says(issuer=f"{provider.url}/")
    assert ask(KeyStore(), DiscoveredKeys(f"{provider.url}/")).kid == "a"


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"issuer": "https://evil.example"}, "its metadata is not that of this issuer"),
        ({"issuer": None}, "its metadata is not that of this issuer"),
        ({"issuer": ["x"]}, "its metadata is not that of this issuer"),
        ({"jwks_uri": None}, "its metadata names no jwks_uri"),
        ({"jwks_uri": 7}, "its metadata names no jwks_uri"),
        ({"jwks_uri": ""}, "a jwks_uri that keys cannot be fetched from"),
        ({"jwks_uri": "/keys"}, "a jwks_uri that keys cannot be fetched from"),
        ({"jwks_uri": "file:///etc/keys"}, "a jwks_uri that keys cannot be fetched from"),
        ({"jwks_uri": "http://keys.example.com/keys"}, "a jwks_uri that keys cannot be fetched from"),
        ({"jwks_uri": "http://ada:secret@127.0.0.1/keys"}, "a jwks_uri that keys cannot be fetched from"),
        ({"jwks_uri": "https://keys.example.com/keys"}, "a jwks_uri on another host: if that is right, give it as"),
        ({"jwks_uri": "http://127.0.0.1:1/keys"}, "a jwks_uri on another host"),
        ({"jwks_uri": "http://localhost/keys"}, "a jwks_uri on another host"),
    ],
)
def test_metadata_that_says_otherwise_brings_no_keys(provider: Provider, changes: dict[str, Any], cause: str) -> None:
    provider.says(**changes)
    with pytest.raises(Unavailable) as told:
        ask(KeyStore(), DiscoveredKeys(provider.url))
    assert cause in str(told.value)
    assert "evil" not in str(told.value)
    assert "secret" not in str(told.value)
    assert provider.requests == [WELL_KNOWN]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"<html>", "not JSON"),
        (b"[]", "no JSON object"),
        (b'{"issuer": "ISSUER", "issuer": "ISSUER", "jwks_uri": "ISSUER/keys"}', "not that of this issuer"),
        (b'{"issuer": "ISSUER", "jwks_uri": "ISSUER/keys", "jwks_uri": "ISSUER/keys"}', "names no jwks_uri"),
        (b"{}" + b" " * 300_000, "larger than 262144 bytes"),
    ],
)
def test_metadata_is_read_strictly(provider: Provider, body: bytes, cause: str) -> None:
    provider.sends(body.replace(b"ISSUER", provider.url.encode()))
    with pytest.raises(Unavailable, match=cause):
        ask(KeyStore(), DiscoveredKeys(provider.url))


def test_a_redirect_is_not_followed(provider: Provider) -> None:
    provider.sends(b"", 302, Location=f"{provider.url}/elsewhere")
    with pytest.raises(Unavailable, match="HTTP status 302"):
        ask(KeyStore(), DiscoveredKeys(provider.url))
    provider.says()
    provider.answers["/keys"] = (307, {"Location": f"{provider.url}/elsewhere"}, b"")
    with pytest.raises(Unavailable, match="HTTP status 307"):
        ask(KeyStore(), DiscoveredKeys(provider.url))
    assert "/elsewhere" not in provider.requests


def test_both_share_one_time_limit(provider: Provider) -> None:
    provider.gate.clear()
    with pytest.raises(Unavailable, match=r"not done within 0\.2 s|TimeoutError"):
        ask(KeyStore(), DiscoveredKeys(provider.url, fetch_seconds=0.2))


def test_the_keys_are_kept_while_the_metadata_cannot_be_had(provider: Provider) -> None:
    store, source = KeyStore(), DiscoveredKeys(provider.url)
    key = ask(store, source)
    provider.sends(b"", 503)
    with pytest.raises(Unavailable, match="HTTP status 503"):
        ask(store, source, "b")
    assert ask(store, source) is key


@pytest.mark.parametrize(
    ("issuer", "words"),
    [
        ("", "is ''"),
        (None, "is None"),
        ("http://id.example.com", "use https"),
        ("https://id.example.com?x", "has no query"),
        ("https://id.example.com#x", "has a fragment"),
        ("https://a@id.example.com", "holds a user name"),
        ("id.example.com", "names no host"),
    ],
)
def test_an_issuer_that_cannot_be_asked_is_an_error(issuer: Any, words: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^[^\n]+$") as told:
        DiscoveredKeys(issuer)
    assert words in str(told.value)


def test_it_is_a_value_of_its_issuer_and_settings() -> None:
    one = DiscoveredKeys("https://id.example.com")
    assert one == DiscoveredKeys("https://id.example.com") != DiscoveredKeys("https://id.example.com/")
    assert one != KeySource(one.url)
    assert one != DiscoveredKeys("https://id.example.com", fetch_seconds=1)
    assert len({one, DiscoveredKeys("https://id.example.com")}) == 1

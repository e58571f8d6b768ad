from __future__ import annotations

import math
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from callerid.errors import ConfigurationError
from callerid.keys import KeyDocument, KeyFile, KeyPolicy, KeySource, key_source

from .made import document, private_pem, rsa_key

GOOGLE = "https://www.googleapis.com/oauth2/v1/certs"


def test_a_text_is_a_url_and_a_source_stays_itself() -> None:
    source = KeySource(GOOGLE)
    assert key_source(GOOGLE) == source
    for same in (source, KeyFile("keys.json"), KeyDocument(document("a").decode())):
        assert key_source(same) is same


def test_sources_are_values() -> None:
    assert KeySource(GOOGLE, fetch_seconds=2) == KeySource(GOOGLE, fetch_seconds=2) != KeySource(GOOGLE)
    assert len({KeySource(GOOGLE), KeySource(GOOGLE), KeyFile("a"), KeyFile("a")}) == 2
    with pytest.raises(AttributeError):
        KeySource(GOOGLE).url = "https://elsewhere.example"  # type: ignore[misc]


def test_the_numbers_of_the_design_are_the_defaults() -> None:
    assert KeySource(GOOGLE) == KeySource(
        GOOGLE,
        fetch_seconds=5,
        shortest_lifetime=60,
        longest_lifetime=24 * 3600,
        refresh_fraction=0.1,
        stale_wait=1,
        stale_seconds=24 * 3600,
        shortest_backoff=1,
        longest_backoff=30,
        unknown_kid_cooldown=30,
        largest_document=256 * 1024,
        waiting_threads=3,
        brief_wait=0.25,
        waiting_tasks=1_000,
    )


@pytest.mark.parametrize(
    "url",
    [
        GOOGLE,
        "https://host.example:8443/keys?project=1",
        "http://localhost/keys",
        "http://LOCALHOST:8080",
        "http://127.0.0.1:1/",
        "http://127.255.0.9/",
        "http://[::1]:80/keys",
    ],
)
def test_https_and_loopback_http_are_accepted(url: str) -> None:
    assert key_source(url) == KeySource(url)


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("", "give a URL as text"),
        (None, "give a URL as text"),
        ("http://www.googleapis.com/certs", "use https"),
        ("http://localhost.example/certs", "use https"),
        ("http://localhost./certs", "use https"),
        ("http://128.0.0.1/", "use https"),
        ("http://127.1/", "use https"),
        ("http://[::ffff:127.0.0.1]/", "use https"),
        ("http://[::2]/", "use https"),
        ("ftp://localhost/keys", "use https"),
        ("//localhost/keys", "use https"),
        ("file:///etc/keys", "names no host.* KeyFile"),
        ("keys.json", "names no host.* KeyFile"),
        ("./keys.json", r"KeyFile\('./keys.json'\) for a file"),
        ("/etc/my keys.json", r"KeyFile\('/etc/my keys.json'\) for a file"),
        ("C:\\keys.json", "KeyFile"),
        ("https:///keys", "names no host"),
        ("https://user@host.example/", "remove it"),
        ("http://127.0.0.1@evil.example/", "remove it"),
        ("https://host.example/#a", "remove everything from #"),
        ("https://host.example/#", "remove everything from #"),
        ("https://host.example/a b", "percent-encode"),
        ("https://host.example/\n", "percent-encode"),
        ("https://höst.example/", "percent-encode"),
        ("http://127.0.0.1\\@evil.example/", "percent-encode"),
        ("https://host.example:port/", "HOST:PORT/PATH"),
        ("https://[::1/", "HOST:PORT/PATH"),
    ],
)
def test_any_other_address_is_an_error_with_its_remedy(url: Any, remedy: str) -> None:
    with pytest.raises(ConfigurationError, match=remedy):
        key_source(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://ada:hunter2@host.example/keys",
        "https://ada:hunter2@host.example:port/keys",
        "https://ada:hunter2/3@host.example/keys",
        "https://host.example:hunter2/keys",
        "https://[hunter2/keys",
        "https:///keys?key=hunter2",
        "https://host.example/keys?key=hunter2#",
        "https://host.example/#hunter2",
        "http://host.example/keys?key=hunter2",
        "host.example/keys?key=hunter2",
        "ada:hunter2@host.example/keys",
        "ada@hunter2@host.example/keys",
        "https://host.example/a b?key=hunter2",
        b"https://host.example/keys?key=hunter2",
    ],
)
def test_an_address_that_is_refused_shows_no_password_and_no_query(url: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        key_source(url)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_refused_address_is_shown_by_scheme_host_and_path() -> None:
    with pytest.raises(ConfigurationError, match=r"\(https://host\.example/keys\)"):
        key_source("https://host.example/keys?key=hunter2#a")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fetch_seconds", 0),
        ("fetch_seconds", -1),
        ("fetch_seconds", math.inf),
        ("fetch_seconds", "5"),
        ("shortest_lifetime", math.nan),
        ("shortest_lifetime", 0),
        ("shortest_lifetime", 90_000),
        ("longest_lifetime", 59),
        ("refresh_fraction", 1),
        ("refresh_fraction", -0.1),
        ("stale_wait", -1),
        ("stale_seconds", True),
        ("shortest_backoff", 0),
        ("longest_backoff", 0.5),
        ("unknown_kid_cooldown", 0),
        ("largest_document", 0),
        ("largest_document", 1.5),
        ("waiting_threads", 0),
        ("waiting_threads", True),
        ("brief_wait", -0.1),
        ("waiting_tasks", -1),
        ("waiting_tasks", None),
    ],
)
def test_a_number_that_makes_no_sense_is_an_error(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        KeyPolicy(**{name: value})


@pytest.mark.parametrize("path", ["", None, 3])
def test_a_file_needs_a_path(path: Any) -> None:
    with pytest.raises(ConfigurationError, match="give the path of a file"):
        KeyFile(path)


def test_a_document_is_checked_where_it_is_written() -> None:
    for wrong in ("", "[]", "<html>", private_pem(rsa_key()), '{"a": "-----BEGIN PRIVATE KEY-----"}'):
        with pytest.raises(ConfigurationError, match="public keys only"):
            KeyDocument(wrong)
    for wrong_type in (None, 1, "\ud800"):
        with pytest.raises(ConfigurationError, match="is not text"):
            KeyDocument(wrong_type)  # type: ignore[arg-type]


def test_what_is_printed_tells_little() -> None:
    text = document("a").decode()
    written = KeyDocument(text)
    assert repr(written) == f"KeyDocument(<{len(text)} characters>)"
    assert str(written) == f"a document of {len(text)} characters, SHA-256 {sha256(text.encode()).hexdigest()[:12]}"
    assert str(KeyFile(Path("keys.json"))) == "keys.json"
    assert str(KeySource("https://host.example/keys?key=secret")) == "https://host.example/keys"

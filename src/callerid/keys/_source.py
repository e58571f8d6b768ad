"""Where an issuer's keys come from, and the settings by which they are fetched and cached: immutable values."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Address, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from callerid.asking._policy import AskPolicy, require_counts, require_seconds
from callerid.errors import ConfigurationError
from callerid.keys._documents import DocumentError, entries

__all__ = ["AnySource", "KeyDocument", "KeyFile", "KeyPolicy", "KeySource", "is_loopback", "key_source", "policy_of"]

LOOPBACK = IPv4Network("127.0.0.0/8")
SCHEME = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+:|//", re.IGNORECASE)
"""The beginning of a URL that does not name a file; a single letter is a Windows drive."""


@dataclass(frozen=True, kw_only=True)
class KeyPolicy(AskPolicy):
    """The settings by which keys are fetched and cached. All times are in seconds.

    Raises ConfigurationError for a number out of range.
    """

    shortest_lifetime: float = 60.0
    """Keys are fresh at least this long, whatever the headers say; also where they say nothing usable."""
    longest_lifetime: float = 86_400.0
    """Keys are fresh at most this long, whatever the headers say."""
    unknown_kid_cooldown: float = 30.0
    """At most one fetch in this time is made for tokens whose key id is not in the set."""
    largest_document: int = 256 * 1024
    """A document of more bytes than this, before or after decompression, is refused whole."""

    def __post_init__(self) -> None:
        AskPolicy.__post_init__(self)
        require_seconds(self, "shortest_lifetime", "unknown_kid_cooldown", positive=True)
        require_seconds(self, "longest_lifetime")
        if self.longest_lifetime < self.shortest_lifetime:
            raise ConfigurationError(
                "longest_lifetime is below shortest_lifetime: raise it, or lower the other.", code="number-out-of-range"
            )
        require_counts(self, "largest_document")


@dataclass(frozen=True)
class KeySource(KeyPolicy):
    """Keys published at an address: a PEM map or a JWK set, over HTTP.

    ``url`` is https; plain http is accepted on loopback only (127.0.0.0/8, ``[::1]`` or ``localhost``), for local
    work. The lifetime comes from the answer's ``Cache-Control: max-age`` less ``Age`` (RFC 9111 section 4.2), clamped.

    Raises ConfigurationError for any other address, with the remedy in its message.
    """

    url: str

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_url(self.url)

    def __hash__(self) -> int:
        return hash(self.url)  # that of all fields takes long, and the keys of a source are looked up for new tokens

    def __str__(self) -> str:
        return _shown(self.url)


def _shown(url: str) -> str:
    """A URL that is safe to log: without user name, password, query and fragment, any of which may be a secret."""
    return re.sub("(^|//)[^/]*@", r"\1", re.split("[?#]", url, maxsplit=1)[0], count=1)


def _check_url(url: object) -> None:
    if not isinstance(url, str) or not url:
        found = repr(url) if url in (None, "") else f"a {type(url).__name__}"
        raise ConfigurationError(f"The address of a key source is {found}: give a URL as text.", code="key-source")
    if not SCHEME.match(url):
        raise ConfigurationError(
            f"The URL of a key source names no host: write https://HOST/PATH, or KeyFile({_shown(url)!r}) for a file.",
            code="key-source",
        )
    if not (url.isascii() and url.isprintable()) or " " in url or "\\" in url:
        raise ConfigurationError(
            "The URL of a key source has a blank, a backslash or a character beyond ASCII: percent-encode it.",
            code="key-source",
        )
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:  # its text may show a part of a password
        raise ConfigurationError(
            "The URL of a key source cannot be read: write https://HOST/PATH or https://HOST:PORT/PATH.",
            code="key-source",
        ) from None
    if "@" in parts.netloc:
        raise ConfigurationError(
            "The URL of a key source holds a user name: remove it, keys are public.", code="key-source"
        )
    if "#" in url:
        raise ConfigurationError(
            f"The URL of a key source has a fragment ({_shown(url)}): remove everything from # on.",
            code="key-source",
        )
    if not parts.hostname:
        raise ConfigurationError(
            f"The URL of a key source names no host: write https://HOST/PATH ({_shown(url)}).", code="key-source"
        )
    _check_scheme(parts)


def _check_scheme(parts: SplitResult) -> None:
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ConfigurationError(
            f"Keys cannot be fetched from {parts.scheme}://{parts.netloc}: use https (http is for loopback only).",
            code="key-source",
        )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its literal: 127.0.0.0/8, ``::1`` or ``localhost``."""
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address == IPv6Address("::1") or address in LOOPBACK


@dataclass(frozen=True)
class KeyFile(KeyPolicy):
    """Keys in a file, for hosts that cannot reach Google: a PEM map or a JWK set that another program updates.

    It is read again every ``shortest_lifetime`` seconds, by the same rules as keys at a URL: if the file is missing or
    cannot be read, the old keys are used for ``stale_seconds``.
    """

    path: str | os.PathLike[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        path: Any = self.path
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise ConfigurationError(f"The path of a key file is {path!r}: give the path of a file.", code="key-source")

    def __str__(self) -> str:
        return os.fspath(self.path)


@dataclass(frozen=True)
class KeyDocument:
    """Keys given as text: a PEM map or a JWK set. Parsed once, on first use; never expires.

    Raises ConfigurationError if the text is neither, or holds a private key.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            entries(self.text.encode())
        except (AttributeError, UnicodeEncodeError):
            raise ConfigurationError(
                "A key document is not text: give the JSON of a JWK set or a PEM map.", code="key-source"
            ) from None
        except DocumentError as error:
            raise ConfigurationError(
                f"A key document is refused ({error}): give the JSON of a JWK set or a PEM map, public keys only.",
                code="key-source",
            ) from None

    def __str__(self) -> str:
        return f"a document of {len(self.text)} characters, SHA-256 {sha256(self.text.encode()).hexdigest()[:12]}"

    def __repr__(self) -> str:
        return f"KeyDocument(<{len(self.text)} characters>)"


AnySource = KeySource | KeyFile | KeyDocument
"""Everything keys can come from."""

WRITTEN_OUT = KeyPolicy()


def key_source(value: str | AnySource) -> AnySource:
    """The source itself, or for a text the source at that URL.

    Raises ConfigurationError for anything else, and for a URL that keys cannot be fetched from.
    """
    if isinstance(value, KeySource | KeyFile | KeyDocument):
        return value
    return KeySource(value)


def policy_of(source: AnySource) -> KeyPolicy:
    """The settings of this source; the defaults for a document, which is never fetched."""
    return WRITTEN_OUT if isinstance(source, KeyDocument) else source

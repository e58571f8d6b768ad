"""One fetch of a key document, from its address or its file, with a handle that aborts it when its time is up."""

from __future__ import annotations

import math
import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from callerid.keys._attempt import AbortHandle, FetchError, KeyResponse
from callerid.keys._discovery import DiscoveredKeys, jwks_source
from callerid.keys._freshness import clamped, lifetime, retry_after
from callerid.keys._source import AnySource, KeyDocument, KeyFile, KeySource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


__all__ = ["LOADING", "Fetched", "fetcher", "get", "post"]


LOADING: Final = threading.RLock()
"""Held during imports. A fork waits for them: in the child, no thread would finish an import that had begun."""

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as it was sent, its lifetime in seconds, and the response headers."""

    body: bytes
    lifetime: float
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def fetcher(source: AnySource) -> Callable[[AbortHandle], Fetched]:
    """The function that fetches the document of a source, with the lifetime it may be used for.

    It raises FetchError where it knows the cause, else what the file system raises. `fetcher` itself imports urllib3 if
    it is needed, so that the import does not count against the fetch's time limit.
    """
    if isinstance(source, KeyDocument):
        return lambda _: Fetched(source.text.encode(), math.inf)
    if isinstance(source, KeyFile):
        return lambda _: Fetched(_read(source), source.shortest_lifetime)
    from callerid.keys import _transport as transport  # noqa: PLC0415 - see above

    if isinstance(source, DiscoveredKeys):
        return lambda handle: _discovered(source, lambda each: _got(each, transport.get(each, handle)))
    return lambda handle: _got(source, transport.get(source, handle))


def _discovered(source: DiscoveredKeys, fetch: Callable[[KeySource], Fetched]) -> Fetched:
    """The keys that an issuer's metadata names. It is fetched with them each time, so their lifetime alone counts."""
    return fetch(jwks_source(source, fetch(source).body))


def post(source: KeySource, body: bytes, headers: Mapping[str, str]) -> KeyResponse:
    """The answer to one POST with this body and these headers, whatever its status is.

    As a document is fetched: within ``fetch_seconds`` in all and ``largest_document`` bytes, without redirects, cookies
    and credentials that were not given. Raises `AskError`.
    """
    return _asked(source, body, headers)


def get(source: KeySource, headers: Mapping[str, str]) -> KeyResponse:
    """As `post`, by GET."""
    return _asked(source, None, headers)


def _asked(source: KeySource, body: bytes | None, headers: Mapping[str, str]) -> KeyResponse:
    with LOADING:
        from callerid.keys import _transport as transport  # noqa: PLC0415 - an HTTP client, when there is something to ask

    return transport.ask(source, body, headers)


def _read(source: KeyFile) -> bytes:
    path = Path(source.path)
    if not stat.S_ISREG(path.stat().st_mode):  # opening a named pipe would hang
        raise FetchError("not a regular file")
    with path.open("rb") as file:
        body = file.read(source.largest_document + 1)
    if len(body) > source.largest_document:
        raise FetchError(f"larger than {source.largest_document} bytes")
    return body


def _got(source: KeySource, answer: KeyResponse) -> Fetched:
    status, headers, body = answer
    if status != 200:
        raise FetchError(f"HTTP status {status}", retry_after=retry_after(headers))
    return Fetched(body, clamped(lifetime(headers), source), headers)

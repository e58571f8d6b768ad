"""One fetch of a key document, from its address or its file, with a handle that aborts it when its time is up."""

from __future__ import annotations

import math
import os
import stat
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import SHUT_RDWR
from typing import TYPE_CHECKING, Final, NamedTuple

from callerid.asking.entry import AskError
from callerid.keys.documents import DocumentError
from callerid.keys.freshness import clamped, lifetime, retry_after
from callerid.keys.source import AnySource, KeyDocument, KeyFile, KeySource

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from socket import socket


__all__ = ["LOADING", "AbortHandle", "FetchError", "Fetched", "fetcher", "overdue", "short_cause", "watched"]


LOADING: Final = threading.RLock()
"""Held during imports. A fork waits for them: in the child, no thread would finish an import that had begun."""

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(before=LOADING.acquire, after_in_parent=LOADING.release, after_in_child=LOADING.release)


class FetchError(AskError):
    """A fetch that brought no document."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as it was sent, its lifetime in seconds, and the response headers."""

    body: bytes
    lifetime: float
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class KeyResponse(NamedTuple):
    """The answer to one request; the body is read of status 200, and where it was asked for."""

    status: int
    headers: Mapping[str, str]
    """Looks names up in any case, and has repeated headers joined by commas."""
    body: bytes


class AbortHandle:
    """Holds the sockets of one fetch, so that another thread can abort it wherever it hangs.

    A timeout on the socket bounds one read, not a server that sends a byte a second; and during a TLS handshake only
    OpenSSL holds the socket. Shutting down a duplicate ends the connection itself (POSIX ``shutdown``).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[socket] = []
        self._is_aborted = False

    @property
    def is_aborted(self) -> bool:
        """Whether the fetch was aborted."""
        return self._is_aborted

    def register(self, connected: socket) -> socket:
        """Keep a duplicate of a socket; one that is registered after `abort` is shut down at once."""
        with self._lock:
            self._held.append(connected.dup())
            late = self._is_aborted
        if late:
            self.abort()
        return connected

    def abort(self) -> None:
        """Shut down every registered connection, and those that are registered later."""
        with self._lock:
            self._is_aborted = True
            for duplicate in self._held:
                with suppress(OSError):  # the server had closed it
                    duplicate.shutdown(SHUT_RDWR)

    def release(self) -> None:
        """Close the duplicates; the fetching thread calls it when its fetch is over."""
        with self._lock:
            held, self._held = self._held, []
        for duplicate in held:
            duplicate.close()


@contextmanager
def watched(seconds: float, late: Callable[[AbortHandle], object]) -> Generator[AbortHandle, None, None]:
    """The handle of a fetch. When its time is up ``late`` is called with it, by another thread, to abort it."""
    handle = AbortHandle()
    watchdog = threading.Timer(seconds, late, (handle,))
    watchdog.name, watchdog.daemon = "callerid-keys-watchdog", True
    watchdog.start()
    try:
        yield handle
    finally:
        watchdog.cancel()
        handle.release()


def fetcher(source: AnySource) -> Callable[[AbortHandle], Fetched]:
    """The function that fetches the document of a source, with the lifetime it may be used for.

    It raises FetchError where it knows the cause, else what the file system raises. `fetcher` itself imports urllib3 if
    it is needed, so that the import does not count against the fetch's time limit.
    """
    if isinstance(source, KeyDocument):
        return lambda _: Fetched(source.text.encode(), math.inf)
    if isinstance(source, KeyFile):
        return lambda _: Fetched(_read(source), source.shortest_lifetime)
    from callerid.keys.transport import get  # noqa: PLC0415 - see above

    return lambda handle: _got(source, get(source, handle))


def post(source: KeySource, body: bytes, headers: Mapping[str, str]) -> KeyResponse:
    """The answer to one POST with this body and these headers, whatever its status is.

    As a document is fetched: within ``fetch_seconds`` in all and ``largest_document`` bytes, without redirects, cookies
    and credentials that were not given. Raises `AskError`.
    """
    with LOADING:
        from callerid.keys import transport  # noqa: PLC0415 - an HTTP client, when there is something to ask

    return transport.post(source, body, headers)


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


def overdue(source: KeySource | KeyFile) -> FetchError:
    """The error of a fetch that was aborted when its time was up."""
    cause = f"not done within {source.fetch_seconds:g} s"
    if isinstance(source, KeySource):
        from callerid.keys.causes import with_proxy  # noqa: PLC0415 - the fetch has imported what it needs

        with suppress(Exception):  # proxy settings that cannot be read must not hide the failure
            cause = with_proxy(cause, source.url)
    return FetchError(cause)


def short_cause(error: BaseException) -> str:
    """Why a fetch failed, short and safe to log: it never contains a part of the document or of a header."""
    if isinstance(error, FetchError | DocumentError):
        return str(error)
    if (cause := error.__cause__ or error.__context__) is not None:
        return short_cause(cause)
    words = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {words}" if words else type(error).__name__

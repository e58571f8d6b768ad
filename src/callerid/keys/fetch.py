"""One fetch of a key document, from its address or its file, with a cord by which it is ended on time."""

from __future__ import annotations

import math
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import SHUT_RDWR
from threading import Lock
from typing import TYPE_CHECKING

from callerid.keys.documents import DocumentError
from callerid.keys.freshness import clamped, lifetime, retry_after
from callerid.keys.source import AnySource, KeyDocument, KeyFile, KeySource

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from socket import socket

    from callerid.keys.transport import KeyResponse

__all__ = ["Cord", "FetchError", "Fetched", "fetcher", "overdue", "short_cause"]


class FetchError(Exception):
    """A fetch that brought no document; the message is fit for a log.

    ``retry_after``: seconds the server asked to be left alone, 0 if it did not.
    """

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document as it came, the seconds it may serve, and the headers it came with."""

    body: bytes
    lifetime: float
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Cord:
    """Holds the sockets of one fetch, so that another thread can end it wherever it hangs.

    A timeout on the socket bounds one read, not a server that sends a byte a second; and during a TLS handshake nobody
    but OpenSSL holds the socket. Shutting down a duplicate ends the connection itself (POSIX ``shutdown``).
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._held: list[socket] = []
        self._is_cut = False

    def hold(self, connected: socket) -> socket:
        """Keeps hold of a socket; one that comes after the cut is ended at once."""
        with self._lock:
            self._held.append(connected.dup())
            late = self._is_cut
        if late:
            self.cut()
        return connected

    def cut(self) -> None:
        """Ends every connection held, and those still to come."""
        with self._lock:
            self._is_cut = True
            for duplicate in self._held:
                with suppress(OSError):  # the server was quicker
                    duplicate.shutdown(SHUT_RDWR)

    def let_go(self) -> None:
        """Forgets the sockets; for the thread that fetched, when it has ended."""
        with self._lock:
            held, self._held = self._held, []
        for duplicate in held:
            duplicate.close()


def fetcher(source: AnySource) -> Callable[[Cord], Fetched]:
    """What fetches the document of a source, and tells how long it may serve.

    It raises FetchError where it knows the cause, and whatever the file system raises where it does not. Asking for it
    loads urllib3 if need be, so that this costs none of the fetch's time.
    """
    if isinstance(source, KeyDocument):
        return lambda _: Fetched(source.text.encode(), math.inf)
    if isinstance(source, KeyFile):
        return lambda _: Fetched(_read(source), source.shortest_lifetime)
    from callerid.keys.transport import get  # noqa: PLC0415 - see above

    return lambda cord: _got(source, get(source, cord))


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
    """The failure of a fetch that has used up its time."""
    cause = f"not done within {source.fetch_seconds:g} s"
    if isinstance(source, KeySource):
        from callerid.keys.causes import with_proxy  # noqa: PLC0415 - its fetch has loaded what this needs

        with suppress(Exception):  # whatever the settings of a proxy hold, the fetch has failed
            cause = with_proxy(cause, source.url)
    return FetchError(cause)


def short_cause(error: BaseException) -> str:
    """Why a fetch failed, in a few words fit for a log: never a part of the document or of a header."""
    if isinstance(error, FetchError | DocumentError):
        return str(error)
    if (cause := error.__cause__ or error.__context__) is not None:
        return short_cause(cause)
    words = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {words}" if words else type(error).__name__

"""One fetch while it runs: its answer or error, and its end in time."""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from callerid.asking._entry import AskError
from callerid.keys._documents import DocumentError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from socket import socket

__all__ = ["AbortHandle", "FetchError", "KeyResponse", "short_cause", "watched"]


class FetchError(AskError):
    """A fetch that brought no document."""

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message, retry_after=retry_after, is_source=True)


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
                from socket import SHUT_RDWR  # noqa: PLC0415 - where there is a socket, its module is loaded

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


def short_cause(error: BaseException) -> str:
    """Why a fetch failed, short and safe to log: it never contains a part of the document or of a header."""
    if isinstance(error, FetchError | DocumentError):
        return str(error)
    if (cause := error.__cause__ or error.__context__) is not None:
        return short_cause(cause)
    words = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {words}" if words else type(error).__name__

"""How the key endpoints behave: their cache headers, their outages, and how often they were asked."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["KeyEndpoints"]


class KeyEndpoints:
    """The knobs of the endpoints that publish keys. All may be turned while the server runs.

    ``max_age`` and ``age`` are the seconds in the ``Cache-Control`` and ``Age`` headers (RFC 9111 sections 5.1 and
    5.2.2.1), ``delay`` the seconds every answer is held back, ``fetches`` how often each signer's keys were asked for,
    counted when the request arrives (``access_token``: tokeninfo).
    """

    def __init__(self) -> None:
        self.max_age = 21_600
        self.age = 0
        self.delay = 0.0
        self.fetches: Counter[str] = Counter()
        self._failure: tuple[int, bytes] | None = None
        self._asked = threading.Condition()
        self._open = threading.Event()
        self._open.set()
        self._interrupted = threading.Event()

    def fail_with(self, status: int | None, body: bytes = b"") -> None:
        """Answer every request for keys with this status and body; ``None``: recover.

        A status of 200 with a body of your own stands for a document that is damaged or not Google's.
        """
        self._failure = None if status is None else (status, body)

    @contextmanager
    def hold(self) -> Generator[None]:
        """Answer no request for keys inside the ``with`` block; all that wait are answered at its end."""
        self._open.clear()
        try:
            yield
        finally:
            self._open.set()

    def wait_for_fetches(self, which: str, count: int = 1, *, seconds: float = 5.0) -> None:
        """Wait until a signer's keys have been asked for this often in all; `TimeoutError` if they are not in time."""
        with self._asked:
            if not self._asked.wait_for(lambda: self.fetches[which] >= count, seconds):
                raise TimeoutError(f"The keys of {which!r} were asked for {self.fetches[which]} times, not {count}.")

    def arrive(self, which: str) -> tuple[int, bytes] | None:
        """Count a request for keys and let it wait as it must; returns the failure to answer with, if there is one."""
        with self._asked:
            self.fetches[which] += 1
            self._asked.notify_all()
        self._interrupted.wait(self.delay)
        self._open.wait()
        return self._failure

    def release(self) -> None:
        """Let every waiting request go on: the server is about to end."""
        self._interrupted.set()
        self._open.set()

    def resume(self) -> None:
        """Behave as set again: the server starts."""
        self._interrupted.clear()

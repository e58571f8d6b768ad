"""Verified tokens, remembered: a token seen before costs a look-up, not a signature check.

It holds what a signature check proved and nothing that is judged anew on every request: no rule's answer, no audience
of a route, no refusal. What it holds is worth nothing once the token has expired or its key has left the key set;
whoever recalls it checks both.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, TypeAlias
from weakref import WeakSet

from cachetools import LRUCache

from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer, Slot
from callerid.keys import Key, KeyRing

__all__ = ["DEFAULT_SIZE", "Fingerprint", "Memory", "Remembered", "fingerprint"]

DEFAULT_SIZE: Final = 4096
"""How many tokens are remembered where nothing else is said."""

NEWCOMERS: Final = 5
"""One place in so many is the newcomers' when all are taken."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A token that was verified: by which issuer and which key of which ring, and the caller it named."""

    issuer: Issuer
    ring: KeyRing
    key: Key
    caller: Caller
    valid_from: float
    """No earlier than this does it hold, in seconds since the epoch; its end is the caller's ``expires_at``."""


Fingerprint: TypeAlias = tuple[str, bytes]
"""What a token in a slot is remembered by: the slot's header and its SHA-256, so that no credential is held."""


def fingerprint(slot: Slot, token: str) -> Fingerprint:
    """See `Fingerprint`."""
    return slot.header, sha256(token.encode("utf-8", "surrogatepass")).digest()


class Memory:
    """A bounded memory of verified tokens. Safe across threads and event loops; a forked child begins with none.

    ``size`` is how many tokens it holds; 0 turns it off. A token that comes a second time becomes a regular. Four
    fifths of the places are the regulars' to keep: when all are taken, a flood of tokens that come once displaces its
    like only.
    """

    def __init__(self, size: int = DEFAULT_SIZE) -> None:
        if type(size) is not int or size < 0:
            raise ConfigurationError(f"memory= is how many verified tokens are remembered, 0 for none, not {size!r}")
        self.size = size
        self._quota = max(1, size // NEWCOMERS)
        self.renew()
        _MEMORIES.add(self)

    def renew(self) -> None:
        """Begin anew: empty, and with a lock that nobody holds. A forked child calls it by itself."""
        self._newcomers: LRUCache[Fingerprint, Remembered] = LRUCache(self.size)
        self._regulars: LRUCache[Fingerprint, Remembered] = LRUCache(self.size)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._newcomers) + len(self._regulars)

    def recall(self, key: Fingerprint) -> Remembered | None:
        """What is remembered under a key, or ``None``."""
        with self._lock:
            try:
                return self._regulars[key]
            except KeyError:
                found = self._newcomers.pop(key, None)
            if found is not None:
                self._regulars[key] = found
                if len(self._regulars) > self.size - self._quota:
                    displaced, value = self._regulars.popitem()
                    self._newcomers[displaced] = value  # it may come again soon
            return found

    def remember(self, key: Fingerprint, remembered: Remembered) -> None:
        """Remember a verified token."""
        with self._lock:
            if not self.size or key in self._regulars:
                return
            if len(self) >= self.size and key not in self._newcomers:
                self._newcomers.popitem()
            self._newcomers[key] = remembered


_MEMORIES: WeakSet[Memory] = WeakSet()


def _after_fork_in_child() -> None:
    for memory in list(_MEMORIES):
        memory.renew()


if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork_in_child)

"""The token cache: a token verified before costs a look-up, not a signature check.

It holds what a signature check proved and nothing that is judged anew on every request: no rule's answer, no audience
of a route, no refusal. An entry is invalid once its token has expired or its key has left the key set; the caller of
`TokenCache.get` checks both.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Protocol, TypeAlias

from cachetools import LRUCache

from callerid._forks import renew_in_child
from callerid.authentication._identity import Identity
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer

__all__ = ["DEFAULT_SIZE", "CachedToken", "Fingerprint", "TokenCache", "fingerprint", "usual"]

DEFAULT_SIZE: Final = 4096
"""How many tokens are cached by default."""

_PROBATION_SHARE: Final = 5
"""One fifth of the cache is for tokens seen once."""


class Holder(Protocol):
    """Holds what a token was verified by."""

    def serves(self, key: Any, /) -> bool:
        """Whether it holds this still, and nothing has to be fetched first."""
        ...


@dataclass(slots=True, eq=False)  # not frozen: a frozen one is three times as slow to make
class CachedToken:
    """A verified token: its issuer, the key that verified it, the key set the key is of, and what the token proves.

    Of a credential whose issuer was asked, ``key`` is the answer and ``keys`` what holds it.
    """

    issuer: Issuer
    keys: Holder
    key: Any
    identity: Identity
    begins_at: float
    """When the token becomes valid, in seconds since the epoch."""
    expires_at: float
    """When it expires, in seconds since the epoch."""


Fingerprint: TypeAlias = tuple[str, bytes]
"""What a token is cached under: the name of the location it came in, and the SHA-256 of a header's whole value in its
usual form, ``Bearer TOKEN`` (for all locations). So no credential is held."""


def fingerprint(location: str, value: str) -> Fingerprint:
    """See `Fingerprint`."""
    return location, sha256(value.encode("utf-8", "surrogatepass")).digest()


def usual(text: str) -> str:
    """The usual form of a header with this token, whose fingerprint is its cache key, however it was sent.

    So a token has one cache entry, and for a header in the usual form it is found before the header is parsed.
    """
    return f"Bearer {text}"


class TokenCache:
    """A bounded cache of verified tokens. Safe across threads and event loops; a forked child begins with an empty one.

    ``size`` is how many tokens it holds; 0 turns it off. It is a segmented LRU: a token seen once is on probation, one
    seen again is protected, and four fifths of the places are for protected tokens. So one-off tokens evict only each
    other. Raises `ConfigurationError`.
    """

    def __init__(self, size: int = DEFAULT_SIZE) -> None:
        if type(size) is not int or size < 0:
            raise ConfigurationError(
                f"memory= is how many verified tokens are remembered, 0 for none, not {size!r}", code="token-limits"
            )
        self.size = size
        self._most_protected = size - max(1, size // _PROBATION_SHARE)
        self.clear()
        renew_in_child(self)

    def clear(self) -> None:
        """Empty the cache and replace its lock; a forked child calls it by itself."""
        self._probation: LRUCache[Fingerprint, CachedToken] = LRUCache(self.size)
        self._protected: LRUCache[Fingerprint, CachedToken] = LRUCache(self.size)
        self._lock = threading.Lock()
        self.recent: dict[Fingerprint, CachedToken] = {}
        """Protected tokens that were looked up lately: read without the lock. Where it has none, ask `get`."""

    renew_after_fork = clear

    def __len__(self) -> int:
        return len(self._probation) + len(self._protected)

    def get(self, key: Fingerprint) -> CachedToken | None:
        """The cached token, or ``None``."""
        if key not in self._probation and key not in self._protected:
            return None  # a miss does not wait for the lock
        with self._lock:
            found = self._protected.get(key)
            if found is None:
                found = self._probation.pop(key, None)
                if found is None:
                    return None
                self._protect(key, found)
            if len(self.recent) >= self._most_protected:
                self.recent = {}
            self.recent[key] = found
            return found

    def _protect(self, key: Fingerprint, found: CachedToken) -> None:
        self._protected[key] = found
        if len(self._protected) > self._most_protected:
            evicted, value = self._protected.popitem()
            self._probation[evicted] = value

    def put(self, key: Fingerprint, token: CachedToken) -> None:
        """Cache a verified token."""
        if not self.size:
            return
        with self._lock:
            if key in self._protected:
                return
            if len(self) >= self.size and key not in self._probation:
                self._probation.popitem()
            self._probation[key] = token

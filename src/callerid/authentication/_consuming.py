"""Limited-use tokens: each opens one request, of this process and of all others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from typing import Final, cast

from cachetools import LRUCache

from callerid._forks import renew_in_child
from callerid.asking import Answers, Entry, SourceAnswer
from callerid.issuers import KEPT_FOR, USED, Consumer, Denied
from callerid.keys import Wait

__all__ = ["UsedTokens", "consume"]

MOST: Final = 16_384
"""So many tokens are known to be used without asking; of others Firebase knows."""


class UsedTokens:
    """The tokens that requests of this process have used, or are about to. A forked child begins with none."""

    def __init__(self) -> None:
        self.clear()
        renew_in_child(self)

    def clear(self) -> None:
        """Forget all, and replace the lock; a forked child calls it by itself."""
        self._claimed: LRUCache[bytes, bool] = LRUCache(MOST)
        self._lock = threading.Lock()

    renew_after_fork = clear

    def has(self, digest: bytes) -> bool:
        """Whether a request has claimed a token."""
        return digest in self._claimed

    def claim(self, digest: bytes) -> bool:
        """Claim a token for one request; false if another one has it."""
        with self._lock:
            if digest in self._claimed:
                return False
            self._claimed[digest] = True
            return True

    def release(self, digest: bytes) -> None:
        """Let another request try: whether the token was used is not known, and Firebase will say."""
        with self._lock:
            self._claimed.pop(digest, None)


def consume(claims: UsedTokens, answers: Answers, consumer: Consumer, text: str, waited: Iterable[Wait]) -> Wait | None:
    """Use a verified token up for this request. Returns a `Wait` until Firebase has answered.

    No two requests share an answer: each asks for itself, under a key of its own, and is known again by its wait.

    Raises `Unauthenticated` for a token that was used before, and `Unavailable` where Firebase cannot be asked.
    """
    digest = sha256(text.encode()).digest()
    attempt = _attempt(consumer, digest, waited)
    if attempt is None:
        if claims.has(digest):
            raise USED.refusal()
        attempt = (digest, object())
    ask = partial(_ask, claims, digest, consumer.question(text))
    found = answers.find(consumer.source, attempt, ask, waited)
    if isinstance(found, Wait):
        return found
    verdict = found.answer.value
    if verdict is not None:
        raise verdict.refusal()
    return None


def _ask(
    claims: UsedTokens, digest: bytes, question: Callable[[], SourceAnswer[Denied | None]]
) -> SourceAnswer[Denied | None]:
    """Ask, unless another request was first. It runs for whoever waits: where nobody does, nothing is used up."""
    if not claims.claim(digest):
        return SourceAnswer(USED, KEPT_FOR, is_known=False)
    try:
        return question()
    except BaseException:
        claims.release(digest)
        raise


def _attempt(consumer: Consumer, digest: bytes, waited: Iterable[Wait]) -> tuple[bytes, object] | None:
    """The key under which this request has asked about the token before, if it has."""
    for wait in waited:
        entry = wait.keys
        if isinstance(entry, Entry) and entry.source is consumer.source:
            key = cast("tuple[bytes, object]", entry.key)
            if key[0] == digest:
                return key
    return None

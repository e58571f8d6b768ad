"""Times verifications for an observer."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Final

from callerid.authentication._identity import Identity
from callerid.authentication._token_cache import Fingerprint
from callerid.observing import SafeObserver

__all__ = ["family_of", "recalled"]

APP: Final = "app"
"""The family of App Check tokens, which name no caller."""


def family_of(identity: Identity) -> str:
    """The family of whom a credential names: one of `callerid.Kind`, or ``app``."""
    named = identity.caller or identity.via
    return APP if named is None else str(named.kind)


def recalled(
    seen: Callable[[Fingerprint], Identity | None], observer: SafeObserver, digest: Fingerprint
) -> Identity | None:
    """What ``seen`` knows of a token, told to an observer."""
    begun_at = perf_counter()
    found = seen(digest)
    if found is not None:
        observer.verified(family_of(found), perf_counter() - begun_at, from_memory=True)
    return found

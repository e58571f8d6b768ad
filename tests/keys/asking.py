"""How a caller asks a store: written once for the tests, as the guard does it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from callerid.keys import AnySource, Key, KeyStatus, KeyStore, Wait

if TYPE_CHECKING:
    from collections.abc import Callable

    from callerid.keys import Algorithm


def ask(store: KeyStore, source: AnySource, kid: str = "a", algorithm: Algorithm = "RS256") -> Key:
    """Finds, waits if it must, and finds again; raises what ``find`` raises."""
    found = store.find(source, algorithm, kid)
    if isinstance(found, Wait):
        found.block()
        found = store.find(source, algorithm, kid, found)
    assert isinstance(found, Key)
    return found


async def ask_async(store: KeyStore, source: AnySource, kid: str = "a") -> Key:
    found = store.find(source, "RS256", kid)
    if isinstance(found, Wait):
        await found.pause()
        found = store.find(source, "RS256", kid, found)
    assert isinstance(found, Key)
    return found


def at_once(store: KeyStore, source: AnySource, kid: str = "a") -> Key:
    """Finds a key without waiting."""
    found = store.find(source, "RS256", kid)
    assert isinstance(found, Key)
    return found


def must_wait(store: KeyStore, source: AnySource, kid: str = "a") -> Wait:
    found = store.find(source, "RS256", kid)
    assert isinstance(found, Wait)
    return found


def warmed(store: KeyStore, source: AnySource) -> KeyStatus:
    wait = store.warm(source, "RS256")
    if wait is not None:
        wait.block()
    return status(store)


def status(store: KeyStore) -> KeyStatus:
    (only,) = store.status()
    return only


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)

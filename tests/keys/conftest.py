from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from callerid.keys import KeyDocument, KeyStore

from .asking import ask, eventually
from .made import document
from .servers import KeyServer, key_server

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """A clock that stands still until it is told to move."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with key_server() as served:
        yield served


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Every thread of a fetch ends soon after its test, however the fetch went."""
    yield
    eventually(lambda: not any(thread.name.startswith("callerid-keys") for thread in threading.enumerate()))


@pytest.fixture(scope="session", autouse=True)
def _loaded() -> None:
    """The first fetch loads urllib3 and cryptography: done here, so no test's time is spent on it."""
    import callerid.keys._transport  # noqa: F401

    ask(KeyStore(), KeyDocument(document("a").decode()))

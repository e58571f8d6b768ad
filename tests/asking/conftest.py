from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from callerid.asking import Answers

from .made import Clock, eventually


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def answers(clock: Clock) -> Answers:
    return Answers(timer=clock)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    """Every thread of a call ends soon after its test; the one loop for all stays."""
    yield
    eventually(lambda: not any(thread.name == "callerid-asking" for thread in threading.enumerate()))

"""What the applications of `tests.cli.test_routes` are made of."""

from __future__ import annotations

from callerid import Caller, firebase, google
from callerid.fastapi import Guard
from tests.access.made import new_guard, small

__all__ = ["Guard", "even", "firebase", "google", "new_guard", "odd", "small"]


def odd(caller: Caller) -> bool:
    return len(caller.subject) % 2 == 1


def even(caller: Caller) -> bool:
    return len(caller.subject) % 2 == 0

"""What the applications of `tests.cli.test_routes` are made of."""

from __future__ import annotations

from starlette.applications import Starlette

from callerid import Caller, firebase, google
from callerid.fastapi import Guard
from callerid.starlette import Guard as StarletteGuard
from tests.access.made import new_guard, small

__all__ = ["Guard", "Starlette", "StarletteGuard", "even", "firebase", "google", "new_guard", "odd", "small"]


def odd(caller: Caller) -> bool:
    return len(caller.subject) % 2 == 1


def even(caller: Caller) -> bool:
    return len(caller.subject) % 2 == 0

"""What a forked child makes anew: locks that a thread of its parent may hold, threads, and what the parent alone knows.

gunicorn with ``--preload`` makes guards and forks; a child has the memory of its parent and none of its other threads.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["renew_in_child"]


class _Renewed(Protocol):
    def renew_after_fork(self) -> None:
        """Make anew what a forked child must not share with its parent; take no lock, and rely on no other object."""


def renew_in_child(each: _Renewed) -> None:
    """Have every forked child call ``each.renew_after_fork()``, for as long as somebody else holds the object."""
    _ALL.add(each)


_ALL: WeakSet[_Renewed] = WeakSet()


def _after_fork_in_child() -> None:
    for each in list(_ALL):
        each.renew_after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(after_in_child=_after_fork_in_child)

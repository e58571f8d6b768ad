"""Work counted rather than timed: the same on every machine, however busy it is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["calls_in"]


def calls_in(run: Callable[[], object]) -> int:
    """How many calls, of Python and of C functions, ``run`` makes: a measure of its work that no load changes.

    Work inside one call of a C function (a regular expression, a sort) is not seen: that is for ``make bench``.
    """
    counted = 0

    def count(_: FrameType, event: str, __: Any) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(before)
    return counted

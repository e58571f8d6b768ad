"""What the algebra says of rules, found once: each adapter's application asks the same at start-up, in each setting."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from callerid.audit import algebra
from callerid.audit.algebra import _uses

__all__ = ["remember"]


def remember(put: Callable[[object, str, object], None] = setattr) -> None:
    """Have applications that start from now on share what is found of equal rules and issuers."""
    put(_uses, "admits_nobody", cache(_uses.admits_nobody))
    put(algebra, "is_weaker", cache(algebra.is_weaker))

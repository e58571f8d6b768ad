"""What stands in Redis about a denial: ``callerid1 DIGEST AT UNTIL``, times in milliseconds since the epoch."""

from __future__ import annotations

import re
from typing import Final

from callerid.authentication import LONGEST_DENIAL, Denial

__all__ = ["read", "written"]

_FORM: Final = re.compile(rb"callerid1 ([0-9a-f]{64}) ([0-9]{1,13}) ([0-9]{1,13})")
_AHEAD: Final = 60.0
"""By so many seconds the clock of another process may be ahead."""


def written(digest: str, denial: Denial) -> bytes:
    """A denial as it is sent; times are rounded up, so that it is never shorter."""
    return f"callerid1 {digest} {_milliseconds(denial.at)} {_milliseconds(denial.until)}".encode()


def _milliseconds(seconds: float) -> int:
    """The same for what was read: it is passed on as it was, however often."""
    rounded = round(seconds * 1000)
    return rounded if rounded / 1000 >= seconds else rounded + 1


def read(data: object, now: float) -> tuple[str, Denial] | None:
    """A digest with its denial; ``None`` for anything else, and for a denial that is over.

    No denial reaches further than one of ours could: a wrong clock, or a forged message, locks nobody out for good.
    """
    found = _FORM.fullmatch(data) if isinstance(data, bytes) else None
    if found is None:
        return None
    at, until = int(found[2]) / 1000, int(found[3]) / 1000
    if until <= now:
        return None
    return found[1].decode(), Denial(min(at, now + _AHEAD), min(until, now + LONGEST_DENIAL))

"""How long a fetched document is fresh, how old it is, and when to retry: read from HTTP headers. Pure."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callerid.keys._source import KeyPolicy

__all__ = ["BEFORE_ALL", "Origin", "clamped", "generated_at", "lifetime", "retry_after"]

SECONDS = re.compile(r"[0-9]+")
MAX_AGE = re.compile(r'max-age=(?:([0-9]+)|"([0-9]+)")', re.IGNORECASE)
NOT_KEPT = frozenset({"no-store", "no-cache"})
DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
"""An IMF-fixdate, the one form of a date that may be sent (RFC 9110 section 5.6.7)."""
GREATEST_AGE = 2.0**31
"""A greater Age is read as this (RFC 9111 section 1.2.2)."""


@dataclass(frozen=True, slots=True)
class Origin:
    """When a document was generated at its source, in seconds of two clocks of this machine.

    ``timer`` is the monotonic clock and ``clock`` the wall clock.
    """

    timer: float
    clock: float

    def seconds_before(self, other: Origin) -> float:
        """By how many seconds this is the older one; 0 if it is not.

        It is older only where both clocks say so: the monotonic clock may stand still while a machine is suspended,
        and the wall clock may be set back. Either alone could make every new document look old for hours.
        """
        return max(0.0, min(other.timer - self.timer, other.clock - self.clock))


BEFORE_ALL = Origin(-math.inf, -math.inf)
"""An origin before that of every document."""


def lifetime(headers: Mapping[str, str]) -> float:
    """Seconds from now that the answer is fresh: ``max-age`` less ``Age`` (RFC 9111 sections 4.2.1 and 5.1).

    0 where the headers do not clearly say: no ``max-age`` or several, ``no-store``, ``no-cache``, or an ``Age`` that
    is no number. ``headers`` looks names up in any case, with repeated headers joined by commas.
    """
    directives = [directive.strip() for directive in headers.get("Cache-Control", "").split(",")]
    ages = [directive for directive in directives if directive.lower().startswith("max-age")]
    age = headers.get("Age", "0").strip()
    if len(ages) != 1 or not SECONDS.fullmatch(age) or any(_name(directive) in NOT_KEPT for directive in directives):
        return 0.0
    max_age = MAX_AGE.fullmatch(ages[0])
    return max(0.0, float(max_age[1] or max_age[2]) - min(float(age), 1e12)) if max_age else 0.0


def _name(directive: str) -> str:
    return directive.partition("=")[0].strip().lower()


def generated_at(headers: Mapping[str, str], asked_at: float) -> float:
    """When the answer was generated at its source, in seconds since the epoch (RFC 9111 section 4.2.3).

    ``asked_at`` is the wall clock when the request was made. The earlier of what ``Age`` and ``Date`` say counts: a
    cache may have dropped the one or rewritten the other. A header that is missing or malformed is ignored, and so is
    a date in the future: one of the two clocks is wrong then.
    """
    first = headers.get("Age", "").partition(",")[0].strip()  # the first counts (RFC 9111 section 5.1)
    age = min(float(first), GREATEST_AGE) if SECONDS.fullmatch(first) else 0.0
    return min([asked_at - age, *_dates(headers.get("Date", ""))])


def _dates(value: str) -> list[float]:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - urllib3 imports it; importing callerid must not

    found: list[float] = []
    for text in DATE.findall(value):
        with suppress(ValueError):  # such as the 31st of February
            found.append(parsedate_to_datetime(text).timestamp())
    return found


def clamped(seconds: float, policy: KeyPolicy) -> float:
    """``seconds``, but within the shortest and the longest lifetime of the policy."""
    return min(max(seconds, policy.shortest_lifetime), policy.longest_lifetime)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds after which the server asks for a retry (RFC 9110 section 10.2.3); 0 if it does not say.

    The date form is ignored: the back-off would depend on two wall clocks.
    """
    value = headers.get("Retry-After", "").strip()
    return float(value) if SECONDS.fullmatch(value) else 0.0

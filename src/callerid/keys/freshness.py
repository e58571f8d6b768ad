"""How long a fetched document may serve, and when to come back: read from HTTP headers. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callerid.keys.source import KeyPolicy

__all__ = ["clamped", "lifetime", "retry_after"]

SECONDS = re.compile(r"[0-9]+")
MAX_AGE = re.compile(r'max-age=(?:([0-9]+)|"([0-9]+)")', re.IGNORECASE)
NOT_KEPT = frozenset({"no-store", "no-cache"})


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


def clamped(seconds: float, policy: KeyPolicy) -> float:
    """``seconds``, but within the shortest and the longest lifetime of the policy."""
    return min(max(seconds, policy.shortest_lifetime), policy.longest_lifetime)


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds after which the server wants to be asked again (RFC 9110 section 10.2.3); 0 if it does not say.

    The date form is taken as silence: it would tie the back-off to two wall clocks.
    """
    value = headers.get("Retry-After", "").strip()
    return float(value) if SECONDS.fullmatch(value) else 0.0

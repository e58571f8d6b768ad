"""Report-only mode until a day, and counts of how often a shadow policy would have decided otherwise.

Pure, except for the clock that it reads and the line that it logs at start-up.
"""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from callerid.errors import ConfigurationError, Refusal

__all__ = ["UNENFORCED", "WOULD_REFUSE", "Rollout", "ShadowCounts", "Tally", "named", "rollout_of"]

log = logging.getLogger("callerid")

WOULD_REFUSE: Final = {"outcome": "would refuse"}
"""Fields of the log record of a refusal that was not enforced."""

UNENFORCED: Final = "every request is let through, and what would be refused is logged"
"""What report-only means, for messages."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """Rules that are not enforced until a day: through the last second of ``until``, in UTC.

    ``ends_at`` is when they begin to be, in seconds since the epoch: midnight after that day.
    """

    until: date
    ends_at: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        midnight = datetime.combine(self.until, time.min, UTC).timestamp()
        object.__setattr__(self, "ends_at", midnight + timedelta(days=1).total_seconds())

    def is_report_only(self, now: float) -> bool:
        """Whether refusals are only logged at ``now``, in seconds since the epoch."""
        return now < self.ends_at

    def words(self, where: str = "everywhere") -> str:
        """The setting in words, for an access map."""
        return f"{where} until {self.until}"


def rollout_of(enforce: object, until: object, now: float, name: str) -> Rollout | None:
    """What ``enforce=`` and ``until=`` ask for an application of this name; ``None`` where rules are enforced at once.

    Logs, once, that nothing is enforced; or, where the day is past, that the setting can go. Raises
    `ConfigurationError` for what is no day, and for one setting without the other: report-only mode must have an end.
    """
    if type(enforce) is not bool:
        raise ConfigurationError(f"enforce= is True or False, not {enforce!r}", code="report-only")
    if enforce:
        if until is not None:
            raise ConfigurationError(
                "until= is the last day of enforce=False: write both, or leave until= out", code="report-only"
            )
        return None
    if until is None:
        raise ConfigurationError(
            "enforce=False lets everybody in, so it has an end: write until='YYYY-MM-DD', the last day of it (UTC)",
            code="report-only",
        )
    rollout = Rollout(_day(until))
    if rollout.is_report_only(now):
        log.warning("%s: NOT ENFORCED until %s: %s", name, rollout.until, UNENFORCED)
        return rollout
    log.warning("%s: %s is past, so the rules are enforced: take enforce=False and until= out", name, rollout.until)
    return None


def named(app: object) -> str:
    """An application's name for the log: its title or name, else that of its function or class."""
    for name in ("title", "name", "__qualname__"):
        found = getattr(app, name, None)
        if isinstance(found, str):
            return repr(found)
    return repr(type(app).__qualname__)


_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(until: object) -> date:
    if isinstance(until, date) and not isinstance(until, datetime):
        return until
    if isinstance(until, str) and _ISO.fullmatch(until):
        try:
            return date.fromisoformat(until)
        except ValueError:
            pass  # such as 30 February
    raise ConfigurationError(
        f"until= is a day, such as '2027-01-31' or a datetime.date, not {until!r}", code="report-only"
    )


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """How often a guard's ``shadow=`` rules decided as the live ones did, and how often not, since the start.

    ``agreed``: both let the request in, or both refused it with the same status. ``would_admit``: refused, and the
    shadow rules would not. ``would_refuse``: let in, and they would not. ``would_answer_otherwise``: both refuse, with
    another status. ``unknown``: a credential that the live rules do not read, and whose keys are not at hand; or what a
    look-up, or the issuer of a credential without a signature, was not asked before: it is asked behind the request.
    ``failed``: the shadow rules could not be judged: behind them the route would answer 500.
    """

    agreed: int = 0
    would_admit: int = 0
    would_refuse: int = 0
    would_answer_otherwise: int = 0
    unknown: int = 0
    failed: int = 0


class Tally:
    """Counts the comparisons of one guard, in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()

    def count(self, what: str) -> None:
        """Count one: ``what`` is a field of `ShadowCounts`."""
        with self._lock:
            self._counted[what] += 1

    def compare(self, live: Refusal | None, shadow: Refusal | None) -> bool:
        """Count how two decisions compare; returns whether they are the same."""
        if live is None or shadow is None:
            what = "would_refuse" if shadow is not None else "agreed" if live is None else "would_admit"
        else:
            what = "agreed" if live.status == shadow.status else "would_answer_otherwise"
        self.count(what)
        return what == "agreed"

    @property
    def counts(self) -> ShadowCounts:
        """What was counted so far."""
        with self._lock:
            return ShadowCounts(**self._counted)

"""The decision log of the application, kept in memory: the newest few, numbered."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from callerid.play._hearing import current_call

__all__ = ["DecisionLog", "LoggedLine"]

KEPT: Final = 500


@dataclass(frozen=True, slots=True)
class LoggedLine:
    """One record of the logger ``callerid``: its number, when, whose call it was, and the fields of the decision."""

    number: int
    at: float
    who: str
    fields: Mapping[str, str]
    message: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether somebody was refused, or would be."""
        return self.fields.get("outcome", "") not in ("allowed", "shadow would admit")


class DecisionLog(logging.Handler):
    """Keeps what the logger ``callerid`` says. No credential is in its records."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._lines: deque[LoggedLine] = deque(maxlen=KEPT)
        self._keeping = threading.Lock()
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, if it is of a decision or tells of trouble."""
        fields = cast("Mapping[str, str | None]", getattr(record, "callerid", None) or {})
        if not fields and record.levelno < logging.WARNING:
            return
        call = current_call()
        told = {name: value for name, value in fields.items() if value}
        with self._keeping:
            self._number += 1
            who = "" if call is None else call.who
            message = "" if "route" in told else record.getMessage()
            self._lines.append(LoggedLine(self._number, self._clock(), who, told, message))

    def after(self, number: int) -> list[LoggedLine]:
        """The lines after this number, the oldest first."""
        with self._keeping:
            return [line for line in self._lines if line.number > number]

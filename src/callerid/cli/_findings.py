"""What a check of ``callerid doctor`` found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["CheckFinding", "Grade"]

Grade: TypeAlias = Literal["fine", "finding", "unknown"]
"""``finding``: something to mend; ``unknown``: the check could not be made."""


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """What one check found: its name, a grade, what was seen, and what to do about it (empty where nothing is)."""

    check: str
    grade: Grade
    said: str
    remedy: str = ""

    def as_data(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return asdict(self)

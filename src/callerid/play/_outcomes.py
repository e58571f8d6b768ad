"""What came of a call, as a cell of the table shows it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from callerid.play._answers import PlayAnswer
from callerid.play._hearing import HeardCall, HeardDecision

__all__ = ["CellState", "PlayOutcome", "outcome_of"]


class CellState(StrEnum):
    """How a cell looks: each has a colour, a sign and a word, so that none of them has to be seen."""

    IN = "in"
    MAY = "may"
    WHO = "who"
    NO = "no"
    ERROR = "error"
    DOWN = "down"
    UNDECIDED = "undecided"
    LATE = "late"
    UNKNOWN = "unknown"
    PENDING = "pending"


SIGNS: Final = {
    CellState.IN: "✓",
    CellState.MAY: "▷",
    CellState.WHO: "?",
    CellState.NO: "✕",
    CellState.ERROR: "!",
    CellState.DOWN: "~",
    CellState.UNDECIDED: "○",
    CellState.LATE: "…",
    CellState.UNKNOWN: "-",
    CellState.PENDING: "…",
}

MEANINGS: Final = {
    CellState.IN: "let in, and what the handler answered",
    CellState.MAY: "would be let in; the handler was not run",
    CellState.WHO: "401: no credential, or one that is not believed",
    CellState.NO: "refused: known, and may not",
    CellState.ERROR: "let in, and the handler failed",
    CellState.DOWN: "503: keys or facts cannot be had",
    CellState.UNDECIDED: "answered by what stands in front of the guard",
    CellState.LATE: "no answer in time",
    CellState.UNKNOWN: "no path can be made up",
}
"""What the signs mean, for the legend."""


@dataclass(frozen=True, slots=True)
class PlayOutcome:
    """What came of a call: the decision, and the answer if the handler may have run.

    ``path`` is what was called. ``ran`` is whether the handler was allowed to run.
    """

    state: CellState
    word: str
    path: str | None = None
    status: int | None = None
    ran: bool = False
    answer: PlayAnswer = field(default_factory=PlayAnswer)
    heard: HeardCall = field(default_factory=HeardCall)

    @property
    def sign(self) -> str:
        """The state as a sign."""
        return SIGNS[self.state]

    @property
    def decision(self) -> HeardDecision | None:
        """The decision that counts: the last one."""
        return self.heard.decisions[-1] if self.heard.decisions else None

    @property
    def admits(self) -> bool:
        """Whether the guards let the caller in."""
        return self.decision is not None and all(each.admits for each in self.heard.decisions)


def outcome_of(heard: HeardCall, answer: PlayAnswer, path: str) -> PlayOutcome:
    """What came of a call of this path."""
    state, word, status = _told(heard, answer)
    return PlayOutcome(state, word, path, status, heard.runs_handler, answer, heard)


def _told(heard: HeardCall, answer: PlayAnswer) -> tuple[CellState, str, int | None]:
    decision = heard.decisions[-1] if heard.decisions else None
    if decision is not None and decision.refusal is not None and not decision.is_waived:
        refusal = decision.refusal
        word = str(refusal.reason).replace("_", " ")
        states = {401: CellState.WHO, 503: CellState.DOWN}
        return states.get(refusal.status, CellState.NO), word, answer.status or refusal.status
    waived = decision is not None and decision.is_waived
    if heard.is_stopped:
        return CellState.MAY, "may, unenforced" if waived else "may", None
    if answer.late:
        return CellState.LATE, "too slow", None
    if answer.error or (answer.status or 500) >= 500:
        return CellState.ERROR, answer.error.partition(":")[0] or "failed", answer.status or 500
    if decision is None:
        return CellState.UNDECIDED, "not decided", answer.status
    return CellState.IN, "in, unenforced" if waived else _in(answer), answer.status


def _in(answer: PlayAnswer) -> str:
    status = answer.status or 0
    if 300 <= status < 400:
        return "redirect"
    return {404: "in, not found", 405: "in, no method", 422: "in, invalid"}.get(status, "let in")

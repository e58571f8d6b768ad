"""An application compared with a lock: ``--check`` and ``--no-new-access``, in words and as JSON. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from callerid.audit._lock import Difference
from callerid.audit._newcomers import Finding
from callerid.audit._rows import AccessMap, who_may
from callerid.audit.algebra import CannotTell, Side, Yes
from callerid.cli._table import Style

__all__ = ["Comparison", "NewAccess", "as_json", "counted"]

_BREAK = "          "
"""What stands below ``    before: ``."""


def counted(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What is otherwise than the lock ``file`` says, out of ``total`` rules."""

    file: str
    total: int
    found: Sequence[Difference]

    def lines(self, style: Style) -> list[str]:
        """The same for a terminal."""
        if not self.found:
            return [f"{self.file}: nothing has changed, {counted(self.total, 'rule')}"]
        colours = {"  -": "never", "  +": "in"}
        lines = (line for each in self.found for line in str(each).splitlines())
        return [
            f"{self.file}: {self._headline()}",
            *(style.paint(line, colours.get(line[:3], "head")) for line in lines),
            f"if this is meant, write the lock again: callerid routes ... --lock {self.file}",
        ]

    def _headline(self) -> str:
        if all(each.is_unknown for each in self.found):
            return "whether who may call what has changed cannot be told"
        if all(map(_is_renamed, self.found)):
            return "who may call what is as it was; the names of what serves have changed"
        return "who may call what has changed"

    def members(self) -> dict[str, Any]:
        """The same as JSON has it."""
        changed = [
            {
                "name": each.name,
                "renamed": _is_renamed(each),
                "unknown": each.is_unknown,
                "before": list(each.before),
                "now": list(each.after),
            }
            for each in self.found
        ]
        return {"version": 1, "lock": self.file, "rules": self.total, "changed": changed}


def _is_renamed(change: Difference) -> bool:
    """Whether nothing but the name of the endpoint, or of the mounted application, is another one."""
    gone, come = (
        {line.partition(" ")[0] for line in lines if line not in others}
        for lines, others in ((change.before, change.after), (change.after, change.before))
    )
    return not change.is_unknown and gone == come and gone <= {"serves", "mounts"}


@dataclass(frozen=True, slots=True)
class NewAccess:
    """Whether anybody may call anything now who could not when the lock ``file`` was written.

    ``assumed`` is what decides by itself who may, and is taken for unchanged (see `callerid.access.assumed`).
    """

    file: str
    total: int
    found: Sequence[Finding]
    assumed: Sequence[str]

    @property
    def _unknown(self) -> int:
        return sum(isinstance(each.verdict, CannotTell) for each in self.found)

    def lines(self, style: Style) -> list[str]:
        """The same for a terminal."""
        return [
            f"{self.file}: {self._headline()}, {counted(self.total, 'rule')} compared",
            *(line for each in self.found for line in _shown(each, style)),
            *(f"  assumed unchanged: {each}" for each in self.assumed),
        ]

    def _headline(self) -> str:
        if not self.found:
            return "nobody may now who could not before"
        new, unknown = len(self.found) - self._unknown, self._unknown
        told = [f"new access at {counted(new, 'place')}"] if new else []
        return ", ".join([*told, f"cannot tell at {counted(unknown, 'place')}"] if unknown else told)

    def members(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {
            "version": 1,
            "lock": self.file,
            "rules": self.total,
            "new_access": len(self.found) - self._unknown,
            "cannot_tell": self._unknown,
            "findings": [_members(each) for each in self.found],
            "assumed": list(self.assumed),
        }


def _shown(finding: Finding, style: Style) -> Iterator[str]:
    yield style.paint(f"  {finding}", "out" if isinstance(finding.verdict, CannotTell) else "never")
    if finding.before is None or finding.now is None:
        return
    before, now = _words(finding.before), _words(finding.now)
    rules = {"before": before, "now": now} if before != now else {"before and now": now}
    believed = list(_newly_believed(finding.before, finding.now))
    for label, said in {**rules, **({"believed now": ", ".join(believed)} if believed else {})}.items():
        start = f"    {label + ':':<7} "
        yield from textwrap.wrap(
            said, style.width, initial_indent=start, subsequent_indent=_BREAK, break_on_hyphens=False
        )


def _words(side: Side) -> str:
    return who_may(side.rule, side.audiences)


def _newly_believed(before: Side, now: Side) -> Iterator[str]:
    """The issuers, and audiences of issuers, that are accepted and were not."""
    known: dict[str, set[str]] = {}
    for issuer in before.issuers:
        known.setdefault(issuer.name, set()).update(issuer.audiences)
    for issuer in now.issuers:
        more = sorted(issuer.audiences - known.get(issuer.name, set()))
        if more:
            yield f"{issuer.name} for {' or '.join(more)}"


def _members(finding: Finding) -> dict[str, Any]:
    verdict = finding.verdict
    return {
        "place": finding.name,
        "verdict": "new access" if isinstance(verdict, Yes) else "cannot tell",
        "who": str(verdict.witness) if isinstance(verdict, Yes) else None,
        "lacking": [str(rule) for rule in verdict.lacking] if isinstance(verdict, Yes) else [],
        "reason": verdict.reason if isinstance(verdict, CannotTell) else None,
        "before": _side(finding.before),
        "now": _side(finding.now),
    }


def _side(side: Side | None) -> dict[str, Any] | None:
    if side is None:
        return None
    return {
        "who": _words(side),
        "rule": repr(side.rule),
        "audiences": None if side.audiences is None else sorted(side.audiences),
        "issuers": [{"name": each.name, "audiences": sorted(each.audiences)} for each in side.issuers],
    }


def as_json(result: Comparison | NewAccess, found: AccessMap) -> str:
    """The result as JSON, with what is wrong with the application itself, and what its map does not show."""
    more = {"problems": list(found.problems), "unseen": list(found.unseen)}
    return json.dumps({**result.members(), **more}, indent=2, ensure_ascii=False)

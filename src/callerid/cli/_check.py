"""``callerid check``: access tests as data, over the real application with real signatures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import click

from callerid.access import AccessMap, Suite, read_suite
from callerid.audit._forms import unseen
from callerid.cli._comparing import counted
from callerid.cli._frame import (
    FILE,
    MISSING,
    application_arguments,
    cli_command,
    json_option,
    json_text,
    lifespan_option,
    progress,
    text_of,
)
from callerid.cli._routes import reading
from callerid.cli._table import Style
from callerid.testing.access import Judgement, rehearsing

__all__ = ["command"]


@cli_command(
    "check",
    codes={
        0: "every call is decided as the file says",
        1: "a problem, or a call that is decided otherwise; each is named",
        2: MISSING,
    },
)
@application_arguments
@lifespan_option
@click.argument("file", type=FILE)
@json_option
def command(  # noqa: PLR0913 - one parameter an option
    out: TextIO, application: str, app_dir: Path, file: Path, *, lifespan: bool, as_json: bool
) -> int:
    """Run the access tests of an application.

    Reads from FILE, in TOML, who may call what and who may not, and makes each call with a token that a local issuer
    signs. The guard decides as it does in production; no handler runs. Rules that nobody enforces or that nobody can
    meet are problems, as in 'callerid routes'.
    """
    suite = read_suite(text_of(file), str(file))
    with reading(application, app_dir, lifespan=lifespan) as (app, found):
        result = _CheckResult(str(file), found) if found.problems else _made(app, suite, str(file), found)
    lines = [*unseen(found), *result.lines(Style.of(out)), ""]
    out.write(json_text(result.members()) if as_json else "\n".join(lines))
    return result.code


def _made(app: Any, suite: Suite, file: str, found: AccessMap) -> _CheckResult:
    with rehearsing(app, site=suite.site) as rehearsal:
        calls = chain(
            map(rehearsal.judge, suite.cases),
            (each for persona in suite.rest for each in rehearsal.judge_rest(persona, suite.cases)),
        )
        judged = list(progress(calls, "calls made"))
        return _CheckResult(file, found, judged, rehearsal.shadowed(), rehearsal.untested())


@dataclass(frozen=True, slots=True)
class _CheckResult:
    """How each call of a file was decided; none was made where the application itself has problems.

    ``idle`` are routes that are never served, ``untested`` those that no call of the file reaches.
    """

    file: str
    found: AccessMap
    judged: Sequence[Judgement] = ()
    idle: Sequence[str] = ()
    untested: Sequence[str] = ()

    @property
    def wrong(self) -> list[Judgement]:
        """The calls that were decided otherwise than the file says."""
        return [each for each in self.judged if not each.is_right]

    @property
    def code(self) -> int:
        """The exit code."""
        return 1 if self.found.problems or self.wrong or self.idle else 0

    def lines(self, style: Style) -> list[str]:
        """The same for a terminal."""
        if self.found.problems:
            return [style.paint(f"problem: {each}", "never") for each in self.found.problems]
        lines = [*_personas(self.judged, style), ""]
        for each in self.wrong:
            first, *why = str(each).splitlines()
            lines += [style.paint(f"FAILED: {first}", "never"), *why]
        lines += [style.paint(f"FAILED: {each}", "never") for each in self.idle]
        if self.untested:
            lines.append(style.paint("no call of the file reaches", "out"))
            lines += [style.paint(f"  {each}", "out") for each in self.untested]
        total = len(self.judged)
        return [*lines, f"{self.file}: {counted(total, 'call')}, {total - len(self.wrong)} as the file says"]

    def members(self) -> dict[str, Any]:
        """The same as JSON has it."""
        return {
            "version": 1,
            "file": self.file,
            "calls": [_call(each) for each in self.judged],
            "failed": len(self.wrong),
            "never_served": list(self.idle),
            "untested": list(self.untested),
            "problems": list(self.found.problems),
            "unseen": list(self.found.unseen),
        }


def _call(judged: Judgement) -> dict[str, Any]:
    return {
        "persona": judged.case.persona.name,
        "call": judged.case.call,
        "may": judged.case.may,
        "as_expected": judged.is_right,
        "said": judged.said,
        "why": judged.why.splitlines(),
    }


def _personas(judged: Iterable[Judgement], style: Style) -> list[str]:
    right: dict[str, Counter[str]] = {}
    for each in judged:
        word = "wrong" if not each.is_right else "may" if each.case.may else "may not"
        right.setdefault(each.case.persona.name, Counter())[word] += 1
    width = max(map(len, right))
    return [
        f"  {style.paint(name.ljust(width), 'head')}  may {counts['may']:>2}, may not {counts['may not']:>2}"
        + (style.paint(f", failed {counts['wrong']}", "never") if counts["wrong"] else "")
        for name, counts in right.items()
    ]

"""``callerid check``: access tests as data, over the real application with real signatures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

import click

from callerid.access import Suite, read_suite
from callerid.audit.forms import unseen
from callerid.cli.comparing import counted
from callerid.cli.frame import MISSING, application_arguments, cli_command
from callerid.cli.routes import reading, text_of
from callerid.cli.table import Style
from callerid.cli.trouble import CommandError
from callerid.errors import ConfigurationError
from callerid.testing.access import Judgement, rehearsing

__all__ = ["check", "command"]


@cli_command(
    "check",
    codes={
        0: "every call is decided as the file says",
        1: "a problem, or a call that is decided otherwise; each is named",
        2: MISSING,
    },
)
@application_arguments
@click.argument("file", type=click.Path(path_type=Path))
def command(out: TextIO, application: str, app_dir: Path, file: Path, *, lifespan: bool) -> int:
    """Run the access tests of an application.

    Reads from FILE, in TOML, who may call what and who may not, and makes each call with a token that a local issuer
    signs. The guard decides as it does in production; no handler runs. Rules that nobody enforces or that nobody can
    meet are problems, as in 'callerid routes'.
    """
    return check(out, application, app_dir, file, lifespan=lifespan)


def check(out: TextIO, application: str, folder: Path, file: Path, *, lifespan: bool = False) -> int:
    """Run the cases of a file; returns the exit code. Raises `CommandError` for what cannot be read."""
    style = Style.of(out)
    try:
        suite = read_suite(text_of(file), str(file))
        with reading(application, folder, lifespan=lifespan) as (app, found):
            if found.problems:
                lines, code = [style.paint(f"problem: {each}", "never") for each in found.problems], 1
            else:
                lines, code = _made(app, suite, file, style)
    except ConfigurationError as error:
        raise CommandError(str(error)) from None
    out.write("\n".join([*unseen(found), *lines, ""]))
    out.flush()
    return code


def _made(app: Any, suite: Suite, file: Path, style: Style) -> tuple[list[str], int]:
    with rehearsing(app) as rehearsal:
        judged = [rehearsal.judge(case) for case in suite.cases]
        judged += [each for persona in suite.rest for each in rehearsal.judge_rest(persona, suite.cases)]
        untested, idle = rehearsal.untested(), rehearsal.shadowed()
    wrong = [each for each in judged if not each.is_right]
    lines = [*_personas(judged, style), ""]
    for each in wrong:
        first, *why = str(each).splitlines()
        lines += [style.paint(f"FAILED: {first}", "never"), *why]
    lines += [style.paint(f"FAILED: {each}", "never") for each in idle]
    if untested:
        lines.append(style.paint("no call of the file reaches", "out"))
        lines += [style.paint(f"  {each}", "out") for each in untested]
    lines.append(f"{file}: {counted(len(judged), 'call')}, {len(judged) - len(wrong)} as the file says")
    return lines, 1 if wrong or idle else 0


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

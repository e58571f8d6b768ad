"""``callerid why``: a decision found again in the log, and what would have made it another one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from callerid.access.decision import Branch, Decision, find, instance_of
from callerid.cli.parsing import MISSING, codes
from callerid.cli.table import Style
from callerid.cli.trouble import CommandError
from callerid.errors import ConfigurationError, one_line
from callerid.rollout import WOULD_REFUSE

__all__ = ["add_why", "why"]

_MEND = (
    "to have the rest, log JSON lines with getattr(record, 'callerid', None) as a member; "
    "a formatter that does so is in the docstring of callerid.access.decision"
)

LONGEST = 500
"""No line of a log is shown longer than this."""


def add_why(commands: Any) -> None:
    """The command's arguments, added to those of ``callerid``."""
    parser = commands.add_parser(
        "why",
        help="explain a refusal",
        description="Finds the decision in a log of JSON lines (what the logger 'callerid' gives its records, as a "
        "member of any name), or in what 'gcloud logging read --format=json' prints. Then prints the rule as a tree of "
        "+ and -, what the caller was, and what would have let them in.",
        epilog=codes({0: "the decision was found", 1: "it is not in this log", 2: MISSING}),
    )
    parser.add_argument("id", metavar="ID", help="the instance that the refused client was given")
    parser.add_argument("log", nargs="?", default="-", metavar="LOG", help="the log (default: standard input)")
    parser.set_defaults(command=_run)


def _run(asked: argparse.Namespace, out: TextIO) -> int:
    return why(out, asked.id, asked.log)


def why(out: TextIO, name: str, log: str) -> int:
    """Explain a decision; returns the exit code. Raises `CommandError` for what is no id, and no log."""
    try:
        instance = instance_of(name)
        found = _found(log, instance)
    except ConfigurationError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(f"cannot read {log}: {error.strerror}") from None
    if isinstance(found, Decision):
        lines, code = list(_told(found, Style.of(out))), 0
    else:
        lines, code = _missing(found, instance, log), 1
    out.write("\n".join([*lines, ""]))
    out.flush()
    return code


def _missing(line: str | None, instance: str, log: str) -> list[str]:
    where = "standard input" if log == "-" else log
    if line is None:
        return [f"{instance} is not in {where}"]
    return [
        f"{instance} is in {where}, but only in words: {one_line(line)[:LONGEST]}",
        _MEND,
    ]


def _found(log: str, instance: str) -> Decision | str | None:
    if log == "-":
        return find(sys.stdin, instance)
    with Path(log).open(encoding="utf-8", errors="replace") as lines:
        return find(lines, instance)


def _told(found: Decision, style: Style) -> Iterator[str]:
    fields = found.fields
    outcome = " ".join(fields[name] for name in ("status", "reason") if name in fields)
    colour = "in" if fields.get("outcome") == "allowed" else "never"
    yield style.paint(f"{fields.get('outcome', '?')}: {fields.get('route', '?')}  {outcome}".rstrip(), colour)
    for label, said in (
        ("caller", _who(fields.get("caller"), fields.get("issuer"), fields.get("subject"))),
        ("via", fields.get("via")),
        ("rule", fields.get("rule")),
        ("detail", fields.get("detail")),
        ("mend", fields.get("mend")),
    ):
        if said:
            yield f"  {label:<7} {said}"
    yield from _instead(fields)
    tree = found.tree
    if tree is not None:
        yield ""
        yield from _drawn(tree, style, "  ")
    nearest = list(_nearest(found, tree))
    yield from ["", *nearest] if nearest else []


def _instead(fields: Mapping[str, str]) -> Iterator[str]:
    """What came of a decision that answered nobody."""
    if fields.get("outcome") == WOULD_REFUSE["outcome"]:
        yield "  it was let through: the rules were not enforced (enforce=False)"
    if "live" in fields:
        yield f"  by the rules in force: {fields['live']} (this is what the shadow= table would do)"


def _who(caller: str | None, issuer: str | None, subject: str | None) -> str:
    if caller is None:
        return "nobody: no credential was sent, or none that could be believed"
    account = "" if subject is None or subject in caller else f", account {subject}"
    return f"{caller}{account}, says {issuer}"


def _drawn(branch: Branch, style: Style, indent: str) -> Iterator[str]:
    sign = "+" if branch.holds else "-"
    note = f": {branch.note}" if branch.note else ""
    yield indent + style.paint(f"{sign} {branch.words}", "in" if branch.holds else "never") + note
    for part in branch.parts:
        yield from _drawn(part, style, f"{indent}  ")


def _nearest(found: Decision, tree: Branch | None) -> Iterator[str]:
    lacking = () if tree is None else tree.lacking()
    if tree is not None and lacking:
        whole, missing = (" and ".join(branch.words for branch in each) for each in (tree.nearest(), lacking))
        of = "" if whole == missing else f"{whole}, where "
        yield f"nearest: {of}only {missing} did not hold"
    if found.fields.get("reason") == "step_up":
        yield "to be let in: sign in again, as the rule asks; no rule need change"
    rule = found.admitting()
    if rule is not None:
        yield f"to let in this caller and nobody else: write | {rule!r} {_where(found, tree)}, if they should be"


def _where(found: Decision, tree: Branch | None) -> str:
    """Where a proposal is to be written: several rules may hold at one place, and all of them must."""
    failing = () if tree is None else tree.failing()
    if tree is not None and failing != (tree,):
        return " and ".join(f"beside {part}" for part in failing)
    is_joined = tree is None and " and " in found.fields.get("rule", "")
    return "beside each rule that must hold there" if is_joined else "beside the rule"

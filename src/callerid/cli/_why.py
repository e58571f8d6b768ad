"""``callerid why``: a decision found again in the log, explained, with what would have let the caller in."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

import click

from callerid.audit._decision import LoggedDecision, find, instance_of
from callerid.authorization._report_only import WOULD_REFUSE
from callerid.cli._frame import MISSING, cli_command, json_option, json_text
from callerid.cli._logs import text_of
from callerid.cli._table import Style
from callerid.errors import Reason, one_line

__all__ = ["command", "why"]

_AS_FIELDS = (
    "for the rest, log JSON lines with getattr(record, 'callerid', None) as a member: "
    "callerid.logs.CloudLoggingFormatter does, and so does the formatter in docs/access.md"
)

_NOT_LOGGED = "refusals are logged at INFO: logging.getLogger('callerid').setLevel(logging.INFO)"

LONGEST = 500
"""No line of a log is shown longer than this."""


@cli_command("why", codes={0: "the decision was found", 1: "it is not in this log", 2: MISSING})
@click.argument("name", metavar="ID")
@click.argument("log", type=click.Path(allow_dash=True), default="-")
@json_option
def command(out: TextIO, name: str, log: str, *, as_json: bool) -> int:
    """Explain a refusal.

    Finds the decision in a log of JSON lines (what the logger 'callerid' gives its records, as a member of any name),
    or in what 'gcloud logging read --format=json' prints. Then prints the rule as a tree of + and -, what the caller
    was, and what would have let them in. ID is the instance that the refused client was given; LOG is the log's file
    (default: standard input).
    """
    return why(out, name, log, as_json=as_json)


def why(out: TextIO, name: str, log: str, *, as_json: bool = False) -> int:
    """Explain a decision; returns the exit code.

    Raises `ConfigurationError` for what is no id, `CommandError` for what is no log.
    """
    instance = instance_of(name)
    with text_of(log) as text:
        found = find(text, instance)
    if as_json:
        out.write(json_text(_document(found, instance)))
    else:
        _write(out, _told(found) if isinstance(found, LoggedDecision) else _missing(found, instance, log))
    return 0 if isinstance(found, LoggedDecision) else 1


def _document(found: LoggedDecision | str | None, instance: str) -> dict[str, Any]:
    """What was found, as JSON has it: the fields of the log, those of several lines as arrays."""
    decision = line = more = None
    if isinstance(found, LoggedDecision):
        more = _more(found)
        several = {name: list(found.lines(name)) for name in ("why", "remedies") if name in found.fields}
        decision = {**found.fields, **several}
    elif found is not None:
        line = one_line(found)[:LONGEST]
    return {"version": 1, "instance": instance, "decision": decision, "line": line, "more": more}


Line = tuple[str, str]
"""A line of the output and its colour; empty for none."""


def _write(out: TextIO, lines: Iterable[Line]) -> None:
    style = Style.of(out)
    width = style.width if out.isatty() else None
    for text, colour in lines:
        out.writelines(f"{style.paint(part, colour) if colour else part}\n" for part in _wrapped(text, width))


def _wrapped(line: str, width: int | None) -> list[str]:
    """A line in as many as fit a terminal of this width, the others indented further."""
    if width is None or len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _missing(line: str | None, instance: str, log: str) -> list[Line]:
    where = "standard input" if log == "-" else log
    if line is None:
        return [(f"{instance} is not in {where}", ""), (_NOT_LOGGED, "")]
    return [(f"{instance} is in {where}, but only as text: {one_line(line)[:LONGEST]}", ""), (_AS_FIELDS, "")]


def _told(found: LoggedDecision) -> Iterator[Line]:
    outcome = found.text("outcome") or "?"
    answer = " ".join(filter(None, (found.text("status"), found.text("reason"))))
    title = f"{outcome}: {found.text('route') or '?'}  {answer}".rstrip()
    yield title, "in" if outcome == "allowed" else "never"
    more = _more(found)
    for label, said in (
        ("caller", _who(found)),
        ("via", found.text("via")),
        ("app", found.text("app")),
        ("rule", found.text("rule")),
        ("detail", found.text("detail")),
        ("remedy", found.text("remedy") or found.text("mend")),
        ("more", "{command} ({page})".format(**more) if more else None),
    ):
        if said:
            yield f"  {label:<7} {said}", ""
    yield from _instead(found)
    tree = found.lines("why")
    if tree:
        yield "", ""
        yield from ((f"  {line}", "in" if line.lstrip().startswith("+") else "never") for line in tree)
    yield from _remedies(found)


def _more(found: LoggedDecision) -> dict[str, str] | None:
    """Where more is said of a refusal's reason."""
    reason = found.fields.get("reason")
    if reason not in set(Reason):
        return None
    return {"command": f"callerid explain {reason}", "page": f"docs/errors.md#{reason}"}


def _instead(found: LoggedDecision) -> Iterator[Line]:
    """What came of a decision that answered nobody."""
    if found.text("outcome") == WOULD_REFUSE["outcome"]:
        yield "  it was let through: the rules were not enforced (enforce=False)", ""
    live = found.text("live")
    if live is not None:
        yield f"  by the rules in force: {live} (this is what the shadow= table would do)", ""


def _who(found: LoggedDecision) -> str:
    caller, subject = found.text("caller"), found.text("subject")
    if caller is None:
        return "nobody: no credential was sent, or none that could be believed"
    account = "" if subject is None or subject in caller else f", account {subject}"
    return f"{caller}{account}, says {found.text('issuer')}"


def _remedies(found: LoggedDecision) -> Iterator[Line]:
    nearest, remedies = found.text("nearest"), found.lines("remedies")
    if nearest or remedies:
        yield "", ""
    if nearest:
        yield f"nearest: {nearest}", ""
    if remedies:
        yield f"to let this caller in{', the narrowest first' if len(remedies) > 1 else ''}, if they should be:", ""
        yield from ((f"  {number}. {each}", "") for number, each in enumerate(remedies, 1))
    if any(each.startswith("write ") for each in remedies):
        yield _ELSEWHERE, ""


_ELSEWHERE = (
    "A rule that stands at a router, a floor or the default holds at other routes, too, and a middleware may ask for "
    "more: callerid routes shows where each stands."
)

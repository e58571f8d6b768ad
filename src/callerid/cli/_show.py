"""``callerid show``: what a token says, of which nothing is verified."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any, Final, TextIO

import click

from callerid.cli._claim_notes import LikelyIssuer, claim_note, likely_issuer, odd_claims
from callerid.cli._frame import MISSING, cli_command, json_option, json_text
from callerid.cli._table import Style
from callerid.cli._token_input import token_from
from callerid.cli._unverified import UnverifiedToken, taken_apart
from callerid.errors import one_line

__all__ = ["command", "show"]

_TITLE: Final = "UNVERIFIED: anybody can have written this. A guard verifies it before it believes a word."
_LONGEST_VALUE: Final = 2000


@cli_command(
    "show", codes={0: "it was decoded, whatever it is worth", 1: "it is no JWT that can be decoded", 2: MISSING}
)
@click.argument("token", required=False)
@json_option
def command(out: TextIO, token: str | None, *, as_json: bool) -> int:
    """Show what a token says, without verifying it.

    Prints its header and claims, what each claim means, which issuer would verify it and what is odd about it. The
    token is read from standard input, or on a terminal by a prompt that does not show it. One that is given as an
    argument stays in the shell's history. Neither the token nor its signature is printed.

    \b
    callerid show < token.txt
    """  # noqa: D301 - click reads the character that is meant
    return show(out, token_from(token), now=time.time(), as_json=as_json)


def show(out: TextIO, token: str, *, now: float, as_json: bool = False) -> int:
    """Write what a token says; returns the exit code. ``now`` is in seconds since 1970."""
    read = taken_apart(token)
    likely = None if read.claims is None else likely_issuer(read.claims)
    odd = [*read.odd, *(() if read.claims is None else odd_claims(read.claims, now))]
    if as_json:
        out.write(json_text(_document(read, likely, odd, now)))
    else:
        out.writelines(f"{_writable(line, out)}\n" for line in _lines(read, likely, odd, now, Style.of(out)))
    return 1 if read.header is None or read.claims is None else 0


def _document(read: UnverifiedToken, likely: LikelyIssuer | None, odd: list[str], now: float) -> dict[str, Any]:
    notes = {name: claim_note(name, value, now) for name, value in (read.claims or {}).items()}
    return {
        "version": 1,
        "verified": False,
        "family": None if likely is None else likely.family,
        "issuer": None if likely is None or not likely.call else likely.call,
        "header": read.header,
        "claims": read.claims,
        "notes": {name: note for name, note in notes.items() if note},
        "odd": odd,
    }


def _lines(
    read: UnverifiedToken, likely: LikelyIssuer | None, odd: list[str], now: float, style: Style
) -> Iterator[str]:
    yield style.paint(_TITLE, "never")
    for title, members in (("header", read.header), ("claims", read.claims)):
        yield ""
        yield style.paint(title if members is not None else f"{title}: cannot be decoded", "head")
        for name, value in (members or {}).items():
            note = claim_note(name, value, now) if title == "claims" else ""
            yield f"  {one_line(name)[:_LONGEST_VALUE]}: {_value(value)}"
            if note:
                yield style.paint(f"      {note}", "dim")
    if likely is not None:
        yield ""
        yield f"It looks like {one_line(likely.family)}."
        if likely.call:
            yield f"It would be verified by {likely.call}."
    if odd:
        yield ""
        yield style.paint("odd", "head")
        yield from (style.paint(f"  - {one_line(each)}", "out") for each in odd)


def _value(value: object) -> str:
    text = one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}... ({len(text)} characters)"


def _writable(line: str, out: TextIO) -> str:
    """The line in what the output can write; all else is escaped."""
    encoding = out.encoding or "utf-8"
    return line.encode(encoding, "backslashreplace").decode(encoding)

"""``callerid explain``: what the page of errors says of a start-up error's code, or of a refusal's reason."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO

import click

import callerid
from callerid.cli._frame import MISSING, cli_command, json_option, json_text
from callerid.cli._trouble import CommandError

__all__ = ["command", "explained", "sections"]

_PAGE = "errors.md"
_REMARK = re.compile(r"<!-- .*? -->\n")
"""Of the tests that run the page's blocks."""

_HEADING = re.compile(r"(?m)^#{2,3} +(.+?) *$")


@cli_command("explain", codes={0: "it was printed", 2: MISSING})
@click.argument("name")
@json_option
def command(out: TextIO, name: str, *, as_json: bool) -> int:
    """Say more about an error's code, or a refusal's reason.

    Prints the cause, the remedy and an example. NAME is a code, which stands at the end of a start-up error's message
    (such as 'audience'), or a reason that a refused client was given (such as 'wrong_audience').
    """
    text = explained(name)
    out.write(json_text({"version": 1, "name": name, "text": text}) if as_json else text)
    return 0


def explained(name: str) -> str:
    """The section of a code or a reason, as Markdown. Raises `CommandError` for a name that is neither."""
    known = sections(_page())
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "it stands at the end of an error's message, or in the log"
    raise CommandError(f"there is no code or reason {name!a}: {hint}")


def sections(page: str) -> dict[str, str]:
    """The sections of the page by the code or the reason that is their heading."""
    _, *rest = _HEADING.split(page)
    found = zip(rest[::2], rest[1::2], strict=True)
    return {name: f"{name}\n\n{_REMARK.sub('', text).strip()}\n" for name, text in found if " " not in name}


def _page() -> str:
    """The page lies in the package in a wheel, and in ``docs/`` in a checkout."""
    package = Path(callerid.__file__).parent
    for folder in (package / "_docs", package.parents[1] / "docs"):
        if (file := folder / _PAGE).is_file():
            return file.read_text(encoding="utf-8")
    raise CommandError("the page of errors is not part of this installation: install callerid from its wheel")

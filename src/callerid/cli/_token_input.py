"""How a command is handed a token: by standard input, by a prompt without echo, or as an argument, with a warning."""

from __future__ import annotations

import getpass
import sys
from typing import Final

from callerid.cli._trouble import CommandError

__all__ = ["LONGEST_INPUT", "token_from"]

LONGEST_INPUT: Final = 65_536
"""Characters that are read at most; a guard reads tokens of up to 8192 bytes."""

_WARNING = (
    "callerid: warning: shells keep arguments in their history, and other users see them: hand the token in by "
    "standard input\n"
)


def token_from(argument: str | None) -> str:
    """The token, without white space around it and without ``Authorization:`` and ``Bearer`` before it.

    Without an argument, or with ``-``, it is read from standard input: on a terminal by a prompt that does not show it.
    Raises `CommandError` where there is none, or too much.
    """
    if argument not in (None, "-"):
        sys.stderr.write(_WARNING)
        return _bare(argument)
    if sys.stdin is None:
        raise CommandError("no token was given: standard input is closed")
    try:
        text = _prompted() if sys.stdin.isatty() else sys.stdin.read(LONGEST_INPUT + 1)
    except UnicodeDecodeError:
        raise CommandError("standard input is not UTF-8, so it is no token") from None
    return _bare(text)


def _prompted() -> str:
    # A terminal hands over lines of at most 4095 characters.
    try:
        return getpass.getpass("Token (it is not shown): ", stream=sys.stderr)
    except EOFError:
        return ""


def _bare(text: str) -> str:
    if len(text) > LONGEST_INPUT:
        raise CommandError(f"no token is so long: over {LONGEST_INPUT} characters")
    for prefix in ("authorization:", "bearer "):
        text = text.strip()
        if f"{text} ".casefold().startswith(prefix):
            text = text[len(prefix) :]
    if not text.strip():
        raise CommandError("no token was given: hand it in by standard input")
    return text.strip()

"""Help texts that fit a terminal of 80 columns, and exit codes in words."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping, Sequence

__all__ = ["MISSING", "Help", "codes"]

MISSING = "wrong usage, or something is missing, cannot be read or fails"
"""What exit code 2 means everywhere."""

_WIDTH = 78
"""argparse keeps two columns of the terminal free."""


class Help(argparse.HelpFormatter):
    """Paragraphs are filled; a text of several lines stays as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


def codes(meanings: Mapping[int, str | Sequence[str]]) -> str:
    """The exit codes of a command as the last paragraph of its help; a code may have several meanings."""
    lines = ["exit codes:"]
    for code, meaning in meanings.items():
        label = f"  {code:<4} "
        for each in (meaning,) if isinstance(meaning, str) else meaning:
            lines += textwrap.wrap(each, _WIDTH, initial_indent=label, subsequent_indent=" " * 7)
            label = " " * 7
    return "\n".join(lines)

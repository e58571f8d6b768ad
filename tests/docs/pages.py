"""The pages of docs/ and their code blocks, as the tests read and run them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

A_DAY = "2027-01-31"
"""The day that pages name where one is to come: tests run with another, so that it always is."""

_FENCE = re.compile(r"(?ms)^( *)```([^\n`]*)\n(.*?)^\1``` *$")
_TITLE = re.compile(r'title="([^"]+)"')
_NOT_RUN = re.compile(r"<!-- not run: *(.*?) *-->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: its language, the file it stands for, and why it is not run, if so."""

    page: str
    line: int
    language: str
    title: str
    text: str
    not_run: str | None

    def __str__(self) -> str:
        return f"docs/{self.page}:{self.line}"

    @property
    def code(self) -> str:
        """The text with so many empty lines before it that tracebacks name the lines of the page."""
        return "\n" * self.line + self.text


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def blocks_of(page: str, text: str | None = None) -> list[Block]:
    return list(_blocks(page, text_of(page) if text is None else text))


def _blocks(page: str, text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        language, _, attributes = found[2].strip().partition(" ")
        title = _TITLE.search(attributes)
        marker = _NOT_RUN.search(text, 0, found.start())
        yield Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            language,
            title[1] if title else "",
            textwrap.dedent(found[3]).replace(A_DAY, str(datetime.now(UTC).date() + timedelta(days=60))),
            marker[1] if marker else None,
        )


def without_blocks(text: str) -> str:
    """The text with each block emptied, its lines kept."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)

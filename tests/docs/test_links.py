"""Links between the pages, and to files of the repository, lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, PAGES, ROOT, without_blocks

_LINK = re.compile(r"\]\(\s*([^)\s]+?)\s*\)")
_WRITTEN_ANCHOR = re.compile(r"""\{#([\w-]+)\}|<a (?:id|name)="([\w-]+)">""")
DOCUMENTS = [path.name for path in ROOT.glob("*.md")] + [f"docs/{page}" for page in PAGES]


def anchors(path: Path) -> set[str]:
    """The anchors of a page: of its headings, as Python-Markdown makes them, and those that are written out."""
    text = without_blocks(path.read_text(encoding="utf-8"))
    headings = re.findall(r"(?m)^#+ (.*?)(?: *\{#[\w-]+\})?$", text)
    slugs = {re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}
    return slugs | {name for found in _WRITTEN_ANCHOR.findall(text) for name in found if name}


def links(document: str) -> list[str]:
    return _LINK.findall(without_blocks((ROOT / document).read_text(encoding="utf-8")))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_its_links_lead_somewhere(document: str) -> None:
    for link in links(document):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (ROOT / document).parent / file if file else ROOT / document
        assert target.is_file(), link
        assert target.is_relative_to(DOCS) or not document.startswith("docs/"), f"{link}: outside of the site"
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES)
def test_a_page_begins_with_its_one_title(page: str) -> None:
    text = without_blocks((DOCS / page).read_text(encoding="utf-8"))
    assert text.startswith("# ")
    assert len(re.findall(r"(?m)^# ", text)) == 1

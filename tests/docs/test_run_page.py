"""What runs the blocks of the pages fails where they are wrong."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import blocks_of
from tests.docs.run_page import Page


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Page("howto/made-up.md")
    for name in set(sys.modules) - before:
        del sys.modules[name]


def run(page: Page, text: str) -> None:
    for block in blocks_of("howto/made-up.md", text):
        page.run(block)


def test_blocks_of_python_share_their_names_and_import_the_files_before_them(page: Page) -> None:
    run(page, '```python title="told.py"\nNAME = "ada"\n```\n\n```python\nfrom told import NAME\n```\n')
    run(page, '```python\nassert NAME == "ada"\n```\n')


def test_a_block_that_raises_names_its_page_and_line(page: Page) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        run(page, "# Title\n\n```python\n1 / 0\n```\n")
    last = raised.traceback[-1]
    assert (str(last.path), last.lineno + 1) == ("docs/howto/made-up.md", 4)


def test_a_file_that_nobody_imports_is_imported_when_the_page_ends(page: Page) -> None:
    run(page, '```python title="broken.py"\nimport nothing_of_this_name\n```\n')
    with pytest.raises(ModuleNotFoundError):
        page.finish()


@pytest.mark.slow
def test_a_failing_test_fails_the_page(page: Page) -> None:
    run(page, '```python title="test_it.py"\ndef test_it():\n    assert False\n```\n')
    with pytest.raises(AssertionError, match="1 failed"):
        page.finish()


@pytest.mark.slow
def test_the_number_of_tests_that_a_page_tells_is_checked(page: Page) -> None:
    run(page, '```python title="test_it.py"\ndef test_it():\n    pass\n```\n')
    page.text = "Run `pytest`: 1 passed."
    page.finish()
    page.text = "Run `pytest`: 2 passed."
    with pytest.raises(AssertionError, match="1 passed"):
        page.finish()


def test_a_test_outside_of_a_file_is_refused(page: Page) -> None:
    with pytest.raises(AssertionError, match="give tests a title"):
        run(page, "```python\ndef test_it():\n    assert False\n```\n")


def test_a_command_that_fails_or_prints_something_else_fails_the_page(page: Page) -> None:
    run(page, "```console\n$ echo one \\\n    two\none...\n$ true\n```\n")
    with pytest.raises(AssertionError, match="prints"):
        run(page, "```console\n$ echo one\ntwo\n```\n")
    with pytest.raises(AssertionError, match="exit code 3"):
        run(page, "```sh\nexit 3\n```\n")


def test_a_block_says_why_it_is_not_run_on_the_line_before(page: Page) -> None:
    first, second = blocks_of("a.md", "<!-- not run: needs a cloud -->\n```sh\nexit 1\n```\n\n```sh\ntrue\n```\n")
    assert (first.not_run, second.not_run) == ("needs a cloud", None)

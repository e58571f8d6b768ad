"""Every code block of docs/ is run; what cannot be run here says why, and is at least of its language."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import hcl2
import pytest
import yaml

from tests.docs.pages import PAGES, ROOT, Block, blocks_of, text_of, without_blocks

RUN = {"python", "console", "sh"}
SHOWN = {"text", "http", "mermaid", "html", "javascript", "dockerfile", "ini", "nginx"}
BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def _shell(text: str) -> None:
    subprocess.run(["bash", "-n"], input=text, check=True, text=True, timeout=30)


def _console(text: str) -> None:
    _shell("\n".join(re.findall(r"(?m)^\$ ((?:.*\\\n)*.*)", text)))


PARSERS: dict[str, Callable[[str], object]] = {
    "python": ast.parse,
    "console": _console,
    "sh": _shell,
    "toml": tomllib.loads,
    "json": json.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "hcl": hcl2.loads,
}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_its_language_and_is_of_it(block: Block) -> None:
    assert block.language in {*PARSERS, *SHOWN}
    if block.language in PARSERS:
        PARSERS[block.language](block.text)


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_that_is_not_run_says_why(block: Block) -> None:
    assert block.not_run is None or len(block.not_run) > 10
    if block.language == "hcl":
        assert block.not_run, "no Terraform runs here: <!-- not run: needs Google Cloud -->"


@pytest.mark.parametrize("page", PAGES)
def test_code_stands_in_fences(page: str) -> None:
    """An indented block would be neither run nor read by these tests."""
    paragraphs = re.split(r"\n(?:[ \t]*\n)+", without_blocks(text_of(page)))
    within = re.compile(r" *(?:[-*+]|\d+\.|!!!|\?\?\?|===) ")
    for before, paragraph in pairwise(paragraphs):
        assert not paragraph.startswith("    ") or within.match(before) or before.startswith("    "), paragraph


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [page for page in PAGES if any(block.language in RUN for block in blocks_of(page))])
def test_the_blocks_of_a_page_run_one_after_the_other(page: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.docs.run_page", page],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout + done.stderr

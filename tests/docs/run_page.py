"""Runs the blocks of one page, in the current folder: `python -m tests.docs.run_page PAGE`.

- `python` blocks share one namespace. One with `title="app.py"` is a file instead: it is written when its turn comes,
  and imported when another block imports it, or else when a later block replaces it or the page ends.
- Other blocks with a title are files, too.
- `console` blocks have commands after `$ `, and below each what it prints; `...` there stands for anything.
- `sh` blocks are scripts for bash.
- Files named `test_*.py` are run by pytest when the page ends, `conftest.py` beside them is pytest's. So many must pass
  as the page says: "Run `pytest`: 4 passed".
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from tests.docs.pages import Block, blocks_of, text_of

_PATIENCE = 560  # seconds; tests/docs/test_blocks.py waits a little longer for the page
_PROGRAMS = """set -euo pipefail
python() { "$PYTHON" "$@"; }
callerid() { "$PYTHON" -m callerid "$@"; }
pytest() { "$PYTHON" -m pytest -p no:cacheprovider -p pytest_callerid "$@"; }
"""


class Page:
    """What a page has made so far: its namespace, its files."""

    def __init__(self, name: str, text: str = "") -> None:
        self.text = text
        self.module = ModuleType("page_" + re.sub(r"\W", "_", name.removesuffix(".md")))
        sys.modules[self.module.__name__] = self.module
        self.files: dict[str, Block] = {}

    def run(self, block: Block) -> None:
        if block.title:
            self.write(block)
        elif block.language == "python":
            assert not re.search(r"(?m)^(async )?def test_", block.text), f'{block}: give tests a title="test_....py"'
            exec(compile(block.code, str(block).rpartition(":")[0], "exec", dont_inherit=True), vars(self.module))
        elif block.language == "console":
            run_console(block)
        elif block.language == "sh":
            run_script(block, block.text)

    def write(self, block: Block) -> None:
        path = Path(block.title)
        assert not path.is_absolute(), f"{block}: {path}"
        if block.title in self.files:
            self.load(block.title)
            sys.modules.pop(module_name(path), None)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        importlib.invalidate_caches()
        self.files[block.title] = block

    def load(self, title: str) -> None:
        """Import a file of Python, unless that was done; tests are left to pytest."""
        path = Path(title)
        if path.suffix == ".py" and not is_test(path):
            importlib.import_module(module_name(path))

    def finish(self) -> None:
        for title in self.files:
            self.load(title)
        if any(is_test(Path(title)) for title in self.files):
            self.run_tests()

    def run_tests(self) -> None:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_callerid"]
        unhurried = {**os.environ, "CI": "true"}  # Hypothesis has no deadline there
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=_PATIENCE, env=unhurried)
        assert done.returncode == 0, done.stdout
        told = re.search(r"Run `pytest`: (\d+ passed)", self.text)
        assert told is None or f"{told[1]} in" in done.stdout, done.stdout


def is_test(path: Path) -> bool:
    return path.name == "conftest.py" or path.match("test_*.py")


def module_name(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def run_script(block: Block, script: str) -> str:
    done = subprocess.run(
        ["bash", "-c", _PROGRAMS + script],
        env={**os.environ, "PYTHON": sys.executable, "COLUMNS": "120", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    assert done.returncode == 0, f"{block}: {script}\nexit code {done.returncode}\n{done.stdout}"
    return done.stdout


def run_console(block: Block) -> None:
    assert block.text.startswith("$ "), f"{block}: a console block begins with a command: $ callerid --version"
    for part in re.split(r"(?m)^\$ ", block.text)[1:]:
        command, expected = split_command(part)
        printed = run_script(block, command)
        if expected.strip():
            shown = "\n".join(line.rstrip() for line in printed.strip().splitlines())
            pattern = ".*?".join(map(re.escape, expected.strip().split("...")))
            assert re.fullmatch(pattern, shown, re.DOTALL), f"{block}: {command}\nprints\n{shown}\nand not\n{expected}"


def split_command(part: str) -> tuple[str, str]:
    """The command, with the lines it goes on in after a backslash, and what it prints."""
    lines = part.splitlines(keepends=True)
    end = next(number for number, line in enumerate(lines, 1) if not line.rstrip("\n").endswith("\\"))
    return "".join(lines[:end]), "".join(lines[end:])


def main(name: str) -> None:
    sys.path.insert(0, str(Path.cwd()))
    page = Page(name, text_of(name))
    for block in blocks_of(name):
        if block.not_run is None:
            page.run(block)
    page.finish()


if __name__ == "__main__":
    main(sys.argv[1])

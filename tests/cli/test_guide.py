"""docs/cli.md: every command has a section, and every example in it is one that the command accepts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from callerid.cli.command import COMMANDS

GUIDE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"(?ms)^## (\w+)\n(.*?)(?=^## |\Z)", GUIDE))
EXAMPLES = [(name, line) for name, text in SECTIONS.items() for line in re.findall(r"(?m)^\$ callerid (.*)$", text)]


def test_every_command_has_a_section_with_an_example() -> None:
    assert list(SECTIONS) == [entry.name for entry in COMMANDS]
    assert {name for name, _ in EXAMPLES} == set(SECTIONS)


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_every_example_is_accepted(name: str, line: str) -> None:
    (entry,) = (each for each in COMMANDS if each.name == name)
    program, *arguments = shlex.split(re.split(" [<>] ", line)[0])
    assert program == name
    with entry.load().make_context(name, arguments) as context:
        assert context.info_name == name

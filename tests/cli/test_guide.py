"""docs/cli.md: every command has a section with an example, its options and its exit codes, as the help has them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from callerid.cli._command import COMMANDS
from callerid.cli._frame import MISSING, CliCommand, CommandEntry

GUIDE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"(?ms)^## (\w+)\n(.*?)(?=^## |\Z)", GUIDE))
CALLED = re.compile(r"""(?m)^\$ (?:eval "\$\()?callerid (\w+.*?)(?:\)")?$""")
EXAMPLES = [(name, line) for name, text in SECTIONS.items() for line in CALLED.findall(text)]


def test_every_command_has_a_section_with_an_example() -> None:
    assert list(SECTIONS) == [entry.name for entry in COMMANDS]
    assert {name for name, _ in EXAMPLES} == set(SECTIONS)


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_every_example_is_accepted(name: str, line: str) -> None:
    program, *arguments = shlex.split(re.split(" [<>] ", line)[0])
    (entry,) = (each for each in COMMANDS if each.name == program)
    with entry.load().make_context(program, arguments) as context:
        assert context.info_name == name


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_a_section_has_the_options_and_exit_codes_of_its_command(entry: CommandEntry) -> None:
    command = entry.load()
    assert isinstance(command, CliCommand)
    text = " ".join(SECTIONS[entry.name].split())
    options = {option for each in command.params if isinstance(each, click.Option) for option in each.opts}
    assert options <= set(re.findall(r"--[\w-]+", text))
    codes = {code: meaning for code, meaning in command.codes.items() if meaning != MISSING}
    assert re.findall(r"(?:Exit code|;) (\d+): ", text) == list(map(str, codes))
    assert all(f" {code}: {meaning}" in text for code, meaning in codes.items())

"""What the README shows runs, and what it counts is so."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import callerid
from callerid import Caller, FirebaseFacts, Reason
from callerid.testing import HOSTILE_VARIANTS

README = Path(__file__).parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")
ERRORS = ("invalid_token", "invalid_request", "insufficient_scope", "insufficient_user_authentication")
REFUSED = TEXT.split("## What is refused")[1].split("\n## ")[0]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_its_blocks_run_one_after_the_other() -> None:
    blocks = [(TEXT.count("\n", 0, found.start(1)), found[1]) for found in BLOCK.finditer(TEXT)]
    assert len(blocks) == TEXT.count("```python") == 3
    # A module of their own: FastAPI looks annotations up there.
    names: dict[str, Any] = {"__name__": "readme"}
    for line, block in blocks:
        exec(compile("\n" * line + block, str(README), "exec", dont_inherit=True), names)


def test_it_is_short() -> None:
    assert TEXT.count("\n") <= 175
    assert max(map(len, TEXT.splitlines())) <= 120


def test_it_names_the_two_commands_that_a_newcomer_needs() -> None:
    assert "`make demo`" in TEXT
    assert "`make test`" in TEXT


@pytest.mark.parametrize("kind", [Caller, FirebaseFacts])
def test_it_lists_every_field_of_a_caller(kind: Any) -> None:
    listed = re.split(r"`Caller`\s+has", TEXT)[1].split("\n\n")[0]
    assert [field.name for field in fields(kind) if field.repr and f"`{field.name}`" not in listed] == []


@pytest.mark.parametrize("reason", re.findall(r"`([a-z]+_[a-z_]+|expired)`", REFUSED))
def test_the_reasons_it_names_exist(reason: str) -> None:
    assert reason in {*Reason, *ERRORS}


def test_its_table_of_credentials_names_what_is_there() -> None:
    table = TEXT.split("| credential | issuer | rules |")[1].split("\n\n")[0]
    named = set(re.findall(r"`([A-Za-z_]+)(?=\(|`)", table))
    assert len(named) > 15
    assert sorted(name for name in named if not hasattr(callerid, name)) == []


def test_the_variants_it_counts_are_there() -> None:
    assert len(HOSTILE_VARIANTS) == 12

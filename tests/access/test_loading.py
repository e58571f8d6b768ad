"""An application by its name, and one line for what cannot be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from callerid.access import load
from callerid.errors import ConfigurationError
from tests.access.made import module

TEXT = (
    "class Settings:\n    app = 'an app'\n\n\ndef make_app():\n    return 'made'\n\n\ndef broken():\n    return 1 / 0\n"
)


def test_by_name_attribute_or_factory(tmp_path: Path) -> None:
    name = module(tmp_path, TEXT)
    try:
        assert [load(f"{name}:{each}", tmp_path) for each in ("Settings.app", "make_app()")] == ["an app", "made"]
        assert str(tmp_path) not in sys.path
    finally:
        del sys.modules[name]


def test_two_of_one_name_do_not_get_mixed_up(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        module(tmp_path / folder, f"app = {folder!r}", "named_alike")
    try:
        found = [load("named_alike:app", tmp_path / folder) for folder in ("a", "b", "a")]
        assert found == ["a", "b", "a"]
        assert sys.modules["named_alike"].app == "a"
    finally:
        del sys.modules["named_alike"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("app", "'app' does not name an application"),
        ("app:", "'app:' does not name an application"),
        ("app/x:y", "'app/x:y' does not name an application"),
        ("nowhere_to_be_found:app", "cannot import 'nowhere_to_be_found' from "),
        ("made_for_a_test:nothing", "made_for_a_test:nothing: made_for_a_test has no 'nothing'"),
        ("made_for_a_test:Settings.app()", "made_for_a_test:Settings.app(): 'Settings.app' is not a factory"),
        (
            "made_for_a_test:broken()",
            "made_for_a_test:broken(): the factory raised ZeroDivisionError: division by zero (at made_for_",
        ),
    ],
)
def test_what_cannot_be_had_is_told_in_one_line(name: str, said: str, tmp_path: Path) -> None:
    module(tmp_path, TEXT)
    try:
        with pytest.raises(ConfigurationError) as raised:
            load(name, tmp_path)
    finally:
        sys.modules.pop("made_for_a_test", None)
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import json\n\nraise RuntimeError('no\\nway')", "RuntimeError: no\\nway (at broken_for_a_test.py:3)"),
        ("import sys\n\nsys.exit(3)", "SystemExit: 3 (at broken_for_a_test.py:3)"),
        ("def x(:", "SyntaxError: invalid syntax (at broken_for_a_test.py:1)"),
        (
            "from callerid import *\nfrom callerid.fastapi import Guard\n\nGuard().protect(None, default=Public())",
            "broken_for_a_test.py:4)",
        ),
        ("import not_there_at_all", "No module named 'not_there_at_all' (at broken_for_a_test.py:1)"),
    ],
)
def test_what_its_module_raises_is_told_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    name = module(tmp_path, text, "broken_for_a_test")
    with pytest.raises(ConfigurationError) as raised:
        load(f"{name}:app", tmp_path)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no folder '.*nowhere' to import 'json' from"):
        load("json:dumps", tmp_path / "nowhere")

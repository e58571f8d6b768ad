"""The example application of the demo: found in a wheel or a checkout, and what it needs is named."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

import callerid
from callerid.cli import main
from callerid.cli._places import example_application
from callerid.cli._trouble import CommandError

if TYPE_CHECKING:
    from pathlib import Path


def test_the_example_is_found_in_a_checkout_and_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "src" / "callerid"
    monkeypatch.setattr(callerid, "__file__", str(package / "__init__.py"))
    with pytest.raises(CommandError, match="not part of this installation"):
        example_application({})
    for folder in (tmp_path / "examples", package / "_examples"):
        (folder / "fastapi_app").mkdir(parents=True)
        (folder / "fastapi_app" / "app.py").write_text(f"app = {folder.name!r}\n")
        assert example_application({}) == folder.name


def test_the_environment_is_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "callerid" / "_examples" / "fastapi_app"
    folder.mkdir(parents=True)
    (folder / "app.py").write_text("import os\napp = os.environ['KNOWN'], os.environ['CALLERID_NEW']\n")
    monkeypatch.setattr(callerid, "__file__", str(tmp_path / "callerid" / "__init__.py"))
    monkeypatch.setenv("KNOWN", "before")
    assert example_application({"KNOWN": "during", "CALLERID_NEW": "too"}) == ("during", "too")
    assert os.environ["KNOWN"] == "before"
    assert "CALLERID_NEW" not in os.environ
    assert "callerid_example" not in sys.modules


@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("fastapi", []),
        ("uvicorn", ["--serve"]),
        ("wsproto", ["--serve"]),
        ("flask", ["--app", "flask"]),
        ("gunicorn", ["--app", "flask", "--serve"]),
        ("waitress", ["--app", "flask", "--serve", "--server", "waitress"]),
    ],
)
def test_what_is_missing_is_named_in_one_line(
    missing: str, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find: Any = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    assert main(["demo", *arguments]) == 2
    assert capsys.readouterr().err == f"callerid: the demo needs {missing}: pip install 'callerid[cli]'\n"

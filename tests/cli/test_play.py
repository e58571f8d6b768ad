"""``callerid play``: the page is served for as long as the command stays."""

from __future__ import annotations

import importlib.util
import io
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import callerid.cli._play as module
from callerid.cli import main
from callerid.cli._demo import demo
from callerid.cli._play import PlayCommand, play

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app"
BARE = """
from fastapi import FastAPI
from callerid import Domain, google
from callerid.fastapi import Guard

app, guard = FastAPI(), Guard(google("https://orders.example.com", "1234-abc.apps.googleusercontent.com"))
guard.protect(app, default=Domain("example.com"))
"""


def page_at(printed: str) -> str:
    address = next(line for line in reversed(printed.splitlines()) if line.startswith("http://127.0.0.1:"))
    with urllib.request.urlopen(address, timeout=60) as answer:
        return str(answer.read().decode())


@pytest.mark.server
def test_the_page_shows_the_application_its_file_and_its_lock(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages: list[str] = []
    printed: list[str] = []

    def look() -> None:
        printed.append(capsys.readouterr().out)
        pages.append(page_at(printed[-1]))

    monkeypatch.setattr(module, "until_interrupted", look)
    assert main(["play", "app:app", "--app-dir", str(EXAMPLE), "--lock", str(EXAMPLE / "access.lock")]) == 0
    assert printed[0].startswith("Who may call what in app:app. Ctrl-C ends it.\nhttp://127.0.0.1:")
    assert "robot-with-a-token-for-the-task" in pages[0]  # of access.toml, beside the application
    assert "Nothing has changed since" in pages[0]


@pytest.mark.server
def test_an_application_without_a_file_gets_a_few_callers_and_the_end_is_clean(tmp_path: Path) -> None:
    (tmp_path / "bare_app.py").write_text(BARE)
    pages: list[str] = []
    out = io.StringIO()

    def look() -> None:
        pages.append(page_at(out.getvalue()))
        raise KeyboardInterrupt

    assert play(out, PlayCommand("bare_app:app", tmp_path, lifespan=False), stay=look) == 0
    assert "robot@some-project.iam.gserviceaccount.com" in pages[0]
    with pytest.raises(urllib.error.URLError):
        page_at(out.getvalue())


@pytest.mark.server
def test_for_a_program_the_address_is_one_line_of_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page_app.py").write_text(BARE)
    printed: list[str] = []
    monkeypatch.setattr(module, "until_interrupted", lambda: printed.append(capsys.readouterr().out))
    assert main(["play", "page_app:app", "--app-dir", str(tmp_path), "--json"]) == 0
    assert printed[0].count("\n") == 1
    found = json.loads(printed[0])
    assert list(found) == ["version", "application", "url"]
    assert found["url"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("app", ["fastapi", "flask"])
@pytest.mark.server
def test_the_demo_ends_with_the_address_of_its_page(app: str) -> None:
    pages: list[str] = []
    out = io.StringIO()

    def look() -> None:
        *_, what, address = out.getvalue().splitlines()
        assert what == "Who may call what, in a browser:"
        pages.append(page_at(address))

    assert demo(out, app=app, stay=look) == 0
    assert f"examples/{app}_app/app.py" in pages[0]
    assert "robot-with-a-token-for-the-task" in pages[0]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (["--host", "0.0.0.0"], "it is served on 127.0.0.1, ::1, localhost alone, not on '0.0.0.0'"),
        (["--host", "192.168.1.7"], "ssh -L PORT:127.0.0.1:PORT"),
        (["--access", "nowhere.toml"], "nowhere.toml"),
        (["--lock", "nowhere.lock"], "nowhere.lock"),
        (["--lock", str(EXAMPLE / "access.toml")], "access.toml"),
        (["--app-dir", "nowhere"], "app"),
    ],
)
def test_what_cannot_be_is_one_line(more: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["play", "app:app", "--app-dir", str(EXAMPLE), *more]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert problem in told.err
    assert told.err.count("\n") == 1


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
@pytest.mark.parametrize("command", [["play", "app:app"], ["demo", "--app", "flask", "--serve"]])
def test_what_is_missing_is_named(
    missing: str, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find: Any = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    assert main(command) == 2
    assert capsys.readouterr().err == f"callerid: the access page needs {missing}: pip install 'callerid[cli]'\n"

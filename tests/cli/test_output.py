"""The command's output is its own: what the application prints goes to standard error."""

from __future__ import annotations

import ctypes
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from callerid.cli import main
from callerid.cli._output import Output

pytestmark = pytest.mark.slow

TALKATIVE = """
import atexit, os, subprocess, sys
from flask import Flask
from callerid import Public, Where, google
from callerid.flask import Guard

print("print")
os.write(1, b"descriptor\\n")
subprocess.run([sys.executable, "-c", "print('child')"], check=True)
atexit.register(print, "at exit")

guard = Guard(google("1234-abc.apps.googleusercontent.com"))
app = Flask(__name__, static_folder=None)
guard.protect(app, default=Where("anybody", lambda caller: True))
app.get("/a")(guard.allow(Public())(lambda: ""))

def make_app():
    print("factory")
    return app
"""
SAID = {"print", "descriptor", "child", "factory"}


def started(folder: Path, *arguments: str, redirected: str = "") -> subprocess.Popen[str]:
    """The program, started in a shell in this folder."""
    command = f"{shlex.join([sys.executable, '-m', 'callerid', *arguments])} {redirected}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, shell=True, stdout=pipe, stderr=pipe, text=True, cwd=folder, env=environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "talkative_app.py").write_text(TALKATIVE)
    return tmp_path


@pytest.mark.parametrize("form", [["--json"], ["--json", "--check"], ["--json", "--no-new-access"], ["--markdown"], []])
def test_what_an_application_prints_is_no_part_of_the_output(form: list[str], folder: Path) -> None:
    def run(*options: str) -> str:
        with started(folder, "routes", "talkative_app:make_app()", *options) as program:
            out, err = program.communicate()
        assert program.returncode == 0
        assert {*err.splitlines()} == {*SAID, "at exit"}
        return out

    run("--lock", "main.lock")
    out = run(*form, "main.lock") if len(form) == 2 else run(*form)
    assert not {*out.splitlines()} & {*SAID, "at exit"}
    if "--json" in form:
        assert json.loads(out)["version"] == 1


def test_a_test_that_captures_gets_both(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "talkative_app.py").write_text(TALKATIVE.replace('atexit.register(print, "at exit")', ""))
    try:
        assert main(["routes", "talkative_app:make_app()", "--json", "--app-dir", str(folder)]) == 0
    finally:
        sys.modules.pop("talkative_app", None)
    said = capfd.readouterr()
    assert json.loads(said.out)["kind"] == "Flask"
    assert {*said.err.splitlines()} == SAID


def test_standard_output_is_as_it_was_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    output = Output()
    assert sys.stdout is not before
    print("aside")  # noqa: T201 - as an application does
    ctypes.CDLL(None).puts(b"aside, by C")
    ctypes.CDLL(None).fflush(None)
    output.file.write("own\n")
    output.give_back()
    assert sys.stdout is before
    print("again")  # noqa: T201
    said = capfd.readouterr()
    assert said.out == "own\nagain\n"
    assert {*said.err.splitlines()} == {"aside", "aside, by C"}


def test_what_is_held_in_memory_is_written_to_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.StringIO()
    monkeypatch.setattr(sys, "stdout", held)
    output = Output()
    assert output.file is held
    output.give_back()
    assert sys.stdout is held


def test_a_process_writes_by_a_descriptor_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open(1, "w", closefd=False, encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        output = Output()
        os.write(1, b"aside\n")
        output.file.write("own\n")
        output.give_back()
        assert sys.stdout is stdout
        assert output.file.closed
    assert capfd.readouterr() == ("own\n", "aside\n")


def test_what_was_closed_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(*_: int) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(os, "dup", closed)
    output = Output()
    output.file.write("to nowhere")
    output.give_back()
    assert sys.stdout is None


def test_where_standard_error_is_closed_the_application_writes_nowhere(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    dup2 = os.dup2

    def closed(descriptor: int, other: int) -> int:
        if (descriptor, other) == (2, 1):
            raise OSError(9, "Bad file descriptor")
        return dup2(descriptor, other)

    monkeypatch.setattr(os, "dup2", closed)
    output = Output()
    os.write(1, b"aside\n")
    output.give_back()
    os.write(1, b"again\n")
    assert capfd.readouterr() == ("again\n", "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_descriptors_are_no_trouble(closed: str, folder: Path) -> None:
    (folder / "talkative_app.py").write_text(TALKATIVE.replace('os.write(1, b"descriptor\\n")', ""))
    with started(folder, "routes", "talkative_app:app", redirected=closed) as program:
        out, err = program.communicate()
    assert program.returncode == 0
    assert "Traceback" not in err
    assert ("GET /a" in out) is (closed == "2>&-")
    assert "at exit" not in out


def test_the_reader_may_close_the_output(folder: Path) -> None:
    with started(folder, "routes", "talkative_app:app") as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.wait() == 141
        assert {*program.stderr.read().splitlines()} == {*SAID, "at exit"} - {"factory"}

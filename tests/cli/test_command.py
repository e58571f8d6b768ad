"""The command line: one line for a mistake, and a clean end."""

from __future__ import annotations

import importlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

import callerid
import callerid.cli.command as module
from callerid.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "callerid: the following arguments are required: COMMAND"),
        (["dance"], "callerid: argument COMMAND: invalid choice: 'dance'"),
        (["demo", "--fast"], "callerid: unrecognized arguments: --fast (see callerid --help)"),
        (["demo", "--app", "django"], "callerid demo: argument --app: invalid choice: 'django'"),
        (["demo", "--server", "waitress"], "callerid: --server waitress: fastapi is run by uvicorn"),
        (["demo", "--app", "flask", "--server", "x"], "callerid: --server x: flask is run by gunicorn or waitress"),
        (["issuer", "--port", "x"], "callerid issuer: argument --port: 'x' is not a port: 0 to 65535"),
        (["issuer", "--port", "65536"], "callerid issuer: argument --port: '65536' is not a port: 0 to 65535"),
        (["issuer", "--service-account", "ada@example.com"], "callerid: 'ada@example.com' is not a service account"),
        (["issuer", "--workspace-person", "ada@gmail.com"], "callerid: Google mints no such token: gmail.com belongs"),
        (["issuer", "--client-id", "https://a.example", "--person", "ada@gmail.com"], "callerid: Google mints no such"),
        (["issuer", "--firebase-user", ""], "callerid: Google mints no such token: "),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(said)
    assert told.err.count("\n") == 1
    assert "hostile" not in told.err


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["issuer", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"callerid: cannot listen on port {port}: Address already in use\n"


COMMANDS = ("demo", "issuer", "routes", "check", "why")


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_tells_the_exit_codes_and_fits_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*command.split(), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "exit codes:" in lines
    assert max(map(len, lines)) <= 80
    assert {line.split()[0] for line in lines[lines.index("exit codes:") :]} >= {"0", "2"}


def test_the_help_of_the_whole_tells_what_1_means_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    _, _, codes = capsys.readouterr().out.partition("exit codes:")
    assert re.findall(r"(?m)^  (?:1  |   )  (\w+): ", codes) == ["demo", "routes", "check", "why", "doctor"]


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"callerid {callerid.__version__}\n"
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert callerid.__version__ == project["version"]


def test_what_the_transport_and_the_metadata_client_of_google_auth_import_is_installed_with_callerid() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(each.startswith("google-auth[requests,urllib3]") for each in project["dependencies"])


@pytest.mark.parametrize("name", ["callerid", "callerid.cli"])
def test_python_runs_it_as_a_module(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["callerid", "--version"])
    monkeypatch.delitem(sys.modules, f"{name}.__main__", raising=False)
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"{name}.__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"callerid {callerid.__version__}\n"


def test_the_program_ends_with_the_code_of_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["callerid", "dance"])
    with pytest.raises(SystemExit) as ended:
        module.run()
    assert ended.value.code == 2


@pytest.mark.parametrize(("trouble", "code"), [(KeyboardInterrupt, 130), (BrokenPipeError, 141)])
def test_an_end_from_outside_is_no_traceback(
    trouble: type[BaseException], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: object, **__: object) -> int:
        raise trouble

    monkeypatch.setattr(module, "demo", ended)
    with Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        assert main(["demo"]) == code


def test_what_raises_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "demo", lambda *_, **__: 1 // 0)
    assert main(["demo"]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_it_may_run_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "demo", lambda *_, **__: 0)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(main(["demo"])))
    thread.start()
    thread.join()
    assert codes == [0]


def test_the_demo_stays_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def noted(_: object, *, stay: object, **_options: object) -> int:
        asked.append(stay)
        return 0

    monkeypatch.setattr(module, "demo", noted)
    assert [main(["demo"]), main(["demo", "--serve"])] == [0, 0]
    assert asked == [None, module._until_interrupted]


def test_sigterm_is_a_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "demo", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    assert main(["demo"]) == 130


def test_sigterm_is_handled_as_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert main(["issuer", "--service-account", "x"]) == 2
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_an_issuer_stays_until_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], http: requests.Session
) -> None:
    def look() -> None:
        told = capsys.readouterr().out
        google, *others = re.findall(r"_KEYS_URL=(\S+)", told)
        assert http.get(google).json()["keys"]
        assert [len(http.get(url).json()) for url in others] == [1, 1, 1]
        *_, address = re.findall(r"curl -H 'Metadata-Flavor: Google' '(\S+)'", told)
        assert "robot@shop-prod.iam.gserviceaccount.com" in told
        assert http.get(address, headers={"Metadata-Flavor": "Google"}).text.count(".") == 2
        assert re.findall(r"A token of (.*), good for an hour:\n  \S+\.\S+\.\S+\n", told) == [
            "eve@gmail.com, for 1234-abc.apps.googleusercontent.com",
            "ada@example.com, for 1234-abc.apps.googleusercontent.com",
            "Firebase user u1 of shop-test",
        ]
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_until_interrupted", look)
    wanted = ["--person", "eve@gmail.com", "--workspace-person", "ada@example.com", "--firebase-user", "u1"]
    account = ["--service-account", "robot@shop-prod.iam.gserviceaccount.com", "--project", "shop-test"]
    assert main(["issuer", *wanted, *account]) == 0


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT as a terminal's user has it; what a script runs in the background is born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.server
@pytest.mark.parametrize(
    ("arguments", "up"), [(["demo", "--serve"], "# scheduler: 204"), (["issuer"], "Ctrl-C ends it.")]
)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.usefixtures("interruptible")
def test_a_signal_ends_it_cleanly(arguments: list[str], up: str, how: signal.Signals) -> None:
    command = [sys.executable, "-m", "callerid.cli", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            for line in running.stdout:
                if line.startswith(up):
                    break
            running.send_signal(how)
            assert running.wait(30) == 0
            assert running.stderr.read() == ""
        finally:
            running.kill()


@pytest.mark.usefixtures("interruptible")
def test_staying_ends_with_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is None
            os.kill(os.getpid(), signal.SIGINT)
            return super().wait(timeout)

    monkeypatch.setattr(threading, "Event", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        module._until_interrupted()

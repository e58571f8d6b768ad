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

import click
import pytest
import requests

import callerid
import callerid.cli._command as module
import callerid.cli._demo as demo_module
import callerid.cli._issuer as issuer_module
from callerid.cli import main
from callerid.cli._frame import COMPLETE, CommandEntry
from callerid.cli._staying import until_interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "callerid: Missing command. (see callerid --help)"),
        (["dance"], "callerid: No such command 'dance'."),
        (["dance\n\x1b[31m"], "callerid: No such command 'dance"),
        (["demo", "--fast"], "callerid demo: No such option"),
        (["demo", "twice"], "callerid demo: Got unexpected extra argument (twice) (see callerid demo --help)"),
        (["demo", "--app", "django"], "callerid demo: Invalid value for '--app': 'django' is not one of 'fastapi',"),
        (["demo", "--server", "waitress"], "callerid: --server waitress: fastapi is run by uvicorn"),
        (["demo", "--app", "flask", "--server", "x"], "callerid: --server x: flask is run by gunicorn or waitress"),
        (["issuer", "--port", "x"], "callerid issuer: Invalid value for '--port': 'x' is not a valid integer"),
        (["issuer", "--port", "65536"], "callerid issuer: Invalid value for '--port': 65536 is not in the range 0<=x"),
        (["completion", "tcsh"], "callerid completion: Invalid value for '"),
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
    assert told.err[:-1].isprintable()


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["issuer", "--port", str(port)]) == 2
    assert capsys.readouterr().err == f"callerid: cannot listen on port {port}: Address already in use\n"


ENTRIES = {entry.name: entry for entry in module.COMMANDS}


@pytest.mark.parametrize("command", ["", *ENTRIES])
def test_help_tells_the_exit_codes_and_fits_80_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert main([*command.split(), "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "exit codes:" in lines
    assert max(map(len, lines)) <= 80
    codes = {line[:6].strip() for line in lines[lines.index("exit codes:") :]}
    assert codes >= {"0", "2"}
    assert command == "" or ("1" in codes) is bool(ENTRIES[command].one)


def test_the_help_of_the_whole_tells_what_1_means_for_each_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    _, _, codes = capsys.readouterr().out.partition("exit codes:")
    expected = [entry.name for entry in module.COMMANDS if entry.one]
    assert expected[:1] == ["demo"]
    assert re.findall(r"(?m)^  (?:1  |   )  (\w+): ", codes) == expected


@pytest.mark.parametrize("entry", module.COMMANDS, ids=lambda entry: entry.name)
def test_each_command_is_one_module_whose_help_begins_as_the_table_says(entry: CommandEntry) -> None:
    command = entry.load()
    assert command.name == entry.name
    assert all(each.help for each in command.params if isinstance(each, click.Option))
    assert len(entry.help) <= 60
    assert entry.help.endswith(".")


def test_no_module_hides_one_of_python_from_the_servers_that_are_started_in_this_folder() -> None:
    assert not {path.stem for path in Path(module.__file__).parent.glob("*.py")} & sys.stdlib_module_names


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["dance"]])
def test_no_command_is_imported_that_is_not_called(arguments: list[str]) -> None:
    code = "import sys; from callerid.cli import main; main(sys.argv[1:]); print(*sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    loaded = set(done.stderr.split())
    assert "callerid.cli._command" in loaded
    assert not {f"callerid.cli._{entry.module}" for entry in module.COMMANDS} & loaded
    assert not {"cryptography", "urllib3", "callerid.testing", "asyncio"} & loaded


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

    monkeypatch.setattr(demo_module, "demo", ended)
    with Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stdout", nowhere)
        assert main(["demo"]) == code


def test_what_raises_is_no_verdict(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo_module, "demo", lambda *_, **__: 1 // 0)
    assert main(["demo"]) == 2
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_it_may_run_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_module, "demo", lambda *_, **__: 0)
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

    monkeypatch.setattr(demo_module, "demo", noted)
    assert [main(["demo"]), main(["demo", "--serve"])] == [0, 0]
    assert asked == [None, until_interrupted]


def test_sigterm_is_a_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_module, "demo", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
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
            "Firebase user u1, for shop-test",
        ]
        raise KeyboardInterrupt

    monkeypatch.setattr(issuer_module, "until_interrupted", look)
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
    ("arguments", "up"),
    [
        (["demo", "--serve"], "http://127.0.0.1:"),
        (["issuer"], "Ctrl-C ends it."),
        (["play", "app:app", "--app-dir", str(EXAMPLE)], "http://127.0.0.1:"),
    ],
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
        until_interrupted()


@pytest.mark.parametrize(("shell", "said"), [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --no")])
def test_a_script_makes_a_shell_complete(shell: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert said in script
    assert COMPLETE in script


def completed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str) -> list[str]:
    """What bash is told may come next, where the last word is being typed."""
    monkeypatch.setenv(COMPLETE, "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    assert main([]) == 0
    return capsys.readouterr().out.split()


def test_commands_options_values_and_files_are_completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert completed(monkeypatch, capsys, "callerid de") == ["plain,demo"]
    assert completed(monkeypatch, capsys, "callerid --vers") == ["plain,--version"]
    assert {"plain,demo", "plain,issuer", "plain,routes"} <= set(completed(monkeypatch, capsys, "callerid "))
    assert completed(monkeypatch, capsys, "callerid demo --app f") == ["plain,fastapi", "plain,flask"]
    assert completed(monkeypatch, capsys, "callerid routes app:app --loc") == ["plain,--lock"]
    assert completed(monkeypatch, capsys, "callerid check app:app acc") == ["file,acc"]


@pytest.mark.slow
def test_the_reader_of_the_help_may_close_it() -> None:
    command = [sys.executable, "-m", "callerid", "--help"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        assert program.wait(30) == 141
        assert program.stderr.read() == ""

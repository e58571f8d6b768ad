"""``--json``: one document of a stable shape, and nothing else on standard output. And progress, on standard error."""

from __future__ import annotations

import io
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import callerid.cli._demo as demo_module
import callerid.cli._frame as frame_module
import callerid.cli._issuer as issuer_module
from callerid.cli import main
from callerid.cli._command import COMMANDS
from callerid.cli._frame import progress, waiting
from callerid.cli._scenes import Outcome
from callerid.errors import Reason

EXAMPLES = Path(__file__).parents[2] / "examples"
CLIENT = "1234-abc.apps.googleusercontent.com"


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main([*arguments, "--json"])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert next(iter(found.items())) == ("version", 1)
    return code, found


def test_every_command_that_answers_has_it() -> None:
    without = {entry.name for entry in COMMANDS if all(each.name != "as_json" for each in entry.load().params)}
    assert without == {"completion"}  # a script


def test_explain_has_the_section_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = document(capsys, "explain", "not_allowed")
    assert (code, list(found), found["name"]) == (0, ["version", "name", "text"], "not_allowed")
    assert found["text"].startswith("not_allowed\n\n**Cause.** 403. ")


@pytest.fixture
def access(tmp_path: Path) -> Path:
    file = tmp_path / "access.toml"
    file.write_text(
        '[personas.ben]\nfirebase_user = "ben"\nmay = ["GET /users/ada/orders"]\nmay_not = ["GET /products"]\n',
        encoding="utf-8",
    )
    return file


@pytest.mark.slow
def test_check_has_every_call(access: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sys.modules.pop("app", None)
    try:
        code, found = document(capsys, "check", "app:app", str(access), "--app-dir", str(EXAMPLES / "flask_app"))
    finally:
        sys.modules.pop("app", None)
    assert code == 1
    assert list(found) == [*("version", "file", "calls", "failed", "never_served", "untested", "problems", "unseen")]
    assert found["calls"][0] == {
        "persona": "ben",
        "call": "GET /users/ada/orders",
        "may": True,
        "as_expected": False,
        "said": "refused with 403 not_allowed",
        "why": ["- firebaseUser:{user_id}: the caller is firebase:shop-prod/ben, the path names 'ada'"],
    }
    assert (found["file"], found["failed"], len(found["calls"])) == (str(access), 2, 2)
    assert found["untested"][:1] == ["GET /static/<path:filename>"]
    assert (found["never_served"], found["problems"], found["unseen"]) == ([], [], [])


def test_check_has_the_problems_of_the_application(
    access: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "unguarded_app.py").write_text("from flask import Flask\napp = Flask(__name__)\n", encoding="utf-8")
    try:
        code, found = document(capsys, "check", "unguarded_app:app", str(access), "--app-dir", str(tmp_path))
    finally:
        sys.modules.pop("unguarded_app", None)
    assert (code, found["calls"]) == (1, [])
    assert found["problems"][0].startswith("no guard protects this Flask application")


INSTANCE = "urn:uuid:0b5e1c1e-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("line", "code", "decision", "text"),
    [
        (
            {"callerid": {"instance": INSTANCE, "outcome": "refused", "why": "- one\n  - two", "detail": "a\x1b"}},
            0,
            {"instance": INSTANCE, "outcome": "refused", "why": ["- one", "  - two"], "detail": "a\x1b"},
            None,
        ),
        ({"message": f"refused {INSTANCE}"}, 1, None, f'{{"message": "refused {INSTANCE}"}}'),
        ({"message": "other"}, 1, None, None),
    ],
)
def test_why_has_the_fields_of_the_decision(
    line: Any, code: int, decision: Any, text: str | None, *, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "app.log"
    log.write_text(json.dumps(line) + "\n", encoding="utf-8")
    found = document(capsys, "why", INSTANCE, str(log))
    assert found == (code, {"version": 1, "instance": INSTANCE, "decision": decision, "line": text, "more": None})


def more_of(reason: str, log: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Where ``why`` says that more is said of a reason."""
    log.write_text(json.dumps({"instance": INSTANCE, "outcome": "refused", "reason": reason}), encoding="utf-8")
    return document(capsys, "why", INSTANCE, str(log))[1]["more"]


@pytest.mark.parametrize("reason", Reason)
def test_why_names_where_more_is_said_of_a_reason(
    reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = more_of(reason, tmp_path / "app.log", capsys)
    assert more == {"command": f"callerid explain {reason}", "page": f"docs/errors.md#{reason}"}
    assert main(more["command"].split()[1:]) == 0
    assert capsys.readouterr().out.startswith(reason)


def test_why_reads_a_log_that_begins_with_a_byte_order_mark(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "app.log"
    log.write_text("\ufeff" + json.dumps({"instance": INSTANCE, "outcome": "refused"}, indent=2), encoding="utf-8")
    assert document(capsys, "why", INSTANCE, str(log))[1]["decision"]["outcome"] == "refused"


def test_why_names_nothing_for_a_reason_of_another_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert more_of("too_late", tmp_path / "app.log", capsys) is None


@pytest.mark.slow
def test_demo_has_every_call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_module, "CALLERS", {"stranger": "", "ada": ""})
    monkeypatch.setattr(demo_module, "INVALID", {})
    expected = {("GET /health", "stranger"): Outcome(200), ("GET /health", "ada"): Outcome(418)}
    monkeypatch.setattr(demo_module, "expected", lambda _: expected)
    code, found = document(capsys, "demo", "--app", "flask")
    assert code == 1
    assert list(found) == ["version", "app", "rules", "calls", "unexpected"]
    assert (found["app"], found["unexpected"]) == ("flask", 1)
    assert found["rules"]["GET /health"] == "allUsers"
    assert found["calls"][:2] == [
        {"route": "GET /health", "caller": "stranger", "status": 200, "reason": None, "expected": "200"},
        {"route": "GET /health", "caller": "ada", "status": 200, "reason": None, "expected": "418"},
    ]
    refused = next(each for each in found["calls"] if each["reason"])
    assert refused["expected"] == f"{refused['status']} {refused['reason']}"


def test_demo_has_one_document_or_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--serve", "--json"]) == 2
    assert capsys.readouterr().err.startswith("callerid: --json is one document of the calls: leave out --serve")


def test_issuer_has_one_line_and_stays(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    others = set(threading.enumerate())
    told: list[str] = []
    monkeypatch.setattr(issuer_module, "until_interrupted", lambda: told.append(capsys.readouterr().out))
    wanted = ["--person", "eve@gmail.com", "--firebase-user", "ada"]
    assert main(["issuer", "--json", *wanted]) == 0
    assert (len(told), told[0].count("\n")) == (1, 1)
    found = json.loads(told[0])
    assert list(found) == ["version", "url", "environment", "service_account", "tokens"]
    assert found["environment"]["GOOGLE_KEYS_URL"].startswith(found["url"])
    assert f"http://{found['environment']['GCE_METADATA_HOST']}" == found["url"]
    assert [(each["who"], each["audience"]) for each in found["tokens"]] == [
        ("eve@gmail.com", CLIENT),
        ("Firebase user ada", "shop-prod"),
    ]
    assert all(each["token"].count(".") == 2 for each in found["tokens"])
    assert set(threading.enumerate()) <= others


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that shows each of these in turn."""
    times: list[float] = []

    class Held:
        @staticmethod
        def monotonic() -> float:
            return times.pop(0)

    monkeypatch.setattr(frame_module, "time", Held)
    return times


def counted(err: io.StringIO, items: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", err)
    assert list(progress(items, "calls made")) == list(items)
    return err.getvalue()


def test_what_takes_over_a_second_is_counted_on_a_terminal(
    seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds += [0, 0.9, 1.1, 1.15, 1.3]
    found = counted(Terminal(), "abcd", monkeypatch)
    assert found == "\r2 calls made\r4 calls made\r" + " " * 12 + "\r"


def test_what_is_quick_shows_no_count(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    seconds += [0, 0.5, 1]
    assert counted(Terminal(), "ab", monkeypatch) == ""


def test_a_file_gets_no_count(seconds: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    seconds += [0, 5, 10]
    assert counted(io.StringIO(), "ab", monkeypatch) == ""


def test_with_standard_error_closed_nothing_is_counted_or_named(
    seconds: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds += [0, 5, 10]
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress("ab", "calls made")) == ["a", "b"]
    with waiting("keys"):
        pass


class Watched(Terminal):
    """A terminal that knows when something was written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        self.written.set()
        return super().write(text)


def test_what_is_waited_for_for_over_a_second_is_named_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    err = Watched()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(frame_module, "_PATIENCE", 0.0)
    with waiting("keys"):
        assert err.written.wait(10)
    assert err.getvalue() == "\rwaiting for keys ...\r" + " " * 20 + "\r"


@pytest.mark.parametrize("err", [Terminal(), io.StringIO()])
def test_what_is_quick_is_not_named_and_a_file_gets_nothing(err: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(frame_module, "_PATIENCE", 0.0 if not err.isatty() else 60.0)
    with waiting("keys"):
        pass
    assert err.getvalue() == ""

"""``callerid routes`` as a person and a pipeline see it."""

from __future__ import annotations

import gc
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import callerid.cli._routes as module
from callerid.cli import main
from callerid.cli._routes import RoutesCommand, routes

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("fastapi_app", "flask_app")
Compare = Callable[..., tuple[int, list[str]]]
TROUBLED = """
from flask import Flask
from callerid import Public, google
from callerid.flask import Guard

guard = Guard(google("a"))
app = Flask(__name__)
guard.protect(app, default=Public(), routes={"/nowhere": Public()})
nothing = Flask(__name__)
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("GOOGLE_KEYS_URL", raising=False)
    monkeypatch.delenv("FIREBASE_KEYS_URL", raising=False)
    before = set(sys.modules)
    sys.modules.pop("app", None)
    yield
    for name in {"app", "troubled_app"} - (before - {"app"}):
        sys.modules.pop(name, None)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("example", NAMES)
def test_the_table_fits_and_says_what_stands_where(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "app:app", "--app-dir", str(EXAMPLES / example)]) == 0
    told = capsys.readouterr().out
    lines = told.splitlines()
    assert max(map(len, lines)) <= 120
    assert lines[0].split() == ["ROUTE", "WHO", "MAY", "STANDS", "AT"]
    assert any(line.startswith("GET /health") and line.endswith("open") for line in lines)
    assert any(line.startswith("POST /tasks/reindex") and line.endswith("weaker") for line in lines)
    (summary,) = (line for line in lines if " open to everybody" in line)
    assert "2 open to everybody, 3 weaker than the default" in summary
    assert "\033" not in told


def test_a_terminal_gets_colours_and_the_same_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    out, plain = Terminal(), io.StringIO()
    for each in (out, plain):
        assert routes(each, RoutesCommand("app:app", EXAMPLES / "flask_app")) == 0
    assert "\033[31mGET /health" in out.getvalue()
    stripped = out.getvalue()
    for code in ("0", "1", "31", "33"):
        stripped = stripped.replace(f"\033[{code}m", "")
    assert stripped == plain.getvalue()


@pytest.mark.parametrize(("columns", "widest"), [("80", 80), ("20", 60), ("500", 120)])
def test_a_narrow_terminal_gets_a_narrow_table(columns: str, widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    assert routes(out, RoutesCommand("app:app", EXAMPLES / "fastapi_app")) == 0
    assert max(map(len, out.getvalue().splitlines())) <= widest
    assert "GET /health" in out.getvalue()


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "app:app", "--app-dir", str(EXAMPLES / "fastapi_app"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["version"], found["kind"], found["problems"]) == (1, "FastAPI", [])
    (reindex,) = (row for row in found["routes"] if row["path"] == "/tasks/reindex")
    assert reindex["audiences"] == ["https://orders.example.com/tasks"]
    assert reindex["rule"] == "ServiceAccount('scheduler@shop-prod.iam.gserviceaccount.com')"
    assert [part["source"] for part in reindex["parts"]] == ["decorator"]
    assert (reindex["open"], reindex["weaker"], reindex["methods"]) == (False, True, ["POST"])


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "app:app", "--app-dir", str(EXAMPLES / "fastapi_app"), "--markdown"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.count("|") for line in lines if line and not line.startswith("not seen: ")} == {5}
    assert "| `GET /products` | allUsers or firebaseUser | parameter | open |" in lines


@pytest.mark.parametrize("example", NAMES)
def test_the_examples_are_as_their_locks_say(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    lock = EXAMPLES / example / "access.lock"
    assert main(["routes", "app:app", "--app-dir", str(EXAMPLES / example), "--check", str(lock)]) == 0
    assert "nothing has changed" in capsys.readouterr().out


def test_a_change_is_shown_and_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "access.lock"
    app = ["routes", "app:app", "--app-dir", str(EXAMPLES / "flask_app")]
    assert main([*app, "--lock", str(lock)]) == 0
    assert capsys.readouterr().out == f"{lock}: written, 13 rules\n"
    lock.write_text(lock.read_text().replace("allow Public()", "allow Domain('example.com')", 1))
    assert main([*app, "--check", str(lock)]) == 1
    assert capsys.readouterr().out.splitlines()[:4] == [
        f"{lock}: who may call what has changed",
        "changed: GET /health",
        "  - allow Domain('example.com')",
        "  + allow Public()",
    ]


def test_problems_exit_1_and_write_no_lock(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "troubled_app.py").write_text(TROUBLED)
    where = ["--app-dir", str(tmp_path)]
    lock = tmp_path / "access.lock"
    assert main(["routes", "troubled_app:app", *where]) == 1
    assert "\nproblem: routes['/nowhere']: no route" in capsys.readouterr().out
    assert main(["routes", "troubled_app:app", *where, "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 1
    assert main(["routes", "troubled_app:app", *where, "--lock", str(lock)]) == 1
    assert not lock.exists()
    capsys.readouterr()
    assert main(["routes", "troubled_app:nothing", *where]) == 1
    assert capsys.readouterr().out.startswith("problem: no guard protects this Flask application")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere:app"], "No module named 'nowhere'; --app-dir names the folder that it is in"),
        (["app:SERVICE"], "app:SERVICE: an object of class str cannot be mapped"),
        (["app:health"], "callerid's CallerMiddleware; if this is a factory, write app:health()"),
        (["app:app", "--check", "no/such.lock"], "cannot read no/such.lock: No such file or directory"),
        (["app:app", "--check", "BAD"], "BAD: it is not UTF-8 (byte 0)"),
        (["app:app", "--lock", "x.lock", "--json"], "--lock writes a file of its own format: leave out --json"),
        (["app:app", "--json", "--markdown"], "--json and --markdown are two forms of one output"),
        (["app:app", "--lock", "x.lock", "--check", "OLD"], "--lock, --check and --no-new-access are one task each"),
        (["app:app", "--markdown", "--check", "OLD"], "--markdown is for the map alone"),
        (["app:app", "--markdown", "--no-new-access", "OLD"], "--markdown is for the map alone"),
        (["app:app", "--check", "OLD"], "the lock has format version '0'"),
        (["app:app", "--lock", "no/such/access.lock"], "cannot write no/such/access.lock: No such file"),
    ],
)
def test_what_cannot_be_read_is_one_line_and_exits_2(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "BAD").write_bytes(b"\xff\xfe")
    (tmp_path / "OLD").write_text("callerid-access-lock 0\n")
    named = [str(tmp_path / each) if each in ("BAD", "OLD") else each for each in arguments]
    assert main(["routes", *named, "--app-dir", str(EXAMPLES / "flask_app")]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("callerid: ")
    assert said in told.err
    assert told.err.count("\n") == 1


def test_new_access_is_shown_with_a_witness(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "main.lock"
    app = ["routes", "app:app", "--app-dir", str(EXAMPLES / "flask_app")]
    lock.write_text((EXAMPLES / "flask_app" / "access.lock").read_text())
    assert main([*app, "--no-new-access", str(lock)]) == 0
    assert capsys.readouterr().out == f"{lock}: nobody may now who could not before, 13 rules compared\n"
    lock.write_text(lock.read_text().replace("allow Public()", "allow Domain('example.com')", 1))
    assert main([*app, "--no-new-access", str(lock)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"{lock}: new access at 1 place, 13 rules compared",
        "  GET /health: anybody without a credential, not domain:example.com",
        "    before: domain:example.com",
        "    now:    everybody",
    ]
    lock.write_text("callerid-access-lock 9")
    assert main([*app, "--no-new-access", str(lock)]) == 2
    assert "the lock has format version '9'" in capsys.readouterr().err


CODE = """
from callerid import Domain, Where
from tests.access.made import small
def tall(caller): return len(caller.subject) > {number}
app = small({{"GET /a": Where("tall", tall), "GET /b": {rule}}})
"""


def test_what_is_assumed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "main.lock"

    def run(name: str, number: int, rule: str, *options: str) -> list[str]:
        (tmp_path / f"{name}.py").write_text(CODE.format(number=number, rule=rule))
        main(["routes", f"{name}:app", "--app-dir", str(tmp_path), *options, str(lock)])
        return capsys.readouterr().out.splitlines()

    run("assuming_1", 20, "Domain('a.com')", "--lock")
    assumed = "  assumed unchanged: where tall (by the hash of its source)"
    said = f"{lock}: nobody may now who could not before, 3 rules compared"
    assert run("assuming_2", 20, "Domain('a.com')", "--no-new-access") == [said, assumed]
    *_, last = run("assuming_3", 20, "Domain('b.com')", "--no-new-access")
    assert last == assumed
    assert run("assuming_4", 2, "Domain('a.com')", "--no-new-access") == [
        f"{lock}: cannot tell at 1 place, 3 rules compared",
        "  GET /a: cannot tell: whom where tall admits, only its code can say",
        "    before and now: where tall",
    ]


def test_code_without_a_source_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = tmp_path / "main.lock"
    text = CODE.format(number=20, rule="Domain('a.com')").replace(
        "def tall(caller):", "exec('def tall(caller): return True')\ndef other(caller):"
    )
    (tmp_path / "made_by_exec.py").write_text(text)
    app = ["routes", "made_by_exec:app", "--app-dir", str(tmp_path)]
    assert main([*app, "--lock", str(lock)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{lock}: written, 3 rules",
        "  a rule of GET /a has no source to be compared: write it as a function in a module",
    ]
    assert main([*app, "--check", str(lock)]) == 1
    assert capsys.readouterr().out.splitlines()[:2] == [
        f"{lock}: whether who may call what has changed cannot be told",
        "cannot tell: GET /a, where the source of a rule cannot be read: write it as a function in a module",
    ]
    assert main([*app, "--check", str(lock), "--json"]) == 1
    (changed,) = json.loads(capsys.readouterr().out)["changed"]
    assert (changed["name"], changed["unknown"], changed["renamed"]) == ("GET /a", True, False)
    assert main([*app, "--no-new-access", str(lock)]) == 1
    assert f"{lock}: cannot tell at 1 place, 3 rules compared" in capsys.readouterr().out


@pytest.fixture
def compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, list[str]]]]:
    """The rules of an application before and after, compared in one form: the exit code, and the output's lines."""
    names: list[str] = []

    def run(*apps: str, form: str = "--no-new-access", options: Sequence[str] = ()) -> tuple[int, list[str]]:
        lock = tmp_path / "main.lock"
        for app, option in zip(apps, ("--lock", form), strict=True):
            name = f"compared_{len(names)}"
            names.append(name)
            (tmp_path / f"{name}.py").write_text(f"from callerid import *\nfrom tests.cli.comparable import *\n{app}\n")
            more = () if option == "--lock" else options
            code = main(["routes", f"{name}:app", "--app-dir", str(tmp_path), option, str(lock), *more])
            out = capsys.readouterr().out.replace(str(lock), "main.lock")
        return code, out.splitlines()

    yield run
    for name in names:
        sys.modules.pop(name, None)


def app_with(rules: str, guard: str = "new_guard()") -> str:
    return f"app = small({rules}, guard={guard})"


def test_both_rules_stand_beside_who_comes_in_and_all_is_counted(compare: Compare) -> None:
    code, lines = compare(
        app_with("""{"GET /a": Domain("a.com"), "GET /b": Domain("a.com"), "GET /c": Where("odd", odd)}"""),
        app_with(
            """{"GET /a": Domain("a.com"), "GET /b": Domain("a.com") | FirebaseUser(), "GET /c": Where("odd", even)}"""
        ),
    )
    assert code == 1
    assert lines == [
        "main.lock: new access at 1 place, cannot tell at 1 place, 4 rules compared",
        "  GET /b: a Firebase user, not domain:a.com",
        "    before: domain:a.com",
        "    now:    domain:a.com or firebaseUser",
        "  GET /c: cannot tell: whom where odd admits, only its code can say",
        "    before and now: where odd",
    ]


def test_the_same_as_json(compare: Compare) -> None:
    code, lines = compare(
        app_with("""{"GET /b": Domain("a.com"), "GET /c": Where("odd", odd)}"""),
        app_with("""{"GET /b": Domain("a.com") | FirebaseUser(), "GET /c": Where("odd", even)}"""),
        options=["--json"],
    )
    found = json.loads("\n".join(lines))
    assert (code, found["new_access"], found["cannot_tell"], found["rules"]) == (1, 1, 1, 3)
    new, unknown = found["findings"]
    assert (new["place"], new["verdict"], new["who"]) == ("GET /b", "new access", "a Firebase user")
    assert (new["lacking"], new["reason"]) == (["domain:a.com"], None)
    assert new["before"]["rule"] == "Domain('a.com')"
    assert new["now"]["who"] == "domain:a.com or firebaseUser"
    assert (unknown["verdict"], unknown["who"]) == ("cannot tell", None)
    assert unknown["reason"] == "whom where odd admits, only its code can say"
    assert (found["lock"], found["problems"], found["assumed"]) == ("main.lock", [], [])


def test_whom_the_guard_believes_now_is_said_where_the_rule_is_the_same(compare: Compare) -> None:
    rules = """{"GET /b": User("ada@gmail.com")}"""
    code, lines = compare(app_with(rules, "Guard(google('a'))"), app_with(rules, "Guard(google('a', 'b'))"))
    assert code == 1
    assert lines[-3:] == [
        "  GET /b: the person ada@gmail.com, with a token for b",
        "    before and now: user:ada@gmail.com",
        "    believed now: https://accounts.google.com for b",
    ]


def test_rules_that_are_not_enforced_cannot_be_compared(compare: Compare) -> None:
    app = "app = Starlette(routes=[])\nStarletteGuard(google('a')).protect(app, default=Domain('a.com'){options})"
    before, after = (app.format(options=each) for each in ("", ", enforce=False, until='2999-12-31'"))
    reason = "the rules are not enforced: unenforced everywhere until 2999-12-31"
    assert compare(before, after) == (
        1,
        ["main.lock: cannot tell at 1 place, 1 rule compared", f"  the application: cannot tell: {reason}"],
    )
    _, lines = compare(before, after, options=["--json"])
    (finding,) = json.loads("\n".join(lines))["findings"]
    assert (finding["reason"], finding["before"], finding["now"]) == (reason, None, None)


def test_a_stricter_leeway_lets_in_nobody_new(compare: Compare) -> None:
    rules = """{"GET /b": Domain("a.com")}"""
    longer, shorter = (app_with(rules, f"Guard(google('a'), leeway={leeway})") for leeway in (30, 10))
    assert compare(longer, shorter) == (0, ["main.lock: nobody may now who could not before, 2 rules compared"])
    code, lines = compare(shorter, longer)
    assert (code, lines[0]) == (1, "main.lock: cannot tell at 2 places, 2 rules compared")


def test_a_renamed_handler_is_no_change_of_who_may(compare: Compare) -> None:
    before, after = (f"{app_with('{}')}\n@app.get('/a')\ndef {name}(): pass" for name in ("old", "new"))
    code, lines = compare(before, after, form="--check")
    assert code == 1
    assert lines[0] == "main.lock: who may call what is as it was; the names of what serves have changed"
    assert [line[:10] for line in lines[1:4]] == ["changed: G", "  - serves", "  + serves"]
    assert compare(before, after) == (0, ["main.lock: nobody may now who could not before, 2 rules compared"])


def test_changes_as_json(compare: Compare) -> None:
    before = app_with("""{"GET /a": Domain("a.com")}""")
    code, lines = compare(before, app_with("""{"GET /a": Domain("b.com")}"""), form="--check", options=["--json"])
    (changed,) = json.loads("\n".join(lines))["changed"]
    assert (code, changed["name"], changed["renamed"]) == (1, "GET /a", False)
    assert set(changed["now"]) - set(changed["before"]) == {"allow Domain('b.com')"}


LATE = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from callerid import Domain, Public, google
from callerid.fastapi import Guard

guard = Guard(google("https://a.example.com"))

@asynccontextmanager
async def lifespan(app):
    print("connecting")
    app.add_api_route("/late", guard.allow(Public())(lambda: "late"))
    yield

@asynccontextmanager
async def failing(app):
    raise OSError("no database")
    yield

app = FastAPI(openapi_url=None, lifespan=lifespan)
guard.protect(app, default=Domain("example.com"))
broken = FastAPI(openapi_url=None, lifespan=failing)
guard.protect(broken, default=Domain("example.com"))
"""
NOT_SEEN = "not seen: the application has a lifespan, which has not run: routes added in it are not seen"


@pytest.fixture
def late(tmp_path: Path) -> list[str]:
    (tmp_path / "troubled_app.py").write_text(LATE, encoding="utf-8")
    return ["troubled_app:app", "--app-dir", str(tmp_path)]


def test_routes_of_the_lifespan_are_said_not_to_be_seen_or_seen(
    late: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["routes", *late]) == 0
    told = capsys.readouterr().out
    assert "/late" not in told
    assert told.endswith(f"{NOT_SEEN}\n")
    assert main(["routes", *late, "--lifespan"]) == 0
    started = capsys.readouterr()
    assert "GET /late" in started.out
    assert "not seen" not in started.out
    assert "connecting" in started.err


def test_a_lock_and_a_comparison_say_so_too(
    late: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = str(tmp_path / "a.lock")
    assert main(["routes", *late, "--lock", lock]) == 0
    assert capsys.readouterr().out.endswith(f"{NOT_SEEN}\n")
    assert main(["routes", *late, "--check", lock, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unseen"] == [NOT_SEEN.removeprefix("not seen: ")]
    assert main(["routes", *late, "--no-new-access", lock, "--lifespan"]) == 1
    told = capsys.readouterr().out
    assert "new access at 1 place" in told
    assert NOT_SEEN not in told


@pytest.mark.parametrize("command", ["routes", "check"])
def test_a_start_up_that_fails_is_told(
    command: str, late: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "access.toml"
    file.write_text('[personas.nobody]\nmay = ["GET /late"]\n', encoding="utf-8")
    asked = [command, "troubled_app:broken", *late[1:], "--lifespan", *([str(file)] if command == "check" else [])]
    assert main(asked) == 2
    assert "troubled_app:broken: the start-up in its lifespan failed: OSError: no database" in capsys.readouterr().err


def test_access_tests_reach_routes_of_the_lifespan(
    late: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "access.toml"
    file.write_text('[personas.nobody]\nmay = ["GET /late"]\n', encoding="utf-8")
    assert main(["check", *late, str(file)]) == 1
    told = capsys.readouterr().out
    assert "no route answers there" in told
    assert told.startswith(f"{NOT_SEEN}\n")
    assert main(["check", *late, str(file), "--lifespan"]) == 0
    assert "1 call, 1 as the file says" in capsys.readouterr().out


def test_a_wsgi_application_has_no_lifespan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["routes", "app:app", "--app-dir", str(EXAMPLES / "flask_app"), "--lifespan"]) == 2
    assert "app:app: a WSGI application has no lifespan: leave out --lifespan" in capsys.readouterr().err


TAKEN_OVER = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from callerid import Domain, google
from callerid.starlette import Guard

app = Starlette(routes=[Route("/orders", lambda request: PlainTextResponse("orders"))])
Guard(google("https://a.example.com")).protect(app, default=Domain("example.com"))
app = Starlette(routes=app.routes)
"""


@pytest.mark.parametrize("collects", [True, False])
def test_an_application_that_has_replaced_a_protected_one_is_a_problem(
    collects: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "troubled_app.py").write_text(TAKEN_OVER, encoding="utf-8")
    (gc.enable if collects else gc.disable)()
    try:
        assert main(["routes", "troubled_app:app", "--app-dir", str(tmp_path)]) == 1
        assert gc.isenabled() is collects
    finally:
        gc.enable()
    assert "problem: /orders: a guard protects another application that has these routes" in capsys.readouterr().out


class Awaited(Terminal):
    """A terminal that knows when this text stands on it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text, self.seen = text, threading.Event()

    def write(self, text: str) -> int:
        written = super().write(text)
        if self._text in self.getvalue():
            self.seen.set()
        return written


@pytest.mark.parametrize(
    ("step", "shown"), [("load", "waiting for app:app ..."), ("differences", "waiting for the comparison with ")]
)
def test_a_terminal_shows_what_takes_long(
    step: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, folder = str(tmp_path / "main.lock"), str(EXAMPLES / "flask_app")
    assert main(["routes", "app:app", "--app-dir", folder, "--lock", lock]) == 0
    err, real = Awaited(shown), getattr(module, step)

    def slow(*given: Any) -> Any:
        assert err.seen.wait(30)
        return real(*given)

    monkeypatch.setattr("callerid.cli._frame._PATIENCE", 0.0)
    monkeypatch.setattr(module, step, slow)
    monkeypatch.setattr(sys, "stderr", err)
    assert main(["routes", "app:app", "--app-dir", folder, "--check", lock]) == 0
    assert shown in err.getvalue()

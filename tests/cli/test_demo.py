"""The demo: every caller, every route, and nothing left behind."""

from __future__ import annotations

import io
import logging
import os
import shlex
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests

import callerid
from callerid.cli import _demo as module
from callerid.cli import main
from callerid.cli._demo import demo
from callerid.cli._scenes import Outcome, expected
from callerid.cli._stages import SERVERS
from callerid.cli._table import Style
from tests.servers import no_thread_stays

pytestmark = pytest.mark.slow

LOG = logging.getLogger("callerid")


STAGES = [(app, server) for app, servers in SERVERS.items() for server in servers if find_spec(server)]


@pytest.fixture(scope="module", params=SERVERS)
def shown(request: pytest.FixtureRequest) -> str:
    out = io.StringIO()
    app = request.param
    with no_thread_stays():
        assert demo(out, app=app) == 0
    assert (LOG.level, LOG.propagate, LOG.handlers) == (logging.NOTSET, True, [])
    assert "GOOGLE_KEYS_URL" not in os.environ
    assert f"examples/{app}_app/app.py" in out.getvalue()
    return out.getvalue()


def test_everything_is_as_expected(shown: str) -> None:
    count = 210 if "PUT /products/kite" in shown else 196
    assert shown.splitlines()[-1] == f"demo: {count} calls, {count} as expected"
    assert "NOT AS EXPECTED" not in shown


def test_it_fits_a_terminal_and_is_plain_in_a_file(shown: str) -> None:
    assert max(map(len, shown.splitlines())) <= 120
    assert "\033" not in shown


def test_it_asks_nobody_elses_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "no database at all")
    assert demo(io.StringIO()) == 0


def test_it_says_which_rule_stands_at_each_route(shown: str) -> None:
    assert "  GET /reports/daily       domain:example.com\n" in shown
    assert "  GET /users/ada/orders    firebaseUser:{user_id}\n" in shown
    assert "no rule was asked" not in shown


def test_one_refusal_is_explained(shown: str) -> None:
    assert "the caller is firebase:shop-prod/ben, the path names 'ada'" in shown


def test_whatever_differs_is_named_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    mistaken = expected() | {("GET /reports/daily", "stranger"): Outcome(200)}
    monkeypatch.setattr(module, "expected", lambda _: mistaken)
    assert main(["demo"]) == 1
    *_, named, last = capsys.readouterr().out.splitlines()
    assert named == "NOT AS EXPECTED: GET /reports/daily as stranger: expected 200, got 401 no_credential"
    assert last == "demo: 210 calls, 209 as expected"


@pytest.mark.parametrize(
    ("right", "wrong", "differing"),
    [
        (
            'guard.allow(User("grace@example.com") & Domain("example.com"))(admin)',
            "admin",
            ["GET /admin/settings as staff", "GET /admin/nowhere as staff"],
        ),
        (
            'FirebaseUser(PathParam("user_id")))]',
            "FirebaseUser())]",
            ["GET /users/ada/orders as ben", "POST /users/ada/orders as ben"],
        ),
        (", audience=TASKS)", ")", ["POST /tasks/reindex as scheduler"]),
        ("guard.protect(app", "dict(app=app", ["GET /reports/daily as stranger"]),
    ],
)
def test_a_weakened_application_is_found_out(
    right: str, wrong: str, differing: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (Path(__file__).parents[2] / "examples" / "fastapi_app" / "app.py").read_text()
    assert right in source
    folder = tmp_path / "_examples" / "fastapi_app"
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(source.replace(right, wrong))
    monkeypatch.setattr(callerid, "__file__", str(tmp_path / "__init__.py"))
    out = io.StringIO()
    assert demo(out) == 1
    assert all(f"NOT AS EXPECTED: {call}: expected" in out.getvalue() for call in differing)


@pytest.mark.server
@pytest.mark.parametrize(("app", "server"), STAGES)
def test_what_it_prints_to_try_works(app: str, server: str, capfd: pytest.CaptureFixture[str]) -> None:
    out, tried = io.StringIO(), dict[str, int]()

    def stay() -> None:
        lines = out.getvalue().splitlines()
        with requests.Session() as session:
            session.trust_env = False
            for comment, command in pairwise(lines):
                if comment.startswith("# "):
                    tried[comment] = curl(session, command)

    assert demo(out, app=app, server=server, stay=stay) == 0
    assert len(tried) == 7
    assert capfd.readouterr().err.startswith("refused GET /reports/daily: 401 no_credential: ")
    assert LOG.handlers == []
    assert all(comment.split(": ")[1].startswith(str(status)) for comment, status in tried.items())


def curl(session: requests.Session, line: str) -> int:
    program, _, _, method, url, *more = shlex.split(line)
    assert program == "curl"
    headers = dict([more[1].split(": ", 1)]) if more else {}
    return session.request(method, url, headers=headers).status_code


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class OldTerminal(Terminal):
    encoding = "ascii"


@pytest.mark.parametrize(("columns", "widest"), [("80", 80), ("120", 120)])
def test_a_terminal_gets_what_fits(columns: str, widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    assert demo(out) == 0
    assert max(map(len, out.getvalue().splitlines())) <= widest


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    style: Any = Style.of
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert style(Terminal()).colours
    assert style(OldTerminal()).tick == "ok"
    assert not style(io.StringIO()).colours
    monkeypatch.setenv("TERM", "dumb")
    assert not style(Terminal()).colours
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not style(Terminal()).colours
    monkeypatch.setenv("NO_COLOR", "")
    assert style(Terminal()).colours

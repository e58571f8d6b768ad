"""``callerid unused``: which alternatives of rules let nobody in, by a log."""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from callerid.access import load
from callerid.audit._log_entries import EntriesOfLog
from callerid.cli import main
from callerid.logs import CloudLoggingFormatter
from callerid.testing import as_caller, google_person
from tests.starlette.world import ask

DAY = 86_400.0
ROUTE = "GET /reports/{name}"
APPLICATION = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from callerid import Domain, FirebaseUser, Public, Where, firebase, google
from callerid.starlette import Guard


async def told(request):
    return PlainTextResponse("told")


guard = Guard(google("https://orders.example.com"), firebase("shop-prod"))
app = Starlette(routes=[Route("/reports/{name}", told), Route("/admin", told), Route("/open", told)])
several = (Domain("example.com") | Domain("other.com")) & (Where("daytime", lambda _: True) | FirebaseUser())
guard.protect(
    app,
    default=Domain("example.com") | Domain("other.com"),
    routes={"/open": Public(), "/admin": several},
    audit=AUDITED,
)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "unused_app.py").write_text(APPLICATION.replace("AUDITED", f"[{ROUTE!r}, '/admin']"), encoding="utf-8")
    (tmp_path / "unaudited_app.py").write_text(APPLICATION.replace("AUDITED", "[]"), encoding="utf-8")
    yield tmp_path
    for name in ("unused_app", "unaudited_app"):
        sys.modules.pop(name, None)


def allowed(by: str | None, days_ago: float | None = 1, route: str = ROUTE, **more: Any) -> dict[str, Any]:
    """The record of somebody who was let in, by these alternatives."""
    said: dict[str, Any] = {"outcome": "allowed", "route": route, **more}
    if by is not None:
        said["by"] = by
    if days_ago is not None:
        said["time"] = datetime.fromtimestamp(time.time() - days_ago * DAY, UTC).isoformat()
    return said


def lines(*records: dict[str, Any]) -> str:
    return "".join(f"{json.dumps({'severity': 'INFO', 'callerid': each})}\n" for each in records)


ADMIN = allowed("domain:example.com\nwhere daytime", route="GET /admin")


class Told:
    """What the command says of a log."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._folder, self._capsys = folder, capsys

    def __call__(self, log: str, *more: str, app: str = "unused_app:app") -> tuple[int, str, str]:
        (self._folder / "app.log").write_text(log, encoding="utf-8")
        name = str(self._folder / "app.log")
        code = main(["unused", name, "--against", app, "--app-dir", str(self._folder), *more])
        out, err = self._capsys.readouterr()
        return code, out, err

    def document(self, log: str, *more: str) -> dict[str, Any]:
        code, out, err = self(log, "--json", *more)
        assert (err, code) == ("", 1 if json.loads(out)["unused"] else 0)
        found: dict[str, Any] = json.loads(out)
        return found

    def unused(self, *records: dict[str, Any]) -> list[str | None]:
        """What let nobody in at the route; ``None`` for the whole of it."""
        found = self.document(lines(*records, ADMIN))["unused"]
        return [each["alternative"] for each in found if each["route"] == ROUTE]


@pytest.fixture
def told(folder: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    return Told(folder, capsys)


def test_an_alternative_that_let_nobody_in_is_named(told: Told) -> None:
    code, out, _ = told(lines(allowed("domain:example.com"), allowed("domain:example.com", 100), ADMIN))
    assert code == 1
    assert f"{ROUTE}: nobody was let in by domain:other.com\n" in out
    assert "GET /admin: nobody was let in by firebaseUser\n" in out
    assert "cannot tell GET /open: it is not audited (audit=)\n" in out
    assert out.endswith("2 let in at 2 audited routes in 90 days\n")


def test_with_all_alternatives_in_use_all_is_well(told: Told) -> None:
    every = told.document(lines(allowed("domain:example.com"), ADMIN))["routes"]
    used = [allowed("\n".join(each["by"]), route=each["route"]) for each in every]
    code, out, _ = told(lines(*used))
    assert code == 0
    assert "nobody" not in out


def test_json_has_how_many_each_alternative_let_in(told: Told) -> None:
    found = told.document(lines(allowed("domain:example.com"), allowed("domain:example.com"), ADMIN))
    assert list(found) == [
        *("version", "since", "log_begins", "covered", "decisions", "undated", "routes", "unused", "cannot_tell"),
        "broken",
    ]
    assert found["routes"][0] == {
        "route": ROUTE,
        "let_in": 2,
        "by": {"domain:example.com": 2, "domain:other.com": 0},
        "not_said_by_which": 0,
    }
    assert found["unused"][0] == {"route": ROUTE, "alternative": "domain:other.com"}
    assert (found["version"], found["decisions"], found["covered"]) == (1, 3, False)


def test_what_the_guard_logs_in_audit_mode_is_understood(folder: Path, told: Told) -> None:
    app = load("unused_app:app", folder)
    guard = sys.modules["unused_app"].guard
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(CloudLoggingFormatter())
    log = logging.getLogger("callerid")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        with as_caller(guard, google_person("ada@other.com", domain="other.com")):
            assert [ask(app, path).status for path in ("/reports/a", "/admin", "/open")] == [200, 200, 200]
        with as_caller(guard, google_person("ada@third.com", domain="third.com")):
            assert ask(app, "/reports/a").status == 403
    finally:
        log.removeHandler(handler)
        log.setLevel(before)
    found = told.document(stream.getvalue())
    assert [(each["route"], each["let_in"]) for each in found["routes"]] == [(ROUTE, 1), ("GET /admin", 1)]
    by = found["routes"][1]["by"]
    assert [by["domain:example.com"], by["domain:other.com"], by["where daytime"]] == [0, 1, 1]
    assert {"route": ROUTE, "alternative": "domain:example.com"} in found["unused"]


def test_a_route_where_nobody_was_let_in_is_named_as_a_whole(told: Told) -> None:
    assert told.unused(allowed("domain:example.com", 100)) == [None]
    assert told.unused({"outcome": "refused", "route": ROUTE}) == [None]
    assert f"{ROUTE}: nobody was let in\n" in told(lines(ADMIN))[1]


def test_how_far_back_counts_is_said(told: Told) -> None:
    log = lines(allowed("domain:example.com", 10), allowed("domain:other.com", 3), ADMIN)
    assert not any(each["route"] == ROUTE for each in told.document(log)["unused"])
    assert {"route": ROUTE, "alternative": "domain:example.com"} in told.document(log, "--days", "7")["unused"]


def test_where_the_record_does_not_say_which_it_cannot_be_told(told: Told) -> None:
    assert told.unused(allowed(None), allowed("domain:example.com")) == []
    out = told(lines(allowed(None), ADMIN))[1]
    assert f"cannot tell {ROUTE}: records do not say which alternative let callers in (audit= does)\n" in out


def test_a_log_that_does_not_go_back_far_enough_is_said_to(told: Told) -> None:
    assert not told.document(lines(allowed("domain:example.com", 89), ADMIN))["covered"]
    assert told.document(lines(allowed("domain:example.com", 91), ADMIN))["covered"]
    day = datetime.fromtimestamp(time.time() - 89 * DAY, UTC).date().isoformat()
    out = told(lines(allowed("domain:example.com", 89)))[1]
    assert out.endswith(f"; the log does not go back that far (it begins on {day})\n")


def test_a_decision_without_a_time_counts(told: Told) -> None:
    code, out, _ = told(lines(allowed("domain:example.com\ndomain:other.com", None)))
    assert code == 1
    assert "1 let in at 2 audited routes in 90 days, 1 of them without a time; the log" in out
    assert out.endswith("(nothing in it has a time)\n")
    assert told.unused(allowed("domain:example.com\ndomain:other.com", None) | {"time": "at noon"}) == []


@pytest.mark.parametrize("indent", [None, 2])
def test_what_gcloud_prints_is_read(told: Told, indent: int | None) -> None:
    at = datetime.fromtimestamp(time.time() - DAY, UTC).strftime("%Y-%m-%dT%H:%M:%S.123456789Z")
    every = [
        {"jsonPayload": {"callerid": allowed(by, None)}, "labels": {"odd": 'a "brace" {'}, "timestamp": at}
        for by in ("domain:example.com", "domain:other.com")
    ]
    found = told.document(json.dumps(every, indent=indent))
    assert (found["decisions"], found["undated"], found["broken"]) == (2, 0, 0)
    assert [each["let_in"] for each in found["routes"]] == [2, 0]
    cut = told.document(json.dumps(every, indent=2)[:-60])
    assert (cut["decisions"], cut["broken"]) == (1, 1)


def test_one_object_over_many_lines_is_read(told: Told) -> None:
    assert told.document(json.dumps({"callerid": allowed("domain:example.com")}, indent=1))["decisions"] == 1


def test_broken_and_overlong_entries_are_counted_and_the_rest_is_read(told: Told) -> None:
    line, longest = lines(allowed("domain:example.com")), 1024 * 1024
    text = f'plain text\n{line}{line[:50]}\n\n{{"other": 1}}\n{line}{"x" * (2 * longest + 5)}\n{line}'
    found = told.document(text)
    assert (found["decisions"], found["broken"]) == (3, 3)
    assert "; 3 entries are no JSON, or longer than 1 MiB;" in told(text)[1]
    nested = told.document(f"[{{\n{'[' * 100_000}\n}},\n{line}]")
    assert (nested["decisions"], nested["broken"]) == (1, 1)


def test_an_overlong_object_of_a_document_is_counted_and_dropped(told: Told) -> None:
    long = {"pad": ["x" * 1000] * 1500}
    found = told.document(json.dumps([long, {"callerid": allowed("domain:example.com")}], indent=1))
    assert (found["decisions"], found["broken"]) == (1, 1)


@pytest.mark.parametrize("indent", [None, 2])
def test_a_byte_order_mark_is_no_part_of_the_log(told: Told, indent: int | None) -> None:
    entry = json.dumps({"callerid": allowed("domain:example.com")}, indent=indent)
    found = told.document(f"\ufeff{entry}\n")
    assert (found["decisions"], found["broken"]) == (1, 0)


def test_blank_lines_before_the_first_entry_are_passed_over(told: Told) -> None:
    assert told.document("\n \n" + lines(allowed("domain:example.com")))["decisions"] == 1
    assert told("\n\n")[0] == 2


def test_an_array_in_one_line_is_read_however_long_it_is(told: Told) -> None:
    every = [{"callerid": allowed("domain:example.com"), "pad": "x" * 1000}] * 2_000
    found = told.document(json.dumps(every))
    assert (found["decisions"], found["broken"]) == (2_000, 0)


def test_it_does_not_matter_where_a_long_line_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callerid.audit._log_entries._LONGEST", 200)
    entry = {"outcome": "allowed", "route": 'a "brace" \\ { \\" } \\\\', "pad": "}" * 50}
    for blanks in range(200):
        entries = EntriesOfLog(io.StringIO(f"[{' ' * blanks}{json.dumps([entry, entry])[1:]}"))
        assert [each.decision.fields["route"] for each in entries] == [entry["route"]] * 2
        assert entries.broken == 0


def test_a_text_that_does_not_end_takes_no_other_entry_along(told: Told) -> None:
    found = told.document(f'[\n{{"odd": "}},\n"a": "}}"}},\n{lines(allowed("domain:example.com"))}]')
    assert (found["decisions"], found["broken"]) == (1, 1)


def test_head_counts_for_get_and_unknown_routes_for_nothing(told: Told) -> None:
    head, gone = (allowed("domain:other.com", route=route) for route in ("HEAD /reports/{name}", "GET /gone"))
    assert told.unused(head, gone) == ["domain:example.com"]


def test_alternatives_that_are_no_longer_in_the_rule_count_for_the_route_alone(told: Told) -> None:
    assert told.unused(allowed("domain:former.com")) == ["domain:example.com", "domain:other.com"]


def test_standard_input_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines(ADMIN)))
    assert main(["unused", "--against", "unused_app:app", "--app-dir", str(folder)]) == 1
    assert "1 let in at 2 audited routes" in capsys.readouterr().out


def test_a_closed_standard_input_is_no_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["unused", "--against", "unused_app:app", "--app-dir", str(folder)]) == 2
    assert "no log was given: standard input is closed" in capsys.readouterr().err


def test_without_an_audited_route_or_a_decision_nothing_is_said_to_be_unused(told: Told, folder: Path) -> None:
    code, out, err = told(lines(ADMIN), app="unaudited_app:app")
    assert (code, out) == (2, "")
    assert "unaudited_app:app: no route is audited: name those that count with audit= of protect" in err
    code, out, err = told("nothing\n")
    assert (code, out) == (2, "")
    assert f"no decision is in {folder / 'app.log'} (1 entry is no JSON, or longer than 1 MiB)" in err
    assert "no decision is in" in told("")[2]


def test_a_log_that_cannot_be_read_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gone = str(folder / "gone.log")
    assert main(["unused", gone, "--against", "unused_app:app", "--app-dir", str(folder)]) == 2
    assert f"cannot read {gone}: No such file or directory" in capsys.readouterr().err

"""The lock says where the settings of a guard were written."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from callerid import Domain
from callerid.access import access_map, differences, locked, newcomers
from callerid.fastapi import Guard
from tests.fixtures import URL


def application(guard: Guard) -> FastAPI:
    app = FastAPI()
    guard.protect(app, default=Domain("example.com"))
    return app


def from_file(tmp_path: Path) -> Guard:
    path = tmp_path / "callerid.toml"
    path.write_text(f'[google]\naudiences = ["{URL}"]\n', encoding="utf-8")
    return Guard.from_toml(path)


def test_a_lock_names_the_file_without_its_folder(tmp_path: Path) -> None:
    lock = locked(access_map(application(from_file(tmp_path))))
    assert "guard\n  configured-by file callerid.toml\n  leeway 30\n" in lock
    assert str(tmp_path) not in lock


def test_a_lock_names_the_variables_by_their_prefix() -> None:
    guard = Guard.from_env(environ={"CALLERID_GOOGLE_AUDIENCES": URL})
    assert "configured-by environment variables CALLERID_*\n" in locked(access_map(application(guard)))
    assert "configured-by environment" in locked(access_map(application(Guard.like(guard))))


def test_a_lock_of_before_is_read_and_lets_in_nobody_new(tmp_path: Path) -> None:
    now = access_map(application(from_file(tmp_path)))
    before = "".join(line for line in locked(now).splitlines(keepends=True) if "configured-by" not in line)
    assert [each.after[0] for each in differences(before, now)] == ["configured-by file callerid.toml"]
    assert newcomers(before, now) == []
    assert newcomers(locked(now), now) == []

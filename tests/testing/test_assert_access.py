"""`assert_access`: the map of an application against its lock."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI

from callerid import ConfigurationError, Domain, FirebaseUser, Rule
from callerid.access import access_map, locked
from callerid.testing import assert_access
from tests.access.made import STAFF, new_guard, small


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "access.lock"
    path.write_text(locked(access_map(orders(STAFF))), encoding="utf-8")
    return path


def orders(rule: Rule) -> FastAPI:
    return small({"GET /orders": rule})


def test_an_application_as_its_lock_says_passes(lock: Path) -> None:
    assert_access(orders(STAFF), lock)
    assert_access(orders(STAFF), str(lock), started=True)


def test_a_changed_rule_fails_with_the_difference_and_the_remedy(lock: Path) -> None:
    with pytest.raises(AssertionError, match=r"not as access\.lock says") as failed:
        assert_access(orders(STAFF | FirebaseUser("u1")), lock)
    said = str(failed.value)
    assert "changed: GET /orders" in said
    assert "callerid routes MODULE:APP --lock access.lock" in said


def test_a_problem_of_the_map_fails_though_the_lock_has_it(lock: Path) -> None:
    app = small({"GET /orders": STAFF}, guard=new_guard())
    app.add_api_route("/lost", new_guard().allow(Domain("example.com"))(lambda: None))
    lock.write_text(locked(access_map(app)), encoding="utf-8")
    with pytest.raises(AssertionError, match="problem: "):
        assert_access(app, lock)


def test_what_is_no_lock_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "other.lock"
    path.write_text("poetry", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"other\.lock: this is not an access lock"):
        assert_access(orders(STAFF), path)
    with pytest.raises(OSError, match="missing"):
        assert_access(orders(STAFF), tmp_path / "missing.lock")

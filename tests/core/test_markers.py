"""The markers that `make check` leaves out: only registered ones are used, and no test with a server lacks its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"

# How a test module starts a server: by itself, or by a helper of its folder.
STARTS_A_SERVER = re.compile(
    r'uvicorn\.Server\(|"-m", "gunicorn"|\bservers import .*\b(serving|gunicorn|waitress)\b|stages import .*\bserve\b'
)


@pytest.mark.parametrize("marker", ["sever", "integration"])
@pytest.mark.slow
def test_a_marker_that_is_not_registered_is_an_error(marker: str, pytester: pytest.Pytester) -> None:
    (pytester.path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    file = pytester.makepyfile(f"import pytest\n\n@pytest.mark.{marker}\ndef test_it(): ...\n")
    run = pytester.runpytest_inprocess("-p", "no:cacheprovider", file)
    run.assert_outcomes(errors=1)
    run.stdout.fnmatch_lines([f"*'{marker}' not found in `markers` configuration option"])


@pytest.mark.parametrize("marker", ["server", "slow"])
def test_a_registered_marker_leaves_its_test_out(marker: str, pytester: pytest.Pytester) -> None:
    (pytester.path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    file = pytester.makepyfile(f"import pytest\n\n@pytest.mark.{marker}\ndef test_it(): ...\n\ndef test_quick(): ...\n")
    run = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-m", "not server and not slow", file)
    run.assert_outcomes(passed=1, deselected=1)


def test_modules_that_start_servers_mark_their_tests() -> None:
    others = (file for file in TESTS.rglob("test_*.py") if file != Path(__file__))
    starting = [file for file in others if STARTS_A_SERVER.search(file.read_text())]
    unmarked = [str(file.relative_to(TESTS)) for file in starting if "pytest.mark.server" not in file.read_text()]
    assert len(starting) > 5
    assert unmarked == []

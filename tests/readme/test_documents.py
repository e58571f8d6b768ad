"""The documents for contributors name what is there: files, commands, versions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import callerid
from callerid.audit._suite import KINDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["CONTRIBUTING.md", "SECURITY.md", "README.md"]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md"])
def test_the_files_they_name_exist(name: str) -> None:
    named = set(re.findall(r"(?:tests|src|examples|bench|docs)/[\w./]*\w|\b[A-Z]+\.md", text_of(name)))
    assert len(named) >= 5
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_commands_they_name_are_in_the_makefile(name: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+)(?=.*:)", text_of("Makefile")))
    named = {
        word
        for line in re.findall(r"(?m)(?:^ {4}|`)make ([a-z -]+)", text_of(name))
        for word in line.split("  ")[0].split()
    }
    assert sorted(named - targets) == []


def test_the_changelog_has_the_current_version_below_what_is_unreleased() -> None:
    headings = re.findall(r"(?m)^## (\S+)", text_of("CHANGELOG.md"))
    assert headings[:2] == ["Unreleased", callerid.__version__]
    versions = [tuple(map(int, version.split("."))) for version in headings[1:]]
    assert versions == sorted(set(versions), reverse=True)


@pytest.mark.slow
def test_the_access_tests_and_the_log_of_the_documents_work_with_the_app_of_the_readme(tmp_path: Path) -> None:
    text = text_of("docs/access.md")
    (suite,) = re.findall(r"(?ms)^```toml title=\"access.toml\"\n(.*?)^```$", text)
    (logging,) = re.findall(r"(?ms)^```python\n(.*?)^```$", text)
    app = re.findall(r"(?ms)^```python\n(.*?)^```$", text_of("README.md"))[0]
    assert app in text
    (tmp_path / "access.toml").write_text(suite, encoding="utf-8")
    (tmp_path / "app.py").write_text(app, encoding="utf-8")
    (tmp_path / "call.py").write_text(
        f"{logging}\nfrom app import app\nfrom fastapi.testclient import TestClient\n"
        "print(TestClient(app).get('/reports').json()['instance'])\n",
        encoding="utf-8",
    )

    def run(*words: str, sent: str = "") -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        return subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environ,
            input=sent,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    checked = run("-m", "callerid", "check", "app:app", "access.toml")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert len(re.findall(r"\[personas\.", suite)) == 4
    called = run("call.py")
    told = run("-m", "callerid", "why", called.stdout.strip(), sent=called.stderr)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("refused: GET /reports  401 no_credential")


def test_the_table_of_personas_names_every_kind_with_what_may_stand_beside_it() -> None:
    rows = re.findall(r"(?m)^\| `(\w+) = .*?\| (.*) \|$", text_of("docs/access.md"))
    assert {kind: set(re.findall(r"`(\w+)`", beside)) - {"custom_credential"} for kind, beside in rows} == {
        kind: set(options) for kind, options in KINDS.items()
    }


def test_the_tables_about_credentials_name_what_is_there() -> None:
    text = text_of("docs/credentials.md")
    table = "".join(line for line in text.splitlines() if line.startswith("| ") and "---" not in line)
    named = set(re.findall(r"`(?:Via\()?([A-Za-z_]+)(?=\(|`)", table)) - {"Authorization", "X", "gcloud"}
    assert sorted(name for name in named if not hasattr(callerid, name)) == []

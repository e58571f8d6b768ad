"""What is uploaded: the wheel, the sdist, and what they say of themselves."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from trove_classifiers import classifiers

import callerid

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def built(source: Path, to: Path, *options: str) -> list[Path]:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(to), *options],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=100,
    )
    return sorted(to.iterdir())


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist of this source tree."""
    wheel, sdist = built(ROOT, tmp_path_factory.mktemp("dist"))
    return wheel, sdist


@pytest.fixture(scope="module")
def metadata(distributions: tuple[Path, Path]) -> Message:
    with zipfile.ZipFile(distributions[0]) as wheel:
        (name,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        return Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_has_every_module_the_types_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[0]) as wheel:
        names = {each for each in wheel.namelist() if ".dist-info/" not in each}
    source = ROOT / "src"
    modules = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert modules <= names
    assert {
        "callerid/py.typed",
        "callerid/_docs/errors.md",
        "callerid/play/static/play.css",
        "callerid/play/static/play.js",
    } <= names
    assert {each.partition("/")[0] for each in names} == {"callerid", "pytest_callerid.py"}
    assert [each for each in names if "tests" in each.split("/") or "__pycache__" in each] == []
    assert [each for each in names - modules if "/_examples/" not in each and each.endswith(".py")] == []


def test_the_record_of_the_wheel_has_the_digest_of_every_file(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[0]) as wheel:
        (record,) = [each for each in wheel.namelist() if each.endswith(".dist-info/RECORD")]
        rows = {row[0]: row[1] for row in csv.reader(io.StringIO(wheel.read(record).decode())) if row}
        assert rows.keys() == set(wheel.namelist())
        for name, said in rows.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode()
            assert said == ("" if name == record else f"sha256={digest}"), name


def test_the_sdist_builds_the_same_wheel(distributions: tuple[Path, Path], tmp_path: Path) -> None:
    wheel, sdist = distributions
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    (again,) = built(source, tmp_path / "dist", "-t", "wheel")
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_sdist_has_the_sources_and_nothing_that_was_made(distributions: tuple[Path, Path]) -> None:
    with tarfile.open(distributions[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "Makefile", "constraints.txt", "tests/conftest.py"} <= names
    assert [name for name in names if name.startswith((".venv", "dist/")) or "__pycache__" in name] == []


def test_the_metadata_is_that_of_the_code(metadata: Message) -> None:
    assert (metadata["Name"], metadata["Version"]) == ("callerid", callerid.__version__)
    assert (metadata["Requires-Python"], metadata["License-Expression"]) == (">=3.11", "MIT")
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert sorted(metadata.get_all("Provides-Extra", [])) == sorted(PROJECT["optional-dependencies"])


def test_the_metadata_is_valid_by_its_specification(distributions: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(distributions[0]) as wheel:
        (name,) = [each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")]
        read = Metadata.from_email(wheel.read(name), validate=True)  # raises for whatever an index would refuse
    assert read.license_files == ["LICENSE"]
    assert "dist-info/licenses/LICENSE" in "\n".join(wheel.namelist())


def test_classifiers_are_known_and_say_which_versions_are_supported(metadata: Message) -> None:
    said = metadata.get_all("Classifier", [])
    assert set(said) <= classifiers
    assert said == sorted(set(said))
    versions = [int(each) for each in re.findall(r"Python :: 3\.(\d+)", "\n".join(said))]
    lowest = int(metadata["Requires-Python"].removeprefix(">=3."))
    assert sorted(versions) == list(range(lowest, max(versions) + 1))


def test_every_extra_that_a_text_names_is_there_and_has_something_in_it() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    named = {
        extra
        for path in texts
        for several in re.findall(r"callerid\[([a-z0-9,-]+)\]", path.read_text(encoding="utf-8"))
        for extra in several.split(",")
    }
    assert len(named) >= 5
    assert sorted(named - PROJECT["optional-dependencies"].keys()) == []
    assert all(PROJECT["optional-dependencies"].values())


def test_the_workflow_runs_what_ci_runs_and_pins_every_action() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.search(r"(?m)^ +- run: \.ci/run$", workflow)
    used = re.findall(r"uses: (\S+)", workflow)
    assert len(used) >= 4
    assert [each for each in used if not re.fullmatch(r"[\w./-]+@v\d+\.\d+\.\d+", each)] == []
    # Whoever may ask for an identity may publish: the job that publishes alone.
    assert re.match(r"(?s).*?^permissions:\n  contents: read\n", workflow, re.MULTILINE)
    (publish,) = re.findall(r"(?ms)^  publish:\n.*", workflow)
    assert workflow.count("id-token: write") == publish.count("id-token: write") == 1
    assert "secrets." not in workflow

"""docs/configuration.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callerid import Guard, firebase, google
from callerid.configuration import GUARD, SECTIONS
from tests.configuration.made import CLIENT, URL

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TEXT.splitlines() if line.startswith("| `")]


def test_every_setting_of_the_guard_is_documented_with_its_variable_and_remedy() -> None:
    found = [row for row in ROWS if len(row) == 4]
    assert [row[:2] for row in found] == [[f"`{each.name}`", f"`CALLERID_{each.name.upper()}`"] for each in GUARD]
    assert [row[2].partition(":")[0] for row in found] == [each.type.name for each in GUARD]
    assert all(row[3] for row in found)


def test_every_setting_of_an_issuer_is_documented_with_its_variable_and_remedy() -> None:
    expected = [
        [
            f"`{name}`",
            f"`{each.name}`" + ("\\*" if each.required else ""),
            f"`CALLERID_{name.upper()}_{each.name.upper()}`" if each.in_environment else "none",
            each.type.name,
        ]
        for name, section in SECTIONS.items()
        for each in section.settings
    ]
    found = [row for row in ROWS if len(row) == 5]
    assert [row[:4] for row in found] == expected
    assert all(row[4] for row in found)


def test_the_file_of_the_page_is_read(tmp_path: Path) -> None:
    (toml,) = re.findall(r"(?ms)^```toml\n(.*?)^```$", TEXT)
    path = tmp_path / "callerid.toml"
    path.write_text(toml, encoding="utf-8")
    guard = Guard.from_toml(path, environ={"ORDERS_REDIS_URL": "redis://127.0.0.1:1/0"})
    assert guard.issuers == (google(URL, CLIENT), firebase("shop-prod", ["acme-x1"]), firebase("shop-staff"))


def test_the_code_of_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CALLERID_GOOGLE_AUDIENCES", "CALLERID_FIREBASE_PROJECT"):
        monkeypatch.setenv(name, "set by the page")  # and taken back after it
    (block,) = re.findall(r"(?ms)^```python\n(.*?)^```$", TEXT)
    block = block.replace("from callerid.fastapi import", "from callerid import")  # the same, without the framework
    names: dict[str, object] = {}
    exec(compile(block, "docs/configuration.md", "exec", dont_inherit=True), names)
    guard = names["guard"]
    assert isinstance(guard, Guard)
    assert guard.issuers == (google(URL, CLIENT), firebase("shop-prod"))

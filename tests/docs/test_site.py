"""The site: the reference has every public name, the threat model's tests exist, the pages have a place."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from functools import cache

import pytest
import yaml

import callerid
import callerid.testing
from tests.docs.pages import DOCS, PAGES, ROOT, text_of

REFERENCE = [page for page in PAGES if page.startswith("reference/")]
SHOWN = [name for page in REFERENCE for name in re.findall(r"(?m)^::: (\S+)$", text_of(page))]
TESTS = re.findall(r"`(tests/[\w/.]+::\w+)`", text_of("threat-model.md"))


@pytest.mark.parametrize("name", SHOWN)
def test_what_the_reference_shows_is_there_and_has_a_docstring(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert getattr(importlib.import_module(module), attribute).__doc__


def test_the_reference_shows_every_public_name_once() -> None:
    assert len(SHOWN) == len(set(SHOWN))
    public = {f"callerid.{name}" for name in callerid.__all__}
    tests = {f"callerid.testing.{name}" for name in callerid.testing.__all__ if not name.isupper()}
    assert (public | tests) - set(SHOWN) == set()


@cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("test", TESTS)
def test_what_the_threat_model_names_is_a_test(test: str) -> None:
    file, _, name = test.partition("::")
    assert name.startswith("test_")
    assert name in names_in(file)


def test_each_attack_of_the_threat_model_names_a_test() -> None:
    rows = re.findall(r"(?m)^\| (?!attack|mistake|leak|---).*$", text_of("threat-model.md"))
    assert len(rows) == len(TESTS) > 40


def test_a_built_page_asks_no_other_host() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert "site_url" not in settings
    assert not [each for each in (*settings["extra_css"], *settings.get("extra_javascript", ())) if "//" in each]
    fences = settings["markdown_extensions"]
    assert not [
        each for each in fences if isinstance(each, dict) and "pymdownx.superfences" in each
    ]  # mermaid's script


def test_what_builds_the_site_is_pinned() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    assert {re.split(r"[\[>]", each)[0] for each in extras["docs"]} <= pinned


def test_the_pages_have_their_place() -> None:
    places = re.findall(r"(?m)(?:- |glob: )([\w/-]+\.md|[\w-]*/?\*)", (DOCS / ".nav.yml").read_text(encoding="utf-8"))
    assert '"*"' in (DOCS / ".nav.yml").read_text(encoding="utf-8")  # a page that is named nowhere is among the topics
    assert [place for place in places if place.endswith(".md") and place not in PAGES] == []

"""Layers: each module imports only from layers below its own, and the core needs no framework."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import cast

import pytest

import callerid
import callerid.rules

ROOT = Path(callerid.__file__).parent

PRIVATE = ("answers", "applications", "forks", "marks", "status")
"""The layers that are one private module each."""

LAYERS = {
    "errors": (),
    "callers": (),
    "rules": ("errors", "callers"),
    "iam": ("errors", "rules"),
    "observing": ("callers",),
    "forks": (),
    "asking": ("errors", "forks"),
    "keys": ("errors", "forks", "asking", "observing"),
    "issuers": ("errors", "callers", "asking", "keys"),
    "authentication": ("errors", "callers", "observing", "forks", "asking", "keys", "issuers"),
    "fleet": ("errors", "forks", "asking", "authentication"),
    "configuration": ("errors", "keys", "issuers", "fleet"),
    "audit.algebra": ("errors", "callers", "rules", "issuers"),
    "answers": ("errors",),
    "applications": (),
    "lookups": ("errors", "callers", "rules", "observing", "asking", "keys", "issuers"),
    "status": ("asking", "keys", "authentication"),
    "authorization": (
        "errors",
        "callers",
        "rules",
        "observing",
        "asking",
        "keys",
        "issuers",
        "authentication",
        "audit.algebra",
        "lookups",
    ),
    "guard": (
        "errors",
        "callers",
        "rules",
        "observing",
        "asking",
        "lookups",
        "keys",
        "issuers",
        "authentication",
        "configuration",
        "audit.algebra",
        "answers",
        "authorization",
        "status",
    ),
    "marks": ("errors", "rules", "guard"),
    "paths": (
        "errors",
        "callers",
        "rules",
        "keys",
        "authentication",
        "audit.algebra",
        "answers",
        "authorization",
        "guard",
        "marks",
    ),
    "wsgi": (
        "errors",
        "callers",
        "rules",
        "keys",
        "authentication",
        "answers",
        "applications",
        "authorization",
        "guard",
        "paths",
    ),
}
"""For each layer of the core, the layers it may import. The order is the order of the docstring in `callerid`."""

RULE_LAYERS = {
    "text": (),
    "facts": ("text",),
    "accounts": ("facts", "text"),
    "judging": ("facts",),
    "base": ("facts", "judging"),
    "google": ("facts", "text", "accounts", "judging", "base"),
    "chat": ("base", "google"),
    "firebase": ("facts", "text", "accounts", "judging", "base"),
    "subjects": ("facts", "text", "accounts", "judging", "base"),
    "claims": ("facts", "text", "accounts", "judging", "base", "firebase"),
    "apps": ("facts", "base"),
    "looked_up": ("facts", "text", "accounts", "judging", "base"),
    "single_use": ("facts", "judging", "base"),
    "alternatives": ("facts", "judging", "base"),
    "anyone": ("facts", "text", "judging", "base", "apps", "looked_up", "single_use"),
    "reading": ("facts", "accounts", "judging", "base", "google", "firebase", "looked_up", "anyone"),
}
"""The same inside `callerid.rules`."""

HEAVY = {
    "anyio",
    "asgiref",
    "click",
    "cryptography",
    "django",
    "fastapi",
    "flask",
    "httpx",
    "pydantic",
    "requests",
    "starlette",
    "trio",
    "urllib3",
}


def files(layer: str) -> list[Path]:
    package = ROOT.joinpath(*layer.split("."))
    if package.is_dir():
        return sorted(package.rglob("*.py"))
    return [path for path in (ROOT / f"{layer}.py", ROOT / f"_{layer}.py") if path.exists()]


def plain(name: str) -> str:
    """A module's name without the underscores that mark it as private."""
    return ".".join(part.lstrip("_") for part in name.split("."))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file's syntax tree, the module itself first."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imported(path: Path) -> frozenset[str]:
    """Every module that a file names in an import statement, wherever it stands."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(node.module or "")
    return frozenset(found)


def ours(path: Path, package: str) -> set[str]:
    inside = {plain(name.removeprefix(f"{package}.")) for name in imported(path) if name.startswith(f"{package}.")}
    found = {"audit.algebra" if name.startswith("audit.algebra") else name.partition(".")[0] for name in inside}
    return found | ({""} if package in imported(path) else set())


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_from_layers_below(layer: str) -> None:
    for path in files(layer):
        assert ours(path, "callerid") <= {*LAYERS[layer], layer}, path


@pytest.mark.parametrize("layer", RULE_LAYERS)
def test_a_module_of_the_rules_imports_only_from_those_below(layer: str) -> None:
    assert ours(ROOT / "rules" / f"_{layer}.py", "callerid.rules") <= set(RULE_LAYERS[layer])


MODULES_BY_NAME = {
    ".".join(("callerid", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
    if "_examples" not in path.parts
}


@cache
def imports_of(name: str) -> frozenset[str]:
    """The modules of ours that a module imports: when it runs, inside functions, and for type checkers alone."""
    found: set[str] = set()
    for node in nodes(MODULES_BY_NAME[name]):
        if isinstance(node, ast.Import):
            found.update(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            named = {f"{node.module}.{each.name}" for each in node.names}
            found |= named & MODULES_BY_NAME.keys() or {str(node.module)}
    return frozenset(found & MODULES_BY_NAME.keys()) - {name}


def package_of(name: str) -> str:
    return "callerid.audit.algebra" if "callerid.audit.algebra" in name else ".".join(name.split(".")[:2])


def test_imports_only_go_down() -> None:
    TopologicalSorter({name: imports_of(name) for name in MODULES_BY_NAME}).prepare()  # raises where they go round
    packages: dict[str, set[str]] = {}
    for name in MODULES_BY_NAME:
        packages.setdefault(package_of(name), set()).update(map(package_of, imports_of(name)))
    TopologicalSorter({name: below - {name} for name, below in packages.items()}).prepare()


LISTED = re.compile(r"^ {4}(\w+(?: [·←] \w+)*)(?: {2,}|$)", re.MULTILINE)


@pytest.mark.parametrize("package", [name for name, path in MODULES_BY_NAME.items() if path.stem == "__init__"])
def test_a_package_lists_its_modules_in_the_order_of_their_imports(package: str) -> None:
    doc = ast.get_docstring(cast("ast.Module", nodes(MODULES_BY_NAME[package])[0])) or ""
    if package == "callerid" or not (lines := LISTED.findall(doc)):
        return
    listed = {f"{package}.{name}": row for row, line in enumerate(lines) for name in re.findall(r"\w+", line)}
    own = {name for name in MODULES_BY_NAME if name.rpartition(".")[0] == package}
    assert set(map(plain, own)) <= listed.keys()
    at = {name: listed[plain(name)] for name in own}
    upwards = [(name, each) for name in own for each in imports_of(name) & own if at[each] > at[name]]
    assert upwards == []


PUBLIC = {
    "access",
    "algebra",
    "callers",
    "django.apps",
    "django.authentication",
    "errors",
    "guard",
    "iam",
    "logs",
    "mcp",
    "observing",
    "otel",
    "testing.access",
    "testing.plugin",
    "testing.strategies",
    "wsgi",
}
"""The modules that others may import, beside the packages; all else that is public is imported from a package."""


def test_private_modules_begin_with_an_underscore() -> None:
    modules = {name.removeprefix("callerid.") for name, path in MODULES_BY_NAME.items() if path.stem != "__init__"}
    assert {name for name in modules if not name.rpartition(".")[2].startswith("_")} == PUBLIC


ADAPTERS = {"asgi", "wsgi", "starlette", "fastapi", "flask", "django"}
OF_EACH_ADAPTER = {"CallerMiddleware", "Guard"}
"""Adapters have the same parts; these are named so elsewhere, too."""


def test_a_class_has_a_name_of_its_own() -> None:
    owners: dict[str, list[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        package = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and not (node.name in OF_EACH_ADAPTER and package in ADAPTERS):
                owners.setdefault(node.name, []).append(package)
    twice = {
        name: found for name, found in owners.items() if len(set(found)) < len(found) or not set(found) <= ADAPTERS
    }
    assert {name: found for name, found in twice.items() if len(found) > 1} == {}


def test_the_layers_are_those_that_the_docstring_draws() -> None:
    _, _, drawn = (callerid.__doc__ or "").partition("::")
    words = re.findall(r"[a-z.]+", drawn)
    assert sorted(LAYERS, key=words.index) == list(LAYERS)


def test_every_module_of_the_rules_has_a_layer() -> None:
    assert {path.stem for path in (ROOT / "rules").glob("*.py")} == {"__init__", *(f"_{name}" for name in RULE_LAYERS)}
    seen: set[str] = set()
    for layer, below in LAYERS.items():
        assert set(below) <= seen, layer
        seen.add(layer)


@pytest.mark.parametrize(
    "layer", [layer for layer in LAYERS if layer not in ("asking", "keys", "authentication", "lookups")]
)
def test_the_core_imports_the_standard_library_alone(layer: str) -> None:
    for path in files(layer):
        roots = {name.partition(".")[0] for name in imported(path)}
        assert roots - {"callerid"} <= sys.stdlib_module_names, path


@pytest.mark.slow
def test_importing_callerid_imports_no_framework_and_no_client() -> None:
    code = "import sys, callerid; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT.parent)},
    )
    loaded = set(done.stdout.split())
    assert "callerid" in loaded
    assert not loaded & HEAVY
    assert not {name for name in loaded if name.startswith("google")}
    assert not loaded & {"asyncio", "concurrent", "email", "http", "socket", "ssl"}


MODULES = [
    "callerid",
    *(f"callerid.{layer}" for layer in LAYERS if layer not in ("keys", *PRIVATE)),
    *(f"callerid._{layer}" for layer in PRIVATE),
    *(f"callerid.rules._{layer}" for layer in RULE_LAYERS),
]


@pytest.mark.parametrize("name", MODULES)
def test_all_says_what_is_there_and_everything_public_has_a_docstring(name: str) -> None:
    module = importlib.import_module(name)
    assert len(set(module.__all__)) == len(module.__all__)
    assert (module.__doc__ or "").strip().endswith((".", "::", ")")) or name in ("callerid", "callerid.rules")
    for public in module.__all__:
        thing = getattr(module, public)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, public
            assert not thing.__doc__.startswith(f"{public}("), f"{public} has a generated docstring only"


@pytest.mark.parametrize("name", callerid.__all__)
def test_what_the_package_shows_explains_its_methods(name: str) -> None:
    thing = getattr(callerid, name)
    for method, function in vars(thing).items() if inspect.isclass(thing) else ():
        if inspect.isfunction(function) and not method.startswith("_"):
            inherited = [vars(base).get(method) for base in thing.__mro__]
            assert any(getattr(each, "__doc__", None) for each in inherited), f"{name}.{method}"


def test_the_package_shows_every_rule() -> None:
    shown = {name for name in callerid.__all__ if name in callerid.rules.__all__}
    rules = {
        name
        for name in callerid.rules.__all__
        if inspect.isclass(rule := getattr(callerid.rules, name)) and issubclass(rule, callerid.Rule)
    }
    assert rules <= shown

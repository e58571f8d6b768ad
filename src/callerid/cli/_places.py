"""The example application of the demo, loaded from where it lies in a wheel or a checkout."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import callerid
from callerid.access import Suite, read_suite
from callerid.cli._trouble import CommandError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["example_application", "example_suite", "need"]

_NEEDED = {"fastapi": ("fastapi", "multipart|python_multipart"), "flask": ("flask",)}


def example_application(environment: Mapping[str, str], framework: str = "fastapi") -> Any:
    """The application of ``examples/fastapi_app`` or ``examples/flask_app``, loaded anew under this environment.

    It lies beside this package in a wheel, and in its own folder in a checkout. Raises `CommandError` where it, or what
    it needs, is missing.
    """
    need(*_NEEDED[framework])
    return _loaded(_example(framework) / "app.py", environment).app


def example_suite(framework: str) -> Suite:
    """The personas and access tests of that application. Raises `CommandError` where it is missing."""
    file = _example(framework) / "access.toml"
    return read_suite(file.read_text(encoding="utf-8"), str(file))


def _example(framework: str) -> Path:
    package = Path(callerid.__file__).parent
    for folder in (package / "_examples", package.parents[1] / "examples"):
        if (found := folder / f"{framework}_app").joinpath("app.py").is_file():
            return found
    raise CommandError("the example application is not part of this installation: install callerid from its wheel")


def need(*modules: str, what: str = "the demo") -> None:
    """Raise `CommandError` for a module that is not installed; ``|`` stands between two names of one."""
    for module in modules:
        if not any(importlib.util.find_spec(name) for name in module.split("|")):
            raise CommandError(f"{what} needs {module.rpartition('|')[2]}: pip install 'callerid[cli]'")


def _loaded(file: Path, environment: Mapping[str, str]) -> Any:
    spec = importlib.util.spec_from_file_location("callerid_example", file)
    assert spec is not None  # noqa: S101 - the file is there, and it is Python
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[spec.name]
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return module

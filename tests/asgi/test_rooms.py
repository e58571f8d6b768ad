"""The room stands on anyio and on nothing of any framework."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import callerid
import callerid.asgi
import callerid.paths
import callerid.wsgi

ROOT = Path(callerid.__file__).parent.parent
FRAMEWORKS = {"django", "fastapi", "flask", "litestar", "pydantic", "quart", "requests", "starlette", "werkzeug"}


@pytest.mark.parametrize(("room", "without"), [("asgi", FRAMEWORKS), ("wsgi", FRAMEWORKS | {"anyio"})])
@pytest.mark.slow
def test_a_plain_application_needs_no_framework(room: str, without: set[str]) -> None:
    code = f"import sys, callerid.{room}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}
    )
    assert f"callerid.{room}" in sys.modules
    assert not set(done.stdout.split()) & without


@pytest.mark.parametrize("module", [callerid.asgi, callerid.paths, callerid.wsgi])
def test_everything_public_has_a_docstring(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]
        thing = getattr(module, name)
        if isinstance(thing, type):
            assert thing.__doc__
            assert not thing.__doc__.startswith(f"{name}("), f"{name} has a generated docstring only"

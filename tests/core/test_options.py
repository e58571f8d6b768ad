"""The options of every adapter: each is named where an editor shows it, and the shared ones are described once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

import callerid.asgi
import callerid.fastapi
import callerid.flask
import callerid.starlette
import callerid.wsgi
from callerid.guard import GuardCore

SHARED = ["default", "floor", "routes", "on_refusal", "enforce", "until", "shadow"]

PROTECT = [callerid.starlette.Guard.protect, callerid.fastapi.Guard.protect, callerid.flask.Guard.protect]
MIDDLEWARE = [callerid.asgi.CallerMiddleware, callerid.wsgi.CallerMiddleware]


@pytest.mark.parametrize("adapter", [*PROTECT, *MIDDLEWARE], ids=lambda adapter: adapter.__module__)
def test_every_option_is_in_the_docstring(adapter: Callable[..., Any]) -> None:
    doc = inspect.getdoc(adapter) or ""
    options = set(inspect.signature(adapter).parameters) - {"self", "app", "guard"}
    assert set(SHARED) <= options
    # `enforce` and `until` go together: both are named in one line.
    assert [name for name in sorted(options) if f"- ``{name}" not in doc and name != "until"] == []
    assert "`callerid.guard.GuardCore`" in doc


@pytest.mark.parametrize("name", SHARED)
def test_every_shared_option_is_described_with_the_guard(name: str) -> None:
    doc = inspect.getdoc(GuardCore) or ""
    assert f"- ``{name}" in doc or f", {name}=" in doc

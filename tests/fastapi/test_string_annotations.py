"""Modules under ``from __future__ import annotations``: rules in texts are found, or the application does not start."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.requests import HTTPConnection

from callerid import ConfigurationError, Public
from tests.fixtures import OTHERS

from . import stringly
from .world import ask, closed, dial, start, statuses


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI()
    stringly.guard.protect(app, default=OTHERS)
    stringly.serve(app)
    start(app)
    return app


@pytest.mark.parametrize("path", ["/alias", "/written-out", "/decorated", "/decorated-async", "/below"])
def test_rules_in_texts_hold(app: FastAPI, path: str) -> None:
    assert statuses(app, path, None, "outsider", "staff") == [401, 403, 200]


def test_callers_in_texts_arrive(app: FastAPI) -> None:
    assert ask(app, "/alias", "staff").json == "user:ada@example.com"
    assert ask(app, "/written-out", "staff").json == "user:ada@example.com"
    assert ask(app, "/below", "staff").json == "user:ada@example.com"
    assert [ask(app, "/perhaps", who).json for who in (None, "outsider", "staff")] == [
        "None",
        "None",
        "user:ada@example.com",
    ]


def test_a_decorated_endpoints_texts_are_read_in_its_own_module(app: FastAPI) -> None:
    assert ask(app, "/decorated?q=7", "staff").json == 7
    assert ask(app, "/decorated?q=x", "staff").status == 422


@pytest.mark.parametrize("serve", stringly.LOCAL, ids=lambda serve: serve.__name__)
def test_a_local_alias_is_explained_and_never_served_without_its_rule(serve: Callable[..., Any]) -> None:
    app, guard = closed(Public())
    seen: list[str] = []
    serve(app, guard, seen)
    with pytest.raises(ConfigurationError, match="at the module's top level"):
        start(app)
    answers = statuses(app, "/x", None, "staff") + statuses(app, "/x?caller=boss", None, "staff")
    assert set(answers) <= {500, 404}  # 404: the WebSocket's path, asked by HTTP
    with pytest.raises(ConfigurationError):
        dial(app, "/x")
    assert seen == []


def test_what_fastapi_calls_for_a_caller_has_no_types_in_texts() -> None:
    """FastAPI up to 0.121 would read them without the names of our module."""
    (parameter,) = inspect.signature(stringly.guard.allow(OTHERS).dependency).parameters.values()  # type: ignore[arg-type]
    assert parameter.annotation is HTTPConnection

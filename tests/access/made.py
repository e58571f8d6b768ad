"""Applications made for these tests."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from callerid import Domain, Rule, firebase, google
from callerid.fastapi import Guard

STAFF = Domain("example.com")


SERVICE = "https://orders.example.com"


def new_guard(*audiences: str) -> Guard:
    return Guard(google(*(audiences or (SERVICE,))), firebase("shop-prod"))


def small(rules: dict[str, Rule], *, default: Rule = STAFF, guard: Guard | None = None) -> FastAPI:
    """An application with a route for each rule."""
    guard = guard or new_guard()
    app = FastAPI(openapi_url=None)
    guard.protect(app, default=default)

    for name, rule in rules.items():
        method, path = name.split()
        app.add_api_route(path, guard.allow(rule)(lambda: None), methods=[method])
    return app


def module(folder: Path, text: str, name: str = "made_for_a_test") -> str:
    """A module in a folder; gives its name."""
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return name

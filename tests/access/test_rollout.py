"""Rules that are not enforced, in the map, in the lock, and in the proof that nobody new comes in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.routing import Mount

import callerid
import callerid.flask
import callerid.starlette
import callerid.wsgi
from callerid import Nobody, google
from callerid.access import access_map, differences, locked, newcomers
from callerid.asgi import CallerMiddleware
from callerid.audit._forms import as_json, as_markdown, as_table
from callerid.cli import main
from tests.access.made import SERVICE, STAFF, module, new_guard

DAY, LATER = "2999-01-31", "2999-02-28"
LET_THROUGH: dict[str, Any] = {"enforce": False, "until": DAY}
TOLD = f"NOT ENFORCED everywhere until {DAY}: every request is let through, and what would be refused is logged"


def fastapi_app(**options: Any) -> FastAPI:
    app = FastAPI(openapi_url=None)
    new_guard().protect(app, **{"default": STAFF, **options})
    app.get("/x")(lambda: None)
    return app


def flask_app(**options: Any) -> Flask:
    app = Flask("orders", static_folder=None)
    callerid.flask.Guard(google(SERVICE)).protect(app, default=STAFF, **options)
    app.get("/x")(lambda: "")
    return app


def asgi_app(**options: Any) -> Any:
    return CallerMiddleware(object(), guard=callerid.Guard(google(SERVICE)), default=STAFF, **options)  # type: ignore[arg-type]


def wsgi_app(**options: Any) -> Any:
    return callerid.wsgi.CallerMiddleware(object(), guard=callerid.Guard(google(SERVICE)), default=STAFF, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [fastapi_app, flask_app, asgi_app, wsgi_app])
def test_every_form_of_the_map_says_so_first(make: Any) -> None:
    found = access_map(make(**LET_THROUGH))
    assert found.unenforced == (f"everywhere until {DAY}",)
    assert as_table(found, lambda text, _: text)[0] == TOLD
    assert as_markdown(found).splitlines()[:2] == [f"**{TOLD}**", ""]
    assert json.loads(as_json(found))["unenforced"] == [f"everywhere until {DAY}"]
    for options in ({}, {"enforce": False, "until": "2020-01-31"}, {"shadow": {"/x": Nobody()}}):
        usual = access_map(make(**options))
        assert usual.unenforced == ()
        assert as_table(usual, lambda text, _: text)[0].startswith("ROUTE")
        assert as_markdown(usual).startswith("| route")


def test_the_command_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = f"from tests.access.test_rollout import *\napp = fastapi_app(enforce=False, until={DAY!r})\n"
    name = module(tmp_path, text, "not_enforced_app")
    lock = tmp_path / "access.lock"
    assert main(["routes", f"{name}:app", "--app-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == TOLD
    assert main(["routes", f"{name}:app", "--app-dir", str(tmp_path), "--lock", str(lock)]) == 0
    assert f"  unenforced everywhere until {DAY}\n" in lock.read_text()


def test_where_it_is_so_is_said_of_each_application() -> None:
    inner, app = Starlette(), Starlette()
    callerid.starlette.Guard(google(SERVICE)).protect(inner, default=STAFF, enforce=False, until=LATER)
    app.router.routes.append(Mount("/in", app=inner))
    inner.add_route("/x", lambda _: None)  # type: ignore[arg-type, return-value]
    callerid.starlette.Guard(google(SERVICE)).protect(app, default=STAFF)
    assert access_map(app).unenforced == (f"under /in until {LATER}",)
    outside = asgi_app(**LET_THROUGH)
    outside.app = app
    assert access_map(outside).unenforced == (f"in middleware 1 until {DAY}", f"under /in until {LATER}")
    marked = asgi_app(**LET_THROUGH)
    marked.app = Starlette()
    assert access_map(marked).unenforced == (f"everywhere until {DAY}",)


def test_a_lock_tells_the_difference() -> None:
    enforced, lifted = access_map(fastapi_app()), access_map(fastapi_app(**LET_THROUGH))
    assert differences(locked(lifted), lifted) == []
    assert list(map(str, differences(locked(enforced), lifted))) == [
        f"changed: application\n  + unenforced everywhere until {DAY}"
    ]
    assert list(map(str, differences(locked(lifted), enforced))) == [
        f"changed: application\n  - unenforced everywhere until {DAY}"
    ]


@pytest.mark.parametrize("default", [STAFF, Nobody()])
def test_what_is_not_enforced_any_more_cannot_be_proved_to_let_in_nobody(default: Any) -> None:
    enforced = access_map(fastapi_app(default=default))
    for before, now in ((enforced, DAY), (access_map(fastapi_app(default=default, **LET_THROUGH)), LATER)):
        found = newcomers(locked(before), access_map(fastapi_app(default=default, enforce=False, until=now)))
        assert list(map(str, found)) == [
            f"the application: cannot tell: the rules are not enforced: unenforced everywhere until {now}"
        ]


def test_what_is_enforced_from_now_on_lets_in_nobody_new() -> None:
    lifted = access_map(fastapi_app(**LET_THROUGH))
    assert newcomers(locked(lifted), lifted) == []
    assert newcomers(locked(lifted), access_map(fastapi_app())) == []

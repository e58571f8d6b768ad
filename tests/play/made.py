"""Applications to be played with, and what is asked of their pages."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from callerid import CustomClaim, Domain, FirebaseUser, PathParam, Public, Role, firebase, google
from callerid.audit._suite import Suite, read_suite
from callerid.fastapi import Guard
from callerid.lookups import Lookup
from callerid.play._session import Playground
from callerid.play._web import access_page

HOST = "http://127.0.0.1:8765"
CLIENT = "1234-abc.apps.googleusercontent.com"

PEOPLE = """
[personas.stranger]
may = ["GET /open"]

[personas.ada]
firebase_user = "ada"
email = "ada@example.com"
may = ["GET /users/ada/orders", "POST /users/ada/orders"]

[personas.sam]
workspace_person = "sam@example.com"
roles = ["editor"]
may = ["GET /reports"]
"""


def suite(text: str = PEOPLE) -> Suite:
    return read_suite(text, "access.toml")


def shop(ran: list[str] | None = None) -> FastAPI:
    """A small shop; what its handlers do is noted in ``ran``."""
    done = [] if ran is None else ran
    guard = Guard(
        google("https://orders.example.com", CLIENT),
        firebase("shop-prod"),
        lookups=[Lookup("roles", lambda _: {"nothing"})],
    )
    app = FastAPI(openapi_url=None)
    guard.protect(app, default=Domain("example.com"))

    def note(what: str) -> Any:
        def handler() -> dict[str, str]:
            done.append(what)
            return {"ran": what}

        return handler

    def broken() -> None:
        raise ValueError("the shelf is empty")

    rules = {
        "GET /open": (Public(), note("open")),
        "GET /reports": (Domain("example.com"), note("reports")),
        "GET /broken": (Domain("example.com"), broken),
        "GET /users/{user_id}/orders": (FirebaseUser(PathParam("user_id")), note("orders")),
        "POST /users/{user_id}/orders": (
            FirebaseUser(PathParam("user_id")) | CustomClaim("admin", True),
            note("placed"),
        ),
        "DELETE /reports": (Domain("example.com") & Role("editor"), note("deleted")),
    }
    for name, (rule, handler) in rules.items():
        method, path = name.split()
        app.add_api_route(path, guard.allow(rule)(handler), methods=[method])
    return app


@contextmanager
def page_of(app: Any, **options: Any) -> Generator[tuple[Playground, TestClient]]:
    with Playground(app, "shop:app", **options) as ground:
        yield ground, TestClient(access_page(ground, patient=60), base_url=HOST)


def csrf_of(page: TestClient) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page.get("/").text)
    assert found
    return found[1]


def post(page: TestClient, path: str, fields: Mapping[str, str], **headers: str) -> Any:
    sent = {"Origin": HOST, **headers}
    return page.post(path, data={"csrf": csrf_of(page), **fields}, headers=sent, follow_redirects=False)

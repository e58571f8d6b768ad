"""The documentation's URLs: closed by default, under ``docs=`` where it is given, and nobody else's docs with them."""

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse

from callerid import ConfigurationError, Public, Tenant
from callerid.fastapi import Guard
from tests.fixtures import CLIENT, OTHERS, STAFF, URL, issuer

from .world import closed, new_guard, start, status, statuses

DOCS = ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect")


@pytest.mark.parametrize("path", DOCS)
def test_the_documentation_is_closed_by_default(path: str) -> None:
    app, _ = closed()
    start(app)
    assert statuses(app, path, None, "outsider", "staff") == [401, 403, 200]
    assert statuses(app, path, None, "outsider", "staff", method="HEAD") == [401, 403, 200]


@pytest.mark.parametrize("path", DOCS)
def test_docs_names_their_rule(path: str) -> None:
    for rule, expected in (
        (Public(), [200, 200, 200]),
        (OTHERS, [401, 200, 403]),
        ("user:eve@other.com", [401, 200, 403]),
    ):
        app, _ = closed(docs=rule)
        start(app)
        assert statuses(app, path, None, "outsider", "staff") == expected


def test_docs_opens_nothing_else() -> None:
    app, _guard = closed(docs=Public())
    app.add_api_route("/x", lambda: "x")
    app.add_route("/plain", lambda _: PlainTextResponse("plain"))
    sub = FastAPI()
    app.mount("/sub", sub)
    start(app)
    for path in ("/x", "/plain", "/nowhere", *(f"/sub{path}" for path in DOCS)):
        assert statuses(app, path, None, "outsider") == [401, 403], path
    assert status(app, "/docs", method="POST") == 401
    assert status(app, "/docs/") == 307


def test_docs_of_an_application_with_its_own_guard_are_its_own() -> None:
    app, guard = closed(docs=Public())
    sub = FastAPI()
    guard.protect(sub, default=STAFF)
    app.mount("/sub", sub)
    other = FastAPI()
    guard.protect(other, default=STAFF, docs=OTHERS)
    app.mount("/other", other)
    start(app)
    for path in DOCS:
        assert statuses(app, path, None) == [200]
        assert statuses(app, f"/sub{path}", None, "outsider", "staff") == [401, 403, 200]
        assert statuses(app, f"/other{path}", None, "staff", "outsider") == [401, 403, 200]


def test_docs_and_a_rule_of_the_app_must_both_hold() -> None:
    guard = new_guard()
    app = FastAPI(dependencies=[guard.allow(STAFF)])
    guard.protect(app, default=STAFF, docs=Public())
    assert statuses(app, "/docs", None, "outsider", "staff") == [401, 403, 200]


def test_documentation_at_other_addresses_is_known_too() -> None:
    app = FastAPI(docs_url="/manual", redoc_url=None, openapi_url="/api.json")
    new_guard().protect(app, default=STAFF, docs=Public())
    start(app)
    assert [status(app, path) for path in ("/manual", "/api.json", "/docs", "/redoc")] == [200, 200, 401, 401]


def test_an_application_without_documentation_has_none_to_open() -> None:
    app = FastAPI(openapi_url=None)
    new_guard().protect(app, default=STAFF, docs=Public())
    assert [status(app, path) for path in DOCS] == [401] * 4


@pytest.mark.parametrize("docs", [Tenant("t"), 1, "nobody@example.com"])
def test_an_impossible_docs_rule_is_refused_at_protect(docs: Any) -> None:
    with pytest.raises(ConfigurationError):
        Guard(issuer.google(URL, CLIENT)).protect(FastAPI(), default=STAFF, docs=docs)

"""Rules that are not enforced yet, shadow rules, and what the log has of a request from elsewhere."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from callerid import Domain, Guard
from callerid.asgi import CallerMiddleware
from callerid.cli._why import why
from callerid.testing import LocalIssuer, as_caller, google_person

ISSUER = LocalIssuer()
BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"
ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}
STAFF, OTHERS = Domain("example.com"), Domain("other.com")


def assertion() -> dict[str, str]:
    """A new one, since assertions live for ten minutes."""
    return ISSUER.assertion(ISSUER.iap_assertion(ISSUER.workspace_person()))


async def shown(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.state.caller))


def new_guard() -> Guard:
    return Guard(ISSUER.iap(BACKEND), clock=ISSUER.clock)


def client_of(guard: Guard, **options: Any) -> TestClient:
    app = Starlette(routes=[Route("/", shown, methods=["GET", "POST"])])
    return TestClient(CallerMiddleware(app, guard=guard, default=STAFF, **options))


def test_a_refusal_that_is_not_enforced_shows_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")
    client = client_of(new_guard(), enforce=False, until="2999-01-31")
    assert client.post("/", headers={**assertion(), **ELSEWHERE}).text == "None"
    assert client.post("/", headers=assertion()).text == "user:ada@example.com"
    fields = [vars(record)["callerid"] for record in caplog.records if "callerid" in vars(record)]
    assert [each["reason"] for each in fields if each.get("outcome") == "would refuse"] == ["cross_site"]


def test_shadow_rules_agree_about_where_a_request_comes_from() -> None:
    guard = new_guard()
    client = client_of(guard, shadow={"/*": OTHERS, "/": OTHERS})
    assert client.post("/", headers={**assertion(), **ELSEWHERE}).status_code == 403
    assert client.post("/", headers=assertion()).status_code == 200
    counts = guard.shadow
    assert (counts.agreed, counts.would_refuse, counts.would_admit) == (1, 1, 0)


def test_who_is_acted_as_is_where_the_request_comes_from() -> None:
    guard = new_guard()
    client = client_of(guard)
    with as_caller(guard, google_person("ada@example.com", domain="example.com")) as ada:
        assert (ada.issuer, ada.audience) == ("https://cloud.google.com/iap", BACKEND)
        assert client.post("/").text == "user:ada@example.com"
        assert client.get("/", headers=ELSEWHERE).text == "user:ada@example.com"
        assert client.post("/", headers=ELSEWHERE).json()["reason"] == "cross_site"
    with_tokens = Guard(ISSUER.google(BACKEND), ISSUER.iap(BACKEND))
    with as_caller(with_tokens, google_person("ada@example.com", domain="example.com")):
        assert client_of(with_tokens).post("/", headers=ELSEWHERE).text == "user:ada@example.com"


def test_why_finds_a_refusal_and_says_what_to_do(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    caplog.set_level(logging.INFO, "callerid")
    answer = client_of(new_guard()).post("/", headers={**assertion(), **ELSEWHERE}).json()
    assert (answer["type"], answer["title"], answer["reason"]) == ("about:blank", "Forbidden", "cross_site")
    log = tmp_path / "app.log"
    log.write_text("".join(json.dumps({"callerid": vars(each).get("callerid")}) + "\n" for each in caplog.records))
    out = io.StringIO()
    assert why(out, answer["instance"], str(log)) == 0
    assert "refused: POST (no entry)  403 cross_site" in out.getvalue()
    assert "Sec-Fetch-Site 'cross-site' and no Origin" in out.getvalue()
    assert "remedy  if this origin's pages may act" in out.getvalue()

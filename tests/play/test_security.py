"""No other site reads the page or makes it call anything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.testclient import TestClient

from callerid.play._security import HEADERS
from callerid.play._web import access_page

from .conftest import Played
from .made import HOST, csrf_of


@pytest.mark.parametrize(
    "host", ["rebound.example", "127.0.0.1.nip.io:8765", "", "127.0.0.1@evil.example", "[::1", "10.0.0.1"]
)
def test_another_host_is_refused(played: Played, host: str) -> None:
    answer = played.page.get("/", headers={"Host": host})
    assert answer.status_code == 403
    assert "127.0.0.1 and localhost alone" in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:8765"])
def test_a_name_of_the_loopback_interface_is_answered(played: Played, host: str) -> None:
    assert played.page.get("/log", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/log", "/static/play.js", "/nowhere"])
def test_every_answer_is_locked_down(played: Played, path: str) -> None:
    answer = played.page.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_gets_nothing(played: Played, site: str) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate"}
    assert played.page.get("/log", headers=headers).status_code == 403
    assert played.page.get("/?p.user_id=x", headers=headers).status_code == 403
    assert played.page.get("/", headers={**headers, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert played.page.get("/", headers=headers).status_code == 200  # somebody followed a link


@pytest.mark.parametrize("path", ["/call", "/people", "/token", "/remove", "/again"])
def test_a_form_of_another_origin_is_refused(played: Played, path: str) -> None:
    fields = {"csrf": csrf_of(played.page)}
    for headers in ({}, {"Origin": "null"}, {"Origin": "http://evil.example"}, {"Origin": "http://127.0.0.1:1"}):
        answer = played.page.post(path, data=fields, headers=headers, follow_redirects=False)
        assert (answer.status_code, "Origin" in answer.text) == (403, True)


@pytest.mark.parametrize("path", ["/call", "/people", "/token", "/remove", "/again"])
def test_a_form_without_the_pages_token_is_refused(played: Played, path: str) -> None:
    for fields in ({}, {"csrf": ""}, {"csrf": "guess"}):
        answer = played.page.post(path, data=fields, headers={"Origin": HOST}, follow_redirects=False)
        assert (answer.status_code, "earlier run" in answer.text) == (403, True)


def test_a_form_that_breaks_off_is_answered_and_logged_nowhere(played: Played) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    host = HOST.removeprefix("http://").encode()
    headers = [(b"host", host), (b"origin", HOST.encode())]
    scope = {"type": "http", "method": "POST", "path": "/again", "headers": headers, "query_string": b""}
    asyncio.run(access_page(played.ground)(scope, receive, send))
    assert sent[0]["status"] == 400


def test_the_page_starts_and_ends_as_any_application(played: Played) -> None:
    with TestClient(access_page(played.ground), base_url=HOST) as page:
        assert page.get("/log").status_code == 200


def test_what_is_no_form_is_refused(played: Played) -> None:
    headers = {"Origin": HOST}
    assert played.page.post("/again", content=b"\xff", headers=headers).status_code == 400
    assert played.page.post("/again", content=b"a=" + b"x" * 200_000, headers=headers).status_code == 413
    assert played.page.get("/again").status_code == 405

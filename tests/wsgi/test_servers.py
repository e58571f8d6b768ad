"""Behind real servers: odd requests as bytes, threads, a pre-loaded application; and Django, Bottle and Falcon."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bottle
import falcon
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from callerid import Nobody, Public
from callerid.testing import LocalIssuer
from tests.asgi.djangos import configure
from tests.fixtures import STAFF
from tests.servers import Address, gunicorn, raw, request, status, waitress

from . import served
from .world import ask, guarded, statuses

pytestmark = pytest.mark.server

APPLICATION = "tests.wsgi.served:application()"


@pytest.fixture(scope="module")
def source() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def diary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served") / "diary"


@pytest.fixture(autouse=True)
def _empty(diary: Path) -> None:
    diary.write_text("", encoding="utf-8")


@dataclass
class Served:
    address: Address
    name: str


SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[Address]]] = {
    "waitress": lambda: waitress(served.application()),
    "gunicorn-sync": lambda: gunicorn(APPLICATION, "--workers", "2"),
    "gunicorn-threads-preload": lambda: gunicorn(APPLICATION, "--workers", "2", "--threads", "4", "--preload"),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, source: LocalIssuer, diary: Path) -> Iterator[Served]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVED_KEYS", source.jwks_url())
        patch.setenv("SERVED_DIARY", str(diary))
        with SERVERS[request.param]() as address:
            yield Served(address, request.param)


@pytest.fixture(scope="module")
def bearer(source: LocalIssuer) -> str:
    return f"Authorization: Bearer {source.workspace_person('ada@example.com')}"


def ran(diary: Path) -> list[str]:
    return diary.read_text(encoding="utf-8").splitlines()


def test_ordinary_requests_are_served(server: Served, diary: Path, bearer: str) -> None:
    assert status(server.address, "/public") == 200
    assert status(server.address, "/public/a%20b/%C3%A9?x=//%2f") == 200
    assert status(server.address, "/x") == 401
    answer = raw(server.address, request("/x", bearer))
    assert b"user:ada@example.com" in answer
    assert ran(diary) == ["GET /public", "GET /public/a b/Ã©", "GET /x"]


ODD = [
    *("//public", "/public//x", "/public/../x", "/public/./x", "/x/..", "/public/.", "/public\\x", "/public;/x"),
    *("/public%2fx", "/public%2Fx", "/public/%2e%2e/x", "/public/%2E/x", "/public%5cx", "/public%00", "/public%3bx"),
    *("/public%23", "/public%25", "/public/%252e%252e/x", "/public%3F", "/public%0d%0aX: y", "/public%ff"),
    *("/public%c0%af", "/public%", "/public%zz", "/public#/x", "*", "public", "/public/%u002e", "/public/\x7f"),
]


@pytest.mark.parametrize("target", ODD)
def test_what_two_parsers_could_read_differently_reaches_nothing(
    target: str, server: Served, diary: Path, bearer: str
) -> None:
    assert status(server.address, target) in (0, 400, 401)
    assert status(server.address, target, bearer) in (0, 400)
    assert ran(diary) == []


@pytest.mark.parametrize(
    ("target", "method"),
    [
        ("http://orders.example.com/x", "GET"),
        ("http://evil.example/public/../x", "GET"),
        ("/tasks", "POST"),
        ("/tasks", "post"),
        ("/x", "WEBSOCKET"),
        ("*", "OPTIONS"),
        ("orders.example.com:443", "CONNECT"),
    ],
)
def test_odd_targets_and_methods_open_nothing(target: str, method: str, server: Served, diary: Path) -> None:
    assert status(server.address, target, method=method) in (0, 400, 401, 404, 405, 501)
    assert ran(diary) == []


def test_no_header_opens_anything(server: Served, diary: Path, bearer: str) -> None:
    token = bearer.removeprefix("Authorization: ")
    for name in ("X_Serverless_Authorization", "Remote-User", "REMOTE_USER", "Remote_User", "callerid.caller"):
        assert status(server.address, "/x", f"{name}: {token}") == 401
    for name in ("SCRIPT_NAME", "PATH_INFO", "Script-Name", "Path-Info", "X-Original-URL", "X-HTTP-Method-Override"):
        assert status(server.address, "/x", f"{name}: /public") in (0, 400, 401, 500)
    assert status(server.address, "/x", bearer, bearer) == 400
    assert status(server.address, "/x", "Authorization: Basic eDp5", bearer) == 400
    assert status(server.address, "/x", bearer, "X-Serverless-Authorization: Bearer junk") == 401
    assert ran(diary) == []


def test_a_planted_remote_user_reaches_nobody(server: Served, diary: Path) -> None:
    for name in ("Remote-User", "REMOTE_USER", "Remote_User"):
        answer = raw(server.address, request("/public", f"{name}: admin"))
        assert b"admin" not in answer
        assert b"\nnobody" in answer
    assert len(ran(diary)) == 3


def test_a_refused_head_request_has_no_body(server: Served, diary: Path) -> None:
    head, _, body = raw(server.address, request("/x", method="HEAD")).partition(b"\r\n\r\n")
    assert (head.split(b" ")[1], body, ran(diary)) == (b"401", b"", [])
    assert b"www-authenticate: bearer" in head.lower()


def test_threads_and_processes_answer_alike(server: Served, diary: Path, bearer: str) -> None:
    def call(number: int) -> bytes:
        return raw(server.address, request("/x", bearer) if number % 2 else request("/x"))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(40)))
    assert {answer.split(b" ")[1] for answer in answers[::2]} == {b"401"}
    assert {re.search(rb"user:\S+", answer)[0] for answer in answers[1::2]} == {b"user:ada@example.com"}  # type: ignore[index]
    assert len(ran(diary)) == 20


# --- frameworks of other makes ---


def bottle_app() -> Any:
    app = bottle.Bottle()
    app.get(
        "/who", callback=lambda: f"{bottle.request.environ['callerid.caller']} {bottle.request.environ['REMOTE_USER']}"
    )
    app.get("/admin", callback=lambda: pytest.fail("served"))
    return app


class Who:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        response.text = f"{request.env['callerid.caller']} {request.env['REMOTE_USER']}"


class Admin:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        raise AssertionError("served")


def falcon_app() -> Any:
    app: Any = falcon.App()
    app.add_route("/who", Who())
    app.add_route("/admin", Admin())
    return app


def django_app() -> Any:
    configure()
    return WSGIHandler()


@pytest.mark.parametrize("make", [bottle_app, falcon_app, django_app])
def test_django_bottle_and_falcon_are_guarded(make: Any) -> None:
    shut = guarded(make(), default=Nobody(), routes={"/who": STAFF, "/open/*": Public()})
    assert statuses(shut, "/who", None, "outsider", "staff") == [401, 403, 200]
    assert statuses(shut, "/admin", None, "outsider", "staff") == [401, 403, 403]
    assert statuses(shut, "//admin", None, "staff") == [400, 400]
    planted: Any = {"REMOTE_USER": "root", "HTTP_REMOTE_USER": "root"}
    assert ask(shut, "/who", "staff", **planted).body == b"user:ada@example.com user:ada@example.com"
    assert statuses(shut, "/open/admin", None, SCRIPT_NAME="/open") == [404]


@pytest.mark.parametrize("script", [None, "/api", "/api/"])
def test_djangos_own_prefix_is_not_cut_off_paths_in_wsgi(script: str | None) -> None:
    shut = guarded(django_app(), default=Public(), routes={"/admin": STAFF, "/admin/*": STAFF})
    with override_settings(FORCE_SCRIPT_NAME=script):
        assert statuses(shut, "/admin", None, "outsider", "staff") == [401, 403, 200]
        assert statuses(shut, "/api/admin", None) == [404]
        assert statuses(shut, "/admin/x", None, SCRIPT_NAME="/api") == [401]
        assert statuses(shut, "/ADMIN", None) == [400]
        assert statuses(shut, "/open", None) == [200]

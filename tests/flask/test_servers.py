"""Behind gunicorn and waitress: odd requests as bytes, threads, and an application loaded before the fork."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from callerid.testing import LocalIssuer
from tests.fixtures import ROBOT, URL
from tests.servers import Address, gunicorn, raw, request, status, waitress

from . import served

pytestmark = pytest.mark.server

APPLICATION = "tests.flask.served:application()"


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


SERVERS: dict[str, Callable[[], contextlib.AbstractContextManager[Address]]] = {
    "waitress": lambda: waitress(served.application()),
    "gunicorn-sync": lambda: gunicorn(APPLICATION, "--workers", "1"),
    "gunicorn-threads-preload": lambda: gunicorn(APPLICATION, "--workers", "2", "--threads", "4", "--preload"),
}


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, source: LocalIssuer, diary: Path) -> Iterator[Address]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVED_KEYS", source.jwks_url())
        patch.setenv("SERVED_DIARY", str(diary))
        with SERVERS[request.param]() as address:
            yield address


@pytest.fixture(scope="module")
def staff(source: LocalIssuer) -> str:
    return f"Authorization: Bearer {source.workspace_person('ada@example.com')}"


@pytest.fixture(scope="module")
def robot(source: LocalIssuer) -> str:
    return f"Authorization: Bearer {source.service_account(ROBOT, audience=URL)}"


def ran(diary: Path) -> list[str]:
    return diary.read_text(encoding="utf-8").splitlines()


def test_ordinary_requests_are_served(server: Address, diary: Path, staff: str, robot: str) -> None:
    assert status(server, "/public") == 200
    assert [status(server, "/x"), status(server, "/x", robot), status(server, "/x", staff)] == [401, 403, 200]
    assert [status(server, "/jobs", each, method="POST") for each in (staff, robot)] == [403, 200]
    assert [status(server, "/admin/", each) for each in (staff, robot)] == [403, 200]
    assert [line for line in ran(diary) if line != "before"] == [
        "public None None",
        "x user:ada@example.com",
        "post",
        "admin",
    ]
    assert len(ran(diary)) == 8


CLOSED = [
    *("//x", "/./x", "/public/../x", "/x/..", "/x/.", "/x\\", "/x;/public", "/files/../x", "/files//x", "/admin//"),
    *("/%78", "/x%2f", "/files%2fx", "/files/%2e%2e/x", "/files/%5cx", "/files/%00", "/files/%0d%0aX: y", "/files/%ff"),
    *(
        "/users/ada%2f",
        "/users/%c0%af",
        "/jobs/",
        "/admin",
        "/admin%2f",
        "/adm%69n/",
        "*",
        "x",
        "/%",
        "/%zz",
        "/x?/public",
    ),
    *("http://orders.example.com/x", "http://evil.example/x", "http://public/x", "HTTP://x/public/../x", "//public/x"),
]


@pytest.mark.parametrize("target", CLOSED)
def test_a_stranger_gets_nowhere_however_a_path_is_written(target: str, server: Address, diary: Path) -> None:
    assert status(server, target) in (0, 400, 401)
    assert ran(diary) == []


@pytest.mark.parametrize(
    "target", ["/adm%69n/", "/admin//", "//admin/", "/%61dmin/", "/x/../admin/", "/admin/./", "/admin%2f"]
)
def test_a_caller_of_another_rule_gets_nowhere_either(target: str, server: Address, diary: Path, staff: str) -> None:
    assert status(server, target, staff) in (0, 308, 400, 403, 404)
    assert "admin" not in ran(diary)


@pytest.mark.parametrize(
    ("target", "method"),
    [
        ("/jobs", "POST"),
        ("/jobs", "post"),
        ("/jobs", "DELETE"),
        ("/jobs", "OPTIONS"),
        ("/jobs", "TRACE"),
        ("/x", "BREW"),
        ("/public", "DELETE"),
        ("*", "OPTIONS"),
        ("orders.example.com:443", "CONNECT"),
    ],
)
def test_odd_methods_open_nothing(target: str, method: str, server: Address, diary: Path) -> None:
    assert status(server, target, method=method) in (0, 400, 401, 501)
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
        assert status(server, target, f"{name}: GET", method=method) in (0, 400, 401, 501)
        assert status(server, target, f"{name}: OPTIONS", method=method) in (0, 400, 401, 501)
    assert ran(diary) == []


def test_a_preflight_over_the_wire_runs_nothing(server: Address, diary: Path) -> None:
    preflight = ("Origin: https://shop.example.com", "Access-Control-Request-Method: POST")
    assert status(server, "/jobs", *preflight, method="OPTIONS") == 200
    assert status(server, "/jobs", *preflight, method="POST") == 401
    assert status(server, "/unknown", *preflight, method="OPTIONS") == 401
    assert ran(diary) == []


def test_no_header_opens_anything(server: Address, diary: Path, staff: str) -> None:
    token = staff.removeprefix("Authorization: ")
    for name in ("X_Serverless_Authorization", "Remote-User", "REMOTE_USER", "Remote_User", "callerid.caller"):
        assert status(server, "/x", f"{name}: {token}") == 401
    for name in ("SCRIPT_NAME", "PATH_INFO", "Script-Name", "Path-Info", "X-Original-URL", "X-Forwarded-Prefix"):
        assert status(server, "/x", f"{name}: /public") in (0, 400, 401, 500)
    assert status(server, "/x", staff, staff) == 400
    assert status(server, "/x", staff, staff.lower().replace("bearer", "Bearer")) == 400
    assert status(server, "/x", f"{staff},{token}") == 400
    assert status(server, "/x", "Authorization: Basic eDp5", staff) == 400
    assert status(server, "/x", staff, "X-Serverless-Authorization: Bearer junk") == 401
    assert ran(diary) == []


HOSTS = ["evil.example/public", "public", "[::1]", "a b", "x" * 300, "orders.example.com@evil", "", "\u00ff"]


@pytest.mark.parametrize("host", HOSTS)
def test_a_hostile_host_opens_nothing(host: str, server: Address, diary: Path) -> None:
    sent = f"GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1")
    assert raw(server, sent).split(b" ", 2)[1] in (b"400", b"401")
    assert ran(diary) == []


def test_a_planted_remote_user_reaches_nobody(server: Address, diary: Path) -> None:
    for name in ("Remote-User", "REMOTE_USER", "Remote_User"):
        assert b"\npublic None None" in raw(server, request("/public", f"{name}: admin"))


def test_a_refused_head_request_has_no_body(server: Address, diary: Path) -> None:
    head, _, body = raw(server, request("/x", method="HEAD")).partition(b"\r\n\r\n")
    assert (head.split(b" ")[1], body, ran(diary)) == (b"401", b"", [])
    assert b"www-authenticate: bearer" in head.lower()


def test_a_refused_upload_is_not_read(server: Address, diary: Path) -> None:
    sent = b"POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nConnection: close\r\n\r\n" + b"x" * 100
    assert b" 401 " in raw(server, sent).partition(b"\r\n")[0]
    assert ran(diary) == []


def test_threads_and_processes_answer_alike(server: Address, diary: Path, staff: str) -> None:
    def call(number: int) -> bytes:
        return raw(server, request("/x", staff) if number % 2 else request("/x"))

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(call, range(40)))
    assert {answer.split(b" ")[1] for answer in answers[::2]} == {b"401"}
    assert {re.findall(rb"user:\S+", answer)[0] for answer in answers[1::2]} == {b"user:ada@example.com"}
    assert len(ran(diary)) == 40

"""How the demo reaches an example: by calls within the process, and by a server that leaves nothing behind."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import pytest
import requests
from fastapi import FastAPI, WebSocket
from flask import Flask

from callerid.cli._scenes import DemoRoute, Outcome
from callerid.cli._stages import SERVERS, call, fastapi_example, flask_example, serve
from callerid.cli._trouble import CommandError
from callerid.testing import LocalIssuer

LOG = logging.getLogger("callerid")

STAGES = [(app, server) for app, servers in SERVERS.items() for server in servers if find_spec(server)]


def keys_of(issuer: LocalIssuer) -> dict[str, str]:
    return {"GOOGLE_KEYS_URL": issuer.jwks_url("google"), "FIREBASE_KEYS_URL": issuer.pem_url("firebase")}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes of a test, which have all ended when it does."""
    started: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    yield started
    assert [process.poll() is not None for process in started] == [True]


@pytest.mark.server
@pytest.mark.parametrize(("app", "server"), STAGES)
@pytest.mark.usefixtures("started")
def test_a_server_answers_and_logs_refusals(
    app: str, server: str, http: requests.Session, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--no-such-option")
    monkeypatch.setenv("UVICORN_FD", "no such number")
    with LocalIssuer() as issuer, serve(app, server, keys_of(issuer)) as address:
        answers = [http.get(address + path) for path in ("/health", "/reports/daily")]
    assert [answer.status_code for answer in answers] == [200, 401]
    logged = capfd.readouterr().err
    assert logged.startswith("refused GET /reports/daily: 401 no_credential: ")
    assert logged.count("\n") == 1


@pytest.mark.server
@pytest.mark.parametrize(("app", "server"), STAGES)
@pytest.mark.usefixtures("started")
def test_an_application_that_does_not_start_is_an_error(
    app: str, server: str, capfd: pytest.CaptureFixture[str]
) -> None:
    keys = {"GOOGLE_KEYS_URL": "ftp://nowhere.example"}
    with pytest.raises(CommandError, match=f"{server} did not start {app}"), serve(app, server, keys):
        pass
    assert "Keys cannot be fetched" in capfd.readouterr().err


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    waitress = logging.getLogger("waitress")
    before = LOG.level, LOG.propagate, list(LOG.handlers), waitress.level
    yield
    level, LOG.propagate, LOG.handlers, waitress_level = before
    # By its method: a logger remembers which levels it lets through.
    LOG.setLevel(level)
    waitress.setLevel(waitress_level)


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("example", [fastapi_example, flask_example])
@pytest.mark.slow
def test_a_served_example_logs_refusals_and_warnings_only(
    example: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    application = example()
    LOG.info("open to everybody: /health")
    LOG.warning("keys cannot be had")
    assert call(application, DemoRoute("GET", "/nowhere"), None) == Outcome(401, "no_credential")
    warning, refusal = capsys.readouterr().err.splitlines()
    assert warning == "keys cannot be had"
    assert refusal.startswith("refused GET (no route): 401")


def test_what_an_application_raises_is_an_outcome() -> None:
    application = FastAPI()

    @application.get("/broken")
    def broken() -> None:
        raise LookupError

    @application.websocket("/broken")
    async def broken_socket(socket: WebSocket) -> None:
        raise LookupError(socket)

    assert [call(application, DemoRoute(method, "/broken"), None) for method in ("GET", "WS")] == [
        Outcome(500, "LookupError")
    ] * 2


def test_what_a_flask_application_raises_is_an_outcome() -> None:
    application = Flask(__name__)

    @application.get("/broken")
    def broken() -> str:
        raise LookupError

    assert call(application, DemoRoute("GET", "/broken"), None) == Outcome(500)


def test_a_call_sends_body_and_credential() -> None:
    application = Flask(__name__)
    seen: list[tuple[str | None, str | None, bytes]] = []

    @application.post("/")
    def look() -> str:
        from flask import request

        seen.append((request.headers.get("Authorization"), request.content_type, request.get_data()))
        return ""

    assert call(application, DemoRoute("POST", "/", body=b"{}"), "abc") == Outcome(200)
    assert seen == [("Bearer abc", "application/json", b"{}")]


def test_a_socket_that_hears_nothing_more_is_disconnected() -> None:
    application = FastAPI()
    heard: list[Any] = []

    @application.websocket("/")
    async def listen(socket: WebSocket) -> None:
        await socket.accept()
        heard.append(await socket.receive())

    assert call(application, DemoRoute("WS", "/"), None) == Outcome(101)
    assert heard == [{"type": "websocket.disconnect", "code": 1001}]

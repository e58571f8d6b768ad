"""The Flask example behind gunicorn: it starts, tells what it decides, and leaves nothing behind."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from callerid.cli import stages
from callerid.cli.stages import LOG_FD, behind_gunicorn, stage
from callerid.cli.trouble import CommandError

LOG = logging.getLogger("callerid")

pytest.importorskip("gunicorn")


@pytest.fixture
def http() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


@contextmanager
def noted_processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    others = set(threading.enumerate())

    class Noted(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    yield started
    assert [process.poll() is not None for process in started] == [True]
    assert set(threading.enumerate()) <= others


def test_what_is_decided_there_is_logged_here(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, http: requests.Session
) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--no-such-option")
    with (
        caplog.at_level(logging.DEBUG, logger="callerid"),
        noted_processes(monkeypatch),
        stage("flask", "gunicorn", {}) as on,
    ):
        for path, status in (("/healthz", 200), ("/reports/daily", 401)):
            caplog.clear()
            assert http.get(on.address + path).status_code == status
            on.heard()
            (record,) = [each for each in caplog.records if "route" in getattr(each, "callerid", {})]
            assert vars(record)["callerid"]["route"] == f"GET {path}"


def test_a_server_that_ends_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    with noted_processes(monkeypatch) as started, stage("flask", "gunicorn", {}) as on:
        os.killpg(started[0].pid, signal.SIGKILL)
        on.heard()
        on.heard()


def test_an_answer_that_nobody_gave_is_not_waited_for_forever() -> None:
    class Empty:
        def get(self, timeout: float) -> str:
            raise queue.Empty

    nobody: Any = Empty()
    stages._wait(nobody)


def test_an_application_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        noted_processes(monkeypatch),
        pytest.raises(CommandError, match="did not start: Keys cannot be fetched"),
        stage("flask", "gunicorn", {"GOOGLE_KEYS_URL": "ftp://nowhere.example"}),
    ):
        pass


@pytest.mark.parametrize("said", [None, [], ["[2026] [ERROR] Worker exited\n", "\n"]])
def test_a_server_that_says_nothing_useful_is_told_too(said: Any) -> None:
    assert stages._trouble(said) == "gunicorn did not say why"


def test_a_waitress_that_goes_leaves_nothing(http: requests.Session) -> None:
    pytest.importorskip("waitress")
    others = set(threading.enumerate())
    with stage("flask", "waitress", {}) as on:
        on.heard()
        assert http.get(f"{on.address}/healthz").text == "ok"
    assert set(threading.enumerate()) <= others


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    before = LOG.level, LOG.propagate, list(LOG.handlers)
    yield
    LOG.level, LOG.propagate, LOG.handlers = before


@pytest.mark.usefixtures("_logging_as_before")
def test_behind_gunicorn_each_answer_is_told_after_what_was_decided(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told"
    with told.open("wb") as tell:
        monkeypatch.setenv(LOG_FD, str(tell.fileno()))
        application = behind_gunicorn()
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/nowhere", "SERVER_NAME": "x", "SERVER_PORT": "80"}
        started: list[str] = []
        answer = application(
            {**environ, "wsgi.url_scheme": "http", "wsgi.errors": None}, lambda status, _: started.append(status)
        )
        assert b"no_credential" in b"".join(answer)
    loaded, *_, decided, done = told.read_text().splitlines()
    assert (loaded, done, started) == ("done", "done", ["401 UNAUTHORIZED"])
    level, message, decision = json.loads(decided)
    assert (level, decision["reason"]) == (logging.INFO, "no_credential")
    assert message.startswith("refused GET (no route): 401")

"""``callerid demo``: a real application, real tokens, real HTTP, and a table of who got in and why not."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import os
import shlex
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TextIO
from urllib.parse import SplitResult, urlsplit

import requests

from callerid.access.forms import wrapped
from callerid.cli.scenes import CALLERS, SPOILT, Outcome, Route, credential, expected, routes_of
from callerid.cli.stages import SERVERS, stage
from callerid.cli.table import WORDS, Style, names, outcomes
from callerid.testing import LocalIssuer

__all__ = ["demo"]

Fetch = Callable[[str, str], str]


def demo(
    out: TextIO, *, app: str = "fastapi", server: str | None = None, stay: Callable[[], None] | None = None
) -> int:
    """Make every call of the demo and show what came of it; returns the exit code.

    ``app`` is ``fastapi`` or ``flask``, ``server`` one of `callerid.cli.stages.SERVERS`. With ``stay``, the issuer and
    the application are up until it returns or is interrupted. Raises `CommandError` where something that the demo needs
    is missing.
    """
    style = Style.of(out)
    with LocalIssuer() as issuer, _hearing() as heard:
        keys = {"GOOGLE_KEYS_URL": issuer.jwks_url("google"), "FIREBASE_KEYS_URL": issuer.pem_url("firebase")}
        with stage(app, server or SERVERS[app][0], keys) as on, _client() as client:
            fetch, address = _as_google_does(issuer, client), on.address
            seen = _Seen(app)
            for route in routes_of(app):
                for caller in (*CALLERS, *SPOILT):
                    token = credential(issuer, caller, route, fetch)
                    outcome = _call(client, address, route, token)
                    on.heard()
                    seen.note(route, caller, outcome, heard)
            wrong = seen.differing()
            _print(out, _report(seen, wrong, address, issuer.url, style))
            if stay is not None:
                with _telling(out), suppress(KeyboardInterrupt):
                    _print(out, _to_try(app, address, issuer, fetch))
                    stay()
    return 1 if wrong else 0


@dataclass
class _Seen:
    """What came of the calls, and which rules were asked."""

    app: str
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict[tuple[str, str], Outcome])
    rules: dict[str, str] = field(default_factory=dict[str, str])
    why: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])

    def note(self, route: Route, caller: str, outcome: Outcome, heard: list[dict[str, Any]]) -> None:
        """Note a call, and what the decision log said of it."""
        self.outcomes[str(route), caller] = outcome
        for decision in heard:
            self.rules[str(route)] = str(decision["rule"])
            self.why[str(route), caller] = str(decision["why"] or decision["detail"] or "").splitlines()
        heard.clear()

    def differing(self) -> dict[tuple[str, str], tuple[Outcome, Outcome]]:
        """What was expected and what came, where the two are not the same."""
        return {
            call: (outcome, self.outcomes[call])
            for call, outcome in expected(self.app).items()
            if self.outcomes[call] != outcome
        }


def _report(
    seen: _Seen,
    wrong: Mapping[tuple[str, str], tuple[Outcome, Outcome]],
    address: str,
    issuer_url: str,
    style: Style,
) -> list[str]:
    routes = [str(route) for route in routes_of(seen.app)]
    calls = len(seen.outcomes)
    return [
        *wrapped(f"An orders service at {address} (examples/{seen.app}_app/app.py), guarded by callerid.", style.width),
        *wrapped(
            f"A local issuer at {issuer_url} signs tokens in Google's formats; the service fetches its keys over HTTP.",
            style.width,
        ),
        "",
        style.paint("The rule at each route", "head"),
        *names({route: seen.rules.get(route, "no rule was asked") for route in routes}, replace(style, colours=False)),
        "",
        style.paint("Who calls", "head"),
        *names(CALLERS, style),
        "",
        style.paint("Who gets in", "head"),
        *outcomes(routes, tuple(CALLERS), seen.outcomes, wrong, style),
        "",
        *names(_legend(style), style),
        "",
        style.paint("Tokens that let nobody in (at /healthz none is read)", "head"),
        *names(SPOILT, style),
        "",
        *outcomes(routes, tuple(SPOILT), seen.outcomes, wrong, style),
        "",
        style.paint("Why not? From the decision log: Firebase user ben, at ada's orders", "head"),
        *(
            part
            for line in seen.why.get(("GET /users/ada/orders", "ben"), ())
            for part in wrapped(f"  {line}", style.width)
        ),
        "",
        *(f"NOT AS EXPECTED: {' as '.join(call)}: expected {must}, got {came}" for call, (must, came) in wrong.items()),
        f"demo: {calls} calls, {calls - len(wrong)} as expected",
    ]


def _legend(style: Style) -> dict[str, str]:
    return {
        style.tick: "let in (404 and 405: there is nothing to call)",
        f"401 {WORDS['no_credential']}": "no credential was sent",
        f"401 {WORDS['wrong_audience']}": "the token was minted for another audience",
        f"403 {WORDS['not_allowed']}": "the caller is known, and the rule does not let them in",
    }


def _to_try(app: str, address: str, issuer: LocalIssuer, fetch: Fetch) -> list[str]:
    by_name = {str(route): route for route in routes_of(app)}
    lines = [
        "",
        "Both stay up until Ctrl-C, and refusals are logged here.",
        "To try (the tokens are good for an hour):",
    ]
    for caller, name in (
        ("stranger", "GET /healthz"),
        ("stranger", "GET /reports/daily"),
        ("staff", "GET /reports/daily"),
        ("robot", "GET /reports/daily"),
        ("ada", "GET /users/ada/orders"),
        ("ben", "GET /users/ada/orders"),
        ("scheduler", "POST /tasks/reindex"),
    ):
        route, must = by_name[name], expected(app)[name, caller]
        token = credential(issuer, caller, route, fetch)
        command = ["curl", "-i", "-X", route.method, address + route.path]
        if token is not None:
            command += ["-H", f"Authorization: Bearer {token}"]
        lines += ["", f"# {caller}: {must}", shlex.join(command)]
    return lines


def _call(client: requests.Session, address: str, route: Route, token: str | None) -> Outcome:
    try:
        return _answered(client, address, route, token)
    except OSError:  # what requests raises is one, too
        return Outcome(0, "no_answer")


def _answered(client: requests.Session, address: str, route: Route, token: str | None) -> Outcome:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    if route.method == "WS":
        return _handshake(urlsplit(address), route.path, headers)
    answer = client.request(
        route.method, address + route.path, headers=headers, allow_redirects=False, timeout=30, **route.sends
    )
    return _outcome(answer.status_code, answer.headers.get("Content-Type", ""), answer.content)


def _handshake(address: SplitResult, path: str, headers: Mapping[str, str]) -> Outcome:
    """A WebSocket's opening handshake (RFC 6455 section 4.1) and no more: it is judged before it is accepted."""
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    key = base64.b64encode(os.urandom(16)).decode()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": key}
    try:
        connection.request("GET", path, headers={**upgrade, **headers})
        answer = connection.getresponse()
        body = b"" if answer.status == 101 else answer.read()
        return _outcome(answer.status, answer.getheader("Content-Type", ""), body)
    finally:
        connection.close()


def _outcome(status: int, content_type: str, body: bytes) -> Outcome:
    return Outcome(status, json.loads(body)["reason"] if content_type == "application/problem+json" else "")


@contextmanager
def _client() -> Generator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between this machine and itself
        yield session


def _as_google_does(issuer: LocalIssuer, client: requests.Session) -> Fetch:
    """Google's own client library, unmodified: a key file, and the token endpoint it names."""
    from google.auth.transport.requests import Request  # noqa: PLC0415 - only the demo needs it
    from google.oauth2 import service_account  # noqa: PLC0415

    library: Any = service_account.IDTokenCredentials  # not annotated
    transport: Any = Request
    tokens: dict[tuple[str, str], str] = {}

    def fetch(email: str, audience: str) -> str:
        if (email, audience) not in tokens:
            credentials = library.from_service_account_info(issuer.add_service_account(email), target_audience=audience)
            credentials.refresh(transport(session=client))
            tokens[email, audience] = credentials.token
        return tokens[email, audience]

    return fetch


@contextmanager
def _hearing() -> Generator[list[dict[str, Any]]]:
    """The decision log, while the demo runs."""
    heard: list[dict[str, Any]] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            decision = getattr(record, "callerid", {})
            if "route" in decision:
                heard.append(decision)

    log, ear = logging.getLogger("callerid"), Ear()
    level, propagate = log.level, log.propagate
    log.addHandler(ear)
    log.setLevel(logging.DEBUG)
    log.propagate = False
    try:
        yield heard
    finally:
        log.removeHandler(ear)
        log.setLevel(level)
        log.propagate = propagate


@contextmanager
def _telling(out: TextIO) -> Generator[None]:
    """The decision log, for people: refusals, and the guard's own trouble."""
    log, handler = logging.getLogger("callerid"), logging.StreamHandler(out)
    handler.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


def _print(out: TextIO, lines: list[str]) -> None:
    out.write("\n".join([*lines, ""]))
    out.flush()

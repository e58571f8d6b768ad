"""``callerid demo``: a real application, called with real tokens, and a table of who got in and why not."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import Any, TextIO

import click
import urllib3

from callerid.audit._forms import wrapped
from callerid.cli._frame import MISSING, cli_command, json_option, json_text, progress
from callerid.cli._places import example_application, example_suite
from callerid.cli._play import need_page, page_served
from callerid.cli._scenes import CALLERS, INVALID, Outcome, credential, expected, routes_of
from callerid.cli._stages import SERVERS, call, need_server, serve
from callerid.cli._staying import until_interrupted
from callerid.cli._table import WORDS, Style, names, outcomes
from callerid.cli._trouble import CommandError
from callerid.play._decisions import DecisionLog
from callerid.play._hearing import listening
from callerid.testing import LocalIssuer

__all__ = ["command", "demo"]

Fetch = Callable[[str, str], str]

_SERVERS = ", ".join(f"{app}: {' or '.join(names)}" for app, names in SERVERS.items())


@cli_command(
    "demo",
    codes={0: "every call was answered as expected", 1: "some were not: lines NOT AS EXPECTED", 2: MISSING},
)
@click.option("--app", type=click.Choice(tuple(SERVERS)), default="fastapi", help="Which one (default: fastapi).")
@click.option("--server", metavar="NAME", help=f"What runs it with --serve ({_SERVERS}).")
@click.option("--serve", is_flag=True, help="Serve both afterwards, with curl lines to try and the access page.")
@json_option
def command(out: TextIO, app: str, server: str | None, *, serve: bool, as_json: bool) -> int:
    """Call a guarded orders service as every kind of caller, and show who got in.

    Loads a guarded orders service and starts a local issuer for it on a free port of the loopback interface, calls
    every route as every kind of caller and prints who got in and why not. Its last line is 'demo: N calls, N as
    expected'.
    """
    if server not in (None, *SERVERS[app]):
        raise CommandError(f"--server {server}: {app} is run by {' or '.join(SERVERS[app])}")
    if serve and as_json:
        raise CommandError("--json is one document of the calls: leave out --serve, which prints more afterwards")
    return demo(out, app=app, server=server, stay=until_interrupted if serve else None, as_json=as_json)


def demo(
    out: TextIO,
    *,
    app: str = "fastapi",
    server: str | None = None,
    stay: Callable[[], None] | None = None,
    as_json: bool = False,
) -> int:
    """Make every call of the demo and show what came of it; returns the exit code.

    ``app`` is ``fastapi`` or ``flask``. With ``stay``, the issuer and the application are up until it returns or is
    interrupted; ``server``, one of `callerid.cli._stages.SERVERS`, serves the application then. Raises `CommandError`
    where something that the demo needs is missing.
    """
    server = server or SERVERS[app][0]
    if stay is not None:
        need_server(server)
        need_page()
    with LocalIssuer() as issuer, urllib3.PoolManager() as client:
        keys = {
            "GOOGLE_KEYS_URL": issuer.jwks_url("google"),
            "FIREBASE_KEYS_URL": issuer.pem_url("firebase"),
            "DATABASE_URL": "",  # which may name a database of somebody's: the example has one of its own
        }
        fetch = _as_google_does(issuer, client)
        seen = _calls(app, example_application(keys, app), issuer, fetch)
        wrong = seen.differing()
        if as_json:
            out.write(json_text(seen.members(wrong)))
        else:
            _print(out, _report(seen, wrong, issuer.url, Style.of(out)))
        if stay is not None:
            with serve(app, server, keys) as address, _page(app, keys) as page, suppress(KeyboardInterrupt):
                _print(out, [*_to_try(app, address, issuer, fetch), "", "Who may call what, in a browser:", page])
                stay()
    return 1 if wrong else 0


def _page(app: str, keys: Mapping[str, str]) -> AbstractContextManager[str]:
    """The access page of the service."""
    return page_served(example_application(keys, app), f"examples/{app}_app/app.py", suite=example_suite(app))


@dataclass
class _Seen:
    """What came of the calls, and which rules were asked."""

    app: str
    outcomes: dict[tuple[str, str], Outcome] = field(default_factory=dict[tuple[str, str], Outcome])
    rules: dict[str, str] = field(default_factory=dict[str, str])
    why: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])

    def differing(self) -> dict[tuple[str, str], tuple[Outcome, Outcome]]:
        """What was expected and what came, where the two are not the same."""
        return {
            call: (outcome, self.outcomes[call])
            for call, outcome in expected(self.app).items()
            if self.outcomes[call] != outcome
        }

    def members(self, wrong: Mapping[tuple[str, str], tuple[Outcome, Outcome]]) -> dict[str, Any]:
        """The same as JSON has it."""
        calls = [
            {
                "route": route,
                "caller": caller,
                "status": outcome.status,
                "reason": outcome.reason or None,
                "expected": str(wrong[route, caller][0]) if (route, caller) in wrong else str(outcome),
            }
            for (route, caller), outcome in self.outcomes.items()
        ]
        return {
            "version": 1,
            "app": self.app,
            "rules": {str(route): self.rules.get(str(route)) for route in routes_of(self.app)},
            "calls": calls,
            "unexpected": len(wrong),
        }


def _calls(app: str, application: Any, issuer: LocalIssuer, fetch: Fetch) -> _Seen:
    seen = _Seen(app)
    log, last = DecisionLog(), 0
    with listening(log):
        for route, caller in progress(product(routes_of(app), (*CALLERS, *INVALID)), "calls made"):
            name = str(route)
            seen.outcomes[name, caller] = call(application, route, credential(issuer, caller, route, fetch))
            for line in (each for each in log.after(last) if "rule" in each.fields):
                last, said = line.number, line.fields
                seen.rules[name] = said["rule"]
                seen.why[name, caller] = (said.get("why") or said.get("detail") or "").splitlines()
    return seen


def _report(
    seen: _Seen,
    wrong: Mapping[tuple[str, str], tuple[Outcome, Outcome]],
    issuer_url: str,
    style: Style,
) -> list[str]:
    routes = [str(route) for route in routes_of(seen.app)]
    calls = len(seen.outcomes)
    return [
        *wrapped(f"An orders service (examples/{seen.app}_app/app.py), guarded by callerid.", style.width),
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
        style.paint("Tokens that let nobody in (at /health none is read)", "head"),
        *names(INVALID, style),
        "",
        *outcomes(routes, tuple(INVALID), seen.outcomes, wrong, style),
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
        f"The service is at {address}. It and the issuer stay up until Ctrl-C, and refusals are logged here.",
        "To try (the tokens are good for an hour):",
    ]
    for caller, name in (
        ("stranger", "GET /health"),
        ("stranger", "GET /reports/daily"),
        ("staff", "GET /reports/daily"),
        ("robot", "GET /reports/daily"),
        ("ada", "GET /users/ada/orders"),
        ("ben", "GET /users/ada/orders"),
        ("scheduler", "POST /tasks/reindex"),
    ):
        route, must = by_name[name], expected(app)[name, caller]
        token = credential(issuer, caller, route, fetch)
        sent = [] if token is None else ["-H", f"Authorization: Bearer {token}"]
        command = ["curl", "-i", "-X", route.method, address + route.path, *sent]
        lines += ["", f"# {caller}: {must}", shlex.join(command)]
    return lines


def _as_google_does(issuer: LocalIssuer, client: urllib3.PoolManager) -> Fetch:
    """Google's own client library, unmodified: a key file, and the token endpoint it names."""
    from google.auth.transport.urllib3 import Request  # noqa: PLC0415 - only the demo needs it
    from google.oauth2 import service_account  # noqa: PLC0415

    library: Any = service_account.IDTokenCredentials  # not annotated
    transport: Any = Request

    @cache
    def fetch(email: str, audience: str) -> str:
        credentials = library.from_service_account_info(issuer.add_service_account(email), target_audience=audience)
        credentials.refresh(transport(client))
        return str(credentials.token)

    return fetch


def _print(out: TextIO, lines: list[str]) -> None:
    out.write("\n".join([*lines, ""]))
    out.flush()

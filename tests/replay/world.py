"""A small guarded application, records of its decisions, and a log of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import callerid.starlette
from callerid import Caller, Public, Rule, firebase, google
from callerid.access import access_map
from callerid.audit.log_entries import EntriesOfLog
from callerid.audit.replay import Replay, replayed
from callerid.audit.rows import AccessMap
from callerid.authorization import Requirement, facts_text
from callerid.rules import Facts, path_parameters

CLIENT = "1234-abc.apps.googleusercontent.com"
NOW = 1_800_000_000.0


async def told(_: Any) -> PlainTextResponse:
    raise AssertionError("no handler runs")


def mapped(
    rule: Rule | Requirement, *, audit: Iterable[str] = (), path: str = "/x/{user_id}", **options: Any
) -> AccessMap:
    """The map of an application in which a route asks this; ``/open`` is open to everybody."""
    guard = callerid.starlette.Guard(google(CLIENT), firebase("shop-prod"), clock=lambda: NOW, **options)
    app = Starlette(routes=[Route(path, told), Route("/open", told)])
    guard.protect(app, default=rule, routes={"/open": Public()}, audit=audit)
    return access_map(app)


def record(
    outcome: str, caller: Caller | None, rule: Rule, *, facts: bool = True, route: str = "GET /x/{user_id}", **more: Any
) -> dict[str, Any]:
    """The record of a decision, as the guard logs it in audit mode; without ``facts`` as it does elsewhere."""
    said: dict[str, Any] = {
        "outcome": outcome,
        "caller": None if caller is None else str(caller),
        "subject": None if caller is None else caller.subject,
        "issuer": None if caller is None else caller.issuer,
        "via": None,
        "app": None,
        "rule": str(rule),
        "route": route,
        "instance": "urn:uuid:041fa5a9-7de2-4945-876f-24a49f25cdc4",
    }
    if outcome == "refused":
        said |= {"status": "403", "reason": "not_allowed"}
    if facts:
        judged = Facts(caller, None, more.pop("path", {"user_id": "ada"}), NOW)
        said["facts"] = facts_text(judged, path_parameters(rule))
    return said | more


def log_of(
    *records: dict[str, Any], envelope: Callable[[dict[str, Any]], Any] = lambda each: {"callerid": each}
) -> str:
    return "".join(f"{json.dumps(envelope(each))}\n" for each in records)


def replay(text: str, found: AccessMap) -> Replay:
    *_, last = replayed(EntriesOfLog(io.StringIO(text)), found)
    return last

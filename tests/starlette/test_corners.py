"""What is rare and has to hold all the same."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from callerid import Caller, Public, Where, google
from callerid.asgi import McpSessions
from callerid.authorization import Check, Decision, evaluate
from callerid.errors import Reason, UnguardedEndpointError
from callerid.starlette import Guard
from callerid.testing import LocalIssuer
from tests.fixtures import STAFF
from tests.rollout.world import CLIENT, CLOCK, DAY, ISSUER, MIDNIGHT, Clock
from tests.starlette.world import Diary, Opaque, ask, closed, scope_of
from tests.starlette.world import new_guard as remote_guard


def test_the_old_name_of_accepted_iss_still_answers() -> None:
    issuer = google("https://orders.example.com")
    assert issuer.spellings == issuer.accepted_iss


def test_without_the_mcp_sdk_no_request_concerns_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    call = scope_of("POST", "/mcp", [])
    monkeypatch.setitem(sys.modules, "mcp", ModuleType("mcp"))
    assert McpSessions().concerns(call)
    monkeypatch.delitem(sys.modules, "mcp")
    assert not McpSessions().concerns(call)
    assert McpSessions(secret="x" * 32).concerns(call)


@pytest.mark.parametrize("is_loaded", [False, True])
def test_routes_and_unknown_paths_are_served_with_the_mcp_sdk_and_without_it(
    monkeypatch: pytest.MonkeyPatch, ran: Diary, *, is_loaded: bool
) -> None:
    if is_loaded:
        for name in ("mcp", "mcp.server.sse"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
    else:
        monkeypatch.delitem(sys.modules, "mcp", raising=False)
    app = closed(ran.route("/here"))
    assert [ask(app, path, "staff").status for path in ("/here", "/nowhere")] == [200, 404]


def new_guard() -> Guard:
    return Guard(ISSUER.google(CLIENT), clock=CLOCK)


def test_a_token_whose_refusal_is_waived_is_nobodys_for_further_checks_of_the_same_guard() -> None:
    guard = new_guard()
    check = Check(guard, guard.requirement(STAFF), {})
    sent = {"authorization": ["Bearer junk"]}
    decision = evaluate([check, check], lambda _: sent, waives=lambda _: True)
    assert isinstance(decision, Decision)
    assert [refusal.reason for refusal, _ in decision.waived] == [Reason.MALFORMED_TOKEN, Reason.NO_CREDENTIAL]


def test_an_ambiguous_path_that_is_let_through_waits_for_keys_to_say_who_calls() -> None:
    seen: list[str] = []

    async def app_below(scope: Any, receive: Any, send: Any) -> None:
        seen.append(str(scope["state"]["caller"]))
        await PlainTextResponse("below")(scope, receive, send)

    CLOCK.now = MIDNIGHT - 600
    with LocalIssuer(clock=CLOCK) as issuer:
        guard = remote_guard(issuer, clock=CLOCK)
        app = closed(Mount("/sub", app=app_below), guard=guard, routes={"/sub/*": STAFF}, enforce=False, until=DAY)
        token = issuer.workspace_person("ada@example.com")
        reply = ask(app, "/sub/a//b", headers={"authorization": f"Bearer {token}"})
        assert (reply.status, reply.text, issuer.fetches) == (200, "below", {"google": 1})
    assert seen == ["user:ada@example.com"]


def test_what_has_no_code_of_its_own_raises_where_its_mark_is_not_enforced() -> None:
    printed: list[str] = []
    marked = new_guard().allow(STAFF)(functools.partial(printed.append, "ran"))
    with pytest.raises(UnguardedEndpointError, match=r"append is marked with Domain\('example.com'\)"):
        marked()
    assert printed == []


def test_an_ambiguous_path_is_refused_where_rules_begin_to_be_enforced_while_they_are_asked(ran: Diary) -> None:
    clock = Clock()
    clock.now = MIDNIGHT - 1

    def slow(_: Caller) -> bool:
        clock.now = MIDNIGHT
        return True

    guard = Guard(ISSUER.google(CLIENT), clock=clock)
    app = closed(
        Mount("/sub", app=Opaque(ran, "sub")),
        guard=guard,
        default=Where("takes its time", slow),
        routes={"/sub/open/*": Public()},
        enforce=False,
        until=DAY,
    )
    token = ISSUER.workspace_person("ada@example.com", audience=CLIENT)
    reply = ask(app, "/sub/a//b", headers={"authorization": f"Bearer {token}"})
    assert (reply.status, reply.json["reason"]) == (400, "ambiguous_path")
    assert ran == []

"""``audit=``: at the routes it names, the log has who was let in, and by what."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

import callerid.starlette
from callerid import Caller, ConfigurationError, FirebaseUser, Lookup, PathParam, Public, Role, ServiceAccount, Where
from callerid.access import access_map
from callerid.testing import as_caller, firebase_user, google_person
from tests.starlette.world import ask as ask_asgi

from .world import DAY, MARKED, OTHERS, STAFF, World, by_path, every_adapter, listening, logged

Make = Callable[..., World]
with_routes = pytest.mark.parametrize("name", ["starlette", "fastapi", "flask", "django"])


def made(name: str, **options: Any) -> World:
    from .world import WORLDS

    return WORLDS[name](**options)


@every_adapter
def test_who_is_let_in_is_logged_at_info_with_what_let_them_in(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=[f"GET {MARKED}"])
    listening(caplog)
    assert world.get(MARKED, "other.com")[0] == 200
    (said,) = logged(caplog)
    (record,) = caplog.records
    assert record.levelno == logging.INFO
    assert said["outcome"] == "allowed"
    assert said["route"] == f"GET {MARKED}"
    assert said["caller"] == "user:ada@other.com"
    assert said["rule"] == said["by"] == "domain:other.com"
    assert said["credential"] == "Google ID token"
    assert said["time"] == "2027-01-31T23:50:00.000Z"
    assert said["instance"].startswith("urn:uuid:")
    assert record.getMessage() == f"allowed GET {MARKED}: user:ada@other.com by domain:other.com [{said['instance']}]"


@every_adapter
def test_nothing_of_a_token_is_logged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=[MARKED])
    listening(caplog)
    token = world.token("other.com")
    assert world.get(MARKED, raw=f"Bearer {token}")[0] == 200
    assert len(logged(caplog)) == 1
    assert not any(part in str(vars(record)) for record in caplog.records for part in token.split("."))


@every_adapter
def test_the_record_has_the_facts_that_the_rule_judged(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=[MARKED])
    listening(caplog)
    world.get(MARKED, "other.com")
    facts = json.loads(logged(caplog)[0]["facts"])
    assert (facts["v"], facts["at"]) == (1, world.clock.now)
    caller = facts["caller"]
    assert (caller["kind"], caller["email"], caller["domain"]) == ("google", "ada@other.com", "other.com")


@every_adapter
def test_other_routes_are_logged_as_before(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=[f"POST {MARKED}", "/open"] if "CallerMiddleware" in str(make) else ["/open"])
    listening(caplog)
    assert world.get(MARKED, "other.com")[0] == 200
    assert world.get("/x", "example.com")[0] == 200
    assert world.get("/x", "other.com")[0] == 403
    (said,) = logged(caplog)
    assert said["outcome"] == "refused"
    assert "facts" not in said


@every_adapter
def test_what_is_refused_there_has_the_facts_too(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=[MARKED])
    listening(caplog)
    assert world.get(MARKED, "example.com")[0] == 403
    assert world.get(MARKED)[0] == 401
    assert world.get(MARKED, raw="Bearer nonsense")[0] == 401
    refused, nobody, unbelieved = logged(caplog)
    assert json.loads(refused["facts"])["caller"]["domain"] == "example.com"
    assert refused["by"] == ""
    assert json.loads(nobody["facts"]).keys() == {"v", "at"}
    assert unbelieved["facts"] == unbelieved["credential"] == ""


@every_adapter
def test_a_route_that_is_open_to_everybody_reads_no_credential_for_it(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(audit=["/open"])
    listening(caplog)
    assert world.get("/open", "other.com") == (200, "None")
    assert world.get("/open") == (200, "None")
    for said in logged(caplog):
        assert (said["by"], said["facts"], said["caller"]) == ("allUsers", "", None)
    assert len(logged(caplog)) == 2


@every_adapter
def test_every_route_is_named_by_a_key_for_all(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=["/*"])
    listening(caplog)
    assert [world.get(path, who)[0] for path, who in (("/x", "example.com"), (MARKED, "other.com"))] == [200, 200]
    assert [said["outcome"] for said in logged(caplog)] == ["allowed", "allowed"]


@every_adapter
def test_at_debug_a_decision_is_logged_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=[MARKED])
    caplog.set_level(logging.DEBUG, "callerid")
    world.get(MARKED, "other.com")
    world.get("/x", "example.com")
    assert [record.levelno for record in caplog.records if "callerid" in vars(record)] == [logging.INFO, logging.DEBUG]


@every_adapter
def test_above_info_nothing_is_made_of_it(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=[MARKED])
    caplog.set_level(logging.WARNING, "callerid")
    assert world.get(MARKED, "other.com")[0] == 200
    assert logged(caplog) == []


@every_adapter
def test_with_rules_that_are_not_enforced_what_would_be_refused_has_the_facts(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(audit=[MARKED], enforce=False, until=DAY)
    listening(caplog)
    assert world.get(MARKED, "example.com")[0] == 200
    assert world.get(MARKED, "other.com")[0] == 200
    would, allowed = logged(caplog)
    assert (would["outcome"], allowed["outcome"]) == ("would refuse", "allowed")
    assert json.loads(would["facts"])["caller"]["domain"] == "example.com"


@every_adapter
@pytest.mark.parametrize("audit", ["/x", 7, b"/x", [7]])
def test_it_takes_a_list_of_keys(make: Make, audit: Any) -> None:
    with pytest.raises(ConfigurationError, match="audit= names routes"):
        make(audit=audit)


@every_adapter
def test_what_is_no_key_is_an_error(make: Make) -> None:
    with pytest.raises(ConfigurationError, match="BREW"):
        make(audit=["BREW /x"])


@with_routes
def test_a_key_that_names_no_route_is_an_error_at_start_up(name: str) -> None:
    world = made(name, audit=["POST /x", "/refunds"])
    with pytest.raises(ConfigurationError) as failed:
        world.get("/x")
    assert "audit['/refunds']: no route of this application has this path template" in str(failed.value)


@with_routes
def test_the_access_map_knows_which_routes_are_audited(name: str) -> None:
    found = access_map(made(name, audit=[f"GET {MARKED}"]).app)
    assert found.audited >= {f"GET {MARKED}"}
    assert not any("/open" in each or "/x" in each for each in found.audited)


@by_path
def test_the_access_map_knows_which_entries_are_audited(make: Make) -> None:
    guarded = {"/users/{name}": STAFF, "/files/*": STAFF, "WEBSOCKET /live": STAFF}
    found = access_map(make(audit=["/users/ada", "/files/*", "/live"], routes=guarded).app)
    assert found.audited == {"* /files/*", "WS /live"}
    assert access_map(make().app).audited == frozenset()


def audited(app: Starlette, rule: Any, audit: list[str], **options: Any) -> callerid.starlette.Guard:
    from .world import CLIENT, CLOCK, ISSUER

    guard = callerid.starlette.Guard(
        ISSUER.google(CLIENT), ISSUER.firebase("shop-prod"), clock=CLOCK, **options.pop("guard", {})
    )
    guard.protect(app, default=rule, audit=audit, **options)
    return guard


async def told(_: Any) -> PlainTextResponse:
    return PlainTextResponse("ok")


def test_only_path_parameters_that_the_rule_compares_with_are_recorded(caplog: pytest.LogCaptureFixture) -> None:
    app = Starlette(routes=[Route("/{user_id}/{secret}", told)])
    guard = audited(app, STAFF | FirebaseUser(PathParam("user_id")), ["/{user_id}/{secret}"])
    listening(caplog)
    with as_caller(guard, firebase_user("ada")):
        assert ask_asgi(app, "/ada/hunter2").status == 200
    (said,) = logged(caplog)
    assert json.loads(said["facts"])["path"] == {"user_id": "ada"}
    assert said["by"] == "firebaseUser:{user_id}"
    assert "hunter2" not in str(said)


def test_each_alternative_that_held_is_named(caplog: pytest.LogCaptureFixture) -> None:
    app = Starlette(routes=[Route("/a", told)])
    rule = (STAFF | OTHERS) & (Where("anybody", lambda _: True) | (OTHERS & STAFF))
    guard = audited(app, rule, ["/a"])
    listening(caplog)
    with as_caller(guard, google_person("ada@example.com", domain="example.com")):
        assert ask_asgi(app, "/a").status == 200
    (said,) = logged(caplog)
    assert said["by"].split("\n") == ["domain:example.com", "where anybody"]


def test_what_a_look_up_said_counts_and_nothing_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str] = []

    def roles(caller: Caller) -> set[str]:
        asked.append(caller.subject)
        return {"editor"}

    app = Starlette(routes=[Route("/a", told)])
    guard = audited(app, OTHERS | Role("editor"), ["/a"], guard={"lookups": [Lookup("roles", roles)]})
    listening(caplog)
    with as_caller(guard, google_person("ada@example.com", domain="example.com")):
        assert ask_asgi(app, "/a").status == 200
    (said,) = logged(caplog)
    assert said["by"] == "role:editor"
    assert len(asked) == 1
    assert "editor" not in said["facts"]


def test_a_key_for_a_mount_names_what_is_below_it(caplog: pytest.LogCaptureFixture) -> None:
    inner = Router([Route("/a", told), Route("/b", told, methods=["POST"])])
    app = Starlette(routes=[Mount("/admin", inner), Route("/c", told)])
    guard = audited(app, STAFF, ["/admin/*"])
    assert access_map(app).audited == {"GET /admin/a", "HEAD /admin/a", "POST /admin/b"}
    listening(caplog)
    with as_caller(guard, google_person("ada@example.com", domain="example.com")):
        assert [ask_asgi(app, path).status for path in ("/admin/a", "/c", "/admin/none")] == [200, 200, 404]
    assert [said["route"] for said in logged(caplog)] == ["GET /admin/a"]


def test_a_part_of_an_opaque_mount_is_named_by_its_path(caplog: pytest.LogCaptureFixture) -> None:
    async def opaque(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("ok")(scope, receive, send)

    app = Starlette(routes=[Mount("/files", opaque)])
    guard = audited(app, Public() | STAFF, ["/files/secret/*"])
    assert access_map(app).audited == frozenset()
    listening(caplog)
    with as_caller(guard, google_person("ada@example.com", domain="example.com")):
        assert [ask_asgi(app, path).status for path in ("/files/secret/a", "/files/b")] == [200, 200]
        assert len(logged(caplog)) == 1
        # Which of its files an ambiguous path means cannot be told.
        ask_asgi(app, "/files//secret")
    assert [said["outcome"] for said in logged(caplog)] == ["allowed", "allowed"]


def test_where_a_service_account_calls_the_record_names_it(caplog: pytest.LogCaptureFixture) -> None:
    from .world import CLIENT, ISSUER

    app = Starlette(routes=[Route("/a", told)])
    robot = "robot@shop-prod.iam.gserviceaccount.com"
    audited(app, ServiceAccount(robot), ["/a"])
    listening(caplog)
    token = ISSUER.service_account(robot, audience=CLIENT)
    assert ask_asgi(app, "/a", headers={"authorization": f"Bearer {token}"}).status == 200
    (said,) = logged(caplog)
    assert said["caller"] == said["by"] == f"serviceAccount:{robot}"
    assert json.loads(said["facts"])["caller"]["service_account"] is True

"""``audit=``: at the routes it names, the log has who was let in, and by what."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router

import callerid.starlette
from callerid import (
    Caller,
    ConfigurationError,
    FirebaseUser,
    Issuer,
    Lookup,
    PathParam,
    Public,
    Role,
    ServiceAccount,
    SingleUse,
    Subject,
    Where,
    custom_credential,
    oidc,
)
from callerid.access import access_map
from callerid.logs import CloudLoggingFormatter
from callerid.testing import as_caller, firebase_user, google_person, oidc_caller, own_caller
from tests.djangos import Project
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
    (record,) = (each for each in caplog.records if "callerid" in vars(each))
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
def test_the_formatter_for_cloud_logging_leaves_the_facts_whole(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=[MARKED])
    listening(caplog)
    world.get(MARKED, "other.com")
    (record,) = (each for each in caplog.records if "callerid" in vars(each))
    line = CloudLoggingFormatter().format(record)
    assert json.loads(line)["callerid"]["facts"] == logged(caplog)[0]["facts"]
    assert "(hidden)" not in line


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


@by_path
def test_a_path_that_another_reader_may_find_a_key_for_is_audited(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(audit=["/x"])
    listening(caplog)
    assert [world.get(path, "example.com")[0] for path in ("/X", "/y")] == [200, 200]
    assert [said["route"] for said in logged(caplog)] == ["GET (no entry)"]


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
    with pytest.raises(ConfigurationError, match=r"\*/x"):
        make(audit=["/*/x"]).get("/x")


@with_routes
def test_a_key_that_names_no_route_is_an_error_at_start_up(name: str) -> None:
    world = made(name, audit=["POST /x", "/refunds"])
    with pytest.raises(ConfigurationError) as failed:
        world.get("/x")
    assert "audit['/refunds']: no route of this application has this path template" in str(failed.value)


@with_routes
def test_the_access_map_knows_which_routes_are_audited(name: str) -> None:
    app = made(name, audit=[MARKED]).app
    if isinstance(app, Project):
        with app.settings():
            found = access_map(WSGIHandler())
    else:
        found = access_map(app)
    assert {each.rpartition(" ")[2] for each in found.audited} == {MARKED}
    assert not any("/open" in each or "/x" in each for each in found.audited)


@by_path
def test_the_access_map_knows_which_entries_are_audited(make: Make) -> None:
    guarded = {"/users/{name}": STAFF, "/files/*": STAFF, "WEBSOCKET /live": STAFF}
    found = access_map(make(audit=["/users/ada", "/files/*", "/live"], routes=guarded).app)
    assert found.audited == {"* /files/*", "WS /live"}
    assert access_map(make().app).audited == frozenset()


def audited(app: Starlette, rule: Any, audit: list[str], **options: Any) -> callerid.starlette.Guard:
    from .world import CLIENT, CLOCK, ISSUER

    trusted = (ISSUER.google(CLIENT), ISSUER.firebase("shop-prod"), *options.pop("issuers", ()))
    guard = callerid.starlette.Guard(*trusted, clock=CLOCK, **options.pop("guard", {}))
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


def recorded(rule: Any, caller: Caller, caplog: pytest.LogCaptureFixture, *issuers: Issuer) -> dict[str, str]:
    """The record of a request of this caller, who is let in."""
    app = Starlette(routes=[Route("/a", told)])
    guard = audited(app, rule, ["/a"], issuers=issuers)
    listening(caplog)
    with as_caller(guard, caller):
        assert ask_asgi(app, "/a").status == 200
    (said,) = logged(caplog)
    return said


def test_of_a_firebase_user_what_rules_can_name_is_recorded(caplog: pytest.LogCaptureFixture) -> None:
    user = firebase_user(
        "ada", email="ada@example.com", phone="+15550100", second_factor="totp", claims={"admin": True}
    )
    said = recorded(FirebaseUser("ada"), user, caplog)
    caller = json.loads(said["facts"])["caller"]
    assert (caller["kind"], caller["uid"], caller["project"]) == ("firebase", "ada", "shop-prod")
    assert (caller["second_factor"], caller["claims"]) == ("totp", {"admin": True})
    assert "tenant" not in caller
    assert "attributes" not in caller
    assert "+15550100" not in said["facts"]


def test_of_a_providers_claims_neither_the_profile_nor_what_names_the_token_is_recorded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trusted = oidc("https://id.example.com", "shop")
    claims = {"groups": ["a", "b"], "org": {"id": 7}, "nonce": "n-0S6", "jti": "t-1", "sid": "s-1", "name": "Ada L"}
    caller = oidc_caller("ada", audience="shop", claims=claims)
    said = recorded(Subject("ada", of=trusted.name), caller, caplog, trusted)
    facts = json.loads(said["facts"])["caller"]
    assert (facts["kind"], facts["sub"], facts["aud"]) == ("oidc", "ada", "shop")
    assert facts["claims"] == {"groups": ["a", "b"], "org": {"id": 7}}


def test_of_a_credential_of_ones_own_the_facts_are_recorded(caplog: pytest.LogCaptureFixture) -> None:
    trusted = custom_credential("partner", header="X-Api-Key", verify=lambda _: None)
    said = recorded(
        Subject("acme", of="partner"), own_caller("acme", issuer="partner", facts={"plan": "pro"}), caplog, trusted
    )
    assert json.loads(said["facts"])["caller"]["facts"] == {"plan": "pro"}
    assert said["by"].startswith("subject:acme")


def test_facts_that_are_too_long_for_a_log_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    trusted = custom_credential("partner", header="X-Api-Key", verify=lambda _: None)
    caller = own_caller("acme", issuer="partner", facts={"plans": ["p" * 100] * 400})
    said = recorded(Subject("acme", of="partner"), caller, caplog, trusted)
    assert said["facts"] == ""
    assert said["by"]


def test_a_first_use_counts_only_where_nothing_else_let_the_caller_in(caplog: pytest.LogCaptureFixture) -> None:
    rule = STAFF | (OTHERS & SingleUse())
    said = recorded(rule, google_person("ada@other.com", domain="other.com"), caplog)
    assert said["by"] == str(OTHERS & SingleUse())
    caplog.clear()
    assert recorded(rule, google_person("ada@example.com", domain="example.com"), caplog)["by"] == str(STAFF)


def test_the_whole_rule_is_named_where_a_look_up_fails_and_lets_in(caplog: pytest.LogCaptureFixture) -> None:
    def roles(_: Caller) -> set[str]:
        raise OSError("no route to the database")

    app = Starlette(routes=[Route("/a", told)])
    lookup = Lookup("roles", roles, on_error="allow", horizon=60)
    guard = audited(app, OTHERS | Role("editor"), ["/a"], guard={"lookups": [lookup]})
    listening(caplog)
    with as_caller(guard, google_person("ada@example.com", domain="example.com")):
        assert ask_asgi(app, "/a").status == 200
    (said,) = logged(caplog)
    assert said["by"] == said["rule"]

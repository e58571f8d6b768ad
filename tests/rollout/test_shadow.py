"""``shadow=``: what another path table would decide, counted and logged where it differs, and told to nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from callerid import (
    Caller,
    ConfigurationError,
    Domain,
    FirebaseUser,
    Public,
    ShadowCounts,
    Where,
)
from callerid.testing import LocalIssuer, as_caller, google_person

from .world import (
    CLIENT,
    DAY,
    MARKED,
    OTHER_CLIENT,
    OTHERS,
    STAFF,
    UNREACHABLE,
    World,
    by_path,
    every_adapter,
    listening,
    logged,
)

Make = Callable[..., World]
ANYBODY_WITH_A_DOMAIN = STAFF | OTHERS


def differing(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str, str | None]]:
    return [
        (each["outcome"], each["live"], f"{each['status']} {each['reason']}", each["caller"])
        for each in logged(caplog)
        if each["outcome"].startswith("shadow would")
    ]


@every_adapter
def test_it_counts_and_logs_where_it_differs_and_answers_nobody(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(shadow={"/x": OTHERS})
    listening(caplog)
    assert [world.get("/x", who)[0] for who in ("example.com", "other.com", "nobody.org", None)] == [200, 403, 403, 401]
    assert differing(caplog) == [
        ("shadow would refuse", "allowed", "403 not_allowed", "user:ada@example.com"),
        ("shadow would admit", "403 not_allowed", "None None", "user:ada@other.com"),
    ]
    assert world.guard.shadow == ShadowCounts(agreed=2, would_admit=1, would_refuse=1)
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("shadow would")]
    assert lines[0].startswith("shadow would refuse GET /x (live: allowed): 403 not_allowed: expected domain:other.com")
    assert lines[1].startswith("shadow would admit GET /x (live: 403 not_allowed): user:ada@other.com by domain:other")
    token = world.token("other.com").split(".")
    assert not any(part in str(vars(record)) for record in caplog.records for part in token)


@every_adapter
def test_the_table_stands_in_the_place_of_the_other_and_all_else_stays(make: Make) -> None:
    world = make(routes={"/x": OTHERS}, shadow={"/open": Public()}, floor=ANYBODY_WITH_A_DOMAIN)
    # Without its entry the default would hold again; the floor does in both.
    assert [world.get("/x", who)[0] for who in ("other.com", "example.com", "nobody.org")] == [200, 403, 403]
    assert world.guard.shadow == ShadowCounts(would_refuse=1, would_admit=1, agreed=1)


@pytest.mark.parametrize("name", ["starlette", "fastapi", "flask", "django"])
def test_marks_hold_beside_it_as_beside_the_table_it_stands_for(name: str) -> None:
    from .world import WORLDS

    world = WORLDS[name](shadow={MARKED: ANYBODY_WITH_A_DOMAIN, "/open": Public()})
    assert [world.get(MARKED, who)[0] for who in ("other.com", "example.com")] == [200, 403]
    assert world.guard.shadow == ShadowCounts(agreed=2)


@every_adapter
def test_without_any_entry_it_shows_what_the_table_does(make: Make) -> None:
    world = make(routes={"/x": OTHERS}, shadow={})
    assert world.get("/x", "other.com")[0] == 200
    assert world.guard.shadow.would_refuse == 1


@every_adapter
def test_another_status_is_a_difference_too(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(shadow={"/x": FirebaseUser() | OTHERS, MARKED: OTHERS})
    listening(caplog)
    world.guard.trust(world.issuer.firebase("shop-prod"))
    assert world.get("/x", raw=f"Bearer {world.token('nobody.org')}")[0] == 403
    assert world.guard.shadow == ShadowCounts(agreed=1)
    narrow = make(shadow={"/x": Domain("example.com")}, routes={"/x": Domain("a.example")})
    assert narrow.get("/x", "nobody.org")[0] == 403
    assert narrow.guard.shadow == ShadowCounts(agreed=1)


@every_adapter
def test_another_audience_answers_otherwise(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    listening(caplog)
    world = make(shadow=None)
    entry = world.guard.allow(OTHERS, audience=OTHER_CLIENT)
    world = make(shadow={"/x": entry})
    assert world.get("/x", "other.com")[0] == 403
    assert world.guard.shadow == ShadowCounts(would_answer_otherwise=1)
    assert differing(caplog) == [
        ("shadow would refuse", "403 not_allowed", "401 wrong_audience", "user:ada@other.com"),
    ]


@every_adapter
def test_a_public_place_that_would_be_closed_shows_who_would_get_in(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    listening(caplog)
    world = make(default=Public(), shadow={"/x": STAFF})
    assert world.get("/x", "example.com") == (200, "None")
    assert world.guard.shadow == ShadowCounts(agreed=1)
    assert [world.get("/x", who)[0] for who in ("other.com", None)] == [200, 200]
    assert world.get("/x", raw="Bearer junk") == (200, "None")
    assert world.guard.shadow == ShadowCounts(agreed=1, would_refuse=3)
    assert [each[2] for each in differing(caplog)] == ["403 not_allowed", "401 no_credential", "401 malformed_token"]


@every_adapter
def test_it_waits_for_no_key_where_none_was_asked_for(make: Make) -> None:
    with LocalIssuer() as issuer:
        world = make(issuer.google(CLIENT), default=Public(), shadow={"/x": STAFF})
        world.clock.now = issuer.clock()
        world.issuer = issuer
        with issuer.hold():
            assert world.get("/x", "example.com") == (200, "None")
            assert world.guard.shadow == ShadowCounts(unknown=1)
        world.guard.warm()
        assert world.get("/x", "example.com") == (200, "None")
        assert world.guard.shadow == ShadowCounts(unknown=1, agreed=1)


@every_adapter
def test_an_outage_that_the_live_rules_meet_is_met_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(UNREACHABLE, shadow={"/x": OTHERS, "/open": Public()})
    assert world.get("/x", "example.com")[0] == 503
    assert world.guard.shadow == ShadowCounts(agreed=1)
    opened = make(UNREACHABLE, shadow={"/x": Public()})
    assert opened.get("/x", "example.com")[0] == 503
    assert opened.guard.shadow == ShadowCounts(would_admit=1)


@every_adapter
def test_rules_that_cannot_be_judged_disturb_no_request(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world = make(shadow={"/x": OTHERS})
    judge = type(world.guard).judge

    def failing(guard: Any, requirement: Any, *rest: Any) -> Any:
        if requirement.rule == OTHERS:
            raise RuntimeError("out of order")
        return judge(guard, requirement, *rest)

    monkeypatch.setattr(type(world.guard), "judge", failing)
    assert [world.get("/x", who)[0] for who in ("example.com", "other.com", None)] == [200, 403, 401]
    assert world.guard.shadow == ShadowCounts(failed=3)
    said = [record for record in caplog.records if "shadow rules cannot be judged at GET /x" in record.getMessage()]
    assert len(said) == 3
    assert all(record.levelno == logging.WARNING for record in said)


@every_adapter
def test_code_in_a_rule_that_raises_is_a_no(make: Make) -> None:
    def broken(caller: Caller) -> bool:
        raise RuntimeError(str(caller))

    world = make(shadow={"/x": Where("is broken", broken)})
    assert world.get("/x", "example.com")[0] == 200
    assert world.guard.shadow == ShadowCounts(would_refuse=1)


@every_adapter
def test_both_together_compare_with_what_would_be_decided(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    world = make(enforce=False, until=DAY, shadow={"/x": OTHERS})
    listening(caplog)
    assert [world.get("/x", who)[0] for who in ("example.com", "other.com", None)] == [200, 200, 200]
    assert world.guard.shadow == ShadowCounts(would_refuse=1, would_admit=1, agreed=1)
    outcomes = [each["outcome"] for each in logged(caplog) if each["outcome"] != "allowed"]
    assert outcomes == ["shadow would refuse", "shadow would admit", "would refuse", "would refuse"]


@by_path
def test_a_path_that_can_be_read_differently_is_refused_by_both(make: Make) -> None:
    world = make(routes={"/x": OTHERS}, shadow={"/x": OTHERS})
    assert world.get("/x;y", "other.com")[0] == 400
    assert world.guard.shadow == ShadowCounts(agreed=1)


@pytest.mark.parametrize("name", ["starlette", "fastapi"])
def test_where_only_the_shadow_table_reads_paths_it_would_refuse(name: str) -> None:
    from .world import WORLDS

    world = WORLDS[name](shadow={"/m/x": STAFF})

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("mounted")(scope, receive, send)

    world.app.mount("/m", mounted)
    assert world.get("/m/x;y", "example.com")[0] == 200
    assert world.guard.shadow == ShadowCounts(would_refuse=1)


@every_adapter
def test_acting_as_somebody_is_seen_by_both(make: Make) -> None:
    world = make(default=Public(), shadow={"/x": STAFF})
    with as_caller(world.guard, google_person("ada@example.com", domain="example.com", audience=CLIENT)):
        assert world.get("/x")[0] == 200
    assert world.guard.shadow == ShadowCounts(agreed=1)


@by_path
def test_path_parameters_are_the_tables_own(make: Make) -> None:
    world = make(shadow={"/{page}": OTHERS})
    assert world.get("/x", "other.com")[0] == 403
    assert world.guard.shadow.would_admit == 1


@every_adapter
@pytest.mark.parametrize(
    ("table", "match"),
    [
        ([], "shadow= maps paths to rules"),
        ({"GET  x": STAFF}, "a path begins with a slash"),
        ({"/x": 1}, r"shadow\['/x'\] takes a rule"),
        ({"/x": FirebaseUser()}, r"shadow\['/x'\]"),
        ({"/a": STAFF, "/a/": STAFF}, "are the same place"),
    ],
)
def test_mistakes_in_it_are_errors(make: Make, table: Any, match: str) -> None:
    with pytest.raises(ConfigurationError, match=match):
        make(shadow=table)


@pytest.mark.parametrize("name", ["starlette", "fastapi", "flask", "django"])
def test_an_entry_that_no_route_answers_is_an_error(name: str) -> None:
    from .world import WORLDS

    world = WORLDS[name](shadow={"/typo": STAFF})
    with pytest.raises(ConfigurationError, match=r"shadow\['/typo'\]: no route of this application"):
        world.get("/x")


@every_adapter
def test_without_one_nothing_is_counted(make: Make) -> None:
    world = make()
    world.get("/x")
    assert world.guard.shadow == ShadowCounts()


def test_counts_are_each_guards_own() -> None:
    from .world import InASGI

    world = InASGI(shadow={"/x": OTHERS})
    like = type(world.guard).like(world.guard)
    world.get("/x", "other.com")
    assert (world.guard.shadow.would_admit, like.shadow.would_admit) == (1, 0)

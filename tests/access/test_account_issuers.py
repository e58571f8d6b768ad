"""Issuers that speak for one service account: in the lock, in comparisons, and in access tests."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount
from starlette.testclient import TestClient

import callerid.starlette
from callerid import (
    AnyGoogleAccount,
    ConfigurationError,
    Domain,
    GoogleChat,
    Issuer,
    Nobody,
    Rule,
    ServiceAccount,
    User,
    cloud_run,
    google,
    google_chat,
    service_account,
)
from callerid.access import access_map, locked, newcomers
from callerid.audit._suite import Case, SuitePersona, read_suite
from callerid.audit.algebra import Yes
from callerid.testing import LocalIssuer
from callerid.testing._personas import headers_of
from callerid.testing.access import rehearsing
from tests.access.changing import URL, found

ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
OTHER = "other@shop-prod.iam.gserviceaccount.com"
CHAT = "chat@system.gserviceaccount.com"
TASKS = f"{URL}/tasks"


def app_of(*issuers: Issuer, rule: Rule = AnyGoogleAccount(), audience: str | None = None) -> Starlette:  # noqa: B008
    guard = callerid.starlette.Guard(*issuers)
    app = Starlette()
    app.add_route("/a", guard.allow(rule, audience=audience)(answering))
    guard.protect(app, default=Nobody())
    return app


async def answering(_: Any) -> PlainTextResponse:
    return PlainTextResponse("in")


def test_the_lock_says_what_is_believed_of_an_account() -> None:
    lock = locked(access_map(app_of(service_account(ROBOT, URL, TASKS, longest_lifetime=600), google_chat(7))))
    lines = [line.strip() for line in lock.splitlines()]
    at = lines.index(f"issuer {ROBOT}")
    assert lines[at + 1 : at + 5] == [
        f"keys https://www.googleapis.com/robot/v1/metadata/x509/{ROBOT}",
        f"audience {URL}",
        f"audience {TASKS}",
        "lifetime 600",
    ]
    assert "audience 7" in lines[lines.index(f"issuer {CHAT}") :]


def test_the_lock_says_that_tokens_without_a_signature_are_believed() -> None:
    said = "believes tokens without a signature, as Cloud Run's front door passes them on"
    assert said in locked(access_map(app_of(cloud_run(URL, insist=True))))
    assert said not in locked(access_map(app_of(google(URL))))


BOTH = ServiceAccount(ROBOT) | Domain("example.com")


@pytest.mark.parametrize(
    ("old", "new", "rule", "said"),
    [
        ([google(URL)], [google(URL), service_account(ROBOT, URL)], AnyGoogleAccount(), f"the service account {ROBOT}"),
        ([google(URL)], [google(URL), service_account(ROBOT, URL)], BOTH, f"the service account {ROBOT}"),
        ([google(URL)], [google(URL), service_account(ROBOT, URL)], User("ada@gmail.com"), ""),
        ([google(URL)], [google(URL), service_account(OTHER, URL)], BOTH, ""),
        ([google(URL)], [google(URL), google_chat(7)], AnyGoogleAccount(), f"the service account {CHAT}"),
        ([google(URL)], [google(URL), google_chat(7)], GoogleChat(), f"the service account {CHAT}"),
        ([google_chat(7)], [google_chat(7), google_chat(8)], GoogleChat(), "with a token for 8"),
        ([google_chat(7)], [google_chat(7)], GoogleChat(), ""),
        (
            [service_account(ROBOT, URL)],
            [service_account(ROBOT, URL, TASKS)],
            AnyGoogleAccount(),
            f"the service account {ROBOT}, with a token for {TASKS}",
        ),
        ([service_account(ROBOT, URL, TASKS)], [service_account(ROBOT, TASKS)], AnyGoogleAccount(), ""),
        (
            [service_account(ROBOT, URL)],
            [service_account(ROBOT, URL, keys="http://127.0.0.1:1/keys")],
            AnyGoogleAccount(),
            f"cannot tell: the keys or settings of {ROBOT} changed",
        ),
        (
            [service_account(ROBOT, URL, longest_lifetime=600)],
            [service_account(ROBOT, URL)],
            AnyGoogleAccount(),
            f"cannot tell: the keys or settings of {ROBOT} changed",
        ),
        ([service_account(ROBOT, URL)], [service_account(ROBOT, URL, longest_lifetime=600)], AnyGoogleAccount(), ""),
        ([service_account(CHAT, "8")], [google_chat(8)], AnyGoogleAccount(), "cannot tell"),
        ([google_chat(8)], [service_account(CHAT, "8")], AnyGoogleAccount(), "cannot tell"),
        ([google(URL)], [cloud_run(URL, insist=True)], AnyGoogleAccount(), "cannot tell"),
        ([cloud_run(URL, insist=True)], [cloud_run(URL, insist=True)], AnyGoogleAccount(), ""),
    ],
)
def test_what_a_change_of_them_lets_in(old: list[Issuer], new: list[Issuer], rule: Rule, said: str) -> None:
    told = found(app_of(*old, rule=rule), app_of(*new, rule=rule))
    assert [line for line in told if said not in line] == []
    assert len(told) == (1 if said else 0)


@pytest.mark.parametrize("lifetime", ["lifetime forever", "lifetime", "lifetime 7200\n        lifetime 1", ""])
def test_an_edited_lock_is_taken_to_have_believed_nothing_that_it_does_not_say(lifetime: str) -> None:
    app = app_of(service_account(ROBOT, URL))
    lock = locked(access_map(app))
    assert "lifetime 3600" in lock
    (told,) = newcomers(lock.replace("lifetime 3600", lifetime), access_map(app))
    assert f"the keys or settings of {ROBOT} changed" in str(told)


def test_named_audiences_count_for_them() -> None:
    issuers = (google(URL), service_account(ROBOT, URL, TASKS))
    rule = ServiceAccount(ROBOT)
    plain, tasks = app_of(*issuers, rule=rule), app_of(*issuers, rule=rule, audience=TASKS)
    assert f"with a token for {TASKS}" in found(plain, tasks)[0]  # Google's
    assert f"with a token for {URL}" in found(tasks, plain)[0]
    alone = service_account(ROBOT, URL, TASKS)
    assert found(app_of(alone, rule=rule), app_of(alone, rule=rule, audience=TASKS)) == []


@pytest.mark.parametrize(
    ("issuers", "rule"),
    [
        ((google(URL), service_account(ROBOT, URL)), BOTH),
        ((google(URL), google_chat(7)), GoogleChat()),
        ((google(URL), service_account(ROBOT, URL)), ServiceAccount(ROBOT)),
    ],
)
def test_who_is_new_is_let_in_by_the_new_app_alone(issuers: tuple[Issuer, ...], rule: Rule) -> None:
    before, after = app_of(issuers[0], rule=rule), app_of(*issuers, rule=rule)
    (finding,) = newcomers(locked(access_map(before)), access_map(after))
    assert isinstance(finding.verdict, Yes)
    local = LocalIssuer()
    headers = headers_of(finding.verdict.witness, local)
    statuses: list[int] = []
    for app in (before, after):
        (guard,) = access_map(app).guards
        with local.stands_in_for(guard):
            statuses.append(TestClient(app).get("/a", headers=headers).status_code)
    assert statuses == [401, 200]


def nested(first: tuple[Issuer, ...], second: tuple[Issuer, ...], **named: str) -> Starlette:
    """A guard in front of another: a token must be good for both."""
    guard, inner_guard = callerid.starlette.Guard(*first), callerid.starlette.Guard(*second)
    below = Starlette()
    below.add_route("/a", inner_guard.allow(ServiceAccount(ROBOT), audience=named.get("inner"))(answering))
    inner_guard.protect(below, default=Nobody())
    marked = guard.allow(ServiceAccount(ROBOT), audience=named.get("outer"))(below)
    app = Starlette(routes=[Mount("/sub", marked)])
    guard.protect(app, default=Nobody())
    return app


SIGNER = service_account(ROBOT, URL, TASKS)
LONG = service_account(ROBOT, URL, TASKS, longest_lifetime=7200)


def test_where_two_guards_ask_the_shorter_lifetime_counts() -> None:
    assert found(nested((SIGNER,), (SIGNER,)), nested((LONG,), (SIGNER,))) == []
    assert found(nested((SIGNER,), (SIGNER,)), nested((SIGNER,), (LONG,))) == []
    (told,) = found(nested((SIGNER,), (LONG,)), nested((LONG,), (LONG,)))
    assert "cannot tell" in told


def test_where_two_guards_ask_the_audiences_count_that_each_of_them_takes() -> None:
    elsewhere = google("https://b.example.com")
    # The outer guard names an audience that its Google tokens have, and the inner one's have not.
    both = nested((SIGNER, google(TASKS)), (SIGNER, elsewhere), outer=TASKS)
    (told,) = found(nested((google(TASKS),), (elsewhere,), outer=TASKS), both)
    assert told == f"GET /sub/a: the service account {ROBOT}, with a token for {TASKS}"
    assert found(both, nested((SIGNER,), (SIGNER,), outer=TASKS)) == []
    assert found(both, nested((SIGNER,), (SIGNER,), inner=TASKS)) == []
    (told,) = found(both, nested((SIGNER,), (SIGNER, elsewhere)))
    assert told.endswith(f"with a token for {URL}")
    # One guard's self-signed tokens are not another's from Google.
    assert found(nested((google(URL),), (SIGNER,)), nested((google(URL),), (SIGNER,), outer=URL)) == []


def test_a_lock_says_for_which_audiences_each_guard_asks_where_they_differ() -> None:
    app = nested((SIGNER,), (LONG,), outer=TASKS)
    lock = locked(access_map(app))
    assert f'  asked-by guard 2 for []\n  asked-by guard for ["{TASKS}"]\n' in lock
    assert found(app, app) == []
    for own in ("{}", "[1]", "nothing", "[" * 100_000):
        with pytest.raises(ConfigurationError, match="is not a list of audiences"):
            newcomers(lock.replace(f'["{TASKS}"]', own), access_map(app))
    alike = locked(access_map(nested((SIGNER,), (LONG,), outer=TASKS, inner=TASKS)))
    assert f"  asked-by guard\n  asked-by guard 2\n  audience {TASKS}\n" in alike


def test_of_different_accounts_none_is_believed_by_both() -> None:
    other = service_account(OTHER, URL)
    nobody = nested((google("https://c.example.com"), other), (google("https://d.example.com"), SIGNER))
    assert found(nobody, nobody) == []
    (told,) = found(nobody, nested((google(URL), SIGNER), (google("https://d.example.com"), SIGNER)))
    assert ROBOT in told


# --- access tests ---


def judged(app: Starlette, persona: SuitePersona, *, may: bool = True) -> bool:
    with rehearsing(app) as rehearsal:
        return rehearsal.judge(Case(persona, "GET", "/a", may)).is_right


@pytest.mark.slow
def test_personas_who_sign_for_themselves_and_google_chat() -> None:
    app = app_of(google("https://g.example.com"), SIGNER, google_chat(7), rule=ServiceAccount(ROBOT) | GoogleChat())
    robot = SuitePersona("robot", "self_signed", ROBOT)
    assert judged(app, robot)
    assert judged(app, SuitePersona("robot", "self_signed", ROBOT, {"audience": TASKS}))
    assert judged(app, SuitePersona("robot", "self_signed", ROBOT, {"audience": "https://g.example.com"}), may=False)
    assert judged(app, SuitePersona("other", "self_signed", OTHER), may=False)
    assert judged(app, SuitePersona("chat", "chat", "7"))
    assert judged(app, SuitePersona("chat", "chat", "8"), may=False)
    # Google's tokens are minted for an audience of Google's issuer.
    assert judged(app, SuitePersona("robot", "service_account", ROBOT))


def test_they_are_kinds_of_persona() -> None:
    text = f"[personas.a]\nself_signed = '{ROBOT}'\naudience = '{URL}'\nmay = ['GET /a']\n"
    suite = read_suite(text + "[personas.b]\nchat = '7'\nmay = ['GET /a']\n", "access.toml")
    assert {case.persona.kind for case in suite.cases} == {"self_signed", "chat"}

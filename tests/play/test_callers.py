"""Callers made on the spot, and pasted tokens."""

from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI

from callerid import (
    Domain,
    FirebaseUser,
    Identity,
    Nobody,
    PathParam,
    ServiceAccount,
    User,
    custom_credential,
    firebase,
    firebase_session,
    google,
    iap,
    oidc,
)
from callerid.errors import ConfigurationError
from callerid.fastapi import Guard
from callerid.play._people import first_people, made_persona, sent_as
from callerid.play._session import MOST_PEOPLE, Playground
from callerid.testing import LocalIssuer

from .conftest import Played
from .made import page_of, post, shop, suite

URL, CLIENT = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"


def test_somebody_made_on_the_spot_gets_a_row_and_can_be_removed(played: Played) -> None:
    fields = {"kind": "firebase_user", "who": "zoe", "claims": '{"admin": true}', "domain": "", "roles": ""}
    assert post(played.page, "/people", fields).status_code == 303
    text = played.page.get("/").text
    assert 'aria-label="may: zoe, POST /users/{user_id}/orders"' in text
    assert "Firebase user zoe; claims {&quot;admin&quot;: true}" in text
    shown = played.page.get(played.cell("zoe", "GET /reports")).text
    assert "whoever may set custom claims (Admin SDK)" in shown
    key = next(each.key for each in played.ground.people if each.name == "zoe")
    assert post(played.page, "/remove", {"who": key}).status_code == 303
    assert "Firebase user zoe" not in played.page.get("/").text


def test_those_of_the_file_stay(played: Played) -> None:
    before = [each.name for each in played.ground.people]
    for each in list(played.ground.people):
        played.ground.remove(each.key)
    assert [each.name for each in played.ground.people] == before == ["stranger", "ada", "sam"]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "choose what kind of caller it is"),
        ({"kind": "king", "who": "x"}, "choose what kind of caller it is"),
        ({"kind": "person"}, "write who it is"),
        ({"kind": "person", "who": "x" * 5000}, "longer than"),
        ({"kind": "firebase_user", "who": "zoe", "claims": "[1]"}, "claims is a JSON object"),
        ({"kind": "firebase_user", "who": "zoe", "claims": "{"}, "claims is a JSON object"),
        ({"kind": "firebase_user", "who": "zoe", "signed_in_ago": "long"}, "is a number of seconds"),
        ({"kind": "service_account", "who": "robot@example.com"}, "gserviceaccount.com"),
        ({"kind": "workspace_person", "who": "<script>"}, "&lt;script&gt;"),
    ],
)
def test_what_nobody_can_be_is_said(played: Played, fields: dict[str, str], problem: str) -> None:
    answer = post(played.page, "/people", fields)
    assert answer.status_code == 422
    assert problem in answer.text
    assert "<script>" not in answer.text


def test_a_persona_may_have_all_that_a_file_may_say() -> None:
    made = made_persona({"kind": "firebase_user", "who": "zoe", "roles": "a, b", "signed_in_ago": "60"}, ["zoe"])
    assert (made.name, made.options["signed_in_ago"], sorted(made.looked_up["roles"])) == ("zoe'", 60, ["a", "b"])
    made = made_persona({"kind": "firebase_user", "who": "zoe", "email": "zoe@example.com", "app": ""}, [])
    assert (made.options, made.app) == ({"email": "zoe@example.com"}, None)
    made = made_persona({"kind": "access_token", "who": "ada@gmail.com", "scopes": "openid email", "name": "x"}, [])
    assert (made.name, made.options) == ("x", {"scopes": ["openid", "email"]})


def test_a_pasted_token_is_judged_by_the_real_keys_and_never_shown(
    played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = LocalIssuer().firebase_user("ada", project="another-project")
    assert post(played.page, "/token", {"token": f"Bearer {token}\n"}).status_code == 303
    text = played.page.get("/").text
    assert 'aria-label="401 unknown issuer: pasted 1, GET /reports"' in text
    shown = played.page.get(played.cell("pasted 1", "GET /reports")).text
    assert "another-project" in shown
    assert "not believed" in shown
    assert 'data-kind="fact"' not in shown
    log = played.page.get("/log").text
    for part in token.split("."):
        assert not any(part in each for each in (text, shown, log, caplog.text))
    assert token not in repr(played.ground.people)
    played.ground.remove(played.ground.people[-1].key)


@pytest.mark.parametrize("text", ["", "  ", "é" * 20, "x" * 20_000])
def test_what_is_no_token_is_said_and_not_repeated(played: Played, text: str) -> None:
    answer = post(played.page, "/token", {"token": text})
    assert answer.status_code == 422
    assert not text.strip() or text.strip() not in answer.text


def test_there_is_an_end_to_callers(played: Played) -> None:
    for number in range(MOST_PEOPLE - len(played.ground.people)):
        played.ground.paste(f"token-{number}")
    with pytest.raises(ConfigurationError, match="no more than"):
        played.ground.paste("one-more")
    for each in list(played.ground.people):
        played.ground.remove(each.key)


def test_a_pasted_token_goes_where_its_issuers_are_read() -> None:
    local = LocalIssuer()
    user = local.firebase_user("ada")
    person = local.workspace_person("ada@example.com")
    issuers = [
        google("https://orders.example.com"),
        firebase_session("shop-prod", cookie="__session"),
        iap("/projects/123456789012/global/backendServices/1234567890123456789"),
        custom_credential("keys", header="X-Api-Key", matches="sk_", verify=lambda _: Identity("billing")),
    ]
    cookie = local.session_cookie(user)
    assertion = local.iap_assertion(person)
    assert sent_as(person, issuers) == {"Authorization": f"Bearer {person}"}
    assert sent_as(cookie, issuers) == {"Cookie": f"__session={cookie}"}
    assert sent_as(assertion, issuers) == {"X-Goog-Iap-Jwt-Assertion": assertion}
    assert sent_as("sk_example", issuers) == {"X-Api-Key": "sk_example"}
    assert sent_as("ya29.example", issuers) == {"Authorization": "Bearer ya29.example"}


def test_without_a_file_there_are_a_few_of_each_family() -> None:
    names = [each.name for each in first_people(None, [google("https://a.example.com")])]
    assert names == ["stranger", "sam", "eve", "robot"]
    names = [each.name for each in first_people(None, [oidc("https://id.example.com", "orders")])]
    assert names == ["stranger", "pipeline"]
    with page_of(shop()) as (ground, _):
        assert [each.name for each in ground.people][-3:] == ["ada", "ben", "guest"]
        assert ground.samples["user_id"] == "ada"


def test_without_a_file_those_call_whom_the_rules_name() -> None:
    app, guard = FastAPI(openapi_url=None), Guard(google(URL, CLIENT), firebase("shop-prod"))
    guard.protect(app, default=Nobody())
    reports = Domain("shop.example") | User("ada@gmail.com") | User("boss@shop.example") | User("119")
    account = ServiceAccount("jobs@shop-prod.iam.gserviceaccount.com")
    app.get("/reports")(guard.allow(reports | account)(lambda: "done"))
    app.get("/orders")(guard.allow(FirebaseUser())(lambda: "done"))
    other = ServiceAccount("118") | ServiceAccount(PathParam("id"))
    job = guard.allow(ServiceAccount("nightly@shop-prod.iam.gserviceaccount.com") | other, audience=f"{URL}/jobs")
    app.get("/jobs/{id}")(job(lambda: "done"))
    with Playground(app, "app") as ground:
        said = {each.name: each.about for each in ground.people}
        cells = [each for row in ground.cells(ground.samples, 60) for each in row]
    assert list(said)[:7] == ["stranger", "sam", "ada@gmail.com", "boss", "jobs", "nightly", "eve"]
    assert "sam@shop.example" in said["sam"]
    let_in = {each.who.name for each in cells if each.outcome.status == 200}
    assert let_in == {"sam", "ada@gmail.com", "boss", "jobs", "nightly", "ada", "ben"}


def test_a_file_without_a_stranger_gets_one() -> None:
    text = '[personas.ada]\nfirebase_user = "ada"\nmay_not = "everything else"\n'
    assert [each.name for each in first_people(suite(text), [])] == ["stranger", "ada"]

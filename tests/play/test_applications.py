"""Django projects, look-ups, single use: what is asked of an application while it is played with."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path
from fastapi import FastAPI
from starlette.testclient import TestClient

import callerid.django
from callerid import App, CustomClaim, Domain, FirebaseUser, Public, Role, SingleUse, app_check, firebase, google
from callerid.access import access_map
from callerid.audit._lock import locked
from callerid.fastapi import Guard
from callerid.lookups import Lookup
from callerid.play._session import PlayCell, Playground
from callerid.testing import LocalIssuer
from tests.djangos import Project, configure

from .made import CLIENT, page_of, suite

configure()

SAM = '[personas.sam]\nworkspace_person = "sam@example.com"\nroles = ["editor"]\nmay_not = "everything else"\n'
APP_ID = "1:123456789012:web:abc123"


def cells_of(ground: Playground) -> dict[tuple[str, str], PlayCell]:
    return {(each.who.name, each.route.key): each for row in ground.cells(ground.samples, 60) for each in row}


@pytest.mark.parametrize("handler", [WSGIHandler, ASGIHandler])
def test_a_django_project_with_its_usual_hosts_is_played_with(handler: Any) -> None:
    ran: list[str] = []

    def orders(request: HttpRequest, number: int) -> HttpResponse:
        ran.append(str(request.method))
        return HttpResponse(f"order {number}")

    guard = callerid.django.Guard(google("https://orders.example.com", CLIENT))
    guard.protect(default=Domain("example.com"), routes={"healthz/": Public()})
    project = Project(
        [path("healthz/", lambda _: HttpResponse("ok")), path("orders/<int:number>/", orders)],
        guard,
        ["django.middleware.common.CommonMiddleware"],
        ALLOWED_HOSTS=[],
        DEBUG=True,
    )
    with project.settings(), Playground(handler(), "app", suite=suite(SAM)) as ground:
        found = {place: each.outcome for place, each in cells_of(ground).items()}
    named = {who_route: each for who_route, each in found.items() if "orders" in who_route[1]}
    assert {who: each.status for (who, _), each in named.items()} == {"stranger": 401, "sam": 200}
    assert next(each.answer.body for (who, _), each in named.items() if who == "sam") == b"order 1"
    assert set(ran) == {"GET"}


def app_of(rule: Any, *issuers: Any, keys: str | None = None, **options: Any) -> tuple[FastAPI, list[str]]:
    app, ran = FastAPI(openapi_url=None), list[str]()
    believed: dict[str, Any] = {} if keys is None else {"keys": keys}
    guard = Guard(google("https://orders.example.com", CLIENT, **believed), *issuers, **options)
    guard.protect(app, default=Domain("example.com"))
    app.state.guard = guard
    app.add_api_route("/a", guard.allow(rule)(lambda: ran.append("a")), methods=["GET"])
    return app, ran


def test_a_role_that_the_lock_asked_for_and_nobody_asks_now_is_still_known() -> None:
    text = SAM + '[personas.tom]\nworkspace_person = "tom@example.com"\nmay_not = "everything else"\n'
    roles = Lookup("roles", lambda _: set())
    with LocalIssuer() as real:
        keys = real.jwks_url("google")
        was, _ = app_of(Domain("example.com") & Role("editor"), keys=keys, lookups=[roles])
        now, _ = app_of(Domain("example.com"), keys=keys, lookups=[roles])
        with Playground(now, "app", suite=suite(text), lock=(locked(access_map(was)), "main.lock")) as ground:
            pasted = ground.paste(real.workspace_person("sam@example.com", audience=CLIENT))
            found = cells_of(ground)
    assert (found["sam", "GET /a"].shift, found["tom", "GET /a"].shift) == ("", "gains")
    assert found[pasted.name, "GET /a"].outcome.status == 200
    assert found[pasted.name, "GET /a"].shift == "cannot tell"


def test_an_app_check_token_alone_is_compared_too() -> None:
    text = f'[personas.page]\napp = "{APP_ID}"\nmay_not = "everything else"\n'
    was, _ = app_of(App(APP_ID), app_check("123456789012"))
    now, _ = app_of(Domain("example.com"), app_check("123456789012"))
    with Playground(now, "app", suite=suite(text), lock=(locked(access_map(was)), "main.lock")) as ground:
        assert cells_of(ground)["page", "GET /a"].shift == "loses"


def test_a_personas_token_opens_any_number_of_requests_where_others_are_used_up() -> None:
    app, ran = app_of(Domain("example.com") & SingleUse())
    with Playground(app, "app", suite=suite(SAM)) as ground:
        for _ in range(2):
            ground.forget()
            cell = cells_of(ground)["sam", "GET /a"]
            assert cell.outcome.status == 200
        assert ran == ["a", "a"]


def test_a_pasted_token_that_is_believed_is_looked_up_and_used_up_for_real() -> None:
    asked: list[str] = []

    def roles(caller: Any) -> set[str]:
        asked.append(caller.email)
        return {"editor"}

    rule = (Domain("example.com") & SingleUse()) | Role("owner")
    with LocalIssuer() as real:
        app, ran = app_of(rule, keys=real.jwks_url("google"), lookups=[Lookup("roles", roles)])
        guard = app.state.guard
        app.add_api_route("/b", guard.allow(rule)(lambda: ran.append("b")), methods=["POST"])
        with Playground(app, "app", suite=suite(SAM)) as ground:
            pasted = ground.paste(real.workspace_person("sam@example.com", audience=CLIENT))
            by = {route.key: route for route in ground.routes}
            assert ground.known_cell(pasted, by["POST /b"], {}).outcome.state == "may"
            assert ground.known_cell(pasted, by["GET /a"], {}).outcome.status == 200
            assert ground.call(pasted, by["POST /b"], {}).outcome.status == 401
            shown = ground.tokens(ground.cell(pasted, by["GET /a"], {}))
            assert any(claim.is_fact for claim in shown[0].claims)
    assert ran == ["a"]
    assert set(asked) == {"sam@example.com"}


def test_other_requests_are_served_meanwhile_and_not_heard() -> None:
    rule = Domain("example.com") & Role("owner") & SingleUse()
    app, ran = app_of(rule, lookups=[Lookup("roles", lambda _: {"owner"})])
    with Playground(app, "app", suite=suite(SAM)) as ground:
        before = len(ground.log.after(0))
        client = TestClient(app)
        (sam,) = (each for each in ground.people if each.name == "sam")
        assert client.get("/a", headers=ground.headers_of(sam)).status_code == 200
        assert client.get("/a").status_code == 401
        lines = ground.log.after(0)[before:]
        assert [(line.who, line.is_refused) for line in lines] == [("", False), ("", True)]
    assert ran == ["a"]


def test_logging_that_is_turned_off_as_a_whole_is_said() -> None:
    app, ran = app_of(Domain("example.com"))
    with Playground(app, "app", suite=suite(SAM)) as ground:
        logging.disable(logging.CRITICAL)
        try:
            found = cells_of(ground)["sam", "GET /a"].outcome
        finally:
            logging.disable(logging.NOTSET)
    assert found.state == "unknown"
    assert "logging.disable" in found.word
    assert ran == []


def test_a_template_that_no_path_can_be_made_up_for_says_so() -> None:
    app, _ = app_of(Domain("example.com"))
    with page_of(app, suite=suite(SAM)) as (ground, page):
        (route,) = (each for each in ground.routes if each.key == "GET /a")
        ground.routes.append(type(route)("GET", "/^b$", "/^b$", route.row))
        key = ground.people[0].key
        shown = page.get("/cell", params={"who": key, "route": "GET /^b$"}).text
    assert "No path can be made up for this route." in shown


def test_a_persona_may_be_made_with_all_that_a_file_says_of_one() -> None:
    app, _ = app_of(
        FirebaseUser() & CustomClaim("team", "blue") & Role("owner", of="teams"),
        firebase("shop-prod"),
        lookups=[Lookup("teams", lambda _: set())],
    )
    fields = {
        "kind": "firebase_user",
        "who": "zoe",
        "claims": '{"team": "blue"}',
        "looked_up": '{"teams": ["owner"]}',
        "via": "gateway@shop-prod.iam.gserviceaccount.com",
    }
    with Playground(app, "app", suite=suite(SAM)) as ground:
        zoe = ground.add(fields)
        assert cells_of(ground)[zoe.name, "GET /a"].outcome.status in (200, 401)
        assert "carried by gateway@" in zoe.about

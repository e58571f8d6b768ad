"""The fixture `caller_client`, `persona` and what they call applications with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path
from fastapi import FastAPI
from fastapi.testclient import TestClient

import callerid.django
import callerid.fastapi
from callerid import (
    App,
    Caller,
    Claim,
    ConfigurationError,
    Domain,
    Fact,
    FirebaseUser,
    GoogleChat,
    Lookup,
    Nobody,
    Public,
    Role,
    Rule,
    ServiceAccount,
    Subject,
    User,
    Via,
    app_check,
    custom_credential,
    firebase,
    google,
    google_access_token,
    google_chat,
    iap,
    oidc,
    service_account,
)
from callerid.testing import CallerClients, LocalIssuer, persona
from tests.djangos import Project
from tests.fixtures import AT_HAND, CLIENT, ROBOT, STAFF, URL, token
from tests.lookups.apps import _MADE, ADAPTERS

pytest_plugins = ["pytester"]

BACKEND = "/projects/123456789012/global/backendServices/42"
APP = "1:123456789012:web:abc"


@pytest.fixture
def clients() -> Iterator[CallerClients]:
    with CallerClients(LocalIssuer()) as made:
        yield made


def app_of(adapter: str, rule: Rule = STAFF, **options: Any) -> Any:
    _, client = _MADE[adapter](rule, options)
    return client.app if isinstance(client, TestClient) else client.application


def one_route(rule: Rule, *issuers: Any, **options: Any) -> FastAPI:
    app, guard = FastAPI(), callerid.fastapi.Guard(*issuers, **options)
    guard.protect(app, default=Nobody())
    app.post("/")(guard.allow(rule)(lambda: "served"))
    return app


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_client_calls_as_its_persona_and_clients_go_side_by_side(adapter: str, clients: CallerClients) -> None:
    app = app_of(adapter)
    ada, eve = (clients(app, persona("workspace_person", domain=each)) for each in ("example.com", "other.com"))
    stranger = clients(app)
    for _ in range(2):
        assert [each.get("/team/red").status_code for each in (ada, eve, stranger)] == [200, 403, 401]


@pytest.mark.parametrize("adapter", ["fastapi", "starlette", "asgi"])
def test_an_asynchronous_client_calls_as_its_persona(adapter: str, clients: CallerClients) -> None:
    app = app_of(adapter)

    async def call() -> None:
        async with (
            clients.asynchronous(app, persona("workspace_person")) as ada,
            clients.asynchronous(app) as stranger,
        ):
            assert [(await each.get("/team/red")).status_code for each in (ada, stranger)] == [200, 401]

    anyio.run(call)


@pytest.mark.parametrize("adapter", ["flask", "wsgi"])
def test_an_asynchronous_client_of_wsgi_is_an_error(adapter: str, clients: CallerClients) -> None:
    with pytest.raises(ConfigurationError, match="an asynchronous client is for ASGI"):
        clients.asynchronous(app_of(adapter))


def test_a_django_project_is_called_as_a_persona(clients: CallerClients) -> None:
    guard = callerid.django.Guard(*AT_HAND)
    guard.protect(default=Nobody(), routes={"open/": Public()})
    view: Any = guard.allow(STAFF)(lambda request: HttpResponse("served"))
    with Project([path("staff/", view), path("open/", lambda request: HttpResponse("served"))], guard).settings():
        app = WSGIHandler()
        ada, stranger = clients(app, persona("workspace_person")), clients(app)
        assert [each.get("/staff/").status_code for each in (ada, stranger)] == [200, 401]
        assert stranger.get("/open/").status_code == 200

        async def call() -> int:
            answer = await clients.asynchronous(ASGIHandler(), persona("workspace_person")).get("/staff/")
            return int(answer.status_code)

        assert anyio.run(call) == 200


def test_every_kind_of_persona_is_known_by_a_credential_that_the_application_reads(clients: CallerClients) -> None:
    def never(_: str) -> None:
        raise AssertionError("the application's own function knows no made up credential")

    keys = custom_credential("partners", header="X-Api-Key", verify=never)
    asked: list[tuple[Rule, list[Any], Any]] = [
        (User("ada@gmail.com"), [google(CLIENT)], persona("person", "ada@gmail.com")),
        (Domain("shop.example"), [google(CLIENT)], persona("workspace_person", domain="shop.example")),
        (Domain("example.com"), [iap(BACKEND)], persona("workspace_person")),
        (ServiceAccount(ROBOT), [google(URL)], persona("service_account", ROBOT)),
        (ServiceAccount(ROBOT), [service_account(ROBOT, URL)], persona("self_signed", ROBOT)),
        (GoogleChat(), [google_chat("123456789012")], persona("chat", "123456789012")),
        (User("ada@gmail.com"), [google_access_token(CLIENT)], persona("access_token", "ada@gmail.com")),
        (FirebaseUser("u1"), [firebase("shop-prod")], persona("firebase_user", "u1")),
        (
            Claim("team", "red"),
            [oidc("https://id.example.com", "orders")],
            persona("oidc_caller", claims={"team": "red"}),
        ),
        (Subject("p1") & Fact("plan", "gold"), [keys], persona("own_credential", "p1", facts={"plan": "gold"})),
        (App(APP), [google(CLIENT), app_check("123456789012")], persona("person", app=APP)),
        (
            Via(ServiceAccount(ROBOT)) & User("ada@gmail.com"),
            [google(URL, CLIENT)],
            persona("person", "ada@gmail.com", via=ROBOT),
        ),
    ]
    for rule, issuers, who in asked:
        app = one_route(rule, *issuers)
        assert (clients(app, who).post("/").status_code, clients(app).post("/").status_code) == (200, 401), who


def test_a_persona_has_the_roles_that_the_test_says(clients: CallerClients) -> None:
    def roles(_: Caller) -> set[str]:
        return {"viewer"}

    app = one_route(STAFF & Role("editor"), *AT_HAND, lookups=[Lookup("roles", roles)])
    editor, viewer = persona("workspace_person", roles=["editor"]), persona("workspace_person")
    assert clients(app, editor).post("/").status_code == 200
    assert clients(app, viewer).post("/").status_code == 403  # the look-up is asked
    nobody = persona("workspace_person", domain="other.com", looked_up={"roles": ["editor"]})
    assert clients(app, nobody).post("/").status_code == 403
    assert clients(app, persona(roles=["editor"])).post("/").status_code == 401
    wrong = persona("workspace_person", audience="1-other.apps.googleusercontent.com", roles=["editor"])
    assert clients(app, wrong).post("/").status_code == 401
    foreign = persona("oidc_caller", roles=["editor"])
    assert clients(app, foreign).post("/").status_code == 401


def test_afterwards_the_guard_believes_whom_it_did_before_and_asks_its_look_ups() -> None:
    app = one_route(STAFF & Role("editor"), *AT_HAND, lookups=[Lookup("roles", lambda _: {"editor"})])
    with CallerClients(LocalIssuer()) as outer, CallerClients(LocalIssuer()) as inner:
        kept = outer(app, persona("workspace_person", roles=[]))
        assert inner(app, persona("workspace_person", roles=["editor"])).post("/").status_code == 200
    assert kept.post("/").status_code == 401
    own = TestClient(app, headers={"Authorization": f"Bearer {token('staff')}"})
    assert own.post("/").status_code == 200


def test_what_is_no_application_is_an_error(clients: CallerClients) -> None:
    with pytest.raises(ConfigurationError, match="cannot be mapped"):
        clients(lambda: None)


def test_without_httpx_the_error_names_it(clients: CallerClients, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of("wsgi")
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigurationError, match="pip install httpx"):
        clients(app)


def test_what_is_not_said_of_a_persona_is_made_up_and_each_is_somebody_else() -> None:
    for kind in ("person", "workspace_person", "service_account", "access_token", "firebase_user", "oidc_caller"):
        assert persona(kind).who != persona(kind).who
    assert (persona().kind, persona("stranger").kind) == ("", "")


def test_a_persona_that_there_cannot_be_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"a persona is one of stranger, person, .*, not 'robot'"):
        persona("robot")
    for kind in ("self_signed", "chat"):
        with pytest.raises(ValueError, match="say who it is"):
            persona(kind)
    with pytest.raises(ConfigurationError, match="'tenant' is not a setting of a person"):
        persona("person", tenant="acme")
    with pytest.raises(ConfigurationError, match="is not a setting of a stranger"):
        persona(domain="example.com")


def test_the_plugin_has_the_fixtures(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from fastapi import FastAPI

        from callerid import Domain, google
        from callerid.fastapi import Guard
        from callerid.testing import persona

        app, guard = FastAPI(), Guard(google("1234-abc.apps.googleusercontent.com"))
        guard.protect(app, default=Domain("example.com"))

        def test_who_may(caller_client):
            assert caller_client(app, persona("workspace_person")).get("/").status_code == 404
            assert caller_client(app, persona("person")).get("/").status_code == 403

        def test_tokens(local_issuer):
            guard = Guard(local_issuer.google("https://orders.example.com"))
            assert guard.verify(local_issuer.service_account(audience="https://orders.example.com"))
        """
    )
    result = pytester.runpytest_inprocess("-p", "pytest_callerid", "-p", "no:cacheprovider", "-q")
    result.assert_outcomes(passed=2)

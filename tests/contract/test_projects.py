"""One application, two Firebase projects: a rule about their users says whose, in every adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest
from django.http import HttpResponse
from django.urls import path as django_path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from werkzeug.test import Client

import callerid.asgi
import callerid.django
import callerid.fastapi
import callerid.flask
import callerid.starlette
import callerid.wsgi
from callerid import ConfigurationError, CustomClaim, FirebaseUser, Guard, IssuedBy, Nobody, PathParam, Rule
from callerid.testing import LocalIssuer
from tests.djangos import Project, wsgi_of

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER = LocalIssuer()
SHOP, BANK = ISSUER.firebase("shop-prod"), ISSUER.firebase("bank-prod")
UNCLEAR: list[Rule] = [
    FirebaseUser(PathParam("uid")),
    CustomClaim("admin", value=True),
    FirebaseUser(project="shop-prod") | CustomClaim("admin", value=True),
]
CLEAR: list[Rule] = [
    FirebaseUser(PathParam("uid"), project="shop-prod"),
    FirebaseUser(PathParam("uid")) & IssuedBy(SHOP.name),
    FirebaseUser(PathParam("uid")) & CustomClaim("admin", value=True) & FirebaseUser(project="shop-prod"),
]


class App(Protocol):
    """An application whose ``/users/{uid}`` is ruled by one rule."""

    def start(self) -> None: ...

    def get(self, path: str, token: str) -> int: ...


class Asgi:
    def __init__(self, app: Any) -> None:
        self.app = app

    def start(self) -> None:
        with TestClient(self.app):
            pass

    def get(self, path: str, token: str) -> int:
        client = TestClient(self.app, raise_server_exceptions=False)
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


class Wsgi:
    def __init__(self, app: Any) -> None:
        self.app = app

    def start(self) -> None:
        self.get("/", "x")

    def get(self, path: str, token: str) -> int:
        return Client(self.app).get(path, headers={"Authorization": f"Bearer {token}"}).status_code


class OfFlask(Wsgi):
    def start(self) -> None:
        self.app.config["PROPAGATE_EXCEPTIONS"] = True
        try:
            super().start()
        finally:
            self.app.config["PROPAGATE_EXCEPTIONS"] = None


async def endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["uid"])


def view(uid: str) -> str:
    return uid


def of_starlette(rule: Rule, *issuers: Any) -> tuple[Any, App]:
    guard = callerid.starlette.Guard(*issuers)
    app = Starlette(routes=[Route("/users/{uid}", guard.allow(rule)(endpoint))])
    guard.protect(app, default=Nobody())
    return guard, Asgi(app)


def of_fastapi(rule: Rule, *issuers: Any) -> tuple[Any, App]:
    guard, app = callerid.fastapi.Guard(*issuers), FastAPI()
    guard.protect(app, default=Nobody())
    app.get("/users/{uid}")(guard.allow(rule)(view))
    return guard, Asgi(app)


def of_flask(rule: Rule, *issuers: Any) -> tuple[Any, App]:
    guard, app = callerid.flask.Guard(*issuers), Flask(__name__)
    guard.protect(app, default=Nobody())
    app.get("/users/<uid>")(guard.allow(rule)(view))
    return guard, OfFlask(app)


def of_django(rule: Rule, *issuers: Any) -> tuple[Any, App]:
    guard = callerid.django.Guard(*issuers)
    marked = guard.allow(rule)(lambda _, uid: HttpResponse(uid))
    guard.protect(default=Nobody())
    return guard, Wsgi(wsgi_of(Project([django_path("users/<uid>", marked)], guard)))


def of_asgi(rule: Rule, *issuers: Any) -> tuple[Any, App]:
    guard, app = Guard(*issuers), Starlette(routes=[Route("/users/{uid}", endpoint)])
    made = callerid.asgi.CallerMiddleware(app, guard=guard, default=Nobody(), routes={"/users/{uid}": rule})
    return guard, Asgi(made)


def of_wsgi(rule: Rule, *issuers: Any) -> tuple[Any, App]:
    guard, app = Guard(*issuers), Flask(__name__)
    app.get("/users/<uid>")(view)
    made = callerid.wsgi.CallerMiddleware(app, guard=guard, default=Nobody(), routes={"/users/{uid}": rule})
    return guard, Wsgi(made)


ADAPTERS = [of_starlette, of_fastapi, of_flask, of_django, of_asgi, of_wsgi]


@pytest.mark.parametrize("rule", UNCLEAR, ids=str)
@pytest.mark.parametrize("make", ADAPTERS)
def test_a_rule_that_does_not_say_whose_user_it_means_is_an_error_at_start_up(
    make: Callable[..., tuple[Any, App]], rule: Rule
) -> None:
    with pytest.raises(ConfigurationError, match=r"several Firebase projects \(shop-prod, bank-prod\)"):
        make(rule, SHOP, BANK)[1].start()


@pytest.mark.parametrize("rule", UNCLEAR, ids=str)
@pytest.mark.parametrize("make", ADAPTERS)
def test_a_second_project_that_is_trusted_later_opens_nothing(make: Callable[..., tuple[Any, App]], rule: Rule) -> None:
    guard, app = make(rule, SHOP)
    ours, theirs = (
        ISSUER.firebase_user("ada", project=project, claims={"admin": True}) for project in ("shop-prod", "bank-prod")
    )
    assert (app.get("/users/ada", ours), app.get("/users/ada", theirs)) == (200, 401)
    guard.trust(BANK)
    if make is of_wsgi:
        for token in (ours, theirs):
            with pytest.raises(ConfigurationError, match="does not say whose user it means"):
                app.get("/users/ada", token)
    else:
        assert (app.get("/users/ada", ours), app.get("/users/ada", theirs)) == (500, 500)
    guard.distrust(BANK)
    assert (app.get("/users/ada", ours), app.get("/users/ada", theirs)) == (200, 401)


@pytest.mark.parametrize("rule", CLEAR, ids=str)
@pytest.mark.parametrize("make", ADAPTERS)
def test_a_rule_that_says_whose_admits_nobody_elses(make: Callable[..., tuple[Any, App]], rule: Rule) -> None:
    _, app = make(rule, SHOP, BANK)
    app.start()
    ours, theirs = (
        ISSUER.firebase_user("ada", project=project, claims={"admin": True}) for project in ("shop-prod", "bank-prod")
    )
    assert (app.get("/users/ada", ours), app.get("/users/ada", theirs)) == (200, 403)

"""A private Cloud Run service in every adapter: developers, services, services that carry users; then an open door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import path as django_path
from fastapi import FastAPI
from flask import Flask
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from werkzeug.test import Client

import callerid.asgi
import callerid.django
import callerid.fastapi
import callerid.flask
import callerid.starlette
import callerid.wsgi
from callerid import Domain, FirebaseUser, Guard, Public, ServiceAccount, Via
from callerid.testing import LocalIssuer
from tests.djangos import Project, wsgi_of

URL, CLIENT = "https://orders-abc-ew.a.run.app", "1234-abc.apps.googleusercontent.com"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
ISSUER = LocalIssuer()
DEVELOPER = ISSUER.stripped(ISSUER.workspace_person("ada@example.com", audience=CLIENT))
SERVICE = ISSUER.stripped(ISSUER.service_account(ROBOT, audience=URL))
USER = ISSUER.firebase_user("ada", project="shop-prod")
RULE = Domain("example.com") | ServiceAccount(ROBOT) | (FirebaseUser() & Via(ServiceAccount(ROBOT)))

Ask = Callable[..., int]


def guard_of(kind: type[Any]) -> Any:
    return kind(ISSUER.cloud_run(URL, CLIENT, probes=["/healthz"]), ISSUER.firebase("shop-prod"))


def of_starlette() -> Any:
    guard = guard_of(callerid.starlette.Guard)
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in")), WebSocketRoute("/socket", greet)])
    guard.protect(app, default=RULE, websockets=callerid.asgi.WebSockets(protocol="bearer"))
    return app


async def greet(socket: WebSocket) -> None:
    await socket.accept()
    await socket.close()


def of_fastapi() -> Any:
    app = FastAPI()
    guard_of(callerid.fastapi.Guard).protect(app, default=RULE)
    app.get("/")(lambda: "in")
    return app


def of_flask() -> Any:
    app = Flask(__name__)
    guard_of(callerid.flask.Guard).protect(app, default=RULE)
    app.get("/")(lambda: "in")
    return app.wsgi_app


def of_django() -> Any:
    guard = guard_of(callerid.django.Guard)
    guard.protect(default=RULE)
    return wsgi_of(Project([django_path("", lambda _: HttpResponse("in"))], guard))


def of_asgi() -> Any:
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("in"))])
    return callerid.asgi.CallerMiddleware(app, guard=guard_of(Guard), default=RULE)


def of_wsgi() -> Any:
    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"in"]

    return callerid.wsgi.CallerMiddleware(app, guard=guard_of(Guard), default=RULE)


@pytest.fixture(params=[of_starlette, of_fastapi, of_flask, of_django, of_asgi, of_wsgi])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    app, client = request.param(), None
    client = Client(app) if request.param in (of_flask, of_django, of_wsgi) else TestClient(app)

    def status(path: str = "/", own: str | None = None, carrier: str | None = None) -> int:
        named = {"Authorization": own, "X-Serverless-Authorization": carrier}
        headers = {name: f"Bearer {token}" for name, token in named.items() if token is not None}
        code: int = client.get(path, headers=headers).status_code
        return code

    yield status
    client.close() if isinstance(client, TestClient) else None


def test_who_may_comes_in_and_an_open_front_door_ends_it(ask: Ask) -> None:
    assert ask(own=DEVELOPER) == 200
    assert ask(own=SERVICE) == 200
    assert ask(own=USER, carrier=SERVICE) == 200
    assert ask(own=DEVELOPER, carrier=SERVICE) == 401
    assert ask("/healthz") == 401
    assert ask(own=DEVELOPER) == 200
    assert ask() == 401
    assert (ask(own=DEVELOPER), ask(own=USER, carrier=SERVICE)) == (503, 503)
    assert ask(own=ISSUER.workspace_person("ada@example.com", audience=CLIENT)) == 200


def connects(client: TestClient, *protocols: str, **headers: str) -> bool:
    try:
        with client.websocket_connect("/socket", subprotocols=list(protocols), headers=headers):
            return True
    except WebSocketDisconnect:
        return False


def test_the_front_door_checks_no_subprotocol() -> None:
    client = TestClient(of_starlette())
    assert connects(client, Authorization=f"Bearer {DEVELOPER}")
    assert not connects(client, "bearer", DEVELOPER)
    # Nothing was in the header that it checks.
    assert not connects(client, Authorization=f"Bearer {DEVELOPER}")


def test_a_route_that_is_open_to_everybody_reads_no_credential() -> None:
    guard = guard_of(callerid.starlette.Guard)
    app = Starlette(routes=[Route("/open", guard.allow(Public())(lambda _: PlainTextResponse("in")))])
    guard.protect(app, default=RULE)
    client = TestClient(app)
    assert client.get("/open").status_code == 200
    assert client.get("/other", headers={"Authorization": f"Bearer {DEVELOPER}"}).status_code == 404

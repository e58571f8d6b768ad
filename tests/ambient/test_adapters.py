"""What is particular to one adapter: the method by which it serves, and what it tells of its credentials."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from flask import Flask, Request

import callerid.fastapi
import callerid.flask
from callerid import Domain, FirebaseUser, Issuer, Public
from callerid.testing import LocalIssuer

ISSUER = LocalIssuer()
BACKEND = "/projects/123456789012/global/backendServices/1234567890123456789"
ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}


def assertion() -> dict[str, str]:
    """A new one, since assertions live for ten minutes."""
    return ISSUER.assertion(ISSUER.iap_assertion(ISSUER.workspace_person()))


class MethodInQuery(Request):
    """A request whose method may be named by its query, as some applications have it for forms."""

    @property
    def method(self) -> str:
        return self.args.get("_method") or str(self.environ["REQUEST_METHOD"])

    @method.setter
    def method(self, _: str) -> None:
        """It stays what was sent."""


class WithMethods(Flask):
    request_class = MethodInQuery


def test_flask_judges_the_method_by_which_it_serves() -> None:
    guard, app = callerid.flask.Guard(ISSUER.iap(BACKEND)), WithMethods(__name__)
    guard.protect(app, default=Domain("example.com"))
    app.route("/orders", methods=["GET", "DELETE"])(lambda: "done")
    client = app.test_client()
    assert client.get("/orders", headers={**assertion(), **ELSEWHERE}).status_code == 200
    refused = client.get("/orders?_method=DELETE", headers={**assertion(), **ELSEWHERE})
    assert (refused.status_code, refused.json["reason"] if refused.json else None) == (403, "cross_site")
    assert client.get("/orders?_method=DELETE", headers=assertion()).status_code == 200


def security(*issuers: Issuer, rule: Any) -> tuple[Any, Any]:
    guard, app = callerid.fastapi.Guard(*issuers), FastAPI()
    guard.protect(app, default=rule)
    app.get("/orders")(guard.allow(rule)(lambda: "done"))
    document = app.openapi()
    return document["paths"]["/orders"]["get"]["security"], document["components"]["securitySchemes"]


def test_openapi_tells_of_every_credential_that_is_read() -> None:
    issuers = ISSUER.google(BACKEND), ISSUER.firebase_session("shop-prod", cookie="__Host-a!b"), ISSUER.iap(BACKEND)
    needed, schemes = security(*issuers, rule=Domain("example.com") | FirebaseUser())
    assert [each for one in needed for each in one] == list(schemes)
    assert list(schemes.values()) == [
        {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        {"type": "apiKey", "in": "cookie", "name": "__Host-a!b"},
        {"type": "apiKey", "in": "header", "name": "x-goog-iap-jwt-assertion"},
    ]
    assert "cookie-__Host-a-b" in schemes


def test_openapi_tells_of_no_bearer_token_where_none_is_read() -> None:
    needed, schemes = security(ISSUER.iap(BACKEND), rule=Public() | Domain("example.com"))
    assert needed == [{}, {"x-goog-iap-jwt-assertion": []}]
    assert list(schemes) == ["x-goog-iap-jwt-assertion"]


@pytest.mark.parametrize("path", ["/orders", "/orders/"])
def test_a_redirect_is_judged_by_where_a_request_comes_from(path: str) -> None:
    guard, app = callerid.fastapi.Guard(ISSUER.iap(BACKEND)), FastAPI()
    guard.protect(app, default=Domain("other.com"))
    app.post("/orders/")(guard.allow(Domain("example.com"))(lambda: "done"))
    client = TestClient(app)
    assert client.post(path, headers={**assertion(), **ELSEWHERE}).json()["reason"] == "cross_site"
    assert client.post(path, headers=assertion()).json() == "done"

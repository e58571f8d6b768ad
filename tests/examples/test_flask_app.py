"""The Flask twin of the example: closed, and open where it says so."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from callerid import keys
from callerid.cli._places import example_application
from callerid.cli._scenes import TASKS
from callerid.issuers import FIREBASE_KEYS, GOOGLE_KEYS
from callerid.testing import LocalIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOP = "https://shop.example.com"


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def client(issuer: LocalIssuer) -> Any:
    return application(issuer).test_client()


def application(issuer: LocalIssuer) -> Any:
    places = {"GOOGLE_KEYS_URL": issuer.jwks_url("google"), "FIREBASE_KEYS_URL": issuer.pem_url("firebase")}
    return example_application(places, "flask")


def test_by_itself_it_believes_google(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_KEYS_URL", raising=False)
    monkeypatch.delenv("FIREBASE_KEYS_URL", raising=False)
    guard = example_application({}, "flask").extensions["callerid"].rules.guard
    assert [issuer.keys for issuer in guard.issuers] == [keys.KeySource(GOOGLE_KEYS), keys.KeySource(FIREBASE_KEYS)]


def test_staff_read_their_reports(issuer: LocalIssuer, client: Any) -> None:
    staff = issuer.bearer(issuer.workspace_person("sam@example.com"))
    assert client.get("/reports/daily", headers=staff).json == {"prepared_for": "user:sam@example.com", "orders": 2}
    assert client.get("/reports/live", headers=staff).text == "data: watching as sam@example.com\n\n"
    assert "/users/<user_id>/orders" in client.get("/docs", headers=staff).json


def test_customers_see_their_own_orders_and_nobody_elses(issuer: LocalIssuer, client: Any) -> None:
    ada = issuer.bearer(issuer.firebase_user("ada"))
    assert client.get("/users/ada/orders", headers=ada).json == [{"article": "analytical engine", "count": 1}]
    assert client.get("/users/ada/basket", headers=ada).json == []
    assert client.get("/users/ben/orders", headers=ada).status_code == 403
    placed = client.post("/users/ada/orders", headers=ada, json={"article": "kite", "count": 3})
    assert (placed.status_code, placed.json) == (201, {"article": "kite", "count": 3})


def test_what_is_sent_is_not_read_before_the_caller_is_let_in(issuer: LocalIssuer, client: Any) -> None:
    assert client.post("/users/ada/orders", data=b"no JSON", content_type="application/json").status_code == 401
    staff = issuer.bearer(issuer.workspace_person("sam@example.com"))
    sent = {"file": (io.BytesIO(b"a\nb\n"), "catalogue.csv")}
    assert client.post("/catalogue", data=sent, headers=staff).json == {"articles": 2}
    assert client.post("/catalogue", data={}, headers=staff).status_code == 400


def test_members_see_their_own_prices(issuer: LocalIssuer, client: Any) -> None:
    prices = [
        client.get("/products", headers=headers).json["analytical engine"]
        for headers in ({}, issuer.bearer(issuer.firebase_user("ada")), issuer.bearer(issuer.workspace_person()))
    ]
    assert prices == ["17000.00", "16500.00", "17000.00"]
    assert client.get("/products", headers={"Authorization": "Bearer a.b.c"}).status_code == 401


def test_the_schedulers_token_opens_the_task_and_nothing_else(issuer: LocalIssuer, client: Any) -> None:
    scheduler = issuer.bearer(issuer.service_account(audience=TASKS))
    assert client.post("/tasks/reindex", headers=scheduler).status_code == 204
    assert client.get("/products", headers=scheduler).json["reason"] == "wrong_audience"
    assert client.post("/tasks/reindex", headers=issuer.bearer(issuer.service_account())).status_code == 401


def test_one_person_stands_behind_the_counter(issuer: LocalIssuer, client: Any) -> None:
    boss, staff = (issuer.bearer(issuer.workspace_person(f"{name}@example.com")) for name in ("grace", "sam"))
    assert client.get("/admin/settings", headers=boss).json == {"currency": "EUR"}
    assert client.get("/admin/settings", headers=staff).status_code == 403
    assert client.get("/admin/nowhere").status_code == 401


def test_the_shops_pages_can_read_a_refusal(client: Any) -> None:
    preflight = {"Origin": SHOP, "Access-Control-Request-Method": "GET"}
    allowed = client.options("/reports/daily", headers=preflight)
    assert (allowed.status_code, allowed.headers["Access-Control-Allow-Origin"]) == (200, SHOP)
    refused = client.get("/reports/daily", headers={"Origin": SHOP})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, SHOP)
    assert "Access-Control-Allow-Origin" not in client.get("/health", headers={"Origin": "https://x.example"}).headers


def test_health_needs_no_keys_and_the_rest_says_that_it_has_none(issuer: LocalIssuer) -> None:
    issuer.fail_with(500)
    client = application(issuer).test_client()
    assert client.get("/health").text == "ok"
    refused = client.get("/reports/daily", headers=issuer.bearer(issuer.workspace_person("sam@example.com")))
    assert (refused.status_code, refused.json["reason"]) == (503, "keys_unavailable")
    assert int(refused.headers["Retry-After"]) >= 1

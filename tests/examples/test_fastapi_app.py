"""The example is an application like any other: it is closed, and open where it says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy
from fastapi.testclient import TestClient

from callerid import keys
from callerid.cli._places import example_application
from callerid.cli._scenes import TASKS
from callerid.issuers import FIREBASE_KEYS, GOOGLE_KEYS
from callerid.testing import LocalIssuer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOP = "https://shop.example.com"


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def client(issuer: LocalIssuer) -> Iterator[TestClient]:
    with TestClient(application(issuer)) as client:
        yield client


def application(issuer: LocalIssuer, database: str = "") -> Any:
    return example_application(
        {
            "GOOGLE_KEYS_URL": issuer.jwks_url("google"),
            "FIREBASE_KEYS_URL": issuer.pem_url("firebase"),
            "DATABASE_URL": database,
        }
    )


def test_keys_are_fetched_at_start(issuer: LocalIssuer, client: TestClient) -> None:
    assert issuer.fetches == {"google": 1, "firebase": 1}
    token = issuer.workspace_person("sam@example.com")
    answer = client.get("/reports/daily", headers=issuer.bearer(token))
    assert answer.json() == {"prepared_for": "user:sam@example.com", "orders": 2}
    assert issuer.fetches == {"google": 1, "firebase": 1}


def test_by_itself_it_believes_google(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_KEYS_URL", raising=False)
    monkeypatch.delenv("FIREBASE_KEYS_URL", raising=False)
    guard = _guard_of(example_application({}))
    assert [issuer.keys for issuer in guard.issuers] == [keys.KeySource(GOOGLE_KEYS), keys.KeySource(FIREBASE_KEYS)]


def _guard_of(app: Any) -> Any:
    route = next(route for route in app.routes if getattr(route, "path", "") == "/reports/daily")
    return route.dependant.dependencies[0].call.mark.guard


def test_customers_see_their_own_orders_and_nobody_elses(issuer: LocalIssuer, client: TestClient) -> None:
    ada = issuer.bearer(issuer.firebase_user("ada"))
    assert client.get("/users/ada/orders", headers=ada).json() == [{"article": "analytical engine", "count": 1}]
    assert client.get("/users/ben/orders", headers=ada).status_code == 403
    placed = client.post("/users/ada/orders", headers=ada, json={"article": "kite", "count": 3})
    assert (placed.status_code, placed.json()) == (201, {"article": "kite", "count": 3})


def test_what_is_sent_is_not_read_before_the_caller_is_let_in(issuer: LocalIssuer, client: TestClient) -> None:
    sent = {"content": b"no JSON at all", "headers": {"Content-Type": "application/json"}}
    assert client.post("/users/ada/orders", **sent).status_code == 401  # type: ignore[arg-type]
    assert client.post("/catalogue", files={"nothing": b""}).status_code == 401
    staff = issuer.bearer(issuer.workspace_person("sam@example.com"))
    assert client.post("/catalogue", files={"file": b"a\nb\n"}, headers=staff).json() == {"articles": 2}
    assert client.post("/catalogue", files={"nothing": b""}, headers=staff).status_code == 422


def test_members_see_their_own_prices(issuer: LocalIssuer, client: TestClient) -> None:
    prices = [
        client.get("/products", headers=headers).json()["analytical engine"]
        for headers in ({}, issuer.bearer(issuer.firebase_user("ada")), issuer.bearer(issuer.workspace_person()))
    ]
    assert prices == ["17000.00", "16500.00", "17000.00"]
    assert client.get("/products", headers={"Authorization": "Bearer a.b.c"}).status_code == 401


def test_the_schedulers_token_opens_the_task_and_nothing_else(issuer: LocalIssuer, client: TestClient) -> None:
    scheduler = issuer.bearer(issuer.service_account(audience=TASKS))
    assert client.post("/tasks/reindex", headers=scheduler).status_code == 204
    assert client.get("/products", headers=scheduler).json()["reason"] == "wrong_audience"
    assert client.post("/tasks/reindex", headers=issuer.bearer(issuer.service_account())).status_code == 401


def test_a_watcher_is_judged_before_the_handshake(issuer: LocalIssuer, client: TestClient) -> None:
    staff = issuer.bearer(issuer.workspace_person("sam@example.com"))
    with client.websocket_connect("/reports/live", headers=staff) as socket:
        assert socket.receive_json() == {"watching": "sam@example.com"}


def test_one_person_stands_behind_the_counter(issuer: LocalIssuer, client: TestClient) -> None:
    boss, staff = (issuer.bearer(issuer.workspace_person(f"{name}@example.com")) for name in ("grace", "sam"))
    assert client.get("/admin/settings", headers=boss).json() == {"currency": "EUR"}
    assert [client.get(f"/admin/{path}", headers=staff).status_code for path in ("settings", "docs", "x")] == [403] * 3


def priced(client: TestClient, token: str | None) -> tuple[int, str]:
    """What comes of setting a price: status, and reason of a refusal."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = client.put("/products/kite", json={"euros": "9.50"}, headers=headers)
    return answer.status_code, answer.json().get("reason", "")


def test_prices_are_set_by_those_of_the_staff_who_have_the_role(issuer: LocalIssuer, client: TestClient) -> None:
    assert priced(client, issuer.workspace_person("grace@example.com")) == (200, "")
    for colleague in ("sam@example.com", "kim@example.com"):  # one with another role, one with none
        assert priced(client, issuer.workspace_person(colleague)) == (403, "not_allowed")
    assert priced(client, issuer.firebase_user("grace", email="grace@example.com")) == (403, "not_allowed")
    assert priced(client, None) == (401, "no_credential")


def test_roles_are_of_the_database_that_the_environment_names(issuer: LocalIssuer, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'roles.db'}"
    sam, grace, eve = (
        issuer.workspace_person(name) for name in ("sam@example.com", "grace@example.com", "eve@example.org")
    )
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)

    def execute(statement: str) -> None:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement))

    execute("CREATE TABLE roles (email TEXT, role TEXT)")
    execute("INSERT INTO roles VALUES ('sam@example.com', 'catalogue'), ('eve@example.org', 'catalogue')")
    app = application(issuer, url)
    with TestClient(app) as client:
        assert [priced(client, each)[0] for each in (sam, grace, eve, None)] == [200, 403, 403, 401]
        execute("DELETE FROM roles")
        assert priced(client, sam) == (200, "")  # as it was a moment ago
        guard = _guard_of(app)
        asyncio.run(guard.forget(guard.verify(sam)))
        assert priced(client, sam) == (403, "not_allowed")


def test_without_its_database_prices_cannot_be_set_and_the_rest_goes_on(issuer: LocalIssuer, tmp_path: Path) -> None:
    sam = issuer.workspace_person("sam@example.com")
    with TestClient(application(issuer, f"sqlite:///{tmp_path / 'no such folder' / 'roles.db'}")) as client:
        assert priced(client, sam) == (503, "lookup_unavailable")
        assert priced(client, issuer.workspace_person("eve@example.org")) == (403, "not_allowed")
        assert priced(client, None) == (401, "no_credential")
        assert [client.get(path).status_code for path in ("/health", "/products")] == [200, 200]
        assert client.get("/reports/daily", headers=issuer.bearer(sam)).status_code == 200


def test_the_shops_pages_can_read_a_refusal(client: TestClient) -> None:
    preflight = {"Origin": SHOP, "Access-Control-Request-Method": "GET"}
    allowed = client.options("/reports/daily", headers=preflight | {"Access-Control-Request-Headers": "authorization"})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, SHOP)
    refused = client.get("/reports/daily", headers={"Origin": SHOP})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, SHOP)


def test_health_needs_no_keys_and_the_rest_says_that_it_has_none(issuer: LocalIssuer) -> None:
    issuer.fail_with(500)
    with TestClient(application(issuer)) as client:
        assert client.get("/health").json() == "ok"
        staff = issuer.bearer(issuer.workspace_person("sam@example.com"))
        refused = client.get("/reports/daily", headers=staff)
        assert (refused.status_code, refused.json()["reason"]) == (503, "keys_unavailable")
        assert int(refused.headers["retry-after"]) >= 1


def test_its_documentation_tells_who_needs_a_token(issuer: LocalIssuer, client: TestClient) -> None:
    staff = issuer.bearer(issuer.workspace_person("sam@example.com"))
    paths = client.get("/openapi.json", headers=staff).json()["paths"]
    assert paths["/reports/daily"]["get"]["security"] == [{"callerid": []}]
    assert paths["/products"]["get"]["security"] == [{}, {"callerid": []}]
    assert "security" not in paths["/health"]["get"]
    assert {"401", "403"} <= paths["/tasks/reindex"]["post"]["responses"].keys()

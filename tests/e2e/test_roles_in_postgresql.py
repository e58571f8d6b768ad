"""The FastAPI example on uvicorn, with its roles in a real PostgreSQL that is changed, stopped and started again."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from callerid.testing import LocalIssuer
from tests import servers
from tests.servers import Address

from .postgresql import Cluster, cluster

pytestmark = pytest.mark.e2e

MAX_AGE = 0.5
"""Seconds; an answer is used for ten times as long where the database is down."""


@pytest.fixture(scope="module")
def database() -> Iterator[Cluster]:
    with cluster() as running:
        running.execute("CREATE TABLE roles (email TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (email, role))")
        yield running


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


@pytest.fixture
def shop(database: Cluster, issuer: LocalIssuer) -> Iterator[Address]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("GOOGLE_KEYS_URL", issuer.jwks_url("google"))
        environment.setenv("FIREBASE_KEYS_URL", issuer.pem_url("firebase"))
        environment.setenv("DATABASE_URL", database.url)
        environment.setenv("ROLES_MAX_AGE", str(MAX_AGE))
        environment.delenv("K_SERVICE", raising=False)
        with servers.uvicorn("app:app", "--app-dir", "examples/fastapi_app", "--log-level", "warning") as address:
            yield address


def price(shop: Address, token: str) -> int:
    """The status of setting a price; 422 is that of somebody who was let in, since nothing is sent."""
    return servers.status(shop, "/products/kite", f"Authorization: Bearer {token}", method="PUT")


def becomes(shop: Address, token: str, status: int) -> set[int]:
    """What was answered until this was: ends when a price may be set, or no longer, as it should be."""
    seen, end = set[int](), time.monotonic() + 30
    while (answer := price(shop, token)) != status:
        assert time.monotonic() < end, f"{answer}, not {status}"
        seen.add(answer)
        time.sleep(0.02)
    return seen


def test_a_role_counts_from_when_it_is_granted_until_it_is_revoked(
    shop: Address, database: Cluster, issuer: LocalIssuer
) -> None:
    sam, eve = issuer.workspace_person("sam@example.com"), issuer.workspace_person("eve@example.org")
    database.execute("INSERT INTO roles VALUES ('eve@example.org', 'catalogue'), ('sam@example.com', 'reports')")
    assert price(shop, sam) == 403
    database.execute("INSERT INTO roles VALUES ('sam@example.com', 'catalogue')")
    assert becomes(shop, sam, 422) <= {403}
    database.execute("DELETE FROM roles WHERE email = 'sam@example.com' AND role = 'catalogue'")
    assert becomes(shop, sam, 403) <= {422}
    assert [price(shop, each) for each in (eve, issuer.forged(sam))] == [403, 401]


def test_while_the_database_is_down_the_last_answers_count_for_a_while_and_then_nobody_has_a_role(
    shop: Address, database: Cluster, issuer: LocalIssuer
) -> None:
    ada, ben, kim = (issuer.workspace_person(f"{name}@example.com") for name in ("ada", "ben", "kim"))
    database.execute("INSERT INTO roles VALUES ('ada@example.com', 'catalogue'), ('kim@example.com', 'catalogue')")
    assert [price(shop, each) for each in (ada, ben)] == [422, 403]
    database.stop()
    try:
        assert [price(shop, each) for each in (ada, ben, kim)] == [422, 403, 503]  # nobody was asked about kim
        assert becomes(shop, ada, 503) == {422}
        assert becomes(shop, ben, 503) <= {403}
        assert [servers.status(shop, path) for path in ("/health", "/products")] == [200, 200]
        assert servers.status(shop, "/reports/daily", f"Authorization: Bearer {ada}") == 200
        assert price(shop, issuer.workspace_person("eve@example.org")) == 403
    finally:
        database.start()
    for token, status in ((ada, 422), (ben, 403), (kim, 422)):
        assert becomes(shop, token, status) <= {503}

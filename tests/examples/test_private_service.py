"""Both examples as private Cloud Run services, behind a front door that checks tokens and removes their signatures."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from callerid.cli.doctor import front_door
from callerid.testing import LocalIssuer

from .front_door import FrontDoor
from .test_served import served

pytestmark = pytest.mark.server

SERVICE, WEBSITE = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as serving:
        yield serving


@pytest.fixture(params=["uvicorn", "gunicorn"])
def door(request: pytest.FixtureRequest, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[FrontDoor]:
    monkeypatch.setenv("K_SERVICE", "orders")
    with served(request.param, issuer) as port, FrontDoor(issuer, (SERVICE, WEBSITE), port).standing() as standing:
        yield standing


def ask(door: FrontDoor, path: str, own: str | None = None, carrier: str | None = None) -> int:
    named = {"Authorization": own, "X-Serverless-Authorization": carrier}
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    try:
        headers = {name: f"Bearer {token}" for name, token in named.items() if token is not None}
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_private_service_knows_developers_services_and_the_users_they_carry(
    door: FrontDoor, issuer: LocalIssuer
) -> None:
    developer = issuer.workspace_person("sam@example.com", audience=WEBSITE)
    service = issuer.service_account("web@shop-prod.iam.gserviceaccount.com", audience=SERVICE)
    user = issuer.firebase_user("ada", project="shop-prod")
    assert ask(door, "/reports/daily") == 403
    assert ask(door, "/reports/daily", own=issuer.stripped(developer)) == 403
    assert front_door(f"http://127.0.0.1:{door.port}/")[0] is True

    assert ask(door, "/reports/daily", own=developer) == 200
    assert ask(door, "/reports/daily", own=service) == 403
    assert ask(door, "/users/ada/orders", own=user, carrier=service) == 200
    assert ask(door, "/users/ben/orders", own=user, carrier=service) == 403
    assert ask(door, "/reports/daily", own=issuer.stripped(developer), carrier=service) == 401

    door.is_open = True
    assert ask(door, "/reports/daily", own=issuer.stripped(developer)) == 200  # nothing has shown it yet
    assert front_door(f"http://127.0.0.1:{door.port}/reports/daily")[0] is False
    assert ask(door, "/reports/daily", own=issuer.stripped(developer)) == 503
    assert ask(door, "/reports/daily", own=developer) == 200

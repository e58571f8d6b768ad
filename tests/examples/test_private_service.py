"""Both examples as private Cloud Run services, behind a front door that checks tokens and removes their signatures."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from callerid.cli._doctor import front_door
from callerid.issuers import GCLOUD_CLIENT
from callerid.testing import LocalIssuer

from .front_door import FrontDoor
from .test_served import served

pytestmark = pytest.mark.server

SERVICE, WEBSITE = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"
TASKS = f"{SERVICE}/tasks"  # a custom audience of the service


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as serving:
        yield serving


@pytest.fixture
def said(tmp_path: Path) -> Path:
    """What the service writes to its log."""
    return tmp_path / "said"


@pytest.fixture(params=["uvicorn", "gunicorn"])
def door(
    request: pytest.FixtureRequest,
    issuer: LocalIssuer,
    monkeypatch: pytest.MonkeyPatch,
    said: Path,
) -> Iterator[FrontDoor]:
    monkeypatch.setenv("K_SERVICE", "orders")
    with (
        said.open("w", encoding="utf-8") as log,
        served(request.param, issuer, stderr=log) as port,
        FrontDoor(issuer, (SERVICE, WEBSITE, TASKS), port).standing() as standing,
    ):
        yield standing


def ask(door: FrontDoor, path: str, own: str | None = None, carrier: str | None = None, method: str = "GET") -> int:
    named = {"Authorization": own, "X-Serverless-Authorization": carrier}
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    try:
        headers = {name: f"Bearer {token}" for name, token in named.items() if token is not None}
        connection.request(method, path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_private_service_knows_developers_services_and_the_users_they_carry(
    door: FrontDoor, issuer: LocalIssuer, said: Path
) -> None:
    developer = issuer.workspace_person("sam@example.com", audience=GCLOUD_CLIENT)
    staff = issuer.workspace_person("sam@example.com", audience=WEBSITE)
    service = issuer.service_account("web@shop-prod.iam.gserviceaccount.com", audience=SERVICE)
    scheduler = issuer.service_account("scheduler@shop-prod.iam.gserviceaccount.com", audience=TASKS)
    user = issuer.firebase_user("ada", project="shop-prod")

    # The front door answers strangers by itself.
    for stranger in (None, issuer.stripped(developer), issuer.forged(developer), user):
        assert ask(door, "/reports/daily", own=stranger) == 403
    assert ask(door, "/users/ada/orders", own=user, carrier=issuer.stripped(service)) == 403
    assert front_door(f"http://127.0.0.1:{door.port}/")[0] is True

    # Developers and services speak for themselves,
    assert ask(door, "/reports/daily", own=developer) == 200
    assert ask(door, "/reports/daily", own=staff) == 200
    assert ask(door, "/reports/daily", own=service) == 403
    assert ask(door, "/tasks/reindex", own=scheduler, method="POST") == 204
    assert ask(door, "/tasks/reindex", own=developer, method="POST") == 401
    # and services for the users whose calls they carry; the users' tokens keep their signature.
    assert ask(door, "/users/ada/orders", own=user, carrier=service) == 200
    assert ask(door, "/users/ben/orders", own=user, carrier=service) == 403
    assert ask(door, "/users/ada/orders", own=issuer.forged(user), carrier=service) == 401
    assert ask(door, "/reports/daily", own=issuer.stripped(developer), carrier=service) == 401

    assert "front door stands open" not in said.read_text(encoding="utf-8")
    door.is_open = True
    assert ask(door, "/reports/daily", own=issuer.stripped(developer)) == 200  # nothing has shown it yet
    assert front_door(f"http://127.0.0.1:{door.port}/reports/daily")[0] is False
    assert ask(door, "/reports/daily", own=issuer.stripped(developer)) == 503
    assert ask(door, "/users/ada/orders", own=user, carrier=issuer.stripped(service)) == 503
    assert ask(door, "/reports/daily", own=developer) == 200
    assert ask(door, "/users/ada/orders", own=user, carrier=service) == 200
    assert ask(door, "/reports/daily") == 401
    assert ask(door, "/health") == 200
    assert said.read_text(encoding="utf-8").count("front door stands open: a request came with no credential") == 1

"""The receiver under real servers: uvicorn and gunicorn in processes of their own, and waitress."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from callerid import Guard
from callerid.risc import EventReceiver
from callerid.testing import LocalIssuer
from tests.fixtures import AT_HAND, CLIENT
from tests.risc.served import on_event
from tests.servers import Address, gunicorn, status, uvicorn, waitress

pytestmark = pytest.mark.server

SECEVENT = {"Content-Type": "application/secevent+jwt"}


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with LocalIssuer() as served:
        yield served


@pytest.fixture(scope="module", params=["uvicorn", "gunicorn", "waitress"])
def address(request: pytest.FixtureRequest, issuer: LocalIssuer) -> Iterator[Address]:
    keys = issuer.jwks_url()
    if request.param == "waitress":
        made = EventReceiver(Guard(*AT_HAND), CLIENT, on_event=on_event, keys=keys)
        with waitress(made.wsgi) as found:
            yield found
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVED_KEYS", keys)
        serving = (
            gunicorn("tests.risc.served:wsgi_application()")
            if request.param == "gunicorn"
            else uvicorn("tests.risc.served:application", "--factory")
        )
        with serving as found:
            yield found


def test_deliveries_are_answered(address: Address, issuer: LocalIssuer, http: requests.Session) -> None:
    url = f"http://{address[0]}:{address[1]}/"

    def post(token: str, **headers: str) -> requests.Response:
        return http.post(url, data=token.encode(), headers={**SECEVENT, **headers}, timeout=30)

    event = issuer.security_event()
    assert [post(event).status_code for _ in range(2)] == [202, 202]
    chunked = http.post(url, data=iter([issuer.security_event().encode()]), headers=SECEVENT, timeout=30)
    assert chunked.status_code == 202
    for token in (issuer.forged(event), issuer.person(), "x" * 100_000, ""):
        refused = post(token)
        assert (refused.status_code, set(refused.json())) == (400, {"err", "description"})
    failed = post(issuer.security_event("account-disabled", reason="fail"))
    assert (failed.status_code, failed.headers["retry-after"]) == (503, "60")
    assert http.get(url, timeout=30).status_code == 405
    assert status(address, "/", "Content-Length: 0", method="HEAD") == 405


def test_keys_that_are_rotated_are_found(address: Address, issuer: LocalIssuer, http: requests.Session) -> None:
    issuer.rotate("google")
    url = f"http://{address[0]}:{address[1]}/"
    answer = http.post(url, data=issuer.security_event().encode(), headers=SECEVENT, timeout=30)
    assert answer.status_code == 202

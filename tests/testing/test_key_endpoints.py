from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from callerid.testing import LocalIssuer

if TYPE_CHECKING:
    import requests

FIREBASE = "securetoken@system.gserviceaccount.com"
PATHS = [
    ("/oauth2/v1/certs", "google", "pem"),
    ("/oauth2/v3/certs", "google", "jwk"),
    (f"/robot/v1/metadata/x509/{FIREBASE}", "firebase", "pem"),
    ("/robot/v1/metadata/x509/securetoken%40system.gserviceaccount.com", "firebase", "pem"),
    (f"/service_accounts/v1/metadata/x509/{FIREBASE}", "firebase", "pem"),
    (f"/service_accounts/v1/jwk/{FIREBASE}", "firebase", "jwk"),
]


@pytest.mark.parametrize(("path", "which", "form"), PATHS)
def test_keys_are_where_google_has_them(
    served: LocalIssuer, http: requests.Session, path: str, which: str, form: str
) -> None:
    answer = http.get(served.url + path)
    document = served.pem_document(which) if form == "pem" else served.jwks_document(which)
    assert (answer.status_code, answer.text) == (200, document)
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "public, max-age=21600, must-revalidate, no-transform"
    assert answer.headers["Age"] == "0"
    assert served.fetches == {which: 1}


@pytest.mark.parametrize("which", ["google", "firebase"])
def test_the_urls_of_a_signers_documents_lead_to_them(served: LocalIssuer, http: requests.Session, which: str) -> None:
    assert http.get(served.jwks_url(which)).text == served.jwks_document(which)
    assert http.get(served.pem_url(which)).text == served.pem_document(which)


@pytest.mark.parametrize(
    "path",
    [
        "/oauth2/v2/certs",
        "/service_accounts/v1/jwk/nobody@shop-prod.iam.gserviceaccount.com",
        "/service_accounts/v1/jwk/google",
        "/robot/v1/metadata/x509/",
    ],
)
def test_nothing_is_served_elsewhere(served: LocalIssuer, http: requests.Session, path: str) -> None:
    assert http.get(served.url + path).status_code == 404
    assert not served.fetches


def test_cache_headers_can_be_set(served: LocalIssuer, http: requests.Session) -> None:
    served.max_age, served.age = 60, 59
    answer = http.get(served.jwks_url())
    assert "max-age=60," in answer.headers["Cache-Control"]
    assert answer.headers["Age"] == "59"


def test_an_outage_lasts_until_recovery_and_is_counted(served: LocalIssuer, http: requests.Session) -> None:
    served.fail_with(503)
    broken = http.get(served.jwks_url())
    assert (broken.status_code, broken.content) == (503, b"")
    assert "Cache-Control" not in broken.headers
    served.fail_with(None)
    assert http.get(served.jwks_url()).status_code == 200
    assert served.fetches["google"] == 2


def test_a_damaged_document_can_be_served(served: LocalIssuer, http: requests.Session) -> None:
    served.fail_with(200, b'{"keys":[]}')
    assert http.get(served.pem_url()).json() == {"keys": []}


def test_a_new_key_is_served_at_once(served: LocalIssuer, http: requests.Session) -> None:
    before = http.get(served.jwks_url()).json()["keys"]
    served.rotate()
    assert http.get(served.jwks_url()).json()["keys"][1:] == before


def test_answers_can_be_delayed(served: LocalIssuer, http: requests.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(served._interrupted, "wait", waited.append)
    served.delay = 7.5
    assert http.get(served.jwks_url()).status_code == 200
    assert waited == [7.5]


def test_held_requests_wait_for_the_end_of_the_block(served: LocalIssuer, http: requests.Session) -> None:
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(http.get(served.jwks_url()).status_code))
    with served.hold():
        asking.start()
        served.wait_for_fetches("google")
        assert answers == []
    asking.join()
    assert answers == [200]


def test_waiting_for_a_fetch_that_does_not_come_ends() -> None:
    with pytest.raises(TimeoutError, match="asked for 0 times, not 1"):
        LocalIssuer().wait_for_fetches("google", seconds=0)


def test_a_service_accounts_own_keys_are_published_too(served: LocalIssuer, http: requests.Session) -> None:
    info = served.add_service_account("robot@shop-prod.iam.gserviceaccount.com")
    assert list(http.get(info["client_x509_cert_url"]).json()) == [info["private_key_id"]]
    assert json.loads(http.get(served.jwks_url(info["client_email"])).text)["keys"][0]["kid"] == info["private_key_id"]

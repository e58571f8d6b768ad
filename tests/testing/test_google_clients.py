"""Google's own client library, unmodified, gets tokens here and accepts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from google.auth import exceptions, jwt
from google.auth.crypt import RSASigner
from google.auth.transport.requests import Request
from google.oauth2 import id_token, service_account

from callerid.testing import COMPUTE_ENGINE, LocalIssuer

from .reading import claims

if TYPE_CHECKING:
    from pathlib import Path

    import requests

pytestmark = pytest.mark.slow

AUDIENCE = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
# google-auth is not annotated.
KeyFile: Any = service_account.IDTokenCredentials
RSA: Any = RSASigner
encode: Any = jwt.encode
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def transport(http: requests.Session) -> Any:
    return Request(session=http)


def verified(issuer: LocalIssuer, token: str, transport: Any, audience: str, path: str) -> dict[str, Any]:
    return dict(id_token.verify_token(token, transport, audience, certs_url=issuer.url + path))


def test_googles_own_verifier_accepts_googles_tokens(served: LocalIssuer, transport: Any) -> None:
    person = served.workspace_person("ada@example.com")
    said = verified(served, person, transport, CLIENT, "/oauth2/v1/certs")
    assert (said["email"], said["hd"]) == ("ada@example.com", "example.com")
    service = served.service_account(audience=AUDIENCE)
    assert verified(served, service, transport, AUDIENCE, "/oauth2/v1/certs") == claims(service)


def test_googles_own_verifier_accepts_firebases_tokens(served: LocalIssuer, transport: Any) -> None:
    token = served.firebase_user("u1", email="ada@example.com")
    path = "/robot/v1/metadata/x509/securetoken@system.gserviceaccount.com"
    assert verified(served, token, transport, "shop-prod", path)["sub"] == "u1"


@pytest.mark.parametrize("variant", ["expired", "not_yet_valid", "forged", "tampered", "wrong_kid", "wrong_audience"])
def test_googles_own_verifier_refuses_hostile_tokens(served: LocalIssuer, transport: Any, variant: str) -> None:
    token = getattr(served, variant)(served.service_account(audience=AUDIENCE))
    with pytest.raises((ValueError, exceptions.GoogleAuthError)):
        verified(served, token, transport, AUDIENCE, "/oauth2/v1/certs")


def test_a_service_account_key_gets_id_tokens(served: LocalIssuer, transport: Any) -> None:
    info = served.add_service_account(ROBOT)
    credentials = KeyFile.from_service_account_info(info, target_audience=AUDIENCE)
    credentials.refresh(transport)
    said = verified(served, credentials.token, transport, AUDIENCE, "/oauth2/v1/certs")
    assert (said["email"], said["azp"], said["sub"]) == (ROBOT, ROBOT, info["client_id"])


def test_adding_an_account_again_gives_the_same_key(served: LocalIssuer) -> None:
    assert served.add_service_account(ROBOT) == served.add_service_account(ROBOT)


def test_an_added_account_signs_tokens_of_its_own(served: LocalIssuer, transport: Any) -> None:
    served.add_service_account(ROBOT)
    path = f"/robot/v1/metadata/x509/{ROBOT}"
    own = served.sign(claims(served.service_account(ROBOT, audience=AUDIENCE)) | {"iss": ROBOT}, key=ROBOT)
    assert verified(served, own, transport, AUDIENCE, path)["iss"] == ROBOT


@pytest.mark.parametrize("email", ["ada@example.com", ""])
def test_only_service_accounts_are_added_or_run_machines(served: LocalIssuer, email: str) -> None:
    with pytest.raises(ValueError, match="is not a service account"):
        served.add_service_account(email)
    with pytest.raises(ValueError, match="is not a service account"):
        served.metadata_account = email


def test_an_account_needs_a_server_to_turn_to() -> None:
    with pytest.raises(RuntimeError, match="does not serve"):
        LocalIssuer().add_service_account(ROBOT)


# The token endpoint


def assertion(served: LocalIssuer, *, email: str = ROBOT, **changed: Any) -> str:
    info = served.add_service_account(ROBOT)
    times = {name: claims(served.person())[name] for name in ("iat", "exp")}
    payload = {"iss": email, "aud": info["token_uri"], "target_audience": AUDIENCE, **times, **changed}
    return str(encode(RSA.from_service_account_info(info), payload), "ascii")


def ask(served: LocalIssuer, http: requests.Session, **form: str) -> requests.Response:
    return http.post(f"{served.url}/token", data={"grant_type": JWT_BEARER, **form})


def test_an_assertion_for_the_local_token_uri_is_good_too(served: LocalIssuer, http: requests.Session) -> None:
    answer = ask(served, http, assertion=assertion(served))
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert claims(answer.json()["id_token"])["aud"] == AUDIENCE


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "1//x", "client_id": "x"}, "invalid_grant"),
        ({}, "invalid_grant"),
        ({"assertion": "a.b.c"}, "invalid_grant"),
        ({"assertion": "e30.e30."}, "invalid_grant"),
    ],
)
def test_a_bad_grant_is_refused_as_rfc_6749_says(
    served: LocalIssuer, http: requests.Session, form: dict[str, str], error: str
) -> None:
    answer = ask(served, http, **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"aud": "https://elsewhere.example.net/token"}, "invalid_grant"),
        ({"exp": 1}, "invalid_grant"),
        ({"exp": "1"}, "invalid_grant"),
        ({"email": "other@shop-prod.iam.gserviceaccount.com"}, "invalid_grant"),
        ({"email": "google"}, "invalid_grant"),
        ({"iss": 1}, "invalid_grant"),
        ({"target_audience": None}, "invalid_request"),
        ({"target_audience": " "}, "invalid_request"),
    ],
)
def test_a_bad_assertion_is_refused_and_not_quoted(
    served: LocalIssuer, http: requests.Session, changed: dict[str, Any], error: str
) -> None:
    sent = assertion(served, **changed)
    answer = ask(served, http, assertion=sent)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert sent.split(".")[1] not in answer.text


def test_an_assertion_signed_by_another_key_is_refused(served: LocalIssuer, http: requests.Session) -> None:
    served.add_service_account(ROBOT)
    answer = ask(served, http, assertion=served.forged(assertion(served)))
    assert answer.json()["error"] == "invalid_grant"


def test_nothing_else_takes_a_post(served: LocalIssuer, http: requests.Session) -> None:
    assert http.post(f"{served.url}/oauth2/v1/certs").status_code == 404


# The metadata server

METADATA_CLIENT = """
import json
import google.auth
from google.auth import compute_engine
from google.auth.transport.requests import Request
from google.oauth2 import id_token

with __import__("requests").Session() as session:
    request = Request(session=session)
    fetched = id_token.fetch_id_token(request, "https://orders.example.com")
    credentials = compute_engine.IDTokenCredentials(
        request, "https://tasks.example.com", use_metadata_identity_endpoint=True
    )
    credentials.refresh(request)
    _, project = google.auth.default(request=request)
print(json.dumps([fetched, credentials.token, credentials.service_account_email, project]))
"""


def test_googles_library_gets_tokens_from_the_metadata_server(served: LocalIssuer, tmp_path: Path) -> None:
    host = served.url.removeprefix("http://")
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_", "CLOUDSDK_"))
    }
    pointed = {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "CLOUDSDK_CONFIG": str(tmp_path), "NO_PROXY": "*"}
    ran = subprocess.run(
        [sys.executable, "-c", METADATA_CLIENT], env={**outside, **pointed}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    fetched, refreshed, email, project = json.loads(ran.stdout)
    assert email == served.metadata_account == "123456789012-compute@developer.gserviceaccount.com"
    assert project == "shop-prod"
    said = claims(fetched)
    assert (said["aud"], said["email"], said["google"]) == (AUDIENCE, email, {"compute_engine": COMPUTE_ENGINE})
    assert claims(refreshed)["aud"] == "https://tasks.example.com"


def metadata(served: LocalIssuer, http: requests.Session, path: str, **headers: str) -> requests.Response:
    url = f"{served.url}/computeMetadata/v1/{path}"
    return http.get(url, headers={"Metadata-Flavor": "Google", **headers})


@pytest.mark.parametrize("path", ["identity?audience=a&format=standard", "identity?audience=a"])
def test_the_standard_format_carries_no_email_and_no_machine(
    served: LocalIssuer, http: requests.Session, path: str
) -> None:
    said = claims(metadata(served, http, f"instance/service-accounts/default/{path}").text)
    assert said.keys() == {"iss", "azp", "aud", "sub", "iat", "exp"}


def test_the_machine_runs_as_the_account_that_was_set(served: LocalIssuer, http: requests.Session) -> None:
    served.metadata_account = ROBOT
    accounts = "instance/service-accounts"
    assert metadata(served, http, f"{accounts}/default/email").text == ROBOT
    assert metadata(served, http, f"{accounts}/default/?recursive=true").json()["email"] == ROBOT
    assert claims(metadata(served, http, f"{accounts}/{ROBOT}/identity?audience=a&format=full").text)["email"] == ROBOT


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("project/project-id", "shop-prod"),
        ("project/numeric-project-id", "123456789012"),
        ("instance/zone", "projects/123456789012/zones/europe-west1-b"),
        ("universe/universe-domain", "googleapis.com"),
    ],
)
def test_facts_of_the_machine_are_plain_text(served: LocalIssuer, http: requests.Session, path: str, text: str) -> None:
    answer = metadata(served, http, path)
    assert (answer.text, answer.headers["Metadata-Flavor"]) == (text, "Google")
    assert answer.headers["Content-Type"] == "application/text"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("instance/service-accounts/default/identity", 400),
        ("instance/service-accounts/default/identity?audience=%20", 400),
        ("instance/service-accounts/default/scopes", 404),
        ("instance/service-accounts/other@shop-prod.iam.gserviceaccount.com/email", 404),
        ("instance/attributes/x", 404),
    ],
)
def test_what_the_metadata_server_does_not_have_it_says(
    served: LocalIssuer, http: requests.Session, path: str, status: int
) -> None:
    answer = metadata(served, http, path)
    assert (answer.status_code, answer.headers["Metadata-Flavor"]) == (status, "Google")


@pytest.mark.parametrize("headers", [{"Metadata-Flavor": "google"}, {"X-Forwarded-For": "192.0.2.1"}])
def test_requests_that_were_led_there_are_refused(
    served: LocalIssuer, http: requests.Session, headers: dict[str, str]
) -> None:
    path = "instance/service-accounts/default/identity?audience=a"
    assert metadata(served, http, path, **headers).status_code == 403


def test_a_ping_needs_no_header_and_shows_the_flavor(served: LocalIssuer, http: requests.Session) -> None:
    answer = http.get(served.url)
    assert (answer.status_code, answer.headers["Metadata-Flavor"]) == (200, "Google")

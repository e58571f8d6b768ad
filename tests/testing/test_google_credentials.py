"""Every kind of credentials that google-auth can make ID tokens of gets one here, and a guard believes it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
from google.auth import exceptions, iam, impersonated_credentials, jwt
from google.auth.transport.requests import Request
from google.oauth2 import credentials as user_credentials
from google.oauth2 import id_token, service_account

from callerid import Domain, Guard, Kind, Reason, ServiceAccount, Unauthenticated, User, google
from callerid.testing import LocalIssuer
from callerid.testing._compact import header_and_claims

if TYPE_CHECKING:
    from pathlib import Path

    import requests

pytestmark = pytest.mark.slow

AUDIENCE = "https://orders.example.com"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
GCLOUD = "32555940559.apps.googleusercontent.com"
# google-auth is not annotated.
KeyFile: Any = service_account.IDTokenCredentials
Person: Any = user_credentials.Credentials
Impersonated: Any = impersonated_credentials.Credentials
ImpersonatedId: Any = impersonated_credentials.IDTokenCredentials
SelfSigned: Any = jwt.Credentials
Signer: Any = iam.Signer
verify_token: Any = id_token.verify_token


@pytest.fixture
def transport(http: requests.Session) -> Any:
    return Request(session=http)


@pytest.fixture(autouse=True)
def google_is_here(served: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth has the addresses of the IAM API written in."""
    accounts = f"{served.url}/v1/projects/-/serviceAccounts/{{}}"
    monkeypatch.setattr(iam, "_IAM_IDTOKEN_ENDPOINT", f"{accounts}:generateIdToken")
    monkeypatch.setattr(iam, "_IAM_SIGN_ENDPOINT", f"{accounts}:signBlob")
    monkeypatch.setenv("NO_PROXY", "*")


def impersonated() -> Any:
    return Impersonated(Person("ya29.somebody"), ROBOT, ["https://www.googleapis.com/auth/cloud-platform"])


# --- service accounts ---


def test_a_key_files(served: LocalIssuer, transport: Any) -> None:
    credentials = KeyFile.from_service_account_info(served.add_service_account(ROBOT), target_audience=AUDIENCE)
    credentials.refresh(transport)
    caller = Guard(served.google(AUDIENCE)).verify(credentials.token, ServiceAccount(ROBOT))
    assert (caller.audience, caller.authorized_party) == (AUDIENCE, ROBOT)


FETCHING = """
import sys
from google.auth import compute_engine, iam
from google.auth.transport.requests import Request
from google.oauth2 import id_token

with __import__("requests").Session() as session:
    request = Request(session=session)
    if sys.argv[1:]:
        iam._IAM_SIGN_ENDPOINT = f"{sys.argv[1]}/v1/projects/-/serviceAccounts/{{}}:signBlob"
        made = compute_engine.IDTokenCredentials(
            request, "https://orders.example.com", token_uri=f"{sys.argv[1]}/token"
        )
        made.refresh(request)
        print(made.token)
    else:
        print(id_token.fetch_id_token(request, "https://orders.example.com"))
"""


def fetched(*arguments: str, **variables: str) -> str:
    """What google-auth fetches in a process of its own: it reads these variables when it is imported."""
    others = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "GCE_"))}
    command = [sys.executable, "-c", FETCHING, *arguments]
    ran = subprocess.run(
        command, env={**others, **variables, "NO_PROXY": "*"}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_the_key_file_that_the_environment_names(served: LocalIssuer, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(served.add_service_account(ROBOT)))
    token = fetched(GOOGLE_APPLICATION_CREDENTIALS=str(file), NO_GCE_CHECK="true")
    assert Guard(served.google(AUDIENCE)).verify(token, ServiceAccount(ROBOT)).email == ROBOT


def test_a_machines_own_account(served: LocalIssuer) -> None:
    served.metadata_account = ROBOT
    host = served.url.removeprefix("http://")
    guard = Guard(served.google(AUDIENCE))
    # By the metadata server's identity endpoint, and by a signature of the IAM API.
    for arguments in ((), (served.url,)):
        token = fetched(*arguments, GCE_METADATA_HOST=host, GCE_METADATA_IP=host)
        assert guard.verify(token, ServiceAccount(ROBOT)).email == ROBOT


@pytest.mark.parametrize("include_email", [True, False])
def test_an_impersonated_accounts(served: LocalIssuer, transport: Any, *, include_email: bool) -> None:
    credentials = ImpersonatedId(impersonated(), target_audience=AUDIENCE, include_email=include_email)
    credentials.refresh(transport)
    guard = Guard(served.google(AUDIENCE))
    caller = guard.verify(credentials.token)
    assert caller.is_service_account
    # Without the address, the account's id is all that a rule can name.
    assert caller.email == (ROBOT if include_email else None)
    assert guard.allows(caller, ServiceAccount(ROBOT)) is include_email
    assert guard.allows(caller, ServiceAccount(caller.subject))


def test_an_accounts_self_signed_token(served: LocalIssuer) -> None:
    info = served.add_service_account(ROBOT)
    credentials = SelfSigned.from_service_account_info(info, audience=AUDIENCE)
    credentials.refresh(None)
    guard = Guard(served.service_account_issuer(ROBOT, AUDIENCE))
    assert guard.verify(credentials.token.decode(), ServiceAccount(ROBOT)).subject == ROBOT


def test_a_self_signed_token_that_the_iam_api_signed(
    served: LocalIssuer, transport: Any, http: requests.Session
) -> None:
    now = int(served.clock())
    payload = {"iss": ROBOT, "sub": ROBOT, "aud": AUDIENCE, "iat": now, "exp": now + 600}
    guard = Guard(served.service_account_issuer(ROBOT, AUDIENCE))
    answer = ask(served, http, f"{ROBOT}:signJwt", {"payload": json.dumps(payload)})
    assert guard.verify(answer.json()["signedJwt"], ServiceAccount(ROBOT)).subject == ROBOT
    assert header_and_claims(answer.json()["signedJwt"])[0]["kid"] == answer.json()["keyId"]
    # signBlob signs a token's first two parts as well; google-auth writes no key id into those.
    credentials = SelfSigned(Signer(transport, Person("ya29.somebody"), ROBOT), ROBOT, ROBOT, AUDIENCE)
    credentials.refresh(transport)
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(credentials.token.decode())
    assert caught.value.reason is Reason.MALFORMED_TOKEN


# --- people ---


@pytest.mark.parametrize("email", ["ada@example.com", "ada@gmail.com"])
def test_a_developers_by_gcloud(served: LocalIssuer, transport: Any, email: str) -> None:
    credentials = Person(None, **served.add_person(email))
    credentials.refresh(transport)
    guard = Guard(served.google(AUDIENCE, gcloud=True))
    caller = guard.verify(credentials.id_token, User(email))
    assert (caller.audience, caller.kind) == (GCLOUD, Kind.GOOGLE)
    assert guard.allows(caller, Domain("example.com")) is email.endswith("@example.com")
    assert credentials.token.startswith("ya29.")


def test_a_persons_of_an_app(served: LocalIssuer, transport: Any) -> None:
    credentials = Person(None, **served.add_person("sam@example.com", client_id=CLIENT))
    credentials.refresh(transport)
    assert Guard(served.google(CLIENT)).verify(credentials.id_token, User("sam@example.com")).audience == CLIENT
    # Its access token is one that tokeninfo knows.
    assert Guard(served.google_access_token(CLIENT)).verify(credentials.token).email == "sam@example.com"


def test_who_did_not_sign_in_here_gets_none(served: LocalIssuer, transport: Any) -> None:
    info = served.add_person()
    for changed in ({"refresh_token": "1//other"}, {"client_id": CLIENT}):
        with pytest.raises(exceptions.RefreshError, match="invalid_grant"):
            Person(None, **{**info, **changed}).refresh(transport)
    with pytest.raises(ValueError, match="audience"):
        served.add_person(client_id="https://orders.example.com")
    with pytest.raises(RuntimeError, match="does not serve"):
        LocalIssuer().add_person()


# --- what Google's own verifier is given where Google documents it ---


def test_googles_own_verifier_accepts_every_kind_it_is_documented_for(served: LocalIssuer, transport: Any) -> None:
    user = served.firebase_user("u1", email="ada@example.com")
    session = served.session_cookie(user)
    chat = served.chat()
    assertion = served.iap_assertion(served.workspace_person("ada@example.com"))
    audience = header_and_claims(assertion)[1]["aud"]
    kinds = {
        "firebase": (user, "shop-prod"),
        "firebase_session": (session, "shop-prod"),
        "iap": (assertion, audience),
        "chat@system.gserviceaccount.com": (chat, "123456789012"),
    }
    for signer, (token, meant) in kinds.items():
        said = verify_token(token, transport, meant, certs_url=served.pem_url(signer))
        assert said == header_and_claims(token)[1]
        with pytest.raises((ValueError, exceptions.GoogleAuthError)):
            verify_token(served.forged(token), transport, meant, certs_url=served.pem_url(signer))


# --- the IAM API itself ---


def ask(
    served: LocalIssuer, http: requests.Session, call: str, body: Any, bearer: str = "Bearer ya29.somebody"
) -> requests.Response:
    url = f"{served.url}/v1/projects/-/serviceAccounts/{call}"
    return http.post(url, data=body if isinstance(body, bytes) else json.dumps(body), headers={"Authorization": bearer})


GOOD: dict[str, Any] = {"audience": AUDIENCE}


@pytest.mark.parametrize(
    ("call", "body", "bearer", "status"),
    [
        (f"{ROBOT}:generateIdToken", GOOD, "Bearer x", 200),
        (f"{ROBOT}:generateIdToken", GOOD, "", 401),
        (f"{ROBOT}:generateIdToken", GOOD, "Basic x", 401),
        (f"{ROBOT}:generateAccessToken", GOOD, "Bearer x", 404),
        ("ada@example.com:generateIdToken", GOOD, "Bearer x", 404),
        (f"{ROBOT}", GOOD, "Bearer x", 404),
        (f"{ROBOT}:generateIdToken", {}, "Bearer x", 400),
        (f"{ROBOT}:generateIdToken", {"audience": " "}, "Bearer x", 400),
        (f"{ROBOT}:generateIdToken", [], "Bearer x", 400),
        (f"{ROBOT}:generateIdToken", b"no JSON", "Bearer x", 400),
        (f"{ROBOT}:signJwt", {"payload": "no JSON"}, "Bearer x", 400),
        (f"{ROBOT}:signJwt", {"payload": 7}, "Bearer x", 400),
        (f"{ROBOT}:signBlob", {"payload": "%"}, "Bearer x", 400),
        (f"{ROBOT}:signBlob", {"payload": b64encode(b"text").decode()}, "Bearer x", 200),
    ],
)
def test_it_refuses_as_google_does(
    served: LocalIssuer, http: requests.Session, call: str, body: Any, *, bearer: str, status: int
) -> None:
    answer = ask(served, http, call, body, bearer)
    assert answer.status_code == status
    assert answer.headers["Cache-Control"] == "no-store"
    if status != 200:
        assert answer.json()["error"]["code"] == status


def test_its_tokens_are_worth_nothing_to_who_trusts_google(served: LocalIssuer, http: requests.Session) -> None:
    token = ask(served, http, f"{ROBOT}:generateIdToken", GOOD).json()["token"]
    other = Guard(google(AUDIENCE, keys=LocalIssuer().google(AUDIENCE).keys))
    with pytest.raises(Unauthenticated):
        other.verify(token)

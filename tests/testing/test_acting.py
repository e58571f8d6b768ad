"""A test may call handlers as somebody; it can never lift a rule."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from callerid import (
    Caller,
    CustomClaim,
    Domain,
    FirebaseUser,
    PathParam,
    Public,
    ServiceAccount,
    SignedInWithin,
    User,
    Via,
)
from callerid.authentication import Identity
from callerid.fastapi import Guard
from callerid.testing import LocalIssuer, as_caller, firebase_user, google_person, service_account

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
STAFF = google_person("ada@example.com", domain="example.com")
OUTSIDER = google_person("eve@example.org", domain="example.org")
SCHEDULER = service_account(audience=f"{URL}/tasks")

ISSUER = LocalIssuer()
guard = Guard(ISSUER.google(URL, CLIENT), ISSUER.firebase("shop-prod", ["t1"]))
Staff = Annotated[Caller, guard.allow(Domain("example.com"))]
Owner = Annotated[Caller, guard.allow(FirebaseUser(PathParam("user_id")))]

app = FastAPI()
guard.protect(app, default=Domain("example.com"))


@app.get("/reports")
def reports(caller: Staff) -> str:
    return str(caller)


@app.get("/users/{user_id}/orders")
async def orders(user_id: str, caller: Owner) -> str:
    return str(caller)


@app.get("/carried")
@guard.allow(Domain("example.com") & Via(ServiceAccount("proxy@shop-prod.iam.gserviceaccount.com")))
def carried() -> str:
    return "ok"


@app.post("/tasks")
@guard.allow(ServiceAccount("scheduler@shop-prod.iam.gserviceaccount.com"), audience=f"{URL}/tasks")
def tasks() -> str:
    return "ok"


@app.get("/healthz")
@guard.allow(Public())
def health() -> str:
    return "ok"


@app.websocket("/live")
async def live(socket: WebSocket, caller: Staff) -> None:
    await socket.accept()
    await socket.send_text(str(caller))
    await socket.close()


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def statuses(client: TestClient, *paths: str) -> list[int]:
    return [client.get(path).status_code for path in paths]


def test_overriding_a_dependency_never_lifts_a_rule(client: TestClient) -> None:
    dependency = app.routes[-1].dependant.dependencies[0].call  # type: ignore[attr-defined]
    app.dependency_overrides[dependency] = lambda: STAFF
    try:
        assert client.get("/reports").status_code == 401
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/live"):
            pass
    finally:
        app.dependency_overrides.clear()


def test_a_test_calls_handlers_as_somebody(client: TestClient) -> None:
    with as_caller(guard, STAFF) as caller:
        assert caller is STAFF
        assert client.get("/reports").json() == "user:ada@example.com"
    assert client.get("/reports").status_code == 401


def test_a_rule_still_says_no_to_the_wrong_caller(client: TestClient) -> None:
    with as_caller(guard, OUTSIDER):
        answer = client.get("/reports")
    assert (answer.status_code, answer.json()["reason"]) == (403, "not_allowed")


def test_path_parameters_are_judged(client: TestClient) -> None:
    with as_caller(guard, firebase_user("u1")):
        assert statuses(client, "/users/u1/orders", "/users/u2/orders", "/reports") == [200, 403, 403]


def test_audiences_are_judged(client: TestClient) -> None:
    with as_caller(guard, SCHEDULER):
        assert client.post("/tasks").status_code == 200
        assert client.get("/reports").json()["reason"] == "wrong_audience"
    with as_caller(guard, service_account()):
        assert client.post("/tasks").json()["reason"] == "wrong_audience"


def test_websockets_and_unknown_paths_too(client: TestClient) -> None:
    with as_caller(guard, STAFF):
        with client.websocket_connect("/live") as socket:
            assert socket.receive_text() == "user:ada@example.com"
        assert statuses(client, "/nowhere", "/healthz") == [404, 200]


def test_a_request_with_a_credential_is_judged_by_it(client: TestClient) -> None:
    token = ISSUER.workspace_person("eve@example.org")
    with as_caller(guard, STAFF):
        assert client.get("/reports", headers=ISSUER.bearer(token)).status_code == 403
        assert client.get("/reports", headers=ISSUER.bearer(ISSUER.expired(token))).json()["reason"] == "expired"
        assert client.get("/reports", headers={"Authorization": "Bearer"}).status_code == 400


def test_the_service_that_carries_the_call_may_be_real(client: TestClient) -> None:
    proxy = ISSUER.service_account("proxy@shop-prod.iam.gserviceaccount.com", audience=URL)
    with as_caller(guard, STAFF):
        assert client.get("/carried").status_code == 403
        assert client.get("/carried", headers={"X-Serverless-Authorization": f"Bearer {proxy}"}).status_code == 200


def test_the_innermost_caller_counts_and_each_is_undone(client: TestClient) -> None:
    with as_caller(guard, OUTSIDER):
        with as_caller(guard, STAFF):
            assert client.get("/reports").status_code == 200
        assert client.get("/reports").status_code == 403
    assert client.get("/reports").status_code == 401
    assert "identify" not in vars(guard)


def test_it_ends_when_the_block_fails(client: TestClient) -> None:
    with pytest.raises(LookupError), as_caller(guard, STAFF):
        raise LookupError
    assert client.get("/reports").status_code == 401


def test_it_is_a_decorator_too(client: TestClient) -> None:
    @as_caller(guard, STAFF)
    def ask() -> int:
        return client.get("/reports").status_code

    assert (ask(), ask(), client.get("/reports").status_code) == (200, 200, 401)


def test_it_holds_in_other_threads(client: TestClient) -> None:
    seen: list[int] = []
    with as_caller(guard, STAFF):
        thread = threading.Thread(target=lambda: seen.append(client.get("/reports").status_code))
        thread.start()
        thread.join()
    assert seen == [200]


def test_another_guard_of_the_same_issuers_does_not_act(client: TestClient) -> None:
    with as_caller(Guard.like(guard), STAFF):
        assert client.get("/reports").status_code == 401
        with as_caller(guard, STAFF):
            assert client.get("/reports").status_code == 200


def test_only_callers_of_issuers_that_are_trusted_act() -> None:
    with (
        pytest.raises(ValueError, match=r"securetoken.google.com/shop-test"),
        as_caller(guard, firebase_user("u1", project="shop-test")),
    ):
        pass
    word: Any = "user:ada@example.com"
    with pytest.raises(TypeError, match="google_person"), as_caller(guard, word):
        pass


def same(made: Caller, token: str) -> bool:
    """But for the moment: the two were not made in the same second."""
    return replace(guard.verify(token), issued_at=made.issued_at, expires_at=made.expires_at) == made


def test_people_made_here_are_those_a_token_would_name() -> None:
    assert same(google_person(), ISSUER.person())
    assert same(google_person("ada@gmail.com", email_verified=False), ISSUER.person(email_verified=False))
    assert same(google_person(None, subject="1" * 21), ISSUER.person(None, subject="1" * 21))
    assert same(STAFF, ISSUER.workspace_person("ada@example.com"))


def test_service_accounts_made_here_are_those_a_token_would_name() -> None:
    assert same(service_account(), ISSUER.service_account())
    machine = {"project_id": "shop-prod", "zone": "europe-west1-b"}
    assert same(service_account(compute_engine=machine), ISSUER.service_account(compute_engine=machine))
    assert service_account(include_email=False).email is None


def test_firebase_users_made_here_are_those_a_token_would_name() -> None:
    user = {"email": "u1@example.com", "tenant": "t1", "second_factor": "totp", "claims": {"role": "editor"}}
    assert same(
        firebase_user("u1", signed_in_at=1_700_000_000, **user),  # type: ignore[arg-type]
        ISSUER.firebase_user("u1", signed_in_at=1_700_000_000, **user),  # type: ignore[arg-type]
    )


def test_rules_see_what_the_makers_were_told() -> None:
    fresh = firebase_user("u1", claims={"role": "editor"})
    requirement = guard.requirement(CustomClaim("role", "editor") & SignedInWithin(60))
    with as_caller(guard, fresh):
        identity = identified(guard)
        assert guard.judge(requirement, identity, {}) == fresh
    assert fresh.expires_at - fresh.issued_at == 3600


def identified(guard: Guard) -> Identity:
    found = guard.identify({})
    assert isinstance(found, Identity)
    return found


def test_nobody_is_made_whom_google_does_not_know() -> None:
    with pytest.raises(ValueError, match="OAuth client id"):
        google_person("ada@gmail.com", audience=URL)
    with pytest.raises(ValueError, match="has an e-mail address"):
        google_person(None, domain="example.com")
    with pytest.raises(ValueError, match="gserviceaccount"):
        service_account("ada@example.com")
    with pytest.raises(ValueError, match="128"):
        firebase_user("u" * 129)


def test_a_workspace_person_is_themself_by_address(client: TestClient) -> None:
    requirement = guard.requirement(User("ada@example.com"))
    with as_caller(guard, STAFF):
        assert guard.judge(requirement, identified(guard), {}) == STAFF

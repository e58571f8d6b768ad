"""The real Firebase Auth emulator, and Firebase's own server library, before both examples."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import firebase_admin
import pytest
import requests
from firebase_admin import auth, tenant_mgt

from callerid import Guard, Unauthenticated, firebase, firebase_session
from callerid.testing import LocalIssuer
from callerid.testing._compact import compact, header_and_claims

from .emulator import PROJECT, Emulator, emulator
from .owner import Owner

pytestmark = pytest.mark.e2e

EXAMPLES, HERE = Path(__file__).parents[2] / "examples", Path(__file__).parent
WAITRESS = (
    "import importlib, socket, sys; from waitress.server import create_server; "
    "app = importlib.import_module(sys.argv[2]).app; "
    "create_server(app, sockets=[socket.socket(fileno=int(sys.argv[1]))]).run()"
)
SERVERS: dict[str, Callable[[int, str], tuple[str, ...]]] = {
    "fastapi_app": lambda fd, module: ("-m", "uvicorn", "--fd", str(fd), "--log-level", "warning", f"{module}:app"),
    "flask_app": lambda fd, module: ("-c", WAITRESS, str(fd), module),
}


@dataclass(frozen=True)
class Service:
    """A running example."""

    url: str

    def status(self, path: str, token: str | None = None, method: str = "GET", **more: Any) -> int:
        headers = {**({} if token is None else {"Authorization": f"Bearer {token}"}), **more.pop("headers", {})}
        with requests.Session() as session:
            session.trust_env = False
            return session.request(method, f"{self.url}{path}", headers=headers, timeout=30, **more).status_code


@pytest.fixture(scope="module", autouse=True)
def on_a_developers_machine() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("K_SERVICE", "GAE_ENV", "KUBERNETES_SERVICE_HOST"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def google() -> Iterator[LocalIssuer]:
    with LocalIssuer() as serving:
        yield serving


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(scope="module")
def tenants(emulated: Emulator) -> tuple[str, str, str]:
    """Three tenants; the applications name the first two."""
    return emulated.tenant("one"), emulated.tenant("two"), emulated.tenant("three")


@pytest.fixture(scope="module")
def admin(emulated: Emulator) -> Iterator[firebase_admin.App]:
    """Firebase's own server library, which the variable turns to the emulator."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIREBASE_AUTH_EMULATOR_HOST", emulated.host)
        made = firebase_admin.initialize_app(Owner(), options={"projectId": PROJECT}, name="e2e")
        yield made
        firebase_admin.delete_app(made)


@contextlib.contextmanager
def served(name: str, module: str, google: LocalIssuer, **variables: str) -> Iterator[Service]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        # Who connects before the server is ready waits in the listening socket's queue.
        fd = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, *SERVERS[name](fd, module)],
            cwd=EXAMPLES / name,
            env={**os.environ, "GOOGLE_KEYS_URL": google.pem_url("google"), "PYTHONPATH": str(HERE), **variables},
            pass_fds=[fd],
        )
        try:
            yield Service(f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module", params=SERVERS)
def service(
    request: pytest.FixtureRequest, emulated: Emulator, google: LocalIssuer, tenants: tuple[str, str, str]
) -> Iterator[Service]:
    variables = {"E2E_EMULATOR": emulated.host, "E2E_TENANTS": ",".join(tenants[:2])}
    with served(request.param, "emulated", google, **variables) as running:
        yield running


def test_its_tokens_are_as_they_are_described(emulated: Emulator, admin: firebase_admin.App) -> None:
    token = emulated.sign_up("header@example.com")["idToken"]
    cookie = auth.create_session_cookie(token, dt.timedelta(days=1), app=admin)
    for each in (token, cookie):
        assert header_and_claims(each)[0] == {"alg": "none", "typ": "JWT"}
        assert each.endswith(".")
        assert each.count(".") == 2


def test_who_signs_up_and_in_has_their_own_and_nobody_elses(service: Service, emulated: Emulator) -> None:
    email = f"ada-{id(service)}@example.com"
    first = emulated.sign_up(email)
    own = f"/users/{first['localId']}/orders"
    for token in (first["idToken"], emulated.sign_in(email)["idToken"], emulated.refreshed(first["refreshToken"])):
        assert service.status(own, token) == 200
        assert service.status("/users/ben/orders", token) == 403
        assert service.status("/products", token) == 200
        assert service.status("/reports/daily", token) == 403
    assert service.status(own) == 401
    order = {"article": "kite", "count": 1}
    assert service.status(own, first["idToken"], "POST", json=order) == 201


def test_an_anonymous_user_has_a_basket_and_no_orders(service: Service, emulated: Emulator) -> None:
    guest = emulated.sign_up()
    assert service.status(f"/users/{guest['localId']}/basket", guest["idToken"]) == 200
    assert service.status(f"/users/{guest['localId']}/orders", guest["idToken"]) == 403


def test_custom_claims_hold_from_the_next_token_on(
    service: Service, emulated: Emulator, admin: firebase_admin.App
) -> None:
    user = emulated.sign_up(f"editor-{id(service)}@example.com")
    auth.set_custom_user_claims(user["localId"], {"role": "editor"}, app=admin)
    assert service.status("/editors", user["idToken"]) == 403
    token = emulated.refreshed(user["refreshToken"])
    assert service.status("/editors", token) == 200
    auth.set_custom_user_claims(user["localId"], {"role": ["editor"]}, app=admin)
    assert service.status("/editors", emulated.refreshed(user["refreshToken"])) == 403


def test_a_custom_token_signs_in_and_is_no_id_token(
    service: Service, emulated: Emulator, admin: firebase_admin.App
) -> None:
    uid = f"custom-{id(service)}"
    custom = auth.create_custom_token(uid, {"role": "editor"}, app=admin).decode()
    assert service.status("/editors", custom) == 401
    signed_in = emulated.exchange(custom)
    assert service.status("/editors", signed_in["idToken"]) == 200
    assert service.status(f"/users/{uid}/orders", signed_in["idToken"]) == 200


def test_the_users_of_tenants_are_told_apart(
    service: Service, emulated: Emulator, admin: firebase_admin.App, tenants: tuple[str, str, str]
) -> None:
    one, two, three = tenants
    uid = f"twin-{id(service)}"
    tokens: dict[str | None, str] = {}
    for tenant in (None, one, two, three):
        client: Any = auth if tenant is None else tenant_mgt.auth_for_tenant(tenant, app=admin)
        custom = client.create_custom_token(uid, **({"app": admin} if tenant is None else {})).decode()
        tokens[tenant] = emulated.exchange(custom, tenant)["idToken"]
    asked: dict[str | None, str] = {
        None: f"/users/{uid}/orders",
        **{tenant: f"/tenants/{tenant}/users/{uid}" for tenant in tenants},
    }
    expected = {
        (of, at): 401 if of == three else 200 if of == at else 403
        for of in (None, *tenants)
        for at in (None, one, two, three)
    }
    assert {(of, at): service.status(asked[at], tokens[of]) for of, at in expected} == expected


def test_a_user_of_a_tenant_signs_up_with_a_password(
    service: Service, emulated: Emulator, tenants: tuple[str, str, str]
) -> None:
    email = f"member-{id(service)}@example.com"
    member = emulated.sign_up(email, tenants[0])
    path = f"/tenants/{tenants[0]}/users/{member['localId']}"
    for token in (member["idToken"], emulated.sign_in(email, tenants[0])["idToken"]):
        assert service.status(path, token) == 200
        assert service.status(f"/users/{member['localId']}/orders", token) == 403


def test_a_session_cookie_is_read_from_its_cookie_and_asks_for_the_own_pages(
    service: Service, emulated: Emulator, admin: firebase_admin.App
) -> None:
    user = emulated.sign_up(f"session-{id(service)}@example.com")
    cookie = auth.create_session_cookie(user["idToken"], dt.timedelta(hours=1), app=admin)
    own, order = f"/users/{user['localId']}/orders", {"article": "kite", "count": 1}
    session = {"Cookie": f"session={cookie}"}
    assert service.status(own, headers=session) == 200
    assert service.status("/users/ben/orders", headers=session) == 403
    for site, status in {"same-origin": 201, "cross-site": 403, "same-site": 403}.items():
        sent = {**session, "Sec-Fetch-Site": site}
        assert service.status(own, method="POST", json=order, headers=sent) == status
    assert service.status(own, cookie) == 401
    assert service.status(own, headers={"Cookie": f"session={user['idToken']}"}) == 401


def test_signed_tokens_of_the_same_user_are_refused(service: Service, google: LocalIssuer) -> None:
    signed = google.firebase_user("ada", project=PROJECT)
    assert service.status("/users/ada/orders", signed) == 401
    assert service.status("/users/ada/orders", google.unsigned(signed)) == 200  # anybody can write one: see the docs
    assert service.status("/users/ada/orders", f"{google.unsigned(signed)}AAAA") == 401


def test_google_accounts_are_verified_as_ever(service: Service, google: LocalIssuer) -> None:
    staff = google.workspace_person("sam@example.com")
    assert service.status("/reports/daily", staff) == 200
    assert service.status("/reports/daily", google.unsigned(staff)) == 401
    assert service.status("/reports/daily", google.forged(staff)) == 401


@pytest.mark.parametrize("name", SERVERS)
def test_no_variable_makes_the_example_itself_believe_it(name: str, emulated: Emulator, google: LocalIssuer) -> None:
    user = emulated.sign_up(f"plain-{name}@example.com")
    keys = {"FIREBASE_KEYS_URL": google.pem_url("firebase")}
    with served(name, "app", google, FIREBASE_AUTH_EMULATOR_HOST=emulated.host, **keys) as plain:
        path = f"/users/{user['localId']}/orders"
        assert plain.status(path, user["idToken"]) == 401
        assert plain.status(path, google.firebase_user(user["localId"])) == 200
        shop = google.unsigned(google.firebase_user(user["localId"]))
        assert plain.status(path, shop) == 401


def test_firebases_own_library_says_the_same_of_a_token(
    emulated: Emulator, admin: firebase_admin.App, tenants: tuple[str, str, str]
) -> None:
    guard = Guard(
        firebase(PROJECT, tenants, emulator=emulated.host), firebase_session(PROJECT, tenants, emulator=emulated.host)
    )
    for tenant in (None, tenants[0]):
        user = emulated.sign_up("same@example.com", tenant)
        client: Any = auth if tenant is None else tenant_mgt.auth_for_tenant(tenant, app=admin)
        more = {"app": admin} if tenant is None else {}
        client.set_custom_user_claims(user["localId"], {"role": "editor"}, **more)
        client.update_user(user["localId"], email_verified=True, **more)
        token = emulated.refreshed(user["refreshToken"])
        theirs, ours = client.verify_id_token(token, **more), guard.verify(token)
        assert ours.firebase is not None
        assert (ours.subject, ours.email, ours.firebase.claims["role"]) == (theirs["uid"], theirs["email"], "editor")
        assert (ours.firebase.tenant, ours.firebase.signed_in_at) == (tenant, theirs["auth_time"])
        assert (ours.issued_at, ours.expires_at) == (theirs["iat"], theirs["exp"])
        assert ours.firebase.provider == theirs["firebase"]["sign_in_provider"] == "password"


def test_firebases_own_library_believes_an_expired_one_and_this_one_does_not(
    emulated: Emulator, admin: firebase_admin.App
) -> None:
    header, claims = header_and_claims(emulated.sign_up("late@example.com")["idToken"])
    moved = {name: claims[name] - 7200 for name in ("iat", "exp", "auth_time")}
    expired = compact(header, {**claims, **moved}, lambda _: b"")
    assert auth.verify_id_token(expired, app=admin)["uid"] == claims["sub"]
    with pytest.raises(Unauthenticated, match="expired"):
        Guard(firebase(PROJECT, emulator=emulated.host)).verify(expired)

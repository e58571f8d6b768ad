"""Accounts that Firebase's own server library disables, revokes and deletes, in the real Auth emulator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import firebase_admin
import pytest
from firebase_admin import auth, tenant_mgt

from callerid import FirebaseUser, Forbidden, Guard, NotRevoked, Tenant, account_status, firebase

from .emulator import PROJECT, Emulator, emulator
from .owner import Owner

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(emulated: Emulator) -> Iterator[firebase_admin.App]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIREBASE_AUTH_EMULATOR_HOST", emulated.host)
        made = firebase_admin.initialize_app(Owner(), options={"projectId": PROJECT}, name="status")
        yield made
        firebase_admin.delete_app(made)


def admitted(guard: Guard, token: str, tenant: str | None = None) -> bool:
    """Whether a token is believed and its account in order, asked anew."""
    rule = FirebaseUser() & NotRevoked() if tenant is None else FirebaseUser() & Tenant(tenant) & NotRevoked()
    asyncio.run(guard.forget(guard.verify(token)))
    try:
        guard.verify(token, rule)
    except Forbidden:
        return False
    return True


def test_who_is_disabled_revoked_or_deleted_is_refused(emulated: Emulator, admin: firebase_admin.App) -> None:
    status = account_status(PROJECT, emulator=emulated.host, timeout=30)
    guard = Guard(firebase(PROJECT, emulator=emulated.host), lookups=[status])
    user = emulated.sign_up("ada@example.com")
    uid, token = user["localId"], user["idToken"]
    assert admitted(guard, token)
    auth.update_user(uid, disabled=True, app=admin)
    assert not admitted(guard, token)
    auth.update_user(uid, disabled=False, app=admin)
    assert admitted(guard, token)
    later = int(auth.get_user(uid, app=admin).tokens_valid_after_timestamp / 1000) + 3600
    auth.update_user(uid, valid_since=later, app=admin)
    assert not admitted(guard, token)
    auth.update_user(uid, valid_since=later - 7200, app=admin)
    assert admitted(guard, token)
    auth.delete_user(uid, app=admin)
    assert not admitted(guard, token)


def test_a_user_of_a_tenant_is_looked_up_there(emulated: Emulator, admin: firebase_admin.App) -> None:
    tenant = emulated.tenant("one")
    status = account_status(PROJECT, emulator=emulated.host, timeout=30)
    guard = Guard(firebase(PROJECT, tenants=[tenant], emulator=emulated.host), lookups=[status])
    user = emulated.sign_up("ben@example.com", tenant)
    assert admitted(guard, user["idToken"], tenant)
    tenant_mgt.auth_for_tenant(tenant, app=admin).update_user(user["localId"], disabled=True)
    assert not admitted(guard, user["idToken"], tenant)

"""Callers for property tests."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from callerid import (
    Caller,
    ConfigurationError,
    Domain,
    FirebaseUser,
    Guard,
    Kind,
    SecondFactor,
    app_check,
    custom_credential,
    firebase,
    firebase_session,
    google,
    google_access_token,
    google_chat,
    iap,
    oidc,
    service_account,
)
from callerid.issuers import Issuer
from callerid.testing.strategies import callers, firebase_users, google_people
from tests.fixtures import AT_HAND, CLIENT, ROBOT, URL

FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)

ISSUERS: list[Issuer] = [
    google(CLIENT),
    iap("/projects/123456789012/global/backendServices/42"),
    google_chat("123456789012"),
    service_account(ROBOT, URL),
    google_access_token(CLIENT),
    firebase("shop-prod", ["acme-x1"]),
    firebase_session("shop-prod"),
    oidc("https://id.example.com", "orders"),
    custom_credential("partners", header="X-Api-Key", verify=lambda _: None),
]


@pytest.mark.slow
@pytest.mark.parametrize("issuer", ISSUERS, ids=lambda issuer: type(issuer).__name__)
def test_a_guard_knows_all_of_its_callers_and_rules_answer_about_them(issuer: Issuer) -> None:
    guard = Guard(issuer)
    rule = {Kind.GOOGLE: Domain("example.com"), Kind.FIREBASE: FirebaseUser() & SecondFactor()}.get(issuer.kind)

    @FEW
    @given(callers(guard))
    def check(caller: Caller) -> None:
        assert (caller.issuer, caller.kind) == (issuer.name, issuer.kind)
        assert issuer.audiences == frozenset() or caller.audience in issuer.audiences
        if rule is not None and guard.allows(caller, rule):
            assert caller.domain == "example.com" or caller.firebase is not None

    check()


def has(strategy: st.SearchStrategy[Caller], what: Any) -> Caller:
    return find(strategy, what, settings=settings(FEW, max_examples=2000, phases=[Phase.generate]))


@pytest.mark.slow
def test_callers_of_all_families_and_facts_come() -> None:
    for kind in (Kind.GOOGLE, Kind.FIREBASE, Kind.OIDC):
        has(callers(), lambda caller, kind=kind: caller.kind is kind)
    for kind in (Kind.GOOGLE, Kind.FIREBASE):
        has(callers(Guard(*AT_HAND)), lambda caller, kind=kind: caller.kind is kind)
    has(callers(), lambda caller: caller.is_service_account)
    assert has(google_people(), lambda caller: caller.domain == "example.com").email
    has(google_people(), lambda caller: caller.email is None)
    has(google_people(names=["eve"]), lambda caller: caller.email == "eve@gmail.com")
    users = firebase_users(tenants=["acme-x1"])
    for fact in ("tenant", "phone", "second_factor", "claims"):
        has(users, lambda caller, fact=fact: bool(getattr(caller.firebase, fact)))
    has(users, lambda caller: caller.firebase is not None and caller.firebase.provider == "anonymous")


def test_a_guard_that_knows_no_callers_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="knows nobody"):
        callers(Guard(app_check("123456789012")))


def test_without_hypothesis_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.delitem(sys.modules, "callerid.testing.strategies")
    with pytest.raises(ConfigurationError, match="pip install hypothesis"):
        importlib.import_module("callerid.testing.strategies")


def test_callerid_testing_imports_no_test_framework() -> None:
    import subprocess

    code = "import sys, callerid.testing; print(sorted({'hypothesis', 'pytest', 'httpx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"

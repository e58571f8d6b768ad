"""The Firebase Auth emulator in the access map, in the lock and in comparisons."""

from __future__ import annotations

import json

import pytest
from starlette.applications import Starlette

from callerid import Domain, FirebaseUser, Issuer, firebase, firebase_session, google
from callerid.access import access_map, locked
from callerid.audit._forms import as_json, as_markdown, as_table
from callerid.issuers import FirebaseIssuer
from tests.access.changing import URL, found
from tests.access.test_account_issuers import app_of

REAL = firebase("demo-shop")
SAID = (
    "believes unsigned tokens of the Firebase Auth emulator (demo-shop at 127.0.0.1:9099): anybody who reaches this "
    "application can write one; this is for a developer's machine alone"
)
LINE = "believes unsigned tokens of the Firebase Auth emulator"


def emulated() -> FirebaseIssuer:
    return firebase("demo-shop", emulator="127.0.0.1:9099")


@pytest.fixture(autouse=True)
def on_a_developers_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("K_SERVICE", "GAE_ENV", "GAE_INSTANCE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)


def app(*issuers: Issuer) -> Starlette:
    return app_of(*issuers, rule=FirebaseUser() | Domain("example.com"))


def test_every_form_of_the_map_says_it_first() -> None:
    both = access_map(app(google(URL), emulated(), firebase_session("demo-shop", emulator="127.0.0.1:9099")))
    assert both.unsigned == (SAID,)
    assert as_table(both, lambda text, _: text)[0] == f"NO PROOF: {SAID}"
    assert as_markdown(both).startswith(f"**NO PROOF: {SAID}**\n")
    assert json.loads(as_json(both))["unsigned"] == [SAID]


def test_a_map_without_it_says_nothing() -> None:
    real = access_map(app(google(URL), REAL))
    assert real.unsigned == ()
    assert "NO PROOF" not in as_markdown(real)
    assert LINE not in locked(real)


def test_the_lock_says_it_in_place_of_keys() -> None:
    lines = [line.strip() for line in locked(access_map(app(emulated()))).splitlines()]
    at = lines.index(f"issuer {emulated().name}")
    assert lines[at + 1 : at + 3] == [LINE, "audience demo-shop"]


def test_who_takes_it_in_place_of_firebase_lets_in_others() -> None:
    (told,) = found(app(REAL, google(URL)), app(emulated(), google(URL)))
    assert "demo-shop" in told
    assert found(app(emulated(), google(URL)), app(emulated(), google(URL))) == []


def test_another_port_is_no_new_access() -> None:
    other = firebase("demo-shop", emulator="localhost:9100")
    assert found(app(emulated()), app(other)) == []
    assert emulated().covers(other)
    assert not REAL.covers(emulated())
    assert not emulated().covers(REAL)


def test_it_is_not_taken_for_an_issuer_with_an_empty_document_of_keys() -> None:
    (told,) = found(app(firebase("demo-shop", keys=emulated().keys)), app(emulated()))
    assert "demo-shop" in told

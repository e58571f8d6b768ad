"""A guard by environment variables."""

from __future__ import annotations

import os
from typing import Any

import pytest

from callerid import Guard, firebase, firebase_session, gateway, google, google_chat, iap, oidc
from callerid.configuration import GUARD, SECTIONS
from callerid.configuration._sources import variables
from callerid.errors import ConfigurationError
from callerid.keys import KeyFile
from tests.configuration.made import CLIENT, ROBOT, URL

BASE = {"CALLERID_GOOGLE_AUDIENCES": URL}


def guard_of(**variables: str) -> Guard:
    return Guard.from_env(environ={f"CALLERID_{name}": value for name, value in variables.items()})


def trouble_of(environ: dict[str, str], **options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        Guard.from_env(environ=environ, **options)
    assert caught.value.__cause__ is None
    return caught.value.message


def test_variables_name_issuers() -> None:
    guard = guard_of(
        GOOGLE_AUDIENCES=f"{URL}, {CLIENT}",
        GOOGLE_GCLOUD="true",
        FIREBASE_PROJECT="shop-prod",
        FIREBASE_TENANTS="acme-x1,acme-x2",
        IAP_AUDIENCES="/projects/1/apps/shop-prod",
        GOOGLE_CHAT_PROJECT_NUMBER="1234567890",
        OIDC_ISSUER="https://id.example.com",
        OIDC_AUDIENCES="orders",
        OIDC_ALGORITHM="ES256",
    )
    assert guard.issuers == (
        google(URL, CLIENT, gcloud=True),
        firebase("shop-prod", ["acme-x1", "acme-x2"]),
        iap("/projects/1/apps/shop-prod"),
        oidc("https://id.example.com", "orders", algorithm="ES256"),
        google_chat(1234567890),
    )


def test_variables_set_the_guard() -> None:
    guard = guard_of(
        FIREBASE_SESSION_PROJECT="shop-prod",
        FIREBASE_SESSION_COOKIE="__session",
        LEEWAY="10",
        TRUSTED_ORIGINS="https://orders.example.com",
        REALM="orders",
        LONGEST_TOKEN="4096",
        MEMORY="0",
    )
    assert guard.issuers == (firebase_session("shop-prod", cookie="__session"),)
    assert guard.leeway == 10
    assert guard.authenticator.origins == frozenset({"https://orders.example.com"})
    assert guard.authenticator.longest_token == 4096
    assert guard.challenge.realm == "orders"


def test_a_number_may_have_a_fraction() -> None:
    assert guard_of(GOOGLE_AUDIENCES=URL, LEEWAY="0.5").leeway == 0.5


def test_a_gateway_has_inner_issuers() -> None:
    guard = guard_of(
        GATEWAY_SERVICE_ACCOUNT=ROBOT,
        GATEWAY_AUDIENCE="https://backend.example.com",
        GATEWAY_FIREBASE_PROJECT="shop-prod",
    )
    made = gateway(ROBOT, firebase("shop-prod"), audience="https://backend.example.com")
    assert guard.issuers == Guard(made).issuers  # which names the inner ones, too


def test_keys_may_come_of_a_file() -> None:
    guard = guard_of(GOOGLE_AUDIENCES=URL, GOOGLE_KEY_FILE="/etc/keys/google.json")
    assert guard.issuers[0].keys == KeyFile("/etc/keys/google.json")


def test_another_prefix_is_another_guard() -> None:
    environ = {**BASE, "TASKS_FIREBASE_PROJECT": "shop-prod", "PATH": "/bin"}
    assert Guard.from_env("TASKS_", environ=environ).issuers == (firebase("shop-prod"),)


@pytest.mark.parametrize("prefix", ["", "callerid_", "CALLERID", "_", 7])
def test_a_prefix_is_no_match_for_everything(prefix: Any) -> None:
    with pytest.raises(ConfigurationError, match="prefix="):
        Guard.from_env(prefix, environ=BASE)


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("CALLERID_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CALLERID_GOOGLE_AUDIENCES", URL)
    assert Guard.from_env().issuers == (google(URL),)


def test_code_gives_what_no_variable_can() -> None:
    assert Guard.from_env(environ=BASE, clock=lambda: 7.0).clock() == 7.0


def test_code_and_a_variable_do_not_set_the_same() -> None:
    message = trouble_of({**BASE, "CALLERID_LEEWAY": "5"}, leeway=10)
    assert message == "leeway is set in code, and by environment variables CALLERID_*: leave one out"


def test_the_environment_without_any_issuer_is_an_error() -> None:
    assert "CALLERID_GOOGLE_AUDIENCES" in trouble_of({"CALLERID_LEEWAY": "10"})


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GOOGLE_AUDIENCE", URL, "is no setting: did you mean CALLERID_GOOGLE_AUDIENCES?"),
        ("FIREBASE_PROJCT", "shop-prod", "is no setting: did you mean CALLERID_FIREBASE_PROJECT?"),
        ("LEEWAY", "", "it is empty"),
        ("LEEWAY", "   ", "it is empty"),
        ("LEEWAY", "ten", "expected a number"),
        ("LEEWAY", "1e3", "expected a number"),
        ("LEEWAY", "61", "leeway is 0 to 60 seconds"),
        ("MEMORY", "1.5", "expected a whole number"),
        ("GOOGLE_GCLOUD", "1", "expected true or false"),
        ("GOOGLE_GCLOUD", "", "it is empty"),
        ("TRUSTED_ORIGINS", "https://orders.example.com,", "it is empty"),
        ("REALM", "orders ", "begins or ends with a space"),
        ("FIREBASE_TENANTS", "acme-x1", "environment variable CALLERID_FIREBASE_PROJECT is missing"),
        ("FIREBASE_PROJECT", "Shop Prod", "environment variable CALLERID_FIREBASE_PROJECT: firebase(...) takes"),
        ("FIREBASE_EMULATOR", "127.0.0.1:9099", "no variable can have unsigned tokens believed"),
        ("FLEET_PREFIX", "orders", "fleet_prefix is set, and no fleet's URL"),
    ],
)
def test_a_mistake_is_told_with_the_name_of_its_variable(name: str, value: str, said: str) -> None:
    message = trouble_of({**BASE, f"CALLERID_{name}": value})
    assert said in message
    assert f"CALLERID_{name}" in message or "CALLERID_*" in message or "is missing" in message


@pytest.mark.parametrize("name", ["ENFORCE", "DEFAULT", "CLOUD_RUN_INSIST", "INSIST", "VERIFY", "CLOCK"])
def test_no_variable_turns_verification_off(name: str) -> None:
    assert f"CALLERID_{name} is no setting" in trouble_of({**BASE, f"CALLERID_{name}": "false"})


def test_cloud_run_is_believed_on_cloud_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("K_SERVICE", raising=False)
    message = trouble_of({"CALLERID_CLOUD_RUN_AUDIENCES": URL})
    assert message.startswith("environment variable CALLERID_CLOUD_RUN_AUDIENCES: cloud_run(...) believes")


def test_keys_come_from_one_place() -> None:
    environ = {
        "CALLERID_OIDC_ISSUER": "https://id.example.com",
        "CALLERID_OIDC_AUDIENCES": "orders",
        "CALLERID_OIDC_KEYS": "https://id.example.com/keys",
        "CALLERID_OIDC_KEY_FILE": "keys.json",
    }
    assert "leave one out" in trouble_of(environ)


def test_a_fleet_is_named_by_its_url_which_is_shown_nowhere() -> None:
    url = "redis://ada:pa55word@127.0.0.1:1/0"
    guard = guard_of(GOOGLE_AUDIENCES=URL, FLEET_URL=url, FLEET_PREFIX="orders")
    assert guard.fleet_status() is not None
    assert "pa55word" not in f"{guard!r} {vars(guard)!r} {guard.authenticator.revocations.fleet!r}"


def test_a_url_that_cannot_be_read_is_not_repeated() -> None:
    message = trouble_of({**BASE, "CALLERID_FLEET_URL": "pa55word"})
    assert message.startswith("environment variable CALLERID_FLEET_URL: RedisFleet takes a URL")
    assert "pa55word" not in message


def test_every_setting_but_the_emulators_has_a_variable() -> None:
    places = set(variables().values())
    assert {(each.name,) for each in GUARD} <= places
    for name, section in SECTIONS.items():
        left = {each.name for each in section.settings if (name, each.name) not in places}
        assert left <= {"emulator"}

"""A guard by a TOML file."""

from __future__ import annotations

from pathlib import Path

import pytest

from callerid import Guard, app_check, firebase, gateway, google, google_access_token, oidc, service_account
from callerid.configuration import settings_from_toml
from callerid.errors import ConfigurationError
from tests.configuration.made import CLIENT, GOOGLE, ROBOT, URL, written


def test_a_file_names_several_issuers_of_a_kind(tmp_path: Path) -> None:
    text = """
trusted_origins = ["https://orders.example.com"]

[[firebase]]
project = "shop-prod"
tenants = ["acme-x1"]

[[firebase]]
project = "shop-staff"

[oidc]
issuer = "https://id.example.com"
audiences = ["orders"]

[service_account]
email = "robot@shop-prod.iam.gserviceaccount.com"
audiences = ["https://orders.example.com"]
longest_lifetime = 600

[google_access_token]
client_ids = ["1234-abc.apps.googleusercontent.com"]

[app_check]
project_number = "1234567890"
"""
    assert Guard.from_toml(written(tmp_path, text)).issuers == (
        firebase("shop-prod", ["acme-x1"]),
        firebase("shop-staff"),
        oidc("https://id.example.com", "orders"),
        service_account("robot@shop-prod.iam.gserviceaccount.com", URL, longest_lifetime=600),
        google_access_token(CLIENT),
        app_check(1234567890),
    )


def test_a_gateway_has_inner_issuers(tmp_path: Path) -> None:
    text = f"""
[gateway]
service_account = "{ROBOT}"
audience = ["https://backend.example.com"]

[[gateway.firebase]]
project = "shop-prod"

[gateway.google]
audiences = ["{CLIENT}"]
"""
    inner = (firebase("shop-prod"), google(CLIENT))
    made = gateway(ROBOT, *inner, audience="https://backend.example.com")
    assert Guard.from_toml(written(tmp_path, text)).issuers == Guard(made).issuers


def test_the_emulator_is_believed_within_its_own_limits_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("K_SERVICE", "GAE_ENV", "GAE_INSTANCE", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    local = written(tmp_path, '[firebase]\nproject = "demo-shop"\nemulator = "127.0.0.1:9099"\n')
    Guard.from_toml(local).check_ready()
    monkeypatch.setenv("K_SERVICE", "orders")
    with pytest.raises(ConfigurationError):
        Guard.from_toml(local).check_ready()
    remote = written(tmp_path, '[firebase]\nproject = "demo-shop"\nemulator = "10.0.0.7:9099"\n')
    with pytest.raises(ConfigurationError, match=r"callerid\.toml: project of \[firebase\]"):
        Guard.from_toml(remote)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "file callerid.toml: no issuer is named"),
        ("leeway = 10\n", "callerid.toml: audiences of [google]"),
        (f"leway = 10\n{GOOGLE}", "callerid.toml: leway is no setting: did you mean leeway?"),
        (f"{GOOGLE}[firebse]\nproject = 'shop-prod'\n", "callerid.toml: firebse is no setting: did you mean firebase?"),
        (f"{GOOGLE}gclod = true\n", "callerid.toml: gclod of [google] is no setting: did you mean gcloud?"),
        (f"{GOOGLE}zzzz = true\n", "there are audiences, gcloud, key_file"),
        ("[google]\naudiences = []\n", "callerid.toml: audiences of [google]: it is empty"),
        ("[google]\naudiences = ['']\n", "it is empty"),
        ("[google]\naudiences = 'https://orders.example.com'\n", "expected a list of texts"),
        ("[google]\n", "callerid.toml: audiences of [google] is missing"),
        ("google = true\n", "callerid.toml: [google]: expected a table"),
        ("google = []\n", "callerid.toml: [google]: expected a table"),
        ("[[firebase]]\nproject='shop-prod'\n[[firebase]]\n", "project of [[firebase]] number 2 is missing"),
        (f"leeway = '10'\n{GOOGLE}", "callerid.toml: leeway: expected a number"),
        (f"leeway = inf\n{GOOGLE}", "expected a number"),
        (f"leeway = true\n{GOOGLE}", "expected a number"),
        (f"memory = 1.5\n{GOOGLE}", "expected a whole number"),
        (f"realm = 7\n{GOOGLE}", "expected a text"),
        (f"{GOOGLE}gcloud = 'true'\n", "gcloud of [google]: expected true or false"),
        ("[app_check]\nproject_number = 7\n", "expected a text"),
        (f"leeway = 61\n{GOOGLE}", "file callerid.toml: leeway is 0 to 60 seconds"),
        (f"enforce = false\n{GOOGLE}", "rules are always enforced here"),
        (f"default = 'Public()'\n{GOOGLE}", "rules are written in code"),
        ("[cloud_run]\naudiences = ['https://orders.example.com']\ninsist = true\n", "insist=True is written in code"),
        (f"fleet_url = 'redis://ada:pa55word@r.example.com'\n{GOOGLE}", 'fleet_url_from = "CALLERID_FLEET_URL"'),
        (f"fleet_url_from = 'NOT_THERE'\n{GOOGLE}", "'NOT_THERE', which is not set or empty"),
        (f"fleet_prefix = 'orders'\n{GOOGLE}", "fleet_prefix is set, and no fleet's URL"),
        ("leeway = \n", "callerid.toml is no TOML (at line 1, column 10)"),
        ("[google", "callerid.toml is no TOML"),
        ("#" * 1_000_001, "callerid.toml is no TOML"),
    ],
)
def test_a_mistake_is_told_with_file_and_key(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Guard.from_toml(written(tmp_path, text), environ={})
    assert said in str(caught.value)
    assert "callerid.toml" in str(caught.value)
    assert "pa55word" not in str(caught.value)


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"callerid\.toml cannot be read: No such file"):
        Guard.from_toml(tmp_path / "callerid.toml")


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "callerid.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is no TOML"):
        Guard.from_toml(path)


def test_the_url_of_a_fleet_is_in_the_environment(tmp_path: Path) -> None:
    path = written(tmp_path, f"fleet_url_from = 'ORDERS_REDIS'\nfleet_prefix = 'orders'\n{GOOGLE}")
    guard = Guard.from_toml(path, environ={"ORDERS_REDIS": "redis://ada:pa55word@127.0.0.1:1/0"})
    assert guard.fleet_status() is not None
    assert "pa55word" not in repr(settings_from_toml(path, {"ORDERS_REDIS": "redis://ada:pa55word@127.0.0.1:1/0"}))
    with pytest.raises(ConfigurationError, match="fleet_url_from: RedisFleet takes a URL") as caught:
        Guard.from_toml(path, environ={"ORDERS_REDIS": "pa55word"})
    assert "pa55word" not in str(caught.value)


def test_control_characters_of_a_key_are_shown_escaped(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Guard.from_toml(written(tmp_path, f'"a\\u001b[31m" = 1\n{GOOGLE}'))
    assert "\x1b" not in str(caught.value)

"""Tokens without a signature on Cloud Run: believed where the front door checked them, while it is closed."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from callerid import AnyGoogleAccount, ConfigurationError, Guard, Refusal, cloud_run
from callerid.authentication import Identity
from callerid.testing import LocalIssuer

from .made import CLIENT, NOW, PROJECT

URL = "https://orders-abc-ew.a.run.app"
AUTHORIZATION, SERVERLESS = "authorization", "x-serverless-authorization"
ISSUER = LocalIssuer(clock=lambda: NOW)
ADA = ISSUER.workspace_person("ada@example.com", audience=CLIENT)
ROBOT = ISSUER.service_account("robot@shop-prod.iam.gserviceaccount.com", audience=URL)
USER = ISSUER.firebase_user("ada", project=PROJECT)


@pytest.fixture
def guard() -> Guard:
    return Guard(ISSUER.cloud_run(URL, CLIENT, probes=["/healthz"]), ISSUER.firebase(PROJECT), clock=lambda: NOW)


def stripped(token: str) -> str:
    return ISSUER.stripped(token)


def ask(guard: Guard, path: str = "/", **tokens: Any) -> str:
    """The caller and who carried the call, or the reason of the refusal."""
    names = {"own": AUTHORIZATION, "carrier": SERVERLESS}
    sent = {
        names[name]: [each if " " in each or not each else f"Bearer {each}" for each in _listed(value)]
        for name, value in tokens.items()
    }
    try:
        identity = guard.identify({**sent, ":path": [path]})
        assert isinstance(identity, Identity)
        if identity.caller is not None:
            guard.authenticator.check_audience(identity.caller, None)
    except Refusal as refusal:
        return f"{refusal.status} {refusal.reason}"
    return f"{identity.caller} via {identity.via}"


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def is_open(guard: Guard) -> bool:
    return ask(guard, own=stripped(ADA)) == "503 front_door_open"


ADA_ALONE = "user:ada@example.com via None"


def test_a_stripped_token_in_authorization_names_the_caller(guard: Guard) -> None:
    assert ask(guard, own=stripped(ADA)) == ADA_ALONE


def test_a_stripped_service_token_carried_the_call(guard: Guard) -> None:
    robot = "serviceAccount:robot@shop-prod.iam.gserviceaccount.com"
    assert ask(guard, carrier=stripped(ROBOT)) == f"None via {robot}"
    assert ask(guard, carrier=stripped(ROBOT), own=USER) == f"firebase:shop-prod/ada via {robot}"
    assert ask(guard, carrier=stripped(ROBOT), own=ADA) == f"user:ada@example.com via {robot}"


def test_tokens_that_arrive_intact_are_verified_as_ever(guard: Guard) -> None:
    assert ask(guard, own=ADA) == ADA_ALONE
    assert ask(guard, own=ADA) == ADA_ALONE
    assert not is_open(guard)


@pytest.mark.parametrize("carrier", [stripped(ROBOT), ROBOT, ""], ids=["stripped", "signed", "empty"])
def test_a_stripped_token_beside_the_header_that_was_checked_is_the_bearers_own_writing(
    carrier: str, guard: Guard
) -> None:
    assert ask(guard, carrier=carrier, own=stripped(ADA)) == "401 signature_removed"
    assert not is_open(guard)


def test_a_stripped_token_is_not_remembered_for_another_request(guard: Guard) -> None:
    assert ask(guard, own=stripped(ADA)) == ADA_ALONE
    assert ask(guard, own=stripped(ADA), carrier=stripped(ROBOT)) == "401 signature_removed"


def test_google_alone_never_takes_a_stripped_token() -> None:
    plain = Guard(ISSUER.google(URL, CLIENT), clock=lambda: NOW)
    assert ask(plain, own=stripped(ADA)) == "401 signature_removed"
    assert ask(plain, carrier=stripped(ROBOT)) == "None via None"
    mixed = Guard(ISSUER.google(CLIENT), ISSUER.cloud_run(URL), clock=lambda: NOW)
    assert ask(mixed, own=stripped(ADA)) == "401 wrong_audience"
    assert ask(mixed, own=ADA) == ADA_ALONE
    assert ask(mixed, own=stripped(ROBOT)) == "serviceAccount:robot@shop-prod.iam.gserviceaccount.com via None"


def test_a_stripped_token_given_outside_of_headers_proves_nothing(guard: Guard) -> None:
    with pytest.raises(Refusal, match="signature_removed"):
        guard.verify(stripped(ADA))


@pytest.mark.parametrize(
    ("token", "due"),
    [
        (ISSUER.wrong_audience(ADA), "401 wrong_audience"),
        (ISSUER.expired(ADA), "401 expired"),
        (ISSUER.not_yet_valid(ADA), "401 not_yet_valid"),
        (ISSUER.altered(ADA, sub=7), "401 bad_claims"),
        (ISSUER.altered(ADA, iss="https://issuer.example.net"), "401 unknown_issuer"),
        (USER, "401 unknown_issuer"),
    ],
)
@pytest.mark.parametrize("location", ["own", "carrier"])
def test_a_stripped_token_is_read_as_strictly_as_a_signed_one(
    location: str, token: str, due: str, guard: Guard
) -> None:
    assert ask(guard, **{location: stripped(token)}) == due


@pytest.mark.parametrize(
    "text", [".SIGNATURE_REMOVED_BY_GOOGLE", "a.SIGNATURE_REMOVED_BY_GOOGLE", "é.b.SIGNATURE_REMOVED_BY_GOOGLE"]
)
def test_what_only_ends_as_a_stripped_token_is_malformed(text: str, guard: Guard) -> None:
    assert ask(guard, own=text) == "401 malformed_token"


LONG_EXPIRED = ISSUER.altered(ADA, iat=NOW - 9000, exp=NOW - 601)
JUST_EXPIRED = ISSUER.altered(ADA, iat=NOW - 9000, exp=NOW - 599)


@pytest.mark.parametrize(
    ("tokens", "seen"),
    [
        ({}, "no credential"),
        ({"own": "Basic YWRhOmFkYQ=="}, "another scheme than Bearer"),
        ({"carrier": "Basic YWRhOmFkYQ=="}, "another scheme than Bearer"),
        ({"own": "not a token"}, "another scheme than Bearer"),
        ({"own": "Bearer  x"}, "something that is not a bearer token"),
        ({"own": "x.y.z"}, "something that is not a token"),
        ({"own": f"Bearer  {ISSUER.tampered(ADA)}"}, "something that is not a bearer token"),
        ({"own": "OAuth x.y.z"}, "another scheme than Bearer"),
        ({"own": ISSUER.unsigned(ADA)}, "an unsigned token"),
        ({"own": ISSUER.wrong_issuer(ADA)}, "a token that is not Google's"),
        ({"own": USER}, "a token that is not Google's"),
        ({"own": ISSUER.tampered(ADA)}, "a forged signature"),
        ({"carrier": ISSUER.tampered(ROBOT), "own": stripped(ADA)}, "a forged signature"),
        ({"carrier": stripped(LONG_EXPIRED), "own": ADA}, "a token that expired over ten minutes ago"),
        ({"own": LONG_EXPIRED}, "a token that expired over ten minutes ago"),
        ({"own": stripped(LONG_EXPIRED)}, "a token that expired over ten minutes ago"),
    ],
)
def test_what_the_front_door_lets_nobody_in_with_shows_that_it_is_open(
    tokens: dict[str, str], seen: str, guard: Guard, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.CRITICAL):
        ask(guard, **tokens)
        ask(guard, **tokens)
    (record,) = caplog.records
    assert f"a request came with {seen}, and" in record.getMessage()
    assert "gcloud run services remove-iam-policy-binding" in record.getMessage()
    assert ask(guard, own=stripped(ADA)) == "503 front_door_open"
    assert ask(guard, carrier=stripped(ROBOT), own=USER) == "503 front_door_open"
    assert ask(guard, own=ADA) == ADA_ALONE


@pytest.mark.parametrize(
    "tokens",
    [
        {"own": ISSUER.wrong_audience(ADA)},
        {"own": stripped(ISSUER.wrong_audience(ADA))},
        {"own": JUST_EXPIRED},
        {"own": stripped(JUST_EXPIRED)},
        {"own": ISSUER.not_yet_valid(ADA)},
        {"own": ISSUER.wrong_kid(ADA)},
        {"own": [ADA, ADA]},
        {"own": [ADA, "Basic YWRhOmFkYQ=="]},
        {"own": ADA, "carrier": "Basic YWRhOmFkYQ=="},
        {"own": ADA, "carrier": ""},
        {"own": f"Bearer  {stripped(ADA)}"},
        {"own": f"Bearer {stripped(ADA)} x"},
        {"own": f"OAuth {stripped(ADA)}"},
        {"own": f"Token {ADA}"},
        {"own": f"OAuth {'x.y.z ' * 5}"},
        {"own": ADA, "carrier": [ROBOT, ROBOT]},
        {"own": "Basic YWRhOmFkYQ==", "carrier": stripped(ROBOT)},
        {"own": ISSUER.tampered(ADA), "carrier": stripped(ROBOT)},
        {"own": USER, "carrier": stripped(ROBOT)},
        {"own": [ADA, ADA], "carrier": stripped(ROBOT)},
        {"own": "ya29.a0AfH6SMBx"},
        {"own": "OAuth ya29.a0AfH6SMBx"},
        {"carrier": "ya29.c.b0Aaekm1K"},
    ],
)
def test_a_caller_with_a_right_token_cannot_spoil_it_for_others(tokens: dict[str, Any], guard: Guard) -> None:
    ask(guard, **tokens)
    assert not is_open(guard)


def test_probes_carry_no_credential(guard: Guard) -> None:
    ask(guard, path="/healthz")
    assert not is_open(guard)
    ask(guard, path="/healthz/")
    assert is_open(guard)


def test_keys_that_cannot_be_had_say_nothing_about_the_front_door() -> None:
    with LocalIssuer(clock=lambda: NOW) as served:
        guard = Guard(served.cloud_run(URL, CLIENT), clock=lambda: NOW)
        served.fail_with(500)
        with pytest.raises(Refusal, match="keys_unavailable"):
            guard.verify(served.workspace_person(audience=CLIENT))
        assert ask(guard, own=served.workspace_person(audience=CLIENT)) == "503 keys_unavailable"
        assert ask(guard, own=served.stripped(served.workspace_person(audience=CLIENT))) == ADA_ALONE


def test_outside_of_cloud_run_it_has_to_be_insisted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("K_SERVICE", raising=False)
    with pytest.raises(ConfigurationError, match=r"use google\(...\) here, or write insist=True"):
        cloud_run(URL)
    assert cloud_run(URL, insist=True).audiences == {URL}
    monkeypatch.setenv("K_SERVICE", "orders")
    assert cloud_run(URL, probes="/healthz").probes == {"/healthz"}


def test_an_issuer_is_checked_when_it_is_made() -> None:
    with pytest.raises(ConfigurationError, match="your own service only"):
        cloud_run(insist=True)
    for probe in ("healthz", 7):
        with pytest.raises(ConfigurationError, match="probes="):
            cloud_run(URL, insist=True, probes=[probe])  # type: ignore[list-item]


def test_google_and_cloud_run_for_one_audience_are_two_issuers_of_one_token() -> None:
    with pytest.raises(ConfigurationError, match="two issuers claim"):
        Guard(ISSUER.google(URL), ISSUER.cloud_run(URL))


@pytest.mark.parametrize("make", [ISSUER.altered, lambda token, **claims: stripped(ISSUER.altered(token, **claims))])
def test_a_token_over_our_own_limit_says_nothing_about_the_front_door(make: Any, guard: Guard) -> None:
    assert ask(guard, own=make(ADA, padding="x" * 9000)) == "401 malformed_token"
    assert not is_open(guard)


def test_what_expired_long_ago_is_read_up_to_the_guards_limit() -> None:
    guard = Guard(ISSUER.cloud_run(URL, CLIENT), clock=lambda: NOW, longest_token=16_384)
    late = ISSUER.altered(ADA, iat=NOW - 9000, exp=NOW - 601, padding="x" * 9000)
    assert ask(guard, own=stripped(ISSUER.altered(ADA, padding="x" * 9000))) == ADA_ALONE
    assert ask(guard, own=late) == "401 expired"
    assert is_open(guard)


def test_a_rule_may_name_an_audience_of_the_service_for_a_stripped_token(guard: Guard) -> None:
    tasks = f"{URL}/tasks"
    token = stripped(ISSUER.service_account("robot@shop-prod.iam.gserviceaccount.com", audience=tasks))
    assert ask(guard, own=token) == "401 wrong_audience"
    identity = guard.identify({AUTHORIZATION: [f"Bearer {token}"]})
    assert isinstance(identity, Identity)
    assert guard.judge(guard.requirement(AnyGoogleAccount(), audience=tasks), identity, {}) is identity.caller
    assert ask(guard, carrier=token) == "401 wrong_audience"


GCLOUD = "32555940559.apps.googleusercontent.com"


def test_developers_tokens_of_gcloud_are_believed_of_people_alone() -> None:
    guard = Guard(ISSUER.cloud_run(URL, gcloud=True), clock=lambda: NOW)
    developer = ISSUER.workspace_person("ada@example.com", audience=GCLOUD)
    robot = ISSUER.service_account("robot@evil-corp.iam.gserviceaccount.com", audience=GCLOUD)
    for token in (developer, stripped(developer)):
        assert ask(guard, own=token) == ADA_ALONE
    # The front door may have let in all of these, so none shows that it stands open.
    for token in (robot, ISSUER.altered(developer, email_verified=False), ISSUER.altered(developer, azp="1")):
        assert ask(guard, own=token) == ask(guard, own=stripped(token)) == "401 wrong_audience"
        assert ask(guard, carrier=token) == ask(guard, carrier=stripped(token)) == "401 wrong_audience"
    assert ask(guard, own=stripped(developer)) == ADA_ALONE
    assert ask(Guard(ISSUER.cloud_run(URL), clock=lambda: NOW), own=stripped(developer)) == "401 wrong_audience"


def test_a_token_that_an_account_signed_itself_was_not_let_in_by_the_front_door() -> None:
    account = "robot@shop-prod.iam.gserviceaccount.com"

    def made() -> Guard:
        return Guard(ISSUER.cloud_run(URL, CLIENT), ISSUER.service_account_issuer(account, URL), clock=lambda: NOW)

    own = ISSUER.self_signed(account, audience=URL)
    carried, alone = made(), made()
    assert ask(carried, own=own, carrier=ROBOT) == f"serviceAccount:{account} via serviceAccount:{account}"
    assert not is_open(carried)
    assert ask(alone, own=own) == f"serviceAccount:{account} via None"
    assert is_open(alone)

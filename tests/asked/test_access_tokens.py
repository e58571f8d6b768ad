"""Google's access tokens: whom they name, what is refused, and what Google is asked."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from callerid import (
    AnyGoogleAccount,
    Caller,
    ConfigurationError,
    Domain,
    Guard,
    KeySource,
    Reason,
    Rule,
    Scope,
    Unauthenticated,
    Unavailable,
    User,
    google,
    google_access_token,
)
from callerid.authentication import resolve
from callerid.issuers import GoogleAccessTokenIssuer
from callerid.issuers._google_access_token import TOKEN_INFO
from callerid.rules import Facts
from callerid.testing import LocalIssuer, as_caller, google_person

CLIENT = "1234-abc.apps.googleusercontent.com"
MOBILE = "1234-ios.apps.googleusercontent.com"
OTHER = "9876-xyz.apps.googleusercontent.com"
URL = "https://orders.example.com"
DRIVE = "https://www.googleapis.com/auth/drive.readonly"
OPENID = ("openid", "https://www.googleapis.com/auth/userinfo.email")


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def local(clock: Clock) -> Iterator[LocalIssuer]:
    with LocalIssuer(clock=clock) as served:
        yield served


@pytest.fixture
def guard(local: LocalIssuer, clock: Clock) -> Guard:
    return Guard(local.google_access_token(CLIENT, MOBILE), local.google(URL), clock=clock, timer=clock)


def ask(guard: Guard, token: str) -> Caller:
    sent = {"authorization": [f"Bearer {token}"]}
    identity = resolve(lambda waited: guard.identify(sent, waited))
    assert identity.caller is not None
    return identity.caller


def refused(guard: Guard, token: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refusal:
        ask(guard, token)
    assert token not in str(refusal.value) + refusal.value.remedy + repr(refusal.value)
    return refusal.value


# --- whom it names ---


def test_a_person_is_known_by_what_tokeninfo_says(guard: Guard, local: LocalIssuer, clock: Clock) -> None:
    caller = ask(guard, local.access_token("ada@gmail.com", scopes=(*OPENID, DRIVE)))
    assert (caller.issuer, caller.email, caller.domain) == ("https://oauth2.googleapis.com", "ada@gmail.com", None)
    assert (caller.audience, caller.authorized_party) == (CLIENT, CLIENT)
    assert caller.scopes == {*OPENID, DRIVE}
    assert caller.expires_at == clock.now + 3599
    assert not caller.is_service_account


def test_rules_about_google_accounts_hold_of_them(guard: Guard, local: LocalIssuer) -> None:
    gmail = ask(guard, local.access_token("ada@gmail.com", subject="7"))
    work = ask(guard, local.access_token("ada@example.com"))
    rule: Rule
    for rule in (User("ada@gmail.com"), User("7"), AnyGoogleAccount(), Scope("openid"), Scope(*OPENID)):
        assert guard.allows(gmail, rule), rule
    # Google does not say that the address is a Workspace's.
    for rule in (User("ada@example.com"), Domain("example.com"), Scope("openid", DRIVE), Scope("email")):
        assert not guard.allows(work, rule), rule
    assert guard.allows(work, User("ada@example.com", hosted=False))


def test_the_address_counts_only_if_it_is_verified_and_the_scope_was_granted(guard: Guard, local: LocalIssuer) -> None:
    unverified = ask(guard, local.access_token("eve@gmail.com", email_verified=False))
    assert (unverified.email, unverified.has_unverified_email) == (None, True)
    assert ask(guard, local.access_token(scopes=["openid"])).email is None


@pytest.mark.parametrize("more", [{"email_verified": True}, {"exp": None}, {"expires_in": 100}])
def test_numbers_and_truth_may_be_json_s_own(
    guard: Guard, local: LocalIssuer, more: Mapping[str, Any], clock: Clock
) -> None:
    caller = ask(guard, local.access_token(says_more={"expires_in": "50", **more}))
    assert caller.email == "ada@gmail.com"
    assert caller.expires_at == clock.now + int(more.get("expires_in", 50))


def test_a_client_of_ours_may_ask_for_another_of_ours(guard: Guard, local: LocalIssuer) -> None:
    assert ask(guard, local.access_token(azp=MOBILE)).authorized_party == MOBILE
    assert ask(guard, local.access_token(says_more={"azp": None})).authorized_party is None


def test_a_token_that_came_outside_headers_is_judged_too(guard: Guard, local: LocalIssuer) -> None:
    assert guard.verify(local.access_token(), User("ada@gmail.com") & Scope("openid")).email == "ada@gmail.com"


# --- what is refused ---


@pytest.mark.parametrize("app", [{"audience": OTHER}, {"azp": OTHER}, {"audience": OTHER, "azp": CLIENT}])
def test_a_token_granted_to_another_app_is_refused(guard: Guard, local: LocalIssuer, app: dict[str, str]) -> None:
    refusal = refused(guard, local.access_token(**app))  # type: ignore[arg-type]
    assert refusal.reason is Reason.WRONG_AUDIENCE
    assert OTHER in refusal.detail
    assert "only if it is yours" in refusal.remedy


def test_a_service_account_s_access_token_is_refused(guard: Guard, local: LocalIssuer) -> None:
    robot = "robot@shop-prod.iam.gserviceaccount.com"
    refusal = refused(guard, local.access_token(robot))
    assert (refusal.reason, "ID token" in refusal.remedy) == (Reason.WRONG_AUDIENCE, True)
    disguised = local.access_token(robot, says_more={"aud": CLIENT, "azp": CLIENT})
    assert refused(guard, disguised).reason is Reason.BAD_CLAIMS


def test_a_token_that_does_not_say_whose_it_is_is_refused(guard: Guard, local: LocalIssuer) -> None:
    refusal = refused(guard, local.access_token(scopes=[DRIVE]))
    assert (refusal.reason, "openid" in refusal.remedy) == (Reason.BAD_CLAIMS, True)


def test_a_token_that_google_does_not_know_is_refused_and_asked_about_once(guard: Guard, local: LocalIssuer) -> None:
    for _ in range(20):
        assert refused(guard, "ya29.never-granted").reason is Reason.UNKNOWN_CREDENTIAL
    assert local.fetches["access_token"] == 1


def test_a_refusal_is_believed_briefly(guard: Guard, local: LocalIssuer, clock: Clock) -> None:
    refused(guard, "ya29.never-granted")
    clock.now += 10
    refused(guard, "ya29.never-granted")
    assert local.fetches["access_token"] == 2


def test_an_expired_token_is_refused(guard: Guard, local: LocalIssuer, clock: Clock) -> None:
    assert refused(guard, local.access_token(lifetime=0)).reason is Reason.UNKNOWN_CREDENTIAL
    late = local.access_token(says_more={"exp": str(int(clock.now)), "expires_in": "60"})
    local.clock = lambda: clock.now - 600  # Google's clock is behind
    assert refused(guard, late).reason is Reason.EXPIRED


@pytest.mark.parametrize("text", ["ya29.", "ya29.é", "ya29.a\x7f", "ya29." + "a" * 9000])
def test_what_is_no_token_is_not_asked_about(guard: Guard, local: LocalIssuer, text: str) -> None:
    with pytest.raises(Unauthenticated):
        ask(guard, text)
    assert local.fetches["access_token"] == (text == "ya29.")


def test_its_client_ids_are_none_of_id_tokens(local: LocalIssuer, clock: Clock) -> None:
    guard = Guard(local.google(URL), local.google_access_token(CLIENT), clock=clock)
    with pytest.raises(Unauthenticated) as refusal:
        guard.verify(local.person(audience=CLIENT))
    assert refusal.value.reason is Reason.WRONG_AUDIENCE


def test_an_audience_beside_a_rule_is_not_that_of_an_access_token(guard: Guard, local: LocalIssuer) -> None:
    caller = ask(guard, local.access_token())
    assert guard.allows(caller, AnyGoogleAccount(), audience=CLIENT)
    assert not guard.allows(caller, AnyGoogleAccount(), audience=URL)


@pytest.mark.parametrize(("token", "said"), [("ya29.a0abc", "access token"), ("1//0abc", "refresh token")])
def test_where_id_tokens_are_due_the_log_says_what_came(token: str, said: str) -> None:
    guard = Guard(google(URL))
    with pytest.raises(Unauthenticated) as refusal:
        guard.verify(token)
    assert refusal.value.reason is Reason.MALFORMED_TOKEN
    assert said in refusal.value.detail
    assert token not in refusal.value.detail


def test_a_refresh_token_is_no_access_token(guard: Guard, local: LocalIssuer) -> None:
    assert "refresh token" in refused(guard, "1//0abc").detail
    assert not local.fetches["access_token"]


# --- caching ---


def test_a_token_is_asked_about_once_until_it_expires_and_not_a_second_longer(
    guard: Guard, local: LocalIssuer, clock: Clock
) -> None:
    token = local.access_token()
    local.access_token()
    for seconds in (0, 1000, 2500, 98, 0.5):
        clock.now += seconds
        assert ask(guard, token).email == "ada@gmail.com"
    assert local.fetches["access_token"] == 1
    clock.now += 0.5
    refused(guard, token)


def test_it_is_judged_by_the_clock_as_well(local: LocalIssuer, clock: Clock) -> None:
    guard = Guard(local.google_access_token(CLIENT), clock=clock, leeway=60, timer=lambda: 0.0)  # a machine that slept
    token = local.access_token()
    ask(guard, token)
    clock.now += 3599
    assert refused(guard, token).reason is Reason.EXPIRED


def test_a_guard_made_like_another_shares_its_answers(guard: Guard, local: LocalIssuer) -> None:
    token = local.access_token()
    ask(guard, token)
    other = Guard.like(guard, leeway=60)
    assert ask(other, token).email == "ada@gmail.com"
    guard.authenticator.cache.clear()
    assert ask(other, token).email == "ada@gmail.com"
    assert local.fetches["access_token"] == 1


def test_who_is_distrusted_is_not_believed_any_more(guard: Guard, local: LocalIssuer) -> None:
    token = local.access_token()
    ask(guard, token)
    (issuer,) = (each for each in guard.issuers if isinstance(each, GoogleAccessTokenIssuer))
    guard.distrust(issuer)
    assert refused(guard, token).reason is Reason.MALFORMED_TOKEN
    guard.trust(issuer)
    assert ask(guard, token)


def test_no_token_is_kept(guard: Guard, local: LocalIssuer) -> None:
    token = local.access_token()
    ask(guard, token)
    local.revoke_access_token(token)
    kept = [guard.authenticator.cache, guard.authenticator.answers]
    assert token not in repr([vars(each) for each in kept])


# --- what Google is asked ---


def test_the_token_is_in_the_body_and_in_no_url_and_no_log(
    guard: Guard, local: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = local.access_token()
    ask(guard, token)
    assert "POST /tokeninfo" in caplog.text  # urllib3's own
    assert token not in caplog.text


def test_many_requests_with_one_new_token_ask_once(guard: Guard, local: LocalIssuer) -> None:
    token = local.access_token()
    with local.hold(), ThreadPoolExecutor(3) as pool:  # as many as may wait
        asked = [pool.submit(ask, guard, token) for _ in range(3)]
        local.wait_for_fetches("access_token")
        threading.Event().wait(0.05)
        local._open.set()
        assert {future.result().email for future in asked} == {"ada@gmail.com"}
    assert local.fetches["access_token"] == 1


def test_tasks_wait_without_blocking_their_loop(guard: Guard, local: LocalIssuer, backend: str) -> None:
    token, found = local.access_token(), []

    async def one() -> None:
        found.append(await guard.averify(token))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(one)

    anyio.run(main, backend=backend)
    assert len(found) == 50
    assert local.fetches["access_token"] == 1


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
def test_another_status_is_503_and_no_401(guard: Guard, local: LocalIssuer, status: int) -> None:
    local.fail_with(status, b'{"error": "invalid_token"}')
    with pytest.raises(Unavailable) as refusal:
        ask(guard, local.access_token())
    assert refusal.value.reason is Reason.VERIFICATION_UNAVAILABLE
    assert f"HTTP status {status}" in refusal.value.detail


USUAL = {
    "aud": CLIENT,
    "azp": CLIENT,
    "sub": "1234",
    "scope": "openid",
    "exp": "1800003600",
    "expires_in": "3600",
    "access_type": "online",
}


def _without(name: str) -> bytes:
    return json.dumps({each: value for each, value in USUAL.items() if each != name}).encode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b""),
        (400, b"[]"),
        (400, b'{"error": "invalid_request"}'),
        (400, b'{"error": "invalid_token", "error": "invalid_token"}'),
        (400, b'{"error_description": "Invalid Value"}'),
        (200, b""),
        (200, b"<html>Sign in to the hotel's network</html>"),
        (200, b"\xff"),
        (200, b"NaN"),
        (200, b"[" * 100_000),
        (200, json.dumps({**USUAL, "padding": "x" * 70_000}).encode()),
        (200, json.dumps(USUAL).encode()[:-1] + b', "sub": "5678"}'),
        (200, _without("aud")),
        (200, json.dumps({**USUAL, "aud": ""}).encode()),
        (200, json.dumps({**USUAL, "aud": [CLIENT]}).encode()),
        (200, json.dumps({**USUAL, "azp": 7}).encode()),
        (200, json.dumps({**USUAL, "sub": 1234}).encode()),
        (200, json.dumps({**USUAL, "sub": ""}).encode()),
        (200, json.dumps({**USUAL, "sub": "ada"}).encode()),
        (200, json.dumps({**USUAL, "scope": None}).encode()),
        (200, json.dumps({**USUAL, "scope": "a\nb"}).encode()),
        (200, json.dumps({**USUAL, "email": "a@gmail.com", "email_verified": "yes"}).encode()),
        (200, json.dumps({**USUAL, "email": "a@gmail.com", "email_verified": 1}).encode()),
        (200, json.dumps({**USUAL, "exp": "soon"}).encode()),
        (200, json.dumps({**USUAL, "exp": "9" * 12}).encode()),
        (200, json.dumps({**USUAL, "expires_in": True}).encode()),
        (200, json.dumps({**USUAL, "expires_in": 3600.5}).encode()),
        (200, json.dumps({**USUAL, "expires_in": "-1"}).encode()),
        (200, json.dumps({"aud": CLIENT, "sub": "1234"}).encode()),
    ],
)
def test_an_answer_that_is_not_tokeninfo_s_is_503(
    guard: Guard, local: LocalIssuer, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    local.fail_with(status, body)
    with pytest.raises(Unavailable) as refusal:
        ask(guard, local.access_token())
    assert refusal.value.retry_after == 1
    (record,) = caplog.records
    assert "/tokeninfo cannot be asked" in record.getMessage()
    assert "1234" not in record.getMessage().replace(CLIENT, "")


@pytest.mark.parametrize(
    ("status", "body"),
    [(400, b'{"error": "invalid_request"}'), (400, b"<html>"), (400, b'{"a": 1, "a": 2}'), (200, _without("aud"))],
)
def test_tokens_that_google_stumbles_at_keep_nobody_else_out(
    guard: Guard, local: LocalIssuer, status: int, body: bytes
) -> None:
    token = local.access_token()
    local.fail_with(status, body)
    for number in range(5):
        with pytest.raises(Unavailable):
            ask(guard, f"ya29.{number}")
    local.fail_with(None)
    assert ask(guard, token)


def test_nobody_is_asked_during_the_back_off(guard: Guard, local: LocalIssuer, clock: Clock) -> None:
    token = local.access_token()
    local.fail_with(500)
    for _ in range(10):
        with pytest.raises(Unavailable):
            ask(guard, token)
    assert local.fetches["access_token"] == 1
    local.fail_with(None)
    clock.now += 1
    assert ask(guard, token)


def test_an_endpoint_that_hangs_is_given_up_in_time(clock: Clock) -> None:
    with LocalIssuer() as local, local.hold():
        source = KeySource(f"{local.url}/tokeninfo", fetch_seconds=0.2)
        guard = Guard(google_access_token(CLIENT, keys=source))
        with pytest.raises(Unavailable, match=r"not done within|TimeoutError"):
            ask(guard, "ya29.abc")


def test_tokens_need_no_server_in_tests(clock: Clock) -> None:
    local = LocalIssuer(clock=clock)
    guard = Guard(local.google_access_token(CLIENT), clock=clock)
    assert ask(guard, local.access_token()).email == "ada@gmail.com"
    revoked = local.access_token()
    local.revoke_access_token(revoked)
    assert refused(guard, revoked).reason is Reason.UNKNOWN_CREDENTIAL


def test_a_guard_that_asks_google_can_be_stood_in_for() -> None:
    guard = Guard(google_access_token(CLIENT))
    with LocalIssuer().stands_in_for(guard) as local:
        assert ask(guard, local.access_token()).email == "ada@gmail.com"


# --- at start-up ---


def test_it_has_no_keys_to_fetch(guard: Guard, local: LocalIssuer) -> None:
    guard.warm()
    assert not local.fetches["access_token"]
    assert [status.source for status in guard.status()] == [local.jwks_url()]


def test_that_a_client_id_is_missing_is_told_with_one_as_the_example() -> None:
    with pytest.raises(ConfigurationError, match=r"name at least one, such as '1234-abc\.apps\.googleusercontent"):
        google_access_token()


@pytest.mark.parametrize(
    "client_ids",
    [
        (),
        ("",),
        (URL,),
        ("123456789012345678901",),
        ("32555940559.apps.googleusercontent.com",),
        ("764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",),
    ],
)
def test_only_client_ids_of_one_s_own_are_accepted(client_ids: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError):
        google_access_token(*client_ids)


@pytest.mark.parametrize("keys", ["http://tokeninfo.example.com/", "ftp://127.0.0.1/", 7])
def test_the_endpoint_is_https_or_loopback(keys: Any) -> None:
    with pytest.raises(ConfigurationError):
        google_access_token(CLIENT, keys=keys)
    assert str(google_access_token(CLIENT).keys) == TOKEN_INFO


def test_two_that_would_claim_one_token_are_an_error(local: LocalIssuer) -> None:
    with pytest.raises(ConfigurationError, match="could claim one credential"):
        Guard(google_access_token(CLIENT), google_access_token(MOBILE))


@pytest.mark.parametrize("scopes", [(), ("",), ("openid email",), (7,), (["openid"],), ('a"b',), ("é",)])
def test_a_scope_is_one_text(scopes: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError):
        Scope(*scopes)


def test_a_scope_rule_says_what_it_means(guard: Guard, local: LocalIssuer) -> None:
    rule = Scope(DRIVE, "openid")
    assert repr(rule) == f"Scope('{DRIVE}', 'openid')"
    assert eval(repr(rule)) == rule == Scope("openid", DRIVE, DRIVE)
    assert str(rule) == f"scope:{DRIVE} openid"
    caller = ask(guard, local.access_token())
    assert "whose token lacks" in str(rule.explain(_facts(caller)))
    assert "whose credential has no scopes" in str(rule.explain(_facts(guard.verify(local.service_account()))))
    assert str(Scope("openid").explain(_facts(caller))) == "+ scope:openid: the caller is user:ada@gmail.com"
    assert str(Scope("openid").explain(_facts(None))) == "- scope:openid: the caller is nobody"


def _facts(caller: Caller | None) -> Facts:
    return Facts(caller)


@pytest.mark.parametrize("name", LocalIssuer().hostile_access_tokens())
def test_hostile_tokens_are_refused(guard: Guard, local: LocalIssuer, name: str) -> None:
    refused(guard, local.hostile_access_tokens(CLIENT)[name])


def test_whoever_has_an_access_token_cannot_trip_the_wire_of_a_private_service(
    local: LocalIssuer, clock: Clock
) -> None:
    guard = Guard(local.cloud_run(URL), local.google_access_token(CLIENT), clock=clock, timer=clock)
    stripped = {"authorization": [f"Bearer {local.stripped(local.service_account(audience=URL))}"]}
    assert resolve(lambda waited: guard.identify(stripped, waited)).caller
    ask(guard, local.access_token())
    refused(guard, "ya29.never-granted")
    assert resolve(lambda waited: guard.identify(stripped, waited)).caller


def test_tests_act_as_whoever_has_one() -> None:
    guard = Guard(google_access_token(CLIENT), google(URL))
    person = google_person("ada@gmail.com", scopes=["openid", DRIVE])
    with as_caller(guard, person) as caller:
        assert (caller.issuer, caller.audience) == ("https://oauth2.googleapis.com", CLIENT)
        assert guard.allows(caller, Scope(DRIVE) & User("ada@gmail.com"))
    with pytest.raises(ValueError, match="does not say of which Workspace"):
        google_person("ada@example.com", domain="example.com", scopes=["openid"])
    with as_caller(guard, google_person("ada@gmail.com")) as caller:
        assert caller.issuer == "https://accounts.google.com"
    assert google_person(None, subject="7", scopes=["openid"]).subject == "7"

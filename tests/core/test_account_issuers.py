"""Issuers that speak for one service account: self-signed tokens, and Google Chat."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from callerid import (
    AnyGoogleAccount,
    ConfigurationError,
    Domain,
    Forbidden,
    GoogleChat,
    Guard,
    IssuedBy,
    Issuer,
    KeySource,
    Kind,
    Reason,
    Rule,
    ServiceAccount,
    Unauthenticated,
    User,
    google,
    google_chat,
    service_account,
)
from callerid.guard import Requirement
from callerid.testing import LocalIssuer

from .made import ISSUER, NOW, URL, odd

if TYPE_CHECKING:
    from collections.abc import Callable

ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
CHAT = "chat@system.gserviceaccount.com"
NUMBER = 123456789012
TASKS = f"{URL}/tasks"


def guard_of(*issuers: Issuer) -> Guard:
    return Guard(*issuers, clock=lambda: NOW)


def robot_guard(**options: Any) -> Guard:
    return guard_of(ISSUER.service_account_issuer(ROBOT, URL, **options))


def chat_guard() -> Guard:
    return guard_of(ISSUER.google_chat(NUMBER))


def refused(guard: Guard, token: str) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(token)
    return caught.value


# --- what they are ---


def test_an_account_is_trusted_for_its_own_tokens() -> None:
    issuer = service_account(ROBOT, URL, TASKS)
    assert (issuer.name, issuer.account, issuer.kind, issuer.algorithm) == (ROBOT, ROBOT, Kind.GOOGLE, "RS256")
    assert issuer.accepted_iss == {ROBOT}
    assert issuer.audiences == {URL, TASKS}
    assert issuer.longest_lifetime == 3600
    assert issuer.keys == KeySource(f"https://www.googleapis.com/robot/v1/metadata/x509/{ROBOT}")
    assert issuer.fixed_audience


def test_google_chat_is_trusted_for_one_projects_app() -> None:
    issuer = google_chat(NUMBER)
    assert (issuer.name, issuer.account, issuer.kind) == (CHAT, CHAT, Kind.GOOGLE)
    assert issuer.audiences == {"123456789012"}
    assert issuer.keys == KeySource(f"https://www.googleapis.com/service_accounts/v1/metadata/x509/{CHAT}")
    assert issuer == google_chat("123456789012")


@pytest.mark.parametrize("make", [lambda: service_account(ROBOT, URL), lambda: google_chat(NUMBER)])
def test_they_are_values(make: Callable[[], Issuer]) -> None:
    assert make() == make()
    assert len({make(), make(), google(URL)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        make().audiences = frozenset({"*"})  # type: ignore[misc]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: service_account(ROBOT), "name at least one"),
        (lambda: service_account(ROBOT, " "), "write each as a string"),
        (lambda: service_account("", URL), "an environment variable"),
        (lambda: service_account(odd(None), URL), "an environment variable"),
        (lambda: service_account("ada@example.com", URL), "the address of a service account"),
        (lambda: service_account("ada@gserviceaccount.com.example.com", URL), "the address of a service account"),
        (lambda: service_account("ada@evilgserviceaccount.com", URL), "the address of a service account"),
        (lambda: service_account("Robot@shop-prod.iam.gserviceaccount.com", URL), "in lower case"),
        (lambda: service_account(f"../{ROBOT}", URL), "the address of a service account"),
        (lambda: service_account(f"{ROBOT}\n", URL), "the address of a service account"),
        (lambda: service_account(ROBOT, "https://oauth2.googleapis.com/token"), "an audience of Google's own"),
        (lambda: service_account(ROBOT, URL, "https://googleapis.com/"), "an audience of Google's own"),
        (lambda: service_account(ROBOT, URL, longest_lifetime=0), "1 to 43200 seconds"),
        (lambda: service_account(ROBOT, URL, longest_lifetime=43201), "1 to 43200 seconds"),
        (lambda: service_account(ROBOT, URL, longest_lifetime=odd(True)), "1 to 43200 seconds"),
        (lambda: service_account(ROBOT, URL, longest_lifetime=odd(60.0)), "1 to 43200 seconds"),
        (lambda: service_account(ROBOT, URL, keys="http://keys.example.com"), "use https"),
        (lambda: google_chat(""), "an environment variable"),
        (lambda: google_chat(odd(None)), "an environment variable"),
        (lambda: google_chat(0), "the number of the Chat app's project"),
        (lambda: google_chat(-1), "the number of the Chat app's project"),
        (lambda: google_chat(odd(True)), "the number of the Chat app's project"),
        (lambda: google_chat("shop-prod"), "the number of the Chat app's project"),
        (lambda: google_chat("\u0661"), "the number of the Chat app's project"),
        (lambda: google_chat("007"), "the number of the Chat app's project"),
        (lambda: GoogleChat("shop-prod"), "a project's number"),
        (lambda: GoogleChat(odd(1.0)), "a project's number"),
        (lambda: GoogleChat(""), "a project's number"),
    ],
)
def test_what_names_nobody_is_an_error(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert words in str(caught.value)


def test_the_audience_of_firebase_custom_tokens_is_never_a_service_accounts() -> None:
    # They are signed by a service account of the project, and handed to its users.
    audience = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
    with pytest.raises(ConfigurationError, match="Google's own"):
        service_account(ROBOT, audience)


# --- whom they name ---


def test_the_account_is_the_caller_whatever_else_it_wrote() -> None:
    claims = {
        "email": "ada@example.com",
        "email_verified": True,
        "hd": "example.com",
        "azp": "1234-abc.apps.googleusercontent.com",
        "google": {"compute_engine": {"project_id": "another"}},
        "firebase": {"sign_in_provider": "password"},
    }
    caller = robot_guard().verify(ISSUER.self_signed(ROBOT, claims=claims))
    assert str(caller) == f"serviceAccount:{ROBOT}"
    assert (caller.issuer, caller.subject, caller.email, caller.audience) == (ROBOT, ROBOT, ROBOT, URL)
    assert (caller.domain, caller.compute_engine, caller.firebase) == (None, None, None)
    assert (caller.issued_at, caller.expires_at, caller.is_service_account) == (NOW, NOW + 3600, True)


@pytest.mark.parametrize("claims", [{}, {"sub": CHAT}, {"sub": "117000000000000000001", "email": "ada@example.com"}])
def test_google_chat_is_the_caller_with_or_without_a_subject(claims: dict[str, Any]) -> None:
    caller = chat_guard().verify(ISSUER.chat(NUMBER, claims=claims))
    assert (str(caller), caller.subject, caller.audience) == (f"serviceAccount:{CHAT}", CHAT, "123456789012")
    assert (caller.email, caller.domain) == (CHAT, None)


@pytest.mark.parametrize(
    ("claims", "detail"),
    [
        ({"sub": "ada@example.com"}, f"expected sub to be {ROBOT}, as iss is, got 'ada@example.com'"),
        ({"sub": "other@shop-prod.iam.gserviceaccount.com"}, "got 'other@shop-prod.iam.gserviceaccount.com'"),
        ({"sub": ROBOT.upper()}, "got 'ROBOT@SHOP-PROD"),
        ({"sub": None}, "expected sub to be text"),
        ({"exp": NOW + 3601}, "at most 3600 s after iat (sign for less, or set longest_lifetime=), got 3601 s"),
        ({"exp": NOW + 43200}, "got 43200 s"),
        ({"iat": NOW - 3600.5, "exp": NOW + 10}, "got 3610 s"),
        ({"iat": 0}, f"got {NOW + 3600} s"),
    ],
)
def test_a_token_for_another_or_for_long_is_refused(claims: dict[str, Any], detail: str) -> None:
    refusal = refused(robot_guard(), ISSUER.self_signed(ROBOT, claims=claims))
    assert refusal.reason is Reason.BAD_CLAIMS
    assert detail in refusal.detail


def test_a_longer_lifetime_is_written_out() -> None:
    guard = robot_guard(longest_lifetime=7200)
    assert guard.verify(ISSUER.self_signed(ROBOT, lifetime=7200))
    assert refused(guard, ISSUER.self_signed(ROBOT, lifetime=7201)).reason is Reason.BAD_CLAIMS


def test_a_shorter_lifetime_counts_too() -> None:
    guard = robot_guard(longest_lifetime=60)
    assert guard.verify(ISSUER.self_signed(ROBOT, lifetime=60))
    assert refused(guard, ISSUER.self_signed(ROBOT, lifetime=61)).reason is Reason.BAD_CLAIMS


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda: ISSUER.self_signed(ROBOT, audience=TASKS), Reason.WRONG_AUDIENCE),
        (lambda: ISSUER.self_signed("else@shop-prod.iam.gserviceaccount.com"), Reason.UNKNOWN_ISSUER),
        (lambda: ISSUER.sign({**_claims(), "iss": ROBOT, "sub": ROBOT}), Reason.UNKNOWN_KEY),
        (lambda: ISSUER.self_signed(ROBOT, claims={"iss": "https://accounts.google.com"}), Reason.UNKNOWN_ISSUER),
        (lambda: ISSUER.self_signed(ROBOT, claims={"aud": [URL]}), Reason.BAD_CLAIMS),
        (lambda: ISSUER.service_account(ROBOT, audience=URL), Reason.UNKNOWN_ISSUER),
    ],
)
def test_what_the_account_did_not_sign_for_us_is_refused(token: Callable[[], str], reason: Reason) -> None:
    assert refused(robot_guard(), token()).reason is reason


def _claims() -> dict[str, Any]:
    return {"aud": URL, "iat": NOW, "exp": NOW + 3600}


def test_another_accounts_key_signs_for_nobody_else() -> None:
    other = "else@shop-prod.iam.gserviceaccount.com"
    ISSUER.account_keys(other)
    forged = ISSUER.sign({**_claims(), "iss": ROBOT, "sub": ROBOT}, key=other)
    assert refused(robot_guard(), forged).reason is Reason.UNKNOWN_KEY


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (lambda: ISSUER.chat(210987654321), Reason.WRONG_AUDIENCE),
        (lambda: ISSUER.service_account(CHAT, audience="123456789012"), Reason.UNKNOWN_ISSUER),
        (lambda: ISSUER.chat(NUMBER, claims={"sub": 7}), Reason.BAD_CLAIMS),
        (lambda: ISSUER.chat(NUMBER, claims={"sub": "1" * 256}), Reason.BAD_CLAIMS),
    ],
)
def test_what_google_chat_did_not_sign_for_this_app_is_refused(token: Callable[[], str], reason: Reason) -> None:
    assert refused(chat_guard(), token()).reason is reason


# --- what rules make of them ---


def judged(guard: Guard, requirement: Requirement, token: str) -> Any:
    return guard.judge(requirement, guard.identify({"authorization": [f"Bearer {token}"]}), {})  # type: ignore[arg-type]


def test_rules_know_the_account_by_its_address() -> None:
    guard = robot_guard()
    token = ISSUER.self_signed(ROBOT)
    admitting: list[Rule] = [ServiceAccount(ROBOT), AnyGoogleAccount(), IssuedBy(ROBOT)]
    for rule in admitting:
        assert judged(guard, Requirement(rule), token)
    for rule in (User("ada@gmail.com"), Domain("example.com"), ServiceAccount("117000000000000000001"), GoogleChat()):
        with pytest.raises(Forbidden):
            judged(guard, Requirement(rule), token)


def test_named_audiences_admit_those_of_the_issuer_that_they_name_and_no_others() -> None:
    guard = guard_of(ISSUER.google(URL), ISSUER.service_account_issuer(ROBOT, URL, TASKS))
    tasks = Requirement(ServiceAccount(ROBOT), frozenset({TASKS}))
    assert judged(guard, tasks, ISSUER.self_signed(ROBOT, audience=TASKS))
    assert judged(guard, Requirement(ServiceAccount(ROBOT)), ISSUER.self_signed(ROBOT, audience=TASKS))
    elsewhere = Requirement(ServiceAccount(ROBOT), frozenset({f"{URL}/other"}))
    for requirement, audience in ((tasks, URL), (elsewhere, f"{URL}/other"), (elsewhere, TASKS)):
        with pytest.raises(Unauthenticated) as caught:
            judged(guard, requirement, ISSUER.self_signed(ROBOT, audience=audience))
        assert caught.value.reason is Reason.WRONG_AUDIENCE
    assert judged(guard, elsewhere, ISSUER.service_account(ROBOT, audience=f"{URL}/other"))


def test_google_chat_is_a_rule_about_its_account_and_the_add_on_of_a_project() -> None:
    assert GoogleChat() == ServiceAccount(CHAT)
    add_on = ServiceAccount("service-123456789012@gcp-sa-gsuiteaddons.iam.gserviceaccount.com")
    assert GoogleChat(NUMBER) == GoogleChat("123456789012") == ServiceAccount(CHAT) | add_on


# --- beside others ---


def test_two_issuers_that_claim_one_token_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match=f"two issuers claim the tokens of {ROBOT} for the same audience"):
        Guard(service_account(ROBOT, URL), service_account(ROBOT, URL, TASKS, longest_lifetime=60))
    with pytest.raises(ConfigurationError, match=f"two issuers claim the tokens of {CHAT} for the same audience"):
        Guard(google_chat(NUMBER), service_account(CHAT, str(NUMBER)))
    assert Guard(service_account(ROBOT, URL), service_account(ROBOT, TASKS), google_chat(1), google_chat(2))


def test_of_two_issuers_of_one_account_that_with_the_audience_judges() -> None:
    guard = guard_of(
        ISSUER.service_account_issuer(ROBOT, URL, longest_lifetime=60), ISSUER.service_account_issuer(ROBOT, TASKS)
    )
    assert guard.verify(ISSUER.self_signed(ROBOT, audience=TASKS))
    assert refused(guard, ISSUER.self_signed(ROBOT, audience=URL)).reason is Reason.BAD_CLAIMS


@pytest.mark.parametrize(
    "rule", [Domain("example.com"), ServiceAccount("else@shop-prod.iam.gserviceaccount.com"), User("1" * 21)]
)
def test_a_rule_that_no_trusted_account_can_meet_is_found_at_the_start(rule: Rule) -> None:
    guard = robot_guard()
    with pytest.raises(ConfigurationError, match=r"can admit nobody: .* admits none of those") as caught:
        guard.check_possible(Requirement(rule), "GET /a")
    assert ROBOT in str(caught.value)
    guard.check_possible(Requirement(rule | ServiceAccount(ROBOT)), "GET /a")
    guard_of(ISSUER.google(URL), *guard.issuers).check_possible(Requirement(rule), "GET /a")


@pytest.mark.parametrize("serving", [True, False])
@pytest.mark.slow
def test_a_local_issuer_stands_in_for_both(serving: bool) -> None:
    guard = Guard(service_account(ROBOT, URL), google_chat(NUMBER))
    issuer = LocalIssuer()
    if serving:
        issuer.serve()
    with issuer.stands_in_for(guard):
        guard.warm()
        assert str(guard.verify(issuer.self_signed(ROBOT))) == f"serviceAccount:{ROBOT}"
        assert str(guard.verify(issuer.chat(NUMBER))) == f"serviceAccount:{CHAT}"
    issuer.close()

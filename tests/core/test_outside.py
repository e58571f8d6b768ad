"""A token that came outside headers, and a caller in hand, judged as those of a request are."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from callerid import (
    Caller,
    ConfigurationError,
    Domain,
    FirebaseUser,
    Forbidden,
    Group,
    Guard,
    IssuedBy,
    Kind,
    PathParam,
    Public,
    Reason,
    Refusal,
    Rule,
    ServiceAccount,
    SignedInWithin,
    StepUpRequired,
    Unauthenticated,
    User,
    Via,
    firebase,
    google,
)
from callerid.authentication import resolve
from callerid.testing import LocalIssuer

from .made import CLIENT, ISSUER, NOW, URL, assert_silent, firebase_token, google_token, make_guard, odd, person, robot
from .made import user as firebase_caller

if TYPE_CHECKING:
    from collections.abc import Iterator

ADA = google_token()
U1 = firebase_token()
STAFF = Domain("example.com")
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
Records = list[dict[str, Any]]


@pytest.fixture
def guard() -> Guard:
    return make_guard()


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> Iterator[Records]:
    """Whatever was logged of decisions, with the fields."""
    found: Records = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append({**vars(record)["callerid"], "level": record.levelname})

    handler = Collecting()
    caplog.set_level(logging.DEBUG, logger="callerid")
    logging.getLogger("callerid").addHandler(handler)
    yield found
    logging.getLogger("callerid").removeHandler(handler)


# --- a token, with a rule ---


def test_whom_the_rule_admits_is_returned_and_the_decision_is_logged(guard: Guard, records: Records) -> None:
    assert guard.verify(ADA, STAFF) == guard.verify(ADA)
    (record,) = records
    assert (record["level"], record["outcome"], record["route"]) == ("DEBUG", "allowed", "(token)")
    assert (record["rule"], record["caller"]) == ("domain:example.com", "user:ada@example.com")


def test_whom_the_rule_refuses_is_forbidden_with_a_record_that_says_why(guard: Guard, records: Records) -> None:
    with pytest.raises(Forbidden) as caught:
        guard.verify(U1, STAFF, where="socket /live")
    assert_silent(caught.value, U1)
    (record,) = records
    assert (record["level"], record["outcome"], record["route"]) == ("INFO", "refused", "socket /live")
    assert (record["status"], record["reason"], record["caller"]) == ("403", "not_allowed", "firebase:shop-prod/u1")
    assert record["nearest"] == "only domain:example.com did not hold"
    assert "write | FirebaseUser('u1')" in record["remedies"]


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (google_token(exp=NOW - 60, iat=NOW - 3660), Reason.EXPIRED),
        (google_token(aud="https://elsewhere.example.net"), Reason.WRONG_AUDIENCE),
        (f"{ADA[:-4]}AAAA", Reason.BAD_SIGNATURE),
        ("", Reason.MALFORMED_TOKEN),
        (f"Bearer {ADA}", Reason.MALFORMED_TOKEN),
        (f"{ADA}, Bearer {ADA}", Reason.MALFORMED_TOKEN),
        (odd(None), Reason.MALFORMED_TOKEN),
        (odd(7), Reason.MALFORMED_TOKEN),
        (odd([ADA]), Reason.MALFORMED_TOKEN),
        (odd(ADA.encode()), Reason.MALFORMED_TOKEN),
    ],
)
def test_a_token_that_cannot_be_believed_is_refused_whatever_the_message_held(
    guard: Guard, records: Records, token: str, reason: Reason
) -> None:
    for rule in (STAFF, None):
        with pytest.raises(Unauthenticated) as caught:
            guard.verify(token, rule)
        assert caught.value.reason is reason
    assert [record["reason"] for record in records] == [reason]  # without a rule there is no decision


def test_the_rule_may_be_an_iam_member_and_name_an_audience(guard: Guard) -> None:
    token = google_token(aud=f"{URL}/tasks", email=ROBOT, azp=ROBOT, hd=None)
    with pytest.raises(Unauthenticated, match="hd"):
        guard.verify(token)
    token = ISSUER.service_account(ROBOT, audience=f"{URL}/tasks")
    caller = guard.verify(token, f"serviceAccount:{ROBOT}", audience=f"{URL}/tasks")
    assert caller.is_service_account
    with pytest.raises(Unauthenticated, match="wrong_audience"):
        guard.verify(token, f"serviceAccount:{ROBOT}")


def test_a_path_parameter_is_compared_with_the_value_that_is_given(guard: Guard) -> None:
    own = FirebaseUser(PathParam("user_id"))
    assert guard.verify(U1, own, path={"user_id": "u1"}).subject == "u1"
    with pytest.raises(Forbidden):
        guard.verify(U1, own, path={"user_id": "u2"})


def test_a_step_up_is_asked_for_as_at_a_route(guard: Guard) -> None:
    with pytest.raises(StepUpRequired) as caught:
        guard.verify(firebase_token(auth_time=NOW - 600), FirebaseUser() & SignedInWithin(300))
    assert caught.value.max_age == 300


@pytest.mark.parametrize("rule", [Public(), "allUsers", Public() | FirebaseUser(), Via(ServiceAccount(ROBOT))])
def test_a_rule_that_holds_without_a_caller_is_an_error(guard: Guard, rule: Rule | str) -> None:
    with pytest.raises(ConfigurationError, match="could hold without a caller"):
        guard.verify(ADA, rule)


def test_a_path_parameter_that_is_not_given_is_an_error(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match=r"path=.'user_id'"):
        guard.verify(U1, FirebaseUser(PathParam("user_id")))
    with pytest.raises(ConfigurationError, match=r"path=.'user_id'"):
        guard.allows(firebase_caller(), FirebaseUser(PathParam("user_id")), {"other": "u1"})


def test_a_mistake_in_the_rule_is_an_error(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match="write user:EMAIL"):
        guard.verify(ADA, "ada@example.com")
    with pytest.raises(ConfigurationError, match=r"guard\.trust"):
        Guard().verify(ADA, STAFF)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_is_judged_in_a_task_as_well_and_missing_keys_are_awaited(backend: str, records: Records) -> None:
    with LocalIssuer() as issuer:
        guard = Guard(issuer.google(URL))
        token = issuer.service_account(ROBOT, audience=URL)
        caller = anyio.run(partial(guard.averify, token, ServiceAccount(ROBOT)), backend=backend)
        assert caller.email == ROBOT
        with pytest.raises(Forbidden):
            anyio.run(partial(guard.averify, token, STAFF, where="graphql"), backend=backend)
    assert [(record["outcome"], record["route"]) for record in records if "route" in record] == [
        ("allowed", "(token)"),
        ("refused", "graphql"),
    ]


# --- a nonce ---


@pytest.mark.parametrize(
    ("claims", "nonce"),
    [
        ({}, "n-1"),
        ({"nonce": "n-2"}, "n-1"),
        ({"nonce": "N-1"}, "n-1"),
        ({"nonce": "n-1 "}, "n-1"),
        ({"nonce": ""}, ""),
        ({}, ""),
        ({"nonce": "n-1"}, ""),
        ({"nonce": 1}, "1"),
        ({"nonce": ["n-1"]}, "n-1"),
        ({"nonce": None}, "None"),
        ({"nonce": "?"}, "\ud800"),
        ({"nonce": "é"}, "e"),
    ],
)
@pytest.mark.parametrize("rule", [None, STAFF])
def test_a_token_with_another_nonce_or_none_is_refused(
    guard: Guard, records: Records, claims: dict[str, Any], nonce: str, rule: Rule | None
) -> None:
    token = google_token(**claims)
    guard.verify(token, rule)  # remembered from now on
    records.clear()
    with pytest.raises(Unauthenticated) as caught:
        guard.verify(token, rule, nonce)
    assert caught.value.reason is Reason.BAD_CLAIMS
    assert "n-" not in str(caught.value)
    assert [record["reason"] for record in records] == ([] if rule is None else ["bad_claims"])


@pytest.mark.parametrize("nonce", ["n-1", "é\u2028\U0001f600"])
def test_a_token_with_the_nonce_is_taken(guard: Guard, nonce: str) -> None:
    token = google_token(nonce=nonce)
    assert guard.verify(token, nonce=nonce) == guard.verify(token, STAFF, nonce) == guard.verify(token)


def test_a_nonce_that_is_no_text_is_an_error(guard: Guard) -> None:
    with pytest.raises(ConfigurationError, match="not a int"):
        guard.verify(google_token(nonce="1"), nonce=odd(1))


# --- a caller in hand ---


def test_a_caller_in_hand_is_judged_by_the_same_rules(guard: Guard, records: Records) -> None:
    caller = guard.verify(ADA)
    assert guard.allows(caller, STAFF)
    assert guard.allows(caller, "user:ada@example.com")
    assert not guard.allows(caller, FirebaseUser())
    assert not guard.allows(caller, User("eve@example.com"))
    assert records == []


def test_a_caller_in_hand_is_compared_with_the_path_that_is_given(guard: Guard) -> None:
    own = FirebaseUser(PathParam("user_id"))
    assert guard.allows(firebase_caller(), own, {"user_id": "u1"})
    assert not guard.allows(firebase_caller(), own, {"user_id": "u2"})


def test_nobody_in_hand_is_let_in_where_no_credential_is_asked_for(guard: Guard) -> None:
    assert guard.allows(None, Public())
    assert guard.allows(None, Public() | STAFF)
    assert not guard.allows(None, STAFF)
    assert guard.allows(person(), Public())


def test_a_caller_of_an_issuer_that_is_trusted_no_more_is_not_allowed(guard: Guard) -> None:
    caller = guard.verify(ADA)
    guard.distrust(*(issuer for issuer in guard.issuers if issuer.kind is Kind.GOOGLE))
    assert not guard.allows(caller, STAFF)
    assert not guard.allows(caller, IssuedBy(caller.issuer))
    assert not guard.allows(caller, Public() | STAFF)
    assert guard.allows(firebase_caller(), FirebaseUser())


def test_a_caller_whose_token_has_expired_is_not_allowed() -> None:
    now = [float(NOW)]
    guard = Guard(google(URL, CLIENT), firebase("shop-prod"), clock=lambda: now[0], leeway=30)
    caller = person()
    now[0] = caller.expires_at + 29
    assert guard.allows(caller, STAFF)
    now[0] = caller.expires_at + 30
    assert not guard.allows(caller, STAFF)
    assert guard.allows(caller, Public())


def test_a_caller_in_hand_has_the_audience_that_is_asked_for(guard: Guard) -> None:
    caller = robot(audience=f"{URL}/tasks")
    assert guard.allows(caller, ServiceAccount(ROBOT), audience=f"{URL}/tasks")
    assert not guard.allows(caller, ServiceAccount(ROBOT))


@pytest.mark.parametrize(
    ("via", "is_allowed"),
    [
        (robot(audience=URL), True),
        (None, False),
        (robot("other@shop-prod.iam.gserviceaccount.com", audience=URL), False),
        (robot(audience="https://elsewhere.example.net"), False),
        (robot(audience=URL, expires_at=NOW - 60), False),
        (robot(audience=URL, issuer="https://issuer.example.net"), False),
    ],
)
def test_the_service_that_carried_the_call_is_judged_again(guard: Guard, via: Caller | None, is_allowed: bool) -> None:
    caller = replace(firebase_caller(), via=via)
    assert guard.allows(caller, FirebaseUser() & Via(ServiceAccount(ROBOT))) is is_allowed


def test_what_a_request_decides_a_caller_in_hand_decides(guard: Guard) -> None:
    rules = [STAFF, FirebaseUser(), User("ada@example.com"), Public(), Public() | STAFF, STAFF & FirebaseUser()]
    for token in (ADA, U1, google_token(email="eve@gmail.com", hd=odd("gmail.example"))):
        caller = guard.verify(token)
        for rule in rules:
            requirement = guard.requirement(rule)
            identity = resolve(partial(guard.identify, {"authorization": [f"Bearer {token}"]}))
            try:
                guard.judge(requirement, identity, {})
            except Refusal:
                assert not guard.allows(caller, rule)
            else:
                assert guard.allows(caller, rule)


@pytest.mark.parametrize("token", [ADA, U1, "no token"])
def test_a_look_up_that_the_guard_does_not_have_is_told_before_the_token_is_read(guard: Guard, token: str) -> None:
    with pytest.raises(ConfigurationError, match="needs the look-up 'groups', and the guard has none"):
        guard.verify(token, Group("eng@example.com"))

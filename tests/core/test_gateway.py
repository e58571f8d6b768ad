"""Calls through API Gateway: whose token is read where, and what nobody can plant."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import combinations, product
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from callerid import (
    AnyGoogleAccount,
    BadRequest,
    Caller,
    ConfigurationError,
    FirebaseUser,
    Guard,
    IssuedBy,
    Public,
    Reason,
    Refusal,
    Rule,
    ServiceAccount,
    User,
    Via,
    app_check,
    firebase,
    firebase_session,
    gateway,
    google,
    iap,
    service_account,
)
from callerid.audit._trust import as_before, believed_by_all, trust_of
from callerid.audit.algebra import CannotTell, No, Side, Yes, new_access
from callerid.authentication import resolve
from callerid.guard import Identity
from callerid.issuers import CredentialLocation
from callerid.keys import Wait
from callerid.testing import LocalIssuer, as_caller, firebase_user, google_person
from callerid.testing._claims import numeric_id
from callerid.testing._compact import header_and_claims
from callerid.testing._personas import headers_of
from callerid.testing._presenting import presented

from .made import CLIENT, ISSUER, NOW, PROJECT, URL

if TYPE_CHECKING:
    from collections.abc import Mapping

GATEWAY = "gateway@shop-prod.iam.gserviceaccount.com"
GATEWAY_ID = numeric_id(GATEWAY)
OTHER = "other@shop-prod.iam.gserviceaccount.com"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"

U1 = ISSUER.firebase_user("u1")
PERSON = ISSUER.workspace_person("ada@example.com", audience=CLIENT)
OWN = ISSUER.service_account(GATEWAY, audience=URL)
FIREBASE = ISSUER.firebase(PROJECT)


def guard_of(*issuers: Any, **options: Any) -> Guard:
    return Guard(*issuers, clock=lambda: NOW, **options)


def behind(*inner: Any, **options: Any) -> Any:
    return ISSUER.gateway(GATEWAY, *inner, **{"audience": URL, **options})


GUARD = guard_of(behind(FIREBASE, ISSUER.google(CLIENT)))
BESIDE = guard_of(behind(FIREBASE, ISSUER.google(CLIENT)), FIREBASE, ISSUER.google(URL))
"""Trusts users and services that come directly, too."""
ANYBODY = FirebaseUser() | AnyGoogleAccount()


def identify(sent: Mapping[str, Any], guard: Guard = GUARD) -> Identity:
    headers = {name: [value] if isinstance(value, str) else value for name, value in sent.items()}
    return resolve(partial(guard.identify, headers))


def decide(sent: Mapping[str, Any], rule: Rule = ANYBODY, guard: Guard = GUARD, **options: Any) -> Caller | None:
    requirement = guard.requirement(rule, **options)
    guard.check_possible(requirement, "GET /")
    caller = guard.judge(requirement, identify(sent, guard), {})
    assert not isinstance(caller, Wait)
    return caller


def refusal(sent: Mapping[str, Any], rule: Rule = ANYBODY, guard: Guard = GUARD, **options: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        decide(sent, rule, guard, **options)
    return refused.value


def through(token: str | None, own: str = OWN) -> dict[str, str]:
    forwarded = {} if token is None else {"x-forwarded-authorization": f"Bearer {token}"}
    return {"authorization": f"Bearer {own}", **forwarded}


def direct(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def planted(token: str) -> dict[str, str]:
    return {"x-forwarded-authorization": f"Bearer {token}"}


def who(caller: Caller | None) -> str:
    return "nobody" if caller is None else f"{caller} via {caller.via}"


VIA = f" via serviceAccount:{GATEWAY}"


# --- what is believed ---


@pytest.mark.parametrize("guard", [GUARD, BESIDE], ids=["alone", "beside"])
@pytest.mark.parametrize(("token", "name"), [(U1, "firebase:shop-prod/u1"), (PERSON, "user:ada@example.com")])
def test_the_forwarded_token_names_the_caller_and_the_gateway_carried_the_call(
    guard: Guard, token: str, name: str
) -> None:
    assert who(decide(through(token), guard=guard)) == name + VIA


@pytest.mark.parametrize("guard", [GUARD, BESIDE], ids=["alone", "beside"])
def test_without_a_forwarded_token_there_is_no_caller(guard: Guard) -> None:
    found = identify(through(None), guard)
    assert (found.caller, str(found.via)) == (None, f"serviceAccount:{GATEWAY}")
    refused = refusal(through(None), guard=guard)
    assert (refused.status, refused.reason, refused.error) == (401, Reason.NO_CREDENTIAL, None)
    assert f"got only serviceAccount:{GATEWAY}, which carried the call" in refused.detail
    assert decide(through(None), Via(ServiceAccount(GATEWAY)), guard) is None


def test_rules_about_the_carrier_speak_of_the_gateway() -> None:
    for rule in (Via(ServiceAccount(GATEWAY)), Via(ServiceAccount(GATEWAY_ID)), Via(AnyGoogleAccount())):
        assert who(decide(through(U1), FirebaseUser() & rule)) == "firebase:shop-prod/u1" + VIA
    assert refusal(direct(U1), FirebaseUser() & Via(ServiceAccount(GATEWAY)), BESIDE).status == 403


@pytest.mark.parametrize("named", [GATEWAY, GATEWAY.upper(), GATEWAY_ID])
@pytest.mark.parametrize("include_email", [True, False])
def test_the_gateway_is_known_by_address_or_by_id(named: str, include_email: bool) -> None:
    guard = guard_of(ISSUER.gateway(named, FIREBASE, audience=URL))
    own = ISSUER.service_account(GATEWAY, audience=URL, include_email=include_email)
    if include_email or named == GATEWAY_ID:
        assert str(identify(through(U1, own), guard).caller) == "firebase:shop-prod/u1"
    else:
        assert refusal(through(U1, own), guard=guard).reason is Reason.BAD_CLAIMS


def test_the_audience_of_a_rule_speaks_of_the_forwarded_token() -> None:
    special = ISSUER.service_account(ROBOT, audience=f"{URL}/tasks")
    assert (
        who(decide(through(special), ServiceAccount(ROBOT), audience=f"{URL}/tasks")) == f"serviceAccount:{ROBOT}{VIA}"
    )
    assert refusal(through(special), ServiceAccount(ROBOT)).reason is Reason.WRONG_AUDIENCE
    assert refusal(through(PERSON), User("7") | AnyGoogleAccount(), audience=URL).reason is Reason.WRONG_AUDIENCE


def test_self_signed_tokens_are_forwarded_too() -> None:
    guard = guard_of(behind(ISSUER.service_account_issuer(ROBOT, URL)))
    token = ISSUER.self_signed(ROBOT, audience=URL)
    assert who(decide(through(token), ServiceAccount(ROBOT), guard)) == f"serviceAccount:{ROBOT}{VIA}"
    assert refusal(direct(token), ServiceAccount(ROBOT), guard).reason is Reason.UNKNOWN_ISSUER


def test_an_app_and_a_cookie_stand_beside_a_gateway() -> None:
    guard = guard_of(behind(FIREBASE), ISSUER.app_check(1234), ISSUER.firebase_session(PROJECT))
    app = {"x-firebase-appcheck": ISSUER.app_check_token("1:1234:web:ab"), ":method": "GET"}
    cookie = {"cookie": f"session={ISSUER.session_cookie(ISSUER.firebase_user('u2'))}"}
    found = identify({**through(U1), **app, **cookie}, guard)
    assert found.caller is not None
    assert (who(found.caller), found.caller.app) == ("firebase:shop-prod/u1" + VIA, "1:1234:web:ab")
    alone = decide({**through(None), **app, **cookie}, FirebaseUser(), guard)
    assert alone is not None
    assert (who(alone), alone.app) == ("firebase:shop-prod/u2" + VIA, "1:1234:web:ab")


# --- what nobody can plant ---

FAKES = {
    "no token": {},
    "another scheme": {"authorization": "Basic Z2F0ZXdheTpnYXRld2F5"},
    "an empty header": {"authorization": ""},
}


@pytest.mark.parametrize("sent", FAKES.values(), ids=FAKES)
@pytest.mark.parametrize("guard", [GUARD, BESIDE], ids=["alone", "beside"])
@pytest.mark.parametrize("forwarded", [U1, ISSUER.expired(U1), "nonsense", OWN])
def test_without_the_gateways_token_the_forwarded_one_is_not_read(
    sent: dict[str, str], guard: Guard, forwarded: str
) -> None:
    found = identify({**sent, **planted(forwarded)}, guard)
    assert (found.caller, found.via) == (None, None)
    refused = refusal({**sent, **planted(forwarded)}, guard=guard)
    assert refused.reason is Reason.NO_CREDENTIAL
    assert "came without the gateway's own token, so it is not read" in refused.detail
    assert forwarded not in refused.detail
    assert decide({**sent, **planted(forwarded)}, Public() | ANYBODY, guard) is None


ANOTHERS = {
    "of another account": ISSUER.service_account(OTHER, audience=URL),
    "of a person": ISSUER.person("ada@gmail.com", audience=URL, hostile=True),
    "of an account that says it is the gateway": ISSUER.person(
        GATEWAY, email_verified=False, audience=URL, hostile=True
    ),
    "of a person with the gateway's address": ISSUER.altered(
        ISSUER.person(OTHER, audience=URL, hostile=True), email=GATEWAY, email_verified=False
    ),
    "of an account whose azp is the gateway": ISSUER.altered(
        ISSUER.service_account(OTHER, audience=URL, include_email=False), azp=GATEWAY
    ),
    "for another audience": ISSUER.service_account(GATEWAY, audience="https://elsewhere.example.com"),
    "for the clients of its callers": ISSUER.service_account(GATEWAY, audience=CLIENT),
    "for a list of audiences": ISSUER.altered(OWN, aud=[URL]),
    "without an audience": ISSUER.without(OWN, "aud"),
    "that it signed itself": ISSUER.self_signed(GATEWAY, audience=URL),
    "that it signed itself as Google": ISSUER.self_signed(GATEWAY, audience=URL, claims={"iss": "accounts.google.com"}),
    **ISSUER.hostile_variants(OWN),
}


@pytest.mark.parametrize("own", ANOTHERS.values(), ids=ANOTHERS)
def test_another_token_than_the_gateways_opens_nothing(own: str) -> None:
    refused = refusal(through(U1, own))
    assert (refused.status, refused.error) == (401, "invalid_token")
    assert refusal(through(None, own), Public() | Via(ServiceAccount(GATEWAY))).status == 401


@pytest.mark.parametrize(
    "own", [ISSUER.service_account(OTHER, audience=URL), ISSUER.service_account(GATEWAY, audience=CLIENT)]
)
def test_beside_a_direct_issuer_another_account_is_a_caller_who_forwards_nothing(own: str) -> None:
    guard = guard_of(behind(FIREBASE), ISSUER.google(URL, CLIENT))
    caller = decide(through(U1, own), AnyGoogleAccount(), guard)
    assert caller is not None
    assert (caller.is_service_account, caller.via) == (True, None)
    assert decide(through("nonsense", own), AnyGoogleAccount(), guard) == caller


def test_a_direct_call_is_refused_unless_the_guard_trusts_the_issuer_by_itself() -> None:
    for token in (U1, PERSON):
        refused = refusal(direct(token))
        assert (refused.status, refused.error) == (401, "invalid_token")
    refused = refusal(direct(U1))
    assert refused.detail.startswith(
        "expected https://accounts.google.com, got 'https://securetoken.google.com/shop-prod'"
    )
    assert f"are read from x-forwarded-authorization behind {GATEWAY}" in refused.remedy
    assert who(decide(direct(U1), guard=BESIDE)) == "firebase:shop-prod/u1 via None"
    # People's client id is accepted behind the gateway alone.
    assert refusal(direct(PERSON), guard=BESIDE).reason is Reason.WRONG_AUDIENCE
    assert refusal({"x-serverless-authorization": f"Bearer {PERSON}"}, guard=BESIDE).reason is Reason.WRONG_AUDIENCE


def test_audiences_of_the_one_way_are_not_those_of_the_other() -> None:
    for_url = ISSUER.service_account(ROBOT, audience=URL)
    assert refusal(through(for_url), guard=BESIDE).reason is Reason.WRONG_AUDIENCE
    assert refusal(through(for_url)).reason is Reason.WRONG_AUDIENCE
    assert who(decide(direct(for_url), guard=BESIDE)) == f"serviceAccount:{ROBOT} via None"
    own_audience = guard_of(behind(FIREBASE, audience="https://gw.example.com"), ISSUER.google(URL))
    for_gateway = ISSUER.service_account(ROBOT, audience="https://gw.example.com")
    assert refusal(direct(for_gateway), guard=own_audience).reason is Reason.WRONG_AUDIENCE
    carried = {"x-serverless-authorization": f"Bearer {for_gateway}"}
    assert refusal(carried, guard=own_audience).reason is Reason.WRONG_AUDIENCE


def test_a_direct_caller_is_no_other_for_what_they_plant() -> None:
    caller = decide({**direct(U1), **planted(ISSUER.firebase_user("admin"))}, guard=BESIDE)
    assert who(caller) == "firebase:shop-prod/u1 via None"


@pytest.mark.parametrize("name", [*ISSUER.hostile_variants(U1)])
def test_a_bad_forwarded_token_is_refused(name: str) -> None:
    bad = ISSUER.hostile_variants(U1)[name]
    refused = refusal(through(bad), Public() | ANYBODY)
    assert (refused.status, refused.error) == (401, "invalid_token")
    assert bad not in str(refused)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (ISSUER.firebase_user("u1", project="shop-test"), Reason.UNKNOWN_ISSUER),
        (ISSUER.session_cookie(U1), Reason.UNKNOWN_ISSUER),
        (ISSUER.app_check_token("1:1:web:a"), Reason.UNKNOWN_ISSUER),
        ("ya29.access", Reason.MALFORMED_TOKEN),
    ],
)
def test_what_the_inner_issuers_do_not_read_is_refused(token: str, reason: Reason) -> None:
    assert refusal(through(token)).reason is reason


@pytest.mark.parametrize("guard", [GUARD, BESIDE], ids=["alone", "beside"])
def test_the_gateway_itself_is_no_caller(guard: Guard) -> None:
    for token in (OWN, ISSUER.service_account(GATEWAY, audience=CLIENT)):
        refused = refusal(through(token), guard=guard)
        assert (refused.status, refused.reason) == (401, Reason.BAD_CLAIMS)
        assert "the gateway's own account" in refused.detail
    assert refusal(direct(OWN), ServiceAccount(GATEWAY), guard).reason is Reason.NO_CREDENTIAL
    with pytest.raises(Refusal, match="expected a caller's token, got that of the gateway"):
        guard.verify(OWN)


def test_several_values_are_400_beside_the_gateway_and_else_not_read() -> None:
    for values in ([f"Bearer {U1}", f"Bearer {U1}"], [f"Bearer {U1}, Bearer {U1}"], ["", f"Bearer {U1}"]):
        refused = refusal({**through(None), "x-forwarded-authorization": values})
        assert isinstance(refused, BadRequest)
        assert refused.reason is Reason.SEVERAL_CREDENTIALS
        assert identify({"x-forwarded-authorization": values}).caller is None
    assert refusal({"authorization": [f"Bearer {OWN}"] * 2, **planted(U1)}).reason is Reason.SEVERAL_CREDENTIALS
    assert refusal({**through(None), "x-forwarded-authorization": "Bearer"}).reason is Reason.MALFORMED_HEADER


def test_another_scheme_is_no_forwarded_credential() -> None:
    refused = refusal({**through(None), "x-forwarded-authorization": "Basic YTpi"})
    assert refused.reason is Reason.NO_CREDENTIAL
    assert refused.detail.endswith("X-Forwarded-Authorization has the scheme Basic, and only Bearer is read")


def test_what_the_gateway_says_unsigned_is_never_read() -> None:
    assert not any(b"userinfo" in name for name in GUARD.headers)
    assert sorted(GUARD.headers) == [b"authorization", b"x-forwarded-authorization"]
    assert b"x-forwarded-authorization" not in guard_of(FIREBASE).headers


def test_the_gateway_is_no_caller_where_another_issuer_wrote_the_header_out() -> None:
    own = replace(ISSUER.google(URL), locations=(CredentialLocation("authorization"),))
    found = identify(through(U1), guard_of(own, behind(FIREBASE)))
    assert str(found.caller) == f"firebase:{PROJECT}/u1"
    assert str(found.via) == f"serviceAccount:{GATEWAY}"


def test_two_gateways_forward_to_their_own_issuers_alone() -> None:
    bank = ISSUER.firebase("bank-prod")
    guard = guard_of(behind(FIREBASE), ISSUER.gateway(OTHER, bank, audience=URL))
    tokens = {"shop-prod": U1, "bank-prod": ISSUER.firebase_user("u1", project="bank-prod")}
    owns = {"shop-prod": OWN, "bank-prod": ISSUER.service_account(OTHER, audience=URL)}
    # Twice: the second time by the cache.
    for _, (project, token), (own, gateway_token) in product(range(2), tokens.items(), owns.items()):
        if project == own:
            assert str(identify(through(token, gateway_token), guard).caller) == f"firebase:{project}/u1"
        else:
            with pytest.raises(Refusal) as refused:
                identify(through(token, gateway_token), guard)
            assert refused.value.reason is Reason.UNKNOWN_ISSUER


def test_a_token_read_directly_before_is_not_believed_behind_the_gateway_and_the_reverse() -> None:
    bank, shop = ISSUER.firebase("bank-prod"), FIREBASE
    guard = guard_of(behind(shop), bank)
    u2 = ISSUER.firebase_user("u2", project="bank-prod")
    for _ in range(2):
        assert identify(direct(u2), guard).caller is not None
        assert identify(through(U1), guard).caller is not None
        for sent in (direct(U1), through(u2)):
            with pytest.raises(Refusal) as refused:
                identify(sent, guard)
            assert refused.value.reason is Reason.UNKNOWN_ISSUER


def test_the_gateway_has_the_last_word_on_who_carried_the_call() -> None:
    other = {"x-serverless-authorization": f"Bearer {ISSUER.service_account(OTHER, audience=URL)}"}
    assert who(decide({**through(U1), **other}, guard=BESIDE)) == "firebase:shop-prod/u1" + VIA
    assert who(decide({**direct(U1), **other}, guard=BESIDE)) == f"firebase:shop-prod/u1 via serviceAccount:{OTHER}"
    bad = {"x-serverless-authorization": f"Bearer {ISSUER.expired(OWN)}"}
    assert refusal({**through(U1), **bad}, guard=BESIDE).reason is Reason.EXPIRED


def test_tokens_seen_before_cost_no_signature_check_and_are_judged_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [float(NOW)]
    guard = Guard(behind(FIREBASE), clock=lambda: now[0])
    first = identify(through(U1), guard)
    monkeypatch.setattr("callerid.keys._key.Key.verify", lambda *_: pytest.fail("verified again"))
    assert identify(through(U1), guard) == first
    now[0] = NOW + 3600 + 31
    assert refusal(through(U1), guard=guard).reason is Reason.EXPIRED


def test_keys_are_waited_for_one_after_another() -> None:
    with LocalIssuer(clock=lambda: NOW) as issuer:
        guard = guard_of(issuer.gateway(GATEWAY, issuer.firebase(PROJECT), audience=URL))
        headers = issuer.through_gateway(issuer.firebase_user("u1"), GATEWAY, audience=URL)
        sent = {name.lower(): [value] for name, value in headers.items()}
        assert isinstance(guard.identify(sent), Wait)
        found = resolve(partial(guard.identify, sent))
        assert issuer.fetches == {"firebase": 1, "google": 1}
        assert who(found.caller) == "firebase:shop-prod/u1" + VIA


# --- on a private Cloud Run service ---

STRIPPED = ISSUER.stripped(OWN)


def on_cloud_run(*more: Any) -> Guard:
    return guard_of(behind(FIREBASE), ISSUER.cloud_run(URL), *more)


def test_behind_a_front_door_the_gateways_token_may_have_lost_its_signature() -> None:
    guard = on_cloud_run()
    for own in (STRIPPED, OWN):
        assert who(decide(through(U1, own), FirebaseUser() & Via(ServiceAccount(GATEWAY)), guard)) == (
            "firebase:shop-prod/u1" + VIA
        )
        assert identify(through(None, own), guard).caller is None
    assert refusal(through(ISSUER.stripped(U1), STRIPPED), guard=guard).reason is Reason.SIGNATURE_REMOVED
    assert decide(through(U1, STRIPPED), FirebaseUser(), guard) is not None  # the door is taken to be closed still


def test_without_cloud_run_such_a_token_is_refused() -> None:
    for guard in (GUARD, BESIDE):
        assert refusal(through(U1, STRIPPED), guard=guard).reason is Reason.SIGNATURE_REMOVED


def test_a_token_without_a_signature_forwards_nothing_where_the_front_door_did_not_check_it() -> None:
    guard = on_cloud_run()
    checked = {"x-serverless-authorization": f"Bearer {ISSUER.stripped(ISSUER.service_account(OTHER, audience=URL))}"}
    assert refusal({**through(U1, STRIPPED), **checked}, guard=guard).reason is Reason.SIGNATURE_REMOVED
    found = identify({**through(U1), **checked}, guard)
    assert who(found.caller) == "firebase:shop-prod/u1" + VIA


def test_another_account_without_a_signature_is_a_caller_who_forwards_nothing() -> None:
    guard = on_cloud_run()
    own = ISSUER.stripped(ISSUER.service_account(OTHER, audience=URL))
    assert who(decide(through(U1, own), AnyGoogleAccount(), guard)) == f"serviceAccount:{OTHER} via None"


def test_the_front_doors_audience_is_needed_too() -> None:
    guard = guard_of(behind(FIREBASE, audience="https://gw.example.com"), ISSUER.cloud_run(URL))
    own = ISSUER.stripped(ISSUER.service_account(GATEWAY, audience="https://gw.example.com"))
    assert refusal(through(U1, own), guard=guard).reason is Reason.WRONG_AUDIENCE


def test_calls_through_the_gateway_do_not_say_that_the_front_door_is_open(caplog: pytest.LogCaptureFixture) -> None:
    guard = on_cloud_run()
    for own, token in product((OWN, STRIPPED), ("nonsense", ISSUER.forged(U1), ISSUER.expired(U1), OWN)):
        assert refusal(through(token, own), guard=guard).status == 401
    for own, forwarded in product((OWN, STRIPPED), (None, U1)):
        assert identify(through(forwarded, own), guard).via is not None
    assert not [record for record in caplog.records if record.levelno >= logging.CRITICAL]
    # What is planted is no credential: the door lets nobody in with that.
    assert identify(planted(U1), guard).caller is None
    assert [record for record in caplog.records if record.levelno >= logging.CRITICAL]
    assert refusal(through(U1, STRIPPED), guard=guard).status == 503
    assert identify(through(U1, OWN), guard).caller is not None


# --- as it is written ---


@pytest.mark.parametrize(
    "account", ["", None, 7, "ada@example.com", "gateway", "*@shop.iam.gserviceaccount.com", "12a"]
)
def test_a_gateway_is_a_service_account(account: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes the service account that the gateway calls as"):
        gateway(account, firebase(PROJECT), audience=URL)


def test_a_gateway_forwards_to_somebody() -> None:
    with pytest.raises(ConfigurationError, match="takes the issuers of the tokens that it forwards"):
        gateway(GATEWAY, audience=URL)


BACKEND = "/projects/12/global/backendServices/34"


@pytest.mark.parametrize(
    "inner",
    [
        firebase_session(PROJECT),
        iap(BACKEND),
        app_check(1234),
        ISSUER.cloud_run(URL),
        gateway(GATEWAY, firebase(PROJECT), audience=URL),
        "firebase",
    ],
)
def test_what_no_gateway_forwards_is_an_error(inner: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes issuers of signed tokens in Authorization"):
        gateway(GATEWAY, inner, audience=URL)


@pytest.mark.parametrize("audience", ["", None, (), "https://*.example.com", [URL, ""]])
def test_a_gateways_token_is_for_an_audience(audience: Any) -> None:
    with pytest.raises(ConfigurationError):
        gateway(GATEWAY, firebase(PROJECT), audience=audience)


def test_several_audiences_may_be_its() -> None:
    made = gateway(GATEWAY, firebase(PROJECT), audience=[URL, "https://other.example.com"])
    assert made.audiences == frozenset({URL, "https://other.example.com"})


def test_two_of_one_account_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="two gateways are"):
        guard_of(behind(FIREBASE), behind(ISSUER.google(CLIENT), audience="https://other.example.com"))
    guard_of(behind(FIREBASE), behind(FIREBASE))  # one and the same


def test_a_guard_takes_it_as_its_parts_and_forgets_all_of_them() -> None:
    made = behind(FIREBASE)
    guard = guard_of(made, ISSUER.google(URL))
    assert [type(each).__name__ for each in guard.issuers] == ["GatewayIssuer", "FirebaseIssuer", "GoogleIssuer"]
    copy = Guard.like(guard)
    guard.distrust(made)
    assert [type(each).__name__ for each in guard.issuers] == ["GoogleIssuer"]
    assert who(decide(through(None), guard=guard)) == f"serviceAccount:{GATEWAY} via None"
    assert who(decide(through(U1), guard=copy)) == "firebase:shop-prod/u1" + VIA


# --- at start-up, and in hand ---


@pytest.mark.parametrize("rule", [User("7"), AnyGoogleAccount(), ServiceAccount(GATEWAY)])
def test_a_gateway_speaks_for_no_caller(rule: Rule) -> None:
    guard = guard_of(behind(FIREBASE))
    with pytest.raises(ConfigurationError, match=r"needs google\(\.\.\.\) among the guard's issuers"):
        guard.check_possible(guard.requirement(rule), "GET /")
    with pytest.raises(ConfigurationError, match="names none of the guard's issuers"):
        guard.check_possible(guard.requirement(IssuedBy("https://accounts.google.com")), "GET /")


def test_no_other_account_carries_calls() -> None:
    guard = guard_of(behind(FIREBASE))
    guard.check_possible(guard.requirement(FirebaseUser() & Via(ServiceAccount(GATEWAY))), "GET /")
    with pytest.raises(ConfigurationError, match="can admit nobody"):
        guard.check_possible(guard.requirement(FirebaseUser() & Via(ServiceAccount(OTHER))), "GET /")


def test_who_comes_directly_was_not_carried_by_the_gateway() -> None:
    guard = guard_of(behind(FIREBASE), ISSUER.firebase("bank-prod"))
    bank = FirebaseUser(project="bank-prod") & Via(ServiceAccount(GATEWAY))
    with pytest.raises(ConfigurationError, match="can admit nobody"):
        guard.check_possible(guard.requirement(bank), "GET /")
    guard.check_possible(guard.requirement(FirebaseUser(project="shop-prod")), "GET /")


def test_an_audience_is_an_error_where_no_forwarded_token_has_one() -> None:
    guard = guard_of(behind(FIREBASE))
    with pytest.raises(ConfigurationError, match="this guard reads none of them"):
        guard.check_possible(guard.requirement(FirebaseUser() | AnyGoogleAccount(), audience=URL), "GET /")


@pytest.mark.parametrize("token", [U1, PERSON])
def test_a_caller_in_hand_is_believed_as_long_as_the_gateway_is(token: str) -> None:
    made = behind(FIREBASE, ISSUER.google(CLIENT))
    guard = guard_of(made)
    caller = decide(through(token), guard=guard)
    assert caller is not None
    assert guard.allows(caller, ANYBODY)
    assert guard.allows(caller, Via(ServiceAccount(GATEWAY)) & ANYBODY)
    guard.distrust(made)
    guard.trust(ISSUER.firebase("bank-prod"))
    assert not guard.allows(caller, ANYBODY)


# --- what changed, and in tests ---


def test_the_lock_says_which_gateway_and_another_is_new_access() -> None:
    issuers = guard_of(behind(FIREBASE)).issuers
    written = dict(trust_of(guard_of(behind(FIREBASE))).issuers)
    assert f"gateway {GATEWAY}" in written["https://accounts.google.com"]
    assert f"reads x-forwarded-authorization behind {GATEWAY}" in written["https://securetoken.google.com/shop-prod"]
    before = as_before(trust_of(guard_of(behind(FIREBASE))), issuers)
    assert before == issuers
    rule = FirebaseUser() & Via(AnyGoogleAccount())
    others = guard_of(ISSUER.gateway(OTHER, FIREBASE, audience=URL)).issuers
    verdict = new_access(Side(rule, issuers=issuers), Side(rule, issuers=others))
    assert not isinstance(verdict, No)
    assert isinstance(new_access(Side(rule, issuers=issuers), Side(rule, issuers=issuers)), No)


def test_beside_google_the_lock_tells_them_apart() -> None:
    guard = guard_of(ISSUER.google(URL), behind(FIREBASE))
    assert as_before(trust_of(guard), guard.issuers) == tuple(
        sorted(guard.issuers, key=lambda each: (each.name, str(trust_of(guard_of(each)).issuers)))
    )


def test_to_trust_an_issuer_directly_cannot_be_told_and_the_reverse_is_nobody_new() -> None:
    only = Side(FirebaseUser(), issuers=guard_of(behind(FIREBASE)).issuers)
    directly = Side(FirebaseUser(), issuers=guard_of(FIREBASE).issuers)
    assert isinstance(new_access(only, directly), CannotTell)
    assert isinstance(new_access(directly, only), No)


def test_a_witness_comes_through_the_gateway() -> None:
    issuers = guard_of(behind(FIREBASE)).issuers
    carried = Via(ServiceAccount(GATEWAY))
    verdict = new_access(
        Side(FirebaseUser("u2") & carried, issuers=issuers), Side(FirebaseUser() & carried, issuers=issuers)
    )
    assert isinstance(verdict, Yes)
    assert verdict.witness.is_forwarded
    sent = {name.lower(): value for name, value in headers_of(verdict.witness, ISSUER).items()}
    guard = guard_of(behind(FIREBASE))
    assert decide(sent, FirebaseUser() & carried, guard) is not None
    assert refusal(sent, FirebaseUser("u2") & carried, guard).status == 403


def test_a_witness_who_needs_no_gateway_by_the_rule_comes_through_it_all_the_same() -> None:
    issuers = guard_of(behind(FIREBASE)).issuers
    verdict = new_access(Side(FirebaseUser("u2"), issuers=issuers), Side(FirebaseUser(), issuers=issuers))
    assert isinstance(verdict, Yes)
    sent = {name.lower(): value for name, value in headers_of(verdict.witness, ISSUER).items()}
    assert decide(sent, FirebaseUser(), guard_of(behind(FIREBASE))) is not None


def test_guards_behind_each_other_believe_what_both_forward() -> None:
    outer, inner = guard_of(behind(FIREBASE)).issuers, guard_of(behind(FIREBASE), ISSUER.google(URL)).issuers
    shared, audiences = believed_by_all([(outer, None), (inner, None)])
    assert (set(shared), audiences) == (set(outer), None)


@pytest.mark.parametrize("account", [GATEWAY, GATEWAY_ID])
def test_a_local_issuer_sends_what_comes_through_a_gateway(account: str) -> None:
    guard = guard_of(ISSUER.gateway(account, FIREBASE))
    for token in (U1, None):
        sent = {name.lower(): value for name, value in ISSUER.through_gateway(token, account).items()}
        assert (identify(sent, guard).caller is None) is (token is None)
    shown = presented(U1, guard.issuers, ISSUER)
    assert set(shown) == {"Authorization", "X-Forwarded-Authorization"}
    assert presented(U1, BESIDE.issuers, ISSUER) == ISSUER.bearer(U1)


@pytest.mark.parametrize(
    ("caller", "rule"), [(firebase_user("u1"), FirebaseUser()), (google_person("ada@gmail.com"), User("ada@gmail.com"))]
)
def test_a_test_may_act_as_whom_it_forwards(caller: Caller, rule: Rule) -> None:
    with as_caller(GUARD, caller) as acting:
        assert decide({}, rule) == acting
    with LocalIssuer(clock=lambda: NOW).stands_in_for(GUARD) as issuer:
        sent = issuer.through_gateway(issuer.firebase_user("u1"), GATEWAY)
        assert decide({name.lower(): value for name, value in sent.items()}, FirebaseUser()) is not None
    assert google(URL) in guard_of(google(URL)).issuers
    assert service_account(ROBOT, URL).account == ROBOT


def test_the_account_of_a_gateway_that_is_none_any_more_may_be_a_new_caller() -> None:
    old = Side(AnyGoogleAccount(), issuers=guard_of(behind(FIREBASE), ISSUER.google(URL)).issuers)
    new = Side(AnyGoogleAccount(), issuers=guard_of(FIREBASE, ISSUER.google(URL)).issuers)
    verdict = new_access(old, new)
    assert isinstance(verdict, Yes)
    assert verdict.witness.email == GATEWAY
    assert isinstance(new_access(new, old), No)
    elsewhere = guard_of(behind(FIREBASE, audience="https://gw.example.com"), ISSUER.google(URL)).issuers
    assert isinstance(new_access(Side(AnyGoogleAccount(), issuers=elsewhere), new), No)


# --- no new access, beside guards that judge real requests ---

LEAVES = (
    FirebaseUser(),
    FirebaseUser("u1"),
    AnyGoogleAccount(),
    ServiceAccount(ROBOT),
    Via(ServiceAccount(GATEWAY)),
    Via(ServiceAccount(OTHER)),
    Via(AnyGoogleAccount()),
    Public(),
)
GOOGLE = ISSUER.google(URL)
TRUSTED = (
    (behind(FIREBASE),),
    (behind(FIREBASE, GOOGLE),),
    (behind(FIREBASE), FIREBASE),
    (behind(FIREBASE), GOOGLE),
    (FIREBASE, GOOGLE),
)
TOKENS = (None, U1, ISSUER.firebase_user("u2"), ISSUER.service_account(ROBOT, audience=URL))
CARRIER = {"x-serverless-authorization": f"Bearer {ISSUER.service_account(OTHER, audience=URL)}"}


def requests_of(token: str | None, *, is_carried: bool) -> list[dict[str, str]]:
    """All that somebody may send who has this token, and who may use the gateway."""
    own = [{}, through(None), *([] if token is None else [direct(token), through(token)])]
    return [*own, *({**each, **CARRIER} for each in own if is_carried)]


def is_let_in(guard: Guard, rule: Rule, sent: dict[str, str]) -> bool:
    try:
        guard.judge(guard.requirement(rule), Identity() if rule == Public() else identify(sent, guard), {})
    except Refusal:
        return False
    return True


def a_rule(random: Random, size: int) -> Rule:
    if size == 1:
        return random.choice(LEAVES)
    one, other = a_rule(random, size // 2), a_rule(random, size - size // 2)
    return one & other if random.random() < 0.5 else one | other


def who_is(sent: dict[str, str]) -> object:
    token = sent.get("authorization", "").removeprefix("Bearer ")
    return header_and_claims(token)[1].get("email") if token else None


@pytest.mark.parametrize("part", range(4))
def test_no_new_access_says_what_guards_do(part: int) -> None:
    random = Random(f"gateways {part}")
    guards = {trusted: guard_of(*trusted) for trusted in TRUSTED}
    said: Counter[str] = Counter()
    for _ in range(60):
        trusted, later = random.choice(TRUSTED), random.choice(TRUSTED)
        before, after = a_rule(random, random.randint(1, 3)), a_rule(random, random.randint(1, 3))
        old, new = guards[trusted], guards[later]
        verdict = new_access(Side(before, issuers=old.issuers), Side(after, issuers=new.issuers))
        said[type(verdict).__name__] += 1
        if isinstance(verdict, Yes):
            sent = {name.lower(): value for name, value in headers_of(verdict.witness, ISSUER).items()}
            assert is_let_in(new, after, sent), (before, after, verdict)
            less = [{name: sent[name] for name in names} for names in powerset(sent)]
            if old.authenticator.trusted.gateways != new.authenticator.trusted.gateways:
                # The gateway's token names a caller on one side, and a carrier on the other.
                less = [each for each in less if who_is(each) != GATEWAY]
            assert not any(is_let_in(old, before, each) for each in less), (before, after, verdict)
        elif isinstance(verdict, No):
            for token, is_carried in product(TOKENS, (False, True)):
                sendable = requests_of(token, is_carried=is_carried)
                if any(is_let_in(new, after, each) for each in sendable):
                    assert any(is_let_in(old, before, each) for each in sendable), (
                        before,
                        after,
                        trusted,
                        later,
                        token,
                    )
    assert min(said["Yes"], said["No"]) > 5, said


def powerset(names: Mapping[str, str]) -> list[tuple[str, ...]]:
    return [each for size in range(len(names) + 1) for each in combinations(names, size)]

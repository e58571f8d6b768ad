"""The flow: slots, credentials, audiences, verdicts, and what the log is told."""

from __future__ import annotations

import contextlib
import logging
import traceback
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from callerid import (
    AllOf,
    AnyGoogleAccount,
    BadRequest,
    ConfigurationError,
    Domain,
    EmailDomain,
    FirebaseUser,
    Forbidden,
    Guard,
    IssuedBy,
    KeyDocument,
    Nobody,
    PathParam,
    Public,
    Reason,
    Refusal,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    StepUpRequired,
    Tenant,
    Unauthenticated,
    Unavailable,
    User,
    Via,
    Where,
    firebase,
    google,
)
from callerid.authentication import resolve, resolve_async
from callerid.guard import Identity, Requirement, combined
from callerid.testing import LocalIssuer

from .made import (
    CLIENT,
    ISSUER,
    NOW,
    PROJECT,
    URL,
    assert_silent,
    firebase_token,
    google_claims,
    google_token,
    judged,
    make_guard,
    odd,
    person,
    told,
    user,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ADA = google_token()
U1 = firebase_token()
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
ROBOTS = ISSUER.service_account(ROBOT, audience=URL)
STRIPPED = ISSUER.stripped(ROBOTS)
AUTHORIZATION = "authorization"
SERVERLESS = "x-serverless-authorization"


def identify(guard: Guard, *values: str, header: str = AUTHORIZATION) -> Identity:
    return resolve(partial(guard.identify, {header: list(values)}))


# --- slots ---


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer {ADA}",
        f"bearer {ADA}",
        f"BEARER {ADA}",
        f"bEaReR {ADA}",
        f" Bearer {ADA}",
        f"Bearer {ADA} ",
        f"\t Bearer {ADA}\t ",
    ],
)
def test_a_bearer_token_is_read_in_any_case_and_with_blanks_at_the_ends(guard: Guard, value: str) -> None:
    assert str(identify(guard, value).caller) == "user:ada@example.com"


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "\t",
        "Basic YWRhOnB3",
        f"Basic {ADA}",
        f"JWT {ADA}",
        f"DPoP {ADA}",
        f"Bearerx {ADA}",
        f"Bearer-x {ADA}",
        f"Bearer.{ADA}",
        f"Bearer1 {ADA}",
        "Digest a=1, b=2",
        'Digest username="x", realm="y", uri="/"',
        f"Token {ADA}",
        ADA,
        "Bear",
        "x",
    ],
)
def test_another_scheme_is_no_credential(guard: Guard, value: str) -> None:
    assert identify(guard, value)[:2] == (None, None)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Basic YWRhOnB3", "Authorization has the scheme Basic, and only Bearer is read"),
        (" dpop x", "Authorization has the scheme DPoP, and only Bearer is read"),
        ("Negotiate", "Authorization has the scheme Negotiate, and only Bearer is read"),
        (f"Bearerx {ADA}", "Authorization has another scheme than Bearer"),
        ("hunter2 hunter3", "Authorization has another scheme than Bearer"),
        (ADA, "Authorization has a JWT without a scheme: send Bearer, one space and the token"),
        ("hunter2", "Authorization has a value without a scheme: send Bearer, one space and the token"),
    ],
)
def test_what_is_no_bearer_token_is_named_in_the_log_without_its_value(guard: Guard, value: str, said: str) -> None:
    identity = identify(guard, value)
    with pytest.raises(Unauthenticated) as caught:
        guard.judge(guard.requirement(Domain("example.com")), identity, {})
    assert caught.value.reason is Reason.NO_CREDENTIAL
    assert caught.value.detail == f"expected domain:example.com, got no credential: {said}"
    assert_silent(caught.value, ADA)
    assert "hunter" not in caught.value.detail
    assert str(guard.answer(caught.value, "")) == str(guard.answer(Unauthenticated(Reason.NO_CREDENTIAL), ""))


@pytest.mark.parametrize("value", ["", " "])
def test_of_nothing_nothing_is_said(guard: Guard, value: str) -> None:
    assert identify(guard, value) == Identity()


def test_what_else_was_sent_beside_the_service_that_carried_the_call(guard: Guard) -> None:
    sent = {AUTHORIZATION: ["Basic x"], SERVERLESS: [f"Bearer {ISSUER.service_account(ROBOT, audience=URL)}"]}
    with pytest.raises(Unauthenticated) as caught:
        guard.judge(guard.requirement(Domain("example.com")), resolve(partial(guard.identify, sent)), {})
    carried = f"only serviceAccount:{ROBOT}, which carried the call"
    assert caught.value.detail.endswith(f"got {carried}: Authorization has the scheme Basic, and only Bearer is read")


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "bearer",
        "Bearer ",
        " Bearer\t",
        f"Bearer  {ADA}",
        f"Bearer\t{ADA}",
        f"Bearer \t{ADA}",
        f"Bearer {ADA} x",
        f"Bearer={ADA}",
        f"Bearer: {ADA}",
        f"Bearer:{ADA}",
        f'Bearer "{ADA} "',
        f"Bearer {ADA}\n x",
        f"Bearer {ADA}\r\nX: y",
        f"Bearer {ADA}\0",
        f"Bearer {ADA}\vx",
        f"Bearer {ADA}\fx",
        f"Bearer\u00a0{ADA}",
        f"Bearer\u00e9 {ADA}",
    ],
)
def test_a_bearer_header_that_is_not_one_token_is_a_bad_request(guard: Guard, value: str) -> None:
    with pytest.raises(BadRequest) as caught:
        identify(guard, value)
    assert caught.value.reason is Reason.MALFORMED_HEADER
    assert_silent(caught.value, ADA)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Bearer ", "Bearer without a token"),
        (f"Bearer {ADA} x", "several words behind Bearer"),
        (f"Bearer  {ADA}", "a blank or a control character too many"),
        (f"Bearer {ADA}\0", "a blank or a control character too many"),
        (f"Bearer:{ADA}", "another character than a space behind Bearer"),
    ],
)
def test_the_log_says_what_is_wrong_with_a_bearer_header(guard: Guard, value: str, said: str) -> None:
    with pytest.raises(BadRequest) as caught:
        identify(guard, value)
    assert caught.value.detail == f"expected Authorization to be Bearer, one space and one token, got {said}"


@pytest.mark.parametrize("header", [AUTHORIZATION, SERVERLESS])
@pytest.mark.parametrize(
    "values",
    [
        [f"Bearer {ADA}", f"Bearer {ADA}"],
        [f"Bearer {ADA}", f"Bearer {U1}"],
        [f"Bearer {ADA}", "Basic YWRhOnB3"],
        ["Basic YWRhOnB3", "Basic YWRhOnB3"],
        ["", f"Bearer {ADA}"],
        ["", ""],
        [f"Bearer {ADA}"] * 3,
        # as servers and proxies join them
        [f"Bearer {ADA},Bearer {ADA}"],
        [f"Bearer {ADA}, \t bearer {U1}"],
        [f"Bearer {ADA},bearer"],
        [f"Bearer {ADA},{U1}"],
        [f"Bearer {ADA},"],
        [f"Bearer {ADA}, Basic YWRhOnB3"],
        [f"Bearer,{ADA}"],
        [f"Bearer, {ADA}"],
        [f"Bearer ,{ADA}"],
        [f"Basic YWRhOnB3,Bearer {ADA}"],
        ["Basic YWRhOnB3, Basic YWRhOnB3"],
        ["Basic YWRhOnB3, Bearer"],
        [f", Bearer {ADA}"],
    ],
)
def test_two_values_in_a_slot_are_a_bad_request(guard: Guard, header: str, values: list[str]) -> None:
    with pytest.raises(BadRequest) as caught:
        identify(guard, *values, header=header)
    assert caught.value.reason is Reason.SEVERAL_CREDENTIALS
    assert_silent(caught.value, ADA)


def test_a_header_without_an_end_costs_its_length(guard: Guard) -> None:
    for letters in (",", " ", ", ", ",a", "a ", ",\t", ", a"):
        with contextlib.suppress(BadRequest):
            assert identify(guard, letters * 200_000)[:2] == (None, None)


@pytest.mark.parametrize(
    "header",
    [
        "cookie",
        "x-forwarded-authorization",
        "x-goog-iap-jwt-assertion",
        "proxy-authorization",
        "x-user",
        "authorization ",
    ],
)
def test_no_other_header_is_an_identity(guard: Guard, header: str) -> None:
    assert identify(guard, f"Bearer {ADA}", header=header) == Identity()


def test_the_guard_says_which_headers_it_reads() -> None:
    assert make_guard().slots == {AUTHORIZATION, SERVERLESS}
    assert Guard(firebase(PROJECT)).slots == {AUTHORIZATION}
    assert Guard().slots == frozenset()


def test_a_guard_of_firebase_alone_reads_no_other_slot() -> None:
    guard = Guard(ISSUER.firebase(PROJECT), clock=lambda: NOW)
    assert identify(guard, "Bearer nonsense", header=SERVERLESS) == Identity()
    assert identify(guard, f"Bearer {ADA}", f"Bearer {ADA}", header=SERVERLESS) == Identity()
    with pytest.raises(Unauthenticated, match="unknown_issuer"):
        identify(guard, f"Bearer {ADA}")


def test_nothing_sent_is_nobody(guard: Guard) -> None:
    assert (
        resolve(partial(guard.identify, {}))
        == resolve(partial(guard.identify, {AUTHORIZATION: []}))
        == Identity(None, None)
    )


# --- what carried the call ---


def test_a_service_carries_a_users_call(guard: Guard) -> None:
    identity = resolve(partial(guard.identify, {AUTHORIZATION: [f"Bearer {U1}"], SERVERLESS: [f"Bearer {ROBOTS}"]}))
    assert str(identity.caller) == "firebase:shop-prod/u1"
    assert str(identity.via) == f"serviceAccount:{ROBOT}"
    assert identity.caller is not None
    assert identity.caller.via == identity.via


def test_a_service_is_the_caller_only_in_authorization(guard: Guard) -> None:
    identity = identify(guard, f"Bearer {ROBOTS}", header=SERVERLESS)
    assert identity.caller is None
    with pytest.raises(Unauthenticated) as caught:
        guard.judge(Requirement(ServiceAccount(ROBOT)), identity, {})
    assert caught.value.reason is Reason.NO_CREDENTIAL
    assert caught.value.detail.endswith(f"got only serviceAccount:{ROBOT}, which carried the call")
    assert str(judged(ServiceAccount(ROBOT), ROBOTS)) == f"serviceAccount:{ROBOT}"


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({AUTHORIZATION: [f"Bearer {U1}"], SERVERLESS: ["Bearer nonsense"]}, Reason.MALFORMED_TOKEN),
        ({AUTHORIZATION: ["Bearer nonsense"], SERVERLESS: [f"Bearer {ROBOTS}"]}, Reason.MALFORMED_TOKEN),
        ({SERVERLESS: [f"Bearer {ISSUER.forged(ROBOTS)}"]}, Reason.BAD_SIGNATURE),
        ({SERVERLESS: [f"Bearer {ISSUER.expired(ROBOTS)}"]}, Reason.EXPIRED),
        ({SERVERLESS: [f"Bearer {U1}"]}, Reason.UNKNOWN_ISSUER),
        ({SERVERLESS: [f"Bearer {ISSUER.service_account(ROBOT, audience=URL + '/tasks')}"]}, Reason.WRONG_AUDIENCE),
    ],
)
def test_every_credential_that_is_sent_must_be_valid(guard: Guard, sent: dict[str, list[str]], reason: Reason) -> None:
    with pytest.raises(Unauthenticated) as caught:
        resolve(partial(guard.identify, sent))
    assert caught.value.reason is reason


def test_a_stripped_signature_is_no_credential_where_google_strips_and_an_error_elsewhere(guard: Guard) -> None:
    assert identify(guard, f"Bearer {STRIPPED}", header=SERVERLESS) == Identity()
    identity = resolve(partial(guard.identify, {AUTHORIZATION: [f"Bearer {ADA}"], SERVERLESS: [f"Bearer {STRIPPED}"]}))
    assert identity.via is None
    with pytest.raises(Unauthenticated) as caught:
        identify(guard, f"Bearer {STRIPPED}")
    assert caught.value.reason is Reason.SIGNATURE_REMOVED
    with pytest.raises(BadRequest):
        identify(guard, f"Bearer {STRIPPED} ,", header=SERVERLESS)


# --- verdicts ---


def verdict(rule: Rule, identity: Identity, **path: Any) -> Any:
    return make_guard().judge(Requirement(rule), identity, path)


def test_whom_a_rule_admits_the_handler_gets() -> None:
    caller = judged(Domain("example.com"), ADA)
    assert str(caller) == "user:ada@example.com"
    assert judged("domain:example.com", ADA) == caller
    assert str(judged(FirebaseUser(PathParam("user_id")), U1, path={"user_id": "u1"})) == "firebase:shop-prod/u1"


@pytest.mark.parametrize("rule", [Domain("example.com"), FirebaseUser(), Nobody(), User("7") | Tenant("acme")])
def test_nothing_sent_where_a_rule_needs_it_is_a_401_without_an_error(rule: Rule) -> None:
    with pytest.raises(Unauthenticated) as caught:
        judged(rule, None)
    assert (caught.value.status, caught.value.reason, caught.value.error) == (401, Reason.NO_CREDENTIAL, None)


@pytest.mark.parametrize(
    ("rule", "token"),
    [
        (Domain("other.example.com"), ADA),
        (Domain("example.com"), U1),
        (FirebaseUser(), ADA),
        (FirebaseUser("u2"), U1),
        (Nobody(), ADA),
        (Domain("example.com") & Via(ServiceAccount(ROBOT)), ADA),
        (SecondFactor() & FirebaseUser("u2"), U1),
        (SecondFactor(), ADA),
        (Where("fails", lambda caller: len(str(caller)) < 1 / 0), ADA),
    ],
)
def test_a_caller_whom_no_rule_admits_is_a_403_and_the_log_learns_why(rule: Rule, token: str) -> None:
    with pytest.raises(Forbidden) as caught:
        judged(rule, token)
    assert (caught.value.status, caught.value.error) == (403, "insufficient_scope")
    assert caught.value.why.startswith("- ")
    assert str(rule) in caught.value.detail
    assert_silent(caught.value, token)


@pytest.mark.parametrize(
    ("rule", "max_age"),
    [
        (SignedInWithin(300), 300),
        (SignedInWithin(300) & FirebaseUser(), 300),
        (SignedInWithin(300) & SignedInWithin(60), 60),
        (SecondFactor(), None),
        (SignedInWithin(300) & SecondFactor(), 300),
        (SignedInWithin(300) | Domain("example.com"), 300),
    ],
)
def test_a_better_sign_in_is_asked_for_where_only_that_is_missing(rule: Rule, max_age: int | None) -> None:
    with pytest.raises(StepUpRequired) as caught:
        judged(rule, firebase_token(auth_time=NOW - 1000))
    assert (caught.value.status, caught.value.error) == (401, "insufficient_user_authentication")
    assert caught.value.max_age == max_age


def test_a_public_place_reads_nobody() -> None:
    assert judged(Public(), ADA) is None
    assert verdict(Public(), Identity(person(audience="wrong"))) is None
    assert verdict(AllOf(Public()), Identity()) is None


OPTIONAL = Public() | Domain("example.com")


@pytest.mark.parametrize(
    ("rule", "token", "name"),
    [
        (OPTIONAL, None, None),
        (OPTIONAL, ADA, "user:ada@example.com"),
        (OPTIONAL, U1, None),
        (OPTIONAL, ROBOTS, None),
        (Domain("example.com") | Public(), ADA, "user:ada@example.com"),
        (Public() | (Public() & Domain("example.com")), ADA, "user:ada@example.com"),
        (Public() | (Public() & Domain("example.com")), U1, None),
        (Public() | (FirebaseUser() & SecondFactor()), U1, None),
        (OPTIONAL & (Public() | User("7")), ADA, None),
        (OPTIONAL & User("110000000000000000001"), ADA, "user:ada@example.com"),
    ],
)
def test_an_optional_identity_is_the_rules_to_give(rule: Rule, token: str | None, name: str | None) -> None:
    caller = judged(rule, token)
    assert (None if caller is None else str(caller)) == name


@pytest.mark.parametrize("token", [ISSUER.expired(ADA), ISSUER.forged(ADA), "nonsense", google_token(aud=URL + "/x")])
def test_an_optional_identity_that_is_not_valid_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        judged(OPTIONAL, token)


def test_a_place_knows_whether_it_may_have_no_caller() -> None:
    assert Requirement(Public()).public
    assert Requirement(Public()).optional
    assert not Requirement(OPTIONAL).public
    assert Requirement(OPTIONAL).optional
    assert Requirement(Via(ServiceAccount(ROBOT))).optional
    assert not Requirement(Domain("a.com")).optional


def test_a_carriers_rule_alone_lets_a_call_in() -> None:
    guard = make_guard()
    requirement = guard.requirement(Via(ServiceAccount(ROBOT)))
    both = resolve(partial(guard.identify, {AUTHORIZATION: [f"Bearer {U1}"], SERVERLESS: [f"Bearer {ROBOTS}"]}))
    assert guard.judge(requirement, Identity(None, both.via), {}) is None
    assert str(guard.judge(requirement, both, {})) == "firebase:shop-prod/u1"
    with pytest.raises(Unauthenticated):
        guard.judge(requirement, Identity(), {})


def test_the_time_is_asked_at_every_verdict() -> None:
    now = [NOW]
    guard = Guard(ISSUER.firebase(PROJECT), clock=lambda: now[0])
    identity = identify(guard, f"Bearer {U1}")
    requirement = guard.requirement(SignedInWithin(60))
    assert guard.judge(requirement, identity, {}) is not None
    now[0] += 61
    with pytest.raises(StepUpRequired):
        guard.judge(requirement, identity, {})


# --- audiences ---

TASKS = f"{URL}/tasks"


@pytest.mark.parametrize(
    ("named", "sent", "is_meant"),
    [
        (None, URL, True),
        (None, CLIENT, True),
        (None, TASKS, False),
        (TASKS, TASKS, True),
        (TASKS, URL, False),
        (TASKS, CLIENT, False),
        ([TASKS, URL], URL, True),
        ((TASKS,), TASKS, True),
        ({TASKS}, TASKS, True),
    ],
)
def test_a_routes_audience_stands_in_place_of_the_issuers(named: Any, sent: str, is_meant: bool) -> None:
    guard = make_guard()
    token = google_token(aud=sent)
    requirement = guard.requirement(AnyGoogleAccount(), audience=named)
    identity = identify(guard, f"Bearer {token}")
    if is_meant:
        assert guard.judge(requirement, identity, {}) == identity.caller
        assert guard.verify(token, audience=named) == identity.caller
        return
    with pytest.raises(Unauthenticated) as caught:
        guard.judge(requirement, identity, {})
    assert caught.value.reason is Reason.WRONG_AUDIENCE
    assert sent in caught.value.detail
    with pytest.raises(Unauthenticated, match="wrong_audience"):
        guard.verify(token, audience=named)


def test_a_wrong_audience_is_a_401_even_where_the_rule_would_say_no() -> None:
    guard = make_guard()
    identity = identify(guard, f"Bearer {google_token(aud=TASKS)}")
    for rule in (Domain("other.example.com"), Nobody(), OPTIONAL):
        with pytest.raises(Unauthenticated, match="wrong_audience"):
            guard.judge(Requirement(rule), identity, {})


def test_firebases_audience_is_not_touched() -> None:
    guard = make_guard()
    requirement = guard.requirement(FirebaseUser() | Domain("example.com"), audience=TASKS)
    assert guard.judge(requirement, identify(guard, f"Bearer {U1}"), {}) is not None
    assert guard.verify(U1, audience=TASKS).subject == "u1"
    with pytest.raises(Unauthenticated):
        guard.judge(requirement, identify(guard, f"Bearer {ADA}"), {})


def test_all_places_on_the_way_name_the_audience_together() -> None:
    guard = make_guard()
    router = guard.requirement(AnyGoogleAccount(), audience=[URL, TASKS])
    route = guard.requirement(Domain("example.com"), audience=[TASKS, "https://x.example.com"])
    plain = guard.requirement(User("110000000000000000001"))
    together = combined([router, route, plain])
    assert together.audiences == frozenset({TASKS})
    assert together.rule == AllOf(router.rule, route.rule, plain.rule)
    assert combined([plain]) == plain
    assert combined([plain, guard.requirement(Public())]) == plain
    assert combined(iter([plain, plain])).audiences is None


def test_an_audience_that_no_token_can_have_is_an_error() -> None:
    guard = make_guard()
    parts = [guard.requirement(AnyGoogleAccount(), audience=audience) for audience in (URL, TASKS)]
    with pytest.raises(ConfigurationError, match="no audience is in all of") as caught:
        combined(parts)
    assert URL in str(caught.value)
    assert TASKS in str(caught.value)
    assert "name an audience that all of them have" in str(caught.value)


def test_no_requirement_at_all_is_an_error_and_not_an_open_door() -> None:
    with pytest.raises(ConfigurationError):
        combined([])


# --- mistakes ---


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda guard: guard.requirement(), "Public() for everybody, Nobody() for nobody"),
        (lambda guard: guard.requirement(Domain("a.com"), Domain("b.com")), "join rules with & (all) or | (any)"),
        (lambda guard: guard.requirement(Domain("a.com"), "user:ada@example.com"), "join rules with"),
        (lambda guard: guard.requirement("ada@example.com"), "write user:EMAIL"),
        (lambda guard: guard.requirement(None), "or a rule"),
        (lambda guard: guard.requirement(Domain), "or a rule"),
        (lambda guard: guard.requirement(["domain:a.com"]), "or a rule"),
        (lambda guard: guard.requirement(lambda caller: True), "or a rule"),
        (lambda guard: guard.requirement(Domain("a.com"), audience=""), "write each as a string"),
        (lambda guard: guard.requirement(Domain("a.com"), audience=[]), "name at least one"),
        (lambda guard: guard.requirement(Domain("a.com"), audience=[" "]), "write each as a string"),
        (lambda guard: guard.requirement(Domain("a.com"), audience=f"{URL} "), "write each as a string"),
        (lambda guard: guard.requirement(Domain("a.com"), audience=[URL, 1]), "write each as a string"),
        (lambda guard: guard.requirement(Domain("a.com"), audience=[[URL]]), "write each as a string"),
        (lambda guard: guard.requirement(Domain("a.com"), audience=URL.encode()), "write each as a string"),
        (lambda guard: guard.requirement(Domain("a.com"), audience=5), "write each as a string"),
        (lambda guard: guard.requirement(FirebaseUser(), audience=URL), "leave audience= out"),
        (lambda guard: guard.requirement(EmailDomain("a.com") & Tenant("a"), audience=URL), "leave audience= out"),
        (lambda guard: guard.requirement(Public(), audience=URL), "leave audience= out"),
        (lambda guard: guard.requirement(Public() | FirebaseUser(), audience=URL), "leave audience= out"),
        (lambda guard: guard.requirement(Via(ServiceAccount(ROBOT)), audience=URL), "leave audience= out"),
        (lambda guard: guard.verify(ADA, audience=""), "write each as a string"),
        (lambda guard: Guard().verify(ADA), "guard.trust"),
        (lambda guard: Guard().check_ready(), "write Guard(google("),
        (lambda guard: Guard(odd("https://orders.example.com")), "a guard takes issuers"),
        (lambda guard: Guard(odd(google)), "a guard takes issuers"),
        (lambda guard: Guard(leeway=61), "0 to 60 seconds"),
        (lambda guard: Guard(leeway=-1), "0 to 60 seconds"),
        (lambda guard: Guard(leeway=float("nan")), "0 to 60 seconds"),
        (lambda guard: Guard(leeway=True), "0 to 60 seconds"),
        (lambda guard: Guard(leeway=odd("30")), "0 to 60 seconds"),
        (lambda guard: Guard(google(URL), google(URL, CLIENT)), "write one with all audiences"),
        (lambda guard: Guard(firebase("p"), firebase("p", keys="https://x.example.com")), "write one with all"),
        (lambda guard: Guard(google(URL)).trust(google(URL, CLIENT)), "write one with all audiences"),
        (lambda guard: guard.check_possible(Requirement(Domain("a.com") & FirebaseUser()), "GET /x"), "GET /x"),
    ],
)
def test_a_mistake_is_an_error_that_names_the_mend(make: Callable[[Guard], object], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make(make_guard())
    assert words in str(caught.value)


@pytest.mark.parametrize("rule", [Where("x", bool), IssuedBy("https://accounts.google.com"), OPTIONAL, Nobody()])
def test_an_audience_goes_with_every_rule_that_may_speak_of_google(rule: Rule) -> None:
    assert make_guard().requirement(rule, audience=URL).audiences == frozenset({URL})


def test_allow_takes_one_rule_or_members_any_of_which_suffices() -> None:
    guard = make_guard()
    assert guard.allow(Domain("a.com")).rule == Domain("a.com")
    assert guard.allow("user:ada@example.com", "domain:a.com").rule == User("ada@example.com") | Domain("a.com")
    assert guard.allow("allUsers").public
    assert guard.allow("domain:a.com", audience=TASKS).audiences == frozenset({TASKS})


# --- issuers ---


def test_issuers_may_be_given_later_and_twice() -> None:
    guard = Guard(clock=lambda: NOW)
    one = ISSUER.google(URL, CLIENT)
    assert guard.trust(one).trust(one, ISSUER.firebase(PROJECT)) is guard
    assert [issuer.name for issuer in guard.issuers] == [
        "https://accounts.google.com",
        "https://securetoken.google.com/shop-prod",
    ]
    guard.check_ready()
    assert guard.verify(ADA).email == "ada@example.com"


def test_a_refused_issuer_leaves_the_guard_as_it_was() -> None:
    guard = make_guard()
    before = guard.issuers
    with pytest.raises(ConfigurationError):
        guard.trust(google("https://new.example.com"), google(URL))
    assert guard.issuers == before
    assert guard.verify(ADA)


def test_two_issuers_of_one_name_are_judged_each_by_its_own_keys() -> None:
    other = LocalIssuer(clock=lambda: NOW)
    guard = Guard(ISSUER.google(CLIENT), other.google(URL), clock=lambda: NOW)
    assert guard.verify(google_token(aud=CLIENT))
    assert guard.verify(other.sign(google_claims(aud=URL)))
    for token in (google_token(aud=URL), other.sign(google_claims(aud=CLIENT))):
        with pytest.raises(Unauthenticated, match="unknown_key"):
            guard.verify(token)
    with pytest.raises(Unauthenticated, match="wrong_audience"):
        guard.verify(google_token(aud="https://elsewhere.example.net"))


def test_projects_that_share_keys_do_not_share_users() -> None:
    guard = Guard(ISSUER.firebase("shop-prod"), ISSUER.firebase("shop-test"), clock=lambda: NOW)
    assert str(guard.verify(ISSUER.firebase_user("u1", project="shop-test"))) == "firebase:shop-test/u1"
    for claims in ({"aud": "shop-test"}, {"iss": "https://securetoken.google.com/shop-test"}):
        with pytest.raises(Unauthenticated, match="wrong_audience"):
            guard.verify(firebase_token(**claims))


def test_a_guard_like_another_shares_issuers_keys_and_clock() -> None:
    guard = make_guard(leeway=5, realm="shop", resource_metadata="https://orders.example.com/x")
    alike = Guard.like(guard)
    assert (alike.issuers, alike.leeway, alike.clock) == (guard.issuers, 5, guard.clock)
    assert alike.challenge == guard.challenge
    assert guard.verify(ADA) == alike.verify(ADA)
    assert [status.fetches for status in alike.status()] == [status.fetches for status in guard.status()] == [1, 0]
    other = Guard.like(guard, realm="other", leeway=10)
    assert (other.challenge.realm, other.leeway) == ("other", 10)


# --- keys ---


@pytest.fixture
def served() -> Iterator[LocalIssuer]:
    with LocalIssuer() as issuer:
        yield issuer


def test_a_missing_key_is_fetched_inline(served: LocalIssuer) -> None:
    guard = Guard(served.google(CLIENT))
    assert guard.verify(served.person()).email == "ada@gmail.com"
    served.rotate()
    assert guard.verify(served.person()).email == "ada@gmail.com"
    assert served.fetches == {"google": 2}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_missing_key_is_awaited(served: LocalIssuer, backend: str) -> None:
    guard = Guard(served.google(CLIENT), served.firebase(PROJECT))

    async def request() -> None:
        assert (await guard.averify(served.person())).email == "ada@gmail.com"
        identity = await resolve_async(
            partial(guard.identify, {AUTHORIZATION: [f"Bearer {served.firebase_user('u1')}"]})
        )
        assert str(identity.caller) == "firebase:shop-prod/u1"
        await guard.awarm()

    anyio.run(request, backend=backend)
    assert served.fetches == {"google": 1, "firebase": 1}


def test_warming_fetches_every_issuers_keys(served: LocalIssuer) -> None:
    for warm in (Guard.warm, lambda guard: anyio.run(guard.awarm)):
        served.fetches.clear()
        guard = Guard(served.google(CLIENT), served.firebase(PROJECT))
        warm(guard)
        assert served.fetches == {"google": 1, "firebase": 1}
        assert [status.fresh for status in guard.status()] == [True, True]
        warm(guard)
        assert served.fetches == {"google": 1, "firebase": 1}


def test_the_status_leaves_out_issuers_that_are_trusted_no_more(served: LocalIssuer) -> None:
    shop, people = served.firebase(PROJECT), served.google(CLIENT)
    guard = Guard(people, shop)
    other = Guard.like(guard)
    guard.warm()
    assert [each.source for each in guard.status()] == [str(people.keys), str(shop.keys)]
    guard.distrust(people)
    assert [each.source for each in guard.status()] == [str(shop.keys)]
    assert [each.source for each in other.status()] == [str(people.keys), str(shop.keys)]
    guard.trust(people)
    assert [each.fetches for each in guard.status()] == [1, 1]


def test_the_status_of_a_guard_that_has_fetched_nothing_says_so_of_every_source(served: LocalIssuer) -> None:
    guard = Guard(served.google(CLIENT), served.firebase(PROJECT))
    assert [each.usable for each in guard.status()] == [False, False]
    guard.warm()
    assert [each.usable for each in guard.status()] == [True, True]


def test_an_outage_is_nobodys_fault_and_hopeless_tokens_cost_no_fetch(served: LocalIssuer) -> None:
    served.fail_with(503)
    guard = Guard(served.google(CLIENT))
    hopeless = [served.expired(served.person()), served.wrong_issuer(served.person()), served.unsigned(served.person())]
    for token in (*hopeless, served.hmac_signed(served.person()), served.altered(served.person(), sub=1)):
        with pytest.raises(Unauthenticated):
            guard.verify(token)
    assert served.fetches == {}
    with pytest.raises(Unavailable) as caught:
        guard.verify(served.person())
    assert caught.value.retry_after >= 1
    assert guard.judge(guard.requirement(Public()), Identity(), {}) is None


def test_keys_written_out_are_as_good() -> None:
    guard = Guard(google(CLIENT, keys=KeyDocument(ISSUER.pem_document())), clock=lambda: NOW)
    assert guard.verify(ADA).email == "ada@example.com"


# --- the log ---


def refused(rule: Rule, token: str | None, guard: Guard) -> tuple[Refusal, Identity]:
    identity = Identity()
    try:
        identity = resolve(partial(guard.identify, {} if token is None else {AUTHORIZATION: [f"Bearer {token}"]}))
        guard.judge(Requirement(rule), identity, {})
    except Refusal as refusal:
        return refusal, identity
    raise AssertionError("let in")


def test_a_refusal_is_logged_once_with_all_its_fields(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "callerid")
    refusal, identity = refused(Domain("a.com"), ADA, guard)
    instance = guard.record("GET /x", Requirement(Domain("a.com")), identity, refusal)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("callerid", logging.INFO)
    assert record.getMessage() == (
        "refused GET /x: 403 not_allowed: expected domain:a.com, got user:ada@example.com, of example.com "
        f"(more: callerid explain not_allowed) [{instance}]"
    )
    assert vars(record)["callerid"] == {
        "outcome": "refused",
        "status": "403",
        "reason": "not_allowed",
        "caller": "user:ada@example.com",
        "subject": "110000000000000000001",
        "issuer": "https://accounts.google.com",
        "via": None,
        "app": None,
        "rule": "domain:a.com",
        "route": "GET /x",
        "detail": "expected domain:a.com, got user:ada@example.com, of example.com",
        "why": "- domain:a.com: the caller is user:ada@example.com, of example.com",
        "nearest": "only domain:a.com did not hold",
        "remedies": "write | User('ada@example.com') beside the rule: admits user:ada@example.com and nobody else",
        "remedy": "",
        "instance": instance,
    }
    assert uuid.UUID(instance.removeprefix("urn:uuid:")).version == 4


def test_an_admission_is_logged_for_those_who_debug(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    requirement = guard.requirement(Domain("example.com"))
    caplog.set_level(logging.INFO, "callerid")
    assert guard.record("GET /x", requirement, Identity(person())) == ""
    assert not caplog.records
    caplog.set_level(logging.DEBUG, "callerid")
    instance = guard.record("GET /x", requirement, Identity(person(), person("robot@example.com")))
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.DEBUG,
        "allowed GET /x: user:ada@example.com by domain:example.com",
    )
    assert vars(record)["callerid"]["via"] == "user:robot@example.com"
    assert vars(record)["callerid"]["instance"] == instance
    guard.record("GET /y", guard.requirement(Public()), None)
    assert caplog.messages[-1] == "allowed GET /y: no caller by allUsers"


def test_a_refusal_without_a_rule_or_a_caller_is_logged_too(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "callerid")
    refusal = BadRequest(Reason.AMBIGUOUS_PATH)
    instance = guard.record("GET //x", None, None, refusal)
    assert caplog.messages == [
        f"refused GET //x: 400 ambiguous_path (more: callerid explain ambiguous_path) [{instance}]"
    ]
    assert {name for name, value in vars(caplog.records[0])["callerid"].items() if value is None} == {
        "caller",
        "subject",
        "issuer",
        "via",
        "app",
        "rule",
    }


def test_our_own_trouble_is_a_warning_and_the_mend_is_told(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    guard.record("GET /x", None, None, Unavailable("no keys", remedy="open the firewall"))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert (
        "503 keys_unavailable: no keys; remedy: open the firewall (more: callerid explain keys_unavailable) [urn:uuid:"
    ) in record.getMessage()


def test_a_refusal_has_an_instance_even_where_nothing_is_logged(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "callerid")
    assert guard.record("GET /x", None, None, BadRequest(Reason.AMBIGUOUS_PATH)).startswith("urn:uuid:")
    assert not caplog.records


NASTY = "x\nrefused GET /admin\r\x1b[2J\x85\u2028\0\x7f\u202ey"


@pytest.mark.parametrize(
    ("rule", "token"),
    [
        (FirebaseUser("u2"), lambda: firebase_token(sub="u\nrefused\x1b[2J\u2028")),
        (EmailDomain("a.com"), lambda: firebase_token(email="a\nb\x85@example.com")),
        (Domain("a.com"), lambda: google_token(email="a\r\nb@example.com")),
        (Domain("a.com"), lambda: google_token({"kid": "k\nrefused\x1b"})),
        (Domain("a.com"), lambda: google_token(iss="https://x\nrefused\u2029")),
        (Domain("a.com"), lambda: google_token(aud="https://x\nrefused\u2029")),
        (Domain("a.com"), lambda: google_token({"alg": "RS256\n"})),
        (Tenant("a"), lambda: firebase_token(firebase={"tenant": "t\n  + allUsers"})),
    ],
)
def test_nobody_else_writes_a_line_into_the_log(
    guard: Guard, caplog: pytest.LogCaptureFixture, rule: Rule, token: Callable[[], str]
) -> None:
    refusal, identity = refused(rule, token(), guard)
    caplog.set_level(logging.DEBUG, "callerid")
    guard.record(f"GET /{NASTY}", Requirement(rule), identity, refusal)
    guard.record(f"GET /{NASTY}", Requirement(rule), identity)
    assert all(message.isprintable() for message in caplog.messages)
    for record in caplog.records:
        fields = vars(record)["callerid"]
        lines = (fields.pop("why") or "").split("\n")
        assert all(text is None or text.isprintable() for text in [*fields.values(), *lines])
        assert len(lines) == 1
    assert all(text.isprintable() for text in told(refusal) if "why" not in text)


@pytest.mark.parametrize("caller", [user("u\n1"), user(email="\x1b@example.com"), person("a\u2028@example.com")])
def test_a_callers_odd_name_stays_on_its_line(guard: Guard, caplog: pytest.LogCaptureFixture, caller: Any) -> None:
    caplog.set_level(logging.DEBUG, "callerid")
    guard.record("GET /x", guard.requirement(AnyGoogleAccount()), Identity(caller, caller))
    assert caplog.messages[0].isprintable()
    with pytest.raises(Forbidden) as caught:
        guard.judge(guard.requirement(FirebaseUser("z") | Domain("a.com")), Identity(caller), {})
    assert caught.value.detail.isprintable()
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ({AUTHORIZATION: [f"Bearer {ADA}"]}, Domain("a.com")),
        ({AUTHORIZATION: [f"Bearer {ADA}x"]}, Domain("a.com")),
        ({AUTHORIZATION: [f"Bearer {ADA}", f"Bearer {ADA}"]}, Domain("a.com")),
        ({AUTHORIZATION: [f"Bearer {ADA} {ADA}"]}, Domain("a.com")),
        ({AUTHORIZATION: [f"Bearer {ISSUER.forged(ADA)}"]}, Domain("a.com")),
        ({AUTHORIZATION: [f"Bearer {ISSUER.wrong_issuer(ADA)}"]}, Domain("a.com")),
        ({AUTHORIZATION: [f"Bearer {ADA[:-3]}\u212a"]}, Domain("a.com")),
        ({AUTHORIZATION: [f"Bearer {STRIPPED}"]}, Domain("a.com")),
        ({SERVERLESS: [f"Bearer {ISSUER.expired(ROBOTS)}"]}, Domain("a.com")),
    ],
)
def test_nobody_sees_the_token(
    guard: Guard, caplog: pytest.LogCaptureFixture, sent: dict[str, list[str]], rule: Rule
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Refusal) as caught:
        guard.judge(Requirement(rule), resolve(partial(guard.identify, sent)), {})
    instance = guard.record("GET /x", Requirement(rule), None, caught.value)
    shown = [*caplog.messages, *(repr(vars(record)) for record in caplog.records)]
    shown += [
        *told(caught.value),
        *traceback.format_exception(caught.value),
        repr(guard.answer(caught.value, instance)),
    ]
    for token in (ADA, ROBOTS, STRIPPED, *(value for values in sent.values() for value in values)):
        for part in token.removeprefix("Bearer ").split("."):
            assert len(part) < 24 or not any(part[:24] in text or part[-24:] in text for text in shown)


def test_drivers_pass_refusals_on(guard: Guard) -> None:
    attempt = partial(guard.identify, {AUTHORIZATION: ["Bearer x"]})
    with pytest.raises(Unauthenticated):
        resolve(attempt)

    async def request() -> None:
        with pytest.raises(Unauthenticated):
            await resolve_async(attempt)

    anyio.run(request)


def test_what_is_open_or_weaker_than_the_default_is_told_at_start(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="callerid")
    staff = Domain("example.com")
    places: list[tuple[str, Rule]] = [
        ("GET /same", staff),
        ("GET /stricter", staff & User("7")),
        ("GET /open", Public()),
        ("GET /users", FirebaseUser()),
        ("POST /users", FirebaseUser()),
    ]
    make_guard().announce(places, staff)
    assert [record.getMessage() for record in caplog.records] == [
        "open to everybody: GET /open",
        "weaker than the default: GET /users: firebaseUser",
        "weaker than the default: POST /users: firebaseUser",
    ]


def test_alternatives_that_admit_nobody_else_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="callerid")
    staff = Domain("a.com")
    rule = User("ada@a.com") & staff | staff
    make_guard().announce(
        [("GET /a", rule), ("POST /a", rule & staff), ("GET /b", Public() | FirebaseUser())], Public()
    )
    assert [record.getMessage() for record in caplog.records] == [
        "redundant alternative: GET /a: user:ada@a.com and domain:a.com: the others admit all of them"
    ]

"""App Check: tokens that name the app that sent a request, beside whoever uses it and never in their place."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from callerid import (
    AllOf,
    AnyApp,
    AnyGoogleAccount,
    App,
    BadRequest,
    Caller,
    ConfigurationError,
    FirebaseUser,
    Forbidden,
    Guard,
    IssuedBy,
    Kind,
    Public,
    Reason,
    Refusal,
    Rule,
    ServiceAccount,
    Unauthenticated,
    User,
    Via,
    Where,
    app_check,
)
from callerid.audit._lock_rules import code, rule_of
from callerid.audit.algebra import CannotTell, No, Side, Yes, exclude, implies, new_access
from callerid.authentication import resolve
from callerid.guard import Identity
from callerid.keys import KeySource, Wait
from callerid.rules import Facts, needs_no_caller
from callerid.testing import LocalIssuer, as_caller, firebase_user
from callerid.testing._compact import header_and_claims
from callerid.testing._personas import headers_of

from .made import CLIENT, ISSUER, NOW, PROJECT, URL, about, google_token, odd, person, robot, user

if TYPE_CHECKING:
    from collections.abc import Mapping

NUMBER = 123456789012
APP, OTHER_APP = f"1:{NUMBER}:web:abc123", f"1:{NUMBER}:ios:def456"
FOREIGN_APP = "1:999:web:abc123"
ISS = f"https://firebaseappcheck.googleapis.com/{NUMBER}"
HEADER = "x-firebase-appcheck"

TOKEN = ISSUER.app_check_token(APP)
U1 = ISSUER.firebase_user("u1")


def guard_of(*issuers: Any, **options: Any) -> Guard:
    return Guard(*issuers, clock=lambda: NOW, **options)


EVERY = (ISSUER.google(URL, CLIENT), ISSUER.firebase(PROJECT), ISSUER.app_check(NUMBER))
GUARD = guard_of(*EVERY)


def identify(sent: Mapping[str, Any], guard: Guard = GUARD) -> Identity:
    headers = {name: [value] if isinstance(value, str) else value for name, value in sent.items()}
    return resolve(partial(guard.identify, headers))


def decide(rule: Rule, sent: Mapping[str, Any], guard: Guard = GUARD) -> Caller | None:
    requirement = guard.requirement(rule)
    guard.check_possible(requirement, "GET /")
    judged = guard.judge(requirement, identify(sent, guard), {})
    assert not isinstance(judged, Wait)  # no look-up is needed
    return judged


def refusal(rule: Rule, sent: Mapping[str, Any], guard: Guard = GUARD) -> Refusal:
    with pytest.raises(Refusal) as refused:
        decide(rule, sent, guard)
    return refused.value


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def app(token: str = TOKEN) -> dict[str, str]:
    return {HEADER: token}


# --- what a token says ---


def test_a_token_names_the_app_beside_the_caller() -> None:
    found = identify({**bearer(U1), **app()})
    assert found.caller is not None
    assert (str(found.caller), found.caller.app, found.app) == ("firebase:shop-prod/u1", APP, APP)


def test_a_token_alone_names_an_app_and_no_caller() -> None:
    assert identify(app()) == Identity(app=APP)


def test_a_token_stands_beside_whatever_carried_the_call() -> None:
    carrier = ISSUER.service_account("robot@shop-prod.iam.gserviceaccount.com", audience=URL)
    found = identify({**bearer(U1), **app(), "x-serverless-authorization": f"Bearer {carrier}"})
    assert found.caller is not None
    assert found.caller.via is not None
    assert (str(found.caller.via), found.caller.app) == ("serviceAccount:robot@shop-prod.iam.gserviceaccount.com", APP)


@pytest.mark.parametrize("session", [True, False])
def test_a_token_stands_beside_a_cookie(session: bool) -> None:
    guard = guard_of(*EVERY, ISSUER.firebase_session(PROJECT))
    cookie = {"cookie": f"session={ISSUER.session_cookie(U1)}", ":method": "GET"} if session else {}
    found = identify({**cookie, **app()}, guard)
    assert (found.caller is not None, found.app) == (session, APP)


def claims(**changes: Any) -> str:
    return ISSUER.altered(TOKEN, **changes)


def header(**changes: Any) -> str:
    _, own = header_and_claims(TOKEN)
    return ISSUER.sign(own, changes, key="app_check")


BAD = {
    "of another project": (ISSUER.app_check_token(FOREIGN_APP), "unknown_issuer"),
    "whose iss has something behind the number": (claims(iss=f"{ISS}/x"), "unknown_issuer"),
    "whose iss has another number": (claims(iss=f"{ISS}1"), "unknown_issuer"),
    "whose iss is the prefix": (claims(iss="https://firebaseappcheck.googleapis.com/"), "unknown_issuer"),
    "whose iss is the project's id": (
        claims(iss="https://firebaseappcheck.googleapis.com/shop-prod"),
        "unknown_issuer",
    ),
    "for another project": (claims(aud=["projects/999", "projects/shop-prod"]), "wrong_audience"),
    "for a number that begins alike": (claims(aud=[f"projects/{NUMBER}1"]), "wrong_audience"),
    "for nobody": (claims(aud=[]), "bad_claims"),
    "whose audience is text": (claims(aud=f"projects/{NUMBER}"), "bad_claims"),
    "whose audience is a number": (claims(aud=NUMBER), "bad_claims"),
    "whose audiences are numbers": (claims(aud=[f"projects/{NUMBER}", 7]), "bad_claims"),
    "with an empty audience": (claims(aud=[f"projects/{NUMBER}", ""]), "bad_claims"),
    "without an audience": (ISSUER.without(TOKEN, "aud"), "bad_claims"),
    "without an app": (claims(sub=""), "bad_claims"),
    "whose app is a number": (claims(sub=7), "bad_claims"),
    "without a time of issue": (ISSUER.without(TOKEN, "iat"), "bad_claims"),
    "without an end": (ISSUER.without(TOKEN, "exp"), "bad_claims"),
    "that lives for over seven days": (
        ISSUER.app_check_token(APP, lifetime=7 * 86_400 + 61, hostile=True),
        "bad_claims",
    ),
    "of another type": (header(typ="at+jwt"), "bad_claims"),
    "of a type in lower case": (header(typ="jwt"), "bad_claims"),
    "whose type is no text": (header(typ=["JWT"]), "bad_claims"),
    "whose type is null": (header(typ=None), "bad_claims"),
    "by another algorithm": (header(alg="ES256"), "wrong_algorithm"),
    "signed by Google's key for ID tokens": (ISSUER.crossed(TOKEN), "unknown_key"),
    "of a user": (U1, "unknown_issuer"),
    "of a service": (ISSUER.service_account(audience=URL), "unknown_issuer"),
    **{f"that is {name}": (token, "") for name, token in ISSUER.hostile_variants(TOKEN).items()},
}


@pytest.mark.parametrize(("token", "reason"), BAD.values(), ids=BAD)
def test_a_bad_token_is_refused_whatever_the_rule_asks_for(token: str, reason: str) -> None:
    for rule in (App(APP), AnyApp(), FirebaseUser(), FirebaseUser() | Public()):
        found = refusal(rule, {**bearer(U1), **app(token)})
        assert (found.status, found.error) == (401, "invalid_token")
        assert found.reason == reason or (not reason and found.reason is not Reason.NO_APP_CHECK)
        assert token not in str(found)


def test_a_good_token_lives_for_seven_days_and_may_name_other_audiences() -> None:
    for token in (
        ISSUER.app_check_token(APP, lifetime=7 * 86_400),
        ISSUER.app_check_token(APP, lifetime=300),
        claims(aud=["projects/999", f"projects/{NUMBER}"]),
        claims(aud=[f"projects/{NUMBER}"], extra={"more": True}),
    ):
        assert identify(app(token)).app == APP


def test_a_rule_that_reads_no_credential_reads_no_app_either() -> None:
    requirement = GUARD.requirement(Public())
    assert requirement.public
    assert GUARD.judge(requirement, Identity(), {}) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([TOKEN, TOKEN], Reason.SEVERAL_CREDENTIALS),
        ([f"{TOKEN},{TOKEN}"], Reason.SEVERAL_CREDENTIALS),
        ([f"{TOKEN}, "], Reason.SEVERAL_CREDENTIALS),
        (["", TOKEN], Reason.SEVERAL_CREDENTIALS),
        ([f"Bearer {TOKEN}"], Reason.MALFORMED_HEADER),
        ([f"{TOKEN} x"], Reason.MALFORMED_HEADER),
    ],
)
def test_the_header_holds_one_token(values: list[str], reason: Reason) -> None:
    found = refusal(FirebaseUser(), {**bearer(U1), HEADER: values})
    assert isinstance(found, BadRequest)
    assert found.reason is reason


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_an_empty_header_is_none(value: str) -> None:
    assert identify({**bearer(U1), HEADER: value}).app is None


def test_where_no_issuer_reads_it_the_header_is_not_read() -> None:
    guard = guard_of(*EVERY[:2])
    assert b"x-firebase-appcheck" not in guard.headers
    assert identify({**bearer(U1), **app("nonsense")}, guard).app is None


def test_a_bad_user_token_is_told_before_a_bad_app_and_both_are_needed() -> None:
    assert refusal(FirebaseUser(), {**bearer(ISSUER.expired(U1)), **app("nonsense")}).reason is Reason.EXPIRED
    assert refusal(FirebaseUser(), {**bearer(U1), **app("nonsense")}).reason is Reason.MALFORMED_TOKEN


def test_a_token_seen_before_costs_no_signature_check_and_is_judged_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [float(NOW)]
    guard = Guard(*EVERY, clock=lambda: now[0])
    assert identify(app(), guard).app == APP
    monkeypatch.setattr("callerid.keys._key.Key.verify", lambda *_: pytest.fail("verified again"))
    assert identify(app(), guard).app == APP
    now[0] = NOW + 3600 + 31
    assert refusal(AnyApp(), app(), guard).reason is Reason.EXPIRED


def test_keys_are_waited_for_one_after_another() -> None:
    with LocalIssuer(clock=lambda: NOW) as issuer:
        guard = guard_of(issuer.firebase(PROJECT), issuer.app_check(NUMBER))
        sent = {"authorization": [f"Bearer {issuer.firebase_user('u1')}"], HEADER: [issuer.app_check_token(APP)]}
        assert isinstance(guard.identify(sent), Wait)
        found = resolve(partial(guard.identify, sent))
        assert issuer.fetches == {"firebase": 1, "app_check": 1}
        assert (found.app, str(found.caller)) == (APP, "firebase:shop-prod/u1")


def test_keys_come_from_firebase_and_are_kept_for_six_hours() -> None:
    source = app_check(NUMBER).keys
    assert isinstance(source, KeySource)
    assert (source.url, source.longest_lifetime) == ("https://firebaseappcheck.googleapis.com/v1/jwks", 6 * 3600)
    assert app_check(NUMBER, keys="https://keys.example.com/").keys == KeySource(url="https://keys.example.com/")


@pytest.mark.parametrize("number", ["", None, 0, -1, "shop-prod", "0123", "12 3", 12.0, True])
def test_a_project_has_a_number(number: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes the number of a Firebase project"):
        app_check(number)


def test_a_number_may_be_text() -> None:
    assert app_check(str(NUMBER)) == app_check(NUMBER)


def test_two_issuers_of_one_project_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="two issuers claim"):
        guard_of(app_check(NUMBER), app_check(NUMBER, keys="https://keys.example.com/"))


def test_apps_of_several_projects_are_told_apart_by_issuer() -> None:
    guard = guard_of(ISSUER.app_check(NUMBER), ISSUER.app_check(999))
    assert [identify(app(ISSUER.app_check_token(each)), guard).app for each in (APP, FOREIGN_APP)] == [APP, FOREIGN_APP]
    swapped = ISSUER.altered(TOKEN, iss="https://firebaseappcheck.googleapis.com/999")
    assert refusal(AnyApp(), app(swapped), guard).reason is Reason.WRONG_AUDIENCE


def test_an_issuer_that_is_trusted_no_more_vouches_for_no_app() -> None:
    guard = guard_of(*EVERY)
    assert identify(app(), guard).app == APP
    guard.distrust(EVERY[2])
    assert identify(app(), guard).app is None


# --- an app is nobody ---


@pytest.mark.parametrize("place", ["authorization", "x-serverless-authorization"])
def test_a_token_is_no_identity_and_the_log_says_what_it_was(place: str) -> None:
    found = refusal(FirebaseUser() | AnyGoogleAccount(), {place: f"Bearer {TOKEN}"})
    assert (found.status, found.reason) == (401, Reason.UNKNOWN_ISSUER)
    assert "an App Check token, which names an app and nobody who uses it" in found.detail
    assert "read from x-firebase-appcheck" in found.remedy


def test_a_token_in_a_cookie_is_no_session() -> None:
    guard = guard_of(*EVERY, ISSUER.firebase_session(PROJECT))
    found = refusal(FirebaseUser(), {"cookie": f"session={TOKEN}", ":method": "GET"}, guard)
    assert (found.reason, "an App Check token" in found.detail) == (Reason.UNKNOWN_ISSUER, True)


def test_a_token_that_came_outside_headers_names_nobody() -> None:
    with pytest.raises(Unauthenticated) as refused:
        GUARD.verify(TOKEN)
    assert "an App Check token" in refused.value.detail


@pytest.mark.parametrize(
    "rule",
    [
        FirebaseUser(),
        FirebaseUser(anonymous=True),
        AnyGoogleAccount(),
        User("7"),
        IssuedBy(f"https://securetoken.google.com/{PROJECT}"),
        Where("anybody", lambda _: True),
    ],
)
def test_an_app_alone_satisfies_no_rule_about_a_caller(rule: Rule) -> None:
    found = refusal(rule, app())
    assert (found.status, found.reason, found.error) == (401, Reason.NO_CREDENTIAL, None)
    assert found.detail.endswith(f"got only an App Check token of {APP}")


def test_no_rule_names_app_check_as_the_issuer_of_a_caller() -> None:
    with pytest.raises(ConfigurationError, match="names none of the guard's issuers"):
        GUARD.check_possible(GUARD.requirement(IssuedBy(ISS)), "GET /")


def test_an_app_is_said_in_words_of_its_own() -> None:
    made = Caller(Kind.APP, ISS, APP, f"projects/{NUMBER}", NOW, NOW + 60)
    assert str(made) == f"app:{APP}"
    assert not AnyGoogleAccount().admits(Facts(made))
    assert not FirebaseUser().admits(Facts(made))


# --- rules ---

YES: list[tuple[Rule, Facts]] = [
    (App(APP), about(app=APP)),
    (App(APP), about(user(), app=APP)),
    (App(APP), about(person(), app=APP)),
    (App(APP, OTHER_APP), about(app=OTHER_APP)),
    (AnyApp(), about(app=APP)),
    (AnyApp(), about(user(), app="something")),
    (FirebaseUser() & App(APP), about(user(), app=APP)),
    (App(APP) | User("7"), about(app=APP)),
]
NO: list[tuple[Rule, Facts]] = [
    (App(APP), about()),
    (App(APP), about(user())),
    (App(APP), about(app=OTHER_APP)),
    (App(APP), about(app=f"{APP}0")),
    (App(APP), about(app="")),
    (App(APP), about(replace(user(), app=APP))),  # the caller's own word is not asked
    (AnyApp(), about(user())),
    (FirebaseUser() & App(APP), about(app=APP)),
    (FirebaseUser() & App(APP), about(user())),
    (AnyGoogleAccount(), about(app=APP)),
]


@pytest.mark.parametrize(("rule", "facts"), YES)
def test_a_rule_admits_the_app(rule: Rule, facts: Facts) -> None:
    assert rule.admits(facts)
    assert rule.explain(facts).holds


@pytest.mark.parametrize(("rule", "facts"), NO)
def test_a_rule_refuses_what_is_not_the_app(rule: Rule, facts: Facts) -> None:
    assert not rule.admits(facts)
    assert not rule.explain(facts).holds


@pytest.mark.parametrize("rule", [App(APP), App(APP, OTHER_APP), AnyApp(), FirebaseUser() & App(APP)])
def test_a_rule_is_code_that_makes_it_again(rule: Rule) -> None:
    import callerid

    assert eval(repr(rule), vars(callerid).copy()) == rule
    assert rule_of(code(rule), "here") == rule
    assert hash(rule) == hash(rule_of(code(rule), "here"))


def test_the_order_of_apps_does_not_matter() -> None:
    assert App(APP, OTHER_APP, APP) == App(OTHER_APP, APP)
    assert repr(App(APP, OTHER_APP)) == f"App({OTHER_APP!r}, {APP!r})"


def test_rules_in_words() -> None:
    assert (str(App(APP)), str(AnyApp())) == (f"app:{APP}", "anyApp")
    assert str(App(APP, OTHER_APP)) == f"app:{OTHER_APP} or {APP}"
    assert str(App(APP).explain(about(app=OTHER_APP))) == f"- app:{APP}: the app is {OTHER_APP}"
    assert str(AnyApp().explain(about(user()))) == "- anyApp: no App Check token came"


@pytest.mark.parametrize(
    "ids", [(), ("",), ("com.example.app",), (APP, None), (f" {APP}",), (7,), (f"{APP}\n",), ([APP],)]
)
def test_what_is_no_apps_id_is_an_error(ids: tuple[Any, ...]) -> None:
    with pytest.raises(ConfigurationError, match="App takes"):
        App(*ids)


@pytest.mark.parametrize("rule", [App(APP), AnyApp()])
def test_a_carrier_is_no_app(rule: Rule) -> None:
    with pytest.raises(ConfigurationError, match="speaks of the one service"):
        Via(rule)
    with pytest.raises(ConfigurationError, match="speaks of the one service"):
        Via(ServiceAccount("7") | rule)


def test_a_rule_about_an_app_alone_needs_no_caller_and_reads_credentials() -> None:
    assert needs_no_caller(App(APP))
    requirement = GUARD.requirement(App(APP))
    assert (requirement.optional, requirement.public) == (True, False)
    assert not GUARD.requirement(FirebaseUser() & App(APP)).optional


# --- decisions ---


def test_a_rule_about_an_app_alone_gives_the_handler_whoever_is_known() -> None:
    assert decide(App(APP), app()) is None
    caller = decide(App(APP), {**bearer(U1), **app()})
    assert caller is not None
    assert (str(caller), caller.app) == ("firebase:shop-prod/u1", APP)


def test_user_and_app_together() -> None:
    caller = decide(FirebaseUser() & App(APP, OTHER_APP), {**bearer(U1), **app()})
    assert caller is not None
    assert caller.app == APP


BOTH = FirebaseUser("u1") & App(APP)
U2 = ISSUER.firebase_user("u2")
OTHER = ISSUER.app_check_token(OTHER_APP)
NO_APP, NO_CREDENTIAL, FORBIDDEN = (401, Reason.NO_APP_CHECK), (401, Reason.NO_CREDENTIAL), (403, Reason.NOT_ALLOWED)

REFUSED = {
    "the right user without an app": (BOTH, bearer(U1), NO_APP),
    "the wrong user without an app": (BOTH, bearer(U2), FORBIDDEN),
    "the right user with another app": (BOTH, {**bearer(U1), **app(OTHER)}, FORBIDDEN),
    "the right app without a user": (BOTH, app(), NO_CREDENTIAL),
    "another app without a user": (BOTH, app(OTHER), NO_CREDENTIAL),
    "nothing": (BOTH, {}, NO_CREDENTIAL),
    "nothing, where an app would do": (App(APP), {}, NO_APP),
    "nothing, where any app would do": (AnyApp(), {}, NO_APP),
    "a user, where an app would do": (AnyApp(), bearer(U1), NO_APP),
    "another app, where an app would do": (App(APP), app(OTHER), FORBIDDEN),
    "a user with another app, where an app would do": (App(APP), {**bearer(U1), **app(OTHER)}, FORBIDDEN),
    "another app, where a user would do, too": (App(APP) | FirebaseUser("u1"), app(OTHER), NO_CREDENTIAL),
    "nothing, where an app or a user would do": (App(APP) | FirebaseUser("u1"), {}, NO_APP),
    "two apps at once": (FirebaseUser() & (App(APP) & AnyApp()), bearer(U1), NO_APP),
}


@pytest.mark.parametrize(("rule", "sent", "expected"), REFUSED.values(), ids=REFUSED)
def test_what_is_missing_is_401_and_what_is_wrong_403(
    rule: Rule, sent: dict[str, str], expected: tuple[int, Reason]
) -> None:
    found = refusal(rule, sent)
    assert (found.status, found.reason) == expected
    assert found.error == (None if found.status == 401 else "insufficient_scope")
    headers = dict(GUARD.answer(found, "urn:uuid:x").headers)
    error = "" if found.status == 401 else ', error="insufficient_scope"'
    assert headers["www-authenticate"] == f'Bearer realm="callerid"{error}'


def test_who_lacks_a_token_is_told_apart_in_the_log() -> None:
    assert refusal(BOTH, bearer(U1)).detail == (
        f"expected firebaseUser:u1 and app:{APP}, got firebase:shop-prod/u1 without an App Check token"
    )
    assert refusal(AnyApp(), {}).detail == "expected anyApp, got nobody without an App Check token"
    assert refusal(App(APP), app(OTHER)).detail == f"expected app:{APP}, got nobody, the app is {OTHER_APP}"


def test_a_decision_is_logged_with_the_app(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "callerid")
    requirement = GUARD.requirement(App(APP))
    GUARD.record("GET /", requirement, identify(app()))
    found = refusal(App(APP), app(OTHER))
    GUARD.record("GET /", requirement, identify(app(OTHER)), found)
    allowed, refused = (vars(record)["callerid"] for record in caplog.records)
    assert (allowed["app"], allowed["caller"], refused["app"]) == (APP, None, OTHER_APP)
    assert refused["remedies"] == f"write | App({OTHER_APP!r}) beside the rule: admits what this app sends"


def test_a_remedy_opens_nothing_but_the_app() -> None:
    identity = identify({**bearer(U1), **app(OTHER)})
    for rule, remedy in (
        (BOTH, f"write | App({OTHER_APP!r}) beside app:{APP}: admits what this app sends"),
        (FirebaseUser("u2") & AnyApp(), "write | FirebaseUser('u1') beside firebaseUser:u2: admits "),
    ):
        with pytest.raises(Forbidden) as refused:
            GUARD.judge(GUARD.requirement(rule), identity, {})
        assert remedy in _remedies(refused.value)


def test_an_app_that_no_rule_can_name_has_no_remedy() -> None:
    identity = Identity(app="odd")
    with pytest.raises(Forbidden) as refused:
        GUARD.judge(GUARD.requirement(App(APP)), identity, {})
    assert _remedies(refused.value) == ""


def _remedies(found: Refusal) -> str:
    from callerid.authorization._remedies import remedies

    return "\n".join(remedies([found]))


def test_a_caller_in_hand_has_their_app() -> None:
    caller = decide(BOTH, {**bearer(U1), **app()})
    assert caller is not None
    assert GUARD.allows(caller, BOTH)
    assert not GUARD.allows(caller, App(OTHER_APP))
    assert not GUARD.allows(replace(caller, app=None), BOTH)
    assert not GUARD.allows(None, AnyApp())


# --- at start-up ---


@pytest.mark.parametrize("rule", [App(APP), AnyApp(), FirebaseUser() & App(APP)])
def test_a_guard_without_the_issuer_is_an_error_at_the_start(rule: Rule) -> None:
    guard = guard_of(*EVERY[:2])
    with pytest.raises(ConfigurationError, match=r"needs app_check\(\.\.\.\) among the guard's issuers"):
        guard.check_possible(guard.requirement(rule), "GET /")


def test_an_app_of_another_project_is_an_error_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match=f"names no app of the projects that app_check.* names: {NUMBER}"):
        GUARD.check_possible(GUARD.requirement(App(FOREIGN_APP)), "GET /")
    GUARD.check_possible(GUARD.requirement(App(FOREIGN_APP, APP)), "GET /")


@pytest.mark.parametrize("rule", [App(APP) & App(OTHER_APP), AllOf(FirebaseUser(), App(APP), App(OTHER_APP))])
def test_a_request_is_sent_by_one_app(rule: Rule) -> None:
    with pytest.raises(ConfigurationError, match="exclude each other"):
        GUARD.check_possible(GUARD.requirement(rule), "GET /")


@pytest.mark.parametrize("rule", [FirebaseUser() & AnyApp(), User("7") & AnyApp()])
def test_a_guard_that_knows_apps_alone_knows_no_callers(rule: Rule) -> None:
    guard = guard_of(ISSUER.app_check(NUMBER))
    guard.check_ready()
    guard.check_possible(guard.requirement(AnyApp()), "GET /")
    with pytest.raises(ConfigurationError, match="among the guard's issuers"):
        guard.check_possible(guard.requirement(rule), "GET /")


def test_an_audience_beside_a_rule_about_apps_alone_is_an_error() -> None:
    for rule in (App(APP), AnyApp(), AnyApp() & FirebaseUser()):
        with pytest.raises(ConfigurationError, match="audience= names audiences of Google ID tokens"):
            GUARD.requirement(rule, audience=URL)
    assert GUARD.requirement(App(APP) & User("7"), audience=URL).audiences == frozenset({URL})


# --- what rules mean together ---


def test_laws() -> None:
    assert implies(App(APP), AnyApp())
    assert implies(App(APP), App(APP, OTHER_APP))
    assert implies(FirebaseUser() & App(APP), AnyApp())
    assert not implies(App(APP, OTHER_APP), App(APP))
    assert not implies(AnyApp(), App(APP))
    assert not implies(AnyApp(), FirebaseUser(anonymous=True))
    assert not implies(FirebaseUser(), AnyApp())
    assert exclude(App(APP), App(OTHER_APP))
    assert not exclude(App(APP, OTHER_APP), App(OTHER_APP))
    assert not exclude(App(APP), FirebaseUser())


def test_a_further_app_is_new_access_and_the_witness_comes_in() -> None:
    issuers = EVERY
    old, new = Side(App(APP), issuers=issuers), Side(App(APP, OTHER_APP), issuers=issuers)
    assert isinstance(new_access(new, old), No)
    verdict = new_access(old, new)
    assert isinstance(verdict, Yes)
    assert str(verdict) == f"a call without a caller, from the app {OTHER_APP}, not app:{APP}"
    sent = {name.lower(): value for name, value in headers_of(verdict.witness, ISSUER).items()}
    assert decide(new.rule, sent) is None
    assert refusal(old.rule, sent).status == 403


def test_to_leave_an_app_out_of_a_rule_is_new_access() -> None:
    old, new = Side(FirebaseUser() & App(APP), issuers=EVERY), Side(FirebaseUser(), issuers=EVERY)
    verdict = new_access(old, new)
    assert isinstance(verdict, Yes)
    assert verdict.witness.app is None
    assert isinstance(new_access(new, old), No)
    any_app = new_access(old, Side(FirebaseUser() & AnyApp(), issuers=EVERY))
    assert isinstance(any_app, Yes)
    assert str(any_app) == f"a Firebase user, from some app, not app:{APP}"


def test_another_project_is_new_access_and_so_may_other_keys_be() -> None:
    old = Side(AnyApp(), issuers=(app_check(NUMBER),))
    verdict = new_access(old, Side(AnyApp(), issuers=(app_check(NUMBER), app_check(999))))
    assert isinstance(verdict, Yes)
    assert str(verdict.witness.app).startswith("1:999:")
    other_keys = Side(AnyApp(), issuers=(app_check(NUMBER, keys="https://keys.example.com/"),))
    assert isinstance(new_access(old, other_keys), CannotTell)


def test_code_beside_a_rule_may_look_at_the_app() -> None:
    where = Where("of that app", lambda caller: caller.app == APP)
    old, new = Side(where & App(APP), issuers=EVERY), Side(where, issuers=EVERY)
    assert not isinstance(new_access(old, new), No)


# --- in tests ---


@pytest.mark.parametrize("caller", [None, firebase_user("u1")])
def test_a_test_may_act_as_an_app(caller: Caller | None) -> None:
    with as_caller(GUARD, caller, app=APP) as acting:
        found = identify({})
        assert (found.app, found.caller and found.caller.app) == (APP, None if caller is None else APP)
        assert identify(bearer(U2)).caller == replace(identify(bearer(U2))[0], app=APP)  # type: ignore[type-var]
        assert identify(app(OTHER)).app == OTHER_APP
    assert (acting is None) is (caller is None)
    assert identify({}) == Identity()


def test_acting_needs_a_caller_or_an_app_that_the_guard_may_know() -> None:
    with pytest.raises(TypeError, match="as_caller takes a Caller"):
        as_caller(GUARD, odd(None))
    with pytest.raises(ValueError, match="would know of no app"):
        as_caller(guard_of(*EVERY[:2]), None, app=APP).__enter__()


@pytest.mark.parametrize(("app_id", "options"), [(APP, {"lifetime": 8 * 86_400}), ("", {"project_number": NUMBER})])
def test_what_app_check_never_attests_is_minted_on_demand_only(app_id: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="mints no such token"):
        ISSUER.app_check_token(app_id, **options)
    assert ISSUER.app_check_token(app_id, **options, hostile=True)


def test_a_minted_token_is_as_app_check_has_it() -> None:
    top, said = header_and_claims(ISSUER.app_check_token(APP))
    assert (top["alg"], top["typ"]) == ("RS256", "JWT")
    assert said == {
        "iss": ISS,
        "aud": [f"projects/{NUMBER}", f"projects/{PROJECT}"],
        "sub": APP,
        "iat": NOW,
        "exp": NOW + 3600,
    }
    assert identify({**bearer(google_token()), **app()}).app == APP
    assert robot().app is None


def test_a_user_in_an_app_needs_an_issuer_of_users() -> None:
    guard = guard_of(ISSUER.google(URL, CLIENT), ISSUER.app_check(NUMBER))
    with pytest.raises(ConfigurationError, match="firebase"):
        guard.check_possible(guard.requirement(AnyApp() & FirebaseUser()), "GET /")

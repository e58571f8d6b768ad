"""Revocation in one process: whom it refuses, for how long, and whom it leaves alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from callerid import AnyGoogleAccount, Caller, ConfigurationError, Guard, Identity, Kind, Public, Refusal
from callerid import custom_credential as own
from callerid.authentication import Denial, Denials
from callerid.keys import Wait
from callerid.testing import LocalIssuer, as_caller, firebase_user, google_person, oidc_caller
from callerid.wsgi import CallerMiddleware
from tests.fixtures import AT_HAND, CLIENT, ROBOT, URL, token

HOUR = 3600
DAY = 24 * HOUR


class Time:
    def __init__(self) -> None:
        self.now = 1_700_000_000.5

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def local(clock: Time) -> LocalIssuer:
    return LocalIssuer(clock=clock)


def refused(ask: Callable[[], Any]) -> str:
    with pytest.raises(Refusal) as raised:
        ask()
    return f"{raised.value.status} {raised.value.reason}"


def test_a_revoked_account_is_refused_at_once_whatever_rule_stands_there() -> None:
    guard = Guard(*AT_HAND)
    caller = guard.verify(token("staff"))
    assert guard.allows(caller, AnyGoogleAccount())
    guard.revoke(caller)
    assert refused(lambda: guard.verify(token("staff"))) == "401 revoked"
    assert refused(lambda: guard.verify(token("staff"), AnyGoogleAccount())) == "401 revoked"
    assert refused(lambda: guard.identify({"authorization": [f"Bearer {token('staff')}"]})) == "401 revoked"
    assert not guard.allows(caller, AnyGoogleAccount())
    assert guard.allows(caller, Public())
    assert guard.verify(token("outsider"), AnyGoogleAccount())
    assert guard.fleet_status() is None


def test_a_revoked_service_carries_no_call() -> None:
    guard = Guard(*AT_HAND)
    robot = guard.verify(token("robot"))
    guard.revoke(robot)
    carried = {
        "authorization": [f"Bearer {token('staff')}"],
        "x-serverless-authorization": [f"Bearer {token('robot')}"],
    }
    assert refused(lambda: guard.identify(carried)) == "401 revoked"
    assert not guard.allows(replace(guard.verify(token("staff")), via=robot), AnyGoogleAccount())


def test_acting_callers_are_revoked_as_others_are() -> None:
    guard = Guard(*AT_HAND)
    app = CallerMiddleware(served, guard=guard, default=AnyGoogleAccount(), routes={"/open": Public()})
    staff, robot = guard.verify(token("staff")), guard.verify(token("robot"))
    with as_caller(guard, staff), as_caller(guard, staff) as acting:
        assert status_of(app) == "200"
        guard.revoke(acting)
        assert [status_of(app), status_of(app, "/open")] == ["401", "200"]
    carried = replace(guard.verify(token("outsider")), via=robot)
    with as_caller(guard, carried):
        assert status_of(app) == "200"
        guard.revoke(robot)
        assert status_of(app) == "401"
    with as_caller(guard, replace(staff, issued_at=staff.issued_at + DAY)):
        assert status_of(app) == "200"


def served(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b""]


def status_of(app: Any, path: str = "/") -> str:
    said: list[str] = []
    list(app({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda status, headers: said.append(status)))
    return said[0].partition(" ")[0]


def test_tokens_issued_after_the_revocation_are_believed(clock: Time, local: LocalIssuer) -> None:
    guard = Guard(local.google(URL, CLIENT), clock=clock)
    before = local.workspace_person("ada@example.com")
    guard.revoke(guard.verify(before).subject)
    assert refused(lambda: guard.verify(local.workspace_person("ada@example.com"))) == "401 revoked"
    clock.now += 1
    assert guard.verify(local.workspace_person("ada@example.com"))
    assert refused(lambda: guard.verify(before)) == "401 revoked"


def test_a_token_from_a_clock_that_is_ahead_is_revoked_with_its_caller(clock: Time, local: LocalIssuer) -> None:
    guard = Guard(local.google(URL, CLIENT), clock=clock)
    clock.now += 20
    ahead = local.workspace_person("ada@example.com")
    clock.now -= 20
    guard.revoke(guard.verify(ahead))
    assert refused(lambda: guard.verify(ahead)) == "401 revoked"


def test_all_credentials_of_a_firebase_user_are_revoked_and_those_of_others_are_not(
    clock: Time, local: LocalIssuer
) -> None:
    guard = Guard(local.firebase("shop-prod", ["red"]), local.firebase_session("shop-prod"), clock=clock)
    session = local.session_cookie(local.firebase_user("u1"), lifetime=14 * DAY)
    cookie = {"cookie": [f"session={session}"], ":method": ["GET"], "sec-fetch-site": ["same-origin"]}
    assert not isinstance(guard.identify(cookie), Wait)
    guard.revoke("u1")
    assert refused(lambda: guard.verify(local.firebase_user("u1"))) == "401 revoked"
    assert refused(lambda: guard.identify(cookie)) == "401 revoked"
    assert guard.verify(local.firebase_user("u2"))
    in_tenant = local.firebase_user("u1", tenant="red")
    assert guard.verify(in_tenant)
    guard.revoke("u1", tenant="red", issuer="https://securetoken.google.com/shop-prod")
    assert refused(lambda: guard.verify(in_tenant)) == "401 revoked"
    clock.now += 13 * DAY
    assert refused(lambda: guard.identify(cookie)) == "401 revoked"


def test_who_comes_by_iap_is_refused_however_new_the_assertion_is(clock: Time, local: LocalIssuer) -> None:
    audience = "/projects/123/apps/shop"
    guard = Guard(local.iap(audience), clock=clock)

    def come() -> Caller | None:
        assertion = local.iap_assertion(local.person(), audience=audience)
        sent = {"x-goog-iap-jwt-assertion": [assertion], ":method": ["GET"]}
        found = guard.identify(sent)
        assert not isinstance(found, Wait)
        return found.caller

    caller = come()
    assert caller is not None
    guard.revoke(caller)
    clock.now += 60
    assert refused(come) == "401 revoked"
    clock.now += HOUR + 60
    assert come() is not None


def test_a_key_of_the_applications_own_is_refused_for_as_long_as_is_said(clock: Time) -> None:
    keys = own("keys", header="x-api-key", verify=lambda _: Identity("shop"), max_age=5)
    guard = Guard(keys, clock=clock)

    def come() -> Any:
        found: Any = guard.identify({"x-api-key": ["k"]})
        if isinstance(found, Wait):
            found.block()
            found = guard.identify({"x-api-key": ["k"]}, (found,))
        return found

    assert come().caller.subject == "shop"
    guard.revoke("shop", revoke_for=60)
    clock.now += 50
    assert refused(come) == "401 revoked"
    clock.now += 11
    assert come()


def test_a_guard_made_like_another_shares_its_revocations_unless_it_has_a_fleet_of_its_own() -> None:
    guard = Guard(*AT_HAND)
    like, alone = Guard.like(guard), Guard.like(guard, fleet=None)
    guard.revoke(guard.verify(token("staff")))
    assert refused(lambda: like.verify(token("staff"))) == "401 revoked"
    assert alone.verify(token("staff"))


def test_a_task_revokes_without_blocking_its_loop() -> None:
    guard = Guard(*AT_HAND)
    asyncio.run(guard.arevoke(guard.verify(token("staff"))))
    assert refused(lambda: guard.verify(token("staff"))) == "401 revoked"


def test_a_service_account_that_signs_for_itself_is_revoked_by_its_address(clock: Time, local: LocalIssuer) -> None:
    guard = Guard(local.service_account_issuer(ROBOT, URL), clock=clock)
    own_token = local.self_signed(ROBOT, audience=URL)
    assert guard.verify(own_token)
    guard.revoke(ROBOT)
    assert refused(lambda: guard.verify(own_token)) == "401 revoked"


def test_an_app_answers_with_a_challenge_for_a_token_that_is_no_good() -> None:
    guard = Guard(*AT_HAND)
    guard.revoke(guard.verify(token("staff")))
    app = CallerMiddleware(lambda environ, start: [], guard=guard, default=AnyGoogleAccount())
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_AUTHORIZATION": f"Bearer {token('staff')}"}
    started: list[Any] = []
    body = b"".join(app(environ, lambda *sent: started.append(sent)))
    status, headers = started[0][:2]
    assert status == "401 Unauthorized"
    assert dict(headers)["www-authenticate"] == 'Bearer realm="callerid", error="invalid_token"'
    assert b'"reason": "revoked"' in body


def test_callers_of_other_providers_are_told_apart_by_their_issuer() -> None:
    guard = Guard(*AT_HAND)
    ada, eve = oidc_caller("7"), replace(oidc_caller("7"), issuer="https://eve.example")
    guard.revoke(ada)
    revoked = guard.authenticator.revocations
    assert revoked.is_revoked(ada, ada.issued_at)
    assert revoked.is_revoked(ada, ada.issued_at + 13 * DAY)
    assert not revoked.is_revoked(eve, eve.issued_at)
    assert not revoked.is_revoked(google_person(subject="7"), ada.issued_at)


@pytest.mark.parametrize(
    ("who", "settings", "message"),
    [
        ("u1", {}, "issuer= says whose"),
        ("u1", {"issuer": "https://nobody.example"}, "issuer= says whose"),
        ("7", {"issuer": "https://accounts.google.com", "tenant": "red"}, "tenant= is for Firebase"),
        ("ada@example.com", {"issuer": "https://accounts.google.com"}, "by their id"),
        ("user:7", {"issuer": "https://accounts.google.com"}, "by their id"),
        (" ", {}, "expected a Caller"),
        (7, {}, "expected a Caller"),
        (firebase_user("u1"), {"tenant": "red"}, "a caller says that itself"),
        (firebase_user("u1"), {"revoke_for": 0}, "revoke_for="),
        (firebase_user("u1"), {"revoke_for": float("nan")}, "revoke_for="),
        (firebase_user("u1"), {"revoke_for": True}, "revoke_for="),
        (firebase_user("u1"), {"revoke_for": 91 * DAY}, "revoke_for="),
    ],
)
def test_what_is_not_clear_is_an_error(who: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Guard(*AT_HAND).revoke(who, **settings)


def test_a_caller_of_no_known_kind_is_not_taken_for_another() -> None:
    for caller in (replace(google_person(), kind=Kind.APP), replace(firebase_user("u1"), firebase=None)):
        with pytest.raises(TypeError, match="no kind of caller"):
            Guard(*AT_HAND).revoke(caller)


def test_a_denial_never_gets_shorter_and_those_that_are_over_make_room() -> None:
    denials = Denials(2)
    assert denials.put("a", Denial(5, 10), 0)
    assert denials.put("a", Denial(1, 20), 0)
    assert denials.get("a") == Denial(5, 20)
    assert denials.put("b", Denial(1, 8), 0)
    assert not denials.put("c", Denial(1, 8), 0)
    assert denials.put("c", Denial(1, 30), 9)
    assert denials.in_force(9).keys() == {"a", "c"}
    assert len(denials) == 2


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_goes_on_refusing_and_can_revoke() -> None:
    guard = Guard(*AT_HAND)
    guard.revoke(guard.verify(token("staff")))
    denials = guard.authenticator.revocations._own
    with denials._lock:  # another thread holds it while the process forks
        child = os.fork()
        if child == 0:  # pragma: no cover - it ends without a word
            done = 1
            try:
                guard.revoke(guard.verify(token("outsider")))
                done = 0 if len(denials) == 2 else 2
            finally:
                os._exit(done)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

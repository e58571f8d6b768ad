"""Limited-use tokens of App Check: each opens one request, and Firebase is asked about each once."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

import callerid.fastapi
from callerid import (
    AnyApp,
    ConfigurationError,
    FirebaseUser,
    Guard,
    Public,
    Reason,
    Refusal,
    Unauthenticated,
    Unavailable,
    app_check,
)
from callerid.audit._trust import trust_of
from callerid.audit.algebra import CannotTell, No, Side, new_access
from callerid.authentication import resolve, resolve_async
from callerid.authentication._consuming import UsedTokens
from callerid.guard import Identity
from callerid.issuers import AppCheckIssuer, Consumer
from callerid.keys import GoogleAccess, KeyResponse, KeySource, Wait
from callerid.testing import LocalIssuer
from callerid.testing._app_check import APP_CHECK_TOKENS

from .made import ISSUER, NOW, PROJECT

NUMBER = 123456789012
APP = f"1:{NUMBER}:web:abc123"
U1 = ISSUER.firebase_user("u1")
SCOPE = "https://www.googleapis.com/auth/firebase"
ENDPOINT = f"https://firebaseappcheck.googleapis.com/v1beta/projects/{NUMBER}:verifyAppCheckToken"
NEW, USED = KeyResponse(200, {}, b"{}"), KeyResponse(200, {}, b'{"alreadyConsumed": true}')


class Firebase:
    """Answers in Firebase's place, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, bytes, dict[str, str]]] = []
        self.threads: set[int] = set()

    def send(self, source: KeySource, body: bytes, headers: Any) -> KeyResponse:
        self.asked.append((source.url, body, dict(headers)))
        self.threads.add(threading.get_ident())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, KeyResponse)
        return answer


def guard_of(firebase: Firebase, **options: Any) -> Guard:
    issuer = ISSUER.app_check(NUMBER, consume=True)
    assert isinstance(issuer, AppCheckIssuer)
    assert issuer.consumer is not None
    access = GoogleAccess(SimpleNamespace(valid=True, token="of-this-service"), scope="")
    consumer = Consumer(KeySource(url=ENDPOINT), access, firebase.send)
    return Guard(replace(issuer, consumer=consumer), ISSUER.firebase(PROJECT), clock=lambda: NOW, **options)


def token(number: int = 0) -> str:
    return ISSUER.altered(ISSUER.app_check_token(APP), jti=f"token-{number}")


def sent(text: str, **more: list[str]) -> dict[str, list[str]]:
    return {"x-firebase-appcheck": [text], **more}


def identify(guard: Guard, text: str, **more: list[str]) -> Identity:
    return resolve(partial(guard.identify, sent(text, **more)))


def refusal(guard: Guard, text: str, **more: list[str]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        identify(guard, text, **more)
    return refused.value


def test_a_token_opens_one_request_and_firebase_is_asked_once() -> None:
    firebase = Firebase(NEW)
    guard = guard_of(firebase)
    assert identify(guard, token()).app == APP
    for _ in range(2):
        refused = refusal(guard, token())
        assert isinstance(refused, Unauthenticated)
        assert (refused.status, refused.reason, refused.error) == (401, Reason.ALREADY_CONSUMED, "invalid_token")
    ((url, body, headers),) = firebase.asked
    assert url == ENDPOINT
    assert body == b'{"app_check_token": "%s"}' % token().encode()
    assert (headers["Authorization"], headers["Content-Type"]) == ("Bearer of-this-service", "application/json")


def test_each_token_is_asked_about_by_itself() -> None:
    firebase = Firebase(NEW, NEW)
    guard = guard_of(firebase)
    assert [identify(guard, token(number)).app for number in range(2)] == [APP, APP]
    assert len(firebase.asked) == 2


def test_a_token_used_elsewhere_is_refused_and_not_asked_about_again() -> None:
    firebase = Firebase(USED)
    guard = guard_of(firebase)
    assert [refusal(guard, token()).reason for _ in range(3)] == [Reason.ALREADY_CONSUMED] * 3
    assert len(firebase.asked) == 1


def test_a_token_that_firebase_does_not_believe_is_refused() -> None:
    refused = refusal(guard_of(Firebase(KeyResponse(403, {}, b"{}"))), token())
    assert (refused.status, refused.reason) == (401, Reason.UNKNOWN_CREDENTIAL)
    assert "Firebase App Check Token Verifier" in refused.mend
    assert token() not in f"{refused} {refused.mend}"


def denied(**info: str) -> KeyResponse:
    """What Google's APIs answer, with an ``ErrorInfo``."""
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **info}]
    error = {"code": 403, "status": "PERMISSION_DENIED", "message": "denied", "details": details}
    return KeyResponse(403, {}, json.dumps({"error": error}).encode())


@pytest.mark.parametrize(
    "answer",
    [
        denied(reason="APP_CHECK_TOKEN_INVALID", domain="firebaseappcheck.googleapis.com"),
        denied(reason="IAM_PERMISSION_DENIED"),
        KeyResponse(403, {}, b"<html>"),
        KeyResponse(403, {}, b'{"error": "denied"}'),
        KeyResponse(403, {}, b'{"error": {"details": {"domain": "googleapis.com"}}}'),
        KeyResponse(403, {}, b'{"error": {"details": ["googleapis.com", {"domain": ["googleapis.com"]}]}}'),
    ],
)
def test_whatever_else_a_403_says_is_about_the_token(answer: KeyResponse) -> None:
    assert refusal(guard_of(Firebase(answer)), token()).reason is Reason.UNKNOWN_CREDENTIAL


FAILURES = {
    "no such role": denied(reason="IAM_PERMISSION_DENIED", domain="iam.googleapis.com"),
    "a method that is not enabled": denied(reason="SERVICE_DISABLED", domain="googleapis.com"),
    "an error": KeyResponse(500, {}, b""),
    "too many questions": KeyResponse(429, {"Retry-After": "7"}, b""),
    "our own credentials": KeyResponse(401, {}, b""),
    "no JSON": KeyResponse(200, {}, b"<html>"),
    "text for truth": KeyResponse(200, {}, b'{"alreadyConsumed": "false"}'),
    "no network": OSError("no route"),
}


@pytest.mark.parametrize("answer", FAILURES.values(), ids=FAILURES)
def test_where_firebase_cannot_be_asked_the_answer_is_503_and_the_token_may_come_again(answer: Any) -> None:
    now = [0.0]
    firebase = Firebase(answer, USED)
    guard = guard_of(firebase, timer=lambda: now[0])
    refused = refusal(guard, token())
    assert isinstance(refused, Unavailable)
    assert (refused.status, refused.reason) == (503, Reason.VERIFICATION_UNAVAILABLE)
    now[0] += 60
    assert refusal(guard, token()).reason is Reason.ALREADY_CONSUMED
    assert len(firebase.asked) == 2


def test_what_we_refuse_ourselves_is_not_asked_about() -> None:
    firebase = Firebase()
    guard = guard_of(firebase)
    for bad in ISSUER.hostile_variants(token()).values():
        assert refusal(guard, bad).status == 401
    assert refusal(guard, token(), authorization=[f"Bearer {ISSUER.expired(U1)}"]).reason is Reason.EXPIRED
    assert guard.judge(guard.requirement(Public()), Identity(), {}) is None
    assert firebase.asked == []


def test_a_request_without_a_token_asks_nobody() -> None:
    guard = guard_of(Firebase())
    assert resolve(partial(guard.identify, {"authorization": [f"Bearer {U1}"]})).app is None


def test_of_many_requests_at_a_time_with_one_token_one_is_let_in() -> None:
    held, begun = threading.Event(), threading.Event()

    class Slow(Firebase):
        def send(self, source: KeySource, body: bytes, headers: Any) -> KeyResponse:
            begun.set()
            assert held.wait(10)
            return super().send(source, body, headers)

    firebase = Slow(NEW)
    guard = guard_of(firebase)
    outcomes: list[Any] = []

    def one() -> None:
        try:
            outcomes.append(identify(guard, token()).app)
        except Refusal as refused:
            outcomes.append(refused.reason)

    threads = [threading.Thread(target=one) for _ in range(8)]
    threads[0].start()
    assert begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    for thread in threads[1:]:
        thread.join(10)
    held.set()
    threads[0].join(10)
    assert outcomes == [Reason.ALREADY_CONSUMED] * 7 + [APP]
    assert len(firebase.asked) == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_event_loop_is_never_asked_to_wait(backend: str) -> None:
    firebase = Firebase(NEW)
    guard = guard_of(firebase)

    async def main() -> Identity:
        return await resolve_async(partial(guard.identify, sent(token())))

    assert anyio.run(main, backend=backend).app == APP
    assert threading.get_ident() not in firebase.threads


def test_one_request_may_ask_for_its_answer_again() -> None:
    firebase = Firebase(NEW)
    guard = guard_of(firebase)
    first = guard.identify(sent(token()))
    assert isinstance(first, Wait)
    first.block()
    for _ in range(2):  # as where a look-up has to be waited for, too
        found = guard.identify(sent(token()), (first,))
        assert isinstance(found, Identity)
        assert found.app == APP
    assert refusal(guard, token()).reason is Reason.ALREADY_CONSUMED
    # Another request has no use for that wait but with the token itself.
    assert isinstance(guard.identify(sent(token(1)), (first,)), Wait)


def test_an_attempt_that_nobody_waits_for_uses_nothing_up() -> None:
    firebase = Firebase(NEW)
    guard = guard_of(firebase)
    abandoned, other = guard.identify(sent(token())), guard.identify(sent(token()))
    assert isinstance(abandoned, Wait)
    assert isinstance(other, Wait)
    assert identify(guard, token()).app == APP
    other.block()
    with pytest.raises(Unauthenticated) as refused:
        guard.identify(sent(token()), (other,))
    assert refused.value.reason is Reason.ALREADY_CONSUMED
    assert len(firebase.asked) == 1


def test_guards_like_each_other_know_what_the_other_has_used() -> None:
    firebase = Firebase(NEW)
    guard = guard_of(firebase)
    assert identify(guard, token()).app == APP
    assert refusal(Guard.like(guard), token()).reason is Reason.ALREADY_CONSUMED
    assert len(firebase.asked) == 1


def test_what_was_claimed_is_forgotten_one_by_one() -> None:
    claims = UsedTokens()
    assert (claims.claim(b"a"), claims.claim(b"a"), claims.claim(b"b")) == (True, False, True)
    assert (claims.has(b"a"), claims.has(b"c")) == (True, False)
    claims.release(b"a")
    claims.release(b"never")
    assert (claims.claim(b"a"), claims.claim(b"b")) == (True, False)


def test_a_forked_child_begins_with_nothing_claimed_and_a_lock_of_its_own() -> None:
    claims = UsedTokens()
    assert claims.claim(b"a")
    with claims._lock:  # as a thread may hold it while another one forks
        claims.renew_after_fork()
    assert claims.claim(b"a")


# --- in an application ---


@pytest.mark.parametrize("serves", [True, False])
def test_a_local_issuer_stands_in_for_firebase(serves: bool) -> None:
    issuer = LocalIssuer()
    if serves:
        issuer.serve()
    try:
        guard = callerid.fastapi.Guard(issuer.firebase(PROJECT), issuer.app_check(NUMBER, consume=True))
        app, sub = FastAPI(openapi_url=None), FastAPI(openapi_url=None)
        for each in (app, sub):
            each.get("/orders")(guard.allow(FirebaseUser() & AnyApp())(lambda: "served"))
        app.mount("/sub", sub)
        guard.protect(app, default=FirebaseUser())
        user = issuer.bearer(issuer.firebase_user("u1"))
        with TestClient(app) as client:
            for path in ("/orders", "/sub/orders"):
                headers = {**user, **issuer.app_check_header(issuer.app_check_token(APP, claims={"jti": path}))}
                answers = [client.get(path, headers=headers) for _ in range(2)]
                assert [each.status_code for each in answers] == [200, 401], answers[0].text
                assert answers[1].json()["reason"] == "already_consumed"
        assert issuer.fetches[APP_CHECK_TOKENS] == 2
        # Another process has to ask.
        other = callerid.fastapi.Guard(issuer.app_check(NUMBER, consume=True))
        repeated = {"x-firebase-appcheck": [headers["X-Firebase-AppCheck"]]}
        with pytest.raises(Refusal) as refused:
            resolve(partial(other.identify, repeated))
        assert refused.value.reason is Reason.ALREADY_CONSUMED
    finally:
        issuer.close()


def test_a_guard_of_a_module_asks_the_issuer_that_stands_in_for_it() -> None:
    guard = Guard(app_check(NUMBER, consume=True))
    with LocalIssuer().stands_in_for(guard) as issuer:
        text = issuer.app_check_token(APP)
        assert identify(guard, text).app == APP
        assert refusal(guard, text).reason is Reason.ALREADY_CONSUMED
        status, _ = issuer.consume_app_check_token(
            f"/v1beta/projects/999{':verifyAppCheckToken'}", "Bearer x", _body(text)
        )
        assert status == 403
        assert issuer.consume_app_check_token("/v1beta/projects/1:verifyAppCheckToken", "", b"")[0] == 401


def _body(text: str) -> bytes:
    return b'{"app_check_token": "%s"}' % text.encode()


# --- as it is written ---


def test_by_default_tokens_are_not_used_up() -> None:
    assert app_check(NUMBER).consumer is None
    made = app_check(NUMBER, consume=True)
    assert made.consumer is not None
    assert made.consumer.endpoint.url == ENDPOINT


@pytest.mark.parametrize("options", [{"consume": 1}, {"consume": "yes"}, {"credentials": object()}])
def test_mistakes_are_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="consume is True or False"):
        app_check(NUMBER, **options)


def test_to_use_tokens_more_than_once_may_be_new_access() -> None:
    once, often = app_check(NUMBER, consume=True), app_check(NUMBER)
    assert isinstance(new_access(Side(AnyApp(), issuers=(once,)), Side(AnyApp(), issuers=(often,))), CannotTell)
    assert isinstance(new_access(Side(AnyApp(), issuers=(once,)), Side(AnyApp(), issuers=(once,))), No)
    ((_, lines),) = trust_of(Guard(once)).issuers
    assert "each token for one request" in lines


def test_a_forked_child_does_not_wait_for_a_token_that_its_parent_was_fetching() -> None:
    access = GoogleAccess(SimpleNamespace(valid=True, token="of-this-service"), scope=SCOPE)
    found: list[str] = []
    with access._lock:  # as a thread may hold it, for as long as Google takes, while another one forks
        access.renew_after_fork()
        thread = threading.Thread(target=lambda: found.append(access.token()))
        thread.start()
        thread.join(10)
    thread.join(10)
    assert found == ["of-this-service"]


def test_credentials_are_those_given_or_application_default_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    class Credentials:
        valid, token, refreshed = False, None, 0

        def refresh(self, request: Any) -> None:
            request(url="https://granting.example/", method="POST")
            request(url="https://granting.example/", timeout=3)
            request(url="https://granting.example/", timeout=None)
            self.valid, self.token, self.refreshed = True, "fresh", self.refreshed + 1

    waits: list[Any] = []

    def send(_: Any, url: str, *, timeout: Any, **asked: Any) -> None:
        waits.append((url, asked, timeout))

    monkeypatch.setattr("google.auth.transport.urllib3.Request.__call__", send)
    own = Credentials()
    access = GoogleAccess(own, scope=SCOPE)
    assert [access.token(), access.token()] == ["fresh", "fresh"]
    assert own.refreshed == 1
    # google-auth waits for two minutes where it says nothing.
    url = "https://granting.example/"
    assert waits == [(url, {"method": "POST"}, 5), (url, {}, 3), (url, {}, 5)]
    scopes: list[Any] = []

    def default(**options: Any) -> Any:
        scopes.append(options["scopes"])
        return Credentials(), "shop-prod"

    monkeypatch.setattr("google.auth.default", default)
    access = GoogleAccess(scope=SCOPE)
    assert [access.token(), access.token()] == ["fresh", "fresh"]
    assert scopes == [[SCOPE]]

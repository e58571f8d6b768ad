"""The receiver of Google's security events: what it accepts, what it answers, and what is done about an event."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from callerid import AnyGoogleAccount, Caller, ConfigurationError, Guard, Lookup, Refusal, Role
from callerid.authentication import Denial, FleetStatus, UseRecord
from callerid.risc import EventReceiver, EventType, SecurityEvent
from callerid.testing import LocalIssuer, google_person
from tests.asking.made import Clock
from tests.fixtures import AT_HAND, CLIENT, URL, issuer, token

SECEVENT = "application/secevent+jwt"
RISC = "https://schemas.openid.net/secevent/risc/event-type/"
ACCOUNT = "112233445566778899001"


def receiver(guard: Guard | None = None, **options: Any) -> EventReceiver:
    return EventReceiver(guard or Guard(*AT_HAND), CLIENT, **{"keys": issuer.keys_of("google"), **options})


def by_wsgi(receiver: EventReceiver, token: str, **environ: Any) -> tuple[int, dict[str, str], bytes]:
    body = token.encode()
    started: list[Any] = []
    sent = {
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": SECEVENT,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **environ,
    }
    answered = b"".join(receiver.wsgi(sent, lambda *args: started.append(args)))
    status, headers = started[0]
    return int(status.split()[0]), dict(headers), answered


def by_asgi(
    receiver: EventReceiver, token: str, backend: str = "asyncio", **scope: Any
) -> tuple[int, dict[str, str], bytes]:
    data = token.encode()
    half = len(data) // 2
    parts = [{"type": "http.request", "body": data[:half], "more_body": True}]
    parts.append({"type": "http.request", "body": data[half:]})
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", SECEVENT.encode())]
    whole = {"type": "http", "method": "POST", "path": "/", "headers": headers, **scope}
    anyio.run(receiver.asgi, whole, receive, send, backend=backend)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, sent[1]["body"]


WAYS: list[Callable[..., tuple[int, dict[str, str], bytes]]] = [by_wsgi, by_asgi]
ways = pytest.mark.parametrize("post", WAYS)


@ways
@pytest.mark.parametrize("kind", EventType)
def test_an_event_is_accepted_and_told(post: Any, kind: EventType) -> None:
    told: list[SecurityEvent] = []
    status, headers, body = post(receiver(on_event=told.append), issuer.security_event(kind, ACCOUNT, jti="7"))
    assert (status, headers["content-length"], headers["cache-control"], body) == (202, "0", "no-store", b"")
    [event] = told
    assert (event.type, event.jti) == (kind, "7")
    names_none = kind in (EventType.VERIFICATION, EventType.TOKEN_REVOKED)
    assert (event.issuer, event.subject) == ((None, None) if names_none else ("https://accounts.google.com", ACCOUNT))
    named = event.details["subject"].get("token") if "subject" in event.details else None
    assert named == ("1//0gabcdefghij" if kind == "token-revoked" else None)
    assert "1//" not in repr(event)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_function_may_be_async_or_wait_in_a_thread(backend: str) -> None:
    threads: list[bool] = []

    def waits(_: SecurityEvent) -> None:
        threads.append(threading.current_thread() is threading.main_thread())

    async def awaits(event: SecurityEvent) -> None:
        await anyio.lowlevel.checkpoint()
        waits(event)

    for on_event in (waits, awaits):
        assert by_asgi(receiver(on_event=on_event), issuer.security_event(), backend)[0] == 202
        assert by_wsgi(receiver(on_event=on_event), issuer.security_event())[0] == 202
    assert threads == [False, True, True, True]  # a server of WSGI has threads of its own


def test_an_event_says_what_google_said() -> None:
    told: list[SecurityEvent] = []
    made = receiver(on_event=told.append)
    events = {
        f"{RISC}account-disabled": {
            "subject": {"subject_type": "id_token_claims", "iss": "https://accounts.google.com", "sub": "7"}
            | {"email": "ada@gmail.com"},
            "reason": "hijacking",
        },
        f"{RISC}identifier-recycled": {"new": True},
        f"{RISC}account-enabled": {"subject": {"subject_type": "email", "email": "bob@gmail.com"}},
        f"{RISC}verification": {"state": "try"},
    }
    listed = issuer.security_event(audience=["other.apps.googleusercontent.com", CLIENT], claims={"events": events})
    assert by_wsgi(made, listed)[0] == 202
    said = [(event.type, event.subject, event.email, event.reason, event.state) for event in told]
    assert said == [
        ("account-disabled", "7", "ada@gmail.com", "hijacking", None),
        ("account-enabled", None, "bob@gmail.com", None, None),
        ("verification", None, None, None, "try"),
    ]


def altered(**claims: Any) -> str:
    return issuer.security_event(claims=claims)


def about(subject: Any, kind: str = "sessions-revoked") -> str:
    return altered(events={RISC + kind: {"subject": subject}})


def with_exp() -> str:
    return altered(exp=int(issuer.clock()) + 60)


LOG_OUT = "http://schemas.openid.net/event/backchannel-logout"
GOOGLE_SUB = {"iss": "https://accounts.google.com/", "sub": "7"}

REFUSED: list[tuple[str, Callable[[], str], str]] = [
    ("an ID token", lambda: issuer.person(audience=CLIENT), "invalid_request"),
    ("a service account's token", lambda: issuer.service_account(audience=CLIENT), "invalid_request"),
    ("one with exp", with_exp, "invalid_request"),
    ("one with exp that is null", lambda: altered(exp=None), "invalid_request"),
    ("an ID token with events", lambda: issuer.altered(issuer.person(), events={}), "invalid_request"),
    ("nothing", str, "invalid_request"),
    ("no token", lambda: "a.b.c", "invalid_request"),
    ("no ASCII", lambda: "é", "invalid_request"),
    ("alg none", lambda: issuer.unsigned(issuer.security_event()), "authentication_failed"),
    ("HS256", lambda: issuer.hmac_signed(issuer.security_event()), "invalid_key"),
    ("alg none, signed", lambda: issuer.sign({"iss": "x"}, {"alg": "none"}), "invalid_key"),
    ("no signature", lambda: issuer.stripped(issuer.security_event()), "authentication_failed"),
    ("forged", lambda: issuer.forged(issuer.security_event()), "authentication_failed"),
    ("tampered", lambda: issuer.tampered(issuer.security_event(), jti="8"), "authentication_failed"),
    ("key unknown", lambda: issuer.wrong_kid(issuer.security_event()), "invalid_key"),
    ("key unnamed", lambda: issuer.without_kid(issuer.security_event()), "invalid_request"),
    ("Firebase's key", lambda: issuer.crossed(issuer.security_event()), "invalid_key"),
    ("wrong audience", lambda: issuer.wrong_audience(issuer.security_event()), "invalid_audience"),
    ("the service's URL", lambda: altered(aud=URL), "invalid_audience"),
    ("audiences, none ours", lambda: altered(aud=["a", "b"]), "invalid_audience"),
    ("no audiences", lambda: altered(aud=[]), "invalid_audience"),
    ("odd audiences", lambda: altered(aud=[CLIENT, 7]), "invalid_request"),
    ("nested audiences", lambda: altered(aud=[[CLIENT]]), "invalid_request"),
    ("audience in an object", lambda: altered(aud={CLIENT: 1}), "invalid_request"),
    ("no audience", lambda: altered(aud=None), "invalid_request"),
    ("wrong issuer", lambda: issuer.wrong_issuer(issuer.security_event()), "invalid_issuer"),
    ("issuer without scheme", lambda: altered(iss="accounts.google.com"), "invalid_issuer"),
    ("issuer with more", lambda: altered(iss="https://accounts.google.com//"), "invalid_issuer"),
    ("odd issuer", lambda: altered(iss=["https://accounts.google.com/"]), "invalid_request"),
    ("from the future", lambda: issuer.not_yet_valid(issuer.security_event()), "invalid_request"),
    ("not before", lambda: altered(nbf=int(issuer.clock()) + 600), "invalid_request"),
    ("no iat", lambda: issuer.without(issuer.security_event(), "iat"), "invalid_request"),
    ("odd iat", lambda: altered(iat="now"), "invalid_request"),
    ("no jti", lambda: issuer.without(issuer.security_event(), "jti"), "invalid_request"),
    ("empty jti", lambda: altered(jti=""), "invalid_request"),
    ("odd jti", lambda: altered(jti=7), "invalid_request"),
    ("no events", lambda: altered(events={}), "invalid_request"),
    ("a list of events", lambda: altered(events=[f"{RISC}sessions-revoked"]), "invalid_request"),
    ("another event", lambda: altered(events={f"{RISC}identifier-recycled": {}}), "invalid_request"),
    ("the wrong family", lambda: altered(events={f"{RISC}token-revoked": {}}), "invalid_request"),
    (
        "a log-out",
        lambda: altered(events={LOG_OUT: {}}),
        "invalid_request",
    ),
    ("an odd event", lambda: altered(events={f"{RISC}sessions-revoked": []}), "invalid_request"),
    ("no subject", lambda: altered(events={f"{RISC}sessions-revoked": {}}), "invalid_request"),
    ("an empty subject", lambda: about({"iss": GOOGLE_SUB["iss"], "sub": ""}), "invalid_request"),
    ("a text as subject", lambda: about("7"), "invalid_request"),
    ("subjects", lambda: about([GOOGLE_SUB]), "invalid_request"),
    ("a subject in a subject", lambda: about({"subject": GOOGLE_SUB}), "invalid_request"),
    ("a number as sub", lambda: about({**GOOGLE_SUB, "sub": 7}), "invalid_request"),
    ("an odd email", lambda: about({**GOOGLE_SUB, "email": ["ada@gmail.com"]}), "invalid_request"),
    ("a subject of nobody's", lambda: about({"sub": "7"}), "invalid_request"),
    ("another's subject", lambda: about({**GOOGLE_SUB, "iss": "https://idp.example.net"}), "invalid_request"),
    ("an odd issuer of the subject", lambda: about({**GOOGLE_SUB, "iss": {}}), "invalid_request"),
    ("an odd reason", lambda: altered(events={f"{RISC}verification": {"reason": 7}}), "invalid_request"),
    ("an odd state", lambda: altered(events={f"{RISC}verification": {"state": {}}}), "invalid_request"),
    ("too much", lambda: issuer.security_event(claims={"pad": "x" * 70_000}), "invalid_request"),
]


@ways
@pytest.mark.parametrize(("make", "error"), [each[1:] for each in REFUSED], ids=[each[0] for each in REFUSED])
def test_what_is_no_event_of_google_for_us_is_refused(
    post: Any, make: Callable[[], str], error: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "callerid")
    told: list[SecurityEvent] = []
    sent = make()
    status, headers, body = post(receiver(on_event=told.append), sent)
    assert (status, headers["content-type"], headers["content-language"]) == (400, "application/json", "en")
    answer = json.loads(body)
    assert (answer["err"], sorted(answer)) == (error, ["description", "err"])
    assert told == []
    assert "a security event is refused" in caplog.text
    signature = sent.rpartition(".")[2]
    assert len(signature) < 20 or "SIGNATURE" in signature or signature not in caplog.text


def test_an_event_is_no_credential() -> None:
    with pytest.raises(Refusal):
        Guard(*AT_HAND).verify(issuer.security_event(audience=CLIENT))
    with pytest.raises(Refusal):
        Guard(*AT_HAND).verify(issuer.security_event(claims={"sub": "7", "exp": int(issuer.clock()) + 60}))


@ways
def test_the_token_is_never_logged(post: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "callerid")

    def fails(_: SecurityEvent) -> None:
        raise ValueError("1//0gabcdefghij")

    for kind in ("sessions-revoked", "token-revoked"):
        sent = issuer.security_event(kind)
        assert post(receiver(), sent)[0] == 202
        assert post(receiver(on_event=fails), sent)[0] == 503
        assert not any(part in caplog.text for part in (*sent.split("."), "1//"))
    assert "Google's security event sessions-revoked about" in caplog.text
    assert "on_event failed (ValueError at " in caplog.text


def typed(post: Any, kind: str) -> dict[str, Any]:
    return {"CONTENT_TYPE": kind} if post is by_wsgi else {"headers": [(b"Content-Type", kind.encode())]}


@ways
def test_other_requests_are_refused(post: Any) -> None:
    made, sent = receiver(), issuer.security_event()
    for method in ("GET", "PUT", "HEAD", "post"):
        scope = {"REQUEST_METHOD": method} if post is by_wsgi else {"method": method}
        status, headers, body = post(made, sent, **scope)
        assert (status, headers["allow"], body) == (405, "POST", b"")
    for kind in ("application/jwt", "", "text/plain; x=application/secevent+jwt", f"{SECEVENT}, {SECEVENT}"):
        assert post(made, sent, **typed(post, kind))[0] == 400
    kind = "Application/SecEvent+JWT; charset=utf-8"
    assert post(made, sent, **typed(post, kind))[0] == 202


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_LENGTH": ""}, 400),
        ({"CONTENT_LENGTH": "", "wsgi.input_terminated": True}, 202),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": "9" * 5_000}, 202),
        ({"CONTENT_TYPE": None}, 400),
    ],
)
def test_no_more_is_read_than_a_server_of_wsgi_says_there_is(environ: dict[str, Any], status: int) -> None:
    assert by_wsgi(receiver(), issuer.security_event(), **environ)[0] == status


def test_who_goes_away_is_not_answered() -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(receiver().asgi({"type": "http", "method": "POST", "headers": []}, receive, send))
    assert sent == []
    asyncio.run(receiver().asgi({"type": "websocket", "headers": []}, receive, send))
    assert [each["type"] for each in sent] == ["websocket.close"]
    with pytest.raises(ConfigurationError, match="'lifespan'"):
        asyncio.run(receiver().asgi({"type": "lifespan"}, receive, send))


@ways
def test_an_event_is_handled_once_for_a_week(post: Any) -> None:
    told: list[SecurityEvent] = []
    timer = Clock()
    made, sent = receiver(on_event=told.append, timer=timer), issuer.security_event(jti="7")
    assert [post(made, sent)[0] for _ in range(3)] == [202] * 3
    assert post(made, issuer.security_event(jti="8"))[0] == 202
    assert [event.jti for event in told] == ["7", "8"]
    timer.advance(7 * 86_400 + 1)
    assert post(made, sent)[0] == 202
    assert len(told) == 3


def test_a_forged_delivery_does_not_use_up_an_event() -> None:
    told: list[SecurityEvent] = []
    made, sent = receiver(on_event=told.append), issuer.security_event(jti="7")
    assert by_wsgi(made, issuer.forged(sent))[0] == 400
    assert by_wsgi(made, sent)[0] == 202
    assert len(told) == 1


@ways
def test_a_function_that_fails_has_the_event_delivered_again(post: Any) -> None:
    told: list[SecurityEvent] = []

    def fails_once(event: SecurityEvent) -> None:
        told.append(event)
        if len(told) == 1:
            raise OSError

    made, sent = receiver(on_event=fails_once), issuer.security_event()
    status, headers, body = post(made, sent)
    assert (status, headers["retry-after"], body) == (503, "60", b"")
    assert [post(made, sent)[0] for _ in range(2)] == [202, 202]
    assert len(told) == 2


def test_a_second_delivery_meanwhile_is_not_said_to_be_handled() -> None:
    begun, gate = threading.Event(), threading.Event()

    def waits(_: SecurityEvent) -> None:
        begun.set()
        gate.wait(30)

    made, sent = receiver(on_event=waits), issuer.security_event()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(by_wsgi, made, sent)
        assert begun.wait(30)
        status, headers, _ = by_wsgi(made, sent)
        gate.set()
        assert (status, headers["retry-after"]) == (503, "5")
        assert first.result(30)[0] == 202


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_does_not_wait_for_what_its_parent_handles() -> None:
    """It does know what the parent has handled."""
    handled, busy = issuer.security_event(jti="7"), issuer.security_event(jti="8")
    statuses: list[int] = []

    def forks(event: SecurityEvent) -> None:
        if event.jti == "8" and not statuses:
            statuses.append(0)
            child = os.fork()
            if child == 0:  # pragma: no cover - it ends without a word
                try:
                    os._exit(by_wsgi(made, busy)[0] - 200)
                finally:
                    os._exit(255)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    made = receiver(on_event=forks)
    assert [by_wsgi(made, each)[0] for each in (handled, busy)] == [202, 202]
    assert statuses == [0, 2]


def test_what_another_process_handles_is_forgotten_after_a_fork() -> None:
    told: list[SecurityEvent] = []

    def forks(event: SecurityEvent) -> None:
        told.append(event)
        if len(told) == 1:
            made._deliveries.renew_after_fork()
            assert by_wsgi(made, sent)[0] == 202

    made, sent = receiver(on_event=forks), issuer.security_event()
    assert [by_wsgi(made, sent)[0] for _ in range(2)] == [202, 202]
    assert len(told) == 2


def test_a_body_without_end_is_read_no_further_than_it_may_be_long() -> None:
    read: list[int] = []
    sent: list[Any] = []

    async def receive() -> Any:
        read.append(1)
        return {"type": "http.request", "body": b"x" * 30_000, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", SECEVENT.encode())]
    asyncio.run(receiver().asgi({"type": "http", "method": "POST", "headers": headers}, receive, send))
    assert (sent[0]["status"], len(read)) == (400, 3)


@ways
def test_keys_that_cannot_be_had_are_an_outage(post: Any) -> None:
    """And once they can be had, the same delivery is accepted."""
    with LocalIssuer() as served:
        timer = Clock()
        made = receiver(Guard(*AT_HAND, timer=timer), keys=served.keys_of("google"))
        sent = served.security_event()
        served.fail_with(503)
        status, headers, body = post(made, sent)
        assert (status, body) == (503, b"")
        assert int(headers["retry-after"]) >= 1
        served.fail_with(None)
        timer.advance(60)
        assert post(made, sent)[0] == 202


def looked_up() -> tuple[Guard, list[str]]:
    asked: list[str] = []

    def load(caller: Caller) -> set[str]:
        asked.append(caller.name)
        return {"editor"}

    return Guard(*AT_HAND, lookups=[Lookup("roles", load), Lookup("one", lambda *_: True, one_by_one=True)]), asked


@ways
@pytest.mark.parametrize("fails", [False, True])
def test_what_is_known_of_the_account_is_forgotten(post: Any, fails: bool) -> None:
    guard, asked = looked_up()
    kinds = [kind for kind in EventType if kind not in ("verification", "token-revoked")]

    def on_event(_: SecurityEvent) -> None:
        if fails:
            raise OSError

    for kind in kinds:
        for who in ("staff", "bob@example.com", "staff"):
            assert guard.allows(guard.verify(token(who)), Role("editor") & Role("x", of="one"))
        assert asked == ["ada@example.com", *["bob@example.com"] * (kind is kinds[0])]
        asked.clear()
        late = issuer.security_event(kind, issued_at=int(issuer.clock()) - 3000)  # it revokes none of these tokens
        assert post(receiver(guard, on_event=on_event), late)[0] == (503 if fails else 202)


def test_an_account_is_the_same_whoever_vouched_for_it() -> None:
    """By an ID token, by IAP: subjects of other kinds of callers are none of Google's."""
    guard, asked = looked_up()
    ada = google_person("ada@example.com", subject=ACCOUNT)
    guard.allows(guard.verify(issuer.firebase_user(ACCOUNT)), Role("editor"))
    for each in (ada, replace(ada, issuer="https://cloud.google.com/iap")):
        guard.lookups.find("roles", each, "editor").block()  # type: ignore[union-attr]
    by_wsgi(receiver(guard), issuer.security_event("account-enabled", ACCOUNT))
    asked.clear()
    for each in (ada, replace(ada, issuer="https://cloud.google.com/iap")):
        guard.lookups.find("roles", each, "editor").block()  # type: ignore[union-attr]
    guard.allows(guard.verify(issuer.firebase_user(ACCOUNT)), Role("editor"))
    assert asked == ["ada@example.com"] * 2


def refused(guard: Guard, sent: str) -> str:
    with pytest.raises(Refusal) as raised:
        guard.verify(sent, AnyGoogleAccount())
    return f"{raised.value.status} {raised.value.reason}"


class Now:
    """Seconds since the epoch, held."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


REVOKING = ("sessions-revoked", "tokens-revoked", "account-disabled", "account-purged")
CAUTION = "account-credential-change-required"


@ways
@pytest.mark.parametrize("kind", [*REVOKING, CAUTION])
@pytest.mark.parametrize("fails", [False, True])
def test_tokens_of_before_an_event_are_refused_and_later_ones_are_not(post: Any, kind: str, fails: bool) -> None:
    """Even where the application fails at the event: it is refused until Google has delivered it, and after that."""

    def on_event(_: SecurityEvent) -> None:
        if fails:
            raise OSError

    clock = Now()
    local = LocalIssuer(clock=clock)
    guard = Guard(local.google(URL, CLIENT), clock=clock)
    made = receiver(guard, keys=local.keys_of("google"), on_event=on_event)
    before, others = local.workspace_person("ada@example.com"), local.workspace_person("bob@example.com")
    assert guard.verify(before, AnyGoogleAccount())
    assert post(made, local.security_event(kind, "ada@example.com"))[0] == (503 if fails else 202)
    assert refused(guard, before) == "401 revoked"
    assert guard.verify(others, AnyGoogleAccount())
    clock.seconds += 1
    assert guard.verify(local.workspace_person("ada@example.com"), AnyGoogleAccount())
    assert post(made, local.security_event("account-enabled", "ada@example.com"))[0] == (503 if fails else 202)
    assert refused(guard, before) == "401 revoked"


@ways
def test_an_event_that_comes_late_or_again_ends_no_session_that_began_after_it(post: Any) -> None:
    clock = Now()
    local = LocalIssuer(clock=clock)
    guard = Guard(local.google(URL, CLIENT), clock=clock)
    before, event = local.workspace_person("ada@example.com"), local.security_event()
    clock.seconds += 600
    after = local.workspace_person("ada@example.com")
    for _ in range(2):  # as two processes would, of which each handles it once
        assert post(receiver(guard, keys=local.keys_of("google")), event)[0] == 202
    assert refused(guard, before) == "401 revoked"
    assert guard.verify(after, AnyGoogleAccount())


@ways
def test_an_event_about_tokens_that_have_expired_revokes_nothing(post: Any) -> None:
    clock = Now()
    local = LocalIssuer(clock=clock)
    guard = Guard(local.google(URL, CLIENT), clock=clock)
    event = local.security_event()
    clock.seconds += 3600 + 4 * 30
    assert post(receiver(guard, keys=local.keys_of("google")), event)[0] == 202
    assert guard.authenticator.revocations.is_idle


@ways
@pytest.mark.parametrize("kind", ["account-enabled", "verification", "token-revoked"])
def test_other_events_revoke_nothing(post: Any, kind: str) -> None:
    guard = Guard(*AT_HAND)
    assert post(receiver(guard), issuer.security_event(kind))[0] == 202
    assert guard.verify(token("staff"), AnyGoogleAccount())


@ways
def test_an_account_that_is_named_by_its_address_alone_is_not_revoked(post: Any) -> None:
    """Addresses change hands: what is known by one is told to the application, and to nobody else."""
    guard, told = Guard(*AT_HAND), list[SecurityEvent]()
    named = about({"subject_type": "email", "email": "ada@example.com"})
    assert post(receiver(guard, on_event=told.append), named)[0] == 202
    assert [event.email for event in told] == ["ada@example.com"]
    assert guard.verify(token("staff"), AnyGoogleAccount())


class Shared:
    """A fleet of the guards in this process."""

    status = FleetStatus(connected=True, heard=0, unsent=0, error=None)

    def __init__(self) -> None:
        self.known: dict[str, Denial] = {}
        self.at_once: list[bool] = []

    def find(self, digest: str) -> Denial | None:
        return self.known.get(digest)

    def catching_up(self) -> None:
        return None

    def tell(self, digest: str, denial: Denial, *, at_once: bool) -> None:
        self.known[digest] = denial
        self.at_once.append(at_once)

    def use(self, use_id: str, request: str, seconds: float) -> UseRecord:
        raise NotImplementedError


@ways
def test_what_an_event_revokes_is_told_to_the_fleet_before_it_is_answered(post: Any) -> None:
    fleet = Shared()
    guard, other = Guard(*AT_HAND, fleet=fleet), Guard(*AT_HAND, fleet=fleet)
    assert other.verify(token("staff"), AnyGoogleAccount())
    assert post(receiver(guard), issuer.security_event())[0] == 202
    assert fleet.at_once == [True]
    assert [refused(each, token("staff")) for each in (guard, other)] == ["401 revoked"] * 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: EventReceiver(Guard(*AT_HAND)), r"name at least one, such as '1234-abc\.apps"),
        (lambda: EventReceiver(Guard(*AT_HAND), ""), "is not an audience"),
        (lambda: EventReceiver(Guard(*AT_HAND), "*"), "not a pattern"),
        (lambda: EventReceiver(CLIENT), "takes a guard"),  # type: ignore[arg-type]
        (lambda: receiver(on_event="print"), "on_event is a function"),
        (lambda: receiver(keys="http://keys.example.com"), "use https"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_an_error(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_the_keys_are_those_that_google_names() -> None:
    assert EventReceiver(Guard(*AT_HAND), CLIENT)._keys.url == "https://www.googleapis.com/oauth2/v3/certs"  # type: ignore[union-attr]

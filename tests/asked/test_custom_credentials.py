"""An application's own keys and sessions: where they are read, whom they name, and what a function may do wrong."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.lowlevel
import flask
import pytest
import starlette.responses

from callerid import (
    AnyGoogleAccount,
    BadRequest,
    Caller,
    ConfigurationError,
    CrossSite,
    Fact,
    Guard,
    Identity,
    IssuedBy,
    Issuer,
    Kind,
    Reason,
    Rule,
    Subject,
    Unauthenticated,
    Unavailable,
    User,
    custom_credential,
    firebase_session,
    google_access_token,
)
from callerid.authentication import resolve, resolve_async
from callerid.testing import LocalIssuer, as_caller, own_caller

URL = "https://orders.example.com"
CLIENT = "1234-abc.apps.googleusercontent.com"
NOBODYS: dict[str, Identity] = {}
KEYS = {"sk_ada": Identity("ada", {"roles": ["editor"], "plan": "gold"}), "sk_ben": Identity("ben")}

Sent = dict[str, list[str]]


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Known:
    """A function that knows some keys, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys = dict(KEYS)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, text: str) -> Identity | None:
        self.asked.append(text)
        self.gate.wait(30)
        return self.keys.get(text)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def known() -> Iterator[Known]:
    made = Known()
    yield made
    made.gate.set()


@pytest.fixture
def local(clock: Clock) -> LocalIssuer:
    return LocalIssuer(clock=clock)


@pytest.fixture
def guarded(known: Known, clock: Clock) -> Callable[..., Guard]:
    def make(*others: Issuer, **options: Any) -> Guard:
        where = options or {"header": "X-Api-Key"}
        return Guard(custom_credential("keys", verify=known, **where), *others, clock=clock, timer=clock)

    return make


def ask(guard: Guard, sent: Sent) -> Caller:
    identity = resolve(lambda waited: guard.identify(sent, waited))
    assert identity.caller is not None
    return identity.caller


def key(text: str) -> Sent:
    return {"x-api-key": [text]}


def refused(guard: Guard, sent: Sent) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as refusal:
        ask(guard, sent)
    return refusal.value


def unavailable(guard: Guard, sent: Sent) -> Unavailable:
    with pytest.raises(Unavailable) as refusal:
        ask(guard, sent)
    assert refusal.value.reason is Reason.VERIFICATION_UNAVAILABLE
    return refusal.value


# --- where they are read ---


@pytest.mark.parametrize(
    ("where", "sent"),
    [
        ({"header": "X-Api-Key"}, {"x-api-key": ["sk_ada"]}),
        ({"header": "X-Api-Key"}, {"x-api-key": [" sk_ada\t"]}),
        ({"scheme": "ApiKey"}, {"authorization": ["ApiKey sk_ada"]}),
        ({"scheme": "ApiKey"}, {"authorization": ["apikey sk_ada"]}),
        ({"scheme": "Bearer"}, {"authorization": ["Bearer sk_ada"]}),
        ({"scheme": "bearer", "matches": "sk_"}, {"authorization": ["bearer sk_ada"]}),
        ({"cookie": "sid"}, {"cookie": ["a=b; sid=sk_ada"], ":method": ["GET"]}),
    ],
)
def test_one_is_read_where_it_is_said_to_be(
    guarded: Callable[..., Guard], where: dict[str, str], sent: Sent, known: Known
) -> None:
    guard = guarded(**where)
    for _ in range(3):
        caller = ask(guard, sent)
    assert (caller.kind, caller.issuer, caller.subject) == (Kind.CUSTOM, "keys", "ada")
    assert str(caller) == "custom:keys/ada"
    assert known.asked == ["sk_ada"]


def test_nothing_is_read_elsewhere(guarded: Callable[..., Guard], known: Known) -> None:
    guard = guarded()
    for sent in ({}, {"authorization": ["ApiKey sk_ada"]}, {"cookie": ["sid=sk_ada"]}, {"x-api-key": [""]}):
        identity = resolve(lambda waited, sent=sent: guard.identify(sent, waited))  # type: ignore[misc]
        assert identity.caller is None
    assert known.asked == []


@pytest.mark.parametrize(
    ("where", "sent"),
    [
        ({"header": "X-Api-Key"}, {"x-api-key": ["sk_ada", "sk_ben"]}),
        ({"header": "X-Api-Key"}, {"x-api-key": ["sk_ada,sk_ben"]}),
        ({"header": "X-Api-Key"}, {"x-api-key": ["sk_ada sk_ben"]}),
        ({"scheme": "ApiKey"}, {"authorization": ["ApiKey sk_ada", "ApiKey sk_ben"]}),
        ({"scheme": "ApiKey"}, {"authorization": ["ApiKey sk_ada, Bearer x"]}),
        ({"scheme": "ApiKey"}, {"authorization": ["Basic x", "ApiKey sk_ben"]}),
        ({"scheme": "ApiKey"}, {"authorization": ["ApiKey"]}),
        ({"scheme": "ApiKey"}, {"authorization": ["ApiKey  sk_ada"]}),
        ({"scheme": "ApiKey"}, {"authorization": ["ApiKey sk_ada x"]}),
        ({"cookie": "sid"}, {"cookie": ["sid=sk_ada; sid=sk_ben"], ":method": ["GET"]}),
    ],
)
def test_what_is_not_one_credential_is_a_bad_request(
    guarded: Callable[..., Guard], where: dict[str, str], sent: Sent, known: Known
) -> None:
    with pytest.raises(BadRequest):
        ask(guarded(**where), sent)
    assert known.asked == []


@pytest.mark.parametrize("text", ["é", "a\x7fb", "k" * 8193])
def test_what_can_be_no_key_is_not_asked_about(guarded: Callable[..., Guard], known: Known, text: str) -> None:
    assert refused(guarded(), key(text)).reason is Reason.MALFORMED_TOKEN
    assert known.asked == []


def test_keys_and_tokens_are_told_apart_in_one_route(
    guarded: Callable[..., Guard], local: LocalIssuer, known: Known
) -> None:
    guard = guarded(local.google(URL), local.google_access_token(CLIENT), scheme="Bearer", matches="sk_")
    sent = {
        "ada": "sk_ada",
        "robot@x.iam.gserviceaccount.com": local.service_account("robot@x.iam.gserviceaccount.com"),
        "ada@gmail.com": local.access_token("ada@gmail.com"),
    }
    for name, token in sent.items():
        assert ask(guard, {"authorization": [f"Bearer {token}"]}).name == name
    assert known.asked == ["sk_ada"]
    assert refused(guard, {"authorization": ["Bearer nothing-known"]}).reason is Reason.MALFORMED_TOKEN
    assert refused(guard, {"authorization": ["Bearer sk_eve"]}).reason is Reason.UNKNOWN_CREDENTIAL


def test_a_scheme_beside_bearer_tokens_is_another_way_to_come(
    guarded: Callable[..., Guard], local: LocalIssuer
) -> None:
    guard = guarded(local.google(URL), scheme="ApiKey")
    assert ask(guard, {"authorization": ["ApiKey sk_ada"]}).subject == "ada"
    robot = local.service_account("robot@x.iam.gserviceaccount.com")
    assert ask(guard, {"authorization": [f"Bearer {robot}"]}).kind is Kind.GOOGLE
    ignored = resolve(lambda waited: guard.identify({"authorization": ["Basic x"]}, waited)).ignored
    assert ignored == "Authorization has the scheme Basic, and only Bearer or ApiKey is read"
    assert refused(guard, {"authorization": ["Bearer sk_ada"]}).reason is Reason.MALFORMED_TOKEN


def test_a_bearer_token_goes_before_a_key_and_a_key_before_a_cookie(
    guarded: Callable[..., Guard], local: LocalIssuer, known: Known, clock: Clock
) -> None:
    sessions = custom_credential("sessions", cookie="a-cookie", verify=lambda _: Identity("by cookie"))
    guard = guarded(local.google(URL), sessions)
    both = {**key("sk_ada"), "cookie": ["a-cookie=x"], ":method": ["GET"]}
    assert ask(guard, {**both, "authorization": [f"Bearer {local.service_account()}"]}).kind is Kind.GOOGLE
    assert known.asked == []
    assert ask(guard, both).subject == "ada"
    assert ask(guard, {"cookie": ["a-cookie=x"], ":method": ["GET"]}).subject == "by cookie"


@pytest.mark.parametrize("text", ["q/8+ab==", "a:b", "a_b", "(a)"])
@pytest.mark.parametrize("framework", [starlette.responses.Response, flask.Response])
def test_a_cookie_is_read_as_frameworks_set_it(framework: Callable[[], Any], text: str) -> None:
    issuer = custom_credential("own", cookie="sid", verify=lambda came: Identity("ada") if came == text else None)
    response = framework()
    response.set_cookie("sid", text)
    sent = {"cookie": [response.headers["set-cookie"].partition(";")[0]], ":method": ["GET"]}
    assert ask(Guard(issuer), sent).subject == "ada"


def test_a_cookie_needs_the_proof_of_same_origin(guarded: Callable[..., Guard]) -> None:
    guard = guarded(cookie="sid")
    sent = {"cookie": ["sid=sk_ada"], ":method": ["POST"]}
    assert ask(guard, {**sent, "sec-fetch-site": ["same-origin"]}).subject == "ada"
    with pytest.raises(CrossSite):
        ask(guard, {**sent, "sec-fetch-site": ["cross-site"]})
    with pytest.raises(CrossSite):
        ask(guard, {**sent, "sec-fetch-site": ["cross-site"]})  # also where it was seen before


# --- whom they name ---


def test_rules_speak_of_subject_issuer_and_facts(guarded: Callable[..., Guard]) -> None:
    guard = guarded()
    caller = ask(guard, key("sk_ada"))
    rule: Rule
    for rule in (Subject("ada"), IssuedBy("keys"), Fact("plan", "gold"), Fact("roles", contains="editor")):
        assert guard.allows(caller, rule), rule
    for rule in (Subject("ben"), IssuedBy("other"), Fact("plan", "free"), User("7"), AnyGoogleAccount()):
        assert not guard.allows(caller, rule), rule


def test_a_google_account_of_that_id_is_somebody_else(guarded: Callable[..., Guard], known: Known) -> None:
    known.keys["k"] = Identity("123456789012345678901", {"email": "ada@gmail.com", "hd": "example.com"})
    guard = guarded()
    caller = ask(guard, key("k"))
    assert (caller.email, caller.domain) == (None, None)
    assert not guard.allows(caller, User("123456789012345678901"))
    assert not guard.allows(caller, User("ada@gmail.com"))


# --- caching ---


def test_an_answer_is_believed_for_max_age_and_revocation_is_felt_then(
    guarded: Callable[..., Guard], known: Known, clock: Clock
) -> None:
    guard = guarded(header="X-Api-Key", max_age=100)
    ask(guard, key("sk_ada"))
    del known.keys["sk_ada"]
    clock.now += 89
    assert ask(guard, key("sk_ada")).subject == "ada"
    assert known.asked == ["sk_ada"]
    clock.now += 11
    assert refused(guard, key("sk_ada")).reason is Reason.UNKNOWN_CREDENTIAL


def test_it_is_asked_for_again_behind_requests(guarded: Callable[..., Guard], known: Known, clock: Clock) -> None:
    guard = guarded(header="X-Api-Key", max_age=100)
    ask(guard, key("sk_ada"))
    known.keys["sk_ada"] = Identity("ada", {"plan": "free"})
    clock.now += 95
    known.gate.clear()
    assert ask(guard, key("sk_ada")).custom is not None  # and nobody waits
    known.gate.set()
    deadline = time.monotonic() + 40
    while not guard.allows(ask(guard, key("sk_ada")), Fact("plan", "free")):
        assert time.monotonic() < deadline
    clock.now += 20
    ask(guard, key("sk_ada"))
    assert len(known.asked) == 2


def test_an_unknown_key_is_refused_for_five_seconds(guarded: Callable[..., Guard], known: Known, clock: Clock) -> None:
    guard = guarded()
    for _ in range(3):
        assert refused(guard, key("sk_new")).reason is Reason.UNKNOWN_CREDENTIAL
    assert known.asked == ["sk_new"]
    known.keys["sk_new"] = Identity("new")
    clock.now += 5
    assert ask(guard, key("sk_new")).subject == "new"


def test_a_session_may_end_sooner(guarded: Callable[..., Guard], known: Known, clock: Clock) -> None:
    known.keys["s"] = Identity("ada", expires_at=clock.now + 10)
    guard = guarded()
    assert ask(guard, key("s")).expires_at == clock.now + 10
    clock.now += 10
    assert refused(guard, key("s")).reason is Reason.EXPIRED


def test_after_a_machine_slept_it_is_asked_again(known: Known, clock: Clock) -> None:
    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=known), clock=clock, timer=lambda: 5.0, leeway=0)
    ask(guard, key("sk_ada"))
    clock.now += 3600
    assert ask(guard, key("sk_ada")).subject == "ada"
    assert len(known.asked) == 2
    del known.keys["sk_ada"]
    clock.now += 3600
    assert refused(guard, key("sk_ada")).reason is Reason.UNKNOWN_CREDENTIAL


def test_a_clock_that_leaps_on_while_it_is_asked_ends_closed(clock: Clock) -> None:
    def leaps(text: str) -> Identity:
        threading.Timer(0, lambda: None).start()
        return Identity("ada")

    class Leaping(Clock):
        def __call__(self) -> float:
            self.now += 1000
            return self.now

    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=leaps), clock=Leaping(), timer=lambda: 0.0)
    assert refused(guard, key("k")).reason is Reason.EXPIRED


def test_two_guards_with_other_functions_share_no_answer(clock: Clock) -> None:
    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=lambda _: Identity("one")), clock=clock)
    other = Guard.like(guard)
    other.distrust(*other.issuers)
    other.trust(custom_credential("keys", header="X-Api-Key", verify=lambda _: Identity("other")))
    assert ask(guard, key("k")).subject == "one"
    assert ask(other, key("k")).subject == "other"
    assert ask(guard, key("k")).subject == "one"


def test_no_key_is_kept(guarded: Callable[..., Guard]) -> None:
    guard = guarded()
    ask(guard, key("sk_ada"))
    kept = [guard.authenticator.cache, guard.authenticator.answers]
    assert "sk_ada" not in repr([vars(each) for each in kept]) + repr(guard.issuers)


# --- one call, wherever one waits ---


def test_threads_with_one_key_ask_once(guarded: Callable[..., Guard], known: Known) -> None:
    guard = guarded()
    known.gate.clear()
    with ThreadPoolExecutor(3) as pool:  # as many as may wait
        asked = [pool.submit(ask, guard, key("sk_ada")) for _ in range(3)]
        while not known.asked:
            time.sleep(0.001)
        known.gate.set()
        assert {future.result().subject for future in asked} == {"ada"}
    assert known.asked == ["sk_ada"]


async def ask_async(guard: Guard, sent: Sent) -> Caller:
    identity = await resolve_async(lambda waited: guard.identify(sent, waited))
    assert identity.caller is not None
    return identity.caller


async def known_async(text: str) -> Identity | None:
    await anyio.lowlevel.checkpoint()
    return KEYS.get(text)


class KnownAsync:
    async def __call__(self, text: str) -> Identity | None:
        return await known_async(text)


async def known_to(_: str, text: str) -> Identity | None:
    return await known_async(text)


@pytest.mark.parametrize(
    "verify", [KEYS.get, known_async, KnownAsync(), KnownAsync().__call__, functools.partial(known_to, "us")]
)
def test_plain_and_async_functions_serve_threads_and_tasks(
    verify: Callable[[str], Any], backend: str, clock: Clock
) -> None:
    def guard() -> Guard:
        return Guard(custom_credential("keys", header="X-Api-Key", verify=verify), clock=clock)

    async def main(guard: Guard) -> list[str]:
        found: list[str] = []

        async def one() -> None:
            found.append((await ask_async(guard, key("sk_ada"))).subject)

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(one)
        return found

    assert ask(guard(), key("sk_ada")).subject == "ada"
    assert anyio.run(main, guard(), backend=backend) == ["ada"] * 20


def test_an_async_function_runs_on_the_application_s_loop(backend: str, clock: Clock) -> None:
    seen: list[int] = []

    async def verify(text: str) -> Identity:
        seen.append(threading.get_ident())
        return Identity("ada")

    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=verify))

    async def main() -> None:
        await ask_async(guard, key("k"))

    anyio.run(main, backend=backend)
    assert seen == [threading.get_ident()]


# --- what a function may do wrong ---


def raises(text: str) -> Identity:
    raise ValueError(f"no row for {text}")


def raises_from(text: str) -> Identity:
    try:
        return NOBODYS[text]
    except KeyError as error:
        raise RuntimeError(text) from error


async def raises_async(text: str) -> Identity:
    raise ValueError(text)


def a_coroutine(text: str) -> Awaitable[Identity | None]:
    return known_async(text)


WRONG: dict[str, Any] = {
    "ValueError at ": raises,
    "RuntimeError at ": raises_from,
    "ValueError": raises_async,
    "it returned a bool": lambda _: True,
    "it returned a str": lambda text: text,
    "it returned a dict": lambda text: {"subject": text},
    "it returned a coroutine": a_coroutine,
    "whose subject is not 1 to 255": lambda _: Identity(""),
    "subject is not 1 to 255 printable": lambda _: Identity("a\nb"),
    "is not 1 to 255 printable characters": lambda _: Identity(7),  # type: ignore[arg-type]
    "not 1 to 255": lambda _: Identity("a" * 256),
    "subject has a blank at an end": lambda _: Identity(" ada"),
    "facts are not plain values": lambda _: Identity("ada", {"at": object()}),
    "whose facts are not plain": lambda _: Identity("ada", {7: "x"}),  # type: ignore[dict-item]
    "facts are not": lambda _: Identity("ada", ["admin"]),  # type: ignore[arg-type]
    "are not plain values": lambda _: Identity("ada", {"x": float("nan")}),
    "whose expires_at is no number": lambda _: Identity("ada", expires_at="soon"),  # type: ignore[arg-type]
    "it returned a type": type,  # a function that does not say what it takes
    "expires_at is no number of seconds": lambda _: Identity("ada", expires_at=float("nan")),
}


@pytest.mark.parametrize("said", WRONG)
def test_a_function_that_does_wrong_is_503_and_named_in_one_record(
    said: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=WRONG[said]), clock=clock, timer=clock)
    for _ in range(5):
        refusal = unavailable(guard, key("sk_secret"))
    assert refusal.retry_after == 1
    (record,) = (each for each in caplog.records if each.name.startswith("callerid"))
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("verify= of custom_credential('keys') cannot be asked (")
    assert said in record.getMessage()
    assert "sk_secret" not in caplog.text + str(refusal) + refusal.remedy + repr(refusal.__cause__)


def test_nested_facts_have_a_bound() -> None:
    facts: Any = "x"
    for _ in range(20):
        facts = {"in": facts}
    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=lambda _: Identity("ada", facts)))
    unavailable(guard, key("k"))


def test_a_function_that_hangs_is_503_in_time_and_costs_its_thread_alone(known: Known) -> None:
    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=known, timeout=0.05))
    known.gate.clear()
    assert "not done within 0.05 s" in unavailable(guard, key("sk_ada")).detail
    known.gate.set()


def test_an_async_function_that_hangs_is_cancelled_in_time(backend: str) -> None:
    ended: list[bool] = []

    async def hangs(text: str) -> Identity:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(True)
        raise AssertionError

    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=hangs, timeout=0.05))

    async def main() -> None:
        with pytest.raises(Unavailable):
            await ask_async(guard, key("k"))

    anyio.run(main, backend=backend)
    assert ended == [True]


def test_the_application_s_loop_goes_on_while_a_function_hangs(known: Known) -> None:
    guard = Guard(custom_credential("keys", header="X-Api-Key", verify=known, timeout=30))
    known.gate.clear()

    async def main() -> int:
        asking = asyncio.create_task(ask_async(guard, key("sk_ada")))
        ticks = 0
        while not known.asked or ticks < 100:
            await asyncio.sleep(0)
            ticks += 1
        known.gate.set()
        assert (await asking).subject == "ada"
        return ticks

    assert asyncio.run(main()) >= 100


@pytest.mark.parametrize("wrong", [raises, lambda _: False, lambda text: Identity(f"{text} ")])
def test_strangers_at_whose_keys_a_function_stumbles_lock_out_nobody_else(
    wrong: Callable[[str], Any], clock: Clock
) -> None:
    guard = Guard(
        custom_credential("keys", header="X-Api-Key", verify=lambda text: KEYS[text] if text in KEYS else wrong(text)),
        clock=clock,
        timer=clock,
    )
    ask(guard, key("sk_ada"))
    clock.now += 60
    for number in range(50):
        unavailable(guard, key(f"crash{number}"))
    assert ask(guard, key("sk_ada")).subject == "ada"
    assert ask(guard, key("sk_ben")).subject == "ben"  # who was not known before


# --- at start-up ---


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"header": "X-Api-Key", "cookie": "sid"},
        {"header": "X-Api-Key", "scheme": "ApiKey"},
        {"header": ""},
        {"header": "X Api Key"},
        {"header": "Authorization"},
        {"header": "Cookie"},
        {"header": "X-Serverless-Authorization"},
        {"cookie": "a=b"},
        {"scheme": "Api Key"},
        {"scheme": "Basic"},
        {"scheme": "negotiate"},
        {"scheme": 7},
        {"header": "X", "matches": "sk ö"},
        {"header": "X", "matches": None},
        {"header": "X", "max_age": 0},
        {"header": "X", "max_age": 90_000},
        {"header": "X", "max_age": True},
        {"header": "X", "timeout": 61},
        {"header": "X", "timeout": float("nan")},
        {"header": "X", "verify": 7},
        {"header": "X", "verify": None},
        {"header": "X", "verify": lambda: None},
        {"header": "X", "verify": lambda text, more: None},
        {"header": "X", "verify": (lambda text: (yield))},
    ],
)
def test_a_setting_that_cannot_be_meant_is_an_error(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        custom_credential("keys", **{"verify": KEYS.get, **settings})


@pytest.mark.parametrize("name", ["", "https://accounts.google.com", "my keys", 7, "a" * 65])
def test_a_name_is_a_short_word(name: Any) -> None:
    with pytest.raises(ConfigurationError):
        custom_credential(name, header="X-Api-Key", verify=KEYS.get)


def _keys(name: str = "keys", **options: Any) -> Issuer:
    return custom_credential(name, verify=KEYS.get, **options)


@pytest.mark.parametrize(
    "issuers",
    [
        [_keys(scheme="Bearer"), google_access_token(CLIENT)],
        [_keys(scheme="Bearer", matches="ya29"), google_access_token(CLIENT)],
        [_keys(scheme="Bearer", matches="ya29.a"), google_access_token(CLIENT)],
        [_keys(scheme="Bearer"), LocalIssuer().google(URL)],
        [_keys(scheme="Bearer", matches="eyJ"), LocalIssuer().google(URL)],
        [_keys(scheme="Bearer", matches="e"), LocalIssuer().google(URL)],
        [LocalIssuer().google(URL), _keys(scheme="Bearer", matches="ey")],
        [_keys("a", header="X-Key"), _keys("b", header="x-key")],
        [_keys("a", header="X-Key", matches="sk_"), _keys("b", header="X-Key", matches="sk_live_")],
        [_keys(cookie="session"), firebase_session("shop-prod")],
        [_keys(header="X-Key"), _keys(cookie="sid")],  # one name
    ],
)
def test_two_that_could_claim_one_credential_are_an_error(issuers: list[Issuer]) -> None:
    with pytest.raises(ConfigurationError):
        Guard(*issuers)


def test_several_that_are_told_apart_are_none() -> None:
    guard = Guard(
        _keys("test", header="X-Key", matches="sk_test_"),
        _keys("live", header="X-Key", matches="sk_live_"),
        _keys("sessions", cookie="sid"),
        _keys("bearers", scheme="Bearer", matches="key-"),
        _keys("others", scheme="ApiKey"),
        google_access_token(CLIENT),
        LocalIssuer().google(URL),
    )
    assert guard.slots == {"x-key", "cookie", "authorization", "x-serverless-authorization"}
    assert guard.status() == [] or all("custom" not in status.source for status in guard.status())


def test_what_begins_as_none_of_them_is_refused(known: Known) -> None:
    guard = Guard(custom_credential("keys", header="X-Api-Key", matches="sk_", verify=known))
    assert refused(guard, key("pk_ada")).reason is Reason.MALFORMED_TOKEN
    assert known.asked == []
    guard.distrust(*guard.issuers)
    assert not guard.slots


def test_tests_act_as_whoever_has_one() -> None:
    guard = Guard(_keys(header="X-Api-Key"))
    with as_caller(guard, own_caller("ada", issuer="keys", facts={"plan": "gold"})) as caller:
        assert guard.allows(caller, Subject("ada") & Fact("plan", "gold"))
    with pytest.raises(ValueError, match="could reach it"), as_caller(guard, own_caller("ada", issuer="others")):
        pass


def test_an_open_front_door_is_seen_by_a_key_that_came_through(local: LocalIssuer, known: Known) -> None:
    keys = custom_credential("keys", scheme="ApiKey", verify=known)
    guard = Guard(local.cloud_run(URL), keys, clock=local.clock)
    carrier = f"Bearer {local.stripped(local.service_account(audience=URL))}"
    sent = {"authorization": ["ApiKey sk_ada"], "x-serverless-authorization": [carrier]}
    identity = resolve(lambda waited: guard.identify(sent, waited))
    assert (identity.caller is not None and identity.caller.subject, identity.via is not None) == ("ada", True)
    ask(guard, {"authorization": ["ApiKey sk_ada"]})  # no closed front door lets that in
    with pytest.raises(Unavailable) as refusal:
        ask(guard, {"authorization": [carrier]})
    assert refusal.value.reason is Reason.FRONT_DOOR_OPEN

"""`SingleUse`: which requests a token opens, when it is used up, and what refuses it."""

from __future__ import annotations

import base64
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio
import pytest

from callerid import (
    AnyGoogleAccount,
    ConfigurationError,
    FirebaseUser,
    Guard,
    Lookup,
    Public,
    Refusal,
    Role,
    SecondFactor,
    SingleUse,
    Via,
    custom_credential,
)
from callerid import Identity as Own
from callerid.audit.algebra import No, Side, new_access
from callerid.authentication import FleetStatus, UseRecord
from callerid.authentication import _uses as uses
from callerid.authentication._uses import Uses, use_id_of
from callerid.authorization import Check, Decision, evaluate
from callerid.fleet import RedisFleet
from callerid.rules import Facts
from callerid.testing import LocalIssuer, as_caller, google_person
from callerid.testing.access import rehearsing
from callerid.wsgi import CallerMiddleware
from tests.fixtures import AT_HAND, ROBOT, STAFF, URL, issuer, token
from tests.fleet.stand_in import stand_in
from tests.lookups.apps import ADAPTERS, asking

every_adapter = pytest.mark.parametrize("adapter", ADAPTERS)
_NUMBERS = itertools.count()
USED, UNKNOWN = "401 already_used", "503 single_use_unavailable"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need longer than the tenth of a second that a request waits for a fleet."""
    monkeypatch.setattr(uses, "USE_SECONDS", 30.0)


def robot(**claims: Any) -> str:
    """A new token of the service account."""
    return issuer.service_account(ROBOT, audience=URL, claims={"nonce": str(next(_NUMBERS)), **claims})


def someone() -> str:
    return f"someone-{next(_NUMBERS)}"


def refused(ask: Callable[[], Any]) -> str:
    with pytest.raises(Refusal) as raised:
        ask()
    assert raised.value.__traceback__ is not None
    return f"{raised.value.status} {raised.value.reason}"


@every_adapter
def test_a_token_opens_one_request(adapter: str) -> None:
    _, ask = asking(adapter, SingleUse())
    who = someone()
    assert ask(who)[0] == 200
    status, body, headers = ask(who)
    assert (status, body["reason"]) == (401, "already_used")
    assert 'error="invalid_token"' in headers["WWW-Authenticate"]
    assert [ask(someone())[0], ask(None)[0], ask(who, "/open")[0]] == [200, 401, 200]


@every_adapter
def test_who_is_refused_by_another_rule_keeps_the_token(adapter: str) -> None:
    roles = set[str]()
    lookup = Lookup("roles", lambda _: set(roles), timeout=30)
    guard, ask = asking(adapter, Role("editor") & SingleUse(), lookups=[lookup])
    who = someone()
    assert [ask(who)[0], ask(who)[0]] == [403, 403]
    roles.add("editor")
    guard.lookups.forget(guard.verify(token(who)))
    assert [ask(who)[0], ask(who)[0]] == [200, 401]


@every_adapter
def test_where_the_rest_of_a_rule_admits_nothing_is_used_up(adapter: str) -> None:
    _, ask = asking(adapter, SingleUse() | FirebaseUser())
    who = someone()
    assert [ask(who)[0] for _ in range(3)] == [200, 200, 200]
    _, ask = asking(adapter, Public() | SingleUse())
    assert [ask(None)[0], ask(who)[0], ask(who)[0]] == [200, 200, 401]


def test_a_step_up_and_a_source_that_fails_use_nothing_up() -> None:
    guard = Guard(*AT_HAND)
    weak = issuer.firebase_user(someone())
    for _ in range(2):
        assert refused(lambda: guard.verify(weak, SecondFactor() & SingleUse())) == "401 step_up"
    assert guard.verify(weak, SingleUse())

    def load(_: object) -> set[str]:
        raise OSError

    failing = Guard(*AT_HAND, lookups=[Lookup("roles", load)])
    other = robot()
    for rule in (SingleUse() & Role("x"), SingleUse() | Role("x")):
        assert refused(partial(failing.verify, other, rule)) == "503 lookup_unavailable"
    assert failing.verify(other, SingleUse())


def test_a_token_is_known_by_issuer_and_jti_and_else_by_what_is_signed() -> None:
    guard = Guard(*AT_HAND)
    assert guard.verify(robot(jti="one"), SingleUse())
    assert refused(lambda: guard.verify(robot(jti="one"), SingleUse())) == USED
    assert guard.verify(robot(jti="two"), SingleUse())
    other = issuer.firebase_user(someone(), claims={"jti": "one"}, hostile=True)
    assert guard.verify(other, SingleUse())  # of another issuer
    for odd in (7, "", None, ["one"], {"a": 1}, True):
        odd_token = robot(jti=odd)
        assert guard.verify(odd_token, SingleUse())
        assert refused(partial(guard.verify, odd_token, SingleUse())) == USED
        assert guard.verify(robot(jti=odd), SingleUse())
    huge = robot(jti="j" * 3000)
    assert guard.verify(huge, SingleUse())
    assert refused(lambda: guard.verify(huge, SingleUse())) == USED


def test_another_signature_of_the_same_token_is_no_other_token() -> None:
    assert use_id_of({"jti": 1}, b"signed") == use_id_of({}, b"signed")
    assert len({use_id_of({}, b"a"), use_id_of({}, b"b"), use_id_of({"jti": "a"}, b"a")}) == 3
    provider = "https://id.example.net"
    made = LocalIssuer()
    trusted = made.oidc(provider, "orders", algorithm="ES256")
    guard = Guard(trusted)
    text = made.oidc_caller("ada", issuer=provider, audience="orders")
    assert guard.verify(text, SingleUse())
    head, signature = text.rsplit(".", 1)
    raw = base64.urlsafe_b64decode(signature + "==")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    s = order - int.from_bytes(raw[32:], "big")
    twin = base64.urlsafe_b64encode(raw[:32] + s.to_bytes(32, "big")).rstrip(b"=").decode()
    assert guard.verify(f"{head}.{twin}")  # it verifies
    assert refused(lambda: guard.verify(f"{head}.{twin}", SingleUse())) == USED


def test_of_many_requests_at_once_one_is_admitted() -> None:
    guard, text = Guard(*AT_HAND), robot()

    def ask(_: int) -> str:
        try:
            guard.verify(text, SingleUse())
        except Refusal as refusal:
            return str(refusal.reason)
        return "admitted"

    with ThreadPoolExecutor(8) as pool:
        assert Counter(pool.map(ask, range(64))) == {"admitted": 1, "already_used": 63}


def test_a_use_is_known_until_its_token_has_ended_and_a_full_process_refuses() -> None:
    clock = [1_700_000_000.0]
    made = LocalIssuer(clock=lambda: clock[0])
    guard = Guard(made.google(URL), clock=lambda: clock[0])
    guard.authenticator.uses = Uses(most=2)

    def of(number: int) -> str:
        return made.service_account(ROBOT, audience=URL, claims={"jti": str(number)})

    first, second = of(1), of(2)
    assert guard.verify(first, SingleUse())
    assert guard.verify(second, SingleUse())
    third = of(3)
    assert refused(lambda: guard.verify(third, SingleUse())) == UNKNOWN
    assert refused(lambda: guard.verify(first, SingleUse())) == USED
    clock[0] += 3600 + 29
    assert refused(lambda: guard.verify(first, SingleUse())) == USED
    clock[0] += 181
    assert guard.verify(of(4), SingleUse())


def test_a_token_that_ends_too_late_is_refused() -> None:
    provider = "https://id.example.net"
    made = LocalIssuer()
    guard = Guard(made.oidc(provider, "orders"))
    text = made.oidc_caller("ada", issuer=provider, audience="orders", lifetime=91 * 86_400)
    assert guard.verify(text)
    assert refused(lambda: guard.verify(text, SingleUse())) == "401 bad_claims"


def test_what_has_no_signature_is_refused() -> None:
    guard = Guard(*AT_HAND, custom_credential("keys", scheme="ShopKey", verify=lambda _: Own("ada")))
    app = CallerMiddleware(served, guard=guard, default=SingleUse())
    assert ask_wsgi(app, "ShopKey abc") == "403"
    identity = guard.identify({"authorization": ["ShopKey abc"]})
    assert refused(lambda: guard.use_up(identity, "x")) == USED  # type: ignore[arg-type]


def served(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b""]


def ask_wsgi(app: Any, authorization: str, path: str = "/") -> str:
    said: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_AUTHORIZATION": authorization}
    list(app(environ, lambda status, headers: said.append(status)))
    return said[0].partition(" ")[0]


def test_in_report_only_mode_uses_are_counted_and_nobody_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    guard = Guard(*AT_HAND)
    routes = {"/both": STAFF & SingleUse()}
    app = CallerMiddleware(served, guard=guard, default=SingleUse(), routes=routes, enforce=False, until="2999-01-01")
    text = robot()
    with caplog.at_level("INFO", logger="callerid"):
        assert [ask_wsgi(app, f"Bearer {text}", "/both"), ask_wsgi(app, f"Bearer {text}")] == ["200", "200"]
        assert ask_wsgi(app, f"Bearer {text}") == "200"
    fields = [record.callerid for record in caplog.records if hasattr(record, "callerid")]
    assert [(each["outcome"], each["reason"]) for each in fields] == [
        ("would refuse", "not_allowed"),
        ("would refuse", "already_used"),
    ]


def test_report_only_mode_spares_a_token_that_is_refused_anyway() -> None:
    guard, text = Guard(*AT_HAND), robot()
    checks = [Check(guard, guard.requirement(rule), {}) for rule in (STAFF, SingleUse())]
    decision = evaluate(checks, lambda _: {"authorization": [f"Bearer {text}"]}, waives=lambda _: True)
    assert isinstance(decision, Decision)
    assert decision.refusal is None
    assert guard.verify(text, SingleUse())


def test_several_requirements_use_a_token_once_and_several_guards_each() -> None:
    guard, other, text = Guard(*AT_HAND), Guard(*AT_HAND), robot()
    twice = [Check(each, each.requirement(SingleUse()), {}) for each in (guard, guard, Guard.like(guard), other)]

    def ask() -> str:
        decision = evaluate(twice, lambda _: {"authorization": [f"Bearer {text}"]})
        assert isinstance(decision, Decision)
        return "admitted" if decision.refusal is None else str(decision.refusal.reason)

    assert [ask(), ask()] == ["admitted", "already_used"]
    assert refused(lambda: other.verify(text, SingleUse())) == USED


def test_a_shadow_policy_uses_nothing_up_and_decides_as_the_live_one() -> None:
    guard = Guard(*AT_HAND)
    app = CallerMiddleware(served, guard=guard, default=AnyGoogleAccount(), shadow={"/": SingleUse()})
    text = robot()
    assert [ask_wsgi(app, f"Bearer {text}") for _ in range(2)] == ["200", "200"]
    assert guard.shadow.agreed == 2
    assert guard.verify(text, SingleUse())
    live = CallerMiddleware(served, guard=guard, default=SingleUse(), shadow={"/": AnyGoogleAccount() & SingleUse()})
    assert ask_wsgi(live, f"Bearer {text}") == "401"
    assert guard.shadow.agreed == 3


def test_a_caller_in_hand_has_no_token() -> None:
    guard = Guard(*AT_HAND)
    caller = guard.verify(robot())
    with pytest.raises(ConfigurationError, match=r"guard\.verify"):
        guard.allows(caller, AnyGoogleAccount() & SingleUse())
    with pytest.raises(ConfigurationError, match="carried the call"):
        Via(SingleUse())


def test_acting_makes_each_request_with_a_token_of_its_own() -> None:
    guard = Guard(*AT_HAND)
    app = CallerMiddleware(served, guard=guard, default=SingleUse())
    text = robot()
    with as_caller(guard, google_person("ada@gmail.com")):
        assert [ask_wsgi(app, "") for _ in range(3)] == ["200"] * 3
        assert [ask_wsgi(app, f"Bearer {text}") for _ in range(2)] == ["200", "401"]
    assert "use_up" not in vars(guard)


def test_the_access_suite_uses_nothing_up() -> None:
    guard = Guard(*AT_HAND)
    app = CallerMiddleware(served, guard=guard, default=SingleUse())
    with rehearsing(app):
        assert guard.use_up(None, "x") is None  # type: ignore[arg-type]


def test_the_rule_says_what_it_is() -> None:
    assert (repr(SingleUse()), str(SingleUse())) == ("SingleUse()", "singleUse")
    caller = Guard(*AT_HAND).verify(robot())
    assert "is not counted" in str(SingleUse().explain(Facts(caller)))
    assert "+ singleUse" in str(SingleUse().explain(Facts(caller, first_use=True)))


def test_to_leave_it_out_is_new_access_and_to_ask_it_is_not() -> None:
    def side(rule: Any) -> Side:
        return Side(rule, None, AT_HAND)

    found = new_access(side(STAFF & SingleUse()), side(STAFF))
    assert "not singleUse" in str(found)
    assert isinstance(new_access(side(STAFF), side(STAFF & SingleUse())), No)
    assert isinstance(new_access(side(STAFF & SingleUse()), side(SingleUse() & STAFF)), No)
    assert "with a new token" in str(new_access(side(STAFF & SingleUse()), side(SingleUse())))


def test_a_forked_child_begins_anew() -> None:
    guard, text = Guard(*AT_HAND), robot()
    assert guard.verify(text, SingleUse())
    guard.authenticator.uses.renew_after_fork()
    assert guard.verify(text, SingleUse())


# --- with a fleet ---


class Shared:
    """A fleet that knows uses in this process: ``error`` is raised, ``gate`` waited for, ``since`` is from when."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}
        self.seconds: list[float] = []
        self.error: Exception | None = None
        self.gate: threading.Event | None = None
        self.since = 0.0
        self.threads: set[str] = set()

    status = FleetStatus(connected=True, heard=0, unsent=0, error=None)

    def find(self, digest: str) -> None:
        return None

    def catching_up(self) -> None:
        return None

    def tell(self, *_: Any, **__: Any) -> None:
        pass

    def use(self, use_id: str, request: str, seconds: float) -> UseRecord:
        self.threads.add(threading.current_thread().name)
        self.seconds.append(seconds)
        if self.gate is not None:
            self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return UseRecord(self.known.setdefault(use_id, request), self.since)


def fleet_guard(fleet: Any) -> Guard:
    return Guard(*AT_HAND, fleet=fleet)


def test_one_guard_of_a_fleet_accepts_a_token() -> None:
    fleet, text = Shared(), robot()
    assert fleet_guard(fleet).verify(text, SingleUse())
    assert refused(lambda: fleet_guard(fleet).verify(text, SingleUse())) == USED
    assert all(3700 < each < 3900 for each in fleet.seconds)
    assert fleet.threads == {"callerid-asking"}
    mine, own = fleet_guard(fleet), Guard(*AT_HAND)
    assert Guard.like(own, fleet=fleet).authenticator.uses is not own.authenticator.uses
    assert Guard.like(mine).authenticator.uses is mine.authenticator.uses


@every_adapter
def test_a_fleet_that_fails_is_503(adapter: str) -> None:
    fleet = Shared()
    fleet.error = OSError("secret")
    _, ask = asking(adapter, SingleUse(), fleet=fleet)
    status, body, headers = ask(someone())
    assert (status, body["reason"], headers["Retry-After"]) == (503, "single_use_unavailable", "1")
    fleet.error = None
    assert ask(someone())[0] == 200


def test_an_answer_that_comes_too_late_admits_nobody_and_is_not_given_to_another_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uses, "USE_SECONDS", 0.01)
    fleet, text = Shared(), robot()
    fleet.gate = threading.Event()
    guard = fleet_guard(fleet)
    assert refused(lambda: guard.verify(text, SingleUse())) == UNKNOWN
    fleet.gate.set()
    ends_at = time.monotonic() + 10
    while not fleet.known:
        assert time.monotonic() < ends_at
        threading.Event().wait(0.005)
    monkeypatch.setattr(uses, "USE_SECONDS", 10)
    assert refused(lambda: guard.verify(text, SingleUse())) == USED


def test_who_gave_up_before_there_was_a_thread_uses_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[Callable[[], None]] = []
    fleet, text = Shared(), robot()
    guard = fleet_guard(fleet)
    monkeypatch.setattr(uses, "USE_SECONDS", 0.0)
    threads: Any = guard.authenticator.uses._threads

    def keep(job: Callable[[], None]) -> bool:
        jobs.append(job)
        return True

    monkeypatch.setattr(threads, "run", keep)
    assert refused(lambda: guard.verify(text, SingleUse())) == UNKNOWN
    for job in jobs:
        job()
    assert not fleet.known
    monkeypatch.setattr(threads, "run", lambda _: False)
    assert refused(lambda: guard.verify(text, SingleUse())) == UNKNOWN


def _waits(gate: threading.Event) -> None:
    gate.wait(10)


def test_a_forked_child_does_not_wait_for_threads_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uses, "USE_SECONDS", 10)
    guard, gate = fleet_guard(Shared()), threading.Event()
    threads = guard.authenticator.uses._threads
    try:
        for _ in range(uses._MOST_THREADS):
            assert threads.run(partial(_waits, gate))
        guard.authenticator.uses.renew_after_fork()
        assert guard.verify(robot(), SingleUse())
    finally:
        gate.set()


def test_of_tokens_that_were_issued_before_a_redis_began_anew_nothing_is_known() -> None:
    fleet = Shared()
    clock = [float(int(time.time()))]
    made = LocalIssuer(clock=lambda: clock[0])
    guard = Guard(made.google(URL), clock=lambda: clock[0], fleet=fleet)

    def of(number: int) -> str:
        return made.service_account(ROBOT, audience=URL, claims={"jti": str(number)})

    fleet.since = clock[0] - 10
    old = of(1)
    with pytest.raises(Refusal) as raised:
        guard.verify(old, SingleUse())
    assert (raised.value.status, getattr(raised.value, "retry_after", 0)) == (503, 51)
    clock[0] += 51
    assert refused(lambda: guard.verify(old, SingleUse())) == USED
    unseen = made.service_account(ROBOT, audience=URL, issued_at=int(clock[0]) - 40)
    assert refused(lambda: guard.verify(unseen, SingleUse())) == USED  # it may have been
    assert guard.verify(of(2), SingleUse())


def test_a_request_behind_two_guards_of_one_fleet_waits_for_both_and_blocks_no_event_loop() -> None:
    fleet, text = Shared(), robot()
    one, other, local = fleet_guard(fleet), fleet_guard(fleet), Guard(*AT_HAND)
    checks = [Check(each, each.requirement(SingleUse()), {}) for each in (local, one, other)]

    async def ask() -> str:
        from callerid.authentication import resolve_async

        decision = await resolve_async(
            lambda waited: evaluate(checks, lambda _: {"authorization": [f"Bearer {text}"]}, waited)
        )
        return "admitted" if decision.refusal is None else str(decision.refusal.reason)

    assert [anyio.run(ask, backend=backend) for backend in ("asyncio", "trio")] == ["admitted", "already_used"]


def test_redis_is_asked_by_one_script_and_whatever_it_answers_otherwise_is_503() -> None:
    with stand_in() as redis:
        fleet = RedisFleet(redis.url)
        guard = fleet_guard(fleet)
        text = robot()
        redis.evals = [
            b"*2\r\n$1\r\nx\r\n$3\r\n0.5\r\n",
            b":1\r\n",
            b"-WRONGTYPE no\r\n",
            b"*2\r\n$-1\r\n$3\r\n0.5\r\n",
        ]
        try:
            assert refused(lambda: guard.verify(text, SingleUse())) == USED
            for _ in range(3):
                assert refused(lambda: guard.verify(text, SingleUse())) == UNKNOWN
            assert redis.calls.count(b"EVAL") == 4
        finally:
            fleet.close()

from __future__ import annotations

import os
import threading
from functools import partial
from typing import Any

import pytest

from callerid import ConfigurationError, Domain, Guard, KeySource, Refusal, ServiceAccount, Unauthenticated, google
from callerid.authentication import resolve
from callerid.authentication._token_cache import Fingerprint, TokenCache, fingerprint
from callerid.issuers import AUTHORIZATION, SERVERLESS_AUTHORIZATION
from callerid.keys import Key
from callerid.testing import LocalIssuer

PEOPLE = "1234-abc.apps.googleusercontent.com"
SERVICE = "https://orders.example.com"


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    return LocalIssuer()


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every signature check, by the id of its key."""
    made: list[str] = []
    real = Key.verify

    def counted(self: Key, signed: bytes, signature: bytes) -> bool:
        made.append(self.kid)
        return real(self, signed, signature)

    monkeypatch.setattr(Key, "verify", counted)
    return made


def identified(guard: Guard, token: str, header: str = "authorization") -> Any:
    return resolve(partial(guard.identify, {header: [f"Bearer {token}"]}))


def test_a_token_seen_before_costs_no_signature_check(issuer: LocalIssuer, checks: list[str]) -> None:
    guard, token = Guard(issuer.google(PEOPLE)), issuer.workspace_person()
    first, second = identified(guard, token), identified(guard, token)
    assert first == second
    assert len(checks) == 1


def test_verify_remembers_too(issuer: LocalIssuer, checks: list[str]) -> None:
    guard, token = Guard(issuer.google(PEOPLE)), issuer.workspace_person()
    assert guard.verify(token) == guard.verify(token)
    assert len(checks) == 1


def test_a_memory_of_size_0_is_off(issuer: LocalIssuer, checks: list[str]) -> None:
    guard, token = Guard(issuer.google(PEOPLE), memory=0), issuer.workspace_person()
    for _ in range(3):
        identified(guard, token)
    assert len(checks) == 3


@pytest.mark.parametrize("size", [-1, 1.5, True, "4096", None])
def test_a_size_that_is_none_is_an_error(issuer: LocalIssuer, size: Any) -> None:
    with pytest.raises(ConfigurationError, match="memory="):
        Guard(issuer.google(PEOPLE), memory=size)


def test_one_letter_more_is_another_token(issuer: LocalIssuer) -> None:
    guard, token = Guard(issuer.google(PEOPLE)), issuer.workspace_person()
    identified(guard, token)
    for other in (token + "A", token[:-1], token.swapcase(), token + "=", token.replace(".", "..", 1)):
        with pytest.raises(Unauthenticated):
            identified(guard, other)


def test_a_token_beyond_latin_1_is_malformed_and_no_crash(issuer: LocalIssuer) -> None:
    guard = Guard(issuer.google(PEOPLE))
    for text in ("\u20ac.a.b", "\ud800.a.b", "\u212a"):
        with pytest.raises(Unauthenticated):
            guard.verify(text)


def test_the_same_token_in_two_slots_is_two_tokens(issuer: LocalIssuer, checks: list[str]) -> None:
    guard = Guard(issuer.google(PEOPLE))
    token = issuer.service_account(audience=SERVICE)
    # As the caller's credential it is believed, and a route may name its audience; as the carrier's it is not for us.
    identified(guard, token)
    with pytest.raises(Unauthenticated) as refused:
        identified(guard, token, "x-serverless-authorization")
    assert refused.value.reason == "wrong_audience"
    assert len(checks) == 2


def test_slots_do_not_share_a_place() -> None:
    assert fingerprint(AUTHORIZATION.name, "token") != fingerprint(SERVERLESS_AUTHORIZATION.name, "token")
    assert b"token" not in fingerprint(AUTHORIZATION.name, "token")[1]


def test_two_guards_with_different_issuers_share_nothing(issuer: LocalIssuer) -> None:
    token = issuer.workspace_person()
    identified(Guard(issuer.google(PEOPLE)), token)
    with pytest.raises(Unauthenticated):
        identified(Guard(issuer.firebase("shop-prod")), token)


def test_a_guard_like_another_shares_its_memory(issuer: LocalIssuer, checks: list[str]) -> None:
    guard, token = Guard(issuer.google(PEOPLE)), issuer.workspace_person()
    identified(guard, token)
    identified(Guard.like(guard), token)
    assert len(checks) == 1


def test_what_a_like_guard_trusts_beside_is_not_believed_by_the_first(issuer: LocalIssuer) -> None:
    guard = Guard(issuer.google(PEOPLE))
    other = Guard.like(guard).trust(issuer.firebase("shop-prod"))
    token = issuer.firebase_user("u1")
    identified(other, token)
    with pytest.raises(Unauthenticated) as refused:
        identified(guard, token)
    assert refused.value.reason == "unknown_issuer"


def test_a_token_serves_to_its_last_second_and_not_beyond() -> None:
    clock = Clock(1_800_000_000)
    issuer = LocalIssuer(clock=clock)
    guard, token = Guard(issuer.google(PEOPLE), clock=clock), issuer.workspace_person()
    identified(guard, token)
    clock.now += 3600 + 30 - 0.001
    identified(guard, token)
    clock.now += 0.001
    with pytest.raises(Unauthenticated) as refused:
        identified(guard, token)
    assert refused.value.reason == "expired"


def test_a_guard_with_less_leeway_is_stricter_with_what_another_remembered() -> None:
    clock = Clock(1_800_000_000)
    issuer = LocalIssuer(clock=clock)
    guard = Guard(issuer.firebase("shop-prod"), clock=clock, leeway=60)
    token = issuer.firebase_user("u1")
    for claim in ("iat", "auth_time", "nbf"):
        ahead = issuer.altered(token, **{claim: int(clock.now) + 50})
        identified(guard, ahead)
        with pytest.raises(Unauthenticated) as refused:
            identified(Guard.like(guard, leeway=10), ahead)
        assert refused.value.reason == "not_yet_valid"


def test_a_clock_set_back_is_heard() -> None:
    clock = Clock(1_800_000_000)
    issuer = LocalIssuer(clock=clock)
    guard, token = Guard(issuer.google(PEOPLE), clock=clock), issuer.workspace_person()
    identified(guard, token)
    clock.now -= 31
    with pytest.raises(Unauthenticated) as refused:
        identified(guard, token)
    assert refused.value.reason == "not_yet_valid"


def test_a_token_is_worth_nothing_once_its_key_has_left_the_key_set() -> None:
    timer = Clock(0)
    with LocalIssuer() as issuer:
        issuer.max_age = 100
        guard, token = Guard(issuer.google(PEOPLE), timer=timer), issuer.workspace_person()
        identified(guard, token)
        issuer.rotate(keep_old=False)
        identified(guard, token)  # nobody has heard of it yet
        timer.now = 101
        with pytest.raises(Unauthenticated) as refused:
            identified(guard, token)
        assert refused.value.reason == "unknown_key"


def test_a_key_published_again_keeps_what_it_verified(checks: list[str]) -> None:
    timer = Clock(0)
    with LocalIssuer() as issuer:
        issuer.max_age = 100
        guard, token = Guard(issuer.google(PEOPLE), timer=timer), issuer.workspace_person()
        identified(guard, token)
        timer.now = 101
        guard.warm()
        identified(guard, token)
        assert issuer.fetches["google"] == 2
        assert len(checks) == 1


def test_another_key_under_the_same_id_makes_no_old_token_good() -> None:
    one, other = LocalIssuer(), LocalIssuer()
    token = one.workspace_person()
    memory = TokenCache()
    guard = Guard(one.google(PEOPLE))
    guard.authenticator.cache = memory
    identified(guard, token)
    swapped = Guard(other.google(PEOPLE))
    swapped.authenticator.cache = memory
    with pytest.raises(Unauthenticated):
        identified(swapped, token)


def test_what_old_keys_verified_is_remembered_while_fetching_fails(checks: list[str]) -> None:
    timer = Clock(0)
    with LocalIssuer() as issuer:
        issuer.max_age = 100
        source = KeySource(issuer.pem_url("google"), stale_wait=30, stale_seconds=1000)
        guard, token = Guard(google(PEOPLE, keys=source), timer=timer), issuer.workspace_person()
        identified(guard, token)
        issuer.fail_with(500)
        timer.now = 150
        identified(guard, token)  # waits for a fetch, which fails
        checked = len(checks)
        for _ in range(5):
            identified(guard, token)  # the back-off runs
        assert len(checks) == checked


def test_keys_past_their_horizon_end_what_they_verified() -> None:
    timer = Clock(0)
    with LocalIssuer() as issuer:
        source = KeySource(issuer.pem_url("google"), stale_wait=0.0, stale_seconds=100)
        guard, token = Guard(google(PEOPLE, keys=source), timer=timer), issuer.workspace_person()
        issuer.max_age = 100
        identified(guard, token)
        issuer.fail_with(500)
        timer.now = 150
        identified(guard, token)  # old keys serve while fetching fails
        timer.now = 201
        with pytest.raises(Refusal) as refused:
            identified(guard, token)
        assert refused.value.status == 503


def test_rules_and_audiences_are_judged_on_every_request(issuer: LocalIssuer) -> None:
    guard = Guard(issuer.google(SERVICE, PEOPLE))
    identity = identified(guard, issuer.service_account(audience=SERVICE))
    identity = identified(guard, issuer.service_account(audience=SERVICE))
    scheduler = guard.requirement(ServiceAccount("scheduler@shop-prod.iam.gserviceaccount.com"))
    assert guard.judge(scheduler, identity, {}) is identity.caller
    with pytest.raises(Refusal) as wrong_rule:
        guard.judge(guard.requirement(Domain("example.com")), identity, {})
    assert wrong_rule.value.status == 403
    with pytest.raises(Refusal) as wrong_audience:
        guard.judge(guard.requirement(scheduler.rule, audience=f"{SERVICE}/tasks"), identity, {})
    assert wrong_audience.value.reason == "wrong_audience"


def test_a_refusal_is_never_remembered(issuer: LocalIssuer, checks: list[str]) -> None:
    guard, token = Guard(issuer.google(PEOPLE)), issuer.workspace_person()
    hostile = issuer.hostile_variants(token)
    del hostile["wrong_audience"]  # verified: its audience is a route's to judge, each time
    for bad in hostile.values():
        for _ in range(2):
            with pytest.raises(Refusal):
                identified(guard, bad)
    assert len(guard.authenticator.cache) == 0


def test_a_token_for_another_audience_is_remembered_but_never_let_in(issuer: LocalIssuer) -> None:
    guard = Guard(issuer.google(SERVICE))
    for _ in range(2):
        with pytest.raises(Unauthenticated) as refused:
            guard.verify(issuer.service_account(audience="https://elsewhere.example.com"))
        assert refused.value.reason == "wrong_audience"


# --- the memory alone ---


def value(name: str) -> Any:
    return name  # the memory does not look into what it keeps


def written(name: object) -> Fingerprint:
    return AUTHORIZATION.header, str(name).encode()


@pytest.mark.parametrize("size", [1, 2, 4, 5, 100])
def test_it_never_holds_more_than_its_size(size: int) -> None:
    memory = TokenCache(size)
    for number in range(size * 10):
        key = written(number)
        memory.put(key, value(key[1].decode()))
        if number % 2:
            memory.get(key)
        assert len(memory) <= size


def test_one_place_is_enough_to_remember_one_token() -> None:
    memory = TokenCache(1)
    memory.put(written("a"), value("a"))
    assert memory.get(written("a")) is memory.get(written("a")) is not None


def test_steady_users_keep_their_place_in_a_flood_of_tokens_that_come_once() -> None:
    memory = TokenCache(1000)
    steady = [written(f"steady{number}") for number in range(500)]
    for key in steady:
        memory.put(key, value("kept"))
        assert memory.get(key)
    for number in range(100_000):
        memory.put(written(number), value("once"))
    assert all(memory.get(key) for key in steady)
    assert len(memory) <= 1000


def test_a_regular_that_stays_away_makes_room_for_one_that_comes() -> None:
    memory = TokenCache(10)
    for number in range(100):
        key = written(number)
        memory.put(key, value("seen"))
        memory.get(key)
    assert memory.get(written("99"))
    assert memory.get(written("0")) is None
    assert len(memory) == 10


def test_remembering_again_changes_nothing() -> None:
    memory = TokenCache(10)
    for _ in range(3):
        memory.put(written("a"), value("a"))
        memory.get(written("a"))
    assert len(memory) == 1


def test_threads_share_it() -> None:
    memory = TokenCache(50)
    failures: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for number in range(2000):
                key = written((number * seed) % 97)
                if memory.get(key) is None:
                    memory.put(key, value(key[1].decode()))
                found = memory.get(key)
                assert found in (None, value(key[1].decode()))
        except BaseException as failure:  # noqa: BLE001 - told to the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 3, 5, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not failures
    assert len(memory) <= 50


def test_a_forked_child_begins_with_an_empty_memory_and_a_free_lock() -> None:
    memory = TokenCache(10)
    memory.put(written("a"), value("a"))
    with memory._lock:  # as if another thread were just in it
        child = os.fork()
        if child == 0:
            os._exit(0 if memory.get(written("a")) is None and len(memory) == 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert memory.get(written("a")) == value("a")


def test_what_a_child_does_first_leaves_every_memory_empty() -> None:
    memory = TokenCache(10)
    memory.put(written("a"), value("a"))
    memory.renew_after_fork()
    assert len(memory) == 0


def test_as_many_users_as_there_are_places_are_all_remembered(issuer: LocalIssuer, checks: list[str]) -> None:
    guard = Guard(issuer.firebase("shop-prod"), memory=40)
    tokens = [issuer.firebase_user(f"u{number}") for number in range(40)]
    for _ in range(5):
        found = [identified(guard, token).caller.subject for token in tokens]
        assert found == [f"u{number}" for number in range(40)]
    assert len(checks) == 40


def test_what_is_remembered_is_the_token_however_it_was_sent(issuer: LocalIssuer) -> None:
    guard, token = Guard(issuer.google(PEOPLE)), issuer.workspace_person()
    for around in ("{} ", "{}\t", " {}"):
        text = around.format(token)
        if not text.startswith(" "):
            assert identified(guard, text).caller is not None  # white space around a header's value is not its own
        with pytest.raises(Unauthenticated):
            guard.verify(text)
    assert guard.verify(token) is guard.verify(token)


class NoLock:
    def __enter__(self) -> None:
        raise AssertionError("the lock was taken")

    def __exit__(self, *_: object) -> None: ...


def test_a_token_looked_up_before_is_found_without_the_lock(issuer: LocalIssuer) -> None:
    guard, token = Guard(issuer.google(PEOPLE)), issuer.workspace_person()
    for _ in range(2):
        identified(guard, token)
    guard.authenticator.cache._lock = NoLock()  # type: ignore[assignment]
    assert identified(guard, token).caller is guard.verify(token)
    with pytest.raises(AssertionError, match="the lock was taken"):
        identified(guard, issuer.workspace_person("new@example.com"))


def test_a_token_that_is_not_cached_is_told_without_the_lock() -> None:
    memory = TokenCache(10)
    memory._lock = NoLock()  # type: ignore[assignment]
    assert memory.get(written("a")) is None


def test_forms_of_one_header_share_one_place(issuer: LocalIssuer, checks: list[str]) -> None:
    guard, token = Guard(issuer.google(PEOPLE), memory=10), issuer.workspace_person()
    cache = guard.authenticator.cache
    steady = issuer.workspace_person("steady@example.com")
    for _ in range(2):
        identified(guard, steady)
    for number in range(100):
        for form in ("Bearer {}{}", "bearer {}{}", " BEARER {}{}"):
            value = form.format(token, " " * number)
            assert guard.identify({"authorization": [value]}) == identified(guard, token)
    assert (len(cache), len(cache.recent), len(checks)) == (2, 2, 2)


def test_a_guard_that_identifies_otherwise_remembers_as_well(issuer: LocalIssuer, checks: list[str]) -> None:
    class Counting(Guard):
        asked = 0

        def identify(self, sent: Any, waited: Any = ()) -> Any:
            self.asked += 1
            return super().identify(sent, waited)

    guard, token = Counting(issuer.google(PEOPLE)), issuer.workspace_person()
    assert identified(guard, token) == identified(guard, token)
    assert (guard.asked, len(checks)) == (2, 1)


def test_both_slots_wait_for_one_fetch_and_are_remembered_each(issuer: LocalIssuer, checks: list[str]) -> None:
    with issuer as serving:
        guard, before = Guard(serving.google(PEOPLE, SERVICE)), serving.fetches["google"]
        person, service = serving.workspace_person(), serving.service_account(audience=SERVICE)
        sent = {"authorization": [f"Bearer {person}"], "x-serverless-authorization": [f"Bearer {service}"]}
        first = resolve(partial(guard.identify, sent))
        assert first.caller is not None
        assert first.caller.via is first.via is not None
        assert serving.fetches["google"] == before + 1
    assert resolve(partial(guard.identify, sent)) == first
    assert len(checks) == 2

"""A local issuer in place of Google, for a guard that was made without it: for a while, and for that guard alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from callerid import ConfigurationError, Domain, FirebaseUser, Guard, Reason, Refusal, firebase, google
from callerid.access import access_map
from callerid.authentication import resolve
from callerid.fastapi import Guard as FastAPIGuard
from callerid.testing import LocalIssuer, as_caller, google_person
from callerid.testing.access import rehearsing

URL, CLIENT = "https://orders.example.com", "1234-abc.apps.googleusercontent.com"
ONE, TWO = LocalIssuer(), LocalIssuer()

guard = FastAPIGuard(google(URL, CLIENT), firebase("shop-prod"))
app = FastAPI()
guard.protect(app, default=Domain("example.com"))


@app.get("/x")
def x() -> str:
    return "x"


@app.get("/user")
@guard.allow(FirebaseUser("ada"))
def user() -> str:
    return "user"


@pytest.fixture(autouse=True)
def all_is_as_before() -> Iterator[None]:
    before = dict(vars(guard))
    yield
    assert vars(guard) == before
    assert vars(guard).keys() == before.keys()
    assert all(vars(guard)[name] is value for name, value in before.items())


@pytest.fixture
def client() -> TestClient:
    return TestClient(app)


def real_guard(**options: Any) -> Guard:
    """A guard whose issuer, `ONE`, is as Google to it."""
    return Guard(ONE.google(URL, CLIENT), ONE.firebase("shop-prod"), **options)


def reason(own: Any, token: str) -> Reason | None:
    """Why a token is refused; ``None`` if it is believed."""
    sent = {"authorization": [f"Bearer {token}"]}
    try:
        resolve(partial(own.identify, sent))
    except Refusal as refusal:
        return refusal.reason
    return None


@pytest.mark.slow
def test_a_guard_of_a_module_takes_local_tokens_and_judges_as_ever(client: TestClient) -> None:
    with LocalIssuer().stands_in_for(guard) as issuer:

        def status(path: str, token: str) -> int:
            return client.get(path, headers=issuer.bearer(token)).status_code

        assert status("/x", issuer.workspace_person("ada@example.com")) == 200
        assert status("/x", issuer.workspace_person("eve@example.org")) == 403
        assert status("/x", issuer.workspace_person("ada@example.com", audience=CLIENT.replace("1", "9"))) == 401
        assert status("/user", issuer.firebase_user("ada")) == 200
        assert status("/user", issuer.firebase_user("ada", project="shop-test")) == 401
        for bad in issuer.hostile_variants(issuer.workspace_person("ada@example.com")).values():
            assert status("/x", bad) == 401
        assert status("/x", LocalIssuer().workspace_person("ada@example.com")) == 401


def test_all_but_the_keys_stays() -> None:
    def told() -> Any:
        names = [(each.name, each.audiences, each.project, each.algorithm, each.slots) for each in guard.issuers]
        return (
            names,
            guard.headers,
            guard.slots,
            guard.leeway,
            guard.clock,
            [str(row.rule) for row in access_map(app).rows],
        )

    before = told()
    with ONE.stands_in_for(guard):
        assert told() == before


def test_remembered_tokens_of_one_never_count_in_the_other() -> None:
    own = real_guard()
    first, second = ONE.workspace_person(), TWO.workspace_person()
    for _ in range(2):
        assert (reason(own, first), reason(own, second)) == (None, Reason.UNKNOWN_KEY)
        with TWO.stands_in_for(own):
            assert (reason(own, first), reason(own, second)) == (Reason.UNKNOWN_KEY, None)
            assert (reason(own, first), reason(own, second)) == (Reason.UNKNOWN_KEY, None)
    assert len(own.authenticator.cache) == 1


def test_it_ends_with_an_error_too() -> None:
    own = real_guard()
    with pytest.raises(LookupError), TWO.stands_in_for(own):
        raise LookupError
    assert (reason(own, ONE.person()), reason(own, TWO.person())) == (None, Reason.UNKNOWN_KEY)


def test_where_one_of_several_guards_cannot_be_all_are_as_before() -> None:
    own = real_guard()
    with pytest.raises(ConfigurationError, match="trusts no issuer"), TWO.stands_in_for(own, Guard()):
        pass
    assert (reason(own, ONE.person()), reason(own, TWO.person())) == (None, Reason.UNKNOWN_KEY)


def test_several_guards_at_once_and_none_beside_them() -> None:
    own = real_guard()
    alike, other = Guard.like(own), Guard.like(own)
    with TWO.stands_in_for(own, alike, own):
        assert [reason(each, TWO.person()) for each in (own, alike, other)] == [None, None, Reason.UNKNOWN_KEY]
        assert reason(other, ONE.person()) is None
    assert [reason(each, TWO.person()) for each in (own, alike, other)] == [Reason.UNKNOWN_KEY] * 3


def test_what_is_trusted_meanwhile_is_forgotten() -> None:
    own = real_guard()
    with TWO.stands_in_for(own):
        own.trust(TWO.firebase("shop-test"))
        assert reason(own, TWO.firebase_user("u", project="shop-test")) is None
    assert reason(own, TWO.firebase_user("u", project="shop-test")) is Reason.UNKNOWN_ISSUER


def test_blocks_of_one_issuer_end_in_any_order() -> None:
    own = real_guard()
    one, two = TWO.stands_in_for(own), TWO.stands_in_for(own)
    one.__enter__()
    two.__enter__()
    one.__exit__(None, None, None)
    assert (reason(own, ONE.person()), reason(own, TWO.person())) == (Reason.UNKNOWN_KEY, None)
    two.__exit__(None, None, None)
    assert (reason(own, ONE.person()), reason(own, TWO.person())) == (None, Reason.UNKNOWN_KEY)


def test_two_issuers_do_not_stand_in_for_one_guard() -> None:
    own, token = real_guard(), TWO.person()
    with TWO.stands_in_for(own):
        for entered in (own, Guard.like(own)):
            with (
                pytest.raises(RuntimeError, match="Another LocalIssuer stands in"),
                LocalIssuer().stands_in_for(entered, own),
            ):
                pass
        assert reason(own, token) is None
    with LocalIssuer().stands_in_for(own):
        assert reason(own, token) is Reason.UNKNOWN_KEY


def test_access_tests_have_an_issuer_of_their_own_meanwhile() -> None:
    token = ONE.workspace_person("ada@example.com")
    with ONE.stands_in_for(guard):
        with rehearsing(app):
            assert reason(guard, token) is Reason.UNKNOWN_KEY
        assert reason(guard, token) is None


@pytest.mark.parametrize("acts_first", [True, False])
def test_who_acts_acts_on_whichever_ends_first(client: TestClient, acts_first: bool) -> None:
    acting = as_caller(guard, google_person("ada@example.com", domain="example.com"))
    standing = ONE.stands_in_for(guard)
    first, second = (acting, standing) if acts_first else (standing, acting)
    with first:
        second.__enter__()
        assert client.get("/x").status_code == 200
    assert client.get("/x").status_code == (401 if acts_first else 200)
    second.__exit__(None, None, None)
    assert client.get("/x").status_code == 401


def test_over_http_a_new_key_is_noticed() -> None:
    with LocalIssuer() as issuer, issuer.stands_in_for(guard):
        assert reason(guard, issuer.person()) is None
        assert [status.source for status in guard.status() if status.usable] == [issuer.jwks_url("google")]
        issuer.rotate()
        assert reason(guard, issuer.person()) is None


@pytest.mark.slow
def test_requests_under_way_while_it_begins_and_ends_are_judged_by_one_of_both_or_told_to_come_again() -> None:
    own = real_guard()
    first, second = ONE.workspace_person(), TWO.workspace_person()
    over, seen = threading.Event(), set[Reason | None]()

    def ask(token: str) -> Callable[[], None]:
        def asking() -> None:
            while not over.is_set():
                seen.add(reason(own, token))

        return asking

    threads = [threading.Thread(target=ask(token)) for token in (first, second)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        with TWO.stands_in_for(own):
            assert reason(own, first) is Reason.UNKNOWN_KEY
        assert reason(own, second) is Reason.UNKNOWN_KEY
    over.set()
    for thread in threads:
        thread.join()
    assert None in seen
    assert seen <= {None, Reason.UNKNOWN_ISSUER, Reason.UNKNOWN_KEY, Reason.KEYS_UNAVAILABLE}

"""Issuers come and go while requests run: whom a guard trusts is one value, swapped for another."""

from __future__ import annotations

import threading
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING

import pytest

from callerid import (
    ConfigurationError,
    Domain,
    FirebaseUser,
    Guard,
    Issuer,
    Public,
    Unauthenticated,
    app_check,
    cloud_run,
    firebase,
    gateway,
    google,
    google_access_token,
    iap,
)
from callerid.authentication import resolve
from callerid.authentication._trust import Trusted, checked_issuers
from callerid.guard import Identity, Requirement
from callerid.keys import Wait
from callerid.testing import LocalIssuer

from .made import CLIENT, ISSUER, NOW, PROJECT, URL, firebase_token, google_token, make_guard, odd, person, user

if TYPE_CHECKING:
    from collections.abc import Iterable

ADA, USER = google_token(), firebase_token()
SHOP = ISSUER.firebase(PROJECT, ["acme"])
STAFF, ANY_USER = Requirement(Domain("example.com")), Requirement(FirebaseUser())


def identified(guard: Guard, token: str) -> Identity:
    return resolve(partial(guard.identify, {"authorization": [f"Bearer {token}"]}))


def assert_unknown(guard: Guard, token: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        identified(guard, token)
    assert refused.value.reason == "unknown_issuer"
    with pytest.raises(Unauthenticated, match="unknown_issuer"):
        guard.verify(token)


@pytest.mark.parametrize("memory", [0, 16])
def test_tokens_of_a_removed_issuer_are_refused_at_once(memory: int) -> None:
    guard = make_guard(memory=memory)
    identified(guard, USER)
    identified(guard, USER)
    assert guard.distrust(SHOP) is guard
    assert [issuer.name for issuer in guard.issuers] == ["https://accounts.google.com"]
    assert_unknown(guard, USER)
    assert guard.judge(STAFF, identified(guard, ADA), {}) == guard.verify(ADA)
    guard.trust(SHOP)
    assert guard.judge(ANY_USER, identified(guard, USER), {}) == guard.verify(USER)


def test_who_was_identified_before_is_refused_by_the_rules() -> None:
    guard = make_guard()
    known = identified(guard, USER), identified(guard, ADA)
    guard.distrust(*guard.issuers)
    for requirement, identity in zip(
        (ANY_USER, Requirement(Domain("example.com"), frozenset({URL}))), known, strict=True
    ):
        with pytest.raises(Unauthenticated, match="unknown_issuer"):
            guard.judge(requirement, identity, {})


def test_an_issuer_removed_while_its_key_is_fetched_is_not_believed() -> None:
    with LocalIssuer() as issuer:
        trusted = issuer.google(URL)
        guard = Guard(trusted, SHOP)
        sent = {"authorization": [f"Bearer {issuer.service_account(audience=URL)}"]}
        wait = guard.identify(sent)
        assert isinstance(wait, Wait)
        guard.distrust(trusted)
        wait.block()
        with pytest.raises(
            Unauthenticated, match=r"^unknown_issuer: expected https://securetoken.*, got 'https://accounts\.google"
        ):
            guard.identify(sent, (wait,))


def test_a_guard_without_issuers_left_lets_in_whom_a_rule_lets_in_without_a_credential() -> None:
    guard = make_guard()
    guard.distrust(*guard.issuers)
    assert guard.issuers == ()
    assert guard.slots == frozenset()
    assert guard.headers == {}
    assert identified(guard, ADA) == Identity()
    with pytest.raises(Unauthenticated, match="no_credential"):
        guard.judge(STAFF, identified(guard, ADA), {})
    assert guard.judge(Requirement(Public() | Domain("example.com")), identified(guard, ADA), {}) is None
    with pytest.raises(ConfigurationError, match="trusts no issuer"):
        guard.verify(ADA)
    with pytest.raises(ConfigurationError, match="trusts no issuer"):
        guard.check_ready()


def test_only_what_is_trusted_can_be_removed() -> None:
    guard = make_guard()
    before = guard.issuers
    with pytest.raises(
        ConfigurationError, match=r"does not trust https://accounts\.google\.com with these keys"
    ) as told:
        guard.distrust(SHOP, google(URL))
    assert "it trusts https://accounts.google.com, https://securetoken.google.com/shop-prod" in str(told.value)
    assert guard.issuers == before
    with pytest.raises(ConfigurationError, match="it trusts nobody"):
        Guard().distrust(google(URL))
    with pytest.raises(ConfigurationError, match="a guard takes issuers"):
        guard.distrust(odd("https://accounts.google.com"))
    assert guard.judge(ANY_USER, identified(guard, USER), {}) is not None


def test_of_two_issuers_of_one_name_the_other_stays() -> None:
    one, other = ISSUER.google(URL), ISSUER.google(CLIENT)
    guard = Guard(one, other, clock=lambda: NOW)
    guard.distrust(one)
    assert guard.verify(google_token(aud=CLIENT))
    for token in (google_token(aud=URL), google_token(aud="https://elsewhere.example.net")):
        with pytest.raises(Unauthenticated, match="wrong_audience"):
            guard.verify(token)
    assert guard.headers == {
        b"authorization": "authorization",
        b"x-serverless-authorization": "x-serverless-authorization",
    }
    guard.trust(one).distrust(other, one)
    assert guard.headers == {}


def test_a_header_that_no_issuer_is_left_for_is_read_no_more() -> None:
    guard = make_guard()
    guard.distrust(ISSUER.google(URL, CLIENT))
    assert guard.slots == {"authorization"}


def test_a_guard_like_another_goes_on() -> None:
    guard = make_guard()
    other = Guard.like(guard)
    identified(guard, USER)
    guard.distrust(SHOP)
    assert str(other.judge(ANY_USER, identified(other, USER), {})) == "firebase:shop-prod/u1"
    assert_unknown(guard, USER)


def test_of_two_changes_at_once_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = make_guard()
    begun, go_on = threading.Event(), threading.Event()
    adding = Trusted.adding

    def slowly(trusted: Trusted, issuers: Iterable[Issuer]) -> Trusted:
        made = adding(trusted, issuers)
        begun.set()
        assert go_on.wait(40)
        return made

    monkeypatch.setattr(Trusted, "adding", slowly)
    trusting = threading.Thread(target=guard.trust, args=(firebase("other-prod"),))
    trusting.start()
    assert begun.wait(40)
    distrusting = threading.Thread(target=guard.distrust, args=(SHOP,))
    distrusting.start()
    # Requests go on meanwhile, by what is trusted so far.
    assert guard.judge(ANY_USER, Identity(user()), {}) == user()
    go_on.set()
    trusting.join(40)
    distrusting.join(40)
    assert [issuer.project for issuer in guard.issuers] == [None, "other-prod"]
    with pytest.raises(Unauthenticated):
        guard.judge(ANY_USER, Identity(user()), {})
    assert guard.judge(STAFF, Identity(person()), {}) == person()


def test_adding_and_removing_leave_nothing_behind() -> None:
    one, more = Trusted().adding((SHOP,)), Trusted().adding((google(URL), SHOP, google(CLIENT)))
    left = more.removing((google(CLIENT), google(URL)))
    assert (left.members, left.locations, left.accepted, left.ids) == (
        one.members,
        one.locations,
        one.accepted,
        one.ids,
    )
    nothing = left.removing((SHOP,))
    assert (nothing.members, nothing.locations, nothing.accepted, nothing.ids) == ({}, {}, {}, frozenset())


def test_trusting_one_by_one_comes_to_the_same_as_all_at_once_and_so_does_what_is_left() -> None:
    issuers = (
        google(URL),
        google(CLIENT),
        SHOP,
        cloud_run("https://run.example.com", insist=True),
        gateway("gw@shop-prod.iam.gserviceaccount.com", google("https://in.example.com"), audience=URL),
        google_access_token(CLIENT),
        app_check("123456789"),
        iap("/projects/1/global/backendServices/2"),
        firebase("other-prod"),
    )
    parts = [part for issuer in issuers for part in checked_issuers((issuer,))]
    at_once, one_by_one = Trusted().adding(parts), Trusted()
    for number, part in enumerate(parts, 1):
        one_by_one = one_by_one.adding([part])
        left = at_once.removing(parts[number:])
        for each in fields(Trusted):
            assert getattr(left, each.name) == getattr(one_by_one, each.name), each.name
    assert one_by_one.is_ambiguous
    assert one_by_one.cloud_run
    assert one_by_one.gateways
    assert not one_by_one.removing([part for part in parts if part.project == "other-prod"]).is_ambiguous

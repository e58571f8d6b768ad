"""The verified identity: frozen, and without the token."""

from __future__ import annotations

import copy
import dataclasses
import logging
import pickle
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel

from callerid import (
    Caller,
    ComputeEngine,
    Domain,
    FirebaseFacts,
    FirebaseUser,
    Forbidden,
    Guard,
    Kind,
    Nobody,
    Profile,
    Public,
    Rule,
    User,
)
from callerid.callers import Claims

from .made import about, caller_of, firebase_token, google_token, make_guard, person, robot, user

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_caller_is_named_as_iam_names_it() -> None:
    assert str(person()) == "user:ada@example.com"
    assert str(person(None)) == "user:110000000000000000001"
    assert str(robot()) == "serviceAccount:robot@shop-prod.iam.gserviceaccount.com"
    assert str(robot(None)) == "serviceAccount:117000000000000000001"
    assert str(user("admin")) == "firebase:shop-prod/admin"
    assert str(user("admin", tenant="acme-x1")) == "firebase:shop-prod/acme-x1/admin"
    assert str(user("acme-x1/admin")) == "firebase:shop-prod/acme-x1%2Fadmin"
    assert str(user("a\nb")) == "firebase:shop-prod/a%0Ab"
    assert (person().name, person(None).name) == ("ada@example.com", "110000000000000000001")


def test_a_caller_is_starlettes_user_too() -> None:
    caller = user("admin")
    assert caller.is_authenticated
    assert (caller.display_name, caller.identity) == ("ada@example.com", "firebase:shop-prod/admin")


@pytest.mark.parametrize(
    "caller", [person(), user(claims={"a": [1, {"b": "c"}]}), robot(compute_engine=ComputeEngine())]
)
def test_a_caller_is_a_value_that_cannot_change(caller: Caller) -> None:
    assert caller == copy.deepcopy(caller) == pickle.loads(pickle.dumps(caller))
    assert hash(caller) == hash(copy.deepcopy(caller))
    with pytest.raises(dataclasses.FrozenInstanceError):
        caller.email = "eve@example.com"  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        caller.token = "x"  # type: ignore[attr-defined]


def test_a_caller_never_holds_its_token() -> None:
    for token in (google_token(), firebase_token()):
        assert all(part not in repr(caller_of(token)) for part in token.split("."))


def test_claims_cannot_change_all_the_way_down() -> None:
    given = {"roles": ["a", {"b": [1]}], "x": None}
    claims = Claims(given)
    given["roles"].append("admin")  # type: ignore[union-attr]
    assert dict(claims) == {"roles": ("a", Claims({"b": (1,)})), "x": None}
    assert claims["roles"][1]["b"] == (1,)
    assert (len(claims), list(claims)) == (2, ["roles", "x"])
    assert repr(Claims({"a": {"b": 1}})) == "Claims({'a': Claims({'b': 1})})"
    assert Claims() == {}
    assert hash(Claims({"a": []})) == hash(Claims({"a": []}))
    with pytest.raises(TypeError):
        claims["x"] = 1  # type: ignore[index]
    with pytest.raises(AttributeError):
        claims.extra = 1  # type: ignore[attr-defined]


def test_an_anonymous_user_is_known_by_the_provider() -> None:
    assert FirebaseFacts("p", "u", provider="anonymous").anonymous
    assert not FirebaseFacts("p", "u", provider="password").anonymous
    assert not FirebaseFacts("p", "u").anonymous


def test_a_caller_is_never_read_from_a_request() -> None:
    with pytest.raises(TypeError, match=r"Annotated\[Caller, guard\.allow"):
        type("Body", (BaseModel,), {"__annotations__": {"caller": Caller}})


def test_kinds_are_their_own_words() -> None:
    assert [str(kind) for kind in Kind] == ["google", "firebase", "oidc", "custom", "app"]


# --- the profile ---

SHOWN = {"name": "Ada L.", "picture": "https://lh3.example.com/a", "locale": "en-GB"}


@pytest.mark.parametrize(("mint", "locale"), [(google_token, "en-GB"), (firebase_token, None)])
def test_the_profile_is_what_the_token_says_for_display(mint: Callable[..., str], locale: str | None) -> None:
    assert caller_of(mint(**SHOWN)).profile == Profile("Ada L.", "https://lh3.example.com/a", locale)
    assert caller_of(mint()).profile == Profile()
    assert caller_of(mint(name=7, picture=["x"], locale="")).profile == Profile()


@pytest.mark.parametrize("mint", [google_token, firebase_token])
def test_the_profile_is_neither_printed_nor_compared_nor_logged(
    mint: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="callerid")
    own = {name: value for name, value in SHOWN.items() if name != "locale"}  # a custom claim in Firebase's tokens
    caller = caller_of(mint(**own))
    assert caller == caller_of(mint())
    assert hash(caller) == hash(caller_of(mint()))
    guard: Guard = make_guard()
    guard.verify(mint(**own), Domain("example.com") | FirebaseUser())
    with pytest.raises(Forbidden) as caught:
        guard.verify(mint(**own), Nobody())
    records = [str(vars(record)) for record in caplog.records]
    said = [repr(caller), str(caller), caught.value.why, caught.value.detail, *records]
    assert len(records) == 2
    assert not [text for text in said for value in SHOWN.values() if value in text]


def test_the_profile_cannot_change() -> None:
    profile = Profile("Ada L.")
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.name = "Eve"  # type: ignore[misc]


@pytest.mark.parametrize("rule", [User("ada@example.com"), Domain("example.com"), Nobody(), Public()])
def test_no_rule_knows_of_the_profile(rule: Rule) -> None:
    shown = dataclasses.replace(person(), profile=Profile("domain:example.com", "x", "y"))
    assert rule.admits(about(shown)) is rule.admits(about(person()))
    assert str(rule.explain(about(shown))) == str(rule.explain(about(person())))

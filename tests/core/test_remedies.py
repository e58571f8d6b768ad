"""What would have let a refused caller in: every remedy is tried, over all rules that refuse."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from callerid import (
    AllOf,
    AnyOf,
    CustomClaim,
    Domain,
    EmailDomain,
    FirebaseUser,
    Guard,
    IssuedBy,
    PathParam,
    Reason,
    Refusal,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInAttribute,
    Tenant,
    Unauthenticated,
    User,
    Where,
)
from callerid.authorization._remedies import LONGEST, account_rule, nearest, remedies
from callerid.callers import Caller, Claims
from callerid.guard import Identity, Requirement
from callerid.rules import Facts

from .made import NOW, make_guard, person, robot, user


def refused(rule: Rule, caller: Caller | None, guard: Guard, **path: object) -> Refusal:
    with pytest.raises(Refusal) as caught:
        guard.judge(Requirement(rule), Identity(caller), path)
    return caught.value


@pytest.fixture
def guard() -> Guard:
    return make_guard()


def test_of_several_rules_each_that_refuses_is_named(guard: Guard) -> None:
    rules = (Domain("a.com") | FirebaseUser(), Domain("b.com"))
    both = [refused(rule, person(), guard) for rule in rules]
    (only,) = remedies(both)
    assert only.startswith("write | User('ada@example.com') beside (domain:a.com or firebaseUser) and beside domain:b")
    assert nearest(both) == "only domain:a.com and domain:b.com did not hold"
    for rule in rules:
        assert guard.judge(Requirement(rule | User("ada@example.com")), Identity(person()), {}) is not None


def test_a_rule_whose_refusal_no_rule_can_change_leaves_nothing_to_propose(guard: Guard) -> None:
    first = refused(Domain("a.com"), person(), guard)
    assert list(remedies([first, Unauthenticated(Reason.WRONG_AUDIENCE)])) == []
    assert list(remedies([first, refused(Domain("a.com"), None, guard)])) == []
    assert list(remedies([refused(Domain("a.com"), None, guard)])) == []
    assert nearest([refused(Domain("a.com"), None, guard)]) == nearest([Unauthenticated(Reason.EXPIRED)]) == ""


def test_to_sign_in_again_is_enough_only_where_no_other_rule_refuses(guard: Guard) -> None:
    weak = refused(FirebaseUser() & SecondFactor(), user("ben"), guard)
    stale = refused(SignedInWithin(1), user("ben", signed_in_at=0.0), guard)
    assert list(remedies([weak, stale])) == ["sign in again, as the rule asks: no rule needs to change"]
    (only,) = remedies([weak, refused(CustomClaim("admin", value=True), user("ben"), guard)])
    assert only.startswith("write | FirebaseUser('ben') beside secondFactor and beside claim:admin=True: ")


def test_a_place_of_ones_own_must_be_one_by_all_rules(guard: Guard) -> None:
    own, path = FirebaseUser(PathParam("a")) & FirebaseUser(PathParam("b")), {"a": "ada", "b": "ada"}
    first, _ = remedies([refused(own, user("ben"), guard, **path)])
    assert first == "call it where {a} is 'ben' and {b} is 'ben': no rule needs to change"
    other = refused(Domain("a.com"), user("ben"), guard, **path)
    (only,) = remedies([refused(own, user("ben"), guard, **path), other])
    assert only.endswith("admits firebase:shop-prod/ben and nobody else, at every {a} and {b}")


@pytest.mark.parametrize(
    ("rule", "caller", "path", "place"),
    [
        (Tenant(PathParam("t")), user(tenant="acme"), {"t": "beta"}, "{t} is 'acme'"),
        (CustomClaim("org", PathParam("o")), user(claims={"org": "acme"}), {"o": "beta"}, "{o} is 'acme'"),
        (CustomClaim(("a", "b"), PathParam("o")), user(claims={"a": {"b": "x"}}), {"o": "beta"}, "{o} is 'x'"),
        (CustomClaim("orgs", contains=PathParam("o")), user(claims={"orgs": [1, "x", "y"]}), {"o": "z"}, "{o} is 'x'"),
        (
            SignInAttribute("dept", PathParam("d")),
            user(sign_in_attributes=Claims({"dept": "sales"})),
            {"d": "eng"},
            "{d} is 'sales'",
        ),
        (
            CustomClaim("orgs", contains=PathParam("o")) & CustomClaim("main", PathParam("o")),
            user(claims={"orgs": ["x", "y"], "main": "y"}),
            {"o": "z"},
            "{o} is 'y'",
        ),
        (
            FirebaseUser(PathParam("u")) & Tenant(PathParam("t")),
            user("ben", tenant="acme"),
            {"u": "ada", "t": "beta"},
            "{u} is 'ben' and {t} is 'acme'",
        ),
    ],
    ids=str,
)
def test_the_place_of_what_is_ones_own_is_named(
    guard: Guard, rule: Rule, caller: Caller, path: dict[str, Any], place: str
) -> None:
    first, *_ = remedies([refused(rule, caller, guard, **path)])
    assert first == f"call it where {place}: no rule needs to change"


@pytest.mark.parametrize(
    ("rule", "caller", "path"),
    [
        (Tenant(PathParam("t")), user(), {"t": "beta"}),
        (Tenant(PathParam("t")), person(), {"t": "beta"}),
        (CustomClaim("org", PathParam("o")), user(claims={"org": 7}), {"o": "beta"}),
        (CustomClaim("org", PathParam("o")), user(claims={"org": "a/b"}), {"o": "beta"}),
        (CustomClaim("org", PathParam("o")), user(claims={"org": ""}), {"o": "beta"}),
        (CustomClaim("org", PathParam("o")), user(claims={"org": "acme"}), {"o": 7}),
        (CustomClaim("org", PathParam("o")), user(claims={"org": "acme"}), {}),
    ],
    ids=str,
)
def test_where_nothing_is_ones_own_no_place_is_named(
    guard: Guard, rule: Rule, caller: Caller, path: dict[str, Any]
) -> None:
    assert not [said for said in remedies([refused(rule, caller, guard, **path)]) if said.startswith("call it")]


def test_a_subclass_is_one_rule_and_compares_what_it_likes(guard: Guard) -> None:
    class Other(User):
        def admits(self, facts: Facts) -> bool:
            return False

    class Both(AllOf):
        """Its members are judged as a whole."""

    for rule in (Other(PathParam("a")), Both(Domain("a.com"), Domain("example.com"))):
        (only,) = remedies([refused(rule, person(), guard, a="b")])
        assert only == "write | User('ada@example.com') beside the rule: admits user:ada@example.com and nobody else"


def test_long_rules_are_cut(guard: Guard) -> None:
    rule = AnyOf(*(Domain(f"example{number}.com") for number in range(100))) & Domain("b.com")
    (only,) = remedies([refused(rule, person(), guard)])
    assert len(only) < LONGEST + 200
    assert "... and beside domain:b.com: " in only


def test_the_log_has_all_that_refused(guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")
    first, second = (refused(rule, person(), guard) for rule in (Domain("a.com"), Where("tall", lambda _: False)))
    first.also = (second,)
    guard.record("GET /x", Requirement(Domain("a.com")), Identity(person()), first)
    fields = vars(caplog.records[0])["callerid"]
    assert [line.partition(":")[0] for line in fields["why"].splitlines()] == ["- domain", "- where tall"]
    assert "beside domain:a.com and beside where tall" in fields["remedies"]


@pytest.mark.parametrize("named", [True, False])
def test_a_service_account_is_named_by_its_address_if_its_token_has_one(guard: Guard, *, named: bool) -> None:
    email = "robot@shop-prod.iam.gserviceaccount.com"
    caller = person(email if named else None, is_service_account=True)
    (only,) = remedies([refused(Domain("a.com"), caller, guard)])
    assert repr(ServiceAccount(email if named else caller.subject)) in only


@pytest.mark.parametrize(
    ("rule", "caller", "said"),
    [
        (Domain("a.com"), person("eve@gmail.com", None), "user:eve@gmail.com, of no Workspace domain"),
        (FirebaseUser(), user("g", provider="anonymous"), "firebase:shop-prod/g, an anonymous user"),
        (Tenant("t"), user("ben", tenant="u"), "firebase:shop-prod/u/ben, of tenant u"),
        (EmailDomain("a.com"), user("ben", None), "firebase:shop-prod/ben, with no e-mail in the token"),
        (Domain("a.com") | Tenant("t"), user("ben"), "firebase:shop-prod/ben, of tenant none"),
        (
            Domain("a.com") & User("x@a.com"),
            person(),
            "user:ada@example.com, of example.com",
        ),
        (
            ServiceAccount("robot@shop-prod.iam.gserviceaccount.com"),
            robot(None),
            f"{robot(None)}, with no e-mail in the token (mint it with includeEmail, or name the id in the rule)",
        ),
        (
            FirebaseUser() & SignedInWithin(60) & CustomClaim("admin", value=True),
            user("ben", signed_in_at=NOW - 500.0),
            "firebase:shop-prod/ben, signed in 500 s ago, whose admin is None",
        ),
    ],
)
def test_the_line_of_the_log_says_what_decided(
    guard: Guard, caplog: pytest.LogCaptureFixture, rule: Rule, caller: Caller, said: str
) -> None:
    caplog.set_level(logging.INFO, "callerid")
    refusal = refused(rule, caller, guard)
    instance = guard.record("GET /x", Requirement(rule), Identity(caller), refusal)
    expected = f"403 not_allowed: expected {rule}, got {said} (more: callerid explain not_allowed) [{instance}]"
    assert caplog.messages == [f"refused GET /x: {expected}"]
    assert vars(caplog.records[0])["callerid"]["detail"] == f"expected {rule}, got {said}"


def test_an_address_that_proves_nothing_is_not_told_as_what_was_expected(guard: Guard) -> None:
    caller = person("ada@example.org", None)
    for rule in (User("ada@example.org"), User("ada@example.org") | Domain("a.com")):
        detail = refused(rule, caller, guard).detail
        assert "got user:ada@example.org" not in detail
        assert detail.startswith(f"expected {rule}, got an account with the address ada@example.org (")
        assert "hosted=False" in detail


def test_a_user_of_no_known_project_is_named_by_the_issuer() -> None:
    caller = user("ben", project="")
    rule = account_rule(Facts(caller), names_issuer=True)
    assert rule == FirebaseUser("ben") & IssuedBy(caller.issuer)

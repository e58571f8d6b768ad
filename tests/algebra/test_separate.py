"""Rules judged apart: what stands in one layer is not known in another."""

from __future__ import annotations

import pytest

from callerid import (
    AllOf,
    ConfigurationError,
    Domain,
    EmailDomain,
    FirebaseUser,
    Nobody,
    Public,
    Rule,
    SecondFactor,
    Tenant,
    Via,
    firebase,
    google,
)
from callerid.audit.algebra import No, Separate, Side, Yes, check_possible, new_access, separate
from callerid.rules import Facts, admitted, needs_no_caller
from callerid.testing import firebase_user

A, OURS, THEIRS = Domain("a.com"), EmailDomain("a.com"), Tenant("t1")
BOTH = (google("https://orders.example.com"), firebase("shop-prod", ["t1", "t2"]))
MEMBER = Facts(firebase_user("u1", email="ada@a.com", tenant="t1"))


def test_an_address_in_one_layer_and_a_tenant_in_another_are_not_joined() -> None:
    assert admitted(OURS & THEIRS, MEMBER)
    assert not admitted(Separate(OURS, THEIRS), MEMBER)
    assert not admitted(THEIRS & Separate(OURS, FirebaseUser()), MEMBER)
    assert admitted(Separate(OURS & THEIRS, THEIRS), MEMBER)
    assert not Separate(OURS, THEIRS).explain(MEMBER).holds
    joined, apart = (Side(rule, issuers=BOTH) for rule in (OURS & THEIRS, Separate(OURS, THEIRS)))
    assert isinstance(new_access(apart, joined), Yes)
    assert new_access(joined, apart) == No()


class OfOwn(FirebaseUser):
    """May look at whatever it likes."""

    def admits(self, facts: Facts) -> bool:
        return facts.tenant_named


@pytest.mark.parametrize(
    ("rules", "whole"),
    [
        ((A,), A),
        ((A, A), AllOf(A)),
        ((A, OURS), A & OURS),
        ((Public(), A), A),
        ((Public(), Public()), Public()),
        ((OURS, FirebaseUser()), OURS & FirebaseUser()),
        ((THEIRS, FirebaseUser()), Separate(THEIRS, FirebaseUser())),
        ((THEIRS, SecondFactor()), THEIRS & SecondFactor()),
        ((OURS & THEIRS, FirebaseUser()), Separate(OURS & THEIRS, FirebaseUser())),
        ((OURS & THEIRS, A), AllOf(OURS, THEIRS, A)),
        ((OURS, THEIRS), Separate(OURS, THEIRS)),
        ((THEIRS, Public(), OURS | A), Separate(THEIRS, OURS | A)),
        ((OURS & THEIRS, OURS), Separate(OURS & THEIRS, OURS)),
        ((OURS & THEIRS, THEIRS), Separate(OURS & THEIRS, THEIRS)),
        # Whoever names a tenant only in one of several alternatives does not name one.
        ((OURS, THEIRS | FirebaseUser("u1")), OURS & (THEIRS | FirebaseUser("u1"))),
        ((OfOwn(), THEIRS), Separate(OfOwn(), THEIRS)),
    ],
    ids=repr,
)
def test_rules_stay_apart_only_where_it_makes_a_difference(rules: tuple[Rule, ...], whole: Rule) -> None:
    assert separate(rules) == whole


def test_no_rules_let_nobody_in() -> None:
    with pytest.raises(ConfigurationError, match="no rules would let everybody in"):
        separate(())


def test_rules_apart_print_as_rules_that_all_must_hold() -> None:
    rule = Separate(OURS | A, THEIRS)
    assert str(rule) == "(emailDomain:a.com or domain:a.com) and tenant:t1"
    assert repr(rule) == "Separate(AnyOf(EmailDomain('a.com'), Domain('a.com')), Tenant('t1'))"
    assert not needs_no_caller(rule)
    assert needs_no_caller(Separate(Public(), Via(A)))


def test_what_can_hold_only_together_is_an_error_that_says_so() -> None:
    with pytest.raises(
        ConfigurationError,
        match=r"by itself: FirebaseUser, EmailDomain and SignInAttribute refuse .* join the two with & in one place",
    ):
        check_possible(Separate(OURS, THEIRS), BOTH, "/x")
    with pytest.raises(ConfigurationError, match="exclude each other") as told:
        check_possible(Separate(OURS & A, THEIRS), BOTH, "/x")
    assert "judged by itself" not in str(told.value)
    check_possible(Separate(OURS & THEIRS, THEIRS), BOTH, "/x")
    check_possible(Separate(OURS, THEIRS, Nobody()), BOTH, "/x")

"""Callers who are neither Google's nor Firebase's: their names, whose subject is meant, what the log proposes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import (
    AnyGoogleAccount,
    AnyOf,
    Caller,
    Claim,
    ConfigurationError,
    Fact,
    Forbidden,
    Guard,
    IssuedBy,
    Kind,
    PathParam,
    Rule,
    Subject,
    Unauthenticated,
    firebase,
)
from callerid.authentication import resolve
from callerid.authorization._remedies import account_rule, remedies
from callerid.guard import Identity, Requirement
from callerid.rules import Facts, admitted
from callerid.testing._callers import fitted

from .made import ISSUER, NOW, OidcToy, keyholder, make_guard, person, provided, toy, user

if TYPE_CHECKING:
    from collections.abc import Callable

ID, OTHER, KEYS = "https://id.example.com", "https://other.example.com", "partner-keys"


def guard_of(*names: str) -> Guard:
    kinds = {KEYS: Kind.CUSTOM}
    return Guard(*(toy(kinds.get(name, Kind.OIDC), name) for name in names), clock=lambda: NOW)


# --- names ---


@pytest.mark.parametrize(
    ("caller", "name"),
    [
        (provided(), "oidc:id.example.com/ada"),
        (provided("ada", "https://id.example.com/realms/shop"), "oidc:id.example.com/realms/shop/ada"),
        (provided("ada", "http://127.0.0.1:8080"), "oidc:http://127.0.0.1:8080/ada"),
        (provided("repo:acme/shop:ref:main"), "oidc:id.example.com/repo:acme%2Fshop:ref:main"),
        (provided("a b\r\nadmin"), "oidc:id.example.com/a%20b%0D%0Aadmin"),
        (provided("ad\u00e5"), "oidc:id.example.com/ad%C3%A5"),
        (provided("\ud800"), "oidc:id.example.com/%ED%A0%80"),
        (keyholder(), "custom:partner-keys/shop-7"),
        (keyholder("a/b", "a/b"), "custom:a%2Fb/a%2Fb"),
    ],
)
def test_a_caller_is_named_by_issuer_and_subject(caller: Caller, name: str) -> None:
    assert str(caller) == caller.identity == name
    assert caller.name == caller.display_name == caller.subject
    assert caller.email is None


TEXTS = st.text(st.sampled_from("a/:%@ \n\u00e5"), max_size=4)


@given(st.lists(st.tuples(st.sampled_from([provided, keyholder]), TEXTS, TEXTS), min_size=2, max_size=8, unique=True))
def test_no_two_callers_have_one_name(parts: list[tuple[Callable[..., Caller], str, str]]) -> None:
    # An issuer's name is no more than a text here, whatever it is: as oidc(...) takes it, it has no blank and no "%".
    callers = [make(subject, issuer) for make, subject, issuer in parts if not set(issuer) & set(" \n%\u00e5")]
    for one, other in combinations(callers, 2):
        assert str(one) != str(other)
    assert all(str(each).isascii() and str(each).isprintable() and " " not in str(each) for each in callers)


def test_no_name_of_one_family_is_one_of_another() -> None:
    subjects = ("oidc:id.example.com/ada", "user:ada", "firebase:shop-prod/u1", "admin")
    for subject in subjects:
        names = {str(make(subject)) for make in (provided, keyholder, user)} | {str(person(None, subject=subject))}
        assert len(names) == 4
        assert not names & {subject}


def test_an_unknown_kind_of_caller_is_an_error_wherever_it_is_asked_for() -> None:
    unknown = cast("Kind", "saml")
    stranger = Caller(unknown, "x", "u1", "x", NOW, NOW + 3600)
    asked: list[Callable[[], object]] = [
        lambda: str(stranger),
        lambda: account_rule(Facts(stranger)),
        lambda: fitted(_unfitted(stranger), make_guard()),
        lambda: Guard(_Unknown(ID, frozenset({ID}), frozenset({"orders"}), toy(Kind.OIDC, ID).keys)),
    ]
    for ask in asked:
        with pytest.raises(TypeError, match="'saml' is no kind of caller: there are google, firebase, oidc, custom"):
            ask()
    for rule in (AnyGoogleAccount(), Subject("u1"), Claim("a", "b"), Fact("a", "b")):
        assert not rule.admits(Facts(stranger))
    with pytest.raises(TypeError, match="no kind of caller"):
        str(Caller(Kind.FIREBASE, "x", "u1", "x", NOW, NOW + 3600))  # a Firebase user without their facts


def _unfitted(caller: Caller) -> Caller:
    from dataclasses import replace

    from callerid.testing._callers import google_person

    return replace(caller, audience=google_person().audience)


@dataclass(frozen=True, slots=True)
class _Unknown(OidcToy):
    kind: ClassVar[Kind] = cast("Kind", "saml")


# --- whose subject it is ---


@pytest.mark.parametrize(
    ("rule", "names", "remedy"),
    [
        (Subject("7"), (ID, OTHER), f"Subject('7', of='{ID}')"),
        (Subject("7"), (ID, KEYS), f"Subject('7', of='{ID}')"),
        (Subject(PathParam("x")), (KEYS, ID), f"Subject(PathParam('x'), of='{KEYS}')"),
        (Claim("role", "a"), (ID, OTHER), f"Claim('role', value='a') & IssuedBy('{ID}')"),
        (Subject("7", of=ID) | Claim("role", "a"), (ID, OTHER), "Claim('role', value='a') & IssuedBy("),
        (Fact("plan", "a"), (KEYS, f"{KEYS}-2"), f"Fact('plan', value='a') & IssuedBy('{KEYS}')"),
    ],
    ids=str,
)
def test_with_several_issuers_a_rule_says_whose_callers_it_means(
    rule: Rule, names: tuple[str, ...], remedy: str
) -> None:
    guard = Guard(*(toy(Kind.CUSTOM if "keys" in name else Kind.OIDC, name) for name in names), clock=lambda: NOW)
    with pytest.raises(ConfigurationError, match="does not say whose user it means") as told:
        guard.check_possible(Requirement(rule), "GET /x")
    assert remedy in str(told.value)
    assert all(name in str(told.value) for name in names)
    with pytest.raises(ConfigurationError, match="a rule in force"):
        guard.judge(Requirement(rule), Identity(provided("7")), {"x": "7"})


@pytest.mark.parametrize(
    "rule",
    [
        Subject("7", of=ID),
        Subject("7") & IssuedBy(ID),
        Claim("role", "a") & IssuedBy(OTHER),
        Subject("7", of=ID) & Claim("role", "a"),
        Fact("plan", "a"),
        IssuedBy(KEYS),
    ],
    ids=str,
)
def test_a_rule_that_says_so_is_taken(rule: Rule) -> None:
    guard_of(ID, OTHER, KEYS).check_possible(Requirement(rule), "GET /x")


def test_with_one_issuer_a_subject_is_its_own() -> None:
    for rule in (Subject("7"), Claim("role", "a")):
        guard_of(ID).check_possible(Requirement(rule), "GET /x")
    # A Firebase project, or two, know their users by uids.
    Guard(toy(Kind.OIDC, ID), firebase("a"), firebase("b")).check_possible(Requirement(Subject("7")), "GET /x")


def test_a_subject_of_one_issuer_is_nobody_to_another() -> None:
    guard, rule = guard_of(ID, OTHER), Requirement(Subject("ada", of=ID))
    for issuer, comes_in in ((ID, True), (OTHER, False)):
        sent = {"authorization": [f"Bearer {ISSUER.oidc_caller('ada', issuer=issuer)}"]}
        identity = resolve(partial(guard.identify, sent))
        if comes_in:
            assert guard.judge(rule, identity, {}) == identity.caller
        else:
            with pytest.raises(Forbidden):
                guard.judge(rule, identity, {})


def test_a_token_of_one_issuer_is_not_verified_by_the_keys_of_another() -> None:
    guard, token = guard_of(ID, OTHER), ISSUER.sign(ISSUER_CLAIMS, key=OTHER)
    with pytest.raises(Unauthenticated, match="unknown_key"):
        resolve(partial(guard.identify, {"authorization": [f"Bearer {token}"]}))


ISSUER_CLAIMS: dict[str, Any] = {"iss": ID, "sub": "ada", "aud": "orders", "iat": NOW, "exp": NOW + 60}


def test_audiences_beside_a_rule_are_those_of_google_tokens() -> None:
    for rule in (Subject("ada"), Claim("role", "x"), Fact("plan", "x")):
        with pytest.raises(ConfigurationError, match="admits no Google account: leave audience= out"):
            guard_of(ID).requirement(rule, audience="orders")


def test_a_subclass_of_a_rule_about_subjects_admits_nobody_else_either() -> None:
    class Anybody(Subject):
        needs_caller = False

        def admits(self, facts: Facts) -> bool:
            return True

    rule = Anybody("ada")
    assert admitted(rule, Facts(provided("ben")))
    assert admitted(rule, Facts(keyholder()))
    assert not any(admitted(rule, Facts(caller)) for caller in (None, person(), user("ada")))
    with pytest.raises(ConfigurationError, match="does not say whose user it means"):
        guard_of(ID, OTHER).check_possible(Requirement(rule), "GET /x")


def test_in_long_lists_a_caller_is_found_by_subject() -> None:
    rules = AnyOf(*(Subject(str(number), of=ID) for number in range(100)), Subject(PathParam("who"), of=OTHER))
    assert rules.admits(Facts(provided("99")))
    assert not rules.admits(Facts(provided("100")))
    assert not rules.admits(Facts(provided("99", OTHER)))
    assert rules.admits(Facts(provided("99", OTHER), path={"who": "99"}))
    assert not rules.admits(Facts(person(subject="99")))


# --- what the log says ---


def refused(rule: Rule, caller: Caller, guard: Guard, **path: Any) -> Forbidden:
    with pytest.raises(Forbidden) as caught:
        guard.judge(Requirement(rule), Identity(caller), path)
    return caught.value


@pytest.mark.parametrize(
    ("rule", "caller", "names", "path", "proposed"),
    [
        (
            Subject("ben"),
            provided(),
            (ID,),
            {},
            "write | Subject('ada') beside the rule: admits oidc:id.example.com/ada",
        ),
        (Subject("ben", of=ID), provided(), (ID, OTHER), {}, f"write | Subject('ada', of='{ID}') beside the rule"),
        (Fact("plan", "gold"), keyholder(plan="tin"), (KEYS,), {}, "write | Subject('shop-7') beside the rule"),
        (Subject(PathParam("who")), provided(), (ID,), {"who": "ben"}, "call it where {who} is 'ada': no rule needs"),
        (Claim("org", PathParam("org")), provided(org="a"), (ID,), {"org": "b"}, "call it where {org} is 'a'"),
        (Fact("orgs", contains=PathParam("o")), keyholder(orgs=["a"]), (KEYS,), {"o": "b"}, "call it where {o} is 'a'"),
        (Subject("x") | AnyGoogleAccount(), provided(), (ID,), {}, "write | Subject('ada') beside the rule"),
    ],
    ids=str,
)
def test_a_refusal_proposes_the_narrowest_rule_that_admits(
    rule: Rule, caller: Caller, names: tuple[str, ...], path: dict[str, str], proposed: str
) -> None:
    refusal = refused(rule, caller, guard_of(*names), **path)
    assert next(remedies([refusal])).startswith(proposed)


@pytest.mark.parametrize(
    ("rule", "facts", "line"),
    [
        (Subject("ben"), Facts(provided()), "- subject:ben: the caller is oidc:id.example.com/ada"),
        (
            Subject("ada", of=OTHER),
            Facts(provided()),
            f"- subject:ada of {OTHER}: the caller is oidc:id.example.com/ada, issued by {ID}",
        ),
        (
            Subject(PathParam("who")),
            Facts(provided(), path={"who": "ben"}),
            "- subject:{who}: the caller is oidc:id.example.com/ada, the path names 'ben'",
        ),
        (Subject("ada", of=ID), Facts(), f"- subject:ada of {ID}: the caller is nobody"),
        (
            Claim("role", "x"),
            Facts(provided(role="y")),
            "- oidcClaim:role='x': the caller is oidc:id.example.com/ada, whose role is 'y'",
        ),
        (Claim("role", "x"), Facts(keyholder()), "- oidcClaim:role='x': the caller is custom:partner-keys/shop-7"),
        (
            Claim("email", "a@a.com"),
            Facts(provided(email="a@b.c")),
            "- oidcClaim:email='a@a.com': the caller is oidc:id.example.com/ada, whose email is 'a@b.c', not verified",
        ),
        (
            Claim("email", "a@a.com"),
            Facts(provided(email="b@a.com", email_verified=True)),
            "- oidcClaim:email='a@a.com': the caller is oidc:id.example.com/ada, whose email is 'b@a.com'",
        ),
        (
            Fact("plan", contains=1),
            Facts(keyholder(plan=[2])),
            "- fact:plan\u220b1: the caller is custom:partner-keys/shop-7, whose plan is (2,)",
        ),
    ],
    ids=str,
)
def test_an_explanation_says_what_was_found(rule: Rule, facts: Facts, line: str) -> None:
    assert str(rule.explain(facts)) == line

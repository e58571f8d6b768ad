"""Rules of an application's own: exactly `True` is a yes, and a subclass of one of ours is no longer that one."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from callerid import (
    AllOf,
    AnyGoogleAccount,
    AnyOf,
    Caller,
    ConfigurationError,
    CustomClaim,
    Domain,
    EmailDomain,
    FirebaseUser,
    Forbidden,
    IssuedBy,
    Kind,
    Nobody,
    PathParam,
    Public,
    Rule,
    ServiceAccount,
    SignedInWithin,
    StepUpRequired,
    Tenant,
    Unauthenticated,
    User,
    Via,
    Where,
)
from callerid.audit._lock_rules import code
from callerid.audit._rows import canonical, who_may
from callerid.audit.algebra import alternatives, every_leaf, redundant_alternatives
from callerid.audit.algebra._access import holds
from callerid.guard import Identity, Requirement
from callerid.rules import (
    Facts,
    admitted,
    is_public,
    leaves,
    missing_steps,
    needs_no_caller,
    of_any_issuer,
    path_parameters,
    without_public,
)

from .made import GUARD, NOW, about, odd, person, robot, user

if TYPE_CHECKING:
    from collections.abc import Callable

ADA = about(person())
CROWD = tuple(User(f"person{number}@example.net") for number in range(30))


@dataclass(frozen=True, slots=True, repr=False)
class Answering(Rule):
    """Answers whatever it was told to."""

    answer: Any

    def admits(self, facts: Facts) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]

    def __str__(self) -> str:
        return "answering"


PLACES: list[Callable[[Rule], Rule]] = [
    lambda rule: rule,
    lambda rule: rule & AnyGoogleAccount(),
    lambda rule: AnyGoogleAccount() & rule,
    lambda rule: rule | Nobody(),
    lambda rule: AnyOf(*CROWD, rule),
    lambda rule: (AnyOf(*CROWD, rule) & AnyGoogleAccount()) | Nobody(),
    lambda rule: AllOf(AllOf(AnyOf(rule))),
]
NO_YES = [1, "yes", (True,), object(), NotImplemented, None, 0, ZeroDivisionError(), RecursionError(), False]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("answer", NO_YES, ids=lambda each: type(each).__name__)
def test_whatever_is_not_true_is_a_no_wherever_the_rule_stands(place: Callable[[Rule], Rule], answer: object) -> None:
    rule = place(Answering(answer))
    assert not admitted(rule, ADA)
    assert not holds(rule, ADA, unknown=False)
    assert missing_steps(rule, ADA) is None
    assert not rule.explain(ADA).holds
    with pytest.raises(Forbidden):
        GUARD.judge(Requirement(rule), Identity(person()), {})
    carried = place(Via(place(Answering(answer)))) if place is PLACES[0] else Via(place(Answering(answer)))
    assert not admitted(carried, about(person(), via=robot()))
    optional = Requirement(Public() | rule)
    assert GUARD.judge(optional, Identity(person()), {}) is None


@pytest.mark.parametrize("place", PLACES)
def test_true_is_a_yes_wherever_the_rule_stands(place: Callable[[Rule], Rule]) -> None:
    rule = place(Answering(True))
    assert admitted(rule, ADA)
    assert rule.explain(ADA).holds
    assert missing_steps(rule, ADA) == frozenset()
    assert GUARD.judge(Requirement(rule), Identity(person()), {}) == person()


def test_a_coroutine_is_no_yes_however_it_came_about() -> None:
    async def answer() -> bool:
        return True

    coroutine = answer()
    assert not admitted(Answering(coroutine), ADA)
    assert not admitted(Answering(coroutine) | Nobody(), ADA)
    coroutine.close()


@pytest.mark.parametrize(
    ("answer", "note"),
    [
        (True, "+ answering: the caller is user:ada@example.com"),
        (False, "- answering: the caller is user:ada@example.com"),
        (1, "- answering: the caller is user:ada@example.com; it answered a int, not True"),
        (ZeroDivisionError("secret"), "- answering: the caller is user:ada@example.com; it raised ZeroDivisionError"),
    ],
)
def test_an_explanation_says_what_was_wrong_with_the_answer(answer: object, note: str) -> None:
    assert str(Answering(answer).explain(ADA)) == note


def test_an_explanation_asks_a_rule_as_often_however_deep_it_stands() -> None:
    asked: list[Caller] = []

    def is_tall(caller: Caller) -> bool:
        asked.append(caller)
        return False

    tall = Where("tall", is_tall)
    tall.explain(ADA)
    alone = len(asked)
    asked.clear()
    deep = Domain("a.com") & (Domain("b.com") | (Domain("c.com") & (Domain("d.com") | tall)))
    assert not deep.explain(ADA).holds
    assert len(asked) == alone


# --- what is no plain method is an error at construction ---


async def later(self: object, facts: Facts) -> bool:
    return True


def generating(self: object, facts: Facts) -> Any:
    yield True


async def generating_later(self: object, facts: Facts) -> Any:
    yield True


class Asked:
    def __call__(self, facts: Facts) -> bool:
        return True


NOT_PLAIN: list[object] = [
    later,
    generating,
    generating_later,
    Asked(),
    functools.partialmethod(later),
    functools.lru_cache(lambda self, facts: True),
    property(lambda self: lambda facts: True),
    staticmethod(lambda facts: True),
    classmethod(lambda cls, facts: True),
    True,
    Rule.admits,
]


@pytest.mark.parametrize("admits", NOT_PLAIN, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("base", [Rule, Public, Nobody, Answering])
def test_an_answer_that_is_no_plain_method_is_an_error(base: type[Rule], admits: object) -> None:
    own: Any = type("InTeam", (base,), {"admits": admits})
    given = ("x",) if base is Answering else ()
    with pytest.raises(
        ConfigurationError, match=r"^InTeam\.admits must be a plain method .* def admits\(self, facts\)"
    ):
        own(*given)


def test_an_answer_from_another_class_than_the_rules_counts_too() -> None:
    class Mixin:
        admits = later

    class Mixed(Mixin, Domain):  # type: ignore[misc]
        pass

    with pytest.raises(ConfigurationError, match=r"Mixed\.admits must be a plain method"):
        Mixed("example.com")


def test_a_rule_that_is_no_dataclass_prints_its_name() -> None:
    class Bare(Rule):
        def admits(self, facts: Facts) -> bool:
            return True

    assert repr(Bare()) == str(Bare()) == "Bare(...)"
    with pytest.raises(Unauthenticated):
        GUARD.judge(Requirement(Bare()), Identity(), {})


# --- of whom it is asked ---


@dataclass(frozen=True)
class OfFirebase(Answering):
    family: ClassVar[Kind | None] = Kind.FIREBASE


@dataclass(frozen=True)
class Anybody(Answering):
    needs_caller = False


@dataclass(frozen=True)
class Contradictory(OfFirebase):
    needs_caller = False


def test_a_rule_of_one_family_admits_no_caller_of_another() -> None:
    assert admitted(OfFirebase(True), about(user()))
    assert not admitted(OfFirebase(True), about(person()))
    assert not admitted(OfFirebase(True) | Nobody(), about(robot()))
    assert str(OfFirebase(True).explain(about(person()))).endswith("; it said yes to a caller it does not speak of")


def test_a_rule_of_ones_own_needs_a_caller_unless_it_says_otherwise() -> None:
    assert not admitted(Answering(True), about())
    assert not admitted(Answering(True), about(via=robot()))
    assert str(Answering(True).explain(about())).endswith("the caller is nobody; it needs a caller")
    assert admitted(Anybody(True), about())
    assert admitted(Anybody(True), about(person()))
    assert not admitted(Contradictory(True), about())
    with pytest.raises(Unauthenticated):
        GUARD.judge(Requirement(Answering(True)), Identity(), {})
    assert GUARD.judge(Requirement(Anybody(True)), Identity(), {}) is None
    assert GUARD.judge(Requirement(Anybody(True)), Identity(person()), {}) == person()


@pytest.mark.parametrize(
    ("rule", "no_caller"),
    [
        (Answering(True), False),
        (Anybody(True), True),
        (Contradictory(True), False),
        (Answering(True) | Anybody(True), True),
        (Answering(True) & Anybody(True), False),
        (Via(Answering(True)), True),
    ],
)
def test_who_may_be_given_nobody_is_known_before_anybody_calls(rule: Rule, no_caller: bool) -> None:
    assert needs_no_caller(rule) is no_caller
    assert Requirement(rule).optional is no_caller
    assert without_public(rule) == (Via(Answering(True)) if isinstance(rule, Via) else rule)


# --- subclasses of ours ---


class Internal(Public):
    """Whatever a service carried."""

    def admits(self, facts: Facts) -> bool:
        return facts.via is not None


class TwoOf(AnyOf):
    def admits(self, facts: Facts) -> bool:
        return sum(rule.admits(facts) for rule in self.rules) >= 2


class Carried(AllOf):
    def admits(self, facts: Facts) -> bool:
        return super().admits(facts) and facts.via is not None


class Subdomains(Domain):
    def admits(self, facts: Facts) -> bool:
        return facts.google is not None and (facts.google.domain or "").endswith("." + self.domain)


class AnyTenant(Tenant):
    def admits(self, facts: Facts) -> bool:
        return True


class OtherNobody(Nobody):
    def admits(self, facts: Facts) -> bool:
        return True


class Sooner(SignedInWithin):
    def admits(self, facts: Facts) -> bool:
        return super().admits(facts) and facts.now % 2 == 1


class Stricter(CustomClaim):
    def admits(self, facts: Facts) -> bool:
        return False


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Subdomains("example.com"), "Subdomains(domain:example.com)"),
        (type("Further", (Subdomains,), {})("example.com"), "Further(domain:example.com)"),
        (Subdomains("example.com") | Nobody(), "Subdomains(domain:example.com) or nobody"),
        (type("Named", (Subdomains,), {"__str__": lambda _: "ours"})("example.com"), "ours"),
        (Domain("example.com"), "domain:example.com"),
    ],
)
def test_a_subclass_without_words_of_its_own_is_told_from_the_rule_it_is_derived_from(rule: Rule, words: str) -> None:
    assert str(rule) == words
    assert who_may(rule, None) == words


def test_a_subclass_of_public_is_asked() -> None:
    rule = Internal()
    assert not is_public(rule)
    assert not Requirement(rule).public
    assert Requirement(rule).optional
    assert not is_public(Public() & rule)
    assert without_public(rule | Public()) == AnyOf(rule)
    assert without_public(rule) == rule
    with pytest.raises(Unauthenticated):
        GUARD.judge(Requirement(rule), Identity(), {})
    assert GUARD.judge(Requirement(rule), Identity(None, robot()), {}) is None
    assert not admitted(Via(rule), about(person(), via=robot()))


def test_a_subclass_of_a_joined_rule_is_kept_whole() -> None:
    never = Where("never", lambda caller: False)
    two, carried = TwoOf(Domain("example.com"), never), Carried(Domain("example.com"), AnyGoogleAccount())
    for rule in (two, two | User("cto@example.com"), User("cto@example.com") | two, AnyOf(*CROWD, two)):
        assert not admitted(rule, ADA)
        assert two in list(leaves(rule))
    for rule in (carried, carried & AnyGoogleAccount(), AnyGoogleAccount() & carried):
        assert not admitted(rule, ADA)
        assert carried in list(leaves(rule))
    assert admitted(TwoOf(Domain("example.com"), AnyGoogleAccount()) | never, ADA)
    assert admitted(carried & AnyGoogleAccount(), about(person(), via=robot()))
    assert TwoOf(two, never).rules == (two, never)
    assert TwoOf(never, never).rules == (never, never)
    assert not admitted(TwoOf(two, never) | never, ADA)
    assert list(alternatives(two | never)) == [(two,), (never,)]
    assert list(every_leaf(two & never)) == [two, never]
    assert redundant_alternatives(TwoOf(Domain("example.com"), User("ada@example.com"))) == ()
    assert missing_steps(TwoOf(SignedInWithin(9), SignedInWithin(8)), about(user(signed_in_at=NOW - 60.0))) is None


def test_a_subclass_of_a_joined_rule_prints_as_what_it_is() -> None:
    two = TwoOf(Domain("a.com"), Domain("b.com") & User("7"))
    assert str(two | Nobody()) == "TwoOf(domain:a.com, domain:b.com and user:7) or nobody"
    assert str(two.explain(about())).splitlines()[0] == "- TwoOf(domain:a.com, domain:b.com and user:7)"
    assert code(two).startswith("Foreign('tests.core.test_own_rules:TwoOf', ")
    assert canonical(two) is two


def test_a_leaf_subclass_is_asked_among_many_alternatives() -> None:
    eva = about(person("eva@eu.example.com", "eu.example.com"))
    rule = Subdomains("example.com")
    for alternative in (rule, rule & AnyGoogleAccount(), AllOf(rule, Domain("eu.example.com"))):
        assert admitted(AnyOf(alternative, *CROWD[:3]), eva)
        assert admitted(AnyOf(alternative, *CROWD), eva)
    assert not admitted(AnyOf(rule, *CROWD), ADA)


def test_a_subclass_of_tenant_names_no_tenant() -> None:
    member = about(user(tenant="evil"))
    for rule in (
        EmailDomain("example.com") & AnyTenant("acme"),
        EmailDomain("example.com") & TwoOf(Tenant("acme"), FirebaseUser(), FirebaseUser("u1")),
        EmailDomain("example.com") & Carried(AnyTenant("acme"), FirebaseUser()),
    ):
        assert not admitted(rule, about(member.caller, via=robot()))
    # A subclass of AllOf that asks all of its members joins them as AllOf does.
    assert admitted(Carried(EmailDomain("example.com"), Tenant("acme")), about(user(tenant="acme"), via=robot()))


class OurUser(FirebaseUser):
    def admits(self, facts: Facts) -> bool:
        return True


class Issued(IssuedBy):
    def admits(self, facts: Facts) -> bool:
        return True


def test_a_subclass_names_no_project_and_its_members_are_looked_into() -> None:
    issuer = "https://securetoken.google.com/shop-prod"
    ours = OurUser(project="shop-prod")
    assert next(of_any_issuer(ours)) == ours
    assert next(of_any_issuer(OfFirebase(True))) == OfFirebase(True)
    assert list(of_any_issuer(OfFirebase(True) & IssuedBy(issuer))) == []
    assert next(of_any_issuer(Tenant("acme") & Issued(issuer))) == Tenant("acme")
    assert next(of_any_issuer(TwoOf(FirebaseUser(project="shop-prod"), Tenant("acme")))) == Tenant("acme")
    assert next(of_any_issuer(Carried(FirebaseUser(project="shop-prod"), Tenant("acme")))) == Tenant("acme")
    assert list(of_any_issuer(Carried(Tenant("acme"), SignedInWithin(9)) & IssuedBy(issuer))) == []


def test_a_subclass_is_no_double_of_its_base() -> None:
    assert Stricter("role", "x") != CustomClaim("role", "x") != Stricter("role", "x")
    assert Stricter("role", "x") == Stricter("role", "x")
    assert not admitted(CustomClaim("role", "x") & Stricter("role", "x"), about(user(claims={"role": "x"})))
    assert Subdomains("example.com") != Domain("example.com")


def test_a_fresher_sign_in_is_no_promise_where_a_subclass_judges() -> None:
    stale = user(signed_in_at=NOW - 600.0)
    with pytest.raises(StepUpRequired):
        GUARD.judge(Requirement(SignedInWithin(300)), Identity(stale), {})
    with pytest.raises(Forbidden):
        GUARD.judge(Requirement(Sooner(300)), Identity(stale), {})


def test_a_subclass_of_nobody_is_a_rule_of_ones_own() -> None:
    GUARD.check_possible(Requirement(OtherNobody()), "/x")
    with pytest.raises(ConfigurationError, match="can admit nobody"):
        GUARD.check_possible(Requirement(OtherNobody() & Domain("a.com") & Domain("b.com")), "/x")


def test_path_parameters_are_found_wherever_a_rule_may_ask_for_them() -> None:
    two = TwoOf(FirebaseUser(PathParam("uid")), Via(ServiceAccount(PathParam("robot"))), FirebaseUser())
    assert path_parameters(two & User(PathParam("who"))) == {"uid", "robot", "who"}


def test_audiences_may_stand_beside_a_rule_of_ones_own() -> None:
    assert GUARD.requirement(Answering(True), audience="https://tasks.example.com").audiences
    assert GUARD.requirement(Internal(), audience="https://tasks.example.com").audiences
    with pytest.raises(ConfigurationError, match="admits no Google account"):
        GUARD.requirement(OfFirebase(odd(True)), audience="https://tasks.example.com")

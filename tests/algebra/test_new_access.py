"""Who is new, who is not, and what cannot be told: one case after another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from callerid import (
    AllOf,
    AnyGoogleAccount,
    AnyOf,
    Caller,
    CustomClaim,
    Domain,
    EmailDomain,
    FirebaseUser,
    IssuedBy,
    Issuer,
    Kind,
    Nobody,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInProvider,
    Tenant,
    User,
    Via,
    Where,
    firebase,
    google,
)
from callerid.audit.algebra import CannotTell, Foreign, No, Sealed, Side, Verdict, Yes, fingerprint, new_access
from callerid.audit.algebra._access import MOST_TERMS
from callerid.issuers import AUTHORIZATION, SERVERLESS_AUTHORIZATION
from callerid.rules import Facts
from tests.counting import calls_in

pytestmark = pytest.mark.own

URL, CLIENT = "https://orders.example.com", "1-a.apps.googleusercontent.com"
BOTH = (google(URL, CLIENT), firebase("shop-prod", ["t"]))
A, B = Domain("a.com"), Domain("b.com")
ADA, ROBOT = User("ada@a.com"), ServiceAccount("robot@shop-prod.iam.gserviceaccount.com")
X, Y = PathParam("x"), PathParam("y")
STAFF = CustomClaim("role", "staff")


@dataclass(frozen=True, repr=False)
class InGroup(Rule):
    """What a look-up elsewhere says."""

    email: str
    family: ClassVar[Kind | None] = Kind.GOOGLE

    def admits(self, facts: Facts) -> bool:
        return False

    def __str__(self) -> str:
        return f"group:{self.email}"


@dataclass(frozen=True, repr=False)
class ByMoonlight(Rule):
    """A rule of no family, which may well hold of nobody."""

    phase: str = "full"

    @property
    def needs_caller(self) -> bool:
        return False

    def admits(self, facts: Facts) -> bool:
        return True

    def __str__(self) -> str:
        return "byMoonlight"


@dataclass(frozen=True, repr=False)
class BySunlight(Rule):
    """A rule of no family that holds of callers alone."""

    def admits(self, facts: Facts) -> bool:
        return True

    def __str__(self) -> str:
        return "bySunlight"


class AnyDomain(Domain):
    """A rule that judges otherwise than its class."""

    __slots__ = ()

    def admits(self, facts: Facts) -> bool:
        return True


class EveryOne(AnyOf):
    """Parts, joined in a way of one's own."""

    __slots__ = ()

    def admits(self, facts: Facts) -> bool:
        return True


class Odd(Rule):
    """A rule that cannot be hashed, nor looked into."""

    __hash__ = None  # type: ignore[assignment]
    what = object()

    def admits(self, facts: Facts) -> bool:
        return True

    def __repr__(self) -> str:
        return "Odd()"

    def __str__(self) -> str:
        return "odd"


def foreign(rule: Rule) -> Foreign:
    """The rule as a lock file has it."""
    return Foreign(type(rule).__qualname__, str(rule), fingerprint(rule) or "")


def is_robot(caller: Caller) -> bool:
    return caller.is_service_account


def is_carried(caller: Caller) -> bool:
    return caller.via is not None


ROBOTS = Where("robots", is_robot)


def asked(old: Rule, new: Rule, issuers: tuple[Issuer, ...] = BOTH) -> Verdict:
    return new_access(Side(old, issuers=issuers), Side(new, issuers=issuers))


NOBODY_NEW: list[tuple[Rule, Rule]] = [
    (A, A),
    (A, Nobody()),
    (A, A & ADA),
    (ADA & A, User("ada@a.com", hosted=False) & A),
    (A | B, B | A),
    (A | FirebaseUser(), FirebaseUser("u1") | ADA & A),
    (Public(), A | Via(ROBOT) | Public()),
    (A & Via(ROBOT), Via(ROBOT) & ADA & A),
    (A, A & Via(ROBOT)),
    (Via(ROBOT | ServiceAccount("9")), Via(ROBOT) | Via(ServiceAccount("9"))),
    (Via(ROBOT) | Via(ServiceAccount("9")), Via(ROBOT | ServiceAccount("9"))),
    (FirebaseUser() | SignInProvider("anonymous"), FirebaseUser(anonymous=True)),
    (FirebaseUser() & SignedInWithin(300), FirebaseUser("u1") & SignedInWithin(60)),
    (EmailDomain("a.com") & Tenant("t"), Tenant("t") & EmailDomain("a.com") & SecondFactor()),
    # Beside an alternative that names no tenant, an address of a tenant's user counts for nothing.
    (EmailDomain("a.com") & SecondFactor(), EmailDomain("a.com") & (Tenant("t") | SecondFactor())),
    (IssuedBy("https://accounts.google.com"), AnyGoogleAccount()),
    (AnyGoogleAccount(), IssuedBy("https://accounts.google.com")),
    (AnyGoogleAccount(), A | ROBOT | User("7") | User(X)),
    (FirebaseUser("u1", project="shop-prod"), FirebaseUser("u1")),
    (Nobody(), FirebaseUser(project="bank-prod")),
    (User("eve@gmail.com"), User("eve@gmail.com", hosted=False)),
    (Nobody(), A & B),
    (Nobody(), User("eve@gmail.com") & A),
    (Nobody(), IssuedBy("https://issuer.example.net")),
    (Nobody(), User("7") & User(X) & Via(ServiceAccount(X) & ServiceAccount("8"))),
    (ROBOTS, ROBOTS),
    (ROBOTS, Where("the same code", is_robot) & AnyGoogleAccount()),
    (ROBOTS | A, ADA & A | ROBOTS),
    (Sealed("robots", str(fingerprint(ROBOTS))), ROBOTS),
    (InGroup("ops@a.com"), InGroup("ops@a.com") & A),
    (AnyGoogleAccount(), InGroup("ops@a.com")),
    (Via(InGroup("ops@a.com")), Via(InGroup("ops@a.com")) & A),
    (ByMoonlight(), ByMoonlight() & A),
    (BySunlight(), BySunlight() & A),
    (AnyGoogleAccount() | FirebaseUser(anonymous=True) | Tenant("t"), BySunlight()),
    (foreign(ByMoonlight()), ByMoonlight()),
    (foreign(BySunlight()), BySunlight()),
    (foreign(InGroup("ops@a.com")), InGroup("ops@a.com")),
    (Via(ByMoonlight()), A & Via(ByMoonlight() & ROBOT)),
    (AnyDomain("a.com"), AnyDomain("a.com")),
    (AnyGoogleAccount(), AnyDomain("a.com")),
]

SOMEBODY_NEW: list[tuple[Rule, Rule, str]] = [
    (Nobody(), Public(), "anybody without a credential"),
    (A, A | B, "a person of b.com, not domain:a.com"),
    (A, AnyGoogleAccount(), "a person with a Google account, not domain:a.com"),
    (A | User("eve@gmail.com"), A | ROBOT, f"the service account {ROBOT.account}, not domain:a.com"),
    (A, User("7"), "the person with the id 7, not domain:a.com"),
    (A, ServiceAccount("9"), "the service account with the id 9, not domain:a.com"),
    (AnyGoogleAccount() & A, A | ServiceAccount(X), "a service account, where {x} names them, not domain:a.com"),
    (ADA, A, "a person of a.com, not user:ada@a.com"),
    # Workspaces have further domains than the one that names them.
    (A, ADA, "the person ada@a.com of workspace.example, not domain:a.com"),
    (B, ADA, "the person ada@a.com, not domain:b.com"),
    (
        A | B | Domain("workspace.example"),
        ADA,
        "the person ada@a.com of workspace1.example, not domain:a.com",
    ),
    (User("eve@gmail.com"), User("eve@googlemail.com"), "the person eve@googlemail.com, not user:eve@gmail.com"),
    (ADA, User("ada@a.com", hosted=False), "the person ada@a.com, not user:ada@a.com"),
    (ADA & User("7"), ADA & User("8"), "the person ada@a.com with the id 8, not user:7"),
    (User("7"), User(X), "a person with a Google account, where {x} names them, not user:7"),
    (User(X), User("7"), "the person with the id 7, where {x} names somebody else, not user:{x}"),
    (
        FirebaseUser(X),
        FirebaseUser(Y),
        "a Firebase user, where {x} names somebody else, where {y} names them, not firebaseUser:{x}",
    ),
    (FirebaseUser("u1"), FirebaseUser(), "a Firebase user, not firebaseUser:u1"),
    (FirebaseUser(), FirebaseUser("u1", anonymous=True), "the anonymous Firebase user 'u1', not firebaseUser"),
    (
        FirebaseUser("u1", project="shop-prod") & SecondFactor(),
        FirebaseUser("u1", project="shop-prod"),
        "the Firebase user 'u1' of the project shop-prod, not secondFactor",
    ),
    (STAFF & SecondFactor(), SecondFactor(), "a Firebase user with the second factor, not claim:role='staff'"),
    (
        STAFF,
        CustomClaim("role", contains="staff"),
        "a Firebase user whose claim role is ['staff'], not claim:role='staff'",
    ),
    (
        CustomClaim("level", 1),
        CustomClaim("level", True),
        "a Firebase user whose claim level is True, not claim:level=1",
    ),
    (SignedInWithin(60), SignedInWithin(300), "a Firebase user signed in 180 s ago, not signedInWithin:60s"),
    (SignedInWithin(1), SignedInWithin(2), "a Firebase user signed in 2 s ago, not signedInWithin:1s"),
    (SignedInWithin(60), FirebaseUser(), "a Firebase user signed in 3660 s ago, not signedInWithin:60s"),
    (
        EmailDomain("a.com"),
        EmailDomain("a.com") & Tenant("t"),
        "a Firebase user of the tenant t, with the address someone@a.com, not emailDomain:a.com",
    ),
    (
        SignInProvider("google.com"),
        SignInProvider("saml.acme"),
        "a Firebase user signed in by saml.acme, not signInProvider:google.com",
    ),
    (EmailDomain("a.com") | SecondFactor(), FirebaseUser(), "a Firebase user, not emailDomain:a.com"),
    (A & Via(ROBOT), A, f"a person of a.com, not via {ROBOT}"),
    (
        A,
        Via(ROBOT),
        f"a call without a caller, carried by the service account {ROBOT.account}, not domain:a.com",
    ),
    (
        Via(ROBOT) & A,
        Via(ServiceAccount(X)) & A,
        f"a person of a.com, the call carried by a service account, where {{x}} names the carrier, not via {ROBOT}",
    ),
    (
        FirebaseUser(X),
        FirebaseUser(Y) & Via(ServiceAccount(Y)),
        (
            "a Firebase user, the call carried by a service account, where {x} names somebody else, "
            "where {y} names them, not firebaseUser:{x}"
        ),
    ),
    (A & B & SecondFactor() & Tenant("t"), A | B, "a person of a.com"),
    (Where("nobody", lambda caller: False), A, "a person of a.com, not where nobody"),
    (A, ROBOTS, "a service account, not domain:a.com"),
    (A & ROBOTS, ROBOTS | Nobody(), "a service account, not domain:a.com"),
    (
        FirebaseUser(),
        Where("carried", is_carried),
        "a person with a Google account, the call carried by a person with a Google account, not firebaseUser",
    ),
    (A & InGroup("ops@a.com") & ADA, B, "a person of b.com"),
]


@pytest.mark.parametrize(("old", "new"), NOBODY_NEW, ids=repr)
def test_nobody_is_new(old: Rule, new: Rule) -> None:
    assert asked(old, new) == No()
    assert str(asked(old, new)) == "nobody new"


@pytest.mark.parametrize(("old", "new", "who"), SOMEBODY_NEW, ids=lambda each: repr(each)[:60])
def test_somebody_is_new(old: Rule, new: Rule, who: str) -> None:
    verdict = asked(old, new)
    assert isinstance(verdict, Yes)
    assert str(verdict) == who
    facts = verdict.witness.facts(1_800_000_000)
    assert new.admits(facts)
    assert not old.admits(facts)


UNKNOWN: list[tuple[Rule, Rule, str]] = [
    (ADA, User("7"), "the account with the id 7 may be one that the old rule names by e-mail address"),
    (User("7"), ADA, "the account with the e-mail address ada@a.com may be one that the old rule names by id"),
    (ROBOT, ServiceAccount("9"), "the account with the id 9 may"),
    (ServiceAccount("9"), ROBOT, f"the account with the e-mail address {ROBOT.account} may"),
    (ADA, User("7") & A, "the account with the id 7 may"),
    (ADA, User("7") & B, "the account with the id 7 may"),
    (User("7") & A, ADA, "the account with the e-mail address ada@a.com may"),
    (User("7") & A, User("ada@a.com", hosted=False), "the account with the e-mail address ada@a.com may"),
    (ADA & A, User("7"), "the account with the id 7 may"),
    (Via(ROBOT), Via(ServiceAccount("9")), "the account with the id 9 may"),
    (Via(ServiceAccount("9")) & A, A & Via(ROBOT), f"the account with the e-mail address {ROBOT.account} may"),
    (A, InGroup("ops@a.com"), "whom group:ops@a.com admits, only its code can say"),
    (InGroup("ops@a.com"), A, "whom group:ops@a.com admits"),
    (InGroup("ops@a.com"), InGroup("all@a.com"), "whom group:all@a.com admits"),
    (InGroup("ops@a.com") & FirebaseUser() | InGroup("ops@a.com"), AnyGoogleAccount(), "whom group:ops@a.com admits"),
    (Via(InGroup("ops@a.com")), Via(A), "whom group:ops@a.com admits"),
    (A, Sealed("robots", "0123"), "whom where robots admits"),
    (Sealed("robots", "0123"), ROBOTS, "whom where robots admits"),
    (Sealed("robots", "0123"), A, "whom where robots admits"),
    (A, Where("nobody", lambda caller: False), "whom where nobody admits"),
    (Where("all", lambda caller: True), A & ROBOTS | ROBOTS, "whom where robots admits"),
    (A, ByMoonlight(), "whom byMoonlight admits"),
    (Public() & A, Odd(), "whom odd admits"),
    # What is derived from a rule may judge as it likes.
    (A, AnyDomain("a.com"), "whom AnyDomain(domain:a.com) admits"),
    (AnyDomain("a.com"), A, "whom AnyDomain(domain:a.com) admits"),
    (A, EveryOne(A, ADA), "whom EveryOne(domain:a.com, user:ada@a.com) admits"),
]


@pytest.mark.parametrize(("old", "new", "why"), UNKNOWN, ids=lambda each: repr(each)[:60])
def test_some_things_cannot_be_told(old: Rule, new: Rule, why: str) -> None:
    verdict = asked(old, new)
    assert isinstance(verdict, CannotTell)
    assert verdict.reason.startswith(why)
    assert str(verdict) == f"cannot tell: {verdict.reason}"


DEFINITE: list[tuple[Rule, Rule]] = [
    # The account with this id is of b.com, and the old rule's address is of no Workspace, or of another.
    (User("eve@gmail.com"), User("7") & B),
    (ADA & A, User("7") & B),
    (User("7") & A, User("eve@gmail.com")),
    (User("7") & A, ADA & B),
    # The old rule's account is a service account.
    (ROBOT, User("7")),
    (ServiceAccount("9"), ADA),
    # Both names are known, and one of them is another.
    (ADA & User("7"), ADA & User("8")),
    (User("8"), ADA & User("7")),
    # A member of a domain need not be the one whom the old rule names.
    (ADA | User("7"), A),
    # The path may name anybody, whoever has this address.
    (User(X), ADA),
    (ADA, User(X)),
    # A uid is no Google account's id.
    (ADA, FirebaseUser("7")),
    # Another one is new for sure.
    (ADA | InGroup("ops@a.com") & ROBOT, User("7") | B),
]


@pytest.mark.parametrize(("old", "new"), DEFINITE, ids=repr)
def test_an_address_and_an_id_are_told_apart_where_that_is_possible(old: Rule, new: Rule) -> None:
    assert isinstance(asked(old, new), Yes)


def test_reasons_are_few_and_each_is_told_once() -> None:
    many = AnyOf(*(User(str(number)) for number in range(1, 100)), InGroup("ops@a.com"))
    verdict = asked(ADA, many)
    assert isinstance(verdict, CannotTell)
    assert verdict.reason.count("may be one") == 3
    assert asked(ADA, InGroup("ops@a.com") | InGroup("ops@a.com") & A) == CannotTell(
        "whom group:ops@a.com admits, only its code can say"
    )


def test_a_verdict_is_neither_true_nor_false() -> None:
    for verdict in (No(), asked(A, B), CannotTell("why")):
        with pytest.raises(TypeError, match="one of three"):
            bool(verdict)


# --- audiences and issuers ---


def test_another_audience_lets_in_those_who_hold_tokens_for_it() -> None:
    old, new = Side(ROBOT, issuers=(google(URL),)), Side(ROBOT, issuers=(google(URL, "https://two.example.com"),))
    assert str(
        new_access(old, new)
    ) == f"the service account {ROBOT.account} with a token for https://two.example.com".replace(" with a", ", with a")
    assert new_access(new, old) == No()


def test_the_audiences_of_a_rule_replace_those_of_the_issuer() -> None:
    tasks = frozenset({f"{URL}/tasks"})
    wide, narrow = Side(ROBOT, None, BOTH), Side(ROBOT, tasks, BOTH)
    for old, new in ((wide, narrow), (narrow, wide)):
        verdict = new_access(old, new)
        assert isinstance(verdict, Yes)
        assert ("tasks" in verdict.witness.audience) is (new is narrow)
        assert verdict.lacking == ()
    assert new_access(Side(ROBOT, tasks | {URL}, BOTH), narrow) == No()
    # They speak of Google tokens only, and of the caller's.
    assert new_access(Side(FirebaseUser(), tasks, BOTH), Side(FirebaseUser(), None, BOTH)) == No()
    assert new_access(Side(Via(ROBOT), tasks, BOTH), Side(Via(ROBOT), None, BOTH)) == No()


def test_people_are_shown_with_tokens_for_a_client_id_where_there_is_one() -> None:
    for rule, audience in ((A, CLIENT), (ROBOT, URL)):
        verdict = asked(Nobody(), rule)
        assert isinstance(verdict, Yes)
        assert verdict.witness.audience == audience


def test_who_may_send_less_is_not_new() -> None:
    """Whoever comes in without a token came in before, whatever token they also have."""
    tasks = frozenset({f"{URL}/tasks"})
    assert new_access(Side(Public() | A, None, BOTH), Side(Public() & A | Public(), tasks, BOTH)) == No()
    assert new_access(Side(Via(ROBOT), None, BOTH), Side(A & Via(ROBOT), tasks, BOTH)) == No()
    carried = (replace(BOTH[0], locations=(SERVERLESS_AUTHORIZATION,)), BOTH[1])
    assert new_access(Side(FirebaseUser(), None, BOTH[1:]), Side(Via(ROBOT) & FirebaseUser(), None, carried)) == No()


def test_another_project_is_another_issuer() -> None:
    old, new = Side(FirebaseUser(), issuers=BOTH), Side(FirebaseUser(), issuers=(*BOTH, firebase("bank-prod")))
    assert str(new_access(old, new)) == "a Firebase user of the project bank-prod"
    assert new_access(new, old) == No()


def test_another_issuer_that_carries_calls() -> None:
    silent = (replace(BOTH[0], locations=(AUTHORIZATION,)), BOTH[1])
    verdict = new_access(Side(Via(ROBOT), issuers=silent), Side(Via(ROBOT), issuers=BOTH))
    assert isinstance(verdict, Yes)
    assert new_access(Side(Via(ROBOT), issuers=BOTH), Side(Via(ROBOT), issuers=silent)) == No()


def test_other_keys_cannot_be_compared() -> None:
    moved = google(URL, CLIENT, keys="https://www.googleapis.com/oauth2/v3/certs")
    old, new = Side(A, issuers=BOTH), Side(A, issuers=(moved, BOTH[1]))
    assert new_access(old, new) == CannotTell("the keys or settings of https://accounts.google.com changed")
    # Whom the old rule would refuse with any keys is new all the same, and who needs no such token is not.
    assert isinstance(new_access(old, replace(new, rule=B)), Yes)
    assert new_access(replace(old, rule=FirebaseUser()), replace(new, rule=FirebaseUser())) == No()
    carried = new_access(replace(old, rule=Via(ROBOT)), replace(new, rule=Via(ROBOT)))
    assert carried == CannotTell("the keys or settings of https://accounts.google.com changed")


@pytest.mark.parametrize("change", [{"algorithm": "ES256"}, {"accepted_iss": frozenset({"x"})}])
def test_neither_can_tokens_that_are_judged_otherwise(change: dict[str, Any]) -> None:
    new = Side(FirebaseUser(), issuers=(BOTH[0], replace(BOTH[1], **change)))
    verdict = new_access(Side(FirebaseUser(), issuers=BOTH), new)
    assert verdict == CannotTell("the keys or settings of https://securetoken.google.com/shop-prod changed")


def test_a_rule_of_no_family_may_hold_of_anybody_who_comes_in() -> None:
    verdict = new_access(Side(ByMoonlight(), issuers=BOTH[:1]), Side(ByMoonlight(), issuers=BOTH))
    assert verdict == CannotTell("whom byMoonlight admits, only its code can say")


def test_of_two_issuers_with_one_name_the_one_that_names_the_audience_judges() -> None:
    other = google("https://two.example.com", keys="https://keys.example.com/")
    two = (BOTH[0], other)
    assert new_access(Side(ROBOT, issuers=two), Side(ROBOT, issuers=BOTH[:1])) == No()
    assert new_access(Side(ROBOT, issuers=(other, BOTH[0])), Side(ROBOT, issuers=two)) == No()
    # Where neither names it, the first does: then it matters which is first.
    tasks = frozenset({f"{URL}/tasks"})
    swapped = new_access(Side(ROBOT, tasks, two), Side(ROBOT, tasks, (other, BOTH[0])))
    assert swapped == CannotTell("the keys or settings of https://accounts.google.com changed")


def test_what_code_says_of_a_carried_call_is_not_taken_for_what_it_says_of_another() -> None:
    rule = Where("carried", is_carried)
    silent = (replace(BOTH[0], locations=(AUTHORIZATION,)), BOTH[1])
    old, new = Side(rule, issuers=silent), Side(rule, issuers=BOTH)
    assert isinstance(new_access(old, new), Yes)


# --- path parameters ---


def test_path_parameters_are_compared_by_position() -> None:
    def side(rule: Rule, *parameters: str) -> Side:
        return Side(rule, issuers=BOTH, parameters=parameters)

    mine = FirebaseUser(PathParam("user"))
    assert new_access(side(FirebaseUser(X), "x"), side(mine, "user")) == No()
    assert new_access(side(FirebaseUser(X), "y", "x"), side(mine, "order", "user")) == No()
    swapped = new_access(side(FirebaseUser(X), "x", "y"), side(mine, "order", "user"))
    assert isinstance(swapped, Yes)
    assert dict(swapped.witness.path)["user"] == swapped.witness.subject != dict(swapped.witness.path)["order"]
    # A parameter that the old path did not have, one that the new one has no more, and one that no path lists.
    assert isinstance(new_access(side(FirebaseUser("u1"), "x"), side(mine, "x", "user")), Yes)
    assert isinstance(new_access(side(FirebaseUser(Y), "x", "y"), side(FirebaseUser("u1"), "x")), Yes)
    assert isinstance(new_access(side(FirebaseUser(Y), "x"), side(mine, "user")), Yes)
    assert new_access(side(FirebaseUser(Y), "x"), side(FirebaseUser(Y), "user")) == No()


def test_two_names_for_one_account_are_one() -> None:
    assert asked(Via(ServiceAccount(Y)), Via(ServiceAccount(X) & ServiceAccount(Y)) & FirebaseUser(X)) == No()
    assert asked(FirebaseUser("7"), FirebaseUser(X) & Via(ServiceAccount(X) & ServiceAccount("7"))) == No()
    assert asked(Via(ServiceAccount(X)), Via(ServiceAccount("7")) & FirebaseUser("7") & FirebaseUser(X)) == No()


# --- settings, size ---


def test_other_settings_cannot_be_compared_unless_nobody_comes_in() -> None:
    old, new = (Side(A, issuers=BOTH, settings=(("leeway", leeway), ("realm", "x"))) for leeway in (30, 60))
    assert new_access(old, new) == CannotTell("settings of the guard changed: leeway")
    assert new_access(old, replace(new, rule=A & B)) == No()
    assert isinstance(new_access(old, replace(new, rule=B)), Yes)


@pytest.mark.parametrize(
    ("before", "after", "is_told"),
    [
        (["60"], ["30"], True),
        ([30], [30.0], True),
        (["60", "30"], ["30"], True),
        (["60", "30"], ["60"], False),
        ([], ["30"], False),
        (["30"], [], False),
        (["much"], ["30"], False),
        (["nan"], ["30"], False),
        (["60", "nan"], ["30"], False),
    ],
)
def test_a_leeway_that_does_not_grow_admits_nobody_new(
    before: list[object], after: list[object], *, is_told: bool
) -> None:
    old, new = (
        Side(A, issuers=BOTH, settings=tuple(("leeway", str(each)) for each in leeways)) for leeways in (before, after)
    )
    assert new_access(old, new) == (No() if is_told else CannotTell("settings of the guard changed: leeway"))
    clocks = (replace(side, settings=(*side.settings, ("clock", name))) for side, name in ((old, "a"), (new, "b")))
    assert isinstance(new_access(*clocks), CannotTell)


TEN = [AnyOf(*(CustomClaim(f"{row}", column) for column in range(10))) for row in range(6)]


def test_more_than_a_hundred_thousand_alternatives_are_not_looked_into() -> None:
    more = AllOf(*TEN)
    assert MOST_TERMS == 100_000
    assert asked(more, A) == CannotTell("the old rule has 1,000,000 alternatives, more than 100,000")
    assert asked(A, more) == CannotTell("the new rule has 1,000,000 alternatives, more than 100,000")
    assert asked(A, Via(MANY) & more) == CannotTell("the new rule has 2,000,000 alternatives, more than 100,000")
    assert asked(more, more) == No()
    assert asked(more, Nobody() & more) == No()


def test_as_many_as_that_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callerid.audit.algebra._access.MOST_TERMS", 1000)
    most = AllOf(*TEN[:3])
    assert isinstance(asked(A, most), Yes)
    assert asked(most, most & SecondFactor()) == No()
    assert asked(A, most | B) == CannotTell("the new rule has 1,001 alternatives, more than 1,000")


MANY = ROBOT | ServiceAccount("9")


def wide(alternatives: list[Rule]) -> Rule:
    return AnyOf(*alternatives)


Wide = Callable[[range], tuple[Rule, Rule]]
WIDE: dict[str, tuple[type[Verdict], Wide]] = {
    "addresses": (
        No,
        lambda many: (wide([User(f"u{n}@a.com") for n in many]), wide([User(f"u{n}@a.com") & A for n in many])),
    ),
    "one more": (
        Yes,
        lambda many: (
            wide([FirebaseUser(f"u{n}") for n in many]),
            wide([FirebaseUser(f"u{n + 1}") for n in many]),
        ),
    ),
    "ids": (
        CannotTell,
        lambda many: (wide([User(f"u{n}@a.com") for n in many]), wide([User(str(n)) for n in many])),
    ),
    "ages": (
        No,
        lambda many: (
            wide([SignedInWithin(n % 100 + 1) & Tenant(str(n)) for n in many]),
            wide([SignedInWithin(n % 100 + 1) & Tenant(str(n)) & SecondFactor() for n in many]),
        ),
    ),
    "an age for each": (
        No,
        lambda many: (
            wide([SignedInWithin(n + 1) & CustomClaim("team", n) for n in many]),
            wide([SignedInWithin(n + 1) & CustomClaim("team", n) & SecondFactor() for n in many]),
        ),
    ),
    "nothing but ages": (
        No,
        lambda many: (
            wide([SignedInWithin(2 * n + 2) & SecondFactor() for n in many]),
            wide([SignedInWithin(2 * n + 1) & SecondFactor() for n in many]),
        ),
    ),
    "conjunctions": (
        No,
        lambda many: (
            wide([STAFF & CustomClaim("team", n) & SecondFactor() for n in many]),
            wide([STAFF & CustomClaim("team", n) & SecondFactor() & SignedInWithin(60) for n in many]),
        ),
    ),
    "groups": (
        CannotTell,
        lambda many: (
            wide([InGroup(f"{n}@a.com") for n in many]),
            wide([InGroup(f"{n}@b.com") for n in many]),
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("said", "rules"), WIDE.values(), ids=WIDE)
def test_the_work_grows_with_the_number_of_alternatives_not_with_its_square(said: type[Verdict], rules: Wide) -> None:
    def work(count: int) -> int:
        old, new = rules(range(count))
        assert isinstance(asked(old, new), said)
        return calls_in(lambda: asked(old, new))

    assert work(1000) < 11 * work(100)

"""Small worlds: all kinds of callers that a few leaves can tell apart, and what rules of those leaves say of each.

A set of callers is an integer with one bit for each, so that a rule is judged for all of them by a few operations. What
a leaf says is asked of the leaf itself, caller by caller; `AllOf` and `AnyOf` are the operations ``&`` and ``|``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

from callerid import (
    AllOf,
    AnyApp,
    AnyGoogleAccount,
    AnyOf,
    App,
    AuthorizedParty,
    Caller,
    Claim,
    CustomClaim,
    CustomFacts,
    Domain,
    EmailDomain,
    Fact,
    FirebaseFacts,
    FirebaseUser,
    IssuedBy,
    Issuer,
    Kind,
    Nobody,
    OidcFacts,
    PathParam,
    Public,
    Rule,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInAttribute,
    SignInProvider,
    Subject,
    Tenant,
    User,
    Via,
    app_check,
    firebase,
    google,
)
from callerid.audit.algebra import Separate, Side
from callerid.callers import Claims
from callerid.keys import KeyDocument
from callerid.rules import Facts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

NOW = 1_800_000_000.0
URL, CLIENT, OTHER_CLIENT = (
    "https://orders.example.com",
    "1-a.apps.googleusercontent.com",
    "2-b.apps.googleusercontent.com",
)
GOOGLE = "https://accounts.google.com"
SHOP, BANK = "shop-prod", "bank-prod"
ROBOT = "robot@shop-prod.iam.gserviceaccount.com"
TENANTS = ("t1", "t2", "x", "a", "b")
SHOP_ISSUERS = (google(URL, CLIENT), firebase(SHOP, TENANTS), firebase(BANK, TENANTS))

ISSUERS: list[tuple[Issuer, ...]] = [
    SHOP_ISSUERS,
    (google(CLIENT), firebase(SHOP, TENANTS)),
    (google(URL, OTHER_CLIENT), firebase(SHOP, TENANTS), firebase(BANK, TENANTS)),
    (google(OTHER_CLIENT, CLIENT),),
    (firebase(BANK, TENANTS),),
]
APP, OTHER_APP, FOREIGN_APP = "1:1:web:a", "1:1:ios:b", "1:2:web:c"


def google_caller(subject: str, audience: str = CLIENT, **known: Any) -> Caller:
    return Caller(Kind.GOOGLE, GOOGLE, subject, audience, NOW, NOW + 3600, **known)


def person(subject: str, email: str | None = None, domain: str | None = None, audience: str = CLIENT) -> Caller:
    return google_caller(subject, audience, email=email, domain=domain)


def robot(subject: str, email: str | None = None, audience: str = CLIENT) -> Caller:
    return google_caller(subject, audience, email=email, is_service_account=True)


def user(uid: str, project: str = SHOP, email: str | None = None, age: int = 0, **known: Any) -> Caller:
    claims, attributes = (
        Claims({name: value for name, value in known.pop(kind, {}).items() if value is not None})
        for kind in ("claims", "attributes")
    )
    known |= {"claims": claims, "sign_in_attributes": attributes}
    facts = FirebaseFacts(project, uid, signed_in_at=NOW - age, **{"provider": "oidc.made-up", **known})
    name = f"https://securetoken.google.com/{project}"
    return Caller(Kind.FIREBASE, name, uid, project, NOW, NOW + 3600, email=email, firebase=facts)


ACME, BETA, KEYS = "https://acme.example", "https://beta.example", "partner-keys"


@dataclass(frozen=True, slots=True)
class OidcToy(Issuer):
    """Whatever provider."""

    kind: ClassVar[Kind] = Kind.OIDC
    ignores_named_audience: ClassVar[bool] = True

    def caller(self, claims: Mapping[str, Any]) -> Caller:
        return provided(claims["sub"], self.name, **claims)


@dataclass(frozen=True, slots=True)
class CustomToy(OidcToy):
    """Whatever credential of the application's own."""

    kind: ClassVar[Kind] = Kind.CUSTOM


NO_KEYS = KeyDocument('{"keys": []}')
ELSEWHERE = (
    google(URL, CLIENT),
    firebase(SHOP),
    *(OidcToy(name, frozenset({name}), frozenset({"orders"}), NO_KEYS) for name in (ACME, BETA)),
    CustomToy(KEYS, frozenset({KEYS}), frozenset({"orders"}), NO_KEYS),
)


def provided(subject: str, issuer: str, /, **claims: Any) -> Caller:
    known = Claims({name: value for name, value in claims.items() if value is not None})
    times = "orders", NOW, NOW + 3600
    if issuer == KEYS:
        return Caller(Kind.CUSTOM, issuer, subject, *times, custom=CustomFacts(known))
    return Caller(Kind.OIDC, issuer, subject, *times, oidc=OidcFacts(known))


@dataclass(frozen=True)
class World:
    """Leaves, and callers, carriers, apps and values of the path parameter ``x`` in every combination.

    The first caller and the first carrier are nobody, and the first app is none.
    """

    name: str
    rules: tuple[Rule, ...]
    callers: tuple[Caller | None, ...]
    carriers: tuple[Caller | None, ...] = (None,)
    paths: tuple[str, ...] = ("somebody-else",)
    apps: tuple[str | None, ...] = (None,)
    issuers: tuple[Issuer, ...] = SHOP_ISSUERS
    varying: tuple[tuple[Issuer, ...], ...] = ()
    """The issuers of the one side or the other, where they are not the same."""
    tells_all: bool = True
    """Whether an account is never named by address here and by id there."""

    @cached_property
    def everybody(self) -> list[Facts]:
        return [
            Facts(caller if caller is None else replace(caller, app=app), via, {"x": path}, NOW, app=app)
            for path, caller, via, app in product(self.paths, self.callers, self.carriers, self.apps)
        ]

    @cached_property
    def _leaves(self) -> dict[tuple[Rule, bool], int]:
        return {}

    def whom(self, rule: Rule, *, tenant_named: bool = False) -> int:
        """Everybody whom the rule admits."""
        if isinstance(rule, AllOf | Separate):
            named = isinstance(rule, AllOf) and (tenant_named or rule.names_tenant)
            found = -1
            for part in rule.rules:
                found &= self.whom(part, tenant_named=named)
            return found
        if isinstance(rule, AnyOf):
            found = 0
            for part in rule.rules:
                found |= self.whom(part, tenant_named=tenant_named)
            return found
        key = (rule, tenant_named)
        if key not in self._leaves:
            told = ("1" if rule.admits(self._told(facts, tenant_named)) else "0" for facts in self.everybody)
            self._leaves[key] = int("".join(told)[::-1], 2)
        return self._leaves[key]

    @staticmethod
    def _told(facts: Facts, tenant_named: bool) -> Facts:
        return facts._replace(tenant_named=tenant_named)

    def comes_in(self, side: Side) -> int:
        """Everybody who comes in at this side, with all that they have or with less."""
        found = self.whom(side.rule) & self._taken(side)
        for first, all_along in self._axes:
            found |= (found & first) * all_along
        return found

    @cached_property
    def _axes(self) -> list[tuple[int, int]]:
        """For apps, carriers and callers: everybody with the first, and what that bit is multiplied by for all."""
        found: list[tuple[int, int]] = []
        step = 1
        for size in map(len, (self.apps, self.carriers, self.callers)):
            starts = range(0, len(self.everybody), step * size)
            first = sum((1 << step) - 1 << start for start in starts)
            found.append((first, sum(1 << step * each for each in range(size))))
            step *= size
        return found

    @cached_property
    def _takings(self) -> dict[Side, int]:
        return {}

    def _taken(self, side: Side) -> int:
        """Everybody all of whose tokens the side takes."""
        key = Side(Public(), side.audiences, side.issuers)
        if key not in self._takings:
            told = ("1" if takes(side, facts) else "0" for facts in self.everybody)
            self._takings[key] = int("".join(told)[::-1], 2)
        return self._takings[key]


def takes(side: Side, facts: Facts) -> bool:
    """Whether a side takes the tokens of a request, in the words of the design."""
    caller, via = facts.caller, facts.via
    known = {issuer.name: issuer for issuer in side.issuers}
    for each in (caller, via):
        if each is not None and each.issuer not in known:
            return False
    of_caller = caller is None or caller.kind is not Kind.GOOGLE
    if caller is not None and not of_caller:
        of_caller = caller.audience in (side.audiences or known[caller.issuer].audiences)
    number = facts.app and facts.app.split(":")[1]
    of_app = number is None or f"https://firebaseappcheck.googleapis.com/{number}" in known
    return of_caller and of_app and (via is None or via.audience in known[via.issuer].audiences)


X = PathParam("x")
PERSONS = [
    (email, domain)
    for email, domain in product(
        (None, "ada@a.com", "eve@gmail.com", "eve@googlemail.com"), (None, "a.com", "b.com", "c.com")
    )
    if domain is None or not str(email).startswith("eve@")
]
GOOGLE_CALLERS: list[Caller | None] = [
    None,
    *(person(subject, email, domain) for subject in ("7", "70") for email, domain in PERSONS),
    *(robot(subject, email) for subject in ("9", "90") for email in (None, ROBOT)),
]
BY_ADDRESS: tuple[Rule, ...] = (
    AnyGoogleAccount(),
    Domain("a.com"),
    Domain("b.com"),
    User("ada@a.com"),
    User("ada@a.com", hosted=False),
    User("eve@gmail.com"),
    User("eve@googlemail.com"),
    User(X),
    ServiceAccount(ROBOT),
    ServiceAccount(X),
    IssuedBy(GOOGLE),
    Public(),
    Nobody(),
)
BY_ID: tuple[Rule, ...] = (
    AnyGoogleAccount(),
    Domain("a.com"),
    Domain("b.com"),
    User("7"),
    User(X),
    ServiceAccount("9"),
    ServiceAccount(X),
    Public(),
    Nobody(),
)
WHO: tuple[Rule, ...] = (
    FirebaseUser(),
    FirebaseUser(anonymous=True),
    FirebaseUser("u1"),
    FirebaseUser("u1", anonymous=True),
    FirebaseUser(X),
    FirebaseUser(X, anonymous=True),
    FirebaseUser(project=SHOP, anonymous=True),
    FirebaseUser("u1", project=SHOP),
    FirebaseUser(X, project=BANK),
    Tenant("t1"),
    Tenant("t2"),
    SignInProvider("password"),
    SignInProvider("anonymous"),
    EmailDomain("a.com"),
    EmailDomain("b.com"),
    IssuedBy(f"https://securetoken.google.com/{SHOP}"),
    IssuedBy(f"https://securetoken.google.com/{BANK}"),
)
HOW: tuple[Rule, ...] = (
    FirebaseUser(),
    FirebaseUser(anonymous=True),
    SecondFactor(),
    SignedInWithin(60),
    SignedInWithin(300),
    CustomClaim("role", "a"),
    CustomClaim("role", "b"),
    CustomClaim("level", 1),
    CustomClaim("level", True),
    CustomClaim("roles", contains="x"),
    CustomClaim("roles", contains="y"),
    CustomClaim("roles", "x"),
)
CARRIED: tuple[Rule, ...] = (
    Via(ServiceAccount(ROBOT)),
    Via(Domain("a.com")),
    Via(AnyGoogleAccount()),
    Via(ServiceAccount(X)),
    Via(ServiceAccount(ROBOT) | Domain("a.com")),
    Via(AnyGoogleAccount() & IssuedBy(GOOGLE)),
    AnyGoogleAccount(),
    Domain("a.com"),
    ServiceAccount(ROBOT),
    User(X),
    FirebaseUser(),
    FirebaseUser(X),
    FirebaseUser(project=BANK),
    IssuedBy(GOOGLE),
    IssuedBy(f"https://securetoken.google.com/{BANK}"),
    Public(),
)
NAMED: tuple[Rule, ...] = (
    FirebaseUser(anonymous=True),
    FirebaseUser("t1", anonymous=True),
    FirebaseUser(X, anonymous=True),
    Tenant("t1"),
    Tenant(X),
    CustomClaim("org", "t1"),
    CustomClaim("org", 1),
    CustomClaim("org", X),
    CustomClaim("orgs", contains="t1"),
    CustomClaim("orgs", contains=X),
    CustomClaim("orgs", X),
    EmailDomain("a.com"),
)
INSIDE: tuple[Rule, ...] = (
    FirebaseUser(anonymous=True),
    Tenant("t1"),
    Tenant(X),
    SignInAttribute("dept", "t1"),
    SignInAttribute("dept", X),
    SignInAttribute("groups", contains="x"),
    SignInAttribute("groups", contains=X),
    CustomClaim("roles", "a"),
    CustomClaim(("roles", "t1"), "a"),
    CustomClaim(("roles", "t1"), "b"),
    CustomClaim(("roles", "t1"), X),
    CustomClaim(("roles", "t1", "deep"), "a"),
)
PARTIES: tuple[Rule, ...] = (
    AnyGoogleAccount(),
    AuthorizedParty(CLIENT),
    AuthorizedParty(OTHER_CLIENT),
    AuthorizedParty(ROBOT),
    Domain("a.com"),
    User("7"),
    ServiceAccount("9"),
    ServiceAccount(ROBOT),
    Public(),
)
ATTESTED: tuple[Rule, ...] = (
    App(APP),
    App(OTHER_APP),
    App(APP, OTHER_APP),
    App(OTHER_APP, FOREIGN_APP),
    AnyApp(),
    AnyGoogleAccount(),
    Domain("a.com"),
    FirebaseUser(),
    FirebaseUser(project=BANK),
    Via(ServiceAccount(ROBOT)),
    Public(),
)
OTHERS: tuple[Rule, ...] = (
    Subject("7"),
    Subject("7", of=ACME),
    Subject("7", of=KEYS),
    Subject(X),
    Subject(X, of=BETA),
    IssuedBy(ACME),
    IssuedBy(KEYS),
    Claim("role", "a"),
    Claim("role", X),
    Claim("roles", contains="a"),
    Claim("email", "a@a.com"),
    Claim("email_verified", True),
    Claim("email_verified", False),
    Fact("role", "a"),
    Fact("role", X),
    Fact("roles", contains=X),
    User("7"),
    FirebaseUser("7", anonymous=True),
)
EVERYTHING = tuple(
    rule
    for rule in dict.fromkeys((*BY_ADDRESS, *WHO, *HOW[2:7], HOW[9], *CARRIED[:3]))
    if rule not in (User(X), ServiceAccount(X), IssuedBy(f"https://securetoken.google.com/{BANK}"))
    and rule not in (EmailDomain("b.com"), CustomClaim("role", "b"))
    and "project=" not in repr(rule)
)

WORLDS = [
    World("by-address", BY_ADDRESS, tuple(GOOGLE_CALLERS), paths=("7", "70", "9", "90", "else")),
    World("by-id", BY_ID, tuple(GOOGLE_CALLERS), paths=("7", "70", "9", "90", "else")),
    World(
        "by-either",
        (*BY_ADDRESS, User("7"), ServiceAccount("9")),
        tuple(GOOGLE_CALLERS),
        paths=("7", "70", "9", "90", "else"),
        tells_all=False,
    ),
    World(
        "who",
        WHO,
        (
            None,
            *(
                user(uid, project, email, tenant=tenant, provider=provider)
                for uid, project, email, tenant, provider in product(
                    ("u1", "u2"),
                    (SHOP, BANK),
                    (None, "ada@a.com", "ada@b.com"),
                    (None, "t1", "t2", "t3"),
                    ("password", "anonymous", "oidc.made-up"),
                )
            ),
        ),
        paths=("u1", "u2", "else"),
    ),
    World(
        "how",
        HOW,
        (
            None,
            *(
                user(
                    "u1",
                    age=age,
                    tenant=tenant,
                    provider=provider,
                    second_factor=factor,
                    claims={"role": role, "level": level, "roles": roles},
                )
                for age, tenant, provider, factor, role, level, roles in product(
                    (30, 180, 900),
                    (None, "t1"),
                    ("anonymous", "oidc.made-up"),
                    (None, "totp"),
                    (None, "a", "b"),
                    (None, 1, True),
                    (None, ("x",), ("y",), ("x", "y"), "x"),
                )
            ),
        ),
    ),
    World(
        "named",
        NAMED,
        (
            None,
            *(
                user(uid, email=email, tenant=tenant, claims={"org": org, "orgs": orgs})
                for uid, email, tenant, org, orgs in product(
                    ("t1", "t2", "t3"),
                    (None, "ada@a.com"),
                    (None, "t1", "t2", "t3"),
                    (None, "t1", "t2", "t3", 1),
                    (None, (), ("t1",), ("t2",), ("t3",), ("t1", "t2"), "t1", "t2", "t3"),
                )
            ),
        ),
        paths=("t1", "t2", "t3", "else"),
    ),
    World(
        "inside",
        INSIDE,
        (
            None,
            *(
                user("u1", tenant=tenant, claims={"roles": roles}, attributes={"dept": department, "groups": groups})
                for tenant, roles, department, groups in product(
                    (None, "t1", "t2", "x", "a", "b"),
                    (None, "a", *({"t1": each} for each in ("a", "b", "t1", "t2", "x", {}, {"deep": "a"}))),
                    (None, "t1", "t2", "x", "a", "b"),
                    (None, (), ("x",), ("t1",), ("t2",), ("a",), ("b",), ("x", "t1"), ("x", "t2")),
                )
            ),
        ),
        paths=("t1", "t2", "x", "a", "b", "else"),
    ),
    World(
        "parties",
        PARTIES,
        (
            None,
            *(
                google_caller(subject, email=email, domain=domain, authorized_party=party)
                for subject, (email, domain), party in product(
                    ("7", "70"),
                    ((None, None), ("eve@gmail.com", None), ("ada@a.com", "a.com")),
                    (None, CLIENT, OTHER_CLIENT),
                )
            ),
            *(
                google_caller(subject, email=email, is_service_account=True, authorized_party=party)
                for subject, email, party in product(
                    ("9", "90"), (None, ROBOT, "other@p.iam.gserviceaccount.com"), ("9", ROBOT, CLIENT, OTHER_CLIENT)
                )
            ),
        ),
        tells_all=False,
    ),
    World(
        "others",
        OTHERS,
        (
            None,
            person("7"),
            person("70"),
            user("7"),
            user("70"),
            *(
                provided(subject, issuer, role=role, roles=roles, email=email, email_verified=verified)
                for subject, issuer, role, roles, (email, verified) in product(
                    ("7", "70", "a"),
                    (ACME, BETA, KEYS),
                    (None, "7", "70", "a", "b"),
                    (None, ("a",), ("7",), ("70",), ("a", "7"), ("a", "70")),
                    ((None, None), (None, True), (None, False), ("a@a.com", True), ("a@a.com", False)),
                )
            ),
        ),
        paths=("7", "70", "a", "b", "else"),
        issuers=ELSEWHERE,
    ),
    World(
        "carried",
        CARRIED,
        (
            None,
            *(
                each
                for audience, subject in product((URL, CLIENT, OTHER_CLIENT), ("70", "90"))
                for each in (
                    person(subject, audience=audience),
                    person(subject, domain="a.com", audience=audience),
                    robot(subject, ROBOT, audience),
                    robot(subject, None, audience),
                )
            ),
            *(
                user(uid, project, provider=provider)
                for uid, project, provider in product(("70", "90"), (SHOP, BANK), ("anonymous", "password"))
            ),
        ),
        (
            None,
            *(
                each
                for audience in (URL, CLIENT, OTHER_CLIENT)
                for each in (
                    robot("90", ROBOT, audience),
                    robot("90", None, audience),
                    person("90", None, "a.com", audience),
                    person("90", None, None, audience),
                )
            ),
        ),
        ("70", "90", "else"),
        varying=tuple(ISSUERS),
    ),
    World(
        "apps",
        ATTESTED,
        (
            None,
            *(
                each
                for audience in (URL, CLIENT, OTHER_CLIENT)
                for each in (
                    person("7", audience=audience),
                    person("70", domain="a.com", audience=audience),
                    robot("90", ROBOT, audience),
                )
            ),
            *(user("70", project, provider=provider) for project in (SHOP, BANK) for provider in ("anonymous", "x")),
        ),
        (None, robot("90", ROBOT), person("90", None, "a.com")),
        apps=(None, APP, OTHER_APP, "1:1:web:d", FOREIGN_APP, "1:2:web:d"),
        varying=(
            (*SHOP_ISSUERS, app_check(1)),
            (*SHOP_ISSUERS, app_check(1), app_check(2)),
            (firebase(SHOP, TENANTS), app_check(2)),
            SHOP_ISSUERS,
        ),
    ),
    World(
        "everything",
        EVERYTHING,
        (
            *GOOGLE_CALLERS,
            *(
                user(
                    uid,
                    SHOP,
                    email,
                    age,
                    tenant=tenant,
                    provider=provider,
                    second_factor=factor,
                    claims={"role": role, "roles": roles},
                )
                for uid, email, tenant, provider, age, factor, role, roles in product(
                    ("u1", "u2"),
                    (None, "ada@a.com"),
                    (None, "t1", "t2", "t3"),
                    ("password", "anonymous", "oidc.made-up"),
                    (30, 180, 900),
                    (None, "totp"),
                    (None, "a"),
                    (None, ("x",)),
                )
            ),
        ),
        (None, robot("90", ROBOT), person("72", domain="a.com"), person("73")),
        ("u1", "u2", "else"),
        issuers=SHOP_ISSUERS[:2],
    ),
]

AUDIENCES = [None, None, frozenset({CLIENT}), frozenset({URL, OTHER_CLIENT})]


def a_rule(random: Random, leaves: Iterable[Rule], size: int) -> Rule:
    """A rule of so many leaves."""
    if size == 1:
        return random.choice(tuple(leaves))
    left = random.randint(1, size - 1)
    one, other = a_rule(random, leaves, left), a_rule(random, leaves, size - left)
    if random.random() < 0.1:
        return Separate(one, other)
    return one & other if random.random() < 0.5 else one | other


def near(random: Random, rule: Rule, leaves: Iterable[Rule]) -> Rule:
    """A rule that differs from this one in a place or two, as rules in one application do."""
    if isinstance(rule, AllOf | AnyOf | Separate):
        parts = list(rule.rules)
        place = random.randrange(len(parts))
        way = random.random()
        if way < 0.25 and len(parts) > 1:
            del parts[place]
        elif way < 0.4:
            parts.append(random.choice(tuple(leaves)))
        elif way < 0.5:
            return (AnyOf if isinstance(rule, AllOf) else Separate if isinstance(rule, AnyOf) else AllOf)(*parts)
        else:
            parts[place] = near(random, parts[place], leaves)
        return type(rule)(*parts)
    other = random.choice(tuple(leaves))
    return random.choice((rule, rule & other, rule | other, other))


def two_sides(random: Random, world: World, least: int = 1, most: int = 5) -> tuple[Side, Side]:
    """An old and a new side in this world, the old one of so many leaves."""
    old = a_rule(random, world.rules, random.randint(least, most))
    new = (
        a_rule(random, world.rules, random.randint(1, most - 1))
        if random.random() < 0.3
        else near(random, old, world.rules)
    )
    if not world.varying:
        return Side(old, issuers=world.issuers), Side(new, issuers=world.issuers)
    before = Side(old, random.choice(AUDIENCES), random.choice(world.varying))
    unchanged = random.random() < 0.5
    after = before if unchanged else Side(new, random.choice(AUDIENCES), random.choice(world.varying))
    return before, Side(new, after.audiences, after.issuers)

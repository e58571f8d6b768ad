"""What a rule asks of a caller, taken apart: terms of traits.

Rules have no negation, so every rule is a disjunction of conjunctions of leaves; and every leaf is a conjunction of
traits, each a plain statement about one caller: this address, that tenant, signed in at most so long ago. All laws of
the algebra are written here, once, as the traits that a leaf is read into:

- one leaf implies another if it has all its traits;
- two exclude each other if together they say two things of which a caller has only one.

A leaf is read so that it holds of a caller exactly if all its traits do. The two places where more than the leaf counts
are rules that mean something within one tenant only (`FirebaseUser`, `EmailDomain`, `SignInAttribute`), which ask for
"no tenant" unless a rule joined with them names one, and a hosted Gmail address, whose holder has no Workspace domain
(Google, "OpenID Connect": ``hd`` is there for Workspace and Cloud Identity only).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import prod
from typing import Any, TypeGuard, cast

from callerid.audit.algebra._opaque import Sealed, fingerprint
from callerid.audit.algebra._separate import Separate
from callerid.audit.algebra._statements import (
    ATTESTED,
    HAS_SCOPES,
    KNOWN,
    NO_WORKSPACE,
    PERSON,
    SERVICE,
    SOMEBODY,
    WORKSPACE,
    Conjunction,
    Place,
    Trait,
    by_name,
    family,
)
from callerid.rules import (
    AllOf,
    AnyApp,
    AnyGoogleAccount,
    AnyOf,
    App,
    AuthorizedParty,
    Claim,
    CustomClaim,
    Domain,
    EmailDomain,
    Fact,
    FirebaseUser,
    Group,
    IssuedBy,
    Nobody,
    NotRevoked,
    PathParam,
    Public,
    Role,
    Rule,
    Scope,
    SecondFactor,
    ServiceAccount,
    SignedInWithin,
    SignInAttribute,
    SignInProvider,
    SingleUse,
    Subject,
    Tenant,
    User,
    Via,
    Where,
    needs_no_caller,
)
from callerid.rules._accounts import CONSUMER_DOMAINS, is_email, is_service_account
from callerid.rules._apps import project_number_of
from callerid.rules._claims import ValueRule
from callerid.rules._looked_up import LookUpRule
from callerid.rules._single_use import FIRST, USES
from callerid.rules._text import domain_of

__all__ = ["count", "is_code", "is_unknown", "leaf_term"]


def count(rule: Rule) -> int:
    """How many terms the rule has, without making them."""
    if type(rule) is AnyOf:
        return sum(map(count, rule.rules))
    if type(rule) is AllOf or type(rule) is Separate:
        return prod(map(count, rule.rules))
    if type(rule) is Via:
        return count(rule.rule)
    if type(rule) is App:
        return len(rule.ids)
    return 0 if type(rule) is Nobody else 1


def leaf_term(leaf: Rule, place: Place = by_name, *, tenant_named: bool = False) -> Conjunction:
    """What a leaf asks; ``tenant_named`` is whether a rule beside it names the caller's tenant."""
    if type(leaf) is App or type(leaf) is AnyApp:
        return Conjunction(app=frozenset([ATTESTED, *_app(leaf)]))
    traits = _traits(leaf, tenant_named=tenant_named)
    return Conjunction(frozenset([_placed(trait, place) for trait in traits]))


def is_unknown(rule: Rule) -> bool:
    """Whether the library knows nothing of the rule but its family: a rule of the application's own, or a subclass."""
    return type(rule) not in _KNOWN and not is_code(rule)


def is_code(rule: Rule) -> TypeGuard[Where | Sealed]:
    """Whether the rule is judged by code whose fingerprint can be told."""
    return type(rule) in (Where, Sealed)


def _traits(leaf: Rule, *, tenant_named: bool) -> list[Trait]:
    kind = type(leaf)
    if kind is Public:
        return []
    traits = [] if leaf.family is None else [*family(leaf.family)]
    if kind in _READERS:
        traits += (SOMEBODY, *_READERS[kind](leaf))
        if leaf.needs_tenant_named and not tenant_named:
            traits += (Trait("tenant", None), Trait("of a tenant", False))
        return traits
    if not needs_no_caller(leaf):
        traits.append(SOMEBODY)
    traits.append(Trait("unknown" if is_unknown(leaf) else "where", fingerprint(leaf) or leaf))
    return traits


def _placed(trait: Trait, place: Place) -> Trait:
    """What the path names is said in another way than what is written out."""
    value: Any = trait.value
    if isinstance(value, PathParam):
        return Trait("path", (trait.of, place(value)))
    return Trait(trait.of, (value[0], place(value[1]))) if trait.of == "contains path" else trait


def _app(leaf: App | AnyApp) -> Iterator[Trait]:
    if type(leaf) is App:
        (app,) = leaf.ids
        yield from (Trait("app", app), Trait("app project", project_number_of(app)))


def _account(account: str | PathParam) -> Trait:
    return Trait("email" if is_email(account) else "subject", account)


def _user(leaf: User) -> Iterable[Trait]:
    account = leaf.account
    if not is_email(account):
        return PERSON, Trait("subject", account)
    if not leaf.hosted:
        return PERSON, Trait("email", account)
    # A Workspace has addresses of other domains than the one it is named by, too.
    return PERSON, Trait("email", account), NO_WORKSPACE if domain_of(account) in CONSUMER_DOMAINS else WORKSPACE


def _firebase_user(leaf: FirebaseUser) -> Iterator[Trait]:
    if not leaf.anonymous:
        yield KNOWN
    if leaf.uid is not None:
        yield Trait("subject", leaf.uid)
    if leaf.project is not None:
        yield Trait("project", leaf.project)


def _tenant(leaf: Tenant) -> Iterator[Trait]:
    yield from (Trait("tenant", leaf.tenant), Trait("of a tenant", True))


def _authorized_party(leaf: AuthorizedParty) -> Iterator[Trait]:
    yield Trait("authorized party", leaf.client_id)
    if is_service_account(leaf.client_id.lower()):
        yield SERVICE


def _subject(leaf: Subject) -> Iterator[Trait]:
    yield from (Trait("has a subject", True), Trait("subject", leaf.subject))
    if leaf.of is not None:
        yield Trait("issuer", leaf.of)


def _claim(leaf: Claim) -> Iterator[Trait]:
    yield from _value("claim", leaf)
    if leaf.verified_by is not None:
        yield from _written(("claim", leaf.verified_by), True)


def _value(kind: str, leaf: ValueRule) -> Iterator[Trait]:
    for depth in range(1, len(leaf.names)):
        yield Trait(("type", kind, *leaf.names[:depth]), "an object")
    thing, wanted = (kind, *leaf.names), leaf.wanted
    if leaf.value is not None:
        yield from _written(thing, wanted)
        return
    yield Trait(("type", *thing), "a list")
    is_path = isinstance(wanted, PathParam)
    yield Trait("contains path", (thing, wanted)) if is_path else Trait("contains", (thing, type(wanted), wanted))


def _written(thing: tuple[str, ...], wanted: Any) -> Iterator[Trait]:
    # Values compare with their type: 1 is not True. A path names text.
    kind = cast("type[object]", str if isinstance(wanted, PathParam) else type(wanted))
    yield Trait(("type", *thing), kind.__name__)
    yield Trait(thing, wanted if isinstance(wanted, PathParam) else (kind, wanted))


def _looked_up(leaf: LookUpRule) -> Iterator[Trait]:
    """What a look-up says is an item of a list of its own, of which only the look-up's name is known."""
    thing = ("looked up", leaf.of)
    yield Trait(("type", *thing), "a list")
    is_path = isinstance(leaf.says, PathParam)
    yield Trait("contains path", (thing, leaf.says)) if is_path else Trait("contains", (thing, str, leaf.says))


def _single_use(_: SingleUse) -> Iterator[Trait]:
    """As if a look-up of uses said that this is the first."""
    thing = ("looked up", USES)
    yield Trait(("type", *thing), "a list")
    yield Trait("contains", (thing, str, FIRST))


# By exact class: a subclass may judge as it likes.
_READERS: dict[type[Rule], Callable[[Any], Iterable[Trait]]] = {
    Public: lambda _: (),
    AnyGoogleAccount: lambda _: (),
    User: _user,
    ServiceAccount: lambda leaf: (SERVICE, _account(leaf.account)),
    Domain: lambda leaf: (PERSON, WORKSPACE, Trait("domain", leaf.domain)),
    FirebaseUser: _firebase_user,
    Tenant: _tenant,
    SignInProvider: lambda leaf: (
        Trait("provider", leaf.provider),
        Trait("anonymous", leaf.provider == "anonymous"),
    ),
    SecondFactor: lambda _: (Trait("second factor", True),),
    SignedInWithin: lambda leaf: (Trait("age", leaf.seconds),),
    CustomClaim: lambda leaf: _value("claim", leaf),
    SignInAttribute: lambda leaf: _value("attribute", leaf),
    Subject: _subject,
    Claim: _claim,
    Fact: lambda leaf: _value("fact", leaf),
    AuthorizedParty: _authorized_party,
    Scope: lambda leaf: (HAS_SCOPES, PERSON, *(Trait("scope", each) for each in leaf.scopes)),
    EmailDomain: lambda leaf: (Trait("mailbox", leaf.domain),),
    Role: _looked_up,
    Group: _looked_up,
    NotRevoked: _looked_up,
    SingleUse: _single_use,
    IssuedBy: lambda leaf: (Trait("issuer", leaf.issuer),),
}

_KNOWN = frozenset({*_READERS, AllOf, AnyOf, Separate, Via, Nobody, App, AnyApp})
"""All rules of which it is known what they ask; code apart."""

"""What rules mean together: whether a rule can admit anybody at all.

Rules have no negation, so every rule is a disjunction of conjunctions of leaves, and a conjunction admits nobody as soon
as two of its leaves exclude each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations, product
from typing import Any

from callerid.callers import Kind
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer
from callerid.rules import (
    AllOf,
    AnyOf,
    CustomClaim,
    Domain,
    EmailDomain,
    FirebaseUser,
    IssuedBy,
    Nobody,
    PathParam,
    Rule,
    ServiceAccount,
    SignInProvider,
    Tenant,
    User,
    Via,
    leaves,
)

__all__ = ["alternatives", "check_possible", "exclude"]

MOST_ALTERNATIVES = 10_000


def alternatives(rule: Rule) -> Iterator[tuple[Rule, ...]]:
    """The conjunctions of leaves any of which suffices (the rule's disjunctive form), lazily."""
    if isinstance(rule, AnyOf):
        for part in rule.rules:
            yield from alternatives(part)
    elif isinstance(rule, AllOf):
        for choice in product(*(tuple(alternatives(part)) for part in rule.rules)):
            yield tuple(dict.fromkeys(leaf for conjunction in choice for leaf in conjunction))
    else:
        yield (rule,)


def exclude(one: Rule, other: Rule) -> bool:
    """Whether no caller can satisfy both leaves. Where that cannot be told, they are taken to go together."""
    if one.family is not None and other.family is not None and one.family is not other.family:
        return True
    for first, second in ((one, other), (other, one)):
        if isinstance(first, ServiceAccount) and isinstance(second, User | Domain):
            return True
        if isinstance(first, User) and isinstance(second, Domain) and _is_hosted_elsewhere(first, second):
            return True
        if first == SignInProvider("anonymous") and isinstance(second, FirebaseUser) and not second.anonymous:
            return True
    if isinstance(one, Via) and isinstance(other, Via):
        return all(_clash(leaves) is not None for leaves in alternatives(one.rule & other.rule))
    return type(one) is type(other) and _names_another(one, other)


def _is_hosted_elsewhere(user: User, domain: Domain) -> bool:
    if isinstance(user.account, PathParam) or "@" not in user.account or not user.hosted:
        return False
    return not user.account.endswith("@" + domain.domain)


_VALUE: dict[type[Rule], Callable[[Any], Any]] = {
    Domain: lambda rule: rule.domain,
    EmailDomain: lambda rule: rule.domain,
    Tenant: lambda rule: rule.tenant,
    SignInProvider: lambda rule: rule.provider,
    IssuedBy: lambda rule: rule.issuer,
    FirebaseUser: lambda rule: rule.uid,
}


def _names_another(one: Any, other: Any) -> bool:
    if isinstance(one, User | ServiceAccount):
        # An address and an id may be of one account; two addresses or two ids are not.
        accounts = (one.account, other.account)
        literal = all(isinstance(account, str) for account in accounts)
        return literal and accounts[0] != accounts[1] and ("@" in accounts[0]) is ("@" in accounts[1])
    if isinstance(one, CustomClaim):
        return one.name == other.name and None not in (one.value, other.value) and one != other
    value = _VALUE.get(type(one))
    if value is None:
        return False
    values = (value(one), value(other))
    return all(isinstance(item, str) for item in values) and values[0] != values[1]


def _clash(conjunction: Iterable[Rule]) -> tuple[Rule, Rule] | None:
    return next(((one, other) for one, other in combinations(conjunction, 2) if exclude(one, other)), None)


def check_possible(rule: Rule, issuers: tuple[Issuer, ...], where: str) -> None:
    """Raise `ConfigurationError` for a rule that can admit nobody whom these issuers can vouch for.

    `Nobody` is no mistake: it says what it means. ``where`` says whose rule it is, for the message.
    """
    if any(isinstance(leaf, Nobody) for leaf in leaves(rule)):
        return
    trouble = ""
    for count, conjunction in enumerate(alternatives(rule)):
        clash = _clash(conjunction)
        found = (
            f"{clash[0]!r} and {clash[1]!r} exclude each other, and all rules on the way must hold (join alternatives "
            "with |, or move one of them)"
            if clash
            else _lacks_issuer(conjunction, issuers)
        )
        if not found or count >= MOST_ALTERNATIVES:
            return
        trouble = trouble or found
    raise ConfigurationError(f"{where}: this rule can admit nobody: {trouble}")


def _lacks_issuer(conjunction: tuple[Rule, ...], issuers: tuple[Issuer, ...]) -> str:
    names = {issuer.name: issuer for issuer in issuers}
    carriers = tuple(issuer for issuer in issuers if any(slot.carrier for slot in issuer.slots))
    for leaf in conjunction:
        if leaf.family is not None and not any(issuer.kind is leaf.family for issuer in issuers):
            return f"{leaf!r} needs {_FACTORY[leaf.family]} among the guard's issuers"
        if isinstance(leaf, IssuedBy) and leaf.issuer not in names:
            return f"{leaf!r} names none of the guard's issuers: {', '.join(sorted(names))}"
        if isinstance(leaf, IssuedBy) and any(names[leaf.issuer].kind is not (part.family or names[leaf.issuer].kind) for part in conjunction):
            return f"{leaf!r} vouches for another kind of caller than the rules beside it"
        if isinstance(leaf, Via):
            inner = [_clash(part) or _lacks_issuer(part, carriers) for part in alternatives(leaf.rule)]
            if not carriers or all(inner):
                return f"{leaf!r} needs google(...) among the guard's issuers and a carrier its rule can hold of"
    return ""


_FACTORY = {Kind.GOOGLE: "google(...)", Kind.FIREBASE: "firebase(...)"}

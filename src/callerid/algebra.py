"""What rules mean together: whether a rule can admit anybody at all.

Rules have no negation, so every rule is a disjunction of conjunctions of leaves, and a conjunction admits nobody as
soon as two of its leaves exclude each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import combinations, islice, product
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
    Rule,
    ServiceAccount,
    SignInProvider,
    Tenant,
    User,
    Via,
    leaves,
)
from callerid.rules.accounts import is_email

__all__ = ["alternatives", "check_possible", "exclude"]

MOST_ALTERNATIVES = 10_000
"""So many are looked at; a rule with more of them is taken to admit somebody."""


def alternatives(rule: Rule) -> Iterator[tuple[Rule, ...]]:
    """The conjunctions of leaves any of which suffices (the rule's disjunctive form), lazily."""
    if isinstance(rule, AnyOf):
        for part in rule.rules:
            yield from alternatives(part)
    elif isinstance(rule, AllOf):
        for choice in product(*(tuple(islice(alternatives(part), MOST_ALTERNATIVES + 1)) for part in rule.rules)):
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
        looked_at = tuple(islice(alternatives(one.rule & other.rule), MOST_ALTERNATIVES + 1))
        return len(looked_at) <= MOST_ALTERNATIVES and all(_clash(part) is not None for part in looked_at)
    return type(one) is type(other) and _names_another(one, other)


def _is_hosted_elsewhere(user: User, domain: Domain) -> bool:
    return is_email(user.account) and user.hosted and not user.account.endswith(f"@{domain.domain}")


_VALUE: dict[type[Rule], Callable[[Any], Any]] = {
    Domain: lambda rule: rule.domain,
    EmailDomain: lambda rule: rule.domain,
    Tenant: lambda rule: rule.tenant,
    SignInProvider: lambda rule: rule.provider,
    IssuedBy: lambda rule: rule.issuer,
    FirebaseUser: lambda rule: rule.uid,
    User: lambda rule: rule.account,
    ServiceAccount: lambda rule: rule.account,
}


def _names_another(one: Rule, other: Rule) -> bool:
    """Whether two leaves of one class name different things of which a caller has only one."""
    if isinstance(one, CustomClaim) and isinstance(other, CustomClaim):
        both_contain = one.value is None and other.value is None
        return one.name == other.name and one != other and not both_contain
    value = _VALUE.get(type(one))
    if value is None:
        return False
    first, second = value(one), value(other)
    if not isinstance(first, str) or not isinstance(second, str):
        return False
    # An address and an id may be of one account; two addresses or two ids are not.
    comparable = not isinstance(one, User | ServiceAccount) or is_email(first) is is_email(second)
    return comparable and first != second


def _clash(conjunction: Iterable[Rule]) -> tuple[Rule, Rule] | None:
    return next(((one, other) for one, other in combinations(conjunction, 2) if exclude(one, other)), None)


def check_possible(rule: Rule, issuers: tuple[Issuer, ...], where: str) -> None:
    """Raise `ConfigurationError` for a rule that can admit nobody whom these issuers can vouch for.

    `Nobody` is no mistake: it says what it means. ``where`` says whose rule it is, for the message.
    """
    if any(isinstance(leaf, Nobody) for leaf in leaves(rule)):
        return
    trouble = _trouble(rule, issuers)
    if trouble:
        raise ConfigurationError(f"{where}: this rule can admit nobody: {trouble}")


def _trouble(rule: Rule, issuers: tuple[Issuer, ...]) -> str:
    """What is wrong with a rule's first alternative, if something is wrong with all; empty if it can admit somebody."""
    first = ""
    for count, conjunction in enumerate(alternatives(rule)):
        found = _trouble_of(conjunction, issuers)
        if not found or count >= MOST_ALTERNATIVES:
            return ""
        first = first or found
    return first


def _trouble_of(conjunction: tuple[Rule, ...], issuers: tuple[Issuer, ...]) -> str:
    """Why a conjunction of leaves can admit nobody, with the mend; empty if it can."""
    clash = _clash(conjunction)
    if clash is None:
        return _lacks_issuer(conjunction, issuers)
    return (
        f"{clash[0]!r} and {clash[1]!r} exclude each other, and all rules on the way must hold (join alternatives with "
        "|, or move one of them)"
    )


def _lacks_issuer(conjunction: tuple[Rule, ...], issuers: tuple[Issuer, ...]) -> str:
    kinds = {issuer.name: issuer.kind for issuer in issuers}
    families = {leaf.family for leaf in conjunction if leaf.family is not None}
    for leaf in conjunction:
        if leaf.family is not None and leaf.family not in kinds.values():
            return f"{leaf!r} needs {_FACTORY[leaf.family]} among the guard's issuers"
        if isinstance(leaf, IssuedBy) and leaf.issuer not in kinds:
            return f"{leaf!r} names none of the guard's issuers: {', '.join(sorted(kinds))}"
        if isinstance(leaf, IssuedBy) and families - {kinds[leaf.issuer]}:
            return f"{leaf!r} vouches for another kind of caller than the rules beside it: leave one of them out"
        if isinstance(leaf, Via) and not _can_carry(leaf, issuers):
            return f"{leaf!r} needs google(...) among the guard's issuers and a carrier its rule can hold of"
    return ""


def _can_carry(rule: Via, issuers: tuple[Issuer, ...]) -> bool:
    carriers = tuple(issuer for issuer in issuers if any(slot.carrier for slot in issuer.slots))
    return bool(carriers) and not _trouble(rule.rule, carriers)


_FACTORY = {Kind.GOOGLE: "google(...)", Kind.FIREBASE: "firebase(...)"}

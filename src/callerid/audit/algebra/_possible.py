"""What the author of a rule is told that can admit nobody at all.

A conjunction of leaves admits nobody as soon as two of them exclude each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations, islice, product

from callerid.audit.algebra._laws import MOST_ALTERNATIVES, exclude
from callerid.audit.algebra._separate import Separate
from callerid.callers import Kind
from callerid.issuers import AppCheckIssuer, GoogleAccessTokenIssuer, Issuer, SpeaksFor
from callerid.rules import (
    AllOf,
    AnyApp,
    AnyOf,
    App,
    Domain,
    FirebaseUser,
    IssuedBy,
    Rule,
    Scope,
    ServiceAccount,
    Subject,
    Tenant,
    Via,
    leaves,
)
from callerid.rules._apps import project_number_of

__all__ = ["alternatives", "every_leaf", "why_nobody"]


def alternatives(rule: Rule) -> Iterator[tuple[Rule, ...]]:
    """The conjunctions of leaves any of which suffices (the rule's disjunctive form), lazily."""
    if type(rule) is AnyOf:
        for part in rule.rules:
            yield from alternatives(part)
    elif type(rule) is AllOf or type(rule) is Separate:
        for choice in product(*(tuple(islice(alternatives(part), MOST_ALTERNATIVES + 1)) for part in rule.rules)):
            yield tuple(dict.fromkeys(leaf for conjunction in choice for leaf in conjunction))
    else:
        yield (rule,)


def every_leaf(rule: Rule) -> Iterator[Rule]:
    """All leaves of a rule, those inside `Via` among them."""
    for leaf in leaves(rule):
        if type(leaf) is Separate:
            yield from (each for part in leaf.rules for each in every_leaf(part))
            continue
        yield leaf
        if type(leaf) is Via:
            yield from leaves(leaf.rule)


def why_nobody(rule: Rule, issuers: tuple[Issuer, ...]) -> str:
    """What is wrong with a rule's first alternative, if something that can be named is wrong with all; else empty."""
    first, excluding = "", cache(exclude)
    for count, conjunction in enumerate(alternatives(rule)):
        found = _trouble_of(conjunction, issuers, excluding)
        if not found or count >= MOST_ALTERNATIVES:
            return ""
        first = first or found
    return first


def _trouble_of(
    conjunction: tuple[Rule, ...], issuers: tuple[Issuer, ...], excluding: Callable[[Rule, Rule], bool]
) -> str:
    """Why a conjunction of leaves can admit nobody, with the remedy; empty if it can."""
    clash = next((pair for pair in combinations(conjunction, 2) if excluding(*pair)), None)
    if clash is None:
        return _lacks_issuer(conjunction, issuers)
    return (
        f"{clash[0]!r} and {clash[1]!r} exclude each other, and every rule on the way to a route must hold (join "
        "alternatives with |, or move one of them)"
    )


def _lacks_issuer(conjunction: tuple[Rule, ...], issuers: tuple[Issuer, ...]) -> str:
    # IAP is of one name for both families.
    kinds: dict[str, set[Kind]] = {}
    for issuer in (each for each in issuers if SpeaksFor.CALLER in each.roles):
        kinds.setdefault(issuer.name, set()).add(issuer.kind)
    projects = {issuer.project for issuer in issuers} - {None}
    spoken_of = [leaf.kinds for leaf in conjunction if leaf.kinds is not None]
    for leaf in conjunction:
        if leaf.kinds is not None and all(leaf.kinds.isdisjoint(each) for each in kinds.values()):
            needed = " or ".join(_FACTORY[kind] for kind in Kind if kind in leaf.kinds)
            return f"{leaf!r} needs {needed} among the guard's issuers"
        named = leaf.issuer if type(leaf) is IssuedBy else leaf.of if type(leaf) is Subject else None
        if named is not None and named not in kinds:
            return f"{leaf!r} names none of the guard's issuers: {', '.join(sorted(kinds))}"
        if named is not None and any(each.isdisjoint(kinds[named]) for each in spoken_of):
            return f"{leaf!r} vouches for another kind of caller than the rules beside it: leave one of them out"
        if type(leaf) is FirebaseUser and leaf.project not in {None, *projects}:
            return f"{leaf!r} names none of the guard's Firebase projects: {', '.join(sorted(map(str, projects)))}"
        if type(leaf) is Tenant and _is_unnamed(leaf, issuers):
            return f"{leaf!r} needs an issuer that names it: firebase(..., tenants=({leaf.tenant!r},))"
        if type(leaf) in (App, AnyApp) and (lacking := _lacks_app(leaf, issuers)):
            return lacking
        if type(leaf) is Via and not _can_carry(leaf, issuers):
            return f"{leaf!r} needs google(...) among the guard's issuers, and a rule that a service can meet"
    return _lacks_token(conjunction, issuers) or _names_no_account(conjunction, issuers)


def _lacks_token(conjunction: tuple[Rule, ...], issuers: tuple[Issuer, ...]) -> str:
    """Why none of the tokens that are read says what a rule asks: access tokens have scopes, and ID tokens the rest."""
    reads = {isinstance(issuer, GoogleAccessTokenIssuer) for issuer in issuers if issuer.kind is Kind.GOOGLE}
    for leaf in conjunction:
        if type(leaf) is Scope and True not in reads:
            return f"{leaf!r} needs google_access_token(...) among the guard's issuers: nothing else has scopes"
        if type(leaf) in (Domain, ServiceAccount) and reads == {True}:
            return f"{leaf!r} admits nobody by an access token, which does not say that: it needs google(...)"
    return ""


def _lacks_app(leaf: Rule, issuers: tuple[Issuer, ...]) -> str:
    numbers = {issuer.project_number for issuer in issuers if isinstance(issuer, AppCheckIssuer)}
    if not numbers:
        return f"{leaf!r} needs app_check(...) among the guard's issuers"
    if type(leaf) is App and numbers.isdisjoint(map(project_number_of, leaf.ids)):
        return f"{leaf!r} names no app of the projects that app_check(...) names: {', '.join(sorted(numbers))}"
    return ""


def _is_unnamed(leaf: Tenant, issuers: tuple[Issuer, ...]) -> bool:
    tenants = [issuer.tenants for issuer in issuers if issuer.kind is Kind.FIREBASE]
    named = leaf.tenant if isinstance(leaf.tenant, str) else None
    return all(each is not None and (named not in each if named else not each) for each in tenants)


def _names_no_account(conjunction: tuple[Rule, ...], issuers: tuple[Issuer, ...]) -> str:
    """Why none of the accounts can come whom the issuers of a family speak for, if all of them speak for one each."""
    for leaf in conjunction:
        callers = (issuer for issuer in issuers if SpeaksFor.CALLER in issuer.roles)
        accounts = {issuer.account for issuer in callers if leaf.kinds is not None and issuer.kind in leaf.kinds}
        known = sorted(account for account in accounts if account is not None)
        if accounts and len(known) == len(accounts) and all(exclude(leaf, ServiceAccount(each)) for each in known):
            return f"{leaf!r} admits none of those for whom the guard's issuers speak: {', '.join(known)}"
    return ""


def _can_carry(rule: Via, issuers: tuple[Issuer, ...]) -> bool:
    carriers = tuple(issuer for issuer in issuers if SpeaksFor.CARRIER in issuer.roles)
    return bool(carriers) and not why_nobody(rule.rule, carriers)


_FACTORY = {
    Kind.GOOGLE: "google(...)",
    Kind.FIREBASE: "firebase(...)",
    Kind.OIDC: "oidc(...)",
    Kind.CUSTOM: "custom_credential(...)",
}

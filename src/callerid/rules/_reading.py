"""Rules read, joined and taken apart by the rest of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, cast

from callerid.callers import Kind
from callerid.errors import ConfigurationError
from callerid.rules._accounts import PathParam
from callerid.rules._anyone import Nobody, Public, Via, Where
from callerid.rules._base import AllOf, AnyOf, Joined, Rule, described, is_joined, leaves
from callerid.rules._facts import Facts
from callerid.rules._firebase import SecondFactor, SignedInWithin
from callerid.rules._google import AnyGoogleAccount, Domain, ServiceAccount, User
from callerid.rules._judging import admitted, is_ours, needs_no_caller
from callerid.rules._looked_up import Group

__all__ = [
    "STEPS",
    "all_of",
    "any_of",
    "compared_with_path",
    "is_public",
    "member",
    "missing_steps",
    "needs_path",
    "of_any_issuer",
    "path_parameters",
    "reads_path",
    "without_public",
]


def member(text: str) -> Rule:
    """The rule that an IAM member string names.

    Raises `ConfigurationError` for kinds that cannot be judged here (``deleted:``, ``principal:`` …).
    Source: IAM, "Principal identifiers".
    """
    if not isinstance(text, str):
        raise ConfigurationError(f"this takes an IAM member string or a rule, not {described(text)}", code="iam-member")
    if text == "allUsers":
        return Public()
    if text == "allAuthenticatedUsers":
        return AnyGoogleAccount()
    kind, colon, name = text.partition(":")
    if not colon or kind not in _MEMBERS:
        raise ConfigurationError(
            f"{text!r} is not an IAM member that this library can judge: write user:EMAIL, "
            "serviceAccount:EMAIL, group:EMAIL, domain:DOMAIN, allUsers, allAuthenticatedUsers, or a rule",
            code="iam-member",
        )
    return _MEMBERS[kind](name)


_MEMBERS: dict[str, Callable[[str], Rule]] = {
    "user": User,
    "serviceAccount": ServiceAccount,
    "group": Group,
    "domain": Domain,
}


def any_of(rules: tuple[Rule, ...]) -> Rule:
    """The rules joined with ``|``; a single one stays as it is."""
    return rules[0] if len(rules) == 1 else AnyOf(*rules)


def all_of(rules: tuple[Rule, ...]) -> Rule:
    """The rules joined with ``&``; a single one stays as it is, and `Public` adds nothing beside others.

    Raises `ConfigurationError` for no rules: nobody is let in because a rule was forgotten.
    """
    if not rules:
        raise ConfigurationError("no rules would let everybody in: give at least one, or Public()", code="iam-member")
    telling = tuple(rule for rule in rules if not is_public(rule)) or (Public(),)
    return telling[0] if len(telling) == 1 else AllOf(*telling)


def is_public(rule: Rule) -> bool:
    """Whether the rule is `Public` and nothing else: then no credential is read. A subclass of it is a rule to ask."""
    return all(type(leaf) is Public for leaf in leaves(rule))


def without_public(rule: Rule) -> Rule:
    """The rule with nobody let in for nothing: whom it admits then is admitted for who they are."""
    if not needs_no_caller(rule):
        return rule
    if is_joined(rule):
        telling = tuple(part for part in rule.rules if not is_public(part))
        return type(rule)(*map(without_public, telling)) if telling else Nobody()
    return Nobody() if type(rule) is Public else rule


def of_any_issuer(rule: Rule, *, is_named: bool = False) -> Iterator[Rule]:
    """The leaves that name a caller, or a fact of theirs, by words that mean something to one issuer only.

    Without those that are tied to one: by themselves, or by what must hold beside them; ``is_named`` says that
    something there names one.
    """
    if isinstance(rule, Joined):
        is_named = is_named or (type(rule) is AllOf and rule.names_project)
        for part in rule.rules:
            yield from of_any_issuer(part, is_named=is_named)
    elif not is_named and not rule.names_project and rule.kinds is not None and Kind.GOOGLE not in rule.kinds:
        yield rule


STEPS = (SignedInWithin, SecondFactor)
"""The rules that a fresher or stronger sign-in of the same user can meet."""


def missing_steps(rule: Rule, facts: Facts) -> frozenset[Rule] | None:
    """The `SignedInWithin` and `SecondFactor` leaves that alone stand between this caller and a yes.

    Empty if the rule holds already; ``None`` if no fresher or stronger sign-in would do.
    """
    if type(rule) is AllOf:
        inside = rule.within(facts)
        parts = [missing_steps(part, inside) for part in rule.rules]
        found = [part for part in parts if part is not None]
        return frozenset(step for steps in found for step in steps) if len(found) == len(parts) else None
    if type(rule) is AnyOf:
        ways = [way for part in rule.rules if (way := missing_steps(part, facts)) is not None]
        return min(ways, key=len, default=None)
    if admitted(rule, facts):
        return frozenset()
    if type(rule) in STEPS and facts.firebase is not None:
        return frozenset({rule})
    return None


def path_parameters(rule: Rule) -> frozenset[str]:
    """The names of all path parameters that a rule compares with."""
    # A subclass of a rule of ours judges as it likes, and may ask its parts as ours do.
    parts = rule.rules if isinstance(rule, Joined) else (rule.rule,) if isinstance(rule, Via) else ()
    own = compared_with_path(rule)
    return frozenset({own[1].name} if own else ()).union(*map(path_parameters, parts))


def reads_path(rule: Rule) -> bool:
    """Whether a `Where` in a rule is asked about the path, too."""
    parts = rule.rules if isinstance(rule, Joined) else (rule.rule,) if isinstance(rule, Via) else ()
    return (isinstance(rule, Where) and rule.reads_path) or any(map(reads_path, parts))


def needs_path(rule: Rule) -> bool:
    """Whether the answer of a rule may depend on the path: what is not this library's may look at any parameter."""
    if not is_ours(rule) or reads_path(rule):
        return True
    parts = rule.rules if isinstance(rule, Joined) else (rule.rule,) if isinstance(rule, Via) else ()
    values = (getattr(rule, member.name) for member in fields(cast("Any", rule)))
    return any(isinstance(value, PathParam) for value in values) or any(map(needs_path, parts))


def compared_with_path(leaf: Rule) -> tuple[str, PathParam] | None:
    """The attribute of a leaf that stands for what the path names, and the parameter; ``None`` where there is none."""
    named = ((attribute, getattr(leaf, attribute, None)) for attribute in _COMPARED)
    return next(((attribute, value) for attribute, value in named if isinstance(value, PathParam)), None)


_COMPARED = ("account", "uid", "subject", "tenant", "value", "contains", "role")

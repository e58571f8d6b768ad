"""The access map as data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from callerid.algebra import is_weaker
from callerid.guard import GuardCore, Requirement
from callerid.issuers import Issuer
from callerid.rules import AllOf, AnyOf, Facts, Rule, Where, all_of, is_public

__all__ = ["ANYWHERE_ELSE", "AccessMap", "Asked", "Part", "Row", "canonical", "merged", "methods_text", "row"]

ANYWHERE_ELSE = "(any other path)"
"""The template of the row that tells what holds where there is no route."""


@dataclass(frozen=True, slots=True)
class Part:
    """One rule that holds at a route, and where it stands: ``decorator``, ``router``, ``default`` and so on."""

    source: str
    requirement: Requirement


@dataclass(frozen=True, slots=True)
class Asked:
    """All that one guard asks at a route, as it asks it."""

    guard: GuardCore
    requirement: Requirement


@dataclass(frozen=True)
class Row:
    """One route: its methods (``WS`` for a socket, ``*`` for any), its path template, and who may.

    ``parts`` are the rules as they were written, ``asked`` what the guards on the way make of them: all of it must
    hold. ``weaker`` is whether somebody may here whom the default would refuse.
    """

    methods: tuple[str, ...]
    template: str
    parts: tuple[Part, ...]
    asked: tuple[Asked, ...]
    weaker: bool = False

    @cached_property
    def rule(self) -> Rule:
        """Everything that must hold, as one rule."""
        return all_of(tuple(each.requirement.rule for each in self.asked))

    @cached_property
    def audiences(self) -> frozenset[str] | None:
        """What a Google token must be minted for, if a rule says so."""
        named = [each.requirement.audiences for each in self.asked if each.requirement.audiences is not None]
        return named[0].intersection(*named) if named else None

    @property
    def is_open(self) -> bool:
        """Whether anybody may, without any credential."""
        return self.rule.admits(Facts())

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path parameters, in order."""
        return tuple(
            re.findall(r"[{<](?:[^{}<>]*:)?([A-Za-z_]\w*)[}>]", re.sub(r"\{(\w+):\w+\}", r"{\1}", self.template))
        )

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the rules stand, outermost first."""
        return tuple(dict.fromkeys(part.source for part in self.parts))

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """Those whom the guards on the way believe."""
        return tuple(dict.fromkeys(issuer for each in self.asked for issuer in each.guard.issuers))

    @property
    def name(self) -> str:
        """Methods and path."""
        return f"{methods_text(self.methods)} {self.template}"

    def words(self) -> str:
        """Who may, in words."""
        said = "everybody" if is_public(self.rule) else str(self.rule)
        return said if self.audiences is None else f"{said} for {' or '.join(sorted(self.audiences))}"


@dataclass(frozen=True, slots=True)
class AccessMap:
    """Every route of an application with the rule that guards it, as the guard enforces it.

    ``problems`` are what cannot be right, each with its mend: marks that nobody enforces, rules that can admit nobody,
    entries of a path table that no route answers. ``layers`` is how many decisions a call goes through, one behind the
    other. ``unenforced`` says where, and until when, whatever the rules refuse is let through all the same.
    """

    kind: str
    rows: tuple[Row, ...]
    problems: tuple[str, ...] = ()
    layers: int = 1
    unenforced: tuple[str, ...] = ()

    @property
    def guards(self) -> tuple[GuardCore, ...]:
        """All guards that are asked anywhere."""
        return tuple(dict.fromkeys(each.guard for row in self.rows for each in row.asked))

    def singly(self) -> Iterator[tuple[str, Row]]:
        """Each method of each route by itself, but for HEAD where there is GET; of two for one place the first."""
        seen: set[tuple[str, str]] = set()
        for row in self.rows:
            for method in row.methods:
                is_covered = method == "HEAD" and "GET" in row.methods
                if not is_covered and (method, row.template) not in seen:
                    seen.add((method, row.template))
                    yield method, row


def row(
    methods: tuple[str, ...],
    template: str,
    parts: Iterable[Part],
    asked: Mapping[GuardCore, Requirement],
    default: Requirement,
) -> Row:
    """One row; ``default`` is what would hold without a rule."""
    made = Row(methods, template, tuple(parts), tuple(Asked(*each) for each in asked.items()))
    named = [part for part in made.parts if part.source != "default"]
    weaker = bool(named) and default.rule != made.rule and is_weaker(made.rule, default.rule, made.issuers)
    return replace(made, weaker=weaker)


def merged(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows with the methods of one route together where the same holds for them."""
    found: dict[tuple[object, ...], Row] = {}
    for each in rows:
        key = (each.template, each.parts, each.asked, "*" in each.methods)
        known = found.get(key)
        methods = each.methods if known is None else tuple(dict.fromkeys((*known.methods, *each.methods)))
        found[key] = replace(each, methods=methods)
    return tuple(found.values())


def methods_text(methods: Iterable[str]) -> str:
    """The methods as people write them: GET covers HEAD."""
    named = list(methods)
    return ",".join(each for each in named if each != "HEAD" or "GET" not in named)


def canonical(rule: Rule) -> Rule:
    """The rule with its members in an order that does not depend on how they were written."""
    if isinstance(rule, AllOf | AnyOf):
        return type(rule)(*sorted(map(canonical, rule.rules), key=_key))
    return rule


def _key(rule: Rule) -> str:
    return f"{rule!r} {rule}" if isinstance(rule, Where) else repr(rule)

"""What was asked of a request and what is, each as one side, with path parameters named by where they stand. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from callerid.audit._places import Place, Position, literal_at, positions_of
from callerid.audit._serving import EffectiveAccess
from callerid.audit._trust import believed_by_all
from callerid.audit.algebra import Sealed, Separate, Side, fingerprint, is_code, is_foreign, separate
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer
from callerid.rules import Nobody, PathParam, Rule, Via, Where, compared_with_path, is_joined, is_public
from callerid.rules._accounts import is_email

__all__ = ["by_position", "named_alike", "two_sides"]

Asks = tuple[Rule, frozenset[str] | None, tuple[Issuer, ...], frozenset[str]]
"""A rule, the audiences it names, those who are believed, and the settings of their guards."""


def two_sides(before: EffectiveAccess, now: EffectiveAccess, at: Place) -> tuple[Side, Side]:
    """What was asked and what is, each as one; path parameters of both go by the names of now, by where they stand."""
    names = named_alike(each.scope.template for each in (*now.asked, *before.asked))
    return _side(before, names, at), _side(now, names, at)


def named_alike(templates: Iterable[str]) -> dict[Position, str]:
    """One name for each place where one of the templates has a parameter: the first that it has."""
    names: dict[Position, str] = {}
    for template in templates:
        for name, position in positions_of(template).items():
            if position not in names:
                names[position] = name if name not in names.values() else f"{name}_{len(names)}"
    return names


def _side(found: EffectiveAccess, names: Mapping[Position, str], at: Place) -> Side:
    asked: list[Asks] = []
    for each in found.asked:
        rule = by_position(each.rule, positions_of(each.scope.template), names, at)
        asked.append((rule, each.audiences, each.issuers, each.settings))
    judged = [each for each in asked if not is_public(each[0])] or asked[:1]
    issuers, audiences = believed_by_all([(issuers, audiences) for _, audiences, issuers, _ in judged])
    settings = frozenset[str]().union(*(each for *_, each in judged))
    # Each layer judges for itself, and so does each that has a say where no route is meant.
    rule = separate(rule for rule, *_ in asked)
    return Side(
        rule,
        audiences,
        issuers,
        (),
        tuple(sorted((line.partition(" ")[0], line.partition(" ")[2]) for line in settings)),
    )


def by_position(rule: Rule, positions: Mapping[str, Position], names: Mapping[Position, str], at: Place) -> Rule:
    """The rule with its path parameters named by where they stand, or by what stands there."""
    if is_joined(rule) or type(rule) is Separate:
        return type(rule)(*(by_position(part, positions, names, at) for part in rule.rules))
    if type(rule) is Via:
        return Via(by_position(rule.rule, positions, names, at))
    if is_code(rule):
        return _reading(rule, positions) if rule.reads_path else rule
    compared = None if is_foreign(rule) else compared_with_path(rule)
    if compared is not None and (position := positions.get(compared[1].name)) is not None:
        literal = literal_at(position, at)
        return _naming(rule, compared[0], PathParam(names[position]) if literal is None else literal)
    return rule


def _reading(rule: Where | Sealed, positions: Mapping[str, Position]) -> Rule:
    """Code that is asked about the path: the same only where all parameters have the same names and places."""
    known = fingerprint(rule) or f"object {id(rule)}"
    return Sealed(rule.description, f"{known} {sorted(positions.items())}", reads_path=True)


def _naming(rule: Rule, attribute: str, wanted: str | PathParam) -> Rule:
    if attribute == "account" and is_email(wanted):
        return Nobody()  # a path names accounts by their ids
    try:
        return replace(cast("Any", rule), **{attribute: wanted})  # type: ignore[no-any-return]
    except ConfigurationError:  # there is no such id
        return Nobody()

"""Rows of a map together: those of one route, the last one, their names, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from callerid.audit._rows import ANYWHERE_ELSE, Part, Row, ServedBy, row
from callerid.guard import GuardCore, Requirement

__all__ = ["elsewhere", "merged", "names_of", "told_once"]


def merged(rows: Iterable[Row]) -> tuple[Row, ...]:
    """The rows with the methods of one route together where the same holds for them."""
    found: dict[tuple[object, ...], Row] = {}
    for each in rows:
        shapes = {(one.written, one.below, one.either_slash, one.opaque, one.instead) for one in each.serves}
        key = (each.template, each.parts, each.asked, "*" in each.methods, frozenset(shapes))
        known = found.get(key)
        serving = {} if known is None else dict(zip(known.methods, known.serves, strict=True))
        serving = {**dict(zip(each.methods, each.serves, strict=True)), **serving}
        methods = each.methods if known is None else tuple(dict.fromkeys((*known.methods, *each.methods)))
        found[key] = replace(each, methods=methods, serves=tuple(serving[method] for method in methods))
    return tuple(found.values())


def names_of(rows: Iterable[Row]) -> dict[str, str]:
    """For each method of each route its name, and the one by which it goes: GET covers HEAD."""
    names: dict[str, str] = {}
    for each in rows:
        for method in each.methods:
            covering = "GET" if method == "HEAD" and "GET" in each.methods else method
            names.setdefault(each.named(method), f"{covering} {each.written(method)}")
    return names


def told_once(problems: Iterable[tuple[str, str]]) -> list[str]:
    """What is wrong with routes, each given by a method and what is wrong; GET covers HEAD."""
    found = dict.fromkeys((method, problem) for method, problem in problems if problem)
    return [f"{method} {problem}" for method, problem in found if method != "HEAD" or ("GET", problem) not in found]


class Fallback(Protocol):
    """The rules of a guard that hold where no route says more."""

    guard: GuardCore
    default: Requirement
    floor: Requirement | None


def elsewhere(rules: Fallback, serves: ServedBy) -> Row:
    """What holds where there is no route."""
    parts = [] if rules.floor is None else [Part("floor", rules.floor)]
    parts.append(Part("default", rules.default))
    asked = [(rules.guard, part.requirement) for part in parts]
    return row(("*", ANYWHERE_ELSE), parts, asked, rules.default, serves)

"""The routes of a map with their scopes: which of them go before others although that could be otherwise."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from callerid.audit._index import Index
from callerid.audit._places import ANYWHERE_ELSE, common
from callerid.audit._regions import serves_first, text_for
from callerid.audit._rows import AccessMap, Row, earlier
from callerid.audit._scope import (
    AUTOMATIC,
    HTTP,
    OTHER_SLASH,
    RouteScope,
    Spot,
    is_expected,
    is_middleware_entry,
    one_method,
    route_scope,
    spots_of,
)
from callerid.audit.algebra import No, Side, Yes, holds, new_access, separate
from callerid.rules import Facts, Nobody

__all__ = ["in_order", "partly_served", "with_scopes"]

_Found = tuple[Row, RouteScope]
"""One method of a route, which its scope names."""


def in_order(found: AccessMap) -> list[_Found]:
    """Each method of each route, in the order of the map."""
    plain = with_scopes(found)
    after = _Order(found, plain).after
    return [(row, _after(scope, after)) for row, scope in plain]


def partly_served(found: AccessMap) -> dict[str, list[str]]:
    """Routes before which others come at some of their paths although nobody expects it, and ask something else.

    Each is given by its name, with the names of those that come first.
    """
    ordered = in_order(found)
    named = {scope.name: (row, scope) for row, scope in ordered}
    late: dict[str, list[str]] = {}
    for row, scope in ordered:
        for name in () if row.instead else sorted(scope.after):
            first, other = named[name]
            both = one_method(scope.method, other.method)
            is_for_both = both and not first.instead and not name.endswith(AUTOMATIC)
            if is_for_both and (first.rule, first.believed) != (row.rule, row.believed):
                late.setdefault(scope.name, []).append(name)
    return late


def with_scopes(found: AccessMap) -> list[_Found]:
    """As `in_order`, but for what goes before what."""
    return [(row, _scope_of(found, method, row)) for method, row in found.all_singly()]


def _scope_of(found: AccessMap, method: str, row: Row) -> RouteScope:
    serves, name = row.serving(method), row.named(method)
    strict = found.kind != "Flask" or is_middleware_entry(name)
    return route_scope(name, below=serves.below, either_slash=serves.either_slash, strict=strict, mount=serves.mount)


def _after(scope: RouteScope, after: dict[str, set[str]]) -> RouteScope:
    plain, slash = (frozenset(after.get(name, ())) for name in (scope.name, scope.name + OTHER_SLASH))
    return replace(scope, after=plain, slash_after=slash) if plain or slash else scope


class _Order:
    """Who goes before whom, where that could be otherwise."""

    def __init__(self, found: AccessMap, routes: list[_Found]) -> None:
        self._found, self._routes = found, routes
        self.after: dict[str, set[str]] = {}
        """For each name the names of those before it."""
        self._near = Index[tuple[Spot, int]]()
        self._differ: dict[object, bool] = {}
        self._sides: dict[int, Side] = {}
        self._by_text: dict[object, Side] = {}
        self._first_in: dict[int, tuple[Facts, ...]] = {}
        spots = [
            (spot, number)
            for number, (_, scope) in enumerate(routes)
            if not scope.is_rest or "/" in scope.template
            for spot in spots_of(scope)
        ]
        for each in spots:
            self._near.add(each[0].place, each)
        text = text_for(segment for spot, _ in spots for segment in spot.place.segments)
        for each in spots:
            for _, other in self._near.near(each[0].place):
                if each[1] < other[1] and each[0].scope.layer == other[0].scope.layer:
                    self._note(each, other, text)

    def _note(self, one: tuple[Spot, int], other: tuple[Spot, int], text: str) -> None:
        method = one_method(one[0].scope.method, other[0].scope.method)
        if not method and not self._answers_differ(one[1], other[1]):
            return
        earlier, later = (one[0], other[0]) if self._is_first(one, other, method, text) else (other[0], one[0])
        if not is_expected(earlier, later):
            self.after.setdefault(later.name, set()).add(earlier.name)

    def _is_first(self, one: tuple[Spot, int], other: tuple[Spot, int], method: str, text: str) -> bool:
        """Whether the one serves what is for both; where the map does not say, the framework's router is asked."""
        first, second = self._routes[one[1]], self._routes[other[1]]
        known, router = _is_earlier(first, second), self._found.router
        if known is None and router is not None:
            region = common(one[0].place, other[0].place)
            assert region is not None  # noqa: S101 - they are near each other
            near = dict.fromkeys(place for place, _ in self._near.near(region))
            names = first[1].name, second[1].name
            if not method:
                # Whatever their methods are, one of them answers OPTIONS.
                method, names = "OPTIONS", (_for_options(names[0]), _for_options(names[1]))
            known = serves_first(router, method, names, (region, near, text))
        return True if known is None else known

    def _answers_differ(self, one: int, other: int) -> bool:
        """Whether two routes would ask different things of a wrong method, or of OPTIONS."""
        found = self._routes[one], self._routes[other]
        if self._found.by_path or not all(map(self._may_answer, found)):
            return False
        one_scope, other_scope = (scope for _, scope in found)
        if one_scope.mount != other_scope.mount or _is_own_answer(one_scope, other_scope):
            return False
        first, second = self._side(one), self._side(other)
        if first is second:
            return False
        key = id(first), id(second)
        if key not in self._differ:
            self._differ[key] = self._refuses_somebody(second, first) or not _are_same(first, second)
        return self._differ[key]

    def _side(self, number: int) -> Side:
        """What a route's answer to a wrong method asks; the same object where the same is asked."""
        if number not in self._sides:
            side = self._asked(*self._routes[number])
            key = (repr(side.rule), side.audiences, side.issuers)
            self._sides[number] = self._by_text.setdefault(key, side)
        return self._sides[number]

    def _refuses_somebody(self, side: Side, other: Side) -> bool:
        """Whether a rule refuses the first whom another one admits: that is soon said of most that differ."""
        if id(other) not in self._first_in:
            verdict = new_access(replace(other, rule=Nobody()), other)
            self._first_in[id(other)] = tuple(verdict.witness.sent()) if isinstance(verdict, Yes) else ()
        asked = self._first_in[id(other)]
        return bool(asked) and not any(holds(side.rule, facts, unknown=True) for facts in asked)

    def _may_answer(self, found: _Found) -> bool:
        """Whether a route answers a wrong method (405), or OPTIONS."""
        row, scope = found
        if scope.layer or scope.is_rest or scope.method in ("WS", "*", HTTP):
            return False
        return self._found.kind in ("Starlette", "FastAPI") or row.serving(scope.method).options

    def _asked(self, row: Row, scope: RouteScope) -> Side:
        """What a route's answer to a wrong method asks, or its own to OPTIONS."""
        if self._found.kind == "Flask" and scope.method == "OPTIONS":
            return Side(row.rule, row.believed[1], row.issuers)
        default = self._rests[scope.mount or ANYWHERE_ELSE].rule
        return Side(separate((row.rule, default)), row.believed[1], row.issuers)

    @cached_property
    def _rests(self) -> dict[str, Row]:
        return {row.written("*"): row for row in self._found.routes if row.is_rest}


def _is_own_answer(one: RouteScope, other: RouteScope) -> bool:
    """Whether one of the two is what the framework answers to OPTIONS for the other."""
    return one.template == other.template and (one.name.endswith(AUTOMATIC) or other.name.endswith(AUTOMATIC))


def _for_options(name: str) -> str:
    """The name by which a route answers OPTIONS in Flask."""
    return name if name.startswith("OPTIONS ") else f"OPTIONS {name.partition(' ')[2]}{AUTOMATIC}"


def _is_earlier(one: _Found, other: _Found) -> bool | None:
    methods = one[1].method, other[1].method
    getting = one[0] if methods[0] == "GET" else other[0]
    if {*methods} == {"HEAD", "GET"} and "HEAD" not in getting.methods:
        # Not every route for GET takes HEAD, too.
        return methods[0] == "HEAD"
    return earlier(one[0].serving(methods[0]).order, other[0].serving(methods[1]).order)


def _are_same(one: Side, other: Side) -> bool:
    return isinstance(new_access(one, other), No) and isinstance(new_access(other, one), No)

"""Which of two routes serves a request that is for both. Pure.

Of two routes, the one whose requests are all the other's, too, is expected to be tried first: ``/users/me`` before
``/users/{id}``. Where that is not so, or neither is among the other, the later one is said to stand *after* the other;
so the order of all other routes is nobody's concern.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import combinations

from callerid.access.places import ANYWHERE_ELSE, Place, common, covers, places_of
from callerid.access.rows import AccessMap, Row

__all__ = ["Standing", "goes_before", "in_order", "named", "standing"]


@dataclass(frozen=True, eq=False, slots=True)
class Standing:
    """One method of one route, as it is found: by its name, which is its method and its path, and its places.

    ``layer`` is the number of the middleware that has it, ``after`` are the names of those that go before it although
    that could be otherwise. ``is_rest`` is whether it is for what nothing else at its place is for.
    """

    name: str
    method: str
    template: str
    places: tuple[Place, ...]
    layer: int = 0
    is_rest: bool = False
    after: frozenset[str] = frozenset()


_LAYER = re.compile(r" \(middleware (\d+)\)\Z")


def named(method: str, row: Row) -> str:
    """The name of one method of a route."""
    return f"{method} {row.written(method)}"


def standing(name: str, *, below: bool = False, either_slash: bool = False, after: Iterable[str] = ()) -> Standing:
    """A route by its name and by what else is said of it."""
    method, _, text = name.partition(" ")
    layer, template = _LAYER.search(text), _LAYER.sub("", text)
    return Standing(
        name,
        method,
        template,
        places_of(template, below=below, either_slash=either_slash),
        int(layer[1]) if layer else 0,
        template.endswith(ANYWHERE_ELSE),
        frozenset(after),
    )


def in_order(found: AccessMap) -> list[tuple[str, Row, Standing]]:
    """Each method of each route, in the order of the map, with where it stands."""
    plain = [(method, row, _standing(method, row)) for method, row in found.singly()]
    after: dict[str, set[str]] = {}
    for one, other in combinations([each for each in plain if not each[2].is_rest or "/" in each[2].template], 2):
        first, second = (one, other) if _is_first(one, other) else (other, one)
        if _meets(first[2], second[2]) and not _is_within(first[2], second[2]):
            after.setdefault(second[2].name, set()).add(first[2].name)
    return [(method, row, replace(each, after=frozenset(after.get(each.name, ())))) for method, row, each in plain]


def _standing(method: str, row: Row) -> Standing:
    serves = row.serving(method)
    return standing(named(method, row), below=serves.below, either_slash=serves.either_slash)


def _is_first(one: tuple[str, Row, Standing], other: tuple[str, Row, Standing]) -> bool:
    (method, row, _), (another, other_row, _) = one, other
    order, other_order = row.serving(method).order, other_row.serving(another).order
    if {method, another} == {"HEAD", "GET"}:
        # Not every route for GET takes HEAD, too.
        takes_both = "HEAD" in (row if method == "GET" else other_row).methods
        return (order < other_order) if takes_both else method == "HEAD"
    return order < other_order


def _meets(one: Standing, other: Standing) -> bool:
    """Whether a request may be for both."""
    if one.layer != other.layer or not _may_be_one(one.method, other.method):
        return False
    return any(common(place, another) is not None for place in one.places for another in other.places)


def _may_be_one(method: str, another: str) -> bool:
    return method == another or "*" in (method, another) or {method, another} == {"HEAD", "GET"}


def _is_within(one: Standing, other: Standing) -> bool:
    """Whether all requests for the one are for the other, too, and not the other way round."""
    return _all_within(one, other) and not _all_within(other, one)


def _all_within(one: Standing, other: Standing) -> bool:
    is_method = other.method in (one.method, "*") or (one.method, other.method) == ("HEAD", "GET")
    return is_method and all(any(covers(place, part) for place in other.places) for part in one.places)


def goes_before(one: Standing, other: Standing) -> bool:
    """Whether the one serves what is for both."""
    return one.name in other.after or (_is_within(one, other) and other.name not in one.after)

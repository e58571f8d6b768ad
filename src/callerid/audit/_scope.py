"""A route as it stands among others, and which of two serves a request that is for both. Pure.

Of two routes, the one whose requests are all the other's, too, is expected to be tried first: ``/users/me`` before
``/users/{id}``. Where that is not so, or neither is among the other, the later one is said to stand *after* the other;
so the order of all other routes is nobody's concern. Of routes for different methods, the first one answers a wrong
method (405): they are expected in the order of their names, and only where they would ask different things.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from callerid.audit._places import ANYWHERE_ELSE, Place, covers, places_of

__all__ = [
    "AUTOMATIC",
    "HTTP",
    "OTHER_SLASH",
    "RouteScope",
    "Spot",
    "goes_before",
    "is_expected",
    "is_middleware_entry",
    "one_method",
    "route_scope",
    "spots_of",
]

AUTOMATIC = " (automatic)"
"""Behind the name of a route: where the framework itself answers OPTIONS."""

HTTP = "HTTP"
"""Any method of HTTP, and one that no route names; ``*`` is for WebSockets, too."""

OTHER_SLASH = " (other slash)"
"""Behind the name of a route: where it stands with the other form of the slash at its end."""


@dataclass(frozen=True, eq=False, slots=True)
class RouteScope:
    """One method of one route, as it is found: by its name, which is its method and its path, and its places.

    ``slash`` are the places with the other form of the slash at the end, which it serves, or from which the framework
    redirects (``redirects``). ``layer`` is the number of the middleware that has it, ``mount`` the template of the rest
    of the mount that it is in (empty: none). ``after`` and ``slash_after`` are the names of those that go before it, or
    before it with the other slash, although that could be otherwise. ``is_rest`` is whether it is for what nothing else
    at its place is for.
    """

    name: str
    method: str
    template: str
    places: tuple[Place, ...]
    slash: tuple[Place, ...] = ()
    redirects: bool = False
    layer: int = 0
    mount: str = ""
    is_rest: bool = False
    after: frozenset[str] = frozenset()
    slash_after: frozenset[str] = frozenset()


class Spot(NamedTuple):
    """One place of a route; ``is_slash`` with the other form of the slash at its end."""

    scope: RouteScope
    place: Place
    is_slash: bool = False

    @property
    def name(self) -> str:
        """The route's name, and which of its forms."""
        return self.scope.name + OTHER_SLASH if self.is_slash else self.scope.name

    @property
    def after(self) -> frozenset[str]:
        """The names of those that go before it although that could be otherwise."""
        return self.scope.slash_after if self.is_slash else self.scope.after


_LAYER = re.compile(r" \(middleware (\d+)\)\Z")


def is_middleware_entry(name: str) -> bool:
    """Whether the name is that of an entry of a middleware in front."""
    return _LAYER.search(name) is not None


def route_scope(
    name: str, *, below: bool = False, either_slash: bool = False, strict: bool = True, mount: str = ""
) -> RouteScope:
    """A route by its name and by what else is said of it.

    With ``either_slash`` there are both forms of its path. Where a framework tells them apart (not ``strict``), the
    other form is one that the route serves or, if the path ends with a slash, is redirected from.
    """
    method, _, text = name.partition(" ")
    layer, template = _LAYER.search(text), _LAYER.sub("", text).removesuffix(AUTOMATIC)
    places = places_of(template, below=below, either_slash=either_slash and strict)
    if mount and places_of(mount)[0].one_line:
        places = tuple(each._replace(one_line=True) for each in places)
    ends = not below and not template.endswith(ANYWHERE_ELSE) and template.endswith("/") and template != "/"
    slash: tuple[Place, ...] = ()
    if not strict and (either_slash or ends):
        both = places_of(template, either_slash=True)
        slash = tuple(each for each in both if each not in places)
    return RouteScope(
        name,
        method,
        template,
        places,
        slash,
        not either_slash,
        int(layer[1]) if layer else 0,
        mount,
        template.endswith(ANYWHERE_ELSE),
    )


def spots_of(scope: RouteScope) -> Iterator[Spot]:
    """All places of a route."""
    yield from (Spot(scope, place) for place in scope.places)
    yield from (Spot(scope, place, is_slash=True) for place in scope.slash)


# --- who goes before whom ---


def goes_before(one: Spot, other: Spot) -> bool:
    """Whether the one serves what is for both."""
    return one.name in other.after or (is_expected(one, other) and other.name not in one.after)


def one_method(one: str, other: str) -> str:
    """The method that is for both; empty where there is none."""
    if other in (one, "*"):
        return one
    if one == "*":
        return other
    for method, wider in ((one, other), (other, one)):
        if (method, wider) == ("HEAD", "GET") or (wider == HTTP and method != "WS"):
            return method
    return ""


def is_expected(one: Spot, other: Spot) -> bool:
    """Whether the one is expected to be tried first."""
    a, b = one.scope, other.scope
    if not one_method(a.method, b.method) or a.name.endswith(AUTOMATIC) or b.name.endswith(AUTOMATIC):
        within, around = _all_within(one, other, methods=False), _all_within(other, one, methods=False)
        if within is not around:
            return within
        # They have no order of their own but for a wrong method, and for OPTIONS.
        return (one.is_slash, a.template, a.method) < (other.is_slash, b.template, b.method)
    if _all_within(one, other):
        return other.is_slash and not one.is_slash if _all_within(other, one) else True
    return False


def _all_within(one: Spot, other: Spot, *, methods: bool = True) -> bool:
    """Whether all requests for the one are for the other, too."""
    a, b = one.scope, other.scope
    if methods and one_method(a.method, b.method) != a.method:
        return False
    if one.is_slash or other.is_slash:
        return _covers(other.place, one.place)
    return all(any(_covers(place, part) for place in b.places) for part in a.places)


def _covers(place: Place, part: Place) -> bool:
    # What has a line break in it is nothing that one expects.
    return covers(place, part._replace(one_line=True)) is True

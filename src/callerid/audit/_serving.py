"""Who serves a request and what is asked of it, before a change or after: an application as a comparison sees it. Pure.

Where it cannot be told exactly what was asked, more is taken to have been asked before the change: what follows from
that can only find more new access.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from callerid.audit._index import Index
from callerid.audit._places import Place, Segment, covers
from callerid.audit._regions import request_for
from callerid.audit._rows import Order, Router, earlier
from callerid.audit._scope import HTTP, RouteScope, Spot, goes_before, one_method, spots_of
from callerid.issuers import Issuer
from callerid.rules import Rule

__all__ = ["Application", "Doubt", "EffectiveAccess", "Guesses", "Point", "RouteAccess"]


@dataclass(frozen=True, eq=False, slots=True)
class RouteAccess:
    """A route, and what is asked there.

    ``policy`` is all of that in words, as a lock has it: where it is the same, the same is asked. ``endpoint`` is what
    serves, ``opaque`` whether that decides by itself who may. ``answers`` is whether something answers there although
    no route does, ``options`` whether the framework itself answers OPTIONS, ``refuses`` whether it answers 405.
    ``order`` is where it stands among the routes that are tried, as far as that is known.
    """

    scope: RouteScope
    rule: Rule
    audiences: frozenset[str] | None
    issuers: tuple[Issuer, ...]
    settings: frozenset[str]
    policy: tuple[str, ...] = ()
    endpoint: str = ""
    opaque: bool = False
    answers: bool = False
    options: bool = True
    refuses: bool = False
    order: Order = ()

    @property
    def is_default(self) -> bool:
        """Whether it holds where there is no route at all."""
        return self.scope.is_rest and "/" not in self.scope.template


class Doubt(Exception):
    """It cannot be told who serves."""


@dataclass(frozen=True, slots=True)
class EffectiveAccess:
    """What is asked of a request: by the routes that serve it, one for each layer, and by what else holds there."""

    served: tuple[RouteAccess | None, ...]
    asked: tuple[RouteAccess, ...]

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing of the application answers, whoever is let in."""
        return self.served[0] is None and not self.asked[0].answers

    @property
    def opaque(self) -> str:
        """What decides by itself who may, if that is what serves."""
        served = self.served[0]
        return served.endpoint if served is not None and served.opaque else ""


class Guesses:
    """Whether places are for paths, where that cannot be told: one way after the other, of what is asked."""

    def __init__(self) -> None:
        self._made: dict[tuple[Place, Place], bool] = {}

    def __len__(self) -> int:
        return len(self._made)

    def takes(self, place: Place, at: Place) -> bool:
        """Whether a place is taken to be for a path."""
        return self._made.setdefault((place, at), True)

    def concern(self, at: Place) -> bool:
        """Whether something was guessed of this path."""
        return any(path == at for _, path in self._made)

    def change(self) -> bool:
        """Go on to the next way; whether there is one."""
        while self._made:
            asked, guess = self._made.popitem()
            if guess:
                self._made[asked] = False
                return True
        return False


class Point(NamedTuple):
    """One request for many: its method, and a place of which nothing tells one path from another.

    ``text`` stands for those that no route names. ``guesses`` say of places of which it cannot be told whether they are
    for this path; without any they are not.
    """

    method: str
    at: Place
    text: str
    guesses: Guesses | None = None

    def takes(self, place: Place) -> bool:
        """Whether a place is for this path."""
        covered = covers(place, self.at)
        if covered is None:
            return self.guesses is not None and self.guesses.takes(place, self.at)
        return covered

    @property
    def is_guessed(self) -> bool:
        """Whether that was guessed of any place."""
        return self.guesses is not None and self.guesses.concern(self.at)


class Application:
    """All routes of an application, and what holds where there is none.

    ``rests`` are by the layer: the number of the middleware, 0 being the application itself. ``base`` is the innermost
    layer that is known, which serves. ``router`` is asked what does.
    """

    def __init__(
        self, kind: str, accesses: Iterable[RouteAccess], settings: frozenset[str], router: Router | None = None
    ) -> None:
        self.kind, self.settings, self._router = kind, settings, router
        every = tuple(accesses)
        self.rests = {each.scope.layer: each for each in every if each.is_default}
        self.routes = tuple(each for each in every if not each.is_default)
        self.layers = tuple(sorted(self.rests))
        self.base = self.layers[0]
        self.named = {each.scope.name: each for each in self.routes}
        self._near = {layer: Index[tuple[Spot, RouteAccess]]() for layer in self.layers}
        self._alike: dict[object, list[RouteAccess]] = {}
        self.redirects = Index[Spot]()
        """From where a router may redirect, if it has no route there: each with the place where that leads."""
        for each in self.routes:
            self._alike.setdefault(_route_of(each), []).append(each)
            for spot in spots_of(each.scope):
                self._near[each.scope.layer].add(spot.place, (spot, each))
                origin = _redirected_from(spot.place)
                if self._redirects and each.scope.layer == self.base and origin is not None:
                    self.redirects.add(origin, spot)

    @property
    def _redirects(self) -> bool:
        """Whether its framework answers a wrong method by a route, and may redirect to another slash at the end."""
        return self.kind in ("Starlette", "FastAPI")

    def near_at(self, layer: int) -> Index[tuple[Spot, RouteAccess]]:
        """The places of one layer."""
        return self._near.get(layer, _NOTHING)

    def access_at(self, point: Point) -> EffectiveAccess:
        """What is asked of a request. Raises `Doubt`."""
        served, asked = self._access_at(point)
        for layer in self.layers[1:]:
            found = self._first(layer, point)
            served.append(None if found is None else found[1])
            asked.append(self.rests[layer] if found is None else found[1])
        return EffectiveAccess(tuple(served), tuple(asked))

    def _access_at(self, point: Point) -> tuple[list[RouteAccess | None], list[RouteAccess]]:
        """What serves in the application itself, and all that is asked there."""
        found = self._served(point)
        if found is not None and not found[1].scope.is_rest:
            spot, access = found
            is_served = not (access.refuses or (spot.is_slash and spot.scope.redirects))
            return [access if is_served else None], [access]
        rest = self.rests[self.base] if found is None else found[1]
        asked = (rest, *self._beside(found, point), *self._at_target(point))
        return [None], list(dict.fromkeys(asked))

    def _at_target(self, point: Point) -> Iterable[RouteAccess]:
        """What is asked where a slash redirect leads, which may be asked in place of all else.

        Whether a router redirects at all, no lock says.
        """
        target = _other_slash(point.at)
        if point.method == "WS" or not self._redirects or target is None:
            return ()
        to = point._replace(at=target)
        found = self._first(self.base, to)
        if found is not None and not found[1].scope.is_rest:
            return (found[1],)
        return (*(() if found is None else (found[1],)), *self._beside(found, to))

    def _served(self, point: Point) -> tuple[Spot, RouteAccess] | None:
        """What serves, by the framework's own router if it can be asked."""
        found = self._first(self.base, point)
        if self._router is None or point.is_guessed or point.at.unread:
            return found
        name = self._router(point.method, *request_for(point.at, point.text))
        if name is None or (found is not None and found[0].scope.name == name):
            return found
        access = self.named.get(name)
        return None if access is None else (Spot(access.scope, point.at), access)

    def _first(self, layer: int, point: Point) -> tuple[Spot, RouteAccess] | None:
        """What serves in one layer, by where the routes stand."""
        around = self._around(layer, point)
        return _first_of([each for each in around if one_method(point.method, each[0].scope.method) == point.method])

    def _around(self, layer: int, point: Point) -> Iterator[tuple[Spot, RouteAccess]]:
        for place, found in self.near_at(layer).around(point.at):
            if point.takes(place):
                yield found

    def _beside(self, rest: tuple[Spot, RouteAccess] | None, point: Point) -> Iterable[RouteAccess]:
        """What else is asked where no route is meant: the first for another method, of those in the same mount."""
        if point.method == "WS" or not self._redirects:
            return ()
        mount = "" if rest is None else rest[1].scope.template
        own = [each for each in self._around(self.base, point) if _may_answer(each[1].scope, mount)]
        first = _first_of([each for each in own if rest is None or _goes_before(each, rest)])
        # A wrong method is asked what the route asks for any of its own.
        return () if first is None else self._alike[_route_of(first[1])]


def _other_slash(at: Place) -> Place | None:
    """The paths to which a router redirects: with a slash at the end, or without any."""
    if at.many or at.segments in ((), (_SLASH,)):
        return None
    if at.segments[-1] != _SLASH:
        return at._replace(segments=(*at.segments, _SLASH))
    bare = at.segments
    while bare[-1:] == (_SLASH,):
        bare = bare[:-1]
    return at._replace(segments=bare)


def _redirected_from(place: Place) -> Place | None:
    """The paths from which a router redirects to a place; below a mount to the mount itself."""
    if place.many:
        return place._replace(many=False) if place.segments else None
    return _other_slash(place)


_SLASH = Segment("")
_NOTHING = Index[tuple[Spot, RouteAccess]]()


def _route_of(access: RouteAccess) -> tuple[str, str, str]:
    """A route whatever its methods."""
    return access.scope.template, access.scope.mount, access.endpoint


def _may_answer(scope: RouteScope, mount: str) -> bool:
    """Whether a wrong method may be answered by a route, of those in one mount."""
    return scope.mount == mount and not scope.is_rest and scope.method not in ("WS", "*", HTTP)


def _first_of(found: list[tuple[Spot, RouteAccess]]) -> tuple[Spot, RouteAccess] | None:
    first = [each for each in found if not any(_goes_before(one, each) for one in found)]
    if found and not first:
        raise Doubt
    return first[0] if first else None


def _goes_before(one: tuple[Spot, RouteAccess], other: tuple[Spot, RouteAccess]) -> bool:
    known = earlier(one[1].order, other[1].order)
    return goes_before(one[0], other[0]) if known is None else known

"""What is not as it was: the routes at which anybody new could come in, and what served there before. Pure.

Where the same routes are for a request as before, in the same order, the same one serves it. So only those requests
are looked at that one of these is for: a route that was not there, or is gone, or of which something else is asked, and
two routes of which now the other one goes first.
"""

from __future__ import annotations

from collections.abc import Collection

from callerid.audit._index import Index
from callerid.audit._places import common
from callerid.audit._regions import serves_first
from callerid.audit._rows import Router, earlier
from callerid.audit._scope import OTHER_SLASH, Spot, goes_before, one_method, spots_of
from callerid.audit._serving import Application, RouteAccess
from callerid.audit.algebra import every_leaf, is_code, is_foreign
from callerid.rules import compared_with_path

__all__ = ["Changes"]


class Changes:
    """The routes of an application as they are now, and as they were. ``text`` is one that none of them names."""

    def __init__(self, before: Application, now: Application, router: Router | None, text: str) -> None:
        self._before, self._now, self._router, self._text = before, now, router, text
        self._is_gate_changed = not _have_same_gates(before, now)
        self._kept = {name for name, each in now.named.items() if each.scope.layer == now.base and self._is_there(each)}
        self.gone = Index[tuple[Spot, RouteAccess]]()
        """The places of those routes that are not there any more."""
        for each in before.routes:
            if each.scope.layer == before.base and not self.is_kept(each):
                for spot in spots_of(each.scope):
                    self.gone.add(spot.place, (spot, each))
        self._others: dict[str, dict[RouteAccess, None]] = {}
        self._looking: dict[RouteAccess, bool] = {}
        for name in self._kept:
            for spot in spots_of(before.named[name].scope):
                self._compare_order(spot)

    def is_kept(self, route: RouteAccess) -> bool:
        """Whether a route, of before or of now, is there on both sides, and stands where it stood."""
        return route.scope.name in self._kept

    def has_changed(self, route: RouteAccess) -> bool:
        """Whether something else is asked at a route than was, or whether it was not there."""
        if self._is_gate_changed or not self.is_kept(route):
            return True
        is_told_otherwise = route.scope.method == "WS" and self._before.settings != self._now.settings
        return is_told_otherwise or not _is_same(self._before.named[route.scope.name], route)

    def overtaken(self, route: RouteAccess) -> Collection[RouteAccess]:
        """Those that went before a route, and now do not, although they are still there."""
        return self._others.get(route.scope.name, ())

    def _is_there(self, route: RouteAccess) -> bool:
        was = self._before.named.get(route.scope.name)
        if was is None or self._before.kind != self._now.kind:
            return False
        one, other = was.scope, route.scope
        return (one.places, one.slash, one.redirects, one.mount) == (
            other.places,
            other.slash,
            other.redirects,
            other.mount,
        )

    # --- the order ---

    def _compare_order(self, spot: Spot) -> None:
        for name in spot.after:
            other = self._before.named.get(name.removesuffix(OTHER_SLASH))
            before = () if other is None else spots_of(other.scope)
            for each in (one for one in before if one.name == name):
                self._compare(each, spot)
        for _, (each, _) in self._before.near_at(self._before.base).around(spot.place._replace(one_line=True)):
            # What is expected to go first is not written down.
            if goes_before(spot, each) and each.scope.name != spot.scope.name:
                self._compare(spot, each)

    def _compare(self, first: Spot, second: Spot) -> None:
        """Note whether of two routes that are still there the one that went first does not now."""
        names = first.scope.name, second.scope.name
        if not self._kept.issuperset(names) or not one_method(first.scope.method, second.scope.method):
            return
        were = tuple(self._before.named[name] for name in names)
        now = tuple(self._now.named[name] for name in names)
        if self._is_interchangeable(*were) and self._is_interchangeable(*now):
            return
        if not self._is_first(first, second):
            self._others.setdefault(names[1], {})[were[0]] = None

    def _is_interchangeable(self, one: RouteAccess, other: RouteAccess) -> bool:
        """Whether it does not matter which of two routes serves."""
        if one.policy != other.policy or one.opaque or other.opaque:
            return False
        if one not in self._looking:
            self._looking[one] = _looks_at_path(one)
        return not self._looking[one]

    def _is_first(self, first: Spot, second: Spot) -> bool:
        """Whether the one serves what is for both; where that is not known, the framework's router is asked."""
        names = first.scope.name, second.scope.name
        known = earlier(*(self._now.named[name].order for name in names))
        region = common(first.place, second.place)
        if known is None and self._router is not None and region is not None:
            method = one_method(first.scope.method, second.scope.method)
            near = [place for place, _ in self._now.near_at(self._now.base).near(region)]
            known = serves_first(self._router, method, names, (region, near, self._text))
        return True if known is None else known


def _have_same_gates(before: Application, now: Application) -> bool:
    """Whether the middleware in front asks the same."""
    one, other = (
        {
            (each.scope.name, each.scope.layer): each.policy
            for each in (*side.routes, *side.rests.values())
            if each.scope.layer != side.base
        }
        for side in (before, now)
    )
    return one == other


def _is_same(was: RouteAccess, now: RouteAccess) -> bool:
    """Whether the same is asked."""
    if was.policy != now.policy or was.opaque is not now.opaque:
        return False
    return not now.opaque or was.endpoint == now.endpoint


def _looks_at_path(access: RouteAccess) -> bool:
    """Whether its rule may admit others where the path names others."""
    return any(
        is_foreign(leaf) or compared_with_path(leaf) is not None or (is_code(leaf) and leaf.reads_path)
        for leaf in every_leaf(access.rule)
    )

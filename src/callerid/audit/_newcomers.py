"""No new access, proved: whether anybody may call anything now who could not when a lock was written.

What is compared is who may make a request, not which route has which name: for every kind of request (protocol, host,
method, path) that the routes of before and of now tell apart, what was asked by whatever served it is compared with
what is asked by whatever serves it now. Where no route was meant that is the default, and a wrong method's rule. Where
none is meant now, and the application has nothing of its own that answers unknown paths, there is nothing to call: such
paths are compared as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from callerid.audit._applications import as_locked, as_of_now
from callerid.audit._changes import Changes
from callerid.audit._lock import differences, fronts_in, read_lock, unenforced_in
from callerid.audit._locked_routes import written_in
from callerid.audit._places import (
    ANYWHERE_ELSE,
    EVERYWHERE,
    Place,
    Position,
    common,
    positions_of,
    text_of,
)
from callerid.audit._regions import samples, text_for
from callerid.audit._rows import AccessMap, Router
from callerid.audit._scope import AUTOMATIC, HTTP, Spot, one_method, spots_of
from callerid.audit._serving import Application, Doubt, EffectiveAccess, Guesses, Point, RouteAccess
from callerid.audit._two_sides import two_sides
from callerid.audit.algebra import (
    CannotTell,
    No,
    Side,
    Verdict,
    Yes,
    admits_nobody,
    every_leaf,
    fingerprint,
    is_code,
    is_foreign,
    new_access,
)
from callerid.rules import is_public

__all__ = ["Finding", "assumed", "newcomers"]

MOST_REGIONS = 20_000
MOST_UNREAD = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """A place where somebody may who could not before (the verdict says who), or where that cannot be told.

    ``before`` and ``now`` are what the lock's rules ask there and what today's ask; ``None`` where that is not known.
    """

    name: str
    verdict: Verdict
    before: Side | None = None
    now: Side | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}"


def newcomers(lock: str, found: AccessMap, name: str = "the lock") -> list[Finding]:
    """Where there is new access since a lock was written, or may be; nowhere, if this is empty.

    Raises `ConfigurationError` for what is no lock of this version.
    """
    if not differences(lock, found, name):
        return []
    read = read_lock(lock, name)
    # What is enforced that was not lets in nobody new.
    lifted = unenforced_in(found).difference(*read.values())
    if lifted:
        return [Finding("the application", CannotTell(f"the rules are not enforced: {', '.join(sorted(lifted))}"))]
    before, now = as_locked(read, found, name), as_of_now(found)
    findings: dict[str, Finding] = {}
    fronts = fronts_in(found).difference(*read.values())
    for front in sorted(each.partition(" ")[2] for each in fronts):
        reason = "it was not there, and what it serves by itself is not seen"
        findings[front] = Finding(f"{front} in front of the application", CannotTell(reason))
    for finding in _AccessComparison(before, now, found.router).findings():
        known = findings.get(finding.name)
        if known is None or (isinstance(known.verdict, CannotTell) and isinstance(finding.verdict, Yes)):
            findings[finding.name] = finding
    places = {name.partition(" ")[2] for name in findings}
    # Where a view lets in somebody new, the framework's own answer to OPTIONS goes without saying.
    return [each for name, each in findings.items() if _without_options(name) not in places]


def assumed(lock: str, found: AccessMap, name: str = "the lock") -> list[str]:
    """What decides who may by itself, and is taken for what it was; each with what that is known by.

    Rules that only code can judge go by the hash of their source, what is mounted and cannot be looked into by its
    name. Raises `ConfigurationError` for what is no lock of this version.
    """
    _, written, _ = written_in(read_lock(lock, name), name)
    before = {fingerprint(leaf) for each in written for leaf in every_leaf(each.rule)} - {None}
    leaves = (leaf for row in found.rows for leaf in every_leaf(row.rule) if is_foreign(leaf) or is_code(leaf))
    rules = {f"{leaf} (by the hash of its source)" for leaf in leaves if fingerprint(leaf) in before}
    mounted = {(each.scope.name, each.endpoint) for each in written if each.opaque}
    now = {(row.named(method), row.serving(method)) for method, row in found.singly()}
    mounts = {
        f"what is mounted at {place} (by its name, {serves.endpoint})"
        for place, serves in now
        if serves.opaque and (place, serves.endpoint) in mounted
    }
    return [*sorted(rules), *sorted(mounts)]


def _without_options(name: str) -> str:
    """The place at which the framework answers OPTIONS, if it does."""
    return name.partition(" ")[2].replace(AUTOMATIC, "") if AUTOMATIC in name else ""


class _AccessComparison:
    """An application as it was and as it is."""

    def __init__(self, before: Application, now: Application, router: Router | None) -> None:
        self._before, self._now = before, now
        places = [place for side in (now, before) for each in side.routes for place in _places(each)]
        self._text = text_for(segment for place in places for segment in place.segments)
        self._texts = {
            _text_of(place): each for side in (before, now) for each in side.routes for place in _places(each)
        }
        self._changes = Changes(before, now, router, self._text)
        self._known: dict[tuple[Side, Side], Verdict] = {}

    def findings(self) -> Iterator[Finding]:
        """Wherever somebody may come in who could not before, or where that cannot be told."""
        if _policies(self._before.rests) != _policies(self._now.rests):
            yield from self._compared(Point(HTTP, EVERYWHERE, self._text), EVERYWHERE, f"* {ANYWHERE_ELSE}")
        for route in self._now.routes:
            seen: set[tuple[str, Place]] = set()
            for method, region in (each for each in self._regions(route) if each not in seen):
                seen.add((method, region))
                if len(seen) > MOST_REGIONS:
                    reason = f"more than {MOST_REGIONS:,} kinds of path are told apart there"
                    yield Finding(route.scope.name, CannotTell(reason))
                    break
                yield from self._at(method, region)
        yield from self._left()

    # --- what is looked at ---

    def _regions(self, route: RouteAccess) -> Iterator[tuple[str, Place]]:
        """The requests that a route may serve, and at which somebody new may come in."""
        if route.scope.layer != self._now.base:
            return
        has_changed = self._changes.has_changed(route)
        for place in _served_places(route):
            here: dict[tuple[str, Place], None] = {}
            if has_changed:
                here.update(((method, place), None) for method in _methods(route))
            for spot, both in self._others(route, place):
                method = one_method(spot.scope.method, route.scope.method)
                ways = _methods_of(method) if method else _methods(route)
                here.update(((each, both), None) for each in ways)
            for method, region in here:
                yield from ((method, each) for each in self._in_front(region))

    def _others(self, route: RouteAccess, place: Place) -> Iterator[tuple[Spot, Place]]:
        """The routes of before that may have served a part of a place where another one serves now."""
        is_kept = self._changes.is_kept(route)
        gone = self._changes.gone if is_kept else self._before.near_at(self._before.base)
        overtaken = (spot for each in self._changes.overtaken(route) for spot in spots_of(each.scope))
        others = dict.fromkeys((*(spot for _, (spot, _) in gone.near(place)), *overtaken))
        mounts = {spot.scope.template for spot in others if spot.scope.is_rest}
        # Below a mount a wrong method is asked what the route asks that has another.
        inside = (each.scope for each in self._before.routes if each.scope.mount in mounts)
        for spot in dict.fromkeys((*others, *(spot for scope in inside for spot in spots_of(scope)))):
            both = common(spot.place, place)
            if both is not None:
                yield spot, both
        origins = () if is_kept else self._before.redirects.near(place)
        yield from ((spot, both) for origin, spot in origins if (both := common(origin, place)) is not None)

    def _in_front(self, region: Place) -> Iterator[Place]:
        """The region, and those parts of it that middleware in front tells apart."""
        yield region
        parts = {region: None}
        for side in (self._before, self._now):
            for layer in side.layers:
                if layer != side.base:
                    for part in tuple(parts):
                        near = side.near_at(layer).near(part)
                        parts.update((both, None) for place, _ in near if (both := common(place, part)) is not None)
        yield from (part for part in parts if part != region)

    def _left(self) -> Iterator[Finding]:
        """Where a route was and none is, if something of the application's own answers there."""
        if not self._now.rests[self._now.base].answers:
            return
        for was in self._before.routes:
            is_own = was.scope.layer == self._before.base and not was.scope.name.endswith(AUTOMATIC)
            if is_own and not self._changes.is_kept(was):
                for place in _places(was):
                    for method in _methods(was):
                        yield from self._at(method, place)

    def _at(self, method: str, region: Place) -> Iterator[Finding]:
        """All parts of a region that something tells apart."""
        near = {
            place: None
            for side in (self._before, self._now)
            for layer in side.layers
            for place, _ in side.near_at(layer).near(region)
        }
        for sample in samples(region, near):
            guesses, is_next = Guesses(), True
            while is_next:
                yield from self._compared(Point(method, sample, self._text, guesses), region)
                if len(guesses) > MOST_UNREAD:
                    yield Finding(self._place(method, region), CannotTell(_UNREAD))
                    return
                is_next = guesses.change()

    # --- how it is compared ---

    def _compared(self, point: Point, region: Place, name: str = "") -> Iterator[Finding]:
        try:
            before, now = self._before.access_at(point), self._now.access_at(point)
        except Doubt:
            reason = "the lock does not say which route goes first"
            yield Finding(self._place(point.method, region), CannotTell(reason))
            return
        if now.is_unanswered and not name and not self._is_kept_rest(now.asked[0], region):
            return
        sides = two_sides(before, now, point.at)
        verdict = self._verdict(point.method, (before, now), sides)
        if not isinstance(verdict, No):
            if point.guesses or (point.at.unread and not _is_served_alike(before, now)):
                verdict = CannotTell(_UNREAD)
            yield Finding(name or self._name(point.method, region, now), verdict, *sides)

    def _is_kept_rest(self, access: RouteAccess, region: Place) -> bool:
        """Whether this is all that is left below a mount that was there before: it is compared as one."""
        return access.scope.is_rest and self._changes.is_kept(access) and _is_place_of(region, access)

    def _verdict(
        self, method: str, asked: tuple[EffectiveAccess, EffectiveAccess], sides: tuple[Side, Side]
    ) -> Verdict:
        (before, now), (old, new) = asked, sides
        if method == "WS" and self._before.settings != self._now.settings:
            old, new = (
                replace(each, settings=(*each.settings, *((line, "") for line in sorted(side.settings))))
                for each, side in ((old, self._before), (new, self._now))
            )
        if (old, new) not in self._known:
            self._known[old, new] = No() if is_public(old.rule) else new_access(old, new)
        verdict = self._known[old, new]
        is_lost = bool(before.opaque) and before.opaque != now.opaque
        if isinstance(verdict, No) and (is_lost or _sees_another_path(before, now)):
            why = _OPAQUE if is_lost else _ANOTHER_PATH
            return verdict if admits_nobody(new.rule, new.issuers) else CannotTell(why)
        return verdict

    def _name(self, method: str, region: Place, now: EffectiveAccess) -> str:
        serving = next((each for each in now.served if each is not None), now.asked[0])
        if _is_place_of(region, serving):
            return serving.scope.name
        is_default = serving not in now.served
        how = "the default holds there now" if is_default else f"served by {serving.scope.name}"
        return f"{self._place(method, region)} ({how})"

    def _place(self, method: str, region: Place) -> str:
        known = self._texts.get(_text_of(region))
        path = text_of(region) if known is None else known.scope.template
        return f"{'*' if method == HTTP else method} {path}"


def _sees_another_path(before: EffectiveAccess, now: EffectiveAccess) -> bool:
    """Whether one of the application's own rules, taken for what it was, is asked where the path names others."""
    was = _own_rules(before)
    known = {code for code, _ in was if code is not None}
    return any(code in known and (code, path) not in was for code, path in _own_rules(now))


def _own_rules(found: EffectiveAccess) -> set[tuple[str | None, tuple[tuple[str, Position], ...]]]:
    """The application's own rules that are asked, each with the path parameters that it may look at."""
    return {
        (fingerprint(leaf), tuple(sorted(positions_of(each.scope.template).items())))
        for each in found.asked
        for leaf in every_leaf(each.rule)
        if is_foreign(leaf)
    }


_ANOTHER_PATH = "the path's parameters have changed, and a rule of the application's own may look at them"
_UNREAD = "whether a converter or a route of the application's own takes a path, only its code can say"
_OPAQUE = "what was mounted there decided by itself who may, and it is another one now"


def _policies(rests: Mapping[int, RouteAccess]) -> dict[int, tuple[str, ...]]:
    return {layer: each.policy for layer, each in rests.items()}


def _places(access: RouteAccess) -> tuple[Place, ...]:
    return (*access.scope.places, *access.scope.slash)


def _text_of(place: Place) -> Place:
    """A place as it is written: whether it is of one line does not show."""
    return place._replace(one_line=False)


def _is_served_alike(before: EffectiveAccess, now: EffectiveAccess) -> bool:
    """Whether the same route serves as before, wherever that is."""
    one, other = ([each and each.scope.name for each in side.served] for side in (before, now))
    return one == other


def _is_place_of(region: Place, access: RouteAccess) -> bool:
    return _text_of(region) in map(_text_of, _served_places(access))


def _served_places(access: RouteAccess) -> tuple[Place, ...]:
    return access.scope.places if access.scope.redirects else _places(access)


def _methods(access: RouteAccess) -> tuple[str, ...]:
    return _methods_of(access.scope.method)


def _methods_of(method: str) -> tuple[str, ...]:
    return (HTTP, "WS") if method == "*" else (method,)

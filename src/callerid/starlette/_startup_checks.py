"""All routes of an application with their policies: the start-up check, made by the code that enforces them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from starlette.routing import Router

from callerid._marks import Mark
from callerid.audit.algebra import separate
from callerid.errors import CalleridError, ConfigurationError, pointed
from callerid.guard import Requirement, log
from callerid.paths import WEBSOCKET, BoundTable, NamedPlace, Serves, TableEntry, uncovered
from callerid.paths._pattern import ANY_METHOD, Pattern
from callerid.rules import Public
from callerid.starlette._checked_route import CheckedRoute
from callerid.starlette._dispatch import install
from callerid.starlette._protection import Protection
from callerid.starlette._route_chain import TableMatch
from callerid.starlette._route_context import RouteContext
from callerid.starlette._routes import RoutePlace, RouteReader

__all__ = ["check", "checked_routes", "not_starting", "unanswered"]

DEEPEST = 32

MOST_TURNS = 2
"""How often `checked_routes` visits a router that is mounted in itself."""


def checked_routes(router: Router, protection: Protection, *, rests: bool = False) -> Iterator[CheckedRoute]:
    """Every route in order, read by the same code as for requests; an opaque mount counts as one route.

    With ``rests``, also what holds where no route serves: below each mount, and for methods that an endpoint class does
    not handle.
    """
    context = RouteContext()
    context.enter(protection)
    found = _checked((router,), context, ("",), {}, None)
    # Marks that no route serves are known only when all routes have been read.
    return (_without_lost_marks(each) for each in tuple(found) if rests or not (each.is_rest or each.refuses))


def _without_lost_marks(found: CheckedRoute) -> CheckedRoute:
    if found.place is None or found.policy is None or found.is_rest or found.refuses:
        return found
    reader, guards = found.areas[-1][0].reader, {area.guard for area, _ in found.areas}
    try:
        reader.check_lost_marks(found.place, found.template, guards)
    except ConfigurationError as error:
        return replace(found, policy=None, problem=str(error))
    return found


def _checked(
    routers: tuple[Router, ...],
    context: RouteContext,
    mounts: tuple[str, ...],
    above: Mapping[Mark, str],
    mount: str | None,
) -> Iterator[CheckedRoute]:
    """The routes of the last of these routers, each of which is mounted in the one before; ``mount`` says where."""
    reader, router = context.protection.reader, routers[-1]
    around = reader.around(router)
    context.note(around)
    above = {**_standing(around, "app"), **above}
    for places, route in reader.table(router):
        behind = reader.behind(route) if len(routers) <= DEEPEST else None
        dispatch = None if behind is None else install(behind)
        refused = ("*",) if reader.refuses_others(route) else ()
        for method in (*reader.methods(route), *refused):
            place = reader.place(route, method)
            here = _at(context, (*places, place))
            own = {mark: reader.source(route, place, mark) for mark in place.marks}
            sources = {**own, **_standing(places, "router"), **above}
            if dispatch is None:
                condition = next((each.condition for each in places if each.condition), "") or _condition(route)
                at: dict[str, Any] = {"place": place, "mount": mount, "refuses": method in refused}
                problem = "" if behind is None else _unbound(reader, behind)
                for each in _found(here, mounts, route, (place, method), sources):
                    found = (
                        replace(each, policy=None, problem=pointed(f"{each.template}: {problem}", "router-not-bound"))
                        if problem
                        else each
                    )
                    yield replace(found, condition=condition, **at)
                continue
            onwards = mounts
            if dispatch.protection is not None:
                here.enter(dispatch.protection)
                onwards = (*mounts, here.template)
            # A router mounted in itself is visited once more: deeper, the same rules hold for the same routes.
            if sum(each is dispatch.router for each in routers) < MOST_TURNS:
                yield from _checked((*routers, dispatch.router), here, onwards, sources, here.template)
            rest = _rest(here, sources, dispatch.router, reader.target(route))
            begins = None if dispatch.protection is None else dispatch.router
            yield from (replace(each, place=place, mount=mount, begins=begins) for each in rest)


def _unbound(reader: RouteReader, router: Router) -> str:
    """Why rules in a router with a dispatch of its own cannot be bound; empty where it has no rules."""
    places = (reader.place(route, method) for _, route in reader.table(router) for method in reader.methods(route))
    for place in places:
        for mark in place.marks:
            return (
                f"the router there ({type(router).__name__}) does not dispatch as the framework's own routers do, so "
                f"guard.allow({mark.requirement.rule!r}) in it cannot be bound to its route: put what its app does by "
                "itself into middleware, or mark the mounted router as a whole, with guard.allow(rule)(router)"
            )
    return ""


def _rest(context: RouteContext, above: Mapping[Mark, str], router: Router, mounted: Any) -> Iterator[CheckedRoute]:
    match = context.static_match("*")
    with suppress(CalleridError):  # a mark without its guard is reported for each route below
        yield CheckedRoute(
            context.template,
            "*",
            context.policy(endpoint=False, match=match),
            areas=context.areas,
            sources={**_standing(context.protection.reader.around(router), "app"), **above},
            endpoint=mounted,
            entries=dict(match.entries),
            named=_named(context, Serves.MOUNT, None),
            parameters=context.parameters,
            is_rest=True,
        )


def _standing(places: Iterable[RoutePlace], otherwise: str) -> dict[Mark, str]:
    # An included router repeats the marks of outer ones: the outermost place is where a mark was written.
    inwards = tuple(places)[::-1]
    return {mark: place.origin or otherwise for place in inwards for mark in place.marks}


def _at(context: RouteContext, places: tuple[RoutePlace, ...]) -> RouteContext:
    here = context.onwards()
    here.note(places)
    return here


def _found(
    context: RouteContext,
    mounts: tuple[str, ...],
    route: Any,
    serving: tuple[RoutePlace, str],
    sources: Mapping[Mark, str],
) -> Iterator[CheckedRoute]:
    """The row of a route, and of each path below an opaque mount that has a table entry of its own."""
    place, method = serving
    serves = Serves.OPAQUE if place.is_mount else Serves.ROUTE if place.prefix is None else Serves.REST
    declared = {WEBSOCKET} if not method else getattr(route, "methods", None)
    match = context.static_match(method or WEBSOCKET)
    whole = CheckedRoute(
        context.template,
        method,
        None,
        areas=context.areas,
        sources=sources,
        endpoint=context.protection.reader.target(route),
        entries=dict(match.entries),
        named=_named(context, serves, None if place.is_mount else declared or None),
        mounts=mounts,
        receivers=place.receivers,
        parameters=context.parameters,
        opaque=place.is_mount,
        place=place,
        audited=context.chain.may_be_audited and context.names_audited(method or WEBSOCKET, {}),
    )
    yield _in_shadow(context, place, _judged(context, place, whole, match))
    if place.is_mount:
        tables = (protection.table for protection, _ in context.areas)
        yield from (_part(context, place, whole, at) for at in _patterns(context, tables))


def _named(context: RouteContext, serves: Serves, methods: Collection[str] | None) -> tuple[NamedPlace, ...]:
    return tuple(NamedPlace(span.template, methods, serves) for span in context.chain.spans)


def _patterns(context: RouteContext, tables: Iterable[BoundTable | None]) -> Iterator[tuple[int, Pattern, Requirement]]:
    """The entries of each area's table below an opaque mount, without the one for the whole mount."""
    for area, table in enumerate(tables):
        lookup = None if table is None else table.patterns(context.chain.spans[area].template)
        if lookup is None:
            continue
        for pattern in lookup.table.patterns:
            if (pattern.method, pattern.path) != (ANY_METHOD, "/*"):
                yield area, pattern, lookup.table.requirements[pattern.text]


def _part(
    context: RouteContext, place: RoutePlace, whole: CheckedRoute, at: tuple[int, Pattern, Requirement]
) -> CheckedRoute:
    _, pattern, _ = at
    match = _with_part(TableMatch(tuple(whole.entries.items())), at)
    method = {ANY_METHOD: "*", WEBSOCKET: ""}.get(pattern.method, pattern.method)
    found = replace(
        whole, template=whole.template + pattern.path, method=method, entries=dict(match.entries), is_part=True
    )
    return _judged(context, place, found, match)


def _with_part(match: TableMatch, at: tuple[int, Pattern, Requirement]) -> TableMatch:
    """The entries that hold at an opaque mount, where the entry for a part of it replaces that of its area."""
    area, pattern, requirement = at
    entry = TableEntry(pattern.text, requirement, dict.fromkeys((name for _, name in pattern.names), ""))
    return replace(match, entries=tuple({**dict(match.entries), area: entry}.items()))


def _in_shadow(context: RouteContext, place: RoutePlace, found: CheckedRoute) -> CheckedRoute:
    """The row, with what is wrong with the shadow tables' rules there, which must be satisfiable, too."""
    if found.problem or not context.has_shadow:
        return found
    match = context.static_match(found.method or WEBSOCKET, shadow=True)
    tables = (protection.shadow or protection.table for protection, _ in context.areas)
    parts = (_with_part(match, at) for at in _patterns(context, tables)) if place.is_mount else ()
    judged = (_judged(context, place, found, each) for each in (match, *parts))
    problem = next((each.problem for each in judged if each.problem), "")
    return replace(found, problem=problem)


def _condition(route: Any) -> str:
    """The class of a route that has a ``matches`` of its own; empty for the framework's."""
    for each in (route, getattr(route, "original_route", None)):
        owners = [base for base in type(each).__mro__ if "matches" in vars(base)]
        if owners and owners[0].__module__.partition(".")[0] not in ("starlette", "fastapi"):
            return str(type(each).__name__)
    return ""


def _judged(context: RouteContext, place: RoutePlace, found: CheckedRoute, match: TableMatch) -> CheckedRoute:
    try:
        policy = context.policy(endpoint=True, match=match)
        context.protection.reader.check(place, policy, found.template)
    except CalleridError as error:
        return replace(found, problem=str(error))
    return replace(found, policy=policy)


def unanswered(found: Iterable[CheckedRoute], protection: Protection) -> Iterator[str]:
    """What is wrong with entries of the path tables that name no place: they would hold nowhere."""
    places: dict[Protection, list[NamedPlace]] = {protection: []}
    for each in found:
        for (area, _), named in zip(each.areas, each.named, strict=True):
            places.setdefault(area, []).append(named)
    for area, own in places.items():
        for table in filter(None, (area.table, area.shadow, area.audited)):
            yield from table.unbound(own)


def not_starting(every: Iterable[CheckedRoute]) -> Iterator[str]:
    """Why mounted applications with a protection of their own would fail their own start-up check.

    That check sees their own routes only, and no path parameters of the mount.
    """
    for each in every:
        if each.begins is not None:
            own = tuple(checked_routes(each.begins, each.areas[-1][0], rests=True))
            problems = [*(one.problem for one in own if one.problem), *unanswered(own, each.areas[-1][0])]
            yield from (f"{each.template}: the application there does not start: {problem}" for problem in problems)


def check(router: Router, protection: Protection) -> None:
    """Raise `ConfigurationError` for routes that can admit nobody or cannot be judged, and for unused table entries.

    Logs, once, which routes are open to everybody or weaker than the default; where a ``Public()`` has no effect; and,
    in report-only mode, which endpoints do not accept ``None`` for the caller.
    """
    every = tuple(checked_routes(router, protection, rests=True))
    found = tuple(each for each in every if not each.is_rest)
    problems = [each.problem for each in found if each.problem]
    problems = [*problems, *unanswered(every, protection)] or [*not_starting(every)]
    if problems:
        raise ConfigurationError("\n".join(dict.fromkeys(problems)), code="startup-checks")
    judged = ((f"{each.method or 'WS'} {each.template}", each.policy) for each in found if each.policy is not None)
    places = ((place, separate(requirement.rule for _, requirement in policy.parts)) for place, policy in judged)
    protection.guard.announce(places, protection.default.rule)
    for each in _left(found):
        log.warning("%s", each)
    for place, rule in _idle(found):
        log.warning("Public() opens nothing at %s: %s has to hold there, too", place, rule)
    if unready := ", ".join(_unready(found)):
        log.warning("not enforced, so these may get None for a Caller: write Caller | None: %s", unready)


def _left(found: Iterable[CheckedRoute]) -> Iterator[str]:
    """Paths below opaque mounts that an entry for what is below them leaves to the mount's own rule."""
    for each in found:
        for number, ((area, marks), named) in enumerate(zip(each.areas, each.named, strict=True)):
            table = area.table if each.opaque and not each.is_part else None
            lookup = None if table is None else table.patterns(named.template)
            if lookup is not None:
                entry = each.entries.get(number)
                whole = Requirement(Public()) if marks else area.default
                rest = (whole, "has no entry") if entry is None else (entry.requirement, f"is under {entry.pattern!r}")
                yield from uncovered(lookup.table, *rest, area.guard)


_OWN: Final = frozenset({"decorator", "parameter", "dependency"})
"""The sources of marks of the route itself; see `RouteReader.source`."""


def _idle(found: Iterable[CheckedRoute]) -> Iterator[tuple[str, str]]:
    """Routes with a ``Public()`` that has no effect, each with the outer or neighbouring rule that has to hold."""
    for each in found:
        if each.method == "HEAD":
            continue  # it goes with GET
        floors = [(area.floor, False) for area, _ in each.areas if area.floor is not None]
        marks = dict.fromkeys(mark for _, marks in each.areas for mark in marks)
        asked = [*floors, *((mark.requirement, each.sources.get(mark) in _OWN) for mark in marks)]
        asked += [(entry.requirement, True) for entry in each.entries.values()]
        for position, (requirement, is_own) in enumerate(asked):
            beside = [other for place, other in enumerate(asked) if place < position or (is_own and other[1])]
            standing = next((str(other.rule) for other, _ in beside if not other.optional), None)
            if requirement.public and standing is not None:
                yield f"{each.method or 'WS'} {each.template}", standing
                break


def _unready(found: Iterable[CheckedRoute]) -> Iterator[str]:
    for each in found:
        if any(area.is_report_only() for area, _ in each.areas):
            names = (receiver.name for receiver in each.receivers if not receiver.takes_none)
            yield from (f"{name!r} of {each.method or 'WS'} {each.template}" for name in names)

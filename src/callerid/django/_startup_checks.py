"""All routes of a URLconf with their policies: what is checked before the first request, and by ``manage.py check``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from callerid._marks import marks_on
from callerid.authorization import Policy
from callerid.django._policies import entry_at
from callerid.django._protection import Protection
from callerid.django._routes import UrlconfReader, UrlRoute, ViewAtRoutes, place_of
from callerid.django._views import ViewFacts, has_own_options, methods_of, serving_of
from callerid.errors import CalleridError, ConfigurationError, pointed
from callerid.paths import METHODS, BoundTable

__all__ = ["CheckedView", "check", "checked_views", "handler_problems", "problems_of", "unbound"]


@dataclass(frozen=True, slots=True)
class CheckedView:
    """One route for one method (``*``: any): its place, and its policy or what is wrong with it."""

    method: str
    place: ViewAtRoutes
    policy: Policy | None
    route: UrlRoute
    problem: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.place.template}"


def checked_views(protection: Protection, routing: UrlconfReader) -> Iterator[CheckedView]:
    """Every route and method that a view serves. Automatic ``OPTIONS`` is left out: the default and the marks hold."""
    for route in routing.routes:
        for method in _methods(route, _tables(protection)):
            serving = serving_of(ViewFacts.of(route.view), "GET" if method == "*" else method)
            yield _found(protection, method, place_of(serving, (route,), route.template), route)


def check(protection: Protection, routing: UrlconfReader) -> None:
    """Raise `ConfigurationError` for what can admit nobody or cannot be judged, and log what is open or weak."""
    found = tuple(checked_views(protection, routing))
    problems = tuple(problems_of(protection, routing, found))
    if problems:
        raise ConfigurationError("\n".join(problems), code="startup-checks")
    judged = ((str(each), each.policy.whole.rule) for each in found if each.policy is not None)
    protection.rules.guard.announce(judged, protection.rules.default.rule)


def problems_of(protection: Protection, routing: UrlconfReader, found: tuple[CheckedView, ...]) -> Iterator[str]:
    """What is wrong, each once."""
    problems = [each.problem for each in found if each.problem]
    yield from dict.fromkeys((*problems, *unbound(protection, routing), *handler_problems(routing)))


def _methods(route: UrlRoute, tables: list[BoundTable]) -> list[str]:
    methods = methods_of(route.view)
    if methods is not None:
        return sorted(methods)
    # For a view that says no methods, those with path table entries of their own come first.
    told_apart = {
        method
        for method in METHODS
        for table in tables
        if entry_at(table, METHODS[method], route) != entry_at(table, "*", route)
    }
    if has_own_options(route.view):
        told_apart.add("OPTIONS")
    return [*sorted(told_apart), "*"]


def _found(protection: Protection, method: str, place: ViewAtRoutes, route: UrlRoute) -> CheckedView:
    try:
        policy = protection.rules.policy(place, method)
        if protection.shadow is not None:
            # The rules of the shadow table must be satisfiable, too.
            protection.rules.policy(place, method, table=protection.shadow)
    except CalleridError as error:
        return CheckedView(method, place, None, route, str(error))
    return CheckedView(method, place, policy, route)


def unbound(protection: Protection, routing: UrlconfReader) -> Iterator[str]:
    """What is wrong with keys of the path tables that name no route: they would hold nowhere."""
    places = tuple(routing.named())
    for table in (*_tables(protection), *filter(None, (protection.audited,))):
        yield from table.unbound(places)


def handler_problems(routing: UrlconfReader) -> Iterator[str]:
    """What is wrong with functions that answer errors."""
    module: Any = routing.resolver.urlconf_module
    for name in ("handler400", "handler403", "handler404", "handler500"):
        for mark in marks_on(getattr(module, name, None)):
            why = (
                f"{name} is marked with guard.allow({mark.requirement.rule!r}): Django calls it for errors, and no "
                "guard decides about that. Take the mark off; for unknown paths write default="
            )
            yield pointed(why, "mark-not-served")


def _tables(protection: Protection) -> list[BoundTable]:
    return [table for table in (protection.rules.table, protection.shadow) if table is not None]

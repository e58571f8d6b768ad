"""What stands at FastAPI's routes: rules in parameters, dependencies, included routers and frontends.

FastAPI's private names are used here and in `callerid.fastapi._included` alone. Where one is not recognised,
what it would have told is taken for opaque and ends stricter: the default judges (and may not be an open one), and
marked endpoints behind it raise.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from fastapi import APIRouter, params
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute, Match, Route, Router, WebSocketRoute
from starlette.types import Scope

from callerid._marks import Mark, marks_on
from callerid.authorization import Policy
from callerid.errors import ConfigurationError
from callerid.fastapi._comparing import compare_before_endpoint
from callerid.fastapi._decorator import CallerDependency
from callerid.fastapi._included import (
    INCLUDED,
    FrontendStep,
    IncludedStep,
    copies_routes,
    copy_with,
    found_in,
    frontend_in,
    is_included,
    matches_as_fastapi_does,
    resolved_in,
    subject_of,
    would_redirect,
)
from callerid.fastapi._parameters import marks_of, problem_with, read_elsewhere, receivers, understood
from callerid.starlette._routes import FULL, NONE, PARTIAL, RoutePlace, RouteReader, Step

__all__ = ["FastAPIReader"]

_UNSEEN_ROUTES = (
    "what stands here cannot be seen (its class serves in a way of its own, or this release of FastAPI does), "
    "and an open default= would open it all: write APIRouter(dependencies=[guard.allow(rule)]) or another default="
)
_RULES_INSIDE = (
    "what stands here cannot be seen (its class serves in a way of its own, or this release of FastAPI does), "
    "and routes or routers in it have rules of their own: include those in the application itself"
)
_UNSEEN_RULES = (
    "before FastAPI 0.137 a router's rules do not reach its plain routes, so an open default= may open this one "
    "against them: mark the endpoint itself, with @guard.allow(Public()) if it is open to everybody"
)


class FastAPIReader(RouteReader):
    """Reads FastAPI's routes. ``docs`` is the mark of the documentation's routes, which are those of ``app`` itself."""

    def __init__(self, app: Any, docs: Mark | None) -> None:
        super().__init__()
        self._app = app
        self._docs = docs
        # Known by identity, as routes are: routers compare by value.
        self._api_routers: weakref.WeakValueDictionary[int, APIRouter] = weakref.WeakValueDictionary()
        # Held with what is known of them, so that no other object can come to have their id.
        self._declared: dict[int, tuple[params.Depends, tuple[Mark, ...]]] = {}
        self._around: dict[int, tuple[tuple[Any, ...], tuple[RoutePlace]]] = {}
        self._included: dict[int, _Declared] = {}

    # --- which route ---

    def resolve(self, routes: Iterable[BaseRoute], scope: Scope) -> Step | None:
        """The route that serves. An included router is asked once which of its routes that is."""
        partial: tuple[BaseRoute, tuple[Match, Scope], Any] | None = None
        for route in routes:
            if type(route) is INCLUDED and is_included(route):
                found, judged = resolved_in(route, scope)
            else:
                found, judged = None, route.matches(scope)
            match = judged[0]
            if match is NONE:
                continue
            if match is FULL:
                break
            if match is PARTIAL and partial is None:
                partial = (route, judged, found)
        else:
            if partial is None:
                return None
            route, judged, found = partial
        if found is None:
            return self.settle(route, *judged, scope)
        return self._descend(route, judged[1], found, scope)

    def _descend(self, included: Any, judged: Scope, found: Any, scope: Scope) -> IncludedStep:
        """The step that an included router is: it leads to the route in it that serves."""
        match, child_scope, route, context = found
        around = self._around_included(included)
        if match is NONE or route is None:
            nothing = Step()
            nothing.places, nothing.route, nothing.serves, nothing.behind = (), None, (None, None), None
            nothing.judged, nothing.path, nothing.endpoint = {}, {}, False
            return IncludedStep(around, included, judged, nothing, (NONE, {}, None, None))
        if is_included(route):
            inner = self._descend(route, child_scope, found_in(route, scope), scope)
            return IncludedStep(around, included, judged, inner, (match, child_scope, inner.pinned(), None))
        subject = subject_of(route, context)
        step = self.settle(subject, match, child_scope, scope)
        if subject is not route:
            # An API route is handled with its context, of which the copy stays as it was judged.
            context = self._copy_of(context)
        return IncludedStep(around, included, judged, step, (match, child_scope, route, context))

    def _copy_of(self, context: Any) -> Any:
        known = self._knowledge(context)
        if known.copy is None:
            known.copy = copy_with(context)
        return known.copy

    def last_resort(self, router: Router, scope: Scope) -> Step | None:
        """A frontend, unless the router would redirect to a path with or without a slash."""
        found = None if would_redirect(router, scope) else frontend_in(router, scope)
        if found is None:
            return None
        match, child_scope, route, context = found
        if match is NONE or route is None:
            return None
        step = super().settle(subject_of(route, context), match, child_scope, scope)
        context = None if context is None else copy_with(context)
        return FrontendStep(step, (match, child_scope, route, context))

    # --- what stands there ---

    def around(self, router: Router) -> tuple[RoutePlace, ...]:
        """A router's own dependencies: FastAPI gives them to API routes only, and here they hold for all."""
        if copies_routes() and isinstance(router, APIRouter):
            self._api_routers[id(router)] = router
        declared = tuple(getattr(router, "dependencies", ()))
        if not declared:
            return ()
        # What was declared is kept with it: the same id with the same dependencies can only mean the same.
        known = self._around.get(id(router))
        if known is None or known[0] != declared:
            known = self._around[id(router)] = (declared, (RoutePlace("", self._marks_in(declared)),))
        return known[1]

    def _around_included(self, included: Any) -> RoutePlace:
        dependencies = (*included.include_context.dependencies, *included.original_router.dependencies)
        key = id(included)
        known = self._included.get(key)
        if known is None or known.included() is not included or known.dependencies != dependencies:
            reference = weakref.ref(included, lambda _: self._included.pop(key, None))
            known = _Declared(reference, dependencies, RoutePlace("", self._marks_in(dependencies)))
            self._included[key] = known
        return known.place

    def _standing_around(self, included: Any) -> Iterator[RoutePlace]:
        """The same, by where it stands."""
        yield RoutePlace("", self._marks_in(included.include_context.dependencies), origin="include")
        router = included.original_router
        condition = "" if matches_as_fastapi_does(router) else type(router).__name__
        yield RoutePlace("", self._marks_in(router.dependencies), origin="router", condition=condition)

    def _marks_in(self, dependencies: Iterable[Any]) -> tuple[Mark, ...]:
        return tuple(dict.fromkeys(mark for depends in dependencies for mark in self._marks_behind(depends)))

    def _marks_behind(self, depends: Any) -> tuple[Mark, ...]:
        if not isinstance(depends, params.Depends):
            raise ConfigurationError(
                f"dependencies=[...] takes guard.allow(rule), called, or Depends(...), not {depends!r}",
                code="not-a-rule",
            )
        if isinstance(depends.dependency, CallerDependency):
            return (depends.dependency.mark,)
        if id(depends) not in self._declared:
            marks = () if depends.dependency is None else marks_of(get_dependant(path="", call=depends.dependency))
            self._declared[id(depends)] = (depends, marks)
        return self._declared[id(depends)][1]

    def read(self, route: Any, handler: str) -> RoutePlace:
        """Read a route, an included route's context, or a group of frontends."""
        place = super().read(route, handler)
        if self._is_documentation(route):
            return place if self._docs is None else replace(place, marks=(*place.marks, self._docs))
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            return self._read_unseen(route, place)
        compare_before_endpoint(route, dependant)
        kinds, integers = understood(dependant, dict(place.parameters))
        return replace(
            place,
            marks=tuple(dict.fromkeys((*marks_of(dependant), *place.marks))),
            parameters=tuple(kinds.items()),
            receivers=tuple(receivers(dependant)),
            integers=integers,
            elsewhere=read_elsewhere(dependant, {name for name, _ in place.parameters}),
        )

    def problem_with(self, route: Any) -> str:
        """Why a route cannot be served under its rules; empty where it can."""
        dependant = getattr(route, "dependant", None)
        return "" if dependant is None else problem_with(dependant)

    def source(self, route: Any, place: RoutePlace, mark: Mark) -> str:
        """Where a mark of this place stands, in a word for the access map."""
        if mark is self._docs:
            return "docs"
        if any(receiver.mark is mark for receiver in place.receivers):
            return "parameter"
        if getattr(route, "dependant", None) is None or mark in marks_on(self.target(route)):
            return super().source(route, place, mark)
        return "dependency"

    def _read_unseen(self, route: Any, place: RoutePlace) -> RoutePlace:
        """What FastAPI tells nothing about: there may be rules that are not seen."""
        if hasattr(route, "original_router"):
            around = self._around_included(route).marks
            inside = set(self._marks_within(route.original_router, set())).difference(around)
            return replace(place, marks=around, unseen=_UNSEEN_ROUTES, problem=_RULES_INSIDE if inside else "")
        if isinstance(route, APIRoute | APIWebSocketRoute) or type(route).__module__.startswith("fastapi."):
            unknown = tuple((name, "what is not known") for name, _ in place.parameters)
            return replace(place, parameters=unknown, unseen=_UNSEEN_ROUTES)
        if copies_routes() and not place.marks and self._may_be_a_copy(route):
            return replace(place, unseen=_UNSEEN_RULES)
        return place

    def _marks_within(self, router: Any, seen: set[int]) -> Iterator[Mark]:
        """All marks in a router, in those that it includes and in those that are mounted in it."""
        seen.add(id(router))
        for route in router.routes:
            inner = getattr(route, "original_router", None)
            if inner is not None:
                yield from self._around_included(route).marks
            else:
                yield from (mark for method in self.methods(route) for mark in self.place(route, method).marks)
                inner = self.behind(route)
            if inner is not None and id(inner) not in seen:
                yield from self._marks_within(inner, seen)

    def _may_be_a_copy(self, route: Any) -> bool:
        if not isinstance(route, Route | WebSocketRoute) or _is_made_by_fastapi(route):
            return False
        return any(route is own for router in tuple(self._api_routers.values()) for own in router.routes)

    def _is_documentation(self, route: Any) -> bool:
        return _is_made_by_fastapi(route) and any(route is own for own in self._app.router.routes)

    def check(self, place: RoutePlace, policy: Policy, where: str) -> None:
        """Raise `ConfigurationError` where a parameter is given what it does not take, or a rule may be unseen."""
        super().check(place, policy, where)
        _check_names(place, policy, where)
        if place.unseen and all(requirement.optional for _, requirement in policy.parts):
            raise ConfigurationError(f"{where}: {place.unseen}", code="rule-not-seen")
        requirements = dict(policy.parts)
        for receiver in place.receivers:
            requirement = requirements[receiver.mark.guard]
            if requirement.public:
                raise ConfigurationError(
                    f"{where}: the parameter {receiver.name!r} asks for a caller, and the rule is Public(), "
                    "where no credential is read: write Public() | rule for an optional identity, or move "
                    "allow(Public()) to the decorator",
                    code="caller-parameter",
                )
            if requirement.optional and not receiver.takes_none:
                raise ConfigurationError(
                    f"{where}: {requirement.rule} may let a request in without a caller: "
                    f"write the type of {receiver.name!r} as Annotated[Caller | None, ...]",
                    code="caller-parameter",
                )

    def table(self, router: Router) -> Iterator[tuple[tuple[RoutePlace, ...], BaseRoute]]:
        """All routes, those of included routers and frontends among them."""
        for route in tuple(router.routes):
            yield from self._opened((), route)
        for route in tuple(getattr(router, "_low_priority_routes", ())):
            yield (), route

    def _opened(self, places: tuple[RoutePlace, ...], route: Any) -> Iterator[tuple[tuple[RoutePlace, ...], Any]]:
        if not is_included(route):
            yield places, route
            return
        places = (*places, *self._standing_around(route))
        for candidate in route.effective_candidates():
            if hasattr(candidate, "original_router"):
                yield from self._opened(places, candidate)
            else:
                yield places, subject_of(candidate.starlette_route or candidate.original_route, candidate)
        for context in getattr(route, "effective_low_priority_routes", tuple)():
            yield places, subject_of(context.original_route, context)


def _check_names(place: RoutePlace, policy: Policy, where: str) -> None:
    for name in sorted(policy.names.intersection(place.elsewhere)):
        raise ConfigurationError(
            f"{where}: PathParam({name!r}) is judged by the path of a mount, and the endpoint reads {name!r} from the "
            f"{place.elsewhere[name]}, where a caller may write another: declare it as Annotated[str, Path()], or give "
            "it another name",
            code="path-parameter",
        )


def _is_made_by_fastapi(route: Any) -> bool:
    return getattr(getattr(route, "endpoint", None), "__module__", "") == "fastapi.applications"


class _Declared(NamedTuple):
    """The dependencies that stand around an included router, and the place that they make."""

    included: Callable[[], Any]
    dependencies: tuple[Any, ...]
    place: RoutePlace

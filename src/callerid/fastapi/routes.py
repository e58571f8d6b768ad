"""What stands at FastAPI's routes: rules in parameters, dependencies, included routers and frontends.

FastAPI's private names are used here and nowhere else. Where one is not recognised, what it would have told is taken
for opaque and ends stricter: the default judges (and may not be an open one), and marked endpoints behind it raise.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

import fastapi.routing
from fastapi import APIRouter, params
from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute, Match, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send

from callerid.authorization import Policy
from callerid.errors import ConfigurationError
from callerid.fastapi.comparing import compare_before_endpoint
from callerid.fastapi.decorator import CallerDependency
from callerid.fastapi.parameters import marks_of, problem_with, read_elsewhere, receivers, understood
from callerid.marks import Mark, marks_on
from callerid.starlette.handover import separate, still_serves
from callerid.starlette.redirects import redirected
from callerid.starlette.routes import FULL, NONE, PARTIAL, Dispatch, RoutePlace, RouteReader, Step

__all__ = ["FastAPIReader"]

# FastAPI 0.137 and newer keep an included router as one route; before, they copied its routes.
_INCLUDED: Any = getattr(fastapi.routing, "_IncludedRouter", None)
_INCLUDED_NAMES = ("_match", "_handle_selected", "effective_candidates", "matches", "handle")
_names_of = attrgetter(*_INCLUDED_NAMES)
_MATCH_FRONTEND = "_match_low_priority"

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


class _Included(Step):
    """A step into an included router, which asks itself once more what serves: it is answered with what was judged."""

    __slots__ = ("answer", "included", "inside")

    def __init__(self, around: RoutePlace, included: Any, judged: Scope, inside: Step, answer: Any) -> None:
        places = (around, *inside.places)
        super().__init__(places, inside.route, inside.serves, judged, inside.path, inside.endpoint, inside.behind)
        self.included, self.inside, self.answer = included, inside, answer

    @property
    def found(self) -> Scope:
        """What the framework adds to the scope for this route."""
        inside = self.inside.found if type(self.inside) is _Included else self.inside.judged
        return {**self.judged, **inside}

    def pinned(self) -> Any:
        """The included router, answering with what was found in it."""
        return _copy_with(self.included, _match=_always(self.answer))

    def hand_over(self, dispatch: Dispatch, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """As `Step.hand_over` does, by FastAPI's own handling of included routers."""
        if not still_serves(self.route, self.serves):
            return dispatch.router.not_found(scope, receive, send)
        dispatch.prepare(dispatch.router, self.included, scope, self.judged)
        handled: Awaitable[None] = self.pinned().handle(scope, receive, send)
        return handled


class _Frontend(Step):
    """A step into the second table that FastAPI tries when no route matches."""

    __slots__ = ("answer",)

    def __init__(self, step: Step, answer: Any) -> None:
        super().__init__(step.places, step.route, step.serves, step.judged, step.path, step.endpoint)
        self.answer = answer

    @property
    def found(self) -> Scope:
        """What the framework adds to the scope: it names no route here."""
        return self.judged

    def hand_over(self, dispatch: Dispatch, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Let FastAPI serve it from a router that has nothing else, and finds what was judged."""
        # A context is a copy, which stays as it was judged.
        if self.answer[3] is None and not still_serves(self.route, self.serves):
            return dispatch.router.not_found(scope, receive, send)
        separate(scope)
        # Of FastAPI's own class, since another may compute its routes.
        router: Any = object.__new__(APIRouter)
        members: dict[str, Any] = {"routes": [], "redirect_slashes": False, _MATCH_FRONTEND: _always(self.answer)}
        router.__dict__.update(dispatch.router.__dict__, **members)
        served: Awaitable[None] = dispatch.serve(router, scope, receive, send)
        return served


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
            if type(route) is _INCLUDED and _is_included(route):
                found, judged = _resolved_in(route, scope)
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

    def _descend(self, included: Any, judged: Scope, found: Any, scope: Scope) -> _Included:
        """The step that an included router is: it leads to the route in it that serves."""
        match, child_scope, route, context = found
        around = self._around_included(included)
        if match is NONE or route is None:
            nothing = Step((), None, (None, None), {}, {}, endpoint=False)
            return _Included(around, included, judged, nothing, (NONE, {}, None, None))
        if _is_included(route):
            inner = self._descend(route, child_scope, _found_in(route, scope), scope)
            return _Included(around, included, judged, inner, (match, child_scope, inner.pinned(), None))
        subject = _subject(route, context)
        step = self.settle(subject, match, child_scope, scope)
        if subject is not route:
            # An API route is handled with its context, of which the copy stays as it was judged.
            context = self._copy_of(context)
        return _Included(around, included, judged, step, (match, child_scope, route, context))

    def _copy_of(self, context: Any) -> Any:
        known = self._knowledge(context)
        if known.copy is None:
            known.copy = _copy_with(context)
        return known.copy

    def last_resort(self, router: Router, scope: Scope) -> Step | None:
        """A frontend, unless the router would redirect to a path with or without a slash."""
        find = getattr(router, _MATCH_FRONTEND, None)
        if find is None or _would_redirect(router, scope):
            return None
        match, child_scope, route, context = find(scope)
        if match is NONE or route is None:
            return None
        step = super().settle(_subject(route, context), match, child_scope, scope)
        context = None if context is None else _copy_with(context)
        return _Frontend(step, (match, child_scope, route, context))

    # --- what stands there ---

    def around(self, router: Router) -> tuple[RoutePlace, ...]:
        """A router's own dependencies: FastAPI gives them to API routes only, and here they hold for all."""
        if _INCLUDED is None and isinstance(router, APIRouter):
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
        condition = "" if _matches_as_fastapi_does(router) else type(router).__name__
        yield RoutePlace("", self._marks_in(router.dependencies), origin="router", condition=condition)

    def _marks_in(self, dependencies: Iterable[Any]) -> tuple[Mark, ...]:
        return tuple(dict.fromkeys(mark for depends in dependencies for mark in self._marks_behind(depends)))

    def _marks_behind(self, depends: Any) -> tuple[Mark, ...]:
        if not isinstance(depends, params.Depends):
            raise ConfigurationError(
                f"dependencies=[...] takes guard.allow(rule), called, or Depends(...), not {depends!r}"
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
        if _INCLUDED is None and not place.marks and self._may_be_a_copy(route):
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
            raise ConfigurationError(f"{where}: {place.unseen}")
        requirements = dict(policy.parts)
        for receiver in place.receivers:
            requirement = requirements[receiver.mark.guard]
            if requirement.public:
                raise ConfigurationError(
                    f"{where}: the parameter {receiver.name!r} asks for a caller, and the rule is Public(), "
                    "where no credential is read: write Public() | rule for an optional identity, or move "
                    "allow(Public()) to the decorator"
                )
            if requirement.optional and not receiver.takes_none:
                raise ConfigurationError(
                    f"{where}: {requirement.rule} may let a request in without a caller: "
                    f"write the type of {receiver.name!r} as Annotated[Caller | None, ...]"
                )

    def table(self, router: Router) -> Iterator[tuple[tuple[RoutePlace, ...], BaseRoute]]:
        """All routes, those of included routers and frontends among them."""
        for route in tuple(router.routes):
            yield from self._opened((), route)
        for route in tuple(getattr(router, "_low_priority_routes", ())):
            yield (), route

    def _opened(self, places: tuple[RoutePlace, ...], route: Any) -> Iterator[tuple[tuple[RoutePlace, ...], Any]]:
        if not _is_included(route):
            yield places, route
            return
        places = (*places, *self._standing_around(route))
        for candidate in route.effective_candidates():
            if hasattr(candidate, "original_router"):
                yield from self._opened(places, candidate)
            else:
                yield places, _subject(candidate.starlette_route or candidate.original_route, candidate)
        for context in getattr(route, "effective_low_priority_routes", tuple)():
            yield places, _subject(context.original_route, context)


def _check_names(place: RoutePlace, policy: Policy, where: str) -> None:
    for name in sorted(policy.names.intersection(place.elsewhere)):
        raise ConfigurationError(
            f"{where}: PathParam({name!r}) is judged by the path of a mount, and the endpoint reads {name!r} from the "
            f"{place.elsewhere[name]}, where a caller may write another: declare it as Annotated[str, Path()], or give "
            "it another name"
        )


def _is_included(route: Any) -> bool:
    """Whether this is an included router whose workings we know; one that changes how it serves is opaque."""
    if type(route) is not _INCLUDED:
        return False
    try:
        _names_of(_INCLUDED)
    except AttributeError:
        return False
    return getattr(route.original_router.handle, "__func__", None) is vars(APIRouter)["handle"]


def _is_made_by_fastapi(route: Any) -> bool:
    return getattr(getattr(route, "endpoint", None), "__module__", "") == "fastapi.applications"


def _subject(route: Any, context: Any) -> Any:
    """What tells about the route that serves: FastAPI keeps an included API route's facts in its context."""
    if context is not None and getattr(context, "dependant", None) is not None:
        return context
    return route


def _found_in(included: Any, scope: Scope) -> Any:
    """FastAPI's own resolution in an included router: the match, its scope, the route and the route's context."""
    return included._match(scope)  # noqa: SLF001


def _matches_as_fastapi_does(router: APIRouter) -> bool:
    return getattr(router.matches, "__func__", None) is vars(APIRouter)["matches"]


def _resolved_in(included: Any, scope: Scope) -> tuple[Any, tuple[Match, Scope]]:
    """The same, and what the included router says for itself: a class may match in a way of its own."""
    if _matches_as_fastapi_does(included.original_router):
        found = _found_in(included, scope)
        return found, (found[0], {})
    judged: tuple[Match, Scope] = included.matches(scope)
    return (None if judged[0] is NONE else _found_in(included, scope)), judged


class _Declared(NamedTuple):
    """The dependencies that stand around an included router, and the place that they make."""

    included: Callable[[], Any]
    dependencies: tuple[Any, ...]
    place: RoutePlace


def _copy_with(original: Any, **members: Any) -> Any:
    """The same class and members but for these, without running any constructor."""
    kind: type[Any] = original.__class__
    copy: Any = object.__new__(kind)
    copy.__dict__.update(original.__dict__, **members)
    return copy


def _always(answer: Any) -> Any:
    """A matching that was made already."""

    def match(_scope: Scope) -> Any:
        return answer

    return match


def _would_redirect(router: Router, scope: Scope) -> bool:
    target = redirected(router, scope)
    return target is not None and any(route.matches(target)[0] is not NONE for route in tuple(router.routes))

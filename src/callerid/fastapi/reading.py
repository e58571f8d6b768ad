"""What stands at FastAPI's routes: rules in parameters, dependencies, included routers and frontends.

FastAPI's private names are used here and nowhere else. Where one is not recognised, what it would have told is taken for
opaque and ends stricter: the default judges, and marked endpoints behind it raise.
"""

from __future__ import annotations

import builtins
import inspect
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import fastapi.routing
from fastapi import APIRouter, params
from starlette.routing import BaseRoute, Match, Router
from starlette.types import Scope

from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.fastapi.allow import CallerDependency
from callerid.marks import Mark, unwrapped
from callerid.starlette.narrow import narrowed, shallow_copy
from callerid.starlette.passage import Ruling
from callerid.starlette.reading import Place, Receiver, RouteReader, Step

__all__ = ["FastAPIReader"]

_INCLUDED: Any = getattr(fastapi.routing, "_IncludedRouter", None)
_INCLUDED_NAMES = ("_match", "_handle_selected", "effective_candidates", "matches", "handle")


@dataclass(frozen=True, slots=True)
class _Frontend(Step):
    """A step into the second table that FastAPI tries when no route matches."""

    found: Any = None

    def table(self, router: Router) -> Router:
        copy = narrowed(router, self.pinned)
        copy.__dict__.update(routes=[], _match_low_priority=lambda _: self.found)
        return copy


class FastAPIReader(RouteReader):
    """Reads FastAPI's routes. ``docs`` is the mark of the documentation's routes, which are those of ``app`` itself."""

    def __init__(self, app: Any, docs: Mark | None) -> None:
        super().__init__()
        self._app = app
        self._docs = docs

    # --- which route ---

    def settle(self, route: BaseRoute, match: Match, child_scope: Scope, scope: Scope) -> Step:
        """The step that a matching route is; an included router's leads to the route in it that serves."""
        if _is_included(route):
            return self._descend(route, match, child_scope, scope)
        return super().settle(route, match, child_scope, scope)

    def _descend(self, included: Any, match: Match, child_scope: Scope, scope: Scope) -> Step:
        inner_match, inner_scope, route, context = included._match(scope)  # noqa: SLF001 - FastAPI's own resolution
        around = self._around_included(included)
        if inner_match is Match.NONE or route is None:
            nothing: Any = (Match.NONE, {}, None, None)
            return Step((around,), _pinned_included(included, match, child_scope, nothing), {}, endpoint=False)
        if _is_included(route):
            step = self._descend(route, inner_match, inner_scope, scope)
            serves = step.pinned
        else:
            step = super().settle(_subject(route, context), inner_match, inner_scope, scope)
            serves = route
        found = (inner_match, inner_scope, serves, context)
        return replace(
            step, places=(around, *step.places), pinned=_pinned_included(included, match, child_scope, found)
        )

    def last_resort(self, router: Router, scope: Scope) -> Step | None:
        """A frontend, unless the router would redirect to a path with or without a slash: the default judges that."""
        find = getattr(router, "_match_low_priority", None)
        if find is None or _would_redirect(router, scope):
            return None
        found = find(scope)
        match, child_scope, route, context = found
        if match is Match.NONE or route is None:
            return None
        step = super().settle(_subject(route, context), match, child_scope, scope)
        return _Frontend(step.places, step.pinned, step.path, step.endpoint, None, found)

    # --- what stands there ---

    def around(self, router: Router) -> tuple[Place, ...]:
        """A router's own dependencies: FastAPI gives them to API routes only, and here they hold for all."""
        marks = _marks_in(getattr(router, "dependencies", ()))
        return (Place("", marks),) if marks else ()

    def _around_included(self, included: Any) -> Place:
        declared = (*included.include_context.dependencies, *included.original_router.dependencies)
        return Place("", _marks_in(declared))

    def read(self, route: Any, method: str) -> Place:
        """Read a route, an included route's context, or a group of frontends."""
        place = super().read(route, method)
        if self._docs is not None and self._is_documentation(route):
            return replace(place, marks=(*place.marks, self._docs))
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            return place
        receivers = tuple(_receivers(dependant))
        kinds, integers = _understood(dependant, dict(place.parameters))
        return replace(
            place,
            marks=tuple(dict.fromkeys((*_marks_of(dependant), *place.marks))),
            parameters=tuple(kinds.items()),
            receivers=receivers,
            integers=integers,
            problem=_unresolved(dependant),
        )

    def _is_documentation(self, route: Any) -> bool:
        endpoint = getattr(route, "endpoint", None)
        made_by_fastapi = getattr(endpoint, "__module__", "") == "fastapi.applications"
        return made_by_fastapi and any(route is own for own in self._app.router.routes)

    def check(self, place: Place, ruling: Ruling) -> None:
        """Raise `ConfigurationError` where a parameter is given what its type does not take."""
        if place.problem:
            raise ConfigurationError(f"{place.template}: {place.problem}")
        requirements = dict(ruling.parts)
        for receiver in place.receivers:
            requirement = requirements[receiver.mark.guard]
            if requirement.public:
                raise ConfigurationError(
                    f"{place.template}: the parameter {receiver.name!r} asks for a caller, and the rule is Public(), where no "
                    "credential is read: write Public() | rule for an optional identity, or move allow(Public()) to the decorator"
                )
            if requirement.optional and not receiver.takes_none:
                raise ConfigurationError(
                    f"{place.template}: {requirement.rule} may let a request in without a caller: "
                    f"write the type of {receiver.name!r} as Annotated[Caller | None, ...]"
                )

    def table(self, router: Router) -> Iterator[tuple[tuple[Place, ...], BaseRoute]]:
        """All routes, those of included routers and frontends among them."""
        for route in tuple(router.routes):
            yield from self._opened((), route)
        for route in tuple(getattr(router, "_low_priority_routes", ())):
            yield (), route

    def _opened(self, places: tuple[Place, ...], route: Any) -> Iterator[tuple[tuple[Place, ...], Any]]:
        if not _is_included(route):
            yield places, route
            return
        places = (*places, self._around_included(route))
        for candidate in route.effective_candidates():
            if _is_included(candidate):
                yield from self._opened(places, candidate)
            else:
                yield places, _subject(candidate.starlette_route or candidate.original_route, candidate)
        for context in getattr(route, "effective_low_priority_routes", tuple)():
            yield places, _subject(context.original_route, context)


def _is_included(route: Any) -> bool:
    """Whether this is an included router whose workings we know; a subclass that changes them is opaque."""
    if (
        _INCLUDED is None
        or type(route) is not _INCLUDED
        or not all(hasattr(_INCLUDED, name) for name in _INCLUDED_NAMES)
    ):
        return False
    router = type(route.original_router)
    return router.matches is APIRouter.matches and router.handle is APIRouter.handle


def _subject(route: Any, context: Any) -> Any:
    """What tells about the route that serves: FastAPI keeps an included API route's facts in its context."""
    if context is not None and getattr(context, "dependant", None) is not None:
        return context
    return route


def _pinned_included(included: Any, match: Match, child_scope: Scope, found: Any) -> Any:
    copy = shallow_copy(included)
    copy.__dict__.update(matches=lambda _: (match, child_scope), _match=lambda _: found)
    return copy


def _would_redirect(router: Router, scope: Scope) -> bool:
    path = scope["path"]
    if scope["type"] != "http" or not router.redirect_slashes or path == "/":
        return False
    redirected = {**scope, "path": path.rstrip("/") if path.endswith("/") else path + "/"}
    return any(route.matches(redirected)[0] is not Match.NONE for route in tuple(router.routes))


def _marks_in(dependencies: Iterable[params.Depends]) -> tuple[Mark, ...]:
    calls = (getattr(depends, "dependency", None) for depends in dependencies)
    return tuple(call.mark for call in calls if isinstance(call, CallerDependency))


def _dependants(dependant: Any) -> Iterator[Any]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _dependants(inner)


def _marks_of(dependant: Any) -> tuple[Mark, ...]:
    return tuple(each.call.mark for each in _dependants(dependant) if isinstance(each.call, CallerDependency))


def _receivers(dependant: Any) -> Iterator[Receiver]:
    for owner in _dependants(dependant):
        given = [each for each in owner.dependencies if isinstance(each.call, CallerDependency) and each.name]
        hints = _hints(owner.call) if given else {}
        for each in given:
            yield Receiver(each.call.mark, each.name, _takes_none(hints.get(each.name, Any)))


def _hints(call: Any) -> dict[str, Any]:
    target = unwrapped(call)
    if isinstance(target, type):
        target = vars(target).get("__init__", target)
    elif not inspect.isroutine(target):
        target = type(target).__call__
    try:
        return typing.get_type_hints(target)
    except Exception:  # noqa: BLE001 - user code runs here; what cannot be read is not judged
        return {}


def _takes_none(hint: Any) -> bool:
    return hint is not Caller


def _understood(dependant: Any, kinds: dict[str, str]) -> tuple[dict[str, str], frozenset[str]]:
    """Each path parameter as the endpoint and its dependencies understand it."""
    integers = set()
    for each in _dependants(dependant):
        for parameter in each.path_params:
            name, annotation = parameter.alias, parameter.field_info.annotation
            if name not in kinds or annotation in (str, Any):
                continue
            if annotation is int:
                integers.add(name)
            else:
                kinds[name] = getattr(annotation, "__name__", str(annotation))
    return kinds, frozenset(integers)


def _unresolved(dependant: Any) -> str:
    """An annotation left as text, which FastAPI would take for a query parameter."""
    for each in _dependants(dependant):
        target = unwrapped(each.call)
        known = vars(builtins) | getattr(target, "__globals__", {})
        for name, annotation in getattr(target, "__annotations__", {}).items():
            if isinstance(annotation, str) and annotation.isidentifier() and annotation not in known:
                return (
                    f"the annotation {annotation!r} of {name!r} cannot be resolved, so the rule in it would not be seen: define "
                    "it at the module's top level, or leave out 'from __future__ import annotations'"
                )
    return ""

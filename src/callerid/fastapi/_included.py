"""FastAPI's own resolution in included routers and frontends, asked once, and made to serve what was judged.

FastAPI's private names are used here, and in `callerid.fastapi._routes`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable
from operator import attrgetter
from typing import Any

import fastapi.routing
from fastapi import APIRouter
from starlette.routing import Match, Router
from starlette.types import Receive, Scope, Send

from callerid.starlette._handover import separate, still_serves
from callerid.starlette._redirects import redirected
from callerid.starlette._routes import NONE, Dispatch, RoutePlace, Step

__all__ = [
    "INCLUDED",
    "FrontendStep",
    "IncludedStep",
    "copies_routes",
    "copy_with",
    "found_in",
    "frontend_in",
    "is_included",
    "matches_as_fastapi_does",
    "resolved_in",
    "subject_of",
    "would_redirect",
]

# FastAPI 0.137 and newer keep an included router as one route; before, they copied its routes.
INCLUDED: Any = getattr(fastapi.routing, "_IncludedRouter", None)
_NAMES = ("_match", "_handle_selected", "effective_candidates", "matches", "handle")
_names_of = attrgetter(*_NAMES)
_MATCH_FRONTEND = "_match_low_priority"


def copies_routes() -> bool:
    """Whether this release of FastAPI copies the routes of included routers."""
    return INCLUDED is None


def is_included(route: Any) -> bool:
    """Whether this is an included router whose workings we know; one that changes how it serves is opaque."""
    if type(route) is not INCLUDED:
        return False
    try:
        _names_of(INCLUDED)
    except AttributeError:
        return False
    return getattr(route.original_router.handle, "__func__", None) is vars(APIRouter)["handle"]


def subject_of(route: Any, context: Any) -> Any:
    """What tells about the route that serves: FastAPI keeps an included API route's facts in its context."""
    if context is not None and getattr(context, "dependant", None) is not None:
        return context
    return route


def found_in(included: Any, scope: Scope) -> Any:
    """FastAPI's own resolution in an included router: the match, its scope, the route and the route's context."""
    return included._match(scope)  # noqa: SLF001


def frontend_in(router: Any, scope: Scope) -> Any:
    """The same of a router's frontends, which FastAPI tries last; ``None`` where it has no such table."""
    find = getattr(router, _MATCH_FRONTEND, None)
    return None if find is None else find(scope)


def matches_as_fastapi_does(router: APIRouter) -> bool:
    return getattr(router.matches, "__func__", None) is vars(APIRouter)["matches"]


def resolved_in(included: Any, scope: Scope) -> tuple[Any, tuple[Match, Scope]]:
    """The same, and what the included router says for itself: a class may match in a way of its own."""
    if matches_as_fastapi_does(included.original_router):
        found = found_in(included, scope)
        return found, (found[0], {})
    judged: tuple[Match, Scope] = included.matches(scope)
    return (None if judged[0] is NONE else found_in(included, scope)), judged


def copy_with(original: Any, **members: Any) -> Any:
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


def would_redirect(router: Router, scope: Scope) -> bool:
    target = redirected(router, scope)
    return target is not None and any(route.matches(target)[0] is not NONE for route in tuple(router.routes))


def _publish(found: Scope, outer: Scope) -> None:
    outer.update((name, found[name]) for name in ("route", "endpoint", "path_params") if name in found)


class IncludedStep(Step):
    """A step into an included router, which asks itself once more what serves: it is answered with what was judged."""

    __slots__ = ("answer", "included", "inside")

    def __init__(self, around: RoutePlace, included: Any, judged: Scope, inside: Step, answer: Any) -> None:
        self.places, self.judged = (around, *inside.places), judged
        self.route, self.serves, self.path = inside.route, inside.serves, inside.path
        self.endpoint, self.behind = inside.endpoint, inside.behind
        self.included, self.inside, self.answer = included, inside, answer

    @property
    def found(self) -> Scope:
        """What the framework adds to the scope for this route."""
        inside = self.inside.found if type(self.inside) is IncludedStep else self.inside.judged
        return {**self.judged, **inside}

    def publish(self, outer: Scope) -> None:
        """Set in an outer scope what middleware expects there."""
        _publish(self.found, outer)

    def pinned(self) -> Any:
        """The included router, answering with what was found in it."""
        return copy_with(self.included, _match=_always(self.answer))

    def hand_over(self, dispatch: Dispatch, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """As `Step.hand_over` does, by FastAPI's own handling of included routers."""
        if not still_serves(self.route, self.serves):
            return dispatch.router.not_found(scope, receive, send)
        dispatch.prepare(dispatch.router, self.included, scope, self.judged)
        handled: Awaitable[None] = self.pinned().handle(scope, receive, send)
        return handled


class FrontendStep(Step):
    """A step into the second table that FastAPI tries when no route matches."""

    __slots__ = ("answer",)

    def __init__(self, step: Step, answer: Any) -> None:
        self.places, self.route, self.serves, self.judged = step.places, step.route, step.serves, step.judged
        self.path, self.endpoint, self.behind = step.path, step.endpoint, None
        self.answer = answer

    @property
    def found(self) -> Scope:
        """What the framework adds to the scope: it names no route here."""
        return self.judged

    def publish(self, outer: Scope) -> None:
        """Set in an outer scope what middleware expects there."""
        _publish(self.found, outer)

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

"""The method and the path parameters of a request, compared again before a FastAPI endpoint runs.

Dependencies, and a route's own handler, run after the decision and may change what the endpoint is given. This is
compared in a dependency of our own, which FastAPI runs last, and before it reads the endpoint's parameters.

This module is not under ``from __future__ import annotations``: FastAPI up to 0.121 resolves the annotations of a
callable object in an empty namespace.
"""

from typing import Any, Final

from fastapi.dependencies.utils import get_dependant
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection

from callerid._marks import DECIDED
from callerid.fastapi._decorator import CallerDependency
from callerid.starlette._route_middleware import changed, is_as_judged, is_handled_by_the_framework

__all__ = ["compare_before_endpoint"]


class _RequestComparison:
    """A dependency that only a request passes that is still as it was judged, if it was."""

    async def __call__(self, connection: HTTPConnection) -> None:
        decided: Any = DECIDED.get()
        if decided is not None and not is_as_judged(decided, connection.scope):
            raise changed(decided.template)


_COMPARISON: Final = _RequestComparison()


def compare_before_endpoint(route: Any, dependant: Any) -> None:
    """Let FastAPI compare before the endpoint of a route, or of an included route's context, if anything may change."""
    if any(each.call is _COMPARISON for each in dependant.dependencies):
        return
    if _has_a_handler_of_its_own(route) or any(_takes_request(each) for each in dependant.dependencies):
        dependant.dependencies.append(get_dependant(path=dependant.path or "", call=_COMPARISON))


def _has_a_handler_of_its_own(route: Any) -> bool:
    original = getattr(route, "original_route", route)
    if not isinstance(original, APIRoute):
        return False
    handler = getattr(original.get_route_handler, "__func__", None)
    return handler is not APIRoute.get_route_handler or not is_handled_by_the_framework(original)


def _takes_request(dependant: Any) -> bool:
    """Whether a dependency, or one of its own, is given the request, and so can change it."""
    if isinstance(dependant.call, CallerDependency):
        return False
    given = (dependant.request_param_name, dependant.websocket_param_name, dependant.http_connection_param_name)
    return any(given) or any(map(_takes_request, dependant.dependencies))

"""``guard.allow(...)`` as FastAPI takes it: in ``Annotated``, in ``dependencies=[...]``, and as a decorator.

This module is not under ``from __future__ import annotations``: FastAPI up to 0.121 resolves the annotations of a
callable object in an empty namespace.
"""

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from fastapi import params
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from callerid._marks import Mark, unguarded
from callerid.callers import Caller
from callerid.starlette._decorator import marked
from callerid.starlette._route_context import KEY, RouteContext

__all__ = ["SCHEME", "Allow", "CallerDependency"]

F = TypeVar("F", bound=Callable[..., Any])

SCHEME: Final = "callerid"
"""The security scheme's name in OpenAPI."""


class CallerDependency(SecurityBase):
    """Gives a handler the caller that the guard has decided about; it decides nothing itself."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.scheme_name = SCHEME
        self.model = HTTPBearer(
            bearerFormat="JWT",
            description="A Google ID token, or a Firebase user's ID token, as the guard's issuers say.",
        )

    async def __call__(self, connection: HTTPConnection) -> Caller | None:
        """The caller. Raises `UnguardedEndpointError` where no guard decided."""
        context = connection.scope.get(KEY)
        if not isinstance(context, RouteContext):
            raise unguarded(self.mark, connection.scope.get("path", "the endpoint"))
        return context.caller_under(self.mark, connection.path_params)


class Allow(params.Depends):
    """What ``guard.allow(...)`` gives: a parameter's type, an entry of ``dependencies=[...]``, a decorator.

    Equal only to itself, since ``Annotated`` and FastAPI keep equal ones once.
    """

    def __init__(self, mark: Mark) -> None:
        super().__init__(dependency=CallerDependency(mark))

    def __call__(self, target: F) -> F:
        """Mark an endpoint, an endpoint class or an ASGI application to be mounted. Raises TypeError for a router."""
        return cast("F", marked(target, mark_of(self)))

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"allow({mark_of(self).requirement.rule!r})"

    @property
    def __signature__(self) -> inspect.Signature:
        raise TypeError(
            "guard.allow(...) is not a dependency function: write Annotated[Caller, guard.allow(rule)], "
            "dependencies=[guard.allow(rule)] or @guard.allow(rule), without Depends(...) around it"
        )


def mark_of(allow: params.Depends) -> Mark:
    """The mark in an ``allow()``."""
    return cast("CallerDependency", allow.dependency).mark

"""``guard.allow(...)`` on functions, classes and ASGI applications."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from starlette.routing import BaseRoute, Router

from callerid._marks import ATTRIBUTE, DECIDED, Mark, mark_class, mark_function, marks_on, unguarded
from callerid.starlette._fastapis import is_fastapis

__all__ = ["Allow", "MarkedApp", "marked"]

F = TypeVar("F", bound=Callable[..., Any])


class MarkedApp:
    """An ASGI application with a mark: what ``guard.allow(rule)(app)`` makes, to be mounted."""

    def __init__(self, app: Any, mark: Mark) -> None:
        self.app = app
        self._mark = mark
        setattr(self, ATTRIBUTE, (*marks_on(app), mark))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the application, if a guard judges the mark for this request."""
        if scope["type"] != "lifespan":
            context: Any = DECIDED.get()
            if context is None or not context.has_noted(self._mark):
                raise unguarded(self._mark, repr(self.app))
        await self.app(scope, receive, send)

    @property
    def routes(self) -> Any:
        """The application's routes, for ``url_for``. Nothing else is exposed, so that nothing bypasses the mark."""
        return getattr(self.app, "routes", [])


class Allow:
    """What ``guard.allow(...)`` returns: a decorator for endpoints, endpoint classes and mounted applications."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark

    def __call__(self, target: F) -> F:
        """Mark an endpoint."""
        return cast("F", marked(target, self.mark))

    def __repr__(self) -> str:
        return f"allow({self.mark.requirement.rule!r})"


def marked(target: Any, mark: Mark) -> Any:
    """The target with the mark, whose wrapper raises if the mark was not judged. Raises TypeError for other objects."""
    if isinstance(target, type):
        return mark_class(target, mark)
    if isinstance(target, staticmethod | classmethod | functools.partialmethod):
        raise TypeError("mark the function, then make it a static or class method: put @guard.allow(...) below")
    if inspect.isroutine(target) or isinstance(target, functools.partial):
        return mark_function(cast("Any", target), mark)
    if isinstance(target, Router) and is_fastapis(target):
        raise TypeError("a router is not marked itself: write APIRouter(dependencies=[guard.allow(rule)])")
    if isinstance(target, BaseRoute):
        raise TypeError("a route is not marked itself: mark its endpoint, or the application that it mounts")
    if _is_asgi(target):
        return MarkedApp(target, mark)
    raise TypeError(
        f"guard.allow(...) marks functions, endpoint classes and ASGI applications, not {target!r}: "
        "for a callable object, mark the __call__ of its class"
    )


def _is_asgi(target: Any) -> bool:
    if not callable(target):
        return False
    try:
        names = list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return False
    return names[:3] == ["scope", "receive", "send"]

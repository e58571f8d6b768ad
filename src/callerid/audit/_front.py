"""What stands in front of an application: the middleware around it, as far as it shows.

Frameworks that are not loaded are not imported: no application is theirs.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from types import FunctionType, MethodType, ModuleType
from typing import Any, cast

from callerid.audit._rows import Front

__all__ = ["chain_of", "fronts_of", "is_django", "is_flask", "is_gate", "is_starlette"]

LONGEST_CHAIN = 100
DEEPEST = 4
"""So many wrappers of the application's own are looked through, one in the other."""


def chain_of(app: Any) -> Iterator[Any]:
    """The application and what is around or behind it, outermost first, as far as it shows."""
    seen: set[int] = set()
    is_framed = False
    while app is not None and id(app) not in seen and len(seen) < LONGEST_CHAIN:
        seen.add(id(app))
        yield app
        is_framed = is_framed or _is_framed(app)
        inner = _next(app)
        app = inner if inner is not None or is_framed else _held(app, DEEPEST, set())


def fronts_of(app: Any) -> Iterator[Front]:
    """Whatever stands in front of an application and may answer by itself, outermost first.

    Middleware that was added to a Starlette or FastAPI application is a part of it.
    """
    links = tuple(chain_of(app))
    framed = next((at for at, each in enumerate(links) if _is_framed(each)), None)
    last = next((at for at, each in enumerate(links) if is_gate(each)), 0) if framed is None else framed
    outside = links[:last]
    if framed is not None and is_flask(links[framed]):
        outside = (*outside, *(each for each in links[framed + 1 :] if not isinstance(each, MethodType)))
    yield from (_front(each) for each in outside if _package(each) != "callerid")


def is_flask(app: Any) -> bool:
    """Whether this is a Flask application."""
    flask = sys.modules.get("flask")
    return flask is not None and isinstance(app, flask.Flask)


def is_starlette(app: Any) -> bool:
    """Whether this is a Starlette or FastAPI application."""
    starlette = sys.modules.get("starlette.applications")
    return starlette is not None and isinstance(app, starlette.Starlette)


def is_django(app: Any) -> bool:
    """Whether this is the handler that serves a Django project."""
    base = sys.modules.get("django.core.handlers.base")
    return base is not None and isinstance(app, base.BaseHandler) and app._middleware_chain is not None  # noqa: SLF001


def _is_framed(app: Any) -> bool:
    return is_flask(app) or is_starlette(app) or is_django(app)


def is_gate(app: Any) -> bool:
    """Whether this is one of the `CallerMiddleware`."""
    modules = (sys.modules.get(name) for name in ("callerid.asgi._middleware", "callerid.wsgi"))
    return isinstance(app, tuple(module.CallerMiddleware for module in modules if module))


def _next(app: Any) -> Any:
    if is_starlette(app):
        return app.middleware_stack or app.build_middleware_stack()
    inner = _members(app).get("wsgi_app")
    return inner if inner is not None else getattr(app, "app", None)


# --- wrappers of the application's own, which hold what they wrap by any name ---


def _held(wrapper: Any, depth: int, seen: set[int]) -> Any:
    """What leads to an application, of all that a wrapper holds; ``None`` if nothing does."""
    parts = [each for each in _parts(wrapper) if id(each) not in seen] if depth else []
    seen.update(map(id, parts))
    for each in parts:
        if _is_framed(each) or is_gate(each):
            return each
    return next((each for each in parts if _held(each, depth - 1, seen) is not None), None)


def _parts(wrapper: Any) -> Iterable[Any]:
    if isinstance(wrapper, MethodType):
        return (wrapper.__self__,)
    if isinstance(wrapper, functools.partial):
        return (wrapper.func, *wrapper.args, *wrapper.keywords.values())
    if isinstance(wrapper, type | ModuleType) or _package(wrapper) in _FRAMEWORKS or not callable(wrapper):
        return ()
    values = chain(_members(wrapper).values(), _closed_over(wrapper) if isinstance(wrapper, FunctionType) else ())
    return chain.from_iterable(_several(each) for each in values)


def _closed_over(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # it is empty yet
            yield cell.cell_contents
    named = function.__code__.co_names
    yield from (function.__globals__[name] for name in named if name in function.__globals__)


def _several(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return cast("Iterable[Any]", cast("Any", value).values())
    if isinstance(value, list | tuple):
        return cast("Sequence[Any]", value)
    return (value,)


def _members(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", getattr(value, "__dict__", {}))


# --- how they are named ---

_FRAMEWORKS = frozenset({"starlette", "fastapi", "flask", "werkzeug", "callerid"})

_FORWARDING = frozenset(
    {
        "starlette.middleware.cors",
        "starlette.middleware.errors",
        "starlette.middleware.gzip",
        "starlette.middleware.httpsredirect",
        "starlette.middleware.sessions",
        "starlette.middleware.trustedhost",
        "uvicorn.middleware.proxy_headers",
        "werkzeug.middleware.lint",
        "werkzeug.middleware.profiler",
        "werkzeug.middleware.proxy_fix",
    }
)
"""Modules of middleware that has nothing of its own to serve."""


def _front(each: Any) -> Front:
    named = _named(each)
    paths = [
        path
        for value in _members(each).values()
        for path in _keys(value)
        if isinstance(path, str) and path.startswith("/")
    ]
    return Front(f"{named.__module__}:{named.__qualname__}", tuple(sorted(paths)), named.__module__ in _FORWARDING)


def _keys(value: Any) -> Iterable[Any]:
    return cast("Iterable[Any]", value) if isinstance(value, Mapping) else ()


def _package(each: Any) -> str:
    return str(getattr(_named(each), "__module__", None) or "").partition(".")[0]


def _named(each: Any) -> Any:
    return each if hasattr(each, "__qualname__") else cast("Any", type(each))

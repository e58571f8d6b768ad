"""What stands inside an application that was given to be wrapped, as far as its objects show it. Imports no framework.

An application is a callable, and so is every middleware around it; how a middleware holds what it wraps is its own
affair. So the objects are searched: attributes, closures, bound methods and partial functions.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, Final

__all__ = ["OUTSIDE_OF_CORS", "cors_inside", "is_a", "reached"]

_MOST: Final = 1_000


def reached(*apps: Any) -> Iterator[Any]:
    """The applications and the callables that they hold, nearest first, each once; at most a thousand."""
    waiting, seen = list(apps), dict[int, Any]()
    for each in waiting:
        if id(each) in seen:
            continue
        if len(seen) == _MOST:
            return
        seen[id(each)] = each  # kept: no other object can come to have its id
        yield each
        waiting += (held for held in _held(each) if callable(held) and not issubclass(type(held), type))


def _held(each: Any) -> Iterator[Any]:
    # By their types, as everywhere here: what a proxy says of itself is another's, and there may be none.
    if type(each) is types.MethodType:
        return iter((each.__self__, each.__func__))
    if issubclass(type(each), functools.partial):
        return chain((each.func,), each.args, each.keywords.values())
    attributes: dict[str, Any] = {}
    with suppress(Exception):
        attributes = object.__getattribute__(each, "__dict__")
    return chain(tuple(attributes.values()), _closure(each))


def _closure(each: Any) -> Iterator[Any]:
    if type(each) is types.FunctionType:
        for cell in each.__closure__ or ():
            with suppress(ValueError):  # an empty cell
                yield cell.cell_contents


def is_a(thing: Any, module: str, name: str) -> bool:
    """Whether this is an instance of a class in a module, which is not imported for it."""
    return _is_class(type(thing), module, name)


def cors_inside(app: Any) -> str | None:
    """The CORS middleware that stands inside an application, by its name; ``None`` where none is recognised."""
    for each in reached(app):
        classes: list[Any] = [type(each), *(getattr(item, "cls", None) for item in _user_middleware(each))]
        if any(_is_class(cls, "starlette.middleware.cors", "CORSMiddleware") for cls in classes):
            return "Starlette's CORSMiddleware"
        for module, name in (("flask_cors", "flask-cors"), ("quart_cors", "quart-cors")):
            if any(_module_of(hook).partition(".")[0] == module for hook in _after_request(each)):
                return name
        if is_a(each, "litestar.app", "Litestar") and each.cors_config is not None:
            return "Litestar's cors_config"
        if _module_of(type(each)).startswith("django.core.handlers.") and _DJANGO_CORS in _django_middleware():
            return "django-cors-headers"
    return None


OUTSIDE_OF_CORS: Final = (
    "stands inside of CallerMiddleware: preflights carry no credential and are refused before it sees them, and pages "
    "of other origins cannot read refusals, which lack its headers: put CORS middleware around CallerMiddleware instead"
)
"""What is wrong with CORS middleware that is found inside, and the remedy."""

_DJANGO_CORS: Final = "corsheaders.middleware.CorsMiddleware"


def _user_middleware(app: Any) -> Iterable[Any]:
    return app.user_middleware if is_a(app, "starlette.applications", "Starlette") else ()


def _is_class(cls: Any, module: str, name: str) -> bool:
    wanted = getattr(sys.modules.get(module), name, None)
    return wanted is not None and isinstance(cls, type) and issubclass(cls, wanted)


def _module_of(thing: Any) -> str:
    return str(getattr(thing, "__module__", None) or "")


def _after_request(app: Any) -> Iterator[Any]:
    if any(is_a(app, name, cls) for name, cls in (("flask", "Flask"), ("quart", "Quart"))):
        for hooks in app.after_request_funcs.values():
            yield from hooks


def _django_middleware() -> tuple[str, ...]:
    conf = sys.modules.get("django.conf")
    return tuple(conf.settings.MIDDLEWARE) if conf is not None and conf.settings.configured else ()

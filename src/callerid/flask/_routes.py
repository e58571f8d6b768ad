"""A rule of the URL map as the guard reads it: its marks, template and path parameters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from flask import Flask
from werkzeug.routing import IntegerConverter, Rule, UnicodeConverter

from callerid._marks import ATTRIBUTE, Mark, marks_above, marks_on
from callerid.errors import ConfigurationError
from callerid.flask._cors import CrossOrigin, cross_origin_of
from callerid.flask._current import Serving
from callerid.flask._decorator import Marks
from callerid.paths import METHODS, WEBSOCKET, NamedPlace, Serves

__all__ = ["Known", "Reader", "ViewPlace", "named_place", "own_methods"]


@dataclass(frozen=True, slots=True, eq=False)
class ViewPlace:
    """A rule of the URL map with the view that serves it for a method.

    ``above`` are marks that are written above the route's decorator, ``named`` is how path tables name it, and
    ``policies`` caches the policies here.
    """

    template: str
    marks: tuple[Mark, ...] = ()
    above: tuple[Mark, ...] = ()
    rule: Rule | None = None
    named: NamedPlace | None = None
    policies: dict[Any, Any] = field(default_factory=dict[Any, Any])

    def check_marks(self) -> None:
        """Raise `ConfigurationError` for a mark on a function that the route does not serve."""
        for mark in self.above:
            raise ConfigurationError(
                f"{self.template}: guard.allow({mark.requirement.rule!r}) stands above this route's decorator, so that "
                "the route serves the function without it. Put guard.allow(...) below every route decorator of the "
                "function; for a route without this rule write a function of its own",
                code="mark-not-served",
            )

    def check_parameter(self, name: str) -> None:
        """Raise `ConfigurationError` unless the path has a parameter of this name that is compared as written."""
        trouble = _NO_PARAMETER if self.rule is None else _trouble_with(name, self.rule)
        if trouble:
            raise ConfigurationError(f"{self.template}: PathParam({name!r}) {trouble}", code="path-parameter")


class Reader:
    """Reads the views of an application. Each is read once, and again if its view or marks have changed."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self.nowhere = ViewPlace("(no route)")
        """The place for requests without a route (404), or without one for their method (405)."""
        self._known: dict[tuple[int, str], Known] = {}

    def place(self, serving: Serving) -> ViewPlace:
        """The place that serves."""
        known = self.known(serving)
        return self.nowhere if known is None else known.place

    def known(self, serving: Serving) -> Known | None:
        """The place that serves, with the objects it was read from; ``None`` for `nowhere`."""
        if serving.rule is None or serving.exception is not None:
            return None
        view_class = getattr(serving.view, "view_class", None)
        handler = _handler(view_class, serving.method)
        # Methods without a handler share one key, so that clients cannot make the cache grow.
        key = id(serving.rule), "" if handler is None else serving.method
        known = self._known.get(key)
        if (
            known is None
            or known.rule is not serving.rule
            or known.view is not serving.view
            or not known.is_still_so(serving.method)
        ):
            known = self._known[key] = self._read(serving, view_class, handler)
        return known

    def _read(self, serving: Serving, view_class: Any, handler: Any) -> Known:
        count, view = Marks.count, serving.view
        of_class = (*getattr(view_class, ATTRIBUTE, ()), *marks_on(getattr(view_class, "dispatch_request", None)))
        blueprints = self._on_blueprints(serving.rule.endpoint)
        every = dict.fromkeys((*blueprints, *of_class, *marks_on(view), *marks_on(handler)))
        place = ViewPlace(serving.rule.rule, tuple(every), marks_above(view), serving.rule, named_place(serving.rule))
        return Known(count, serving.rule, view, view_class, handler, place, cross_origin_of(view, handler))

    def source(self, place: ViewPlace, mark: Mark) -> str:
        """Where a mark of this place is written, in one word, for the access map."""
        endpoint = "" if place.rule is None else place.rule.endpoint
        return "blueprint" if mark in self._on_blueprints(endpoint) else "decorator"

    def _on_blueprints(self, endpoint: str) -> tuple[Mark, ...]:
        """The marks of every blueprint of an endpoint, outermost first, in the order of `flask.Request.blueprints`."""
        parts = endpoint.split(".")[:-1]
        names = (".".join(parts[: length + 1]) for length in range(len(parts)))
        return tuple(mark for name in names for mark in getattr(self._app.blueprints.get(name), ATTRIBUTE, ()))


def _handler(view_class: Any, method: str) -> Any:
    """The method of a view class that serves, as `flask.views.MethodView.dispatch_request` finds it."""
    found = getattr(view_class, method.lower(), None)
    if found is None and method == "HEAD":
        found = getattr(view_class, "get", None)
    return getattr(found, "__func__", found)  # a bound method is a new object each time


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A place with the objects it was read from. It holds references to them, which prevents reuse of their id()."""

    marks: int
    rule: Any
    view: Any
    view_class: Any
    handler: Any
    place: ViewPlace
    cross_origin: CrossOrigin | None

    def is_still_so(self, method: str) -> bool:
        """Whether reading again would give the same place for this method."""
        if self.marks != Marks.count:
            return False
        view_class = getattr(self.view, "view_class", None)
        return self.view_class is view_class and (view_class is None or self.handler is _handler(view_class, method))


# As werkzeug reads a rule: <name>, <converter:name>, <converter(arguments):name>.
_PARAMETER = re.compile(r"<(?:[a-zA-Z_][a-zA-Z0-9_]*(?:\(.*?\))?:)?([a-zA-Z_][a-zA-Z0-9_]*)>")


def named_place(rule: Rule) -> NamedPlace:
    """A rule of the URL map as a path table names it."""
    converters: dict[str, Any] = getattr(rule, "_converters", {})
    last = converters.get(next(reversed(_PARAMETER.findall(rule.rule)), ""))
    takes_rest = rule.rule.rstrip("/").endswith(">") and not getattr(last, "part_isolating", True)
    return NamedPlace(rule.rule, own_methods(rule) or _ANY_METHOD, Serves.REST if takes_rest else Serves.ROUTE)


def own_methods(rule: Rule) -> frozenset[str] | None:
    """The methods for which a rule calls its view (``None``: all), without ``OPTIONS`` where Flask answers that."""
    if rule.methods is None:
        return None
    return frozenset(rule.methods) - ({"OPTIONS"} if getattr(rule, "provide_automatic_options", False) else set())


_ANY_METHOD: Final = frozenset(METHODS.values()) - {WEBSOCKET}


_NO_PARAMETER = (
    "needs exactly one path parameter of that name, and the path has no such parameter: write one of this name in the "
    "path, or another name in the rule"
)


def _trouble_with(name: str, rule: Rule) -> str:
    # A parameter in the host does not count: clients can send any host.
    if name not in _PARAMETER.findall(rule.rule):
        return _NO_PARAMETER
    if name in (rule.defaults or {}):
        return "needs a path parameter, and the URL rule's defaults= put another value in its place: leave it out there"
    converter: Any = getattr(rule, "_converters", {}).get(name)
    if type(converter) not in (UnicodeConverter, IntegerConverter):
        return (
            f"compares text or whole numbers, and the path converts it by {type(converter).__name__}: write <{name}> "
            f"or <int:{name}>"
        )
    return ""

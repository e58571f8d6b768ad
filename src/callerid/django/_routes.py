"""The entries of a URLconf as the guard reads them: templates, path parameters, and the places that serve."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from django.conf import settings
from django.contrib.admindocs import utils
from django.urls import converters, resolvers
from django.utils import translation

from callerid._marks import Mark, marks_lost, note_served
from callerid.django._views import ANY_METHOD, ServedView, ViewFacts, marks_of, methods_of, serving_of
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore
from callerid.paths import NamedPlace, Serves

__all__ = ["UrlRoute", "UrlconfReader", "ViewAtRoutes"]

_resolvers: Any = resolvers
_utils: Any = utils
_converters: Any = converters


class UrlRoute(NamedTuple):
    """One entry of a URLconf: what serves, below which includes, and its template, as path tables name it."""

    entry: Any
    within: tuple[Any, ...]
    template: str
    prefixes: tuple[str, ...]
    number: int = 0
    """Its place among all entries: the first that is for a path serves."""

    @property
    def view(self) -> Any:
        """What serves."""
        return self.entry.callback

    def written(self) -> str:
        """The route as ``ResolverMatch.route`` has it, in the language of the request."""
        route = str(self.entry.pattern)
        for resolver in reversed(self.within):
            prefix = str(resolver.pattern)
            route = prefix + route.removeprefix("^") if prefix else route
        return route

    def named(self) -> NamedPlace:
        """The route as a path table names it."""
        serves = Serves.REST if _takes_rest(self.entry.pattern) else Serves.ROUTE
        return NamedPlace(self.template, methods_of(self.view) or ANY_METHOD, serves)

    def trouble_with(self, name: str) -> str:
        """Why a rule cannot compare with the path parameter of this name, if it cannot."""
        patterns = [*(each.pattern for each in self.within), self.entry.pattern]
        if any(type(each) not in _KNOWN for each in patterns):
            return "needs a path parameter, and the pattern of this route is of a class that cannot be read"
        having = [each for each in patterns if name in each.regex.groupindex]
        if len(having) != 1:
            return _NO_PARAMETER
        fixed = [self.entry.default_args, *(each.default_kwargs for each in self.within)]
        if any(name in each for each in fixed):
            return "needs a path parameter, and the arguments given to path() or include() put another in its place"
        converter = having[0].converters.get(name) if type(having[0]) is _resolvers.RoutePattern else None
        if converter is not None and type(converter) not in (_converters.StringConverter, _converters.IntConverter):
            return (
                f"compares text or whole numbers, and the path converts it by {type(converter).__name__}: write "
                f"<str:{name}> or <int:{name}>"
            )
        return ""


_KNOWN: Final = (_resolvers.RoutePattern, _resolvers.RegexPattern, _resolvers.LocalePrefixPattern)

_NO_PARAMETER: Final = (
    "needs exactly one path parameter of that name, and the path has no such parameter: write one of this name in the "
    "path, or another name in the rule"
)


def _takes_rest(pattern: Any) -> bool:
    if type(pattern) is _resolvers.RegexPattern:
        return str(pattern).rstrip("$").endswith((".*)", ".+)"))
    names = list(getattr(pattern, "converters", {}))
    is_last = bool(names) and str(pattern).endswith(f"{names[-1]}>")
    return is_last and isinstance(pattern.converters[names[-1]], _converters.PathConverter)


def _template_of(pattern: Any) -> str:
    """A pattern as it is written; a regular expression as Django's documentation of it has it."""
    if isinstance(pattern, _resolvers.LocalePrefixPattern):
        return LANGUAGE
    written = str(pattern)
    if not isinstance(pattern, _resolvers.RegexPattern):
        return written
    for simpler in (_utils.remove_non_capturing_groups, _utils.replace_named_groups, _utils.replace_unnamed_groups):
        written = simpler(written)
    return re.sub(r"\\([-./])", r"\1", _utils.replace_metacharacters(written))


LANGUAGE: Final = "{language}/"
"""The prefix of `i18n_patterns` in templates."""


def routes_of(resolver: Any) -> Iterator[UrlRoute]:
    """All entries of a URLconf, in order."""
    with cast("Any", translation).override(settings.LANGUAGE_CODE):
        yield from [each._replace(number=at) for at, each in enumerate(_walk(resolver, (), "/", ()))]


def _walk(resolver: Any, within: tuple[Any, ...], path: str, prefixes: tuple[str, ...]) -> Iterator[UrlRoute]:
    for each in resolver.url_patterns:
        template = path + _template_of(each.pattern)
        if isinstance(each, _resolvers.URLPattern):
            yield UrlRoute(each, within, template, prefixes)
        elif isinstance(each, _resolvers.URLResolver):
            own = prefixes if template.rstrip("/") == path.rstrip("/") else (*prefixes, template)
            yield from _walk(each, (*within, each), template, own)


@dataclass(frozen=True, slots=True, eq=False)
class ViewAtRoutes:
    """A view at its routes, for a method. ``policies`` caches the policies here.

    Where it stands in several routes that cannot be told apart, all of these are here. Without any it was made by a
    resolver of the application's own.
    """

    template: str
    serving: ServedView | None = None
    routes: tuple[UrlRoute, ...] = ()
    marks: tuple[Mark, ...] = ()
    policies: dict[Any, Any] = field(default_factory=dict[Any, Any])

    @property
    def endpoint(self) -> bool:
        """Whether a view of the application is meant, at a known route."""
        return self.serving is not None and self.serving.endpoint and bool(self.routes)

    def check_marks(self, guard: GuardCore) -> None:
        """Raise `ConfigurationError` for a mark of a guard on what was made of the served view, and is not served."""
        for lost in marks_lost(None if self.serving is None else self.serving.view):
            for mark in (each for each in lost if each.guard is guard):
                raise ConfigurationError(
                    f"{self.template}: guard.allow({mark.requirement.rule!r}) marks a function that this route does "
                    "not serve: give what guard.allow(...) returns to path(...); for a route without this rule write a "
                    "function of its own",
                    code="mark-not-served",
                )

    def check_parameter(self, name: str) -> None:
        """Raise `ConfigurationError` unless the path has a parameter of this name that is compared as written."""
        troubles = [each.trouble_with(name) for each in self.routes] or [_NO_PARAMETER]
        for trouble in filter(None, troubles):
            raise ConfigurationError(f"{self.template}: PathParam({name!r}) {trouble}", code="path-parameter")


class UrlconfReader:
    """A root URLconf that was read."""

    def __init__(self, resolver: Any) -> None:
        self.resolver = resolver
        self.routes: tuple[UrlRoute, ...] = ()
        self._by_view: dict[int, list[UrlRoute]] = {}
        self._facts: dict[int, ViewFacts] = {}
        self._places: dict[tuple[int, str, str, bool], ViewAtRoutes] = {}
        self.read()

    def read(self) -> None:
        """Read it, again if it has changed."""
        routes, by_view = tuple(routes_of(self.resolver)), dict[int, list[UrlRoute]]()
        for each in routes:
            note_served(each.view)
            by_view.setdefault(id(each.view), []).append(each)
        self._facts = {id(each.view): ViewFacts.of(each.view) for each in routes}
        self.routes, self._by_view, self._places = routes, by_view, {}

    def named(self) -> Iterator[NamedPlace]:
        """All places that a path table may name."""
        for route in self.routes:
            yield route.named()
        for prefix in dict.fromkeys(prefix for route in self.routes for prefix in route.prefixes):
            yield NamedPlace(prefix, None, Serves.MOUNT)

    def place(self, match: Any, method: str) -> ViewAtRoutes:
        """The place that a match of Django's resolver leads to."""
        facts = self._facts.get(id(match.func))
        if facts is None or facts.view is not match.func:  # of a resolver of the project's own
            facts = ViewFacts.of(match.func)
        serving = serving_of(facts, method)
        # Methods that no client can make up: the cache does not grow by what is sent.
        key = id(match.func), match.route, "" if serving.handler is None else method, serving.endpoint
        place = self._places.get(key)
        if place is None or not _is_same(place.serving, serving):
            place = self._places[key] = place_of(serving, self.routes_at(match), match.route)
        return place

    def routes_at(self, match: Any) -> tuple[UrlRoute, ...]:
        """The routes that a match of Django's resolver may be of: several where they cannot be told apart."""
        found = self._found(match)
        if not found:
            self.read()  # it was added since
            found = self._found(match)
        return found

    def _found(self, match: Any) -> tuple[UrlRoute, ...]:
        known = self._by_view.get(id(match.func), ())
        return tuple(each for each in known if each.view is match.func and each.written() == match.route)


def _is_same(known: ServedView | None, serving: ServedView) -> bool:
    return known is not None and known.view is serving.view and known.handler is serving.handler


def place_of(serving: ServedView, routes: Iterable[UrlRoute], written: str) -> ViewAtRoutes:
    """The place of a view at routes."""
    routes = tuple(routes)
    template = routes[0].template if routes else f"/{written}"
    return ViewAtRoutes(template, serving, routes, marks_of(serving))

"""The map of a Django project, from what is checked where the server starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, cast

from django import urls
from django.core.handlers.base import BaseHandler
from django.urls import converters, resolvers

from callerid.audit._places import EVERYWHERE, Place, places_of
from callerid.audit._row_sets import elsewhere, merged, names_of, told_once
from callerid.audit._rows import AccessMap, Part, Row, ServedBy, row
from callerid.audit._scope import HTTP
from callerid.audit._shadowed import never_served, with_shadows
from callerid.audit._unguarded import endpoint_name, unguarded
from callerid.django._dispatch import protection_of
from callerid.django._protection import Protection
from callerid.django._routes import UrlconfReader, UrlRoute, place_of
from callerid.django._startup_checks import CheckedView, checked_views, handler_problems, unbound
from callerid.django._views import ViewFacts, methods_of, serving_of, view_class_of
from callerid.errors import CalleridError

__all__ = ["map_of"]

_resolvers: Any = resolvers
_converters: Any = converters


def map_of(handler: BaseHandler) -> AccessMap:
    """The map of a project, protected or not; ``handler`` is its WSGI or ASGI application."""
    routing = UrlconfReader(cast("Any", urls).get_resolver())
    written = _written(routing.routes)
    protection = protection_of(handler)
    if protection is None:
        return AccessMap("Django", (), tuple(_unprotected(routing)), behind=tuple(_behind(routing, written)))
    checked = tuple(checked_views(protection, routing))
    found = [each for each in checked if each.policy is not None]
    keys = [str(id(each.route.entry)) for each in found]
    asked = [(each, key) for each, key in zip(found, keys, strict=True)]
    rows = with_shadows([_row(protection, each, written) for each in found], keys, DjangoRouter(routing, asked))
    rest = elsewhere(protection.rules, ServedBy(answers=_answers(routing), options=False))
    every = merged((*rows, rest))
    problems = [*told_once((each.method, each.problem) for each in checked), *unbound(protection, routing)]
    problems += [*handler_problems(routing), *told_once(never_served(rows))]
    names = names_of(every)
    served = [(each, names[one.name]) for each, one in zip(found, rows, strict=True)]
    return AccessMap(
        "Django",
        every,
        tuple(dict.fromkeys(problems)),
        unenforced=() if protection.rollout is None else (protection.rollout.words(),),
        router=DjangoRouter(routing, served),
        audited=frozenset(str(each) for each in checked if protection.is_audited(each.place, each.method)),
        answered=tuple(_row(protection, each, written) for each in _refused(protection, routing)),
    )


def _refused(protection: Protection, routing: UrlconfReader) -> Iterator[CheckedView]:
    """Where Django answers 405, for all methods that a view is not for: no later route is tried."""
    for route in routing.routes:
        if methods_of(route.view) is not None:
            place = place_of(serving_of(ViewFacts.of(route.view), ""), (route,), route.template)
            with suppress(CalleridError):  # a problem of the view's own place, too
                yield CheckedView(HTTP, place, protection.rules.policy(place, "*"), route)


def _row(protection: Protection, found: CheckedView, written: dict[int, str]) -> Row:
    rules, policy = protection.rules, found.policy
    assert policy is not None  # noqa: S101 - only those with one have rows
    serves = ServedBy(
        endpoint_name(view_class_of(found.route.view)),
        written[id(found.route.entry)],
        order=((found.route.number, ""),),
        options=False,
        refuses=found.method == HTTP,
    )
    parts = (
        Part(each.origin if isinstance(each.origin, str) else "decorator", each.requirement) for each in policy.written
    )
    place = found.method, found.route.template
    return row(place, tuple(parts), policy.parts, rules.default, serves)


def _answers(routing: UrlconfReader) -> bool:
    """Whether something of a project's own answers where it has no route."""
    return getattr(routing.resolver.urlconf_module, "handler404", None) is not None


# --- paths with their converters ---


def _written(routes: Sequence[UrlRoute]) -> dict[int, str]:
    """For each entry of the URLconf its path; of what only a regular expression says, all that may be is taken."""
    found: dict[int, str] = {}
    names = Counter[str]()
    for route in routes:
        written = _path_of(route)
        names[written] += 1
        is_read = "<regex:" not in written
        found[id(route.entry)] = written if names[written] == 1 or is_read else f"{written[:-1]}_{names[written]}>"
    return found


def _path_of(route: UrlRoute) -> str:
    path = "/"
    patterns = [*(each.pattern for each in route.within), route.entry.pattern]
    for pattern in patterns:
        is_last = pattern is patterns[-1]
        if type(pattern) is _resolvers.RoutePattern:
            path += _with_converters(pattern)
        elif type(pattern) is _resolvers.LocalePrefixPattern:
            path += "<language:prefix>/"
        elif type(pattern) is _resolvers.RegexPattern and (text := _literal(str(pattern), is_last=is_last)) is not None:
            path += text
        else:
            path += _beginning(str(pattern)) if type(pattern) is _resolvers.RegexPattern else ""
            inside, _, rest = path.rpartition("/")
            own = re.sub(r"\W+", "_", route.template.removeprefix(f"{inside}/") or rest).strip("_")
            return f"{inside}/<regex:{own if own[:1].isalpha() else f'r{own}'}>"
    return path


def _with_converters(pattern: Any) -> str:
    """A route with its converters; one that may be another than its name says is written by its class."""
    written = str(pattern)
    for name, converter in pattern.converters.items():
        known = _KNOWN.get(type(converter), type(converter).__name__)
        written = re.sub(rf"<(?:[^<>:]+:)?{name}>", f"<{known}:{name}>", written)
    return written


_KNOWN: Final = {_converters.StringConverter: "str", _converters.IntConverter: "int"}
"""The converters of which it is known what they take."""

_PLAIN: Final = re.compile(r"\^((?:[\w\-/ ~@,:!%&'=]|\\[.\-/])*)(\$|\\Z)?")


def _literal(regex: str, *, is_last: bool) -> str | None:
    """The text that alone a regular expression is for, if that is so."""
    found = _PLAIN.fullmatch(regex)
    if found is None or bool(found[2]) is not is_last:
        return None
    return re.sub(r"\\(.)", r"\1", found[1])


def _beginning(regex: str) -> str:
    """The whole segments that all texts begin with that a regular expression is for, as far as it is plain."""
    found = re.match(r"\^((?:[\w\-/ ~@,:!%&'=]|\\[.\-/])*)(?![?*+{])", regex)
    if found is None or "|" in regex:
        return ""
    inside, slash, _ = re.sub(r"\\(.)", r"\1", found[1]).rpartition("/")
    return inside + slash


class DjangoRouter:
    """Django's own resolver, asked what serves a request (see `callerid.audit._rows.Router`).

    ``served`` are the entries of the URLconf, each for a method, with the name of its row.
    """

    def __init__(self, routing: UrlconfReader, served: Sequence[tuple[CheckedView, str]]) -> None:
        self._routing = routing
        self._names: dict[tuple[int, str], str] = {}
        for each, name in served:
            self._names.setdefault((id(each.route.entry), each.method), name)

    def __call__(self, method: str, host: str, path: str) -> str | None:
        try:
            match = self._routing.resolver.resolve(path)
        except urls.Resolver404:
            return ""
        except Exception:  # noqa: BLE001 - a converter of the project's own runs its own code
            return None
        routes = self._routing.routes_at(match)
        if len(routes) != 1:
            return None
        entry = id(routes[0].entry)
        return self._names.get((entry, method)) or self._names.get((entry, "*"), "")


# --- without a guard ---


def _behind(routing: UrlconfReader, written: dict[int, str]) -> Iterator[tuple[str, Place]]:
    """All places of a project, each with a method, for a path table in front of it."""
    if _answers(routing):
        yield "*", EVERYWHERE
    for route in routing.routes:
        for place in places_of(written[id(route.entry)]):
            yield from ((method, place) for method in sorted(methods_of(route.view) or ("*",)))


def _unprotected(routing: UrlconfReader) -> Iterator[str]:
    views = tuple(dict.fromkeys(route.view for route in routing.routes))
    yield from unguarded(views, _REMEDY)
    yield f"no guard protects this Django project, so anybody may call it: {_REMEDY}"


_REMEDY: Final = "put 'callerid.django.CallerMiddleware' last in MIDDLEWARE"

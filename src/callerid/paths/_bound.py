"""The path table of an application whose routes are known: each key names a place, where its rule holds.

A key names a route by the route's own template (``/users/{user_id}``, ``POST /tasks``), or a mounted application by its
path and ``/*`` (``/static/*``). It is bound to that place and holds whenever the place serves, however the path of a
request is written. Only below an opaque mount, where no routes can be seen, a key goes on as a pattern over the rest
of the written path (see `callerid.paths.PathTable`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

from callerid.errors import ConfigurationError, pointed
from callerid.guard import GuardCore, Requirement
from callerid.paths._lookup import PathLookup
from callerid.paths._pattern import ANY_METHOD, Pattern, method_and_path
from callerid.paths._table import PathTable, TableEntry, required
from callerid.rules import Rule

__all__ = ["BoundTable", "NamedPlace", "Serves", "normalized"]

_PREFIX: Final = "/*"

# {name} and {name:converter} as Starlette writes them, <name> and <converter(arguments):name> as Werkzeug does.
_PARAMETER: Final = re.compile(
    r"\{([A-Za-z_]\w*)(?::[^{}]*)?\}|<(?:[A-Za-z_]\w*(?:\(.*?\))?:)?([A-Za-z_]\w*)>", re.ASCII
)


def normalized(template: str) -> str:
    """A template as keys are compared with it: parameters as ``{name}``, no slash at the end."""
    return _PARAMETER.sub(lambda found: f"{{{found[1] or found[2]}}}", template).removesuffix("/")


class Serves(Enum):
    """What stands at a place."""

    ROUTE = "a route"
    REST = "a route whose last parameter takes slashes"
    MOUNT = "a mounted application whose routes can be seen"
    OPAQUE = "a mounted application that reads the rest of the path by itself"


@dataclass(frozen=True, slots=True)
class NamedPlace:
    """One place that a key may name: its template, the methods it serves (``None``: any), and what stands there."""

    template: str
    methods: Collection[str] | None = None
    serves: Serves = Serves.ROUTE

    @property
    def normalized(self) -> str:
        """See `normalized`."""
        return normalized(self.template)

    @property
    def prefix(self) -> str | None:
        """The path by which a key with ``/*`` names this place, if it can."""
        if self.serves is Serves.ROUTE:
            return None
        return self.normalized if self.serves is not Serves.REST else self.normalized.rpartition("/")[0]

    def answers(self, method: str) -> bool:
        """Whether a key of this method (`callerid.paths._pattern.ANY_METHOD` for none) can name it."""
        return method == ANY_METHOD or self.methods is None or method in self.methods


class _Key(NamedTuple):
    text: str
    method: str
    template: str
    is_prefix: bool

    @classmethod
    def parse(cls, text: object) -> _Key:
        method, path = method_and_path(text)
        is_prefix = path.endswith(_PREFIX)
        template = normalized(path.removesuffix(_PREFIX) if is_prefix else path)
        if "*" in template:
            raise ConfigurationError(f"{text!r}: * stands last only, as in '/static/*'", code="path-pattern")
        return cls(str(text), method, template, is_prefix)


class BoundTable:
    """Rules by place. ``routes`` maps keys to rules, IAM member strings or ``guard.allow(rule, audience=...)``.

    A key is a route's template or a mount's path with ``/*``; both forms of a slash at its end count, and the names of
    parameters, not their converters. A method before it (``"POST /tasks"``) limits it to that method; ``GET`` covers
    ``HEAD``, ``WEBSOCKET`` means handshakes. Where several keys name a place, the most specific one holds: the route's
    own template before the mounts it is in, the innermost of them first, and a key with a method before one without.

    ``name`` is that of the table in messages. Raises `ConfigurationError` for what is no key, for two keys of one
    place, and for a rule that names a path parameter which its key does not have or that can admit nobody.
    """

    def __init__(self, routes: Mapping[str, Rule | str | Requirement], guard: GuardCore, name: str = "routes") -> None:
        if not isinstance(routes, Mapping):
            raise ConfigurationError(
                f"{name}= maps paths to rules, such as {{'/health': Public()}}, not {routes!r}",
                code="path-table",
            )
        self.name = name
        self._keys: dict[tuple[str, str, bool], _Key] = {}
        requirements: dict[str, Requirement] = {}
        for text, asked in routes.items():
            key = _Key.parse(text)
            parameters = (found[1] for found in _PARAMETER.finditer(key.template))
            requirements[key.text] = required(guard, asked, f"{name}[{text!r}]", parameters)
            rival = self._keys.setdefault((key.method, key.template, key.is_prefix), key)
            if rival is not key:
                raise ConfigurationError(
                    f"{rival.text!r} and {text!r} are the same place for the same method: write one of them",
                    code="path-table-same-place",
                )
        self.requirements: Mapping[str, Requirement] = MappingProxyType(requirements)
        """The requirement of every key, as written."""
        self._patterns: dict[str, PathLookup | None] = {}

    def find(self, method: str, template: str, prefixes: Iterable[str] = ()) -> TableEntry | None:
        """The entry that names a place, or ``None``. A handshake's method is `callerid.paths.WEBSOCKET`.

        ``template`` is the route's, empty where no route is meant; ``prefixes`` are the paths of the mounts that it is
        in (and its own, for a place that has one), outermost first.
        """
        methods = (method, "GET", ANY_METHOD) if method == "HEAD" else (method, ANY_METHOD)
        named = [(normalized(template), False)] if template else []
        named += [(normalized(prefix), True) for prefix in reversed(tuple(prefixes))]
        for path, is_prefix in named:
            for each in methods:
                key = self._keys.get((each, path, is_prefix))
                if key is not None:
                    return TableEntry(key.text, self.requirements[key.text])
        return None

    def at(self, entry: TableEntry) -> str:
        """An entry as it is written, for messages."""
        return f"{self.name}[{entry.pattern!r}]"

    def patterns(self, mount: str) -> PathLookup | None:
        """The keys for an opaque mount, as patterns over the rest of the path; ``None`` for none.

        Raises `ConfigurationError` for a key that is no such pattern, and for two that may be read as the same.
        """
        prefix = normalized(mount)
        if prefix not in self._patterns:
            found = [
                (key.text, pattern, self.requirements[key.text])
                for key in self._keys.values()
                if (pattern := _rest(key, prefix)) is not None
            ]
            self._patterns[prefix] = PathLookup(PathTable.below(found)) if found else None
        return self._patterns[prefix]

    def unbound(self, places: Iterable[NamedPlace]) -> Iterator[str]:
        """What is wrong with each key that names none of these places, and the remedy."""
        every = tuple(places)
        for key in self._keys.values():
            try:
                is_bound = any(_names(key, place) for place in every)
            except ConfigurationError as error:
                yield pointed(f"{self.name}[{key.text!r}]: {error.message}", error.code)
                continue
            if not is_bound:
                remedy = _remedy(key, every)
                why = f"{self.name}[{key.text!r}]: no route of this application has this path template: {remedy}"
                yield pointed(why, "path-table-key-unknown")


def _names(key: _Key, place: NamedPlace) -> bool:
    if not place.answers(key.method):
        return False
    if place.serves is Serves.OPAQUE:
        return _rest(key, place.normalized) is not None
    if place.serves is Serves.MOUNT and not key.is_prefix:
        return False
    return key.template == (place.prefix if key.is_prefix else place.normalized)


def _rest(key: _Key, prefix: str) -> Pattern | None:
    """The pattern of a key for paths below a mount; ``None`` where it names none of them."""
    if key.template != prefix and not key.template.startswith(f"{prefix}/"):
        return None
    rest = key.template.removeprefix(prefix) + (_PREFIX if key.is_prefix else "")
    pattern = Pattern.parse(rest or "/")
    return Pattern(key.text, key.method, pattern.path, pattern.segments)


# --- remedies ---


def _remedy(key: _Key, places: tuple[NamedPlace, ...]) -> str:
    same = [place for place in places if key.template == (place.prefix if key.is_prefix else place.normalized)]
    methods = sorted({method.partition(" ")[0] for place in same for method in place.methods or ()})
    if methods:
        return f"it answers {', '.join(methods)}, and not the method of this key"
    if not key.is_prefix and any(place.serves is Serves.MOUNT for place in same):
        return f"an application is mounted there: write {key.text.removesuffix('/') + _PREFIX!r}"
    whole = next((place for place in places if place.serves is Serves.REST and _is_part(key, place)), None)
    if whole is not None:
        return (
            f"it is a part of what {whole.template!r} serves, which reads the rest of its path by itself: give that "
            f"part a route of its own, or name the whole route and compare the parameter by PathParam"
        )
    if key.is_prefix and not key.template:
        return "for all that nothing else names write default=, and for everything floor="
    if key.is_prefix:
        inside = sorted({place.template for place in places if place.normalized.startswith(f"{key.template}/")})
        below = f"; below it are {_listed(inside)}: name each, or mark their router or blueprint" if inside else ""
        return f"a key with /* names a mounted application{below or ' or a route whose last parameter takes slashes'}"
    near = difflib.get_close_matches(key.template, {place.normalized for place in places}, n=3, cutoff=0.5)
    templates = [place.template for name in near for place in places if place.normalized == name]
    nearest = f"; the nearest are {_listed(list(dict.fromkeys(templates)))}" if templates else ""
    return f"correct the path or the method{nearest}"


def _is_part(key: _Key, place: NamedPlace) -> bool:
    wanted, whole = key.template.split("/"), (place.prefix or "").split("/")
    return len(wanted) >= len(whole) and all(
        each == own or "{" in each or "{" in own for each, own in zip(wanted, whole, strict=False)
    )


_MOST_LISTED: Final = 5


def _listed(templates: list[str]) -> str:
    shown = ", ".join(map(repr, templates[:_MOST_LISTED]))
    return shown if len(templates) <= _MOST_LISTED else f"{shown} and {len(templates) - _MOST_LISTED} more"

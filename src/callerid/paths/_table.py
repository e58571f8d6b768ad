"""The path table: for a method and a path, the most specific entry that covers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, Requirement
from callerid.paths._pattern import ANY_METHOD, REST, Pattern, segments_of
from callerid.rules import Rule, described, path_parameters

__all__ = ["PathTable", "TableEntry", "required"]


@dataclass(frozen=True, slots=True)
class TableEntry:
    """The entry for a path: its ``pattern`` as written, its requirement, and the path parameters as text."""

    pattern: str
    requirement: Requirement
    parameters: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class PathTable:
    """Rules by path. ``routes`` maps patterns to rules, IAM member strings or ``guard.allow(rule, audience=...)``.

    A pattern is a path of whole segments: literal ones, ``{name}`` for exactly one, and ``*``, last only, for one or
    more: ``/a/*`` does not cover ``/a`` itself, which needs an entry of its own. With or without a slash at the end it
    is the same path. A method before it (``"POST /tasks/*"``) limits the entry to that method, ``GET`` covers ``HEAD``,
    ``WEBSOCKET`` means handshakes; an entry without a method covers all of these. The most specific entry that covers
    the request wins: segment by segment from the left a literal goes before ``{name}`` before ``*``, then an entry
    naming the method before one that does not.

    The time of a look-up does not depend on the number of entries. Raises `ConfigurationError` for invalid patterns
    (see `Pattern.parse`); two entries for one place; a rule that names a path parameter which its path does not
    have; a rule that can admit nobody. ``name`` is that of the table in messages.
    """

    def __init__(self, routes: Mapping[str, Rule | str | Requirement], guard: GuardCore, name: str = "routes") -> None:
        if not isinstance(routes, Mapping):
            raise ConfigurationError(
                f"{name}= maps paths to rules, such as {{'/health': Public()}}, not {routes!r}",
                code="path-table",
            )
        self.name = name
        entries: list[tuple[Pattern, Requirement]] = []
        for text, asked in routes.items():
            pattern = Pattern.parse(text)
            entries.append((pattern, required(guard, asked, f"{name}[{text!r}]", dict(pattern.names).values())))
        self._fill(entries)

    @classmethod
    def below(cls, entries: Iterable[tuple[str, Pattern, Requirement]]) -> PathTable:
        """A table of entries that were checked already, each under the given text."""
        table = object.__new__(cls)
        table.name = "routes"
        table._fill([(replace(pattern, text=text), requirement) for text, pattern, requirement in entries])
        return table

    def _fill(self, entries: list[tuple[Pattern, Requirement]]) -> None:
        self.patterns: tuple[Pattern, ...] = tuple(pattern for pattern, _ in entries)
        self.requirements: Mapping[str, Requirement] = MappingProxyType({each.text: asked for each, asked in entries})
        """The requirement of every pattern, as written."""
        self._root = _SegmentNode()
        for pattern, requirement in entries:
            self._root.grow(pattern, requirement)

    def find(self, method: str, path: str) -> TableEntry | None:
        """The entry for this request, or ``None``; a handshake's method is `WEBSOCKET`."""
        segments = segments_of(path)
        methods = (method, "GET", ANY_METHOD) if method == "HEAD" else (method, ANY_METHOD)
        leaf = self._root.find(segments, 0, methods)
        if leaf is None:
            return None
        return TableEntry(leaf.pattern, leaf.requirement, {name: segments[place] for place, name in leaf.names})


def required(guard: GuardCore, asked: object, where: str, parameters: Iterable[str] = ()) -> Requirement:
    """The requirement given as ``default=``, ``floor=`` or an entry, with the checks that need no other rules.

    ``where`` names it in messages, ``parameters`` are those of its path. Raises `ConfigurationError`.
    """
    if not isinstance(asked, Rule | str | Requirement):
        raise ConfigurationError(
            f"{where} takes a rule, an IAM member string, or callerid.Guard's allow(rule, audience=...), "
            f"not {described(asked)}",
            code="not-a-rule",
        )
    requirement = asked if isinstance(asked, Requirement) else guard.requirement(asked)
    for name in sorted(path_parameters(requirement.rule).difference(parameters)):
        raise ConfigurationError(
            f"{where}: PathParam({name!r}) needs exactly one path parameter of that name, and the path "
            f"has no {{{name}}}",
            code="path-parameter",
        )
    guard.check_possible(requirement, where)
    return requirement


@dataclass(frozen=True, slots=True)
class _Leaf:
    pattern: str
    requirement: Requirement
    names: tuple[tuple[int, str], ...]


class _SegmentNode:
    """A node of the segment tree. ``here`` and ``rest`` map methods to the entries that end here, or in ``*`` here."""

    __slots__ = ("here", "literals", "parameter", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _SegmentNode] = {}
        self.parameter: _SegmentNode | None = None
        self.here: dict[str, _Leaf] = {}
        self.rest: dict[str, _Leaf] = {}

    def grow(self, pattern: Pattern, requirement: Requirement) -> None:
        node = self
        for segment in pattern.segments:
            if segment != REST:
                node = node._onwards(segment)
        ends = node.rest if REST in pattern.segments else node.here
        rival = ends.setdefault(pattern.method, _Leaf(pattern.text, requirement, pattern.names))
        if rival.pattern != pattern.text:
            raise ConfigurationError(
                f"{rival.pattern!r} and {pattern.text!r} are the same place for the same method: write one of them",
                code="path-table-same-place",
            )

    def _onwards(self, segment: str) -> _SegmentNode:
        if not segment.startswith("{"):
            return self.literals.setdefault(segment, _SegmentNode())
        self.parameter = self.parameter or _SegmentNode()
        return self.parameter

    def find(self, segments: tuple[str, ...], depth: int, methods: tuple[str, ...]) -> _Leaf | None:
        # Each node has one parent, so none is visited twice, and the recursion ends at the deepest entry.
        if depth == len(segments):
            return _first(self.here, methods)
        segment = segments[depth]
        for node in (self.literals.get(segment), self.parameter if segment else None):
            if node is not None and (leaf := node.find(segments, depth + 1, methods)) is not None:
                return leaf
        return _first(self.rest, methods)


def _first(ends: Mapping[str, _Leaf], methods: tuple[str, ...]) -> _Leaf | None:
    return next((ends[method] for method in methods if method in ends), None)

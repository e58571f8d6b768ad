"""The routers, mounts and route that lead to a place, shared by all requests to it, and its entries in path tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from callerid._marks import Mark
from callerid.authorization import Policy
from callerid.paths import TableEntry
from callerid.starlette._protection import Protection
from callerid.starlette._routes import RoutePlace
from callerid.starlette._templates import joined

__all__ = ["BEGINNING", "NO_ENTRIES", "RouteChain", "Span", "TableMatch"]

MOST_CHAINS: Final = 1000
"""A place keeps at most this many chains. With more, most belong to routes that no longer exist: all are dropped."""


@dataclass(frozen=True, slots=True)
class TableMatch:
    """The entries of path tables that hold at a place, each with the number of its area."""

    entries: tuple[tuple[int, TableEntry], ...] = ()
    is_shadow: bool = False

    @property
    def texts(self) -> tuple[tuple[int, str], ...]:
        """The entries by their keys in the tables: a bounded set, so it may be a cache key."""
        return tuple((area, entry.pattern) for area, entry in self.entries)

    @property
    def parameters(self) -> Mapping[str, str]:
        """The path parameters in the patterns of entries below an opaque mount."""
        return {name: value for _, entry in self.entries for name, value in entry.parameters.items()}


NO_ENTRIES: Final = TableMatch()


class Span(NamedTuple):
    """The part of a chain that is under one protection, as its path table sees it.

    ``template`` is the path template relative to the protected application, ``prefixes`` are the paths on it that a key
    with ``/*`` may name, outermost first.
    """

    template: str = ""
    prefixes: tuple[str, ...] = ()

    def through(self, place: RoutePlace) -> Span:
        """The span extended by one place."""
        if place.prefix is None:
            return Span(self.template + place.path, self.prefixes)
        return Span(self.template + place.path, (*self.prefixes, self.template + place.prefix))


class RouteChain:
    """The routers, mounts and route that lead to a place, outermost first: shared by all requests to it.

    ``areas`` are the protections, each with the marks under it. There is one chain for each place of the application,
    so requests cannot make their number grow.
    """

    __slots__ = (
        "areas",
        "has_rollout_or_shadow",
        "has_tables",
        "is_plain",
        "matches",
        "may_be_audited",
        "parameters",
        "place",
        "policies",
        "protection",
        "spans",
        "template",
        "templates",
    )

    def __init__(
        self,
        areas: tuple[tuple[Protection, tuple[Mark, ...]], ...] = (),
        parameters: tuple[tuple[str, str], ...] = (),
        templates: tuple[str, ...] = (),
        spans: tuple[Span, ...] = (),
        place: RoutePlace | None = None,
    ) -> None:
        self.areas, self.parameters, self.templates = areas, parameters, templates
        self.template = joined(templates)
        """The path template, the host in front of it."""
        self.protection = cast("Protection", areas[-1][0] if areas else None)
        """The innermost protection."""
        self.spans = spans
        """The part of the chain in each area."""
        self.place = place
        """The place at the end of the chain."""
        self.has_tables = any(protection.has_tables for protection, _ in areas)
        self.has_rollout_or_shadow = any(each.rollout is not None or each.shadow is not None for each, _ in areas)
        """Whether a protection is report-only or has a shadow policy."""
        self.may_be_audited = place is not None and any(
            protection.audited.may_name(span.template, span.prefixes, is_mount=place.is_mount)
            for (protection, _), span in zip(areas, spans, strict=True)
            if protection.audited is not None
        )
        """Whether requests that end here may be audited."""
        self.is_plain = not (self.has_tables or self.has_rollout_or_shadow or self.may_be_audited)
        """Whether nothing but floors, marks and a default can hold at its end, and who is let in is not audited."""
        self.matches: dict[tuple[tuple[str, ...], bool], TableMatch] = {}
        """The path tables' entries at the end of this chain, by the methods and whether shadow tables were used."""
        self.policies: dict[Any, Policy] = {}
        """The policies at the end of this chain, by whether an endpoint is meant and the path tables' entries."""

    def under(self, protection: Protection) -> RouteChain:
        """The chain extended by a protection, made anew and cached by it: look in ``protection.chains`` first."""
        chain = RouteChain(
            (*self.areas, (protection, ())), self.parameters, self.templates, (*self.spans, Span()), self.place
        )
        _keep(protection.chains, self, chain)
        return chain

    def through(self, place: RoutePlace) -> RouteChain:
        """The chain extended by a place, made anew and cached by the place: look in ``place.chains`` first."""
        protection, marks = self.areas[-1]
        chain = RouteChain(
            (*self.areas[:-1], (protection, (*marks, *place.marks))),
            (*self.parameters, *place.parameters),
            (*self.templates, place.template),
            tuple(span.through(place) for span in self.spans),
            place,
        )
        _keep(place.chains, self, chain)
        return chain


BEGINNING: Final = RouteChain()
"""The chain of a request before it is in any router."""


def _keep(chains: dict[RouteChain, RouteChain], before: RouteChain, chain: RouteChain) -> None:
    if len(chains) >= MOST_CHAINS:
        chains.clear()
    chains[before] = chain

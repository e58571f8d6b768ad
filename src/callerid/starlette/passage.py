"""One request on its way through the routers of an application: what was found, and what was decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from starlette.routing import Router
from starlette.types import Scope

from callerid.algebra import check_possible
from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, Requirement, combined
from callerid.marks import Mark, path_parameters, unguarded
from callerid.rules import all_of
from callerid.starlette.narrow import KEY
from callerid.starlette.reading import Place, Step

if TYPE_CHECKING:
    from callerid.starlette.protection import Protection

__all__ = ["KEY", "Passage", "Ruling"]

Parts: TypeAlias = tuple[tuple[GuardCore, Requirement], ...]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What must hold at one place, outermost first: at an endpoint one requirement for each guard on the way."""

    parts: Parts
    marks: frozenset[Mark]


class Passage:
    """How far one request has come: what stands on the way to here, and what was decided here.

    Each router on the way has a passage of its own, so that a second try or a copied scope finds nothing but what is
    above it. Only the task that serves the request touches it.
    """

    # Made for every request, and most of it stays as it begins: so the class holds the beginnings, all immutable.
    areas: tuple[tuple[Protection, tuple[Mark, ...]], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    templates: tuple[str, ...] = ()
    leads_to: Router | None = None
    pending: bool = True
    ends: tuple[tuple[GuardCore, float], ...] = ()
    """When the tokens that speak for this request expire, by each guard's clock: what a socket must not outlive."""
    above: Passage | None = None
    step: Step | None = None
    """Where the router's table leads: its pin answers with the match by which it was chosen."""
    _callers: Mapping[GuardCore, Caller | None] = MappingProxyType({})
    _decided: frozenset[Mark] = frozenset()
    _path: Mapping[str, Any] = MappingProxyType({})

    def onwards(self) -> Passage:
        """From here through the next router: what stands on the way holds there, and nothing is decided yet."""
        passage = Passage()
        passage.above = self
        passage.areas, passage.parameters, passage.templates = self.areas, self.parameters, self.templates
        return passage

    def enter(self, protection: Protection) -> None:
        """Come under a protection, beneath those that hold already."""
        self.areas = (*self.areas, (protection, ()))

    def note(self, places: Iterable[Place]) -> None:
        """Take along what stands at these places."""
        for place in places:
            protection, marks = self.areas[-1]
            if place.marks:
                self.areas = (*self.areas[:-1], (protection, (*marks, *place.marks)))
            if place.parameters:
                self.parameters += place.parameters
            self.templates += (place.template,)

    @property
    def protection(self) -> Protection:
        """The innermost protection."""
        return self.areas[-1][0]

    def route(self, scope: Scope) -> str:
        """The route for the log: its template, since a path may hold anything."""
        method = scope["method"] if scope["type"] == "http" else "WS"
        return f"{method} {''.join(self.templates) or '(no route)'}"

    def ruling(self, *, endpoint: bool) -> Ruling:
        """What must hold here; where no ``endpoint`` is meant (405, 404) the default counts, too.

        Raises `ConfigurationError` for an endpoint that nobody can reach, `UnguardedEndpointError` for a mark whose
        guard is not installed on the way.
        """
        asked: dict[GuardCore, list[Requirement]] = {protection.guard: [] for protection, _ in self.areas}
        for protection, marks in self.areas:
            if protection.floor is not None:
                asked[protection.guard].append(protection.floor)
            for mark in marks:
                if mark.guard not in asked:
                    raise unguarded(mark, "".join(self.templates))
                asked[mark.guard].append(mark.requirement)
        innermost, marks = self.areas[-1]
        if not marks or not endpoint:
            asked[innermost.guard].append(innermost.default)
        every = frozenset(mark for _, found in self.areas for mark in found)
        if not endpoint:
            # A route's rule and the default may exclude each other: then a wrong method is refused to everybody.
            return Ruling(tuple((guard, each) for guard, requirements in asked.items() for each in requirements), every)
        parts = tuple((guard, combined(requirements)) for guard, requirements in asked.items() if requirements)
        self._check(parts)
        return Ruling(parts, every)

    def _check(self, parts: Parts) -> None:
        where = "".join(self.templates)
        for guard, requirement in parts:
            guard.check_possible(requirement, where)
            _check_parameters(requirement, self.parameters, where)
        _check_together(parts, where)

    def answered(self) -> None:
        """Remember that a guard has answered, for all who wait for it."""
        passage: Passage | None = self
        while passage is not None:
            passage.pending = False
            passage = passage.above

    def settle(self, ruling: Ruling, callers: dict[GuardCore, Caller | None], path: Mapping[str, Any]) -> None:
        """Remember what was decided, and for which path parameters."""
        self.answered()
        self._decided, self._callers, self._path = ruling.marks, callers, path

    def has_decided(self, mark: Mark) -> bool:
        """Whether this mark was judged, and let in."""
        return mark in self._decided

    def has_noted(self, mark: Mark) -> bool:
        """Whether this mark was judged, or will be by the router that this leads to."""
        return any(mark in marks for _, marks in self.areas)

    def caller_under(self, mark: Mark, path: Mapping[str, Any]) -> Caller | None:
        """The caller as decided under a mark.

        Raises `UnguardedEndpointError` for what was not decided, or not for this path.
        """
        if mark not in self._decided or (path is not self._path and dict(path) != dict(self._path)):
            raise unguarded(mark, "".join(self.templates) or "the endpoint")
        return self._callers[mark.guard]

    @property
    def caller(self) -> Caller | None:
        """The caller as the innermost guard decided."""
        return next(reversed(tuple(self._callers.values())), None)


def _check_parameters(requirement: Requirement, parameters: tuple[tuple[str, str], ...], where: str) -> None:
    for name in path_parameters(requirement.rule):
        kinds = [kind for parameter, kind in parameters if parameter == name]
        if len(kinds) != 1:
            found = "has no such parameter" if not kinds else "has it more than once"
            raise ConfigurationError(
                f"{where}: PathParam({name!r}) names whoever the path names, and the path {found}: "
                "give the parameter one name of its own in the path"
            )
        if kinds[0] not in ("StringConvertor", "IntegerConvertor"):
            raise ConfigurationError(
                f"{where}: PathParam({name!r}) compares text or whole numbers, and the path converts it by {kinds[0]}: "
                f"write {{{name}}} or {{{name}:int}}"
            )


def _check_together(parts: Parts, where: str) -> None:
    # Two guards may trust different issuers, but their rules must go together all the same.
    if len(parts) > 1:
        issuers = tuple(dict.fromkeys(issuer for guard, _ in parts for issuer in guard.issuers))
        check_possible(all_of(tuple(requirement.rule for _, requirement in parts)), issuers, where)

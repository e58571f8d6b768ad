"""The map of a Starlette or FastAPI application, from the survey that checks it at start-up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from starlette.applications import Starlette

from callerid.access.rows import ANYWHERE_ELSE, AccessMap, Part, Row, merged, row
from callerid.access.unguarded import left_behind, name_of
from callerid.guard import GuardCore, Requirement, combined
from callerid.marks import marks_on
from callerid.starlette.protection import Protection
from callerid.starlette.seam import Seam
from callerid.starlette.survey import Found, survey, unanswered

__all__ = ["map_of", "protection_of"]


def protection_of(app: Starlette) -> Protection | None:
    """What protects an application by its routes, if something does."""
    holder: Any = app.router.middleware_stack
    while holder is not None and not isinstance(holder, Seam):
        holder = getattr(holder, "app", None)
    return None if holder is None else holder.protection


def map_of(app: Starlette, kind: str) -> AccessMap:
    """The map of an application, protected or not."""
    protection = protection_of(app)
    if protection is None:
        return AccessMap(kind, (), tuple(dict.fromkeys(_unprotected(app, kind))))
    found = tuple(survey(app.router, protection))
    rows = [*(_row(each) for each in found if each.ruling is not None), _elsewhere(protection)]
    shown = frozenset(mark for each in found for _, marks in each.areas for mark in marks)
    guards = {area.guard for each in found for area, _ in each.areas}
    endpoints = [each.endpoint for each in found]
    problems = [f"{each.method or 'WS'} {each.problem}" for each in found if each.problem]
    problems += unanswered(found, protection)
    problems += left_behind(endpoints, shown, guards)
    return AccessMap(kind, merged(rows), tuple(dict.fromkeys(problems)), unenforced=_unenforced(found, protection))


def _unenforced(found: Iterable[Found], protection: Protection) -> tuple[str, ...]:
    where = {protection: "everywhere"}
    for each in found:
        for (area, _), mount in zip(each.areas, each.mounts, strict=True):
            where.setdefault(area, f"under {mount}")
    return tuple(area.rollout.words(place) for area, place in where.items() if area.rollout is not None)


def _row(found: Found) -> Row:
    ruling = found.ruling
    assert ruling is not None  # noqa: S101 - asked for those alone
    innermost, _ = found.areas[-1]
    asked: dict[GuardCore, list[Requirement]] = {}
    for guard, requirement in ruling.parts:
        asked.setdefault(guard, []).append(requirement)
    return row(
        (found.method or "WS",),
        found.template,
        _parts(found),
        {guard: combined(requirements) for guard, requirements in asked.items()},
        innermost.default,
    )


def _parts(found: Found) -> Iterator[Part]:
    # As `Passage.ruling` asks them.
    for area, (protection, marks) in enumerate(found.areas):
        if protection.floor is not None:
            yield Part("floor", protection.floor)
        for mark in marks:
            yield Part(found.sources[mark], mark.requirement)
        if area in found.entries:
            yield Part("table", found.entries[area].requirement)
    innermost, marks = found.areas[-1]
    if not marks and len(found.areas) - 1 not in found.entries:
        yield Part("default", innermost.default)


def _elsewhere(protection: Protection) -> Row:
    parts = [] if protection.floor is None else [Part("floor", protection.floor)]
    parts.append(Part("default", protection.default))
    asked = {protection.guard: combined([part.requirement for part in parts])}
    return row(("*",), ANYWHERE_ELSE, parts, asked, protection.default)


def _unprotected(app: Starlette, kind: str) -> Iterator[str]:
    endpoints = tuple(_endpoints(app.router.routes))
    for endpoint in endpoints:
        for mark in marks_on(endpoint):
            yield (
                f"{name_of(endpoint)} is marked with {mark.requirement.rule!r}, and its guard protects nothing here: "
                "call guard.protect(app, default=...)"
            )
    yield from left_behind(endpoints)
    yield f"no guard protects this {kind} application, so anybody may call it: call guard.protect(app, default=...)"


def _endpoints(routes: Iterable[Any]) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "original_router", route)
        yield getattr(route, "endpoint", None)
        yield from _endpoints(getattr(inner, "routes", None) or ())

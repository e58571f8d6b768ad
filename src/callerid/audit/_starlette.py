"""The map of a Starlette or FastAPI application, from what is checked at start-up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from callerid.audit._places import EVERYWHERE, Place, places_of
from callerid.audit._row_sets import elsewhere, merged, names_of, told_once
from callerid.audit._rows import ANYWHERE_ELSE, AccessMap, Part, Row, ServedBy, row
from callerid.audit._scope import HTTP
from callerid.audit._shadowed import never_served, with_shadows
from callerid.audit._starlette_router import StarletteRouter
from callerid.audit._starlette_unguarded import protection_in, unprotected
from callerid.audit._unguarded import endpoint_name
from callerid.authorization import Policy
from callerid.errors import ConfigurationError
from callerid.guard import GuardCore, Requirement, combined
from callerid.rules import Nobody
from callerid.starlette._checked_route import CheckedRoute
from callerid.starlette._decorator import MarkedApp
from callerid.starlette._protection import Protection
from callerid.starlette._routes import RouteReader
from callerid.starlette._startup_checks import checked_routes, not_starting, unanswered
from callerid.starlette._templates import joined

__all__ = ["map_of"]


def map_of(app: Starlette, kind: str) -> AccessMap:
    """The map of an application, protected or not."""
    protection = protection_in(app.router)
    if protection is None:
        unenforced = tuple(dict.fromkeys(unprotected(app, kind)))
        return AccessMap(kind, (), unenforced, behind=tuple(_behind(app, kind)))
    every = tuple(checked_routes(app.router, protection, rests=True))
    found = tuple(each for each in every if not (each.is_rest or each.refuses))
    orders, numbers = _orders(every), _numbers(every)
    judged = [each for each in zip(every, orders, numbers, strict=True) if each[0].policy is not None]
    rows = _with_shadows(app, protection, [(each[0], _row(*each)) for each in judged])
    problems = told_once((each.method or "WS", each.problem) for each in found)
    problems = [*problems, *unanswered(every, protection)] or [*not_starting(every)]
    protections = {"": protection} | {each.template: each.areas[-1][0] for each in every if _begins(each)}
    problems += told_once(never_served(row for each, row in rows if not each.refuses))
    rest = elsewhere(protection, ServedBy(answers=_answers(app)))
    every_row = merged((*(row for each, row in rows if not each.refuses), rest))
    names = names_of(every_row)
    return AccessMap(
        kind,
        every_row,
        tuple(dict.fromkeys(problems)),
        unenforced=_unenforced(found, protection),
        settings=tuple(dict.fromkeys(line for each in protections.values() for line in _settings(each))),
        router=StarletteRouter(app.router, protection, [(each, names.get(row.name, row.name)) for each, row in rows]),
        answered=tuple(row for each, row in rows if each.refuses),
        audited=frozenset(f"{each.method or 'WS'} {each.template}" for each in found if each.audited),
    )


def _with_shadows(
    app: Starlette, protection: Protection, rows: list[tuple[CheckedRoute, Row]]
) -> list[tuple[CheckedRoute, Row]]:
    keys = [str(id(each.place)) for each, _ in rows]
    # An entry of a table for a part of a mount is at the mount's own place.
    whole = [(each, key) for (each, _), key in zip(rows, keys, strict=True) if not each.is_part]
    noted = with_shadows([row for _, row in rows], keys, StarletteRouter(app.router, protection, whole))
    return [(each, row) for (each, _), row in zip(rows, noted, strict=True)]


def _unenforced(found: Iterable[CheckedRoute], protection: Protection) -> tuple[str, ...]:
    where = {protection: "everywhere"}
    for each in found:
        for (area, _), mount in zip(each.areas, each.mounts, strict=True):
            where.setdefault(area, f"under {mount}")
    return tuple(area.rollout.words(place) for area, place in where.items() if area.rollout is not None)


def _begins(found: CheckedRoute) -> bool:
    """Whether a protection begins where this rest is."""
    return found.is_rest and not found.areas[-1][1] and len(found.areas) > 1


def _settings(protection: Protection) -> Iterator[str]:
    sockets = protection.websockets
    if sockets.protocol is not None:
        yield f"websocket-protocol {sockets.protocol}"
    if sockets.outlive_tokens:
        yield "websocket-outlives-token yes"


def _orders(found: Sequence[CheckedRoute]) -> list[int]:
    """The place of each among those that are tried: what a table has of a route's paths goes before the route."""
    keys, group = list[tuple[Any, ...]](), 0
    for each in found:
        group += not each.is_part
        keys.append(
            (group, not each.is_part, [_rank(segment) for segment in each.template.split("/")], not each.method)
        )
    ranked = sorted(range(len(keys)), key=keys.__getitem__)
    orders = {place: order for order, place in enumerate(ranked)}
    return [orders[place] for place in range(len(keys))]


def _numbers(found: Sequence[CheckedRoute]) -> list[int]:
    """Which of those for one method and path it is."""
    seen: Counter[tuple[str, str]] = Counter()
    numbers = list[int]()
    for each in found:
        seen[each.method, each.template] += 1
        numbers.append(seen[each.method, each.template])
    return numbers


def _rank(segment: str) -> int:
    return 2 if segment == "*" else int(segment.startswith("{"))


def _row(found: CheckedRoute, order: int, number: int) -> Row:
    policy = found.policy
    assert policy is not None  # noqa: S101 - asked for those alone
    innermost, _ = found.areas[-1]
    asked: dict[GuardCore, list[Requirement]] = {}
    for guard, requirement in policy.parts:
        asked.setdefault(guard, []).append(requirement)
    return row(
        (
            HTTP if found.refuses else found.method or "WS",
            f"{found.template}/{ANYWHERE_ELSE}" if found.is_rest else found.template,
        ),
        _parts(found, policy),
        [(guard, each) for guard, requirements in asked.items() for each in _judged(requirements)],
        innermost.default,
        _serves(found, order, number),
    )


def _judged(requirements: list[Requirement]) -> list[Requirement]:
    """What one guard asks, each part as it is judged: at an endpoint all as one, elsewhere each by itself."""
    try:
        combined(requirements)
    except ConfigurationError:  # below a mount, where there is no route: nobody has a token for both
        return [Requirement(Nobody())]
    return requirements


def _serves(found: CheckedRoute, order: int, number: int) -> ServedBy:
    endpoint = found.endpoint
    while isinstance(endpoint, MarkedApp):
        endpoint = endpoint.app
    name = "" if found.is_rest else endpoint_name(endpoint)
    written = found.template if found.is_part else _written(found.template, found.parameters)
    if found.condition and not written.startswith("("):
        # Two of them may be for one path.
        written = f"{written} ({found.condition} {number})"
    # The rest of a mount that adds nothing to the path is that of what is around it, too.
    mount = None if found.is_rest and found.mount == found.template else found.mount
    return ServedBy(
        name,
        f"{written}/{ANYWHERE_ELSE}" if found.is_rest else written,
        below=found.opaque and not found.is_part,
        either_slash=found.is_part,
        opaque=found.opaque and not name.startswith(_FILES),
        answers=found.is_rest and _answers(endpoint),
        order=((order, ""),),
        mount="" if mount is None else f"{_written(mount, found.parameters)}/{ANYWHERE_ELSE}",
        refuses=found.refuses,
    )


_FILES = ("starlette:StaticFiles", "fastapi:")
"""What is mounted and serves files alone: nothing in it decides who may."""

_CONVERTERS = {
    "StringConvertor": "",
    "IntegerConvertor": ":int",
    "FloatConvertor": ":float",
    "UUIDConvertor": ":uuid",
    "PathConvertor": ":path",
    "host": "",
}


def _written(template: str, parameters: tuple[tuple[str, str], ...]) -> str:
    """The template with its converters; by their classes those of the application's own."""
    # Hosts stand first there, and those of a mount are the first of their names.
    left = sorted(parameters, key=lambda each: each[1] != "host")

    def parameter(found: re.Match[str]) -> str:
        at = next((at for at, (name, _) in enumerate(left) if name == found[1]), None)
        name, kind = (found[1], "host") if at is None else left.pop(at)
        return f"{{{name}{_CONVERTERS.get(kind, f':{kind.replace(chr(32), chr(95))}')}}}"

    return re.sub(r"\{(\w+)\}", parameter, template)


def _parts(found: CheckedRoute, policy: Policy) -> Iterator[Part]:
    for _, requirement, origin in policy.written:
        yield Part(origin if isinstance(origin, str) else found.sources[origin], requirement)


def _answers(app: Any) -> bool:
    """Whether something of an application's own answers where it has no route."""
    router = getattr(app, "router", app)
    handlers = getattr(app, "exception_handlers", {})
    own = [router.default, *(handlers[each] for each in (404, HTTPException, Exception) if each in handlers)]
    modules = (getattr(each, "__module__", None) or "?" for each in own)
    return any(module.partition(".")[0] not in ("starlette", "fastapi") for module in modules)


def _behind(app: Starlette, kind: str) -> Iterator[tuple[str, Place]]:
    """All places of an application, each with a method, for a path table in front of it."""
    if _answers(app):
        yield "*", EVERYWHERE
    reader = RouteReader()
    if kind == "FastAPI":
        from callerid.fastapi._routes import FastAPIReader  # noqa: PLC0415 - only where there is FastAPI

        reader = FastAPIReader(app, None)
    yield from _places_in((app.router,), (), reader)


def _places_in(routers: tuple[Any, ...], above: tuple[str, ...], reader: RouteReader) -> Iterator[tuple[str, Place]]:
    """The places of the last of these routers, each of which is mounted in the one before."""
    router = routers[-1]
    for _, route in reader.table(router):
        behind = reader.behind(route)
        # Without its converters: more than there may be.
        place = reader.place(route, "GET")
        takes_slashes = place.prefix is not None and not place.is_mount
        own = re.sub(r"\{(\w+)\}", r"{\1:path}" if takes_slashes else r"{\1}", place.template)
        if behind is not None and all(behind is not each for each in routers):
            yield from _places_in((*routers, behind), (*above, own), reader)
            continue
        for found in places_of(joined((*above, own)), below=place.is_mount or behind is not None, either_slash=True):
            yield from ((method or "WS", found) for method in reader.methods(route))

"""The map of a Flask application, from the survey that checks it before the first request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask
from werkzeug.exceptions import NotFound
from werkzeug.routing.converters import DEFAULT_CONVERTERS

from callerid.access.places import EVERYWHERE, Place, places_of
from callerid.access.rows import ANYWHERE_ELSE, AccessMap, Part, Row, Serves, merged, row, told_once
from callerid.access.unguarded import endpoint_name, left_behind, name_of
from callerid.flask.protection import Protection
from callerid.flask.seam import EXTENSION
from callerid.flask.survey import Found, survey, unbound
from callerid.guard import combined
from callerid.marks import marks_on

__all__ = ["map_of"]


def map_of(app: Flask) -> AccessMap:
    """The map of an application, protected or not."""
    protection = app.extensions.get(EXTENSION)
    if not isinstance(protection, Protection):
        return AccessMap("Flask", (), tuple(_unprotected(app)), behind=tuple(_behind(app)))
    found = tuple(survey(protection))
    orders = _orders(found)
    judged = ((each, order) for each, order in zip(found, orders, strict=True) if each.ruling is not None)
    rows = [*(_row(protection, *each) for each in judged), _elsewhere(protection)]
    problems = [*told_once((each.method, each.problem) for each in found), *unbound(protection)]
    return AccessMap(
        "Flask",
        merged(rows),
        tuple(dict.fromkeys(problems)),
        unenforced=() if protection.rollout is None else (protection.rollout.words(),),
    )


def _orders(found: tuple[Found, ...]) -> list[int]:
    """The place of each among those that are tried, as werkzeug's matcher tries them: part by part, by weight."""
    ranked = sorted(range(len(found)), key=lambda place: _weights(found[place].place.rule))
    orders = {place: order for order, place in enumerate(ranked)}
    return [orders[place] for place in range(len(found))]


def _weights(rule: Any) -> list[tuple[Any, ...]]:
    parts: list[Any] = getattr(rule, "_parts", [])
    return [(0,) if part.static else (1, *part.weight) for part in parts]


def _serves(protection: Protection, found: Found, order: int) -> Serves:
    rule: Any = found.place.rule
    url_map = protection.app.url_map
    host = rule.host if url_map.host_matching else rule.subdomain and f"{rule.subdomain}.SERVER_NAME"
    view, written = getattr(found.view, "view_class", found.view), found.place.template
    for name, converter in getattr(rule, "_converters", {}).items():
        if type(converter) not in _CONVERTERS:
            # The application may have put its own under any name.
            written = re.sub(rf"<[^<>]*\b{name}>", f"<{type(converter).__name__}:{name}>", written)
    return Serves(
        endpoint_name(view),
        f"{host or ''}{written}",
        either_slash=not rule.strict_slashes,
        order=order,
    )


_CONVERTERS = frozenset(DEFAULT_CONVERTERS.values())


def _row(protection: Protection, found: Found, order: int) -> Row:
    ruling = found.ruling
    assert ruling is not None  # noqa: S101 - asked for those alone
    rules = protection.rules
    asked = {rules.guard: ruling.whole}
    serves = _serves(protection, found, order)
    return row((found.method, found.place.template), _parts(protection, found), asked, rules.default, serves)


def _parts(protection: Protection, found: Found) -> Iterator[Part]:
    # As `Rules.ruling` asks them.
    rules, place, ruling = protection.rules, found.place, found.ruling
    assert ruling is not None  # noqa: S101 - asked for those alone
    yield from (Part("floor", requirement) for requirement in rules.floor)
    for mark in place.marks:
        yield Part(protection.reader.source(place, mark), mark.requirement)
    if ruling.entry is not None:
        yield Part("table", ruling.entry.requirement)
    elif not place.marks:
        yield Part("default", rules.default)


def _elsewhere(protection: Protection) -> Row:
    rules = protection.rules
    parts = [*(Part("floor", requirement) for requirement in rules.floor), Part("default", rules.default)]
    whole = combined([part.requirement for part in parts])
    return row(
        ("*", ANYWHERE_ELSE), parts, {rules.guard: whole}, rules.default, Serves(answers=_answers(protection.app))
    )


def _answers(app: Flask) -> bool:
    """Whether something of an application's own answers where it has no route."""
    handlers = app.error_handler_spec[None]
    return bool(handlers.get(404)) or any(issubclass(NotFound, kind) for kind in handlers.get(None, ()))


def _behind(app: Flask) -> Iterator[tuple[str, Place]]:
    """All places of an application, each with a method, for a path table in front of it."""
    if _answers(app):
        yield "*", EVERYWHERE
    for rule in app.url_map.iter_rules():
        for place in places_of(rule.rule, either_slash=True):
            yield from ((method, place) for method in rule.methods or ("*",))


def _unprotected(app: Flask) -> Iterator[str]:
    views = tuple(app.view_functions.values())
    for view in views:
        for mark in marks_on(view):
            yield (
                f"{name_of(view)} is marked with {mark.requirement.rule!r}, and its guard protects nothing here: "
                "call guard.protect(app, default=...)"
            )
    yield from left_behind(views)
    yield "no guard protects this Flask application, so anybody may call it: call guard.protect(app, default=...)"

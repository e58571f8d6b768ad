"""The map of a Flask application, from the survey that checks it before the first request."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Flask

from callerid.access.rows import ANYWHERE_ELSE, AccessMap, Part, Row, merged, row
from callerid.access.unguarded import left_behind, name_of
from callerid.flask.protection import Protection
from callerid.flask.seam import EXTENSION
from callerid.flask.survey import Found, survey, unanswered
from callerid.guard import combined
from callerid.marks import marks_on

__all__ = ["map_of"]


def map_of(app: Flask) -> AccessMap:
    """The map of an application, protected or not."""
    protection = app.extensions.get(EXTENSION)
    if not isinstance(protection, Protection):
        return AccessMap("Flask", (), tuple(_unprotected(app)))
    found = tuple(survey(protection))
    rows = [*(_row(protection, each) for each in found if each.ruling is not None), _elsewhere(protection)]
    shown = frozenset(mark for each in found for mark in each.place.marks)
    problems = [f"{each.method} {each.problem}" for each in found if each.problem]
    problems += [*unanswered(protection), *left_behind([each.view for each in found], shown, [protection.rules.guard])]
    unenforced = () if protection.rollout is None else (protection.rollout.words(),)
    return AccessMap("Flask", merged(rows), tuple(dict.fromkeys(problems)), unenforced=unenforced)


def _row(protection: Protection, found: Found) -> Row:
    ruling = found.ruling
    assert ruling is not None  # noqa: S101 - asked for those alone
    rules = protection.rules
    asked = {rules.guard: ruling.whole}
    return row((found.method,), found.place.template, _parts(protection, found), asked, rules.default)


def _parts(protection: Protection, found: Found) -> Iterator[Part]:
    # As `Rules.ruling` asks them.
    rules, place = protection.rules, found.place
    yield from (Part("floor", requirement) for requirement in rules.floor)
    for mark in place.marks:
        yield Part(protection.reader.source(place, mark), mark.requirement)
    if found.entry is not None:
        yield Part("table", found.entry.requirement)
    elif not place.marks:
        yield Part("default", rules.default)


def _elsewhere(protection: Protection) -> Row:
    rules = protection.rules
    parts = [*(Part("floor", requirement) for requirement in rules.floor), Part("default", rules.default)]
    whole = combined([part.requirement for part in parts])
    return row(("*",), ANYWHERE_ELSE, parts, {rules.guard: whole}, rules.default)


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

"""The map of whatever application it is. Frameworks that are not loaded are not imported: no application is theirs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from callerid.audit._front import chain_of, fronts_of, is_django, is_flask, is_gate, is_starlette
from callerid.audit._lifespan import has_lifespan
from callerid.audit._rows import AccessMap
from callerid.audit._shown import impossible
from callerid.audit._table import audited_by, rows_of, unanswered_by
from callerid.errors import ConfigurationError
from callerid.paths import prefix_of

__all__ = ["access_map", "is_wsgi"]


def access_map(app: Any, *, started: bool = False) -> AccessMap:
    """Every route of an application with the rule that guards it.

    Takes applications of FastAPI, Starlette, Flask and Django, and those of any framework behind one of the
    `CallerMiddleware`; in front of them may stand anything that shows what it holds. What a `CallerMiddleware` asks
    holds beside the rules of the routes behind it. ``started`` is whether the application's lifespan has begun, in
    which it may add routes (see `callerid.access.started`). Raises `ConfigurationError` for anything else.
    """
    found = _access_map(app)
    audited = found.audited.union(*map(audited_by, _gates(app)))
    fronts, awaits_start = tuple(fronts_of(app)), not started and has_lifespan(app)
    return replace(found, fronts=fronts, awaits_start=awaits_start, audited=audited)


def _access_map(app: Any) -> AccessMap:
    framed = _framed(app)
    gates = tuple(_gates(app))
    behind = tuple(map(rows_of, gates))
    outside = tuple(row for rows in behind for row in rows)
    if len(gates) + bool(framed is not None and framed.rows) > 1:
        # What one middleware asks does not stand for what another does behind it.
        outside = tuple(
            replace(row, template=f"{row.template} (middleware {number})")
            for number, rows in enumerate(behind, 1)
            for row in rows
        )
    if framed is None and not outside:
        raise ConfigurationError(
            f"an object of class {type(app).__qualname__} cannot be mapped: applications of FastAPI, Starlette, "
            "Flask and Django can, and any other behind callerid's CallerMiddleware",
            code="application-not-mapped",
        )
    unenforced = tuple(_unenforced(gates, alone=framed is None or not framed.rows))
    if framed is None:
        kind = "WSGI" if is_wsgi(app) else "ASGI"
        return AccessMap(kind, outside, layers=len(gates), by_path=True, unenforced=unenforced)
    framed = replace(framed, prefixes=tuple(_prefixes(app)) if gates else ())
    idle = tuple(problem for gate in gates for problem in unanswered_by(gate, framed))
    if outside and not framed.rows:
        # Guarded by path alone: marks would answer 500, and are among the problems.
        problems = (*framed.problems[:-1], *idle)
        alone = replace(framed, rows=outside, problems=problems, layers=len(gates), by_path=True)
        return replace(alone, unenforced=unenforced)
    every, problems = (*unenforced, *framed.unenforced), (*framed.problems, *idle)
    found = replace(
        framed,
        rows=(*outside, *framed.rows),
        problems=problems,
        layers=len(gates) + 1,
        unenforced=every,
        gates=behind if framed.rows else (),
    )
    return replace(found, problems=(*problems, *impossible(found)))


def is_wsgi(app: Any) -> bool:
    """Whether this is a WSGI application, not an ASGI one."""
    wsgi = sys.modules.get("callerid.wsgi")
    django = sys.modules.get("django.core.handlers.wsgi")
    return any(
        is_flask(each)
        or (wsgi and isinstance(each, wsgi.CallerMiddleware))
        or (django and isinstance(each, django.WSGIHandler))
        for each in chain_of(app)
    )


def _framed(app: Any) -> AccessMap | None:
    for each in chain_of(app):
        if is_flask(each):
            from callerid.audit._flask import map_of as map_of_flask  # noqa: PLC0415 - only where there is Flask

            return map_of_flask(each)
        if is_django(each):
            from callerid.audit._django import map_of as map_of_django  # noqa: PLC0415 - only where there is Django

            return map_of_django(each)
        if is_starlette(each):
            from callerid.audit._starlette import map_of  # noqa: PLC0415 - only where there is Starlette

            fastapi = sys.modules.get("fastapi")
            return map_of(each, "FastAPI" if fastapi and isinstance(each, fastapi.FastAPI) else "Starlette")
    return None


def _gates(app: Any) -> Iterator[Any]:
    return (each.gate for each in chain_of(app) if is_gate(each))


def _prefixes(app: Any) -> Iterator[str]:
    """What is cut off paths before routes are looked for, by settings of the application and of its middleware."""
    links = [each for each in chain_of(app) if is_starlette(each) or is_gate(each)]
    return (prefix for prefix in dict.fromkeys(prefix_of(getattr(each, "root_path", None)) for each in links) if prefix)


def _unenforced(gates: tuple[Any, ...], *, alone: bool) -> Iterator[str]:
    for number, gate in enumerate(gates, 1):
        if gate.rollout is not None:
            yield gate.rollout.words("everywhere" if alone and len(gates) == 1 else f"in middleware {number}")

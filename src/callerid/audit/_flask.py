"""The map of a Flask application, from what is checked before the first request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from flask import Flask
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import MapAdapter
from werkzeug.routing.converters import DEFAULT_CONVERTERS

from callerid.audit._places import EVERYWHERE, Place, places_of
from callerid.audit._row_sets import elsewhere, merged, names_of, told_once
from callerid.audit._rows import (
    ANYWHERE_ELSE,
    AccessMap,
    Order,
    Part,
    Row,
    ServedBy,
    canonical,
    row,
)
from callerid.audit._scope import AUTOMATIC
from callerid.audit._shadowed import never_served, with_shadows
from callerid.audit._unguarded import PROTECT, endpoint_name, unguarded
from callerid.audit.algebra import separate
from callerid.authorization import Policy
from callerid.errors import CalleridError
from callerid.flask._current import Serving
from callerid.flask._dispatch import EXTENSION
from callerid.flask._protection import Protection
from callerid.flask._routing import adapter_at
from callerid.flask._startup_checks import CheckedRule, checked_rules, unbound

__all__ = ["map_of"]


def map_of(app: Flask) -> AccessMap:
    """The map of an application, protected or not."""
    protection = app.extensions.get(EXTENSION)
    if not isinstance(protection, Protection):
        return AccessMap("Flask", (), tuple(_unprotected(app)), behind=tuple(_behind(app)))
    found = tuple(checked_rules(protection))
    answered = [(each, _row(protection, each, policy)) for each, policy in _answered(protection)]
    rows = _with_shadows(
        app, [(each, _row(protection, each, each.policy)) for each in found if each.policy is not None], answered
    )
    every = merged((*(row for _, row in rows), elsewhere(protection.rules, ServedBy(answers=_answers(app)))))
    problems = [*told_once((each.method, each.problem) for each in found), *unbound(protection)]
    problems += told_once(never_served(row for _, row in rows))
    names = names_of(every)
    served = [(each.place.rule, each.method, names[row.name]) for each, row in rows]
    served += [(each.place.rule, "OPTIONS", row.name + AUTOMATIC) for each, row in answered]
    views = _by_path(every)
    # Of two rules for one path the first one answers.
    first = {row.name: row for _, row in reversed(answered)}
    return AccessMap(
        "Flask",
        every,
        tuple(dict.fromkeys(problems)),
        unenforced=() if protection.rollout is None else (protection.rollout.words(),),
        router=FlaskRouter(app, served),
        answered=tuple(_automatic(row) for row in first.values() if _is_unexpected(row, views)),
        audited=frozenset(str(each) for each in found if protection.is_audited(each.place, each.method)),
    )


def _with_shadows(
    app: Flask, rows: list[tuple[CheckedRule, Row]], answered: list[tuple[CheckedRule, Row]]
) -> list[tuple[CheckedRule, Row]]:
    every = [*rows, *((each, _automatic(row)) for each, row in answered)]
    keys = [str(id(each.place.rule)) for each, _ in every]
    asked = [(each.place.rule, each.method, key) for (each, _), key in zip(every, keys, strict=True)]
    noted = with_shadows([row for _, row in every], keys, FlaskRouter(app, asked))
    return [(each, row) for (each, _), row in zip(rows, noted, strict=False)]


def _answered(protection: Protection) -> Iterator[tuple[CheckedRule, Policy]]:
    """The places at which Flask itself answers OPTIONS, with what is asked there."""
    for rule in protection.app.url_map.iter_rules():
        if not rule.build_only and getattr(rule, "provide_automatic_options", False):
            view = protection.app.view_functions.get(rule.endpoint)
            place = protection.reader.place(Serving(rule, None, view, "OPTIONS"))
            with suppress(CalleridError):  # a problem of the view's own place, too
                policy = protection.rules.policy(place, "OPTIONS", endpoint=False)
                yield CheckedRule("OPTIONS", place, policy, view=view), policy


def _automatic(row: Row) -> Row:
    (serves,) = row.serves
    return replace(row, serves=(replace(serves, written=serves.written + AUTOMATIC),))


def _by_path(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for each in rows:
        found.setdefault(each.written(each.methods[0]), []).append(each)
    return found


def _is_unexpected(row: Row, views: Mapping[str, list[Row]]) -> bool:
    """Whether a view is for OPTIONS, too, or OPTIONS asks something else than all views there and the default."""
    own = [*views[ANYWHERE_ELSE], *views.get(row.written("OPTIONS"), ())]
    if any("OPTIONS" in each.methods for each in own):
        return True
    return repr(canonical(separate(each.rule for each in own))) != repr(canonical(row.rule))


def _order(rule: Any) -> Order:
    """Where a rule stands in werkzeug's matcher: part by part, texts first, then converters by their weight."""
    return tuple((_rank(part), part.content) for part in getattr(rule, "_parts", ()))


def _rank(part: Any) -> tuple[Any, ...]:
    return (0,) if part.static else (1, part.weight)


def _serves(protection: Protection, found: CheckedRule) -> ServedBy:
    rule: Any = found.place.rule
    view, written = getattr(found.view, "view_class", found.view), found.place.template
    for name, converter in getattr(rule, "_converters", {}).items():
        if type(converter) not in _CONVERTERS:
            # The application may have put its own under any name.
            written = re.sub(rf"<[^<>]*\b{name}>", f"<{type(converter).__name__}:{name}>", written)
    return ServedBy(
        endpoint_name(view),
        f"{_host(protection.app, rule)}{written}",
        either_slash=not rule.strict_slashes,
        order=_order(rule),
        options=rule.methods is None or "OPTIONS" in rule.methods,
    )


def _host(app: Flask, rule: Any) -> str:
    """The host for which a rule is, as ``Flask.create_url_adapter`` has it; empty for any."""
    if app.url_map.host_matching:
        return rule.host or _NO_HOST
    if rule.subdomain:
        return f"{rule.subdomain}.{_OWN_HOST}"
    return _OWN_HOST if app.subdomain_matching and cast("Any", app.config)["SERVER_NAME"] else ""


_OWN_HOST = "SERVER_NAME"
"""Stands for the application's own host, of which a rule may name a subdomain."""

_NO_HOST = "NO_HOST"
"""Stands for the host of a rule that names none where hosts are matched: it never serves."""

_CONVERTERS = frozenset(DEFAULT_CONVERTERS.values())


def _row(protection: Protection, found: CheckedRule, policy: Policy) -> Row:
    rules = protection.rules
    place = found.method, found.place.template
    return row(place, _parts(protection, found, policy), policy.parts, rules.default, _serves(protection, found))


def _parts(protection: Protection, found: CheckedRule, policy: Policy) -> Iterator[Part]:
    for _, requirement, origin in policy.written:
        source = origin if isinstance(origin, str) else protection.reader.source(found.place, origin)
        yield Part(source, requirement)


def _answers(app: Flask) -> bool:
    """Whether something of an application's own answers where it has no route."""
    handlers = app.error_handler_spec[None]
    return bool(handlers.get(404)) or any(issubclass(NotFound, kind) for kind in handlers.get(None, ()))


class FlaskRouter:
    """Werkzeug's own routing, asked what serves a request (see `callerid.audit._rows.Router`).

    ``served`` are the rules of the URL map, each with a method and the name of its row.
    """

    def __init__(self, app: Flask, served: Sequence[tuple[Any, str, str]]) -> None:
        self._app = app
        self._names: dict[tuple[int, str], str] = {}
        self._adapters: dict[str, MapAdapter] = {}
        # Rules are known by identity, and live as long as this.
        self._rules = [rule for rule, _, _ in served]
        for rule, method, name in served:
            self._names.setdefault((id(rule), method), name)

    def __call__(self, method: str, host: str, path: str) -> str | None:
        if method == "WS":
            return ""
        try:
            rule, _ = self._adapter(host).match(path, method, return_rule=True)
        except HTTPException:  # a redirect, too
            return ""
        except Exception:  # noqa: BLE001 - a converter of the application's own runs its own code
            return None
        return self._names.get((id(rule), method)) or self._names.get((id(rule), "*"), "")

    def _adapter(self, host: str) -> MapAdapter:
        if host not in self._adapters:
            own = cast("str | None", self._app.config["SERVER_NAME"]) or "localhost"
            base_url = f"http://{host.replace(_OWN_HOST, own)}/" if host else None
            self._adapters[host] = adapter_at(self._app, base_url)
        return self._adapters[host]


def _behind(app: Flask) -> Iterator[tuple[str, Place]]:
    """All places of an application, each with a method, for a path table in front of it."""
    if _answers(app):
        yield "*", EVERYWHERE
    for rule in app.url_map.iter_rules():
        for place in places_of(rule.rule, either_slash=True):
            yield from ((method, place) for method in rule.methods or ("*",))


def _unprotected(app: Flask) -> Iterator[str]:
    yield from unguarded(tuple(app.view_functions.values()), PROTECT)
    yield f"no guard protects this Flask application, so anybody may call it: {PROTECT}"

"""The routes of a lock, as it was written: where each stands, who may, and by which guards that is asked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from callerid.audit._lock import CONFIGURED_BY, FIRST_GUARD, Lock, mount_of
from callerid.audit._lock_rules import bad_lock, rule_of
from callerid.audit._places import ANYWHERE_ELSE
from callerid.audit._scope import RouteScope, is_middleware_entry, route_scope
from callerid.audit._trust import Trust
from callerid.rules import Rule, all_of, any_of

__all__ = ["LockedRoute", "rule_in", "written_in"]


@dataclass(frozen=True, slots=True)
class LockedRoute:
    """A route as a lock has it: where it stands, who may, and by which guards that is asked for which audiences.

    ``endpoint`` is what serves, ``said`` the lines that tell who may.
    """

    scope: RouteScope
    rule: Rule
    asked_by: tuple[tuple[str, frozenset[str] | None], ...]
    endpoint: str
    said: tuple[str, ...]
    opaque: bool = False
    options: bool = True
    refuses: bool = False


def written_in(lock: Lock, name: str) -> tuple[dict[str, Trust], list[LockedRoute], tuple[str, ...]]:
    """The guards by their names, the routes, and what is said of the application; ``name`` is the file's.

    Raises `ConfigurationError` for what no lock says.
    """
    guards: dict[str, Trust] = {}
    routes: dict[str, tuple[str, ...]] = {}
    application: tuple[str, ...] = ()
    for block, lines in lock.items():
        word = block.partition(" ")[0]
        if word == "application":
            application = lines
        elif word == "guard":
            guards[block] = Trust(tuple(line for line in lines if line.split(" ")[0] != CONFIGURED_BY))
        elif word == "issuer":
            issuer, _, guard = block.removeprefix("issuer ").partition(" of ")
            guard = guard or FIRST_GUARD
            known = guards.get(guard, Trust())
            guards[guard] = replace(known, issuers=(*known.issuers, (issuer.partition(" (")[0], lines)))
        else:
            routes[block] = lines
    mounts = [path for route in routes if (path := route.partition(" ")[2]).endswith(ANYWHERE_ELSE)]
    tells_slashes = "kind Flask" in application
    written = [_written(*route, name, mounts, tells_slashes=tells_slashes) for route in routes.items()]
    return guards, written, application


def _written(route: str, lines: tuple[str, ...], name: str, mounts: list[str], *, tells_slashes: bool) -> LockedRoute:
    where = f"{name}: {route}"
    rule, audiences = rule_in(lines, where)
    words: dict[str, list[str]] = {}
    for word, _, rest in (line.partition(" ") for line in lines):
        words.setdefault(word, []).append(rest)
    beside = words.get("beside", [])
    scope = route_scope(
        route,
        below=not words.keys().isdisjoint({"mounts", "opaque"}),
        either_slash="with" in words,
        strict=not tells_slashes or is_middleware_entry(route),
        mount=mount_of(route.partition(" ")[2], [each for each in mounts if each not in beside]),
    )
    after, slash_after = (frozenset(words.get(word, ())) for word in ("after", "other-slash-after"))
    return LockedRoute(
        replace(scope, after=after, slash_after=slash_after),
        rule,
        tuple(_asking(each, audiences, where) for each in words.get("asked-by", (FIRST_GUARD,))),
        next(iter(words.get("mounts", words.get("serves", ()))), ""),
        tuple(line for line in lines if line.partition(" ")[0] in _SAYING),
        "opaque" in words,
        "without" not in words,
        "answers" in words,
    )


def _asking(said: str, audiences: frozenset[str] | None, where: str) -> tuple[str, frozenset[str] | None]:
    """A guard that asks, and the audiences named there: ``audiences``, unless it has its own."""
    guard, has_own, own = said.partition(" for ")
    if not has_own:
        return guard, audiences
    try:
        named: Any = json.loads(own)
    except (ValueError, RecursionError):
        named = None
    if not _is_list(named) or not all(isinstance(each, str) for each in named):
        raise bad_lock(f"{where}: {own[:200]!r} is not a list of audiences")
    return guard, frozenset(named) or None


def _is_list(value: object) -> bool:
    return isinstance(value, list)


_SAYING = frozenset({"audience", "allow", "and", "or"})
_OTHER_WORDS = frozenset(
    {"serves", "mounts", "opaque", "with", "without", "answers", "beside", "after", "other-slash-after", "asked-by"}
)


def rule_in(lines: Iterable[str], where: str) -> tuple[Rule, frozenset[str] | None]:
    """The rule that a block holds, and the audiences; ``where`` is for messages.

    Raises `ConfigurationError` for what is none of ours.
    """
    parts: list[Rule] = []
    words: set[str] = set()
    audiences: set[str] = set()
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "audience":
            audiences.add(rest)
        elif word in ("allow", "and", "or"):
            words.add(word)
            parts.append(rule_of(rest, where))
        elif word not in _OTHER_WORDS:
            raise bad_lock(f"{where}: {line!r} is not a line of a lock")
    if not parts or words >= {"and", "or"}:
        raise bad_lock(f"{where}: it has no rule, or both 'and' and 'or'")
    rule = any_of(tuple(parts)) if "or" in words else all_of(tuple(parts))
    return rule, frozenset(audiences) or None

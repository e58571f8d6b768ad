"""An application as a comparison sees it: as its map has it now, and as a lock had it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from callerid.audit._lock import Lock, said_of
from callerid.audit._lock_rules import SOURCE_REMEDY, lacks_source
from callerid.audit._locked_routes import LockedRoute, written_in
from callerid.audit._order import with_scopes
from callerid.audit._places import ANYWHERE_ELSE
from callerid.audit._rows import AccessMap, Row
from callerid.audit._scope import AUTOMATIC, OTHER_SLASH, RouteScope, route_scope
from callerid.audit._serving import Application, RouteAccess
from callerid.audit._trust import Trust, as_before, believed_by_all, settings_of, trust_of
from callerid.audit.algebra import separate
from callerid.issuers import Issuer
from callerid.rules import Nobody

__all__ = ["as_locked", "as_of_now"]


def as_of_now(found: AccessMap) -> Application:
    """An application as its map has it."""
    accesses = [_access(row, scope) for row, scope in with_scopes(found)]
    if found.by_path:
        # Whatever stands behind answers anywhere.
        accesses = [replace(each, answers=True) for each in accesses]
    accesses += _answers_to_options(found.kind, accesses)
    kind = _BY_PATH if found.by_path else found.kind
    return Application(kind, accesses, frozenset(found.settings), found.router)


_BY_PATH = "by path"


def _access(row: Row, scope: RouteScope) -> RouteAccess:
    serves = row.serving(scope.method)
    # Equal words mean an equal rule, but for code without a source.
    unread = (SOURCE_REMEDY,) if lacks_source(row.rule) else ()
    return RouteAccess(
        scope,
        row.rule,
        row.believed[1],
        row.issuers,
        frozenset(line for each in row.judges for line in settings_of(each.guard)),
        (*said_of(row), *unread, *_trusted((trust_of(each.guard), each.requirement.audiences) for each in row.judges)),
        endpoint=serves.endpoint,
        opaque=serves.opaque,
        answers=serves.answers,
        options=serves.options,
        refuses=serves.refuses,
        order=serves.order,
    )


def _trusted(judges: Iterable[tuple[Trust, frozenset[str] | None]]) -> list[str]:
    """Whom the guards believe that ask, by which settings, and for which audiences, in words."""
    return sorted({f"{trust!r} {None if named is None else sorted(named)}" for trust, named in judges})


def as_locked(lock: Lock, found: AccessMap, name: str) -> Application:
    """An application as a lock had it; ``found`` is what it is compared with, ``name`` the file's.

    Raises `ConfigurationError` for what no lock says.
    """
    guards, written, said = written_in(lock, name)
    believed = [issuer for guard in found.guards for issuer in guard.issuers]
    issuers = {guard: as_before(trust, believed) for guard, trust in guards.items()}
    accesses = [_as_written(each, guards, issuers) for each in written]
    accesses += _rests(accesses)
    kind, _, by_path = next((line.partition(" ")[2] for line in said if line.startswith("kind ")), "").partition(", ")
    if kind == "Flask":
        accesses = [_for_options(each) for each in (*accesses, *_answers_to_options(kind, accesses))]
    sockets = frozenset(line for line in said if line.startswith("websocket"))
    return Application(_BY_PATH if by_path else kind, accesses, sockets)


def _as_written(each: LockedRoute, guards: dict[str, Trust], issuers: dict[str, tuple[Issuer, ...]]) -> RouteAccess:
    trusts = [(guards.get(guard, Trust()), audiences) for guard, audiences in each.asked_by]
    shared, audiences = believed_by_all([(issuers.get(guard, ()), audiences) for guard, audiences in each.asked_by])
    return RouteAccess(
        each.scope,
        each.rule,
        audiences,
        shared,
        frozenset(line for trust, _ in trusts for line in trust.settings),
        (*each.said, *_trusted(trusts)),
        endpoint=each.endpoint,
        opaque=each.opaque,
        options=each.options,
        refuses=each.refuses,
    )


def _rests(accesses: list[RouteAccess]) -> list[RouteAccess]:
    """What holds where there is no route, where a lock does not say: nobody may."""
    said = {each.scope.layer for each in accesses if each.is_default}
    missing = ({each.scope.layer for each in accesses} or {0}) - said
    rest = route_scope(f"* {ANYWHERE_ELSE}")
    return [RouteAccess(replace(rest, layer=layer), Nobody(), None, (), frozenset()) for layer in missing]


def _answers_to_options(kind: str, accesses: list[RouteAccess]) -> list[RouteAccess]:
    """What Flask itself answers to OPTIONS: it is asked what the view is, and the default, too."""
    defaults = [each for each in accesses if each.is_default and not each.scope.layer]
    if kind != "Flask" or not defaults:
        return []
    found: dict[str, list[RouteAccess]] = {}
    for each in sorted(accesses, key=lambda each: each.scope.method):
        if not each.scope.is_rest and not each.scope.layer:
            found.setdefault(each.scope.template, []).append(each)
    answered = (own for own in found.values() if all(each.options and each.scope.method != "*" for each in own))
    return [_automatic(own, defaults[0]) for own in answered if all(each.scope.method != "OPTIONS" for each in own)]


def _automatic(own: list[RouteAccess], default: RouteAccess) -> RouteAccess:
    first, asked = own[0], (*own, default)
    scope = replace(
        first.scope,
        name=f"OPTIONS {first.scope.template}{AUTOMATIC}",
        method="OPTIONS",
        after=frozenset[str]().union(*(each.scope.after for each in own)),
        slash_after=frozenset[str]().union(*(each.scope.slash_after for each in own)),
    )
    rule = separate(each.rule for each in asked)
    return replace(first, scope=scope, rule=rule, policy=tuple(line for each in asked for line in each.policy))


def _for_options(access: RouteAccess) -> RouteAccess:
    """A route for OPTIONS: it stands after what stands there with another method, whoever answers OPTIONS there."""
    scope = access.scope
    if scope.method != "OPTIONS":
        return access
    after, slash_after = (frozenset(_options(names)) for names in (scope.after, scope.slash_after))
    return replace(access, scope=replace(scope, after=after, slash_after=slash_after))


def _options(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        slash = OTHER_SLASH if name.endswith(OTHER_SLASH) else ""
        path = name.partition(" ")[2].removesuffix(slash)
        yield from (f"OPTIONS {path}{AUTOMATIC}{slash}", f"OPTIONS {path}{slash}")

"""The decision about a request by its path alone: table, default and floor as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from callerid.answers import Answer
from callerid.callers import Caller
from callerid.errors import BadRequest, ConfigurationError, Reason, Refusal
from callerid.guard import Flow, GuardCore, Identity, Requirement, combined
from callerid.paths.pattern import WEBSOCKET
from callerid.paths.table import Entry, PathTable, required
from callerid.rehearsal import Asked, Live, compare, known, let_through
from callerid.rollout import rollout_of
from callerid.rules import Rule

__all__ = ["Admitted", "Gate", "Refused", "first_expiry"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that is let in: as whom, and when the first token that spoke for it expires (seconds since the epoch).

    Both are ``None`` for a request that no token speaks for. ``lapses_at`` is when one would be refused that is let
    through because its refusal is not enforced.
    """

    caller: Caller | None
    expires_at: float | None
    lapses_at: float | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is not let in, and what the client is told."""

    refusal: Refusal
    answer: Answer


Sent = Callable[[], Mapping[str, list[str]]]


class Gate:
    """What must hold at each path of an application that has no routes to ask.

    ``enforce`` and ``until`` are those of `callerid.rollout`, for an application of this ``name``; ``shadow`` stands in
    the place of ``routes`` in decisions that are counted and answer nobody. Raises `ConfigurationError`.
    """

    def __init__(  # noqa: PLR0913 - what a middleware was given
        self,
        guard: GuardCore,
        *,
        default: Rule | str | Requirement,
        routes: Mapping[str, Rule | str | Requirement],
        floor: Rule | str | Requirement | None,
        enforce: bool = True,
        until: str | date | None = None,
        shadow: Mapping[str, Rule | str | Requirement] | None = None,
        name: str = "",
    ) -> None:
        if not isinstance(guard, GuardCore):
            raise ConfigurationError(f"guard= is a guard, such as Guard(google('https://…')), not {guard!r}")
        guard.check_ready()
        self.guard = guard
        self.default = required(guard, default, "default=")
        self.has_floor = floor is not None
        beneath = None if floor is None else required(guard, floor, "floor=")
        self.table = self._table(routes, beneath, "routes")
        self.shadow = None if shadow is None else self._table(shadow, beneath, "shadow")
        if beneath is not None:
            self.default = self._on(beneath, self.default, "default=")
        self.rollout = rollout_of(enforce, until, guard.clock(), name)

    def _table(self, routes: Mapping[str, Rule | str | Requirement], floor: Requirement | None, name: str) -> PathTable:
        table = PathTable(routes, self.guard, name)
        if floor is None:
            return table
        asked = table.requirements.items()
        return PathTable({text: self._on(floor, each, f"{name}[{text!r}]") for text, each in asked}, self.guard, name)

    def _on(self, floor: Requirement, requirement: Requirement, where: str) -> Requirement:
        try:
            both = combined((floor, requirement))
        except ConfigurationError as error:
            raise ConfigurationError(f"{where} and floor=: {error}") from None
        self.guard.check_possible(both, f"{where} and floor=")
        return both

    def decide(
        self,
        method: str,
        path: str,
        trouble: str | None,
        sent: Sent,
    ) -> Flow[Admitted | Refused]:
        """Decide, and log the decision.

        ``path`` is what the application will see, ``trouble`` why it could be read differently (see `ambiguous`), if
        it could, ``sent`` gives the headers that the guard reads; where no credential is asked for it is not called.
        """
        guard, entry = self.guard, self.table.find(method, path)
        requirement = self.default if entry is None else entry.requirement
        parameters: Mapping[str, Any] = {} if entry is None else entry.parameters
        route = _route(method, entry)
        identity = _UNREAD
        try:
            if trouble is not None:
                raise BadRequest(Reason.AMBIGUOUS_PATH, trouble)
            if not requirement.public:
                identity = yield from guard.identify(sent())
            caller = guard.judge(requirement, identity, parameters)
        except Refusal as refusal:
            call = _Call(method, path, trouble, sent, route, requirement)
            return (yield from self._refuse(call, refusal, identity, parameters))
        guard.record(route, requirement, identity)
        if self.shadow is not None:
            self._rehearse(_Call(method, path, trouble, sent, route, requirement), None, identity)
        return Admitted(caller, first_expiry(caller, identity.via))

    def _refuse(
        self, call: _Call, refusal: Refusal, identity: Identity, parameters: Mapping[str, Any]
    ) -> Flow[Admitted | Refused]:
        guard = self.guard
        self._rehearse(call, refusal, identity)
        rollout = self.rollout
        is_unread = call.trouble is not None and not call.requirement.public
        if is_unread and rollout is not None and rollout.lets_through(guard.clock()):
            # Nothing was read yet, and the application is told who is calling where this is let through.
            with suppress(Refusal):
                identity = yield from guard.identify(call.sent())
        if rollout is None or not rollout.lets_through(guard.clock()):
            instance = guard.record(call.route, call.requirement, identity, refusal)
            return Refused(refusal, guard.answer(refusal, instance))
        asked = Asked(guard, call.requirement, parameters)
        let_through(asked, call.route, identity, refusal)
        (caller,) = known((asked,), identity)
        return Admitted(caller, None, rollout.ends_at)

    def _rehearse(self, call: _Call, refusal: Refusal | None, identity: Identity) -> None:
        shadow, guard = self.shadow, self.guard
        if shadow is None:
            return

        entry = shadow.find(call.method, call.path)

        def asked() -> Iterator[Asked]:
            if call.trouble is not None:
                raise BadRequest(Reason.AMBIGUOUS_PATH, call.trouble)
            yield Asked(guard, self.default, {}) if entry is None else Asked(guard, entry.requirement, entry.parameters)

        route = call.route if entry is None else _route(call.method, entry)
        live = Live.of(route, guard, None if identity is _UNREAD else identity, refusal)
        compare(guard, live, asked, lambda _: call.sent())


_UNREAD: Final = Identity()
"""Whose credentials were not looked at, or not believed."""


class _Call(NamedTuple):
    """One request, as it is told to the gate, and what is asked of it."""

    method: str
    path: str
    trouble: str | None
    sent: Sent
    route: str
    requirement: Requirement


def _route(method: str, entry: Entry | None) -> str:
    # The path itself may hold anything; what the developer wrote may stand in a log.
    place = "(no entry)" if entry is None else entry.pattern[entry.pattern.index("/") :]
    return f"{'WS' if method == WEBSOCKET else method} {place}"


def first_expiry(*callers: Caller | None) -> float | None:
    """When the first of these tokens expires, in seconds since the epoch; ``None`` where there are none."""
    return min((caller.expires_at for caller in callers if caller is not None), default=None)

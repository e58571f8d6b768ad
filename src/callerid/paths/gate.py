"""The decision about a request by its path alone: table, default and floor as one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from callerid.answers import Answer
from callerid.callers import Caller
from callerid.errors import BadRequest, ConfigurationError, Reason, Refusal
from callerid.guard import Flow, GuardCore, Identity, Requirement, combined
from callerid.paths.pattern import WEBSOCKET
from callerid.paths.table import Entry, PathTable, required
from callerid.rules import Rule

__all__ = ["Admitted", "Gate", "Refused", "first_expiry"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A request that is let in: as whom, and when the first token that spoke for it expires (seconds since the epoch).

    Both are ``None`` for a request that no token speaks for.
    """

    caller: Caller | None
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that is not let in, and what the client is told."""

    refusal: Refusal
    answer: Answer


class Gate:
    """What must hold at each path of an application that has no routes to ask. Raises `ConfigurationError`."""

    def __init__(
        self,
        guard: GuardCore,
        *,
        default: Rule | str | Requirement,
        routes: Mapping[str, Rule | str | Requirement],
        floor: Rule | str | Requirement | None,
    ) -> None:
        if not isinstance(guard, GuardCore):
            raise ConfigurationError(f"guard= is a guard, such as Guard(google('https://…')), not {guard!r}")
        guard.check_ready()
        self.guard = guard
        self.table = PathTable(routes, guard)
        self.default = required(guard, default, "default=")
        self.has_floor = floor is not None
        if floor is not None:
            beneath = required(guard, floor, "floor=")
            asked = self.table.requirements.items()
            self.table = PathTable({text: self._on(beneath, each, f"routes[{text!r}]") for text, each in asked}, guard)
            self.default = self._on(beneath, self.default, "default=")

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
        sent: Callable[[], Mapping[str, list[str]]],
    ) -> Flow[Admitted | Refused]:
        """Decide, and log the decision.

        ``path`` is what the application will see, ``trouble`` why it could be read differently (see `ambiguous`), if
        it could, ``sent`` gives the headers that the guard reads; where no credential is asked for it is not called.
        """
        guard, entry = self.guard, self.table.find(method, path)
        requirement = self.default if entry is None else entry.requirement
        parameters: Mapping[str, Any] = {} if entry is None else entry.parameters
        route = _route(method, entry)
        identity = Identity()
        try:
            if trouble is not None:
                raise BadRequest(Reason.AMBIGUOUS_PATH, trouble)
            if not requirement.public:
                identity = yield from guard.identify(sent())
            caller = guard.judge(requirement, identity, parameters)
        except Refusal as refusal:
            instance = guard.record(route, requirement, identity, refusal)
            return Refused(refusal, guard.answer(refusal, instance))
        guard.record(route, requirement, identity)
        return Admitted(caller, first_expiry(caller, identity.via))


def _route(method: str, entry: Entry | None) -> str:
    # The path itself may hold anything; what the developer wrote may stand in a log.
    place = "(no entry)" if entry is None else entry.pattern[entry.pattern.index("/") :]
    return f"{'WS' if method == WEBSOCKET else method} {place}"


def first_expiry(*callers: Caller | None) -> float | None:
    """When the first of these tokens expires, in seconds since the epoch; ``None`` where there are none."""
    return min((caller.expires_at for caller in callers if caller is not None), default=None)

"""Decisions that answer nobody: as whom a request comes through that is not refused yet, and what other rules say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from callerid.callers import Caller
from callerid.errors import Reason, Refusal
from callerid.guard import GuardCore, Identity, Requirement, at_once, log
from callerid.rollout import WOULD_REFUSE
from callerid.rules import all_of

__all__ = ["Asked", "Live", "compare", "known", "let_through", "refusals"]


class Asked(NamedTuple):
    """A requirement, the guard that judges it and the path parameters by which it does."""

    guard: GuardCore
    requirement: Requirement
    path: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Live:
    """What the live rules decided at a route, and which credentials were read for it.

    ``identities`` are those that were believed, ``unbelieved`` why others were not.
    """

    route: str
    refusal: Refusal | None = None
    identities: Mapping[GuardCore, Identity] = field(default_factory=dict[GuardCore, Identity])
    unbelieved: Mapping[GuardCore, Refusal] = field(default_factory=dict[GuardCore, Refusal])

    @classmethod
    def of(cls, route: str, guard: GuardCore, identity: Identity | None, refusal: Refusal | None) -> Self:
        """As one guard decided: ``identity`` is ``None`` where no credential was read, or what was sent was refused."""
        identities = {} if identity is None else {guard: identity}
        if refusal is None or refusal.reason is Reason.AMBIGUOUS_PATH or identity is not None:
            return cls(route, refusal, identities)
        return cls(route, refusal, identities, {guard: refusal})


def let_through(asked: Asked, route: str, identity: Identity | None, refusal: Refusal) -> None:
    """Log a refusal that is not enforced, as one that is would be logged."""
    asked.guard.record(route, asked.requirement, identity, refusal, WOULD_REFUSE)


def refusals(
    asked: Iterable[Asked],
    identities: Mapping[GuardCore, Identity],
    sent: Callable[[GuardCore], Mapping[str, list[str]]],
) -> Iterator[Refusal]:
    """What each of these parts would answer that refuses, for the log of a refusal by another one.

    A part whose guard would have to wait for a key is left out.
    """
    for guard, requirement, path in asked:
        try:
            identity = Identity() if requirement.public else identities.get(guard) or guard.recognise(sent(guard))
            if identity is not None:
                guard.judge(requirement, identity, path)
        except Refusal as refusal:
            yield refusal


def known(asked: Iterable[Asked], identity: Identity) -> list[Caller | None]:
    """As whom a request comes through where refusals of one guard are not enforced, by each part that is asked.

    The verified caller, whatever a rule says of them; nobody at all where the token is not meant for this place: others
    may have been given it.
    """
    callers: list[Caller | None] = []
    for guard, requirement, path in asked:
        try:
            callers.append(guard.judge(requirement, identity, path))
        except Refusal as refusal:
            if refusal.reason is Reason.WRONG_AUDIENCE:
                return [None]
            callers.append(identity.caller)
    return callers


def compare(
    guard: GuardCore,
    live: Live,
    shadow: Callable[[], Iterable[Asked]],
    sent: Callable[[GuardCore], Mapping[str, list[str]]],
) -> None:
    """Judge a request by the shadow rules, too: count how that compares, and log where it differs. Raises nothing.

    ``shadow`` gives what they ask, or raises the `Refusal` that they begin with; ``sent`` the headers that a guard
    reads. Credentials that the live rules have read are not read again; others are read without waiting for a key.
    """
    try:
        _compare(guard, live, shadow, sent)
    except Exception:  # noqa: BLE001 - rules that are not in force must not disturb a request
        guard.tally.count("failed")
        fields = {"outcome": "shadow failed", "route": live.route}
        log.warning("the shadow rules cannot be judged at %s", live.route, exc_info=True, extra={"callerid": fields})


def _compare(
    guard: GuardCore,
    live: Live,
    shadow: Callable[[], Iterable[Asked]],
    sent: Callable[[GuardCore], Mapping[str, list[str]]],
) -> None:
    identities = dict(live.identities)
    parts: list[Asked] = []
    part: Asked | None = None
    refusal: Refusal | None = None
    try:
        parts += shadow()
        for part in parts:
            if part.requirement.public:
                continue
            if part.guard in live.unbelieved:
                raise live.unbelieved[part.guard]
            if part.guard not in identities:
                identity = at_once(part.guard.identify(sent(part.guard)))
                if identity is None:
                    guard.tally.count("unknown")
                    return
                identities[part.guard] = identity
            part.guard.judge(part.requirement, identities[part.guard], part.path)
    except Refusal as found:
        refusal = found
    if guard.tally.compare(live.refusal, refusal):
        return
    was = "allowed" if live.refusal is None else f"{live.refusal.status} {live.refusal.reason}"
    if refusal is not None:
        judge = guard if part is None else part.guard
        requirement = None if part is None else part.requirement
        said = {"outcome": "shadow would refuse", "live": was}
        judge.record(live.route, requirement, identities.get(judge), refusal, said)
    else:
        whole = Requirement(all_of(tuple(each.requirement.rule for each in parts)))
        said = {"outcome": "shadow would admit", "live": was}
        guard.record(live.route, whole, identities.get(guard), None, said)

"""What the guards decide about one call, heard while it runs.

Each call has a context of its own, by which the guards' methods know it: calls that run at the same time, and requests
that are nobody's here, are told apart. A call that is only to be decided ends where somebody is let in, before any
handler runs.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from callerid.authentication import Authenticator, Waited
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Refusal
from callerid.guard import GuardCore, Identity, Requirement, log
from callerid.keys import Wait
from callerid.lookups import looked_up
from callerid.rules import Facts, admitted

__all__ = ["HeardCall", "HeardCheck", "HeardDecision", "Stopped", "current_call", "during", "hearing", "listening"]


class Stopped(BaseException):
    """Somebody was let in, and their call was only to be decided. No ``except Exception`` may swallow it."""


@dataclass(frozen=True, slots=True)
class HeardCheck:
    """One requirement that was judged, for whom, and the facts by which."""

    requirement: Requirement
    facts: Facts


@dataclass(frozen=True, slots=True)
class HeardDecision:
    """What a guard logged: where, what it asked, of whom, and the refusal if it refused.

    ``is_waived`` is whether the refusal was logged only, since the rules are not enforced yet.
    """

    route: str
    requirement: Requirement | None
    identity: Identity
    refusal: Refusal | None
    instance: str
    is_waived: bool = False

    @property
    def admits(self) -> bool:
        """Whether the request went on from here."""
        return self.refusal is None or self.is_waived


@dataclass(eq=False)
class HeardCall:
    """One call: by whom and where, whether its handler may run, and what was decided.

    ``looked_up`` is what look-ups say of the caller; ``None``: they are asked. ``is_real`` is whether the credential is
    judged by the keys that the application really trusts. ``layers`` is how many decisions it goes through.
    """

    who: str = ""
    runs_handler: bool = False
    layers: int = 1
    looked_up: Mapping[str, frozenset[str]] | None = None
    is_real: bool = False
    checks: list[HeardCheck] = field(default_factory=list[HeardCheck])
    decisions: list[HeardDecision] = field(default_factory=list[HeardDecision])
    is_stopped: bool = False

    def hear(self, decision: HeardDecision) -> None:
        """Note a decision. Raises `Stopped` where the next would be the handler, and that may not run."""
        self.decisions.append(decision)
        if decision.admits and not self.runs_handler and len(self.decisions) >= self.layers:
            self.is_stopped = True
            raise Stopped


_CALL: ContextVar[HeardCall | None] = ContextVar("callerid.play", default=None)


def current_call() -> HeardCall | None:
    """The call in whose context this runs."""
    return _CALL.get()


@contextmanager
def during(call: HeardCall) -> Generator[None]:
    """The context of a call."""
    token = _CALL.set(call)
    try:
        yield
    finally:
        _CALL.reset(token)


class _Ear:
    """In place of some methods of one guard. ``real`` is whom it trusted before a local issuer stood in."""

    def __init__(self, guard: GuardCore, real: Authenticator) -> None:
        self._guard, self._real = guard, real
        self._record, self._judge = guard.record, guard.judge
        self._identify, self._look_up, self._use_up = guard.identify, guard.look_up, guard.use_up

    def identify(self, sent: Mapping[str, list[str]], waited: Waited = ()) -> Identity | Wait:
        call = _CALL.get()
        if call is not None and call.is_real:
            return self._real.identify(sent, waited)
        return self._identify(sent, waited)

    def look_up(
        self, of: str, caller: Caller, fact: str, waited: Iterable[Wait] | None = ()
    ) -> Container[str] | Wait | None:
        call = _CALL.get()
        if call is None or call.looked_up is None:
            return self._look_up(of, caller, fact, waited)
        return call.looked_up.get(of, frozenset())

    def use_up(self, identity: Identity, request: str, waited: Waited = ()) -> Wait | None:
        """A persona's token may open any number of requests, as if each were new; to look at a cell uses none up."""
        call = _CALL.get()
        if call is None:
            return self._use_up(identity, request, waited)
        return self._real.use_up(identity, request, waited) if call.is_real and call.runs_handler else None

    def judge(
        self, requirement: Requirement, identity: Identity, path: Mapping[str, Any], waited: Waited = ()
    ) -> Caller | Wait | None:
        judged = self._judge_heard(requirement, identity, path, waited)
        if not isinstance(judged, Wait):
            self._note(HeardCheck(requirement, self._facts(requirement, identity, path)))
        return judged

    def _judge_heard(
        self, requirement: Requirement, identity: Identity, path: Mapping[str, Any], waited: Waited
    ) -> Caller | Wait | None:
        try:
            return self._judge(requirement, identity, path, waited)
        except Refusal as refusal:
            facts = getattr(refusal.judged, "facts", None)
            self._note(HeardCheck(requirement, facts or self._facts(requirement, identity, path)))
            raise

    @staticmethod
    def _note(check: HeardCheck) -> None:
        call = _CALL.get()
        if call is not None:
            call.checks.append(check)

    def _facts(self, requirement: Requirement, identity: Identity, path: Mapping[str, Any]) -> Facts:
        now = self._guard.authenticator.clock()
        facts = Facts(identity.caller, identity.via, path, now, app=identity.app, first_use=identity.first_use)
        if requirement.lookups and identity.caller is not None:
            # What the answer depended on was asked for a moment ago.
            rule = requirement.identifying_rule
            found = looked_up(rule, facts, identity.caller, self, (), may=partial(admitted, rule))
            return facts if isinstance(found, Wait) else found
        return facts

    @property
    def lookups(self) -> Any:
        return self._guard.lookups

    def record(
        self,
        route: str,
        requirement: Requirement | None,
        identity: Identity | None,
        refusal: Refusal | None = None,
        said: Mapping[str, str] | None = None,
    ) -> str:
        instance = self._record(route, requirement, identity, refusal, said)
        call = _CALL.get()
        if call is not None and "live" not in (said or {}):  # which is what a shadow table would decide
            is_waived = said is not None
            call.hear(HeardDecision(route, requirement, identity or Identity(), refusal, instance, is_waived))
        return instance


_HEARD = ("identify", "judge", "look_up", "record", "use_up")


@contextmanager
def hearing(reals: Mapping[GuardCore, Authenticator]) -> Generator[None]:
    """Guards whose decisions are heard; by each guard, whom it trusted before. At the end they are as before."""
    ears = {guard: _Ear(guard, real) for guard, real in reals.items()}
    before = {guard: {name: vars(guard)[name] for name in _HEARD if name in vars(guard)} for guard in ears}
    for guard, ear in ears.items():
        vars(guard).update({name: getattr(ear, name) for name in _HEARD})
    try:
        yield
    finally:
        for guard, former in before.items():
            for name in _HEARD:
                del vars(guard)[name]
            vars(guard).update(former)


@contextmanager
def listening(handler: logging.Handler) -> Generator[None]:
    """The logger ``callerid`` tells this handler of every decision, and nobody else; at the end it is as before."""
    before = log.level, log.propagate, log.disabled, log.handlers[:]
    log.handlers[:] = [handler]
    try:
        check_listening()
        yield
    finally:
        log.handlers[:] = before[3]
        log.setLevel(before[0])
        log.propagate, log.disabled = before[1:3]


def check_listening() -> None:
    """See to it that decisions are told of, whatever the application has set meanwhile.

    Some adapters tell of who is let in only where somebody listens, and a handler is kept from running where they do.
    Raises `ConfigurationError` where logging is turned off as a whole.
    """
    log.setLevel(logging.DEBUG)
    log.propagate, log.disabled = False, False
    if not log.isEnabledFor(logging.DEBUG):
        raise ConfigurationError(
            "logging.disable() silences the decision log: call logging.disable(logging.NOTSET)", code="access-page"
        )

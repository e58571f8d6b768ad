"""A guard: who is calling, and whether they may."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from types import MappingProxyType
from typing import Any, Self

from callerid.answers import Answer, Challenge, answer
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Forbidden, Reason, Refusal, StepUpRequired, Unauthenticated
from callerid.guard.recogniser import Identity, Recogniser
from callerid.guard.records import log, record
from callerid.guard.remedies import Judged
from callerid.guard.requirement import Requirement, requirement_of
from callerid.issuers import Issuer
from callerid.memory import DEFAULT_SIZE
from callerid.rollout import ShadowCounts, Tally
from callerid.rules import (
    AnyOf,
    Facts,
    FirebaseUser,
    Rule,
    SignedInWithin,
    admitted,
    is_joined,
    is_public,
    missing_steps,
    without_public,
)

__all__ = ["Guard", "GuardCore"]


class GuardCore(Recogniser):
    """Issuers, keys and a clock: turns the credentials of a request into a `Caller`, or refuses.

    ``leeway`` (0 to 60 seconds, default 30) is what two clocks may differ by. ``realm``, ``resource_metadata`` (RFC
    9728) and ``challenge`` are what refusals say in ``WWW-Authenticate``. ``clock`` gives seconds since the epoch,
    ``timer`` monotonic seconds. ``memory`` is how many verified tokens are remembered (0: none): one seen before costs
    a look-up, not a signature check. Issuers may be given later, by `trust`; a guard without any protects nothing: that
    is an error. Raises `ConfigurationError`.
    """

    def __init__(  # noqa: PLR0913 - plain settings, each with a default
        self,
        *issuers: Issuer,
        leeway: float = 30,
        realm: str = "callerid",
        resource_metadata: str | None = None,
        challenge: Mapping[str, str] = MappingProxyType({}),
        memory: int = DEFAULT_SIZE,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(*issuers, leeway=leeway, memory=memory, clock=clock, timer=timer)
        extra = {} if resource_metadata is None else {"resource_metadata": resource_metadata}
        self.challenge = Challenge(realm, MappingProxyType({**challenge, **extra}))
        self.tally = Tally()
        """Counts how ``shadow=`` rules compare; read it by `shadow`."""

    @classmethod
    def like(cls, other: GuardCore, **options: Any) -> Self:
        """A guard with the other's issuers, keys, memory, clock and leeway: what serves one serves both."""
        settings: dict[str, Any] = {"leeway": other.leeway, "clock": other.clock, **options}
        made = cls(*other.issuers, **settings)
        if options.keys().isdisjoint({"realm", "resource_metadata", "challenge"}):
            made.challenge = other.challenge
        made._keys, made._memory = other._keys, other._memory
        return made

    # --- rules, where they are written ---

    def requirement(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Requirement:
        """What ``allow(...)`` was given, checked as far as it can be alone. Raises `ConfigurationError`."""
        return requirement_of(rules, audience)

    def check_possible(self, requirement: Requirement, where: str) -> None:
        """Raise `ConfigurationError` for a requirement that nobody can meet whom this guard can verify.

        Or for one that does not say which Firebase project's users it means, where this guard trusts several.
        """
        from callerid.algebra import check_possible  # noqa: PLC0415 - asked at start-up, and not for every import

        self._check_project(requirement, where)
        check_possible(requirement.rule, self.issuers, where)

    def _check_project(self, requirement: Requirement, where: str) -> None:
        leaf = requirement.of_any_project
        projects = self._trusted.projects
        if leaf is None or len(projects) < 2:
            return
        project, issuer = next(iter(projects.items()))
        if type(leaf) is FirebaseUser and issuer.project is not None:
            remedy = repr(replace(leaf, project=project))
        else:
            remedy = f"{leaf!r} & IssuedBy({issuer.name!r})"
        raise ConfigurationError(
            f"{where}: {leaf!r} does not say whose user it means: this guard trusts several Firebase projects "
            f"({', '.join(projects)}), and a uid or a claim means something within one of them only. Write, for each "
            f"that is meant, {remedy}"
        )

    def announce(self, places: Iterable[tuple[str, Rule]], default: Rule) -> None:
        """Log, once at start-up, what needs a look.

        That is which places are open to everybody, which admit somebody the default refuses, and which alternatives
        admit nobody whom the others of the same rule do not.
        """
        from callerid.algebra import is_weaker, redundant_alternatives  # noqa: PLC0415 - as above

        @cache
        def weaker(rule: Rule) -> bool:
            return rule != default and is_weaker(rule, default, self.issuers)

        seen: set[Rule] = set()
        told: dict[str, Rule] = {}
        for place, rule in places:
            told[place] = rule
            if place.startswith("HEAD ") and told.get(f"GET {place[5:]}") == rule:
                continue  # HEAD goes with GET
            # Who is let in as anybody, and who is known: both are meant where a rule has Public() beside others.
            for joined in _any_ofs(without_public(rule)):
                if joined not in seen:
                    seen.add(joined)
                    for each in redundant_alternatives(joined, self.issuers):
                        log.info("redundant alternative: %s: %s: the others admit whomever it admits", place, each)
            if is_public(rule):
                log.info("open to everybody: %s", place)
            elif weaker(rule):
                log.info("weaker than the default: %s: %s", place, rule)

    # --- one request ---

    def judge(self, requirement: Requirement, identity: Identity, path: Mapping[str, Any]) -> Caller | None:
        """Whether these callers may: the caller as the handler shall see it, or a `Refusal`. Pure but for the clock."""
        if requirement.public:
            return None
        if len(self._trusted.projects) > 1:
            self._check_project(requirement, "a rule in force")  # issuers may have been added since the start
        rule, caller = requirement.rule, identity.caller
        if caller is not None:
            self.check_audience(caller, requirement.audiences)
        facts = Facts(caller, identity.via, path, self.clock())
        if admitted(rule, facts):
            # Whoever is let in as anybody stays nobody: an optional identity is the rule's to give, not the token's.
            known = not requirement.optional or admitted(requirement.telling, facts)
            return caller if known else None
        judged = Judged(rule, facts)
        if caller is None:
            refusal: Refusal = Unauthenticated(Reason.NO_CREDENTIAL, lambda: f"expected {rule}, got {_sent(identity)}")
        else:
            refusal = _refusal(requirement, judged)
        refusal.judged = judged
        raise refusal

    def answer(self, refusal: Refusal, instance: str) -> Answer:
        """What the client is told."""
        return answer(refusal, self.challenge, instance)

    def record(
        self,
        route: str,
        requirement: Requirement | None,
        identity: Identity | None,
        refusal: Refusal | None = None,
        said: Mapping[str, str] | None = None,
    ) -> str:
        """Log a decision, once: refused at INFO (the guard's own trouble at WARNING), allowed at DEBUG.

        Returns the decision's ``instance``, empty where nothing was logged. The record carries its fields, all of them
        text or ``None``, as ``record.callerid``. ``said`` are fields of a decision that answers nobody, logged at INFO
        at least.
        """
        return record(route, requirement, identity, refusal, said)

    @property
    def shadow(self) -> ShadowCounts:
        """For a metric: how often the ``shadow=`` rules of this guard would have decided otherwise, so far."""
        return self.tally.counts


class Guard(GuardCore):
    """The guard of plain ASGI and WSGI apps; FastAPI, Starlette and Flask have their own, with the same verbs."""

    def allow(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Requirement:
        """An entry of a path table: one rule, or member strings any of which suffices; ``audience=`` for this place."""
        return self.requirement(*rules, audience=audience)


def _any_ofs(rule: Rule) -> Iterator[AnyOf]:
    """All alternatives in a rule of a size that can be looked into at start-up."""
    if type(rule) is AnyOf and len(rule.rules) <= MOST_LOOKED_AT:
        yield rule
    for part in rule.rules if is_joined(rule) else ():
        yield from _any_ofs(part)


MOST_LOOKED_AT = 1_000


def _sent(identity: Identity) -> str:
    """What came instead of a caller's credential, in words."""
    carried = "no credential" if identity.via is None else f"only {identity.via}, which carried the call"
    return f"{carried}: {identity.ignored}" if identity.ignored else carried


def _refusal(requirement: Requirement, judged: Judged) -> Refusal:
    rule, facts = judged.rule, judged.facts

    def expected() -> str:
        return f"expected {rule}, got {facts.caller}"

    def why() -> str:
        return str(judged.explanation)

    steps = missing_steps(rule, facts) if requirement.has_steps else None
    if steps is None:
        return Forbidden(expected, why=why)
    ages = [step.seconds for step in steps if isinstance(step, SignedInWithin)]
    return StepUpRequired(expected, max_age=min(ages, default=None), why=why)

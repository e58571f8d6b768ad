"""The guard that users hold: an authenticator, the rules it judges by, and what a refused client is told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, Self

from callerid._answers import Answer, Challenge, answer
from callerid._status import GuardStatus
from callerid.authentication import (
    DEFAULT_SIZE,
    LONGEST_TOKEN,
    Authenticator,
    Fleet,
    Identity,
)
from callerid.authorization import (
    JudgesTokens,
    Requirement,
    ShadowCounts,
    Tally,
    announce,
    check_requirement,
    check_requirements,
    combined,
    log,
    record,
)
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Refusal
from callerid.issuers import Issuer
from callerid.keys import Wait
from callerid.lookups import Lookup, Lookups
from callerid.observing import Observer, SafeObserver
from callerid.rules import Rule

if TYPE_CHECKING:
    from callerid.configuration import GuardSettings

__all__ = ["Guard", "GuardCore", "Identity", "Requirement", "combined", "log"]


class GuardCore(JudgesTokens):
    """Issuers, keys and a clock: turns the credentials of a request into a `Caller`, or refuses.

    ``leeway`` (0 to 60 seconds, default 30) is what two clocks may differ by. ``realm``, ``resource_metadata`` (RFC
    9728) and ``challenge`` are what refusals say in ``WWW-Authenticate``. ``clock`` gives seconds since the epoch,
    ``timer`` monotonic seconds. ``memory`` is how many verified tokens are remembered (0: none): one seen before costs
    a look-up, not a signature check. ``longest_token`` is the longest token that is read, in bytes (at most 16384;
    servers have limits of their own for headers). ``trusted_origins`` are those whose pages may make requests with a
    credential that browsers send unasked (`firebase_session`, `iap`): the application's own, such as
    ``https://orders.example.com``, for WebSockets and for browsers without ``Sec-Fetch-Site``, and others that may act
    for its users. ``lookups`` are sources of facts that no token carries (`Lookup`), which rules such as `Role` need.
    ``fleet`` shares with other processes what `revoke` is told, and which tokens were used where rules ask for a
    `SingleUse` (`callerid.fleet.RedisFleet`). ``observer`` is told of decisions, for metrics and traces (`Observer`,
    `callerid.otel`).
    Issuers may be given later, by `trust`; a guard without any protects nothing: that is an error. Raises
    `ConfigurationError`.

    What every adapter's ``protect`` or ``CallerMiddleware`` takes:

    - ``default``: the rule of every path without one of its own, unknown paths and wrong methods included.
    - ``floor``: a rule that must hold everywhere, whatever rule a path has of its own.
    - ``routes``: a path table for what carries no rule, such as static files and mounted applications of other makes.
      An entry holds beside the rules on the way. `callerid.paths.BoundTable` tells what its keys mean where they name
      routes, `callerid.paths.PathTable` where they are patterns over the path.
    - ``on_refusal(request, refusal)``: may give another answer to a refused request; it can never let one in.
    - ``enforce=False, until="2027-01-31"``: everybody is let in to the end of that day (UTC, by the guard's clock), and
      then the rules are enforced. What would be refused is logged. Handlers are given the caller where a token
      verified, whatever the rules say of them, and nobody (``None``) where none did. Mistakes in rules are errors all
      the same. Another guard on the way that enforces goes on refusing, such as that of a mounted application; where it
      is the same guard, both have to let through.
    - ``shadow``: a table that may take the place of ``routes``. What it would decide is counted in `GuardCore.shadow`
      and logged where it differs, and is never an answer. It makes no request wait: where the live rules read no
      credential, and its key is not at hand, that is counted as unknown.
    - ``audit=["POST /refunds", "/admin/*"]``: the log has who is let in at these routes, too, at INFO, with the facts
      that the rules judged: personal data, and nothing of a token (`callerid.authorization._auditing`). Keys are those
      of ``routes``; one that names no place is an error at start-up, and ``"/*"`` names every route.
    """

    def __init__(  # noqa: PLR0913 - plain settings, each with a default
        self,
        *issuers: Issuer,
        leeway: float = 30,
        realm: str = "callerid",
        resource_metadata: str | None = None,
        challenge: Mapping[str, str] = MappingProxyType({}),
        memory: int = DEFAULT_SIZE,
        longest_token: int = LONGEST_TOKEN,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        trusted_origins: Iterable[str] = (),
        lookups: Iterable[Lookup] = (),
        fleet: Fleet | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.lookups = Lookups(lookups, timer=timer)
        """Its look-ups, and what they have answered."""
        self.authenticator = Authenticator(
            *issuers,
            leeway=leeway,
            memory=memory,
            longest_token=longest_token,
            clock=clock,
            timer=timer,
            trusted_origins=trusted_origins,
            fleet=fleet,
        )
        """Who is calling: issuers, keys, clock and token cache."""
        extra = {} if resource_metadata is None else {"resource_metadata": resource_metadata}
        self.challenge = Challenge(realm, MappingProxyType({**challenge, **extra}))
        self.tally = Tally()
        """Counts how ``shadow=`` rules compare; read it by `shadow`."""
        self.observe(observer)
        self.configured_by = ""
        """Where its settings were read, as the lock says it; empty where they are code."""

    @classmethod
    def from_env(cls, prefix: str = "CALLERID_", *, environ: Mapping[str, str] = os.environ, **options: Any) -> Self:
        """A guard by environment variables, such as ``CALLERID_GOOGLE_AUDIENCES=https://orders.example.com``.

        ``docs/configuration.md`` has all of them. Every variable that begins with ``prefix`` has to be a setting, and
        none may be empty. ``options`` are further arguments of the guard, such as ``lookups=``. No variable weakens
        verification. Raises `ConfigurationError`, which names the variable.
        """
        from callerid.configuration import settings_from_env  # noqa: PLC0415 - code that needs no settings does not load it

        return cls._configured(settings_from_env(prefix, environ), options)

    @classmethod
    def from_toml(
        cls, path: str | os.PathLike[str], *, environ: Mapping[str, str] = os.environ, **options: Any
    ) -> Self:
        """A guard by a TOML file, in which each issuer is a table, such as ``[google]``.

        ``docs/configuration.md`` has all settings. An unknown one is an error, and so is an empty value. ``environ`` is
        where the URL of a fleet is, which holds a password: ``fleet_url_from`` names its variable. ``options`` are
        further arguments of the guard. Raises `ConfigurationError`, which names the file and the key.
        """
        from callerid.configuration import settings_from_toml  # noqa: PLC0415 - as above

        return cls._configured(settings_from_toml(path, environ), options)

    @classmethod
    def _configured(cls, settings: GuardSettings, options: Mapping[str, Any]) -> Self:
        twice = sorted(settings.options.keys() & options.keys())
        if twice:
            raise ConfigurationError(
                f"{twice[0]} is set in code, and by {settings.configured_by}: leave one out", code="settings"
            )
        try:
            made = cls(*settings.issuers, **settings.options, **options)
        except ConfigurationError as error:
            raise ConfigurationError(f"{settings.configured_by}: {error.message}", code=error.code) from None
        made.configured_by = settings.configured_by
        return made

    @classmethod
    def like(cls, other: GuardCore, **options: Any) -> Self:
        """A guard with the other's issuers, keys, memory, clock, leeway, limit, origins, look-ups and revocations.

        It tells the other's observer, too.
        """
        made = cls(**options)
        made.configured_by = other.configured_by
        if "lookups" not in options:
            made.lookups = other.lookups
        if options.keys().isdisjoint({"realm", "resource_metadata", "challenge"}):
            made.challenge = other.challenge
        leeway, clock = options.get("leeway", other.leeway), options.get("clock", other.clock)
        longest = options.get("longest_token", other.authenticator.longest_token)
        allowed = options.get("trusted_origins", other.authenticator.origins)
        revocations, uses = made.authenticator.revocations, made.authenticator.uses
        made.authenticator = other.authenticator.like(
            leeway=leeway, clock=clock, longest_token=longest, trusted_origins=allowed
        )
        if "fleet" in options:
            made.authenticator.revocations, made.authenticator.uses = revocations, uses
        if "observer" not in options and other.observer is not None:
            made.observer = other.observer
            if "lookups" in options:
                made.lookups.observe(other.observer)
            other.observer.attached(made)
        made.authenticator.observe(made.observer)
        return made

    def observe(self, observer: Observer | None) -> None:
        """Tell this observer from now on, and no other: of decisions, verifications, key fetches and look-ups.

        Guards made `like` this one later tell it, too. Raises `ConfigurationError`.
        """
        if not isinstance(observer, Observer | None):
            raise ConfigurationError(f"observer= takes an Observer, not {observer!r}", code="observer")
        self.observer = None if observer is None else SafeObserver(observer)
        self.authenticator.observe(self.observer)
        self.authenticator.keys.observer = self.observer
        self.lookups.observe(self.observer)
        if self.observer is not None:
            self.observer.attached(self)

    def status(self) -> GuardStatus:
        """For a readiness probe: which keys of its issuers are at hand, how old, and what went wrong last.

        Every source of theirs is there, those that nobody asked for yet, too: they are not ``usable``. Its ``lookups``
        are the state of each look-up by its name, ``fleet`` is that of the fleet. It does no I/O.
        """
        keys = self.authenticator.keys.status(self.authenticator.key_sets)
        return GuardStatus(keys, self.lookups.status(), self.fleet_status())

    # --- rules, where they are written ---

    def check_possible(self, requirement: Requirement, where: str) -> None:
        """Raise `ConfigurationError` for a requirement that nobody can meet whom this guard can verify.

        Or for one that does not say of which Firebase project, or of which issuer, the callers are whom it means.
        """
        check_requirement(self, requirement, where)

    def check_together(self, parts: Iterable[tuple[GuardCore, Requirement]], where: str) -> None:
        """Raise `ConfigurationError` where what several guards require goes together for nobody.

        They may trust different issuers, but their rules must go together all the same.
        """
        check_requirements(parts, where)

    def announce(self, places: Iterable[tuple[str, Rule]], default: Rule) -> None:
        """Log, once at start-up, what needs a look.

        That is a trusted emulator, which places are open to everybody, which admit somebody the default refuses, and
        which alternatives admit nobody whom the others of the same rule do not.
        """
        announce(self, places, default)

    # --- one request ---

    def look_up(
        self, of: str, caller: Caller, fact: str, waited: Iterable[Wait] | None = ()
    ) -> Container[str] | Wait | None:
        """What the look-up of this name knows of a caller; see `callerid.lookups.Lookups.find`."""
        return self.lookups.find(of, caller, fact, waited)

    async def forget(self, caller: Caller) -> None:
        """Forget what look-ups have answered about a caller: whatever changed holds from the next request on."""
        self.lookups.forget(caller)

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
    """The guard of plain ASGI and WSGI apps; other modules have their own for frameworks, with the same verbs."""

    def allow(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Requirement:
        """An entry of a path table: one rule, or member strings any of which suffices; ``audience=`` for this place."""
        return self.requirement(*rules, audience=audience)

    def protect(self, *_: Any, **__: Any) -> NoReturn:
        """Not of this guard: raises `ConfigurationError`, which names those that protect an application."""
        raise ConfigurationError(
            "callerid.Guard goes with CallerMiddleware (callerid.asgi, callerid.wsgi), which guards any app by path; "
            "to tie rules to routes, import Guard from callerid.fastapi, callerid.starlette, callerid.flask or "
            "callerid.django",
            code="wrong-framework",
        )

    init_app = protect

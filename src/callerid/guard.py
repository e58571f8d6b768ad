"""The guard that users hold: an authenticator, the rules it judges by, and what a refused client is told."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Container, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

from callerid.answers import Answer, Challenge, answer
from callerid.asking import is_in_task
from callerid.authentication import (
    DEFAULT_SIZE,
    LONGEST_TOKEN,
    UNCHECKED,
    Attempt,
    Authenticator,
    ExpectedNonce,
    Fleet,
    FleetStatus,
    Identity,
    SignInForm,
    Waited,
    denial_of,
    resolve,
    resolve_async,
)
from callerid.authorization import (
    TOKEN,
    Requirement,
    ShadowCounts,
    Tally,
    TokenRequest,
    allows,
    announce,
    check_lookups,
    check_path,
    check_requirement,
    check_requirements,
    combined,
    judge,
    log,
    named_audiences,
    record,
    requirement_of,
    signing_in,
)
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Refusal
from callerid.issuers import Issuer
from callerid.keys import Wait
from callerid.lookups import Lookup, Lookups
from callerid.observing import Observer, SafeObserver
from callerid.rules import Rule
from callerid.status import GuardStatus

if TYPE_CHECKING:
    from callerid.configuration import GuardSettings

__all__ = ["Guard", "GuardCore", "Identity", "Requirement", "combined", "log"]


class GuardCore:
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

    # --- issuers and their keys ---

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers this guard trusts."""
        return self.authenticator.issuers

    @property
    def leeway(self) -> float:
        """What two clocks may differ by, in seconds."""
        return self.authenticator.leeway

    @property
    def clock(self) -> Callable[[], float]:
        """Gives seconds since the epoch."""
        return self.authenticator.clock

    @property
    def headers(self) -> Mapping[bytes, str]:
        """The headers this guard reads, in lower case, as bytes and as text; see `Authenticator.headers`."""
        return self.authenticator.headers

    @property
    def slots(self) -> frozenset[str]:
        """The headers in which this guard reads credentials, in lower case."""
        return frozenset(location.header for location in self.authenticator.trusted.locations)

    def trust(self, *issuers: Issuer) -> Self:
        """Trust these issuers, too. Raises `ConfigurationError` where two would claim the same token."""
        self.authenticator.trust(*issuers)
        return self

    def distrust(self, *issuers: Issuer) -> Self:
        """Trust these issuers no more: from now on their tokens are refused, those verified before among them.

        A guard without any issuer left reads no credential, so it lets in nobody but whom a rule lets in without one.
        Guards made `like` this one go on as they are. Raises `ConfigurationError` for an issuer that is not trusted.
        """
        self.authenticator.distrust(*issuers)
        return self

    def check_ready(self) -> None:
        """Raise `ConfigurationError` for a guard without issuers."""
        self.authenticator.check_ready()

    def warm(self) -> None:
        """Fetch all keys now, at start-up; what cannot be fetched is logged and tried again by the requests."""
        for wait in self.authenticator.warm():
            wait.block()

    async def awarm(self) -> None:
        """As `warm`, without blocking the event loop."""
        for wait in self.authenticator.warm():
            await wait.pause()

    def status(self) -> GuardStatus:
        """For a readiness probe: which keys of its issuers are at hand, how old, and what went wrong last.

        Every source of theirs is there, those that nobody asked for yet, too: they are not ``usable``. Its ``lookups``
        are the state of each look-up by its name, ``fleet`` is that of the fleet. It does no I/O.
        """
        keys = self.authenticator.keys.status(self.authenticator.key_sets)
        return GuardStatus(keys, self.lookups.status(), self.fleet_status())

    # --- one token ---

    def verify(  # noqa: PLR0913 - what a route would have: a rule, an audience, a path and a name
        self,
        token: str,
        rule: Rule | str | None = None,
        nonce: ExpectedNonce = UNCHECKED,
        *,
        audience: str | Iterable[str] | None = None,
        path: Mapping[str, Any] = MappingProxyType({}),
        where: str = TOKEN,
    ) -> Caller:
        """The caller that a token names, as if sent in ``Authorization``. Raises `Refusal`.

        For a token that came outside headers: in the first message of a WebSocket, in Socket.IO's ``auth``, in
        GraphQL's ``connection_init``. With a ``rule`` (or an IAM member string) the caller must satisfy it, and the
        decision is logged as one about a request is, under the name ``where``; ``path`` are values for its `PathParam`.
        Without one the caller is known, and whether they may do anything is a rule's to say.

        ``audience`` replaces the issuer's audiences, for Google ID tokens. ``nonce`` is what the token's ``nonce``
        claim must be, exactly: a token without one, and an empty one, are refused (OpenID Connect Core section
        3.1.3.7). So is every token where it is ``None``, as a cookie is that did not come.

        Raises `ConfigurationError` for a rule that could hold without a caller, such as `Public`, for a path parameter
        that is not given, and for a look-up that this guard does not have.
        """
        return resolve(self._verifying(token, rule, nonce, audience=audience, path=path, where=where))

    async def averify(  # noqa: PLR0913 - as above
        self,
        token: str,
        rule: Rule | str | None = None,
        nonce: ExpectedNonce = UNCHECKED,
        *,
        audience: str | Iterable[str] | None = None,
        path: Mapping[str, Any] = MappingProxyType({}),
        where: str = TOKEN,
    ) -> Caller:
        """As `verify`, without blocking the event loop."""
        return await resolve_async(self._verifying(token, rule, nonce, audience=audience, path=path, where=where))

    def verify_sign_in(
        self, form: SignInForm, rule: Rule | str | None = None, nonce: ExpectedNonce = UNCHECKED
    ) -> Caller:
        """The person whom Google's button signed in, by the form that it posted to ``login_uri``. Raises `Refusal`.

        The guards of FastAPI, Starlette and Flask take a request instead: ``sign_in_with_google(request)``.

        The form must have come from a page of this application's own: its ``g_csrf_token`` must be that of the
        browser's cookie, or else an attacker's page could sign the user in to the attacker's account (403,
        ``wrong_csrf_token``). Its ``credential`` must be an ID token of this guard's `google`, minted for a person and
        for one of the guard's OAuth client ids. Without a ``rule`` any Google account may sign in. ``nonce`` is as for
        `verify`: with one of your own for each page that shows the button, nobody else's token can be posted.

        The form is no credential of a request: what comes next is up to the application, which remembers who signed in
        (by a session cookie of its own, or Firebase's).

        Raises `ConfigurationError` where the guard has no OAuth client id, and for rules as `verify`.
        """
        self.check_ready()
        return resolve(signing_in(self, form, rule, nonce))

    async def averify_sign_in(
        self, form: SignInForm, rule: Rule | str | None = None, nonce: ExpectedNonce = UNCHECKED
    ) -> Caller:
        """As `verify_sign_in`, without blocking the event loop."""
        self.check_ready()
        return await resolve_async(signing_in(self, form, rule, nonce))

    def _verifying(  # noqa: PLR0913 - as above
        self,
        token: str,
        rule: Rule | str | None,
        nonce: ExpectedNonce,
        *,
        audience: str | Iterable[str] | None,
        path: Mapping[str, Any],
        where: str,
    ) -> Attempt[Caller]:
        self.check_ready()
        read = partial(self._read, token, nonce)
        if rule is not None:
            return TokenRequest(self, read, self.requirement(rule, audience=audience), path, where).authorize
        audiences = named_audiences(audience)

        def attempt(waited: Waited) -> Caller | Wait:
            found = read(waited)
            if isinstance(found, Wait):
                return found
            caller = cast("Caller", found.caller)
            self.authenticator.check_audience(caller, audiences)
            return caller

        return attempt

    def _read(self, token: str, nonce: ExpectedNonce, waited: Waited) -> Identity | Wait:
        found = self.authenticator.read(token, waited=waited)
        if not isinstance(found, Wait):
            self.authenticator.check_nonce(token, nonce)
        return found

    def allows(
        self,
        caller: Caller | None,
        rule: Rule | str,
        path: Mapping[str, Any] = MappingProxyType({}),
        *,
        audience: str | Iterable[str] | None = None,
    ) -> bool:
        """Whether a caller in hand satisfies a rule (or an IAM member string) now, judged as a request's caller is.

        For what a handler shows or leaves out. ``path`` are values for the rule's `PathParam`, ``audience`` is as for
        ``allow``. It logs nothing, and does no I/O but for a rule that needs a look-up: then it may wait for it, and in
        a task of an event loop it is `aallows` that has to be asked. ``False``, too, once the caller's token has
        expired or its issuer is trusted no more; for nobody (``None``) as where no credential was sent.

        Raises `ConfigurationError` for a path parameter that is not given, and for a rule with `SingleUse`, which is
        about a token; `Unavailable` where a look-up that the answer depends on cannot be asked.
        """
        requirement = self._asked_of(rule, audience, path)
        if requirement.lookups and is_in_task():
            raise ConfigurationError(
                f"{rule!r} needs a look-up, for which a task must not wait so: await guard.aallows",
                code="lookup-in-a-task",
            )
        return resolve(partial(allows, self, caller, requirement, path))

    async def aallows(
        self,
        caller: Caller | None,
        rule: Rule | str,
        path: Mapping[str, Any] = MappingProxyType({}),
        *,
        audience: str | Iterable[str] | None = None,
    ) -> bool:
        """As `allows`, without blocking the event loop."""
        return await resolve_async(partial(allows, self, caller, self._asked_of(rule, audience, path), path))

    def _asked_of(self, rule: Rule | str, audience: str | Iterable[str] | None, path: Mapping[str, Any]) -> Requirement:
        requirement = self.requirement(rule, audience=audience)
        if requirement.single_use:
            raise ConfigurationError(
                f"{rule!r} asks for a token, and here is a caller: put SingleUse() on the route, or give "
                "guard.verify(token, rule) the token; leave it out here",
                code="rule-outside-a-request",
            )
        check_path(requirement, path)
        check_lookups(self, requirement, "the rule")
        return requirement

    # --- rules, where they are written ---

    def requirement(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Requirement:
        """What ``allow(...)`` was given, checked as far as it can be alone. Raises `ConfigurationError`."""
        return requirement_of(rules, audience)

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

    def identify(self, sent: Mapping[str, list[str]], waited: Waited = ()) -> Identity | Wait:
        """Verify every credential in the headers this guard reads; ``sent`` maps header names to the values sent.

        Where a credential is ambient, ``:method`` is the request's method.

        Returns a `callerid.keys.Wait` where a key has to be fetched first: wait for it, then ask again with it in
        ``waited`` (`callerid.authentication.resolve` does both).

        Raises `Refusal`: `BadRequest` for what is not one credential, `Unauthenticated` for one that cannot be
        believed, `Unavailable` where its key cannot be had.
        """
        return self.authenticator.identify(sent, waited)

    def judge(
        self, requirement: Requirement, identity: Identity, path: Mapping[str, Any], waited: Waited = ()
    ) -> Caller | Wait | None:
        """Whether these callers may: the caller as the handler shall see it. Raises `Refusal`.

        Returns a `callerid.keys.Wait`, as `identify` does, where a look-up has to be waited for.
        """
        return judge(self, requirement, identity, path, waited)

    def look_up(self, of: str, caller: Caller, fact: str, waited: Iterable[Wait] = ()) -> Container[str] | Wait:
        """What the look-up of this name knows of a caller; see `callerid.lookups.Lookups.find`."""
        return self.lookups.find(of, caller, fact, waited)

    def use_up(self, identity: Identity, request: str, waited: Waited = ()) -> Wait | None:
        """Use the caller's token up, where a rule asks for a `SingleUse`; see `Authenticator.use_up`."""
        return self.authenticator.use_up(identity, request, waited)

    async def forget(self, caller: Caller) -> None:
        """Forget what look-ups have answered about a caller: whatever changed holds from the next request on."""
        self.lookups.forget(caller)

    # --- revocation ---

    def revoke(
        self,
        who: Caller | str,
        *,
        issuer: str | None = None,
        tenant: str | None = None,
        revoke_for: float | None = None,
    ) -> None:
        """Refuse an account from now on, whatever rule stands there: 401, ``revoked``.

        Tokens that are issued later are believed. Where a credential does not say when its holder signed in (`iap`,
        `google_access_token`, `custom_credential`) all are refused. ``revoke_for`` is for how many seconds, at most 90
        days: without it the longest lifetime of such tokens, which is an hour for those of Google and Firebase, and 14
        days with `firebase_session` or where nobody says.

        ``who`` is a caller, or a ``subject``: then ``issuer`` says whose, by its name, unless all issuers of this guard
        have the same accounts, and ``tenant`` is that of a user of Identity Platform.

        With a ``fleet=`` the other processes are told, within the time limit of that; where this fails, later. In a
        task of an event loop that is left to the fleet's thread, and `arevoke` waits for it.

        It counts in this process, for guards made `like` this one, too. Raises `ConfigurationError`.
        """
        denied = denial_of(self.authenticator, who, issuer, tenant, revoke_for)
        self.authenticator.revocations.deny(*denied)

    async def arevoke(
        self,
        who: Caller | str,
        *,
        issuer: str | None = None,
        tenant: str | None = None,
        revoke_for: float | None = None,
    ) -> None:
        """As `revoke`, without blocking the event loop."""
        denied = denial_of(self.authenticator, who, issuer, tenant, revoke_for)
        await self.authenticator.revocations.adeny(*denied)

    def fleet_status(self) -> FleetStatus | None:
        """For a probe: whether the fleet can be heard, and what it was not told yet; ``None`` without a fleet."""
        fleet = self.authenticator.revocations.fleet
        return None if fleet is None else fleet.status

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

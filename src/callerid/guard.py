"""The way of a request: slots, tokens, keys, claims, rules; a `Caller` or a refusal.

The flow is written once, as a generator that yields a `callerid.keys.Wait` in the rare case that a key has to be
fetched, and it has short drivers: `run` for threads, `arun` for tasks. When keys are at hand it does no I/O.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, Self, TypeVar

from callerid.answers import Answer, Challenge, answer
from callerid.callers import Caller, Kind
from callerid.errors import (
    BadRequest,
    ConfigurationError,
    Forbidden,
    Reason,
    Refusal,
    StepUpRequired,
    Unauthenticated,
    Unavailable,
    one_line,
)
from callerid.issuers import AUTHORIZATION, Issuer, Slot, audience_set
from callerid.keys import Key, KeyRing, KeyStatus, KeyStore, Wait
from callerid.memory import DEFAULT_SIZE, Fingerprint, Memory, Remembered, fingerprint
from callerid.rollout import ShadowCounts, Tally
from callerid.rules import (
    STEPS,
    AllOf,
    AnyOf,
    Facts,
    Public,
    Rule,
    SignedInWithin,
    Via,
    all_of,
    any_of,
    is_public,
    leaves,
    member,
    missing_steps,
    needs_no_caller,
    without_public,
)
from callerid.tokens import Token, is_stripped, parse
from callerid.verify import check_audience, check_claims, check_signature, valid_from, verified

__all__ = ["Guard", "GuardCore", "Identity", "Requirement", "arun", "at_once", "combined", "run"]

log = logging.getLogger("callerid")

T = TypeVar("T")
Flow = Generator[Wait, None, T]


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a place asks of its callers: a rule, and the audiences it names (``None``: the issuer's)."""

    rule: Rule
    audiences: frozenset[str] | None = None
    public: bool = field(init=False, repr=False, compare=False)
    """Whether no credential is read at all."""
    optional: bool = field(init=False, repr=False, compare=False)
    """Whether a handler behind it may be given no caller."""
    telling: Rule = field(init=False, repr=False, compare=False)
    """The rule with nobody let in for nothing: whom it admits is shown to the handler."""
    has_steps: bool = field(init=False, repr=False, compare=False)
    """Whether a fresher or stronger sign-in may turn a no into a yes."""

    # Asked at every request, and the same at each.
    def __post_init__(self) -> None:
        object.__setattr__(self, "public", is_public(self.rule))
        object.__setattr__(self, "optional", needs_no_caller(self.rule))
        object.__setattr__(self, "telling", without_public(self.rule))
        object.__setattr__(self, "has_steps", any(isinstance(leaf, STEPS) for leaf in leaves(self.rule)))


def combined(requirements: Iterable[Requirement]) -> Requirement:
    """All of them together: every rule must hold, and the token's audience be in every set that is named.

    Raises `ConfigurationError` where no audience is in all sets.
    """
    parts = tuple(requirements)
    named = [part.audiences for part in parts if part.audiences is not None]
    audiences = named[0].intersection(*named) if named else None
    if audiences is not None and not audiences:
        sets = " and ".join(str(sorted(each)) for each in named)
        raise ConfigurationError(f"no audience is in all of {sets}: no token can be for this place; name a common one")
    return Requirement(all_of(tuple(part.rule for part in parts)), audiences)


class Identity(NamedTuple):
    """The verified callers of one request: who is calling, and which service carried the call."""

    caller: Caller | None = None
    via: Caller | None = None


class GuardCore:
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
        if type(leeway) not in (int, float) or not 0 <= leeway <= 60:
            raise ConfigurationError(f"leeway is 0 to 60 seconds, not {leeway!r}")
        extra = {} if resource_metadata is None else {"resource_metadata": resource_metadata}
        self.leeway = leeway
        self.challenge = Challenge(realm, MappingProxyType({**challenge, **extra}))
        self.clock = clock
        self._keys = KeyStore(timer=timer)
        self._memory = Memory(memory)
        self._issuers: tuple[Issuer, ...] = ()
        self._slots: dict[Slot, dict[str, tuple[Issuer, ...]]] = {}
        self.headers: Mapping[bytes, str] = {}
        """The headers this guard reads, in lower case, as bytes and as text; it reads nothing else."""
        self._trusted: frozenset[int] = frozenset()
        self._accepted: dict[str, frozenset[str]] = {}
        self.tally = Tally()
        """Counts how ``shadow=`` rules compare; read it by `shadow`."""
        if issuers:
            self.trust(*issuers)

    @classmethod
    def like(cls, other: GuardCore, **options: Any) -> Self:
        """A guard with the other's issuers, keys, memory, clock and leeway: what serves one serves both."""
        settings: dict[str, Any] = {"leeway": other.leeway, "clock": other.clock, **options}
        made = cls(*other.issuers, **settings)
        if options.keys().isdisjoint({"realm", "resource_metadata", "challenge"}):
            made.challenge = other.challenge
        made._keys, made._memory = other._keys, other._memory
        return made

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers this guard trusts."""
        return self._issuers

    @property
    def slots(self) -> frozenset[str]:
        """The headers this guard reads, in lower case; it reads nothing else."""
        return frozenset(slot.header for slot in self._slots)

    def trust(self, *issuers: Issuer) -> Self:
        """Trust these issuers, too. Raises `ConfigurationError` where two would claim the same token."""
        for issuer in issuers:
            if not isinstance(issuer, Issuer):
                raise ConfigurationError(f"a guard takes issuers, such as google('https://…'), not {issuer!r}")
        together = tuple(dict.fromkeys((*self._issuers, *issuers)))
        slots: dict[Slot, dict[str, tuple[Issuer, ...]]] = {}
        for issuer in together:
            for slot in issuer.slots:
                for spelling in issuer.spellings:
                    rivals = slots.setdefault(slot, {}).get(spelling, ())
                    if any(rival.audiences & issuer.audiences for rival in rivals):
                        raise ConfigurationError(
                            f"two issuers claim the tokens of {issuer.name} for the same audience: "
                            "write one with all audiences"
                        )
                    slots[slot][spelling] = (*rivals, issuer)
        self._issuers, self._slots = together, slots
        self.headers = {slot.header.encode(): slot.header for slot in slots}
        self._trusted = frozenset(map(id, together))
        self._accepted = {
            issuer.name: frozenset[str]().union(*(each.audiences for each in together if each.name == issuer.name))
            for issuer in together
        }
        return self

    def requirement(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Requirement:
        """What ``allow(...)`` was given, checked as far as it can be alone. Raises `ConfigurationError`."""
        if not rules:
            raise ConfigurationError("allow() of nobody in particular: name a rule, Public() or Nobody()")
        if len(rules) > 1 and any(isinstance(rule, Rule) for rule in rules):
            raise ConfigurationError(
                "allow(...) takes one rule, or member strings any of which suffices: join rules with & (all) or | (any)"
            )
        rule = any_of(tuple(rule if isinstance(rule, Rule) else member(rule) for rule in rules))
        audiences = _audiences(audience)
        if audiences is not None and not any(map(_may_be_google, leaves(rule))):
            raise ConfigurationError(
                f"audience= speaks of Google ID tokens, and {rule!r} admits no Google account: "
                "Firebase's audience follows from its project; leave audience= out"
            )
        return Requirement(rule, audiences)

    def check_ready(self) -> None:
        """Raise `ConfigurationError` for a guard without issuers."""
        if not self._issuers:
            raise ConfigurationError(
                "this guard trusts no issuer: write Guard(google('https://…')), or call guard.trust(...) first"
            )

    def check_possible(self, requirement: Requirement, where: str) -> None:
        """Raise `ConfigurationError` for a requirement that nobody can meet whom this guard can verify."""
        from callerid.algebra import check_possible  # noqa: PLC0415 - asked at start-up, and not for every import

        check_possible(requirement.rule, self._issuers, where)

    def announce(self, places: Iterable[tuple[str, Rule]], default: Rule) -> None:
        """Log, once at start-up, what needs a look.

        That is which places are open to everybody, which admit somebody the default refuses, and which alternatives
        admit nobody whom the others of the same rule do not.
        """
        from callerid.algebra import is_weaker, redundant_alternatives  # noqa: PLC0415 - as above

        @cache
        def weaker(rule: Rule) -> bool:
            return rule != default and is_weaker(rule, default, self._issuers)

        seen: set[Rule] = set()
        for place, rule in places:
            # Who is let in as anybody, and who is known: both are meant where a rule has Public() beside others.
            for joined in _any_ofs(without_public(rule)):
                if joined not in seen:
                    seen.add(joined)
                    for each in redundant_alternatives(joined, self._issuers):
                        log.info("redundant alternative: %s: %s: the others admit whomever it admits", place, each)
            if is_public(rule):
                log.info("open to everybody: %s", place)
            elif weaker(rule):
                log.info("weaker than the default: %s: %s", place, rule)

    # --- keys ---

    def warm(self) -> None:
        """Fetch all keys now, at start-up; what cannot be fetched is logged and tried again by the requests."""
        waits = [self._keys.warm(issuer.keys, issuer.algorithm) for issuer in self._issuers]
        for wait in waits:
            if wait is not None:
                wait.block()

    async def awarm(self) -> None:
        """As `warm`, without blocking the event loop."""
        waits = [self._keys.warm(issuer.keys, issuer.algorithm) for issuer in self._issuers]
        for wait in waits:
            if wait is not None:
                await wait.pause()

    def status(self) -> list[KeyStatus]:
        """For a readiness probe: which keys are at hand, how old, and what went wrong last."""
        return self._keys.status()

    @property
    def shadow(self) -> ShadowCounts:
        """For a metric: how often the ``shadow=`` rules of this guard would have decided otherwise, so far."""
        return self.tally.counts

    # --- one token ---

    def verify(self, token: str, *, audience: str | Iterable[str] | None = None) -> Caller:
        """The caller that a token names, as if sent in ``Authorization``. Raises `Refusal`.

        ``audience`` replaces the issuer's audiences, for Google ID tokens. The caller is known then; whether they may
        do anything is a rule's to say.
        """
        caller = self._known(token, audience)
        return run(self._verify(token, audience)) if caller is None else caller

    async def averify(self, token: str, *, audience: str | Iterable[str] | None = None) -> Caller:
        """As `verify`, without blocking the event loop."""
        caller = self._known(token, audience)
        return await arun(self._verify(token, audience)) if caller is None else caller

    def _known(self, token: str, audience: str | Iterable[str] | None) -> Caller | None:
        """As `_verify`, if no key has to be fetched."""
        self.check_ready()
        audiences = None if audience is None else _audiences(audience)
        mark = fingerprint(AUTHORIZATION, token) if self._memory.size else None
        caller = self._remembered(mark) or self._read_at_once(token, AUTHORIZATION, mark)
        if caller is not None:
            self._check_audience(caller, audiences)
        return caller

    def _verify(self, token: str, audience: str | Iterable[str] | None) -> Flow[Caller]:
        mark = fingerprint(AUTHORIZATION, token) if self._memory.size else None
        caller = yield from self._read(token, AUTHORIZATION, mark)
        self._check_audience(caller, _audiences(audience))
        return caller

    # --- one request ---

    def identify(self, sent: Mapping[str, list[str]]) -> Flow[Identity]:
        """Verify every credential in the slots this guard reads; ``sent`` maps header names to the values sent.

        Raises `Refusal`: `BadRequest` for what is not one credential, `Unauthenticated` for one that cannot be
        believed, `Unavailable` where its key cannot be had.
        """
        identity = self.recognise(sent)
        if identity is not None:
            return identity
        caller = via = None
        for slot, text in self._credentials(sent):
            read = yield from self._read(text, slot, self._mark(slot, sent[slot.header]))
            if slot.carrier:
                via = read
            else:
                caller = read
        return _identity(caller, via)

    def recognise(self, sent: Mapping[str, list[str]]) -> Identity | None:
        """As `identify`, at once; ``None`` where a key has to be fetched first, which `identify` does."""
        caller = via = None
        for slot in self._slots:
            values = sent.get(slot.header)
            if values:
                # Whatever is remembered has passed every check of its form.
                mark = self._mark(slot, values)
                known = self._remembered(mark)
                if known is None:
                    return self._recognise_unseen(sent, {slot: mark})
                if slot.carrier:
                    via = known
                else:
                    caller = known
        return _identity(caller, via)

    def _recognise_unseen(
        self, sent: Mapping[str, list[str]], marks: Mapping[Slot, Fingerprint | None]
    ) -> Identity | None:
        caller = via = None
        for slot, text in self._credentials(sent):
            mark = marks[slot] if slot in marks else self._mark(slot, sent[slot.header])
            read = self._read_at_once(text, slot, mark)
            if read is None:
                return None
            if slot.carrier:
                via = read
            else:
                caller = read
        return _identity(caller, via)

    def _credentials(self, sent: Mapping[str, list[str]]) -> list[tuple[Slot, str]]:
        return [(slot, text) for slot in self._slots if (text := _credential(slot, sent.get(slot.header)))]

    def judge(self, requirement: Requirement, identity: Identity, path: Mapping[str, Any]) -> Caller | None:
        """Whether these callers may: the caller as the handler shall see it, or a `Refusal`. Pure but for the clock."""
        if requirement.public:
            return None
        rule, caller = requirement.rule, identity.caller
        if caller is not None:
            self._check_audience(caller, requirement.audiences)
        facts = Facts(caller, identity.via, path, self.clock())
        if rule.admits(facts):
            # Whoever is let in as anybody stays nobody: an optional identity is the rule's to give, not the token's.
            known = not requirement.optional or requirement.telling.admits(facts)
            return caller if known else None
        if caller is None:
            sent = "no credential" if identity.via is None else f"only {identity.via}, which carried the call"
            raise Unauthenticated(Reason.NO_CREDENTIAL, lambda: f"expected {rule}, got {sent}")
        raise _refusal(requirement, facts)

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
        level = _level(refusal) if said is None else max(_level(refusal), logging.INFO)
        if refusal is None and not log.isEnabledFor(level):
            return ""
        instance = f"urn:uuid:{uuid.uuid4()}"
        if log.isEnabledFor(level):
            fields = {**_fields(route, requirement, identity or Identity(), refusal, instance), **(said or {})}
            log.log(level, "%s", _sentence(fields), extra={"callerid": fields})
        return instance

    # --- the flow's parts ---

    def _mark(self, slot: Slot, values: list[str]) -> Fingerprint | None:
        """What a credential is remembered by; ``None`` where nothing is, or it is not written as most are."""
        if not self._memory.size or len(values) > 1 or not values[0].startswith("Bearer "):
            return None
        return fingerprint(slot, values[0][7:])

    def _remembered(self, mark: Fingerprint | None) -> Caller | None:
        """The caller of a token verified before, if it would be verified again: in its time, by a key still held."""
        known = None if mark is None else self._memory.recall(mark)
        if known is None:
            return None
        key = known.key
        if known.ring.at_hand(key.kid) is not key:
            return None
        # A guard made like another shares its memory, and may have another leeway and trust more issuers by now.
        now = self.clock()
        in_time = known.valid_from <= now + self.leeway and now < known.caller.expires_at + self.leeway
        return known.caller if in_time and id(known.issuer) in self._trusted else None

    def _read(self, text: str, slot: Slot, mark: Fingerprint | None) -> Flow[Caller]:
        token, issuer, ring = self._claimed(text, slot)
        key: Key | Wait | None = ring.at_hand(token.kid)
        if key is None:
            key = self._keys.find(issuer.keys, issuer.algorithm, token.kid)
        if isinstance(key, Wait):
            yield key
            key = self._keys.find(issuer.keys, issuer.algorithm, token.kid, waited=key)
        assert not isinstance(key, Wait)  # noqa: S101 - find never asks twice
        return self._proved(token, issuer, ring, key, slot, mark)

    def _read_at_once(self, text: str, slot: Slot, mark: Fingerprint | None) -> Caller | None:
        token, issuer, ring = self._claimed(text, slot)
        key = ring.at_hand(token.kid)
        return None if key is None else self._proved(token, issuer, ring, key, slot, mark)

    def _claimed(self, text: str, slot: Slot) -> tuple[Token, Issuer, KeyRing]:
        """What a token claims to be, before its signature is looked at."""
        token = parse(text)
        issuer = self._issuer(token, slot)
        check_claims(token, issuer, self.clock(), self.leeway)
        return token, issuer, self._keys.ring(issuer.keys, issuer.algorithm)

    def _proved(  # noqa: PLR0913, PLR0917 - all that is known of one token
        self, token: Token, issuer: Issuer, ring: KeyRing, key: Key, slot: Slot, mark: Fingerprint | None
    ) -> Caller:
        check_signature(token, key)
        caller = verified(token, issuer)
        if slot.carrier:
            self._check_audience(caller, None)
        if mark is not None:
            self._memory.remember(mark, Remembered(issuer, ring, key, caller, valid_from(token.claims)))
        return caller

    def _issuer(self, token: Token, slot: Slot) -> Issuer:
        candidates = self._slots.get(slot, {}).get(token.issuer, ())
        if not candidates:
            expected = " or ".join(sorted(self._slots.get(slot, ())))
            raise Unauthenticated(Reason.UNKNOWN_ISSUER, f"expected {expected:.400}, got {_described(token)}")
        if len(candidates) == 1:
            return candidates[0]
        # Nothing is checked yet: the audience may be anything, and most things cannot be looked up in a set.
        audience = token.claims.get("aud")
        named = (issuer for issuer in candidates if isinstance(audience, str) and audience in issuer.audiences)
        return next(named, candidates[0])

    def _check_audience(self, caller: Caller, audiences: frozenset[str] | None) -> None:
        if caller.kind is Kind.GOOGLE:
            accepted = audiences or self._accepted.get(caller.issuer, frozenset())
            if caller.audience not in accepted:
                check_audience(caller.audience, accepted)


class Guard(GuardCore):
    """The guard of plain ASGI and WSGI apps; FastAPI, Starlette and Flask have their own, with the same verbs."""

    def allow(self, *rules: Rule | str, audience: str | Iterable[str] | None = None) -> Requirement:
        """An entry of a path table: one rule, or member strings any of which suffices; ``audience=`` for this place."""
        return self.requirement(*rules, audience=audience)


def run(flow: Flow[T]) -> T:
    """Drive a flow in a thread."""
    try:
        while True:
            next(flow).block()
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def arun(flow: Flow[T]) -> T:
    """Drive a flow in a task, on asyncio or trio."""
    try:
        while True:
            await next(flow).pause()
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def at_once(flow: Flow[T]) -> T | None:
    """What a flow gives without waiting; ``None`` where it would wait. A fetch that it began goes on behind."""
    try:
        next(flow)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    flow.close()
    return None


def _any_ofs(rule: Rule) -> Iterator[AnyOf]:
    """All alternatives in a rule of a size that can be looked into at start-up."""
    if isinstance(rule, AnyOf) and len(rule.rules) <= MOST_LOOKED_AT:
        yield rule
    for part in rule.rules if isinstance(rule, AllOf | AnyOf) else ():
        yield from _any_ofs(part)


MOST_LOOKED_AT = 1_000


def _identity(caller: Caller | None, via: Caller | None) -> Identity:
    return Identity(caller if caller is None or via is None else replace(caller, via=via), via)


def _audiences(audience: str | Iterable[str] | None) -> frozenset[str] | None:
    if audience is None:
        return None
    several = isinstance(audience, Iterable) and not isinstance(audience, str)
    return audience_set(tuple(audience) if several else (audience,), "audience= names what a token must be minted for")


def _may_be_google(leaf: Rule) -> bool:
    """Whether a leaf may hold because of the Google ID token in Authorization, the one that audience= speaks of."""
    return leaf.family is Kind.GOOGLE or (leaf.family is None and not isinstance(leaf, Public | Via))


def _credential(slot: Slot, values: list[str] | None) -> str | None:
    """The one bearer token in a slot, if there is one (RFC 9110 section 11.4, RFC 6750 section 2.1)."""
    if not values:
        return None
    # Several headers of one name may arrive as one, joined with commas (RFC 9110 section 5.3): it makes no difference.
    parts = values
    if len(values) > 1 or "," in values[0]:
        parts = [part for value in values for part in _JOINT.split(value)]
    value = parts[0].strip(" \t")
    is_bearer = value[:6].lower() == "bearer" and value[6:7] not in _SCHEME_LETTERS
    if len(parts) > 1 or (is_bearer and "," in value):
        raise BadRequest(Reason.SEVERAL_CREDENTIALS, f"expected one credential in {slot.header}")
    if not is_bearer:
        return None
    token = value[7:]
    if value[6:7] != " " or token.split() != [token] or "\0" in token:
        raise BadRequest(Reason.MALFORMED_HEADER, f"expected {slot.header} to be Bearer, one space and one token")
    if slot.carrier and is_stripped(token):
        return None
    return token


# A comma, then a scheme and a space (or Bearer alone): a second credential. Parameters of one have no space after them.
_JOINT = re.compile(r",[ \t]*+(?=[!#$%&'*+.^_`|~0-9A-Za-z-]+ |bearer[ \t]*+(?:,|\Z))", re.IGNORECASE)

# tchar of RFC 9110 section 5.6.2: one of these goes on with the scheme's name. The empty text (no letter) is none.
_SCHEME_LETTERS = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def _described(token: Token) -> str:
    issuer = ascii(token.issuer[:200])
    if token.issuer.startswith("https://session.firebase.google.com/"):
        return f"{issuer}: a Firebase session cookie, which is no ID token"
    if token.claims.get("aud") == _CUSTOM_TOKEN_AUDIENCE:
        return f"{issuer}: a Firebase custom token; sign in with it first, and send the ID token"
    return issuer


_CUSTOM_TOKEN_AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"  # noqa: S105


def _refusal(requirement: Requirement, facts: Facts) -> Refusal:
    rule = requirement.rule

    def expected() -> str:
        return f"expected {rule}, got {facts.caller}"

    def why() -> str:
        return str(rule.explain(facts))

    steps = missing_steps(rule, facts) if requirement.has_steps else None
    if steps is None:
        return Forbidden(expected, why=why)
    ages = [step.seconds for step in steps if isinstance(step, SignedInWithin)]
    return StepUpRequired(expected, max_age=min(ages, default=None), why=why)


def _level(refusal: Refusal | None) -> int:
    if refusal is None:
        return logging.DEBUG
    return logging.WARNING if isinstance(refusal, Unavailable) else logging.INFO


def _fields(
    route: str, requirement: Requirement | None, identity: Identity, refusal: Refusal | None, instance: str
) -> dict[str, str | None]:
    caller, via = identity.caller, identity.via
    said: dict[str, str | None] = {
        "outcome": "allowed" if refusal is None else "refused",
        "status": None if refusal is None else str(refusal.status),
        "reason": None if refusal is None else str(refusal.reason),
        "caller": None if caller is None else str(caller),
        "subject": None if caller is None else caller.subject,
        "issuer": None if caller is None else caller.issuer,
        "via": None if via is None else str(via),
        "rule": None if requirement is None else str(requirement.rule),
        "route": route,
        "detail": None if refusal is None else refusal.detail,
        "mend": None if refusal is None else refusal.mend,
        "instance": instance,
    }
    fields = {name: None if value is None else one_line(value) for name, value in said.items()}
    # A tree, whose every line is one that we wrote.
    return {**fields, "why": None if refusal is None else refusal.why}


def _sentence(fields: dict[str, str | None]) -> str:
    if fields["outcome"] == "allowed":
        return f"allowed {fields['route']}: {fields['caller'] or 'nobody in particular'} by {fields['rule']}"
    # A decision that answers nobody says what was decided in earnest.
    head = f"{fields['outcome']} {fields['route']}" + (f" (live: {fields['live']})" if "live" in fields else "")
    if fields["status"] is None:
        return f"{head}: {fields['caller'] or 'nobody in particular'} by {fields['rule']} [{fields['instance']}]"
    detail = f": {fields['detail']}" if fields["detail"] else ""
    mend = f"; mend: {fields['mend']}" if fields["mend"] else ""
    return f"{head}: {fields['status']} {fields['reason']}{detail}{mend} [{fields['instance']}]"

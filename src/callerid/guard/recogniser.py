"""From the credentials of a request to verified callers: slots, tokens, keys, claims.

The flow is written once, as a generator that yields a `callerid.keys.Wait` in the rare case that a key has to be
fetched. When keys are at hand it does no I/O.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Self, cast

from callerid.callers import GOOGLE, Caller
from callerid.errors import ConfigurationError, Reason, Unauthenticated
from callerid.guard.credentials import credential, other_than_bearer
from callerid.guard.flow import Flow, arun, run
from callerid.guard.requirement import named_audiences
from callerid.guard.trusted import Trusted
from callerid.issuers import AUTHORIZATION, Issuer, Slot
from callerid.keys import Key, KeyRing, KeyStatus, KeyStore, Wait
from callerid.memory import DEFAULT_SIZE, Memory, Remembered, fingerprint
from callerid.tokens import Token, parse
from callerid.verify import check_audience, check_claims, check_signature, valid_from, verified

__all__ = ["Identity", "Recogniser"]


class Identity(NamedTuple):
    """The verified callers of one request: who is calling, and which service carried the call.

    ``ignored`` says in words what else the headers held that the guard reads, without any of its value: another scheme
    than Bearer is no credential.
    """

    caller: Caller | None = None
    via: Caller | None = None
    ignored: str = ""


class Recogniser:
    """Issuers, keys, a memory and a clock: who is calling. Who may is not asked here; see `callerid.guard.GuardCore`.

    Raises `ConfigurationError` for a ``leeway`` that is not 0 to 60 seconds.
    """

    def __init__(
        self,
        *issuers: Issuer,
        leeway: float = 30,
        memory: int = DEFAULT_SIZE,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        if type(leeway) not in (int, float) or not 0 <= leeway <= 60:
            raise ConfigurationError(f"leeway is 0 to 60 seconds, not {leeway!r}")
        self.leeway = leeway
        self.clock = clock
        self._keys = KeyStore(timer=timer)
        self._memory = Memory(memory)
        self.headers: Mapping[bytes, str] = {}
        """The headers this guard reads, in lower case, as bytes and as text; it reads nothing else."""
        self._trusted = Trusted()
        if issuers:
            self.trust(*issuers)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "identify" in vars(cls) and "recognise" not in vars(cls):
            # Who identifies callers in another way does so for every request.
            cls.recognise = _nobody_at_once  # type: ignore[assignment, method-assign]

    @property
    def issuers(self) -> tuple[Issuer, ...]:
        """The issuers this guard trusts."""
        return tuple(self._trusted.members)

    @property
    def slots(self) -> frozenset[str]:
        """The headers this guard reads, in lower case; it reads nothing else."""
        return frozenset(slot.header for slot in self._trusted.slots)

    def trust(self, *issuers: Issuer) -> Self:
        """Trust these issuers, too. Raises `ConfigurationError` where two would claim the same token."""
        with _CHANGING:
            self._swap(self._trusted.adding(_issuers(issuers)))
        return self

    def distrust(self, *issuers: Issuer) -> Self:
        """Trust these issuers no more: from now on their tokens are refused, those verified before among them.

        A guard without any issuer left reads no credential, so it lets in nobody but whom a rule lets in without one.
        Guards made `like` this one go on as they are. Raises `ConfigurationError` for an issuer that is not trusted.
        """
        with _CHANGING:
            self._swap(self._trusted.removing(_issuers(issuers)))
        return self

    def _swap(self, trusted: Trusted) -> None:
        # A request looks at one value or at the other. What it began with the one is asked again of the other.
        self._trusted = trusted
        self.headers = trusted.headers

    def check_ready(self) -> None:
        """Raise `ConfigurationError` for a guard without issuers."""
        if not self._trusted.members:
            raise ConfigurationError(
                "this guard trusts no issuer: write Guard(google('https://…')), or call guard.trust(...) first"
            )

    # --- keys ---

    def warm(self) -> None:
        """Fetch all keys now, at start-up; what cannot be fetched is logged and tried again by the requests."""
        waits = [self._keys.warm(issuer.keys, issuer.algorithm) for issuer in self.issuers]
        for wait in waits:
            if wait is not None:
                wait.block()

    async def awarm(self) -> None:
        """As `warm`, without blocking the event loop."""
        waits = [self._keys.warm(issuer.keys, issuer.algorithm) for issuer in self.issuers]
        for wait in waits:
            if wait is not None:
                await wait.pause()

    def status(self) -> list[KeyStatus]:
        """For a readiness probe: which keys are at hand, how old, and what went wrong last."""
        return self._keys.status()

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
        audiences = None if audience is None else named_audiences(audience)
        caller = self._remembered(AUTHORIZATION, token) or self._read_at_once(token, AUTHORIZATION)
        if caller is not None:
            self.check_audience(caller, audiences)
        return caller

    def _verify(self, token: str, audience: str | Iterable[str] | None) -> Flow[Caller]:
        caller = yield from self._read(token, AUTHORIZATION)
        self.check_audience(caller, named_audiences(audience))
        return caller

    # --- one request ---

    def identify(self, sent: Mapping[str, list[str]]) -> Flow[Identity]:
        """Verify every credential in the slots this guard reads; ``sent`` maps header names to the values sent.

        Raises `Refusal`: `BadRequest` for what is not one credential, `Unauthenticated` for one that cannot be
        believed, `Unavailable` where its key cannot be had.
        """
        identity = Recogniser.recognise(self, sent)
        if identity is not None:
            return identity
        caller = via = None
        credentials, ignored = self._credentials(sent)
        for slot, text in credentials:
            read = yield from self._read(text, slot)
            if slot.carrier:
                via = read
            else:
                caller = read
        return _identity(caller, via, ignored)

    def recognise(self, sent: Mapping[str, list[str]]) -> Identity | None:
        """As `identify`, at once; ``None`` where a key has to be fetched first, which `identify` does."""
        caller = via = None
        for slot in self._trusted.slots:
            values = sent.get(slot.header)
            if values:
                # Whatever is remembered has passed every check of its form; what is not written as most are is read.
                is_usual = len(values) == 1 and values[0].startswith("Bearer ")
                known = self._remembered(slot, values[0][7:]) if is_usual else None
                if known is None:
                    return self._recognise_unseen(sent)
                if slot.carrier:
                    via = known
                else:
                    caller = known
        return Identity(caller) if via is None else _identity(caller, via)

    def _recognise_unseen(self, sent: Mapping[str, list[str]]) -> Identity | None:
        caller = via = None
        credentials, ignored = self._credentials(sent)
        for slot, text in credentials:
            read = self._read_at_once(text, slot)
            if read is None:
                return None
            if slot.carrier:
                via = read
            else:
                caller = read
        return _identity(caller, via, ignored)

    def _credentials(self, sent: Mapping[str, list[str]]) -> tuple[list[tuple[Slot, str]], str]:
        """The bearer tokens, and what else was sent in their headers, in words."""
        found: list[tuple[Slot, str]] = []
        ignored: list[str] = []
        for slot in self._trusted.slots:
            values = sent.get(slot.header)
            text = credential(slot, values)
            if text:
                found.append((slot, text))
            elif values:
                ignored.append(other_than_bearer(slot, values))
        return found, "; ".join(filter(None, ignored))

    # --- the flow's parts ---

    def _remembered(self, slot: Slot, text: str) -> Caller | None:
        """The caller of a token verified before, if it would be verified again: in its time, by a key still held."""
        known = self._memory.recall(fingerprint(slot, text)) if self._memory.size else None
        if known is None:
            return None
        key = known.key
        if known.ring.at_hand(key.kid) is not key:
            return None
        # A guard made like another shares its memory, and may have another leeway and trust more issuers by now.
        now = self.clock()
        in_time = known.valid_from <= now + self.leeway and now < known.caller.expires_at + self.leeway
        return known.caller if in_time and id(known.issuer) in self._trusted.ids else None

    def _read(self, text: str, slot: Slot) -> Flow[Caller]:
        token, issuer, ring = self._claimed(text, slot)
        key = ring.at_hand(token.kid) or self._keys.find(issuer.keys, issuer.algorithm, token.kid)
        if isinstance(key, Wait):
            yield key
            key = self._keys.find(issuer.keys, issuer.algorithm, token.kid, waited=key)
        assert not isinstance(key, Wait)  # noqa: S101 - find never asks twice
        return self._proved(text, token, issuer, ring, key, slot)

    def _read_at_once(self, text: str, slot: Slot) -> Caller | None:
        token, issuer, ring = self._claimed(text, slot)
        key = ring.at_hand(token.kid) or self._keys.find(issuer.keys, issuer.algorithm, token.kid)
        return None if isinstance(key, Wait) else self._proved(text, token, issuer, ring, key, slot)

    def _claimed(self, text: str, slot: Slot) -> tuple[Token, Issuer, KeyRing]:
        """What a token claims to be, before its signature is looked at."""
        token = parse(text)
        issuer = self._issuer(token, slot)
        check_claims(token, issuer, self.clock(), self.leeway)
        return token, issuer, self._keys.ring(issuer.keys, issuer.algorithm)

    def _proved(  # noqa: PLR0913, PLR0917 - all that is known of one token
        self, text: str, token: Token, issuer: Issuer, ring: KeyRing, key: Key, slot: Slot
    ) -> Caller:
        check_signature(token, key)
        if id(issuer) not in self._trusted.ids:  # it was removed while its key was fetched
            raise _unknown(self._trusted.slots.get(slot, {}), _described(token))
        caller = verified(token, issuer)
        if slot.carrier:
            self.check_audience(caller, None)
        if self._memory.size:
            known = Remembered(issuer, ring, key, caller, valid_from(token.claims))
            self._memory.remember(fingerprint(slot, text), known)
        return caller

    def _issuer(self, token: Token, slot: Slot) -> Issuer:
        known = self._trusted.slots.get(slot, {})
        candidates = known.get(token.issuer, ())
        if not candidates:
            raise _unknown(known, _described(token))
        if len(candidates) == 1:
            return candidates[0]
        # Nothing is checked yet: the audience may be anything, and most things cannot be looked up in a set.
        audience = token.claims.get("aud")
        named = (issuer for issuer in candidates if isinstance(audience, str) and audience in issuer.audiences)
        return next(named, candidates[0])

    def check_audience(self, caller: Caller, audiences: frozenset[str] | None) -> None:
        """Whether a Google ID token was minted for one of these, or else for the guard. Raises `Unauthenticated`."""
        own = self._trusted.accepted.get(caller.issuer)
        if own is None:
            raise _unknown(self._trusted.accepted, caller.issuer)
        if caller.kind is GOOGLE:
            accepted = audiences or own
            if caller.audience not in accepted:
                check_audience(caller.audience, accepted)


_CHANGING = threading.Lock()
"""Held while a guard's issuers change, so that of two changes at once none is lost."""

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(before=_CHANGING.acquire, after_in_parent=_CHANGING.release, after_in_child=_CHANGING.release)


def _issuers(given: tuple[object, ...]) -> list[Issuer]:
    for issuer in given:
        if not isinstance(issuer, Issuer):
            raise ConfigurationError(f"a guard takes issuers, such as google('https://…'), not {issuer!r}")
    return cast("list[Issuer]", list(given))


def _unknown(trusted: Iterable[str], came: str) -> Unauthenticated:
    return Unauthenticated(
        Reason.UNKNOWN_ISSUER, f"expected {' or '.join(sorted(trusted)) or 'nobody':.400}, got {came}"
    )


def _nobody_at_once(_: Recogniser, sent: Mapping[str, list[str]]) -> None:  # noqa: ARG001 - as `Recogniser.recognise`
    return None


def _identity(caller: Caller | None, via: Caller | None, ignored: str = "") -> Identity:
    return Identity(caller if caller is None or via is None else replace(caller, via=via), via, ignored)


def _described(token: Token) -> str:
    issuer = ascii(token.issuer[:200])
    if token.issuer.startswith("https://session.firebase.google.com/"):
        return f"{issuer}: a Firebase session cookie, which is no ID token"
    if token.claims.get("aud") == _CUSTOM_TOKEN_AUDIENCE:
        return f"{issuer}: a Firebase custom token; sign in with it first, and send the ID token"
    return issuer


_CUSTOM_TOKEN_AUDIENCE = "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"  # noqa: S105

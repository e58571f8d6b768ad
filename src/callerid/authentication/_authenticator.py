"""From the credentials of a request to verified callers: locations, tokens, keys, claims.

Nothing here waits. Where a key has to be fetched first, `Authenticator.identify` returns a `Wait`: wait for it, in a
thread or in a task, then ask again with it. So one function serves threads and tasks, with keys at hand or not.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, TypeAlias

from callerid.asking import Answers
from callerid.authentication._bare import bare_credential
from callerid.authentication._bearer import credential, other_than_bearer
from callerid.authentication._cloud_run import PATH, CloudRun
from callerid.authentication._consuming import UsedTokens, consume
from callerid.authentication._gateways import check_forwarded, forwarded_credential
from callerid.authentication._identity import NOBODY, Identity, joined
from callerid.authentication._jws import LONGEST_TOKEN, is_stripped
from callerid.authentication._revocations import Fleet, Revocations
from callerid.authentication._same_origin import METHOD, check_same_origin, origins
from callerid.authentication._token_cache import DEFAULT_SIZE, TokenCache, fingerprint
from callerid.authentication._trust import CHANGING, Trusted, checked_issuers
from callerid.authentication._uses import Uses
from callerid.authentication._verification import VerifiesTokens, Waited
from callerid.callers import Caller
from callerid.errors import ConfigurationError, Reason, Unauthenticated
from callerid.issuers import (
    AUTHORIZATION,
    AskedIssuer,
    Issuer,
    check_not_deployed,
    emulator_warning,
    is_emulated,
)
from callerid.keys import Algorithm, AnySource, KeyStore, Wait

__all__ = ["Authenticator", "Waited"]


log = logging.getLogger("callerid")

_Identify: TypeAlias = Callable[[Mapping[str, list[str]], Waited], Identity | Wait]

MOST_BYTES: Final = 16_384
"""The highest value of ``longest_token``: the time to read a token grows with its length."""


class Authenticator(VerifiesTokens):
    """Verifies who is calling, by issuers, keys, a token cache and a clock. Authorization is not done here.

    ``leeway`` is what two clocks may differ by, in seconds (0 to 60). ``clock`` gives seconds since the epoch,
    ``timer`` monotonic seconds, ``memory`` is the size of the token cache, ``longest_token`` the longest token that is
    read, in bytes. ``trusted_origins`` are those whose pages may use an ambient credential. ``fleet`` tells other
    processes of revocations. Raises `ConfigurationError`.
    """

    def __init__(  # noqa: PLR0913 - plain settings, each with a default
        self,
        *issuers: Issuer,
        leeway: float = 30,
        memory: int = DEFAULT_SIZE,
        longest_token: int = LONGEST_TOKEN,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        trusted_origins: Iterable[str] = (),
        fleet: Fleet | None = None,
    ) -> None:
        if type(leeway) not in (int, float) or not 0 <= leeway <= 60:
            raise ConfigurationError(f"leeway is 0 to 60 seconds, not {leeway!r}", code="token-limits")
        if type(longest_token) is not int or not 1 <= longest_token <= MOST_BYTES:
            raise ConfigurationError(
                f"longest_token= is 1 to {MOST_BYTES} bytes, not {longest_token!r}", code="token-limits"
            )
        self.leeway = leeway
        self.longest_token = longest_token
        self.clock = clock
        self.keys = KeyStore(timer=timer)
        self.cache = TokenCache(memory)
        self.answers = Answers(timer=timer)
        self.claims = UsedTokens()
        """The limited-use tokens that were used."""
        self.origins = origins(trusted_origins)
        """The origins whose pages may use an ambient credential."""
        self.revocations = Revocations(fleet)
        """The accounts that are refused."""
        self.uses = Uses(fleet)
        """The tokens that were used, where each is accepted once."""
        self._has_warned = False
        self.observe(None)
        self.trusted = Trusted()
        self.trust(*issuers)

    def like(
        self,
        *,
        leeway: float,
        clock: Callable[[], float],
        longest_token: int,
        trusted_origins: Iterable[str],
    ) -> Authenticator:
        """Another authenticator of the same issuers, with the same keys and token cache.

        The cache is its own where its longest token is another: what one has read, the other may refuse.
        """
        made = Authenticator(
            *self.issuers,
            leeway=leeway,
            memory=self.cache.size,
            longest_token=longest_token,
            clock=clock,
            trusted_origins=trusted_origins,
        )
        made.keys, made.answers, made.claims = self.keys, self.answers, self.claims
        made.revocations, made.uses = self.revocations, self.uses
        if longest_token == self.longest_token:
            made.cache = self.cache
        return made

    def trust(self, *issuers: Issuer) -> None:
        """Trust these issuers, too. Raises `ConfigurationError` where two would claim the same token."""
        with CHANGING:
            self._swap(self.trusted.adding(checked_issuers(issuers)))

    def distrust(self, *issuers: Issuer) -> None:
        """Trust these issuers no more. Raises `ConfigurationError` for an issuer that is not trusted."""
        with CHANGING:
            self._swap(self.trusted.removing(checked_issuers(issuers)))

    def _swap(self, trusted: Trusted) -> None:
        self.trusted = trusted
        self.headers: Mapping[bytes, str] = trusted.headers
        """The headers that are read, in lower case, as bytes and as text; nothing else of a request is.

        For ambient credentials, and where `cloud_run` names probes, the request's path and method are among them, as
        ``:path`` and ``:method``.
        """
        behind = trusted.cloud_run
        self._cloud_run = CloudRun(self, behind) if behind else None
        if trusted.is_ambient or any(issuer.probes for issuer in behind):
            self.headers = {**self.headers, PATH.encode(): PATH, METHOD.encode(): METHOD}
        identify: _Identify = self._by_any if trusted.bare else self._by_bearer
        if trusted.apps:
            identify = partial(self._with_app, identify)
        if self._cloud_run is not None:
            identify = partial(self._cloud_run.watched, identify)
        self._identify = identify

    def check_ready(self) -> None:
        """Raise `ConfigurationError` where no issuer is trusted, and as `check_emulated`."""
        if not self.trusted.members:
            raise ConfigurationError(
                "this guard trusts no issuer: write Guard(google('https://…')), or call guard.trust(...) first",
                code="guard-without-issuers",
            )
        self.check_emulated()

    def check_emulated(self) -> None:
        """Warn, once, where the Firebase Auth emulator is trusted; there is a platform it is a `ConfigurationError`."""
        emulated = self.trusted.emulated
        if not emulated:
            return
        check_not_deployed()
        if not self._has_warned:
            self._has_warned = True
            log.warning("%s", emulator_warning(emulated))

    def use_up(self, identity: Identity, request: str, waited: Waited = ()) -> Wait | None:
        """Use the caller's token up for the request of this name; a `Wait` until the fleet has answered.

        Raises `Unauthenticated` where another request used it, and `Unavailable` where that cannot be known.
        """
        caller, use_id = identity.caller, identity.use_id
        if caller is None or use_id is None:
            raise Unauthenticated(Reason.ALREADY_USED, "expected a signed token, whose use can be counted")
        return self.uses.use_up(use_id, caller, request, waited, now=self.clock(), leeway=self.leeway)

    # --- keys ---

    @property
    def key_sets(self) -> tuple[tuple[AnySource, Algorithm], ...]:
        """Where the keys of its issuers come from, with the algorithm that they are for."""
        signing = (each for each in self.issuers if not is_emulated(each) and not isinstance(each, AskedIssuer))
        return tuple(dict.fromkeys((issuer.keys, issuer.algorithm) for issuer in signing))

    def warm(self) -> list[Wait]:
        """Start to fetch all keys that are not fresh; returns the waits."""
        waits = (self.keys.warm(*each) for each in self.key_sets)
        return [wait for wait in waits if wait is not None]

    # --- one request ---

    def identify(self, sent: Mapping[str, list[str]], waited: Waited = ()) -> Identity | Wait:
        """Verify every credential in the locations that are read; ``sent`` maps header names to the values sent.

        A caller's bearer token goes before one in another header, and that before one in a cookie: what comes later is
        not read then.

        Returns a `Wait` where a key has to be fetched first: wait for it, then ask again with it in ``waited``.

        Raises `Refusal`: `BadRequest` for what is not one credential, `Unauthenticated` for one that cannot be
        believed, `CrossSite` for an ambient one in a request of another site's page, `Unavailable` where its key cannot
        be had.
        """
        found = self._identify(sent, waited)
        if self.revocations.is_idle or isinstance(found, Wait):
            return found
        return self.revocations.check((found.caller, found.via), self.clock(), waited) or found

    def _by_any(self, sent: Mapping[str, list[str]], waited: Waited) -> Identity | Wait:
        """The identity by bearer tokens; if none is the caller's, by the first token of another kind."""
        found = self._by_bearer(sent, waited)
        if isinstance(found, Wait) or found.caller is not None:
            return found
        bare = self._by_bare(sent, waited)
        return bare if found is NOBODY or isinstance(bare, Wait) else joined(found, bare)

    def _with_app(
        self,
        identify: _Identify,
        sent: Mapping[str, list[str]],
        waited: Waited,
    ) -> Identity | Wait:
        """The identity with the app that sent the request, if an App Check token came; a bad one refuses it."""
        found = identify(sent, waited)
        for location in self.trusted.apps:
            text = bare_credential(location, sent.get(location.header, ()))
            if text is not None and not isinstance(found, Wait):
                app = self.verified(text, location, waited)
                if not isinstance(app, Wait) and app.consumer is not None:
                    app = consume(self.claims, self.answers, app.consumer, text, waited) or app
                found = app if isinstance(app, Wait) else joined(found, app)
        return found

    def _by_bearer(self, sent: Mapping[str, list[str]], waited: Waited) -> Identity | Wait:
        identity = NOBODY
        wait: Wait | None = None
        ignored: list[str] | None = None
        trusted = self.trusted
        for location in trusted.bearer:
            values = sent.get(location.header)
            if not values:
                continue
            digest = fingerprint(location.header, values[0]) if len(values) == 1 else None
            found = None if digest is None else self._recall(digest)
            if found is None:
                text = credential(location, values)
                if text is None or (location.is_intermediary and self._cloud_run is None and is_stripped(text)):
                    said = other_than_bearer(location, values, trusted.schemes[location.header])
                    ignored = [*(ignored or ()), said]
                    continue
                if values[0] != f"{location.scheme} {text}":
                    digest = None
                if self._cloud_run is not None and is_stripped(text):
                    read: Identity | Wait = self._cloud_run.read(text, location, sent)
                else:
                    read = self.verified(text, location, waited, digest)
                if isinstance(read, Wait):
                    wait = read
                    continue
                found = read
            identity = found if identity is NOBODY else joined(identity, found)
        if wait is not None:
            return wait
        if ignored is not None:
            identity = identity._replace(ignored="; ".join(filter(None, dict.fromkeys(ignored))))
        return self._with_forwarded(identity, sent, waited) if trusted.gateways else identity

    def _with_forwarded(self, found: Identity, sent: Mapping[str, list[str]], waited: Waited) -> Identity | Wait:
        """The identity with the caller whose token a verified gateway forwarded."""
        text, why_not = forwarded_credential(found, sent)
        if text is None or found.forwards is None:
            return found._replace(ignored="; ".join(filter(None, (found.ignored, why_not))))
        read = self.verified(text, found.forwards, waited)
        if isinstance(read, Wait):
            return read
        check_forwarded(found, read.caller)
        return joined(found, read)

    def _by_bare(self, sent: Mapping[str, list[str]], waited: Waited) -> Identity | Wait:
        """The identity by the first token that is not a bearer token."""
        for location in self.trusted.bare:
            text = bare_credential(location, sent.get(location.header, ()))
            if text is not None:
                found = self.verified(text, location, waited)
                if location.is_ambient and not isinstance(found, Wait):
                    check_same_origin(sent, self.origins)
                return found
        return NOBODY

    def check_ambient(self, caller: Caller, sent: Mapping[str, list[str]]) -> None:
        """Raise `CrossSite` where an issuer's caller cannot have come by this request; see `identify`."""
        own = [each for issuer in self.issuers if issuer.name == caller.issuer for each in issuer.locations]
        if own and all(location.is_ambient for location in own):
            check_same_origin(sent, self.origins)

    def read(self, text: str, waited: Waited = ()) -> Identity | Wait:
        """What one token proves that came outside headers; a `Wait` and refusals as for `identify`.

        It names a caller: the token of a gateway is refused.
        """
        if type(text) is not str:  # a message's member may be anything
            raise Unauthenticated(Reason.MALFORMED_TOKEN, f"expected a token, got a {type(text).__name__}")
        found = self.verified(text, AUTHORIZATION, waited)
        if isinstance(found, Wait):
            return found
        wait = self.revocations.check((found.caller, found.via), self.clock(), waited)
        if wait is not None:
            return wait
        if found.caller is None:
            raise Unauthenticated(Reason.BAD_CLAIMS, f"expected a caller's token, got that of the gateway {found.via}")
        return found

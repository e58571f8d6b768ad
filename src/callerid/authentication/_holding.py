"""What every guard does by its authenticator: its issuers and their keys, who is calling, revocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

from callerid.authentication._authenticator import Authenticator
from callerid.authentication._denying import denial_of
from callerid.authentication._identity import Identity
from callerid.authentication._revocations import FleetStatus
from callerid.authentication._verification import Waited
from callerid.callers import Caller
from callerid.issuers import Issuer
from callerid.keys import Wait

__all__ = ["HoldsAuthenticator"]


class HoldsAuthenticator:
    """The part of a guard that is its authenticator's. See `callerid.guard.GuardCore`."""

    authenticator: Authenticator
    """Who is calling: issuers, keys, clock and token cache."""

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

    def use_up(self, identity: Identity, request: str, waited: Waited = ()) -> Wait | None:
        """Use the caller's token up, where a rule asks for a `SingleUse`; see `Authenticator.use_up`."""
        return self.authenticator.use_up(identity, request, waited)

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

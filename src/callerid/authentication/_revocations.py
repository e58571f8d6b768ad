"""Accounts whose tokens are refused from a moment on, in this process and, by a fleet, in others.

RFC 6750 section 3.1 counts a revoked token among the invalid ones: 401, ``invalid_token``. A later token is believed.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from callerid._forks import renew_in_child
from callerid.asking import InFlight, is_in_task
from callerid.callers import CUSTOM, FIREBASE, GOOGLE, OIDC, Caller, Kind, unknown_kind
from callerid.errors import Reason, Unauthenticated
from callerid.issuers import ACCESS_TOKENS, IAP_ISSUER
from callerid.keys import Wait

__all__ = [
    "CATCH_UP_SECONDS",
    "LONGEST_DENIAL",
    "Account",
    "Denial",
    "Denials",
    "Fleet",
    "FleetStatus",
    "Revocations",
    "UseRecord",
]

LONGEST_DENIAL: Final = 90 * 86_400.0
"""The longest ``revoke_for``, in seconds."""

CATCH_UP_SECONDS: Final = 1.0
"""For so long at most requests wait until a fleet has told what was revoked before."""

_ISSUED_ANEW: Final = frozenset({IAP_ISSUER, ACCESS_TOKENS})
"""Issuers whose callers have the time of the request as ``issued_at``: it says nothing about when they signed in."""


class Account(NamedTuple):
    """An account, whichever issuer vouches for it. ``scope`` is the Firebase project, or the issuer of other kinds.

    Google's account ids are the same in all of Google's credentials, but for `service_account`, which has the address.
    """

    kind: Kind
    scope: str
    tenant: str
    subject: str

    @property
    def digest(self) -> str:
        """The SHA-256 digest by which it is known, as 64 hexadecimal digits."""
        return sha256(json.dumps(self).encode()).hexdigest()

    @classmethod
    def of(cls, caller: Caller) -> Account:
        """The account of a caller. Raises `TypeError` for an unknown kind."""
        user = caller.firebase
        if caller.kind is FIREBASE and user is not None:
            return cls(FIREBASE, user.project, user.tenant or "", user.uid)
        if caller.kind in (GOOGLE, OIDC, CUSTOM):
            return cls(caller.kind, "" if caller.kind is GOOGLE else caller.issuer, "", caller.subject)
        raise unknown_kind(caller.kind)


class Denial(NamedTuple):
    """Tokens issued up to ``at`` are refused, until ``until``: both in seconds since the epoch."""

    at: float
    until: float

    def joined(self, other: Denial) -> Denial:
        """What both say together: never less than one of them."""
        return Denial(max(self.at, other.at), max(self.until, other.until))


class FleetStatus(NamedTuple):
    """For a probe: whether a fleet can be heard now, how many denials it told, how many of ours it was not told yet.

    ``error`` is the kind of the last failure, while it lasts. ``since`` is from when on it can be heard, or cannot, in
    seconds since the epoch. ``generation`` changes where the server lost what it was told, and is the same for all
    processes that hear the same one; ``None`` where nothing was told.
    """

    connected: bool
    heard: int
    unsent: int
    error: str | None
    since: float = 0.0
    generation: int | None = None


class UseRecord(NamedTuple):
    """Which request used a token, by its random name, and since when uses are known, in seconds since the epoch."""

    request: str
    since: float


class Fleet(Protocol):
    """Shares denials, and uses of tokens, with other processes: it can refuse an account, and never let one in."""

    @property
    def status(self) -> FleetStatus:
        """How it fares."""
        ...

    def find(self, digest: str) -> Denial | None:
        """What others have told about an account. Does no I/O."""
        ...

    def catching_up(self) -> InFlight | None:
        """What to wait for, where it is about to learn what was revoked before. Does no I/O; it may start a thread."""
        ...

    def tell(self, digest: str, denial: Denial, *, at_once: bool) -> None:
        """Tell the others, later where that fails now. It raises nothing, and does no I/O unless ``at_once``."""
        ...

    def use(self, use_id: str, request: str, seconds: float) -> UseRecord:
        """Note that a request uses a token, unless one did, and for how long that is kept. Raises whatever fails.

        It blocks, and is called in a thread.
        """
        ...


class Denials:
    """Denials by the digests of accounts. One never gets shorter. ``most`` are kept; others are not taken."""

    def __init__(self, most: float = math.inf) -> None:
        self._most = most
        self._known: dict[str, Denial] = {}
        self._purge_at: float = 1024
        self.renew_after_fork()
        renew_in_child(self)

    def renew_after_fork(self) -> None:
        """Replace the lock; a forked child calls it by itself."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def get(self, digest: str) -> Denial | None:
        """The denial of an account, which may be over."""
        return self._known.get(digest)

    def covers(self, digest: str, denial: Denial) -> bool:
        """Whether a denial says nothing that is not known."""
        known = self._known.get(digest)
        return known is not None and known.joined(denial) == known

    def put(self, digest: str, denial: Denial, now: float) -> bool:
        """Add a denial; false if there are too many."""
        with self._lock:
            before = self._known.get(digest)
            if before is not None:
                denial = denial.joined(before)
            elif len(self._known) >= min(self._purge_at, self._most):
                self._known = {each: known for each, known in self._known.items() if known.until > now}
                self._purge_at = max(1024, 2 * len(self._known))
                if len(self._known) >= self._most:
                    return False
            self._known[digest] = denial
            return True

    def in_force(self, now: float) -> dict[str, Denial]:
        """The denials that are not over."""
        with self._lock:
            return {digest: denial for digest, denial in self._known.items() if denial.until > now}


class Revocations:
    """The revoked accounts of a guard: those it was told of itself, and those of its fleet, if it has one."""

    def __init__(self, fleet: Fleet | None = None) -> None:
        self.fleet = fleet
        self._own = Denials()
        self.is_idle = fleet is None
        """Whether nobody was revoked here, and nobody else could tell of one."""

    def deny(self, account: Account, denial: Denial, now: float) -> None:
        """Refuse an account in this process, and tell the fleet; in a task that is left to its thread."""
        self._deny(account, denial, now)
        if self.fleet is not None:
            self.fleet.tell(account.digest, denial, at_once=not is_in_task())

    async def adeny(self, account: Account, denial: Denial, now: float) -> None:
        """As `deny`; returns when the fleet was told, or could not be."""
        self._deny(account, denial, now)
        if self.fleet is not None:
            import anyio.to_thread  # noqa: PLC0415 - importing callerid imports no framework

            tell = partial(self.fleet.tell, account.digest, denial, at_once=True)
            await anyio.to_thread.run_sync(tell)

    def _deny(self, account: Account, denial: Denial, now: float) -> None:
        self._own.put(account.digest, denial, now)
        self.is_idle = False

    def check(self, callers: Iterable[Caller | None], now: float, waited: Iterable[Wait] = ()) -> Wait | None:
        """Raise `Unauthenticated` where one of these is revoked. Returns a `Wait` where the fleet is catching up."""
        if self.is_idle:
            return None
        known = [caller for caller in callers if caller is not None]
        if known and self.fleet is not None:
            in_flight = self.fleet.catching_up()
            if in_flight is not None and all(wait.in_flight is not in_flight for wait in waited):
                return Wait(in_flight, CATCH_UP_SECONDS)
        self.refuse(known, now)
        return None

    def refuse(self, callers: Iterable[Caller], now: float) -> None:
        """Raise `Unauthenticated` where one of these is revoked, by what is known here. Does no I/O."""
        for caller in callers:
            if self.is_revoked(caller, now):
                raise Unauthenticated(Reason.REVOKED, f"the account of {caller} was revoked after its token was issued")

    def is_revoked(self, caller: Caller, now: float) -> bool:
        """Whether a caller's account is revoked, by what is known here. Does no I/O."""
        if self.is_idle:
            return False
        digest = Account.of(caller).digest
        is_anew = caller.kind is CUSTOM or caller.issuer in _ISSUED_ANEW
        told = None if self.fleet is None else self.fleet.find(digest)
        return any(
            denial is not None and now < denial.until and (is_anew or caller.issued_at <= denial.at)
            for denial in (self._own.get(digest), told)
        )

"""What to do about one key id, and what each event changes. Pure: state in, value out; time is an argument.

Times are in seconds of one monotonic clock. ``plan`` decides; ``begun``, ``succeeded``, ``kept``, ``failed`` and
``missed`` are the only ways a state changes. ``seconds_outdated`` tells whether a fetched document may replace the one
that is held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from callerid.keys.freshness import BEFORE_ALL, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callerid.keys.key import Key
    from callerid.keys.source import KeyPolicy

__all__ = [
    "Decision",
    "Fetch",
    "KeySet",
    "Reject",
    "Unavailable",
    "Use",
    "begun",
    "failed",
    "kept",
    "missed",
    "plan",
    "seconds_outdated",
    "succeeded",
    "wants_warming",
]

GRACE = 1.0
"""Waiters are woken when a fetch times out; if no watchdog thread could be started, they give up this much later."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """All that is known of one source's keys. The state of an untried source is ``KeySet()``."""

    keys: Mapping[str, Key] = field(default_factory=lambda: MappingProxyType({}))
    """By key id; empty only as long as no fetch has succeeded."""
    fetched_at: float = -math.inf
    """When the fetch that brought these keys began: their age counts from there (RFC 9111 section 4.2.3)."""
    lifetime: float = 0.0
    """Seconds they are fresh; infinite for keys that are never fetched again."""
    origin: Origin = BEFORE_ALL
    """When the document with these keys was generated: an older one never replaces it while the keys are usable."""
    no_refresh_before: float = -math.inf
    """Set where the last fetch brought an older document: a cache that served it will likely serve it again."""
    begun_at: float | None = None
    """When the fetch in flight began, if there is one."""
    failures: int = 0
    """Fetches that failed since the last one that succeeded."""
    retry_at: float = -math.inf
    """The end of the back-off."""
    unknown_until: float = -math.inf
    """The end of the cool-down for unknown key ids."""
    fetches: int = 0
    """Fetches begun."""
    last_error: str = ""
    """Why the last fetch failed; empty when it succeeded."""

    @property
    def expires_at(self) -> float:
        """The end of the lifetime."""
        return self.fetched_at + self.lifetime

    def refresh_at(self, policy: KeyPolicy) -> float:
        """When the last part of the lifetime begins, in which a refresh is due."""
        return max(self.fetched_at + self.lifetime * (1 - policy.refresh_fraction), self.no_refresh_before)

    def use_until(self, policy: KeyPolicy) -> float:
        """Until when the keys are used without a fetch: then a refresh or retry is due, or they are not usable."""
        return min(max(self.refresh_at(policy), self.retry_at), self.expires_at + policy.stale_seconds)

    def is_fresh(self, now: float) -> bool:
        """Whether there are keys within their lifetime."""
        return bool(self.keys) and now < self.expires_at

    def is_usable(self, policy: KeyPolicy, now: float) -> bool:
        """Whether there are keys, fresh or not too far past their lifetime."""
        return bool(self.keys) and now < self.expires_at + policy.stale_seconds


@dataclass(frozen=True, slots=True)
class Use:
    """Verify with this key."""

    key: Key


@dataclass(frozen=True, slots=True)
class Fetch:
    """Start a fetch, or join the one in flight, and wait for at most ``seconds``.

    0 seconds: it runs in the background, and this request uses ``key`` now. ``because_unknown``: the fetch is made
    because the key id is not in the set, so it starts the cool-down.
    """

    seconds: float
    key: Key | None = None
    because_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """There is no such key."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Whether there is such a key is not known now; ask again after ``retry_after`` seconds."""

    retry_after: float


Decision = Use | Fetch | Reject | Unavailable


def plan(policy: KeyPolicy, state: KeySet, kid: str, now: float, *, waited: bool = False) -> Decision:
    """What to do about a token that names the key id ``kid``.

    A caller without a key waits for the whole fetch, but only for ``stale_wait`` if the last fetch failed: otherwise an
    outage would block every thread of a server each time the back-off ends.

    ``waited``: this caller has waited for a fetch already and gets what there is now; the result is never Fetch.
    """
    key = state.keys.get(kid) if state.is_usable(policy, now) else None
    if key is None:
        return _settle_unknown(policy, state, now) if waited else _plan_unknown(policy, state, now)
    return Use(key) if waited else _plan_known(policy, state, key, now)


def _plan_known(policy: KeyPolicy, state: KeySet, key: Key, now: float) -> Decision:
    if now < state.refresh_at(policy) or now < state.retry_at:
        return Use(key)
    waited_already = 0.0 if state.begun_at is None else now - state.begun_at
    seconds = 0.0 if state.is_fresh(now) else max(0.0, policy.stale_wait - waited_already)
    if seconds == 0.0 and state.begun_at is not None:
        return Use(key)
    return Fetch(seconds, key)


def _plan_unknown(policy: KeyPolicy, state: KeySet, now: float) -> Decision:
    most = policy.stale_wait if state.failures else policy.fetch_seconds + GRACE
    if state.begun_at is not None:
        seconds = state.begun_at + most - now
        return Fetch(seconds) if seconds > 0 else _unavailable(state, now)
    if now < state.retry_at:
        return _unavailable(state, now)
    if state.is_fresh(now) and (now < state.unknown_until or state.lifetime == math.inf):
        return _unavailable(state, now) if state.failures else Reject()
    return Fetch(most, because_unknown=state.is_usable(policy, now))


def _settle_unknown(policy: KeyPolicy, state: KeySet, now: float) -> Decision:
    if state.is_usable(policy, now) and not state.failures and state.begun_at is None:
        return Reject()
    return _unavailable(state, now)


def _unavailable(state: KeySet, now: float) -> Unavailable:
    until = max(state.retry_at, state.unknown_until) if state.is_fresh(now) else state.retry_at
    return Unavailable(max(1.0, until - now))


def wants_warming(state: KeySet, now: float) -> bool:
    """Whether there are no fresh keys, and a fetch is in flight or allowed by the back-off."""
    return not state.is_fresh(now) and (state.begun_at is not None or now >= state.retry_at)


def begun(policy: KeyPolicy, state: KeySet, now: float, *, because_unknown: bool) -> KeySet:
    """The state once a fetch has begun."""
    unknown_until = now + policy.unknown_kid_cooldown if because_unknown else state.unknown_until
    return replace(state, begun_at=now, fetches=state.fetches + 1, unknown_until=unknown_until)


def seconds_outdated(policy: KeyPolicy, state: KeySet, keys: Mapping[str, Key], origin: Origin, now: float) -> float:
    """By how many seconds a fetched document with these keys is too old to replace the one held; 0 if it may.

    A shared cache may answer with an older document than the last one, and where several caches answer in turn the
    older one comes again and again. Once the keys held are not usable any more, any document replaces them.
    """
    if not state.is_usable(policy, now) or _is_same(policy, state, keys, origin):
        return 0.0
    return origin.seconds_before(state.origin)


def _is_same(policy: KeyPolicy, state: KeySet, keys: Mapping[str, Key], origin: Origin) -> bool:
    """Whether this is the document that is held, read again.

    Two readings differ by seconds: ``Age`` is a whole number of them, counted to some moment within the fetch.
    """
    is_near = origin.seconds_before(state.origin) <= policy.fetch_seconds + GRACE
    return is_near and _materials(keys) == _materials(state.keys)


def _materials(keys: Mapping[str, Key]) -> dict[str, bytes]:
    return {kid: key.material for kid, key in keys.items()}


def succeeded(  # noqa: PLR0913 - all that is known of a document
    policy: KeyPolicy, state: KeySet, keys: Mapping[str, Key], lifetime: float, *, begun_at: float, origin: Origin
) -> KeySet:
    """The fetch that began at ``begun_at`` brought ``keys``, fresh for ``lifetime`` seconds from then.

    A key published again under the same id stays the same object.
    """
    is_reread = _is_same(policy, state, keys, origin) and origin.seconds_before(state.origin) > 0
    return replace(
        state,
        keys=MappingProxyType({kid: _same_object(state.keys.get(kid), key) for kid, key in keys.items()}),
        fetched_at=begun_at,
        lifetime=lifetime,
        origin=state.origin if is_reread else origin,
        no_refresh_before=-math.inf,
        begun_at=None,
        failures=0,
        retry_at=-math.inf,
        last_error="",
    )


def _same_object(old: Key | None, new: Key) -> Key:
    return old if old is not None and old.material == new.material else new


def kept(policy: KeyPolicy, state: KeySet, now: float) -> KeySet:
    """The fetch under way brought an older document than the one held, whose keys are fresh: they stay, as they are.

    This is not a failure, but it is not retried at once either: the next refresh is made after the longest back-off,
    or when the keys expire.
    """
    pause_until = min(now + policy.longest_backoff, state.expires_at)
    return replace(state, no_refresh_before=pause_until, begun_at=None, failures=0, retry_at=-math.inf, last_error="")


def failed(policy: KeyPolicy, state: KeySet, now: float, error: str, retry_after: float = 0.0) -> KeySet:
    """The fetch under way failed; the keys stay, and the back-off doubles.

    ``retry_after``: seconds the server asked to be left alone; it can lengthen the back-off up to its longest.
    """
    doubled = policy.shortest_backoff * 2.0 ** min(state.failures, 64)
    backoff = min(policy.longest_backoff, max(doubled, retry_after))
    return replace(state, begun_at=None, failures=state.failures + 1, retry_at=now + backoff, last_error=error)


def missed(policy: KeyPolicy, state: KeySet, kid: str, finished_at: float) -> KeySet:
    """A caller waited for a fetch that succeeded at ``finished_at``: if ``kid`` is not in it, the cool-down starts."""
    if kid in state.keys:
        return state
    return replace(state, unknown_until=max(state.unknown_until, finished_at + policy.unknown_kid_cooldown))

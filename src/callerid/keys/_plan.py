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

from callerid.asking._plan import GRACE, Fetch, RetryLater, State, Use, failed, plan_held, plan_missing, unavailable
from callerid.keys._freshness import BEFORE_ALL, Origin
from callerid.keys._key import Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from callerid.asking._policy import AskPolicy
    from callerid.keys._source import KeyPolicy

__all__ = [
    "GRACE",
    "Decision",
    "Fetch",
    "KeySet",
    "Reject",
    "RetryLater",
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


@dataclass(frozen=True, slots=True)
class KeySet(State):
    """All that is known of one source's keys. The state of an untried source is ``KeySet()``."""

    keys: Mapping[str, Key] = field(default_factory=lambda: MappingProxyType({}))
    """By key id; empty only as long as no fetch has succeeded."""
    origin: Origin = BEFORE_ALL
    """When the document with these keys was generated: an older one never replaces it while the keys are usable."""
    no_refresh_before: float = -math.inf
    """Set where the last fetch brought an older document: a cache that served it will likely serve it again."""
    unknown_until: float = -math.inf
    """The end of the cool-down for unknown key ids."""
    fetches: int = 0
    """Fetches begun."""

    @property
    def has_answer(self) -> bool:
        """Whether there are keys."""
        return bool(self.keys)

    def refresh_at(self, policy: AskPolicy) -> float:
        """When the last part of the lifetime begins, in which a refresh is due."""
        return max(State.refresh_at(self, policy), self.no_refresh_before)

    def ask_again_at(self, now: float) -> float:
        """When a key id that is not in the set may be."""
        return max(self.retry_at, self.unknown_until) if self.is_fresh(now) else self.retry_at


@dataclass(frozen=True, slots=True)
class Reject:
    """There is no such key."""


Decision = Use[Key] | Fetch[Key] | Reject | RetryLater


def plan(policy: KeyPolicy, state: KeySet, kid: str, now: float, *, waited: bool = False) -> Decision:
    """What to do about a token that names the key id ``kid``.

    ``waited``: this caller has waited for a fetch already and gets what there is now; the result is never Fetch.
    """
    key = state.keys.get(kid) if state.is_usable(policy, now) else None
    if key is None:
        return _settle_unknown(policy, state, now) if waited else _plan_unknown(policy, state, now)
    return Use(key) if waited else plan_held(policy, state, key, now)


def _plan_unknown(policy: KeyPolicy, state: KeySet, now: float) -> Decision:
    decision = plan_missing(policy, state, now)
    if isinstance(decision, RetryLater) or state.begun_at is not None:
        return decision
    if state.is_fresh(now) and (now < state.unknown_until or state.lifetime == math.inf):
        return unavailable(state, now) if state.failures else Reject()
    return replace(decision, because_unknown=state.is_usable(policy, now))


def _settle_unknown(policy: KeyPolicy, state: KeySet, now: float) -> Decision:
    if state.is_usable(policy, now) and not state.failures and state.begun_at is None:
        return Reject()
    return unavailable(state, now)


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


def missed(policy: KeyPolicy, state: KeySet, kid: str, finished_at: float) -> KeySet:
    """A caller waited for a fetch that succeeded at ``finished_at``: if ``kid`` is not in it, the cool-down starts."""
    if kid in state.keys:
        return state
    return replace(state, unknown_until=max(state.unknown_until, finished_at + policy.unknown_kid_cooldown))

"""The look-ups of a guard: asked at most once for each caller at a time, whatever waits."""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from functools import partial
from typing import Any, Final, cast

from callerid.asking import Answers, AskError, Entry, Source, SourceAnswer, Wait
from callerid.asking._entry import SourceStatus, cause_of
from callerid.callers import Caller, Kind
from callerid.errors import ConfigurationError, Reason, Unavailable
from callerid.lookups._lookup import Lookup
from callerid.observing import SafeObserver

__all__ = ["Lookups", "missing"]

log = logging.getLogger("callerid")

_TELL_EVERY: Final = 60
"""Seconds between two records about a source that fails and whose look-up lets in."""


class _Everything(Container[str]):
    """Contains every fact."""

    def __contains__(self, fact: object) -> bool:
        return True


_EVERYTHING: Final = _Everything()


class _LookupState:
    """One look-up with what it has answered."""

    def __init__(self, lookup: Lookup, timer: Callable[[], float]) -> None:
        self.lookup = lookup
        self.is_async = _is_async(lookup.load)
        remedy = f"see why the function of Lookup({lookup.name!r}) fails, or how long it takes (timeout=)"
        self.source = Source(
            f"the look-up {lookup.name!r}", lookup.policy, self.is_async, Reason.LOOKUP_UNAVAILABLE, remedy
        )
        self.answers = Answers(lookup.size, timer=timer)
        self._timer = timer
        self._observer: SafeObserver | None = None
        self._failing_since: float | None = None
        self._told_at = -_TELL_EVERY * 2.0

    def held(self, caller: Caller, fact: str) -> Container[str] | None:
        """The same as `find` says, if that is known and nobody has to be asked for it now."""
        if self._failing_since is not None:
            return None
        entry = self.answers.held(self.source, self._key(caller, fact))
        answer = None if entry is None else entry.at_hand
        if entry is None or answer is None:
            return None
        if self._observer is not None:
            self._tell_age(self._observer, entry)
        try:
            return self.lookup.said(answer.value, caller)
        except Exception:  # noqa: BLE001 - `find` says why
            return None

    def _key(self, caller: Caller, fact: str) -> tuple[str, ...]:
        return (*_who(caller), fact if self.lookup.one_by_one else "")

    def find(self, caller: Caller, fact: str, waited: Iterable[Wait]) -> Container[str] | Wait:
        """What it says of a caller: all facts, or whether this is one. Raises `Unavailable`."""
        lookup, key = self.lookup, self._key(caller, fact)
        answer: Callable[..., Any] = _answer_async if self.is_async else _answer
        ask: Callable[[], SourceAnswer[Any]] = partial(answer, lookup, caller, fact)
        try:
            found = self.answers.find(self.source, key, ask, waited)
        except Unavailable as error:
            if lookup.horizon is None or not self._is_let_in(error, lookup.horizon):
                raise
            return _EVERYTHING
        if isinstance(found, Wait):
            return found
        if self._observer is not None:
            self._tell_age(self._observer, found.entry)
        since = self._failing_since
        if since is not None and found.entry.state.fetched_at > since:  # an older answer does not say that it is over
            self._failing_since = None
        try:
            return lookup.said(found.answer.value, caller)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing is known of the caller
            raise Unavailable(
                f"{self.source.name} cannot be read ({cause_of(error)})",
                remedy=self.source.remedy,
                reason=Reason.LOOKUP_UNAVAILABLE,
            ) from None

    def observe(self, observer: SafeObserver | None) -> None:
        """Tell this observer of calls, and of how old the answers are that requests are judged by."""
        self._observer = observer
        self.answers.on_call = None if observer is None else partial(observer.looked_up, self.lookup.name)

    def _tell_age(self, observer: SafeObserver, entry: Entry[Any]) -> None:
        state = entry.state
        age = self._timer() - state.fetched_at
        observer.used_answer(self.lookup.name, age, is_stale=age >= state.lifetime)

    def _is_let_in(self, error: Unavailable, horizon: float) -> bool:
        now = self._timer()
        if self._failing_since is None:
            self._failing_since = now
        if now >= self._failing_since + horizon:
            return False
        if now >= self._told_at + _TELL_EVERY:
            self._told_at = now
            log.warning("%s: whoever needs it is let in, for at most %.0f s more", error.detail, horizon)
        return True


class Lookups:
    """The look-ups of a guard, by name. Raises `ConfigurationError` where two have one name.

    ``timer`` gives monotonic seconds.
    """

    def __init__(self, lookups: Iterable[Lookup] = (), *, timer: Callable[[], float] = time.monotonic) -> None:
        self._asked: dict[str, _LookupState] = {}
        for lookup in lookups:
            if not isinstance(lookup, Lookup):
                raise ConfigurationError(
                    f"lookups= takes look-ups, such as Lookup('roles', load), not {lookup!r}", code="lookup-settings"
                )
            if lookup.name in self._asked:
                raise ConfigurationError(
                    f"two look-ups are named {lookup.name!r}: a rule could mean either; give each a name of its own",
                    code="lookup-settings",
                )
            self._asked[lookup.name] = _LookupState(lookup, timer)

    def observe(self, observer: SafeObserver | None) -> None:
        """Tell this observer of every look-up."""
        for asked in self._asked.values():
            asked.observe(observer)

    @property
    def members(self) -> Mapping[str, Lookup]:
        """The look-ups, by name."""
        return {name: asked.lookup for name, asked in self._asked.items()}

    def status(self) -> dict[str, SourceStatus]:
        """How each fares, by its name."""
        return {name: asked.answers.status(asked.source) for name, asked in self._asked.items()}

    def find(
        self, of: str, caller: Caller, fact: str, waited: Iterable[Wait] | None = ()
    ) -> Container[str] | Wait | None:
        """The facts that a look-up knows of a caller, or a `Wait`; where it is asked one by one, whether this is one.

        Where ``waited`` is ``None`` nobody is asked, and what is not at hand is ``None``. Raises `Unavailable` where it
        cannot be asked now, and `ConfigurationError` for a look-up that is not there.
        """
        asked = self._of(of)
        return asked.held(caller, fact) if waited is None else asked.find(caller, fact, waited)

    def key(self, of: str, fact: str) -> tuple[str, str]:
        """What an answer about this fact is good for: all facts of a look-up, or this one alone."""
        return of, fact if self._of(of).lookup.one_by_one else ""

    def _of(self, of: str) -> _LookupState:
        asked = self._asked.get(of)
        if asked is None:
            raise ConfigurationError(missing(of, self._asked), code="lookup-missing")
        return asked

    def forget(self, caller: Caller) -> None:
        """Forget what is known of a caller: the next request that needs it asks anew."""
        who = _who(caller)
        self._forget(lambda key: key[:-1] == who)

    def forget_account(self, kind: Kind, subject: str) -> None:
        """Forget what is known of all callers of this kind and subject, whoever vouched for them."""
        self._forget(lambda key: (key[0], key[3]) == (kind, subject))

    def _forget(self, concerns: Callable[[tuple[str, ...]], bool]) -> None:
        for asked in self._asked.values():
            asked.answers.forget(lambda key: concerns(cast("tuple[str, ...]", key)))


_READY_MADE: Final = {"account_status": "account_status(PROJECT) for Firebase users", "groups": "groups()"}


def missing(of: str, known: Iterable[str]) -> str:
    """What is wrong with a rule whose look-up the guard has not."""
    there = ", ".join(map(repr, sorted(known))) or "none"
    write = f"Guard(..., lookups=[Lookup({of!r}, load)])"
    ready = f", or the look-up {_READY_MADE[of]}" if of in _READY_MADE else ""
    return f"it needs the look-up {of!r}, and the guard has {there}: write {write}{ready}"


def _who(caller: Caller) -> tuple[str, str, str, str]:
    tenant = "" if caller.firebase is None else caller.firebase.tenant or ""
    return caller.kind, caller.issuer, tenant, caller.subject


def _is_async(load: Any) -> bool:
    call = getattr(load, "func", load)  # functools.partial
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004 - it is looked into


def _answer(lookup: Lookup, caller: Caller, fact: str) -> SourceAnswer[Any]:
    load: Any = lookup.load
    returned = load(caller, fact) if lookup.one_by_one else load(caller)
    if inspect.iscoroutine(returned):
        returned.close()
        raise AskError("it returned a coroutine: give the async function itself")
    return lookup.answer(returned, fact)


async def _answer_async(lookup: Lookup, caller: Caller, fact: str) -> SourceAnswer[Any]:
    load: Callable[..., Awaitable[Any]] = cast("Any", lookup.load)
    return lookup.answer(await (load(caller, fact) if lookup.one_by_one else load(caller)), fact)

"""A look-up: a named source of facts about a caller that no token carries."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias, cast

from callerid.asking import AskError, AskPolicy, SourceAnswer
from callerid.callers import Caller
from callerid.errors import ConfigurationError

__all__ = ["Load", "Lookup"]

Load: TypeAlias = Callable[[Caller], Any] | Callable[[Caller, str], Any]

_NAMES: Final = (set, frozenset, list, tuple)


@dataclass(frozen=True)
class Lookup:
    """A named source of facts about a caller: roles of a database, groups, the status of an account.

    ``load(caller)`` returns the facts, as a set (or list or tuple) of texts: an empty one for who is not known. With
    ``one_by_one`` it is ``load(caller, fact)`` and returns ``True`` or ``False``, for sources that can only be asked
    about one fact at a time. It is called in a thread, or where it is ``async`` as a task of its own; by one call at a
    time for each caller, after the token was verified, and only where a rule's answer depends on it. Callers are told
    apart by family, issuer, subject and tenant.

    With ``facts``, ``load`` may return any other value that cannot change (and so has a hash), and
    ``facts(value, caller)`` says for each request what it means for this caller: for what depends on the token, too.

    All times are in seconds. An answer is fresh for ``max_age``, and asked for again behind requests in the last tenth
    of that; with ``refresh_ahead=False`` not before its end, so at most once in each ``max_age``, for which a request
    waits. While the source fails, the last answer is used for ``stale`` more seconds; then requests are refused with
    503. A call ends within ``timeout``. ``size`` is how many callers are remembered.

    ``on_error="allow"`` admits whomever the look-up cannot be asked about, for ``horizon`` seconds after the first
    failure: 503 then. It weakens every rule that needs the look-up to one without it. Raises `ConfigurationError`.
    """

    name: str
    load: Load = field(repr=False)  # an argument that was bound to it may be a password
    _: KW_ONLY
    max_age: float = 60
    stale: float = 600
    on_error: Literal["refuse", "allow"] = "refuse"
    horizon: float | None = None
    timeout: float = 2
    size: int = 10_000
    one_by_one: bool = False
    refresh_ahead: bool = True
    facts: Callable[[Any, Caller], Iterable[str]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise ConfigurationError(
                f"a look-up has a name, such as 'roles', not {self.name!r}", code="lookup-settings"
            )
        where = f"Lookup({self.name!r})"
        if not callable(self.load):
            raise ConfigurationError(
                f"{where} takes a function of the caller, not {self.load!r}", code="lookup-settings"
            )
        if self.on_error not in ("refuse", "allow"):
            raise ConfigurationError(
                f"{where}: on_error= is 'refuse' or 'allow', not {self.on_error!r}", code="lookup-settings"
            )
        if (self.on_error == "allow") is (self.horizon is None):
            raise ConfigurationError(
                f"{where}: on_error='allow' names a horizon, as in horizon=3600: for so many seconds after the first "
                "failure those whom the look-up cannot be asked about are let in. Nothing else has one",
                code="lookup-settings",
            )
        for name in ("max_age", "timeout"):
            _positive(where, name, getattr(self, name))
        if self.horizon is not None:
            _positive(where, "horizon", self.horizon)
        if self.one_by_one and self.facts is not None:
            raise ConfigurationError(
                f"{where}: facts= goes with a function of the caller alone, not with one_by_one=",
                code="lookup-settings",
            )
        if type(self.size) is not int or self.size < 1:
            raise ConfigurationError(
                f"{where}: size= is how many callers are remembered, not {self.size!r}", code="lookup-settings"
            )
        _ = self.policy  # which checks the rest

    @property
    def policy(self) -> AskPolicy:
        """How it is asked."""
        ahead = AskPolicy.refresh_fraction if self.refresh_ahead else 0.0
        return AskPolicy(fetch_seconds=self.timeout, stale_seconds=self.stale, refresh_fraction=ahead)

    def answer(self, returned: Any, fact: str) -> SourceAnswer[Any]:
        """What was returned, as facts or as a value for ``facts``. Raises for anything else than it should be."""
        if self.facts is not None:
            hash(returned)  # raises for what may change
            return SourceAnswer(returned, self.max_age)
        if self.one_by_one:
            if type(returned) is not bool:
                raise AskError(f"it returned a {type(returned).__name__}, not True or False")
            return SourceAnswer(frozenset({fact} if returned else ()), self.max_age)
        return SourceAnswer(_texts(returned), self.max_age)

    def said(self, value: Any, caller: Caller) -> frozenset[str]:
        """What a value that is an answer says of a caller. Raises `AskError`, or whatever ``facts`` raises."""
        return value if self.facts is None else _texts(self.facts(value, caller))


def _texts(returned: Any) -> frozenset[str]:
    facts = cast("Iterable[object]", returned) if isinstance(returned, _NAMES) else (None,)
    said = frozenset(each for each in facts if type(each) is str)
    if not all(type(each) is str for each in facts):
        raise AskError(f"it returned a {type(cast('object', returned)).__name__}, not a set of texts")
    return _shared(said)


@lru_cache(1024)
def _shared(facts: frozenset[str]) -> frozenset[str]:
    """An equal set that is held already, if there is one: many callers have the same roles."""
    return facts


def _positive(where: str, name: str, value: Any) -> None:
    if type(value) not in (int, float) or not math.isfinite(value) or value <= 0:
        raise ConfigurationError(
            f"{where}: {name}= is a number of seconds above 0, not {value!r}", code="lookup-settings"
        )

"""Rules about any caller, whoever vouches for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from callerid.callers import Caller, Kind
from callerid.errors import ConfigurationError
from callerid.rules._apps import AnyApp, App
from callerid.rules._base import Explanation, Rule, described, grouped, leaves
from callerid.rules._facts import Facts
from callerid.rules._judging import admitted, the_caller
from callerid.rules._looked_up import LookUpRule
from callerid.rules._single_use import SingleUse
from callerid.rules._text import is_deferred, printable, takes_two

__all__ = ["IssuedBy", "Nobody", "Public", "Via", "Where"]


@dataclass(frozen=True, slots=True, repr=False)
class Public(Rule):
    """Everybody, without any credential: IAM's ``allUsers``.

    Where this is the whole rule, no credential is read at all. ``Public() | rule`` is the optional identity.
    """

    @property
    def needs_caller(self) -> bool:
        return False

    def admits(self, facts: Facts) -> bool:
        return True

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return ""

    def __str__(self) -> str:
        return "allUsers"


@dataclass(frozen=True, slots=True, repr=False)
class Nobody(Rule):
    """Nobody at all."""

    def admits(self, facts: Facts) -> bool:
        return False

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return ""

    def __str__(self) -> str:
        return "nobody"


@dataclass(frozen=True, slots=True, repr=False)
class IssuedBy(Rule):
    """Callers whom one issuer vouches for, by its name: the canonical ``iss``, as ``Caller.issuer`` has it."""

    issuer: str

    def __post_init__(self) -> None:
        printable(self.issuer, "IssuedBy names an issuer such as 'https://accounts.google.com'")

    @property
    def names_project(self) -> bool:
        return type(self) is IssuedBy

    def admits(self, facts: Facts) -> bool:
        return facts.caller is not None and facts.caller.issuer == self.issuer

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts)
        return note if facts.caller is None else f"{note}, issued by {facts.caller.issuer}"

    def __str__(self) -> str:
        return f"issuedBy:{self.issuer}"


@dataclass(frozen=True, slots=True, repr=False)
class Where(Rule):
    """Callers of whom ``holds(caller)`` is ``True``: exactly ``True``, so that no object and no coroutine passes.

    A function of two parameters is asked ``holds(caller, path)``: ``path`` are the path parameters by which the request
    is judged, as the framework converted them, read-only. An exception in it is a no. It must not do I/O.
    """

    description: str
    holds: Callable[[Caller], bool] | Callable[[Caller, Mapping[str, Any]], bool] = field(hash=False)
    reads_path: bool = field(init=False, repr=False, compare=False)
    """Whether it is asked about the path, too."""

    def __post_init__(self) -> None:
        printable(self.description, "Where needs a description")
        if not callable(self.holds):
            raise ConfigurationError("Where takes a function of the caller", code="where-function")
        if is_deferred(self.holds):
            raise ConfigurationError(
                "Where takes a plain function, neither async nor a generator: a rule does no I/O", code="where-function"
            )
        self._set(reads_path=takes_two(self.holds))

    def admits(self, facts: Facts) -> bool:
        try:
            return self._answer(facts) is True
        except Exception:  # noqa: BLE001 - whatever goes wrong in it, it is a no
            return False

    def _answer(self, facts: Facts) -> object:
        if facts.caller is None:
            return False
        holds: Any = self.holds
        return holds(facts.caller, MappingProxyType(facts.path)) if self.reads_path else holds(facts.caller)

    def __str__(self) -> str:
        return f"where {self.description}"

    def __repr__(self) -> str:
        return f"Where({self.description!r}, ...)"


@dataclass(frozen=True, slots=True, repr=False)
class Via(Rule):
    """Requests carried by a service of whom the inner rule holds (its token is in X-Serverless-Authorization)."""

    rule: Rule

    def __post_init__(self) -> None:
        if not isinstance(self.rule, Rule):
            raise ConfigurationError(
                f"Via takes a rule, such as ServiceAccount(...), not {described(self.rule)}", code="via-rule"
            )
        for leaf in leaves(self.rule):
            if type(leaf) in (Via, Public, App, AnyApp) or isinstance(leaf, LookUpRule | SingleUse):
                raise ConfigurationError(
                    f"Via(...) speaks of the one service that carried the call: {leaf!r} cannot", code="via-rule"
                )
            if leaf.kinds is not None and Kind.GOOGLE not in leaf.kinds:
                raise ConfigurationError(
                    f"Via({leaf!r}) admits nobody: a call is carried by a service, not by a user", code="via-rule"
                )

    @property
    def needs_caller(self) -> bool:
        return False

    def admits(self, facts: Facts) -> bool:
        return facts.via is not None and admitted(self.rule, self._inside(facts))

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return "nothing carried the call" if facts.via is None else f"the call was carried by {facts.via}"

    def _parts(self, facts: Facts) -> tuple[Explanation, ...]:
        return (self.rule.explain(self._inside(facts)),)

    @staticmethod
    def _inside(facts: Facts) -> Facts:
        return facts._replace(caller=facts.via, via=None)

    def __str__(self) -> str:
        return f"via {grouped(self.rule)}"

"""How every rule is asked, and what is known of a rule before it is."""

from __future__ import annotations

from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR, CO_ITERABLE_COROUTINE
from types import FunctionType
from typing import Any, ClassVar, Protocol, TypeVar

from callerid.callers import Kind
from callerid.errors import ConfigurationError
from callerid.rules._facts import Facts

__all__ = [
    "admitted",
    "by_want",
    "check_hashable",
    "check_plain",
    "is_ours",
    "made_here",
    "needs_no_caller",
    "the_caller",
]

_DEFERRED = CO_COROUTINE | CO_ITERABLE_COROUTINE | CO_GENERATOR | CO_ASYNC_GENERATOR
"""Code whose call gives a coroutine or a generator, and no answer."""


class AnyRule(Protocol):
    """What is asked of a rule: see `callerid.rules.Rule`."""

    family: ClassVar[Kind | None]
    families: ClassVar[frozenset[Kind] | None]

    @property
    def needs_caller(self) -> bool:
        """See `Rule.needs_caller`."""
        ...

    @property
    def wants(self) -> str | None:
        """See `Rule.wants`."""
        ...

    def admits(self, facts: Facts) -> bool:
        """See `Rule.admits`."""
        ...


R = TypeVar("R", bound=AnyRule)


def admitted(rule: AnyRule, facts: Facts) -> bool:
    """Whether a rule lets a request in: the way in which every rule is asked.

    Exactly ``True`` from `Rule.admits` is a yes; another value (a coroutine, say) and an exception are a no. So is a
    yes to a caller of another family than the rule's, and a yes to nobody by a rule that needs a caller.
    """
    try:
        if rule.admits(facts) is not True:
            return False
        if (caller := facts.caller) is None:
            return needs_no_caller(rule)
        if (family := rule.family) is not None:
            return family is caller.kind
        return (families := rule.families) is None or caller.kind in families
    except Exception:  # noqa: BLE001 - whatever goes wrong in a rule, it is a no
        return False


def needs_no_caller(rule: AnyRule) -> bool:
    """Whether the rule can hold without a caller, so that a handler may be given ``None``."""
    return rule.needs_caller is False and rule.family is None and rule.families is None


FEW = 16
"""So many alternatives are asked one by one."""


def by_want(rules: tuple[R, ...]) -> dict[str | None, tuple[R, ...]]:
    """Many rules by what each wants; nothing of few."""
    if len(rules) <= FEW:
        return {}
    found: dict[str | None, list[R]] = {}
    for rule in rules:
        found.setdefault(wanted(rule), []).append(rule)
    return {want: tuple(wanting) for want, wanting in found.items()}


def wanted(rule: AnyRule) -> str | None:
    """What a rule wants; nothing in particular where a subclass may admit others than its base does."""
    return rule.wants if is_ours(rule) else None


def is_ours(rule: AnyRule) -> bool:
    """Whether the rule's class is one of this library's, and no subclass of one: then more is known than its answer."""
    return type(rule).__module__.startswith(("callerid.rules.", "callerid.audit.algebra."))


def made_here(kind: type) -> bool:
    """Whether a class is one of this library's."""
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


def check_plain(kind: type, missing: object) -> None:
    """Raise `ConfigurationError` for rules of a class whose ``admits`` is ``missing``, or cannot answer at once."""
    admits: Any = next(vars(each)["admits"] for each in kind.__mro__ if "admits" in vars(each))
    if type(admits) is not FunctionType or admits.__code__.co_flags & _DEFERRED or admits is missing:
        raise ConfigurationError(
            f"{kind.__name__}.admits must be a plain method that answers True or False at once, neither async nor a "
            "generator: write def admits(self, facts), and look up before the request what needs I/O",
            code="rule-class",
        )


def check_hashable(rule: AnyRule) -> None:
    """Raise `ConfigurationError` for a rule that cannot be hashed: rules are kept in sets."""
    try:
        hash(rule)
    except TypeError as error:
        raise ConfigurationError(
            f"a {type(rule).__name__} cannot be hashed: make the class a dataclass(frozen=True), and give it values "
            "that can be hashed, such as a tuple instead of a list",
            code="rule-class",
        ) from error


def the_caller(facts: Facts) -> str:
    """Who is calling, for an explanation."""
    return f"the caller is {'nobody' if facts.caller is None else facts.caller}"

"""What every rule is, and how rules are joined: ``&``, ``|``, and the tree that explains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NoReturn, cast

from callerid.callers import Kind
from callerid.errors import ConfigurationError, one_line
from callerid.rules.facts import Facts

__all__ = ["AllOf", "AnyOf", "Explanation", "Joined", "Rule", "grouped", "leaves", "the_caller"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a rule said yes or no: a tree of ``+`` and ``-`` when printed."""

    rule: Rule
    holds: bool
    note: str = ""
    parts: tuple[Explanation, ...] = ()

    def __str__(self) -> str:
        return "\n".join(_lines(self, ""))


def _lines(explanation: Explanation, indent: str) -> Iterator[str]:
    rule = explanation.rule
    words = rule.joint if isinstance(rule, Joined) else str(rule)
    note = f": {explanation.note}" if explanation.note else ""
    yield one_line(f"{indent}{'+' if explanation.holds else '-'} {words}{note}")
    for part in explanation.parts:
        yield from _lines(part, indent + "  ")


class Rule:
    """What every rule is: immutable, comparable, joined with ``&`` and ``|``."""

    __slots__ = ()

    family: ClassVar[Kind | None] = None
    """The one kind of caller the rule speaks of, or ``None`` where it does not matter."""

    @property
    def wants(self) -> str | None:
        """What every caller whom the rule admits has among `Facts.has`; ``None`` for nothing in particular."""
        return None

    @property
    def names_tenant(self) -> bool:
        """Whether whoever the rule admits is of a tenant that it names."""
        return False

    def admits(self, facts: Facts) -> bool:
        """Whether the rule lets this request in. Raises nothing."""
        raise NotImplementedError

    def explain(self, facts: Facts) -> Explanation:
        """Why `admits` says what it says."""
        holds = self.admits(facts)
        return Explanation(self, holds, self._note(facts, holds=holds))

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return the_caller(facts)

    def _set(self, **members: Any) -> None:
        for name, value in members.items():
            object.__setattr__(self, name, value)

    def __and__(self, other: Rule) -> Rule:
        return AllOf(self, other) if isinstance(other, Rule) else NotImplemented

    def __or__(self, other: Rule) -> Rule:
        return AnyOf(self, other) if isinstance(other, Rule) else NotImplemented

    def __bool__(self) -> NoReturn:
        raise TypeError("a rule is neither true nor false by itself: join rules with & and |, not with 'and' and 'or'")

    def __repr__(self) -> str:
        members = [(member.name, getattr(self, member.name), member.default) for member in fields(cast("Any", self))]
        written = [(name, value) for name, value, default in members if value != default]
        first, rest = (written[:1], written[1:]) if written and written[0][0] == members[0][0] else ([], written)
        shown = [repr(value) for _, value in first] + [f"{name}={value!r}" for name, value in rest]
        return f"{type(self).__name__}({', '.join(shown)})"


class Joined(Rule):
    """Several rules as one. Members of the same kind are flattened into it, and each is kept once."""

    __slots__ = ()

    rules: tuple[Rule, ...]
    joint: ClassVar[str]
    sign: ClassVar[str]

    def _take(self, rules: tuple[Rule, ...]) -> None:
        for rule in rules:
            if not isinstance(rule, Rule):
                raise ConfigurationError(f"{type(self).__name__} joins rules, not {rule!r}")
        if not rules:
            raise ConfigurationError(f"{type(self).__name__} of nothing says nothing: give it rules")
        flat = [part for rule in rules for part in (rule.rules if isinstance(rule, type(self)) else (rule,))]
        self._set(rules=tuple(dict.fromkeys(flat)))

    def within(self, facts: Facts) -> Facts:
        """The facts as the members see them."""
        return facts

    def explain(self, facts: Facts) -> Explanation:
        inside = self.within(facts)
        return Explanation(self, self.admits(facts), "", tuple(rule.explain(inside) for rule in self.rules))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.rules))})"

    def __str__(self) -> str:
        return f" {self.sign} ".join(grouped(rule) for rule in self.rules)


@dataclass(frozen=True, slots=True, repr=False, init=False)
class AllOf(Joined):
    """Whoever every one of these rules admits: ``a & b``."""

    rules: tuple[Rule, ...]

    joint: ClassVar[str] = "all of"
    sign: ClassVar[str] = "and"

    def __init__(self, *rules: Rule) -> None:
        self._take(rules)

    @property
    def wants(self) -> str | None:
        return next((rule.wants for rule in self.rules if rule.wants is not None), None)

    @property
    def names_tenant(self) -> bool:
        return any(rule.names_tenant for rule in self.rules)

    def admits(self, facts: Facts) -> bool:
        inside = self.within(facts)
        return all(rule.admits(inside) for rule in self.rules)

    def within(self, facts: Facts) -> Facts:
        return facts._replace(tenant_named=True) if self.names_tenant else facts


@dataclass(frozen=True, slots=True, repr=False, init=False)
class AnyOf(Joined):
    """Whoever at least one of these rules admits: ``a | b``."""

    rules: tuple[Rule, ...]
    _wanting: Mapping[str | None, tuple[Rule, ...]] = field(compare=False)

    joint: ClassVar[str] = "any of"
    sign: ClassVar[str] = "or"

    def __init__(self, *rules: Rule) -> None:
        self._take(rules)
        self._set(_wanting=_by_want(self.rules) if len(self.rules) > FEW else {})

    @property
    def names_tenant(self) -> bool:
        return all(rule.names_tenant for rule in self.rules)

    def admits(self, facts: Facts) -> bool:
        if not self._wanting:
            return any(rule.admits(facts) for rule in self.rules)
        # Lists of accounts grow long: only those that want what this caller has, or nothing in particular, are asked.
        return any(rule.admits(facts) for want in (None, *facts.has) for rule in self._wanting.get(want, ()))


FEW = 16
"""So many alternatives are asked one by one."""


def _by_want(rules: tuple[Rule, ...]) -> dict[str | None, tuple[Rule, ...]]:
    found: dict[str | None, list[Rule]] = {}
    for rule in rules:
        found.setdefault(rule.wants, []).append(rule)
    return {want: tuple(wanting) for want, wanting in found.items()}


def the_caller(facts: Facts) -> str:
    """Who is calling, for an explanation."""
    return f"the caller is {'nobody' if facts.caller is None else facts.caller}"


def grouped(rule: Rule) -> str:
    """The rule in IAM's words, in brackets where it would otherwise run into its neighbours."""
    return f"({rule})" if isinstance(rule, Joined) else str(rule)


def leaves(rule: Rule) -> Iterator[Rule]:
    """The rules without parts of which this one is made, `Via` counted as one."""
    if isinstance(rule, Joined):
        for part in rule.rules:
            yield from leaves(part)
    else:
        yield rule

"""What every rule is, and how rules are joined: ``&``, ``|``, and the tree that explains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from types import UnionType
from typing import Any, ClassVar, Never, NoReturn, Self, TypeGuard, cast

from callerid.callers import Kind
from callerid.errors import ConfigurationError, one_line
from callerid.rules._facts import Facts
from callerid.rules._judging import (
    admitted,
    by_want,
    check_hashable,
    check_plain,
    made_here,
    needs_no_caller,
    the_caller,
    wanted,
)

__all__ = [
    "AllOf",
    "AnyOf",
    "Explanation",
    "Joined",
    "Rule",
    "described",
    "grouped",
    "is_joined",
    "leaves",
]


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
    words = rule.joint if is_joined(rule) else str(rule)
    note = f": {explanation.note}" if explanation.note else ""
    yield one_line(f"{indent}{'+' if explanation.holds else '-'} {words}{note}")
    for part in explanation.parts:
        yield from _lines(part, indent + "  ")


class Rule:
    """What every rule is: immutable, comparable, joined with ``&`` and ``|``.

    A rule of one's own is a subclass with its own ``admits`` (and ``__str__``, for logs and the access map): a plain
    method, since a rule does no I/O. Anything else is a `ConfigurationError` at construction. Exactly ``True`` is a
    yes; whatever else it answers, and an exception, is a no. It is asked about callers of its ``family`` alone, and
    only where there is a caller, unless its ``needs_caller`` says otherwise.
    """

    __slots__ = ()

    family: ClassVar[Kind | None] = None
    """The one kind of caller the rule speaks of, or ``None`` where it does not matter."""

    families: ClassVar[frozenset[Kind] | None] = None
    """Of a rule without a ``family``, the several kinds of caller that it speaks of; ``None``: it speaks of all."""

    needs_tenant_named: ClassVar[bool] = False
    """Whether it holds of a tenant's users only where a rule joined with it names their tenant (`Facts.tenant_named`).

    Asked of this library's own classes alone.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        words = next(kind for kind in cls.__mro__ if "__str__" in vars(kind))
        if made_here(words) and not (made_here(cls) or hasattr(cls, "joint")):
            # What it says by itself is what the class of this library admits, and not what this one does.
            setattr(cls, "__str__", _words_of_its_own)  # noqa: B010 - a method is not assigned to

    def __new__(cls, *_: Any, **__: Any) -> Self:
        check_plain(cls, Rule.admits)
        return super().__new__(cls)

    @property
    def needs_caller(self) -> bool:
        """Whether the rule holds only where somebody is calling; a handler may otherwise be given ``None``."""
        return True

    @property
    def kinds(self) -> frozenset[Kind] | None:
        """The kinds of caller it speaks of: its ``family`` or ``families``, or ``None`` where it does not matter.

        Asked of leaves alone.
        """
        return self.families if self.family is None else frozenset({self.family})

    @property
    def wants(self) -> str | None:
        """What every caller whom the rule admits has among `Facts.has`; ``None`` for nothing in particular.

        Asked of this library's own classes alone.
        """
        return None

    @property
    def names_tenant(self) -> bool:
        """Whether whoever the rule admits is of a tenant that it names."""
        return False

    @property
    def names_project(self) -> bool:
        """Whether whoever the rule admits is of an issuer, or of a Firebase project, that it names."""
        return False

    def admits(self, facts: Facts) -> bool:
        """Whether the rule lets this request in. Raises nothing."""
        raise NotImplementedError

    def explain(self, facts: Facts) -> Explanation:
        """Why the rule lets this request in, or does not."""
        holds = admitted(self, facts)
        notes = [self._note(facts, holds=holds), "" if holds else self._trouble(facts)]
        return Explanation(self, holds, "; ".join(filter(None, notes)), self._parts(facts))

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return the_caller(facts)

    def _parts(self, facts: Facts) -> tuple[Explanation, ...]:
        return ()

    def _answer(self, facts: Facts) -> object:
        return self.admits(facts)

    def _trouble(self, facts: Facts) -> str:
        """What is wrong with the answer of the code behind a no; empty where that is an honest ``False``."""
        try:
            answer = self._answer(facts)
        except Exception as error:  # noqa: BLE001 - its kind is named, and not its text, which may hold anything
            return f"it raised {type(error).__name__}"
        if answer is True:
            return "it said yes to a caller it does not speak of" if facts.caller else "it needs a caller"
        return "" if answer is False else f"it answered a {type(answer).__name__}, not True"

    def _set(self, **members: Any) -> None:
        for name, value in members.items():
            object.__setattr__(self, name, value)

    def __and__(self, other: Rule) -> Rule:
        return AllOf(self, other) if isinstance(other, Rule | type | UnionType) else _cannot_join("&", other)

    def __rand__(self, other: Never) -> NoReturn:
        _cannot_join("&", other)

    def __or__(self, other: Rule) -> Rule:
        return AnyOf(self, other) if isinstance(other, Rule | type | UnionType) else _cannot_join("|", other)

    def __ror__(self, other: Never) -> NoReturn:
        _cannot_join("|", other)

    def __invert__(self) -> NoReturn:
        raise TypeError("a rule has no negation, which would admit callers its author never thought of: say who may")

    def __bool__(self) -> NoReturn:
        raise TypeError("a rule is neither true nor false by itself: join rules with & and |, not with 'and' and 'or'")

    def __repr__(self) -> str:
        if not is_dataclass(self):
            return f"{type(self).__name__}(...)"
        members = [(member.name, getattr(self, member.name), member.default) for member in fields(cast("Any", self))]
        written = [(name, value) for name, value, default in members if value != default]
        first, rest = (written[:1], written[1:]) if written and written[0][0] == members[0][0] else ([], written)
        shown = [repr(value) for _, value in first] + [f"{name}={value!r}" for name, value in rest]
        return f"{type(self).__name__}({', '.join(shown)})"


class Joined(Rule):
    """Several rules as one. In `AllOf` and `AnyOf` members of the same class are flattened, and each is kept once.

    A subclass may judge its members in another way, so it keeps them as they are.
    """

    __slots__ = ()

    rules: tuple[Rule, ...]
    joint: ClassVar[str]
    sign: ClassVar[str]

    def _take(self, rules: tuple[Rule, ...]) -> None:
        for rule in rules:
            if not isinstance(rule, Rule):
                raise ConfigurationError(f"{type(self).__name__} joins rules, not {described(rule)}", code="not-a-rule")
            check_hashable(rule)
        if not rules:
            raise ConfigurationError(f"{type(self).__name__} needs at least one rule", code="not-a-rule")
        if is_joined(self):
            flat = (part for rule in rules for part in (rule.rules if type(rule) is type(self) else (rule,)))
            rules = tuple(dict.fromkeys(flat))
        self._set(rules=rules)

    def within(self, facts: Facts) -> Facts:
        """The facts as the members see them."""
        return facts

    def explain(self, facts: Facts) -> Explanation:
        if not is_joined(self):
            return super().explain(facts)
        # The members say it all: asking this rule, too, would ask each of them again.
        parts = self._parts(facts)
        holds = (all if type(self) is AllOf else any)(part.holds for part in parts)
        return Explanation(self, holds, parts=parts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        return ""

    def _parts(self, facts: Facts) -> tuple[Explanation, ...]:
        inside = self.within(facts)
        return tuple(rule.explain(inside) for rule in self.rules)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.rules))})"

    def __str__(self) -> str:
        if not is_joined(self):
            return f"{type(self).__name__}({', '.join(map(str, self.rules))})"
        return f" {self.sign} ".join(grouped(rule) for rule in self.rules)


@dataclass(frozen=True, slots=True, repr=False, init=False)
class AllOf(Joined):
    """Whoever every one of these rules admits: ``a & b``."""

    rules: tuple[Rule, ...]
    _tenant_is_named: bool = field(compare=False)

    joint: ClassVar[str] = "all of"
    sign: ClassVar[str] = "and"

    def __init__(self, *rules: Rule) -> None:
        self._take(rules)
        self._set(_tenant_is_named=any(rule.names_tenant for rule in self.rules))

    @property
    def needs_caller(self) -> bool:
        return not all(map(needs_no_caller, self.rules))

    @property
    def wants(self) -> str | None:
        return next(filter(None, map(wanted, self.rules)), None)

    @property
    def names_tenant(self) -> bool:
        return type(self) is AllOf and self._tenant_is_named

    @property
    def names_project(self) -> bool:
        return type(self) is AllOf and any(rule.names_project for rule in self.rules)

    def admits(self, facts: Facts) -> bool:
        inside = self.within(facts)
        for rule in self.rules:  # noqa: SIM110 - a generator would take as long as a rule
            if not admitted(rule, inside):
                return False
        return True

    def within(self, facts: Facts) -> Facts:
        return facts._replace(tenant_named=True) if self._tenant_is_named else facts


@dataclass(frozen=True, slots=True, repr=False, init=False)
class AnyOf(Joined):
    """Whoever at least one of these rules admits: ``a | b``."""

    rules: tuple[Rule, ...]
    _wanting: Mapping[str | None, tuple[Rule, ...]] = field(compare=False)

    joint: ClassVar[str] = "any of"
    sign: ClassVar[str] = "or"

    def __init__(self, *rules: Rule) -> None:
        self._take(rules)
        self._set(_wanting=by_want(self.rules))

    @property
    def needs_caller(self) -> bool:
        return not any(map(needs_no_caller, self.rules))

    @property
    def names_tenant(self) -> bool:
        return type(self) is AnyOf and all(rule.names_tenant for rule in self.rules)

    @property
    def names_project(self) -> bool:
        return type(self) is AnyOf and all(rule.names_project for rule in self.rules)

    def admits(self, facts: Facts) -> bool:
        if not self._wanting:
            return any(admitted(rule, facts) for rule in self.rules)
        # Lists of accounts grow long: only those that want what this caller has, or nothing in particular, are asked.
        return any(admitted(rule, facts) for want in (None, *facts.has) for rule in self._wanting.get(want, ()))


def is_joined(rule: Rule) -> TypeGuard[AllOf | AnyOf]:
    """Whether the rule is `AllOf` or `AnyOf` itself: a subclass may judge its members in another way."""
    return type(rule) in (AllOf, AnyOf)


def _cannot_join(sign: str, other: object) -> NoReturn:
    raise TypeError(
        f"{sign} joins two rules, not a rule and {described(other)}: write a rule on both sides, such as "
        "User('ada@example.com') for 'user:ada@example.com'"
    )


def described(value: object) -> str:
    """What stands where a rule is due, for a message."""
    kind: Any = value
    if isinstance(kind, type) and issubclass(kind, Rule):
        return f"the class {kind.__name__}: write {kind.__name__}(...), with brackets"
    if isinstance(value, UnionType):
        return f"classes, {value}: write each rule with brackets, such as FirebaseUser()"
    return repr(value)


def _words_of_its_own(rule: Rule) -> str:
    """The words of a rule of one's own that is derived from one of this library's and has none: with its class."""
    ours: Any = next(kind for kind in type(rule).__mro__ if made_here(kind))
    return f"{type(rule).__name__}({ours.__str__(rule)})"


def grouped(rule: Rule) -> str:
    """The rule in IAM's words, in brackets where it would otherwise run into its neighbours."""
    return f"({rule})" if is_joined(rule) else str(rule)


def leaves(rule: Rule) -> Iterator[Rule]:
    """The rules without parts of which this one is made; `Via` and subclasses of `AllOf` and `AnyOf` count as one."""
    if is_joined(rule):
        for part in rule.rules:
            yield from leaves(part)
    else:
        yield rule

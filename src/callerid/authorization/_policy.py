"""The policy of one place: every requirement, with where it was written, and how they are judged together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from callerid.authorization._engine import Check, Decision, evaluate
from callerid.authorization._requirement import Requirement, combined
from callerid.errors import ConfigurationError
from callerid.keys import Wait
from callerid.rules import all_of, needs_path, path_parameters, reads_path

__all__ = ["DEFAULT", "FLOOR", "TABLE", "Policy", "Written", "policy_of"]

FLOOR: Final = "floor"
TABLE: Final = "table"
DEFAULT: Final = "default"


class Written(NamedTuple):
    """One requirement, the guard that judges it, and where it was written.

    ``origin`` is the mark that ``guard.allow(...)`` made, or `FLOOR`, `TABLE` or `DEFAULT`.
    """

    guard: Any
    requirement: Requirement
    origin: Any


class Policy:
    """What holds at one place. It is made once for each place: requests are judged by it, and the access map prints it.

    ``written`` is every requirement with where it was written, and ``parts`` are what is judged, in order, each by a
    guard: at an endpoint all that one guard asks is one requirement.
    """

    __slots__ = ("fixed", "is_checked", "marks", "names", "parts", "public", "reads_path", "whole", "written")

    def __init__(self, written: tuple[Written, ...], parts: tuple[tuple[Any, Requirement], ...]) -> None:
        self.written, self.parts = written, parts
        self.is_checked = False
        """Set by an adapter once it has checked the endpoint against this policy."""
        self.marks = frozenset(each.origin for each in written if not isinstance(each.origin, str))
        """The marks that are judged with it."""
        rules = tuple(requirement.rule for _, requirement in parts)
        self.whole = parts[0][1] if len(parts) == 1 else Requirement(all_of(rules))
        """All parts as one requirement, for messages and for the rule alone."""
        self.names = path_parameters(self.whole.rule)
        """The path parameters that the rules compare with. The adapter checks that the path has them."""
        self.reads_path = any(map(reads_path, rules))
        """Whether code among the rules may look at any of them."""
        self.fixed = None if any(map(needs_path, rules)) else self._checks({})
        """The checks for all requests, where no rule looks at their path parameters."""
        self.public = _public(self.checks({})) if self.whole.public else None
        """The decision for all requests, where no credential is read; else ``None``."""

    def checks(self, parameters: Mapping[str, Any]) -> tuple[Check, ...]:
        """The checks for a request with these path parameters: the same each time where no rule looks at them."""
        return self.fixed or self._checks(parameters)

    def _checks(self, parameters: Mapping[str, Any]) -> tuple[Check, ...]:
        return tuple(Check(guard, requirement, parameters) for guard, requirement in self.parts)


def _public(checks: tuple[Check, ...]) -> Decision:
    decision = evaluate(checks, lambda _: {})
    assert not isinstance(decision, Wait)  # noqa: S101 - no credential is read, so no key is needed
    return decision


def policy_of(guards: Iterable[Any], written: Iterable[Written], where: str, *, endpoint: bool) -> Policy:
    """The policy that these requirements make.

    ``guards`` are those on the way to the place, outermost first. The guard of every requirement must be among them,
    which the adapter checks (see `callerid._marks.unguarded`).

    Where no ``endpoint`` is meant (404, 405) each requirement is judged by itself: the rule of a route and the default
    may exclude each other, and then a wrong method is refused to everybody.

    Raises `ConfigurationError` for a guard that is not named, and for an endpoint that nobody can reach; ``where`` is
    the place, for the message.
    """
    written = tuple(written)
    asked: dict[Any, list[Requirement]] = {guard: [] for guard in guards}
    for guard, requirement, _ in written:
        if guard not in asked:
            raise ConfigurationError(
                f"{where}: {requirement.rule!r} is asked by a guard that does not protect this place",
                code="rule-of-another-guard",
            )
        asked[guard].append(requirement)
    if not endpoint:
        return Policy(written, tuple((guard, each) for guard, those in asked.items() for each in those))
    parts = tuple((guard, _whole(guard, those, where)) for guard, those in asked.items() if those)
    if len(parts) > 1:
        parts[0][0].check_together(parts, where)
    return Policy(written, parts)


def _whole(guard: Any, requirements: list[Requirement], where: str) -> Requirement:
    """All requirements of one guard at a place as one: a token's audience must be in every set that is named."""
    try:
        whole = combined(requirements)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error.message}", code=error.code) from None
    guard.check_possible(whole, where)
    return whole

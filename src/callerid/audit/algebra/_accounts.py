"""Accounts known by one of their two names, an address and an id, where a rule names them by the other."""

from __future__ import annotations

from collections.abc import Iterator

from callerid.audit.algebra._formula import Choice
from callerid.audit.algebra._set_trie import SetTrie
from callerid.audit.algebra._statements import Conjunction, Traits

__all__ = ["OtherNames"]

_Shape = tuple[str, ...]
"""The other name of an account, and what else is not known of it: of what such traits speak."""


class OtherNames:
    """A rule, asked whether it may name an account by a name that is not known."""

    def __init__(self, rule: Choice) -> None:
        self._rule = rule
        self._without: dict[tuple[Choice, _Shape, _Shape], _Without] = {}

    def may_name(self, known: Conjunction) -> str:
        """Which account the rule may know by its other name, in words; empty where it cannot."""
        caller, carrier = _shape(known.caller), _shape(known.carrier)
        ways: list[tuple[_Shape, _Shape]] = [(caller, ()), ((), carrier), (caller, carrier)]
        for shapes in ways:
            wanted = (bool(shapes[0]), bool(shapes[1]))
            if any(wanted) and wanted in self._named(self._rule, shapes, known):
                return _words(known, (caller, carrier))
        return ""

    def _named(self, choice: Choice, shapes: tuple[_Shape, _Shape], known: Conjunction) -> set[_Named]:
        """Whom alternatives name by other names that would be met if these were known."""
        without = self._without.get((choice, *shapes))
        if without is None:
            without = self._without[choice, *shapes] = _Without(choice, shapes)
        found: set[_Named] = set()
        for named, choices in without.met_by(known):
            every = {named}
            for each in choices:
                inside = self._named(each, shapes, known)
                every = {(one[0] or other[0], one[1] or other[1]) for one in every for other in inside}
            found |= every
        return found


_Named = tuple[bool, bool]
"""Whether the caller is named by the other name, and the carrier."""


class _Without:
    """The alternatives of a choice where other names are taken to be met, each kind of them once."""

    def __init__(self, choice: Choice, shapes: tuple[_Shape, _Shape]) -> None:
        found: dict[tuple[Conjunction, _Named, tuple[Choice, ...]], None] = {}
        for (caller, carrier, app), choices, _ in choice.options:
            term = Conjunction(_ignoring(caller, shapes[0]), _ignoring(carrier, shapes[1]), app)
            found[term, (_is_named(caller, shapes[0]), _is_named(carrier, shapes[1])), choices] = None
        self._kinds = list(found)
        self._covering = SetTrie(term for term, _, _ in self._kinds)

    def met_by(self, known: Conjunction) -> Iterator[tuple[_Named, tuple[Choice, ...]]]:
        return (self._kinds[number][1:] for number in self._covering.met_by(known))


def _shape(traits: Traits) -> _Shape:
    said = {trait.of: trait.value for trait in traits}
    if ("subject" in said) is ("email" in said):
        return ()
    other_name = "email" if "subject" in said else "subject"
    if "domain" in said or said.get("of a Workspace") is False:
        return (other_name,)
    return (other_name, "domain") if "of a Workspace" in said else (other_name, "domain", "of a Workspace")


def _is_named(traits: Traits, shape: _Shape) -> bool:
    return any(trait.of in shape[:1] for trait in traits)


def _ignoring(traits: Traits, shape: _Shape) -> Traits:
    return frozenset(trait for trait in traits if trait.of not in shape) if shape else traits


def _words(known: Conjunction, shapes: tuple[_Shape, _Shape]) -> str:
    ours, theirs = ("id", "e-mail address") if any("email" in shape for shape in shapes) else ("e-mail address", "id")
    named = sorted(str(trait.value) for part in known for trait in part if trait.of in ("subject", "email"))
    return f"the account with the {ours} {' or '.join(named)} may be one that the old rule names by {theirs}"

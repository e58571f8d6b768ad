"""What path parameters name of a caller: an id, a tenant, a claim; and what follows where one names several things."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from callerid.audit.algebra._statements import PATHS, Conjunction, Thing, Trait

__all__ = ["NamedGroup", "groups", "linked"]


@dataclass(slots=True)
class NamedGroup:
    """Things that have one text between them: what a path parameter names, and what else has the same value.

    A thing is of the caller (0) or of the carrier (1). There is more than one text only where nobody can have them all.
    """

    things: set[tuple[int, Thing]] = field(default_factory=set["tuple[int, Thing]"])
    places: set[Hashable] = field(default_factory=set["Hashable"])
    texts: set[str] = field(default_factory=set["str"])

    def meets(self, other: NamedGroup) -> bool:
        """Whether both have one thing, one path parameter or one text."""
        return bool(self.things & other.things or self.places & other.places or self.texts & other.texts)

    def add(self, other: NamedGroup) -> None:
        """Take in the other's."""
        self.things |= other.things
        self.places |= other.places
        self.texts |= other.texts


def linked(term: Conjunction) -> Conjunction | None:
    """The term with all that follows where several things have one value; ``None`` where they would need two.

    Things have one value where one path parameter names them, or where a parameter names one that has the text of
    another.
    """
    if not any(trait.of in PATHS for part in term for trait in part):
        return term
    found = tuple(map(set, term))
    for group in groups(term):
        if len(group.texts) > 1:
            return None
        for side, thing in group.things:
            found[side].update(Trait("path", (thing, place)) for place in group.places)
            found[side].update(_written(thing, text) for text in group.texts)
        for side, thing in _containing(term, group):
            found[side].update(Trait("contains path", (thing, place)) for place in group.places)
            found[side].update(Trait("contains", (thing, str, text)) for text in group.texts)
    return Conjunction(*map(frozenset, found))


def groups(term: Conjunction) -> list[NamedGroup]:
    """All groups of which a path parameter names something, or that have a text."""
    found: list[NamedGroup] = []
    for each in _said(term):
        apart = [group for group in found if not group.meets(each)]
        for group in found:
            if group.meets(each):
                each.add(group)
        found = [*apart, each]
    return found


def _said(term: Conjunction) -> Iterator[NamedGroup]:
    for side, part in enumerate(term):
        for trait in part:
            value: Any = trait.value
            if trait.of == "path":
                yield NamedGroup({(side, value[0])}, {value[1]})
            elif (text := _text(trait.of, value)) is not None:
                yield NamedGroup({(side, trait.of)}, texts={text})


def _text(of: Thing, value: Any) -> str | None:
    """The text that a path might name, if it is one."""
    if of in ("subject", "tenant"):
        return value if isinstance(value, str) else None
    is_written = isinstance(of, tuple) and of[0] in ("claim", "attribute", "fact")
    return str(value[1]) if is_written and value[0] is str else None


def _written(thing: Thing, text: str) -> Trait:
    return Trait(thing, text if isinstance(thing, str) else (str, text))


def _containing(term: Conjunction, group: NamedGroup) -> Iterator[tuple[int, Thing]]:
    """The lists that are known to contain the group's value."""
    for side, part in enumerate(term):
        for trait in part:
            value: Any = trait.value
            if (trait.of == "contains path" and value[1] in group.places) or (
                trait.of == "contains" and value[1] is str and value[2] in group.texts
            ):
                yield side, value[0]

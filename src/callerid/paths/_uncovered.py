"""Paths that an entry ``/a/*`` leaves to weaker rules: ``/a`` itself, and ``/a/``, where file servers have an index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from callerid.guard import GuardCore, Requirement
from callerid.paths._pattern import REST
from callerid.paths._table import PathTable

__all__ = ["uncovered"]


def uncovered(table: PathTable, default: Requirement, holds: str, guard: GuardCore) -> Iterator[str]:
    """What is wrong with entries ``/a/*`` where ``/a`` itself has another rule, which admits other callers.

    ``default`` is the rule of paths without an entry, ``holds`` says so in words.
    """
    from callerid.audit.algebra import admits_nobody, is_weaker  # noqa: PLC0415 - asked at start-up, and not for every import

    @cache
    def weaker(other: Requirement, asked: Requirement) -> bool:
        own = asked.audiences
        is_for_others = own is not None and (other.audiences is None or not other.audiences <= own)
        is_open = is_for_others and not admits_nobody(other.rule, guard.issuers)
        return is_open or is_weaker(other.rule, asked.rule, guard.issuers)

    # Whatever their parameters are called, two that differ in nothing else are one.
    shapes = {
        each.text: [segment[:1] if segment[:1] == "{" else segment for segment in each.segments]
        for each in table.patterns
    }
    for pattern in table.patterns:
        above = "/" + "/".join(pattern.segments[:-1])
        found = table.find(pattern.method, above)
        is_said = found is not None and shapes[found.pattern] == shapes[pattern.text][:-1]
        if is_said or pattern.segments[-1:] != (REST,):
            continue
        other, has = (default, holds) if found is None else (found.requirement, f"is under {found.pattern!r}")
        if weaker(other, table.requirements[pattern.text]):
            own = pattern.text.removesuffix(pattern.path) + above
            yield (
                f"{table.name}[{pattern.text!r}] does not cover {own.rpartition(' ')[2]!r} itself, which {has} "
                f"({other.rule}): if that admits too many, add an entry {own!r}"
            )

"""No new access, proved: whether anybody may call anything now who could not when a lock was written.

Places are compared by method and path; parameters count by position, so one may be renamed. A route that the lock does
not have is compared with what held there: the application mounted above it, else what held for any other path. Where
two guards believe different issuers it cannot be told, since the lock has one list of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from callerid.access.lock import Block, Lock, read_lock, rule_in, settings_of, source_of, unenforced_in
from callerid.access.rows import ANYWHERE_ELSE, AccessMap, Row
from callerid.algebra import CannotTell, No, Side, Verdict, new_access
from callerid.issuers import Issuer
from callerid.keys import KeySource
from callerid.rules import Nobody

__all__ = ["Finding", "newcomers"]

_OTHER_KEYS = KeySource("https://other-keys.invalid/")
"""Stands for keys of which only this is known: that they are not those of now, or may not be."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A place where somebody may who could not before (the verdict says who), or where that cannot be told."""

    name: str
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}"


def newcomers(lock: str, found: AccessMap, name: str = "the lock") -> list[Finding]:
    """Where there is new access since a lock was written, or may be; nowhere, if this is empty.

    Raises `ConfigurationError` for what is no lock of this version.
    """
    read = read_lock(lock, name)
    lifted = unenforced_in(found).difference(*(block.lines for block in read.blocks.values()))
    if lifted:
        return [Finding("the application", CannotTell(f"the rules are not enforced: {', '.join(sorted(lifted))}"))]
    before = _Before(read, found, name)
    compared = ((f"{method} {row.template}", before.compare(method, row)) for method, row in found.singly())
    return [Finding(*each) for each in compared if not isinstance(each[1], No)]


class _Before:
    """What a lock says, and how what is now compares to it."""

    def __init__(self, lock: Lock, found: AccessMap, name: str) -> None:
        self._name = name
        self._places: dict[tuple[str, str], Block] = {}
        self._issuers: dict[str, Block] = {}
        self._settings: tuple[str, ...] = ()
        for block in lock.blocks.values():
            word, _, rest = block.name.partition(" ")
            if word == "issuer":
                self._issuers[rest] = block
            elif not rest:
                self._settings = block.lines
            else:
                self._places[word, _shape(rest)] = block
        self._guards_differ = len({guard.issuers for guard in found.guards}) > 1
        self._settings_now = settings_of(found)

    def compare(self, method: str, row: Row) -> Verdict:
        """Whether anybody may here whom the lock would have refused."""
        if self._guards_differ:
            return CannotTell("guards that believe different issuers stand in this application")
        old = self._side(self._block(method, row.template), row)
        new = Side(row.rule, row.audiences, row.issuers, row.parameters, _named(self._settings_now))
        return new_access(old, new)

    def _block(self, method: str, template: str) -> Block | None:
        shape = _shape(template)
        above = (shape[:end] for end in range(len(shape), 0, -1) if end == len(shape) or shape[end] == "/")
        places = [(method, shape), *(("*", each) for each in above), ("*", ANYWHERE_ELSE)]
        return next((self._places[place] for place in places if place in self._places), None)

    def _side(self, block: Block | None, row: Row) -> Side:
        issuers = tuple(self._issuer(issuer) for issuer in row.issuers if issuer.name in self._issuers)
        settings = _named(self._settings)
        if block is None:
            return Side(Nobody(), issuers=issuers, settings=settings)
        rule, audiences = rule_in(block, self._name)
        parameters = replace(row, template=block.name).parameters
        return Side(rule, audiences, issuers, parameters, settings)

    def _issuer(self, now: Issuer) -> Issuer:
        """The issuer as it was, as far as the lock knows."""
        said = [line.partition(" ") for line in self._issuers[now.name].lines]
        audiences = frozenset(rest for word, _, rest in said if word == "audience")
        keys = {rest for word, _, rest in said if word == "keys"}
        is_same = isinstance(now.keys, KeySource) and keys == {source_of(now)}
        return replace(now, audiences=audiences, keys=now.keys if is_same else _OTHER_KEYS)


def _named(lines: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    # What is enforced that was not lets in nobody new.
    said = (line.partition(" ") for line in lines)
    return tuple((word, rest) for word, _, rest in said if word != "unenforced")


def _shape(template: str) -> str:
    """A path template without the names of its parameters."""
    return re.sub(r"<([^<>:]*:)?[^<>:]+>", r"<\1>", re.sub(r"\{\w+(:\w+)?\}", r"{\1}", template))

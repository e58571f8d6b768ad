"""Which credentials a route accepts: by which issuers, and from which places of a request, those come who may. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from callerid.audit._rows import Row
from callerid.audit.algebra import admits_nobody, separate
from callerid.callers import Kind
from callerid.issuers import CredentialLocation, Issuer, SpeaksFor
from callerid.rules import Rule, leaves, some_app

__all__ = ["Way", "by_which", "ways_of"]


class Way(NamedTuple):
    """A credential by which a caller may come: its issuer, and the header or cookie that it sits in."""

    issuer: Issuer
    location: CredentialLocation

    @property
    def name(self) -> str:
        """What the credential is called."""
        own = self.issuer.credential or f"token of {self.issuer.name}"
        return f"{own} through the gateway {self.location.behind}" if self.location.behind else own

    @property
    def whose(self) -> str:
        """What tells it from others of the same name."""
        return self.issuer.account or self.issuer.project or self.issuer.name


def ways_of(row: Row) -> tuple[Way, ...]:
    """The ways by which those come who may; none where no credential is read.

    Where a rule holds without a caller, too, those by which somebody is known.
    """
    asked = [each.requirement for each in row.judges]
    if all(each.public for each in asked):
        return ()
    return _ways(separate(each.identifying_rule for each in asked), *row.believed)


def by_which(row: Row) -> str:
    """The ways in words; empty where the rule says it, since callers of each kind come in one way alone."""
    every = {
        (way.name, way.whose, way.issuer.kind)
        for role in (SpeaksFor.CALLER, SpeaksFor.APP)
        for way in _candidates(row.issuers, role)
    }
    kinds = Counter(kind for *_, kind in every if kind is not Kind.APP)
    names = Counter(name for name, _ in {each[:2] for each in every})
    is_forwarded = any(way.location.behind for way in _candidates(row.issuers))
    if max(kinds.values(), default=0) < 2 and not is_forwarded:
        return ""
    words = (way.name if names[way.name] == 1 else f"{way.name} ({way.whose})" for way in ways_of(row))
    return " or ".join(dict.fromkeys(words))


@lru_cache(maxsize=1_024)
def _ways(rule: Rule, issuers: tuple[Issuer, ...], audiences: frozenset[str] | None) -> tuple[Way, ...]:
    # What is said of a caller alone is asked of each way by itself, beside whatever carries calls and sends them.
    named = SpeaksFor.APP if all(map(some_app, leaves(rule))) else SpeaksFor.CALLER
    others = tuple(_only(*way) for role in SpeaksFor if role is not named for way in _candidates(issuers, role))
    return tuple(
        way
        for way in _candidates(issuers, named)
        if not admits_nobody(rule, (_only(way.issuer, way.location), *others), audiences)
    )


def _candidates(issuers: tuple[Issuer, ...], role: SpeaksFor = SpeaksFor.CALLER) -> Iterator[Way]:
    return (Way(issuer, each) for issuer in issuers for each in issuer.locations if each.role is role)


def _only(issuer: Issuer, location: CredentialLocation) -> Issuer:
    return replace(issuer, locations=(location,))

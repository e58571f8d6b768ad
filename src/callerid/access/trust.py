"""Whom the guards believe, and by which settings: as text, and back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from callerid.callers import Kind
from callerid.guard import GuardCore
from callerid.issuers import Issuer, firebase, google
from callerid.keys import KeyFile, KeySource

__all__ = ["Trust", "as_before", "believed_by_all", "settings_of", "source_of", "trust_of"]

_OTHER_KEYS: Final = KeySource("https://other-keys.invalid/")
"""Stands for keys of which only this is known: that they are not those of now, or may not be."""

_USUAL = {Kind.GOOGLE: google("https://a.example.com").locations, Kind.FIREBASE: firebase("a").locations}
"""Where the tokens of each kind are read, if nothing else is said."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a guard was told that decides who comes in: lines of settings, and of each issuer its name and lines."""

    settings: tuple[str, ...] = ()
    issuers: tuple[tuple[str, tuple[str, ...]], ...] = ()


def trust_of(guard: GuardCore) -> Trust:
    """What a guard was told."""
    return Trust(settings_of(guard), tuple(sorted((issuer.name, _lines(issuer)) for issuer in guard.issuers)))


def settings_of(guard: GuardCore) -> tuple[str, ...]:
    """What else than issuers a guard was told that decides who comes in."""
    clock: Any = guard.clock
    own = () if clock is time.time else (f"clock {getattr(clock, '__qualname__', type(clock).__qualname__)}",)
    return (f"leeway {guard.leeway}", *own)


def _lines(issuer: Issuer) -> tuple[str, ...]:
    return (*_manner(issuer), *(f"audience {audience}" for audience in sorted(issuer.audiences)))


def _manner(issuer: Issuer) -> Iterator[str]:
    """All but the audiences; what is as usual for the kind is left out."""
    yield f"keys {source_of(issuer)}"
    if issuer.believes_stripped:
        yield "believes tokens without a signature, as Cloud Run's front door passes them on"
    if issuer.algorithm != "RS256":
        yield f"algorithm {issuer.algorithm}"
    if issuer.locations != _USUAL[issuer.kind]:
        yield from (f"{'carrier in' if each.is_intermediary else 'reads'} {each.header}" for each in issuer.locations)
    yield from (
        f"spelled {iss}" for iss in sorted(issuer.accepted_iss - {issuer.name, issuer.name.removeprefix("https://")})
    )


def source_of(issuer: Issuer) -> str:
    """Where an issuer's keys come from. How they are fetched and kept does not decide who comes in."""
    keys = issuer.keys
    if isinstance(keys, KeySource):
        return keys.url
    if isinstance(keys, KeyFile):
        return f"file {keys}"
    return f"document {hashlib.sha256(keys.text.encode()).hexdigest()}"


# --- and back ---


def as_before(trust: Trust, now: Iterable[Issuer]) -> tuple[Issuer, ...]:
    """The issuers as they were, as far as it matters: those whose tokens are believed ``now``, too."""
    known = tuple(dict.fromkeys(now))
    found: list[Issuer] = []
    for name, lines in trust.issuers:
        audiences = frozenset(line.partition(" ")[2] for line in lines if line.startswith("audience "))
        manner = tuple(line for line in lines if not line.startswith("audience "))
        named = [issuer for issuer in known if issuer.name == name]
        same = next((issuer for issuer in named if tuple(_manner(issuer)) == manner), None)
        if same is not None:
            found.append(replace(same, audiences=audiences))
        elif named:
            found.append(replace(named[0], audiences=audiences, keys=_OTHER_KEYS))
    return tuple(found)


def believed_by_all(
    asked: Sequence[tuple[tuple[Issuer, ...], frozenset[str] | None]],
) -> tuple[tuple[Issuer, ...], frozenset[str] | None]:
    """Whom several guards believe that stand one behind the other, and which audiences they have in common.

    Each is given by its issuers, and the audiences that are named where it is asked. A credential must be good for each
    of them. Where nothing but the issuers' own audiences counts, ``None`` are named.
    """
    if len(asked) == 1 or len(set(asked)) == 1:
        return asked[0]
    first, *others = (issuers for issuers, _ in asked)
    shared = [both for issuer in first if (both := _shared(issuer, others)) is not None]
    taken = [named or _google_audiences(issuers) for issuers, named in asked]
    audiences = taken[0].intersection(*taken[1:])
    if not audiences:
        shared = [_as_carrier(issuer) for issuer in shared]
    return tuple(shared), audiences or None


def _shared(issuer: Issuer, others: Iterable[tuple[Issuer, ...]]) -> Issuer | None:
    audiences = issuer.audiences
    for issuers in others:
        alike = [each for each in issuers if _is_alike(each, issuer)]
        if not alike:
            return None
        audiences &= frozenset[str]().union(*(each.audiences for each in alike))
    # An audience of a route may be none of the issuer's.
    return replace(issuer, audiences=audiences) if audiences or not issuer.fixed_audience else None


def _is_alike(one: Issuer, other: Issuer) -> bool:
    """Whether two issuers differ in their audiences, and in how their keys are fetched and kept, at most."""
    return source_of(one) == source_of(other) and replace(one, audiences=other.audiences, keys=other.keys) == other


def _google_audiences(issuers: Iterable[Issuer]) -> frozenset[str]:
    return frozenset[str]().union(*(issuer.audiences for issuer in issuers if issuer.kind is Kind.GOOGLE))


def _as_carrier(issuer: Issuer) -> Issuer:
    """An issuer of whose tokens none can be the caller's."""
    if issuer.kind is not Kind.GOOGLE:
        return issuer
    return replace(issuer, locations=tuple(each for each in issuer.locations if each.is_intermediary))

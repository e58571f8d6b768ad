"""Whom the guards believe, and by which settings: as text, and back."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

from callerid.audit.algebra import UNREADABLE, Side, code_fingerprint
from callerid.callers import OIDC
from callerid.guard import GuardCore
from callerid.issuers import AppCheckIssuer, GatewayIssuer, Issuer, SpeaksFor, is_emulated
from callerid.keys import KeyFile, KeySource
from callerid.lookups import Lookup
from callerid.rules import Public

__all__ = ["Trust", "as_before", "believed_by_all", "settings_of", "source_of", "trust_of"]

_OTHER_KEYS: Final = KeySource("https://other-keys.invalid/")
"""Stands for keys of which only this is known: that they are not those of now, or may not be."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a guard was told that decides who comes in: lines of settings, and of each issuer its name and lines.

    ``configured_by`` is where that was written, if not in code: it decides about nobody.
    """

    settings: tuple[str, ...] = ()
    issuers: tuple[tuple[str, tuple[str, ...]], ...] = ()
    configured_by: str = field(default="", compare=False)


def trust_of(guard: GuardCore) -> Trust:
    """What a guard was told."""
    issuers = tuple(sorted((issuer.name, _lines(issuer)) for issuer in guard.issuers))
    return Trust(settings_of(guard), issuers, guard.configured_by)


def settings_of(guard: GuardCore) -> tuple[str, ...]:
    """What else than issuers a guard was told that decides who comes in."""
    clock: Any = guard.clock
    own = () if clock is time.time else (f"clock {getattr(clock, '__qualname__', type(clock).__qualname__)}",)
    origins = (f"trusted-origin {origin}" for origin in sorted(guard.authenticator.origins))
    fleet = guard.authenticator.revocations.fleet
    shared = () if fleet is None else (f"fleet {type(fleet).__name__}",)
    return (f"leeway {guard.leeway}", *own, *shared, *origins, *map(_look_up, guard.lookups.members.values()))


def _look_up(lookup: Lookup) -> str:
    """A look-up, by its name, the hash of its function, and what it does where it cannot ask."""
    code = " ".join(code_fingerprint(each) or UNREADABLE for each in (lookup.load, lookup.facts) if each is not None)
    otherwise = "" if lookup.horizon is None else f", lets in for {lookup.horizon:g} s where it cannot ask"
    return f"look-up {lookup.name} {code}{otherwise}"


def _lines(issuer: Issuer) -> tuple[str, ...]:
    settings = (f"{name} {value}" for name, values in issuer.settings.items() for value in sorted(values))
    return (*_manner(issuer), *settings)


def _manner(issuer: Issuer) -> Iterator[str]:
    """All but the issuer's own settings; what is as usual for it is left out."""
    if is_emulated(issuer):
        yield "believes unsigned tokens of the Firebase Auth emulator"
    else:
        yield f"keys {source_of(issuer)}" if issuer.verifier is None else source_of(issuer)
    if isinstance(issuer, AppCheckIssuer) and issuer.consumer is not None:
        yield "each token for one request"
    if isinstance(issuer, GatewayIssuer):
        yield f"gateway {issuer.gateway}"
    if issuer.believes_stripped:
        yield "believes tokens without a signature, as Cloud Run's front door passes them on"
    if issuer.kind is OIDC:
        yield f"callers of the kind {issuer.kind}"
    if issuer.algorithm != "RS256":
        yield f"algorithm {issuer.algorithm}"
    if issuer.locations != issuer.usual_locations:
        yield from (f"{'carrier in' if each.is_intermediary else 'reads'} {each.name}" for each in issuer.locations)
    if issuer.project is not None and not issuer.name.endswith(f"/{issuer.project}"):
        yield f"users of {issuer.project}"
    yield from (
        f"spelled {iss}" for iss in sorted(issuer.accepted_iss - {issuer.name, issuer.name.removeprefix("https://")})
    )


def source_of(issuer: Issuer) -> str:
    """Where an issuer's keys come from. How they are fetched and kept does not decide who comes in."""
    keys = issuer.keys
    if issuer.verifier is not None:
        return _verifier_of(issuer.verifier)
    if isinstance(keys, KeySource):
        return keys.url
    if isinstance(keys, KeyFile):
        return f"file {keys}"
    return f"document {hashlib.sha256(keys.text.encode()).hexdigest()}"


def _verifier_of(function: Any) -> str:
    """A function that verifies credentials, by the hash of its source: what it does, only running it would tell.

    One whose source is not to be had is told by its name alone.
    """
    inner: Any = getattr(function, "func", function)
    kind: Any = inner if hasattr(inner, "__qualname__") and hasattr(inner, "__module__") else cast("Any", type(inner))
    return f"verified by {kind.__module__}:{kind.__qualname__} {code_fingerprint(function) or ''}".rstrip()


# --- and back ---


def as_before(trust: Trust, now: Iterable[Issuer]) -> tuple[Issuer, ...]:
    """The issuers as they were, as far as it matters: those whose tokens are believed ``now``, too."""
    known = tuple(dict.fromkeys(now))
    found: list[Issuer] = []
    for name, lines in trust.issuers:
        # IAP is of one name, whosever users it lets in.
        named = [each for each in known if each.name == name and _users(_manner(each)) == _users(lines)]
        same = next((each for each in named if _deciding(_split(lines, each)[0]) == _deciding(_manner(each))), None)
        if same is not None:
            found.append(same.with_settings(_split(lines, same)[1]))
        elif named:
            _, settings = _split(lines, named[0])
            found.append(replace(named[0].with_settings(settings), keys=_OTHER_KEYS))
    return tuple(found)


def _split(lines: tuple[str, ...], issuer: Issuer) -> tuple[tuple[str, ...], dict[str, frozenset[str]]]:
    """What a lock says of an issuer, in two: the lines that are none of its settings, and the settings."""
    said = [(line, *line.partition(" ")[::2]) for line in lines]
    manner = tuple(line for line, name, _ in said if name not in issuer.settings)
    return manner, {name: frozenset(value for _, each, value in said if each == name) for name in issuer.settings}


def _deciding(manner: Iterable[str]) -> tuple[str, ...]:
    """Without the name of the cookie: it decides about nobody."""
    return tuple(line for line in manner if not line.startswith("reads cookie "))


def _users(manner: Iterable[str]) -> set[str]:
    return {line for line in manner if line.startswith(("users of ", "gateway "))}


def believed_by_all(
    asked: Sequence[tuple[tuple[Issuer, ...], frozenset[str] | None]],
) -> tuple[tuple[Issuer, ...], frozenset[str] | None]:
    """Whom several guards believe that stand one behind the other, and which audiences are named where they are asked.

    Each is given by its issuers, and the audiences that are named where it is asked. A credential must be good for each
    of them. Of guards that differ, the issuers are returned with the audiences that count, and ``None`` are named.
    """
    if len(asked) == 1 or len(set(asked)) == 1:
        return asked[0]
    sides = [Side(Public(), audiences, issuers) for issuers, audiences in asked]
    return tuple(issuer for role in SpeaksFor for issuer in _shared(sides, role)), None


def _shared(sides: Iterable[Side], role: SpeaksFor) -> tuple[Issuer, ...]:
    """The issuers that all sides believe in what names the caller, what carried the call, or the app."""
    first, *others = (_believed(side, role) for side in sides)
    shared = first
    for issuers in others:
        shared = [one.narrowed(other) for one in shared for other in issuers if _is_alike(one, other)]
    return tuple(dict.fromkeys(each for each in shared if each.audiences))


def _believed(side: Side, role: SpeaksFor) -> list[Issuer]:
    """The issuers of a side, with the audiences that it takes."""
    audiences: dict[Issuer, set[str]] = {}
    for issuer, audience, _ in side.believed(role):
        audiences.setdefault(issuer, set()).add(audience)
    return [
        replace(
            issuer,
            audiences=frozenset(found),
            locations=tuple(each for each in issuer.locations if each.role is role),
        )
        for issuer, found in audiences.items()
    ]


def _is_alike(one: Issuer, other: Issuer) -> bool:
    """Whether two issuers differ in their settings, and in how their keys are fetched and kept, at most."""
    if type(one) is not type(other) or source_of(one) != source_of(other):
        return False
    return replace(one.with_settings(other.settings), keys=other.keys) == other

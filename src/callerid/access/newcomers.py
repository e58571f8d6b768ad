"""No new access, proved: whether anybody may call anything now who could not when a lock was written.

What is compared is who may make a request, not which route has which name: for every kind of request (protocol, host,
method, path) that the routes of before and of now tell apart, what was asked by whatever served it is compared with
what is asked by whatever serves it now. Where no route was meant that is the default, and a wrong method's rule. Where
none is meant now, and the application has nothing of its own that answers unknown paths, there is nothing to call: such
paths are compared as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

from callerid.access.lock import Lock, read_lock, rule_of, unenforced_in, written_in
from callerid.access.order import standing
from callerid.access.places import (
    ANYWHERE_ELSE,
    EVERYWHERE,
    Place,
    Position,
    common,
    covers,
    positions_of,
    text_of,
)
from callerid.access.rows import AccessMap
from callerid.access.serving import Application, Asking, Doubt, Told, as_of_now, entry, together
from callerid.access.trust import Trust, as_before, believed_by_all
from callerid.algebra import (
    CannotTell,
    No,
    Side,
    Verdict,
    Yes,
    admits_nobody,
    every_leaf,
    fingerprint,
    is_code,
    is_foreign,
    new_access,
)
from callerid.errors import ConfigurationError
from callerid.rules import Nobody, is_public

__all__ = ["Finding", "assumed", "newcomers"]

MOST_PARTS = 2_000
MOST_UNREAD = 6
OTHER = "*"
"""Stands for a method that no route names."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A place where somebody may who could not before (the verdict says who), or where that cannot be told.

    ``before`` and ``now`` are what the lock's rules ask there and what today's ask; ``None`` where that is not known.
    """

    name: str
    verdict: Verdict
    before: Side | None = None
    now: Side | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.verdict}"


def newcomers(lock: str, found: AccessMap, name: str = "the lock") -> list[Finding]:
    """Where there is new access since a lock was written, or may be; nowhere, if this is empty.

    Raises `ConfigurationError` for what is no lock of this version.
    """
    read = read_lock(lock, name)
    # What is enforced that was not lets in nobody new.
    lifted = unenforced_in(found).difference(*(block.lines for block in read.blocks.values()))
    if lifted:
        return [Finding("the application", CannotTell(f"the rules are not enforced: {', '.join(sorted(lifted))}"))]
    now = as_of_now(found)
    before = _as_locked(read, found, name)
    findings: dict[str, Finding] = {}
    for finding in _Comparison(before, now).findings():
        known = findings.get(finding.name)
        if known is None or (isinstance(known.verdict, CannotTell) and isinstance(finding.verdict, Yes)):
            findings[finding.name] = finding
    return list(findings.values())


def assumed(lock: str, found: AccessMap, name: str = "the lock") -> list[str]:
    """The rules that only code can judge and that are taken for what they were, since the hash of it is the same.

    Raises `ConfigurationError` for what is no lock of this version.
    """
    _, written, _ = written_in(read_lock(lock, name), name)
    before = {fingerprint(leaf) for each in written for leaf in every_leaf(each.rule)} - {None}
    leaves = (leaf for row in found.rows for leaf in every_leaf(row.rule) if is_foreign(leaf) or is_code(leaf))
    return sorted({str(leaf) for leaf in leaves if fingerprint(leaf) in before})


def _as_locked(lock: Lock, found: AccessMap, name: str) -> Application:
    guards, written, said = written_in(lock, name)
    believed = [issuer for guard in found.guards for issuer in guard.issuers]
    issuers = {guard: as_before(trust, believed) for guard, trust in guards.items()}
    routes: list[Asking] = []
    rests: dict[int, Asking] = {}
    for each in written:
        trusts = [guards.get(guard, Trust()) for guard in each.asked_by]
        shared, audiences = believed_by_all([(issuers.get(guard, ()), each.audiences) for guard in each.asked_by])
        settings = frozenset(line for trust in trusts for line in trust.settings)
        asking = Asking(each.stands, each.rule, audiences, shared, settings, each.opaque)
        if each.stands.is_rest and "/" not in each.stands.template:
            rests[each.stands.layer] = asking
        else:
            routes.append(asking)
    for layer in {each.stands.layer for each in routes} - rests.keys() or (
        {0} - rests.keys() if not rests else set[int]()
    ):
        rests[layer] = Asking(standing(f"* {ANYWHERE_ELSE}"), Nobody(), None, (), frozenset())
    words = [line.partition(" ") for line in said]
    entries = [rest.split(" ", 2) for word, _, rest in words if word == "entry"]
    if any(len(each) < 3 for each in entries):
        raise ConfigurationError(f"{name}: application: an entry is a method, a path and a rule")
    return Application(
        next((rest for word, _, rest in words if word == "kind"), ""),
        tuple(routes),
        rests,
        tuple(entry(method, path, rests[0], rule_of(rule, name)) for method, path, rule in entries),
        frozenset(line for line in said if line.startswith("websocket")),
        is_before=True,
    )


class _Comparison:
    """An application as it was and as it is."""

    def __init__(self, before: Application, now: Application) -> None:
        self._before, self._now = before, now
        self._every = (*now.routes, *before.routes)
        self._tables = tuple(place for side in (now, before) for each in side.table for place in each.stands.places)
        self._texts = {place: each.stands for each in reversed(self._every) for place in each.stands.places}
        self._known: dict[tuple[Side, Side], Verdict] = {}

    def findings(self) -> Iterator[Finding]:
        """All places, each way of calling them once."""
        yield from self._compared(OTHER, EVERYWHERE, (), f"* {ANYWHERE_ELSE}")
        seen: set[tuple[str, Place]] = set()
        for each in self._every:
            for place in each.stands.places:
                ways = {(method, place) for method in _methods(each)} - seen
                seen |= ways
                near = self._near(place) if ways else ()
                for method, _ in sorted(ways):
                    yield from self._at(method, place, near)

    def _near(self, place: Place) -> tuple[Asking, ...]:
        return tuple(
            each for each in self._every if any(common(place, other) is not None for other in each.stands.places)
        )

    def _at(self, method: str, place: Place, near: tuple[Asking, ...]) -> Iterator[Finding]:
        """All parts of a place that something tells apart."""
        parts = {place: None}
        others = dict.fromkeys(other for each in near for other in each.stands.places)
        for other in (*others, *self._tables):
            more = (common(part, other) for part in tuple(parts))
            parts.update(dict.fromkeys(each for each in more if each is not None))
            if len(parts) > MOST_PARTS:
                reason = f"more than {MOST_PARTS:,} kinds of path are told apart there"
                yield Finding(f"{method} {self._text(place)}", CannotTell(reason))
                return
        for part in parts:
            yield from self._compared(method, part, near)

    def _compared(self, method: str, at: Place, near: tuple[Asking, ...], name: str = "") -> Iterator[Finding]:
        places = dict.fromkeys(place for each in near for place in each.stands.places)
        unsure = [place for place in (*places, *self._tables) if covers(place, at) is None]
        if len(unsure) > MOST_UNREAD:
            yield Finding(f"{method} {self._text(at)}", CannotTell(_UNREAD))
            return
        for answers in product((True, False), repeat=len(unsure)):
            taken = dict(zip(unsure, answers, strict=True)).__getitem__
            try:
                before = self._before.told(method, at, [each for each in near if each in self._was], taken)
                now = self._now.told(method, at, [each for each in near if each not in self._was], taken)
            except Doubt:
                yield Finding(f"{method} {self._text(at)}", CannotTell("the lock does not say which route goes first"))
                return
            if now.is_unanswered and not name and at not in now.asked[0].stands.places:
                continue
            sides = together(before, now, at)
            verdict = self._verdict(method, (before, now), sides)
            if not isinstance(verdict, No):
                verdict = CannotTell(_UNREAD) if unsure else verdict
                yield Finding(name or self._name(method, at, now), verdict, *sides)

    @cached_property
    def _was(self) -> frozenset[Asking]:
        return frozenset(self._before.routes)

    def _verdict(self, method: str, asked: tuple[Told, Told], sides: tuple[Side, Side]) -> Verdict:
        (before, now), (old, new) = asked, sides
        if method == "WS" and self._before.settings != self._now.settings:
            old, new = (
                replace(each, settings=(*each.settings, *((line, "") for line in sorted(side.settings))))
                for each, side in ((old, self._before), (new, self._now))
            )
        if (old, new) not in self._known:
            self._known[old, new] = No() if is_public(old.rule) else new_access(old, new)
        verdict = self._known[old, new]
        if isinstance(verdict, No) and (now.is_opaque or _sees_another_path(before, now)):
            why = _OPAQUE if now.is_opaque else _ANOTHER_PATH
            return verdict if admits_nobody(new.rule, new.issuers) else CannotTell(why)
        return verdict

    def _name(self, method: str, at: Place, now: Told) -> str:
        serving = next((each.stands for each in now.served if each is not None), None)
        rest = now.asked[0].stands
        text = f"{method} {self._text(at)}"
        if serving is None:
            return rest.name if at in rest.places else f"{text} (the default holds there now)"
        return serving.name if at in serving.places else f"{text} (served by {serving.name})"

    def _text(self, place: Place) -> str:
        known = self._texts.get(place)
        return text_of(place) if known is None else known.template


def _sees_another_path(before: Told, now: Told) -> bool:
    """Whether one of the application's own rules, taken for what it was, is asked where the path names others."""
    was = _own_rules(before)
    known = {code for code, _ in was if code is not None}
    return any(code in known and (code, path) not in was for code, path in _own_rules(now))


def _own_rules(told: Told) -> set[tuple[str | None, tuple[tuple[str, Position], ...]]]:
    """The application's own rules that are asked, each with the path parameters that it may look at."""
    return {
        (fingerprint(leaf), tuple(sorted(positions_of(each.stands.template).items())))
        for each in told.asked
        for leaf in every_leaf(each.rule)
        if is_foreign(leaf)
    }


_ANOTHER_PATH = "the path's parameters have changed, and a rule of the application's own may look at them"
_UNREAD = "whether a converter or a route of the application's own takes a path, only its code can say"
_OPAQUE = "what is mounted here decides by itself who may, and may have changed"


def _methods(asking: Asking) -> Iterable[str]:
    return (OTHER, "WS") if asking.stands.method == "*" else (asking.stands.method,)

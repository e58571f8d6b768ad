"""Who serves a request and what is asked of it, before a change or after: an application as a comparison sees it. Pure.

Where it cannot be told exactly what was asked, as where no route is meant and several could have had a say, more is
taken to have been asked before the change, and less after it: what follows from that can only find more new access.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from callerid.access.order import Standing, goes_before, in_order
from callerid.access.places import Place, Position, covers, literal_at, places_of, positions_of
from callerid.access.rows import AccessMap
from callerid.access.trust import believed_by_all, settings_of
from callerid.algebra import Separate, Side, separate
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer
from callerid.rules import (
    FirebaseUser,
    Nobody,
    PathParam,
    Rule,
    ServiceAccount,
    User,
    Via,
    all_of,
    is_joined,
    is_public,
)
from callerid.rules.accounts import is_email

__all__ = ["Application", "Asking", "Doubt", "Standing", "Told", "as_of_now", "named_alike", "placed", "together"]

Asks = tuple[Rule, frozenset[str] | None, tuple[Issuer, ...], frozenset[str]]
"""A rule, the audiences it names, those who are believed, and the settings of their guards."""


@dataclass(frozen=True, eq=False, slots=True)
class Asking:
    """A route, and what is asked there. ``answers`` is whether something answers there although no route does."""

    stands: Standing
    rule: Rule
    audiences: frozenset[str] | None
    issuers: tuple[Issuer, ...]
    settings: frozenset[str]
    opaque: bool = False
    answers: bool = False


class Doubt(Exception):
    """It cannot be told who serves."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is asked of a request: by the routes that serve it, one for each layer, and by what else holds there."""

    served: tuple[Asking | None, ...]
    asked: tuple[Asking, ...]

    @property
    def is_unanswered(self) -> bool:
        """Whether nothing of the application answers, whoever is let in."""
        return self.served[0] is None and not self.asked[0].answers

    @property
    def is_opaque(self) -> bool:
        """Whether what serves decides by itself who may."""
        return any(each is not None and each.opaque for each in self.served)


@dataclass(frozen=True)
class Application:
    """All routes of an application, and what holds where there is none. ``is_before`` is for that of the lock."""

    kind: str
    routes: tuple[Asking, ...]
    rests: Mapping[int, Asking]
    table: tuple[Asking, ...] = ()
    settings: frozenset[str] = frozenset()
    is_before: bool = False
    layers: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(sorted(self.rests)))

    def told(self, method: str, at: Place, near: Iterable[Asking], taken: Callable[[Place], bool]) -> Told:
        """What is asked of a request; ``taken`` says of a place of which it cannot be told if it is for it.

        ``near`` are the routes that may have to do with it. Raises `Doubt`.
        """
        served: list[Asking | None] = []
        asked: list[Asking] = []
        here = [each for each in near if any(_is_for(place, at, taken) for place in each.stands.places)]
        for layer in self.layers:
            own = [each for each in here if each.stands.layer == layer]
            found = _first([each for each in own if _takes(each.stands.method, method)])
            served.append(None if found is None or found.stands.is_rest else found)
            asked.append(found or self.rests[layer])
            if layer == 0 and served[-1] is None:
                meant = own if found is None else self._above(found, own)
                asked += self._beside(method, at, meant, taken)
        return Told(tuple(served), tuple(asked))

    def _above(self, rest: Asking, own: list[Asking]) -> list[Asking]:
        """Those below a mount of which one may be meant by a wrong method; some may stand in front of the mount."""
        return [each for each in own if goes_before(each.stands, rest.stands)] if self.is_before else []

    def _beside(
        self, method: str, at: Place, own: Sequence[Asking], taken: Callable[[Place], bool]
    ) -> Iterator[Asking]:
        """What else holds where no route is meant: for a wrong method the route's own rule, and the path table's."""
        is_asked = self.kind in ("Starlette", "FastAPI") or (self.kind == "Flask" and method == "OPTIONS")
        if is_asked and method != "WS":
            others = [each for each in own if not (each.stands.is_rest or _takes(each.stands.method, method))]
            yield from self._surely([each for each in others if each.stands.method != "WS"])
        entries = [each for each in self.table if _takes(each.stands.method, method)]
        yield from self._surely([e for e in entries if any(_is_for(place, at, taken) for place in e.stands.places)])

    def _surely(self, found: list[Asking]) -> list[Asking]:
        asked = [(each.rule, each.audiences, each.issuers) for each in found]
        return found if self.is_before or all(each == asked[0] for each in asked) else []


def _is_for(place: Place, at: Place, taken: Callable[[Place], bool]) -> bool:
    known = covers(place, at)
    return taken(place) if known is None else known


def _takes(method: str, asked: str) -> bool:
    return method in (asked, "*") or (method, asked) == ("GET", "HEAD")


def _first(found: list[Asking]) -> Asking | None:
    first = [each for each in found if not any(goes_before(one.stands, each.stands) for one in found)]
    if found and not first:
        raise Doubt
    return first[0] if first else None


def as_of_now(found: AccessMap) -> Application:
    """An application as its map has it."""
    routes: list[Asking] = []
    rests: dict[int, Asking] = {}
    for method, row, stands in in_order(found):
        settings = frozenset(line for each in row.judges for line in settings_of(each.guard))
        serves = row.serving(method)
        asking = Asking(stands, row.rule, row.audiences, row.issuers, settings, serves.opaque, serves.answers)
        if stands.is_rest and "/" not in stands.template:
            rests[stands.layer] = asking
        else:
            routes.append(asking)
    table = [entry(method, path, rests[0], requirement.rule) for method, path, requirement in found.table]
    if found.by_path:
        # Whatever stands behind answers anywhere.
        rests = {layer: replace(rest, answers=True) for layer, rest in rests.items()}
    kind = "by path" if found.by_path else found.kind
    return Application(kind, tuple(routes), rests, tuple(table), frozenset(found.settings))


def entry(method: str, path: str, rest: Asking, rule: Rule) -> Asking:
    """An entry of a path table, as it holds beside what holds for the rest."""
    places = places_of(path, either_slash=True)
    return replace(rest, stands=Standing(f"{method} {path}", method, path, places), rule=rule)


# --- all of it as one ---


def together(before: Told, now: Told, at: Place) -> tuple[Side, Side]:
    """What was asked and what is, each as one; path parameters of both go by the names of now, by where they stand."""
    names = named_alike(each.stands.template for each in (*now.asked, *before.asked))
    return _side(before, names, at), _side(now, names, at)


def named_alike(templates: Iterable[str]) -> dict[Position, str]:
    """One name for each place where one of the templates has a parameter: the first that it has."""
    names: dict[Position, str] = {}
    for template in templates:
        for name, position in positions_of(template).items():
            if position not in names:
                names[position] = name if name not in names.values() else f"{name}_{len(names)}"
    return names


def _side(told: Told, names: Mapping[Position, str], at: Place) -> Side:
    asked: list[Asks] = []
    for each in told.asked:
        rule = placed(each.rule, positions_of(each.stands.template), names, at)
        asked.append((rule, each.audiences, each.issuers, each.settings))
    judged = [each for each in asked if not is_public(each[0])] or asked[:1]
    issuers, audiences = believed_by_all([(issuers, audiences) for _, audiences, issuers, _ in judged])
    settings = frozenset[str]().union(*(each for *_, each in judged))
    # What is asked in one layer is joined there to one rule; each layer judges for itself.
    layers: dict[int, list[Rule]] = {}
    for each, (rule, *_) in zip(told.asked, asked, strict=True):
        layers.setdefault(each.stands.layer, []).append(rule)
    rule = separate(all_of(tuple(rules)) for rules in layers.values())
    return Side(
        rule,
        audiences,
        issuers,
        (),
        tuple(sorted((line.partition(" ")[0], line.partition(" ")[2]) for line in settings)),
    )


def placed(rule: Rule, positions: Mapping[str, Position], names: Mapping[Position, str], at: Place) -> Rule:
    """The rule with its path parameters named by where they stand, or by what stands there."""
    if is_joined(rule) or type(rule) is Separate:
        return type(rule)(*(placed(part, positions, names, at) for part in rule.rules))
    if type(rule) is Via:
        return Via(placed(rule.rule, positions, names, at))
    if type(rule) is FirebaseUser or type(rule) is User or type(rule) is ServiceAccount:
        account = rule.uid if isinstance(rule, FirebaseUser) else rule.account
        if isinstance(account, PathParam) and (position := positions.get(account.name)) is not None:
            literal = literal_at(position, at)
            return _naming(rule, PathParam(names[position]) if literal is None else literal)
    return rule


def _naming(rule: FirebaseUser | User | ServiceAccount, account: str | PathParam) -> Rule:
    if not isinstance(rule, FirebaseUser) and is_email(account):
        return Nobody()  # a path names accounts by their ids
    try:
        return replace(rule, uid=account) if isinstance(rule, FirebaseUser) else replace(rule, account=account)
    except ConfigurationError:  # no account has such an id
        return Nobody()

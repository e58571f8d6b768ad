"""The two sides of a comparison, and the trust paths by which callers come in: issuer, audience, what was before."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from callerid.audit.algebra._statements import (
    ADDRESSED,
    ANONYMOUS,
    ATTESTED,
    BY_ACCESS_TOKEN,
    KNOWN,
    NO_SCOPES,
    PERSON,
    SERVICE,
    SOMEBODY,
    Traits,
    contradictory,
    family,
)
from callerid.audit.algebra._statements import Trait as _Trait
from callerid.callers import Kind
from callerid.issuers import (
    AUTHORIZATION,
    GATEWAY_AUTHORIZATION,
    AppCheckIssuer,
    CredentialLocation,
    GatewayIssuer,
    GoogleAccessTokenIssuer,
    Issuer,
    SpeaksFor,
)
from callerid.rules import PathParam, Public, Rule

__all__ = ["Before", "Side", "TrustPath", "TrustPaths", "open_trust_paths", "trust_paths_between", "trust_paths_of"]


@dataclass(frozen=True, slots=True)
class Side:
    """Who may come in at one place, before or after a change: a rule, and all that decides whom it is asked about.

    ``rule`` and ``audiences`` are those of a `callerid.guard.Requirement`, ``issuers`` those of its guard.
    ``parameters`` are the names of the path's parameters in order: `PathParam` is compared by position, so a parameter
    may be renamed; one that is not among them is compared by name. ``settings`` is all else the guard was told that
    decides who comes in (leeway, revocation, …): it is only compared.
    """

    rule: Rule
    audiences: frozenset[str] | None = None
    issuers: tuple[Issuer, ...] = ()
    parameters: tuple[str, ...] = ()
    settings: tuple[tuple[str, Hashable], ...] = ()

    def place(self, parameter: PathParam) -> Hashable:
        """What a path parameter is to this side: its position, or its name where it has none."""
        return self.parameters.index(parameter.name) if parameter.name in self.parameters else parameter.name

    def believed(self, role: SpeaksFor) -> Iterator[tuple[Issuer, str, CredentialLocation]]:
        """Each issuer with each audience of its tokens that this side takes for the caller, the carrier or the app.

        And where they sit.

        As the guard has it: of issuers with one name, the one that names the audience judges the token, else the first.
        ``audiences`` speak of the caller's Google identity. They replace the issuer's own, unless it fixes those: then
        a token's audience must be among both.
        """
        for place in dict.fromkeys(each for issuer in self.issuers for each in issuer.locations if each.role is role):
            here = [issuer for issuer in self.issuers if place in issuer.locations]
            if place == GATEWAY_AUTHORIZATION:  # told apart by account
                yield from ((issuer, audience, place) for issuer in here for audience in sorted(issuer.audiences))
                continue
            for name in dict.fromkeys(issuer.name for issuer in here):
                rivals = [issuer for issuer in here if issuer.name == name]
                pairs = (
                    (next((each for each in rivals if audience in each.audiences), rivals[0]), audience)
                    for audience in sorted(self._accepted(rivals, role))
                )
                yield from (
                    (issuer, audience, place)
                    for issuer, audience in pairs
                    if not issuer.fixed_audience or audience in issuer.audiences
                )

    def _accepted(self, rivals: list[Issuer], role: SpeaksFor) -> frozenset[str]:
        is_asked = rivals[0].kind is Kind.GOOGLE and not rivals[0].ignores_named_audience
        if is_asked and self.audiences and role is SpeaksFor.CALLER:
            return self.audiences
        return frozenset[str]().union(*(each.audiences for each in rivals))


class Before(Enum):
    """Whether the old side took tokens of this issuer for this audience."""

    TAKEN = "taken"
    OTHER_KEYS = "taken, but judged by other keys or settings"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TrustPath:
    """By which callers come in: an issuer, audiences that are all the same to both sides, and what was before.

    ``known`` is what else is true of everybody who comes in here. ``header`` is where their credential sits, ``behind``
    the gateway that put it there; of a gateway itself, its own account.
    """

    issuer: str
    kind: Kind
    project: str | None
    audiences: tuple[str, ...]
    before: Before = Before.TAKEN
    known: Traits = frozenset()
    header: str = ""
    behind: str = ""
    was_direct: bool = False
    """Whether the old side took what a gateway forwards now, and only where it came directly: not with the gateway."""

    @property
    def traits(self) -> Traits:
        """What is true of everybody who comes in here."""
        if self.kind is Kind.APP:
            return self.known | {ATTESTED}
        of_project = frozenset({_Trait("project", self.project)}) if self.kind is Kind.FIREBASE else frozenset[_Trait]()
        return frozenset({SOMEBODY, *family(self.kind), _Trait("issuer", self.issuer)}) | of_project | self.known

    def kinds(self) -> Iterator[Traits]:
        """What is true of those who come in here, of each sort there is of them."""
        every = (self.traits | sort for sort in _SORTS[self.kind])
        return (traits for traits in every if not contradictory(traits))


_SORTS: dict[Kind, tuple[Traits, ...]] = {
    Kind.GOOGLE: (frozenset({PERSON}), frozenset({SERVICE})),
    Kind.FIREBASE: (frozenset({KNOWN}), ANONYMOUS),
    Kind.APP: (frozenset(),),
    Kind.OIDC: (frozenset(),),
    Kind.CUSTOM: (frozenset(),),
}
"""Of what sorts the callers of each kind are, by what is true of all of a sort."""


@dataclass(frozen=True, slots=True)
class TrustPaths:
    """All trust paths of the new side: for callers, for the services that carry calls, and for apps."""

    callers: tuple[TrustPath, ...]
    carriers: tuple[TrustPath, ...]
    apps: tuple[TrustPath, ...]


def trust_paths_between(old: Side, new: Side) -> TrustPaths:
    """The trust paths of the new side, and what the old side made of them."""
    callers, *others = (_trust_paths(old, new, role) for role in (SpeaksFor.CALLER, SpeaksFor.CARRIER, SpeaksFor.APP))
    return TrustPaths((*callers, *_gateways_no_more(old, new)), *others)


def trust_paths_of(issuers: tuple[Issuer, ...], audiences: frozenset[str] | None = None) -> TrustPaths:
    """The trust paths of a side with these issuers and audiences that is compared with itself.

    Those of the last few are kept: at start-up all rules of a guard are asked about the same ones.
    """
    key = tuple(map(id, issuers)), audiences
    if (kept := _KEPT.get(key)) is None:
        side = Side(Public(), audiences, issuers)
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        kept = _KEPT[key] = issuers, trust_paths_between(side, side)
    return kept[1]


_KEPT: Final[dict[tuple[tuple[int, ...], frozenset[str] | None], tuple[tuple[Issuer, ...], TrustPaths]]] = {}
"""By the issuers' own identity, which nothing else has as long as they are kept, too: not all of them can be hashed."""
_MOST_KEPT: Final = 4


def _trust_paths(old: Side, new: Side, role: SpeaksFor) -> tuple[TrustPath, ...]:
    taken: dict[tuple[str, Kind, str], list[tuple[Issuer, str]]] = {}
    for issuer, audience, place in old.believed(role):
        taken.setdefault((issuer.name, issuer.kind, audience), []).append((issuer, _behind(issuer, place)))
    groups: dict[tuple[str, Kind, str | None, Before, Traits, str, str, bool], dict[str, None]] = {}
    for issuer, audience, place in new.believed(role):
        rivals = taken.get((issuer.name, issuer.kind, audience), [])
        behind = _behind(issuer, place)
        for known in _known(issuer, audience):
            alike = [rival for rival in rivals if known in _known(rival[0], audience)]
            before, was_direct = _before(issuer, behind, alike), behind not in ("", *(was for _, was in alike))
            key = issuer.name, issuer.kind, issuer.project, before, known, place.header, behind, was_direct
            groups.setdefault(key, {})[audience] = None
    return tuple(
        TrustPath(name, kind, project, tuple(found), was, known, header, behind, was_direct)
        for (name, kind, project, was, known, header, behind, was_direct), found in groups.items()
    )


def _gateways_no_more(old: Side, new: Side) -> Iterator[TrustPath]:
    """For each gateway of before that is none now: its account may be a caller now, and was none then."""
    was, now = (
        {
            (each.gateway, audience): each
            for each in side.issuers
            if isinstance(each, GatewayIssuer)
            for audience in each.audiences
        }
        for side in (old, new)
    )
    direct = [
        (issuer, audience) for issuer, audience, place in new.believed(SpeaksFor.CALLER) if place == AUTHORIZATION
    ]
    for (account, audience), gateway in was.items():
        for issuer, accepted in direct if (account, audience) not in now else ():
            if accepted == audience and not issuer.accepted_iss.isdisjoint(gateway.accepted_iss):
                (known,) = _known(gateway, audience)
                header = AUTHORIZATION.header
                yield TrustPath(issuer.name, issuer.kind, None, (audience,), Before.REFUSED, known, header)


def _behind(issuer: Issuer, place: CredentialLocation) -> str:
    return issuer.gateway if isinstance(issuer, GatewayIssuer) else place.behind


def _known(issuer: Issuer, audience: str) -> tuple[Traits, ...]:
    """What is true of callers with an issuer's tokens for an audience, beside its family and project.

    Of each of them one of these is true.
    """
    if isinstance(issuer, AppCheckIssuer):
        return (frozenset({_Trait("app project", issuer.project_number)}),)
    if isinstance(issuer, GatewayIssuer):
        name = _Trait("email" if "@" in issuer.gateway else "subject", issuer.gateway)
        return (frozenset({SERVICE, name}) | NO_SCOPES,)
    if isinstance(issuer, GoogleAccessTokenIssuer):
        return (BY_ACCESS_TOKEN,)
    known = _known_by_signature(issuer, audience)
    return tuple(each | NO_SCOPES for each in known) if issuer.kind is Kind.GOOGLE else known


def _known_by_signature(issuer: Issuer, audience: str) -> tuple[Traits, ...]:
    if issuer.account is not None:
        names = {_Trait("email", issuer.account), _Trait("subject", issuer.account), _Trait("authorized party", None)}
        return (frozenset({SERVICE, *names}),)
    if issuer.tenants is not None:
        every = (None, *sorted(issuer.tenants))
        return tuple(frozenset({_Trait("tenant", each), _Trait("of a tenant", each is not None)}) for each in every)
    if audience in issuer.people_only:
        return (frozenset({PERSON, ADDRESSED, _Trait("authorized party", audience)}),)
    return (frozenset(),)


def _before(issuer: Issuer, behind: str, rivals: list[tuple[Issuer, str]]) -> Before:
    if not rivals:
        return Before.REFUSED
    # What may come directly may come through a gateway, and not the other way round.
    same = any(
        _trust(rival) == _trust(issuer) and rival.covers(issuer) and was_behind in ("", behind)
        for rival, was_behind in rivals
    )
    return Before.TAKEN if same else Before.OTHER_KEYS


def _trust(issuer: Issuer) -> tuple[object, ...]:
    """What must be the same for a token to be worth the same."""
    consumer = issuer.consumer if isinstance(issuer, AppCheckIssuer) else None
    return (
        issuer.keys,
        issuer.algorithm,
        issuer.fixed_audience,
        issuer.project,
        issuer.accepted_iss,
        issuer.verifier,
        consumer,
    )


def open_trust_paths(
    names: frozenset[str], projects: frozenset[str], app_projects: frozenset[str] = frozenset()
) -> TrustPaths:
    """TrustPaths for rules that are compared by themselves: issuers of all families, some with these names.

    Those of Firebase are of these projects, and of one that no rule names; so are the apps.
    """
    whose: dict[Kind, tuple[str | None, ...]] = {
        Kind.GOOGLE: (None,),
        Kind.FIREBASE: (*sorted(projects), ""),
        Kind.OIDC: (None,),
        Kind.CUSTOM: (None,),
    }
    callers = tuple(
        TrustPath(name, kind, project, (_ANY_AUDIENCE,))
        for name in (*sorted(names), "")
        for kind in whose
        for project in whose[kind]
    )
    apps = tuple(
        TrustPath("", Kind.APP, None, (_ANY_AUDIENCE,), known=frozenset({_Trait("app project", number)}))
        for number in (*sorted(app_projects), "")
    )
    return TrustPaths(callers, callers, apps)


_ANY_AUDIENCE = "1234-abc.apps.googleusercontent.com"

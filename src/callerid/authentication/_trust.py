"""The issuers that are trusted: one immutable value, which is replaced as a whole."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self, cast

from callerid.authentication._same_origin import PROOF_HEADERS
from callerid.callers import APP, CUSTOM, FIREBASE, GOOGLE, OIDC, Kind, unknown_kind
from callerid.errors import ConfigurationError
from callerid.issuers import (
    AUTHORIZATION,
    GATEWAY_AUTHORIZATION,
    AskedIssuer,
    CloudRunIssuer,
    CredentialLocation,
    FirebaseIssuer,
    GatewayIssuer,
    Issuer,
    SpeaksFor,
    check_apart,
    is_emulated,
    parts_of,
)

__all__ = ["CHANGING", "Trusted", "checked_issuers"]


@dataclass(frozen=True, slots=True, eq=False)
class Trusted:
    """The trusted issuers, and look-ups of them. Adding or removing one returns a new value.

    Each look-up is that of the value before with the new issuers in it, so that a guard may be told of many one by one.
    """

    members: Mapping[Issuer, None] = field(default_factory=dict["Issuer", None])
    """The issuers, in order. A mapping serves as an ordered set with fast look-up."""
    locations: Mapping[CredentialLocation, Mapping[str, tuple[Issuer, ...]]] = field(
        default_factory=dict["CredentialLocation", Mapping[str, tuple[Issuer, ...]]]
    )
    """The credential locations, each with the issuers that are read there by accepted ``iss``."""
    ids: frozenset[int] = frozenset()
    """The id() of each member, since issuers are slow to hash. A cached token holds a reference to its issuer."""
    accepted: Mapping[str, frozenset[str]] = field(default_factory=dict[str, "frozenset[str]"])
    """By the names of the issuers of callers, the audiences that they accept."""
    gateways: tuple[GatewayIssuer, ...] = ()
    """The gateways that carry calls and forward the tokens of callers."""
    cloud_run: tuple[CloudRunIssuer, ...] = ()
    """Those who believe what Cloud Run's front door checked."""
    unnamed: frozenset[str] = frozenset()
    """The names of the issuers of whose tokens an audience beside a rule says nothing."""
    emulated: tuple[FirebaseIssuer, ...] = ()
    """Those who believe unsigned tokens of the Firebase Auth emulator; then all Firebase issuers do."""
    asked: Mapping[CredentialLocation, tuple[AskedIssuer, ...]] = field(
        default_factory=dict["CredentialLocation", "tuple[AskedIssuer, ...]"]
    )
    """The locations with issuers that have to be asked about their credentials."""
    is_ambiguous: bool = False
    """Whether there are several issuers to whom one subject, uid, claim or fact means different things."""

    bearer: tuple[CredentialLocation, ...] = field(init=False)
    """The locations of credentials with a scheme, such as bearer tokens."""
    bare: tuple[CredentialLocation, ...] = field(init=False)
    """The other locations, what browsers send unasked last: the first with a token counts, if no bearer token was
    sent."""
    apps: tuple[CredentialLocation, ...] = field(init=False)
    """The locations of tokens that name the app that sent a request."""
    schemes: Mapping[str, tuple[str, ...]] = field(init=False)
    """By header, the schemes of ``Authorization`` that are read there."""

    def __post_init__(self) -> None:
        bearer = (AUTHORIZATION if each == GATEWAY_AUTHORIZATION else each for each in self.locations)
        bearer = (each for each in bearer if not each.is_bare and not each.behind)
        object.__setattr__(self, "bearer", tuple(dict.fromkeys(bearer)))
        object.__setattr__(self, "apps", tuple(each for each in self.locations if each.is_app))
        bare = (each for each in self.locations if each.is_bare and not each.is_app)
        object.__setattr__(self, "bare", tuple(sorted(bare, key=_bare_order)))
        schemes: dict[str, tuple[str, ...]] = {}
        for each in self.bearer:
            known = schemes.get(each.header, ())
            schemes[each.header] = (each.scheme, *known) if each.scheme == "Bearer" else (*known, each.scheme)
        object.__setattr__(self, "schemes", schemes)

    def namespaces(self, kinds: frozenset[Kind]) -> Mapping[str, Issuer]:
        """Within what subjects and facts of these kinds of caller mean something, each with one of its issuers.

        Those are the Firebase projects, and each other issuer by its name. A Google account is the same to all.
        """
        return {
            issuer.project or issuer.name: issuer
            for issuer in self.members
            if issuer.kind in kinds and issuer.kind is not GOOGLE
        }

    def audiences_of(self, name: str) -> frozenset[str]:
        """The audiences that issuers of this name accept of callers, however their tokens come."""
        return frozenset[str]().union(
            *(each.audiences for each in self.members if each.name == name and SpeaksFor.CALLER in each.roles)
        )

    @property
    def is_ambient(self) -> bool:
        """Whether a credential is read that browsers send unasked."""
        return any(each.is_ambient for each in self.locations)

    @property
    def headers(self) -> Mapping[bytes, str]:
        """The headers that are read, in lower case, as bytes and as text."""
        proof = PROOF_HEADERS if self.is_ambient else ()
        return {name.encode(): name for name in (*(each.header for each in self.locations), *proof)}

    def adding(self, issuers: Iterable[Issuer]) -> Self:
        """With these, too. Raises `ConfigurationError` where two would claim the same token."""
        new = [issuer for issuer in dict.fromkeys(issuers) if issuer not in self.members]
        for issuer in new:
            if issuer.kind not in (GOOGLE, FIREBASE, OIDC, CUSTOM, APP):
                raise unknown_kind(issuer.kind)
        members = {**self.members, **dict.fromkeys(new)}
        emulated = (*self.emulated, *filter(is_emulated, new))
        if emulated:
            _check_emulated(members)
        accepted, asked = dict(self.accepted), dict(self.asked)
        for issuer in new:
            for location in issuer.locations if isinstance(issuer, AskedIssuer) else ():
                asked[location] = (*asked.get(location, ()), cast("AskedIssuer", issuer))
            if any(each.role is SpeaksFor.CALLER and not each.behind for each in issuer.locations):
                accepted[issuer.name] = accepted.get(issuer.name, frozenset()) | issuer.audiences
        made = replace(
            self,
            members=members,
            locations=_claimed(self.locations, new),
            ids=self.ids | frozenset(map(id, new)),
            accepted=accepted,
            gateways=(*self.gateways, *(each for each in new if isinstance(each, GatewayIssuer))),
            cloud_run=(*self.cloud_run, *(each for each in new if isinstance(each, CloudRunIssuer))),
            unnamed=self.unnamed
            | {each.name for each in new if each.ignores_named_audience and SpeaksFor.CALLER in each.roles},
            emulated=emulated,
            asked=asked,
        )
        if asked:
            _check_asked(made)
        if made.is_ambiguous or not any(len(made.namespaces(kinds)) > 1 for kinds in _SHARING):
            return made
        return replace(made, is_ambiguous=True)

    def removing(self, issuers: Iterable[Issuer]) -> Self:
        """Without these. Raises `ConfigurationError` for one that is none of them."""
        members = dict(self.members)
        for issuer in dict.fromkeys(issuers):
            if issuer not in members:
                raise ConfigurationError(
                    f"this guard does not trust {issuer.name} with these keys and audiences: "
                    f"it trusts {', '.join(sorted({each.name for each in self.members})) or 'nobody'}",
                    code="issuer-not-trusted",
                )
            del members[issuer]
        return type(self)().adding(members)


def _check_emulated(issuers: Iterable[Issuer]) -> None:
    firebase = [issuer for issuer in issuers if issuer.kind is FIREBASE]
    real = [issuer.name for issuer in firebase if not is_emulated(issuer)]
    if real and len(real) < len(firebase):
        raise ConfigurationError(
            f"this guard would believe the Firebase Auth emulator, whose unsigned tokens anybody can write, beside "
            f"{real[0]}: leave emulator= out, or the other issuer; a guard of its own for each is what both need",
            code="emulator",
        )


def _claimed(
    known: Mapping[CredentialLocation, Mapping[str, tuple[Issuer, ...]]], new: Iterable[Issuer]
) -> dict[CredentialLocation, dict[str, tuple[Issuer, ...]]]:
    locations = {location: dict(claimed) for location, claimed in known.items()}
    for issuer in new:
        for location in issuer.locations:
            claimed = locations.setdefault(location, {})
            for iss in issuer.accepted_iss:
                claimed[iss] = (*_rivals(issuer, claimed.get(iss, ())), issuer)
    return locations


_SHARING = (frozenset({FIREBASE}), frozenset({OIDC, CUSTOM}))
"""The kinds of caller that one rule may speak of by a subject."""


def _rivals(issuer: Issuer, rivals: tuple[Issuer, ...]) -> tuple[Issuer, ...]:
    if isinstance(issuer, GatewayIssuer):
        if any(isinstance(rival, GatewayIssuer) and rival.gateway == issuer.gateway for rival in rivals):
            raise ConfigurationError(
                f"two gateways are {issuer.gateway}: write one with all audiences and all issuers that it forwards",
                code="issuers-overlap",
            )
        return rivals
    # A token that may have several audiences may have one of each issuer's.
    several = issuer.may_list_audiences or any(rival.may_list_audiences for rival in rivals)
    if any(several or not rival.audiences.isdisjoint(issuer.audiences) for rival in rivals):
        raise ConfigurationError(
            f"two issuers claim the tokens of {issuer.name}{'' if several else ' for the same audience'}: write one "
            "with all audiences",
            code="issuers-overlap",
        )
    return rivals


def _bare_order(location: CredentialLocation) -> tuple[bool, bool, str]:
    return location.is_ambient, bool(location.cookie), location.name


def _check_asked(trusted: Trusted) -> None:
    """Raise `ConfigurationError` where two issuers could claim one credential, or have one name."""
    for location, asked in trusted.asked.items():
        check_apart(location, asked, beside_tokens=bool(trusted.locations[location]))
    names = Counter(issuer.name for issuer in trusted.members)
    for issuer in (each for asked in trusted.asked.values() for each in asked):
        if names[issuer.name] > 1:
            raise ConfigurationError(
                f"two issuers are called {issuer.name!r}, so that no rule could say whom it means: "
                "write one with all audiences, or give each a name of its own",
                code="issuers-overlap",
            )


CHANGING: Final = threading.Lock()
"""Held while issuers change, so that no change is lost to a concurrent one."""

if hasattr(os, "register_at_fork"):  # pragma: no branch - there is no fork on Windows
    os.register_at_fork(before=CHANGING.acquire, after_in_parent=CHANGING.release, after_in_child=CHANGING.release)


def checked_issuers(given: tuple[object, ...]) -> list[Issuer]:
    """The issuers that a guard was given. Raises `ConfigurationError` for anything else."""
    for issuer in given:
        if not isinstance(issuer, Issuer):
            raise ConfigurationError(
                f"a guard takes issuers, such as google('https://…'), not {issuer!r}", code="not-an-issuer"
            )
    return [part for issuer in cast("tuple[Issuer, ...]", given) for part in parts_of(issuer)]

"""A persona: one caller, described so that they can be talked about, judged, and minted."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final, TypeAlias, cast

from callerid.callers import (
    CUSTOM,
    FIREBASE,
    GOOGLE,
    OIDC,
    Caller,
    Claims,
    CustomFacts,
    FirebaseFacts,
    Kind,
    OidcFacts,
    unknown_kind,
)
from callerid.issuers._google import GOOGLE_ISSUER
from callerid.rules import Facts, LookedUp
from callerid.rules._single_use import FIRST, USES

__all__ = ["ClaimName", "ClaimValue", "ClaimValues", "FixedLookUps", "Persona", "nested"]

ClaimValue: TypeAlias = str | int | float | bool
ClaimName: TypeAlias = str | tuple[str, ...]
ClaimValues: TypeAlias = ClaimValue | tuple[ClaimValue, ...]

_SOME_ISSUER: Final = {OIDC: "an OpenID Connect provider", CUSTOM: "the application"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One caller of a request: who is calling, by which token, what carried the call, and what the path names.

    ``family`` is ``None`` for a caller without a credential of their own. ``subject`` is the account's id or the uid.
    ``signed_in_ago`` is in seconds before the request. ``claims`` are custom claims of a Firebase user, claims of an
    OpenID Connect provider's token, or facts of a credential of the application's own. A claim whose value is a tuple
    is a list; one whose name is a tuple stands in nested objects, and these are the names on the way to it.
    ``attributes`` are those of a SAML sign-in, ``looked_up`` what look-ups say, by their names. ``is_forwarded`` is
    whether ``via`` is a gateway, which puts its own token in place of theirs. ``app`` is the id of the app that sent
    the request. ``incidental`` are the names of the fields whose values were made up and would do as well with any
    other: ``str()`` leaves them out.
    """

    family: Kind | None = None
    issuer: str = ""
    audience: str = ""
    subject: str = ""
    email: str | None = None
    domain: str | None = None
    is_service_account: bool = False
    project: str | None = None
    provider: str | None = None
    tenant: str | None = None
    second_factor: str | None = None
    signed_in_ago: int | None = None
    claims: tuple[tuple[ClaimName, ClaimValues], ...] = ()
    attributes: tuple[tuple[ClaimName, ClaimValues], ...] = ()
    looked_up: tuple[tuple[ClaimName, ClaimValues], ...] = ()
    authorized_party: str | None = None
    scopes: tuple[str, ...] = ()
    via: Persona | None = None
    is_forwarded: bool = False
    app: str | None = None
    path: tuple[tuple[str, str], ...] = ()
    incidental: frozenset[str] = frozenset()

    def caller(self, now: float) -> Caller | None:
        """The caller as the library would have verified them. It is for comparing rules, and never of a request."""
        if self.family is None:
            return None
        return Caller(
            kind=self.family,
            issuer=self.issuer,
            subject=self.subject,
            audience=self.audience,
            issued_at=now,
            expires_at=now + 3600,
            email=self.email,
            domain=self.domain,
            is_service_account=self.is_service_account,
            firebase=self._firebase(now) if self.family is FIREBASE else None,
            oidc=self._oidc(now) if self.family is OIDC else None,
            custom=CustomFacts(Claims(nested(self.claims))) if self.family is CUSTOM else None,
            via=None if self.via is None else self.via.caller(now),
            app=self.app,
            authorized_party=self.authorized_party or self._own_party(),
            scopes=frozenset(self.scopes),
        )

    def _own_party(self) -> str | None:
        """A service account's Google ID token names the account itself, if nobody else."""
        return self.subject if self.is_service_account and self.issuer == GOOGLE_ISSUER else None

    def _firebase(self, now: float) -> FirebaseFacts:
        return FirebaseFacts(
            project=self.project or "",
            uid=self.subject,
            provider=self.provider,
            tenant=self.tenant,
            second_factor=self.second_factor,
            signed_in_at=None if self.signed_in_ago is None else now - self.signed_in_ago,
            claims=Claims(nested(self.claims)),
            sign_in_attributes=Claims(nested(self.attributes)),
        )

    def _oidc(self, now: float) -> OidcFacts:
        checked = {"iss": self.issuer, "sub": self.subject, "aud": self.audience, "iat": now, "exp": now + 3600}
        return OidcFacts(Claims({**checked, **nested(self.claims)}))

    def facts(self, now: float = 0.0, *, path: Mapping[str, str] | None = None) -> Facts:
        """What a rule is asked about; ``path`` in place of the persona's own, where the names are others."""
        caller = self.caller(now)
        via = None if self.via is None else self.via.caller(now)
        said = FixedLookUps({str(of): cast("tuple[Any, ...]", facts) for of, facts in self.looked_up})
        named, is_first = dict(self.path) if path is None else path, said.says(USES, FIRST)
        return Facts(caller, via, named, now, app=self.app, looked_up=said, first_use=is_first)

    def sent(self, now: float = 0.0) -> Iterator[Facts]:
        """What a rule is asked about whatever they may send: all that they have, or a part of it."""
        vias = (self.via,) if self.via is None else (self.via, None)
        apps = (self.app,) if self.app is None else (self.app, None)
        for each, via, app in product((self, Persona(path=self.path)), vias, apps):
            yield replace(each, via=via, app=app).facts(now)

    def __str__(self) -> str:
        details = ", ".join(self._details())
        return ", ".join([f"{self._who()} {details}".rstrip(), *self._surroundings()])

    def _told(self, field: str) -> bool:
        return field not in self.incidental and bool(getattr(self, field))

    def _who(self) -> str:
        if self.family is None:
            return (
                "anybody without a credential" if self.via is None and self.app is None else "a call without a caller"
            )
        if self.family is OIDC or self.family is CUSTOM:
            known = "a caller known" if not self._told("subject") else f"the caller known as {self.subject!r}"
            return f"{known} to {self.issuer or _SOME_ISSUER[self.family]}"
        if self.family is FIREBASE:
            kind = "anonymous Firebase user" if self.provider == "anonymous" else "Firebase user"
            article = "an" if self.provider == "anonymous" else "a"
            return f"the {kind} {self.subject!r}" if self._told("subject") else f"{article} {kind}"
        if self.family is not GOOGLE:
            raise unknown_kind(self.family)
        kind = "service account" if self.is_service_account else "person"
        if self._told("email"):
            return f"the {kind} {self.email}"
        if self._told("subject"):
            return f"the {kind} with the id {self.subject}"
        if self.is_service_account or self.domain:
            return f"a {kind}"
        account = "a Google account" if self.issuer in ("", GOOGLE_ISSUER) else f"an account of {self.issuer}"
        return f"a person with {account}"

    def _details(self) -> Iterator[str]:
        if self.family is GOOGLE and self._told("email") and self._told("subject") and self.email != self.subject:
            yield f"with the id {self.subject}"
        if self._told("domain") and not (self._told("email") and f"{self.email}".endswith(f"@{self.domain}")):
            yield f"of {self.domain}"
        if self._told("project"):
            yield f"of the project {self.project}"
        if self._told("tenant"):
            yield f"of the tenant {self.tenant}"
        if self._told("provider") and self.provider != "anonymous":
            yield f"signed in by {self.provider}"
        if self._told("second_factor"):
            yield "with the second factor"
        if self.family is FIREBASE and self._told("email"):
            yield f"with the address {self.email}"
        if self.signed_in_ago is not None and "signed_in_ago" not in self.incidental:
            yield f"signed in {self.signed_in_ago} s ago"
        yield from self._granted()
        yield from _listed("fact" if self.family is CUSTOM else "claim", self.claims)
        yield from _listed("attribute", self.attributes)

    def _granted(self) -> Iterator[str]:
        if self._told("authorized_party"):
            yield f"by the client {self.authorized_party}"
        if self._told("scopes"):
            yield f"granted {' '.join(self.scopes)}"
        yield from (_said(of, facts) for of, facts in self.looked_up)

    def _surroundings(self) -> Iterator[str]:
        if self._told("audience"):
            yield f"with a token for {self.audience}"
        if self.via is not None:
            yield f"carried by {self.via}" if self.family is None else f"the call carried by {self.via}"
        if self.app is not None:
            yield f"from the app {self.app}" if self._told("app") else "from some app"
        if self._told("path"):
            yield from map(self._named, self.path)

    def _named(self, parameter: tuple[str, str]) -> str:
        name, value = parameter
        if self.family is not None and value == self.subject:
            return f"where {{{name}}} names them"
        if self.via is not None and value == self.via.subject:
            return f"where {{{name}}} names the carrier"
        if value == self.tenant:
            return f"where {{{name}}} names their tenant"
        told = (*self.claims, *self.attributes, *self.looked_up)
        theirs = (_words(each) for each, known in told if value in (known if isinstance(known, tuple) else (known,)))
        whose = next(theirs, None)
        return f"where {{{name}}} names {'somebody else' if whose is None else f'their {whose}'}"


class FixedLookUps(LookedUp):
    """What look-ups say of a persona; what is not said is denied."""

    def __init__(self, said: Mapping[str, Container[Any]]) -> None:
        self._said = said

    def says(self, of: str, fact: str) -> bool:
        return fact in self._said.get(of, ())

    def was_asked(self, of: str, fact: str) -> bool:
        return True


def nested(claims: Iterable[tuple[ClaimName, Any]]) -> dict[str, Any]:
    """The claims as a token has them: objects where a name is a way through objects."""
    found: dict[str, Any] = {}
    for name, value in claims:
        *way, last = (name,) if isinstance(name, str) else name
        inside = found
        for each in way:
            inside = inside.setdefault(each, {})
        inside[last] = _as_json(value)
    return found


def _as_json(value: object) -> object:
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


def _said(of: object, facts: object) -> str:
    return "with a new token" if of == USES else f"of whom {of!r} says {_as_json(facts)!r}"


def _listed(kind: str, claims: Iterable[tuple[ClaimName, Any]]) -> Iterator[str]:
    for name, value in claims:
        yield f"whose {kind} {_words(name)} is {_as_json(value)!r}"


def _words(name: ClaimName) -> str:
    return name if isinstance(name, str) else ".".join(name)

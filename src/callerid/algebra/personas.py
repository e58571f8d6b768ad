"""A persona: one caller, described so that they can be talked about, judged, and minted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from callerid.callers import Caller, Claims, FirebaseFacts, Kind
from callerid.rules import Facts

__all__ = ["ClaimValue", "Persona"]

ClaimValue: TypeAlias = str | int | float | bool

_GOOGLE: Final = "https://accounts.google.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """One caller of a request: who is calling, by which token, what carried the call, and what the path names.

    ``family`` is ``None`` for a caller without a credential of their own. ``subject`` is the account's id or the uid.
    ``signed_in_ago`` is in seconds before the request. A claim whose value is a tuple is a list. ``incidental`` are the
    names of the fields whose values were made up and would do as well with any other: ``str()`` leaves them out.
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
    claims: tuple[tuple[str, ClaimValue | tuple[ClaimValue, ...]], ...] = ()
    via: Persona | None = None
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
            firebase=self._firebase(now) if self.family is Kind.FIREBASE else None,
            via=None if self.via is None else self.via.caller(now),
        )

    def _firebase(self, now: float) -> FirebaseFacts:
        return FirebaseFacts(
            project=self.project or "",
            uid=self.subject,
            provider=self.provider,
            tenant=self.tenant,
            second_factor=self.second_factor,
            signed_in_at=None if self.signed_in_ago is None else now - self.signed_in_ago,
            claims=Claims(dict(self.claims)),
        )

    def facts(self, now: float = 0.0, *, path: Mapping[str, str] | None = None) -> Facts:
        """What a rule is asked about; ``path`` in place of the persona's own, where the names are others."""
        caller = self.caller(now)
        via = None if self.via is None else self.via.caller(now)
        return Facts(caller, via, dict(self.path) if path is None else path, now)

    def sent(self, now: float = 0.0) -> Iterator[Facts]:
        """What a rule is asked about whatever they may send: all that they have, or a part of it."""
        for each in (self, Persona(path=self.path, via=self.via)):
            yield each.facts(now)
            if self.via is not None:
                yield replace(each, via=None).facts(now)

    def __str__(self) -> str:
        details = ", ".join(self._details())
        return ", ".join([f"{self._who()} {details}".rstrip(), *self._surroundings()])

    def _told(self, field: str) -> bool:
        return field not in self.incidental and bool(getattr(self, field))

    def _who(self) -> str:
        if self.family is None:
            return "anybody without a credential" if self.via is None else "a call without a caller"
        if self.family is Kind.FIREBASE:
            kind = "anonymous Firebase user" if self.provider == "anonymous" else "Firebase user"
            article = "an" if self.provider == "anonymous" else "a"
            return f"the {kind} {self.subject!r}" if self._told("subject") else f"{article} {kind}"
        kind = "service account" if self.is_service_account else "person"
        if self._told("email"):
            return f"the {kind} {self.email}"
        if self._told("subject"):
            return f"the {kind} with the id {self.subject}"
        if self.is_service_account or self.domain:
            return f"a {kind}"
        account = "a Google account" if self.issuer in ("", _GOOGLE) else f"an account of {self.issuer}"
        return f"a person with {account}"

    def _details(self) -> Iterator[str]:
        if self.family is Kind.GOOGLE and self._told("email") and self._told("subject") and self.email != self.subject:
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
        if self.family is Kind.FIREBASE and self._told("email"):
            yield f"with the address {self.email}"
        if self.signed_in_ago is not None and "signed_in_ago" not in self.incidental:
            yield f"signed in {self.signed_in_ago} s ago"
        for name, value in self.claims:
            yield f"whose claim {name} is {list(value) if isinstance(value, tuple) else value!r}"

    def _surroundings(self) -> Iterator[str]:
        if self._told("audience"):
            yield f"with a token for {self.audience}"
        if self.via is not None:
            yield f"carried by {self.via}" if self.family is None else f"the call carried by {self.via}"
        if self._told("path"):
            yield from map(self._named, self.path)

    def _named(self, parameter: tuple[str, str]) -> str:
        name, value = parameter
        if self.family is not None and value == self.subject:
            return f"where {{{name}}} names them"
        carried = self.via is not None and value == self.via.subject
        return f"where {{{name}}} names {'the carrier' if carried else 'somebody else'}"

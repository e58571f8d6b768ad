"""A rule about who a caller is to an issuer that is neither Google nor Firebase."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from callerid.callers import CUSTOM, OIDC, Kind
from callerid.errors import ConfigurationError
from callerid.rules._accounts import PathParam, named_by_path, names
from callerid.rules._base import Rule
from callerid.rules._facts import Facts
from callerid.rules._judging import the_caller
from callerid.rules._text import printable

__all__ = ["Subject"]

LONGEST_SUBJECT = 255
"""Characters of a ``sub`` (OpenID Connect Core section 2)."""


@dataclass(frozen=True, slots=True, repr=False)
class Subject(Rule):
    """Whom an OpenID Connect provider, or a credential of the application's own, knows by this subject.

    It is compared exactly. No Google account and no Firebase user has one: they are `User`, `ServiceAccount` and
    `FirebaseUser`. A subject means somebody to one issuer only. Where a guard trusts several, every rule about their
    callers says whose: ``of="https://id.example.com"`` here (the issuer's name), or `IssuedBy` beside it.
    """

    subject: str | PathParam
    of: str | None = field(default=None, kw_only=True)

    families: ClassVar[frozenset[Kind] | None] = frozenset({OIDC, CUSTOM})

    def __post_init__(self) -> None:
        if type(self.subject) is not PathParam and len(printable(self.subject, "Subject names one")) > LONGEST_SUBJECT:
            raise ConfigurationError(f"a subject has at most {LONGEST_SUBJECT} characters", code="rule-argument")
        if self.of is not None:
            printable(self.of, "of= is the name of an issuer, such as 'https://id.example.com'")

    @property
    def wants(self) -> str | None:
        return f"id {self.subject}" if isinstance(self.subject, str) else None

    @property
    def names_project(self) -> bool:
        return type(self) is Subject and self.of is not None

    def admits(self, facts: Facts) -> bool:
        caller = facts.caller
        if caller is None or self.of not in (None, caller.issuer):
            return False
        return (caller.kind is OIDC or caller.kind is CUSTOM) and names(self.subject, caller.subject, facts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note, caller = the_caller(facts) + named_by_path(self.subject, facts), facts.caller
        if caller is None or self.of in (None, caller.issuer):
            return note
        return f"{note}, issued by {caller.issuer}"

    def __str__(self) -> str:
        who = f"subject:{self.subject}"
        return who if self.of is None else f"{who} of {self.of}"

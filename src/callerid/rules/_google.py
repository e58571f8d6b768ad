"""Rules about Google identities: people, service accounts, Workspace domains."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from callerid.callers import GOOGLE, Caller, Kind
from callerid.errors import ConfigurationError
from callerid.rules._accounts import (
    CONSUMER_DOMAINS,
    PathParam,
    account_name,
    address_of,
    is_email,
    is_service_account,
    named_by_path,
    names,
    wanted_of,
)
from callerid.rules._base import Rule
from callerid.rules._facts import Facts
from callerid.rules._judging import the_caller
from callerid.rules._text import domain_name, domain_of, lower, printable, same_email

__all__ = ["AnyGoogleAccount", "AuthorizedParty", "Domain", "Scope", "ServiceAccount", "User"]


def _named_by_path(account: str | PathParam, facts: Facts) -> str:
    """Whom the path names, beside the id by which the account is compared with it."""
    said, caller = named_by_path(account, facts), facts.google
    return f"{said}, and the account's id is {caller.subject!r}" if said and caller is not None else said


@dataclass(frozen=True, slots=True, repr=False)
class AnyGoogleAccount(Rule):
    """Anyone on earth with a Google account, service accounts included: IAM's ``allAuthenticatedUsers``.

    This tells nobody apart: an account, and a project that mints tokens for any audience, are free.
    """

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def admits(self, facts: Facts) -> bool:
        return facts.google is not None

    def __str__(self) -> str:
        return "allAuthenticatedUsers"


@dataclass(frozen=True, slots=True, repr=False)
class User(Rule):
    """One person's Google account, by e-mail address or by unique id (the ``sub`` claim, digits).

    By e-mail it holds where Google is the authority for the address: ``@gmail.com``, ``@googlemail.com``, or any
    verified address of a Workspace account, which has ``hd`` (Google, "Verify the Google ID token on your server
    side"). A Workspace may have further domains than the one in ``hd``; ``& Domain(...)`` says which one is meant. Any
    other address was proved once, at sign-up, and may belong to somebody else by now: use the account's id, or write
    ``hosted=False``.
    """

    account: str | PathParam
    hosted: bool = True

    family: ClassVar[Kind | None] = Kind.GOOGLE
    remedy: ClassVar[str] = (
        "Google does not host this address, so it does not prove who holds it today: name the account's id, "
        "or write hosted=False"
    )

    def __post_init__(self) -> None:
        self._set(account=account_name(self.account, "User"))
        if is_service_account(self.account):
            raise ConfigurationError(
                f"{self.account!r} is a service account: write ServiceAccount({self.account!r})", code="rule-argument"
            )
        if self.hosted is not True and not (self.hosted is False and is_email(self.account)):
            raise ConfigurationError("hosted=False goes with an e-mail address only", code="rule-argument")

    @property
    def wants(self) -> str | None:
        return wanted_of(self.account)

    def admits(self, facts: Facts) -> bool:
        caller = facts.google
        if caller is None or caller.is_service_account:
            return False
        if not is_email(self.account):
            return names(self.account, caller.subject, facts)
        return same_email(self.account, caller.email) and (not self.hosted or self._is_hosted(caller))

    @staticmethod
    def _is_hosted(caller: Caller) -> bool:
        return bool(caller.domain) or domain_of(caller.email) in CONSUMER_DOMAINS

    def _note(self, facts: Facts, *, holds: bool) -> str:
        caller, note = facts.google, the_caller(facts) + _named_by_path(self.account, facts)
        if holds or caller is None or caller.is_service_account or not is_email(self.account):
            return note
        return f"{note} ({self.remedy})" if same_email(self.account, caller.email) else note + address_of(caller)

    def __str__(self) -> str:
        return f"user:{self.account}"


@dataclass(frozen=True, slots=True, repr=False)
class ServiceAccount(Rule):
    """One service account, by e-mail address or by unique id (the ``sub`` claim, digits).

    Tokens minted without ``includeEmail`` carry no address: those callers are known by id alone.
    """

    account: str | PathParam

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def __post_init__(self) -> None:
        self._set(account=account_name(self.account, "ServiceAccount"))
        if is_email(self.account) and not is_service_account(self.account):
            raise ConfigurationError(
                f"{self.account!r} is not a service account's address (they end in .gserviceaccount.com): "
                f"write User({self.account!r}) for a person",
                code="rule-argument",
            )

    @property
    def wants(self) -> str | None:
        return wanted_of(self.account)

    def admits(self, facts: Facts) -> bool:
        caller = facts.google
        if caller is None or not caller.is_service_account:
            return False
        if is_email(self.account):
            return same_email(self.account, caller.email)
        return names(self.account, caller.subject, facts)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        caller = facts.google
        note = the_caller(facts) + _named_by_path(self.account, facts)
        if is_email(self.account) and caller is not None and caller.is_service_account and caller.email is None:
            return f"{note}{address_of(caller)} (mint it with includeEmail, or name the id in the rule)"
        return note

    def __str__(self) -> str:
        return f"serviceAccount:{self.account}"


@dataclass(frozen=True, slots=True, repr=False)
class Domain(Rule):
    """Every person of one Google Workspace or Cloud Identity domain (the ``hd`` claim); no service account."""

    domain: str

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def __post_init__(self) -> None:
        self._set(domain=domain_name(self.domain, "Domain"))
        if self.domain in CONSUMER_DOMAINS:
            raise ConfigurationError(
                f"Domain({self.domain!r}) admits nobody: Gmail accounts belong to no domain", code="rule-argument"
            )

    @property
    def wants(self) -> str | None:
        return f"domain {self.domain}"

    def admits(self, facts: Facts) -> bool:
        caller = facts.caller
        if caller is None or caller.kind is not GOOGLE or caller.is_service_account:
            return False
        return lower(caller.domain) == self.domain

    def _note(self, facts: Facts, *, holds: bool) -> str:
        if facts.google is None or facts.google.is_service_account:
            return the_caller(facts)
        return f"the caller is {facts.caller}, of {facts.google.domain or 'no Workspace domain'}"

    def __str__(self) -> str:
        return f"domain:{self.domain}"


@dataclass(frozen=True, slots=True, repr=False)
class AuthorizedParty(Rule):
    """Google accounts whose ID token this OAuth client asked for (the ``azp`` claim; OpenID Connect Core section 2).

    An audience may be shared by the clients of several apps; this says which of them the person signed in with. A
    client's id is public, so it names an app and proves nothing about who uses it: join it (``&``) with a rule that
    does. Of a service account's token ``azp`` is the account's own address or id: write `ServiceAccount` for an id.
    """

    client_id: str

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def __post_init__(self) -> None:
        printable(self.client_id, "AuthorizedParty names an OAuth client id")
        if self.client_id.isdecimal():
            raise ConfigurationError(
                f"AuthorizedParty names an OAuth client id, such as '1234-abc.apps.googleusercontent.com': write "
                f"ServiceAccount({self.client_id!r}) for an account's id",
                code="rule-argument",
            )

    def admits(self, facts: Facts) -> bool:
        caller = facts.google
        return caller is not None and caller.authorized_party == self.client_id

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts)
        return note if facts.google is None else f"{note}, by the client {facts.google.authorized_party or 'unknown'}"

    def __str__(self) -> str:
        return f"authorizedParty:{self.client_id}"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class Scope(Rule):
    """People whose Google access token was granted all of these scopes (OAuth 2.0, RFC 6749 section 3.3).

    Each is written as Google writes it, such as ``https://www.googleapis.com/auth/drive.readonly``, and compared
    exactly: no scope includes another here. It tells what a user let an app do, and nobody apart: join it (``&``) with
    a rule that says who. ID tokens have no scopes, so it holds of nobody who sent one.
    """

    scopes: tuple[str, ...]

    family: ClassVar[Kind | None] = Kind.GOOGLE

    def __init__(self, *scopes: str) -> None:
        if not scopes:
            raise ConfigurationError(
                "Scope names at least one, such as 'https://www.googleapis.com/auth/drive.readonly'",
                code="rule-argument",
            )
        for scope in scopes:
            if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
                raise ConfigurationError(
                    f"Scope names scopes as Google writes them, such as 'openid', not {scope!r}: each a text "
                    "of its own",
                    code="rule-argument",
                )
        self._set(scopes=tuple(sorted(set(scopes))))

    def admits(self, facts: Facts) -> bool:
        caller = facts.google
        return caller is not None and caller.scopes.issuperset(self.scopes)

    def _note(self, facts: Facts, *, holds: bool) -> str:
        note = the_caller(facts)
        if facts.google is None or holds:
            return note
        if not facts.google.scopes:
            return f"{note}, whose credential has no scopes (an access token has them)"
        return f"{note}, whose token lacks {' '.join(sorted(set(self.scopes) - facts.google.scopes))}"

    def __repr__(self) -> str:
        return f"Scope({', '.join(map(repr, self.scopes))})"

    def __str__(self) -> str:
        return f"scope:{' '.join(self.scopes)}"


_SCOPE = re.compile(r"[!#-\[\]-~]+")
"""A scope-token (RFC 6749 section 3.3)."""

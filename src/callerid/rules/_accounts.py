"""Whom a rule names: one account written out, or whoever the path names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeGuard

from callerid.callers import Caller
from callerid.errors import ConfigurationError
from callerid.rules._facts import Facts
from callerid.rules._text import domain_name

__all__ = [
    "CONSUMER_DOMAINS",
    "PathParam",
    "account_name",
    "address_of",
    "is_email",
    "is_service_account",
    "named_by_path",
    "names",
    "wanted_of",
]

CONSUMER_DOMAINS = frozenset({"gmail.com", "googlemail.com"})
"""The domains of addresses that Google hosts for accounts of no Workspace (one mailbox, by two names)."""

_LOCAL_PART = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}")


@dataclass(frozen=True, slots=True, repr=False)
class PathParam:
    """In place of a uid, an account's id, a tenant or a claim's value: what the path parameter of this name names.

    A ``str`` parameter is compared exactly, an ``int`` one as its ``str()``. Other converters, and a name that the path
    does not have or has twice, are start-up errors.
    """

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ConfigurationError(
                f"PathParam names a path parameter such as 'user_id', not {self.name!r}", code="path-parameter"
            )

    def names(self, identifier: str | None, facts: Facts) -> bool:
        """Whether the path names this id."""
        value = facts.path.get(self.name)
        if type(value) is int:
            value = str(value)
        return type(value) is str and value != "" and value == identifier

    def __str__(self) -> str:
        return f"{{{self.name}}}"

    def __repr__(self) -> str:
        return f"PathParam({self.name!r})"


def account_name(account: Any, rule: str) -> str | PathParam:
    """An address in lower case, a unique id, or a `PathParam`. Raises `ConfigurationError` for anything else."""
    if type(account) is PathParam:  # what a subclass would compare, nothing here could tell
        return account
    text = account if isinstance(account, str) else ""
    local, at, host = text.partition("@")
    if at and text.isascii() and _LOCAL_PART.fullmatch(local):
        return f"{local.lower()}@{domain_name(host, rule)}"
    if not at and text.isascii() and text.isdigit() and len(text) <= 255:
        return text
    raise ConfigurationError(
        f"{rule} names one account by e-mail address or by unique id (digits), not {account!r}", code="rule-argument"
    )


def is_email(account: str | PathParam) -> TypeGuard[str]:
    """Whether the account is named by its address."""
    return isinstance(account, str) and "@" in account


def is_service_account(account: str | PathParam) -> bool:
    """Whether the account is named by a service account's address."""
    return is_email(account) and account.endswith(".gserviceaccount.com")


def wanted_of(account: str | PathParam | None) -> str | None:
    """What a caller must have to be this account (see `Facts.has`); ``None`` for whoever the path names."""
    if not isinstance(account, str):
        return None
    return f"email {account}" if is_email(account) else f"id {account}"


def names(wanted: str | PathParam, identifier: str, facts: Facts) -> bool:
    """Whether the account that a rule wants has this id."""
    return wanted.names(identifier, facts) if isinstance(wanted, PathParam) else wanted == identifier


def named_by_path(account: object, facts: Facts) -> str:
    """Whom the path names, to be said behind the caller's name; empty where the rule names somebody itself."""
    if not isinstance(account, PathParam):
        return ""
    value = facts.path.get(account.name)
    return ", the path names " + ("nobody" if value is None else f"{str(value)[:LONGEST_SHOWN]!r}")


LONGEST_SHOWN = 200
"""What a path names is cut to this length."""


def address_of(caller: Caller) -> str:
    """Why a caller is known by no address, to be said behind their name; empty where they are known by one."""
    if caller.email is not None:
        return ""
    return ", with an e-mail that is not verified" if caller.has_unverified_email else ", with no e-mail in the token"
